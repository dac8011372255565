package correlate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"obs/correlate/patterns"
	"obs/sources"
)

// Kinds of moments.
const (
	MomentBegins = "begins" // the request, or a call on the way to the error
	MomentCall   = "call"   // a call that had ended by then
	MomentEvent  = "event"  // noted by a span
	MomentRecord = "record" // a log record
	MomentError  = "error"  // the error begins
	MomentFails  = "fails"  // a caller fails because of it
)

// Moment is one thing that a failed request did, on the way to its error.
type Moment struct {
	Time time.Time `json:"time"`
	// OffsetSeconds is how long after the beginning of the trace.
	OffsetSeconds float64        `json:"offset_seconds"`
	Kind          string         `json:"kind"` // one of the constants above
	Service       string         `json:"service"`
	SpanID        sources.SpanID `json:"span_id,omitempty"`
	Text          string         `json:"text"`
	Failed        bool           `json:"failed,omitempty"`
}

// maxMoments bounds a story: the last before the error tell most.
const maxMoments = 200

// Tell puts together what the request of a trace did before it failed, in order of time
// across services: what its spans on the way to the error began, called and noted, and what
// was logged there; of other spans what was logged as a warning or worse. Nil where it did
// not fail. It reads the trace and the records that were found, and asks nothing.
func Tell(t *Trace, records []Record) []Moment {
	origin := t.Span(t.Blamed)
	if origin == nil || !origin.Error {
		return nil
	}
	byID := make(map[sources.SpanID]*Span, len(t.Spans))
	for i := range t.Spans {
		byID[t.Spans[i].ID] = &t.Spans[i]
	}
	way := t.wayTo(origin)
	// A call is told once, by the side that answers it.
	answered := map[sources.SpanID]bool{}
	for id := range way {
		if caller := byID[byID[id].ParentID]; caller != nil && caller.Kind == sources.KindClient && caller.Service != byID[id].Service {
			answered[caller.ID] = true
		}
	}
	story := &story{trace: t}
	for i := range t.Spans {
		s := &t.Spans[i]
		switch {
		case way[s.ID] && answered[s.ID]:
			story.events(s) // it begins and fails as the call that it makes does
		case way[s.ID]:
			story.begins(s, byID[s.ParentID])
			story.fails(s, s == origin)
			story.events(s)
		case way[s.ParentID] && !answered[s.ParentID] && !s.end().After(byID[s.ParentID].end()):
			story.called(s)
		}
	}
	for i := range records {
		r := &records[i]
		if r.Join.Weak() || (r.TraceID != "" && r.TraceID != t.ID) {
			continue
		}
		if way[r.SpanID] || patterns.ParseSeverity(r.Severity) >= patterns.Warn {
			story.add(Moment{Time: r.Time, Kind: MomentRecord, Service: r.Service, SpanID: r.SpanID, Text: saidBy(r),
				Failed: patterns.ParseSeverity(r.Severity) >= patterns.Error})
		}
	}
	return story.inOrder()
}

// wayTo are the IDs of a span and of all its callers.
func (t *Trace) wayTo(span *Span) map[sources.SpanID]bool {
	parents := make(map[sources.SpanID]sources.SpanID, len(t.Spans))
	for i := range t.Spans {
		parents[t.Spans[i].ID] = t.Spans[i].ParentID
	}
	way := map[sources.SpanID]bool{}
	for id := span.ID; id != "" && !way[id]; id = parents[id] {
		if _, ok := parents[id]; !ok {
			break // it is not in the trace
		}
		way[id] = true
	}
	return way
}

// story is one being put together.
type story struct {
	trace   *Trace
	moments []Moment
}

func (s *story) add(m Moment) {
	m.Time = m.Time.UTC()
	m.OffsetSeconds = m.Time.Sub(s.trace.Start).Seconds()
	s.moments = append(s.moments, m)
}

func (s *story) begins(span, caller *Span) {
	attempt := attemptOf(span)
	if attempt == "" && caller != nil && caller.Kind == sources.KindClient {
		attempt = attemptOf(caller)
	}
	s.add(Moment{Time: span.Start, Kind: MomentBegins, Service: span.Service, SpanID: span.ID, Text: span.Operation + " begins" + attempt})
}

// fails ends a span on the way to the error.
func (s *story) fails(span *Span, origin bool) {
	m := Moment{Time: span.end(), Kind: MomentFails, Service: span.Service, SpanID: span.ID, Failed: true,
		Text: fmt.Sprintf("%s fails after %s", span.Operation, Seconds(span.DurationSeconds))}
	if origin {
		m.Kind = MomentError
	}
	if said := cmp.Or(span.StatusMessage, exceptionOf(span).Message); said != "" {
		m.Text += ": " + Shorten(said)
	}
	s.add(m)
}

// called is a call that a span on the way to the error made, and that is not on it.
func (s *story) called(span *Span) {
	m := Moment{Time: span.end(), Kind: MomentCall, Service: span.Service, SpanID: span.ID, Failed: span.Error}
	verb := "took"
	if span.Error {
		verb = "failed after"
	}
	m.Text = fmt.Sprintf("%s %s %s%s", span.Operation, verb, Seconds(span.DurationSeconds), attemptOf(span))
	if span.Error && span.StatusMessage != "" {
		m.Text += ": " + Shorten(span.StatusMessage)
	}
	s.add(m)
}

func attemptOf(span *Span) string {
	if span.Attempts == 0 {
		return ""
	}
	return fmt.Sprintf(" (attempt %d of %d)", span.Attempt, span.Attempts)
}

// events are what a span noted, without its exception, which is told apart.
func (s *story) events(span *Span) {
	for _, e := range span.Events {
		if e.Name == exceptionEvent {
			continue
		}
		text := e.Name
		for _, a := range e.Attributes {
			if a.Value != "" {
				text += " " + a.Key + "=" + a.Value
			}
		}
		s.add(Moment{Time: e.Time, Kind: MomentEvent, Service: span.Service, SpanID: span.ID, Text: Shorten(text)})
	}
}

// saidBy is what a record says, without the fields that are known otherwise.
func saidBy(r *Record) string {
	text, fields := Unfold(r.Line)
	if text == "" || len(fields) == 0 {
		text = patterns.Message(r.Line) // without the date and the thread before it
	}
	var more []string
	for _, f := range fields {
		if slices.Contains(tellingFields, f.Key) && f.Value != "" {
			more = append(more, f.Key+"="+f.Value)
		}
	}
	if len(more) > 0 {
		text += "  " + strings.Join(more, " ")
	}
	severity := ""
	if r.Severity != "" {
		severity = strings.ToUpper(r.Severity) + " "
	}
	return severity + Shorten(text)
}

// tellingFields are those of a record that say why, by the names in use.
var tellingFields = []string{"error", "err", "exception", "reason", "cause", "error.message", "exception.message", "status", "code"}

// inOrder sorts the moments by time, those of one moment by where they belong in a span's
// life, and leaves the last ones where they are too many.
func (s *story) inOrder() []Moment {
	order := map[string]int{MomentCall: 0, MomentBegins: 1, MomentEvent: 2, MomentRecord: 3, MomentError: 4, MomentFails: 5}
	slices.SortStableFunc(s.moments, func(a, b Moment) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(order[a.Kind], order[b.Kind]))
	})
	if extra := len(s.moments) - maxMoments; extra > 0 {
		// The request's beginning stays: it says what was asked.
		s.moments = slices.Concat(s.moments[:1], s.moments[1+extra:])
	}
	return s.moments
}
