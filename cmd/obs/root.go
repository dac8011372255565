package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
	"obs/sources/connect"
	"obs/sources/connect/profile"
)

// Exit statuses, as runbooks rely on them.
const (
	exitOK           = 0
	exitFailed       = 1
	exitUsage        = 2
	exitRefused      = 3
	exitPartial      = 4
	exitNotFound     = 5
	exitTimeout      = 6
	exitAnomalous    = 20
	exitInconclusive = 21
)

// world is what the program touches outside itself, so that a test can bring its own.
type world struct {
	in       io.Reader
	out, err io.Writer
	terminal bool // out is one, and so is the input
	shown    bool // out is one, whatever the input is
	getenv   func(string) string
	now      func() time.Time
	sleep    func(context.Context, time.Duration) // until the context ends at the latest
	selected *selection                           // what out goes through; nil for nothing
	dir      func() (string, error)               // where it was started; nil for nowhere
	cache    func() (string, error)               // the user's folder for what can be found out again; nil to remember nothing
	tape     *tape                                // records the run, or replays another; nil for neither
}

func system() world {
	return world{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		terminal: term.IsTerminal(os.Stdout.Fd()) && term.IsTerminal(os.Stdin.Fd()),
		shown:    term.IsTerminal(os.Stdout.Fd()),
		getenv:   os.Getenv, now: time.Now, sleep: sleep, dir: os.Getwd, cache: os.UserCacheDir,
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// quiet tells that nothing is wanted but what was asked for by name, and errors.
func (w world) quiet() bool { return w.selected != nil && w.selected.quiet }

// remarks is where progress and advice go.
func (w world) remarks() io.Writer {
	if w.quiet() {
		return io.Discard
	}
	return w.err
}

// exitError ends the program with a status. Its text, where it has one, goes to
// standard error.
type exitError struct {
	code int
	err  error
	hint string
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usage(err error, hint string) error { return &exitError{code: exitUsage, err: err, hint: hint} }

// run is the program: arguments in, exit status out.
func run(args []string, w world) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first interrupt ends the work and prints what there is; the second, with the
	// handler gone, ends the program at once.
	context.AfterFunc(ctx, stop)
	return runContext(ctx, args, w)
}

func runContext(ctx context.Context, args []string, w world) int {
	w = w.taped()
	selected := &selection{to: w.out, shown: w.shown}
	w.out, w.selected = selected, selected
	root := newRoot(w) //nolint:contextcheck // cobra hands the context to each command
	root.SetArgs(args)
	root.SetOut(w.out)
	root.SetErr(w.err)
	err := root.ExecuteContext(ctx)
	if failed := selected.end(); failed != nil {
		err = &exitError{code: exitFailed, err: failed}
	}
	if err == nil {
		return exitOK
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		// What is not ours comes from cobra: an unknown command or flag, a missing argument.
		exit = &exitError{code: exitUsage, err: err, hint: "obs help lists the commands, and obs COMMAND --help its flags"}
	}
	if exit.err != nil {
		_, _ = fmt.Fprintf(w.err, "obs: %s\n", sources.Printable(exit.Error()))
	}
	if exit.hint != "" {
		_, _ = fmt.Fprintf(w.err, "  → %s\n", sources.Printable(exit.hint))
	}
	return exit.code
}

func newRoot(w world) *cobra.Command {
	root := &cobra.Command{
		Use:   "obs",
		Short: "From a metric anomaly to the trace to its logs, in a terminal",
		Long: `obs reads the Prometheus, Loki and Jaeger (or Tempo) that already run, and walks from the
metric that moved to a trace that shows it, to the span that spent the time, to the log records of that
very request, by the IDs that the three share.

Addresses come from flags, from PROMETHEUS_URL, LOKI_URL (or LOKI_ADDR) and JAEGER_URL (or
TEMPO_URL), from a profile (obs config), or from a Grafana (GRAFANA_URL and GRAFANA_TOKEN).
Any one of the three will do; with all of them the walk goes all the way.`,
		Example:       "  obs triage --since 30m\n  obs trace 4bf92f3577b34da6a3ce929d0e0e4736",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(err, "see "+cmd.CommandPath()+" --help")
	})
	root.AddCommand(newTriage(w), newTrace(w), newServices(w), newAlerts(w), newLogs(w), newOpen(w), newDiff(w), newWatch(w), newNote(w), newNotes(w), newDoctor(w), newConfig(w), newDemo(w), newVersion(w))
	for _, cmd := range slices.Concat(root.Commands(), below(root)) {
		if cmd.Flags().Lookup("output") != nil && w.selected != nil {
			w.selected.flags(cmd)
		}
	}
	w.tape.commands(w, root)
	completions(w, root)
	root.SetHelpCommand(newHelp(root))
	return root
}

// below are the commands of commands.
func below(root *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, cmd := range root.Commands() {
		all = append(all, cmd.Commands()...)
	}
	return all
}

// newHelp is cobra's help command, but for a command that there is not: that is wrong use
// here as it is without help before it.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return fmt.Errorf("unknown command %q for %q", strings.Join(args, " "), root.Name())
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

func newVersion(w world) *cobra.Command {
	o := &common{timeout: defaultTimeout}
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which build this is",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := o.checkForms(w, twoForms); err != nil {
				return err
			}
			build := sources.ThisBuild()
			return o.write(w, func(out io.Writer) error {
				_, err := fmt.Fprintln(out, build)
				return err
			}, build)
		},
	}
	o.twoFlags(cmd)
	return cmd
}

// twoForms are those of commands about obs itself.
var twoForms = []string{"text", "json"}

func (c *common) twoFlags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&c.output, "output", "o", "", "text or json (default text)")
	takesForms(cmd, twoForms)
}

// write writes what such a command says.
func (c *common) write(w world, text func(io.Writer) error, asJSON any) error {
	if c.output == "json" {
		text = func(out io.Writer) error { return report.Value(out, asJSON) }
	}
	if err := text(w.out); err != nil {
		return &exitError{code: exitFailed, err: err}
	}
	return nil
}

// common are the flags that mean the same in every command that asks a backend.
type common struct {
	connection connect.Options
	settings   *connect.Settings // nil before load
	names      correlate.Names   // the team's own, of the settings
	timeout    time.Duration
	output     string
	save       string
	noColor    bool
	verbose    bool
}

// outputs are the forms that a case can be written in.
var outputs = []string{"text", "json", "markdown", "html", "tui"}

func (c *common) flags(cmd *cobra.Command) {
	c.connectionFlags(cmd)
	c.outputFlags(cmd)
}

func (c *common) connectionFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.connection.Profile, "profile", "", "connections to use (default $OBS_PROFILE, or the current one of obs config)")
	f.StringVar(&c.connection.PrometheusURL, "prometheus-url", "", "address of Prometheus (default $PROMETHEUS_URL)")
	f.StringVar(&c.connection.LokiURL, "loki-url", "", "address of Loki (default $LOKI_URL or $LOKI_ADDR)")
	f.StringVar(&c.connection.JaegerURL, "jaeger-url", "", "address of Jaeger's query service (default $JAEGER_URL)")
	f.StringVar(&c.connection.TempoURL, "tempo-url", "", "address of Grafana Tempo, in place of Jaeger (default $TEMPO_URL, if Jaeger has no address)")
	f.StringVar(&c.connection.AlertmanagerURL, "alertmanager-url", "", "address of Alertmanager, for who is told of alerts (default $ALERTMANAGER_URL)")
}

func (c *common) outputFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.DurationVar(&c.timeout, "timeout", defaultTimeout, "time for the whole command")
	c.outputFlag(cmd)
	f.StringVar(&c.save, "save", "", "also write the case, as JSON, to this file")
	f.BoolVar(&c.noColor, "no-color", false, "no colour, as with $NO_COLOR")
	f.BoolVarP(&c.verbose, "verbose", "v", false, "say each query on standard error as it is sent")
}

// defaultTimeout is for the whole of a command.
const defaultTimeout = time.Minute

// outputFlag is -o alone.
func (c *common) outputFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&c.output, "output", "o", "", "text, json, markdown, html or tui (default tui on a terminal, else text)")
	takesForms(cmd, outputs)
}

// check settles what the flags leave open.
func (c *common) check(w world) error {
	if err := c.checkSelection(w); err != nil {
		return err
	}
	if c.output == "" {
		c.output = "text"
		if w.terminal && w.getenv("TERM") != "dumb" {
			c.output = "tui"
		}
	}
	switch {
	case !slices.Contains(outputs, c.output):
		return usage(fmt.Errorf("no output %q", c.output), "-o takes "+strings.Join(outputs, ", "))
	case c.output == "tui" && !w.terminal:
		return usage(errors.New("-o tui wants a terminal"), "leave -o away, or use -o text")
	}
	return c.checkRest(w)
}

// checkSelection settles --quiet, and --jq and --template, which are about JSON.
func (c *common) checkSelection(w world) error {
	s := w.selected
	switch {
	case s == nil:
		return nil
	case s.quiet && c.verbose:
		return usage(errors.New("--quiet and --verbose say opposite things"), "give one of them")
	case s.quiet && c.output == "tui":
		return usage(errors.New("--quiet shows nothing, and -o tui a screen"), "give one of them")
	}
	if s.expression == "" && s.template == "" {
		if s.quiet && c.output == "" {
			s.silent, c.output = true, "text"
		}
		return nil
	}
	if c.output != "" && c.output != "json" && c.output != "jsonl" {
		return usage(fmt.Errorf("--jq and --template select from JSON, and -o %s is none", c.output), "leave -o away")
	}
	if c.output == "" {
		c.output = "json"
	}
	return s.prepare()
}

// checkRest settles what the flags leave open, but for the output, of which a command may
// have forms of its own.
func (c *common) checkRest(w world) error {
	if c.timeout <= 0 {
		return usage(fmt.Errorf("--timeout %s leaves no time", c.timeout), "give it as 30s or 2m")
	}
	c.noColor = c.noColor || w.getenv("NO_COLOR") != ""
	return nil
}

// load reads what is configured in flags, environment and files.
func (c *common) load(w world) error {
	c.connection = located(w, c.connection)
	c.connection.Ledger = &sources.Ledger{Now: w.now}
	w.tape.connect(&c.connection)
	if c.verbose && c.output != "tui" {
		c.connection.Ledger.Observe = sayQuery(w.err)
	}
	settings, err := w.tape.load(c.connection)
	if err != nil {
		return usage(err, "obs config view shows what is configured, and obs config edit mends it")
	}
	c.settings = settings
	c.names, err = namesOf(settings.Names)
	return err
}

// located is options with the places of this world.
func located(w world, o connect.Options) connect.Options {
	o.Getenv, o.Config, o.Amtool = w.getenv, profile.Path(w.getenv), connect.AmtoolPaths(w.getenv)
	if dir, err := cacheOf(w); err == nil {
		o.Cache = filepath.Join(dir, "obs")
	}
	if w.dir != nil {
		o.Dir, _ = w.dir() // a folder that is gone has no file in it
	}
	return o
}

// settle is load, and takes the profile's window and baseline for the usual ones.
func (c *common) settle(w world, f *windowFlags) error {
	if err := c.load(w); err != nil {
		return err
	}
	f.usualSince, f.usualBaseline = c.settings.Since, c.settings.Baseline
	return nil
}

// open opens the sources for a command that asks for signals, for which alerts alone are not
// enough.
func (c *common) open(ctx context.Context, w world) (sources.Set, error) {
	set, err := c.openAny(ctx, w)
	if err == nil && set.Metrics == nil && set.Logs == nil && set.Traces == nil {
		set.Close()
		nothing := connect.NotConfiguredError{}
		return set, usage(nothing, nothing.Hint())
	}
	return set, err
}

// openAny opens the sources. With --verbose every query is said as it is sent.
func (c *common) openAny(ctx context.Context, w world) (sources.Set, error) {
	if c.settings == nil {
		if err := c.load(w); err != nil {
			return sources.Set{}, err
		}
	}
	said := len(c.settings.Warnings)
	say := func(warnings []string) {
		for _, text := range warnings {
			_, _ = fmt.Fprintf(w.err, "obs: %s\n", sources.Printable(text))
		}
	}
	say(c.settings.Warnings)
	set, err := c.settings.Open(ctx)
	say(c.settings.Warnings[said:])
	var failure *sources.Error
	var nothing connect.NotConfiguredError
	switch {
	case errors.As(err, &failure):
		return set, connectionExit(err, failure)
	case errors.As(err, &nothing):
		return set, usage(err, nothing.Hint())
	case err != nil:
		return set, usage(err, "")
	}
	if c.names, err = namesOf(c.settings.Names); err != nil { // Grafana may have told some
		set.Close()
		return sources.Set{}, err
	}
	return set, nil
}

// connectionExit is the exit of a run that did not come to its first question: a Grafana was
// asked in vain, a file with a certificate cannot be read, or an address is none.
func connectionExit(err error, failure *sources.Error) error {
	switch {
	case errors.Is(err, sources.ErrRefused):
		return &exitError{code: exitRefused, err: err, hint: failure.Hint}
	case errors.Is(err, sources.ErrTimeout):
		return &exitError{code: exitTimeout, err: err, hint: failure.Hint}
	case failure.Status == 0 && errors.Is(err, sources.ErrNotThisAPI):
		return usage(err, failure.Hint) // nothing was asked
	}
	return &exitError{code: exitFailed, err: err, hint: failure.Hint}
}
