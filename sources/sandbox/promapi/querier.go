package promapi

import (
	"context"
	"maps"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// blockMillis is the length of Prometheus's blocks. Names and values of labels are
// listed by block there: a series counts in all of a block that it has a sample in.
const blockMillis = 2 * 60 * 60 * 1000

// Querier implements storage.Queryable.
func (s *Store) Querier(from, to int64) (storage.Querier, error) {
	return querier{store: s, from: from, to: to}, nil
}

// querier implements storage.Querier over [from, to], in milliseconds.
type querier struct {
	store    *Store
	from, to int64
}

func (q querier) Close() error { return nil }

// Select lists series in the order of their labels, sorted or not, so that what the
// engine makes of them does not depend on which one was first appended to.
func (q querier) Select(ctx context.Context, _ bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	from, to := q.from, q.to
	if hints != nil {
		from, to = hints.Start, hints.End
	}
	q.store.mu.RLock()
	found := q.store.index.matching(matchers)
	q.store.mu.RUnlock()
	if err := ctx.Err(); err != nil {
		return storage.ErrSeriesSet(err)
	}
	found = slices.DeleteFunc(found, func(s *series) bool { return !s.overlaps(from, to) })
	slices.SortFunc(found, func(a, b *series) int { return labels.Compare(a.labels, b.labels) })
	return &seriesSet{series: found, from: from, to: to}
}

// LabelValues lists the values of a label in order.
func (q querier) LabelValues(_ context.Context, name string, _ *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	values := map[string]struct{}{}
	for _, s := range q.listed(matchers) {
		if v := s.labels.Get(name); v != "" {
			values[v] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(values)), nil, nil
}

// LabelNames lists the names of labels in order.
func (q querier) LabelNames(_ context.Context, _ *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	names := map[string]struct{}{}
	for _, s := range q.listed(matchers) {
		s.labels.Range(func(l labels.Label) { names[l.Name] = struct{}{} })
	}
	return slices.Sorted(maps.Keys(names)), nil, nil
}

func (q querier) listed(matchers []*labels.Matcher) []*series {
	q.store.mu.RLock()
	found := q.store.index.matching(matchers)
	q.store.mu.RUnlock()
	return slices.DeleteFunc(found, func(s *series) bool {
		first, last, ok := s.bounds()
		return !ok || first-mod(first, blockMillis) > q.to || last-mod(last, blockMillis)+blockMillis <= q.from
	})
}

// mod is the remainder that is never negative.
func mod(a, b int64) int64 { return ((a % b) + b) % b }

// seriesSet implements storage.SeriesSet.
type seriesSet struct {
	series   []*series
	from, to int64
	next     int
}

func (s *seriesSet) Next() bool {
	s.next++
	return s.next <= len(s.series)
}

func (s *seriesSet) At() storage.Series {
	return view{series: s.series[s.next-1], from: s.from, to: s.to}
}

func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }
