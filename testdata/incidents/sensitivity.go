package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"obs/sources"
	"obs/sources/sandbox/shop"
)

// builds is how many builds are compiled and scored at a time: a build keeps a processor
// busy while another waits for backends.
const builds = 2

// buildTimeout is what compiling may take.
const buildTimeout = 5 * time.Minute

// sensitivity scores one build of obs for each number with the number halved, and another
// with it doubled. The source is not touched: `go build -overlay` takes other files instead.
type sensitivity struct {
	root     string // of the module
	scorer   scorer
	faults   []fault
	only     []string // names of numbers, none for all
	demo     bool     // ask for the scenarios of the demo too
	progress io.Writer
}

// marks are what a build scored.
type marks struct {
	top         [3]float64 // share of the culprits at place 1, 3 and 5 at most, in percent
	failed      int        // runs without an answer
	right, demo int        // scenarios of the demo told rightly, and how many there are
}

func (m *marks) String() string {
	text := fmt.Sprintf("%.0f %.0f %.0f", m.top[0], m.top[1], m.top[2])
	if m.demo > 0 {
		text += fmt.Sprintf(" %d/%d", m.right, m.demo)
	}
	if m.failed > 0 {
		text += fmt.Sprintf(" (%d failed)", m.failed)
	}
	return text
}

// variant is a number with what is done to it.
type variant struct {
	number *number
	how    turn
}

// report measures and prints the table. An error tells of a list that does not fit the
// source, of a build that does not compile, and of runs without an answer.
func (s *sensitivity) report(ctx context.Context, of []judgement, out io.Writer) error {
	if err := s.scorer.ready(); err != nil {
		return err
	}
	all, err := findAll(s.root, of)
	if err != nil {
		return err
	}
	if all, err = only(all, s.only); err != nil {
		return err
	}
	var variants []variant
	for i := range all {
		variants = append(variants, variant{&all[i], halved}, variant{&all[i], doubled})
		if all[i].off {
			variants = append(variants, variant{&all[i], off})
		}
	}
	instead, done, err := remembered(ctx)
	if err != nil {
		return err
	}
	defer done()
	s.scorer.instead = instead
	asIs, err := s.build(ctx, nil, halved)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.progress, "as is: %s; %d builds to come\n", asIs.String(), len(variants))
	scored, err := s.all(ctx, variants)
	if err != nil {
		return err
	}
	fmt.Fprint(out, sensitivityTable(asIs, variants, scored))
	failed := asIs.failed
	for _, m := range scored {
		failed += m.failed
	}
	if failed > 0 {
		return fmt.Errorf("%d runs gave no answer", failed)
	}
	return nil
}

// all scores the variants, some at a time. The first error ends it.
func (s *sensitivity) all(ctx context.Context, variants []variant) ([]*marks, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	scored := make([]*marks, len(variants))
	next := make(chan int)
	var working sync.WaitGroup
	for range builds {
		working.Go(func() {
			for i := range next {
				v := variants[i]
				m, err := s.build(ctx, []number{*v.number}, v.how)
				if err != nil {
					cancel(fmt.Errorf("%s %s: %w", v.number.title(), v.how, err))
					continue
				}
				scored[i] = m
				fmt.Fprintf(s.progress, "%d of %d: %s %s: %s\n", i+1, len(variants), v.number.title(), v.how, m)
			}
		})
	}
	for i := range variants {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	working.Wait()
	return scored, context.Cause(ctx)
}

// build compiles obs with numbers turned, and scores it.
func (s *sensitivity) build(ctx context.Context, numbers []number, how turn) (*marks, error) {
	folder, err := os.MkdirTemp("", "obs-sensitivity-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }() // what is left is the system's to sweep
	program := filepath.Join(folder, "obs")
	if err := compile(ctx, s.root, folder, numbers, how, "-o", program, "./cmd/obs"); err != nil {
		return nil, err
	}
	m := &marks{}
	if s.demo {
		if err := s.scenarios(ctx, program, m); err != nil {
			return nil, err
		}
	}
	scorer := s.scorer
	scorer.obs, scorer.progress = program, io.Discard
	attempts := scorer.runAll(ctx, s.faults)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i, k := range []int{1, 3, 5} {
		m.top[i] = share(attempts, k)
	}
	m.failed = failures(attempts)
	return m, nil
}

// compile builds packages with the numbers turned, without tables for debuggers, which take
// long to link; the folder takes what that needs.
func compile(ctx context.Context, root, folder string, numbers []number, how turn, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	file, err := overlay(folder, numbers, how)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-ldflags", "-s -w", "-overlay", file}, args...)...) //nolint:gosec // packages and flags that are written here
	cmd.Dir = root
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, strings.TrimSpace(string(said)))
	}
	return nil
}

// scenarios asks a build for each scenario of the demo, and counts what it gets right: the
// verdict, and the culprit where there is one.
func (s *sensitivity) scenarios(ctx context.Context, program string, m *marks) error {
	for _, scenario := range shop.Scenarios() {
		ctx, cancel := context.WithTimeout(ctx, s.scorer.timeout)
		cmd := exec.CommandContext(ctx, program, "demo", scenario.Name, "-o", "json") //nolint:gosec // the program that is to be measured
		body, err := cmd.Output()
		cancel()
		var found struct {
			Verdict string `json:"verdict"`
			answer
		}
		if err == nil {
			err = json.Unmarshal(body, &found)
		}
		if err != nil {
			return fmt.Errorf("obs demo %s: %w", scenario.Name, err)
		}
		m.demo++
		a := attempt{fault: fault{Service: scenario.Truth.Culprit}, answer: found.answer}
		if found.Verdict == scenario.Truth.Verdict && (scenario.Truth.Culprit == "" || a.place() == 1) {
			m.right++
		}
	}
	return nil
}

func (t turn) String() string { return [...]string{"halved", "doubled", "off"}[t] }

// sensitivityTable shows in a line for each number what it scored by turn, and says of how
// many numbers either moved anything.
func sensitivityTable(asIs *marks, variants []variant, scored []*marks) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "\tNUMBER\tVALUE\tHALVED\tAS IS\tDOUBLED\tOFF")
	lines, moved := 0, 0
	for i := 0; i < len(variants); {
		n := variants[i].number
		cells, mark := [...]string{"-", "-", "-"}, ""
		for ; i < len(variants) && variants[i].number == n; i++ {
			cells[variants[i].how] = scored[i].String()
			if *scored[i] != *asIs {
				mark = "*"
			}
		}
		lines++
		if mark != "" {
			moved++
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", mark, n.title(), n.written, cells[halved], asIs, cells[doubled], cells[off])
	}
	_ = w.Flush() // into memory
	fmt.Fprintf(&b, "%d of %d numbers, marked with a star, move anything\n", moved, lines)
	return b.String()
}

// moduleRoot is the folder of the module that the working directory is in.
func moduleRoot(ctx context.Context) (string, error) {
	path, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	file := strings.TrimSpace(string(path))
	if file == "" || file == os.DevNull {
		return "", errors.New("this is no folder of the module: run it in a clone of the repository")
	}
	return filepath.Dir(file), nil
}

// only keeps the numbers that are asked for: by the name of a judgement, or of one number of it.
func only(all []number, names []string) ([]number, error) {
	if len(names) == 0 {
		return all, nil
	}
	var some []number
	for _, name := range names {
		n := len(some)
		for i := range all {
			if all[i].name == name || all[i].name+all[i].entry == name {
				some = append(some, all[i])
			}
		}
		if len(some) == n {
			return nil, fmt.Errorf("no number is called %q; judgements.go lists them", sources.Printable(name))
		}
	}
	return some, nil
}
