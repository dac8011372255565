package tui

import (
	"context"
	"maps"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"obs/correlate"
	"obs/tui/draw"
)

// screen is one step of the walk. Its methods run on the program's own goroutine and do
// nothing that takes time: what does, they put into a stage's ask.
type screen interface {
	base() *stage
	place() place
	// crumb is its name in the breadcrumbs.
	crumb() string
	// load asks what the screen shows: when it is entered, and again on refresh.
	load() tea.Cmd
	// take takes the answer to a question of its own in.
	take(answer any) tea.Cmd
	// act does one of the actions of its place, or of those that move. It says why where
	// it cannot.
	act(a action) (cmd tea.Cmd, refusal string)
	// draw draws the body in exactly height lines of exactly width cells.
	draw(width, height int) []string
	// picked is what is selected.
	picked() picked
	// filter narrows what is shown to what holds the text; all of it when empty.
	filter(text string) tea.Cmd
	// click selects what was drawn at a line of the body, and tells whether it was
	// selected before.
	click(line int) (again bool)
}

// picked is what is selected, for the keys that work on it.
type picked struct {
	text  string // what y copies: an ID or a line
	what  string // what that is: trace ID
	query string // behind it
	url   string // of it in the backend's page
}

// session is what all screens share. Only the program's own goroutine changes it.
type session struct {
	options  Options
	explorer Explorer         // nil until what is asked is open
	found    *correlate.Case  // as far as it is known; nil at first
	whole    bool             // the case is whole
	steps    []correlate.Step // of the work, in the order in which they began
	theme    draw.Theme
	tick     int // of the spinner
	jobs     *jobs
}

// stage is what every screen is built on: its place among the questions under way.
type stage struct {
	*session
	parent  context.Context // ends when the person leaves
	ctx     context.Context // ends when the screen is left or asks anew
	stop    context.CancelFunc
	id      int // of the screen
	round   int // grows when it asks anew
	waiting map[string]bool
	needle  string // of the filter
}

func (s *stage) base() *stage { return s }

// enter makes the stage part of the program: its questions end with ctx.
func (s *stage) enter(ctx context.Context, id int) {
	s.leave()
	s.id, s.parent = id, ctx
	s.round++
	s.waiting = map[string]bool{}
	s.ctx, s.stop = context.WithCancel(ctx)
}

// leave ends the questions under way. What they still answer is dropped.
func (s *stage) leave() {
	if s.stop != nil {
		s.stop()
	}
}

// next is a stage for a screen that this one leads to.
func (s *stage) next() *stage { return &stage{session: s.session} }

// waits lists what has been asked and not been answered.
func (s *stage) waits() []string { return slices.Sorted(maps.Keys(s.waiting)) }

// answerMsg is the answer to a question of a screen.
type answerMsg struct {
	screen, round int
	what          string
	answer        any
	more          bool // further ones follow
}

// ask puts a question that takes time. Its answer comes to the screen's take, unless the
// screen has been left or has asked anew by then. What names it, and is shown with a
// spinner while it is under way.
func (s *stage) ask(what string, question func(context.Context) any) tea.Cmd {
	s.waiting[what] = true
	ctx, reply := s.ctx, answerMsg{screen: s.id, round: s.round, what: what}
	return s.jobs.run(func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, s.options.timeout())
		defer cancel()
		reply.answer = question(ctx)
		return reply
	})
}

// stream is ask for a question whose answer comes in pieces: each piece that work hands
// to emit comes to take, and so does what it returns in the end. It has no time limit.
func (s *stage) stream(what string, work func(ctx context.Context, emit func(any)) any) tea.Cmd {
	s.waiting[what] = true
	ctx, reply, send := s.ctx, answerMsg{screen: s.id, round: s.round, what: what}, s.options.send
	return s.jobs.run(func() tea.Msg {
		piece := reply
		piece.more = true
		reply.answer = work(ctx, func(answer any) {
			piece.answer = answer
			send(piece)
		})
		return reply
	})
}

// openMsg asks the program to show another screen above this one.
type openMsg struct{ screen screen }

// open leads to another screen.
func open(next screen) tea.Cmd { return func() tea.Msg { return openMsg{next} } }

// saidMsg is a sentence for the status line.
type saidMsg string

func say(text string) tea.Cmd { return func() tea.Msg { return saidMsg(text) } }

// spin is the spinner's present frame.
func (s *session) spin() string {
	const frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
	all := []rune(frames)
	return string(all[s.tick%len(all)])
}

// spinEvery is how often the spinner turns.
const spinEvery = 100 * time.Millisecond

// list is a selection in rows of which some are in sight.
type list struct {
	at, top, count, height int
}

// move does an action that moves; false for any other.
func (l *list) move(a action) bool {
	page := max(1, l.height-1)
	switch a {
	case actUp:
		l.at--
	case actDown:
		l.at++
	case actPageUp:
		l.at -= page
	case actPageDown:
		l.at += page
	case actTop:
		l.at = 0
	case actBottom:
		l.at = l.count - 1
	default:
		return false
	}
	l.clamp()
	return true
}

func (l *list) clamp() { l.at = max(0, min(l.at, l.count-1)) }

// show scrolls as little as brings the selection into sight.
func (l *list) show(count, height int) {
	l.count, l.height = count, max(1, height)
	l.clamp()
	l.top = max(0, min(l.top, l.count-l.height))
	switch {
	case l.at < l.top:
		l.top = l.at
	case l.at >= l.top+l.height:
		l.top = l.at - l.height + 1
	}
}

// select selects a row, and tells whether it was selected before.
func (l *list) pick(row int) (again bool) {
	again = row == l.at
	l.at = row
	l.clamp()
	return again && row == l.at
}
