package shop

import (
	"slices"
	"strings"
	"time"

	"obs/sources"
)

// span is a span under way. Its attributes are rendered when the trace is kept.
type span struct {
	id         uint64
	parent     *span
	pod        *pod
	kind       sources.Kind
	name       string
	peer       string // the server that a client span calls
	start, end moment
	failed     bool
	cutOff     bool // its client gave up: what it called goes on without it
	message    string
	fixed      sources.Attributes // shared
	extra      sources.Attributes
	events     []happening
}

type happening struct {
	at         moment
	name       string
	attributes sources.Attributes
}

func (sp *span) set(key, value string) {
	sp.extra = append(sp.extra, sources.Attribute{Key: key, Value: value})
}

// open starts a span.
func (s *Shop) open(r *request, parent *span, p *pod, kind sources.Kind, name string) *span {
	sp := &span{id: r.chance.Uint64() | 1, parent: parent, pod: p, kind: kind, name: name, start: s.now}
	r.spans = append(r.spans, sp)
	r.unfinished++
	return sp
}

// mark notes on a span what went wrong in it.
func (s *Shop) mark(sp *span, err *fault) {
	sp.failed, sp.message = true, err.message
	if err.quiet {
		return
	}
	attributes := sorted("exception.type", err.kind, "exception.message", err.message)
	if err.stack != "" {
		attributes = append(attributes, sources.Attribute{Key: "exception.stacktrace", Value: err.stack})
		attributes.Sort()
	}
	sp.events = append(sp.events, happening{at: s.now, name: "exception", attributes: attributes})
}

// end finishes a span; database names the kind of database that it spoke to. With the
// last span of a request its trace is complete.
func (s *Shop) end(r *request, sp *span, database string) {
	sp.end = s.now
	s.countSpan(r, sp, database)
	if r.unfinished--; r.unfinished == 0 {
		s.complete(r)
	}
}

// The collector keeps every trace that failed or was slow, and this share of the others.
// Since it decides when the trace is over, exemplars may name traces that it dropped.
const (
	keptShare = 0.35
	keptSlow  = time.Second
)

// complete decides whether a trace is kept, and gives it to the sink.
func (s *Shop) complete(r *request) {
	keep := r.sampled
	for _, sp := range r.spans {
		keep = keep || (sp.failed && sp.kind != sources.KindClient) || sp.end.since(sp.start) >= keptSlow
	}
	if keep && r.detailed {
		rendered := make([]sources.Span, len(r.spans))
		for i, sp := range r.spans {
			rendered[i] = s.render(r, sp)
		}
		s.sink.Spans(rendered...)
	}
	r.spans = nil
}

func (s *Shop) render(r *request, sp *span) sources.Span {
	out := sources.Span{
		TraceID: r.trace, ID: spanID(sp.id), Service: sp.pod.service.name, Operation: sp.name, Kind: sp.kind,
		Status: sources.StatusUnset, StatusMessage: sp.message, Start: s.at2time(sp.start), Duration: sp.end.since(sp.start),
		Resource: sp.pod.resource,
	}
	if sp.parent != nil {
		out.ParentID = spanID(sp.parent.id)
	}
	if sp.failed {
		out.Status = sources.StatusError
	}
	out.Attributes = make(sources.Attributes, 0, len(sp.fixed)+len(sp.extra))
	out.Attributes = append(append(out.Attributes, sp.fixed...), sp.extra...)
	slices.SortFunc(out.Attributes, func(a, b sources.Attribute) int { return strings.Compare(a.Key, b.Key) })
	for _, e := range sp.events {
		out.Events = append(out.Events, sources.Event{Time: s.at2time(e.at), Name: e.name, Attributes: e.attributes})
	}
	return out
}

func spanID(id uint64) sources.SpanID { return sources.SpanID(appendHex(make([]byte, 0, 16), id)) }
