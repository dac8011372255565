package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"obs/correlate"
	"obs/correlate/ident"
	"obs/sources"
)

// toldElsewhere are the fields of a JSON line that the line's own columns tell already.
var toldElsewhere = slices.Concat([]string{"time", "ts", "timestamp", "@timestamp", "service", "service_name"},
	ident.SeverityFields, ident.TraceFields, ident.SpanFields)

// recordLine is a record in one line: time, severity, service, what it says, and by
// what it was joined.
func recordLine(r *correlate.Record) string {
	weak := ""
	if r.Join.Weak() {
		weak = " (weak)"
	}
	return fmt.Sprintf("%s %s %s %s  ← %s%s", r.Time.UTC().Format("15:04:05.000"), pad(strings.ToUpper(r.Severity), 5),
		pad(r.Service, 12), sources.Printable(Message(r.Line)), r.Join, weak)
}

// Message is a log line as a person reads it: of a JSON object the message first and
// then the other fields as name=value, without those that stand elsewhere in the row.
// Any other line is returned as it is. The case keeps the line itself.
func Message(line string) string {
	trimmed := strings.TrimSpace(line)
	if !strings.HasPrefix(trimmed, "{") || !gjson.Valid(trimmed) {
		return line
	}
	message := ""
	var rest []string
	gjson.Parse(trimmed).ForEach(func(key, value gjson.Result) bool {
		name := key.String()
		switch {
		case message == "" && slices.Contains(correlate.MessageFields, name) && value.Type == gjson.String:
			message = value.String()
		case slices.Contains(toldElsewhere, name):
		case value.Type == gjson.String && !strings.ContainsAny(value.String(), " \t\"="):
			rest = append(rest, name+"="+value.String())
		default:
			rest = append(rest, name+"="+value.Raw)
		}
		return true
	})
	if message == "" {
		return line
	}
	return strings.Join(append([]string{message}, rest...), "  ")
}
