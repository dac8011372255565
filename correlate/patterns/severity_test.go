package patterns

import (
	"slices"
	"strings"
	"testing"
)

func TestNamesFromASeverity(t *testing.T) {
	names := NamesFrom(Error)
	for _, want := range []string{"error", "err", "severe", "e", "50", "fatal", "critical", "crit", "alert", "emerg", "panic", "f", "60"} {
		if !slices.Contains(names, want) {
			t.Errorf("%q is not among %q", want, names)
		}
	}
	for _, name := range names {
		if ParseSeverity(strings.ToUpper(name)) < Error {
			t.Errorf("%q is no error", name)
		}
	}
	if !slices.IsSorted(names) {
		t.Errorf("out of order: %q", names)
	}
}
