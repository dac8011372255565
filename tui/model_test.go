package tui

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"obs/correlate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

// screen is a model that is driven as the program would.
type screen struct {
	*model
	t    testing.TB
	quit bool
}

func open(t testing.TB, o Options) *screen {
	t.Helper()
	m := newModel(o)
	m.start = func() {}
	if cmd := m.Init(); cmd == nil {
		t.Error("nothing turns while the work is under way")
	}
	return &screen{model: m, t: t}
}

// take hands in a message, and carries out what comes of it.
func (s *screen) take(msg tea.Msg) {
	s.t.Helper()
	_, cmd := s.Update(msg)
	if cmd == nil {
		return
	}
	switch next := cmd().(type) {
	case tea.QuitMsg:
		s.quit = true
	case tea.WindowSizeMsg:
		s.take(next)
	}
}

func (s *screen) size(width, height int) { s.take(tea.WindowSizeMsg{Width: width, Height: height}) }

var keys = map[string]tea.KeyPressMsg{
	"q": {Code: 'q', Text: "q"}, "esc": {Code: tea.KeyEscape}, "ctrl+c": {Code: 'c', Mod: tea.ModCtrl},
	"g": {Code: 'g', Text: "g"}, "G": {Code: 'g', ShiftedCode: 'G', Mod: tea.ModShift, Text: "G"},
	"home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd}, "x": {Code: 'x', Text: "x"},
	"up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown}, "left": {Code: tea.KeyLeft}, "right": {Code: tea.KeyRight},
	"pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown}, "space": {Code: tea.KeySpace, Text: " "},
}

func (s *screen) press(names ...string) {
	s.t.Helper()
	for _, name := range names {
		key, known := keys[name]
		if !known {
			s.t.Fatalf("no key %s", name)
		}
		s.take(key)
	}
}

// lines are those of the frame, which must be as large as the terminal.
func (s *screen) lines() []string {
	s.t.Helper()
	lines := strings.Split(ansi.Strip(s.frame()), "\n")
	if len(lines) != s.height {
		s.t.Errorf("%dx%d: a frame of %d lines", s.width, s.height, len(lines))
	}
	for _, line := range lines {
		if cells := ansi.StringWidth(line); cells > s.width {
			s.t.Errorf("%dx%d: a line of %d cells: %q", s.width, s.height, cells, line)
		}
	}
	return lines
}

var underWay = []correlate.Step{
	{Name: "survey", Text: "looking at the metrics of every service"},
	{Name: "survey", Done: true, Text: "94 series in 16 services, 3 anomalies"},
	{Name: "trace", Text: "looking for a trace that shows it"},
	{Name: "failures", Done: true, Failed: true, Text: "Jaeger gave no answer"},
	{Name: "records", Text: "bringing the log records of the trace, of 支付 and of all others that had a part in the request, for as long as it takes"},
}

func TestFrames(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}} {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			s := open(t, Options{Title: "triage", NoColor: true})
			s.size(size[0], size[1])
			check := func(name string) {
				s.lines()
				t.Run(name, func(t *testing.T) { golden.RequireEqual(t, s.frame()+"\n") })
			}
			check("beginning")
			for _, step := range underWay {
				s.take(stepMsg(step))
			}
			check("working")
			s.take(caseMsg{recorded(t, "triage")})
			check("done")
			s.press("G", "right")
			check("end")
		})
	}
	t.Run("lookup", func(t *testing.T) {
		s := open(t, Options{Title: "trace", NoColor: true})
		s.size(80, 24)
		s.take(caseMsg{recorded(t, "trace")})
		s.lines()
		golden.RequireEqual(t, s.frame()+"\n")
	})
}

func TestLeaving(t *testing.T) {
	for _, key := range []string{"q", "esc", "ctrl+c"} {
		for _, state := range []string{"without a size", "too small", "working", "done"} {
			s := open(t, Options{Title: "triage"})
			switch state {
			case "too small":
				s.size(10, 3)
			case "working":
				s.size(80, 24)
			case "done":
				s.size(80, 24)
				s.take(caseMsg{recorded(t, "triage")})
			}
			s.press("x", "up", "down", "g", "G", "space")
			if s.quit {
				t.Fatalf("%s: left by another key", state)
			}
			if s.press(key); !s.quit {
				t.Errorf("%s: %s does not leave", state, key)
			}
		}
	}
}

func TestScrolling(t *testing.T) {
	c := recorded(t, "triage")
	whole := strings.Split(render(c), "\n")
	s := open(t, Options{Title: "triage", NoColor: true})
	s.size(200, 24)
	s.take(caseMsg{c})
	first := func() string { return strings.TrimRight(s.lines()[2], " ") }
	last := func() string { return strings.TrimRight(s.lines()[22], " ") }
	cut := func(line string) string { return strings.TrimRight(ansi.Cut(line, 0, 200), " ") }
	at := func(step string, line int) {
		t.Helper()
		if got, want := first(), cut(whole[line]); got != want {
			t.Errorf("%s: begins with %q, want %q", step, got, want)
		}
	}
	end := len(whole) - 21
	at("at first", 0)
	s.press("up")
	at("above the top", 0)
	s.press("down", "down")
	at("two down", 2)
	s.press("up")
	at("one up", 1)
	s.press("pgdown")
	at("a page down", 22)
	s.press("pgup")
	at("a page up", 1)
	s.press("G")
	at("at the end", end)
	if got, want := last(), cut(whole[len(whole)-1]); got != want || got == "" {
		t.Errorf("ends with %q, want %q", got, want)
	}
	if got := s.lines()[23]; !strings.Contains(got, "100 %") {
		t.Errorf("the footer says %q", got)
	}
	s.press("down")
	at("below the end", end)
	s.press("g")
	at("at the top", 0)
	s.press("end")
	at("at the end again", end)
	s.press("home")
	at("at the top again", 0)
	s.press("right")
	if got, want := first(), strings.TrimRight(ansi.Cut(whole[0], 8, 208), " "); got != want {
		t.Errorf("sideways: %q, want %q", got, want)
	}
	s.press("left")
	at("back", 0)
	s.press("left")
	at("left of the margin", 0)
}

func TestStepsTakeEachOthersPlace(t *testing.T) {
	s := open(t, Options{Title: "triage", NoColor: true})
	s.size(80, 24)
	if got := s.lines()[2]; !strings.Contains(got, "asking") {
		t.Errorf("before the first step: %q", got)
	}
	for _, step := range underWay[:3] {
		s.take(stepMsg(step))
	}
	lines := s.lines()
	if want := " ✓ survey     94 series in 16 services, 3 anomalies"; lines[2] != want {
		t.Errorf("got %q, want %q", lines[2], want)
	}
	if !strings.HasSuffix(lines[3], " trace      looking for a trace that shows it") || strings.Contains(lines[3], "✓") {
		t.Errorf("got %q", lines[3])
	}
	s.take(stepMsg(underWay[3]))
	if got, want := s.lines()[4], " ✗ failures   Jaeger gave no answer"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for i := range 100 {
		s.take(stepMsg{Name: fmt.Sprintf("step%d", i), Text: "\x1b[2J\nforged"})
	}
	lines = s.lines()
	if strings.Contains(s.frame(), "\x1b") || strings.Contains(strings.Join(lines, "\n"), "\nforged") {
		t.Errorf("a step acts on the terminal: %q", s.frame())
	}
	if got := lines[22]; !strings.Contains(got, "step99") {
		t.Errorf("the last step is out of sight: %q", got)
	}
}

func TestTooSmall(t *testing.T) {
	s := open(t, Options{Title: "triage", NoColor: true})
	if got := s.frame(); got != "" {
		t.Errorf("before the size is known: %q", got)
	}
	s.take(caseMsg{recorded(t, "triage")})
	for _, size := range [][2]int{{50, 10}, {59, 24}, {80, 14}, {1, 1}} {
		s.size(size[0], size[1])
		want := fmt.Sprintf("obs needs 60x15,\nhere are %dx%d.\nq leaves.", size[0], size[1])
		if got := s.frame(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	s.size(60, 15)
	if got := s.lines()[0]; !strings.Contains(got, "ANOMALOUS") {
		t.Errorf("large enough again: %q", got)
	}
}

// A terminal that says that it has no columns or no rows does not know better.
func TestNoSize(t *testing.T) {
	for _, size := range [][2]int{{0, 0}, {0, 24}, {80, 0}, {-1, -1}} {
		s := open(t, Options{Title: "triage", NoColor: true})
		s.size(size[0], size[1])
		if s.width != 80 || s.height != 24 {
			t.Errorf("%v is taken for %dx%d", size, s.width, s.height)
		}
		s.lines()
	}
}

func TestColor(t *testing.T) {
	for name, sign := range map[string]string{"triage": "✖ ANOMALOUS", "healthy": "● HEALTHY", "down": "▲ INCONCLUSIVE", "trace": "trace ID 3e91"} {
		plain, coloured := open(t, Options{Title: "work", NoColor: true}), open(t, Options{Title: "work"})
		for _, s := range []*screen{plain, coloured} {
			s.size(80, 24)
			s.take(stepMsg(underWay[0]))
			if working := s.frame(); strings.Contains(working, "\x1b") != (s == coloured) {
				t.Errorf("working, coloured %t: %q", s == coloured, working)
			}
			s.take(caseMsg{recorded(t, name)})
		}
		if strings.Contains(plain.frame(), "\x1b") {
			t.Errorf("%s: colour without being asked for: %q", name, plain.frame())
		}
		if got := coloured.frame(); !strings.Contains(got, "\x1b[") || ansi.Strip(got) != plain.frame() {
			t.Errorf("%s: colour changes more than the colour: %q", name, got)
		}
		if got := plain.lines()[0]; !strings.Contains(got, sign) {
			t.Errorf("%s: the header says %q, want %q", name, got, sign)
		}
	}
}

func TestWideHeader(t *testing.T) {
	c := correlate.NewCase(recorded(t, "trace").Window)
	c.Asked, c.TakenFor = "支付", "request ID "+strings.Repeat("支付", 60)+"\x1b[2J"
	s := open(t, Options{Title: "trace", NoColor: true})
	s.size(80, 24)
	s.take(caseMsg{c})
	if got := s.lines()[0]; !strings.HasSuffix(got, "…") {
		t.Errorf("not cut: %q", got)
	}
}

// Whatever happens in whatever order, the frame fills the screen, and no more.
func TestAnyOrder(t *testing.T) {
	triage, trace := recorded(t, "interrupted"), recorded(t, "trace")
	var names []string
	for name := range keys {
		if name != "q" && name != "esc" && name != "ctrl+c" {
			names = append(names, name)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		s := open(t, Options{Title: "work", NoColor: rapid.Bool().Draw(r, "plain")})
		for range rapid.IntRange(1, 15).Draw(r, "messages") {
			switch rapid.IntRange(0, 4).Draw(r, "message") {
			case 0:
				s.size(rapid.IntRange(0, 130).Draw(r, "width"), rapid.IntRange(0, 45).Draw(r, "height"))
			case 1:
				s.take(stepMsg{Name: rapid.SampledFrom([]string{"survey", "trace"}).Draw(r, "step"), Done: rapid.Bool().Draw(r, "done"), Text: rapid.String().Draw(r, "text")})
			case 2:
				s.take(caseMsg{rapid.SampledFrom([]*correlate.Case{triage, trace}).Draw(r, "case")})
			case 3:
				s.take(keys[rapid.SampledFrom(names).Draw(r, "key")])
			case 4:
				s.Update(s.spinner.Tick()) // its command would wait for the next turn
			}
			if s.width >= leastWidth && s.height >= leastHeight {
				s.lines()
			}
		}
	})
}

// A larger screen shows more, and not the empty space behind the end.
func TestGrowing(t *testing.T) {
	s := open(t, Options{Title: "triage", NoColor: true})
	s.size(60, 15)
	c := recorded(t, "triage")
	s.take(caseMsg{c})
	s.press("G")
	for range 500 {
		s.press("right")
	}
	s.size(120, 40)
	lines, whole := s.lines(), strings.Split(render(c), "\n")
	want := strings.TrimRight(ansi.Cut(whole[len(whole)-37], s.body.XOffset(), s.body.XOffset()+120), " ")
	if got := strings.TrimRight(lines[2], " "); got != want {
		t.Errorf("begins with %q, want %q", got, want)
	}
	longest := 0
	for _, line := range whole {
		longest = max(longest, ansi.StringWidth(line))
	}
	if got := s.body.XOffset(); got > longest-120 {
		t.Errorf("%d cells to the right, where the longest line has %d", got, longest)
	}
}

func TestSpinnerStops(t *testing.T) {
	s := open(t, Options{Title: "triage"})
	if _, cmd := s.Update(s.spinner.Tick()); cmd == nil {
		t.Error("it does not turn while the work is under way")
	}
	s.take(caseMsg{recorded(t, "triage")})
	if _, cmd := s.Update(s.spinner.Tick()); cmd != nil {
		t.Error("it turns although the work is done")
	}
}

func TestView(t *testing.T) {
	s := open(t, Options{Title: "triage"})
	s.size(80, 24)
	if v := s.View(); !v.AltScreen || v.WindowTitle != "obs triage" || v.Content != s.frame() {
		t.Errorf("got %+v", v)
	}
}
