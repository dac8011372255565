package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"obs/correlate"
	"obs/sources"
	"obs/tui/draw"
)

// askCompare is the question how a trace differs from normal ones.
const askCompare = "normal traces of the same request"

// sheetMsg asks the program to lay a text above the screen.
type sheetMsg func(width int) []string

// differences shows what the request does otherwise than normal ones, and asks for it where
// it is not known yet.
func (t *traceScreen) differences() (tea.Cmd, string) {
	if t.view.size() == 0 {
		return nil, "there are no spans to compare"
	}
	show := func() tea.Msg { return sheetMsg(t.comparisonLines) }
	if c := t.comparison(); c != nil || t.waiting[askCompare] {
		return show, ""
	}
	if t.explorer == nil {
		return nil, "nothing can be asked yet"
	}
	explorer, trace, normal := t.explorer, t.view.trace, t.normalWindow()
	return tea.Batch(show, t.ask(askCompare, func(ctx context.Context) any { return explorer.Compare(ctx, trace, normal) })), ""
}

// comparison is the one that is known; nil for none.
func (t *traceScreen) comparison() *correlate.Comparison {
	if t.contrast == nil && t.found != nil && t.found.Comparison != nil && t.found.Trace != nil && t.found.Trace.ID == t.id() {
		return t.found.Comparison
	}
	return t.contrast
}

// normalWindow is the baseline of a triage for a trace of its window: what is normal is known
// then. It is zero for any other trace.
func (t *traceScreen) normalWindow() sources.Window {
	if c := t.found; c != nil && c.Verdict != "" && c.Baseline != nil && c.Window.Contains(t.view.trace.Start) {
		return *c.Baseline
	}
	return sources.Window{}
}

// gainCells is the width of "+ 99.9 ms" and the margins around it.
const gainCells = 12

// comparisonLines are those of the sheet, by what is known at the moment.
func (t *traceScreen) comparisonLines(width int) []string {
	var lines []string
	add := func(style draw.Style, margin int, text string) {
		for _, line := range draw.Wrap(text, max(1, width-margin-1)) {
			lines = append(lines, style.Render(draw.Pad(strings.Repeat(" ", margin)+line, width)))
		}
	}
	blank := func() { lines = append(lines, strings.Repeat(" ", width)) }
	add(t.theme.Strong, 1, "What it does otherwise than normal traces; esc puts this away")
	blank()
	c := t.comparison()
	if c == nil {
		text := "no answer came; close this, and d asks again"
		if t.waiting[askCompare] {
			text = t.spin() + " asking for " + askCompare
		}
		add(t.theme.Plain, 1, text)
		return lines
	}
	if len(c.With) > 0 {
		add(t.theme.Plain, 1, c.Title())
		blank()
		for i := range c.Rows {
			r := &c.Rows[i]
			gain := t.theme.Accent.Render(draw.PadLeft(c.Gain(r), gainCells-2) + "  ")
			changes := " " + strings.Join(r.Changes, ", ")
			room := max(0, width-gainCells-draw.Width(changes)-1)
			lines = append(lines, fitStyled(gain+draw.Pad(r.Name, min(room, draw.Width(sources.Printable(r.Name))))+t.theme.Strong.Render(" "+changes), width))
			add(t.theme.Dim, gainCells, c.Told(r))
		}
		if len(c.Rows) > 0 {
			blank()
		}
		for _, line := range c.Rest() {
			add(t.theme.Plain, 1, line)
		}
		for i := range c.Evidence {
			e := &c.Evidence[i]
			add(t.theme.Dim, 1, string(e.Backend)+": "+e.Query+" in "+e.Window.String())
		}
	}
	for _, m := range c.Missing {
		lines = append(lines, missingLines(t.theme, m, width)...)
	}
	return lines
}
