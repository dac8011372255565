package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"obs/correlate"
	"obs/sources"
)

// Kinds of findings about exemplars.
const (
	KindNoExemplars   = "exemplars.none"
	KindSomeExemplars = "exemplars.some"
	KindLostExemplars = "exemplars.lost" // they name traces that are not stored
)

// checkIDs looks up exemplars of each service, the trace IDs of its records, and what its
// records carry under unknown names. A trace that a search has brought is known to be there.
func (e *exam) checkIDs(ctx context.Context) {
	if !e.answers(e.tracer) {
		return
	}
	var parts []func()
	for _, r := range e.rows {
		parts = append(parts, func() {
			for _, one := range e.slowExemplars(r.exemplars) {
				around := sources.Window{From: one.at.Add(-seconds(one.seconds)), To: one.at}
				r.checked.take(e.isStored(ctx, r, one.id, around.Pad(time.Minute)))
				if r.checked.asked == exemplarChecks || r.checked.stored > 0 {
					break
				}
			}
			for _, id := range settledIDs(r.records.ids) {
				if r.recordIDs.asked == idChecks || r.recordIDs.stored > 0 {
					break
				}
				r.recordIDs.take(e.isStored(ctx, r, id, e.options.Window))
			}
			if r.records.withID == 0 && len(r.records.others) > 0 {
				o := &r.records.others[0]
				o.stored, _ = e.isStored(ctx, r, o.sample, e.options.Window)
			}
		})
	}
	together(parts...)
}

// luck is up to which probability none of a few IDs being stored is put down to chance, where
// others of the same system are: the usual one in twenty.
const luck = 0.05

// lost reports whether a service's IDs lead to no stored trace, which is more than chance has it
// where some traces of the whole system are kept and others not: Fisher's exact test of the
// service against all, as often as services were looked at.
func (c checks) lost(all checks) bool {
	if c.asked == 0 || c.stored > 0 {
		return false
	}
	chance := 1.0 // that all of them fall on those that are not stored
	for i := range c.asked {
		chance *= float64(all.asked-all.stored-i) / float64(all.asked-i)
	}
	return chance < luck/float64(all.services) || all.tooFew()
}

// tooFew reports whether fewer than one in as many is stored as the walk tries.
func (c checks) tooFew() bool { return c.asked > exemplarChecks*c.stored }

// allChecks adds up one kind of checks over all services.
func (e *exam) allChecks(of func(*row) checks) (all checks) {
	for _, r := range e.rows {
		c := of(r)
		all.asked, all.stored = all.asked+c.asked, all.stored+c.stored
		if c.asked > 0 {
			all.services++
		}
	}
	return all
}

func exemplarsOf(r *row) checks { return r.checked }
func recordIDsOf(r *row) checks { return r.recordIDs }

// take counts an answer, where there was one.
func (c *checks) take(stored, answered bool) {
	if answered {
		c.asked++
		if stored {
			c.stored++
		}
	}
}

// slowExemplars are those whose traces had time to arrive, each trace once, the slowest
// first: those are what the walk follows, and what a sampler of whole traces keeps.
func (e *exam) slowExemplars(all []found) []found {
	before := e.options.Now.Add(-settled)
	seen := map[sources.TraceID]bool{}
	var kept []found
	for _, one := range all {
		if !seen[one.id] && one.at.Before(before) {
			seen[one.id] = true
			kept = append(kept, one)
		}
	}
	slices.SortStableFunc(kept, func(a, b found) int { return cmp.Compare(b.seconds, a.seconds) })
	return kept[:min(len(kept), exemplarChecks)]
}

// settledIDs are the IDs from the oldest on: the newest may still be on their way. That a
// sampled trace has one of them does not put it first, as none of the others would then tell
// how many are stored.
func settledIDs(ids []sources.TraceID) []sources.TraceID {
	ids = slices.Clone(ids)
	slices.Reverse(ids)
	return ids
}

// isStored asks whether a trace is stored. Services are looked at together, and each goes by what
// was found out for itself and before: which questions are put must not depend on which of two
// answers comes first.
func (e *exam) isStored(ctx context.Context, r *row, id sources.TraceID, around sources.Window) (stored, answered bool) {
	if e.sampled[id] != nil {
		return true, true
	}
	if known, asked := r.stored[id]; asked {
		return known, true
	}
	_, err := e.set.Traces.Trace(ctx, id, around)
	if err != nil && !errors.Is(err, sources.ErrNotFound) {
		e.failed(e.tracer, "whether traces are stored was not looked at", err)
		return false, false
	}
	if r.stored == nil {
		r.stored = map[sources.TraceID]bool{}
	}
	r.stored[id] = err == nil
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
		r.Hops.MetricToTrace = Hop{Unknown, e.silent(sources.Prometheus)}
	case !e.answers(e.tracer):
		r.Hops.MetricToTrace = Hop{Unknown, e.silent(e.tracer)}
	case r.checked.asked > 0 && !r.checked.lost(e.allChecks(exemplarsOf)):
		r.Hops.MetricToTrace = Hop{OK, fmt.Sprintf("%s; %d of %d looked up stored", counted(len(r.exemplars), "exemplar"), r.checked.stored, r.checked.asked)}
	case len(r.exemplars) > 0 && r.checked.asked == 0:
		r.Hops.MetricToTrace = Hop{Unknown, counted(len(r.exemplars), "exemplar") + ", not checked"}
	case !traced && len(r.names.Traces) > 0:
		r.Hops.MetricToTrace = Hop{Broken, "no exemplar, and another name in " + e.tracer.Name()}
	case !traced && r.quiet():
		r.Hops.MetricToTrace = Hop{Unknown, "no request came that could be traced"}
	case !traced:
		r.Hops.MetricToTrace = Hop{Broken, e.tracer.Name() + " does not know it"}
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
	e.findOver(KindSomeExemplars, Weak, func(r *row) bool { return metered(r) && !r.quiet() && !with(r) }, func(services []string) Finding {
		return Finding{
			Statement: fmt.Sprintf("%s: no exemplar, while other services have some: its client library or the way of its metrics loses them", list(services)),
			Evidence:  evidence, Mends: []Mend{mendPassedExemplars, mendOwnExemplars},
		}
	})
	e.findOver(KindLostExemplars, Weak, func(r *row) bool { return r.checked.lost(e.allChecks(exemplarsOf)) }, func(services []string) Finding {
		all := e.allChecks(exemplarsOf)
		return Finding{
			Statement: fmt.Sprintf("%s: exemplars name traces that %s does not have; of %d looked up over all services, %d are stored", list(services), e.tracer.Name(), all.asked, all.stored),
			Evidence:  evidence, Mends: []Mend{mendSampling},
		}
	})
}
