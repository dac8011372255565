package tui

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/exp/teatest/v2"
	"go.uber.org/goleak"

	"obs/correlate"
)

// terminal is one that a test types into and reads.
type terminal struct {
	keys    *io.PipeWriter
	options []tea.ProgramOption

	mu     sync.Mutex
	screen bytes.Buffer
	drawn  *sync.Cond
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	input, keys := io.Pipe()
	term := &terminal{keys: keys}
	term.drawn = sync.NewCond(&term.mu)
	t.Cleanup(func() {
		if err := errors.Join(keys.Close(), input.Close()); err != nil { // the program's reader ends with them
			t.Error(err)
		}
	})
	term.options = []tea.ProgramOption{
		tea.WithInput(input), tea.WithOutput(term), tea.WithWindowSize(80, 24),
		tea.WithEnvironment([]string{"TERM=xterm-256color"}),
	}
	return term
}

// Write is what the program draws.
func (term *terminal) Write(p []byte) (int, error) {
	term.mu.Lock()
	defer term.mu.Unlock()
	defer term.drawn.Broadcast()
	return term.screen.Write(p)
}

func (term *terminal) text() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.screen.String()
}

// await waits until the program has drawn a text.
func (term *terminal) await(text string) {
	term.mu.Lock()
	defer term.mu.Unlock()
	for !strings.Contains(term.screen.String(), text) {
		term.drawn.Wait()
	}
}

func (term *terminal) press(t *testing.T, key string) {
	t.Helper()
	if _, err := term.keys.Write([]byte(key)); err != nil {
		t.Error(err)
	}
}

// left reports whether the program has given the terminal back: out of the alternate
// screen, with the cursor and without the mouse.
func (term *terminal) left() bool {
	text := term.text()
	for _, mode := range []string{"1049l", "25h", "1002l"} {
		if on := strings.LastIndex(text, "\x1b[?"+mode[:len(mode)-1]+map[byte]string{'l': "h", 'h': "l"}[mode[len(mode)-1]]); on > strings.LastIndex(text, "\x1b[?"+mode) {
			return false
		}
	}
	return strings.Contains(text, "\x1b[?1049l")
}

// doing are options for a piece of work, over an explorer that finds nothing.
func doing(work func(context.Context, correlate.Observer) *correlate.Case) Options {
	return Options{
		Title: "triage", NoColor: true,
		Open: func(context.Context, correlate.Observer) Explorer { return &paper{} },
		Work: func(ctx context.Context, _ Explorer, observe correlate.Observer) *correlate.Case {
			return work(ctx, observe)
		},
	}
}

type result struct {
	found *correlate.Case
	err   error
}

func start(ctx context.Context, o Options, term *terminal) chan result {
	ended := make(chan result, 1)
	go func() {
		found, err := run(ctx, o, term.options...)
		ended <- result{found, err}
	}()
	return ended
}

func TestRunShowsTheCase(t *testing.T) {
	c := recorded(t, "triage")
	term := newTerminal(t)
	proceed := make(chan struct{})
	ended := start(t.Context(), doing(func(_ context.Context, observe correlate.Observer) *correlate.Case {
		observe(correlate.Step{Name: "survey", Text: "looking"})
		<-proceed
		return c
	}), term)
	term.await("looking")
	close(proceed)
	term.await("ANOMALOUS")
	term.press(t, "q")
	if got := <-ended; got.found != c || got.err != nil {
		t.Errorf("got %v, %v", got.found, got.err)
	}
	if !term.left() {
		t.Errorf("the terminal is left as it was drawn on: %q", term.text())
	}
}

// Without colour nothing that is drawn sets one.
func TestRunWithoutColor(t *testing.T) {
	term := newTerminal(t)
	c := recorded(t, "triage")
	ended := start(t.Context(), doing(func(context.Context, correlate.Observer) *correlate.Case { return c }), term)
	term.await("ANOMALOUS")
	term.press(t, "?")
	term.await("Keys on overview")
	term.press(t, "?")
	term.press(t, "q")
	<-ended
	for _, sequence := range strings.Split(term.text(), "\x1b[")[1:] {
		end := strings.IndexFunc(sequence, func(r rune) bool { return r >= '@' && r <= '~' })
		if end >= 0 && sequence[end] == 'm' && strings.Trim(sequence[:end], "0;") != "" && !strings.HasPrefix(sequence, ">") {
			t.Errorf("a colour: %q", sequence[:end+1])
		}
	}
}

// Leaving ends the work, and Run waits for it: nothing goes on behind the prompt.
func TestLeavingEndsTheWork(t *testing.T) {
	for name, key := range map[string]string{"q": "q", "ctrl+c": "\x03"} {
		t.Run(name, func(t *testing.T) {
			term := newTerminal(t)
			over := false
			ended := start(t.Context(), doing(func(ctx context.Context, observe correlate.Observer) *correlate.Case {
				observe(correlate.Step{Name: "survey", Text: "looking"})
				<-ctx.Done()
				observe(correlate.Step{Name: "survey", Done: true, Text: "nobody looks any more"})
				over = true
				return correlate.NewCase(recorded(t, "triage").Window)
			}), term)
			term.await("looking")
			term.press(t, key)
			if got := <-ended; got.found != nil || got.err != nil {
				t.Errorf("got %v, %v", got.found, got.err)
			}
			if !over {
				t.Error("the work goes on")
			}
			if !term.left() {
				t.Errorf("the terminal is left as it was drawn on: %q", term.text())
			}
		})
	}
}

func TestContextEndsTheProgram(t *testing.T) {
	t.Run("under way", func(t *testing.T) {
		term := newTerminal(t)
		ctx, cancel := context.WithCancel(t.Context())
		over := false
		ended := start(ctx, doing(func(ctx context.Context, _ correlate.Observer) *correlate.Case {
			cancel()
			<-ctx.Done()
			over = true
			return nil
		}), term)
		if got := <-ended; got.found != nil || got.err != nil {
			t.Errorf("got %v, %v", got.found, got.err)
		}
		if !over {
			t.Error("the work goes on")
		}
	})
	t.Run("done", func(t *testing.T) {
		term := newTerminal(t)
		ctx, cancel := context.WithCancel(t.Context())
		c := recorded(t, "triage")
		ended := start(ctx, doing(func(context.Context, correlate.Observer) *correlate.Case { return c }), term)
		term.await("ANOMALOUS")
		cancel()
		if got := <-ended; got.found != c || got.err != nil {
			t.Errorf("got %v, %v", got.found, got.err)
		}
		if !term.left() {
			t.Errorf("the terminal is left as it was drawn on: %q", term.text())
		}
	})
	t.Run("before it begins", func(t *testing.T) {
		for range 20 { // it ends at another point each time
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			got := <-start(ctx, doing(func(ctx context.Context, _ correlate.Observer) *correlate.Case {
				<-ctx.Done()
				return nil
			}), newTerminal(t))
			if got.found != nil || got.err != nil {
				t.Errorf("got %v, %v", got.found, got.err)
			}
		}
	})
}

// A signal, which ends the context, ends the program too: nobody else waits for it.
func TestSignal(t *testing.T) {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	c := recorded(t, "triage")
	for range 25 {
		ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt)
		term := newTerminal(t)
		ended := start(ctx, doing(func(context.Context, correlate.Observer) *correlate.Case { return c }), term)
		term.await("ANOMALOUS")
		if err := self.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if got := <-ended; got.found != c || got.err != nil {
			t.Errorf("got %v, %v", got.found, got.err)
		}
		if !term.left() {
			t.Errorf("the terminal is left as it was drawn on: %q", term.text())
		}
		stop()
	}
}

var errMistake = errors.New("a mistake\nin two lines")

func TestCrash(t *testing.T) {
	crashes := map[string]func(){
		"with an error": func() { panic(errMistake) },
		"with a text":   func() { panic("a mistake") },
		"of the runtime": func() {
			var none []int
			_ = none[len(none)+2]
		},
		"nothing there": func() {
			var c *correlate.Case
			_ = c.Verdict
		},
	}
	for name, crash := range crashes {
		for _, when := range []string{"at once", "after leaving"} {
			t.Run(name+" "+when, func(t *testing.T) {
				term := newTerminal(t)
				ended := start(t.Context(), doing(func(ctx context.Context, observe correlate.Observer) *correlate.Case {
					observe(correlate.Step{Name: "survey", Text: "looking"})
					if when == "after leaving" {
						<-ctx.Done()
					}
					crash()
					return nil
				}), term)
				if when == "after leaving" {
					term.await("looking")
					term.press(t, "q")
				}
				got := <-ended
				var crashed *CrashError
				if !errors.As(got.err, &crashed) || got.found != nil {
					t.Fatalf("got %v, %v", got.found, got.err)
				}
				if !strings.HasPrefix(crashed.At, "run_test.go:") || !strings.Contains(string(crashed.Stack), "TestCrash") {
					t.Errorf("it is said to be at %q:\n%s", crashed.At, crashed.Stack)
				}
				if text := crashed.Error(); !strings.HasPrefix(text, "triage crashed at run_test.go:") || !strings.HasSuffix(text, "this is a mistake in obs") {
					t.Errorf("it says %q", text)
				}
				if name == "with an error" && !errors.Is(got.err, errMistake) {
					t.Errorf("%v is not what it panicked with", got.err)
				}
				if !term.left() {
					t.Errorf("the terminal is left as it was drawn on: %q", term.text())
				}
			})
		}
	}
}

// A crash while drawing is one too, and tells what was known.
func TestCrashWhileDrawing(t *testing.T) {
	term := newTerminal(t)
	broken := recorded(t, "triage")
	o := doing(func(context.Context, correlate.Observer) *correlate.Case { return broken })
	ended := make(chan result, 1)
	go func() {
		found, err := runWith(t.Context(), o, func(a *app) {
			a.stack = append(a.stack, &brokenScreen{overview: a.stack[0].(*overview)})
		}, term.options...)
		ended <- result{found, err}
	}()
	got := <-ended
	var crashed *CrashError
	if !errors.As(got.err, &crashed) || got.found != nil {
		t.Fatalf("got %v, %v", got.found, got.err)
	}
	if !strings.Contains(crashed.Error(), "run_test.go") {
		t.Errorf("it says %q", crashed.Error())
	}
	if strings.Contains(term.text(), "1049h") && !term.left() {
		t.Errorf("the terminal is left as it was drawn on: %q", term.text())
	}
}

// brokenScreen has a mistake in it.
type brokenScreen struct{ *overview }

func (b *brokenScreen) draw(int, int) []string { panic("a mistake in drawing") }

var errGone = errors.New("the line is dead")

// A terminal that goes away is a failure, and ends the work.
func TestTerminalGone(t *testing.T) {
	term := newTerminal(t)
	begun, over := false, false
	term.options = append(term.options, tea.WithInput(iotest.ErrReader(errGone)))
	o := doing(nil)
	o.Open = func(ctx context.Context, _ correlate.Observer) Explorer {
		begun = true // it may also end before that
		<-ctx.Done()
		over = true
		return nil
	}
	if got := <-start(t.Context(), o, term); !errors.Is(got.err, errGone) {
		t.Errorf("got %v, want %v", got.err, errGone)
	}
	if begun != over {
		t.Error("the work goes on")
	}
}

// The whole program by keys against the shop, as teatest runs it.
func TestTheProgramByKeys(t *testing.T) {
	server, q := served(t, "latency")
	o := incident(t, server, q, nil)
	before := goleak.IgnoreCurrent()
	var program *teatest.TestModel
	begun := make(chan struct{})
	o.send = func(msg tea.Msg) {
		<-begun
		program.Send(msg)
	}
	o.observe = func(s correlate.Step) { o.send(stepMsg(s)) }
	a := newApp(t.Context(), o)
	program = teatest.NewTestModel(t, a, teatest.WithInitialTermSize(120, 40))
	close(begun)
	// Only what has changed is drawn, perhaps in the middle of a word; another size draws all.
	wide := 120
	sees := func(text string) {
		t.Helper()
		teatest.WaitFor(t, program.Output(), func(drawn []byte) bool {
			if bytes.Contains(drawn, []byte(text)) {
				return true
			}
			wide = 241 - wide
			program.Send(tea.WindowSizeMsg{Width: wide, Height: 40})
			return false
		}, teatest.WithDuration(30*time.Second))
	}
	enter := tea.KeyPressMsg{Code: tea.KeyEnter}
	sees("first suspect")
	program.Send(enter)
	sees("onset")
	program.Send(enter)
	sees("what tells them apart")
	program.Send(enter)
	sees("joined by")
	program.Send(enter)
	sees("by span_id")
	program.Send(tea.KeyPressMsg{Code: 'q', Text: "q"})
	last, ok := program.FinalModel(t, teatest.WithFinalTimeout(30*time.Second)).(*app)
	if !ok || last.top().place() != onLogs {
		t.Fatalf("it ended as %v", last)
	}
	picked := last.top().picked().text
	if r := recordWith(last.found, picked); r == nil || r.TraceID != last.found.Trace.ID {
		t.Errorf("the record that is selected is %q", picked)
	}
	a.jobs.wait()
	// teatest's own goroutine waits for an interrupt, and would speak after the test's end.
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"), goleak.IgnoreAnyFunction("net/http.(*conn).serve"))
}
