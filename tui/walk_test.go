package tui

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"

	"obs/correlate"
	"obs/sources"
	"obs/sources/connect"
	"obs/sources/sandbox"
	"obs/sources/sandbox/shop"
)

// served is the simulated shop behind real APIs, at noon.
func served(t testing.TB, name string) (*sandbox.Server, correlate.Question) {
	t.Helper()
	scenario, err := shop.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	simulated := shop.New(scenario, shop.Options{Seed: 1, Now: noon})
	stores := sandbox.NewStores()
	if err := simulated.Past(t.Context(), stores.Sink()); err != nil {
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
	return server, correlate.Question{Window: simulated.Window(), Baseline: simulated.Baseline()}
}

// incident are options for the shop, with some of its backends elsewhere.
func incident(t testing.TB, server *sandbox.Server, q correlate.Question, elsewhere map[sources.Backend]string) Options {
	t.Helper()
	addresses := map[sources.Backend]string{sources.Prometheus: server.PrometheusURL, sources.Loki: server.LokiURL, sources.Jaeger: server.JaegerURL}
	for backend, address := range elsewhere {
		addresses[backend] = address
	}
	set, err := connect.Open(t.Context(), connect.Options{
		PrometheusURL: addresses[sources.Prometheus], LokiURL: addresses[sources.Loki], JaegerURL: addresses[sources.Jaeger],
		Getenv: func(string) string { return "" }, Ledger: &sources.Ledger{},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(set.Close)
	return Options{
		Title: "triage", NoColor: true,
		Open: func(context.Context, correlate.Observer) Explorer { return correlate.NewExplorer(set, q) },
		Work: func(ctx context.Context, x Explorer, observe correlate.Observer) *correlate.Case {
			return x.(*correlate.Explorer).Triage(ctx, observe)
		},
	}
}

// Enter four times goes from the anomaly to the log line, in each incident that has one; and
// once more in its case, opened from a file.
func TestTheWalkOfEachScenario(t *testing.T) {
	for _, scenario := range shop.Scenarios()[:walked] {
		t.Run(scenario.Name, func(t *testing.T) {
			server, q := served(t, scenario.Name)
			d := drive(t, incident(t, server, q, nil), 120, 40)
			d.on(onOverview)
			d.shows(strings.ToUpper(string(d.found.Verdict)))
			if len(d.waits()) > 0 {
				t.Errorf("still waits for %q", d.waits())
			}
			for _, row := range d.stack[0].(*overview).table.Services[:3] {
				d.shows(row.Service)
			}
			if d.found.Verdict == correlate.Anomalous {
				fourEnters(t, d)
			}
			saved := drive(t, opened(t, d.found), 120, 40)
			saved.on(onOverview)
			saved.shows(strings.ToUpper(string(d.found.Verdict)))
			if d.found.Verdict == correlate.Anomalous {
				saved.shows(d.found.Anomalies[0].Service)
				fourEnters(t, saved)
			}
		})
	}
}

// opened are the options for a case that was saved, without any backend.
func opened(t *testing.T, found *correlate.Case) Options {
	t.Helper()
	text, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	saved := &correlate.Case{}
	if err := json.Unmarshal(text, saved); err != nil {
		t.Fatal(err)
	}
	return Options{
		Title: "triage, saved", NoColor: true,
		Open: func(context.Context, correlate.Observer) Explorer { return correlate.NewSaved(saved) },
		Work: func(context.Context, Explorer, correlate.Observer) *correlate.Case { return saved },
	}
}

// fourEnters goes from the overview of an incident to a line of its log.
func fourEnters(t *testing.T, d *driver) {
	t.Helper()
	first := d.found.Anomalies[0]
	d.press("enter")
	d.on(onMetric)
	d.shows("› "+first.Service, "since ", "onset ")
	d.press("enter")
	d.on(onTraces)
	if d.found.Trace == nil {
		return // what failed left no trace: the screen says so
	}
	d.shows("◆", "what tells them apart")
	switch first.Signal {
	case "errors":
		d.shows("where they begin to fail")
	case "latency":
		d.shows("where the time goes")
	}
	d.press("enter")
	d.on(onTrace)
	d.shows(string(d.found.Trace.ID[:8]))
	if blamed := d.found.Trace.Span(d.found.Trace.Blamed); blamed != nil {
		d.shows(blamed.Service)
	}
	d.press("enter")
	d.on(onLogs)
	picked := d.top().picked()
	r := recordWith(d.found, picked.text)
	if r == nil {
		t.Fatalf("%q is no record of the trace", picked.text)
	}
	if r.TraceID != d.found.Trace.ID {
		t.Errorf("the record is of trace %s, want %s", r.TraceID, d.found.Trace.ID)
	}
	d.press("enter", "y")
	if d.copied != r.Line {
		t.Errorf("copied %q, want the line %q", d.copied, r.Line)
	}
}

func (d *driver) waits() []string {
	var all []string
	for _, s := range d.stack {
		all = append(all, s.base().waits()...)
	}
	return all
}

func recordWith(c *correlate.Case, line string) *correlate.Record {
	for i := range c.Records {
		if c.Records[i].Line == line {
			return &c.Records[i]
		}
	}
	return nil
}

// The screens of the demo, step by step, as the documentation shows them.
func TestWalkFrames(t *testing.T) {
	server, q := served(t, "latency")
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			d := drive(t, incident(t, server, q, nil), size[0], size[1])
			for i, name := range []string{"overview", "metric", "traces", "trace", "logs", "record"} {
				if i > 0 {
					d.press("enter")
				}
				t.Run(name, func(t *testing.T) { golden.RequireEqual(t, d.text()+"\n") })
			}
		})
	}
}

// Each backend down in turn: every screen still opens, and says what is missing.
func TestEachBackendDown(t *testing.T) {
	server, q := served(t, "latency")
	const nobody = "http://127.0.0.1:1" // a port that no program gets by chance
	for _, backend := range []sources.Backend{sources.Prometheus, sources.Jaeger, sources.Loki} {
		t.Run(string(backend), func(t *testing.T) {
			d := drive(t, incident(t, server, q, map[sources.Backend]string{backend: nobody}), 120, 40)
			d.shows(string(backend) + " ✖")
			d.press("c")
			d.shows(string(backend)+":", "cannot be reached")
			d.press("esc")
			for range 5 {
				d.press("enter")
				d.lines()
			}
			if len(d.waits()) > 0 {
				t.Errorf("still waits for %q", d.waits())
			}
			switch backend {
			case sources.Loki:
				d.on(onTrace)
			case sources.Jaeger:
				d.on(onLogs)
			}
		})
	}
}
