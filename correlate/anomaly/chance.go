package anomaly

import (
	"cmp"
	"math"
	"slices"
)

// Fisher is how probable it is that two shares, k1 of n1 and k2 of n2, differ at least as
// much as these when both come from the same population: Fisher's exact test, two-sided.
// 1 where a side is empty.
func Fisher(k1, n1, k2, n2 int) float64 {
	if n1 <= 0 || n2 <= 0 {
		return 1
	}
	k := k1 + k2
	observed := hypergeometric(k1, n1, n2, k)
	sum := 0.0
	for i := max(0, k-n2); i <= min(k, n1); i++ {
		// The little more keeps a table as probable as the observed one from being lost
		// to rounding.
		if p := hypergeometric(i, n1, n2, k); p <= observed*(1+1e-9) {
			sum += p
		}
	}
	return min(1, sum)
}

// hypergeometric is the probability of x among the first n1 when k of n1+n2 are drawn.
func hypergeometric(x, n1, n2, k int) float64 {
	return math.Exp(choose(n1, x) + choose(n2, k-x) - choose(n1+n2, k))
}

// choose is the logarithm of the binomial coefficient.
func choose(n, k int) float64 {
	gamma := func(v int) float64 {
		log, _ := math.Lgamma(float64(v) + 1)
		return log
	}
	return gamma(n) - gamma(k) - gamma(n-k)
}

// Higher is how probable it is that the values of a are as much larger than those of b
// when both come from the same population: the rank test of Mann and Whitney ("On a Test
// of Whether one of Two Random Variables is Stochastically Larger than the Other", 1947),
// one-sided, with the normal approximation corrected for ties. 1 where a side is empty.
func Higher(a, b []float64) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 1
	}
	type value struct {
		v     float64
		first bool
	}
	all := make([]value, 0, len(a)+len(b))
	for _, v := range a {
		all = append(all, value{v, true})
	}
	for _, v := range b {
		all = append(all, value{v, false})
	}
	slices.SortFunc(all, func(x, y value) int { return cmp.Compare(x.v, y.v) })
	ranks, ties := 0.0, 0.0
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].v == all[i].v {
			j++
		}
		for _, x := range all[i:j] {
			if x.first {
				ranks += float64(i+j+1) / 2
			}
		}
		n := float64(j - i)
		ties += n*n*n - n
		i = j
	}
	n1, n2, n := float64(len(a)), float64(len(b)), float64(len(all))
	u := ranks - n1*(n1+1)/2
	variance := n1 * n2 / 12 * (n + 1 - ties/(n*(n-1)))
	if !(variance > 0) {
		return 1
	}
	z := (u - n1*n2/2 - 0.5) / math.Sqrt(variance)
	return math.Erfc(z/math.Sqrt2) / 2
}

// Rising is how probable it is that values in order of time rise as much as these when their
// order means nothing: the test of Mann and Kendall ("Nonparametric Tests Against Trend",
// 1945), one-sided, with the normal approximation corrected for ties. 1 for fewer than two.
func Rising(v []float64) float64 {
	if len(v) < 2 {
		return 1
	}
	sum := 0.0
	for i, a := range v {
		for _, b := range v[i+1:] {
			sum += float64(cmp.Compare(b, a))
		}
	}
	spread := func(n float64) float64 { return n * (n - 1) * (2*n + 5) }
	variance := spread(float64(len(v)))
	sorted := slices.Clone(v)
	slices.Sort(sorted)
	for i := 0; i < len(sorted); {
		j := i
		for j < len(sorted) && sorted[j] == sorted[i] {
			j++
		}
		variance -= spread(float64(j - i))
		i = j
	}
	if !(variance > 0) {
		return 1
	}
	z := (sum - 1) / math.Sqrt(variance/18)
	return math.Erfc(z/math.Sqrt2) / 2
}
