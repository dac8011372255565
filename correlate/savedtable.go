package correlate

import (
	"math"
	"slices"

	"obs/correlate/anomaly"
	"obs/correlate/survey"
	"obs/sources"
)

// fillServices fills a table from the anomalies that a saved case has: what did not depart is
// not in it.
func (c *Case) fillServices(t *ServiceTable) {
	type key struct{ service, operation string }
	rows := map[key]*ServiceRow{}
	var order []key
	for _, whole := range []bool{true, false} { // what is of a whole service is its own before that of its parts
		for i := range c.Anomalies {
			a := &c.Anomalies[i]
			of := key{service: a.Service}
			switch {
			case t.Grouping == PerInstance, a.Creep != nil && !a.Creep.Harmful:
				continue
			case t.Grouping == PerEndpoint:
				of.operation = a.Operation
			}
			if whole != (a.Operation == "") || (t.Grouping == PerEndpoint && a.Operation == "") {
				continue
			}
			r := rows[of]
			if r == nil {
				r = &ServiceRow{Service: of.service, Operation: of.operation, Verdict: Healthy}
				rows[of], order = r, append(order, of)
			}
			c.fillRow(r, a)
		}
	}
	for _, of := range order {
		t.Services = append(t.Services, *rows[of])
	}
	slices.SortStableFunc(t.Services, compareRows)
	reason := "a saved case keeps the metrics that departed, and no table of the others"
	if t.Grouping == PerInstance {
		reason = "a saved case keeps no table of instances"
	}
	t.Missing = []Missing{{Backend: sources.Prometheus, Kind: MissingNoData, Reason: reason, Hint: "c has all that it holds; obs triage looks anew"}}
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
	switch signal {
	case survey.Saturation:
		r.Resource = a.Metric
		if a.Creep != nil && a.Creep.Resource != "" {
			r.Resource = a.Creep.Resource
		}
	case survey.Traffic:
		r.Gone = math.IsNaN(a.WindowValue)
	default:
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
