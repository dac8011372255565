package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"obs/correlate"
	"obs/correlate/ident"
	"obs/sources"
)

// traceScreen is one request: a waterfall of its spans with the log records beneath
// them, and all that is known of the one that is selected.
type traceScreen struct {
	*stage
	of *traceOf

	view *treeView // nil until the request is known
	hits traceSearch
	// awaited tells that something was searched for before it could be.
	awaited bool
	list    list
	moved   bool // the person has chosen a row; else the one to blame is selected
	// jumped tells that the selection is to come into sight with what is around it.
	jumped bool

	contrast *correlate.Comparison // the answer to a question of this screen
	shown    *correlate.Case       // that the view is of, or that was answered without a trace
	answered bool                  // shown is the answer to a question of this screen
	laid     laidOf                // what was laid out last
	version  int                   // of what is laid out

	rank         int // of the span that was last the longest
	serviceCells int // of the longest name
	firstRow     int // the line of the body at which the rows begin
	bar          []rune
	messages     map[int32]string // of records, as rows show them
}

// traceOf names the trace to show; nil is that of the case.
type traceOf struct {
	id sources.TraceID
	in *correlate.Case // that has it, beside the session's; nil for none
}

func newTraceScreen(s *stage, of *traceOf) *traceScreen { return &traceScreen{stage: s, of: of} }

func (t *traceScreen) place() place { return onTrace }

func (t *traceScreen) crumb() string {
	id := t.id()
	if id == "" {
		return "trace"
	}
	name := "trace " + sources.Shorten(id.Short(), 9)
	if t.view != nil && t.view.trace.Root != nil {
		name = sources.Shorten(t.view.trace.Root.Operation, 24) + " " + sources.Shorten(id.Short(), 9)
	}
	return name
}

// id is that of the trace, empty while it is not known which.
func (t *traceScreen) id() sources.TraceID {
	switch {
	case t.of != nil:
		return t.of.id
	case t.view != nil:
		return t.view.trace.ID
	}
	return ""
}

// The questions of the screen.
const (
	askTrace  = "the trace"
	askLayOut = "the waterfall"
	askIndex  = "what can be searched for"
)

func (t *traceScreen) load() tea.Cmd {
	t.laid, t.contrast = laidOf{}, nil
	// What the case has needs no question, unless the person wants it asked again.
	if _, trace := t.inCase(); t.of == nil || (trace != nil && t.round == 1) {
		return t.fromCase()
	}
	explorer, id := t.explorer, t.of.id
	lookup := correlate.Lookup{
		ID:   ident.ID{Trace: id, Reading: "trace ID " + string(id)},
		Text: string(id), Window: explorer.Question().Window,
	}
	t.version++
	version := t.version
	return t.ask(askTrace, func(ctx context.Context) any {
		found := explorer.Request(ctx, lookup, nil)
		return laidOut{version: version, answered: true, found: found, tree: layOut(found.Trace, found.Records)}
	})
}

// inCase is the trace as the session's case has it, or the case that led here, and that
// case. The trace is nil where neither has it.
func (t *traceScreen) inCase() (*correlate.Case, *correlate.Trace) {
	if t.of == nil {
		if t.found == nil {
			return nil, nil
		}
		return t.found, t.found.Trace
	}
	for _, c := range []*correlate.Case{t.found, t.of.in} {
		if c == nil {
			continue
		}
		if c.Trace != nil && c.Trace.ID == t.of.id {
			return c, c.Trace
		}
		for i := range c.OtherTraces {
			if other := &c.OtherTraces[i]; other.ID == t.of.id {
				return c, other
			}
		}
	}
	return nil, nil
}

// laidOf is what a view is made of, to tell whether there is more by now.
type laidOf struct {
	trace   *correlate.Trace
	blamed  sources.SpanID
	records int
}

// laidOut is a tree that is ready to be shown.
type laidOut struct {
	version  int
	answered bool
	found    *correlate.Case
	tree     *requestTree
}

// fromCase lays out what the case has by now, beside the screen: a trace may be large.
func (t *traceScreen) fromCase() tea.Cmd {
	found, trace := t.inCase()
	if found == nil || (trace == nil && (!t.whole || len(found.Records) == 0)) {
		return nil
	}
	records := found.Records
	of := laidOf{trace: trace, records: len(records)}
	if trace != nil {
		of.blamed = trace.Blamed
	}
	if of == t.laid {
		return nil
	}
	t.laid = of
	t.version++
	version := t.version
	return t.ask(askLayOut, func(context.Context) any {
		return laidOut{version: version, found: found, tree: layOut(trace, records)}
	})
}

// indexed is what of a tree can be searched for.
type indexed struct {
	of  *requestTree
	hay *haystack
}

func (t *traceScreen) take(answer any) tea.Cmd {
	if got, ok := answer.(indexed); ok {
		if t.view != nil && t.view.requestTree == got.of {
			t.view.hay = got.hay
			t.hits = t.view.seek(t.needle, traceSearch{})
			if t.awaited {
				t.jumpToFirst()
			}
		}
		return nil
	}
	if c, ok := answer.(*correlate.Comparison); ok {
		t.contrast = c
		return nil
	}
	laid, ok := answer.(laidOut)
	switch {
	case !ok && (t.answered || t.waiting[askTrace]):
		return nil
	case !ok:
		return t.fromCase()
	case laid.version != t.version:
		return nil // something later is under way
	}
	t.shown, t.answered = laid.found, laid.answered
	if laid.tree.size() == 0 && len(laid.tree.records) == 0 {
		t.view = nil
		return nil
	}
	t.show(laid.tree)
	tree := laid.tree
	return t.ask(askIndex, func(context.Context) any { return indexed{of: tree, hay: tree.haystack()} })
}

// show shows a tree, in place of an earlier one of the same request where there is one.
func (t *traceScreen) show(tree *requestTree) {
	view := newTreeView(tree)
	at, from := traceSpot{-1, -1}, t.list.at
	if t.view != nil {
		at = view.sameSpot(t.view, t.view.spot(from))
		view.keep(t.view)
	}
	t.view, t.messages = view, nil
	t.serviceCells = 0
	for i := range tree.trace.Spans {
		t.serviceCells = max(t.serviceCells, min(len(tree.trace.Spans[i].Service), 40))
	}
	if tree.size() == 0 {
		for i := range tree.records {
			t.serviceCells = max(t.serviceCells, min(len(tree.records[i].Service), 40))
		}
	}
	t.list.count = len(view.rows)
	switch {
	case t.moved && at.span >= 0:
		t.list.at = view.at(at)
		t.list.top += t.list.at - from // it stays where it is on the screen
	case view.blamed >= 0:
		t.toBlamed()
	case len(view.bySelf) > 0:
		t.jump(traceSpot{int(view.bySelf[0]), -1})
	case len(view.rows) > 1:
		t.list.at = max(1, view.nextBadRecord(0)) // beneath the heading, or at the first error
		t.jumped = true
	}
	t.list.clamp()
	t.hits = traceSearch{}
}

// toBlamed selects the span to blame, or the repetition that it is a part of.
func (t *traceScreen) toBlamed() {
	if t.view.isOneOfMany(t.view.blamed) {
		t.list.at, t.jumped = t.view.rowOf(t.view.blamed), true
		return
	}
	t.jump(traceSpot{t.view.blamed, -1})
}

// jump selects a spot, unfolds what hides it, and shows what is around.
func (t *traceScreen) jump(to traceSpot) {
	t.list.at = t.view.revealSpot(to)
	t.list.count = len(t.view.rows)
	t.jumped = true
}

// filter searches: nothing is hidden, the first place found is gone to.
func (t *traceScreen) filter(text string) tea.Cmd {
	t.needle = text
	switch {
	case t.view == nil || t.view.hay == nil:
		t.awaited = text != ""
	case !strings.EqualFold(text, t.hits.needle):
		t.hits = t.view.seek(text, t.hits)
		t.jumpToFirst()
	}
	return nil
}

func (t *traceScreen) jumpToFirst() {
	t.awaited = false
	if len(t.hits.spots) > 0 {
		t.moved = true
		t.jump(t.hits.spots[0])
	}
}

func (t *traceScreen) act(a action) (tea.Cmd, string) {
	if t.view == nil {
		return t.actWithout(a)
	}
	if t.list.move(a) {
		t.moved = true
		return nil, ""
	}
	switch a {
	case actOnward:
		return t.onward()
	case actNextCritical:
		return nil, t.step(1)
	case actPreviousMatch:
		return nil, t.step(-1)
	case actNextError:
		return nil, t.nextError()
	case actLongest:
		return nil, t.nextLongest()
	case actFold:
		return nil, t.rearrange(t.view.fold)
	case actFoldAll:
		return nil, t.foldAll()
	case actRecords:
		return nil, t.toggleRecords()
	case actCompare:
		return t.compare()
	case actDifference:
		return t.differences()
	case actLogs:
		return t.serviceLogs()
	case actBlamed:
		return nil, t.showBlamed()
	case actStory:
		return open(newStoryScreen(t.next(), t)), ""
	case actOthers:
		return t.listOthers()
	}
	return nil, "this does nothing here"
}

// actWithout acts while there is no request to act on.
func (t *traceScreen) actWithout(a action) (tea.Cmd, string) {
	switch {
	case len(t.waiting) > 0:
		return nil, "the trace is being asked for"
	case !t.whole && t.of == nil:
		return nil, "no trace is known yet"
	case a == actCompare:
		return t.compare()
	case a == actOnward:
		return nil, t.noRecords()
	}
	return nil, "there is no trace to look at"
}

// rearrange folds or unfolds the selected row, and keeps what it shows selected.
func (t *traceScreen) rearrange(change func(row int) string) string {
	if len(t.view.rows) == 0 {
		return "there is nothing to fold"
	}
	at, more := t.view.spot(t.list.at), t.view.rows[t.list.at].kind == rowMore
	refusal := change(t.list.at)
	if refusal != "" {
		return refusal
	}
	t.moved = true
	at.record = -1
	t.list.count = len(t.view.rows)
	if !more { // the records that come to light stand in its place
		t.list.at = t.view.at(at)
	}
	t.list.clamp()
	return ""
}

func (t *traceScreen) foldAll() string {
	if t.view.size() == 0 {
		return "there is nothing to fold"
	}
	t.rearrange(func(int) string {
		t.view.foldAll()
		return ""
	})
	t.jumped = true
	if t.view.pathOnly {
		return "folded all that the request did not wait for; Z unfolds all"
	}
	return "unfolded all; Z folds what the request did not wait for"
}

func (t *traceScreen) toggleRecords() string {
	if len(t.view.records) == 0 {
		return t.noRecords()
	}
	at := t.view.spot(t.list.at)
	t.view.hideRecords = !t.view.hideRecords
	t.view.arrange()
	t.list.at, t.list.count = t.view.at(at), len(t.view.rows)
	t.list.clamp()
	if t.view.hideRecords {
		return fmt.Sprintf("%s hidden; R shows them", countOf(len(t.view.records), "record"))
	}
	return countOf(len(t.view.records), "record")
}

// step goes to the next span on the critical path or the one before it, or while a
// search is on to the next place found.
func (t *traceScreen) step(by int) string {
	t.moved = true
	here := t.view.spot(t.list.at)
	if t.hits.needle != "" {
		n := len(t.hits.spots)
		if n == 0 {
			return fmt.Sprintf("%q is nowhere in this trace; esc ends the search", sources.Shorten(sources.Printable(t.needle), 40))
		}
		at, on := t.hits.index(here)
		if by < 0 || (on && !t.shared()) {
			at += by
		}
		text := ""
		switch {
		case at >= n:
			at, text = 0, "from the top again"
		case at < 0:
			at, text = n-1, "from the bottom again"
		}
		t.jump(t.hits.spots[at])
		return text
	}
	if len(t.view.path) == 0 {
		return "nothing in this trace took time that the request waited for"
	}
	return t.walk(t.view.path, by, true, "on the critical path")
}

// shared tells that the selected row stands for several spans: the next one may be the
// first of them.
func (t *traceScreen) shared() bool {
	if t.list.at >= len(t.view.rows) {
		return false
	}
	kind := t.view.rows[t.list.at].kind
	return kind == rowRun || kind == rowBeside
}

// walk goes to the next of some spans in the order of the screen, or the one before.
// Together, those of one repetition are one stop; else each gets a row of its own.
func (t *traceScreen) walk(all []int32, by int, together bool, what string) string {
	t.moved = true
	from := t.view.spot(t.list.at).span
	switch {
	case by > 0 && t.shared() && together:
		from = t.view.behind(t.view.rows[t.list.at])
	case by > 0 && !t.shared():
		from++
	}
	at, _ := slices.BinarySearch(all, int32(max(from, 0)))
	if by < 0 {
		at--
	}
	again := ""
	switch {
	case at >= len(all):
		at, again = 0, ", from the top again"
	case at < 0:
		at, again = len(all)-1, ", from the bottom again"
	}
	if i := int(all[at]); together && t.view.inRun(i) {
		t.list.at, t.jumped = t.view.rowOf(i), true
	} else {
		t.jump(traceSpot{i, -1})
	}
	return fmt.Sprintf("%d of %d %s%s", at+1, len(all), what, again)
}

func (t *traceScreen) nextError() string {
	if t.view.size() == 0 {
		return t.nextBadRecord()
	}
	if len(t.view.failed) == 0 {
		return "no span of this trace failed"
	}
	text := t.walk(t.view.failed, 1, false, "that failed")
	if t.view.failure != nil && t.view.spot(t.list.at).span == t.view.blamed {
		text += "; the error began here"
	}
	return text
}

// nextBadRecord goes to the next record of an error, where there are no spans.
func (t *traceScreen) nextBadRecord() string {
	t.moved = true
	at := t.view.nextBadRecord(t.list.at + 1)
	again := ""
	if at < 0 {
		at, again = t.view.nextBadRecord(0), "from the top again"
	}
	if at < 0 {
		return "none of these records tells of an error"
	}
	t.list.at = at
	return again
}

func (t *traceScreen) showBlamed() string {
	switch {
	case t.view.blamed < 0:
		return "no span of this trace is to blame"
	case t.view.failure != nil:
		t.moved = true
		t.toBlamed()
		return "the error began here"
	}
	t.moved = true
	t.toBlamed()
	return "this is what to blame for the time"
}

func (t *traceScreen) nextLongest() string {
	all := t.view.bySelf
	if len(all) == 0 {
		return "there are no spans"
	}
	t.moved = true
	again := ""
	if here := t.view.spot(t.list.at); t.rank < len(all) && int(all[t.rank]) == here.span {
		t.rank++
	} else {
		t.rank = 0
	}
	if t.rank == len(all) {
		t.rank, again = 0, ", from the longest again"
	}
	i := int(all[t.rank])
	t.jump(traceSpot{i, -1})
	return fmt.Sprintf("%d of %d by its own time, %s%s", t.rank+1, len(all), correlate.Seconds(t.view.span(i).SelfSeconds), again)
}

// selected is the selected span; nil where a record without one is.
func (t *traceScreen) selected() *correlate.Span {
	if t.view == nil {
		return nil
	}
	if at := t.view.spot(t.list.at); at.span >= 0 && at.span < t.view.size() {
		return t.view.span(at.span)
	}
	return nil
}

// holdsBlamed tells that the selected row is a repetition with the span to blame in it:
// the next step goes on from there.
func (t *traceScreen) holdsBlamed() bool {
	return t.view.blamed >= 0 && t.shared() && t.view.rowOf(t.view.blamed) == t.list.at
}

// onward goes to the records of the request, at those of the selected span.
func (t *traceScreen) onward() (tea.Cmd, string) {
	blamed := t.holdsBlamed()
	if !blamed && (t.shared() || (len(t.view.rows) > 0 && t.view.rows[t.list.at].kind == rowMore)) {
		return nil, t.rearrange(t.view.fold)
	}
	if len(t.view.records) == 0 {
		return nil, t.noRecords()
	}
	question := correlate.LogQuestion{Trace: t.id(), Window: t.around()}
	title := "logs"
	logs := newLogsScreen(t.next(), question, title)
	s := t.selected()
	if blamed {
		s = t.view.span(t.view.blamed)
	}
	if s != nil {
		logs.title = s.Service + " " + s.Operation + " logs"
		logs.focus = s.ID
	}
	logs.known = t.view.records
	return open(logs), ""
}

// logSlack is how far from its trace's own time a record may stand, as in a triage.
const logSlack = time.Minute

// around is the trace's time with some before and after; that of the question without a
// trace.
func (t *traceScreen) around() sources.Window {
	if t.view == nil || t.view.size() == 0 {
		if t.explorer == nil {
			return sources.Window{}
		}
		return t.explorer.Question().Window
	}
	return t.view.window.Pad(logSlack)
}

// noRecords says why there are none.
func (t *traceScreen) noRecords() string {
	if t.shown != nil {
		for _, m := range t.shown.Missing {
			if m.Backend == sources.Loki {
				return "there are no log records: " + m.Reason
			}
		}
	}
	if !t.answered && !t.whole {
		return "the log records are still being looked for"
	}
	return "no log record carries the ID of this trace; L shows those of the service"
}

func (t *traceScreen) serviceLogs() (tea.Cmd, string) {
	service := ""
	at := t.view.spot(t.list.at)
	switch s := t.selected(); {
	case at.record >= 0:
		service = t.view.records[t.view.recordOf[at.record]].Service
	case s != nil:
		service = s.Service
	}
	if service == "" {
		return nil, "select a span to see the logs of its service"
	}
	if t.shown != nil {
		for _, m := range t.shown.Missing {
			if m.Backend == sources.Loki && m.Kind == correlate.MissingNotConfigured {
				return nil, "there are no log records: " + m.Reason
			}
		}
	}
	return open(newLogsScreen(t.next(), correlate.LogQuestion{Service: service, Window: t.around()}, service+" logs")), ""
}

// compare goes to the traces that this one was compared with.
func (t *traceScreen) compare() (tea.Cmd, string) {
	if t.found != nil && t.found.Cohorts != nil {
		return open(newTracesScreen(t.next(), t.found.Cohorts.Subject, t.found.Cohorts)), ""
	}
	if t.view == nil || t.view.trace.Root == nil {
		return nil, "it was compared with no other trace"
	}
	root := t.view.trace.Root
	return open(newTracesScreen(t.next(), correlate.Subject{Service: root.Service, Operation: root.Operation}, nil)), ""
}

func (t *traceScreen) picked() picked {
	id := t.id()
	if id == "" {
		return picked{}
	}
	p := picked{text: string(id), what: "trace ID", query: "trace " + string(id)}
	if t.view == nil {
		return p
	}
	p.url = t.view.trace.URL
	at := t.view.spot(t.list.at)
	to, hop := "trace", string(id)
	switch {
	case at.record >= 0:
		p.text, p.what = t.view.records[t.view.recordOf[at.record]].Line, "log line"
		to = "records"
	case at.span >= 0 && at.span < t.view.size():
		to, hop = "span", string(t.view.span(at.span).ID)
	}
	if t.shown == nil {
		return p
	}
	for i := range t.shown.Hops {
		if h := &t.shown.Hops[i]; h.To == to && h.ID == hop && h.Evidence != nil && h.Evidence.Backend != sources.Prometheus {
			p.query, p.url = h.Evidence.Query, h.Evidence.URL
			break
		}
	}
	return p
}

func (t *traceScreen) click(line int) bool {
	row := t.list.top + line - t.firstRow
	if t.view == nil || line < t.firstRow || line >= t.firstRow+t.list.height || row >= len(t.view.rows) {
		return false
	}
	t.moved = true
	return t.list.pick(row)
}

func (t *traceScreen) draw(width, height int) []string {
	if t.view == nil {
		return filled(t.drawNothing(width, height), width, height)
	}
	lines := append([]string{t.drawHeader(width)}, t.drawNotes(width, height)...)
	if height >= 12 || t.view.size() == 0 {
		lines = append(lines, t.drawMissing(width, height)...)
	}
	c := t.layColumns(width)
	a := newAxis(t.view.total, c.bar)
	if t.view.size() > 0 {
		lines = append(lines, t.drawTitles(c, a))
	}
	t.firstRow = len(lines)
	rest := max(0, height-len(lines))
	below := panelRoom(height, len(lines)+len(t.view.rows))
	if len(t.view.rows) == 0 {
		below = 0
	}
	t.scroll(max(1, rest-below))
	for at := t.list.top; at < len(t.view.rows) && at < t.list.top+t.list.height; at++ {
		lines = append(lines, t.drawRow(at, width, c, a))
	}
	if below > 0 && len(lines)+below <= height {
		lines = append(lines, t.drawPanel(width, height-len(lines))...)
	}
	return filled(lines, width, height)
}

// scroll brings the selection into sight; after a jump with what is around it and the
// records beneath it.
func (t *traceScreen) scroll(height int) {
	row := t.list.at
	count := len(t.view.rows)
	if !t.moved && height != t.list.height {
		t.jumped = true // another size, or notes that have come: what is recommended stays whole
	}
	if t.jumped && height > 2 && row < count {
		below := row
		for below+1 < count && below-row < height/2 && t.view.rows[below+1].span == t.view.rows[row].span {
			below++
		}
		if row < t.list.top || below >= t.list.top+height {
			t.list.top = row - height/3
		}
	}
	t.jumped = false
	t.list.show(count, height)
}
