package tui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
	"obs/tui/draw"
)

// storyScreen is what there is to know of one request beside its spans: where its error
// began and how often others fail like that, what it did before, what to keep in mind of
// its trace, its other traces, and where the logs carry its ID.
type storyScreen struct {
	*stage
	entries
	of       *traceScreen // which it was opened from, and leads back to
	unfolded bool         // the whole stack of the exception
	frames   int          // of the stack that are not shown
}

func newStoryScreen(s *stage, of *traceScreen) *storyScreen { return &storyScreen{stage: s, of: of} }

func (s *storyScreen) place() place  { return onStory }
func (s *storyScreen) crumb() string { return "story" }

func (s *storyScreen) load() tea.Cmd {
	s.collect()
	if s.round > 1 {
		return say("it tells what the trace's screen has; esc goes there, and r asks again")
	}
	return nil
}

func (s *storyScreen) take(any) tea.Cmd {
	s.collect()
	return nil
}

func (s *storyScreen) filter(text string) tea.Cmd {
	s.needle = text
	s.collect()
	return nil
}

// collect lists what is known by now. What is selected stays so while more comes in, as
// that stands behind it.
func (s *storyScreen) collect() {
	s.all = s.all[:0]
	if s.of.view == nil {
		return
	}
	s.addFailure()
	s.addRemarks()
	s.addMoments()
	s.addOthers()
	s.addPlaces()
	s.narrow(s.needle)
	s.settle(1)
}

func (s *storyScreen) addFailure() {
	f, known := s.of.failure()
	if f == nil {
		e := entry{text: "the request did not fail", signed: true, level: draw.Healthy, whole: true, more: []string{"d on its trace says what it does otherwise than normal ones"}}
		switch n := len(s.of.view.failed); {
		case s.of.view.size() == 0:
			e.text, e.level, e.more = "where its error began is not known: there are no spans of it", draw.Unknown, nil
		case n > 0:
			e.text, e.level = "what is to blame for its time did not fail; "+countOf(n, "other span")+" did, x on its trace goes through them", draw.Watch
		}
		s.all = append(s.all, e)
		return
	}
	origin := s.toSpan(f.SpanID)
	e := entry{text: f.What(), signed: true, level: draw.Bad, style: s.theme.Bad, whole: true, onward: origin, picked: picked{text: f.What(), what: "error"}}
	for _, id := range f.Findings {
		if finding := known.Finding(id); finding != nil {
			e.more = append(e.more, finding.Statement)
			if e.picked.query == "" && len(finding.Evidence) > 0 {
				e.picked.query, e.picked.url = finding.Evidence[0].Query, finding.Evidence[0].URL
			}
		}
	}
	if s.of.counting() {
		e.more = append(e.more, "… how often requests fail like that is still being counted")
	}
	s.all = append(s.all, e)
	if f.Exception != nil {
		s.addException(f.Exception, origin)
	}
}

// shownFrames is how many lines of a stack are shown until it is unfolded: the first say
// where it was thrown.
const shownFrames = 5

func (s *storyScreen) addException(x *correlate.Exception, origin func() tea.Cmd) {
	said := x.Message
	if x.Type != "" {
		said = strings.TrimSuffix(x.Type+": "+x.Message, ": ")
	}
	e := entry{text: "exception " + said, whole: true, onward: origin, picked: picked{text: strings.TrimSpace(said + "\n" + x.Stack), what: "exception"}}
	s.frames = 0
	if stack := strings.TrimSpace(x.Stack); stack != "" {
		e.more = strings.Split(stack, "\n")
		for i := range e.more {
			e.more[i] = "┆ " + strings.TrimSpace(e.more[i])
		}
		s.frames = max(0, len(e.more)-shownFrames)
		if s.frames > 0 && !s.unfolded {
			e.more = append(e.more[:shownFrames:shownFrames], fmt.Sprintf("… %d more lines of the stack; z shows them", s.frames))
		}
	}
	s.all = append(s.all, e)
}

func (s *storyScreen) addRemarks() {
	t := s.of.view.trace
	for _, remark := range t.Remarks {
		s.all = append(s.all, entry{label: "! ", text: remark, style: s.theme.Watch, picked: picked{text: remark, what: "remark"}})
	}
	if t.Related != nil {
		s.all = append(s.all, entry{label: "↔ ", text: t.Related.Text, picked: picked{text: string(t.Related.TraceID), what: "trace ID"}})
	}
}

// widestService bounds the services of a story, so that there is room for what they did.
const widestService = 20

func (s *storyScreen) addMoments() {
	moments := s.of.story()
	if len(moments) == 0 {
		return
	}
	s.title("what happened, since the request began")
	cells := 0
	for i := range moments {
		cells = max(cells, min(draw.Width(moments[i].Service), widestService))
	}
	for i := range moments {
		m := &moments[i]
		mark, style := " ", s.theme.Plain
		switch {
		case m.Kind == correlate.MomentError:
			mark, style = "►", s.theme.Bad
		case m.Failed:
			mark, style = draw.Bad.Sign(), s.theme.Bad
		}
		s.all = append(s.all, entry{
			label: mark + draw.PadLeft("+"+correlate.Seconds(max(0, m.OffsetSeconds)), timeCells+1) + " " + draw.Pad(m.Service, cells) + " ",
			text:  m.Text, style: style, failed: m.Failed, picked: picked{text: m.Text, what: "moment"},
			onward: s.back(func(v *treeView) (traceSpot, bool) { return v.spotOf(m) }),
		})
	}
}

func (s *storyScreen) addOthers() {
	others := s.of.others()
	if len(others) > 0 {
		s.title("other traces of the same request")
		s.all = append(s.all, others...)
	}
}

func (s *storyScreen) addPlaces() {
	known := s.of.known()
	if known == nil || len(known.Places) == 0 || !s.of.isFirst(known) {
		return
	}
	s.title("where the logs carry the trace ID")
	for _, p := range known.Places {
		text := report.PlaceName(p)
		if p.Records > 0 {
			text += ", " + countOf(p.Records, "record")
		}
		s.all = append(s.all, entry{label: draw.Pad(p.Service, widestService) + " ", text: text, picked: picked{text: p.Service, what: "service's name"}})
	}
}

// leftMsg asks the program to go back from a screen, if it is still shown.
type leftMsg struct{ screen int }

// back leads back to the tree, at a spot that is looked for by then.
func (s *storyScreen) back(find func(*treeView) (traceSpot, bool)) func() tea.Cmd {
	return func() tea.Cmd {
		if s.of.view == nil {
			return nil
		}
		at, known := find(s.of.view)
		if !known {
			return say("the trace has no span of this")
		}
		s.of.moved = true
		s.of.jump(at)
		id := s.id
		return func() tea.Msg { return leftMsg{id} }
	}
}

func (s *storyScreen) toSpan(id sources.SpanID) func() tea.Cmd {
	return s.back(func(v *treeView) (traceSpot, bool) {
		at, known := v.byID[id]
		return traceSpot{int(at), -1}, known
	})
}

func (s *storyScreen) act(a action) (tea.Cmd, string) {
	if s.move(a) {
		return nil, ""
	}
	switch a {
	case actOnward:
		if e := s.selected(); e != nil && e.onward != nil {
			return e.onward(), ""
		}
		return nil, "it leads nowhere else; y copies it"
	case actNextError:
		return nil, s.nextFailed()
	case actFold:
		if s.frames == 0 {
			return nil, "all that is known of the stack is shown"
		}
		s.unfolded = !s.unfolded
		s.collect()
		return nil, ""
	}
	return nil, "this does nothing on the story"
}

// nextFailed goes to the next moment at which something failed.
func (s *storyScreen) nextFailed() string {
	after := slices.IndexFunc(s.all[min(s.list.at+1, len(s.all)):], func(e entry) bool { return e.failed })
	if after >= 0 {
		s.list.at += 1 + after
		return ""
	}
	if first := slices.IndexFunc(s.all, func(e entry) bool { return e.failed }); first >= 0 {
		s.list.at = first
		return "from the top again"
	}
	return "nothing failed in this story"
}

func (s *storyScreen) picked() picked {
	if e := s.selected(); e != nil {
		return e.picked
	}
	return picked{}
}

func (s *storyScreen) draw(width, height int) []string {
	if len(s.all) == 0 {
		text := "nothing is known of the request yet"
		if s.needle != "" {
			text = fmt.Sprintf("nothing here holds %q; esc drops the filter", s.needle)
		}
		return filled([]string{draw.Pad(" "+text, width)}, width, height)
	}
	return s.entries.draw(s.theme, width, height)
}
