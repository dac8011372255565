package correlate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sync/errgroup"

	"obs/correlate/patterns"
	"obs/sources"
)

// Failure is where a request's error began, and how often requests fail like that.
type Failure struct {
	Service   string         `json:"service"`
	Operation string         `json:"operation"`
	SpanID    sources.SpanID `json:"span_id"`
	Message   string         `json:"message,omitempty"`
	Exception *Exception     `json:"exception,omitempty"`
	// Now counts the traces that fail so in a window around this one, and Before in one
	// of the same length just before. Nil where the trace backend was not asked or did not answer.
	Now    *Occurrences `json:"now,omitempty"`
	Before *Occurrences `json:"before,omitempty"`
	// LinesNow and LinesBefore count the log records that say the same.
	LinesNow    *LineCount `json:"lines_now,omitempty"`
	LinesBefore *LineCount `json:"lines_before,omitempty"`
	Findings    []string   `json:"findings"`
}

// Exception is what a span noted of one, by OpenTelemetry's conventions.
type Exception struct {
	Type    string `json:"type,omitempty"`
	Message string `json:"message,omitempty"`
	Stack   string `json:"stack,omitempty"`
}

// Occurrences are the stored traces of a window in which the same work failed in the same
// words. Traces are sampled: there may be more requests.
type Occurrences struct {
	Window sources.Window `json:"window"`
	Traces int            `json:"traces"`
	// Of is how many traces in which that work occurs were looked at, failed or not; 0 where
	// failed ones alone were searched for.
	Of       int            `json:"of,omitempty"`
	AtLeast  bool           `json:"at_least,omitempty"` // there were more than were looked at
	First    time.Time      `json:"first,omitzero"`
	Last     time.Time      `json:"last,omitzero"`
	Versions []VersionCount `json:"versions,omitempty"` // most first
}

// VersionCount is how many of the traces failed in an instance of a version.
type VersionCount struct {
	Version string `json:"version"`
	Traces  int    `json:"traces"`
}

// LineCount is how many log records of a window say something.
type LineCount struct {
	Window  sources.Window `json:"window"`
	Records int            `json:"records"`
}

// exceptionEvent is the name of the event that OpenTelemetry's conventions give to
// exceptions.
const exceptionEvent = "exception"

// exceptionOf is the exception that a span noted last: the one that it ended with.
func exceptionOf(s *Span) Exception {
	for _, e := range slices.Backward(s.Events) {
		found := Exception{
			Type: e.Attributes.Get("exception.type"), Message: e.Attributes.Get("exception.message"),
			Stack: e.Attributes.Get("exception.stacktrace"),
		}
		if e.Attributes.Get("event") == "error" { // OpenTracing's logs
			found = Exception{
				Type: e.Attributes.Get("error.kind"), Message: cmp.Or(e.Attributes.Get("message"), e.Attributes.Get("error.object")),
				Stack: e.Attributes.Get("stack"),
			}
		}
		if found != (Exception{}) {
			return found
		}
	}
	return Exception{}
}

// Bounds of looking for the same failure.
const (
	// occurrenceSpans is how many spans the traces of one search hold at most, by the size of
	// the one at hand: a search brings traces whole.
	occurrenceSpans = 20000
	mostOccurrences = 50
	// leastOccurrences is how many traces must fit to count by them: of fewer no share is told.
	leastOccurrences = 5
	leastFragment    = 12 // characters of a line by which the same are counted
)

// FailureOf is where a request's error began, as its trace tells: how often requests fail
// like that is not counted. Nil where the span to blame did not fail.
func FailureOf(t *Trace) *Failure {
	if t == nil {
		return nil
	}
	origin := t.Span(t.Blamed)
	if origin == nil || !origin.Error {
		return nil
	}
	failure := &Failure{Service: origin.Service, Operation: origin.Operation, SpanID: origin.ID, Findings: []string{}}
	if e := exceptionOf(origin); e != (Exception{}) {
		failure.Exception = &e
		failure.Message = e.Message
	}
	failure.Message = cmp.Or(origin.StatusMessage, failure.Message)
	return failure
}

// What says where the error began, and its message.
func (f *Failure) What() string {
	where := strings.TrimSpace(f.Service + " " + f.Operation)
	if f.Message == "" {
		return where
	}
	return where + ": " + f.Message
}

// count counts how often others fail as the request that was found.
func (f *finder) count(ctx context.Context) {
	t, failure := f.found.Trace, f.found.Failure
	if failure == nil {
		return
	}
	now, before := f.around(t.Window())
	step := f.begin("occurrences", "counting how often requests fail like that")
	group, groupCtx := errgroup.WithContext(ctx)
	var search [2]sources.TraceQuery
	var traceErr, lineErr error
	if counts := f.set.Traces != nil && t.SpanCount*leastOccurrences <= occurrenceSpans; counts {
		group.Go(func() error {
			var found [2]*Occurrences
			found, search, traceErr = f.occurrences(groupCtx, failure, t.SpanCount, [2]sources.Window{now, before})
			failure.Now, failure.Before = found[0], found[1]
			return nil
		})
	}
	line := errorLine(t, f.found.Records)
	selector, fragment := sources.Selector(nil), ""
	if line != nil && f.set.Logs != nil {
		selector, fragment = sameLines(line)
	}
	if fragment != "" {
		group.Go(func() error {
			failure.LinesNow, failure.LinesBefore, lineErr = f.countLines(groupCtx, selector, fragment, now, before)
			return nil
		})
	}
	_ = group.Wait() // errors are kept apart: one backend may answer
	if f.set.Traces != nil && t.SpanCount*leastOccurrences > occurrenceSpans {
		f.found.missing(Missing{
			Backend: f.set.TraceBackend(), Kind: MissingNoData,
			Reason: fmt.Sprintf("how often requests fail like this was not counted by traces, as one has %d spans", t.SpanCount),
			Hint:   "the log records that say the same are counted where there are any",
		})
	}
	f.found.missingError(f.set.TraceBackend(), "other failures like this were not counted", traceErr)
	f.found.missingError(sources.Loki, "records like this were not counted", lineErr)
	if traceErr != nil || lineErr != nil {
		step.failed("not all of it was answered")
	} else {
		step.ended(cmp.Or(failure.Often(), "nothing to count by"))
	}
	if failure.Now != nil {
		failure.Findings = append(failure.Findings, f.found.AddFinding(failure.sayTraces(), f.searchEvidence(search[0], failure.Now), f.searchEvidence(search[1], failure.Before)))
	}
	if failure.LinesNow != nil {
		failure.Findings = append(failure.Findings, f.found.AddFinding(failure.sayLines(fragment),
			f.countEvidence(selector, fragment, failure.LinesNow), f.countEvidence(selector, fragment, failure.LinesBefore)))
	}
}

// around is the window in which the same failure is counted, and the one just before: the
// one that was asked for where the trace is in it, else one of half an hour around the trace.
func (f *finder) around(at sources.Window) (now, before sources.Window) {
	now = f.lookup.Window
	if now.IsZero() || at.From.Before(now.From) || at.To.After(now.To) {
		now = sources.Window{From: at.From, To: at.To}.Pad(aroundID)
		if limit := f.lookup.Now; !limit.IsZero() && now.To.After(limit) && limit.After(at.To) {
			now.To = limit
		}
	}
	return now, sources.Window{From: now.From.Add(-now.Duration()), To: now.From}
}

// occurrences searches for the traces in which the same work failed in the same words, in
// two windows. The trace at hand is in the first: where a search for errors finds none there,
// the storage cannot search for them, and some traces of that work are looked through.
func (f *finder) occurrences(ctx context.Context, like *Failure, spanCount int, windows [2]sources.Window) (found [2]*Occurrences, search [2]sources.TraceQuery, err error) {
	limit := min(mostOccurrences, occurrenceSpans/max(1, spanCount))
	for _, attributes := range []sources.Attributes{{{Key: "error", Value: "true"}}, nil} {
		group, ctx := errgroup.WithContext(ctx)
		for i, window := range windows {
			search[i] = sources.TraceQuery{
				Service: like.Service, Operation: like.Operation, Window: window, Limit: limit, Attributes: attributes,
			}
			group.Go(func() error {
				answer, err := f.set.Traces.Search(ctx, search[i])
				if err == nil {
					found[i] = occurrencesIn(answer, like, window, attributes == nil)
				}
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return [2]*Occurrences{}, search, err
		}
		if found[0].Traces > 0 {
			break
		}
	}
	return found, search, nil
}

// occurrencesIn counts the traces that fail like that.
func occurrencesIn(answer sources.TraceAnswer, like *Failure, window sources.Window, all bool) *Occurrences {
	o := &Occurrences{Window: window, AtLeast: answer.Limited}
	words := patterns.Masked(like.Message)
	versions := map[string]int{}
	for i := range answer.Traces {
		did, failed, version := false, false, ""
		for j := range answer.Traces[i].Spans {
			s := &answer.Traces[i].Spans[j]
			if s.Service != like.Service || s.Operation != like.Operation || !window.Contains(s.Start) {
				continue
			}
			did = true
			own := Span{Events: s.Events}
			if failed || !s.Failed() || patterns.Masked(cmp.Or(s.StatusMessage, exceptionOf(&own).Message)) != words {
				continue
			}
			failed, version = true, s.Resource.Get("service.version")
			if start := s.Start.UTC(); o.First.IsZero() || start.Before(o.First) {
				o.First = start
			}
			if start := s.Start.UTC(); start.After(o.Last) {
				o.Last = start
			}
		}
		if did && all {
			o.Of++
		}
		if failed {
			o.Traces++
		}
		if version != "" {
			versions[version]++
		}
	}
	for _, version := range slices.Sorted(maps.Keys(versions)) {
		o.Versions = append(o.Versions, VersionCount{Version: version, Traces: versions[version]})
	}
	slices.SortStableFunc(o.Versions, func(a, b VersionCount) int { return cmp.Compare(b.Traces, a.Traces) })
	return o
}

// errorLine is the record that says the error: of severity error at least, of the span where it
// began or of its service, else of the nearest of its callers that logs one; of several the
// worst, and of those the first.
func errorLine(t *Trace, records []Record) *Record {
	origin := t.Span(t.Blamed)
	near := map[sources.SpanID]int{} // the larger the nearer
	for id := range t.wayTo(origin) {
		near[id] = t.Span(id).Depth + 1
	}
	nearness := func(r *Record) int {
		if sameService(r.Service, origin.Service) {
			return origin.Depth + 1
		}
		return near[r.SpanID]
	}
	var best *Record
	for i := range records {
		r := &records[i]
		severity := patterns.ParseSeverity(r.Severity)
		if r.Join.Weak() || r.TraceID != t.ID || severity < patterns.Error || nearness(r) == 0 {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(nearness(r), nearness(best)), cmp.Compare(severity, patterns.ParseSeverity(best.Severity))) > 0 {
			best = r
		}
	}
	return best
}

// sameLines selects the records of the same service that say the same as this one: by the
// longest piece of its text that does not vary and stands in the line as it is. The fragment
// is empty where no piece is long enough to mean the same.
func sameLines(r *Record) (selector sources.Selector, fragment string) {
	_, label := r.Labels.First(logServiceLabels...)
	if label == "" {
		return nil, ""
	}
	for piece := range strings.SplitSeq(patterns.Masked(patterns.Read(r.Line).Text), "<*>") {
		// A bracket or a comma at an end belongs to what was cut out.
		piece = strings.TrimFunc(piece, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		if len(piece) > len(fragment) && strings.Contains(r.Line, piece) && !strings.ContainsAny(piece, "\"\\") {
			fragment = piece
		}
	}
	if len(fragment) < leastFragment {
		return nil, ""
	}
	return sources.Selector{{Name: label, Op: sources.Equal, Value: r.Labels[label]}}, fragment
}

// lineCountQuery counts the records that hold a text, over the window that it is asked at
// the end of.
func lineCountQuery(selector sources.Selector, fragment string, window sources.Window) string {
	lines := sources.LogQuery{Selector: selector, Contains: []string{fragment}}
	return fmt.Sprintf("sum(count_over_time(%s[%dms]))", lines, window.Duration().Milliseconds())
}

func (f *finder) countLines(ctx context.Context, selector sources.Selector, fragment string, now, before sources.Window) (in, earlier *LineCount, err error) {
	var found [2]*LineCount
	group, ctx := errgroup.WithContext(ctx)
	for i, window := range []sources.Window{now, before} {
		group.Go(func() error {
			answer, err := f.set.Logs.Instant(ctx, lineCountQuery(selector, fragment, window), window.To)
			if err != nil {
				return err
			}
			found[i] = &LineCount{Window: window}
			for _, s := range answer.Series {
				for _, sample := range s.Samples {
					found[i].Records += int(sample.Value)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	return found[0], found[1], nil
}

// Often says in a few words how often requests fail like that; empty where it is not known.
func (f *Failure) Often() string {
	switch {
	case f.Now != nil && f.Before != nil:
		return f.Now.short() + " like this, " + strconv.Itoa(f.Before.Traces) + " before"
	case f.LinesNow != nil && f.LinesBefore != nil:
		return fmt.Sprintf("%s like this, %d before", counted(f.LinesNow.Records, "record"), f.LinesBefore.Records)
	}
	return ""
}

// short says how many traces where there is no room for more.
func (o *Occurrences) short() string {
	switch {
	case o.Of > 0:
		return fmt.Sprintf("%d of %s", o.Traces, counted(o.Of, "trace"))
	case o.AtLeast:
		return "at least " + counted(o.Traces, "trace")
	}
	return counted(o.Traces, "trace")
}

// sayTraces says how often, since when and in which versions requests fail so.
func (f *Failure) sayTraces() string {
	text := fmt.Sprintf("%s %s fails like this in %s of %s, and in %s of the %s before", f.Service, f.Operation,
		f.Now.count(), f.Now.Window, f.Before.count(), span(f.Before.Window))
	if f.Before.Traces == 0 && !f.Before.AtLeast && f.Now.Traces > 0 && !f.Now.AtLeast {
		text += "; the first began at " + Clock(f.Now.First)
	}
	if len(f.Now.Versions) > 0 {
		text += "; " + versionsIn(f.Now)
		if len(f.Before.Versions) > 0 {
			text += ", before " + versionsIn(f.Before)
		}
	}
	return text
}

// count says how many traces.
func (o *Occurrences) count() string {
	switch {
	case o.Of > 0 && o.AtLeast:
		return fmt.Sprintf("%d of %s that were looked at", o.Traces, counted(o.Of, "trace"))
	case o.Of > 0:
		return fmt.Sprintf("%d of %s", o.Traces, counted(o.Of, "stored trace"))
	case o.AtLeast:
		return "at least " + counted(o.Traces, "stored trace")
	}
	return counted(o.Traces, "stored trace")
}

// span is how long a window is, as a person says it.
func span(w sources.Window) string {
	text := w.Duration().Round(time.Second).String()
	if short, ok := strings.CutSuffix(text, "m0s"); ok {
		text = short + "m"
	}
	if short, ok := strings.CutSuffix(text, "h0m"); ok {
		text = short + "h"
	}
	return text
}

func versionsIn(o *Occurrences) string {
	parts := make([]string, 0, len(o.Versions))
	for _, v := range o.Versions {
		parts = append(parts, fmt.Sprintf("version %s in %d", v.Version, v.Traces))
	}
	return strings.Join(parts, ", ")
}

func (f *Failure) sayLines(fragment string) string {
	return fmt.Sprintf("%s of %s say %q, and %d of the %s before", counted(f.LinesNow.Records, "record"), f.LinesNow.Window,
		Shorten(fragment), f.LinesBefore.Records, span(f.LinesBefore.Window))
}

func (f *finder) searchEvidence(q sources.TraceQuery, o *Occurrences) Evidence {
	return Evidence{
		Backend: f.set.TraceBackend(), Query: traceQuery(f.set.Traces, q), Window: q.Window, URL: f.set.Traces.SearchLink(q),
		Values: []Value{{Name: "traces that fail like this", Value: float64(o.Traces)}},
	}
}

func (f *finder) countEvidence(selector sources.Selector, fragment string, n *LineCount) Evidence {
	query := lineCountQuery(selector, fragment, n.Window)
	return Evidence{
		Backend: sources.Loki, Query: query, Window: n.Window, URL: f.set.Logs.Link(query, n.Window),
		Values: []Value{{Name: "records", Value: float64(n.Records)}},
	}
}
