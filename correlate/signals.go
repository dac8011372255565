package correlate

import (
	"context"
	"time"

	"obs/correlate/ident"
	"obs/correlate/survey"
	"obs/sources"
)

// What correlate/doctor asks of the walk's own ways, so that it examines those and no others.

// Signals reads services and IDs from signals as the walk does, by a team's names too.
type Signals struct{ names *glossary }

// NewSignals reads by the names that are known everywhere, and by those.
func NewSignals(names Names) Signals { return Signals{newGlossary(names)} }

// SameService reports whether the walk takes two names, of any two signals, for one service.
func (s Signals) SameService(a, b string) bool { return sameService(s.names.of(a), s.names.of(b)) }

// Configured reports whether the team says that a name is the service's.
func (s Signals) Configured(service, name string) bool {
	return s.names.configured(s.names.of(service), []string{name})
}

// BareService is a service's name without its namespace, as the walk compares names.
func BareService(name string) string { return bareService(name) }

// Canonical is the name under which the walk shows a service that some signal calls so.
func (s Signals) Canonical(name string) string { return s.names.of(name) }

// LogService is what a stream's labels call its service, and the label that does; both are
// empty where none does.
func (s Signals) LogService(stream sources.Labels) (service, label string) {
	return stream.First(logServiceLabels...)
}

// TraceLabels are the labels and metadata that hold trace IDs to the walk.
func (s Signals) TraceLabels() []string { return s.names.searchedTrace() }

// RequestFields are the fields, labels and metadata of records that hold request IDs to it.
func (s Signals) RequestFields() []string { return s.names.requestFields() }

// RequestAttributes are the attributes of spans that do.
func (s Signals) RequestAttributes() []string { return s.names.requestAttributes() }

// LogServiceLabels are the stream labels that may name a service, the surest first.
func LogServiceLabels() []string { return append([]string(nil), logServiceLabels...) }

// TraceOf is the trace that a record names as its own to the walk or to a lookup of its line,
// and where the record does; ok is false where it names none, whatever else may stand in it.
func (s Signals) TraceOf(r sources.Record) (id sources.TraceID, place Place, ok bool) {
	if id, ok = ident.ParseTrace(recordField(r, s.names.traceFields())); !ok {
		if id, ok = ident.TraceIn(r.Line); !ok {
			return "", Place{}, false
		}
	}
	service, _ := s.names.service(r.Stream)
	kind, field := carriedIn(r, s.names.traceSearch(id))
	return id, Place{Service: service, Kind: kind, Field: field, Records: 1}, true
}

// Questions are what a triage would ask Prometheus about services, and the window of rates to
// ask it with. What is missing of them stands beside.
func (x *Explorer) Questions(ctx context.Context) (questions []survey.Question, over time.Duration, missing []Missing) {
	w := newWalk(x.set, x.question, nil)
	questions, err := w.questions(ctx)
	if err != nil {
		w.failed(sources.Prometheus, "the metrics were not looked at", err)
	}
	return questions, w.over, w.found.Missing
}

// MissingPart is the part of an answer that a failure cost.
func MissingPart(backend sources.Backend, part string, err error) Missing {
	var c Case
	c.missingError(backend, part, err)
	return c.Missing[0]
}

// NotConfigured is what a backend without an address costs.
func NotConfigured(backend sources.Backend, lost string) Missing {
	var c Case
	c.notConfigured(backend, lost)
	return c.Missing[0]
}
