package tui

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestKeysAreDocumented(t *testing.T) {
	path := filepath.Join("..", "docs", "keys.md")
	want := documentation()
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the key map says; make keys writes it", path)
	}
}

// No key means two things on one screen, and every action has a key.
func TestKeyMap(t *testing.T) {
	for _, p := range places {
		var acts []action
		for _, b := range bindingsOn(p) {
			if slices.Contains(acts, b.act) {
				t.Errorf("%s is bound twice on %s", b.act, p)
			}
			acts = append(acts, b.act)
		}
	}
	for i := range keyMap {
		b := &keyMap[i]
		if len(b.keys) == 0 || b.name == "" || b.help == "" {
			t.Errorf("%+v is not whole", *b)
		}
		for j := range keyMap[:i] {
			other := &keyMap[j]
			for _, key := range b.keys {
				same := slices.ContainsFunc(b.on, func(p place) bool { return slices.Contains(other.on, p) })
				if slices.Contains(other.keys, key) && (same || (len(b.on) == 0 && len(other.on) == 0)) {
					t.Errorf("%s is both %s and %s", key, b.act, other.act)
				}
			}
		}
	}
}
