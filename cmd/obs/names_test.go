package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/correlate/doctor"
	"obs/sources"
	"obs/sources/sandbox"
)

// ownNames is a profile of a team that calls one service otherwise in each signal, and has
// trace IDs in a field of its own.
const ownNames = `
current: shop
profiles:
  shop:
    prometheus: {url: %q}
    loki: {url: %q}
    jaeger: {url: %q}
    names:
      trace_id_fields: [tid]
      request_id_fields: [corr]
      services:
        payment: [pay-api, PaymentProcessor, money]
`

// ofTheTeam is such a system, with a minute of requests before noon.
func ofTheTeam(t *testing.T) *sandbox.Server {
	t.Helper()
	stores := sandbox.NewStores()
	const metric = "http_server_request_duration_seconds"
	series := func(name, le string) func(time.Time, float64) {
		l := sources.Labels{"__name__": metric + name, "service_name": "pay-api", "http_response_status_code": "200"}
		if le != "" {
			l["le"] = le
		}
		return stores.Metrics.Appender(l)
	}
	count, sum, fast, all := series("_count", ""), series("_sum", ""), series("_bucket", "0.1"), series("_bucket", "+Inf")
	add := stores.Logs.Appender(sources.Labels{"service_name": "money"})
	for n := range 240 {
		at := theNoon.Add(time.Duration(n-240) * 15 * time.Second)
		for _, add := range []func(time.Time, float64){count, fast, all} {
			add(at, float64(10*n))
		}
		sum(at, float64(n)/2)
		id := sources.TraceID(fmt.Sprintf("4bf92f3577b34da6a3ce929d0e0e%04x", n+1))
		add(at, fmt.Sprintf(`{"msg":"paid","tid":%q,"corr":"order-%d-paid"}`, id, n+1), nil)
		stores.Traces.Append(sources.Span{TraceID: id, ID: "00f067aa0ba902b7", Service: "PaymentProcessor", Operation: "POST /pay", Kind: sources.KindServer, Start: at, Duration: 50 * time.Millisecond})
		stores.Metrics.Exemplar(sources.Labels{"__name__": metric + "_bucket", "service_name": "pay-api", "http_response_status_code": "200", "le": "0.1"},
			sources.Exemplar{Labels: sources.Labels{"trace_id": string(id)}, Value: 0.05, Time: at})
	}
	server, err := sandbox.Serve(t.Context(), stores, sandbox.Options{Now: func() time.Time { return theNoon }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}

// runWith is what a command says that finds its servers in a configuration file.
func runWith(t *testing.T, config string, args ...string) (out, said string, status int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	status = run(args, world{
		out: &stdout, err: &stderr, now: func() time.Time { return theNoon },
		getenv: func(name string) string { return map[string]string{"OBS_CONFIG": path}[name] },
	})
	return stdout.String(), stderr.String(), status
}

func read[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// A service with three names is one service to every command, once a profile says so.
func TestATeamsOwnNames(t *testing.T) {
	server := ofTheTeam(t)
	with := fmt.Sprintf(ownNames, server.PrometheusURL, server.LokiURL, server.JaegerURL)
	before, _, _ := strings.Cut(with, "    names:")
	const last = "4bf92f3577b34da6a3ce929d0e0e00f0"

	out, said, status := runWith(t, with, "doctor", "--check", "-o", "json")
	if r := read[doctor.Report](t, out); status != exitOK || r.Grade != doctor.OK || len(r.Services) != 1 || r.Services[0].Name != "payment" {
		t.Errorf("doctor: status %d, %s of %+v, found %+v\n%s", status, r.Grade, r.Services, r.Findings, said)
	} else if hop := r.Services[0].Hops.Names; !strings.Contains(hop.Text, "configured to be the same: PaymentProcessor = money = pay-api") {
		t.Errorf("doctor: names %+v", hop)
	}
	out, _, status = runWith(t, before, "doctor", "--check", "-o", "json")
	if r := read[doctor.Report](t, out); status != exitAnomalous || len(r.Services) != 2 {
		t.Errorf("doctor without names: status %d, services %+v", status, r.Services)
	}

	out, said, status = runWith(t, with, "services", "-o", "json")
	if table := read[correlate.ServiceTable](t, out); status != exitOK || len(table.Services) != 1 || table.Services[0].Service != "payment" {
		t.Errorf("services: status %d, %+v\n%s", status, table.Services, said)
	}
	for _, args := range [][]string{{"--service", "payment"}, {"--service", "pay-api"}, {"--trace", last}, {"--request", "order-240-paid"}} {
		out, said, status = runWith(t, with, append([]string{"logs", "-o", "json"}, args...)...)
		view := read[correlate.LogView](t, out)
		if status != exitOK || len(view.Records) == 0 || view.Records[0].Service != "payment" || view.Records[0].TraceID == "" {
			t.Errorf("logs %q: status %d, records %+v\n%s", args, status, view.Records, said)
		}
	}
	for _, asked := range []string{last, `corr=order-240-paid`, "tid=" + last} {
		out, said, status = runWith(t, with, "trace", asked, "-o", "json")
		c := read[correlate.Case](t, out)
		if status != exitOK || c.Trace == nil || string(c.Trace.ID) != last || c.Trace.Spans[0].Service != "payment" || len(c.Records) != 1 || c.Records[0].Join.Weak() {
			t.Errorf("trace %s: status %d, trace %+v, records %+v\n%s", asked, status, c.Trace, c.Records, said)
		}
	}
	out, said, _ = runWith(t, with, "triage", "-o", "json", "--service", "money")
	if c := read[correlate.Case](t, out); c.Verdict != correlate.Healthy {
		t.Errorf("triage: %s, missing %+v\n%s", c.Verdict, c.Missing, said)
	}
}

// Names that cannot be meant are wrong use, before any backend is asked. A field that is named
// in two places is not.
func TestNamesThatCannotBeMeant(t *testing.T) {
	for names, want := range map[string]string{
		"services: {payment: [pay], billing: [pay]}":             `"pay" is a name of`,
		"trace_id_fields: ['a b']":                               "is no field's name",
		"{trace_id_fields: [corr], request_id_fields: [corr]}":   "stands in trace_id_fields too",
		"{trace_id_fields: [tid, tid], services: {'': [other]}}": "empty name",
	} {
		config := fmt.Sprintf("current: a\nprofiles:\n  a:\n    loki: {url: %q}\n    names: %s\n", refusing(t), names)
		if !strings.HasPrefix(names, "{") {
			config = strings.Replace(config, names, "{"+names+"}", 1)
		}
		for _, args := range [][]string{{"doctor"}, {"triage"}, {"trace", "c0ffee"}, {"logs", "--service", "a"}, {"services"}} {
			out, said, status := runWith(t, config, args...)
			if status != exitUsage || out != "" || !strings.Contains(said, "names of the profile") || !strings.Contains(said, want) || !strings.Contains(said, "obs config edit") {
				t.Errorf("%q of %s: status %d\n%s%s", args, names, status, out, said)
			}
		}
	}
}
