package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"obs/correlate"
)

// memory is what obs remembers of one Loki between two runs: where its services log trace
// IDs, so that those are found again without reading every line. It is a file in the user's
// cache, which may be deleted at any time, and holds no IDs and no lines.
type memory struct {
	habits *correlate.Habits
	path   string // empty where nothing is remembered
}

// habitsFile is the form of the file.
type habitsFile struct {
	Schema   string                     `json:"schema"`
	Services map[string]correlate.Habit `json:"services"`
}

const habitsSchema = "obs.habits/v1"

// maxHabits bounds what is read, in bytes: some ten thousand services.
const maxHabits = 1 << 20

// recall reads what is remembered. What cannot be read is found out again.
func recall(w world, key string) *memory {
	m := &memory{}
	var file habitsFile
	if dir, err := cacheOf(w); err == nil && key != "" {
		m.path = filepath.Join(dir, "obs", "habits-"+key+".json")
		if err := readJSON(m.path, &file); err != nil || file.Schema != habitsSchema {
			file.Services = nil
		}
	}
	m.habits = correlate.NewHabits(file.Services, w.now())
	return m
}

func cacheOf(w world) (string, error) {
	if w.cache == nil {
		return "", os.ErrNotExist
	}
	return w.cache()
}

func readJSON(path string, into any) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxHabits))
	if err := file.Close(); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// keep writes down what was learnt, where something was.
func (m *memory) keep() error {
	known, learnt := m.habits.Known()
	if !learnt || m.path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(m.path), 0o700); err != nil {
		return err
	}
	return writeWhole(m.path, func(out io.Writer) error {
		return json.NewEncoder(out).Encode(habitsFile{Schema: habitsSchema, Services: known})
	})
}
