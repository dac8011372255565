package correlate_test

import (
	"slices"

	"obs/correlate"
	"obs/correlate/anomaly"
	"obs/sources"
)

// limitsOf say from where on a series departs, by signal. They are part of what the medians
// since an onset mean, and stand here as whoever repeats a query has to know them.
var limitsOf = map[string]anomaly.Limits{
	"latency":    {Ratio: 1.5, Delta: 0.005, Score: 4, Up: true},
	"errors":     {Ratio: 1.5, Delta: 0.01, Score: 4, Up: true},
	"traffic":    {Ratio: 2, Delta: 0.1, Score: 4, Up: true, Down: true},
	"saturation": {Ratio: 1.5, Score: 4, Up: true},
	"other":      {Ratio: 2, Score: 4, Up: true, Down: true},
}

// metric works out an anomaly: the medians of both sides, and since when.
func (p *proof) metric([]string) recomputed {
	i := slices.IndexFunc(p.found.Anomalies, func(a correlate.Anomaly) bool { return slices.Contains(a.Findings, p.finding.ID) })
	if i < 0 {
		p.Fatalf("no anomaly rests on %q", p.finding.Statement)
	}
	a := p.found.Anomalies[i]
	limits, ok := limitsOf[a.Signal]
	if !ok || len(p.answers) == 0 || len(p.answers) > 2 || slices.ContainsFunc(p.answers, func(a *answered) bool { return len(a.series) != 1 }) {
		p.Fatalf("%q: limits %+v, answers %+v", p.finding.Statement, limits, p.answers)
	}
	// Where they do not adjoin, the baseline was asked for apart.
	now, before := p.answers[0].series, p.answers[len(p.answers)-1].series
	d := anomaly.Compare(samplesIn(before, *p.found.Baseline), samplesIn(now, p.found.Window), limits)
	return recomputed{
		values: map[string]float64{"median of the baseline": d.Baseline, "median since the onset": d.Window},
		said:   []string{correlate.Factor(d.Baseline, d.Window), correlate.Clock(d.Onset)},
	}
}

// samplesIn are the samples of the one series in (w.From, w.To]: each speaks of the time before it.
func samplesIn(series []sources.Series, w sources.Window) []sources.Sample {
	var kept []sources.Sample
	for _, s := range series {
		for _, sample := range s.Samples {
			if sample.Time.After(w.From) && !sample.Time.After(w.To) {
				kept = append(kept, sample)
			}
		}
	}
	return kept
}

// quantileOf is the sample below which a share of them lies; 0 of none.
func quantileOf(samples []sources.Sample, q float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = s.Value
	}
	slices.Sort(values)
	return values[int(q*float64(len(values)-1))]
}
