package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"obs/correlate"
)

func TestMemory(t *testing.T) {
	dir := t.TempDir()
	w := world{now: func() time.Time { return noon }, cache: func() (string, error) { return dir, nil }}
	m := recall(w, "k")
	if err := m.keep(); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("nothing was learnt, and there are %v, %v", files, err)
	}

	// What one lookup finds out the next knows, of the same Loki alone.
	_, err := os.Stat(incidentAnswers)
	if err != nil {
		t.Fatal(err)
	}
	answers := answering(t, incident)
	run := func() string {
		var out, errs bytes.Buffer
		w := world{out: &out, err: &errs, getenv: func(string) string { return "" }, now: w.now, cache: w.cache}
		if status := runContext(t.Context(), []string{"trace", moments()["TRACE"], "--jaeger-url", answers, "--loki-url", answers}, w); status != exitOK {
			t.Fatalf("status %d: %s", status, errs.String())
		}
		return out.String()
	}
	first := run()
	files, err := filepath.Glob(filepath.Join(dir, "obs", "habits-*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	var kept habitsFile
	if err := readJSON(files[0], &kept); err != nil || kept.Schema != habitsSchema || len(kept.Services) == 0 {
		t.Fatalf("kept %+v, %v", kept, err)
	}
	for service, habit := range kept.Services {
		if !habit.Strict || habit.Seen.IsZero() {
			t.Errorf("%s: %+v", service, habit)
		}
	}
	if again := run(); again != first {
		t.Errorf("the second time it says\n%s\nand the first\n%s", again, first)
	}

	// A broken file is as none, and is written anew.
	if err := os.WriteFile(files[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if again := run(); again != first {
		t.Errorf("beside a broken file it says\n%s", again)
	}
	var mended habitsFile
	if err := readJSON(files[0], &mended); err != nil || len(mended.Services) != len(kept.Services) {
		t.Errorf("kept %+v, %v", mended, err)
	}
}

// Without a place to remember in, obs forgets.
func TestMemoryWithoutAPlace(t *testing.T) {
	for _, w := range []world{
		{now: time.Now},
		{now: time.Now, cache: func() (string, error) { return "", os.ErrNotExist }},
	} {
		if m := recall(w, "k"); m.habits == nil || m.path != "" || m.keep() != nil {
			t.Errorf("%+v", m)
		}
	}
	if known, _ := correlate.NewHabits(nil, noon).Known(); len(known) > 0 {
		t.Errorf("knows %v", known)
	}
}
