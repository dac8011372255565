package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"obs/tui/draw"
)

// choice is a list above the screen, of which one leads on.
type choice struct {
	app *app
	entries
	titled string
}

// choiceMsg asks the program to lay a list above the screen.
type choiceMsg struct {
	title string
	all   []entry
}

// traceMsg asks the program for the screen of a trace.
type traceMsg traceOf

func newChoice(a *app, c choiceMsg) *choice {
	made := &choice{app: a, titled: c.title, entries: entries{all: c.all}}
	made.settle(1)
	return made
}

func (c *choice) covers() bool { return true }

func (c *choice) update(msg tea.Msg) tea.Cmd {
	key, pressed := msg.(tea.KeyPressMsg)
	if !pressed {
		return nil
	}
	b := at(key.String(), c.app.top().place())
	if b == nil || c.move(b.act) {
		return nil
	}
	switch b.act {
	case actQuit, actBack, actHelp, actOthers:
		c.app.overlay = nil
	case actOnward:
		c.app.overlay = nil
		if e := c.selected(); e != nil && e.onward != nil {
			return e.onward()
		}
	case actCopy:
		if e := c.selected(); e != nil {
			return c.app.copy(e.picked.text, e.picked.what)
		}
	}
	return nil
}

func (c *choice) draw(width, height int) []string {
	lines := []string{c.app.theme.Strong.Render(draw.Pad(" "+c.titled, width)), strings.Repeat(" ", width)}
	return append(lines, c.entries.draw(c.app.theme, width, max(0, height-len(lines)))...)
}

// showTrace goes back to the screen of a trace, or opens one.
func (a *app) showTrace(of traceOf) tea.Cmd {
	for i, s := range a.stack {
		t, ok := s.(*traceScreen)
		if !ok || t.id() != of.id {
			continue
		}
		for _, above := range a.stack[i+1:] {
			above.base().leave()
		}
		a.stack = a.stack[:i+1]
		return nil
	}
	if len(a.stack) > 0 && a.top().place() == onStory {
		a.top().base().leave()
		a.stack = a.stack[:len(a.stack)-1]
	}
	return a.push(newTraceScreen(a.stageFor(), &of))
}
