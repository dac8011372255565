package connect_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"obs/sources"
	"obs/sources/connect"
)

// oldJaeger is a Jaeger that has only the older API, or only the newer one after an upgrade.
type oldJaeger struct {
	*httptest.Server
	asked    []string
	upgraded atomic.Bool
}

func newOldJaeger(t *testing.T) *oldJaeger {
	t.Helper()
	j := &oldJaeger{}
	j.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		j.asked = append(j.asked, r.URL.Path)
		switch {
		case r.URL.Path == "/api/services" && !j.upgraded.Load():
			_, _ = w.Write([]byte(`{"data":["cart"],"total":1,"limit":0,"offset":0,"errors":null}`))
		case r.URL.Path == "/api/v3/services" && j.upgraded.Load():
			_, _ = w.Write([]byte(`{"services":["cart"]}`))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(j.Close)
	return j
}

// run asks as one run of the program does, and tells how many questions that took.
func (j *oldJaeger) run(t *testing.T, cache, tenant string, now time.Time) []string {
	t.Helper()
	j.asked = nil
	ledger := &sources.Ledger{Now: func() time.Time { return now }}
	set, err := connect.Open(t.Context(), connect.Options{
		JaegerURL: strings.Replace(j.URL, "http://", "http://ops:hunter2@", 1), Cache: cache, Ledger: ledger,
		Getenv: environment(map[string]string{"JAEGER_ORG_ID": tenant}),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if names, err := set.Traces.Services(t.Context()); err != nil || !slices.Equal(names, []string{"cart"}) {
		t.Fatalf("%q, %v", names, err)
	}
	if asked := len(ledger.Queries()); asked != len(j.asked) {
		t.Errorf("%d questions in the ledger of %d", asked, len(j.asked))
	}
	return j.asked
}

// The second run goes by what the first found out, for a day and for the same server.
func TestAbilities(t *testing.T) {
	j := newOldJaeger(t)
	cache := filepath.Join(t.TempDir(), "obs")
	noon := window.From
	both, one := []string{"/api/v3/services", "/api/services"}, []string{"/api/services"}
	for _, step := range []struct {
		name, cache, tenant string
		now                 time.Time
		want                []string
	}{
		{"first", cache, "a", noon, both},
		{"second", cache, "a", noon.Add(time.Hour), one},
		{"another tenant", cache, "b", noon.Add(time.Hour), both},
		{"nothing is kept", "", "a", noon.Add(time.Hour), both},
		{"clock of before", cache, "a", noon.Add(-time.Hour), both},
		{"learnt then", cache, "a", noon.Add(22 * time.Hour), one},
		{"next day", cache, "a", noon.Add(23 * time.Hour), both},
		{"from then on", cache, "a", noon.Add(24 * time.Hour), one},
	} {
		if got := j.run(t, step.cache, step.tenant, step.now); !slices.Equal(got, step.want) {
			t.Errorf("%s: asked %q, want %q", step.name, got, step.want)
		}
	}
	// Upgraded, it behaves otherwise, and that is learnt as well.
	j.upgraded.Store(true)
	if got := j.run(t, cache, "a", noon.Add(25*time.Hour)); !slices.Equal(got, []string{"/api/services", "/api/v3/services"}) {
		t.Errorf("upgraded: asked %q", got)
	}
	if got := j.run(t, cache, "a", noon.Add(26*time.Hour)); !slices.Equal(got, []string{"/api/v3/services"}) {
		t.Errorf("after that: asked %q", got)
	}
}

// The file is its owner's, and tells nothing of the server. One that makes no sense is as
// good as none.
func TestAbilitiesFile(t *testing.T) {
	j := newOldJaeger(t)
	cache := filepath.Join(t.TempDir(), "obs")
	j.run(t, cache, "team", window.From)
	files, err := filepath.Glob(filepath.Join(cache, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	about, err := os.Stat(files[0])
	if err != nil || about.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", about, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil || !strings.Contains(string(text), "jaeger.api") {
		t.Fatalf("%s, %v", text, err)
	}
	for _, secret := range []string{"hunter2", "ops", "127.0.0.1", "team", "cart"} {
		if strings.Contains(string(text), secret) || strings.Contains(files[0], secret+".") {
			t.Errorf("%q stands in %s: %s", secret, files[0], text)
		}
	}
	for _, wrong := range []string{"", "null", "[]", "{", `{"schema":"other/v1","known":{"jaeger.api":{"value":"second","at":"2026-11-21T12:00:00Z"}}}`, `{"schema":"obs.abilities/v1","known":null}`} {
		if err := os.WriteFile(files[0], []byte(wrong), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := j.run(t, cache, "team", window.From); len(got) != 2 {
			t.Errorf("%q: asked %q", wrong, got)
		}
	}
	// Where it cannot be kept, the run goes well all the same.
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := j.run(t, filepath.Join(blocked, "obs"), "team", window.From); len(got) != 2 {
		t.Errorf("without a place: asked %q", got)
	}
}
