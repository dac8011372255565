package rules_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate/rules"
	"obs/sources"
)

// good is a rule with which nothing is wrong.
func good(name string) sources.AlertRule {
	return sources.AlertRule{
		Name: name, Group: "g", File: "f.yml", Query: `rate(http_requests_total{code="500", job="shop"}[5m]) > 1`, For: 5 * time.Minute, Interval: time.Minute,
		Labels: sources.Labels{"severity": "page", "team": "shop"}, Annotations: sources.Labels{"runbook_url": "https://example.com"}, State: "inactive", Health: "ok",
	}
}

func kindsOf(t *testing.T, r sources.AlertRule, past rules.Past, away ...string) []rules.Kind {
	t.Helper()
	var kinds []rules.Kind
	for _, p := range rules.Lint([]sources.AlertRule{r}, past, func(n rules.Need) bool { return slices.Contains(away, n.String()) }) {
		if p.Rule != r.Name || p.Group != r.Group || p.File != r.File || p.Statement == "" || p.Mend == "" {
			t.Errorf("%+v", p)
		}
		kinds = append(kinds, p.Kind)
	}
	return kinds
}

func TestLint(t *testing.T) {
	const week = 7 * 24 * time.Hour
	fired := func(long time.Duration, times int) rules.Past {
		return rules.Past{Held: week, Fired: map[string]rules.Firing{"R": {For: long, Times: times}}}
	}
	once := fired(time.Hour, 1)
	for name, c := range map[string]struct {
		change func(*sources.AlertRule)
		past   rules.Past
		away   []string
		want   []rules.Kind
	}{
		"good":                     {past: once},
		"nothing of the past":      {},
		"never":                    {past: rules.Past{Held: week}, want: []rules.Kind{rules.Never}},
		"never, of half a day":     {past: rules.Past{Held: 12 * time.Hour}},
		"fires for the first time": {past: rules.Past{Held: week}, change: func(r *sources.AlertRule) { r.State = "firing" }},
		"always":                   {past: fired(week-time.Hour, 1), want: []rules.Kind{rules.Always}},
		"always, as it should":     {past: fired(week, 1), change: func(r *sources.AlertRule) { r.Name = "Watchdog" }},
		"a long incident":          {past: fired(4*24*time.Hour, 2)},
		"flaps":                    {past: fired(50*time.Minute, 10), want: []rules.Kind{rules.Flapping}},
		"often, and long":          {past: fired(10*time.Hour, 10)},
		"short, and seldom":        {past: fired(4*time.Minute, 4)},
		"cannot be evaluated":      {past: once, change: func(r *sources.AlertRule) { r.Health, r.LastError = "err", "many-to-many" }, want: []rules.Kind{rules.Failing}},
		"metric away":              {past: once, away: []string{`http_requests_total{job="shop"}`}, want: []rules.Kind{rules.NoSeries}},
		"no for":                   {past: once, change: func(r *sources.AlertRule) { r.For = 0 }, want: []rules.Kind{rules.NoFor}},
		"no for, and no metric":    {past: once, change: func(r *sources.AlertRule) { r.For, r.Query = 0, "vector(1)" }},
		"nobody's":                 {past: once, change: func(r *sources.AlertRule) { r.Labels, r.Annotations = nil, nil }, want: []rules.Kind{rules.NoSeverity, rules.NoOwner, rules.NoRunbook}},
		"pages for CPU":            {past: once, change: func(r *sources.AlertRule) { r.Query = "rate(node_cpu_seconds_total[5m]) > 0.9" }, want: []rules.Kind{rules.Cause}},
		"ticket for CPU": {past: once, change: func(r *sources.AlertRule) {
			r.Query, r.Labels = "rate(node_cpu_seconds_total[5m]) > 0.9", sources.Labels{"severity": "ticket", "team": "x"}
		}},
		"CPU of a request": {past: once, change: func(r *sources.AlertRule) { r.Query = "cpu_per_request_seconds > 1" }},
	} {
		r := good("R")
		if c.change != nil {
			c.change(&r)
		}
		if r.Name == "Watchdog" { // it fired by its own name
			c.past.Fired["Watchdog"], c.want = c.past.Fired["R"], nil
		}
		if got := kindsOf(t, r, c.past, c.away...); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// The worst comes first, whatever the order of the rules.
func TestLintOrder(t *testing.T) {
	bare, broken := good("A"), good("B")
	bare.Annotations, broken.Health = nil, "err"
	all := rules.Lint([]sources.AlertRule{bare, broken}, rules.Past{}, func(rules.Need) bool { return false })
	if len(all) != 2 || all[0].Rule != "B" || all[1].Rule != "A" {
		t.Errorf("%+v", all)
	}
}

func TestNeeds(t *testing.T) {
	for query, want := range map[string]string{
		`up{job="a", instance="b"} == 0`:                          `up{job="a"}`,
		`rate(x_total{code="500"}[5m]) / rate(y_total[5m]) > 0.1`: `x_total y_total`,
		`absent(up{job="a"})`:                                     ``,
		`absent_over_time(up[5m]) and on () z`:                    `z`,
		`a or b`:                                                  ``,
		`a unless b`:                                              `a`,
		`sum(a) by (x) > scalar(b)`:                               `a`,
		`a{namespace=~"x|y"} + a{namespace=~"x|y"}`:               `a{namespace=~"x|y"}`,
		`{__name__="q", service!="s"} > 1`:                        `q{service!="s"}`,
		`{job="all"} > 1`:                                         ``,
		`max_over_time(a[1h:1m]) > 1`:                             `a`,
		`not promql`:                                              ``,
	} {
		var got []string
		for _, n := range rules.Needs(query) {
			got = append(got, n.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}
