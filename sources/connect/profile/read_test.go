package profile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// secretText is planted wherever a secret can stand; it must show up in no message.
const secretText = "hunter2"

func written(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// in is a file with one profile, p, whose text begins in line 3.
func in(lines ...string) string {
	text := "profiles:\n  p:\n"
	for _, line := range lines {
		text += "    " + line + "\n"
	}
	return text
}

// mistakes are files that are wrong, with what is said of each behind the file's name.
var mistakes = []struct{ name, text, want string }{
	{"unknown key of the file", "profile: {}\n", `:1: profile: unknown key "profile", do you mean "profiles"?`},
	{"unknown key with nothing near", "colour: red\n", `:1: colour: unknown key "colour"; there are current, profiles`},
	{"unknown key of a profile", in("promtheus: {url: http://p}"), `:3: profiles.p.promtheus: unknown key "promtheus", do you mean "prometheus"?`},
	{"unknown key of a connection", in("loki:", "  user: ann"), `:4: profiles.p.loki.user: unknown key "user"; there are url, tenant, username,`},
	{"letters swapped", in("loki:", "  tenatn: a"), `:4: profiles.p.loki.tenatn: unknown key "tenatn", do you mean "tenant"?`},
	{"another case", in("loki:", "  URL: http://l"), `:4: profiles.p.loki.URL: unknown key "URL", do you mean "url"?`},
	{"unknown key of http_config", in("loki:", "  http_config:", "    basic_aut: {}"), `:5: profiles.p.loki.http_config.basic_aut: unknown key "basic_aut", do you mean "basic_auth"?`},
	{"unknown key deep in http_config", in("loki:", "  http_config:", "    tls_config:", "      ca_fil: f"), `:6: profiles.p.loki.http_config.tls_config.ca_fil: unknown key "ca_fil", do you mean "ca_file"?`},
	{"unknown key of a header", in("loki:", "  http_config:", "    http_headers:", "      X-A: {value: [hunter2]}"), `:6: profiles.p.loki.http_config.http_headers.X-A.value: unknown key "value", do you mean "values"?`},
	{"unknown key of sigv4", in("prometheus:", "  sigv4: {secretkey: hunter2}"), `:4: profiles.p.prometheus.sigv4.secretkey: unknown key "secretkey", do you mean "secret_key"?`},
	{"unknown key of a Grafana", in("grafana:", "  datasource: {loki: x}"), `:4: profiles.p.grafana.datasource: unknown key "datasource", do you mean "datasources"?`},
	{"unknown key of names", in("names: {trace_id_field: [tid]}"), `:3: profiles.p.names.trace_id_field: unknown key "trace_id_field", do you mean "trace_id_fields"?`},
	{"text for keys", in("loki: http://l"), `:3: profiles.p.loki: it is a text, and must be keys with values`},
	{"list for keys", "profiles: [a]\n", `:1: profiles: it is a list, and must be keys with values`},
	{"keys for a text", in("loki:", "  password: {hunter2: x}"), `:4: profiles.p.loki.password: it is keys with values, and must be a text`},
	{"list for a text", in("loki:", "  token: [hunter2]"), `:4: profiles.p.loki.token: it is a list, and must be a text`},
	{"text for a list", in("names: {trace_id_fields: tid}"), `:3: profiles.p.names.trace_id_fields: it is a text, and must be a list`},
	{"list in a list", in("names: {trace_id_fields: [a, [b]]}"), `:3: profiles.p.names.trace_id_fields[1]: it is a list, and must be a text`},
	{"text for a number", in("grafana: {org_id: hunter2}"), `:3: profiles.p.grafana.org_id: it is a text, and must be a whole number`},
	{"broken number", in("grafana: {org_id: 1.5}"), `:3: profiles.p.grafana.org_id: it is a text, and must be a whole number`},
	{"huge number", in("grafana: {org_id: 9999999999999999999}"), `:3: profiles.p.grafana.org_id: it is a number out of bounds`},
	{"text for true or false", in("loki:", "  http_config:", "    enable_http2: hunter2"), `:5: profiles.p.loki.http_config.enable_http2: it is a text, and must be true or false`},
	{"keys for a command", in("loki:", "  token_command: {a: hunter2}"), `:4: profiles.p.loki.token_command: it is keys with values, and must be a command: a text, or a list of arguments`},
	{"list as an argument", in("loki:", "  token_command: [pass, [hunter2]]"), `:4: profiles.p.loki.token_command[1]: it is a list, and must be a text`},
	{"no command", in("loki:", "  token_command: []"), `:4: profiles.p.loki.token_command: it names no command`},
	{"the file is a text", "hunter2\n", `:1: it is a text, and must be keys with values`},
	{"twice", in("loki:", "  url: http://l", "  password: hunter2", "  url: http://m"), `:6: profiles.p.loki.url: it stands in line 4 too`},
	{"a profile twice", "profiles:\n  p: {}\n  p: {}\n", `:3: profiles.p: it stands in line 2 too`},
	{"a tab", "profiles:\n\tp: {}\n", `:2: a tab cannot indent: use spaces`},
	{"a tab further below", in("loki:", "  url: http://l", "\ttoken: hunter2"), `:5: a tab cannot indent: use spaces`},
	{"two documents", "current: p\nprofiles: {p: {}}\n---\npassword: hunter2\n", `:3: it holds more than one document`},
	{"no YAML", "profiles: {p: {loki: {password: hunter2\n", `did not find expected ',' or '}'`},
	{"quotes that stay open", in("loki:", "  password: \"hunter2"), `found unexpected end of stream`},
	{"unknown current profile", "current: prd\nprofiles: {prod: {}}\n", `:1: current: there is no profile "prd": do you mean "prod"?`},
	{"current profile without any", "# a comment\ncurrent: prod\n", `:2: current: there is no profile "prod", nor any other: obs config import makes one`},
	{"unknown anchor", in("loki:", "  password: *hunter2"), `:4: it refers to an anchor that is not there; a text that begins with * wants quotes`},
	{"a password that YAML takes for an anchor", in("loki:", "  password: &hunter2"), `:4: profiles.p.loki.password: it is an anchor without a value; a text that begins with & wants quotes`},
	{"a password that YAML takes for a tag", in("loki:", "  password: !hunter2"), `:4: profiles.p.loki.password: it has a tag; a text that begins with ! wants quotes`},
	{"binary", in("loki:", "  password: !!binary hunter2"), `:4: profiles.p.loki.password: it has a tag`},
	{"a password with a comma", in("loki: {password: a,hunter2}"), `:3: profiles.p.loki: there is something that is no key; a text with a comma, a colon or braces wants quotes`},
	{"a colon without a space", in("loki: {password:hunter2}"), `:3: profiles.p.loki: there is something that is no key`},
	{"a key that is none", in("loki:", "  password of hunter2: x"), `:4: profiles.p.loki: there is something that is no key`},
	{"a list for a key", "? [hunter2]\n: x\n", `:1: a key must be a text`},
	{"nothing for a key", "profiles:\n  ~: {}\n", `:2: profiles: a key must be a text`},
	{"merged from elsewhere", in("loki: &l {url: http://l, tokn: hunter2}", "tempo:", "  <<: *l"), `:3: profiles.p.loki.tokn: unknown key "tokn", do you mean "token"?`},
	{"merged to where it is unknown", "profiles:\n  p:\n    loki: &l {token: hunter2}\n  q:\n    <<: *l\n", `:3: profiles.q.token: unknown key "token"`},
	{"merged and no keys", in("loki:", "  <<: hunter2"), `:4: profiles.p.loki: << takes keys with values`},
	{"merged into itself", "profiles: &a\n  p: {}\n  <<: *a\n", `anchor 'a' value contains itself`},
	{"two ways in http_config", in("loki:", "  http_config:", "    basic_auth: {username: a, password: hunter2}", "    authorization: {credentials: hunter2}"), `:5: profiles.p.loki.http_config: at most one of basic_auth, oauth2 & authorization must be configured`},
	{"a key without its certificate", in("loki:", "  http_config:", "    tls_config: {key: hunter2}"), `:5: profiles.p.loki.http_config.tls_config: exactly one of cert or cert_file must be configured when a client key is configured`},
	{"a version of TLS", in("loki:", "  http_config:", "    tls_config: {min_version: hunter2}"), `:5: profiles.p.loki.http_config.tls_config.min_version: it must be one of TLS10, TLS11, TLS12, TLS13`},
	{"a proxy that is none", in("loki:", "  http_config:", "    proxy_url: 'http://ann:hunter2@a b'"), `:5: profiles.p.loki.http_config.proxy_url: it is not an address`},
	{"a header that is not for setting", in("loki:", "  http_config:", "    http_headers: {Authorization: {secrets: [hunter2]}}"), `:5: profiles.p.loki.http_config: setting header "Authorization" is not allowed`},
	{"half of sigv4", in("prometheus:", "  sigv4: {secret_key: hunter2}"), `:4: profiles.p.prometheus.sigv4: must provide a AWS SigV4 Access key and Secret Key`},
}

func TestMistakes(t *testing.T) {
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			path := written(t, "config.yaml", m.text)
			_, _, err := Read(path)
			if err == nil {
				t.Fatal("it is read")
			}
			rest, ok := strings.CutPrefix(err.Error(), path)
			if !ok || !strings.Contains(rest, m.want) {
				t.Errorf("it says\n%s\nand should\n%s", rest, m.want)
			}
			if strings.HasPrefix(m.want, ":") && !strings.HasPrefix(rest, m.want) {
				t.Errorf("it begins with something else:\n%s", rest)
			}
			if strings.Contains(rest, secretText) {
				t.Errorf("it repeats a secret:\n%s", rest)
			}
			var mistake *Mistake
			if !errors.As(err, &mistake) || mistake.File != path {
				t.Errorf("it is no mistake of the file: %#v", err)
			}
		})
	}
}

func TestEveryMistakeIsTold(t *testing.T) {
	_, _, err := Read(written(t, "config.yaml", in("loky: {}", "loki:", "  tennant: a", "names: []")))
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("%v", err)
	}
}

const completeFile = `# The team's.
current: production
profiles:
  production:
    prometheus:
      url: https://prometheus.example/prefix
      tenant: 12
      http_config:
        basic_auth: {username: obs, password_file: p}
        tls_config: {ca_file: ca.pem}
    loki: &l
      url: unix:///run/loki.sock
      password_command: [pass, show, loki]
      username: ann
    jaeger:
      <<: *l
      url: https://jaeger.example
      password_command: pass show jaeger
    tempo:
    grafana: {url: https://g.example, token_file: /run/g, org_id: 3, datasources: {prometheus: UID}}
    names:
      trace_id_fields: [tid]
      services: {payment: [payment-svc, payments/payment]}
    since: 30m
    baseline: 24h
  empty:
`

func TestRead(t *testing.T) {
	path := written(t, "config.yaml", completeFile)
	file, warnings, err := Read(path)
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	p, err := file.Find("production")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	for what, pair := range map[string][2]string{
		"tenant":           {p.Prometheus.Tenant, "12"},
		"relative":         {p.Prometheus.HTTPConfig.BasicAuth.PasswordFile, filepath.Join(dir, "p")},
		"relative CA":      {p.Prometheus.HTTPConfig.TLSConfig.CAFile, filepath.Join(dir, "ca.pem")},
		"absolute":         {p.Grafana.TokenFile, "/run/g"},
		"merged":           {p.Jaeger.Username, "ann"},
		"over what merged": {p.Jaeger.URL, "https://jaeger.example"},
		"list":             {strings.Join(p.Loki.PasswordCommand, " "), "pass show loki"},
		"line":             {strings.Join(p.Jaeger.PasswordCommand, "|"), "sh|-c|pass show jaeger"},
		"since":            {p.Since, "30m"},
		"names":            {strings.Join(p.Names.Services["payment"], " "), "payment-svc payments/payment"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %q, and should be %q", what, pair[0], pair[1])
		}
	}
	if !p.Prometheus.HTTPConfig.FollowRedirects || p.Tempo != nil || p.Empty() {
		t.Errorf("%+v", p)
	}
	if empty, err := file.Find("empty"); err != nil || !empty.Empty() {
		t.Errorf("a profile without anything: %+v, %v", empty, err)
	}
	if _, err := file.Find("prodction"); err == nil || err.Error() != `there is no profile "prodction": do you mean "production"?` {
		t.Error(err)
	}
	if _, err := file.Find("x"); err == nil || err.Error() != `there is no profile "x": known are empty, production` {
		t.Error(err)
	}
}

// A path that begins at home is there whoever starts obs, and wherever the file lies.
func TestFilesAtHome(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	path := written(t, "config.yaml", `profiles: {a: {loki: {url: "http://l.example", token_file: ~/keys/loki}, jaeger: {url: "http://j.example", token_file: ~other}}}`)
	file, _, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := file.Profiles["a"].Loki.TokenFile, filepath.Join(home, "keys", "loki"); got != want {
		t.Errorf("%q, not %q", got, want)
	}
	if got, want := file.Profiles["a"].Jaeger.TokenFile, filepath.Join(filepath.Dir(path), "~other"); got != want {
		t.Errorf("somebody else's home is no place of ours: %q, not %q", got, want)
	}
}

func TestReadOfNothing(t *testing.T) {
	for _, text := range []string{"", "# a comment\n", "---\n", "~\n", "profiles:\n"} {
		if file, _, err := Read(written(t, "config.yaml", text)); err != nil || len(file.Profiles) > 0 {
			t.Errorf("%q: %+v, %v", text, file, err)
		}
	}
	if file, warnings, err := Read(filepath.Join(t.TempDir(), "none.yaml")); err != nil || warnings != nil || file.Current != "" {
		t.Errorf("%+v, %v, %v", file, warnings, err)
	}
	if _, _, err := Read(t.TempDir()); err == nil {
		t.Error("a folder is read")
	}
	large := written(t, "config.yaml", "# "+strings.Repeat("x", maxFile))
	if _, _, err := Read(large); err == nil || !strings.Contains(err.Error(), "larger than a configuration can be") {
		t.Error(err)
	}
}

func TestModeIsWarnedOf(t *testing.T) {
	path := written(t, "config.yaml", "profiles: {p: {}}\n")
	for mode, want := range map[fs.FileMode]bool{0o600: false, 0o400: false, 0o644: true, 0o640: true, 0o604: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, warnings, err := Read(path)
		if err != nil || (len(warnings) > 0) != want {
			t.Errorf("mode %o: %v, %v", mode, warnings, err)
		}
		if want && !strings.Contains(warnings[0], "chmod 600 "+path) {
			t.Errorf("%v", warnings)
		}
	}
}

func TestReadLocal(t *testing.T) {
	path := written(t, LocalName, "loki: {url: http://localhost:3100}\nnames: {trace_id_fields: [tid]}\nsince: 15m\n")
	p, found, err := ReadLocal(path)
	if err != nil || !found || p.Loki.URL != "http://localhost:3100" || p.Since != "15m" || p.Names.TraceIDFields[0] != "tid" {
		t.Errorf("%+v, %v, %v", p, found, err)
	}
	if _, found, err := ReadLocal(filepath.Join(t.TempDir(), LocalName)); found || err != nil {
		t.Error(found, err)
	}
	const nothingSent = "a file of a working directory can give an address and nothing that is sent to it"
	for _, key := range fields(reflect.TypeFor[Connection]()) {
		if key.name == "url" {
			continue
		}
		example := map[shape]string{text: secretText, command: "[echo, hunter2]", keys: "{}"}[shapeOf(key.kind)]
		if key.name == "http_config" {
			example = "{http_headers: {X-A: {secrets: [hunter2]}}}"
		}
		if key.name == "sigv4" {
			example = "{access_key: a, secret_key: hunter2}"
		}
		path := written(t, LocalName, "jaeger:\n  url: http://j\n  "+key.name+": "+example+"\n")
		_, _, err := ReadLocal(path)
		want := path + ":3: jaeger." + key.name + ": " + nothingSent
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), secretText) {
			t.Errorf("%s: %v", key.name, err)
		}
	}
	for text, want := range map[string]string{
		"tempo: {url: 'http://ann:hunter2@t'}\n":                                ":1: tempo.url: no user and password can stand in an address here",
		"grafana: {url: http://g}\n":                                            ":1: grafana: a file of a working directory cannot name a Grafana",
		"names: {}\nloki:\n  <<: {token: hunter2}\n":                            ":3: loki: " + nothingSent,
		"loki: {url: http://l, password: ''}\n":                                 ":1: loki.password: " + nothingSent,
		"profiles: {p: {}}\n":                                                   `:1: profiles: unknown key "profiles"`,
		"loki: {url: http://l, tenant: t}\nalertmanager: {url: h, tenant: t}\n": ":2: alertmanager.tenant: " + nothingSent,
	} {
		path := written(t, LocalName, text)
		if _, _, err := ReadLocal(path); err == nil || !strings.HasPrefix(err.Error(), path+want) || strings.Contains(err.Error(), secretText) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"prometheus", "loki", "password", "password_file", "url"}
	for word, want := range map[string]string{
		"prometheuss": "prometheus", "PROMETHEUS": "prometheus", "lokki": "loki", "passwrd": "password", "password-file": "password_file",
		"ulr": "url", "zzz": "", "": "", "u": "", "certificate": "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%q is near %q, and should be near %q", word, got, want)
		}
	}
	if Nearest("loki", nil) != "" {
		t.Error("something is near nothing")
	}
	if d := distance("ab", "ba"); d != 1 {
		t.Errorf("swapped letters are %d apart", d)
	}
}

func TestPath(t *testing.T) {
	for _, c := range []struct {
		environment map[string]string
		want        string
	}{
		{map[string]string{"OBS_CONFIG": "/a.yaml", "XDG_CONFIG_HOME": "/x", "HOME": "/h"}, "/a.yaml"},
		{map[string]string{"XDG_CONFIG_HOME": "/x", "HOME": "/h"}, "/x/obs/config.yaml"},
		{map[string]string{"HOME": "/h"}, "/h/.config/obs/config.yaml"},
		{nil, ""},
	} {
		if got := Path(func(name string) string { return c.environment[name] }); got != filepath.FromSlash(c.want) {
			t.Errorf("%v: %q", c.environment, got)
		}
	}
}

// What is read is no one's promise: whatever the file holds, it is told or taken.
func FuzzDecode(f *testing.F) {
	for _, m := range mistakes {
		f.Add([]byte(m.text))
	}
	f.Add([]byte(completeFile))
	f.Add([]byte("profiles: &a\n  <<: [*a, *a, {p: {<<: *a}}]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var file File
		root, err := decode("config.yaml", text, &file)
		if err != nil {
			_ = err.Error()
			return
		}
		var local Profile
		if _, err := decode(LocalName, text, &local); err == nil {
			_ = local.Empty()
		}
		if root == nil {
			return
		}
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := Edit(path)
		if err != nil {
			t.Fatalf("it is read and cannot be edited: %v", err)
		}
		_, _ = d.View()
		if err := d.Set("fuzz", "loki.url", "http://l"); err == nil {
			_ = d.Write()
		}
	})
}
