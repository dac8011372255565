package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"obs/correlate"
	"obs/sources"
	"obs/tui/draw"
)

// panelRoom is how many lines of a body go to what is selected, its title included.
// What the rows leave over goes to it too.
func panelRoom(body, rows int) int {
	least := 8
	switch {
	case body < 14:
		least = 3
	case body < 30:
		least = 5
	}
	return max(least, body-rows)
}

// leastCompared is the width from which what slow traces have in common stands beside
// the panel.
const leastCompared = 110

// panelLines bounds what is laid out of a hostile span.
const panelLines = 200

// drawPanel shows what is selected: title, and what matters most first.
func (t *traceScreen) drawPanel(width, height int) []string {
	title, p := t.panel(width)
	lines := []string{t.panelRule(title, width)}
	right := t.compared()
	left := width
	if width >= leastCompared && len(right) > 0 && height > 2 {
		left = width * 3 / 5
		p.width = left - 1
	}
	p.fill(t.theme, height-1)
	for i := range height - 1 {
		line := strings.Repeat(" ", p.width)
		if i < len(p.lines) {
			line = p.lines[i]
		}
		if left < width {
			text := ""
			if i < len(right) {
				text = right[i]
			}
			style := t.theme.Plain
			if i == 0 {
				style = t.theme.Strong
			}
			line += t.theme.Dim.Render("│") + style.Render(draw.Pad(" "+text, width-left))
		}
		lines = append(lines, line)
	}
	return lines
}

// panelRule is the panel's title, and where there is room what the signs above are.
func (t *traceScreen) panelRule(title string, width int) string {
	left := draw.Width(draw.Cut(title, width)) + 6
	legend := ""
	if t.view.size() > 0 {
		legend = t.legend(width - left - 3)
	}
	if legend == "" {
		return rule(t.theme, title, width)
	}
	right := " " + legend + " ─"
	return rule(t.theme, title, width-draw.Width(right)) + t.theme.Dim.Render(right)
}

// compared is what slow traces have more often than normal ones, where the trace is one
// of those compared.
func (t *traceScreen) compared() []string {
	if t.found == nil || t.found.Cohorts == nil || t.view.size() == 0 {
		return nil
	}
	c := t.found.Cohorts
	same := func(s correlate.TraceSummary) bool { return s.ID == t.view.trace.ID }
	if c.Chosen != t.view.trace.ID && !slices.ContainsFunc(c.Slow, same) {
		return nil
	}
	slow := "slow"
	if c.ThresholdSeconds == 0 {
		slow = "failing"
	}
	var lines []string
	for i := range c.Differences {
		d := &c.Differences[i]
		if d.Symptom {
			continue
		}
		var names []string
		for _, a := range d.Attributes {
			name := a.Key
			if a.Value != "" {
				name += " = " + a.Value
			}
			names = append(names, name)
		}
		lines = append(lines, fmt.Sprintf("%3.0f %% vs %3.0f %%  %s", 100*d.SlowShare, 100*d.NormalShare, strings.Join(names, ", ")))
	}
	if len(lines) == 0 {
		return nil
	}
	return append([]string{fmt.Sprintf("%d %s vs %d normal traces (C)", len(c.Slow), slow, len(c.Normal))}, lines...)
}

// panel is text that flows into lines of a width.
type panel struct {
	width int
	parts []panelPart
	lines []string
}

// panelPart is a title with a text, or with names and values.
type panelPart struct {
	label string
	text  string
	style draw.Style
	items sources.Attributes
}

// labelCells are those of the titles within the panel.
const labelCells = 10

func (p *panel) say(label, text string, style draw.Style) {
	if text != "" {
		p.parts = append(p.parts, panelPart{label: label, text: text, style: style})
	}
}

func (p *panel) list(label string, all sources.Attributes) {
	if len(all) > 0 {
		p.parts = append(p.parts, panelPart{label: label, items: all})
	}
}

// fill lays out as many lines as there are; the last says how much more there is.
func (p *panel) fill(theme draw.Theme, height int) {
	if p.width <= labelCells+4 || height < 1 {
		return
	}
	room := p.width - labelCells - 1
	add := func(label, line string) {
		p.lines = append(p.lines, " "+theme.Accent.Render(draw.Pad(label, labelCells-1))+" "+line)
	}
	for _, part := range p.parts {
		if len(p.lines) >= panelLines {
			break
		}
		for i, line := range part.layOut(theme, room, height) {
			if i > 0 {
				part.label = ""
			}
			add(part.label, line)
		}
	}
	if more := len(p.lines) - height; more > 0 {
		note := fmt.Sprintf(" … %d more", more)
		p.lines = p.lines[:height]
		p.lines[height-1] = fitStyled(p.lines[height-1], p.width-draw.Width(note)) + theme.Dim.Render(note)
	}
}

// layOut makes lines of exactly width cells.
func (p *panelPart) layOut(theme draw.Theme, width, height int) []string {
	var lines []string
	for line := range strings.SplitSeq(p.text, "\n") { // a stack trace has lines
		if p.text == "" || len(lines) > panelLines {
			break
		}
		for _, wrapped := range draw.Wrap(sources.Shorten(line, panelLines*width), width) {
			lines = append(lines, p.style.Render(draw.Pad(wrapped, width)))
		}
	}
	var b strings.Builder
	used := 0
	end := func() {
		if used > 0 {
			lines = append(lines, b.String()+strings.Repeat(" ", width-used))
			b.Reset()
			used = 0
		}
	}
	const gap = 3
	for _, a := range p.items {
		if len(lines) > panelLines {
			break
		}
		key, value := draw.Cut(a.Key, width/2), sources.Printable(sources.Shorten(a.Value, panelLines*width))
		wide := draw.Width(key) + 1 + draw.Width(value)
		if used > 0 && used+gap+wide > width {
			end()
		}
		if wide <= width {
			if used > 0 {
				b.WriteString(strings.Repeat(" ", gap))
				used += gap
			}
			value = draw.Cut(value, width)
			b.WriteString(theme.Dim.Render(key) + " " + value)
			used += draw.Width(key) + 1 + draw.Width(value)
			continue
		}
		// A value that is wider than a line, such as a statement, takes several where there
		// is room for them.
		wrapped := draw.Wrap(a.Value, width-draw.Width(key)-1)
		most := max(1, height/4)
		for i, line := range wrapped {
			if i == most-1 && len(wrapped) > most {
				line = strings.Join(wrapped[i:min(i+2, len(wrapped))], " ")
			}
			if i >= most {
				break
			}
			lines = append(lines, theme.Dim.Render(draw.Pad(key, draw.Width(key)))+" "+draw.Pad(line, width-draw.Width(key)-1))
			key = strings.Repeat(" ", draw.Width(key))
		}
	}
	end()
	return lines
}

// panel is what is to be said of the selected row.
func (t *traceScreen) panel(width int) (title string, p *panel) {
	p = &panel{width: width}
	v := t.view
	if len(v.rows) == 0 {
		return "", p
	}
	row := v.rows[t.list.at]
	i := int(row.span)
	switch {
	case row.kind == rowRecord:
		return t.recordPanel(p, v.recordOf[row.n]), p
	case row.kind == rowMore:
		p.say("records", "Those above stand for all records of the span; ↵ or z shows the others.", t.theme.Plain)
		return countOf(int(row.n), "more record") + " of " + t.view.span(i).Service + " " + t.view.span(i).Operation, p
	case row.kind == rowHeading:
		p.say("no span", "These records carry the trace's ID, and no span's that the trace has: what was logged outside of any span, or in one that is not stored.", t.theme.Plain)
		return "log records without a span", p
	case row.kind != rowSpan:
		return t.sumPanel(p, row), p
	}
	return t.spanPanel(p, i), p
}

func (t *traceScreen) recordPanel(p *panel, which int32) (title string) {
	r := &t.view.records[which]
	message, fields := correlate.Unfold(r.Line)
	p.say("says", message, t.theme.Plain)
	p.list("fields", fields)
	if len(fields) > 0 {
		defer p.say("line", r.Line, t.theme.Dim)
	}
	p.list("labels", ordered(r.Labels))
	p.list("metadata", ordered(r.Metadata))
	return fmt.Sprintf("log record · %s %s %s · joined by %s", r.Time.UTC().Format("15:04:05.000"), recordSeverity(r.Severity), r.Service, r.Join)
}

// ordered are labels in the order of their names.
func ordered(labels sources.Labels) sources.Attributes {
	all := make(sources.Attributes, 0, len(labels))
	for key, value := range labels {
		all = append(all, sources.Attribute{Key: key, Value: value})
	}
	all.Sort()
	return all
}

func (t *traceScreen) sumPanel(p *panel, row traceRow) (title string) {
	sum := t.view.sum(row)
	span := t.view.span(int(row.span))
	p.say("takes", fmt.Sprintf("%s in all, %s of it their own; 95 %% take %s or less, the longest %s", correlate.Seconds(sum.total), correlate.Seconds(sum.self),
		correlate.Seconds(sum.under), correlate.Seconds(sum.most)), t.theme.Plain)
	if sum.failed > 0 {
		p.say("failed", fmt.Sprintf("✖ %d of %s; x goes to the next", sum.failed, countOf(sum.spans, "span")), t.theme.Bad)
	}
	what := "↵ or z gives each a row of its own"
	if t.holdsBlamed() {
		what = "z gives each a row of its own; ↵ goes on to the log records"
	}
	p.say("", what, t.theme.Dim)
	if row.kind == rowBeside {
		return fmt.Sprintf("%s that the request did not wait for", countOf(sum.spans, "span"))
	}
	p.list("first", lessTold(span.Attributes))
	return fmt.Sprintf("× %d %s %s", row.n, span.Service, sum.work)
}

func (t *traceScreen) spanPanel(p *panel, i int) (title string) {
	s := t.view.span(i)
	kind := cmp.Or(string(s.Kind), "span")
	title = fmt.Sprintf("%s %s · %s · %s, own %s · %s", s.Service, s.Operation, kind, correlate.Seconds(s.DurationSeconds), correlate.Seconds(s.SelfSeconds), s.ID)
	if i == t.view.blamed {
		title = "► " + title
	}
	if s.Error {
		p.say("✖ failed", cmp.Or(s.StatusMessage, "it gives no reason"), t.theme.Bad)
	} else {
		p.say("status", s.StatusMessage, t.theme.Plain)
	}
	if attempt := attemptText(s); attempt != "" {
		p.say("again", attempt+" of the same call, one after the other, each after the one before had failed", t.theme.Watch)
	}
	for _, e := range s.Events {
		if e.Name == "exception" {
			p.say("exception", strings.TrimPrefix(e.Attributes.Get("exception.type")+": "+e.Attributes.Get("exception.message"), ": "), t.theme.Bad)
		}
	}
	if s.CriticalSeconds > 0 {
		p.say("critical", t.criticalText(s), t.theme.Plain)
	}
	before, after := t.view.outside(i)
	if before > 0 {
		p.say("≠ clock", fmt.Sprintf("it began %s before its parent: the clocks of the two differ", correlate.Seconds(before)), t.theme.Watch)
	}
	if after > 0 {
		p.say("≠ clock", fmt.Sprintf("it ended %s after its parent: nobody waited for it, or the clocks of the two differ", correlate.Seconds(after)), t.theme.Watch)
	}
	if s.Orphan {
		p.say("? orphan", fmt.Sprintf("its parent %s is not in the trace: not sampled, lost, or still arriving", s.ParentID), t.theme.Watch)
	}
	p.list("span", lessTold(s.Attributes))
	for _, e := range s.Events {
		t.eventPart(p, e)
	}
	for _, l := range s.Links {
		p.say("link", fmt.Sprintf("trace %s span %s", l.TraceID, l.SpanID), t.theme.Plain)
	}
	p.list("resource", lessTold(s.Resource))
	for _, e := range s.Events {
		p.say("stack", strings.ReplaceAll(e.Attributes.Get("exception.stacktrace"), "\t", "  "), t.theme.Dim)
	}
	return title
}

func (t *traceScreen) criticalText(s *correlate.Span) string {
	text := "the request waited " + correlate.Seconds(s.CriticalSeconds) + " for the span itself"
	if d := t.view.trace.DurationSeconds; s.CriticalSeconds > 0.01*d {
		text += fmt.Sprintf(", %.0f %% of its time", 100*s.CriticalSeconds/d)
	}
	return text
}

func (t *traceScreen) eventPart(p *panel, e sources.Event) {
	var rest sources.Attributes
	for _, a := range e.Attributes {
		switch a.Key {
		case "exception.type", "exception.message", "exception.stacktrace":
		default:
			rest = append(rest, a)
		}
	}
	if e.Name == "exception" && len(rest) == 0 {
		return // told above
	}
	if len(p.parts) < panelLines {
		p.list("• event", append(sources.Attributes{{Key: e.Time.UTC().Format("15:04:05.000"), Value: e.Name}}, rest...))
	}
}

// toldBySDK begin the names of attributes that instrumentation adds to every span: those
// of the service's own come before them, as they tell one request from another.
var toldBySDK = []string{"client.", "code.", "internal.", "network.", "otel.", "process.", "server.", "telemetry.", "thread.", "url.scheme", "user_agent."}

// lessTold orders attributes by how much they tell.
func lessTold(all sources.Attributes) sources.Attributes {
	var own, told sources.Attributes
	for _, a := range all {
		if slices.ContainsFunc(toldBySDK, func(prefix string) bool { return strings.HasPrefix(a.Key, prefix) }) {
			told = append(told, a)
		} else {
			own = append(own, a)
		}
	}
	return append(own, told...)
}
