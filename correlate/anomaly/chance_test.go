package anomaly_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"obs/correlate/anomaly"
)

func TestFisher(t *testing.T) {
	tests := []struct {
		name           string
		k1, n1, k2, n2 int
		want           float64
	}{
		// The lady who tastes tea: R. A. Fisher, "The Design of Experiments", 1935.
		{"three of four against one of four", 3, 4, 1, 4, 34.0 / 70},
		{"all against none", 0, 4, 4, 4, 2.0 / 70},
		{"one in as many", 0, 12, 3, 3, 1.0 / 455},
		{"the same share", 5, 10, 5, 10, 1},
		{"an empty side", 0, 0, 3, 3, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := anomaly.Fisher(test.k1, test.n1, test.k2, test.n2); math.Abs(got-test.want) > 1e-9 {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

func TestFisherTakesBothSidesAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n1, n2 := rapid.IntRange(1, 300).Draw(t, "n1"), rapid.IntRange(1, 300).Draw(t, "n2")
		k1, k2 := rapid.IntRange(0, n1).Draw(t, "k1"), rapid.IntRange(0, n2).Draw(t, "k2")
		p := anomaly.Fisher(k1, n1, k2, n2)
		if !(p > 0 && p <= 1) {
			t.Fatalf("%v is no probability", p)
		}
		if q := anomaly.Fisher(k2, n2, k1, n1); math.Abs(p-q) > 1e-9 {
			t.Fatalf("%v and %v", p, q)
		}
	})
}

func TestHigher(t *testing.T) {
	low, high := []float64{1, 2, 3, 4, 5}, []float64{6, 7, 8, 9, 10}
	if p := anomaly.Higher(high, low); p > 0.01 {
		t.Errorf("all larger: %v", p)
	}
	if p := anomaly.Higher(low, high); p < 0.99 {
		t.Errorf("all smaller: %v", p)
	}
	if p := anomaly.Higher(low, low); p < 0.4 || p > 0.7 {
		t.Errorf("the same: %v", p)
	}
	for name, sides := range map[string][2][]float64{"nothing": {nil, low}, "to nothing": {low, nil}, "all alike": {{3, 3, 3}, {3, 3}}} {
		if p := anomaly.Higher(sides[0], sides[1]); p != 1 {
			t.Errorf("%s: %v, want 1", name, p)
		}
	}
}

func TestPeers(t *testing.T) {
	calm := []anomaly.Pair{{Baseline: 0.02, Window: 0.021}, {Baseline: 0.03, Window: 0.028}, {Baseline: 0.05, Window: 0.055}, {Baseline: 0.01, Window: 0.012}, {Baseline: 0.04, Window: 0.041}}
	tests := []struct {
		name     string
		last     anomaly.Pair
		from, to float64
	}{
		{"one goes up alone", anomaly.Pair{Baseline: 0.03, Window: 1}, 10, anomaly.MaxScore},
		{"one goes down alone", anomaly.Pair{Baseline: 1, Window: 0.01}, -anomaly.MaxScore, -10},
		{"one stays as it is", anomaly.Pair{Baseline: 0.03, Window: 0.03}, -1, 1},
		{"many times nothing is nothing", anomaly.Pair{Baseline: 0.00001, Window: 0.0003}, -1, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			far := anomaly.Peers(append(append([]anomaly.Pair{}, calm...), test.last))
			if got := far[len(far)-1]; got < test.from || got > test.to {
				t.Errorf("%v, want %v to %v", got, test.from, test.to)
			}
		})
	}
	if far := anomaly.Peers(calm[:4]); far != nil {
		t.Errorf("four are no population: %v", far)
	}
}

// What happens to all is no member's own.
func TestPeersMovingTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(50, 100), 5, 30).Draw(t, "values")
		times := rapid.Float64Range(0.1, 10).Draw(t, "times")
		pairs := make([]anomaly.Pair, len(values))
		for i, v := range values {
			pairs[i] = anomaly.Pair{Baseline: v, Window: v * times}
		}
		for i, far := range anomaly.Peers(pairs) {
			if math.Abs(far) > 3 {
				t.Fatalf("member %d of %v times %v stands out by %v", i, values, times, far)
			}
		}
	})
}
