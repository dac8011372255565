package correlate_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources"
)

func TestATriageKeepsWhatItCompared(t *testing.T) {
	s := slowBank(t)
	tenants(s)
	c := s.triage(question)
	got := c.Cohorts
	if got == nil {
		t.Fatal("no cohorts")
	}
	if got.Subject != (correlate.Subject{Service: "checkout", Operation: "/pay", Signal: "latency"}) || got.Chosen != c.Trace.ID {
		t.Errorf("cohorts of %+v, chosen %s; the trace is %s", got.Subject, got.Chosen, c.Trace.ID)
	}
	if got.ThresholdSeconds < 0.2 || got.ThresholdSeconds > 2 || len(got.Slow) < 20 || len(got.Normal) != 20 || len(got.Missing) > 0 {
		t.Errorf("%d slow from %g s, %d normal, missing %+v", len(got.Slow), got.ThresholdSeconds, len(got.Normal), got.Missing)
	}
	for _, slow := range got.Slow {
		if slow.DurationSeconds < got.ThresholdSeconds || !window.Contains(slow.Start) || slow.SpanCount != 4 || slow.Services != 3 || slow.Root.Service != "checkout" {
			t.Errorf("slow: %+v", slow)
		}
	}
	for _, normal := range got.Normal {
		if normal.DurationSeconds >= got.ThresholdSeconds || !baseline.Contains(normal.Start) {
			t.Errorf("normal: %+v", normal)
		}
	}
	if len(got.Work) == 0 || got.Work[0].Service != "bank" || got.Work[0].SlowSeconds != 2 || got.Work[0].NormalSeconds != 0.06 {
		t.Errorf("work %+v", got.Work)
	}
	if !strings.Contains(got.Query, "minDuration=") || got.URL == "" {
		t.Errorf("query %s at %s", got.Query, got.URL)
	}
	first := firstCause(got)
	if first == nil || first.Attributes[0] != (sources.Attribute{Key: "tenant.id", Value: "big"}) || first.SlowShare != 1 || first.NormalShare != 0 || first.PValue > 0.001 {
		t.Errorf("differences %+v", got.Differences)
	}
}

// tenants makes requests that a slow bank holds up one tenant's.
func tenants(s *shop) {
	for i := range s.traces.stored {
		spans := s.traces.stored[i].Spans
		tenant := "small"
		if spans[0].Duration > time.Second || spans[0].Failed() {
			tenant = "big"
		}
		spans[0].Attributes = append(spans[0].Attributes, sources.Attribute{Key: "tenant.id", Value: tenant})
		spans[0].Attributes.Sort()
	}
}

func firstCause(c *correlate.Cohorts) *correlate.Difference {
	i := slices.IndexFunc(c.Differences, func(d correlate.Difference) bool { return !d.Symptom })
	if i < 0 {
		return nil
	}
	return &c.Differences[i]
}

func TestATriageOfFailingRequestsComparesThemWithOthers(t *testing.T) {
	s := failingBank(t)
	tenants(s)
	c := s.triage(question)
	got := c.Cohorts
	if got == nil || got.ThresholdSeconds != 0 || got.Subject.Signal != "errors" || len(got.Slow) != 15 || len(got.Normal) != 15 || len(got.Work) != 0 {
		t.Fatalf("cohorts %+v", got)
	}
	for i := range got.Slow {
		if got.Slow[i].ErrorCount == 0 || got.Normal[i].ErrorCount != 0 || !window.Contains(got.Normal[i].Start) {
			t.Errorf("failing %+v, other %+v", got.Slow[i], got.Normal[i])
		}
	}
	if first := firstCause(got); first == nil || first.Attributes[0].Key != "tenant.id" || first.SlowShare != 1 {
		t.Errorf("differences %+v", got.Differences)
	}
}

// busyShop stores so many requests of checkout in the window, of which each tenth takes
// from one to two seconds, and the others 100 ms or a little more. Its metrics say otherwise
// where p95 is another.
func busyShop(t *testing.T, n int, p95 float64) *shop {
	t.Helper()
	s := newShop(t, question, steady("checkout", "/pay", load{rate: 5, seconds: p95}))
	for i := range n {
		bank := 60*time.Millisecond + time.Duration(i)*time.Microsecond
		if i%10 == 3 {
			bank = time.Second + time.Second*time.Duration(i*7919%n)/time.Duration(n)
		}
		s.traces.stored = append(s.traces.stored, request(i, window.From.Add(time.Duration(i)*window.Duration()/time.Duration(n)), bank, false))
	}
	return s
}

func TestTracesOfAServiceThatIsWell(t *testing.T) {
	about := correlate.Subject{Service: "checkout"}
	check := func(name string, s *shop, got *correlate.Cohorts) {
		t.Helper()
		if got.Subject.Signal != "latency" || len(got.Slow) < 3 || len(got.Normal) < 20 || len(got.Differences) > 0 || got.Query == "" || got.URL == "" {
			t.Errorf("%s: %d slow, %d normal, differences %+v, query %s", name, len(got.Slow), len(got.Normal), got.Differences, got.Query)
		}
		for i, slow := range got.Slow {
			if slow.DurationSeconds < got.ThresholdSeconds || (i > 0 && slow.DurationSeconds > got.Slow[i-1].DurationSeconds) {
				t.Errorf("%s: slow from %g s: %+v", name, got.ThresholdSeconds, got.Slow)
				break
			}
		}
		for _, normal := range got.Normal {
			if normal.DurationSeconds > got.ThresholdSeconds || !window.Contains(normal.Start) {
				t.Errorf("%s: normal: %+v, slow from %g s", name, normal, got.ThresholdSeconds)
			}
		}
		if len(got.Work) == 0 || got.Work[0].Service != "bank" || got.Work[0].SlowSeconds <= got.Work[0].NormalSeconds {
			t.Errorf("%s: work %+v", name, got.Work)
		}
		i := slices.IndexFunc(got.Slow, func(s correlate.TraceSummary) bool { return s.ID == got.Chosen })
		if i <= 0 || i == len(got.Slow)-1 {
			t.Errorf("%s: chosen is number %d of %d", name, i, len(got.Slow))
		}
		if n := s.asked(sources.Jaeger); n > 7 {
			t.Errorf("%s: %d questions to Jaeger: %q", name, n, s.questions(sources.Jaeger))
		}
		roundTrip(t, got)
	}
	// Metrics say that 95 % of requests take less than so long.
	s := busyShop(t, 400, 0.3)
	got := correlate.NewExplorer(s.set(), question).Traces(t.Context(), about)
	check("by its p95", s, got)
	if len(got.Missing) > 0 || got.ThresholdSeconds < 0.25 || got.ThresholdSeconds > 0.5 || len(got.Slow) < 20 {
		t.Errorf("%d slow from %g s, missing %+v", len(got.Slow), got.ThresholdSeconds, got.Missing)
	}
	// They say so of less than what each takes, as the bounds of buckets may.
	s = busyShop(t, 400, 0.1)
	got = correlate.NewExplorer(s.set(), question).Traces(t.Context(), about)
	check("by too low a p95", s, got)
	if len(got.Slow) != 10 || len(got.Normal) != 90 || len(got.Missing) > 0 {
		t.Errorf("%d slow and %d normal, missing %+v", len(got.Slow), len(got.Normal), got.Missing)
	}

	s = busyShop(t, 400, 0.3)
	got = correlate.NewExplorer(sources.Set{Traces: s.traces, Ledger: s.ledger}, question).Traces(t.Context(), about)
	check("without metrics", s, got)
	if len(got.Slow) != 10 || len(got.Normal) != 90 || got.ThresholdSeconds < 1 || len(got.Missing) > 0 {
		t.Errorf("%d of 100 are slow, from %g s, missing %+v", len(got.Slow), got.ThresholdSeconds, got.Missing)
	}

	// With Prometheus down the traces are compared all the same, and it is said.
	s = busyShop(t, 400, 0.3)
	s.before = failing(down, sources.Prometheus)
	got = correlate.NewExplorer(s.set(), question).Traces(t.Context(), about)
	check("without an answer about metrics", s, got)
	if len(got.Missing) != 1 || got.Missing[0].Backend != sources.Prometheus || got.Missing[0].Kind != correlate.MissingFailed {
		t.Errorf("missing %+v", got.Missing)
	}
}

func roundTrip(t *testing.T, c *correlate.Cohorts) {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var again correlate.Cohorts
	if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(&again, c) || strings.Contains(string(text), ":null") {
		t.Errorf("it changes on its way through JSON, %v:\n%s", err, text)
	}
}

// A backend brings recent traces; the slowest are searched for.
func TestTheSlowestTracesAreFound(t *testing.T) {
	s := newShop(t, question, service{"checkout", "/pay", load{rate: 5, seconds: 0.1}, load{rate: 5, seconds: 2.04}})
	var slowest []sources.TraceID
	for i := range 300 {
		bank := time.Second + time.Duration(i*7919%300)*time.Millisecond
		if i == 5 || i == 9 {
			bank = time.Minute + time.Duration(i)*time.Second
			slowest = append(slowest, traceID(i))
		}
		s.traces.stored = append(s.traces.stored, request(i, noon.Add(time.Duration(i)*5*time.Second), bank, false))
	}
	for i := 300; i < 340; i++ {
		s.traces.stored = append(s.traces.stored, request(i, baseline.From.Add(time.Duration(i)*3*time.Second), 60*time.Millisecond, false))
	}
	got := correlate.NewExplorer(s.set(), question).Traces(t.Context(), correlate.Subject{Service: "checkout", Operation: "/pay"})
	if len(got.Slow) < 2 || got.Slow[0].ID != slowest[1] || got.Slow[1].ID != slowest[0] || len(got.Missing) > 0 {
		t.Errorf("the slowest are %+v, missing %+v", got.Slow[:min(3, len(got.Slow))], got.Missing)
	}
	if len(got.Normal) != 20 || !baseline.Contains(got.Normal[0].Start) {
		t.Errorf("normal %+v", got.Normal)
	}
	chosen := got.Slow[slices.IndexFunc(got.Slow, func(s correlate.TraceSummary) bool { return s.ID == got.Chosen })]
	if chosen.DurationSeconds > 2 {
		t.Errorf("chosen is %+v, which is no typical one", chosen)
	}
	if n := s.asked(sources.Jaeger); n > 7 {
		t.Errorf("%d questions to Jaeger: %q", n, s.questions(sources.Jaeger))
	}
}

func TestFailingTracesOfASubject(t *testing.T) {
	s := failingBank(t)
	tenants(s)
	x := correlate.NewExplorer(s.set(), question)
	got := x.Traces(t.Context(), correlate.Subject{Service: "payment", Signal: "errors"})
	if len(got.Slow) != 15 || len(got.Normal) != 15 || got.ThresholdSeconds != 0 || len(got.Missing) > 0 || got.Chosen != got.Slow[0].ID {
		t.Fatalf("cohorts %+v", got)
	}
	if first := firstCause(got); first == nil || first.Attributes[0].Key != "tenant.id" {
		t.Errorf("differences %+v", got.Differences)
	}
	roundTrip(t, got)

	s = slowBank(t)
	got = correlate.NewExplorer(s.set(), question).Traces(t.Context(), correlate.Subject{Service: "payment", Signal: "errors"})
	if len(got.Slow) > 0 || len(got.Missing) != 1 || !strings.Contains(got.Missing[0].Reason, "no failing trace of payment") {
		t.Errorf("cohorts %+v", got)
	}
	roundTrip(t, got)

	// Of traffic the window is held against the baseline.
	got = correlate.NewExplorer(s.set(), question).Traces(t.Context(), correlate.Subject{Service: "payment", Signal: "traffic"})
	if len(got.Slow) != 20 || len(got.Normal) != 20 || !window.Contains(got.Slow[0].Start) || !baseline.Contains(got.Normal[0].Start) {
		t.Errorf("cohorts %+v", got)
	}
}

func TestTracesThatAreNotThere(t *testing.T) {
	s := slowBank(t)
	x := correlate.NewExplorer(s.set(), question)
	got := x.Traces(t.Context(), correlate.Subject{Service: "nonesuch"})
	if len(got.Missing) != 1 || got.Missing[0].Kind != correlate.MissingNoData || !strings.Contains(got.Missing[0].Reason, "no trace of nonesuch") {
		t.Errorf("missing %+v", got.Missing)
	}
	roundTrip(t, got)
	// An operation of another name: those of the service, and it is said.
	got = x.Traces(t.Context(), correlate.Subject{Service: "checkout", Operation: "/other"})
	if len(got.Slow) == 0 || len(got.Missing) != 1 || !strings.Contains(got.Missing[0].Reason, "no trace of checkout /other") {
		t.Errorf("%d slow, missing %+v", len(got.Slow), got.Missing)
	}

	s = slowBank(t)
	s.before = failing(down, sources.Jaeger)
	got = correlate.NewExplorer(s.set(), question).Traces(t.Context(), correlate.Subject{Service: "checkout"})
	if len(got.Slow) > 0 || len(got.Missing) != 1 || got.Missing[0].Backend != sources.Jaeger || got.Missing[0].Kind != correlate.MissingFailed {
		t.Errorf("missing %+v", got.Missing)
	}
	got = correlate.NewExplorer(sources.Set{}, question).Traces(t.Context(), correlate.Subject{Service: "checkout"})
	if len(got.Missing) != 1 || got.Missing[0].Kind != correlate.MissingNotConfigured {
		t.Errorf("missing %+v", got.Missing)
	}
}
