package correlate

import (
	"cmp"
	"context"
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

// Bounds of what is asked and shown of one metric. Each keeps an answer to what a screen
// can show; none is about any system.
const (
	locateTries  = 3    // metrics that may cover a subject, of which series are listed
	listedSeries = 1000 // label sets from which labels to split by are read
	leastSplit   = 2    // values of a label that is worth splitting by
	mostSplit    = 50
	shownParts   = 12
	exemplarsMax = 50 // points, half of which are the slowest
)

// located is a metric narrowed to a subject.
type located struct {
	question *survey.Question
	service  string
	labels   sources.Labels // that narrow the question to the subject
	sets     []sources.Labels
	over     time.Duration // the window of rates
}

// query is the located metric in PromQL, split by more labels.
func (l *located) query(by ...string) string { return l.question.For(l.labels, l.over, by...) }

// metric is the name that is read.
func (l *located) metric() string { return cmp.Or(l.question.Metric, l.labels["__name__"]) }

// walk is one that asks this explorer's question, with a case of its own.
func (x *Explorer) walk(over time.Duration) *walk {
	w := newWalk(x.set, x.question, nil)
	w.over = over
	return w
}

// settled is the subject with its signal named, and its service by its canonical name.
func (x *Explorer) settled(about Subject) Subject {
	about.Service = x.names.of(about.Service)
	about.Signal = cmp.Or(about.Signal, string(survey.Latency))
	return about
}

// Metric is the metric that covers a subject, over baseline and window.
func (x *Explorer) Metric(ctx context.Context, about Subject) *MetricView {
	about = x.settled(about)
	note := &gaps{}
	view := &MetricView{
		Subject: about, Samples: []sources.Sample{}, Exemplars: []ExemplarPoint{}, Changes: []Change{}, SplitBy: []string{}, Missing: []Missing{},
	}
	if x.saved != nil {
		x.saved.fillMetric(view)
		return view
	}
	if at := x.locate(ctx, about, "", note); at != nil {
		view.Metric, view.Unit, view.Query = at.metric(), at.question.Unit, at.query()
		view.URL = x.set.Metrics.Link(view.Query, x.whole())
		view.SplitBy = at.splits()
		var group errgroup.Group
		group.Go(func() error { x.read(ctx, at, view, note); return nil })
		group.Go(func() error { view.Exemplars = x.exemplarPoints(ctx, at, note); return nil })
		group.Go(func() error { view.Changes = x.changes(ctx, about.Service, note); return nil })
		_ = group.Wait() // failures are noted where they occur
	}
	note.ended(ctx)
	view.Missing = note.all()
	return view
}

// whole is baseline and window where one query covers both, else the window.
func (x *Explorer) whole() sources.Window {
	if x.walk(0).adjoining() {
		return x.question.Window.Union(x.question.Baseline)
	}
	return x.question.Window
}

// locate finds the metric that covers the subject, and notes where there is none. Of
// several it takes the first that has the label, where one is named.
func (x *Explorer) locate(ctx context.Context, about Subject, label string, note *gaps) *located {
	if x.set.Metrics == nil {
		note.notConfigured(sources.Prometheus, "no metric was looked at")
		return nil
	}
	known := x.surveyedMetrics(ctx, note)
	candidates := seriesOf(known.measured, about)
	var first *located
	for _, m := range candidates[:min(len(candidates), locateTries)] {
		at := &located{question: m.question, service: m.service, labels: seriesLabels(m), over: known.over}
		if !x.narrowed(ctx, at, about.Operation, note) {
			continue
		}
		if label == "" || slices.ContainsFunc(at.sets, func(set sources.Labels) bool { return set[label] != "" }) {
			return at
		}
		if first == nil {
			first = at
		}
	}
	if first == nil && !note.unanswered(sources.Prometheus) {
		note.take([]Missing{nothingCovers(about, len(candidates) > 0)})
	}
	return first
}

// narrowed lists the series behind a metric and narrows it to an operation. It reports
// whether the metric tells of the operation.
func (x *Explorer) narrowed(ctx context.Context, at *located, operation string, note *gaps) bool {
	var err error
	if at.sets, err = x.rawSeries(ctx, at); err != nil {
		note.failed(sources.Prometheus, "the labels of "+at.metric()+" were not looked at", err)
	}
	if operation == "" {
		return true
	}
	more := at.question.Narrow(at.sets, operation)
	maps.Copy(at.labels, more)
	at.sets = slices.DeleteFunc(at.sets, func(set sources.Labels) bool { return !holds(set, more) })
	return more != nil
}

// unanswered reports whether a question to the backend was left without an answer.
func (g *gaps) unanswered(backend sources.Backend) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.c.unanswered(backend)
}

func nothingCovers(about Subject, service bool) Missing {
	m := Missing{
		Backend: sources.Prometheus, Kind: MissingNoData,
		Reason: fmt.Sprintf("no metric tells the %s of %s", about.Signal, about.Service),
		Hint:   "check the service's name and --service, or look at its traces",
	}
	if service {
		m.Reason += " by operation " + about.Operation
		m.Hint = "its metrics may name the operation otherwise, or not at all: ask for the whole service, or look at its traces"
	}
	return m
}

// seriesOf are the surveyed series of the subject's service and signal, the most telling
// first: of known conventions before guesses, received requests before sent ones.
func seriesOf(all []measured, about Subject) []*measured {
	var found []*measured
	for i := range all {
		if m := &all[i]; string(m.question.Signal) == about.Signal && sameService(m.service, about.Service) {
			found = append(found, m)
		}
	}
	last := func(yes bool) int {
		if yes {
			return 0
		}
		return 1
	}
	received := func(m *measured) int {
		if m.question.KindLabel == "" {
			return 0
		}
		kind := m.labels[m.question.KindLabel]
		if i := slices.Index(m.question.Received, kind); i >= 0 {
			return i
		}
		return len(m.question.Received) + kindRank(m.question, kind)
	}
	slices.SortStableFunc(found, func(a, b *measured) int {
		return cmp.Or(
			cmp.Compare(last(a.question.Exact), last(b.question.Exact)),
			cmp.Compare(last(a.service == about.Service), last(b.service == about.Service)),
			cmp.Compare(last(a.departure.Compared), last(b.departure.Compared)),
			cmp.Compare(received(a), received(b)),
		)
	})
	return found
}

// seriesLabels are the labels that select a whole service in a question's answer. A
// series that a triage has narrowed to an operation has more.
func seriesLabels(m *measured) sources.Labels {
	kept := sources.Labels{}
	for _, name := range []string{m.question.ServiceLabel, m.question.KindLabel, "__name__"} {
		if value := m.labels[name]; name != "" && value != "" {
			kept[name] = value
		}
	}
	return kept
}

func holds(set, labels sources.Labels) bool {
	for name, value := range labels {
		if set[name] != value {
			return false
		}
	}
	return true
}

// rawSeries lists some of the series behind a metric.
func (x *Explorer) rawSeries(ctx context.Context, at *located) ([]sources.Labels, error) {
	selector := at.question.Raw(at.labels)
	if selector == "" {
		return nil, nil
	}
	sets, err := x.set.Metrics.Series(ctx, []string{selector}, x.whole(), listedSeries)
	if err == nil && len(sets) == 0 {
		sets, err = x.set.Metrics.Series(ctx, []string{selector}, sources.Window{}, listedSeries) // see questions
	}
	return sets, err
}

// splits are the labels that have some values and not too many.
func (l *located) splits() []string {
	values := map[string]map[string]bool{}
	for _, set := range l.sets {
		for name, value := range set {
			if value == "" || l.labels[name] != "" {
				continue
			}
			if values[name] == nil {
				values[name] = map[string]bool{}
			}
			values[name][value] = true
		}
	}
	names := slices.DeleteFunc(slices.Collect(maps.Keys(values)), func(name string) bool {
		n := len(values[name])
		return n < leastSplit || n > mostSplit
	})
	return append([]string{}, survey.Splits(names)...)
}

// read fills in samples, band and anomaly.
func (x *Explorer) read(ctx context.Context, at *located, view *MetricView, note *gaps) {
	baseline, window, asked, err := x.walk(at.over).rangeBoth(ctx, view.Query)
	if err != nil {
		note.failed(sources.Prometheus, view.Metric+" was not read", err)
		return
	}
	before, now := samplesOf(baseline), samplesOf(window)
	view.StepSeconds = asked.window.step.Seconds()
	view.Samples = append(append(view.Samples, before...), now...)
	if len(view.Samples) == 0 {
		note.take([]Missing{{
			Backend: sources.Prometheus, Kind: MissingNoData,
			Reason: fmt.Sprintf("%s has no samples of %s in baseline and window", view.Metric, said(view.Subject)),
			Hint:   "there may have been no requests: look at the traffic, or ask for a longer window with --since",
		}})
		return
	}
	limit := limits[at.question.Signal]
	if low, high := anomaly.Usual(before, limit); !math.IsNaN(high) {
		view.Low, view.High = low, high
	}
	d := anomaly.Compare(before, now, limit)
	if !d.Anomalous {
		return
	}
	view.Anomaly = &Anomaly{
		Service: view.Subject.Service, Operation: view.Subject.Operation, Metric: view.Metric, Signal: view.Subject.Signal,
		Direction: string(d.Direction), Score: d.Score, Onset: d.Onset.UTC(), BaselineValue: d.Baseline, WindowValue: d.Window,
		Unit: view.Unit, Findings: []string{}, Guessed: !at.question.Exact,
	}
}

func said(about Subject) string { return strings.TrimSpace(about.Service + " " + about.Operation) }

// samplesOf are the numbers of an answer's first series: a quantile without traffic is
// none. An answer about one subject has one series.
func samplesOf(series []sources.Series) []sources.Sample {
	if len(series) == 0 {
		return nil
	}
	return numbers(series[0].Samples)
}

func numbers(samples []sources.Sample) []sources.Sample {
	return slices.DeleteFunc(slices.Clone(samples), func(s sources.Sample) bool {
		return math.IsNaN(s.Value) || math.IsInf(s.Value, 0)
	})
}

// exemplarPoints are exemplars of the window: the slowest, and of the others some that
// are spread over the window, so that a normal one is at hand too.
func (x *Explorer) exemplarPoints(ctx context.Context, at *located, note *gaps) []ExemplarPoint {
	points := []ExemplarPoint{}
	if at.question.Metric == "" {
		return points // only a histogram of one name has any
	}
	w := x.walk(at.over)
	found := w.exemplars(ctx, &measured{question: at.question, labels: at.labels, service: at.service})
	note.take(w.found.Missing)
	for _, e := range someExemplars(found) {
		operation, _ := e.series.First(at.question.Operations...)
		points = append(points, ExemplarPoint{Time: e.at.UTC(), Value: e.seconds, TraceID: e.id, Operation: operation})
	}
	return points
}

func someExemplars(all []exemplar) []exemplar {
	byTime := func(a, b exemplar) int { return a.at.Compare(b.at) }
	slices.SortStableFunc(all, byTime)
	if len(all) <= exemplarsMax {
		return all
	}
	slices.SortStableFunc(all, func(a, b exemplar) int { return cmp.Compare(b.seconds, a.seconds) })
	kept, others := slices.Clone(all[:exemplarsMax/2]), all[exemplarsMax/2:]
	slices.SortStableFunc(others, byTime)
	left := exemplarsMax - len(kept)
	for i := range left {
		kept = append(kept, others[i*len(others)/left])
	}
	slices.SortStableFunc(kept, byTime)
	return kept
}

// Split is the metric that covers a subject, split by a label.
func (x *Explorer) Split(ctx context.Context, about Subject, label string) *SplitView {
	about = x.settled(about)
	note := &gaps{}
	view := &SplitView{Subject: about, Label: label, Parts: []SplitPart{}}
	if at := x.locate(ctx, about, label, note); at != nil {
		view.Query = at.query(label)
		baseline, window, _, err := x.walk(at.over).rangeBoth(ctx, view.Query)
		if err != nil {
			note.failed(sources.Prometheus, at.metric()+" was not split by "+label, err)
		} else {
			view.Parts = x.parts(at, label, baseline, window, note)
		}
	}
	note.ended(ctx)
	view.Missing = note.all()
	return view
}

// split is a part of a metric with how far it departs.
type split struct {
	SplitPart
	departs float64 // robust standard deviations of the baseline
}

// parts are those of a split metric that depart most.
func (x *Explorer) parts(at *located, label string, baseline, window []sources.Series, note *gaps) []SplitPart {
	before, now := byLabel(baseline, label), byLabel(window, label)
	// A part that is new, as a version just deployed, is held against all that was before.
	all := slices.Concat(slices.Collect(maps.Values(before))...)
	limit := limits[at.question.Signal]
	values := maps.Clone(before)
	maps.Copy(values, now)
	var found []split
	for value := range values {
		if value == "" {
			continue
		}
		narrowed := maps.Clone(at.labels)
		narrowed[label] = value
		d := anomaly.Compare(before[value], now[value], limit)
		p := split{departs: d.Score, SplitPart: SplitPart{Value: value, Reading: Reading{
			Baseline: d.Baseline, Window: d.Window, Unit: at.question.Unit, Verdict: verdictOn(d), Direction: string(d.Direction),
			Query: at.question.For(narrowed, at.over), Samples: slices.Concat(before[value], now[value]),
		}}}
		if d.New {
			p.departs = anomaly.Compare(all, now[value], limit).Score
		}
		found = append(found, p)
	}
	if len(found) == 0 {
		note.take([]Missing{{
			Backend: sources.Prometheus, Kind: MissingNoData,
			Reason: fmt.Sprintf("no series of %s has the label %s", at.metric(), label),
			Hint:   "split by one of the labels that the metric has",
		}})
		return []SplitPart{}
	}
	slices.SortFunc(found, func(a, b split) int {
		return cmp.Or(
			cmp.Compare(unlike(a.Reading.Verdict), unlike(b.Reading.Verdict)),
			cmp.Compare(b.departs, a.departs),
			strings.Compare(a.Value, b.Value),
		)
	})
	if more := len(found) - shownParts; more > 0 {
		note.take([]Missing{{
			Backend: sources.Prometheus, Kind: MissingTruncated,
			Reason: fmt.Sprintf("%d of %d values of %s are left out: those that depart least", more, len(found), label),
			Hint:   "ask for the query itself to see all",
		}})
		found = found[:shownParts]
	}
	parts := make([]SplitPart, len(found))
	for i, p := range found {
		parts[i] = p.SplitPart
	}
	return parts
}

// unlike orders parts that depart for certain before all others.
func unlike(v Verdict) int {
	if v == Anomalous {
		return 0
	}
	return 1
}

func verdictOn(d anomaly.Departure) Verdict {
	switch {
	case d.Anomalous:
		return Anomalous
	case d.Compared:
		return Healthy
	}
	return Inconclusive
}

func byLabel(series []sources.Series, label string) map[string][]sources.Sample {
	all := make(map[string][]sources.Sample, len(series))
	for _, s := range series {
		all[s.Labels[label]] = numbers(s.Samples)
	}
	return all
}
