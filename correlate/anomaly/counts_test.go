package anomaly

import (
	"math"
	"testing"
)

// The tails of small numbers, by counting.
func TestBinomialTails(t *testing.T) {
	for _, test := range []struct{ x, n, share, lower, upper float64 }{
		{0, 10, 0.5, 1.0 / 1024, 1},
		{10, 10, 0.5, 1, 1.0 / 1024},
		{3, 10, 0.5, 176.0 / 1024, 968.0 / 1024},
		{1, 3, 0.25, 54.0 / 64, 37.0 / 64},
		{0, 1, 1e-9, 1 - 1e-9, 1},
	} {
		lower, upper := binomialTails(test.x, test.n, test.share)
		if math.Abs(lower-test.lower) > 1e-12 || math.Abs(upper-test.upper) > 1e-12 {
			t.Errorf("%v of %v at %v: %v and %v", test.x, test.n, test.share, lower, upper)
		}
	}
}

// Where the normal distribution takes over, it says what the sum says.
func TestNormalContinuesExact(t *testing.T) {
	const n = 3598.0 // a variance of 899.5
	for _, x := range []float64{1799, 1850, 1900, 1740} {
		exactLower, exactUpper := binomialTails(x, n, 0.5)
		lower, upper := binomialTails(x+2, n+4, 0.5)
		for _, pair := range [][2]float64{{exactLower, lower}, {exactUpper, upper}} {
			if math.Abs(pair[0]-pair[1]) > 0.02*pair[0]+1e-9 {
				t.Errorf("%v: exactly %v, by approximation %v", x, pair[0], pair[1])
			}
		}
	}
}

func TestCounts(t *testing.T) {
	for _, test := range []struct{ x1, e1, x2, e2, want float64 }{
		{10, 1, 0, 1, 2.0 / 1024},
		{0, 1, 10, 1, 2.0 / 1024},
		{5, 1, 5, 1, 1},
		{0, 1, 0, 1, 1},
		{3, 0, 3, 1, 1},
		{3, math.NaN(), 3, 1, 1},
		{3, math.Inf(1), 3, 1, 1},
		{1, 1, 0, 1e300, 2e-300},
	} {
		if got := Counts(test.x1, test.e1, test.x2, test.e2); math.Abs(got-test.want) > 1e-9*test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}
