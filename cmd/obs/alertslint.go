package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"obs/correlate"
	"obs/correlate/report"
)

// lintSince is how far back rules are looked at where nothing else is said: it holds every day
// of the week once.
const lintSince = "7d"

type alertsLintOptions struct {
	common
	windowFlags
	gate bool
}

func newAlertsLint(w world) *cobra.Command {
	o := &alertsLintOptions{}
	cmd := &cobra.Command{
		Use:   "lint",
		Short: "Tell which alerting rules help nobody: dead, noisy, or without what people need",
		Long: `lint reads the alerting rules of Prometheus, and what became of them over the last week: rules
that cannot be evaluated, that read metrics which are not there, that fire always, flap, or have
never fired; rules that page for a resource and not for what users notice; and rules without a for,
a severity, an owner or a runbook. Each comes with what mends it.

It asks some queries for all rules together, and writes nothing.`,
		Example: `  obs alerts lint
  obs alerts lint --since 30d -o markdown > rules.md
  obs alerts lint --check   # exit status 20 if anything is wrong`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runAlertsLint(cmd.Context(), o, w) },
	}
	o.tableFlags(cmd)
	o.windowFlags.flags(cmd, false)
	cmd.Flags().Lookup("since").Usage = "how far to look back: 1d, 7d, 30d (default " + lintSince + ")"
	cmd.Flags().BoolVar(&o.gate, "check", false, "let the exit status tell whether anything is wrong")
	return cmd
}

func runAlertsLint(ctx context.Context, o *alertsLintOptions, w world) error {
	if err := o.checkTable(w); err != nil {
		return err
	}
	if err := o.load(w); err != nil {
		return err
	}
	o.usualSince = lintSince // a profile's is about incidents
	window, err := o.window(w.now())
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
	found := correlate.NewExplorer(set, correlate.Question{Window: window, Names: o.names}).Rules(ctx)
	if err := ruleForms.write(w.out, found, o.output); err != nil {
		return &exitError{code: exitFailed, err: fmt.Errorf("writing the report: %w", err)}
	}
	outcome := &correlate.Case{Missing: found.Missing, Queries: found.Queries, Interrupted: ctx.Err() != nil}
	if err := o.tableExit(w, o.output, outcome, found.Unanswered()); err != nil {
		return err
	}
	if o.gate && len(found.Problems) > 0 {
		return &exitError{code: exitAnomalous}
	}
	return nil
}

var ruleForms = formsOf[*correlate.RuleReport]{"text": report.RulesText, "json": report.RulesJSON, "markdown": report.RulesMarkdown}
