package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"obs/correlate"
	"obs/correlate/report"
)

type diffOptions struct {
	common
	gate bool
}

func newDiff(w world) *cobra.Command {
	o := &diffOptions{}
	cmd := &cobra.Command{
		Use:   "diff EARLIER.json LATER.json",
		Short: "Say what changed between two saved cases",
		Long: `diff compares two triages that --save has written: is it getting worse, is it recovering, is it
the incident of last week again? What departs further or nearer is what departs by half as much
again, or by half as much less. With --check the exit status is 0 where the later one is
healthy, 20 where it is not, and 21 where one of them does not tell.`,
		Example: "  obs diff before.json after.json\n  obs triage -o json | obs diff before.json -",
		Args:    cobra.ExactArgs(2),
		RunE:    func(_ *cobra.Command, args []string) error { return runDiff(o, args, w) },
	}
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "text, json or markdown (default text)")
	takesForms(cmd, tableOutputs)
	cmd.Flags().BoolVar(&o.gate, "check", false, "let the exit status tell whether the later case is healthy")
	return cmd
}

func runDiff(o *diffOptions, args []string, w world) error {
	o.timeout = defaultTimeout
	if err := o.checkTable(w); err != nil {
		return err
	}
	if args[0] == "-" && args[1] == "-" {
		return usage(errors.New("standard input holds one case"), "give the other as a file")
	}
	var cases [2]*correlate.Case
	for i, path := range args {
		c, err := readCase(path, w)
		if err != nil {
			return err
		}
		if c.Asked != "" {
			return usage(fmt.Errorf("%s is the case of one request", path), "give two of obs triage; obs trace A B compares requests")
		}
		cases[i] = c
	}
	d := correlate.DiffCases(cases[0], cases[1])
	if err := diffForms.write(w.out, d, o.output); err != nil {
		return &exitError{code: exitFailed, err: err}
	}
	switch {
	case !o.gate:
	case d.Trend == correlate.Unknown:
		return &exitError{code: exitInconclusive}
	case d.Later.Verdict == correlate.Anomalous:
		return &exitError{code: exitAnomalous}
	}
	return nil
}

var diffForms = formsOf[*correlate.Diff]{"text": report.DiffText, "json": report.DiffJSON, "markdown": report.DiffMarkdown}
