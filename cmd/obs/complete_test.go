package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"obs/correlate"
	"obs/sources"
	"obs/sources/sandbox/shop"
)

// twoProfiles have servers that fail a test when they are asked.
const twoProfiles = `current: one
profiles:
  one: {prometheus: {url: %[1]s}, loki: {url: %[1]s, tenant: a}}
  two: {prometheus: {url: %[1]s}, loki: {url: %[1]s, tenant: b}}
  three: {jaeger: {url: %[1]s, token_command: [touch, %[2]q]}}
`

// completing is a world with a cache and a configuration, whose servers must not be asked and
// whose commands must not run.
func completing(t testing.TB) (w world, dir string) {
	t.Helper()
	dir = t.TempDir()
	ran := filepath.Join(dir, "ran")
	address := "http://127.0.0.1:1"
	if t, ok := t.(*testing.T); ok {
		address = answering(t, func(r *http.Request) answer {
			t.Errorf("completion asked for %s", r.URL)
			return answer{status: http.StatusTeapot}
		})
	}
	t.Cleanup(func() {
		if _, err := os.Stat(ran); err == nil {
			t.Error("completion ran a command")
		}
	})
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, twoProfiles, address, ran), 0o600); err != nil {
		t.Fatal(err)
	}
	environment := map[string]string{"OBS_CONFIG": config}
	return world{
		getenv: func(name string) string { return environment[name] }, now: func() time.Time { return noon },
		cache: func() (string, error) { return filepath.Join(dir, "cache"), nil },
	}, dir
}

// complete is what the shell is told, without the last line, which is for its script.
func complete(t testing.TB, w world, args ...string) []string {
	t.Helper()
	var out, errs bytes.Buffer
	w.out, w.err = &out, &errs
	if status := runContext(t.Context(), append([]string{"__complete"}, args...), w); status != exitOK {
		t.Fatalf("status %d: %s", status, errs.String())
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	last := lines[len(lines)-1]
	if !strings.HasPrefix(last, ":") || strings.ContainsAny(out.String(), "\x1b\r") {
		t.Fatalf("no answer for a shell: %q", out.String())
	}
	return lines[:len(lines)-1]
}

// remembering is a run at the connections of a profile that saw something.
func remembering(t testing.TB, w world, profileName string, add func(*seen, time.Time)) {
	t.Helper()
	var c common
	c.connection.Profile = profileName
	if err := c.load(w); err != nil {
		t.Fatal(err)
	}
	c.remember(w, add)
}

func services(names ...string) func(*seen, time.Time) {
	return func(s *seen, now time.Time) { s.addServices(now, names...) }
}

// fixedTrace is a trace ID that ends with digits.
func fixedTrace(digits string) sources.TraceID {
	return sources.TraceID(strings.Repeat("a", 32-len(digits)) + digits)
}

func TestServicesAreCompleted(t *testing.T) {
	w, dir := completing(t)
	for _, command := range []string{"triage", "services", "logs", "doctor"} {
		if got := complete(t, w, command, "--service", ""); len(got) > 0 {
			t.Errorf("before anything was seen %s has %q", command, got)
		}
	}
	remembering(t, w, "", services("payment", "cart"))
	remembering(t, w, "one", services("cart", "checkout"))
	remembering(t, w, "two", services("billing"))
	one, two := []string{"cart", "checkout", "payment"}, []string{"billing"}
	for _, command := range []string{"triage", "services", "logs", "doctor"} {
		if got := complete(t, w, command, "--service", ""); !slices.Equal(got, one) {
			t.Errorf("%s has %q", command, got)
		}
		if got := complete(t, w, command, "--profile", "two", "--service", ""); !slices.Equal(got, two) {
			t.Errorf("%s --profile two has %q", command, got)
		}
		if got := complete(t, w, command, "--profile", "three", "--service="); len(got) > 0 {
			t.Errorf("%s --profile three has %q", command, got)
		}
		if got := complete(t, w, command, "--profile", "nosuch", "--service", ""); len(got) > 0 {
			t.Errorf("%s --profile nosuch has %q", command, got)
		}
		if got := complete(t, w, command, "--loki-url", "http://other", "--service", ""); len(got) > 0 {
			t.Errorf("%s at another server has %q", command, got)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "cache", "obs", "*"))
	if err != nil || len(files) != 2 {
		t.Errorf("%v, %v", files, err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
	}

	// What was not seen for long is offered no more.
	later := w
	later.now = func() time.Time { return noon.Add(seenFor + time.Hour) }
	remembering(t, later, "one", services("checkout"))
	if got := complete(t, w, "triage", "--service", ""); !slices.Equal(got, []string{"checkout"}) {
		t.Errorf("a month later there are %q", got)
	}
}

var hostileNames = []string{
	"", "two\nlines", "tab\tbed", "\x1b[31mred", "back\u202ewards", "$(touch x)", "`touch x`", "a;b", "a b", "a'b", `a"b`, `a\b`, "a|b", "a&b", "-rf", "~root", "*",
	"a\x00b", "\xff", ":4", "#x", "=ls", "a>b", "{a,b}", "!x", strings.Repeat("x", 200),
}

func TestHostileTextIsNotCompleted(t *testing.T) {
	w, dir := completing(t)
	remembering(t, w, "one", func(s *seen, now time.Time) {
		s.addServices(now, append(hostileNames, "good", "größer.prod/api:v2@eu-1")...)
		for i, name := range hostileNames {
			s.addTrace(now, &correlate.Trace{ID: fixedTrace(fmt.Sprint(i)), Root: &correlate.Work{Service: name, Operation: name + strings.Repeat("y", 100)}, ErrorCount: i % 2})
		}
	})
	check := func(what string) {
		t.Helper()
		if got := complete(t, w, "triage", "--service", ""); !slices.Equal(got, []string{"good", "größer.prod/api:v2@eu-1"}) {
			t.Errorf("%s: services %q", what, got)
		}
		got := complete(t, w, "trace", "")
		if len(got) != maxSeenTraces {
			t.Errorf("%s: %d traces", what, len(got))
		}
		for _, line := range got {
			id, text, _ := strings.Cut(line, "\t")
			if len(id) != 32 || strings.ContainsAny(text, "\t`$\\") || len([]rune(text)) > maxSeenWhat || text == "" {
				t.Errorf("%s: %q", what, line)
			}
		}
	}
	check("as it was written")

	// The same, in a file that something else wrote.
	files, err := filepath.Glob(filepath.Join(dir, "cache", "obs", "seen-*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	var s seen
	if err := readJSON(files[0], &s); err != nil {
		t.Fatal(err)
	}
	for _, name := range hostileNames {
		s.Services[name] = noon
		s.Traces = append(s.Traces, seenTrace{ID: "zz\n", What: name})
	}
	for i := range s.Traces {
		s.Traces[i].What += "\n\t$(x)`\x1b[31m" + strings.Repeat("z", 100)
	}
	s.Traces = slices.Insert(s.Traces, 0, seenTrace{ID: "$(touch x)"}, seenTrace{ID: "abc"})
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	check("as it was planted")

	for _, broken := range []string{"", "{", "[]", "null", `{"schema":"obs.habits/v1","services":{"x":"2026-11-21T12:00:00Z"}}`, `{"schema":"obs.seen/v1","services":["x"]}`, strings.Repeat("x", maxHabits+10)} {
		if err := os.WriteFile(files[0], []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := append(complete(t, w, "triage", "--service", ""), complete(t, w, "trace", "")...); len(got) > 0 {
			t.Errorf("%.40q has %q", broken, got)
		}
	}
	remembering(t, w, "one", services("good"))
	if got := complete(t, w, "triage", "--service", ""); !slices.Equal(got, []string{"good"}) {
		t.Errorf("a broken file stays: %q", got)
	}
}

func TestTracesAreCompleted(t *testing.T) {
	w, _ := completing(t)
	root := &correlate.Work{Service: "gateway", Operation: "POST /checkout"}
	for i := range maxSeenTraces + 5 {
		remembering(t, w, "one", func(s *seen, now time.Time) {
			s.addCase(now, &correlate.Case{Trace: &correlate.Trace{
				ID: fixedTrace(fmt.Sprint(i)), Root: root, DurationSeconds: 1.25, ErrorCount: i % 2, Spans: []correlate.Span{{Service: "spanned"}},
			}})
		})
	}
	got := complete(t, w, "trace", "")
	if len(got) != maxSeenTraces {
		t.Fatalf("%d: %q", len(got), got)
	}
	want := string(fixedTrace(fmt.Sprint(maxSeenTraces+4))) + "\tgateway POST /checkout, 1.25s, ok"
	if got[0] != want || !strings.HasSuffix(got[1], ", error") {
		t.Errorf("first %q and second %q; the first should be %q", got[0], got[1], want)
	}
	if flagged := complete(t, w, "logs", "--trace", ""); !slices.Equal(flagged, got) {
		t.Errorf("--trace has %q", flagged)
	}
	first, _, _ := strings.Cut(got[0], "\t")
	if second := complete(t, w, "trace", first, ""); !slices.Equal(second, got[1:]) {
		t.Errorf("beside the first: %q", second)
	}
	if third := complete(t, w, "trace", first, "x", ""); len(third) > 0 {
		t.Errorf("a third: %q", third)
	}
	if got := complete(t, w, "triage", "--service", ""); !slices.Equal(got, []string{"spanned"}) {
		t.Errorf("services of spans: %q", got)
	}
	// Shown again, it is the last.
	id, _, _ := strings.Cut(got[7], "\t")
	remembering(t, w, "one", func(s *seen, now time.Time) {
		s.addTrace(now, &correlate.Trace{ID: fixedTrace(fmt.Sprint(maxSeenTraces + 4 - 7)), Root: root})
	})
	if again := complete(t, w, "trace", ""); len(again) != maxSeenTraces || !strings.HasPrefix(again[0], id) {
		t.Errorf("%q", again)
	}
}

// A run of each command leaves what it saw.
func TestRunsAreRemembered(t *testing.T) {
	dir := t.TempDir()
	answers := answering(t, incident)
	at := []string{"--prometheus-url", answers, "--jaeger-url", answers, "--loki-url", answers}
	w := world{getenv: func(string) string { return "" }, now: clockAt(t), cache: func() (string, error) { return dir, nil }}
	var out, errs bytes.Buffer
	w.out, w.err = &out, &errs
	trace := moments()["TRACE"]
	if status := runContext(t.Context(), append([]string{"trace", trace}, at...), w); status != exitOK {
		t.Fatalf("status %d: %s", status, errs.String())
	}
	if got := complete(t, w, append([]string{"trace"}, append(at, "")...)...); len(got) == 0 || !strings.HasPrefix(got[0], trace) {
		t.Errorf("%q", got)
	}
	if got := complete(t, w, append([]string{"logs"}, append(at, "--service", "")...)...); len(got) == 0 {
		t.Error("no service")
	}
}

func clockAt(t *testing.T) func() time.Time {
	t.Helper()
	now, err := time.Parse(time.RFC3339, moments()["TO"])
	if err != nil {
		t.Fatal(err)
	}
	return func() time.Time { return now }
}

// Each command takes every form of output that it offers, and offers every one that it takes.
func TestOfferedOutputsAreTaken(t *testing.T) {
	w, _ := completing(t)
	all := []string{"text", "json", "jsonl", "logfmt", "raw", "markdown", "tui", "html"}
	seenOutput := 0
	for _, cmd := range newRoot(w).Commands() {
		if cmd.Flags().Lookup("output") == nil {
			continue
		}
		seenOutput++
		offered := complete(t, w, cmd.Name(), "-o", "")
		for _, form := range all {
			args := map[string][]string{"trace": {"abc"}, "logs": {"--service", "x"}, "open": {"none"}, "diff": {"none", "none"}, "note": {"paid"}}[cmd.Name()]
			var out, errs bytes.Buffer
			tried := w
			tried.out, tried.err, tried.terminal = &out, &errs, false
			tried.getenv = func(string) string { return "" }
			if cmd.Flags().Lookup("timeout") != nil {
				args = append(args, "--timeout", "-1s")
			}
			args = append([]string{cmd.Name(), "-o", form}, args...)
			status := runContext(t.Context(), args, tried)
			// A negative time, and a file that is not there, are refused after the form is.
			taken := status == exitOK || strings.Contains(errs.String(), "leaves no time") || strings.Contains(errs.String(), "no such file") || strings.Contains(errs.String(), "wants a terminal")
			if taken != slices.Contains(offered, form) {
				t.Errorf("%s -o %s: offered %v, and it says %s", cmd.Name(), form, !taken, errs.String())
			}
		}
	}
	if seenOutput < 6 {
		t.Errorf("only %d commands have an output", seenOutput)
	}
}

// Every flag with a value has something for the shell, be it that nothing is known, or takes
// a file.
func TestEveryFlagIsCompleted(t *testing.T) {
	w, _ := completing(t)
	files := []string{"save", "token-file", "from-alert"}
	var look func(*cobra.Command)
	look = func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if _, known := cmd.GetFlagCompletionFunc(f.Name); !known && f.Value.Type() != "bool" && !slices.Contains(files, f.Name) {
				t.Errorf("%s --%s offers files", cmd.CommandPath(), f.Name)
			}
		})
		for _, below := range cmd.Commands() {
			look(below)
		}
	}
	look(newRoot(w))
}

func TestKnownWordsAreCompleted(t *testing.T) {
	w, _ := completing(t)
	var scenarios []string
	for _, s := range shop.Scenarios() {
		scenarios = append(scenarios, s.Name)
	}
	words := func(lines []string) []string {
		var all []string
		for _, line := range lines {
			word, _, _ := strings.Cut(line, "\t")
			all = append(all, word)
		}
		return all
	}
	profiles := []string{"one", "three", "two"}
	for line, want := range map[string][]string{
		"demo ": scenarios, "demo latency ": nil, "triage --profile ": profiles, "config use ": profiles, "config use one ": nil,
		"config set --profile ": profiles, "services --by ": groupings, "config import ": {"grafana"},
	} {
		if got := words(complete(t, w, strings.Split(line, " ")...)); !slices.Equal(got, want) {
			t.Errorf("%q has %q", line, got)
		}
	}
	if got := words(complete(t, w, "config", "set", "")); !slices.Contains(got, "loki.tenant") || !slices.Contains(got, "names.trace_id_fields") || !slices.Contains(got, "grafana.datasources.tempo") {
		t.Errorf("keys are %q", got)
	}
	// An example that is not taken would be none.
	for flag, examples := range map[string][]string{"since": sinceExamples, "baseline": baselineExamples, "from": momentExamples, "tz": zoneExamples} {
		for _, example := range words(examples) {
			f := windowFlags{zone: "UTC"}
			switch flag {
			case "since":
				f.since = example
			case "baseline":
				f.since, f.baseline = "30m", example
			case "from":
				f.from = example
			case "tz":
				f.zone = example
			}
			now := noon.Add(12 * time.Hour)
			window, err := f.window(now)
			if err == nil {
				_, err = f.baselineOf(window, now)
			}
			if err != nil {
				t.Errorf("--%s %s: %v", flag, example, err)
			}
		}
	}
}

// What it costs to press a key: a process more than this, which takes some milliseconds.
func BenchmarkComplete(b *testing.B) {
	w, _ := completing(b)
	var names []string
	for i := range maxSeenServices {
		names = append(names, fmt.Sprintf("service-%04d", i))
	}
	remembering(b, w, "one", services(names...))
	for b.Loop() {
		if got := complete(b, w, "triage", "--service", ""); len(got) != maxSeenServices {
			b.Fatalf("%d", len(got))
		}
	}
}
