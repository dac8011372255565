package correlate

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"obs/correlate/anomaly"
	"obs/correlate/survey"
	"obs/sources"
)

// Stretch is a series as it was read over some time, at even steps.
type Stretch struct {
	From        time.Time `json:"from"` // of the first value
	StepSeconds float64   `json:"step_seconds"`
	// Values are in the anomaly's unit, to six digits; null where there was no sample.
	Values []*float64 `json:"values"`
}

const (
	// maxSeries is of how many anomalies a case keeps the series: text shows 15, and half as
	// many again are more than anybody looks at.
	maxSeries = 24
	// maxPoints bounds one stretch. A query for five times the window, which is as far as one
	// reaches, has five times pointsPerWindow, and one for each end.
	maxPoints = 5*pointsPerWindow + 2
	// keptDigits tell values apart on any chart, and keep a case small.
	keptDigits = 6
)

// Samples are the values that are there, oldest first.
func (s *Stretch) Samples() []sources.Sample {
	samples := make([]sources.Sample, 0, len(s.Values))
	for i, v := range s.Values {
		if v != nil {
			samples = append(samples, sources.Sample{Time: s.At(i), Value: *v})
		}
	}
	return samples
}

// At is the moment of a value.
func (s *Stretch) At(i int) time.Time {
	return s.From.Add(time.Duration(float64(i) * s.StepSeconds * float64(time.Second)))
}

// stretches lays samples onto the steps at which they were asked for: in one stretch, or none
// where no sample is a number. Of more than maxPoints steps it keeps the latest.
func stretches(samples []sources.Sample, step time.Duration) []Stretch {
	samples = numbers(samples)
	if len(samples) == 0 || step <= 0 {
		return nil
	}
	slices.SortStableFunc(samples, func(a, b sources.Sample) int { return a.Time.Compare(b.Time) })
	last := samples[len(samples)-1].Time
	earliest := last.Add(-(maxPoints - 1) * step)
	samples = slices.DeleteFunc(samples, func(s sources.Sample) bool { return s.Time.Before(earliest) })
	s := Stretch{From: samples[0].Time.UTC(), StepSeconds: step.Seconds()}
	place := func(t time.Time) int { return int(math.Round(t.Sub(s.From).Seconds() / s.StepSeconds)) }
	s.Values = make([]*float64, place(last)+1)
	for _, sample := range samples {
		value := shortened(sample.Value)
		s.Values[place(sample.Time)] = &value
	}
	return []Stretch{s}
}

// shortened is a finite number to keptDigits digits.
func shortened(v float64) float64 {
	kept, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', keptDigits-1, 64), 64)
	if err != nil {
		return v // rounding went beyond what a number can hold
	}
	return kept
}

// stretches are the samples of baseline and window: one where one query covered both.
func (s *bothSides) stretches(baseline, window []sources.Sample) []Stretch {
	if s.baseline == s.window {
		return stretches(slices.Concat(baseline, window), s.window.step)
	}
	return append(stretches(baseline, s.baseline.step), stretches(window, s.window.step)...)
}

// boundSeries leaves the case the series of its first anomalies, which are the worst.
func (c *Case) boundSeries() {
	for i := maxSeries; i < len(c.Anomalies); i++ {
		c.Anomalies[i].Series = nil
	}
}

// fillMetric fills a view from the anomaly that a saved case has of its subject.
func (c *Case) fillMetric(view *MetricView) {
	at := slices.IndexFunc(c.Anomalies, func(a Anomaly) bool {
		return a.Service == view.Subject.Service && a.Signal == view.Subject.Signal && len(a.Series) > 0 && a.Creep == nil &&
			(view.Subject.Operation == "" || a.Operation == view.Subject.Operation)
	})
	if at < 0 {
		view.Missing = append(view.Missing, Missing{
			Backend: sources.Prometheus, Kind: MissingNoData,
			Reason: fmt.Sprintf("a saved case keeps the series of its anomalies, and the %s of %s is none", view.Subject.Signal, said(view.Subject)),
			Hint:   "c has all that it holds; obs triage looks anew",
		})
		return
	}
	a := &c.Anomalies[at]
	view.Anomaly, view.Metric, view.Unit = a, a.Metric, a.Unit
	var before []sources.Sample
	for i := range a.Series {
		samples := a.Series[i].Samples()
		view.Samples, view.StepSeconds = append(view.Samples, samples...), a.Series[i].StepSeconds
		for _, s := range samples {
			if c.Baseline != nil && s.Time.After(c.Baseline.From) && !s.Time.After(c.Baseline.To) {
				before = append(before, s)
			}
		}
	}
	if low, high := anomaly.Usual(before, limits[survey.Signal(a.Signal)]); !math.IsNaN(high) {
		view.Low, view.High = low, high
	}
	view.Query, view.URL = c.queryOf(a)
	for _, ch := range slices.Backward(c.Changes) {
		if ch.Service == a.Service {
			view.Changes = append(view.Changes, ch)
		}
	}
	slices.SortStableFunc(view.Changes, func(a, b Change) int { return a.Time.Compare(b.Time) })
}
