package correlate

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"obs/correlate/anomaly"
	"obs/correlate/ident"
	"obs/correlate/patterns"
	"obs/correlate/spans"
	"obs/sources"
)

// What a service logs is compared by request: a visit of a sampled trace and the lines
// that carry its IDs. So neither more traffic nor another mix of requests makes a pattern
// grow or vanish. Where most requests have no trace, they are seen by their lines alone:
// untraced.go. Lines without an ID cannot be counted so, and are left out here.

// linesOfSide is how many lines are read of each side. A request of a dozen services
// leaves some fifty lines, so that these are some hundred requests.
const linesOfSide = 6000

// linesQueries is how many questions must be left: each side is read page by page, and the
// records of the chosen trace are still to be asked for.
const linesQueries = 12

// likeLines is how alike lines of one pattern must be. More than usual: that "start" is
// printed and "done" is not must show, and values apart from numbers and IDs that make
// several patterns of one statement are told by one taking the other's place.
const likeLines = 0.9

// logged is what the visits of one kind logged on one side.
type logged struct {
	visits int
	// with counts the visits that have a line of the pattern.
	with map[string]int
	// traces are those of the visits, and having those that have a line of the pattern.
	traces []sources.TraceID
	having map[string][]sources.TraceID
}

// loggedKinds is what was logged, by kind of work.
type loggedKinds struct {
	kinds map[spans.Key]*logged // all visits
	whole map[spans.Key]*logged // those that did not fail
	// errors counts the traces with each pattern of an error, in whatever service.
	errors map[string]map[sources.TraceID]bool
	traces int
}

func newLoggedKinds(traces int) loggedKinds {
	return loggedKinds{
		kinds: map[spans.Key]*logged{}, whole: map[spans.Key]*logged{}, errors: map[string]map[sources.TraceID]bool{}, traces: traces,
	}
}

// loggedSide is one side.
type loggedSide struct {
	visits loggedKinds
	// requests are those of each service, told by the lines that carry one trace ID.
	requests loggedKinds
	told     []*place // these requests
	only     []string // the services that are asked about; all when empty
	names    *glossary
	total    map[string]int // of each service
	traced   map[string]int // those of them with a trace that was fetched
	// apart are the lines of services that log no IDs, read of the time covered.
	apart    []*sources.Record
	covered  sources.Window
	selector sources.Selector
	over     sources.Window
}

// of selects the lines of one service, by the label that names it and its names there, among
// those of the side.
func (s *loggedSide) of(label string, names []string) string {
	own := sources.Selector{sources.AnyOf(label, names...)}
	for _, m := range s.selector {
		if m.Name != label {
			own = append(own, m)
		}
	}
	return own.String()
}

// lineShift is a pattern of which a kind of work logs more or less.
type lineShift struct {
	key                          spans.Key
	pattern                      string
	severity                     patterns.Severity
	baseline, window             float64 // share of the visits
	baselineVisits, windowVisits int
	// untraced: the visits are requests that are told by their lines, and the key's operation
	// is what each logged first; empty of all.
	untraced bool
	p        float64           // corrected for the number of patterns of the service
	traces   []sources.TraceID // of the window that show it
	// known is how much of an error's rate in the window the baseline had already, in this
	// service or in another: errors that come in bursts go from one to the next.
	known    float64
	replaced bool // another pattern took its place, or it took another's
}

// markReplaced marks patterns of which one comes as much as another goes, neither being an
// error: requests took another branch, as other data makes them do.
func markReplaced(of []lineShift) {
	for i := range of {
		for j := range of {
			a, b := of[i].window-of[i].baseline, of[j].baseline-of[j].window
			if of[i].severity < patterns.Error && of[j].severity < patterns.Error && a > 0 && b > 0 && spans.Replaces(a, b) {
				of[i].replaced, of[j].replaced = true, true
			}
		}
	}
}

// compareLines looks for patterns that appear and patterns that vanish.
func (w *walk) compareLines(ctx context.Context) {
	if w.set.Logs == nil || ctx.Err() != nil || w.spare() < linesQueries {
		return
	}
	step := w.begin("lines", "comparing what requests log with what they logged")
	shifts, counted, err := w.lineShifts(ctx)
	if err != nil {
		w.failed(sources.Loki, "log lines were not compared", err)
		step.failed("Loki gave no answer")
		return
	}
	said := map[string]int{}
	for i := range shifts {
		w.lineClue(&shifts[i], said)
	}
	w.compareApart()
	step.ended(counted)
}

// anyLine is the pattern of all lines. Where a statement is spread over several patterns,
// as one that prints a list is, its falling silent shows here.
const anyLine = ""

// joinedLine is a line with the visit that logged it, and the request.
type joinedLine struct {
	service string
	trace   sources.TraceID
	at      *place // nil of a request without a trace
	request *place // nil of a line without a trace ID, or of a request that is not counted
	when    time.Time
	entry   patterns.Entry
}

// place is a visit, or a request that a service got, and the patterns that it logged.
type place struct {
	key    spans.Key
	id     sources.TraceID
	failed bool
	seen   map[string]bool
	began  time.Time // of a request: when its first line was logged, whose pattern is its key's operation
}

func (w *walk) lineShifts(ctx context.Context) (shifts []lineShift, said string, err error) {
	streams, err := w.set.Logs.Streams(ctx, "", w.question.Window.Union(w.question.Baseline))
	if err != nil {
		return nil, "", err
	}
	if len(streams) == 0 {
		return nil, "there are none", nil
	}
	var answers [2]sources.RecordAnswer
	var sides [2]*loggedSide
	group, asking := errgroup.WithContext(ctx)
	var trees [2][]*spans.Tree
	if w.sampled != nil && len(w.sampled.window) > 0 && len(w.sampled.baseline) > 0 {
		trees = [2][]*spans.Tree{w.sampled.window, w.sampled.baseline}
	}
	for side, trees := range trees {
		over := []sources.Window{w.question.Window, w.question.Baseline}[side]
		if len(trees) > 0 {
			over = within2(spanOf(trees), over)
		}
		sides[side] = &loggedSide{visits: newLoggedKinds(len(trees)), only: w.question.Services, names: w.names, selector: covering(streams)[0], over: over}
		group.Go(func() (err error) {
			answers[side], err = w.set.Logs.Records(asking, sides[side].selector.String(), over, linesOfSide, false)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, "", err
	}
	places, lines := sides[1].join(trees[1], answers[1])
	morePlaces, moreLines := sides[0].join(trees[0], answers[0])
	severity := sortLines(append(lines, moreLines...))
	sides[1].count(places)
	sides[0].count(morePlaces)
	w.lineSides = sides
	said = fmt.Sprintf("%s compared with %s", counted(len(answers[0].Records), "line"), counted(len(answers[1].Records), "line"))
	return compareLogged(sides[1], sides[0], severity), said, nil
}

func spanOf(trees []*spans.Tree) sources.Window {
	var whole sources.Window
	for _, t := range trees {
		whole = whole.Union(t.Trace.Window())
	}
	return whole
}

// within2 is what two windows share.
func within2(a, b sources.Window) sources.Window {
	if a.From.Before(b.From) {
		a.From = b.From
	}
	if a.To.After(b.To) {
		a.To = b.To
	}
	return a
}

// visitID names a visit by any of its spans.
type visitID struct {
	trace sources.TraceID
	span  sources.SpanID
}

// join finds the visit of each line. A visit counts where its lines must have been read:
// those of the newest ones were, if not all fitted.
func (s *loggedSide) join(trees []*spans.Tree, answer sources.RecordAnswer) (places []*place, lines []joinedLine) {
	covered := s.over
	if answer.Truncated && len(answer.Records) > 0 {
		covered.From = slices.MinFunc(answer.Records, func(a, b sources.Record) int { return a.Time.Compare(b.Time) }).Time
	}
	bySpan, byService := map[visitID]*place{}, map[string]*place{}
	for _, t := range trees {
		visits, of := t.Visits()
		mine := make([]*place, len(visits))
		for i := range visits {
			entry := t.Span(visits[i].Entry)
			if !covered.Contains(entry.Start) || !covered.Contains(entry.End()) {
				continue
			}
			mine[i] = &place{key: visits[i].Key, id: t.Trace.ID, failed: visits[i].Failed, seen: map[string]bool{}}
			places = append(places, mine[i])
			if at := string(t.Trace.ID) + entry.Service; byService[at] == nil {
				byService[at] = mine[i]
			}
		}
		for i, v := range of {
			if mine[v] != nil {
				bySpan[visitID{t.Trace.ID, t.Span(i).ID}] = mine[v]
			}
		}
	}
	logging, named := map[string]bool{}, map[string]bool{} // services with a line that is joined, and with one that has an ID
	for _, record := range answer.Records {
		trace, _ := ident.ParseTrace(recordField(record, s.names.traceFields()))
		span, _ := sources.ParseSpanID(recordField(record, ident.SpanFields))
		service, _ := s.names.service(record.Stream)
		at := bySpan[visitID{trace, span}]
		if at == nil {
			at = byService[string(trace)+service]
		}
		if trace == "" || service == "" {
			continue
		}
		named[service] = true
		if at != nil {
			service = at.key.Service
			logging[service] = true
		}
		entry := patterns.Read(record.Line)
		if known := patterns.ParseSeverity(recordField(record, ident.SeverityFields)); known != patterns.Unstated {
			entry.Severity = known
		}
		lines = append(lines, joinedLine{service: service, trace: trace, at: at, when: record.Time, entry: entry})
	}
	for i := range answer.Records {
		if service, _ := s.names.service(answer.Records[i].Stream); service != "" && !named[service] && s.asksAbout(service) {
			s.apart = append(s.apart, &answer.Records[i])
		}
	}
	s.covered = covered
	s.tellRequests(trees, lines)
	// What logs elsewhere, or without IDs, has no lines to miss.
	return slices.DeleteFunc(places, func(at *place) bool { return !logging[at.key.Service] }), lines
}

// sortLines sorts the lines of each service into patterns, and tells the severity of each
// by service and text. It does so twice: by the patterns as they are learnt, and by what
// they have become, so that the first lines are not taken for something else than the last.
func sortLines(lines []joinedLine) map[spans.Key]patterns.Severity {
	miners := map[string]*patterns.Miner{}
	for _, l := range lines {
		m := miners[l.service]
		if m == nil {
			m = patterns.NewMiner(patterns.Options{Similarity: likeLines})
			miners[l.service] = m
		}
		m.AddEntry(l.entry)
	}
	ids := make([]patterns.ID, len(lines))
	for i, l := range lines {
		ids[i] = miners[l.service].AddEntry(l.entry)
	}
	severity := map[spans.Key]patterns.Severity{}
	for i, l := range lines {
		if ids[i] == patterns.Other {
			continue
		}
		text := miners[l.service].Text(ids[i])
		if l.at != nil {
			l.at.seen[text] = true
		}
		if l.request != nil {
			l.request.logs(text, l.when, l.entry.Severity)
		}
		key := spans.Key{Service: l.service, Operation: text}
		severity[key] = max(severity[key], l.entry.Severity)
	}
	return severity
}

// count adds up the visits, and the requests that were told by their lines.
func (s *loggedSide) count(places []*place) {
	for _, at := range places {
		if len(at.seen) > 0 {
			at.seen[anyLine] = true
		}
		at.countIn(s.visits.kinds)
		if !at.failed {
			at.countIn(s.visits.whole)
		}
		s.visits.countErrors(at)
	}
	s.countRequests()
}

// countErrors notes whose patterns these are; of those that are no errors nobody asks.
func (k *loggedKinds) countErrors(at *place) {
	for text := range at.seen {
		if k.errors[text] == nil {
			k.errors[text] = map[sources.TraceID]bool{}
		}
		k.errors[text][at.id] = true
	}
}

func (at *place) countIn(kinds map[spans.Key]*logged) {
	kind := kinds[at.key]
	if kind == nil {
		kind = &logged{with: map[string]int{}, having: map[string][]sources.TraceID{}}
		kinds[at.key] = kind
	}
	kind.visits++
	kind.traces = append(kind.traces, at.id)
	for text := range at.seen {
		kind.with[text]++
		kind.having[text] = append(kind.having[text], at.id)
	}
}

// compareLogged compares the sides pattern by pattern for each kind of work that both have:
// by visits, and services of which too few visits are known by the requests that their
// lines tell.
func compareLogged(baseline, window *loggedSide, severity map[spans.Key]patterns.Severity) []lineShift {
	byRequest := baseline.untraced(window)
	all := slices.DeleteFunc(baseline.visits.compare(&window.visits, severity), func(s lineShift) bool {
		return byRequest[s.key.Service] && s.pattern != anyLine
	})
	for _, s := range baseline.requests.compare(&window.requests, severity) {
		if byRequest[s.key.Service] {
			s.untraced = true
			all = append(all, s)
		}
	}
	of := map[string]int{}
	for i := range all {
		of[all[i].key.Service]++
	}
	for i := range all {
		all[i].p = min(1, all[i].p*float64(of[all[i].key.Service]))
	}
	slices.SortFunc(all, func(a, b lineShift) int {
		return cmp.Or(
			cmp.Compare(a.p, b.p), cmp.Compare(math.Abs(b.window-b.baseline), math.Abs(a.window-a.baseline)),
			cmp.Compare(a.key.Service, b.key.Service), cmp.Compare(a.key.Operation, b.key.Operation), cmp.Compare(a.pattern, b.pattern),
		)
	})
	return all
}

// compare compares errors in all visits, and what else is logged in those that do not fail,
// since one that fails logs less, and its failure is counted.
func (k *loggedKinds) compare(window *loggedKinds, severity map[spans.Key]patterns.Severity) []lineShift {
	isError := func(service, text string) bool {
		return severity[spans.Key{Service: service, Operation: text}] >= patterns.Error
	}
	var all []lineShift
	compare := func(before, after map[spans.Key]*logged, errors bool) {
		for key, now := range after {
			was := before[key]
			if was == nil {
				continue
			}
			texts := map[string]bool{}
			for _, side := range []*logged{was, now} {
				for text := range side.with {
					if isError(key.Service, text) == errors {
						texts[text] = true
					}
				}
			}
			mine := make([]lineShift, 0, len(texts))
			for text := range texts {
				shift := shiftOf(key, text, was, now)
				shift.severity = severity[spans.Key{Service: key.Service, Operation: text}]
				if errors {
					shift.known = rateRatio(len(k.errors[text]), k.traces, len(window.errors[text]), window.traces)
				}
				mine = append(mine, shift)
			}
			markReplaced(mine)
			all = append(all, mine...)
		}
	}
	compare(k.kinds, window.kinds, true)
	compare(k.whole, window.whole, false)
	return all
}

func shiftOf(key spans.Key, text string, was, now *logged) lineShift {
	s := lineShift{
		key: key, pattern: text, traces: now.having[text], baselineVisits: was.visits, windowVisits: now.visits,
		baseline: float64(was.with[text]) / float64(was.visits), window: float64(now.with[text]) / float64(now.visits),
		p: anomaly.Fisher(now.with[text], now.visits, was.with[text], was.visits),
	}
	if s.window < s.baseline {
		s.traces = spans.Without(now.traces, s.traces)
	}
	return s
}

// rateRatio is how much of a rate in the window the baseline had already, from 0 to 1.
func rateRatio(before, ofBefore, after, ofAfter int) float64 {
	if after == 0 || ofBefore == 0 {
		return 0
	}
	return min(1, float64(before)/float64(ofBefore)/(float64(after)/float64(ofAfter)))
}

// lineClue notes a pattern that appears or vanishes.
func (w *walk) lineClue(s *lineShift, said map[string]int) {
	change := s.window - s.baseline
	kind := byOtherLines
	switch {
	case change < 0 && s.severity >= patterns.Error:
		return // fewer errors are no trouble
	case change < 0:
		kind, change = byLostLines, -change
	case s.severity >= patterns.Error:
		kind = byErrorLines
	}
	if s.p >= chanceOfLines {
		return
	}
	if s.replaced {
		change *= replaced
	}
	at := fmt.Sprint(kind, s.key.Service)
	if said[at]++; said[at] > maxOfAKind {
		return
	}
	what := fmt.Sprintf("%q", Shorten(s.pattern))
	if s.pattern == anyLine {
		what = "anything at all"
	}
	of, operation := s.key.Service+" "+s.key.Operation, s.key.Operation
	if s.untraced {
		of, operation = s.requestsSaid(), ""
	}
	text := fmt.Sprintf("%s of requests to %s log %s, and %s did (%d requests against %d)",
		Quantity(s.window, "ratio"), of, what, Quantity(s.baseline, "ratio"), s.windowVisits, s.baselineVisits)
	w.keep(clue{
		kind: kind, service: s.key.Service, operation: operation, strength: change * sureness(s.p) * (1 - s.known),
		finding: w.found.AddFinding(text, w.lineEvidence(s, kind)...), traces: s.traces,
	})
}

// lineEvidence is the lines that were read of both sides, the side that shows the pattern
// first, and the searches for the requests that they are of.
func (w *walk) lineEvidence(s *lineShift, kind clueKind) []Evidence {
	evidence := make([]Evidence, 0, 2)
	for i, values := range [][]Value{
		{{Name: "window", Value: s.window, Unit: "ratio"}, {Name: "requests in the window", Value: float64(s.windowVisits)}},
		{{Name: "baseline", Value: s.baseline, Unit: "ratio"}, {Name: "requests in the baseline", Value: float64(s.baselineVisits)}},
	} {
		side := logEvidence(w.set.Logs, w.lineSides[i].selector.String(), w.lineSides[i].covered)
		side.Values = values
		evidence = append(evidence, side)
	}
	if kind == byLostLines {
		slices.Reverse(evidence)
	}
	if s.untraced {
		return evidence
	}
	return slices.Concat(evidence, w.sampleEvidence(0), w.sampleEvidence(1))
}

// apartDoubt is by how much less lines say that are counted by time: traffic makes them
// grow and shrink too. A judgement.
const apartDoubt = 2

// compareApart compares the lines of services that log no IDs, by time: errors that are
// new or more, and lines that vanish.
func (w *walk) compareApart() {
	var sides [2]patterns.Side
	for i, s := range w.lineSides {
		if s == nil {
			return
		}
		sides[i].Duration = s.covered.Duration()
		for _, r := range s.apart {
			service, _ := w.names.service(r.Stream)
			sides[i].Lines = append(sides[i].Lines, patterns.Line{
				Time: r.Time, Service: service, Severity: recordField(*r, ident.SeverityFields), Text: r.Line,
			})
		}
	}
	said := map[string]int{}
	for _, c := range patterns.Compare(sides[1], sides[0], patterns.Options{}) {
		kind, change := byErrorLines, 1-c.BaselineRate/c.WindowRate
		switch {
		case c.Kind == patterns.Vanished:
			kind, change = byLostLines, 1
		case (c.Kind != patterns.New && c.Kind != patterns.Grown) || c.Severity < patterns.Error || c.P >= patterns.MaxP:
			continue
		}
		at := fmt.Sprint(kind, c.Service)
		if said[at]++; said[at] > maxOfAKind {
			continue
		}
		w.keep(clue{
			kind: kind, service: c.Service, strength: change * sureness(c.P) / apartDoubt,
			finding: w.found.AddFinding(fmt.Sprintf("%s logs %q %.3g times a minute, and did %.3g times",
				c.Service, Shorten(c.Pattern), c.WindowRate*60, c.BaselineRate*60), w.apartEvidence(&c, kind)...),
		})
	}
}

// apartEvidence is the service's lines of both sides, the side that shows the pattern first.
// How often a minute is by the length of the window that is given with each.
func (w *walk) apartEvidence(c *patterns.Change, kind clueKind) []Evidence {
	label, names := "", []string(nil) // of the service in the logs
	for _, r := range slices.Concat(w.lineSides[0].apart, w.lineSides[1].apart) {
		if service, by := w.names.service(r.Stream); service == c.Service && (label == "" || label == by) {
			label, names = by, append(names, r.Stream[by])
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	evidence := make([]Evidence, 0, 2)
	for i, value := range []Value{{Name: "lines in the window", Value: c.WindowCount}, {Name: "lines in the baseline", Value: c.BaselineCount}} {
		side := logEvidence(w.set.Logs, w.lineSides[i].of(label, names), w.lineSides[i].covered)
		side.Values = []Value{value}
		evidence = append(evidence, side)
	}
	if kind == byLostLines {
		slices.Reverse(evidence)
	}
	return evidence
}
