package correlate_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"obs/correlate"
	"obs/sources"
)

// made is a series of any values: at is how long after noon, and no value is a scrape that
// brought nothing.
func made(q correlate.Question, at func(since time.Duration) (float64, bool), pairs ...string) gauge {
	g := gauge{labels: labels.FromStrings(pairs...)}
	for t := q.Baseline.From.Add(-10 * time.Minute); !t.After(q.Window.To); t = t.Add(collected) {
		if v, ok := at(t.Sub(q.Window.From)); ok {
			g.samples = append(g.samples, point{t.UnixMilli(), v})
		}
	}
	return g
}

// reached is a target that is there and up at the times that it is told.
func reached(q correlate.Question, metric, job, instance string, up func(since time.Duration) bool) gauge {
	return made(q, func(since time.Duration) (float64, bool) {
		if up(since) {
			return 1, true
		}
		return 0, true
	}, "__name__", metric, "job", job, "instance", instance)
}

// leaves is a series that Prometheus marks as stale at a time, as its target is gone.
func leaves(g gauge, at time.Time) gauge {
	g.samples = slices.DeleteFunc(g.samples, func(p point) bool { return p.t >= at.UnixMilli() })
	g.samples = append(g.samples, point{at.UnixMilli(), math.Float64frombits(value.StaleNaN)})
	return g
}

func always(time.Duration) bool { return true }

func until(d time.Duration) func(time.Duration) bool {
	return func(since time.Duration) bool { return since < d }
}

// statement is the case's finding that says so.
func (s *shop) statement(c *correlate.Case, part string) *correlate.Finding {
	s.t.Helper()
	for i := range c.Findings {
		if strings.Contains(c.Findings[i].Statement, part) {
			return &c.Findings[i]
		}
	}
	var all []string
	for _, f := range c.Findings {
		all = append(all, f.Statement)
	}
	s.t.Errorf("no finding says %q, but %q", part, all)
	return nil
}

func twoServices(t *testing.T, q correlate.Question, more ...service) *shop {
	return newShop(t, q, append([]service{steady("payment", "/authorize", load{rate: 12, seconds: 0.1}), steady("cart", "/add", load{rate: 20, seconds: 0.02})}, more...)...)
}

func metricsOf(s *shop) sources.Set { return sources.Set{Metrics: s.metrics, Ledger: s.ledger} }

func TestTargetsThatAreDown(t *testing.T) {
	const late = 10 * time.Minute
	for _, test := range []struct {
		name    string
		targets []gauge
		says    string // empty for no anomaly
		share   float64
	}{
		{"two of three", []gauge{
			reached(question, "up", "shop/payment", "a", always), reached(question, "up", "shop/payment", "b", until(late)), reached(question, "up", "shop/payment", "c", until(late)),
		}, "payment: 2 of 3 targets are down since 12:10:00", 1.0 / 3},
		{"all", []gauge{reached(question, "up", "payment", "a", until(late))}, "payment: 1 of 1 target is down since 12:10:00", 0},
		{"for a time", []gauge{reached(question, "up", "payment", "a", func(d time.Duration) bool { return d < late || d >= 2*late })},
			"payment: 1 of 1 target was down from 12:10:00 to 12:19:30", 0},
		{"a job of no service", []gauge{reached(question, "up", "node", "a", until(late)), reached(question, "up", "node", "b", always)},
			"node: 1 of 2 targets is down since 12:10:00", 0.5},
		{"a probe", []gauge{
			reached(question, "probe_success", "blackbox", "https://payment.example/health", until(late)),
			reached(question, "probe_success", "blackbox", "https://cart.example/health", always),
		}, "payment: 1 of 1 probe fails since 12:10:00", 0},
		{"down before, too", []gauge{reached(question, "up", "payment", "a", until(-time.Hour)), reached(question, "up", "payment", "b", always)}, "", 0},
		{"one scrape failed", []gauge{reached(question, "up", "payment", "a", func(d time.Duration) bool { return d != late })}, "", 0},
		{"one of many", func() (all []gauge) {
			for n := range 200 {
				up := always
				if n == 0 {
					up = until(late)
				}
				all = append(all, reached(question, "up", "payment", fmt.Sprint(n), up))
			}
			return all
		}(), "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := twoServices(t, question)
			s.metrics.gauges = test.targets
			c := s.triageOf(metricsOf(s), question)
			if test.says == "" {
				if c.Verdict != correlate.Healthy || len(c.Anomalies) != 0 || len(c.Findings) != 0 {
					t.Errorf("%s: %+v, %+v", c.Verdict, c.Anomalies, c.Findings)
				}
				return
			}
			if c.Verdict != correlate.Anomalous || len(c.Anomalies) != 1 {
				t.Fatalf("%s: %+v", c.Verdict, c.Anomalies)
			}
			a := c.Anomalies[0]
			if service, _, _ := strings.Cut(test.says, ":"); a.Service != service || a.Signal != "availability" || a.Direction != "down" ||
				math.Abs(a.WindowValue-test.share) > 1e-9 || a.BaselineValue != 1 || a.Onset.IsZero() {
				t.Errorf("anomaly %+v", a)
			}
			if f := c.Finding(a.Findings[0]); f.Statement != test.says {
				t.Errorf("it says %q", f.Statement)
			} else {
				s.repeats(f)
			}
			if len(c.Suspects) == 0 || c.Suspects[0].Service != a.Service {
				t.Errorf("suspects %+v", c.Suspects)
			}
			if want := test.says + "."; c.Answers.WhatChanged.Text != want {
				t.Errorf("what changed: %q", c.Answers.WhatChanged.Text)
			}
		})
	}
}

// repeats asks for the evidence of an outage again.
func (s *shop) repeats(f *correlate.Finding) {
	s.t.Helper()
	for _, e := range f.Evidence {
		answer, err := s.metrics.Range(s.t.Context(), e.Query, e.Window, time.Duration(e.StepSeconds*float64(time.Second)))
		if err != nil || len(answer.Series) != 1 {
			s.t.Errorf("%s: %d series, %v", e.Query, len(answer.Series), err)
			continue
		}
		for _, v := range e.Values {
			if !slices.ContainsFunc(answer.Series[0].Samples, func(p sources.Sample) bool { return p.Value == v.Value }) {
				s.t.Errorf("%s never is %g, as %s is said to be", e.Query, v.Value, v.Name)
			}
		}
	}
}

func TestAFailedScrapeIsNotTheServices(t *testing.T) {
	spanMetrics := func(q correlate.Question) gauge {
		return made(q, func(since time.Duration) (float64, bool) { return 12 * (since + 3*time.Hour).Seconds(), true },
			"__name__", "traces_span_metrics_calls_total", "service_name", "payment", "span_kind", "SPAN_KIND_SERVER", "span_name", "POST /authorize", "status_code", "STATUS_CODE_UNSET")
	}
	unscraped := func(s *shop) {
		s.metrics.gauges = append(s.metrics.gauges, reached(question, "up", "payment", "a", until(10*time.Minute)))
		for i := range s.metrics.series { // its own metrics end
			if c := &s.metrics.series[i]; c.labels.Get("service_name") == "payment" {
				c.count = int(question.Window.From.Add(10*time.Minute).Sub(c.from) / collected)
			}
		}
	}
	t.Run("span metrics go on", func(t *testing.T) {
		s := twoServices(t, question)
		s.metrics.gauges = []gauge{spanMetrics(question)}
		unscraped(s)
		c := s.triageOf(metricsOf(s), question)
		if c.Verdict != correlate.Healthy || len(c.Anomalies) != 0 || missing(c, sources.Prometheus, correlate.MissingNoData) == nil {
			t.Errorf("%s: %+v, missing %+v", c.Verdict, c.Anomalies, c.Missing)
		}
		s.statement(c, "it is the scrape that fails")
		if !strings.Contains(c.Answers.WhatChanged.Text, "its requests go on at 12.0 requests/s") {
			t.Errorf("what changed: %q", c.Answers.WhatChanged.Text)
		}
	})
	t.Run("traces go on", func(t *testing.T) {
		s := twoServices(t, question)
		unscraped(s)
		for minute := range 60 {
			s.happens(minute, 60*time.Millisecond, false)
		}
		c := s.triage(question)
		s.statement(c, "its requests go on, as traces show: it is the scrape that fails")
		if c.Verdict != correlate.Healthy || len(c.Anomalies) != 0 {
			t.Errorf("%s: %+v", c.Verdict, c.Anomalies)
		}
	})
	t.Run("nothing goes on", func(t *testing.T) {
		s := twoServices(t, question)
		unscraped(s)
		for minute := range 40 {
			s.happens(minute, 60*time.Millisecond, false)
		}
		c := s.triage(question)
		s.statement(c, "payment: 1 of 1 target is down since 12:10:00")
		if f := s.statement(c, "payment receives no requests any more"); f != nil && !strings.Contains(f.Statement, "12.0 requests/s before") {
			t.Errorf("%q", f.Statement)
		}
		if c.Verdict != correlate.Anomalous || c.Suspects[0].Service != "payment" {
			t.Errorf("%s, suspects %+v", c.Verdict, c.Suspects)
		}
	})
}

func TestTargetsThatAreGone(t *testing.T) {
	target := func(name string) gauge { return reached(question, "up", "payment", name, always) }
	at := noon.Add(15 * time.Minute)
	s := twoServices(t, question)
	s.metrics.gauges = []gauge{target("a"), target("b"), leaves(target("c"), at)}
	c := s.triageOf(metricsOf(s), question)
	if f := s.statement(c, "payment has 2 targets since 12:15:00, and had 3"); f != nil {
		s.repeats(f)
	}
	if c.Verdict != correlate.Healthy || len(c.Anomalies) != 0 || !strings.Contains(c.Answers.WhatChanged.Text, "and had 3") {
		t.Errorf("%s: %+v, %+v", c.Verdict, c.Anomalies, c.Answers.WhatChanged)
	}

	// A deployment puts another in its place.
	s = twoServices(t, question)
	came := target("d")
	came.samples = slices.DeleteFunc(came.samples, func(p point) bool { return p.t < at.Add(2*time.Minute).UnixMilli() })
	s.metrics.gauges = []gauge{target("a"), target("b"), leaves(target("c"), at), came}
	if c = s.triageOf(metricsOf(s), question); c.Verdict != correlate.Healthy || len(c.Findings) != 0 {
		t.Errorf("%s: %+v", c.Verdict, c.Findings)
	}
}

func TestRequestsThatStayAway(t *testing.T) {
	ends := func(s *shop, name string, after time.Duration) {
		for i := range s.metrics.series {
			if c := &s.metrics.series[i]; c.labels.Get("service_name") == name {
				c.count = int(question.Window.From.Add(after).Sub(c.from) / collected)
			}
		}
	}
	for _, test := range []struct {
		name  string
		after time.Duration
		since string
	}{{"within the window", 10 * time.Minute, "12:1"}, {"before the window", -5 * time.Minute, "12:00:00"}} {
		t.Run(test.name, func(t *testing.T) {
			s := twoServices(t, question)
			ends(s, "payment", test.after)
			c := s.triageOf(metricsOf(s), question)
			if c.Verdict != correlate.Anomalous || len(c.Anomalies) != 1 || c.Anomalies[0].Signal != "traffic" || c.Anomalies[0].Direction != "down" || c.Anomalies[0].WindowValue != 0 {
				t.Fatalf("%s: %+v", c.Verdict, c.Anomalies)
			}
			text := c.Answers.WhatChanged.Text
			if !strings.HasPrefix(text, "payment receives no requests any more since "+test.since) || !strings.HasSuffix(text, "12.0 requests/s before.") {
				t.Errorf("%q", text)
			}
		})
	}
	t.Run("hardly any came", func(t *testing.T) {
		s := twoServices(t, question, steady("audit", "/", load{rate: 0.003, seconds: 0.1}))
		ends(s, "audit", 10*time.Minute)
		if c := s.triageOf(metricsOf(s), question); c.Verdict != correlate.Healthy || len(c.Anomalies) != 0 {
			t.Errorf("%s: %+v", c.Verdict, c.Anomalies)
		}
	})
	t.Run("nobody's come", func(t *testing.T) {
		s := twoServices(t, question)
		ends(s, "payment", 10*time.Minute)
		ends(s, "cart", 10*time.Minute)
		c := s.triageOf(metricsOf(s), question)
		if lost := missing(c, sources.Prometheus, correlate.MissingNoData); c.Verdict != correlate.Healthy || len(c.Anomalies) != 0 || lost == nil || !strings.Contains(lost.Reason, "of all services") {
			t.Errorf("%s: %+v, missing %+v", c.Verdict, c.Anomalies, c.Missing)
		}
	})
}

// What happens to series and to no request is no anomaly.
func TestWhatHappensToSeriesAlone(t *testing.T) {
	const rate = 5.0
	ordinary := func(pod string, at func(since time.Duration) (float64, bool)) []gauge {
		var all []gauge
		for _, suffix := range []string{"_count", "_sum", "_bucket", "_bucket"} {
			name := []string{"__name__", duration + suffix, "service_name", "payment", "http_route", "/authorize", "http_response_status_code", "200", "pod", pod}
			scale := 1.0
			switch {
			case suffix == "_sum":
				scale = 0.1
			case suffix == "_bucket" && len(all)%2 == 0:
				name = append(name, "le", "0.25")
			case suffix == "_bucket":
				name = append(name, "le", "+Inf")
			}
			all = append(all, made(question, func(since time.Duration) (float64, bool) {
				v, ok := at(since)
				return v * scale, ok
			}, name...))
		}
		return all
	}
	counts := func(since time.Duration) float64 { return rate * (since + 2*time.Hour).Seconds() }
	gap := func(from time.Duration) func(time.Duration) (float64, bool) {
		return func(since time.Duration) (float64, bool) {
			return counts(since), since < from || since > from+3*time.Minute
		}
	}
	steadily := ordinary("a", func(since time.Duration) (float64, bool) { return counts(since), true })
	for name, series := range map[string][]gauge{
		"a reset": ordinary("a", func(since time.Duration) (float64, bool) {
			if since >= 7*time.Minute {
				return rate * (since - 7*time.Minute).Seconds(), true
			}
			return counts(since), true
		}),
		"resets of a restart loop": ordinary("a", func(since time.Duration) (float64, bool) {
			return rate * ((since + 2*time.Hour) % (5 * time.Minute)).Seconds(), true
		}),
		"a gap in the window":          ordinary("a", gap(12*time.Minute)),
		"a gap at the window's begin":  ordinary("a", gap(-time.Minute)),
		"a gap at the window's end":    ordinary("a", gap(28*time.Minute)),
		"a gap in the baseline":        ordinary("a", gap(-12*time.Minute)),
		"a new pod":                    slices.Concat(steadily, ordinary("b", func(since time.Duration) (float64, bool) { return 1, since >= 10*time.Minute })),
		"a new pod with a large count": slices.Concat(steadily, ordinary("b", func(since time.Duration) (float64, bool) { return 1e6, since >= 10*time.Minute })),
		"a pod that is replaced": slices.Concat(
			ordinary("a", func(since time.Duration) (float64, bool) { return counts(since), since < 10*time.Minute }),
			ordinary("b", func(since time.Duration) (float64, bool) { return counts(since), since >= 10*time.Minute-time.Minute })),
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, question, steady("cart", "/add", load{rate: 20, seconds: 0.02}))
			s.metrics.gauges = series
			c := s.triageOf(metricsOf(s), question)
			if c.Verdict != correlate.Healthy || len(c.Anomalies) != 0 {
				t.Errorf("%s: %+v", c.Verdict, c.Anomalies)
			}
		})
	}
	t.Run("a new service", func(t *testing.T) {
		s := newShop(t, question, steady("cart", "/add", load{rate: 20, seconds: 0.02}))
		s.metrics.gauges = ordinary("a", func(since time.Duration) (float64, bool) { return counts(since), since >= 5*time.Minute })
		if c := s.triageOf(metricsOf(s), question); c.Verdict != correlate.Healthy || len(c.Anomalies) != 0 {
			t.Errorf("%s: %+v", c.Verdict, c.Anomalies)
		}
	})
}
