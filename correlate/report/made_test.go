package report_test

import (
	"fmt"
	"math"
	"strings"
	"time"

	"obs/correlate"
	"obs/sources"
)

// noon is the moment around which the cases here are made up.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func window(from, to time.Duration) sources.Window {
	return sources.Window{From: noon.Add(from), To: noon.Add(to)}
}

// madeTriage is a case with what the recorded ones lack: names in wide characters, more
// anomalies than are shown, guesses, equal ranks, a weak join, a limit that cut.
func madeTriage() *correlate.Case {
	c := correlate.NewCase(window(0, 10*time.Minute))
	baseline := window(-10*time.Minute, 0)
	c.Verdict, c.Baseline, c.Services = correlate.Anomalous, &baseline, 18
	query := correlate.Evidence{
		Backend: sources.Prometheus, Query: `rate(errors{job="支付"}[1m])`, Window: window(-10*time.Minute, 10*time.Minute), StepSeconds: 10,
		Values: []correlate.Value{{Name: "median of the baseline", Value: 0.25, Unit: "seconds"}},
		URL:    "http://127.0.0.1:9090/query?g0.expr=rate(errors)",
	}
	services := []string{"支付", "checkout 🛒", "plain"}
	for i := range 17 {
		a := correlate.Anomaly{
			Service: services[i%len(services)], Metric: "errors", Signal: "latency", Direction: "up", Score: 100 - float64(i),
			Onset: noon.Add(time.Duration(i) * time.Minute), BaselineValue: 0.2, WindowValue: 0.2 * float64(i+2), Unit: "seconds",
		}
		switch i {
		case 1:
			a.Operation, a.Guessed, a.Signal = "POST /orders/{id}/confirmation with a long name", true, "saturation"
		case 2:
			a.Unit, a.Onset = "requests/s", time.Time{}
		}
		evidence := []correlate.Evidence{query}
		if i > 1 {
			evidence = nil
		}
		a.Findings = []string{c.AddFinding(fmt.Sprintf("%s departs, %d", a.Service, i+1), evidence...)}
		c.Anomalies = append(c.Anomalies, a)
	}
	c.Answers = &correlate.Answers{
		WhatChanged: correlate.Answer{Text: "支付 p95 rose from 200 ms to 400 ms (2.0x) since 12:00:00.", Findings: []string{"f1"}},
		Scope:       correlate.Answer{Text: strings.Repeat("支付 and others depart, ", 12) + "and the rest does not.", Findings: []string{"f1", "f2", "f3", "f4", "f5", "f6"}},
	}
	c.Suspects = []correlate.Suspect{
		{Rank: 1, Service: "支付", Operation: "授权", Score: 0.9, Findings: []string{"f1"}},
		{Rank: 2, Service: "checkout 🛒", Score: 0.4, Findings: []string{"f2", "f5", "f8", "f11", "f14"}},
		{Rank: 2, Service: "plain", Score: 0.4, Findings: []string{}},
	}
	logs := correlate.Evidence{Backend: sources.Loki, Query: `{app="支付"} |= "a ` + "`" + `quoted` + "`" + ` word"`, Window: c.Window}
	c.Hops = []correlate.Hop{{From: "trace", To: "records", Join: correlate.ByServiceTime, Note: "no ID joins them: the same service and time", Evidence: &logs}}
	c.Records = []correlate.Record{
		{Time: noon, Service: "支付", Severity: "error", Line: `{"level":"error","msg":"超时 after 3 s","order":42,"text":"two words"}`, Join: correlate.ByServiceTime},
		{Time: noon.Add(time.Second), Service: "checkout 🛒 with a long name", Line: "plain text", Join: correlate.ByServiceTime},
	}
	c.Trace = &correlate.Trace{
		ID: "000000000000000000000000000000a1", Root: &correlate.Work{Service: "支付", Operation: "授权"}, Start: noon,
		DurationSeconds: 2, SpanCount: 4, ErrorCount: 1, OrphanCount: 1, Blamed: "00000000000000b2", CriticalPath: []correlate.OnPath{},
		Spans: []correlate.Span{
			{ID: "00000000000000b1", Service: "支付", Operation: "授权", Start: noon, DurationSeconds: 2, SelfSeconds: 0.5, CriticalSeconds: 0.5},
			{
				ID: "00000000000000b2", ParentID: "00000000000000b1", Service: "银行 🏦", Operation: "POST", Error: true, StatusMessage: "连接 refused", Depth: 1,
				Start: noon.Add(500 * time.Millisecond), DurationSeconds: 1.5, SelfSeconds: 1.5, CriticalSeconds: 1.5,
				Events: []sources.Event{{Time: noon.Add(time.Second), Name: "retry", Attributes: sources.Attributes{{Key: "attempt", Value: "2"}}}},
			},
			{ID: "00000000000000b3", ParentID: "00000000000000b1", Service: "log", Operation: "write", Depth: 1, Start: noon, DurationSeconds: 0.001},
			{ID: "00000000000000b4", ParentID: "00000000000000ff", Service: "log", Operation: "write", Orphan: true, Start: noon, DurationSeconds: 0.001},
		},
	}
	c.Missing = []correlate.Missing{
		{Backend: sources.Loki, Kind: correlate.MissingTruncated, Reason: "there are more than the 2 records that are shown", Hint: "ask Loki for the rest"},
		{Kind: correlate.MissingTimeout, Reason: "the run's time was up"},
	}
	c.Queries = []correlate.Query{
		{Backend: sources.Prometheus, Query: query.Query, Window: &query.Window, Status: sources.QueryOK, DurationSeconds: 0.004, Bytes: 3 << 20, Records: 17, Attempts: 1},
		{Backend: sources.Jaeger, Query: "GET /api/v3/services", Status: sources.QueryFailed, Error: "jaeger did not answer in time", DurationSeconds: 30, Attempts: 4},
	}
	return c
}

// madeLookup is a request with two traces, and records that name no span of either.
func madeLookup() *correlate.Case {
	c := correlate.NewCase(window(0, time.Minute))
	c.Asked, c.TakenFor = "req_42*", "request ID req_42*"
	trace := func(digit string) correlate.Trace {
		return correlate.Trace{
			ID: sources.TraceID(strings.Repeat(digit, 32)), Start: noon, DurationSeconds: 0.25, SpanCount: 1, CriticalPath: []correlate.OnPath{},
			Spans: []correlate.Span{{ID: sources.SpanID(strings.Repeat(digit, 16)), Service: "shop", Operation: "GET /" + digit, Start: noon, DurationSeconds: 0.25}},
		}
	}
	first, second := trace("a"), trace("b")
	c.Trace, c.OtherTraces = &first, []correlate.Trace{second}
	record := func(span, line string) correlate.Record {
		return correlate.Record{Time: noon, Service: "shop", Severity: "info", SpanID: sources.SpanID(span), Line: line, Join: correlate.BySpanID}
	}
	c.Records = []correlate.Record{
		record(string(first.Spans[0].ID), "beneath the first trace"),
		record(string(second.Spans[0].ID), "beneath the second trace"),
		record("cccccccccccccccc", "of a span that nobody has"),
		record("", "of no span"),
	}
	c.Hops = []correlate.Hop{{From: "request", To: "trace", Join: correlate.ByRequestID, ID: "req_42*"}}
	return c
}

// madeFailed is a request that failed at the second attempt, with another that was tied to it,
// and everything that a lookup says beside them.
func madeFailed() *correlate.Case {
	c := madeLookup()
	first, second := c.Trace, &c.OtherTraces[0]
	first.ErrorCount, first.Blamed = 1, first.Spans[0].ID
	first.Spans[0].Error, first.Spans[0].Attempt, first.Spans[0].Attempts = true, 2, 2
	first.Remarks = []string{"the clocks of shop and 支付 differ by at least 30.0 ms: spans of 支付 begin before the calls to them do", "it ended 4.00 s ago"}
	second.Related = &correlate.Relation{Join: correlate.ByLink, TraceID: first.ID, SpanID: first.Spans[0].ID, Text: "shop GET /a of " + string(first.ID) + " links to it"}
	now, before := window(0, 30*time.Minute), window(-30*time.Minute, 0)
	f1 := c.AddFinding("shop GET /a fails like this in 19 of 50 traces that were looked at, and in 0 of 40 of the 30m before; version 1.4.2 in 19",
		correlate.Evidence{Backend: sources.Jaeger, Query: `service="shop" operation="GET /a" error="true" limit=50`, Window: now})
	f2 := c.AddFinding(`1173 records say "no rate from carrier", and 0 of the 30m before`,
		correlate.Evidence{Backend: sources.Loki, Query: `sum(count_over_time({service_name="shop"} |= "no rate from carrier"[1800000ms]))`, Window: now})
	c.Failure = &correlate.Failure{
		Service: "shop", Operation: "GET /a", SpanID: first.Spans[0].ID, Message: "证书 has expired: " + strings.Repeat("a long reason ", 30),
		Exception: &correlate.Exception{
			Type: "javax.net.ssl.SSLHandshakeException", Message: "certificate has expired",
			Stack: "SSLHandshakeException: certificate has expired\n" + strings.Repeat("\tat shop.Carrier.rates(Carrier.java:118)\n", 9),
		},
		Now:    &correlate.Occurrences{Window: now, Traces: 19, Of: 50, AtLeast: true, First: noon, Last: noon, Versions: []correlate.VersionCount{{Version: "1.4.2", Traces: 19}}},
		Before: &correlate.Occurrences{Window: before, Of: 40}, LinesNow: &correlate.LineCount{Window: now, Records: 1173}, LinesBefore: &correlate.LineCount{Window: before},
		Findings: []string{f1, f2},
	}
	for i := range 45 {
		c.Story = append(c.Story, correlate.Moment{
			Time: noon.Add(time.Duration(i) * time.Millisecond), OffsetSeconds: float64(i) / 1000, Kind: correlate.MomentCall, Service: "a service with a long name 🛒",
			Text: "SELECT stock took 3.00 ms", Failed: i%7 == 3,
		})
	}
	c.Story[0].Kind, c.Story[0].Text = correlate.MomentBegins, "GET /a begins (attempt 2 of 2)"
	c.Story[44].Kind, c.Story[44].Failed, c.Story[44].Text = correlate.MomentError, true, "GET /a fails after 250 ms: "+strings.Repeat("a long reason ", 12)
	c.Places = []correlate.Place{
		{Service: "shop", Kind: correlate.InMetadata, Field: "trace_id", Records: 12}, {Service: "shop", Kind: correlate.InLine, Records: 1},
		{Service: "支付", Kind: correlate.InField, Field: "ctx.traceId", Records: 3}, {Service: "depot", Kind: correlate.Nowhere},
	}
	return c
}

// madeCompared is a request that was compared with normal ones, with every kind of difference
// and more of them than are shown.
func madeCompared() *correlate.Case {
	c := madeLookup()
	c.OtherTraces, c.Records = nil, []correlate.Record{}
	compared := &correlate.Comparison{
		Root: correlate.Work{Service: "shop", Operation: "GET /a"}, DurationSeconds: 3.41, Usual: usually(0.214, 0.19, 0.25),
		With: []sources.TraceID{"000000000000000000000000000000c1", "000000000000000000000000000000c2"}, Window: window(-30*time.Minute, 0),
		LeftOutFailed: 3, LeftOutSlow: 1, Alike: 23, AlikeSeconds: 0.04, UnaccountedSeconds: -0.05, Apart: 2,
		Evidence: []correlate.Evidence{{
			Backend: sources.Jaeger, Query: `service="shop" operation="GET /a" limit=60`, Window: window(-30*time.Minute, 0), URL: "http://127.0.0.1:16686/search",
		}},
	}
	row := func(gain float64, name string, changes ...string) *correlate.ComparedWork {
		compared.Rows = append(compared.Rows, correlate.ComparedWork{
			Name: name, Path: []correlate.Work{{Service: "shop", Operation: name}}, Changes: changes, ExplainedSeconds: gain,
			Count: 12, Failed: 2, TotalSeconds: 3.2, SelfSeconds: 3.1, CriticalSeconds: 3.05, UsualTraces: 1,
			UsualCount: correlate.UsualCounts{Median: 1, Low: 1, High: 2},
			UsualTotal: usually(0.04, 0.03, 0.05), UsualSelf: usually(0.035, 0.03, 0.05), UsualCritical: usually(0.031, 0.024, 0.04),
		})
		return &compared.Rows[len(compared.Rows)-1]
	}
	row(3.02, "payment authorize", "slower")
	row(0.11, "payment authorize › SELECT", "repeated", "slower", "failing").Below = 3
	row(0.06, "支付 | 授权 with a name that is longer than its column", "waited for")
	row(0.00001, "fraud score", "new")
	row(0, "cache fill", "rare")
	row(0, "audit write", "slower").CriticalSeconds = 0
	row(-0.01, "inventory reserve", "missing")
	row(-0.02, "inventory list", "fewer", "faster")
	row(-0.03, "mail send", "not waited for")
	for i := range 8 {
		row(-0.04, fmt.Sprintf("tail %d", i), "faster")
	}
	c.Comparison = compared
	c.AddFinding(compared.Title(), compared.Evidence...)
	return c
}

func usually(median, low, high float64) correlate.UsualDurations {
	return correlate.UsualDurations{MedianSeconds: median, LowSeconds: low, HighSeconds: high}
}

// madeLost is a triage that was interrupted before it had asked anything.
func madeLost() *correlate.Case {
	c := correlate.NewCase(window(0, time.Minute))
	c.Verdict, c.Interrupted, c.Answers = correlate.Inconclusive, true, &correlate.Answers{}
	c.Missing = []correlate.Missing{{Kind: correlate.MissingTimeout, Reason: "the run was interrupted: what follows after this point was not asked"}}
	return c
}

// madeQuiet is a healthy triage of one service.
func madeQuiet() *correlate.Case {
	c := correlate.NewCase(window(0, time.Minute))
	c.Verdict, c.Services, c.Answers = correlate.Healthy, 1, &correlate.Answers{}
	return c
}

var made = map[string]func() *correlate.Case{"triage": madeTriage, "lookup": madeLookup, "failed": madeFailed, "compared": madeCompared, "lost": madeLost, "quiet": madeQuiet}

// notFinite is a case with numbers that JSON cannot hold, as no case should be.
func notFinite() *correlate.Case {
	c := madeTriage()
	c.Anomalies[0].WindowValue = math.Inf(1)
	c.Findings[0].Evidence[0].Values = []correlate.Value{{Name: "median of the baseline", Value: math.NaN(), Unit: "seconds"}}
	c.Trace.DurationSeconds = math.Inf(-1)
	c.Trace.Spans[0].DurationSeconds = math.Inf(1)
	c.Records[0].Line = `"baseline_value": -1.7976931348623157e+308,`
	return c
}
