package correlate

import (
	"context"
	"math"
	"slices"
	"strconv"

	"obs/correlate/anomaly"
	"obs/correlate/survey"
	"obs/sources"
)

// Samples of rates overlap, and in a short window few requests are behind them: a distance in
// standard deviations of a handful of samples says little. What departs must be no chance by
// the requests themselves, too.

const (
	// chanceOfAny is how probable it may be that any of all series of a triage departs by
	// chance alone: each one's share of it is as small as they are many (Bonferroni).
	chanceOfAny = 0.01
	// enoughMoments is from how many windows of rates without overlap on each side on the
	// spread of a quantile is known: its own relative error is then 1/sqrt(2·9), a quarter.
	enoughMoments = 10
)

// byChance reports whether a departure of so many requests among all may be chance.
func (w *walk) byChance(p float64) bool { return p*float64(max(1, w.compared())) > chanceOfAny }

// requestsOf is how many requests are behind a series on both sides; ok is false where no
// metric tells.
func (w *walk) requestsOf(m *measured) (baseline, window float64, ok bool) {
	for i := range w.measured {
		t := &w.measured[i]
		kind := m.question.KindLabel
		if t.question.Signal == survey.Traffic && t.question.Group == m.question.Group && t.service == m.service &&
			(kind == "" || t.labels[kind] == m.labels[kind]) {
			return t.means[0] * w.question.Baseline.Duration().Seconds(), t.means[1] * w.question.Window.Duration().Seconds(), t.departure.Compared
		}
	}
	return 0, 0, false
}

// chance is how probable the change of a share of requests, or of their number, is when
// nothing changed; 0 where it cannot be told.
func (w *walk) chance(m *measured) float64 {
	baseline, window, ok := w.requestsOf(m)
	switch {
	case !ok || !m.question.Exact:
		return 0
	case m.question.Signal == survey.Errors:
		return anomaly.Counts(m.means[1]*window, window, m.means[0]*baseline, baseline)
	case m.question.Signal == survey.Traffic:
		return anomaly.Counts(window, w.question.Window.Duration().Seconds(), baseline, w.question.Baseline.Duration().Seconds())
	}
	return 0
}

// dropChance takes back departures that may be chance.
func (w *walk) dropChance(ctx context.Context) {
	for i := range w.measured {
		if m := &w.measured[i]; m.departure.Anomalous && m.said == "" && w.byChance(w.chance(m)) {
			m.departure.Anomalous = false
		}
	}
	if min(w.question.Window.Duration(), w.question.Baseline.Duration()) < enoughMoments*w.over {
		w.countSlow(ctx)
	}
}

// countSlow takes back latencies of which too few requests took longer: it counts those on
// both sides that did, in one query of the buckets.
func (w *walk) countSlow(ctx context.Context) {
	var queries []string
	var asked []*survey.Question
	for i := range w.measured {
		m := &w.measured[i]
		if !m.departure.Anomalous || !m.question.Exact || m.question.Signal != survey.Latency || slices.Contains(asked, m.question) {
			continue
		}
		if query := m.question.Within(w.question.Window.Duration(), 0); query != "" {
			back := w.question.Window.To.Sub(w.question.Baseline.To)
			asked = append(asked, m.question)
			queries = append(queries, query, m.question.Within(w.question.Baseline.Duration(), back))
		}
	}
	if len(queries) == 0 || w.spare() < 1 {
		return
	}
	answer, err := w.set.Metrics.Instant(ctx, survey.Together(queries), w.question.Window.To)
	if err != nil {
		w.failed(sources.Prometheus, "how many requests took longer was not counted", err)
		return
	}
	for i := range w.measured {
		m := &w.measured[i]
		at := slices.Index(asked, m.question)
		if at < 0 || !m.departure.Anomalous {
			continue
		}
		limit := threshold(m)
		slow, all := slower(answer.Series, 2*at, m, limit)
		slowBefore, allBefore := slower(answer.Series, 2*at+1, m, limit)
		if all > 0 && allBefore > 0 && w.byChance(anomaly.Counts(slow, all, slowBefore, allBefore)) {
			m.departure.Anomalous = false
		}
	}
}

// slower counts the requests of a series that took longer than a limit, as exactly as the
// buckets tell, and all of them.
func slower(series []sources.Series, part int, m *measured, limit float64) (slow, all float64) {
	nearest, within := math.Inf(1), 0.0
	for _, s := range series {
		if s.Labels[survey.PartLabel] != strconv.Itoa(part) || s.Labels[m.question.ServiceLabel] != m.labels[m.question.ServiceLabel] ||
			(m.question.KindLabel != "" && s.Labels[m.question.KindLabel] != m.labels[m.question.KindLabel]) || len(s.Samples) == 0 {
			continue
		}
		le, err := strconv.ParseFloat(s.Labels["le"], 64)
		if err != nil {
			continue
		}
		if math.IsInf(le, 1) {
			all = s.Samples[0].Value
			continue
		}
		if far := math.Abs(math.Log(m.question.Seconds(le) / limit)); far < nearest {
			nearest, within = far, s.Samples[0].Value
		}
	}
	if math.IsInf(nearest, 1) {
		return 0, 0
	}
	return max(0, all-within), all
}

// sideMeans are the means of both sides' samples.
func sideMeans(baseline, window []sources.Sample) [2]float64 {
	var means [2]float64
	for side, samples := range [][]sources.Sample{baseline, window} {
		n := 0.0
		for _, s := range samples {
			if !math.IsNaN(s.Value) && !math.IsInf(s.Value, 0) {
				means[side] += s.Value
				n++
			}
		}
		means[side] /= max(1, n)
	}
	return means
}
