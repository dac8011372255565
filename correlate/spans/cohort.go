package spans

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"obs/sources"
)

// Share is how much one kind of work holds requests up.
type Share struct {
	Key    Key
	Slow   time.Duration // mean time on the critical path of a slow trace
	Normal time.Duration // the same of a normal trace; 0 where there are none
	Traces int           // slow traces in which it is on the path
}

// Excess is how much more time the work takes in a slow trace than in a normal one.
func (s Share) Excess() time.Duration { return s.Slow - s.Normal }

// Compare tells which work makes the slow traces slower than the normal ones: the time
// on the critical path by kind of work, averaged over each group, largest excess
// first. Without normal traces it is the time itself that orders.
func Compare(slow, normal []*Tree) []Share {
	slowMean, seen := meanOnPath(slow)
	normalMean, _ := meanOnPath(normal)
	shares := make([]Share, 0, len(slowMean))
	for key, mean := range slowMean {
		shares = append(shares, Share{Key: key, Slow: mean, Normal: normalMean[key], Traces: seen[key]})
	}
	slices.SortFunc(shares, func(a, b Share) int {
		return cmp.Or(
			cmp.Compare(b.Excess(), a.Excess()),
			cmp.Compare(a.Key.Service, b.Key.Service),
			cmp.Compare(a.Key.Operation, b.Key.Operation),
		)
	})
	return shares
}

func meanOnPath(trees []*Tree) (mean map[Key]time.Duration, traces map[Key]int) {
	mean, traces = map[Key]time.Duration{}, map[Key]int{}
	for _, tree := range trees {
		inTrace := map[Key]time.Duration{}
		for _, i := range tree.OnPath() {
			inTrace[KeyOf(tree.Span(i))] += tree.Nodes[i].Critical
		}
		for key, spent := range inTrace {
			mean[key] += spent
			traces[key]++
		}
	}
	for key := range maps.Keys(mean) {
		mean[key] /= time.Duration(len(trees))
	}
	return mean, traces
}

// Longest is the span of that kind which spent the most time on the critical path, or
// None when none is on it.
func (t *Tree) Longest(key Key) int {
	best := None
	for _, i := range t.OnPath() {
		if KeyOf(t.Span(i)) == key && (best == None || t.Nodes[i].Critical > t.Nodes[best].Critical) {
			best = i
		}
	}
	return best
}

// Heaviest is the span that spent the most time on the critical path, or None.
func (t *Tree) Heaviest() int {
	best := None
	for _, i := range t.OnPath() {
		if best == None || t.Nodes[i].Critical > t.Nodes[best].Critical {
			best = i
		}
	}
	return best
}

// Callees tells whom client spans reach, by kind of work.
func Callees(trees []*Tree) map[Key]string {
	callees := map[Key]string{}
	for _, t := range trees {
		for i := range t.Nodes {
			p := t.Nodes[i].Parent
			if p == None || t.Span(p).Kind != sources.KindClient || t.Span(p).Service == t.Span(i).Service {
				continue
			}
			callees[KeyOf(t.Span(p))] = t.Span(i).Service
		}
	}
	return callees
}
