package correlate

import (
	"cmp"
	"slices"

	"obs/correlate/anomaly"
	"obs/correlate/survey"
	"obs/sources"
)

// fillServices fills a table from the anomalies that a saved case has: what did not depart is
// not in it.
func (c *Case) fillServices(t *ServiceTable) {
	reason := "a saved case keeps no table of instances"
	if t.Grouping != PerInstance {
		reason = "a saved case keeps the metrics that departed, and no table of the others"
		c.fillRows(t)
	}
	t.Missing = []Missing{{Backend: sources.Prometheus, Kind: MissingNoData, Reason: reason, Hint: "c has all that it holds; obs triage looks anew"}}
}

func (c *Case) fillRows(t *ServiceTable) {
	// What is of a whole service is its own before that of its parts.
	all := slices.Clone(c.Anomalies)
	slices.SortStableFunc(all, func(a, b Anomaly) int { return cmp.Compare(oneIf(a.Operation != ""), oneIf(b.Operation != "")) })
	for i := range all {
		a := &all[i]
		of := ServiceRow{Service: a.Service, Verdict: Healthy}
		if t.Grouping == PerEndpoint {
			of.Operation = a.Operation
		}
		if (a.Creep != nil && !a.Creep.Harmful) || (t.Grouping == PerEndpoint && a.Operation == "") {
			continue
		}
		at := slices.IndexFunc(t.Services, func(r ServiceRow) bool { return r.Service == of.Service && r.Operation == of.Operation })
		if at < 0 {
			at, t.Services = len(t.Services), append(t.Services, of)
		}
		c.fillRow(&t.Services[at], a)
	}
	slices.SortStableFunc(t.Services, compareRows)
}

// fillRow takes an anomaly into its row, unless one of the same kind is there.
func (c *Case) fillRow(r *ServiceRow, a *Anomaly) {
	reading := &Reading{Baseline: a.BaselineValue, Window: a.WindowValue, Unit: a.Unit, Verdict: Anomalous, Direction: a.Direction}
	reading.Query, _ = c.queryOf(a)
	for i := range a.Series {
		reading.Samples = append(reading.Samples, a.Series[i].Samples()...)
	}
	signal := survey.Signal(a.Signal)
	if signal == survey.Traffic && a.Direction == string(anomaly.Up) {
		reading.Verdict = Healthy // as in a table that is asked for
	}
	if reading.Verdict == Anomalous {
		r.Verdict = Anomalous
	}
	place := map[survey.Signal]**Reading{
		survey.Latency: &r.P95, survey.Errors: &r.Errors, survey.Traffic: &r.Rate, survey.Saturation: &r.Saturation,
	}[signal]
	// Of a metric whose meaning was guessed it is not known that it is the 95th percentile.
	if place == nil || *place != nil || (a.Guessed && signal != survey.Saturation) {
		return
	}
	*place = reading
	if signal == survey.Saturation {
		r.Resource = a.Metric
		if a.Creep != nil && a.Creep.Resource != "" {
			r.Resource = a.Creep.Resource
		}
	}
}

// queryOf is the query of an anomaly's values, and a link to it: its last finding is about
// what they are of.
func (c *Case) queryOf(a *Anomaly) (query, url string) {
	for _, id := range slices.Backward(a.Findings) {
		if f := c.Finding(id); f != nil && len(f.Evidence) > 0 {
			return f.Evidence[0].Query, f.Evidence[0].URL
		}
	}
	return "", ""
}
