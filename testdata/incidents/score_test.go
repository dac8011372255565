package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// standIn makes this test's own program take the place of obs: it prints the variable's
// text, with {args} filled in, and ends with the status of the other one; with 0 where it
// names suspects and is given no address of Jaeger.
const (
	standIn       = "INCIDENTS_TEST_PRINT"
	standInStatus = "INCIDENTS_TEST_STATUS"
)

func TestMain(m *testing.M) {
	text, ok := os.LookupEnv(standIn)
	if !ok {
		os.Exit(m.Run())
	}
	if text == "sleep" {
		time.Sleep(time.Minute) // until it is killed
	}
	fmt.Fprintln(os.Stderr, "first\nlast \x1b[31mwords")
	fmt.Print(strings.ReplaceAll(text, "{args}", strings.Join(os.Args[1:], " ")))
	if os.Getenv("JAEGER_URL") == "" && strings.Contains(text, "suspects") {
		os.Exit(exitOK)
	}
	code := 0
	_, _ = fmt.Sscan(os.Getenv(standInStatus), &code)
	os.Exit(code)
}

func TestPlace(t *testing.T) {
	for _, test := range []struct {
		name     string
		suspects []suspect
		want     int
	}{
		{"nobody", nil, 0},
		{"others only", []suspect{{1, "cart"}}, 0},
		{"first", []suspect{{1, "checkout"}, {2, "cart"}}, 1},
		{"a tie counts against it", []suspect{{1, "checkout"}, {1, "cart"}, {1, "web"}}, 3},
		{"a tie below", []suspect{{1, "cart"}, {2, "checkout"}, {2, "web"}, {3, "mail"}}, 3},
		{"in any order", []suspect{{3, "mail"}, {2, "checkout"}, {1, "cart"}}, 2},
		{"named twice, the better one counts", []suspect{{1, "cart"}, {2, "checkout"}, {3, "checkout"}}, 2},
		{"with a namespace, in other letters", []suspect{{1, "shop/Checkout"}, {2, "cart"}}, 1},
		{"no part of a longer name", []suspect{{1, "checkout-db"}, {2, "checkout"}}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := attempt{fault: fault{Service: "checkout"}, answer: answer{Suspects: test.suspects}}
			if got := a.place(); got != test.want {
				t.Errorf("place %d, want %d", got, test.want)
			}
		})
	}
}

// The place is where the culprit comes when all are sorted by rank and it goes behind its
// equals.
func TestPlaceIsTheWorstOfASort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []suspect
		for i, rank := range rapid.SliceOfN(rapid.IntRange(1, 4), 1, 8).Draw(t, "ranks") {
			all = append(all, suspect{rank, fmt.Sprintf("s%d", i)})
		}
		culprit := rapid.SampledFrom(all).Draw(t, "culprit").Service
		sorted := slices.Clone(all)
		slices.SortFunc(sorted, func(a, b suspect) int {
			if order := cmp.Compare(a.Rank, b.Rank); order != 0 {
				return order
			}
			if a.Service == culprit {
				return 1
			}
			return -1
		})
		want := 1 + slices.IndexFunc(sorted, func(s suspect) bool { return s.Service == culprit })
		a := attempt{fault: fault{Service: culprit}, answer: answer{Suspects: all}}
		if got := a.place(); got != want {
			t.Fatalf("place %d, want %d", got, want)
		}
	})
}

const oneFault = `[{"id":"f1","type":"delay","service":"checkout","from":"2024-05-01T10:00:00Z","to":"2024-05-01T10:03:00Z","baseline":"2024-05-01T09:50:00Z/2024-05-01T09:55:00Z","note":"of no account"}]`

func TestReadFaults(t *testing.T) {
	second := strings.Replace(oneFault, "f1", "f2", 1)
	faults, err := readFaults(write(t, map[string]string{"faults-b.json": second, "faults-a.json": oneFault, "below/faults.json": "no list"}))
	if err != nil {
		t.Fatal(err)
	}
	if len(faults) != 2 || faults[0].ID != "f1" || faults[1].ID != "f2" {
		t.Errorf("faults %+v", faults)
	}
	change := func(old, with string) string { return strings.Replace(oneFault, old, with, 1) }
	for _, test := range []struct{ name, text, want string }{
		{"no list", `{}`, "faults.json"},
		{"an empty list", `[]`, "no fault"},
		{"no culprit", change(`"checkout"`, `""`), "all needed"},
		{"no time", change("2024-05-01T10:00:00Z", "10:00"), "faults.json"},
		{"backwards", change("10:03", "09:03"), "not before"},
		{"no interval", change("/2024-05-01T09:55:00Z", ""), "baseline"},
		{"what obs would take for a flag", change("2024-05-01T09:50:00Z/", "--save/"), "baseline"},
		{"twice the same", "[" + strings.Trim(oneFault, "[]") + "," + strings.Trim(oneFault, "[]") + "]", "two faults"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := readFaults(write(t, map[string]string{"faults.json": test.text})); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
	if _, err := readFaults(t.TempDir()); err == nil || !strings.Contains(err.Error(), faultFiles) {
		t.Errorf("no list: error %v", err)
	}
}

func setAddresses(t *testing.T) {
	t.Helper()
	for _, variables := range signals {
		t.Setenv(variables[0], "http://127.0.0.1:1")
	}
}

// stand returns a scorer to which this program is obs, and prints a text.
func stand(t *testing.T, text string, status int) *scorer {
	t.Helper()
	t.Setenv(standIn, text)
	t.Setenv(standInStatus, fmt.Sprint(status))
	setAddresses(t)
	return &scorer{obs: os.Args[0], timeout: time.Minute, progress: &bytes.Buffer{}}
}

func someFault(t *testing.T) fault {
	t.Helper()
	var all []fault
	if err := json.Unmarshal([]byte(oneFault), &all); err != nil {
		t.Fatal(err)
	}
	return all[0]
}

func TestRun(t *testing.T) {
	const found = `{"suspects":[{"rank":1,"service":"checkout"}],"queries":[{},{}]}`
	for _, test := range []struct {
		name, text string
		status     int
		place      int
		failure    string
	}{
		{"an answer", found, 0, 1, ""},
		{"one in part", found, 4, 1, ""},
		{"nothing found", `{"suspects":[]}`, 5, 0, ""},
		{"a failure", found, 1, 0, "exit status 1: last"},
		{"no case", "hello", 0, 0, "no case"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := stand(t, test.text, test.status)
			a := s.run(context.Background(), someFault(t))
			if !strings.Contains(a.failure, test.failure) || (test.failure == "") != (a.failure == "") {
				t.Errorf("failure %q, want %q", a.failure, test.failure)
			}
			if got := a.place(); got != test.place {
				t.Errorf("place %d, want %d", got, test.place)
			}
		})
	}
}

func TestRunIsToldTheTimesAlone(t *testing.T) {
	s := stand(t, `{"suspects":[{"rank":1,"service":"{args}"}]}`, 0)
	a := s.run(context.Background(), someFault(t))
	want := "triage --from 2024-05-01T10:00:00Z --to 2024-05-01T10:03:00Z --baseline 2024-05-01T09:50:00Z/2024-05-01T09:55:00Z -o json"
	if len(a.answer.Suspects) != 1 || a.answer.Suspects[0].Service != want {
		t.Errorf("ran with %+v (%s), want %s", a.answer.Suspects, a.failure, want)
	}
}

func TestRunEndsInTime(t *testing.T) {
	s := stand(t, "sleep", 0)
	s.timeout = 20 * time.Millisecond
	if a := s.run(context.Background(), someFault(t)); !strings.Contains(a.failure, "no answer within 20ms") {
		t.Errorf("failure %q", a.failure)
	}
}

// Without Jaeger's address the stand-in answers, with it it fails: so a row of four has
// an answer.
func TestReportLeavesOneOut(t *testing.T) {
	s := stand(t, `{"suspects":[{"rank":1,"service":"cart"},{"rank":2,"service":"checkout"}],"queries":[{},{},{}]}`, 3)
	var out bytes.Buffer
	err := s.report(context.Background(), []fault{someFault(t)}, true, &out)
	if err == nil || err.Error() != "3 runs gave no answer" {
		t.Errorf("error %v", err)
	}
	for _, want := range []string{
		"f1 delay: failed: exit status 3: last",
		"misses, without traces:\n  f1 delay: checkout is number 2; first: cart\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("control characters in\n%q", out.String())
	}
	for line := range strings.Lines(out.String()) {
		if fields := strings.Fields(line); strings.HasPrefix(line, "without traces") && fmt.Sprint(fields[2:6], fields[8:]) != "[1 0.0 100.0 100.0] [3]" {
			t.Errorf("row %q", line)
		}
	}
}

// A culprit that ranks low is no failure.
func TestReportOfAMissIsNoError(t *testing.T) {
	s := stand(t, `{"suspects":[]}`, 0)
	var out bytes.Buffer
	if err := s.report(context.Background(), []fault{someFault(t)}, false, &out); err != nil {
		t.Error(err)
	}
	if want := "checkout is not listed, and nobody is"; !strings.Contains(out.String(), want) {
		t.Errorf("no %q in\n%s", want, out.String())
	}
}

func TestTable(t *testing.T) {
	at := func(kind string, place, queries int, took time.Duration) attempt {
		a := attempt{fault: fault{Type: kind, Service: "checkout"}, took: took}
		for i := range place {
			a.answer.Suspects = append(a.answer.Suspects, suspect{i + 1, fmt.Sprintf("other%d", i)})
		}
		if place > 0 {
			a.answer.Suspects[place-1].Service = "checkout"
		}
		a.answer.Queries = make([]json.RawMessage, queries)
		return a
	}
	all := []attempt{
		at("delay", 1, 10, time.Second), at("delay", 3, 12, 2*time.Second),
		at("crash", 5, 11, 4*time.Second), at("crash", 0, 0, 3*time.Second),
	}
	want := `           n  top-1  top-3  top-5  median s  longest s  most queries
all        4   25.0   50.0   75.0      2.50       4.00            12
  crash    2    0.0    0.0   50.0      3.50       4.00            11
  delay    2   50.0  100.0  100.0      1.50       2.00            12
`
	if got := table(slices.Concat([]row{{"all", all}}, byType(all))); got != want {
		t.Errorf("table\n%swant\n%s", got, want)
	}
}

func TestEnvironment(t *testing.T) {
	given := []string{"HOME=/home", "PROMETHEUS_URL=a", "LOKI_URL=b", "LOKI_ADDR=c", "JAEGER_URL=d"}
	for _, test := range []struct {
		without []string
		want    string
	}{
		{nil, "HOME=/home PROMETHEUS_URL=a LOKI_URL=b LOKI_ADDR=c JAEGER_URL=d"},
		{[]string{"logs"}, "HOME=/home PROMETHEUS_URL=a JAEGER_URL=d"},
		{[]string{"metrics", "traces"}, "HOME=/home LOKI_URL=b LOKI_ADDR=c"},
	} {
		s := scorer{without: test.without}
		if got := strings.Join(s.environment(given), " "); got != test.want {
			t.Errorf("without %v: %s, want %s", test.without, got, test.want)
		}
	}
}

func TestExitStatus(t *testing.T) {
	good := write(t, map[string]string{"faults.json": oneFault})
	for _, test := range []struct {
		name string
		args []string
		want int
		says string
	}{
		{"nothing", nil, exitUsage, "load, score, trace or sensitivity"},
		{"help", []string{"score", "--help"}, exitOK, "-without"},
		{"no folder", []string{"score"}, exitUsage, "name the one folder"},
		{"one that is not there", []string{"load", good + "/no"}, exitUsage, "is no folder"},
		{"no signal", []string{"score", "--without", "profiles", good}, exitUsage, "none of metrics, traces, logs"},
		{"nothing left", []string{"score", "--obs", os.Args[0], "--without", "logs", "--without", "traces", "--without", "metrics", good}, exitFailed, "nothing to ask"},
		{"no program", []string{"score", "--obs", good + "/obs", good}, exitFailed, "make build"},
		{"no faults", []string{"score", t.TempDir()}, exitFailed, faultFiles},
		{"no addresses", []string{"load", good}, exitFailed, "--prometheus-url"},
		{"a miss", []string{"score", "--obs", os.Args[0], good}, exitOK, "not listed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			stand(t, `{"suspects":[]}`, 0)
			var out, log bytes.Buffer
			if got := run(context.Background(), test.args, &out, &log); got != test.want {
				t.Errorf("status %d, want %d", got, test.want)
			}
			if !strings.Contains(log.String(), test.says) {
				t.Errorf("no %q in\n%s", test.says, log.String())
			}
		})
	}
}

func TestAnAddressThatIsMissingIsNamed(t *testing.T) {
	s := stand(t, `{}`, 0)
	t.Setenv("JAEGER_URL", "")
	if err := s.report(context.Background(), []fault{someFault(t)}, false, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "JAEGER_URL is not set") {
		t.Errorf("error %v", err)
	}
	s.without = []string{"traces"}
	if err := s.ready(); err != nil {
		t.Error(err)
	}
}
