package correlate

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"obs/correlate/anomaly"
	"obs/correlate/survey"
	"obs/sources"
)

// limits say from where on a departure matters, by signal. They are about what people
// notice and not about any system: half as slow again and at least 5 ms; a hundredth of
// all requests failing in addition; half the traffic gone. Four robust standard
// deviations keep the chance of a false alarm per sample below 1 in 10,000.
var limits = map[survey.Signal]anomaly.Limits{
	survey.Latency:    {Ratio: 1.5, Delta: 0.005, Score: 4, Up: true},
	survey.Errors:     {Ratio: 1.5, Delta: 0.01, Score: 4, Up: true},
	survey.Traffic:    {Ratio: 2, Delta: 0.1, Score: 4, Up: true, Down: true},
	survey.Saturation: {Ratio: 1.5, Score: 4, Up: true},
	survey.Other:      {Ratio: 2, Score: 4, Up: true, Down: true},
	survey.Alert:      {Ratio: 1.5, Score: 4}, // in the direction of the alert's limit
}

// A range query returns about so many points for a window: enough to see an onset.
const pointsPerWindow = 60

// niceSteps are those that people use, so that a query repeated by hand aligns.
var niceSteps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

func niceStep(least time.Duration) time.Duration {
	for _, step := range niceSteps {
		if step >= least {
			return step
		}
	}
	return niceSteps[len(niceSteps)-1]
}

// survey looks at every service and returns the anomaly to walk from, or nil.
func (w *walk) survey(ctx context.Context) *measured {
	if w.set.Metrics == nil {
		w.found.notConfigured(sources.Prometheus, "no metric was looked at")
		return nil
	}
	step := w.begin("survey", "looking at the metrics of every service")
	questions, err := w.questions(ctx)
	if err != nil {
		w.failed(sources.Prometheus, "the metrics were not looked at", err)
		step.failed("Prometheus gave no answer")
		return nil
	}
	w.measure(ctx, questions)
	w.found.Services = len(w.services())
	w.weighLatencies(ctx)
	primary := w.judgeAlert(w.keepAnomalies())
	w.peerClues()
	if w.compared() == 0 && primary == nil && w.found.unanswered(sources.Prometheus) {
		step.ended("Prometheus gave no answer that could be compared")
		return nil
	}
	if w.compared() == 0 && primary == nil && ctx.Err() == nil {
		reason := fmt.Sprintf("it has no series of a service in %s", w.question.Window)
		hint := "check the window (times are UTC unless --tz says otherwise) and --service, or ask for a longer one with --since"
		if len(w.measured) > 0 {
			reason = fmt.Sprintf("no series of a service has samples enough in the window and in the baseline %s", w.question.Baseline)
			hint = "name a --baseline in which all was well, or ask for a longer window with --since"
		}
		w.found.missing(Missing{Backend: sources.Prometheus, Kind: MissingNoData, Reason: reason, Hint: hint})
		step.ended("nothing to compare in this window")
		return nil
	}
	step.ended(fmt.Sprintf("%s in %s, %s", counted(w.compared(), "series"), counted(w.found.Services, "service"),
		counted(len(w.found.Anomalies), "anomaly")))
	return primary
}

// questions finds out what there is to ask.
func (w *walk) questions(ctx context.Context) ([]survey.Question, error) {
	metrics, whole := w.set.Metrics, w.question.Window.Union(w.question.Baseline)
	names, err := metrics.LabelValues(ctx, "__name__", nil, whole)
	if err != nil {
		return nil, err
	}
	found := survey.Recognise(names)
	if found.Empty() {
		// Prometheus lists no names for a time whose samples came out of order, as
		// backfilled ones do, until it has compacted them; without a time it does.
		if names, err = metrics.LabelValues(ctx, "__name__", nil, sources.Window{}); err != nil {
			return nil, err
		}
		found = survey.Recognise(names)
	}
	// The probes look back far enough to see a service that has vanished since, and no
	// farther than what a server reads quickly.
	back := min(max(whole.Duration(), 5*time.Minute), time.Hour)
	at := w.question.Window.To

	lookback := min(back, 5*time.Minute)
	asked := []string{survey.HistogramProbe(), survey.SummaryProbe()}
	if !found.Empty() {
		asked = append(asked, found.Probe(back), found.Interval(lookback))
	}
	answer, err := metrics.Instant(ctx, survey.Together(asked), at)
	if err != nil {
		return nil, err
	}
	parts := survey.Apart(answer.Series, len(asked))
	histograms, summaries := labelsOf(parts[0]), labelsOf(parts[1])
	var known, gauges []sources.Labels
	var interval float64
	if !found.Empty() {
		known = labelsOf(parts[2])
		if s := parts[3]; len(s) > 0 && len(s[0].Samples) > 0 {
			interval = lookback.Seconds() / max(1, s[0].Samples[0].Value)
		}
	}
	if len(known) == 0 {
		// Nothing follows a convention, or not at this time: what is left are guesses.
		answer, err := metrics.Instant(ctx, survey.GaugeProbe(), at)
		if err != nil {
			return nil, err
		}
		gauges = labelsOf(answer.Series)
		if query := survey.GuessedInterval(lookback, gauges, summaries); query != "" {
			answer, err := metrics.Instant(ctx, query, at)
			if err != nil {
				return nil, err
			}
			if s := answer.Series; len(s) > 0 && len(s[0].Samples) > 0 {
				w.interval = seconds(lookback.Seconds() / max(1, s[0].Samples[0].Value))
			}
		}
	}
	questions, covered := found.Plan(known)
	questions = append(questions, survey.GuessHistograms(histograms, covered)...)
	questions = append(questions, survey.GuessSummaries(summaries, covered)...)
	questions = append(questions, survey.GuessGauges(gauges, covered)...)
	for i := range questions {
		questions[i].Restrict(w.names.all(w.question.Services))
	}
	questions = w.affordable(questions)
	w.over = rateWindow(w.question.Window.Duration(), time.Duration(interval*float64(time.Second)))
	return questions, nil
}

// maxRangeQueries bounds what the survey costs, so that a triage stays within some 40
// queries however many conventions are in use. One is asked beside them.
const maxRangeQueries = 18

// affordable keeps the questions that the bound allows: known conventions come first.
// That a known one was left out is said; guesses are a fallback, and bounded anyhow.
func (w *walk) affordable(questions []survey.Question) []survey.Question {
	allowed := maxRangeQueries
	if !w.adjoining() && !w.brief {
		allowed /= 2 // baseline and window are asked for apart
	}
	if len(questions) <= allowed {
		return questions
	}
	lost := 0
	for _, q := range questions[allowed:] {
		if q.Exact {
			lost++
		}
	}
	if lost > 0 {
		w.found.missing(Missing{
			Backend: sources.Prometheus, Kind: MissingTruncated,
			Reason: fmt.Sprintf("%d of %d series of known conventions were not looked at, to keep the number of queries down", lost, len(questions)),
			Hint:   "name the services that matter with --service, or use a baseline that adjoins the window",
		})
	}
	return questions[:allowed]
}

// adjoining reports whether one range query can cover baseline and window.
func (w *walk) adjoining() bool {
	base, now := w.question.Baseline, w.question.Window
	return base.To.Equal(now.From) && base.Duration() <= 4*now.Duration()
}

// rateWindow is how far back each rate looks: four collections, so that one that is
// late or lost leaves no hole, but not so far that a short window shows nothing but
// its own beginning.
func rateWindow(window, interval time.Duration) time.Duration {
	interval = max(interval.Round(time.Second), time.Second)
	return max(niceStep(window/pointsPerWindow), min(4*interval, max(2*interval, window/2)))
}

// measure asks all questions and judges the answers.
func (w *walk) measure(ctx context.Context, questions []survey.Question) {
	var group errgroup.Group
	results := make([][]measured, len(questions))
	for i := range questions {
		group.Go(func() error {
			read := w.rangeBoth
			if w.sparse(&questions[i]) {
				read = w.rangeSparse
			}
			baseline, window, asked, err := read(ctx, questions[i].Query(w.over))
			if err != nil {
				w.failed(sources.Prometheus, "a series was not looked at", err)
				return nil
			}
			results[i] = w.judge(&questions[i], baseline, window, asked)
			if w.sparse(&questions[i]) {
				judgeByPeers(results[i])
			}
			return nil
		})
	}
	var beside [2][]sources.Series
	group.Go(func() (err error) {
		if beside[0], beside[1], w.beside, err = w.rangeBoth(ctx, w.besideQuery(questions)); err != nil {
			w.failed(sources.Prometheus, "whether targets are down, and what clients do wrong, was not looked at", err)
		}
		return nil
	})
	group.Go(func() error {
		w.measureAlert(ctx)
		return nil
	})
	_ = group.Wait() // failures are noted where they occur
	w.measured = slices.Concat(results...)
	w.dropChance(ctx)
	w.judgeVanished()
	refused, _ := refusedQuestions(questions)
	parts := partsOf(beside, besideRefused+len(refused))
	w.judgeTargets(ctx, parts)
	w.noteRefused(parts, questions)
}

// ranged is the time over which a range query is sent, and its step.
type ranged struct {
	over sources.Window
	step time.Duration
}

// bothSides is where baseline and window are read: the same, where one query covers both.
type bothSides struct{ baseline, window ranged }

// bothSides is how the walk asks for baseline and window.
func (w *walk) bothSides() bothSides {
	base, now := w.question.Baseline, w.question.Window
	side := func(of, over sources.Window) ranged {
		step := surveyStep(of)
		return ranged{over: aligned(over, step), step: step}
	}
	if w.adjoining() {
		one := side(now, base.Union(now))
		return bothSides{baseline: one, window: one}
	}
	return bothSides{baseline: side(base, base), window: side(now, now)}
}

// rangeBoth evaluates a query over baseline and window: in one query where they adjoin.
func (w *walk) rangeBoth(ctx context.Context, query string) (baseline, window []sources.Series, asked bothSides, err error) {
	asked = w.bothSides()
	if asked.baseline == asked.window {
		answer, err := w.set.Metrics.Range(ctx, query, asked.window.over, asked.window.step)
		if err != nil {
			return nil, nil, asked, err
		}
		return within(answer.Series, w.question.Baseline), within(answer.Series, w.question.Window), asked, nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		answer, err := w.set.Metrics.Range(ctx, query, asked.window.over, asked.window.step)
		window = within(answer.Series, w.question.Window)
		return err
	})
	group.Go(func() error {
		answer, err := w.set.Metrics.Range(ctx, query, asked.baseline.over, asked.baseline.step)
		baseline = within(answer.Series, w.question.Baseline)
		return err
	})
	err = group.Wait() // before the results are read
	return baseline, window, asked, err
}

// evidence is the query as it was asked over both sides: once where that covered both.
func (s *bothSides) evidence(metrics sources.Metrics, query string, baseline, window Value) []Evidence {
	over := func(r ranged, values ...Value) Evidence {
		return Evidence{
			Backend: sources.Prometheus, Query: query, Window: r.over, StepSeconds: r.step.Seconds(), Values: values,
			URL: metrics.Link(query, r.over),
		}
	}
	if s.baseline == s.window {
		return []Evidence{over(s.window, baseline, window)}
	}
	return []Evidence{over(s.window, window), over(s.baseline, baseline)}
}

// aligned moves a window's start to a multiple of step, as Grafana's and a subquery's
// samples are, so that a repeated query reads the same samples.
func aligned(w sources.Window, step time.Duration) sources.Window {
	return sources.Window{From: w.From.Truncate(step), To: w.To}
}

// within keeps the samples in (w.From, w.To]: a sample speaks of the time before it.
func within(series []sources.Series, w sources.Window) []sources.Series {
	kept := make([]sources.Series, 0, len(series))
	for _, s := range series {
		var samples []sources.Sample
		for _, sample := range s.Samples {
			if sample.Time.After(w.From) && !sample.Time.After(w.To) {
				samples = append(samples, sample)
			}
		}
		if len(samples) > 0 {
			kept = append(kept, sources.Series{Labels: s.Labels, Samples: samples})
		}
	}
	return kept
}

// judge pairs the series of both sides by their labels and compares each pair.
func (w *walk) judge(q *survey.Question, baseline, window []sources.Series, asked bothSides) []measured {
	before := make(map[string][]sources.Sample, len(baseline))
	labels := map[string]sources.Labels{}
	for _, s := range baseline {
		before[s.Labels.String()], labels[s.Labels.String()] = s.Samples, s.Labels
	}
	now := make(map[string][]sources.Sample, len(window))
	for _, s := range window {
		now[s.Labels.String()], labels[s.Labels.String()] = s.Samples, s.Labels
	}
	var all []measured
	for key, set := range labels {
		if set[q.ServiceLabel] == "" {
			continue
		}
		m := measured{
			service: w.names.of(set[q.ServiceLabel]), question: q, labels: set, asked: asked,
			departure: anomaly.Compare(before[key], now[key], limits[q.Signal]),
			query:     q.For(set, w.over),
		}
		m.last, m.means = lastOf(before[key], now[key]), sideMeans(before[key], now[key])
		if m.departure.Anomalous || !m.departure.Compared || w.absent(&m) {
			m.series = asked.stretches(before[key], now[key])
		}
		all = append(all, m)
	}
	all = receivedOnly(q, all)
	slices.SortFunc(all, func(a, b measured) int { return cmp.Compare(a.query, b.query) })
	return all
}

// lastOf is when the last of the samples was, zero of none.
func lastOf(baseline, window []sources.Sample) time.Time {
	for _, samples := range [][]sources.Sample{window, baseline} {
		for _, s := range slices.Backward(samples) {
			if !math.IsNaN(s.Value) {
				return s.Time
			}
		}
	}
	return time.Time{}
}

// receivedOnly leaves of each service the series of requests that it received. A
// service that receives none, such as a database seen by its clients alone, keeps the
// series that says most about its own work.
func receivedOnly(q *survey.Question, all []measured) []measured {
	if q.KindLabel == "" {
		return all
	}
	best := map[string]int{}
	for _, m := range all {
		rank := kindRank(q, m.labels[q.KindLabel])
		if known, ok := best[m.service]; !ok || rank < known {
			best[m.service] = rank
		}
	}
	return slices.DeleteFunc(all, func(m measured) bool {
		return kindRank(q, m.labels[q.KindLabel]) != best[m.service]
	})
}

func kindRank(q *survey.Question, kind string) int {
	if slices.Contains(q.Received, kind) {
		return 0
	}
	order := []string{"SPAN_KIND_INTERNAL", "SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER"}
	if i := slices.Index(order, kind); i >= 0 {
		return 1 + i
	}
	return 1 + len(order)
}

// compared is how many series could be compared.
func (w *walk) compared() int {
	n := 0
	for i := range w.measured {
		if w.measured[i].departure.Compared {
			n++
		}
	}
	return n
}

// services are those of which something could be compared.
func (w *walk) services() []string {
	seen := map[string]bool{}
	var names []string
	for _, m := range w.measured {
		if m.departure.Compared && !seen[m.service] {
			seen[m.service] = true
			names = append(names, m.service)
		}
	}
	slices.Sort(names)
	return names
}

func labelsOf(series []sources.Series) []sources.Labels {
	all := make([]sources.Labels, len(series))
	for i, s := range series {
		all[i] = s.Labels
	}
	return all
}
