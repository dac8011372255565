package loader

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"obs/sources"
)

const (
	tracesPath  = "/v1/traces"
	batchSpans  = 2_000 // some 3 MB of JSON, of the 20 MiB that a collector takes at once
	serviceName = "service.name"
)

const noOTLP = "check that " + flagOTLP + " is the OTLP/HTTP receiver (port 4318 by default) and not Jaeger's query address"

// sendTraces sends all spans by OTLP over HTTP, in JSON
// (https://opentelemetry.io/docs/specs/otlp/#otlphttp).
func (l *Loader) sendTraces(ctx context.Context, r *Report) error {
	total := 0
	for _, t := range l.spans {
		total += len(t)
	}
	m := meter{loader: l, what: "jaeger: %s of %s spans", total: total}
	for first := 0; first < len(l.spans); {
		last, spans := first, 0
		for ; last < len(l.spans) && (spans == 0 || spans+len(l.spans[last]) <= batchSpans); last++ {
			spans += len(l.spans[last])
		}
		if err := l.export(ctx, l.spans[first:last]); err != nil {
			return err
		}
		r.Traces += last - first
		r.Spans += spans
		m.at(r.Spans)
		first = last
	}
	return nil
}

func (l *Loader) export(ctx context.Context, traces []trace) error {
	batch, err := l.encode(traces)
	if err != nil {
		return l.otlp.Failure(ctx, ErrNotTaken, err)
	}
	body, err := new(ptrace.JSONMarshaler).MarshalTraces(batch)
	if err != nil {
		return l.otlp.Failure(ctx, ErrNotTaken, err)
	}
	answer, err := post(ctx, l.otlp, tracesPath, body, http.Header{"Content-Type": {"application/json"}})
	if err != nil {
		return refused(err, noOTLP, nil)
	}
	return l.partly(ctx, answer)
}

// partly reads the answer of success, which tells of spans that were refused all the same.
// 64-bit numbers are texts in the JSON of protobuf, and some servers write them plainly.
func (l *Loader) partly(ctx context.Context, answer []byte) error {
	var result struct {
		PartialSuccess struct {
			RejectedSpans json.Number `json:"rejectedSpans"`
			ErrorMessage  string      `json:"errorMessage"`
		} `json:"partialSuccess"`
	}
	if len(answer) == 0 {
		return nil
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		failure := l.otlp.Failure(ctx, sources.ErrNotThisAPI, err)
		failure.Hint = noOTLP
		return failure
	}
	if n, _ := result.PartialSuccess.RejectedSpans.Int64(); n != 0 {
		return l.otlp.Failure(ctx, ErrNotTaken, fmt.Errorf("%d spans of a batch were rejected: %s", n, result.PartialSuccess.ErrorMessage))
	}
	return nil
}

// explainOTLP takes the message out of a refusal, which is a google.rpc.Status.
func explainOTLP(_ int, body []byte) string {
	var status struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(body, &status) // what is no such object is quoted as it is
	return status.Message
}

// encode puts the spans of each process below one resource, as its exporter would have
// sent them.
func (l *Loader) encode(traces []trace) (ptrace.Traces, error) {
	all := ptrace.NewTraces()
	scopes := map[string]ptrace.ScopeSpans{}
	for _, t := range traces {
		for i := range t {
			span := &t[i]
			key := fmt.Sprintf("%s\xff%q", span.Service, span.Resource)
			scope, ok := scopes[key]
			if !ok {
				resource := all.ResourceSpans().AppendEmpty()
				put(resource.Resource().Attributes(), span.Resource)
				resource.Resource().Attributes().PutStr(serviceName, span.Service)
				for name, value := range l.options.Labels {
					resource.Resource().Attributes().PutStr(name, value)
				}
				scope = resource.ScopeSpans().AppendEmpty()
				scopes[key] = scope
			}
			if err := encodeSpan(scope.Spans().AppendEmpty(), span); err != nil {
				return all, err
			}
		}
	}
	return all, nil
}

var kinds = map[sources.Kind]ptrace.SpanKind{
	sources.KindInternal: ptrace.SpanKindInternal,
	sources.KindServer:   ptrace.SpanKindServer,
	sources.KindClient:   ptrace.SpanKindClient,
	sources.KindProducer: ptrace.SpanKindProducer,
	sources.KindConsumer: ptrace.SpanKindConsumer,
}

var codes = map[sources.Code]ptrace.StatusCode{
	sources.StatusOK:    ptrace.StatusCodeOk,
	sources.StatusError: ptrace.StatusCodeError,
}

func encodeSpan(to ptrace.Span, span *sources.Span) error {
	traceID, spanID, err := identify(span.TraceID, span.ID)
	if err != nil {
		return err
	}
	to.SetTraceID(traceID)
	to.SetSpanID(spanID)
	if span.ParentID != "" {
		_, parent, err := identify(span.TraceID, span.ParentID)
		if err != nil {
			return err
		}
		to.SetParentSpanID(parent)
	}
	to.SetName(span.Operation)
	to.SetKind(kinds[span.Kind])
	to.Status().SetCode(codes[span.Status])
	to.Status().SetMessage(span.StatusMessage)
	to.SetStartTimestamp(timestamp(span.Start))
	to.SetEndTimestamp(timestamp(span.End()))
	put(to.Attributes(), span.Attributes)
	for _, e := range span.Events {
		event := to.Events().AppendEmpty()
		event.SetName(e.Name)
		event.SetTimestamp(timestamp(e.Time))
		put(event.Attributes(), e.Attributes)
	}
	for _, reference := range span.Links {
		traceID, spanID, err := identify(reference.TraceID, reference.SpanID)
		if err != nil {
			return err
		}
		link := to.Links().AppendEmpty()
		link.SetTraceID(traceID)
		link.SetSpanID(spanID)
	}
	return nil
}

func timestamp(t time.Time) pcommon.Timestamp { return pcommon.NewTimestampFromTime(t) }

func identify(trace sources.TraceID, span sources.SpanID) (t pcommon.TraceID, s pcommon.SpanID, err error) {
	n, err := hex.Decode(t[:], []byte(trace))
	if err != nil || n != len(t) {
		return t, s, fmt.Errorf("%q is not a trace ID of 32 digits", string(trace))
	}
	n, err = hex.Decode(s[:], []byte(span))
	if err != nil || n != len(s) {
		return t, s, fmt.Errorf("%q is not a span ID of 16 digits", string(span))
	}
	return t, s, nil
}

func put(to pcommon.Map, attributes sources.Attributes) {
	to.EnsureCapacity(len(attributes) + 1)
	for _, a := range attributes {
		typed(to.PutEmpty(a.Key), a.Key, a.Value)
	}
}

// typed gives an attribute the type that a service would have sent it with: a number, a
// truth value or a list of texts where the text reads as exactly that, so that a client
// which compares texts sees no difference. IDs, names and versions are texts whatever
// they look like.
func typed(to pcommon.Value, key, text string) {
	to.SetStr(text)
	switch key[strings.LastIndexAny(key, "._")+1:] {
	case "id", "name", "version", "message", "type":
		return
	}
	if text == "true" || text == "false" {
		to.SetBool(text == "true")
		return
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(n, 10) == text {
		to.SetInt(n)
		return
	}
	var list []string
	if !strings.HasPrefix(text, "[") || json.Unmarshal([]byte(text), &list) != nil {
		return
	}
	if again, err := json.Marshal(list); err == nil && string(again) == text {
		values := to.SetEmptySlice()
		for _, each := range list {
			values.AppendEmpty().SetStr(each)
		}
	}
}
