package lokiapi

import (
	"slices"
	"strings"
	"sync"
	"time"

	"obs/sources"
	"obs/sources/sandbox/lokiapi/logql"
)

// Store holds streams of log records in memory. It is safe for concurrent use: records
// may arrive in any order while queries and tails are under way.
type Store struct {
	mu      sync.RWMutex
	streams map[string]*stream // by the labels' key
	ordered []*stream          // by the same; replaced and never changed

	listeners sync.Map // *listener -> nothing
}

// NewStore returns an empty store.
func NewStore() *Store { return &Store{streams: map[string]*stream{}} }

// Append adds a record to the stream with these labels. Its Metadata is kept under names
// that are identifiers, along with a detected_level, as Loki does; its Stream is ignored.
// A record that the stream has already, equal in time, line and metadata, is not added
// again. Labels without a value are none.
func (s *Store) Append(stream sources.Labels, r sources.Record) {
	s.Appender(stream)(r.Time, r.Line, r.Metadata)
}

// Appender returns a function that appends to one stream, for those who append many.
func (s *Store) Appender(labels sources.Labels) func(t time.Time, line string, metadata sources.Labels) {
	var set logql.Labels
	for name, value := range labels {
		if value != "" {
			set = append(set, logql.Label{Name: strings.Clone(name), Value: strings.Clone(value)})
		}
	}
	slices.SortFunc(set, func(a, b logql.Label) int { return strings.Compare(a.Name, b.Name) })
	var to *stream
	return func(t time.Time, line string, metadata sources.Labels) {
		if to == nil {
			to = s.stream(set)
		}
		kept := structured(set, metadata, line)
		if to.append(t.UnixNano(), line, kept) {
			s.tell(t.UnixNano(), line, to.labels, kept)
		}
	}
}

// stream returns the stream with those labels, a new one if need be.
func (s *Store) stream(labels logql.Labels) *stream {
	key := labels.Key()
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.streams[key]; known != nil {
		return known
	}
	added := &stream{labels: labels, key: key}
	s.streams[key] = added
	place, _ := slices.BinarySearchFunc(s.ordered, key, func(o *stream, key string) int { return strings.Compare(o.key, key) })
	s.ordered = slices.Insert(slices.Clone(s.ordered), place, added)
	return added
}

// Select implements logql.Source.
func (s *Store) Select(matchers []logql.Matcher, from, to int64) (selected []logql.Stream) {
	s.mu.RLock()
	all := s.ordered
	s.mu.RUnlock()
	for _, candidate := range all {
		if !matchAll(matchers, candidate.labels) {
			continue
		}
		if records := candidate.between(from, to); len(records.entries) > 0 {
			selected = append(selected, logql.Stream{Labels: candidate.labels, Records: records})
		}
	}
	return selected
}

func matchAll(matchers []logql.Matcher, labels logql.Labels) bool {
	for _, m := range matchers {
		if !m.Matches(labels.Get(m.Name)) {
			return false
		}
	}
	return true
}

// structured is what a record's metadata is kept as: names are identifiers that the
// stream does not have, values are not empty, and the level is among them.
func structured(stream logql.Labels, metadata sources.Labels, line string) logql.Labels {
	kept := make(logql.Labels, 0, len(metadata)+1)
	add := func(name, value string) {
		if stream.Get(name) != "" {
			name += "_extracted"
		}
		for i := range kept {
			if kept[i].Name == name {
				kept[i].Value = value
				return
			}
		}
		kept = append(kept, logql.Label{Name: name, Value: value})
	}
	// In order, so that of two names that become the same one it is always the same that stays.
	names := make([]string, 0, len(metadata))
	for name := range metadata {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if value := metadata[name]; value != "" && name != "" {
			add(metadataName(name), value)
		}
	}
	if kept.Get(detectedLevel) == "" {
		add(detectedLevel, levelOf(stream, kept, line))
	}
	slices.SortFunc(kept, func(a, b logql.Label) int { return strings.Compare(a.Name, b.Name) })
	return kept
}

// metadataName is the name under which Loki keeps metadata: like that of a field of a
// line, but with another way out for a digit in front.
func metadataName(name string) string {
	if name[0] >= '0' && name[0] <= '9' {
		return "key_" + strings.TrimPrefix(logql.Identifier(name), "_")
	}
	return logql.Identifier(name)
}
