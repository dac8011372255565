package report_test

import (
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/charmbracelet/x/exp/golden"

	"obs/correlate"
	"obs/correlate/report"
	"obs/correlate/rules"
	"obs/sources"
)

var ruleForms = map[string]func(io.Writer, *correlate.RuleReport) error{"text": report.RulesText, "markdown": report.RulesMarkdown, "json": report.RulesJSON}

func madeRules() *correlate.RuleReport {
	to := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	r := &correlate.RuleReport{
		Schema: correlate.RulesSchema, Window: sources.Window{From: to.Add(-7 * 24 * time.Hour), To: to}, HeldSeconds: 604800, Rules: 3,
		Missing: []correlate.Missing{}, Queries: []correlate.Query{{Backend: sources.Prometheus, Query: "GET /api/v1/rules", Status: sources.QueryOK}},
	}
	rule := func(name, query string) sources.AlertRule {
		return sources.AlertRule{Name: name, Group: "shop", File: "shop.yml", Query: query, For: time.Minute, Interval: time.Minute, Labels: sources.Labels{"severity": "page"}}
	}
	r.Problems = rules.Lint(
		[]sources.AlertRule{rule("Busy", "node_cpu_seconds_total > 1"), rule("Slow", `slow{job="gone"} > 1`), rule("Failing", "failing_total > 1")},
		rules.Past{Held: 7 * 24 * time.Hour, Fired: map[string]rules.Firing{"Busy": {For: 7 * 24 * time.Hour, Times: 1}, "Failing": {For: time.Hour, Times: 1}}},
		func(n rules.Need) bool { return n.Metric == "slow" })
	return r
}

func TestRuleReports(t *testing.T) {
	for as, form := range ruleForms {
		t.Run(as, func(t *testing.T) { golden.RequireEqual(t, written(t, form, madeRules())) })
	}
}

func TestHeadlinesOfRules(t *testing.T) {
	for want, r := range map[string]*correlate.RuleReport{
		"▲ no alerting rule was looked at": {},
		"● nothing is wrong with 1 rule":   {Rules: 1},
		"✖ 3 problems in 2 of 4 rules":     {Rules: 4, Problems: []rules.Problem{{Rule: "A"}, {Rule: "A", Kind: rules.NoFor}, {Rule: "A", Group: "other"}}},
	} {
		if got, _, _ := strings.Cut(written(t, report.RulesText, r), "\n"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestHostileRules(t *testing.T) {
	plain := &correlate.RuleReport{}
	fill(reflect.ValueOf(plain).Elem(), "", "harmless")
	for name, payload := range hostile {
		r := &correlate.RuleReport{}
		fill(reflect.ValueOf(r).Elem(), "", payload)
		for as, form := range ruleForms {
			text := written(t, form, r)
			if i := strings.IndexFunc(text, func(r rune) bool {
				return r != '\n' && r != '\u200d' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp))
			}); i >= 0 {
				t.Errorf("%s as %s: %q", name, as, text[max(0, i-20):min(len(text), i+20)])
			}
		}
		if got, want := skeleton(written(t, report.RulesMarkdown, r)), skeleton(written(t, report.RulesMarkdown, plain)); got != want {
			t.Errorf("%s: the Markdown has the structure\n%s\nwant\n%s", name, got, want)
		}
	}
}
