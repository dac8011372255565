package correlate

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestNthOf(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		all := rapid.SliceOfN(rapid.Float64Range(0, 20), 1, 50).Draw(r, "all")
		n := rapid.IntRange(0, len(all)-1).Draw(r, "n")
		sorted := slices.Sorted(slices.Values(all))
		if got := nthOf(slices.Clone(all), n); got != sorted[n] {
			r.Fatalf("%v: %g, want %g", all, got, sorted[n])
		}
	})
}
