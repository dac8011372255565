package correlate

import (
	"strings"
	"testing"
	"time"
)

// A rollback: trouble, less of it, none, and none again.
func TestWatch(t *testing.T) {
	start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	steps := []struct {
		found   *Case
		trend   Trend
		since   int // which step it has been so since
		changed bool
		reason  string
	}{
		{look(Inconclusive), Unknown, 0, false, "too little data"},
		{look(Healthy), AllHealthy, 1, true, "nothing departs"},
		{look(Anomalous, at("cart", 5)), Worse, 2, true, "nothing departed before"},
		{look(Anomalous, at("cart", 5.5)), Same, 3, true, "5.00 s, then 5.50 s"},
		{look(Anomalous, at("cart", 9)), Worse, 4, true, "5.00 s, then 9.00 s"},
		{look(Anomalous, at("cart", 2)), Recovering, 5, true, "5.00 s, then 2.00 s"},
		{look(Anomalous, at("cart", 1.5)), Recovering, 5, false, "5.00 s, then 1.50 s"},
		{look(Healthy), Recovered, 7, true, "nothing departs any more"},
		{look(Healthy), Recovered, 7, false, "nothing departs any more"},
		{look(Inconclusive), Unknown, 9, true, "too little data"},
		{look(Anomalous, at("cart", 5)), Same, 10, true, "5.00 s, then 5.00 s"},
	}
	var w Watch
	for i, step := range steps {
		now := start.Add(time.Duration(i) * time.Minute)
		got := w.See(&Glance{Case: step.found}, now)
		since := start.Add(time.Duration(step.since) * time.Minute)
		if got.Trend != step.trend || !got.Since.Equal(since) || got.Changed != step.changed || !strings.Contains(got.Reason, step.reason) || !got.Time.Equal(now) {
			t.Errorf("look %d: %+v; want %s since %s, changed %t, %q", i, got, step.trend, since, step.changed, step.reason)
		}
	}
	var begun Watch
	if got := begun.See(&Glance{Case: look(Anomalous, at("cart", 5))}, start); got.Trend != Same || got.Changed || got.Suspect != "cart" || !strings.Contains(got.Reason, "cart") {
		t.Errorf("the first look: %+v", got)
	}
}

// brief is a look that asked metrics alone.
func brief(c *Case, unseen ...string) *Glance { return &Glance{Case: c, Unseen: unseen, Brief: true} }

// missing is a case of which a part was not looked at.
func missing(c *Case, kind string) *Case {
	c.Missing = append(c.Missing, Missing{Backend: "prometheus", Kind: kind, Reason: "prometheus is away"})
	return c
}

// Nothing is called healthy, or better, that was not seen so, and one odd minute is no trouble.
func TestWatchBelievesNoGaps(t *testing.T) {
	steps := []struct {
		name   string
		glance *Glance
		trend  Trend
		reason string
	}{
		{"it begins", &Glance{Case: look(Anomalous, at("cart", 5))}, Same, "cart"},
		{"a failure", brief(missing(look(Healthy), MissingFailed)), Unknown, "prometheus is away"},
		{"a failure beside less trouble", brief(missing(look(Anomalous, at("cart", 2)), MissingTimeout)), Unknown, "prometheus is away"},
		{"nothing seen", brief(look(Healthy), "cart"), Unknown, "how cart does"},
		{"less seen", brief(look(Anomalous, at("cart", 2)), "pay"), Unknown, "how pay does"},
		{"as bad, whatever else", brief(look(Anomalous, at("cart", 5)), "pay"), Same, ""},
		{"what a system does not have", brief(missing(look(Anomalous, at("cart", 2)), MissingNoData)), Recovering, ""},
		{"another is odd for once", brief(look(Anomalous, at("cart", 5), at("pay", 3))), Same, ""},
		{"and again", brief(look(Anomalous, at("cart", 5), at("pay", 3))), Worse, "pay"},
		{"another still, alone", brief(look(Anomalous, at("ship", 3))), Recovered, "nothing departs any more; cart p95 no longer departs"},
		{"an odd minute of the first", brief(look(Anomalous, at("cart", 5))), Recovered, ""},
		{"it is back", brief(look(Anomalous, at("cart", 5))), Same, ""},
		{"left out", brief(missing(look(Anomalous, at("odd", 5)), MissingTruncated)), Unknown, "too little data"},
	}
	var w Watch
	for i, step := range steps {
		now := time.Date(2026, 11, 21, 12, i, 0, 0, time.UTC)
		step.glance.Case.Window = LookWindow(now, time.Minute)
		if got := w.See(step.glance, now); got.Trend != step.trend || !strings.Contains(got.Reason, step.reason) {
			t.Errorf("%s: %s because %q; want %s because %q", step.name, got.Trend, got.Reason, step.trend, step.reason)
		}
	}
}

// Looks that follow one another faster than they look back see the same samples, and an odd one
// among them several times.
func TestWatchCountsNoSampleTwice(t *testing.T) {
	const interval = 20 * time.Second
	var w Watch
	for i, want := range []Trend{Same, Same, Same, Same, Worse} {
		found := look(Anomalous, at("cart", 5))
		if i > 0 {
			found = look(Anomalous, at("cart", 5), at("pay", 3))
		}
		now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC).Add(time.Duration(i) * interval)
		found.Window = LookWindow(now, interval)
		if got := w.See(&Glance{Case: found, Brief: i > 0}, now); got.Trend != want {
			t.Errorf("look %d: %s because %q; want %s", i, got.Trend, got.Reason, want)
		}
	}
}

// What a look rests on, the rates before it included, is no older than the look before.
func TestLookWindow(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for interval, want := range map[time.Duration]time.Duration{10 * time.Second: 30 * time.Second, time.Minute: 30 * time.Second, 5 * time.Minute: 150 * time.Second} {
		got := LookWindow(now, interval)
		if got.Duration() != want || !got.To.Equal(now) {
			t.Errorf("an interval of %s: %s", interval, got)
		}
		const collected = 15 * time.Second
		if over := rateWindow(got.Duration(), collected); interval >= time.Minute && got.Duration()+over > interval {
			t.Errorf("an interval of %s: rates look back %s before a window of %s", interval, over, got.Duration())
		}
	}
}
