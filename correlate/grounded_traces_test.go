package correlate_test

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"obs/correlate"
	"obs/correlate/spans"
	"obs/sources"
)

// criticalPath works out the time of the span to blame in its trace, and on average in slow
// and in normal traces.
func (p *proof) criticalPath(m []string) recomputed {
	key := spans.Key{Service: m[1], Operation: m[2]}
	tree := p.answers[0].trees[0]
	span := slices.IndexFunc(tree.Trace.Spans, func(s sources.Span) bool { return s.ID == p.found.Trace.Blamed })
	if span < 0 || spans.KeyOf(tree.Span(span)) != key {
		p.Fatalf("no span of %v is to blame in %s", key, tree.Trace.ID)
	}
	p.quotes(tree.Span(span))
	r := recomputed{
		values: map[string]float64{"time on the critical path": tree.Nodes[span].Critical.Seconds()},
		said:   []string{correlate.Seconds(tree.Span(tree.Main).Duration.Seconds())},
	}
	if m[3] == "" {
		return r
	}
	slow := p.withChosen(p.answers[1])
	normal := sameEntry(p.answers[2].trees, p.answers[1].trees)
	r.says(len(slow), len(normal))
	ofKind := func(s *sources.Span) bool { return spans.KeyOf(s) == key }
	r.values["mean on the critical path, slow"] = meanOnPath(slow, ofKind)
	r.values["mean on the critical path, normal"] = meanOnPath(normal, ofKind)
	return r
}

// sameEntry are the traces that come in by the same operation as most of the others.
func sameEntry(trees, others []*spans.Tree) []*spans.Tree {
	counts := map[spans.Key]int{}
	for _, t := range others {
		counts[spans.KeyOf(t.Span(t.Main))]++
	}
	return slices.DeleteFunc(slices.Clone(trees), func(t *spans.Tree) bool {
		mine := counts[spans.KeyOf(t.Span(t.Main))]
		return mine == 0 || mine < slices.Max(slices.Collect(maps.Values(counts)))
	})
}

// meanOnPath is how long requests wait for some spans, in seconds.
func meanOnPath(trees []*spans.Tree, of func(*sources.Span) bool) float64 {
	sum := 0.0
	for _, t := range trees {
		for i := range t.Nodes {
			if of(t.Span(i)) {
				sum += t.Nodes[i].Critical.Seconds()
			}
		}
	}
	return sum / float64(len(trees))
}

// quotes checks that the span says what the statement quotes of it.
func (p *proof) quotes(span *sources.Span) {
	text := quotation.FindString(p.finding.Statement)
	if text == "" {
		return
	}
	said := []string{span.StatusMessage}
	for _, event := range span.Events {
		said = append(said, event.Name, event.Attributes.Get("exception.message"))
	}
	if !slices.ContainsFunc(said, func(s string) bool { return fmt.Sprintf("%q", correlate.Shorten(s)) == text }) {
		p.Errorf("%s is quoted, and the span says %q", text, said)
	}
}

// origin is the span where a trace begins to fail, if it is of that kind.
func origin(t *spans.Tree, service, operation string) *sources.Span {
	i := t.ErrorOrigin()
	if i == spans.None || spans.KeyOf(t.Span(i)) != (spans.Key{Service: service, Operation: operation}) {
		return nil
	}
	return t.Span(i)
}

func (p *proof) failingTrace(m []string) recomputed {
	span := origin(p.answers[0].trees[0], m[1], m[2])
	if span == nil {
		p.Fatalf("it does not: %q", p.finding.Statement)
	}
	p.quotes(span)
	return recomputed{}
}

// failsIn reports whether a request that the service received failed.
func failsIn(t *spans.Tree, service string) bool {
	return slices.ContainsFunc(t.Trace.Spans, func(s sources.Span) bool {
		return s.Service == service && s.Failed() && s.Kind != sources.KindClient
	})
}

func (p *proof) failingTraces(m []string) recomputed {
	there, of := 0, 0
	for _, t := range p.answers[0].trees {
		if failsIn(t, m[1]) {
			of++
			there += int(share(origin(t, m[2], m[3]) != nil))
		}
	}
	example := origin(p.answers[1].trees[0], m[2], m[3])
	if example == nil {
		p.Fatalf("the example does not: %q", p.finding.Statement)
	}
	p.quotes(example)
	return recomputed{values: map[string]float64{"failing traces that begin there": float64(there), "failing traces looked at": float64(of)}}
}

func (p *proof) slowFailing(m []string) recomputed {
	slow := p.withChosen(p.answers[0])
	normal := sameEntry(p.answers[1].trees, p.answers[0].trees)
	in := func(trees []*spans.Tree) float64 {
		n := 0.0
		for _, t := range trees {
			n += share(slices.ContainsFunc(t.Trace.Spans, func(s sources.Span) bool {
				return s.Failed() && spans.KeyOf(&s) == spans.Key{Service: m[1], Operation: m[2]}
			}))
		}
		return n / float64(len(trees))
	}
	return recomputed{values: map[string]float64{
		"share of slow traces":   in(slow),
		"share of normal traces": in(normal),
	}}
}

// troubled are the traces that a search for slow or failing ones brought, with the chosen one.
func (p *proof) troubled(search *answered) []*spans.Tree {
	query, err := parseTraceQuery(search.evidence.Query)
	if err != nil {
		p.Fatal(err)
	}
	if query.MinDuration == 0 {
		return slices.DeleteFunc(slices.Clone(search.trees), func(t *spans.Tree) bool { return !failsIn(t, query.Service) })
	}
	return p.withChosen(search)
}

// withChosen are the traces that a search brought, and the chosen one.
func (p *proof) withChosen(search *answered) []*spans.Tree {
	chosen := p.found.Trace
	if slices.ContainsFunc(search.trees, func(t *spans.Tree) bool { return t.Trace.ID == chosen.ID }) {
		return search.trees
	}
	i := slices.IndexFunc(p.answers, func(a *answered) bool { return a.evidence.Query == "trace "+string(chosen.ID) })
	if i < 0 {
		p.Fatalf("one more trace is counted than the search brings, and %s is no evidence", chosen.ID)
	}
	return append(slices.Clone(search.trees), p.answers[i].trees...)
}

// waitsFor works out in how many slow traces the critical path is more in one service than in
// another above it, and the time of that other.
func (p *proof) waitsFor(m []string) recomputed {
	slow := p.troubled(p.answers[0])
	normal := sameEntry(p.answers[1].trees, p.answers[0].trees)
	waits, of := 0.0, 0.0
	for _, t := range slow {
		own, below, came := time.Duration(0), time.Duration(0), false
		for i := range t.Nodes {
			switch t.Span(i).Service {
			case m[1]:
				came, own = true, own+t.Nodes[i].Critical
			case m[2]:
				for at := t.Nodes[i].Parent; at != spans.None; at = t.Nodes[at].Parent {
					if t.Span(at).Service == m[1] {
						below += t.Nodes[i].Critical
						break
					}
				}
			}
		}
		of, waits = of+share(came), waits+share(below > own)
	}
	own := func(s *sources.Span) bool { return s.Service == m[1] }
	return recomputed{values: map[string]float64{
		"slow traces in which it waits": waits, "slow traces that come to it": of,
		"its mean on the critical path, slow": meanOnPath(slow, own), "its mean on the critical path, normal": meanOnPath(normal, own),
	}}
}
