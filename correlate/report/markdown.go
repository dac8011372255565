package report

import (
	"fmt"
	"io"
	"strings"

	"obs/correlate"
	"obs/sources"
)

// Markdown writes the case for a ticket: headings, tables, and queries in code.
func Markdown(w io.Writer, c *correlate.Case) error {
	p := &page{}
	if c.Verdict != "" {
		p.line("# %s", escape(headline(c)))
	} else {
		p.line("# %s", escape(c.Asked))
		p.blank()
		p.line("Taken for %s.", escape(c.TakenFor))
	}
	p.blank()
	p.line("- window: %s", c.Window.String())
	if c.Baseline != nil {
		p.line("- baseline: %s", c.Baseline.String())
	}
	p.blank()
	markdownStartingAlert(p, c)
	if c.Answers != nil && c.Verdict == correlate.Anomalous {
		p.line("| question | answer | findings |")
		p.line("| --- | --- | --- |")
		for _, q := range questions {
			text, findings := answerText(q, c)
			p.line("| %s | %s | %s |", q.asked, escape(text), escape(strings.Join(findings, " ")))
		}
		p.blank()
	}
	markdownSuspects(p, c)
	markdownAnomalies(p, c)
	markdownTimeline(p, c)
	markdownNothing(p, c)
	markdownHops(p, c)
	if c.Verdict != "" {
		markdownTriaged(p, c)
	} else {
		markdownFound(p, c)
	}
	markdownFindings(p, c)
	if len(c.Missing) > 0 {
		p.line("## Missing")
		p.blank()
		for _, m := range c.Missing {
			hint := ""
			if m.Hint != "" {
				hint = " → " + m.Hint
			}
			p.line("- %s: %s%s", opening(missingName(m)), escape(m.Reason), escape(hint))
		}
		p.blank()
	}
	n, failed, bytes := totals(c)
	p.line("%s, %s read, %d failed.", counted(n, "query"), Bytes(bytes), failed)
	return p.writeTo(w)
}

func markdownSuspects(p *page, c *correlate.Case) {
	if len(c.Suspects) == 0 {
		return
	}
	p.line("## Suspects")
	p.blank()
	p.line("| rank | service | operation | score | findings |")
	p.line("| ---: | --- | --- | ---: | --- |")
	for _, s := range c.Suspects {
		p.line("| %d | %s | %s | %.2f | %s |", s.Rank, escape(s.Service), escape(s.Operation), s.Score, escape(strings.Join(s.Findings, " ")))
	}
	p.blank()
	against := false
	for _, s := range c.Suspects {
		for _, id := range s.Against {
			f := c.Finding(id)
			if f == nil {
				continue
			}
			if !against {
				p.line("What speaks against them:")
				p.blank()
				against = true
			}
			p.line("- %s: %s (%s)", opening(s.Service), escape(f.Statement), escape(id))
		}
	}
	if against {
		p.blank()
	}
}

func markdownTimeline(p *page, c *correlate.Case) {
	all := c.Timeline()
	if len(all) < 2 { // one moment is no history
		return
	}
	p.line("## Timeline")
	p.blank()
	p.line("| %s | what | service | | findings |", zoned(&all[0], &all[len(all)-1]))
	p.line("| --- | --- | --- | --- | --- |")
	for i := range all {
		m := &all[i]
		p.line("| %s | %s | %s | %s | %s |", momentOf(m, &all[0], &all[len(all)-1]), escape(m.Kind), escape(m.Service), escape(m.Text), escape(strings.Join(m.Findings, " ")))
	}
	p.blank()
	if left := c.BeyondTimeline(); left > 0 {
		p.line("And %d more, which -o json has.", left)
		p.blank()
	}
}

func markdownAnomalies(p *page, c *correlate.Case) {
	if len(c.Anomalies) == 0 {
		return
	}
	p.line("## Anomalies")
	p.blank()
	p.line("| service | signal | baseline | window | change | since | baseline, then window | findings |")
	p.line("| --- | --- | ---: | ---: | ---: | --- | --- | --- |")
	for i := range c.Anomalies {
		if i == shownAnomalies {
			break
		}
		a := &c.Anomalies[i]
		drawn := history(c, a)
		if drawn != "" {
			drawn = code(drawn)
		}
		p.line("| %s | %s | %s | %s | %s | %s | %s | %s |", escape(flow(a)), escape(signal(a)),
			escape(correlate.Quantity(a.BaselineValue, a.Unit)), escape(correlate.Quantity(a.WindowValue, a.Unit)),
			escape(correlate.Factor(a.BaselineValue, a.WindowValue)), began(a), drawn, escape(strings.Join(a.Findings, " ")))
	}
	p.blank()
	if more := len(c.Anomalies) - shownAnomalies; more > 0 {
		p.line("And %d more, which -o json has.", more)
		p.blank()
	}
}

func markdownNothing(p *page, c *correlate.Case) {
	switch {
	case !nothingFound(c):
		return
	case len(c.Queries) == 0:
		p.line("%s", nothingAsked)
		p.blank()
		return
	}
	if !c.Answered() {
		p.line("%s", nothingWorked)
		p.blank()
		return
	}
	markdownFruitless(p, c, nothingAdvice)
}

// markdownFruitless lists the questions that found nothing, and what to try instead.
func markdownFruitless(p *page, c *correlate.Case, advice string) {
	p.line("%s", nothingTitle)
	p.blank()
	shown, more := fruitless(c)
	for _, q := range shown {
		p.line("- %s, %s: %s in %s", opening(string(q.Backend)), escape(q.Status), code(q.Query), searched(&q))
	}
	if more > 0 {
		p.line("- and %d more questions, which -o json lists", more)
	}
	p.blank()
	p.line("%s", advice)
	p.blank()
}

func markdownHops(p *page, c *correlate.Case) {
	if len(c.Hops) == 0 {
		return
	}
	p.line("## The walk")
	p.blank()
	for _, h := range c.Hops {
		weak := ""
		if h.Join.Weak() {
			weak = " (weak)"
		}
		p.line("- %s → %s, joined by %s%s: %s %s", opening(h.From), escape(h.To), escape(string(h.Join)), weak, escape(h.ID), escape(note(h.Note)))
		if h.Evidence != nil {
			p.line("  - %s", source(h.Evidence))
		}
	}
	p.blank()
}

// markdownTriaged draws what a triage shows of its trace, and the records.
func markdownTriaged(p *page, c *correlate.Case) {
	if c.Trace != nil && len(c.Trace.Spans) > 0 {
		p.line("## Trace")
		p.blank()
		drawn := &page{}
		traceHeader(drawn, c.Trace)
		waterfall(drawn, c.Trace, nil, notable(c.Trace))
		fenced(p, drawn)
	}
	markdownRecords(p, "Records", c.Records)
}

// markdownFound draws all traces of a lookup with the records beneath their spans, and
// the other records.
func markdownFound(p *page, c *correlate.Case) {
	markdownDrawn(p, "What failed", c, failed)
	markdownDrawn(p, "What happened", c, story)
	left := c.Records
	for _, t := range c.Traces() {
		p.line("## Trace")
		p.blank()
		var beneath map[sources.SpanID][]correlate.Record
		beneath, left = bySpan(t, left)
		drawn := &page{}
		traceHeader(drawn, t)
		waterfall(drawn, t, beneath, nil)
		fenced(p, drawn)
	}
	markdownComparison(p, c.Comparison)
	if len(left) > 0 {
		markdownRecords(p, "Records"+restTitle(c, left), left)
	}
	markdownDrawn(p, "Where the logs carry the trace ID", c, places)
}

// markdownDrawn is a part of the text as a block of its own, where the case has it.
func markdownDrawn(p *page, title string, c *correlate.Case, draw func(*page, *correlate.Case)) {
	drawn := &page{}
	if draw(drawn, c); drawn.b.Len() == 0 {
		return
	}
	p.line("## %s", title)
	p.blank()
	fenced(p, drawn)
}

func markdownRecords(p *page, title string, all []correlate.Record) {
	if len(all) == 0 {
		return
	}
	p.line("## %s", title)
	p.blank()
	drawn := &page{}
	for i := range all {
		drawn.line("%s", recordLine(&all[i]))
	}
	fenced(p, drawn)
}

// fenced writes a page as a code block, with a fence that it does not contain.
func fenced(p, drawn *page) {
	text := drawn.b.String()
	fence := strings.Repeat("`", max(3, quotesIn(text)+1))
	p.b.WriteString(fence + "text\n" + text + fence + "\n\n")
}

func markdownFindings(p *page, c *correlate.Case) {
	if len(c.Findings) == 0 {
		return
	}
	p.line("## Findings")
	p.blank()
	for _, f := range c.Findings {
		p.line("- %s: %s", opening(f.ID), escape(f.Statement))
		for i := range f.Evidence {
			p.line("  - %s", source(&f.Evidence[i]))
		}
	}
	p.blank()
}

// source is a piece of evidence with its query in code, and a link to the backend.
func source(e *correlate.Evidence) string {
	text := opening(string(e.Backend)) + ": " + code(e.Query)
	if !e.Window.IsZero() {
		text += " in " + e.Window.String()
	}
	if url := sources.WebAddress(e.URL); url != "" {
		text += " [open](" + linkEscapes.Replace(sources.Printable(url)) + ")"
	}
	return text
}

// linkEscapes keep an address from ending the link that it stands in.
var linkEscapes = strings.NewReplacer(
	"(", "%28", ")", "%29", " ", "%20", "<", "%3C", ">", "%3E", `\`, "%5C", "`", "%60", ";", "%3B") // the last one ends an entity

// quotesIn is the most backquotes that stand in a row.
func quotesIn(s string) int {
	longest, run := 0, 0
	for _, r := range s {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// code quotes text as inline code, with more backquotes than it contains in a row. A
// space at either end, which Markdown would take away, is kept by another one.
func code(s string) string {
	s = sources.Printable(s)
	if strings.Trim(s, " ") == "" {
		return "` `" // two backquotes alone quote nothing
	}
	fence := strings.Repeat("`", quotesIn(s)+1)
	if strings.ContainsAny(s[:1]+s[len(s)-1:], "` ") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// CommonMark 0.31 and GitHub's extensions: strikethrough, tables, formulas.
var markdownEscapes = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "&", `\&`,
	"|", `\|`, "#", `\#`, "~", `\~`, "$", `\$`)

// escape makes text that may come from a backend stand for itself in Markdown, behind
// other text in its line.
func escape(s string) string { return markdownEscapes.Replace(sources.Printable(s)) }

// opening is escape for the beginning of an item, where a dash or a number would begin
// a list of its own.
func opening(s string) string {
	s = escape(s)
	if s == "" || !strings.ContainsAny(s[:1], "-+= 0123456789") {
		return s
	}
	return fmt.Sprintf("&#%d;%s", s[0], s[1:])
}
