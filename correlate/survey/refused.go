package survey

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"obs/sources"
)

// Refused is the question which share of requests fails by the client's fault, split by the
// label that says how, which it returns; ok is false where the metric does not tell. A status
// that the client answers for is no failure of the service (RFC 9110, section 15.5; gRPC,
// "Status codes and their use").
func (q *Question) Refused() (refused Question, label string, ok bool) {
	if q.refused == nil || q.Signal != Errors {
		return Question{}, "", false
	}
	refused = *q
	label = q.refused.Name
	refused.by = slices.Concat(q.by, []string{label})
	refused.shape = func(only sources.Selector, by []string, over time.Duration) string {
		if !slices.ContainsFunc(only, func(m sources.Matcher) bool { return m.Name == label }) {
			only = append(slices.Clone(only), *q.refused)
		}
		whole := slices.DeleteFunc(slices.Clone(by), func(l string) bool { return l == label })
		all := q.requests(slices.DeleteFunc(slices.Clone(only), func(m sources.Matcher) bool { return m.Name == label }), whole, over)
		return fmt.Sprintf("%s / on (%s) group_left () (%s > 0)", q.requests(only, by, over), sources.GroupLabels(whole...), all)
	}
	return refused, label, true
}

// The kinds of clients' faults that may be a server's doing, as a client sees it.
const (
	Limited = "limited" // it asked for more than it may: 429, RESOURCE_EXHAUSTED
	GaveUp  = "gave up" // it did not wait for the answer: 499, CANCELLED
)

// RefusedKind is what a status says of that kind; empty of any other fault.
func RefusedKind(label, status string) string {
	switch strings.ToUpper(strings.ReplaceAll(status, "_", "")) {
	case "429", "RESOURCEEXHAUSTED":
		return Limited
	case "499", "CANCELLED", "CANCELED":
		return GaveUp
	}
	if strings.Contains(label, "grpc") {
		switch status {
		case "8":
			return Limited
		case "1":
			return GaveUp
		}
	}
	return ""
}
