package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"obs/correlate"
	"obs/sources"
)

// Kinds of findings about exemplars.
const (
	KindNoExemplars   = "exemplars.none"
	KindSomeExemplars = "exemplars.some"
	KindLostExemplars = "exemplars.lost" // they name traces that are not stored
)

// checkIDs looks up one exemplar of each service, the trace IDs of its records, and what its
// records carry under unknown names. A trace that a search has brought is known to be there.
func (e *exam) checkIDs(ctx context.Context) {
	if !e.answers(sources.Jaeger) {
		return
	}
	var parts []func()
	for _, r := range e.rows {
		parts = append(parts, func() {
			if one, ok := e.settledExemplar(r.exemplars); ok {
				r.checked.take(e.isStored(ctx, one.id, sources.Window{From: one.at, To: one.at}))
			}
			for _, id := range e.settledIDs(r.records.ids) {
				if r.recordIDs.asked == idChecks || r.recordIDs.stored > 0 {
					break
				}
				r.recordIDs.take(e.isStored(ctx, id, e.options.Window))
			}
			if r.records.withID == 0 && len(r.records.others) > 0 {
				o := &r.records.others[0]
				o.stored, _ = e.isStored(ctx, o.sample, e.options.Window)
			}
		})
	}
	together(parts...)
}

// take counts an answer, where there was one.
func (c *checks) take(stored, answered bool) {
	if answered {
		c.asked++
		if stored {
			c.stored++
		}
	}
}

// settledExemplar is the newest exemplar whose trace had time to arrive, or else the oldest.
func (e *exam) settledExemplar(all []found) (found, bool) {
	if len(all) == 0 {
		return found{}, false
	}
	before := e.options.Now.Add(-settled)
	for _, one := range slices.Backward(all) {
		if one.at.Before(before) {
			return one, true
		}
	}
	return all[0], true
}

// settledIDs are the IDs in the order in which to look them up, those of the sampled traces
// first, then from the oldest on: the newest may still be on their way.
func (e *exam) settledIDs(ids []sources.TraceID) []sources.TraceID {
	e.mu.Lock()
	defer e.mu.Unlock()
	var known, others []sources.TraceID
	for _, id := range slices.Backward(ids) {
		if e.sampled[id] != nil {
			known = append(known, id)
		} else {
			others = append(others, id)
		}
	}
	return append(known, others...)
}

// isStored asks whether Jaeger has a trace.
func (e *exam) isStored(ctx context.Context, id sources.TraceID, around sources.Window) (stored, answered bool) {
	e.mu.Lock()
	known, asked := e.stored[id]
	if e.sampled[id] != nil {
		known, asked = true, true
	}
	e.mu.Unlock()
	if asked {
		return known, true
	}
	_, err := e.set.Traces.Trace(ctx, id, around)
	if err != nil && !errors.Is(err, sources.ErrNotFound) {
		e.failed(sources.Jaeger, "whether traces are stored was not looked at", err)
		return false, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stored[id] = err == nil
	return err == nil, true
}

// judgeExemplars says how well the service's metrics lead to its traces.
func (e *exam) judgeExemplars(r *row) {
	traced := len(r.names.Traces) > 0
	searched := "by service and time: "
	if r.alike && len(r.names.Metrics) > 0 {
		traced = false // the search is by the name in the metrics
	}
	switch {
	case !e.answers(sources.Prometheus):
		r.Hops.MetricToTrace = Hop{Unknown, "Prometheus did not answer"}
	case !e.answers(sources.Jaeger):
		r.Hops.MetricToTrace = Hop{Unknown, "Jaeger did not answer"}
	case r.checked.stored > 0:
		r.Hops.MetricToTrace = Hop{OK, counted(len(r.exemplars), "exemplar") + ", checked"}
	case len(r.exemplars) > 0 && r.checked.asked == 0:
		r.Hops.MetricToTrace = Hop{Unknown, counted(len(r.exemplars), "exemplar") + ", not checked"}
	case !traced && len(r.names.Traces) > 0:
		r.Hops.MetricToTrace = Hop{Broken, "no exemplar, and another name in Jaeger"}
	case !traced:
		r.Hops.MetricToTrace = Hop{Broken, "Jaeger does not know it"}
	case len(r.exemplars) > 0:
		r.Hops.MetricToTrace = Hop{Weak, searched + "exemplars name no stored trace"}
	default:
		r.Hops.MetricToTrace = Hop{Weak, searched + "no exemplar"}
	}
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// findExemplars gathers where metrics do not lead to traces by an ID.
func (e *exam) findExemplars() {
	if !e.arrives(sources.Prometheus) {
		return
	}
	evidence := []correlate.Evidence{}
	if e.asked != "" {
		evidence = append(evidence, correlate.Evidence{
			Backend: sources.Prometheus, Query: "GET /api/v1/query_exemplars?query=" + e.asked, Window: e.options.Window,
			Values: []correlate.Value{{Name: "exemplars that name a trace", Value: float64(len(e.exemplars))}},
		})
	}
	with := func(r *row) bool { return len(r.exemplars) > 0 }
	metered := func(r *row) bool { return r.signals.rate || r.signals.duration }
	if !slices.ContainsFunc(e.rows, with) {
		e.findOver(KindNoExemplars, Weak, metered, func(services []string) Finding {
			return Finding{
				Statement: "no metric of requests has an exemplar: from a metric, traces are found by service and time alone, which may show another request than the slow one",
				Evidence:  evidence, Mends: mendExemplars(e.servers[sources.Prometheus].Product),
			}
		})
		return
	}
	e.findOver(KindSomeExemplars, Weak, func(r *row) bool { return metered(r) && !with(r) }, func(services []string) Finding {
		return Finding{
			Statement: fmt.Sprintf("%s: no exemplar, while other services have some: its client library or the way of its metrics loses them", list(services)),
			Evidence:  evidence, Mends: mendExemplars(e.servers[sources.Prometheus].Product),
		}
	})
	e.findOver(KindLostExemplars, Weak, func(r *row) bool { return r.checked.asked > 0 && r.checked.stored == 0 }, func(services []string) Finding {
		asked, stored := 0, 0
		for _, r := range e.rows {
			asked, stored = asked+r.checked.asked, stored+r.checked.stored
		}
		return Finding{
			Statement: fmt.Sprintf("%s: exemplars name traces that Jaeger does not have; of %d looked up, one for each service, %d are stored", list(services), asked, stored),
			Evidence:  evidence, Mends: []Mend{mendSampling},
		}
	})
}
