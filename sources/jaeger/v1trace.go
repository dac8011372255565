package jaeger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"obs/sources"
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

// The trace of v1, as of model.go in Jaeger's internal/uimodel.
type (
	v1Trace struct {
		TraceID   string               `json:"traceID"`
		Spans     []v1Span             `json:"spans"`
		Processes map[string]v1Process `json:"processes"`
	}
	v1Span struct {
		TraceID   string        `json:"traceID"`
		SpanID    string        `json:"spanID"`
		ParentID  string        `json:"parentSpanID"` // of old servers
		Operation string        `json:"operationName"`
		Refs      []v1Reference `json:"references"`
		Start     number        `json:"startTime"` // microseconds since 1970
		Duration  number        `json:"duration"`  // microseconds
		Tags      []v1Tag       `json:"tags"`
		Logs      []v1Log       `json:"logs"`
		Process   string        `json:"processID"`
		Warnings  []string      `json:"warnings"`
	}
	v1Reference struct {
		Type    string `json:"refType"` // CHILD_OF or FOLLOWS_FROM
		TraceID string `json:"traceID"`
		SpanID  string `json:"spanID"`
	}
	v1Process struct {
		Service string  `json:"serviceName"`
		Tags    []v1Tag `json:"tags"`
	}
	v1Log struct {
		Time   number  `json:"timestamp"` // microseconds since 1970
		Fields []v1Tag `json:"fields"`
	}
	v1Tag struct {
		Key   string          `json:"key"`
		Type  string          `json:"type"` // string, bool, int64, float64 or binary
		Value json.RawMessage `json:"value"`
	}
)

// decodeV1 reads the traces of v1 so that they look as v3 would have given them, but
// for times, which v1 rounds to microseconds. An answer with an ID that is not
// hexadecimal is none of Jaeger's.
func decodeV1(body []byte) ([]sources.Trace, error) {
	listed, err := v1List[v1Trace](body)
	if err != nil {
		return nil, err
	}
	var all assembly
	for _, t := range listed {
		processes := make(map[string]sources.Span, len(t.Processes))
		for key, p := range t.Processes {
			processes[key] = processOf(p)
		}
		for i := range t.Spans {
			span, err := t.Spans[i].span(t.TraceID)
			if err != nil {
				return nil, err
			}
			process := processes[t.Spans[i].Process]
			span.Service, span.Resource = process.Service, process.Resource
			all.add(span)
		}
	}
	return all.traces(), nil
}

// processOf fills in the fields of a span that come of its process.
func processOf(p v1Process) sources.Span {
	if p.Service == noService {
		p.Service = ""
	}
	resource := appendMissing(tagsOf(p.Tags), sources.Attribute{Key: serviceName, Value: p.Service})
	resource.Sort()
	return sources.Span{Service: p.Service, Resource: resource}
}

func (s *v1Span) span(inTrace string) (sources.Span, error) {
	if s.TraceID == "" {
		s.TraceID = inTrace
	}
	var ids idReader
	span := sources.Span{
		TraceID:   ids.trace(s.TraceID),
		ID:        ids.span(s.SpanID),
		Operation: s.Operation,
		Status:    sources.StatusUnset,
		Start:     s.Start.moment(),
		Duration:  s.Duration.duration(),
	}
	s.refer(&span, &ids)
	if ids.err != nil {
		return span, ids.err
	}
	for _, tag := range s.Tags {
		takeTag(&span, tag)
	}
	if len(s.Warnings) > 0 {
		if text, err := json.Marshal(s.Warnings); err == nil {
			span.Attributes = append(span.Attributes, sources.Attribute{Key: tagWarnings, Value: string(text)})
		}
	}
	span.Attributes.Sort()
	for _, log := range s.Logs {
		span.Events = append(span.Events, log.event())
	}
	return span, nil
}

// refer sets the span's parent and links. The parent is the first reference of the
// kind CHILD_OF into the same trace, else the first into it of the other kind, which
// is what Jaeger itself takes for it.
func (s *v1Span) refer(span *sources.Span, ids *idReader) {
	parent := -1
	targets := make([]sources.Reference, len(s.Refs))
	for i, ref := range s.Refs {
		targets[i] = sources.Reference{TraceID: ids.trace(ref.TraceID), SpanID: ids.span(ref.SpanID)}
		if targets[i].TraceID != span.TraceID || targets[i].SpanID == noSpanID {
			continue
		}
		if parent < 0 || (ref.Type == "CHILD_OF" && s.Refs[parent].Type != "CHILD_OF") {
			parent = i
		}
	}
	for i, target := range targets {
		switch {
		case i == parent:
			span.ParentID = target.SpanID
		case target.TraceID != noTraceID && target.SpanID != noSpanID:
			span.Links = append(span.Links, target)
		}
	}
	if old := ids.span(s.ParentID); parent < 0 && old != noSpanID {
		span.ParentID = old
	}
}

// takeTag puts a tag where OpenTelemetry has what it says, else among the attributes.
// The error tag is of Jaeger's making where it is a bool, and goes before the status.
func takeTag(span *sources.Span, tag v1Tag) {
	value := tag.text()
	switch {
	case tag.Key == tagKind:
		span.Kind = kindOf(value)
	case tag.Key == tagError && tag.Type == "bool" && value == "true":
		span.Status = sources.StatusError
	case tag.Key == tagStatus:
		if code := sources.Code(strings.ToLower(value)); span.Status == sources.StatusUnset &&
			(code == sources.StatusOK || code == sources.StatusError) {
			span.Status = code
		}
	case tag.Key == tagStatusMessage:
		span.StatusMessage = value
	default:
		span.Attributes = append(span.Attributes, sources.Attribute{Key: tag.Key, Value: value})
	}
}

func (l v1Log) event() sources.Event {
	event := sources.Event{Time: l.Time.moment()}
	for _, field := range l.Fields {
		if field.Key == tagEvent && event.Name == "" {
			event.Name = field.text()
		} else {
			event.Attributes = append(event.Attributes, sources.Attribute{Key: field.Key, Value: field.text()})
		}
	}
	event.Attributes.Sort()
	return event
}

func tagsOf(tags []v1Tag) sources.Attributes {
	var all sources.Attributes
	for _, tag := range tags {
		all = append(all, sources.Attribute{Key: tag.Key, Value: tag.text()})
	}
	return all
}

// text is a string as it is, and anything else as it stands in the JSON.
func (t v1Tag) text() string {
	var s string
	if json.Unmarshal(t.Value, &s) == nil {
		return s // null too, as the empty text
	}
	var compact bytes.Buffer
	if json.Compact(&compact, t.Value) != nil {
		return ""
	}
	return compact.String()
}

// idReader normalises IDs and keeps the first that is none. An ID that is left out
// or all zeros names nothing.
type idReader struct{ err error }

func (r *idReader) trace(text string) sources.TraceID {
	if id, ok := sources.ParseTraceID(text); ok {
		return id
	}
	r.refuse(text, len(noTraceID))
	return noTraceID
}

func (r *idReader) span(text string) sources.SpanID {
	if id, ok := sources.ParseSpanID(text); ok {
		return id
	}
	r.refuse(text, len(noSpanID))
	return noSpanID
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

const microsMax = math.MaxInt64 / int64(time.Microsecond)

func (n number) moment() time.Time { return time.UnixMicro(n.within(microsMax)).UTC() }

func (n number) duration() time.Duration {
	return time.Duration(n.within(microsMax)) * time.Microsecond
}
