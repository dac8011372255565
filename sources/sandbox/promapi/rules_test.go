package promapi

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"obs/sources"
)

// TestAlerts compares with what a Prometheus 3.15 told of the same rules: three queues
// with a sample each second, of which one grew from 5 to 1234.5 after 8 s and one shrank
// from 50 to 1 after 12 s. It was asked after 25 s, and had run since a second before
// the data begin here.
func TestAlerts(t *testing.T) {
	file, err := os.ReadFile(filepath.Join("testdata", "alerts.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal(file, &want); err != nil {
		t.Fatal(err)
	}
	begins := time.Unix(int64(want["begins"].(float64)), 0)
	delete(want, "begins")
	store := NewStore()
	for queue, change := range map[string][3]float64{"orders": {5, 8, 1234.5}, "emails": {50, 12, 1}, "small": {3, 0, 3}} {
		for second := -1.0; second < 60; second++ {
			v := change[0]
			if second >= change[1] {
				v = change[2]
			}
			store.Append(sources.Labels{"__name__": "queue_depth", "job": "shop", "queue": queue}, begins.Add(time.Duration(second)*time.Second), v)
		}
	}
	store.Rules(RuleGroup{Name: "queues", File: "rules.yml", Interval: time.Second, Rules: []Rule{
		{
			Alert: "QueueFull", Expr: "queue_depth>10", For: 5 * time.Second,
			Labels: sources.Labels{"severity": "page", "owner": "team-{{ $labels.queue }}"},
			Annotations: sources.Labels{
				"summary": `{{ $labels.queue }} holds {{ $value }} ({{ $value | humanize }}, {{ printf "%.2f" $value }}, {{ humanizePercentage .Value }}, {{ $value | humanizeDuration }})`,
				"plain":   "text",
			},
		},
		{Alert: "QueueSlow", Expr: "queue_depth > 10", For: time.Hour},
		{
			Alert: "QueueKept", Expr: `queue_depth{queue="emails"} > 10`, For: 2 * time.Second, KeepFiringFor: 10 * time.Minute,
			Annotations: sources.Labels{"summary": `{{ index $labels "queue" }} {{ $labels.none }}.`},
		},
		{Alert: "Quiet", Expr: "queue_depth > 1000"},
	}})
	handler := Handler(store, Options{Now: func() time.Time { return begins.Add(25300 * time.Millisecond) }})
	for path, expected := range want {
		status, body := ask(t, handler, path)
		var got any
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 {
			t.Fatalf("%s: %d %v", path, status, err)
		}
		if why := unlike(path, untimed(got), untimed(expected), false); why != "" {
			t.Error(why)
		}
	}
}

// untimed leaves out how long evaluations took and when the last one was, and cuts the
// other times to the group's interval: the second.
func untimed(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			switch text, _ := inner.(string); key {
			case "evaluationTime", "lastEvaluation":
				v[key] = ""
			case "activeAt", "keepFiringSince":
				v[key] = text[:len("2006-01-02T15:04:05")]
			default:
				v[key] = untimed(inner)
			}
		}
	case []any:
		for i := range v {
			v[i] = untimed(v[i])
		}
	}
	return v
}

func TestRuleStates(t *testing.T) {
	store := NewStore()
	up := sources.Labels{"__name__": "up", "job": "a"}
	for i := range 8 * 60 {
		store.Append(up, recorded.Add(time.Duration(i)*time.Minute), float64(i%120)/60) // 2 h up and down
	}
	now := recorded.Add(7*time.Hour + 30*time.Second)
	handler := Handler(store, Options{Now: func() time.Time { return now }})
	state := func(r Rule, interval time.Duration) (string, string, string) {
		t.Helper()
		a := &api{store: store, options: Options{Now: func() time.Time { return now }}.withDefaults()}
		a.engine = newEngine(a.options)
		got := a.rule(t.Context(), r, interval, false)
		since := ""
		if len(got.Alerts) > 0 {
			since = got.Alerts[0].ActiveAt.Sub(recorded).String()
		}
		return got.State, since, got.LastError
	}
	for _, test := range []struct {
		name         string
		rule         Rule
		interval     time.Duration
		state, since string
		failure      string
	}{
		{"not now", Rule{Expr: "up > 100"}, time.Minute, "inactive", "", ""},
		{"since the hour", Rule{Expr: "up >= 1", For: 10 * time.Minute}, time.Minute, "pending", "7h0m0s", ""},
		{"longer than the first look back", Rule{Expr: "up < 1 or up >= 0.5", For: time.Minute}, time.Minute, "firing", "1h0m0s", ""},
		{"no longer than the data", Rule{Expr: "vector(1)"}, 2 * time.Minute, "firing", "1h0m0s", ""},
		{"a scalar", Rule{Expr: "1"}, time.Minute, "firing", "1h0m0s", ""},
		{"a text", Rule{Expr: `"a"`}, time.Minute, "inactive", "", "rule result is not a vector or scalar"},
		{"not PromQL", Rule{Expr: "rate(("}, time.Minute, "inactive", "", "1:7: parse error: unclosed left parenthesis"},
		{"too large", Rule{Expr: "count_over_time(up[100y:1ms])"}, time.Minute, "inactive", "", "query processing would load too many samples into memory in query execution"},
		{"twice the same labels", Rule{Expr: `label_replace(up, "x", "1", "", "") or up`, Labels: sources.Labels{"x": "2"}}, time.Minute, "inactive", "", "vector contains metrics with the same labelset after applying alert labels"},
	} {
		test.rule.Alert = "A"
		state, since, failure := state(test.rule, test.interval)
		if state != test.state || since != test.since || failure != test.failure {
			t.Errorf("%s: %s since %s, %q", test.name, state, since, failure)
		}
	}
	store.Rules(
		RuleGroup{Name: "one", File: "a.yml", Rules: []Rule{{Alert: "A", Expr: "up >= 0", Labels: sources.Labels{"team": "x"}}}},
		RuleGroup{Name: "two", File: "b.yml", Rules: []Rule{{Alert: "B", Expr: "rate(("}}},
	)
	for path, want := range map[string][2]int{ // rules with the name A, and with B
		"rules": {1, 1}, "rules?rule_name[]=A": {1, 0}, "rules?rule_group[]=two": {0, 1}, "rules?file[]=a.yml&file[]=b.yml": {1, 1},
		"rules?type=alert": {1, 1}, "rules?type=record": {0, 0}, `rules?match[]={team="x"}`: {1, 0},
	} {
		_, body := ask(t, handler, path)
		if got := [2]int{strings.Count(body, `"name":"A"`), strings.Count(body, `"name":"B"`)}; got != want {
			t.Errorf("%s: %v rules, not %v: %s", path, got, want, body)
		}
	}
}

func TestExpand(t *testing.T) {
	set := labels.FromStrings("job", "a|b", "service.name", "pay")
	for text, want := range map[string]string{
		"plain {":                                   "plain {",
		"{{$value}}":                                "0.0123",
		"{{- .Labels.job -}}!":                      "a|b!",
		`{{ index .Labels "service.name" }}`:        "pay",
		"{{ $value | humanize }}":                   "12.3m",
		"{{ $value | humanize1024 }}":               "0.0123",
		"{{ $value | humanizePercentage }}":         "1.23%",
		"{{ humanizeDuration $value }}":             "12.3ms",
		`{{ $value | printf "%.1f%%" }}`:            "0.0%",
		`{{ printf "%s" $labels.job }}`:             "a|b",
		"{{ $labels.job | humanize }}":              `<error expanding template: strconv.ParseFloat: parsing "a|b": invalid syntax>`,
		"{{ range query `up` }}":                    "<error expanding template: the sandbox does not know \"`up`\">",
		"{{}}":                                      "<error expanding template: missing value for command>",
		`{{ printf "%d apples" $value | toUpper }}`: `<error expanding template: the sandbox does not know "toUpper ">`,
	} {
		if got := expand(text, set, 0.0123); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0", 999: "999", 1234567: "1.235M", -5e9: "-5G"} {
		if got := expand("{{ $value | humanize }}", set, v); got != want {
			t.Errorf("%v: %s, not %s", v, got, want)
		}
	}
	if got := expand("{{ humanize1024 $value }}", set, 3<<20); got != "3Mi" {
		t.Error(got)
	}
}
