package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources/sandbox/shop"
)

// askShop serves a shop, and returns what runs a command against it and brings what that
// wrote.
func askShop(t *testing.T, scenario string) func(args ...string) string {
	t.Helper()
	story, err := shop.Find(scenario)
	if err != nil {
		t.Fatal(err)
	}
	running, err := openShop(t.Context(), story, &demoOptions{seed: 1, speed: 1}, theNoon)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.close)
	addresses := map[string]string{"PROMETHEUS_URL": running.server.PrometheusURL}
	window, baseline := running.question.Window, running.question.Baseline
	when := []string{"--from", rfc(window.From), "--to", rfc(window.To), "--baseline", rfc(baseline.From) + "/" + rfc(window.From)}
	return func(args ...string) string {
		t.Helper()
		var out, said bytes.Buffer
		w := nowhere(&out, &said)
		w.now = func() time.Time { return theNoon }
		w.getenv = func(name string) string { return addresses[name] }
		if status := run(slices.Concat(args, when), w); status != exitOK {
			t.Fatalf("%v: status %d: %s%s", args, status, out.String(), said.String())
		}
		return out.String()
	}
}

// tableOf asks for services as JSON.
func tableOf(t *testing.T, ask func(...string) string, args ...string) correlate.ServiceTable {
	t.Helper()
	var table correlate.ServiceTable
	if err := json.Unmarshal([]byte(ask(append([]string{"services", "-o", "json"}, args...)...)), &table); err != nil {
		t.Fatal(err)
	}
	if len(table.Missing) > 0 || len(table.Queries) > 16 {
		t.Errorf("%v: %d queries, missing %+v", args, len(table.Queries), table.Missing)
	}
	return table
}

func TestServicesOfADemoIncident(t *testing.T) {
	ask := askShop(t, "latency")
	table := tableOf(t, ask)
	if len(table.Services) != 10 {
		t.Errorf("%d services", len(table.Services))
	}
	bad := map[string]bool{}
	for _, r := range table.Services {
		bad[r.Service] = r.Verdict == correlate.Anomalous
		if r.Rate == nil || r.Errors == nil || r.P50 == nil || r.P95 == nil || r.P99 == nil || r.Saturation == nil || r.Resource == "" {
			t.Errorf("%s lacks a reading: %+v", r.Service, r)
		}
	}
	for service, want := range map[string]bool{"payment": true, "checkout": true, "gateway": true, "session": false, "inventory": false} {
		if bad[service] != want {
			t.Errorf("that %s departs is %v", service, bad[service])
		}
	}
	endpoints := tableOf(t, ask, "--by", "endpoints", "--service", "payment")
	if len(endpoints.Services) == 0 || endpoints.Services[0].Operation != "/payments" || endpoints.Services[0].Verdict != correlate.Anomalous {
		t.Errorf("endpoints: %+v", endpoints.Services)
	}
	instances := tableOf(t, ask, "--by", "instances", "--service", "payment")
	if len(instances.Services) != 2 || !strings.HasPrefix(instances.Services[0].Instance, "payment-") || instances.Services[0].Saturation == nil {
		t.Errorf("instances: %+v", instances.Services)
	}
}

func TestServicesOfASaturatedDemo(t *testing.T) {
	for _, r := range tableOf(t, askShop(t, "saturation")).Services {
		if r.Service == "cart" && (r.Verdict != correlate.Anomalous || r.Resource != "connection pool" || r.Saturation.Window < 0.9) {
			t.Errorf("%+v, %s: %v", r, r.Resource, r.Saturation.Window)
		}
	}
}

func TestServicesOfAQuietDemo(t *testing.T) {
	ask := askShop(t, "healthy")
	for _, by := range []string{"services", "endpoints", "instances"} {
		for _, r := range tableOf(t, ask, "--by", by).Services {
			if r.Verdict == correlate.Anomalous {
				t.Errorf("%s %s departs: %+v, p95 %v to %v", r.Service, r.Operation, r, r.P95.Baseline, r.P95.Window)
			}
		}
	}
}
