package attributes

import (
	"cmp"
	"math"
	"slices"
)

// fisher is Fisher's exact test for sides of a fixed size.
type fisher struct {
	slow, normal int
	logs         []float64
	// byTotal are the p-values by how many traces have it, and of these how many slow ones.
	byTotal [][]float64
}

func newFisher(slow, normal int) *fisher {
	return &fisher{slow: slow, normal: normal, logs: logFactorials(slow + normal), byTotal: make([][]float64, slow+normal+1)}
}

// logFactorials are the logarithms of 0! to n!.
func logFactorials(n int) []float64 {
	logs := make([]float64, n+1)
	for i := 2; i <= n; i++ {
		logs[i] = logs[i-1] + math.Log(float64(i))
	}
	return logs
}

// p is the two-sided p-value of so many slow traces among all that have it: the
// probability of all splits that are at most as probable as this one, as R's
// fisher.test and SciPy's fisher_exact have it.
func (f *fisher) p(slow, total int) float64 {
	first := max(0, total-f.normal)
	if f.byTotal[total] == nil {
		f.byTotal[total] = twoSided(f.logs, f.slow, f.normal, total)
	}
	return f.byTotal[total][slow-first]
}

// least is the smallest p-value that any split of so many traces can have.
func (f *fisher) least(total int) float64 {
	return min(f.p(max(0, total-f.normal), total), f.p(min(total, f.slow), total))
}

// tied is how much two probabilities may differ by rounding and still count as equal;
// R's fisher.test has the same.
const tied = 1 + 1e-7

// twoSided gives the p-value of each split of total traces over the sides, from the
// fewest slow ones that are possible upwards.
func twoSided(logs []float64, slow, normal, total int) []float64 {
	choose := func(n, k int) float64 { return logs[n] - logs[k] - logs[n-k] }
	first, last := max(0, total-normal), min(total, slow)
	probability := make([]float64, last-first+1)
	for i := range probability {
		x := first + i
		probability[i] = math.Exp(choose(slow, x) + choose(normal, total-x) - choose(slow+normal, total))
	}
	sorted := slices.Clone(probability)
	slices.Sort(sorted)
	p := make([]float64, len(probability))
	for i, own := range probability {
		for _, other := range sorted {
			if other > own*tied {
				break
			}
			p[i] += other
		}
		p[i] = min(1, p[i])
	}
	return p
}

// fisherOf is the two-sided p-value of one table: having of slow against having of normal.
func fisherOf(slowHaving, slow, normalHaving, normal int) float64 {
	total := slowHaving + normalHaving
	return twoSided(logFactorials(slow+normal), slow, normal, total)[slowHaving-max(0, total-normal)]
}

// mannWhitney compares two samples by rank. Effect is P(a>b) - P(a<b) of one of each;
// p is two-sided, 1 where there is nothing to compare.
func mannWhitney(a, b []float64) (effect, p float64) {
	n, m := len(a), len(b)
	if n == 0 || m == 0 {
		return 0, 1
	}
	ranks, ties := doubleRanks(a, b)
	sum := 0
	for _, r := range ranks[:n] {
		sum += r
	}
	// Twice the U statistic, and twice its mean: all integers, as the ranks are.
	u, mean := sum-n*(n+1), n*m
	effect = float64(u-mean) / float64(mean)
	if min(n, m) <= mostExactSide && n+m <= mostExact {
		return effect, exactRanks(ranks, n, sum)
	}
	total := float64(n + m)
	variance := float64(n*m) / 12 * (total + 1 - ties/(total*(total-1)))
	distance := math.Abs(float64(u-mean))/2 - 0.5 // with the correction for continuity
	if variance <= 0 || distance <= 0 {
		return effect, 1
	}
	return effect, math.Erfc(distance / math.Sqrt(2*variance))
}

// mostExactSide is up to where the normal approximation of the rank sum is poor: SciPy's
// mannwhitneyu switches at the same size. mostExact bounds the work; where one side is
// small and the other is large, the approximation errs towards no difference.
const (
	mostExactSide = 8
	mostExact     = 40
)

// doubleRanks are twice the ranks of a and then b, equal values sharing the middle of
// theirs; ties is the sum of t^3-t over all groups of t equal values.
func doubleRanks(a, b []float64) (ranks []int, ties float64) {
	all := slices.Concat(a, b)
	byValue := make([]int, len(all))
	for i := range byValue {
		byValue[i] = i
	}
	slices.SortFunc(byValue, func(i, j int) int { return cmp.Compare(all[i], all[j]) })
	ranks = make([]int, len(all))
	for from := 0; from < len(all); {
		to := from + 1
		for to < len(all) && all[byValue[to]] == all[byValue[from]] {
			to++
		}
		for _, i := range byValue[from:to] {
			ranks[i] = from + 1 + to
		}
		t := float64(to - from)
		ties += t*t*t - t
		from = to
	}
	return ranks, ties
}

// exactRanks is the share of all ways to pick n of the ranks whose sum is at least as
// far from the mean as this one.
func exactRanks(ranks []int, n, sum int) float64 {
	all := 0
	for _, r := range ranks {
		all += r
	}
	if n > len(ranks)-n { // counting the smaller side is less work
		n, sum = len(ranks)-n, all-sum
	}
	// ways[k][s] is how many ways there are to pick k ranks of sum s.
	ways := make([][]float64, n+1)
	for k := range ways {
		ways[k] = make([]float64, all+1)
	}
	ways[0][0] = 1
	for _, r := range ranks {
		for k := n; k >= 1; k-- {
			for s := r; s <= all; s++ {
				ways[k][s] += ways[k-1][s-r]
			}
		}
	}
	// The mean is n/len(ranks) of all; both sides are multiplied to stay in integers.
	far := abs(sum*len(ranks) - n*all)
	outside, total := 0.0, 0.0
	for s, count := range ways[n] {
		total += count
		if abs(s*len(ranks)-n*all) >= far {
			outside += count
		}
	}
	return outside / total
}

func abs(n int) int { return max(n, -n) }

// holm gives the adjusted p-values (Holm 1979) for so many comparisons, of which those
// not in p count as if they had shown nothing.
func holm(p []float64, comparisons int) []float64 {
	byP := make([]int, len(p))
	for i := range byP {
		byP[i] = i
	}
	slices.SortStableFunc(byP, func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	adjusted := make([]float64, len(p))
	most := 0.0
	for rank, i := range byP {
		most = max(most, min(1, p[i]*float64(comparisons-rank)))
		adjusted[i] = most
	}
	return adjusted
}

// median of the numbers, which it sorts; 0 of none.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	middle := len(v) / 2
	if len(v)%2 == 1 {
		return v[middle]
	}
	return v[middle-1]/2 + v[middle]/2
}
