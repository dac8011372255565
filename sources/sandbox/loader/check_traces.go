package loader

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"obs/sources"
)

const (
	batchTraces = 100 // in one search
	// mostByID bounds how many traces that a search did not bring are asked for by their
	// ID, in one inquiry.
	mostByID = 50
)

const hintTraces = "Jaeger keeps a bounded number of traces in memory (max_traces), and a collector may sample; at " + flagJaeger + " must be the Jaeger that " + flagOTLP + " leads to"

// askTraces asks for all traces, a hundred at a time in order of time, by the service of
// their root, and counts the spans that come.
func (l *Loader) askTraces() (all []inquiry) {
	byRoot := map[string][]trace{}
	for _, t := range l.spans {
		service := t.root().Service
		byRoot[service] = append(byRoot[service], t)
	}
	for _, service := range slices.Sorted(maps.Keys(byRoot)) {
		traces := byRoot[service]
		slices.SortStableFunc(traces, func(a, b trace) int { return a.root().Start.Compare(b.root().Start) })
		for chunk := range slices.Chunk(traces, batchTraces) {
			all = append(all, func(ctx context.Context) (*Shortfall, error) { return l.askChunk(ctx, service, chunk) })
		}
	}
	return all
}

func (l *Loader) askChunk(ctx context.Context, service string, traces []trace) (*Shortfall, error) {
	window := sources.Window{
		From: traces[0].root().Start.Truncate(time.Millisecond),
		To:   traces[len(traces)-1].root().Start.Add(time.Millisecond),
	}
	answer, err := l.traces.Search(ctx, sources.TraceQuery{Service: service, Window: window, Limit: 2 * batchTraces})
	if err != nil {
		return nil, err
	}
	brought := map[sources.TraceID][]sources.Span{}
	for i := range answer.Traces {
		brought[answer.Traces[i].ID] = answer.Traces[i].Spans
	}
	want, found := map[string]int{}, map[string]int{}
	asked := 0
	for _, t := range traces {
		id := t.root().TraceID
		spans, ok := brought[id]
		// Where traces of others lie in between, a search may leave some of these out.
		if !ok && answer.Limited && asked < mostByID {
			asked++
			one, err := l.traces.Trace(ctx, id, window)
			if err != nil && !errors.Is(err, sources.ErrNotFound) {
				return nil, err
			}
			spans = one.Spans
		}
		want[string(id)], found[string(id)] = len(t), t.among(spans)
	}
	what := fmt.Sprintf("spans of the traces that begin at %s from %s to %s", service, clock(window.From), clock(window.To))
	return compare(sources.Jaeger, what, "traces", hintTraces, want, found), nil
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// root is the span without a parent, or else the first one in time.
func (t trace) root() *sources.Span {
	at := slices.IndexFunc(t, func(s sources.Span) bool { return s.ParentID == "" })
	if at >= 0 {
		return &t[at]
	}
	first := &t[0]
	for i := range t {
		if cmp.Or(t[i].Start.Compare(first.Start), cmp.Compare(t[i].ID, first.ID)) < 0 {
			first = &t[i]
		}
	}
	return first
}

// among is how many of the trace's spans are among others. The same span is one with the
// same ID and start: another run with the same seed has the IDs again, at another time.
// Storage may keep times in microseconds.
func (t trace) among(others []sources.Span) int {
	type identity struct {
		id    sources.SpanID
		start int64
	}
	have := make(map[identity]bool, len(others))
	for i := range others {
		have[identity{others[i].ID, others[i].Start.UnixMicro()}] = true
	}
	n := 0
	for i := range t {
		if have[identity{t[i].ID, t[i].Start.UnixMicro()}] {
			n++
		}
	}
	return n
}
