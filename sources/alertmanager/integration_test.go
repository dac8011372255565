//go:build integration

package alertmanager_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/sources"
)

func address(t *testing.T) string {
	t.Helper()
	address := os.Getenv("ALERTMANAGER_URL")
	if address == "" {
		t.Fatal("ALERTMANAGER_URL is not set: the backends' script in testdata prints it")
	}
	return strings.TrimRight(address, "/")
}

// send posts to the real server what tests need there.
func send(t *testing.T, path string, what any) (answer struct {
	SilenceID string `json:"silenceID"`
}) {
	t.Helper()
	body, err := json.Marshal(what)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(address(t)+path, "application/json", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: HTTP %d: %s, %v", path, response.StatusCode, text, err)
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			t.Fatal(err)
		}
	}
	return answer
}

// What Prometheus's rules raise arrives, and an alert of the test's own is silenced.
func TestLiveNotifications(t *testing.T) {
	ledger := &sources.Ledger{}
	c := clientOf(t, address(t), ledger)
	name := fmt.Sprintf("ObsTest%d", time.Now().UnixNano())
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	silence := send(t, "/api/v2/silences", map[string]any{
		"matchers": []any{map[string]any{"name": "alertname", "value": name, "isRegex": false, "isEqual": true}},
		"startsAt": time.Now().UTC(), "endsAt": until, "createdBy": "a test", "comment": "to see it",
	})
	t.Cleanup(func() {
		request, err := http.NewRequest(http.MethodDelete, address(t)+"/api/v2/silence/"+silence.SilenceID, nil)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := http.DefaultClient.Do(request); err != nil {
			t.Error(err)
		} else if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("HTTP %d, %v", response.StatusCode, err)
		}
	})
	send(t, "/api/v2/alerts", []any{map[string]any{
		"labels": map[string]string{"alertname": name, "service": "checkout"}, "annotations": map[string]string{"summary": "it is slow"},
		"endsAt": time.Now().Add(time.Minute).UTC(), "generatorURL": "http://prometheus.example/graph?g0.expr=up",
	}})
	var found map[string]sources.Notification
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		all, err := c.Notifications(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found = byName(all)
		if _, fires := found["Watchdog"]; fires && len(found[name].Silences) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %+v", found)
		}
	}
	if own := found[name]; !slices.Equal(own.Silences, []sources.Silence{{ID: silence.SilenceID, By: "a test", Comment: "to see it", Until: until}}) ||
		own.Labels["service"] != "checkout" || own.State != "firing" || own.Generator == "" || !slices.Equal(own.Receivers, []string{"hook"}) {
		t.Errorf("the silenced one: %+v", own)
	}
	if dog := found["Watchdog"]; len(dog.Silences) != 0 || dog.Labels["severity"] != "none" || dog.Annotations["summary"] == "" || dog.ActiveAt.IsZero() {
		t.Errorf("the watchdog: %+v", dog)
	}
	for _, q := range ledger.Queries() {
		if q.Status == sources.QueryFailed {
			t.Errorf("the ledger says %+v", q)
		}
	}
}

func TestLiveDescribe(t *testing.T) {
	got, err := clientOf(t, address(t), nil).Describe(t.Context())
	if err != nil || !strings.HasPrefix(got.Version, "0.") || got.Clock.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	if ahead, known := got.Skew(); !known || ahead != 0 {
		t.Errorf("the same machine's clock is %s ahead", ahead)
	}
}
