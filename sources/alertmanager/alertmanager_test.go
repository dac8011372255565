package alertmanager_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"obs/sources"
	"obs/sources/alertmanager"
	"obs/sources/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newClient asks a server that answers with handler. Nothing waits between attempts.
func newClient(t *testing.T, handler http.HandlerFunc) (*alertmanager.Client, *sources.Ledger, string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	ledger := &sources.Ledger{}
	return clientOf(t, server.URL, ledger), ledger, server.URL
}

func clientOf(t *testing.T, address string, ledger *sources.Ledger) *alertmanager.Client {
	t.Helper()
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	client, err := transport.New(transport.Options{
		Backend: sources.Alertmanager, URL: address, Origin: "ALERTMANAGER_URL", Base: base, Explain: alertmanager.Explain,
		Sleep: func(context.Context, time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return alertmanager.New(client, ledger)
}

// recorded answers as Alertmanager 0.34.2 did.
func recorded(t *testing.T) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		name, status := filepath.Base(r.URL.Path)+".json", http.StatusOK
		body, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil || !strings.HasPrefix(r.URL.Path, "/api/v2/") {
			if body, err = os.ReadFile("testdata/error_no_such_path.json"); err != nil {
				t.Error(err)
			}
			status = http.StatusNotFound
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(body) // a client that hung up shows on its own side
	}
}

func said(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func byName(all []sources.Notification) map[string]sources.Notification {
	named := map[string]sources.Notification{}
	for _, n := range all {
		named[n.Name] = n
	}
	return named
}

func TestNotifications(t *testing.T) {
	c, ledger, _ := newClient(t, recorded(t))
	all, err := c.Notifications(t.Context())
	if err != nil || len(all) != 4 {
		t.Fatalf("%d, %v", len(all), err)
	}
	found := byName(all)
	down, slow, cart := found["ClusterDown"], found["SlowCheckout"], found["SlowCart"]
	if down.State != "firing" || !math.IsNaN(down.Value) || down.Labels["cluster"] != "eu" || down.Annotations["summary"] != "The cluster is down" ||
		!down.ActiveAt.Equal(time.Date(2026, 11, 21, 19, 11, 11, 987_000_000, time.UTC)) || down.ActiveAt.Location() != time.UTC ||
		down.Generator != "http://prometheus.example/graph?g0.expr=up+%3D%3D+0&g0.tab=1" {
		t.Errorf("the active one: %+v", down)
	}
	if len(down.Silences)+len(down.Inhibitors)+len(down.Muted) != 0 || !slices.Equal(down.Receivers, []string{"nobody"}) {
		t.Errorf("who is told of the active one: %+v", down)
	}
	if !slices.Equal(slow.Inhibitors, []string{"ClusterDown"}) || len(slow.Silences) != 0 {
		t.Errorf("the inhibited one: %+v", slow)
	}
	want := sources.Silence{ID: "120e7fe7-018b-4811-a209-3896d98019f8", By: "on-call", Comment: "known: a deploy is under way", Until: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	if !slices.Equal(cart.Silences, []sources.Silence{want}) || len(cart.Inhibitors) != 0 || cart.Generator != "" {
		t.Errorf("the silenced one: %+v", cart)
	}
	if receivers := found["NightJob"].Receivers; !slices.Equal(receivers, []string{"pager"}) {
		t.Errorf("receivers %q", receivers)
	}
	asked := ledger.Queries()
	if len(asked) != 2 || asked[0].Text != "GET /api/v2/alerts" || asked[0].Records != 4 || asked[1].Text != "GET /api/v2/silences" || asked[1].Status != sources.QueryOK {
		t.Errorf("the ledger says %+v", asked)
	}
}

// Silences are asked for only where an alert is silenced, and their loss costs no alert.
func TestSilences(t *testing.T) {
	const alert = `[{"labels":{"alertname":"A"},"annotations":{},"startsAt":"2026-11-21T19:11:11Z","fingerprint":"f","receivers":[],"status":{"state":"active","silencedBy":[IDS],"inhibitedBy":["gone"],"mutedBy":["nights"]}}]`
	for ids, questions := range map[string]int{"": 1, `"one"`: 2} {
		c, ledger, _ := newClient(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/silences") {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			said(http.StatusOK, "application/json", strings.Replace(alert, "IDS", ids, 1))(w, r)
		})
		all, err := c.Notifications(t.Context())
		if err != nil || len(all) != 1 || len(ledger.Queries()) != questions {
			t.Fatalf("%+v, %v after %d questions", all, err, len(ledger.Queries()))
		}
		if got := all[0]; len(got.Silences) != questions-1 || !slices.Equal(got.Inhibitors, []string{"gone"}) || !slices.Equal(got.Muted, []string{"nights"}) {
			t.Errorf("%+v", got)
		}
		if questions == 2 && (all[0].Silences[0] != sources.Silence{ID: "one"} || ledger.Queries()[1].Status != sources.QueryFailed) {
			t.Errorf("%+v", all[0].Silences)
		}
	}
}

func TestNoAlert(t *testing.T) {
	c, ledger, _ := newClient(t, said(http.StatusOK, "application/json", "[]\n"))
	if all, err := c.Notifications(t.Context()); err != nil || len(all) != 0 || ledger.Queries()[0].Status != sources.QueryEmpty {
		t.Errorf("%+v, %v, %+v", all, err, ledger.Queries())
	}
}

func TestErrors(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		kind    error
		detail  string
	}{
		"another path": {said(404, "application/json", `{"code":404,"message":"path /api/v2/alerts was not found"}`), sources.ErrNotThisAPI, "it has no /api/v2/alerts"},
		"bad request":  {said(400, "application/json", `"unexpected open or close brace: {x"`), sources.ErrBadQuery, "unexpected open or close brace: {x"},
		"refused":      {said(401, "text/plain", "no org id"), sources.ErrRefused, "no org id"},
		"failed":       {said(500, "application/json", `"disk full"`), sources.ErrServer, "disk full"},
		"page":         {said(200, "text/html", "<html>"), sources.ErrNotThisAPI, "a web page"},
		"null":         {said(200, "application/json", "null"), sources.ErrNotThisAPI, "something else"},
		"object":       {said(200, "application/json", `{"status":"success","data":{"alerts":[]}}`), sources.ErrNotThisAPI, "cannot unmarshal"},
		"other list":   {said(200, "application/json", `[{"id":"x"}]`), sources.ErrNotThisAPI, "something else"},
		"cut short":    {said(200, "application/json", `[{"labels":{`), sources.ErrNotThisAPI, "unexpected end"},
	} {
		t.Run(name, func(t *testing.T) {
			c, ledger, address := newClient(t, test.handler)
			_, err := c.Notifications(t.Context())
			failure := (*sources.Error)(nil)
			if !errors.As(err, &failure) || !errors.Is(err, test.kind) || !strings.Contains(failure.Detail, test.detail) {
				t.Fatalf("%v, want %v: %s", err, test.kind, test.detail)
			}
			if failure.Backend != sources.Alertmanager || failure.URL != address || failure.Asked != "GET /api/v2/alerts" {
				t.Errorf("incomplete: %+v", failure)
			}
			if q := ledger.Queries(); len(q) != 1 || q[0].Status != sources.QueryFailed {
				t.Errorf("the ledger says %+v", q)
			}
		})
	}
}

// Addresses come from whoever sends alerts.
func TestGenerator(t *testing.T) {
	for given, want := range map[string]string{
		"https://prometheus.example/graph?g0.expr=up": "https://prometheus.example/graph?g0.expr=up",
		"http://ops:hunter2@prometheus.example/":      "http://prometheus.example/",
		"javascript:alert(1)":                         "",
		"file:///etc/passwd":                          "",
		"/graph":                                      "",
		"http://":                                     "",
		"http://a b/":                                 "",
	} {
		c, _, _ := newClient(t, said(http.StatusOK, "application/json", `[{"labels":{"alertname":"A"},"generatorURL":"`+given+`","status":{"state":"active"}}]`))
		all, err := c.Notifications(t.Context())
		if err != nil || len(all) != 1 || all[0].Generator != want {
			t.Errorf("%s: %+v, %v", given, all, err)
		}
		if rule := all[0].Rule; (rule == "up") != strings.Contains(given, "expr=up") {
			t.Errorf("%s: the rule is %q", given, rule)
		}
	}
}

func TestDescribe(t *testing.T) {
	c, ledger, _ := newClient(t, recorded(t))
	got, err := c.Describe(t.Context())
	if err != nil || got.Product != "alertmanager" || got.Version != "0.34.2" || got.API != "v2" || got.Clock.IsZero() || got.Answered.Before(got.Asked) {
		t.Errorf("%+v, %v", got, err)
	}
	if q := ledger.Queries(); len(q) != 1 || q[0].Text != "GET /api/v2/status" || q[0].Status != sources.QueryOK {
		t.Errorf("the ledger says %+v", q)
	}
	other, _, _ := newClient(t, said(http.StatusOK, "application/json", "{}"))
	if _, err := other.Describe(t.Context()); !errors.Is(err, sources.ErrNotThisAPI) {
		t.Errorf("of another server: %v", err)
	}
}

func TestLink(t *testing.T) {
	want := `/am/#/alerts?active=true&filter=%7Balertname%3D%22a%20%2B%20b%22%2C%20service%3D%22x%22%7D&inhibited=true&muted=true&silenced=true`
	for _, prefix := range []string{"/am", "/am/"} {
		got := clientOf(t, "http://ops:hunter2@alertmanager.example"+prefix, nil).Link(sources.Labels{"service": "x", "alertname": "a + b"})
		if got != "http://alertmanager.example"+want {
			t.Errorf("%s", got)
		}
	}
}
