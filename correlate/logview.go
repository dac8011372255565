package correlate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"obs/correlate/ident"
	"obs/correlate/patterns"
	"obs/correlate/survey"
	"obs/sources"
)

// Bounds of a log view.
const (
	// viewedRecords is how many records a question brings that names no number: as many as
	// a triage brings of its trace.
	viewedRecords = recordLimit
	// patternLines is how many lines of a side patterns are made of: what Loki gives at
	// once where nobody has set max_entries_limit_per_query.
	patternLines = 5000
	// patternParts is into how many parts a side is divided that has more lines, so that
	// the lines are of all its time, and patternLeast how many lines are read of a part at
	// least, so that a quiet one is not lost beside a loud one. A judgement: a part is
	// short enough that its newest lines can stand for all of it.
	patternParts, patternLeast = 10, 50
	// patternQueries is how many parts are asked for at once, so that others get a turn.
	patternQueries = 4
	// aroundRecords is how many records on each side of one are brought where no number is
	// named, and aroundLimit is the largest number: a screen, and what a view has at most.
	aroundRecords, aroundLimit = 20, viewedRecords
	// namedServices is how many services are named where one is not found: a line's worth.
	namedServices = 8
	// followedBack is how far back a service is looked for that is to be followed: it may
	// log once a night.
	followedBack = 24 * time.Hour
	// followedKeys is how many records of a trace are remembered as they come, so that two
	// queries hand none over twice. A judgement: both hand a record over at about the same
	// time, and few requests log a thousand in all.
	followedKeys = 10000
)

// aroundReach is how far from a record its neighbors are looked for, farther where nearer
// there are too few. A judgement: streams log from many times a second to once a day.
var aroundReach = []time.Duration{10 * time.Minute, 6 * time.Hour, 7 * 24 * time.Hour}

// logAnswer is a log question under way.
type logAnswer struct {
	x        *Explorer
	question LogQuestion
	limit    int
	view     *LogView
	note     gaps
	before   int    // how many queries had been put before this question's
	compared string // the query of whose lines patterns are made; none where empty
}

func (x *Explorer) newLogAnswer(q LogQuestion) *logAnswer {
	a := &logAnswer{x: x, question: q, limit: q.Limit, before: len(x.set.Ledger.Queries())}
	if a.limit == 0 {
		a.limit = viewedRecords
	}
	window := q.Window
	if window.IsZero() {
		window = x.question.Window
	}
	a.view = &LogView{Schema: LogsSchema, Window: window, Records: []Record{}, Patterns: []Pattern{}}
	return a
}

// Logs brings log records, oldest first: of a trace or a request, the first ones; of a
// service or of a LogQL query, the newest ones, or those nearest to a moment. The first of
// the four that the question names counts. With a negative limit it brings none, for those
// who want patterns alone. The records of a request are those that carry its ID, and those of
// its traces.
//
// Without a window, the explorer's own holds. A trace that is stored tells its time
// itself; the records of another one are looked for in the window, and farther back where
// the question named none, as Find does.
//
// Patterns compare the window with the explorer's baseline, or where that does not end
// before the window, with the time just before it, of the same length. Those of a trace
// are of all lines of the services that its records are of.
func (x *Explorer) Logs(ctx context.Context, q LogQuestion) *LogView {
	a := x.newLogAnswer(q)
	switch {
	case x.set.Logs == nil:
		a.note.notConfigured(sources.Loki, "no log record was looked at")
	case q.Trace != "":
		a.ofRequest(ctx, ident.OfTrace(q.Trace), string(q.Trace))
	case q.Request != "":
		a.ofRequest(ctx, ident.OfRequest(q.Request), q.Request)
	case q.Service != "":
		a.ofService(ctx)
	case q.Query != "":
		a.ofQuery(ctx, q.Query)
	default:
		a.note.take([]Missing{{Kind: MissingFailed, Reason: "no trace, request, service or query was named", Hint: "name one of them"}})
	}
	if (q.Before > 0 || q.After > 0) && ctx.Err() == nil && x.set.Logs != nil {
		if err := a.addContext(ctx); err != nil {
			a.failed("not all records around those found were looked at", err)
		}
	}
	if q.Patterns && a.compared != "" && ctx.Err() == nil {
		a.findPatterns(ctx)
	}
	return a.finish(ctx)
}

// finish puts into the view what was noted on the way.
func (a *logAnswer) finish(ctx context.Context) *LogView {
	var c Case
	c.keepQueries(a.x.set.Ledger)
	a.view.Queries = append([]Query{}, c.Queries[min(a.before, len(c.Queries)):]...)
	for _, q := range a.view.Queries {
		if a.x.set.Logs != nil && q.Backend == sources.Loki && strings.HasPrefix(q.Query, "{") {
			a.asks(q.Query) // of a search that found nothing
		}
	}
	c.Missing = a.note.all()
	if err := ctx.Err(); err != nil {
		c.interrupted(err)
	}
	a.view.Missing = c.Missing
	a.view.Truncated = slices.ContainsFunc(c.Missing, func(m Missing) bool { return m.Kind == MissingTruncated })
	return a.view
}

func (a *logAnswer) failed(part string, err error) {
	err = explainQuery(err)
	a.note.failed(sources.Loki, part, err)
	if failure, ok := errors.AsType[*sources.Error](err); ok && errors.Is(err, sources.ErrBadQuery) && failure.Asked == sources.Printable(a.question.Query) {
		a.view.rejected = failure
	}
}

// explainQuery tells what to do about a query that is none for records. One that the
// server took, and whose answer has no lines, counts or measures.
func explainQuery(err error) error {
	failure, ok := errors.AsType[*sources.Error](err)
	if !ok || !errors.Is(err, sources.ErrBadQuery) {
		return err
	}
	explained := *failure
	switch {
	case failure.Status == 0:
		explained.Hint = `give the part that selects the lines, as in {service_name="checkout"} |= "timeout"; what counts them has no lines to show`
	case failure.Hint == "":
		explained.Hint = `a LogQL query begins with labels in braces, as in {service_name="checkout"} |= "timeout"`
	}
	return &explained
}

func (a *logAnswer) truncated(reason, hint string) {
	a.note.take([]Missing{{Backend: sources.Loki, Kind: MissingTruncated, Reason: reason, Hint: hint}})
}

func (a *logAnswer) nothing(reason, hint string) {
	a.note.take([]Missing{{Backend: sources.Loki, Kind: MissingNoData, Reason: reason, Hint: hint}})
}

// asks notes the query that brings the records, unless there is one already.
func (a *logAnswer) asks(query string) {
	if a.view.Query == "" {
		a.view.Query, a.view.URL = query, a.x.set.Logs.Link(query, a.view.Window)
	}
}

// ofRequest brings the records of a trace or a request, as a lookup does.
func (a *logAnswer) ofRequest(ctx context.Context, id ident.ID, text string) {
	lookup := Lookup{
		ID: id, Text: text,
		Window: a.view.Window, Fixed: !a.question.Window.IsZero(), RecordsOnly: true,
		Names: a.x.question.Names,
	}
	found := Find(ctx, a.x.set, lookup, nil)
	a.note.take(slices.DeleteFunc(found.Missing, func(m Missing) bool {
		return m.Kind == MissingNotConfigured // the trace's spans were not asked for
	}))
	a.view.Window = found.Window
	if found.Trace != nil {
		a.view.Window = found.Trace.Window().Pad(recordSlack)
	}
	if n := len(found.Records); n > 0 { // a request may have records beyond its first trace
		a.view.Window = a.view.Window.Union(sources.Window{From: found.Records[0].Time, To: found.Records[n-1].Time.Add(1)})
	}
	for _, h := range found.Hops {
		if h.To == "records" {
			a.asks(h.Evidence.Query)
		}
	}
	records := found.Records
	a.compared = serviceQuery(records)
	if a.question.Span != "" {
		records = slices.DeleteFunc(slices.Clone(records), func(r Record) bool { return r.SpanID != a.question.Span })
		if len(records) == 0 && len(found.Records) > 0 {
			a.nothing(fmt.Sprintf("none of the trace's %s names span %s", counted(len(found.Records), "record"), a.question.Span),
				"its service may not log span IDs: ask for the trace without the span")
		}
	}
	switch {
	case a.limit < 0:
		return
	case len(records) > a.limit:
		a.truncated(fmt.Sprintf("the first %d of %s are shown", a.limit, counted(len(records), "record")), "ask for more with --limit")
		records = records[:a.limit]
	}
	a.view.Records = append(a.view.Records, records...)
}

// serviceQuery selects all lines of the services that the records are of, by the label
// that most of them have; empty where they have none that names a service.
func serviceQuery(records []Record) string {
	best, most := "", 0
	for _, label := range logServiceLabels {
		n := 0
		for _, r := range records {
			if r.Labels[label] != "" {
				n++
			}
		}
		if n > most {
			best, most = label, n
		}
	}
	if best == "" {
		return ""
	}
	names := map[string]bool{}
	for _, r := range records {
		if name := r.Labels[best]; name != "" {
			names[name] = true
		}
	}
	return sources.Selector{sources.AnyOf(best, slices.Sorted(maps.Keys(names))...)}.String()
}

// ofService brings the newest records of a service.
func (a *logAnswer) ofService(ctx context.Context) {
	if at := a.question.Around; !at.IsZero() {
		a.view.Window = sources.Window{From: at, To: at}.Pad(aroundReach[1])
	}
	streams, err := a.x.set.Logs.Streams(ctx, "", a.view.Window)
	if err != nil {
		a.failed("no log record was looked at", err)
		return
	}
	label, names := a.x.names.namesOf(a.question.Service, streams)
	if label == "" {
		a.nothing(fmt.Sprintf("it holds no records of %s in %s", a.question.Service, a.view.Window), othersHint(streams))
		return
	}
	a.ofQuery(ctx, sources.Selector{sources.AnyOf(label, names...)}.String())
}

// othersHint names the services that the streams are of.
func othersHint(streams []sources.Labels) string {
	names := map[string]bool{}
	for _, l := range streams {
		if name, _ := l.First(logServiceLabels...); name != "" {
			names[name] = true
		}
	}
	if len(names) == 0 {
		return "ask for a longer window, or with a LogQL query of your own"
	}
	all := slices.Sorted(maps.Keys(names))
	text := "those that it holds are of " + strings.Join(all[:min(len(all), namedServices)], ", ")
	if more := len(all) - namedServices; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// ofQuery brings the newest records that the query selects.
func (a *logAnswer) ofQuery(ctx context.Context, query string) {
	a.asks(query)
	a.compared = query
	if a.limit < 0 {
		return
	}
	if !a.question.Around.IsZero() {
		a.nearest(ctx, query)
		return
	}
	answer, err := a.x.set.Logs.Records(ctx, query, a.view.Window, a.limit, false)
	for _, r := range slices.Backward(answer.Records) {
		a.view.Records = append(a.view.Records, a.x.names.describeRecord(r))
	}
	if err != nil {
		a.compared = ""
		part := "no log record was looked at"
		if len(answer.Records) > 0 {
			part = "not all log records were looked at"
		}
		a.failed(part, err)
		return
	}
	if answer.Truncated {
		a.truncated(fmt.Sprintf("there are more records than the newest %d, which are shown", len(answer.Records)),
			"ask for more with --limit, or for a shorter window")
	}
}

// nearest brings the records that the query selects nearest to a moment: half of them from
// before it.
func (a *logAnswer) nearest(ctx context.Context, query string) {
	at, limit := a.question.Around, a.question.Limit
	if limit == 0 {
		limit = 2 * aroundRecords
	}
	before, err := a.beside(ctx, query, at, limit/2, false)
	var after []sources.Record
	if err == nil {
		after, err = a.beside(ctx, query, at, limit-limit/2, true)
	}
	slices.Reverse(before)
	a.view.Records = append(a.view.Records, a.described(append(before, after...))...)
	a.view.Window = sources.Window{From: at, To: at.Add(1)}
	if n := len(a.view.Records); n > 0 {
		a.view.Window = a.view.Window.Union(sources.Window{From: a.view.Records[0].Time, To: a.view.Records[n-1].Time.Add(1)})
	}
	a.view.URL = a.x.set.Logs.Link(query, a.view.Window)
	if err != nil {
		a.failed("not all records around it were looked at", err)
	}
}

// findPatterns compares the lines of the window with those of the baseline.
func (a *logAnswer) findPatterns(ctx context.Context) {
	window, baseline := a.sides()
	now, before := &sampledSide{}, &sampledSide{}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.read(groupCtx, now, window) })
	group.Go(func() error { return a.read(groupCtx, before, baseline) })
	if err := group.Wait(); err != nil {
		a.failed("no patterns were made of the lines", err)
		return
	}
	for _, c := range patterns.Compare(before.Side, now.Side, patterns.Options{}) {
		a.view.Patterns = append(a.view.Patterns, Pattern{
			Pattern: c.Pattern, Service: c.Service, Severity: c.Severity.String(), Change: string(c.Kind), Example: c.Example,
			WindowCount: int(math.Round(c.WindowCount)), BaselineCount: int(math.Round(c.BaselineCount)),
		})
	}
	if len(before.Lines) == 0 && len(now.Lines) > 0 {
		a.nothing(fmt.Sprintf("it holds no such records in the baseline, %s: every pattern looks new", baseline),
			"compare with a time that has some, with --baseline")
	}
	read, all := float64(len(now.Lines)+len(before.Lines)), now.weight()+before.weight()
	switch {
	case read == 0:
		return
	case now.uncounted || before.uncounted:
		a.truncated(fmt.Sprintf("the patterns are made of %.0f lines, the newest; how many there are could not be counted", read),
			"their counts are too low by an unknown number: ask for a shorter window")
		return
	}
	a.view.Sampled = read / all
	if a.view.Sampled < 1 {
		a.truncated(fmt.Sprintf("the patterns are made of %.0f of some %.0f lines (%s); the counts are scaled up to all", read, all, Quantity(a.view.Sampled, survey.Ratio)),
			"a rare pattern may be missing: ask for a shorter window, or with a LogQL query that selects less")
	}
}

// sides are the windows that patterns compare. A trace is too short for rates: its
// services are compared over the explorer's window, where the trace lies in that.
func (a *logAnswer) sides() (window, baseline sources.Window) {
	window, baseline = a.view.Window, a.x.question.Baseline
	if explored := a.x.question.Window.Pad(recordSlack); a.question.Trace != "" && explored.Union(window) == explored {
		window = a.x.question.Window
	}
	if baseline.IsZero() || baseline.To.After(window.From) {
		baseline = sources.Window{From: window.From.Add(-window.Duration()), To: window.From}
	}
	return window, baseline
}

// sampledSide is a side of which not all lines may have been read.
type sampledSide struct {
	patterns.Side
	uncounted bool // there are more lines than were read, nobody knows how many
}

// weight is how many lines there are, by what each that was read stands for.
func (s *sampledSide) weight() float64 {
	sum := 0.0
	for _, l := range s.Lines {
		sum += l.Weight
	}
	return sum
}

// read reads the lines of a window: all, or where they are too many, of each part of it
// as many of the newest as is its share, each with the number of lines that it stands for.
func (a *logAnswer) read(ctx context.Context, s *sampledSide, w sources.Window) error {
	s.Duration = w.Duration()
	total, err := a.count(ctx, w)
	if err != nil || total <= patternLines {
		// A query that selects lines may be one that cannot count them.
		lines, truncated, err := a.lines(ctx, w, patternLines)
		s.Lines, s.uncounted = lines, truncated
		return err
	}
	parts := make([]sampledPart, patternParts)
	err = eachPart(ctx, parts, func(ctx context.Context, i int) (err error) {
		length := w.Duration() / patternParts
		parts[i].window = sources.Window{From: w.From.Add(time.Duration(i) * length), To: w.To.Add(-time.Duration(patternParts-1-i) * length)}
		parts[i].total, err = a.count(ctx, parts[i].window)
		return err
	})
	if err != nil {
		return err
	}
	total = 0
	for _, p := range parts {
		total += p.total
	}
	err = eachPart(ctx, parts, func(ctx context.Context, i int) (err error) {
		p := &parts[i]
		p.lines, _, err = a.lines(ctx, p.window, max(patternLeast, int(patternLines*p.total/max(1, total))))
		for j := range p.lines {
			p.lines[j].Weight = max(1, p.total/float64(len(p.lines)))
		}
		return err
	})
	for _, p := range parts {
		s.Lines = append(s.Lines, p.lines...)
	}
	return err
}

// sampledPart is a part of a side.
type sampledPart struct {
	window sources.Window
	total  float64 // lines that there are
	lines  []patterns.Line
}

// eachPart does something with every part, some at once.
func eachPart(ctx context.Context, parts []sampledPart, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(patternQueries)
	for i := range parts {
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}

// lines reads the newest lines of a window. truncated tells that there are more.
func (a *logAnswer) lines(ctx context.Context, w sources.Window, limit int) (lines []patterns.Line, truncated bool, err error) {
	answer, err := a.x.set.Logs.Records(ctx, a.compared, w, limit, false)
	for _, r := range answer.Records {
		kept := a.x.names.describeRecord(r)
		lines = append(lines, patterns.Line{Time: kept.Time, Service: kept.Service, Severity: kept.Severity, Text: kept.Line, Weight: 1})
	}
	return lines, answer.Truncated, err
}

// count asks how many lines there are in a window.
func (a *logAnswer) count(ctx context.Context, w sources.Window) (float64, error) {
	over := fmt.Sprintf("%dms", max(1, w.Duration().Milliseconds()))
	if w.Duration()%time.Second == 0 {
		over = fmt.Sprintf("%ds", w.Duration()/time.Second)
	}
	separator := " "
	if strings.Contains(a.compared, "#") {
		separator = "\n" // it may end in a comment, which the end of its line ends
	}
	query := fmt.Sprintf("sum(count_over_time(%s%s[%s]))", a.compared, separator, over)
	answer, err := a.x.set.Logs.Instant(ctx, query, w.To)
	total := 0.0
	for _, s := range answer.Series {
		total += last(s)
	}
	return total, err
}

// Around brings the n records before one and the n after it in its own stream, and the
// record itself, oldest first. Records of the same time stand in the order in which the
// server gives them. n is 20 where it is not positive, and at most 1,000.
func (x *Explorer) Around(ctx context.Context, r Record, n int) *LogView {
	a := x.newLogAnswer(LogQuestion{Window: sources.Window{From: r.Time, To: r.Time.Add(1)}})
	if x.set.Logs == nil {
		a.note.notConfigured(sources.Loki, "no log record was looked at")
		return a.finish(ctx)
	}
	if n <= 0 {
		n = aroundRecords
	}
	if err := a.around(ctx, r, min(n, aroundLimit)); err != nil {
		a.failed("not all records around it were looked at", err)
	}
	if len(a.view.Records) > 0 {
		a.view.Window = sources.Window{From: a.view.Records[0].Time, To: a.view.Records[len(a.view.Records)-1].Time.Add(1)}
	}
	return a.finish(ctx)
}

func (a *logAnswer) around(ctx context.Context, r Record, n int) error {
	a.view.Records = append(a.view.Records, r) // whatever becomes of its neighbors
	selector, err := a.streamOf(ctx, r)
	if err != nil {
		return err
	}
	query := selector.String()
	a.asks(query)
	same, err := a.x.set.Logs.Records(ctx, query, a.view.Window, aroundLimit, true)
	if err != nil {
		return err
	}
	before, err := a.beside(ctx, query, r.Time, n, false)
	if err != nil {
		return err
	}
	after, err := a.beside(ctx, query, r.Time.Add(1), n, true)
	if err != nil {
		return err
	}
	slices.Reverse(before)
	at := slices.IndexFunc(same.Records, func(s sources.Record) bool {
		return s.Line == r.Line && maps.Equal(s.Stream, r.Labels) && maps.Equal(s.Metadata, r.Metadata)
	})
	if at < 0 {
		at = slices.IndexFunc(same.Records, func(s sources.Record) bool { return s.Line == r.Line })
	}
	if at < 0 {
		a.nothing("the record itself was not found again in "+query, "it may be deleted by now, or be kept by another Loki")
		before = append(before, same.Records...)
	} else {
		before = append(before, same.Records[:at]...)
		after = append(slices.Clone(same.Records[at+1:]), after...)
	}
	if same.Truncated {
		a.truncated(fmt.Sprintf("more than %d records have its time", aroundLimit), "ask for them with the query")
	}
	before, after = before[max(0, len(before)-n):], after[:min(len(after), n)]
	a.view.Records = slices.Concat(a.described(before), []Record{r}, a.described(after))
	return nil
}

func (a *logAnswer) described(records []sources.Record) []Record {
	all := make([]Record, len(records))
	for i, r := range records {
		all[i] = a.x.names.describeRecord(r)
	}
	return all
}

// streamOf selects the record's stream, as selectorOf does.
func (a *logAnswer) streamOf(ctx context.Context, r Record) (sources.Selector, error) {
	streams, err := a.x.set.Logs.Streams(ctx, "", sources.Window{From: r.Time, To: r.Time.Add(1)}.Pad(recordSlack))
	if err != nil {
		return nil, err
	}
	return selectorOf(streams, r)
}

// selectorOf selects the record's stream among those, in all its severities: some agents
// make a label of that, and so a stream of each. A server that does not keep metadata apart
// has it among the record's labels, and no stream has that.
func selectorOf(streams []sources.Labels, r Record) (sources.Selector, error) {
	own := r.Labels
	found := 0
	for _, stream := range streams {
		if len(stream) > found && isWithin(stream, r.Labels) {
			own, found = stream, len(stream)
		}
	}
	own = withoutSeverity(own)
	absent := map[string]bool{} // labels by which only other streams are selected
	for _, stream := range streams {
		if isWithin(own, stream) {
			for name := range withoutSeverity(stream) {
				absent[name] = own[name] == ""
			}
		}
	}
	var selector sources.Selector
	for _, name := range slices.Sorted(maps.Keys(own)) {
		selector = append(selector, sources.Matcher{Name: name, Op: sources.Equal, Value: own[name]})
	}
	if len(selector) == 0 {
		return nil, errNoStream
	}
	for _, name := range slices.Sorted(maps.Keys(absent)) {
		if absent[name] {
			selector = append(selector, sources.Matcher{Name: name, Op: sources.Equal, Value: ""})
		}
	}
	return selector, nil
}

func withoutSeverity(labels sources.Labels) sources.Labels {
	kept := maps.Clone(labels)
	maps.DeleteFunc(kept, func(name, value string) bool { return value == "" || slices.Contains(ident.SeverityFields, name) })
	return kept
}

var errNoStream = errors.New("the record has no labels, by which its stream could be found")

// isWithin reports whether all labels of the one are among the other's.
func isWithin(one, other sources.Labels) bool {
	for name, value := range one {
		if other[name] != value {
			return false
		}
	}
	return true
}

// beside brings the n records next to a moment, the nearest first: those from it on
// forward, or those before it.
func (a *logAnswer) beside(ctx context.Context, query string, at time.Time, n int, forward bool) ([]sources.Record, error) {
	var all []sources.Record
	near := time.Duration(0)
	for _, far := range aroundReach {
		w := sources.Window{From: at.Add(-far), To: at.Add(-near)}
		if forward {
			w = sources.Window{From: at.Add(near), To: at.Add(far)}
		}
		answer, err := a.x.set.Logs.Records(ctx, query, w, n-len(all), forward)
		all = append(all, answer.Records...)
		if err != nil || len(all) >= n {
			return all, err
		}
		near = far
	}
	return all, nil
}

// errNoLogs is Follow's without Loki.
var errNoLogs = errors.New("no address of Loki is given, so there are no records to follow")

// Follow hands over the records of a trace, a service or a LogQL query as they come,
// until ctx ends, as sources.Logs.Follow does: those since the start of the question's
// window, where it has one, else those from now on. Its limit and patterns do not count.
//
// It calls each from one goroutine at a time, with records in the order in which they
// came and with how many more the server says to have dropped. The error is nil when ctx
// ended.
func (x *Explorer) Follow(ctx context.Context, q LogQuestion, each func(records []Record, dropped int)) error {
	if x.set.Logs == nil {
		return errNoLogs
	}
	f := &following{names: x.names, question: q, each: each, seen: map[string]bool{}}
	queries, err := x.followed(ctx, q)
	if err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it ended because it was to end
		}
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	for _, query := range queries {
		group.Go(func() error {
			return explainQuery(x.set.Logs.Follow(groupCtx, query, q.Window.From, f.hand))
		})
	}
	return group.Wait()
}

// followed are the queries that select what is followed.
func (x *Explorer) followed(ctx context.Context, q LogQuestion) ([]string, error) {
	if q.Trace == "" && q.Service == "" {
		return []string{q.Query}, nil
	}
	window := x.question.Window.Union(sources.Window{From: x.question.Window.To.Add(-followedBack), To: x.question.Window.To})
	streams, err := x.set.Logs.Streams(ctx, "", window)
	if err != nil {
		return nil, err
	}
	if q.Trace == "" {
		label, names := x.names.namesOf(q.Service, streams)
		if label == "" {
			return nil, &NoSuchServiceError{Service: q.Service, Window: window, Hint: othersHint(streams)}
		}
		return []string{sources.Selector{sources.AnyOf(label, names...)}.String()}, nil
	}
	search := x.names.traceSearch(q.Trace)
	selectors := covering(streams)
	if len(selectors) == 0 {
		selectors = []sources.Selector{{sources.NotEmpty(logServiceLabels[0])}} // nobody logs yet
	}
	var queries []string
	for _, selector := range selectors {
		queries = append(queries, sources.LogQuery{Selector: selector, AnyField: search.field}.String(), lineQuery(selector, search))
	}
	return queries, nil
}

// NoSuchServiceError tells that no stream is the service's.
type NoSuchServiceError struct {
	Service string
	Window  sources.Window // in which it was looked for
	Hint    string         // which services there are
}

// Error says it in a line.
func (e *NoSuchServiceError) Error() string {
	return fmt.Sprintf("loki holds no records of %s in %s", e.Service, e.Window)
}

// following is a Follow under way.
type following struct {
	names    *glossary
	question LogQuestion
	each     func([]Record, int)

	mu   sync.Mutex
	seen map[string]bool // the last followedKeys records of a trace
	keys []string        // of seen, the oldest first
}

// hand hands over records that came together, each once.
func (f *following) hand(records []sources.Record, dropped int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []Record
	for _, r := range records {
		if kept := f.names.describeRecord(r); f.question.Trace == "" || f.ofTrace(r, &kept) {
			all = append(all, kept)
		}
	}
	if len(all) > 0 || dropped > 0 {
		f.each(all, dropped)
	}
}

// ofTrace reports whether the record is the trace's, and the first time that it comes,
// and says so in it.
func (f *following) ofTrace(r sources.Record, kept *Record) bool {
	if kept.TraceID != f.question.Trace && !ident.Mentions(r.Line, f.question.Trace) {
		return false
	}
	if f.question.Span != "" && kept.SpanID != f.question.Span {
		return false
	}
	key := recordKey(r)
	if f.seen[key] {
		return false
	}
	if len(f.keys) == followedKeys {
		delete(f.seen, f.keys[0])
		f.keys = f.keys[1:]
	}
	f.seen[key], f.keys = true, append(f.keys, key)
	kept.TraceID, kept.Join = cmp.Or(kept.TraceID, f.question.Trace), ByTraceID
	return true
}
