package transport_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"obs/sources"
	"obs/sources/transport"
)

// say accepts a web socket, pings, and sends one message of so many bytes.
func say(t *testing.T, bytes int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		socket, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = socket.CloseNow() }()
		ctx := socket.CloseRead(r.Context())
		_ = socket.Ping(ctx)
		_ = socket.Write(ctx, websocket.MessageText, []byte(strings.Repeat("x", bytes)))
		<-ctx.Done()
	}
}

func TestWebSocket(t *testing.T) {
	var asked *http.Request
	handler := say(t, 1000)
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.Clone(r.Context())
		handler(w, r)
	})
	client := newClient(t, withUser(t, address)+"/prefix", func(o *transport.Options) {
		o.MaxBytes, o.Concurrency = 1000, 1
		o.Access = transport.Access{Tenant: "team-a"}
	})
	pings := make(chan struct{}, 1)
	for range 2 { // the only place among the requests is free again
		socket, err := client.WebSocket(t.Context(), "/x", map[string][]string{"a": {"b c"}}, http.Header{"X-More": {"1"}}, func() { pings <- struct{}{} })
		if err != nil {
			t.Fatal(err)
		}
		if _, text, err := socket.Read(t.Context()); err != nil || len(text) != 1000 {
			t.Errorf("%d bytes, %v", len(text), err)
		}
		<-pings
		_ = socket.CloseNow()
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	if asked.URL.String() != "/prefix/x?a=b+c" || asked.Header.Get("Authorization") != want || asked.Header.Get("X-Scope-Orgid") != "team-a" || asked.Header.Get("X-More") != "1" {
		t.Errorf("asked %s with %v", asked.URL, asked.Header)
	}
}

func TestWebSocketMessageTooLarge(t *testing.T) {
	client := newClient(t, serve(t, say(t, 1001)), func(o *transport.Options) { o.MaxBytes = 1000 })
	socket, err := client.WebSocket(t.Context(), "/", nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	if _, _, err := socket.Read(t.Context()); !errors.Is(err, websocket.ErrMessageTooBig) {
		t.Errorf("got %v", err)
	}
}

func TestWebSocketRefused(t *testing.T) {
	for name, test := range map[string]struct {
		handler  http.HandlerFunc
		kind     error
		status   int
		detail   string
		attempts int
	}{
		"query":      {page(400, "text/plain", "parse error"), sources.ErrBadQuery, 400, "parse error", 1},
		"access":     {page(401, "text/plain", "no org id"), sources.ErrRefused, 401, "no org id", 1},
		"path":       {page(404, "text/plain", "404 page not found"), sources.ErrNotFound, 404, "404 page not found", 1},
		"busy":       {page(429, "text/plain", "too many"), sources.ErrBusy, 429, "too many", 4},
		"failed":     {page(500, "text/plain", "broken"), sources.ErrServer, 500, "broken", 1},
		"web page":   {page(200, "text/html", "<html>"), sources.ErrNotThisAPI, 200, "it answered with a web page", 1},
		"plain text": {page(200, "text/plain", "hello"), sources.ErrNotThisAPI, 200, "it does not open a web socket there", 1},
		"half way": {func(w http.ResponseWriter, _ *http.Request) {
			connection, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = connection.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"))
			_ = connection.Close()
		}, sources.ErrNotThisAPI, 101, "it does not open a web socket there", 1},
		"broken": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, sources.ErrUnreachable, 0, "", 4},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, serve(t, test.handler), nil)
			ledger := &sources.Ledger{}
			ctx, call := ledger.Start(t.Context(), sources.Loki, "q", sources.Window{})
			socket, err := client.WebSocket(ctx, "/", nil, nil, nil)
			call.End(0, err)
			if socket != nil {
				t.Fatal("a socket")
			}
			failure := failureOf(t, err)
			if !errors.Is(err, test.kind) || failure.Status != test.status || failure.Asked != "q" || (test.detail != "" && failure.Detail != test.detail) {
				t.Errorf("got %v", err)
			}
			if n := ledger.Queries()[0].Attempts; n != test.attempts {
				t.Errorf("%d attempts", n)
			}
		})
	}
}

// Neither a silent server nor one that comes late holds the run up.
func TestWebSocketTimeout(t *testing.T) {
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	client := newClient(t, address, func(o *transport.Options) { o.Timeout = time.Millisecond })
	if _, err := client.WebSocket(t.Context(), "/", nil, nil, nil); !errors.Is(err, sources.ErrTimeout) || sources.IsCancelled(err) {
		t.Errorf("got %v", err)
	}
}

// A redirect to another host learns no secret.
func TestWebSocketRedirect(t *testing.T) {
	var seen http.Header
	other := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Clone()
		page(200, "text/html", "<form>")(w, r)
	})
	address := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other+"/login", http.StatusFound) })
	client := newClient(t, withUser(t, address), func(o *transport.Options) { o.Access = planted() })
	_, err := client.WebSocket(t.Context(), "/", nil, nil, nil)
	for _, name := range []string{"Authorization", "X-Scope-Orgid", "X-Api-Key"} {
		if seen == nil || seen.Get(name) != "" {
			t.Errorf("%s: %q", name, seen.Get(name))
		}
	}
	if !errors.Is(err, sources.ErrNotThisAPI) {
		t.Errorf("got %v", err)
	}
}
