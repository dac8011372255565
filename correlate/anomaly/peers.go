package anomaly

import "math"

// Pair is one member of a population: what it measured in the baseline and in the window.
type Pair struct{ Baseline, Window float64 }

// minPeers is how many members a population must have for its spread to mean something: a
// median absolute deviation of fewer rests on one or two of them.
const minPeers = 5

// leastLogSpread is the least spread that ratios are credited with, in natural
// logarithms: a gauge read once a minute varies by some 20 % from minute to minute.
const leastLogSpread = 0.2

// Peers tells of each member how far its change stands out from those of the others, in
// robust standard deviations, signed by direction and at most MaxScore: the geometric mean
// of two distances, that of the ratio and that of the difference. A change of all, as more
// traffic brings it, is no member's own; a large ratio between small numbers is hardly a
// difference, and a usual change of a large number hardly a ratio. Nil where the
// population is too small to judge by.
func Peers(members []Pair) []float64 {
	if len(members) < minPeers {
		return nil
	}
	size := make([]float64, len(members))
	for i, m := range members {
		size[i] = max(math.Abs(m.Baseline), math.Abs(m.Window))
	}
	// Numbers far below what is usual in the population are noise around nothing.
	floor := max(0.05*Median(size), math.SmallestNonzeroFloat64)
	ratios, differences := make([]float64, len(members)), make([]float64, len(members))
	for i, m := range members {
		ratios[i] = math.Log(max(m.Window, 0)+floor) - math.Log(max(m.Baseline, 0)+floor)
		differences[i] = m.Window - m.Baseline
	}
	byRatio := distances(ratios, leastLogSpread)
	byDifference := distances(differences, leastLogSpread*Median(size))
	far := make([]float64, len(members))
	for i := range far {
		switch a, b := byRatio[i], byDifference[i]; {
		case a > 0 && b > 0:
			far[i] = min(math.Sqrt(a*b), MaxScore)
		case a < 0 && b < 0:
			far[i] = max(-math.Sqrt(a*b), -MaxScore)
		}
	}
	return far
}

// distances are those from the median, in robust standard deviations of at least least.
func distances(v []float64, least float64) []float64 {
	center := Median(v)
	spread := max(madToSigma*mad(v, center), least)
	far := make([]float64, len(v))
	for i := range v {
		if d := v[i] - center; d != 0 {
			far[i] = d / spread
		}
	}
	return far
}
