package tui

import (
	"slices"
	"testing"

	"obs/correlate"
	"obs/sources"
)

// What speaks for a suspect stands before what speaks against it.
func TestSuspectsForAndAgainst(t *testing.T) {
	found := correlate.NewCase(sources.Window{})
	found.Verdict = correlate.Anomalous
	first, second := found.AddFinding("checkout is slow"), found.AddFinding("checkout waits for payment")
	found.Suspects = []correlate.Suspect{{Rank: 1, Service: "checkout", Score: 0.5, Findings: []string{first}, Against: []string{second, "f9"}}} // f9 is none
	c := newCaseScreen(&stage{session: &session{found: found}})
	c.collect()
	i := slices.IndexFunc(c.all, func(e entry) bool { return e.picked.text == "checkout" })
	if i < 0 {
		t.Fatalf("entries %+v", c.all)
	}
	if want := []string{"+ checkout is slow", "- checkout waits for payment"}; !slices.Equal(c.all[i].more, want) {
		t.Errorf("%q, want %q", c.all[i].more, want)
	}
}
