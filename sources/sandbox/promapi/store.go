package promapi

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"

	"obs/sources"
)

// Store holds series, exemplars, metadata and rules in memory, and forgets nothing but
// the oldest exemplars. It is safe for concurrent use: appends go on while queries run.
type Store struct {
	mu       sync.RWMutex // of index, metadata and groups
	index    index
	metadata map[string]sources.MetricMetadata
	groups   []RuleGroup

	exemplars exemplars
	samples   atomic.Int64
	refused   atomic.Int64
	earliest  atomic.Int64 // of all samples, in milliseconds; what it is without any is in NewStore
}

// NewStore returns an empty store.
func NewStore() *Store {
	s := &Store{
		index:     index{names: map[string]map[string]*posting{}, hashes: map[uint64][]*series{}},
		metadata:  map[string]sources.MetricMetadata{},
		exemplars: exemplars{most: maxExemplars, series: map[string]*exemplarSeries{}},
	}
	s.earliest.Store(math.MaxInt64)
	return s
}

// Append adds a sample to the series of these labels, __name__ among them. Labels
// without a value do not count. The samples of a series come in order of time, at a
// resolution of milliseconds: one that is not newer than the last is not stored.
func (s *Store) Append(l sources.Labels, t time.Time, v float64) {
	s.add(s.seriesOf(l), t, v)
}

// Appender finds the series of these labels once, and returns what Append does from
// there on. The series is listed nowhere before its first sample.
func (s *Store) Appender(l sources.Labels) func(t time.Time, v float64) {
	series := s.seriesOf(l)
	return func(t time.Time, v float64) { s.add(series, t, v) }
}

// Stale ends the series at t with Prometheus's staleness marker: from then on it has no
// value, instead of its last one for the time of the lookback.
func (s *Store) Stale(l sources.Labels, t time.Time) {
	s.add(s.seriesOf(l), t, staleMarker)
}

// Metadata sets type, unit and help of a metric: the name without _bucket, _sum and
// _count, as a scrape tells it.
func (s *Store) Metadata(name string, m sources.MetricMetadata) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.metadata[name] = m
}

// Exemplar adds an exemplar to the series of these labels; the Series field of e does
// not count. As in Prometheus, the newest 100,000 of all series together are kept, an
// older one than the series' last is refused, and so is one whose labels are longer
// than 128 characters; the last one again is no news.
func (s *Store) Exemplar(series sources.Labels, e sources.Exemplar) {
	if !s.exemplars.add(promLabels(series), promLabels(e.Labels), timestamp.FromTime(e.Time), e.Value) {
		s.refused.Add(1)
	}
}

// Rules adds groups of alerting rules. They are evaluated when somebody asks for them.
func (s *Store) Rules(groups ...RuleGroup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups = append(s.groups, groups...)
}

// Counts tells how much a store holds.
type Counts struct {
	Series  int
	Samples int64
	// Refused counts samples and exemplars that were out of order or too long.
	Refused int64
}

// Counts counts what the store holds and what it did not take.
func (s *Store) Counts() Counts {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return Counts{Series: len(s.index.series), Samples: s.samples.Load(), Refused: s.refused.Load()}
}

func (s *Store) add(to *series, t time.Time, v float64) {
	ms := timestamp.FromTime(t)
	switch to.append(ms, v) {
	case sampleStored:
		s.samples.Add(1)
		for before := s.earliest.Load(); ms < before; before = s.earliest.Load() {
			if s.earliest.CompareAndSwap(before, ms) {
				break
			}
		}
	case sampleRefused:
		s.refused.Add(1)
	}
}

func (s *Store) seriesOf(l sources.Labels) *series {
	set := promLabels(l)
	hash := set.Hash()
	s.mu.RLock()
	found := s.index.find(set, hash)
	s.mu.RUnlock()
	if found != nil {
		return found
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if added := s.index.find(set, hash); added != nil { // by somebody else, just now
		return added
	}
	return s.index.add(set, hash)
}

// first is the time of the earliest sample of all; ok is false without any.
func (s *Store) first() (t time.Time, ok bool) {
	ms := s.earliest.Load()
	return timestamp.Time(ms), ms != math.MaxInt64
}

func (s *Store) ruleGroups() []RuleGroup {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.groups)
}

// promLabels converts a label set, in order and without empty values.
func promLabels(l sources.Labels) labels.Labels {
	pairs := make([]labels.Label, 0, len(l))
	for name, value := range l {
		if name != "" && value != "" {
			pairs = append(pairs, labels.Label{Name: name, Value: value})
		}
	}
	return labels.New(pairs...)
}
