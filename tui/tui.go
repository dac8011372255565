// Package tui shows a case on a terminal, full-screen, while it forms and when it is
// whole.
//
// It draws what correlate found, as correlate/report writes it, and asks no backend
// anything by itself.
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

	tea "charm.land/bubbletea/v2"

	"obs/correlate"
)

// Options say what to show.
type Options struct {
	// Title names the work: triage, trace.
	Title string
	// Work finds out the case. Its context ends when the person leaves.
	Work    func(context.Context, correlate.Observer) *correlate.Case
	NoColor bool
}

// CrashError tells that the work panicked.
type CrashError struct {
	Title string // of the work
	Value any    // what it panicked with
	At    string // where: file:line
	Stack []byte // of the goroutine that panicked
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
// before it was there. Leaving, or the end of ctx, ends the work, and Run waits for it.
// Signals are the caller's to handle, by ending ctx.
// Work that panics leaves the terminal as it was, and is a *CrashError; a goroutine of
// its own that panics is out of reach.
func Run(ctx context.Context, o Options) (*correlate.Case, error) { return run(ctx, o) }

// run is Run with a terminal that a test brings.
func run(ctx context.Context, o Options, terminal ...tea.ProgramOption) (*correlate.Case, error) {
	working, cancel := context.WithCancel(ctx)
	defer cancel()
	m := newModel(o)
	// Signals end ctx. Bubble Tea's own handler waits for ever to tell of one when ctx has
	// ended the program first.
	program := tea.NewProgram(m, append(terminal, tea.WithContext(ctx), tea.WithoutSignalHandler())...)
	done := make(chan struct{})
	started := false
	var crash error
	// The work has a goroutine of its own and is no tea.Cmd: a program that ends early
	// may never run those, and it reports their panics on the screen that it is leaving.
	m.start = func() {
		started = true
		go func() {
			defer close(done)
			var found *correlate.Case
			found, crash = guarded(working, o, func(s correlate.Step) { program.Send(stepMsg(s)) })
			if crash != nil {
				program.Quit()
				return
			}
			program.Send(caseMsg{found})
		}()
	}
	_, err := program.Run()
	cancel()
	if started {
		<-done
	}
	switch {
	case crash != nil:
		return nil, crash
	case err == nil:
		return m.found, nil
	case ctx.Err() != nil && !errors.Is(err, tea.ErrProgramPanic):
		return m.found, nil // killed, Bubble Tea calls it
	}
	return nil, fmt.Errorf("the terminal: %w", err)
}

// guarded does the work, and turns a panic into a *CrashError.
func guarded(ctx context.Context, o Options, observe correlate.Observer) (found *correlate.Case, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &CrashError{Title: o.Title, Value: value, At: panicked(), Stack: debug.Stack()}
		}
	}()
	return o.Work(ctx, observe), nil
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
