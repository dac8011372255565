package correlate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"obs/correlate/anomaly"
	"obs/correlate/spans"
	"obs/correlate/survey"
	"obs/sources"
)

// What makes a service slow may be in no trace: other work on the machine that it runs on.
// It shows as several services that are slow on one machine and nowhere else.

// nodeAttributes name the machine of a span's process, the surest first, as in the semantic
// conventions of OpenTelemetry.
var nodeAttributes = []string{"k8s.node.name", "host.name", "host.id"}

const (
	// neighborQueries is how many questions must be left: two here, and those for the records.
	neighborQueries = 5
	// crowdedServices is how many services must be slow on a machine for it to be the machine.
	crowdedServices = 2
	// crowdedOdds is how many times larger the odds must be that additional time of a service
	// is on the machine than that a request of it is: where half of the requests are there,
	// four fifths of the time. A judgement. A service that runs nowhere else says nothing.
	crowdedOdds = 4
)

// crowd is a machine on which several services are slow.
type crowd struct {
	node     string
	services []string
	neighbor string  // the container to blame
	share    float64 // of their additional time
	requests float64 // of their requests
	traces   []sources.TraceID
}

func nodeOf(s *sources.Span) string {
	for _, name := range nodeAttributes {
		if node := s.Resource.Get(name); node != "" {
			return node
		}
	}
	return ""
}

// onNodes is what a service's visits come to by machine.
type onNodes struct {
	extra, visits           map[string]float64
	traces                  map[string][]sources.TraceID
	totalExtra, totalVisits float64
}

// crowded finds the machine on which most services are slow that are not so elsewhere, nil
// where there is none.
func crowded(window, baseline []*spans.Tree) *crowd {
	usual := map[spans.Key][]float64{}
	for _, t := range baseline {
		visits, _ := t.Visits()
		for i := range visits {
			usual[visits[i].Key] = append(usual[visits[i].Key], visits[i].Own.Seconds())
		}
	}
	byService := map[string]*onNodes{}
	for _, t := range window {
		visits, _ := t.Visits()
		for i := range visits {
			v := &visits[i]
			node := nodeOf(t.Span(v.Entry))
			if node == "" || len(usual[v.Key]) == 0 {
				continue
			}
			s := byService[v.Key.Service]
			if s == nil {
				s = &onNodes{extra: map[string]float64{}, visits: map[string]float64{}, traces: map[string][]sources.TraceID{}}
				byService[v.Key.Service] = s
			}
			s.visits[node]++
			s.totalVisits++
			if more := v.Own.Seconds() - anomaly.Median(usual[v.Key]); more >= limits[survey.Latency].Delta {
				s.extra[node] += more
				s.totalExtra += more
				s.traces[node] = append(s.traces[node], t.Trace.ID)
			}
		}
	}
	found := map[string]*crowd{}
	for _, service := range slices.Sorted(maps.Keys(byService)) {
		s := byService[service]
		for node, extra := range s.extra {
			share, requests := extra/s.totalExtra, s.visits[node]/s.totalVisits
			if len(s.traces[node]) < fewSamples || requests == 1 || share*(1-requests) < crowdedOdds*requests*(1-share) {
				continue
			}
			if found[node] == nil {
				found[node] = &crowd{node: node}
			}
			c := found[node]
			c.services = append(c.services, service)
			c.share, c.requests = c.share+share, c.requests+requests
			c.traces = append(c.traces, s.traces[node]...)
		}
	}
	var most *crowd
	for _, node := range slices.Sorted(maps.Keys(found)) {
		if c := found[node]; len(c.services) >= crowdedServices && (most == nil || len(c.services) > len(most.services)) {
			most = c
		}
	}
	if most != nil {
		most.share /= float64(len(most.services))
		most.requests /= float64(len(most.services))
	}
	return most
}

// findNeighbor looks on a crowded machine for the container that computes more than it
// did: it is the suspect, whoever it belongs to.
func (w *walk) findNeighbor(ctx context.Context) {
	if w.sampled == nil || w.set.Metrics == nil || ctx.Err() != nil || w.spare() < neighborQueries {
		return
	}
	c := crowded(w.sampled.window, w.sampled.baseline)
	if c == nil {
		return
	}
	over := rateWindow(w.question.Window.Duration(), w.interval)
	query := survey.ContainersOn(c.node, over)
	baseline, window, asked, err := w.rangeBoth(ctx, query)
	if err != nil {
		w.failed(sources.Prometheus, "the neighbors on "+c.node+" were not looked at", err)
		return
	}
	w.neighborClue(c, query, &asked, baseline, window)
}

func (w *walk) neighborClue(c *crowd, query string, asked *bothSides, baseline, window []sources.Series) {
	before := map[string]float64{}
	for _, s := range baseline {
		before[s.Labels.String()] = medianOf(s)
	}
	name, most, was, total := "", 0.0, 0.0, 0.0
	for _, s := range window {
		more := highOf(s) - before[s.Labels.String()]
		total += max(0, more)
		if more > most {
			name, most, was = w.names.of(survey.ContainerName(s.Labels)), more, before[s.Labels.String()]
		}
	}
	if name == "" || slices.ContainsFunc(c.services, func(victim string) bool { return sameService(victim, name) }) ||
		most < total/2 || most+was < limits[survey.Saturation].Ratio*was {
		return
	}
	text := fmt.Sprintf("%s run on %s for %s of their additional time and %s of their requests, where %s uses %.3g CPUs, and used %.3g",
		strings.Join(c.services, ", "), c.node, Quantity(c.share, survey.Ratio), Quantity(c.requests, survey.Ratio), name, most+was, was)
	evidence := asked.evidence(w.set.Metrics, query, Value{Name: "CPUs in the baseline", Value: was}, Value{Name: "CPUs in the window", Value: most + was})
	evidence = slices.Concat(evidence, w.sampleEvidence(0,
		Value{Name: "share of the additional time", Value: c.share, Unit: survey.Ratio},
		Value{Name: "share of the requests", Value: c.requests, Unit: survey.Ratio},
	), w.sampleEvidence(1))
	w.keep(clue{kind: byNeighbor, service: name, strength: c.share, finding: w.found.AddFinding(text, evidence...), traces: c.traces})
	c.neighbor = name
	w.crowd = c
}

func medianOf(s sources.Series) float64 { return quantileOf(s, 0.5) }

// highOf is the value that is exceeded a fifth of the time: what began late in the window
// is little of it.
func highOf(s sources.Series) float64 { return quantileOf(s, 0.8) }

func quantileOf(s sources.Series, q float64) float64 {
	values := make([]float64, 0, len(s.Samples))
	for _, sample := range s.Samples {
		values = append(values, sample.Value)
	}
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[int(q*float64(len(values)-1))]
}
