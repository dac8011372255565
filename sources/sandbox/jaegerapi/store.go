package jaegerapi

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"obs/sources"
)

// traceID is a trace's ID as the two numbers that Jaeger takes it for.
type traceID struct{ high, low uint64 }

// trace is the spans that share an ID, in the order in which they came. Spans are only
// ever appended, and never change: a copy of the slice may be read without the lock.
type trace struct {
	id       traceID
	sequence uint64 // by when its first span came
	spans    []*span
	from, to int64 // from the first start to the last end, in nanoseconds since 1970
}

// posting says what an index knows of a trace, so that a search need not look at the
// spans of those that cannot match.
type posting struct {
	trace    *trace
	from, to int64 // the first and the last start of the spans indexed
	longest  int64 // duration
}

// index is postings in order of their traces' sequence.
type index []posting

type operation struct {
	name string
	kind sources.Kind
}

type service struct {
	traces     index
	operations map[operation]struct{}
}

// Store holds spans, grouped into traces. It is safe for concurrent use.
//
// As in Jaeger's memory storage, a trace is as recent as its first span to arrive, and
// services and operations stay known when their traces are dropped.
type Store struct {
	intake sync.Mutex // guards interned; taken before mu
	interned

	mu        sync.RWMutex // guards what follows
	byID      map[traceID]*trace
	all       index
	byService map[string]*service
	sequence  uint64
	limit     int
}

// NewStore returns an empty store.
func NewStore() *Store {
	return &Store{
		interned:  newInterned(),
		byID:      map[traceID]*trace{},
		byService: map[string]*service{},
		limit:     defaultMaxTraces,
	}
}

// Append adds spans. Those of one trace may come in any order and in several calls. The
// store keeps no slice of the caller's, but the texts. A span whose trace ID is not one
// is dropped, for nothing could find it; any other ID that is not one counts as none.
func (s *Store) Append(spans ...sources.Span) {
	s.intake.Lock()
	defer s.intake.Unlock()
	converted := make([]*span, 0, len(spans))
	ids := make([]traceID, 0, len(spans))
	for i := range spans {
		if id, ok := parsed(spans[i].TraceID); ok {
			converted = append(converted, s.convert(&spans[i]))
			ids = append(ids, id)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 0; i < len(converted); {
		// Spans of a trace mostly come together: their slice grows once for all.
		end := i + 1
		for end < len(converted) && ids[end] == ids[i] {
			end++
		}
		s.add(ids[i], converted[i:end])
		i = end
	}
	s.evict()
}

func (s *Store) add(id traceID, spans []*span) {
	t := s.byID[id]
	if t == nil {
		s.sequence++
		t = &trace{id: id, sequence: s.sequence, from: math.MaxInt64, to: math.MinInt64}
		s.byID[id] = t
	}
	t.spans = slices.Grow(t.spans, len(spans))
	for _, span := range spans {
		t.spans = append(t.spans, span)
		t.from, t.to = min(t.from, span.start), max(t.to, span.end)
		s.all.note(t, span)
		known := s.byService[span.process.service]
		if known == nil {
			known = &service{operations: map[operation]struct{}{}}
			s.byService[span.process.service] = known
		}
		known.operations[operation{span.operation, span.kind}] = struct{}{}
		known.traces.note(t, span)
	}
}

// note enters a span. Most belong to the trace that came last.
func (x *index) note(t *trace, s *span) {
	i := len(*x) - 1
	if i < 0 || (*x)[i].trace != t {
		var found bool
		i, found = slices.BinarySearchFunc(*x, t.sequence, func(p posting, sequence uint64) int {
			return cmp.Compare(p.trace.sequence, sequence)
		})
		if !found {
			*x = slices.Insert(*x, i, posting{trace: t, from: math.MaxInt64, to: math.MinInt64})
		}
	}
	p := &(*x)[i]
	p.from, p.to = min(p.from, s.start), max(p.to, s.start)
	p.longest = max(p.longest, s.end-s.start)
}

// keep sets how many traces the store holds.
func (s *Store) keep(traces int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = traces
	s.evict()
}

// evict drops the traces that came first. They are the first in every index.
func (s *Store) evict() {
	for len(s.all) > s.limit {
		oldest := s.all[0].trace
		delete(s.byID, oldest.id)
		s.all.drop(oldest)
		for _, span := range oldest.spans {
			s.byService[span.process.service].traces.drop(oldest)
		}
	}
}

func (x *index) drop(t *trace) {
	if len(*x) > 0 && (*x)[0].trace == t {
		(*x)[0] = posting{} // what lies ahead of the slice is out of the collector's sight
		*x = (*x)[1:]
	}
}

func parsed(id sources.TraceID) (traceID, bool) {
	padded, ok := sources.ParseTraceID(string(id))
	if !ok {
		return traceID{}, false
	}
	half := len(padded) / 2
	return traceID{number(string(padded[:half])), number(string(padded[half:]))}, true
}

func number(text string) uint64 {
	n, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		return 0
	}
	return n
}

// String writes the ID as Jaeger does: with 16 digits where they suffice.
func (id traceID) String() string {
	if id.high == 0 {
		return digits(id.low)
	}
	return digits(id.high) + digits(id.low)
}

func digits(n uint64) string {
	text := strconv.FormatUint(n, 16)
	return strings.Repeat("0", 16-len(text)) + text
}

// nanos is a time in nanoseconds since 1970, cut to what fits.
func nanos(t time.Time) int64 {
	switch {
	case t.Before(earliest):
		return math.MinInt64
	case t.After(latest):
		return math.MaxInt64
	}
	return t.UnixNano()
}

var earliest, latest = time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64)

func (id traceID) otlp() (out pcommon.TraceID) {
	binary.BigEndian.PutUint64(out[:8], id.high)
	binary.BigEndian.PutUint64(out[8:], id.low)
	return out
}

func spanID(id uint64) (out pcommon.SpanID) {
	binary.BigEndian.PutUint64(out[:], id)
	return out
}
