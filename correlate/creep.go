package correlate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"obs/correlate/anomaly"
	"obs/correlate/survey"
	"obs/sources"
)

// What grows by a few percent a day departs from no baseline that adjoins the window. It is
// found by the values at the window's end a day ago, two days ago and so on for four weeks:
// the pattern of a day is not in them, and they cost little, as a server reads so much of each
// day as one rate looks back.

const (
	// creepReach is how far the data must reach back: with less than a week the days of the
	// week cannot be told from growth.
	creepReach = 7 * 24 * time.Hour
	// creepSpan is the time that is looked at, and creepStep the one between two samples.
	creepSpan = anomaly.Weeks * 7 * 24 * time.Hour
	creepStep = 24 * time.Hour
	// creepQueries is how many questions must be left: whether the data reaches back, and one
	// for each kind of signal.
	creepQueries = 1 + creepKinds
	creepKinds   = 3
	// creepPatience bounds how long a triage waits for what is weeks old: a server that keeps
	// it in slow storage should not hold up what is wrong now.
	creepPatience = 10 * time.Second
	// Rates look back as far as the window does, within these bounds: data of weeks ago may
	// be kept at a sample in five minutes, of which half an hour has enough, and an hour is
	// one time of the day.
	leastCreepRate, mostCreepRate = 30 * time.Minute, time.Hour
	// soonFull is how long before a resource is used up its growth is trouble already: a day,
	// from which on Prometheus's rules for node exporters warn of a disk. What is later can
	// wait for the morning.
	soonFull = 1.0
)

// creepQuestion is a question about what may creep.
type creepQuestion struct {
	*survey.Question
	resource  string // its name, where it is about one
	container bool   // its service is a container's name
}

// creeping is a series that has grown, as an anomaly of its own.
type creeping struct {
	measured
	growth anomaly.Growth
	creep  Creep
}

// lookForCreep looks for what has grown for a week or more, with what is left of the
// questions. It comes last, and says nothing where the data does not reach back.
func (w *walk) lookForCreep(ctx context.Context) {
	if w.set.Metrics == nil || ctx.Err() != nil || w.compared() == 0 || w.found.unanswered(sources.Prometheus) || w.spare() < creepQueries {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, creepPatience)
	defer cancel()
	carried, reaches, err := w.reachesBack(bounded)
	if err != nil {
		w.creepUnknown(ctx, err)
		return
	}
	if !reaches {
		return
	}
	step := w.begin("creep", "looking for what has grown for weeks")
	found, err := w.creeps(bounded, carried)
	if err != nil {
		w.creepUnknown(ctx, err)
	}
	for i := range found {
		w.addCreep(&found[i])
	}
	step.ended(counted(len(found), "series") + " growing for a week or more")
}

// creepUnknown notes that what has crept up is not known. That a server reads no weeks, or
// keeps them in slow storage, is no failure of a triage, which is about the window.
func (w *walk) creepUnknown(ctx context.Context, err error) {
	const lost = "what has grown for weeks was not looked at"
	tooFar := errors.Is(err, sources.ErrBadQuery) || errors.Is(err, sources.ErrTooLarge) || errors.Is(err, sources.ErrTimeout)
	switch {
	case ctx.Err() != nil: // the run as a whole has ended, which is said elsewhere
	case tooFar:
		w.found.missing(Missing{
			Backend: sources.Prometheus, Kind: MissingNoData, Reason: lost + ": " + err.Error(),
			Hint: "compare with a week or four weeks ago: --baseline 168h or 672h",
		})
	default:
		w.failed(sources.Prometheus, lost, err)
	}
}

// reachesBack asks which metrics there were a week ago, and which labels those of resources
// carried: one question, to which a younger server has no answer.
func (w *walk) reachesBack(ctx context.Context) (survey.Carried, bool, error) {
	patterns, labels := survey.ResourcePatterns()
	dotted := false
	for _, q := range w.surveyed() {
		if q.Metric == "" || q.Signal != survey.Traffic {
			continue
		}
		patterns = append(patterns, sources.QuoteRegexp(q.Metric))
		labels = append(labels, q.ServiceLabel)
		dotted = dotted || strings.Contains(q.Metric, ".")
	}
	slices.Sort(labels)
	answer, err := w.set.Metrics.Instant(ctx, survey.Carrying(patterns, slices.Compact(labels), dotted), w.question.Window.To.Add(-creepReach))
	if err != nil {
		return nil, false, err
	}
	return survey.ReadCarried(labelsOf(answer.Series)), len(answer.Series) > 0, nil
}

// surveyed are the questions that the survey had answers to, in its order.
func (w *walk) surveyed() []*survey.Question {
	var all []*survey.Question
	for i := range w.measured {
		if q := w.measured[i].question; !slices.Contains(all, q) {
			all = append(all, q)
		}
	}
	return all
}

// creepWindow is the time that is asked about: four weeks up to the window's end.
func (w *walk) creepWindow() sources.Window {
	return sources.Window{From: w.question.Window.To.Add(-creepSpan), To: w.question.Window.To}
}

// creepRate is how far back each rate looks.
func (w *walk) creepRate() time.Duration {
	return max(w.over, min(max(w.question.Window.Duration(), leastCreepRate), mostCreepRate).Round(time.Second))
}

// creeps asks for the past, one question for each kind of signal, and judges it. What fails
// costs its own kind.
func (w *walk) creeps(ctx context.Context, carried survey.Carried) ([]creeping, error) {
	var kinds [creepKinds][]creepQuestion // latencies; shares of failures, and load; resources
	for _, q := range w.surveyed() {
		switch q.Signal {
		case survey.Latency:
			kinds[0] = append(kinds[0], creepQuestion{Question: q})
		case survey.Errors, survey.Traffic:
			kinds[1] = append(kinds[1], creepQuestion{Question: q})
		case survey.Saturation:
			kinds[2] = append(kinds[2], creepQuestion{Question: q})
		case survey.Other: // what its growth means is not known
		}
	}
	resources := survey.Resources(carried)
	for i := range resources {
		r := &resources[i]
		r.Restrict(w.names.all(w.question.Services))
		kinds[2] = append(kinds[2], creepQuestion{Question: &r.Question, resource: r.Name, container: r.Container})
	}
	var answers [creepKinds][][]sources.Series
	var failed [creepKinds]error
	var group errgroup.Group
	for i, questions := range kinds {
		if len(questions) == 0 {
			continue
		}
		group.Go(func() error {
			queries := make([]string, len(questions))
			for j, q := range questions {
				queries[j] = q.Query(w.creepRate())
			}
			answer, err := w.set.Metrics.Range(ctx, survey.Together(queries), w.creepWindow(), creepStep)
			answers[i], failed[i] = survey.Apart(answer.Series, len(questions)), err
			return nil
		})
	}
	_ = group.Wait() // each failure is kept
	load := w.loadOf(kinds[1], answers[1])
	var all []creeping
	known := map[string]int{} // the place of the question that told of a signal of a service first
	for i, questions := range kinds {
		for j, series := range answers[i] {
			for _, s := range series {
				c, ok := w.creepOf(&questions[j], s, load)
				if !ok {
					continue
				}
				key := strings.Join([]string{strings.ToLower(bareService(c.service)), string(c.question.Signal), c.creep.Resource}, "\x00")
				if first, told := known[key]; told && first != j {
					continue // a surer metric tells the same
				}
				known[key] = j
				all = append(all, c)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b creeping) int {
		return cmp.Or(
			cmp.Compare(oneIf(!a.creep.Harmful), oneIf(!b.creep.Harmful)),
			cmp.Compare(tier(&a.measured), tier(&b.measured)),
			cmp.Compare(w.impact(&b.measured), w.impact(&a.measured)),
			cmp.Compare(b.growth.Score, a.growth.Score),
			cmp.Compare(a.query, b.query),
		)
	})
	return all, cmp.Or(failed[0], failed[1], failed[2])
}

// loadOf is how many requests each service got, a sample a day. The key is its bare name in
// lower case.
func (w *walk) loadOf(questions []creepQuestion, answers [][]sources.Series) map[string][]sources.Sample {
	sums := map[string]map[time.Time]float64{}
	for j, series := range answers {
		q := questions[j]
		if q.Signal != survey.Traffic {
			continue
		}
		for _, s := range series {
			service := strings.ToLower(bareService(w.names.of(s.Labels[q.ServiceLabel])))
			if sums[service] == nil {
				sums[service] = map[time.Time]float64{}
			}
			for _, sample := range s.Samples {
				sums[service][sample.Time] += sample.Value
			}
		}
	}
	load := map[string][]sources.Sample{}
	for service, at := range sums {
		for _, t := range slices.SortedFunc(maps.Keys(at), time.Time.Compare) {
			load[service] = append(load[service], sources.Sample{Time: t, Value: at[t]})
		}
	}
	return load
}

// creepOf judges one series; ok is false where it does not creep, or departs in the window
// anyhow, which the survey has said.
func (w *walk) creepOf(q *creepQuestion, s sources.Series, load map[string][]sources.Sample) (creeping, bool) {
	service, ok := w.surveyedAs(q, s.Labels)
	n := len(s.Samples)
	if !ok || q.Signal == survey.Traffic || n == 0 || daysApart(s.Samples[n-1].Time, w.question.Window.To) != 0 {
		return creeping{}, false
	}
	limit, of := limits[q.Signal], []sources.Sample(nil)
	if q.Signal == survey.Saturation {
		// More work takes more: that is nobody's fault.
		of = load[strings.ToLower(bareService(service))]
		if q.resource != "" {
			limit = ownLimits
		}
	}
	g, ok := anomaly.Creep(s.Samples, of, limit)
	if !ok {
		return creeping{}, false
	}
	c := creeping{growth: g, measured: measured{
		service: service, question: q.Question, labels: s.Labels, query: q.For(s.Labels, w.creepRate()),
		series: stretches(s.Samples, creepStep),
		departure: anomaly.Departure{
			Compared: true, Anomalous: true, Direction: anomaly.Up, Score: g.Score, Baseline: g.Start, Window: g.Now,
		},
	}}
	c.creep = Creep{
		Days: daysApart(g.From, w.question.Window.To), PerDay: g.PerDay, Resource: q.resource,
		WeekAgo: sampleBefore(s.Samples, 7), DayAgo: sampleBefore(s.Samples, 1), Harmful: q.Signal != survey.Saturation,
	}
	if q.resource != "" {
		left := max(0, 1-g.Now) / g.PerDay
		c.creep.DaysLeft, c.creep.Harmful = &left, left <= soonFull
	}
	return c, true
}

// surveyedAs is the service that a series is about, as the survey calls it; ok is false
// where the survey knows none, or has said that the series departs.
func (w *walk) surveyedAs(q *creepQuestion, labels sources.Labels) (service string, ok bool) {
	key := labels.String()
	for i := range w.measured {
		m := &w.measured[i]
		switch {
		case q.resource == "" && m.question == q.Question && m.labels.String() == key:
			return m.service, !m.departure.Anomalous
		case q.resource != "" && m.departure.Compared && sameService(m.service, w.names.of(labels[q.ServiceLabel])):
			return m.service, true
		}
	}
	return "", false
}

// daysApart is how many days are between two moments.
func daysApart(from, to time.Time) int { return int(math.Round(to.Sub(from).Hours() / 24)) }

// sampleBefore is the value so many days before the last sample; nil where there is none.
func sampleBefore(samples []sources.Sample, days int) *float64 {
	last := samples[len(samples)-1].Time
	for _, s := range samples {
		if daysApart(s.Time, last) == days && !math.IsNaN(s.Value) {
			return &s.Value
		}
	}
	return nil
}

// addCreep puts a creep into the case: behind what departs in the window for the worse, which
// is why somebody asks, and before more traffic, which harms nobody.
func (w *walk) addCreep(c *creeping) {
	a := w.anomalyOf(&c.measured)
	a.Creep = &c.creep
	a.Findings = []string{w.found.AddFinding(describe(&a), w.creepEvidence(c))}
	at := len(w.found.Anomalies)
	for at > 0 && c.creep.Harmful && w.found.Anomalies[at-1].Harmless() {
		at--
	}
	w.found.Anomalies = slices.Insert(w.found.Anomalies, at, a)
}

// Harmless reports whether the anomaly alone leaves a window healthy: more requests explain,
// and what a resource will lack in days can wait.
func (a *Anomaly) Harmless() bool {
	if a.Creep != nil {
		return !a.Creep.Harmful
	}
	return a.Signal == string(survey.Traffic) && a.Direction == string(anomaly.Up)
}

// creepEvidence is the one series again, a sample a day.
func (w *walk) creepEvidence(c *creeping) Evidence {
	unit := c.question.Unit
	values := []Value{{Name: "at last", Value: c.growth.Now, Unit: unit}, {Name: "at first", Value: c.growth.Start, Unit: unit}}
	if c.creep.WeekAgo != nil {
		values = append(values, Value{Name: "a week before the last", Value: *c.creep.WeekAgo, Unit: unit})
	}
	if c.creep.DayAgo != nil {
		values = append(values, Value{Name: "a day before the last", Value: *c.creep.DayAgo, Unit: unit})
	}
	values = append(values, Value{Name: "growth in a day over the last week", Value: c.growth.PerDay, Unit: unit})
	return Evidence{
		Backend: sources.Prometheus, Query: c.query, Window: w.creepWindow(), StepSeconds: creepStep.Seconds(), Values: values,
		URL: w.set.Metrics.Link(c.query, w.creepWindow()),
	}
}

// creepClue is what a creep says against its service. A resource counts by how much of what may be
// used without waiting is gone beyond: with enough left its growth explains nothing. Requests
// that have been getting worse for weeks do not explain what began in the window: they count
// where nothing did.
func (a *Anomaly) creepClue(departed bool) clue {
	c := clue{kind: metricKind(a), service: a.Service, strength: surenessOf(a.Score), finding: a.Findings[0]}
	switch {
	case a.Creep.Resource != "":
		c.strength *= min(1, max(0, a.WindowValue-mayWait)/(1-mayWait))
	case departed || !a.Creep.Harmful:
		c.strength = 0
	}
	return c
}

// departs reports whether something departs in the window for the worse.
func (w *walk) departs() bool {
	return slices.ContainsFunc(w.found.Anomalies, func(a Anomaly) bool { return a.Creep == nil && !a.Harmless() })
}

// answerCreep says what has crept up where nothing else departs.
func (w *walk) answerCreep() {
	if w.departs() || len(w.found.Anomalies) == 0 || w.found.Anomalies[0].Creep == nil || !w.found.Anomalies[0].Creep.Harmful {
		return
	}
	first := &w.found.Anomalies[0]
	if first.Creep.Resource == "" {
		w.found.Answers.AffectedFlow = Answer{Text: sentence("Requests of " + first.Service), Findings: first.Findings}
	}
	var names, findings []string
	for i := range w.found.Anomalies {
		if a := &w.found.Anomalies[i]; a.Creep != nil && a.Creep.Harmful {
			names, findings = append(names, a.Service), append(findings, a.Findings...)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	w.found.Answers.Scope = Answer{
		Text:     sentence(fmt.Sprintf("%d of %s: %s", len(names), counted(len(w.services()), "service"), strings.Join(names, ", "))),
		Findings: findings,
	}
}
