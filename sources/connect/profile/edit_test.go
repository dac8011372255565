package profile

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/config"
)

const commented = `# Connections of the team.

# What is used unless one says otherwise.
current: staging # for now
profiles:
  staging:
    # The old one.
    loki:
      url: http://old # soon gone
      tenant: team-a
    prometheus:
      url: http://p
  # Live.
  production:
    jaeger:
      url: http://j
# The end.
`

func change(t *testing.T, path string, how func(*Document) error) string {
	t.Helper()
	d, err := Edit(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := how(d); err != nil {
		t.Fatal(err)
	}
	if err := d.Write(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".config-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	return string(text)
}

func TestChangesKeepTheRest(t *testing.T) {
	path := written(t, "config.yaml", commented)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	got := change(t, path, func(d *Document) error {
		return errors.Join(
			d.Set("staging", "loki.url", "http://new"), d.Set("staging", "prometheus.tenant", "12"),
			d.Set("production", "names.trace_id_fields", "[tid, trace]"), d.Set("production", "names.request_id_fields", "corr"),
			d.Use("production"),
		)
	})
	want := strings.NewReplacer(
		"http://old", "http://new", "current: staging", "current: production", "url: http://p\n", "url: http://p\n      tenant: \"12\"\n",
		"url: http://j\n", "url: http://j\n    names:\n      trace_id_fields: [tid, trace]\n      request_id_fields:\n        - corr\n",
	).Replace(commented)
	if got != want {
		t.Errorf("it is\n%s\nand should be\n%s", got, want)
	}
	// As it is, it reads the same; what is not changed is not lost.
	if again := change(t, path, func(*Document) error { return nil }); again != want {
		t.Errorf("written again it is\n%s", again)
	}
}

func TestPut(t *testing.T) {
	path := written(t, "config.yaml", commented)
	p := &Profile{Prometheus: &Connection{URL: "http://q", PasswordCommand: Command{"pass", "x"}}}
	got := change(t, path, func(d *Document) error { return d.Put("local", p) })
	want := strings.Replace(commented, "# The end.", "  local:\n    prometheus:\n      url: http://q\n      password_command:\n        - pass\n        - x\n# The end.", 1)
	if got != want {
		t.Errorf("it is\n%s\nand should be\n%s", got, want)
	}
	d, err := Edit(path)
	if err != nil || !d.Has("local") || d.Has("other") || d.Current() != "staging" {
		t.Errorf("%v", err)
	}
	p.Prometheus.Password = config.Secret(secretText)
	if err := d.Put("local", p); err == nil {
		t.Error("a secret is put, which reads back as another")
	}
}

func TestBeginning(t *testing.T) {
	for name, text := range map[string]string{"none": "", "comments": "# Mine.\n# And yours.\n", "null": "~\n", "no profiles": "profiles:\n"} {
		path := filepath.Join(t.TempDir(), "obs", "config.yaml")
		if name != "none" {
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got := change(t, path, func(d *Document) error { return d.Set("default", "loki.url", "http://l") })
		file, _, err := Read(path)
		if err != nil || file.Current != "default" || file.Profiles["default"].Loki.URL != "http://l" {
			t.Errorf("%s: %+v, %v", name, file, err)
		}
		if name == "comments" && !strings.HasPrefix(got, text) {
			t.Errorf("the comments are gone: %s", got)
		}
	}
}

// Who keeps the configuration elsewhere has a link to it.
func TestLinksStay(t *testing.T) {
	for _, there := range []bool{true, false} {
		dir := t.TempDir()
		target, middle, path := filepath.Join(dir, "dotfiles", "obs.yaml"), filepath.Join(dir, "middle.yaml"), filepath.Join(dir, "config.yaml")
		if there {
			if err := errors.Join(os.MkdirAll(filepath.Dir(target), 0o700), os.WriteFile(target, []byte(commented), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(os.Symlink(filepath.Join("dotfiles", "obs.yaml"), middle), os.Symlink(middle, path)); err != nil {
			t.Fatal(err)
		}
		change(t, path, func(d *Document) error { return d.Set("x", "loki.url", "http://l") })
		copied, err := Copy(path)
		if err != nil || filepath.Dir(copied) != filepath.Dir(target) {
			t.Fatal(copied, err)
		}
		if err := os.WriteFile(copied, []byte("profiles: {y: {}}\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if changed, err := Adopt(copied, path); err != nil || !changed {
			t.Error(changed, err)
		}
		for _, link := range []string{middle, path} {
			if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
				t.Errorf("%s is no link any more: %v", link, err)
			}
		}
		if text, err := os.ReadFile(target); err != nil || string(text) != "profiles: {y: {}}\n" {
			t.Errorf("%s, %v", text, err)
		}
	}
	loop := filepath.Join(t.TempDir(), "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	if _, err := followed(loop); err == nil {
		t.Error("a link to itself leads somewhere")
	}
}

func TestRefusedChanges(t *testing.T) {
	path := written(t, "config.yaml", "current: p\nprofiles:\n  p:\n    loki: &l {url: http://l, token: hunter2}\n    tempo: *l\n")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][3]string{
		{"p", "loki", "hunter2"},
		{"p", "lokki.url", "x"},
		{"p", "loki.ur", "x"},
		{"p", "loki.url.host", "x"},
		{"p", "loki..url", "x"},
		{"p", "", "x"},
		{"p", "grafana.org_id", "hunter2"},
		{"p", "grafana.org_id", "99999999999999999999"},
		{"p", "names.trace_id_fields", "{hunter2: x}"},
		{"p", "names.trace_id_fields", "[hunter2"},
		{"p", "names.trace_id_fields", "*hunter2"},
		{"p", "loki.http_config", "{basic_auth: {password: a, password_file: hunter2}}"},
		{"p", "loki.http_config.tls_config.min_version", "hunter2"},
		{"p", "loki.password_command", "[]"},
		{"p", "tempo.url", "http://t"}, // shared
		{"p", "loki.url", "http://t"},
	} {
		d, err := Edit(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Set(c[0], c[1], c[2]); err == nil || strings.Contains(err.Error(), secretText) {
			t.Errorf("%v: %v", c, err)
		}
	}
	d, err := Edit(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Use("q"); err == nil {
		t.Error("a profile is used that there is not")
	}
	// What does not read again is not written.
	d.root.Content = append(d.root.Content, scalar("bogus"), scalar(secretText))
	if err := d.Write(); err == nil || !strings.Contains(err.Error(), `unknown key "bogus"`) {
		t.Error(err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("%s, %v", after, err)
	}
	if _, err := Edit(written(t, "config.yaml", "bogus: x\n")); err == nil {
		t.Error("a file is changed that is not understood")
	}
}

func TestAdopt(t *testing.T) {
	path := written(t, "config.yaml", commented)
	copied, err := Copy(path)
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := Adopt(copied, path); err != nil || changed {
		t.Error(changed, err)
	}
	if _, err := os.Stat(copied); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the copy is left: %v", err)
	}
	copied, err = Copy(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, []byte("current: nobody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Adopt(copied, path); err == nil || !strings.HasPrefix(err.Error(), copied+":1: current: ") {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != commented {
		t.Errorf("%s, %v", text, err)
	}
	// Where there is no file, the template shows the way, and is right when it is taken.
	missing := filepath.Join(t.TempDir(), "obs", "config.yaml")
	if copied, err = Copy(missing); err != nil {
		t.Fatal(err)
	}
	uncommented := strings.ReplaceAll(strings.SplitN(template, "\n", 2)[1], "# ", "")
	if err := os.WriteFile(copied, []byte(uncommented), 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := Adopt(copied, missing); err != nil || !changed {
		t.Error(changed, err)
	}
}

func TestViewHidesEverySecret(t *testing.T) {
	path := written(t, "config.yaml", `# hunter2
current: p # hunter2
profiles:
  p: # hunter2
    prometheus: &shared
      url: https://ann:hunter2@p.example/x?token=hunter2#y
      username: ann@example.com
      password: hunter2
      token: 'hunter2'
      http_config:
        oauth2:
          client_id: shown
          client_secret: hunter2
          client_certificate_key: hunter2
          token_url: https://ann:hunter2@t.example/token?key=hunter2
          endpoint_params: {resource: hunter2, hunter: hunter2}
          claims: {a: hunter2, b: [hunter2], c: {d: hunter2}}
          tls_config: {cert: c, key: hunter2}
          proxy_url: http://ann:hunter2@proxy.example
          proxy_connect_header: {X-A: [hunter2]}
        tls_config:
          cert: shown
          key: |
            hunter2
        proxy_url: http://ann:hunter2@proxy.example
        proxy_connect_header: {Proxy-Authorization: [hunter2, hunter2]}
        http_headers:
          X-Api-Key: {values: [hunter2], secrets: [hunter2], files: [shown]}
          values: {secrets: [hunter2]}
      sigv4: {access_key: shown, secret_key: hunter2}
    loki:
      <<: *shared
      url: ann:hunter2@l.example
      password_command: pass show hunter2
      token_command: [echo, hunter2, hunter2]
    jaeger:
      <<: [*shared, {token: hunter2}]
      password_command: PASSWORD=hunter2 show
      token_command: >
        echo
        hunter2
    tempo: *shared
    alertmanager:
      http_config: {authorization: {type: shown, credentials: hunter2}}
    grafana:
      url: "http://ann:hunter2@g.example/%zz"
      token: hunter2 # hunter2
      http_config: {bearer_token: hunter2}
  q:
    loki:
      http_config:
        basic_auth: {username: shown, password: hunter2}
`)
	d, err := Edit(path)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := d.View()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(shown, secretText) {
		t.Errorf("a secret is shown:\n%s", shown)
	}
	for _, want := range []string{
		"url: https://<secret>@p.example/x?<secret>", "username: ann@example.com", "password: <secret>", "client_id: shown", "cert: shown", "access_key: shown",
		"url: <secret>@l.example", "password_command: pass …", "token_command: [echo, …, …]", "files: [shown]", "type: shown", "proxy_url: http://<secret>@proxy.example",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not shown in\n%s", want, shown)
		}
	}
	// Each key that the types call a secret is hidden, those that come to be one day too.
	for _, c := range secretKeys(t) {
		if !slices.Contains([]string{"bearer_token", "client_secret", "client_certificate_key", "credentials", "key", "password", "secret_key", "secrets", "token", "proxy_connect_header"}, c) {
			t.Errorf("%s is a secret, and not in this test", c)
		}
	}
	for _, text := range []string{"", "# hunter2\n", "~\n"} {
		d, err := Edit(written(t, "config.yaml", text))
		if err != nil {
			t.Fatal(err)
		}
		if shown, err := d.View(); err != nil || strings.Contains(shown, secretText) {
			t.Errorf("%q: %q, %v", text, shown, err)
		}
	}
}

// secretKeys are the names of all keys whose values the types call secrets.
func secretKeys(t *testing.T) []string {
	t.Helper()
	found := map[string]bool{}
	var look func(reflect.Type, string)
	look = func(of reflect.Type, name string) {
		switch shapeOf(of) {
		case list:
			look(bare(of.Elem()), name)
		case keys:
			if of.Kind() == reflect.Struct {
				for _, f := range fields(of) {
					look(f.kind, f.name)
				}
			}
			if free(of) != nil {
				look(free(of), name)
			}
		default:
			found[name] = found[name] || of == secretType
		}
	}
	look(reflect.TypeFor[File](), "")
	names := slices.Sorted(maps.Keys(found))
	return slices.DeleteFunc(names, func(name string) bool { return !found[name] })
}
