package correlate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources"
)

func TestExemplarLeadsToTraceSpanAndRecords(t *testing.T) {
	s := slowBank(t)
	var steps []string
	var ahead []*correlate.Case
	c := correlate.Triage(t.Context(), s.set(), question, func(step correlate.Step) {
		switch {
		case step.SoFar != nil:
			ahead = append(ahead, step.SoFar)
		case step.Done:
			steps = append(steps, step.Name)
		}
	})
	wellFormed(t, c)

	if c.Verdict != correlate.Anomalous || c.Partial() || c.Interrupted || !c.Answered() || c.Services != 3 {
		t.Errorf("verdict %s, partial %t, interrupted %t, answered %t, %d services", c.Verdict, c.Partial(), c.Interrupted, c.Answered(), c.Services)
	}
	// Checkout and payment both got slower; users wait for checkout.
	if len(c.Anomalies) != 2 {
		t.Fatalf("anomalies %+v", c.Anomalies)
	}
	a := c.Anomalies[0]
	if a.Service != "checkout" || a.Operation != "/pay" || a.Signal != "latency" || a.Direction != "up" || a.Guessed {
		t.Errorf("the first anomaly is %+v", a)
	}
	if late := a.Onset.Sub(noon); late < 0 || late > 2*time.Minute {
		t.Errorf("onset %s, and it began at %s", a.Onset, noon)
	}
	if a.BaselineValue > 0.1 || a.WindowValue < 2 {
		t.Errorf("from %g to %g", a.BaselineValue, a.WindowValue)
	}
	h := hop(c, "trace")
	if h == nil || h.From != "anomaly" || h.Join != correlate.ByExemplar || !strings.HasPrefix(h.Note, "checked: the trace is there") {
		t.Fatalf("the hop to the trace is %+v", h)
	}
	if c.Trace == nil || string(c.Trace.ID) != h.ID || c.Trace.SpanCount != 4 || c.Trace.Root.Service != "checkout" {
		t.Fatalf("trace %+v", c.Trace)
	}
	blamed := c.Trace.Span(c.Trace.Blamed)
	if blamed == nil || blamed.Service != "bank" || blamed.Operation != "transfer" {
		t.Errorf("blamed is %+v", blamed)
	}
	if h := hop(c, "span"); h == nil || h.Join != correlate.BySpanID || h.ID != string(c.Trace.Blamed) {
		t.Errorf("the hop to the span is %+v", h)
	}
	if h := hop(c, "records"); h == nil || h.From != "trace" || h.Join != correlate.ByTraceID || h.ID != string(c.Trace.ID) || h.Note != "2 records" {
		t.Errorf("the hop to the records is %+v", h)
	}
	if len(c.Records) != 2 || c.Records[0].Service != "payment" || c.Records[1].Service != "checkout" {
		t.Fatalf("records %+v", c.Records)
	}
	if r := c.Records[0]; r.Join != correlate.BySpanID || r.Severity != "error" || r.SpanID == "" || r.TraceID != c.Trace.ID {
		t.Errorf("the record of a span is joined as %+v", r)
	}
	if r := c.Records[1]; r.Join != correlate.ByTraceID || r.TraceID != c.Trace.ID {
		t.Errorf("the record of the trace is joined as %+v", r)
	}
	if len(c.Suspects) == 0 || c.Suspects[0].Service != "bank" || c.Suspects[0].Operation != "transfer" || c.Suspects[0].Rank != 1 {
		t.Errorf("suspects %+v", c.Suspects)
	}
	for question, answer := range map[string]struct{ got, want string }{
		"what changed":       {c.Answers.WhatChanged.Text, "checkout /pay p95 rose from 95.0 ms to 2.42 s"},
		"affected flow":      {c.Answers.AffectedFlow.Text, "Requests of checkout /pay"},
		"where time goes":    {c.Answers.WhereTimeGoes.Text, "bank transfer: 2.00 s of 2.04 s on the critical path"},
		"failing dependency": {c.Answers.FailingDependency.Text, "checkout waits for bank, which is slow"},
		"scope":              {c.Answers.Scope.Text, "2 of 3 services depart: checkout, payment; the others do not"},
	} {
		if !strings.Contains(answer.got, answer.want) {
			t.Errorf("%s: %q; want %q", question, answer.got, answer.want)
		}
	}
	if want := []string{"survey", "trace", "requests", "lines", "records", "changes"}; !slices.Equal(steps, want) {
		t.Errorf("steps %v, want %v", steps, want)
	}
	// What is concluded on the way grows, and the walk does not change it afterwards.
	if len(ahead) != 4 || ahead[0].Answers.WhatChanged.Text == "" || ahead[0].Answers.WhereTimeGoes.Text != "" ||
		ahead[1].Answers.WhereTimeGoes.Text != c.Answers.WhereTimeGoes.Text || ahead[0].Trace != nil || len(ahead[3].Records) != 0 {
		t.Errorf("on the way: %+v", ahead)
	}
	if got := len(c.Queries); got != len(s.ledger.Queries()) || got == 0 {
		t.Errorf("the case lists %d of %d queries", got, len(s.ledger.Queries()))
	}
}

func TestExemplarsThatLeadToNoStoredTrace(t *testing.T) {
	s := slowBank(t)
	for i := range s.metrics.exemplars {
		s.metrics.exemplars[i].Labels = sources.Labels{"trace_id": string(traceID(1000 + i))}
	}
	c := s.triage(question)
	h := hop(c, "trace")
	if h == nil || h.Join != correlate.ByServiceTime || !h.Join.Weak() || h.Evidence.Backend != sources.Jaeger {
		t.Fatalf("the hop to the trace is %+v", h)
	}
	if !strings.Contains(h.Note, "no exemplar led to it") || !strings.Contains(h.Evidence.Query, "minDuration=") {
		t.Errorf("the weak hop does not say how it was joined: %+v", h)
	}
	if c.Trace == nil || !window.Contains(c.Trace.Start) || c.Trace.DurationSeconds < 2 {
		t.Errorf("the trace is not a slow one of the window: %+v", c.Trace)
	}
	if m := missing(c, sources.Jaeger, correlate.MissingNoData); m == nil || !strings.Contains(m.Reason, "4 exemplars") || m.Hint == "" {
		t.Errorf("it is not said that exemplars led nowhere: %+v", c.Missing)
	}
	if c.Partial() || c.Verdict != correlate.Anomalous || len(c.Records) != 2 || c.Suspects[0].Service != "bank" {
		t.Errorf("partial %t, %s, %d records, suspects %+v", c.Partial(), c.Verdict, len(c.Records), c.Suspects)
	}
}

func TestTheFirstExemplarWithAStoredTraceCounts(t *testing.T) {
	s := slowBank(t)
	kept := s.metrics.exemplars[:0]
	for i, e := range s.metrics.exemplars {
		if e.Series["service_name"] == "checkout" {
			if len(kept) < 2 {
				e.Labels = sources.Labels{"traceID": string(traceID(1000 + i))}
			}
			kept = append(kept, e)
		}
	}
	s.metrics.exemplars = kept
	c := s.triage(question)
	h := hop(c, "trace")
	if h == nil || h.Join != correlate.ByExemplar || h.ID != string(traceID(32)) || !strings.Contains(h.Note, "2 exemplars before it led to no stored trace") {
		t.Errorf("the hop to the trace is %+v", h)
	}
}

func TestExemplarsThatDoNotShowTheAnomaly(t *testing.T) {
	s := slowBank(t)
	checkout := service{name: "checkout", operation: "/pay"}
	stored := string(traceID(40))
	s.metrics.exemplars = []sources.Exemplar{
		exemplar(checkout, traceID(40), 0.09, noon.Add(time.Minute)), // as fast as ever
		{Series: exemplar(checkout, "", 2.04, noon).Series, Labels: sources.Labels{"span_id": "00f067aa0ba902b7"}, Value: 2.04, Time: noon.Add(time.Minute)},
		{Series: exemplar(checkout, "", 2.04, noon).Series, Labels: sources.Labels{"trace_id": "<" + stored + ">"}, Value: 2.04, Time: noon.Add(time.Minute)},
		exemplar(checkout, traceID(40), 2.04, noon.Add(-time.Minute)), // of the baseline
	}
	c := s.triage(question)
	if h := hop(c, "trace"); h == nil || h.Join != correlate.ByServiceTime {
		t.Errorf("the hop to the trace is %+v", h)
	}
	if m := missing(c, sources.Jaeger, correlate.MissingNoData); m != nil {
		t.Errorf("something is said to be missing: %+v", m)
	}
	s = slowBank(t)
	s.metrics.exemplars = nil
	c = s.triage(question)
	if h := hop(c, "trace"); h == nil || h.Join != correlate.ByServiceTime || len(c.Missing) > 0 {
		t.Errorf("without exemplars the hop to the trace is %+v, missing %+v", h, c.Missing)
	}
}

func TestJaegerDown(t *testing.T) {
	s := slowBank(t)
	s.before = func(backend sources.Backend, _ string) error {
		if backend == sources.Jaeger {
			return down(backend)
		}
		return nil
	}
	c := s.triage(question)
	h := hop(c, "trace")
	if h == nil || h.Join != correlate.ByExemplar || h.Note != "not checked: Jaeger did not answer" {
		t.Fatalf("the hop to the trace is %+v", h)
	}
	if c.Trace == nil || string(c.Trace.ID) != h.ID || len(c.Trace.Spans) != 0 {
		t.Errorf("trace %+v", c.Trace)
	}
	if len(c.Records) != 2 || c.Records[0].TraceID != c.Trace.ID || c.Records[0].Join != correlate.ByTraceID {
		t.Errorf("records %+v", c.Records)
	}
	if m := missing(c, sources.Jaeger, correlate.MissingFailed); m == nil || m.Hint == "" || !c.Partial() {
		t.Errorf("partial %t, missing %+v", c.Partial(), c.Missing)
	}
	if c.Verdict != correlate.Anomalous || c.Answers.WhereTimeGoes.Text != "" {
		t.Errorf("%s; where the time goes: %q", c.Verdict, c.Answers.WhereTimeGoes.Text)
	}

	s = slowBank(t)
	c = s.triageOf(sources.Set{Metrics: s.metrics, Logs: s.logs, Ledger: s.ledger}, question)
	if h := hop(c, "trace"); h == nil || h.Join != correlate.ByExemplar || h.Note != "not checked: Jaeger is not configured" {
		t.Errorf("without Jaeger the hop to the trace is %+v", h)
	}
	if len(c.Records) != 2 || c.Partial() || missing(c, sources.Jaeger, correlate.MissingNotConfigured) == nil {
		t.Errorf("without Jaeger: %d records, partial %t, missing %+v", len(c.Records), c.Partial(), c.Missing)
	}
}

// A trace that an exemplar led to stays, whatever fails after it.
func TestJaegerFailsBehindTheExemplar(t *testing.T) {
	for _, failing := range []string{"services", "service="} {
		s := slowBank(t)
		s.before = func(backend sources.Backend, text string) error {
			if backend == sources.Jaeger && strings.HasPrefix(text, failing) {
				return down(backend)
			}
			return nil
		}
		c := s.triage(question)
		if c.Trace == nil || c.Trace.SpanCount != 4 {
			t.Errorf("%s fails: trace %+v", failing, c.Trace)
			continue
		}
		if h := hop(c, "trace"); h == nil || h.Join != correlate.ByExemplar || !strings.HasPrefix(h.Note, "checked") {
			t.Errorf("%s fails: the hop to the trace is %+v", failing, h)
		}
		if m := missing(c, sources.Jaeger, correlate.MissingFailed); m == nil || !strings.Contains(m.Reason, "not compared with other traces") {
			t.Errorf("%s fails: missing %+v", failing, c.Missing)
		}
	}
}

// An exemplar whose trace Jaeger does not have is not trusted when Jaeger fails later.
func TestExemplarThatIsGoneIsNotTrusted(t *testing.T) {
	s := slowBank(t)
	gone := traceID(1000)
	s.metrics.exemplars[0].Labels = sources.Labels{"trace_id": string(gone)}
	s.metrics.exemplars[1].Labels = sources.Labels{"trace_id": string(gone)}
	s.before = func(backend sources.Backend, text string) error {
		if backend == sources.Jaeger && text != "trace "+string(gone) {
			return down(backend)
		}
		return nil
	}
	c := s.triage(question)
	if h := hop(c, "trace"); h == nil || h.ID == string(gone) || !strings.HasPrefix(h.Note, "not checked") {
		t.Errorf("the hop to the trace is %+v", h)
	}
	if len(c.Records) != 2 {
		t.Errorf("records %+v", c.Records)
	}
}

func TestHealthyWindow(t *testing.T) {
	s := newShop(t, question, steady("checkout", "/pay", load{rate: 5, seconds: 0.1, failing: 0.02}), steady("cart", "/add", load{rate: 20, seconds: 0.02}))
	c := s.triage(question)
	if c.Verdict != correlate.Healthy || len(c.Anomalies) > 0 || len(c.Suspects) > 0 || len(c.Findings) > 0 || len(c.Missing) > 0 || c.Services != 2 {
		t.Errorf("%s, anomalies %+v, suspects %+v, missing %+v, %d services", c.Verdict, c.Anomalies, c.Suspects, c.Missing, c.Services)
	}
	// A part that was not looked at may be what is wrong.
	s = newShop(t, question, steady("checkout", "/pay", load{rate: 5, seconds: 0.1}))
	s.before = func(backend sources.Backend, text string) error {
		if strings.HasPrefix(text, "histogram_quantile") {
			return down(backend)
		}
		return nil
	}
	if c := s.triage(question); c.Verdict != correlate.Inconclusive || !c.Partial() {
		t.Errorf("without latencies: %s, partial %t", c.Verdict, c.Partial())
	}
}

func TestTraffic(t *testing.T) {
	calm, busy := load{rate: 5, seconds: 0.1}, load{rate: 50, seconds: 0.1}
	s := newShop(t, question, service{"checkout", "/pay", calm, busy})
	c := s.triage(question)
	if c.Verdict != correlate.Healthy || len(c.Suspects) > 0 {
		t.Errorf("more traffic alone: %s, suspects %+v", c.Verdict, c.Suspects)
	}
	if len(c.Anomalies) != 1 || c.Anomalies[0].Signal != "traffic" || c.Anomalies[0].Direction != "up" {
		t.Errorf("more traffic is not noted: %+v", c.Anomalies)
	}
	if len(c.Hops) > 0 {
		t.Errorf("more traffic alone is walked from: %+v", c.Hops)
	}

	s = newShop(t, question, service{"checkout", "/pay", busy, calm})
	c = s.triage(question)
	if c.Verdict != correlate.Anomalous || len(c.Anomalies) != 1 || c.Anomalies[0].Direction != "down" {
		t.Errorf("traffic that breaks away: %s, %+v", c.Verdict, c.Anomalies)
	}
}
