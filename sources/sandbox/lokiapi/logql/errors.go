package logql

import (
	"fmt"
	"net/http"
	"strings"
)

// Error is a refusal in Loki's words, with the HTTP status that it has.
type Error struct {
	Status int
	Text   string
}

func (e *Error) Error() string { return e.Text }

func badRequest(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Text: fmt.Sprintf(format, args...)}
}

// parseError is a refusal that has no place in the text.
func parseError(format string, args ...any) *Error {
	return badRequest("parse error : "+format, args...)
}

// syntaxError is a refusal of the text at a token.
func syntaxError(t token, format string, args ...any) *Error {
	return badRequest("parse error at line %d, col %d: %s", t.line, t.col, fmt.Sprintf(format, args...))
}

// pipelineError is what becomes of a metric query with a line that a stage could not
// handle, since a number without it would be wrong.
func pipelineError(kind string, labels []Label) *Error {
	var series strings.Builder
	series.WriteByte('{')
	for i, l := range labels {
		if i > 0 {
			series.WriteString(", ")
		}
		fmt.Fprintf(&series, "%s=%q", l.Name, l.Value)
	}
	series.WriteByte('}')
	return badRequest("pipeline error: '%s' for series: '%s'.\n"+
		"Use a label filter to intentionally skip this error. (e.g | __error__!=\"%s\").\n"+
		"To skip all potential errors you can match empty errors.(e.g __error__=\"\")\n"+
		"The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" )\n",
		kind, series.String(), kind)
}

func tooManySeries(limit int) *Error {
	return badRequest("maximum number of series (%d) reached for a single query; consider reducing query cardinality "+
		"by adding more specific stream selectors, reducing the time range, or aggregating results with functions like sum(), count() or topk()", limit)
}
