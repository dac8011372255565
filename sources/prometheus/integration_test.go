//go:build integration

package prometheus_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/sources"
	"obs/sources/prometheus"
	"obs/sources/transport"
)

// server is one that speaks the API: where it is read, and where it is written to.
type server struct {
	name, origin, path, tenant string
	otlp                       string // the path of its OTLP receiver
	page                       bool   // it has one of its own
}

// servers are those that every question here is put to. Cortex has no targets: what it is
// asked for is pushed, for a tenant of the run's own.
var servers = []server{
	{name: "prometheus", origin: "PROMETHEUS_URL", otlp: "/api/v1/otlp/v1/metrics", page: true},
	{name: "cortex", origin: "CORTEX_URL", path: "/prometheus", otlp: "/api/v1/otlp/v1/metrics", tenant: fmt.Sprintf("obs-test-%08x", rand.Uint32())},
}

// liveBench is a client of a real server.
type liveBench struct {
	*bench
	server

	root string // below which it is written to
}

// everywhere runs a test for each real server.
func everywhere(t *testing.T, test func(*testing.T, *liveBench)) {
	t.Helper()
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			b := live(t, s)
			if s.tenant != "" {
				b.push(t, "prometheus", map[string]any{"name": "up", "description": "Whether it is up.", "gauge": upPoints()}, map[string]any{
					"name": "prometheus_http_requests", "description": "Requests.", "sum": map[string]any{
						"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": requestPoints(),
					},
				})
			}
			test(t, b)
		})
	}
}

// upPoints are some samples of the last half minute, each 1.
func upPoints() map[string]any {
	var all []map[string]any
	for i := range 6 {
		all = append(all, map[string]any{"timeUnixNano": fmt.Sprint(time.Now().Add(time.Duration(i-6) * 5 * time.Second).UnixNano()), "asDouble": 1})
	}
	return map[string]any{"dataPoints": all}
}

// requestPoints are counters of ten handlers, now.
func requestPoints() (all []map[string]any) {
	for i := range 10 {
		all = append(all, map[string]any{
			"timeUnixNano": fmt.Sprint(time.Now().UnixNano()), "asInt": fmt.Sprint(i),
			"attributes": []any{map[string]any{"key": "handler", "value": map[string]any{"stringValue": fmt.Sprint("/", i)}}},
		})
	}
	return all
}

// live is a client of the real server.
func live(t *testing.T, s server) *liveBench {
	t.Helper()
	address := strings.TrimRight(os.Getenv(s.origin), "/")
	if address == "" {
		t.Fatalf("%s is not set: the backends' script in testdata prints it", s.origin)
	}
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	client, err := transport.New(transport.Options{
		Backend: sources.Prometheus, URL: address + s.path, Origin: s.origin, Base: base,
		Explain: prometheus.Explain, Final: prometheus.Final, Access: transport.Access{Tenant: s.tenant},
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &liveBench{bench: &bench{ledger: &sources.Ledger{}, url: address + s.path}, server: s, root: address}
	b.Client = prometheus.New(client, b.ledger)
	return b
}

// lately is a window that ends now.
func lately(d time.Duration) sources.Window {
	now := time.Now().UTC()
	return sources.Window{From: now.Add(-d), To: now}
}

func eventually(t *testing.T, what string, holds func() (bool, error)) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		var ok bool
		if ok, err = holds(); ok {
			return
		}
	}
	t.Fatalf("%s: not within 30 s (%v)", what, err)
}

func TestLiveQueries(t *testing.T) { everywhere(t, liveQueries) }

func liveQueries(t *testing.T, b *liveBench) {
	t.Helper()
	eventually(t, "a target that is up", func() (bool, error) {
		answer, err := b.Instant(t.Context(), `up{job="prometheus"}`, time.Now())
		return len(answer.Series) == 1 && answer.Series[0].Samples[0].Value == 1, err
	})
	eventually(t, "a range of samples", func() (bool, error) {
		answer, err := b.Range(t.Context(), `up{job="prometheus"}`, lately(time.Minute), 5*time.Second)
		return len(answer.Series) == 1 && len(answer.Series[0].Samples) > 1, err
	})
	for _, q := range b.ledger.Queries() {
		if q.Attempts != 1 || q.Bytes == 0 {
			t.Errorf("the ledger says %+v", q)
		}
	}
	answer, err := b.Instant(t.Context(), "vector(NaN)", time.Now())
	if err != nil || len(answer.Series) != 1 || !math.IsNaN(answer.Series[0].Samples[0].Value) {
		t.Errorf("NaN: %+v, %v", answer, err)
	}
	if answer, err := b.Instant(t.Context(), "rate(up[5m])", time.Now()); err != nil || len(answer.Warnings) != 1 {
		t.Errorf("a remark on the query: %+v, %v", answer, err)
	}
	if answer, err := b.Instant(t.Context(), "nothing_of_this_name", time.Now()); err != nil || answer.Series != nil {
		t.Errorf("no series: %+v, %v", answer, err)
	}
}

func TestLiveListings(t *testing.T) { everywhere(t, liveListings) }

func liveListings(t *testing.T, b *liveBench) {
	t.Helper()
	eventually(t, "names of metrics", func() (bool, error) {
		names, err := b.LabelValues(t.Context(), "__name__", nil, lately(5*time.Minute))
		return slices.Contains(names, "up"), err
	})
	jobs, err := b.LabelValues(t.Context(), "job", []string{`{__name__="up", job=~"prom.+"}`}, lately(5*time.Minute))
	if err != nil || !slices.Equal(jobs, []string{"prometheus"}) {
		t.Errorf("jobs: %q, %v", jobs, err)
	}
	if values, err := b.LabelValues(t.Context(), "a label/with.any name", nil, lately(5*time.Minute)); err != nil || values != nil {
		t.Errorf("an odd label: %q, %v", values, err)
	}
	sets, err := b.Series(t.Context(), []string{`{job="prometheus"}`}, lately(5*time.Minute), 10)
	if err != nil || len(sets) != 10 || sets[0]["job"] != "prometheus" {
		t.Errorf("series: %v, %v", sets, err)
	}
	// The server learns it from a scrape, also after it was started again.
	eventually(t, "metadata", func() (bool, error) {
		metadata, err := b.Metadata(t.Context())
		got := metadata["prometheus_http_requests_total"]
		return got.Type == "counter" && got.Help != "", err
	})
	if _, err := b.Alerts(t.Context()); err != nil {
		t.Errorf("alerts: %v", err)
	}
}

func TestLiveErrors(t *testing.T) { everywhere(t, liveErrors) }

func liveErrors(t *testing.T, b *liveBench) {
	t.Helper()
	for query, detail := range map[string]string{
		"rate((": "bad_data: ",
		`vector(1) * on () (vector(1) or label_replace(vector(1), "a", "b", "", ""))`: "execution: ",
		`"text"`: "a string",
	} {
		_, err := b.Instant(t.Context(), query, time.Now())
		if failure := (*sources.Error)(nil); !errors.As(err, &failure) || !errors.Is(err, sources.ErrBadQuery) || !strings.Contains(failure.Detail, detail) {
			t.Errorf("%s: got %v", query, err)
		}
	}
	if _, err := b.Series(t.Context(), nil, lately(time.Minute), 1); !errors.Is(err, sources.ErrBadQuery) {
		t.Errorf("series without a selector: got %v", err)
	}
	if _, err := b.Range(t.Context(), "up", lately(time.Minute), 0); !errors.Is(err, sources.ErrBadQuery) {
		t.Errorf("a step of 0: got %v", err)
	}
}

// The server's limit lies where this package thinks it does.
func TestLivePoints(t *testing.T) { everywhere(t, livePoints) }

func livePoints(t *testing.T, b *liveBench) {
	t.Helper()
	for steps, warnings := range map[int]int{11_000: 0, 11_001: 1, 100_000: 1} {
		w := lately(time.Duration(steps) * time.Second)
		answer, err := b.Range(t.Context(), "vector(1)", w, time.Second)
		if err != nil || len(answer.Series) != 1 || len(answer.Warnings) != warnings {
			t.Errorf("%d steps: %d series, %q, %v", steps, len(answer.Series), answer.Warnings, err)
			continue
		}
		if n := len(answer.Series[0].Samples); n > 11_001 || n < 5_000 {
			t.Errorf("%d steps: %d samples", steps, n)
		}
	}
	request := fmt.Sprintf("%s/api/v1/query_range?query=vector(1)&start=0&end=11001&step=1", b.url)
	asked, err := http.NewRequest(http.MethodGet, request, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b.tenant != "" {
		asked.Header.Set("X-Scope-OrgID", b.tenant)
	}
	response, err := http.DefaultClient.Do(asked)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("the server now gives more than 11,000 steps: HTTP %d", response.StatusCode)
	}
}

// A histogram of either kind can be asked for quantiles, and its exemplars lead to
// traces.
func TestLiveHistograms(t *testing.T) { everywhere(t, liveHistograms) }

func liveHistograms(t *testing.T, b *liveBench) {
	t.Helper()
	job := fmt.Sprintf("obs-test-%08x", rand.Uint32())
	at := time.Now().UTC().Truncate(time.Second)
	const traceOfNative, traceOfClassic, span = "0af7651916cd43dd8448eb211c80319c", "4bf92f3577b34da6a3ce929d0e0e4736", "b7ad6b7169203331"
	// A third of all take 0.2 s and the others 0.7 s; ten more of each every 30 s.
	b.push(t, job, map[string]any{
		"name": "obs.native.duration", "unit": "s",
		"exponentialHistogram": points(at, func(n int) map[string]any {
			return map[string]any{
				"count": 30 * n, "sum": float64(16 * n), "scale": 0,
				"positive":  map[string]any{"offset": -3, "bucketCounts": []int{10 * n, 0, 20 * n}}, // (1/8, 1/4] and (1/2, 1]
				"exemplars": exemplar(at, traceOfNative, span),
			}
		}),
	}, map[string]any{
		"name": "obs.classic.duration", "unit": "s",
		"histogram": points(at, func(n int) map[string]any {
			return map[string]any{
				"count": 30 * n, "sum": float64(16 * n), "explicitBounds": []float64{0.25, 0.5, 1}, "bucketCounts": []int{10 * n, 0, 20 * n, 0},
				"exemplars": exemplar(at, traceOfClassic, span),
			}
		}),
	})
	only := sources.Selector{{Name: "job", Op: sources.Equal, Value: job}}
	w := sources.Window{From: at.Add(-5 * time.Minute), To: at.Add(time.Minute)}
	for _, test := range []struct {
		kind, quantile, exemplars string
		trace                     sources.TraceID
	}{
		{
			"native", "histogram_quantile(0.9, sum by (job) (rate(" + sources.MetricSelector("obs_native_duration_seconds", only) + "[2m])))",
			sources.MetricSelector("obs_native_duration_seconds", only), traceOfNative,
		},
		{
			"classic", "histogram_quantile(0.9, sum by (job, le) (rate(" + sources.MetricSelector("obs_classic_duration_seconds_bucket", only) + "[2m])))",
			sources.MetricSelector("obs_classic_duration_seconds_bucket", only), traceOfClassic,
		},
	} {
		t.Run(test.kind, func(t *testing.T) {
			var answer sources.SeriesAnswer
			eventually(t, "a quantile", func() (ok bool, err error) {
				answer, err = b.Instant(t.Context(), test.quantile, at)
				return len(answer.Series) == 1, err
			})
			if v := answer.Series[0].Samples[0].Value; answer.Series[0].Labels["job"] != job || v < 0.5 || v > 1 {
				t.Errorf("the 90th percentile is %+v", answer.Series)
			}
			if answer, err := b.Range(t.Context(), test.quantile, w, 30*time.Second); err != nil || len(answer.Series) != 1 || len(answer.Series[0].Samples) < 2 {
				t.Errorf("over time: %+v, %v", answer, err)
			}
			exemplars, err := b.Exemplars(t.Context(), test.exemplars, w)
			if err != nil || len(exemplars) == 0 {
				t.Fatalf("exemplars: %v, %v", exemplars, err)
			}
			e := exemplars[len(exemplars)-1]
			if id, _ := e.TraceID(); id != test.trace || e.SpanID() != span || e.Value != 0.7 || e.Series["job"] != job || !e.Time.Equal(at.Add(-time.Second)) {
				t.Errorf("the exemplar is %+v", e)
			}
		})
	}
	answer, err := b.Instant(t.Context(), sources.MetricSelector("obs_native_duration_seconds", only), at)
	if err != nil || answer.Series != nil || len(answer.Warnings) != 1 {
		t.Errorf("the histogram itself: %+v, %v", answer, err)
	}
	answer, err = b.Instant(t.Context(), "histogram_count("+sources.MetricSelector("obs_native_duration_seconds", only)+")", at)
	if err != nil || len(answer.Series) != 1 || answer.Series[0].Samples[0].Value != 120 {
		t.Errorf("its count: %+v, %v", answer, err)
	}
}

// points is a cumulative histogram of OTLP, read four times up to at. Its JSON form is
// that of https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.
func points(at time.Time, read func(n int) map[string]any) map[string]any {
	var all []map[string]any
	for n := 1; n <= 4; n++ {
		point := read(n)
		point["startTimeUnixNano"] = fmt.Sprint(at.Add(-2 * time.Minute).UnixNano())
		point["timeUnixNano"] = fmt.Sprint(at.Add(time.Duration(n-4) * 30 * time.Second).UnixNano())
		all = append(all, point)
	}
	return map[string]any{"aggregationTemporality": 2, "dataPoints": all}
}

func exemplar(at time.Time, trace, span string) []map[string]any {
	return []map[string]any{{
		"timeUnixNano": fmt.Sprint(at.Add(-time.Second).UnixNano()), "asDouble": 0.7, "traceId": trace, "spanId": span,
	}}
}

// push sends metrics to the server's OTLP receiver.
func (b *liveBench) push(t *testing.T, job string, metrics ...map[string]any) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"resourceMetrics": []any{map[string]any{
		"resource":     map[string]any{"attributes": []any{map[string]any{"key": "service.name", "value": map[string]any{"stringValue": job}}}},
		"scopeMetrics": []any{map[string]any{"metrics": metrics}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	request, err := http.NewRequest(http.MethodPost, b.root+b.otlp, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if b.tenant != "" {
		request.Header.Set("X-Scope-OrgID", b.tenant)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if said, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
		t.Fatalf("the OTLP receiver answered HTTP %d: %s", response.StatusCode, said)
	}
}

// The page's address leads somewhere in the real server's own routes.
func TestLiveLink(t *testing.T) {
	everywhere(t, func(t *testing.T, b *liveBench) {
		if b.page {
			liveLink(t, b)
		}
	})
}

func liveLink(t *testing.T, b *liveBench) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	response, err := client.Get(b.Link(`up{job="a b"}`, window))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusOK {
		return // the page of version 2
	}
	to, err := response.Location()
	if err != nil || !strings.HasSuffix(to.Path, "/query") || to.Query().Get("g0.expr") != `up{job="a b"}` {
		t.Errorf("HTTP %d to %v, %v", response.StatusCode, to, err)
	}
}

// What a server has or has not, it says in a form that is understood.
func TestLiveServer(t *testing.T) {
	everywhere(t, func(t *testing.T, b *liveBench) {
		described, err := b.Describe(t.Context())
		if err != nil || described.Product != b.name || described.Version == "" || described.Clock.IsZero() {
			t.Errorf("it is %+v, %v", described, err)
		}
		counts, err := b.CountLabels(t.Context())
		switch b.name {
		case "prometheus":
			if err != nil || len(counts) == 0 {
				t.Errorf("labels: %v, %v", counts, err)
			}
		default: // Cortex has no such page
			if failure := (*sources.Error)(nil); !errors.Is(err, sources.ErrNotFound) || !errors.As(err, &failure) || !strings.Contains(failure.Hint, "count(count by") {
				t.Errorf("labels: %v, %v", counts, err)
			}
		}
	})
}

// A server with several tenants that is told of none says what to do.
func TestLiveTenants(t *testing.T) {
	for tenant, want := range map[string]struct {
		kind error
		hint string
	}{"": {sources.ErrRefused, "keeps tenants apart"}, "nobody-of-this-name|nor-of-this": {}, "nobody-of-this-name": {}} {
		s := servers[1]
		s.tenant = tenant
		answer, err := live(t, s).Instant(t.Context(), "up", time.Now())
		failure := (*sources.Error)(nil)
		if want.kind == nil {
			if err != nil || answer.Series != nil {
				t.Errorf("%q: %+v, %v", tenant, answer, err)
			}
		} else if !errors.Is(err, want.kind) || !errors.As(err, &failure) || !strings.Contains(failure.Hint, want.hint) {
			t.Errorf("%q: %v, want %v and %q", tenant, err, want.kind, want.hint)
		}
	}
}
