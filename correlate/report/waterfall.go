package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"obs/correlate"
	"obs/sources"
)

// Columns of the waterfall: name, duration, self time, and the bars.
const (
	nameWidth     = 56
	durationWidth = 9
	barWidth      = 38
)

// deepest is how deep a span is indented: a deeper one stands as far right as this, so
// that its name has room. The bars tell its place in time all the same.
const deepest = 20

func indentation(s *correlate.Span) int { return 2 * min(max(s.Depth, 0), deepest) }

// attempt tells a call that was tried again, and which one this is.
func attempt(s *correlate.Span) string {
	if s.Attempts < 2 {
		return ""
	}
	return fmt.Sprintf("  ↻ %d of %d", s.Attempt, s.Attempts)
}

func traceHeader(p *page, t *correlate.Trace) {
	root := ""
	if t.Root != nil {
		root = t.Root.Service + " " + t.Root.Operation
	}
	facts := traceFacts(t)
	p.line("TRACE %s  %s  %s  %s", string(t.ID), root, facts[0], strings.Join(facts[1:], ", "))
	if t.Related != nil {
		indented(p, "  ↔ ", t.Related.Text)
	}
	for _, remark := range t.Remarks {
		indented(p, "  ! ", remark)
	}
	legend := "━ critical path  ─ other time   ✖ failed  ? parent missing"
	if slices.ContainsFunc(t.Spans, func(s correlate.Span) bool { return s.Attempts > 1 }) {
		legend += "  ↻ tried again"
	}
	p.line("  began %s   "+legend, t.Start.UTC().Format("2006-01-02 15:04:05.000 UTC"))
}

// traceFacts are how long a trace took, how many spans it has, and what is wrong with some.
func traceFacts(t *correlate.Trace) []string {
	facts := []string{correlate.Seconds(t.DurationSeconds), counted(t.SpanCount, "span")}
	if t.ErrorCount > 0 {
		facts = append(facts, fmt.Sprintf("%d failed", t.ErrorCount))
	}
	if t.OrphanCount > 0 {
		facts = append(facts, fmt.Sprintf("%d without their parent", t.OrphanCount))
	}
	return facts
}

// leastShare of the request's time is what a span must have had on the critical path
// for a triage to show it.
const leastShare = 0.01

// notable picks the spans that a triage shows: those that the request waited for,
// those that failed, and the parents of both.
func notable(t *correlate.Trace) map[sources.SpanID]bool {
	parents := make(map[sources.SpanID]sources.SpanID, len(t.Spans))
	for i := range t.Spans {
		parents[t.Spans[i].ID] = t.Spans[i].ParentID
	}
	keep := map[sources.SpanID]bool{}
	for i := range t.Spans {
		s := &t.Spans[i]
		if s.CriticalSeconds <= leastShare*t.DurationSeconds && !s.Error && s.ID != t.Blamed {
			continue
		}
		for id := s.ID; id != "" && !keep[id]; id = parents[id] {
			keep[id] = true
		}
	}
	return keep
}

// waterfall draws the spans, parents first, with the records beneath them, and in a long
// trace repeated calls in one row. Where only is given the others are folded into a count.
func waterfall(p *page, t *correlate.Trace, beneath map[sources.SpanID][]correlate.Record, only map[sources.SpanID]bool) {
	window := t.Window()
	p.line("  %s %s %s", pad("service  operation", nameWidth), padLeft("duration", durationWidth), padLeft("self", durationWidth))
	folded := 0
	repeated := fold(t, beneath, only)
	if len(repeated.rows) > 0 {
		p.line("  × repeated calls share a row; -o json has each")
	}
	rows := 0
	for i := range t.Spans {
		if !repeated.hidden[i] && (only == nil || only[t.Spans[i].ID]) {
			rows++
		}
	}
	p.b.Grow(rows * rowBytes)
	shown := map[sources.SpanID]bool{}
	for i := range t.Spans {
		s := &t.Spans[i]
		if only != nil && !only[s.ID] {
			folded++
			continue
		}
		if row := repeated.rows[i]; row != nil {
			row.draw(p, window)
		}
		if repeated.hidden[i] {
			continue
		}
		mark := " "
		switch {
		case t.Blamed != "" && s.ID == t.Blamed:
			mark = "►"
		case s.Error:
			mark = "✖"
		case s.Orphan:
			mark = "?"
		}
		spanLine(p, mark, s, window)
		indent := "    " + strings.Repeat(" ", indentation(s))
		if s.StatusMessage != "" {
			p.line("%sstatus: %s", indent, s.StatusMessage)
		}
		if beneath == nil && s.ID != t.Blamed {
			continue
		}
		if !shown[s.ID] { // spans may share an ID; their records are shown once
			for j := range beneath[s.ID] {
				p.line("%s%s", indent, recordLine(&beneath[s.ID][j]))
			}
			if len(beneath[s.ID]) == 0 {
				for _, e := range s.Events {
					p.line("%s%s event  %s%s", indent, e.Time.UTC().Format("15:04:05.000"), e.Name, attributes(e.Attributes))
				}
			}
		}
		shown[s.ID] = true
	}
	if folded > 0 {
		p.line("  … %s, which the request hardly waited for and which did not fail", counted(folded, "more span"))
	}
}

// rowBytes is about what the row of a span takes, whose bar is of three bytes to a cell.
const rowBytes = 2 * Width

// spanLine draws the row of a span.
func spanLine(p *page, mark string, s *correlate.Span, window sources.Window) {
	p.printable(mark, " ", pad(strings.Repeat(" ", indentation(s))+s.Service+"  "+s.Operation+attempt(s), nameWidth), " ",
		padLeft(correlate.Seconds(s.DurationSeconds), durationWidth), " ", padLeft(correlate.Seconds(s.SelfSeconds), durationWidth), " │", bar(s, window), "│")
}

func attributes(all sources.Attributes) string {
	var b strings.Builder
	for _, a := range all {
		switch {
		case a.Value == "":
		case strings.Contains(a.Value, "\n"): // a stack trace: its first line says which
			first, rest, _ := strings.Cut(strings.TrimSpace(a.Value), "\n")
			fmt.Fprintf(&b, "  %s=%s … %d more lines", a.Key, sources.Shorten(first, 120), 1+strings.Count(rest, "\n"))
		default:
			fmt.Fprintf(&b, "  %s=%s", a.Key, sources.Shorten(a.Value, 120))
		}
	}
	return b.String()
}

// bar places a span in the trace's time. The part on the critical path is not known by
// place here, so a span that has any is drawn heavy.
func bar(s *correlate.Span, window sources.Window) string {
	total := window.Duration()
	if total <= 0 {
		return strings.Repeat(" ", barWidth)
	}
	at := func(t time.Time) int {
		return int(float64(t.Sub(window.From)) / float64(total) * barWidth)
	}
	from := min(max(at(s.Start), 0), barWidth-1)
	to := min(max(at(s.Start.Add(time.Duration(s.DurationSeconds*float64(time.Second)))), from+1), barWidth)
	stroke := "─"
	if s.CriticalSeconds > 0 {
		stroke = "━"
	}
	return strings.Repeat(" ", from) + strings.Repeat(stroke, to-from) + strings.Repeat(" ", barWidth-to)
}
