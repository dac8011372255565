package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"obs/testdata/terminal"
)

// realTerminal runs obs in tmux. Without tmux the test is skipped, except where
// OBS_NEED_TMUX says that it must be there, as the continuous integration does.
func realTerminal(t *testing.T, width, height int, env []string, args ...string) (*terminal.Terminal, context.Context) {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("OBS_NEED_TMUX") != "" {
			t.Fatal("tmux is not installed")
		}
		t.Skip("tmux is not installed, and this test looks at a real terminal")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	// Through env, since tmux gives its windows a TERM of its own.
	command := append([]string{"env", "PROMETHEUS_URL=", "LOKI_URL=", "LOKI_ADDR=", "JAEGER_URL="}, env...)
	term, err := terminal.Start(ctx, width, height, append(append(command, builtObs(t)), args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := term.Close(); err != nil {
			t.Error(err)
		}
	})
	return term, ctx
}

// builtObs is the program, built once for all tests that run it for real.
func builtObs(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "obs")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// Enter four times goes from the anomaly to the log line of the request that shows it.
func TestEnterFourTimesInARealTerminal(t *testing.T) {
	term, ctx := realTerminal(t, 120, 40, nil, "demo", "latency")
	must := func(screen string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return screen
	}
	press := func(keys ...string) {
		t.Helper()
		if err := term.Press(ctx, keys...); err != nil {
			t.Fatal(err)
		}
	}
	must(term.WaitFor(ctx, "ANOMALOUS since", "first suspect: payment", ">✖"))
	press("Enter")
	must(term.WaitFor(ctx, "› ", "p95", "onset", "exemplar "))
	press("Enter")
	must(term.WaitFor(ctx, "slow traces", "what tells them apart", "where the time goes"))
	press("Enter")
	waterfall := must(term.WaitFor(ctx, "slow traces ›", "payment"))
	press("Enter")
	logs := must(term.WaitFor(ctx, " logs ", "by span_id", ">"))
	id := traceIn(waterfall)
	if id == "" || !strings.Contains(logs, id[:8]) {
		t.Errorf("the trace on the screen is %q; the logs are\n%s", id, logs)
	}
	selected := ""
	for _, line := range strings.Split(logs, "\n") {
		if strings.HasPrefix(line, ">") {
			selected = line
		}
	}
	if !strings.Contains(selected, "WARN") && !strings.Contains(selected, "ERROR") {
		t.Errorf("the line that is selected is %q of\n%s", selected, logs)
	}
	press("y")
	must(term.WaitFor(ctx, "copied"))
	for _, back := range []string{"traces › ", "what tells them apart", "onset ", "first suspect"} {
		press("Escape")
		must(term.WaitFor(ctx, back))
	}
	if err := term.Resize(ctx, 50, 10); err != nil {
		t.Fatal(err)
	}
	must(term.WaitFor(ctx, "obs needs 60x15"))
	if err := term.Resize(ctx, 80, 24); err != nil {
		t.Fatal(err)
	}
	must(term.WaitFor(ctx, "first suspect", "? help"))
	press("q")
	left := must(term.WaitFor(ctx, "left 0"))
	if strings.Contains(left, "first suspect") {
		t.Errorf("the screen is not as it was before obs:\n%s", left)
	}
}

// traceIn is the first text on the screen that looks like a trace ID, whole or shortened.
func traceIn(screen string) string {
	for _, word := range strings.Fields(screen) {
		word = strings.TrimRight(word, "…")
		if len(word) >= 8 && strings.Trim(word, "0123456789abcdef") == "" {
			return word
		}
	}
	return ""
}

func TestADumbTerminalGetsText(t *testing.T) {
	term, ctx := realTerminal(t, 120, 40, []string{"TERM=dumb"}, "demo", "latency")
	screen, err := term.WaitFor(ctx, "left 0")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(screen, "? help") {
		t.Errorf("a full screen on a terminal that cannot show one:\n%s", screen)
	}
}
