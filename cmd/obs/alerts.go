package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
)

var errNoAlerts = errors.New("prometheus is not configured, and neither is alertmanager: nothing else knows alerts")

type alertsOptions struct{ common }

func newAlerts(w world) *cobra.Command {
	o := &alertsOptions{}
	cmd := &cobra.Command{
		Use:   "alerts",
		Short: "List the alerts that are firing or pending now",
		Long: `alerts lists what Prometheus's alerting rules have raised, and what Alertmanager has: firing ones
first, then those that have been there for longest. One that both have is one row, which says
who silenced it, or what inhibits it. In a pipe or a file, text is lines with tabs between
columns, below a line with their names. Alertmanager alone knows no pending alerts, and Prometheus
alone no silences. That none is firing is an answer, and no failure.

Alertmanager's address comes from --alertmanager-url, from ALERTMANAGER_URL, from the profile, or,
where none is used, from the configuration of amtool.

obs triage --alert NAME starts from one of them.`,
		Example: "  obs alerts\n  obs alerts -o json\n  obs alerts lint",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runAlerts(cmd.Context(), o, w) },
	}
	o.tableFlags(cmd)
	cmd.AddCommand(newAlertsLint(w))
	return cmd
}

func runAlerts(ctx context.Context, o *alertsOptions, w world) error {
	if err := o.checkTable(w); err != nil {
		return err
	}
	set, err := o.openAny(ctx, w)
	if err != nil {
		return err
	}
	defer set.Close()
	if set.Metrics == nil && set.Notifications == nil {
		return usage(errNoAlerts, "set PROMETHEUS_URL or ALERTMANAGER_URL, or give --prometheus-url or --alertmanager-url")
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	now := w.now().UTC()
	explorer := correlate.NewExplorer(set, correlate.Question{Window: sources.Window{From: now, To: now}, Names: o.names})
	found := explorer.Alerts(ctx)
	if err := alertForms.write(w.out, found, o.form(w)); err != nil {
		return &exitError{code: exitFailed, err: fmt.Errorf("writing the alerts: %w", err)}
	}
	outcome := &correlate.Case{Missing: found.Missing, Queries: found.Queries, Interrupted: ctx.Err() != nil}
	return o.tableExit(w, o.form(w), outcome, found.Unanswered())
}

var alertForms = formsOf[*correlate.AlertList]{"text": report.AlertsText, "json": report.AlertsJSON, "markdown": report.AlertsMarkdown, piped: report.AlertsPiped}
