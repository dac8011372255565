package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cli/browser"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
	"obs/tui"
)

var errNoRequestBackend = errors.New("no Jaeger, Tempo or Loki is configured, and Prometheus knows no single requests")

// task is what a command does that ends in a case.
type task struct {
	name string
	// open opens what is asked. It is called once, and may take time.
	open func(context.Context, correlate.Observer) (*correlate.Explorer, error)
	// work finds out the case, and tells an observer how it goes.
	work func(context.Context, *correlate.Explorer, correlate.Observer) *correlate.Case
	// renew is for a screen, as in tui.Options. Nil where the time is fixed.
	renew func(words string) (*correlate.Explorer, error)
	trace bool // the case is about one request
}

// opened is an open for what is open already.
func opened(x *correlate.Explorer) func(context.Context, correlate.Observer) (*correlate.Explorer, error) {
	return func(context.Context, correlate.Observer) (*correlate.Explorer, error) { return x, nil }
}

// present does the task within the time that it has, shows the case in the form that
// was asked for, and returns it.
func (c *common) present(ctx context.Context, w world, t task) (*correlate.Case, error) {
	found, err := c.show(ctx, w, t)
	if err != nil {
		return nil, err
	}
	if c.save != "" {
		if err := save(c.save, found); err != nil {
			return nil, &exitError{code: exitFailed, err: fmt.Errorf("--save: %w", err)}
		}
	}
	return found, nil
}

func (c *common) show(ctx context.Context, w world, t task) (*correlate.Case, error) {
	if c.output == "tui" {
		return c.onScreen(ctx, w, t)
	}
	observe := progress(w.remarks())
	explorer, err := t.open(ctx, observe)
	if err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	found := t.work(bounded, explorer, observe)
	if err := caseForms.write(w.out, found, c.output); err != nil {
		return nil, &exitError{code: exitFailed, err: fmt.Errorf("writing the case: %w", err)}
	}
	if err := sayMissing(w, found, c.output); err != nil {
		return nil, err
	}
	return found, nil
}

// onScreen shows the task full-screen.
func (c *common) onScreen(ctx context.Context, w world, t task) (*correlate.Case, error) {
	var failure error
	o := tui.Options{
		Title: t.name, Trace: t.trace, Timeout: c.timeout, NoColor: c.noColor, Browse: browse,
		Export: func(found *correlate.Case) (string, error) { return export(found, w.now()) },
		Open: func(ctx context.Context, observe correlate.Observer) tui.Explorer {
			explorer, err := t.open(ctx, observe)
			if err != nil {
				failure = err
				return nil
			}
			return explorer
		},
		Work: func(ctx context.Context, x tui.Explorer, observe correlate.Observer) *correlate.Case {
			return t.work(ctx, x.(*correlate.Explorer), observe)
		},
	}
	if t.renew != nil {
		o.Watch = func(x tui.Explorer, first *correlate.Case) func(context.Context) (*correlate.Glance, time.Time) {
			looker := x.(*correlate.Explorer).Looker(first)
			return func(ctx context.Context) (*correlate.Glance, time.Time) {
				now := w.now().UTC()
				return looker.Look(ctx, correlate.LookWindow(now, tui.WatchEvery), first), now
			}
		}
		o.Renew = func(words string) (tui.Explorer, error) { return t.renew(words) }
	}
	found, err := tui.Run(ctx, o)
	switch {
	case failure != nil:
		return nil, failure
	case err != nil:
		return nil, screenFailure(err, w, c.verbose)
	case found == nil:
		return nil, &exitError{code: exitTimeout} // left before there was anything
	}
	return found, nil
}

// browse opens an address in the person's browser, whose own words stay off the screen.
func browse(url string) error {
	browser.Stdout, browser.Stderr = io.Discard, io.Discard
	return browser.OpenURL(url)
}

// export writes the case into the working directory, under a name that is not taken.
func export(found *correlate.Case, now time.Time) (string, error) {
	path := "obs-case-" + now.UTC().Format("20060102T150405.000Z") + ".json"
	if _, err := os.Lstat(path); err == nil {
		return "", fmt.Errorf("%s is there already", path)
	}
	return path, save(path, found)
}

var caseForms = formsOf[*correlate.Case]{"text": report.Text, "json": report.JSON, "markdown": report.Markdown, "html": report.HTML}

// screenFailure is the exit of a screen that ended early: by its terminal, for which
// there is another way to ask, or by a mistake of obs's own, after which what was found
// is kept.
func screenFailure(err error, w world, verbose bool) error {
	var crash *tui.CrashError
	if !errors.As(err, &crash) {
		return &exitError{code: exitFailed, err: err, hint: "-o text needs no terminal"}
	}
	var hints []string
	if crash.Case != nil {
		if path, err := rescue(crash.Case); err == nil {
			hints = append(hints, "what was found by then is in "+path)
		}
	}
	if verbose {
		_, _ = w.err.Write(crash.Stack)
	} else {
		hints = append(hints, "-v shows the stack, which a report of the mistake wants")
	}
	return &exitError{code: exitFailed, err: err, hint: strings.Join(hints, "; ")}
}

// rescue keeps a case after a crash, where temporary files are kept.
func rescue(found *correlate.Case) (path string, err error) {
	file, err := os.CreateTemp("", "obs-case-*.json")
	if err != nil {
		return "", err
	}
	return file.Name(), errors.Join(report.JSON(file, found), file.Close())
}

// sayMissing tells a person what is missing where the result does not show it: text does,
// but where nothing was found out at all the reason is an error, and goes where errors go.
// With --quiet only what failed is said, which is an error.
func sayMissing(w world, found *correlate.Case, form string) error {
	if form == "text" && found.Answered() && !w.quiet() {
		return nil
	}
	for _, m := range found.Missing {
		if failed := (&correlate.Case{Missing: []correlate.Missing{m}}).Failed(); w.quiet() && !failed {
			continue
		}
		_, err := fmt.Fprintf(w.err, "obs: %s\n", sources.Printable(m.Reason))
		if m.Hint != "" && err == nil {
			_, err = fmt.Fprintf(w.err, "  → %s\n", sources.Printable(m.Hint))
		}
		if err != nil {
			return &exitError{code: exitFailed, err: err}
		}
	}
	return nil
}

// save writes the case so that the file is whole or absent. Cases quote log lines, so
// only their owner may read them.
func save(path string, c *correlate.Case) error {
	return writeWhole(path, func(out io.Writer) error { return report.JSON(out, c) })
}

// writeWhole writes a file so that it is whole or as it was before, for its owner alone.
func writeWhole(path string, write func(io.Writer) error) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".obs-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	if err := errors.Join(write(file), file.Close()); err != nil {
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
