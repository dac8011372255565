package prometheus_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"obs/sources"
	"obs/sources/prometheus"
	"obs/sources/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What the recorded answers are about.
var (
	noon   = time.Date(2022, 3, 1, 12, 0, 0, 0, time.UTC)
	window = sources.Window{From: noon, To: noon.Add(3 * time.Minute)}
)

// asked is what a server saw of a request.
type asked struct {
	method, path string
	form         url.Values
}

// bench is a client, the server that it asks, and all that was noted on both sides.
type bench struct {
	*prometheus.Client
	ledger *sources.Ledger
	url    string

	mu       sync.Mutex
	requests []asked
}

// newBench serves with handler. Nothing waits between attempts.
func newBench(t *testing.T, handler http.HandlerFunc) *bench {
	t.Helper()
	b := &bench{ledger: &sources.Ledger{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		b.mu.Lock()
		b.requests = append(b.requests, asked{r.Method, r.URL.EscapedPath(), r.Form})
		b.mu.Unlock()
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	b.url = server.URL
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	client, err := transport.New(transport.Options{
		Backend: sources.Prometheus, URL: server.URL, Origin: "PROMETHEUS_URL", Base: base,
		Explain: prometheus.Explain, Final: prometheus.Final,
		Sleep: func(context.Context, time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Client = prometheus.New(client, b.ledger)
	return b
}

// last is the newest request that the server saw.
func (b *bench) last(t *testing.T) asked {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.requests) == 0 {
		t.Fatal("nothing was asked")
	}
	return b.requests[len(b.requests)-1]
}

// query is the newest question in the ledger.
func (b *bench) query(t *testing.T) sources.Query {
	t.Helper()
	all := b.ledger.Queries()
	if len(all) == 0 {
		t.Fatal("the ledger is empty")
	}
	return all[len(all)-1]
}

// recorded answers everything with one file of testdata.
func recorded(t *testing.T, status int, file string) http.HandlerFunc {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	kind := "application/json"
	if filepath.Ext(file) != ".json" {
		kind = "text/plain; charset=utf-8"
	}
	return said(status, kind, string(body))
}

func said(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body)) // a client that hung up shows on its own side
	}
}

// calls is every way to ask, by name.
func calls(c sources.Metrics) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Instant": func(ctx context.Context) error { _, err := c.Instant(ctx, "up", noon); return err },
		"Range":   func(ctx context.Context) error { _, err := c.Range(ctx, "up", window, time.Minute); return err },
		"LabelValues": func(ctx context.Context) error {
			_, err := c.LabelValues(ctx, "job", nil, window)
			return err
		},
		"Series": func(ctx context.Context) error {
			_, err := c.Series(ctx, []string{"up"}, window, 10)
			return err
		},
		"Metadata":  func(ctx context.Context) error { _, err := c.Metadata(ctx); return err },
		"Exemplars": func(ctx context.Context) error { _, err := c.Exemplars(ctx, "up", window); return err },
		"Alerts":    func(ctx context.Context) error { _, err := c.Alerts(ctx); return err },
	}
}
