package correlate_test

import (
	"math"
	"slices"
	"strings"
	"time"

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

// refused works out how much more often requests fail by their clients' faults: a status that
// nobody is answered has no series, and counts as none.
func (p *proof) refused([]string) recomputed {
	r := recomputed{values: map[string]float64{}}
	for _, a := range p.answers {
		if len(a.series) != 1 || len(a.evidence.Values) == 0 {
			p.Fatalf("%q: %+v", p.finding.Statement, a)
		}
		status, _, _ := strings.Cut(a.evidence.Values[0].Name, ",")
		side := func(w sources.Window) (samples []sources.Sample) {
			at := map[time.Time]float64{}
			for _, s := range samplesIn(a.series, w) {
				at[s.Time] = s.Value
			}
			step := time.Duration(a.evidence.StepSeconds * float64(time.Second))
			for t := a.evidence.Window.From; !t.After(w.To); t = t.Add(step) {
				if t := t.Truncate(step); t.After(w.From) {
					samples = append(samples, sources.Sample{Time: t, Value: at[t]})
				}
			}
			return samples
		}
		d := anomaly.Compare(side(*p.found.Baseline), side(p.found.Window), limitsOf["errors"])
		r.values[status+", median of the baseline"], r.values[status+", median since the onset"] = d.Baseline, d.Window
		r.said = append(r.said, status, correlate.Clock(d.Onset))
	}
	return r
}

// creep works out a slow growth from its samples, one a day: what they were, by how much the
// last week is above the one before, and when the limit is reached.
func (p *proof) creep([]string) recomputed {
	i := slices.IndexFunc(p.found.Anomalies, func(a correlate.Anomaly) bool { return slices.Contains(a.Findings, p.finding.ID) })
	if i < 0 || p.found.Anomalies[i].Creep == nil || len(p.answers) != 1 || len(p.answers[0].series) != 1 {
		p.Fatalf("no creep rests on %q, or on more than a series: %+v", p.finding.Statement, p.answers)
	}
	a := p.found.Anomalies[i]
	at := map[int]float64{}
	samples := p.answers[0].series[0].Samples
	for _, s := range samples {
		at[int(math.Round(p.found.Window.To.Sub(s.Time).Hours()/24))] = s.Value
	}
	var slopes []float64
	for ago := range 7 {
		now, before := at[ago], at[ago+7]
		if ago+7 <= a.Creep.Days && now > 0 && before > 0 {
			slopes = append(slopes, (now-before)/7)
		}
	}
	perDay := anomaly.Median(slopes)
	r := recomputed{values: map[string]float64{
		"at last": at[0], "at first": at[a.Creep.Days], "a week before the last": at[7], "a day before the last": at[1], "growth in a day over the last week": perDay,
	}}
	r.says(a.Creep.Days, int(math.Round((1-at[0])/perDay)))
	if a.Unit == "ratio" {
		r.said = append(r.said, strings.TrimSuffix(correlate.Quantity(perDay, a.Unit), " %"))
	}
	return r
}
