package tui

import (
	"bytes"
	"context"
	"io"
	"testing"

	tea "charm.land/bubbletea/v2"

	"obs/correlate"
)

// drawnTo tells when something was first drawn.
type drawnTo struct{ first func() }

func (w drawnTo) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("what changed")) {
		w.first()
	}
	return len(p), nil
}

// BenchmarkFirstFrame is from Run to the first frame on the terminal, with backends that
// do not answer.
func BenchmarkFirstFrame(b *testing.B) {
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		input, keys := io.Pipe()
		o := Options{
			Title: "triage",
			Open: func(ctx context.Context, _ correlate.Observer) Explorer {
				<-ctx.Done()
				return nil
			},
		}
		_, _ = run(ctx, o, tea.WithInput(input), tea.WithOutput(drawnTo{cancel}), tea.WithWindowSize(120, 40), tea.WithEnvironment([]string{"TERM=xterm-256color"}))
		_ = keys.Close()
		_ = input.Close()
		cancel()
	}
}
