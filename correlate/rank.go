package correlate

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"obs/correlate/spans"
	"obs/correlate/survey"
	"obs/sources"
)

// The model of a suspect's score. Each kind of evidence counts once for a service, with
// its strongest clue: weight times strength is how likely the clue alone makes the
// service the cause, and the kinds combine as independent ones do, 1 - Π(1 - weight·strength).
// What a service may do because of another it calls, such as failing or falling silent,
// is a symptom: it counts the less, the more speaks against one of its callees.

// clueKind is a kind of evidence.
type clueKind int

// The kinds.
const (
	byPath       clueKind = iota // its share of the additional time on the critical path of slow requests
	byOwnTime                    // its share of the additional time of all requests
	byGap                        // its share of the additional time between client and server spans
	byNeighbor                   // it computes where several others are slow
	bySaturation                 // a metric of its resources departs
	byMetric                     // a metric of its requests departs
	byTraffic                    // its requests stay away
	byOther                      // a metric of unknown meaning departs
	bySparse                     // a metric of its requests departs, by too few samples
	byFailures                   // requests begin to fail in it more often
	byUnanswered                 // calls to it have no span of it any more
	byLostWork                   // its requests do no more what they did
	byMoreWork                   // its requests do something more often
	byChange                     // it was changed shortly before the trouble began
	byErrorLines                 // it logs errors that it did not
	byLostLines                  // it no longer logs what it did
	byDown                       // its targets are down
	byFewer                      // it has fewer targets than it had
	byOtherLines                 // it logs what it did not
)

// kindWeight is what a kind weighs, and whether a callee may be behind it.
type kindWeight struct {
	weight  float64
	symptom bool
}

// weights rank the kinds by how directly each names a cause. Time and failures are
// measured where they occur, and resources are a service's own; a caller's latency, errors
// and lines depend on those that it calls. All are judgements, in steps of some tenths:
// the order matters and the digits do not.
var weights = map[clueKind]kindWeight{
	byPath:       {weight: 0.6},
	byOwnTime:    {weight: 0.6},
	byGap:        {weight: 0.6},
	byNeighbor:   {weight: 0.8},
	bySaturation: {weight: 0.6},
	byUnanswered: {weight: 0.6},
	byDown:       {weight: 0.6},
	byFailures:   {weight: 0.6, symptom: true},
	byErrorLines: {weight: 0.5, symptom: true},
	byLostLines:  {weight: 0.5, symptom: true},
	byLostWork:   {weight: 0.4, symptom: true},
	byMetric:     {weight: 0.3, symptom: true},
	byTraffic:    {weight: 0.3, symptom: true},
	byMoreWork:   {weight: 0.3, symptom: true},
	// Most incidents follow a change, and most changes are followed by none: a change makes
	// likelier what speaks for itself, and decides between equals.
	byChange:     {weight: 0.1},
	byOther:      {weight: 0.2, symptom: true},
	bySparse:     {weight: 0.1, symptom: true},
	byOtherLines: {weight: 0.2, symptom: true},
	// Deployments and autoscalers take targets away all day.
	byFewer: {weight: 0.1},
}

const (
	// explained is how much of the symptoms a callee explains against which as much speaks.
	explained = 0.7
	// calleeOfGap prefers the callee of an edge on which time is lost: it is downstream.
	calleeOfGap = 2.0
	// callersGone is how many services must give up calling another for it to be the other's
	// doing.
	callersGone = 2
	// telling is from which weight times strength a clue from traces or logs alone makes a
	// window anomalous: half of what the heaviest kind weighs.
	telling = 0.3
	// replaced is what is left of a change where other work or another pattern takes the place
	// of what is gone.
	replaced = 0.2
	// chanceOfTime and chanceOfWork are the largest p values of differences that count. The
	// second is of one that is corrected for how many were looked for; the first is not, and
	// a fifth of the usual 0.05.
	chanceOfTime = 0.01
	chanceOfWork = 0.05
	// chanceOfLines is the same for patterns, which are many: what is sure and small is let
	// through, and the strength says how much it is.
	chanceOfLines = 0.2
	// halfSure is how many powers of ten below 1 a p value is half of all sureness.
	halfSure = 2.0
)

// sureness makes a strength of a p value: 0 at 1, a half at 0.01, 3/4 at a millionth.
func sureness(p float64) float64 {
	tens := -math.Log10(max(p, 1e-300))
	return tens / (tens + halfSure)
}

// surenessOf makes a strength of a distance in standard deviations: a half where
// anomalies begin.
func surenessOf(score float64) float64 {
	return score / (score + limits[survey.Latency].Score)
}

// metricKind is what a departing metric says.
func metricKind(a *Anomaly) clueKind {
	switch survey.Signal(a.Signal) {
	case survey.Saturation:
		return bySaturation
	case survey.Traffic:
		return byTraffic
	case survey.Availability:
		return byDown
	case survey.Other, survey.Alert:
		return byOther
	}
	return byMetric
}

// anomalyClues are those of the anomalies, the walk's cohorts and its failing requests.
func (w *walk) anomalyClues() []clue {
	var all []clue
	for i := range w.found.Anomalies {
		a := &w.found.Anomalies[i]
		if a.Creep != nil {
			if c := a.creepClue(w.departs()); c.strength > 0 {
				all = append(all, c)
			}
			continue
		}
		if a.Harmless() || a.Service == "" {
			continue // more traffic is nobody's fault, and some alerts are about no service
		}
		kind := metricKind(a)
		if a.Metric == errorRecords && w.lineSides[0] != nil {
			kind = bySparse // the lines themselves were compared, by request
		}
		for _, finding := range a.Findings {
			all = append(all, clue{kind: kind, service: a.Service, strength: surenessOf(a.Score), finding: finding})
		}
	}
	all = append(all, w.pathClues()...)
	if w.tree != nil && w.blamed != spans.None {
		span := w.tree.Span(w.blamed)
		for _, finding := range w.found.Answers.WhereTimeGoes.Findings {
			all = append(all, clue{kind: byPath, service: span.Service, operation: span.Operation, finding: finding})
		}
	}
	switch key, slow, normal := w.newFailure(); {
	case w.failure != nil:
		for _, finding := range w.found.Answers.FailingDependency.Findings {
			all = append(all, clue{
				kind: byFailures, service: w.failure.origin.Service, operation: w.failure.origin.Operation,
				strength: float64(w.failure.traces) / float64(w.failure.of), finding: finding,
			})
		}
	case key != (spans.Key{}):
		all = append(all, clue{kind: byFailures, service: key.Service, operation: key.Operation, strength: slow - normal})
	}
	return all
}

// pathClues share out the additional time on the critical path of slow requests. The time
// of a client span is its callee's in part. Where no metric of a known convention led to
// the slow requests they may be of all kinds, and what they share says little.
func (w *walk) pathClues() []clue {
	if len(w.found.Anomalies) == 0 || w.found.Anomalies[0].Guessed {
		return nil
	}
	total := 0.0
	for _, share := range w.shares {
		total += max(0, share.Excess().Seconds())
	}
	parts, operations := map[string]float64{}, map[string]string{}
	callees := spans.Callees(slices.Concat(w.trees.slow, w.trees.normal))
	for _, share := range w.shares {
		excess := share.Excess().Seconds()
		if excess <= 0 {
			continue
		}
		caller := share.Key.Service
		operations[caller] = cmp.Or(operations[caller], share.Key.Operation)
		part := excess / total
		if callee := callees[share.Key]; callee != "" {
			of := w.calleesPart(spans.Edge{Caller: caller, Callee: callee})
			parts[callee] += of * part
			part -= of * part
		}
		parts[caller] += part
	}
	var all []clue
	for service, part := range parts {
		all = append(all, clue{kind: byPath, service: service, operation: operations[service], strength: part})
	}
	return all
}

// calleesPart is how much of the time that is lost between two services is the callee's.
func (w *walk) calleesPart(edge spans.Edge) float64 {
	if part, known := w.gapParts[edge]; known {
		return part
	}
	return calleeOfGap / (calleeOfGap + 1)
}

// leastScore is that of a suspect worth a line: a hundredth, as scores are shown.
const leastScore = 0.01

// maxSuspects keeps the list to what a person looks at.
const maxSuspects = 10

// rankSuspects orders the services by what speaks for each being the cause.
func (w *walk) rankSuspects() {
	if w.found.Verdict == Healthy {
		return
	}
	w.clues = w.podsAsServices(w.clues)
	all := append(w.podsAsServices(w.anomalyClues()), w.clues...)
	ranked := w.ranking(all)
	if changed := w.changeClues(ranked); len(changed) > 0 {
		ranked = w.ranking(append(all, changed...))
	}
	w.found.Suspects = append(w.found.Suspects, ranked[:min(len(ranked), maxSuspects)]...)
}

// ranking is the order that clues make of the services.
func (w *walk) ranking(all []clue) []Suspect {
	best := map[string]map[clueKind]clue{}
	findings := map[string][]string{}
	for _, c := range all {
		if best[c.service] == nil {
			best[c.service] = map[clueKind]clue{}
		}
		if known, ok := best[c.service][c.kind]; !ok || c.strength > known.strength {
			best[c.service][c.kind] = c
		}
		if c.finding != "" && !slices.Contains(findings[c.service], c.finding) {
			findings[c.service] = append(findings[c.service], c.finding)
		}
	}
	affected := map[string]map[sources.TraceID]bool{}
	for service, clues := range best {
		affected[service] = map[sources.TraceID]bool{}
		for _, c := range clues {
			for _, id := range c.traces {
				affected[service][id] = true
			}
		}
	}
	whole, sure := map[string]float64{}, map[string]float64{}
	for service, clues := range best {
		whole[service] = combined(clues, 1, 1)
		surer := maps.Clone(clues)
		delete(surer, bySparse)
		sure[service] = combined(surer, 1, 1)
	}
	below := w.downstream()
	var ranked []Suspect
	for service, clues := range best {
		behind := 0.0
		for callee := range below[service] {
			if sure[callee] > 0 {
				behind = max(behind, min(1, sure[callee]/whole[service])*together(affected[service], affected[callee]))
			}
		}
		symptoms, own := 1-explained*behind, 1.0
		if c := w.crowd; c != nil && slices.Contains(c.services, service) {
			// Its own time is the machine's.
			own = 1 - explained*c.share
			symptoms = min(symptoms, own)
		}
		s := Suspect{Service: service, Score: combined(clues, symptoms, own), Findings: append([]string{}, findings[service]...)}
		strongest := 0.0
		for kind, c := range clues {
			if weight := weights[kind].weight * c.strength; c.operation != "" && weight > strongest {
				strongest, s.Operation = weight, c.operation
			}
		}
		if s.Score = math.Round(s.Score*1000) / 1000; s.Score >= leastScore {
			ranked = append(ranked, s)
		}
	}
	slices.SortFunc(ranked, func(a, b Suspect) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), compareDepth(below, a.Service, b.Service), cmp.Compare(a.Service, b.Service))
	})
	for i := range ranked {
		ranked[i].Rank = i + 1
		if i > 0 && ranked[i].Score == ranked[i-1].Score && compareDepth(below, ranked[i-1].Service, ranked[i].Service) == 0 {
			ranked[i].Rank = ranked[i-1].Rank
		}
	}
	return ranked
}

// together is the share of the requests that show a caller's symptoms in which the callee
// shows some too: what happens to others explains nothing. 1 where it is not known of both
// which requests they are.
func together(caller, callee map[sources.TraceID]bool) float64 {
	if len(caller) == 0 || len(callee) == 0 {
		return 1
	}
	both := 0
	for id := range caller {
		if callee[id] {
			both++
		}
	}
	return float64(both) / float64(len(caller))
}

// combined is the score of clues, of which symptoms count by one share and others by another.
func combined(clues map[clueKind]clue, symptoms, own float64) float64 {
	not := 1.0
	for kind := byPath; kind <= byOtherLines; kind++ { // in an order, so that sums are the same each time
		weight := weights[kind].weight * min(1, clues[kind].strength)
		if weights[kind].symptom {
			weight *= symptoms
		} else {
			weight *= own
		}
		not *= 1 - weight
	}
	return 1 - not
}

// compareDepth puts a callee before its caller.
func compareDepth(below map[string]map[string]bool, a, b string) int {
	switch {
	case below[a][b] && !below[b][a]:
		return 1
	case below[b][a] && !below[a][b]:
		return -1
	}
	return 0
}

// downstream is whom each service calls, at any remove, as far as traces tell. Services
// that call each other in a circle are below each other, and explain nothing.
func (w *walk) downstream() map[string]map[string]bool {
	calls := map[string][]string{}
	if w.sampled != nil {
		for edge := range w.sampled.calls {
			calls[edge.Caller] = append(calls[edge.Caller], edge.Callee)
		}
	}
	below := map[string]map[string]bool{}
	for service := range calls {
		seen := map[string]bool{}
		left := []string{service}
		for len(left) > 0 {
			next := left[len(left)-1]
			left = left[:len(left)-1]
			for _, callee := range calls[next] {
				if !seen[callee] {
					seen[callee] = true
					left = append(left, callee)
				}
			}
		}
		below[service] = seen
	}
	all := map[string]map[string]bool{}
	for service, seen := range below {
		all[service] = map[string]bool{}
		for callee := range seen {
			if callee != service && !below[callee][service] {
				all[service][callee] = true
			}
		}
	}
	return all
}
