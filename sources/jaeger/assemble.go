package jaeger

import (
	"cmp"
	"math"
	"slices"
	"time"

	"obs/sources"
)

// IDs of all zeros name nothing (W3C Trace Context, section 3.2.2.3), and yet a
// careless client can send a span with one. Such a span is kept, for its time was
// spent, under the zeros and not under an empty ID, which would make it the parent
// of every root. A parent of all zeros means that there is none.
const (
	noTraceID sources.TraceID = "00000000000000000000000000000000"
	noSpanID  sources.SpanID  = "0000000000000000"
)

// assembly gathers spans into traces, in the order in which traces first occur.
type assembly struct {
	ids   []sources.TraceID
	spans map[sources.TraceID][]sources.Span
}

// add puts the span's events in order of time: the server orders them by name.
func (a *assembly) add(s sources.Span) {
	slices.SortStableFunc(s.Events, func(a, b sources.Event) int { return a.Time.Compare(b.Time) })
	if a.spans == nil {
		a.spans = map[sources.TraceID][]sources.Span{}
	}
	if _, known := a.spans[s.TraceID]; !known {
		a.ids = append(a.ids, s.TraceID)
	}
	a.spans[s.TraceID] = append(a.spans[s.TraceID], s)
}

func (a *assembly) traces() []sources.Trace {
	var all []sources.Trace
	for _, id := range a.ids {
		spans := a.spans[id]
		slices.SortStableFunc(spans, inOrder)
		all = append(all, sources.Trace{ID: id, Spans: withoutRepeats(spans)})
	}
	return all
}

// inOrder puts spans in order of their start. Of those that start together the
// longest comes first, since it may be the parent of the others; the rest makes the
// order the same on every run.
func inOrder(a, b sources.Span) int {
	return cmp.Or(
		a.Start.Compare(b.Start),
		cmp.Compare(b.Duration, a.Duration),
		cmp.Compare(a.ID, b.ID),
		cmp.Compare(a.Service, b.Service),
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Operation, b.Operation),
	)
}

// withoutRepeats drops spans that occur again. Storage may hold a span twice when a
// sender tried twice, and then the longer one is the more complete. The two sides of
// a call may share an ID, as they do with Zipkin's clients, but not their kind or
// their service: both stay.
func withoutRepeats(ordered []sources.Span) []sources.Span {
	type identity struct {
		id      sources.SpanID
		start   int64
		service string
		kind    sources.Kind
	}
	seen := make(map[identity]bool, len(ordered))
	return slices.DeleteFunc(ordered, func(s sources.Span) bool {
		this := identity{s.ID, s.Start.UnixNano(), s.Service, s.Kind}
		repeated := seen[this] && s.ID != noSpanID
		seen[this] = true
		return repeated
	})
}

// moment is a time as nanoseconds since 1970, and clamped to what those can hold in
// 63 bits, so that times of hostile answers stay valid in JSON.
func moment(nanos uint64) time.Time {
	return time.Unix(0, int64(min(nanos, math.MaxInt64))).UTC()
}

// elapsed is the time between two moments, never negative.
func elapsed(startNanos, endNanos uint64) time.Duration {
	start, end := min(startNanos, math.MaxInt64), min(endNanos, math.MaxInt64)
	if end <= start {
		return 0
	}
	return time.Duration(end - start)
}
