package shop

import (
	"strconv"
	"time"

	"obs/sources"
)

// logFormat is how a service writes its log.
type logFormat struct {
	style style
	ids   idPlace
}

type style int

const (
	styleJSON style = iota
	styleLogfmt
	styleText
)

// idPlace is where a record's trace and span IDs stand.
type idPlace int

const (
	idsMetadata idPlace = iota // beside the line, in structured metadata
	idsSnake                   // in the line, as trace_id and span_id
	idsCamel                   // in the line, as traceId and spanId
	idsText                    // in the line, without a name
)

type level string

const (
	levelDebug level = "debug"
	levelInfo  level = "info"
	levelWarn  level = "warn"
	levelError level = "error"
)

// field is one value that a record carries beside its message.
type field struct {
	name, value string
	bare        bool // a number
}

func text(name, value string) field { return field{name: name, value: value} }

func number(name string, v float64) field {
	return field{name: name, value: strconv.FormatFloat(v, 'f', -1, 64), bare: true}
}

// log writes one record to a pod's stream. The request and its span may be nil.
func (s *Shop) log(p *pod, l level, message string, r *request, sp *span, fields ...field) {
	if p.log == nil || (r != nil && !r.detailed) || (r == nil && s.phase().weight != 1) {
		return
	}
	now := s.at2time(s.now)
	var trace sources.TraceID
	var id sources.SpanID
	if r != nil {
		trace = r.trace
		fields = append(fields, text("request_id", r.id))
	}
	if sp != nil {
		id = spanID(sp.id)
	}
	var metadata sources.Labels
	switch p.service.format.ids {
	case idsMetadata:
		if trace != "" {
			metadata = sources.Labels{"trace_id": string(trace), "span_id": string(id)}
		}
	case idsSnake, idsCamel:
		if trace != "" {
			names := [2]string{"trace_id", "span_id"}
			if p.service.format.ids == idsCamel {
				names = [2]string{"traceId", "spanId"}
			}
			fields = append(fields, text(names[0], string(trace)), text(names[1], string(id)))
		}
	}
	b := s.line[:0]
	switch p.service.format.style {
	case styleJSON:
		b = appendJSONLine(b, now, l, message, fields)
	case styleLogfmt:
		b = appendLogfmtLine(b, now, l, message, fields)
	default:
		b = appendTextLine(b, now, l, message, p.service.name, trace, id, fields)
	}
	s.line = b
	s.records++
	p.log(now, string(b), metadata)
}

const lineTime = "2006-01-02T15:04:05.000Z07:00"

func appendJSONLine(b []byte, t time.Time, l level, message string, fields []field) []byte {
	b = append(b, `{"time":"`...)
	b = t.AppendFormat(b, lineTime)
	b = append(b, `","level":"`...)
	b = append(b, l...)
	b = append(b, `","msg":`...)
	b = appendQuoted(b, message)
	for _, f := range fields {
		b = append(b, ',', '"')
		b = append(b, f.name...)
		b = append(b, '"', ':')
		if f.bare {
			b = append(b, f.value...)
		} else {
			b = appendQuoted(b, f.value)
		}
	}
	return append(b, '}')
}

// appendQuoted appends s as a JSON string. What the shop writes is printable ASCII.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

func appendLogfmtLine(b []byte, t time.Time, l level, message string, fields []field) []byte {
	b = append(b, "ts="...)
	b = t.AppendFormat(b, lineTime)
	b = append(b, " level="...)
	b = append(b, l...)
	b = append(b, " msg="...)
	b = appendQuoted(b, message)
	for _, f := range fields {
		b = append(b, ' ')
		b = append(b, f.name...)
		b = append(b, '=')
		if f.bare || isWord(f.value) {
			b = append(b, f.value...)
		} else {
			b = appendQuoted(b, f.value)
		}
	}
	return b
}

func isWord(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '"' || c == '=' {
			return false
		}
	}
	return s != ""
}

var textLevels = map[level]string{levelDebug: "DEBUG", levelInfo: "INFO ", levelWarn: "WARN ", levelError: "ERROR"}

// appendTextLine writes as loggers do that were set up before anybody thought of
// machines as readers: the IDs stand in brackets, without a name.
func appendTextLine(b []byte, t time.Time, l level, message, service string, trace sources.TraceID, id sources.SpanID, fields []field) []byte {
	b = t.AppendFormat(b, "2006-01-02 15:04:05.000")
	b = append(b, ' ')
	b = append(b, textLevels[l]...)
	b = append(b, " ["...)
	b = append(b, service...)
	b = append(b, ',')
	b = append(b, trace...)
	b = append(b, ',')
	b = append(b, id...)
	b = append(b, "] "...)
	b = append(b, message...)
	for i, f := range fields {
		if i == 0 {
			b = append(b, ':')
		} else {
			b = append(b, ',')
		}
		b = append(b, ' ')
		b = append(b, f.name...)
		b = append(b, ' ')
		b = append(b, f.value...)
	}
	return b
}

// logAnswer is the line that every service writes for each request that it answered.
func (s *Shop) logAnswer(o *operation, p *pod, r *request, sp *span, path string, status int, err *fault) {
	if !r.detailed {
		return
	}
	l := levelInfo
	fields := make([]field, 0, 12)
	fields = append(fields, text("method", o.method), text("path", path), number("status", float64(status)),
		field{name: "duration_ms", value: strconv.FormatFloat(inMilliseconds(s.now.since(sp.start)), 'f', 1, 64), bare: true})
	if o.entry {
		fields = append(fields, text("tenant", r.tenant), text("client", r.address))
	}
	switch {
	case status >= 500:
		l = levelError
		fields = append(fields, text("error", err.message))
	case status >= 400:
		l = levelWarn
		fields = append(fields, text("reason", err.message))
	}
	s.log(p, l, "request completed", r, sp, fields...)
}
