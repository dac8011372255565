package correlate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"obs/correlate"
	"obs/sources"
)

func TestMetricOfASubject(t *testing.T) {
	s := slowBank(t)
	s.metrics.gauges = []gauge{
		instanceOf("checkout", "1.8.2", longAgo, noon), instanceOf("checkout", "1.8.3", noon, atLast),
		instanceOf("cart", "2", longAgo, noon), instanceOf("cart", "3", noon, atLast),
	}
	x := correlate.NewExplorer(s.set(), question)
	view := x.Metric(t.Context(), correlate.Subject{Service: "checkout"})
	if len(view.Missing) > 0 {
		t.Errorf("missing %+v", view.Missing)
	}
	if view.Subject.Signal != "latency" || view.Metric != duration+"_bucket" || view.Unit != "seconds" || view.StepSeconds != 30 {
		t.Errorf("view %+v", view)
	}
	if _, err := parser.ParseExpr(view.Query); err != nil || !strings.Contains(view.Query, `service_name="checkout"`) || view.URL != "http://prometheus/"+view.Query {
		t.Errorf("query %s at %s: %v", view.Query, view.URL, err)
	}
	if n := len(view.Samples); n < 110 || n > 122 || !slices.IsSortedFunc(view.Samples, func(a, b sources.Sample) int { return a.Time.Compare(b.Time) }) {
		t.Errorf("%d samples of an hour", n)
	}
	// Half a bucket is 95 ms, and half as slow again is unusual.
	if view.Low <= 0 || view.Low > 0.095 || view.High < 0.14 || view.High > 0.15 {
		t.Errorf("usual is %g to %g", view.Low, view.High)
	}
	a := view.Anomaly
	if a == nil || a.Direction != "up" || a.Service != "checkout" || a.BaselineValue > 0.1 || a.WindowValue < 2 || a.Onset.Before(noon) || a.Guessed {
		t.Errorf("anomaly %+v", a)
	}
	if len(view.Exemplars) != 30 {
		t.Errorf("%d exemplars", len(view.Exemplars))
	}
	for i, e := range view.Exemplars {
		if e.TraceID != traceID(30+i) || e.Value != 2.04 || e.Operation != "/pay" || !window.Contains(e.Time) {
			t.Errorf("exemplar %+v", e)
		}
	}
	if len(view.Changes) != 1 || view.Changes[0].Text != "1.8.2 → 1.8.3" {
		t.Errorf("changes %+v", view.Changes)
	}
	if len(view.SplitBy) != 0 {
		t.Errorf("split by %q, of which there is one value", view.SplitBy)
	}
	if _, err := json.Marshal(view); err != nil {
		t.Error(err)
	}

	// Once surveyed, a further metric costs little.
	before := s.asked(sources.Prometheus)
	well := x.Metric(t.Context(), correlate.Subject{Service: "shop/Cart"})
	if well.Anomaly != nil || len(well.Missing) > 0 || len(well.Samples) < 110 || len(well.Exemplars) != 0 {
		t.Errorf("a metric that is well: %+v", well)
	}
	if n := s.asked(sources.Prometheus) - before; n > 3 {
		t.Errorf("%d more questions: %q", n, s.questions(sources.Prometheus)[before:])
	}
}

func instanceOf(service, version string, from, to time.Time) gauge {
	return during(from, to, 1, "__name__", "target_info", "job", service, "service_version", version, "instance", version)
}

func TestMetricOfAnOperationAndOfOtherSignals(t *testing.T) {
	s := newShop(t, question,
		service{"checkout", "/pay", load{rate: 5, seconds: 0.1}, load{rate: 5, seconds: 2.04, failing: 0.3}},
		steady("checkout", "/basket", load{rate: 5, seconds: 0.02}))
	x := correlate.NewExplorer(s.set(), question)
	// A triage narrows what it walks from; what is asked afterwards is not narrowed by it.
	x.Triage(t.Context(), nil)
	tests := []struct {
		about     correlate.Subject
		metric    string
		unit      string
		anomalous bool
		in        string // the query
		not       string
	}{
		{correlate.Subject{Service: "checkout", Operation: "/pay"}, duration + "_bucket", "seconds", true, `http_route="/pay"`, ""},
		{correlate.Subject{Service: "checkout", Operation: "POST /pay"}, duration + "_bucket", "seconds", true, `http_route="/pay"`, ""},
		{correlate.Subject{Service: "checkout", Operation: "/basket"}, duration + "_bucket", "seconds", false, `http_route="/basket"`, ""},
		{correlate.Subject{Service: "checkout"}, duration + "_bucket", "seconds", true, `service_name="checkout"`, "http_route"},
		{correlate.Subject{Service: "checkout", Signal: "errors"}, duration + "_count", "ratio", true, `code=~"5.."`, "http_route"},
		{correlate.Subject{Service: "checkout", Signal: "traffic"}, duration + "_count", "requests/s", false, "rate(", "http_route"},
	}
	for _, test := range tests {
		view := x.Metric(t.Context(), test.about)
		if view.Metric != test.metric || view.Unit != test.unit || (view.Anomaly != nil) != test.anomalous || len(view.Samples) < 100 || len(view.Missing) > 0 {
			t.Errorf("%+v: %s in %q, anomaly %+v, %d samples, missing %+v", test.about, view.Metric, view.Unit, view.Anomaly, len(view.Samples), view.Missing)
		}
		if !strings.Contains(view.Query, test.in) || (test.not != "" && strings.Contains(view.Query, test.not)) {
			t.Errorf("%+v: query %s", test.about, view.Query)
		}
	}
	if view := x.Metric(t.Context(), correlate.Subject{Service: "checkout"}); !slices.Equal(view.SplitBy, []string{"http_route", "http_response_status_code"}) {
		t.Errorf("split by %q", view.SplitBy)
	}
	if view := x.Metric(t.Context(), correlate.Subject{Service: "checkout", Operation: "/pay"}); !slices.Equal(view.SplitBy, []string{"http_response_status_code"}) {
		t.Errorf("an operation is split by %q", view.SplitBy)
	}
}

func TestNoSuchMetric(t *testing.T) {
	s := slowBank(t)
	x := correlate.NewExplorer(s.set(), question)
	for _, test := range []struct {
		about correlate.Subject
		want  string
	}{
		{correlate.Subject{Service: "nonesuch"}, "no metric tells the latency of nonesuch"},
		{correlate.Subject{Service: "checkout", Operation: "/nowhere"}, "no metric tells the latency of checkout by operation /nowhere"},
		{correlate.Subject{Service: "checkout", Signal: "saturation"}, "no metric tells the saturation of checkout"},
	} {
		view, split := x.Metric(t.Context(), test.about), x.Split(t.Context(), test.about, "pod")
		for _, lost := range [][]correlate.Missing{view.Missing, split.Missing} {
			if len(lost) != 1 || lost[0].Kind != correlate.MissingNoData || lost[0].Reason != test.want || lost[0].Hint == "" {
				t.Errorf("%+v: missing %+v", test.about, lost)
			}
		}
		if view.Query != "" || view.Samples == nil || view.Exemplars == nil || view.Changes == nil || view.SplitBy == nil || split.Parts == nil {
			t.Errorf("%+v: %+v", test.about, view)
		}
	}
}

func TestMetricOfABackendThatIsDown(t *testing.T) {
	s := slowBank(t)
	s.before = failing(down, sources.Prometheus)
	x := correlate.NewExplorer(s.set(), question)
	view, split := x.Metric(t.Context(), correlate.Subject{Service: "checkout"}), x.Split(t.Context(), correlate.Subject{Service: "checkout"}, "pod")
	for _, lost := range [][]correlate.Missing{view.Missing, split.Missing} {
		if len(lost) != 1 || lost[0].Backend != sources.Prometheus || lost[0].Kind != correlate.MissingFailed || lost[0].Hint == "" {
			t.Errorf("missing %+v", lost)
		}
	}
	// It is asked again when it is back.
	s.before = nil
	if view := x.Metric(t.Context(), correlate.Subject{Service: "checkout"}); len(view.Missing) > 0 || view.Anomaly == nil {
		t.Errorf("when it is back: missing %+v", view.Missing)
	}
	if view := correlate.NewExplorer(sources.Set{}, question).Metric(t.Context(), correlate.Subject{Service: "checkout"}); len(view.Missing) != 1 || view.Missing[0].Kind != correlate.MissingNotConfigured {
		t.Errorf("without an address: missing %+v", view.Missing)
	}
}

func TestExemplarsAreTheSlowestAndSomeOthers(t *testing.T) {
	s := slowBank(t)
	s.metrics.exemplars = nil
	checkout := service{name: "checkout", operation: "/pay"}
	for n := range 400 {
		took := 0.05
		if n < 40 {
			took = 1 + float64(n)/100
		}
		s.metrics.exemplars = append(s.metrics.exemplars, exemplar(checkout, traceID(n), took, noon.Add(time.Duration(n)*4*time.Second)))
	}
	view := correlate.NewExplorer(s.set(), question).Metric(t.Context(), correlate.Subject{Service: "checkout"})
	if len(view.Exemplars) != 50 {
		t.Fatalf("%d exemplars", len(view.Exemplars))
	}
	slow, late := 0, 0
	seen := map[sources.TraceID]bool{}
	for i, e := range view.Exemplars {
		if seen[e.TraceID] || (i > 0 && e.Time.Before(view.Exemplars[i-1].Time)) {
			t.Errorf("twice or out of order: %+v", e)
		}
		seen[e.TraceID] = true
		if e.Value > 1.1 {
			slow++
		}
		if e.Time.After(noon.Add(20 * time.Minute)) {
			late++
		}
	}
	if slow < 25 || late < 5 {
		t.Errorf("%d of the slowest, %d from the last minutes", slow, late)
	}
}

func TestSplit(t *testing.T) {
	// Of the versions of checkout one is slow; of 20 pods all are well.
	s := newShop(t, question)
	add := func(pairs []string, l service) {
		for _, c := range l.metrics(question) {
			c.labels = withLabels(c.labels, pairs...)
			s.metrics.series = append(s.metrics.series, c)
		}
	}
	add([]string{"version", "1.8.2", "pod", "p0"}, steady("checkout", "/pay", load{rate: 5, seconds: 0.1}))
	add([]string{"version", "1.8.3", "pod", "p1"}, service{"checkout", "/pay", load{}, load{rate: 5, seconds: 2}})
	add([]string{"version", "1.8.4", "pod", "p2"}, service{"checkout", "/pay", load{rate: 5, seconds: 0.1}, load{rate: 5, seconds: 4}})
	for n := range 20 {
		add([]string{"pod", fmt.Sprintf("q%02d", n)}, steady("cart", "/add", load{rate: 5, seconds: 0.1}))
	}
	x := correlate.NewExplorer(s.set(), question)
	view := x.Split(t.Context(), correlate.Subject{Service: "checkout"}, "version")
	if len(view.Parts) != 3 || len(view.Missing) > 0 || !strings.Contains(view.Query, "by (le, service_name, version)") {
		t.Fatalf("%+v", view)
	}
	for i, want := range []struct {
		value   string
		verdict correlate.Verdict
	}{{"1.8.4", correlate.Anomalous}, {"1.8.3", correlate.Anomalous}, {"1.8.2", correlate.Healthy}} {
		p := view.Parts[i]
		if p.Value != want.value || p.Reading.Verdict != want.verdict && want.value != "1.8.3" || len(p.Reading.Samples) < 50 || p.Reading.Unit != "seconds" {
			t.Errorf("part %d is %s, %s, with %d samples; want %+v", i, p.Value, p.Reading.Verdict, len(p.Reading.Samples), want)
		}
		again, err := s.metrics.Range(t.Context(), p.Reading.Query, window, time.Minute)
		if err != nil || len(again.Series) != 1 {
			t.Errorf("its query %s gives %d series, %v", p.Reading.Query, len(again.Series), err)
		}
	}
	if r := view.Parts[0].Reading; r.Direction != "up" || r.Baseline > 0.1 || r.Window < 2.5 {
		t.Errorf("reading %+v", r)
	}
	view = x.Split(t.Context(), correlate.Subject{Service: "cart"}, "pod")
	if len(view.Parts) != 12 || len(view.Missing) != 1 || view.Missing[0].Kind != correlate.MissingTruncated || !strings.Contains(view.Missing[0].Reason, "8 of 20 values of pod") {
		t.Errorf("%d parts, missing %+v", len(view.Parts), view.Missing)
	}
	before := s.asked(sources.Prometheus)
	view = x.Split(t.Context(), correlate.Subject{Service: "cart"}, `a"} or {b="`)
	if len(view.Parts) != 0 || len(view.Missing) != 1 || view.Missing[0].Kind != correlate.MissingNoData {
		t.Errorf("a label that is not there: %+v", view)
	}
	if n := s.asked(sources.Prometheus) - before; n > 2 {
		t.Errorf("%d questions for a split", n)
	}
	if got := x.Metric(t.Context(), correlate.Subject{Service: "checkout"}).SplitBy; !slices.Equal(got, []string{"version", "pod"}) {
		t.Errorf("split by %q", got)
	}
}

// What was interrupted says so, and is asked again.
func TestViewsThatAreInterrupted(t *testing.T) {
	s := slowBank(t)
	x := correlate.NewExplorer(s.set(), question)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	about := correlate.Subject{Service: "checkout"}
	_, changes := x.Changes(ctx)
	for name, lost := range map[string][]correlate.Missing{
		"metric": x.Metric(ctx, about).Missing, "split": x.Split(ctx, about, "pod").Missing, "traces": x.Traces(ctx, about).Missing, "changes": changes,
	} {
		if !slices.ContainsFunc(lost, func(m correlate.Missing) bool { return m.Kind == correlate.MissingTimeout }) {
			t.Errorf("%s: missing %+v", name, lost)
		}
	}
	if view := x.Metric(t.Context(), about); view.Anomaly == nil || len(view.Missing) > 0 {
		t.Errorf("afterwards: %+v", view)
	}
}

// The chart of an anomaly that a case has is there without a backend, as it was.
func TestMetricOfASavedCase(t *testing.T) {
	s := slowBank(t)
	found := correlate.Triage(t.Context(), s.set(), question, nil)
	if len(found.Anomalies) == 0 {
		t.Fatal("nothing departs")
	}
	text, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	var saved correlate.Case
	if err := json.Unmarshal(text, &saved); err != nil {
		t.Fatal(err)
	}
	a := &saved.Anomalies[0]
	view := correlate.NewSaved(&saved).Metric(t.Context(), correlate.Subject{Service: a.Service, Signal: a.Signal})
	if len(view.Missing) > 0 || view.Anomaly == nil || view.Anomaly.Service != a.Service || view.Query == "" || view.Unit != a.Unit || view.StepSeconds != 30 {
		t.Fatalf("%+v", view)
	}
	if n := len(view.Samples); n < 110 || n > 122 || !slices.IsSortedFunc(view.Samples, func(a, b sources.Sample) int { return a.Time.Compare(b.Time) }) {
		t.Errorf("%d samples of an hour", n)
	}
	if !(view.Low <= a.BaselineValue && a.BaselineValue <= view.High && view.High < a.WindowValue) {
		t.Errorf("usual is %g to %g, of %g and %g", view.Low, view.High, a.BaselineValue, a.WindowValue)
	}
	table := correlate.NewSaved(&saved).Services(t.Context(), correlate.PerService)
	i := slices.IndexFunc(table.Services, func(r correlate.ServiceRow) bool { return r.Service == a.Service })
	if i < 0 || len(table.Missing) != 1 {
		t.Fatalf("the table of the case: %+v", table)
	}
	if r := table.Services[i]; r.Verdict != correlate.Anomalous || r.P95 == nil || r.P95.Window != a.WindowValue || r.P95.Query != view.Query || len(r.P95.Samples) != len(view.Samples) {
		t.Errorf("its row: %+v", r)
	}
	for _, r := range correlate.NewSaved(&saved).Services(t.Context(), correlate.PerEndpoint).Services {
		if r.Operation == "" {
			t.Errorf("an endpoint without a name: %+v", r)
		}
	}
	other := correlate.NewSaved(&saved).Metric(t.Context(), correlate.Subject{Service: "nobody"})
	if len(other.Missing) != 1 || other.Missing[0].Kind != correlate.MissingNoData || len(other.Samples) > 0 {
		t.Errorf("of a service without an anomaly: %+v", other)
	}
}
