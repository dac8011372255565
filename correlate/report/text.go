package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"obs/correlate"
	"obs/sources"
)

// Text writes the case for people and for grep: no colour, and the same width wherever
// it goes.
func Text(w io.Writer, c *correlate.Case) error {
	p := &page{}
	if c.Verdict != "" {
		triageText(p, c)
	} else {
		lookupText(p, c)
	}
	return p.writeTo(w)
}

func triageText(p *page, c *correlate.Case) {
	p.line("%s", headline(c))
	p.line("  window    %s", c.Window.String())
	if c.Baseline != nil {
		p.line("  baseline  %s", c.Baseline.String())
	}
	p.blank()
	startingAlert(p, c)
	if c.Answers != nil && c.Verdict == correlate.Anomalous {
		for _, q := range questions {
			text, findings := answerText(q, c)
			indented(p, fmt.Sprintf("  %-16s", q.asked), text+refs(findings))
		}
		p.blank()
	}
	suspects(p, c)
	anomalies(p, c)
	changes(p, c)
	notes(p, c)
	hops(p, c)
	if c.Trace != nil && len(c.Trace.Spans) > 0 {
		traceHeader(p, c.Trace)
		p.line("  the spans that it waited for or that failed; all of it: obs trace %s", string(c.Trace.ID))
		waterfall(p, c.Trace, nil, notable(c.Trace))
		p.blank()
	}
	records(p, c)
	findings(p, c)
	tail(p, c)
}

func refs(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	if len(ids) > 4 {
		return fmt.Sprintf(" [%s and %d more]", strings.Join(ids[:4], " "), len(ids)-4)
	}
	return " [" + strings.Join(ids, " ") + "]"
}

// widestLabel bounds labels, so that there is room for the text behind them.
const widestLabel = 24

// indented writes text behind a label, wrapped at Width.
func indented(p *page, label, text string) { hanging(p, Fit(label, widestLabel), text) }

// hanging writes text behind a label of any width below half of Width.
func hanging(p *page, label, text string) {
	margin := ansi.StringWidth(label)
	for i, part := range wrap(sources.Printable(text), Width-margin) {
		if i > 0 {
			label = strings.Repeat(" ", margin)
		}
		p.line("%s%s", label, part)
	}
}

func suspects(p *page, c *correlate.Case) {
	if len(c.Suspects) == 0 {
		return
	}
	p.line("SUSPECTS")
	for _, s := range c.Suspects {
		p.line("  %2d  %4.2f  %s%s", s.Rank, s.Score, pad(strings.TrimSpace(s.Service+" "+s.Operation), 60), refs(s.Findings))
		for _, id := range s.Against {
			if f := c.Finding(id); f != nil {
				indented(p, "            - ", f.Statement+refs([]string{id}))
			}
		}
	}
	p.blank()
}

// Columns of the anomalies. A quantity is as wide as "19.8 requests/s", and a signal
// that was guessed as "saturation (?)".
const (
	flowWidth     = 36
	signalWidth   = 14
	quantityWidth = 15
	factorWidth   = 7
)

// shownAnomalies is how many anomalies text lists; JSON has them all.
const shownAnomalies = 15

func anomalies(p *page, c *correlate.Case) {
	if len(c.Anomalies) == 0 {
		return
	}
	p.line("ANOMALIES   %s %s %s %s %s %6s  %s", pad("service", flowWidth), pad("signal", signalWidth),
		padLeft("baseline", quantityWidth), padLeft("window", quantityWidth), padLeft("change", factorWidth), "score", "since")
	for i, a := range c.Anomalies {
		if i == shownAnomalies {
			p.line("  and %d more: -o json has them", len(c.Anomalies)-i)
			break
		}
		p.line("  %s  %s %s %s %s %s %6.1f  %s", pad(strings.Join(a.Findings[:min(1, len(a.Findings))], " "), 8),
			pad(flow(&a), flowWidth), pad(signal(&a), signalWidth),
			padLeft(correlate.Quantity(a.BaselineValue, a.Unit), quantityWidth), padLeft(correlate.Quantity(a.WindowValue, a.Unit), quantityWidth),
			padLeft(correlate.Factor(a.BaselineValue, a.WindowValue), factorWidth), a.Score, began(&a))
	}
	p.blank()
}

// flow is what an anomaly is about.
func flow(a *correlate.Anomaly) string { return strings.TrimSpace(a.Service + " " + a.Operation) }

// signal is what departs, with a mark where that was guessed.
func signal(a *correlate.Anomaly) string {
	if a.Guessed {
		return a.Signal + " (?)"
	}
	return a.Signal
}

// began is when an anomaly began, or from when on it has grown; empty where that is not known.
func began(a *correlate.Anomaly) string {
	switch {
	case a.Creep != nil:
		return correlate.Ago(a.Creep.Days)
	case a.Onset.IsZero():
		return ""
	}
	return correlate.Clock(a.Onset)
}

// sameDay reports whether a timeline's rows need no date.
func sameDay(first, last *correlate.Milestone) bool {
	return first.Time.UTC().Format(time.DateOnly) == last.Time.UTC().Format(time.DateOnly)
}

// zoned is the heading over a timeline's times, with the date that all have.
func zoned(first, last *correlate.Milestone) string {
	if sameDay(first, last) {
		return first.Time.UTC().Format(time.DateOnly) + ", UTC"
	}
	return "UTC"
}

// momentOf is when something of a timeline happened, with the date where the ends differ in it.
func momentOf(m, first, last *correlate.Milestone) string {
	if sameDay(first, last) {
		return correlate.Clock(m.Time)
	}
	return m.Time.UTC().Format(time.DateTime)
}

// shownChanges is how many changes text lists; JSON has them all.
const shownChanges = 5

// changeLine says a change, with what it has to do with the trouble where that is known.
func changeLine(c *correlate.Change) string {
	if c.Note == "" {
		return c.Service + " " + c.Text
	}
	return c.Service + " " + c.Text + " (" + c.Note + ")"
}

func changes(p *page, c *correlate.Case) {
	if len(c.Changes) == 0 {
		return
	}
	p.line("CHANGED, the nearest to the onset first")
	for i := range c.Changes {
		if i == shownChanges {
			p.line("  and %d more: -o json has them", len(c.Changes)-i)
			break
		}
		indented(p, "  "+correlate.Clock(c.Changes[i].Time)+"  ", changeLine(&c.Changes[i]))
	}
	p.blank()
}

// notes are what people wrote down.
func notes(p *page, c *correlate.Case) {
	if len(c.Notes) == 0 {
		return
	}
	p.line("NOTES")
	for i := range c.Notes {
		n := &c.Notes[i]
		indented(p, "  "+correlate.Clock(n.Time)+"  ", n.Text+aboutNote(n))
	}
	p.blank()
}

func hops(p *page, c *correlate.Case) {
	if len(c.Hops) == 0 {
		return
	}
	p.line("THE WALK")
	for _, h := range c.Hops {
		join := string(h.Join)
		if h.Join.Weak() {
			join += " (weak)"
		}
		p.line("  %s joined by %s %s %s", pad(h.From+" → "+h.To, 20), pad(join, 20), h.ID, note(h.Note))
		if h.Evidence != nil {
			p.line("      %s: %s", string(h.Evidence.Backend), h.Evidence.Query)
		}
	}
	p.blank()
}

func note(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}

func records(p *page, c *correlate.Case) {
	if len(c.Records) == 0 {
		return
	}
	if c.Records[0].Join.Weak() {
		p.line("RECORDS of the same service and time; no ID joins them")
	} else {
		p.line("RECORDS of the trace")
	}
	for i := range c.Records {
		p.line("  %s", recordLine(&c.Records[i]))
	}
	p.blank()
}

func findings(p *page, c *correlate.Case) {
	if len(c.Findings) == 0 {
		return
	}
	p.line("FINDINGS and the queries they rest on")
	for _, f := range c.Findings {
		indented(p, fmt.Sprintf("  %-4s ", f.ID), f.Statement)
		for _, e := range f.Evidence {
			at := ""
			if !e.Window.IsZero() {
				at = "   in " + e.Window.String()
			}
			p.line("        %s: %s%s", string(e.Backend), e.Query, at)
		}
	}
	p.blank()
}

// tail says what is missing and what it cost.
func tail(p *page, c *correlate.Case) {
	if len(c.Missing) > 0 {
		p.line("MISSING")
		for _, m := range c.Missing {
			indented(p, fmt.Sprintf("  %-10s ", missingName(m)), m.Reason)
			if m.Hint != "" {
				indented(p, "             → ", m.Hint)
			}
		}
		p.blank()
	}
	p.line("%s", cost(c))
}

// cost says what a case took to find out.
func cost(c *correlate.Case) string {
	n, failed, bytes := totals(c)
	cost := fmt.Sprintf("%s, %s read", counted(n, "query"), Bytes(bytes))
	if failed > 0 {
		cost += fmt.Sprintf(", %d failed", failed)
	}
	if slow := slowest(c); slow > 0 {
		cost += ", the slowest took " + correlate.Seconds(slow)
	}
	return cost
}

// slowest is the longest that a query took, in seconds.
func slowest(c *correlate.Case) float64 {
	longest := 0.0
	for _, q := range c.Queries {
		longest = max(longest, q.DurationSeconds)
	}
	return longest
}
