package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"obs/correlate"
	"obs/sources"
)

type openOptions struct {
	common
	gate
}

func newOpen(w world) *cobra.Command {
	o := &openOptions{}
	cmd := &cobra.Command{
		Use:   "open CASE.json",
		Short: "Show a saved case again, without any backend",
		Long: `open shows a case that --save, -o json or e on a screen has written, as it was: full-screen, or as
text, Markdown, JSON or one HTML page. No backend is asked. - reads standard input. The exit status is that
of the run that is shown.`,
		Example: "  obs open case.json\n  obs open case.json -o markdown > incident.md\n  obs open case.json -o html > incident.html\n  obs triage -o json | obs open - -o text",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runOpen(cmd.Context(), o, args[0], w) },
	}
	f := cmd.Flags()
	o.outputFlag(cmd)
	f.BoolVar(&o.noColor, "no-color", false, "no colour, as with $NO_COLOR")
	o.gate.flags(cmd, "let the exit status tell whether the case is healthy", caseLimits)
	return cmd
}

func runOpen(ctx context.Context, o *openOptions, path string, w world) error {
	o.timeout = defaultTimeout // nothing that is shown takes time
	if path == "-" {
		w.terminal = false // what is typed there is the case
	}
	if err := o.common.check(w); err != nil {
		return err
	}
	if err := o.prepare(caseMeasures); err != nil {
		return err
	}
	found, err := readCase(path, w)
	if err != nil {
		return err
	}
	trace := found.Asked != ""
	if trace && len(o.limits) > 0 {
		return usage(fmt.Errorf("%s is the case of one request, which has no verdict", sources.Printable(path)), "--fail-on is for those of obs triage")
	}
	name := "triage"
	if trace {
		name = "trace"
	}
	_, err = o.present(ctx, w, task{
		name: name + ", saved", trace: trace, open: opened(correlate.NewSaved(found)),
		work: func(context.Context, *correlate.Explorer, correlate.Observer) *correlate.Case { return found },
	})
	if err != nil {
		return err
	}
	if trace {
		return lookupExit(found)
	}
	return o.caseExit(w, found)
}

// maxCase bounds what is read of a file, in bytes: a case of the largest trace that obs
// reads from a backend has some 200 MB.
const maxCase = 512 << 20

// readCase reads a case from a file, or from standard input.
func readCase(path string, w world) (*correlate.Case, error) {
	in := w.in
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, usage(err, "give a file that --save has written, or - for standard input")
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	if in == nil {
		in = bytes.NewReader(nil)
	}
	const hint = "give a file that --save or -o json has written"
	var found correlate.Case
	limited := &io.LimitedReader{R: in, N: maxCase}
	switch err := json.NewDecoder(limited).Decode(&found); {
	case errors.Is(err, io.EOF):
		return nil, usage(fmt.Errorf("%s is empty", sources.Printable(path)), hint)
	case limited.N == 0:
		return nil, usage(fmt.Errorf("%s is larger than a case can be", sources.Printable(path)), hint)
	case err != nil:
		return nil, usage(fmt.Errorf("%s is no case: %w", sources.Printable(path), err), hint)
	case found.Schema != correlate.Schema:
		return nil, usage(fmt.Errorf("%s is no case that this obs knows: its schema is %q, and not %q", sources.Printable(path), sources.Shorten(found.Schema, 40), correlate.Schema), hint)
	}
	return &found, nil
}
