package report

import (
	"cmp"
	"fmt"
	"io"

	"obs/correlate"
)

// DiffJSON writes what changed between two cases, as JSON does a case.
func DiffJSON(w io.Writer, d *correlate.Diff) error { return writeJSON(w, d) }

// trendSign is the mark of a trend, which does not depend on colour.
func trendSign(t correlate.Trend) string {
	switch t {
	case correlate.Recovered, correlate.AllHealthy:
		return Sign(correlate.Healthy)
	case correlate.Worse, correlate.Same, correlate.Recovering:
		return Sign(correlate.Anomalous)
	}
	return Sign(correlate.Inconclusive)
}

var changeSigns = map[string]string{"new": "+", "further": "↗", "same": "=", "nearer": "↘", "gone": "-"}

// DiffText writes it for people and for grep.
func DiffText(w io.Writer, d *correlate.Diff) error {
	p := &page{}
	p.line("%s %s: %s", trendSign(d.Trend), string(d.Trend), d.Reason)
	p.line("  earlier   %s  %s", d.Earlier.Window.String(), verdictOf(&d.Earlier))
	p.line("  later     %s  %s", d.Later.Window.String(), verdictOf(&d.Later))
	if d.AlikeBecause != "" {
		p.line("  %s: %s", alikeText(d), d.AlikeBecause)
	}
	if len(d.Departures) > 0 {
		p.blank()
		p.line("WHAT DEPARTS")
		for i := range d.Departures {
			p.line("  %s %s", changeSigns[d.Departures[i].Change], d.Departures[i].Text)
		}
	}
	if len(d.Suspects) > 0 {
		p.blank()
		p.line("SUSPECTS")
		for _, s := range d.Suspects {
			p.line("  %-9s %s", moved(s), s.Service)
		}
	}
	return p.writeTo(w)
}

// DiffMarkdown writes it for a ticket.
func DiffMarkdown(w io.Writer, d *correlate.Diff) error {
	p := &page{}
	p.line("# %s %s", trendSign(d.Trend), string(d.Trend))
	p.blank()
	p.line("%s.", escape(d.Reason))
	p.blank()
	p.line("| | window | verdict |")
	p.line("|---|---|---|")
	p.line("| earlier | %s | %s |", d.Earlier.Window.String(), escape(verdictOf(&d.Earlier)))
	p.line("| later | %s | %s |", d.Later.Window.String(), escape(verdictOf(&d.Later)))
	if d.AlikeBecause != "" {
		p.blank()
		p.line("%s: %s.", alikeText(d), escape(d.AlikeBecause))
	}
	if len(d.Departures) > 0 {
		p.blank()
		p.line("## What departs")
		p.blank()
		for i := range d.Departures {
			p.line("- %s %s", changeSigns[d.Departures[i].Change], escape(d.Departures[i].Text))
		}
	}
	if len(d.Suspects) > 0 {
		p.blank()
		p.line("## Suspects")
		p.blank()
		for _, s := range d.Suspects {
			p.line("- %s: %s", escape(s.Service), moved(s))
		}
	}
	return p.writeTo(w)
}

func alikeText(d *correlate.Diff) string {
	if d.Alike {
		return "may be the same incident"
	}
	return "not the same incident"
}

func verdictOf(end *correlate.DiffEnd) string {
	text := cmp.Or(string(end.Verdict), "a request")
	if end.Suspect != "" {
		text += ", first suspect " + end.Suspect
	}
	return text
}

// moved is a suspect's places: 1 → 2, new at 1, or gone.
func moved(s correlate.SuspectMove) string {
	switch {
	case s.Earlier == 0:
		return fmt.Sprintf("new at %d", s.Later)
	case s.Later == 0:
		return fmt.Sprintf("gone from %d", s.Earlier)
	}
	return fmt.Sprintf("%d → %d", s.Earlier, s.Later)
}
