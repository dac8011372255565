package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"obs/correlate"
)

type triageOptions struct {
	common
	windowFlags
	alertFlags
	gate
	services []string
}

func newTriage(w world) *cobra.Command {
	o := &triageOptions{}
	cmd := &cobra.Command{
		Use:   "triage",
		Short: "Find what is wrong: the anomaly, the trace that shows it, the span to blame, its logs",
		Long: `triage compares a window with its baseline for every service, without being told a metric:
it names what departs, goes to a trace that shows it, to the span that spent the time, and
to the log records of that trace, and says for each step how it was joined.

With --alert or --from-alert it starts from an alert: from shortly before the alert's expression
began to hold until now, or until it was over, unless a window is given; at the alert's own series
and its service first, and at every other service too, since the cause may be there. --service
then chooses among several alerts of a name.`,
		Example: `  obs triage
  obs triage --since 15m --baseline 24h
  obs triage --from 14:00 --to 14:30 --service checkout -o json
  obs triage --alert HighErrorRatio
  obs triage --from-alert - < webhook.json
  obs triage --since 5m --check   # exit status 0 healthy, 20 anomalous, 21 too little data
  obs triage --since 5m --fail-on 'suspect-score>=0.5,inconclusive'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTriage(cmd.Context(), o, w) },
	}
	o.common.flags(cmd)
	o.notesFlag(cmd)
	o.windowFlags.flags(cmd, true)
	o.alertFlags.flags(cmd)
	cmd.Flags().StringArrayVar(&o.services, "service", nil, "look only at this service; may be repeated")
	o.gate.flags(cmd, "let the exit status tell the verdict", caseLimits)
	return cmd
}

func runTriage(ctx context.Context, o *triageOptions, w world) error {
	if o.message == "-" {
		w.terminal = false // what is typed there is the message
	}
	if err := o.common.check(w); err != nil {
		return err
	}
	if err := o.prepare(caseMeasures); err != nil {
		return err
	}
	if err := o.read(w); err != nil {
		return err
	}
	if err := o.settle(w, &o.windowFlags); err != nil {
		return err
	}
	// A window that cannot be is told before anything is asked.
	question, err := o.question(quietIf(w, o.alertFlags.given()), o.services)
	if err != nil {
		return err
	}
	set, err := o.open(ctx, w)
	if err != nil {
		return err
	}
	defer set.Close()
	question.Names = o.names
	var explorer *correlate.Explorer
	found, err := o.present(ctx, w, task{
		name: "triage", work: triage,
		open: func(ctx context.Context, observe correlate.Observer) (*correlate.Explorer, error) {
			if o.alertFlags.given() {
				ctx, cancel := context.WithTimeout(ctx, o.timeout)
				defer cancel()
				if question, err = o.start(ctx, w, &o.windowFlags, o.names, o.services, set, observe); err != nil {
					return nil, err
				}
			}
			explorer = correlate.NewExplorer(set, question)
			return explorer, nil
		},
		renew: func(words string) (*correlate.Explorer, error) {
			again, err := o.windowFlags.in(words).question(quiet(w), question.Services)
			again.Names, again.Alert = o.names, question.Alert
			return correlate.NewExplorer(set, again), err
		},
	})
	if err != nil {
		return err
	}
	o.remember(w, func(s *seen, now time.Time) {
		if explorer != nil {
			s.addServices(now, explorer.Known()...)
		}
		s.addCase(now, found)
	})
	return o.caseExit(w, found)
}

func triage(ctx context.Context, x *correlate.Explorer, observe correlate.Observer) *correlate.Case {
	return x.Triage(ctx, observe)
}

// verdictExit is the exit status of a triage. With --check the verdict is what is
// asked for; what is known of it wins over a part that is missing.
func verdictExit(c *correlate.Case, gate bool) error {
	if err := brokenExit(c); err != nil {
		return err
	}
	nothing := c.Verdict == correlate.Inconclusive && len(c.Anomalies) == 0 && len(c.Suspects) == 0 && len(c.Records) == 0
	switch {
	case gate && c.Verdict == correlate.Anomalous:
		return &exitError{code: exitAnomalous}
	case c.Partial():
		return &exitError{code: exitPartial}
	case gate && c.Verdict == correlate.Inconclusive:
		return &exitError{code: exitInconclusive}
	case nothing:
		return &exitError{code: exitNotFound}
	}
	return nil
}

// brokenExit is the exit status of a run that found out nothing, or was cut off; nil
// for one that came to its end.
func brokenExit(c *correlate.Case) error {
	if c.Interrupted {
		return &exitError{code: exitTimeout}
	}
	if c.Answered() {
		return nil
	}
	refused, timeouts := 0, 0
	failed := 0
	for _, m := range c.Missing {
		switch m.Kind {
		case correlate.MissingRefused:
			refused++
		case correlate.MissingTimeout:
			timeouts++
		case correlate.MissingFailed:
			failed++
		}
	}
	switch {
	case failed > 0:
		return &exitError{code: exitFailed}
	case refused > 0:
		return &exitError{code: exitRefused}
	case timeouts > 0:
		return &exitError{code: exitTimeout}
	}
	return &exitError{code: exitFailed}
}
