// Package tui shows a case on a terminal, full-screen, while it forms and when it is
// whole, and walks on from it: a screen for each step of the walk.
//
// Its screens draw what correlate found, and ask correlate's Explorer for the next hop;
// they build no query and judge no signal. Pieces such as charts and tables are drawn by
// tui/draw.
//
// app.go is the program: the stack of screens, and what works on all of them. keymap.go
// is every key. screen.go is what a screen is, and how it asks without ever waiting.
package tui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"obs/correlate"
	"obs/sources"
)

// Explorer is what the screens ask. *correlate.Explorer is one.
type Explorer interface {
	// Question is the window and the baseline that are explored.
	Question() correlate.Question
	// Queries are those that have been put to the backends so far.
	Queries() []correlate.Query
	Services(ctx context.Context, by correlate.Grouping) *correlate.ServiceTable
	Metric(ctx context.Context, about correlate.Subject) *correlate.MetricView
	Split(ctx context.Context, about correlate.Subject, label string) *correlate.SplitView
	Traces(ctx context.Context, about correlate.Subject) *correlate.Cohorts
	Request(ctx context.Context, lookup correlate.Lookup, observe correlate.Observer) *correlate.Case
	// Compare compares a trace with normal ones of the same root, of the window named where
	// it is not zero.
	Compare(ctx context.Context, trace *correlate.Trace, normal sources.Window) *correlate.Comparison
	Logs(ctx context.Context, q correlate.LogQuestion) *correlate.LogView
	// Around is the records next to one in its own stream, n on each side.
	Around(ctx context.Context, r correlate.Record, n int) *correlate.LogView
	// Follow hands over records as they arrive, with how many the server dropped, until
	// ctx ends.
	Follow(ctx context.Context, q correlate.LogQuestion, each func(fresh []correlate.Record, dropped int)) error
}

// Options say what to show. Open and Work run beside the screen, everything else must
// not take long.
type Options struct {
	// Title names the work: triage, trace.
	Title string
	// Trace begins at the screen of the case's trace, and not at the overview.
	Trace bool
	// Open opens what is asked, once, behind the first frame. Nil is for what could not be
	// opened: the program ends, and the caller knows why.
	Open func(context.Context, correlate.Observer) Explorer
	// Work finds out the case. Its context ends when the person leaves.
	Work func(context.Context, Explorer, correlate.Observer) *correlate.Case
	// Renew asks about another time in a person's words, or for none about the same
	// length of time up to now. Nil keeps the time as it is.
	Renew func(words string) (Explorer, error)
	// Watch begins to hold looks at what is explored against a case, and returns what looks
	// once and says when. Nil for none.
	Watch func(x Explorer, first *correlate.Case) func(context.Context) (*correlate.Glance, time.Time)
	// Export writes the case to a file, and tells which. Nil for none.
	Export func(*correlate.Case) (path string, err error)
	// Browse shows an address to the person. Nil for none.
	Browse func(url string) error
	// Timeout bounds each question of a screen; a minute when 0.
	Timeout time.Duration
	NoColor bool

	observe correlate.Observer
	send    func(tea.Msg) // from any goroutine
}

func (o *Options) timeout() time.Duration { return cmp.Or(o.Timeout, time.Minute) }

// CrashError tells that the program panicked.
type CrashError struct {
	Title string // of the work
	Value any    // what it panicked with
	At    string // where: file:line
	Stack []byte // of the goroutine that panicked
	// Case is what was known by then; nil for nothing.
	Case *correlate.Case
}

func (e *CrashError) Error() string {
	return fmt.Sprintf("%s crashed at %s: %v; this is a mistake in obs", e.Title, cmp.Or(e.At, "an unknown place"), e.Value)
}

// Unwrap is the error that the work panicked with, if it was one.
func (e *CrashError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Run shows the work until the person leaves, and returns the case: nil when they left
// before it was whole. Leaving, or the end of ctx, ends the work, and Run waits for it.
// Signals are the caller's to handle, by ending ctx.
// A panic of the program or of its work leaves the terminal as it was, and is a
// *CrashError; a goroutine that the work starts by itself is out of reach.
func Run(ctx context.Context, o Options) (*correlate.Case, error) { return run(ctx, o) }

// run is Run with a terminal that a test brings.
func run(ctx context.Context, o Options, terminal ...tea.ProgramOption) (*correlate.Case, error) {
	return runWith(ctx, o, func(*app) {}, terminal...)
}

// runWith is run with an app that a test has changed.
func runWith(ctx context.Context, o Options, change func(*app), terminal ...tea.ProgramOption) (*correlate.Case, error) {
	working, cancel := context.WithCancel(ctx)
	defer cancel()
	var program *tea.Program
	var once sync.Once
	var crash *CrashError
	o.send = func(msg tea.Msg) { program.Send(msg) }
	o.observe = func(s correlate.Step) { o.send(stepMsg(s)) }
	a := newApp(working, o)
	change(a)
	a.jobs.crash = func(c *CrashError) {
		once.Do(func() {
			crash = c
			go program.Quit() // Update, which may be what crashed, would wait for itself
		})
	}
	// Signals end ctx. Bubble Tea's own handler waits for ever to tell of one when ctx has
	// ended the program first.
	program = tea.NewProgram(a, append(terminal, tea.WithContext(ctx), tea.WithoutSignalHandler())...)
	_, err := program.Run()
	cancel()
	a.jobs.wait()
	whole := a.found
	if !a.whole {
		whole = nil
	}
	switch {
	case crash != nil:
		crash.Case = a.found
		return nil, crash
	case err == nil:
		return whole, nil
	case ctx.Err() != nil && !errors.Is(err, tea.ErrProgramPanic):
		return whole, nil // killed, Bubble Tea calls it
	}
	return nil, fmt.Errorf("the terminal: %w", err)
}

// guard turns a panic into the end of the program.
func (j *jobs) guard() {
	if value := recover(); value != nil {
		j.crash(&CrashError{Title: j.title, Value: value, At: panicked(), Stack: debug.Stack()})
	}
}

// panicked is the place in obs at which the panic began that is being recovered from:
// the first frame beneath the runtime's.
func panicked() string {
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers)])
	beneath := false
	for {
		frame, more := frames.Next()
		switch {
		case frame.Function == "runtime.gopanic":
			beneath = true
		case beneath && !strings.HasPrefix(frame.Function, "runtime."):
			return fmt.Sprintf("%s:%d", filepath.Base(frame.File), frame.Line)
		}
		if !more {
			return ""
		}
	}
}
