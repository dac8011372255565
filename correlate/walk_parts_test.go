package correlate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources"
)

// failing makes all questions to a backend fail.
func failing(down func(sources.Backend) error, backends ...sources.Backend) func(sources.Backend, string) error {
	return func(backend sources.Backend, _ string) error {
		if slices.Contains(backends, backend) {
			return down(backend)
		}
		return nil
	}
}

func TestLokiDown(t *testing.T) {
	s := slowBank(t)
	s.before = failing(down, sources.Loki)
	c := s.triage(question)
	if c.Verdict != correlate.Anomalous || c.Trace == nil || c.Trace.SpanCount != 4 || c.Suspects[0].Service != "bank" {
		t.Errorf("%s, trace %+v, suspects %+v", c.Verdict, c.Trace, c.Suspects)
	}
	if m := missing(c, sources.Loki, correlate.MissingFailed); m == nil || m.Hint == "" || !c.Partial() || len(c.Records) > 0 {
		t.Errorf("partial %t, missing %+v, records %+v", c.Partial(), c.Missing, c.Records)
	}

	s = slowBank(t)
	c = s.triageOf(sources.Set{Metrics: s.metrics, Traces: s.traces, Ledger: s.ledger}, question)
	if m := missing(c, sources.Loki, correlate.MissingNotConfigured); m == nil || c.Partial() {
		t.Errorf("without Loki: partial %t, missing %+v", c.Partial(), c.Missing)
	}
}

func TestRecordsWithoutIDs(t *testing.T) {
	s := slowBank(t)
	for i := range s.logs.stored {
		r := &s.logs.stored[i]
		r.Metadata, r.Line = nil, strings.ReplaceAll(r.Line, "trace_id", "step")
		r.Line = strings.ReplaceAll(r.Line, string(traceID(30)), "30")
	}
	// Another name for the same service, as a namespace makes it.
	at := minuteOf(30).Add(time.Second)
	s.logs.stored = append(s.logs.stored, record("shop/Bank", at, "transfer failed", nil), record("shop/Bank", at, "transfer begins", nil))
	c := s.triage(question)
	if m := missing(c, sources.Loki, correlate.MissingNoData); m == nil || !strings.Contains(m.Reason, "carries trace ID "+string(c.Trace.ID)) || c.Partial() {
		t.Errorf("partial %t, missing %+v", c.Partial(), c.Missing)
	}
	h := hop(c, "records")
	if h == nil || h.From != "trace" || !h.Join.Weak() || h.ID != "" || !strings.Contains(h.Note, "no ID joins them") {
		t.Errorf("the hop to the records is %+v", h)
	}
	if len(c.Records) != 1 || c.Records[0].Line != "transfer failed" || !c.Records[0].Join.Weak() || c.Records[0].TraceID != "" {
		t.Errorf("records %+v; want the error of the service to blame", c.Records)
	}
}

func TestRecordsWithoutATrace(t *testing.T) {
	s := slowBank(t)
	s.traces.stored, s.metrics.exemplars = nil, nil
	c := s.triage(question)
	if m := missing(c, sources.Jaeger, correlate.MissingNoData); m == nil || !strings.Contains(m.Reason, "no trace of checkout") {
		t.Errorf("missing %+v", c.Missing)
	}
	if h := hop(c, "records"); h == nil || h.From != "anomaly" || !h.Join.Weak() {
		t.Errorf("the hop to the records is %+v", h)
	}
	if len(c.Records) == 0 || slices.ContainsFunc(c.Records, func(r correlate.Record) bool { return r.Service != "checkout" }) {
		t.Errorf("records %+v; want checkout's", c.Records)
	}

	// Nor are there any of the service.
	s.logs.stored = slices.DeleteFunc(s.logs.stored, func(r sources.Record) bool { return r.Stream["service_name"] == "checkout" })
	c = s.triage(question)
	if m := missing(c, sources.Loki, correlate.MissingNoData); m == nil || !strings.Contains(m.Reason, "no records of checkout") || len(c.Records) > 0 {
		t.Errorf("missing %+v, records %+v", c.Missing, c.Records)
	}
}

func TestPrometheusDown(t *testing.T) {
	s := slowBank(t)
	s.before = failing(down, sources.Prometheus)
	c := s.triage(question)
	if c.Verdict != correlate.Anomalous || len(c.Anomalies) != 1 || !c.Partial() {
		t.Fatalf("%s, partial %t, anomalies %+v", c.Verdict, c.Partial(), c.Anomalies)
	}
	a := c.Anomalies[0]
	if a.Service != "checkout" || a.Operation != "/pay" || !a.Guessed || a.Metric != "duration of sampled traces" || a.WindowValue != 2.04 {
		t.Errorf("anomaly %+v", a)
	}
	if f := c.Finding(a.Findings[0]); !strings.Contains(f.Statement, "among the traces that were sampled") || f.Evidence[0].Backend != sources.Jaeger {
		t.Errorf("finding %+v", f)
	}
	if h := hop(c, "trace"); h == nil || !h.Join.Weak() {
		t.Errorf("the hop to the trace is %+v", h)
	}
	if len(c.Records) != 2 || c.Suspects[0].Service != "bank" {
		t.Errorf("%d records, suspects %+v", len(c.Records), c.Suspects)
	}

	// Without anything slower, nothing is known.
	s = slowBank(t)
	s.before = failing(down, sources.Prometheus)
	before := correlate.Question{
		Window:   sources.Window{From: noon.Add(-15 * time.Minute), To: noon},
		Baseline: sources.Window{From: noon.Add(-30 * time.Minute), To: noon.Add(-15 * time.Minute)},
	}
	if c := s.triage(before); c.Verdict != correlate.Inconclusive || len(c.Anomalies) > 0 {
		t.Errorf("%s, anomalies %+v", c.Verdict, c.Anomalies)
	}

	// Names are known, and no series is: that is not the same as none being there.
	s = slowBank(t)
	s.before = func(backend sources.Backend, text string) error {
		if backend == sources.Prometheus && strings.Contains(text, "rate(") {
			return down(backend)
		}
		return nil
	}
	c = s.triage(question)
	if missing(c, sources.Prometheus, correlate.MissingFailed) == nil || missing(c, sources.Prometheus, correlate.MissingNoData) != nil {
		t.Errorf("missing %+v", c.Missing)
	}
	if len(c.Anomalies) != 1 || !c.Anomalies[0].Guessed {
		t.Errorf("the traces were not looked at instead: %+v", c.Anomalies)
	}

	// Of many services some are looked at, and it is said.
	s = slowBank(t)
	for n := range 20 {
		trace := request(100+n, minuteOf(n), time.Second, false)
		trace.Spans[0].Service = fmt.Sprintf("z%02d", n)
		s.traces.stored = append(s.traces.stored, trace)
	}
	c = s.triageOf(sources.Set{Traces: s.traces, Ledger: s.ledger}, question)
	if m := missing(c, sources.Jaeger, correlate.MissingTruncated); m == nil || !strings.Contains(m.Reason, "of 23 services") {
		t.Errorf("missing %+v", c.Missing)
	}
	if n := s.asked(sources.Jaeger); n > 40 {
		t.Errorf("%d questions to Jaeger", n)
	}
}

func TestOnlyLoki(t *testing.T) {
	s := slowBank(t)
	set := sources.Set{Logs: s.logs, Ledger: s.ledger}
	for i := range s.logs.stored {
		r := &s.logs.stored[i]
		r.Stream = sources.Labels{"app": r.Stream["service_name"], "level": r.Metadata["level"]}
	}
	c := s.triageOf(set, question)
	if c.Verdict != correlate.Anomalous || c.Services != 3 || len(c.Anomalies) != 1 {
		t.Fatalf("%s, %d services, anomalies %+v", c.Verdict, c.Services, c.Anomalies)
	}
	a := c.Anomalies[0]
	if a.Service != "payment" || a.Signal != "errors" || !a.Guessed || a.BaselineValue != 0 || a.Unit != "records/s" {
		t.Errorf("anomaly %+v", a)
	}
	if h := hop(c, "records"); h == nil || h.From != "anomaly" || !h.Join.Weak() {
		t.Errorf("the hop to the records is %+v", h)
	}
	if len(c.Records) == 0 || c.Records[0].Service != "payment" || c.Records[0].Severity != "error" {
		t.Errorf("records %+v", c.Records)
	}
	for _, backend := range []sources.Backend{sources.Prometheus, sources.Jaeger} {
		if missing(c, backend, correlate.MissingNotConfigured) == nil {
			t.Errorf("it is not said that %s is not configured: %+v", backend, c.Missing)
		}
	}

	// As many errors as ever.
	calm := correlate.Question{
		Window:   sources.Window{From: noon.Add(-15 * time.Minute), To: noon},
		Baseline: sources.Window{From: noon.Add(-30 * time.Minute), To: noon.Add(-15 * time.Minute)},
	}
	if c := s.triageOf(set, calm); c.Verdict != correlate.Inconclusive || len(c.Records) > 0 || c.Services != 3 {
		t.Errorf("%s, %d records, %d services", c.Verdict, len(c.Records), c.Services)
	}
	// None of one that was named.
	named := question
	named.Services = []string{"cart"}
	if c := s.triageOf(set, named); c.Verdict != correlate.Inconclusive || len(c.Anomalies) > 0 || c.Services != 1 {
		t.Errorf("%s, anomalies %+v, %d services", c.Verdict, c.Anomalies, c.Services)
	}
	// Nothing at all.
	s.logs.stored = nil
	if c := s.triageOf(set, question); missing(c, sources.Loki, correlate.MissingNoData) == nil || c.Verdict != correlate.Inconclusive {
		t.Errorf("%s, missing %+v", c.Verdict, c.Missing)
	}
}

func TestNothingConfigured(t *testing.T) {
	c := correlate.Triage(t.Context(), sources.Set{}, question, nil)
	wellFormed(t, c)
	if c.Verdict != correlate.Inconclusive || c.Answered() || c.Partial() || len(c.Missing) != 3 {
		t.Errorf("%s, answered %t, partial %t, missing %+v", c.Verdict, c.Answered(), c.Partial(), c.Missing)
	}
}

func TestNothingStored(t *testing.T) {
	s := newShop(t, question)
	c := s.triage(question)
	if c.Verdict != correlate.Inconclusive || !c.Answered() || c.Partial() {
		t.Errorf("%s, answered %t, partial %t", c.Verdict, c.Answered(), c.Partial())
	}
	for _, backend := range []sources.Backend{sources.Prometheus, sources.Jaeger, sources.Loki} {
		if m := missing(c, backend, correlate.MissingNoData); m == nil || m.Hint == "" {
			t.Errorf("it is not said that %s has nothing: %+v", backend, c.Missing)
		}
	}
}

func TestAllDown(t *testing.T) {
	s := slowBank(t)
	s.before = failing(down, sources.Prometheus, sources.Jaeger, sources.Loki)
	c := s.triage(question)
	if c.Verdict != correlate.Inconclusive || c.Answered() || !c.Partial() || len(c.Missing) != 3 {
		t.Errorf("%s, answered %t, partial %t, missing %+v", c.Verdict, c.Answered(), c.Partial(), c.Missing)
	}
}

// A service may be slow, and fail for a reason of its own.
func failingBank(t *testing.T) *shop {
	t.Helper()
	s := newShop(t, question,
		service{"payment", "/authorize", load{rate: 5, seconds: 0.08}, load{rate: 5, seconds: 0.08, failing: 0.5}},
		steady("checkout", "/pay", load{rate: 5, seconds: 0.1}))
	for minute := range 60 {
		s.happens(minute, 60*time.Millisecond, minute >= 30 && minute%2 == 0)
	}
	return s
}

func TestFailingRequests(t *testing.T) {
	s := failingBank(t)
	c := s.triage(question)
	if c.Verdict != correlate.Anomalous || len(c.Anomalies) != 1 || c.Anomalies[0].Signal != "errors" || c.Anomalies[0].Service != "payment" {
		t.Fatalf("%s, anomalies %+v", c.Verdict, c.Anomalies)
	}
	if a := c.Anomalies[0]; a.BaselineValue != 0 || a.WindowValue < 0.4 || a.WindowValue > 0.6 || a.Unit != "ratio" {
		t.Errorf("anomaly %+v", a)
	}
	blamed := c.Trace.Span(c.Trace.Blamed)
	if blamed == nil || blamed.Service != "bank" || !blamed.Error {
		t.Errorf("blamed is %+v", blamed)
	}
	want := `15 of 15 failing traces of payment begin to fail at bank transfer, which says "failed: bank"`
	if got := c.Answers.FailingDependency.Text; !strings.Contains(got, want) {
		t.Errorf("failing dependency: %q; want %q", got, want)
	}
	if len(c.Suspects) == 0 || c.Suspects[0].Service != "bank" {
		t.Errorf("suspects %+v", c.Suspects)
	}
	if h := hop(c, "trace"); h == nil || !h.Join.Weak() || strings.Contains(h.Note, "duration") {
		t.Errorf("the hop to the trace is %+v", h)
	}
	if h := hop(c, "span"); h == nil || strings.Contains(h.Note, "critical path") {
		t.Errorf("the hop to the span is %+v; it is where the failure begins", h)
	}
	if len(c.Records) != 2 {
		t.Errorf("records %+v", c.Records)
	}

	// No failing trace is stored.
	s = failingBank(t)
	s.traces.stored = slices.DeleteFunc(s.traces.stored, func(tr sources.Trace) bool { return tr.Spans[0].Failed() })
	c = s.triage(question)
	if missing(c, sources.Jaeger, correlate.MissingNoData) == nil || c.Trace != nil || c.Answers.FailingDependency.Text != "" {
		t.Errorf("missing %+v, trace %+v, failing %q", c.Missing, c.Trace, c.Answers.FailingDependency.Text)
	}
}

func TestNamedServices(t *testing.T) {
	s := slowBank(t)
	q := question
	q.Services = []string{"payment"}
	c := s.triage(q)
	if len(c.Anomalies) != 1 || c.Anomalies[0].Service != "payment" || c.Services != 1 {
		t.Errorf("%d services, anomalies %+v", c.Services, c.Anomalies)
	}
	for _, query := range s.ledger.Queries() {
		if query.Backend == sources.Prometheus && query.Window.Duration() > 0 && !strings.Contains(query.Text, `service_name="payment"`) && !strings.Contains(query.Text, "__name__") {
			t.Errorf("a question about all services: %s", query.Text)
		}
	}
	if c.Trace == nil || c.Suspects[0].Service != "bank" {
		t.Errorf("trace %+v, suspects %+v: the walk leaves the service where the request does", c.Trace, c.Suspects)
	}
	q.Services = []string{"payment", "checkout"}
	if c := s.triage(q); len(c.Anomalies) != 2 || c.Services != 2 {
		t.Errorf("%d services, anomalies %+v", c.Services, c.Anomalies)
	}
	q.Services = []string{"nonesuch"}
	if c := s.triage(q); c.Verdict != correlate.Inconclusive || missing(c, sources.Prometheus, correlate.MissingNoData) == nil {
		t.Errorf("%s, missing %+v", c.Verdict, c.Missing)
	}
}

// Logs alone tell what requests log no more, and in whose name.
func TestLogsAloneTellWhatRequestsLogNoMore(t *testing.T) {
	s := newShop(t, question)
	for i := range 60 {
		fields := sources.Labels{"trace_id": string(traceID(i)), "level": "info"}
		at := question.Baseline.From.Add(time.Duration(i%30) * 20 * time.Second)
		if i >= 30 {
			at = question.Window.From.Add(time.Duration(i%30) * 20 * time.Second)
		}
		s.logs.stored = append(s.logs.stored, record("checkout", at, "order begun", fields), record("payment", at, "charging a card", fields))
		if i < 30 {
			s.logs.stored = append(s.logs.stored, record("payment", at.Add(time.Second), "charged", fields))
		}
	}
	c := s.triageOf(sources.Set{Logs: s.logs, Ledger: s.ledger}, question)
	if c.Verdict != correlate.Anomalous || len(c.Suspects) != 1 || c.Suspects[0].Service != "payment" {
		t.Fatalf("%s, suspects %+v", c.Verdict, c.Suspects)
	}
	want := `0 % of requests to payment that begin with "charging a card" log "charged", and 100 % did (`
	f := c.Finding(c.Suspects[0].Findings[0])
	if !strings.HasPrefix(f.Statement, want) || len(f.Evidence) != 2 || f.Evidence[0].Backend != sources.Loki {
		t.Errorf("%s, by %+v", f.Statement, f.Evidence)
	}
}
