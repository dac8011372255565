package spans

import (
	"cmp"
	"maps"
	"slices"

	"obs/correlate/anomaly"
	"obs/sources"
)

// What is how a kind of work differs between two groups of requests.
type What string

// The differences. All are by visit and not by second, so that more traffic is none.
const (
	OwnTime    What = "own time"   // a visit takes longer in the service itself
	Gap        What = "gap"        // the caller waits longer than the callee works
	Failures   What = "failures"   // more visits begin to fail
	Lost       What = "lost"       // work that fewer visits do
	More       What = "more"       // work that is done more often where it is done
	Unanswered What = "unanswered" // calls of which the callee sends no span any more
)

// Shift is a difference between the requests of the window and those of the baseline.
type Shift struct {
	What What
	Key  Key    // whose work it is; of a gap and of an unanswered call the callee's
	Peer string // the caller of a gap or of an unanswered call; the work that is lost or more
	// Replaced tells that about as many visits do something else in the place of lost work.
	Replaced bool
	// Callee is the service to which lost work was a call, empty for a service's own.
	Callee string
	// Baseline and Window are by visit: mean seconds, the share of visits, or the mean
	// number of times.
	Baseline, Window             float64
	BaselineVisits, WindowVisits int
	// Traces are those of the window that show it.
	Traces []sources.TraceID
	// Excess is the additional time by request of the window, in seconds, for times.
	Excess float64
	// P is how probable the difference is by chance. That of a share or number of times is
	// multiplied by how many of its kind were looked for in the service (Bonferroni's
	// correction; it is services that are compared in the end), at most 1; that of a time is not, as its Excess tells whether it matters.
	P float64
}

// leastVisits is how many visits a side must have: of fewer no test can tell anything
// (Fisher's test of 3 against 3 gives 0.1 at best).
const leastVisits = 3

// Edge is a service that calls another.
type Edge struct{ Caller, Callee string }

// group is what one side's visits come to.
type group struct {
	traces int
	work   map[Key]*work
	gaps   map[Edge][]float64
	// gapTraces are those of the gaps, in their order.
	gapTraces map[Edge][]sources.TraceID
	// answered and unanswered count client spans by caller and operation; callee is whom
	// they reach.
	answered, unanswered map[Key]int
	callee               map[Key]string
}

type work struct {
	visits int
	own    []float64
	traces []sources.TraceID // of the visits
	failed []sources.TraceID // of those in which a failure began
	fails  int
	// whole is how many visits did not fail.
	whole  int
	wholes []sources.TraceID
	// does is in how many of these a piece of work is done, and times how often in each.
	does   map[string]int
	times  map[string][]float64
	doing  map[string][]sources.TraceID
	callee map[string]string
}

func grouped(trees []*Tree) *group {
	g := &group{
		traces: len(trees), work: map[Key]*work{}, gaps: map[Edge][]float64{}, gapTraces: map[Edge][]sources.TraceID{},
		answered: map[Key]int{}, unanswered: map[Key]int{}, callee: map[Key]string{},
	}
	for _, t := range trees {
		visits, _ := t.Visits()
		for i := range visits {
			g.add(t, visits, &visits[i])
		}
	}
	return g
}

func (g *group) add(t *Tree, visits []Visit, v *Visit) {
	w := g.work[v.Key]
	if w == nil {
		w = &work{does: map[string]int{}, times: map[string][]float64{}, doing: map[string][]sources.TraceID{}, callee: map[string]string{}}
		g.work[v.Key] = w
	}
	w.visits++
	w.own = append(w.own, v.Own.Seconds())
	w.traces = append(w.traces, t.Trace.ID)
	if v.Fails {
		w.fails++
		w.failed = append(w.failed, t.Trace.ID)
	}
	if v.GapKnown {
		g.addCall(t, visits, v)
	}
	for _, operation := range v.Unanswered {
		g.unanswered[Key{Service: v.Key.Service, Operation: operation}]++
	}
	// A visit that fails does less than others, and its failure is counted.
	if v.Failed {
		return
	}
	w.whole++
	w.wholes = append(w.wholes, t.Trace.ID)
	counts := maps.Clone(v.Inside)
	for _, call := range v.Calls {
		name := visits[call].Key.Service + " " + visits[call].Key.Operation
		counts[name]++
		w.callee[name] = visits[call].Key.Service
	}
	for name, n := range counts {
		w.does[name]++
		w.doing[name] = append(w.doing[name], t.Trace.ID)
		w.times[name] = append(w.times[name], float64(n))
	}
}

func (g *group) addCall(t *Tree, visits []Visit, v *Visit) {
	edge := Edge{Caller: visits[v.Parent].Key.Service, Callee: v.Key.Service}
	g.gaps[edge] = append(g.gaps[edge], v.Gap.Seconds())
	g.gapTraces[edge] = append(g.gapTraces[edge], t.Trace.ID)
	client := KeyOf(t.Span(t.Nodes[v.Entry].Parent))
	g.answered[client]++
	g.callee[client] = v.Key.Service
}

// Shifts tells how the requests of the window differ from those of the baseline, the
// least probable by chance first. Work that one side does not have is not compared.
func Shifts(window, baseline []*Tree) []Shift {
	now, before := grouped(window), grouped(baseline)
	var all []Shift
	for key, w := range now.work {
		b := before.work[key]
		if b == nil || min(w.visits, b.visits) < leastVisits {
			continue
		}
		all = append(all, now.ownTime(key, w, b))
		all = append(all, Shift{
			What: Failures, Key: key, Baseline: share(b.fails, b.visits), Window: share(w.fails, w.visits),
			BaselineVisits: b.visits, WindowVisits: w.visits, P: anomaly.Fisher(w.fails, w.visits, b.fails, b.visits), Traces: w.failed,
		})
		all = append(all, workShifts(key, w, b)...)
	}
	all = append(all, gapShifts(now, before)...)
	all = append(all, unansweredShifts(now, before)...)
	return corrected(all)
}

// gapShifts compares what is lost between services, edge by edge. An edge has often few
// calls, so that chance is told by all calls into the callee, or out of the caller.
func gapShifts(now, before *group) []Shift {
	into, outOf := func(e Edge) string { return e.Callee }, func(e Edge) string { return e.Caller }
	chanceInto, chanceOutOf := pooled(now, before, into), pooled(now, before, outOf)
	reach := map[string][]float64{} // of the baseline, by callee
	for _, edge := range inOrder(before.gaps) {
		reach[edge.Callee] = append(reach[edge.Callee], before.gaps[edge]...)
	}
	var all []Shift
	for edge, gaps := range now.gaps {
		was := before.gaps[edge]
		if len(was) == 0 {
			was = reach[edge.Callee] // from others
		}
		if len(was) == 0 {
			continue
		}
		s := Shift{
			What: Gap, Key: Key{Service: edge.Callee}, Peer: edge.Caller, Baseline: mean(was), Window: mean(gaps),
			BaselineVisits: len(was), WindowVisits: len(gaps), P: min(chanceInto[edge.Callee], chanceOutOf[edge.Caller]),
		}
		s.Excess = (s.Window - s.Baseline) * float64(len(gaps)) / float64(now.traces)
		s.Traces = above(gaps, now.gapTraces[edge], s.Baseline)
		all = append(all, s)
	}
	return all
}

// inOrder are the edges in an order, so that sums over them are the same each time.
func inOrder(gaps map[Edge][]float64) []Edge {
	return slices.SortedFunc(maps.Keys(gaps), func(a, b Edge) int {
		return cmp.Or(cmp.Compare(a.Caller, b.Caller), cmp.Compare(a.Callee, b.Callee))
	})
}

// pooled is how probable it is by chance that the gaps of one end's calls are as much larger.
func pooled(now, before *group, end func(Edge) string) map[string]float64 {
	is, was := map[string][]float64{}, map[string][]float64{}
	for edge, gaps := range now.gaps {
		is[end(edge)] = append(is[end(edge)], gaps...)
	}
	for edge, gaps := range before.gaps {
		was[end(edge)] = append(was[end(edge)], gaps...)
	}
	chance := map[string]float64{}
	for service, gaps := range is {
		chance[service] = 1
		if min(len(gaps), len(was[service])) >= leastVisits {
			chance[service] = anomaly.Higher(gaps, was[service])
		}
	}
	return chance
}

func (g *group) ownTime(key Key, w, b *work) Shift {
	s := Shift{
		What: OwnTime, Key: key, Baseline: mean(b.own), Window: mean(w.own),
		BaselineVisits: b.visits, WindowVisits: w.visits, P: anomaly.Higher(w.own, b.own),
	}
	s.Excess = (s.Window - s.Baseline) * float64(w.visits) / float64(g.traces)
	s.Traces = above(w.own, w.traces, s.Baseline)
	return s
}

// workShifts compares what visits do: whether at all, and how often those do that do it.
func workShifts(key Key, w, b *work) []Shift {
	if min(w.whole, b.whole) < leastVisits {
		return nil
	}
	var gains []float64
	for name, n := range w.does {
		gains = append(gains, share(n, w.whole)-share(b.does[name], b.whole))
	}
	var all []Shift
	for _, name := range slices.Sorted(maps.Keys(b.does)) {
		loss := share(b.does[name], b.whole) - share(w.does[name], w.whole)
		all = append(all, Shift{
			Replaced: slices.ContainsFunc(gains, func(gain float64) bool { return gain > 0 && Replaces(gain, loss) }),
			What:     Lost, Key: key, Peer: name, Callee: b.callee[name], BaselineVisits: b.whole, WindowVisits: w.whole,
			Baseline: share(b.does[name], b.whole), Window: share(w.does[name], w.whole),
			P: anomaly.Fisher(w.does[name], w.whole, b.does[name], b.whole), Traces: Without(w.wholes, w.doing[name]),
		})
		if min(w.does[name], b.does[name]) >= leastVisits {
			all = append(all, Shift{
				What: More, Key: key, Peer: name, BaselineVisits: b.does[name], WindowVisits: w.does[name],
				Baseline: mean(b.times[name]), Window: mean(w.times[name]), P: anomaly.Higher(w.times[name], b.times[name]),
				Traces: above(w.times[name], w.doing[name], mean(b.times[name])),
			})
		}
	}
	return all
}

// above are the traces whose value is larger than usual.
func above(values []float64, traces []sources.TraceID, usual float64) []sources.TraceID {
	var kept []sources.TraceID
	for i, v := range values {
		if v > usual {
			kept = append(kept, traces[i])
		}
	}
	return kept
}

// Without are the traces that are not among others.
func Without(traces, others []sources.TraceID) []sources.TraceID {
	has := map[sources.TraceID]bool{}
	for _, id := range others {
		has[id] = true
	}
	return slices.DeleteFunc(slices.Clone(traces), func(id sources.TraceID) bool { return has[id] })
}

// unansweredShifts compares how many client spans have no span of the callee.
func unansweredShifts(now, before *group) []Shift {
	var all []Shift
	for client, callee := range before.callee {
		w, b := now.answered[client]+now.unanswered[client], before.answered[client]+before.unanswered[client]
		if min(w, b) < leastVisits || now.unanswered[client] == 0 {
			continue
		}
		all = append(all, Shift{
			What: Unanswered, Key: Key{Service: callee, Operation: client.Operation}, Peer: client.Service,
			Baseline: share(before.unanswered[client], b), Window: share(now.unanswered[client], w),
			BaselineVisits: b, WindowVisits: w, P: anomaly.Fisher(now.unanswered[client], w, before.unanswered[client], b),
		})
	}
	return all
}

func corrected(all []Shift) []Shift {
	type family struct {
		what    What
		service string
	}
	looked := map[family]int{}
	for i := range all {
		looked[family{all[i].What, all[i].Key.Service}]++
	}
	for i := range all {
		if all[i].What != OwnTime && all[i].What != Gap {
			all[i].P = min(1, all[i].P*float64(looked[family{all[i].What, all[i].Key.Service}]))
		}
	}
	slices.SortFunc(all, func(a, b Shift) int {
		return cmp.Or(cmp.Compare(a.P, b.P), cmp.Compare(a.What, b.What), cmp.Compare(a.Key.Service, b.Key.Service),
			cmp.Compare(a.Key.Operation, b.Key.Operation), cmp.Compare(a.Peer, b.Peer))
	})
	return all
}

// alike is how much two shares of visits may differ to be taken for the same visits: the
// standard error of a share among some 25 visits is a tenth.
const alike = 0.1

// Replaces reports whether a share of visits that do more of one thing may be the same
// visits as a share that do less of another.
func Replaces(gain, loss float64) bool {
	return gain-loss <= alike && loss-gain <= alike
}

func share(k, n int) float64 { return float64(k) / float64(n) }

func mean(v []float64) float64 { return total(v) / float64(len(v)) }

func total(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum
}
