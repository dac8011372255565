package ident

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// TraceLabels are the names under which Loki keeps trace IDs in structured metadata or
// labels, most common first. Each makes queries longer, so those are not here whose
// values are more than the ID. Loki turns dots into underscores.
var TraceLabels = []string{"trace_id", "traceID", "traceId", "TraceID", "TraceId", "traceid", "otelTraceID", "dd_trace_id"}

// SpanLabels are the same for span IDs.
var SpanLabels = []string{"span_id", "spanID", "spanId", "SpanID", "SpanId", "spanid", "otelSpanID", "dd_span_id"}

// TraceFields, SpanFields, RequestFields and SeverityFields are the names under which
// log records carry these, as the common loggers and agents write them: OpenTelemetry
// (trace_id; Python's otelTraceID), Elastic Common Schema (trace.id), Datadog
// (dd.trace_id), Google Cloud Logging (logging.googleapis.com/trace), B3 and W3C headers
// logged as they are, Logback's and Log4j's diagnostic context (mdc.traceId). The value of
// a TraceField is read by ParseTrace. A name with underscores stands for that with dots
// too.
var (
	TraceFields = slices.Concat(TraceLabels, []string{
		"dd.trace_id", "mdc.traceId", "mdc.trace_id", "context.trace_id", "attributes.trace_id", "contextMap.traceId",
		"logging.googleapis.com/trace", "logging_googleapis_com_trace", "X-B3-TraceId", "x-b3-traceid", "traceparent",
	})
	SpanFields = slices.Concat(SpanLabels, []string{
		"mdc.spanId", "mdc.span_id", "context.span_id", "attributes.span_id", "contextMap.spanId",
		"logging.googleapis.com/spanId", "logging_googleapis_com_spanId", "X-B3-SpanId", "x-b3-spanid",
	})
	RequestFields = []string{"request_id", "requestID", "requestId", "RequestID", "req_id", "reqId", "x_request_id", "correlation_id", "correlationId"}
	// OwnRequestFields are those under which a record names the one request that it is of;
	// a correlation goes over several.
	OwnRequestFields = RequestFields[:7]
	SeverityFields   = []string{"level", "severity", "severity_text", "lvl", "detected_level", "log_level"}
)

// RequestAttributes are the span attributes that hold request IDs, most common first:
// what programs set by hand, OpenTelemetry's registry (headers of requests and answers,
// aws.request_id, faas.invocation_id, the conversation of messages) and Envoy's
// guid:x-request-id. Each costs a search of every service where none before it holds the ID.
var RequestAttributes = []string{
	"request.id", "request_id", "http.request.header.x-request-id", "guid:x-request-id", "http.request_id",
	"http.response.header.x-request-id", "aws.request_id", "faas.invocation_id", "messaging.message.conversation_id",
}

// InLine finds the value of the first of the fields that a line carries: as a field of
// a JSON object or of an object in it, or as name=value or name: value in text.
func InLine(line string, fields []string) string {
	if strings.HasPrefix(strings.TrimSpace(line), "{") && gjson.Valid(line) {
		for _, field := range fields {
			// A dot in a name is no path; two spellings differ by it.
			for _, name := range []string{field, strings.ReplaceAll(field, "_", ".")} {
				if !strings.Contains(line, name) {
					continue // most lines have few of the names, and reading JSON takes long
				}
				if v := gjson.Get(line, gjson.Escape(name)); v.Exists() && v.Type != gjson.Null {
					return v.String()
				}
			}
			if v := nested(line, field); v != "" {
				return v
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

// nested finds a field whose name has dots, or underscores that stand for them, in an
// object of that name: {"trace":{"id":…}}, {"dd":{"trace_id":…}}.
func nested(line, field string) string {
	for at := range len(field) {
		if field[at] != '_' && field[at] != '.' {
			continue
		}
		outer, inner := field[:at], field[at+1:]
		if outer == "" || !strings.Contains(line, `"`+outer+`"`) {
			continue
		}
		if v := gjson.Get(line, gjson.Escape(outer)); v.IsObject() {
			if v = v.Get(gjson.Escape(inner)); v.Exists() && v.Type != gjson.Null && !v.IsObject() && !v.IsArray() {
				return v.String()
			}
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
