package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"obs/correlate"
	"obs/tui/draw"
)

// Below this size there is no room for anything worth reading.
const (
	leastWidth  = 60
	leastHeight = 15
)

// A terminal that does not know its size, as a serial line or a container's, is taken
// for the usual one.
const (
	usualWidth  = 80
	usualHeight = 24
)

type (
	stepMsg   correlate.Step
	openedMsg struct{ explorer Explorer }
	caseMsg   struct {
		found *correlate.Case
		round int
	}
	spinMsg struct{}
)

// app is the program's state. Only Update changes it.
type app struct {
	*session
	ctx context.Context // ends when the person leaves

	width, height int
	noColor       bool
	dark          bool
	stack         []screen // the first is where the walk began
	overlay       overlay  // nil unless something lies above the screen
	nextID        int
	round         int // of the triage: grows when it is asked anew
	status        string
	spinning      bool
	watching      watching
	mouse         bool
	backends      string // how they do, in the title
	hold          func(time.Duration, tea.Msg) tea.Cmd
}

// after is a message that comes later.
func after(d time.Duration, msg tea.Msg) tea.Cmd {
	return tea.Tick(d, func(time.Time) tea.Msg { return msg })
}

func newApp(ctx context.Context, o Options) *app {
	a := &app{ctx: ctx, noColor: o.NoColor, dark: true, mouse: true, hold: after}
	a.session = &session{options: o, jobs: &jobs{title: o.Title, crash: func(*CrashError) {}}}
	a.theme = draw.NewTheme(a.dark, a.noColor)
	if o.Trace {
		a.push(newTraceScreen(a.stageFor(), nil))
	} else {
		a.push(newOverview(a.stageFor()))
	}
	return a
}

func (a *app) stageFor() *stage { return &stage{session: a.session} }

// push shows a screen above the others. Until what is asked is open it asks nothing.
func (a *app) push(s screen) tea.Cmd {
	a.nextID++
	a.stack = append(a.stack, s)
	return a.load(s)
}

func (a *app) load(s screen) tea.Cmd {
	id := s.base().id
	if id == 0 {
		id = a.nextID
	}
	s.base().enter(a.ctx, id)
	if a.explorer == nil {
		return nil
	}
	return s.load()
}

func (a *app) top() screen { return a.stack[len(a.stack)-1] }

// Init starts the work.
func (a *app) Init() tea.Cmd {
	return tea.Batch(tea.RequestBackgroundColor, a.open(), a.turn())
}

// open opens what is asked, and then begins the triage.
func (a *app) open() tea.Cmd {
	return a.jobs.run(func() tea.Msg {
		explorer := a.options.Open(a.ctx, a.options.observe)
		return openedMsg{explorer}
	})
}

// triage asks for the case, anew where there was one.
func (a *app) triage() tea.Cmd {
	a.round++
	a.whole = false
	a.steps = nil
	round, explorer := a.round, a.explorer
	return a.jobs.run(func() tea.Msg {
		ctx, cancel := context.WithTimeout(a.ctx, a.options.timeout())
		defer cancel()
		return caseMsg{found: a.options.Work(ctx, explorer, a.options.observe), round: round}
	})
}

// Update takes one message in. It does no work that takes time.
func (a *app) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	cmd := a.guarded(msg)
	return a, cmd
}

func (a *app) guarded(msg tea.Msg) tea.Cmd {
	defer a.jobs.guard()
	cmd := a.update(msg)
	return tea.Batch(cmd, a.turn())
}

func (a *app) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		return a.resize(msg)
	case tea.BackgroundColorMsg:
		a.dark = msg.IsDark()
		a.theme = draw.NewTheme(a.dark, a.noColor)
	case tea.KeyPressMsg:
		return a.key(msg)
	case tea.MouseWheelMsg:
		return a.wheel(msg.Mouse().Button)
	case tea.MouseClickMsg:
		return a.clicked(msg.Mouse())
	case openedMsg:
		return a.opened(msg.explorer)
	case stepMsg:
		return a.note(correlate.Step(msg))
	case caseMsg:
		return a.took(msg)
	case answerMsg:
		return a.answered(msg)
	case openMsg:
		a.status = ""
		return a.push(msg.screen)
	case traceMsg:
		a.status = ""
		return a.showTrace(traceOf(msg))
	case leftMsg:
		if s := a.top(); s.base().id == msg.screen && len(a.stack) > 1 {
			s.base().leave()
			a.stack = a.stack[:len(a.stack)-1]
		}
	case choiceMsg:
		a.overlay = newChoice(a, msg)
	case sheetMsg:
		a.overlay = &sheet{app: a, lines: msg}
	case saidMsg:
		a.status = string(msg)
	case spinMsg:
		a.spinning = false
		a.tick++
	case watchMsg:
		return a.watched(msg)
	case lookMsg:
		return a.looked(msg)
	default:
		if a.overlay != nil {
			return a.overlay.update(msg)
		}
	}
	return nil
}

// opened has what is asked: everything that waited for it begins.
func (a *app) opened(explorer Explorer) tea.Cmd {
	if explorer == nil {
		return tea.Quit // it could not be opened, and whoever tried knows why
	}
	a.explorer = explorer
	return tea.Batch(a.triage(), a.top().load())
}

// note keeps one line for each step: its end takes the place of its beginning.
func (a *app) note(s correlate.Step) tea.Cmd {
	if s.SoFar != nil {
		if a.whole {
			return nil // it comes late
		}
		a.found = s.SoFar
		return a.changed()
	}
	i := slices.IndexFunc(a.steps, func(known correlate.Step) bool { return known.Name == s.Name })
	if i >= 0 {
		a.steps[i] = s
	} else {
		a.steps = append(a.steps, s)
	}
	a.look()
	return nil
}

// took takes the whole case, unless another one has been asked for since.
func (a *app) took(msg caseMsg) tea.Cmd {
	if msg.round != a.round {
		return nil
	}
	a.found, a.whole = msg.found, true
	a.look()
	return a.changed()
}

// changed tells the screens that there is more of the case.
func (a *app) changed() tea.Cmd {
	var cmds []tea.Cmd
	for _, s := range a.stack {
		cmds = append(cmds, s.take(a.found))
	}
	return tea.Batch(cmds...)
}

// answered hands an answer to the screen that asked, if it still wants it.
func (a *app) answered(msg answerMsg) tea.Cmd {
	a.look()
	for _, s := range a.stack {
		if b := s.base(); b.id == msg.screen && b.round == msg.round {
			if !msg.more {
				delete(b.waiting, msg.what)
			}
			return s.take(msg.answer)
		}
	}
	return nil // nobody wants to know any more
}

// turn keeps the spinner turning while anything is under way.
func (a *app) turn() tea.Cmd {
	if a.spinning || !a.busy() {
		return nil
	}
	a.spinning = true
	return a.hold(spinEvery, spinMsg{})
}

func (a *app) busy() bool {
	return !a.whole || slices.ContainsFunc(a.stack, func(s screen) bool { return len(s.base().waiting) > 0 })
}

func (a *app) resize(size tea.WindowSizeMsg) tea.Cmd {
	if size.Width <= 0 || size.Height <= 0 {
		usual := tea.WindowSizeMsg{Width: usualWidth, Height: usualHeight}
		return func() tea.Msg { return usual } // as a message, so that it reaches the renderer too
	}
	a.width, a.height = size.Width, size.Height
	return nil
}

func (a *app) key(msg tea.KeyPressMsg) tea.Cmd {
	a.status = ""
	if msg.String() == "ctrl+c" {
		return tea.Quit
	}
	if a.overlay != nil {
		return a.overlay.update(msg)
	}
	key := msg.String()
	if key == "alt+esc" { // what two of them look like that come at once
		return tea.Batch(a.back(), a.back())
	}
	b := at(key, a.top().place())
	if b == nil {
		if others := elsewhere(key); len(others) > 0 {
			a.status = fmt.Sprintf("%s does something on %s, and nothing here; ? lists the keys", shownKey(key), strings.Join(others, ", "))
		} else {
			a.status = shownKey(key) + " does nothing here; ? lists the keys"
		}
		return nil
	}
	return a.act(b.act)
}

// act does an action: one of the whole program's, or else the screen's.
func (a *app) act(what action) tea.Cmd {
	s := a.top()
	switch what {
	case actQuit:
		return tea.Quit
	case actBack:
		return a.back()
	case actHelp:
		a.overlay = newHelp(a)
	case actPalette:
		a.overlay = newPalette(a)
		return a.overlay.update(nil)
	case actFilter:
		a.overlay = newFilter(a)
		return a.overlay.update(nil)
	case actTime:
		return a.askTime()
	case actQuery:
		a.showQuery(s.picked())
	case actCopy:
		p := s.picked()
		return a.copy(p.text, p.what)
	case actCopyQuery:
		return a.copy(s.picked().query, "query")
	case actPage:
		return a.browse(s.picked())
	case actExport:
		return a.export()
	case actRefresh:
		return a.refresh()
	case actWatch:
		return a.watch()
	case actMouse:
		a.mouse = !a.mouse
		a.status = "the mouse is the terminal's"
		if a.mouse {
			a.status = "the mouse is obs's"
		}
	case actCase:
		return a.showCase()
	default:
		cmd, refusal := s.act(what)
		a.status = refusal
		return cmd
	}
	return nil
}

// back drops the filter first, and then the screen.
func (a *app) back() tea.Cmd {
	s := a.top()
	if s.base().needle != "" {
		s.base().needle = ""
		return s.filter("")
	}
	if len(a.stack) == 1 {
		a.status = "this is where the walk begins; q leaves obs"
		return nil
	}
	s.base().leave()
	a.stack = a.stack[:len(a.stack)-1]
	return nil
}

func (a *app) showCase() tea.Cmd {
	if a.top().place() == onCase {
		a.status = "this is the case"
		return nil
	}
	if a.found == nil {
		a.status = "nothing is known yet"
		return nil
	}
	return a.push(newCaseScreen(a.stageFor()))
}

func (a *app) copy(text, what string) tea.Cmd {
	if text == "" {
		a.status = "there is nothing to copy here"
		return nil
	}
	a.status = fmt.Sprintf("copied the %s", what)
	return tea.SetClipboard(text)
}

func (a *app) browse(p picked) tea.Cmd {
	switch {
	case p.url == "":
		a.status = "this has no page of its own"
	case a.options.Browse == nil:
		a.status = p.url
	default:
		browse := a.options.Browse
		return a.jobs.run(func() tea.Msg {
			if err := browse(p.url); err != nil {
				return saidMsg("no browser could be started; the page is " + p.url)
			}
			return saidMsg("opened " + p.url)
		})
	}
	return nil
}

func (a *app) export() tea.Cmd {
	if a.found == nil || a.options.Export == nil {
		a.status = "there is no case to write yet"
		return nil
	}
	found, export := a.found, a.options.Export
	return a.jobs.run(func() tea.Msg {
		path, err := export(found)
		if err != nil {
			return saidMsg("the case was not written: " + err.Error())
		}
		return saidMsg("wrote " + path)
	})
}

// refresh asks anew: where the walk begins the whole triage, of the same length of time
// up to now; elsewhere what the screen shows.
func (a *app) refresh() tea.Cmd {
	if a.explorer == nil {
		a.status = "it is being asked for the first time"
		return nil
	}
	if len(a.stack) > 1 {
		return a.load(a.top())
	}
	return a.renew("")
}

// renew asks about another time, from the beginning.
func (a *app) renew(words string) tea.Cmd {
	if a.options.Renew == nil {
		if words != "" {
			a.status = "its time is what was asked for, and stays"
			return nil
		}
		return tea.Batch(a.triage(), a.load(a.stack[0]))
	}
	explorer, err := a.options.Renew(words)
	if err != nil {
		a.status = err.Error()
		return nil
	}
	for _, s := range a.stack[1:] {
		s.base().leave()
	}
	a.stack = a.stack[:1]
	a.explorer = explorer
	a.status = ""
	return tea.Batch(a.triage(), a.load(a.stack[0]))
}

// wheelRows is how far one notch of a wheel goes, as in most terminals.
const wheelRows = 3

func (a *app) wheel(button tea.MouseButton) tea.Cmd {
	move := actDown
	switch button {
	case tea.MouseWheelUp:
		move = actUp
	case tea.MouseWheelDown:
	default:
		return nil
	}
	if a.overlay != nil {
		return nil
	}
	var cmds []tea.Cmd
	for range wheelRows {
		cmd, _ := a.top().act(move)
		cmds = append(cmds, cmd)
	}
	return tea.Batch(cmds...)
}

// clicked selects a row, and a second time goes on to it.
func (a *app) clicked(m tea.Mouse) tea.Cmd {
	line := m.Y - 3
	if a.overlay != nil || m.Button != tea.MouseLeft || line < 0 || line >= a.height-chrome {
		return nil
	}
	if a.top().click(line) {
		return a.act(actOnward)
	}
	return nil
}
