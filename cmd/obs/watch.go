package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
)

type watchOptions struct {
	common
	windowFlags
	services []string
	interval time.Duration
	until    string
	onChange string
	bell     bool
}

const (
	// untilHealthy is the one state that --until waits for.
	untilHealthy = "healthy"
	// leastInterval keeps a watch from asking more often than most systems collect.
	leastInterval   = 10 * time.Second
	defaultInterval = time.Minute
)

// watchOutputs are its forms. A watch has no whole that json could be: it is jsonl.
var watchOutputs = []string{"text", "json", "jsonl"}

func newWatch(w world) *cobra.Command {
	o := &watchOptions{}
	cmd := &cobra.Command{
		Use:   "watch [CASE.json]",
		Short: "Look again at an interval: worse, same, recovering, recovered",
		Long: `watch triages once, or takes a case that --save has written, and then looks again and again at
the last half of an interval (30 s at least; the rates in it look back on about as much again).
Each look is held against the baseline of the first, the time before the trouble, and says in a
line how it goes: worse, same, recovering, recovered, healthy, or unknown where a backend fails or
there is too little data. What begins to depart counts once two looks agree that have no sample in
common: with an interval of a minute or more, from the second look in a row.

With --until healthy it ends by itself with status 0 at the first look, after the first one of
all, that finds everything well in data enough to tell: silence is not health. It ends with 6 if
--timeout passes before, or if it is interrupted. Without --until either is its proper end, and
the status is 0.

--on-change runs a command with sh when the state changes; its environment has OBS_TREND,
OBS_VERDICT, OBS_SINCE (RFC 3339), OBS_SERVICE (the first suspect) and OBS_TEXT. What it writes
goes to standard error. Its failure is said, and ends nothing.`,
		Example: `  obs watch --until healthy --timeout 30m    # the last line of a runbook
  obs watch CASE.json --interval 30s
  obs watch --on-change 'notify-send "$OBS_TREND" "$OBS_TEXT"'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runWatch(cmd.Context(), o, args, w) },
	}
	o.connectionFlags(cmd)
	o.windowFlags.flags(cmd, true)
	f := cmd.Flags()
	f.StringArrayVar(&o.services, "service", nil, "look only at this service; may be repeated")
	f.DurationVar(&o.interval, "interval", defaultInterval, "time from one look to the next")
	f.StringVar(&o.until, "until", "", "end when this is so: healthy")
	f.DurationVar(&o.timeout, "timeout", 0, "end after this time (default never)")
	f.StringVar(&o.onChange, "on-change", "", "run this command with sh whenever the state changes")
	f.BoolVar(&o.bell, "bell", false, "ring the terminal's bell whenever the state changes")
	f.StringVarP(&o.output, "output", "o", "", "text or jsonl, which json is too (default text)")
	takesForms(cmd, watchOutputs)
	f.BoolVar(&o.noColor, "no-color", false, "no colour, as with $NO_COLOR")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "say each query on standard error as it is sent")
	return cmd
}

// checkWatch settles and refuses what the flags leave open.
func (o *watchOptions) checkWatch(w world, saved bool) error {
	if err := o.checkSelection(w); err != nil {
		return err
	}
	o.output = cmp.Or(o.output, "text")
	if o.output == "json" {
		o.output = "jsonl"
	}
	switch {
	case o.output != "text" && o.output != "jsonl":
		return usage(fmt.Errorf("no output %q of watch", o.output), "-o takes "+strings.Join(watchOutputs, ", "))
	case o.until != "" && o.until != untilHealthy:
		return usage(fmt.Errorf("--until %q is nothing that watch waits for", o.until), "give --until healthy")
	case o.interval < leastInterval:
		return usage(fmt.Errorf("--interval %s is shorter than %s, in which hardly anything is collected", o.interval, leastInterval), "give it as 30s or 1m")
	case o.timeout < 0:
		return usage(fmt.Errorf("--timeout %s leaves no time", o.timeout), "give it as 30m")
	case saved && (o.given() || o.baseline != ""):
		return usage(errors.New("a saved case has its window and its baseline"), "leave --since, --from, --to and --baseline away")
	}
	o.noColor = o.noColor || w.getenv("NO_COLOR") != ""
	return nil
}

func runWatch(ctx context.Context, o *watchOptions, args []string, w world) error {
	if err := o.checkWatch(w, len(args) > 0); err != nil {
		return err
	}
	var saved *correlate.Case
	if len(args) > 0 {
		var err error
		if saved, err = readCase(args[0], w); err != nil {
			return err
		}
		if saved.Asked != "" || saved.Baseline == nil {
			return usage(fmt.Errorf("%s is no triage: it has no baseline to hold anything against", args[0]), "give a case of obs triage --save")
		}
	}
	if err := o.settle(w, &o.windowFlags); err != nil {
		return err
	}
	question, err := o.watched(saved, w)
	if err != nil {
		return err
	}
	set, err := o.open(ctx, w)
	if err != nil {
		return err
	}
	defer set.Close()
	question.Names = o.names
	watch := &watching{
		watchOptions: o, world: w, looker: correlate.NewLooker(set, question), begun: w.now(), window: question.Window,
	}
	return watch.run(ctx, saved)
}

// watched is what is asked: with a saved case what that was about.
func (o *watchOptions) watched(saved *correlate.Case, w world) (correlate.Question, error) {
	if saved == nil {
		return o.question(w, o.services)
	}
	return correlate.Question{Window: saved.Window, Baseline: *saved.Baseline, Services: o.services}, nil
}

// watching is a watch under way.
type watching struct {
	*watchOptions
	world
	looker *correlate.Looker
	state  correlate.Watch
	begun  time.Time
	window sources.Window // of the first look
}

func (w *watching) run(ctx context.Context, saved *correlate.Case) error {
	if saved != nil {
		if err := w.say(ctx, w.state.See(&correlate.Glance{Case: saved}, saved.Window.To)); err != nil {
			return err
		}
	} else if done, err := w.first(ctx); done || err != nil {
		return err
	}
	for n := 0; ; n++ {
		if n > 0 || saved == nil {
			w.pause(ctx)
		}
		if ctx.Err() != nil || w.over() {
			return w.ended()
		}
		now := w.now().UTC()
		glance := w.look(ctx, correlate.LookWindow(now, w.interval))
		if ctx.Err() != nil {
			return w.ended() // a look that was cut off says nothing
		}
		look := w.state.See(glance, now)
		if err := w.say(ctx, look); err != nil || (w.until != "" && look.Well()) {
			return err
		}
	}
}

// first triages. Where nothing answers there is nothing to watch.
func (w *watching) first(ctx context.Context) (done bool, err error) {
	look := w.look(ctx, w.window)
	switch {
	case ctx.Err() != nil:
		return true, w.ended()
	case !look.Case.Answered():
		if err := sayMissing(w.world, look.Case, "text"); err != nil {
			return true, err
		}
		return true, brokenExit(look.Case)
	}
	return false, w.say(ctx, w.state.See(look, w.now()))
}

// look looks within the time that any command has, and that of the watch.
func (w *watching) look(ctx context.Context, window sources.Window) *correlate.Glance {
	within := defaultTimeout
	if w.timeout > 0 {
		within = min(within, w.timeout-w.now().Sub(w.begun))
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return w.looker.Look(ctx, window, w.state.First())
}

// pause waits until the next look is due, counted from the beginning so that looks do not
// drift, or until the time of the watch is up.
func (w *watching) pause(ctx context.Context) {
	passed := w.now().Sub(w.begun)
	wait := w.interval - passed%w.interval
	if w.timeout > 0 {
		wait = min(wait, w.timeout-passed)
	}
	if wait > 0 {
		w.sleep(ctx, wait)
	}
}

// over reports whether the time of the watch is up.
func (w *watching) over() bool { return w.timeout > 0 && w.now().Sub(w.begun) >= w.timeout }

// ended is the end by time or by interrupt: what was waited for did not come.
func (w *watching) ended() error {
	if w.until == "" {
		return nil
	}
	return &exitError{code: exitTimeout, err: fmt.Errorf("it was not %s when the watch ended", w.until), hint: "the last line says how it was"}
}

// say writes a look, and tells who wants to know of a change.
func (w *watching) say(ctx context.Context, look *correlate.Look) error {
	write := report.LookTabs
	switch {
	case w.output == "jsonl":
		write = report.LookJSON
	case w.shown:
		write = func(out io.Writer, l *correlate.Look) error { return report.LookText(out, l, !w.noColor) }
	}
	if err := write(w.out, look); err != nil {
		return &exitError{code: exitFailed, err: fmt.Errorf("writing the look: %w", err)}
	}
	if look.Changed && w.bell && w.shown {
		_, _ = fmt.Fprint(w.err, "\a")
	}
	if look.Changed && w.onChange != "" {
		w.runOnChange(ctx, look)
	}
	return nil
}

// runOnChange runs the person's command for no longer than an interval. What backends said
// reaches it through its environment alone, which no shell reads as a command.
func (w *watching) runOnChange(ctx context.Context, look *correlate.Look) {
	ctx, cancel := context.WithTimeout(ctx, w.interval)
	defer cancel()
	command := exec.CommandContext(ctx, "sh", "-c", w.onChange) //nolint:gosec // the command is the person's own
	command.Env = append(os.Environ(),
		"OBS_TREND="+string(look.Trend), "OBS_VERDICT="+string(look.Verdict), "OBS_SINCE="+rfc(look.Since),
		"OBS_SERVICE="+sources.Printable(look.Suspect), "OBS_TEXT="+sources.Printable(look.Reason))
	command.Stdout, command.Stderr = w.err, w.err
	command.WaitDelay = time.Second // for what it started and left behind
	if err := command.Run(); err != nil {
		_, _ = fmt.Fprintf(w.err, "obs: --on-change: %v\n", err)
	}
}
