package tui

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"obs/correlate"
	"obs/correlate/spans"
	"obs/sources"
	"obs/tui/draw"
)

// requestTree is a trace and its records as the screen needs them: who is beneath whom,
// what the request waited for, and where the records stand. It is worked out once, beside
// the screen, and never changed. Spans go by their index in trace.Spans: parents first,
// which is their order on the screen too. The index behind the last one stands for the
// records that have no span.
type requestTree struct {
	trace   *correlate.Trace // without spans when there is none
	records []correlate.Record
	window  sources.Window
	total   float64 // seconds of the window

	*correlate.Nesting
	byID map[sources.SpanID]int32

	onPath    []bool       // the request waited for the span or for one beneath
	path      []int32      // the spans that the request waited for themselves
	waited    [][2]float64 // when it waited for each or one beneath, from and to, in seconds
	stretches []waitedFor  // when it waited for each itself; those of span i begin at stretchAt[i]
	stretchAt []int32

	recordAt []int32 // the records of span i are recordOf[recordAt[i]:recordAt[i+1]]
	recordOf []int32 // indexes of records
	brief    []bool  // by place in recordOf: shown even where a span has many

	failure  *correlate.Failure // where the error began, as the spans tell; nil for none
	failed   []int32            // spans
	bySelf   []int32            // spans, the longest time of their own first
	services int
	deepest  int
	blamed   int // -1 for none
}

// waitedFor is a time in seconds from the window's start.
type waitedFor struct{ from, to float64 }

// layOut works out the tree. A trace of nil has no spans.
func layOut(trace *correlate.Trace, records []correlate.Record) *requestTree {
	if trace == nil {
		trace = &correlate.Trace{}
	}
	t := &requestTree{trace: trace, blamed: -1}
	for _, r := range records {
		if r.TraceID == trace.ID || r.TraceID == "" || trace.ID == "" {
			t.records = append(t.records, r)
		}
	}
	t.failure = correlate.FailureOf(trace)
	t.link()
	t.measure()
	t.walkPath()
	t.place()
	return t
}

func (t *requestTree) span(i int) *correlate.Span { return &t.trace.Spans[i] }
func (t *requestTree) size() int                  { return len(t.trace.Spans) }

// link notes who is beneath whom, and where each span is.
func (t *requestTree) link() {
	n := t.size()
	t.Nesting = correlate.Nest(t.trace.Spans)
	t.byID = make(map[sources.SpanID]int32, n)
	for i := range n {
		s := t.span(i)
		if _, known := t.byID[s.ID]; !known {
			t.byID[s.ID] = int32(i)
		}
		t.deepest = max(t.deepest, s.Depth)
	}
	if at, known := t.byID[t.trace.Blamed]; known && t.trace.Blamed != "" {
		t.blamed = int(at)
	}
}

// measure finds what is counted and ordered.
func (t *requestTree) measure() {
	t.window = t.trace.Window()
	t.total = t.window.Duration().Seconds()
	services := map[string]bool{}
	last := ""
	for i := range t.size() {
		s := t.span(i)
		if s.Service != last || i == 0 {
			services[s.Service] = true
			last = s.Service
		}
		if s.Error {
			t.failed = append(t.failed, int32(i))
		}
		t.bySelf = append(t.bySelf, int32(i))
	}
	t.services = len(services)
	slices.SortStableFunc(t.bySelf, func(a, b int32) int {
		return cmp.Compare(t.span(int(b)).SelfSeconds, t.span(int(a)).SelfSeconds)
	})
}

// since is a moment in seconds from the window's start.
func (t *requestTree) since(at time.Time) float64 { return at.Sub(t.window.From).Seconds() }

// bounds are a span's in seconds from the window's start.
func (t *requestTree) bounds(i int) (from, to float64) {
	s := t.span(i)
	from = t.since(s.Start)
	return from, from + max(s.DurationSeconds, 0)
}

// walkPath finds when the request waited for what. The case keeps how long, and not when.
func (t *requestTree) walkPath() {
	n := t.size()
	t.onPath, t.waited, t.stretchAt = make([]bool, n), make([][2]float64, n), make([]int32, n+1)
	if n == 0 {
		return
	}
	all := sources.Trace{ID: t.trace.ID, Spans: make([]sources.Span, n)}
	for i := range n {
		s := t.span(i)
		all.Spans[i] = sources.Span{
			ID: s.ID, ParentID: s.ParentID, Service: s.Service, Kind: s.Kind, Start: s.Start,
			Duration: time.Duration(math.Round(min(max(s.DurationSeconds, 0), longest) * 1e9)),
		}
	}
	tree := spans.Build(&all)
	way, since := tree.Path, func(base time.Duration) float64 { return t.since(tree.Base.Add(base)) }
	for _, w := range way {
		t.stretchAt[w.Span+1]++
	}
	for i := range n {
		if t.stretchAt[i+1] > 0 {
			t.path = append(t.path, int32(i))
		}
		t.stretchAt[i+1] += t.stretchAt[i]
	}
	t.stretches = make([]waitedFor, len(way))
	next := slices.Clone(t.stretchAt)
	for _, w := range way {
		t.stretches[next[w.Span]] = waitedFor{since(w.From), since(w.To)}
		next[w.Span]++
		t.wait(w.Span, since(w.From), since(w.To))
	}
	for i := n - 1; i >= 0; i-- {
		if p := int(t.Parent[i]); p >= 0 && t.onPath[i] {
			t.wait(p, t.waited[i][0], t.waited[i][1])
		}
	}
	if len(t.path) == 0 { // nothing took any time: the roots are what there is to see
		for i := 0; i < n; i = int(t.End[i]) {
			t.onPath[i] = true
		}
	}
}

// longest bounds durations, in seconds, so that they fit time.Duration.
const longest = 9e9

func (t *requestTree) wait(i int, from, to float64) {
	if !t.onPath[i] {
		t.onPath[i], t.waited[i] = true, [2]float64{from, to}
		return
	}
	t.waited[i] = [2]float64{min(from, t.waited[i][0]), max(to, t.waited[i][1])}
}

// own is when the request waited for the span itself.
func (t *requestTree) own(i int) []waitedFor { return t.stretches[t.stretchAt[i]:t.stretchAt[i+1]] }

// place puts the records beneath their spans.
func (t *requestTree) place() {
	n := t.size()
	owner := make([]int32, len(t.records))
	t.recordAt = make([]int32, n+2)
	for i := range t.records {
		r := &t.records[i]
		owner[i] = int32(n)
		if at, known := t.byID[r.SpanID]; known && r.SpanID != "" {
			owner[i] = at
		}
		t.recordAt[owner[i]+1]++
	}
	for i := range n + 1 {
		t.recordAt[i+1] += t.recordAt[i]
	}
	t.recordOf = make([]int32, len(t.records))
	next := slices.Clone(t.recordAt)
	for i := range t.records {
		t.recordOf[next[owner[i]]] = int32(i)
		next[owner[i]]++
	}
	t.brief = make([]bool, len(t.records))
	for i := range n {
		if t.many(i) {
			t.pick(i)
		}
	}
}

// Where a span has more records than mostRecords, some stand for all until they are
// unfolded, so that the spans stay in sight: those that warn or fail, or else the first.
const (
	mostRecords  = 6
	briefRecords = 4
)

// pick picks the records that stand for all of a span.
func (t *requestTree) pick(span int) {
	first, end := int(t.recordAt[span]), int(t.recordAt[span+1])
	picked := 0
	for _, level := range []draw.Level{draw.Bad, draw.Watch} {
		for at := first; at < end && picked < briefRecords; at++ {
			if !t.brief[at] && recordLevel(t.records[t.recordOf[at]].Severity) == level {
				t.brief[at] = true
				picked++
			}
		}
	}
	for at := first; at < end && at < first+briefRecords/2 && picked < briefRecords/2; at++ {
		if !t.brief[at] {
			t.brief[at] = true
			picked++
		}
	}
}

// many tells that some of a span's records stand for all.
func (t *requestTree) many(span int) bool {
	return span < t.size() && t.recordCount(span) > mostRecords
}

// recordCount is how many records stand beneath a span, or have none.
func (t *requestTree) recordCount(span int) int {
	return int(t.recordAt[span+1] - t.recordAt[span])
}

// failedIn counts the failed spans from one index to the one before another.
func (t *requestTree) failedIn(from, end int) int {
	first, _ := slices.BinarySearch(t.failed, int32(from))
	behind, _ := slices.BinarySearch(t.failed, int32(end))
	return behind - first
}

// outside tells how far a span lies outside of its parent, in seconds, where that is more
// than it takes itself: before, as only clocks that differ explain, or after.
func (t *requestTree) outside(i int) (before, after float64) {
	p := int(t.Parent[i])
	if p < 0 {
		return 0, 0
	}
	from, to := t.bounds(i)
	above, below := t.bounds(p)
	if early := above - from; early > to-from {
		before = early
	}
	if late := to - below; late > to-from && t.span(i).Kind != sources.KindConsumer {
		after = late // a consumer may begin whenever it likes
	}
	return before, after
}

// rowKind is what a row of the waterfall shows.
type rowKind uint8

const (
	rowSpan    rowKind = iota
	rowRun             // siblings in a row that repeat the same work
	rowBeside          // siblings in a row that the request did not wait for
	rowRecord          // a log record
	rowMore            // the records of a span that others stand for
	rowHeading         // the title of the records without a span
)

// traceRow is one row.
type traceRow struct {
	kind rowKind
	span int32 // shown, the first of several, or that of the record
	n    int32 // how many stand in the row, or of a record its place in recordOf
}

// treeView is a tree with what of it is folded, and the rows that come of it. Rows stand
// in the order of their spans.
type treeView struct {
	*requestTree
	rows   []traceRow
	folded []bool // by span: what is beneath is hidden
	// single is set for spans that have a row of their own though they could share one.
	single      []bool
	every       []bool // by span: all its records have rows
	pathOnly    bool   // what the request did not wait for shares rows
	hideRecords bool
	hay         *haystack // nil until it is made
	sums        map[traceRow]rowSum
}

func newTreeView(t *requestTree) *treeView {
	v := &treeView{requestTree: t, folded: make([]bool, t.size()), single: make([]bool, t.size()), every: make([]bool, t.size()+1), sums: map[traceRow]rowSum{}}
	v.arrange()
	return v
}

// keep takes over what was folded in an earlier view of the same spans.
func (v *treeView) keep(earlier *treeView) {
	v.hideRecords = earlier.hideRecords
	if earlier.trace.ID == v.trace.ID && earlier.size() == v.size() {
		v.folded, v.single, v.every, v.pathOnly = earlier.folded, earlier.single, earlier.every, earlier.pathOnly
	}
	v.arrange()
}

// sameSpot is where what stood at a spot of an earlier view stands in this one; its span
// is -1 where it is gone. Records may have come between.
func (v *treeView) sameSpot(earlier *treeView, at traceSpot) traceSpot {
	if at.span < 0 {
		return at
	}
	now := traceSpot{v.size(), -1}
	if at.span < earlier.size() {
		switch i, known := v.byID[earlier.span(at.span).ID]; {
		case earlier.size() == v.size():
			now.span = at.span
		case known:
			now.span = int(i)
		default:
			return traceSpot{-1, -1}
		}
	}
	if at.record < 0 {
		return now
	}
	was := &earlier.records[earlier.recordOf[at.record]]
	for i := v.recordAt[now.span]; i < v.recordAt[now.span+1]; i++ {
		if r := &v.records[v.recordOf[i]]; r.Time.Equal(was.Time) && r.Service == was.Service && r.Line == was.Line {
			now.record = int(i)
			break
		}
	}
	return now
}

// nextBadRecord is the first row from one on whose record is of an error; -1 for none.
func (v *treeView) nextBadRecord(from int) int {
	for i := from; i < len(v.rows); i++ {
		if row := v.rows[i]; row.kind == rowRecord && recordLevel(v.records[v.recordOf[row.n]].Severity) == draw.Bad {
			return i
		}
	}
	return -1
}

// arrange makes the rows.
func (v *treeView) arrange() {
	v.rows = v.rows[:0]
	for i := 0; i < v.size(); {
		kind, count, next := v.together(i)
		if count > 1 {
			v.rows = append(v.rows, traceRow{kind, int32(i), int32(count)})
			i = next
			continue
		}
		v.rows = append(v.rows, traceRow{rowSpan, int32(i), 1})
		v.arrangeRecords(i)
		if v.folded[i] {
			i = next
		} else {
			i++
		}
	}
	if loose := v.recordCount(v.size()); loose > 0 && !v.hideRecords {
		v.rows = append(v.rows, traceRow{rowHeading, int32(v.size()), int32(loose)})
		v.arrangeRecords(v.size())
	}
}

func (v *treeView) arrangeRecords(span int) {
	if v.hideRecords {
		return
	}
	brief, left := v.many(span) && !v.every[span], 0
	for at := v.recordAt[span]; at < v.recordAt[span+1]; at++ {
		if brief && !v.brief[at] {
			left++
			continue
		}
		v.rows = append(v.rows, traceRow{rowRecord, int32(span), at})
	}
	if left > 0 {
		v.rows = append(v.rows, traceRow{rowMore, int32(span), int32(left)})
	}
}

// together tells how many siblings from i on share a row, and the index behind them.
func (v *treeView) together(i int) (kind rowKind, count, next int) {
	kind = v.sharing(i)
	for next = int(v.End[i]); ; next = int(v.End[next]) {
		count++
		if kind == rowSpan || !v.Siblings(i, next) || v.sharing(next) != kind || (kind == rowRun && v.Run[next] != v.Run[i]) {
			return kind, count, next
		}
	}
}

// sharing is the kind of row that a span shares with others like it.
func (v *treeView) sharing(i int) rowKind {
	switch {
	case v.single[i]:
		return rowSpan
	case v.pathOnly && !v.onPath[i]:
		return rowBeside
	case v.Run[i] >= 0:
		return rowRun
	}
	return rowSpan
}

// behind is the index behind the last span of a row and all beneath.
func (v *treeView) behind(row traceRow) int {
	at := int(row.span)
	for range row.n {
		at = int(v.End[at])
	}
	return at
}

// rowOf is the row of a span, or the one that it is folded into.
func (v *treeView) rowOf(span int) int {
	at := sort.Search(len(v.rows), func(i int) bool { return int(v.rows[i].span) > span }) - 1
	for at > 0 && (v.rows[at].kind == rowRecord || v.rows[at].kind == rowMore) {
		at--
	}
	return max(at, 0)
}

// inRun tells that a span stands in the row of a repetition.
func (v *treeView) inRun(span int) bool {
	row := v.rows[v.rowOf(span)]
	return row.kind == rowRun && span < v.behind(row)
}

// isOneOfMany tells that a span stands in the row of a repetition and is no exception
// there: not the call is to blame, but how many there are.
func (v *treeView) isOneOfMany(span int) bool {
	return v.inRun(span) && !v.span(span).Error && v.span(span).DurationSeconds <= v.sum(v.rows[v.rowOf(span)]).under
}

// reveal gives a span a row of its own, and returns it.
func (v *treeView) reveal(span int) int {
	at := v.rowOf(span)
	if span >= v.size() || (at < len(v.rows) && v.rows[at] == traceRow{rowSpan, int32(span), 1}) {
		return at
	}
	for i := span; i >= 0; i = int(v.Parent[i]) {
		if v.sharing(i) != rowSpan {
			v.single[i] = true
		}
		if i != span {
			v.folded[i] = false
		}
	}
	v.arrange()
	return v.rowOf(span)
}

// traceSpot names what a row shows, whatever else is folded: a span, or a record by its place
// in recordOf, which is -1 for a span.
type traceSpot struct{ span, record int }

func (v *treeView) spot(row int) traceSpot {
	if row < 0 || row >= len(v.rows) {
		return traceSpot{-1, -1}
	}
	r := v.rows[row]
	if r.kind == rowRecord {
		return traceSpot{int(r.span), int(r.n)}
	}
	return traceSpot{int(r.span), -1}
}

// at is the row of a spot, or the one that it is folded into.
func (v *treeView) at(s traceSpot) int {
	if s.span < 0 {
		return 0
	}
	row := v.rowOf(s.span)
	if s.record < 0 || row >= len(v.rows) {
		return row
	}
	for of := row + 1; of < len(v.rows) && v.rows[of].kind == rowRecord && int(v.rows[of].span) == s.span; of++ {
		if int(v.rows[of].n) == s.record {
			return of
		}
	}
	return row
}

// revealSpot gives what a spot names a row of its own.
func (v *treeView) revealSpot(s traceSpot) int {
	if s.record >= 0 && (v.hideRecords || (v.many(s.span) && !v.every[s.span] && !v.brief[s.record])) {
		v.hideRecords, v.every[s.span] = false, true
		v.arrange()
	}
	v.reveal(s.span)
	return v.at(s)
}

// fold folds what is beneath a row, or unfolds it, and tells why where it cannot.
func (v *treeView) fold(row int) (refusal string) {
	r := v.rows[row]
	i := int(r.span)
	switch {
	case r.kind == rowHeading || i >= v.size():
		return "R hides the records"
	case r.kind == rowMore:
		v.every[i] = true
	case r.kind == rowRecord && v.many(i) && v.every[i]:
		v.every[i] = false
	case r.kind == rowRun || r.kind == rowBeside:
		for j, left := i, r.n; left > 0; j, left = int(v.End[j]), left-1 {
			v.single[j] = true
		}
	case int(v.End[i]) > i+1:
		v.folded[i] = !v.folded[i]
	case v.single[i]:
		v.gather(i)
		if v.sharing(i) == rowSpan {
			return "nothing is beneath this span"
		}
	default:
		return "nothing is beneath this span"
	}
	v.arrange()
	return ""
}

// gather lets a span share a row again with its siblings that are like it.
func (v *treeView) gather(i int) {
	v.single[i] = false
	kind, run := v.sharing(i), v.Run[i]
	first := 0
	if p := int(v.Parent[i]); p >= 0 {
		first = p + 1
	}
	for j := first; v.Siblings(i, j); j = int(v.End[j]) {
		was := v.single[j]
		v.single[j] = false
		if v.sharing(j) != kind || v.Run[j] != run {
			v.single[j] = was
		}
	}
}

// foldAll folds all that the request did not wait for, or unfolds all, in turn.
func (v *treeView) foldAll() {
	v.pathOnly = !v.pathOnly
	for i := range v.folded {
		v.folded[i] = v.pathOnly && !v.onPath[i] && int(v.End[i]) > i+1
		v.single[i] = !v.pathOnly
		v.every[i] = !v.pathOnly
	}
	v.arrange()
}

// rowSum is what several spans in one row come to.
type rowSum struct {
	total, self   float64 // seconds
	most, under   float64 // the longest, and what 95 % take at most
	from, to      float64 // seconds from the window's start
	waited        [2]float64
	onPath        bool
	spans, failed int // with those beneath
	services      int
	work          string // the operations that are repeated
}

// sum works out what a row comes to, once.
func (v *treeView) sum(row traceRow) rowSum {
	if known, ok := v.sums[row]; ok {
		return known
	}
	s := rowSum{from: math.Inf(1), to: math.Inf(-1)}
	durations := make([]float64, 0, row.n)
	services := map[string]bool{}
	var work []string
	at := int(row.span)
	for range row.n {
		span := v.span(at)
		from, to := v.bounds(at)
		s.from, s.to = min(s.from, from), max(s.to, to)
		s.total += span.DurationSeconds
		s.self += span.SelfSeconds
		if v.onPath[at] && len(v.path) > 0 {
			if !s.onPath {
				s.onPath, s.waited = true, v.waited[at]
			}
			s.waited = [2]float64{min(s.waited[0], v.waited[at][0]), max(s.waited[1], v.waited[at][1])}
		}
		durations = append(durations, span.DurationSeconds)
		services[span.Service] = true
		if len(work) < correlate.LongestCycle && !slices.Contains(work, span.Operation) {
			work = append(work, span.Operation)
		}
		at = int(v.End[at])
	}
	s.work = strings.Join(work, ", ")
	s.most = slices.Max(durations)
	s.under = correlate.Under95(durations)
	s.spans, s.failed, s.services = at-int(row.span), v.failedIn(int(row.span), at), len(services)
	v.sums[row] = s
	return s
}
