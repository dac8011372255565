package survey

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"obs/sources"
)

// At is the question about durations at another quantile; ok is false where the metric
// does not tell. A summary is asked for exactly that quantile, which it may not have.
func (q *Question) At(quantile float64) (at Question, ok bool) {
	at = *q
	if q.Signal != Latency {
		return at, false
	}
	if q.quantile != nil {
		at.shape = q.quantile(quantile)
		return at, true
	}
	i := slices.IndexFunc(q.only, func(m sources.Matcher) bool { return m.Name == quantileLabel })
	if i < 0 {
		return at, false
	}
	at.only = slices.Clone(q.only)
	at.only[i] = sources.Matcher{Name: quantileLabel, Op: sources.Equal, Value: strconv.FormatFloat(quantile, 'f', -1, 64)}
	return at, true
}

// By is the question split by more labels.
func (q *Question) By(labels ...string) Question {
	split := *q
	split.by = slices.Concat(q.by, labels)
	return split
}

// Counted asks how many observations a guessed histogram of durations gets per second;
// ok is false for any other question, as a known convention has one for that.
func (q *Question) Counted() (count Question, ok bool) {
	count = *q
	if q.count == nil || q.Signal != Latency {
		return count, false
	}
	count.Metric = q.Group + "_count"
	count.Signal, count.Unit, count.shape, count.spent, count.quantile = Traffic, PerSecond, q.count, nil, nil
	return count, true
}

// carriedLabel is the label under which the answer to Carrying names a label.
const carriedLabel = "label"

// Carrying asks which of the labels each metric carries whose name fits one of the
// patterns. The answer has one series for each metric and label, whatever their values.
// A label with a dot is asked for only with dotted, as older servers do not parse it.
func Carrying(patterns, labels []string, dotted bool) string {
	var parts []string
	for _, label := range labels {
		if strings.Contains(label, ".") && !dotted {
			continue
		}
		selector := sources.Selector{match("__name__", strings.Join(patterns, "|")), {Name: label, Op: sources.NotEqual}}
		parts = append(parts, fmt.Sprintf(`label_replace(group by (__name__) (%s), %s, %s, "", "")`,
			selector, sources.Quote(carriedLabel), sources.Quote(label)))
	}
	return strings.Join(parts, " or ")
}

// Carried is the labels that each metric carries.
type Carried map[string][]string

// ReadCarried reads the answer to Carrying.
func ReadCarried(rows []sources.Labels) Carried {
	carried := Carried{}
	for _, row := range rows {
		name := row["__name__"]
		carried[name] = append(carried[name], row[carriedLabel])
	}
	return carried
}

// First is the first of the labels that all of the metrics carry, or empty.
func (c Carried) First(labels []string, metrics ...string) string {
	for _, label := range labels {
		if !slices.ContainsFunc(metrics, func(m string) bool { return !slices.Contains(c[m], label) }) {
			return label
		}
	}
	return ""
}

// all are those of the labels that all of the metrics carry.
func (c Carried) all(labels []string, metrics ...string) []string {
	var shared []string
	for _, label := range labels {
		if c.First([]string{label}, metrics...) != "" {
			shared = append(shared, label)
		}
	}
	return shared
}

// InstanceLabels may tell one process or pod of a service from another, those that
// people know first.
var InstanceLabels = []string{"pod", "k8s_pod_name", "k8s.pod.name", "service_instance_id", "service.instance.id", "instance"}

// PartLabel is the label under which the answer to Together names the question.
const PartLabel = "part"

// Together asks several questions in one query: each series of the answer has the
// question's place in the list under PartLabel.
func Together(questions []string) string {
	parts := make([]string, len(questions))
	for i, query := range questions {
		parts[i] = fmt.Sprintf(`label_replace(%s, %s, "%d", "", "")`, query, sources.Quote(PartLabel), i)
	}
	return strings.Join(parts, " or ")
}

// Within asks how many observations of a classic histogram were within each bucket's bound,
// the label le, in a stretch of time that ended so long ago; empty of any other question.
func (q *Question) Within(stretch, ago time.Duration) string {
	if q.quantile == nil || !strings.HasSuffix(q.Metric, "_bucket") {
		return ""
	}
	back := ""
	if ago > 0 {
		back = " offset " + promDuration(ago)
	}
	return fmt.Sprintf("sum by (le, %s) (increase(%s[%s]%s))",
		sources.GroupLabels(q.groups()...), sources.MetricSelector(q.Metric, q.only), promDuration(stretch), back)
}

// Apart sorts the series of an answer to Together by the question, of n, that they answer,
// and takes the question's label off them.
func Apart(answer []sources.Series, n int) [][]sources.Series {
	parts := make([][]sources.Series, n)
	for _, s := range answer {
		i, err := strconv.Atoi(s.Labels[PartLabel])
		if err != nil || i < 0 || i >= n {
			continue // it answers nothing that was asked
		}
		labels := maps.Clone(s.Labels)
		delete(labels, PartLabel)
		parts[i] = append(parts[i], sources.Series{Labels: labels, Samples: s.Samples})
	}
	return parts
}
