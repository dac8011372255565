package scale

import (
	"math"
	"slices"
)

// Levels are an eighth of a cell, two eighths and so on, to the whole of it.
var Levels = [...]rune{'▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'}

// Resampled is the highest value of each of n parts; NaN where there is none.
func Resampled(values []float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
		from := i * len(values) / n
		to := max((i+1)*len(values)/n, from+1)
		for _, v := range values[from:min(to, len(values))] {
			if math.IsNaN(out[i]) || v > out[i] {
				out[i] = v
			}
		}
	}
	return out
}

// headroom is how many times the middle value the scale goes up to at least, so that what
// hardly varies is a low line, and what triples stands out.
const headroom = 3

// middle is the median of the finite values, of an even number the lower one.
func middle(values []float64) float64 {
	sorted := slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return !finite(v) })
	if len(sorted) == 0 {
		return 0
	}
	slices.Sort(sorted)
	return sorted[(len(sorted)-1)/2]
}

// Bars are the levels of values on one scale, a rune for each. NaN is a space. The scale begins
// at 0, or at the lowest value where that is negative, and goes up to three times the middle
// value at least; values that are all the same are low bars.
func Bars(values []float64) []rune {
	low, high := extent(values)
	flat := low == high
	if low > 0 {
		high = max(high, headroom*middle(values))
	}
	low = min(low, 0)
	out := make([]rune, len(values))
	for i, v := range values {
		switch {
		case math.IsNaN(v):
			out[i] = ' '
		case math.IsInf(v, 1):
			out[i] = Levels[len(Levels)-1]
		case flat || math.IsInf(v, -1):
			out[i] = Levels[0]
		default:
			// Halves, since the whole range may be more than a number can hold.
			share := (v/2 - low/2) / (high/2 - low/2)
			if math.IsNaN(share) {
				share = 0 // of a range too small to be halved
			}
			out[i] = Levels[min(int(share*float64(len(Levels))), len(Levels)-1)]
		}
	}
	return out
}

// extent is the lowest and the highest of the finite values, 0 and 0 without any.
func extent(values []float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if finite(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	if low > high {
		return 0, 0
	}
	return low, high
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
