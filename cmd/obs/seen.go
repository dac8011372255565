package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"obs/correlate"
	"obs/sources"
)

// seen is what runs saw at one set of connections, for the shell to complete: a file in the
// user's cache, which may be deleted at any time.
type seen struct {
	Schema string `json:"schema"`
	// Services are when each was seen last.
	Services map[string]time.Time `json:"services"`
	// Traces are those that were shown last, the last first.
	Traces []seenTrace `json:"traces"`
}

type seenTrace struct {
	ID sources.TraceID `json:"id"`
	// What is the service and operation of its root, and how it went.
	What string    `json:"what"`
	At   time.Time `json:"at"` // when it was shown
}

const seenSchema = "obs.seen/v1"

// A list that is longer is none to choose from, and a name that is longer fills a line.
const (
	maxSeenServices = 2000
	maxSeenTraces   = 20
	maxSeenName     = 120 // bytes
	maxSeenWhat     = 60  // characters
)

// seenFor is how long a service stays that is not seen again: what was renamed or taken away
// would be offered for ever.
const seenFor = 30 * 24 * time.Hour

// seenPath is where it is kept of these connections; empty where nothing is.
func seenPath(w world, key string) string {
	dir, err := cacheOf(w)
	if err != nil || key == "" {
		return ""
	}
	return filepath.Join(dir, "obs", "seen-"+key+".json")
}

// readSeen reads what is kept. What cannot be read is as nothing, and what does not belong
// into a shell is left out, whoever wrote it.
func readSeen(path string) seen {
	var s seen
	if path == "" || readJSON(path, &s) != nil || s.Schema != seenSchema {
		return seen{}
	}
	maps.DeleteFunc(s.Services, func(name string, _ time.Time) bool { return !completable(name) })
	s.Traces = slices.DeleteFunc(s.Traces, func(t seenTrace) bool {
		id, ok := sources.ParseTraceID(string(t.ID))
		return !ok || id != t.ID
	})
	s.Traces = s.Traces[:min(len(s.Traces), maxSeenTraces)]
	return s
}

// plainName is a name that no shell reads anything into: it is completed as it is, without
// quotes, and the shell's own script has it in its hands before a person does.
var plainName = regexp.MustCompile(`^[\pL\pN_][\pL\pN_./:@+,-]*$`)

func completable(name string) bool { return len(name) <= maxSeenName && plainName.MatchString(name) }

// described is a text to stand beside a word: one line, short, and nothing for a shell to act on.
func described(text string) string {
	text = strings.Map(func(r rune) rune {
		if strings.ContainsRune("`$\\", r) {
			return '?'
		}
		return r
	}, sources.Printable(text))
	if runes := []rune(text); len(runes) > maxSeenWhat {
		text = string(runes[:maxSeenWhat-1]) + "…"
	}
	return text
}

func (s *seen) addServices(now time.Time, names ...string) {
	now = now.UTC().Truncate(time.Second)
	for _, name := range names {
		if s.Services[name].Equal(now) || !completable(name) { // a trace may name it thousands of times
			continue
		}
		if s.Services == nil {
			s.Services = map[string]time.Time{}
		}
		s.Services[name] = now
	}
}

func (s *seen) addTrace(now time.Time, t *correlate.Trace) {
	if t == nil || t.ID == "" {
		return
	}
	what := "its root is not stored"
	if t.Root != nil {
		what = t.Root.Service + " " + t.Root.Operation
	}
	ended := "ok"
	if t.ErrorCount > 0 {
		ended = "error"
	}
	// The operation is cut, and not how it ended.
	end := ", " + time.Duration(t.DurationSeconds*float64(time.Second)).Round(time.Millisecond).String() + ", " + ended
	if what = described(what); len([]rune(what)) > maxSeenWhat-len(end) {
		what = string([]rune(what)[:maxSeenWhat-len(end)-1]) + "…"
	}
	s.Traces = slices.DeleteFunc(s.Traces, func(old seenTrace) bool { return old.ID == t.ID })
	s.Traces = slices.Insert(s.Traces, 0, seenTrace{ID: t.ID, What: what + end, At: now.UTC().Truncate(time.Second)})
	s.Traces = s.Traces[:min(len(s.Traces), maxSeenTraces)]
	for i := range t.Spans {
		s.addServices(now, t.Spans[i].Service)
	}
}

// addCase takes what a case shows.
func (s *seen) addCase(now time.Time, c *correlate.Case) {
	for i := range c.Suspects {
		s.addServices(now, c.Suspects[i].Service)
	}
	for i := range c.Anomalies {
		s.addServices(now, c.Anomalies[i].Service)
	}
	for i := range c.Records {
		s.addServices(now, c.Records[i].Service)
	}
	for i := len(c.OtherTraces) - 1; i >= 0; i-- {
		s.addTrace(now, &c.OtherTraces[i])
	}
	s.addTrace(now, c.Trace)
}

// forget leaves the newest, up to the bound.
func (s *seen) forget(now time.Time) {
	maps.DeleteFunc(s.Services, func(_ string, at time.Time) bool { return now.Sub(at) > seenFor })
	if len(s.Services) <= maxSeenServices {
		return
	}
	names := slices.SortedFunc(maps.Keys(s.Services), func(a, b string) int {
		return cmp.Or(s.Services[b].Compare(s.Services[a]), cmp.Compare(a, b))
	})
	for _, name := range names[maxSeenServices:] {
		delete(s.Services, name)
	}
}

// remember adds to what is kept for completion. That it cannot be kept costs nothing else,
// and is said with --verbose.
func (c *common) remember(w world, add func(*seen, time.Time)) {
	path := seenPath(w, c.settings.Key())
	if path == "" {
		return
	}
	now := w.now()
	s := readSeen(path)
	s.Schema = seenSchema
	add(&s, now)
	s.forget(now)
	if len(s.Services)+len(s.Traces) == 0 {
		return
	}
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = writeWhole(path, func(out io.Writer) error { return json.NewEncoder(out).Encode(s) })
	}
	if err != nil && c.verbose {
		_, _ = fmt.Fprintf(w.err, "obs: what was seen was not remembered for the shell: %v\n", err)
	}
}
