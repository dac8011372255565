package correlate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"obs/correlate/anomaly"
	"obs/correlate/spans"
	"obs/correlate/survey"
	"obs/sources"
)

// A target is what Prometheus collects from, or what an exporter probes. One that is down
// says nothing of itself any more, so that no other metric departs.

const (
	// checkedTraces is of how many services whose targets are all down it is asked whether
	// they serve requests nevertheless.
	checkedTraces = 2
	// moments is how many windows of rates without overlap a series must be absent to be
	// gone: two say it independently.
	moments = 2
	// leastExpected is how many requests must have been due since the last one for their
	// absence to be none of chance: of a Poisson process, exp(-10) is below 1 in 10,000.
	leastExpected = 10
)

// downLimits say from where on targets that are down matter: one more than usual.
var downLimits = anomaly.Limits{Ratio: 1, Delta: 1, Score: 4, Up: true}

// targetGroup is the targets of a service, as one metric tells of them, by moment.
type targetGroup struct {
	service   string
	metric    string
	only      sources.Selector
	instances []string // that are probed
	asked     bothSides
	all, up   [2]map[time.Time]float64 // baseline and window
}

// targetGroups are the groups in an answer. Probes of one service are one group.
func (w *walk) targetGroups(parts map[int]*part) []*targetGroup {
	groups := map[string]*targetGroup{}
	for i, into := range []func(g *targetGroup) *[2]map[time.Time]float64{
		besideTargets: func(g *targetGroup) *[2]map[time.Time]float64 { return &g.all },
		besideReached: func(g *targetGroup) *[2]map[time.Time]float64 { return &g.up },
	} {
		if parts[i] == nil {
			continue
		}
		for side, series := range parts[i] {
			for _, s := range series {
				g := w.targetGroup(groups, s.Labels)
				if g == nil {
					continue
				}
				counts := into(g)
				if counts[side] == nil {
					counts[side] = map[time.Time]float64{}
				}
				for _, sample := range s.Samples {
					counts[side][sample.Time] += sample.Value
				}
			}
		}
	}
	var all []*targetGroup
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		all = append(all, groups[key])
	}
	return all
}

// targetGroup is the group of a series; nil of a service that is not asked about.
func (w *walk) targetGroup(groups map[string]*targetGroup, labels sources.Labels) *targetGroup {
	who := w.names.ownerOf(labels)
	service, metric, instance := who.service, labels["__name__"], labels["instance"]
	if known := w.knownAs(service); known != "" {
		service = known
	} else if known := w.probed(instance); metric == survey.Probed && known != "" {
		service = known
	}
	asked := len(w.question.Services) == 0 || slices.ContainsFunc(w.question.Services, func(s string) bool { return sameService(s, service) })
	if service == "" || !asked {
		return nil
	}
	var only sources.Selector
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if name != "__name__" && name != "instance" {
			only = append(only, sources.Matcher{Name: name, Op: sources.Equal, Value: labels[name]})
		}
	}
	key := metric + " " + service + " " + only.String()
	if groups[key] == nil {
		groups[key] = &targetGroup{service: service, metric: metric, only: only, asked: w.beside}
	}
	g := groups[key]
	if instance != "" && !slices.Contains(g.instances, instance) {
		g.instances = append(g.instances, instance)
		slices.Sort(g.instances)
	}
	return g
}

// knownAs is the name by which the survey knows a service; empty where it does not.
func (w *walk) knownAs(service string) string {
	service = w.names.of(service)
	for i := range w.measured {
		if sameService(w.measured[i].service, service) {
			return w.measured[i].service
		}
	}
	return ""
}

// probed is the known service whose host a probe's target names, as http://cart.shop:8080/health
// and cart:8080 do.
func (w *walk) probed(target string) string {
	host := target
	if _, rest, ok := strings.Cut(target, "://"); ok {
		host, _, _ = strings.Cut(rest, "/")
	}
	host = host[strings.LastIndexByte(host, '@')+1:]
	if end := strings.IndexAny(host, ".:/"); end >= 0 { // the first of its names is the service's
		host = host[:end]
	}
	return w.knownAs(host)
}

// selected is the group's series in PromQL.
func (g *targetGroup) selected() string {
	only := slices.Clone(g.only)
	if len(g.instances) > 0 {
		only = append(only, sources.AnyOf("instance", g.instances...))
	}
	return sources.MetricSelector(g.metric, only)
}

func (g *targetGroup) countQuery() string { return "count(" + g.selected() + ")" }

func (g *targetGroup) downQuery() string {
	return fmt.Sprintf("count(%s) - sum(%s)", g.selected(), g.selected())
}

// down is how many targets are down, by moment.
func (g *targetGroup) down(side int) []sources.Sample {
	var samples []sources.Sample
	for _, at := range slices.SortedFunc(maps.Keys(g.all[side]), time.Time.Compare) {
		samples = append(samples, sources.Sample{Time: at, Value: g.all[side][at] - g.up[side][at]})
	}
	return samples
}

// upShare is the share of targets that are up, by moment.
func (g *targetGroup) upShare(side int) []sources.Sample {
	samples := g.down(side)
	for i := range samples {
		samples[i].Value = 1 - samples[i].Value/g.all[side][samples[i].Time]
	}
	return samples
}

// reachedAt reports whether one of its targets was up at the last moment in the window, and that
// was not long before the end.
func (g *targetGroup) reachedAt(end time.Time, within time.Duration) bool {
	var last time.Time
	for at := range g.all[1] {
		if at.After(last) {
			last = at
		}
	}
	return end.Sub(last) <= within && g.up[1][last] > 0
}

// outage is a time in which more targets of a group are down than usual.
type outage struct {
	group       *targetGroup
	usual       float64 // that are down in the baseline
	down, of    float64 // when most are down
	from, until time.Time
	over        bool // it ended before the window did
}

// outage is nil where no more targets are down than were. One that is down for a collection
// or two did not answer in time, and is no news.
func (g *targetGroup) outage(over time.Duration) *outage {
	window := g.down(1)
	d := anomaly.Compare(g.down(0), window, downLimits)
	if !d.Anomalous {
		return nil
	}
	o := &outage{group: g, usual: d.Baseline, from: d.Onset}
	n := 0
	for _, s := range window {
		if s.Value-d.Baseline < downLimits.Delta {
			continue
		}
		n++
		o.until = s.Time
		if s.Value > o.down {
			o.down, o.of = s.Value, g.all[1][s.Time]
		}
	}
	o.over = o.until.Before(window[len(window)-1].Time)
	if time.Duration(n)*g.asked.window.step < over || (o.down-o.usual)/o.of < limits[survey.Errors].Delta {
		return nil
	}
	return o
}

// String says an outage, without the end of the sentence.
func (o *outage) String() string {
	noun, verb := "target", "is down since"
	if o.group.metric == survey.Probed {
		noun, verb = "probe", "fails since"
	}
	many := o.down != 1
	switch {
	case many && o.group.metric == survey.Probed:
		verb = "fail since"
	case many:
		verb = "are down since"
	}
	if o.over {
		verb = map[string]string{"is down since": "was down from", "are down since": "were down from", "fails since": "failed from", "fail since": "failed from"}[verb]
	}
	text := fmt.Sprintf("%s: %.0f of %s %s %s", o.group.service, o.down, counted(int(o.of), noun), verb, Clock(o.from))
	if o.over {
		text += " to " + Clock(o.until)
	}
	return text
}

func (w *walk) outageEvidence(o *outage) []Evidence {
	return slices.Concat(
		o.group.asked.evidence(w.set.Metrics, o.group.downQuery(),
			Value{Name: "targets down in the baseline", Value: o.usual}, Value{Name: "targets down in the window, at most", Value: o.down}),
		w.windowAlone(o.group.countQuery(), o.group.asked.window, Value{Name: "targets in the window when most are down", Value: o.of}))
}

// windowAlone is a query whose values are the window's, over the time that a chart shows.
func (w *walk) windowAlone(query string, asked ranged, values ...Value) []Evidence {
	return []Evidence{{
		Backend: sources.Prometheus, Query: query, Window: asked.over, StepSeconds: asked.step.Seconds(), Values: values,
		URL: w.set.Metrics.Link(query, asked.over),
	}}
}

// judgeTargets looks for groups of targets that are down in the window and were not in the
// baseline, and for targets that are there no more.
func (w *walk) judgeTargets(ctx context.Context, parts map[int]*part) {
	groups := w.targetGroups(parts)
	checked := 0
	w.reached = map[string]bool{}
	for _, g := range groups {
		w.reached[g.service] = w.reached[g.service] || g.reachedAt(w.question.Window.To, moments*w.over)
		o := g.outage(w.over)
		if o == nil {
			w.noteFewer(g, groups)
			continue
		}
		if g.metric == survey.Scraped {
			if m := w.goesOn(g.service, o.from); m != nil {
				w.onlyScrape(o, fmt.Sprintf("its requests go on at %s", Quantity(m.departure.Window, survey.PerSecond)), w.goingOn(m)...)
				continue
			}
			if o.down == o.of && checked < checkedTraces {
				checked++
				if found := w.tracedSince(ctx, o); len(found) > 0 {
					w.onlyScrape(o, "its requests go on, as traces show", found...)
					continue
				}
			}
		}
		up := 1 - o.down/o.of
		w.targets = append(w.targets, measured{
			service: g.service,
			question: &survey.Question{
				Family: "targets", Group: g.metric, Metric: g.metric, Signal: survey.Availability, Unit: survey.Ratio, Exact: true,
			},
			departure: anomaly.Departure{
				Compared: true, Anomalous: true, Direction: anomaly.Down, Score: anomaly.MaxScore * (o.down - o.usual) / o.of,
				Baseline: 1 - min(1, o.usual/o.of), Window: up, Onset: o.from,
			},
			query: g.downQuery(), asked: w.beside, series: g.asked.stretches(g.upShare(0), g.upShare(1)), said: o.String(), evidence: w.outageEvidence(o),
		})
	}
}

// goesOn is the request rate of a service as another process counts it, where that is as
// before; nil where nothing tells so.
func (w *walk) goesOn(service string, onset time.Time) *measured {
	for i := range w.measured {
		m := &w.measured[i]
		received := m.question.KindLabel == "" || slices.Contains(m.question.Received, m.labels[m.question.KindLabel])
		if m.question.Elsewhere && received && m.question.Signal == survey.Traffic && sameService(m.service, service) && m.departure.Compared &&
			(!m.departure.Anomalous || m.departure.Direction != anomaly.Down) && m.last.After(onset) && !w.absent(m) {
			return m
		}
	}
	return nil
}

func (w *walk) goingOn(m *measured) []Evidence {
	if m.departure.Anomalous {
		return w.evidenceOf(m, sinceOnset)
	}
	return w.evidenceOf(m, ofWindow)
}

// tracedSince is the evidence that a service served requests well after its targets went
// down; none where the trace backend has none, or cannot be asked.
func (w *walk) tracedSince(ctx context.Context, o *outage) []Evidence {
	if w.set.Traces == nil || ctx.Err() != nil {
		return nil
	}
	service, err := w.tracedName(ctx, o.group.service)
	if err != nil || service == "" {
		return nil // the walk asks again, and says what fails
	}
	// What began before is not what is looked for, and a scrape may fail up to an interval late.
	q := sources.TraceQuery{Service: service, Window: sources.Window{From: o.from.Add(w.over), To: w.question.Window.To}, Limit: probeSize}
	if q.Window.Duration() <= 0 {
		return nil
	}
	trees, err := w.searchTrees(ctx, q)
	served := func(t *spans.Tree) bool {
		return slices.ContainsFunc(t.Trace.Spans, func(s sources.Span) bool {
			return sameService(s.Service, service) && s.Kind != sources.KindClient && q.Window.Contains(s.Start)
		})
	}
	if err != nil || !slices.ContainsFunc(trees, served) {
		return nil
	}
	return w.searchEvidence([]sources.TraceQuery{q})
}

// onlyScrape notes an outage that is the collection's and not the service's: what the
// service's own metrics say since is less than what it does.
func (w *walk) onlyScrape(o *outage, goes string, evidence ...Evidence) {
	for i := range w.measured {
		m := &w.measured[i]
		if sameService(m.service, o.group.service) && !m.question.Elsewhere && m.question.Signal == survey.Traffic && m.departure.Direction == anomaly.Down {
			m.departure.Anomalous = false
		}
	}
	text := fmt.Sprintf("%s, and %s: it is the scrape that fails", o, goes)
	w.aside = append(w.aside, w.found.AddFinding(text, slices.Concat(w.outageEvidence(o), evidence)...))
	w.found.missing(Missing{
		Backend: sources.Prometheus, Kind: MissingNoData,
		Reason: fmt.Sprintf("targets of %s were not scraped from %s on: its own metrics say too little since", o.group.service, Clock(o.from)),
		Hint:   "see Prometheus's page of targets for why the scrape fails",
	})
}

// noteFewer notes that targets are there no more, which is less than their being down:
// deployments and autoscalers take them away. Where none of all groups is left, it is
// Prometheus that saw nothing.
func (w *walk) noteFewer(g *targetGroup, groups []*targetGroup) {
	before, now := g.all[0], g.all[1]
	if len(before) == 0 {
		return
	}
	least := slices.Min(slices.Collect(maps.Values(before)))
	end := w.question.Window.To
	left, since := 0.0, time.Time{}
	latest := func(g *targetGroup) time.Time {
		return slices.MaxFunc(append(slices.Collect(maps.Keys(g.all[1])), time.Time{}), time.Time.Compare)
	}
	if last := latest(g); end.Sub(last) > moments*w.over {
		if !slices.ContainsFunc(groups, func(other *targetGroup) bool { return end.Sub(latest(other)) <= moments*w.over }) {
			return
		}
		since = last.Add(g.asked.window.step)
		if last.IsZero() {
			since = w.question.Window.From
		}
	} else {
		for _, at := range slices.SortedFunc(maps.Keys(now), time.Time.Compare) {
			switch {
			case now[at] >= least:
				since = time.Time{}
			case since.IsZero():
				since, left = at, now[at]
			default:
				left = max(left, now[at])
			}
		}
	}
	// A target that another takes the place of is gone for no longer than this.
	if since.IsZero() || end.Sub(since) < settles || left >= least {
		return
	}
	text := fmt.Sprintf("%s has %s since %s, and had %.0f", g.service, counted(int(left), "target"), Clock(since), least)
	id := w.found.AddFinding(text, g.asked.evidence(w.set.Metrics, g.countQuery(),
		Value{Name: "targets in the baseline, at least", Value: least}, Value{Name: "targets in the window since then, at most", Value: left})...)
	w.aside = append(w.aside, id)
	w.keep(clue{kind: byFewer, service: g.service, strength: (least - left) / least, finding: id})
}

// absent reports whether a series ended well before the window did.
func (w *walk) absent(m *measured) bool { return w.question.Window.To.Sub(m.last) > moments*w.over }

// judgeVanished looks for services that receive no requests any more, of which the series
// itself is gone: one that has no samples cannot be compared.
func (w *walk) judgeVanished() {
	left := map[*survey.Question]int{}
	for i := range w.measured {
		if m := &w.measured[i]; !m.last.IsZero() && !w.absent(m) {
			left[m.question]++
		}
	}
	lost := map[string]bool{}
	for i := range w.measured {
		m := &w.measured[i]
		if m.question.Signal != survey.Traffic || !m.question.Exact || m.last.IsZero() || !w.absent(m) || !(m.departure.Baseline > 0) {
			continue
		}
		if left[m.question] == 0 {
			lost[cmp.Or(m.question.Metric, m.question.Group)] = true
			continue
		}
		if due := m.departure.Baseline * w.question.Window.To.Sub(m.last).Seconds(); due >= leastExpected && !w.countedOtherwise(m) {
			w.vanished(m)
		}
	}
	for _, metric := range slices.Sorted(maps.Keys(lost)) {
		w.found.missing(Missing{
			Backend: sources.Prometheus, Kind: MissingNoData,
			Reason: metric + " ends before the window does, of all services: what collects it may have stopped",
			Hint:   "see whether Prometheus itself and what it collects from were up",
		})
	}
}

// countedOtherwise reports whether another metric goes on counting the service's requests.
func (w *walk) countedOtherwise(gone *measured) bool {
	return slices.ContainsFunc(w.measured, func(m measured) bool {
		return m.question != gone.question && m.question.Signal == survey.Traffic && m.question.Exact && sameService(m.service, gone.service) &&
			!w.absent(&m) && m.departure.Window > 0
	})
}

func (w *walk) vanished(m *measured) {
	onset := m.last.Add(m.asked.window.step)
	if onset.Before(w.question.Window.From) {
		onset = w.question.Window.From
	}
	was := m.departure.Baseline
	// How far none is from what was due, in standard deviations of a Poisson process after
	// the transformation that makes them alike (Anscombe 1948).
	score := 2 * math.Sqrt(was*w.question.Window.To.Sub(m.last).Seconds())
	m.departure = anomaly.Departure{
		Compared: true, Anomalous: true, Direction: anomaly.Down, Score: min(anomaly.MaxScore, score), Baseline: was, Onset: onset, Gone: m.departure.Gone,
	}
	m.said = fmt.Sprintf("%s receives no requests any more since %s: %s before", m.service, Clock(onset), Quantity(was, survey.PerSecond))
	// The window has no value to quote.
	for _, e := range w.evidenceOf(m, sinceOnset) {
		e.Values = slices.DeleteFunc(e.Values, func(v Value) bool { return v.Name == sinceOnset })
		m.evidence = append(m.evidence, e)
	}
}
