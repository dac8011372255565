package correlate

import (
	"context"
	"slices"
	"strings"
	"sync"

	"obs/sources"
)

// namedTraces are traces under the services' canonical names, in what they are asked and in
// what they answer. Spans are compared with names in many places, and all of them, and those
// to come, see one name. Queries in evidence are the backend's own: see traceQuery.
type namedTraces struct {
	sources.Traces
	names *glossary

	mu    sync.Mutex
	known []string // services under the backend's own names; nil until asked
}

// set is the set with its traces under canonical names. It may be given one that is so.
func (n *glossary) set(set sources.Set) sources.Set {
	if n == nil || len(n.own) == 0 || set.Traces == nil {
		return set
	}
	if _, done := set.Traces.(*namedTraces); !done {
		set.Traces = &namedTraces{Traces: set.Traces, names: n}
	}
	return set
}

// traceQuery is a search in words as the backend was asked it. A service of which the
// backend knows several names is searched by each.
func traceQuery(traces sources.Traces, q sources.TraceQuery) string {
	named, ok := traces.(*namedTraces)
	if !ok {
		return q.String()
	}
	var texts []string
	for _, one := range named.queries(q) {
		texts = append(texts, one.String())
	}
	return strings.Join(texts, ", and ")
}

// Services lists each service once, by its canonical name.
func (t *namedTraces) Services(ctx context.Context) ([]string, error) {
	known, err := t.Traces.Services(ctx)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	t.known = append([]string{}, known...)
	t.mu.Unlock()
	return t.names.each(known), nil
}

// learn asks what the backend calls a service, where a name of it is configured and the
// backend has not been asked yet.
func (t *namedTraces) learn(ctx context.Context, service string) error {
	t.mu.Lock()
	asked := t.known != nil
	t.mu.Unlock()
	if asked || len(t.names.own[service]) == 0 {
		return nil
	}
	_, err := t.Services(ctx)
	return err
}

// ownNames are a service's names in the backend, in the order of the alphabet; the name
// itself where the backend knows none of them.
func (t *namedTraces) ownNames(service string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var own []string
	for _, name := range t.known {
		if t.names.of(name) == service {
			own = append(own, name)
		}
	}
	if len(own) == 0 {
		return []string{service}
	}
	slices.Sort(own)
	return slices.Compact(own)
}

// queries are a search by each of the service's own names.
func (t *namedTraces) queries(q sources.TraceQuery) []sources.TraceQuery {
	var all []sources.TraceQuery
	for _, name := range t.ownNames(q.Service) {
		q.Service = name
		all = append(all, q)
	}
	return all
}

// Operations lists those of all of the service's names.
func (t *namedTraces) Operations(ctx context.Context, service string) ([]sources.Operation, error) {
	if err := t.learn(ctx, service); err != nil {
		return nil, err
	}
	var all []sources.Operation
	for _, name := range t.ownNames(service) {
		operations, err := t.Traces.Operations(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, o := range operations {
			if !slices.Contains(all, o) {
				all = append(all, o)
			}
		}
	}
	return all, nil
}

// Search brings up to the limit by each of the service's names, each trace once.
func (t *namedTraces) Search(ctx context.Context, q sources.TraceQuery) (sources.TraceAnswer, error) {
	if err := t.learn(ctx, q.Service); err != nil {
		return sources.TraceAnswer{}, err
	}
	var all sources.TraceAnswer
	seen := map[sources.TraceID]bool{}
	for _, one := range t.queries(q) {
		answer, err := t.Traces.Search(ctx, one)
		all.Limited = all.Limited || answer.Limited
		for i := range answer.Traces {
			if trace := &answer.Traces[i]; !seen[trace.ID] {
				seen[trace.ID] = true
				all.Traces = append(all.Traces, t.named(trace))
			}
		}
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// Trace brings a trace.
func (t *namedTraces) Trace(ctx context.Context, id sources.TraceID, around sources.Window) (sources.Trace, error) {
	trace, err := t.Traces.Trace(ctx, id, around)
	return t.named(&trace), err
}

// named is a trace with the services' canonical names. The spans may be shared, and are
// copied where one is called otherwise.
func (t *namedTraces) named(trace *sources.Trace) sources.Trace {
	named, copied := *trace, false
	for i := range trace.Spans {
		service := t.names.of(trace.Spans[i].Service)
		if service == trace.Spans[i].Service {
			continue
		}
		if !copied {
			named.Spans, copied = slices.Clone(trace.Spans), true
		}
		named.Spans[i].Service = service
	}
	return named
}

// Dependencies lists calls between services; those of one that calls itself by another of
// its names are its own.
func (t *namedTraces) Dependencies(ctx context.Context, w sources.Window) ([]sources.Dependency, error) {
	calls, err := t.Traces.Dependencies(ctx, w)
	named := slices.Clone(calls)
	for i := range named {
		named[i].Parent, named[i].Child = t.names.of(named[i].Parent), t.names.of(named[i].Child)
	}
	return named, err
}

// SearchLink is the search by the first of the service's own names.
func (t *namedTraces) SearchLink(q sources.TraceQuery) string {
	return t.Traces.SearchLink(t.queries(q)[0])
}
