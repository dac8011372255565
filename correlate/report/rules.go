package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"obs/correlate"
	"obs/correlate/rules"
)

// RulesJSON writes the report as JSON does a case.
func RulesJSON(w io.Writer, r *correlate.RuleReport) error { return writeJSON(w, r) }

// kindTitles head the problems of a kind.
var kindTitles = map[rules.Kind]string{
	rules.Failing:    "CANNOT BE EVALUATED",
	rules.NoSeries:   "READS WHAT IS NOT THERE",
	rules.Always:     "FIRES ALWAYS",
	rules.Flapping:   "FLAPS",
	rules.Never:      "HAS NEVER FIRED",
	rules.Cause:      "PAGES FOR A CAUSE, NOT A SYMPTOM",
	rules.NoFor:      "HAS NO FOR",
	rules.NoSeverity: "HAS NO SEVERITY",
	rules.NoOwner:    "HAS NO OWNER",
	rules.NoRunbook:  "HAS NO RUNBOOK",
}

// rulesHeadline is the report in one line.
func rulesHeadline(r *correlate.RuleReport) string {
	of := counted(r.Rules, "rule")
	with := map[string]bool{}
	for i := range r.Problems {
		p := &r.Problems[i]
		with[p.File+"\x00"+p.Group+"\x00"+p.Rule] = true
	}
	switch {
	case r.Unanswered():
		return Sign(correlate.Inconclusive) + " no alerting rule was looked at"
	case len(r.Problems) == 0:
		return fmt.Sprintf("%s nothing is wrong with %s", Sign(correlate.Healthy), of)
	}
	return fmt.Sprintf("%s %s in %d of %s", Sign(correlate.Anomalous), counted(len(r.Problems), "problem"), len(with), of)
}

// RulesText writes the report for people and for grep: what is wrong in the same way stands
// together, with the mend once.
func RulesText(w io.Writer, r *correlate.RuleReport) error {
	p := &page{}
	p.line("%s", rulesHeadline(r))
	p.line("  looked back  %s", r.Window.String())
	if held := time.Duration(r.HeldSeconds * float64(time.Second)); held > 0 && held < r.Window.Duration() {
		p.line("  data are of  %s of that", held.Round(time.Minute).String())
	}
	p.blank()
	for rest := r.Problems; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Kind == rest[0].Kind {
			n++
		}
		rulesOfKind(p, rest[:n])
		rest = rest[n:]
	}
	tail(p, &correlate.Case{Missing: r.Missing, Queries: r.Queries})
	return p.writeTo(w)
}

// rulesOfKind writes the problems of one kind. Where the same is said of all of them, it is said
// once.
func rulesOfKind(p *page, all []rules.Problem) {
	p.line("%s", kindTitles[all[0].Kind])
	hanging(p, "  → ", all[0].Mend)
	if len(all) > 1 && !slices.ContainsFunc(all, func(one rules.Problem) bool { return one.Statement != all[0].Statement }) {
		names := make([]string, len(all))
		for i := range all {
			names[i] = all[i].Rule
		}
		hanging(p, "  ", strings.Join(names, ", "))
		p.blank()
		return
	}
	for i := range all {
		place := all[i].Group
		if all[i].File != "" {
			place = strings.TrimSpace(place + " in " + all[i].File)
		}
		p.line("  %s  %s", all[i].Rule, note(place))
		hanging(p, "      ", all[i].Statement)
	}
	p.blank()
}

// RulesMarkdown writes the report for a ticket.
func RulesMarkdown(w io.Writer, r *correlate.RuleReport) error {
	p := &page{}
	p.line("# %s", escape(rulesHeadline(r)))
	p.blank()
	p.line("- looked back: %s", r.Window.String())
	p.blank()
	if len(r.Problems) > 0 {
		p.line("| kind | rule | group | file | what is wrong | what to do |")
		p.line("| --- | --- | --- | --- | --- | --- |")
		for i := range r.Problems {
			one := &r.Problems[i]
			p.line("| %s | %s | %s | %s | %s | %s |", escape(strings.ReplaceAll(string(one.Kind), "_", " ")), escape(one.Rule), escape(one.Group), escape(one.File), escape(one.Statement), escape(one.Mend))
		}
		p.blank()
	}
	markdownTail(p, r.Missing, r.Queries)
	return p.writeTo(w)
}
