package correlate

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"obs/sources"
)

// Kinds of places where a record carries an ID, the cheapest to ask for first.
const (
	InMetadata = "metadata" // structured metadata
	InLabel    = "label"    // a label of its stream
	InField    = "field"    // a field of a line that is JSON or logfmt
	InLine     = "line"     // somewhere in the line
	Nowhere    = "nowhere"  // there are records of that time, and none carries it
)

// Place is where the records of a service carry the ID.
type Place struct {
	Service string `json:"service,omitempty"`
	Kind    string `json:"kind"`            // metadata, label, field, line or nowhere
	Field   string `json:"field,omitempty"` // the name of the field, label or metadata
	Records int    `json:"records"`         // how many were found there
}

// carriedIn is where a record carries the ID of a search.
func carriedIn(r sources.Record, s search) (kind, field string) {
	for _, of := range []struct {
		kind   string
		labels sources.Labels
	}{{InMetadata, r.Metadata}, {InLabel, r.Stream}} {
		for _, name := range slices.Sorted(maps.Keys(of.labels)) {
			if s.is(of.labels[name]) {
				return of.kind, name
			}
		}
	}
	_, fields := Unfold(r.Line)
	for _, f := range fields {
		if s.is(f.Value) {
			return InField, f.Key
		}
	}
	return InLine, ""
}

// placesOf counts the places of records, by service.
func placesOf(records []sources.Record, s search) []Place {
	counts := map[Place]int{}
	for _, r := range records {
		service, _ := s.names.service(r.Stream)
		kind, field := carriedIn(r, s)
		counts[Place{Service: service, Kind: kind, Field: field}]++
	}
	all := make([]Place, 0, len(counts))
	for place, n := range counts {
		place.Records = n
		all = append(all, place)
	}
	slices.SortFunc(all, func(a, b Place) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(b.Records, a.Records), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Field, b.Field))
	})
	return all
}

// forgotten is for how long it is believed that a service carries IDs where it did: a
// release may change that, and finding it out again costs one search.
const forgotten = 30 * 24 * time.Hour

// Habits are where the services of one Loki have been seen to carry trace IDs. They say
// where to look first when the time of a request is not known, and so how much must be read;
// what is found in the end does not depend on them. They hold no IDs and no log lines. Safe
// for concurrent use.
type Habits struct {
	mu    sync.Mutex
	known map[string]Habit
	fresh bool // something was learnt
}

// Habit is where a service carries trace IDs.
type Habit struct {
	// Strict tells that every record that was seen carries it in a label or in structured
	// metadata.
	Strict bool      `json:"strict"`
	Seen   time.Time `json:"seen"`
}

// NewHabits takes over what is known, without what is too old to be believed at that time.
func NewHabits(known map[string]Habit, now time.Time) *Habits {
	h := &Habits{known: map[string]Habit{}}
	for service, habit := range known {
		if age := now.Sub(habit.Seen); service != "" && age >= 0 && age < forgotten {
			h.known[service] = habit
		}
	}
	return h
}

// Known is what is known now, and whether any of it was learnt since NewHabits.
func (h *Habits) Known() (known map[string]Habit, learnt bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.known), h.fresh
}

// learn takes over where records of a trace were found. A service of which one is found in
// a line alone is searched by its lines from then on.
func (h *Habits) learn(places []Place, at time.Time) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := map[string]Habit{}
	for _, p := range places {
		if p.Service == "" || p.Kind == Nowhere {
			continue
		}
		habit, ok := now[p.Service]
		strict := p.Kind == InMetadata || p.Kind == InLabel
		now[p.Service] = Habit{Strict: strict && (!ok || habit.Strict), Seen: at}
	}
	for service, habit := range now {
		if known, ok := h.known[service]; ok && known.Strict == habit.Strict && at.Sub(known.Seen) < forgotten/2 {
			continue // no news
		}
		h.known[service], h.fresh = habit, true
	}
}

// strict reports whether the lines of a service need not be read to find records of a trace.
func (h *Habits) strict(service string) bool {
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return service != "" && h.known[service].Strict
}

// mostNames bounds how many names stand in one selector; Loki refuses a query of more than
// 128 KiB, and its index looks each up.
const mostNames = 100

// inTurn parts every way to ask for records of a trace into those that come first, which leave
// out the lines of services that are known to carry the ID elsewhere, and the rest.
func inTurn(streams []sources.Labels, s search, habits *Habits) (first, rest []way) {
	if s.trace == "" {
		return everyWay(streams, s), nil // habits are about trace IDs
	}
	isStrict := func(stream sources.Labels) bool {
		service, _ := s.names.service(stream)
		return habits.strict(service)
	}
	strict := slices.DeleteFunc(slices.Clone(streams), func(l sources.Labels) bool { return !isStrict(l) })
	if len(strict) == 0 {
		return everyWay(streams, s), nil
	}
	for _, selector := range covering(streams) {
		first = append(first, way{query: fieldQuery(selector, s)})
	}
	first = append(first, labelWays(streams, s)...)
	read := slices.DeleteFunc(slices.Clone(streams), isStrict)
	return append(first, linesOf(read, s)...), linesOf(strict, s)
}

// linesOf asks by the lines of these streams, and of as few others as may be.
func linesOf(streams []sources.Labels, s search) []way {
	var ways []way
	for _, selector := range coveringOnly(streams) {
		ways = append(ways, way{query: lineQuery(selector, s), byLine: true})
	}
	return ways
}

// waysIn asks for all records of a search in these streams, and in few others.
func waysIn(streams []sources.Labels, s search) []way {
	return waysBy(coveringOnly(streams), streams, s)
}

// coveringOnly is as covering, with the names of these streams where they are few.
func coveringOnly(streams []sources.Labels) []sources.Selector {
	all := covering(streams)
	for i, selector := range all {
		// The first matcher is of the label that the selector is about.
		label := selector[0].Name
		var names []string
		for _, stream := range streams {
			if name := stream[label]; name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		if slices.Sort(names); len(names) <= mostNames {
			all[i] = slices.Clone(selector)
			all[i][0] = sources.AnyOf(label, names...)
		}
	}
	return all
}
