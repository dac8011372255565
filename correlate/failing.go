package correlate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"obs/correlate/anomaly"
	"obs/correlate/spans"
	"obs/correlate/survey"
	"obs/sources"
)

// failure is where the failing requests of a service begin to fail.
type failure struct {
	service string
	origin  spans.Key
	traces  int // failing traces that begin to fail there
	of      int // failing traces that were looked at
	example *spans.Tree
	query   sources.TraceQuery
}

// lookForFailure looks at failing requests where error ratios rose, if the walk has not
// done so already: a service may be slow and fail for reasons of their own.
func (w *walk) lookForFailure(ctx context.Context, primary *measured) {
	if w.set.Traces == nil || ctx.Err() != nil || w.failure != nil {
		return
	}
	worst := w.worstErrors()
	if worst == nil || worst == primary {
		return
	}
	step := w.begin("failures", "looking for where failing requests begin to fail")
	service, err := w.tracedName(ctx, worst.service)
	if err == nil && service != "" {
		_, err = w.searchFailing(ctx, service, worst)
	}
	switch {
	case err != nil:
		w.failed(w.set.TraceBackend(), "failing requests were not looked at", err)
		step.failed(w.set.TraceBackend().Name() + " gave no answer")
	case w.failure == nil:
		step.ended("no failing trace of " + worst.service + " is stored")
	default:
		step.ended(w.failure.String())
	}
}

// worstErrors is the service whose failures cost users most, nil when none rose.
func (w *walk) worstErrors() *measured {
	var worst *measured
	for i := range w.measured {
		m := &w.measured[i]
		if m.departure.Anomalous && m.question.Exact && m.question.Signal == survey.Errors && m.departure.Direction == anomaly.Up &&
			(worst == nil || w.impact(m) > w.impact(worst)) {
			worst = m
		}
	}
	return worst
}

// searchFailing fetches traces of the window in which the service failed, and notes
// where most of them begin to fail.
func (w *walk) searchFailing(ctx context.Context, service string, errors *measured) ([]*spans.Tree, error) {
	all := sources.TraceQuery{Service: service, Operation: errors.operation, Window: w.question.Window, Limit: cohortSize}
	query := all
	query.Attributes = sources.Attributes{{Key: "error", Value: "true"}}
	trees, err := w.searchTrees(ctx, query)
	if err != nil {
		return nil, err
	}
	if len(trees) == 0 {
		// Not every storage can search for errors; some recent traces can be looked through.
		query = all
		query.Limit = failingSearches
		if trees, err = w.searchTrees(ctx, query); err != nil {
			return nil, err
		}
	}
	trees = slices.DeleteFunc(trees, func(t *spans.Tree) bool { return !failsIn(t, service) })
	w.failure = commonOrigin(trees, service)
	if w.failure != nil {
		w.failure.query = query
	}
	return trees, nil
}

// failsIn reports whether a request that the service received failed.
func failsIn(t *spans.Tree, service string) bool {
	return slices.ContainsFunc(t.Trace.Spans, func(s sources.Span) bool {
		return s.Service == service && s.Failed() && s.Kind != sources.KindClient
	})
}

// commonOrigin is the kind of work at which most of the failing traces begin to fail.
func commonOrigin(trees []*spans.Tree, service string) *failure {
	counts := map[spans.Key]int{}
	examples := map[spans.Key]*spans.Tree{}
	for _, t := range trees {
		origin := t.ErrorOrigin()
		if origin == spans.None {
			continue
		}
		key := spans.KeyOf(t.Span(origin))
		counts[key]++
		if examples[key] == nil {
			examples[key] = t
		}
	}
	if len(counts) == 0 {
		return nil
	}
	most := slices.MinFunc(slices.Collect(maps.Keys(counts)), func(a, b spans.Key) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation))
	})
	return &failure{service: service, origin: most, traces: counts[most], of: len(trees), example: examples[most]}
}

// String says where the failure begins, in a sentence without its end.
func (f *failure) String() string {
	span := f.example.Span(f.example.ErrorOrigin())
	text := fmt.Sprintf("%d of %s of %s begin to fail at %s %s", f.traces, counted(f.of, "failing trace"), f.service,
		f.origin.Service, f.origin.Operation)
	if said := cmp.Or(Shorten(span.StatusMessage), eventText(span)); said != "" {
		text += fmt.Sprintf(", which says %q", said)
	}
	return text + ", as in trace " + string(f.example.Trace.ID)
}

// evidenceOfFailure is the search that brought the failing traces, and the example.
func (w *walk) evidenceOfFailure() []Evidence {
	f := w.failure
	return []Evidence{
		{
			Backend: w.set.TraceBackend(), Query: traceQuery(w.set.Traces, f.query), Window: f.query.Window, URL: w.set.Traces.SearchLink(f.query),
			Values: []Value{
				{Name: "failing traces that begin there", Value: float64(f.traces)},
				{Name: "failing traces looked at", Value: float64(f.of)},
			},
		},
		{
			Backend: w.set.TraceBackend(), Query: "trace " + string(f.example.Trace.ID), Window: f.example.Trace.Window(),
			URL: w.set.Traces.Link(f.example.Trace.ID, f.example.Span(f.example.ErrorOrigin()).ID),
		},
	}
}
