//go:build !race

package jaeger

import (
	"bytes"
	"testing"
)

// Under the race detector a sync.Pool forgets at random, and what is decoded with it allocates
// more.

// A span allocates itself and what it keeps: its ID, its attributes and the values that are
// its own.
func TestAllocationsOfASpan(t *testing.T) {
	const n = 2000
	for api, decode := range streaming {
		body := manySpans(api, n)
		allocations := testing.AllocsPerRun(5, func() {
			if traces, err := decode(bytes.NewReader(body)); err != nil || len(traces[0].Spans) != n {
				t.Fatalf("%d traces, %v", len(traces), err)
			}
		})
		// The span, its ID, its list of attributes and an order's ID make four; a value that
		// is known and loses its place to another is kept once more.
		if each := allocations / n; each > 4.5 {
			t.Errorf("%s: %.2f allocations for each span", api, each)
		}
	}
}
