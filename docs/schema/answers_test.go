package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRecordedAnswersAreValid looks at every answer in JSON that the tests of reports keep.
// What the program writes to scripts is looked at where they run.
func TestRecordedAnswersAreValid(t *testing.T) {
	seen := map[string]bool{}
	for _, pattern := range []string{"*", "*/*", "*/*/*"} {
		files, err := filepath.Glob(filepath.Join(root, "correlate", "report", "testdata", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			text, err := os.ReadFile(path)
			if err != nil || !strings.HasPrefix(string(text), "{") {
				continue // a folder, or another form
			}
			named := struct {
				Schema string `json:"schema"`
			}{"obs.pattern/v1"} // a stream, whose lines do not say it
			if filepath.Base(path) != "patterns-jsonl.golden" {
				err = json.Unmarshal(text, &named)
			}
			seen[named.Schema] = true
			if err := errors.Join(err, Validate(named.Schema, bytes.NewReader(text))); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	for _, id := range []string{"obs.case/v1", "obs.services/v1", "obs.alerts/v1", "obs.logs/v1", "obs.pattern/v1"} {
		if !seen[id] {
			t.Errorf("none is of the form %s; there are %v", id, slices.Sorted(maps.Keys(seen)))
		}
	}
}
