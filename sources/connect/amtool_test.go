package connect_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"obs/sources"
	"obs/sources/connect"
)

func TestAmtoolPaths(t *testing.T) {
	if got := connect.AmtoolPaths(environment(map[string]string{"HOME": "/home/ops"})); !slices.Equal(got, []string{"/home/ops/.config/amtool/config.yml", "/etc/amtool/config.yml"}) {
		t.Errorf("%q", got)
	}
	if got := connect.AmtoolPaths(environment(nil)); got != nil {
		t.Errorf("without a home: %q", got)
	}
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// amtool's configuration is the last that is asked for an Alertmanager's address.
func TestAmtool(t *testing.T) {
	own := writeFile(t, "config.yml", "alertmanager.url: http://amtool.example\nauthor: ops\ncomment_required: true\n")
	other := writeFile(t, "config.yml", "alertmanager.url: http://other.example\n")
	gone := filepath.Join(t.TempDir(), "gone.yml")
	config := writeFile(t, "config.yaml", "profiles:\n  one:\n    alertmanager: {url: http://profile.example}\n  none:\n    prometheus: {url: http://prometheus.example}\n")
	env := map[string]string{"ALERTMANAGER_URL": "http://env.example"}
	for name, test := range map[string]struct {
		options connect.Options
		url     string
	}{
		"alone":             {connect.Options{Amtool: []string{gone, own, other}}, "http://amtool.example"},
		"none":              {connect.Options{Amtool: []string{gone}}, ""},
		"environment":       {connect.Options{Amtool: []string{own}, Getenv: environment(env)}, "http://env.example"},
		"flag":              {connect.Options{Amtool: []string{own}, AlertmanagerURL: "http://flag.example", Getenv: environment(env)}, "http://flag.example"},
		"profile":           {connect.Options{Amtool: []string{own}, Config: config, Profile: "one"}, "http://profile.example"},
		"profile without":   {connect.Options{Amtool: []string{own}, Config: config, Profile: "none"}, ""},
		"profile not used":  {connect.Options{Amtool: []string{own}, Config: config}, "http://amtool.example"},
		"Grafana instead":   {connect.Options{Amtool: []string{own}, Getenv: environment(map[string]string{"GRAFANA_URL": "http://grafana.example"})}, ""},
		"environment's own": {connect.Options{Getenv: environment(env)}, "http://env.example"},
	} {
		if test.options.Getenv == nil {
			test.options.Getenv = environment(nil)
		}
		s, err := connect.Load(test.options)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := s.Targets[sources.Alertmanager].URL; got != test.url || len(s.Warnings) != 0 {
			t.Errorf("%s: %q, want %q; %q", name, got, test.url, s.Warnings)
		}
	}
}

// An Alertmanager tells nothing of where signals are: Grafana is still asked for those.
func TestAlertmanagerBesideGrafana(t *testing.T) {
	s, err := connect.Load(connect.Options{Getenv: environment(map[string]string{"ALERTMANAGER_URL": "http://env.example", "GRAFANA_URL": "http://grafana.example"})})
	if err != nil || s.Grafana == nil {
		t.Errorf("%+v, %v", s, err)
	}
}

// The file of another program is no reason to fail, and what is wrong with it is said
// without what stands in it.
func TestAmtoolMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"alertmanager.url: [http://x:hunter2@y]\n": "alertmanager.url on line 1 is no text",
		"author: a\nalertmanager.url: 17\n":        "alertmanager.url on line 2 is no text",
		"alertmanager.url: x:hunter2@y:9093\n":     "must begin with http:// or https://",
		"- hunter2\n":                              "not YAML with keys and values",
		"\tx: hunter2\n":                           "not YAML with keys and values",
		"alertmanager.url: http://a.example\nhttp.config.file: {password: hunter2}\n": "http.config.file on line 2 is no text",
		"alertmanager.url: http://a.example\nhttp.config.file: /no/such/file\n":       "/no/such/file",
	} {
		s, err := connect.Load(connect.Options{Amtool: []string{writeFile(t, "config.yml", text)}, Getenv: environment(nil)})
		if err != nil {
			t.Fatal(err)
		}
		if _, found := s.Targets[sources.Alertmanager]; found || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], want) || strings.Contains(s.Warnings[0], "hunter2") {
			t.Errorf("%q: %q, want %q", text, s.Warnings, want)
		}
	}
	for _, text := range []string{"", "author: ops\n"} {
		s, err := connect.Load(connect.Options{Amtool: []string{writeFile(t, "config.yml", text)}, Getenv: environment(nil)})
		if err != nil || len(s.Targets) != 0 || len(s.Warnings) != 0 {
			t.Errorf("%q: %+v, %v", text, s, err)
		}
	}
}

// What amtool sends to show who asks is sent, to the address beside it.
func TestAmtoolCredentials(t *testing.T) {
	server := serve(t)
	access := writeFile(t, "http.yml", "basic_auth: {username: ops, password: \"hunter2!secret\"}\n")
	path := writeFile(t, "config.yml", "alertmanager.url: "+server.URL+"\nhttp.config.file: "+access+"\n")
	set, err := connect.Open(t.Context(), connect.Options{Amtool: []string{path}, Getenv: environment(nil)})
	if err != nil || set.Notifications == nil {
		t.Fatal(err)
	}
	defer set.Close()
	_, err = set.Notifications.Notifications(t.Context())
	if err == nil || strings.Contains(err.Error(), "hunter2") || server.requests[0].Header.Get("Authorization") != basic {
		t.Errorf("%v, %v", err, server.requests[0].Header)
	}
}
