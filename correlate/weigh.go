package correlate

import (
	"cmp"
	"context"
	"math"
	"obs/correlate/anomaly"
	"obs/correlate/survey"
	"obs/sources"
	"slices"
)

// rateOf is how many requests a service gets per second when all is well, so that two
// services are weighed alike whatever the incident does to their traffic; what it gets
// in the window where there is no baseline, and 1 where no metric tells.
func (w *walk) rateOf(service string) float64 {
	for _, m := range w.measured {
		if m.service == service && m.question.Signal == survey.Traffic && m.question.Exact {
			if m.departure.Baseline > 0 {
				return m.departure.Baseline
			}
			if m.departure.Window > 0 {
				return m.departure.Window
			}
		}
	}
	return 1
}

// failureCost is what a failed request costs a user, in seconds of waiting: the time
// after which attention is lost anyhow (Miller, "Response time in man-computer
// conversational transactions", 1968).
const failureCost = 10

// impact is how much of users' time an anomaly costs, in seconds lost per second. Since
// a caller waits for all that it calls, the largest is where users feel it.
func (w *walk) impact(m *measured) float64 {
	delta := math.Abs(m.departure.Window - m.departure.Baseline)
	switch m.question.Signal {
	case survey.Latency:
		if m.spentKnown {
			return m.spent
		}
		return delta * w.rateOf(m.service)
	case survey.Errors:
		return delta * w.rateOf(m.service) * failureCost
	case survey.Traffic:
		return delta * failureCost
	case survey.Availability:
		return delta * w.rateOf(m.service) * failureCost
	}
	return 0
}

// weighLatencies finds out how much more time requests take in all, where several
// services got slower: in one query, of the metric that shows most of them. What it says
// of a service holds for the other metrics of its requests too.
func (w *walk) weighLatencies(ctx context.Context) {
	var most []*measured
	slower := map[*survey.Question][]*measured{}
	for i := range w.measured {
		m := &w.measured[i]
		if m.departure.Anomalous && m.question.Signal == survey.Latency && m.question.Spent(w.over) != "" {
			slower[m.question] = append(slower[m.question], m)
			if len(slower[m.question]) > len(most) {
				most = slower[m.question]
			}
		}
	}
	if len(most) < 2 {
		return
	}
	baseline, window, _, err := w.rangeBoth(ctx, most[0].question.Spent(w.over))
	if err != nil {
		w.failed(sources.Prometheus, "the anomalies were not weighed by the time that they cost", err)
		return
	}
	before, now := means(baseline), means(window)
	spent := map[string]float64{}
	for _, m := range most {
		key := m.labels.String()
		spent[m.service] = now[key] - before[key]
	}
	for i := range w.measured {
		if m := &w.measured[i]; m.question.Signal == survey.Latency && m.question.Exact {
			m.spent, m.spentKnown = spent[m.service], spent[m.service] > 0
		}
	}
}

// means is the mean of each series by its labels.
func means(series []sources.Series) map[string]float64 {
	all := make(map[string]float64, len(series))
	for _, s := range series {
		sum := 0.0
		for _, sample := range s.Samples {
			sum += sample.Value
		}
		all[s.Labels.String()] = sum / float64(len(s.Samples))
	}
	return all
}

// tier orders signals by how surely they are a user's trouble.
func tier(m *measured) int {
	symptom := m.question.Signal == survey.Latency || m.question.Signal == survey.Errors
	switch {
	case symptom && m.question.Exact:
		return 0
	case m.question.Signal == survey.Traffic && m.departure.Direction == anomaly.Down && m.question.Exact,
		m.question.Signal == survey.Availability:
		return 1
	case symptom:
		return 2
	case m.question.Signal == survey.Saturation:
		return 3
	case m.question.Signal == survey.Other:
		return 4
	}
	return 5 // more traffic, which explains and does not hurt by itself
}

// harmful reports whether the anomaly alone makes a window anomalous.
func harmful(m *measured) bool { return tier(m) < 5 }

// keepAnomalies puts the anomalies into the case, worst first, and returns the one to
// walk from: nil when nothing harmful departed.
func (w *walk) keepAnomalies() *measured {
	var bad []*measured
	for i := range w.measured {
		if w.measured[i].departure.Anomalous {
			bad = append(bad, &w.measured[i])
		}
	}
	for i := range w.targets {
		bad = append(bad, &w.targets[i])
	}
	slices.SortStableFunc(bad, func(a, b *measured) int {
		return cmp.Or(
			cmp.Compare(w.besideAlert(a), w.besideAlert(b)),
			cmp.Compare(tier(a), tier(b)),
			cmp.Compare(w.impact(b), w.impact(a)),
			cmp.Compare(b.departure.Score, a.departure.Score),
			cmp.Compare(a.query, b.query),
		)
	})
	var kept []*measured
	for _, m := range bad {
		i := slices.IndexFunc(kept, func(k *measured) bool { return sameRequests(k, m) })
		if i < 0 {
			kept = append(kept, m)
			w.found.Anomalies = append(w.found.Anomalies, w.statedAnomaly(m))
			continue
		}
		a, further := &w.found.Anomalies[i], w.statedAnomaly(m)
		if kept[i].question.Elsewhere && !m.question.Elsewhere {
			kept[i].stands, kept[i] = m, m
			*a, further = further, *a
		} else {
			m.stands = kept[i]
		}
		a.Findings = append(a.Findings, further.Findings...)
	}
	if len(kept) == 0 || !harmful(kept[0]) {
		return nil
	}
	return kept[0]
}

// sameRequests reports whether two anomalies are one: the same signal of the same service,
// counted by two conventions. What the service itself counts stands for both, as spans may be
// sampled. HTTP and RPC of one service are other requests.
func sameRequests(a, b *measured) bool {
	if !a.question.Exact || !b.question.Exact || a.question == b.question || a.question.Signal != b.question.Signal ||
		a.departure.Direction != b.departure.Direction || a.operation != b.operation || !sameService(a.service, b.service) {
		return false
	}
	p, q := a.question.Protocol, b.question.Protocol
	return p == q || p == "" || q == ""
}

// standing is the series that stands in the case for one of the same requests.
func (m *measured) standing() *measured {
	for m.stands != nil {
		m = m.stands
	}
	return m
}

// statedAnomaly is an anomaly with its finding.
func (w *walk) statedAnomaly(m *measured) Anomaly {
	a := w.anomalyOf(m)
	if m.said == "" {
		m.said, m.evidence = describe(&a), w.evidenceOf(m, sinceOnset)
	}
	a.Findings = []string{w.found.AddFinding(m.said, m.evidence...)}
	return a
}

func (w *walk) anomalyOf(m *measured) Anomaly {
	d := m.departure
	metric := m.question.Metric
	if metric == "" {
		metric = m.labels["__name__"]
	}
	return Anomaly{
		Service: m.service, Operation: m.operation, Metric: metric, Signal: string(m.question.Signal),
		Direction: string(d.Direction), Score: d.Score, Onset: d.Onset.UTC(),
		BaselineValue: d.Baseline, WindowValue: d.Window, Unit: m.question.Unit, Guessed: !m.question.Exact,
		Series: m.series,
	}
}

// What the value of a window is called: the median of all of it, or of what is since the
// onset, which is the same without one.
const (
	sinceOnset = "median since the onset"
	ofWindow   = "median of the window"
)

// evidenceOf is how the series was asked for over both sides, narrowed to it alone.
func (w *walk) evidenceOf(m *measured, window string) []Evidence {
	return m.asked.evidence(w.set.Metrics, m.query,
		Value{Name: "median of the baseline", Value: m.departure.Baseline, Unit: m.question.Unit},
		Value{Name: window, Value: m.departure.Window, Unit: m.question.Unit})
}
