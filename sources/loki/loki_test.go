package loki_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"obs/sources"
	"obs/sources/loki"
	"obs/sources/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorded is the minute in which the records of testdata lie.
var recorded = window(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Minute)

func window(from time.Time, length time.Duration) sources.Window {
	return sources.Window{From: from, To: from.Add(length)}
}

// open returns a client for a server of its own.
func open(t *testing.T, handler http.Handler) (*loki.Client, *sources.Ledger) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client, err := transport.New(transport.Options{
		Backend: sources.Loki,
		URL:     server.URL,
		Retries: -1,
		Base:    server.Client().Transport,
		Explain: loki.Explain,
	})
	if err != nil {
		t.Fatal(err)
	}
	ledger := &sources.Ledger{}
	return loki.New(client, ledger), ledger
}

// canned answers every request with one file of testdata, or with text, and keeps
// what it was asked.
type canned struct {
	t      *testing.T
	file   string
	text   string // instead of a file
	status int    // 200 when 0

	path   string
	params url.Values
	header http.Header
}

func (c *canned) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.path, c.params, c.header = r.URL.Path, r.URL.Query(), r.Header
	body := []byte(c.text)
	if c.file != "" {
		body = read(c.t, c.file)
	}
	w.Header().Set("Content-Type", "application/json")
	if c.status != 0 {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(c.status)
	}
	if _, err := w.Write(body); err != nil {
		c.t.Error(err)
	}
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// mustAsk fails unless the last request had this path and exactly these parameters.
func (c *canned) mustAsk(path string, want url.Values) {
	c.t.Helper()
	if c.path != path {
		c.t.Errorf("asked for %s, want %s", c.path, path)
	}
	if got := c.params.Encode(); got != want.Encode() {
		c.t.Errorf("parameters:\n got %s\nwant %s", got, want.Encode())
	}
}

func mustList(t *testing.T, ledger *sources.Ledger, text string, w sources.Window, status string, records int) {
	t.Helper()
	queries := ledger.Queries()
	if len(queries) != 1 {
		t.Fatalf("%d questions in the ledger, want 1", len(queries))
	}
	q := queries[0]
	if q.Backend != sources.Loki || q.Text != text || q.Window != w || q.Status != status || q.Records != records {
		t.Errorf("ledger:\n got %s %q %v %s %d\nwant %s %q %v %s %d", q.Backend, q.Text, q.Window, q.Status, q.Records,
			sources.Loki, text, w, status, records)
	}
	if q.Attempts != 1 || (status != sources.QueryFailed && q.Bytes == 0) {
		t.Errorf("ledger: %d attempts, %d bytes", q.Attempts, q.Bytes)
	}
}

func TestLink(t *testing.T) {
	client, ledger := open(t, http.NotFoundHandler())
	link, err := url.Parse(client.Link(`{app="a&b"} |= "c d"`, recorded))
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"query": {`{app="a&b"} |= "c d"`}, "start": {"1767225600000000000"}, "end": {"1767225660000000000"},
		"limit": {"100"}, "direction": {"backward"},
	}
	if link.Path != "/loki/api/v1/query_range" || link.Query().Encode() != want.Encode() {
		t.Errorf("got %s", link)
	}
	if n := len(ledger.Queries()); n != 0 {
		t.Errorf("a link asked %d questions", n)
	}
}
