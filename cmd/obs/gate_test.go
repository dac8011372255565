package main

import (
	"bytes"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources"
)

func TestParseLimit(t *testing.T) {
	for _, test := range []struct {
		text  string
		want  limit // without its text
		wrong string
	}{
		{"anomalous", limit{word: "anomalous"}, ""},
		{" partial ", limit{word: "partial"}, ""},
		{"errors>2%", limit{of: "errors", sign: ">", value: 0.02, unit: "ratio"}, ""},
		{"errors >= 0.02", limit{of: "errors", sign: ">=", value: 0.02, unit: "ratio"}, ""},
		{"saturation>100%", limit{of: "saturation", sign: ">", value: 1, unit: "ratio"}, ""},
		{"p99>500ms", limit{of: "p99", sign: ">", value: 0.5, unit: "seconds"}, ""},
		{"p50<=1m", limit{of: "p50", sign: "<=", value: 60, unit: "seconds"}, ""},
		{"rate<0.5", limit{of: "rate", sign: "<", value: 0.5, unit: "requests/s"}, ""},
		{"rate<0.5/s", limit{of: "rate", sign: "<", value: 0.5, unit: "requests/s"}, ""},
		{"suspect-score>=0.5", limit{of: "suspect-score", sign: ">=", value: 0.5}, ""},

		{"", limit{}, "no limit"},
		{"healthy", limit{}, "no limit"},
		{"errors", limit{}, "no limit"},
		{"errors>", limit{}, "no limit"},
		{"errors=2%", limit{}, "no limit"},
		{"errors>2", limit{}, "more than all"},
		{"errors>many", limit{}, "no share"},
		{"errors>-2%", limit{}, "no value to compare with"},
		{"errors>NaN", limit{}, "no value to compare with"},
		{"p99>500", limit{}, "no duration with a unit"},
		{"p99>-5ms", limit{}, "no value to compare with"},
		{"rate<Inf", limit{}, "no value to compare with"},
		{"latency>1s", limit{}, "p50, p95 or p99"},
		{"p90>1s", limit{}, `nothing is called "p90"`},
	} {
		got, err := parseLimit(test.text)
		switch {
		case test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)):
			t.Errorf("%q: got %v, want %q in it", test.text, err, test.wrong)
		case test.wrong == "":
			test.want.text = strings.TrimSpace(test.text)
			if err != nil || got != test.want {
				t.Errorf("%q: got %+v, want %+v (%v)", test.text, got, test.want, err)
			}
		}
	}
}

// ruled is the status and what is said of limits.
func ruled(t *testing.T, limits string, measures []string, exit func(*gate, world) error) (status int, said string) {
	t.Helper()
	g := &gate{failOn: strings.Split(limits, ",")}
	if err := g.prepare(measures); err != nil {
		return statusOf(err), err.Error()
	}
	if !g.check {
		t.Errorf("%s does not ask for the status", limits)
	}
	var out bytes.Buffer
	return statusOf(exit(g, world{err: &out})), out.String()
}

func TestLimitsOnCases(t *testing.T) {
	answered := []correlate.Query{{Backend: "prometheus", Status: "ok"}}
	cut := []correlate.Missing{{Backend: "loki", Kind: correlate.MissingTruncated, Reason: "it is long"}}
	suspects := []correlate.Suspect{{Service: "cart", Score: 0.7}, {Service: "pay", Score: 0.2}}
	for _, test := range []struct {
		limits string
		found  correlate.Case
		status int
		said   string
	}{
		{"anomalous", correlate.Case{Verdict: correlate.Anomalous, Queries: answered}, exitAnomalous, "obs: --fail-on anomalous: the verdict is anomalous\n"},
		{"anomalous", correlate.Case{Verdict: correlate.Healthy, Queries: answered}, exitOK, ""},
		{"anomalous", correlate.Case{Verdict: correlate.Inconclusive, Queries: answered}, exitInconclusive, "obs: --fail-on anomalous cannot be judged: there is too little data to tell\n"},
		{"inconclusive", correlate.Case{Verdict: correlate.Inconclusive, Queries: answered}, exitAnomalous, "obs: --fail-on inconclusive: the verdict is inconclusive\n"},
		{"inconclusive", correlate.Case{Verdict: correlate.Anomalous, Queries: answered}, exitOK, ""},
		{"suspect-score>=0.7", correlate.Case{Verdict: correlate.Anomalous, Suspects: suspects, Queries: answered}, exitAnomalous, "obs: --fail-on suspect-score>=0.7: suspect cart has 0.70\n"},
		{"suspect-score>0.7", correlate.Case{Verdict: correlate.Anomalous, Suspects: suspects, Queries: answered}, exitOK, ""},
		{"suspect-score>0.7", correlate.Case{Verdict: correlate.Healthy, Queries: answered}, exitOK, ""},
		{"suspect-score>0.7", correlate.Case{Verdict: correlate.Inconclusive, Queries: answered}, exitInconclusive, "obs: --fail-on suspect-score>0.7 cannot be judged: there is too little data to suspect anybody\n"},
		{"suspect-score>0.9,anomalous", correlate.Case{Verdict: correlate.Anomalous, Suspects: suspects, Queries: answered}, exitAnomalous, "obs: --fail-on anomalous: the verdict is anomalous\n"},
		{"partial", correlate.Case{Verdict: correlate.Healthy, Missing: cut, Queries: answered}, exitAnomalous, "obs: --fail-on partial: it is long\n"},
		{"partial", correlate.Case{Verdict: correlate.Healthy, Queries: answered}, exitOK, ""},
		{"anomalous", correlate.Case{Verdict: correlate.Healthy, Missing: cut, Queries: answered}, exitPartial, ""},
		{"anomalous", correlate.Case{Verdict: correlate.Inconclusive}, exitFailed, ""},
		{"errors>2%", correlate.Case{}, exitUsage, "--fail-on errors>2%: the case of a triage has the values of what departs only"},
		{"nothing", correlate.Case{}, exitUsage, "--fail-on nothing: this is no limit"},
	} {
		status, said := ruled(t, test.limits, caseMeasures, func(g *gate, w world) error { return g.caseExit(w, &test.found) })
		if status != test.status || said != test.said {
			t.Errorf("%s of %s: %d, %q; want %d, %q", test.limits, test.found.Verdict, status, said, test.status, test.said)
		}
	}
}

func TestLimitsOnServices(t *testing.T) {
	row := func(name string, verdict correlate.Verdict, errors, p99 float64) correlate.ServiceRow {
		r := correlate.ServiceRow{Service: name, Verdict: verdict}
		if errors >= 0 {
			r.Errors = &correlate.Reading{Window: errors}
		}
		r.P99 = &correlate.Reading{Window: p99}
		return r
	}
	two := []correlate.ServiceRow{row("cart", correlate.Anomalous, 0.05, 0.4), row("pay", correlate.Healthy, -1, math.NaN())}
	for _, test := range []struct {
		limits string
		rows   []correlate.ServiceRow
		wanted []string
		status int
		said   string
	}{
		{"errors>2%", two, nil, exitAnomalous, "obs: --fail-on errors>2%: cart has errors 5.00 %\nobs: --fail-on errors>2% was not judged where there is no value of it: pay\n"},
		{"errors>5%", two, nil, exitOK, "obs: --fail-on errors>5% was not judged where there is no value of it: pay\n"},
		{"errors>=5%", two, []string{"cart"}, exitAnomalous, "obs: --fail-on errors>=5%: cart has errors 5.00 %\n"},
		{"p99>500ms", two, []string{"pay"}, exitInconclusive, "obs: --fail-on p99>500ms cannot be judged: there is no value of it for pay\n"},
		{"p99>100ms", two, []string{"pay", "cart"}, exitAnomalous, "obs: --fail-on p99>100ms: cart has p99 400 ms\nobs: --fail-on p99>100ms cannot be judged: there is no value of it for pay\n"},
		{"p99>500ms", two, []string{"ghost"}, exitInconclusive, "obs: --fail-on p99>500ms cannot be judged: there is no value of it for ghost\n"},
		{"saturation>90%", two, nil, exitInconclusive, "obs: --fail-on saturation>90% cannot be judged: no service has a value of it\n"},
		{"rate<1", nil, nil, exitInconclusive, "obs: --fail-on rate<1 cannot be judged: no service has a value of it\n"},
		{"anomalous", two, nil, exitAnomalous, "obs: --fail-on anomalous: the verdict is anomalous\n"},
		{"anomalous", two[1:], nil, exitOK, ""},
		{"suspect-score>0.5", two, nil, exitUsage, "--fail-on suspect-score>0.5: services have no suspect-score"},
	} {
		table := &correlate.ServiceTable{Services: test.rows}
		outcome := &correlate.Case{Queries: []correlate.Query{{Backend: "prometheus", Status: "ok"}}}
		status, said := ruled(t, test.limits, tableMeasures, func(g *gate, w world) error { return g.tableExit(w, table, test.wanted, outcome) })
		if status != test.status || said != test.said {
			t.Errorf("%s of %v: %d, %q; want %d, %q", test.limits, test.wanted, status, said, test.status, test.said)
		}
	}
}

// On a terminal --quiet opens no screen.
func TestQuietOpensNoScreen(t *testing.T) {
	var out, said bytes.Buffer
	w := world{
		in: strings.NewReader(""), out: &out, err: &said, terminal: true, shown: true,
		getenv: func(string) string { return "" }, now: func() time.Time { return noon },
	}
	path := filepath.Join(t.TempDir(), "case.json")
	if err := save(path, correlate.NewCase(sources.Window{From: noon, To: noon})); err != nil {
		t.Fatal(err)
	}
	if status := runContext(t.Context(), []string{"open", "-q", path, "--fail-on", "partial"}, w); status != exitFailed || out.Len() > 0 || said.Len() > 0 {
		t.Errorf("status %d, %q, %q; a case of no question is one that failed, and nothing else is said", status, out.String(), said.String())
	}
}
