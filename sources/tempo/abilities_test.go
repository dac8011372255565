package tempo

import (
	"net/http"
	"slices"
	"testing"

	"obs/sources"
)

// remembered is what earlier runs found out.
type remembered map[string]string

func (r remembered) Recall(name string) string { return r[name] }

func (r remembered) Learn(name, value string) {
	if r[name] = value; value == "" {
		delete(r, name)
	}
}

// That a server has only the older path is known to the next run, until it has the newer.
func TestTracesOfAnEarlierRun(t *testing.T) {
	v2, v1 := "/api/v2/traces/", "/api/traces/"
	older := map[string]answer{v1 + string(billingID): {http.StatusOK, "trace_v1.json"}}
	younger := routes()
	delete(younger, v1+string(billingID))
	known := remembered{}
	for _, run := range []struct {
		name   string
		routes map[string]answer
		want   []string
		kept   int
	}{
		{"first", older, []string{v2, v1}, 1},
		{"second", older, []string{v1}, 1},
		{"upgraded", younger, []string{v1, v2}, 0},
		{"after that", younger, []string{v2}, 0},
	} {
		client, server, _ := open(t, run.routes)
		if _, err := client.Remember(known).Trace(t.Context(), billingID, sources.Window{}); err != nil {
			t.Fatalf("%s: %v", run.name, err)
		}
		var got []string
		for _, path := range server.paths() {
			got = append(got, path[:len(path)-len(billingID)])
		}
		if !slices.Equal(got, run.want) || len(known) != run.kept {
			t.Errorf("%s: asked %v, want %v; known %v", run.name, got, run.want, known)
		}
	}
}
