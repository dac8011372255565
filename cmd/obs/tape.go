package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
	"obs/sources/connect"
	"obs/sources/recording"
	"obs/sources/redact"
)

// tape is --record and --replay. A run of either kind is of one moment: its clock stands
// still, it remembers nothing of earlier runs, and nothing is remembered of it, so that the
// second asks what the first has asked. A nil tape does neither.
type tape struct {
	record, replay string // paths
	clock          func() time.Time

	began    time.Time // zero before the command begins
	input    strings.Builder
	head     recording.Head
	recorder *recording.Recorder
	played   *recording.Recording
	player   *recording.Player
	ledger   *sources.Ledger
	settings *connect.Settings
}

// taped is the world with a tape in it.
func (w world) taped() world {
	t := &tape{clock: w.now}
	in, cache := w.in, w.cache
	w.tape = t
	w.now = func() time.Time {
		if t.on() {
			return t.began
		}
		return t.clock()
	}
	w.in = inputFunc(func(p []byte) (int, error) { return t.read(in, p) })
	if cache != nil {
		w.cache = func() (string, error) {
			if t.on() {
				return "", os.ErrNotExist
			}
			return cache()
		}
	}
	return w
}

type inputFunc func([]byte) (int, error)

func (f inputFunc) Read(p []byte) (int, error) { return f(p) }

// on tells that the run is recorded or replayed.
func (t *tape) on() bool { return t != nil && !t.began.IsZero() }

// recordable are the commands that --record and --replay go with. The others ask no backend,
// or go on for a time, which is not of one moment.
var recordable = []string{"triage", "trace", "services", "alerts", "logs", "doctor"}

// commands gives the flags to whom they belong.
func (t *tape) commands(w world, root *cobra.Command) {
	if t == nil {
		return
	}
	for _, cmd := range root.Commands() {
		demo := cmd.Name() == "demo" // whose recording is one of triage
		if !demo && !slices.Contains(recordable, cmd.Name()) {
			continue
		}
		f := cmd.Flags()
		f.StringVar(&t.record, "record", "", "keep what is exchanged with the backends in this file, without secrets; .gz compresses it")
		if !demo {
			f.StringVar(&t.replay, "replay", "", "run again what this file has recorded, without a network")
		}
		args, run := cmd.Args, cmd.RunE
		cmd.Args = func(cmd *cobra.Command, given []string) error {
			if t.replay != "" && len(given) == 0 {
				return nil // they are in the recording
			}
			return args(cmd, given)
		}
		cmd.RunE = func(cmd *cobra.Command, given []string) error {
			given, err := t.begin(cmd, given)
			if err != nil {
				return err
			}
			return t.end(w, run(cmd, given))
		}
	}
}

// ownFlags belong to one run and not to what it asks: those of connections, of output and of
// the exit status. Of these a replay may have others.
var ownFlags = []string{
	"profile", "prometheus-url", "loki-url", "jaeger-url", "tempo-url", "alertmanager-url", "notes-url",
	"output", "save", "no-color", "verbose", "quiet", "jq", "template", "check", "fail-on", "record", "replay",
}

// begin starts the tape, and returns the arguments that the command is to run with.
func (t *tape) begin(cmd *cobra.Command, args []string) ([]string, error) {
	switch {
	case t.record != "" && t.replay != "":
		return nil, usage(errors.New("--record keeps what a run exchanges, and --replay exchanges nothing"), "give one of them")
	case t.record != "":
		return args, t.beginRecord(cmd, args)
	case t.replay != "":
		return t.beginReplay(cmd, args)
	}
	return args, nil
}

func (t *tape) beginRecord(cmd *cobra.Command, args []string) error {
	if folder, err := os.Stat(filepath.Dir(t.record)); err != nil || !folder.IsDir() {
		return usage(fmt.Errorf("--record: there is no folder %s", sources.Printable(filepath.Dir(t.record))), "make it first: what a run has exchanged cannot be had again")
	}
	t.began = t.clock().UTC()
	t.recorder = &recording.Recorder{}
	t.head = recording.Head{Obs: sources.ThisBuild().String(), Command: cmd.Name(), Now: t.began}
	for _, arg := range args {
		t.head.Args = append(t.head.Args, redact.Text(arg))
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains(ownFlags, f.Name) {
			t.head.Flags = append(t.head.Flags, recording.Flag{Name: f.Name, Values: flagValues(f)})
		}
	})
	return nil
}

func flagValues(f *pflag.Flag) []string {
	all := []string{f.Value.String()}
	if list, ok := f.Value.(pflag.SliceValue); ok {
		all = list.GetSlice()
	}
	for i := range all {
		all[i] = redact.Text(all[i])
	}
	return all
}

func (t *tape) beginReplay(cmd *cobra.Command, args []string) ([]string, error) {
	const hint = "give a file that --record has written"
	file, err := os.Open(t.replay)
	if err != nil {
		return nil, usage(fmt.Errorf("--replay: %w", err), hint)
	}
	defer func() { _ = file.Close() }()
	t.played, err = recording.Read(file)
	if err != nil {
		return nil, usage(fmt.Errorf("--replay: %s: %w", sources.Printable(t.replay), err), hint)
	}
	if t.played.Command != cmd.Name() {
		return nil, usage(fmt.Errorf("--replay: that run was of obs %s", sources.Printable(t.played.Command)), "obs "+sources.Printable(t.played.Command)+" --replay shows it again")
	}
	other := ""
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != "timeout" && !slices.Contains(ownFlags, f.Name) {
			other = "--" + f.Name
		}
	})
	if len(args) > 0 {
		other = args[0]
	}
	if other != "" {
		return nil, usage(fmt.Errorf("--replay asks what the recorded run has asked, and not %s", sources.Printable(other)), "leave it away; how the answer is written may be chosen")
	}
	for _, f := range t.played.Flags {
		if err := t.set(cmd, f); err != nil {
			return nil, usage(fmt.Errorf("--replay: --%s: %w", sources.Printable(f.Name), err), "it is the recording of another obs: "+sources.Printable(t.played.Obs))
		}
	}
	t.began = t.played.Now
	t.player = recording.NewPlayer(t.played)
	return t.played.Args, nil
}

// set gives a flag the values that it had.
func (t *tape) set(cmd *cobra.Command, f recording.Flag) error {
	if known := cmd.Flags().Lookup(f.Name); known == nil || known.Changed {
		if known == nil {
			return errors.New("there is no such flag")
		}
		return nil // a time limit of this run
	}
	for _, value := range f.Values {
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			return err
		}
	}
	return nil
}

// read reads standard input: the real one, which is kept, or the recorded one.
func (t *tape) read(in io.Reader, p []byte) (int, error) {
	if t.player != nil {
		if t.input.Len() >= len(t.played.Input) {
			return 0, io.EOF
		}
		n := copy(p, t.played.Input[t.input.Len():])
		t.input.Write(p[:n])
		return n, nil
	}
	if in == nil {
		return 0, io.EOF
	}
	n, err := in.Read(p)
	if t.recorder != nil {
		t.input.Write(p[:n])
	}
	return n, err
}

// takes is the file that a flag names, as if it came by standard input: a recording has what was
// in it, and not where it was.
func (t *tape) takes(flag string, file io.Reader) io.Reader {
	if !t.on() || t.recorder == nil {
		return file
	}
	for i := range t.head.Flags {
		if t.head.Flags[i].Name == flag {
			t.head.Flags[i].Values = []string{"-"}
		}
	}
	return io.TeeReader(file, &t.input)
}

// connect puts the tape between obs and its backends.
func (t *tape) connect(o *connect.Options) {
	if !t.on() {
		return
	}
	t.ledger = o.Ledger
	if t.recorder != nil {
		o.Tape, o.Ledger.Timer = t.recorder, t.clock
		return
	}
	o.Tape, o.Ledger.Play = t.player, t.player.Query
}

// load reads what is configured, or what was when the run was recorded.
func (t *tape) load(o connect.Options) (settings *connect.Settings, err error) {
	if t.on() && t.player != nil {
		return connect.Replay(t.played.Connections, o), nil
	}
	settings, err = connect.Load(o)
	if t.on() {
		t.settings = settings
	}
	return settings, err
}

// triages tells that the run is recorded as one of triage, of this question.
func (t *tape) triages(q correlate.Question) {
	if !t.on() {
		return
	}
	exact := func(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }
	t.head.Command, t.head.Args = "triage", nil
	t.head.Flags = []recording.Flag{
		{Name: "from", Values: []string{exact(q.Window.From)}}, {Name: "to", Values: []string{exact(q.Window.To)}},
		{Name: "baseline", Values: []string{exact(q.Baseline.From) + "/" + exact(q.Baseline.To)}},
	}
}

// end writes the recording, however the run went: one that failed is worth looking at.
func (t *tape) end(w world, went error) error {
	if t.player != nil {
		if n := t.player.Unknown(); n > 0 {
			_, _ = fmt.Fprintf(w.err, "obs: the recording does not hold %d of the questions: another obs recorded it, or the screen asked further (%s)\n", n, sources.Printable(t.played.Obs))
		}
		return went
	}
	if t.recorder == nil || t.settings == nil {
		return went
	}
	t.head.Connections, t.head.Input = t.settings.Recorded(), redact.Text(t.input.String())
	kept := t.recorder.Recording(t.head, t.ledger.Queries())
	if len(kept.Exchanges) == 0 {
		return went // nothing was asked, and why is told
	}
	err := writeWhole(t.record, func(out io.Writer) error { return kept.Write(out, strings.HasSuffix(t.record, ".gz")) })
	if err != nil {
		return &exitError{code: exitFailed, err: errors.Join(errors.Unwrap(went), fmt.Errorf("--record: %w", err))}
	}
	size := ""
	if file, err := os.Stat(t.record); err == nil {
		size = ", " + report.Bytes(file.Size())
	}
	_, _ = fmt.Fprintf(w.remarks(), "obs: %d exchanges are in %s%s: obs %s --replay shows them again\n",
		len(kept.Exchanges), sources.Printable(t.record), size, kept.Command)
	return went
}
