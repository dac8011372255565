package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources"
)

// A person who has seen enough interrupts the run while a server keeps it waiting.
func TestInterruptedRunKeepsWhatItHas(t *testing.T) {
	answers := answering(t, incident)
	trace := moments()["TRACE"]
	for _, test := range []struct {
		name string
		args func(silent string) []string
		held string // the request during which it is interrupted
		want []string
	}{
		{
			"before anything is there",
			func(silent string) []string { return []string{"triage", "--prometheus-url", silent} },
			"/api/v1/label/__name__/values",
			[]string{"INCONCLUSIVE", "the run ended before there was enough to tell", "prometheus", "interrupted before it was done"},
		},
		{
			"with the trace, before its records",
			func(silent string) []string {
				return []string{"trace", trace, "--jaeger-url", answers, "--loki-url", silent}
			},
			"/loki/api/v1/series",
			[]string{"TRACE " + trace, "SQL SELECT", "loki", "interrupted before it was done"},
		},
		{
			"with the anomaly, before its trace",
			func(silent string) []string {
				m := moments()
				return []string{"triage", "--from", m["TURN"], "--to", m["TO"], "--prometheus-url", answers, "--jaeger-url", silent, "--loki-url", answers}
			},
			"/api/v3/traces/",
			[]string{"ANOMALOUS", "customer p95", "jaeger", "interrupted before it was done"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			address, asked := silent(t)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan ended)
			go func() { done <- runAt(ctx, noon, test.args(address)...) }()
			if path := <-asked; !strings.HasPrefix(path, test.held) {
				t.Errorf("the silent server was asked for %s first, not for %s", path, test.held)
			}
			cancel()
			got := <-done
			if got.status != exitTimeout {
				t.Errorf("status %d, want %d", got.status, exitTimeout)
			}
			for _, want := range test.want {
				if !strings.Contains(got.stdout, want) {
					t.Errorf("want %q in\n%s", want, got.stdout)
				}
			}
		})
	}
}

// Nothing more is asked once the run is over, and what was asked is let go of.
func TestInterruptedRunAsksNoMore(t *testing.T) {
	address, asked := silent(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan ended)
	go func() {
		done <- runAt(ctx, noon, "triage", "-o", "json", "--prometheus-url", address, "--jaeger-url", address, "--loki-url", address)
	}()
	<-asked
	cancel()
	got := <-done
	if len(asked) > 0 {
		t.Errorf("it went on to ask for %s", <-asked)
	}
	var c correlate.Case
	if err := json.Unmarshal([]byte(got.stdout), &c); err != nil {
		t.Fatal(err)
	}
	if !c.Interrupted || c.Verdict != correlate.Inconclusive || len(c.Queries) != 1 {
		t.Errorf("interrupted %t, %s, after %d queries; want true, inconclusive, 1", c.Interrupted, c.Verdict, len(c.Queries))
	}
	if got.status != exitTimeout || !strings.Contains(got.stderr, "interrupted") {
		t.Errorf("status %d, want %d, and the interruption said in\n%s", got.status, exitTimeout, got.stderr)
	}
}

// A signal ends the program itself in the same way.
func TestSignals(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			address, asked := silent(t)
			var stdout, stderr bytes.Buffer
			program := exec.CommandContext(t.Context(), "obs", "trace", "4bf92f3577b34da6a3ce929d0e0e4736", "--jaeger-url", address)
			program.Stdout, program.Stderr = &stdout, &stderr
			if err := program.Start(); err != nil {
				t.Fatal(err)
			}
			<-asked
			if err := program.Process.Signal(signal); err != nil {
				t.Error(err)
			}
			var exit *exec.ExitError
			if err := program.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitTimeout {
				t.Errorf("it ended with %v, want status %d", err, exitTimeout)
			}
			if !strings.Contains(stdout.String(), "4bf92f3577b34da6a3ce929d0e0e4736: taken for trace ID") || !strings.Contains(stdout.String(), "interrupted") {
				t.Errorf("standard output:\n%sstandard error:\n%s", &stdout, &stderr)
			}
		})
	}
}

// Every command that waits for a server ends when it is told to, with the status of that and
// without a word about anything else.
func TestEveryCommandEndsBySignal(t *testing.T) {
	for _, test := range []struct {
		args   []string
		status int
	}{
		{[]string{"triage"}, exitTimeout},
		{[]string{"services"}, exitTimeout},
		{[]string{"services", "--fail-on", "errors>1%"}, exitTimeout},
		{[]string{"alerts"}, exitTimeout},
		{[]string{"doctor", "--check"}, exitTimeout},
		{[]string{"logs", "--service", "a"}, exitTimeout},
		{[]string{"logs", "--service", "a", "-q"}, exitTimeout},
		{[]string{"logs", `{app="a"}`, "--follow"}, exitOK}, // which is how it is meant to end
	} {
		for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
			t.Run(strings.Join(test.args, " ")+" "+signal.String(), func(t *testing.T) {
				address, asked := silent(t)
				var stderr bytes.Buffer
				program := exec.CommandContext(t.Context(), "obs", test.args...)
				program.Stderr = &stderr
				program.Env = append(os.Environ(), "PROMETHEUS_URL="+address, "LOKI_URL="+address, "JAEGER_URL="+address)
				if err := program.Start(); err != nil {
					t.Fatal(err)
				}
				<-asked
				if err := program.Process.Signal(signal); err != nil {
					t.Error(err)
				}
				_ = program.Wait() // the status tells
				if status := program.ProcessState.ExitCode(); status != test.status || strings.Contains(stderr.String(), "panic") || strings.Contains(stderr.String(), "goroutine") {
					t.Errorf("it ended with %d, want %d: %s", status, test.status, stderr.String())
				}
			})
		}
	}
}

// A shop that is served ends by a signal as it is meant to.
func TestServedShopEndsBySignal(t *testing.T) {
	var stderr bytes.Buffer
	program := exec.CommandContext(t.Context(), "obs", "demo", "healthy", "--serve")
	program.Stderr = &stderr
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "export PROMETHEUS_URL=") {
		t.Errorf("%q, %v", line, err)
	}
	if err := program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := program.Wait(); err != nil {
		t.Errorf("it ended with %v: %s", err, stderr.String())
	}
}

// A reader that has seen enough, as head has, ends the program without a word.
func TestReaderLeaves(t *testing.T) {
	_, loki := openedShop(t, 20)
	for _, args := range [][]string{
		{"--service", "payment"}, {"--service", "payment", "-o", "jsonl"}, {"--service", "payment", "--jq", ".line"}, {"--service", "payment", "--template", "{{.line}}"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			var stderr bytes.Buffer
			program := exec.CommandContext(t.Context(), "obs", append([]string{"logs", "--follow", "--loki-url", loki}, args...)...)
			program.Stderr = &stderr
			out, err := program.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := program.Start(); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line == "" {
				t.Errorf("%q, %v", line, err)
			}
			if err := out.Close(); err != nil {
				t.Error(err)
			}
			_ = program.Wait() // by the signal that the next line brings
			if by, _ := program.ProcessState.Sys().(syscall.WaitStatus); by.Signal() != syscall.SIGPIPE || stderr.Len() > 0 {
				t.Errorf("it ended with %v, and said %q", program.ProcessState, stderr.String())
			}
		})
	}
}

// untouched is an input that nobody may read: a prompt would wait there for ever.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("it reads standard input")
	return 0, io.EOF
}

// No command asks anything of whoever runs it where no terminal is.
func TestNothingPrompts(t *testing.T) {
	closed := refusing(t)
	saved := filepath.Join(t.TempDir(), "case.json")
	if err := save(saved, correlate.NewCase(sources.Window{From: noon, To: noon})); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "config.yaml")
	for _, args := range [][]string{
		{"triage"}, {"trace", "4bf92f3577b34da6a3ce929d0e0e4736"}, {"services"}, {"alerts"}, {"logs", "--service", "a"}, {"logs", "--service", "a", "--follow"},
		{"doctor"}, {"open", saved}, {"diff", saved, saved}, {"demo", "--list"}, {"demo", "--into"}, {"version"}, {"help"}, {"completion", "bash"}, {},
		{"config", "set", "loki.url", closed}, {"config", "use", "default"}, {"config", "view"}, {"config", "edit"}, {"config", "schema"}, {"config", "import", "grafana", closed},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			var out, said bytes.Buffer
			runContext(t.Context(), args, world{
				in: untouched{t}, out: &out, err: &said, now: func() time.Time { return noon },
				getenv: func(name string) string {
					switch name {
					case "PROMETHEUS_URL", "LOKI_URL", "JAEGER_URL":
						return closed
					case "OBS_CONFIG":
						return config
					}
					return ""
				},
			})
			if out.Len()+said.Len() == 0 {
				t.Error("it says nothing")
			}
		})
	}
}
