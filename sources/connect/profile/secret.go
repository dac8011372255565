package profile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/config"
	"github.com/zalando/go-keyring"
)

// maxSecret bounds what a command can print, in bytes: certificates with their chains are
// a tenth of it.
const maxSecret = 1 << 16

// commandTime is how long a command may take that prints a secret: it may ask an agent or a
// service, but nobody can answer it.
const commandTime = 30 * time.Second

// ErrEmpty tells that where a secret should be there is nothing. Asking a server without
// one would look as if it had refused.
var ErrEmpty = errors.New("it is empty")

// PasswordReader fetches the password. It is nil where none is configured.
func (c *Connection) PasswordReader(getenv func(string) string) config.SecretReader {
	return reader("password", c.Password, c.PasswordFile, c.PasswordEnv, c.PasswordCommand, c.PasswordKeyring, getenv)
}

// TokenReader fetches the bearer token. It is nil where none is configured.
func (c *Connection) TokenReader(getenv func(string) string) config.SecretReader {
	return reader("token", c.Token, c.TokenFile, c.TokenEnv, c.TokenCommand, c.TokenKeyring, getenv)
}

func reader(what string, inline config.Secret, file, env string, cmd Command, key string, getenv func(string) string) config.SecretReader {
	switch {
	case file != "":
		return &full{config.NewFileSecret(file), what + "_file " + file}
	case env != "":
		return &once{name: what + "_env " + env, fetch: func(context.Context) (string, error) { return getenv(env), nil }}
	case len(cmd) > 0:
		return &once{name: what + "_command", fetch: cmd.output}
	case key != "":
		return &once{name: what + "_keyring " + key, fetch: func(context.Context) (string, error) { return fromKeyring(key) }}
	case inline != "":
		return config.NewInlineSecret(string(inline))
	}
	return nil
}

// Check tells where the password, or the token, is given twice.
func (c *Connection) Check() error {
	suffixes := []string{"", "_file", "_env", "_command", "_keyring"}
	for _, secret := range []struct {
		name  string
		given []bool
	}{
		{"password", []bool{c.Password != "", c.PasswordFile != "", c.PasswordEnv != "", len(c.PasswordCommand) > 0, c.PasswordKeyring != ""}},
		{"token", []bool{c.Token != "", c.TokenFile != "", c.TokenEnv != "", len(c.TokenCommand) > 0, c.TokenKeyring != ""}},
	} {
		var names []string
		for i, given := range secret.given {
			if given {
				names = append(names, secret.name+suffixes[i])
			}
		}
		if len(names) > 1 {
			return fmt.Errorf("give one of %s and not %d", strings.Join(names, " and "), len(names))
		}
	}
	return nil
}

// once fetches a secret with the first request.
type once struct {
	name  string
	fetch func(context.Context) (string, error)

	mu     sync.Mutex
	secret string
}

func (o *once) Fetch(ctx context.Context) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.secret != "" {
		return o.secret, nil
	}
	secret, err := o.fetch(ctx)
	if err != nil {
		return "", fmt.Errorf("%s: %w", o.name, err)
	}
	if o.secret = strings.TrimSpace(secret); o.secret == "" {
		return "", fmt.Errorf("%s: %w", o.name, ErrEmpty)
	}
	return o.secret, nil
}

func (o *once) Description() string { return o.name }
func (o *once) Immutable() bool     { return false } // so that it is fetched no earlier than it is needed

// full is a secret that must not be empty.
type full struct {
	config.SecretReader
	name string
}

func (f *full) Fetch(ctx context.Context) (string, error) {
	secret, err := f.SecretReader.Fetch(ctx)
	if err == nil && secret == "" {
		err = ErrEmpty
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", f.name, err)
	}
	return secret, nil
}

// output runs the command without input. What it says on standard error is not repeated: it
// may hold the secret.
func (c Command) output(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, c[0], c[1:]...) //nolint:gosec // which is the user's own
	// Something that it started may hold its output open for longer than it lives itself.
	cmd.WaitDelay = time.Second
	var out bounded
	cmd.Stdout = &out
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it succeeded, and left an agent behind
	}
	if err == nil && out.full {
		err = fmt.Errorf("it printed more than %d bytes", maxSecret)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return "", fmt.Errorf("%q failed: %w", c[0], err)
	}
	return out.buffer.String(), nil
}

// bounded keeps as much as a secret can have.
type bounded struct {
	buffer bytes.Buffer
	full   bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.full = b.full || b.buffer.Len()+len(p) > maxSecret; !b.full {
		b.buffer.Write(p)
	}
	return len(p), nil
}

func fromKeyring(key string) (string, error) {
	service, user, found := strings.Cut(key, "/")
	if !found {
		return "", errors.New("give it as service/user")
	}
	secret, err := keyring.Get(service, user)
	if errors.Is(err, keyring.ErrNotFound) {
		return "", fmt.Errorf("the keyring has no secret of service %q and user %q", service, user)
	}
	return secret, err
}
