package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources"
	"obs/sources/sandbox"
)

// noted runs the program with a profile that names where notes are kept, with a key.
func noted(t *testing.T, address string, args ...string) ended {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config.yaml")
	text := "current: here\nprofiles:\n  here:\n    notes:\n      url: " + address + "\n      tenant: team-a\n      token: its-token\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"OBS_CONFIG": config, "USER": "ada"}
	var stdout, stderr bytes.Buffer
	status := runContext(t.Context(), args, world{
		out: &stdout, err: &stderr, now: func() time.Time { return noon }, getenv: func(name string) string { return env[name] },
	})
	return ended{stdout.String(), stderr.String(), status}
}

// keeping is a sandbox's Loki behind a guard that lets in who has the key.
func keeping(t *testing.T, stores sandbox.Stores) string {
	t.Helper()
	server, err := sandbox.Serve(t.Context(), stores, sandbox.Options{Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	guard := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer its-token" || r.Header.Get("X-Scope-OrgID") != "team-a" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		on, err := http.NewRequestWithContext(r.Context(), r.Method, server.LokiURL+r.URL.String(), r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		on.Header = r.Header
		answer, err := http.DefaultClient.Do(on)
		if err != nil {
			t.Error(err)
			return
		}
		defer answer.Body.Close()
		w.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	}))
	t.Cleanup(guard.Close)
	return guard.URL
}

// A note goes where the profile says, with its key, and comes back as it was typed.
func TestNotes(t *testing.T) {
	address := keeping(t, sandbox.NewStores())
	const text = "rolled back payment to 1.4.2 {\"x\": 1} \x1b[31m"
	for _, args := range [][]string{
		{"note", text},
		{"note", "--incident", "Checkout slow!", "--at", "11:30", "--author", "grace", "eu-west", "is down"},
	} {
		if got := noted(t, address, args...); got != (ended{}) {
			t.Fatalf("%v: %+v", args, got)
		}
	}
	got := noted(t, address, "notes", "-o", "json")
	var list correlate.NoteList
	if err := json.Unmarshal([]byte(got.stdout), &list); err != nil || got.status != exitOK || list.Schema != correlate.NotesSchema {
		t.Fatalf("%+v, %v", got, err)
	}
	want := []correlate.Note{
		{Time: noon.Add(-30 * time.Minute), Text: "eu-west is down", Incident: "checkout-slow", Author: "grace"},
		{Time: noon, Text: text, Author: "ada"},
	}
	if len(list.Notes) != 2 || list.Notes[0] != want[0] || list.Notes[1] != want[1] {
		t.Errorf("got %+v\nwant %+v", list.Notes, want)
	}
	if got := noted(t, address, "notes"); got.stdout != "time\tincident\tauthor\tnote\n2026-11-21T11:30:00Z\tcheckout-slow\tgrace\teu-west is down\n2026-11-21T12:00:00Z\t\tada\t"+sources.Printable(text)+"\n" {
		t.Errorf("as text: %q", got.stdout)
	}
	if got := noted(t, address, "notes", "--incident", "checkout SLOW", "-o", "markdown"); !strings.Contains(got.stdout, "- 2026-11-21 11:30:00 eu-west is down – grace") || strings.Contains(got.stdout, "rolled back") {
		t.Errorf("of one incident: %q", got.stdout)
	}
	if got := noted(t, address, "notes", "--since", "10m", "--incident", "other"); got.status != exitNotFound {
		t.Errorf("of none: %+v", got)
	}
}

// A triage has the notes of its time, and asks for none where nobody said where they are.
func TestTriageReadsNotes(t *testing.T) {
	l := openLiveShop(t, "latency", 0)
	for _, at := range []string{"11:50", "09:00"} {
		if got := runAt(t.Context(), noon, "note", "--notes-url", l.server.LokiURL, "--at", at, "eu-west is down"); got.status != exitOK {
			t.Fatalf("%+v", got)
		}
	}
	triaged := func(args ...string) (c correlate.Case) {
		got := runAt(t.Context(), noon, append([]string{"triage", "-o", "json", "--prometheus-url", l.server.PrometheusURL}, args...)...)
		if err := json.Unmarshal([]byte(got.stdout), &c); err != nil {
			t.Fatalf("%v in %+v", err, got)
		}
		return c
	}
	if c := triaged("--notes-url", l.server.LokiURL); len(c.Notes) != 1 || c.Notes[0].Text != "eu-west is down" || len(c.Queries) > 40 {
		t.Errorf("notes %+v after %d queries", c.Notes, len(c.Queries))
	}
	if c := triaged("--loki-url", l.server.LokiURL); len(c.Notes) != 0 {
		t.Errorf("notes that nobody asked for: %+v", c.Notes)
	}
}

// A note that is not taken is no success, and says why.
func TestNoteRefused(t *testing.T) {
	address := keeping(t, sandbox.NewStores())
	got := runAt(t.Context(), noon, "note", "--notes-url", address, "hello")
	if got.status != exitRefused || !strings.Contains(got.stderr, "the note was not taken") || !strings.Contains(got.stderr, "who are you?") {
		t.Errorf("without a key: %+v", got)
	}
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "entry for stream has timestamp too old", http.StatusBadRequest)
	}))
	t.Cleanup(old.Close)
	if got := runAt(t.Context(), noon, "note", "--notes-url", old.URL, "hello"); got.status != exitFailed || !strings.Contains(got.stderr, "timestamp too old") {
		t.Errorf("too old: %+v", got)
	}
	if got := runAt(t.Context(), noon, "note", "--notes-url", refusing(t), "hello"); got.status != exitFailed || !strings.Contains(got.stderr, "cannot be reached") {
		t.Errorf("nobody there: %+v", got)
	}
}
