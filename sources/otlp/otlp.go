package otlp

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"obs/sources"
)

// What OTLP holds outside of a span's attributes is kept as attributes with the names
// that OpenTelemetry gives it for other formats, under which v1 of the API has it too:
// https://opentelemetry.io/docs/specs/otel/common/mapping-to-non-otlp/
const (
	scopeName    = "otel.scope.name"
	scopeVersion = "otel.scope.version"
	traceState   = "w3c.tracestate"
	ServiceName  = "service.name"
)

// otlpReader reads one answer.
type otlpReader struct {
	*scanner
	all       Assembly
	resources int
	list      sources.Attributes // of what is being read
	last      sources.TraceID    // that was read
	base64    bool               // IDs may be written so
	alone     int                // so many spans are read on the way
	hands     chan *hand         // that are free; nil before there is more to do
}

// resourceSpans reads the spans of one resource, which may stand before or behind it.
func (r *otlpReader) resourceSpans() error {
	r.resources++
	first := len(r.all.Spans)
	var resource sources.Attributes
	err := r.object(func(name []byte) error {
		switch string(name) {
		case "resource":
			return r.object(func(name []byte) (err error) {
				if string(name) != "attributes" {
					return r.skip()
				}
				resource, err = r.attributes(0)
				resource.Sort()
				return err
			})
		case "scopeSpans", "scope_spans":
			return r.array(r.scopeSpans)
		}
		return r.skip()
	})
	service := resource.Get(ServiceName)
	for _, span := range r.all.Spans[first:] {
		span.Service, span.Resource = service, resource
	}
	return err
}

// scopeSpans reads the spans of one instrumentation, which may stand before or behind
// what is said of it.
func (r *otlpReader) scopeSpans() error {
	first := len(r.all.Spans)
	var scope sources.Attributes
	err := r.object(func(name []byte) (err error) {
		switch string(name) {
		case "scope":
			scope, err = r.scope()
			return err
		case "spans":
			return r.spans(len(scope))
		}
		return r.skip()
	})
	for _, span := range r.all.Spans[first:] {
		for _, a := range scope {
			span.Attributes = AppendMissing(span.Attributes, a)
		}
		span.Attributes.Sort()
	}
	return err
}

// scope reads an instrumentation as the attributes that it gives its spans.
func (r *otlpReader) scope() (sources.Attributes, error) {
	var scope sources.Attributes
	var called, version string
	err := r.object(func(name []byte) (err error) {
		switch string(name) {
		case "name":
			called, err = r.text()
		case "version":
			version, err = r.text()
		case "attributes":
			scope, err = r.attributes(0)
		default:
			err = r.skip()
		}
		return err
	})
	scope = AppendMissing(scope, sources.Attribute{Key: scopeName, Value: called})
	return AppendMissing(scope, sources.Attribute{Key: scopeVersion, Value: version}), err
}

// span reads a span, with room for some more attributes.
func (r *otlpReader) span(room int) (sources.Span, error) {
	span := sources.Span{TraceID: NoTraceID, ID: NoSpanID, Status: sources.StatusUnset}
	var start, end uint64
	var state string
	err := r.object(func(name []byte) (err error) {
		switch string(name) {
		case "traceId", "trace_id":
			span.TraceID, err = r.traceID()
		case "spanId", "span_id":
			span.ID, err = r.spanID()
		case "parentSpanId", "parent_span_id":
			span.ParentID, err = r.spanID()
		case "traceState", "trace_state":
			state, err = r.text()
		case "name":
			span.Operation, err = r.text()
		case "kind":
			span.Kind, err = r.kind()
		case "startTimeUnixNano", "start_time_unix_nano":
			start, err = r.whole()
		case "endTimeUnixNano", "end_time_unix_nano":
			end, err = r.whole()
		case "attributes":
			span.Attributes, err = r.attributes(room)
		case "events":
			err = r.array(func() error {
				event, err := r.event()
				span.Events = append(span.Events, event)
				return err
			})
		case "links":
			err = r.array(func() error { return r.link(&span) })
		case "status":
			err = r.status(&span)
		default:
			err = r.skip()
		}
		return err
	})
	if span.ParentID == NoSpanID {
		span.ParentID = ""
	}
	span.Start, span.Duration = moment(start), elapsed(start, end)
	span.Attributes = AppendMissing(span.Attributes, sources.Attribute{Key: traceState, Value: state})
	InTime(span.Events)
	return span, err
}

func (r *otlpReader) event() (sources.Event, error) {
	event := sources.Event{Time: moment(0)}
	err := r.object(func(name []byte) (err error) {
		switch string(name) {
		case "timeUnixNano", "time_unix_nano":
			var at uint64
			at, err = r.whole()
			event.Time = moment(at)
		case "name":
			event.Name, err = r.text()
		case "attributes":
			event.Attributes, err = r.attributes(0)
			event.Attributes.Sort()
		default:
			err = r.skip()
		}
		return err
	})
	return event, err
}

func (r *otlpReader) link(span *sources.Span) error {
	link := sources.Reference{TraceID: NoTraceID, SpanID: NoSpanID}
	err := r.object(func(name []byte) (err error) {
		switch string(name) {
		case "traceId", "trace_id":
			link.TraceID, err = r.traceID()
		case "spanId", "span_id":
			link.SpanID, err = r.spanID()
		default:
			err = r.skip()
		}
		return err
	})
	if link.TraceID != NoTraceID && link.SpanID != NoSpanID {
		span.Links = append(span.Links, link)
	}
	return err
}

func (r *otlpReader) status(span *sources.Span) error {
	return r.object(func(name []byte) (err error) {
		switch string(name) {
		case "message":
			span.StatusMessage, err = r.text()
			return err
		case "code":
			code, err := r.enum(statusCodes)
			switch code {
			case 1:
				span.Status = sources.StatusOK
			case 2:
				span.Status = sources.StatusError
			}
			return err
		}
		return r.skip()
	})
}

// OTLP's enumerations by name; a value's number is its place. See trace.proto.
var (
	statusCodes = []string{"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"}
	spanKinds   = []string{
		"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER",
	}
	kinds = []sources.Kind{
		sources.KindUnset, sources.KindInternal, sources.KindServer, sources.KindClient, sources.KindProducer, sources.KindConsumer,
	}
)

func (r *otlpReader) kind() (sources.Kind, error) {
	kind, err := r.enum(spanKinds)
	if kind < 0 || kind >= len(kinds) {
		return sources.KindUnset, err
	}
	return kinds[kind], err
}

// enum reads a value of an enumeration, which may be written by name or number.
func (r *otlpReader) enum(names []string) (int, error) {
	value, err := r.scalar(`0"`)
	if value == nil {
		return 0, err
	}
	if value.Kind() == '0' {
		number, err := strconv.ParseInt(string(value), 10, 32)
		return int(number), err
	}
	name := r.plain(value)
	at := slices.IndexFunc(names, func(known string) bool { return known == string(name) })
	if at < 0 {
		return 0, fmt.Errorf("%s of the answer is none of %s", r.where(), strings.Join(names, ", "))
	}
	return at, nil
}

// traceID reads an ID, whose digits are all there unless it is left out.
func (r *otlpReader) traceID() (sources.TraceID, error) {
	text, err := r.id()
	if err != nil {
		return NoTraceID, err
	}
	if text != "" && text == string(r.last) { // a trace's spans stand together
		return r.last, nil
	}
	text = r.unBase64(text, len(NoTraceID))
	id, ok := sources.ParseTraceID(text)
	if !ok || len(text) != len(NoTraceID) {
		return NoTraceID, notHex(text, len(NoTraceID))
	}
	r.last = id
	return id, nil
}

func (r *otlpReader) spanID() (sources.SpanID, error) {
	text, err := r.id()
	if err != nil {
		return NoSpanID, err
	}
	text = r.unBase64(text, len(NoSpanID))
	id, ok := sources.ParseSpanID(text)
	if !ok || len(text) != len(NoSpanID) {
		return NoSpanID, notHex(text, len(NoSpanID))
	}
	return id, nil
}

// unBase64 is an ID in so many hexadecimal digits that was written in base64; one that was
// not, or that is too long, stays as it is. Fewer bytes are an ID whose first are zeros.
func (r *otlpReader) unBase64(text string, digits int) string {
	var raw [16]byte
	if !r.base64 || text == "" || len(text) == digits || base64.StdEncoding.DecodedLen(len(text)) > len(raw)+2 {
		return text
	}
	var decoded [18]byte // padding counts in the length before it is read
	n, err := base64.StdEncoding.Decode(decoded[:], []byte(text))
	if err != nil || 2*n > digits {
		return text
	}
	size := digits / 2
	copy(raw[size-n:size], decoded[:n])
	var out [32]byte
	hex.Encode(out[:], raw[:size])
	return r.ids.of(out[:digits])
}

// notHex is an error unless the text is left out or all zeros, which name nothing.
func notHex(text string, digits int) error {
	if text == "" || (len(text) == digits && strings.Trim(text, "0") == "") {
		return nil
	}
	return fmt.Errorf("%q is not an ID of %d hexadecimal digits", sources.Shorten(text, 40), digits)
}
