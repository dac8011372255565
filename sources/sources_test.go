package sources_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"obs/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// span is the window between two moments, in minutes after noon.
func span(from, to int) sources.Window {
	return sources.Window{From: noon.Add(time.Duration(from) * time.Minute), To: noon.Add(time.Duration(to) * time.Minute)}
}

func TestWindowIsHalfOpen(t *testing.T) {
	w := span(0, 10)
	for _, test := range []struct {
		at   time.Time
		want bool
	}{
		{w.From.Add(-1), false},
		{w.From, true},
		{w.To.Add(-1), true},
		{w.To, false},
	} {
		if got := w.Contains(test.at); got != test.want {
			t.Errorf("contains %v: %t", test.at, got)
		}
	}
	if w.Contains(w.From) != w.Contains(w.From.In(time.FixedZone("", 3600))) {
		t.Error("the time zone matters")
	}
	if empty := span(5, 5); empty.Contains(empty.From) {
		t.Error("an empty window contains its start")
	}
}

func TestWindow(t *testing.T) {
	if got := span(0, 90).Duration(); got != 90*time.Minute {
		t.Errorf("duration %v", got)
	}
	if got := span(0, 10).Pad(5 * time.Minute); got != span(-5, 15) {
		t.Errorf("padded %v", got)
	}
	if got := (sources.Window{}); !got.IsZero() || span(0, 0).IsZero() {
		t.Error("the zero window is the one without ends, and not the empty one")
	}
	for _, test := range []struct{ a, b, want sources.Window }{
		{span(0, 1), span(5, 6), span(0, 6)},
		{span(5, 6), span(0, 1), span(0, 6)},
		{span(0, 9), span(3, 4), span(0, 9)},
		{span(0, 4), span(3, 9), span(0, 9)},
		{sources.Window{}, span(3, 4), span(3, 4)},
		{span(3, 4), sources.Window{}, span(3, 4)},
	} {
		if got := test.a.Union(test.b); got != test.want {
			t.Errorf("%v and %v: %v, want %v", test.a, test.b, got, test.want)
		}
	}
}

func TestWindowString(t *testing.T) {
	east := time.FixedZone("", 2*3600)
	for _, test := range []struct {
		w    sources.Window
		want string
	}{
		{span(0, 15), "2026-11-21 12:00:00 – 12:15:00 UTC"},
		{span(0, 12*60), "2026-11-21 12:00:00 – 2026-11-22 00:00:00 UTC"},
		{sources.Window{From: noon.In(east), To: noon.Add(time.Minute).In(east)}, "2026-11-21 12:00:00 – 12:01:00 UTC"},
		{sources.Window{From: noon.AddDate(-1, 0, 0), To: noon}, "2025-11-21 12:00:00 – 2026-11-21 12:00:00 UTC"},
	} {
		if got := test.w.String(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
