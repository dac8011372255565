//go:build integration

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"obs/correlate"
)

// A rule that fires in the real Prometheus starts a triage: by its name, and by what the real
// Alertmanager posts of it.
func TestTriageFromRealAlert(t *testing.T) {
	hook := os.Getenv("ALERT_HOOK")
	if hook == "" || os.Getenv("ALERTMANAGER_URL") == "" || os.Getenv("PROMETHEUS_URL") == "" {
		t.Fatal("ALERT_HOOK, ALERTMANAGER_URL or PROMETHEUS_URL is not set: the backends' script in testdata prints them")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	body := posted(ctx, t, hook, `"FrontendWatched"`)
	check := func(way string, in string, args ...string) {
		var out, said bytes.Buffer
		w := world{in: strings.NewReader(in), out: &out, err: &said, getenv: os.Getenv, now: time.Now}
		status := run(append([]string{"triage", "-o", "json", "--service", "frontend"}, args...), w)
		var c correlate.Case
		if err := json.Unmarshal(out.Bytes(), &c); err != nil || c.Alert == nil {
			t.Fatalf("%s: status %d, %v\n%s", way, status, err, said.String())
		}
		a := c.Alert
		if a.Name != "FrontendWatched" || a.State != "firing" || a.Service != "frontend" || a.Expression != "vector(1)" || a.Started.IsZero() ||
			a.RunbookURL != "https://example.com/runbooks/frontend" || len(a.Findings) != 1 {
			t.Errorf("%s: %+v", way, a)
		}
		if held := a.Held; !c.Window.Contains(held) || held.Sub(c.Window.From) < 5*time.Minute {
			t.Errorf("%s: held since %s, window %s", way, held, c.Window)
		}
		if f := c.Finding(a.Findings[0]); f == nil || f.Evidence[0].Query != "vector(1)" || !strings.Contains(f.Statement, "does not depart") {
			t.Errorf("%s: %+v", way, f)
		}
	}
	check("by name", "", "--alert", "FrontendWatched")
	check("by message", body, "--from-alert", "-")
}

// posted is the first body with a text in it that Alertmanager posts to the hook.
func posted(ctx context.Context, t *testing.T, hook, text string) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", hook)
	if err != nil {
		t.Fatal(err)
	}
	bodies := make(chan string)
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !strings.Contains(string(body), text) {
			return
		}
		select {
		case bodies <- string(body):
		case <-ctx.Done():
		case <-r.Context().Done():
		}
	})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // until it is closed
	}()
	defer func() {
		_ = server.Close()
		<-ended
	}()
	select {
	case body := <-bodies:
		return body
	case <-ctx.Done():
		t.Fatal("Alertmanager posted nothing of it within 30 s")
	}
	return ""
}
