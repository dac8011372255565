package patterns

import (
	"cmp"
	"math"
	"slices"
)

// tally is what a side of a comparison has of one pattern.
type tally struct {
	sum     float64 // of the weights: how many lines there were
	squares float64 // of the weights
}

func (t *tally) add(weight float64) {
	t.sum += weight
	t.squares += weight * weight
}

// share is the part of all lines that was seen, above 0 and at most 1; 1 of none. With
// weights that differ it is such that share·sum lines tell as much as these do (the
// effective sample size of L. Kish, "Survey Sampling", 1965).
func (t tally) share() float64 {
	if t.squares <= 0 {
		return 1
	}
	return min(1, t.sum/t.squares)
}

// pValue is how probable it is that two counts differ at least as much as these when
// both come at the same rate: two-sided, in 0 to 1. The exposures are in the same
// unit, seconds or requests; where one has none nothing can be told, and it is 1.
//
// Given their sum, the first of two Poisson counts is binomial (J. Przyborowski, H.
// Wilenski, "Homogeneity of results in testing samples from Poisson series",
// Biometrika 31, 1940). The smaller tail is doubled.
func pValue(count1, exposure1, count2, exposure2 float64) float64 {
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

// adjust makes p values comparable with the share of false discoveries that is
// allowed: Y. Benjamini, Y. Hochberg, "Controlling the False Discovery Rate", Journal
// of the Royal Statistical Society B 57, 1995. The order is kept.
func adjust(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(p[b], p[a]), cmp.Compare(a, b)) })
	adjusted := make([]float64, len(p))
	least := 1.0
	for i, at := range order { // the largest first
		rank := float64(len(p) - i)
		least = min(least, p[at]*float64(len(p))/rank)
		adjusted[at] = least
	}
	return adjusted
}
