package jaeger

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"obs/sources"
	"obs/sources/otlp"
)

// Tags in which v1 keeps what are fields of a span in OpenTelemetry, by
// https://opentelemetry.io/docs/specs/otel/common/mapping-to-non-otlp/ and
// https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/jaeger/.
const (
	tagKind          = "span.kind"
	tagStatus        = "otel.status_code"
	tagStatusMessage = "otel.status_description"
	tagError         = "error"
	tagEvent         = "event" // of a log
	tagWarnings      = "@jaeger@warnings"
)

// noService is the service name that Jaeger makes up for a resource without any
// attributes.
const noService = "OTLPResourceNoServiceName"

// v1Reader reads the traces of v1, as of model.go in Jaeger's internal/uimodel.
type v1Reader struct {
	*otlp.Scanner
	all  otlp.Assembly
	list sources.Attributes // of what is being read
	refs []v1Reference      // of the span that is being read
}

type v1Reference struct {
	childOf bool // and not FOLLOWS_FROM
	target  sources.Reference
}

// decodeV1 reads the traces of v1 so that they look as v3 would have given them, but
// for times, which v1 rounds to microseconds. An answer with an ID that is not
// hexadecimal is none of Jaeger's.
func decodeV1(body io.Reader) ([]sources.Trace, error) {
	r := &v1Reader{Scanner: otlp.NewScanner(body)}
	listed, held := 0, false
	var refused refusal
	err := r.Object(func(name []byte) error {
		switch string(name) {
		case "data":
			held = true
			return r.Array(func() error {
				listed++
				return r.trace()
			})
		case "errors", "error":
			return refused.read(r.Scanner, string(name))
		}
		return r.Skip()
	})
	if err == nil {
		err = r.End()
	}
	switch message := refused.String(); {
	case err != nil:
		return nil, err
	case !held:
		return nil, errors.New("the answer holds no data")
	case message != "" && listed == 0:
		return nil, &kindError{sources.ErrServer, message}
	}
	return r.all.Traces(), nil
}

// trace reads one trace. Its ID holds for the spans behind it that tell none. Its
// processes may stand behind the spans: until they are known, a span's service is the
// key of its process.
func (r *v1Reader) trace() error {
	first := len(r.all.Spans)
	id := ""
	processes := map[string]sources.Span{}
	err := r.Object(func(name []byte) (err error) {
		switch string(name) {
		case "traceID":
			id, err = r.ID()
		case "spans":
			err = r.Array(func() error { return r.span(id) })
		case "processes":
			err = r.Object(func(name []byte) error {
				key := string(name)
				process, err := r.process()
				processes[key] = process
				return err
			})
		default:
			err = r.Skip()
		}
		return err
	})
	for _, span := range r.all.Spans[first:] {
		process := processes[span.Service]
		span.Service, span.Resource = process.Service, process.Resource
	}
	return err
}

// process reads the fields of a span that come of its process.
func (r *v1Reader) process() (sources.Span, error) {
	var process sources.Span
	err := r.Object(func(name []byte) (err error) {
		switch string(name) {
		case "serviceName":
			process.Service, err = r.Text()
		case "tags":
			process.Resource, err = r.tags(1)
		default:
			err = r.Skip()
		}
		return err
	})
	if process.Service == noService {
		process.Service = ""
	}
	process.Resource = otlp.AppendMissing(process.Resource, sources.Attribute{Key: otlp.ServiceName, Value: process.Service})
	process.Resource.Sort()
	return process, err
}

// span reads a span of the trace with that ID.
func (r *v1Reader) span(inTrace string) error {
	span := sources.Span{Status: sources.StatusUnset, Start: time.UnixMicro(0).UTC()}
	traceID, spanID, old, warnings := "", "", "", ""
	var ids idReader
	r.refs = r.refs[:0]
	err := r.Object(func(name []byte) (err error) {
		switch string(name) {
		case "traceID":
			traceID, err = r.ID()
		case "spanID":
			spanID, err = r.ID()
		case "parentSpanID": // of old servers
			old, err = r.ID()
		case "operationName":
			span.Operation, err = r.Text()
		case "references":
			err = r.Array(func() error { return r.reference(&ids) })
		case "startTime": // microseconds since 1970
			var micros int64
			micros, err = r.micros()
			span.Start = time.UnixMicro(micros).UTC()
		case "duration": // microseconds
			var micros int64
			micros, err = r.micros()
			span.Duration = time.Duration(micros) * time.Microsecond
		case "tags":
			err = r.spanTags(&span)
		case "logs":
			err = r.Array(func() error {
				event, err := r.event()
				span.Events = append(span.Events, event)
				return err
			})
		case "processID":
			span.Service, err = r.Text()
		case "warnings":
			warnings, err = r.warnings()
		default:
			err = r.Skip()
		}
		return err
	})
	span.TraceID, span.ID = ids.trace(cmp.Or(traceID, inTrace)), ids.span(spanID)
	r.refer(&span, ids.span(old))
	if err := cmp.Or(err, ids.err); err != nil {
		return err
	}
	if warnings != "" {
		span.Attributes = append(span.Attributes, sources.Attribute{Key: tagWarnings, Value: warnings})
	}
	span.Attributes.Sort()
	otlp.InTime(span.Events)
	r.all.Spans = append(r.all.Spans, &span)
	return nil
}

func (r *v1Reader) reference(ids *idReader) error {
	var ref v1Reference
	traceID, spanID := "", ""
	err := r.Object(func(name []byte) (err error) {
		switch string(name) {
		case "refType": // CHILD_OF or FOLLOWS_FROM
			var kind string
			kind, err = r.Text()
			ref.childOf = kind == "CHILD_OF"
		case "traceID":
			traceID, err = r.ID()
		case "spanID":
			spanID, err = r.ID()
		default:
			err = r.Skip()
		}
		return err
	})
	ref.target = sources.Reference{TraceID: ids.trace(traceID), SpanID: ids.span(spanID)}
	r.refs = append(r.refs, ref)
	return err
}

// refer sets the span's parent and links. The parent is the first reference of the
// kind CHILD_OF into the same trace, else the first into it of the other kind, which
// is what Jaeger itself takes for it, else the one that old servers name.
func (r *v1Reader) refer(span *sources.Span, old sources.SpanID) {
	parent := -1
	for i, ref := range r.refs {
		if ref.target.TraceID != span.TraceID || ref.target.SpanID == otlp.NoSpanID {
			continue
		}
		if parent < 0 || (ref.childOf && !r.refs[parent].childOf) {
			parent = i
		}
	}
	for i, ref := range r.refs {
		switch {
		case i == parent:
			span.ParentID = ref.target.SpanID
		case ref.target.TraceID != otlp.NoTraceID && ref.target.SpanID != otlp.NoSpanID:
			span.Links = append(span.Links, ref.target)
		}
	}
	if parent < 0 && old != otlp.NoSpanID {
		span.ParentID = old
	}
}

// warnings reads what the server noticed, as the text of a list.
func (r *v1Reader) warnings() (string, error) {
	var all []any
	err := r.Array(func() error {
		text, err := r.Text()
		all = append(all, text)
		return err
	})
	if len(all) == 0 {
		return "", err
	}
	return otlp.AsText(all), err
}

// spanTags reads a span's tags, and puts each where OpenTelemetry has what it says, else
// among the attributes.
func (r *v1Reader) spanTags(span *sources.Span) error {
	r.list = r.list[:0]
	err := r.Array(func() error {
		tag, kind, err := r.tag()
		if !takeTag(span, tag, kind) {
			r.list = append(r.list, tag)
		}
		return err
	})
	span.Attributes = append(span.Attributes, r.list...)
	return err
}

// takeTag takes a tag that OpenTelemetry has as a field of the span, and tells whether
// it is one. The error tag is of Jaeger's making where it is a bool, and goes before the
// status.
func takeTag(span *sources.Span, tag sources.Attribute, kind string) bool {
	switch {
	case tag.Key == tagKind:
		span.Kind = kindOf(tag.Value)
	case tag.Key == tagError && kind == "bool" && tag.Value == "true":
		span.Status = sources.StatusError
	case tag.Key == tagStatus:
		if code := sources.Code(strings.ToLower(tag.Value)); span.Status == sources.StatusUnset &&
			(code == sources.StatusOK || code == sources.StatusError) {
			span.Status = code
		}
	case tag.Key == tagStatusMessage:
		span.StatusMessage = tag.Value
	default:
		return false
	}
	return true
}

// event reads a log.
func (r *v1Reader) event() (sources.Event, error) {
	event := sources.Event{Time: time.UnixMicro(0).UTC()}
	r.list = r.list[:0]
	err := r.Object(func(name []byte) (err error) {
		switch string(name) {
		case "timestamp": // microseconds since 1970
			var micros int64
			micros, err = r.micros()
			event.Time = time.UnixMicro(micros).UTC()
		case "fields":
			err = r.Array(func() error {
				field, _, err := r.tag()
				if field.Key == tagEvent && event.Name == "" {
					event.Name = field.Value
				} else {
					r.list = append(r.list, field)
				}
				return err
			})
		default:
			err = r.Skip()
		}
		return err
	})
	event.Attributes = append(event.Attributes, r.list...)
	event.Attributes.Sort()
	return event, err
}

// tags reads a list of tags, with room for some more attributes.
func (r *v1Reader) tags(room int) (sources.Attributes, error) {
	r.list = r.list[:0]
	err := r.Array(func() error {
		tag, _, err := r.tag()
		r.list = append(r.list, tag)
		return err
	})
	if len(r.list) == 0 {
		return nil, err
	}
	return append(make(sources.Attributes, 0, len(r.list)+room), r.list...), err
}

// tag reads a tag. Its kind is string, bool, int64, float64 or binary.
func (r *v1Reader) tag() (tag sources.Attribute, kind string, err error) {
	err = r.Object(func(name []byte) (err error) {
		switch string(name) {
		case "key":
			tag.Key, err = r.Text()
		case "type":
			kind, err = r.Text()
		case "value":
			tag.Value, err = r.value()
		default:
			err = r.Skip()
		}
		return err
	})
	return tag, kind, err
}

// value reads a value as text: a string as it is, null as nothing, and anything else as
// it stands in the JSON.
func (r *v1Reader) value() (string, error) {
	value, err := r.Value()
	if err != nil {
		return "", err
	}
	switch value.Kind() {
	case 'n':
		return "", nil
	case '"':
		return r.Shared(r.Plain(value)), nil
	case '{', '[':
		value = value.Clone()
		err = value.Compact()
	}
	return r.Shared(value), err
}

const microsMax = math.MaxInt64 / int64(time.Microsecond)

// micros reads a number of microseconds that is not trusted to fit.
func (r *v1Reader) micros() (int64, error) {
	digits, err := r.Digits()
	return number(digits).within(microsMax), err
}

// idReader normalises IDs and keeps the first that is none. An ID that is left out
// or all zeros names nothing.
type idReader struct{ err error }

func (r *idReader) trace(text string) sources.TraceID {
	if id, ok := sources.ParseTraceID(text); ok {
		return id
	}
	r.refuse(text, len(otlp.NoTraceID))
	return otlp.NoTraceID
}

func (r *idReader) span(text string) sources.SpanID {
	if id, ok := sources.ParseSpanID(text); ok {
		return id
	}
	r.refuse(text, len(otlp.NoSpanID))
	return otlp.NoSpanID
}

func (r *idReader) refuse(text string, digits int) {
	zeros := strings.Trim(text, "0") == "" && len(text) <= digits
	if r.err == nil && !zeros {
		r.err = fmt.Errorf("%q is not an ID", sources.Shorten(text, 40))
	}
}

// number is a number that is not trusted to fit: negative ones count as 0.
type number string

// UnmarshalJSON takes a number with or without quotes.
func (n *number) UnmarshalJSON(raw []byte) error {
	var literal json.Number
	if err := json.Unmarshal(raw, &literal); err != nil {
		return err
	}
	*n = number(literal)
	return nil
}

// within is the number cut to the range from 0 to limit.
func (n number) within(limit int64) int64 {
	if whole, err := strconv.ParseInt(string(n), 10, 64); err == nil {
		return min(max(whole, 0), limit)
	}
	switch f, _ := strconv.ParseFloat(string(n), 64); {
	case f >= float64(limit):
		return limit
	case f > 0:
		return int64(f)
	}
	return 0
}
