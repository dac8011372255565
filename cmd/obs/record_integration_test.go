//go:build integration

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What real servers answered is asked again of the recording by another process, which has no
// network where the machine lets one be taken away, and no configuration anywhere.
func TestReplayOfRealAnswers(t *testing.T) {
	d, err := driven()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "obs")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	window := []string{"--from", rfc(d.hard.From), "--to", rfc(d.hard.To), "--baseline", rfc(d.gentle.From) + "/" + rfc(d.gentle.To)}
	var id string
	for trace := range jaegerTraces(t, 5) {
		id = string(trace)
	}
	if id == "" {
		t.Fatal("Jaeger holds no trace")
	}
	for _, c := range []struct {
		name string
		args []string
	}{
		{"triage", window},
		{"services", window},
		{"trace", []string{id}},
		{"logs", []string{"--trace", id}},
		{"alerts", nil},
		{"doctor", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(dir, c.name+".jsonl.gz")
			run := func(alone bool, more ...string) ([]byte, int) {
				args := append([]string{program, c.name, "-o", "json"}, more...)
				if alone && exec.CommandContext(t.Context(), "unshare", "-n", "true").Run() == nil {
					args = append([]string{"unshare", "-n"}, args...)
				}
				cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
				cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(dir, "cache"), "XDG_CONFIG_HOME="+filepath.Join(dir, "config"))
				if alone {
					cmd.Env = []string{"HOME=" + dir}
				}
				var out, said bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &said
				_ = cmd.Run() // its status is looked at
				if out.Len() == 0 {
					t.Fatalf("%q wrote nothing: %s", args, said.String())
				}
				if strings.Contains(said.String(), "does not hold") {
					t.Errorf("%q: %s", args, said.String())
				}
				return out.Bytes(), cmd.ProcessState.ExitCode()
			}
			live, status := run(false, append(c.args, "--record", file)...)
			if status != exitOK && status != exitPartial {
				t.Errorf("the run ended with %d", status)
			}
			again, other := run(true, "--replay", file)
			if !bytes.Equal(live, again) || status != other {
				t.Errorf("status %d, and %d again\nlive  %s\nagain %s", status, other, live, again)
			}
		})
	}
}
