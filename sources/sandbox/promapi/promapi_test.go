package promapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/sources"
	"obs/sources/prometheus"
	"obs/sources/transport"
)

// ask sends a GET beneath /api/v1.
func ask(t *testing.T, handler http.Handler, path string) (status int, body string) {
	t.Helper()
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/api/v1/"+path, nil))
	return answer.Code, answer.Body.String()
}

func query(text string) string { return "query?" + url.Values{"query": {text}}.Encode() }

// What is refused for its size is refused in the words of a real server, as obs's own
// client recorded them.
func TestLimits(t *testing.T) {
	store := holding(dataset(recorded, "limits"))
	now := Options{Now: func() time.Time { return recorded.Add(50 * time.Minute) }}
	small, hasty, coarse := now, now, now
	small.MaxSamples, hasty.Timeout, coarse.MaxPoints = 20, 20*time.Millisecond, 1_234_567
	// Some ten seconds of work, against 20 ms: a timer may be late on a busy machine.
	long := strings.Repeat(`count_over_time(vector(1)[30d:1s]) + `, 40) + "0"
	for _, test := range []struct {
		options Options
		path    string
		status  int
		file    string
	}{
		{small, query(`http_requests_total[30m]`), 422, "error_samples.json"},
		{now, query(`count_over_time(vector(1)[50000d:1ms])`), 422, "error_samples.json"},
		{now, query(`sum_over_time(max_over_time(up[1h:1ms])[5y:1m])`), 422, "error_samples.json"},
		{now, query(long) + "&timeout=20ms", 503, "error_timeout.json"},
		{hasty, query(long), 503, "error_timeout.json"},
		{now, "query_range?query=up&start=0&end=11001&step=1", 400, "error_points.json"},
	} {
		want, err := os.ReadFile(filepath.Join("..", "..", "prometheus", "testdata", test.file))
		if err != nil {
			t.Fatal(err)
		}
		status, body := ask(t, Handler(store, test.options), test.path)
		if status != test.status || body != strings.TrimSpace(string(want)) {
			t.Errorf("%s: %d %s, not %s", test.path, status, body, want)
		}
	}
	if _, body := ask(t, Handler(store, coarse), "query_range?query=up&start=0&end=1234568&step=1"); !strings.Contains(body, "1,234,567 points") {
		t.Error(body)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, path := range []string{query("up"), "series?match[]=up"} {
		answer := httptest.NewRecorder()
		Handler(store, now).ServeHTTP(answer, httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/v1/"+path, nil))
		if answer.Code != 499 || !strings.Contains(answer.Body.String(), `"canceled"`) {
			t.Errorf("%s of a client that has gone: %d %s", path, answer.Code, answer.Body)
		}
	}
}

func TestPanicBecomesAnError(t *testing.T) {
	answer := httptest.NewRecorder()
	answering(func(*http.Request) result { panic("oh \"no\"") }).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
	var body struct{ Status, ErrorType, Error string }
	if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	if answer.Code != 500 || body.ErrorType != "internal" || !strings.HasPrefix(body.Error, `panic: oh "no"`) {
		t.Errorf("%d %+v", answer.Code, body)
	}
}

// A link to a query leads to a page that names it and is not what the query says.
func TestPage(t *testing.T) {
	server := httptest.NewServer(Handler(NewStore(), Options{}))
	defer server.Close()
	client := server.Client()
	for path, want := range map[string]string{
		"/":       "sandbox",
		"/graph?": "sandbox",
		"/graph?" + url.Values{"g0.expr": {`a<script>"`}, "g1.expr": {"b"}}.Encode(): "<code>a&lt;script&gt;&#34;</code>",
	} {
		response, err := client.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != 200 || !strings.Contains(string(body), want) || strings.Contains(string(body), "<script") {
			t.Errorf("%s: %d %s", path, response.StatusCode, body)
		}
	}
}

// obs's own client understands everything.
func TestWithClient(t *testing.T) {
	store := holding(dataset(recorded, "client"))
	store.Rules(RuleGroup{Name: "g", Rules: []Rule{{Alert: "Up", Expr: "up == 1", For: time.Minute, Labels: sources.Labels{"severity": "page"}}}})
	server := httptest.NewServer(Handler(store, Options{Now: func() time.Time { return recorded.Add(time.Hour) }}))
	defer server.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	sender, err := transport.New(transport.Options{
		Backend: sources.Prometheus, URL: server.URL, Origin: "PROMETHEUS_URL", Base: base,
		Explain: prometheus.Explain, Final: prometheus.Final,
		Sleep: func(context.Context, time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	c := prometheus.New(sender, nil)
	ctx, window := t.Context(), sources.Window{From: recorded, To: recorded.Add(time.Hour)}

	answer, err := c.Instant(ctx, `odd{n="2"}`, recorded.Add(time.Minute))
	if err != nil || len(answer.Series) != 1 || !math.IsInf(answer.Series[0].Samples[0].Value, 1) {
		t.Errorf("instant: %+v, %v", answer, err)
	}
	answer, err = c.Instant(ctx, `rate(odd{n="0"}[5m])`, recorded.Add(10*time.Minute))
	if err != nil || len(answer.Warnings) != 1 {
		t.Errorf("with a remark: %+v, %v", answer, err)
	}
	answer, err = c.Range(ctx, `{__name__="http.server.requests", "service.name"="checkout"}`, window, time.Minute)
	if err != nil || len(answer.Series) != 2 || len(answer.Series[0].Samples) != 61 || answer.Series[0].Labels["service.name"] != "checkout" {
		t.Errorf("range: %+v, %v", answer, err)
	}
	if answer, err = c.Range(ctx, "up", sources.Window{From: recorded, To: recorded.Add(24 * time.Hour)}, time.Second); err != nil || len(answer.Warnings) != 1 {
		t.Errorf("a fine range: %v, %v", answer.Warnings, err)
	}
	values, err := c.LabelValues(ctx, "span kind/ü", nil, window)
	if err != nil || !slices.Equal(values, []string{"client", "server"}) {
		t.Errorf("values: %v, %v", values, err)
	}
	sets, err := c.Series(ctx, []string{"odd"}, window, 3)
	if err != nil || len(sets) != 3 {
		t.Errorf("series: %v, %v", sets, err)
	}
	known, err := c.Metadata(ctx)
	if err != nil || known["prometheus_ready"].Type != "gauge" {
		t.Errorf("metadata: %v, %v", known, err)
	}
	exemplars, err := c.Exemplars(ctx, `http_request_duration_seconds_bucket`, window)
	if err != nil || len(exemplars) == 0 {
		t.Fatalf("exemplars: %v, %v", exemplars, err)
	}
	if _, ok := exemplars[0].TraceID(); !ok || exemplars[0].SpanID() == "" {
		t.Errorf("an exemplar is %+v", exemplars[0])
	}
	alerts, err := c.Alerts(ctx)
	if err != nil || len(alerts) != 1 || alerts[0].State != "firing" || alerts[0].Labels["instance"] != "silent" || alerts[0].Value != 1 {
		t.Errorf("alerts: %+v, %v", alerts, err)
	}
	for query, kind := range map[string]error{`rate((`: sources.ErrBadQuery, `up * on () up`: sources.ErrBadQuery} {
		if _, err := c.Instant(ctx, query, recorded.Add(time.Minute)); !errors.Is(err, kind) {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// FuzzQuery sends any text as a query: there is an answer in JSON, and no 5xx but for a
// time that ran out.
func FuzzQuery(f *testing.F) {
	for _, requests := range suite {
		for _, r := range requests {
			if i := slices.Index(r.params, "query"); i >= 0 {
				f.Add(r.params[i+1], "300")
			}
		}
	}
	f.Add("count_over_time(up[50000d:1ms])", "1e-3")
	f.Add("\xff{}", "1y")
	handler := Handler(holding(dataset(recorded, "${run}")), Options{
		Now:        func() time.Time { return recorded.Add(time.Hour) },
		MaxSamples: 20_000, MaxPoints: 100, Timeout: 200 * time.Millisecond,
	})
	f.Fuzz(func(t *testing.T, text, step string) {
		for _, path := range []string{
			query(text),
			"query_range?" + url.Values{"query": {text}, "start": {"1772366400"}, "end": {"1772370000"}, "step": {step}}.Encode(),
			"query_exemplars?" + url.Values{"query": {text}}.Encode(),
			"series?" + url.Values{"match[]": {text}, "start": {step}}.Encode(),
			"label/" + url.PathEscape("U__"+text) + "/values",
		} {
			status, body := ask(t, handler, path)
			if status/100 == 5 && status != 503 || status == 200 && !json.Valid([]byte(body)) {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
	})
}
