package profile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/common/config"
	"github.com/zalando/go-keyring"
)

func environment(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

func TestSecrets(t *testing.T) {
	keyring.MockInit()
	if err := keyring.Set("obs", "ann/b", "from the keyring"); err != nil {
		t.Fatal(err)
	}
	getenv := environment(map[string]string{"SET": " from the environment\n"})
	file, empty := written(t, "secret", "from the file\n"), written(t, "empty", "\n")
	fromYAML := func(text string) Command {
		var p Profile
		if _, err := decode("x", []byte("loki: {password_command: "+text+"}\n"), &p); err != nil {
			t.Fatal(err)
		}
		return p.Loki.PasswordCommand
	}
	for name, c := range map[string]struct {
		connection Connection
		want       string
	}{
		"inline":               {Connection{Password: secretText}, secretText},
		"file":                 {Connection{PasswordFile: file}, "from the file"},
		"environment":          {Connection{PasswordEnv: "SET"}, "from the environment"},
		"command as a list":    {Connection{PasswordCommand: fromYAML(`[echo, "from  a $list"]`)}, "from  a $list"},
		"command as a line":    {Connection{PasswordCommand: fromYAML(`x=line; echo "from a $x"`)}, "from a line"},
		"keyring":              {Connection{PasswordKeyring: "obs/ann/b"}, "from the keyring"},
		"an agent left behind": {Connection{PasswordCommand: Command{"sh", "-c", "sleep 4 & echo first"}}, "first"},
	} {
		for _, token := range []bool{false, true} {
			reader := c.connection.PasswordReader(getenv)
			if token {
				p := c.connection
				reader = (&Connection{Token: p.Password, TokenFile: p.PasswordFile, TokenEnv: p.PasswordEnv, TokenCommand: p.PasswordCommand, TokenKeyring: p.PasswordKeyring}).TokenReader(getenv)
			}
			if got, err := reader.Fetch(t.Context()); got != c.want || err != nil {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	}
	for name, c := range map[string]struct {
		connection Connection
		want       string
		is         error
	}{
		"no file":         {Connection{TokenFile: filepath.Join(t.TempDir(), "none")}, "token_file ", fs.ErrNotExist},
		"empty file":      {Connection{TokenFile: empty}, "token_file " + empty + ": it is empty", ErrEmpty},
		"no variable":     {Connection{TokenEnv: "UNSET"}, "token_env UNSET: it is empty", ErrEmpty},
		"silent command":  {Connection{TokenCommand: Command{"true"}}, `token_command: "true" printed nothing: it is empty`, ErrEmpty},
		"failed command":  {Connection{TokenCommand: Command{"sh", "-c", "echo hunter2 >&2; echo hunter2; exit 3"}}, `token_command: "sh" failed: exit status 3`, nil},
		"no command":      {Connection{TokenCommand: Command{"no-such-command", "hunter2"}}, `token_command: "no-such-command" failed`, nil},
		"endless command": {Connection{TokenCommand: Command{"sh", "-c", "head -c 70000 /dev/zero"}}, "printed more than 65536 bytes", nil},
		"no such key":     {Connection{TokenKeyring: "obs/bob"}, `the keyring has no secret of service "obs" and user "bob"`, nil},
		"half a key":      {Connection{TokenKeyring: "obs"}, "give it as service/user", nil},
	} {
		_, err := c.connection.TokenReader(getenv).Fetch(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || (c.is != nil && !errors.Is(err, c.is)) || strings.Contains(err.Error(), secretText) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if none := (&Connection{Username: "ann"}); none.PasswordReader(getenv) != nil || none.TokenReader(getenv) != nil {
		t.Error("there is a reader of nothing")
	}
}

// A command runs once, and ends with the request that wants its secret.
func TestCommandRunsOnce(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	c := Connection{PasswordCommand: Command{"sh", "-c", "echo x >>" + count + "; echo secret"}}
	reader := c.PasswordReader(environment(nil))
	for range 3 {
		if got, err := reader.Fetch(t.Context()); got != "secret" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	if text, err := os.ReadFile(count); err != nil || string(text) != "x\n" {
		t.Errorf("it ran %q, %v", text, err)
	}

	// The command tells when it runs, and would go on for an hour.
	started := filepath.Join(t.TempDir(), "started")
	if err := syscall.Mkfifo(started, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		if _, err := os.ReadFile(started); err == nil {
			cancel()
		}
	}()
	endless := Connection{TokenCommand: Command{"sh", "-c", "echo >" + started + "; exec sleep 3600"}}
	if _, err := endless.TokenReader(environment(nil)).Fetch(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A file is read anew each time, as those are that something renews.
func TestFileIsReadAgain(t *testing.T) {
	path := written(t, "token", "one")
	reader := (&Connection{TokenFile: path}).TokenReader(environment(nil))
	for _, want := range []string{"one", "two"} {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := reader.Fetch(t.Context()); got != want || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
}

func TestCheck(t *testing.T) {
	for want, c := range map[string]Connection{
		"": {Password: "x", TokenFile: "y"},
		"give one of password and password_file and not 2":                    {Password: "x", PasswordFile: "y"},
		"give one of token_env and token_command and token_keyring and not 3": {TokenEnv: "x", TokenCommand: Command{"y"}, TokenKeyring: "z"},
		"give one of password_env and password_keyring and not 2":             {PasswordEnv: "x", PasswordKeyring: "y", Token: config.Secret("x"), TokenFile: "y"},
	} {
		got := ""
		if err := c.Check(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q, and should be %q", got, want)
		}
	}
}
