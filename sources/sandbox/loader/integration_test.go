//go:build integration

package loader_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"obs/sources"
	"obs/sources/sandbox/loader"
)

func realTargets(t *testing.T) loader.Targets {
	t.Helper()
	address := func(name string) string {
		if os.Getenv(name) == "" {
			t.Fatalf("%s is not set: it names the server to test against", name)
		}
		return os.Getenv(name)
	}
	return loader.Targets{
		PrometheusURL: address("PROMETHEUS_URL"), LokiURL: address("LOKI_URL"),
		OTLPURL: address("OTLP_URL"), JaegerURL: address("JAEGER_URL"),
	}
}

// run is a label that no other run has.
func run(t *testing.T) sources.Labels {
	return sources.Labels{"run": fmt.Sprintf("%s-%d", t.Name(), time.Now().UnixNano())}
}

func TestRealBackends(t *testing.T) {
	for _, scenario := range []string{"latency", "deploy"} {
		t.Run(scenario, func(t *testing.T) {
			l := open(t, realTargets(t), loader.Options{Labels: run(t), Progress: func(s string) { t.Log(s) }})
			o := small()
			load(t, l, scenario, o)
			report, err := l.Send(t.Context())
			t.Logf("sent\n%v", report)
			if err != nil {
				t.Fatal(err)
			}
			want := count(t, scenario, o)
			got := tally{series: report.Series, samples: report.Samples, streams: want.streams, records: report.Records, traces: report.Traces, spans: report.Spans}
			if got != want {
				t.Errorf("sent %+v of %+v", got, want)
			}
			begin := time.Now()
			missing, err := l.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range missing {
				t.Errorf("%s (%s)", m, m.Hint)
			}
			t.Logf("read back in %s", time.Since(begin))

			again := open(t, realTargets(t), loader.Options{})
			load(t, again, scenario, o)
			if report, err := again.Send(t.Context()); !errors.Is(err, loader.ErrMixed) || report != (loader.Report{}) {
				t.Errorf("another run with the same IDs: %v\n%v", err, report)
			}
		})
	}
}

// What was not sent is not there, and the check says so of every kind of signal.
func TestRealBackendsLackEverything(t *testing.T) {
	l := open(t, realTargets(t), loader.Options{Labels: run(t), Patience: -1})
	o := small()
	o.Requests = 50
	load(t, l, "deploy", o)
	missing, err := l.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, m := range missing {
		if m.Found != 0 || m.Sent == 0 {
			t.Errorf("%s", m)
		}
		kinds[strings.Fields(m.What)[0]] = true
	}
	for _, kind := range []string{"samples", "exemplars", "records", "spans"} {
		if !kinds[kind] {
			t.Errorf("no shortfall of %s among %d", kind, len(missing))
		}
	}
}

func TestRealBackendsRefuse(t *testing.T) {
	targets := realTargets(t)
	// Each is a server that is up, and not the one that takes this.
	wrong := loader.Targets{
		PrometheusURL: targets.PrometheusURL + "/nowhere", LokiURL: targets.LokiURL + "/nowhere",
		OTLPURL: targets.JaegerURL + "/nowhere", JaegerURL: targets.JaegerURL,
	}
	l := open(t, wrong, loader.Options{Labels: run(t)})
	o := small()
	o.Requests = 50
	load(t, l, "latency", o)
	report, err := l.Send(t.Context())
	if !errors.Is(err, sources.ErrNotThisAPI) || report.Samples+report.Records+report.Spans != 0 {
		t.Errorf("%v\n%v", report, err)
	}
	for _, part := range []string{"prometheus at", "loki at", "jaeger at"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: not told of in %v", part, err)
		}
	}
}
