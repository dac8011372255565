package correlate

import (
	"maps"
	"slices"
	"strings"

	"obs/correlate/ident"
	"obs/sources"
)

// glossary is Names made ready for use; nil is that of a team without names of its own.
//
// A service goes by one name in all of a case, which it gets where a signal is read: from the
// labels of a series (judge and its like), from those of a log stream (service), from a span
// (namedTraces). So whatever compares, joins or shows services need not know of other names.
// A query needs the signal's own names again. It has them from what was read: a series' and a
// stream's labels are kept as they came, and namedTraces knows what its backend calls its
// services. Only a question that comes before any answer has to try all names (all).
type glossary struct {
	trace, traceLabels     []string // fields of records, and the same as labels of Loki
	ownTrace               int      // how many of traceLabels are the team's own
	request, requestLabels []string
	attributes             []string // of spans, which hold request IDs

	exact map[string]string   // the canonical name by any of a service's names, in lower case
	bare  map[string]string   // the same by what is behind the last slash, where that is one service's
	own   map[string][]string // all names by the canonical one, that one first
}

// newGlossary is nil where there is nothing in the names.
func newGlossary(names Names) *glossary {
	trace, request := usable(names.TraceFields), usable(names.RequestFields)
	if len(trace)+len(request)+len(names.Services) == 0 {
		return nil
	}
	n := &glossary{
		trace: eachOnce(slices.Concat(spelled(trace), ident.TraceFields)), traceLabels: eachOnce(slices.Concat(labelNames(trace), ident.TraceLabels)),
		request: eachOnce(slices.Concat(spelled(request), ident.RequestFields)), requestLabels: eachOnce(slices.Concat(labelNames(request), ident.RequestFields)),
		attributes: eachOnce(slices.Concat(request, ident.RequestAttributes)),
		exact:      map[string]string{}, bare: map[string]string{}, own: map[string][]string{},
	}
	n.ownTrace = len(eachOnce(labelNames(trace)))
	for _, canonical := range slices.Sorted(maps.Keys(names.Services)) {
		for _, name := range usable(append([]string{canonical}, names.Services[canonical]...)) {
			if _, taken := n.exact[strings.ToLower(name)]; !taken {
				n.exact[strings.ToLower(name)] = canonical
				n.own[canonical] = append(n.own[canonical], name)
			}
		}
	}
	for name, canonical := range n.exact {
		tail := bareService(name)
		if tail == "" {
			continue
		}
		if known, taken := n.bare[tail]; taken && known != canonical {
			canonical = "" // of two services
		}
		n.bare[tail] = canonical
	}
	return n
}

func usable(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return strings.TrimSpace(name) == "" })
}

// spelled are fields as lines have them, and as Loki's labels and metadata do.
func spelled(fields []string) []string {
	var all []string
	for _, field := range fields {
		all = append(all, field, labelName(field))
	}
	return all
}

func labelNames(fields []string) []string {
	all := make([]string, len(fields))
	for i, field := range fields {
		all[i] = labelName(field)
	}
	return all
}

// labelName is a field's name as Loki makes a label of it: other characters than letters,
// digits and underscores become underscores, and one stands before a leading digit.
func labelName(field string) string {
	name := strings.Map(func(r rune) rune {
		if r == '_' || (r >= '0' && r <= '9') || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') {
			return r
		}
		return '_'
	}, field)
	if name != "" && name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	return name
}

// traceFields are the names under which records carry trace IDs, the surest first.
func (n *glossary) traceFields() []string {
	if n == nil {
		return ident.TraceFields
	}
	return n.trace
}

// searchedTrace are the labels and metadata by which records of a trace are asked for.
func (n *glossary) searchedTrace() []string {
	if n == nil {
		return ident.TraceLabels
	}
	return n.traceLabels
}

// searchedDecimal are those of them that may hold Datadog's decimal notation: what the team
// writes is not known.
func (n *glossary) searchedDecimal() []string {
	decimal := []string{"dd_trace_id"}
	if n == nil {
		return decimal
	}
	return eachOnce(append(decimal, n.traceLabels[:n.ownTrace]...))
}

// searchedRequest are the same for those of a request.
func (n *glossary) searchedRequest() []string {
	if n == nil {
		return ident.RequestFields
	}
	return n.requestLabels
}

// requestFields are the names under which records carry request IDs, the surest first.
func (n *glossary) requestFields() []string {
	if n == nil {
		return ident.RequestFields
	}
	return n.request
}

// requestAttributes are the span attributes that hold request IDs, the surest first.
func (n *glossary) requestAttributes() []string {
	if n == nil {
		return ident.RequestAttributes
	}
	return n.attributes
}

// of is the canonical name of a service that a signal or a person calls so; the same name
// where none is configured. A name that is configured as it is wins over one that would be
// guessed, and one that could be of two services is guessed to be of none.
func (n *glossary) of(name string) string {
	if n == nil || name == "" {
		return name
	}
	if canonical := n.exact[strings.ToLower(name)]; canonical != "" {
		return canonical
	}
	if canonical := n.bare[strings.ToLower(bareService(name))]; canonical != "" {
		return canonical
	}
	return name
}

// each is of for several names, each canonical one once.
func (n *glossary) each(names []string) []string {
	if n == nil {
		return names
	}
	var all []string
	for _, name := range names {
		if name = n.of(name); !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// all are the services' names in any signal, for a question that comes before any answer. As
// jobs have namespaces before their names and others have none, a name is tried without too.
func (n *glossary) all(services []string) []string {
	if n == nil {
		return services
	}
	var all []string
	for _, service := range services {
		canonical := n.of(service)
		if len(n.own[canonical]) == 0 {
			all = append(all, service)
			continue
		}
		for _, name := range n.own[canonical] {
			all = append(all, name)
			if tail := bareService(name); n.bare[strings.ToLower(tail)] == canonical {
				all = append(all, tail)
			}
		}
	}
	return eachOnce(all)
}

// configured reports whether all of the names are the service's because the team says so.
func (n *glossary) configured(service string, names []string) bool {
	return n != nil && !slices.ContainsFunc(names, func(name string) bool { return n.exact[strings.ToLower(name)] != service })
}

// service is the canonical name of the service whose stream that is, empty where no label
// names one, and the label that does.
func (n *glossary) service(stream sources.Labels) (service, label string) {
	service, label = stream.First(logServiceLabels...)
	return n.of(service), label
}

// question is a question by canonical names.
func (n *glossary) question(q Question) Question {
	q.Services = n.each(q.Services)
	return q
}
