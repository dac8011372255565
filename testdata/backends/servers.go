// Package backends runs, for tests, the script of its folder: real Prometheus, Loki, Jaeger
// and what stands around them, on loopback.
package backends

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Servers is a set of servers.
type Servers struct {
	// Settings are the variables that tell where the servers are, as PROMETHEUS_URL. Of servers
	// that the test did not start it has none: they are in the environment.
	Settings map[string]string
	script   string
	env      []string
}

// Started is the set that the script's own settings in the environment name, and that was
// started before the test.
func Started(t testing.TB) *Servers {
	t.Helper()
	return &Servers{script: script(t)}
}

// Start starts a fresh set beside any other, with its ports moved by shift, and ends it with the
// test. What of it ended by itself in the meantime is told, with the end of its log.
func Start(t testing.TB, shift int) *Servers {
	t.Helper()
	s := &Servers{Settings: map[string]string{}, script: script(t)}
	s.env = append(os.Environ(), "OBS_BACKENDS_STATE="+t.TempDir(), fmt.Sprintf("OBS_BACKENDS_PORT_SHIFT=%d", shift))
	t.Cleanup(func() {
		if _, said := s.run(t, "down"); strings.Contains(said, "by itself") {
			t.Errorf("a server did not last:\n%s", said)
		}
	})
	line, _ := s.run(t, "up")
	for _, field := range strings.Fields(strings.TrimPrefix(line, "export ")) {
		name, value, _ := strings.Cut(field, "=")
		s.Settings[name] = value
	}
	return s
}

// Stop stops a server, whose data stay.
func (s *Servers) Stop(t testing.TB, server string) {
	t.Helper()
	s.run(t, "stop", server)
}

// Resume starts a server again, and waits until it answers.
func (s *Servers) Resume(t testing.TB, server string) {
	t.Helper()
	s.run(t, "start", server)
}

func (s *Servers) run(t testing.TB, args ...string) (output, said string) {
	t.Helper()
	// Not the test's context: its end is when `down` is wanted.
	cmd := exec.CommandContext(context.Background(), s.script, args...) //nolint:gosec // this repository's own script
	cmd.Env = s.env
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	if failure := cmd.Run(); failure != nil {
		t.Fatalf("backends %s: %v\n%s", strings.Join(args, " "), failure, err.String())
	}
	return out.String(), err.String()
}

// script is looked for from the test's folder upwards.
func script(t testing.TB) string {
	t.Helper()
	at, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if file := filepath.Join(at, "testdata", "backends", "backends"); isFile(file) {
			return file
		}
		up := filepath.Dir(at)
		if up == at {
			t.Fatal("no testdata/backends/backends in the folders above the test's")
		}
		at = up
	}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
