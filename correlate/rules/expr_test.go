package rules_test

import (
	"slices"
	"testing"
	"time"

	"obs/correlate/rules"
)

func TestRead(t *testing.T) {
	for query, want := range map[string]rules.Expression{
		`up == 0`: {Measured: `up`, Limit: `== 0`, Metrics: []string{"up"}},
		`0.1 < rate(errors_total[5m]) / rate(requests_total[10m])`: {
			Measured: `rate(errors_total[5m]) / rate(requests_total[10m])`, Limit: `> 0.1`,
			Metrics: []string{"errors_total", "requests_total"}, Reach: 10 * time.Minute, Share: true,
		},
		`(histogram_quantile(0.95, sum by (le) (rate(d_bucket[5m]))) > 1) and on () (sum(rate(d_count[1h])) > 2)`: {
			Measured: `histogram_quantile(0.95, sum by (le) (rate(d_bucket[5m])))`, Limit: `> 1`,
			Metrics: []string{"d_bucket", "d_count"}, Reach: time.Hour, Quantile: true,
		},
		`max_over_time(rate(x_total[5m])[1h:1m] offset 1d) >= bool 3`: {
			Measured: `max_over_time(rate(x_total[5m])[1h:1m] offset 1d)`, Limit: `>= 3`, Metrics: []string{"x_total"}, Reach: 25*time.Hour + 5*time.Minute,
		},
		`a > on (x) b`:                    {Measured: `a`, Metrics: []string{"a", "b"}},
		`absent({__name__="gone"})`:       {Measured: `absent({__name__="gone"})`, Metrics: []string{"gone"}},
		`vector(1)`:                       {Measured: `vector(1)`},
		`sum(increase(e_total[2m])) > -1`: {Measured: `sum(increase(e_total[2m]))`, Limit: `> -1`, Metrics: []string{"e_total"}, Reach: 2 * time.Minute},
	} {
		got, err := rules.Read(query)
		if err != nil || got.Measured != want.Measured || got.Limit != want.Limit || !slices.Equal(got.Metrics, want.Metrics) ||
			got.Reach != want.Reach || got.Quantile != want.Quantile || got.Share != want.Share {
			t.Errorf("%s: %v\n got %+v\nwant %+v", query, err, got, want)
		}
		if again, err := rules.Read(got.Measured); err != nil || again.Limit != "" {
			t.Errorf("%s: what is measured is no query without a limit: %v, %+v", got.Measured, err, again)
		}
	}
	if _, err := rules.Read("sum("); err == nil {
		t.Error("no error for what is no PromQL")
	}
}

func TestCrosses(t *testing.T) {
	for _, c := range []struct {
		query          string
		value          float64
		crosses, known bool
		up, down       bool
	}{
		{"x > 1", 2, true, true, true, false},
		{"x > 1", 1, false, true, true, false},
		{"x >= 1", 1, true, true, true, false},
		{"x < 0.5", 0.1, true, true, false, true},
		{"x <= 0.5", 0.6, false, true, false, true},
		{"x == 0", 0, true, true, true, true},
		{"x != 0", 0, false, true, true, true},
		{"x > y", 2, false, false, true, true},
		{"x > 1 - 0.5", 2, false, false, true, false},
	} {
		e, err := rules.Read(c.query)
		if err != nil {
			t.Fatal(err)
		}
		if crosses, known := e.Crosses(c.value); crosses != c.crosses || known != c.known || e.Up() != c.up || e.Down() != c.down {
			t.Errorf("%s of %v: %v, %v, up %v, down %v", c.query, c.value, crosses, known, e.Up(), e.Down())
		}
	}
}
