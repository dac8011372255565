package jaegerapi

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"obs/sources"
)

var (
	errDepth         = errors.New("search depth must be greater than 0 and less than max traces")
	errBackward      = errors.New("end time must be greater than start time")
	errTraceNotFound = errors.New("trace not found")
)

// query is the conditions of a search; one span has to meet them all.
type query struct {
	service   string    // any when empty
	operation string    // any when empty
	from, to  time.Time // of its start, both included; no bound when zero
	shortest  time.Duration
	longest   time.Duration // no bounds when 0
	tags      sources.Attributes
	limit     int
	raw       bool // traces as they came
}

// found is a trace as it was when it was looked up.
type found struct {
	id    traceID
	spans []*span
}

// bounds is the times of a query in the store's units.
type bounds struct {
	from, to          int64
	openFrom, openTo  bool
	shortest, longest int64
}

func (q *query) bounds() bounds {
	return bounds{
		from: nanos(q.from), openFrom: q.from.IsZero(),
		to: nanos(q.to), openTo: q.to.IsZero(),
		shortest: int64(q.shortest), longest: int64(q.longest),
	}
}

// mayHold reports whether a span of those indexed could lie within the bounds.
func (b *bounds) mayHold(p *posting) bool {
	return (b.openFrom || p.to >= b.from) && (b.openTo || p.from <= b.to) &&
		(b.shortest == 0 || p.longest >= b.shortest)
}

func (b *bounds) hold(s *span) bool {
	duration := s.end - s.start
	return (b.openFrom || s.start >= b.from) && (b.openTo || s.start <= b.to) &&
		(b.shortest == 0 || duration >= b.shortest) && (b.longest == 0 || duration <= b.longest)
}

// find lists the traces with a span that fits, the one that came last first, and no
// more than the limit: not the slowest, and not in order of their start.
func (s *Store) find(q query) ([]found, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if q.limit <= 0 || q.limit > s.limit {
		return nil, errDepth
	}
	postings := s.all
	if q.service != "" {
		known := s.byService[q.service]
		if known == nil {
			return nil, nil
		}
		postings = known.traces
	}
	b := q.bounds()
	var all []found
	for i := len(postings) - 1; i >= 0 && len(all) < q.limit; i-- {
		p := &postings[i]
		if b.mayHold(p) && slices.ContainsFunc(p.trace.spans, func(s *span) bool { return q.fits(s, &b) }) {
			all = append(all, found{p.trace.id, p.trace.spans})
		}
	}
	return all, nil
}

func (q *query) fits(s *span, b *bounds) bool {
	if (q.service != "" && s.process.service != q.service) || (q.operation != "" && s.operation != q.operation) || !b.hold(s) {
		return false
	}
	for _, tag := range q.tags {
		if !s.tagged(tag) {
			return false
		}
	}
	return true
}

// tagged reports whether a search by the tag finds the span: by an attribute of its
// own, of its resource or of one of its events, compared as text.
//
// What are fields in OpenTelemetry are no attributes, and so nothing has the tags
// span.kind or otel.status_code. The tag error is compared with the status, but the
// server takes its text for no truth value and hence for false: whatever the text, it
// finds the spans with the status ok, and never one that failed.
func (s *span) tagged(tag sources.Attribute) bool {
	if tag.Key == "error" {
		return s.status == sources.StatusOK
	}
	if isField(tag.Key) {
		return false
	}
	if s.attributes.has(tag) || s.process.resource.has(tag) {
		return true
	}
	return s.more != nil && slices.ContainsFunc(s.more.events, func(e event) bool { return e.attributes.has(tag) })
}

func (s *Store) trace(id traceID) (found, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.byID[id]
	if t == nil {
		return found{}, false
	}
	return found{t.id, t.spans}, true
}

// services lists the names of all services that ever had a span, in order.
func (s *Store) services() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var names []string
	for name := range s.byService {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// operations lists those of a service that have the kind, or all where it is empty, in
// order of name and kind.
func (s *Store) operations(name, kind string) []operation {
	s.mu.RLock()
	defer s.mu.RUnlock()
	known := s.byService[name]
	if known == nil {
		return nil
	}
	var all []operation
	for o := range known.operations {
		if kind == "" || kind == string(o.kind) {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b operation) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.kind, b.kind))
	})
	return all
}

type call struct{ parent, child string }

// calls counts spans by their service and that of their parent, over the traces that
// lie wholly and strictly between two moments. A service may call itself.
func (s *Store) calls(from, to time.Time) (map[call]uint64, error) {
	if !to.IsZero() && to.Before(from) {
		return nil, errBackward
	}
	first, last := nanos(from), nanos(to)
	s.mu.RLock()
	var within [][]*span
	for i := range s.all {
		if t := s.all[i].trace; t.from > first && (to.IsZero() || t.to < last) {
			within = append(within, t.spans)
		}
	}
	s.mu.RUnlock()
	counts := map[call]uint64{}
	services := map[uint64]string{}
	for _, spans := range within {
		clear(services)
		for _, span := range spans {
			if _, known := services[span.id]; !known { // the first of several with one ID
				services[span.id] = span.process.service
			}
		}
		for _, span := range spans {
			if parent, ok := services[span.parent]; ok && span.parent != 0 {
				counts[call{parent, span.process.service}]++
			}
		}
	}
	return counts, nil
}
