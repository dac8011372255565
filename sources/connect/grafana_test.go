package connect

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"obs/sources"
	"obs/sources/connect/profile"
)

// stored is a list of data sources as Grafana's API documentation shows it:
// https://grafana.com/docs/grafana/latest/developers/http_api/data_source/
const stored = `[
  {"id": 1, "orgId": 1, "uid": "prom-b", "name": "Prometheus B", "type": "prometheus", "typeLogoUrl": "public/app/plugins/datasource/prometheus/img/prometheus_logo.svg",
   "access": "proxy", "url": "http://prometheus-b:9090", "user": "", "database": "", "basicAuth": false, "isDefault": false, "jsonData": {"httpMethod": "POST"}, "readOnly": false},
  {"id": 2, "orgId": 1, "uid": "prom-a", "name": "Prometheus A", "type": "prometheus", "access": "proxy", "url": "http://prometheus-a:9090", "isDefault": true,
   "jsonData": {"exemplarTraceIdDestinations": [{"name": "traceRef", "datasourceUid": "tempo-1"}, {"name": "out", "url": "https://elsewhere/${__value.raw}"}]}, "readOnly": true},
  {"id": 3, "uid": "loki-a", "name": "Loki A", "type": "loki", "url": "http://loki-a:3100", "jsonData": null},
  {"id": 4, "uid": "loki-b", "name": "Loki B", "type": "loki", "url": "http://loki-b:3100",
   "jsonData": {"derivedFields": [{"name": "TraceID", "matcherRegex": "\"tid\":\"(\\w+)\"", "datasourceUid": "tempo-1", "url": "$${__value.raw}"},
     {"name": "Ticket", "matcherRegex": "ticket=(\\w+)", "url": "https://tickets/${__value.raw}"},
     {"name": "TraceID", "matcherType": "label", "matcherRegex": "trace", "datasourceUid": "tempo-1"}]}},
  {"id": 5, "uid": "tempo-1", "name": "Tempo", "type": "tempo", "url": "http://tempo:3200", "jsonData": {"tracesToLogsV2": {"datasourceUid": "loki-b"}}},
  {"id": 6, "uid": "jaeger-1", "name": "Jaeger", "type": "jaeger", "url": "http://jaeger:16686", "jsonData": {}},
  {"id": 7, "uid": "P1809F7CD0C75ACF3", "name": "datasource_elastic", "type": "elasticsearch", "url": "http://mydatasource.com", "jsonData": {"esVersion": 5, "timeField": "@timestamp", "derivedFields": "none"}},
  {"id": 8, "uid": "../../../admin", "name": "Odd", "type": "loki", "url": "http://x", "jsonData": {}}
]`

func storedSources(t *testing.T) []DataSource {
	t.Helper()
	var all []DataSource
	if err := json.Unmarshal([]byte(stored), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// uidsOf tells which are chosen, by UID.
func uidsOf(chosen map[sources.Backend]DataSource) map[sources.Backend]string {
	uids := map[sources.Backend]string{}
	for b, d := range chosen {
		uids[b] = d.UID
	}
	return uids
}

func without(all []DataSource, uids ...string) []DataSource {
	return slices.DeleteFunc(slices.Clone(all), func(d DataSource) bool { return slices.Contains(uids, d.UID) })
}

// What is named wins, then what another leads to, then Grafana's default, then the first;
// and that the first is a guess is said.
func TestChoose(t *testing.T) {
	all := storedSources(t)
	type uids = map[sources.Backend]string
	for name, test := range map[string]struct {
		all     []DataSource
		by      profile.Sources
		want    uids
		guessed string
		error   string
	}{
		"linked":           {all: all, want: uids{"prometheus": "prom-a", "loki": "loki-b", "tempo": "tempo-1"}},
		"named by UID":     {all: all, by: profile.Sources{Prometheus: "prom-b", Loki: "loki-a", Jaeger: "jaeger-1"}, want: uids{"prometheus": "prom-b", "loki": "loki-a", "jaeger": "jaeger-1"}},
		"named by name":    {all: all, by: profile.Sources{Prometheus: "Prometheus B", Tempo: "Tempo"}, want: uids{"prometheus": "prom-b", "loki": "loki-b", "tempo": "tempo-1"}},
		"nothing linked":   {all: without(all, "prom-a", "tempo-1"), want: uids{"prometheus": "prom-b", "loki": "loki-a", "jaeger": "jaeger-1"}, guessed: `of Grafana's data sources of loki, "Loki A", "Loki B", "Odd", the first is used`},
		"no such":          {all: all, by: profile.Sources{Loki: "nowhere"}, error: `called "nowhere": it has "Loki A", "Loki B", "Odd"`},
		"none of the kind": {all: without(all, "jaeger-1"), by: profile.Sources{Jaeger: "x"}, error: "it has none"},
	} {
		t.Run(name, func(t *testing.T) {
			chosen, guessed, err := choose(test.all, test.by)
			if test.error != "" {
				if err == nil || !strings.Contains(err.Error(), test.error) {
					t.Errorf("got %v, want %s", err, test.error)
				}
				return
			}
			if got := uidsOf(chosen); err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("chosen %v, %v; want %v", got, err, test.want)
			}
			if said := strings.Join(guessed, "\n"); !strings.Contains(said, test.guessed) || (said == "") != (test.guessed == "") {
				t.Errorf("it says %q, want %q", said, test.guessed)
			}
		})
	}
}

// Whatever there is, at most one data source is chosen of each kind, of the right type, and
// one of the two that hold traces.
func TestChooseIsSane(t *testing.T) {
	types := []string{"prometheus", "loki", "jaeger", "tempo", "alertmanager"}
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) DataSource {
			d := DataSource{
				UID: rapid.StringMatching(`[a-e]`).Draw(t, "uid"), Name: rapid.StringMatching(`[A-E]`).Draw(t, "name"),
				Type: rapid.SampledFrom(types).Draw(t, "type"), IsDefault: rapid.Bool().Draw(t, "default"),
			}
			d.JSONData.TracesToLogs.UID = rapid.StringMatching(`[a-e]?`).Draw(t, "logs")
			return d
		}), 0, 8).Draw(t, "all")
		chosen, _, err := choose(all, profile.Sources{})
		if err != nil {
			t.Fatal(err)
		}
		have := map[sources.Backend]bool{}
		for _, d := range all {
			have[dataSourceTypes[d.Type]] = true
		}
		for b, d := range chosen {
			if dataSourceTypes[d.Type] != b {
				t.Errorf("%s is asked of a %s", b, d.Type)
			}
		}
		_, j := chosen[sources.Jaeger]
		_, tempo := chosen[sources.Tempo]
		if (j && tempo) || (j || tempo) != (have[sources.Jaeger] || have[sources.Tempo]) {
			t.Errorf("chosen %v of %v", uidsOf(chosen), all)
		}
		for _, b := range []sources.Backend{sources.Prometheus, sources.Loki, sources.Alertmanager} {
			if _, ok := chosen[b]; ok != have[b] {
				t.Errorf("%s: chosen %t, there %t", b, ok, have[b])
			}
		}
	})
}

func TestTraceIDFields(t *testing.T) {
	for _, d := range storedSources(t) {
		want := map[string][]string{"prom-a": {"traceRef", "out"}, "loki-b": {"tid", "trace"}}[d.UID]
		if got := d.JSONData.traceIDFields(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", d.UID, got, want)
		}
	}
	for expression, want := range map[string]string{
		`"tid":"(\w+)"`: "tid", `traceID=(\w+)`: "traceID", `(?:trace_id|tid)=(\w+)`: "tid", `"trace_id":\s*"([0-9a-f]+)"`: "trace_id",
		`\[(\w{32})\]`: "", `(\w+)`: "", ``: "", `tid=\w+`: "", `dd.trace_id=(\d+)`: "dd.trace_id", `(?i)trace[-_]id["=: ]+(\w+)`: "",
	} {
		if got := fieldIn(expression); got != want {
			t.Errorf("%s: %q, want %q", expression, got, want)
		}
	}
}

// asGrafana answers as Grafana's documentation has it: the list for who may read it, a 403
// and the browser's settings for who may not, a 401 for another token.
func asGrafana(t *testing.T, list string, viewer bool) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		say := func(status int, body string) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
		switch {
		case r.Header.Get("Authorization") != "Bearer planted-token":
			say(http.StatusUnauthorized, `{"message":"Invalid API key","messageId":"api-key.invalid","statusCode":401,"traceID":""}`)
		case r.URL.Path == "/below/api/datasources" && viewer:
			say(http.StatusForbidden, `{"accessErrorId":"ACE0123456789","message":"You'll need additional permissions to perform this action. Permissions needed: datasources:read","title":"Access denied"}`)
		case r.URL.Path == "/below/api/datasources":
			say(http.StatusOK, list)
		case r.URL.Path == "/below/api/frontend/settings":
			var all []map[string]any
			byName := map[string]any{"-- Grafana --": map[string]any{"id": -1, "uid": "grafana", "name": "-- Grafana --", "type": "datasource", "meta": map[string]any{}}}
			if err := json.Unmarshal([]byte(list), &all); err != nil {
				t.Error(err)
			}
			for _, d := range all {
				byName[d["name"].(string)] = d
			}
			body, err := json.Marshal(map[string]any{"datasources": byName, "defaultDatasource": "Prometheus A", "buildInfo": map[string]any{"version": "11.4.0"}})
			if err != nil {
				t.Error(err)
			}
			say(http.StatusOK, string(body))
		default:
			say(http.StatusNotFound, `{"message":"Not found"}`)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// With an address and a token in the environment and nothing else, the backends are asked
// through Grafana; a viewer's token does, too.
func TestGrafanaOfTheEnvironment(t *testing.T) {
	for name, viewer := range map[string]bool{"admin": false, "viewer": true} {
		server := asGrafana(t, stored, viewer)
		env := map[string]string{"GRAFANA_URL": server.URL + "/below/", "GRAFANA_TOKEN": "planted-token"}
		s, err := Load(Options{Getenv: func(name string) string { return env[name] }})
		if err != nil {
			t.Fatal(err)
		}
		set, err := s.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		set.Close()
		got := map[sources.Backend]string{}
		for b, target := range s.Targets {
			got[b] = strings.TrimPrefix(target.URL, server.URL+"/below/api/datasources/proxy/uid/")
		}
		delete(got, sources.Alertmanager)
		want := map[sources.Backend]string{sources.Prometheus: "prom-a", sources.Loki: "loki-b", sources.Tempo: "tempo-1"}
		if !reflect.DeepEqual(got, want) || set.Metrics == nil || set.Logs == nil || set.Traces == nil {
			t.Errorf("%s: targets %v, want %v", name, got, want)
		}
		fields := slices.Clone(s.Names.TraceIDFields)
		slices.Sort(fields)
		if !slices.Equal(fields, []string{"out", "tid", "trace", "traceRef"}) {
			t.Errorf("%s: trace IDs stand in %q", name, fields)
		}
		// Who has an address of a backend has not asked for Grafana.
		env["LOKI_URL"] = "http://127.0.0.1:1"
		if s, err := Load(Options{Getenv: func(name string) string { return env[name] }}); err != nil || s.Grafana != nil {
			t.Errorf("%s: Grafana is asked beside LOKI_URL: %v", name, err)
		}
	}
}

func TestGrafanaThatIsOfNoUse(t *testing.T) {
	for name, test := range map[string]struct {
		list, token  string
		kind         error
		detail, hint string
	}{
		"another token":  {stored, "planted-other", sources.ErrRefused, "Invalid API key", "the token was not accepted: check GRAFANA_SERVICE_ACCOUNT_TOKEN"},
		"no token":       {stored, "", sources.ErrRefused, "Invalid API key", "set GRAFANA_TOKEN"},
		"empty":          {"[]", "planted-token", sources.ErrNotFound, "it has no data source of", "Viewer"},
		"nothing for us": {`[{"uid":"x","name":"x","type":"mysql"}]`, "planted-token", sources.ErrNotFound, "it has no data source of", "Viewer"},
		"no list":        {`{"x":1}`, "planted-token", sources.ErrNotThisAPI, "cannot unmarshal", "check that GRAFANA_URL is the address of grafana"},
	} {
		t.Run(name, func(t *testing.T) {
			server := asGrafana(t, test.list, false)
			_, err := Open(t.Context(), Options{Getenv: func(name string) string {
				return map[string]string{"GRAFANA_URL": server.URL + "/below", "GRAFANA_SERVICE_ACCOUNT_TOKEN": test.token}[name]
			}})
			var failure *sources.Error
			if !errors.As(err, &failure) || !errors.Is(failure.Kind, test.kind) || !strings.Contains(failure.Detail, test.detail) || !strings.Contains(failure.Hint, test.hint) || failure.Status == 0 {
				t.Fatalf("got %v, %+v", err, failure)
			}
			if said := err.Error() + failure.Hint; strings.Contains(said, "planted") {
				t.Errorf("a token stands in %q", said)
			}
		})
	}
}

// provisioning is a file as Grafana's documentation of provisioning has it.
const provisioning = `apiVersion: 1
deleteDatasources: [{name: Graphite, orgId: 1}]
datasources:
  - name: Prometheus
    type: prometheus
    access: proxy
    url: http://prometheus:9090
    isDefault: true
    basicAuth: true
    basicAuthUser: obs
    jsonData: {httpHeaderName1: X-Scope-OrgID, exemplarTraceIdDestinations: [{name: traceRef, datasourceUid: tempo-1}]}
    secureJsonData: {basicAuthPassword: $PROM_PASSWORD, httpHeaderValue1: team-a}
  - name: Loki
    type: loki
    uid: loki-1
    url: http://loki:3100
    jsonData: {httpHeaderName1: Authorization, httpHeaderName2: X-Other, tlsAuthWithCACert: true}
    secureJsonData: {httpHeaderValue1: 'Bearer ${LOKI_TOKEN}', httpHeaderValue2: planted, tlsCACert: planted}
  - name: Tempo
    uid: tempo-1
    type: tempo
    url: http://tempo:3200
    basicAuth: true
    basicAuthUser: obs
    secureJsonData: {basicAuthPassword: planted}
  - {name: MySQL, type: mysql, url: localhost}
`

func TestImportProvisioning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "datasources.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(provisioning)
	i, err := ImportProvisioning(path)
	if err != nil {
		t.Fatal(err)
	}
	want := profile.Profile{
		Prometheus: &profile.Connection{URL: "http://prometheus:9090", Username: "obs", PasswordEnv: "PROM_PASSWORD", Tenant: "team-a"},
		Loki:       &profile.Connection{URL: "http://loki:3100", TokenEnv: "LOKI_TOKEN"},
		Tempo:      &profile.Connection{URL: "http://tempo:3200", Username: "obs"},
		Names:      profile.Names{TraceIDFields: []string{"traceRef"}},
	}
	if !reflect.DeepEqual(i.Profile, want) {
		t.Errorf("got %+v", i.Profile)
	}
	remarks := strings.Join(i.Remarks, "\n")
	for _, said := range []string{`"Tempo": its password is not taken over`, `"Loki": the value of its header X-Other is not taken over`, `"Loki": its tlsCACert is not taken over`} {
		if !strings.Contains(remarks, said) {
			t.Errorf("it does not say %q:\n%s", said, remarks)
		}
	}
	if strings.Contains(remarks, "planted") {
		t.Errorf("a secret stands in %s", remarks)
	}
	for text, want := range map[string]string{
		"datasources: [{name: x, type: mysql, url: y}]": "names no data source",
		"":                       "is no file of Grafana's data sources",
		"datasources: planted":   "is no file of Grafana's data sources",
		"datasources: [planted]": "is no file of Grafana's data sources",
		"a: [":                   "is no file of Grafana's data sources",
		"datasources: [{name: x, type: loki, url: y, jsonData: planted}]": "is no file of Grafana's data sources",
	} {
		write(text)
		if _, err := ImportProvisioning(path); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestVariablesInProvisioning(t *testing.T) {
	for text, want := range map[string]string{
		"$A_b1": "A_b1", "${A}": "A", "$__env{A}": "A", " $A ": "A", "$1": "", "x$A": "", "$A$B": "", "${A": "", "$__file{/x}": "", "": "", "planted": "", "$$A": "",
	} {
		if got := variableIn(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
