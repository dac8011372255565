// Package ident finds and normalises the IDs by which requests are followed: in what a
// person pastes, and in what a log record says about itself.
//
// It is text in, IDs out; where an ID is looked up is decided in correlate.
package ident

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/tidwall/gjson"

	"obs/sources"
)

// maxLength bounds what is taken for an ID. The longest in use are some 70 characters.
const maxLength = 256

// Errors of Parse.
var (
	ErrEmpty = errors.New("no ID was given")
	ErrNotID = errors.New("not an ID")
)

// ID is what a text was taken for. A text may be read in two ways, and both are tried.
type ID struct {
	// Trace is set where the text can be a trace ID.
	Trace sources.TraceID
	// Request is the text as a request ID; set unless it can only be a trace ID.
	Request string
	// Reading says in words what the text was taken for.
	Reading string
}

// traceparent is the header of W3C Trace Context, version 00.
var traceparent = regexp.MustCompile(`^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$`)

// Parse reads what a person gave. Up to 32 hexadecimal digits, in any case and with
// leading zeros lost, may be a trace ID; anything else of one word is a request ID.
func Parse(text string) (ID, error) {
	text = strings.Trim(strings.TrimSpace(text), `"'`)
	switch {
	case text == "":
		return ID{}, ErrEmpty
	case len(text) > maxLength:
		return ID{}, fmt.Errorf("%w: it is %d characters long, and no ID is longer than %d", ErrNotID, len(text), maxLength)
	case strings.IndexFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) >= 0:
		return ID{}, fmt.Errorf("%w: an ID is one word", ErrNotID)
	}
	if m := traceparent.FindStringSubmatch(strings.ToLower(text)); m != nil {
		if id, ok := sources.ParseTraceID(m[1]); ok {
			return ID{Trace: id, Reading: "a traceparent header of trace " + string(id)}, nil
		}
		return ID{}, fmt.Errorf("%w: a traceparent header with a trace ID of zeros", ErrNotID)
	}
	if id, ok := sources.ParseTraceID(text); ok {
		// Fewer digits than half a trace ID are as likely an ID of another kind.
		reading := "trace ID " + string(id)
		if len(text) < 16 {
			reading += ", or a request ID"
		}
		return ID{Trace: id, Request: text, Reading: reading}, nil
	}
	if strings.Trim(text, "0") == "" {
		return ID{}, fmt.Errorf("%w: an ID of zeros names nothing", ErrNotID)
	}
	return ID{Request: text, Reading: "request ID " + text}, nil
}

// TraceFields, SpanFields, RequestFields and SeverityFields are the names under which
// log records carry these, as the common loggers and agents write them. Loki turns dots
// into underscores.
var (
	TraceFields    = []string{"trace_id", "traceID", "traceId", "TraceID", "TraceId", "traceid", "otelTraceID", "dd_trace_id"}
	SpanFields     = []string{"span_id", "spanID", "spanId", "SpanID", "SpanId", "spanid", "otelSpanID", "dd_span_id"}
	RequestFields  = []string{"request_id", "requestID", "requestId", "RequestID", "req_id", "reqId", "x_request_id", "correlation_id", "correlationId"}
	SeverityFields = []string{"level", "severity", "severity_text", "lvl", "detected_level", "log_level"}
)

// RequestAttributes are the span attributes that hold request IDs.
var RequestAttributes = []string{"request.id", "request_id", "http.request.header.x-request-id", "guid:x-request-id", "http.request_id"}

// InLine finds the value of the first of the fields that a line carries: as a field of
// a JSON object, or as name=value or name: value in text.
func InLine(line string, fields []string) string {
	if strings.HasPrefix(strings.TrimSpace(line), "{") && gjson.Valid(line) {
		for _, field := range fields {
			// A dot in a name is no path; two spellings differ by it.
			for _, name := range []string{field, strings.ReplaceAll(field, "_", ".")} {
				if v := gjson.Get(line, gjson.Escape(name)); v.Exists() && v.Type != gjson.Null {
					return v.String()
				}
			}
		}
		return ""
	}
	for _, field := range fields {
		if v := textField(line, field); v != "" {
			return v
		}
	}
	return ""
}

// textField finds name=value, name="value" or name: value in a line of text.
func textField(line, field string) string {
	for rest := line; ; {
		i := strings.Index(rest, field)
		if i < 0 {
			return ""
		}
		before, after := rest[:i], rest[i+len(field):]
		rest = after
		if before != "" && isWordByte(before[len(before)-1]) {
			continue
		}
		after = strings.TrimPrefix(after, `"`)
		if after == "" || (after[0] != '=' && after[0] != ':') {
			continue
		}
		after = strings.TrimLeft(after[1:], " ")
		if quoted, ok := strings.CutPrefix(after, `"`); ok {
			value, _, _ := strings.Cut(quoted, `"`)
			return value
		}
		end := strings.IndexAny(after, " \t,;|])}\"")
		if end < 0 {
			end = len(after)
		}
		return after[:end]
	}
}

func isWordByte(b byte) bool {
	return b == '_' || b == '.' || (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z')
}

// TracePattern is a regular expression (RE2) that finds the trace ID in a line in any
// of its notations: any case, leading zeros lost or not, dashed like a UUID.
func TracePattern(id sources.TraceID) string {
	full := string(id)
	dashed := strings.Join([]string{full[:8], full[8:12], full[12:16], full[16:20], full[20:]}, "-")
	return "(?i)(" + id.Short() + "|" + dashed + ")"
}

// Mentions reports whether the line carries exactly this trace ID, and not a longer one
// of which it is a part.
func Mentions(line string, id sources.TraceID) bool {
	lower := strings.ToLower(line)
	full := string(id)
	if strings.Contains(lower, strings.Join([]string{full[:8], full[8:12], full[12:16], full[16:20], full[20:]}, "-")) {
		return true
	}
	short := id.Short()
	for at := 0; ; {
		i := strings.Index(lower[at:], short)
		if i < 0 {
			return false
		}
		start, end := at+i, at+i+len(short)
		at = start + 1
		zeros := strings.TrimRight(lower[:start], "0")
		if (end < len(lower) && isHex(lower[end])) || (zeros != "" && isHex(zeros[len(zeros)-1])) {
			continue
		}
		return true
	}
}

func isHex(b byte) bool { return (b >= '0' && b <= '9') || (b >= 'a' && b <= 'f') }
