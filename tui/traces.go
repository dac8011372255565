package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"obs/correlate"
	"obs/tui/draw"
)

// tracesScreen sets slow or failing traces beside normal ones: the list, how their
// durations lie, the attributes that tell the two apart, and the work that takes longer.
type tracesScreen struct {
	*stage
	subject correlate.Subject
	cohorts *correlate.Cohorts
	rows    []cohortRow
	list    list
	first   int // the line of the body at which the rows begin
}

// cohortRow is a row of the list: a trace, or the title of a group.
type cohortRow struct {
	title   string
	summary *correlate.TraceSummary
	slow    bool
}

func newTracesScreen(s *stage, subject correlate.Subject, cohorts *correlate.Cohorts) *tracesScreen {
	t := &tracesScreen{stage: s, subject: subject, cohorts: cohorts}
	if cohorts != nil {
		t.sift()
		t.recommend()
	}
	return t
}

func (t *tracesScreen) place() place { return onTraces }

func (t *tracesScreen) crumb() string {
	if t.cohorts == nil {
		return t.kind() + " traces"
	}
	return fmt.Sprintf("%d %s traces", len(t.cohorts.Slow), t.kind())
}

// kind is what is wrong with the traces of the first group.
func (t *tracesScreen) kind() string {
	if t.subject.Signal == "errors" {
		return "failing"
	}
	return "slow"
}

func (t *tracesScreen) load() tea.Cmd {
	if t.cohorts != nil && t.round == 1 {
		return nil // they came with the case
	}
	explorer, subject := t.explorer, t.subject
	return t.ask("the traces", func(ctx context.Context) any { return explorer.Traces(ctx, subject) })
}

func (t *tracesScreen) take(answer any) tea.Cmd {
	if cohorts, ok := answer.(*correlate.Cohorts); ok {
		t.cohorts = cohorts
		t.sift()
		t.recommend()
	}
	return nil
}

func (t *tracesScreen) filter(text string) tea.Cmd {
	t.needle = text
	t.sift()
	t.settle(1)
	return nil
}

func (t *tracesScreen) sift() {
	t.rows = t.rows[:0]
	if t.cohorts == nil {
		return
	}
	group := func(title string, all []correlate.TraceSummary, slow bool) {
		from := len(t.rows)
		for i := range all {
			s := &all[i]
			text := strings.ToLower(string(s.ID) + " " + s.Root.Service + " " + s.Root.Operation)
			if t.needle == "" || strings.Contains(text, strings.ToLower(t.needle)) {
				t.rows = append(t.rows, cohortRow{summary: s, slow: slow})
			}
		}
		if n := len(t.rows) - from; n > 0 || t.needle == "" {
			t.rows = slices.Insert(t.rows, from, cohortRow{title: fmt.Sprintf("%d %s", n, title)})
		}
	}
	group(t.kind(), t.cohorts.Slow, true)
	group("normal", t.cohorts.Normal, false)
	t.list.count = len(t.rows)
	t.list.clamp()
}

// recommend selects the trace that the triage chose.
func (t *tracesScreen) recommend() {
	t.list.at = 0
	for i := range t.rows {
		if s := t.rows[i].summary; s != nil && s.ID == t.cohorts.Chosen {
			t.list.at = i
		}
	}
	t.settle(1)
}

// settle moves on from a title to a trace below it, or above.
func (t *tracesScreen) settle(step int) {
	t.list.clamp()
	for range 2 {
		for i := t.list.at; i >= 0 && i < len(t.rows); i += step {
			if t.rows[i].summary != nil {
				t.list.at = i
				return
			}
		}
		step = -step
	}
}

// selected is the trace that is selected, or nil.
func (t *tracesScreen) selected() *cohortRow {
	if t.list.at < len(t.rows) && t.rows[t.list.at].summary != nil {
		return &t.rows[t.list.at]
	}
	return nil
}

func (t *tracesScreen) act(a action) (tea.Cmd, string) {
	before := t.list.at
	if t.list.move(a) {
		step := 1
		if a != actTop && t.list.at < before {
			step = -1
		}
		t.settle(step)
		return nil, ""
	}
	switch a {
	case actOnward:
		if row := t.selected(); row != nil {
			return open(newTraceScreen(t.next(), &traceOf{id: row.summary.ID})), ""
		}
		switch {
		case len(t.waiting) > 0:
			return nil, "the traces are being asked for"
		case t.needle != "":
			return nil, fmt.Sprintf("no trace holds %q; esc drops the filter", t.needle)
		}
		return t.toLogs(), ""
	case actLogs:
		return t.toLogs(), ""
	}
	return nil, "nothing on this screen goes sideways"
}

func (t *tracesScreen) toLogs() tea.Cmd {
	q := correlate.LogQuestion{Service: t.subject.Service}
	return open(newLogsScreen(t.next(), q, t.subject.Service+" logs"))
}

func (t *tracesScreen) picked() picked {
	if t.cohorts == nil {
		return picked{}
	}
	p := picked{query: t.cohorts.Query, url: t.cohorts.URL}
	if row := t.selected(); row != nil {
		p.text, p.what = string(row.summary.ID), "trace ID"
	}
	return p
}

func (t *tracesScreen) click(line int) bool {
	at := t.list.top + line - t.first
	if line < t.first || at >= len(t.rows) || t.rows[at].summary == nil {
		return false
	}
	return t.list.pick(at)
}

func (t *tracesScreen) draw(width, height int) []string {
	if t.cohorts == nil {
		return filled([]string{draw.Pad(" "+t.spin()+" asking for traces of "+t.subject.Service, width)}, width, height)
	}
	lines := []string{t.headline(width)}
	for _, gap := range t.cohorts.Missing {
		lines = append(lines, missingLines(t.theme, gap, width)...)
	}
	if len(t.cohorts.Slow)+len(t.cohorts.Normal) == 0 {
		return filled(append(lines, t.none(width)...), width, height)
	}
	tells, work := t.tellLines(width, height), t.workLines(width, height)
	chart := 0
	if height >= 30 {
		chart = min(12, height/4)
	}
	t.first = len(lines) + 1
	room := max(3, height-len(lines)-len(tells)-len(work)-chart)
	lines = append(lines, t.listLines(width, room)...)
	if chart > 0 {
		lines = append(lines, t.histogram().Lines(t.theme, width, chart)...)
	}
	lines = append(lines, tells...)
	return filled(append(lines, work...), width, height)
}

func (t *tracesScreen) headline(width int) string {
	c := t.cohorts
	text := fmt.Sprintf(" %d %s traces beside %d normal ones", len(c.Slow), t.kind(), len(c.Normal))
	if c.ThresholdSeconds > 0 {
		text += fmt.Sprintf("; slow is %s and more in %s", correlate.Seconds(c.ThresholdSeconds), t.subject.Service)
	}
	return t.theme.Strong.Render(draw.Pad(text, width))
}

// none says what was searched where nothing was found.
func (t *tracesScreen) none(width int) []string {
	q := t.explorer.Question()
	texts := []string{
		fmt.Sprintf("no trace of %s in %s", t.subject.Service, q.Window),
		"its spans may not be sampled, may have expired, or may carry another service name",
		"↵ goes to its logs instead",
	}
	var lines []string
	for _, text := range texts {
		for _, line := range draw.Wrap(text, max(1, width-2)) {
			lines = append(lines, draw.Pad(" "+line, width))
		}
	}
	return lines
}

func (t *tracesScreen) listLines(width, height int) []string {
	t.list.show(len(t.rows), height-1)
	table := draw.Table{Selected: t.list.at - t.list.top, Height: height, Columns: []draw.Column{
		{Title: " ", Priority: 20, Min: 1, Max: 1},
		{Title: "START", Priority: 12, Min: 12},
		{Title: "DURATION", Align: draw.Right, Priority: 18, Min: 9},
		{Title: " ", Priority: 6, Min: durationBar, Max: durationBar},
		{Title: "REQUEST", Priority: 16, Min: 12, Flex: true},
		{Title: "SPANS", Align: draw.Right, Priority: 10, Min: 5},
		{Title: "ERRORS", Align: draw.Right, Priority: 14, Min: 6},
		{Title: "TRACE", Priority: 17, Min: 9},
	}}
	longest := t.longest()
	for i := t.list.top; i < min(len(t.rows), t.list.top+height-1); i++ {
		table.Rows = append(table.Rows, t.row(&t.rows[i], longest))
	}
	return table.Lines(t.theme, width)
}

const durationBar = 16

func (t *tracesScreen) row(r *cohortRow, longest float64) []draw.Cell {
	if r.summary == nil {
		return []draw.Cell{nil, draw.Text(r.title, t.theme.Dim)}
	}
	s := r.summary
	level, errors := draw.Healthy, draw.Text("–", t.theme.Dim)
	if r.slow {
		level = draw.Watch
	}
	if s.ErrorCount > 0 {
		errors = draw.Text(fmt.Sprint(s.ErrorCount), t.theme.Bad)
		level = draw.Bad
	}
	id := short(string(s.ID))
	if s.ID == t.cohorts.Chosen {
		id += " ◆"
	}
	return []draw.Cell{
		draw.Text(level.Sign(), t.theme.Level(level)), draw.Text(s.Start.UTC().Format("15:04:05.000"), t.theme.Plain),
		draw.Text(correlate.Seconds(s.DurationSeconds), t.theme.Plain),
		draw.Text(draw.Bar(s.DurationSeconds/longest, durationBar), t.theme.Level(level)),
		draw.Text(s.Root.Service+" "+s.Root.Operation, t.theme.Plain), draw.Text(fmt.Sprint(s.SpanCount), t.theme.Plain),
		errors, draw.Text(id, t.theme.Plain),
	}
}

func (t *tracesScreen) longest() float64 {
	longest := 1e-9
	for _, group := range [][]correlate.TraceSummary{t.cohorts.Slow, t.cohorts.Normal} {
		for i := range group {
			longest = max(longest, group[i].DurationSeconds)
		}
	}
	return longest
}

func (t *tracesScreen) histogram() draw.Histogram {
	durations := func(all []correlate.TraceSummary) []float64 {
		v := make([]float64, len(all))
		for i := range all {
			v[i] = all[i].DurationSeconds
		}
		return v
	}
	h := draw.Histogram{Groups: []draw.Group{
		{Name: t.kind(), Seconds: durations(t.cohorts.Slow), Style: t.theme.Bad},
		{Name: "normal", Seconds: durations(t.cohorts.Normal), Style: t.theme.Healthy},
	}}
	if row := t.selected(); row != nil {
		h.Chosen = row.summary.DurationSeconds
	}
	return h
}

// share of a body's height that the lists beneath the traces take.
func beneathRows(height, wanted, few, many int) int {
	if height < 24 {
		return min(wanted, few)
	}
	return min(wanted, many)
}

// tellLines are the attributes that tell the groups apart.
func (t *tracesScreen) tellLines(width, height int) []string {
	all := t.cohorts.Differences
	lines := []string{rule(t.theme, "what tells them apart", width)}
	if len(all) == 0 {
		return append(lines, t.theme.Dim.Render(draw.Pad(" no attribute does, as far as so few traces can tell", width)))
	}
	n := beneathRows(height, len(all), 3, 6)
	for i := range all[:n] {
		lines = append(lines, t.tell(&all[i], width))
	}
	if len(all) > n {
		lines[0] = rule(t.theme, fmt.Sprintf("what tells them apart: %d of %d", n, len(all)), width)
	}
	return lines
}

func (t *tracesScreen) tell(d *correlate.Difference, width int) string {
	names := make([]string, len(d.Attributes))
	for i, a := range d.Attributes {
		names[i] = a.Key
		if d.SlowMedian == nil && a.Value != "" {
			names[i] += " = " + a.Value
		}
	}
	text := strings.Join(names, " and ")
	if d.Service != "" {
		text += "  (" + d.Service + ")"
	}
	for i, also := range d.Also {
		said := also.Key
		if also.Value != "" {
			said += " = " + also.Value
		}
		if i > 0 {
			text += ","
		} else {
			text += "  also"
		}
		text += " " + said
	}
	if d.Symptom {
		text += "  a symptom"
	}
	told := fmt.Sprintf("%s vs %s", correlate.Quantity(d.SlowShare, "ratio"), correlate.Quantity(d.NormalShare, "ratio"))
	if d.SlowMedian != nil && d.NormalMedian != nil {
		told = fmt.Sprintf("median %.4g vs %.4g", *d.SlowMedian, *d.NormalMedian)
	}
	told = fmt.Sprintf("%s  p %.1g ", told, d.PValue)
	bar := ""
	if width >= 110 {
		bar = draw.Bar(d.SlowShare, 12) + "│" + draw.Bar(d.NormalShare, 12) + " "
	}
	room := max(1, width-draw.Width(told)-draw.Width(bar)-2)
	style := t.theme.Plain
	if d.Symptom {
		style = t.theme.Dim
	}
	return fitStyled(" "+style.Render(draw.Pad(text, room))+" "+t.theme.Accent.Render(bar)+t.theme.Strong.Render(told), width)
}

// workLines is where the time goes.
func (t *tracesScreen) workLines(width, height int) []string {
	all := t.cohorts.Work
	if len(all) == 0 {
		return t.failureLines(width)
	}
	lines := []string{rule(t.theme, "where the time goes: mean on the critical path, "+t.kind()+" and normal", width)}
	n := beneathRows(height, len(all), 2, 5)
	most := 1e-9
	for i := range all {
		most = max(most, all[i].SlowSeconds)
	}
	for i := range all[:n] {
		w := &all[i]
		told := fmt.Sprintf("%9s vs %9s ", correlate.Seconds(w.SlowSeconds), correlate.Seconds(w.NormalSeconds))
		bar := ""
		if width >= 110 {
			bar = draw.Bar(w.SlowSeconds/most, 25) + " "
		}
		room := max(1, width-draw.Width(told)-draw.Width(bar)-2)
		lines = append(lines, fitStyled(" "+draw.Pad(w.Service+" "+w.Operation, room)+" "+t.theme.Watch.Render(bar)+t.theme.Strong.Render(told), width))
	}
	return lines
}

// failureLines is where failing requests begin to fail, as far as the triage looked.
func (t *tracesScreen) failureLines(width int) []string {
	if t.subject.Signal != "errors" || t.found == nil || t.found.Answers == nil || t.found.Cohorts != t.cohorts {
		return nil
	}
	text := t.found.Answers.FailingDependency.Text
	if text == "" {
		return nil
	}
	lines := []string{rule(t.theme, "where they begin to fail", width)}
	for _, line := range draw.Wrap(text, max(1, width-2)) {
		lines = append(lines, draw.Pad(" "+line, width))
	}
	return lines
}
