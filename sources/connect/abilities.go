package connect

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"obs/sources"
)

// abilitiesAge is how long is believed what a server could do. Servers are upgraded by the
// week, and to find out again costs a question or two.
const abilitiesAge = 24 * time.Hour

const abilitiesSchema = "obs.abilities/v1"

// maxAbilities bounds what is read of a file, in bytes; what is written is a few hundred.
const maxAbilities = 1 << 16

// abilities are kept in one file for each address and tenant. It holds words of obs's own and
// nothing that a server said, no address and no credentials.
type abilities struct {
	path string
	now  func() time.Time

	mu    sync.Mutex
	known map[string]ability
}

type ability struct {
	Value string    `json:"value"`
	At    time.Time `json:"at"` // when it was found out
}

type abilitiesFile struct {
	Schema string             `json:"schema"`
	Known  map[string]ability `json:"known"`
}

// abilities are those of the server at a target; nil where nothing is to be kept. A file that
// cannot be read is as good as none.
func (s *Settings) abilities(t Target) sources.Abilities {
	if s.options.Cache == "" {
		return nil
	}
	a := &abilities{
		path: filepath.Join(s.options.Cache, "abilities-"+keyOf(t.URL, t.Access.Tenant)+".json"),
		now:  time.Now, known: map[string]ability{},
	}
	if now := s.options.Ledger.Now; now != nil {
		a.now = now
	}
	var file abilitiesFile
	if opened, err := os.Open(a.path); err == nil {
		text, err := io.ReadAll(io.LimitReader(opened, maxAbilities))
		if closed := opened.Close(); err == nil && closed == nil && json.Unmarshal(text, &file) == nil && file.Schema == abilitiesSchema && file.Known != nil {
			a.known = file.Known
		}
	}
	return a
}

// Recall implements sources.Abilities. What comes from the future was found out by another
// clock, and is not believed either.
func (a *abilities) Recall(name string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := a.known[name]
	if age := a.now().Sub(found.At); age < 0 || age >= abilitiesAge {
		return ""
	}
	return found.Value
}

// Learn implements sources.Abilities. That it cannot be kept costs the next run a question
// and is no failure of this one.
func (a *abilities) Learn(name, value string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if value == "" {
		if _, kept := a.known[name]; !kept {
			return
		}
		delete(a.known, name)
	} else {
		a.known[name] = ability{Value: value, At: a.now().UTC()}
	}
	_ = a.write()
}

// write replaces the file as a whole, since another run may read it at the same time.
func (a *abilities) write() error {
	dir := filepath.Dir(a.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	text, err := json.Marshal(abilitiesFile{Schema: abilitiesSchema, Known: a.known})
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, "abilities-*") // for its owner only
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(file.Name(), a.path)
	}
	if err != nil {
		_ = os.Remove(file.Name()) // of use to nobody
	}
	return err
}
