package report

import (
	"fmt"
	"strings"

	"obs/correlate"
)

// shownDifferences is how many differences text and Markdown list; JSON has them all.
const shownDifferences = 15

// Columns of a comparison: what a row explains, the name of the work, and how it changed.
// "+ 99.9 ms" and "repeated, slower, failing" are as wide as it gets, mostly.
const (
	gainWidth    = 9
	workWidth    = 42
	changesWidth = 25
)

// heading says in the style of a heading what was compared with what.
func heading(c *correlate.Comparison) string {
	first, rest, _ := strings.Cut(c.Title(), " ")
	return strings.ToUpper(first) + " " + rest
}

func comparison(p *page, c *correlate.Comparison) {
	if c == nil {
		return
	}
	indented(p, "", heading(c))
	for i := range c.Evidence {
		e := &c.Evidence[i]
		p.line("  %s: %s   in %s", string(e.Backend), e.Query, e.Window.String())
	}
	for i := range c.Rows {
		if i == shownDifferences {
			p.line("  and %d more: -o json has them", len(c.Rows)-i)
			break
		}
		r := &c.Rows[i]
		label := fmt.Sprintf("  %s  %s  %s  ", padLeft(c.Gain(r), gainWidth), pad(r.Name, workWidth), pad(strings.Join(r.Changes, ", "), changesWidth))
		for j, part := range wrap(c.Told(r), Width-cells(label)) {
			if j > 0 {
				label = strings.Repeat(" ", cells(label))
			}
			p.line("%s%s", label, part)
		}
	}
	for _, line := range c.Rest() {
		indented(p, strings.Repeat(" ", gainWidth+4), line)
	}
	p.blank()
}

func markdownComparison(p *page, c *correlate.Comparison) {
	if c == nil {
		return
	}
	p.line("## Compared")
	p.blank()
	p.line("%s.", escape(heading(c)))
	p.blank()
	for i := range c.Evidence {
		p.line("- %s", source(&c.Evidence[i]))
	}
	p.blank()
	if len(c.Rows) > 0 {
		p.line("| of the difference | spans | change | |")
		p.line("| ---: | --- | --- | --- |")
		for i := range c.Rows {
			if i == shownDifferences {
				break
			}
			r := &c.Rows[i]
			p.line("| %s | %s | %s | %s |", c.Gain(r), escape(r.Name), escape(strings.Join(r.Changes, ", ")), escape(c.Told(r)))
		}
		p.blank()
	}
	if more := len(c.Rows) - shownDifferences; more > 0 {
		p.line("- and %d more, which -o json has", more)
	}
	for _, line := range c.Rest() {
		p.line("- %s", opening(line))
	}
	p.blank()
}
