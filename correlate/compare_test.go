package correlate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources"
)

// compared is a lookup of a trace together with normal ones.
func (s *shop) compared(n int) *correlate.Case {
	s.t.Helper()
	lookup := lookupOf(s.t, string(traceID(n)))
	lookup.Compare = true
	return s.find(lookup)
}

func TestCompareWithNormalTraces(t *testing.T) {
	s := newShop(t, question)
	for minute := range 40 {
		bank := time.Duration(50+minute%10) * time.Millisecond
		s.happens(minute, bank, minute == 20) // one failed
	}
	s.happens(41, 2*time.Second, false)
	s.happens(42, 2*time.Second, false)
	c := s.compared(42)
	got := c.Comparison
	if got == nil {
		t.Fatalf("not compared: %+v", c.Missing)
	}
	// The half hour before it has 29 requests, of which one failed and one is as slow.
	if len(got.With) != 27 || got.LeftOutFailed != 1 || got.LeftOutSlow != 1 || slices.Contains(got.With, traceID(42)) || slices.Contains(got.With, traceID(20)) {
		t.Errorf("compared with %d, left out %d that failed and %d slow", len(got.With), got.LeftOutFailed, got.LeftOutSlow)
	}
	if want := (sources.Window{From: minuteOf(12), To: minuteOf(42)}); got.Window != want {
		t.Errorf("searched in %s, want %s", got.Window, want)
	}
	if got.Root != (correlate.Work{Service: "checkout", Operation: "/pay"}) || got.DurationSeconds != 2.04 || got.Usual.MedianSeconds < 0.09 || got.Usual.MedianSeconds > 0.099 {
		t.Errorf("%+v took %g s, usually %+v", got.Root, got.DurationSeconds, got.Usual)
	}
	if len(got.Rows) != 1 || got.Alike != 3 {
		t.Fatalf("rows %+v, %d alike", got.Rows, got.Alike)
	}
	bank := got.Rows[0]
	if bank.Name != "bank transfer" || !slices.Equal(bank.Changes, []string{"slower"}) || bank.CriticalSeconds != 2 || bank.UsualTraces != 27 {
		t.Errorf("the bank is %+v", bank)
	}
	if len(got.Evidence) != 1 || !strings.Contains(got.Evidence[0].Query, `service="checkout" operation="/pay" limit=`) {
		t.Errorf("evidence %+v", got.Evidence)
	}
	if len(got.Findings) != 2 || !strings.Contains(c.Finding(got.Findings[1]).Statement, "bank transfer: slower; 2.00 s, usually ") {
		t.Errorf("findings %+v", c.Findings)
	}
	if n := strings.Count(strings.Join(s.questions(sources.Jaeger), "\n"), "limit="); n != 1 {
		t.Errorf("%d searches", n)
	}
	// The sum is accounted for.
	sum := got.AlikeSeconds + got.UnaccountedSeconds
	for _, r := range got.Rows {
		sum += r.ExplainedSeconds
	}
	if diff := sum - (got.DurationSeconds - got.Usual.MedianSeconds); diff > 1e-9 || diff < -1e-9 {
		t.Errorf("%g s of the difference are nowhere", diff)
	}
	var again correlate.Case
	if text, err := json.Marshal(c); err != nil || json.Unmarshal(text, &again) != nil || fmt.Sprintf("%+v", *again.Comparison) != fmt.Sprintf("%+v", *got) {
		t.Errorf("read back it is %+v, was %+v", again.Comparison, got)
	}
}

func TestCompareLooksFurther(t *testing.T) {
	t.Run("after it where too few are before", func(t *testing.T) {
		s := newShop(t, question)
		for minute := 5; minute < 30; minute++ {
			s.happens(minute, 60*time.Millisecond, false)
		}
		s.happens(3, time.Second, false)
		got := s.compared(3).Comparison
		if got == nil || len(got.With) != 25 || len(got.Evidence) != 2 || !got.Window.Contains(minuteOf(25)) {
			t.Errorf("compared %+v", got)
		}
	})
	t.Run("further back where those before are as slow", func(t *testing.T) {
		s := newShop(t, question)
		for minute := range 60 {
			bank := 60 * time.Millisecond
			if minute >= 25 {
				bank = 2 * time.Second
			}
			s.happens(minute, bank, false)
		}
		got := s.compared(58).Comparison
		if got == nil || len(got.Rows) != 1 || got.Usual.MedianSeconds != 0.1 || got.LeftOutSlow != 33 || len(got.With) != 25 {
			t.Errorf("compared %+v", got)
		}
	})
	t.Run("quick ones of the same time are normal where most are slow", func(t *testing.T) {
		s := newShop(t, question)
		for minute := range 30 {
			bank := 60 * time.Millisecond
			if minute%3 != 0 {
				bank = time.Duration(2000+minute) * time.Millisecond
			}
			s.happens(minute, bank, false)
		}
		s.happens(30, 2100*time.Millisecond, false)
		got := s.compared(30).Comparison
		if got == nil || len(got.With) != 10 || got.LeftOutSlow != 20 || len(got.Rows) != 1 || got.Rows[0].UsualCritical.MedianSeconds != 0.06 {
			t.Errorf("compared %+v", got)
		}
	})
}

func TestCompareWithNothing(t *testing.T) {
	s := newShop(t, question)
	s.happens(40, time.Second, false)
	c := s.compared(40)
	if m := missing(c, sources.Jaeger, correlate.MissingNoData); m == nil || !strings.Contains(m.Reason, "nothing to compare with: it holds no other trace of checkout /pay") || c.Comparison != nil {
		t.Errorf("missing %+v, comparison %+v", c.Missing, c.Comparison)
	}
	s.happens(38, time.Second, true)
	c = s.compared(40)
	if m := missing(c, sources.Jaeger, correlate.MissingNoData); m == nil || !strings.Contains(m.Reason, "all 1 other traces of checkout /pay") {
		t.Errorf("missing %+v", c.Missing)
	}
	// Jaeger falls silent after it brought the trace.
	set := s.set()
	set.Traces = withoutSearch{set.Traces}
	lookup := lookupOf(t, string(traceID(40)))
	lookup.Compare = true
	c = correlate.Find(t.Context(), set, lookup, nil)
	if m := missing(c, sources.Jaeger, correlate.MissingFailed); m == nil || !strings.Contains(m.Reason, "gone away") || c.Comparison != nil || c.Trace == nil {
		t.Errorf("missing %+v", c.Missing)
	}
}

// withoutSearch is a backend that brings traces and finds none.
type withoutSearch struct{ sources.Traces }

func (withoutSearch) Search(context.Context, sources.TraceQuery) (sources.TraceAnswer, error) {
	return sources.TraceAnswer{}, errors.New("gone away")
}

func TestCompareTwo(t *testing.T) {
	s := slowBank(t)
	lookup := lookupOf(t, string(traceID(40)))
	lookup.With = traceID(3)
	c := s.find(lookup)
	got := c.Comparison
	if got == nil || !slices.Equal(got.With, []sources.TraceID{traceID(3)}) || !got.Window.IsZero() || len(got.Rows) != 1 || got.UnaccountedSeconds != 0 || got.Alike != 3 {
		t.Fatalf("compared %+v", got)
	}
	if told := got.Told(&got.Rows[0]); told != "2.00 s, there 60.0 ms" || got.Rows[0].ExplainedSeconds != 1.94 {
		t.Errorf("told %q; %+v", told, got.Rows[0])
	}
	if got.Title() != "compared with trace "+string(traceID(3))+": checkout /pay took 2.04 s, and that one 100 ms" {
		t.Errorf("title %q", got.Title())
	}
	lookup.With = traceID(999)
	c = s.find(lookup)
	if m := missing(c, sources.Jaeger, correlate.MissingNoData); m == nil || !strings.Contains(m.Reason, string(traceID(999))) || c.Comparison != nil || c.Trace == nil {
		t.Errorf("missing %+v", c.Missing)
	}
}

// In the simulated shop what differs is what the scenario has done.
func TestCompareInTheShop(t *testing.T) {
	for name, want := range map[string]struct{ work, change string }{
		"latency":    {"payment POST /v1/charges", "repeated"},
		"n-plus-one": {"inventory ", "repeated"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, q := embedded(t, name)
			found := x.Triage(t.Context(), nil)
			before := len(x.Queries())
			for in, window := range map[string]sources.Window{"around it": {}, "of the baseline": q.Baseline} {
				c := x.Compare(t.Context(), found.Trace, window)
				if len(c.Rows) == 0 || len(c.With) < 10 || len(c.Missing) > 0 {
					t.Fatalf("normal traces %s: %d, rows %+v, missing %+v", in, len(c.With), c.Rows, c.Missing)
				}
				first := c.Rows[0]
				if !strings.HasPrefix(first.Name, want.work) || !slices.Contains(first.Changes, want.change) || first.Count < 3 {
					t.Errorf("normal traces %s: first is %+v, want %+v", in, first, want)
				}
				if difference := c.DurationSeconds - c.Usual.MedianSeconds; first.ExplainedSeconds < 0.3*difference {
					t.Errorf("normal traces %s: it explains %g s of %g s", in, first.ExplainedSeconds, difference)
				}
			}
			if asked := len(x.Queries()) - before; asked > 4 {
				t.Errorf("%d queries for two comparisons", asked)
			}
			// A normal trace is as usual.
			lookup := lookupOf(t, string(found.Cohorts.Normal[0].ID))
			lookup.Compare = true
			if c := x.Request(t.Context(), lookup, nil).Comparison; c == nil || len(c.Rows) > 2 {
				t.Errorf("a normal trace: %+v", c)
			}
		})
	}
}
