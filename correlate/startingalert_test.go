package correlate_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/correlate/rules"
	"obs/sources"
	"obs/sources/connect"
	"obs/sources/sandbox"
	"obs/sources/sandbox/promapi"
)

// ruled is a Prometheus with rules, whose newest sample is of noon, and an explorer of it.
func ruled(t *testing.T, q correlate.Question, fill func(*promapi.Store), all ...promapi.Rule) (*correlate.Explorer, sources.Set) {
	t.Helper()
	stores := sandbox.NewStores()
	fill(stores.Metrics)
	stores.Metrics.Rules(promapi.RuleGroup{Name: "g", File: "f.yml", Interval: time.Minute, Rules: all})
	server, err := sandbox.Serve(t.Context(), stores, sandbox.Options{Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	set, err := connect.Open(t.Context(), connect.Options{
		PrometheusURL: server.PrometheusURL, Getenv: func(string) string { return "" }, Ledger: &sources.Ledger{Now: func() time.Time { return noon }},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(set.Close)
	return correlate.NewExplorer(set, q), set
}

// minutely appends a sample a minute until noon.
func minutely(store *promapi.Store, l sources.Labels, long time.Duration, value func(ago time.Duration) float64) {
	add := store.Appender(l)
	for ago := long; ago >= 0; ago -= time.Minute {
		add(noon.Add(-ago), value(ago))
	}
}

func constant(v float64) func(time.Duration) float64 { return func(time.Duration) float64 { return v } }

// since is low before it, and high from then on.
func since(turn time.Duration, low, high float64) func(time.Duration) float64 {
	return func(ago time.Duration) float64 {
		if ago > turn {
			return low
		}
		return high
	}
}

// An alert about what no convention knows is judged by what its own rule measures.
func TestTriageFromAlertOfAnyMetric(t *testing.T) {
	fill := func(store *promapi.Store) {
		minutely(store, sources.Labels{"__name__": "backlog_items", "service": "ship", "queue": "labels"}, 3*time.Hour, since(20*time.Minute, 10, 500))
		minutely(store, sources.Labels{"__name__": "backlog_items", "service": "ship", "queue": "other"}, 3*time.Hour, constant(7))
		minutely(store, sources.Labels{"__name__": "backlog_items", "service": "mail", "queue": "out"}, 3*time.Hour, constant(700))
	}
	rule := promapi.Rule{Alert: "Backlog", Expr: "backlog_items > 100", For: 2 * time.Minute, Labels: sources.Labels{"severity": "page"}}
	x, set := ruled(t, correlate.Question{Services: []string{"ship"}}, fill, rule)
	alert, err := x.NamedAlert(t.Context(), "Backlog")
	if err != nil || alert.Service != "ship" || !alert.Held.Equal(noon.Add(-20*time.Minute)) || !alert.Started.Equal(noon.Add(-18*time.Minute)) {
		t.Fatalf("%v, %+v", err, alert)
	}
	w, cut, ok := alert.Window(noon)
	if !ok || cut || !w.To.Equal(noon) || !w.From.Equal(noon.Add(-25*time.Minute)) {
		t.Fatalf("%s, %v, %v", w, cut, ok)
	}
	base := sources.Window{From: w.From.Add(-30 * time.Minute), To: w.From}
	c := correlate.Triage(t.Context(), set, correlate.Question{Window: w, Baseline: base, Alert: alert}, nil)
	if c.Verdict != correlate.Anomalous || len(c.Anomalies) == 0 || c.Anomalies[0].Signal != "alert" || c.Anomalies[0].Service != "ship" ||
		c.Anomalies[0].BaselineValue != 10 || c.Anomalies[0].WindowValue != 500 || c.Anomalies[0].Onset.Before(noon.Add(-21*time.Minute)) {
		t.Fatalf("%s: %+v", c.Verdict, c.Anomalies)
	}
	if !slices.Equal(c.Alert.Findings, c.Anomalies[0].Findings) || len(c.Suspects) == 0 || c.Suspects[0].Service != "ship" {
		t.Errorf("%+v, %+v", c.Alert, c.Suspects)
	}
	f := c.Finding(c.Alert.Findings[0])
	if !strings.Contains(f.Statement, "rose from 10.0 to 500") || !strings.Contains(f.Statement, "its limit is > 100") || f.Evidence[0].Query != "backlog_items" {
		t.Errorf("%+v", f)
	}

	// One that has been beyond its limit all the time departs from nothing, which is said.
	x, set = ruled(t, correlate.Question{Services: []string{"mail"}}, fill, rule)
	alert, err = x.NamedAlert(t.Context(), "Backlog")
	if err != nil || alert.Service != "mail" {
		t.Fatalf("%v, %+v", err, alert)
	}
	c = correlate.Triage(t.Context(), set, correlate.Question{Window: w, Baseline: base, Alert: alert}, nil)
	if f := c.Finding(c.Alert.Findings[0]); !strings.Contains(f.Statement, "does not depart") || !strings.Contains(f.Statement, "crossed in the baseline too") {
		t.Errorf("%+v", f)
	}
	if slices.ContainsFunc(c.Anomalies, func(a correlate.Anomaly) bool { return a.Signal == "alert" }) {
		t.Errorf("%+v", c.Anomalies)
	}
}

func TestNoSuchAlert(t *testing.T) {
	x, _ := ruled(t, correlate.Question{}, func(*promapi.Store) {}, promapi.Rule{Alert: "Quiet", Expr: "up == 0"})
	for name, isRule := range map[string]bool{"Quiet": true, "Other": false} {
		var none *correlate.NoAlertError
		if _, err := x.NamedAlert(t.Context(), name); !errors.As(err, &none) || none.Rule != isRule || !slices.Equal(none.Known, []string{"Quiet"}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAlertWindow(t *testing.T) {
	at := func(d time.Duration) time.Time { return noon.Add(-d) }
	const minute = time.Minute
	for name, c := range map[string]struct {
		alert      correlate.StartingAlert
		from, to   time.Time
		cut, known bool
	}{
		"young":          {correlate.StartingAlert{Held: at(minute)}, at(10 * minute), noon, false, true},
		"an hour's rate": {correlate.StartingAlert{Held: at(10 * minute), Expression: "rate(x[30m]) > 1"}, at(40 * minute), noon, false, true},
		"a week's":       {correlate.StartingAlert{Held: at(10 * minute), Expression: "rate(x[7d]) > 1"}, at(40 * minute), noon, false, true},
		"over":           {correlate.StartingAlert{Held: at(50 * minute), Ended: at(30 * minute)}, at(55 * minute), at(30 * minute), true, true},
		"of two days":    {correlate.StartingAlert{Held: at(48 * time.Hour)}, at(48*time.Hour + 5*minute), at(47*time.Hour + 5*minute), true, true},
		"of no time":     {correlate.StartingAlert{}, time.Time{}, time.Time{}, false, false},
		"of the future":  {correlate.StartingAlert{Held: at(-minute)}, time.Time{}, time.Time{}, false, false},
	} {
		w, cut, known := c.alert.Window(noon)
		if known != c.known || cut != c.cut || !w.From.Equal(c.from) || !w.To.Equal(c.to) {
			t.Errorf("%s: %s, cut %v, known %v", name, w, cut, known)
		}
		if long := name == "of two days"; long != (len(c.alert.Remarks) == 1) {
			t.Errorf("%s: %q", name, c.alert.Remarks)
		}
	}
}

// What a week says of rules: a series of each alert, as Prometheus keeps them.
func TestRules(t *testing.T) {
	const week = 7 * 24 * time.Hour
	window := sources.Window{From: noon.Add(-week), To: noon}
	alerts := func(store *promapi.Store, name string, fires func(i int) bool) {
		firing := store.Appender(sources.Labels{"__name__": "ALERTS", "alertname": name, "alertstate": "firing"})
		active := store.Appender(sources.Labels{"__name__": "ALERTS_FOR_STATE", "alertname": name})
		began, before := time.Time{}, false
		for i := range int(week / time.Minute) {
			at := window.From.Add(time.Duration(i+1) * time.Minute)
			if fires(i) {
				if !before {
					began = at
				}
				firing(at, 1)
				active(at, float64(began.Unix()))
			}
			before = fires(i)
		}
	}
	x, _ := ruled(t, correlate.Question{Window: window}, func(store *promapi.Store) {
		minutely(store, sources.Labels{"__name__": "up", "job": "shop"}, 8*24*time.Hour, constant(1))
		minutely(store, sources.Labels{"__name__": "old_total", "job": "shop"}, time.Hour, constant(1))
		alerts(store, "Noisy", func(int) bool { return true })
		alerts(store, "Flappy", func(i int) bool { return i%1000 < 5 })
		alerts(store, "Once", func(i int) bool { return i > 3000 && i < 3100 })
	},
		promapi.Rule{Alert: "Noisy", Expr: `up{job="shop"} == 0`, For: time.Minute}, promapi.Rule{Alert: "Flappy", Expr: "up == 0", For: time.Minute},
		promapi.Rule{Alert: "Once", Expr: "old_total > 1", For: time.Minute}, promapi.Rule{Alert: "Quiet", Expr: "up > 1", For: time.Minute},
		promapi.Rule{Alert: "Moved", Expr: `up{job="elsewhere"} == 0`, For: time.Minute}, promapi.Rule{Alert: "Gone", Expr: "no_such_metric > 1", For: time.Minute},
	)
	report := x.Rules(t.Context())
	if report.Schema != correlate.RulesSchema || report.Rules != 6 || len(report.Missing) > 0 || report.HeldSeconds != week.Seconds() || len(report.Queries) > 9 {
		t.Fatalf("%d rules, held %v s, %+v, %d queries", report.Rules, report.HeldSeconds, report.Missing, len(report.Queries))
	}
	var got []string
	for _, p := range report.Problems {
		if p.Kind != rules.NoSeverity && p.Kind != rules.NoOwner && p.Kind != rules.NoRunbook {
			got = append(got, string(p.Kind)+" "+p.Rule)
		}
		if p.Rule == "Flappy" && p.Kind == rules.Flapping && !strings.Contains(p.Statement, "became active 11 times in 7 days, and fired for 5m each") {
			t.Errorf("%s", p.Statement)
		}
	}
	want := []string{"no_series Moved", "no_series Gone", "always_firing Noisy", "flapping Flappy", "never_fired Quiet"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}
