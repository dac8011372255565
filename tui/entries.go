package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"obs/tui/draw"
)

// entry is one thing in a list of things of several lines.
type entry struct {
	head   bool // a title, which cannot be selected
	level  draw.Level
	signed bool
	label  string // before the text, whose further lines stand beneath its beginning
	text   string
	style  draw.Style
	more   []string // further lines, dimmer
	whole  bool     // all of more is shown, selected or not
	picked picked
	onward func() tea.Cmd
	failed bool   // it tells of a failure
	id     string // of a finding
}

// entries is a list of things of several lines each, of which one is selected.
type entries struct {
	all    []entry
	list   list
	lineOf []int // the entry that stands at each line of the body
}

func (e *entries) title(text string) { e.all = append(e.all, entry{head: true, text: text}) }

// narrow keeps what holds a text, in upper or lower case.
func (e *entries) narrow(needle string) {
	if needle != "" {
		e.all = slices.DeleteFunc(e.all, func(one entry) bool {
			return !strings.Contains(strings.ToLower(one.label+one.text+" "+strings.Join(one.more, " ")), strings.ToLower(needle))
		})
	}
}

// settle moves on from a title to what stands below it, or above.
func (e *entries) settle(step int) {
	e.list.count = len(e.all)
	e.list.clamp()
	for range 2 {
		for i := e.list.at; i >= 0 && i < len(e.all); i += step {
			if !e.all[i].head {
				e.list.at = i
				return
			}
		}
		step = -step
	}
}

// move does an action that moves; false for any other.
func (e *entries) move(a action) bool {
	before := e.list.at
	if !e.list.move(a) {
		return false
	}
	step := 1
	if a != actTop && (e.list.at < before) {
		step = -1
	}
	e.settle(step)
	return true
}

// selected is the selected entry; nil for none.
func (e *entries) selected() *entry {
	if e.list.at >= len(e.all) || e.all[e.list.at].head {
		return nil
	}
	return &e.all[e.list.at]
}

func (e *entries) click(line int) bool {
	if line >= len(e.lineOf) || e.lineOf[line] >= len(e.all) || e.all[e.lineOf[line]].head {
		return false
	}
	return e.list.pick(e.lineOf[line])
}

// draw draws as many as have room, the selected one among them.
func (e *entries) draw(theme draw.Theme, width, height int) []string {
	var lines []string
	var entryOf []int
	first, last := 0, 0
	for i := range e.all {
		if i == e.list.at {
			first = len(lines)
			if i == 1 && e.all[0].head {
				first = 0 // the title above the first comes into sight with it
			}
		}
		drawn := e.drawEntry(theme, i, width)
		lines = append(lines, drawn...)
		for range drawn {
			entryOf = append(entryOf, i)
		}
		if i == e.list.at {
			last = len(lines) - 1
		}
	}
	// The whole of what is selected comes into sight, or as much of it as has room.
	e.list.height = max(1, height/2)
	top := min(e.list.top, max(0, len(lines)-height))
	if last >= top+height {
		top = last - height + 1
	}
	if first < top {
		top = first
	}
	e.list.top = top
	end := min(len(lines), top+height)
	e.lineOf = entryOf[top:end]
	return filled(lines[top:end:end], width, height)
}

// leastBeside is how much room a text needs beside its label.
const leastBeside = 20

func (e *entries) drawEntry(theme draw.Theme, i, width int) []string {
	one := &e.all[i]
	if one.head {
		return []string{rule(theme, one.text, width)}
	}
	mark, style := "  ", one.style
	if i == e.list.at {
		mark, style = "> ", theme.Selected
	}
	sign := ""
	if one.signed {
		sign = one.level.Sign() + " "
	}
	label := draw.Cut(one.label, max(0, width-4-leastBeside))
	margin := strings.Repeat(" ", 2+draw.Width(label))
	if label == "" {
		margin = "    "
	}
	var lines []string
	for j, line := range draw.Wrap(sign+one.text, max(1, width-max(4, draw.Width(margin)))) {
		start := mark + label
		if j > 0 {
			start = margin
		}
		lines = append(lines, style.Render(draw.Pad(start+line, width)))
	}
	for _, text := range one.more {
		for j, line := range draw.Wrap(text, max(1, width-8)) {
			if j == moreLines && i != e.list.at && !one.whole {
				break
			}
			lines = append(lines, theme.Dim.Render(draw.Pad("      "+line, width)))
		}
	}
	return lines
}

// moreLines is how much of a long text is shown of what is not selected.
const moreLines = 2
