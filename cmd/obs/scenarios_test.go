package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"obs/correlate"
	"obs/sources/sandbox/shop"
)

var update = flag.Bool("update", false, "rewrite golden files")

// scenarioTable is what triage says of every scenario, beside the truth. What it gets
// wrong stands in it as openly as what it gets right.
const scenarioTable = "../../testdata/scenarios.golden"

// theNoon is when the shops of the table stand still; the same seed and time give the
// same incident.
var theNoon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// outcome is one row of the table.
type outcome struct {
	scenario shop.Scenario
	seed     int
	found    correlate.Case
	bytes    int // of the case as it is saved
	err      error
}

func TestScenarios(t *testing.T) {
	var outcomes []*outcome
	for _, scenario := range shop.Scenarios() {
		for _, seed := range seeds {
			outcomes = append(outcomes, &outcome{scenario: scenario, seed: seed})
		}
	}
	runAll(outcomes)
	for _, o := range outcomes {
		if o.err != nil {
			t.Errorf("%s, seed %d: %v", o.scenario.Name, o.seed, o.err)
		}
		if o.scenario.Name == "healthy" && o.found.Verdict != correlate.Healthy {
			t.Errorf("a healthy shop, seed %d, is called %s", o.seed, o.found.Verdict)
		}
		if n := len(o.found.Queries); n > 40 {
			t.Errorf("%s, seed %d: %d queries", o.scenario.Name, o.seed, n)
		}
		if o.bytes > 2<<20 {
			t.Errorf("%s, seed %d: a saved case of %d bytes", o.scenario.Name, o.seed, o.bytes)
		}
		for _, a := range o.found.Anomalies {
			if len(a.Series) == 0 {
				t.Errorf("%s, seed %d: no series of %s %s", o.scenario.Name, o.seed, a.Service, a.Signal)
			}
		}
	}
	if t.Failed() {
		return
	}
	compareTable(t, outcomes, scenarioTable, wholeRow)
}

// A shop without an incident is called healthy, and nobody in it a suspect, whatever chance
// brings: a tool that is wrong about one quiet hour in ten passes thirty of them one time in
// twenty-four.
func TestHealthySeeds(t *testing.T) {
	if len(healthySeeds) < 30 {
		t.Logf("%d seeds, since each takes a second of two processors; with -tags integration it is 30", len(healthySeeds))
	}
	healthy := shop.Scenarios()[slices.IndexFunc(shop.Scenarios(), func(s shop.Scenario) bool { return s.Name == "healthy" })]
	var outcomes []*outcome
	for _, seed := range healthySeeds {
		outcomes = append(outcomes, &outcome{scenario: healthy, seed: seed})
	}
	runAll(outcomes)
	for _, o := range outcomes {
		switch {
		case o.err != nil:
			t.Errorf("seed %d: %v", o.seed, o.err)
		case o.found.Verdict != correlate.Healthy || len(o.found.Suspects) > 0:
			t.Errorf("seed %d is called %s, with suspects %+v", o.seed, o.found.Verdict, o.found.Suspects)
		}
	}
}

// runAll runs two at a time: each keeps a simulation, an engine and a walk busy.
func runAll(outcomes []*outcome) {
	var group sync.WaitGroup
	slots := make(chan struct{}, 2)
	for _, o := range outcomes {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			o.run()
		})
	}
	group.Wait()
}

func (o *outcome) run() {
	var out, progress bytes.Buffer
	args := []string{"demo", o.scenario.Name, "--seed", fmt.Sprint(o.seed), "-o", "json"}
	status := run(args, world{out: &out, err: &progress, getenv: func(string) string { return "" }, now: func() time.Time { return theNoon }})
	if status != exitOK {
		o.err = fmt.Errorf("status %d: %s", status, progress.String())
		return
	}
	o.bytes = out.Len()
	o.err = errors.Join(json.Unmarshal(out.Bytes(), &o.found), published(out.Bytes()))
}

// compareTable holds the rows against the golden file. Under the race detector only the
// first seed runs, so that only its rows are held against the file.
func compareTable(t *testing.T, outcomes []*outcome, file string, hold func(row string) string) {
	t.Helper()
	got := table(outcomes)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(golden)) {
		want[rowKey(line)] = hold(line)
	}
	for line := range strings.Lines(got) {
		if row := hold(line); want[rowKey(line)] != row {
			t.Errorf("got  %s\nwant %s\n(go test ./cmd/obs -run Scenarios -update rewrites the table)", row, want[rowKey(line)])
		}
	}
}

// wholeRow holds all of a row, whatever the columns' widths are.
func wholeRow(row string) string { return strings.Join(strings.Fields(row), " ") }

// rowKey is scenario and seed.
func rowKey(line string) string {
	fields := strings.Fields(line)
	return strings.Join(fields[:min(2, len(fields))], " ")
}

func table(outcomes []*outcome) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "SCENARIO\tSEED\tTRUTH\tVERDICT\tFIRST\tNEXT\tHOPS\tRIGHT")
	for _, o := range outcomes {
		truth := o.scenario.Truth
		first, next := "-", "-"
		var others, joins []string
		for _, s := range o.found.Suspects {
			if s.Rank == 1 && first == "-" {
				first = s.Service
			} else if len(others) < 2 {
				others = append(others, s.Service)
			}
		}
		if len(others) > 0 {
			next = strings.Join(others, ",")
		}
		for _, h := range o.found.Hops {
			joins = append(joins, string(h.Join))
		}
		right := "yes"
		switch {
		case string(o.found.Verdict) != truth.Verdict:
			right = "NO: verdict"
		case truth.Culprit != "" && first != truth.Culprit:
			right = "NO: suspect"
		}
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", o.scenario.Name, o.seed, orDash(truth.Culprit),
			o.found.Verdict, first, next, orDash(strings.Join(joins, ",")), right)
	}
	_ = w.Flush() // into memory
	return b.String()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
