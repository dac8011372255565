package correlate

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"obs/correlate/spans"
	"obs/correlate/survey"
	"obs/sources"
)

// Bounds of a comparison with normal traces. It costs at most two searches.
const (
	// compareAround is how far from a trace normal ones are looked for: near enough that
	// load and versions are mostly the same.
	compareAround = 30 * time.Minute
	// compareSize is how many traces a search brings: a tenth of them is several.
	compareSize = 60
	// compareSpans is how many spans a search brings at most, by the size of the trace at hand:
	// others of its kind are about as large, and come whole. Some hundred MB.
	compareSpans = 100_000
	// twoKinds is the ratio of one duration to the next shorter one at which they fall into two:
	// among tens of requests of one kind, neighbours lie nowhere near as far apart.
	twoKinds = 2
	// enoughNormal are as many as let one at each end be odd; with fewer, more are searched for.
	enoughNormal = 10
	// mainDifferences is how many of the differences become findings.
	mainDifferences = 5
	// mainShare of the difference is what one must explain to become a finding.
	mainShare = 0.1
)

// Comparison is what one trace does otherwise than others of the same root: than normal ones,
// or than a single other one.
type Comparison struct {
	Root            Work           `json:"root"`
	DurationSeconds float64        `json:"duration_seconds"`
	Usual           UsualDurations `json:"usual"` // of the others' roots
	// With are the others. With one there is no usual: it is what that one did.
	With []sources.TraceID `json:"with"`
	// Window is where normal traces were searched for, zero where the other was named.
	Window sources.Window `json:"window,omitzero"`
	// LeftOutFailed and LeftOutSlow are how many of those that were found are not normal.
	LeftOutFailed int `json:"left_out_failed,omitempty"`
	LeftOutSlow   int `json:"left_out_slow,omitempty"`
	// Rows are the differences, what explains most of that in the root's duration first.
	Rows []ComparedWork `json:"rows"`
	// Alike is how many other kinds of spans are as usual, and AlikeSeconds what they make of
	// the difference together.
	Alike        int     `json:"alike"`
	AlikeSeconds float64 `json:"alike_seconds"`
	// UnaccountedSeconds are left of the difference, as medians of parts do not add up to the
	// median of the whole.
	UnaccountedSeconds float64 `json:"unaccounted_seconds"`
	// Apart is how many spans of the trace are not beneath its root, and were not compared.
	Apart    int        `json:"apart,omitempty"`
	Findings []string   `json:"findings,omitempty"`
	Evidence []Evidence `json:"evidence"`
	Missing  []Missing  `json:"missing,omitempty"`
}

// ComparedWork is a kind of spans, in its place beneath the root, that differs.
type ComparedWork struct {
	// Name tells it from the other rows; Path is all that leads to it.
	Name string `json:"name"`
	Path []Work `json:"path"`
	// Changes are new, missing, rare, repeated, fewer, slower, faster, waited for, not waited
	// for and failing, at least one.
	Changes []string `json:"changes"`
	// ExplainedSeconds are what it makes of the difference in the root's duration, together
	// with the Below kinds of spans beneath it that have no row of their own.
	ExplainedSeconds float64 `json:"explained_seconds"`
	Below            int     `json:"below,omitempty"`

	Count           int     `json:"count"`
	Failed          int     `json:"failed_count,omitempty"` // in which a failure began
	TotalSeconds    float64 `json:"total_seconds"`
	SelfSeconds     float64 `json:"self_seconds"`
	CriticalSeconds float64 `json:"critical_seconds"`

	UsualTraces   int            `json:"usual_traces"` // of the others that have it
	UsualCount    UsualCounts    `json:"usual_count"`
	UsualFailed   int            `json:"usual_failed_count,omitempty"` // the median
	UsualTotal    UsualDurations `json:"usual_total"`                  // in those that have it
	UsualSelf     UsualDurations `json:"usual_self"`                   // in those that have it
	UsualCritical UsualDurations `json:"usual_critical"`
}

// UsualDurations are the median of the others, and between which values all of them lie but
// the least and the most tenth; all of them where they are fewer than ten.
type UsualDurations struct {
	MedianSeconds float64 `json:"median_seconds"`
	LowSeconds    float64 `json:"low_seconds"`
	HighSeconds   float64 `json:"high_seconds"`
}

// UsualCounts are the same of numbers.
type UsualCounts struct {
	Median int `json:"median"`
	Low    int `json:"low"`
	High   int `json:"high"`
}

// Compare compares a trace with normal ones of the same root: with those of the window named,
// or with those of the half hour before the trace. Where these are too few it looks after the
// trace too, or before it where a window was named; and further back where the trace is no
// slower than they are, as all of them may be slow. Without others, Missing says why, and With is empty.
func Compare(ctx context.Context, set sources.Set, trace *Trace, normal sources.Window) *Comparison {
	note := &gaps{}
	c := compareWithNormal(ctx, set, trace, normal, note)
	c.Missing = append(c.Missing, note.all()...)
	return c
}

// Compare is the package's own Compare with what the explorer reads.
func (x *Explorer) Compare(ctx context.Context, trace *Trace, normal sources.Window) *Comparison {
	return Compare(ctx, x.set, trace, normal)
}

func compareWithNormal(ctx context.Context, set sources.Set, trace *Trace, normal sources.Window, note *gaps) *Comparison {
	c := &Comparison{With: []sources.TraceID{}, Rows: []ComparedWork{}, Evidence: []Evidence{}}
	one := trace.tree()
	if one.Main == spans.None {
		note.take([]Missing{{Backend: set.TraceBackend(), Kind: MissingNoData, Reason: "there is nothing to compare: the trace has no spans"}})
		return c
	}
	if set.Traces == nil {
		note.notConfigured(set.TraceBackend(), "the trace was not compared with others")
		return c
	}
	entry := one.Span(one.Main)
	g := &normalGroup{seen: map[sources.TraceID]bool{trace.ID: true}, key: spans.KeyOf(entry)}
	g.size = min(compareSize, max(1, compareSpans/len(trace.Spans)))
	c.Root, c.DurationSeconds = Work{g.key.Service, g.key.Operation}, entry.Duration.Seconds()
	first := sources.Window{From: entry.Start.UTC().Add(-compareAround), To: entry.Start.UTC()}
	second := func() sources.Window { return g.second(entry, first) }
	if !normal.IsZero() {
		before := first
		first, second = normal, func() sources.Window { return g.tooFew(before) }
	}
	c.search(ctx, set, g, first, note)
	if in := second(); !in.IsZero() && len(note.all()) == 0 {
		c.search(ctx, set, g, in, note)
	}
	others := g.normal()
	c.LeftOutFailed, c.LeftOutSlow = g.failed, g.slow
	if len(others) == 0 {
		if !c.Window.IsZero() {
			note.take([]Missing{g.nothing(set.TraceBackend(), c.Window)})
		}
		return c
	}
	c.fill(one, others)
	return c
}

// normalGroup collects the traces that one is compared with.
type normalGroup struct {
	key          spans.Key                // of the root
	seen         map[sources.TraceID]bool // the one that is compared too
	size         int                      // of a search, in traces
	found        []*spans.Tree
	failed, slow int // left out
}

// second is where to search after the half hour before the trace, zero where that was enough.
// A search brings the most recent traces: those before the trace are the nearest to it.
func (g *normalGroup) second(entry *sources.Span, first sources.Window) sources.Window {
	normal := g.normal()
	if len(normal) >= enoughNormal && !slowerThan(entry.Duration.Seconds(), usualDuration(normal)) {
		// It is as slow as they are, and it may be that they all were: how was it earlier?
		return sources.Window{From: first.From.Add(-compareAround), To: first.From}
	}
	end := entry.End().UTC()
	return g.tooFew(sources.Window{From: end, To: end.Add(compareAround)})
}

// tooFew is the window where too few have been found, else zero.
func (g *normalGroup) tooFew(in sources.Window) sources.Window {
	if len(g.normal()) >= enoughNormal {
		return sources.Window{}
	}
	return in
}

// search adds what a search finds to the group, and notes where was searched.
func (c *Comparison) search(ctx context.Context, set sources.Set, g *normalGroup, in sources.Window, note *gaps) {
	query := sources.TraceQuery{Service: g.key.Service, Operation: g.key.Operation, Window: in, Limit: g.size}
	answer, err := set.Traces.Search(ctx, query)
	if err != nil {
		note.failed(set.TraceBackend(), "the trace was compared with fewer others, or with none", err)
		return
	}
	c.Window = c.Window.Union(in)
	c.Evidence = append(c.Evidence, Evidence{Backend: set.TraceBackend(), Query: traceQuery(set.Traces, query), Window: in, URL: set.Traces.SearchLink(query)})
	g.add(answer.Traces)
}

func (g *normalGroup) add(traces []sources.Trace) {
	for i := range traces {
		if g.seen[traces[i].ID] {
			continue
		}
		g.seen[traces[i].ID] = true
		t := spans.Build(&traces[i])
		if t.Main == spans.None || spans.KeyOf(t.Span(t.Main)) != g.key {
			continue // it came in otherwise, or its root is not stored
		}
		if t.Span(t.Main).Failed() {
			g.failed++
			continue
		}
		g.found = append(g.found, t)
	}
}

// normal are those that are not slow themselves. Where the durations fall into two, as when a
// part or most of the requests are held up, the quicker ones are normal, if they are enough;
// of these all that are not slower than the median by as much as is an anomaly.
func (g *normalGroup) normal() []*spans.Tree {
	took := func(t *spans.Tree) time.Duration { return t.Span(t.Main).Duration }
	sorted := slices.Clone(g.found)
	slices.SortFunc(sorted, func(a, b *spans.Tree) int {
		return cmp.Or(cmp.Compare(took(a), took(b)), cmp.Compare(a.Trace.ID, b.Trace.ID))
	})
	quick := sorted
	for i := enoughNormal; i < len(sorted); i++ {
		if took(sorted[i]) >= twoKinds*took(sorted[i-1]) {
			quick = sorted[:i]
			break
		}
	}
	usual := usualDuration(quick)
	end := slices.IndexFunc(quick, func(t *spans.Tree) bool { return slowerThan(took(t).Seconds(), usual) })
	if end >= 0 {
		quick = quick[:end]
	}
	g.slow = len(g.found) - len(quick)
	return quick
}

// slowerThan tells that a duration is so much longer than what is usual that people notice.
func slowerThan(took, usual float64) bool {
	l := limits[survey.Latency]
	return took > l.Ratio*usual && took-usual >= l.Delta
}

func (g *normalGroup) nothing(from sources.Backend, in sources.Window) Missing {
	m := Missing{
		Backend: from, Kind: MissingNoData,
		Reason: fmt.Sprintf("there is nothing to compare with: it holds no other trace of %s %s in %s", g.key.Service, g.key.Operation, in),
		Hint:   "compare it with one that you know: obs trace ID OTHER",
	}
	if g.failed > 0 {
		m.Reason = fmt.Sprintf("there is nothing to compare with: all %d other traces of %s %s in %s failed", g.failed, g.key.Service, g.key.Operation, in)
	}
	return m
}

// compareWith compares two traces of the backend.
func compareWith(from sources.Backend, trace, other *Trace) *Comparison {
	c := &Comparison{With: []sources.TraceID{}, Rows: []ComparedWork{}, Evidence: []Evidence{}}
	one, two := trace.tree(), other.tree()
	if one.Main == spans.None || two.Main == spans.None {
		return c
	}
	here, there := one.Span(one.Main), two.Span(two.Main)
	c.Root, c.DurationSeconds = Work{here.Service, here.Operation}, here.Duration.Seconds()
	c.Evidence = append(c.Evidence, Evidence{Backend: from, Query: "trace " + string(other.ID), Window: other.Window(), URL: other.URL})
	c.fill(one, []*spans.Tree{two})
	if a, b := spans.KeyOf(here), spans.KeyOf(there); a != b {
		c.Missing = append(c.Missing, Missing{
			Backend: from, Kind: MissingNoData,
			Reason: fmt.Sprintf("these are different requests, so that much of what differs may be meant so: one is %s %s, the other %s %s",
				a.Service, a.Operation, b.Service, b.Operation),
			Hint: "--compare compares a trace with others of its own kind",
		})
	}
	return c
}

// fill works the comparison out.
func (c *Comparison) fill(one *spans.Tree, others []*spans.Tree) {
	for _, t := range others {
		c.With = append(c.With, t.Trace.ID)
	}
	contrast := spans.Against(one, others)
	c.Usual = usualSeconds(contrast.Usual)
	c.Alike, c.AlikeSeconds, c.UnaccountedSeconds = contrast.Alike, contrast.AlikeExplains.Seconds(), contrast.Unaccounted.Seconds()
	c.Apart = contrast.Apart
	for i := range contrast.Rows {
		r := &contrast.Rows[i]
		row := ComparedWork{
			ExplainedSeconds: r.Explains.Seconds(), Below: r.Below,
			Count: r.Here.Count, Failed: r.Here.Failed, TotalSeconds: r.Here.Total.Seconds(), SelfSeconds: r.Here.Self.Seconds(),
			CriticalSeconds: r.Here.Critical.Seconds(), UsualTraces: r.Usual.Traces,
			UsualCount: UsualCounts(r.Usual.Count), UsualFailed: r.Usual.Failed.Median,
			UsualTotal: usualSeconds(r.Usual.Total), UsualSelf: usualSeconds(r.Usual.Self), UsualCritical: usualSeconds(r.Usual.Critical),
		}
		for _, key := range r.Path {
			row.Path = append(row.Path, Work(key))
		}
		for _, change := range r.Changes {
			row.Changes = append(row.Changes, string(change))
		}
		c.Rows = append(c.Rows, row)
	}
	nameRows(c.Rows)
}

func usualSeconds(s spans.Spread[time.Duration]) UsualDurations {
	return UsualDurations{s.Median.Seconds(), s.Low.Seconds(), s.High.Seconds()}
}

// nameRows names each row by its work, with the work of the same service that leads to it where
// one word such as SELECT says little, and by as much more of its path as tells it from the
// others.
func nameRows(rows []ComparedWork) {
	parts := make([]int, len(rows))
	for i := range rows {
		path := rows[i].Path
		parts[i] = 1
		if n := len(path); n > 2 && path[n-2].Service == path[n-1].Service && !strings.ContainsAny(path[n-1].Operation, " /.") {
			parts[i] = 2
		}
	}
	for {
		named := map[string][]int{}
		for i := range rows {
			rows[i].Name = nameOf(rows[i].Path[len(rows[i].Path)-parts[i]:])
			named[rows[i].Name] = append(named[rows[i].Name], i)
		}
		longer := false
		for _, same := range named {
			for _, i := range same {
				if len(same) > 1 && parts[i] < len(rows[i].Path) {
					parts[i]++
					longer = true
				}
			}
		}
		if !longer {
			return
		}
	}
}

// nameOf writes a path with each service where it changes: "payment authorize › SELECT".
func nameOf(path []Work) string {
	var b strings.Builder
	for i, w := range path {
		switch {
		case i == 0:
			b.WriteString(w.Service + " ")
		case path[i-1].Service != w.Service:
			b.WriteString(" › " + w.Service + " ")
		default:
			b.WriteString(" › ")
		}
		b.WriteString(w.Operation)
	}
	return b.String()
}

// compare adds what the lookup asks for in comparison to the case.
func (f *finder) compare(ctx context.Context) {
	if f.found.Trace == nil || ctx.Err() != nil || (!f.lookup.Compare && f.lookup.With == "") {
		return
	}
	var c *Comparison
	if f.lookup.With != "" {
		other := f.fetch(ctx, []sources.TraceID{f.lookup.With})[0]
		if other.gone {
			f.found.missing(Missing{
				Backend: f.set.TraceBackend(), Kind: MissingNoData,
				Reason: fmt.Sprintf("the trace to compare with, %s, is not there", f.lookup.With),
				Hint:   "it was not sampled, has expired, or is still arriving; --compare compares with normal traces instead",
			})
		}
		if other.trace == nil {
			return
		}
		c = compareWith(f.set.TraceBackend(), f.found.Trace, other.trace)
	} else {
		step := f.begin("compare", "comparing it with normal traces of the same request")
		c = Compare(ctx, f.set, f.found.Trace, sources.Window{})
		switch {
		case len(c.With) > 0:
			step.ended(counted(len(c.With), "trace"))
		case (&Case{Missing: c.Missing}).unanswered(f.set.TraceBackend()):
			step.failed(f.set.TraceBackend().Name() + " gave no answer")
		default:
			step.ended("there are none")
		}
	}
	for _, m := range c.Missing {
		f.found.missing(m)
	}
	if len(c.With) > 0 {
		c.Findings = f.found.addComparison(f.set.TraceBackend(), c)
		f.found.Comparison = c
	}
}

// addComparison makes findings of the main differences, for traces of the backend.
func (c *Case) addComparison(from sources.Backend, with *Comparison) []string {
	own := Evidence{Backend: from, Query: "trace " + string(c.Trace.ID), Window: c.Trace.Window(), URL: c.Trace.URL}
	say := func(statement string, here, there []Value) string {
		own := own
		own.Values = here
		all := []Evidence{own}
		for _, e := range with.Evidence {
			e.Values = there
			all = append(all, e)
		}
		return c.AddFinding(statement, all...)
	}
	inSeconds := func(name string, v float64) []Value { return []Value{{Name: name, Value: v, Unit: survey.Seconds}} }
	ids := []string{say(with.Title(), inSeconds("duration", with.DurationSeconds),
		append(inSeconds("median of the others", with.Usual.MedianSeconds), Value{Name: "others", Value: float64(len(with.With))}))}
	difference := with.DurationSeconds - with.Usual.MedianSeconds
	for i := range with.Rows {
		r := &with.Rows[i]
		explains := r.ExplainedSeconds / difference
		if failing := slices.Contains(r.Changes, string(spans.Failing)); !failing && !(explains >= mainShare) {
			continue
		}
		statement := r.Name + ": " + strings.Join(r.Changes, ", ") + "; " + with.Told(r)
		if explains >= mainShare && !math.IsInf(explains, 0) {
			statement += fmt.Sprintf("; %s of the difference of %s", Seconds(math.Abs(r.ExplainedSeconds)), Seconds(math.Abs(difference)))
		}
		ids = append(ids, say(statement,
			append(inSeconds("time on the critical path", r.CriticalSeconds), Value{Name: "times", Value: float64(r.Count)}),
			append(inSeconds("median of the others", r.UsualCritical.MedianSeconds), Value{Name: "median of times", Value: float64(r.UsualCount.Median)})))
		if len(ids) > mainDifferences {
			break
		}
	}
	return ids
}

// tree works the structure of the trace out again.
func (t *Trace) tree() *spans.Tree {
	trace := &sources.Trace{ID: t.ID, Spans: make([]sources.Span, len(t.Spans))}
	for i := range t.Spans {
		s := &t.Spans[i]
		trace.Spans[i] = sources.Span{
			TraceID: t.ID, ID: s.ID, ParentID: s.ParentID, Service: s.Service, Operation: s.Operation, Kind: s.Kind,
			Start: s.Start, Duration: time.Duration(math.Round(s.DurationSeconds * float64(time.Second))),
		}
		if s.Error {
			trace.Spans[i].Status = sources.StatusError
		}
	}
	return spans.Build(trace)
}
