package correlate

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"obs/correlate/spans"
)

// pair tells that one trace was compared with one other: then nothing is usual.
func (c *Comparison) pair() bool { return len(c.With) == 1 }

// Title says what was compared with what.
func (c *Comparison) Title() string {
	root := c.Root.Service + " " + c.Root.Operation
	if c.pair() {
		with := "trace " + string(c.With[0])
		if !c.Window.IsZero() {
			with = "the only normal trace found of " + root + ", " + string(c.With[0])
		}
		return fmt.Sprintf("compared with %s: %s took %s, and that one %s", with, root, Seconds(c.DurationSeconds), Seconds(c.Usual.MedianSeconds))
	}
	return fmt.Sprintf("compared with %d normal traces of %s: it took %s, and their median is %s",
		len(c.With), root, Seconds(c.DurationSeconds), Seconds(c.Usual.MedianSeconds))
}

// Told says a row's difference in numbers.
func (c *Comparison) Told(r *ComparedWork) string {
	has := func(change spans.Change) bool { return slices.Contains(r.Changes, string(change)) }
	usually := "usually "
	if c.pair() {
		usually = "there "
	}
	var parts []string
	switch {
	case has(spans.Missing):
		parts = append(parts, usually+timesOf(r.UsualCount.Median)+", "+Seconds(r.UsualTotal.MedianSeconds))
	case has(spans.New):
		parts = append(parts, timesOf(r.Count)+", "+Seconds(r.TotalSeconds))
	case has(spans.Rare):
		parts = append(parts, fmt.Sprintf("%s, %s; %d of the %d others do it", timesOf(r.Count), Seconds(r.TotalSeconds), r.UsualTraces, len(c.With)))
	case has(spans.Repeated), has(spans.Fewer):
		parts = append(parts, timesOf(r.Count)+", "+usually+c.counts(r.UsualCount))
	}
	if has(spans.Slower) || has(spans.Faster) {
		// Off the critical path its own time tells, which the request did not wait for.
		here, usual, note := r.CriticalSeconds, r.UsualCritical, ""
		if math.Abs(r.SelfSeconds-r.UsualSelf.MedianSeconds) > math.Abs(here-usual.MedianSeconds) && r.CriticalSeconds == 0 {
			here, usual, note = r.SelfSeconds, r.UsualSelf, ", not waited for"
		}
		parts = append(parts, Seconds(here)+", "+usually+c.durations(usual)+note)
	}
	if has(spans.Waited) || has(spans.Unwaited) {
		parts = append(parts, fmt.Sprintf("waited for %s, %s%s", Seconds(r.CriticalSeconds), usually, c.durations(r.UsualCritical)))
	}
	if has(spans.Failing) {
		parts = append(parts, fmt.Sprintf("%d failed, %s%d", r.Failed, usually, r.UsualFailed))
	}
	if r.Below > 0 {
		parts = append(parts, counted(r.Below, "kind")+" beneath it too")
	}
	return strings.Join(parts, "; ")
}

func (c *Comparison) durations(u UsualDurations) string {
	return Seconds(u.MedianSeconds) + c.between(Seconds(u.LowSeconds), Seconds(u.HighSeconds))
}

func (c *Comparison) counts(u UsualCounts) string {
	return fmt.Sprint(u.Median) + c.between(fmt.Sprint(u.Low), fmt.Sprint(u.High))
}

// between says where what is usual lies, unless it is all the same or there is but one.
func (c *Comparison) between(low, high string) string {
	if c.pair() || low == high {
		return ""
	}
	return " (" + low + " – " + high + ")"
}

func timesOf(n int) string {
	if n == 1 {
		return "1 time"
	}
	return fmt.Sprintf("%d times", n)
}

// Gain says how much of the difference in the root's duration a row makes, with its sign;
// nothing where that is less than a thousandth of it or of what is usual.
func (c *Comparison) Gain(r *ComparedWork) string {
	if math.Abs(r.ExplainedSeconds) < tellable*max(c.Usual.MedianSeconds, math.Abs(c.DurationSeconds-c.Usual.MedianSeconds)) {
		return ""
	}
	return signed(r.ExplainedSeconds)
}

// Parts of a whole from which on something is told: three digits are shown of any number, and
// what is no hundredth of it changes nobody's mind.
const (
	tellable   = 0.001
	worthALine = 0.01
)

func signed(s float64) string {
	if s < 0 {
		return "- " + Seconds(-s)
	}
	return "+ " + Seconds(s)
}

// Rest says what the rows leave: what is as usual, what of the difference is not accounted
// for, and what was not compared.
func (c *Comparison) Rest() []string {
	as := "are as usual"
	if c.pair() {
		as = "are alike"
	}
	difference := math.Abs(c.DurationSeconds - c.Usual.MedianSeconds)
	matters := func(s float64) bool { return math.Abs(s) >= worthALine*max(difference, c.Usual.MedianSeconds) }
	said := fmt.Sprintf("%s of spans %s", counted(c.Alike, "other kind"), as)
	if len(c.Rows) == 0 {
		said = fmt.Sprintf("all %s of spans %s", counted(c.Alike, "kind"), as)
	}
	if c.Alike == 1 {
		said = strings.Replace(said, " are ", " is ", 1)
	}
	if matters(c.AlikeSeconds) {
		said += ", " + signed(c.AlikeSeconds) + " together"
	}
	lines := []string{said}
	if matters(c.UnaccountedSeconds) {
		lines = append(lines, signed(c.UnaccountedSeconds)+" is not accounted for: medians of parts do not add up to that of the whole")
	}
	var out []string
	if c.LeftOutFailed > 0 {
		out = append(out, fmt.Sprintf("%d that failed", c.LeftOutFailed))
	}
	if c.LeftOutSlow > 0 {
		out = append(out, fmt.Sprintf("%d much slower than the others", c.LeftOutSlow))
	}
	if len(out) > 0 {
		lines = append(lines, "left out of the normal ones: "+strings.Join(out, ", "))
	}
	if c.Apart > 0 {
		lines = append(lines, counted(c.Apart, "span")+" whose place beneath the root is not known were not compared")
	}
	return lines
}
