package tui

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"obs/correlate"
)

// WatchEvery is how often a watched screen asks again: once in what a look takes its samples
// from. A triage and a look are some fifty queries, which no backend should get every few
// seconds from each person who watches.
const WatchEvery = time.Minute

// watching is a watch of the person's: the screen asks again, and each time a look says how
// the trouble goes that there was when it began.
type watching struct {
	on    bool
	round int // grows with each watch
	// look looks once; nil where the case tells nothing that could be looked for again.
	look  func(context.Context) (*correlate.Glance, time.Time)
	under bool // a look is under way
	state correlate.Watch
	last  *correlate.Look // nil before there is one
}

type (
	watchMsg struct{ round int }
	lookMsg  struct {
		round  int
		glance *correlate.Glance
		at     time.Time
	}
)

// text says in the title that it is watched, and how it goes.
func (w *watching) text() string {
	switch {
	case !w.on:
		return ""
	case w.last == nil:
		return " · watching"
	}
	return fmt.Sprintf(" · %s since %s", w.last.Trend, correlate.Clock(w.last.Since))
}

// watch begins to ask again and again, or stops.
func (a *app) watch() tea.Cmd {
	a.watching = watching{on: !a.watching.on, round: a.watching.round + 1}
	if !a.watching.on {
		a.status = "no longer watching"
		return nil
	}
	a.beginLooks()
	a.status = "watching: asks again every minute"
	return a.hold(WatchEvery, watchMsg{a.watching.round})
}

// beginLooks holds what comes against the case, once that is whole.
func (a *app) beginLooks() {
	if a.watching.look != nil || a.options.Watch == nil || !a.whole || a.found.Baseline == nil || a.found.Verdict == "" {
		return
	}
	a.watching.look = a.options.Watch(a.explorer, a.found)
	a.watching.state.See(&correlate.Glance{Case: a.found}, a.found.Window.To)
}

func (a *app) watched(msg watchMsg) tea.Cmd {
	if !a.watching.on || msg.round != a.watching.round {
		return nil
	}
	again := a.hold(WatchEvery, watchMsg{a.watching.round})
	if a.busy() || a.overlay != nil || a.watching.under {
		return again // what was asked last is not answered yet, or the person is typing
	}
	a.beginLooks()
	return tea.Batch(again, a.lookAgain(), a.refresh())
}

// lookAgain looks once, behind the screen.
func (a *app) lookAgain() tea.Cmd {
	look := a.watching.look
	if look == nil {
		return nil
	}
	a.watching.under = true
	reply, parent, within := lookMsg{round: a.watching.round}, a.ctx, a.options.timeout()
	return a.jobs.run(func() tea.Msg {
		ctx, cancel := context.WithTimeout(parent, within)
		defer cancel()
		reply.glance, reply.at = look(ctx)
		return reply
	})
}

// looked takes a look, unless the watch that it was for has ended.
func (a *app) looked(msg lookMsg) tea.Cmd {
	if msg.round == a.watching.round {
		a.watching.under = false
		a.watching.last = a.watching.state.See(msg.glance, msg.at)
	}
	return nil
}
