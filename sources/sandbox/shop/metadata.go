package shop

import "obs/sources"

// described are the metrics that the shop gives off, in order of name.
var described = []struct{ name, kind, unit, help string }{
	{"container_cpu_usage_seconds_total", "counter", "", "Cumulative CPU time consumed."},
	{"container_memory_working_set_bytes", "gauge", "", "Current working set."},
	{"db_client_connection_count", "gauge", "", "The number of connections that are currently in the state described by the state attribute."},
	{"db_client_connection_max", "gauge", "", "The maximum number of open connections allowed."},
	{"db_client_connection_pending_requests", "gauge", "", "The number of current pending requests for an open connection."},
	{"db_client_connection_timeouts_total", "counter", "", "The number of times a connection could not be had in time."},
	{"http_server_request_duration_seconds", "histogram", "seconds", "Duration of HTTP server requests."},
	{"jvm_gc_duration_seconds_count", "counter", "", "Number of garbage collections."},
	{"jvm_gc_duration_seconds_sum", "counter", "seconds", "Time spent in garbage collections."},
	{"jvm_memory_limit_bytes", "gauge", "bytes", "Measure of max obtainable memory."},
	{"jvm_memory_used_after_last_gc_bytes", "gauge", "bytes", "Measure of memory used, as measured after the most recent garbage collection."},
	{"jvm_memory_used_bytes", "gauge", "bytes", "Measure of memory used."},
	{"kube_deployment_status_replicas", "gauge", "", "The number of replicas per deployment."},
	{"kube_deployment_status_replicas_available", "gauge", "", "The number of available replicas per deployment."},
	{"kube_pod_container_resource_limits", "gauge", "", "The number of requested limit resource by a container."},
	{"kube_pod_container_status_restarts_total", "counter", "", "The number of container restarts per container."},
	{"kube_pod_info", "gauge", "", "Information about pod."},
	{"node_cpu_seconds_total", "counter", "", "Seconds the CPUs spent in each mode."},
	{"node_load1", "gauge", "", "1m load average."},
	{"node_pressure_cpu_waiting_seconds_total", "counter", "", "Total time in seconds that processes have waited for CPU time."},
	{"orders_completed_total", "counter", "", "Orders that were placed and paid."},
	{"pg_stat_activity_count", "gauge", "", "Number of connections in this state."},
	{"pg_stat_database_xact_commit_total", "counter", "", "Number of transactions that have been committed."},
	{"process_cpu_seconds_total", "counter", "seconds", "Total user and system CPU time spent."},
	{"process_start_time_seconds", "gauge", "seconds", "Start time of the process since the epoch."},
	{"rabbitmq_queue_messages", "gauge", "", "Sum of ready and unacknowledged messages."},
	{"redis_commands_processed_total", "counter", "", "Commands processed."},
	{"redis_db_keys", "gauge", "", "Total number of keys."},
	{"redis_keyspace_hits_total", "counter", "", "Lookups that found a key."},
	{"redis_keyspace_misses_total", "counter", "", "Lookups that found none."},
	{"redis_memory_max_bytes", "gauge", "", "Memory that the server may use."},
	{"shop_build_info", "gauge", "", "The version that runs; always 1."},
	{"target_info", "gauge", "", "Target metadata; always 1."},
	{"traces_span_metrics_calls_total", "counter", "", "Spans counted by the collector."},
	{"traces_span_metrics_duration_milliseconds", "histogram", "milliseconds", "Durations of spans."},
}

func (s *Shop) describeMetrics() {
	for _, d := range described {
		s.sink.Metadata(d.name, sources.MetricMetadata{Type: d.kind, Unit: d.unit, Help: d.help})
	}
}
