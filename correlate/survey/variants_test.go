package survey_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"obs/correlate/survey"
	"obs/sources"
)

// of are the questions about one convention's metrics, by signal.
func of(t *testing.T, metrics []string, probe []sources.Labels) map[survey.Signal]survey.Question {
	t.Helper()
	questions, _ := survey.Recognise(metrics).Plan(probe)
	found := map[survey.Signal]survey.Question{}
	for _, q := range questions {
		found[q.Signal] = q
	}
	return found
}

func TestOtherQuantilesAndGroupings(t *testing.T) {
	for name, test := range map[string]struct {
		metrics []string
		probe   []sources.Labels
		want    string
	}{
		"classic": {
			[]string{"http_request_duration_seconds_bucket"}, rows("http_request_duration_seconds_count", sources.Labels{"app": "cart"}),
			`histogram_quantile(0.5, sum by (le, app, handler) (rate(http_request_duration_seconds_bucket[60s])))`,
		},
		"native": {
			[]string{"http_request_duration_seconds"}, rows("http_request_duration_seconds", sources.Labels{"app": "cart"}),
			`histogram_quantile(0.5, sum by (app, handler) (rate(http_request_duration_seconds[60s])))`,
		},
		"in milliseconds": {
			[]string{"istio_request_duration_milliseconds_bucket"}, rows("istio_request_duration_milliseconds_count", sources.Labels{"destination_service_name": "cart"}),
			`histogram_quantile(0.5, sum by (le, destination_service_name, handler) (rate(istio_request_duration_milliseconds_bucket{reporter="destination"}[60s]))) / 1000`,
		},
	} {
		q := of(t, test.metrics, test.probe)[survey.Latency]
		before := q.Query(minute)
		median, ok := q.At(0.5)
		split := median.By("handler")
		if got := split.Query(minute); !ok || got != test.want {
			t.Errorf("%s:\n  %s\nwant\n  %s", name, got, test.want)
		}
		mustParse(t, test.want)
		if q.Query(minute) != before {
			t.Errorf("%s: the question itself has changed", name)
		}
	}
	traffic := of(t, []string{"http_requests_total"}, rows("http_requests_total", sources.Labels{"app": "cart"}))[survey.Traffic]
	if _, ok := traffic.At(0.5); ok {
		t.Error("a count has a quantile")
	}
	if _, ok := traffic.Counted(); ok {
		t.Error("a count is counted")
	}
	twice := traffic.By("pod")
	if got, want := twice.For(sources.Labels{"app": "cart", "pod": "a"}, minute), `sum by (app, pod) (rate(http_requests_total{app="cart", pod="a"}[60s]))`; got != want {
		t.Errorf("narrowed: %s, want %s", got, want)
	}
}

func TestVariantsOfGuesses(t *testing.T) {
	histogram := survey.GuessHistograms(rows("work_seconds_bucket", sources.Labels{"app": "a"}), nil)[0]
	count, ok := histogram.Counted()
	if got, want := count.Query(minute), `sum by (app) (rate(work_seconds_count[60s]))`; !ok || got != want || count.Signal != survey.Traffic || count.Exact {
		t.Errorf("counted: %s %+v", got, count)
	}
	summary := survey.GuessSummaries(rows("rpc_latency_seconds", sources.Labels{"app": "a"}), nil)[0]
	median, ok := summary.At(0.5)
	if got, want := median.Query(minute), `max by (__name__, app) ({__name__=~"rpc_latency_seconds", quantile="0.5"})`; !ok || got != want {
		t.Errorf("a summary's median: %s, want %s", got, want)
	}
	gauge := survey.GuessGauges(rows("mean_latency_seconds", sources.Labels{"app": "a"}), nil)[0]
	if _, ok := gauge.At(0.5); ok {
		t.Error("a gauge has a quantile")
	}
}

func TestCarrying(t *testing.T) {
	query := survey.Carrying([]string{"a_total", `.+_ratio`}, []string{"pod", "service.name"}, false)
	want := `label_replace(group by (__name__) ({__name__=~"a_total|.+_ratio", pod!=""}), "label", "pod", "", "")`
	if query != want {
		t.Errorf("%s, want %s", query, want)
	}
	mustParse(t, survey.Carrying([]string{"a.b"}, []string{"pod", "service.name"}, true))
	carried := survey.ReadCarried([]sources.Labels{
		{"__name__": "a", "label": "pod"}, {"__name__": "a", "label": "job"}, {"__name__": "b", "label": "job"},
	})
	if got := carried.First([]string{"pod", "job"}, "a", "b"); got != "job" {
		t.Errorf("what both carry: %q", got)
	}
	if got := carried.First([]string{"pod", "job"}, "a") + carried.First([]string{"app"}, "a") + carried.First([]string{"job"}, "c"); got != "pod" {
		t.Errorf("what one carries: %q", got)
	}
}

// carriedBy is what metrics carry that have these labels.
func carriedBy(metrics map[string]string) survey.Carried {
	carried := survey.Carried{}
	for name, labels := range metrics {
		carried[name] = strings.Fields(labels)
	}
	return carried
}

func TestResources(t *testing.T) {
	patterns, labels := survey.ResourcePatterns()
	mustParse(t, survey.Carrying(patterns, labels, false))
	for name, test := range map[string]struct {
		carried  map[string]string
		resource string
		want     string
	}{
		"a container's cpu": {
			map[string]string{"container_cpu_usage_seconds_total": "job instance namespace pod container", "kube_pod_container_resource_limits": "job instance namespace pod container"},
			"cpu",
			`max by (container) (sum by (namespace, pod, container) (rate(container_cpu_usage_seconds_total{container!~"|POD"}[60s])) / ` +
				`(sum by (namespace, pod, container) (kube_pod_container_resource_limits{resource="cpu"}) > 0))`,
		},
		"a quota": {
			map[string]string{"container_cpu_usage_seconds_total": "pod container", "container_spec_cpu_quota": "pod container"},
			"cpu",
			`max by (container) (sum by (pod, container) (rate(container_cpu_usage_seconds_total{container!~"|POD"}[60s])) / ` +
				`(sum by (pod, container) (container_spec_cpu_quota{container!~"|POD"}) / 100000 > 0))`,
		},
		"throttling": {
			map[string]string{"container_cpu_cfs_throttled_periods_total": "pod container", "container_cpu_cfs_periods_total": "pod container"},
			"cpu throttling",
			`max by (container) (sum by (pod, container) (rate(container_cpu_cfs_throttled_periods_total{container!~"|POD"}[60s])) / ` +
				`(sum by (pod, container) (rate(container_cpu_cfs_periods_total{container!~"|POD"}[60s])) > 0))`,
		},
		"file descriptors": {
			map[string]string{"process_open_fds": "job instance", "process_max_fds": "job instance"},
			"file descriptors",
			`max by (job) (sum by (job, instance) (process_open_fds) / (sum by (job, instance) (process_max_fds) > 0))`,
		},
		"a pool": {
			map[string]string{
				"db_client_connection_count": "service_name pod db_client_connection_state db_client_connection_pool_name",
				"db_client_connection_max":   "service_name pod db_client_connection_pool_name",
			},
			"connection pool",
			`max by (service_name) (sum by (service_name, pod, db_client_connection_pool_name) (db_client_connection_count{db_client_connection_state=~"|used", state=~"|used"}) / ` +
				`(sum by (service_name, pod, db_client_connection_pool_name) (db_client_connection_max) > 0))`,
		},
		"a heap": {
			map[string]string{"jvm_memory_used_bytes": "application job instance area id", "jvm_memory_max_bytes": "job instance area id"},
			"heap",
			`max by (job) (sum by (job, instance) (jvm_memory_used_bytes{jvm_memory_type=~"|heap", area=~"|heap"}) / ` +
				`(sum by (job, instance) (jvm_memory_max_bytes{jvm_memory_type=~"|heap", area=~"|heap"}) > 0))`,
		},
		"a share": {
			map[string]string{"k8s_pod_cpu_limit_utilization": "k8s_pod_name k8s_deployment_name", "system_cpu_utilization_ratio": "service_name"},
			"k8s pod cpu limit", `max by (k8s_deployment_name) (k8s_pod_cpu_limit_utilization)`,
		},
	} {
		found := survey.Resources(carriedBy(test.carried))
		if len(found) != 1 || found[0].Name != test.resource || found[0].Signal != survey.Saturation || found[0].Unit != survey.Ratio {
			t.Errorf("%s: %+v", name, found)
			continue
		}
		if got := found[0].Query(minute); got != test.want {
			t.Errorf("%s:\n  %s\nwant\n  %s", name, got, test.want)
		}
		mustParse(t, test.want)
	}
	for name, carried := range map[string]map[string]string{
		"no limit": {"process_open_fds": "job"}, "no service": {"process_open_fds": "zone", "process_max_fds": "zone"},
		"limits of others": {"process_open_fds": "job", "process_max_fds": "app"}, "a container without a pod": {"container_cpu_usage_seconds_total": "container", "container_spec_cpu_quota": "container"},
	} {
		if found := survey.Resources(carriedBy(carried)); len(found) != 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
	many := map[string]string{}
	for _, c := range "abcdefghijklmnop" {
		many[string(c)+"_utilization"] = "app"
	}
	if found := survey.Resources(carriedBy(many)); len(found) != 10 {
		t.Errorf("%d of 16 gauges are read", len(found))
	}
}

func TestTogether(t *testing.T) {
	query := survey.Together([]string{"a", "max by (job) (b)"})
	if want := `label_replace(a, "part", "0", "", "") or label_replace(max by (job) (b), "part", "1", "", "")`; query != want {
		t.Errorf("%s, want %s", query, want)
	}
	mustParse(t, query)
}

// A pod of the collector is not that of the service whose spans it counts.
func TestSpanMetricsAreKeptElsewhere(t *testing.T) {
	spans := of(t, []string{"traces_span_metrics_calls_total"}, rows("traces_span_metrics_calls_total", sources.Labels{"service_name": "a"}))
	http := of(t, []string{"http_requests_total"}, rows("http_requests_total", sources.Labels{"app": "a"}))
	if !spans[survey.Traffic].Elsewhere || http[survey.Traffic].Elsewhere {
		t.Error("span metrics are the collector's, and HTTP's the service's own")
	}
	if !slices.Equal([]string{spans[survey.Traffic].Group, http[survey.Traffic].Group}, []string{"traces_span_metrics_calls_total", "http_requests_total"}) {
		t.Errorf("groups %q and %q", spans[survey.Traffic].Group, http[survey.Traffic].Group)
	}
}

// What Together asks Apart takes apart, and what was not asked is nobody's.
func TestApart(t *testing.T) {
	var answer []sources.Series
	for _, part := range []string{"1", "0", "1", "2", "-1", "x", ""} {
		answer = append(answer, sources.Series{Labels: sources.Labels{survey.PartLabel: part, "job": "job-" + part}})
	}
	parts := survey.Apart(answer, 2)
	if len(parts) != 2 || len(parts[0]) != 1 || len(parts[1]) != 2 {
		t.Fatalf("%+v", parts)
	}
	for i, part := range parts {
		for _, s := range part {
			if len(s.Labels) != 1 || s.Labels["job"] != fmt.Sprintf("job-%d", i) {
				t.Errorf("part %d has %s", i, s.Labels)
			}
		}
	}
	if answer[0].Labels[survey.PartLabel] != "1" {
		t.Errorf("the answer was changed: %+v", answer)
	}
}
