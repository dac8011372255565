package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"obs/correlate"
	"obs/correlate/ident"
	"obs/sources"
)

type traceOptions struct {
	common
	windowFlags
	compare bool
}

func newTrace(w world) *cobra.Command {
	o := &traceOptions{}
	cmd := &cobra.Command{
		Use:   "trace ANYTHING [OTHER]",
		Short: "Show one request: every span, and every log record beneath its span",
		Long: `trace takes whatever names a request, and shows the whole request: the waterfall with self
time and critical path, and its log records. It reads

  a trace ID           in hexadecimal, decimal or base64, with leading zeros lost or not
  a request ID         of any shape, which only the logs or the span attributes may know
  a tracing header     traceparent, b3, uber-trace-id, x-amzn-trace-id, x-cloud-trace-context,
                       x-datadog-trace-id
  a link               to a trace in Jaeger, Grafana's Explore or Tempo
  a log line           that holds one of them, and the output of curl -v or -i

With - it reads standard input. It says what it took the text for.

A trace that is stored tells its own time. Otherwise the last 30 minutes are searched, then
6 hours, a day and a week; with --since or --from only that window is.

With --compare it also says what the request does otherwise than normal ones of the same
kind: what is slower, missing, repeated, new or failing. Two traces are compared with each
other.`,
		Example: `  obs trace 4bf92f3577b34da6a3ce929d0e0e4736
  obs trace req_a1b2c3d4 --since 2h
  obs trace 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  curl -si https://shop.example/pay | obs trace -
  obs trace 4bf92f3577b34da6a3ce929d0e0e4736 --compare
  obs trace 4bf92f3577b34da6a3ce929d0e0e4736 463ac35c9f6413ad48485a3953bb6124
  obs trace 4bf92f3577b34da6a3ce929d0e0e4736 -o json`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeTraces(w),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTrace(cmd.Context(), o, args, w)
		},
	}
	o.common.flags(cmd)
	o.windowFlags.flags(cmd, false)
	cmd.Flags().BoolVar(&o.compare, "compare", false, "compare it with normal traces of the same request from the half hour around it")
	return cmd
}

func runTrace(ctx context.Context, o *traceOptions, args []string, w world) error {
	if err := o.check(w); err != nil {
		return err
	}
	text, with, err := o.asked(args, w)
	if err != nil {
		return err
	}
	if err := o.settle(w, &o.windowFlags); err != nil {
		return err
	}
	id, err := o.names.Read(text)
	if err != nil {
		return usage(err, ident.Accepted)
	}
	window, err := o.window(w.now())
	if err != nil {
		return err
	}
	set, err := o.open(ctx, w)
	if err != nil {
		return err
	}
	defer set.Close()
	if set.Traces == nil && set.Logs == nil {
		return usage(errNoRequestBackend, "set JAEGER_URL (or TEMPO_URL) or LOKI_URL, or give --jaeger-url (or --tempo-url) or --loki-url")
	}
	memory := recall(w, set.LogsKey)
	lookup := correlate.Lookup{
		ID: id, Text: id.Text, Window: window, Fixed: o.given(), Compare: o.compare, With: with, Now: w.now(),
		Habits: memory.habits,
	}
	question := correlate.Question{Window: window, Baseline: sources.Window{From: window.From.Add(-window.Duration()), To: window.From}, Names: o.names}
	found, err := o.present(ctx, w, task{
		name: "trace", trace: true, open: opened(correlate.NewExplorer(set, question)),
		work: func(ctx context.Context, x *correlate.Explorer, observe correlate.Observer) *correlate.Case {
			return x.Request(ctx, lookup, observe)
		},
	})
	if err != nil {
		return err
	}
	o.remember(w, func(s *seen, now time.Time) { s.addCase(now, found) })
	if err := memory.keep(); err != nil && o.verbose {
		_, _ = fmt.Fprintf(w.err, "obs: where services log trace IDs was not remembered: %v\n", err)
	}
	if err := lookupExit(found); err != nil || with == "" || found.Comparison != nil {
		return err
	}
	return &exitError{code: exitNotFound} // the other one is not there
}

func lookupExit(c *correlate.Case) error {
	if err := brokenExit(c); err != nil {
		return err
	}
	nothing := c.Trace == nil && len(c.Records) == 0
	switch {
	case nothing && !c.Failed():
		return &exitError{code: exitNotFound} // a limit cuts nothing off where there is nothing
	case c.Partial():
		return &exitError{code: exitPartial}
	}
	return nil
}
