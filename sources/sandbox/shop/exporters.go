package shop

import (
	"time"

	"obs/sources"
)

// ranBefore is how long the processes have run that were there from the beginning: else a
// simulation would begin with the restart of everything.
const ranBefore = 4 * 24 * time.Hour

// startExporters registers what is scraped beside the services themselves.
func (s *Shop) startExporters() {
	s.collector = &target{labels: sources.Labels{"job": "otel-collector", "instance": "otel-collector:8889"}}
	s.watch(s.collector)

	s.kube = &target{labels: sources.Labels{"job": "kube-state-metrics", "instance": "kube-state-metrics:8080", "namespace": namespace}}
	s.cadvisor = &target{labels: sources.Labels{"job": "cadvisor", "instance": "cadvisor:8080"}}
	for _, svc := range s.order {
		s.kube.add("kube_deployment_status_replicas", nil, func() float64 { return float64(len(svc.pods) + len(svc.leaving)) }, "deployment", svc.name)
		s.kube.add("kube_deployment_status_replicas_available", nil, func() float64 { return float64(len(svc.pods)) }, "deployment", svc.name)
	}
	s.watch(s.kube)
	s.watch(s.cadvisor)

	nodes := &target{labels: sources.Labels{"job": "node-exporter", "instance": "node-exporter:9100"}}
	for _, n := range s.nodes {
		nodes.add("node_load1", nil, func() float64 { return n.foreign + n.busyShare(s.now)*n.cores }, "node", n.name, "zone", n.zone)
		nodes.add("node_cpu_seconds_total", nil, func() float64 { return n.used(s.now) }, "node", n.name, "zone", n.zone, "mode", "user")
		nodes.add("node_cpu_seconds_total", nil, func() float64 { return n.cores*time.Duration(s.now).Seconds() - n.used(s.now) },
			"node", n.name, "zone", n.zone, "mode", "idle")
		nodes.add("node_pressure_cpu_waiting_seconds_total", nil, func() float64 { return n.stalled }, "node", n.name, "zone", n.zone)
	}
	s.watch(nodes)

	stores := &target{labels: sources.Labels{"job": "stores", "instance": "stores-exporter:9187"}}
	stores.add("pg_stat_database_xact_commit_total", nil, func() float64 { return s.statements }, "datname", "shop", "server", postgres)
	stores.add("pg_stat_activity_count", nil, func() float64 { return float64(s.database.used) }, "state", "active", "server", postgres)
	stores.add("pg_stat_activity_count", nil, s.idleInTransaction, "state", "idle in transaction", "server", postgres)
	stores.add("redis_commands_processed_total", nil, func() float64 { return s.commands }, "server", redis)
	stores.add("redis_keyspace_hits_total", nil, func() float64 { return s.prices.hits }, "server", redis)
	stores.add("redis_keyspace_misses_total", nil, func() float64 { return s.prices.misses }, "server", redis)
	stores.add("redis_db_keys", nil, func() float64 { return float64(len(s.prices.held)) }, "server", redis)
	stores.add("redis_memory_max_bytes", nil, func() float64 { return float64(s.prices.capacity) * 4096 }, "server", redis)
	stores.add("rabbitmq_queue_messages", nil, func() float64 { return s.queued }, "queue", "orders")
	s.watch(stores)
}

// idleInTransaction is how many connections are held by pods and run no statement.
func (s *Shop) idleInTransaction() float64 {
	held := 0
	for _, svc := range s.order {
		for _, p := range svc.pods {
			if p.pool != nil {
				held += p.pool.used
			}
		}
	}
	return float64(max(0, held-s.database.used))
}

// ordinary is the share of a node's CPUs that its system and other tenants take always.
const ordinary = 0.12

func (n *node) used(now moment) float64 {
	return ordinary*n.cores*time.Duration(now).Seconds() + n.busy
}

func (n *node) busyShare(now moment) float64 {
	if now == 0 {
		return ordinary
	}
	return min(1, ordinary+n.busy/time.Duration(now).Seconds()/n.cores)
}

// exposePod registers a pod's own metrics, and what the cluster knows about it.
func (s *Shop) exposePod(p *pod) {
	svc := p.service
	p.labels = sources.Labels{
		"job": namespace + "/" + svc.name, "instance": p.ip + ":9464", "service_name": svc.name, "service_version": p.release.version,
		"pod": p.name, "namespace": namespace, "zone": p.node.zone,
	}
	t := &target{labels: p.labels}
	p.target = t
	t.refresh = func() { s.countCollections(p) }
	for _, o := range svc.routes {
		p.requestHistogram(o, o.success())
	}
	t.add("shop_build_info", nil, func() float64 { return 1 }, "version", p.release.version, "language", svc.language)
	t.add("target_info", nil, func() float64 { return 1 }, "k8s_pod_name", p.name, "k8s_node_name", p.node.name,
		"cloud_availability_zone", p.node.zone, "telemetry_sdk_language", svc.language)
	started := p.started
	if started == 0 {
		started = started.plus(-ranBefore) // it was there when the simulation began
	}
	t.add("process_start_time_seconds", nil, func() float64 { return float64(s.at2time(started).UnixMilli()) / 1e3 })
	t.add("process_cpu_seconds_total", nil, func() float64 { return p.cpuSeconds(s.now) })
	if svc.language == "java" {
		t.add("jvm_memory_used_bytes", nil, func() float64 { return p.heapUsed(s.now) }, "jvm_memory_type", "heap")
		t.add("jvm_memory_used_after_last_gc_bytes", nil, p.live, "jvm_memory_type", "heap")
		t.add("jvm_memory_limit_bytes", nil, func() float64 { return svc.limit }, "jvm_memory_type", "heap")
		t.add("jvm_gc_duration_seconds_count", nil, func() float64 { return p.gcCount })
		t.add("jvm_gc_duration_seconds_sum", nil, func() float64 { return p.gcTime })
	}
	if p.pool != nil {
		pool := []string{"db_client_connection_pool_name", svc.name}
		state := func(v string) []string { return append([]string{"db_client_connection_state", v}, pool...) }
		t.add("db_client_connection_count", nil, func() float64 { return float64(p.pool.used) }, state("used")...)
		t.add("db_client_connection_count", nil, func() float64 { return float64(p.pool.size - p.pool.used) }, state("idle")...)
		t.add("db_client_connection_max", nil, func() float64 { return float64(p.pool.size) }, pool...)
		t.add("db_client_connection_pending_requests", nil, func() float64 { return float64(p.pool.waiting) }, pool...)
		t.add("db_client_connection_timeouts_total", nil, func() float64 { return p.pool.timeouts }, pool...)
	}
	if svc.name == "checkout" {
		t.add("orders_completed_total", nil, func() float64 { return s.orders[p] })
	}
	s.watch(t)

	container := []string{"pod", p.name, "container", svc.name}
	s.kube.add("kube_pod_container_status_restarts_total", p, func() float64 { return 0 }, container...)
	s.kube.add("kube_pod_info", p, func() float64 { return 1 }, "pod", p.name, "node", p.node.name, "created_by_name", svc.name)
	limits := func(resource string) []string { return append([]string{"resource", resource}, container...) }
	s.kube.add("kube_pod_container_resource_limits", p, func() float64 { return p.memoryLimit() }, limits("memory")...)
	s.kube.add("kube_pod_container_resource_limits", p, func() float64 { return 2 }, limits("cpu")...)
	s.exposeContainer(p.name, svc.name, namespace, p.node, p, func() float64 { return p.cpuSeconds(s.now) }, func() float64 { return p.memory(s.now) })
}

// exposeContainer registers what the node knows about a container.
func (s *Shop) exposeContainer(name, container, space string, n *node, owner *pod, cpu, memory func() float64) {
	labels := []string{"pod", name, "container", container, "namespace", space, "node", n.name}
	s.cadvisor.add("container_cpu_usage_seconds_total", owner, cpu, labels...)
	s.cadvisor.add("container_memory_working_set_bytes", owner, memory, labels...)
}

// countCollections accounts for the garbage collections since the last scrape.
func (s *Shop) countCollections(p *pod) {
	if p.service.language == "java" {
		pause, period := p.gc()
		n := float64(s.now.since(p.scraped)) / float64(period)
		p.gcCount += n
		p.gcTime += n * pause.Seconds()
	}
	p.scraped = s.now
}

// cpuSeconds is what a pod has used: for requests, for collections, and for being there.
func (p *pod) cpuSeconds(now moment) float64 {
	return p.cpu + 2*p.gcTime + 0.015*now.since(p.started).Seconds()
}

// heapUsed is the live heap and what has been allocated since the last collection.
func (p *pod) heapUsed(now moment) float64 {
	pause, period := p.gc()
	passed := (time.Duration(now) + p.gcPhase) % period
	return p.live() + max(0, passed-pause).Seconds()*allocation
}

func (p *pod) memoryLimit() float64 { return p.service.limit + 0.25e9 }

func (p *pod) memory(now moment) float64 {
	if p.service.language == "java" {
		return 0.18e9 + p.heapUsed(now)
	}
	return 0.09e9 + p.hoarded
}
