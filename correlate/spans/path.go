package spans

import (
	"cmp"
	"slices"
	"time"
)

// walkCriticalPath fills Path and every node's Critical.
//
// The algorithm is the one of CRISP (Zhang et al., USENIX ATC 2022) that Jaeger's page
// uses too: go back in time from the root's end; the child that finished last before
// now is what the parent waited for; the time since it finished is the parent's own;
// then go on below that child, and from the child's start look for the one before it.
// A child that outlives its parent counts up to the parent's end, and one that starts
// after it, as asynchronous work does, not at all. A child that overlaps the start of
// the one which was waited for ran beside it and is skipped: nothing shows that the
// parent waited for both.
func (t *Tree) walkCriticalPath() {
	// A frame is a span with the time in which it can be waited for: from its start, or
	// its caller's where the clocks differ, and until is what is left to explain.
	type frame struct {
		span        int
		from, until time.Duration
		// byEnd are the children, last finished first; next is the one to look at.
		byEnd []int
		next  int
		first bool
	}
	room := make([]int, 0, len(t.Nodes)) // each span is opened once
	open := func(span int, from, until time.Duration) frame {
		from = max(from, t.times[span].start)
		at := len(room)
		room = append(room, t.Nodes[span].Children...)
		byEnd := room[at:]
		slices.SortStableFunc(byEnd, func(a, b int) int { return cmp.Compare(t.times[b].end, t.times[a].end) })
		return frame{span: span, from: from, until: until, byEnd: byEnd, first: true}
	}
	root := t.Main
	t.Path = make([]Stretch, 0, len(t.Nodes))
	stack := []frame{open(root, t.times[root].start, t.times[root].end)}
	for len(stack) > 0 {
		f := &stack[len(stack)-1]
		child := None
		childEnd := time.Duration(0)
		for f.next < len(f.byEnd) {
			candidate := f.byEnd[f.next]
			f.next++
			start, end := t.times[candidate].start, t.times[candidate].end
			if start >= f.until || end <= f.from {
				continue // outside what is left of the parent
			}
			if end > f.until {
				if !f.first {
					continue // ran beside the one that was waited for
				}
				end = f.until // outlives its parent
			}
			child, childEnd = candidate, end
			break
		}
		if child == None {
			t.addStretch(f.span, f.from, f.until)
			stack = stack[:len(stack)-1]
			continue
		}
		t.addStretch(f.span, childEnd, f.until)
		f.first = false
		f.until = max(t.times[child].start, f.from)
		stack = append(stack, open(child, f.from, childEnd))
	}
	slices.Reverse(t.Path)
}

func (t *Tree) addStretch(span int, from, to time.Duration) {
	if to <= from {
		return
	}
	t.Path = append(t.Path, Stretch{Span: span, From: from, To: to})
	t.Nodes[span].Critical += to - from
}

// OnPath lists the spans on the critical path, each once, in order of their first
// stretch.
func (t *Tree) OnPath() []int {
	seen := make([]bool, len(t.Nodes))
	order := make([]int, 0, min(len(t.Path), len(t.Nodes)))
	for _, stretch := range t.Path {
		if !seen[stretch.Span] {
			seen[stretch.Span] = true
			order = append(order, stretch.Span)
		}
	}
	return order
}
