package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"obs/correlate"
	"obs/correlate/doctor"
	"obs/correlate/report"
)

type doctorOptions struct {
	common
	windowFlags
	services []string
	gate     bool
}

func newDoctor(w world) *cobra.Command {
	o := &doctorOptions{}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say whether each hop of the walk can be walked here, and what mends it",
		Long: `doctor asks the backends whether the walk from a metric to a trace to its records, and back, can
be walked here: whether they answer and signals arrive, whether exemplars lead to traces that
are stored, where records carry trace IDs, and whether the three agree on the services' names.
For each gap it has the lines of configuration that mend it. It reads only, and asks a bounded
number of questions.

A hop is ● where an ID leads over it, ▲ where it rests on service and time or succeeds for a
part only, and ✖ where nothing leads over it. A service is as good as its worst hop, and the
whole as its worst service or finding. With --check the exit status is 20 where anything is ✖.
A backend that was never given an address is ▲: it is said each time, and what rests on it is
not judged, but whoever does without it is not told of a failure every night.`,
		Example: `  obs doctor
  obs doctor --service checkout
  obs doctor --check -o json > doctor.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDoctor(cmd.Context(), o, w) },
	}
	o.tableFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.since, "since", "", "look at signals of this long up to now: 30m, 2h, 1d (default "+defaultSince+")")
	f.StringArrayVar(&o.services, "service", nil, "look only at this service; may be repeated")
	f.BoolVar(&o.gate, "check", false, "let the exit status tell whether anything is broken")
	o.zone = "UTC"
	return cmd
}

func runDoctor(ctx context.Context, o *doctorOptions, w world) error {
	if err := o.checkTable(w); err != nil {
		return err
	}
	if err := o.settle(w, &o.windowFlags); err != nil {
		return err
	}
	now := w.now()
	window, err := o.window(now)
	if err != nil {
		return err
	}
	set, err := o.open(ctx, w)
	if err != nil {
		return err
	}
	defer set.Close()
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	found := doctor.Examine(ctx, set, doctor.Options{Now: now, Window: window, Services: o.services, Names: o.names})
	if err := doctorForms.write(w.out, found, o.form(w)); err != nil {
		return &exitError{code: exitFailed, err: fmt.Errorf("writing the report: %w", err)}
	}
	return o.doctorExit(w, found)
}

var doctorForms = formsOf[*doctor.Report]{"text": report.DoctorText, "json": report.DoctorJSON, "markdown": report.DoctorMarkdown, piped: report.DoctorPiped}

// doctorExit is the exit status of an examination. With --check what is broken wins over a
// part that is missing, as long as anything answered.
func (o *doctorOptions) doctorExit(w world, r *doctor.Report) error {
	outcome := &correlate.Case{Missing: r.Missing, Queries: r.Queries, Interrupted: r.Interrupted}
	if err := sayMissing(w, outcome, o.output); err != nil {
		return err
	}
	if err := brokenExit(outcome); err != nil {
		return err
	}
	switch {
	case o.gate && r.Broken():
		return &exitError{code: exitAnomalous}
	case outcome.Failed():
		return &exitError{code: exitPartial}
	case len(r.Services) == 0 && len(o.services) > 0:
		return &exitError{code: exitNotFound}
	}
	return nil
}
