package jaeger

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"obs/sources"
	"obs/sources/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The answers in testdata are those of a real server, release 1.76 of Jaeger's module
// with memory storage. The trace of HotROD is a request for a ride; the one of the
// shop was sent to hold one of everything, and its root was sent twice.
const (
	hotrodID sources.TraceID = "6bff0f10a123cf0c668a2ba302b239e6"
	shopID   sources.TraceID = "000000000000000000c0ffee12345679"
	absentID sources.TraceID = "00000000000000000000000000000001"
)

// window is around the recorded traces.
var window = sources.Window{
	From: time.Date(2026, 11, 21, 7, 0, 0, 0, time.UTC),
	To:   time.Date(2026, 11, 21, 7, 30, 0, 0, time.UTC),
}

// answer is what a server says to a path.
type answer struct {
	status int
	body   string // a file in testdata, unless it begins with { or is no file's name
}

// fake is a server that answers paths with recorded answers and keeps what it was
// asked. Paths that it does not know get the answer otherwise.
type fake struct {
	routes    map[string]answer
	otherwise answer

	mu    sync.Mutex
	asked []*url.URL
}

// What real servers say to a path that they do not have: up to some release the page
// for everything, later the plain text of Go's HTTP server.
var (
	page    = answer{http.StatusOK, "page.html"}
	noRoute = answer{http.StatusNotFound, "404 page not found\n"}
)

var routesV3 = map[string]answer{
	"/api/v3/services":                   {http.StatusOK, "v3_services.json"},
	"/api/v3/operations":                 {http.StatusOK, "v3_operations.json"},
	"/api/v3/traces":                     {http.StatusOK, "v3_search.json"},
	"/api/v3/traces/" + string(hotrodID): {http.StatusOK, "v3_trace_hotrod.json"},
	"/api/v3/traces/" + string(shopID):   {http.StatusOK, "v3_trace_shop.json"},
	"/api/v3/traces/" + string(absentID): {http.StatusNotFound, "v3_none.json"},
}

var routesV1 = map[string]answer{
	"/api/services":                   {http.StatusOK, "v1_services.json"},
	"/api/operations":                 {http.StatusOK, "v1_operations.json"},
	"/api/traces":                     {http.StatusOK, "v1_search.json"},
	"/api/traces/" + string(hotrodID): {http.StatusOK, "v1_trace_hotrod.json"},
	"/api/traces/" + string(shopID):   {http.StatusOK, "v1_trace_shop.json"},
	"/api/traces/" + string(absentID): {http.StatusNotFound, "v1_none.json"},
	"/api/dependencies":               {http.StatusOK, "v1_dependencies.json"},
}

// newer is a server that has v3 alone, current one that has both, older v1 alone.
func newer() *fake { return &fake{routes: routesV3, otherwise: noRoute} }
func older() *fake { return &fake{routes: routesV1, otherwise: page} }
func current() *fake {
	return (&fake{otherwise: page}).with(routesV3).with(routesV1)
}

// with replaces the answers to some paths.
func (f *fake) with(routes map[string]answer) *fake {
	all := map[string]answer{}
	for _, some := range []map[string]answer{f.routes, routes} {
		for path, a := range some {
			all[path] = a
		}
	}
	f.routes = all
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked = append(f.asked, r.URL)
	a, known := f.routes[r.URL.Path]
	f.mu.Unlock()
	if !known {
		a = f.otherwise
	}
	body := []byte(a.body)
	if recorded, err := os.ReadFile(filepath.Join("testdata", filepath.Base(a.body))); err == nil {
		body = recorded
	}
	if filepath.Ext(a.body) == ".html" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
	} else {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8") // as v3 does
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(body)
}

// paths are the paths asked for so far.
func (f *fake) paths() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, u := range f.asked {
		all = append(all, u.Path)
	}
	return all
}

func (f *fake) last() *url.URL {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[len(f.asked)-1]
}

// open starts the server and returns a client for it with its ledger.
func open(t *testing.T, handler http.Handler) (*Client, *sources.Ledger) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	ledger := &sources.Ledger{}
	return New(connect(t, server.URL, server.Client().Transport), ledger), ledger
}

func connect(t *testing.T, address string, base http.RoundTripper) *transport.Client {
	t.Helper()
	client, err := transport.New(transport.Options{
		Backend: sources.Jaeger, URL: address, Origin: "--jaeger-url", Explain: Explain, Base: base,
		Sleep: func(context.Context, time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func recorded(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func spanNamed(t *testing.T, trace sources.Trace, operation string) *sources.Span {
	t.Helper()
	i := slices.IndexFunc(trace.Spans, func(s sources.Span) bool { return s.Operation == operation })
	if i < 0 {
		t.Fatalf("trace %s has no span %q", trace.ID, operation)
	}
	return &trace.Spans[i]
}
