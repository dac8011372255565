package correlate

import "math"

// Nesting is who is beneath whom in a trace, and which siblings repeat the same work.
// Spans go by their index in Trace.Spans.
type Nesting struct {
	Parent []int32 // of each span; -1 for none
	End    []int32 // the index behind the last span beneath
	Run    []int32 // number of the repetition that a span is part of; -1 for none

	spans []Span
}

// LeastRun is how many siblings in a row of the same work are a repetition, which may be
// shown in one row: fewer take no more lines than a person takes in at a glance.
const LeastRun = 6

// LongestCycle is of how many calls a repetition is made up at most: a loop that reads,
// changes and notes down each article.
const LongestCycle = 3

// Nest works out the nesting of spans that stand in the order of Trace.Spans. It goes by
// their depths, which stay true where spans share an ID.
func Nest(spans []Span) *Nesting {
	n := &Nesting{Parent: make([]int32, len(spans)), End: make([]int32, len(spans)), Run: make([]int32, len(spans)), spans: spans}
	var above []int32
	for i := range spans {
		for len(above) > 0 && spans[above[len(above)-1]].Depth >= spans[i].Depth {
			n.End[above[len(above)-1]] = int32(i)
			above = above[:len(above)-1]
		}
		n.Parent[i] = -1
		if len(above) > 0 {
			n.Parent[i] = above[len(above)-1]
		}
		above = append(above, int32(i))
	}
	for _, i := range above {
		n.End[i] = int32(len(spans))
	}
	n.findRuns()
	return n
}

// findRuns numbers the repetitions: siblings in a row of the same service and operation,
// or of two or three in turn.
func (n *Nesting) findRuns() {
	for i := range n.Run {
		n.Run[i] = -1
	}
	number := int32(0)
	for i := range n.Run {
		for cycle := 1; cycle <= LongestCycle && n.Run[i] < 0; cycle++ {
			count, behind := n.repeats(i, cycle)
			if count < max(LeastRun, 3*cycle) {
				continue
			}
			for j := i; j != behind; j = int(n.End[j]) {
				n.Run[j] = number
			}
			number++
		}
	}
}

// repeats counts the siblings from i on that do the same work as the one so many before,
// and tells the index behind them.
func (n *Nesting) repeats(i, cycle int) (count, behind int) {
	var turn [LongestCycle]int // the first of each kind
	for behind = i; n.Siblings(i, behind) && n.Run[behind] < 0; behind = int(n.End[behind]) {
		if count < cycle {
			turn[count] = behind
		} else if !n.sameWork(turn[count%cycle], behind) {
			break
		}
		count++
	}
	return count, behind
}

func (n *Nesting) sameWork(i, j int) bool {
	a, b := &n.spans[i], &n.spans[j]
	return a.Service == b.Service && a.Operation == b.Operation
}

// Siblings tells that both are spans beneath the same one, or roots.
func (n *Nesting) Siblings(i, j int) bool { return j < len(n.spans) && n.Parent[i] == n.Parent[j] }

// Under95 is the value that 95 % of all do not exceed, 0 where there is none. It reorders
// all.
func Under95(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	return nthOf(all, int(math.Ceil(0.95*float64(len(all))))-1)
}

// nthOf is the value that stands at index n when all are in order. It reorders all.
func nthOf(all []float64, n int) float64 {
	for low, high := 0, len(all)-1; low < high; {
		middle := all[low+(high-low)/2]
		i, j := low, high
		for i <= j {
			for all[i] < middle {
				i++
			}
			for all[j] > middle {
				j--
			}
			if i <= j {
				all[i], all[j] = all[j], all[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case n <= j:
			high = j
		case n >= i:
			low = i
		default:
			return all[n]
		}
	}
	return all[n]
}
