package tempo

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
	"obs/sources/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	billingID sources.TraceID = "2f3e0cee77ae5dc9c17ade3689eb2e54"
	cartID    sources.TraceID = "0000000000000000d6e9329d67b6146a" // in search.json alone
	absentID  sources.TraceID = "00000000000000000000000000000001"
)

// window is around the traces of testdata.
var window = sources.Window{
	From: time.Date(2023, 5, 22, 17, 58, 0, 500, time.UTC),
	To:   time.Date(2023, 5, 22, 18, 0, 0, 500, time.UTC),
}

// answer is what a server says to a path.
type answer struct {
	status int
	body   string // a file in testdata, or the text itself
}

// fake is a server that answers paths and keeps what it was asked. It does not know others.
type fake struct {
	routes map[string]answer

	mu    sync.Mutex
	asked []*url.URL
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked = append(f.asked, r.URL)
	f.mu.Unlock()
	a, known := f.routes[r.URL.Path]
	if !known {
		a = answer{http.StatusNotFound, "404 page not found\n"}
	}
	if r.Header.Get("Accept") != "application/json" {
		a = answer{http.StatusNotAcceptable, "protocol buffers"}
	}
	body := []byte(a.body)
	if file, err := os.ReadFile(filepath.Join("testdata", filepath.Base(a.body))); err == nil {
		body = file
	}
	w.Header().Set("Date", "Mon, 22 May 2023 18:00:00 GMT")
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

func (f *fake) last() url.Values {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[len(f.asked)-1].Query()
}

// open starts a server with these answers and returns a client for it with its ledger.
func open(t *testing.T, routes map[string]answer) (*Client, *fake, *sources.Ledger) {
	t.Helper()
	f := &fake{routes: routes}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	ledger := &sources.Ledger{}
	client, err := transport.New(transport.Options{
		Backend: sources.Tempo, URL: server.URL, Origin: "--tempo-url", Explain: Explain, Base: server.Client().Transport,
		Sleep: func(context.Context, time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return New(client, ledger), f, ledger
}

func recorded(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return body
}
