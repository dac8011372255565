//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"obs/correlate"
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
	id := "" // of the request that triage chose, which has records
	for _, c := range []struct {
		name string
		args []string
	}{
		{"triage", window},
		{"services", window},
		{"trace", []string{"ID"}},
		{"logs", []string{"--trace", "ID"}},
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
			args := slices.Clone(c.args)
			if at := slices.Index(args, "ID"); at >= 0 {
				args[at] = id
			}
			live, status := run(false, append(args, "--record", file)...)
			if status != exitOK && status != exitPartial {
				t.Errorf("the run ended with %d", status)
			}
			if c.name == "triage" {
				var found correlate.Case
				if err := json.Unmarshal(live, &found); err != nil || found.Trace == nil {
					t.Fatalf("it chose no request: %v", err)
				}
				id = string(found.Trace.ID)
			}
			again, other := run(true, "--replay", file)
			if !bytes.Equal(live, again) || status != other {
				t.Errorf("status %d, and %d again\nlive  %s\nagain %s", status, other, live, again)
			}
		})
	}
}
