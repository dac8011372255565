package report

import (
	"fmt"
	"strings"
	"time"

	"obs/correlate"
)

// AlertTitle is the alert that a case started from, in one line: HighErrorRatio (page),
// checkout: firing since 12:03:00 UTC. The text is not printable yet.
func AlertTitle(a *correlate.StartingAlert) string {
	title := a.Name
	if a.Severity != "" {
		title += " (" + a.Severity + ")"
	}
	if a.Service != "" {
		title += ", " + a.Service
	}
	return title + ": " + alertTimes(a)
}

// alertTimes is an alert's state, and since when it has it.
func alertTimes(a *correlate.StartingAlert) string {
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
	text := a.State
	switch {
	case a.State == "resolved" && !a.Started.IsZero() && !a.Ended.IsZero():
		return fmt.Sprintf("%s, fired from %s until %s", text, stamp(a.Started), stamp(a.Ended))
	case !a.Started.IsZero():
		text += " since " + stamp(a.Started)
	case !a.Held.IsZero():
		return text + ", true since " + stamp(a.Held)
	}
	if a.ForSeconds > 0 && !a.Held.IsZero() {
		text += ", true since " + stamp(a.Held)
	}
	return text
}

// ruleFact is the name of the fact that is PromQL.
const ruleFact = "rule"

// alertFacts are what is known of the alert that a case started from, by their names.
func alertFacts(c *correlate.Case) [][2]string {
	a := c.Alert
	var facts [][2]string
	add := func(name, text string) {
		if text != "" {
			facts = append(facts, [2]string{name, text})
		}
	}
	add("summary", a.Summary)
	add("description", a.Description)
	add("runbook", a.RunbookURL)
	if a.ForSeconds > 0 && a.Expression != "" {
		add(ruleFact, a.Expression+"  for "+time.Duration(a.ForSeconds*float64(time.Second)).String())
	} else {
		add(ruleFact, a.Expression)
	}
	for _, id := range a.Findings {
		if f := c.Finding(id); f != nil {
			add("its series", f.Statement+refs([]string{id}))
		}
	}
	for _, remark := range a.Remarks {
		add("note", remark)
	}
	add("beside it", otherAlerts(a.Others))
	return facts
}

// shownOthers is how many other alerts are named; JSON has them all.
const shownOthers = 5

func otherAlerts(all []correlate.OtherAlert) string {
	var named []string
	for i, o := range all {
		if i == shownOthers {
			named = append(named, fmt.Sprintf("and %d more", len(all)-i))
			break
		}
		text := o.Name
		if o.Service != "" {
			text += " of " + o.Service
		}
		text += " " + o.State
		if !o.Started.IsZero() {
			text += " since " + correlate.Clock(o.Started)
		}
		named = append(named, text)
	}
	return strings.Join(named, ", ")
}

// startingAlert writes the alert that a case started from.
func startingAlert(p *page, c *correlate.Case) {
	if c.Alert == nil {
		return
	}
	p.line("ALERT  %s", AlertTitle(c.Alert))
	for _, fact := range alertFacts(c) {
		if fact[0] == ruleFact { // to be copied
			p.line("  %-12s%s", fact[0], fact[1])
			continue
		}
		indented(p, fmt.Sprintf("  %-12s", fact[0]), fact[1])
	}
	p.blank()
}

func markdownStartingAlert(p *page, c *correlate.Case) {
	if c.Alert == nil {
		return
	}
	p.line("## Alert")
	p.blank()
	p.line("%s", opening(AlertTitle(c.Alert)))
	p.blank()
	for _, fact := range alertFacts(c) {
		text := escape(fact[1])
		if fact[0] == ruleFact {
			text = code(fact[1])
		}
		p.line("- %s: %s", fact[0], text)
	}
	p.blank()
}
