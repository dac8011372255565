package correlate

import (
	"context"
	"fmt"
	"time"

	"obs/correlate/anomaly"
	"obs/correlate/survey"
	"obs/sources"
)

// Where a side holds too few samples to tell a departure from noise, as a gauge that is
// read once a minute does in a baseline of one minute, services are judged by one another.

// fewSamples is how many samples each side must hold for a series to be judged by itself.
const fewSamples = 3

// sparse reports whether the question's series are collected too rarely for that.
func (w *walk) sparse(q *survey.Question) bool {
	shorter := min(w.question.Window.Duration(), w.question.Baseline.Duration())
	return !q.Exact && w.interval > 0 && shorter < fewSamples*w.interval
}

// rangeSparse evaluates a query over baseline and window at the interval of collection,
// so that each sample counts once, and none from before: a sample stays the latest for
// one interval.
func (w *walk) rangeSparse(ctx context.Context, query string) (baseline, window []sources.Series, asked bothSides, err error) {
	step := w.interval.Round(time.Second)
	side := func(over sources.Window) ranged {
		// Back from the end, in whole steps.
		whole := max(0, over.Duration()-step).Truncate(step)
		return ranged{over: sources.Window{From: over.To.Add(-whole), To: over.To}, step: step}
	}
	asked = bothSides{baseline: side(w.question.Baseline), window: side(w.question.Window)}
	now, err := w.set.Metrics.Range(ctx, query, asked.window.over, step)
	if err != nil {
		return nil, nil, asked, err
	}
	before, err := w.set.Metrics.Range(ctx, query, asked.baseline.over, step)
	return before.Series, now.Series, asked, err
}

// peerDoubt is by how much a distance from one's peers is surer to come about by chance
// than one from one's own past: tails among services are heavy. A judgement.
const peerDoubt = 2

// full is from which share of its limit on a resource is used up: at nine tenths a queue
// before it is ten times as long as the work itself takes (M/M/1).
const full = 0.9

// judgeByPeers judges the series of one question that could not be compared with their
// own past, metric by metric.
func judgeByPeers(all []measured) {
	byMetric := map[string][]*measured{}
	for i := range all {
		m := &all[i]
		if !m.departure.Compared && !m.departure.New && !m.departure.Gone {
			byMetric[m.labels["__name__"]] = append(byMetric[m.labels["__name__"]], m)
		}
	}
	for _, members := range byMetric {
		pairs := make([]anomaly.Pair, len(members))
		for i, m := range members {
			pairs[i] = anomaly.Pair{Baseline: m.departure.Baseline, Window: m.departure.Window}
		}
		for i, far := range anomaly.Peers(pairs) {
			members[i].judgeByPeers(far)
		}
	}
}

func (m *measured) judgeByPeers(far float64) {
	limit, d := limits[m.question.Signal], &m.departure
	if survey.OfLimit(m.labels["__name__"]) && d.Window >= full && d.Window >= limit.Ratio*d.Baseline {
		far = anomaly.MaxScore // nothing is left: what the others do does not matter
	}
	up := limit.Up && far >= limit.Score && d.Window >= limit.Ratio*d.Baseline
	down := limit.Down && -far >= limit.Score && d.Window*limit.Ratio <= d.Baseline
	switch {
	case up:
		m.peers, d.Direction = far, anomaly.Up
	case down:
		m.peers, d.Direction = -far, anomaly.Down
	default:
		return
	}
	d.Score = m.peers / peerDoubt
	// Resources are a service's own. Latencies and rates of so short a time depend on which
	// requests came in it, which traces and logs tell better.
	d.Anomalous = d.Score >= limit.Score && m.question.Signal == survey.Saturation
}

// peerClues are the departures that stand out among peers, and not so far as to be
// anomalies by themselves.
func (w *walk) peerClues() {
	for i := range w.measured {
		m := &w.measured[i]
		if m.peers == 0 || m.departure.Anomalous {
			continue
		}
		a := w.anomalyOf(m)
		if m.question.Signal == survey.Traffic && m.departure.Direction == anomaly.Up {
			continue
		}
		kind := bySparse
		if m.question.Signal == survey.Saturation {
			kind = bySaturation
		}
		w.keep(clue{
			kind: kind, service: m.service, strength: surenessOf(m.departure.Score),
			finding: w.found.AddFinding(fmt.Sprintf("%s, and other services did not", describe(&a)), w.evidenceOf(m, sinceOnset)...),
		})
	}
}
