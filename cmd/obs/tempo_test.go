package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/correlate/doctor"
	"obs/sources"
	"obs/sources/sandbox"
	"obs/sources/sandbox/shop"
	"obs/sources/sandbox/tempoapi"
)

// withTempo is a shop at noon whose traces are both in Jaeger and in Tempo.
type withTempo struct {
	*sandbox.Server
	tempo  string // its address, and that of an older one with the same traces
	older  string
	failed sources.TraceID // a trace of the window with a span that failed
	window sources.Window
	truth  shop.Truth
}

type bothTraces struct {
	shop.Sink
	tempo  *tempoapi.Store
	failed *sources.TraceID
}

func (b bothTraces) Spans(spans ...sources.Span) {
	b.Sink.Spans(spans...)
	b.tempo.Append(spans...)
	if slices.ContainsFunc(spans, func(s sources.Span) bool { return s.Failed() }) {
		*b.failed = spans[0].TraceID
	}
}

func shopWithTempo(t *testing.T, name string) withTempo {
	t.Helper()
	scenario, err := shop.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	stores, tempo := sandbox.NewStores(), tempoapi.NewStore()
	var s withTempo
	simulated := shop.New(scenario, shop.Options{Seed: 1, Now: theNoon})
	if err := simulated.Past(t.Context(), bothTraces{stores.Sink(), tempo, &s.failed}); err != nil {
		t.Fatal(err)
	}
	s.window, s.truth = simulated.Window(), scenario.Truth
	s.serve(t, stores, tempo)
	return s
}

// serve puts the APIs before the stores.
func (s *withTempo) serve(t *testing.T, stores sandbox.Stores, tempo *tempoapi.Store) {
	t.Helper()
	server, err := sandbox.Serve(t.Context(), stores, sandbox.Options{Now: func() time.Time { return theNoon }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	s.Server = server
	for address, o := range map[*string]tempoapi.Options{&s.tempo: {}, &s.older: {Old: true}} {
		api := httptest.NewServer(tempoapi.Handler(tempo, o))
		t.Cleanup(api.Close)
		*address = api.URL
	}
}

// obs runs a command with JSON for output; the traces' address is among the arguments.
func (s withTempo) obs(t *testing.T, args ...string) *correlate.Case {
	t.Helper()
	var out, progress bytes.Buffer
	args = append(args, "--prometheus-url", s.PrometheusURL, "--loki-url", s.LokiURL, "-o", "json")
	status := run(args, world{out: &out, err: &progress, getenv: func(string) string { return "" }, now: func() time.Time { return theNoon }})
	if status != exitOK {
		t.Fatalf("obs %q: status %d: %s", args, status, progress.String())
	}
	found := &correlate.Case{}
	if err := errors.Join(json.Unmarshal(out.Bytes(), found), published(out.Bytes())); err != nil {
		t.Fatal(err)
	}
	return found
}

func (s withTempo) triage(t *testing.T, args ...string) *correlate.Case {
	t.Helper()
	at := func(w time.Time) string { return w.UTC().Format(time.RFC3339) }
	return s.obs(t, append([]string{"triage", "--from", at(s.window.From), "--to", at(s.window.To)}, args...)...)
}

// Triage comes to the same through Tempo as through Jaeger, and says whom it asked.
func TestTriageThroughTempo(t *testing.T) {
	for _, name := range []string{"latency", "errors"} {
		s := shopWithTempo(t, name)
		want, got := s.triage(t, "--jaeger-url", s.JaegerURL), s.triage(t, "--tempo-url", s.tempo)
		if got.Verdict != want.Verdict || len(got.Suspects) == 0 || got.Suspects[0].Service != s.truth.Culprit {
			t.Fatalf("%s: %s, suspects %+v, and %s through Jaeger", name, got.Verdict, got.Suspects, want.Verdict)
		}
		if got.Trace == nil || got.Trace.URL != s.tempo+"/api/v2/traces/"+string(got.Trace.ID) {
			t.Errorf("%s: trace %+v", name, got.Trace)
		}
		if len(got.Records) == 0 {
			t.Errorf("%s: no log records of the trace", name)
		}
		for _, m := range got.Missing {
			if m.Backend != sources.Prometheus && m.Backend != sources.Loki {
				t.Errorf("%s: missing %+v", name, m)
			}
		}
		if n := len(got.Queries); n > 40 {
			t.Errorf("%s: %d queries", name, n)
		}
		written, err := json.Marshal(got)
		if err != nil || strings.Contains(strings.ToLower(string(written)), "jaeger") || !strings.Contains(string(written), `"backend":"tempo"`) {
			t.Errorf("%s: the case speaks of Jaeger, or not of Tempo: %v", name, err)
		}
	}
}

// A trace is the same trace from either, and from an older Tempo too.
func TestTraceThroughTempo(t *testing.T) {
	s := shopWithTempo(t, "errors")
	want := s.obs(t, "trace", string(s.failed), "--jaeger-url", s.JaegerURL)
	for _, address := range []string{s.tempo, s.older} {
		got := s.obs(t, "trace", string(s.failed), "--tempo-url", address)
		if got.Trace == nil || len(got.Trace.Spans) == 0 || !reflect.DeepEqual(got.Trace.Spans, want.Trace.Spans) {
			t.Fatalf("%+v,\nand in Jaeger %+v", got.Trace, want.Trace)
		}
		if len(got.Records) == 0 || len(got.Records) != len(want.Records) {
			t.Errorf("%d records, want %d", len(got.Records), len(want.Records))
		}
	}
}

// Of two addresses a flag wins over the environment, and Jaeger over Tempo.
func TestJaegerOrTempo(t *testing.T) {
	var s withTempo
	s.serve(t, sandbox.NewStores(), tempoapi.NewStore())
	both := func(name string) string {
		return map[string]string{"JAEGER_URL": s.JaegerURL, "TEMPO_URL": s.tempo}[name]
	}
	tempo := func(name string) string { return map[string]string{"TEMPO_URL": s.tempo}[name] }
	for _, test := range []struct {
		getenv func(string) string
		args   []string
		want   sources.Backend
	}{
		{tempo, nil, sources.Tempo},
		{both, nil, sources.Jaeger},
		{both, []string{"--tempo-url", s.tempo}, sources.Tempo},
		{both, []string{"--jaeger-url", s.JaegerURL}, sources.Jaeger},
	} {
		asked := map[sources.Backend]bool{}
		var out, progress bytes.Buffer
		args := append([]string{"trace", "00000000000000000000000000c0ffee", "-o", "json"}, test.args...)
		status := run(args, world{out: &out, err: &progress, getenv: test.getenv, now: func() time.Time { return theNoon }})
		if status != exitNotFound {
			t.Errorf("%q: status %d: %s", test.args, status, progress.String())
		}
		if test.want == sources.Tempo && strings.Contains(out.String(), "Jaeger") {
			t.Errorf("%q: it speaks of Jaeger: %s", test.args, out.String())
		}
		var found correlate.Case
		if err := json.Unmarshal(out.Bytes(), &found); err != nil {
			t.Fatalf("%v: %s", err, progress.String())
		}
		for _, q := range found.Queries {
			asked[q.Backend] = true
		}
		if len(asked) != 1 || !asked[test.want] {
			t.Errorf("%q: asked %v, want %s", test.args, asked, test.want)
		}
	}
	var out, progress bytes.Buffer
	status := run([]string{"trace", "c0ffee", "--tempo-url", s.tempo, "--jaeger-url", s.JaegerURL},
		world{out: &out, err: &progress, getenv: both, now: time.Now})
	if status != exitUsage || !strings.Contains(progress.String(), "give one of them") {
		t.Errorf("both flags: status %d: %s", status, progress.String())
	}
}

// The doctor examines Tempo as it does Jaeger, and speaks of Tempo alone.
func TestDoctorThroughTempo(t *testing.T) {
	s := shopWithTempo(t, "healthy")
	for _, address := range []string{s.tempo, refusing(t)} {
		var out, progress bytes.Buffer
		args := []string{"doctor", "-o", "json", "--prometheus-url", s.PrometheusURL, "--loki-url", s.LokiURL, "--tempo-url", address}
		run(args, world{out: &out, err: &progress, getenv: func(string) string { return "" }, now: func() time.Time { return theNoon }})
		if strings.Contains(strings.ToLower(out.String()), "jaeger") {
			t.Errorf("it speaks of Jaeger: %s", out.String())
		}
		r := read[doctor.Report](t, out.String())
		server := r.Server(sources.Tempo)
		switch {
		case server == nil || len(r.Services) == 0:
			t.Fatalf("servers %+v, %d services: %s", r.Servers, len(r.Services), progress.String())
		case address == s.tempo && (server.State != doctor.Answers || r.Grade != doctor.OK):
			t.Errorf("%s, server %+v, found %+v", r.Grade, server, r.Findings)
		case address != s.tempo && (server.State != doctor.Unreachable || !r.Broken() || !strings.Contains(r.Findings[0].Statement, "Tempo cannot be reached")):
			t.Errorf("away: %s, server %+v, found %+v", r.Grade, server, r.Findings)
		}
	}
}
