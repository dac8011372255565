package survey_test

import (
	"strings"
	"testing"
	"time"

	"obs/correlate/survey"
	"obs/sources"
)

func TestContainersOn(t *testing.T) {
	query := survey.ContainersOn(`a"b`, time.Minute)
	want := `sum by (namespace, pod, container) (rate(container_cpu_usage_seconds_total{node="a\"b", container!=""}[60s]))`
	if !strings.HasPrefix(query, want+" or ") || strings.Count(query, " or ") != 2 {
		t.Errorf("%q, want first %q", query, want)
	}
	for labels, want := range map[string]sources.Labels{"job": {"container": "job", "pod": "job-x1"}, "pod-x1": {"pod": "pod-x1"}} {
		if got := survey.ContainerName(want); got != labels {
			t.Errorf("%v is called %q, want %q", want, got, labels)
		}
	}
}

func TestGuessedInterval(t *testing.T) {
	gauges := []sources.Labels{{"__name__": "cpu", "pod": "a"}, {"__name__": "cpu", "pod": "b"}, {"__name__": "memory", "pod": "a"}}
	if got, want := survey.GuessedInterval(5*time.Minute, gauges), "quantile(0.5, count_over_time(cpu[300s]))"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := survey.GuessedInterval(5 * time.Minute); got != "" {
		t.Errorf("of nothing %q is asked", got)
	}
}

func TestOfLimit(t *testing.T) {
	for name, want := range map[string]bool{
		"pod_cpu_limit_utilization_ratio": true, "container_memory_usage_ratio": true, "jvm_cpu_recent_utilization": true,
		"disk_used_fraction": true, "entry_request_success_ratio": false, "cpu_usage_cores": false, "memory_usage_bytes": false,
	} {
		if got := survey.OfLimit(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
