// Package survey decides what to ask Prometheus when nobody named a metric: it
// recognises how services are instrumented by the names and labels of their metrics,
// and writes one PromQL query for each signal of each convention, grouped by service.
// The number of queries grows with the conventions in use, never with the services.
//
// It is a function from names to queries: it sends nothing, and judges no answer.
package survey

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"obs/sources"
)

// Signal is what a series tells about a service.
type Signal string

// The signals, by the questions of the RED and USE methods.
const (
	Latency    Signal = "latency"
	Errors     Signal = "errors"
	Traffic    Signal = "traffic"
	Saturation Signal = "saturation"
	// Availability is the share of a service's targets that can be reached.
	Availability Signal = "availability"
	Other        Signal = "other" // a series whose meaning is not known
	// Alert is what an alerting rule compares with its limit.
	Alert Signal = "alert"
)

// Units of the values that the questions ask for.
const (
	Seconds   = "seconds"
	Ratio     = "ratio"
	PerSecond = "requests/s"
	Unknown   = ""
)

// Quantile is the one that durations are judged by.
const Quantile = 0.95

// Question is one query for one signal of all services that one metric covers.
type Question struct {
	Family string // the convention, in words
	// Protocol is what the requests that it tells of speak, http or rpc; empty of any.
	Protocol string
	// Group is what the questions about the same requests share: the name of the
	// histogram, or of the counter, that they are asked of.
	Group  string
	Metric string // the metric that is read, without a histogram's suffix
	Signal Signal
	Unit   string
	// ServiceLabel holds the service's name in the answer's series.
	ServiceLabel string
	// KindLabel, where set, tells received requests from sent ones in the answer's
	// series, and Received lists the values for received.
	KindLabel string
	Received  []string
	// Operations are the labels by which the metric may be split into operations.
	Operations []string
	// Exact tells that the family is a known convention; else its meaning was guessed
	// from names.
	Exact bool
	// Elsewhere tells that another process than the one that did the work keeps the
	// metric, so that its pod and its instance are not the worker's.
	Elsewhere bool

	shape shape
	spent shape // of a histogram of durations: the time spent
	only  sources.Selector
	by    []string // more labels to group by

	quantile func(float64) shape // of a histogram: any quantile of it
	refused  *sources.Matcher    // of a question about failures: the clients' faults
	requests shape               // beside refused: the requests
	count    shape               // of a histogram without a question of its own for it: the observations
}

// shape renders the query for a selector and grouping.
type shape func(only sources.Selector, by []string, over time.Duration) string

// Query is the question in PromQL, over rates in windows of length over.
func (q *Question) Query(over time.Duration) string { return q.shape(q.only, q.groups(), over) }

// Spent is a query for the time that requests take together, in seconds per second,
// grouped as the question is; empty where the metric does not tell. It is exact where a
// quantile is interpolated between the bounds of buckets, and a caller's time holds its
// callees', so that it tells which of two departing services is the other's caller.
func (q *Question) Spent(over time.Duration) string {
	if q.spent == nil {
		return ""
	}
	return q.spent(q.only, q.groups(), over)
}

// For is the question narrowed to the given labels and split by more of them.
func (q *Question) For(labels sources.Labels, over time.Duration, by ...string) string {
	return q.shape(q.narrowed(labels), append(q.groups(), by...), over)
}

// Selector selects the raw series behind a histogram question, for exemplars: nothing
// where the metric is no histogram.
func (q *Question) Selector(labels sources.Labels) string {
	if q.Signal != Latency {
		return ""
	}
	return sources.MetricSelector(q.Metric, q.narrowed(labels))
}

// Seconds turns a raw value of the metric, such as an exemplar's, into seconds.
func (q *Question) Seconds(value float64) float64 { return value / secondsPer(baseName(q.Metric)) }

func (q *Question) groups() []string {
	labels := []string{q.ServiceLabel}
	if q.KindLabel != "" {
		labels = append(labels, q.KindLabel)
	}
	return append(labels, q.by...)
}

// Found is the metrics of known conventions that a server has.
type Found struct {
	entries []entry
	dotted  bool // names with dots occur, so labels may have them too
}

type entry struct {
	family    *family
	histogram string // base name, empty if none
	native    bool
	counter   string // empty if none
}

// Recognise picks the known conventions out of all metric names.
func Recognise(names []string) Found {
	has := make(map[string]bool, len(names))
	for _, name := range names {
		has[name] = true
	}
	var found Found
	for i := range families {
		f := &families[i]
		var counter string
		for _, name := range f.counters {
			if has[name] {
				counter = name
				break
			}
		}
		before := len(found.entries)
		for _, base := range f.histograms {
			classic, native := has[base+"_bucket"], has[base]
			if !classic && !native {
				continue
			}
			found.entries = append(found.entries, entry{family: f, histogram: base, native: !classic, counter: counter})
			found.dotted = found.dotted || strings.Contains(base, ".")
			counter = "" // counted once, whatever the number of histograms
		}
		if len(found.entries) == before && counter != "" {
			found.entries = append(found.entries, entry{family: f, counter: counter})
		}
	}
	return found
}

// Empty reports whether no known convention is in use.
func (f Found) Empty() bool { return len(f.entries) == 0 }

// Probe is a query that tells which labels the found metrics carry, one series for each
// combination of those that matter here. It looks back over the given time.
func (f Found) Probe(over time.Duration) string {
	var metrics, labels []string
	for _, e := range f.entries {
		metrics = append(metrics, sources.QuoteRegexp(e.series()))
		labels = append(labels, e.family.services...)
		for _, m := range e.family.failures {
			labels = append(labels, m.Name)
		}
		if e.family.kinds != "" {
			labels = append(labels, e.family.kinds)
		}
	}
	slices.Sort(metrics)
	slices.Sort(labels)
	metrics, labels = slices.Compact(metrics), slices.Compact(labels)
	if !f.dotted {
		// Servers before UTF-8 names do not parse them.
		labels = slices.DeleteFunc(labels, func(l string) bool { return strings.Contains(l, ".") })
	}
	// A summary has the bare name too, and a quantile where a native histogram has none.
	return fmt.Sprintf("group by (__name__, %s) (last_over_time({__name__=~%s, quantile=\"\"}[%s]))",
		sources.GroupLabels(labels...), sources.Quote(strings.Join(metrics, "|")), promDuration(over))
}

// Interval is a query for the largest number of samples that a series of the found
// metrics has over the given time: what is left of the time between two is the
// interval at which the metric is collected.
func (f Found) Interval(over time.Duration) string {
	metrics := make([]string, len(f.entries))
	for i, e := range f.entries {
		metrics[i] = sources.QuoteRegexp(e.series())
	}
	return fmt.Sprintf("max(count_over_time({__name__=~%s}[%s]))", sources.Quote(strings.Join(metrics, "|")), promDuration(over))
}

// series is the one whose labels stand for the whole entry: the counter of requests.
func (e entry) series() string {
	switch {
	case e.counter != "":
		return e.counter
	case e.native:
		return e.histogram
	}
	return e.histogram + "_count"
}

// Plan turns the found metrics and the answer to Probe into questions. It also returns
// the names of the services that they cover.
func (f Found) Plan(probe []sources.Labels) (questions []Question, services []string) {
	byMetric := map[string][]sources.Labels{}
	for _, labels := range probe {
		byMetric[labels["__name__"]] = append(byMetric[labels["__name__"]], labels)
	}
	covered := map[string]bool{}
	for _, e := range f.entries {
		rows := byMetric[e.series()]
		service := firstLabel(rows, e.family.services)
		if service == "" {
			continue
		}
		for _, row := range rows {
			for _, label := range []string{service, "job"} {
				if name := row[label]; name != "" {
					covered[name] = true
				}
			}
		}
		questions = append(questions, e.questions(service, rows)...)
	}
	return questions, sortedKeys(covered)
}

func (e entry) questions(service string, rows []sources.Labels) []Question {
	base := Question{
		Family: e.family.name, Protocol: e.family.protocol, ServiceLabel: service, Operations: e.family.operations, Exact: true, only: e.family.only,
		Group: cmp.Or(e.histogram, e.counter), Elsewhere: e.family.elsewhere,
	}
	if e.family.kinds != "" && firstLabel(rows, []string{e.family.kinds}) != "" {
		base.KindLabel, base.Received = e.family.kinds, e.family.received
	}
	var questions []Question
	if e.histogram != "" {
		q := base
		q.Metric, q.Signal, q.Unit = e.histogram, Latency, Seconds
		if e.native {
			q.quantile, q.spent = nativeQuantile(e.histogram), nativeSum(e.histogram)
		} else {
			q.Metric = e.histogram + "_bucket"
			q.quantile, q.spent = classicQuantile(e.histogram), classicSum(e.histogram)
		}
		q.shape = q.quantile(Quantile)
		questions = append(questions, q)
	}
	count := counted(e.series())
	if e.native && e.counter == "" {
		count = countedNative(e.histogram)
	}
	traffic := base
	traffic.Metric, traffic.Signal, traffic.Unit, traffic.shape = e.series(), Traffic, PerSecond, count
	questions = append(questions, traffic)
	if failure, ok := presentFailure(e.family.failures, rows); ok {
		failed := base
		failed.Metric, failed.Signal, failed.Unit = e.series(), Errors, Ratio
		failed.shape = failureRatio(count, failure)
		if pattern := e.family.refused[failure.Name]; pattern != "" {
			refused := match(failure.Name, pattern)
			failed.refused, failed.requests = &refused, count
		}
		questions = append(questions, failed)
	}
	return questions
}

func presentFailure(failures []sources.Matcher, rows []sources.Labels) (sources.Matcher, bool) {
	for _, m := range failures {
		if firstLabel(rows, []string{m.Name}) != "" {
			return m, true
		}
	}
	return sources.Matcher{}, false
}

// firstLabel is the first of the labels that any row has.
func firstLabel(rows []sources.Labels, labels []string) string {
	for _, label := range labels {
		if slices.ContainsFunc(rows, func(row sources.Labels) bool { return row[label] != "" }) {
			return label
		}
	}
	return ""
}

// Restrict narrows the question to the named services; none means all. A job of
// OpenTelemetry's is namespace/name, and the name is what people say.
func (q *Question) Restrict(services []string) {
	switch {
	case len(services) == 0:
	case q.ServiceLabel == "job":
		names := sources.AnyOf("job", services...).Value
		if len(services) == 1 {
			names = sources.QuoteRegexp(names)
		}
		q.only = append(slices.Clone(q.only), match("job", "(.+/)?("+names+")"))
	default:
		q.only = append(slices.Clone(q.only), sources.AnyOf(q.ServiceLabel, services...))
	}
}

// narrowed are the question's conditions with those on the labels taking the place of
// wider ones.
func (q *Question) narrowed(labels sources.Labels) sources.Selector {
	only := slices.DeleteFunc(slices.Clone(q.only), func(m sources.Matcher) bool { return labels[m.Name] != "" })
	for _, name := range sortedNames(labels) {
		only = append(only, sources.Matcher{Name: name, Op: sources.Equal, Value: labels[name]})
	}
	return only
}
