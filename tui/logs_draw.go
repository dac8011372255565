package tui

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"obs/correlate"
	"obs/correlate/ident"
	"obs/sources"
	"obs/tui/draw"
)

const clockMillis = "15:04:05.000"

func (l *logsScreen) draw(width, height int) []string {
	l.lineOf, l.rowOf, l.panel = l.lineOf[:0], l.rowOf[:0], l.panel[:0]
	if l.table.shown {
		return l.drawPatterns(width, height)
	}
	lines := l.header(width)
	if len(l.records) == 0 {
		return filled(append(lines, l.nothing(width)...), width, height)
	}
	lines = append(lines, gapLines(l.theme, l.missing(), width)...)
	lines = append(lines, l.patternPanel(width, height, len(lines))...)
	if len(l.shown) == 0 {
		return filled(append(lines, l.noneShown(width)...), width, height)
	}
	for range lines {
		l.lineOf, l.rowOf = append(l.lineOf, -1), append(l.rowOf, false)
	}
	return filled(append(lines, l.drawRows(width, max(1, height-len(lines)))...), width, height)
}

// header says how many records there are, by what they were joined, and of what time.
func (l *logsScreen) header(width int) []string {
	var parts []draw.Part
	add := func(style draw.Style, format string, args ...any) {
		parts = append(parts, draw.Part{Text: fmt.Sprintf(format, args...), Style: style})
	}
	if len(l.records) > 0 || !l.waiting[askedRecords] {
		add(l.theme.Strong, "%s", l.count())
	}
	if l.about == nil {
		parts = append(parts, l.joined()...)
	}
	if l.view != nil && l.view.Truncated {
		add(l.theme.Watch, "▲ truncated")
	}
	if _, _, window := l.evidence(); !window.IsZero() {
		add(l.theme.Dim, "%s", clockSpan(window))
	}
	if l.follow.on {
		add(l.theme.Accent, "%s following, %d came; f stops", l.spin(), l.follow.came)
	}
	if l.follow.err != nil {
		add(l.theme.Bad, "✖ following ended: %s", l.follow.err)
	}
	if l.follow.dropped > 0 {
		add(l.theme.Watch, "▲ %d dropped by the server", l.follow.dropped)
	}
	if l.gone > 0 {
		add(l.theme.Watch, "▲ %d older let go", l.gone)
	}
	for _, what := range l.waits() {
		if what != askedFollow && (what != askedRecords || len(l.records) > 0) {
			add(l.theme.Dim, "%s %s", l.spin(), what)
		}
	}
	return flow(l.theme, parts, width)
}

// joined says by what the records were joined to what was asked for.
func (l *logsScreen) joined() []draw.Part {
	var parts []draw.Part
	for _, join := range slices.Sorted(maps.Keys(l.joins)) {
		n := ""
		if l.joins[join] < len(l.records) {
			n = fmt.Sprintf("%d ", l.joins[join])
		}
		switch {
		case join.Weak():
			parts = append(parts, draw.Part{Text: "▲ " + n + "by the same service and time (weak)", Style: l.theme.Watch})
		case join != "":
			parts = append(parts, draw.Part{Text: n + "by " + string(join), Style: l.theme.Plain})
		}
	}
	switch {
	case l.mine > 0:
		parts = append(parts, draw.Part{Text: fmt.Sprintf("┃ %d of the span", l.mine), Style: l.theme.Accent})
	case l.caller != "":
		parts = append(parts, draw.Part{Text: "none of the span itself, ┃ of its caller", Style: l.theme.Accent})
	case l.focus != "" && len(l.records) > 0:
		parts = append(parts, draw.Part{Text: "none of the span itself", Style: l.theme.Dim})
	}
	return parts
}

// count is how many records there are, and how many of them are shown.
func (l *logsScreen) count() string {
	kind := "records"
	if len(l.records) == 1 {
		kind = "record"
	}
	text := fmt.Sprintf("%d %s", len(l.records), kind)
	switch {
	case l.sought != nil:
		text = fmt.Sprintf("%d of %s like the pattern", len(l.shown), text)
	case l.needle != "":
		text = fmt.Sprintf("%d of %s with %q", len(l.shown), text, draw.Cut(l.needle, 24))
	}
	if l.about != nil {
		text += " around " + l.about.Time.UTC().Format(clockMillis) + " in its own stream"
	}
	return text
}

// flow sets parts one behind the other, in as many lines as they take.
func flow(theme draw.Theme, parts []draw.Part, width int) []string {
	const between = " · "
	var lines []string
	var b strings.Builder
	used := 0
	end := func() {
		b.WriteString(strings.Repeat(" ", width-used))
		lines = append(lines, b.String())
		b.Reset()
		used = 0
	}
	for _, part := range parts {
		text := draw.Cut(part.Text, width-1)
		wide := draw.Width(text)
		switch {
		case used == 0:
			b.WriteString(" ")
			used = 1
		case used+len(between)-1+wide > width:
			end()
			b.WriteString(" ")
			used = 1
		default:
			b.WriteString(theme.Dim.Render(between))
			used += draw.Width(between)
		}
		b.WriteString(part.Style.Render(text))
		used += wide
	}
	if used > 0 {
		end()
	}
	return lines
}

// subject is what the records are of.
func (l *logsScreen) subject() string {
	switch {
	case l.question.Trace != "":
		return " of trace " + draw.Cut(string(l.question.Trace), 32)
	case l.question.Service != "":
		return " of " + draw.Cut(l.question.Service, 40)
	}
	return ""
}

// nothing says why there is no record.
func (l *logsScreen) nothing(width int) []string {
	if l.waiting[askedRecords] || l.explorer == nil {
		return []string{draw.Pad(" "+l.spin()+" asking for the records"+l.subject(), width)}
	}
	text := "no log record" + l.subject()
	if _, _, window := l.evidence(); !window.IsZero() {
		text += " in " + window.String()
	}
	if l.follow.on {
		text += " so far"
	}
	lines := []string{draw.Pad(" "+text, width)}
	for _, m := range l.missing() {
		lines = append(lines, missingLines(l.theme, m, width)...)
	}
	return lines
}

// noneShown says why the filter lets nothing through.
func (l *logsScreen) noneShown(width int) []string {
	text := fmt.Sprintf("none of the records holds %q; esc drops the filter", l.needle)
	if l.sought != nil {
		text = "none of the records here is like the pattern, which is of all lines of the services; esc shows the records again, P the patterns"
	}
	var lines []string
	for _, line := range draw.Wrap(text, max(1, width-2)) {
		lines = append(lines, draw.Pad(" "+line, width))
	}
	return lines
}

// gapLines says in a line each what is missing beside what is there.
func gapLines(theme draw.Theme, all []correlate.Missing, width int) []string {
	var lines []string
	for i, m := range all[:min(len(all), maxGaps)] {
		text := cmp.Or(string(m.Backend), "obs") + ": " + m.Reason
		if m.Hint != "" {
			text += " → " + m.Hint
		}
		if more := len(all) - maxGaps; i == maxGaps-1 && more > 0 {
			text = fmt.Sprintf("%d more, and %s", more, text)
		}
		lines = append(lines, theme.Watch.Render(draw.Pad(" ▲ "+text, width)))
	}
	return lines
}

// drawRows draws the records in sight.
func (l *logsScreen) drawRows(width, room int) []string {
	l.settle(width, room)
	at := l.rowLayout(width)
	l.widest = 0
	lines := make([]string, 0, room)
	stand := func(line string, i int, row bool) {
		lines = append(lines, line)
		l.lineOf, l.rowOf = append(l.lineOf, i), append(l.rowOf, row)
	}
	for i := l.list.top; i < len(l.shown) && len(lines) < room; i++ {
		n := l.shown[i]
		stand(l.drawRow(n, width, at, i == l.list.at), i, true)
		if l.open[n] == nil {
			continue
		}
		details := l.details(n, width)
		if i == l.list.at {
			details = details[l.skip:]
		}
		for _, d := range details[:min(len(details), room-len(lines))] {
			stand(d.line(l.theme, width), i, false)
		}
	}
	return lines
}

// settle scrolls as little as brings the whole of the selected record into sight, or as
// much of it as has room.
func (l *logsScreen) settle(width, room int) {
	l.list.count, l.list.height = len(l.shown), room
	l.list.clamp()
	tall := func(i int) int {
		n := l.shown[i]
		if l.open[n] == nil {
			return 1
		}
		return 1 + len(l.details(n, width))
	}
	at := l.list.at
	l.beyond = max(0, tall(at)-room)
	l.skip = min(l.skip, l.beyond)
	top, used := at, min(tall(at), room)
	for top > 0 && top > l.list.top && used+tall(top-1) <= room {
		top--
		used += tall(top)
	}
	// No line stays empty at the end as long as there are records before.
	below := used
	for i := at + 1; i < len(l.shown) && below < room; i++ {
		below += tall(i)
	}
	for top > 0 && below < room && below+tall(top-1) <= room {
		top--
		below += tall(top)
	}
	l.list.top = top
}

// rowLayout is how wide the columns of a row are.
type rowLayout struct{ clock, service, message int }

func (l *logsScreen) rowLayout(width int) rowLayout {
	at := rowLayout{clock: len(clockMillis), service: l.columns}
	if l.days {
		at.clock += len("01-02 ")
	}
	if width < 100 {
		at.service = min(at.service, 12)
	}
	if len(l.names) == 1 && l.names[l.question.Service] {
		at.service = -1 // the way that led here names it
	}
	const mark, severity = 3, 5
	at.message = max(1, width-mark-at.clock-1-severity-1-at.service-1)
	return at
}

// drawRow draws a record in one line.
func (l *logsScreen) drawRow(n, width int, at rowLayout, selected bool) string {
	r := l.record(n)
	mark, under := " ", draw.Style{}
	if l.isMine(r) || l.isNear(r) {
		mark = "┃"
	}
	if selected {
		mark, under = ">", l.theme.Selected
	}
	level := recordLevel(r.Severity)
	sign := " "
	if level != draw.Unknown {
		sign = level.Sign()
	}
	clock := clockMillis
	if l.days {
		clock = "01-02 " + clock
	}
	row := l.row(n)
	text, rest, wide := row.cut(l.offset, at.message)
	l.widest = max(l.widest, wide)
	var b strings.Builder
	b.Grow(2 * width)
	put := func(style draw.Style, text string) { b.WriteString(under.With(style).Render(text)) }
	put(l.theme.Accent, mark)
	put(l.theme.Level(level), sign+" ")
	put(l.theme.Dim, r.Time.UTC().Format(clock)+" ")
	put(l.theme.Level(level), draw.Pad(recordSeverity(r.Severity), 5)+" ")
	if at.service >= 0 {
		put(l.theme.Plain, draw.Pad(r.Service, at.service)+" ")
	}
	style := l.theme.Plain
	if level == draw.Bad {
		style = l.theme.Strong
	}
	put(style, text)
	put(l.theme.Dim, rest)
	put(l.theme.Plain, strings.Repeat(" ", max(0, at.message-draw.Width(text)-draw.Width(rest))))
	return b.String()
}

// logRow is what a record says in its row, printable: the message, and then its fields,
// with how many cells each takes.
type logRow struct {
	text, rest         string
	textWide, restWide int
}

// toldElsewhere are the fields of a line that the other columns of its row tell.
var toldElsewhere = func() map[string]bool {
	told := map[string]bool{"time": true, "ts": true, "timestamp": true, "@timestamp": true, "service": true, "service_name": true, "service.name": true}
	for _, names := range [][]string{ident.SeverityFields, ident.TraceFields, ident.SpanFields} {
		for _, name := range names {
			told[name] = true
		}
	}
	return told
}()

// row reads a record's line for its row.
func (l *logsScreen) row(n int) logRow {
	if row, known := l.rows[n]; known {
		return row
	}
	if len(l.rows) >= rowsKept {
		clear(l.rows)
	}
	row := readRow(l.record(n).Line)
	l.rows[n] = row
	return row
}

func readRow(line string) logRow {
	if len(line) > rowBytes {
		return newLogRow(head(line, rowBytes), nil)
	}
	return newLogRow(correlate.Unfold(line))
}

func newLogRow(message string, fields []sources.Attribute) logRow {
	text, more := oneLine(message)
	var rest []string
	if more > 0 {
		rest = append(rest, fmt.Sprintf("(%d more lines)", more))
	}
	for _, f := range fields {
		if !toldElsewhere[f.Key] {
			value, _ := oneLine(f.Value)
			rest = append(rest, sources.Printable(f.Key)+"="+value)
		}
	}
	row := logRow{text: shortened(text), rest: shortened(strings.Join(rest, " "))}
	row.textWide, row.restWide = draw.Width(row.text), draw.Width(row.rest)
	return row
}

// shortened is as much of a text as a row holds.
func shortened(text string) string {
	if len(text) > rowText {
		return head(text, rowText) + "…"
	}
	return text
}

// cut is what of a row is in sight behind its first offset cells, in at most width cells.
// wide is how wide all of it is.
func (r logRow) cut(offset, width int) (text, rest string, wide int) {
	const between = "  "
	text, rest, wide = r.text, r.rest, r.textWide+r.restWide
	if text != "" && rest != "" {
		rest = between + rest
		wide += len(between)
	}
	if offset > 0 {
		rest = dropCells(rest, offset-r.textWide)
		text = dropCells(text, offset)
	}
	text = draw.Cut(head(text, bytesOf(width)), width)
	if text == "" {
		rest = strings.TrimLeft(rest, " ")
	}
	room := width - draw.Width(text)
	return text, draw.Cut(head(rest, bytesOf(room)), room), wide
}

// bytesOf is how many bytes of a text are at least as wide as so many cells: no emoji has
// more than 16 for each of its cells.
func bytesOf(cells int) int { return 16*cells + 16 }
