package correlate_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources"
)

// telling is an Alertmanager with some alerts.
type telling struct {
	ledger *sources.Ledger
	sent   []sources.Notification
	err    error
}

func (a *telling) Notifications(ctx context.Context) ([]sources.Notification, error) {
	_, call := a.ledger.Start(ctx, sources.Alertmanager, "GET /api/v2/alerts", sources.Window{})
	call.End(len(a.sent), a.err)
	return a.sent, a.err
}

func (a *telling) Link(labels sources.Labels) string {
	return "http://alertmanager/#" + labels["alertname"]
}

func sent(name string, more sources.Labels) sources.Notification {
	labels := sources.Labels{"alertname": name}
	for k, v := range more {
		labels[k] = v
	}
	return sources.Notification{Alert: sources.Alert{Name: name, State: "firing", Labels: labels, ActiveAt: noon.Add(time.Minute), Value: math.NaN()}}
}

func silenced(n sources.Notification) sources.Notification {
	n.Silences = []sources.Silence{{ID: "1", By: "on-call", Comment: "known", Until: noon.Add(time.Hour)}}
	return n
}

// alertsOf are the alerts of Prometheus and Alertmanager together, by name and labels.
func alertsOf(t *testing.T, raised []sources.Alert, told *telling) (*correlate.AlertList, map[string]*correlate.Alert) {
	t.Helper()
	s := slowBank(t)
	set := sources.Set{Ledger: s.ledger}
	if raised != nil {
		set.Metrics = &alerting{fakeMetrics: s.metrics, raised: raised}
	}
	if told != nil {
		told.ledger = s.ledger
		set.Notifications = told
	}
	list := correlate.NewExplorer(set, question).Alerts(t.Context())
	by := map[string]*correlate.Alert{}
	for i := range list.Alerts {
		a := &list.Alerts[i]
		key := a.Name + " " + a.Labels["cluster"]
		if _, twice := by[key]; twice {
			t.Errorf("%s is listed twice", key)
		}
		by[key] = a
	}
	return list, by
}

// One alert that both have is one row, with what each of them knows.
func TestAlertsOfBoth(t *testing.T) {
	inhibited := sent("Young", sources.Labels{"service": "cart", "severity": "ticket", "cluster": "eu"}) // with an external label
	inhibited.Inhibitors, inhibited.Receivers, inhibited.Muted = []string{"Old"}, []string{"pager", "chat"}, []string{"nights"}
	old := silenced(sent("Old", sources.Labels{"service_name": "pay", "job": "x", "severity": "page"}))
	delete(old.Labels, "alertname") // as those of raised have it
	old.Name = "Old"
	own := sent("Elsewhere", sources.Labels{"service": "mail"})
	own.Generator, own.Rule = "http://other.example/graph?g0.expr=up+%3D%3D+0", "up == 0"
	list, by := alertsOf(t, raised, &telling{sent: []sources.Notification{own, inhibited, old}})
	if len(list.Alerts) != 5 || len(list.Missing) != 0 || len(list.Queries) != 2 {
		t.Fatalf("%d alerts, %+v, %d queries", len(list.Alerts), list.Missing, len(list.Queries))
	}
	first := by["Old "]
	if len(first.Silences) != 1 || first.Silences[0].By != "on-call" || first.Quiet() != "silenced" || !first.Since.Equal(noon.Add(-time.Hour)) || len(first.Evidence) != 2 ||
		first.Evidence[0].Backend != sources.Prometheus || first.Evidence[1].Backend != sources.Alertmanager || first.Evidence[1].URL == "" || !strings.HasPrefix(first.Query, "ALERTS{") {
		t.Errorf("the silenced one: %+v", first)
	}
	young := by["Young "]
	if !slices.Equal(young.InhibitedBy, []string{"Old"}) || young.Quiet() != "inhibited, muted" || !slices.Equal(young.Receivers, []string{"chat", "pager"}) || len(young.Silences) != 0 {
		t.Errorf("the inhibited one: %+v", young)
	}
	if only := by["Elsewhere "]; only.Service != "mail" || only.Query != "up == 0" || only.RuleURL != own.Generator || len(only.Evidence) != 1 || !math.IsNaN(only.Value) {
		t.Errorf("that of another Prometheus: %+v", only)
	}
	if waits := by["Waits "]; waits.State != "pending" || waits.Quiet() != "" || len(waits.Evidence) != 1 {
		t.Errorf("one that is sent to nobody: %+v", waits)
	}
}

// Which of several sent alerts a raised one is may be open. Then none is called silenced for
// another.
func TestAlertsThatMayBeOneAnother(t *testing.T) {
	raised := []sources.Alert{{Name: "Slow", State: "firing", Labels: sources.Labels{"alertname": "Slow"}, ActiveAt: noon}}
	eu, us := sources.Labels{"cluster": "eu"}, sources.Labels{"cluster": "us"}
	list, by := alertsOf(t, raised, &telling{sent: []sources.Notification{silenced(sent("Slow", eu)), sent("Slow", us)}})
	if len(list.Alerts) != 3 || by["Slow "].Quiet() != "" || by["Slow eu"].Quiet() != "silenced" || by["Slow us"].Quiet() != "" {
		t.Errorf("two clusters: %+v", list.Alerts)
	}
	// The same labels are surer than more of them.
	list, by = alertsOf(t, raised, &telling{sent: []sources.Notification{silenced(sent("Slow", eu)), sent("Slow", nil)}})
	if len(list.Alerts) != 2 || by["Slow "].Quiet() != "" || len(by["Slow "].Evidence) != 2 {
		t.Errorf("the same labels: %+v", list.Alerts)
	}
	// One that was sent is not two that were raised.
	two := []sources.Alert{
		{Name: "Slow", State: "firing", Labels: sources.Labels{"alertname": "Slow", "cluster": "eu"}, ActiveAt: noon},
		{Name: "Slow", State: "firing", Labels: sources.Labels{"alertname": "Slow", "zone": "a"}, ActiveAt: noon},
	}
	list, _ = alertsOf(t, two[1:], &telling{sent: []sources.Notification{silenced(sent("Slow", sources.Labels{"cluster": "eu", "zone": "a"}))}})
	if len(list.Alerts) != 1 || list.Alerts[0].Quiet() != "silenced" {
		t.Errorf("one of one: %+v", list.Alerts)
	}
	s := slowBank(t)
	set := sources.Set{
		Ledger: s.ledger, Metrics: &alerting{fakeMetrics: s.metrics, raised: two},
		Notifications: &telling{ledger: s.ledger, sent: []sources.Notification{silenced(sent("Slow", sources.Labels{"cluster": "eu", "zone": "a"}))}},
	}
	if list := correlate.NewExplorer(set, question).Alerts(t.Context()); len(list.Alerts) != 3 {
		t.Errorf("one of two: %+v", list.Alerts)
	}
	// One that pends was not sent, whatever its labels.
	pending := []sources.Alert{{Name: "Slow", State: "pending", Labels: sources.Labels{"alertname": "Slow"}, ActiveAt: noon}}
	s = slowBank(t)
	set.Metrics, set.Ledger = &alerting{fakeMetrics: s.metrics, raised: pending}, s.ledger
	set.Notifications = &telling{ledger: s.ledger, sent: []sources.Notification{silenced(sent("Slow", nil))}}
	if list := correlate.NewExplorer(set, question).Alerts(t.Context()); len(list.Alerts) != 2 || list.Alerts[1].Quiet() != "" {
		t.Errorf("a pending one: %+v", list.Alerts)
	}
}

func TestAlertsOfAlertmanagerAlone(t *testing.T) {
	list, by := alertsOf(t, nil, &telling{sent: []sources.Notification{silenced(sent("Slow", sources.Labels{"service": "pay"}))}})
	if len(list.Missing) != 0 || len(list.Queries) != 1 || by["Slow "].Service != "pay" || by["Slow "].State != "firing" || by["Slow "].Query != "" {
		t.Errorf("%+v", list)
	}
	// A server without rules is no gap where Alertmanager has the alerts of those who evaluate them.
	s := slowBank(t)
	none := &sources.Error{Backend: sources.Prometheus, URL: "http://prometheus", Kind: sources.ErrNotFound}
	set := sources.Set{Ledger: s.ledger, Metrics: &alerting{fakeMetrics: s.metrics, err: none}, Notifications: &telling{ledger: s.ledger}}
	if list := correlate.NewExplorer(set, question).Alerts(t.Context()); len(list.Missing) != 0 || list.Unanswered() {
		t.Errorf("beside a Prometheus without rules: %+v", list.Missing)
	}
	// That Alertmanager fails costs what it would have said.
	set.Metrics, set.Notifications = &alerting{fakeMetrics: s.metrics, raised: raised}, &telling{ledger: s.ledger, err: down(sources.Alertmanager)}
	list = correlate.NewExplorer(set, question).Alerts(t.Context())
	if len(list.Alerts) != len(raised) || len(list.Missing) != 1 || list.Missing[0].Backend != sources.Alertmanager || list.Missing[0].Kind != correlate.MissingFailed {
		t.Errorf("%d alerts, %+v", len(list.Alerts), list.Missing)
	}
}

// A silenced alert is still one that fires.
func TestSilencedAlertBesideServices(t *testing.T) {
	s := slowBank(t)
	set := sources.Set{Ledger: s.ledger, Metrics: &alerting{fakeMetrics: s.metrics}, Notifications: &telling{ledger: s.ledger, sent: []sources.Notification{silenced(sent("Slow", nil))}}}
	if table := correlate.NewExplorer(set, question).Services(t.Context(), correlate.PerService); len(table.Alerts) != 1 || table.Alerts[0].Quiet() != "silenced" {
		t.Errorf("%+v", table.Alerts)
	}
}
