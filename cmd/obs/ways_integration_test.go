//go:build integration

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"obs/correlate"
)

// guarded reads a file of the guard's.
func guarded(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(address("GUARD_DIR"), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func guardFile(name string) string { return filepath.Join(address("GUARD_DIR"), name) }

// behind are the three backends behind a way in, each with what it wants to see.
func behind(base, wants string) []string {
	return []string{
		fmt.Sprintf("prometheus: {url: '%s/prometheus', %s}", base, wants),
		fmt.Sprintf("loki: {url: '%s/logs', %s}", base, wants),
		fmt.Sprintf("jaeger: {url: '%s/jaeger', %s}", base, wants),
	}
}

// tokens is an endpoint of OAuth 2 that hands out the guard's token.
func tokens(t *testing.T, id, secret string) string {
	t.Helper()
	token := guarded(t, "token")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if name, given, _ := r.BasicAuth(); name != id || given != secret || r.FormValue("grant_type") != "client_credentials" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"invalid_client"}`)
			return
		}
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, token)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/token"
}

// Every way in leads to all three backends: each of the commands asks a real question, and
// has the answer that it has without the guard.
func TestEveryWayIn(t *testing.T) {
	user, password, token := guarded(t, "user"), guarded(t, "password"), guarded(t, "token")
	authority := "http_config: {tls_config: {ca_file: '" + guardFile("ca.pem") + "'}}"
	basic, bearer := address("GUARD_BASIC_URL"), address("GUARD_BEARER_URL")
	for name, configure := range map[string]func(t *testing.T, a *configured) []string{
		"password_file": func(_ *testing.T, _ *configured) []string {
			return behind(basic, fmt.Sprintf("username: %s, password_file: '%s'", user, guardFile("password")))
		},
		"password_file beside the configuration": func(_ *testing.T, a *configured) []string {
			a.file("pw", password+"\n")
			return behind(basic, fmt.Sprintf("username: %s, password_file: pw", user))
		},
		"password_command": func(_ *testing.T, _ *configured) []string {
			return behind(basic, fmt.Sprintf("username: %s, password_command: [cat, '%s']", user, guardFile("password")))
		},
		"password_command for sh": func(_ *testing.T, _ *configured) []string {
			return behind(basic, fmt.Sprintf("username: %s, password_command: 'echo; cat %s'", user, guardFile("password")))
		},
		"password_env": func(_ *testing.T, a *configured) []string {
			a.env["GUARD_PASSWORD"] = password
			return behind(basic, fmt.Sprintf("username: %s, password_env: GUARD_PASSWORD", user))
		},
		"in the address": func(_ *testing.T, _ *configured) []string {
			return behind(strings.Replace(basic, "://", "://"+user+":"+password+"@", 1), "")
		},
		"basic_auth of http_config": func(_ *testing.T, _ *configured) []string {
			return behind(basic, fmt.Sprintf("http_config: {basic_auth: {username: %s, password_file: '%s'}}", user, guardFile("password")))
		},
		"http_config_file": func(_ *testing.T, a *configured) []string {
			a.file("http.yaml", fmt.Sprintf("basic_auth:\n  username: %s\n  password_file: %s\nfollow_redirects: true\n", user, guardFile("password")))
			return behind(basic, "http_config_file: http.yaml")
		},
		"token_file": func(_ *testing.T, _ *configured) []string {
			return behind(bearer, "token_file: '"+guardFile("token")+"'")
		},
		"token_env": func(_ *testing.T, a *configured) []string {
			a.env["GUARD_TOKEN"] = token
			return behind(bearer, "token_env: GUARD_TOKEN")
		},
		"token_command": func(_ *testing.T, _ *configured) []string {
			return behind(bearer, "token_command: [cat, '"+guardFile("token")+"']")
		},
		"authorization of http_config": func(_ *testing.T, _ *configured) []string {
			return behind(bearer, "http_config: {authorization: {credentials_file: '"+guardFile("token")+"'}}")
		},
		"oauth2": func(t *testing.T, a *configured) []string {
			a.file("client-secret", "planted secret/+")
			return behind(bearer, fmt.Sprintf("http_config: {oauth2: {client_id: obs, client_secret_file: client-secret, token_url: '%s'}}", tokens(t, "obs", "planted+secret%2F%2B")))
		},
		"http_headers": func(_ *testing.T, _ *configured) []string {
			return behind(address("GUARD_HEADER_URL"), "http_config: {http_headers: {X-Guard-Key: {files: ['"+guardFile("key")+"']}}}")
		},
		"path prefix": func(_ *testing.T, _ *configured) []string { return behind(address("GUARD_PREFIX_URL"), "") },
		"path prefix and a slash": func(_ *testing.T, _ *configured) []string {
			return behind(address("GUARD_PREFIX_URL")+"/", "")
		},
		"own authority": func(_ *testing.T, _ *configured) []string { return behind(address("GUARD_TLS_URL"), authority) },
		"client certificate": func(_ *testing.T, _ *configured) []string {
			return behind(address("GUARD_MTLS_URL"), fmt.Sprintf("http_config: {tls_config: {ca_file: '%s', cert_file: '%s', key_file: '%s'}}",
				guardFile("ca.pem"), guardFile("client.pem"), guardFile("client.key")))
		},
		"socket": func(_ *testing.T, _ *configured) []string {
			return []string{"prometheus: {url: 'unix://" + address("GUARD_SOCKET") + "'}", "loki: {url: '" + address("LOKI_URL") + "'}", "jaeger: {url: '" + address("JAEGER_URL") + "'}"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newConfigured(t)
			a.profile(configure(t, a)...)
			a.asksEverything(newMade(t))
		})
	}
}

// asksEverything asks with each command what only the real backends can answer, and sees
// that nothing of the guard's stands in what is said.
func (a *configured) asksEverything(m *made) {
	a.t.Helper()
	one := m.trace(m.digits(32))
	m.fill(one, func(string) shape { return shapes["JSON"] }, "")
	m.keep(one)
	m.push(one)
	planted := secrets{guarded(a.t, "token"), guarded(a.t, "key")}
	planted.basic(guarded(a.t, "user"), guarded(a.t, "password"))
	said := func(args ...string) ended {
		a.t.Helper()
		e := a.obs(append(args, "-v")...)
		planted.told(a.t, strings.Join(args, " "), e.stdout+e.stderr)
		// Other tests leave so many kinds of series behind that not all are asked for, which is said.
		leftOut := args[0] == "services" && e.status == exitPartial && strings.Contains(e.stderr, "to keep the number of queries down")
		if e.status != exitOK && !leftOut {
			a.t.Errorf("obs %s: status %d: %s", strings.Join(args, " "), e.status, e.stderr)
		}
		return e
	}
	if e := said("alerts", "-o", "json"); !strings.Contains(e.stdout, `"Watchdog"`) {
		a.t.Errorf("the alert that always fires is not among %s", e.stdout)
	}
	var table correlate.ServiceTable
	if e := said("services", "--by", "instances", "-o", "json"); json.Unmarshal([]byte(e.stdout), &table) != nil || len(table.Services) == 0 {
		a.t.Errorf("no services: %s", e.stdout)
	}
	saved := filepath.Join(a.dir, "case.json")
	var found correlate.Case
	if e := said("trace", one.id, "-o", "json", "--save", saved); json.Unmarshal([]byte(e.stdout), &found) != nil {
		a.t.Fatalf("no case: %s", e.stdout)
	}
	if err := m.differences(&found, []*madeTrace{one}); err != nil {
		a.t.Error(err)
	}
	kept, err := os.ReadFile(saved)
	if err != nil {
		a.t.Fatal(err)
	}
	planted.told(a.t, "the saved case", string(kept))
	if e := said("logs", "--trace", one.id, "-o", "jsonl"); strings.Count(e.stdout, "\n") != len(one.records) {
		a.t.Errorf("%d records, and there are %d", strings.Count(e.stdout, "\n"), len(one.records))
	}
	e := a.obs("triage", "--since", "10m", "--check", "-o", "json", "-v")
	planted.told(a.t, "triage", e.stdout+e.stderr)
	found = correlate.Case{}
	if err := json.Unmarshal([]byte(e.stdout), &found); err != nil || !slices.Contains([]int{exitOK, exitAnomalous, exitInconclusive, exitPartial}, e.status) {
		a.t.Fatalf("triage: status %d, %v: %s", e.status, err, e.stderr)
	}
	for _, missing := range found.Missing {
		if missing.Kind == correlate.MissingFailed || missing.Kind == correlate.MissingRefused {
			a.t.Errorf("triage: missing %+v", missing)
		}
	}
	e = a.obs("config", "view")
	planted.told(a.t, "config view", e.stdout+e.stderr)
}

// A token that is renewed on disk is the one that goes out, within one run: Loki's tail is
// what asks for that long.
func TestTokenIsRenewedDuringARun(t *testing.T) {
	a := newConfigured(t)
	file := a.file("token", "of-yesterday")
	a.profile("loki: {url: '" + address("GUARD_BEARER_URL") + "/logs', token_file: token}")
	set := a.open()
	defer set.Close()
	now := time.Now()
	window := windowUpTo(now)
	if _, err := set.Logs.Labels(t.Context(), window); err == nil {
		t.Fatal("the guard takes any token")
	}
	if err := os.WriteFile(file, []byte(guarded(t, "token")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := set.Logs.Labels(t.Context(), window); err != nil {
		t.Errorf("after the token was renewed: %v", err)
	}
}

// The variables of logcli lead through the guard with no file at all.
func TestVariablesOfLogcliLeadIn(t *testing.T) {
	user, password, token := guarded(t, "user"), guarded(t, "password"), guarded(t, "token")
	m := newMade(t)
	one := m.trace(m.digits(32))
	m.fill(one, func(string) shape { return shapes["JSON"] }, "")
	m.keep(one)
	m.push(one)
	// A gateway that wants its token in a header of its own, before the guard.
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the token stands in Authorization as well")
		}
		r.Header.Set("Authorization", r.Header.Get("X-Gateway-Auth"))
		passOn(t, bearerURL()+"/logs"+r.URL.EscapedPath(), w, r)
	}))
	t.Cleanup(gateway.Close)
	for name, env := range map[string]map[string]string{
		"user and password":  {"LOKI_ADDR": address("GUARD_BASIC_URL") + "/logs", "LOKI_USERNAME": user, "LOKI_PASSWORD": password},
		"password file":      {"LOKI_ADDR": address("GUARD_BASIC_URL") + "/logs", "LOKI_USERNAME": user, "LOKI_PASSWORD_FILE": guardFile("password")},
		"token":              {"LOKI_ADDR": bearerURL() + "/logs", "LOKI_BEARER_TOKEN": token},
		"token file":         {"LOKI_ADDR": bearerURL() + "/logs", "LOKI_BEARER_TOKEN_FILE": guardFile("token")},
		"header of its own":  {"LOKI_ADDR": gateway.URL, "LOKI_BEARER_TOKEN": token, "LOKI_AUTH_HEADER": "X-Gateway-Auth"},
		"authority":          {"LOKI_ADDR": address("GUARD_TLS_URL") + "/logs", "LOKI_CA_CERT_PATH": guardFile("ca.pem")},
		"any authority":      {"LOKI_ADDR": address("GUARD_EXPIRED_URL") + "/logs", "LOKI_TLS_SKIP_VERIFY": "true"},
		"client certificate": {"LOKI_ADDR": address("GUARD_MTLS_URL") + "/logs", "LOKI_CA_CERT_PATH": guardFile("ca.pem"), "LOKI_CLIENT_CERT_PATH": guardFile("client.pem"), "LOKI_CLIENT_KEY_PATH": guardFile("client.key")},
	} {
		t.Run(name, func(t *testing.T) {
			a := newConfigured(t)
			a.env = env
			e := a.obs("logs", "--trace", one.id, "--since", "30m", "-o", "jsonl", "-v")
			if e.status != exitOK || strings.Count(e.stdout, "\n") != len(one.records) {
				t.Errorf("status %d, %d records, and there are %d: %s", e.status, strings.Count(e.stdout, "\n"), len(one.records), e.stderr)
			}
			planted := secrets{token}
			planted.basic(user, password)
			planted.told(t, "what it says", e.stdout+e.stderr)
		})
	}
}

func bearerURL() string { return address("GUARD_BEARER_URL") }

// arrived is a writer that tells when a text has been written.
type arrived struct {
	mu   sync.Mutex
	text bytes.Buffer
	want string
	done func()
}

func (a *arrived) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, err := a.text.Write(p)
	if strings.Contains(a.text.String(), a.want) {
		a.done()
	}
	return n, err
}

// Loki's tail goes through the guard as any other request, with user and password and
// encrypted.
func TestTailThroughTheGuard(t *testing.T) {
	for name, loki := range map[string]string{
		"basic": fmt.Sprintf("{url: '%s/logs', username: %s, password_file: '%s'}", address("GUARD_BASIC_URL"), guarded(t, "user"), guardFile("password")),
		"TLS":   fmt.Sprintf("{url: '%s/logs', http_config: {tls_config: {ca_file: '%s'}}}", address("GUARD_TLS_URL"), guardFile("ca.pem")),
		"mTLS": fmt.Sprintf("{url: '%s/logs', http_config: {tls_config: {ca_file: '%s', cert_file: '%s', key_file: '%s'}}}",
			address("GUARD_MTLS_URL"), guardFile("ca.pem"), guardFile("client.pem"), guardFile("client.key")),
	} {
		t.Run(name, func(t *testing.T) {
			m := newMade(t)
			a := newConfigured(t)
			a.profile("loki: " + loki)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			out := &arrived{want: "line of " + m.run, done: cancel}
			var stderr bytes.Buffer
			ended := make(chan int, 1)
			go func() {
				ended <- runContext(ctx, []string{"logs", `{run="` + m.run + `"}`, "--since", "5m", "--follow", "-o", "raw"}, world{
					out: out, err: &stderr, now: time.Now, getenv: func(name string) string { return a.env[name] },
				})
			}()
			// Pushed while it follows or before: --since shows it either way.
			m.pushRecords([]madeRecord{{at: time.Now(), service: "made-web", line: "line of " + m.run}})
			status := <-ended
			out.mu.Lock()
			defer out.mu.Unlock()
			if !strings.Contains(out.text.String(), out.want) {
				t.Errorf("status %d, and the line does not come: %s%s", status, out.text.String(), stderr.String())
			}
		})
	}
}

// Tenants are kept apart, and read together where both are named.
func TestTenants(t *testing.T) {
	loki, cortex := address("LOKI_TENANTS_URL"), address("CORTEX_URL")
	m := newMade(t)
	m.env["LOKI_URL"] = loki
	one, two := "made-"+m.digits(8), "made-"+m.digits(8)
	for _, tenant := range []string{one, two} {
		m.tenant = tenant
		m.pushRecords([]madeRecord{{at: m.begin, service: "made-web", line: "line of " + tenant}})
		writeUp(t, cortex+"/api/v1/push", tenant, "made-"+tenant)
	}
	for name, test := range map[string]struct {
		tenant string
		lines  []string // and series
	}{
		"one":  {one, []string{one}},
		"two":  {two, []string{two}},
		"both": {one + "|" + two, []string{one, two}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newConfigured(t)
			a.profile("loki: {url: '"+loki+"', tenant: '"+test.tenant+"'}", "prometheus: {url: '"+cortex+"/prometheus', tenant: '"+test.tenant+"'}")
			e := a.obs("logs", `{run="`+m.run+`"}`, "-o", "raw")
			lines := strings.Fields(strings.ReplaceAll(e.stdout, "line of ", ""))
			slices.Sort(lines)
			slices.Sort(test.lines)
			if e.status != exitOK || !slices.Equal(lines, test.lines) {
				t.Errorf("status %d, lines of %q, want %q: %s", e.status, lines, test.lines, e.stderr)
			}
			set := a.open()
			defer set.Close()
			jobs, err := set.Metrics.LabelValues(t.Context(), "job", nil, windowUpTo(time.Now().Add(time.Minute)))
			for i := range jobs {
				jobs[i] = strings.TrimPrefix(jobs[i], "made-")
			}
			slices.Sort(jobs)
			if err != nil || !slices.Equal(jobs, test.lines) {
				t.Errorf("Cortex has jobs %q, %v", jobs, err)
			}
			if e := a.obs("services", "-o", "json"); e.status == exitRefused || e.status == exitFailed {
				t.Errorf("services: status %d: %s", e.status, e.stderr)
			}
		})
	}
}

// writeUp sends a tenant's series by remote write.
func writeUp(t *testing.T, address, tenant, job string) {
	t.Helper()
	series := prompb.TimeSeries{
		Labels:  []prompb.Label{{Name: "__name__", Value: "up"}, {Name: "job", Value: job}},
		Samples: []prompb.Sample{{Timestamp: time.Now().UnixMilli(), Value: 1}},
	}
	raw, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{series}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewReader(snappy.Encode(nil, raw)))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0", "X-Scope-OrgID": tenant,
	} {
		request.Header.Set(name, value)
	}
	response, err := plain.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if said, _ := io.ReadAll(response.Body); response.StatusCode/100 != 2 {
		t.Fatalf("remote write: %s: %s", response.Status, said)
	}
}
