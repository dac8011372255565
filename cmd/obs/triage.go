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
	services []string
	gate     bool
}

func newTriage(w world) *cobra.Command {
	o := &triageOptions{}
	cmd := &cobra.Command{
		Use:   "triage",
		Short: "Find what is wrong: the anomaly, the trace that shows it, the span to blame, its logs",
		Long: `triage compares a window with its baseline for every service, without being told a metric:
it names what departs, goes to a trace that shows it, to the span that spent the time, and
to the log records of that trace, and says for each step how it was joined.`,
		Example: `  obs triage
  obs triage --since 15m --baseline 24h
  obs triage --from 14:00 --to 14:30 --service checkout -o json
  obs triage --since 5m --check   # exit status 0 healthy, 20 anomalous, 21 too little data`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTriage(cmd.Context(), o, w) },
	}
	o.common.flags(cmd)
	o.notesFlag(cmd)
	o.windowFlags.flags(cmd, true)
	cmd.Flags().StringArrayVar(&o.services, "service", nil, "look only at this service; may be repeated")
	cmd.Flags().BoolVar(&o.gate, "check", false, "let the exit status tell the verdict")
	return cmd
}

func runTriage(ctx context.Context, o *triageOptions, w world) error {
	if err := o.check(w); err != nil {
		return err
	}
	if err := o.settle(w, &o.windowFlags); err != nil {
		return err
	}
	question, err := o.question(w, o.services)
	if err != nil {
		return err
	}
	set, err := o.open(ctx, w)
	if err != nil {
		return err
	}
	defer set.Close()
	question.Names = o.names
	explorer := correlate.NewExplorer(set, question)
	found, err := o.present(ctx, w, task{
		name: "triage", open: opened(explorer), work: triage,
		renew: func(words string) (*correlate.Explorer, error) {
			question, err := o.windowFlags.in(words).question(quiet(w), o.services)
			question.Names = o.names
			return correlate.NewExplorer(set, question), err
		},
	})
	if err != nil {
		return err
	}
	o.remember(w, func(s *seen, now time.Time) {
		s.addServices(now, explorer.Known()...)
		s.addCase(now, found)
	})
	return verdictExit(found, o.gate)
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
