//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"obs/sources/sandbox/shop"
	"obs/testdata/backends"
)

// realTable is the table of scenarios as triage finds them in real backends.
const realTable = "../../testdata/scenarios-real.golden"

// realSeeds is with how many seeds each scenario is written. The table has three, which take
// nine minutes; it is written anew with -real-seeds 3 -update.
var realSeeds = flag.Int("real-seeds", 1, "with how many seeds each scenario is written into real backends, at most 3")

// apart is how far the scenarios' times lie from one another, so that one set of servers
// can hold them all. They go up, since Loki takes nothing much older than what it has.
const apart = 60 * 24 * time.Hour

// Every scenario, written into real backends and triaged there, says what it says in the
// sandbox. The servers are a set of the test's own, with nothing else in them.
func TestScenariosInRealBackends(t *testing.T) {
	addresses := backends.Start(t, 1400).Settings
	var outcomes []*outcome
	scenarios := shop.Scenarios()
	for i := range *realSeeds * len(scenarios) {
		// A seed of its own, since trace IDs come of it, and Jaeger holds all scenarios.
		o := &outcome{scenario: scenarios[i%len(scenarios)], seed: 1 + i}
		o.runInReal(t, addresses, theNoon.AddDate(-6, 0, 0).Add(time.Duration(i)*apart))
		outcomes = append(outcomes, o)
	}
	if !t.Failed() {
		compareTable(t, outcomes, realTable, judgement)
	}
}

// judgement holds scenario, seed, truth, verdict and whether it was right. Which traces a
// real server returns first differs from run to run, and with them the suspects further
// down and whether an exemplar's trace was among those kept.
func judgement(row string) string {
	fields := strings.Fields(row)
	return strings.Join(append(fields[:min(4, len(fields))], fields[min(7, len(fields)):]...), " ")
}

func (o *outcome) runInReal(t *testing.T, addresses map[string]string, now time.Time) {
	t.Helper()
	at := func(out io.Writer, said io.Writer) world {
		return world{out: out, err: said, getenv: func(name string) string { return addresses[name] }, now: func() time.Time { return now }}
	}
	var out, said bytes.Buffer
	status := run([]string{
		"demo", o.scenario.Name, "--seed", fmt.Sprint(o.seed), "--into", "--timeout", "5m", "--prometheus-url", addresses["PROMETHEUS_URL"],
		"--loki-url", addresses["LOKI_URL"], "--jaeger-url", addresses["JAEGER_URL"], "--otlp-url", addresses["OTLP_URL"],
	}, at(&out, &said))
	if status != exitOK || !strings.Contains(out.String(), "all of it was read back") {
		t.Fatalf("%s: status %d\n%s\n%s", o.scenario.Name, status, out.String(), said.String())
	}
	// The command that it prints, word for word.
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	args := strings.Fields(strings.TrimPrefix(lines[len(lines)-1], "obs "))
	out.Reset()
	if status := run(append(args, "-o", "json"), at(&out, &said)); status != exitOK {
		t.Fatalf("%s: status %d\n%s", o.scenario.Name, status, said.String())
	}
	if err := errors.Join(json.Unmarshal(out.Bytes(), &o.found), published(out.Bytes())); err != nil {
		t.Fatal(err)
	}
}
