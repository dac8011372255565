package jaeger

import (
	"slices"
	"strings"

	"obs/sources"
)

// fits reports whether the trace has a span of the query's service and operation
// that has all its attributes, in the way in which Jaeger's memory store decides it:
// an attribute may also be one of the resource or of an event.
func fits(t sources.Trace, q sources.TraceQuery) bool {
	return slices.ContainsFunc(t.Spans, func(s sources.Span) bool {
		return s.Service == q.Service &&
			(q.Operation == "" || s.Operation == q.Operation) &&
			!slices.ContainsFunc(q.Attributes, func(a sources.Attribute) bool { return !has(&s, a) })
	})
}

func has(s *sources.Span, a sources.Attribute) bool {
	if slices.Contains(s.Attributes, a) || slices.Contains(s.Resource, a) {
		return true
	}
	// Some storages keep these fields as attributes, and people search for them so.
	switch a.Key {
	case tagError:
		return a.Value == "true" && s.Failed()
	case tagKind:
		return a.Value == string(s.Kind)
	case tagStatus:
		return strings.EqualFold(a.Value, string(s.Status))
	}
	return slices.ContainsFunc(s.Events, func(e sources.Event) bool { return slices.Contains(e.Attributes, a) })
}
