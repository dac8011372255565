package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
	"obs/tui"
)

var errNoRequestBackend = errors.New("neither Jaeger nor Loki is configured, and Prometheus knows no single requests")

// work finds out a case, and tells an observer how it goes.
type work func(context.Context, correlate.Observer) *correlate.Case

// present does the work within the time that it has, shows the case in the form that
// was asked for, and returns it.
func (c *common) present(ctx context.Context, w world, name string, do work) (*correlate.Case, error) {
	bounded := func(ctx context.Context, observe correlate.Observer) *correlate.Case {
		ctx, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		return do(ctx, observe)
	}
	var found *correlate.Case
	if c.output == "tui" {
		var err error
		found, err = tui.Run(ctx, tui.Options{Title: name, Work: bounded, NoColor: c.noColor})
		if err != nil {
			return nil, screenFailure(err, w.err, c.verbose)
		}
		if found == nil {
			return nil, &exitError{code: exitTimeout} // left before there was anything
		}
	} else {
		found = bounded(ctx, progress(w.err))
		if err := write(w.out, found, c.output); err != nil {
			return nil, &exitError{code: exitFailed, err: fmt.Errorf("writing the case: %w", err)}
		}
		if err := sayMissing(w.err, found, c.output); err != nil {
			return nil, &exitError{code: exitFailed, err: err}
		}
	}
	if c.save != "" {
		if err := save(c.save, found); err != nil {
			return nil, &exitError{code: exitFailed, err: fmt.Errorf("--save: %w", err)}
		}
	}
	return found, nil
}

func write(out io.Writer, c *correlate.Case, form string) error {
	switch form {
	case "json":
		return report.JSON(out, c)
	case "markdown":
		return report.Markdown(out, c)
	}
	return report.Text(out, c)
}

// screenFailure is the exit of a screen that ended early: by its terminal, for which
// there is another way to ask, or by a mistake of obs's own.
func screenFailure(err error, out io.Writer, verbose bool) error {
	var crash *tui.CrashError
	if !errors.As(err, &crash) {
		return &exitError{code: exitFailed, err: err, hint: "-o text needs no terminal"}
	}
	if !verbose {
		return &exitError{code: exitFailed, err: err, hint: "-v shows the stack, which a report of the mistake wants"}
	}
	_, _ = out.Write(crash.Stack)
	return &exitError{code: exitFailed, err: err}
}

// sayMissing tells a person what is missing where the result does not show it: text does,
// but where nothing was found out at all the reason is an error, and goes where errors go.
func sayMissing(out io.Writer, c *correlate.Case, form string) error {
	if form == "text" && c.Answered() {
		return nil
	}
	for _, m := range c.Missing {
		if _, err := fmt.Fprintf(out, "obs: %s\n", sources.Printable(m.Reason)); err != nil {
			return err
		}
		if m.Hint == "" {
			continue
		}
		if _, err := fmt.Fprintf(out, "  → %s\n", sources.Printable(m.Hint)); err != nil {
			return err
		}
	}
	return nil
}

// save writes the case so that the file is whole or absent. Cases quote log lines, so
// only their owner may read them.
func save(path string, c *correlate.Case) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".obs-case-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	if err := errors.Join(report.JSON(file, c), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// progress says each step on standard error: what is being done, and what came of it.
func progress(out io.Writer) correlate.Observer {
	var mu sync.Mutex
	return func(s correlate.Step) {
		if s.SoFar != nil {
			return // for a screen, which can show it and then something else
		}
		mu.Lock()
		defer mu.Unlock()
		mark := "…"
		switch {
		case s.Failed:
			mark = "✗"
		case s.Done:
			mark = "✓"
		}
		_, _ = fmt.Fprintf(out, "%s %-10s %s\n", mark, s.Name, sources.Printable(s.Text))
	}
}

// sayQuery says each query as it is sent and as it is answered.
func sayQuery(out io.Writer) func(sources.Query) {
	var mu sync.Mutex
	return func(q sources.Query) {
		mu.Lock()
		defer mu.Unlock()
		if q.Status == sources.QueryRunning {
			_, _ = fmt.Fprintf(out, "→ %-10s %s\n", q.Backend, sources.Printable(q.Text))
			return
		}
		text := fmt.Sprintf("← %-10s %s in %s, %d records, %s", q.Backend, q.Status, q.Duration.Round(time.Millisecond), q.Records, report.Bytes(q.Bytes))
		if q.Attempts > 1 {
			text += fmt.Sprintf(", %d attempts", q.Attempts)
		}
		_, _ = fmt.Fprintln(out, text)
	}
}
