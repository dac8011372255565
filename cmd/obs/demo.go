package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"obs/correlate"
	"obs/sources"
	"obs/sources/sandbox"
	"obs/sources/sandbox/shop"
)

type demoOptions struct {
	common
	intoFlags
	gate
	list  bool
	serve bool
	seed  uint64
	speed float64
	mend  time.Duration
}

// liveTick is how often the shop's signals come while it runs.
const liveTick = time.Second

// defaultScenario is the one that a newcomer sees.
const defaultScenario = "latency"

func newDemo(w world) *cobra.Command {
	o := &demoOptions{}
	cmd := &cobra.Command{
		Use:   "demo [SCENARIO]",
		Short: "Show the walk on an embedded shop with an incident in it; nothing to install",
		Long: `demo simulates a small shop, in which something goes wrong or seems to, puts the HTTP APIs of
Prometheus, Loki and Jaeger before it on 127.0.0.1, and triages it. The same seed gives the
same incident.

With --serve it only keeps the three APIs up, and prints the exports with which any other
command can ask them. With --into it writes the same incident into real backends.`,
		Example: `  obs demo
  obs demo saturation -o json
  obs demo --list
  obs demo deploy --serve   # in one terminal; in another the exports that it prints, then obs triage
  obs demo latency --serve --mend-after 2m   # and then obs watch --until healthy`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeScenarios,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := defaultScenario
			if len(args) == 1 {
				name = args[0]
			}
			return runDemo(cmd.Context(), o, name, w)
		},
	}
	o.outputFlags(cmd)
	o.intoFlags.flags(cmd)
	f := cmd.Flags()
	o.gate.flags(cmd, "let the exit status tell the verdict", caseLimits)
	f.BoolVar(&o.list, "list", false, "list the scenarios, with what is true in each")
	f.BoolVar(&o.serve, "serve", false, "keep the three APIs up until interrupted, and print their addresses as exports")
	f.Uint64Var(&o.seed, "seed", 1, "chooses the simulated requests")
	f.Float64Var(&o.speed, "speed", 1, "how many times faster than the clock time goes on while it runs")
	f.DurationVar(&o.mend, "mend-after", 0, "put the trouble right after so much of the shop's time, while it runs (default never)")
	return cmd
}

func completeScenarios(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, s := range shop.Scenarios() {
		names = append(names, s.Name+"\t"+s.Title)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func runDemo(ctx context.Context, o *demoOptions, name string, w world) error {
	if o.list {
		return listScenarios(w)
	}
	if err := o.common.check(w); err != nil {
		return err
	}
	if err := o.prepare(caseMeasures); err != nil {
		return err
	}
	scenario, err := shop.Find(name)
	if err != nil {
		return usage(err, "obs demo --list tells what each is about")
	}
	if o.speed <= 0 {
		return usage(fmt.Errorf("--speed %v: time cannot stand still or go back", o.speed), "give a number above 0")
	}
	if o.mend < 0 {
		return usage(fmt.Errorf("--mend-after %s: nothing is mended before it is seen", o.mend), "give it as 2m")
	}
	switch {
	case w.quiet() && (o.into || o.serve):
		return usage(errors.New("--quiet is for the triage, and neither for --serve nor --into"), "leave it away")
	case o.into:
		return loadShop(ctx, scenario, o, w)
	case o.named() || o.yes:
		return usage(errors.New("the addresses of real backends go with --into"), "without it, demo asks the shop that it simulates")
	case o.serve:
		return serveShop(ctx, scenario, o, w)
	}
	found, err := showShop(ctx, scenario, o, w)
	if err != nil {
		return err
	}
	return o.caseExit(w, found)
}

// showShop triages the shop, which opens behind the first frame: it takes most of a
// second.
func showShop(ctx context.Context, scenario shop.Scenario, o *demoOptions, w world) (*correlate.Case, error) {
	var running *runningShop
	var set sources.Set
	defer func() {
		set.Close()
		if running != nil {
			running.close()
		}
	}()
	return o.present(ctx, w, task{
		name: "demo " + scenario.Name, work: triage,
		open: func(_ context.Context, observe correlate.Observer) (*correlate.Explorer, error) {
			observe(correlate.Step{Name: "shop", Text: "simulating an hour of a shop: " + scenario.Name})
			opening, err := openShop(ctx, scenario, o, w.now())
			if err != nil {
				observe(correlate.Step{Name: "shop", Done: true, Failed: true, Text: err.Error()})
				if ctx.Err() != nil {
					return nil, &exitError{code: exitTimeout} // interrupted before there was anything
				}
				return nil, &exitError{code: exitFailed, err: fmt.Errorf("the demo's shop: %w", err)}
			}
			running = opening
			w.tape.triages(running.question)
			observe(correlate.Step{Name: "shop", Done: true, Text: running.simulated})
			if set, err = o.openSandbox(ctx, running.server, w); err != nil {
				return nil, err
			}
			return correlate.NewExplorer(set, running.question), nil
		},
		renew: func(words string) (*correlate.Explorer, error) {
			if words == "" {
				return correlate.NewExplorer(set, running.question), nil
			}
			question, err := windowFlags{zone: "UTC"}.in(words).question(quiet(w), nil)
			return correlate.NewExplorer(set, question), err
		},
	})
}

// openSandbox opens the shop as any other system, by its addresses. What environment and files
// say about real ones, credentials included, is none of its business.
func (o *demoOptions) openSandbox(ctx context.Context, server *sandbox.Server, w world) (sources.Set, error) {
	o.connection.PrometheusURL, o.connection.LokiURL, o.connection.JaegerURL = server.PrometheusURL, server.LokiURL, server.JaegerURL
	alone := w
	alone.getenv, alone.dir, alone.cache = func(string) string { return "" }, nil, nil
	return o.open(ctx, alone)
}

// serveShop keeps the shop's APIs up until it is interrupted.
func serveShop(ctx context.Context, scenario shop.Scenario, o *demoOptions, w world) error {
	running, err := openShop(ctx, scenario, o, w.now())
	if err != nil {
		return &exitError{code: exitFailed, err: fmt.Errorf("the demo's shop: %w", err)}
	}
	defer running.close()
	return running.serve(ctx, w)
}

// runningShop is a shop that goes on while its three APIs are asked.
type runningShop struct {
	server    *sandbox.Server
	question  correlate.Question // about the incident
	simulated string             // how much of the past there is
	requests  int
	close     func()
}

// openShop simulates the past, serves it, and lets time go on.
func openShop(ctx context.Context, scenario shop.Scenario, o *demoOptions, now time.Time) (*runningShop, error) {
	simulated := shop.New(scenario, shop.Options{Seed: o.seed, Now: now, Speed: o.speed, MendAfter: o.mend})
	stores := sandbox.NewStores()
	stores.Metrics.Rules(sandbox.ShopRules())
	sink := stores.Sink()
	if err := simulated.Past(ctx, sink); err != nil {
		return nil, err
	}
	// From here on the shop belongs to the goroutine in which time goes on.
	running := &runningShop{
		question:  correlate.Question{Window: simulated.Window(), Baseline: simulated.Baseline()},
		simulated: fmt.Sprintf("%d requests, %d log records", simulated.Requests(), simulated.Records()),
		requests:  simulated.Requests(),
	}
	ctx, cancel := context.WithCancel(ctx)
	server, err := sandbox.Serve(ctx, stores, sandbox.Options{})
	if err != nil {
		cancel()
		return nil, err
	}
	live := make(chan struct{})
	go func() {
		defer close(live)
		// It ends with the context, which is no failure of it.
		_ = simulated.Live(ctx, sink, liveTick)
	}()
	running.server = server
	running.close = func() {
		cancel()
		<-live
		_ = server.Close() // it has been left, and nothing of it is kept
	}
	return running, nil
}

func (r *runningShop) serve(ctx context.Context, w world) error {
	window, baseline := r.question.Window, r.question.Baseline
	_, err := fmt.Fprintf(w.out, "%s\n", r.server.Exports())
	if err == nil {
		_, err = fmt.Fprintf(w.err, "obs triage --from %s --to %s --baseline %s/%s asks about the incident; Ctrl-C ends the shop\n",
			rfc(window.From), rfc(window.To), rfc(baseline.From), rfc(baseline.To))
	}
	if err != nil {
		return &exitError{code: exitFailed, err: err}
	}
	<-ctx.Done()
	return nil
}

func rfc(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// listScenarios lists them in columns, between which there are tabs in a pipe.
func listScenarios(w world) error {
	if !w.shown {
		if _, err := fmt.Fprintln(w.out, "scenario\tverdict\tculprit\toperation\ttitle"); err != nil {
			return err
		}
		for _, s := range shop.Scenarios() {
			if _, err := fmt.Fprintf(w.out, "%s\t%s\t%s\t%s\t%s\n", s.Name, s.Truth.Verdict, s.Truth.Culprit, s.Truth.Operation, s.Title); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
	for _, s := range shop.Scenarios() {
		truth := s.Truth.Verdict
		if s.Truth.Culprit != "" {
			truth += ": " + strings.TrimSpace(s.Truth.Culprit+" "+s.Truth.Operation)
		}
		if _, err := fmt.Fprintf(table, "%s\t%s\t%s\n", s.Name, truth, s.Title); err != nil {
			return err
		}
	}
	return table.Flush()
}
