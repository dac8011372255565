package transport_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"obs/sources"
	"obs/sources/transport"
)

func page(code int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	const html = "text/html; charset=utf-8"
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		kind    error
		detail  string
	}{
		"page":             {page(200, html, "<html>Sign in"), sources.ErrNotThisAPI, "it answered with a web page"},
		"page as JSON":     {page(200, "application/json", " \n<!doctype html>"), sources.ErrNotThisAPI, "it answered with a web page"},
		"page not found":   {page(404, html, "<html>"), sources.ErrNotThisAPI, "it answered with a web page"},
		"bad request page": {page(400, html, "<html>"), sources.ErrNotThisAPI, "it answered with a web page"},
		"sign-in page":     {page(401, html, "<html>"), sources.ErrRefused, "it answered with a web page"},
		"bad gateway page": {page(502, html, "<html>"), sources.ErrServer, "it answered with a web page"},
		"forbidden":        {page(403, "text/plain", "no"), sources.ErrRefused, "no"},
		"method":           {page(405, "text/plain", "Method Not Allowed\n"), sources.ErrNotThisAPI, "Method Not Allowed"},
		"not modified":     {page(304, "text/plain", ""), sources.ErrNotThisAPI, ""},
		"request timeout":  {page(408, "text/plain", ""), sources.ErrTimeout, ""},
		"nginx on TLS":     {page(400, html, "<html><title>400 The plain HTTP request was sent to HTTPS port</title>"), sources.ErrNotThisAPI, "it was asked in plain HTTP on a port for HTTPS"},
		"redirects": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/again?token=secret", http.StatusFound)
		}, sources.ErrNotThisAPI, "/again"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := ask(t.Context(), newClient(t, serve(t, test.handler), func(o *transport.Options) { o.Retries = -1 }))
			failure := failureOf(t, err)
			if !errors.Is(err, test.kind) || !strings.HasSuffix(failure.Detail, test.detail) {
				t.Errorf("got %v, want %v with %q", err, test.kind, test.detail)
			}
			if failure.Hint == "" || failure.Status == 0 {
				t.Errorf("hint %q, status %d", failure.Hint, failure.Status)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	explain := func(status int, body []byte) string {
		if status == 400 && string(body) == `{"m":"the message"}` {
			return "the message"
		}
		return ""
	}
	for body, want := range map[string]string{
		`{"m":"the message"}`:       "the message",
		" plain text \n":            "plain text",
		"":                          "",
		"\x1b[31mred\x1b]0;x\a\xff": `\x1b[31mred\x1b]0;x\x07\xff`,
		strings.Repeat("ä", 200):    strings.Repeat("ä", 150) + "…",
	} {
		client := newClient(t, serve(t, page(400, "text/plain", body)), func(o *transport.Options) { o.Explain = explain })
		_, _, err := ask(t.Context(), client)
		if got := failureOf(t, err).Detail; got != want {
			t.Errorf("%q: got %q, want %q", body, got, want)
		}
		if strings.ContainsAny(err.Error(), "\x1b\a") {
			t.Errorf("unprintable: %q", err.Error())
		}
	}
}

// The question may have come from outside as well.
func TestQuestionIsPrintable(t *testing.T) {
	client := newClient(t, serve(t, status(400)), nil)
	ctx, call := (*sources.Ledger)(nil).Start(t.Context(), sources.Prometheus, "up\x1b[2J", sources.Window{})
	_, err := client.Get(ctx, "/", nil, nil)
	call.End(0, err)
	if want := `; asked: up\x1b[2J`; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}

func TestFailure(t *testing.T) {
	client := newClient(t, "http://host:9090", nil)
	cause := errors.New("line\nbreak " + strings.Repeat("x", 1000))
	err := client.Failure(t.Context(), sources.ErrNotThisAPI, cause)
	if !errors.Is(err, cause) || !errors.Is(err, sources.ErrNotThisAPI) || len(err.Error()) > 500 || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %q", err)
	}
}

func TestErrorsReadWell(t *testing.T) {
	quiet := log.New(io.Discard, "", 0) // what the servers think of refused handshakes
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = quiet
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := httptest.NewServer(page(400, "text/plain", "no such query"))
	t.Cleanup(plain.Close)
	busy := serve(t, wait(503, "120"))
	alert := listen(t, "\x15\x03\x01\x00\x02\x02\x50") // a TLS alert, which is how many servers refuse plain HTTP
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	swap := func(address, from, to string) string { return to + strings.TrimPrefix(address, from) }

	for name, test := range map[string]struct {
		address     string
		error, hint string
	}{
		"refused query": {plain.URL, "prometheus at ADDRESS did not accept the query (HTTP 400): no such query; asked: a question", ""},
		"nobody there": {closed.URL, "prometheus at ADDRESS cannot be reached: dial tcp HOST: connect: connection refused; asked: a question",
			"check that prometheus runs and that PROMETHEUS_URL is its address"},
		"https asked of http": {swap(plain.URL, "http", "https"), "prometheus at ADDRESS cannot be reached: http: server gave HTTP response to HTTPS client; asked: a question",
			"it speaks plain HTTP there: write http:// in PROMETHEUS_URL"},
		"http asked of https": {swap(secure.URL, "https", "http"), "prometheus at ADDRESS does not answer as this API (HTTP 400): it was asked in plain HTTP on a port for HTTPS; asked: a question",
			"it speaks HTTPS there: write https:// in PROMETHEUS_URL"},
		"http answered by an alert": {alert, "prometheus at ADDRESS cannot be reached: net/http: HTTP/1.x transport connection broken: malformed HTTP response",
			"it speaks HTTPS there: write https:// in PROMETHEUS_URL"},
		"unknown authority": {secure.URL, "prometheus at ADDRESS cannot be reached: tls: failed to verify certificate: x509: certificate signed by unknown authority; asked: a question",
			"this machine does not know who signed the server's certificate: name a file with that authority's own certificate: give http_config.tls_config.ca_file in the profile, or SSL_CERT_FILE"},
		"asked to wait": {busy, "prometheus at ADDRESS is too busy (HTTP 503); asked: a question",
			"it asks to be left alone for 2m0s: try again after that"},
	} {
		t.Run(name, func(t *testing.T) {
			_, entry, err := ask(t.Context(), newClient(t, test.address, nil))
			failure := failureOf(t, err)
			want := strings.ReplaceAll(test.error, "ADDRESS", test.address)
			_, host, _ := strings.Cut(test.address, "//")
			want = strings.ReplaceAll(want, "HOST", host)
			if !strings.HasPrefix(err.Error(), want) {
				t.Errorf("\ngot  %s\nwant %s", err, want)
			}
			if failure.Hint != test.hint {
				t.Errorf("\ngot  %s\nwant %s", failure.Hint, test.hint)
			}
			if entry.Status != sources.QueryFailed || entry.Error != err.Error() {
				t.Errorf("the ledger says %+v", entry)
			}
		})
	}
}

func TestNoSuchHost(t *testing.T) {
	for hint, cause := range map[string]*net.DNSError{
		"the name does not resolve: check PROMETHEUS_URL, and that this machine is in the network or VPN that knows it": {Err: "no such host", Name: "nowhere", IsNotFound: true},
		"the name server did not answer: check this machine's network, or give an IP address in PROMETHEUS_URL":         {Err: "server misbehaving", Name: "nowhere", IsTemporary: true},
	} {
		client := newClient(t, "http://nowhere:9090", func(o *transport.Options) {
			o.Base = roundTripper(func(*http.Request) (*http.Response, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: cause}
			})
		})
		_, _, err := ask(t.Context(), client)
		failure := failureOf(t, err)
		if want := "dial tcp: lookup nowhere: " + cause.Err; !errors.Is(err, sources.ErrUnreachable) || failure.Detail != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if failure.Hint != hint {
			t.Errorf("hint %q, want %q", failure.Hint, hint)
		}
	}
}

func TestCertificateOfAnotherName(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	base := server.Client().Transport.(*http.Transport).Clone() // knows the authority
	base.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	t.Cleanup(base.CloseIdleConnections)
	client := newClient(t, "https://prometheus.invalid", func(o *transport.Options) { o.Base = base })
	_, _, err := ask(t.Context(), client)
	want := "the certificate was made for another name: check PROMETHEUS_URL, or give that name as tls_config.server_name in the profile"
	if failure := failureOf(t, err); !errors.Is(err, sources.ErrUnreachable) || failure.Hint != want {
		t.Errorf("got %v, hint %q", err, failure.Hint)
	}
}

// listen answers each connection with the same bytes, whatever it is asked.
func listen(t *testing.T, answer string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = connection.Read(make([]byte, 4096))
			_, _ = io.WriteString(connection, answer)
			_ = connection.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return "http://" + listener.Addr().String()
}

func TestBadAddresses(t *testing.T) {
	for address, detail := range map[string]string{
		"":                     "the address must begin with http:// or https://",
		"localhost:9090":       "the address must begin with http:// or https://",
		"127.0.0.1:9090":       "not an address",
		"prometheus":           "the address must begin with http:// or https://",
		"ftp://host":           "the address must begin with http:// or https://",
		"//host:9090":          "the address must begin with http:// or https://",
		"http://":              "the address names no host",
		"http:host":            "the address names no host",
		"http://:9090":         "the address names no host",
		"http://host:port":     "not an address",
		"http://ho st":         "not an address",
		"http://host/\x1b[31m": "not an address",
		"http://[::1":          "not an address",
		"http://host/%zz":      "not an address",
	} {
		_, err := transport.New(transport.Options{Backend: sources.Loki, URL: address, Origin: "--loki-url"})
		failure := failureOf(t, err)
		if failure.Detail != detail || failure.Hint != "give --loki-url as http://host:port" || failure.Backend != sources.Loki {
			t.Errorf("%q: got %v, hint %q", address, err, failure.Hint)
		}
		if strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q: unprintable %q", address, err.Error())
		}
	}
	for address, base := range map[string]string{
		" http://host:9090/ ":   "http://host:9090",
		"https://[::1]:9090//":  "https://[::1]:9090",
		"HTTP://host/prom?a=b#": "http://host/prom",
	} {
		client, err := transport.New(transport.Options{URL: address})
		if err != nil || client.Base() != base {
			t.Errorf("%q: got %v, %v", address, client, err)
		}
	}
}
