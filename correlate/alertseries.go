package correlate

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"obs/correlate/anomaly"
	"obs/correlate/rules"
	"obs/correlate/survey"
	"obs/sources"
)

// alertedSeries is what the rule of the alert that a triage starts from measures.
type alertedSeries struct {
	expression rules.Expression
	measured   measured
	found      bool // the answer held a series that the alert can be about
}

// measureAlert asks for what the alert's rule compares with its limit, without the limit, over
// baseline and window.
func (w *walk) measureAlert(ctx context.Context) {
	alert := w.found.Alert
	if alert == nil || alert.Expression == "" {
		return
	}
	expression, err := rules.Read(alert.Expression)
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.found.missing(Missing{Backend: sources.Prometheus, Kind: MissingNoData, Reason: "the alert's own series were not looked at: its rule is no PromQL"})
		return
	}
	baseline, window, asked, err := w.rangeBoth(ctx, expression.Measured)
	if err != nil {
		w.failed(sources.Prometheus, "the alert's own series were not looked at", err)
		return
	}
	metric := alert.Name
	if len(expression.Metrics) > 0 {
		metric = expression.Metrics[0]
	}
	unit := survey.Unknown
	if expression.Quantile && strings.Contains(metric, "_seconds") {
		unit = survey.Seconds
	}
	limit := limits[survey.Alert]
	limit.Up, limit.Down = expression.Up(), expression.Down()
	all := slices.Concat(window, baseline)
	at := seriesOfAlert(all, alert.Labels)
	w.alerted = &alertedSeries{expression: expression, found: at >= 0, measured: measured{
		service: alert.Service, question: &survey.Question{Metric: metric, Signal: survey.Alert, Unit: unit},
		query: expression.Measured, asked: asked,
	}}
	if at < 0 {
		return
	}
	m := &w.alerted.measured
	m.labels = all[at].Labels
	before, now := samplesLabelled(baseline, m.labels), samplesLabelled(window, m.labels)
	m.departure = anomaly.Compare(before, now, limit)
	m.last, m.means = lastOf(before, now), sideMeans(before, now)
}

// seriesOfAlert is the index of the series that raised an alert: the alert has all of its labels,
// beside the rule's own and those that were added on the way, and of several such the one with
// the most. A rule may replace a label too: the only series that there is raised it, whatever its
// labels. It is -1 where it cannot be told.
func seriesOfAlert(all []sources.Series, labels sources.Labels) int {
	best, only := -1, true
	for i := range all {
		only = only && all[i].Labels.String() == all[0].Labels.String()
		fits := true
		for name, value := range all[i].Labels {
			fits = fits && (name == "__name__" || labels[name] == value)
		}
		if fits && (best < 0 || len(all[i].Labels) > len(all[best].Labels)) {
			best = i
		}
	}
	if best < 0 && only && len(all) > 0 {
		return 0
	}
	return best
}

func samplesLabelled(all []sources.Series, labels sources.Labels) []sources.Sample {
	for i := range all {
		if all[i].Labels.String() == labels.String() {
			return all[i].Samples
		}
	}
	return nil
}

// judgeAlert says what became of the alert's own series, and puts it among the anomalies if it
// departs and none of them is the same: first where no other is to be walked from. It returns
// the anomaly to walk from.
func (w *walk) judgeAlert(primary *measured) *measured {
	a := w.alerted
	if a == nil {
		return primary
	}
	m := &a.measured
	evidence := w.evidenceOf(m, sinceOnset)
	if !a.found {
		evidence = m.asked.evidence(w.set.Metrics, m.query, Value{Name: "series in the baseline"}, Value{Name: "series in the window"})
	}
	m.said, m.evidence = a.statement(w.found.Alert), evidence
	if !m.departure.Anomalous || w.sameAsSurveyed(a) {
		w.found.Alert.Findings = append(w.found.Alert.Findings, w.found.AddFinding(m.said, m.evidence...))
		return primary
	}
	one := w.statedAnomaly(m)
	w.found.Alert.Findings = append(w.found.Alert.Findings, one.Findings...)
	// A guess at what a metric of the service means says less than whoever wrote the rule.
	if primary != nil && (primary.question.Exact || !sameService(primary.service, m.service)) {
		w.found.Anomalies = slices.Insert(w.found.Anomalies, 1, one)
		return primary
	}
	w.found.Anomalies = slices.Insert(w.found.Anomalies, 0, one)
	if m.service == "" {
		return nil
	}
	return m
}

// statement says how the alert's series moved.
func (a *alertedSeries) statement(alert *StartingAlert) string {
	d, unit := &a.measured.departure, a.measured.question.Unit
	what := "What alert " + alert.Name + " measures"
	limit := ""
	if a.expression.Limit != "" {
		limit = ", and its limit is " + a.expression.Limit
	}
	switch {
	case !a.found:
		return what + " has no series with the alert's labels, in the window or in the baseline"
	case d.New:
		return fmt.Sprintf("%s has no value in the baseline, and %s in the window%s", what, Quantity(d.Window, unit), limit)
	case d.Gone:
		return fmt.Sprintf("%s was %s in the baseline, and has no value in the window%s", what, Quantity(d.Baseline, unit), limit)
	case d.Anomalous:
		verb := "rose from"
		if d.Direction == anomaly.Down {
			verb = "fell from"
		}
		text := fmt.Sprintf("%s %s %s to %s", what, verb, Quantity(d.Baseline, unit), Quantity(d.Window, unit))
		if !d.Onset.IsZero() {
			text += " since " + Clock(d.Onset)
		}
		return text + limit
	}
	text := fmt.Sprintf("%s does not depart: its median was %s, and is %s%s", what, Quantity(d.Baseline, unit), Quantity(d.Window, unit), limit)
	if crosses, known := a.expression.Crosses(d.Baseline); known && crosses && !math.IsNaN(d.Baseline) {
		text += ", which was crossed in the baseline too"
	}
	return text
}

// sameAsSurveyed reports whether the alert measures what the survey has found to depart: the same
// signal of the same service, read from the same metric.
func (w *walk) sameAsSurveyed(a *alertedSeries) bool {
	signal := survey.Traffic
	switch {
	case a.expression.Quantile:
		signal = survey.Latency
	case a.expression.Share:
		signal = survey.Errors
	}
	return slices.ContainsFunc(w.measured, func(m measured) bool {
		return m.departure.Anomalous && m.question.Signal == signal && sameService(m.service, a.measured.service) && a.reads(m.question)
	})
}

// reads reports whether the alert's rule reads the metric of a question.
func (a *alertedSeries) reads(q *survey.Question) bool {
	return slices.ContainsFunc(a.expression.Metrics, func(name string) bool {
		return name == q.Metric || (q.Group != "" && (name == q.Group || strings.HasPrefix(name, q.Group+"_")))
	})
}

// besideAlert orders anomalies by what they have to do with the alert that is started from:
// 0 those that users notice of its service, by the metric that it measures, 1 others of the
// service, and 2 the rest, all of them where there is no alert.
func (w *walk) besideAlert(m *measured) int {
	alert := w.found.Alert
	switch {
	case alert == nil || alert.Service == "" || !harmful(m) || !sameService(m.service, alert.Service):
		return 2
	case w.alerted != nil && w.alerted.reads(m.question):
		return 0
	}
	return 1
}
