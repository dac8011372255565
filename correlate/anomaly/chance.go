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

// Counts is how probable it is that two counts differ at least as much as these when
// both come at the same rate: two-sided, in 0 to 1. The exposures are in the same
// unit, seconds or requests; where one has none nothing can be told, and it is 1.
//
// Given their sum, the first of two Poisson counts is binomial (J. Przyborowski, H.
// Wilenski, "Homogeneity of results in testing samples from Poisson series",
// Biometrika 31, 1940). The smaller tail is doubled.
func Counts(count1, exposure1, count2, exposure2 float64) float64 {
	if !(exposure1 > 0 && exposure2 > 0) || math.IsInf(exposure1+exposure2, 0) {
		return 1
	}
	x, n := math.Round(count1), math.Round(count1)+math.Round(count2)
	share := exposure1 / (exposure1 + exposure2)
	if n == 0 || share <= 0 || share >= 1 {
		return 1
	}
	lower, upper := binomialTails(x, n, share)
	return min(1, 2*min(lower, upper))
}

// exactVariance is the variance up to which binomial tails are summed; from there on
// they are taken from the normal distribution. There the skewness, below 1/sqrt(900),
// leaves the tails that matter within some percent of the exact ones. A judgement.
const exactVariance = 900

// binomialTails are the probabilities of at most and of at least x of n.
func binomialTails(x, n, share float64) (lower, upper float64) {
	mean, variance := n*share, n*share*(1-share)
	if variance > exactVariance {
		// With the correction for continuity (W. Feller, "An Introduction to Probability
		// Theory and Its Applications", volume 1, VII.3).
		sigma := math.Sqrt(variance)
		return normalTail((mean - x - 0.5) / sigma), normalTail((x - 0.5 - mean) / sigma)
	}
	at := binomial(x, n, share)
	// Each term follows from the one before. They fall away from the mean, so that
	// only the tail on the far side of x is summed, and the other is what is left.
	odds := share / (1 - share)
	if x <= mean {
		lower = at
		for k, term := x, at; k > 0 && term > lower*1e-17; k-- {
			term *= k / (n - k + 1) / odds
			lower += term
		}
		return lower, min(1, 1-lower+at)
	}
	upper = at
	for k, term := x, at; k < n && term > upper*1e-17; k++ {
		term *= (n - k) / (k + 1) * odds
		upper += term
	}
	return min(1, 1-upper+at), upper
}

// binomial is the probability of exactly x of n.
func binomial(x, n, share float64) float64 {
	gamma := func(v float64) float64 {
		log, _ := math.Lgamma(v + 1)
		return log
	}
	return math.Exp(gamma(n) - gamma(x) - gamma(n-x) + x*math.Log(share) + (n-x)*math.Log1p(-share))
}

// normalTail is the probability that a standard normal value is above z.
func normalTail(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

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
