package jaegerapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"obs/sources"
)

// keyWarnings is the attribute in which v3 hands out what the server noticed.
const keyWarnings = "@jaeger@warnings"

// skewV3 is how v3 looks for clocks that disagree.
var skewV3 = skew{
	parent:  func(s *shown) uint64 { return s.parent },
	host:    hostV3,
	missing: "parent span ID=%s is not in the trace; skipping clock skew adjustment",
}

func (a *api) servicesV3(w http.ResponseWriter, _ url.Values, _ string) {
	var answer struct {
		Services []string `json:"services,omitempty"`
	}
	answer.Services = a.store.services()
	respondV3(w, answer)
}

func (a *api) operationsV3(w http.ResponseWriter, p url.Values, _ string) {
	type named struct {
		Name string       `json:"name,omitempty"`
		Kind sources.Kind `json:"spanKind,omitempty"`
	}
	answer := struct {
		Operations []named `json:"operations"`
	}{[]named{}}
	for _, o := range a.store.operations(p.Get("service"), p.Get("span_kind")) {
		answer.Operations = append(answer.Operations, named{o.name, o.kind})
	}
	respondV3(w, answer)
}

func (a *api) searchV3(w http.ResponseWriter, p url.Values, _ string) {
	q, err := searchParamsV3(p)
	if err != nil {
		refuseV3(w, http.StatusBadRequest, err)
		return
	}
	traces, err := a.store.find(q)
	if err != nil {
		// Also where the number of traces is wrong, and not the server.
		refuseV3(w, http.StatusInternalServerError, err)
		return
	}
	respondTraces(w, traces, q.raw)
}

// traceV3 checks the times that it is given, and takes no notice of them.
func (a *api) traceV3(w http.ResponseWriter, p url.Values, text string) {
	id, err := readID(text)
	if err != nil {
		refuseV3(w, http.StatusBadRequest, malformed("trace_id", err))
		return
	}
	var q query
	err = optional(p, "start_time", &q.from, parseTime)
	if err == nil {
		err = optional(p, "end_time", &q.to, parseTime)
	}
	if err == nil {
		err = optional(p, "raw_traces", &q.raw, strconv.ParseBool)
	}
	if err != nil {
		refuseV3(w, http.StatusBadRequest, err)
		return
	}
	var traces []found
	if t, ok := a.store.trace(id); ok {
		traces = append(traces, t)
	}
	respondTraces(w, traces, q.raw)
}

// respondTraces writes all traces as one. No trace is an error.
func respondTraces(w http.ResponseWriter, traces []found, raw bool) {
	if len(traces) == 0 {
		refuseV3(w, http.StatusNotFound, errors.New("No traces found")) //nolint:staticcheck // the server's own words
		return
	}
	merged := ptrace.NewTraces()
	for _, t := range traces {
		all := asStored(t)
		if !raw {
			separate(all)
			all = withoutRepeats(all)
			skewV3.check(all)
		}
		appendOTLP(merged, t.id, all, raw)
	}
	body, err := new(ptrace.JSONMarshaler).MarshalTraces(merged)
	if err != nil {
		refuseV3(w, http.StatusInternalServerError, err)
		return
	}
	respondV3(w, struct {
		Result json.RawMessage `json:"result"`
	}{body})
}

func respondV3(w http.ResponseWriter, answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		refuseV3(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8") // it is JSON, and not called so
	_, _ = w.Write(body)                                        // a client that went away wants no answer
}

func refuseV3(w http.ResponseWriter, status int, err error) {
	var refusal struct {
		Error struct {
			Status  int    `json:"httpCode,omitempty"`
			Message string `json:"message,omitempty"`
		} `json:"error"`
	}
	refusal.Error.Status, refusal.Error.Message = status, err.Error()
	body, _ := json.Marshal(refusal) // of an int and a string, which cannot fail
	http.Error(w, string(body), status)
}

// appendOTLP appends the spans of a trace: a resource for each process, and in it a
// scope for each name and version.
func appendOTLP(to ptrace.Traces, id traceID, all []*shown, raw bool) {
	type library struct {
		*process
		name, version string
	}
	resources := map[*process]ptrace.ResourceSpans{}
	scopes := map[library]ptrace.ScopeSpans{}
	for _, s := range all {
		of := library{process: s.process}
		of.name, _ = s.attributes.get(keyScope)
		of.version, _ = s.attributes.get(keyScopeVersion)
		scope, known := scopes[of]
		if !known {
			resource, known := resources[s.process]
			if !known {
				resource = to.ResourceSpans().AppendEmpty()
				for _, a := range s.process.resource {
					typed(resource.Resource().Attributes().PutEmpty(a.Key), a.Key, a.Value)
				}
				resources[s.process] = resource
			}
			scope = resource.ScopeSpans().AppendEmpty()
			scope.Scope().SetName(of.name)
			scope.Scope().SetVersion(of.version)
			scopes[of] = scope
		}
		writeOTLP(scope.Spans().AppendEmpty(), id, s, raw)
	}
}

func writeOTLP(out ptrace.Span, id traceID, s *shown, raw bool) {
	out.SetTraceID(id.otlp())
	out.SetSpanID(spanID(s.id))
	out.SetParentSpanID(spanID(s.parent))
	out.SetName(s.operation)
	out.SetKind(kinds[s.kind])
	out.SetStartTimestamp(pcommon.Timestamp(s.start))
	out.SetEndTimestamp(pcommon.Timestamp(s.end))
	switch s.status {
	case sources.StatusOK:
		out.Status().SetCode(ptrace.StatusCodeOk)
	case sources.StatusError:
		out.Status().SetCode(ptrace.StatusCodeError)
	}
	for _, a := range s.attributes {
		if !isField(a.Key) {
			typed(out.Attributes().PutEmpty(a.Key), a.Key, a.Value)
		}
	}
	state, _ := s.attributes.get(keyTraceState)
	out.TraceState().FromRaw(state)
	if len(s.warnings) > 0 {
		list := out.Attributes().PutEmptySlice(keyWarnings)
		for _, text := range s.warnings {
			list.AppendEmpty().SetStr(text)
		}
	}
	if s.more == nil {
		return
	}
	out.Status().SetMessage(s.more.message)
	events := slices.Clone(s.more.events)
	if !raw {
		// By name, and not by time.
		slices.SortStableFunc(events, func(a, b event) int { return strings.Compare(a.name, b.name) })
	}
	for _, e := range events {
		to := out.Events().AppendEmpty()
		to.SetName(e.name)
		to.SetTimestamp(pcommon.Timestamp(e.at))
		for _, a := range e.attributes {
			typed(to.Attributes().PutEmpty(a.Key), a.Key, a.Value)
		}
	}
	for _, l := range s.more.links {
		to := out.Links().AppendEmpty()
		to.SetTraceID(l.trace.otlp())
		to.SetSpanID(spanID(l.span))
	}
}

var kinds = map[sources.Kind]ptrace.SpanKind{
	sources.KindInternal: ptrace.SpanKindInternal,
	sources.KindServer:   ptrace.SpanKindServer,
	sources.KindClient:   ptrace.SpanKindClient,
	sources.KindProducer: ptrace.SpanKindProducer,
	sources.KindConsumer: ptrace.SpanKindConsumer,
}
