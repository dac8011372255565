package report_test

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
)

// reading is one that goes from a value to another at noon, with a sample each minute.
func reading(before, now float64, unit string, verdict correlate.Verdict, direction string) *correlate.Reading {
	r := &correlate.Reading{Baseline: before, Window: now, Unit: unit, Verdict: verdict, Direction: direction, Query: `rate(requests{app="支付"}[1m])`}
	for minute := -9; minute <= 10; minute++ {
		v := before
		if minute > 0 {
			v = now
		}
		if !math.IsNaN(v) {
			r.Samples = append(r.Samples, sources.Sample{Time: noon.Add(time.Duration(minute) * time.Minute), Value: v})
		}
	}
	return r
}

// madeServices is a table with a row of each kind.
func madeServices() *correlate.ServiceTable {
	const seconds, ratio, rate = "seconds", "ratio", "requests/s"
	good, bad, unknown := correlate.Healthy, correlate.Anomalous, correlate.Inconclusive
	nothing := math.NaN()
	return &correlate.ServiceTable{
		Schema: correlate.ServicesSchema, Grouping: correlate.PerService, Window: window(0, 10*time.Minute), Baseline: window(-10*time.Minute, 0),
		Services: []correlate.ServiceRow{
			{
				Service: "支付", Verdict: bad, Rate: reading(20, 19.8, rate, good, ""), Errors: reading(0, 0.124, ratio, bad, "up"), P50: reading(0.1, 0.11, seconds, good, ""),
				P95: reading(0.2, 4.02, seconds, bad, "up"), P99: reading(0.3, 5, seconds, bad, "up"), Saturation: reading(0.2, 1, ratio, bad, "up"), Resource: "connection pool",
			},
			{Service: "mailer", Verdict: bad, Gone: true, Rate: reading(3, nothing, rate, bad, "down"), P95: reading(0.2, nothing, seconds, unknown, "")},
			{Service: "a-service-with-a-name-that-is-long", Verdict: good, Rate: reading(1234, 2500, rate, good, "up"), P95: reading(0.0125, 0.012, seconds, good, ""), Saturation: reading(0.5, 0.51, ratio, good, ""), Resource: "memory"},
			{Service: "fresh", Verdict: unknown, Rate: reading(nothing, 2, rate, unknown, "")},
			{Service: "shop", Operation: "GET /orders/{id}", Verdict: good}, {Service: "shop", Instance: "shop-5f7-x2", Verdict: good},
		},
		Alerts:  madeAlerts().Alerts[:1],
		Missing: []correlate.Missing{{Backend: sources.Prometheus, Kind: correlate.MissingFailed, Reason: "a series was not looked at: it failed", Hint: "look why"}},
		Queries: []correlate.Query{{Backend: sources.Prometheus, Query: "up", Status: sources.QueryOK, Bytes: 2048, DurationSeconds: 0.004}},
	}
}

func madeAlerts() *correlate.AlertList {
	return &correlate.AlertList{
		Schema: correlate.AlertsSchema, Time: noon.Add(10 * time.Minute),
		Alerts: []correlate.Alert{
			{
				Name: "支付 slow", State: "firing", Service: "支付", Severity: "page", Since: noon, Summary: "it takes 4 s | or *longer*", RunbookURL: "https://runbooks.example/slow", Value: 4.02,
				Labels: sources.Labels{"alertname": "支付 slow"}, Annotations: sources.Labels{"summary": "it takes 4 s | or *longer*"},
			},
			{Name: "Queue", State: "pending", Since: noon.Add(9 * time.Minute), Value: math.NaN()},
			{
				Name: "Quiet", State: "firing", Since: noon, Value: math.NaN(), InhibitedBy: []string{"Old", "Queue"}, MutedBy: []string{"nights"}, Receivers: []string{"chat"},
				Silences: []correlate.Silence{{ID: "1", By: "on-call", Comment: "known | *really*", Until: noon.Add(time.Hour)}, {ID: "2"}},
			},
			{Name: "Old", State: "firing", Value: math.Inf(1)},
		},
		Missing: []correlate.Missing{}, Queries: []correlate.Query{{Backend: sources.Prometheus, Query: "GET /api/v1/alerts", Status: sources.QueryOK}},
	}
}

var (
	serviceForms = map[string]func(io.Writer, *correlate.ServiceTable) error{"text": report.ServicesText, "markdown": report.ServicesMarkdown, "json": report.ServicesJSON}
	alertForms   = map[string]func(io.Writer, *correlate.AlertList) error{"text": report.AlertsText, "markdown": report.AlertsMarkdown, "json": report.AlertsJSON}
)

func written[T any](t testing.TB, as func(io.Writer, T) error, value T) string {
	t.Helper()
	var b strings.Builder
	if err := as(&b, value); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestServiceTables(t *testing.T) {
	for as, form := range serviceForms {
		t.Run(as, func(t *testing.T) { golden.RequireEqual(t, written(t, form, madeServices())) })
	}
}

func TestAlertLists(t *testing.T) {
	for as, form := range alertForms {
		t.Run(as, func(t *testing.T) { golden.RequireEqual(t, written(t, form, madeAlerts())) })
	}
}

func TestHeadlinesOfTables(t *testing.T) {
	row := func(verdicts ...correlate.Verdict) *correlate.ServiceTable {
		table := &correlate.ServiceTable{Grouping: correlate.PerInstance}
		for _, v := range verdicts {
			table.Services = append(table.Services, correlate.ServiceRow{Service: "a", Verdict: v})
		}
		return table
	}
	for want, table := range map[string]*correlate.ServiceTable{
		"▲ no instance was found":                    row(),
		"● none of 1 instance departs for the worse": row(correlate.Healthy),
		"✖ 1 of 2 instances depart for the worse":    row(correlate.Healthy, correlate.Anomalous),
		"▲ too little data to compare 1 instance":    row(correlate.Inconclusive),
		"● none of 2 instances depart for the worse": row(correlate.Healthy, correlate.Inconclusive),
	} {
		if got, _, _ := strings.Cut(written(t, report.ServicesText, table), "\n"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	list := func(missing int, states ...string) *correlate.AlertList {
		l := &correlate.AlertList{Missing: make([]correlate.Missing, missing)}
		for _, state := range states {
			l.Alerts = append(l.Alerts, correlate.Alert{State: state})
		}
		return l
	}
	for want, l := range map[string]*correlate.AlertList{
		"● no alert is firing":                      list(0),
		"● no alert is firing; pending: 1":          list(0, "pending"),
		"✖ alerts firing: 1":                        list(0, "firing"),
		"✖ alerts firing: 2, pending: 1":            list(0, "firing", "pending", "firing"),
		"▲ whether an alert is firing is not known": list(1),
	} {
		if got, _, _ := strings.Cut(written(t, report.AlertsText, l), "\n"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// The columns stand beneath each other, whatever the names are, and fit the width.
func TestServiceColumns(t *testing.T) {
	table := madeServices()
	var edge int
	for line := range strings.Lines(written(t, report.ServicesText, table)) {
		before, _, found := strings.Cut(strings.TrimRight(line, "\n"), "│")
		if !found {
			continue
		}
		if strings.Contains(line, "service ") {
			continue // the heading has it elsewhere
		}
		if at := ansi.StringWidth(before); edge == 0 {
			edge = at
		} else if at != edge {
			t.Errorf("the window begins at cell %d, and at %d before: %q", at, edge, line)
		}
		if wide := ansi.StringWidth(strings.TrimRight(line, "\n")); wide > report.Width {
			t.Errorf("%d cells: %q", wide, line)
		}
	}
	if edge == 0 {
		t.Error("nothing is drawn")
	}
}

func TestManyRows(t *testing.T) {
	table := madeServices()
	for len(table.Services) < 70 {
		table.Services = append(table.Services, table.Services[0])
	}
	if got := written(t, report.ServicesText, table); !strings.Contains(got, "and 20 more: -o json has them") {
		t.Error("the text does not say how many rows it leaves out")
	}
	if got := written(t, report.ServicesMarkdown, table); !strings.Contains(got, "And 20 more, which -o json lists.") {
		t.Error("the Markdown does not say how many rows it leaves out")
	}
	var again correlate.ServiceTable
	if err := json.Unmarshal([]byte(written(t, report.ServicesJSON, table)), &again); err != nil || len(again.Services) != 70 {
		t.Errorf("%d rows in JSON: %v", len(again.Services), err)
	}
}

func TestHostileTables(t *testing.T) {
	for name, payload := range hostile {
		table, list := &correlate.ServiceTable{}, &correlate.AlertList{}
		fill(reflect.ValueOf(table).Elem(), "", payload)
		fill(reflect.ValueOf(list).Elem(), "", payload)
		for i := range table.Services {
			for _, r := range []*correlate.Reading{table.Services[i].Rate, table.Services[i].P95, table.Services[i].Saturation} {
				r.Verdict = correlate.Anomalous
			}
		}
		plainTable, plainList := &correlate.ServiceTable{}, &correlate.AlertList{}
		fill(reflect.ValueOf(plainTable).Elem(), "", "harmless")
		fill(reflect.ValueOf(plainList).Elem(), "", "harmless")
		for i := range plainTable.Services {
			for _, r := range []*correlate.Reading{plainTable.Services[i].Rate, plainTable.Services[i].P95, plainTable.Services[i].Saturation} {
				r.Verdict = correlate.Anomalous
			}
		}
		var all []string
		for _, form := range serviceForms {
			all = append(all, written(t, form, table))
		}
		for _, form := range alertForms {
			all = append(all, written(t, form, list))
		}
		for _, text := range all {
			for i, r := range text {
				if r != '\n' && r != '\u200d' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) {
					t.Errorf("%s: %U in %q", name, r, text[max(0, i-20):min(len(text), i+20)])
					break
				}
			}
		}
		if got, want := skeleton(written(t, report.ServicesMarkdown, table)), skeleton(written(t, report.ServicesMarkdown, plainTable)); got != want {
			t.Errorf("%s: the Markdown of services has the structure\n%s\nwant\n%s", name, got, want)
		}
		if got, want := skeleton(written(t, report.AlertsMarkdown, list)), skeleton(written(t, report.AlertsMarkdown, plainList)); got != want {
			t.Errorf("%s: the Markdown of alerts has the structure\n%s\nwant\n%s", name, got, want)
		}
	}
}

func TestWritingTablesFails(t *testing.T) {
	reader, writer := io.Pipe()
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	for as, form := range serviceForms {
		if err := form(writer, madeServices()); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("services as %s: got %v", as, err)
		}
	}
	for as, form := range alertForms {
		if err := form(writer, madeAlerts()); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("alerts as %s: got %v", as, err)
		}
	}
}
