package alertmanager_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"obs/sources"
	"obs/sources/alertmanager"
)

var posted = time.Date(2026, 11, 21, 22, 24, 10, 0, time.UTC)

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	body, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// What the real Alertmanager 0.34 and the real Prometheus 3.15 posted.
func TestReadBodyRecorded(t *testing.T) {
	watched := func(m alertmanager.Message) *sources.Notification {
		for i := range m.Alerts {
			if m.Alerts[i].Name == "FrontendWatched" {
				return &m.Alerts[i]
			}
		}
		t.Fatalf("%+v", m)
		return nil
	}
	for name, alerts := range map[string]int{"webhook_firing.json": 3, "webhook_resolved.json": 3, "posted_by_prometheus.json": 2} {
		m, err := alertmanager.ReadBody(readFile(t, name), posted)
		if err != nil || len(m.Alerts) != alerts || m.LeftOut != 0 {
			t.Fatalf("%s: %v, %+v", name, err, m)
		}
		a := watched(m)
		if a.State != sources.AlertFiring || a.ActiveAt.Minute() != 22 || a.ActiveAt.Location() != time.UTC || !a.Ended.IsZero() || a.Rule != "vector(1)" ||
			a.Labels["service"] != "frontend" || a.Annotations["runbook_url"] != "https://example.com/runbooks/frontend" {
			t.Errorf("%s: %+v", name, a)
		}
	}
	m, err := alertmanager.ReadBody(readFile(t, "webhook_resolved.json"), posted)
	if over := m.Alerts[2]; err != nil || over.State != sources.AlertResolved || over.Rule != "job:slow > 1" ||
		!over.ActiveAt.Equal(time.Date(2026, 11, 21, 22, 4, 1, 0, time.UTC)) || !over.Ended.Equal(time.Date(2026, 11, 21, 22, 24, 4, 0, time.UTC)) {
		t.Errorf("%v, %+v", err, over)
	}
	// Prometheus says when its alert ends unless it is posted again.
	m, err = alertmanager.ReadBody(readFile(t, "posted_by_prometheus.json"), posted.Add(time.Hour))
	if err != nil || m.Alerts[0].State != sources.AlertResolved || m.Alerts[0].Ended.IsZero() {
		t.Errorf("%v, %+v", err, m)
	}
}

func TestReadBodyForms(t *testing.T) {
	grafana := `{"receiver":"obs","status":"firing","orgId":1,"alerts":[{"status":"firing","labels":{"alertname":"Slow","grafana_folder":"shop"},
		"annotations":{"summary":"it is slow"},"startsAt":"2026-11-21T23:10:00+01:00","endsAt":"0001-01-01T00:00:00Z","values":{"B":44.2},
		"generatorURL":"https://grafana.example/alerting/grafana/abc/view?orgId=1","silenceURL":"https://grafana.example/s","dashboardURL":"","panelURL":""}],
		"groupLabels":{},"version":"1","truncatedAlerts":2,"title":"[FIRING:1] Slow","state":"alerting","message":"**Firing**"}`
	m, err := alertmanager.ReadBody([]byte(grafana), posted)
	if err != nil || len(m.Alerts) != 1 || m.LeftOut != 2 || m.Alerts[0].Rule != "" || !strings.HasPrefix(m.Alerts[0].Generator, "https://grafana.example/") ||
		!m.Alerts[0].ActiveAt.Equal(time.Date(2026, 11, 21, 22, 10, 0, 0, time.UTC)) {
		t.Errorf("%v, %+v", err, m)
	}
	m, err = alertmanager.ReadBody([]byte(` {"labels":{"alertname":"One"},"generatorURL":"javascript:alert(1)"}`), posted)
	if err != nil || len(m.Alerts) != 1 || !m.Alerts[0].ActiveAt.IsZero() || m.Alerts[0].Generator != "" {
		t.Errorf("one alert alone: %v, %+v", err, m)
	}
}

func TestReadBodyRefuses(t *testing.T) {
	for body, says := range map[string]string{
		"":                             "empty",
		" \n":                          "empty",
		"hello":                        "invalid character",
		"{}":                           "no alert",
		"[]":                           "no alert",
		`{"alerts":[]}`:                "no alert",
		`{"alerts":{}}`:                "cannot unmarshal",
		`{"schema":"obs.case/v1"}`:     "no alert",
		`[{"labels":{}}]`:              "alert 1: it has no labels",
		`[{"labels":{"service":"x"}}]`: "no label alertname",
		`[{"labels":{"alertname":7}}]`: "cannot unmarshal",
		`[{"labels":{"alertname":"A"},"status":"\u001b[31mred"}]`: "its status is",
		`{"alerts":[{"labels":{"alertname":"A"}}]} trailing`:      "invalid character",
	} {
		_, err := alertmanager.ReadBody([]byte(body), posted)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func FuzzReadBody(f *testing.F) {
	for _, name := range []string{"webhook_firing.json", "webhook_resolved.json", "posted_by_prometheus.json"} {
		body, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := alertmanager.ReadBody(body, posted)
		if err != nil {
			return
		}
		if len(m.Alerts) == 0 || m.LeftOut < 0 {
			t.Fatalf("no error and no alert: %+v", m)
		}
		for _, a := range m.Alerts {
			if a.Name == "" || (a.State != sources.AlertFiring && a.State != sources.AlertResolved) || a.State == sources.AlertFiring && !a.Ended.IsZero() ||
				!a.Ended.IsZero() && a.Ended.Before(a.ActiveAt) {
				t.Fatalf("%+v", a)
			}
		}
	})
}
