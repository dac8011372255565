package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"obs/correlate"
	"obs/sources"
)

// foldFrom is how many spans have their repetitions folded. Fewer are four screens of
// fifty lines, which a person leafs through, and every span has its own row.
const foldFrom = 200

// ownFailures is how many failed calls of a repetition keep a row of their own, which
// has their messages: one, and two more to see whether they fail alike.
const ownFailures = 3

// folding is which spans of a trace share a row.
type folding struct {
	rows   map[int]*repetition // by the first span that stands in it
	hidden []bool              // the span stands in one of rows
}

// repetition is calls that share a row, each with all that is beneath it.
type repetition struct {
	service       string
	work          []string // operations
	depth         int
	calls         int
	self          float64 // seconds, of the calls
	under95, most float64 // seconds that 95 % of the calls take at most, and the slowest
	start, end    time.Time
	spans         int     // with those beneath
	failed        int     // of these
	events        int     // of these
	waited        float64 // seconds that the request waited for any of these
}

// fold finds the repetitions of a trace with many spans. Calls keep a row of their own
// that have the blamed span or a record beneath them, the first that failed, and the
// slowest one where the request waited for it. Spans that are not in only, where it is
// given, have no row in any case.
func fold(t *correlate.Trace, beneath map[sources.SpanID][]correlate.Record, only map[sources.SpanID]bool) folding {
	f := folding{rows: map[int]*repetition{}, hidden: make([]bool, len(t.Spans))}
	if len(t.Spans) < foldFrom || (only != nil && len(only) < foldFrom) {
		return f
	}
	nest := correlate.Nest(t.Spans)
	// What is beneath each span, itself included.
	apart, waited, failed := make([]bool, len(t.Spans)), make([]float64, len(t.Spans)), make([]bool, len(t.Spans))
	for i := len(t.Spans) - 1; i >= 0; i-- {
		s := &t.Spans[i]
		apart[i] = apart[i] || (s.ID == t.Blamed && t.Blamed != "") || len(beneath[s.ID]) > 0
		waited[i] += s.CriticalSeconds
		failed[i] = failed[i] || s.Error
		if p := nest.Parent[i]; p >= 0 {
			apart[p] = apart[p] || apart[i]
			waited[p] += waited[i]
			failed[p] = failed[p] || failed[i]
		}
	}
	folded := int32(-1) // runs up to this one are done; their numbers rise with their first spans
	for i := range t.Spans {
		if nest.Run[i] <= folded || f.hidden[i] {
			continue
		}
		folded = nest.Run[i]
		var calls []int
		failures := 0
		for call := i; nest.Siblings(i, call) && nest.Run[call] == folded; call = int(nest.End[call]) {
			own := apart[call] || (only != nil && !only[t.Spans[call].ID])
			if failed[call] && !own {
				failures++
				own = failures <= ownFailures
			}
			if !own {
				calls = append(calls, call)
			}
		}
		calls = withoutSlowest(t, calls, waited)
		if len(calls) >= correlate.LeastRun {
			f.hide(t, nest, calls, only)
		}
	}
	return f
}

// withoutSlowest takes the slowest of some calls out if it is an exception among them
// for which the request waited.
func withoutSlowest(t *correlate.Trace, calls []int, waited []float64) []int {
	slowest := -1
	for _, call := range calls {
		if slowest < 0 || t.Spans[call].DurationSeconds > t.Spans[slowest].DurationSeconds {
			slowest = call
		}
	}
	if slowest < 0 || waited[slowest] <= leastShare*t.DurationSeconds ||
		t.Spans[slowest].DurationSeconds <= correlate.Under95(durations(t, calls)) {
		return calls
	}
	return slices.DeleteFunc(calls, func(call int) bool { return call == slowest })
}

func durations(t *correlate.Trace, calls []int) []float64 {
	all := make([]float64, len(calls))
	for i, call := range calls {
		all[i] = t.Spans[call].DurationSeconds
	}
	return all
}

// hide puts calls into one row, with what is beneath them.
func (f *folding) hide(t *correlate.Trace, nest *correlate.Nesting, calls []int, only map[sources.SpanID]bool) {
	first := &t.Spans[calls[0]]
	row := &repetition{service: first.Service, depth: first.Depth, calls: len(calls), start: first.Start}
	row.under95 = correlate.Under95(durations(t, calls))
	for _, call := range calls {
		s := &t.Spans[call]
		row.self += s.SelfSeconds
		row.most = max(row.most, s.DurationSeconds)
		if s.Start.Before(row.start) {
			row.start = s.Start
		}
		if end := s.Start.Add(time.Duration(s.DurationSeconds * float64(time.Second))); end.After(row.end) {
			row.end = end
		}
		if name := s.Operation; !slices.Contains(row.work, name) {
			row.work = append(row.work, name) // a repetition has few
		}
		for i := call; i < int(nest.End[call]); i++ {
			f.hidden[i] = true
			if only != nil && !only[t.Spans[i].ID] {
				continue // which is counted elsewhere
			}
			row.spans++
			row.events += len(t.Spans[i].Events)
			row.waited += t.Spans[i].CriticalSeconds
			if t.Spans[i].Error {
				row.failed++
			}
		}
	}
	f.rows[calls[0]] = row
}

// together is the calls as one span.
func (r *repetition) together() correlate.Span {
	return correlate.Span{
		Service: r.service, Operation: fmt.Sprintf("× %d  %s", r.calls, strings.Join(r.work, ", ")), Depth: r.depth,
		Start: r.start, DurationSeconds: r.end.Sub(r.start).Seconds(), SelfSeconds: r.self, CriticalSeconds: r.waited,
	}
}

// draw writes the row, and what its calls come to beneath it.
func (r *repetition) draw(p *page, window sources.Window) {
	together := r.together()
	spanLine(p, " ", &together, window)
	p.line("    %s%s", strings.Repeat(" ", indentation(&together)), r.sum())
}

// sum says what the calls come to.
func (r *repetition) sum() string {
	sum := fmt.Sprintf("× %d: 95 %% under %s, slowest %s", r.calls, correlate.Seconds(r.under95), correlate.Seconds(r.most))
	if r.spans > r.calls {
		sum += fmt.Sprintf(", %s with those beneath", counted(r.spans, "span"))
	}
	if r.failed > 0 {
		sum += fmt.Sprintf(", %d failed", r.failed)
	}
	if r.events > 0 {
		sum += ", " + counted(r.events, "event")
	}
	return sum
}
