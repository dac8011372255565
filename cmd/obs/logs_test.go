package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources"
	"obs/sources/sandbox/lokiapi"
	"obs/sources/sandbox/shop"
)

// openedShop is the demo's shop in the latency incident, with its Loki's address.
func openedShop(t *testing.T, speed float64) (running *runningShop, loki string) {
	t.Helper()
	scenario, err := shop.Find("latency")
	if err != nil {
		t.Fatal(err)
	}
	if running, err = openShop(t.Context(), scenario, &demoOptions{seed: 1, speed: speed}, time.Now()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.close)
	return running, running.server.LokiURL
}

func TestLogsOfTheShop(t *testing.T) {
	running, loki := openedShop(t, 1)
	from, to := rfc(running.question.Window.From), rfc(running.question.Window.To)
	ask := func(args ...string) ended {
		t.Helper()
		return runAt(t.Context(), time.Now(), append([]string{"logs", "--loki-url", loki, "--from", from, "--to", to}, args...)...)
	}
	for _, test := range []struct {
		name   string
		args   []string
		status int
		stdout string // a regular expression that it matches
		stderr string
	}{
		{"the newest of a service", []string{"--service", "payment", "--limit", "3"}, exitOK, `^(\S+Z [A-Z]+ +payment +\S.*\n){3}$`, `more records than the newest 3,`},
		{"more than are shown", []string{"--service", "payment"}, exitPartial, `^(\S+Z [A-Z]+ +payment +\S.*\n){1000}$`, `more records than the newest 1000,`},
		{"a query", []string{`{service_name="payment"} |= "charge failed"`}, exitOK, `^(.* charge failed.*\n)+$`, `^$`},
		{"a query with a comment", []string{`{service_name="payment"} |= "charge failed" # what fails`, "--patterns"}, exitOK, `(?m)^new\t\d+\t0\twarn\tpayment\tcharge failed`, `^obs: loki: it holds no such records in the baseline, .*: every pattern looks new\n`},
		{"patterns", []string{"--service", "payment", "--patterns"}, exitOK, `^change\twindow_count\tbaseline_count\tseverity\tservice\tpattern\nnew\t\d+\t0\twarn\tpayment\tcharge failed`, `^$`},
		{"patterns of a sample", []string{`{service_name=~".+"}`, "--patterns"}, exitPartial, `(?m)^new\t\d+\t0\twarn\tpayment\tcharge failed`, `the patterns are made of \d+ of some \d+ lines \([0-9.]+ %\)`},
		{"records as lines of JSON", []string{"--service", "payment", "--limit", "2", "-o", "jsonl"}, exitOK, `^(\{"time":"\S+Z","service":"payment",.*\}\n){2}$`, `more records`},
		{"records as logfmt", []string{"--service", "payment", "--limit", "2", "-o", "logfmt"}, exitOK, `^(time=\S+Z service=payment level=\w+ .*msg=".+"\n){2}$`, `more records`},
		{"with context", []string{`{service_name="payment"} |= "charge failed"`, "-C", "1", "--limit", "1"}, exitOK, `^\S+Z-\S+ +payment .*\n\S+Z \S+ +payment +charge failed.*\n(\S+Z-\S+ +payment .*\n)?$`, `more records`},
		{"context as JSON", []string{`{service_name="payment"} |= "charge failed"`, "-B", "1", "--limit", "1", "-o", "jsonl"}, exitOK, `^\{.*"context":true,"group":1\}\n\{.*charge failed.*"group":1\}\n$`, `more records`},
		{"patterns as lines of JSON", []string{"--service", "payment", "--patterns", "-o", "jsonl"}, exitOK, `^\{"pattern":"charge failed.*"change":"new".*\}\n(\{"pattern":.*\}\n)+$`, `^$`},
		{"patterns as JSON", []string{"--service", "payment", "--patterns", "-o", "json", "--limit", "1"}, exitOK, `"change": "new"`, `.`},
		{"wrong LogQL", []string{`{service_name="payment"`}, exitUsage, `^$`, `^obs: loki did not accept the query: parse error at line 1, col 24: syntax error: .*\n  \{service_name="payment"\n {25}\^\n  → a LogQL query begins with`},
		{"a wrong expression", []string{`{service_name="payment"} |~ "("`}, exitUsage, `^$`, `^obs: loki did not accept the query: parse error : .*missing closing \)`},
		{"a query that counts", []string{`count_over_time({service_name="payment"}[5m])`}, exitUsage, `^$`, `(?s)this query counts or measures.*→ give the part that selects the lines`},
		{"patterns of a query that counts", []string{`count_over_time({service_name="payment"}[5m])`, "--patterns"}, exitUsage, `^$`, `→ give the part that selects the lines`},
		{"text that is no LogQL", []string{"charge failed"}, exitUsage, `^$`, `parse error(?s:.*)\n  charge failed\n  \^\n`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ask(test.args...)
			if got.status != test.status || !regexp.MustCompile(test.stdout).MatchString(got.stdout) || !regexp.MustCompile(test.stderr).MatchString(got.stderr) {
				t.Errorf("status %d, want %d\n%.2000s\n%s", got.status, test.status, got.stdout, got.stderr)
			}
		})
	}
	// A failed write is no success.
	w := nowhere(failingWriter{}, io.Discard)
	if status := run([]string{"logs", "--loki-url", loki, "--service", "payment"}, w); status != exitFailed {
		t.Errorf("status %d of a full disk", status)
	}
}

// Raw lines go into a pipe as they are stored, and on a terminal can do nothing.
func TestRawLogs(t *testing.T) {
	store := lokiapi.NewStore()
	line := "\x1b[31mred\x1b[0m\tand \x9b\nat a"
	store.Append(sources.Labels{"service_name": "a"}, sources.Record{Time: noon.Add(-time.Minute), Line: line})
	server := httptest.NewServer(lokiapi.Handler(store, lokiapi.Options{}))
	t.Cleanup(server.Close)
	for shown, want := range map[bool]string{false: strings.ToValidUTF8(line, "\ufffd") + "\n", true: `\x1b[31mred\x1b[0m\tand ` + "\ufffd" + `\nat a` + "\n"} {
		var out, said bytes.Buffer
		w := nowhere(&out, &said)
		w.shown, w.now = shown, func() time.Time { return noon }
		if status := runContext(t.Context(), []string{"logs", "--service", "a", "-o", "raw", "--loki-url", server.URL}, w); status != exitOK || out.String() != want {
			t.Errorf("on a terminal %t: status %d, %q, %s", shown, status, out.String(), said.String())
		}
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

// Records that come are shown as they come, until a signal ends it as it is meant to end.
func TestLogsFollow(t *testing.T) {
	_, loki := openedShop(t, 20)
	for _, test := range []struct {
		name string
		args []string
		line string
	}{
		{"text", []string{"--service", "payment"}, `^\S+Z [A-Z]+ +payment +\S`},
		{"json", []string{`{service_name=~".+"}`, "-o", "json"}, `^\{"time":"20.*"line":".*\}$`},
		{"jsonl", []string{`{service_name=~".+"}`, "-o", "jsonl"}, `^\{"time":"20.*"line":".*\}$`},
		{"logfmt", []string{"--service", "payment", "-o", "logfmt"}, `^time=20\S+Z service=payment level=[a-z]+ .*service_name=payment.* msg="\S.*"$`},
		{"raw", []string{"--service", "payment", "-o", "raw"}, `^\{"time":`},
		{"from a time on", []string{"--service", "payment", "--since", "10m"}, `payment`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stderr bytes.Buffer
			program := exec.CommandContext(t.Context(), "obs", append([]string{"logs", "--follow", "--loki-url", loki}, test.args...)...)
			program.Stderr = &stderr
			out, err := program.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := program.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for range 3 {
				if !lines.Scan() || !regexp.MustCompile(test.line).MatchString(lines.Text()) {
					t.Errorf("%q, %s", lines.Text(), stderr.String())
				}
				var r correlate.Record
				if err := json.Unmarshal(lines.Bytes(), &r); strings.Contains(test.name, "json") && (err != nil || r.Service == "" || r.Time.IsZero()) {
					t.Errorf("%s: %+v, %v", lines.Text(), r, err)
				}
			}
			if err := program.Process.Signal(os.Interrupt); err != nil {
				t.Error(err)
			}
			_, _ = io.Copy(io.Discard, out)
			if err := program.Wait(); err != nil || stderr.Len() > 0 {
				t.Errorf("it ended with %v, and said %q", err, stderr.String())
			}
		})
	}
}

func TestLogsFollowEnds(t *testing.T) {
	_, loki := openedShop(t, 1)
	for _, test := range []struct {
		name   string
		args   []string
		status int
		stderr string
	}{
		{"its time is up", []string{"--service", "payment", "--timeout", "200ms"}, exitOK, `^$`},
		{"of a trace that nobody logs", []string{"--trace", "4bf92f3577b34da6a3ce929d0e0e4736", "--timeout", "200ms"}, exitOK, `^$`},
		{"a wrong query", []string{`{service_name="payment"`}, exitUsage, `col 24.*\n  \{service_name="payment"\n {25}\^\n  → a LogQL query begins`},
		{"a query that counts", []string{`rate({service_name="payment"}[1m])`}, exitUsage, `did not accept the query`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := runAt(t.Context(), time.Now(), append([]string{"logs", "--follow", "--loki-url", loki}, test.args...)...)
			if got.status != test.status || got.stdout != "" || !regexp.MustCompile(test.stderr).MatchString(got.stderr) {
				t.Errorf("status %d, want %d: %q, %q", got.status, test.status, got.stdout, got.stderr)
			}
		})
	}
}

// What the server drops is said, and a writer that fails ends it.
func TestFollowLogsSaysAndFails(t *testing.T) {
	records := []sources.Record{{Time: noon, Stream: sources.Labels{"app": "shop"}, Line: "it"}}
	for _, test := range []struct {
		name   string
		out    io.Writer
		status int
		said   string
	}{
		{"dropped", &bytes.Buffer{}, exitOK, "obs: the server dropped 7 records, which were not read fast enough\n"},
		{"a full disk", failingWriter{}, exitFailed, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var said bytes.Buffer
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			logs := scriptedTail{do: func(each func([]sources.Record, int)) {
				if test.said != "" {
					each(nil, 7)
					each(records, 0)
					cancel()
					return
				}
				each(records, 0)
			}}
			explorer := correlate.NewExplorer(sources.Set{Logs: logs}, correlate.Question{})
			o := &logsOptions{}
			err := o.followLogs(ctx, explorer, correlate.LogQuestion{Query: "{}"}, nowhere(test.out, &said))
			var exit *exitError
			if errors.As(err, &exit) != (test.status != exitOK) || (exit != nil && exit.code != test.status) || said.String() != test.said {
				t.Errorf("%v, %q", err, said.String())
			}
			if b, ok := test.out.(*bytes.Buffer); ok && b.String() != "2026-11-21T12:00:00.000Z -     shop         it\n" {
				t.Errorf("wrote %q", b)
			}
		})
	}
}

// scriptedTail is logs that can be followed, and nothing else.
type scriptedTail struct {
	sources.Logs
	do func(each func([]sources.Record, int))
}

// Follow implements sources.Logs.
func (s scriptedTail) Follow(ctx context.Context, _ string, _ time.Time, each func([]sources.Record, int)) error {
	s.do(each)
	<-ctx.Done()
	return nil
}

func TestLogsInterrupted(t *testing.T) {
	address, asked := silent(t)
	program := exec.CommandContext(t.Context(), "obs", "logs", "--service", "payment", "--loki-url", address)
	var stderr bytes.Buffer
	program.Stderr = &stderr
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := program.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitTimeout || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("it ended with %v, and said %q", err, stderr.String())
	}
}

// A limit above what the server gives at once brings every record once, also where pages
// end amid many records of one nanosecond.
func TestLogsBeyondAPage(t *testing.T) {
	store := lokiapi.NewStore()
	add := store.Appender(sources.Labels{"service_name": "a"})
	const count = 13000
	for i := range count {
		add(noon.Add(-time.Duration(1+(count-1-i)/700)*time.Second), fmt.Sprintf("line %05d", i), nil)
	}
	server := httptest.NewServer(lokiapi.Handler(store, lokiapi.Options{}))
	t.Cleanup(server.Close)
	for limit, want := range map[string]int{"20000": count, "12345": 12345} {
		got := runAt(t.Context(), noon, "logs", `{service_name="a"}`, "--limit", limit, "-o", "raw", "--loki-url", server.URL)
		all := strings.Fields(strings.ReplaceAll(got.stdout, "line ", ""))
		slices.Sort(all)
		if got.status != exitOK || len(all) != want || len(slices.Compact(all)) != want {
			t.Errorf("--limit %s: status %d, %d lines, want %d: %s", limit, got.status, len(all), want, got.stderr)
		}
		if cut := strings.Contains(got.stderr, "there are more records"); cut != (want < count) {
			t.Errorf("--limit %s: %q", limit, got.stderr)
		}
	}
}
