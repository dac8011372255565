package tui

import (
	"fmt"
	"math"
	"time"

	"obs/correlate"
	"obs/sources"
)

// What stands here is made up, for tests of how screens look and what keys do. That the
// screens hold what a triage finds is tested against the shop, in walk_test.go.

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func madeQuestion() correlate.Question {
	return correlate.Question{
		Window:   sources.Window{From: noon, To: noon.Add(30 * time.Minute)},
		Baseline: sources.Window{From: noon.Add(-30 * time.Minute), To: noon},
	}
}

// made is a series over baseline and window that goes from one value to another.
func made(before, after float64) []sources.Sample {
	var all []sources.Sample
	for i := range 120 {
		v := before * (1 + 0.05*math.Sin(float64(i)))
		if i > 75 {
			v = after * (1 + 0.05*math.Sin(float64(i)))
		}
		all = append(all, sources.Sample{Time: noon.Add(time.Duration(i-60) * 30 * time.Second), Value: v})
	}
	return all
}

func madeReading(before, after float64, unit string) *correlate.Reading {
	r := &correlate.Reading{Baseline: before, Window: after, Unit: unit, Verdict: correlate.Healthy, Query: "made_" + unit, Samples: made(before, after)}
	if after > 2*before {
		r.Verdict, r.Direction = correlate.Anomalous, "up"
	}
	return r
}

func madeServices(by correlate.Grouping) *correlate.ServiceTable {
	t := &correlate.ServiceTable{Grouping: by, Window: madeQuestion().Window, Baseline: madeQuestion().Baseline}
	for i, name := range []string{"checkout", "payment", "web", "cart", "catalog", "支付网关", "stock"} {
		row := correlate.ServiceRow{
			Service: name, Verdict: correlate.Healthy, Rate: madeReading(40, 40, "requests/s"), Errors: madeReading(0, 0, "ratio"),
			P50: madeReading(0.02, 0.02, "seconds"), P95: madeReading(0.2, 0.2, "seconds"), P99: madeReading(0.5, 0.5, "seconds"),
			Saturation: madeReading(0.3, 0.31, "ratio"), Resource: "cpu",
		}
		if i < 2 {
			row.P95, row.Verdict = madeReading(0.2, 4, "seconds"), correlate.Anomalous
		}
		if i == 6 {
			row.Gone, row.Rate, row.P50, row.P95, row.P99, row.Saturation, row.Verdict = true, nil, nil, nil, nil, nil, correlate.Anomalous
		}
		switch by {
		case correlate.PerEndpoint:
			row.Operation = "POST /" + name
		case correlate.PerInstance:
			row.Instance = name + "-7f9c-1"
		}
		t.Services = append(t.Services, row)
	}
	t.Alerts = []correlate.Alert{
		{Name: "SlowRequests", State: "firing", Service: "checkout", Severity: "page", Since: noon.Add(10 * time.Minute), Summary: "p95 of checkout is 4 s", Query: `ALERTS{alertname="SlowRequests"}`},
		{Name: "DiskWillFill", State: "pending", Severity: "ticket", Since: noon.Add(12 * time.Minute), Summary: "in two days"},
	}
	return t
}

func madeMetric(about correlate.Subject) *correlate.MetricView {
	v := &correlate.MetricView{
		Subject: about, Metric: "http_server_request_duration_seconds_bucket", Unit: "seconds", StepSeconds: 30,
		Query: `histogram_quantile(0.95, sum by (le) (rate(http_server_request_duration_seconds_bucket{service="checkout"}[1m])))`,
		URL:   "http://127.0.0.1:9090/graph?g0.expr=up", Samples: made(0.2, 4), Low: 0.15, High: 0.3,
		Anomaly: &correlate.Anomaly{Service: about.Service, Signal: "latency", Direction: "up", BaselineValue: 0.2, WindowValue: 4, Onset: noon.Add(8 * time.Minute)},
		Changes: []correlate.Change{{Time: noon.Add(7 * time.Minute), Kind: correlate.ChangeVersion, Service: "payment", Text: "1.8.2 → 1.8.3 on 3 of 6 instances"}},
		SplitBy: []string{"version", "pod"},
	}
	for i := range 9 {
		v.Exemplars = append(v.Exemplars, correlate.ExemplarPoint{
			Time: noon.Add(time.Duration(9+2*i) * time.Minute), Value: 3 + float64(i)/4, TraceID: madeID(i),
		})
	}
	return v
}

func madeID(i int) sources.TraceID { return sources.TraceID(fmt.Sprintf("%032x", 0xabc000+i)) }

func madeSplit(about correlate.Subject, label string) *correlate.SplitView {
	return &correlate.SplitView{Subject: about, Label: label, Query: "by " + label, Parts: []correlate.SplitPart{
		{Value: "1.8.3", Reading: *madeReading(0.2, 4, "seconds")}, {Value: "1.8.2", Reading: *madeReading(0.2, 0.2, "seconds")},
	}}
}

func madeCohorts(about correlate.Subject) *correlate.Cohorts {
	c := &correlate.Cohorts{
		Subject: about, ThresholdSeconds: 0.9, Chosen: madeID(4), Query: `service="checkout" minDuration=900ms limit=20`, URL: "http://127.0.0.1:16686/search",
		Differences: []correlate.Difference{
			{Attributes: []sources.Attribute{{Key: "provider.region", Value: "eu-west"}}, Service: "payment", Slow: 19, SlowShare: 0.97, Normal: 2, NormalShare: 0.11, PValue: 1e-6},
			{Attributes: []sources.Attribute{{Key: "service.version", Value: "1.8.3"}}, Service: "payment", Slow: 20, SlowShare: 1, Normal: 10, NormalShare: 0.5, PValue: 0.001},
			{Attributes: []sources.Attribute{{Key: "error"}}, Slow: 20, SlowShare: 1, Normal: 0, NormalShare: 0, PValue: 1e-9, Symptom: true},
		},
		Work: []correlate.WorkShare{{Service: "payment", Operation: "authorize", SlowSeconds: 3.7, NormalSeconds: 0.05}, {Service: "checkout", Operation: "POST /checkout", SlowSeconds: 0.1, NormalSeconds: 0.1}},
	}
	for i := range 20 {
		root := correlate.Work{Service: "web", Operation: "POST /checkout"}
		c.Slow = append(c.Slow, correlate.TraceSummary{ID: madeID(i), Root: root, Start: noon.Add(time.Duration(i) * time.Second), DurationSeconds: 3 + float64(i)/10, SpanCount: 37, ErrorCount: i % 2})
		c.Normal = append(c.Normal, correlate.TraceSummary{ID: madeID(100 + i), Root: root, Start: noon.Add(time.Duration(-i) * time.Second), DurationSeconds: 0.2 + float64(i)/100, SpanCount: 35})
	}
	return c
}

// madePaper answers everything about the made-up incident.
func madePaper() *paper {
	return &paper{question: madeQuestion(), services: madeServices, metric: madeMetric, split: madeSplit, traces: madeCohorts}
}

// madeCase is what a triage of it finds.
func madeCase() *correlate.Case {
	c := correlate.NewCase(madeQuestion().Window)
	c.Verdict = correlate.Anomalous
	f := c.AddFinding("checkout p95 rose from 200 ms to 4.00 s (20x) since 12:08:00", correlate.Evidence{
		Backend: sources.Prometheus, Query: "the_query_of_f1", Window: c.Window, URL: "http://127.0.0.1:9090/graph",
	})
	c.Answers = &correlate.Answers{WhatChanged: correlate.Answer{Text: "checkout p95 rose from 200 ms to 4.00 s (20x) since 12:08:00.", Findings: []string{f}}}
	c.Anomalies = []correlate.Anomaly{{Service: "checkout", Signal: "latency", Direction: "up", Score: 40, BaselineValue: 0.2, WindowValue: 4, Unit: "seconds", Onset: noon.Add(8 * time.Minute), Findings: []string{f}}}
	c.Suspects = []correlate.Suspect{{Rank: 1, Service: "payment", Operation: "authorize", Score: 0.93, Findings: []string{f}}, {Rank: 2, Service: "checkout", Score: 0.3, Findings: []string{}}}
	c.Missing = []correlate.Missing{{Backend: sources.Loki, Kind: correlate.MissingFailed, Reason: "no log record was looked at: refused", Hint: "start it"}}
	return c
}
