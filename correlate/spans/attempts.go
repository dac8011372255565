package spans

import (
	"strconv"

	"obs/sources"
)

// Attempt is the place of a call among those that its caller made because the one before
// had failed.
type Attempt struct {
	Number, Of int // Number from 1
}

// resendCount is the attribute of OpenTelemetry's HTTP conventions that counts how often a
// request was sent again.
const resendCount = "http.request.resend_count"

// Attempts finds the calls that were tried again: children of one span with the same name,
// one after the other without overlap, of which all but the last failed or were told by
// resendCount to be repeated. The result is by the spans' index, and holds no call that was
// made once.
func (t *Tree) Attempts() map[int]Attempt {
	t.attempted.Do(func() { t.attempts = t.findAttempts() })
	return t.attempts
}

func (t *Tree) findAttempts() map[int]Attempt {
	var found map[int]Attempt
	for i := range t.Nodes {
		if len(t.Nodes[i].Children) < 2 {
			continue
		}
		rows := map[Key][]int{}
		var keys []Key
		for _, child := range t.Nodes[i].Children { // in order of start
			key := KeyOf(t.Span(child))
			if rows[key] == nil {
				keys = append(keys, key)
			}
			rows[key] = append(rows[key], child)
		}
		for _, key := range keys {
			for _, run := range t.runs(rows[key]) {
				for n, child := range run {
					if found == nil {
						found = map[int]Attempt{}
					}
					found[child] = Attempt{Number: n + 1, Of: len(run)}
				}
			}
		}
	}
	return found
}

// runs parts calls of one kind, in order of start, into runs of attempts of two or more.
func (t *Tree) runs(calls []int) [][]int {
	var all [][]int
	var run []int
	end := func() {
		if len(run) > 1 {
			all = append(all, run)
		}
		run = nil
	}
	for _, call := range calls {
		if len(run) > 0 {
			before := t.Span(run[len(run)-1])
			again := t.Nodes[run[len(run)-1]].Failed || resent(t.Span(call)) > 0
			if !again || t.Span(call).Start.Before(before.End()) {
				end()
			}
		}
		run = append(run, call)
	}
	end()
	return all
}

func resent(s *sources.Span) int {
	count := s.Attributes.Get(resendCount)
	if count == "" { // for which an error is too dear in a large trace
		return 0
	}
	n, err := strconv.Atoi(count)
	if err != nil {
		return 0
	}
	return n
}
