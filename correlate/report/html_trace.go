package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"obs/correlate"
	"obs/sources"
)

const (
	// openRows is how many spans stand open: two screens of them. Of a larger trace those
	// stand open that the request waited for or that failed, and all of them are folded.
	openRows = 60
	// mostRows bounds a waterfall: a page with more is slow to open, and nobody reads them.
	mostRows = 1000
	// deepestRow is how deep a row is indented, so that its name has room on a telephone.
	deepestRow = 12
	// rowTexts is how many attributes and events a row unfolds, each in at most textSize bytes.
	rowTexts = 40
	textSize = 300
)

type htmlTrace struct {
	ID, Number, Name, URL, Facts, Began, Related string
	Remarks                                      []string
	Rows                                         []htmlSpan // open
	Left                                         string     // what is not among them
	All                                          []htmlSpan // folded
	AllLeft                                      int        // that not even those have
	Tried                                        bool       // some call was tried again
}

type htmlSpan struct {
	Mark, MarkText, Service, Operation, Status, Sum string
	Duration, Self                                  string
	Indent                                          int
	X, Wide                                         string // of 1000
	Critical, Failed, Blamed                        bool
	Texts                                           []string // attributes and events
	Records                                         []htmlRecord
}

func newHTMLTrace(t *correlate.Trace, beneath map[sources.SpanID][]correlate.Record, number int) htmlTrace {
	view := htmlTrace{
		ID: string(t.ID), Number: fmt.Sprint(number), URL: sources.WebAddress(t.URL), Remarks: t.Remarks,
		Facts: strings.Join(traceFacts(t), ", "), Began: t.Start.UTC().Format("2006-01-02 15:04:05.000 UTC"),
		Tried: slices.ContainsFunc(t.Spans, func(s correlate.Span) bool { return s.Attempts > 1 }),
	}
	if t.Root != nil {
		view.Name = strings.TrimSpace(t.Root.Service + " " + t.Root.Operation)
	}
	if t.Related != nil {
		view.Related = t.Related.Text
	}
	all := spanRows(t, beneath, nil)
	if len(all) <= openRows {
		view.Rows = all
		return view
	}
	only := notable(t)
	for i := range t.Spans {
		if len(beneath[t.Spans[i].ID]) > 0 {
			only[t.Spans[i].ID] = true // its records have no other place
		}
	}
	view.Rows = spanRows(t, beneath, only)
	if hidden := len(t.Spans) - countSpans(t, only); hidden > 0 {
		view.Left = counted(hidden, "more span") + ", which the request hardly waited for and which did not fail"
	}
	if len(view.Rows) > mostRows {
		view.Left = counted(len(view.Rows)-mostRows, "more row") + ", which -o json has"
		view.Rows = view.Rows[:mostRows]
	}
	for i := range all {
		all[i].Texts, all[i].Records = nil, nil // the open rows have them
	}
	view.All, view.AllLeft = all[:min(len(all), mostRows)], max(0, len(all)-mostRows)
	return view
}

func countSpans(t *correlate.Trace, only map[sources.SpanID]bool) int {
	n := 0
	for i := range t.Spans {
		if only[t.Spans[i].ID] {
			n++
		}
	}
	return n
}

// spanRows are a trace's rows, parents first, with repeated calls in one; only those of only,
// where it is given.
func spanRows(t *correlate.Trace, beneath map[sources.SpanID][]correlate.Record, only map[sources.SpanID]bool) []htmlSpan {
	var rows []htmlSpan
	window := t.Window()
	repeated := fold(t, beneath, only)
	shown := map[sources.SpanID]bool{}
	for i := range t.Spans {
		s := &t.Spans[i]
		if only != nil && !only[s.ID] {
			continue
		}
		if r := repeated.rows[i]; r != nil {
			together := r.together()
			row := spanRow(&together, window)
			row.Sum = r.sum()
			row.Failed = r.failed > 0
			rows = append(rows, row)
		}
		if repeated.hidden[i] {
			continue
		}
		row := spanRow(s, window)
		row.Status = s.StatusMessage
		switch {
		case t.Blamed != "" && s.ID == t.Blamed:
			row.Mark, row.MarkText, row.Blamed = "►", "to blame", true
		case s.Error:
			row.Mark, row.MarkText = "✖", "failed"
		case s.Orphan:
			row.Mark, row.MarkText = "?", "its parent is missing"
		}
		if row.Blamed || s.Error || s.CriticalSeconds > leastShare*t.DurationSeconds {
			row.Texts = spanTexts(s)
		}
		if !shown[s.ID] { // spans may share an ID; their records are shown once
			for j := range beneath[s.ID] {
				row.Records = append(row.Records, recordView(&beneath[s.ID][j]))
			}
		}
		shown[s.ID] = true
		rows = append(rows, row)
	}
	return rows
}

// spanRow is where a span stands in the trace's time.
func spanRow(s *correlate.Span, window sources.Window) htmlSpan {
	at := segment{window, 0, 1000}
	from := min(max(at.across(s.Start), 0), 998)
	to := min(max(at.across(s.Start.Add(time.Duration(s.DurationSeconds*float64(time.Second)))), from+2), 1000) // 2 can be seen
	return htmlSpan{
		Service: s.Service, Operation: s.Operation + attempt(s), Duration: correlate.Seconds(s.DurationSeconds), Self: correlate.Seconds(s.SelfSeconds),
		Indent: min(max(s.Depth, 0), deepestRow), X: number1(from), Wide: number1(to - from), Critical: s.CriticalSeconds > 0, Failed: s.Error,
	}
}

// spanTexts are what a span says of itself.
func spanTexts(s *correlate.Span) []string {
	var all []string
	for _, a := range s.Attributes {
		all = append(all, sources.Shorten(a.Key+"="+a.Value, textSize))
	}
	for _, e := range s.Events {
		all = append(all, sources.Shorten(e.Time.UTC().Format("15:04:05.000")+" event "+e.Name+attributes(e.Attributes), textSize))
	}
	if more := len(all) - rowTexts; more > 0 {
		all = append(all[:rowTexts], fmt.Sprintf("and %d more, which -o json has", more))
	}
	return all
}
