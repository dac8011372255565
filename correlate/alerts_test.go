package correlate_test

import (
	"context"
	"math"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources"
)

// alerting is Prometheus with rules that have raised alerts.
type alerting struct {
	*fakeMetrics
	raised []sources.Alert
	err    error
}

func (a *alerting) Alerts(ctx context.Context) (found []sources.Alert, err error) {
	err = a.ask(ctx, sources.Prometheus, "GET /api/v1/alerts", sources.Window{}, func() (int, error) {
		found = a.raised
		return len(found), a.err
	})
	return found, err
}

var raised = []sources.Alert{
	{Name: "Young", State: "firing", ActiveAt: noon, Labels: sources.Labels{"alertname": "Young", "service": "cart", "severity": "ticket"}},
	{Name: "Waits", State: "pending", ActiveAt: noon.Add(-2 * time.Hour), Labels: sources.Labels{"job": "prod/cart"}},
	{
		Name: "Old", State: "firing", ActiveAt: noon.Add(-time.Hour), Value: math.NaN(), Labels: sources.Labels{"service_name": "pay", "job": "x", "severity": "page"},
		Annotations: sources.Labels{"summary": "pay is slow", "description": "it takes long", "runbook_url": "https://runbooks.example/slow"},
	},
	{Name: "Nobody", State: "firing", Annotations: sources.Labels{"description": "it takes long"}},
}

func TestAlerts(t *testing.T) {
	s := slowBank(t)
	metrics := &alerting{fakeMetrics: s.metrics, raised: raised}
	set := sources.Set{Metrics: metrics, Ledger: s.ledger}
	x := correlate.NewExplorer(set, question)
	list := x.Alerts(t.Context())
	if list.Schema != correlate.AlertsSchema || !list.Time.Equal(noon) || len(list.Missing) != 0 || len(list.Queries) != 1 {
		t.Errorf("%+v", list)
	}
	want := []correlate.Alert{
		{Name: "Old", State: "firing", Service: "pay", Severity: "page", Summary: "pay is slow", RunbookURL: "https://runbooks.example/slow"},
		{Name: "Young", State: "firing", Service: "cart", Severity: "ticket"},
		{Name: "Nobody", State: "firing", Summary: "it takes long"},
		{Name: "Waits", State: "pending", Service: "cart"},
	}
	if len(list.Alerts) != len(want) {
		t.Fatalf("%d alerts", len(list.Alerts))
	}
	for i, w := range want {
		got := list.Alerts[i]
		if got.Name != w.Name || got.State != w.State || got.Service != w.Service || got.Severity != w.Severity || got.Summary != w.Summary || got.RunbookURL != w.RunbookURL {
			t.Errorf("alert %d: %+v, want %+v", i, got, w)
		}
	}

	table := x.Services(t.Context(), correlate.PerService)
	if len(table.Alerts) != 3 || table.Alerts[0].Name != "Old" {
		t.Errorf("those that fire beside the services: %+v", table.Alerts)
	}
	only := question
	only.Services = []string{"cart"}
	if of := correlate.NewExplorer(set, only).Services(t.Context(), correlate.PerService); len(of.Alerts) != 2 || of.Alerts[0].Name != "Young" {
		t.Errorf("those of one service, and of none: %+v", of.Alerts)
	}
}

func TestAlertsWithoutAnswers(t *testing.T) {
	none := correlate.NewExplorer(sources.Set{}, question).Alerts(t.Context())
	if len(none.Missing) != 1 || none.Missing[0].Kind != correlate.MissingNotConfigured || !none.Unanswered() || none.Alerts == nil {
		t.Errorf("without Prometheus: %+v", none)
	}
	for kind, err := range map[string]error{
		correlate.MissingFailed: down(sources.Prometheus),
		correlate.MissingNoData: &sources.Error{Backend: sources.Prometheus, URL: "http://prometheus", Kind: sources.ErrNotFound, Detail: "this server evaluates no alerting rules"},
	} {
		s := slowBank(t)
		list := correlate.NewExplorer(sources.Set{Metrics: &alerting{fakeMetrics: s.metrics, err: err}, Ledger: s.ledger}, question).Alerts(t.Context())
		if len(list.Missing) != 1 || list.Missing[0].Kind != kind || !list.Unanswered() {
			t.Errorf("%v: %+v", err, list.Missing)
		}
	}
	s := slowBank(t)
	quiet := correlate.NewExplorer(sources.Set{Metrics: &alerting{fakeMetrics: s.metrics}, Ledger: s.ledger}, question).Alerts(t.Context())
	if quiet.Unanswered() || quiet.Alerts == nil {
		t.Errorf("no alert is an answer: %+v", quiet)
	}
}
