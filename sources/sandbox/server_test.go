package sandbox

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"obs/sources"
	"obs/sources/connect"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Serve(t.Context(), NewStores(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// get asks once and leaves no connection behind.
func get(t *testing.T, address string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestServe(t *testing.T) {
	stores := NewStores()
	s, err := Serve(t.Context(), stores, Options{})
	if err != nil {
		t.Fatal(err)
	}
	stores.Traces.Append(sources.Span{TraceID: "1", ID: "2", Service: "shop", Start: time.Now(), Duration: time.Second})
	for address, want := range map[string]string{
		s.PrometheusURL + "/api/v1/query?query=1": `"status":"success"`,
		s.LokiURL + "/loki/api/v1/labels":         `"status":"success"`,
		s.JaegerURL + "/api/v3/services":          `"shop"`,
	} {
		if !strings.HasPrefix(address, "http://127.0.0.1:") {
			t.Errorf("%s is not on loopback", address)
		}
		if status, body := get(t, address); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", address, status, body)
		}
	}
	want := "export PROMETHEUS_URL=" + s.PrometheusURL + " LOKI_URL=" + s.LokiURL + " JAEGER_URL=" + s.JaegerURL
	if got := s.Exports(); got != want {
		t.Errorf("exports %q", got)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, address := range []string{s.PrometheusURL, s.LokiURL, s.JaegerURL} {
		if status, body := get(t, address); status != 0 {
			t.Errorf("%s still answers: %d %s", address, status, body)
		}
	}
}

// The stand-in is opened like any backends, by the addresses that it exports.
func TestOpenedByAddress(t *testing.T) {
	s := serve(t, Options{})
	set, err := connect.Open(t.Context(), connect.Options{
		PrometheusURL: s.PrometheusURL, LokiURL: s.LokiURL, JaegerURL: s.JaegerURL, Getenv: func(string) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	ctx, window := t.Context(), sources.Window{From: time.Now().Add(-time.Hour), To: time.Now()}
	if _, err := set.Metrics.Instant(ctx, "vector(1)", window.To); err != nil {
		t.Error(err)
	}
	if _, err := set.Logs.Labels(ctx, window); err != nil {
		t.Error(err)
	}
	if _, err := set.Traces.Services(ctx); err != nil {
		t.Error(err)
	}
}

func TestLoopbackOnly(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.org:0", "[::ffff:192.0.2.1]:0"} {
		for _, o := range []Options{{Prometheus: address}, {Loki: address}, {Jaeger: address}} {
			if s, err := Serve(t.Context(), Stores{}, o); !errors.Is(err, ErrNotLoopback) {
				t.Errorf("%+v: %v", o, err)
				_ = s.Close()
			}
		}
	}
	if _, err := Serve(t.Context(), Stores{}, Options{Loki: "no port"}); err == nil {
		t.Error("an address without a port will do")
	}
	s := serve(t, Options{Jaeger: "localhost:0"})
	if !strings.HasPrefix(s.JaegerURL, "http://127.0.0.1:") {
		t.Errorf("localhost is %s", s.JaegerURL)
	}
}

// When the last of the three ports is taken, the first two are let go.
func TestPortTaken(t *testing.T) {
	first := serve(t, Options{})
	free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	_ = free.Close()
	_, err = Serve(t.Context(), Stores{}, Options{Prometheus: address, Jaeger: strings.TrimPrefix(first.JaegerURL, "http://")})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "jaeger") {
		t.Errorf("a port that is taken: %v", err)
	}
	if s := serve(t, Options{Prometheus: address}); s.PrometheusURL != "http://"+address {
		t.Errorf("served at %s", s.PrometheusURL)
	}
}

func TestEndOfContextCloses(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := Serve(ctx, Stores{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-s.requests.ended
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if status, _ := get(t, s.JaegerURL); status != 0 {
		t.Errorf("still answers: %d", status)
	}
	// One that ended before it was served.
	if s, err := Serve(ctx, Stores{}, Options{}); err == nil {
		_ = s.Close()
	}
}

// slow serves a request that takes its time in place of Prometheus.
func slow(t *testing.T, grace time.Duration, answer http.HandlerFunc) *Server {
	t.Helper()
	s, err := serveHandlers(t.Context(), Options{Grace: grace}, answer, http.NotFoundHandler(), http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestCloseLetsRequestsFinish(t *testing.T) {
	arrived, finish := make(chan struct{}), make(chan struct{})
	s := slow(t, time.Hour, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-finish
		if r.Context().Err() == nil {
			_, _ = w.Write([]byte("done"))
		}
	})
	var asking sync.WaitGroup
	asking.Go(func() {
		if status, body := get(t, s.PrometheusURL); status != http.StatusOK || body != "done" {
			t.Errorf("%d %s", status, body)
		}
	})
	<-arrived
	for range 2 {
		asking.Go(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	// Close is under way once nobody else is let in.
	for status := http.StatusOK; status != 0; {
		status, _ = get(t, s.JaegerURL)
	}
	close(finish)
	asking.Wait()
}

func TestCloseBreaksRequestsOff(t *testing.T) {
	arrived := make(chan struct{})
	s := slow(t, 20*time.Millisecond, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	var asking sync.WaitGroup
	asking.Go(func() { get(t, s.PrometheusURL) })
	<-arrived
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	asking.Wait()
}

// A request that does not listen is named, and not waited for.
func TestCloseIsBounded(t *testing.T) {
	arrived, finish := make(chan struct{}), make(chan struct{})
	s := slow(t, time.Millisecond, func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-finish
	})
	var asking sync.WaitGroup
	asking.Go(func() { get(t, s.PrometheusURL) })
	<-arrived
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "did not end") {
		t.Errorf("closed: %v", err)
	}
	close(finish)
	asking.Wait()
	<-s.requests.ended
}

// A live tail has taken its connection over; it ends with the server all the same:
// one that waited out its hour of grace would outlast what go test allows.
func TestCloseEndsTails(t *testing.T) {
	s := serve(t, Options{Grace: time.Hour})
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	tail, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(s.LokiURL, "http")+"/loki/api/v1/tail?query=%7Bapp%3D%22shop%22%7D",
		&websocket.DialOptions{HTTPClient: &http.Client{Transport: base}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tail.CloseNow() }()
	var reading sync.WaitGroup
	reading.Go(func() {
		if _, _, err := tail.Read(t.Context()); err == nil {
			t.Error("the tail sent something")
		}
	})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	reading.Wait()
}
