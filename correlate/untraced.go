package correlate

import (
	"fmt"
	"slices"
	"time"

	"obs/correlate/patterns"
	"obs/correlate/spans"
	"obs/sources"
)

// Most installations keep the traces of some requests and the lines of all. The lines of one
// service that carry one trace ID are one request that it got, so that requests can be
// counted without a trace. Their operation is not known then, and what each logged first
// stands for it: a handler says what it is about to do, and other handlers say otherwise.

const (
	// traced is from which share of a service's requests on their traces are enough: with
	// nine tenths of a sample, errors of shares are a twentieth larger than with all of it.
	traced = 0.9
	// begunBy is up to which share of the time read a request must have begun to count: one
	// that begins later may not be done by the end, and lacks lines that are still to come.
	begunBy = 0.9
)

// tellRequests finds the requests of each service among its lines.
func (s *loggedSide) tellRequests(trees []*spans.Tree, lines []joinedLine) {
	type requestID struct {
		service string
		trace   sources.TraceID
	}
	fetched := map[sources.TraceID]bool{}
	for _, t := range trees {
		fetched[t.Trace.ID] = true
	}
	began := map[sources.TraceID]time.Time{}
	for i := range lines {
		if at, known := began[lines[i].trace]; !known || lines[i].when.Before(at) {
			began[lines[i].trace] = lines[i].when
		}
	}
	last := s.covered.From.Add(time.Duration(begunBy * float64(s.covered.Duration())))
	s.total, s.traced = map[string]int{}, map[string]int{}
	known, whole := map[requestID]*place{}, map[sources.TraceID]bool{}
	for i := range lines {
		l := &lines[i]
		if began[l.trace].After(last) || !s.asksAbout(l.service) {
			continue
		}
		whole[l.trace] = true
		id := requestID{l.service, l.trace}
		if known[id] == nil {
			known[id] = &place{key: spans.Key{Service: l.service}, id: l.trace, seen: map[string]bool{}}
			s.told = append(s.told, known[id])
			s.total[l.service]++
			if fetched[l.trace] {
				s.traced[l.service]++
			}
		}
		l.request = known[id]
	}
	s.requests = newLoggedKinds(len(whole))
}

// asksAbout reports whether a service is one of those that are asked about. Those that they
// call are seen by their traces.
func (s *loggedSide) asksAbout(service string) bool {
	return len(s.only) == 0 || slices.ContainsFunc(s.only, func(name string) bool { return sameService(name, service) })
}

// logs notes a line of a request. Of lines of one time, as clocks of milliseconds make them,
// the one whose text comes first in the alphabet counts as the first.
func (at *place) logs(text string, when time.Time, severity patterns.Severity) {
	at.seen[text] = true
	at.failed = at.failed || severity >= patterns.Error
	if at.began.IsZero() || when.Before(at.began) || when.Equal(at.began) && text < at.key.Operation {
		at.began, at.key.Operation = when, text
	}
}

// countRequests adds up the requests: errors among all of a service, and what else is logged
// by what they began with.
func (s *loggedSide) countRequests() {
	for _, at := range s.told {
		if !at.failed {
			at.countIn(s.requests.whole)
		}
		of := *at
		of.key.Operation = ""
		of.countIn(s.requests.kinds)
		s.requests.countErrors(at)
	}
}

// untraced are the services with requests on both sides of which too few have a trace that
// was fetched.
func (s *loggedSide) untraced(window *loggedSide) map[string]bool {
	few := func(side *loggedSide, service string) bool {
		return float64(side.traced[service]) < traced*float64(side.total[service])
	}
	found := map[string]bool{}
	for service := range s.total {
		if window.total[service] > 0 && (few(s, service) || few(window, service)) {
			found[service] = true
		}
	}
	return found
}

// requestsSaid names the requests of a shift that were told by their lines.
func (s *lineShift) requestsSaid() string {
	if s.key.Operation == "" {
		return s.key.Service + ", told by their lines,"
	}
	return fmt.Sprintf("%s that begin with %q", s.key.Service, Shorten(s.key.Operation))
}
