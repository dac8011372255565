package attributes

import (
	"cmp"
	"slices"
)

const (
	// maxPaired is how many conditions are combined with each other: 66 pairs.
	maxPaired = 12
	// leastPaired is the difference of shares from which a condition is combined: 2 of
	// 20 traces, what chance alone often gives.
	leastPaired = 0.1
)

// single is a group that pairs are made of.
type single struct {
	traces     set
	difference Difference
}

// pairs finds two conditions that tell the slow traces apart together, and clearly
// better than each alone. Only what slow traces have more often is combined.
//
// A pair has to pass twice. Its own p-value is corrected for all pairs that there could
// have been, since the ones tried were chosen by how they differ. And within the traces
// that fulfil either part the other must tell slow from normal, corrected for all parts
// that could have been added: else a part that means nothing would be added to one that does.
func (c *comparison) pairs(groups []*group) (found []Difference, tried int) {
	singles := c.paired(groups)
	known := map[string]bool{}
	for _, s := range singles {
		known[s.traces.name()] = true
	}
	var family []Difference
	for i, a := range singles {
		for _, b := range singles[i+1:] {
			if a.condition().Key == b.condition().Key {
				continue
			}
			tried++
			both := a.traces.both(b.traces)
			if known[both.name()] || !c.improves(both, a.traces, len(groups)) || !c.improves(both, b.traces, len(groups)) {
				continue
			}
			known[both.name()] = true
			d := c.counted(both)
			d.Conditions = []Condition{a.condition(), b.condition()}
			slices.SortFunc(d.Conditions, byName)
			family = append(family, d)
		}
	}
	return correct(family, max(1, len(groups)*(len(groups)-1)/2)), tried
}

func (s single) condition() Condition { return s.difference.Conditions[0] }

// paired picks what is combined: the most certain of what slow traces have more often.
func (c *comparison) paired(groups []*group) []single {
	var singles []single
	for _, g := range groups {
		d := c.difference(g)
		if d.Symptom || d.Effect < leastPaired {
			continue
		}
		s := single{traces: g.traces, difference: d}
		if d.Slow.Traces != g.traces.and(c.slowSet()) || d.Slow.Traces+d.Normal.Traces != g.traces.count() {
			s.traces = c.complement(g.traces)
		}
		singles = append(singles, s)
	}
	slices.SortFunc(singles, func(a, b single) int { return cmp.Or(order(a.difference, b.difference)) })
	if len(singles) > maxPaired {
		c.left.BeyondPairs = len(singles) - maxPaired
		singles = singles[:maxPaired]
	}
	return singles
}

// improves reports whether among the traces of one part those of the pair are slow more
// often than the rest.
func (c *comparison) improves(both, part set, parts int) bool {
	bothSlow, bothAll := both.and(c.slowSet()), both.count()
	slow, all := part.and(c.slowSet()), part.count()
	if bothSlow*all <= slow*bothAll {
		return false
	}
	return fisherOf(bothSlow, slow, bothAll-bothSlow, all-slow)*float64(parts) <= rate
}
