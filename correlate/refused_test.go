package correlate_test

import (
	"strings"
	"testing"
	"time"

	"obs/correlate"
)

// answers are requests to a service that end with a status, so many per second before and
// after noon.
func answers(service, status string, before, after float64) gauge {
	return made(question, func(since time.Duration) (float64, bool) {
		if status != "200" && before == 0 && since < 0 {
			return 0, false // nobody was answered so
		}
		v := before * (min(since, 0) + 2*time.Hour).Seconds()
		return v + after*max(since, 0).Seconds(), true
	}, "__name__", "http_requests_total", "job", service, "code", status, "handler", "/login")
}

func TestClientFaults(t *testing.T) {
	for _, test := range []struct {
		name          string
		status        string
		before, after float64
		says          []string // nothing for no word
	}{
		{"a limit", "429", 0, 3, []string{"Client faults of frontend rose, 429 from 0 % to 23.1 % since 12:0", "not counted as its failures", "a limit was reached"}},
		{"callers give up", "499", 0.01, 3, []string{"499 from 0.10 % to 23.1 %", "callers gave up"}},
		{"no such page", "404", 0.1, 5, []string{"404 from 0.99 % to 33.3 %"}},
		{"as before", "404", 2, 2, nil},
		{"a few", "404", 0, 0.005, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newShop(t, question, steady("cart", "/add", load{rate: 20, seconds: 0.02}))
			s.metrics.gauges = []gauge{answers("frontend", "200", 10, 10), answers("frontend", test.status, test.before, test.after)}
			c := s.triageOf(metricsOf(s), question)
			if c.Verdict != correlate.Healthy || len(c.Anomalies) != 0 || len(c.Suspects) != 0 {
				t.Errorf("%s: %+v, %+v", c.Verdict, c.Anomalies, c.Suspects)
			}
			text := c.Answers.WhatChanged.Text
			if (text == "") != (len(test.says) == 0) {
				t.Errorf("what changed: %q", text)
			}
			for _, part := range test.says {
				if !strings.Contains(text, part) {
					t.Errorf("what changed: %q, without %q", text, part)
				}
			}
		})
	}
	t.Run("the server's are failures", func(t *testing.T) {
		s := newShop(t, question, steady("cart", "/add", load{rate: 20, seconds: 0.02}))
		s.metrics.gauges = []gauge{answers("frontend", "200", 10, 10), answers("frontend", "503", 0, 3)}
		if c := s.triageOf(metricsOf(s), question); c.Verdict != correlate.Anomalous || strings.Contains(c.Answers.WhatChanged.Text, "Client faults") {
			t.Errorf("%s: %+v", c.Verdict, c.Answers.WhatChanged)
		}
	})
}

// One trouble that two conventions tell of is one anomaly, with the findings of both.
func TestTwoConventionsAreOneAnomaly(t *testing.T) {
	s := newShop(t, question, steady("cart", "/add", load{rate: 20, seconds: 0.02}))
	calls := func(status string, before, after float64) gauge {
		return made(question, func(since time.Duration) (float64, bool) {
			return before*(min(since, 0)+2*time.Hour).Seconds() + after*max(since, 0).Seconds(), true
		}, "__name__", "traces_span_metrics_calls_total", "service_name", "frontend", "span_kind", "SPAN_KIND_SERVER", "span_name", "POST /login", "status_code", status)
	}
	s.metrics.gauges = []gauge{
		answers("frontend", "200", 10, 6), answers("frontend", "503", 0.01, 4),
		calls("STATUS_CODE_UNSET", 10, 6), calls("STATUS_CODE_ERROR", 0.01, 4.2),
	}
	c := s.triageOf(metricsOf(s), question)
	if len(c.Anomalies) != 1 || c.Anomalies[0].Metric != "http_requests_total" || len(c.Anomalies[0].Findings) != 2 {
		t.Fatalf("%+v", c.Anomalies)
	}
	for i, metric := range []string{"http_requests_total", "traces_span_metrics_calls_total"} {
		if f := c.Finding(c.Anomalies[0].Findings[i]); !strings.Contains(f.Evidence[0].Query, metric) {
			t.Errorf("finding %d is %+v", i, f)
		}
	}
}
