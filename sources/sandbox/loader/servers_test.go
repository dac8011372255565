package loader_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/promql/parser"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"obs/sources"
	"obs/sources/sandbox/jaegerapi"
	"obs/sources/sandbox/loader"
	"obs/sources/sandbox/lokiapi"
	"obs/sources/sandbox/promapi"
)

// servers are the sandbox's three APIs with what they lack: the protocols of writing.
type servers struct {
	t       *testing.T
	targets loader.Targets

	metrics *promapi.Store
	logs    *lokiapi.Store
	traces  *jaegerapi.Store

	mu sync.Mutex
	// before is asked ahead of every write, by its path; it may answer itself.
	before map[string]func(http.ResponseWriter, *http.Request) (answered bool)
	// writes counts the writes that were taken, by path.
	writes   map[string]int
	series   map[string]func(time.Time, float64)
	streams  map[string]func(time.Time, string, sources.Labels)
	metadata map[string]string // of records, as "name=value", counted nowhere else
	spans    []ptrace.Span
	resource []pcommon.Map
}

const (
	writePath  = "/api/v1/write"
	pushPath   = "/loki/api/v1/push"
	tracesPath = "/v1/traces"
)

func serve(t *testing.T) *servers {
	t.Helper()
	s := &servers{
		t: t, metrics: promapi.NewStore(), logs: lokiapi.NewStore(), traces: jaegerapi.NewStore(),
		before: map[string]func(http.ResponseWriter, *http.Request) bool{}, writes: map[string]int{},
		series: map[string]func(time.Time, float64){}, streams: map[string]func(time.Time, string, sources.Labels){},
		metadata: map[string]string{},
	}
	start := func(path string, take func([]byte) error, api http.Handler) string {
		mux := http.NewServeMux()
		mux.Handle("/", api)
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if before := s.before[path]; before != nil && before(w, r) {
				return
			}
			body, err := io.ReadAll(r.Body)
			if err == nil {
				err = take(body)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			s.writes[path]++
			w.WriteHeader(http.StatusNoContent)
		})
		server := httptest.NewServer(mux)
		t.Cleanup(server.Close)
		return server.URL
	}
	s.targets.PrometheusURL = start(writePath, s.takeMetrics, promapi.Handler(s.metrics, promapi.Options{}))
	s.targets.LokiURL = start(pushPath, s.takeLogs, lokiapi.Handler(s.logs, lokiapi.Options{}))
	s.targets.OTLPURL = start(tracesPath, s.takeTraces, http.NotFoundHandler())
	s.targets.JaegerURL = start("/nothing", nil, jaegerapi.Handler(s.traces, jaegerapi.Options{}))
	return s
}

// on sets what happens ahead of a write.
func (s *servers) on(path string, do func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before[path] = do
}

func (s *servers) took() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.writes)
}

func labelsOf(pairs []prompb.Label) sources.Labels {
	all := sources.Labels{}
	for _, p := range pairs {
		all[p.Name] = p.Value
	}
	return all
}

func (s *servers) takeMetrics(body []byte) error {
	plain, err := snappy.Decode(nil, body)
	if err != nil {
		return err
	}
	var request prompb.WriteRequest
	if err := request.Unmarshal(plain); err != nil {
		return err
	}
	for _, m := range request.Metadata {
		s.metrics.Metadata(m.MetricFamilyName, sources.MetricMetadata{Type: m.Type.String(), Unit: m.Unit, Help: m.Help})
	}
	for _, one := range request.Timeseries {
		all := labelsOf(one.Labels)
		key := all.String()
		if s.series[key] == nil {
			s.series[key] = s.metrics.Appender(all)
		}
		for _, sample := range one.Samples {
			s.series[key](time.UnixMilli(sample.Timestamp), sample.Value)
		}
		for _, e := range one.Exemplars {
			s.metrics.Exemplar(all, sources.Exemplar{Labels: labelsOf(e.Labels), Value: e.Value, Time: time.UnixMilli(e.Timestamp)})
		}
	}
	return nil
}

func (s *servers) takeLogs(body []byte) error {
	plain, err := snappy.Decode(nil, body)
	if err != nil {
		return err
	}
	var request push.PushRequest
	if err := request.Unmarshal(plain); err != nil {
		return err
	}
	for _, one := range request.Streams {
		parsed, err := parser.ParseMetric(one.Labels)
		if err != nil {
			return err
		}
		all := sources.Labels{}
		parsed.Range(func(l labels.Label) { all[l.Name] = l.Value })
		if s.streams[one.Labels] == nil {
			s.streams[one.Labels] = s.logs.Appender(all)
		}
		for _, e := range one.Entries {
			metadata := sources.Labels{}
			for _, m := range e.StructuredMetadata {
				metadata[m.Name] = m.Value
				s.metadata[m.Name] = m.Value
			}
			s.streams[one.Labels](e.Timestamp, e.Line, metadata)
		}
	}
	return nil
}

func (s *servers) takeTraces(body []byte) error {
	all, err := new(ptrace.JSONUnmarshaler).UnmarshalTraces(body)
	if err != nil {
		return err
	}
	for _, resource := range all.ResourceSpans().All() {
		name, _ := resource.Resource().Attributes().Get("service.name")
		s.resource = append(s.resource, resource.Resource().Attributes())
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				s.spans = append(s.spans, span)
				one := sources.Span{
					TraceID: sources.TraceID(span.TraceID().String()), ID: sources.SpanID(span.SpanID().String()),
					ParentID: sources.SpanID(span.ParentSpanID().String()), Service: name.Str(), Operation: span.Name(),
					Start: span.StartTimestamp().AsTime(), Duration: span.EndTimestamp().AsTime().Sub(span.StartTimestamp().AsTime()),
					Resource: sources.Attributes{{Key: "service.name", Value: name.Str()}},
				}
				s.traces.Append(one)
			}
		}
	}
	return nil
}
