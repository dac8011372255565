package survey

import (
	"strings"

	"obs/sources"
)

// family is one way in which services count and time their requests: a naming
// convention of an instrumentation library or a proxy.
type family struct {
	name     string
	protocol string // http or rpc; empty where it tells of requests of any kind
	// histograms are the base names under which the durations may stand, the name in
	// current use first. As a classic histogram a base name has _bucket, _count and
	// _sum; as a native one it stands alone.
	histograms []string
	// counters are the names of a separate count of requests. Without one of these the
	// histogram's count serves.
	counters []string
	// services are the labels that may hold the service's name, the surest first.
	services []string
	// failures tell a request that failed by the server's fault: any of the labels
	// that a metric carries is used.
	failures []sources.Matcher
	// refused tell a request that failed by the client's fault, in the same labels.
	refused map[string]string
	// operations are the labels that may hold what was asked for.
	operations []string
	// only restricts which series are read.
	only sources.Selector
	// kinds is the label that tells received requests from sent ones, if the family
	// mixes them, and received the values that mean received.
	kinds    string
	received []string
	// elsewhere tells that another process than the service's own keeps the metrics.
	elsewhere bool
}

// Labels that may name a service, the surest first. Instance and pod are too fine, and
// namespace is too coarse; pod alone is better than nothing and comes last.
var serviceLabels = []string{"service_name", "service", "app", "job"}

const podLabel = "pod"

// serverFaults is the pattern of HTTP statuses that the server answers for; 4xx are the
// client's (RFC 9110, section 15).
const (
	serverFaults = "5.."
	clientFaults = "4.."
)

// refusedByStatus is for labels that hold an HTTP status.
func refusedByStatus(labels ...string) map[string]string {
	patterns := map[string]string{}
	for _, label := range labels {
		patterns[label] = clientFaults
	}
	return patterns
}

// families are the conventions that obs knows, the most telling first: where two
// describe the same service, both are read.
//
// Sources: OpenTelemetry semantic conventions for HTTP and RPC metrics (current and
// before 1.23), the span metrics connector of the OpenTelemetry collector and the
// metrics generator of Tempo, Prometheus's instrumentation examples, Micrometer,
// go-grpc-prometheus, Istio's standard metrics.
var families = []family{
	{
		name:     "OpenTelemetry HTTP server",
		protocol: "http",
		histograms: []string{
			"http_server_request_duration_seconds", "http.server.request.duration_seconds", "http.server.request.duration",
			"http_server_duration_milliseconds", "http_server_duration_seconds", "http_server_duration",
		},
		services: []string{"service_name", "service.name", "job"},
		failures: []sources.Matcher{
			match("http_response_status_code", serverFaults), match("http.response.status_code", serverFaults),
			match("http_status_code", serverFaults),
		},
		refused:    refusedByStatus("http_response_status_code", "http.response.status_code", "http_status_code"),
		operations: []string{"http_route", "http.route", "http_target"},
	},
	{
		name:     "OpenTelemetry RPC server",
		protocol: "rpc",
		histograms: []string{
			"rpc_server_call_duration_seconds", "rpc.server.call.duration_seconds", "rpc.server.call.duration",
			"rpc_server_duration_milliseconds", "rpc.server.duration_milliseconds", "rpc_server_duration_seconds", "rpc_server_duration",
		},
		services: []string{"service_name", "service.name", "job"},
		failures: []sources.Matcher{
			// The codes that the conventions count as the server's errors.
			match("rpc_grpc_status_code", "2|4|12|13|14|15"),
			match("rpc_response_status_code", "UNKNOWN|DEADLINE_EXCEEDED|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS"),
		},
		refused: map[string]string{
			"rpc_grpc_status_code": "1|3|5|6|7|8|9|10|11|16",
			"rpc_response_status_code": "CANCELLED|INVALID_ARGUMENT|NOT_FOUND|ALREADY_EXISTS|PERMISSION_DENIED|RESOURCE_EXHAUSTED|" +
				"FAILED_PRECONDITION|ABORTED|OUT_OF_RANGE|UNAUTHENTICATED",
		},
		operations: []string{"rpc_method", "rpc.method"},
	},
	{
		name: "span metrics",
		histograms: []string{
			"traces_span_metrics_duration_milliseconds", "traces_span_metrics_duration_seconds",
			"traces_spanmetrics_latency", "duration_milliseconds", "duration_seconds",
		},
		counters: []string{"traces_span_metrics_calls_total", "traces_spanmetrics_calls_total", "calls_total"},
		services: []string{"service_name", "service"},
		failures: []sources.Matcher{{Name: "status_code", Op: sources.Equal, Value: "STATUS_CODE_ERROR"}},
		operations: []string{
			"span_name", "operation",
		},
		kinds:     "span_kind",
		received:  []string{"SPAN_KIND_SERVER", "SPAN_KIND_CONSUMER"},
		elsewhere: true,
	},
	{
		name:       "HTTP requests",
		protocol:   "http",
		histograms: []string{"http_request_duration_seconds", "http_server_requests_seconds"},
		counters:   []string{"http_requests_total", "http_server_requests_total"},
		services:   serviceLabels,
		failures: []sources.Matcher{
			match("code", serverFaults), match("status", serverFaults), match("status_code", serverFaults),
		},
		refused:    refusedByStatus("code", "status", "status_code"),
		operations: []string{"route", "handler", "path", "uri", "endpoint"},
	},
	{
		name:       "gRPC server",
		protocol:   "rpc",
		histograms: []string{"grpc_server_handling_seconds"},
		counters:   []string{"grpc_server_handled_total"},
		services:   serviceLabels,
		failures:   []sources.Matcher{match("grpc_code", "Unknown|DeadlineExceeded|Unimplemented|Internal|Unavailable|DataLoss")},
		refused: map[string]string{
			"grpc_code": "Canceled|InvalidArgument|NotFound|AlreadyExists|PermissionDenied|ResourceExhausted|FailedPrecondition|Aborted|OutOfRange|Unauthenticated",
		},
		operations: []string{"grpc_method"},
	},
	{
		name:       "Istio",
		histograms: []string{"istio_request_duration_milliseconds"},
		counters:   []string{"istio_requests_total"},
		services:   []string{"destination_service_name", "destination_canonical_service", "destination_workload"},
		failures:   []sources.Matcher{match("response_code", serverFaults)},
		refused:    refusedByStatus("response_code"),
		operations: []string{"request_operation"},
		// Both proxies of a call report it; the callee's report is the one that says how
		// long the callee took.
		only: sources.Selector{{Name: "reporter", Op: sources.Equal, Value: "destination"}},
	},
}

func match(label, pattern string) sources.Matcher {
	return sources.Matcher{Name: label, Op: sources.MatchRegexp, Value: pattern}
}

// Operations are the labels that may tell what a request asked for, over all families.
func Operations() []string {
	var all []string
	for _, f := range families {
		all = append(all, f.operations...)
	}
	return all
}

// secondsPer tells in which unit a duration metric counts, by its name's suffix, as a
// divisor that turns it into seconds.
func secondsPer(metric string) float64 {
	switch {
	case strings.HasSuffix(metric, "_milliseconds"), strings.HasSuffix(metric, "_ms"), strings.HasSuffix(metric, "_millis"):
		return 1e3
	case strings.HasSuffix(metric, "_microseconds"), strings.HasSuffix(metric, "_us"):
		return 1e6
	case strings.HasSuffix(metric, "_nanoseconds"), strings.HasSuffix(metric, "_ns"):
		return 1e9
	}
	// Before units became part of the names, OpenTelemetry's HTTP and RPC durations
	// were in milliseconds.
	if metric == "http_server_duration" || metric == "rpc_server_duration" {
		return 1e3
	}
	return 1
}
