package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
)

var errNoMetrics = errors.New("prometheus is not configured, and nothing else knows rates")

const noMetricsHint = "set PROMETHEUS_URL, or give --prometheus-url"

// tableOutputs are the forms that a table can be written in.
var tableOutputs = []string{"text", "json", "markdown"}

type servicesOptions struct {
	common
	windowFlags
	gate
	by       string
	services []string
}

// groupings are the values of --by.
var groupings = []string{string(correlate.PerService), string(correlate.PerEndpoint), string(correlate.PerInstance)}

func newServices(w world) *cobra.Command {
	o := &servicesOptions{}
	cmd := &cobra.Command{
		Use:   "services",
		Short: "List the services: rate, errors, durations and saturation, against the baseline",
		Long: `services lists every service that the metrics know, or its endpoints, or its instances: how
many requests it gets, how many fail, how long they take, and what it uses most of what it
has, each in the window and against the baseline. What departs for the worse comes first.
In a pipe or a file, text is lines with tabs between columns, below a line with their names.

With --check the exit status is 20 where one departs for the worse. With --fail-on it is 20
where a value of the window is beyond a limit, which standard error says, and 21 where there
are no values to judge by; a service that --service names must have one.`,
		Example: `  obs services
  obs services --since 1h --baseline 24h
  obs services --by endpoints --service checkout
  obs services --by instances -o json
  obs services --since 10m --service checkout --fail-on 'errors>2%,p99>500ms'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runServices(cmd.Context(), o, w) },
	}
	o.tableFlags(cmd)
	o.windowFlags.flags(cmd, true)
	cmd.Flags().StringVar(&o.by, "by", groupings[0], "what to list: "+strings.Join(groupings, ", "))
	cmd.Flags().StringArrayVar(&o.services, "service", nil, "look only at this service; may be repeated")
	o.gate.flags(cmd, "let the exit status tell whether a service departs for the worse", tableLimits)
	_ = cmd.RegisterFlagCompletionFunc("by", cobra.FixedCompletions(groupings, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runServices(ctx context.Context, o *servicesOptions, w world) error {
	if err := o.checkTable(w); err != nil {
		return err
	}
	if !slices.Contains(groupings, o.by) {
		return usage(fmt.Errorf("no grouping %q", o.by), "--by takes "+strings.Join(groupings, ", "))
	}
	if err := o.prepare(tableMeasures); err != nil {
		return err
	}
	if err := o.settle(w, &o.windowFlags); err != nil {
		return err
	}
	question, err := o.question(w, o.services)
	if err != nil {
		return err
	}
	set, err := o.openMetrics(ctx, w)
	if err != nil {
		return err
	}
	defer set.Close()
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	question.Names = o.names
	explorer := correlate.NewExplorer(set, question)
	found := explorer.Services(ctx, correlate.Grouping(o.by))
	o.remember(w, func(s *seen, now time.Time) {
		for i := range found.Services {
			s.addServices(now, found.Services[i].Service)
		}
	})
	if err := serviceForms.write(w.out, found, o.form(w)); err != nil {
		return &exitError{code: exitFailed, err: fmt.Errorf("writing the table: %w", err)}
	}
	outcome := &correlate.Case{Missing: found.Missing, Queries: found.Queries, Interrupted: ctx.Err() != nil}
	if !o.gate.check {
		return o.common.tableExit(w, o.form(w), outcome, len(found.Services) == 0)
	}
	if err := sayMissing(w, outcome, o.form(w)); err != nil {
		return err
	}
	return o.gate.tableExit(w, found, o.services, outcome)
}

var serviceForms = formsOf[*correlate.ServiceTable]{"text": report.ServicesText, "json": report.ServicesJSON, "markdown": report.ServicesMarkdown, piped: report.ServicesPiped}

// tableFlags are the common ones, but for those of a case.
func (c *common) tableFlags(cmd *cobra.Command) {
	c.flags(cmd)
	for _, name := range []string{"save", "no-color"} {
		_ = cmd.Flags().MarkHidden(name) // a table is no case, and has no colour
	}
	output := cmd.Flags().Lookup("output")
	output.Usage = "text, json or markdown (default text)"
	takesForms(cmd, tableOutputs)
}

// checkTable settles what the flags leave open: a table has no screen and no page of its own.
func (c *common) checkTable(w world) error { return c.checkForms(w, tableOutputs) }

// checkForms does the same for a command that has these forms.
func (c *common) checkForms(w world, forms []string) error {
	switch {
	case slices.Contains(outputs, c.output) && !slices.Contains(forms, c.output):
		return usage(fmt.Errorf("-o %s is not for this command", c.output), "-o takes "+strings.Join(forms, ", "))
	case c.save != "":
		return usage(errors.New("--save is for cases, which this is none"), "write -o json to a file")
	}
	if err := c.checkSelection(w); err != nil {
		return err
	}
	c.output = cmp.Or(c.output, "text")
	return c.check(w)
}

// piped is the form of a table as text that is not for a person's eyes: in a pipe or a file
// its columns stand between tabs.
const piped = "piped"

// formsOf are how a result is written, by the name of each form.
type formsOf[T any] map[string]func(io.Writer, T) error

// write writes a result; as text in a form that it does not have of its own, such as piped.
func (f formsOf[T]) write(out io.Writer, result T, form string) error {
	write, known := f[form]
	if !known {
		write = f["text"]
	}
	return write(out, result)
}

// form is how a table is written.
func (c *common) form(w world) string {
	if c.output == "text" && !w.shown {
		return piped
	}
	return c.output
}

// openMetrics opens the sources for a command that only Prometheus has an answer for.
func (c *common) openMetrics(ctx context.Context, w world) (sources.Set, error) {
	set, err := c.open(ctx, w)
	if err == nil && set.Metrics == nil {
		set.Close()
		return set, usage(errNoMetrics, noMetricsHint)
	}
	return set, err
}

// tableExit tells a person what is missing where the result does not show it, and is the
// exit status of a table.
func (c *common) tableExit(w world, form string, outcome *correlate.Case, nothing bool) error {
	if err := sayMissing(w, outcome, form); err != nil {
		return err
	}
	if err := brokenExit(outcome); err != nil {
		return err
	}
	switch {
	case outcome.Partial():
		return &exitError{code: exitPartial}
	case nothing:
		return &exitError{code: exitNotFound}
	}
	return nil
}
