package correlate

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"obs/correlate/spans"
	"obs/correlate/survey"
	"obs/sources"
)

// toTrace walks from the anomaly to a trace that shows it and to the span that is to
// blame. Without an anomaly from metrics it looks for one among the traces, if metrics
// could not be asked. It returns the anomaly that was walked from, nil without one.
func (w *walk) toTrace(ctx context.Context, primary *measured) *measured {
	if ctx.Err() != nil {
		return primary
	}
	primary, exemplars := w.approach(ctx, primary)
	if w.set.Traces == nil {
		w.found.notConfigured(w.set.TraceBackend(), "no trace was looked at")
		w.trustExemplar(exemplars, w.set.TraceBackend().Name()+" is not configured")
		return primary
	}
	if primary == nil {
		if w.compared() == 0 {
			return w.surveyTraces(ctx)
		}
		return nil
	}
	step := w.begin("trace", "looking for a trace that shows it")
	chosen, err := w.findTrace(ctx, primary, exemplars)
	if err == nil && chosen != nil {
		if caller := w.departingCaller(primary, chosen); caller != nil {
			// What users feel is the caller's trouble: walk from there.
			w.promote(caller)
			primary, exemplars = w.approach(ctx, caller)
			chosen, err = w.findTrace(ctx, primary, exemplars)
		}
	}
	switch {
	case err != nil:
		w.failed(w.set.TraceBackend(), "no trace was looked at", err)
		w.trustExemplar(exemplars, w.set.TraceBackend().Name()+" did not answer")
		step.failed(w.set.TraceBackend().Name() + " gave no answer")
	case chosen == nil && (primary.question.Signal == survey.Availability || !primary.last.IsZero() && primary.departure.Window == 0 && primary.said != ""):
		step.ended("none found") // what is down, or is not called, has none
	case chosen == nil:
		w.found.missing(Missing{
			Backend: w.set.TraceBackend(), Kind: MissingNoData,
			Reason: fmt.Sprintf("it holds no trace of %s in %s", primary.service, w.question.Window),
			Hint:   "its spans may not be sampled, may have expired, or may carry another service name",
		})
		step.ended("none found")
	default:
		w.blame(primary, chosen)
		step.ended(fmt.Sprintf("%s, %s", chosen.Trace.ID, counted(len(chosen.Nodes), "span")))
	}
	return primary
}

// approach prepares the step to a trace: the operation that moved, and its exemplars.
// Where an exemplar's trace shows that a caller departs too, the walk goes on from there.
func (w *walk) approach(ctx context.Context, primary *measured) (*measured, []exemplar) {
	if primary == nil || !primary.question.Exact {
		return primary, nil
	}
	kept := w.exemplars(ctx, primary)
	if caller := w.callerByExemplar(ctx, primary, fitting(kept, primary)); caller != nil {
		w.promote(caller)
		primary = caller
		kept = w.exemplars(ctx, primary)
	}
	w.narrow(ctx, primary)
	return primary, fitting(kept, primary)
}

// departingCaller is the anomaly of the same signal nearest to the trace's root, among
// the services that called the one walked from; nil when none of them departs. Metrics
// alone cannot tell caller from callee: both got slower, by about the same.
func (w *walk) departingCaller(primary *measured, tree *spans.Tree) *measured {
	var caller *measured
	for i := range tree.Nodes {
		if !sameService(tree.Span(i).Service, primary.service) {
			continue
		}
		for at := tree.Nodes[i].Parent; at != spans.None; at = tree.Nodes[at].Parent {
			service := tree.Span(at).Service
			if sameService(service, primary.service) {
				continue
			}
			for j := range w.measured {
				m := &w.measured[j]
				if m.departure.Anomalous && m.question.Exact && m.question.Signal == primary.question.Signal && sameService(m.service, service) {
					caller = m.standing()
				}
			}
		}
		if caller != nil {
			return caller
		}
	}
	return nil
}

// promote puts an anomaly first in the case, and forgets the hops from another one.
func (w *walk) promote(m *measured) {
	w.found.Hops = w.found.Hops[:0]
	w.trees, w.failure = cohorts{}, nil
	i := slices.IndexFunc(w.found.Anomalies, func(a Anomaly) bool {
		return a.Service == m.service && a.Signal == string(m.question.Signal) && !a.Guessed
	})
	if i > 0 {
		first := w.found.Anomalies[i]
		w.found.Anomalies = slices.Insert(slices.Delete(w.found.Anomalies, i, i+1), 0, first)
	}
}

// narrow finds the operation that moved most, and puts it into the anomaly.
func (w *walk) narrow(ctx context.Context, primary *measured) {
	q := primary.question
	selector := q.Selector(primary.labels)
	if selector == "" || len(q.Operations) == 0 {
		return
	}
	sets, err := w.set.Metrics.Series(ctx, []string{selector}, w.question.Window, 500)
	if err == nil && len(sets) == 0 {
		sets, err = w.set.Metrics.Series(ctx, []string{selector}, sources.Window{}, 500) // see questions
	}
	if err != nil {
		w.failed(sources.Prometheus, "the operation was not looked for", err)
		return
	}
	label := ""
	for _, candidate := range q.Operations {
		if slices.ContainsFunc(sets, func(s sources.Labels) bool { return s[candidate] != "" }) {
			label = candidate
			break
		}
	}
	if label == "" {
		return
	}
	baseline, window, asked, err := w.rangeBoth(ctx, q.For(primary.labels, w.over, label))
	if err != nil {
		w.failed(sources.Prometheus, "the operation was not looked for", err)
		return
	}
	var worst *measured
	for _, m := range w.judge(q, baseline, window, asked) {
		m.operation = m.labels[label]
		if m.operation != "" && m.departure.Anomalous && (worst == nil || gain(&m) > gain(worst)) {
			worst = &m
		}
	}
	if worst == nil {
		return
	}
	worst.service = primary.service
	*primary = *worst
	a := &w.found.Anomalies[0]
	a.Operation, a.Score, a.Onset = worst.operation, worst.departure.Score, worst.departure.Onset.UTC()
	a.BaselineValue, a.WindowValue, a.Series = worst.departure.Baseline, worst.departure.Window, worst.series
	a.Findings = append(a.Findings, w.found.AddFinding(describe(a), w.evidenceOf(worst, sinceOnset)...))
}

func gain(m *measured) float64 { return math.Abs(m.departure.Window - m.departure.Baseline) }

// threshold tells slow from normal, in seconds: halfway between the two on a
// logarithmic scale, as latencies spread.
func threshold(m *measured) float64 {
	return between(m.departure.Baseline, m.departure.Window)
}

// between is the middle of two values on a logarithmic scale.
func between(baseline, window float64) float64 {
	if baseline <= 0 {
		return window / 2
	}
	return math.Sqrt(baseline * window)
}

// findTrace fetches the trace to look at and the cohorts to compare it with. Nil
// without an error means that there is none.
func (w *walk) findTrace(ctx context.Context, primary *measured, exemplars []exemplar) (*spans.Tree, error) {
	chosen, err := w.checkExemplars(ctx, primary, exemplars)
	if err != nil {
		return nil, err
	}
	if chosen != nil && w.departingCaller(primary, chosen) != nil {
		return chosen, nil // the walk will start again from there
	}
	service, err := w.tracedName(ctx, primary.service)
	switch {
	case err != nil:
	case service == "":
		return chosen, nil
	case primary.question.Signal == survey.Errors:
		w.trees.slow, err = w.searchFailing(ctx, service, primary)
		if w.failure != nil {
			w.searched(w.failure.query)
			w.trees.slowAsked = []sources.TraceQuery{w.failure.query}
		}
	default:
		err = w.searchCohorts(ctx, service, primary)
	}
	if err != nil {
		// A trace that an exemplar led to is worth showing without its cohort.
		if chosen != nil {
			w.failed(w.set.TraceBackend(), "it was not compared with other traces", err)
			return chosen, nil
		}
		return nil, err
	}
	if chosen != nil {
		return chosen, nil
	}
	return w.pickFromCohort(primary, service), nil
}

// tracedName is the name under which traces have a service; empty when it does not.
func (w *walk) tracedName(ctx context.Context, service string) (string, error) {
	if w.traced == nil {
		names, err := w.set.Traces.Services(ctx)
		if err != nil {
			return "", err
		}
		w.traced = names
	}
	names := w.traced
	for _, name := range names {
		if name == service {
			return name, nil
		}
	}
	for _, name := range names {
		if sameService(name, service) {
			return name, nil
		}
	}
	return "", nil
}

// sameService reports whether two signals mean the same service: Prometheus's job of
// an OpenTelemetry service is namespace/name.
func sameService(a, b string) bool {
	return strings.EqualFold(a[strings.LastIndexByte(a, '/')+1:], b[strings.LastIndexByte(b, '/')+1:])
}

// searchCohorts fetches slow traces of the window and normal ones of the baseline.
func (w *walk) searchCohorts(ctx context.Context, service string, primary *measured) error {
	slow := sources.TraceQuery{Service: service, Operation: primary.operation, Window: w.question.Window, Limit: cohortSize}
	normal := slow
	normal.Window = w.question.Baseline
	if primary.question.Signal == survey.Latency {
		slow.MinDuration = seconds(threshold(primary))
		normal.MaxDuration = slow.MinDuration
	}
	slowTrees, err := w.searchTrees(ctx, slow)
	if err == nil && len(slowTrees) == 0 && slow.Operation != "" {
		// A metric's route is not always a span's name.
		slow.Operation, normal.Operation = "", ""
		slowTrees, err = w.searchTrees(ctx, slow)
	}
	if err != nil {
		return err
	}
	normalTrees, err := w.searchTrees(ctx, normal)
	if err != nil {
		return err
	}
	w.trees = cohorts{
		slow: slowTrees, normal: sameEntry(normalTrees, slowTrees),
		slowAsked: []sources.TraceQuery{slow}, normalAsked: []sources.TraceQuery{normal},
	}
	w.searched(slow)
	return nil
}

// sameEntry keeps the trees that came in by the same operation as most of the others:
// a comparison of different requests would say nothing.
func sameEntry(trees, others []*spans.Tree) []*spans.Tree {
	counts := map[spans.Key]int{}
	var most spans.Key
	for _, t := range others {
		if t.Main == spans.None {
			continue
		}
		key := spans.KeyOf(t.Span(t.Main))
		counts[key]++
		if counts[key] > counts[most] {
			most = key
		}
	}
	if len(counts) == 0 {
		return trees
	}
	return slices.DeleteFunc(slices.Clone(trees), func(t *spans.Tree) bool {
		return t.Main == spans.None || spans.KeyOf(t.Span(t.Main)) != most
	})
}

func (w *walk) searchTrees(ctx context.Context, q sources.TraceQuery) ([]*spans.Tree, error) {
	answer, err := w.set.Traces.Search(ctx, q)
	if err != nil {
		return nil, err
	}
	trees := make([]*spans.Tree, 0, len(answer.Traces))
	for i := range answer.Traces {
		if len(answer.Traces[i].Spans) > 0 {
			trees = append(trees, spans.Build(&answer.Traces[i]))
		}
	}
	return trees, nil
}

// searched remembers the search as the evidence for a hop by service and time.
func (w *walk) searched(q sources.TraceQuery) { w.lastSearch = q }

// pickFromCohort takes the trace whose span of the service is nearest to what is
// typical of the anomaly.
func (w *walk) pickFromCohort(primary *measured, service string) *spans.Tree {
	typical := primary.departure.Window
	distance := func(t *spans.Tree) float64 {
		if primary.question.Signal != survey.Latency {
			return 0 // the most recent one, which comes first
		}
		best := math.Inf(1)
		for i := range t.Trace.Spans {
			if s := &t.Trace.Spans[i]; s.Service == service {
				best = min(best, math.Abs(s.Duration.Seconds()-typical))
			}
		}
		return best
	}
	var chosen *spans.Tree
	for _, t := range w.trees.slow {
		if chosen == nil || distance(t) < distance(chosen) {
			chosen = t
		}
	}
	if chosen != nil {
		note := "no exemplar led to it: same service and window"
		switch primary.question.Signal {
		case survey.Latency:
			note = "no exemplar led to it: same service, window and duration"
		case survey.Errors:
			note = "no exemplar led to it: same service and window, and it fails"
		}
		w.addSearchHop(chosen, note)
	}
	return chosen
}

func (w *walk) addSearchHop(chosen *spans.Tree, note string) {
	w.found.Hops = append(w.found.Hops, Hop{
		From: "anomaly", To: "trace", Join: ByServiceTime, ID: string(chosen.Trace.ID), Note: note,
		Evidence: &Evidence{
			Backend: w.set.TraceBackend(), Query: traceQuery(w.set.Traces, w.lastSearch), Window: w.lastSearch.Window,
			URL: w.set.Traces.SearchLink(w.lastSearch),
		},
	})
}

// blame finds the span where the time or the error is, and keeps the trace.
func (w *walk) blame(primary *measured, chosen *spans.Tree) {
	w.tree = chosen
	span, note := spans.None, "on the critical path of the trace"
	if primary != nil && primary.question.Signal == survey.Errors {
		if span = chosen.ErrorOrigin(); span != spans.None {
			note = "where the trace begins to fail"
		}
	}
	slow := w.trees.slow
	if !slices.ContainsFunc(slow, func(t *spans.Tree) bool { return t.Trace.ID == chosen.Trace.ID }) {
		slow = append(slices.Clone(slow), chosen)
	}
	w.trees.slow = slow
	// Where requests fail or stay away, the time of those that are left points at nobody.
	if primary == nil || (primary.question.Signal != survey.Errors && primary.question.Signal != survey.Traffic) {
		w.shares = spans.Compare(slow, w.trees.normal)
	}
	if span == spans.None {
		for _, share := range w.shares {
			if span = chosen.Longest(share.Key); span != spans.None {
				break
			}
		}
	}
	w.blamed = span
	trace := FromTree(chosen)
	trace.URL = w.set.Traces.Link(chosen.Trace.ID, "")
	if span != spans.None {
		trace.Blamed = chosen.Span(span).ID
		w.found.Hops = append(w.found.Hops, Hop{
			From: "trace", To: "span", Join: BySpanID, ID: string(trace.Blamed), Note: note,
			Evidence: &Evidence{
				Backend: w.set.TraceBackend(), Query: "trace " + string(chosen.Trace.ID),
				Window: chosen.Trace.Window(), URL: w.set.Traces.Link(chosen.Trace.ID, trace.Blamed),
			},
		})
	}
	w.found.Trace = &trace
	w.keepCohorts(primary, chosen.Trace.ID, w.trees.normal)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
