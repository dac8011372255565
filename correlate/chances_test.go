package correlate_test

import (
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources"
)

// In two minutes of a request per second, few requests make large differences.
func TestFewRequestsAreNoAnomaly(t *testing.T) {
	brief := correlate.Question{
		Window:   sources.Window{From: noon, To: noon.Add(2 * time.Minute)},
		Baseline: sources.Window{From: noon.Add(-2 * time.Minute), To: noon},
	}
	quick := func(before, after float64) service {
		return service{"payment", "/authorize", load{rate: before, seconds: 0.02}, load{rate: after, seconds: 0.02}}
	}
	slow := func(before, after float64) service {
		return service{"payment", "/report", load{rate: before, seconds: 0.7}, load{rate: after, seconds: 0.7}}
	}
	failing := func(before, after float64) service {
		return service{"payment", "/authorize", load{rate: 1, seconds: 0.02, failing: before}, load{rate: 1, seconds: 0.02, failing: after}}
	}
	for _, test := range []struct {
		name     string
		services []service
		signal   string // that departs
	}{
		{"a few more fail", []service{failing(0.03, 0.09)}, ""},
		{"most fail", []service{failing(0.03, 0.7)}, "errors"},
		{"the tail crosses the quantile", []service{quick(0.96, 0.94), slow(0.04, 0.06)}, ""},
		{"half are slow", []service{quick(0.96, 0.5), slow(0.04, 0.5)}, "latency"},
		{"half of few stay away", []service{quick(0.4, 0.17)}, ""},
		{"half of many stay away", []service{quick(40, 17)}, "traffic"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newShop(t, brief, append(test.services, steady("cart", "/add", load{rate: 20, seconds: 0.02}))...)
			c := s.triageOf(metricsOf(s), brief)
			var signals []string
			for _, a := range c.Anomalies {
				signals = append(signals, a.Signal)
			}
			if got := strings.Join(signals, " "); got != test.signal {
				t.Errorf("%s: %q departs, want %q: %+v", c.Verdict, got, test.signal, c.Anomalies)
			}
		})
	}
}
