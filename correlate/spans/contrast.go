package spans

import (
	"cmp"
	"slices"
	"time"

	"obs/sources"
)

// Change is how a kind of work of one trace differs from what it is in others.
type Change string

// The changes. The first five are about whether and how often the work is done.
const (
	New      Change = "new"      // none of the others does it
	Missing  Change = "missing"  // the others do it, this one does not
	Rare     Change = "rare"     // most of the others do not do it
	Repeated Change = "repeated" // it is done more often
	Fewer    Change = "fewer"    // it is done less often

	Slower   Change = "slower"
	Faster   Change = "faster"
	Waited   Change = "waited for"     // it takes its usual time, and now holds the request up
	Unwaited Change = "not waited for" // it takes its usual time, and no longer holds the request up

	Failing Change = "failing" // a failure began in it
)

const (
	// noticed is the part of a request's usual duration from which on a difference counts:
	// people begin to tell two durations apart at about a tenth (Weber's law for time).
	noticed = 0.1
	// leastNoticed is the least difference that counts: below a millisecond a scheduler's
	// turn or the clocks of two machines may make it.
	leastNoticed = time.Millisecond
	// oftener is from how many times as many on a number of times counts, and for work that is
	// done more or less often also the time of each: half as many again, as for latency. Below
	// it is the number of lines in one order and the next.
	oftener = 1.5
	// oddEnds is the part of the others left off at each end of what is usual. Of fewer than
	// ten it leaves off none.
	oddEnds = 10
	// farthestRecursion bounds the search for a kind of work among those above it. Work that
	// comes back to itself by way of more kinds than this is not taken for recursion.
	farthestRecursion = 64
)

// Spread is what the others have of something: the median, and between which values it lies in
// all but the least and the most tenth of them; in all of them where they are fewer than ten.
type Spread[T int | time.Duration] struct{ Median, Low, High T }

// clearOf reports whether a value lies outside by enough to be told from the bounds.
func (s Spread[T]) clearOf(v T) bool {
	return float64(v) > (1+noticed)*float64(s.High) || float64(v) < (1-noticed)*float64(s.Low)
}

func spreadOf[T int | time.Duration](values []T) Spread[T] {
	n := len(values)
	if n == 0 {
		return Spread[T]{}
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	s := Spread[T]{Median: sorted[n/2], Low: sorted[n/oddEnds], High: sorted[n-1-n/oddEnds]}
	if n%2 == 0 {
		s.Median = (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return s
}

// Amount is what one trace has of a kind of work.
type Amount struct {
	Count    int
	Failed   int           // spans that failed of which no child did
	Total    time.Duration // of the spans, those within another of the kind left out
	Self     time.Duration
	Critical time.Duration // how long the request waited for it
}

// Usual is what the others have of a kind of work.
type Usual struct {
	Traces      int                   // those that do it at all
	Count       Spread[int]           // 0 where it is not done
	Failed      Spread[int]           // 0 where it is not done
	Total, Self Spread[time.Duration] // in those that do it
	Critical    Spread[time.Duration] // 0 where it is not done
	each        Spread[time.Duration] // self time of one span, in those that do it
}

// ContrastRow is a kind of work in its place that differs.
type ContrastRow struct {
	// Path leads to it, from the root. The same work called from two places is two rows;
	// recursion and repetition are one.
	Path    []Key
	Changes []Change // at least one, how often it is done first
	Here    Amount
	Usual   Usual
	// Explains is how much of the difference in the root's duration it makes: its time on the
	// critical path less the median of the others, that of Below included.
	Explains time.Duration
	// Below is how many kinds of work beneath it differ in the same way, and have no row.
	Below int
}

// Has reports whether it differs in that way.
func (r *ContrastRow) Has(c Change) bool { return slices.Contains(r.Changes, c) }

// Contrast is how one trace differs from others.
type Contrast struct {
	Here  time.Duration         // of the root
	Usual Spread[time.Duration] // of the others' roots
	Rows  []ContrastRow         // what explains most of the difference first
	// Alike is how many kinds of work are as usual, AlikeExplains what they make of the
	// difference together.
	Alike         int
	AlikeExplains time.Duration
	// Unaccounted is what is left of the difference: medians of parts do not add up to the
	// median of the whole. It is 0 where there is one other.
	Unaccounted time.Duration
	// Apart is how many spans of the trace are not beneath its root, so that their place is
	// not known. They are not compared.
	Apart int
}

// Against compares a trace with others, of which there must be at least one, by kind of work
// in its place. All must have a root; the roots are taken for the same work, whatever they
// are called.
func Against(one *Tree, others []*Tree) Contrast {
	known := &placement{ids: map[step]int{}}
	here, apart := known.amounts(one)
	there := make([]map[int]*Amount, len(others))
	whole := make([]time.Duration, len(others))
	for i, t := range others {
		there[i], _ = known.amounts(t)
		whole[i] = t.Span(t.Main).Duration
	}
	c := Contrast{Here: one.Span(one.Main).Duration, Usual: spreadOf(whole), Apart: apart}
	least := max(leastNoticed, time.Duration(noticed*float64(c.Usual.Median)))
	c.Unaccounted = c.Here - c.Usual.Median
	var rows []*ContrastRow
	rowOf := make([]*ContrastRow, len(known.places)) // in which a place is counted
	for id := range known.places {                   // parents first
		r := &ContrastRow{Usual: usualOf(there, id)}
		if a := here[id]; a != nil {
			r.Here = *a
		}
		r.Explains = r.Here.Critical - r.Usual.Critical.Median
		r.Changes = changesOf(&r.Here, &r.Usual, least)
		c.Unaccounted -= r.Explains
		var above *ContrastRow
		if p := known.places[id].parent; p != None {
			above = rowOf[p]
		}
		switch {
		case above != nil && above.covers(r):
			rowOf[id] = above
			above.Explains += r.Explains
			if r.Here.Count > 0 || r.Usual.Count.Median > 0 {
				above.Below++
			}
		case len(r.Changes) > 0:
			r.Path = known.path(id)
			rowOf[id] = r
			rows = append(rows, r)
		default:
			c.AlikeExplains += r.Explains
			if r.Here.Count > 0 || r.Usual.Count.Median > 0 {
				c.Alike++
			}
		}
	}
	for _, r := range rows {
		c.Rows = append(c.Rows, *r)
	}
	quicker := c.Here < c.Usual.Median
	slices.SortFunc(c.Rows, func(a, b ContrastRow) int {
		byTime := cmp.Compare(b.Explains, a.Explains)
		if quicker {
			byTime = -byTime
		}
		return cmp.Or(byTime, compareBool(b.Has(Failing), a.Has(Failing)), slices.CompareFunc(a.Path, b.Path, compareKeys))
	})
	return c
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation))
}

// covers tells that what is beneath the row follows from it: what is done beneath missing
// work is missing too, and what repeated work does is repeated.
func (r *ContrastRow) covers(below *ContrastRow) bool {
	if r.Has(Missing) {
		return true
	}
	if len(below.Changes) == 0 || below.Changes[0] != r.Changes[0] {
		return false
	}
	switch r.Changes[0] {
	case New, Rare, Repeated, Fewer:
		return !slices.ContainsFunc(below.Changes, func(c Change) bool { return !r.Has(c) })
	}
	return false
}

// changesOf are those of a kind of work. A difference in time counts from least on.
func changesOf(here *Amount, usual *Usual, least time.Duration) []Change {
	var all []Change
	counts := func(v time.Duration, s Spread[time.Duration], times int) bool {
		diff := time.Duration(times) * (v - s.Median)
		return max(diff, -diff) >= least && s.clearOf(v)
	}
	switch {
	case here.Count == 0 && usual.Count.Low == 0:
		return nil // some do without it
	case here.Count == 0:
		return []Change{Missing}
	case usual.Traces == 0:
		all = append(all, New)
	case usual.Count.Median == 0 && (here.Count > usual.Count.High || counts(here.Critical, usual.Critical, 1)):
		all = append(all, Rare)
	case here.Count > usual.Count.High && far(here.Count, usual.Count.Median):
		all = append(all, Repeated)
	case here.Count < usual.Count.Low && far(usual.Count.Median, here.Count):
		all = append(all, Fewer)
	}
	each := here.Self / time.Duration(here.Count)
	self, critical := here.Self-usual.Self.Median, here.Critical-usual.Critical.Median
	switch {
	case usual.Traces == 0:
	case len(all) > 0: // of its time the number is one part
		if counts(each, usual.each, here.Count) && (far(each, usual.each.Median) || far(usual.each.Median, each)) {
			all = append(all, pick(each > usual.each.Median, Slower, Faster))
		}
	case counts(here.Critical, usual.Critical, 1):
		// Where its own time tells at least half of it, it is that.
		if critical > 0 {
			all = append(all, pick(2*self >= critical, Slower, Waited))
		} else {
			all = append(all, pick(2*self <= critical, Faster, Unwaited))
		}
	case counts(here.Self, usual.Self, 1):
		all = append(all, pick(self > 0, Slower, Faster))
	}
	if here.Failed > usual.Failed.High {
		all = append(all, Failing)
	}
	return all
}

// far tells that a is so many times as large as b that it is another number.
func far[T int | time.Duration](a, b T) bool { return float64(a) >= oftener*float64(b) }

func pick(first bool, a, b Change) Change {
	if first {
		return a
	}
	return b
}

func usualOf(there []map[int]*Amount, id int) Usual {
	var u Usual
	var count, failed []int
	var total, self, critical, each []time.Duration
	for _, amounts := range there {
		a := amounts[id]
		if a == nil {
			a = &Amount{}
		} else {
			u.Traces++
			total, self, each = append(total, a.Total), append(self, a.Self), append(each, a.Self/time.Duration(a.Count))
		}
		count, failed, critical = append(count, a.Count), append(failed, a.Failed), append(critical, a.Critical)
	}
	u.Count, u.Failed, u.Critical = spreadOf(count), spreadOf(failed), spreadOf(critical)
	u.Total, u.Self, u.each = spreadOf(total), spreadOf(self), spreadOf(each)
	return u
}

// placement names the places of work in some traces, the same in all of them.
type placement struct {
	ids    map[step]int // what is done next, from a place
	places []spot       // parents first
}

type step struct {
	from int
	key  Key
}

type spot struct {
	parent int // None for the root
	key    Key
}

// root is the place of the root of every trace.
const root = 0

// amounts is what a trace has of the work in each place, and how many of its spans are not
// beneath its root.
func (p *placement) amounts(t *Tree) (all map[int]*Amount, apart int) {
	all = map[int]*Amount{}
	of := make([]int, len(t.Nodes))
	// within tells that a span is beneath work that was folded into work above it.
	within := make([]bool, len(t.Nodes))
	t.Walk(func(i int) bool {
		node, span := &t.Nodes[i], t.Span(i)
		switch {
		case i == t.Main:
			of[i] = p.enter(span)
		case node.Parent == None || of[node.Parent] == None:
			of[i] = None
			apart++
			return true
		default:
			var folded bool
			of[i], folded = p.next(of[node.Parent], KeyOf(span))
			within[i] = folded || within[node.Parent]
		}
		a := all[of[i]]
		if a == nil {
			a = &Amount{}
			all[of[i]] = a
		}
		a.Count++
		if span.Failed() && !t.hasFailedChild(i) {
			a.Failed++
		}
		a.Self += node.Self
		a.Critical += node.Critical
		if !within[i] || !t.insideOf(i, of) {
			a.Total += span.Duration
		}
		return true
	})
	return all, apart
}

// insideOf tells that a span above is in the same place.
func (t *Tree) insideOf(i int, of []int) bool {
	p := t.Nodes[i].Parent
	for far := 0; p != None && far < farthestRecursion; far++ {
		if of[p] == of[i] {
			return true
		}
		p = t.Nodes[p].Parent
	}
	return false
}

func (p *placement) enter(span *sources.Span) int {
	if len(p.places) == 0 {
		p.places = append(p.places, spot{parent: None, key: KeyOf(span)})
	}
	return root
}

// next is the place of work that is done from another place; folded tells that it is one
// above that, to which the work has come back.
func (p *placement) next(from int, key Key) (id int, folded bool) {
	if id, known := p.ids[step{from, key}]; known {
		return id, id <= from
	}
	id = from
	for far := 0; id != None && far < farthestRecursion; far++ {
		if p.places[id].key == key {
			p.ids[step{from, key}] = id
			return id, true
		}
		id = p.places[id].parent
	}
	id = len(p.places)
	p.places = append(p.places, spot{parent: from, key: key})
	p.ids[step{from, key}] = id
	return id, false
}

func (p *placement) path(id int) []Key {
	var path []Key
	for ; id != None; id = p.places[id].parent {
		path = append(path, p.places[id].key)
	}
	slices.Reverse(path)
	return path
}
