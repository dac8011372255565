package tui

import (
	"context"
	"slices"

	tea "charm.land/bubbletea/v2"

	"obs/correlate"
	"obs/sources"
)

// following is the state of a log that is followed.
type following struct {
	on      bool
	turn    int
	stop    context.CancelFunc
	stick   bool // the selection stays at the end
	came    int
	dropped int
	err     error
}

func (l *logsScreen) toggleFollow() (tea.Cmd, string) {
	switch {
	case l.follow.on:
		l.endFollow()
		return nil, "no longer following"
	case l.explorer == nil:
		return nil, "nothing is open yet"
	case l.waiting[askedRecords]:
		return nil, "the records so far are being asked for"
	case l.withoutLoki():
		return nil, "Loki is not configured, so there is no log to follow"
	}
	l.table.shown = false
	l.records = slices.Clone(l.records) // the oldest are let go, which the case must not see
	l.follow = following{on: true, turn: l.follow.turn + 1, stick: true, came: l.follow.came, dropped: l.follow.dropped}
	l.toEnd()
	explorer, question, turn := l.explorer, l.question, l.follow.turn
	question.Window = sources.Window{} // from now on: what was before is there already
	var ctx context.Context
	ctx, l.follow.stop = context.WithCancel(l.ctx)
	return l.stream(askedFollow, func(_ context.Context, emit func(any)) any {
		err := explorer.Follow(ctx, question, func(fresh []correlate.Record, dropped int) {
			emit(followed{turn: turn, records: fresh, dropped: dropped})
		})
		return followEnd{turn: turn, err: err}
	}), ""
}

// endFollow stops following. What still comes of it is dropped.
func (l *logsScreen) endFollow() {
	if l.follow.stop != nil {
		l.follow.stop()
	}
	l.follow.on, l.follow.stop = false, nil
	l.follow.turn++
}

func (l *logsScreen) followEnded(end followEnd) tea.Cmd {
	if end.turn != l.follow.turn {
		if l.follow.on {
			l.waiting[askedFollow] = true // it is an earlier one that ended
		}
		return nil
	}
	l.follow.stop()
	l.follow.on, l.follow.stop, l.follow.err = false, nil, end.err
	return say("the log that was followed ended; f follows it again")
}

func (l *logsScreen) toEnd() { l.list.at, l.skip = max(0, len(l.shown)-1), 0 }

// append takes records in that have just come, and lets the oldest go.
func (l *logsScreen) append(got followed) {
	if got.turn != l.follow.turn {
		return
	}
	l.follow.came += len(got.records)
	l.follow.dropped += got.dropped
	from := l.gone + len(l.records)
	l.records = append(l.records, got.records...)
	l.tally(got.records)
	for i := range got.records {
		if l.match.all() || l.match.matches(&got.records[i]) {
			l.shown = append(l.shown, from+i)
		}
	}
	l.letGo(len(l.records) - followedRecords)
	l.list.count = len(l.shown)
	l.list.clamp()
	if l.follow.stick {
		l.toEnd()
	}
}

// letGo forgets the oldest records. What is in sight stays where it is.
func (l *logsScreen) letGo(n int) {
	if n <= 0 {
		return
	}
	for i := range l.records[:n] {
		r := &l.records[i]
		if l.joins[r.Join]--; l.joins[r.Join] == 0 {
			delete(l.joins, r.Join)
		}
		if l.isMine(r) {
			l.mine--
		}
		delete(l.rows, l.gone+i)
		delete(l.open, l.gone+i)
	}
	if !l.waiting[askedFilter] {
		clear(l.records[:n]) // their lines are kept by nothing else
	}
	l.records = l.records[n:]
	l.gone += n
	lost, _ := slices.BinarySearch(l.shown, l.gone)
	l.shown = l.shown[lost:]
	if l.list.at < lost {
		l.skip = 0
	}
	l.list.at, l.list.top = max(0, l.list.at-lost), max(0, l.list.top-lost)
}
