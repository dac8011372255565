package transport_test

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/config"
	"github.com/prometheus/sigv4"

	"obs/sources"
	"obs/sources/transport"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// open is a client with a network of its own.
func open(t *testing.T, address string, adjust func(*transport.Options)) *transport.Client {
	t.Helper()
	client := newClient(t, address, func(o *transport.Options) {
		o.Base = nil
		if adjust != nil {
			adjust(o)
		}
	})
	t.Cleanup(client.Close)
	return client
}

// echoed asks a server that answers with what it was sent as the header.
func echoed(t *testing.T, client *transport.Client) string {
	t.Helper()
	body, err := client.Get(t.Context(), "/", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func echo(header string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.Header.Get(header)) }
}

func TestTokenFileIsReadAgain(t *testing.T) {
	file := write(t, "token", "first\n")
	client := open(t, serve(t, echo("Authorization")), func(o *transport.Options) {
		o.Access.HTTP.Authorization = &config.Authorization{Type: "Bearer", CredentialsFile: file}
	})
	if got := echoed(t, client); got != "Bearer first" {
		t.Errorf("sent %q", got)
	}
	if err := os.WriteFile(file, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := echoed(t, client); got != "Bearer second" {
		t.Errorf("sent %q", got)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	_, err := client.Get(t.Context(), "/", nil, nil)
	if failure := failureOf(t, err); !errors.Is(err, sources.ErrRefused) || !errors.Is(err, os.ErrNotExist) || !strings.Contains(failure.Hint, "nothing was sent") {
		t.Errorf("%v, hint %q", err, failure.Hint)
	}
}

// What a token's endpoint and the server quote are secrets too, and nobody has written
// the token that they deal in down.
func TestOAuth2(t *testing.T) {
	asked, refuse := 0, false
	endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		name, secret, _ := r.BasicAuth()
		if refuse || name != "obs" || secret != "planted-secret" || r.FormValue("grant_type") != "client_credentials" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprintf(w, `{"error":"invalid_client","error_description":"not %s, %s"}`, secret, r.Header.Get("Authorization"))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"access_token":"planted-access","token_type":"Bearer","expires_in":3600}`)
	})
	access := func(o *transport.Options) {
		o.Access.HTTP.OAuth2 = &config.OAuth2{ClientID: "obs", ClientSecretFile: write(t, "secret", "planted-secret"), TokenURL: endpoint + "/token"}
	}
	client := open(t, serve(t, echo("Authorization")), access)
	for range 2 {
		if got := echoed(t, client); got != "Bearer planted-access" {
			t.Errorf("sent %q", got)
		}
	}
	if asked != 1 {
		t.Errorf("the endpoint was asked %d times for a token that is valid for an hour", asked)
	}
	refusing := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, "not with ", r.Header.Get("Authorization"))
	})
	_, err := open(t, refusing, access).Get(t.Context(), "/", nil, nil)
	if failure := failureOf(t, err); failure.Detail != "not with Bearer …" || !strings.Contains(failure.Hint, "OAuth 2") {
		t.Errorf("%v, hint %q", err, failure.Hint)
	}
	refuse = true
	_, err = open(t, refusing, access).Get(t.Context(), "/", nil, nil)
	if failure := failureOf(t, err); !errors.Is(err, sources.ErrRefused) || strings.Contains(err.Error(), "planted") || !strings.Contains(failure.Hint, "token_url") {
		t.Errorf("%v, hint %q", err, failure.Hint)
	}
}

func TestClientCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(echo("User-Agent"))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	pair := server.TLS.Certificates[0]
	authority := write(t, "ca.pem", pemOf("CERTIFICATE", pair.Certificate[0]))
	_, err := open(t, server.URL, func(o *transport.Options) { o.Access.HTTP.TLSConfig.CAFile = authority }).Get(t.Context(), "/", nil, nil)
	if failure := failureOf(t, err); !errors.Is(err, sources.ErrRefused) || !strings.Contains(failure.Hint, "cert_file") {
		t.Errorf("%v, hint %q", err, failure.Hint)
	}
	key, err := keyOf(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	client := open(t, server.URL, func(o *transport.Options) {
		o.Access.HTTP.TLSConfig = config.TLSConfig{
			CAFile: authority, CertFile: write(t, "client.pem", pemOf("CERTIFICATE", pair.Certificate[0])), KeyFile: write(t, "client.key", key),
		}
	})
	if got := echoed(t, client); got != "obs" {
		t.Errorf("got %q", got)
	}
	_, err = transport.New(transport.Options{
		Backend: sources.Loki, URL: server.URL, Credentials: "profile production",
		Access: transport.Access{HTTP: config.HTTPClientConfig{TLSConfig: config.TLSConfig{CAFile: "/no/such.pem"}}},
	})
	if failure := failureOf(t, err); !errors.Is(err, os.ErrNotExist) || !strings.Contains(failure.Hint, "profile production") {
		t.Errorf("%v, hint %q", err, failure.Hint)
	}
}

func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prometheus.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.URL.Path)
	})}}
	server.Start()
	t.Cleanup(server.Close)
	client := open(t, "unix://"+path, nil)
	body, err := client.Get(t.Context(), "/api/v1/query", nil, nil)
	if err != nil || string(body) != "/api/v1/query" || client.Base() != "unix://"+path {
		t.Errorf("%s, %v, base %s", body, err, client.Base())
	}
	_, err = open(t, "unix:///no/such.sock", nil).Get(t.Context(), "/", nil, nil)
	if failure := failureOf(t, err); failure.URL != "unix:///no/such.sock" || !errors.Is(err, sources.ErrUnreachable) {
		t.Errorf("%v", err)
	}
	for _, address := range []string{"unix://", "unix://host/x", "unix:x"} {
		if _, err := transport.New(transport.Options{URL: address}); err == nil || !strings.Contains(err.Error(), "unix:///path") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestSignatureOfAmazon(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, r.Header.Get("Authorization"))
	})
	client := open(t, address, func(o *transport.Options) {
		o.Access.SigV4 = &sigv4.SigV4Config{Region: "eu-central-1", AccessKey: "AKIDPLANTED", SecretKey: "planted-secret"}
	})
	_, err := client.Get(t.Context(), "/api/v1/query", url.Values{"query": {"up"}}, nil)
	failure := failureOf(t, err)
	if !strings.HasPrefix(failure.Detail, "AWS4-HMAC-SHA256 Credential=AKIDPLANTED/") || !strings.Contains(failure.Detail, "/eu-central-1/aps/aws4_request") || !strings.Contains(failure.Hint, "signature") {
		t.Errorf("%v, hint %q", err, failure.Hint)
	}
}

// A proxy that wants credentials of its own gets them, and the server does not.
func TestProxy(t *testing.T) {
	var proxied http.Header
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		proxied = r.Header.Clone()
		_, _ = fmt.Fprint(w, r.URL.String())
	})
	through, err := url.Parse(withUser(t, proxy))
	if err != nil {
		t.Fatal(err)
	}
	client := open(t, "http://prometheus.invalid/prefix", func(o *transport.Options) {
		o.Access.HTTP.ProxyURL = config.URL{URL: through}
	})
	if got := echoed(t, client); got != "http://prometheus.invalid/prefix/" {
		t.Errorf("the proxy was asked for %q", got)
	}
	if want := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password)); proxied.Get("Proxy-Authorization") != want || proxied.Get("Authorization") != "" {
		t.Errorf("the proxy was sent %v", proxied)
	}
}

func TestRedirectsAreLeftAlone(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) })
	_, err := open(t, address, func(o *transport.Options) { o.Access.NoRedirects = true }).Get(t.Context(), "/", nil, nil)
	if failure := failureOf(t, err); failure.Status != http.StatusFound {
		t.Errorf("%v", err)
	}
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func keyOf(key crypto.PrivateKey) (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pemOf("PRIVATE KEY", der), err
}
