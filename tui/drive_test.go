package tui

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"go.uber.org/goleak"

	"obs/correlate"
	"obs/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// driver runs the program's state as Bubble Tea would, but all in the test's own
// goroutine: a command is carried out at once, so that every test sees the same frames.
type driver struct {
	*app
	t       testing.TB
	quit    bool
	copied  string
	held    []tea.Cmd // commands that wait, in a driver that holds them back
	holding bool
	later   []tea.Msg // what would come after a time: spinner and watch
	queue   []tea.Msg
}

// drive begins a program of a size. An explorer of nil leaves it unopened.
func drive(t testing.TB, o Options, width, height int) *driver {
	t.Helper()
	d := &driver{t: t}
	o.send = func(msg tea.Msg) { d.queue = append(d.queue, msg) }
	o.observe = func(s correlate.Step) { o.send(stepMsg(s)) }
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	d.app = newApp(ctx, o)
	d.jobs.crash = func(c *CrashError) { t.Errorf("%v\n%s", c, c.Stack) }
	d.hold = func(_ time.Duration, msg tea.Msg) tea.Cmd {
		d.later = append(d.later, msg)
		return nil
	}
	d.size(width, height)
	d.carryOut(d.Init())
	return d
}

// take hands in a message, and carries out what comes of it.
func (d *driver) take(msg tea.Msg) {
	d.t.Helper()
	_, cmd := d.Update(msg)
	d.carryOut(cmd)
	for len(d.queue) > 0 {
		next := d.queue[0]
		d.queue = d.queue[1:]
		_, cmd := d.Update(next)
		d.carryOut(cmd)
	}
}

func (d *driver) carryOut(cmd tea.Cmd) {
	d.t.Helper()
	if cmd == nil {
		return
	}
	if d.holding {
		d.held = append(d.held, cmd)
		return
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.BatchMsg:
		for _, cmd := range msg {
			d.carryOut(cmd)
		}
	case tea.QuitMsg:
		d.quit = true
	default:
		switch fmt.Sprintf("%T", msg) {
		case "tea.setClipboardMsg":
			d.copied = fmt.Sprint(msg)
		case "tea.backgroundColorMsg", "tea.requestBackgroundColorMsg": // the terminal's to answer
		default:
			d.take(msg)
		}
	}
}

// release carries out the commands that were held back.
func (d *driver) release() {
	d.t.Helper()
	d.holding = false
	held := d.held
	d.held = nil
	for _, cmd := range held {
		d.carryOut(cmd)
	}
}

func (d *driver) size(width, height int) {
	d.t.Helper()
	d.take(tea.WindowSizeMsg{Width: width, Height: height})
}

var namedKeys = map[string]rune{
	"enter": tea.KeyEnter, "esc": tea.KeyEscape, "backspace": tea.KeyBackspace, "up": tea.KeyUp, "down": tea.KeyDown,
	"left": tea.KeyLeft, "right": tea.KeyRight, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "home": tea.KeyHome,
	"end": tea.KeyEnd, "tab": tea.KeyTab, "f1": tea.KeyF1,
}

// press presses keys by the names that the key map has for them.
func (d *driver) press(names ...string) {
	d.t.Helper()
	for _, name := range names {
		key := tea.KeyPressMsg{}
		rest, ctrl := strings.CutPrefix(name, "ctrl+")
		if ctrl {
			key.Mod = tea.ModCtrl
		}
		switch code, named := namedKeys[rest]; {
		case named:
			key.Code = code
		case rest == "space":
			key.Code, key.Text = tea.KeySpace, " "
		case len([]rune(rest)) == 1:
			key.Code, _ = utf8.DecodeRuneInString(strings.ToLower(rest))
			if !ctrl {
				key.Text = rest
			}
			if rest != strings.ToLower(rest) {
				key.ShiftedCode, _ = utf8.DecodeRuneInString(rest)
				key.Mod |= tea.ModShift
			}
		default:
			d.t.Fatalf("no key %q", name)
		}
		if got := key.String(); got != name && name != "space" {
			d.t.Fatalf("the key %q is called %q by Bubble Tea", name, got)
		}
		d.take(key)
	}
}

// write types a text into a prompt.
func (d *driver) write(text string) {
	d.t.Helper()
	for _, r := range text {
		d.take(tea.KeyPressMsg{Code: r, Text: string(r)})
	}
}

// lines are those of the frame, which must be exactly as large as the terminal, and
// act on it by nothing but styles.
func (d *driver) lines() []string {
	d.t.Helper()
	frame := d.frame()
	if bare := ansi.Strip(frame); strings.ContainsAny(bare, "\x1b\r\t\x00\x07\x08") {
		d.t.Errorf("a frame with control characters: %q", bare)
	}
	lines := strings.Split(ansi.Strip(frame), "\n")
	if len(lines) != d.height {
		d.t.Errorf("%dx%d: a frame of %d lines", d.width, d.height, len(lines))
	}
	for i, line := range lines {
		if cells := ansi.StringWidth(line); cells != d.width {
			d.t.Errorf("%dx%d: line %d of %d cells: %q", d.width, d.height, i, cells, line)
		}
	}
	return lines
}

func (d *driver) text() string {
	d.t.Helper()
	lines := d.lines()
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// shows fails the test unless each text stands on the screen.
func (d *driver) shows(texts ...string) {
	d.t.Helper()
	on := d.text()
	for _, text := range texts {
		if !strings.Contains(on, text) {
			d.t.Errorf("%q is not on the screen:\n%s", text, on)
		}
	}
}

// hides fails the test if one of the texts stands on the screen.
func (d *driver) hides(texts ...string) {
	d.t.Helper()
	on := d.text()
	for _, text := range texts {
		if strings.Contains(on, text) {
			d.t.Errorf("%q is on the screen:\n%s", text, on)
		}
	}
}

// on fails the test unless that kind of screen is shown.
func (d *driver) on(want place) {
	d.t.Helper()
	if got := d.top().place(); got != want {
		d.t.Fatalf("on %s, want %s:\n%s", got, want, d.text())
	}
}

// paper is an Explorer whose answers a test has written down; what is nil answers with
// nothing found.
type paper struct {
	question correlate.Question
	services func(correlate.Grouping) *correlate.ServiceTable
	metric   func(correlate.Subject) *correlate.MetricView
	split    func(correlate.Subject, string) *correlate.SplitView
	traces   func(correlate.Subject) *correlate.Cohorts
	request  func(correlate.Lookup) *correlate.Case
	compare  func(*correlate.Trace, sources.Window) *correlate.Comparison
	logs     func(correlate.LogQuestion) *correlate.LogView
	around   func(correlate.Record, int) *correlate.LogView
	follow   func(context.Context, correlate.LogQuestion, func([]correlate.Record, int)) error
	asked    []string
}

func (p *paper) note(format string, args ...any) {
	p.asked = append(p.asked, fmt.Sprintf(format, args...))
}

func (p *paper) Question() correlate.Question { return p.question }
func (p *paper) Queries() []correlate.Query   { return nil }

func (p *paper) Services(_ context.Context, by correlate.Grouping) *correlate.ServiceTable {
	p.note("services %s", by)
	if p.services == nil {
		return &correlate.ServiceTable{Grouping: by}
	}
	return p.services(by)
}

func (p *paper) Metric(_ context.Context, about correlate.Subject) *correlate.MetricView {
	p.note("metric %+v", about)
	if p.metric == nil {
		return &correlate.MetricView{Subject: about}
	}
	return p.metric(about)
}

func (p *paper) Split(_ context.Context, about correlate.Subject, label string) *correlate.SplitView {
	p.note("split %+v %s", about, label)
	if p.split == nil {
		return &correlate.SplitView{Subject: about, Label: label}
	}
	return p.split(about, label)
}

func (p *paper) Traces(_ context.Context, about correlate.Subject) *correlate.Cohorts {
	p.note("traces %+v", about)
	if p.traces == nil {
		return &correlate.Cohorts{Subject: about}
	}
	return p.traces(about)
}

func (p *paper) Request(_ context.Context, lookup correlate.Lookup, _ correlate.Observer) *correlate.Case {
	p.note("request %s", lookup.ID.Trace)
	if p.request == nil {
		return correlate.NewCase(lookup.Window)
	}
	return p.request(lookup)
}

func (p *paper) Compare(_ context.Context, trace *correlate.Trace, normal sources.Window) *correlate.Comparison {
	p.note("compare %s %s", trace.ID, normal)
	if p.compare == nil {
		return &correlate.Comparison{}
	}
	return p.compare(trace, normal)
}

func (p *paper) Logs(_ context.Context, q correlate.LogQuestion) *correlate.LogView {
	p.note("logs %s%s%s", q.Trace, q.Service, q.Query)
	if p.logs == nil {
		return &correlate.LogView{Window: q.Window}
	}
	return p.logs(q)
}

func (p *paper) Around(_ context.Context, r correlate.Record, n int) *correlate.LogView {
	p.note("around %s %d", r.Line, n)
	if p.around == nil {
		return &correlate.LogView{}
	}
	return p.around(r, n)
}

func (p *paper) Follow(ctx context.Context, q correlate.LogQuestion, each func([]correlate.Record, int)) error {
	p.note("follow %s%s%s", q.Trace, q.Service, q.Query)
	if p.follow == nil {
		return nil
	}
	return p.follow(ctx, q, each)
}

// recorded is a case that correlate/report has as testdata.
func recorded(t testing.TB, name string) *correlate.Case {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "correlate", "report", "testdata", "case-"+name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var c correlate.Case
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return &c
}

// showing are options for an explorer on paper and a case.
func showing(p *paper, c *correlate.Case) Options {
	return Options{
		Title: "triage", NoColor: true,
		Open: func(context.Context, correlate.Observer) Explorer { return p },
		Work: func(context.Context, Explorer, correlate.Observer) *correlate.Case { return c },
	}
}
