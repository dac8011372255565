package correlate

import (
	"context"
	"fmt"
	"slices"

	"obs/correlate/anomaly"
	"obs/correlate/spans"
	"obs/correlate/survey"
	"obs/sources"
)

// surveyTraces looks for slow requests among the traces alone: the durations of the
// same entry operation in window and baseline. What a backend returns is some recent
// traces, so this is a weak look, and is called one.
func (w *walk) surveyTraces(ctx context.Context) *measured {
	step := w.begin("traces", "comparing recent traces, as there are no metrics")
	s, err := w.sampleRequests(ctx)
	if err != nil {
		w.failed(w.set.TraceBackend(), "no trace was looked at", err)
		step.failed(w.set.TraceBackend().Name() + " gave no answer")
		return nil
	}
	now, before := s.window, s.baseline
	if s.limited && len(now) > 0 {
		w.found.missing(Missing{
			Backend: w.set.TraceBackend(), Kind: MissingTruncated,
			Reason: fmt.Sprintf("of %d services not all were looked at by which requests may come in", s.known),
			Hint:   "name the ones that matter with --service",
		})
	}
	w.found.Services = s.known
	primary := w.slowestEntry(now, before)
	if primary == nil {
		if len(now) == 0 {
			w.found.missing(Missing{
				Backend: w.set.TraceBackend(), Kind: MissingNoData, Reason: "it holds no trace in " + w.question.Window.String(),
				Hint: "check the window, or ask for a longer one with --since",
			})
		}
		step.ended(fmt.Sprintf("%s compared, none stands out", counted(len(now)+len(before), "trace")))
		return nil
	}
	step.ended(fmt.Sprintf("%s compared", counted(len(now)+len(before), "trace")))
	return primary
}

func distinct(trees []*spans.Tree) []*spans.Tree {
	seen := map[sources.TraceID]bool{}
	return slices.DeleteFunc(trees, func(t *spans.Tree) bool {
		again := seen[t.Trace.ID]
		seen[t.Trace.ID] = true
		return again || t.Main == spans.None
	})
}

// slowestEntry compares entry operations and walks on from the one that got slower by
// most, if any did.
func (w *walk) slowestEntry(now, before []*spans.Tree) *measured {
	samples := func(trees []*spans.Tree) map[spans.Key][]sources.Sample {
		byEntry := map[spans.Key][]sources.Sample{}
		for _, t := range trees {
			entry := t.Span(t.Main)
			byEntry[spans.KeyOf(entry)] = append(byEntry[spans.KeyOf(entry)],
				sources.Sample{Time: entry.Start, Value: entry.Duration.Seconds()})
		}
		return byEntry
	}
	was := samples(before)
	var worst *measured
	for key, durations := range samples(now) {
		slices.SortFunc(durations, func(a, b sources.Sample) int { return a.Time.Compare(b.Time) })
		m := measured{
			service: key.Service, operation: key.Operation,
			question:  &survey.Question{Metric: "duration of sampled traces", Signal: survey.Latency, Unit: survey.Seconds},
			departure: anomaly.Compare(was[key], durations, limits[survey.Latency]),
		}
		if m.departure.Anomalous && (worst == nil || gain(&m) > gain(worst)) {
			worst = &m
		}
	}
	if worst == nil {
		return nil
	}
	d := worst.departure
	w.trees.slowAsked, w.trees.normalAsked = w.sampled.queries[0], w.sampled.queries[1]
	w.searched(w.trees.slowAsked[0])
	if i := slices.IndexFunc(w.trees.slowAsked, func(q sources.TraceQuery) bool { return q.Service == worst.service }); i >= 0 {
		w.searched(w.trees.slowAsked[i])
	}
	a := Anomaly{
		Service: worst.service, Operation: worst.operation, Metric: worst.question.Metric, Signal: string(survey.Latency),
		Direction: string(d.Direction), Score: d.Score, Onset: d.Onset.UTC(), BaselineValue: d.Baseline,
		WindowValue: d.Window, Unit: survey.Seconds, Guessed: true,
	}
	evidence := slices.Concat(
		w.sampleEvidence(0, Value{Name: sinceOnset, Value: d.Window, Unit: survey.Seconds}),
		w.sampleEvidence(1, Value{Name: "median of the baseline", Value: d.Baseline, Unit: survey.Seconds}))
	a.Findings = []string{w.found.AddFinding(describe(&a)+", among the traces that were sampled", evidence...)}
	w.found.Anomalies = append(w.found.Anomalies, a)
	entry := func(t *spans.Tree) bool {
		return spans.KeyOf(t.Span(t.Main)) == spans.Key{Service: worst.service, Operation: worst.operation}
	}
	cut := threshold(worst)
	for _, t := range now {
		if entry(t) && t.Span(t.Main).Duration.Seconds() >= cut {
			w.trees.slow = append(w.trees.slow, t)
		}
	}
	for _, t := range before {
		if entry(t) && t.Span(t.Main).Duration.Seconds() < cut {
			w.trees.normal = append(w.trees.normal, t)
		}
	}
	if chosen := w.pickFromCohort(worst, worst.service); chosen != nil {
		w.blame(worst, chosen)
	}
	return worst
}
