package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"obs/correlate"
)

// AlertsJSON writes the list as JSON does a case.
func AlertsJSON(w io.Writer, l *correlate.AlertList) error { return writeJSON(w, l) }

// noAlert is what a list without an alert says, which is good news and no failure.
const noAlert = "no alert is firing"

// AlertsText writes the list for people and for grep, as Text does a case.
func AlertsText(w io.Writer, l *correlate.AlertList) error {
	p := &page{}
	p.line("%s", alertsHeadline(l))
	p.line("  time      %s", l.Time.UTC().Format("2006-01-02 15:04:05 UTC"))
	p.blank()
	for i := range l.Alerts {
		alertLines(p, &l.Alerts[i], l.Time)
	}
	if len(l.Alerts) > 0 {
		p.blank()
	}
	tail(p, &correlate.Case{Missing: l.Missing, Queries: l.Queries})
	return p.writeTo(w)
}

// alertsHeadline is the list in one line.
func alertsHeadline(l *correlate.AlertList) string {
	firing, quiet := 0, 0
	for i := range l.Alerts {
		if l.Alerts[i].State == "firing" {
			firing++
			if l.Alerts[i].Quiet() != "" {
				quiet++
			}
		}
	}
	told := ""
	if quiet > 0 {
		told = fmt.Sprintf(" (nobody is told of %d)", quiet)
	}
	pending := len(l.Alerts) - firing
	switch {
	case l.Unanswered():
		return Sign(correlate.Inconclusive) + " whether an alert is firing is not known"
	case firing == 0 && pending == 0:
		return Sign(correlate.Healthy) + " " + noAlert
	case firing == 0:
		return fmt.Sprintf("%s %s; pending: %d", Sign(correlate.Healthy), noAlert, pending)
	case pending == 0:
		return fmt.Sprintf("%s alerts firing: %d%s", Sign(correlate.Anomalous), firing, told)
	}
	return fmt.Sprintf("%s alerts firing: %d%s, pending: %d", Sign(correlate.Anomalous), firing, told, pending)
}

func alertSign(a *correlate.Alert) string {
	if a.State == "firing" {
		return Sign(correlate.Anomalous)
	}
	return Sign(correlate.Inconclusive)
}

// since tells for how long an alert has been there, at a moment; zero for a moment that
// is not known.
func since(a *correlate.Alert, at time.Time) string {
	if a.Since.IsZero() {
		return ""
	}
	text := "since " + a.Since.UTC().Format("2006-01-02 15:04:05 UTC")
	if !at.IsZero() && at.After(a.Since) {
		text += ", for " + at.Sub(a.Since).Round(time.Second).String()
	}
	return text
}

// alertLines is an alert in one line, and what it says in the next.
func alertLines(p *page, a *correlate.Alert, at time.Time) {
	p.line("%s %s %s %s %s %s", alertSign(a), pad(a.State, 8), pad(a.Severity, 9), pad(a.Name, 28), pad(a.Service, 20), since(a, at))
	if a.Summary != "" {
		indented(p, "    ", a.Summary)
	}
	for _, why := range quiet(a) {
		indented(p, "    ", why)
	}
	if a.RunbookURL != "" {
		p.line("    runbook: %s", a.RunbookURL)
	}
}

// quiet has a sentence for each reason why people are not told of an alert.
func quiet(a *correlate.Alert) []string {
	var all []string
	for _, s := range a.Silences {
		text := "silenced"
		if s.By != "" {
			text += " by " + s.By
		}
		if !s.Until.IsZero() {
			text += " until " + s.Until.UTC().Format("2006-01-02 15:04:05 UTC")
		}
		if s.Comment != "" {
			text += ": " + s.Comment
		}
		all = append(all, text)
	}
	if len(a.InhibitedBy) > 0 {
		all = append(all, "inhibited by "+strings.Join(a.InhibitedBy, ", "))
	}
	if len(a.MutedBy) > 0 {
		all = append(all, "muted by the time interval "+strings.Join(a.MutedBy, ", "))
	}
	return all
}

// AlertsMarkdown writes the list for a ticket.
func AlertsMarkdown(w io.Writer, l *correlate.AlertList) error {
	p := &page{}
	p.line("# %s", escape(alertsHeadline(l)))
	p.blank()
	p.line("- time: %s", l.Time.UTC().Format("2006-01-02 15:04:05 UTC"))
	p.blank()
	if len(l.Alerts) > 0 {
		markdownAlerts(p, l.Alerts)
	}
	markdownTail(p, l.Missing, l.Queries)
	return p.writeTo(w)
}

func markdownAlerts(p *page, all []correlate.Alert) {
	p.line("| | state | severity | alert | service | since | value | says | runbook |")
	p.line("| --- | --- | --- | --- | --- | --- | ---: | --- | --- |")
	for i := range all {
		a := &all[i]
		value := ""
		if !math.IsNaN(a.Value) {
			value = correlate.Quantity(a.Value, "")
		}
		p.line("| %s | %s | %s | %s | %s | %s | %s | %s | %s |", alertSign(a), escape(a.State), escape(a.Severity), escape(a.Name), escape(a.Service),
			escape(strings.TrimPrefix(since(a, time.Time{}), "since ")), escape(value), escape(strings.Join(append(nonEmpty(a.Summary), quiet(a)...), "; ")), escape(a.RunbookURL))
	}
	p.blank()
}

// nonEmpty is a list of a text, or of none.
func nonEmpty(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}
