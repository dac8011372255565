package doctor

import (
	"regexp"
	"strconv"
	"strings"

	"obs/sources"
)

// What mends gaps: lines for the obs profile, for the programs between a service and its
// backends, and for the backends. They are generic: names of receivers, exporters and jobs are
// those of each program's own documentation.

// Where lines of configuration go.
const (
	inCollector  = "OpenTelemetry Collector"
	inPrometheus = "prometheus.yml"
	inPipeline   = "Promtail or the same stages of Alloy's loki.process"
	inService    = "the service's environment (OpenTelemetry SDK)"
	inLoki       = "Loki's configuration"
)

var (
	mendClock = Mend{"the machines", "let NTP set the clocks, and look at what it says: chronyc tracking, or timedatectl timesync-status"}

	mendSpanMetrics = Mend{inCollector, `connectors:
  spanmetrics:
    exemplars:
      enabled: true
service:
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [otlp, spanmetrics]
    metrics:
      receivers: [otlp, spanmetrics]
      exporters: [prometheus]`}

	mendPassedExemplars = Mend{inCollector + ", where it makes or passes on the metrics", `connectors:
  spanmetrics:
    exemplars:
      enabled: true
exporters:
  prometheus:
    enable_open_metrics: true`}

	mendOwnExemplars = Mend{"the service, where Prometheus scrapes it: OpenMetrics, and exemplars (Go)", `promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
histogram.(prometheus.ExemplarObserver).ObserveWithExemplar(
    seconds, prometheus.Labels{"trace_id": id})`}

	mendLogIDs = Mend{"the service's logger", `# each record with the ID of the span at hand, as OpenTelemetry's log bridges do
OTEL_PYTHON_LOG_CORRELATION=true            # Python
%d %-5level trace_id=%X{trace_id} %msg%n    # Java: pattern of Logback or Log4j`}

	mendMetadata = Mend{inPipeline + ", once lines have it", `pipeline_stages:
  - json:
      expressions:
        trace_id:
  - structured_metadata:
      trace_id:`}

	mendServiceLabel = Mend{inPipeline, `relabel_configs:
  - source_labels: [__meta_kubernetes_pod_label_app_kubernetes_io_name]
    target_label: service_name`}

	mendTracing = Mend{inService, `OTEL_TRACES_EXPORTER=otlp
OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318`}

	mendSampling = Mend{inService, `OTEL_TRACES_SAMPLER=parentbased_traceidratio
OTEL_TRACES_SAMPLER_ARG=0.1                 # or whatever share keeps enough
OTEL_METRICS_EXEMPLAR_FILTER=trace_based    # exemplars of sampled traces alone
# a collector's tail_sampling drops traces after exemplars and records named them`}

	mendPropagation = Mend{inService, `OTEL_PROPAGATORS=tracecontext,baggage              # the same for all services
OTEL_TRACES_SAMPLER=parentbased_traceidratio       # one decision for a whole trace`}

	mendStatus = Mend{"the service's code", "set the span's status to Error where the answer is a 5xx, as OpenTelemetry's HTTP conventions want of servers"}

	mendRequestID = Mend{inService, `# Java, then Python
OTEL_INSTRUMENTATION_HTTP_SERVER_CAPTURE_REQUEST_HEADERS=x-request-id
OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST=x-request-id`}

	mendSecrets = Mend{inPipeline + "; better, in the code that logs it", `pipeline_stages:
  - replace:
      expression: '(?i)(?:passw(?:or)?d|secret|token)["'']?\s*[=:]\s*["'']?([^\s"'',;]+)'
      replace: '***'
# and change what has been logged: who reads logs has read it`}
)

var mendStale = map[sources.Backend]Mend{
	sources.Prometheus: {"Prometheus", "see the page /targets for what is scraped and what fails; what is pushed wants --web.enable-otlp-receiver or --web.enable-remote-write-receiver"},
	sources.Jaeger:     {"the collector before Jaeger", "its own metrics tell whether spans come and go: otelcol_receiver_accepted_spans, otelcol_exporter_send_failed_spans"},
	sources.Tempo:      {"the collector before Tempo", "its own metrics tell whether spans come and go: otelcol_receiver_accepted_spans, otelcol_exporter_send_failed_spans; tenants see only their own (X-Scope-OrgID)"},
	sources.Loki:       {"what sends logs to Loki", "its log and its metrics tell of refusals: promtail_dropped_entries_total or loki_write_dropped_entries_total by reason; tenants see only their own (X-Scope-OrgID)"},
}

var mendRetention = map[sources.Backend]Mend{
	sources.Prometheus: {"Prometheus's flags", "--storage.tsdb.retention.time=30d"},
	sources.Jaeger: {"Jaeger's configuration (Badger; memory keeps max_traces, others delete by their own means)", `extensions:
  jaeger_storage:
    backends:
      some_store:
        badger:
          ttl:
            spans: 168h`},
	sources.Tempo: {"Tempo's configuration", `compactor:
  compaction:
    block_retention: 744h`},
	sources.Loki: {inLoki, `limits_config:
  retention_period: 744h`},
}

// mendExemplars is what it takes for exemplars to be there, from the service on.
func mendExemplars(product string) []Mend {
	store := Mend{"Prometheus", `--enable-feature=exemplar-storage     # a flag; and in prometheus.yml
storage:
  exemplars:
    max_exemplars: 100000`}
	switch product {
	case "victoriametrics":
		return []Mend{{"VictoriaMetrics", "it keeps no exemplars: obs searches traces by service and time there"}}
	case "mimir", "cortex":
		store = Mend{"Mimir; and remote_write with send_exemplars: true", `limits:
  max_global_exemplars_per_user: 100000`}
	case "thanos":
		store = Mend{"Thanos Query, and its Prometheus with --enable-feature=exemplar-storage", "--exemplar=SIDECAR:10901"}
	}
	return []Mend{store, mendPassedExemplars, mendOwnExemplars}
}

// mendServiceName gives all three signals one name.
func mendServiceName(name string) Mend { return Mend{inService, "OTEL_SERVICE_NAME=" + name} }

func mendRename(field string) Mend {
	return Mend{inPipeline + " (logfmt: the same, with mapping for expressions)", `pipeline_stages:
  - json:
      expressions:
        trace_id: ` + yamlText(field) + `
  - structured_metadata:
      trace_id:`}
}

func mendIDLabel(label string) Mend {
	return Mend{inPipeline, `pipeline_stages:
  - structured_metadata:      # instead of naming it in the stage labels
      ` + yamlText(label) + `:
  - labeldrop:
      - ` + yamlText(label)}
}

func mendMetricLabel(label string) Mend {
	return Mend{inPrometheus + ", in the scrape_config", `metric_relabel_configs:
  - action: labeldrop
    regex: ` + yamlText(label)}
}

func mendIf(given bool, m Mend) []Mend {
	if !given {
		return nil
	}
	return []Mend{m}
}

// plainText is what YAML reads as a string without quotes.
var plainText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./-]*$`)

// yamlText is a string in YAML, on one line. Double quotes take Go's escapes for what a
// terminal would act on.
func yamlText(s string) string {
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return strconv.QuoteToASCII(s)
	}
	if plainText.MatchString(s) {
		return s
	}
	return strconv.QuoteToASCII(s)
}

func yamlList(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = yamlText(s)
	}
	return strings.Join(quoted, ", ")
}
