package sandbox

import (
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"obs/sources"
	"obs/sources/prometheus"
	"obs/sources/sandbox/promapi"
	"obs/sources/sandbox/shop"
	"obs/sources/transport"
)

// The rules fire where users are hurt, name who it is, and are silent on a quiet day.
func TestShopRules(t *testing.T) {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for name, want := range map[string][]string{
		"healthy":    nil,
		"latency":    {"SlowRequests payment", "SlowRequests checkout"},
		"errors":     {"HighErrorRatio shipping", "HighErrorRatio checkout"},
		"saturation": {"ConnectionPoolSaturated cart", "SlowRequests cart", "HighErrorRatio cart"},
	} {
		t.Run(name, func(t *testing.T) {
			scenario, err := shop.Find(name)
			if err != nil {
				t.Fatal(err)
			}
			stores := NewStores()
			stores.Metrics.Rules(ShopRules())
			if err := shop.New(scenario, shop.Options{Seed: 1, Now: noon}).Past(t.Context(), stores.Sink()); err != nil {
				t.Fatal(err)
			}
			firing := alertsOf(t, stores)
			for _, w := range want {
				if !slices.Contains(firing, w) {
					t.Errorf("no %q among %q", w, firing)
				}
			}
			if want == nil && len(firing) > 0 {
				t.Errorf("it is quiet, and there are %q", firing)
			}
		})
	}
}

// alertsOf are the alerts that fire at noon, by obs's own client.
func alertsOf(t *testing.T, stores Stores) []string {
	t.Helper()
	noon := func() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }
	server := httptest.NewUnstartedServer(promapi.Handler(stores.Metrics, promapi.Options{Now: noon}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	var found []string
	client, err := transport.New(transport.Options{Backend: sources.Prometheus, URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	alerts, err := prometheus.New(client, nil).Alerts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range alerts {
		if a.State == "firing" {
			found = append(found, fmt.Sprintf("%s %s", a.Name, a.Labels["service_name"]))
		}
		if a.Annotations["summary"] == "" || a.Labels["severity"] == "" {
			t.Errorf("an alert that does not say what it is about: %+v", a)
		}
	}
	return found
}
