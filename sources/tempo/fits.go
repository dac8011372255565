package tempo

import (
	"slices"
	"strings"

	"obs/sources"
)

// fits reports whether the trace has a span that meets all conditions of the query. A
// search finds more: it cuts times to seconds, takes a trace whose time overlaps the
// window, and compares a list by its elements.
func fits(t *sources.Trace, q sources.TraceQuery) bool {
	return slices.ContainsFunc(t.Spans, func(s sources.Span) bool {
		return s.Service == q.Service &&
			(q.Operation == "" || s.Operation == q.Operation) &&
			q.Window.Contains(s.Start) &&
			s.Duration >= q.MinDuration && (q.MaxDuration == 0 || s.Duration <= q.MaxDuration) &&
			!slices.ContainsFunc(q.Attributes, func(a sources.Attribute) bool { return !has(&s, a) })
	})
}

func has(s *sources.Span, a sources.Attribute) bool {
	if slices.Contains(s.Attributes, a) || slices.Contains(s.Resource, a) {
		return true
	}
	switch a.Key {
	case keyError:
		return a.Value == "true" && s.Failed()
	case keyKind:
		return a.Value == string(s.Kind)
	case keyStatus:
		return strings.EqualFold(a.Value, string(s.Status))
	}
	return false
}
