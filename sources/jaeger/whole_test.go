package jaeger

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"obs/sources"
	"obs/sources/otlp"
)

// What follows decodes an answer that has come whole, with OpenTelemetry's own decoder
// and with that of the standard library. It says what the ones that decode while an
// answer arrives must come to.

type wholeAssembly struct {
	ids   []sources.TraceID
	spans map[sources.TraceID][]sources.Span
}

func (a *wholeAssembly) add(s sources.Span) {
	slices.SortStableFunc(s.Events, func(a, b sources.Event) int { return a.Time.Compare(b.Time) })
	if a.spans == nil {
		a.spans = map[sources.TraceID][]sources.Span{}
	}
	if _, known := a.spans[s.TraceID]; !known {
		a.ids = append(a.ids, s.TraceID)
	}
	a.spans[s.TraceID] = append(a.spans[s.TraceID], s)
}

func (a *wholeAssembly) traces() []sources.Trace {
	var all []sources.Trace
	for _, id := range a.ids {
		var one otlp.Assembly
		for i := range a.spans[id] {
			one.Spans = append(one.Spans, &a.spans[id][i])
		}
		all = append(all, one.Traces()...)
	}
	return all
}

func wholeDecodeOTLP(body []byte) ([]sources.Trace, error) {
	var all wholeAssembly
	resources := 0
	for parts := json.NewDecoder(bytes.NewReader(body)); ; {
		var part struct {
			Result json.RawMessage `json:"result"`
			refusal
		}
		switch err := parts.Decode(&part); {
		case errors.Is(err, io.EOF) && resources > 0 && len(all.ids) == 0:
			return nil, errors.New("the answer holds resources without spans")
		case errors.Is(err, io.EOF):
			return all.traces(), nil
		case err != nil:
			return nil, err
		case part.Result == nil && part.String() != "":
			return nil, &kindError{sources.ErrServer, part.String()}
		case part.Result == nil:
			return nil, errors.New("the answer holds no result")
		}
		merged, err := new(ptrace.JSONUnmarshaler).UnmarshalTraces(part.Result)
		if err != nil {
			return nil, err
		}
		resources += merged.ResourceSpans().Len()
		for _, resource := range merged.ResourceSpans().All() {
			wholeAddResource(&all, resource)
		}
	}
}

func wholeAddResource(all *wholeAssembly, rs ptrace.ResourceSpans) {
	resource := wholeAttributesOf(rs.Resource().Attributes())
	service := resource.Get(otlp.ServiceName)
	for _, ss := range rs.ScopeSpans().All() {
		scope := wholeAttributesOf(ss.Scope().Attributes())
		scope = otlp.AppendMissing(scope, sources.Attribute{Key: "otel.scope.name", Value: ss.Scope().Name()})
		scope = otlp.AppendMissing(scope, sources.Attribute{Key: "otel.scope.version", Value: ss.Scope().Version()})
		for _, s := range ss.Spans().All() {
			span := wholeSpanOf(s, scope)
			span.Service, span.Resource = service, resource
			all.add(span)
		}
	}
}

func wholeSpanOf(s ptrace.Span, scope sources.Attributes) sources.Span {
	span := sources.Span{
		TraceID:       wholeTraceIDOf(s.TraceID()),
		ID:            wholeSpanIDOf(s.SpanID()),
		Operation:     s.Name(),
		Kind:          wholeKinds[s.Kind()],
		Status:        sources.StatusUnset,
		StatusMessage: s.Status().Message(),
		Start:         wholeMoment(uint64(s.StartTimestamp())),
		Duration:      max(0, wholeMoment(uint64(s.EndTimestamp())).Sub(wholeMoment(uint64(s.StartTimestamp())))),
		Attributes:    wholeAttributesOf(s.Attributes()),
	}
	if parent := wholeSpanIDOf(s.ParentSpanID()); parent != otlp.NoSpanID {
		span.ParentID = parent
	}
	switch s.Status().Code() {
	case ptrace.StatusCodeOk:
		span.Status = sources.StatusOK
	case ptrace.StatusCodeError:
		span.Status = sources.StatusError
	}
	for _, a := range scope {
		span.Attributes = otlp.AppendMissing(span.Attributes, a)
	}
	span.Attributes = otlp.AppendMissing(span.Attributes, sources.Attribute{Key: "w3c.tracestate", Value: s.TraceState().AsRaw()})
	span.Attributes.Sort()
	for _, e := range s.Events().All() {
		span.Events = append(span.Events, sources.Event{
			Time: wholeMoment(uint64(e.Timestamp())), Name: e.Name(), Attributes: wholeAttributesOf(e.Attributes()),
		})
	}
	for _, l := range s.Links().All() {
		if !l.TraceID().IsEmpty() && !l.SpanID().IsEmpty() {
			span.Links = append(span.Links, sources.Reference{TraceID: wholeTraceIDOf(l.TraceID()), SpanID: wholeSpanIDOf(l.SpanID())})
		}
	}
	return span
}

// wholeMoment is a time that 63 bits of nanoseconds can hold.
func wholeMoment(nanos uint64) time.Time {
	return time.Unix(0, int64(min(nanos, math.MaxInt64))).UTC()
}

var wholeKinds = map[ptrace.SpanKind]sources.Kind{
	ptrace.SpanKindInternal: sources.KindInternal,
	ptrace.SpanKindServer:   sources.KindServer,
	ptrace.SpanKindClient:   sources.KindClient,
	ptrace.SpanKindProducer: sources.KindProducer,
	ptrace.SpanKindConsumer: sources.KindConsumer,
}

func wholeTraceIDOf(id pcommon.TraceID) sources.TraceID {
	parsed, ok := sources.ParseTraceID(id.String())
	if !ok {
		return otlp.NoTraceID
	}
	return parsed
}

func wholeSpanIDOf(id pcommon.SpanID) sources.SpanID {
	parsed, ok := sources.ParseSpanID(id.String())
	if !ok {
		return otlp.NoSpanID
	}
	return parsed
}

// wholeAttributesOf keeps values as the text by which Jaeger compares them in a search.
func wholeAttributesOf(m pcommon.Map) sources.Attributes {
	if m.Len() == 0 {
		return nil
	}
	all := make(sources.Attributes, 0, m.Len())
	for key, value := range m.All() {
		all = append(all, sources.Attribute{Key: key, Value: value.AsString()})
	}
	all.Sort()
	return all
}

// The trace of v1, as of model.go in Jaeger's internal/uimodel.
type (
	wholeV1Trace struct {
		TraceID   string                    `json:"traceID"`
		Spans     []wholeV1Span             `json:"spans"`
		Processes map[string]wholeV1Process `json:"processes"`
	}
	wholeV1Span struct {
		TraceID   string             `json:"traceID"`
		SpanID    string             `json:"spanID"`
		ParentID  string             `json:"parentSpanID"` // of old servers
		Operation string             `json:"operationName"`
		Refs      []wholeV1Reference `json:"references"`
		Start     number             `json:"startTime"` // microseconds since 1970
		Duration  number             `json:"duration"`  // microseconds
		Tags      []wholeV1Tag       `json:"tags"`
		Logs      []wholeV1Log       `json:"logs"`
		Process   string             `json:"processID"`
		Warnings  []string           `json:"warnings"`
	}
	wholeV1Reference struct {
		Type    string `json:"refType"` // CHILD_OF or FOLLOWS_FROM
		TraceID string `json:"traceID"`
		SpanID  string `json:"spanID"`
	}
	wholeV1Process struct {
		Service string       `json:"serviceName"`
		Tags    []wholeV1Tag `json:"tags"`
	}
	wholeV1Log struct {
		Time   number       `json:"timestamp"` // microseconds since 1970
		Fields []wholeV1Tag `json:"fields"`
	}
	wholeV1Tag struct {
		Key   string          `json:"key"`
		Type  string          `json:"type"` // string, bool, int64, float64 or binary
		Value json.RawMessage `json:"value"`
	}
)

func wholeDecodeV1(body []byte) ([]sources.Trace, error) {
	listed, err := v1List[wholeV1Trace](body)
	if err != nil {
		return nil, err
	}
	var all wholeAssembly
	for _, t := range listed {
		processes := make(map[string]sources.Span, len(t.Processes))
		for key, p := range t.Processes {
			processes[key] = wholeProcessOf(p)
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

// wholeProcessOf fills in the fields of a span that come of its process.
func wholeProcessOf(p wholeV1Process) sources.Span {
	if p.Service == noService {
		p.Service = ""
	}
	resource := otlp.AppendMissing(wholeTagsOf(p.Tags), sources.Attribute{Key: otlp.ServiceName, Value: p.Service})
	resource.Sort()
	return sources.Span{Service: p.Service, Resource: resource}
}

func (s *wholeV1Span) span(inTrace string) (sources.Span, error) {
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
		wholeTakeTag(&span, tag)
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
func (s *wholeV1Span) refer(span *sources.Span, ids *idReader) {
	parent := -1
	targets := make([]sources.Reference, len(s.Refs))
	for i, ref := range s.Refs {
		targets[i] = sources.Reference{TraceID: ids.trace(ref.TraceID), SpanID: ids.span(ref.SpanID)}
		if targets[i].TraceID != span.TraceID || targets[i].SpanID == otlp.NoSpanID {
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
		case target.TraceID != otlp.NoTraceID && target.SpanID != otlp.NoSpanID:
			span.Links = append(span.Links, target)
		}
	}
	if old := ids.span(s.ParentID); parent < 0 && old != otlp.NoSpanID {
		span.ParentID = old
	}
}

// wholeTakeTag puts a tag where OpenTelemetry has what it says, else among the attributes.
// The error tag is of Jaeger's making where it is a bool, and goes before the status.
func wholeTakeTag(span *sources.Span, tag wholeV1Tag) {
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

func (l wholeV1Log) event() sources.Event {
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

func wholeTagsOf(tags []wholeV1Tag) sources.Attributes {
	var all sources.Attributes
	for _, tag := range tags {
		all = append(all, sources.Attribute{Key: tag.Key, Value: tag.text()})
	}
	return all
}

// text is a string as it is, and anything else as it stands in the JSON.
func (t wholeV1Tag) text() string {
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

func (n number) moment() time.Time { return time.UnixMicro(n.within(microsMax)).UTC() }

func (n number) duration() time.Duration {
	return time.Duration(n.within(microsMax)) * time.Microsecond
}
