package tui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"obs/correlate"
	"obs/correlate/report"
	"obs/tui/draw"
)

// caseScreen is all that was found: suspects with what speaks for them and against them,
// every hop and finding with its evidence, what is missing, and the queries that ran.
type caseScreen struct {
	*stage
	entries []entry
	list    list
	wanted  string // a finding to begin at
	lineOf  []int  // the entry that stands at each line of the body
}

// entry is one thing on the screen, in a line or several.
type entry struct {
	head   bool // a title, which cannot be selected
	level  draw.Level
	signed bool
	text   string
	more   []string // further lines, dimmer
	picked picked
	onward func() screen
	id     string // of a finding
}

func newCaseScreen(s *stage) *caseScreen { return &caseScreen{stage: s} }

func (c *caseScreen) place() place  { return onCase }
func (c *caseScreen) crumb() string { return "case" }
func (c *caseScreen) load() tea.Cmd { c.collect(); return nil }

// seek begins at a finding.
func (c *caseScreen) seek(finding string) { c.wanted = finding }

func (c *caseScreen) take(any) tea.Cmd {
	c.collect()
	return nil
}

func (c *caseScreen) filter(text string) tea.Cmd {
	c.needle = text
	c.collect()
	return nil
}

// collect lists what the case has by now.
func (c *caseScreen) collect() {
	c.entries = c.entries[:0]
	if c.found == nil {
		return
	}
	if c.found.Verdict != "" { // else it is about one request
		c.addSuspects()
	}
	c.addMissing()
	c.addHops()
	c.addFindings()
	c.addQueries()
	if c.needle != "" {
		c.entries = slices.DeleteFunc(c.entries, func(e entry) bool {
			return !strings.Contains(strings.ToLower(e.text+" "+strings.Join(e.more, " ")), strings.ToLower(c.needle))
		})
	}
	if c.wanted != "" {
		if i := slices.IndexFunc(c.entries, func(e entry) bool { return e.id == c.wanted }); i >= 0 {
			c.list.at, c.wanted = i, ""
		}
	}
	c.list.count = len(c.entries)
	c.settle(1)
}

// settle moves on from a title to what stands below it, or above.
func (c *caseScreen) settle(step int) {
	c.list.clamp()
	for range 2 {
		for i := c.list.at; i >= 0 && i < len(c.entries); i += step {
			if !c.entries[i].head {
				c.list.at = i
				return
			}
		}
		step = -step
	}
}

func (c *caseScreen) title(text string) { c.entries = append(c.entries, entry{head: true, text: text}) }

func (c *caseScreen) addSuspects() {
	c.title("suspects")
	if len(c.found.Suspects) == 0 {
		c.entries = append(c.entries, entry{text: "none"})
	}
	for i := range c.found.Suspects {
		s := &c.found.Suspects[i]
		e := entry{
			text:   fmt.Sprintf("%d. %s %s  %.2f", s.Rank, s.Service, s.Operation, s.Score),
			picked: picked{text: s.Service, what: "service's name"},
			onward: func() screen { return newMetricScreen(c.next(), correlate.Subject{Service: s.Service}) },
		}
		for _, id := range s.Findings {
			if f := c.found.Finding(id); f != nil {
				e.more = append(e.more, "+ "+f.Statement)
				if e.picked.query == "" && len(f.Evidence) > 0 {
					e.picked.query, e.picked.url = f.Evidence[0].Query, f.Evidence[0].URL
				}
			}
		}
		for _, id := range s.Against {
			if f := c.found.Finding(id); f != nil {
				e.more = append(e.more, "- "+f.Statement)
			}
		}
		c.entries = append(c.entries, e)
	}
}

func (c *caseScreen) addHops() {
	if len(c.found.Hops) == 0 {
		return
	}
	c.title("the walk")
	for i := range c.found.Hops {
		h := &c.found.Hops[i]
		e := entry{text: fmt.Sprintf("%s → %s  by %s  %s", h.From, h.To, h.Join, h.ID), picked: picked{text: h.ID, what: "ID"}}
		if h.Join.Weak() {
			e.text += "  (weak)"
		}
		if h.Note != "" {
			e.more = append(e.more, h.Note)
		}
		if h.Evidence != nil {
			e.picked.query, e.picked.url = h.Evidence.Query, h.Evidence.URL
		}
		switch h.To {
		case "trace", "span":
			if t := c.found.Trace; t != nil {
				e.onward = func() screen { return newTraceScreen(c.next(), &traceOf{id: t.ID}) }
			}
		case "records":
			if t := c.found.Trace; t != nil && !h.Join.Weak() {
				e.onward = func() screen { return newLogsScreen(c.next(), correlate.LogQuestion{Trace: t.ID}, "logs") }
			}
		}
		c.entries = append(c.entries, e)
	}
}

func (c *caseScreen) addFindings() {
	if len(c.found.Findings) == 0 {
		return
	}
	c.title("findings")
	for i := range c.found.Findings {
		f := &c.found.Findings[i]
		e := entry{text: f.ID + "  " + f.Statement, id: f.ID, picked: picked{text: f.Statement, what: "finding"}}
		for j := range f.Evidence {
			v := &f.Evidence[j]
			e.more = append(e.more, string(v.Backend)+": "+v.Query)
			if j == 0 {
				e.picked.query, e.picked.url = v.Query, v.URL
			}
		}
		c.entries = append(c.entries, e)
	}
}

func (c *caseScreen) addMissing() {
	c.title("missing")
	if len(c.found.Missing) == 0 {
		c.entries = append(c.entries, entry{text: "nothing", signed: true, level: draw.Healthy})
	}
	for _, m := range c.found.Missing {
		e := entry{text: m.Reason, signed: true, level: draw.Watch, picked: picked{text: m.Reason, what: "reason"}}
		if m.Backend != "" {
			e.text = string(m.Backend) + ": " + e.text
		}
		if m.Hint != "" {
			e.more = append(e.more, "→ "+m.Hint)
		}
		c.entries = append(c.entries, e)
	}
}

func (c *caseScreen) addQueries() {
	queries := c.found.Queries
	if c.explorer != nil {
		queries = c.explorer.Queries()
	}
	c.title(fmt.Sprintf("%d queries", len(queries)))
	for i := range queries {
		q := &queries[i]
		e := entry{
			text:   fmt.Sprintf("%-10s %7s %9s  %s", q.Backend, correlate.Seconds(q.DurationSeconds), report.Bytes(q.Bytes), q.Query),
			signed: true, level: draw.Healthy, picked: picked{text: q.Query, what: "query", query: q.Query},
		}
		if q.Status != "ok" {
			e.level = draw.Unknown
			e.more = append(e.more, q.Status)
		}
		if q.Error != "" {
			e.level = draw.Bad
			e.more = []string{q.Error}
		}
		c.entries = append(c.entries, e)
	}
}

func (c *caseScreen) act(a action) (tea.Cmd, string) {
	before := c.list.at
	if c.list.move(a) {
		step := 1
		if c.list.at < before || a == actTop {
			step = -1
		}
		if a == actTop {
			step = 1
		}
		c.settle(step)
		return nil, ""
	}
	if a != actOnward {
		return nil, "this does nothing on the case"
	}
	if c.list.at < len(c.entries) {
		if e := &c.entries[c.list.at]; e.onward != nil {
			return open(e.onward()), ""
		}
	}
	return nil, "it leads nowhere else; p shows its query, y copies it"
}

func (c *caseScreen) picked() picked {
	if c.list.at >= len(c.entries) {
		return picked{}
	}
	return c.entries[c.list.at].picked
}

func (c *caseScreen) click(line int) bool {
	if line >= len(c.lineOf) || c.lineOf[line] >= len(c.entries) || c.entries[c.lineOf[line]].head {
		return false
	}
	return c.list.pick(c.lineOf[line])
}

func (c *caseScreen) draw(width, height int) []string {
	if len(c.entries) == 0 {
		text := "nothing is known yet"
		if c.needle != "" {
			text = fmt.Sprintf("nothing here holds %q; esc drops the filter", c.needle)
		}
		return filled([]string{draw.Pad(" "+text, width)}, width, height)
	}
	var lines []string
	var entryOf []int
	first, last := 0, 0
	for i := range c.entries {
		if i == c.list.at {
			first = len(lines)
		}
		drawn := c.drawEntry(i, width)
		lines = append(lines, drawn...)
		for range drawn {
			entryOf = append(entryOf, i)
		}
		if i == c.list.at {
			last = len(lines) - 1
		}
	}
	// The whole of what is selected comes into sight, or as much of it as has room.
	c.list.height = max(1, height/2)
	top := min(c.list.top, max(0, len(lines)-height))
	if last >= top+height {
		top = last - height + 1
	}
	if first < top {
		top = first
	}
	c.list.top = top
	end := min(len(lines), top+height)
	c.lineOf = entryOf[top:end]
	return filled(lines[top:end:end], width, height)
}

func (c *caseScreen) drawEntry(i, width int) []string {
	e := &c.entries[i]
	if e.head {
		return []string{rule(c.theme, e.text, width)}
	}
	mark, style := "  ", c.theme.Plain
	if i == c.list.at {
		mark, style = "> ", c.theme.Selected
	}
	sign := ""
	if e.signed {
		sign = e.level.Sign() + " "
	}
	var lines []string
	for j, line := range draw.Wrap(sign+e.text, max(1, width-4)) {
		if j > 0 {
			mark = "    "
		}
		lines = append(lines, style.Render(draw.Pad(mark+line, width)))
	}
	for _, text := range e.more {
		for j, line := range draw.Wrap(text, max(1, width-8)) {
			if j == moreLines && i != c.list.at {
				break
			}
			lines = append(lines, c.theme.Dim.Render(draw.Pad("      "+line, width)))
		}
	}
	return lines
}

// moreLines is how much of a long text is shown of what is not selected.
const moreLines = 2
