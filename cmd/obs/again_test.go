package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"obs/correlate"
)

func TestTimeInWords(t *testing.T) {
	now := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	w := world{now: func() time.Time { return now }, err: &bytes.Buffer{}}
	flags := &windowFlags{since: "1h", zone: "UTC", baseline: "24h"}
	for words, want := range map[string]string{
		"":                                  "2026-11-21 13:00:00 – 14:00:00 UTC",
		"5m":                                "2026-11-21 13:55:00 – 14:00:00 UTC",
		"13:30":                             "2026-11-21 13:30:00 – 14:00:00 UTC",
		"13:30 13:45":                       "2026-11-21 13:30:00 – 13:45:00 UTC",
		"now-2h now-1h":                     "2026-11-21 12:00:00 – 13:00:00 UTC",
		"2026-11-20 13:30 2026-11-20 13:45": "2026-11-20 13:30:00 – 13:45:00 UTC",
	} {
		q, err := flags.in(words).question(w, nil)
		if err != nil {
			t.Errorf("%q: %v", words, err)
			continue
		}
		if got := q.Window.String(); got != want {
			t.Errorf("%q is taken for %s, want %s", words, got, want)
		}
		if got := q.Window.From.Sub(q.Baseline.From); got != 24*time.Hour {
			t.Errorf("%q: the baseline is %s before", words, got)
		}
	}
	for words, want := range map[string]string{
		"tomorrow": `"tomorrow" is no time`, "13:45 13:30": "the window is empty", "a b c": "is no time", "-5m": "is no",
	} {
		if _, err := flags.in(words).question(w, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", words, err, want)
		}
	}
	if flags.since != "1h" || flags.from != "" {
		t.Errorf("the flags themselves were changed: %+v", flags)
	}
}

func TestExport(t *testing.T) {
	t.Chdir(t.TempDir())
	now := time.Date(2026, 11, 21, 14, 0, 0, 5e6, time.UTC)
	c := correlate.NewCase(correlate.Question{}.Window)
	path, err := export(c, now)
	if err != nil || path != "obs-case-20261121T140000.005Z.json" {
		t.Fatalf("%q, %v", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %s", info.Mode())
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), correlate.Schema) {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := export(c, now); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("the second time: %v", err)
	}
}

func TestRescue(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	path, err := rescue(correlate.NewCase(correlate.Question{}.Window))
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() == 0 {
		t.Errorf("%v, %v", info, err)
	}
}

// Cases that were saved before cases kept series, timelines and pages open in every form.
func TestOlderCasesOpen(t *testing.T) {
	cases, err := filepath.Glob("../../correlate/report/testdata/case-*.json")
	if err != nil || len(cases) < 6 {
		t.Fatalf("%v, %v", cases, err)
	}
	for _, path := range cases {
		saved, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(saved, []byte(`"series"`)) {
			t.Errorf("%s is not old", path)
		}
		for _, form := range []string{"text", "markdown", "json", "html"} {
			ended := runAt(t.Context(), noon, "open", path, "-o", form)
			if ended.status == exitUsage || ended.stdout == "" {
				t.Errorf("%s as %s: status %d: %s", path, form, ended.status, ended.stderr)
			}
			if form == "json" && ended.stdout != string(saved) {
				t.Errorf("%s is written as another case", path)
			}
		}
	}
}
