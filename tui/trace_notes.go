package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"obs/correlate"
	"obs/sources"
	"obs/tui/draw"
)

// What is known of a request beside its spans and records: the notes above the tree, and
// where the story and the list of its other traces come from.

// known is the case that says most of the trace by now; nil for none.
func (t *traceScreen) known() *correlate.Case {
	if c, trace := t.inCase(); trace != nil && !t.answered {
		return c
	}
	return t.shown
}

// isFirst tells that a case is about this trace, and not about another of its request.
func (t *traceScreen) isFirst(c *correlate.Case) bool {
	return t.view != nil && c.Trace != nil && c.Trace.ID == t.view.trace.ID
}

// failure is where the request's error began, nil where it did not fail, and the case
// whose findings it names.
func (t *traceScreen) failure() (*correlate.Failure, *correlate.Case) {
	if c := t.known(); c != nil && c.Failure != nil && t.isFirst(c) {
		return c.Failure, c
	}
	return t.view.failure, nil
}

// counting tells that how often requests fail like this is still to come.
func (t *traceScreen) counting() bool {
	c := t.known()
	return c != nil && c == t.found && !t.whole && c.Failure != nil && c.Failure.Often() == "" && t.isFirst(c)
}

// story is what the request did before it failed.
func (t *traceScreen) story() []correlate.Moment {
	if c := t.known(); c != nil && len(c.Story) > 0 && t.isFirst(c) {
		return c.Story
	}
	return correlate.Tell(t.view.trace, t.view.records)
}

// others are the other traces of the request, each leading to its screen.
func (t *traceScreen) others() []entry {
	c := t.known()
	if c == nil || t.view == nil || c.Verdict != "" { // a triage's others have nothing to do with it
		return nil
	}
	var all []entry
	add := func(trace *correlate.Trace) {
		if trace == nil || trace.ID == t.view.trace.ID {
			return
		}
		text := string(trace.ID)
		if trace.Root != nil {
			text = fmt.Sprintf("%s %s  %s  %s  %s", trace.Root.Service, trace.Root.Operation, correlate.Seconds(trace.DurationSeconds), countOf(trace.SpanCount, "span"), text)
		}
		e := entry{text: text, signed: true, level: draw.Healthy, whole: true, picked: picked{text: string(trace.ID), what: "trace ID", url: trace.URL}}
		if trace.ErrorCount > 0 {
			e.level = draw.Bad
		}
		if !trace.Start.IsZero() {
			e.more = append(e.more, "began "+trace.Start.UTC().Format("2006-01-02 15:04:05.000 UTC"))
		}
		if trace.Related != nil {
			e.more = append(e.more, "↔ "+trace.Related.Text)
		}
		of := traceOf{id: trace.ID, in: c}
		e.onward = func() tea.Cmd { return func() tea.Msg { return traceMsg(of) } }
		all = append(all, e)
	}
	add(c.Trace)
	for i := range c.OtherTraces {
		add(&c.OtherTraces[i])
	}
	return all
}

// listOthers lists them above the screen.
func (t *traceScreen) listOthers() (tea.Cmd, string) {
	all := t.others()
	if len(all) == 0 {
		if t.counting() {
			return nil, "other traces of the request are still being looked for"
		}
		return nil, "no other trace of this request is known"
	}
	return func() tea.Msg {
		return choiceMsg{title: "Other traces of the same request; ↵ opens one, esc puts this away", all: all}
	}, ""
}

// note is a line above the tree.
type note struct {
	text, tail string // the tail stays where the text has no room
	style      draw.Style
}

// notes are what is to be known before one reads the tree, most telling first.
func (t *traceScreen) notes(width int) []note {
	if t.view.size() == 0 {
		return nil
	}
	var all []note
	if f, _ := t.failure(); f != nil {
		text := draw.Bad.Sign() + " " + f.What()
		all = append(all, note{text, t.failureTail(f, max(width-leastSaid, width-draw.Width(sources.Printable(text))-1)), t.theme.Bad})
	}
	if r := t.view.trace.Related; r != nil {
		all = append(all, note{"↔ " + r.Text, " · T others", t.theme.Plain})
	} else if n := len(t.others()); n > 0 {
		all = append(all, note{fmt.Sprintf("↔ %s of the same request", countOf(n, "other trace")), " · T lists", t.theme.Plain})
	}
	for _, remark := range t.view.trace.Remarks {
		all = append(all, note{"! " + remark, "", t.theme.Watch})
	}
	return all
}

// leastSaid is how much of an error is said, in cells, before how often there is such a one:
// a service, an operation and the beginning of a message.
const leastSaid = 60

// failureTail says how often requests fail like that, as much of it as has room, and where
// there is more.
func (t *traceScreen) failureTail(f *correlate.Failure, room int) string {
	often := f.Often()
	if often == "" && t.counting() {
		often = t.spin() + " counting how often"
	}
	const story = " · s story"
	now, _, _ := strings.Cut(often, ", ")
	for _, text := range []string{often, now} {
		if tail := " · " + text + story; text != "" && draw.Width(tail) <= room {
			return tail
		}
	}
	return story
}

// drawNotes draws as many notes as leave room for the spans, each in a line: the story
// has them whole. Where the error began is always said.
func (t *traceScreen) drawNotes(width, height int) []string {
	all := t.notes(width)
	room := 1 + height/8
	if height < 12 {
		room = 1
	}
	var lines []string
	for i, n := range all {
		if i == room-1 && len(all) > room && room > 1 {
			lines = append(lines, t.theme.Dim.Render(draw.Pad(fmt.Sprintf(" … %s; s tells all", countOf(len(all)-i, "more note")), width)))
			break
		}
		if i == room {
			break
		}
		text := draw.Cut(" "+sources.Printable(n.text), max(0, width-draw.Width(n.tail)))
		lines = append(lines, n.style.Render(text)+t.theme.Accent.Render(n.tail)+strings.Repeat(" ", max(0, width-draw.Width(text)-draw.Width(n.tail))))
	}
	return lines
}

// spotOf is where a moment stands in the tree.
func (v *treeView) spotOf(m *correlate.Moment) (traceSpot, bool) {
	owner, known := v.byID[m.SpanID]
	span := v.size()
	if known && m.SpanID != "" {
		span = int(owner)
	}
	if m.Kind == correlate.MomentRecord {
		for at := v.recordAt[span]; at < v.recordAt[span+1]; at++ {
			if r := &v.records[v.recordOf[at]]; r.Time.Equal(m.Time) && r.Service == m.Service {
				return traceSpot{span, int(at)}, true
			}
		}
	}
	return traceSpot{span, -1}, span < v.size()
}

// attemptText says which attempt of a call a span is; empty for a call that was made once.
func attemptText(s *correlate.Span) string {
	if s.Attempts == 0 {
		return ""
	}
	return fmt.Sprintf("attempt %d of %d", s.Attempt, s.Attempts)
}
