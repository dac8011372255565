package profile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
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
// service, but nobody can answer it. It is less than an attempt's time, so that the command
// is blamed and not the server.
const commandTime = 20 * time.Second

// failureKept is how long a secret that could not be had is not asked for again: all requests
// of a run that begins then fail at once, and each of them would start a command that hangs,
// or ask somebody for a touch. A screen that stays open asks again.
const failureKept = 30 * time.Second

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
		return &once{name: what + "_keyring " + key, fetch: func(ctx context.Context) (string, error) { return fromKeyring(ctx, key) }}
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

	mu       sync.Mutex
	secret   string
	failed   error
	failedAt time.Time
}

func (o *once) Fetch(ctx context.Context) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.secret != "" {
		return o.secret, nil
	}
	if o.failed != nil && time.Since(o.failedAt) < failureKept {
		return "", o.failed
	}
	secret, err := o.fetch(ctx)
	if secret = strings.TrimSpace(secret); err == nil && secret == "" {
		err = ErrEmpty
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", o.name, err)
		if !errors.Is(ctx.Err(), context.Canceled) {
			o.failed, o.failedAt = err, time.Now()
		}
		return "", err
	}
	o.secret = secret
	return secret, nil
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
	// The path is in the name already.
	if file := (*fs.PathError)(nil); errors.As(err, &file) {
		err = file.Err
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", f.name, err)
	}
	return secret, nil
}

// errNoAnswer tells of a command that waits for something. It is no context's error: the
// command's time ended and not that of the one who asked.
var errNoAnswer = errors.New("did not end in time: run it by hand, it may ask for something")

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
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "", fmt.Errorf("%q %w", c[0], errNoAnswer)
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", fmt.Errorf("%q failed: %w: run it by hand, it has to print the secret", c[0], err)
	case out.full:
		return "", fmt.Errorf("%q printed more than %d bytes", c[0], maxSecret)
	case strings.TrimSpace(out.buffer.String()) == "":
		return "", fmt.Errorf("%q printed nothing: %w", c[0], ErrEmpty)
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

func fromKeyring(ctx context.Context, key string) (string, error) {
	service, user, found := strings.Cut(key, "/")
	if !found {
		return "", errors.New("give it as service/user")
	}
	// A keyring that is locked may ask somebody to unlock it, and nothing ends that.
	type answer struct {
		secret string
		err    error
	}
	got := make(chan answer, 1)
	go func() {
		secret, err := keyring.Get(service, user)
		got <- answer{secret, err}
	}()
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	var secret string
	var err error
	select {
	case a := <-got:
		secret, err = a.secret, a.err
	case <-ctx.Done():
		return "", errors.New("the keyring did not answer in time: unlock it")
	}
	if errors.Is(err, keyring.ErrNotFound) {
		return "", fmt.Errorf("the keyring has no secret of service %q and user %q", service, user)
	}
	return secret, err
}
