package survey

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"obs/sources"
)

// What follows reads services that follow no known convention: any histogram, summary
// or gauge with a label that looks like a service's name. What such a series means is
// guessed from its name, and Question.Exact says so by being false.

// maxHistograms bounds the queries that guessed histograms cost, as each is one: a rate
// loses the metric's name, so that several cannot share a query.
const maxHistograms = 6

// maxNames bounds the metrics that share one query, and with them its length.
const maxNames = 60

// quantileLabel tells the quantiles of a summary apart.
const quantileLabel = "quantile"

var probeLabels = []string{"service_name", "service", "app", "job"}

// HistogramProbe asks which classic histograms there are, for which services.
func HistogramProbe() string { return probe(`{le="+Inf"}`, "") }

// SummaryProbe asks which series of quantiles there are, for which services.
func SummaryProbe() string { return probe(`{quantile!=""}`, "") }

// GaugeProbe asks which other series there are, for which services. Pods count as
// services where nothing better is known, since every series has some label.
func GaugeProbe() string {
	return probe(`{__name__=~".+", __name__!~".+_(bucket|count|sum|total|created|info)|go_.+|process_.+|scrape_.+|up", le="", quantile=""}`, podLabel)
}

// GuessedInterval is a query for how many samples a series usually has over the given
// time, of the metric that has most series: see Found.Interval. Empty without any.
func GuessedInterval(over time.Duration, rows ...[]sources.Labels) string {
	byMetric := groupByName(slices.Concat(rows...))
	most := ""
	for _, name := range sortedNamesOf(byMetric) {
		if len(byMetric[name]) > len(byMetric[most]) {
			most = name
		}
	}
	if most == "" {
		return ""
	}
	return fmt.Sprintf("quantile(0.5, count_over_time(%s[%s]))", sources.MetricSelector(most, nil), promDuration(over))
}

func probe(selector, more string) string {
	labels := probeLabels
	if more != "" {
		labels = append(slices.Clone(labels), more)
	}
	return fmt.Sprintf("group by (__name__, %s) (%s)", sources.GroupLabels(labels...), selector)
}

// runtimeMetrics are about the process and its language, or about being scraped: they
// time no requests, and every program has them.
var runtimeMetrics = regexp.MustCompile(`^(go|process|jvm|python|nodejs|dotnet|ruby|scrape|promhttp|net_conntrack)_`)

// nodeMetrics are about the machine that a service runs on: all that run there have the
// same values, so that they say nothing about one of them.
var nodeMetrics = regexp.MustCompile(`(^|_)(node|host|machine)_`)

var durationName = regexp.MustCompile(`(duration|latency|_time)(_|$)|_(seconds|milliseconds|ms|millis)$`)

var requestName = regexp.MustCompile(`request|http|grpc|rpc|handl|call|query`)

var meanings = []struct {
	pattern *regexp.Regexp
	signal  Signal
}{
	{regexp.MustCompile(`(^|_)(errors?|fail(ed|ures?)?|exceptions?)(_|$)`), Errors},
	{durationName, Latency},
	{regexp.MustCompile(`utili[sz]ation|usage|saturation|throttl|queue|pool|backlog|in_?flight|(^|_)(cpu|memory|load)(_|$)`), Saturation},
	{regexp.MustCompile(`per_second|_rps$|throughput|requests|(^|_)rate(_|$)`), Traffic},
}

var limitName = regexp.MustCompile(`(utili[sz]ation|usage|used|limit|saturation).*(ratio|fraction|share)$|(utili[sz]ation|saturation)$`)

// OfLimit reports whether a metric's name says that it is a share of what there is at
// most, from 0 to 1.
func OfLimit(metric string) bool { return limitName.MatchString(metric) }

func meaning(metric string) Signal {
	for _, m := range meanings {
		if m.pattern.MatchString(metric) {
			return m.signal
		}
	}
	return Other
}

// GuessHistograms turns the answer to HistogramProbe into questions about services that
// are not covered yet, at most maxHistograms, those that look like timed requests first.
func GuessHistograms(rows []sources.Labels, covered []string) []Question {
	rows = uncovered(rows, covered)
	byMetric := groupByName(rows)
	names := sortedNamesOf(byMetric)
	names = slices.DeleteFunc(names, func(n string) bool { return runtimeMetrics.MatchString(n) || !strings.HasSuffix(n, "_bucket") })
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(likeness(b), likeness(a)) })
	// One histogram a service is enough to see it; a service without a better one is
	// judged by whatever it has.
	seen := map[string]bool{}
	var questions []Question
	for _, name := range names {
		if len(questions) == maxHistograms {
			break
		}
		label := firstLabel(byMetric[name], probeLabels)
		fresh := false
		for _, row := range byMetric[name] {
			fresh = fresh || !seen[row[label]]
			seen[row[label]] = true
		}
		if label == "" || !fresh {
			continue
		}
		base := baseName(name)
		q := Question{
			Family: "a histogram", Metric: name, Signal: Other, Unit: Unknown, ServiceLabel: label,
			Operations: Operations(), Group: base, quantile: classicQuantile(base), count: counted(base + "_count"),
		}
		q.shape = q.quantile(Quantile)
		if durationName.MatchString(base) {
			q.Signal, q.Unit = Latency, Seconds
		}
		questions = append(questions, q)
	}
	return questions
}

func likeness(metric string) int {
	score := 0
	if durationName.MatchString(baseName(metric)) {
		score += 2
	}
	if requestName.MatchString(metric) {
		score++
	}
	return score
}

// GuessSummaries turns the answer to SummaryProbe into one question about the highest
// quantiles below the maximum, of services that are not covered yet.
func GuessSummaries(rows []sources.Labels, covered []string) []Question {
	quantiles := sources.Selector{{Name: quantileLabel, Op: sources.MatchRegexp, Value: `0\.9[0-9]*`}}
	return guess(uncovered(rows, covered), probeLabels, "a summary", quantiles, "max",
		func(name string) bool { return durationName.MatchString(name) })
}

// GuessGauges turns the answer to GaugeProbe into one question for each signal that
// names suggest, of services that are not covered yet.
func GuessGauges(rows []sources.Labels, covered []string) []Question {
	labels := append(slices.Clone(probeLabels), podLabel)
	return guess(uncovered(rows, covered), labels, "a gauge", nil, "avg", func(string) bool { return true })
}

func guess(rows []sources.Labels, labels []string, family string, only sources.Selector, aggregate string, keep func(string) bool) []Question {
	service := firstLabel(rows, labels)
	if service == "" {
		return nil
	}
	bySignal := map[Signal][]string{}
	for _, name := range sortedNamesOf(groupByName(rows)) {
		if runtimeMetrics.MatchString(name) || nodeMetrics.MatchString(name) || !keep(name) {
			continue
		}
		signal := meaning(name)
		if len(bySignal[signal]) < maxNames {
			bySignal[signal] = append(bySignal[signal], name)
		}
	}
	var questions []Question
	for _, signal := range []Signal{Latency, Errors, Saturation, Traffic, Other} {
		names := bySignal[signal]
		if len(names) == 0 {
			continue
		}
		q := Question{
			Family: family, Signal: signal, Unit: Unknown, ServiceLabel: service,
			Operations: Operations(), Group: family, shape: gauges(names, aggregate), only: only,
		}
		// Several metrics share the query, so a unit can be named only if all have it.
		if signal == Latency && !slices.ContainsFunc(names, func(n string) bool { return !strings.HasSuffix(n, "_seconds") }) {
			q.Unit = Seconds
		}
		questions = append(questions, q)
	}
	return questions
}

// gauges reads several metrics in one query, their names kept as a label.
func gauges(names []string, aggregate string) shape {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = sources.QuoteRegexp(name)
	}
	all := sources.Matcher{Name: "__name__", Op: sources.MatchRegexp, Value: strings.Join(quoted, "|")}
	return func(only sources.Selector, by []string, _ time.Duration) string {
		selector := slices.Clone(only)
		if !slices.ContainsFunc(only, func(m sources.Matcher) bool { return m.Name == "__name__" }) {
			selector = append(sources.Selector{all}, selector...)
		}
		return fmt.Sprintf("%s by (__name__, %s) (%s)", aggregate, sources.GroupLabels(by...), selector)
	}
}

func uncovered(rows []sources.Labels, covered []string) []sources.Labels {
	return slices.DeleteFunc(slices.Clone(rows), func(row sources.Labels) bool {
		name, _ := row.First(append(probeLabels, podLabel)...)
		return slices.Contains(covered, name) || slices.Contains(covered, row["job"])
	})
}

func groupByName(rows []sources.Labels) map[string][]sources.Labels {
	grouped := map[string][]sources.Labels{}
	for _, row := range rows {
		grouped[row["__name__"]] = append(grouped[row["__name__"]], row)
	}
	return grouped
}

func sortedNamesOf(grouped map[string][]sources.Labels) []string {
	names := make([]string, 0, len(grouped))
	for name := range grouped {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
