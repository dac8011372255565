package transport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"obs/sources"
	"obs/sources/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newClient returns a client for url that does not wait between attempts; adjust may
// change its options.
func newClient(t *testing.T, address string, adjust func(*transport.Options)) *transport.Client {
	t.Helper()
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	o := transport.Options{
		Backend: sources.Prometheus, URL: address, Origin: "PROMETHEUS_URL", Base: base,
		Sleep: func(context.Context, time.Duration) error { return nil },
	}
	if adjust != nil {
		adjust(&o)
	}
	client, err := transport.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// ask asks for /path as a backend's package does, and returns the ledger's entry too.
func ask(ctx context.Context, client *transport.Client) (body []byte, entry sources.Query, err error) {
	ledger := &sources.Ledger{}
	ctx, call := ledger.Start(ctx, sources.Prometheus, "a question", sources.Window{})
	body, err = client.Get(ctx, "/path", nil, nil)
	call.End(len(body), err)
	return body, ledger.Queries()[0], err
}

func failureOf(t *testing.T, err error) *sources.Error {
	t.Helper()
	failure := (*sources.Error)(nil)
	if !errors.As(err, &failure) {
		t.Fatalf("got %T %v, want a *sources.Error", err, err)
	}
	return failure
}

func TestGet(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL.RequestURI(), r.Header.Get("X-Own"), r.UserAgent())
	})
	client := newClient(t, address+"/prefix/", nil)
	body, err := client.Get(t.Context(), "/api/v1/x", url.Values{"q": {"a b"}}, http.Header{"X-Own": {"1"}})
	if want := "GET /prefix/api/v1/x?q=a+b 1 obs"; err != nil || string(body) != want {
		t.Errorf("got %s, %v; want %s", body, err, want)
	}
	if client.Base() != address+"/prefix" {
		t.Errorf("the base is %s", client.Base())
	}
}

// attempts serves the first answers in turn and then says ok.
func attempts(first ...http.HandlerFunc) (http.HandlerFunc, *atomic.Int32) {
	var n atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		if i := int(n.Add(1)); i <= len(first) {
			first[i-1](w, r)
			return
		}
		_, _ = io.WriteString(w, "ok")
	}, &n
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "why")
	}
}

func wait(code int, after string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", after)
		w.WriteHeader(code)
	}
}

// cut breaks the connection in the middle of an answer.
func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, "half of ")
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func TestRetries(t *testing.T) {
	for name, test := range map[string]struct {
		first    []http.HandlerFunc
		attempts int
		kind     error // nil for success
	}{
		"none needed":     {nil, 1, nil},
		"429":             {[]http.HandlerFunc{status(429)}, 2, nil},
		"502":             {[]http.HandlerFunc{status(502)}, 2, nil},
		"503":             {[]http.HandlerFunc{status(503), status(503), status(503)}, 4, nil},
		"503 to the end":  {[]http.HandlerFunc{status(503), status(503), status(503), status(503)}, 4, sources.ErrBusy},
		"502 to the end":  {[]http.HandlerFunc{status(502), status(502), status(502), status(502)}, 4, sources.ErrServer},
		"broken":          {[]http.HandlerFunc{cut, cut}, 3, nil},
		"broken for good": {[]http.HandlerFunc{cut, cut, cut, cut}, 4, sources.ErrUnreachable},
		"all at once":     {[]http.HandlerFunc{cut, status(429), status(502)}, 4, nil},
		"wait in seconds": {[]http.HandlerFunc{wait(429, "7")}, 2, nil},
		"wait too long":   {[]http.HandlerFunc{wait(429, "11")}, 1, sources.ErrBusy},
		"wait for ages":   {[]http.HandlerFunc{wait(503, "99999999999999999999")}, 1, sources.ErrBusy},
		"wait nonsense":   {[]http.HandlerFunc{wait(503, "soon")}, 2, nil},
		"wait till past":  {[]http.HandlerFunc{wait(503, "Tue, 01 Mar 2022 12:00:00 GMT")}, 2, nil},
		"wait till 2100":  {[]http.HandlerFunc{wait(503, "Mon, 01 Mar 2100 12:00:00 GMT")}, 1, sources.ErrBusy},
		"400":             {[]http.HandlerFunc{status(400)}, 1, sources.ErrBadQuery},
		"401":             {[]http.HandlerFunc{status(401)}, 1, sources.ErrRefused},
		"404":             {[]http.HandlerFunc{status(404)}, 1, sources.ErrNotFound},
		"500":             {[]http.HandlerFunc{status(500)}, 1, sources.ErrServer},
		"504":             {[]http.HandlerFunc{status(504)}, 1, sources.ErrTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			handler, served := attempts(test.first...)
			body, entry, err := ask(t.Context(), newClient(t, serve(t, handler), nil))
			if !errors.Is(err, test.kind) || (err == nil) != (string(body) == "ok") {
				t.Errorf("got %q, %v", body, err)
			}
			if int(served.Load()) != test.attempts || entry.Attempts != test.attempts {
				t.Errorf("%d attempts arrived and the ledger says %d, want %d", served.Load(), entry.Attempts, test.attempts)
			}
		})
	}
}

func TestNoRetriesWanted(t *testing.T) {
	handler, served := attempts(status(503))
	client := newClient(t, serve(t, handler), func(o *transport.Options) { o.Retries = -1 })
	if _, _, err := ask(t.Context(), client); !errors.Is(err, sources.ErrBusy) || served.Load() != 1 {
		t.Errorf("got %v after %d attempts", err, served.Load())
	}
}

func TestFinalRefusal(t *testing.T) {
	handler, served := attempts(status(503))
	client := newClient(t, serve(t, handler), func(o *transport.Options) {
		o.Final = func(status int, body []byte) bool { return status == 503 && string(body) == "why" }
	})
	if _, _, err := ask(t.Context(), client); !errors.Is(err, sources.ErrBusy) || served.Load() != 1 {
		t.Errorf("got %v after %d attempts", err, served.Load())
	}
}

func TestNobodyListens(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	_, entry, err := ask(t.Context(), newClient(t, server.URL, nil))
	if !errors.Is(err, sources.ErrUnreachable) || entry.Attempts != 1 {
		t.Errorf("got %v after %d attempts", err, entry.Attempts)
	}
}

// Waits are what the server asks for, or else grow, with some chance in them.
func TestWaits(t *testing.T) {
	handler, _ := attempts(wait(429, "7"), status(503), cut)
	var waits []time.Duration
	client := newClient(t, serve(t, handler), func(o *transport.Options) {
		o.Sleep = func(_ context.Context, d time.Duration) error {
			waits = append(waits, d)
			return nil
		}
	})
	if _, _, err := ask(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	between := func(d, least, most time.Duration) bool { return d >= least && d <= most }
	if len(waits) != 3 || waits[0] != 7*time.Second ||
		!between(waits[1], 200*time.Millisecond, 400*time.Millisecond) ||
		!between(waits[2], 400*time.Millisecond, 800*time.Millisecond) {
		t.Errorf("waited %v", waits)
	}
}

func TestPostIsRepeatedWithItsBody(t *testing.T) {
	var mu sync.Mutex
	var bodies []string
	handler, _ := attempts(status(503), cut)
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		bodies = append(bodies, r.Method+" "+string(body))
		mu.Unlock()
		handler(w, r)
	})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader("query=up"))
	if err != nil {
		t.Fatal(err)
	}
	response, body, err := newClient(t, address, nil).Do(request)
	if err != nil || response.StatusCode != 200 || string(body) != "ok" {
		t.Fatalf("got %q, %v", body, err)
	}
	if want := slices.Repeat([]string{"POST query=up"}, 3); !slices.Equal(bodies, want) {
		t.Errorf("the server got %q", bodies)
	}
}

func TestResponseBesideTheError(t *testing.T) {
	client := newClient(t, serve(t, status(405)), nil)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, client.Base(), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, body, err := client.Do(request)
	if err == nil || response == nil || response.StatusCode != 405 || string(body) != "why" {
		t.Errorf("got %v, %q, %v", response, body, err)
	}
}

func TestLedgerCountsAllAttempts(t *testing.T) {
	handler, _ := attempts(status(503), cut)
	_, entry, err := ask(t.Context(), newClient(t, serve(t, handler), nil))
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(len("why") + len("half of ") + len("ok")); entry.Bytes != want || entry.Attempts != 3 {
		t.Errorf("%d bytes in %d attempts, want %d in 3", entry.Bytes, entry.Attempts, want)
	}
}

func TestMaxBytes(t *testing.T) {
	for _, size := range []int{100, 101, 5000} {
		address := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("x"), size)) })
		client := newClient(t, address, func(o *transport.Options) { o.MaxBytes = 100 })
		body, entry, err := ask(t.Context(), client)
		if size <= 100 && (err != nil || len(body) != size) {
			t.Errorf("%d bytes: %d, %v", size, len(body), err)
		}
		if size > 100 && (!errors.Is(err, sources.ErrTooLarge) || body != nil || entry.Bytes != 101 || entry.Attempts != 1) {
			t.Errorf("%d bytes: %d, %v, ledger %+v", size, len(body), err, entry)
		}
	}
}
