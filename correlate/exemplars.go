package correlate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"obs/correlate/spans"
	"obs/correlate/survey"
	"obs/sources"
)

// exemplar is one that may lead to a trace.
type exemplar struct {
	id      sources.TraceID
	seconds float64
	at      time.Time
	query   string
	series  sources.Labels
}

// exemplars are those of the anomaly's series in the window.
func (w *walk) exemplars(ctx context.Context, primary *measured) []exemplar {
	selector := primary.question.Selector(withoutName(primary.labels))
	if selector == "" {
		return nil
	}
	all, err := w.set.Metrics.Exemplars(ctx, selector, w.question.Window)
	if err != nil {
		w.failed(sources.Prometheus, "its exemplars were not looked at", err)
		return nil
	}
	var kept []exemplar
	seen := map[sources.TraceID]bool{}
	for _, e := range all {
		id, ok := e.TraceID()
		seconds := primary.question.Seconds(e.Value)
		odd := math.IsNaN(seconds) || math.IsInf(seconds, 0)
		if !ok || odd || seen[id] || !w.question.Window.Contains(e.Time) {
			continue
		}
		seen[id] = true
		kept = append(kept, exemplar{id: id, seconds: seconds, at: e.Time, query: selector, series: e.Series})
	}
	return kept
}

// fitting are the exemplars that show the anomaly, the most typical first: slow ones, of
// its operation where that is known.
func fitting(all []exemplar, primary *measured) []exemplar {
	var fit []exemplar
	for _, e := range all {
		of := func(label string) bool { return e.series[label] == primary.operation }
		if e.seconds >= threshold(primary) &&
			(primary.operation == "" || slices.ContainsFunc(primary.question.Operations, of)) {
			fit = append(fit, e)
		}
	}
	typical := primary.departure.Window
	slices.SortStableFunc(fit, func(a, b exemplar) int {
		return cmp.Compare(math.Abs(a.seconds-typical), math.Abs(b.seconds-typical))
	})
	return fit
}

// callerByExemplar looks for a departing caller in the first trace that an exemplar leads
// to.
func (w *walk) callerByExemplar(ctx context.Context, primary *measured, exemplars []exemplar) *measured {
	if w.set.Traces == nil {
		return nil
	}
	for _, e := range exemplars {
		tree, err := w.checked(ctx, e, primary)
		if err != nil {
			w.failed(w.set.TraceBackend(), "no trace was looked at", err)
			return nil
		}
		if tree != nil {
			return w.departingCaller(primary, tree)
		}
	}
	return nil
}

// trustExemplar takes the ID of an exemplar that cannot be checked, so that the logs
// can still be asked for it.
func (w *walk) trustExemplar(exemplars []exemplar, why string) {
	exemplars = slices.DeleteFunc(exemplars, func(e exemplar) bool { return slices.Contains(w.rejected, e.id) })
	if len(exemplars) == 0 {
		return
	}
	e := exemplars[0]
	w.addExemplarHop(e, "not checked: "+why)
	w.found.Trace = &Trace{
		ID: e.id, Start: e.at.Add(-seconds(e.seconds)).UTC(), DurationSeconds: e.seconds,
		CriticalPath: []OnPath{}, Spans: []Span{},
	}
}

func (w *walk) addExemplarHop(e exemplar, note string) {
	w.found.Hops = append(w.found.Hops, Hop{
		From: "anomaly", To: "trace", Join: ByExemplar, ID: string(e.id), Note: note,
		Evidence: &Evidence{
			Backend: sources.Prometheus, Query: e.query, Window: w.question.Window,
			Values: []Value{{Name: "exemplar", Value: e.seconds, Unit: survey.Seconds}},
			URL:    w.set.Metrics.Link(e.query, w.question.Window),
		},
	})
}

// checked is the trace of an exemplar, once it is known to be stored and to have the
// service in it; nil where it is not. After a few that led nowhere no more are asked for.
// A trace is fetched once, as a walk that starts again from a caller comes by it again.
func (w *walk) checked(ctx context.Context, e exemplar, primary *measured) (*spans.Tree, error) {
	tree := w.fetched[e.id]
	if tree == nil {
		if slices.Contains(w.rejected, e.id) || len(w.rejected) >= exemplarChecks {
			return nil, nil
		}
		around := sources.Window{From: e.at.Add(-seconds(e.seconds)), To: e.at}.Pad(recordSlack)
		trace, err := w.set.Traces.Trace(ctx, e.id, around)
		switch {
		case errors.Is(err, sources.ErrNotFound):
			w.rejected = append(w.rejected, e.id)
			w.gone++
			return nil, nil
		case err != nil:
			return nil, err
		}
		tree = spans.Build(&trace)
		w.fetched[e.id] = tree
	}
	if !slices.ContainsFunc(tree.Trace.Services(), func(s string) bool { return sameService(s, primary.service) }) {
		w.rejected = append(w.rejected, e.id)
		return nil, nil
	}
	return tree, nil
}

// checkExemplars takes the first exemplar whose trace exists and has the service in it.
func (w *walk) checkExemplars(ctx context.Context, primary *measured, exemplars []exemplar) (*spans.Tree, error) {
	for _, e := range exemplars {
		tree, err := w.checked(ctx, e, primary)
		if err != nil {
			return nil, err
		}
		if tree == nil {
			continue
		}
		note := fmt.Sprintf("checked: the trace is there and has %s in it", primary.service)
		if w.gone > 0 {
			note += fmt.Sprintf("; %s before it led to no stored trace", counted(w.gone, "exemplar"))
		}
		w.addExemplarHop(e, note)
		return tree, nil
	}
	if w.gone > 0 {
		w.found.missing(Missing{
			Backend: w.set.TraceBackend(), Kind: MissingNoData,
			Reason: fmt.Sprintf("%s of the anomaly led to no stored trace", counted(w.gone, "exemplar")),
			Hint:   "the traces were not sampled, or have expired; a trace was searched for instead",
		})
	}
	return nil, nil
}

func withoutName(labels sources.Labels) sources.Labels {
	kept := make(sources.Labels, len(labels))
	for name, value := range labels {
		if name != "__name__" {
			kept[name] = value
		}
	}
	return kept
}
