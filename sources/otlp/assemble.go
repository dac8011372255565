package otlp

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"time"

	"obs/sources"
)

// IDs of all zeros name nothing (W3C Trace Context, section 3.2.2.3), and yet a
// careless client can send a span with one. Such a span is kept, for its time was
// spent, under the zeros and not under an empty ID, which would make it the parent
// of every root. A parent of all zeros means that there is none.
const (
	NoTraceID sources.TraceID = "00000000000000000000000000000000"
	NoSpanID  sources.SpanID  = "0000000000000000"
)

// Assembly gathers the spans of an answer. Each stands by itself until all are there: a
// list that grows is copied again and again.
type Assembly struct{ Spans []*sources.Span }

// Traces parts the spans into traces, in the order in which traces first occur, and
// keeps none.
func (a *Assembly) Traces() []sources.Trace {
	// What nearly always decides stands together: the spans are spread over all of memory.
	type key struct {
		start      int64 // nanoseconds since 1970
		trace, nth int32
	}
	rank := map[sources.TraceID]int32{}
	var counts []int
	order := make([]key, len(a.Spans))
	var last sources.TraceID // which the next is too, where a whole trace was asked for
	at := int32(0)
	for i, s := range a.Spans {
		if i == 0 || s.TraceID != last {
			var known bool
			if at, known = rank[s.TraceID]; !known {
				at = int32(len(counts))
				rank[s.TraceID] = at
				counts = append(counts, 0)
			}
			last = s.TraceID
		}
		counts[at]++
		order[i] = key{s.Start.UnixNano(), at, int32(i)}
	}
	slices.SortFunc(order, func(i, j key) int {
		switch {
		case i.trace != j.trace:
			return cmp.Compare(i.trace, j.trace)
		case i.start != j.start:
			return cmp.Compare(i.start, j.start)
		}
		return cmp.Or(inOrder(a.Spans[i.nth], a.Spans[j.nth]), cmp.Compare(i.nth, j.nth))
	})
	ranked := order
	var all []sources.Trace
	for _, n := range counts {
		spans := make([]sources.Span, n)
		sources.OnAllProcessors(n, func(from, to int) {
			for i, k := range order[from:to] {
				spans[from+i] = *a.Spans[k.nth]
				a.Spans[k.nth] = nil
			}
		})
		order = order[n:]
		all = append(all, sources.Trace{ID: spans[0].TraceID, Spans: withoutRepeats(spans)})
	}
	if a.Spans = nil; len(ranked) >= manySpans {
		runtime.GC()
	}
	return all
}

// manySpans are so many that it is worth a collection that what they were gathered in is let
// go of before a picture is made of them: some 10 MB, which otherwise stand beside it until
// the heap has doubled. It takes a few milliseconds where reading took a tenth of a second.
const manySpans = 20_000

// InTime puts the events of a span in order of time: the server orders them by name.
func InTime(events []sources.Event) {
	slices.SortStableFunc(events, func(a, b sources.Event) int { return a.Time.Compare(b.Time) })
}

// inOrder puts spans in order of their start. Of those that start together the
// longest comes first, since it may be the parent of the others; the rest makes the
// order the same on every run.
func inOrder(a, b *sources.Span) int {
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
		service string
		kind    sources.Kind
	}
	seen := map[identity]bool{} // of the spans that start together
	kept := ordered[:0]
	for from := 0; from < len(ordered); {
		to := from + 1
		for to < len(ordered) && ordered[to].Start.Equal(ordered[from].Start) {
			to++
		}
		clear(seen)
		for i := from; i < to; i++ {
			s := &ordered[i]
			if to > from+1 { // which is rare
				this := identity{s.ID, s.Service, s.Kind}
				if seen[this] && s.ID != NoSpanID {
					continue
				}
				seen[this] = true
			}
			kept = append(kept, *s)
		}
		from = to
	}
	clear(ordered[len(kept):])
	return kept
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
