package profile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/config"
	"pgregory.net/rapid"
)

func noEnvironment(string) string { return "" }

func TestCheckName(t *testing.T) {
	for _, name := range []string{"production", "eu-west_1", "team.a/staging", "2"} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", " ", "a b", "-a", "--profile", "a\nb", "a\x1b[2J", "a'b", "a:b", "produção", "$(rm)", strings.Repeat("a", maxName+1)} {
		if CheckName(name) == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
}

// A name that is none reaches no file.
func TestBadNamesAreNotWritten(t *testing.T) {
	d, err := Edit(filepath.Join(t.TempDir(), "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if d.Set("a b", "loki.url", "http://x") == nil || d.Put("a\nb", &Profile{}) == nil || d.Current() != "" || d.Has("a b") {
		t.Errorf("current is %q", d.Current())
	}
}

// What is set is read again as it was given, whatever the value holds, in a file that
// nobody else can read, and a secret is in no view of it.
func TestSetAndView(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		path := filepath.Join(dir, fmt.Sprint(n), "config.yaml")
		name := rapid.StringMatching(`[a-z0-9][a-z0-9._/-]{0,10}`).Draw(t, "name")
		secret := "planted" + rapid.StringMatching(`[ -~]{0,12}`).Draw(t, "secret")
		user := rapid.StringMatching(`[ -~]{1,8}`).Draw(t, "user")
		d, err := Edit(path)
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range map[string]string{"loki.url": "https://obs:planted@loki.example", "loki.username": user, "loki.password": secret, "prometheus.password_command": "[pass, planted]"} {
			if err := d.Set(name, key, value); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Write(); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%v, %v", info, err)
		}
		file, warnings, err := Read(path)
		if err != nil || len(warnings) > 0 || file.Current != name {
			t.Fatalf("current %q, %q, %v", file.Current, warnings, err)
		}
		p := file.Profiles[name]
		if p.Loki.Username != user || p.Loki.Password != config.Secret(secret) || len(p.Prometheus.PasswordCommand) != 2 {
			t.Errorf("read %+v", p.Loki)
		}
		again, err := Edit(path)
		if err != nil {
			t.Fatal(err)
		}
		if view, err := again.View(); err != nil || (strings.Contains(view, "planted") && !strings.Contains(user, "planted")) {
			t.Errorf("%v:\n%s", err, view)
		}
	})
}

// A secret that cannot be had names its place, and no command is run twice for it; whoever
// gave up has not failed.
func TestSecretsThatCannotBeHad(t *testing.T) {
	runs := filepath.Join(t.TempDir(), "runs")
	for name, test := range map[string]struct {
		c    Connection
		want string
		is   error
	}{
		"file":     {Connection{PasswordFile: "/nowhere/p"}, "password_file /nowhere/p: no such file or directory", os.ErrNotExist},
		"variable": {Connection{PasswordEnv: "NO_SUCH"}, "password_env NO_SUCH: it is empty", ErrEmpty},
		"command":  {Connection{PasswordCommand: Command{"sh", "-c", "echo planted; echo run >>" + runs + "; exit 3"}}, `password_command: "sh" failed: exit status 3`, nil},
		"nothing":  {Connection{PasswordCommand: Command{"true"}}, `password_command: "true" printed nothing`, ErrEmpty},
		"keyring":  {Connection{PasswordKeyring: "no-user"}, "password_keyring no-user: give it as service/user", nil},
	} {
		t.Run(name, func(t *testing.T) {
			reader := test.c.PasswordReader(noEnvironment)
			for range 2 {
				_, err := reader.Fetch(t.Context())
				if err == nil || !strings.HasPrefix(err.Error(), test.want) || (test.is != nil && !errors.Is(err, test.is)) || strings.Contains(err.Error(), "planted") {
					t.Errorf("got %v, want %s", err, test.want)
				}
			}
		})
	}
	if text, err := os.ReadFile(runs); err != nil || string(text) != "run\n" {
		t.Errorf("the command was run as in %q, %v", text, err)
	}
	given := (&Connection{TokenCommand: Command{"printf", " planted\n"}}).TokenReader(noEnvironment)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := given.Fetch(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if secret, err := given.Fetch(t.Context()); err != nil || secret != "planted" {
		t.Errorf("got %q, %v", secret, err)
	}
}
