package survey

import (
	"slices"
	"strings"

	"obs/sources"
)

// Raw selects the series behind the question, narrowed to the given labels: those whose
// labels the question can be split by. Of a classic histogram it selects one bucket, as
// the others have the same labels. It is empty where no metric is named.
func (q *Question) Raw(labels sources.Labels) string {
	only := q.narrowed(labels)
	if strings.HasSuffix(q.Metric, "_bucket") {
		only = append(only, sources.Matcher{Name: "le", Op: sources.Equal, Value: "+Inf"})
	}
	switch {
	case q.Metric != "":
		return sources.MetricSelector(q.Metric, only)
	case labels["__name__"] != "":
		return only.String()
	}
	return ""
}

// splits are the labels that people ask for first when a metric departs, in the order of
// asking: what was changed, where it runs, for whom, what was asked, how it ended. Names
// are those of OpenTelemetry, Kubernetes and the Prometheus client libraries.
var splits = [][]string{
	{"service_version", "service.version", "version", "app_version", "destination_version"},
	{"pod", "k8s_pod_name", "k8s.pod.name", "instance", "service_instance_id", "service.instance.id", "host", "host_name", "node"},
	{"zone", "cloud_availability_zone", "cloud.availability_zone", "availability_zone", "topology_kubernetes_io_zone"},
	{"region", "cloud_region", "cloud.region", "topology_kubernetes_io_region", "cluster"},
	{"tenant", "tenant_id", "tenant.id", "customer", "customer_id", "org_id"},
	Operations(),
	{"method", "http_request_method", "http.request.method", "http_method"},
	{"http_response_status_code", "http.response.status_code", "http_status_code", "status_code", "code", "status", "grpc_code", "rpc_grpc_status_code", "response_code"},
}

// noSplit are the labels that tell parts of one metric apart, and no parts of a service.
var noSplit = []string{"__name__", "le", "quantile"}

// Splits orders labels by how likely people ask to split by them: those that it knows
// first, then the others by name.
func Splits(labels []string) []string {
	rank := map[string]int{}
	for _, name := range slices.Concat(splits...) {
		if _, known := rank[name]; !known {
			rank[name] = len(rank)
		}
	}
	place := func(name string) int {
		if at, known := rank[name]; known {
			return at
		}
		return len(rank)
	}
	kept := slices.DeleteFunc(slices.Clone(labels), func(name string) bool { return slices.Contains(noSplit, name) })
	slices.Sort(kept)
	slices.SortStableFunc(kept, func(a, b string) int { return place(a) - place(b) })
	return slices.Compact(kept)
}

// methodLabels hold the method of an HTTP request.
var methodLabels = []string{"http_request_method", "http.request.method", "http_method", "method"}

// Narrow finds the labels that select an operation among the label sets of the question's
// series: by its name, or as "method route", which is how OpenTelemetry names the spans of
// HTTP requests. Nil where none of the sets has it.
func (q *Question) Narrow(sets []sources.Labels, operation string) sources.Labels {
	if operation == "" {
		return nil
	}
	for _, label := range q.Operations {
		if slices.ContainsFunc(sets, func(s sources.Labels) bool { return s[label] == operation }) {
			return sources.Labels{label: operation}
		}
	}
	method, route, two := strings.Cut(operation, " ")
	if !two || route == "" {
		return nil
	}
	for _, label := range q.Operations {
		i := slices.IndexFunc(sets, func(s sources.Labels) bool {
			said, _ := s.First(methodLabels...)
			return s[label] == route && (said == "" || strings.EqualFold(said, method))
		})
		if i < 0 {
			continue
		}
		found := sources.Labels{label: route}
		if said, name := sets[i].First(methodLabels...); said != "" {
			found[name] = said
		}
		return found
	}
	return nil
}
