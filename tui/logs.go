package tui

import (
	"context"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"obs/correlate"
	"obs/correlate/patterns"
	"obs/sources"
	"obs/tui/draw"
)

// Bounds of the screen of log records.
const (
	// followedRecords is how many records are kept of a log that is followed. A judgement:
	// minutes of a busy service, and some 100 MB with lines of the usual length.
	followedRecords = 100_000
	// rowBytes is how much of a line is read for its row. Container runtimes split longer
	// lines (containerd: max_container_log_line_size), so few are.
	rowBytes = 16 << 10
	// rowText is how much of it can be scrolled to sideways: some 20 screens. All of it is
	// there when it is unfolded.
	rowText = 4 << 10
	// rowsKept is how many rows are remembered as they were read: some pages of a large
	// screen, so that scrolling back and forth reads nothing twice.
	rowsKept = 1000
	// unfoldedText is how many bytes of a record are laid out when it is unfolded: six
	// screens of 50 lines of 200 characters. y copies the rest too.
	unfoldedText = 64 << 10
	// aroundRecords is how many records on each side of one are its context: with the one
	// itself they fill most of a screen.
	aroundRecords = 20
	// sideways is how many cells a line moves at once.
	sideways = 16
	// maxGaps is how many lines say what is missing while there are records to show.
	maxGaps = 2
	// maxServiceColumn is how wide the column of services is at most, as names of
	// Kubernetes's services mostly are.
	maxServiceColumn = 20
	// recordIndent is how far the parts of an unfolded record stand in.
	recordIndent = 5
)

// Names of questions, shown while they are under way.
const (
	askedRecords  = "the records"
	askedPatterns = "the patterns"
	askedAround   = "the lines around it"
	askedFollow   = "following"
	askedFilter   = "the filter"
)

// What comes to take.
type (
	gotRecords  struct{ view *correlate.LogView }
	gotPatterns struct{ view *correlate.LogView }
	gotAround   struct {
		view  *correlate.LogView
		about correlate.Record
	}
	// followed is a piece of a log that is followed, followEnd its end. turn tells which
	// time of following it belongs to.
	followed struct {
		turn    int
		records []correlate.Record
		dropped int
	}
	followEnd struct {
		turn int
		err  error
	}
	// sifted is what a filter let through of the records before a number.
	sifted struct {
		turn   int
		match  logMatch
		shown  []int
		before int
	}
)

// logsScreen is the log records of a request, a service or a query.
type logsScreen struct {
	*stage
	question correlate.LogQuestion
	title    string

	// The opener may set these before the screen is loaded: the span whose records matter,
	// and records that are known already; nil asks for them.
	focus sources.SpanID
	known []correlate.Record

	about *correlate.Record  // the record that the known ones are around; nil for none
	view  *correlate.LogView // what was answered; nil for records that are known

	records []correlate.Record // oldest first, or as they came
	gone    int                // older ones that were let go; a record's number counts them
	shown   []int              // the numbers of the records that the filter lets through
	match   logMatch           // the filter by which they were chosen
	turn    int                // of the filter: an answer to an older one is dropped
	list    list               // of shown
	moved   bool               // the person has chosen; else the recommended record is selected
	offset  int                // cells by which lines are scrolled sideways
	lineOf  []int              // what stands at each line of the body: an index of shown, or -1
	rowOf   []bool             // and whether that is the record's row

	// Of all records.
	joins   map[correlate.Join]int
	columns int             // width of the longest service's name
	names   map[string]bool // the services
	mine    int             // how many are of the focus
	caller  sources.SpanID  // where none is: the nearest span above it that has records
	days    bool            // they are of more than one day

	rows   map[int]logRow     // by number, as far as they were read
	open   map[int]*unfolded  // by number, what is unfolded
	skip   int                // lines of the selected record that are scrolled past
	beyond int                // how many can be, where it is taller than the screen
	widest int                // of the rows in sight, in cells
	panel  []int              // the pattern at each line of the body, or -1
	table  patternTable       // patterns of the lines
	follow following          // the live log
	sought *correlate.Pattern // the pattern that the filter is; nil for none
}

func newLogsScreen(s *stage, question correlate.LogQuestion, title string) *logsScreen {
	return &logsScreen{stage: s, question: question, title: title}
}

func (l *logsScreen) place() place  { return onLogs }
func (l *logsScreen) crumb() string { return l.title }

func (l *logsScreen) load() tea.Cmd {
	l.endFollow()
	l.table = patternTable{shown: l.table.shown}
	switch {
	case l.known != nil:
		l.set(l.known)
	case l.round == 1 && len(l.ofCase()) > 0:
		l.set(l.ofCase())
	default:
		explorer, question := l.explorer, l.question
		return l.ask(askedRecords, func(ctx context.Context) any { return gotRecords{explorer.Logs(ctx, question)} })
	}
	return l.askPatterns()
}

// ofCase are the records that the case has of the trace that is asked for.
func (l *logsScreen) ofCase() []correlate.Record {
	switch {
	case !l.isOfCase():
		return nil
	case l.question.Span == "":
		return l.found.Records
	}
	var own []correlate.Record
	for i := range l.found.Records {
		if l.found.Records[i].SpanID == l.question.Span {
			own = append(own, l.found.Records[i])
		}
	}
	return own
}

func (l *logsScreen) isOfCase() bool {
	return l.question.Trace != "" && l.found != nil && l.found.Trace != nil && l.found.Trace.ID == l.question.Trace
}

func (l *logsScreen) take(answer any) tea.Cmd {
	switch got := answer.(type) {
	case *correlate.Case:
		if l.known == nil && l.view == nil && len(l.ofCase()) > len(l.records) && !l.follow.on {
			l.set(l.ofCase())
			return l.askPatterns()
		}
	case gotRecords:
		l.view = got.view
		l.set(got.view.Records)
		return l.askPatterns()
	case gotPatterns:
		l.table.view = got.view
		l.table.sift(l.patternNeedle())
	case gotAround:
		return open(l.aroundScreen(got))
	case sifted:
		l.takeSifted(got)
	case followed:
		l.append(got)
	case followEnd:
		return l.followEnded(got)
	}
	return nil
}

// set shows other records than before.
func (l *logsScreen) set(records []correlate.Record) {
	selected := l.selected()
	l.records, l.gone = slices.Clip(records), 0 // what is appended must not go into the case
	l.rows, l.open, l.skip = map[int]logRow{}, map[int]*unfolded{}, 0
	l.joins, l.names, l.columns, l.mine, l.days = map[correlate.Join]int{}, map[string]bool{}, 0, 0, false
	l.follow = following{turn: l.follow.turn}
	l.tally(records)
	l.caller = l.nearestCaller()
	l.sift(false)
	if l.moved && selected != nil {
		// Asked again, much is the same.
		if at := slices.IndexFunc(l.shown, func(n int) bool { return isSame(l.record(n), selected) }); at >= 0 {
			l.list.at = at
			return
		}
	}
	l.recommend()
}

// tally takes further records into what is known of all.
func (l *logsScreen) tally(fresh []correlate.Record) {
	for i := range fresh {
		r := &fresh[i]
		l.joins[r.Join]++
		if l.isMine(r) {
			l.mine++
		}
		if !l.names[r.Service] {
			l.names[r.Service] = true
			l.columns = max(l.columns, min(draw.Width(draw.Cut(r.Service, maxServiceColumn)), maxServiceColumn))
		}
	}
	if len(l.records) > 0 {
		first, last := l.records[0].Time.UTC(), l.records[len(l.records)-1].Time.UTC()
		l.days = first.Format(time.DateOnly) != last.Format(time.DateOnly)
	}
}

// record is the record of a number.
func (l *logsScreen) record(n int) *correlate.Record { return &l.records[n-l.gone] }

// selected is the record that is selected, or nil.
func (l *logsScreen) selected() *correlate.Record {
	if l.list.at >= len(l.shown) {
		return nil
	}
	return l.record(l.shown[l.list.at])
}

func isSame(a, b *correlate.Record) bool {
	return a.Time.Equal(b.Time) && a.Line == b.Line && a.Service == b.Service
}

// isMine tells the records that the screen was opened for.
func (l *logsScreen) isMine(r *correlate.Record) bool {
	if l.about != nil {
		return isSame(r, l.about)
	}
	return l.focus != "" && r.SpanID == l.focus
}

// nearestCaller is the span nearest above the focus that has records, where the focus has
// none: who calls a database or another company logs how that went, in a span of its own.
func (l *logsScreen) nearestCaller() sources.SpanID {
	if l.focus == "" || l.mine > 0 || !l.isOfCase() {
		return ""
	}
	parents := map[sources.SpanID]sources.SpanID{}
	for i := range l.found.Trace.Spans {
		s := &l.found.Trace.Spans[i]
		parents[s.ID] = s.ParentID
	}
	logs := map[sources.SpanID]bool{}
	for i := range l.records {
		logs[l.records[i].SpanID] = true
	}
	at := parents[l.focus]
	for range parents { // a broken trace may go round in circles
		if at == "" || logs[at] {
			return at
		}
		at = parents[at]
	}
	return ""
}

// isNear tells the records of the caller of the span that matters.
func (l *logsScreen) isNear(r *correlate.Record) bool { return l.caller != "" && r.SpanID == l.caller }

// recommend selects the record that says most. Whose it is comes before how bad it is, for
// normal requests log errors too: the records of the span that matters, or where it has none
// warnings and errors of its caller, since many services log no worse of what they try again;
// then any error, any record of the caller, any warning, the first one.
func (l *logsScreen) recommend() {
	const last = 8
	rank := func(r *correlate.Record) int {
		mine, level := l.isMine(r), recordLevel(r.Severity)
		switch {
		case l.about != nil:
			if mine {
				return 0
			}
			return last
		case mine && level == draw.Bad:
			return 0
		case mine && level == draw.Watch:
			return 1
		case l.isNear(r) && level == draw.Bad:
			return 2
		case l.isNear(r) && level == draw.Watch:
			return 3
		case mine:
			return 4
		case level == draw.Bad:
			return 5
		case l.isNear(r):
			return 6
		case level == draw.Watch:
			return 7
		}
		return last
	}
	l.list.at, l.skip = 0, 0
	best := last
	for i, n := range l.shown {
		if is := rank(l.record(n)); is < best {
			l.list.at, best = i, is
			if best == 0 {
				return
			}
		}
	}
}

// recordLevel is how much a record stands out by its severity.
func recordLevel(severity string) draw.Level {
	switch s := patterns.ParseSeverity(severity); {
	case s >= patterns.Error:
		return draw.Bad
	case s == patterns.Warn:
		return draw.Watch
	}
	return draw.Unknown
}

// recordSeverity is a severity in five letters.
func recordSeverity(severity string) string {
	switch word := strings.ToUpper(severity); word {
	case "WARNING":
		return "WARN"
	case "CRITICAL":
		return "CRIT"
	case "EMERGENCY":
		return "EMERG"
	case "INFORMATION", "INFORMATIONAL":
		return "INFO"
	default:
		return word
	}
}

func (l *logsScreen) act(a action) (tea.Cmd, string) {
	if l.table.shown && l.table.list.move(a) || !l.table.shown && l.move(a) {
		return nil, ""
	}
	switch a {
	case actPatterns:
		return l.togglePatterns()
	case actFollow:
		return l.toggleFollow()
	}
	if l.table.shown {
		if a == actOnward {
			return nil, l.seekPattern()
		}
		return nil, "these are patterns; P goes back to the lines"
	}
	r := l.selected()
	if r == nil {
		return nil, l.noRecord()
	}
	switch a {
	case actOnward:
		l.toggle()
	case actLeft, actRight:
		return nil, l.scroll(a)
	case actNextError:
		return nil, l.nextError()
	case actContext:
		return l.askAround(*r)
	default:
		return nil, "this does nothing here"
	}
	return nil, ""
}

// nextError selects the next record that stands out by its severity, from the top again
// after the last one.
func (l *logsScreen) nextError() (remark string) {
	for i := 1; i <= len(l.shown); i++ {
		at := (l.list.at + i) % len(l.shown)
		if recordLevel(l.record(l.shown[at]).Severity) < draw.Watch {
			continue
		}
		if at <= l.list.at {
			remark = "from the top again"
		}
		if at == l.list.at {
			remark = "this is the only one"
		}
		l.list.at, l.skip, l.moved = at, 0, true
		l.follow.stick = false
		return remark
	}
	return "no record here is an error or a warning"
}

// noRecord says why no record is selected.
func (l *logsScreen) noRecord() string {
	switch {
	case l.waiting[askedRecords]:
		return "the records are being asked for"
	case len(l.records) > 0:
		return "the filter lets no record through; esc drops it"
	}
	return "there is no record"
}

// move does an action that moves. A record that is taller than the screen is scrolled
// through before the next one is selected.
func (l *logsScreen) move(a action) bool {
	page := max(1, l.list.height-2)
	switch {
	case a == actDown && l.skip < l.beyond:
		l.skip++
		return true
	case a == actPageDown && l.skip < l.beyond:
		l.skip = min(l.beyond, l.skip+page)
		return true
	case a == actUp && l.skip > 0:
		l.skip--
		return true
	case a == actPageUp && l.skip > 0:
		l.skip = max(0, l.skip-page)
		return true
	}
	if !l.list.move(a) {
		return false
	}
	l.skip, l.beyond, l.moved = 0, 0, true
	l.follow.stick = l.list.at == l.list.count-1
	return true
}

// toggle unfolds the selected record, or folds it.
func (l *logsScreen) toggle() {
	n := l.shown[l.list.at]
	l.skip, l.moved = 0, true
	if l.open[n] != nil {
		delete(l.open, n)
		return
	}
	l.open[n] = &unfolded{}
}

func (l *logsScreen) scroll(a action) string {
	switch {
	case l.open[l.shown[l.list.at]] != nil:
		return "the line is unfolded, and all of it is there; ↵ folds it"
	case a == actLeft && l.offset == 0:
		return "this is where the lines begin"
	case a == actLeft:
		l.offset = max(0, l.offset-sideways)
	case l.offset+sideways >= l.widest:
		return "the lines in sight are not longer"
	default:
		l.offset += sideways
	}
	return ""
}

func (l *logsScreen) askAround(r correlate.Record) (tea.Cmd, string) {
	if l.explorer == nil {
		return nil, "nothing is open yet"
	}
	explorer := l.explorer
	return l.ask(askedAround, func(ctx context.Context) any {
		return gotAround{view: explorer.Around(ctx, r, aroundRecords), about: r}
	}), ""
}

// aroundScreen shows the lines around one, in a screen of their own.
func (l *logsScreen) aroundScreen(got gotAround) *logsScreen {
	next := newLogsScreen(l.next(), correlate.LogQuestion{Query: got.view.Query}, "around "+got.about.Time.UTC().Format(clockMillis))
	next.about, next.view = &got.about, got.view
	if next.known = got.view.Records; next.known == nil {
		next.known = []correlate.Record{}
	}
	return next
}

// evidence is the query behind the records and its page.
func (l *logsScreen) evidence() (query, url string, window sources.Window) {
	if l.view != nil {
		return l.view.Query, l.view.URL, l.view.Window
	}
	if l.isOfCase() {
		for i := range l.found.Hops {
			if h := &l.found.Hops[i]; h.To == "records" && h.Evidence != nil {
				return h.Evidence.Query, h.Evidence.URL, h.Evidence.Window
			}
		}
	}
	if l.question.Query == "" && l.table.view != nil {
		return l.table.view.Query, l.table.view.URL, l.question.Window
	}
	return l.question.Query, "", l.question.Window
}

// missing are the parts that are not there.
func (l *logsScreen) missing() []correlate.Missing {
	if l.view != nil {
		return l.view.Missing
	}
	var all []correlate.Missing
	if l.isOfCase() {
		for _, m := range l.found.Missing {
			if m.Backend == sources.Loki {
				all = append(all, m)
			}
		}
	}
	return all
}

func (l *logsScreen) withoutLoki() bool {
	return slices.ContainsFunc(l.missing(), func(m correlate.Missing) bool {
		return m.Backend == sources.Loki && m.Kind == correlate.MissingNotConfigured
	})
}

func (l *logsScreen) picked() picked {
	if l.table.shown {
		return l.table.picked()
	}
	query, url, _ := l.evidence()
	p := picked{query: query, url: url}
	if r := l.selected(); r != nil {
		p.text, p.what = r.Line, "line"
	}
	return p
}

func (l *logsScreen) click(line int) bool {
	if line < len(l.panel) && l.panel[line] >= 0 {
		again := l.table.shown && l.table.list.at == l.panel[line]
		l.table.shown, l.table.list.at = true, l.panel[line]
		return again
	}
	if l.table.shown || line >= len(l.lineOf) || l.lineOf[line] < 0 {
		return false
	}
	before := l.list.at
	l.list.at, l.moved = l.lineOf[line], true
	if before != l.list.at {
		l.skip = 0
	}
	l.follow.stick = l.list.at == l.list.count-1
	return before == l.list.at && l.rowOf[line]
}
