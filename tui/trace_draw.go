package tui

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"obs/correlate"
	"obs/tui/draw"
)

// columns are how wide the parts of the waterfall are, in cells. The signs stand before
// them: selected, failed, and what else is to be known of the row.
type columns struct {
	service, name, total, bar int
	step, most                int // of the indentation
}

const (
	signCells  = 4 // the mark of the selection, two signs, a space
	timeCells  = 8 // "3h12m40s"
	totalFrom  = 110
	leastBar   = 12
	leastName  = 14
	mostName   = 64
	nameShare  = 0.45 // of what name and bar share: names matter as much as bars
	deepIndent = 3    // a third of a name's column at most is indentation
)

func (t *traceScreen) layColumns(width int) columns {
	var c columns
	c.service = min(max(t.serviceCells, len("SERVICE")), max(8, width/7))
	fixed := signCells + c.service + 1 + 1 + timeCells + 1 + 2
	if width >= totalFrom {
		c.total = timeCells
		fixed += timeCells + 1
	}
	room := max(leastName+leastBar, width-fixed)
	c.name = min(max(leastName, int(float64(room)*nameShare)), mostName)
	c.bar = room - c.name
	c.most = c.name / deepIndent
	c.step = 1
	if 2*t.view.deepest <= c.most {
		c.step = 2
	}
	return c
}

// drawHeader says in a line what the request was. What matters most stays where the
// width does not hold all.
func (t *traceScreen) drawHeader(width int) string {
	trace := t.view.trace
	type part struct {
		text  string
		style draw.Style
		rank  int
	}
	var parts []part
	add := func(rank int, style draw.Style, text string) {
		if text != "" {
			parts = append(parts, part{text, style, rank})
		}
	}
	if t.needle != "" {
		add(0, t.theme.Accent, t.foundText())
	}
	if trace.Root != nil {
		add(1, t.theme.Strong, draw.Cut(trace.Root.Service+" "+trace.Root.Operation, max(20, width/3)))
	}
	if t.view.size() > 0 {
		add(1, t.theme.Strong, correlate.Seconds(trace.DurationSeconds))
		if n := len(t.view.failed); n > 0 {
			add(2, t.theme.Bad, fmt.Sprintf("%s %d failed", draw.Bad.Sign(), n))
		}
		add(4, t.theme.Plain, countOf(t.view.size(), "span"))
		add(6, t.theme.Plain, countOf(t.view.services, "service"))
	}
	add(5, t.theme.Plain, countOf(len(t.view.records), "record"))
	text, weak := t.joined()
	switch {
	case text == "":
	case weak:
		add(3, t.theme.Watch, "joined by "+text+" ▲ weak")
	default:
		add(3, t.theme.Healthy, "joined by "+text+" ✔")
	}
	if trace.OrphanCount > 0 {
		add(7, t.theme.Watch, fmt.Sprintf("%d without their parent ?", trace.OrphanCount))
	}
	if !trace.Start.IsZero() {
		add(8, t.theme.Dim, trace.Start.UTC().Format("15:04:05.000"))
	}
	shown := make([]bool, len(parts))
	used := 1
	for rank := range 9 {
		for i, p := range parts {
			if p.rank == rank && used+draw.Width(p.text)+2 <= width {
				shown[i] = true
				used += draw.Width(p.text) + 2
			}
		}
	}
	var b strings.Builder
	b.WriteByte(' ')
	for i, p := range parts {
		if shown[i] {
			b.WriteString(p.style.Render(p.text) + "  ")
		}
	}
	b.WriteString(strings.Repeat(" ", max(0, width-used)))
	return b.String()
}

// countOf is a number with its noun.
func countOf(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

// foundText says which of the places found is selected.
func (t *traceScreen) foundText() string {
	needle := draw.Cut("/"+t.needle, 24)
	n := len(t.hits.spots)
	switch at, on := t.hits.index(t.view.spot(t.list.at)); {
	case t.view.hay == nil:
		return needle + " " + t.spin()
	case n == 0:
		return needle + " is nowhere here"
	case on:
		return fmt.Sprintf("%s %d of %d", needle, at+1, n)
	}
	return fmt.Sprintf("%s %d found", needle, n)
}

// joined is by what the trace was found, from the last hop that led to it.
func (t *traceScreen) joined() (text string, weak bool) {
	if t.shown == nil {
		return "", false
	}
	for i := len(t.shown.Hops) - 1; i >= 0; i-- {
		if h := &t.shown.Hops[i]; h.To == "trace" && h.ID == string(t.view.trace.ID) {
			return string(h.Join), h.Join.Weak()
		}
	}
	return "", false
}

// axis is the scale of the bars.
type axis struct {
	cells int
	total float64 // seconds
	ticks []axisTick
}

type axisTick struct {
	cell  int
	label string
}

// cell is where a moment stands, in cells from the left and within the bar.
func (a axis) cell(at float64) float64 {
	if a.total <= 0 {
		return 0
	}
	return min(max(at/a.total, 0), 1) * float64(a.cells)
}

// labelsApart is how far labels of an axis stand apart at least, in cells.
const labelsApart = 10

func newAxis(total float64, cells int) axis {
	a := axis{cells: cells, total: total}
	a.ticks = append(a.ticks, axisTick{0, "0"})
	if total <= 0 {
		return a
	}
	step := axisStep(total * labelsApart / float64(cells))
	for i := 1; float64(i)*step < total && i < cells; i++ {
		at := float64(i) * step
		tick := axisTick{int(a.cell(at)), axisLabel(at, step)}
		if tick.cell+len(tick.label) < cells {
			a.ticks = append(a.ticks, tick)
		}
	}
	return a
}

// axisStep is the next step up that people count time in: 1, 2 or 5 times a power of ten
// up to seconds, parts of minutes and hours above.
func axisStep(raw float64) float64 {
	for _, step := range [...]float64{10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400} {
		if raw > 5 && raw <= step {
			return step
		}
	}
	power := math.Pow10(int(math.Floor(math.Log10(raw))))
	for _, times := range [...]float64{1, 2, 5} {
		if raw <= times*power*(1+1e-9) {
			return times * power
		}
	}
	return 10 * power
}

func axisLabel(at, step float64) string {
	unit, name := 1.0, " s"
	switch {
	case at >= 120:
		return correlate.Seconds(at)
	case step < 1e-6:
		unit, name = 1e-9, " ns"
	case step < 1e-3:
		unit, name = 1e-6, " µs"
	case step < 1:
		unit, name = 1e-3, " ms"
	}
	return strconv.FormatFloat(math.Round(at/unit*1000)/1000, 'f', -1, 64) + name
}

// line is the axis above the bars.
func (a axis) line(style draw.Style) string {
	var b strings.Builder
	used := 0
	for _, tick := range a.ticks {
		if tick.cell < used {
			continue
		}
		b.WriteString(strings.Repeat(" ", tick.cell-used) + tick.label)
		used = tick.cell + draw.Width(tick.label)
	}
	return style.Render(draw.Pad(b.String(), a.cells))
}

func (t *traceScreen) drawTitles(c columns, a axis) string {
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", signCells))
	titles := draw.Pad("SERVICE", c.service) + " " + draw.Pad("OPERATION", c.name) + " "
	if c.total > 0 {
		titles += draw.PadLeft("TOTAL", c.total) + " "
	}
	titles += draw.PadLeft("SELF", timeCells) + " "
	b.WriteString(t.theme.Dim.Render(titles) + t.theme.Dim.Render("│") + a.line(t.theme.Dim) + t.theme.Dim.Render("│"))
	return b.String()
}

// signs of a bar's cells, by what the request did in that time.
const (
	barNone    = ' '
	barTick    = '┊'
	barBeside  = '─' // the span ran, and the request did not wait for it
	barWaited  = '━' // the request waited for what is beneath the span
	barSelf    = '█' // the request waited for the span itself
	barRun     = '┄' // several spans
	barRunPath = '┅' // several spans, and the request waited for some
	barEvent   = '•'
)

// legend tells what the signs are.
func (t *traceScreen) legend(width int) string {
	blamed := "► to blame"
	if t.view.failure != nil {
		blamed = "► the error began"
	}
	all := []string{"█ waited for itself", "━ for what is beneath", "─ ran beside", "• event", blamed, "✖ failed"}
	if t.view.trace.OrphanCount > 0 {
		all = append(all, "? parent missing")
	}
	text := ""
	for _, one := range all {
		if draw.Width(text)+draw.Width(one)+2 > width {
			break
		}
		if text != "" {
			text += "  "
		}
		text += one
	}
	return text
}

// clearBar begins a bar: empty but for the axis's ticks.
func (t *traceScreen) clearBar(a axis) {
	if cap(t.bar) < a.cells {
		t.bar = make([]rune, a.cells)
	}
	t.bar = t.bar[:a.cells]
	for i := range t.bar {
		t.bar[i] = barNone
	}
	for _, tick := range a.ticks[1:] {
		t.bar[tick.cell] = barTick
	}
}

// paint draws a stretch of time. One that is to be seen takes a cell at least.
func (t *traceScreen) paint(a axis, from, to float64, sign rune, seen bool) {
	first, behind := int(math.Round(a.cell(from))), int(math.Round(a.cell(to)))
	if seen {
		first = min(first, a.cells-1)
		behind = max(behind, first+1)
	}
	for i := first; i < behind; i++ {
		t.bar[i] = sign
	}
}

// spanBar draws a span's bar.
func (t *traceScreen) spanBar(a axis, i int) {
	v := t.view
	t.clearBar(a)
	from, to := v.bounds(i)
	t.paint(a, from, to, barBeside, true)
	if v.onPath[i] && len(v.path) > 0 {
		t.paint(a, v.waited[i][0], v.waited[i][1], barWaited, true)
		for _, own := range v.own(i) {
			t.paint(a, own.from, own.to, barSelf, false)
		}
	}
	if a.cell(to)-a.cell(from) < 2 {
		return // marks would hide the bar
	}
	last := -2
	for _, e := range v.span(i).Events {
		at := v.since(e.Time)
		if cell := min(int(a.cell(at)), a.cells-1); at >= 0 && at <= v.total && cell > last+1 {
			t.bar[cell] = barEvent
			last = cell
		}
	}
}

// barText renders the bar, each sign in its style.
func (t *traceScreen) barText(b *strings.Builder, style func(rune) draw.Style) {
	for i := 0; i < len(t.bar); {
		end := i + 1
		for end < len(t.bar) && t.bar[end] == t.bar[i] {
			end++
		}
		b.WriteString(style(t.bar[i]).Render(string(t.bar[i:end])))
		i = end
	}
}

// drawRow draws one row of the waterfall in exactly width cells.
func (t *traceScreen) drawRow(at, width int, c columns, a axis) string {
	row := t.view.rows[at]
	under, mark := draw.Style{}, " "
	if at == t.list.at {
		under, mark = t.theme.Selected, ">"
	}
	var b strings.Builder
	b.Grow(4 * width)
	b.WriteString(under.Render(mark))
	switch row.kind {
	case rowSpan:
		t.spanRow(&b, int(row.span), c, a, under)
	case rowRun, rowBeside:
		t.sumRow(&b, row, c, a, under)
	case rowRecord:
		t.recordRow(&b, row, width, c, under)
	case rowMore:
		depth := t.view.span(int(row.span)).Depth + 1
		indent := strings.Repeat(" ", signCells-1+c.service+1+min(depth*c.step, c.most))
		b.WriteString(under.With(t.theme.Dim).Render(draw.Pad(fmt.Sprintf("%s▸ + %s", indent, countOf(int(row.n), "record")), width-1)))
	case rowHeading:
		text := fmt.Sprintf("   no span: %s of the trace, and of none of its spans", countOf(int(row.n), "record"))
		if t.view.size() == 0 {
			text = fmt.Sprintf("   no span: %s with the trace's ID", countOf(int(row.n), "record"))
		}
		b.WriteString(under.With(t.theme.Strong).Render(draw.Pad(text, width-1)))
	}
	return b.String()
}

// signsOf are the two signs before a span.
func (t *traceScreen) signsOf(i int) (first, second string, style draw.Style) {
	s := t.view.span(i)
	first, second = " ", " "
	if s.Error {
		first, style = draw.Bad.Sign(), t.theme.Bad
	}
	before, after := t.view.outside(i)
	switch {
	case t.hits.needle != "" && t.hits.holds(traceSpot{i, -1}):
		second = "/"
	case i == t.view.blamed:
		second = "►"
	case s.Orphan:
		second = "?"
	case before > 0 || after > 0:
		second = "≠"
	}
	return first, second, style
}

func (t *traceScreen) spanRow(b *strings.Builder, i int, c columns, a axis, under draw.Style) {
	v := t.view
	s := v.span(i)
	first, second, style := t.signsOf(i)
	b.WriteString(under.With(style).Render(first))
	b.WriteString(under.With(t.theme.Watch).Render(second))
	b.WriteString(under.Render(" "))
	plain := t.theme.Plain
	switch {
	case s.Error:
		plain = t.theme.Bad
	case !v.onPath[i]:
		plain = t.theme.Dim
	}
	t.marked(b, s.Service, c.service, under.With(plain))
	b.WriteString(under.Render(" "))
	prefix := t.indent(s.Depth, c)
	suffix := ""
	if attempt := attemptText(s); attempt != "" {
		suffix = "  " + attempt
		if draw.Width(prefix)+draw.Width(s.Operation)+draw.Width(suffix) > c.name { // the name matters more
			suffix = fmt.Sprintf(" %d/%d", s.Attempt, s.Attempts)
		}
	}
	if v.folded[i] {
		prefix += "▸ "
		beneath := int(v.End[i]) - i - 1
		suffix += fmt.Sprintf(" +%d", beneath)
		if failed := v.failedIn(i+1, int(v.End[i])); failed > 0 {
			suffix += fmt.Sprintf(" ✖%d", failed)
		}
	}
	prefix = draw.Cut(prefix, c.name)
	suffix = draw.Cut(suffix, max(0, c.name-draw.Width(prefix)-4)) // a name keeps a few letters
	b.WriteString(under.With(t.theme.Dim).Render(prefix))
	t.marked(b, s.Operation, c.name-draw.Width(prefix)-draw.Width(suffix), under.With(plain))
	b.WriteString(under.With(t.theme.Dim).Render(suffix))
	t.times(b, s.DurationSeconds, s.SelfSeconds, c, under.With(plain))
	t.spanBar(a, i)
	b.WriteString(under.With(t.theme.Dim).Render("│"))
	t.barText(b, func(sign rune) draw.Style { return under.With(t.barStyle(sign, s.Error)) })
	b.WriteString(under.With(t.theme.Dim).Render("│"))
}

func (t *traceScreen) barStyle(sign rune, failed bool) draw.Style {
	switch {
	case sign == barTick || sign == barNone:
		return t.theme.Dim
	case sign == barEvent:
		return t.theme.Watch
	case failed:
		return t.theme.Bad
	case sign == barWaited || sign == barSelf || sign == barRunPath:
		return t.theme.Series[0]
	}
	return t.theme.Dim
}

// indent shows a depth. What is too deep for the column says how deep it is.
func (t *traceScreen) indent(depth int, c columns) string {
	depth = max(depth, 0)
	if depth*c.step <= c.most {
		return strings.Repeat(" ", depth*c.step)
	}
	label := strconv.Itoa(depth) + " "
	return strings.Repeat(" ", max(0, c.most-len(label))) + label
}

func (t *traceScreen) times(b *strings.Builder, total, self float64, c columns, style draw.Style) {
	text := " "
	if c.total > 0 {
		text += draw.PadLeft(correlate.Seconds(total), c.total) + " "
	}
	b.WriteString(style.Render(text + draw.PadLeft(correlate.Seconds(self), timeCells) + " "))
}

// sumRow draws several spans in a row.
func (t *traceScreen) sumRow(b *strings.Builder, row traceRow, c columns, a axis, under draw.Style) {
	v := t.view
	sum := v.sum(row)
	first, style, plain := " ", draw.Style{}, t.theme.Dim
	if sum.failed > 0 {
		first, style = draw.Bad.Sign(), t.theme.Bad
	}
	if sum.onPath {
		plain = t.theme.Plain
	}
	second := " "
	behind := v.behind(row)
	switch {
	case t.hits.needle != "" && t.hitsIn(int(row.span), behind) > 0:
		second = "/"
	case v.blamed >= int(row.span) && v.blamed < behind:
		second = "►"
	}
	b.WriteString(under.With(style).Render(first) + under.With(t.theme.Watch).Render(second) + under.Render(" "))
	span := v.span(int(row.span))
	service, name := span.Service, fmt.Sprintf("× %d  %s", row.n, sum.work)
	if sum.services > 1 {
		service = countOf(sum.services, "service")
	}
	total := "total " + correlate.Seconds(sum.total)
	text := fmt.Sprintf("95 %% under %s  %s", correlate.Seconds(sum.under), total)
	if row.kind == rowBeside {
		name = fmt.Sprintf("+ %s", countOf(sum.spans, "span"))
		text, total = "beside the critical path", "beside"
		if sum.spans == 1 {
			name += " " + span.Operation
		}
	}
	if more := fmt.Sprintf("✖ %d failed  ", sum.failed) + text; sum.failed > 0 && draw.Width(more)+2 <= a.cells {
		text = more
	}
	if draw.Width(text)+2 > a.cells {
		text = total
	}
	b.WriteString(under.With(plain).Render(draw.Pad(service, c.service) + " "))
	prefix := draw.Cut(t.indent(span.Depth, c)+"▸ ", c.name)
	b.WriteString(under.With(t.theme.Dim).Render(prefix))
	t.marked(b, name, c.name-draw.Width(prefix), under.With(plain))
	t.times(b, sum.total, sum.self, c, under.With(plain))
	t.clearBar(a)
	sign := barRun
	if sum.onPath {
		sign = barRunPath
	}
	t.paint(a, sum.from, sum.to, sign, true)
	b.WriteString(under.With(t.theme.Dim).Render("│"))
	t.over(b, text, a, func(sign rune) draw.Style { return under.With(t.barStyle(sign, false)) }, under)
	b.WriteString(under.With(t.theme.Dim).Render("│"))
}

// over writes a text upon a bar where it hides least: behind it, before it, or upon its
// end. A text that has no room is left out; the panel says it too.
func (t *traceScreen) over(b *strings.Builder, text string, a axis, style func(rune) draw.Style, under draw.Style) {
	wide := draw.Width(text) + 2
	if wide > a.cells {
		t.barText(b, style)
		return
	}
	first, last := a.cells, -1
	for i, sign := range t.bar {
		if sign == barRun || sign == barRunPath {
			first, last = min(first, i), i
		}
	}
	at := a.cells - wide
	switch {
	case last+1+wide <= a.cells:
		at = last + 1
	case first >= wide:
		at = first - wide
	}
	all := t.bar
	t.bar = all[:at]
	t.barText(b, style)
	b.WriteString(under.Render(" " + text + " "))
	t.bar = all[at+wide:]
	t.barText(b, style)
	t.bar = all
}

// hitsIn counts what was found in spans from one index to the one before another.
func (t *traceScreen) hitsIn(from, end int) int {
	first, _ := t.hits.index(traceSpot{from, -1})
	behind, _ := t.hits.index(traceSpot{end, -1})
	return behind - first
}

// recordRow draws a log record beneath its span.
func (t *traceScreen) recordRow(b *strings.Builder, row traceRow, width int, c columns, under draw.Style) {
	v := t.view
	which := v.recordOf[row.n]
	r := &v.records[which]
	level := recordLevel(r.Severity)
	first, second := " ", " "
	if level == draw.Bad || level == draw.Watch {
		first = level.Sign()
	}
	if t.hits.needle != "" && t.hits.holds(traceSpot{int(row.span), int(row.n)}) {
		second = "/"
	}
	style := t.theme.Dim
	if level == draw.Bad || level == draw.Watch {
		style = t.theme.Level(level)
	}
	b.WriteString(under.With(style).Render(first) + under.With(t.theme.Watch).Render(second) + under.Render(" "))
	service, depth := "", 0
	if int(row.span) < v.size() {
		depth = v.span(int(row.span)).Depth + 1
	}
	if int(row.span) == v.size() || v.span(int(row.span)).Service != r.Service {
		service = r.Service
	}
	b.WriteString(under.With(t.theme.Dim).Render(draw.Pad(service, c.service) + " "))
	indent := strings.Repeat(" ", min(depth*c.step, c.most))
	b.WriteString(under.Render(indent))
	used := signCells + c.service + 1 + len(indent)
	head := r.Time.UTC().Format("15:04:05.000") + " " + draw.Pad(recordSeverity(r.Severity), 5) + " "
	b.WriteString(under.With(style).Render(head))
	used += draw.Width(head)
	tail := ""
	if int(row.span) == v.size() && r.Join != "" {
		tail = "  ← " + string(r.Join)
		if r.Join.Weak() {
			tail += " ▲ weak"
		}
	}
	tail = draw.Cut(tail, max(0, (width-used)/2))
	plain := t.theme.Plain
	if level == draw.Bad {
		plain = t.theme.Bad
	}
	t.marked(b, t.message(which), width-used-draw.Width(tail), under.With(plain))
	b.WriteString(under.With(t.theme.Dim).Render(tail))
}

// message is what a record says, without what its row tells already.
func (t *traceScreen) message(which int32) string {
	if text, known := t.messages[which]; known {
		return text
	}
	if t.messages == nil || len(t.messages) > keptMessages {
		t.messages = map[int32]string{}
	}
	r := &t.view.records[which]
	text := withoutStamp(rowOfLine(r.Line), r)
	t.messages[which] = text
	return text
}

// keptMessages bounds the messages that are kept for the next frame: some screens full.
const keptMessages = 1000

// rowOfLine is a record's line as a row shows it.
func rowOfLine(line string) string {
	row := readRow(line)
	if row.text == "" || row.rest == "" {
		return row.text + row.rest
	}
	return row.text + "  " + row.rest
}

// stampWords is how many words of a line may be its time, severity and IDs.
const stampWords = 5

// withoutStamp drops the time, the severity and the trace's ID from the beginning of a
// line of text, where many loggers write them: the row has them already, and no room.
func withoutStamp(text string, r *correlate.Record) string {
	rest := text
	for range stampWords {
		word, after, more := strings.Cut(rest, " ")
		bare := strings.Trim(word, "[]()")
		isTime := len(bare) >= 8 && strings.Trim(bare, "0123456789-:.,/TZ+") == ""
		isID := r.TraceID != "" && strings.Contains(word, r.TraceID.Short())
		if !more || (!isTime && !isID && (r.Severity == "" || !strings.EqualFold(bare, r.Severity))) {
			break
		}
		rest = strings.TrimLeft(after, " ")
	}
	return rest
}

// marked writes text in exactly width cells, with what was searched for set off.
func (t *traceScreen) marked(b *strings.Builder, text string, width int, style draw.Style) {
	if width <= 0 {
		return
	}
	shown := draw.Pad(text, width)
	needle := t.hits.needle
	lower := shown
	if needle != "" {
		lower = strings.ToLower(shown)
	}
	at := strings.Index(lower, needle)
	if needle == "" || at < 0 || len(lower) != len(shown) {
		b.WriteString(style.Render(shown))
		return
	}
	before, hit, behind := shown[:at], shown[at:at+len(needle)], shown[at+len(needle):]
	if draw.Width(before)+draw.Width(hit)+draw.Width(behind) != draw.Width(shown) {
		b.WriteString(style.Render(shown)) // its ends are parts of what is seen as a character
		return
	}
	b.WriteString(style.Render(before) + style.With(t.theme.Accent).Render(hit) + style.Render(behind))
}
