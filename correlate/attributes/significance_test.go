package attributes

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9+1e-6*math.Abs(b) }

func TestFisherAgainstKnownValues(t *testing.T) {
	tests := []struct {
		source     string
		a, b, c, d int // a and b of slow have and lack it, c and d of normal
		want       float64
	}{
		{"Fisher's tea tasting (The Design of Experiments, 1935): 34 of 70 splits", 3, 1, 1, 3, 34.0 / 70},
		{"the same with all cups right: 2 of 70", 4, 0, 0, 4, 2.0 / 70},
		{"SciPy's fisher_exact, whales and sharks", 8, 2, 1, 5, 0.03496503496503495},
		{"R's fisher.test, convicted twins (Fisher 1962)", 2, 15, 10, 3, 0.0005367241},
		{"Wikipedia, Fisher's exact test, who is studying", 1, 9, 11, 3, 0.002759456185},
		{"nobody has it", 0, 10, 0, 10, 1},
		{"all have it", 10, 0, 10, 0, 1},
	}
	for _, test := range tests {
		t.Run(test.source, func(t *testing.T) {
			slow, normal := test.a+test.b, test.c+test.d
			if got := newFisher(slow, normal).p(test.a, test.a+test.c); !near(got, test.want) {
				t.Errorf("p is %.10f, want %.10f", got, test.want)
			}
			if got := fisherOf(test.a, slow, test.c, normal); !near(got, test.want) {
				t.Errorf("p of the single table is %.10f, want %.10f", got, test.want)
			}
		})
	}
}

// A p-value below a threshold is no more probable than the threshold: what makes it one.
func TestFisherHoldsItsLevel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slow, normal := rapid.IntRange(1, 60).Draw(t, "slow"), rapid.IntRange(1, 60).Draw(t, "normal")
		total := rapid.IntRange(0, slow+normal).Draw(t, "total")
		level := rapid.Float64Range(0.001, 1).Draw(t, "level")
		f := newFisher(slow, normal)
		choose := func(n, k int) float64 { return f.logs[n] - f.logs[k] - f.logs[n-k] }
		all, below := 0.0, 0.0
		for x := max(0, total-normal); x <= min(total, slow); x++ {
			probability := math.Exp(choose(slow, x) + choose(normal, total-x) - choose(slow+normal, total))
			all += probability
			if f.p(x, total) <= level {
				below += probability
			}
			if p, least := f.p(x, total), f.least(total); p < least/tied {
				t.Errorf("p of %d in %d is %g, below the least of %g", x, total, p, least)
			}
		}
		if math.Abs(all-1) > 1e-6 || below > level*(1+1e-6) {
			t.Errorf("all splits have probability %g, those with p <= %g have %g", all, level, below)
		}
	})
}

func TestMannWhitneyAgainstKnownValues(t *testing.T) {
	tests := []struct {
		source    string
		a, b      []float64
		effect, p float64
	}{
		{
			"SciPy's mannwhitneyu, ages at diagnosis: U is 17 of 20, exact",
			[]float64{19, 22, 16, 29, 24}, []float64{20, 11, 17, 12}, 2*17.0/20 - 1, 0.1111111111,
		},
		{
			"R's wilcox.test, permeability of membranes (Hollander and Wolfe 1973, p. 69 f.): W is 35 of 50, one-sided 0.1272",
			[]float64{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46}, []float64{1.15, 0.88, 0.90, 0.74, 1.21},
			2*35.0/50 - 1, 2 * 0.1272060,
		},
		{"complete separation: 2 of 20 ways", []float64{4, 5, 6}, []float64{1, 2, 3}, 1, 0.1},
		{"nothing but ties", []float64{1, 1, 1}, []float64{1, 1, 1, 1}, 0, 1},
		{"nothing to compare", nil, []float64{1}, 0, 1},
	}
	for _, test := range tests {
		t.Run(test.source, func(t *testing.T) {
			effect, p := mannWhitney(test.a, test.b)
			if !near(effect, test.effect) || math.Abs(p-test.p) > 1e-6 {
				t.Errorf("effect %g and p %.9f, want %g and %.9f", effect, p, test.effect, test.p)
			}
			back, pBack := mannWhitney(test.b, test.a)
			if !near(back, -test.effect) || !near(pBack, p) {
				t.Errorf("swapped it is %g and %g", back, pBack)
			}
		})
	}
}

// The normal approximation that larger samples take is near the exact value.
func TestMannWhitneyApproximation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) []float64 {
			v := make([]float64, 12)
			for i := range v {
				v[i] = float64(rapid.IntRange(0, 30).Draw(t, label))
			}
			return v
		}
		a, b := draw("a"), draw("b")
		_, p := mannWhitney(a, b)
		ranks, _ := doubleRanks(a, b)
		sum := 0
		for _, r := range ranks[:len(a)] {
			sum += r
		}
		if exact := exactRanks(ranks, len(a), sum); math.Abs(p-exact) > 0.03 {
			t.Errorf("p is %g, exact %g", p, exact)
		}
	})
}

func TestHolm(t *testing.T) {
	tests := []struct {
		source      string
		p           []float64
		comparisons int
		want        []float64
	}{
		{"Wikipedia, Holm-Bonferroni method", []float64{0.01, 0.04, 0.03, 0.005}, 4, []float64{0.03, 0.06, 0.06, 0.02}},
		{"of ten, nine showed nothing", []float64{0.004}, 10, []float64{0.04}},
		{"never above 1", []float64{0.5, 0.9}, 2, []float64{1, 1}},
		{"none", nil, 0, nil},
	}
	for _, test := range tests {
		if got := holm(test.p, test.comparisons); !slices.EqualFunc(got, test.want, near) {
			t.Errorf("%s: adjusted to %v, want %v", test.source, got, test.want)
		}
	}
}

// The fifteen p-values of Benjamini and Hochberg 1995, section 4.1, of which methods
// that bound the chance of a single false one reject the first three at 5 %.
func TestHolmOnFifteenComparisons(t *testing.T) {
	p := []float64{
		0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
		0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000,
	}
	for i, adjusted := range holm(p, len(p)) {
		if (adjusted <= 0.05) != (i < 3) {
			t.Errorf("number %d with p %g is adjusted to %g", i+1, p[i], adjusted)
		}
	}
}
