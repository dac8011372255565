//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"obs/correlate"
)

// What real rules raise is one row with what the real Alertmanager says of it: that one of
// them is silenced.
func TestAlertsInRealBackends(t *testing.T) {
	address := os.Getenv("ALERTMANAGER_URL")
	if address == "" || os.Getenv("PROMETHEUS_URL") == "" {
		t.Fatal("ALERTMANAGER_URL or PROMETHEUS_URL is not set: the backends' script in testdata prints them")
	}
	silence := fmt.Sprintf(`{"matchers":[{"name":"alertname","value":"FrontendWatched","isRegex":false,"isEqual":true}],"startsAt":%q,"endsAt":%q,"createdBy":"a test","comment":"to see it"}`,
		time.Now().UTC().Format(time.RFC3339), time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	response, err := http.Post(address+"/api/v2/silences", "application/json", strings.NewReader(silence))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	text, err := io.ReadAll(response.Body)
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	var made struct {
		SilenceID string `json:"silenceID"`
	}
	if err != nil || json.Unmarshal(text, &made) != nil || made.SilenceID == "" {
		t.Fatalf("%s, %v", text, err)
	}
	t.Cleanup(func() {
		request, err := http.NewRequest(http.MethodDelete, address+"/api/v2/silence/"+made.SilenceID, nil)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := http.DefaultClient.Do(request); err != nil {
			t.Error(err)
		} else if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("HTTP %d, %v", response.StatusCode, err)
		}
	})
	alerts := map[string][]correlate.Alert{}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		var out, said bytes.Buffer
		status := run([]string{"alerts", "-o", "json"}, world{out: &out, err: &said, getenv: os.Getenv, now: time.Now})
		var list correlate.AlertList
		if err := json.Unmarshal(out.Bytes(), &list); status != exitOK || err != nil || said.Len() > 0 {
			t.Fatalf("status %d, %v\n%s", status, err, said.String())
		}
		clear(alerts)
		for _, a := range list.Alerts {
			alerts[a.Name] = append(alerts[a.Name], a)
		}
		watched := alerts["FrontendWatched"]
		if len(watched) == 1 && len(watched[0].Silences) > 0 && len(alerts["Watchdog"]) == 1 && len(alerts["Watchdog"][0].Evidence) == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %+v", list.Alerts)
		}
	}
	watched, dog := alerts["FrontendWatched"][0], alerts["Watchdog"][0]
	if watched.State != "firing" || watched.Service != "frontend" || watched.Silences[0].Comment == "" || len(watched.Evidence) != 2 || watched.Value != 1 {
		t.Errorf("the silenced one: %+v", watched)
	}
	if dog.Quiet() != "" || !strings.HasPrefix(dog.RuleURL, "http") || len(dog.Receivers) != 1 {
		t.Errorf("the watchdog: %+v", dog)
	}
	if waits := alerts["Patience"]; len(waits) != 1 || waits[0].State != "pending" || len(waits[0].Evidence) != 1 {
		t.Errorf("the pending one: %+v", waits)
	}
}

// The real rules are of all kinds: those that lack something are found, and those that are
// there on purpose are left alone.
func TestAlertsLintOfRealRules(t *testing.T) {
	var out, said bytes.Buffer
	status := run([]string{"alerts", "lint", "--check", "-o", "json"}, world{out: &out, err: &said, getenv: os.Getenv, now: time.Now})
	var report correlate.RuleReport
	if err := json.Unmarshal(out.Bytes(), &report); status != exitAnomalous || err != nil || report.Rules < 4 || len(report.Missing) > 0 || report.HeldSeconds <= 0 || len(report.Queries) > 9 {
		t.Fatalf("status %d, %v, %s\n%s", status, err, out.String(), said.String())
	}
	kinds := map[string][]string{}
	for _, p := range report.Problems {
		kinds[p.Rule] = append(kinds[p.Rule], string(p.Kind))
	}
	if got := strings.Join(kinds["Watchdog"], " "); got != "no_owner" {
		t.Errorf("the watchdog: %s", got)
	}
	if got := strings.Join(kinds["Impossible"], " "); !strings.HasSuffix(got, "no_for no_owner") {
		t.Errorf("the impossible one: %s", got)
	}
}
