package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"obs/correlate"
	"obs/correlate/scale"
	"obs/sources"
)

// A chart is drawn on a plane of its own units, which the page stretches to the room that there
// is. What must not be stretched with it, text, stands beside.
const (
	chartWide = 1000
	chartHigh = 200
	chartGap  = 16 // between baseline and window where they do not adjoin
	// chartLetters is how many letters of labels fit beneath a chart on a telephone.
	chartLetters = 40
	chartSteps   = 4 // of the scale of values, about
	// logFrom is by how much values must differ for a logarithmic scale: beyond it the lower
	// ones would all lie on the axis.
	logFrom = 100
	// gapFrom is from how many steps between two samples on they are not joined.
	gapFrom = 2.5
)

type htmlChart struct {
	ID, Flow, Signal, Change, Factor, Since, Described string
	Wide, High                                         int
	Baselines                                          []htmlBand // shaded
	Lines                                              []string   // paths of the series
	Usual, Level                                       string     // paths of the two medians
	UsualText, LevelText, BaselineText                 string
	Grid                                               []htmlTick
	Times                                              []htmlTick
	Onset                                              *htmlTick
	OnsetLeft                                          bool // its label stands left of it
	Changes                                            []htmlTick
	Findings                                           []htmlRef
	Creep                                              bool
}

type htmlBand struct{ X, Width string }

// htmlTick is a mark at an axis: At on the plane, and Share of its width or height in percent.
type htmlTick struct{ At, Share, Label, Text string }

// segment is a time that a chart shows, and where on the plane.
type segment struct {
	sources.Window
	left, right float64
}

func (s segment) across(t time.Time) float64 {
	if s.Duration() <= 0 {
		return s.left
	}
	return s.left + float64(t.Sub(s.From))/float64(s.Duration())*(s.right-s.left)
}

// segmentsOf are the times of a chart: one where baseline and window adjoin, or of a creep.
func segmentsOf(c *correlate.Case, a *correlate.Anomaly) []segment {
	switch {
	case a.Creep != nil || c.Baseline == nil:
		samples := samplesOf(a)
		return []segment{{sources.Window{From: samples[0].Time, To: samples[len(samples)-1].Time}, 0, chartWide}}
	case len(a.Series) == 1 && c.Baseline.To.Equal(c.Window.From):
		return []segment{{c.Baseline.Union(c.Window), 0, chartWide}}
	}
	half := (chartWide - chartGap) / 2.0
	return []segment{{*c.Baseline, 0, half}, {c.Window, half + chartGap, chartWide}}
}

// newHTMLChart draws an anomaly; ok is false where the case does not keep its series.
func newHTMLChart(c *correlate.Case, a *correlate.Anomaly, number int) (chart htmlChart, ok bool) {
	samples := samplesOf(a)
	if len(samples) == 0 {
		return htmlChart{}, false
	}
	chart = htmlChart{
		ID: fmt.Sprintf("chart-%d", number), Flow: flow(a), Signal: signal(a), Since: began(a), Factor: correlate.Factor(a.BaselineValue, a.WindowValue),
		Change: correlate.Quantity(a.BaselineValue, a.Unit) + " → " + correlate.Quantity(a.WindowValue, a.Unit),
		Wide:   chartWide, High: chartHigh, Findings: refsTo(c, a.Findings), Creep: a.Creep != nil,
	}
	values := scaleOf(a, samples)
	down := func(v float64) float64 { return chartHigh * (1 - min(max(values.Share(v), 0), 1)) }
	for _, t := range values.Ticks {
		y := down(t.Value)
		chart.Grid = append(chart.Grid, htmlTick{At: number1(y), Share: number1(100 * y / chartHigh), Label: t.Label})
	}
	times := segmentsOf(c, a)
	for _, s := range times {
		chart.Times = append(chart.Times, timesOf(s, len(times))...)
		for i := range a.Series {
			if path := pathOf(&a.Series[i], s, down); path != "" {
				chart.Lines = append(chart.Lines, path)
			}
		}
	}
	first, last := times[0], times[len(times)-1]
	level := func(v, from, to float64) string {
		if math.IsNaN(v) || math.IsInf(v, 0) || to <= from {
			return ""
		}
		return fmt.Sprintf("M%s %sH%s", number1(from), number1(down(v)), number1(to))
	}
	if a.Creep == nil && c.Baseline != nil {
		ends := min(first.across(c.Baseline.To), first.right)
		chart.Baselines = append(chart.Baselines, htmlBand{number1(first.across(c.Baseline.From)), number1(ends - first.across(c.Baseline.From))})
		chart.Usual, chart.UsualText = level(a.BaselineValue, first.left, ends), correlate.Quantity(a.BaselineValue, a.Unit)
		from := last.across(c.Window.From)
		if !a.Onset.IsZero() {
			from = min(max(last.across(a.Onset), last.left), last.right)
		}
		chart.Level, chart.LevelText = level(a.WindowValue, from, last.right), correlate.Quantity(a.WindowValue, a.Unit)
	}
	chart.BaselineText = "baseline"
	if len(times) > 1 {
		chart.BaselineText += " " + first.From.UTC().Format(time.DateOnly)
	}
	if !a.Onset.IsZero() && !a.Onset.Before(last.From) && !a.Onset.After(last.To) {
		tick := markAt(last.across(a.Onset), "onset "+correlate.Clock(a.Onset))
		chart.Onset, chart.OnsetLeft = &tick, last.across(a.Onset) > 0.6*chartWide
	}
	for i := range c.Changes {
		change := &c.Changes[i]
		for _, s := range times {
			if change.Service == a.Service && a.Creep == nil && len(chart.Changes) < shownChanges && !change.Time.Before(s.From) && !change.Time.After(s.To) {
				tick := markAt(s.across(change.Time), correlate.Clock(change.Time))
				tick.Text = change.Text
				chart.Changes = append(chart.Changes, tick)
			}
		}
	}
	chart.Described = describedBy(c, a, samples)
	return chart, true
}

func markAt(x float64, label string) htmlTick {
	return htmlTick{At: number1(x), Share: number1(100 * x / chartWide), Label: label}
}

// describedBy says a chart in words, for whoever cannot see it.
func describedBy(c *correlate.Case, a *correlate.Anomaly, samples []sources.Sample) string {
	if a.Creep != nil {
		return fmt.Sprintf("The value once a day, from %s on %s to %s on %s.", correlate.Quantity(samples[0].Value, a.Unit), samples[0].Time.UTC().Format(time.DateOnly),
			correlate.Quantity(samples[len(samples)-1].Value, a.Unit), samples[len(samples)-1].Time.UTC().Format(time.DateOnly))
	}
	text := fmt.Sprintf("Over the baseline %s the median is %s", baselineOf(c), correlate.Quantity(a.BaselineValue, a.Unit))
	if !a.Onset.IsZero() {
		return text + fmt.Sprintf("; since the onset at %s it is %s.", correlate.Clock(a.Onset), correlate.Quantity(a.WindowValue, a.Unit))
	}
	return text + fmt.Sprintf("; over the window %s it is %s.", c.Window, correlate.Quantity(a.WindowValue, a.Unit))
}

func baselineOf(c *correlate.Case) string {
	if c.Baseline == nil {
		return ""
	}
	return c.Baseline.String()
}

// scaleOf takes in every sample and both medians.
func scaleOf(a *correlate.Anomaly, samples []sources.Sample) scale.Scale {
	low, high, least := math.Inf(1), math.Inf(-1), math.Inf(1)
	add := func(v float64) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return
		}
		low, high = min(low, v), max(high, v)
		if v > 0 {
			least = min(least, v)
		}
	}
	add(a.BaselineValue)
	add(a.WindowValue)
	for _, s := range samples {
		add(s.Value)
	}
	log := a.Unit == "seconds" && a.BaselineValue > 0 && a.WindowValue > logFrom*a.BaselineValue
	if log {
		low = least
	}
	return scale.New(low, high, a.Unit, chartSteps, log)
}

// timesOf are the labels beneath a segment, but for those that the edges would cut.
func timesOf(s segment, of int) []htmlTick {
	var all []htmlTick
	if s.Duration() <= 0 {
		return nil
	}
	for _, t := range scale.Times(s.From, s.To, chartLetters/of) {
		x := s.across(t.At)
		if x < s.left+0.04*chartWide || x > s.right-0.04*chartWide {
			continue
		}
		all = append(all, markAt(x, t.Label))
	}
	return all
}

// pathOf is a stretch within a segment as a path; samples too far apart are not joined. One
// between two gaps is a dot: a line of no length with round ends.
func pathOf(s *correlate.Stretch, at segment, down func(float64) float64) string {
	var b strings.Builder
	var before time.Time
	for _, sample := range s.Samples() {
		if sample.Time.Before(at.From) || sample.Time.After(at.To) {
			continue
		}
		x, y := number1(at.across(sample.Time)), number1(down(sample.Value))
		if before.IsZero() || sample.Time.Sub(before).Seconds() > gapFrom*s.StepSeconds {
			fmt.Fprintf(&b, "M%s %sh0", x, y)
		} else {
			fmt.Fprintf(&b, "L%s %s", x, y)
		}
		before = sample.Time
	}
	return b.String()
}

// number1 is a number of the plane, which has no use for more than a tenth.
func number1(v float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
}

// share is a part of a whole, 0 to 1, in percent.
func share(of float64) string {
	if math.IsNaN(of) {
		of = 0
	}
	return number1(100 * min(max(of, 0), 1))
}
