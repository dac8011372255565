package report

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"obs/correlate"
	"obs/sources"
)

// RecordRaw writes a record's line as it is stored, and the end of a line. Nothing in it is
// escaped: it is for a pipe, and not safe on a terminal, for which RecordPrintable is.
func RecordRaw(w io.Writer, r *correlate.Record) error {
	_, err := io.WriteString(w, r.Line+"\n")
	return err
}

// RecordPrintable writes a record's line in one line that is safe on a terminal.
func RecordPrintable(w io.Writer, r *correlate.Record) error {
	_, err := io.WriteString(w, sources.Printable(r.Line)+"\n")
	return err
}

// RecordLogfmt writes a record as one line of logfmt, safe on a terminal:
//
//	time=2026-11-21T12:00:00Z service=checkout level=error trace_id=… span_id=… pod=a msg="no answer"
//
// What it does not have is left out, but for time and msg; one that is context says
// context=true. Labels and metadata stand between
// the columns and the line by their names, in which what logfmt cannot have is an underscore.
// One that says the same as a column or a label of its name is not repeated; one that
// says something else has its name with _label or _metadata behind it.
func RecordLogfmt(w io.Writer, r *correlate.Record) error {
	line := logfmtLine{taken: map[string]string{"msg": r.Line}}
	line.add("time", r.Time.UTC().Format(time.RFC3339Nano))
	for _, column := range [][2]string{
		{"service", r.Service}, {"level", r.Severity}, {"trace_id", string(r.TraceID)}, {"span_id", string(r.SpanID)},
	} {
		if column[1] != "" {
			line.add(column[0], column[1])
		}
	}
	if r.Context {
		line.add("context", "true")
	}
	line.addAll(r.Labels, "_label")
	line.addAll(r.Metadata, "_metadata")
	line.write("msg", r.Line)
	_, err := io.WriteString(w, line.text.String()+"\n")
	return err
}

// logfmtLine is a line of logfmt under way.
type logfmtLine struct {
	text  strings.Builder
	taken map[string]string // the names that it has, and what they say
}

func (l *logfmtLine) add(name, value string) {
	l.taken[name] = value
	l.write(name, value)
}

// addAll adds labels by their names, in order. One whose name says something else already
// gets the suffix, as often as it takes.
func (l *logfmtLine) addAll(labels sources.Labels, suffix string) {
	for _, original := range slices.Sorted(maps.Keys(labels)) {
		name, value := logfmtName(original), labels[original]
		for {
			said, taken := l.taken[name]
			if !taken {
				l.add(name, value)
				break
			}
			if said == value && name == original {
				break
			}
			name += suffix
		}
	}
}

func (l *logfmtLine) write(name, value string) {
	if l.text.Len() > 0 {
		l.text.WriteByte(' ')
	}
	l.text.WriteString(name + "=" + logfmtValue(value))
}

// logfmtName is a name without what ends one in logfmt, or acts on a terminal.
func logfmtName(name string) string {
	return cmp.Or(strings.Map(func(r rune) rune {
		if endsWord(r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, "_")), "_")
}

// logfmtValue is a value as it is, or in quotes with JSON's escapes where it would not be
// read back otherwise: without text, or as null, which some readers take for none.
func logfmtValue(value string) string {
	if value != "" && value != "null" && !strings.ContainsFunc(value, endsWord) {
		return value
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return `""` // a text has a form in JSON
	}
	return string(inert([]byte(strings.TrimSuffix(b.String(), "\n"))))
}

// endsWord tells what cannot stand in a name or a value of logfmt without quotes, among it
// what stands for bytes that are not UTF-8.
func endsWord(r rune) bool {
	return r <= ' ' || r == '=' || r == '"' || r == '\ufffd' || sources.Acts(r)
}
