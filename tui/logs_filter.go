package tui

import (
	"context"
	"slices"

	tea "charm.land/bubbletea/v2"
)

func (l *logsScreen) filter(text string) tea.Cmd {
	l.needle = text
	if l.sought != nil && l.sought.Pattern != text {
		l.sought = nil
	}
	l.table.sift(l.patternNeedle())
	next := newLogMatch(l.needle, l.sought)
	if next.all() || len(l.records) <= siftedAtOnce {
		l.sift(true)
		return nil
	}
	return l.askSifted(next)
}

// siftedAtOnce is up to how many records are searched within a key: about a millisecond.
// More are searched beside the screen, which goes on showing what the last filter left.
const siftedAtOnce = 5000

func (l *logsScreen) askSifted(next logMatch) tea.Cmd {
	l.turn++
	var among []int // all when nil
	if next.narrows(&l.match) {
		among = slices.Clone(l.shown)
	}
	got := sifted{turn: l.turn, match: next, before: l.gone + len(l.records), shown: []int{}}
	records, gone := l.records, l.gone
	return l.ask(askedFilter, func(ctx context.Context) any {
		if among == nil {
			for i := range records {
				if next.matches(&records[i]) {
					got.shown = append(got.shown, gone+i)
				}
			}
			return got
		}
		for _, n := range among {
			if next.matches(&records[n-gone]) {
				got.shown = append(got.shown, n)
			}
		}
		return got
	})
}

// takeSifted shows what a filter let through, and of what has come since as well.
func (l *logsScreen) takeSifted(got sifted) {
	if got.turn != l.turn {
		return
	}
	at := l.selectedNumber()
	lost, _ := slices.BinarySearch(got.shown, l.gone)
	l.shown, l.match = got.shown[lost:], got.match
	for n := got.before; n < l.gone+len(l.records); n++ {
		if l.match.matches(l.record(n)) {
			l.shown = append(l.shown, n)
		}
	}
	l.keepSelection(at)
}

// selectedNumber is the number of the record that is selected, -1 without one.
func (l *logsScreen) selectedNumber() int {
	if l.list.at < len(l.shown) {
		return l.shown[l.list.at]
	}
	return -1
}

// sift keeps the records that the filter lets through, and the selection where that is
// among them. A filter that is narrower than the one before searches only what that left.
func (l *logsScreen) sift(sameRecords bool) {
	l.turn++
	at := -1
	if sameRecords {
		at = l.selectedNumber()
	}
	next := newLogMatch(l.needle, l.sought)
	switch {
	case next.all():
		l.shown = l.shown[:0]
		for i := range l.records {
			l.shown = append(l.shown, l.gone+i)
		}
	case sameRecords && next.narrows(&l.match):
		l.shown = slices.DeleteFunc(l.shown, func(n int) bool { return !next.matches(l.record(n)) })
	default:
		l.shown = l.shown[:0]
		for i := range l.records {
			if next.matches(&l.records[i]) {
				l.shown = append(l.shown, l.gone+i)
			}
		}
	}
	l.match = next
	l.keepSelection(at)
}

// keepSelection selects the record of that number where it is shown, else the one after it
// or the one to begin with.
func (l *logsScreen) keepSelection(at int) {
	l.list.count = len(l.shown)
	i, found := slices.BinarySearch(l.shown, at)
	if !found {
		l.skip = 0
	}
	switch {
	case l.follow.on && l.follow.stick:
		l.toEnd()
	case l.moved && at >= 0:
		l.list.at = i
		l.list.clamp()
	default:
		l.recommend()
	}
}
