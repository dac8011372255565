package correlate

import (
	"strings"
	"testing"
)

// look is a triage that found these departures from 1, by service; an empty one is healthy.
func look(verdict Verdict, departures ...Anomaly) *Case {
	c := &Case{Verdict: verdict, Anomalies: departures}
	for i := range c.Anomalies {
		a := &c.Anomalies[i]
		a.Metric, a.Signal, a.Unit, a.BaselineValue = "duration", "latency", "seconds", 1
		c.Suspects = append(c.Suspects, Suspect{Rank: i + 1, Service: a.Service})
	}
	return c
}

func at(service string, value float64) Anomaly { return Anomaly{Service: service, WindowValue: value} }

func TestTrends(t *testing.T) {
	tests := map[string]struct {
		earlier, later *Case
		want           Trend
		reason         string
		alike          bool
	}{
		"both healthy":         {look(Healthy), look(Healthy), AllHealthy, "nothing departs in either", false},
		"it begins":            {look(Healthy), look(Anomalous, at("cart", 5)), Worse, "cart p95 departs now: 5.00 s, usually 1.00 s", false},
		"it is over":           {look(Anomalous, at("cart", 5)), look(Healthy), Recovered, "nothing departs any more", false},
		"as before":            {look(Anomalous, at("cart", 5)), look(Anomalous, at("cart", 6)), Same, "5.00 s, then 6.00 s", true},
		"half of it is gone":   {look(Anomalous, at("cart", 5)), look(Anomalous, at("cart", 2.5)), Recovering, "5.00 s, then 2.50 s", true},
		"further":              {look(Anomalous, at("cart", 5)), look(Anomalous, at("cart", 8)), Worse, "5.00 s, then 8.00 s", true},
		"more services":        {look(Anomalous, at("cart", 5)), look(Anomalous, at("cart", 4), at("pay", 3)), Worse, "pay p95 departs now", true},
		"it passes through":    {look(Anomalous, at("cart", 5)), look(Anomalous, at("cart", 2), at("pay", 3)), Recovering, "5.00 s, then 2.00 s", true},
		"another endpoint":     {look(Anomalous, Anomaly{Service: "cart", Operation: "add", WindowValue: 5}), look(Anomalous, Anomaly{Service: "cart", Operation: "drop", WindowValue: 5}), Same, "cart drop p95: 5.00 s, then 5.00 s", true},
		"another operation":    {look(Anomalous, at("cart", 5)), look(Anomalous, at("cart", 2), Anomaly{Service: "cart", Operation: "add", WindowValue: 3}), Recovering, "cart add p95: 5.00 s, then 3.00 s", true},
		"the first is gone":    {look(Anomalous, at("cart", 5), at("pay", 3)), look(Anomalous, at("pay", 3)), Same, "cart p95 no longer departs", false},
		"too little to tell":   {look(Anomalous, at("cart", 5)), look(Inconclusive), Unknown, "too little data", false},
		"a request's case":     {look(""), look(Healthy), Unknown, "too little data", false},
		"below what is usual":  {look(Anomalous, at("cart", -3)), look(Anomalous, at("cart", -9)), Worse, "", true},
		"to the other side":    {look(Anomalous, at("cart", 5)), look(Anomalous, at("cart", -3)), Same, "", true},
		"most are gone":        {look(Anomalous, at("a", 5), at("b", 3), at("c", 3)), look(Anomalous, at("b", 3)), Recovering, "a p95 no longer departs", false},
		"nothing was measured": {look(Anomalous), look(Anomalous), Same, "other evidence", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := DiffCases(test.earlier, test.later)
			if d.Trend != test.want || !strings.Contains(d.Reason, test.reason) || d.Alike != test.alike {
				t.Errorf("%s because %q, alike %t (%s); want %s because %q, alike %t", d.Trend, d.Reason, d.Alike, d.AlikeBecause, test.want, test.reason, test.alike)
			}
		})
	}
}

func TestDepartures(t *testing.T) {
	d := DiffCases(
		look(Anomalous, at("a", 5), at("b", 5), at("c", 5), at("d", 5)),
		look(Anomalous, at("e", 5), at("a", 9), at("b", 5), at("c", 2)))
	var got []string
	for _, one := range d.Departures {
		got = append(got, one.Service+" "+one.Change)
	}
	if want := "e new, a further, b same, c nearer, d gone"; strings.Join(got, ", ") != want {
		t.Errorf("%s, want %s", strings.Join(got, ", "), want)
	}
	got = nil
	for _, m := range d.Suspects {
		got = append(got, strings.Repeat("+", m.Earlier)+m.Service+strings.Repeat("-", m.Later))
	}
	if want := "e- +a-- ++b--- +++c---- ++++d"; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", strings.Join(got, " "), want)
	}
}
