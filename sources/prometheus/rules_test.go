package prometheus_test

import (
	"net/http"
	"reflect"
	"testing"
	"time"

	"obs/sources"
)

func TestAlertRules(t *testing.T) {
	b := newBench(t, recorded(t, http.StatusOK, "rules.json"))
	got, err := b.AlertRules(t.Context())
	if err != nil || len(got) != 4 {
		t.Fatalf("got %+v, %v", got, err)
	}
	want := sources.AlertRule{
		Name: "Patience", Group: "states", File: "/etc/prometheus/rules.yml", Query: "vector(1)",
		For: 52 * 7 * 24 * time.Hour, Interval: 5 * time.Second, Labels: sources.Labels{"severity": "page"},
		Annotations: sources.Labels{"runbook_url": "https://example.com/runbooks/patience", "summary": "An alert that waits for a year"},
		State:       "pending", Health: "ok",
	}
	if !reflect.DeepEqual(got[2], want) {
		t.Errorf("got %+v, want %+v", got[2], want)
	}
	if q := b.query(t); q.Text != "GET /api/v1/rules" || q.Records != 4 {
		t.Errorf("the ledger says %+v", q)
	}
}

func TestNoAlertRules(t *testing.T) {
	b := newBench(t, said(http.StatusOK, "application/json", `{"status":"success","data":{"groups":[]}}`))
	if got, err := b.AlertRules(t.Context()); got != nil || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}
