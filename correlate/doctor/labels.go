package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"obs/correlate"
	"obs/correlate/ident"
	"obs/sources"
)

// Kinds of findings about labels.
const (
	KindIDLabel    = "labels.id"     // IDs of requests as values of a label
	KindManyValues = "labels.values" // too many values
)

const (
	// mostLogValues is a fifth of the 5,000 streams that Loki allows a tenant where nobody has
	// set max_global_streams_per_user.
	mostLogValues = 1000
	// mostMetricValues is the number of users of which Prometheus's own advice on labels says
	// that it is too many for one (https://prometheus.io/docs/practices/instrumentation/).
	mostMetricValues = 10_000
	// listedSeries is how many series are listed where the server does not count for itself.
	listedSeries = 2000
	// fewIDs is from how many values on those of a label are called IDs of requests.
	fewIDs = 10
)

// labelsSeen is how many values labels have.
type labelsSeen struct {
	logs    []sources.LabelCount
	ids     map[string]int // of streams: values that are trace IDs, by label
	metrics []sources.LabelCount
	query   string // that told of the metrics
	listed  int    // series, where they were listed; 0 where the server counted
}

// readStreams lists the streams of the window, which tell services and labels.
func (e *exam) readStreams(ctx context.Context) {
	if !e.answers(sources.Loki) {
		return
	}
	streams, err := e.set.Logs.Streams(ctx, "", e.options.Window)
	if err != nil {
		e.failed(sources.Loki, "no log was looked at", err)
		return
	}
	e.streams = streams
	values, ids := map[string]map[string]bool{}, map[string]int{}
	for _, stream := range streams {
		for name, value := range stream {
			if values[name] == nil {
				values[name] = map[string]bool{}
			}
			if values[name][value] {
				continue
			}
			values[name][value] = true
			if _, ok := wideID(value); ok {
				ids[name]++
			} else if _, ok := ident.ParseTrace(value); ok && slices.Contains(e.signals.TraceLabels(), name) {
				ids[name]++
			}
		}
	}
	e.labels.logs, e.labels.ids = countsOf(values), ids
}

// logged are the names by which streams say which service they are of, as they stand there.
func (e *exam) logged() []string {
	names := map[string]bool{}
	for _, stream := range e.streams {
		if name, _ := e.signals.LogService(stream); name != "" {
			names[name] = true
		}
	}
	return sorted(names)
}

// countLabels asks Prometheus which labels have the most values.
func (e *exam) countLabels(ctx context.Context) {
	if !e.answers(sources.Prometheus) {
		return
	}
	if counter, ok := e.set.Metrics.(sources.LabelsCounter); ok {
		counts, err := counter.CountLabels(ctx)
		if err == nil {
			e.labels.metrics, e.labels.query = counts, "GET /api/v1/status/tsdb"
			return
		}
		if !errors.Is(err, sources.ErrNotFound) && !errors.Is(err, sources.ErrNotThisAPI) {
			e.failed(sources.Prometheus, "how many values labels have was not looked at", err)
			return
		}
	}
	series, err := e.set.Metrics.Series(ctx, []string{e.known()}, e.options.Window, listedSeries)
	if err != nil {
		e.failed(sources.Prometheus, "how many values labels have was not looked at", err)
		return
	}
	values := map[string]map[string]bool{}
	for _, labels := range series {
		for name, value := range labels {
			if values[name] == nil {
				values[name] = map[string]bool{}
			}
			values[name][value] = true
		}
	}
	e.labels.metrics, e.labels.listed = countsOf(values), len(series)
	e.labels.query = fmt.Sprintf("GET /api/v1/series?match[]=%s&limit=%d", e.known(), listedSeries)
}

// countsOf is how many values each label has, most first.
func countsOf(values map[string]map[string]bool) []sources.LabelCount {
	counts := make([]sources.LabelCount, 0, len(values))
	for _, name := range sorted(values) {
		counts = append(counts, sources.LabelCount{Label: name, Values: len(values[name])})
	}
	slices.SortStableFunc(counts, func(a, b sources.LabelCount) int { return cmp.Compare(b.Values, a.Values) })
	return counts
}

// findLabels finds labels that cost the backends more than they help.
func (e *exam) findLabels() {
	for _, c := range e.labels.logs {
		evidence := []correlate.Evidence{{
			Backend: sources.Loki, Query: "GET /loki/api/v1/series?match[]={}", Window: e.options.Window,
			Values: []correlate.Value{{Name: "values of " + c.Label, Value: float64(c.Values)}, {Name: "streams", Value: float64(len(e.streams))}},
		}}
		switch ids := e.labels.ids[c.Label]; {
		case ids >= fewIDs && 2*ids > c.Values:
			e.find(Finding{
				Kind: KindIDLabel, Grade: Weak,
				Statement: fmt.Sprintf("Loki: the label %s holds IDs of requests: each makes a stream of its own (%d of them in this window), which slows all queries and ends at the limit of streams", c.Label, c.Values),
				Evidence:  evidence, Mends: []Mend{mendIDLabel(c.Label)},
			})
		case c.Values > mostLogValues:
			e.find(Finding{
				Kind: KindManyValues, Grade: Weak,
				Statement: fmt.Sprintf("Loki: the label %s has %d values, and each makes streams of its own", c.Label, c.Values),
				Evidence:  evidence, Mends: []Mend{mendIDLabel(c.Label)},
			})
		}
	}
	for _, c := range e.labels.metrics {
		request := slices.Contains(e.signals.TraceLabels(), c.Label) || slices.Contains(ident.SpanLabels, c.Label) || isRequest(e.signals, c.Label)
		// Of a listing that was cut, a label with a value for every other series has, in all
		// of them, more than can be counted here.
		many := c.Values > mostMetricValues || (e.labels.listed == listedSeries && 2*c.Values > listedSeries)
		// Names are many where much is measured, and none is of a request.
		if c.Label == "__name__" || (!many && !request) {
			continue
		}
		kind, what := KindManyValues, fmt.Sprintf("has %d values", c.Values)
		if request {
			kind, what = KindIDLabel, "holds IDs of requests"
		}
		e.find(Finding{
			Kind: kind, Grade: Weak,
			Statement: fmt.Sprintf("Prometheus: the label %s %s, and each makes series of its own: an ID belongs into an exemplar", c.Label, what),
			Evidence:  []correlate.Evidence{{Backend: sources.Prometheus, Query: e.labels.query, Values: []correlate.Value{{Name: "values of " + c.Label, Value: float64(c.Values)}}}},
			Mends:     []Mend{mendMetricLabel(c.Label)},
		})
	}
}

// sorted are the keys of a map in their order.
func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
