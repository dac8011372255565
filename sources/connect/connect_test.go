package connect_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"obs/sources"
	"obs/sources/connect"
	"obs/sources/connect/profile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// environment is one with these variables and no other.
func environment(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

// server answers everything with an empty list of names, keeps what it was sent, and
// refuses where it is told to.
type server struct {
	*httptest.Server
	refuse   bool
	requests []*http.Request
}

func serve(t *testing.T) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests = append(s.requests, r)
		if s.refuse {
			// As proxies do, it repeats what it does not like.
			http.Error(w, "no: "+r.Header.Get("Authorization")+" for "+r.Header.Get("X-Scope-OrgID"), http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if _, err := w.Write([]byte(`{"status":"success","data":[],"services":[],"tagValues":[]}`)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// asked reports whether a server was asked since it was last.
func (s *server) asked() bool {
	defer func() { s.requests = nil }()
	return len(s.requests) > 0
}

var window = sources.Window{From: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), To: time.Date(2026, 11, 21, 12, 30, 0, 0, time.UTC)}

// ask sends a question to each backend that is open.
func ask(t *testing.T, set sources.Set) {
	t.Helper()
	ctx := t.Context()
	if set.Metrics != nil {
		if _, err := set.Metrics.LabelValues(ctx, "job", nil, window); err != nil {
			t.Error(err)
		}
	}
	if set.Logs != nil {
		if _, err := set.Logs.Labels(ctx, window); err != nil {
			t.Error(err)
		}
	}
	if set.Traces != nil {
		if _, err := set.Traces.Services(ctx); err != nil {
			t.Error(err)
		}
	}
}

func TestFlagsWinOverTheEnvironment(t *testing.T) {
	flag, variable, second := serve(t), serve(t), serve(t)
	tests := []struct {
		name    string
		options connect.Options
		env     map[string]string
		asked   *server
	}{
		{"prometheus flag", connect.Options{PrometheusURL: flag.URL}, map[string]string{"PROMETHEUS_URL": variable.URL}, flag},
		{"prometheus variable", connect.Options{}, map[string]string{"PROMETHEUS_URL": variable.URL}, variable},
		{"jaeger flag", connect.Options{JaegerURL: flag.URL}, map[string]string{"JAEGER_URL": variable.URL}, flag},
		{"jaeger variable", connect.Options{}, map[string]string{"JAEGER_URL": variable.URL}, variable},
		{"tempo flag", connect.Options{TempoURL: flag.URL}, map[string]string{"TEMPO_URL": variable.URL, "JAEGER_URL": second.URL}, flag},
		{"tempo variable", connect.Options{}, map[string]string{"TEMPO_URL": variable.URL}, variable},
		{"jaeger flag before Tempo's variable", connect.Options{JaegerURL: flag.URL}, map[string]string{"TEMPO_URL": variable.URL}, flag},
		{"jaeger variable before Tempo's", connect.Options{}, map[string]string{"JAEGER_URL": variable.URL, "TEMPO_URL": second.URL}, variable},
		{"loki flag", connect.Options{LokiURL: flag.URL}, map[string]string{"LOKI_URL": variable.URL, "LOKI_ADDR": second.URL}, flag},
		{"loki variable", connect.Options{}, map[string]string{"LOKI_URL": variable.URL, "LOKI_ADDR": second.URL}, variable},
		{"loki variable of logcli", connect.Options{}, map[string]string{"LOKI_ADDR": second.URL}, second},
		{"a trailing slash and space", connect.Options{LokiURL: " " + flag.URL + "/ "}, nil, flag},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.options.Getenv = environment(test.env)
			set, err := connect.Open(t.Context(), test.options)
			if err != nil {
				t.Fatal(err)
			}
			backend, _, _ := strings.Cut(test.name, " ")
			traces := backend == "jaeger" || backend == "tempo"
			if (set.Metrics != nil) != (backend == "prometheus") || (set.Traces != nil) != traces || (set.Logs != nil) == (backend == "prometheus" || traces) {
				t.Errorf("open are %+v", set)
			}
			if traces && set.Traces.Backend() != sources.Backend(backend) {
				t.Errorf("traces are read from %s", set.Traces.Backend())
			}
			ask(t, set)
			for name, s := range map[string]*server{"flag's": flag, "variable's": variable, "second variable's": second} {
				if asked := s.asked(); asked != (s == test.asked) {
					t.Errorf("the %s server was asked: %t", name, asked)
				}
			}
		})
	}
}

// Two flags cannot both be meant, and a tenant goes with what is asked.
func TestTempo(t *testing.T) {
	s := serve(t)
	if _, err := connect.Open(t.Context(), connect.Options{JaegerURL: s.URL, TempoURL: s.URL, Getenv: environment(nil)}); !errors.Is(err, connect.ErrTwoTraceBackends) {
		t.Errorf("both flags: %v", err)
	}
	for _, tenant := range []string{"", "team-a"} {
		s.requests = nil
		set, err := connect.Open(t.Context(), connect.Options{TempoURL: s.URL, Getenv: environment(map[string]string{"TEMPO_ORG_ID": tenant})})
		if err != nil {
			t.Fatal(err)
		}
		ask(t, set)
		if got := s.requests[0].Header.Get("X-Scope-OrgID"); got != tenant {
			t.Errorf("tenant %q is asked for as %q", tenant, got)
		}
		set.Close()
	}
}

func TestAllThree(t *testing.T) {
	s := serve(t)
	ledger := &sources.Ledger{}
	set, err := connect.Open(t.Context(), connect.Options{
		PrometheusURL: s.URL + "/metrics", LokiURL: s.URL + "/logs", JaegerURL: s.URL + "/traces",
		Getenv: environment(nil), Ledger: ledger,
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.requests) != 0 {
		t.Error("opening sent something")
	}
	ask(t, set)
	prefixes := map[string]bool{}
	for _, r := range s.requests {
		prefixes[strings.SplitN(r.URL.Path, "/", 3)[1]] = true
	}
	if len(prefixes) != 3 || !prefixes["metrics"] || !prefixes["logs"] || !prefixes["traces"] {
		t.Errorf("asked below %v", prefixes)
	}
	if set.Ledger != ledger {
		t.Error("the ledger is another one")
	}
	backends := map[sources.Backend]int{}
	for _, q := range ledger.Queries() {
		backends[q.Backend]++
	}
	if len(backends) != 3 {
		t.Errorf("the ledger has %v", backends)
	}
}

// Without the functions that a test brings, the process's own environment and files are
// read, and a ledger is there all the same.
func TestDefaults(t *testing.T) {
	s := serve(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("t0k3n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"PROMETHEUS_URL", "JAEGER_URL", "LOKI_URL", "LOKI_ADDR", "LOKI_USERNAME", "LOKI_PASSWORD", "LOKI_ORG_ID", "LOKI_BEARER_TOKEN"} {
		t.Setenv(name, "")
	}
	t.Setenv("LOKI_ADDR", s.URL)
	t.Setenv("LOKI_BEARER_TOKEN_FILE", token)
	set, err := connect.Open(t.Context(), connect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ask(t, set)
	if len(s.requests) != 1 || s.requests[0].Header.Get("Authorization") != "Bearer t0k3n" {
		t.Errorf("sent %v", s.requests)
	}
	if len(set.Ledger.Queries()) != 1 {
		t.Errorf("the ledger has %v", set.Ledger.Queries())
	}
}

func TestNothingConfigured(t *testing.T) {
	set, err := connect.Open(t.Context(), connect.Options{Getenv: environment(map[string]string{"LOKI_USERNAME": "ops"})})
	var nothing connect.NotConfiguredError
	if !errors.As(err, &nothing) {
		t.Fatalf("got %v, want a NotConfiguredError", err)
	}
	if set.Metrics != nil || set.Logs != nil || set.Traces != nil {
		t.Errorf("open are %+v", set)
	}
	if err.Error() == "" {
		t.Error("it says nothing")
	}
	for _, name := range []string{"PROMETHEUS_URL", "LOKI_URL", "LOKI_ADDR", "JAEGER_URL", "--prometheus-url", "--loki-url", "--jaeger-url"} {
		if !strings.Contains(nothing.Hint(), name) {
			t.Errorf("the hint does not name %s: %s", name, nothing.Hint())
		}
	}
}

// Basic authentication, as in curl -u ops:hunter2!secret.
const basic = "Basic b3BzOmh1bnRlcjIhc2VjcmV0"

func TestLokiCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("t0k3n-of-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name          string
		env           map[string]string
		authorization string
		tenant        string
		secrets       []string
	}{
		{name: "none"},
		{
			name: "user and password", env: map[string]string{"LOKI_USERNAME": "ops", "LOKI_PASSWORD": "hunter2!secret"},
			authorization: basic, secrets: []string{"hunter2!secret", strings.TrimPrefix(basic, "Basic ")},
		},
		{
			name: "a bearer token", env: map[string]string{"LOKI_BEARER_TOKEN": "t0k3n-of-variable"},
			authorization: "Bearer t0k3n-of-variable", secrets: []string{"t0k3n-of-variable"},
		},
		{
			name: "a bearer token in a file", env: map[string]string{"LOKI_BEARER_TOKEN_FILE": file},
			authorization: "Bearer t0k3n-of-file", secrets: []string{"t0k3n-of-file"},
		},
		{
			name: "the variable before the file", env: map[string]string{"LOKI_BEARER_TOKEN": "t0k3n-of-variable", "LOKI_BEARER_TOKEN_FILE": "/run/gone"},
			authorization: "Bearer t0k3n-of-variable", secrets: []string{"t0k3n-of-variable"},
		},
		{name: "a tenant", env: map[string]string{"LOKI_ORG_ID": "team-a"}, tenant: "team-a"},
		{
			name: "all of it", env: map[string]string{"LOKI_USERNAME": "ops", "LOKI_PASSWORD": "hunter2!secret", "LOKI_ORG_ID": "team-a"},
			authorization: basic, tenant: "team-a", secrets: []string{"hunter2!secret"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			loki, other := serve(t), serve(t)
			loki.refuse = true
			set, err := connect.Open(t.Context(), connect.Options{
				LokiURL: loki.URL, PrometheusURL: other.URL, JaegerURL: other.URL, Getenv: environment(test.env),
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = set.Logs.Labels(t.Context(), window)
			if !errors.Is(err, sources.ErrRefused) {
				t.Errorf("got %v, want %v", err, sources.ErrRefused)
			}
			if len(loki.requests) != 1 {
				t.Fatalf("%d requests", len(loki.requests))
			}
			header := loki.requests[0].Header
			if got := header.Get("Authorization"); got != test.authorization {
				t.Errorf("Authorization is %q, want %q", got, test.authorization)
			}
			if got := header.Get("X-Scope-OrgID"); got != test.tenant {
				t.Errorf("X-Scope-OrgID is %q, want %q", got, test.tenant)
			}
			var failure *sources.Error
			if !errors.As(err, &failure) {
				t.Fatalf("%T", err)
			}
			said := err.Error() + failure.Hint + set.Ledger.Queries()[0].Error
			for _, secret := range test.secrets {
				if strings.Contains(said, secret) {
					t.Errorf("%q stands in %q", secret, said)
				}
			}
			// They are Loki's, and nobody else's.
			set.Logs = nil
			ask(t, set)
			for _, r := range other.requests {
				if r.Header.Get("Authorization") != "" || r.Header.Get("X-Scope-OrgID") != "" {
					t.Errorf("another backend was sent %v", r.Header)
				}
			}
		})
	}
}

// A file that cannot be read costs what it is for and nothing else.
func TestTokenFiles(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{filepath.Join(dir, "gone"): fs.ErrNotExist, empty: profile.ErrEmpty} {
		s := serve(t)
		env := environment(map[string]string{"LOKI_BEARER_TOKEN_FILE": name})
		set, err := connect.Open(t.Context(), connect.Options{LokiURL: s.URL, PrometheusURL: s.URL, Getenv: env})
		if err != nil {
			t.Fatal(err)
		}
		_, err = set.Logs.Labels(t.Context(), window)
		if !errors.Is(err, want) || !errors.Is(err, sources.ErrRefused) || s.asked() {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
		var failure *sources.Error
		if !errors.As(err, &failure) || !strings.Contains(failure.Hint, "LOKI_BEARER_TOKEN_FILE") || !strings.Contains(err.Error(), name) {
			t.Errorf("it does not say which file: %v", err)
		}
		set.Logs = nil
		ask(t, set)
	}
}

func TestWrongAddresses(t *testing.T) {
	flags := map[string]func(*connect.Options, string){
		"--prometheus-url": func(o *connect.Options, u string) { o.PrometheusURL = u },
		"--loki-url":       func(o *connect.Options, u string) { o.LokiURL = u },
		"--jaeger-url":     func(o *connect.Options, u string) { o.JaegerURL = u },
	}
	backends := map[string]sources.Backend{"--prometheus-url": sources.Prometheus, "--loki-url": sources.Loki, "--jaeger-url": sources.Jaeger}
	variables := map[string]string{"--prometheus-url": "PROMETHEUS_URL", "--loki-url": "LOKI_ADDR", "--jaeger-url": "JAEGER_URL"}
	for _, address := range []string{
		"localhost:3100", "127.0.0.1:3100", "loki", "//127.0.0.1", "ftp://127.0.0.1", "file:///etc/passwd", "http://", "http://:80", "http://127.0.0.1:port",
		"http://ops:hunter2@", "ops:hunter2@127.0.0.1:3100", "http://ops:hunter2@127.0.0.1:port", "http://127.0.0.1\x1b[2J/", "ftp://ops:hunter2@127.0.0.1/?token=hunter2",
	} {
		for flag, set := range flags {
			check := func(origin string, o connect.Options) {
				t.Helper()
				_, err := connect.Open(t.Context(), o)
				var failure *sources.Error
				if !errors.As(err, &failure) || !errors.Is(err, sources.ErrNotThisAPI) {
					t.Errorf("%s %q: got %v, want %v", origin, address, err, sources.ErrNotThisAPI)
					return
				}
				if failure.Backend != backends[flag] {
					t.Errorf("%s %q: %s is blamed", origin, address, failure.Backend)
				}
				if !strings.Contains(failure.Hint, origin) {
					t.Errorf("%q: the hint does not name %s: %s", address, origin, failure.Hint)
				}
				if said := err.Error() + failure.Hint; strings.Contains(said, "hunter2") || strings.Contains(said, "\x1b") {
					t.Errorf("%s %q: it says %q", origin, address, said)
				}
			}
			given := connect.Options{Getenv: environment(nil)}
			set(&given, address)
			check(flag, given)
			check(variables[flag], connect.Options{Getenv: environment(map[string]string{variables[flag]: address})})
		}
	}
}

// A password in the address is sent, and stands in no text.
func TestPasswordInTheAddress(t *testing.T) {
	s := serve(t)
	s.refuse = true
	address := strings.Replace(s.URL, "http://", "http://ops:hunter2!secret@", 1)
	set, err := connect.Open(t.Context(), connect.Options{LokiURL: address, PrometheusURL: address, JaegerURL: address, Getenv: environment(nil)})
	if err != nil {
		t.Fatal(err)
	}
	for name, ask := range map[string]func(context.Context) error{
		"prometheus": func(ctx context.Context) error {
			_, err := set.Metrics.LabelValues(ctx, "job", nil, window)
			return err
		},
		"loki":   func(ctx context.Context) error { _, err := set.Logs.Labels(ctx, window); return err },
		"jaeger": func(ctx context.Context) error { _, err := set.Traces.Services(ctx); return err },
	} {
		s.requests = nil
		err := ask(t.Context())
		if !errors.Is(err, sources.ErrRefused) {
			t.Fatalf("%s: got %v, want %v", name, err, sources.ErrRefused)
		}
		if got := s.requests[0].Header.Get("Authorization"); got != basic {
			t.Errorf("%s: Authorization is %q, want %q", name, got, basic)
		}
		if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), strings.TrimPrefix(basic, "Basic ")) {
			t.Errorf("%s: the password stands in %q", name, err)
		}
	}
	for name, link := range map[string]string{
		"prometheus": set.Metrics.Link("up", window), "loki": set.Logs.Link(`{a="b"}`, window), "jaeger": set.Traces.Link("a", ""),
	} {
		if strings.Contains(link, "hunter2") || !strings.HasPrefix(link, s.URL) {
			t.Errorf("%s: the link is %q", name, link)
		}
	}
}

// The time for one attempt is handed on.
func TestTimeout(t *testing.T) {
	hold := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(hold) })
	set, err := connect.Open(t.Context(), connect.Options{LokiURL: slow.URL, Getenv: environment(nil), Timeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Logs.Labels(t.Context(), window); !errors.Is(err, sources.ErrTimeout) {
		t.Errorf("got %v, want %v", err, sources.ErrTimeout)
	}
}
