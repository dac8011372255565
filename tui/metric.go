package tui

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"obs/correlate"
	"obs/sources"
	"obs/tui/draw"
)

// metricScreen is one metric of a service over baseline and window: the chart with what
// is usual, when it began to depart and what was changed about then, and the exemplars,
// each of which is a request that can be walked on to.
type metricScreen struct {
	*stage
	subject  correlate.Subject
	view     *correlate.MetricView
	split    *correlate.SplitView // nil unless one is on
	splitBy  int                  // into SplitBy; -1 is off
	exemplar int                  // into the exemplars; -1 without any
	stepped  bool                 // the person has chosen the exemplar
	noBand   bool
}

// signals are those of a service between which one can go up and down.
var signals = []string{"latency", "errors", "traffic", "saturation"}

func newMetricScreen(s *stage, subject correlate.Subject) *metricScreen {
	if subject.Signal == "" {
		subject.Signal = signals[0]
	}
	return &metricScreen{stage: s, subject: subject, splitBy: -1, exemplar: -1}
}

func (m *metricScreen) place() place { return onMetric }

func (m *metricScreen) crumb() string {
	name := m.subject.Service
	if m.subject.Operation != "" {
		name += " " + m.subject.Operation
	}
	return name + " " + signalName(m.subject.Signal)
}

func signalName(signal string) string {
	switch signal {
	case "latency":
		return "p95"
	case "traffic":
		return "rate"
	}
	return signal
}

const askMetric = "the metric"

func (m *metricScreen) load() tea.Cmd {
	m.split, m.splitBy = nil, -1
	explorer, subject := m.explorer, m.subject
	return m.ask(askMetric, func(ctx context.Context) any { return explorer.Metric(ctx, subject) })
}

func (m *metricScreen) take(answer any) tea.Cmd {
	switch answer := answer.(type) {
	case *correlate.MetricView:
		m.view = answer
		m.exemplar = m.typical()
		m.stepped = false
	case *correlate.SplitView:
		m.split = answer
	}
	return nil
}

// typical is the exemplar to begin with: the one of the trace that the triage chose, or
// else the one nearest to how the window departs.
func (m *metricScreen) typical() int {
	all := m.view.Exemplars
	if len(all) == 0 {
		return -1
	}
	if m.found != nil && m.found.Trace != nil {
		if i := slices.IndexFunc(all, func(e correlate.ExemplarPoint) bool { return e.TraceID == m.found.Trace.ID }); i >= 0 {
			return i
		}
	}
	best := 0
	for i := range all {
		if m.view.Anomaly != nil && math.Abs(all[i].Value-m.view.Anomaly.WindowValue) < math.Abs(all[best].Value-m.view.Anomaly.WindowValue) {
			best = i
		}
	}
	return best
}

func (m *metricScreen) filter(string) tea.Cmd {
	m.needle = ""
	return say("there is nothing to filter in one metric; s splits it")
}

func (m *metricScreen) act(a action) (tea.Cmd, string) {
	switch a {
	case actOnward:
		return m.onward()
	case actTraces:
		return m.toTraces(), ""
	case actLogs:
		q := correlate.LogQuestion{Service: m.subject.Service}
		return open(newLogsScreen(m.next(), q, m.subject.Service+" logs")), ""
	case actLeft, actRight:
		return nil, m.step(a)
	case actSplit:
		return m.cycle()
	case actBand:
		m.noBand = !m.noBand
		return nil, ""
	case actUp, actDown:
		return m.switchTo(a)
	}
	return nil, "one metric has no pages; ↑↓ go to the service's other signals"
}

// step goes to the exemplar before or after.
func (m *metricScreen) step(a action) (refusal string) {
	switch {
	case m.view == nil:
		return "the metric is being asked for"
	case len(m.view.Exemplars) == 0:
		return "it has no exemplars: exemplar storage may be off, or its metrics may not be scraped as OpenMetrics"
	case a == actLeft && m.exemplar == 0:
		return "this is the first exemplar of the window"
	case a == actRight && m.exemplar == len(m.view.Exemplars)-1:
		return "this is the last exemplar of the window"
	case a == actLeft:
		m.exemplar--
	default:
		m.exemplar++
	}
	m.stepped = true
	return ""
}

// cycle splits by the next label, and after the last one by none.
func (m *metricScreen) cycle() (tea.Cmd, string) {
	switch {
	case m.view == nil:
		return nil, "the metric is being asked for"
	case len(m.view.SplitBy) == 0:
		return nil, "it has no label by which splitting it would tell more"
	}
	m.splitBy++
	m.split = nil
	if m.splitBy >= len(m.view.SplitBy) {
		m.splitBy = -1
		return nil, ""
	}
	explorer, subject, label := m.explorer, m.subject, m.view.SplitBy[m.splitBy]
	return m.ask("the split by "+label, func(ctx context.Context) any { return explorer.Split(ctx, subject, label) }), ""
}

// switchTo goes to the signal above or below.
func (m *metricScreen) switchTo(a action) (tea.Cmd, string) {
	i := max(0, slices.Index(signals, m.subject.Signal))
	if a == actUp {
		i--
	} else {
		i++
	}
	if i < 0 || i >= len(signals) {
		return nil, fmt.Sprintf("%s is the last one; a service's signals are %s", m.subject.Signal, strings.Join(signals, ", "))
	}
	m.subject.Signal = signals[i]
	m.view = nil
	m.enter(m.parent, m.id)
	return m.load(), ""
}

func (m *metricScreen) onward() (tea.Cmd, string) {
	if m.stepped && m.exemplar >= 0 {
		return open(newTraceScreen(m.next(), &traceOf{id: m.view.Exemplars[m.exemplar].TraceID})), ""
	}
	return m.toTraces(), ""
}

func (m *metricScreen) toTraces() tea.Cmd {
	var known *correlate.Cohorts
	if m.found != nil && m.found.Cohorts != nil && m.found.Cohorts.Subject.Service == m.subject.Service &&
		m.found.Cohorts.Subject.Signal == m.subject.Signal {
		known = m.found.Cohorts
	}
	return open(newTracesScreen(m.next(), m.subject, known))
}

func (m *metricScreen) picked() picked {
	if m.view == nil {
		return picked{}
	}
	p := picked{text: m.view.Query, what: "query", query: m.view.Query, url: m.view.URL}
	if m.split != nil {
		p.query = m.split.Query
	}
	if m.exemplar >= 0 {
		p.text, p.what = string(m.view.Exemplars[m.exemplar].TraceID), "trace ID of the exemplar"
	}
	return p
}

func (m *metricScreen) click(int) bool { return false }

func (m *metricScreen) draw(width, height int) []string {
	if m.view == nil {
		return filled([]string{draw.Pad(" "+m.spin()+" asking for the metric", width)}, width, height)
	}
	head := m.headline(width)
	beneath := m.beneath(width, height/2)
	room := height - 1 - len(beneath)
	lines := append([]string{head}, m.chart().Lines(m.theme, width, room)...)
	return filled(append(lines, beneath...), width, height)
}

// headline says how the metric departs, and which exemplar is chosen.
func (m *metricScreen) headline(width int) string {
	v := m.view
	level, text := draw.Healthy, "as usual"
	switch a := v.Anomaly; {
	case a != nil:
		level = draw.Bad
		text = fmt.Sprintf("%s → %s", correlate.Quantity(a.BaselineValue, v.Unit), correlate.Quantity(a.WindowValue, v.Unit))
		if factor := correlate.Factor(a.BaselineValue, a.WindowValue); factor != "" {
			text += " " + strings.TrimSpace(factor)
		}
		if !a.Onset.IsZero() {
			text += " since " + correlate.Clock(a.Onset)
		}
	case len(v.Samples) == 0:
		level, text = draw.Unknown, "no samples"
	}
	left := draw.Cut(fmt.Sprintf(" %s %s: %s", level.Sign(), m.crumb(), text), width)
	right := ""
	if m.exemplar >= 0 {
		e := &v.Exemplars[m.exemplar]
		right = fmt.Sprintf("exemplar %d of %d: %s  %s ", m.exemplar+1, len(v.Exemplars), short(string(e.TraceID)), correlate.Quantity(e.Value, v.Unit))
	}
	gap := width - draw.Width(left) - draw.Width(right)
	if gap < 1 {
		return m.theme.Level(level).Render(left) + strings.Repeat(" ", max(0, width-draw.Width(left)))
	}
	return m.theme.Level(level).Render(left) + strings.Repeat(" ", gap) + m.theme.Accent.Render(right)
}

// short is an ID as it stands in a line of text.
func short(id string) string {
	const shown = 8
	if len(id) <= shown {
		return id
	}
	return id[:shown] + "…"
}

// logFrom is by how much values must differ for a logarithmic scale: beyond it the lower
// ones would all lie in the lowest line of a linear chart.
const logFrom = 100

func (m *metricScreen) chart() draw.Chart {
	v, q := m.view, m.explorer.Question()
	c := draw.Chart{
		From: q.Baseline.Union(q.Window).From, To: q.Window.To, Unit: v.Unit,
		Series: [][]sources.Sample{v.Samples}, Step: time.Duration(v.StepSeconds * float64(time.Second)),
	}
	if m.split != nil {
		c.Series = nil
		for i := range m.split.Parts {
			c.Series = append(c.Series, m.split.Parts[i].Reading.Samples)
		}
	}
	if !m.noBand && v.High > v.Low {
		c.Band = &draw.Band{From: q.Baseline.From, To: q.Baseline.To, Low: v.Low, High: v.High}
	}
	if a := v.Anomaly; a != nil && !a.Onset.IsZero() {
		c.Marks = append(c.Marks, draw.Mark{Time: a.Onset, Kind: draw.Onset, Label: "onset " + correlate.Clock(a.Onset)})
		c.Log = v.Unit == "seconds" && a.BaselineValue > 0 && a.WindowValue > logFrom*a.BaselineValue
	}
	for i := range v.Changes {
		change := &v.Changes[i]
		kind := draw.Event
		switch change.Kind {
		case correlate.ChangeVersion:
			kind = draw.Deploy
		case correlate.ChangeRestart:
			kind = draw.Restart
		}
		c.Marks = append(c.Marks, draw.Mark{Time: change.Time, Kind: kind, Label: change.Service + " " + change.Text})
	}
	for i := range v.Exemplars {
		e := &v.Exemplars[i]
		c.Points = append(c.Points, draw.Point{Time: e.Time, Value: e.Value, Chosen: i == m.exemplar})
	}
	return c
}

// beneath is what stands under the chart, in at most so many lines: the parts of a split,
// the changes, and what is missing.
func (m *metricScreen) beneath(width, most int) []string {
	var lines []string
	if m.splitBy >= 0 {
		lines = append(lines, m.splitLines(width, max(3, most-2))...)
	} else if len(m.view.SplitBy) > 0 {
		lines = append(lines, m.theme.Dim.Render(draw.Pad(" s splits by "+strings.Join(m.view.SplitBy, ", "), width)))
	}
	for i := range m.view.Changes {
		c := &m.view.Changes[i]
		lines = append(lines, draw.Pad(fmt.Sprintf(" %s %s  %s %s: %s", changeSign(c.Kind), correlate.Clock(c.Time), c.Service, c.Kind, c.Text), width))
	}
	missing := m.view.Missing
	if m.split != nil {
		missing = slices.Concat(missing, m.split.Missing)
	}
	for _, gap := range missing {
		lines = append(lines, missingLines(m.theme, gap, width)...)
	}
	if len(lines) > most {
		left := len(lines) - most + 1
		lines = append(lines[:most-1], m.theme.Dim.Render(draw.Pad(fmt.Sprintf(" … %d lines more have no room", left), width)))
	}
	return lines
}

func changeSign(kind string) string {
	switch kind {
	case correlate.ChangeVersion:
		return draw.Deploy.Sign()
	case correlate.ChangeRestart:
		return draw.Restart.Sign()
	}
	return draw.Event.Sign()
}

func (m *metricScreen) splitLines(width, most int) []string {
	label := m.view.SplitBy[m.splitBy]
	title := rule(m.theme, fmt.Sprintf("by %s (%d of %d, s goes on)", label, m.splitBy+1, len(m.view.SplitBy)), width)
	switch {
	case m.split == nil:
		return []string{title, draw.Pad(" "+m.spin()+" asking", width)}
	case len(m.split.Parts) == 0:
		return []string{title, draw.Pad(" nothing has this label in the window", width)}
	}
	t := draw.Table{Selected: -1, Columns: []draw.Column{
		{Title: " ", Priority: 20, Min: 1, Max: 1},
		{Title: " ", Priority: 20, Min: 1, Max: 1},
		{Title: strings.ToUpper(label), Priority: 20, Min: 10, Max: 40, Flex: true},
		{Title: "BEFORE", Align: draw.Right, Priority: 15},
		{Title: "NOW", Align: draw.Right, Priority: 16},
		{Title: "BEFORE AND NOW", Priority: 10, Max: trendWidth},
	}}
	for i := range m.split.Parts {
		p := &m.split.Parts[i]
		level := levelOf(p.Reading.Verdict)
		values := make([]float64, len(p.Reading.Samples))
		for j, s := range p.Reading.Samples {
			values[j] = s.Value
		}
		line := draw.Style{}
		if i < len(m.theme.Series) {
			line = m.theme.Series[i]
		}
		t.Rows = append(t.Rows, []draw.Cell{
			draw.Text(level.Sign(), m.theme.Level(level)), draw.Text(draw.SeriesSign(i), line), draw.Text(p.Value, m.theme.Plain),
			draw.Text(correlate.Quantity(p.Reading.Baseline, p.Reading.Unit), m.theme.Plain),
			draw.Text(correlate.Quantity(p.Reading.Window, p.Reading.Unit), m.theme.Plain),
			draw.Text(draw.Sparkline(values, trendWidth), m.theme.Dim),
		})
	}
	t.Height = min(most-1, len(t.Rows)+1)
	lines := append([]string{title}, t.Lines(m.theme, width)...)
	if hidden := len(t.Rows) + 1 - t.Height; hidden > 0 {
		lines[len(lines)-1] = m.theme.Dim.Render(draw.Pad(fmt.Sprintf(" … %d more", hidden+1), width))
	}
	return lines
}
