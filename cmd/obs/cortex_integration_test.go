//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources"
	"obs/sources/sandbox/shop"
	"obs/testdata/backends"
)

// The shop's metrics in Cortex, for a tenant, lead to the same suspect as in Prometheus.
func TestTriageOfCortex(t *testing.T) {
	addresses := backends.Start(t, 1400).Settings
	const tenant = "shop"
	cortex, err := url.Parse(addresses["CORTEX_URL"])
	if err != nil {
		t.Fatal(err)
	}
	// What writes the shop's past knows Prometheus's paths and no tenants.
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(cortex)
		r.Out.Header.Set("X-Scope-OrgID", tenant)
		if r.Out.URL.Path = "/prometheus" + r.In.URL.Path; r.In.URL.Path == "/api/v1/write" {
			r.Out.URL.Path = "/api/v1/push"
		}
		r.Out.URL.RawPath = ""
	}, ErrorLog: log.New(io.Discard, "", 0)}) // of connections that the client closed
	t.Cleanup(proxy.Close)
	environment := map[string]string{
		"PROMETHEUS_URL": addresses["CORTEX_URL"] + "/prometheus", "PROMETHEUS_ORG_ID": tenant, "LOKI_URL": addresses["LOKI_URL"], "JAEGER_URL": addresses["JAEGER_URL"],
	}
	now := theNoon.AddDate(-2, 0, 0)
	for i, name := range []string{"latency", "healthy"} {
		t.Run(name, func(t *testing.T) {
			scenario := shop.Scenarios()[slices.IndexFunc(shop.Scenarios(), func(s shop.Scenario) bool { return s.Name == name })]
			o := &outcome{scenario: scenario, seed: 1 + i}
			at := func(environment map[string]string, out, said *bytes.Buffer) world {
				return world{out: out, err: said, getenv: func(name string) string { return environment[name] }, now: func() time.Time { return now.Add(time.Duration(i) * apart) }}
			}
			var out, said bytes.Buffer
			if status := run([]string{
				"demo", name, "--seed", fmt.Sprint(o.seed), "--into", "--timeout", "5m", "--prometheus-url", proxy.URL,
				"--loki-url", addresses["LOKI_URL"], "--jaeger-url", addresses["JAEGER_URL"], "--otlp-url", addresses["OTLP_URL"],
			}, at(nil, &out, &said)); status != exitOK || !strings.Contains(out.String(), "all of it was read back") {
				t.Fatalf("status %d\n%s\n%s", status, out.String(), said.String())
			}
			// The command that it prints, of Cortex's own address and the tenant.
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			args := strings.Fields(strings.TrimPrefix(lines[len(lines)-1], "obs "))
			out.Reset()
			if status := run(append(args, "-o", "json"), at(environment, &out, &said)); status != exitOK {
				t.Fatalf("status %d\n%s", status, said.String())
			}
			if err := json.Unmarshal(out.Bytes(), &o.found); err != nil {
				t.Fatal(err)
			}
			if row := table([]*outcome{o}); !strings.HasSuffix(strings.TrimSpace(row), "yes") {
				t.Errorf("\n%s", row)
			}
			for _, m := range o.found.Missing {
				if m.Backend == sources.Prometheus && m.Kind != correlate.MissingNoData {
					t.Errorf("missing: %+v", m)
				}
			}
		})
	}
	// Without the tenant nothing is answered, and what to do is said.
	var out, said bytes.Buffer
	status := run([]string{"services", "--prometheus-url", addresses["CORTEX_URL"] + "/prometheus"},
		world{out: &out, err: &said, getenv: func(string) string { return "" }, now: func() time.Time { return now }})
	if status != exitRefused || !strings.Contains(out.String()+said.String(), "PROMETHEUS_ORG_ID") {
		t.Errorf("status %d\n%s\n%s", status, out.String(), said.String())
	}
}
