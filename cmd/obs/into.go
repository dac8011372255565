package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"obs/sources"
	"obs/sources/sandbox/loader"
	"obs/sources/sandbox/shop"
)

// intoFlags are those with which the demo's shop is written into real backends. The
// addresses come from flags alone: that the environment names a backend to read from is
// no leave to write to it.
type intoFlags struct {
	into       bool
	yes        bool
	prometheus string
	loki       string
	jaeger     string
	otlp       string
}

func (f *intoFlags) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.into, "into", false, "write the scenario's past into the real backends that the next flags name, and read it back")
	flags.StringVar(&f.prometheus, "prometheus-url", "", "with --into: Prometheus, which must take remote write")
	flags.StringVar(&f.loki, "loki-url", "", "with --into: Loki")
	flags.StringVar(&f.jaeger, "jaeger-url", "", "with --into: Jaeger's query service, to read back")
	flags.StringVar(&f.otlp, "otlp-url", "", "with --into: Jaeger's OTLP/HTTP receiver")
	flags.BoolVar(&f.yes, "yes", false, "with --into: write to other machines too, not only to this one")
}

// named reports whether an address was given.
func (f *intoFlags) named() bool {
	return f.prometheus != "" || f.loki != "" || f.jaeger != "" || f.otlp != ""
}

// loadShop writes a scenario's past into real backends, says what they took, and checks
// that it can be read back.
func loadShop(ctx context.Context, scenario shop.Scenario, o *demoOptions, w world) error {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	targets := loader.Targets{PrometheusURL: o.prometheus, LokiURL: o.loki, JaegerURL: o.jaeger, OTLPURL: o.otlp}
	load, err := loader.New(targets, loader.Options{AllowRemote: o.yes, Progress: func(line string) {
		_, _ = fmt.Fprintln(w.err, sources.Printable(line))
	}})
	if err != nil {
		return usage(err, hintOf(err))
	}
	defer load.Close()
	simulated := shop.New(scenario, shop.Options{Seed: o.seed, Now: w.now()})
	if err := simulated.Past(ctx, load); err != nil {
		return &exitError{code: exitTimeout, err: fmt.Errorf("the demo's shop: %w", err)}
	}
	report, err := load.Send(ctx)
	_, _ = fmt.Fprintln(w.out, report)
	if err != nil {
		return writeExit(ctx, err)
	}
	missing, err := load.Check(ctx)
	for _, m := range missing {
		_, _ = fmt.Fprintf(w.out, "missing: %s\n", m)
	}
	switch {
	case err != nil:
		return writeExit(ctx, err)
	case len(missing) > 0:
		return &exitError{code: exitPartial, err: errors.New("not all of it can be read back"), hint: missing[0].Hint}
	}
	window, baseline := simulated.Window(), simulated.Baseline()
	_, err = fmt.Fprintf(w.out, "all of it was read back; to triage it:\nobs triage --from %s --to %s --baseline %s/%s\n",
		rfc(window.From), rfc(window.To), rfc(baseline.From), rfc(baseline.To))
	return err
}

// writeExit is the exit of a load that failed.
func writeExit(ctx context.Context, err error) error {
	code := exitFailed
	switch {
	case ctx.Err() != nil:
		code = exitTimeout
	case errors.Is(err, sources.ErrRefused):
		code = exitRefused
	}
	return &exitError{code: code, err: err, hint: hintOf(err)}
}

func hintOf(err error) string {
	if failure := (*sources.Error)(nil); errors.As(err, &failure) {
		return failure.Hint
	}
	return ""
}
