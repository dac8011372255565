package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources"
)

// grafanaToken opens the Grafana of the tests.
const grafanaToken = "glsa_planted-token_0a1b2c3d"

// grafana answers as Grafana's documentation of its HTTP API has it, which is where the
// shapes come from and not a server:
// https://grafana.com/docs/grafana/latest/developers/http_api/data_source/
type grafana struct {
	*httptest.Server
	viewer bool // who may query data sources and not list them

	mu      sync.Mutex
	proxied map[string]int // how often each UID was asked
}

// newGrafana starts one whose data sources are these servers, by type. Beside them stand a
// second Loki that nothing leads to, and what obs cannot read.
func newGrafana(t *testing.T, backends map[sources.Backend]string) *grafana {
	t.Helper()
	g := &grafana{proxied: map[string]int{}}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+grafanaToken {
			sayJSON(w, http.StatusUnauthorized, `{"message":"Invalid API key","messageId":"api-key.invalid","statusCode":401,"traceID":""}`)
			return
		}
		uid, below, proxied := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/datasources/proxy/uid/"), "/")
		switch {
		case r.URL.Path == "/api/datasources" && g.viewer:
			sayJSON(w, http.StatusForbidden, `{"accessErrorId":"ACE0685489547","message":"You'll need additional permissions to perform this action. Permissions needed: datasources:read","title":"Access denied"}`)
		case r.URL.Path == "/api/datasources":
			sayJSON(w, http.StatusOK, encoded(t, storedSources(backends)))
		case r.URL.Path == "/api/frontend/settings":
			byName := map[string]any{"-- Grafana --": map[string]any{"id": -1, "uid": "grafana", "name": "-- Grafana --", "type": "datasource"}}
			for _, d := range storedSources(backends) {
				byName[d["name"].(string)] = d
			}
			sayJSON(w, http.StatusOK, encoded(t, map[string]any{"datasources": byName, "defaultDatasource": "Prometheus"}))
		case proxied && r.URL.Path != uid:
			g.mu.Lock()
			g.proxied[uid]++
			g.mu.Unlock()
			r.Header.Del("Authorization") // Grafana has its own way to its data sources
			passOn(t, backends[sources.Backend(strings.TrimSuffix(uid, "-1"))]+"/"+below, w, r)
		default:
			sayJSON(w, http.StatusNotFound, `{"message":"Not found"}`)
		}
	}))
	t.Cleanup(g.Close)
	return g
}

func sayJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func encoded(t *testing.T, what any) string {
	t.Helper()
	text, err := json.Marshal(what)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// storedSources are data sources with links between them, as a team sets them up.
func storedSources(backends map[sources.Backend]string) []map[string]any {
	traces := "jaeger-1"
	all := []map[string]any{
		{"id": 1, "orgId": 1, "uid": "mysql-1", "name": "Billing", "type": "mysql", "access": "proxy", "url": "billing:3306", "isDefault": false, "jsonData": map[string]any{"derivedFields": 1}},
		{"id": 2, "orgId": 1, "uid": "loki-0", "name": "Another Loki", "type": "loki", "access": "proxy", "url": "http://192.0.2.1:3100", "isDefault": false, "jsonData": map[string]any{}},
		{
			"id": 3, "orgId": 1, "uid": "prometheus-1", "name": "Prometheus", "type": "prometheus", "access": "proxy", "url": backends[sources.Prometheus], "isDefault": true,
			"jsonData": map[string]any{"httpMethod": "POST", "exemplarTraceIdDestinations": []any{map[string]any{"name": "trace_ref", "datasourceUid": traces}}},
		},
		{
			"id": 4, "orgId": 1, "uid": "loki-1", "name": "Loki", "type": "loki", "access": "proxy", "url": backends[sources.Loki], "isDefault": false,
			"jsonData": map[string]any{"derivedFields": []any{map[string]any{"name": "TraceID", "matcherRegex": `"tid":"(\w+)"`, "datasourceUid": traces, "url": "$${__value.raw}"}}},
		},
		{
			"id": 5, "orgId": 1, "uid": traces, "name": "Jaeger", "type": "jaeger", "access": "proxy", "url": backends[sources.Jaeger], "isDefault": false,
			"jsonData": map[string]any{"tracesToLogsV2": map[string]any{"datasourceUid": "loki-1", "filterByTraceID": true}},
		},
	}
	return all
}

// passOn asks another address the same, and hands its answer on.
func passOn(t *testing.T, address string, w http.ResponseWriter, r *http.Request) {
	t.Helper()
	on, err := http.NewRequestWithContext(r.Context(), r.Method, address+"?"+r.URL.RawQuery, r.Body)
	if err != nil {
		t.Error(err)
		return
	}
	on.Header = r.Header.Clone()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	got, err := client.Do(on)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer func() { _ = got.Body.Close() }()
	for _, name := range []string{"Content-Type", "Content-Encoding"} {
		w.Header().Set(name, got.Header.Get(name))
	}
	w.WriteHeader(got.StatusCode)
	_, _ = io.Copy(w, got.Body)
}

// through asks with nothing but Grafana's two variables.
func (g *grafana) through(t *testing.T, now time.Time) *configured {
	t.Helper()
	a := newConfigured(t)
	a.env["GRAFANA_URL"], a.env["GRAFANA_TOKEN"] = g.URL, grafanaToken
	a.now = func() time.Time { return now }
	return a
}

// asked tells how often each data source was asked since it was last told.
func (g *grafana) asked() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	proxied := g.proxied
	g.proxied = map[string]int{}
	return proxied
}

// With Grafana's address and token in the environment, and no file, one command asks all
// three backends; who may not list data sources comes to the same.
func TestGrafanaInOneCommand(t *testing.T) {
	s := shopWithTempo(t, "errors")
	g := newGrafana(t, map[sources.Backend]string{sources.Prometheus: s.PrometheusURL, sources.Loki: s.LokiURL, sources.Jaeger: s.JaegerURL})
	planted := secrets{grafanaToken}
	at := func(w time.Time) string { return w.UTC().Format(time.RFC3339) }
	for name, viewer := range map[string]bool{"editor": false, "viewer": true} {
		t.Run(name, func(t *testing.T) {
			g.viewer = viewer
			a := g.through(t, theNoon)
			saved := filepath.Join(a.dir, "case.json")
			e := a.obs("triage", "--from", at(s.window.From), "--to", at(s.window.To), "-o", "json", "-v", "--save", saved)
			var found correlate.Case
			if err := json.Unmarshal([]byte(e.stdout), &found); err != nil || (e.status != exitOK && e.status != exitPartial) {
				t.Fatalf("status %d, %v: %s", e.status, err, e.stderr)
			}
			if len(found.Suspects) == 0 || found.Suspects[0].Service != s.truth.Culprit || found.Trace == nil || len(found.Records) == 0 {
				t.Errorf("suspects %+v, trace %t, %d records", found.Suspects, found.Trace != nil, len(found.Records))
			}
			asked := g.asked()
			for _, uid := range []string{"prometheus-1", "loki-1", "jaeger-1"} {
				if asked[uid] == 0 {
					t.Errorf("data source %s was not asked: %v", uid, asked)
				}
			}
			if len(asked) != 3 {
				t.Errorf("asked were %v", asked)
			}
			kept, err := os.ReadFile(saved)
			if err != nil {
				t.Fatal(err)
			}
			planted.told(t, "triage and its case", e.stdout+e.stderr+string(kept))
			trace := a.obs("trace", string(s.failed), "-o", "json")
			found = correlate.Case{}
			if err := json.Unmarshal([]byte(trace.stdout), &found); err != nil || trace.status != exitOK || found.Trace == nil || len(found.Records) == 0 {
				t.Errorf("trace: status %d, %v: %s", trace.status, err, trace.stderr)
			}
			logs := a.obs("logs", "--trace", string(s.failed), "-o", "jsonl")
			if logs.status != exitOK || strings.Count(logs.stdout, "\n") != len(found.Records) {
				t.Errorf("logs: status %d: %s", logs.status, logs.stderr)
			}
			planted.told(t, "trace and logs", trace.stdout+trace.stderr+logs.stdout+logs.stderr)
		})
	}
}

// obs config import grafana writes which data sources are asked and where the token is
// found, and never the token, into a file that nobody else can read.
func TestConfigImportGrafana(t *testing.T) {
	empty := answering(t, nothing)
	g := newGrafana(t, map[sources.Backend]string{sources.Prometheus: empty, sources.Loki: empty, sources.Jaeger: empty})
	planted := secrets{grafanaToken}
	a := g.through(t, noon)
	e := a.obs("config", "import", "grafana", g.URL)
	if e.status != exitOK {
		t.Fatalf("status %d: %s", e.status, e.stderr)
	}
	info, err := os.Stat(a.env["OBS_CONFIG"])
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	written, err := os.ReadFile(a.env["OBS_CONFIG"])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"token_env: GRAFANA_TOKEN", "prometheus: prometheus-1", "loki: loki-1", "jaeger: jaeger-1", "- trace_ref", "- tid", "current: grafana"} {
		if !strings.Contains(string(written), want) {
			t.Errorf("no %q in\n%s", want, written)
		}
	}
	view := a.obs("config", "view")
	planted.told(t, "the file and what was said", string(written)+e.stdout+e.stderr+view.stdout+view.stderr)
	if e := a.obs("config", "import", "grafana", g.URL); e.status != exitUsage || !strings.Contains(e.stderr, "--replace") {
		t.Errorf("again: status %d: %s", e.status, e.stderr)
	}
	// The profile alone leads there, given the token.
	delete(a.env, "GRAFANA_URL")
	g.asked()
	if e := a.obs("trace", "4bf92f3577b34da6a3ce929d0e0e4736"); e.status != exitNotFound || g.asked()["jaeger-1"] == 0 {
		t.Errorf("by the profile: status %d: %s", e.status, e.stderr)
	}
}

// What Grafana refuses is told once, in its words, with the status of a refusal.
func TestGrafanaRefuses(t *testing.T) {
	g := newGrafana(t, nil)
	for name, test := range map[string]struct {
		token  string
		status int
		says   []string
	}{
		"wrong token": {"glsa_planted-other", exitRefused, []string{"grafana at " + g.URL + " refused access (HTTP 401): Invalid API key", "check"}},
		"no token":    {"", exitRefused, []string{"grafana at " + g.URL + " refused access", "GRAFANA_TOKEN"}},
	} {
		t.Run(name, func(t *testing.T) {
			planted := secrets{"planted"}
			for _, args := range [][]string{{"triage"}, {"trace", "4bf92f3577b34da6a3ce929d0e0e4736", "-o", "json"}, {"logs", "--service", "x", "-v"}, {"services"}, {"doctor"}, {"config", "import", "grafana", g.URL}} {
				a := g.through(t, noon)
				a.env["GRAFANA_TOKEN"] = test.token
				e := a.obs(args...)
				if e.status != test.status || e.stdout != "" {
					t.Errorf("%s: status %d, %q", args, e.status, e.stdout)
				}
				for _, want := range test.says {
					if !strings.Contains(e.stderr, want) {
						t.Errorf("%s: no %q in %s", args, want, e.stderr)
					}
				}
				if strings.Contains(e.stderr, "{") {
					t.Errorf("%s: JSON is shown: %s", args, e.stderr)
				}
				planted.told(t, strings.Join(args, " "), e.stderr)
			}
		})
	}
}
