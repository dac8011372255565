// Package attributes tells what sets the slow (or failing) traces apart from the normal
// ones: which attributes of spans and resources are more, or less, frequent among them.
//
// It is arithmetic over sources.Trace: no clock, no network, no chance. Which traces
// are compared, and what is said of the differences, is decided in correlate.
//
// Everything is counted per trace and not per span: a trace is one request, and the
// spans of a request are no independent observations.
//
// What is compared is chosen by both sides together, never by how they differ: only so
// do the p-values keep their meaning.
package attributes

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"obs/sources"
)

// Scope tells where an attribute stands.
type Scope string

// The scopes: of one span, or of the process that made it.
const (
	InSpan     Scope = "span"
	InResource Scope = "resource"
)

// Condition is something that a trace has or has not: a span of the service with this
// attribute. Texts come from the backend as they are.
type Condition struct {
	Scope Scope
	// Service is whose spans carry it. With AnyService it is the one nearest to the
	// root of those that do.
	Service string
	// Services is how many services carry this attribute somewhere in the traces.
	Services int
	// AnyService tells that spans of all these services count, not of Service alone.
	AnyService bool
	Key        string
	// Value is empty where AnyValue is set: then it is the key's presence that counts.
	Value    string
	AnyValue bool
	// Cut tells that Value is the beginning of a longer one, and ends in an ellipsis.
	Cut bool
}

// Side is what one side of the comparison has.
type Side struct {
	// Traces that fulfil all conditions; for a number, that carry it.
	Traces int
	Share  float64 // of the side's traces, 0 to 1
	// Median of the number, of which each trace gives its largest; 0 for other values.
	Median float64
}

// Difference is one thing in which the sides differ beyond what chance explains.
type Difference struct {
	// Conditions is one condition, or two which have to hold together.
	Conditions []Condition
	// Also lists other conditions that exactly the same traces fulfil, and Instead
	// those that exactly the other traces fulfil: no trace tells them apart. AlsoMore
	// is how many more there are.
	Also     []Condition
	Instead  []Condition
	AlsoMore int
	// Numeric tells that the numbers under the key are compared by rank, not one value.
	// Its condition has AnyValue set.
	Numeric      bool
	Slow, Normal Side
	// Effect is the difference of the shares, slow less normal: -1 to 1. For a number
	// it is how much more often a slow trace's number is above a normal one's than
	// below it (the rank-biserial correlation): -1 to 1 too. Above 0: more in slow.
	Effect float64
	// Lift is how many times as frequent it is among the slow traces. Half a trace is
	// added to each count, so that it is finite also where one side has none. 0 for a
	// number.
	Lift float64
	// PValue is two-sided: by Fisher's exact test, for a number by Mann and Whitney's.
	PValue float64
	// Adjusted is PValue after Holm's correction, over all comparisons of its kind.
	Adjusted float64
	// Symptom tells that it describes the failure or the slowness itself, such as a
	// status code, rather than who is hit by it.
	Symptom bool
}

// LeftOut counts what was not compared, and why. Keys and values are counted for each
// service and scope that carries them.
type LeftOut struct {
	TechnicalKeys int // of the instrumentation itself
	UniqueKeys    int // different in nearly every trace
	CrowdedKeys   int // more than maxValues values
	Sequences     int // numbers that only grow with time
	IDValues      int // look like an ID
	TimeValues    int // look like a moment
	CommonValues  int // all traces have them
	// RareValues are had by so few traces, or lacked by so few, that no split of them
	// over the two sides could be told from chance.
	RareValues int
	// CutValues were compared by their beginning only.
	CutValues int
	// Beyond are comparisons over maxCompared or maxNumbers, and BeyondPairs conditions
	// that were not combined with others for being over maxPaired.
	Beyond, BeyondPairs int
}

// Result is what a comparison found.
type Result struct {
	SlowTraces, NormalTraces int // that hold spans
	// TooFew tells that a side has fewer than minTraces, and so nothing was compared.
	TooFew bool
	// Compared is how many comparisons were made without pairs, and Pairs how many
	// pairs were.
	Compared, Pairs int
	// Differences come most certain first, symptoms after all others.
	Differences []Difference
	LeftOut     LeftOut
}

const (
	// minTraces on each side, as few as a median and a share mean anything of.
	minTraces = 3
	// rate is the chance that anything reported is false, the usual 5 %: once for all
	// single differences, and once for all pairs.
	rate = 0.05
	// maxCompared and maxNumbers bound the work. Traces of real services have some
	// hundred conditions; only hostile or broken ones come near.
	maxCompared = 5000
	maxNumbers  = 500
	// maxAlso bounds the lists of equivalent conditions to what a screen shows.
	maxAlso = 8
)

// Compare tells what the slow traces have more or less often than the normal ones. No
// trace should be on both sides. The traces are only read. Their order does not matter.
//
// The tests are two-sided, since what slow traces lack is reported as what they have.
// Holm's correction bounds the chance of a single false one, however the attributes hang
// together. That of Benjamini and Hochberg bounds the share of false ones among all that
// are found, which a tenant carried by ten services would count as ten true ones: room
// for a false one beside it, although the ten are reported as one.
func Compare(slow, normal []*sources.Trace) Result {
	slow, normal = withSpans(slow), withSpans(normal)
	result := Result{SlowTraces: len(slow), NormalTraces: len(normal)}
	if len(slow) < minTraces || len(normal) < minTraces {
		result.TooFew = true
		return result
	}
	c := comparison{
		slow: len(slow), normal: len(normal), left: &result.LeftOut,
		fisher: newFisher(len(slow), len(normal)),
	}
	collected := collect(slow, normal)
	groups := c.groups(collected)
	numbers := c.numbers(collected)
	result.Compared = len(groups) + len(numbers)
	found := withoutRepeats(c.significant(groups, numbers))
	pairs, tried := c.pairs(groups)
	result.Pairs = tried
	result.Differences = slices.Concat(found, pairs)
	slices.SortFunc(result.Differences, order)
	return result
}

func withSpans(traces []*sources.Trace) []*sources.Trace {
	kept := make([]*sources.Trace, 0, len(traces))
	for _, t := range traces {
		if t != nil && len(t.Spans) > 0 {
			kept = append(kept, t)
		}
	}
	return kept
}

// comparison is the two sides and what was left out.
type comparison struct {
	slow, normal int
	left         *LeftOut
	fisher       *fisher
	slowTraces   set
}

// significant tests all groups and numbers, and keeps what passes the correction, in
// order.
func (c *comparison) significant(groups []*group, numbers []*number) []Difference {
	var all []Difference
	for _, g := range groups {
		all = append(all, c.difference(g))
	}
	for _, n := range numbers {
		all = append(all, c.numberDifference(n))
	}
	found := correct(all, len(all))
	slices.SortFunc(found, order)
	return found
}

// correct fills in Adjusted, for so many comparisons, and keeps what is significant.
func correct(family []Difference, comparisons int) []Difference {
	p := make([]float64, len(family))
	for i, d := range family {
		p[i] = d.PValue
	}
	var kept []Difference
	for i, adjusted := range holm(p, comparisons) {
		if adjusted <= rate {
			family[i].Adjusted = adjusted
			kept = append(kept, family[i])
		}
	}
	return kept
}

// withoutRepeats keeps of an attribute that differs for several services the most
// certain, and of a number under a key no single values: they are the same finding.
func withoutRepeats(ordered []Difference) []Difference {
	type where struct {
		scope        Scope
		service, key string
	}
	numeric := map[where]bool{}
	for _, d := range ordered {
		if first := d.Conditions[0]; d.Numeric {
			numeric[where{first.Scope, first.Service, first.Key}] = true
		}
	}
	ofNumber := func(c Condition) bool { return !c.AnyValue && numeric[where{c.Scope, c.Service, c.Key}] }
	seen := map[finding]bool{}
	return slices.DeleteFunc(ordered, func(d Difference) bool {
		if ofNumber(d.Conditions[0]) && (len(d.Instead) == 0 || ofNumber(d.Instead[0])) {
			return true
		}
		repeated := false
		for _, f := range findings(d) {
			repeated = repeated || seen[f]
			seen[f] = true
		}
		return repeated
	})
}

// finding is what a difference says, whichever service it says it of.
type finding struct {
	key, value             string
	any, numeric           bool
	moreInSlow, ofSymptoms bool
}

// findings are two where the other traces have something else instead: that one is more
// frequent says that the other is less so.
func findings(d Difference) []finding {
	of := func(c Condition, more bool) finding {
		return finding{c.Key, c.Value, c.AnyValue, d.Numeric, more, d.Symptom}
	}
	found := []finding{of(d.Conditions[0], d.Effect > 0)}
	if len(d.Instead) > 0 {
		found = append(found, of(d.Instead[0], d.Effect < 0))
	}
	return found
}

// difference is how the sides differ in a group. Of a group and what exactly the other
// traces have, the one that is more frequent in slow is named first, unless that is only
// a symptom of the other.
func (c *comparison) difference(g *group) Difference {
	slow := g.traces.and(c.slowSet())
	total := g.traces.count()
	named, others, traces := g.members, g.others, g.traces
	less := float64(slow)/float64(c.slow) < float64(total-slow)/float64(c.normal)
	if len(others) > 0 && flipped(less, allSymptoms(named), allSymptoms(others)) {
		named, others = others, named
		traces = c.complement(g.traces)
	}
	d := c.counted(traces)
	d.Symptom = allSymptoms(named) && allSymptoms(others)
	d.Conditions = named[:1:1]
	d.Also, d.AlsoMore = listed(named[1:])
	var more int
	d.Instead, more = listed(others)
	d.AlsoMore += more
	return d
}

func flipped(less, namedSymptom, othersSymptom bool) bool {
	if namedSymptom != othersSymptom {
		return namedSymptom
	}
	return less
}

func listed(conditions []Condition) (shown []Condition, more int) {
	shown = conditions[:min(maxAlso, len(conditions))]
	return slices.Clip(shown), len(conditions) - len(shown)
}

// counted compares how many traces of each side are in a set.
func (c *comparison) counted(traces set) Difference {
	slow := traces.and(c.slowSet())
	normal := traces.count() - slow
	d := Difference{
		Slow:   Side{Traces: slow, Share: float64(slow) / float64(c.slow)},
		Normal: Side{Traces: normal, Share: float64(normal) / float64(c.normal)},
		PValue: c.fisher.p(slow, slow+normal),
	}
	d.Effect = d.Slow.Share - d.Normal.Share
	d.Lift = (float64(slow) + 0.5) / float64(c.slow+1) / ((float64(normal) + 0.5) / float64(c.normal+1))
	return d
}

func order(a, b Difference) int {
	rank := func(d Difference) int {
		if d.Symptom {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(rank(a), rank(b)),
		cmp.Compare(a.PValue, b.PValue),
		cmp.Compare(math.Abs(b.Effect), math.Abs(a.Effect)),
		slices.CompareFunc(a.Conditions, b.Conditions, byName),
	)
}

// byName orders conditions by key and value, and those alike by where they are.
func byName(a, b Condition) int {
	anyFirst := func(set bool) int {
		if set {
			return 0
		}
		return 1
	}
	return cmp.Or(
		strings.Compare(a.Key, b.Key), strings.Compare(a.Value, b.Value),
		strings.Compare(a.Service, b.Service), strings.Compare(string(a.Scope), string(b.Scope)),
		cmp.Compare(anyFirst(a.AnyService), anyFirst(b.AnyService)),
		cmp.Compare(anyFirst(a.AnyValue), anyFirst(b.AnyValue)),
	)
}
