package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"obs/correlate"
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
