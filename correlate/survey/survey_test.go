package survey_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"obs/correlate/survey"
	"obs/sources"
)

const minute = time.Minute

// rows are a probe's answer: the label sets that it groups by.
func rows(metric string, sets ...sources.Labels) []sources.Labels {
	for _, set := range sets {
		set["__name__"] = metric
	}
	return sets
}

func TestEveryConventionIsRecognised(t *testing.T) {
	tests := []struct {
		name    string
		metrics []string
		probe   []sources.Labels
		service string // the label
		want    map[survey.Signal]string
	}{
		{
			name:    "OpenTelemetry HTTP",
			metrics: []string{"http_server_request_duration_seconds_bucket", "http_server_request_duration_seconds_count"},
			probe:   rows("http_server_request_duration_seconds_count", sources.Labels{"service_name": "cart", "http_response_status_code": "200"}),
			service: "service_name",
			want: map[survey.Signal]string{
				survey.Latency: `histogram_quantile(0.95, sum by (le, service_name) (rate(http_server_request_duration_seconds_bucket[60s])))`,
				survey.Traffic: `sum by (service_name) (rate(http_server_request_duration_seconds_count[60s]))`,
				survey.Errors: `(sum by (service_name) (rate(http_server_request_duration_seconds_count{http_response_status_code=~"5.."}[60s])) or ` +
					`0 * sum by (service_name) (rate(http_server_request_duration_seconds_count[60s]))) / ` +
					`(sum by (service_name) (rate(http_server_request_duration_seconds_count[60s])) > 0)`,
			},
		},
		{
			name:    "OpenTelemetry HTTP in milliseconds, named by job",
			metrics: []string{"http_server_duration_milliseconds_bucket"},
			probe:   rows("http_server_duration_milliseconds_count", sources.Labels{"job": "shop/cart"}),
			service: "job",
			want: map[survey.Signal]string{
				survey.Latency: `histogram_quantile(0.95, sum by (le, job) (rate(http_server_duration_milliseconds_bucket[60s]))) / 1000`,
			},
		},
		{
			name:    "a native histogram",
			metrics: []string{"http_server_request_duration_seconds"},
			probe:   rows("http_server_request_duration_seconds", sources.Labels{"job": "cart"}),
			service: "job",
			want: map[survey.Signal]string{
				survey.Latency: `histogram_quantile(0.95, sum by (job) (rate(http_server_request_duration_seconds[60s])))`,
				survey.Traffic: `histogram_count(sum by (job) (rate(http_server_request_duration_seconds[60s])))`,
			},
		},
		{
			name:    "names with dots",
			metrics: []string{"http.server.request.duration"},
			probe:   rows("http.server.request.duration", sources.Labels{"service.name": "cart"}),
			service: "service.name",
			want: map[survey.Signal]string{
				survey.Latency: `histogram_quantile(0.95, sum by ("service.name") (rate({__name__="http.server.request.duration"}[60s])))`,
			},
		},
		{
			name:    "OpenTelemetry RPC",
			metrics: []string{"rpc_server_duration_milliseconds_bucket"},
			probe:   rows("rpc_server_duration_milliseconds_count", sources.Labels{"job": "driver", "rpc_grpc_status_code": "0"}),
			service: "job",
			want: map[survey.Signal]string{
				survey.Latency: `histogram_quantile(0.95, sum by (le, job) (rate(rpc_server_duration_milliseconds_bucket[60s]))) / 1000`,
			},
		},
		{
			name:    "span metrics of the collector",
			metrics: []string{"traces_span_metrics_calls_total", "traces_span_metrics_duration_milliseconds_bucket"},
			probe: rows("traces_span_metrics_calls_total",
				sources.Labels{"service_name": "frontend", "span_kind": "SPAN_KIND_SERVER", "status_code": "STATUS_CODE_UNSET", "job": "frontend"}),
			service: "service_name",
			want: map[survey.Signal]string{
				survey.Latency: `histogram_quantile(0.95, sum by (le, service_name, span_kind) (rate(traces_span_metrics_duration_milliseconds_bucket[60s]))) / 1000`,
				survey.Traffic: `sum by (service_name, span_kind) (rate(traces_span_metrics_calls_total[60s]))`,
			},
		},
		{
			name:    "span metrics under their older names",
			metrics: []string{"calls_total", "duration_milliseconds_bucket"},
			probe:   rows("calls_total", sources.Labels{"service_name": "frontend"}),
			service: "service_name",
			want: map[survey.Signal]string{
				survey.Latency: `histogram_quantile(0.95, sum by (le, service_name) (rate(duration_milliseconds_bucket[60s]))) / 1000`,
				survey.Traffic: `sum by (service_name) (rate(calls_total[60s]))`,
			},
		},
		{
			name:    "plain HTTP",
			metrics: []string{"http_requests_total", "http_request_duration_seconds_bucket"},
			probe:   rows("http_requests_total", sources.Labels{"app": "cart", "job": "pods", "code": "200"}),
			service: "app",
			want: map[survey.Signal]string{
				survey.Latency: `histogram_quantile(0.95, sum by (le, app) (rate(http_request_duration_seconds_bucket[60s])))`,
				survey.Traffic: `sum by (app) (rate(http_requests_total[60s]))`,
				survey.Errors: `(sum by (app) (rate(http_requests_total{code=~"5.."}[60s])) or 0 * sum by (app) (rate(http_requests_total[60s]))) / ` +
					`(sum by (app) (rate(http_requests_total[60s])) > 0)`,
			},
		},
		{
			name:    "a counter without a histogram",
			metrics: []string{"http_requests_total"},
			probe:   rows("http_requests_total", sources.Labels{"service": "cart"}),
			service: "service",
			want:    map[survey.Signal]string{survey.Traffic: `sum by (service) (rate(http_requests_total[60s]))`},
		},
		{
			name:    "gRPC",
			metrics: []string{"grpc_server_handled_total", "grpc_server_handling_seconds_bucket"},
			probe:   rows("grpc_server_handled_total", sources.Labels{"job": "cart", "grpc_code": "OK"}),
			service: "job",
			want: map[survey.Signal]string{
				survey.Latency: `histogram_quantile(0.95, sum by (le, job) (rate(grpc_server_handling_seconds_bucket[60s])))`,
			},
		},
		{
			name:    "Istio",
			metrics: []string{"istio_requests_total", "istio_request_duration_milliseconds_bucket"},
			probe:   rows("istio_requests_total", sources.Labels{"destination_service_name": "cart", "response_code": "200"}),
			service: "destination_service_name",
			want: map[survey.Signal]string{
				survey.Latency: `histogram_quantile(0.95, sum by (le, destination_service_name) (rate(istio_request_duration_milliseconds_bucket{reporter="destination"}[60s]))) / 1000`,
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			found := survey.Recognise(append(test.metrics, "up", "go_goroutines"))
			if found.Empty() {
				t.Fatal("not recognised")
			}
			mustParse(t, found.Probe(5*minute))
			mustParse(t, found.Interval(5*minute))
			questions, _ := found.Plan(test.probe)
			for signal, want := range test.want {
				i := slices.IndexFunc(questions, func(q survey.Question) bool { return q.Signal == signal })
				if i < 0 {
					t.Errorf("nothing asks for %s", signal)
					continue
				}
				if got := questions[i].Query(minute); got != want {
					t.Errorf("%s is asked for with\n  %s\nwant\n  %s", signal, got, want)
				}
				if questions[i].ServiceLabel != test.service {
					t.Errorf("services are told apart by %q, want %q", questions[i].ServiceLabel, test.service)
				}
			}
			for i := range questions {
				mustParse(t, questions[i].Query(minute))
			}
		})
	}
}

func mustParse(t *testing.T, query string) {
	t.Helper()
	if _, err := parser.ParseExpr(query); err != nil {
		t.Errorf("not PromQL: %v\n  %s", err, query)
	}
}

func TestAQuestionNarrowsToOneSeriesAndItsExemplars(t *testing.T) {
	found := survey.Recognise([]string{"traces_span_metrics_calls_total", "traces_span_metrics_duration_milliseconds_bucket"})
	questions, services := found.Plan(rows("traces_span_metrics_calls_total",
		sources.Labels{"service_name": "frontend", "span_kind": "SPAN_KIND_SERVER", "job": "front"}))
	if !slices.Equal(services, []string{"front", "frontend"}) {
		t.Errorf("covered services: %v", services)
	}
	q := questions[slices.IndexFunc(questions, func(q survey.Question) bool { return q.Signal == survey.Latency })]
	labels := sources.Labels{"service_name": `a"b`, "span_kind": "SPAN_KIND_SERVER"}
	want := `histogram_quantile(0.95, sum by (le, service_name, span_kind, span_name) (rate(traces_span_metrics_duration_milliseconds_bucket{service_name="a\"b", span_kind="SPAN_KIND_SERVER"}[60s]))) / 1000`
	if got := q.For(labels, minute, "span_name"); got != want {
		t.Errorf("narrowed:\n  %s\nwant\n  %s", got, want)
	}
	mustParse(t, want)
	if got, want := q.Selector(labels), `traces_span_metrics_duration_milliseconds_bucket{service_name="a\"b", span_kind="SPAN_KIND_SERVER"}`; got != want {
		t.Errorf("selector %s, want %s", got, want)
	}
	if got := q.Seconds(1500); got != 1.5 {
		t.Errorf("1500 ms are %v s", got)
	}
	q.Restrict([]string{"a.b", "c"})
	if got := q.Query(minute); !strings.Contains(got, `service_name=~"a\\.b|c"`) {
		t.Errorf("restricted to two services: %s", got)
	}
}

// The number of queries must not grow with the number of services.
func TestTheNumberOfQuestionsDoesNotGrowWithServices(t *testing.T) {
	metrics := []string{"http_server_request_duration_seconds_bucket"}
	count := func(services int) int {
		var probe []sources.Labels
		for i := range services {
			probe = append(probe, rows("http_server_request_duration_seconds_count",
				sources.Labels{"service_name": fmt.Sprint("s", i), "http_response_status_code": "200"})...)
		}
		questions, covered := survey.Recognise(metrics).Plan(probe)
		var guessed []sources.Labels
		for i := range services {
			guessed = append(guessed, rows(fmt.Sprintf("app%d_request_seconds_bucket", i), sources.Labels{"job": fmt.Sprint("j", i)})...)
		}
		return len(questions) + len(survey.GuessHistograms(guessed, covered))
	}
	if few, many := count(20), count(2000); few != many {
		t.Errorf("%d questions for 20 services, %d for 2000", few, many)
	}
}

func TestGuessing(t *testing.T) {
	mustParse(t, survey.HistogramProbe())
	mustParse(t, survey.SummaryProbe())
	mustParse(t, survey.GaugeProbe())

	t.Run("the histogram that looks like requests, once for each service", func(t *testing.T) {
		questions := survey.GuessHistograms(slices.Concat(
			rows("app_batch_size_bucket", sources.Labels{"job": "app"}),
			rows("app_request_duration_seconds_bucket", sources.Labels{"job": "app"}),
			rows("go_gc_heap_seconds_bucket", sources.Labels{"job": "app"}),
			rows("other_size_bytes_bucket", sources.Labels{"job": "other"}),
			rows("known_request_seconds_bucket", sources.Labels{"job": "known"}),
		), []string{"known"})
		if len(questions) != 2 {
			t.Fatalf("%d questions: %+v", len(questions), questions)
		}
		if q := questions[0]; q.Metric != "app_request_duration_seconds_bucket" || q.Signal != survey.Latency || q.Exact {
			t.Errorf("first: %+v", q)
		}
		if q := questions[1]; q.Metric != "other_size_bytes_bucket" || q.Signal != survey.Other {
			t.Errorf("second: %+v", q)
		}
	})
	t.Run("summaries share one query", func(t *testing.T) {
		questions := survey.GuessSummaries(slices.Concat(
			rows("rpc_latency_seconds", sources.Labels{"service": "a"}),
			rows("db_duration_ms", sources.Labels{"service": "a"}),
			rows("go_gc_duration_seconds", sources.Labels{"job": "a"}),
		), nil)
		if len(questions) != 1 {
			t.Fatalf("%d questions", len(questions))
		}
		want := `max by (__name__, service) ({__name__=~"db_duration_ms|rpc_latency_seconds", quantile=~"0\\.9[0-9]*"})`
		if got := questions[0].Query(minute); got != want {
			t.Errorf("query\n  %s\nwant\n  %s", got, want)
		}
		one := questions[0].For(sources.Labels{"__name__": "db_duration_ms", "service": "a"}, minute)
		if want := `max by (__name__, service) ({quantile=~"0\\.9[0-9]*", __name__="db_duration_ms", service="a"})`; one != want {
			t.Errorf("narrowed\n  %s\nwant\n  %s", one, want)
		}
		mustParse(t, one)
	})
	t.Run("gauges by what their names say", func(t *testing.T) {
		questions := survey.GuessGauges(slices.Concat(
			rows("pod_cpu_usage_ratio", sources.Labels{"service": "a"}),
			rows("pod_errors", sources.Labels{"service": "a"}),
			rows("pod_requests_per_second", sources.Labels{"service": "a"}),
			rows("pod_colour", sources.Labels{"service": "a"}),
			rows("go_goroutines", sources.Labels{"service": "a"}),
		), nil)
		var signals []survey.Signal
		for _, q := range questions {
			signals = append(signals, q.Signal)
			mustParse(t, q.Query(minute))
		}
		if want := []survey.Signal{survey.Errors, survey.Saturation, survey.Traffic, survey.Other}; !slices.Equal(signals, want) {
			t.Errorf("signals %v, want %v", signals, want)
		}
	})
}

// A summary has the bare name of a native histogram: what it is shows in its labels only.
func TestProbeLeavesSummariesOut(t *testing.T) {
	found := survey.Recognise([]string{"http_request_duration_seconds"})
	probe := found.Probe(5 * time.Minute)
	mustParse(t, probe)
	if !strings.Contains(probe, `quantile=""`) {
		t.Errorf("a summary answers %s too", probe)
	}
	if questions, covered := found.Plan(nil); len(questions) > 0 || len(covered) > 0 {
		t.Errorf("asks %v of %v, though no series is left", questions, covered)
	}
}
