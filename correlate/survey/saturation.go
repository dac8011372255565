package survey

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"obs/sources"
)

// resource is something of which a process has only so much: how much of it is used,
// over how much there is.
type resource struct {
	name string
	// used is the metric of what is used; with counted a counter of seconds or events,
	// of which the rate is what is used.
	used    string
	counted bool
	// limit is the metric of what there is, in the same unit: with limitCounted the rate
	// of a counter, with limitUnit after division by it. Without a limit used is a share
	// by itself.
	limit        string
	limitCounted bool
	limitUnit    float64
	// usedOnly and limitOnly restrict which series are read.
	usedOnly, limitOnly sources.Selector
	// parts are the labels that tell apart several of the kind within one process.
	parts []string
	// container tells that the cluster reports it about containers, and not the process.
	container bool
}

// unset is a matcher that a series without the label fits too.
func unset(label, pattern string) sources.Matcher { return match(label, "|"+pattern) }

var (
	ofContainers = sources.Selector{{Name: "container", Op: sources.NotMatch, Value: "|POD"}}
	heap         = sources.Selector{unset("jvm_memory_type", "heap"), unset("area", "heap")}
	inUse        = sources.Selector{unset("db_client_connection_state", "used"), unset("state", "used")}
)

func resourceIs(name string) sources.Selector {
	return sources.Selector{{Name: "resource", Op: sources.Equal, Value: name}}
}

// resources are the conventions that obs knows; of two that tell of the same resource of
// a service the first counts.
//
// Sources: cAdvisor and kube-state-metrics, the process and runtime collectors of
// Prometheus's client libraries, OpenTelemetry semantic conventions for processes, the
// JVM, V8 and database clients (current and before 1.26), Micrometer's binders.
var resources = []resource{
	{name: "cpu", used: "container_cpu_usage_seconds_total", counted: true, limit: "kube_pod_container_resource_limits", usedOnly: ofContainers, limitOnly: resourceIs("cpu"), container: true},
	// The quota is in microseconds for each period, whose length is 100 ms by default.
	{name: "cpu", used: "container_cpu_usage_seconds_total", counted: true, limit: "container_spec_cpu_quota", limitUnit: 1e5, usedOnly: ofContainers, limitOnly: ofContainers, container: true},
	{name: "cpu throttling", used: "container_cpu_cfs_throttled_periods_total", counted: true, limit: "container_cpu_cfs_periods_total", limitCounted: true, usedOnly: ofContainers, limitOnly: ofContainers, container: true},
	{name: "memory", used: "container_memory_working_set_bytes", limit: "kube_pod_container_resource_limits", usedOnly: ofContainers, limitOnly: resourceIs("memory"), container: true},
	{name: "memory", used: "container_memory_working_set_bytes", limit: "container_spec_memory_limit_bytes", usedOnly: ofContainers, limitOnly: ofContainers, container: true},

	{name: "cpu", used: "jvm_cpu_recent_utilization_ratio"},
	{name: "cpu", used: "process_cpu_usage"},
	{name: "cpu", used: "process_cpu_seconds_total", counted: true, limit: "jvm_cpu_count"},
	{name: "cpu", used: "process_cpu_seconds_total", counted: true, limit: "go_sched_gomaxprocs_threads"},
	{name: "file descriptors", used: "process_open_fds", limit: "process_max_fds"},
	{name: "file descriptors", used: "process_files_open_files", limit: "process_files_max_files"},
	{name: "file descriptors", used: "jvm_file_descriptor_count", limit: "jvm_file_descriptor_limit"},

	// What is left after a collection is used; what is there before it is mostly garbage.
	{name: "heap", used: "jvm_memory_used_after_last_gc_bytes", limit: "jvm_memory_limit_bytes", usedOnly: heap, limitOnly: heap},
	{name: "heap", used: "jvm_gc_live_data_size_bytes", limit: "jvm_gc_max_data_size_bytes"},
	{name: "heap", used: "jvm_memory_used_bytes", limit: "jvm_memory_limit_bytes", usedOnly: heap, limitOnly: heap},
	{name: "heap", used: "jvm_memory_used_bytes", limit: "jvm_memory_max_bytes", usedOnly: heap, limitOnly: heap},
	{name: "heap", used: "v8js_memory_heap_used_bytes", limit: "v8js_memory_heap_limit_bytes"},

	{name: "connection pool", used: "db_client_connection_count", limit: "db_client_connection_max", usedOnly: inUse, parts: []string{"db_client_connection_pool_name"}},
	{name: "connection pool", used: "db_client_connections_usage", limit: "db_client_connections_max", usedOnly: inUse, parts: []string{"pool_name"}},
	{name: "connection pool", used: "hikaricp_connections_active", limit: "hikaricp_connections_max", parts: []string{"pool"}},
	{name: "connection pool", used: "jdbc_connections_active", limit: "jdbc_connections_max", parts: []string{"name"}},
	{name: "connection pool", used: "go_sql_in_use_connections", limit: "go_sql_max_open_connections", parts: []string{"db_name"}},

	{name: "threads", used: "tomcat_threads_busy_threads", limit: "tomcat_threads_config_max_threads", parts: []string{"name"}},
	{name: "threads", used: "jetty_threads_busy", limit: "jetty_threads_config_max"},
	{name: "threads", used: "executor_active_threads", limit: "executor_pool_max_threads", parts: []string{"name"}},
}

// share is how gauges are called that are a share of a limit by themselves, such as
// OpenTelemetry's k8s_pod_cpu_limit_utilization; those of machines are nobody's alone.
var (
	shareSuffix = `_(utilization|utilisation)(_ratio)?|_(usage|saturation)_ratio`
	share       = regexp.MustCompile(`^(.+)(` + shareSuffix + `)$`)
	machines    = regexp.MustCompile(`^(node|system|host)_`)
)

// maxShares bounds how many gauges of the kind are read, and with them the length of the
// query.
const maxShares = 10

// Labels by which resources are found: the service's name, and of a container what may
// be its service's.
var (
	containerLabels = []string{"namespace", "pod", "container"}
	ownerLabels     = []string{"container", "k8s_deployment_name", "k8s_container_name", "deployment"}
)

// ResourcePatterns are what Carrying is to be asked for so that Resources has its answer.
func ResourcePatterns() (patterns, labels []string) {
	seen := map[string]bool{}
	labels = slices.Concat(serviceLabels, ownerLabels, InstanceLabels, containerLabels)
	for _, r := range resources {
		for _, name := range []string{r.used, r.limit} {
			if name != "" && !seen[name] {
				seen[name] = true
				patterns = append(patterns, name)
			}
		}
		labels = append(labels, r.parts...)
	}
	slices.Sort(labels)
	return append(patterns, `.+(`+shareSuffix+`)`), slices.Compact(labels)
}

// Resource is a question about how much of a resource a service uses, at the instance
// that uses most: a share of what there is, 1 for all.
type Resource struct {
	Question

	Name string // cpu, memory, connection pool
	// Container tells that the service's name is a container's, which may be another.
	Container bool
	// InstanceLabel tells instances apart; empty where nothing does.
	InstanceLabel string
}

// Resources are the questions that can be asked of metrics that carry these labels, the
// surest first.
func Resources(carried Carried) []Resource {
	var found []Resource
	add := func(r resource) {
		if one, ok := r.question(carried); ok {
			found = append(found, one)
		}
	}
	for _, r := range resources {
		add(r)
	}
	var names []string
	for name := range carried {
		known := slices.ContainsFunc(resources, func(r resource) bool { return r.used == name })
		if share.MatchString(name) && !known && !machines.MatchString(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names[:min(len(names), maxShares)] {
		add(resource{name: strings.ReplaceAll(share.FindStringSubmatch(name)[1], "_", " "), used: name})
	}
	return found
}

func (r resource) question(carried Carried) (Resource, bool) {
	metrics := []string{r.used}
	if r.limit != "" {
		metrics = append(metrics, r.limit)
	}
	if slices.ContainsFunc(metrics, func(m string) bool { return len(carried[m]) == 0 }) {
		return Resource{}, false
	}
	found := Resource{Name: r.name, Container: r.container}
	// Job and instance of what the cluster reports are the exporter's.
	services, instances := slices.Concat(serviceLabels, ownerLabels), InstanceLabels
	if r.container {
		services, instances = []string{"container"}, []string{"pod"}
	}
	service := carried.First(services, metrics...)
	found.InstanceLabel = carried.First(instances, metrics...)
	if service == "" || (r.container && found.InstanceLabel == "") {
		return Resource{}, false
	}
	found.Container = found.Container || slices.Contains(ownerLabels, service)
	within := []string{service}
	switch {
	case r.container:
		within = carried.all(containerLabels, metrics...)
	case found.InstanceLabel != "":
		within = append(within, found.InstanceLabel)
	}
	found.Question = Question{
		Family: "resources", Group: r.used, Metric: r.used, Signal: Saturation, Unit: Ratio, ServiceLabel: service, Exact: true,
		shape: r.shape(append(within, carried.all(r.parts, metrics...)...)),
	}
	return found, true
}

// shape compares used and limit where they are about the same thing, and takes the most
// used one of each group.
func (r resource) shape(within []string) shape {
	read := func(metric string, counted bool, only sources.Selector, over time.Duration) string {
		if counted {
			return fmt.Sprintf("rate(%s[%s])", sources.MetricSelector(metric, only), promDuration(over))
		}
		return sources.MetricSelector(metric, only)
	}
	return func(only sources.Selector, by []string, over time.Duration) string {
		groups := sources.GroupLabels(by...)
		used := read(r.used, r.counted, slices.Concat(r.usedOnly, only), over)
		if r.limit == "" {
			return fmt.Sprintf("max by (%s) (%s)", groups, used)
		}
		same := slices.Clone(within)
		for _, label := range by {
			if !slices.Contains(same, label) {
				same = append(same, label)
			}
		}
		inner := sources.GroupLabels(same...)
		limit := fmt.Sprintf("sum by (%s) (%s)", inner, read(r.limit, r.limitCounted, slices.Concat(r.limitOnly, only), over))
		if r.limitUnit != 0 {
			limit += fmt.Sprintf(" / %v", r.limitUnit)
		}
		// No limit at all is told as 0 or as -1.
		return fmt.Sprintf("max by (%s) (sum by (%s) (%s) / (%s > 0))", groups, inner, used, limit)
	}
}
