package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources/sandbox/shop"
)

const runbooks = "../../docs/runbooks/"

// served is a shop at theNoon behind its three addresses, as the environment names them.
func served(t *testing.T, scenario string, at time.Time) []string {
	t.Helper()
	chosen, err := shop.Find(scenario)
	if err != nil {
		t.Fatal(err)
	}
	// Its time stands as good as still: what is asked twice is the same, however slow the machine.
	running, err := openShop(t.Context(), chosen, &demoOptions{seed: 1, speed: 1e-6}, at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.close)
	return []string{
		"PROMETHEUS_URL=" + running.server.PrometheusURL, "LOKI_URL=" + running.server.LokiURL, "JAEGER_URL=" + running.server.JaegerURL,
		"NOW=" + at.Format(time.RFC3339),
	}
}

// runbook runs a script as somebody on call does, in a folder of its own unless one is given.
func runbook(t *testing.T, dir string, environment []string, name string, args ...string) ended {
	t.Helper()
	script, err := filepath.Abs(runbooks + name)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	program := exec.CommandContext(t.Context(), "bash", append([]string{script}, args...)...)
	program.Dir, program.Stdout, program.Stderr = dir, &stdout, &stderr
	program.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_CACHE_HOME=" + dir}, environment...)
	status := 0
	if err := program.Run(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatal(err)
		}
		status = exit.ExitCode()
	}
	return ended{stdout.String(), stderr.String(), status}
}

// says fails the test unless a run ended with a status and wrote lines that match.
func (e ended) says(t *testing.T, status int, lines ...string) {
	t.Helper()
	if e.status != status {
		t.Errorf("status %d, want %d\n%s%s", e.status, status, e.stdout, e.stderr)
	}
	for _, want := range lines {
		if !regexp.MustCompile(`(?m)` + want).MatchString(e.stdout) {
			t.Errorf("no %q in\n%s%s", want, e.stdout, e.stderr)
		}
	}
}

// Each runbook does on an incident of the shop what it says that it does.
func TestRunbooksOnLatency(t *testing.T) {
	dir, incident := t.TempDir(), served(t, "latency", theNoon)
	incident = append(incident, "OBS_CASE=case.json")
	runbook(t, dir, incident, "high-latency.sh").says(t, exitAnomalous,
		`^verdict     anomalous$`, `^changed     .*p95 rose from`, `^the time    payment POST /v1/charges`, `^suspect     1  payment `, `^trace       [0-9a-f]{32}$`, `^next        obs open case\.json`)
	runbook(t, dir, incident, "us-or-provider.sh", "case.json").says(t, exitAnomalous, `^PROVIDER    eu-west\.payments\.example, called by payment: POST /v1/charges$`, `^it says     no answer`)
	runbook(t, dir, incident, "us-or-provider.sh").says(t, exitAnomalous, `^PROVIDER    eu-west`)

	// The request of the trace, by the ID that a customer sees.
	request := regexp.MustCompile(`request_id=(req-[0-9a-f]+)`).FindStringSubmatch(fileText(t, filepath.Join(dir, "case.json")))
	if request == nil {
		t.Fatal("the case names no request ID")
	}
	runbook(t, dir, append(incident, "OBS_CASE=request.json"), "request-id.sh", request[1]).says(t, exitOK,
		`^taken for   `, `^trace       [0-9a-f]{32}  .*checkout  3\.\d+ s, failed spans: 2$`, `^the time    1\.75 s in payment POST /v1/charges$`, `^logged      \d\d:\d\d:\d\d payment .*trying again`, `^next        obs open request\.json`)
	runbook(t, dir, append(incident, "OBS_CASE=none.json"), "request-id.sh", "req-00000000deadbeef", "2026-11-21T11:30:00Z", "now").says(t, exitNotFound, `^next        check the ID`)

	// It goes on; and then, with the same hour before it, it is over.
	runbook(t, dir, append(incident, "OBS_CASE=later.json"), "after-rollback.sh", "case.json").says(t, exitAnomalous, `^trend       `, `^departs     .*p95`)
	runbook(t, dir, append(served(t, "healthy", theNoon), "OBS_CASE=later.json"), "after-rollback.sh", "case.json").says(t, exitOK, `^trend       recovered: `)
	if e := runbook(t, dir, incident, "after-rollback.sh", "request.json"); e.status != exitFailed || !strings.Contains(e.stderr, "this is no case of obs triage") {
		t.Errorf("status %d: %s", e.status, e.stderr)
	}
}

func TestRunbooksOnADeployment(t *testing.T) {
	dir, incident := t.TempDir(), append(served(t, "deploy", theNoon), "OBS_CASE=case.json")
	runbook(t, dir, incident, "errors-after-deploy.sh", "now-30m").says(t, exitAnomalous,
		`^verdict     anomalous$`, `^deployed    session 1\.8\.7 → 1\.9\.0 on 1 of 3 instances   <- and the first suspect: roll this back$`,
		`^deployed    cart .*instances$`, `^suspect     1  session`, `^new line    \d+x  cannot read token$`)
	runbook(t, dir, incident, "us-or-provider.sh", "case.json").says(t, exitAnomalous, `^US          session: GET /session$`)

	var found correlate.Case
	if err := json.Unmarshal([]byte(fileText(t, filepath.Join(dir, "case.json"))), &found); err != nil {
		t.Fatal(err)
	}
	runbook(t, dir, incident, "request-id.sh", string(found.Trace.ID)).says(t, exitOK, `^failed in   session GET /session: token: key set has no entry for kid`)
}

func TestRunbooksOnAHealthyShop(t *testing.T) {
	dir, healthy := t.TempDir(), append(served(t, "healthy", theNoon), "OBS_CASE=case.json")
	runbook(t, dir, healthy, "high-latency.sh", "gateway").says(t, exitOK, `^verdict     healthy$`, `^next        nothing departs`)
	runbook(t, dir, healthy, "us-or-provider.sh").says(t, exitOK, `^verdict     healthy$`)
	runbook(t, dir, healthy, "errors-after-deploy.sh", "now-20m").says(t, exitOK, `^verdict     healthy$`)
	runbook(t, dir, healthy, "nightly-doctor.sh").says(t, exitOK, `^# ● every hop of 10 services`, `^the report is in obs-doctor\.md$`)
	if text := fileText(t, filepath.Join(dir, "obs-doctor.md")); !strings.Contains(text, "| gateway |") {
		t.Errorf("the report is\n%s", text)
	}
	// A store of logs that is away breaks the walk, and the job.
	for i, v := range healthy {
		if strings.HasPrefix(v, "LOKI_URL=") {
			healthy[i] = "LOKI_URL=" + refusing(t)
		}
	}
	runbook(t, dir, healthy, "nightly-doctor.sh", "night.md").says(t, exitAnomalous, `^# ✖ `, `^\d+:.*Loki cannot be reached`, `^the report is in night\.md$`)
	runbook(t, dir, []string{"NOW=" + theNoon.Format(time.RFC3339)}, "nightly-doctor.sh").says(t, exitUsage)
}

// Wrong use asks nothing.
func TestRunbooksSayTheirUse(t *testing.T) {
	for _, name := range []string{"errors-after-deploy.sh", "request-id.sh", "after-rollback.sh"} {
		e := runbook(t, t.TempDir(), nil, name)
		e.says(t, exitUsage)
		if !strings.HasPrefix(e.stderr, fmt.Sprintf("usage: %s ", name)) {
			t.Errorf("%s: %s", name, e.stderr)
		}
	}
}

func fileText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
