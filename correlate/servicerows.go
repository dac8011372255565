package correlate

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"obs/correlate/anomaly"
	"obs/correlate/survey"
	"obs/sources"
)

// take puts the series of an answer into their rows.
func (t *serviceTable) take(p tableQuestion, answer []seriesPair) {
	g := t.groups[p.group]
	q := g.questions[p.slot]
	tails := map[string]map[string]bool{}
	for _, one := range answer {
		name := t.walk.names.of(one.labels[q.ServiceLabel])
		if tails[bareService(name)] == nil {
			tails[bareService(name)] = map[string]bool{}
		}
		tails[bareService(name)][name] = true
	}
	for _, one := range answer {
		service := t.walk.names.of(one.labels[q.ServiceLabel])
		if service == "" {
			continue
		}
		key := bareService(service)
		if len(tails[key]) > 1 {
			key = service // the same name in several namespaces
		}
		o := tableOrigin{group: p.group, kind: one.labels[q.KindLabel], inexact: !q.Exact}
		if q.KindLabel != "" {
			o.rank = kindRank(q, o.kind)
		}
		if surest, ok := t.surest[bareService(service)]; ok && o.surer(surest) != 0 {
			continue
		}
		r := t.row(key, service, one.labels[g.split])
		reading := readingOf(q, one, t.walk.over, limits[q.Signal])
		if p.slot == slotRate {
			o.rate = levelOf(reading)
			r.sources = append(r.sources, o)
		}
		t.offer(r, p.slot, o, reading)
	}
}

// bareService is the part of a service's name behind the namespace, as OpenTelemetry's job has
// it.
func bareService(service string) string { return service[strings.LastIndexByte(service, '/')+1:] }

// row is the row of a service, and of one of its operations or instances.
func (t *serviceTable) row(key, service, part string) *tableRow {
	if part != "" {
		key += "\x00" + part
	}
	r := t.rows[key]
	if r == nil {
		r = &tableRow{ServiceRow: ServiceRow{Service: service}}
		if t.by == PerEndpoint {
			r.Operation = part
		} else {
			r.Instance = part
		}
		t.rows[key] = r
	}
	return r
}

// offer gives a row a reading. The one from the surest source of its requests stays; of
// two alike the one that departs.
func (t *serviceTable) offer(r *tableRow, s slot, o tableOrigin, reading *Reading) {
	if reading == nil {
		return
	}
	place := len(r.sources) + o.group
	if i := slices.IndexFunc(r.sources, func(known tableOrigin) bool { return known.group == o.group && known.kind == o.kind }); i >= 0 {
		place = i
	}
	if s == slotRate {
		// The sources are still coming in: the order that they will have is this.
		place = oneIf(o.inexact)*1_000_000 + o.rank*1_000 + o.group
	}
	at := r.reading(s)
	better := *at == nil || place < r.best[s] ||
		(place == r.best[s] && (reading.Verdict == Anomalous && (*at).Verdict != Anomalous || (s == slotRate && levelOf(reading) > levelOf(*at))))
	if better {
		*at, r.best[s] = reading, place
	}
}

// reading is where a row keeps the reading of a slot.
func (r *tableRow) reading(s slot) **Reading {
	switch s {
	case slotRate:
		return &r.Rate
	case slotErrors:
		return &r.Errors
	case slotP50:
		return &r.P50
	case slotP99:
		return &r.P99
	case slotP95, slotCount:
	}
	return &r.P95
}

// readingOf judges one series; nil where it has no sample that is a number.
func readingOf(q *survey.Question, one seriesPair, over time.Duration, limits anomaly.Limits) *Reading {
	d := anomaly.Compare(one.before, one.now, limits)
	reading := &Reading{
		Baseline: d.Baseline, Window: d.Window, Unit: q.Unit, Verdict: Inconclusive, Direction: string(d.Direction),
		Query: q.For(one.labels, over),
	}
	for _, s := range slices.Concat(one.before, one.now) {
		if !math.IsNaN(s.Value) && !math.IsInf(s.Value, 0) {
			reading.Samples = append(reading.Samples, s)
		}
	}
	if len(reading.Samples) == 0 {
		return nil
	}
	switch {
	case q.Signal == survey.Traffic && d.Direction == anomaly.Up:
		reading.Verdict = Healthy // it explains, and does not hurt by itself
	case d.Anomalous:
		reading.Verdict = Anomalous
	case d.Compared:
		reading.Verdict = Healthy
	}
	return reading
}

// levelOf is what a reading comes to: in the window, else in the baseline, else nothing.
func levelOf(r *Reading) float64 {
	switch {
	case r == nil:
		return 0
	case !math.IsNaN(r.Window):
		return r.Window
	case !math.IsNaN(r.Baseline):
		return r.Baseline
	}
	return 0
}

// fewBeyond is how many requests must have been slower than a quantile, or have failed,
// while it departed for that to be judged: ten, the least count with which shares are commonly compared by
// their normal approximation. With fewer, one slow request more is a departure.
const fewBeyond = 10

// usualShare is how many of the baseline's samples may stand where a departure stands
// without that being usual: as many as it takes to call a window anomalous.
const usualShare = 0.1

// doubt takes the verdict from quantiles and error ratios that rest on too few requests,
// and from those that were as high in the baseline now and then: both are what few requests
// bring about by chance. The p95 and the errors of a whole service keep theirs, which are
// the survey's.
func (t *serviceTable) doubt(r *tableRow) {
	for _, s := range []slot{slotErrors, slotP95, slotP50, slotP99} {
		reading := *r.reading(s)
		surveyed := t.by == PerService && (s == slotP95 || s == slotErrors)
		if reading == nil || r.Rate == nil || reading.Verdict != Anomalous || surveyed {
			continue
		}
		share := 1 - quantiles[s]
		if s == slotErrors {
			share = reading.Window
		}
		halfway := (reading.Baseline + reading.Window) / 2
		var now []float64
		before, usual, departed := 0.0, 0.0, 0.0
		for _, sample := range reading.Samples {
			beyond := float64(oneIf(sample.Value > halfway))
			if sample.Time.After(t.walk.question.Window.From) {
				now = append(now, sample.Value)
				departed += beyond
			} else {
				before++
				usual += beyond
			}
		}
		requests := departed * surveyStep(t.walk.question.Window).Seconds() * levelOf(r.Rate)
		// The median of few requests of two kinds jumps from one kind to the other.
		jumps := s == slotP50 && t.by != PerService && (r.P95 == nil || r.P95.Verdict != Anomalous)
		if jumps || usual >= usualShare*before || requests*share < fewBeyond {
			reading.Verdict, reading.Direction, reading.Window = Inconclusive, "", anomaly.Median(now)
		}
	}
}

// surveyStep is the step of a window's range queries: see bothSides.
func surveyStep(w sources.Window) time.Duration {
	return max(niceStep(w.Duration()/pointsPerWindow), time.Second)
}

// judge gives a row its verdict. A service that is gone with its traffic is a fall of the
// traffic to nothing; instances and endpoints come and go.
func (r *tableRow) judge(by Grouping) {
	if first := cmp.Or(r.Rate, r.P95, r.Errors, r.Saturation); first != nil {
		r.Gone = math.IsNaN(first.Window) && !math.IsNaN(first.Baseline)
	}
	if r.Gone && by == PerService && r.Rate != nil && r.Rate.Baseline >= limits[survey.Traffic].Delta {
		r.Rate.Verdict, r.Rate.Direction = Anomalous, string(anomaly.Down)
	}
	r.Verdict = Inconclusive
	for _, reading := range r.readings() {
		switch {
		case reading == nil:
		case reading.Verdict == Anomalous:
			r.Verdict = Anomalous
			return
		case reading.Verdict == Healthy:
			r.Verdict = Healthy
		}
	}
}

// readings are those that a row may have.
func (r *ServiceRow) readings() []*Reading {
	return []*Reading{r.Rate, r.Errors, r.P50, r.P95, r.P99, r.Saturation}
}

// compareRows puts the row first that costs users most, then the busiest.
func compareRows(a, b ServiceRow) int {
	return cmp.Or(
		cmp.Compare(oneIf(a.Verdict != Anomalous), oneIf(b.Verdict != Anomalous)),
		cmp.Compare(b.cost(), a.cost()),
		cmp.Compare(oneIf(a.Gone), oneIf(b.Gone)), cmp.Compare(levelOf(b.Rate), levelOf(a.Rate)),
		cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Instance, b.Instance),
	)
}

// cost is how much of users' time the row's departures cost, in seconds lost per second:
// see impact.
func (r *ServiceRow) cost() float64 {
	rate := 1.0
	if r.Rate != nil {
		rate = levelOf(r.Rate)
		if r.Rate.Baseline > 0 {
			rate = r.Rate.Baseline
		}
	}
	lost := 0.0
	for _, latency := range []*Reading{r.P95, r.P99, r.P50} { // the first that departs
		if latency != nil && latency.Verdict == Anomalous {
			lost += excessOf(latency) * rate
			break
		}
	}
	if r.Errors != nil && r.Errors.Verdict == Anomalous {
		lost += excessOf(r.Errors) * rate * failureCost
	}
	if r.Rate != nil && r.Rate.Verdict == Anomalous {
		lost += math.Abs(orNothing(r.Rate.Baseline)-orNothing(r.Rate.Window)) * failureCost
	}
	return lost
}

func excessOf(r *Reading) float64 { return max(0, orNothing(r.Window)-orNothing(r.Baseline)) }

// orNothing is a value with nothing for 0.
func orNothing(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}
