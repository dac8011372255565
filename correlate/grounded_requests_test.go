package correlate_test

import (
	"slices"
	"strings"

	"obs/correlate/anomaly"
	"obs/correlate/spans"
	"obs/sources"
)

// sides are the requests of window and baseline that the searches brought, each once.
func (p *proof) sides() (window, baseline []*spans.Tree) {
	seen := map[sources.TraceID]bool{}
	for _, a := range p.answers {
		if a.evidence.Backend != sources.Jaeger {
			continue
		}
		side := &window
		switch a.evidence.Window {
		case p.found.Window:
		case *p.found.Baseline:
			side = &baseline
		default:
			p.Fatalf("a search of neither side: %+v", a.evidence)
		}
		for _, t := range a.trees {
			if !seen[t.Trace.ID] {
				seen[t.Trace.ID] = true
				*side = append(*side, t)
			}
		}
	}
	return window, baseline
}

// visit is the stay of a request in a service, with the others of the trace.
type visit struct {
	*spans.Visit
	tree *spans.Tree
	all  []spans.Visit
}

// does counts how often the visit does a piece of work, its own or a call.
func (v *visit) does(name string) int {
	n := v.Inside[name]
	for _, call := range v.Calls {
		if key := v.all[call].Key; key.Service+" "+key.Operation == name {
			n++
		}
	}
	return n
}

// means is the mean over the visits of each side that count, and how many those are.
func (p *proof) means(value func(v *visit) (x float64, counts bool)) recomputed {
	mean := func(trees []*spans.Tree) (float64, float64) {
		sum, n := 0.0, 0.0
		for _, t := range trees {
			all, _ := t.Visits()
			for i := range all {
				if x, counts := value(&visit{Visit: &all[i], tree: t, all: all}); counts {
					sum, n = sum+x, n+1
				}
			}
		}
		return sum / n, n
	}
	window, baseline := p.sides()
	r := recomputed{values: map[string]float64{}}
	r.values["window"], r.values["requests in the window"] = mean(window)
	r.values["baseline"], r.values["requests in the baseline"] = mean(baseline)
	return r
}

func share(holds bool) float64 {
	if holds {
		return 1
	}
	return 0
}

func (p *proof) ownTime(m []string) recomputed {
	return p.means(func(v *visit) (float64, bool) {
		return v.Own.Seconds(), v.Key == spans.Key{Service: m[1], Operation: m[2]}
	})
}

func (p *proof) gap(m []string) recomputed {
	return p.means(func(v *visit) (float64, bool) {
		return v.Gap.Seconds(), v.GapKnown && v.Key.Service == m[2] && v.all[v.Parent].Key.Service == m[1]
	})
}

func (p *proof) failing(m []string) recomputed {
	return p.means(func(v *visit) (float64, bool) {
		return share(v.Fails), v.Key == spans.Key{Service: m[1], Operation: m[2]}
	})
}

// lost and the next ones are of visits that do not fail, as those that do do less.
func (p *proof) lost(m []string) recomputed {
	return p.means(func(v *visit) (float64, bool) {
		return share(v.does(m[3]) > 0), v.Key == spans.Key{Service: m[1], Operation: m[2]} && !v.Failed
	})
}

func (p *proof) more(m []string) recomputed {
	return p.means(func(v *visit) (float64, bool) {
		n := v.does(m[3])
		return float64(n), n > 0 && v.Key == spans.Key{Service: m[1], Operation: m[2]} && !v.Failed
	})
}

func (p *proof) unanswered(m []string) recomputed {
	return p.means(func(v *visit) (float64, bool) {
		reached := slices.ContainsFunc(v.Calls, func(call int) bool { return v.all[call].Key.Service == m[3] })
		return share(!reached), v.Key == spans.Key{Service: m[1], Operation: m[2]} && !v.Failed
	})
}

// nodeOf is the machine that a span's process runs on.
func nodeOf(s *sources.Span) string {
	for _, name := range []string{"k8s.node.name", "host.name", "host.id"} {
		if node := s.Resource.Get(name); node != "" {
			return node
		}
	}
	return ""
}

// noticed is the least additional time of a visit that counts: that of a latency.
const noticed = 0.005

// neighbor works out how much of several services' additional time is on one machine, and what
// the container to blame computes there.
func (p *proof) neighbor(m []string) recomputed {
	window, baseline := p.sides()
	usual := map[spans.Key][]float64{}
	for _, t := range baseline {
		visits, _ := t.Visits()
		for _, v := range visits {
			usual[v.Key] = append(usual[v.Key], v.Own.Seconds())
		}
	}
	services := strings.Split(m[1], ", ")
	type sums struct{ here, all float64 }
	extra, visited := map[string]*sums{}, map[string]*sums{}
	for _, service := range services {
		extra[service], visited[service] = &sums{}, &sums{}
	}
	for _, t := range window {
		visits, _ := t.Visits()
		for _, v := range visits {
			node := nodeOf(t.Span(v.Entry))
			of := visited[v.Key.Service]
			if of == nil || node == "" || len(usual[v.Key]) == 0 {
				continue
			}
			here := share(node == m[2])
			of.all, of.here = of.all+1, of.here+here
			if more := v.Own.Seconds() - anomaly.Median(usual[v.Key]); more >= noticed {
				time := extra[v.Key.Service]
				time.all, time.here = time.all+more, time.here+more*here
			}
		}
	}
	r := recomputed{values: map[string]float64{}}
	for _, service := range services {
		r.values["share of the additional time"] += extra[service].here / extra[service].all / float64(len(services))
		r.values["share of the requests"] += visited[service].here / visited[service].all / float64(len(services))
	}
	for _, a := range p.answers {
		for _, s := range a.series {
			if name, _ := s.Labels.First("container", "pod"); name == m[3] {
				one := []sources.Series{s}
				r.values["CPUs in the window"] = quantileOf(samplesIn(one, p.found.Window), 0.8)
				r.values["CPUs in the baseline"] = quantileOf(samplesIn(one, *p.found.Baseline), 0.5)
			}
		}
	}
	return r
}

// failsWith works out of the requests that fail in a service how many begin to fail in
// another, and how many in itself.
func (p *proof) failsWith(m []string) recomputed {
	window, _ := p.sides()
	fail, other, itself := 0.0, 0.0, 0.0
	for _, t := range window {
		visits, _ := t.Visits()
		failed, begins := false, false
		for _, v := range visits {
			if v.Key.Service == m[1] {
				failed, begins = failed || v.Failed, begins || v.Fails
			}
		}
		origin := t.ErrorOrigin()
		fail, itself = fail+share(failed), itself+share(begins)
		other += share(failed && !begins && origin != spans.None && t.Span(origin).Service == m[2])
	}
	return recomputed{values: map[string]float64{
		"requests that fail in it": fail, "of these, begin to fail in the other": other, "of these, begin to fail in itself": itself,
	}}
}
