package connect

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"obs/sources"
)

func TestForwardedIn(t *testing.T) {
	const processes = `ARGS
/sbin/init
kubectl port-forward svc/prometheus 9091:80
/usr/local/bin/kubectl --context prod -n monitoring port-forward deployment/loki 3101:3100 9999
oc port-forward pod/tempo-0 3201
kubectl -n a port-forward --address 127.0.0.1 svc/odd 70000:1 0:1 :8080 x:1
vi notes on kubectl port-forward.txt
grep port-forward 1234
kubectl get pods 8080:80
/opt/not-kubectl port-forward svc/x 5555:5
kubectl port-forward svc/` + "\x1b" + `[2J 7777:1
`
	want := map[int]string{
		9091: "kubectl port-forward svc/prometheus", 3101: "kubectl port-forward deployment/loki", 9999: "kubectl port-forward deployment/loki",
		3201: "kubectl port-forward pod/tempo-0", 7777: `kubectl port-forward svc/\x1b[2J`,
	}
	if got := forwardedIn(processes); !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

// Each kind of server is told from the others by what it alone answers, as their
// documentation has it.
func TestIdentify(t *testing.T) {
	kinds := map[string]struct {
		answers map[string]string
		want    Found
		ok      bool
	}{
		"prometheus":                        {map[string]string{"/api/v1/status/buildinfo": `{"status":"success","data":{"version":"3.1.0","revision":"x"}}`}, Found{Backend: sources.Prometheus, Version: "3.1.0"}, true},
		"loki":                              {map[string]string{"/loki/api/v1/status/buildinfo": `{"version":"3.7.8","revision":"x"}`}, Found{Backend: sources.Loki, Version: "3.7.8"}, true},
		"tempo":                             {map[string]string{"/api/status/buildinfo": `{"version":"2.7.1","revision":"x"}`}, Found{Backend: sources.Tempo, Version: "2.7.1"}, true},
		"alertmanager":                      {map[string]string{"/api/v2/status": `{"cluster":{"status":"ready"},"versionInfo":{"version":"0.34.2"},"config":{}}`}, Found{Backend: sources.Alertmanager, Version: "0.34.2"}, true},
		"grafana":                           {map[string]string{"/api/health": `{"commit":"x","database":"ok","version":"11.4.0"}`}, Found{Backend: grafanaBackend, Version: "11.4.0"}, true},
		"grafana that hides its version":    {map[string]string{"/api/health": `{"database":"ok"}`}, Found{Backend: grafanaBackend}, true},
		"jaeger v2":                         {map[string]string{"/api/v3/services": `{"services":["frontend"]}`, "/api/services": `{"data":["frontend"]}`}, Found{Backend: sources.Jaeger}, true},
		"jaeger v1 without services":        {map[string]string{"/api/services": `{"data":null,"total":0}`}, Found{Backend: sources.Jaeger}, true},
		"a version that acts on a terminal": {map[string]string{"/loki/api/v1/status/buildinfo": `{"version":"3\u001b[2J"}`}, Found{Backend: sources.Loki, Version: `3\x1b[2J`}, true},
		"another server":                    {answers: map[string]string{"/api/health": `{"status":"ok"}`, "/api/v1/status/buildinfo": `{"status":"success"}`}},
	}
	for name, test := range kinds {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "" {
					t.Error("credentials were sent")
				}
				body, found := test.answers[r.URL.Path]
				if !found {
					http.NotFound(w, r)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(body))
			}))
			t.Cleanup(server.Close)
			test.want.URL = server.URL
			if !test.ok {
				test.want = Found{}
			}
			if got, ok := identify(t.Context(), server.URL); got != test.want || ok != test.ok {
				t.Errorf("got %+v, %t; want %+v", got, ok, test.want)
			}
		})
	}
	t.Run("a page for everything", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
		t.Cleanup(server.Close)
		if got, ok := identify(t.Context(), server.URL); ok {
			t.Errorf("got %+v", got)
		}
	})
}

// What was found becomes a profile; a second one of a kind, and a Grafana, are said.
func TestLookAtAndImport(t *testing.T) {
	answer := func(path, body string) (address string, port int) {
		mux := http.NewServeMux()
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(body))
		})
		server := httptest.NewServer(mux)
		t.Cleanup(server.Close)
		_, after, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
		port, err := strconv.Atoi(after)
		if err != nil {
			t.Fatal(err)
		}
		return server.URL, port
	}
	loki, one := answer("/loki/api/v1/status/buildinfo", `{"version":"3.7.8"}`)
	_, two := answer("/loki/api/v1/status/buildinfo", `{"version":"3.7.9"}`)
	_, three := answer("/api/health", `{"database":"ok"}`)
	found := lookAt(t.Context(), map[int]string{one: "a", two: "b", three: "c"})
	i := ImportFound(found)
	remarks := strings.Join(i.Remarks, "\n")
	if len(found) != 3 || i.Profile.Loki == nil || i.Profile.Prometheus != nil || !strings.HasPrefix(i.Profile.Loki.URL, "http://127.0.0.1:") {
		t.Errorf("found %+v, profile %+v", found, i.Profile)
	}
	if !strings.Contains(remarks, "loki: another one is at") || !strings.Contains(remarks, "obs config import grafana") || !strings.Contains(remarks, loki) {
		t.Errorf("it says\n%s", remarks)
	}
	if i := ImportFound(nil); !i.Profile.Empty() {
		t.Errorf("of nothing: %+v", i.Profile)
	}
}
