package correlate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"obs/correlate/anomaly"
	"obs/correlate/spans"
	"obs/correlate/survey"
	"obs/sources"
)

// Bounds of the comparison of all requests: what it costs is two searches for each entry.
const (
	sampleEntries = 3   // services by which requests come in that are searched
	sampleProbes  = 4   // services that are asked about to find them
	probeSize     = 3   // traces that are looked at for each
	sampleSize    = 200 // traces of each side and entry; enough to see one request in fifty
)

// sample is some recent requests of both sides, whatever they are.
type sample struct {
	window, baseline []*spans.Tree
	queries          [2][]sources.TraceQuery // of window and baseline
	calls            map[spans.Edge]bool     // who calls whom
	known            int                     // services that send spans
	limited          bool                    // there may be other entries
	// failing is how much of the share of requests that fail the baseline had already: that
	// others fail than before is less than that more do.
	failing float64
}

// sampleRequests fetches requests of both sides, by the services that they come in by.
// It does so once; without traces it is nil.
func (w *walk) sampleRequests(ctx context.Context) (*sample, error) {
	if w.sampled != nil || w.set.Traces == nil {
		return w.sampled, nil
	}
	names, err := w.tracedServices(ctx)
	if err != nil {
		return nil, err
	}
	s := &sample{calls: map[spans.Edge]bool{}, known: len(names)}
	entries, limited, err := w.entries(ctx, names)
	if err != nil {
		return nil, err
	}
	s.limited = limited
	sides := make([][2][]*spans.Tree, len(entries))
	group, searching := errgroup.WithContext(ctx)
	for i, entry := range entries {
		for side, window := range []sources.Window{w.question.Window, w.question.Baseline} {
			query := sources.TraceQuery{Service: entry, Window: window, Limit: sampleSize}
			s.queries[side] = append(s.queries[side], query)
			group.Go(func() (err error) {
				sides[i][side], err = w.searchTrees(searching, query)
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, both := range sides {
		s.window, s.baseline = append(s.window, both[0]...), append(s.baseline, both[1]...)
	}
	s.window, s.baseline = distinct(s.window), distinct(s.baseline)
	for _, t := range slices.Concat(s.window, s.baseline) {
		for i := range t.Nodes {
			if p := t.Nodes[i].Parent; p != spans.None && t.Span(p).Service != t.Span(i).Service {
				s.calls[spans.Edge{Caller: t.Span(p).Service, Callee: t.Span(i).Service}] = true
			}
		}
	}
	s.failing = rateRatio(failing(s.baseline), len(s.baseline), failing(s.window), len(s.window))
	w.sampled = s
	return s, nil
}

// failing counts the traces with a span that failed.
func failing(trees []*spans.Tree) int {
	n := 0
	for _, t := range trees {
		if t.ErrorOrigin() != spans.None {
			n++
		}
	}
	return n
}

// tracedServices are the names that the trace backend knows, of those that are asked about.
func (w *walk) tracedServices(ctx context.Context) ([]string, error) {
	if w.traced == nil {
		names, err := w.set.Traces.Services(ctx)
		if err != nil {
			return nil, err
		}
		w.traced = names
	}
	names := slices.Clone(w.traced)
	if len(w.question.Services) > 0 {
		names = slices.DeleteFunc(names, func(n string) bool { return !slices.Contains(w.question.Services, n) })
	}
	slices.Sort(names)
	return names, nil
}

// entries finds services by which requests come in: those that call and are not called,
// as it counted, or else those at the root of some traces. Not every server counts.
func (w *walk) entries(ctx context.Context, names []string) (entries []string, limited bool, err error) {
	window := w.question.Window.Union(w.question.Baseline)
	if !w.adjoining() {
		window = w.question.Window
	}
	calls, err := w.set.Traces.Dependencies(ctx, window)
	if err != nil && ctx.Err() != nil {
		return nil, false, err
	}
	roots, called, made := map[string]bool{}, map[string]bool{}, map[string]int64{}
	for _, call := range calls {
		if call.Parent != call.Child {
			made[call.Parent] += call.Calls
			called[call.Child] = true
		}
	}
	callers := slices.DeleteFunc(slices.Collect(maps.Keys(made)), func(name string) bool { return called[name] || !slices.Contains(names, name) })
	slices.SortFunc(callers, func(a, b string) int { return cmp.Or(cmp.Compare(made[b], made[a]), cmp.Compare(a, b)) })
	if len(callers) > 0 {
		return callers[:min(len(callers), sampleEntries)], len(callers) > sampleEntries, nil
	}
	seen := map[string]bool{}
	asked := 0
	for _, name := range names {
		if seen[name] {
			continue
		}
		if asked == sampleProbes || len(roots) == sampleEntries {
			limited = true
			break
		}
		asked++
		trees, err := w.searchTrees(ctx, sources.TraceQuery{Service: name, Window: window, Limit: probeSize})
		if err != nil {
			return nil, false, err
		}
		for _, t := range trees {
			if t.Main == spans.None {
				continue
			}
			if root := t.Span(t.Main).Service; len(roots) < sampleEntries {
				roots[root] = true
			}
			for _, service := range t.Trace.Services() {
				seen[service] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(roots)), limited, nil
}

// compareRequests compares all kinds of requests of the window with those of the
// baseline, whether a metric departs or not: what got slower is not the only thing that
// can be wrong.
func (w *walk) compareRequests(ctx context.Context) {
	if w.set.Traces == nil || ctx.Err() != nil || w.spare() < 2*sampleEntries+sampleProbes+1 {
		return
	}
	step := w.begin("requests", "comparing what requests do with what they did")
	s, err := w.sampleRequests(ctx)
	if err != nil {
		w.failed(w.set.TraceBackend(), "requests were not compared", err)
		step.failed(w.set.TraceBackend().Name() + " gave no answer")
		return
	}
	if len(s.window) == 0 || len(s.baseline) == 0 {
		step.ended("there are no traces on both sides")
		return
	}
	shifts := spans.Shifts(s.window, s.baseline)
	shifts = withoutCallee(shifts)
	w.timeClues(shifts)
	said := map[string]int{}
	for _, shift := range shifts {
		w.shiftClue(shift, said)
	}
	step.ended(counted(len(s.window), "trace") + " compared with " + counted(len(s.baseline), "trace"))
}

// maxQueries is how many questions a triage puts to all backends together.
const maxQueries = 40

// spare is how many questions are left.
func (w *walk) spare() int { return maxQueries - len(w.set.Ledger.Queries()) }

// timeClues shares the additional time of requests out among those who take it: a
// service for its own work, and both ends of an edge for the time between them.
func (w *walk) timeClues(shifts []spans.Shift) {
	slower := func(s *spans.Shift) bool {
		l := limits[survey.Latency]
		return s.P < chanceOfTime && s.Window >= l.Ratio*s.Baseline && s.Window-s.Baseline >= l.Delta
	}
	total := 0.0
	edges, departed := map[string]int{}, map[string]int{}
	for i := range shifts {
		s := &shifts[i]
		if s.What == spans.Gap {
			edges[s.Peer]++
			edges[s.Key.Service]++
			if slower(s) {
				departed[s.Peer]++
				departed[s.Key.Service]++
			}
		}
		if s.What == spans.OwnTime || s.What == spans.Gap {
			total += max(0, s.Excess)
		}
	}
	if total <= 0 {
		return
	}
	usual := usualDuration(w.sampled.baseline)
	type share struct {
		strength float64 // of all additional time
		slowed   float64 // how much it slows those requests that come to it
		main     *spans.Shift
		traces   []sources.TraceID
	}
	shares := map[clueKind]map[string]*share{byOwnTime: {}, byGap: {}}
	add := func(kind clueKind, service string, part, weight float64, s *spans.Shift) {
		if shares[kind][service] == nil {
			shares[kind][service] = &share{main: s}
		}
		known := shares[kind][service]
		known.strength += part
		known.traces = append(known.traces, s.Traces...)
		known.slowed = max(known.slowed, weight*slowed(s, usual))
		if s.Excess > known.main.Excess {
			known.main = s
		}
	}
	for i := range shifts {
		s := &shifts[i]
		if !slower(s) {
			continue
		}
		part := s.Excess / total
		switch s.What {
		case spans.OwnTime:
			add(byOwnTime, s.Key.Service, part, 1, s)
		case spans.Gap:
			// The network of a service is slow on all its edges: the end of which more are
			// is the likelier one, and the callee where both are alike.
			callee := calleeOfGap * float64(departed[s.Key.Service]) / float64(edges[s.Key.Service])
			caller := float64(departed[s.Peer]) / float64(edges[s.Peer])
			of := callee / (callee + caller)
			w.gapParts[spans.Edge{Caller: s.Peer, Callee: s.Key.Service}] = of
			add(byGap, s.Key.Service, part*of, of, s)
			add(byGap, s.Peer, part*(1-of), 1-of, s)
		}
	}
	for _, kind := range []clueKind{byOwnTime, byGap} {
		services := shares[kind]
		for _, service := range slices.Sorted(maps.Keys(services)) {
			part := services[service]
			w.keep(clue{
				kind: kind, service: service, operation: part.main.Key.Operation, strength: min(1, (part.strength+part.slowed)/2),
				finding: w.shiftFinding(part.main), traces: part.traces,
			})
		}
	}
}

// slowed is how much slower a time makes the requests that come to it, from 0 to 1: half
// where it adds what a request usually takes. A service that few requests need takes little
// of all additional time, however slow it is.
func slowed(s *spans.Shift, usual float64) float64 {
	more := s.Window - s.Baseline
	return more / (more + usual)
}

// usualDuration is the median duration of requests, in seconds.
func usualDuration(trees []*spans.Tree) float64 {
	durations := make([]float64, len(trees))
	for i, t := range trees {
		durations[i] = t.Span(t.Main).Duration.Seconds()
	}
	return anomaly.Median(durations)
}

// shiftClue notes what requests do otherwise, apart from their time.
func (w *walk) shiftClue(s spans.Shift, said map[string]int) {
	kinds := map[spans.What]clueKind{spans.Failures: byFailures, spans.Lost: byLostWork, spans.More: byMoreWork, spans.Unanswered: byUnanswered}
	kind, known := kinds[s.What]
	change := s.Window - s.Baseline
	if s.What == spans.Lost {
		change = -change
	}
	if !known || change <= 0 || s.P >= chanceOfWork {
		return
	}
	if s.What == spans.More && s.Window < limits[survey.Traffic].Ratio*s.Baseline {
		return
	}
	at := fmt.Sprint(kind, s.Key.Service)
	if said[at]++; said[at] > maxOfAKind {
		return // the surest come first
	}
	if s.Replaced {
		change *= replaced
	}
	if s.What == spans.Failures {
		change *= 1 - w.sampled.failing
	}
	w.keep(clue{
		kind: kind, service: s.Key.Service, operation: s.Key.Operation, strength: min(1, change) * sureness(s.P),
		finding: w.shiftFinding(&s), traces: s.Traces,
	})
}

// withoutCallee lays calls that are not made any more at the callee's door where several
// callers give up on it, and all that can be told: one would have a reason of its own.
func withoutCallee(shifts []spans.Shift) []spans.Shift {
	lost := map[string]map[string]bool{}
	for i := range shifts {
		s := &shifts[i]
		if s.What == spans.Lost && s.Callee != "" && s.P < chanceOfWork && s.Window < s.Baseline/2 {
			if lost[s.Callee] == nil {
				lost[s.Callee] = map[string]bool{}
			}
			lost[s.Callee][s.Key.Service] = true
		}
	}
	for i := range shifts {
		if s := &shifts[i]; s.What == spans.Lost && len(lost[s.Callee]) >= callersGone {
			s.What, s.Peer = spans.Unanswered, s.Key.Service+" "+s.Key.Operation
			s.Key = spans.Key{Service: s.Callee}
			s.Baseline, s.Window = 1-s.Baseline, 1-s.Window
		}
	}
	return shifts
}

// shiftFinding says a difference between requests, with the search that shows it.
func (w *walk) shiftFinding(s *spans.Shift) string {
	unit, text := survey.Ratio, ""
	was, is := Quantity(s.Baseline, survey.Ratio), Quantity(s.Window, survey.Ratio)
	switch s.What {
	case spans.OwnTime:
		unit = survey.Seconds
		text = fmt.Sprintf("%s %s takes %s of its own for a request, and took %s", s.Key.Service, s.Key.Operation, Seconds(s.Window), Seconds(s.Baseline))
	case spans.Gap:
		unit = survey.Seconds
		text = fmt.Sprintf("calls from %s to %s take %s longer for the caller than for the callee, and took %s longer",
			s.Peer, s.Key.Service, Seconds(s.Window), Seconds(s.Baseline))
	case spans.Failures:
		text = fmt.Sprintf("%s of requests to %s %s begin to fail there, and %s did", is, s.Key.Service, s.Key.Operation, was)
	case spans.Lost:
		text = fmt.Sprintf("%s of requests to %s %s come to %s, and %s did", is, s.Key.Service, s.Key.Operation, s.Peer, was)
	case spans.More:
		unit = survey.Unknown
		text = fmt.Sprintf("a request to %s %s comes to %s %.3g times, and did %.3g times", s.Key.Service, s.Key.Operation, s.Peer, s.Window, s.Baseline)
	case spans.Unanswered:
		text = fmt.Sprintf("%s of what %s did with %s is without a span of %s, and %s was", is, s.Peer, s.Key.Service, s.Key.Service, was)
	}
	text += fmt.Sprintf(" (%d requests against %d)", s.WindowVisits, s.BaselineVisits)
	evidence := w.sampleEvidence(0, Value{Name: "window", Value: s.Window, Unit: unit}, Value{Name: "requests in the window", Value: float64(s.WindowVisits)})
	evidence = append(evidence, w.sampleEvidence(1,
		Value{Name: "baseline", Value: s.Baseline, Unit: unit}, Value{Name: "requests in the baseline", Value: float64(s.BaselineVisits)})...)
	return w.found.AddFinding(text, evidence...)
}

// sampleEvidence is the searches of one side, 0 the window and 1 the baseline. The values
// are those of all traces of the side together.
func (w *walk) sampleEvidence(side int, values ...Value) []Evidence {
	return w.searchEvidence(w.sampled.queries[side], values...)
}

// searchEvidence is searches for traces, and what was read from all that they brought.
func (w *walk) searchEvidence(queries []sources.TraceQuery, values ...Value) []Evidence {
	var evidence []Evidence
	for _, q := range queries {
		evidence = append(evidence, Evidence{
			Backend: w.set.TraceBackend(), Query: traceQuery(w.set.Traces, q), Window: q.Window, Values: values, URL: w.set.Traces.SearchLink(q),
		})
	}
	return evidence
}
