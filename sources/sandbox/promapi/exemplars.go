package promapi

import (
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
)

// maxExemplars is Prometheus's default of storage.exemplars.max_exemplars.
const maxExemplars = 100_000

// exemplars keeps the newest exemplars of all series in one ring, as Prometheus does: a
// busy series drives out the exemplars of the others.
type exemplars struct {
	most int // how many are kept

	mu     sync.RWMutex
	series map[string]*exemplarSeries // by the bytes of the labels
	// ring holds the series of each exemplar in the order of arrival, which is also
	// the order within each series; next is where the oldest one stands once it is full.
	ring []*exemplarSeries
	next int
}

type exemplarSeries struct {
	key    string
	labels labels.Labels
	kept   []exemplar.Exemplar // oldest first
}

// add reports whether the exemplar was taken, or known.
func (x *exemplars) add(of, ids labels.Labels, t int64, v float64) bool {
	length := 0
	ids.Range(func(l labels.Label) { length += utf8.RuneCountInString(l.Name) + utf8.RuneCountInString(l.Value) })
	if length > exemplar.ExemplarMaxLabelSetLength {
		return false
	}
	key := string(of.Bytes(nil))
	e := exemplar.Exemplar{Labels: ids, Value: v, Ts: t, HasTs: true}
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.series[key]
	if s == nil {
		s = &exemplarSeries{key: key, labels: of}
		x.series[key] = s
	}
	if n := len(s.kept); n > 0 {
		last := s.kept[n-1]
		if last.Equals(e) {
			return true
		}
		if t < last.Ts || t == last.Ts && (v < last.Value || v == last.Value && ids.Hash() < last.Labels.Hash()) {
			return false
		}
	}
	s.kept = append(s.kept, e)
	if len(x.ring) < x.most {
		x.ring = append(x.ring, s)
		return true
	}
	oldest := x.ring[x.next]
	if oldest.kept = oldest.kept[1:]; len(oldest.kept) == 0 {
		delete(x.series, oldest.key)
	}
	x.ring[x.next] = s
	x.next = (x.next + 1) % x.most
	return true
}

// find lists the exemplars within [from, to] of the series that fit one of the
// selectors, in the order of the series' labels.
func (x *exemplars) find(from, to int64, selectors [][]*labels.Matcher) []exemplar.QueryResult {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var found []exemplar.QueryResult
	for _, s := range x.series {
		if !fitsAny(s.labels, selectors) {
			continue
		}
		var within []exemplar.Exemplar
		for _, e := range s.kept {
			if e.Ts >= from && e.Ts <= to {
				within = append(within, e)
			}
		}
		if len(within) > 0 {
			found = append(found, exemplar.QueryResult{SeriesLabels: s.labels, Exemplars: within})
		}
	}
	slices.SortFunc(found, func(a, b exemplar.QueryResult) int { return labels.Compare(a.SeriesLabels, b.SeriesLabels) })
	return found
}

func fitsAny(set labels.Labels, selectors [][]*labels.Matcher) bool {
	return slices.ContainsFunc(selectors, func(matchers []*labels.Matcher) bool {
		return !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(set.Get(m.Name)) })
	})
}
