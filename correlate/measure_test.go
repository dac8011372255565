package correlate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"obs/correlate"
	"obs/sources"
)

// short is a question whose series are few enough for many services.
var short = correlate.Question{
	Window:   sources.Window{From: noon, To: noon.Add(5 * time.Minute)},
	Baseline: sources.Window{From: noon.Add(-5 * time.Minute), To: noon},
}

func TestQueriesDoNotGrowWithServices(t *testing.T) {
	ask := func(services int) (*correlate.Case, []string) {
		slow := service{"checkout", "/pay", load{rate: 5, seconds: 0.1}, load{rate: 5, seconds: 2.04}}
		all := []service{slow}
		for n := range services - 1 {
			all = append(all, steady(fmt.Sprintf("service-%03d", n), "/", load{rate: 5, seconds: 0.1}))
		}
		s := newShop(t, short, all...)
		c := s.triageOf(sources.Set{Metrics: s.metrics, Ledger: s.ledger}, short)
		return c, s.questions(sources.Prometheus)
	}
	few, fewAsked := ask(5)
	many, manyAsked := ask(500)
	slices.Sort(fewAsked)
	slices.Sort(manyAsked)
	if !slices.Equal(fewAsked, manyAsked) {
		t.Errorf("5 services cost %q,\n500 services %q", fewAsked, manyAsked)
	}
	if few.Services != 5 || many.Services != 500 || len(many.Anomalies) != 1 || many.Anomalies[0].Service != "checkout" {
		t.Errorf("%d and %d services, anomalies %+v", few.Services, many.Services, many.Anomalies)
	}
}

// everyConvention is services that follow each convention that is known, and some that
// follow none, all of which get slower.
func everyConvention(q correlate.Question) []counter {
	var all []counter
	slower := service{"", "/", load{rate: 0.5, seconds: 0.1, failing: 0.1}, load{rate: 0.5, seconds: 2, failing: 0.9}}
	for n, convention := range []struct{ histogram, counter, service, operation, status string }{
		{"http_server_request_duration_seconds", "", "service_name", "http_route", "http_response_status_code"},
		{"http_server_duration_milliseconds", "", "job", "http_target", "http_status_code"},
		{"rpc_server_duration_milliseconds", "", "job", "rpc_method", "rpc_grpc_status_code"},
		{"rpc_server_call_duration_seconds", "", "job", "rpc_method", "rpc_response_status_code"},
		{"traces_span_metrics_duration_milliseconds", "traces_span_metrics_calls_total", "service_name", "span_name", "status_code"},
		{"http_request_duration_seconds", "http_requests_total", "app", "handler", "code"},
		{"grpc_server_handling_seconds", "grpc_server_handled_total", "service", "grpc_method", "grpc_code"},
		{"istio_request_duration_milliseconds", "istio_requests_total", "destination_service_name", "request_operation", "response_code"},
		{"work_one_seconds", "", "app", "operation", "outcome"},
		{"work_two_duration_seconds", "", "app", "operation", "outcome"},
		{"work_three_latency", "", "app", "operation", "outcome"},
		{"work_four_bytes", "", "app", "operation", "outcome"},
	} {
		slower.name = fmt.Sprintf("%s-%d", convention.service, n)
		for _, c := range slower.metrics(q) {
			set := labels.NewBuilder(labels.EmptyLabels())
			c.labels.Range(func(l labels.Label) {
				switch l.Name {
				case "__name__":
					name := convention.histogram + strings.TrimPrefix(l.Value, duration)
					if strings.HasSuffix(name, "_count") && convention.counter != "" {
						set.Set("__name__", convention.counter)
						return
					}
					set.Set("__name__", name)
				case "service_name":
					set.Set(convention.service, l.Value)
				case "http_route":
					set.Set(convention.operation, l.Value)
				case "http_response_status_code":
					set.Set(convention.status, l.Value)
				default:
					set.Set(l.Name, l.Value)
				}
			})
			if strings.HasPrefix(convention.histogram, "istio") {
				set.Set("reporter", "destination")
			}
			if strings.Contains(convention.histogram, "span_metrics") {
				set.Set("span_kind", "SPAN_KIND_SERVER")
			}
			c.labels = set.Labels()
			all = append(all, c)
		}
	}
	return all
}

func TestQueriesOfATriageAreBounded(t *testing.T) {
	apart := short
	apart.Baseline = sources.Window{From: noon.Add(-15 * time.Minute), To: noon.Add(-10 * time.Minute)}
	for name, q := range map[string]correlate.Question{"adjoining": short, "apart": apart} {
		t.Run(name, func(t *testing.T) {
			s := slowBank(t)
			s.metrics.series = append(s.metrics.series, everyConvention(q)...)
			for i := range s.metrics.exemplars {
				s.metrics.exemplars[i].Labels = sources.Labels{"trace_id": string(traceID(1000 + i))}
			}
			c := s.triage(q)
			if c.Verdict != correlate.Anomalous || c.Trace == nil || len(c.Anomalies) < 6 {
				t.Errorf("%s, %d anomalies, missing %+v", c.Verdict, len(c.Anomalies), c.Missing)
			}
			if got := len(s.ledger.Queries()); got > 40 {
				t.Errorf("%d queries: %d to Prometheus, %d to Jaeger, %d to Loki", got, s.asked(sources.Prometheus), s.asked(sources.Jaeger), s.asked(sources.Loki))
			}
		})
	}
}

func TestBaselineAdjoiningOrApart(t *testing.T) {
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	checkout := service{"checkout", "/pay", load{rate: 5, seconds: 0.1}, load{rate: 5, seconds: 2.04}}
	for _, test := range []struct {
		name     string
		baseline sources.Window
		windows  []sources.Window // of the range queries for one series
	}{
		{"just before", sources.Window{From: at(-30), To: noon}, []sources.Window{{From: at(-30), To: at(30)}}},
		{"four times as long", sources.Window{From: at(-120), To: noon}, []sources.Window{{From: at(-120), To: at(30)}}},
		// Its steps are longer, and it begins at one of them.
		{"longer than that", sources.Window{From: at(-121), To: noon}, []sources.Window{{From: at(-125), To: noon}, {From: noon, To: at(30)}}},
		{"a day earlier", sources.Window{From: at(-24 * 60), To: at(30 - 24*60)}, []sources.Window{{From: at(-24 * 60), To: at(30 - 24*60)}, {From: noon, To: at(30)}}},
		{"a minute earlier", sources.Window{From: at(-31), To: at(-1)}, []sources.Window{{From: at(-31), To: at(-1)}, {From: noon, To: at(30)}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			q := correlate.Question{Window: window, Baseline: test.baseline}
			s := newShop(t, q, checkout)
			c := s.triageOf(sources.Set{Metrics: s.metrics, Ledger: s.ledger}, q)
			asked := map[string][]sources.Window{}
			for _, q := range s.ledger.Queries() {
				// Changes are looked for in one stretch up to the window's end.
				if q.Window.Duration() > 0 && !strings.HasPrefix(q.Text, "GET ") && !strings.Contains(q.Text, "target_info") {
					asked[q.Text] = append(asked[q.Text], q.Window)
				}
			}
			if len(asked) < 3 {
				t.Errorf("only %d range queries", len(asked))
			}
			for text, windows := range asked {
				slices.SortFunc(windows, func(a, b sources.Window) int { return a.From.Compare(b.From) })
				if !slices.Equal(windows, test.windows) {
					t.Errorf("%s is asked for in %v, want %v", text, windows, test.windows)
				}
			}
			if len(c.Anomalies) != 1 || c.Anomalies[0].BaselineValue > 0.1 || c.Anomalies[0].WindowValue < 2 {
				t.Errorf("anomalies %+v", c.Anomalies)
			}
			if c.Baseline == nil || *c.Baseline != test.baseline || c.Window != window {
				t.Errorf("window %s, baseline %v", c.Window, c.Baseline)
			}
		})
	}
}

func TestHostileNamesStayQuoted(t *testing.T) {
	for _, name := range []string{
		`pay"} or vector(1) #`, "pay\nment", `back\slash`, "`tick`", `{a="b"}`, "per.cent|.*", "\u202eyap", "\x1b[31m", "", "ns/pay", "a,b=c",
	} {
		t.Run(name, func(t *testing.T) {
			if name == "" {
				name = " "
			}
			hostile := service{name, name, load{rate: 5, seconds: 0.1}, load{rate: 5, seconds: 2}}
			for _, only := range [][]string{nil, {name}, {name, "cart"}} {
				s := newShop(t, short, hostile, steady("cart", "/add", load{rate: 20, seconds: 0.02}))
				trace := request(1, noon.Add(time.Minute), 2*time.Second, false)
				trace.Spans[0].Service, trace.Spans[0].Operation = name, name
				s.traces.stored = []sources.Trace{trace}
				s.logs.stored = []sources.Record{
					record(name, noon.Add(time.Minute), "it fails with "+name, nil),
					record("other", noon.Add(time.Minute), "it fails, too", nil),
				}
				q := short
				q.Services = only
				c := s.triage(q) // its queries are evaluated
				if len(c.Anomalies) != 1 || c.Anomalies[0].Service != name || c.Anomalies[0].Operation != name {
					t.Errorf("anomalies %+v", c.Anomalies)
				}
				if c.Trace == nil || c.Trace.ID != trace.ID {
					t.Errorf("trace %+v, missing %+v", c.Trace, c.Missing)
				}
				if len(c.Records) != 0 && c.Records[0].Service != name {
					t.Errorf("records %+v", c.Records)
				}
				for _, query := range s.ledger.Queries() {
					if query.Backend == sources.Prometheus && !strings.HasPrefix(query.Text, "GET ") {
						wholeNames(t, query.Text, name)
					}
				}
			}
		})
	}
}

// wholeNames wants a query to parse, and to name no service or operation but these.
func wholeNames(t *testing.T, query, name string) {
	t.Helper()
	expression, err := parser.ParseExpr(query)
	if err != nil {
		t.Errorf("%s: %v", query, err)
		return
	}
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		for _, m := range selector.LabelMatchers {
			if (m.Name == "service_name" || m.Name == "http_route") && !m.Matches(name) {
				t.Errorf("%s asks for %s%s%q, and not for %q", query, m.Name, m.Type, m.Value, name)
			}
		}
		return nil
	})
}
