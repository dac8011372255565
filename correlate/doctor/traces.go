package doctor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"obs/correlate"
	"obs/correlate/spans"
	"obs/sources"
)

// Kinds of findings about traces.
const (
	KindOrphans   = "traces.orphans"   // spans whose parents are missing
	KindUnnamed   = "traces.unnamed"   // spans of a service without a name
	KindNoStatus  = "traces.no_status" // spans of failed requests that are not marked as such
	KindUnsampled = "traces.not_seen"  // a service that is listed, without a trace in the window
)

// unnamedPrefix begins what OpenTelemetry's SDKs call a service that has no name.
const unnamedPrefix = "unknown_service"

// orphanShare is how many spans may be without their parent: those of a trace that is still
// on its way when it is read are. One in twenty is more than the newest trace of a sample makes.
const orphanShare = 0.05

// sampleTraces searches traces until each service was seen in one, the busiest services first.
func (e *exam) sampleTraces(ctx context.Context) {
	if !e.answers(e.tracer) {
		return
	}
	seen := map[string]bool{}
	searches := 0
	var skipped []string
	for _, r := range e.rows {
		for _, name := range r.names.Traces {
			if seen[name] {
				continue
			}
			if searches == mostSearches {
				skipped = append(skipped, name)
				continue
			}
			searches++
			q := sources.TraceQuery{Service: name, Window: e.options.Window, Limit: sampledTraces}
			answer, err := e.set.Traces.Search(ctx, q)
			if err != nil {
				e.failed(e.tracer, "the spans of a service were not looked at", err)
				return
			}
			r.searchedBy = q.String()
			seen[name] = true // whether it was found or not
			for i := range answer.Traces {
				for _, service := range e.keepTrace(&answer.Traces[i]) {
					seen[service] = true
				}
			}
		}
	}
	if len(skipped) > 0 {
		e.report.LeftOut = append(e.report.LeftOut, fmt.Sprintf("the spans of %s, which no sampled trace holds: name them with --service", list(skipped)))
	}
	for _, r := range e.rows {
		for _, trace := range e.sampled {
			n := 0
			for i := range trace.Spans {
				if slices.Contains(r.names.Traces, trace.Spans[i].Service) {
					n++
				}
			}
			if r.spans += n; n > 0 {
				r.traces++
			}
		}
	}
}

// keepTrace keeps a sampled trace and tells its services.
func (e *exam) keepTrace(trace *sources.Trace) []string {
	e.mu.Lock()
	e.sampled[trace.ID] = trace
	e.mu.Unlock()
	for i := range trace.Spans {
		e.sees(e.tracer, trace.Spans[i].Start)
	}
	return trace.Services()
}

// anyTrace is a search for the traces of the busiest service.
func (e *exam) anyTrace() sources.TraceQuery {
	q := sources.TraceQuery{Window: e.options.Window, Limit: 1}
	for _, r := range e.rows {
		if len(r.names.Traces) > 0 {
			q.Service = r.names.Traces[0]
			return q
		}
	}
	if len(e.traced) > 0 {
		q.Service = e.traced[0]
	}
	return q
}

// carried is what the sampled spans carry, over all services.
type carried struct {
	spans, orphans, unnamed, requests int
	orphaned                          map[string]int // by service
	failed, unmarked                  map[string]int // spans that answer with a 5xx; those of them without an error status
}

func (e *exam) carried() carried {
	c := carried{orphaned: map[string]int{}, failed: map[string]int{}, unmarked: map[string]int{}}
	for _, id := range sorted(e.sampled) {
		tree := spans.Build(e.sampled[id])
		for i := range tree.Nodes {
			span := tree.Span(i)
			c.spans++
			if tree.Nodes[i].Orphan {
				c.orphans++
				c.orphaned[span.Service]++
			}
			if span.Service == "" || strings.HasPrefix(span.Service, unnamedPrefix) {
				c.unnamed++
			}
			if serverFault(span) {
				c.failed[span.Service]++
				if !span.Failed() {
					c.unmarked[span.Service]++
				}
			}
			if slices.ContainsFunc(e.signals.RequestAttributes(), func(key string) bool { return span.Attributes.Get(key) != "" }) {
				c.requests++
			}
		}
	}
	return c
}

// serverFault reports whether the span's request was answered with a 5xx.
func serverFault(span *sources.Span) bool {
	for _, key := range []string{"http.response.status_code", "http.status_code"} {
		if code, err := strconv.Atoi(span.Attributes.Get(key)); err == nil {
			return code >= 500 && code < 600
		}
	}
	return false
}

// findTraces gathers what spans lack that the walk goes by.
func (e *exam) findTraces() {
	if !e.arrives(e.tracer) {
		return
	}
	c := e.carried()
	evidence := func(name string, n int) []correlate.Evidence {
		q := e.anyTrace()
		q.Limit = sampledTraces
		return []correlate.Evidence{{
			Backend: e.tracer, Query: q.String(), Window: e.options.Window, URL: e.set.Traces.SearchLink(q),
			Values: []correlate.Value{{Name: name, Value: float64(n)}, {Name: "spans", Value: float64(c.spans)}, {Name: "sampled traces", Value: float64(len(e.sampled))}},
		}}
	}
	if c.unnamed > 0 {
		e.find(Finding{
			Kind: KindUnnamed, Grade: Broken, Statement: fmt.Sprintf("%s of the sampled ones are of a service without a name of its own (%s)", counted(c.unnamed, "span"), unnamedPrefix),
			Evidence: evidence("spans without a service name", c.unnamed), Mends: []Mend{mendServiceName("NAME")},
		})
	}
	if float64(c.orphans) > orphanShare*float64(c.spans) {
		e.find(Finding{
			Kind: KindOrphans, Grade: Weak, Services: sorted(c.orphaned),
			Statement: fmt.Sprintf("%d of %d sampled spans name a parent that their trace does not hold: who called them is not known", c.orphans, c.spans),
			Evidence:  evidence("spans without their parent", c.orphans), Mends: []Mend{mendPropagation},
		})
	}
	if len(c.unmarked) > 0 {
		n := 0
		for _, of := range c.unmarked {
			n += of
		}
		e.find(Finding{
			Kind: KindNoStatus, Grade: Weak, Services: sorted(c.unmarked),
			Statement: fmt.Sprintf("%s: %s answered with a 5xx without the status of an error, so that no search for failing traces finds them", list(sorted(c.unmarked)), counted(n, "span")),
			Evidence:  evidence("failed spans without an error status", n), Mends: []Mend{mendStatus},
		})
	}
	logged := slices.ContainsFunc(e.rows, func(r *row) bool { return r.records.requests })
	if c.spans > 0 && c.requests == 0 && !logged && e.arrives(sources.Loki) {
		e.find(Finding{
			Kind: KindNoRequest, Grade: Weak,
			Statement: "neither spans nor records carry a request ID, so that a request cannot be found by the ID that its client was given",
			Evidence:  evidence("spans with a request ID", 0), Mends: []Mend{mendRequestID},
		})
	}
	e.findOver(KindUnsampled, Weak, func(r *row) bool {
		return len(r.names.Traces) > 0 && r.searchedBy != "" && r.traces == 0
	}, func(services []string) Finding {
		r := e.rowOf(services[0])
		return Finding{
			Statement: fmt.Sprintf("%s: %s lists the service, and has no trace of it in %s", list(services), e.tracer.Name(), e.options.Window),
			Evidence:  []correlate.Evidence{{Backend: e.tracer, Query: r.searchedBy, Window: e.options.Window}},
			Mends:     []Mend{mendSampling},
		}
	})
}
