package correlate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources"
	"obs/sources/connect"
	"obs/sources/sandbox"
	simulation "obs/sources/sandbox/shop"
)

// embedded is the simulated shop with an incident, behind real APIs, and an explorer of
// it.
func embedded(t *testing.T, name string) (*correlate.Explorer, correlate.Question) {
	t.Helper()
	set, question := openShop(t, name)
	return correlate.NewExplorer(set, question), question
}

// openShop is the simulated shop with an incident, behind real APIs.
func openShop(t *testing.T, name string) (sources.Set, correlate.Question) {
	t.Helper()
	open, question := serveShop(t, name, renamed{})
	return open(), question
}

// serveShop serves that shop with names of its own. It is opened anew for each case, as a
// case counts the queries of its set.
func serveShop(t *testing.T, name string, as renamed) (open func() sources.Set, question correlate.Question) {
	t.Helper()
	scenarios := simulation.Scenarios()
	i := slices.IndexFunc(scenarios, func(s simulation.Scenario) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("no scenario %s", name)
	}
	simulated := simulation.New(scenarios[i], simulation.Options{Seed: 1, Now: noon})
	stores := sandbox.NewStores()
	as.Sink = stores.Sink()
	if err := simulated.Past(t.Context(), as); err != nil {
		t.Fatal(err)
	}
	server, err := sandbox.Serve(t.Context(), stores, sandbox.Options{Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	open = func() sources.Set {
		set, err := connect.Open(t.Context(), connect.Options{
			PrometheusURL: server.PrometheusURL, LokiURL: server.LokiURL, JaegerURL: server.JaegerURL,
			Getenv: func(string) string { return "" },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(set.Close)
		return set
	}
	return open, correlate.Question{Window: simulated.Window(), Baseline: simulated.Baseline()}
}

func TestTheShopWithASlowProvider(t *testing.T) {
	x, q := embedded(t, "latency")
	found := x.Triage(t.Context(), nil)
	if c := found.Cohorts; c == nil || c.Chosen != found.Trace.ID || len(c.Slow) < 10 || len(c.Normal) < 10 || len(c.Work) == 0 {
		t.Errorf("the triage compared %+v", c)
	}
	asked := len(x.Queries())
	about := correlate.Subject{Service: "payment"}
	view := x.Metric(t.Context(), about)
	if view.Anomaly == nil || view.Anomaly.Direction != "up" || len(view.Missing) > 0 || view.High <= view.Low || len(view.Exemplars) == 0 || len(view.Exemplars) > 50 {
		t.Errorf("view %+v", view)
	}
	slow := slices.MaxFunc(view.Exemplars, func(a, b correlate.ExemplarPoint) int { return int(a.Value - b.Value) })
	if !q.Window.Contains(slow.Time) || slow.Value < 2 || slow.Operation == "" {
		t.Errorf("the slowest exemplar is %+v", slow)
	}
	if !slices.Contains(view.SplitBy, "pod") || slices.Contains(view.SplitBy, "le") {
		t.Errorf("split by %q", view.SplitBy)
	}
	split := x.Split(t.Context(), about, "pod")
	if len(split.Parts) != 2 || split.Parts[0].Reading.Verdict != correlate.Anomalous || len(split.Missing) > 0 {
		t.Errorf("split %+v", split)
	}
	traces := x.Traces(t.Context(), about)
	if len(traces.Slow) < 10 || len(traces.Normal) < 10 || traces.Chosen == "" || traces.Work[0].Service != "payment" {
		t.Errorf("%d slow, %d normal, work %+v, missing %+v", len(traces.Slow), len(traces.Normal), traces.Work, traces.Missing)
	}
	if !slices.ContainsFunc(traces.Differences, func(d correlate.Difference) bool {
		return slices.ContainsFunc(d.Attributes, func(a sources.Attribute) bool { return strings.Contains(a.Value, "eu-west") })
	}) {
		t.Errorf("the provider's region is not among the differences: %+v", traces.Differences)
	}
	if n := len(x.Queries()) - asked; n > 20 {
		t.Errorf("%d queries for three views", n)
	}
	// A service that is well has slow requests too.
	well := x.Traces(t.Context(), correlate.Subject{Service: "session"})
	if len(well.Slow) < 3 || len(well.Normal) < 3 || well.ThresholdSeconds <= 0 {
		t.Errorf("session: %d slow from %g s, %d normal, missing %+v", len(well.Slow), well.ThresholdSeconds, len(well.Normal), well.Missing)
	}
}

func TestTheShopWithACanary(t *testing.T) {
	x, q := embedded(t, "deploy")
	changes, lost := x.Changes(t.Context())
	if len(lost) > 0 {
		t.Errorf("missing %+v", lost)
	}
	want := []struct {
		service, text string
		minute        float64
	}{{"session", "1.8.7 → 1.9.0 on 1 of 3 instances", 5}, {"cart", "2.8.3 → 2.8.4 on all 2 instances", 10.5}}
	if len(changes) != len(want) {
		t.Fatalf("changes %+v", changes)
	}
	for i, w := range want {
		c := changes[i]
		late := c.Time.Sub(q.Window.From) - time.Duration(w.minute*float64(time.Minute))
		if c.Kind != correlate.ChangeVersion || c.Service != w.service || c.Text != w.text || late < 0 || late > 90*time.Second {
			t.Errorf("change %+v, %s late; want %+v", c, late, w)
		}
	}
	split := x.Split(t.Context(), correlate.Subject{Service: "session", Signal: "errors"}, "service_version")
	if len(split.Parts) != 2 || split.Parts[0].Value != "1.9.0" || split.Parts[0].Reading.Window < 0.2 || split.Parts[1].Reading.Verdict != correlate.Healthy {
		t.Errorf("split %+v", split)
	}
	view := x.Metric(t.Context(), correlate.Subject{Service: "session", Signal: "errors"})
	if len(view.SplitBy) == 0 || view.SplitBy[0] != "service_version" || len(view.Changes) != 1 {
		t.Errorf("split by %q, changes %+v", view.SplitBy, view.Changes)
	}
	failing := x.Traces(t.Context(), correlate.Subject{Service: "session", Signal: "errors"})
	first := firstCause(failing)
	if first == nil || !slices.ContainsFunc(append(first.Attributes, asAttributes(first.Also)...), func(a sources.Attribute) bool {
		return a.Key == "service.version" && a.Value == "1.9.0"
	}) {
		t.Errorf("%d failing, %d others, differences %+v, missing %+v", len(failing.Slow), len(failing.Normal), failing.Differences, failing.Missing)
	}
}

func asAttributes(all []correlate.Condition) []sources.Attribute {
	attributes := make([]sources.Attribute, len(all))
	for i, c := range all {
		attributes[i] = sources.Attribute{Key: c.Key, Value: c.Value}
	}
	return attributes
}
