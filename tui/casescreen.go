package tui

import (
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"obs/correlate"
	"obs/correlate/report"
	"obs/tui/draw"
)

// caseScreen is all that was found: suspects with what speaks for them and against them,
// every hop and finding with its evidence, what is missing, and the queries that ran.
type caseScreen struct {
	*stage
	entries
	wanted string // a finding to begin at
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
	c.all = c.all[:0]
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
	c.narrow(c.needle)
	if c.wanted != "" {
		if i := slices.IndexFunc(c.all, func(e entry) bool { return e.id == c.wanted }); i >= 0 {
			c.list.at, c.wanted = i, ""
		}
	}
	c.settle(1)
}

func (c *caseScreen) addSuspects() {
	c.title("suspects")
	if len(c.found.Suspects) == 0 {
		c.all = append(c.all, entry{text: "none"})
	}
	for i := range c.found.Suspects {
		s := &c.found.Suspects[i]
		e := entry{
			text:   fmt.Sprintf("%d. %s %s  %.2f", s.Rank, s.Service, s.Operation, s.Score),
			picked: picked{text: s.Service, what: "service's name"},
			onward: func() tea.Cmd { return open(newMetricScreen(c.next(), correlate.Subject{Service: s.Service})) },
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
		c.all = append(c.all, e)
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
				e.onward = func() tea.Cmd { return open(newTraceScreen(c.next(), &traceOf{id: t.ID})) }
			}
		case "records":
			if t := c.found.Trace; t != nil && !h.Join.Weak() {
				e.onward = func() tea.Cmd { return open(newLogsScreen(c.next(), correlate.LogQuestion{Trace: t.ID}, "logs")) }
			}
		}
		c.all = append(c.all, e)
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
		c.all = append(c.all, e)
	}
}

func (c *caseScreen) addMissing() {
	c.title("missing")
	if len(c.found.Missing) == 0 {
		c.all = append(c.all, entry{text: "nothing", signed: true, level: draw.Healthy})
	}
	for _, m := range c.found.Missing {
		e := entry{text: m.Reason, signed: true, level: draw.Watch, picked: picked{text: m.Reason, what: "reason"}}
		if m.Backend != "" {
			e.text = string(m.Backend) + ": " + e.text
		}
		if m.Hint != "" {
			e.more = append(e.more, "→ "+m.Hint)
		}
		c.all = append(c.all, e)
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
		c.all = append(c.all, e)
	}
}

func (c *caseScreen) act(a action) (tea.Cmd, string) {
	switch {
	case c.move(a):
		return nil, ""
	case a != actOnward:
		return nil, "this does nothing on the case"
	}
	if e := c.selected(); e != nil && e.onward != nil {
		return e.onward(), ""
	}
	return nil, "it leads nowhere else; p shows its query, y copies it"
}

func (c *caseScreen) picked() picked {
	if e := c.selected(); e != nil {
		return e.picked
	}
	return picked{}
}

func (c *caseScreen) draw(width, height int) []string {
	if len(c.all) == 0 {
		text := "nothing is known yet"
		if c.needle != "" {
			text = fmt.Sprintf("nothing here holds %q; esc drops the filter", c.needle)
		}
		return filled([]string{draw.Pad(" "+text, width)}, width, height)
	}
	return c.entries.draw(c.theme, width, height)
}
