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
	span    sources.SpanID
	seconds float64
	at      time.Time
	query   string
}

// exemplars are those of the anomaly's series that show it, the most typical first.
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
	var fitting []exemplar
	seen := map[sources.TraceID]bool{}
	for _, e := range all {
		id, ok := e.TraceID()
		seconds := primary.question.Seconds(e.Value)
		odd := math.IsNaN(seconds) || math.IsInf(seconds, 0)
		if !ok || odd || seen[id] || seconds < threshold(primary) || !w.question.Window.Contains(e.Time) {
			continue
		}
		seen[id] = true
		fitting = append(fitting, exemplar{id: id, span: e.SpanID(), seconds: seconds, at: e.Time, query: selector})
	}
	typical := primary.departure.Window
	slices.SortStableFunc(fitting, func(a, b exemplar) int {
		return cmp.Compare(math.Abs(a.seconds-typical), math.Abs(b.seconds-typical))
	})
	return fitting
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
		ID: e.id, Start: e.at.Add(-time.Duration(e.seconds * float64(time.Second))).UTC(), DurationSeconds: e.seconds,
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

// fetch asks for a trace, once: a walk that starts again from a caller comes by the
// same exemplars.
func (w *walk) fetch(ctx context.Context, id sources.TraceID, around sources.Window) (*spans.Tree, error) {
	if tree := w.fetched[id]; tree != nil {
		return tree, nil
	}
	trace, err := w.set.Traces.Trace(ctx, id, around)
	if err != nil {
		return nil, err
	}
	w.fetched[id] = spans.Build(&trace)
	return w.fetched[id], nil
}

// checkExemplars takes the first exemplar whose trace exists and has the service in it.
func (w *walk) checkExemplars(ctx context.Context, primary *measured, exemplars []exemplar) (*spans.Tree, error) {
	gone := 0
	for _, e := range exemplars[:min(len(exemplars), exemplarChecks)] {
		if slices.Contains(w.rejected, e.id) {
			continue
		}
		around := sources.Window{From: e.at.Add(-time.Duration(e.seconds * float64(time.Second))), To: e.at}.Pad(recordSlack)
		tree, err := w.fetch(ctx, e.id, around)
		if errors.Is(err, sources.ErrNotFound) {
			gone++
			w.rejected = append(w.rejected, e.id)
			continue
		}
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(tree.Trace.Services(), func(s string) bool { return sameService(s, primary.service) }) {
			w.rejected = append(w.rejected, e.id)
			continue
		}
		note := fmt.Sprintf("checked: the trace is there and has %s in it", primary.service)
		if gone > 0 {
			note += fmt.Sprintf("; %s before it led to no stored trace", counted(gone, "exemplar"))
		}
		w.addExemplarHop(e, note)
		return tree, nil
	}
	if gone > 0 {
		w.found.missing(Missing{
			Backend: sources.Jaeger, Kind: MissingNoData,
			Reason: fmt.Sprintf("%s of the anomaly led to no stored trace", counted(gone, "exemplar")),
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
