package report

import (
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
	if c.Answers != nil && c.Verdict == correlate.Anomalous {
		p.line("| question | answer | findings |")
		p.line("| --- | --- | --- |")
		for _, q := range questions {
			text, findings := answerText(q, c)
			p.line("| %s | %s | %s |", q.asked, escape(text), strings.Join(findings, " "))
		}
		p.blank()
	}
	markdownSuspects(p, c)
	markdownHops(p, c)
	markdownTrace(p, c)
	markdownRecords(p, c)
	markdownFindings(p, c)
	if len(c.Missing) > 0 {
		p.line("## Missing")
		p.blank()
		for _, m := range c.Missing {
			p.line("- %s: %s %s", missingName(m), escape(m.Reason), escape(m.Hint))
		}
		p.blank()
	}
	n, failed, bytes := totals(c)
	p.line("%d queries, %s read, %d failed.", n, Bytes(bytes), failed)
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
		p.line("| %d | %s | %s | %.2f | %s |", s.Rank, escape(s.Service), escape(s.Operation), s.Score, strings.Join(s.Findings, " "))
	}
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
		p.line("- %s → %s, joined by %s%s: %s %s", h.From, h.To, string(h.Join), weak, h.ID, escape(h.Note))
		if h.Evidence != nil {
			p.line("  %s", source(h.Evidence))
		}
	}
	p.blank()
}

func markdownTrace(p *page, c *correlate.Case) {
	if c.Trace == nil || len(c.Trace.Spans) == 0 {
		return
	}
	p.line("## Trace")
	p.blank()
	drawn := &page{}
	traceHeader(drawn, c.Trace)
	if c.Verdict != "" {
		waterfall(drawn, c.Trace, nil, notable(c.Trace))
	} else {
		beneath, _ := bySpan(c.Trace, c.Records)
		waterfall(drawn, c.Trace, beneath, nil)
	}
	fenced(p, drawn.b.String())
}

func markdownRecords(p *page, c *correlate.Case) {
	if len(c.Records) == 0 {
		return
	}
	p.line("## Records")
	p.blank()
	drawn := &page{}
	for i := range c.Records {
		drawn.line("%s", recordLine(&c.Records[i]))
	}
	fenced(p, drawn.b.String())
}

// fenced writes printable text as a code block, with a fence that it does not contain.
func fenced(p *page, text string) {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	p.b.WriteString(fence + "text\n" + text + fence + "\n\n")
}

func markdownFindings(p *page, c *correlate.Case) {
	if len(c.Findings) == 0 {
		return
	}
	p.line("## Findings")
	p.blank()
	for _, f := range c.Findings {
		p.line("- **%s** %s", f.ID, escape(f.Statement))
		for i := range f.Evidence {
			p.line("  - %s", source(&f.Evidence[i]))
		}
	}
	p.blank()
}

// source is a piece of evidence with its query in code, and a link to the backend.
func source(e *correlate.Evidence) string {
	text := string(e.Backend) + ": " + code(e.Query)
	if !e.Window.IsZero() {
		text += " in " + e.Window.String()
	}
	if strings.HasPrefix(e.URL, "http://") || strings.HasPrefix(e.URL, "https://") {
		text += " [open](" + strings.NewReplacer("(", "%28", ")", "%29", " ", "%20").Replace(e.URL) + ")"
	}
	return text
}

// code quotes text as inline code, with more backquotes than it contains in a row.
func code(s string) string {
	s = sources.Printable(s)
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}

var markdownEscapes = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "|", `\|`, "#", `\#`)

// escape makes text that may come from a backend stand for itself in Markdown.
func escape(s string) string { return markdownEscapes.Replace(sources.Printable(s)) }
