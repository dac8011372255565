package tui

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"obs/correlate"
	"obs/correlate/report"
	"obs/tui/draw"
)

// overview is where a triage begins: the verdict and the five answers as they form, and
// one row for each service, worst first.
type overview struct {
	*stage
	grouping correlate.Grouping
	table    *correlate.ServiceTable
	list     list // of the answers, and then of the rows
	rows     []int
	alerts   bool // the rows are alerts
	moved    bool // the person has chosen; else the recommended row is selected
	header   int  // lines above the rows
	answerAt []int
}

func newOverview(s *stage) *overview {
	return &overview{stage: s, grouping: correlate.PerService}
}

func (o *overview) place() place  { return onOverview }
func (o *overview) crumb() string { return string(o.grouping) }

func (o *overview) load() tea.Cmd {
	explorer, grouping := o.explorer, o.grouping
	return o.ask("the services", func(ctx context.Context) any { return explorer.Services(ctx, grouping) })
}

func (o *overview) take(answer any) tea.Cmd {
	if table, ok := answer.(*correlate.ServiceTable); ok {
		o.table = table
		o.sift()
	}
	o.recommend()
	return nil
}

func (o *overview) filter(text string) tea.Cmd {
	o.needle = text
	o.sift()
	return nil
}

// sift keeps the rows that the filter lets through.
func (o *overview) sift() {
	o.rows = o.rows[:0]
	for i := range o.rowCount() {
		if o.needle == "" || strings.Contains(strings.ToLower(o.rowText(i)), strings.ToLower(o.needle)) {
			o.rows = append(o.rows, i)
		}
	}
	o.list.count = len(answerNames) + len(o.rows)
	o.list.clamp()
}

func (o *overview) rowCount() int {
	switch {
	case o.table == nil:
		return 0
	case o.alerts:
		return len(o.table.Alerts)
	}
	return len(o.table.Services)
}

func (o *overview) rowText(i int) string {
	if o.alerts {
		a := &o.table.Alerts[i]
		return a.Name + " " + a.Service + " " + a.Severity + " " + a.Summary
	}
	row := &o.table.Services[i]
	return row.Service + " " + row.Operation + " " + row.Instance
}

// recommend selects the row of the anomaly that the walk goes on from, until the person
// chooses another.
func (o *overview) recommend() {
	if o.moved {
		return
	}
	o.list.at = len(answerNames)
	if o.found == nil || o.alerts || len(o.found.Anomalies) == 0 {
		return
	}
	first := &o.found.Anomalies[0]
	for at, i := range o.rows {
		if o.table.Services[i].Service == first.Service {
			o.list.at = len(answerNames) + at
			return
		}
	}
}

func (o *overview) act(a action) (tea.Cmd, string) {
	if o.list.move(a) {
		o.moved = true
		return nil, ""
	}
	switch a {
	case actOnward:
		return o.onward()
	case actServices:
		return o.regroup(correlate.PerService)
	case actEndpoints:
		return o.regroup(correlate.PerEndpoint)
	case actInstances:
		return o.regroup(correlate.PerInstance)
	case actAlerts:
		if o.table == nil {
			return nil, "the alerts are not known yet"
		}
		o.alerts = !o.alerts
		o.moved = false
		o.sift()
		o.recommend()
		return nil, ""
	case actLogs:
		service := o.service()
		if service == "" {
			return nil, "select a service to see its logs"
		}
		return open(newLogsScreen(o.next(), correlate.LogQuestion{Service: service}, service+" logs")), ""
	}
	return nil, "this does nothing here"
}

func (o *overview) regroup(by correlate.Grouping) (tea.Cmd, string) {
	if o.grouping == by && !o.alerts {
		return nil, fmt.Sprintf("these are the %s", by)
	}
	o.alerts = false
	if o.grouping == by {
		o.sift()
		return nil, ""
	}
	if o.explorer == nil {
		return nil, "nothing is open yet"
	}
	o.grouping, o.table, o.moved = by, nil, false
	o.sift()
	return o.load(), ""
}

// service is the one whose row is selected.
func (o *overview) service() string {
	at := o.list.at - len(answerNames)
	if at < 0 || at >= len(o.rows) {
		return ""
	}
	if o.alerts {
		return o.table.Alerts[o.rows[at]].Service
	}
	return o.table.Services[o.rows[at]].Service
}

func (o *overview) onward() (tea.Cmd, string) {
	if o.list.at < len(answerNames) {
		return o.openAnswer(o.list.at)
	}
	service := o.service()
	// The case may know where to go before the table is there.
	if service == "" && o.table == nil && o.found != nil && len(o.found.Anomalies) > 0 {
		service = o.found.Anomalies[0].Service
	}
	switch {
	case service == "" && o.alerts && len(o.rows) > 0:
		return nil, "this alert names no service"
	case service == "" && len(o.waiting) > 0:
		return nil, "the services are being asked for"
	case service == "":
		return nil, "there is no service to go to"
	}
	subject := correlate.Subject{Service: service}
	if !o.alerts && o.table != nil {
		subject.Operation = o.table.Services[o.rows[o.list.at-len(answerNames)]].Operation
	}
	// What a service uses of its resources has no screen of its own.
	if a := o.anomalyOf(service); a != nil && subject.Operation == "" && (a.Creep == nil || a.Creep.Resource == "") {
		subject.Signal, subject.Operation = a.Signal, a.Operation
	}
	return open(newMetricScreen(o.next(), subject)), ""
}

// anomalyOf is what departs most in a service.
func (o *overview) anomalyOf(service string) *correlate.Anomaly {
	if o.found == nil {
		return nil
	}
	for i := range o.found.Anomalies {
		// That targets are down is no metric of requests, which a screen could show, and
		// neither is what an alert's rule measures.
		if a := &o.found.Anomalies[i]; a.Service == service && a.Signal != "availability" && a.Signal != "alert" {
			return a
		}
	}
	return nil
}

func (o *overview) openAnswer(i int) (tea.Cmd, string) {
	if o.found == nil {
		return nil, "there is no answer yet"
	}
	answer := o.answers()[i]
	if len(answer.Findings) == 0 {
		return nil, "no finding is behind it: the data does not say"
	}
	c := newCaseScreen(o.next())
	c.seek(answer.Findings[0])
	return open(c), ""
}

var answerNames = [5]string{"what changed", "which flow", "where the time", "who fails", "how wide"}

func (o *overview) answers() [5]correlate.Answer {
	if o.found == nil || o.found.Answers == nil {
		return [5]correlate.Answer{}
	}
	a := o.found.Answers
	return [5]correlate.Answer{a.WhatChanged, a.AffectedFlow, a.WhereTimeGoes, a.FailingDependency, a.Scope}
}

func (o *overview) picked() picked {
	at := o.list.at - len(answerNames)
	switch {
	case at < 0:
		answer := o.answers()[o.list.at]
		p := picked{text: answer.Text, what: "answer"}
		if o.found != nil && len(answer.Findings) > 0 {
			if f := o.found.Finding(answer.Findings[0]); f != nil && len(f.Evidence) > 0 {
				p.query, p.url = f.Evidence[0].Query, f.Evidence[0].URL
			}
		}
		return p
	case at >= len(o.rows):
		return picked{}
	case o.alerts:
		a := &o.table.Alerts[o.rows[at]]
		return picked{text: a.Name, what: "alert's name", query: a.Query, url: a.RunbookURL}
	}
	row := &o.table.Services[o.rows[at]]
	p := picked{text: row.Service, what: "service's name"}
	for _, r := range []*correlate.Reading{row.P95, row.Errors, row.Rate, row.Saturation, row.P99, row.P50} {
		if r != nil && r.Query != "" {
			p.query = r.Query
			break
		}
	}
	return p
}

func (o *overview) click(line int) bool {
	if at := slices.Index(o.answerAt, line); at >= 0 {
		o.moved = true
		return o.list.pick(at)
	}
	row := line - o.header
	if row < 0 {
		return false
	}
	o.moved = true
	return o.list.pick(len(answerNames) + o.list.top + row)
}

func (o *overview) draw(width, height int) []string {
	lines := o.drawAnswers(width, height)
	lines = append(lines, rule(o.theme, o.tableTitle(), width))
	o.header = len(lines) + 1 // the line of titles
	room := max(1, height-o.header)
	// The list scrolls the rows; the answers above always stay.
	rows := list{at: o.list.at - len(answerNames), top: o.list.top}
	rows.show(len(o.rows), room)
	o.list.top, o.list.height = rows.top, room
	switch {
	case o.table == nil && len(o.waiting) > 0:
		lines = append(lines, "", draw.Pad(" "+o.spin()+" asking for the "+string(o.grouping), width))
		lines[len(lines)-2] = strings.Repeat(" ", width)
	case o.table == nil:
		lines = append(lines, draw.Pad(" "+o.spin()+" opening", width))
	case len(o.rows) == 0:
		lines = append(lines, o.nothing(width)...)
	default:
		t := o.serviceTable()
		if o.alerts {
			t = o.alertTable()
		}
		t.Selected, t.Top, t.Height = o.list.at-len(answerNames), o.list.top, room+1
		lines = append(lines, t.Lines(o.theme, width)...)
	}
	return filled(lines, width, height)
}

func (o *overview) tableTitle() string {
	if o.alerts {
		return "alerts"
	}
	title := string(o.grouping)
	if o.table == nil {
		return title
	}
	title = fmt.Sprintf("%d %s", len(o.rows), title)
	if o.needle != "" {
		title += fmt.Sprintf(" of %d with %q", o.rowCount(), o.needle)
	}
	firing := 0
	for i := range o.table.Alerts {
		if o.table.Alerts[i].State == "firing" {
			firing++
		}
	}
	switch {
	case firing == 1:
		title += " · 1 alert fires (a)"
	case firing > 1:
		title += fmt.Sprintf(" · %d alerts fire (a)", firing)
	}
	return title
}

// nothing says why there are no rows.
func (o *overview) nothing(width int) []string {
	text := "no service has metrics in this window"
	switch {
	case o.needle != "":
		text = fmt.Sprintf("nothing here holds %q; esc drops the filter", o.needle)
	case len(o.table.Missing) > 0:
		text = "nothing is known of the " + string(o.grouping)
	case o.alerts:
		text = "no alert is pending or firing"
	}
	lines := []string{draw.Pad(" "+text, width)}
	for _, m := range o.table.Missing {
		lines = append(lines, missingLines(o.theme, m, width)...)
	}
	return lines
}

// missingLines says what is missing and what to do about it.
func missingLines(theme draw.Theme, m correlate.Missing, width int) []string {
	var lines []string
	text := m.Reason
	if m.Backend != "" {
		text = string(m.Backend) + ": " + text
	}
	for i, line := range draw.Wrap(text, max(1, width-4)) {
		mark := "   "
		if i == 0 {
			mark = " ▲ "
		}
		lines = append(lines, theme.Watch.Render(draw.Pad(mark+line, width)))
	}
	if m.Hint != "" {
		for _, line := range draw.Wrap("→ "+m.Hint, max(1, width-4)) {
			lines = append(lines, theme.Dim.Render(draw.Pad("   "+line, width)))
		}
	}
	return lines
}

// drawAnswers draws the verdict and the five answers, each in as many lines as the height
// allows.
func (o *overview) drawAnswers(width, height int) []string {
	lines := []string{o.headline(width)}
	if o.found != nil && o.found.Alert != nil {
		text := "   alert  " + report.AlertTitle(o.found.Alert)
		if page := o.found.Alert.RunbookURL; page != "" {
			text += " · " + page
		}
		lines = append(lines, o.theme.Accent.Render(draw.Pad(text, width)))
	}
	o.answerAt = o.answerAt[:0]
	const label = 17
	for i, answer := range o.answers() {
		each := 1
		switch {
		case i == o.list.at:
			each = 4 // the whole of it, as sentences go
		case height >= 30:
			each = 2
		}
		o.answerAt = append(o.answerAt, len(lines))
		text, style := answer.Text, o.theme.Plain
		switch {
		case text != "":
		case o.whole:
			text, style = "the data does not say", o.theme.Dim
		default:
			text, style = o.spin()+" …", o.theme.Dim
		}
		wrapped := draw.Wrap(text, width-label-1)
		if len(wrapped) > each {
			wrapped[each-1] = draw.Cut(strings.Join(wrapped[each-1:], " "), width-label-1)
			wrapped = wrapped[:each]
		}
		for j, line := range wrapped {
			name, mark := "", " "
			if j == 0 {
				name = answerNames[i]
			}
			if i == o.list.at {
				mark, style = ">", o.theme.Selected
			}
			lines = append(lines, o.theme.Accent.Render(draw.Pad(mark+" "+name, label))+style.Render(draw.Pad(line, width-label)))
		}
	}
	return lines
}

func (o *overview) headline(width int) string {
	if o.found == nil || !o.whole {
		doing := "looking at the metrics of every service"
		if o.explorer == nil {
			doing = "opening"
		}
		if len(o.steps) > 0 {
			doing = o.steps[len(o.steps)-1].Text
		}
		return draw.Pad(" "+o.spin()+" "+doing, width)
	}
	level := draw.Unknown
	switch o.found.Verdict {
	case correlate.Healthy:
		level = draw.Healthy
	case correlate.Anomalous:
		level = draw.Bad
	}
	text := fmt.Sprintf(" %s %s", level.Sign(), strings.ToUpper(string(o.found.Verdict)))
	if len(o.found.Anomalies) > 0 && !o.found.Anomalies[0].Onset.IsZero() {
		text += " since " + correlate.Clock(o.found.Anomalies[0].Onset)
	}
	if len(o.found.Suspects) > 0 {
		s := &o.found.Suspects[0]
		text += fmt.Sprintf(" · first suspect: %s %s", s.Service, s.Operation)
	}
	if n := len(o.found.Missing); n > 0 {
		text += fmt.Sprintf(" · %d missing (c)", n)
	}
	return o.theme.Level(level).With(o.theme.Strong).Render(draw.Pad(text, width))
}

func (o *overview) serviceTable() draw.Table {
	t := draw.Table{Columns: []draw.Column{
		{Title: " ", Priority: 20, Min: 1, Max: 1},
		{Title: strings.ToUpper(strings.TrimSuffix(string(o.grouping), "s")), Priority: 20, Min: o.nameWidth(), Max: 48, Flex: true},
		{Title: "RATE/s", Align: draw.Right, Priority: 12},
		{Title: "ERRORS", Align: draw.Right, Priority: 14},
		{Title: "P50", Align: draw.Right, Priority: 6},
		{Title: "P95", Align: draw.Right, Priority: 16},
		{Title: "P99", Align: draw.Right, Priority: 5},
		{Title: "SATURATION", Align: draw.Right, Priority: 8, Max: 16},
		{Title: "BEFORE AND NOW", Priority: 10, Max: trendWidth},
		{Title: "SUSPECT", Priority: 18, Max: 12},
	}}
	for _, i := range o.rows {
		t.Rows = append(t.Rows, o.serviceRow(&o.table.Services[i]))
	}
	return t
}

const trendWidth = 24

// nameWidth is what names are left with before columns go.
func (o *overview) nameWidth() int {
	if o.grouping == correlate.PerService {
		return 12
	}
	return 24
}

func (o *overview) serviceRow(row *correlate.ServiceRow) []draw.Cell {
	level := levelOf(row.Verdict)
	if a := o.anomalyOf(row.Service); a != nil && row.Operation == "" && row.Instance == "" {
		switch {
		case !a.Harmless():
			level = draw.Bad
		case level != draw.Bad:
			level = draw.Watch
		}
	}
	name := row.Service
	if row.Operation != "" {
		name += " " + row.Operation
	}
	switch {
	case row.Instance == "":
	case strings.Contains(row.Instance, row.Service):
		name = row.Instance // a pod's name begins with what runs in it
	default:
		name += " " + row.Instance
	}
	if row.Gone {
		name += " (gone)"
	}
	number := func(r *correlate.Reading) draw.Cell {
		if r == nil || math.IsNaN(r.Window) {
			return draw.Text("–", o.theme.Dim)
		}
		text := correlate.Quantity(r.Window, r.Unit)
		if r.Unit == "requests/s" {
			text = strings.TrimSuffix(text, " requests/s")
		}
		style := o.theme.Plain
		if r.Verdict == correlate.Anomalous {
			style = o.theme.Bad
			text += map[string]string{"up": " ↑", "down": " ↓"}[r.Direction]
		}
		return draw.Text(text, style)
	}
	saturation := number(row.Saturation)
	if row.Resource != "" && row.Saturation != nil {
		saturation = append(draw.Cell{{Text: row.Resource + " ", Style: o.theme.Dim}}, saturation...)
	}
	return []draw.Cell{
		draw.Text(level.Sign(), o.theme.Level(level)), draw.Text(name, o.theme.Plain),
		number(row.Rate), number(row.Errors), number(row.P50), number(row.P95), number(row.P99), saturation,
		draw.Text(o.trend(row), o.theme.Dim), o.suspicion(row),
	}
}

// trend is the reading that says most, over baseline and window.
func (o *overview) trend(row *correlate.ServiceRow) string {
	shown := row.P95
	for _, r := range []*correlate.Reading{row.P95, row.Errors, row.Rate, row.Saturation} {
		if r != nil && r.Verdict == correlate.Anomalous && len(r.Samples) > 0 {
			shown = r
			break
		}
	}
	if shown = cmp.Or(shown, row.Rate, row.Saturation); shown == nil {
		return ""
	}
	values := make([]float64, len(shown.Samples))
	for i, s := range shown.Samples {
		values[i] = s.Value
	}
	return draw.Sparkline(values, trendWidth)
}

// suspicion is the rank and the score of a service; its endpoints and instances have none
// of their own.
func (o *overview) suspicion(row *correlate.ServiceRow) draw.Cell {
	if o.found == nil || row.Operation != "" || row.Instance != "" {
		return nil
	}
	for i := range o.found.Suspects {
		s := &o.found.Suspects[i]
		if s.Service != row.Service {
			continue
		}
		style := o.theme.Dim
		if s.Rank == 1 {
			style = o.theme.Bad
		}
		return draw.Text(fmt.Sprintf("%d  %.2f", s.Rank, s.Score), style)
	}
	return nil
}

func levelOf(v correlate.Verdict) draw.Level {
	switch v {
	case correlate.Healthy:
		return draw.Healthy
	case correlate.Anomalous:
		return draw.Bad
	}
	return draw.Unknown
}

func (o *overview) alertTable() draw.Table {
	t := draw.Table{Columns: []draw.Column{
		{Title: " ", Priority: 20, Min: 1, Max: 1},
		{Title: "ALERT", Priority: 20, Min: 10, Max: 40},
		{Title: "STATE", Priority: 16},
		{Title: "SERVICE", Priority: 18, Max: 30},
		{Title: "SEVERITY", Priority: 12, Max: 12},
		{Title: "SINCE", Priority: 14},
		{Title: "SUMMARY", Priority: 15, Min: 10, Flex: true},
	}}
	for _, i := range o.rows {
		a := &o.table.Alerts[i]
		level := draw.Watch
		if a.State == "firing" {
			level = draw.Bad
		}
		state := a.State
		if quiet := a.Quiet(); quiet != "" {
			state += ", " + quiet
		}
		t.Rows = append(t.Rows, []draw.Cell{
			draw.Text(level.Sign(), o.theme.Level(level)), draw.Text(a.Name, o.theme.Plain), draw.Text(state, o.theme.Level(level)),
			draw.Text(a.Service, o.theme.Plain), draw.Text(a.Severity, o.theme.Plain), draw.Text(correlate.Clock(a.Since), o.theme.Plain),
			draw.Text(a.Summary, o.theme.Dim),
		})
	}
	return t
}
