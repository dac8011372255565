package correlate_test

import (
	"regexp"
	"slices"
	"strings"

	"obs/correlate/spans"
	"obs/sources"
)

// tellsApart is what most requests in trouble have and few others, by entry, condition, service
// and places.
var tellsApart = regexp.MustCompile(`^(?:all \d+|\d+ of \d+) (?:slow|failing) requests by (\S+) (.+) have (\S+=.+?)(?: in (\S+))?(?: \((.+)\))?; of \d+ others of the same time \S+ (?:do|does)$`)

// held are the requests in trouble, of the entry that most come in by, and others of it at the
// same time that are well.
func (p *proof) held() (slow, others []*spans.Tree) {
	query, err := parseTraceQuery(p.answers[1].evidence.Query)
	if err != nil {
		p.Fatal(err)
	}
	if p.answers[1].evidence.Window.From.Before(p.found.Window.From) {
		p.Errorf("the others are not of the same time: %s", p.answers[1].evidence.Window)
	}
	all := p.troubled(p.answers[0])
	slow = sameEntry(all, all)
	for _, t := range sameEntry(p.answers[1].trees, all) {
		well := !failsIn(t, query.Service)
		if query.MaxDuration > 0 {
			well = !slices.ContainsFunc(all, func(other *spans.Tree) bool { return other.Trace.ID == t.Trace.ID }) &&
				!slices.ContainsFunc(t.Trace.Spans, func(s sources.Span) bool {
					return s.Service == query.Service && s.Operation == query.Operation && s.Duration > query.MaxDuration
				})
		}
		if well && len(others) < 20 {
			others = append(others, t)
		}
	}
	return slow, others
}

// toldApart counts the requests of both sides that have what is said to tell them apart, and
// checks that they come in where it says, and that the places in brackets hold in the same ones.
func (p *proof) toldApart(m []string) recomputed {
	slow, others := p.held()
	if key := spans.KeyOf(slow[0].Span(slow[0].Main)); key != (spans.Key{Service: m[1], Operation: m[2]}) {
		p.Errorf("they come in by %v: %q", key, p.finding.Statement)
	}
	having := func(trees []*spans.Tree, conditions []string) (ids []sources.TraceID) {
		for _, t := range trees {
			all := true
			for _, c := range conditions {
				key, value, _ := strings.Cut(c, "=")
				all = all && slices.ContainsFunc(t.Trace.Spans, func(s sources.Span) bool {
					return (m[4] == "" || s.Service == m[4]) && (s.Attributes.Get(key) == value || s.Resource.Get(key) == value)
				})
			}
			if all {
				ids = append(ids, t.Trace.ID)
			}
		}
		return ids
	}
	named := strings.Split(m[3], " and ")
	in, out := having(slow, named), having(others, named)
	if m[5] != "" {
		for _, place := range strings.Split(m[5], ", ") {
			if !slices.Equal(having(slow, []string{place}), in) || !slices.Equal(having(others, []string{place}), out) {
				p.Errorf("%s is of other requests: %q", place, p.finding.Statement)
			}
		}
	}
	return recomputed{values: map[string]float64{
		"requests in trouble": float64(len(slow)), "requests in trouble that have it": float64(len(in)),
		"other requests": float64(len(others)), "other requests that have it": float64(len(out)),
	}}
}

// instancesHit counts the instances and versions of a service that requests come to.
func (p *proof) instancesHit(m []string) recomputed {
	slow, others := p.held()
	places := func(key string, trees []*spans.Tree) float64 {
		seen := map[string]bool{}
		for _, t := range trees {
			for i := range t.Trace.Spans {
				if s := &t.Trace.Spans[i]; s.Service == m[1] {
					seen[s.Resource.Get(key)] = true
				}
			}
		}
		return float64(len(seen))
	}
	all := slices.Concat(slow, others)
	r := recomputed{values: map[string]float64{"instances with trouble": places("k8s.pod.name", slow), "instances": places("k8s.pod.name", all)}}
	if m[2] != "" {
		r.values["versions with trouble"], r.values["versions"] = places("service.version", slow), places("service.version", all)
	}
	return r
}
