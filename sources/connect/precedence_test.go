package connect_test

import (
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"obs/sources"
	"obs/sources/connect"
	"obs/sources/connect/profile"
)

// files writes a configuration file and a working directory's file, and returns options
// that read them. An empty text is no file.
func files(t *testing.T, config, local string) connect.Options {
	t.Helper()
	dir := t.TempDir()
	o := connect.Options{Config: filepath.Join(dir, "config.yaml"), Dir: dir, Getenv: environment(nil)}
	for path, text := range map[string]string{o.Config: config, filepath.Join(dir, profile.LocalName): local} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// What names an address nearer to the person wins: flag, environment, profile, and last the
// file of a working directory.
func TestPrecedence(t *testing.T) {
	const config = "current: one\nprofiles:\n  one: {loki: {url: 'http://of-profile'}, since: 1h}\n  two: {loki: {url: 'http://of-other'}}\n  none: {}\n"
	const local = "loki: {url: 'http://of-local'}\nsince: 2h\nbaseline: 24h\n"
	for name, test := range map[string]struct {
		flag, profile   string
		env             map[string]string
		url, origin     string
		since, baseline string
	}{
		"flag":                {flag: "http://of-flag", env: map[string]string{"LOKI_URL": "http://of-env"}, url: "http://of-flag", origin: "--loki-url", since: "1h", baseline: "24h"},
		"environment":         {env: map[string]string{"LOKI_URL": "http://of-env"}, url: "http://of-env", origin: "LOKI_URL", since: "1h", baseline: "24h"},
		"logcli's name":       {env: map[string]string{"LOKI_ADDR": "http://of-env"}, url: "http://of-env", origin: "LOKI_ADDR", since: "1h", baseline: "24h"},
		"current profile":     {url: "http://of-profile", origin: "loki.url in profile one", since: "1h", baseline: "24h"},
		"profile of variable": {env: map[string]string{"OBS_PROFILE": "two"}, url: "http://of-other", origin: "loki.url in profile two", since: "2h", baseline: "24h"},
		"profile of flag":     {profile: "two", env: map[string]string{"OBS_PROFILE": "none"}, url: "http://of-other", origin: "loki.url in profile two", since: "2h", baseline: "24h"},
		"working directory":   {profile: "none", url: "http://of-local", origin: ".obs.yaml", since: "2h", baseline: "24h"},
	} {
		t.Run(name, func(t *testing.T) {
			o := files(t, config, local)
			o.LokiURL, o.Profile, o.Getenv = test.flag, test.profile, environment(test.env)
			s, err := connect.Load(o)
			if err != nil {
				t.Fatal(err)
			}
			got := s.Targets[sources.Loki]
			if got.URL != test.url || got.Origin != test.origin || s.Since != test.since || s.Baseline != test.baseline {
				t.Errorf("%s from %s, since %q, baseline %q", got.URL, got.Origin, s.Since, s.Baseline)
			}
		})
	}
}

// Credentials go to the server that they were written down beside, and to no other.
func TestCredentialsStayBesideTheirAddress(t *testing.T) {
	const token = "planted-token"
	type scene struct {
		options connect.Options
		sent    bool // the credentials arrive at the server that is asked
		says    string
	}
	for name, build := range map[string]func(t *testing.T, asked, other string) scene{
		"profile": func(t *testing.T, asked, _ string) scene {
			return scene{files(t, "current: p\nprofiles: {p: {loki: {url: '"+asked+"', token: "+token+", tenant: mine}}}", ""), true, ""}
		},
		"profile, with the same address in a flag": func(t *testing.T, asked, _ string) scene {
			o := files(t, "current: p\nprofiles: {p: {loki: {url: '"+asked+"', token: "+token+", tenant: mine}}}", "")
			o.LokiURL = asked
			return scene{o, true, ""}
		},
		"profile, with another address in a flag": func(t *testing.T, asked, other string) scene {
			o := files(t, "current: p\nprofiles: {p: {loki: {url: '"+other+"', token: "+token+", tenant: mine}}}", "")
			o.LokiURL = asked
			return scene{o, false, ""}
		},
		"profile, with the same server below another path in a flag": func(t *testing.T, asked, _ string) scene {
			o := files(t, "current: p\nprofiles: {p: {loki: {url: '"+asked+"/mine', token: "+token+", tenant: mine}}}", "")
			o.LokiURL = asked + "/theirs"
			return scene{o, false, ""}
		},
		"profile, with another address in the environment": func(t *testing.T, asked, other string) scene {
			o := files(t, "current: p\nprofiles: {p: {loki: {url: '"+other+"', token: "+token+"}}}", "")
			o.Getenv = environment(map[string]string{"LOKI_ADDR": asked})
			return scene{o, false, ""}
		},
		"another profile's": func(t *testing.T, asked, other string) scene {
			o := files(t, "current: p\nprofiles: {p: {loki: {url: '"+other+"', token: "+token+"}}, q: {loki: {url: '"+asked+"'}}}", "")
			o.Getenv = environment(map[string]string{"OBS_PROFILE": "q"})
			return scene{o, false, ""}
		},
		"environment, with an address in a flag": func(t *testing.T, asked, _ string) scene {
			return scene{connect.Options{LokiURL: asked, Getenv: environment(map[string]string{"LOKI_BEARER_TOKEN": token, "LOKI_ORG_ID": "mine"})}, true, ""}
		},
		"environment, with the same server in a flag": func(t *testing.T, asked, _ string) scene {
			return scene{connect.Options{LokiURL: asked + "/below", Getenv: environment(map[string]string{"LOKI_URL": asked, "LOKI_BEARER_TOKEN": token, "LOKI_ORG_ID": "mine"})}, true, ""}
		},
		"environment, with another server in a flag": func(t *testing.T, asked, other string) scene {
			return scene{
				connect.Options{LokiURL: asked, Getenv: environment(map[string]string{"LOKI_URL": other, "LOKI_BEARER_TOKEN": token, "LOKI_ORG_ID": "mine"})},
				false, "are for the server of LOKI_URL, and are not sent to that of --loki-url",
			}
		},
		"environment, with an address in a profile": func(t *testing.T, asked, _ string) scene {
			o := files(t, "current: p\nprofiles: {p: {loki: {url: '"+asked+"'}}}", "")
			o.Getenv = environment(map[string]string{"LOKI_BEARER_TOKEN": token, "LOKI_ORG_ID": "mine"})
			return scene{o, false, ""}
		},
		"environment, with an address in a working directory": func(t *testing.T, asked, _ string) scene {
			o := files(t, "", "loki: {url: '"+asked+"'}")
			o.Getenv = environment(map[string]string{"LOKI_BEARER_TOKEN": token, "LOKI_USERNAME": "me", "LOKI_PASSWORD": token, "LOKI_ORG_ID": "mine", "GRAFANA_TOKEN": token})
			return scene{o, false, ""}
		},
		"profile, with an address in a working directory": func(t *testing.T, asked, other string) scene {
			o := files(t, "current: p\nprofiles: {p: {prometheus: {url: '"+other+"', token: "+token+"}, loki: {token: "+token+"}}}", "loki: {url: '"+asked+"'}")
			return scene{o, false, ""}
		},
		"another backend's": func(t *testing.T, asked, other string) scene {
			o := files(t, "current: p\nprofiles: {p: {prometheus: {url: '"+other+"', token: "+token+"}, loki: {url: '"+asked+"'}}}", "")
			return scene{o, false, ""}
		},
	} {
		t.Run(name, func(t *testing.T) {
			asked, other := serve(t), serve(t)
			s := build(t, asked.URL, other.URL)
			settings, err := connect.Load(s.options)
			if err != nil {
				t.Fatal(err)
			}
			set, err := settings.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer set.Close()
			if _, err := set.Logs.Labels(t.Context(), window); err != nil {
				t.Fatal(err)
			}
			want := http.Header{"Authorization": nil, "X-Scope-Orgid": nil}
			if s.sent {
				want = http.Header{"Authorization": {"Bearer " + token}, "X-Scope-Orgid": {"mine"}}
			}
			for name := range want {
				if got := asked.requests[0].Header.Values(name); strings.Join(got, " ") != strings.Join(want[name], " ") {
					t.Errorf("sent %s %q, want %q", name, got, want[name])
				}
			}
			if len(other.requests) > 0 {
				t.Errorf("the other server was asked %s", other.requests[0].URL)
			}
			if said := strings.Join(settings.Warnings, "\n"); !strings.Contains(said, s.says) || (s.says == "") != (said == "") {
				t.Errorf("it says %q, want %q", said, s.says)
			}
		})
	}
}

// Where a server sends on to another host, what a profile gives does not go along: no
// header, no tenant and no user.
func TestRedirectsGetNoCredentials(t *testing.T) {
	login := serve(t)
	asked := serve(t)
	asked.Config.Handler = http.RedirectHandler(login.URL+"/login", http.StatusFound)
	o := files(t, "current: p\nprofiles:\n  p:\n    loki:\n      url: '"+asked.URL+"'\n      tenant: mine\n      username: me\n      password: planted\n"+
		"      http_config: {http_headers: {X-Key: {secrets: [planted]}, X-Plain: {values: [planted]}}}\n", "")
	set, err := connect.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	_, _ = set.Logs.Labels(t.Context(), window) // whatever it makes of the page's answer
	if len(login.requests) == 0 {
		t.Fatal("the redirect was not followed")
	}
	for name, values := range login.requests[0].Header {
		for _, value := range values {
			if strings.Contains(value, "planted") || strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "X-Scope-OrgID") {
				t.Errorf("the other host was sent %s: %s", name, value)
			}
		}
	}
}

// Of Jaeger and Tempo one is asked: the one that was named where it counts more.
func TestJaegerOrTempo(t *testing.T) {
	const both = "current: p\nprofiles: {p: {jaeger: {url: 'http://jaeger'}, tempo: {url: 'http://tempo'}}}"
	const one = "current: p\nprofiles: {p: {jaeger: {url: 'http://jaeger'}}}"
	for name, test := range map[string]struct {
		config, local, jaeger, tempo string
		env                          map[string]string
		want                         sources.Backend
		warns                        bool
	}{
		"profile with both":          {config: both, want: sources.Jaeger, warns: true},
		"environment with both":      {env: map[string]string{"JAEGER_URL": "http://j", "TEMPO_URL": "http://t"}, want: sources.Jaeger, warns: true},
		"flag over profile":          {config: one, tempo: "http://t", want: sources.Tempo},
		"variable over profile":      {config: one, env: map[string]string{"TEMPO_URL": "http://t"}, want: sources.Tempo},
		"profile over local":         {config: one, local: "tempo: {url: 'http://t'}", want: sources.Jaeger, warns: true},
		"flag over variable":         {jaeger: "http://j", env: map[string]string{"TEMPO_URL": "http://t"}, want: sources.Jaeger, warns: true},
		"tempo flag over a variable": {tempo: "http://t", env: map[string]string{"JAEGER_URL": "http://j"}, want: sources.Tempo},
	} {
		t.Run(name, func(t *testing.T) {
			o := files(t, test.config, test.local)
			o.JaegerURL, o.TempoURL, o.Getenv = test.jaeger, test.tempo, environment(test.env)
			s, err := connect.Load(o)
			if err != nil {
				t.Fatal(err)
			}
			if _, found := s.Targets[test.want]; len(s.Targets) != 1 || !found || (len(s.Warnings) > 0) != test.warns {
				t.Errorf("targets %v, warnings %q", s.Targets, s.Warnings)
			}
		})
	}
}

// A file of a working directory gives addresses, names and defaults; whoever wrote it learns
// and starts nothing.
func TestWorkingDirectoryGivesNoCredentials(t *testing.T) {
	for name, local := range map[string]string{
		"token":               "loki: {url: 'http://x', token: planted}",
		"token from env":      "loki: {url: 'http://x', token_env: GITHUB_TOKEN}",
		"token from file":     "loki: {url: 'http://x', token_file: ~/.ssh/id_rsa}",
		"command":             "loki: {url: 'http://x', password_command: touch /tmp/x}",
		"keyring":             "loki: {url: 'http://x', token_keyring: a/b}",
		"tenant":              "loki: {url: 'http://x', tenant: a}",
		"http_config":         "loki: {url: 'http://x', http_config: {proxy_url: 'http://y'}}",
		"http_config_file":    "loki: {url: 'http://x', http_config_file: /etc/x}",
		"user in the address": "loki: {url: 'http://planted:planted@x'}",
		"grafana":             "grafana: {url: 'http://x'}",
		"a whole file":        "current: p\nprofiles: {}",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := connect.Load(files(t, "", local))
			var mistake *profile.Mistake
			if !errors.As(err, &mistake) || !strings.Contains(err.Error(), profile.LocalName) || strings.Contains(err.Error(), "planted") {
				t.Errorf("got %v", err)
			}
		})
	}
	s, err := connect.Load(files(t, "", "loki: {url: 'http://x'}\nnames: {trace_id_fields: [tid], services: {a: [b]}}"))
	if err != nil || len(s.Names.TraceIDFields) != 1 || s.Names.Services["a"][0] != "b" {
		t.Errorf("%+v, %v", s, err)
	}
}

// Names of profiles that are not there, and more than one way to show who asks.
func TestMistakesInProfiles(t *testing.T) {
	const config = "profiles: {production: {loki: {url: 'http://x'}}, staging: {}}"
	for name, want := range map[string]string{
		"prodction": `do you mean "production"?`, "../staging": `do you mean "staging"?`, "x\x1b[2J": "known are production, staging", "Production": `do you mean "production"?`,
	} {
		o := files(t, config, "")
		o.Profile = name
		if _, err := connect.Load(o); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := connect.Load(connect.Options{Profile: "x", Getenv: environment(nil)}); err == nil || !strings.Contains(err.Error(), "obs config import") {
		t.Errorf("without a file: %v", err)
	}
	for _, ways := range []string{
		"{username: a, password: planted, token: planted}",
		"{token_file: a, http_config: {basic_auth: {username: a, password: planted}}}",
		"{token_file: a, token_env: planted}",
		"{password_file: a, password_command: planted}",
		"{token: planted, sigv4: {region: x}}",
		"{http_config_file: a, http_config: {basic_auth: {username: a, password: planted}}}",
	} {
		_, err := connect.Load(files(t, "current: p\nprofiles: {p: {loki: {url: 'http://x', "+ways[1:]+"}}", ""))
		if err == nil || !strings.Contains(err.Error(), "loki in profile p") || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: %v", ways, err)
		}
	}
}

// The variables of logcli say what they say there, and each backend has its own.
func TestVariablesOfLogcli(t *testing.T) {
	dir := t.TempDir()
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("of-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		env  map[string]string
		want map[string]string
	}{
		"user and file":  {map[string]string{"USERNAME": "me", "PASSWORD_FILE": password}, map[string]string{"Authorization": "Basic bWU6b2YtZmlsZQ=="}},
		"another header": {map[string]string{"BEARER_TOKEN": "t", "AUTH_HEADER": "X-Auth"}, map[string]string{"X-Auth": "Bearer t", "Authorization": ""}},
		"tags":           {map[string]string{"QUERY_TAGS": "source=obs"}, map[string]string{"X-Query-Tags": "source=obs"}},
		"token and user": {map[string]string{"USERNAME": "me", "PASSWORD": "p", "BEARER_TOKEN": "t"}, map[string]string{"Authorization": "Bearer t"}},
		"tenants":        {map[string]string{"ORG_ID": "a|b"}, map[string]string{"X-Scope-Orgid": "a|b"}},
	} {
		for _, prefix := range []string{"LOKI", "PROMETHEUS", "JAEGER", "TEMPO"} {
			t.Run(name+" of "+prefix, func(t *testing.T) {
				s := serve(t)
				env := map[string]string{prefix + "_URL": s.URL}
				for name, value := range test.env {
					env[prefix+"_"+name] = value
				}
				set, err := connect.Open(t.Context(), connect.Options{Getenv: environment(env)})
				if err != nil {
					t.Fatal(err)
				}
				defer set.Close()
				ask(t, set)
				got := map[string]string{}
				for name := range test.want {
					got[name] = s.requests[0].Header.Get(name)
				}
				if !maps.Equal(got, test.want) {
					t.Errorf("sent %q, want %q", got, test.want)
				}
			})
		}
	}
	for name, value := range map[string]string{"LOKI_TLS_SKIP_VERIFY": "maybe", "LOKI_HTTP_PROXY_URL": "http://u:planted@x:port"} {
		_, err := connect.Open(t.Context(), connect.Options{Getenv: environment(map[string]string{"LOKI_URL": "http://x", name: value})})
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
