package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"obs/sources"
)

// defaultTimeout is what someone who was called may be made to wait for one answer.
const defaultTimeout = 30 * time.Second

// faultFiles are the lists of faults, at the top of the folder.
const faultFiles = "faults*.json"

// signals are the environment variables that name each signal's backend to obs.
var signals = map[string][]string{
	"metrics": {"PROMETHEUS_URL"},
	"traces":  {"JAEGER_URL"},
	"logs":    {"LOKI_URL", "LOKI_ADDR"},
}

// signalNames are the signals in the order in which they are left out.
var signalNames = []string{"metrics", "traces", "logs"}

// fault is what broke, and when. Baseline is an interval, START/END.
type fault struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Service  string    `json:"service"` // the culprit
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Baseline string    `json:"baseline"`
}

// readFaults reads all lists of faults in a folder, in order of their files' names.
func readFaults(folder string) ([]fault, error) {
	paths, err := filepath.Glob(filepath.Join(folder, faultFiles))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s holds no %s, which would say what broke and when", folder, faultFiles)
	}
	var all []fault
	known := map[string]bool{}
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var some []fault
		if err := json.Unmarshal(body, &some); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, f := range some {
			if err := f.check(); err != nil {
				return nil, fmt.Errorf("%s: %q: %w", path, f.ID, err)
			}
			if known[f.ID] {
				return nil, fmt.Errorf("%s: two faults are named %q", path, f.ID)
			}
			known[f.ID] = true
			all = append(all, f)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s lists no fault", strings.Join(paths, ", "))
	}
	return all, nil
}

func (f *fault) check() error {
	from, to, _ := strings.Cut(f.Baseline, "/")
	for _, at := range []string{from, to} {
		if _, err := time.Parse(time.RFC3339, at); err != nil {
			return fmt.Errorf("baseline: %w", err)
		}
	}
	switch {
	case f.ID == "" || f.Type == "" || f.Service == "":
		return errors.New("id, type and service are all needed")
	case !f.From.Before(f.To):
		return errors.New("from is not before to")
	}
	return nil
}

// answer is what is read of a case.
type answer struct {
	Suspects []suspect         `json:"suspects"`
	Queries  []json.RawMessage `json:"queries"`
}

type suspect struct {
	Rank    int    `json:"rank"`
	Service string `json:"service"`
}

// attempt is one fault given to obs.
type attempt struct {
	fault   fault
	took    time.Duration
	answer  answer
	failure string // why there is no answer; empty when there is one
}

// place is where the culprit stands, from 1; 0 when it is no suspect. Ties count against
// the tool: whoever shares the culprit's rank stands before it.
func (a *attempt) place() int {
	rank := 0
	for _, s := range a.answer.Suspects {
		if sameService(s.Service, a.fault.Service) && (rank == 0 || s.Rank < rank) {
			rank = s.Rank
		}
	}
	if rank == 0 {
		return 0
	}
	place := 1
	for _, s := range a.answer.Suspects {
		if s.Rank <= rank && !sameService(s.Service, a.fault.Service) {
			place++
		}
	}
	return place
}

// sameService reports whether two names are of one service: metrics, records and spans
// differ in case, and in whether they put a namespace and a slash before it.
func sameService(a, b string) bool {
	return strings.EqualFold(a[strings.LastIndexByte(a, '/')+1:], b[strings.LastIndexByte(b, '/')+1:])
}

// scorer runs obs and counts.
type scorer struct {
	obs      string // the program
	timeout  time.Duration
	without  []string // signals whose addresses are left away
	instead  []string // name=value, which take the place of those in the environment
	progress io.Writer
}

// report runs all faults and prints the table and the misses. With each, three more rows
// show what is left of the score when one signal is not there. An error tells of runs
// without an answer; a culprit that ranks low is none.
func (s *scorer) report(ctx context.Context, faults []fault, each bool, out io.Writer) error {
	if err := s.ready(); err != nil {
		return err
	}
	attempts := s.runAll(ctx, faults)
	fmt.Fprint(out, table(slices.Concat([]row{{name(s.without), attempts}}, byType(attempts))))
	fmt.Fprint(out, misses(name(s.without), attempts))
	failed := failures(attempts)
	if each {
		var rows []row
		for _, signal := range signalNames {
			if slices.Contains(s.without, signal) || len(s.without) > 1 {
				continue
			}
			less := *s
			less.without = append(slices.Clone(s.without), signal)
			rows = append(rows, row{name(less.without), less.runAll(ctx, faults)})
		}
		fmt.Fprint(out, "\n", table(rows))
		for _, r := range rows {
			fmt.Fprint(out, misses(r.name, r.attempts))
			failed += failures(r.attempts)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d runs gave no answer", failed)
	}
	return nil
}

// ready looks whether there is something to run and to ask.
func (s *scorer) ready() error {
	if _, err := exec.LookPath(s.obs); err != nil {
		return fmt.Errorf("--obs: %w; make build compiles bin/obs", err)
	}
	addresses := 0
	for _, signal := range signalNames {
		if slices.Contains(s.without, signal) {
			continue
		}
		if !slices.ContainsFunc(signals[signal], func(variable string) bool { return os.Getenv(variable) != "" }) {
			return fmt.Errorf(`%s is not set; run: eval "$(testdata/backends/backends env)", or leave it away with --without %s`, signals[signal][0], signal)
		}
		addresses++
	}
	if addresses == 0 {
		return errors.New("--without leaves nothing to ask")
	}
	return nil
}

func name(without []string) string {
	if len(without) == 0 {
		return "all"
	}
	return "without " + strings.Join(without, ", ")
}

// runAll gives obs one fault after the other, until ctx ends.
func (s *scorer) runAll(ctx context.Context, faults []fault) []attempt {
	var all []attempt
	for i, f := range faults {
		if ctx.Err() != nil {
			break
		}
		a := s.run(ctx, f)
		fmt.Fprintf(s.progress, "%s: %d of %d: %s: %s, %.1f s\n", name(s.without), i+1, len(faults),
			sources.Printable(f.ID), verdict(&a), a.took.Seconds())
		all = append(all, a)
	}
	return all
}

// run asks obs about one fault. It is told when to look and what is normal, not what or
// where the fault is.
func (s *scorer) run(ctx context.Context, f fault) attempt {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.obs, "triage", //nolint:gosec // the program that is to be measured
		"--from", f.From.Format(time.RFC3339Nano), "--to", f.To.Format(time.RFC3339Nano), "--baseline", f.Baseline, "-o", "json")
	cmd.Env = s.environment(append(os.Environ(), s.instead...)) // of two values the later counts
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	cmd.WaitDelay = time.Second // for whoever holds the pipes still
	begin := time.Now()
	err := cmd.Run()
	a := attempt{fault: f, took: time.Since(begin)}
	switch {
	case ctx.Err() != nil:
		a.failure = fmt.Sprintf("no answer within %s", s.timeout)
	case !answered(err):
		a.failure = fmt.Sprintf("%v: %s", err, lastLine(said.String()))
	default:
		if err := json.Unmarshal(out.Bytes(), &a.answer); err != nil {
			a.answer, a.failure = answer{}, fmt.Sprintf("the answer is no case: %v", err)
		}
	}
	return a
}

// answered reports whether obs ended with a case: a whole one, one in part (4), or one of
// nothing found (5).
func answered(err error) bool {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode() == 4 || exit.ExitCode() == 5
	}
	return err == nil
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// environment is the given one without the addresses of what is left away.
func (s *scorer) environment(all []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(pair string) bool {
		variable, _, _ := strings.Cut(pair, "=")
		return slices.ContainsFunc(s.without, func(signal string) bool { return slices.Contains(signals[signal], variable) })
	})
}

// row is a line of the table.
type row struct {
	name     string
	attempts []attempt
}

// byType is a row for each type of fault.
func byType(attempts []attempt) []row {
	groups := map[string]row{}
	for _, a := range attempts {
		groups[a.fault.Type] = row{"  " + a.fault.Type, append(groups[a.fault.Type].attempts, a)}
	}
	return ordered(groups)
}

// table shows for each row how many faults it has, the share of them with the culprit
// among the first 1, 3 and 5 in percent, and what the answers cost.
func table(rows []row) string {
	width := 0
	for _, r := range rows {
		width = max(width, len(sources.Printable(r.name)))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s %4s %6s %6s %6s %9s %10s %13s\n", width, "", "n", "top-1", "top-3", "top-5", "median s", "longest s", "most queries")
	for _, r := range rows {
		if len(r.attempts) == 0 {
			continue // interrupted
		}
		took := make([]float64, 0, len(r.attempts))
		queries := 0
		for _, a := range r.attempts {
			took = append(took, a.took.Seconds())
			queries = max(queries, len(a.answer.Queries))
		}
		slices.Sort(took)
		fmt.Fprintf(&b, "%-*s %4d %6.1f %6.1f %6.1f %9.2f %10.2f %13d\n", width, sources.Printable(r.name), len(r.attempts),
			share(r.attempts, 1), share(r.attempts, 3), share(r.attempts, 5), median(took), took[len(took)-1], queries)
	}
	return b.String()
}

// share is how many of the attempts have the culprit among the first k, in percent.
func share(attempts []attempt, k int) float64 {
	n := 0
	for i := range attempts {
		if place := attempts[i].place(); place > 0 && place <= k {
			n++
		}
	}
	return 100 * float64(n) / float64(len(attempts))
}

// median is that of sorted values, of which there is one at least.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// misses lists the attempts in which the culprit is not first, and who is.
func misses(of string, attempts []attempt) string {
	var b strings.Builder
	for i := range attempts {
		if a := &attempts[i]; a.place() != 1 {
			fmt.Fprintf(&b, "  %s %s: %s\n", sources.Printable(a.fault.ID), sources.Printable(a.fault.Type), verdict(a))
		}
	}
	if b.Len() == 0 {
		return fmt.Sprintf("misses, %s: none\n", of)
	}
	return fmt.Sprintf("misses, %s:\n%s", of, b.String())
}

func verdict(a *attempt) string {
	culprit := sources.Printable(a.fault.Service)
	place := a.place()
	switch {
	case a.failure != "":
		return "failed: " + sources.Printable(a.failure)
	case place == 1:
		return culprit + " is first"
	case len(a.answer.Suspects) == 0:
		return culprit + " is not listed, and nobody is"
	case place == 0:
		return fmt.Sprintf("%s is not listed; first: %s", culprit, first(a.answer.Suspects))
	}
	return fmt.Sprintf("%s is number %d; first: %s", culprit, place, first(a.answer.Suspects))
}

// first are the services of the best rank.
func first(suspects []suspect) string {
	best := slices.MinFunc(suspects, func(a, b suspect) int { return cmp.Compare(a.Rank, b.Rank) }).Rank
	var names []string
	for _, s := range suspects {
		if s.Rank == best {
			names = append(names, sources.Printable(s.Service))
		}
	}
	return strings.Join(names, ", ")
}

func failures(attempts []attempt) (n int) {
	for _, a := range attempts {
		if a.failure != "" {
			n++
		}
	}
	return n
}
