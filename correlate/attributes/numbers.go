package attributes

import (
	"encoding/binary"
	"math"
	"slices"
)

// number is a key that measures something, with the largest number of each trace that
// carries it: it is the largest that holds a request up.
type number struct {
	members      []Condition
	slow, normal []float64
}

// mostNamed is up to how many different numbers a key is taken for a name or a level,
// of which each is compared by itself. Retries and replicas have fewer; what has more
// measures something.
const mostNamed = 10

// measures reports whether the numbers of the column are compared by rank.
func (col *column) measures() bool {
	return col.numeric && (col.crowded || len(col.values) > mostNamed) && 2*col.moments < col.seen
}

// numbers gathers what is compared by rank. Keys that have the same number in every
// trace are one comparison.
func (c *comparison) numbers(all *collected) []*number {
	byNumbers := map[string]*number{}
	var kept []*number
	services := map[[2]string]int{}
	columns := slices.DeleteFunc(all.columns(&LeftOut{}), func(col *column) bool { return !col.measures() })
	for _, col := range columns {
		services[[2]string{string(col.scope), col.key}]++
	}
	for _, col := range columns {
		condition := Condition{
			Scope: col.scope, Service: col.service.name, Key: col.key, AnyValue: true,
			Services: services[[2]string{string(col.scope), col.key}],
		}
		if col.sequence(all) {
			c.left.Sequences++
			continue
		}
		n := c.split(col)
		if len(n.slow) < minTraces || len(n.normal) < minTraces {
			c.left.RareValues++
			continue
		}
		name := col.name()
		if same := byNumbers[name]; same != nil {
			same.members = append(same.members, condition)
			continue
		}
		n.members = []Condition{condition}
		byNumbers[name] = n
		kept = append(kept, n)
	}
	for _, n := range kept {
		n.members = all.inOrder(n.members)
	}
	// Those that most traces carry can tell most; services nearest to the root are first.
	slices.SortStableFunc(kept, func(a, b *number) int {
		return len(b.slow) + len(b.normal) - len(a.slow) - len(a.normal)
	})
	if len(kept) > maxNumbers {
		c.left.Beyond += len(kept) - maxNumbers
		kept = kept[:maxNumbers]
	}
	return kept
}

func (c *comparison) split(col *column) *number {
	n := &number{}
	for i, trace := range col.inTraces {
		if int(trace) < c.slow {
			n.slow = append(n.slow, col.largest[i])
		} else {
			n.normal = append(n.normal, col.largest[i])
		}
	}
	return n
}

// name tells columns with the same numbers in the same traces.
func (col *column) name() string {
	b := make([]byte, 0, len(col.inTraces)*12)
	for i, trace := range col.inTraces {
		b = binary.LittleEndian.AppendUint32(b, uint32(trace))
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(col.largest[i]))
	}
	return string(b)
}

// leastGrowing is the share of traces with a larger number than the one before from
// which it counts with time, as sequence numbers and uptimes do; in what does not, half
// of them have.
const leastGrowing = 0.9

// sequence reports whether the number grows with time. Slow traces are often later than
// normal ones, and then it would differ for nothing but that.
func (col *column) sequence(all *collected) bool {
	byStart := make([]int, len(col.inTraces))
	for i := range byStart {
		byStart[i] = i
	}
	slices.SortFunc(byStart, func(a, b int) int {
		return all.starts[col.inTraces[a]].Compare(all.starts[col.inTraces[b]])
	})
	steps, growing := 0, 0
	for i := 1; i < len(byStart); i++ {
		before, now := byStart[i-1], byStart[i]
		if all.starts[col.inTraces[before]].Equal(all.starts[col.inTraces[now]]) {
			continue
		}
		steps++
		if col.largest[now] > col.largest[before] {
			growing++
		}
	}
	return steps >= mostNamed && float64(growing) >= leastGrowing*float64(steps)
}

func (c *comparison) numberDifference(n *number) Difference {
	d := Difference{
		Numeric: true, Conditions: n.members[:1:1], Symptom: allSymptoms(n.members),
		Slow:   Side{Traces: len(n.slow), Share: float64(len(n.slow)) / float64(c.slow)},
		Normal: Side{Traces: len(n.normal), Share: float64(len(n.normal)) / float64(c.normal)},
	}
	d.Also, d.AlsoMore = listed(n.members[1:])
	d.Effect, d.PValue = mannWhitney(n.slow, n.normal)
	d.Slow.Median, d.Normal.Median = median(n.slow), median(n.normal)
	return d
}
