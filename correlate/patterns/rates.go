package patterns

import (
	"cmp"
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
