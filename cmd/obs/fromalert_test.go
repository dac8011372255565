package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources/sandbox/shop"
)

// alertedShop is a shop in which payment is slow, so that rules about it and about its callers
// fire, and the program that asks it.
type alertedShop struct {
	t     *testing.T
	flags []string
}

func newAlertedShop(t *testing.T) alertedShop {
	t.Helper()
	scenario, err := shop.Find(defaultScenario)
	if err != nil {
		t.Fatal(err)
	}
	running, err := openShop(t.Context(), scenario, &demoOptions{seed: 1, speed: 1}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.close)
	s := running.server
	return alertedShop{t, []string{"--prometheus-url", s.PrometheusURL, "--loki-url", s.LokiURL, "--jaeger-url", s.JaegerURL}}
}

// run asks the shop, with a text on standard input.
func (s alertedShop) run(in string, args ...string) ended {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	w := nowhere(&stdout, &stderr)
	w.in = strings.NewReader(in)
	return ended{status: run(append(args, s.flags...), w), stdout: stdout.String(), stderr: stderr.String()}
}

// triage is the case of a run that must go well.
func (s alertedShop) triage(in string, args ...string) *correlate.Case {
	s.t.Helper()
	e := s.run(in, append([]string{"triage", "-o", "json"}, args...)...)
	var c correlate.Case
	if err := json.Unmarshal([]byte(e.stdout), &c); e.status != exitOK || err != nil || c.Alert == nil {
		s.t.Fatalf("%v: status %d, %v\n%s", args, e.status, err, e.stderr)
	}
	return &c
}

func (s alertedShop) culprit(c *correlate.Case) {
	s.t.Helper()
	if c.Verdict != correlate.Anomalous || len(c.Suspects) == 0 || c.Suspects[0].Service != "payment" || c.Trace == nil || len(c.Records) == 0 {
		s.t.Errorf("from alert %s of %s: %s, %+v", c.Alert.Name, c.Alert.Service, c.Verdict, c.Suspects)
	}
	held, w := c.Alert.Held, c.Window
	if !w.Contains(held) || held.Sub(w.From) < 5*time.Minute || c.Baseline.To.After(w.From) || c.Baseline.Duration() < 30*time.Minute {
		s.t.Errorf("held since %s, window %s, baseline %s", held, w, c.Baseline)
	}
	if len(c.Queries) > 45 {
		s.t.Errorf("%d queries", len(c.Queries))
	}
}

func TestTriageFromNamedAlert(t *testing.T) {
	s := newAlertedShop(t)
	c := s.triage("", "--alert", "SlowRequests")
	s.culprit(c)
	a := c.Alert
	if a.State != "firing" || a.Severity != "page" || a.ForSeconds != 60 || !strings.Contains(a.Expression, "histogram_quantile") || a.Summary == "" || a.Description == "" ||
		!a.Started.Equal(a.Held.Add(time.Minute)) || len(a.Others) == 0 || len(a.Findings) != 1 {
		t.Errorf("%+v", a)
	}
	for _, other := range a.Others {
		if other.Started.Before(a.Held) {
			t.Errorf("%+v began before %s", other, a.Held)
		}
	}
	if f := c.Finding(a.Findings[0]); f == nil || !strings.Contains(f.Statement, "rose from") || !strings.Contains(f.Statement, "its limit is > 1") ||
		len(f.Evidence) == 0 || strings.Contains(f.Evidence[0].Query, "> 1") {
		t.Errorf("%+v", f)
	}

	// A caller's alert leads to the cause beneath it too, and what is normal is not taken from
	// when its callees were slow already.
	c = s.triage("", "--alert", "SlowRequests", "--service", "checkout")
	s.culprit(c)
	if c.Alert.Service != "checkout" || len(c.Alert.Others) != 0 {
		t.Errorf("%+v", c.Alert)
	}

	// A window that is named wins.
	c = s.triage("", "--alert", "SlowRequests", "--since", "20m")
	if d := c.Window.Duration(); d != 20*time.Minute {
		t.Errorf("--since 20m: %s", c.Window)
	}

	text := s.run("", "triage", "-o", "text", "--alert", "SlowRequests").stdout
	for _, want := range []string{"\nALERT  SlowRequests (page), ", "\n  summary     ", "\n  rule        histogram_quantile", "for 1m0s", "\n  its series  What alert SlowRequests measures rose", "\n  beside it   SlowRequests of "} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	markdown := s.run("", "triage", "-o", "markdown", "--alert", "SlowRequests").stdout
	if !strings.Contains(markdown, "\n## Alert\n\nSlowRequests (page), ") || !strings.Contains(markdown, "\n- rule: `histogram_quantile") {
		t.Errorf("%s", markdown)
	}

	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"--alert", "HighErrorRatio"}, exitNotFound, "alert HighErrorRatio is not firing\n"},
		{[]string{"--alert", "SlowRequests", "--service", "catalog"}, exitNotFound, "alert SlowRequests is not firing for catalog\n"},
		{[]string{"--alert", "SlowRequest"}, exitUsage, "did you mean SlowRequests?"},
		{[]string{"--alert", "Zzz"}, exitUsage, "obs: there is no alert Zzz\n"},
	} {
		e := s.run("", append([]string{"triage", "-o", "text"}, c.args...)...)
		if e.status != c.status || !strings.Contains(e.stderr, c.says) || e.stdout != "" {
			t.Errorf("%v: status %d, %s%s", c.args, e.status, e.stderr, e.stdout)
		}
	}
}

func TestTriageFromMessage(t *testing.T) {
	s := newAlertedShop(t)
	// What Alertmanager would have posted of these alerts, whose rules the shop evaluates.
	now := time.Now().UTC()
	alert := func(status, service string, starts time.Duration, ends time.Time) string {
		return fmt.Sprintf(`{"status":%q,"labels":{"alertname":"SlowRequests","severity":"page","service_name":%q},"annotations":{"summary":"slow","runbook_url":"javascript:alert(1)"},
			"startsAt":%q,"endsAt":%q,"generatorURL":"","fingerprint":"1"}`, status, service, now.Add(-starts).Format(time.RFC3339Nano), ends.Format(time.RFC3339Nano))
	}
	message := func(alerts ...string) string {
		return `{"version":"4","receiver":"obs","status":"firing","truncatedAlerts":3,"alerts":[` + strings.Join(alerts, ",") + `]}`
	}
	c := s.triage(message(alert("resolved", "cart", 50*time.Minute, now.Add(-40*time.Minute)), alert("firing", "mobile-api", 10*time.Minute, time.Time{}),
		alert("firing", "payment", 17*time.Minute, time.Time{})), "--from-alert", "-")
	s.culprit(c)
	a := c.Alert
	if a.Service != "payment" || a.ForSeconds != 60 || !a.Held.Equal(a.Started.Add(-time.Minute)) || a.RunbookURL != "" ||
		len(a.Others) != 2 || a.Others[0].Service != "mobile-api" || a.Others[1].State != "resolved" ||
		!slices.ContainsFunc(a.Remarks, func(r string) bool { return strings.Contains(r, "leaves out 3 more") }) {
		t.Errorf("%+v", a)
	}

	// One that is over: the time while it fired.
	ended := now.Add(-35 * time.Minute).Truncate(time.Second)
	c = s.triage(message(alert("resolved", "cart", 50*time.Minute, ended)), "--from-alert", "-")
	if !c.Window.To.Equal(ended) || c.Alert.State != "resolved" {
		t.Errorf("%s: %+v", c.Window, c.Alert)
	}
	// One of days: the beginning, which is said; the shop is not that old.
	e := s.run(message(alert("firing", "payment", 50*time.Hour, time.Time{})), "triage", "-o", "json", "--from-alert", "-")
	c = &correlate.Case{}
	if err := json.Unmarshal([]byte(e.stdout), c); err != nil || e.status != exitNotFound {
		t.Fatalf("status %d, %v: %s", e.status, err, e.stderr)
	}
	if c.Window.Duration() != time.Hour || len(c.Alert.Remarks) == 0 {
		t.Errorf("%s: %+v", c.Window, c.Alert)
	}
}
