package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/docs/schema"
)

// TestEveryFormatOnTheDemo asks each command that writes results for each form that it says
// it has, as a script does: the status tells how it went, JSON is as published, and nothing
// depends on how wide anything is or on what colours somebody likes.
func TestEveryFormatOnTheDemo(t *testing.T) {
	environment := map[string]string{}
	for _, pair := range served(t, "latency", theNoon) {
		name, value, _ := strings.Cut(pair, "=")
		environment[name] = value
	}
	ask := func(args []string, more ...string) ended {
		var stdout, stderr bytes.Buffer
		now := theNoon
		w := world{out: &stdout, err: &stderr, now: func() time.Time { return now }, sleep: func(_ context.Context, d time.Duration) { now = now.Add(d) }, getenv: func(name string) string {
			if at := slices.IndexFunc(more, func(pair string) bool { return strings.HasPrefix(pair, name+"=") }); at >= 0 {
				return strings.TrimPrefix(more[at], name+"=")
			}
			return environment[name]
		}}
		return endedAs(&stdout, &stderr, runContext(t.Context(), args, w))
	}
	saved := filepath.Join(t.TempDir(), "case.json")
	if e := ask([]string{"triage", "-q", "--check", "--save", saved}); e.status != exitAnomalous || e.stdout+e.stderr != "" {
		t.Fatalf("status %d: %s%s", e.status, e.stdout, e.stderr)
	}
	if e := ask([]string{"note", "--notes-url", environment["LOKI_URL"], "rolled back payment"}); e != (ended{}) {
		t.Fatalf("%+v", e)
	}
	found, err := readCase(saved, world{})
	if err != nil {
		t.Fatal(err)
	}
	trace := string(found.Trace.ID)

	commands := map[string]struct {
		args   []string
		status int
		bad    int    // the status with --check; 0 for a command without it
		stream string // the form of a line of its jsonl
		lines  bool   // its json is jsonl
		live   bool   // it says what changes from one run to the next
		silent bool   // as text it says nothing
	}{
		"triage":   {args: []string{"triage"}, bad: exitAnomalous, live: true}, // open draws it too
		"demo":     {args: []string{"demo", "latency"}, bad: exitAnomalous, live: true},
		"trace":    {args: []string{"trace", trace}},
		"services": {args: []string{"services"}, bad: exitAnomalous},
		"alerts":   {args: []string{"alerts"}},
		"logs":     {args: []string{"logs", "--trace", trace}, stream: "obs.record/v1"},
		"open":     {args: []string{"open", saved}, bad: exitAnomalous},
		"diff":     {args: []string{"diff", saved, saved}, bad: exitAnomalous},
		"doctor":   {args: []string{"doctor"}, live: true},
		"note":     {args: []string{"note", "--notes-url", environment["LOKI_URL"], "pool is full"}, silent: true},
		"notes":    {args: []string{"notes"}},
		"version":  {args: []string{"version"}},
		"watch":    {args: []string{"watch", "--timeout", "2m"}, stream: correlate.LookSchema, lines: true},
	}
	for _, cmd := range newRoot(nowhere(io.Discard, io.Discard)).Commands() {
		output := cmd.Flags().Lookup("output")
		if output == nil {
			continue
		}
		test, listed := commands[cmd.Name()]
		if !listed {
			t.Errorf("obs %s is not tried", cmd.Name())
			continue
		}
		for _, form := range output.Annotations[formsOfOutput] {
			if form == "tui" {
				continue // of a terminal
			}
			t.Run(cmd.Name()+" "+form, func(t *testing.T) {
				args := append(slices.Clone(test.args), "-o", form)
				e := ask(args)
				if e.status != test.status || (e.stdout == "") != (test.silent && form == "text") {
					t.Fatalf("status %d, want %d\n%s%s", e.status, test.status, e.stdout, e.stderr)
				}
				if strings.Contains(e.stdout, "\x1b") {
					t.Error("it is coloured")
				}
				if form == "json" && test.lines {
					form = "jsonl"
				}
				switch form {
				case "json":
					if !strings.HasPrefix(e.stdout, "{\n  \"schema\": \"obs.") || !json.Valid([]byte(e.stdout)) {
						t.Errorf("it begins with %.60q, and is one object %t", e.stdout, json.Valid([]byte(e.stdout)))
					}
				case "jsonl":
					if err := schema.Validate(test.stream, strings.NewReader(e.stdout)); err != nil {
						t.Error(err)
					}
				case "text":
					if test.live {
						break
					}
					narrow := ask(args, "COLUMNS=20", "TERM=xterm-256color", "CLICOLOR_FORCE=1", "FORCE_COLOR=1")
					if digits.ReplaceAllString(narrow.stdout, "0") != digits.ReplaceAllString(e.stdout, "0") {
						t.Errorf("on a narrow terminal it is\n%s\nand else\n%s", narrow.stdout, e.stdout)
					}
				}
			})
		}
		if cmd.Flags().Lookup("check") == nil {
			continue
		}
		if e := ask(append(slices.Clone(test.args), "--check", "-q")); e.status != test.bad || e.stdout != "" {
			t.Errorf("obs %s --check: status %d, want %d; %q", cmd.Name(), e.status, test.bad, e.stdout)
		}
	}
	if e := ask([]string{"logs", "--service", "payment", "--patterns", "-o", "jsonl"}); e.status != exitOK || schema.Validate("obs.pattern/v1", strings.NewReader(e.stdout)) != nil {
		t.Errorf("patterns: status %d, %v", e.status, schema.Validate("obs.pattern/v1", strings.NewReader(e.stdout)))
	}
	if found.Verdict != correlate.Anomalous {
		t.Errorf("the case that was saved is %s", found.Verdict)
	}
}

// digits change with how long a question took.
var digits = regexp.MustCompile(`[\d.]+`)
