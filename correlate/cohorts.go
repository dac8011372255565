package correlate

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"obs/correlate/anomaly"
	"obs/correlate/attributes"
	"obs/correlate/spans"
	"obs/correlate/survey"
	"obs/sources"
)

const (
	// slowSearches bounds how often slower traces are searched for. Each search asks for
	// some quarter of what the one before brought, so that four reach the slowest of more
	// than a thousand.
	slowSearches = 4
	// slowestShare of recent traces are called slow where nothing else tells.
	slowestShare = 0.1
	// enough traces of the same time stand for what is normal: with half a cohort on one
	// side, an attribute that all of the other have and none of these is one in millions.
	enough = cohortSize / 2
	// leastSlow are as many as attributes are compared of.
	leastSlow = 3
	// shownShares and shownDifferences keep a case to what is looked at.
	shownShares      = 20
	shownDifferences = 20
)

// keepCohorts puts the traces that the walk compared into the case, the slow or failing
// ones beside the normal ones.
func (w *walk) keepCohorts(primary *measured, chosen sources.TraceID, normal []*spans.Tree) {
	about, cut := Subject{}, 0.0
	if primary != nil {
		about = Subject{Service: primary.service, Operation: primary.operation, Signal: string(primary.question.Signal)}
		if primary.question.Signal == survey.Latency {
			cut = threshold(primary)
		}
	}
	c := compareCohorts(w.set.TraceBackend(), about, w.trees.slow, normal)
	c.ThresholdSeconds, c.Chosen = cut, chosen
	if len(w.shares) > 0 {
		c.Work = sharesOf(spans.Compare(w.trees.slow, normal))
	}
	c.nameBy(w.suspected())
	if w.lastSearch.Service != "" {
		c.Query, c.URL = traceQuery(w.set.Traces, w.lastSearch), w.set.Traces.SearchLink(w.lastSearch)
	}
	w.found.Cohorts = c
}

// suspected is the service where most of the extra time is, or where requests begin to
// fail; none where neither is known.
func (w *walk) suspected() string {
	switch {
	case len(w.shares) > 0:
		return w.shares[0].Key.Service
	case w.failure != nil:
		return w.failure.origin.Service
	}
	return ""
}

// nameBy calls an attribute that shows in several services by its value in the one that is
// suspected: the same traces have all of them, and there it says most.
func (c *Cohorts) nameBy(service string) {
	for i := range c.Differences {
		d := &c.Differences[i]
		if service == "" || d.Service == service || len(d.Attributes) != 1 || d.SlowMedian != nil {
			continue
		}
		for j, also := range d.Also {
			if also.Service == service && also.Key == d.Attributes[0].Key && also.Value != "" {
				d.Also[j] = Condition{Key: d.Attributes[0].Key, Value: d.Attributes[0].Value, Service: d.Service}
				d.Attributes[0], d.Service = sources.Attribute{Key: also.Key, Value: also.Value}, service
				break
			}
		}
	}
}

// searchOthers fetches traces in which the service did not fail, of the requests that
// fail most, and tells by which search.
func (w *walk) searchOthers(ctx context.Context, service, operation string, failing []*spans.Tree, in sources.Window) ([]*spans.Tree, sources.TraceQuery, error) {
	if operation == "" {
		operation = mostOften(failing, func(t *spans.Tree) *sources.Span {
			i := slices.IndexFunc(t.Trace.Spans, func(s sources.Span) bool {
				return s.Service == service && s.Failed() && s.Kind != sources.KindClient
			})
			if i < 0 {
				return nil
			}
			return &t.Trace.Spans[i]
		})
	}
	// As many again as are wanted, since some of them fail.
	query := sources.TraceQuery{Service: service, Operation: operation, Window: in, Limit: 2 * cohortSize}
	trees, err := w.searchTrees(ctx, query)
	trees = sameEntry(slices.DeleteFunc(trees, func(t *spans.Tree) bool { return failsIn(t, service) }), failing)
	return trees[:min(len(trees), cohortSize)], query, err
}

// searchQuick fetches traces of the same requests that were not slow at the same time:
// since the onset, or since the window's start without one. Of a whole service it takes
// the operation that most of the slow ones are of, so that like is compared with like.
func (w *walk) searchQuick(ctx context.Context, like sources.TraceQuery, cut float64, onset time.Time, slow []*spans.Tree) ([]*spans.Tree, sources.TraceQuery, error) {
	// As many again as are wanted: a slow trace too has spans of the service that are not.
	query := sources.TraceQuery{
		Service: like.Service, Operation: like.Operation, Window: w.question.Window, MaxDuration: seconds(cut), Limit: 2 * cohortSize,
	}
	if query.Operation == "" {
		query.Operation = mostOften(slow, func(t *spans.Tree) *sources.Span { return longestOf(t, like.Service, "") })
	}
	if query.Window.Contains(onset) {
		query.Window.From = onset
	}
	trees, err := w.searchTrees(ctx, query)
	trees = slices.DeleteFunc(trees, func(t *spans.Tree) bool {
		own := longestOf(t, query.Service, query.Operation)
		return own == nil || own.Duration > seconds(cut) ||
			slices.ContainsFunc(slow, func(s *spans.Tree) bool { return s.Trace.ID == t.Trace.ID })
	})
	return trees, query, err
}

// longestOf is the longest span of a service in a trace, of one operation or of any; nil
// without one.
func longestOf(t *spans.Tree, service, operation string) *sources.Span {
	var longest *sources.Span
	for i := range t.Trace.Spans {
		span := &t.Trace.Spans[i]
		if span.Service == service && (operation == "" || span.Operation == operation) &&
			(longest == nil || span.Duration > longest.Duration) {
			longest = span
		}
	}
	return longest
}

// mostOften is the operation of the most of the spans that are picked of the traces.
func mostOften(trees []*spans.Tree, pick func(*spans.Tree) *sources.Span) string {
	counts := map[string]int{}
	most := ""
	for _, t := range trees {
		if span := pick(t); span != nil {
			if counts[span.Operation]++; counts[span.Operation] > counts[most] {
				most = span.Operation
			}
		}
	}
	return most
}

// compareCohorts lists both sides, whose traces are from that backend, and the attributes
// in which they differ.
func compareCohorts(from sources.Backend, about Subject, slow, normal []*spans.Tree) *Cohorts {
	c := &Cohorts{
		Subject: about, Slow: summaries(slow), Normal: summaries(normal), Differences: []Difference{}, Work: []WorkShare{},
	}
	if about.Signal == string(survey.Latency) {
		slices.SortStableFunc(c.Slow, func(a, b TraceSummary) int { return cmp.Compare(b.DurationSeconds, a.DurationSeconds) })
	}
	result := attributes.Compare(tracesOf(slow), tracesOf(normal))
	if result.TooFew && len(slow) > 0 {
		c.Missing = append(c.Missing, Missing{
			Backend: from, Kind: MissingNoData,
			Reason: fmt.Sprintf("attributes were not compared: %s on one side and %d on the other tell nothing",
				counted(len(slow), "trace"), len(normal)),
			Hint: "ask for a longer window with --since, or name a --baseline of which traces are stored",
		})
	}
	if about.Signal == string(survey.Errors) {
		// What failing requests lack is mostly what they did not come to do.
		slices.SortStableFunc(result.Differences, func(a, b attributes.Difference) int {
			return cmp.Compare(lacks(a), lacks(b))
		})
	}
	for _, d := range result.Differences[:min(len(result.Differences), shownDifferences)] {
		c.Differences = append(c.Differences, differenceOf(d))
	}
	return c
}

// lacks orders what traces have before what they lack, and symptoms after both.
func lacks(d attributes.Difference) int {
	switch {
	case d.Symptom:
		return 2
	case d.Effect < 0:
		return 1
	}
	return 0
}

func tracesOf(trees []*spans.Tree) []*sources.Trace {
	all := make([]*sources.Trace, len(trees))
	for i, t := range trees {
		all[i] = t.Trace
	}
	return all
}

func summaries(trees []*spans.Tree) []TraceSummary {
	all := make([]TraceSummary, 0, len(trees))
	for _, t := range trees {
		window := t.Trace.Window()
		s := TraceSummary{
			ID: t.Trace.ID, Start: window.From.UTC(), DurationSeconds: window.Duration().Seconds(),
			SpanCount: len(t.Trace.Spans), Services: len(t.Trace.Services()),
		}
		if t.Main != spans.None {
			root := t.Span(t.Main)
			s.Root = Work{Service: root.Service, Operation: root.Operation}
			s.Start, s.DurationSeconds = root.Start.UTC(), root.Duration.Seconds()
		}
		for i := range t.Trace.Spans {
			if t.Trace.Spans[i].Failed() {
				s.ErrorCount++
			}
		}
		all = append(all, s)
	}
	return all
}

func sharesOf(shares []spans.Share) []WorkShare {
	all := []WorkShare{}
	for _, s := range shares[:min(len(shares), shownShares)] {
		all = append(all, WorkShare{
			Service: s.Key.Service, Operation: s.Key.Operation, SlowSeconds: s.Slow.Seconds(), NormalSeconds: s.Normal.Seconds(),
		})
	}
	return all
}

func differenceOf(d attributes.Difference) Difference {
	kept := Difference{
		Attributes: []sources.Attribute{}, Slow: d.Slow.Traces, SlowShare: d.Slow.Share, Normal: d.Normal.Traces,
		NormalShare: d.Normal.Share, PValue: d.Adjusted, Symptom: d.Symptom,
	}
	for i, c := range d.Conditions {
		kept.Attributes = append(kept.Attributes, sources.Attribute{Key: c.Key, Value: c.Value})
		switch {
		case c.AnyService:
		case i == 0:
			kept.Service = c.Service
		case kept.Service != c.Service:
			kept.Service = "" // a pair of two services
		}
	}
	for _, c := range d.Also {
		also := Condition{Key: c.Key, Value: c.Value}
		if !c.AnyService {
			also.Service = c.Service
		}
		kept.Also = append(kept.Also, also)
	}
	if d.Numeric {
		kept.SlowMedian, kept.NormalMedian = &d.Slow.Median, &d.Normal.Median
	}
	return kept
}

// Traces are slow and normal traces of a subject, or failing ones and others, and in what
// they differ. The subject may be well: then its slowest requests are held against the
// others of the same time.
func (x *Explorer) Traces(ctx context.Context, about Subject) *Cohorts {
	about = x.settled(about)
	note := &gaps{}
	found := x.cohorts(ctx, about, note)
	if found == nil {
		found = compareCohorts(x.set.TraceBackend(), about, nil, nil)
	}
	note.take(found.Missing)
	note.ended(ctx)
	if found.Missing = note.all(); len(found.Missing) == 0 {
		found.Missing = nil
	}
	return found
}

func (x *Explorer) cohorts(ctx context.Context, about Subject, note *gaps) *Cohorts {
	if x.set.Traces == nil {
		note.notConfigured(x.set.TraceBackend(), "no trace was looked at")
		return nil
	}
	s := &cohortSearch{walk: x.walk(0), explorer: x, about: about, note: note}
	var err error
	if s.service, err = s.walk.tracedName(ctx, about.Service); err == nil && s.service != "" {
		switch survey.Signal(about.Signal) {
		case survey.Errors:
			err = s.failing(ctx)
		case survey.Latency:
			err = s.slow(ctx)
		default:
			err = s.recent(ctx)
		}
	}
	if err != nil {
		note.failed(x.set.TraceBackend(), "its traces were not looked at", err)
	}
	if len(s.bad) == 0 {
		if err == nil {
			note.take([]Missing{s.nothing()})
		}
		return nil
	}
	c := compareCohorts(x.set.TraceBackend(), about, s.bad, s.good)
	c.ThresholdSeconds, c.Query, c.URL = s.threshold, traceQuery(x.set.Traces, s.query), x.set.Traces.SearchLink(s.query)
	c.Chosen = s.chosen().Trace.ID
	if about.Signal == string(survey.Latency) {
		c.Work = sharesOf(spans.Compare(s.bad, s.good))
	}
	return c
}

// cohortSearch is the way to the cohorts of one subject.
type cohortSearch struct {
	walk     *walk
	explorer *Explorer
	about    Subject
	note     *gaps
	service  string // under the name that traces have

	operation string
	threshold float64 // in seconds
	query     sources.TraceQuery
	bad, good []*spans.Tree
	typical   []*spans.Tree // of the bad ones, those that were not picked for being slow
}

func (s *cohortSearch) nothing() Missing {
	m := Missing{
		Backend: s.walk.set.TraceBackend(), Kind: MissingNoData,
		Reason: fmt.Sprintf("it holds no trace of %s in %s", said(s.about), s.walk.question.Window),
		Hint:   "its spans may not be sampled, may have expired, or may carry another service name",
	}
	if s.about.Signal == string(survey.Errors) && s.service != "" {
		m.Reason = fmt.Sprintf("it holds no failing trace of %s in %s", said(s.about), s.walk.question.Window)
		m.Hint = "nothing failed, or spans of failing requests are not stored"
	}
	return m
}

// search asks for traces of the subject; s.operation holds once it has brought any.
func (s *cohortSearch) search(ctx context.Context, q sources.TraceQuery) ([]*spans.Tree, error) {
	q.Service, q.Operation = s.service, s.operation
	return s.walk.searchTrees(ctx, q)
}

// first is search for a subject of which it is not known how traces name its operation.
func (s *cohortSearch) first(ctx context.Context, q sources.TraceQuery) ([]*spans.Tree, error) {
	s.operation = s.about.Operation
	trees, err := s.search(ctx, q)
	if err != nil || len(trees) > 0 || s.operation == "" {
		return trees, err
	}
	// A metric's route is not always a span's name.
	if s.operation, err = s.spanName(ctx); err != nil {
		return nil, err
	}
	if trees, err = s.search(ctx, q); len(trees) > 0 && s.operation == "" {
		s.note.take([]Missing{{
			Backend: s.walk.set.TraceBackend(), Kind: MissingNoData,
			Reason: fmt.Sprintf("it holds no trace of %s: those of all operations of %s are compared", said(s.about), s.about.Service),
			Hint:   "its spans may name the operation otherwise",
		}})
	}
	return trees, err
}

// spanName is the one operation of the service that ends in the subject's, as "GET /cart"
// ends in the route; empty, which stands for all, where there is not just one.
func (s *cohortSearch) spanName(ctx context.Context) (string, error) {
	operations, err := s.walk.set.Traces.Operations(ctx, s.service)
	found := ""
	for _, o := range operations {
		if o.Name == s.about.Operation {
			return "", err // so it is known, and there is nothing of it here
		}
		if _, route, two := strings.Cut(o.Name, " "); two && route == s.about.Operation && found != o.Name {
			if found != "" {
				return "", err
			}
			found = o.Name
		}
	}
	return found, err
}

// own is the longest of the subject's spans in a trace, nil without one.
func (s *cohortSearch) own(t *spans.Tree) *sources.Span { return longestOf(t, s.service, s.operation) }

// duration is how long the subject's part of a trace took, in seconds.
func (s *cohortSearch) duration(t *spans.Tree) float64 {
	if own := s.own(t); own != nil {
		return own.Duration.Seconds()
	}
	return 0
}

// chosen is the one to look at: of the typical ones that nearest to their median, as the
// slowest of all is often so for a reason of its own.
func (s *cohortSearch) chosen() *spans.Tree {
	if s.about.Signal != string(survey.Latency) {
		return s.bad[0] // the most recent one
	}
	durations := make([]float64, len(s.typical))
	for i, t := range s.typical {
		durations[i] = s.duration(t)
	}
	slices.Sort(durations)
	median := durations[len(durations)/2]
	return slices.MinFunc(s.typical, func(a, b *spans.Tree) int {
		return cmp.Compare(math.Abs(s.duration(a)-median), math.Abs(s.duration(b)-median))
	})
}

// failing holds failing requests against others of the window.
func (s *cohortSearch) failing(ctx context.Context) (err error) {
	errors := &measured{service: s.about.Service, operation: s.about.Operation}
	if s.bad, err = s.walk.searchFailing(ctx, s.service, errors); err != nil {
		return err
	}
	if len(s.bad) == 0 && errors.operation != "" {
		if errors.operation, err = s.spanName(ctx); err != nil {
			return err
		}
		if s.bad, err = s.walk.searchFailing(ctx, s.service, errors); err != nil {
			return err
		}
	}
	if s.walk.failure == nil {
		return nil
	}
	s.query = s.walk.failure.query
	for _, in := range []sources.Window{s.walk.question.Window, s.walk.question.Baseline} {
		s.good, _, err = s.walk.searchOthers(ctx, s.service, errors.operation, s.bad, in)
		if err != nil || len(s.good) >= leastSlow {
			return err
		}
	}
	return nil // all of them fail, and no others are stored
}

// recent holds the window against the baseline.
func (s *cohortSearch) recent(ctx context.Context) (err error) {
	s.query = sources.TraceQuery{Window: s.walk.question.Window, Limit: cohortSize}
	if s.bad, err = s.first(ctx, s.query); err != nil || len(s.bad) == 0 {
		return err
	}
	before := s.query
	before.Window = s.walk.question.Baseline
	all, err := s.search(ctx, before)
	s.good = sameEntry(all, s.bad)
	s.query.Service, s.query.Operation = s.service, s.operation
	return err
}

// slow holds slow requests against others of the same time; where a subject got slower and
// hardly any of its requests was spared, against those of the baseline.
func (s *cohortSearch) slow(ctx context.Context) error {
	departed, onset := s.judge(ctx)
	if s.threshold <= 0 {
		return s.slowestTenth(ctx)
	}
	s.query = sources.TraceQuery{Window: s.walk.question.Window, MinDuration: seconds(s.threshold), Limit: cohortSize}
	trees, err := s.first(ctx, s.query)
	if err != nil {
		return err
	}
	if len(trees) == 0 {
		// The metrics count requests of which no trace is stored.
		return s.slowestTenth(ctx)
	}
	s.typical, s.bad = trees, slices.Clone(trees)
	s.query.Service, s.query.Operation = s.service, s.operation
	if err := s.slower(ctx, trees); err != nil {
		return err
	}
	quick, _, err := s.walk.searchQuick(ctx, s.query, s.threshold, onset, s.bad)
	if err != nil {
		return err
	}
	s.good = s.others(quick)
	switch {
	case departed && len(s.good) < enough:
		before := s.query
		before.Window, before.MinDuration, before.MaxDuration = s.walk.question.Baseline, 0, s.query.MinDuration
		before.Operation = cmp.Or(before.Operation, mostOften(s.bad, s.own))
		quick, err = s.walk.searchTrees(ctx, before)
		if others := s.others(quick); len(others) > len(s.good) {
			s.good = others
		}
	case !departed && len(s.good) < leastSlow:
		// A percentile between two bounds of buckets may lie below what is usual.
		return s.slowestTenth(ctx)
	}
	s.good = s.good[:min(len(s.good), cohortSize)]
	return err
}

// others are the traces that are not slow and like the slow ones in what was asked: by
// the operation through which the request came in, where that leaves enough to compare,
// else by the subject's own.
func (s *cohortSearch) others(all []*spans.Tree) []*spans.Tree {
	slow := map[sources.TraceID]bool{}
	for _, t := range s.bad {
		slow[t.Trace.ID] = true
	}
	kept := slices.DeleteFunc(slices.Clone(all), func(t *spans.Tree) bool {
		return slow[t.Trace.ID] || s.duration(t) > s.threshold
	})
	if alike := sameEntry(kept, s.bad); len(alike) >= enough {
		return alike
	}
	most := mostOften(s.bad, s.own)
	return slices.DeleteFunc(kept, func(t *spans.Tree) bool {
		own := s.own(t)
		return own == nil || own.Operation != most
	})
}

// judge finds from where on a request of the subject is slow: halfway to what it rose to,
// or its 95th percentile. It reports whether the subject got slower, and since
// when. Without metrics there is no threshold.
func (s *cohortSearch) judge(ctx context.Context) (departed bool, onset time.Time) {
	if s.explorer.set.Metrics == nil {
		return false, onset
	}
	mine := &gaps{} // traces can be compared without metrics, and only a failure is worth a word
	defer func() {
		for _, m := range mine.all() {
			if m.Kind != MissingNoData {
				s.note.take([]Missing{m})
			}
		}
	}()
	at := s.explorer.locate(ctx, s.about, "", mine)
	if at == nil || at.question.Unit != survey.Seconds {
		return false, onset
	}
	view := &MetricView{Subject: s.about, Metric: at.metric(), Query: at.query()}
	s.explorer.read(ctx, at, view, mine)
	if view.Anomaly != nil && view.Anomaly.Direction == string(anomaly.Up) {
		s.threshold = between(view.Anomaly.BaselineValue, view.Anomaly.WindowValue)
		return true, view.Anomaly.Onset
	}
	window := slices.DeleteFunc(view.Samples, func(p sources.Sample) bool { return !p.Time.After(s.walk.question.Window.From) })
	values := make([]float64, len(window))
	for i, p := range window {
		values[i] = p.Value
	}
	if s.threshold = anomaly.Median(values); math.IsNaN(s.threshold) {
		s.threshold = 0
	}
	return false, onset
}

// slower searches for slower and slower traces: a backend brings some recent ones, not the
// slowest. It ends when fewer come back than were asked for, as then those are all.
func (s *cohortSearch) slower(ctx context.Context, trees []*spans.Tree) error {
	least := s.query.MinDuration
	for n := 1; len(trees) >= cohortSize; n++ {
		durations := make([]float64, len(trees))
		for i, t := range trees {
			durations[i] = s.duration(t)
		}
		slices.Sort(durations)
		higher := seconds(durations[3*len(durations)/4])
		if n == slowSearches || higher <= least {
			s.note.take([]Missing{{
				Backend: s.walk.set.TraceBackend(), Kind: MissingTruncated,
				Reason: "more slow traces are stored than were fetched: the slowest may not be among them",
				Hint:   "ask for a shorter window",
			}})
			return nil
		}
		least = higher
		query := s.query
		query.MinDuration = least
		var err error
		if trees, err = s.search(ctx, query); err != nil {
			return err
		}
		s.bad = distinct(append(s.bad, trees...))
	}
	return nil
}

// slowestTenth holds the slowest of some recent traces against the others.
func (s *cohortSearch) slowestTenth(ctx context.Context) error {
	s.query = sources.TraceQuery{Window: s.walk.question.Window, Limit: failingSearches}
	trees, err := s.first(ctx, s.query)
	if err != nil || len(trees) == 0 {
		return err
	}
	s.query.Service, s.query.Operation = s.service, s.operation
	slices.SortStableFunc(trees, func(a, b *spans.Tree) int { return cmp.Compare(s.duration(b), s.duration(a)) })
	n := min(max(int(math.Ceil(slowestShare*float64(len(trees)))), leastSlow), len(trees))
	s.bad, s.typical = trees[:n], trees[:n]
	s.threshold = s.duration(trees[n-1])
	s.good = s.others(trees[n:])
	return nil
}
