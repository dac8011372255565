package correlate_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.uber.org/goleak"

	"obs/correlate"
	"obs/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The shop's incident begins at noon: what was before is the baseline.
var (
	noon     = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	baseline = sources.Window{From: noon.Add(-30 * time.Minute), To: noon}
	window   = sources.Window{From: noon, To: noon.Add(30 * time.Minute)}
	question = correlate.Question{Window: window, Baseline: baseline}
)

// load is what a service does: requests a second, how long each takes, and how many fail.
type load struct {
	rate, seconds, failing float64
}

// service is one with its load before and after the turn of its incident.
type service struct {
	name, operation string
	before, after   load
}

const duration = "http_server_request_duration_seconds"

var buckets = []float64{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5}

// metrics are the service's series as OpenTelemetry's HTTP instrumentation has them,
// collected from ten minutes before the baseline until the window's end.
func (s service) metrics(q correlate.Question) []counter {
	var all []counter
	add := func(name string, before, after float64, more ...string) {
		if before == 0 && after == 0 {
			return
		}
		from := q.Baseline.From.Add(-10 * time.Minute)
		pairs := append([]string{"__name__", name, "service_name", s.name, "http_route", s.operation}, more...)
		all = append(all, counter{
			labels: labels.FromStrings(pairs...), from: from, turn: q.Window.From,
			count: int(q.Window.To.Sub(from)/collected) + 1, before: before, after: after,
		})
	}
	within := func(l load, le float64) float64 {
		if l.seconds > le {
			return 0
		}
		return l.rate
	}
	for _, code := range []string{"200", "500"} {
		share := func(l load) float64 {
			if code == "500" {
				return l.failing
			}
			return 1 - l.failing
		}
		status := []string{"http_response_status_code", code}
		for _, le := range buckets {
			bound := strconv.FormatFloat(le, 'f', -1, 64)
			add(duration+"_bucket", within(s.before, le)*share(s.before), within(s.after, le)*share(s.after), append(status, "le", bound)...)
		}
		add(duration+"_bucket", s.before.rate*share(s.before), s.after.rate*share(s.after), append(status, "le", "+Inf")...)
		add(duration+"_count", s.before.rate*share(s.before), s.after.rate*share(s.after), status...)
		add(duration+"_sum", s.before.rate*s.before.seconds*share(s.before), s.after.rate*s.after.seconds*share(s.after), status...)
	}
	return all
}

// steady is a load that does not change.
func steady(name, operation string, l load) service { return service{name, operation, l, l} }

// shop is the three backends of a shop whose checkout calls payment, which calls a bank.
// Its traces and records are those of one request a minute.
type shop struct {
	*trial
	metrics *fakeMetrics
	traces  *fakeTraces
	logs    *fakeLogs
}

// newShop is a shop with these services, whose requests take and fail as the functions
// say.
func newShop(t *testing.T, q correlate.Question, services ...service) *shop {
	t.Helper()
	tr := &trial{t: t, ledger: &sources.Ledger{Now: func() time.Time { return noon }}}
	s := &shop{trial: tr, metrics: &fakeMetrics{trial: tr}, traces: &fakeTraces{trial: tr}, logs: &fakeLogs{trial: tr}}
	for _, service := range services {
		s.metrics.series = append(s.metrics.series, service.metrics(q)...)
	}
	return s
}

func (s *shop) set() sources.Set {
	return sources.Set{Metrics: s.metrics, Traces: s.traces, Logs: s.logs, Ledger: s.ledger}
}

// triage asks all three backends, and checks what holds of every case.
func (s *shop) triage(q correlate.Question) *correlate.Case {
	s.t.Helper()
	return s.triageOf(s.set(), q)
}

func (s *shop) triageOf(set sources.Set, q correlate.Question) *correlate.Case {
	s.t.Helper()
	c := correlate.Triage(s.t.Context(), set, q, nil)
	wellFormed(s.t, c)
	return c
}

// asked counts the questions that a backend got.
func (s *shop) asked(backend sources.Backend) int {
	return len(s.questions(backend))
}

func (s *shop) questions(backend sources.Backend) []string {
	var texts []string
	for _, q := range s.ledger.Queries() {
		if q.Backend == backend {
			texts = append(texts, q.Text)
		}
	}
	return texts
}

func traceID(n int) sources.TraceID {
	return sources.TraceID(fmt.Sprintf("4bf92f3577b34da6a3ce929d0e%06x", n))
}

func spanID(n int) sources.SpanID { return sources.SpanID(fmt.Sprintf("%016x", n)) }

// The parts of a request.
const (
	checkoutSpan = iota + 1
	callSpan
	paymentSpan
	bankSpan
)

// request is the trace of one request: checkout calls payment, which calls a bank that
// takes the time that the bank takes.
func request(n int, at time.Time, bank time.Duration, failing bool) sources.Trace {
	id := traceID(n)
	span := func(number, parent int, service, operation string, kind sources.Kind, start, duration time.Duration) sources.Span {
		s := sources.Span{
			TraceID: id, ID: spanID(16*n + number), Service: service, Operation: operation, Kind: kind,
			Status: sources.StatusUnset, Start: at.Add(start), Duration: duration,
		}
		if parent > 0 {
			s.ParentID = spanID(16*n + parent)
		}
		if failing {
			s.Status, s.StatusMessage = sources.StatusError, "failed: "+service
		}
		return s
	}
	const ms = time.Millisecond
	return sources.Trace{ID: id, Spans: []sources.Span{
		span(checkoutSpan, 0, "checkout", "/pay", sources.KindServer, 0, bank+40*ms),
		span(callSpan, checkoutSpan, "checkout", "POST", sources.KindClient, 10*ms, bank+20*ms),
		span(paymentSpan, callSpan, "payment", "/authorize", sources.KindServer, 15*ms, bank+10*ms),
		span(bankSpan, paymentSpan, "bank", "transfer", sources.KindClient, 20*ms, bank),
	}}
}

// exemplar is that of a request in the series of the service that took so long.
func exemplar(s service, id sources.TraceID, seconds float64, at time.Time) sources.Exemplar {
	le := "+Inf"
	for _, bound := range slices.Backward(buckets) {
		if seconds <= bound {
			le = strconv.FormatFloat(bound, 'f', -1, 64)
		}
	}
	return sources.Exemplar{
		Series: sources.Labels{
			"__name__": duration + "_bucket", "service_name": s.name, "http_route": s.operation,
			"http_response_status_code": "200", "le": le,
		},
		Labels: sources.Labels{"trace_id": string(id)}, Value: seconds, Time: at,
	}
}

// record is one of a service, with whatever IDs its metadata carries.
func record(service string, at time.Time, line string, metadata sources.Labels) sources.Record {
	return sources.Record{Time: at, Stream: sources.Labels{"service_name": service}, Metadata: metadata, Line: line}
}

// slowBank is the shop in whose incident the bank, which sends no metrics, takes two
// seconds instead of 60 ms, and payment and checkout with it.
func slowBank(t *testing.T) *shop {
	t.Helper()
	payment := service{"payment", "/authorize", load{rate: 5, seconds: 0.08}, load{rate: 5, seconds: 2.01}}
	checkout := service{"checkout", "/pay", load{rate: 5, seconds: 0.1}, load{rate: 5, seconds: 2.04}}
	s := newShop(t, question, payment, checkout, steady("cart", "/add", load{rate: 20, seconds: 0.02}))
	for minute := range 60 {
		bank := 60 * time.Millisecond
		if minute >= 30 {
			bank = 2 * time.Second
		}
		s.happens(minute, bank, false)
	}
	for minute := 30; minute < 60; minute++ {
		at := minuteOf(minute).Add(2040 * time.Millisecond)
		s.metrics.exemplars = append(s.metrics.exemplars,
			exemplar(payment, traceID(minute), 2.01, at), exemplar(checkout, traceID(minute), 2.04, at))
	}
	return s
}

func minuteOf(n int) time.Time {
	return baseline.From.Add(time.Duration(n)*time.Minute + 30*time.Second)
}

// happens stores a request of the minute with its records: payment's has the span's ID in
// its metadata, and checkout's the trace's in its line.
func (s *shop) happens(minute int, bank time.Duration, failing bool) {
	at := minuteOf(minute)
	trace := request(minute, at, bank, failing)
	s.traces.stored = append(s.traces.stored, trace)
	level, line := "info", "authorized"
	if failing || bank > time.Second {
		level, line = "error", "bank timeout, gave up"
	}
	s.logs.stored = append(s.logs.stored,
		record("payment", at.Add(bank), line, sources.Labels{
			"trace_id": string(trace.ID), "span_id": string(spanID(16*minute + paymentSpan)), "level": level,
		}),
		record("checkout", at.Add(bank+30*time.Millisecond), fmt.Sprintf(`{"msg":"paid","trace_id":%q}`, trace.ID), nil),
		record("cart", at, "added", nil),
	)
}

// wellFormed checks what holds of every case, whatever was found.
func wellFormed(t *testing.T, c *correlate.Case) {
	t.Helper()
	known := map[string]bool{}
	for _, f := range c.Findings {
		known[f.ID] = true
		if f.Statement == "" || len(f.Evidence) == 0 {
			t.Errorf("finding %s rests on nothing: %q", f.ID, f.Statement)
		}
		for _, e := range f.Evidence {
			checkEvidence(t, e)
		}
	}
	refers := func(where string, ids []string) {
		for _, id := range ids {
			if !known[id] {
				t.Errorf("%s refers to %s, which is no finding", where, id)
			}
		}
	}
	if a := c.Answers; a != nil {
		for name, answer := range map[string]correlate.Answer{
			"what changed": a.WhatChanged, "affected flow": a.AffectedFlow, "where time goes": a.WhereTimeGoes,
			"failing dependency": a.FailingDependency, "scope": a.Scope,
		} {
			refers(name, answer.Findings)
			if answer.Text != "" && len(answer.Findings) == 0 {
				t.Errorf("%s rests on nothing: %q", name, answer.Text)
			}
		}
	}
	for i, s := range c.Suspects {
		refers("suspect "+s.Service, s.Findings)
		refers("against suspect "+s.Service, s.Against)
		if s.Score <= 0 || s.Score > 1 || (i > 0 && s.Score > c.Suspects[i-1].Score) {
			t.Errorf("suspects out of order, or a score beyond 0 to 1: %+v", c.Suspects)
		}
	}
	if c.Verdict == correlate.Healthy && len(c.Suspects) > 0 {
		t.Errorf("a healthy window with suspects: %+v", c.Suspects)
	}
	for _, a := range c.Anomalies {
		refers("anomaly of "+a.Service, a.Findings)
	}
	for _, h := range c.Hops {
		if h.From == "" || h.To == "" || h.Join == "" || h.Evidence == nil {
			t.Errorf("a hop without ends, join or evidence: %+v", h)
			continue
		}
		if !h.Join.Weak() && h.ID == "" {
			t.Errorf("a hop by %s without an ID: %+v", h.Join, h)
		}
		if h.From == "trace" && h.Join.Weak() && c.Trace == nil {
			t.Errorf("a hop from a trace that is not there: %+v", h)
		}
		checkEvidence(t, *h.Evidence)
	}
	for _, m := range c.Missing {
		if m.Reason == "" || m.Kind == "" {
			t.Errorf("something is missing without saying what: %+v", m)
		}
	}
	for _, q := range c.Queries {
		if q.Status == sources.QueryRunning {
			t.Errorf("still running: %+v", q)
		}
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var again correlate.Case
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&again, c) {
		second, _ := json.Marshal(&again)
		t.Errorf("the case changes on its way through JSON:\n%s\n%s", text, second)
	}
	if strings.Contains(string(text), ":null") {
		t.Errorf("the case has nulls:\n%s", text)
	}
}

func checkEvidence(t *testing.T, e correlate.Evidence) {
	t.Helper()
	if e.Backend == "" || e.Query == "" || e.URL == "" || e.Window.IsZero() {
		t.Errorf("evidence without backend, query, window or link: %+v", e)
	}
	if e.Backend == sources.Prometheus {
		if _, err := parser.ParseExpr(e.Query); err != nil {
			t.Errorf("evidence that cannot be asked again: %s: %v", e.Query, err)
		}
	}
}

// hop is the first of the case's hops to this end.
func hop(c *correlate.Case, to string) *correlate.Hop {
	i := slices.IndexFunc(c.Hops, func(h correlate.Hop) bool { return h.To == to })
	if i < 0 {
		return nil
	}
	return &c.Hops[i]
}

// missing is the case's first missing part of this backend and kind.
func missing(c *correlate.Case, backend sources.Backend, kind string) *correlate.Missing {
	i := slices.IndexFunc(c.Missing, func(m correlate.Missing) bool { return m.Backend == backend && m.Kind == kind })
	if i < 0 {
		return nil
	}
	return &c.Missing[i]
}
