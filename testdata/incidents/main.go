// Command incidents measures `obs triage` on recorded incidents: real metrics, records and
// traces of minutes in which something broke, with the name of what it was.
//
//	incidents load [--keep-traces SHARE] --prometheus-url URL --loki-url URL --jaeger-url URL --otlp-url URL DIR
//	incidents score [--obs FILE] [--without metrics|traces|logs]... [--leave-one-out] DIR
//	incidents trace [--seed N] [-n N] DIR
//	incidents sensitivity [--only NAME]... [--demo] DIR
//
// README.md beside this file tells what DIR holds. load writes to the addresses that its
// flags name; score runs obs, which reads from those that the environment names, trace compares what
// `obs trace` shows of recorded traces with the recordings, and
// sensitivity runs builds of obs in which one number of triage is another.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"obs/sources"
	"obs/sources/sandbox/loader"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1 // something could not be loaded, or obs gave no answer
	exitUsage  = 2
)

const usage = `incidents load [flags] DIR          write the recordings in DIR into real backends, and read them back
incidents score [flags] DIR         run obs triage on the faults of DIR, and count where it ranks the culprit
incidents trace [flags] DIR         look recorded traces up, and compare spans and records with the recordings
incidents sensitivity [flags] DIR   score builds of obs in which one number of triage is halved or doubled
`

// errUsage is the kind of errors that the command line is to blame for.
var errUsage = errors.New("incidents")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, out, log io.Writer) int {
	err := fmt.Errorf("%w: say load, score, trace or sensitivity\n%s", errUsage, usage)
	if len(args) > 0 {
		switch args[0] {
		case "load":
			err = runLoad(ctx, args[1:], out, log)
		case "score":
			err = runScore(ctx, args[1:], out, log)
		case "trace":
			err = runTrace(ctx, args[1:], out, log)
		case "sensitivity":
			err = runSensitivity(ctx, args[1:], out, log)
		}
	}
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errUsage):
		fmt.Fprintln(log, err)
		return exitUsage
	}
	fmt.Fprintln(log, "incidents:", sources.Printable(err.Error()))
	if failure, ok := errors.AsType[*sources.Error](err); ok && failure.Hint != "" {
		fmt.Fprintln(log, "hint:", failure.Hint)
	}
	return exitFailed
}

func runLoad(ctx context.Context, args []string, out, log io.Writer) error {
	var targets loader.Targets
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.StringVar(&targets.PrometheusURL, "prometheus-url", "", "Prometheus, which must take remote write of old samples")
	flags.StringVar(&targets.LokiURL, "loki-url", "", "Loki, which must take old records")
	flags.StringVar(&targets.JaegerURL, "jaeger-url", "", "Jaeger's query service, to read back")
	flags.StringVar(&targets.OTLPURL, "otlp-url", "", "Jaeger's OTLP/HTTP receiver")
	remote := flags.Bool("yes", false, "write to other machines too, not only to this one")
	share := flags.Float64("keep-traces", 1, "take a share of the traces, from 0 to 1, and drop the others as a sampler does")
	folder, err := parse(flags, args)
	if err != nil {
		return err
	}
	if !(*share >= 0 && *share <= 1) {
		return fmt.Errorf("%w load: --keep-traces is a share from 0 to 1", errUsage)
	}
	return load(ctx, folder, targets, *remote, *share, out)
}

func runScore(ctx context.Context, args []string, out, log io.Writer) error {
	var s scorer
	flags := flag.NewFlagSet("score", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.StringVar(&s.obs, "obs", "bin/obs", "the program to measure")
	flags.DurationVar(&s.timeout, "timeout", defaultTimeout, "time for one fault")
	flags.Func("without", "leave out the address of `metrics`, traces or logs; may be repeated", func(signal string) error {
		if signals[signal] == nil {
			return errors.New("it is none of metrics, traces, logs")
		}
		s.without = append(s.without, signal)
		return nil
	})
	each := flags.Bool("leave-one-out", false, "then run again without metrics, without traces and without logs")
	folder, err := parse(flags, args)
	if err != nil {
		return err
	}
	faults, err := readFaults(folder)
	if err != nil {
		return err
	}
	s.progress = log
	return s.report(ctx, faults, *each, out)
}

func runTrace(ctx context.Context, args []string, out, log io.Writer) error {
	t := tracing{}
	flags := flag.NewFlagSet("trace", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.Uint64Var(&t.seed, "seed", 1, "by which the traces are drawn")
	flags.IntVar(&t.count, "n", defaultTraces, "how many traces are drawn, at most")
	folder, err := parse(flags, args)
	if err != nil {
		return err
	}
	if t.count < 1 {
		return fmt.Errorf("%w trace: -n is to be 1 or more", errUsage)
	}
	return t.report(ctx, folder, out)
}

func runSensitivity(ctx context.Context, args []string, out, log io.Writer) error {
	s := sensitivity{progress: log}
	s.scorer.obs = "go" // each build is one of its own
	flags := flag.NewFlagSet("sensitivity", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.DurationVar(&s.scorer.timeout, "timeout", defaultTimeout, "time for one fault")
	flags.BoolVar(&s.demo, "demo", false, "count the scenarios of the demo that each build tells rightly, too")
	flags.Func("only", "turn only what has this `NAME`, such as halfSure or weights[byGap].weight; may be repeated", func(name string) error {
		s.only = append(s.only, name)
		return nil
	})
	folder, err := parse(flags, args)
	if err != nil {
		return err
	}
	if s.faults, err = readFaults(folder); err != nil {
		return err
	}
	if s.root, err = moduleRoot(ctx); err != nil {
		return err
	}
	return s.report(ctx, judgements, out)
}

// parse returns the one argument beside flags, which has to be a folder.
func parse(flags *flag.FlagSet, args []string) (string, error) {
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return "", err
		}
		return "", fmt.Errorf("%w %s: see --help", errUsage, flags.Name())
	}
	if flags.NArg() != 1 {
		return "", fmt.Errorf("%w %s: name the one folder that holds the incidents", errUsage, flags.Name())
	}
	folder := flags.Arg(0)
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return "", fmt.Errorf("%w %s: %s is no folder: name one that holds faults.json and recordings", errUsage, flags.Name(), sources.Printable(folder))
	}
	return folder, nil
}
