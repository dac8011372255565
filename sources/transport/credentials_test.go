package transport_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"obs/sources"
	"obs/sources/transport"
)

// planted are secrets that must not be seen anywhere.
const (
	user     = "planted-user"
	password = "planted/p@ss word"
	token    = "planted-token"
	key      = "planted-key"
)

func planted() transport.Access {
	return transport.Bearer(token).WithHeader("X-Api-Key", key).WithTenant("team-a")
}

// withUser puts the planted user and password into an address.
func withUser(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

func TestCredentialsAreSent(t *testing.T) {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	for name, test := range map[string]struct {
		inURL                      bool
		access                     transport.Access
		authorization, tenant, key string
	}{
		"none":            {},
		"in the address":  {inURL: true, authorization: basic},
		"user and tenant": {access: transport.Basic(user, password).WithTenant("team-a"), authorization: basic, tenant: "team-a"},
		"token":           {inURL: true, access: planted(), authorization: "Bearer " + token, tenant: "team-a", key: key},
	} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = fmt.Fprintf(w, "%s|%s|%s", r.Header.Get("Authorization"), r.Header.Get("X-Scope-Orgid"), r.Header.Get("X-Api-Key"))
			})
			if test.inURL {
				address = withUser(t, address)
			}
			body, _, err := ask(t.Context(), newClient(t, address, func(o *transport.Options) { o.Access = test.access }))
			if want := test.authorization + "|" + test.tenant + "|" + test.key; err != nil || string(body) != want {
				t.Errorf("got %s, %v; want %s", body, err, want)
			}
		})
	}
}

// A proxy that wants a login sends on to another host, which must learn nothing.
func TestRedirectLosesCredentials(t *testing.T) {
	var seen http.Header
	login := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Clone()
		page(200, "text/html", "<form>")(w, r)
	})
	address := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, login+"/login", http.StatusFound) })
	_, _, err := ask(t.Context(), newClient(t, withUser(t, address), func(o *transport.Options) { o.Access = planted() }))
	for _, name := range []string{"Authorization", "X-Scope-Orgid", "X-Api-Key", "Cookie"} {
		if seen == nil || seen.Get(name) != "" {
			t.Errorf("%s: %q", name, seen.Get(name))
		}
	}
	failure := failureOf(t, err)
	want := "after a redirect to " + strings.TrimPrefix(login, "http://") + ": it answered with a web page"
	if !errors.Is(err, sources.ErrNotThisAPI) || failure.Detail != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Nor does a redirect carry them out of an encrypted connection, but into one.
func TestRedirectBetweenSchemes(t *testing.T) {
	for from, carried := range map[string]bool{"https": false, "http": true} {
		to := map[string]string{"https": "http", "http": "https"}[from]
		client := newClient(t, from+"://host", func(o *transport.Options) {
			o.Access = planted()
			o.Base = roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.URL.Scheme == from {
					return &http.Response{StatusCode: 307, Header: http.Header{"Location": {to + "://host/x"}}, Body: http.NoBody}, nil
				}
				return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(r.Header.Get("Authorization")))}, nil
			})
		})
		body, _, err := ask(t.Context(), client)
		if err != nil || (string(body) != "") != carried {
			t.Errorf("from %s to %s: %q, %v", from, to, body, err)
		}
	}
}

func TestRedirectOfPostIsNotFollowed(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/login?token=planted", http.StatusFound)
			return
		}
		t.Errorf("%s %s", r.Method, r.URL)
	})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/", strings.NewReader("query=up"))
	if err != nil {
		t.Fatal(err)
	}
	response, _, err := newClient(t, address, nil).Do(request)
	if failure := failureOf(t, err); failure.Detail != "it redirects to "+address+"/login" || response.StatusCode != http.StatusFound {
		t.Errorf("got %v", err)
	}
}

// However a request fails, even where a server quotes it, no secret is told.
func TestNoSecretIsTold(t *testing.T) {
	echo := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			name, secret, _ := r.BasicAuth()
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, "you sent %v, that is %s and %s", r.Header, name, secret)
		}
	}
	secure := httptest.NewUnstartedServer(echo(200))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	addresses := map[string]string{
		"unknown authority": secure.URL,
		"http to https":     "http" + strings.TrimPrefix(secure.URL, "https"),
		"nobody there":      closed.URL,
		"https to http":     "https" + strings.TrimPrefix(serve(t, echo(200)), "http"),
		"connection broken": serve(t, cut),
		"page":              serve(t, page(200, "text/html", "<html>")),
		"redirect": serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+user+":planted@"+r.Host+"/?t=planted", http.StatusFound)
		}),
		"bad redirect": serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://"+user+":planted-x@host:port/")
			w.WriteHeader(302)
		}),
		"too large": serve(t, page(200, "text/plain", strings.Repeat("x", 2000))),
		"silence":   serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
	}
	for _, status := range []int{300, 400, 401, 403, 404, 405, 407, 418, 422, 429, 500, 501, 502, 503, 504} {
		addresses[fmt.Sprint(status)] = serve(t, echo(status))
	}
	for name, address := range addresses {
		for way, access := range map[string]transport.Access{"basic": {}, "all": planted()} {
			client := newClient(t, withUser(t, address), func(o *transport.Options) {
				o.Access, o.MaxBytes, o.Timeout = access, 1000, 5*time.Second
				if name == "silence" {
					o.Timeout = time.Millisecond
				}
			})
			_, entry, err := ask(t.Context(), client)
			failure := failureOf(t, err)
			for _, text := range []string{
				err.Error(), failure.Hint, failure.URL, failure.Detail, failure.Asked, entry.Error, entry.Text,
				client.Base(), client.URL("/x", nil).String(), client.Failure(t.Context(), sources.ErrServer, err).Error(),
			} {
				if told := strings.ReplaceAll(text, user, ""); strings.Contains(told, "planted") || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(user+":"+password))) {
					t.Errorf("%s, %s: %s", name, way, text)
				}
			}
		}
	}
}

func TestSecretsOfProxies(t *testing.T) {
	client := newClient(t, "http://host", func(o *transport.Options) {
		o.Base = &http.Transport{Proxy: func(*http.Request) (*url.URL, error) {
			return nil, errors.New(`invalid proxy address "http://planted:planted@proxy:port": bad port`)
		}}
	})
	_, _, err := ask(t.Context(), client)
	if err == nil || strings.Contains(err.Error(), "planted") || !strings.Contains(err.Error(), "//…@proxy:port") {
		t.Errorf("got %v", err)
	}
}

func TestSecretsInBadAddresses(t *testing.T) {
	for _, address := range []string{
		"planted:planted@host:9090", "http:/planted:planted@host", "http://planted:planted@host:port", "http://planted:plan ted@ho st/",
		"ftp://planted:planted@host/", "http://planted:planted@", "http://pla%zzted:planted@host", "http://planted:planted@host:9090:1?token=planted",
	} {
		_, err := transport.New(transport.Options{Backend: sources.Loki, URL: address})
		if err == nil || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: got %v", address, err)
		}
	}
}

func TestRedact(t *testing.T) {
	for address, want := range map[string]string{
		"http://host:9090/prom":                "http://host:9090/prom",
		"http://user:secret@host:9090/prom":    "http://host:9090/prom",
		"http://secret@host":                   "http://host",
		"https://host/x?token=secret#secret":   "https://host/x",
		"http://user:secret@host?a=b@c":        "http://host",
		"http://user:sec/ret@host":             "…@host",
		"user:secret@host:9090":                "…@host:9090",
		"http:/user:secret@host/x":             "…@host/x",
		"http://host:port":                     "http://host:port",
		"http://user:secret@host:port/?secret": "…@host:port/",
		"http://ho st/?secret":                 "http://ho st/",
		"localhost:9090":                       "localhost:9090",
		"http://host/\x1b[31m":                 `http://host/\x1b[31m`,
		"":                                     "",
	} {
		if got := transport.Redact(address); got != want {
			t.Errorf("%q: got %q, want %q", address, got, want)
		}
	}
}

// Secrets are blanked whole, also where one is the beginning of another.
func TestSecretWithinASecret(t *testing.T) {
	address := serve(t, page(400, "text/plain", "abc and abcdef"))
	client := newClient(t, address, func(o *transport.Options) {
		o.Access = transport.Basic("user", "abc").WithHeader("X-Key", "abcdef")
	})
	_, err := client.Get(context.Background(), "/", nil, nil)
	if got := failureOf(t, err).Detail; got != "… and …" {
		t.Errorf("got %q", got)
	}
}
