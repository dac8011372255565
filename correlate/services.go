package correlate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"obs/correlate/survey"
	"obs/sources"
)

// maxRows bounds a table: beyond some hundreds of endpoints a label holds paths with IDs
// in them, and nobody reads on.
const maxRows = 500

// Services are the services in window and baseline, or their endpoints or instances: how
// many requests they get, how many fail, how long they take, and what they use of what
// they have.
func (x *Explorer) Services(ctx context.Context, by Grouping) *ServiceTable {
	answer := &ServiceTable{
		Schema: ServicesSchema, Grouping: by, Window: x.question.Window, Baseline: x.question.Baseline,
		Services: []ServiceRow{}, Alerts: []Alert{}, Queries: []Query{},
	}
	note := &gaps{}
	asked := len(x.set.Ledger.Queries())
	switch {
	case x.saved != nil:
		x.saved.fillServices(answer)
		return answer
	case x.set.Metrics == nil:
		note.notConfigured(sources.Prometheus, "no service was looked at")
		answer.Missing = note.all()
		return answer
	}
	t := &serviceTable{walk: newWalk(x.set, x.question, nil), by: by, rows: map[string]*tableRow{}}
	var group errgroup.Group
	group.Go(func() error {
		answer.Alerts = x.firing(ctx, note)
		return nil
	})
	answer.Services = t.read(ctx, x.knownQuestions())
	_ = group.Wait() // its failures are in the gaps
	note.take(t.walk.found.Missing)
	note.ended(ctx)
	answer.Queries = x.queriesSince(asked)
	note.take(partialAnswers(answer.Queries))
	answer.Missing = note.all()
	return answer
}

// queriesSince are the queries that were sent after so many others.
func (x *Explorer) queriesSince(n int) []Query {
	return append([]Query{}, x.Queries()[n:]...)
}

// ended notes that the time for an answer was up before it was done.
func (g *gaps) ended(ctx context.Context) {
	if err := ctx.Err(); err != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.c.interrupted(err)
	}
}

// knownQuestions are those of a survey that has been made, in its order; nil without one.
func (x *Explorer) knownQuestions() *planned {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.survey == nil {
		return nil
	}
	known := &planned{over: x.survey.over}
	seen := map[*survey.Question]bool{}
	for i := range x.survey.measured {
		if q := x.survey.measured[i].question; !seen[q] {
			seen[q] = true
			known.questions = append(known.questions, *q)
		}
	}
	return known
}

// planned is what there is to ask, and the window of rates to ask it with.
type planned struct {
	questions []survey.Question
	over      time.Duration
}

// slot is a column of the table.
type slot int

const (
	slotRate slot = iota
	slotErrors
	slotP50
	slotP95
	slotP99
	slotCount
)

var quantiles = map[slot]float64{slotP50: 0.5, slotP95: survey.Quantile, slotP99: 0.99}

// serviceTable is a table under way.
type serviceTable struct {
	walk *walk
	by   Grouping
	// groups are the questions by slot, of each metric or convention: those about the
	// same requests together, the surest first.
	groups  []*tableGroup
	rows    map[string]*tableRow
	carried survey.Carried
	surest  map[string]tableOrigin // of each service, see oneConvention
}

// tableGroup is the questions about the same requests.
type tableGroup struct {
	name      string
	questions [slotCount]*survey.Question // nil where the metric does not tell
	split     string                      // the label of operations or instances, if it has one
	// uncounted tells that how many requests there are was asked for in vain.
	uncounted bool
}

// tableRow is a row of the table under way.
type tableRow struct {
	ServiceRow
	sources []tableOrigin // of its requests, the one to believe first
	best    [slotCount]int
}

// tableOrigin is the requests of a row as one group counts them.
type tableOrigin struct {
	group   int
	kind    string // of spans: received or sent
	inexact bool
	rank    int     // of the kind
	rate    float64 // requests per second
}

// surer is below 0 where o is to be believed before another origin.
func (o tableOrigin) surer(than tableOrigin) int {
	return cmp.Or(cmp.Compare(oneIf(o.inexact), oneIf(than.inexact)), cmp.Compare(o.rank, than.rank), cmp.Compare(o.group, than.group))
}

// read asks for everything and puts the rows into their order.
func (t *serviceTable) read(ctx context.Context, known *planned) []ServiceRow {
	if known == nil {
		questions, err := t.walk.questions(ctx)
		if err != nil {
			t.walk.failed(sources.Prometheus, "the metrics were not looked at", err)
			return []ServiceRow{}
		}
		known = &planned{questions, t.walk.over}
	}
	t.walk.over = known.over
	t.plan(known.questions)
	t.lookForLabels(ctx)
	t.ask(ctx, t.wanted(func(_ int, s slot) bool { return s == slotRate }))
	if t.by == PerEndpoint {
		t.oneConvention()
	}
	t.ask(ctx, t.wanted(t.needed))
	if t.by != PerEndpoint {
		t.saturation(ctx)
	}
	return t.finish(ctx)
}

// plan sorts the questions into groups.
func (t *serviceTable) plan(questions []survey.Question) {
	for i := range questions {
		q := &questions[i]
		if t.by == PerInstance && q.Elsewhere {
			continue
		}
		at := slices.IndexFunc(t.groups, func(g *tableGroup) bool { return g.name == q.Group })
		if at < 0 {
			at = len(t.groups)
			t.groups = append(t.groups, &tableGroup{name: q.Group})
		}
		g := t.groups[at]
		switch q.Signal {
		case survey.Traffic:
			g.questions[slotRate] = q
		case survey.Errors:
			g.questions[slotErrors] = q
		case survey.Latency:
			for s, quantile := range quantiles {
				if one, ok := q.At(quantile); ok {
					g.questions[s] = &one
				}
			}
			if g.questions[slotP95] == nil {
				g.questions[slotP95] = q // a gauge, which is what there is
			}
			if one, ok := q.Counted(); ok && g.questions[slotRate] == nil {
				g.questions[slotRate] = &one
			}
		case survey.Saturation, survey.Other: // see saturation
		}
	}
}

// lookForLabels finds out, in one query, by which labels the metrics can be split and
// which metrics tell of resources.
func (t *serviceTable) lookForLabels(ctx context.Context) {
	var patterns, labels []string
	if t.by != PerEndpoint {
		patterns, labels = survey.ResourcePatterns()
	}
	dotted := false
	if t.by != PerService {
		for _, g := range t.groups {
			for _, q := range g.questions {
				if q != nil && q.Metric != "" {
					patterns = append(patterns, sources.QuoteRegexp(q.Metric))
					labels = append(labels, t.splitters(q)...)
					dotted = dotted || strings.Contains(q.Metric, ".")
				}
			}
		}
	}
	slices.Sort(labels)
	labels = slices.Compact(labels)
	if len(labels) == 0 || len(patterns) == 0 {
		return
	}
	answer, err := t.walk.set.Metrics.Instant(ctx, survey.Carrying(patterns, labels, dotted), t.walk.question.Window.To)
	if err != nil {
		t.walk.failed(sources.Prometheus, "by which labels the metrics can be split was not looked at", err)
		return
	}
	t.carried = survey.ReadCarried(labelsOf(answer.Series))
	if t.by == PerService {
		return
	}
	for _, g := range t.groups {
		for s, q := range g.questions {
			if q == nil {
				continue
			}
			if label := t.carried.First(t.splitters(q), q.Metric); label != "" {
				split := q.By(label)
				g.questions[s], g.split = &split, label
			}
		}
	}
}

// splitters are the labels that a question may be split by.
func (t *serviceTable) splitters(q *survey.Question) []string {
	if t.by == PerInstance {
		return survey.InstanceLabels
	}
	return q.Operations
}

// tableQuestion is one question of one group.
type tableQuestion struct {
	group int
	slot  slot
}

func (t *serviceTable) wanted(want func(group int, s slot) bool) []tableQuestion {
	var all []tableQuestion
	for i, g := range t.groups {
		for s := range slotCount {
			if g.questions[s] != nil && want(i, s) {
				all = append(all, tableQuestion{i, s})
			}
		}
	}
	return all
}

// needed reports whether a row wants the answer: no group that is surer about it has an
// answer of its own. A group that does not count requests may be about any row.
func (t *serviceTable) needed(group int, s slot) bool {
	if s == slotRate {
		return false // all of them have been asked
	}
	if g := t.groups[group]; g.questions[slotRate] == nil || g.uncounted {
		return true
	}
	for _, r := range t.rows {
		for _, o := range r.sources {
			if o.group == group {
				return true
			}
			if t.groups[o.group].questions[s] != nil {
				break
			}
		}
	}
	return false
}

// seriesPair is one series over baseline and window.
type seriesPair struct {
	labels      sources.Labels
	before, now []sources.Sample
}

// seriesPairs joins the series of both sides by their labels, in the order of those.
func seriesPairs(baseline, window []sources.Series) []seriesPair {
	all := map[string]*seriesPair{}
	at := func(s sources.Series) *seriesPair {
		key := s.Labels.String()
		if all[key] == nil {
			all[key] = &seriesPair{labels: s.Labels}
		}
		return all[key]
	}
	for _, s := range baseline {
		at(s).before = s.Samples
	}
	for _, s := range window {
		at(s).now = s.Samples
	}
	joined := make([]seriesPair, 0, len(all))
	for _, p := range all {
		joined = append(joined, *p)
	}
	slices.SortFunc(joined, func(a, b seriesPair) int { return cmp.Compare(a.labels.String(), b.labels.String()) })
	return joined
}

// ask puts the questions at the same time, and takes the answers in their order.
func (t *serviceTable) ask(ctx context.Context, parts []tableQuestion) {
	if most := t.affordable(); len(parts) > most {
		t.walk.found.missing(Missing{
			Backend: sources.Prometheus, Kind: MissingTruncated,
			Reason: fmt.Sprintf("%d of %d questions about services were not asked, to keep the number of queries down", len(parts)-most, len(parts)),
			Hint:   "name the services that matter with --service",
		})
		parts = parts[:most]
	}
	answers, failed := make([][]seriesPair, len(parts)), make([]bool, len(parts))
	var group errgroup.Group
	for i, p := range parts {
		group.Go(func() error {
			baseline, window, _, err := t.walk.rangeBoth(ctx, t.groups[p.group].questions[p.slot].Query(t.walk.over))
			if err != nil {
				t.walk.failed(sources.Prometheus, "a series was not looked at", err)
			}
			answers[i], failed[i] = seriesPairs(baseline, window), err != nil
			return nil
		})
	}
	_ = group.Wait() // failures are noted where they occur
	for i, p := range parts {
		if failed[i] {
			t.groups[p.group].uncounted = t.groups[p.group].uncounted || p.slot == slotRate
			continue
		}
		t.take(p, answers[i])
	}
	for _, r := range t.rows {
		slices.SortStableFunc(r.sources, func(a, b tableOrigin) int {
			return cmp.Or(a.surer(b), cmp.Compare(b.rate, a.rate), cmp.Compare(a.kind, b.kind))
		})
	}
}

// affordable is how many questions one round may have: see maxRangeQueries.
func (t *serviceTable) affordable() int {
	if t.walk.adjoining() {
		return maxRangeQueries
	}
	return maxRangeQueries / 2
}

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}

// oneConvention leaves of each service the operations of its surest convention, as each
// names them in its own way.
func (t *serviceTable) oneConvention() {
	t.surest = map[string]tableOrigin{}
	for _, r := range t.rows {
		known, ok := t.surest[bareService(r.Service)]
		if o := r.sources[0]; !ok || o.surer(known) < 0 {
			t.surest[bareService(r.Service)] = o
		}
	}
	for key, r := range t.rows {
		if r.sources[0].surer(t.surest[bareService(r.Service)]) > 0 {
			delete(t.rows, key)
			continue
		}
		r.sources = r.sources[:1]
	}
}

// finish judges the rows, orders them and cuts the table to its length.
func (t *serviceTable) finish(ctx context.Context) []ServiceRow {
	all := make([]ServiceRow, 0, len(t.rows))
	for _, r := range t.rows {
		t.doubt(r)
		r.judge(t.by)
		all = append(all, r.ServiceRow)
	}
	slices.SortFunc(all, compareRows)
	switch {
	case len(all) > maxRows:
		t.walk.found.missing(Missing{
			Backend: sources.Prometheus, Kind: MissingTruncated,
			Reason: fmt.Sprintf("the first %d of %d %s are shown", maxRows, len(all), t.by), Hint: "name the services that matter with --service",
		})
		all = all[:maxRows]
	case len(all) == 0 && ctx.Err() == nil && !t.walk.found.unanswered(sources.Prometheus):
		t.walk.found.missing(Missing{
			Backend: sources.Prometheus, Kind: MissingNoData, Reason: fmt.Sprintf("it has no series of a service in %s", t.walk.question.Window),
			Hint: "check the window (times are UTC unless --tz says otherwise) and --service, or ask for a longer one with --since",
		})
	}
	return all
}
