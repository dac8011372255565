package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"obs/sources"
	"obs/sources/connect"
)

// configured is a run of the program with a configuration file and an environment of its own.
type configured struct {
	t   *testing.T
	dir string // where files are written, and where the program is started
	env map[string]string
	now func() time.Time
}

func newConfigured(t *testing.T) *configured {
	t.Helper()
	dir := t.TempDir()
	return &configured{t: t, dir: dir, env: map[string]string{"OBS_CONFIG": filepath.Join(dir, "config.yaml")}, now: time.Now}
}

// file writes one and returns its path.
func (a *configured) file(name, text string) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// profile writes the configuration file with one profile, given as the lines below it.
func (a *configured) profile(lines ...string) {
	a.t.Helper()
	a.file("config.yaml", "current: here\nprofiles:\n  here:\n    "+strings.Join(lines, "\n    ")+"\n")
}

// obs runs the program.
func (a *configured) obs(args ...string) ended { return a.obsUntil(a.t.Context(), args...) }

func (a *configured) obsUntil(ctx context.Context, args ...string) ended {
	var stdout, stderr bytes.Buffer
	status := runContext(ctx, args, world{
		out: &stdout, err: &stderr, now: a.now,
		getenv: func(name string) string { return a.env[name] },
		dir:    func() (string, error) { return a.dir, nil },
	})
	return endedAs(&stdout, &stderr, status)
}

// secrets are all that were planted in a test.
type secrets []string

// basic are a user's password, and what goes out for both.
func (s *secrets) basic(user, password string) {
	*s = append(*s, password, base64.StdEncoding.EncodeToString([]byte(user+":"+password)), url.QueryEscape(password), url.PathEscape(password))
}

// told fails the test where one of the secrets stands in a text.
func (s secrets) told(t *testing.T, where, text string) {
	t.Helper()
	for _, secret := range s {
		if i := strings.Index(text, secret); secret != "" && i >= 0 {
			t.Errorf("the secret %q stands in %s: …%s…", secret, where, text[max(0, i-100):min(len(text), i+100)])
		}
	}
}

// open opens what the configuration names, as a command does.
func (a *configured) open() sources.Set {
	a.t.Helper()
	set, err := connect.Open(a.t.Context(), connect.Options{Config: a.env["OBS_CONFIG"], Dir: a.dir, Getenv: func(name string) string { return a.env[name] }})
	if err != nil {
		a.t.Fatal(err)
	}
	return set
}

// windowUpTo is the half hour before a moment.
func windowUpTo(end time.Time) sources.Window {
	return sources.Window{From: end.Add(-30 * time.Minute), To: end}
}
