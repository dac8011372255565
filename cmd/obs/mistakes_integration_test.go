//go:build integration

package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources"
)

// The same mistakes before the real guard, whose answers are nginx's own and those of the
// servers behind it.
func TestMistakesBeforeTheGuard(t *testing.T) {
	const basic = "username: obs, password_file: password"
	const set = "obs config set --profile here BACKEND."
	ca := func(more string) string {
		return "http_config: {tls_config: {ca_file: '" + guardFile("ca.pem") + "'" + more + "}}"
	}
	for name, m := range map[string]mistake{
		"wrong password":        {url: address("GUARD_BASIC_URL"), wants: basic, status: exitRefused, cause: "(HTTP 401)", hint: `user "obs" and the password were not accepted: check BACKEND in profile here`},
		"no credentials":        {url: address("GUARD_BASIC_URL"), status: exitRefused, cause: "(HTTP 401)", hint: "no credentials were sent: " + set + "token_file FILE"},
		"wrong token":           {url: bearerURL(), wants: "token_file: token", status: exitRefused, cause: "(HTTP 401)", hint: "the token was not accepted"},
		"wrong key":             {url: address("GUARD_HEADER_URL"), wants: "http_config: {http_headers: {X-Guard-Key: {secrets: [" + plantedKey + "]}}}", status: exitRefused, cause: "(HTTP 403)", hint: "the headers of http_headers"},
		"expired certificate":   {url: address("GUARD_EXPIRED_URL"), wants: ca(""), status: exitFailed, cause: "its certificate is valid from 2020-01-01 00:00:00 to 2021-01-01 00:00:00", hint: "has to be renewed"},
		"unknown authority":     {url: address("GUARD_TLS_URL"), status: exitFailed, cause: "certificate signed by unknown authority", hint: set + "http_config.tls_config.ca_file FILE"},
		"another name":          {url: address("GUARD_TLS_URL"), wants: ca(", server_name: other.invalid"), status: exitFailed, cause: "not other.invalid", hint: "the certificate was made for another name"},
		"no client certificate": {url: address("GUARD_MTLS_URL"), wants: ca(""), status: exitRefused, cause: "it wants a certificate of the client, and none was sent", hint: set + "http_config.tls_config.cert_file FILE, and key_file"},
		"no prefix":             {url: strings.TrimSuffix(address("GUARD_PREFIX_URL"), "/observed"), status: exitFailed, cause: "(HTTP 404): it answered with a web page", hint: "a missing path prefix"},
		"http for https":        {url: strings.Replace(address("GUARD_TLS_URL"), "https", "http", 1), wants: basic, status: exitFailed, cause: "it was asked in plain HTTP on a port for HTTPS", hint: "write https:// in BACKEND.url in profile here"},
		"https for http":        {url: strings.Replace(address("GUARD_BASIC_URL"), "http", "https", 1), wants: basic, status: exitFailed, cause: "server gave HTTP response to HTTPS client", hint: "write http:// in"},
		"login page":            {url: address("GUARD_LOGIN_URL"), wants: basic, status: exitFailed, cause: "it answered with a web page", hint: "where a login stands before it"},
		"redirect to a login":   {url: address("GUARD_REDIRECT_URL"), wants: basic, status: exitFailed, cause: "after a redirect to " + strings.TrimPrefix(address("GUARD_LOGIN_URL"), "http://"), hint: "where a login stands before it"},
		"no such name":          {url: "http://x.invalid:9090", wants: basic, status: exitFailed, cause: "lookup x.invalid", hint: "check BACKEND.url in profile here"},
		"no tenant":             {url: address("LOKI_TENANTS_URL"), status: exitRefused, cause: "no org id", hint: "it keeps tenants apart, and none was named: " + set + "tenant NAME"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newConfigured(t)
			a.now = func() time.Time { return noon }
			a.file("password", plantedPassword)
			a.file("token", plantedToken)
			var lines []string
			for backend, path := range map[string]string{"prometheus": "/prometheus", "loki": "/logs", "jaeger": "/jaeger"} {
				if name == "no tenant" && backend != "loki" {
					continue
				}
				lines = append(lines, backend+": {url: '"+m.url+strings.Replace(path, "/logs", map[bool]string{true: "", false: "/logs"}[name == "no tenant"], 1)+"', "+m.wants+"}")
			}
			slices.Sort(lines)
			a.profile(lines...)
			for _, args := range [][]string{
				{"logs", "--service", "frontend"}, {"logs", `{a="b"}`, "-o", "json", "-v"}, {"triage"},
				{"triage", "-o", "json", "-v", "--save", filepath.Join(a.dir, "case.json")}, {"trace", "abc"},
			} {
				e := a.obs(args...)
				plantedSecrets().told(t, strings.Join(args, " "), e.stdout+e.stderr)
				if e.status != m.status {
					t.Errorf("%s: status %d, want %d: %s", args, e.status, m.status, e.stderr)
				}
				all := told(e.stdout + " " + e.stderr)
				var c correlate.Case
				if json.Unmarshal([]byte(e.stdout), &c) == nil {
					all = ""
					for _, missing := range c.Missing {
						all += missing.Reason + " " + missing.Hint + "\n"
					}
				}
				for _, want := range []string{"BACKEND at " + m.url, m.cause, m.hint} {
					if !slices.ContainsFunc([]string{"prometheus", "loki", "jaeger"}, func(b string) bool { return strings.Contains(all, strings.ReplaceAll(want, "BACKEND", b)) }) {
						t.Errorf("%s does not say %q:\n%s", args, want, all)
					}
				}
			}
		})
	}
}

// A tenant that nobody writes to is no refusal: there is nothing.
func TestWrongTenant(t *testing.T) {
	a := newConfigured(t)
	a.profile("loki: {url: '" + address("LOKI_TENANTS_URL") + "', tenant: nobody}")
	if e := a.obs("logs", `{service_name=~".+"}`); e.status != exitNotFound {
		t.Errorf("status %d: %s", e.status, e.stderr)
	}
}

// Through a data-source proxy the real backends are asked with Grafana's address and token
// alone. The proxy is the test's, with the answers that Grafana's documentation has.
func TestGrafanaBeforeTheBackends(t *testing.T) {
	m := newMade(t)
	one := m.trace(m.digits(32))
	m.fill(one, func(string) shape { return shapes["JSON"] }, "")
	m.keep(one)
	m.push(one)
	g := newGrafana(t, map[sources.Backend]string{sources.Prometheus: address("PROMETHEUS_URL"), sources.Loki: address("LOKI_URL"), sources.Jaeger: address("JAEGER_URL")})
	for _, g.viewer = range []bool{false, true} {
		a := g.through(t, time.Now())
		var c correlate.Case
		e := a.obs("trace", one.id, "-o", "json", "-v")
		if err := json.Unmarshal([]byte(e.stdout), &c); err != nil || e.status != exitOK {
			t.Fatalf("status %d, %v: %s", e.status, err, e.stderr)
		}
		if err := m.differences(&c, []*madeTrace{one}); err != nil {
			t.Error(err)
		}
		secrets{grafanaToken}.told(t, "trace", e.stdout+e.stderr)
		if e := a.obs("logs", "--trace", one.id, "-o", "jsonl"); e.status != exitOK || strings.Count(e.stdout, "\n") != len(one.records) {
			t.Errorf("logs: status %d: %s", e.status, e.stderr)
		}
		if e := a.obs("alerts", "-o", "json"); e.status != exitOK || !strings.Contains(e.stdout, `"Watchdog"`) {
			t.Errorf("alerts: status %d: %s", e.status, e.stderr)
		}
		e = a.obs("triage", "--since", "10m", "--check", "-o", "json")
		c = correlate.Case{}
		if err := json.Unmarshal([]byte(e.stdout), &c); err != nil || !slices.Contains([]int{exitOK, exitAnomalous, exitInconclusive, exitPartial}, e.status) {
			t.Errorf("triage: status %d, %v: %s", e.status, err, e.stderr)
		}
		for _, missing := range c.Missing {
			if missing.Kind == correlate.MissingFailed || missing.Kind == correlate.MissingRefused {
				t.Errorf("triage: missing %+v", missing)
			}
		}
		if asked := g.asked(); asked["prometheus-1"] == 0 || asked["loki-1"] == 0 || asked["jaeger-1"] == 0 || len(asked) != 3 {
			t.Errorf("asked were %v", asked)
		}
	}
}
