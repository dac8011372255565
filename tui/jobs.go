package tui

import (
	"sync"

	tea "charm.land/bubbletea/v2"
)

// jobs runs what takes time, so that Run can wait for the end of all of it: what asks
// backends must be done before their connections are closed.
type jobs struct {
	mu     sync.Mutex
	closed bool
	all    sync.WaitGroup
	title  string
	crash  func(*CrashError)
}

// begin reports whether there is still someone to work for.
func (j *jobs) begin() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return false
	}
	j.all.Add(1)
	return true
}

// run makes a command of work. A panic in it ends the program as a *CrashError does.
func (j *jobs) run(work func() tea.Msg) tea.Cmd {
	return func() tea.Msg {
		if !j.begin() {
			return nil
		}
		defer j.all.Done()
		defer j.guard()
		return work()
	}
}

// wait lets no more work begin, and waits for what is under way.
func (j *jobs) wait() {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	j.all.Wait()
}
