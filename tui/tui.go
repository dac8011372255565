// Package tui shows a case on a terminal, full-screen, while it forms and when it is
// whole.
//
// It draws what correlate found, as correlate/report writes it, and asks no backend
// anything by itself.
package tui

import (
	"context"
	"errors"
	"fmt"

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

// Run shows the work until the person leaves, and returns the case: nil when they left
// before it was there. Leaving, or the end of ctx, ends the work, and Run waits for it.
func Run(ctx context.Context, o Options) (*correlate.Case, error) {
	working, cancel := context.WithCancel(ctx)
	defer cancel()
	m := newModel(o)
	program := tea.NewProgram(m, tea.WithContext(ctx))
	done := make(chan struct{})
	m.start = func() tea.Msg {
		defer close(done)
		return caseMsg{o.Work(working, func(s correlate.Step) { program.Send(stepMsg(s)) })}
	}
	_, err := program.Run()
	cancel()
	if m.started {
		<-done
	}
	// That the context ended is how a signal ends the program, and no failure of it.
	if err != nil && !errors.Is(err, tea.ErrProgramKilled) && !errors.Is(err, tea.ErrInterrupted) {
		return nil, fmt.Errorf("the terminal: %w", err)
	}
	return m.found, nil
}
