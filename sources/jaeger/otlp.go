package jaeger

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"obs/sources"
)

// What OTLP holds outside of a span's attributes is kept as attributes with the names
// that OpenTelemetry gives it for other formats, under which v1 of the API has it too:
// https://opentelemetry.io/docs/specs/otel/common/mapping-to-non-otlp/
const (
	scopeName    = "otel.scope.name"
	scopeVersion = "otel.scope.version"
	traceState   = "w3c.tracestate"
	serviceName  = "service.name"
)

// decodeOTLP reads the answers of v3: one object with all traces merged, or several
// after one another, as the API is defined as a stream. The form of an ID is checked
// by the decoder, which refuses an answer with any but 16 or 32 digits.
//
// Servers from before 2024 wrote an early OTLP, with IDs in base64 or with spans under a
// name since given up. It is refused, so that v1 is asked.
func decodeOTLP(body []byte) ([]sources.Trace, error) {
	var all assembly
	resources := 0
	// This decoder also bounds how deep values may be nested, which the one for OTLP
	// does not.
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
			addResource(&all, resource)
		}
	}
}

func addResource(all *assembly, rs ptrace.ResourceSpans) {
	resource := attributesOf(rs.Resource().Attributes())
	service := resource.Get(serviceName)
	for _, ss := range rs.ScopeSpans().All() {
		scope := attributesOf(ss.Scope().Attributes())
		scope = appendMissing(scope, sources.Attribute{Key: scopeName, Value: ss.Scope().Name()})
		scope = appendMissing(scope, sources.Attribute{Key: scopeVersion, Value: ss.Scope().Version()})
		for _, s := range ss.Spans().All() {
			span := spanOf(s, scope)
			span.Service, span.Resource = service, resource
			all.add(span)
		}
	}
}

func spanOf(s ptrace.Span, scope sources.Attributes) sources.Span {
	span := sources.Span{
		TraceID:       traceIDOf(s.TraceID()),
		ID:            spanIDOf(s.SpanID()),
		Operation:     s.Name(),
		Kind:          kinds[s.Kind()],
		Status:        sources.StatusUnset,
		StatusMessage: s.Status().Message(),
		Start:         moment(uint64(s.StartTimestamp())),
		Duration:      elapsed(uint64(s.StartTimestamp()), uint64(s.EndTimestamp())),
		Attributes:    attributesOf(s.Attributes()),
	}
	if parent := spanIDOf(s.ParentSpanID()); parent != noSpanID {
		span.ParentID = parent
	}
	switch s.Status().Code() {
	case ptrace.StatusCodeOk:
		span.Status = sources.StatusOK
	case ptrace.StatusCodeError:
		span.Status = sources.StatusError
	}
	for _, a := range scope {
		span.Attributes = appendMissing(span.Attributes, a)
	}
	span.Attributes = appendMissing(span.Attributes, sources.Attribute{Key: traceState, Value: s.TraceState().AsRaw()})
	span.Attributes.Sort()
	for _, e := range s.Events().All() {
		span.Events = append(span.Events, sources.Event{
			Time: moment(uint64(e.Timestamp())), Name: e.Name(), Attributes: attributesOf(e.Attributes()),
		})
	}
	for _, l := range s.Links().All() {
		if !l.TraceID().IsEmpty() && !l.SpanID().IsEmpty() {
			span.Links = append(span.Links, sources.Reference{TraceID: traceIDOf(l.TraceID()), SpanID: spanIDOf(l.SpanID())})
		}
	}
	return span
}

var kinds = map[ptrace.SpanKind]sources.Kind{
	ptrace.SpanKindInternal: sources.KindInternal,
	ptrace.SpanKindServer:   sources.KindServer,
	ptrace.SpanKindClient:   sources.KindClient,
	ptrace.SpanKindProducer: sources.KindProducer,
	ptrace.SpanKindConsumer: sources.KindConsumer,
}

func traceIDOf(id pcommon.TraceID) sources.TraceID {
	parsed, ok := sources.ParseTraceID(id.String())
	if !ok {
		return noTraceID
	}
	return parsed
}

func spanIDOf(id pcommon.SpanID) sources.SpanID {
	parsed, ok := sources.ParseSpanID(id.String())
	if !ok {
		return noSpanID
	}
	return parsed
}

// attributesOf keeps values as the text by which Jaeger compares them in a search.
func attributesOf(m pcommon.Map) sources.Attributes {
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

// appendMissing appends an attribute that has a value and no namesake in the list.
func appendMissing(list sources.Attributes, a sources.Attribute) sources.Attributes {
	if a.Value == "" || slices.ContainsFunc(list, func(other sources.Attribute) bool { return other.Key == a.Key }) {
		return list
	}
	return append(list, a)
}
