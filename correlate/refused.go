package correlate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"obs/correlate/anomaly"
	"obs/correlate/survey"
	"obs/sources"
)

// Requests that fail by their clients' faults are not the service's failures. That they rose
// is worth knowing: a client may be broken, and some of these faults are what a client sees of
// a server in trouble.

// refusedQuestions are the questions about clients' faults, with the label that says which.
func refusedQuestions(questions []survey.Question) (refused []survey.Question, labels []string) {
	for i := range questions {
		if q, label, ok := questions[i].Refused(); ok {
			refused, labels = append(refused, q), append(labels, label)
		}
	}
	return refused, labels
}

// refusal is one status that a service answers more often than it did.
type refusal struct {
	measured
	status, kind string
}

// noteRefused says of which services the clients' faults rose: each service once, by its surest metric.
func (w *walk) noteRefused(parts map[int]*part, questions []survey.Question) {
	refused, labels := refusedQuestions(questions)
	byService := map[string][]refusal{}
	for i := range refused {
		p := parts[besideRefused+i]
		if p == nil {
			continue
		}
		here := map[string][]refusal{}
		for _, m := range w.judge(&refused[i], w.filled(p[0], p[1], w.question.Baseline), w.filled(p[1], nil, w.question.Window), w.beside) {
			if _, _, known := w.requestsOf(&m); known && m.departure.Anomalous && m.departure.Direction == anomaly.Up && !w.byChance(w.chance(&m)) {
				status := m.labels[labels[i]]
				here[m.service] = append(here[m.service], refusal{m, status, survey.RefusedKind(labels[i], status)})
			}
		}
		for service, all := range here {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(byService)), func(known string) bool { return sameService(known, service) }) {
				byService[service] = all
			}
		}
	}
	var all [][]refusal
	for _, service := range slices.Sorted(maps.Keys(byService)) {
		one := byService[service]
		slices.SortFunc(one, func(a, b refusal) int {
			return cmp.Or(cmp.Compare(gain(&b.measured), gain(&a.measured)), cmp.Compare(a.status, b.status))
		})
		all = append(all, one)
	}
	slices.SortStableFunc(all, func(a, b []refusal) int { return cmp.Compare(w.lostTo(b), w.lostTo(a)) })
	for _, one := range all[:min(len(all), maxOfAKind)] {
		w.aside = append(w.aside, w.refusedFinding(one[:min(len(one), maxOfAKind)]))
	}
}

// lostTo is how many more requests per second fail so.
func (w *walk) lostTo(all []refusal) float64 {
	sum := 0.0
	for i := range all {
		sum += gain(&all[i].measured)
	}
	return sum * w.rateOf(all[0].service)
}

// filled puts nothing at the moments of a side at which a series of these, or of more, has no
// sample: a status that nobody was answered yet has no series.
func (w *walk) filled(series, more []sources.Series, side sources.Window) []sources.Series {
	step := w.beside.window.step
	if side == w.question.Baseline {
		step = w.beside.baseline.step
	}
	byLabels := map[string]sources.Series{}
	for _, s := range more {
		byLabels[s.Labels.String()] = sources.Series{Labels: s.Labels}
	}
	for _, s := range series {
		byLabels[s.Labels.String()] = s
	}
	var all []sources.Series
	for _, key := range slices.Sorted(maps.Keys(byLabels)) {
		s := byLabels[key]
		at := make(map[time.Time]float64, len(s.Samples))
		for _, sample := range s.Samples {
			at[sample.Time.UTC()] = sample.Value
		}
		whole := sources.Series{Labels: s.Labels}
		for t := aligned(side, step).From.UTC(); !t.After(side.To); t = t.Add(step) {
			if t.After(side.From) {
				whole.Samples = append(whole.Samples, sources.Sample{Time: t, Value: at[t]})
			}
		}
		all = append(all, whole)
	}
	return all
}

// refusedFinding says what rose, and what it may mean.
func (w *walk) refusedFinding(all []refusal) string {
	var texts, meanings []string
	var evidence []Evidence
	for i := range all {
		r := &all[i]
		d := r.departure
		texts = append(texts, fmt.Sprintf("%s from %s to %s since %s", Shorten(r.status), Quantity(d.Baseline, survey.Ratio), Quantity(d.Window, survey.Ratio), Clock(d.Onset)))
		for _, e := range w.evidenceOf(&r.measured, sinceOnset) {
			for j := range e.Values {
				e.Values[j].Name = Shorten(r.status) + ", " + e.Values[j].Name
			}
			evidence = append(evidence, e)
		}
		meaning := map[string]string{
			survey.Limited: "a limit was reached, which clients that retry reach too",
			survey.GaveUp:  "callers gave up, as they do when answers come late",
		}[r.kind]
		if meaning != "" && !slices.Contains(meanings, meaning) {
			meanings = append(meanings, meaning)
		}
	}
	text := fmt.Sprintf("Client faults of %s rose, %s; they are not counted as its failures", all[0].service, strings.Join(texts, ", "))
	if len(meanings) > 0 {
		text += " (" + strings.Join(meanings, "; ") + ")"
	}
	return w.found.AddFinding(text, evidence...)
}
