package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
)

// What is planted in every configuration of the mistakes, and must not be seen again.
const (
	plantedUser     = "obs"
	plantedPassword = "planted/p@ss word+1"
	plantedToken    = "planted-token-7f3a"
	plantedKey      = "planted-key-91"
	plantedClient   = "planted client/secret"
	plantedProxy    = "planted-proxy"
	plantedCommand  = "planted-argument"
)

func plantedSecrets() secrets {
	s := secrets{plantedToken, plantedKey, plantedProxy, plantedCommand, "planted"}
	s.basic(plantedUser, plantedPassword)
	s.basic(plantedUser, plantedClient)
	s.basic(plantedUser, plantedProxy)
	return s
}

// mistake is one way to be wrong, with what has to be said about it.
type mistake struct {
	url    string
	wants  string // what stands beside the address, in YAML
	status int
	cause  string // what went wrong
	hint   string // what to do about it
	slow   bool   // it ends by the time for the whole command alone
}

// echoing refuses, and quotes what it was sent, as proxies do.
func echoing(status int, also string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "%s you sent %v, that is %s and %s; %s", also, r.Header, user, password, r.FormValue("client_secret"))
	}
}

func serving(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) (a authority, file string) {
	t.Helper()
	pair := a.sign(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, noon.AddDate(20, 0, 0))
	a.certificate, a.key = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a, file
}

// sign makes a certificate; the first is the authority's own.
func (a authority) sign(t *testing.T, c *x509.Certificate, until time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(1), time.Unix(0, 0), until
	parent, by := a.certificate, a.key
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// secured starts a server with a certificate of the authority's.
func (a authority) secured(t *testing.T, until time.Time, wants tls.ClientAuthType, names ...string) string {
	t.Helper()
	c := &x509.Certificate{DNSNames: names}
	if len(names) == 0 {
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{a.sign(t, c, until)}, ClientAuth: wants, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// everyMistake has them by name. Files that they name are in dir.
func everyMistake(t *testing.T, dir string) map[string]mistake {
	t.Helper()
	a, ca := newAuthority(t)
	for name, text := range map[string]string{"password": plantedPassword, "token": plantedToken, "empty": " \n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>Log in</title>")
	})
	login := serving(t, page)
	locked, forbids := serving(t, echoing(http.StatusUnauthorized, "")), serving(t, echoing(http.StatusForbidden, ""))
	plain := serving(t, http.NotFoundHandler())
	secure := a.secured(t, noon.AddDate(20, 0, 0), tls.NoClientCert)
	away := refusing(t)
	const basic = "username: obs, password_file: password"
	const bearer = "token_file: token"
	trusting := func(more string) string {
		return bearer + ", http_config: {tls_config: {ca_file: '" + ca + "'" + more + "}}"
	}
	oauth := func(endpoint string) string {
		return fmt.Sprintf("http_config: {oauth2: {client_id: obs, client_secret: '%s', token_url: '%s/token'}}", plantedClient, endpoint)
	}
	proxied := func(proxy string) string {
		return fmt.Sprintf("%s, http_config: {proxy_url: '%s'}", bearer, strings.Replace(proxy, "://", "://obs:"+plantedProxy+"@", 1))
	}
	const set = "obs config set --profile here "
	return map[string]mistake{
		"wrong password": {url: locked, wants: basic, status: exitRefused, cause: "(HTTP 401)", hint: `user "obs" and the password were not accepted: check BACKEND in profile here`},
		"password in the address": {url: strings.Replace(locked, "://", "://obs:planted%2Fp%40ss%20word+1@", 1), status: exitRefused, cause: "(HTTP 401)",
			hint: `user "obs" and the password were not accepted`},
		"wrong token":           {url: locked, wants: bearer, status: exitRefused, cause: "(HTTP 401)", hint: "the token was not accepted: check BACKEND in profile here"},
		"wrong key in a header": {url: forbids, wants: "http_config: {http_headers: {X-Key: {secrets: [" + plantedKey + "]}}}", status: exitRefused, cause: "(HTTP 403)", hint: "the headers of http_headers, or the client's certificate, were not accepted"},
		"no credentials":        {url: locked, status: exitRefused, cause: "(HTTP 401)", hint: "no credentials were sent: " + set + "BACKEND.token_file FILE, or username NAME and password_file FILE"},
		"no tenant":             {url: serving(t, echoing(http.StatusUnauthorized, "no org id")), wants: bearer, status: exitRefused, cause: "no org id", hint: "it keeps tenants apart, and none was named: " + set + "BACKEND.tenant NAME"},
		"wrong tenant":          {url: forbids, wants: bearer + ", tenant: team-a", status: exitRefused, cause: "(HTTP 403)", hint: `and that they may read tenant "team-a"`},
		"several tenants":       {url: serving(t, echoing(http.StatusInternalServerError, "multiple org IDs present")), wants: "tenant: a|b", status: exitFailed, cause: "multiple org IDs present", hint: "it reads one tenant at a time"},
		"expired certificate":   {url: a.secured(t, time.Unix(1e9, 0), tls.NoClientCert), wants: trusting(""), status: exitFailed, cause: "its certificate is valid from 1970-01-01 00:00:00 to 2001-09-09 01:46:40", hint: "has to be renewed"},
		"unknown authority":     {url: secure, wants: bearer, status: exitFailed, cause: "certificate signed by unknown authority", hint: set + "BACKEND.http_config.tls_config.ca_file FILE"},
		"another name":          {url: a.secured(t, noon.AddDate(20, 0, 0), tls.NoClientCert, "other.example"), wants: trusting(""), status: exitFailed, cause: "certificate", hint: "the certificate was made for another name: check BACKEND.url in profile here"},
		"no client certificate": {url: a.secured(t, noon.AddDate(20, 0, 0), tls.RequireAnyClientCert), wants: trusting(""), status: exitRefused, cause: "certificate required", hint: set + "BACKEND.http_config.tls_config.cert_file FILE, and key_file"},
		"certificate not there": {url: secure, wants: trusting(", cert_file: gone.pem, key_file: gone.key"), status: exitRefused, cause: "gone.pem", hint: "check the certificates and keys of"},
		"http for https":        {url: strings.Replace(secure, "https", "http", 1), wants: basic, status: exitFailed, cause: "it was asked in plain HTTP on a port for HTTPS", hint: "write https:// in BACKEND.url in profile here"},
		"https for http":        {url: strings.Replace(plain, "http", "https", 1), wants: basic, status: exitFailed, cause: "server gave HTTP response to HTTPS client", hint: "write http:// in BACKEND.url in profile here"},
		"wrong path prefix": {url: serving(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "<html>")
		})) + "/wrong", wants: bearer, status: exitFailed, cause: "(HTTP 404): it answered with a web page", hint: "a missing path prefix"},
		"login page":             {url: login, wants: basic, status: exitFailed, cause: "it answered with a web page", hint: "where a login stands before it, " + set + "BACKEND.token_file"},
		"redirect to a login":    {url: serving(t, http.RedirectHandler(login+"/login?next=planted", http.StatusFound)), wants: basic, status: exitFailed, cause: "after a redirect to " + strings.TrimPrefix(login, "http://") + ": it answered with a web page", hint: "where a login stands before it"},
		"nothing listens":        {url: away, wants: bearer, status: exitFailed, cause: "connection refused", hint: "check that BACKEND runs and that BACKEND.url in profile here is its address"},
		"no socket":              {url: "unix:///nowhere/of/mine.sock", status: exitFailed, cause: "no such file", hint: "check that BACKEND runs"},
		"token file missing":     {url: plain, wants: "token_file: gone", status: exitRefused, cause: filepath.Join(dir, "gone") + ": no such file or directory", hint: "nothing was sent: check BACKEND in profile here"},
		"token file empty":       {url: plain, wants: "token_file: empty", status: exitRefused, cause: filepath.Join(dir, "empty") + ": it is empty", hint: "nothing was sent"},
		"variable not set":       {url: plain, wants: "token_env: NOT_SET", status: exitRefused, cause: "token_env NOT_SET: it is empty", hint: "nothing was sent"},
		"command fails":          {url: plain, wants: "username: obs, password_command: [sh, -c, 'echo " + plantedPassword + " >&2; exit 3', " + plantedCommand + "]", status: exitRefused, cause: `password_command: "sh" failed: exit status 3: run it by hand`, hint: "nothing was sent"},
		"command is not there":   {url: plain, wants: "username: obs, password_command: [no-such-command, " + plantedCommand + "]", status: exitRefused, cause: `"no-such-command" failed`, hint: "nothing was sent"},
		"command prints nothing": {url: plain, wants: "username: obs, password_command: ['true', " + plantedCommand + "]", status: exitRefused, cause: `"true" printed nothing`, hint: "nothing was sent"},
		"command hangs":          {url: plain, wants: "username: obs, password_command: [sleep, '600']", status: exitTimeout, cause: `"sleep" did not end in time: run it by hand`, hint: "nothing was sent", slow: true},
		"token endpoint refuses": {url: plain, wants: oauth(serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprintf(w, `{"error":"invalid_client","error_description":"not %s, nor %s"}`, r.Header.Get("Authorization"), r.FormValue("client_secret"))
		}))), status: exitRefused, cause: "answered 401 Unauthorized: invalid_client", hint: "check client_id, client_secret and token_url in BACKEND in profile here"},
		"token endpoint away":     {url: plain, wants: oauth(away), status: exitFailed, cause: "the token's endpoint " + away + "/token: dial tcp", hint: "check token_url"},
		"token endpoint, a login": {url: plain, wants: oauth(login), status: exitRefused, cause: "gave no token", hint: "check that token_url is the address of the endpoint"},
		"proxy away":              {url: "http://backend.example", wants: proxied(away), status: exitFailed, cause: "proxyconnect", hint: "check http_config.proxy_url"},
		"proxy wants a login":     {url: "http://backend.example", wants: proxied(serving(t, echoing(http.StatusProxyAuthRequired, ""))), status: exitRefused, cause: "(HTTP 407)", hint: "write user and password into the proxy's address"},
		"proxy wants one for TLS": {url: "https://backend.example", wants: proxied(serving(t, echoing(http.StatusProxyAuthRequired, ""))), status: exitRefused, cause: "the proxy on the way wants to know who asks", hint: "write user and password into the proxy's address"},
	}
}

// told is a text without the line breaks that fit it to a screen.
func told(text string) string { return strings.Join(strings.Fields(text), " ") }

// Whatever is wrong, each command in each form says who was asked, where, what went wrong and
// what to do, ends with the status for it, and tells no secret.
func TestEveryMistakeIsToldWell(t *testing.T) {
	a := newConfigured(t)
	mistakes := everyMistake(t, a.dir)
	for name, m := range mistakes {
		t.Run(name, func(t *testing.T) {
			a := &configured{t: t, dir: a.dir, env: a.env, now: func() time.Time { return noon }}
			m.toldWell(t, a, plantedSecrets())
		})
	}
}

// forms are the commands, each with the backend that it cannot do without.
var forms = []struct {
	backend string
	args    []string
}{
	{"prometheus", []string{"triage", "-o", "text"}},
	{"loki", []string{"triage", "-o", "json"}},
	{"jaeger", []string{"trace", "4bf92f3577b34da6a3ce929d0e0e4736", "-o", "json"}},
	{"loki", []string{"trace", "req-81f2c6", "-o", "text"}},
	{"loki", []string{"logs", "--service", "checkout", "-o", "text"}},
	{"loki", []string{"logs", `{a="b"}`, "-o", "json"}},
	{"prometheus", []string{"services", "-o", "json"}},
	{"prometheus", []string{"alerts"}},
	{"jaeger", []string{"doctor"}},
}

func (m *mistake) toldWell(t *testing.T, a *configured, planted secrets) {
	t.Helper()
	var lines []string
	for _, b := range []string{"prometheus", "loki", "jaeger"} {
		lines = append(lines, fmt.Sprintf("%s: {url: '%s', %s}", b, m.url, m.wants))
	}
	a.profile(lines...)
	shown := m.url
	if before, after, found := strings.Cut(m.url, "@"); found {
		scheme, _, _ := strings.Cut(before, "://")
		shown = scheme + "://" + after
	}
	for i, form := range forms {
		if m.slow && i > 1 {
			break // each takes all of its time
		}
		args := form.args
		if i%2 == 0 {
			args = append(slices.Clone(args), "-v")
		}
		if m.slow {
			args = append(slices.Clone(args), "--timeout", "300ms")
		}
		saved := ""
		if args[0] == "triage" || args[0] == "trace" {
			saved = filepath.Join(t.TempDir(), "case.json")
			args = append(slices.Clone(args), "--save", saved)
		}
		e := a.obs(args...)
		all := told(e.stdout + " " + e.stderr)
		kept, _ := os.ReadFile(saved) // where there is one
		planted.told(t, strings.Join(args, " "), e.stdout+e.stderr+string(kept))
		if e.status != m.status {
			t.Errorf("%s: status %d, want %d: %s", args, e.status, m.status, all)
		}
		if slices.Contains(args, "json") && e.stdout != "" {
			// As it is in the text, without what JSON escapes.
			var c correlate.Case
			if err := json.Unmarshal([]byte(e.stdout), &c); err != nil {
				t.Fatalf("%s: %v in %s", args, err, e.stdout)
			}
			all = ""
			for _, missing := range c.Missing {
				all += missing.Reason + " " + missing.Hint + "\n"
			}
		}
		// The first that fails is named where all do alike.
		named := func(text string) bool {
			return slices.ContainsFunc([]string{form.backend, "prometheus", "loki", "jaeger"}, func(b string) bool { return strings.Contains(all, strings.ReplaceAll(text, "BACKEND", b)) })
		}
		for _, want := range []string{"BACKEND at " + shown, m.cause, m.hint} {
			if !named(told(want)) {
				t.Errorf("%s does not say %q:\n%s", args, want, all)
			}
		}
	}
	planted.told(t, "config view", a.obs("config", "view").stdout)
}

// A token that is wrong in one place leaves what the others know: status 4.
func TestOneMistakeIsPartial(t *testing.T) {
	a := newConfigured(t)
	a.now = func() time.Time { return noon }
	a.file("token", plantedToken)
	others := answering(t, nothing)
	a.profile("prometheus: {url: '"+others+"'}", "jaeger: {url: '"+others+"'}", "loki: {url: '"+serving(t, echoing(http.StatusUnauthorized, ""))+"', token_file: token}")
	for _, args := range [][]string{{"triage"}, {"triage", "-o", "json"}, {"trace", "abc", "-v"}, {"trace", "abc", "-o", "json"}} {
		e := a.obs(args...)
		if e.status != exitPartial || !strings.Contains(told(e.stdout+e.stderr), "the token was not accepted: check loki in profile here") {
			t.Errorf("%s: status %d: %s", args, e.status, e.stdout+e.stderr)
		}
		plantedSecrets().told(t, strings.Join(args, " "), e.stdout+e.stderr)
	}
}

// A Grafana without data sources has nothing to find out from: status 1.
func TestGrafanaWithoutDataSources(t *testing.T) {
	empty := serving(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { sayJSON(w, http.StatusOK, "[]") }))
	for _, args := range [][]string{{"triage"}, {"services", "-o", "json", "-v"}, {"config", "import", "grafana", empty}} {
		a := newConfigured(t)
		a.env["GRAFANA_URL"], a.env["GRAFANA_TOKEN"] = empty, plantedToken
		e := a.obs(args...)
		if e.status != exitFailed || !strings.Contains(e.stderr, "grafana at "+empty+" not found (HTTP 200): it has no data source of Prometheus") || !strings.Contains(e.stderr, "role Viewer") {
			t.Errorf("%s: status %d: %s", args, e.status, e.stderr)
		}
		plantedSecrets().told(t, strings.Join(args, " "), e.stdout+e.stderr)
	}
}

// A command that fails is run once, and not for each of triage's questions.
func TestFailingCommandIsRunOnce(t *testing.T) {
	a := newConfigured(t)
	runs := a.file("runs", "")
	a.profile("loki: {url: '" + refusing(t) + "', username: obs, password_command: 'echo run >> " + runs + "; exit 1'}")
	if e := a.obs("triage"); e.status != exitRefused {
		t.Errorf("status %d: %s", e.status, e.stderr)
	}
	counted, err := os.ReadFile(runs)
	if err != nil || strings.Count(string(counted), "run") != 1 {
		t.Errorf("it was run %d times, %v", strings.Count(string(counted), "run"), err)
	}
}
