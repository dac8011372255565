package tui

import (
	"fmt"
	"slices"
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"obs/correlate"
	"obs/sources"
	"obs/tui/draw"
)

// overlay is what lies above a screen and takes its keys.
type overlay interface {
	update(msg tea.Msg) tea.Cmd
	// covers tells that it takes the place of the screen's body, and not of one line.
	covers() bool
	draw(width, height int) []string
}

// sheet is a text above the screen, until it is put away.
type sheet struct {
	app   *app
	lines func(width int) []string
	text  string // what y copies
	what  string
	list  list
}

func (s *sheet) covers() bool { return true }

func (s *sheet) update(msg tea.Msg) tea.Cmd {
	key, pressed := msg.(tea.KeyPressMsg)
	if !pressed {
		return nil
	}
	b := at(key.String(), s.app.top().place())
	switch {
	case b == nil:
	case b.act == actQuit, b.act == actBack, b.act == actHelp, b.act == actOnward, b.act == actQuery, b.act == actDifference:
		s.app.overlay = nil
	case (b.act == actCopy || b.act == actCopyQuery) && s.text != "":
		return s.app.copy(s.text, s.what)
	default:
		s.list.scroll(b.act)
	}
	return nil
}

func (s *sheet) draw(width, height int) []string {
	all := s.lines(width)
	s.list.count, s.list.height = len(all), height
	s.list.top = max(0, min(s.list.top, len(all)-height))
	lines := make([]string, 0, height)
	for i := s.list.top; i < len(all) && len(lines) < height; i++ {
		lines = append(lines, all[i])
	}
	return filled(lines, width, height)
}

// scroll moves what is in sight where nothing is selected.
func (l *list) scroll(a action) {
	from := *l
	from.at, from.count = l.top, max(1, l.count-l.height+1)
	from.move(a)
	l.top = from.at
}

// filled adds empty lines up to height.
func filled(lines []string, width, height int) []string {
	for len(lines) < height {
		lines = append(lines, strings.Repeat(" ", width))
	}
	return lines[:height]
}

func newHelp(a *app) overlay {
	on := a.top().place()
	return &sheet{app: a, lines: func(width int) []string {
		title := fmt.Sprintf(" Keys on %s; esc puts this away", on)
		lines := []string{a.theme.Strong.Render(draw.Pad(title, width)), strings.Repeat(" ", width)}
		for _, b := range bindingsOn(on) {
			keys := draw.Pad("  "+b.shownKeys(), 22)
			lines = append(lines, a.theme.Accent.Render(keys)+draw.Pad(b.help, width-22))
		}
		lines = append(lines, strings.Repeat(" ", width))
		for _, text := range []string{
			"The mouse selects a row, a second click goes on to it, and the wheel scrolls.",
			"● healthy  ▲ to be watched  ✖ bad  ? not known",
		} {
			lines = append(lines, a.theme.Dim.Render(draw.Pad("  "+text, width)))
		}
		return lines
	}}
}

// showQuery shows the whole query behind what is selected.
func (a *app) showQuery(p picked) {
	if p.query == "" {
		a.status = "no query is behind this"
		return
	}
	a.overlay = &sheet{app: a, text: p.query, what: "query", lines: func(width int) []string {
		lines := []string{a.theme.Strong.Render(draw.Pad(" The query behind it; y copies it, esc puts this away", width)), strings.Repeat(" ", width)}
		for _, line := range draw.Wrap(p.query, width-4) {
			lines = append(lines, draw.Pad("  "+line, width))
		}
		if p.url != "" {
			lines = append(lines, strings.Repeat(" ", width))
			for _, line := range draw.Wrap(p.url, width-4) {
				lines = append(lines, a.theme.Dim.Render(draw.Pad("  "+line, width)))
			}
		}
		return lines
	}}
}

// prompt is one line to type into.
type prompt struct {
	app    *app
	input  textinput.Model
	done   func(text string) tea.Cmd // enter
	change func(text string) tea.Cmd // every key; nil for none
	cancel func() tea.Cmd            // esc; nil for none
}

func newPrompt(a *app, label, text, hint string, suggestions []string) *prompt {
	input := textinput.New()
	input.Prompt = " " + label + " "
	input.Placeholder = hint
	input.CharLimit = 4096
	input.ShowSuggestions = len(suggestions) > 0
	input.SetSuggestions(suggestions)
	input.SetValue(text)
	input.CursorEnd()
	styles := textinput.DefaultStyles(a.dark)
	if a.noColor {
		styles = textinput.Styles{}
	}
	styles.Cursor.Blink = false // what blinks wakes the program twice a second
	input.SetStyles(styles)
	input.SetVirtualCursor(true)
	input.Focus()
	return &prompt{app: a, input: input}
}

func (p *prompt) covers() bool { return false }

func (p *prompt) update(msg tea.Msg) tea.Cmd {
	if key, pressed := msg.(tea.KeyPressMsg); pressed {
		switch key.String() {
		case "enter":
			p.app.overlay = nil
			return p.done(strings.TrimSpace(p.input.Value()))
		case "esc":
			p.app.overlay = nil
			if p.cancel != nil {
				return p.cancel()
			}
			return nil
		}
	}
	if msg == nil {
		return nil
	}
	before := p.input.Value()
	var cmd tea.Cmd
	p.input, cmd = p.input.Update(msg)
	if p.change != nil && p.input.Value() != before {
		return tea.Batch(cmd, p.change(p.input.Value()))
	}
	return cmd
}

func (p *prompt) draw(width, _ int) []string {
	p.input.SetWidth(max(1, width-draw.Width(p.input.Prompt)-1))
	return []string{fitStyled(p.input.View(), width)}
}

// newFilter narrows what the screen shows while one types.
func newFilter(a *app) overlay {
	s := a.top()
	label := "filter"
	if s.place() == onTrace {
		label = "search"
	}
	p := newPrompt(a, label+" /", s.base().needle, "a text; empty shows all", nil)
	set := func(text string) tea.Cmd {
		s.base().needle = text
		return s.filter(text)
	}
	p.done, p.change = set, set
	before := s.base().needle
	p.cancel = func() tea.Cmd { return set(before) }
	return p
}

func (a *app) askTime() tea.Cmd {
	if a.options.Renew == nil {
		a.status = "the time is that of what was asked for, and stays"
		return nil
	}
	p := newPrompt(a, "time", "", "30m, 2h, or FROM TO such as 14:00 14:30", []string{"5m", "15m", "30m", "1h", "3h", "6h", "12h", "24h"})
	p.done = func(text string) tea.Cmd {
		if text == "" {
			return nil
		}
		return a.renew(text)
	}
	a.overlay = p
	return nil
}

// command is one that can be typed after a colon.
type command struct {
	name, help string
	run        func(rest string) tea.Cmd
}

// commands are those of the palette: every action of the screen by its name, and what
// wants a word more.
func (a *app) commands() []command {
	var all []command
	for _, b := range bindingsOn(a.top().place()) {
		what := b.act
		all = append(all, command{name: string(what), help: b.help, run: func(string) tea.Cmd { return a.act(what) }})
	}
	return append(all,
		command{name: "service", help: "the metrics of a service", run: a.toService},
		command{name: "trace", help: "a trace by its ID", run: a.toTrace},
		command{name: "since", help: "the time up to now, such as 30m", run: a.renew},
	)
}

func newPalette(a *app) overlay {
	all := a.commands()
	names := make([]string, 0, len(all))
	for _, c := range all {
		if !slices.Contains(names, c.name) {
			names = append(names, c.name)
		}
	}
	for _, service := range a.serviceNames() {
		names = append(names, "service "+service)
	}
	p := newPrompt(a, ":", "", "a command; tab completes, ↓ goes through what fits", names)
	p.done = func(text string) tea.Cmd {
		if text == "" {
			return nil
		}
		// The longest name first, as names of actions have spaces.
		best := -1
		for i, c := range all {
			if (text == c.name || strings.HasPrefix(text, c.name+" ")) && (best < 0 || len(c.name) > len(all[best].name)) {
				best = i
			}
		}
		if best < 0 {
			a.status = fmt.Sprintf("there is no command %q; tab completes", sources.Shorten(sources.Printable(text), 40))
			return nil
		}
		return all[best].run(strings.TrimSpace(strings.TrimPrefix(text, all[best].name)))
	}
	return p
}

// serviceNames are those that the overview and the case know.
func (a *app) serviceNames() []string {
	var names []string
	if o, ok := a.stack[0].(*overview); ok && o.table != nil {
		for _, row := range o.table.Services {
			names = append(names, row.Service)
		}
	}
	if a.found != nil {
		for _, s := range a.found.Suspects {
			names = append(names, s.Service)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (a *app) toService(name string) tea.Cmd {
	if name == "" {
		a.status = "name the service: service NAME"
		return nil
	}
	return a.push(newMetricScreen(a.stageFor(), correlate.Subject{Service: name}))
}

func (a *app) toTrace(text string) tea.Cmd {
	id, ok := sources.ParseTraceID(text)
	if !ok {
		a.status = "name the trace by its ID, in hexadecimal: trace ID"
		return nil
	}
	return a.push(newTraceScreen(a.stageFor(), &traceOf{id: id}))
}
