package doctor

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"obs/correlate"
	"obs/correlate/survey"
	"obs/sources"
)

// signals are what the metrics tell of a service.
type signals struct {
	rate, errors, duration bool
	exact                  bool // by a convention that is known, not by names that suggest it
	requests               float64
}

// found is an exemplar that names a trace.
type found struct {
	service string // as the metric calls it
	id      sources.TraceID
	at      time.Time
	seconds float64 // how long its request took; 0 of one that is no duration
}

// Kinds of findings about metrics.
const (
	KindNoMetrics  = "metrics.none"
	KindNoDuration = "metrics.no_duration"
	KindNoErrors   = "metrics.no_errors"
	KindGuessed    = "metrics.guessed"
)

// What may be said of a hop to a metric that is there.
const (
	noRate     = "no rate"
	noDuration = "no duration"
	guessed    = "guessed from the metrics' names"
)

// perQuery is how many questions are put in one query: few enough that a server which bounds
// what one query reads still answers.
const perQuery = 6

// readMetrics finds out which services the metrics tell of, and their exemplars.
func (e *exam) readMetrics(ctx context.Context) {
	if !e.answers(sources.Prometheus) {
		return
	}
	x := correlate.NewExplorer(e.set, correlate.Question{
		Window: e.options.Window, Baseline: e.options.Window, Services: e.options.Services, Names: e.options.Names,
	})
	questions, over, missing := x.Questions(ctx)
	e.questions, e.over = questions, over
	for _, m := range missing {
		e.mu.Lock()
		e.miss(m)
		e.mu.Unlock()
	}
	at := e.options.Window.To
	for part := range slices.Chunk(questions, perQuery) {
		texts := make([]string, len(part))
		for i := range part {
			texts[i] = part[i].Query(over)
		}
		answer, err := e.set.Metrics.Instant(ctx, survey.Together(texts), at)
		if err != nil {
			e.failed(sources.Prometheus, "some metrics were not looked at", err)
			continue
		}
		for i, series := range survey.Apart(answer.Series, len(part)) {
			e.takeSeries(&part[i], series)
		}
	}
	answer, err := e.set.Metrics.Instant(ctx, "max(timestamp("+e.known()+"))", at)
	if err != nil {
		e.failed(sources.Prometheus, "when the newest sample came was not looked at", err)
	}
	for _, s := range answer.Series {
		for _, sample := range s.Samples {
			e.sees(sources.Prometheus, time.Unix(0, int64(sample.Value*1e9)))
		}
	}
	e.readExemplars(ctx)
}

func (e *exam) takeSeries(q *survey.Question, series []sources.Series) {
	for _, s := range series {
		name := s.Labels[q.ServiceLabel]
		if name == "" {
			continue
		}
		known := e.metric[name]
		if known == nil {
			known = &signals{}
			e.metric[name] = known
		}
		known.exact = known.exact || q.Exact
		switch q.Signal {
		case survey.Traffic:
			known.rate = true
			if n := len(s.Samples); n > 0 && s.Samples[n-1].Value > 0 { // NaN is not
				known.requests = max(known.requests, s.Samples[n-1].Value)
			}
		case survey.Errors:
			known.errors = true
		case survey.Latency:
			known.duration = true
			if _, counts := q.Counted(); counts {
				known.rate = true
			}
		case survey.Saturation, survey.Availability, survey.Other:
		}
	}
}

// known selects what is known to be there: the metrics of requests, or where there are none
// whatever a scrape or an OTLP endpoint brings by itself.
func (e *exam) known() string {
	names := map[string]bool{}
	for i := range e.questions {
		if e.questions[i].Signal == survey.Traffic {
			names[e.questions[i].Metric] = true
		}
	}
	if len(names) == 0 {
		return `{__name__=~"up|target_info|.+_count|.+_total"}`
	}
	return sources.Selector{sources.AnyOf("__name__", slices.Sorted(maps.Keys(names))...)}.String()
}

// readExemplars asks for all exemplars of the metrics of requests in one question.
func (e *exam) readExemplars(ctx context.Context) {
	about := map[string]*survey.Question{} // by metric, that of durations first
	for i := range e.questions {
		if q := &e.questions[i]; q.Metric != "" && q.Exact && (about[q.Metric] == nil || q.Signal == survey.Latency) {
			about[q.Metric] = q
		}
	}
	e.metered = slices.Sorted(maps.Keys(about))
	if len(e.metered) == 0 {
		return
	}
	e.asked = sources.Selector{sources.AnyOf("__name__", e.metered...)}.String()
	all, err := e.set.Metrics.Exemplars(ctx, e.asked, e.options.Window)
	if err != nil {
		e.failed(sources.Prometheus, "exemplars were not looked at", err)
		return
	}
	for _, one := range all {
		id, ok := one.TraceID()
		q := about[one.Series["__name__"]]
		if !ok || q == nil || one.Series[q.ServiceLabel] == "" {
			continue
		}
		kept := found{service: one.Series[q.ServiceLabel], id: id, at: one.Time}
		if s := q.Seconds(one.Value); q.Signal == survey.Latency && s > 0 && !math.IsInf(s, 0) {
			kept.seconds = s
		}
		e.exemplars = append(e.exemplars, kept)
	}
}

// quiet reports whether the metrics count the service's requests, and none came.
func (r *row) quiet() bool { return r.signals.rate && r.signals.requests == 0 }

// judgeMetric says how well the metrics tell of a service's requests, and of its failures.
func (e *exam) judgeMetric(r *row) {
	if !e.answers(sources.Prometheus) {
		r.Hops.Metric = Hop{Unknown, e.silent(sources.Prometheus)}
		r.Hops.Errors = r.Hops.Metric
		return
	}
	switch {
	case !r.signals.rate && !r.signals.duration:
		r.Hops.Metric = Hop{Broken, "no metric of its requests"}
	case !r.signals.rate:
		r.Hops.Metric = Hop{Weak, noRate}
	case !r.signals.duration:
		r.Hops.Metric = Hop{Weak, noDuration}
	case !r.signals.exact:
		r.Hops.Metric = Hop{Weak, guessed}
	default:
		r.Hops.Metric = Hop{OK, "rate and duration"}
	}
	switch {
	case r.signals.errors:
		r.Hops.Errors = Hop{OK, "by a metric"}
	case r.quiet():
		r.Hops.Errors = Hop{Unknown, "no request came that could fail"}
	case r.spans > 0:
		r.Hops.Errors = Hop{Weak, "only by the status of spans"}
	case !e.answers(e.tracer):
		r.Hops.Errors = Hop{Unknown, "no metric tells, and " + e.silent(e.tracer)}
	default:
		r.Hops.Errors = Hop{Broken, "neither metric nor span tells"}
	}
}

// findMetrics gathers what the metrics lack, over all services.
func (e *exam) findMetrics() {
	if !e.arrives(sources.Prometheus) {
		return
	}
	e.findOver(KindNoMetrics, Broken, func(r *row) bool { return r.Hops.Metric.Grade == Broken }, func(services []string) Finding {
		return Finding{
			Statement: fmt.Sprintf("%s: no metric counts or times requests, so that nothing tells when they slow down or fail", list(services)),
			Evidence:  e.metricsEvidence(),
			Mends:     []Mend{mendSpanMetrics},
		}
	})
	for _, lack := range []struct{ kind, text, statement string }{
		{KindNoDuration, noRate, "the metrics time requests, and do not count them"},
		{KindNoDuration, noDuration, "the metrics count requests, and do not time them"},
		{KindGuessed, guessed, "metrics that follow no convention are taken for those of requests, by their names"},
	} {
		e.findOver(lack.kind, Weak, func(r *row) bool { return r.Hops.Metric.Text == lack.text }, func(services []string) Finding {
			return Finding{
				Statement: fmt.Sprintf("%s: %s", list(services), lack.statement),
				Evidence:  e.metricsEvidence(),
				Mends:     []Mend{mendSpanMetrics},
			}
		})
	}
	e.findOver(KindNoErrors, Weak, func(r *row) bool { return r.signals.requests > 0 && !r.signals.errors }, func(services []string) Finding {
		return Finding{
			Statement: fmt.Sprintf("%s: the metrics of requests have no label that tells failures from successes", list(services)),
			Evidence:  e.metricsEvidence(),
			Mends:     []Mend{mendSpanMetrics},
		}
	})
}

func (e *exam) metricsEvidence() []correlate.Evidence {
	return []correlate.Evidence{{Backend: sources.Prometheus, Query: "count by (__name__, job) (" + e.known() + ")", Window: e.options.Window}}
}

// list names services, a few of many.
func list(services []string) string {
	const shown = 6
	if len(services) > shown {
		return fmt.Sprintf("%s and %d more", strings.Join(services[:shown], ", "), len(services)-shown)
	}
	return strings.Join(services, ", ")
}
