package sources

import (
	"sort"
	"strings"
	"time"
)

// Labels is a label set: names to values.
type Labels map[string]string

// String renders the set in PromQL's notation with names in order.
func (l Labels) String() string {
	names := make([]string, 0, len(l))
	for name := range l {
		names = append(names, name)
	}
	sort.Strings(names)
	selector := make(Selector, 0, len(names))
	for _, name := range names {
		selector = append(selector, Matcher{Name: name, Op: Equal, Value: l[name]})
	}
	return selector.String()
}

// First returns the value of the first of the named labels that is set, and its name.
func (l Labels) First(names ...string) (value, name string) {
	for _, name := range names {
		if v := l[name]; v != "" {
			return v, name
		}
	}
	return "", ""
}

// Sample is one value at one moment. Value may be NaN or infinite.
type Sample struct {
	Time  time.Time `json:"time"`
	Value float64   `json:"value"`
}

// Series is a label set with its samples, oldest first.
type Series struct {
	Labels  Labels   `json:"labels"`
	Samples []Sample `json:"samples"`
}

// SeriesAnswer is what a query of series brought, with what the server remarked on it.
type SeriesAnswer struct {
	Series   []Series
	Warnings []string
}

// MetricMetadata is what a server knows about a metric's name.
type MetricMetadata struct {
	Type string // counter, gauge, histogram, summary, unknown
	Unit string
	Help string
}

// Exemplar is one observation that a histogram or counter kept, with the IDs it carried.
type Exemplar struct {
	Series Labels // of the series that kept it
	Labels Labels // its own: the IDs
	Value  float64
	Time   time.Time
}

// exemplarTraceLabels are the names that instrumentation libraries give to the
// trace ID of an exemplar: OpenMetrics' own example and the OpenTelemetry
// Prometheus exporters use trace_id, older clients write it in camel case.
var exemplarTraceLabels = []string{"trace_id", "traceID", "traceId", "TraceID", "traceid"}

var exemplarSpanLabels = []string{"span_id", "spanID", "spanId", "SpanID", "spanid"}

// TraceID is the trace that the exemplar names; ok is false when it names none.
func (e Exemplar) TraceID() (id TraceID, ok bool) {
	text, _ := e.Labels.First(exemplarTraceLabels...)
	return ParseTraceID(text)
}

// SpanID is the span that the exemplar names, or empty.
func (e Exemplar) SpanID() SpanID {
	text, _ := e.Labels.First(exemplarSpanLabels...)
	id, _ := ParseSpanID(text)
	return id
}

// Alert is one alert that a rule has raised.
type Alert struct {
	Name        string
	State       string // pending or firing
	Labels      Labels
	Annotations Labels
	ActiveAt    time.Time
	Value       float64
}

// MatchOp is the operator of a Matcher.
type MatchOp string

// The operators that PromQL and LogQL share.
const (
	Equal        MatchOp = "="
	NotEqual     MatchOp = "!="
	MatchRegexp  MatchOp = "=~"
	NotMatch     MatchOp = "!~"
	metricName           = "__name__"
	regexpSyntax         = `\.+*?()|[]{}^$`
)

// Matcher is one condition on a label.
type Matcher struct {
	Name  string
	Op    MatchOp
	Value string
}

// Selector is a conjunction of matchers. Its String is safe to put into a query
// whatever the names and values are.
type Selector []Matcher

// String renders the selector as {a="b", c=~"d"}. A name that is not a plain
// identifier is quoted, as Prometheus 3 accepts it.
func (s Selector) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range s {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quoteName(m.Name))
		b.WriteString(string(m.Op))
		b.WriteString(Quote(m.Value))
	}
	b.WriteByte('}')
	return b.String()
}

// MetricSelector renders name{matchers}; a name that is not a plain identifier
// moves into the braces.
func MetricSelector(name string, s Selector) string {
	if isIdentifier(name, true) {
		if len(s) == 0 {
			return name
		}
		return name + s.String()
	}
	return append(Selector{{Name: metricName, Op: Equal, Value: name}}, s...).String()
}

// GroupLabels renders label names for a by (...) clause.
func GroupLabels(names ...string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quoteName(name)
	}
	return strings.Join(quoted, ", ")
}

func quoteName(name string) string {
	if isIdentifier(name, false) {
		return name
	}
	return Quote(name)
}

func isIdentifier(name string, colon bool) bool {
	for i, r := range name {
		letter := r == '_' || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') || (colon && r == ':')
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

// Quote renders s as a double-quoted string literal that PromQL and LogQL both
// read back as s. Both take Go's escapes; bytes that are not UTF-8 become U+FFFD,
// since neither language can carry them.
func Quote(s string) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20 || r == 0x7f:
			b.WriteString(`\x`)
			b.WriteByte(hex[r>>4])
			b.WriteByte(hex[r&0xf])
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// QuoteRegexp escapes s so that a regular expression of RE2 matches it literally.
func QuoteRegexp(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(regexpSyntax, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// AnyOf is a matcher for a label that has one of the values: with = for one value,
// else with a regular expression of quoted alternatives.
func AnyOf(name string, values ...string) Matcher {
	if len(values) == 1 {
		return Matcher{Name: name, Op: Equal, Value: values[0]}
	}
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = QuoteRegexp(v)
	}
	return Matcher{Name: name, Op: MatchRegexp, Value: strings.Join(quoted, "|")}
}

// NotEmpty is a matcher for a label that is set.
func NotEmpty(name string) Matcher { return Matcher{Name: name, Op: MatchRegexp, Value: ".+"} }
