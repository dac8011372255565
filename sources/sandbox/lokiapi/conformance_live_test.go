//go:build integration

package lokiapi_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var record = flag.Bool("record", false, "keep the answers of the real Loki as golden files")

// TestConformanceLive puts the same requests to the sandbox and to a real Loki that has
// the same records. With -record the answers of the latter become the golden files.
func TestConformanceLive(t *testing.T) {
	address := os.Getenv("LOKI_URL")
	if address == "" {
		t.Fatal("LOKI_URL is not set: it names the Loki to compare with")
	}
	name := fmt.Sprintf("conformance-%d", time.Now().UnixNano())
	push(t, address, name)
	sandbox := serve(t, name)
	parts := suite()
	for _, part := range slices.Sorted(maps.Keys(parts)) {
		t.Run(part, func(t *testing.T) {
			var answers []golden
			for _, a := range parts[part] {
				want := ask(t, address, name, a)
				if !*record {
					compare(t, a.name, ask(t, sandbox, name, a), want)
				}
				answers = append(answers, golden{a.name, want})
			}
			if *record {
				keep(t, part, answers)
			}
		})
	}
	for _, difference := range leftOut {
		t.Log("left out: " + difference)
	}
}

func keep(t *testing.T, part string, answers []golden) {
	t.Helper()
	text := []byte("[\n")
	for i, a := range answers {
		if i > 0 {
			text = append(text, ",\n"...)
		}
		// One line for each, which is what shows best in a comparison.
		one, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, one...)
	}
	if err := os.MkdirAll(filepath.Dir(goldenFile(part)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenFile(part), append(text, "\n]\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestPushLive checks that what a real Loki refuses to take, the sandbox refuses too.
func TestPushLive(t *testing.T) {
	address := os.Getenv("LOKI_URL")
	if address == "" {
		t.Fatal("LOKI_URL is not set: it names the Loki to compare with")
	}
	const name = "push"
	sandbox := serve(t, name)
	now := at(0)
	for _, body := range []string{
		``, `{}`, `{"streams":[]}`, `x`, `{"streams":[{"stream":{},"values":[["` + now + `","x"]]}]}`, `{"streams":[{"values":[["` + now + `","x"]]}]}`,
		`{"streams":[{"stream":{"run":"push","a.b":"x"},"values":[["` + now + `","x"]]}]}`, `{"streams":[{"stream":{"run":"push"},"values":[]}]}`, `{"streams":[{"stream":{"run":"push"},"values":[["x","x"]]}]}`,
		`{"streams":[{"stream":{"run":"push"},"values":[[` + now + `,"x"]]}]}`, `{"streams":[{"stream":{"run":"push"},"values":[["` + now + `","x",{"a":1}]]}]}`, `{"streams":[{"stream":{"run":"push"},"values":[["` + now + `","x","y"]]}]}`,
		`{"streams":[{"stream":{"run":"push"},"values":[["` + now + `",5]]}]}`, `{"streams":[{"stream":{"run":"push"},"values":[["` + now + `","x",{"a":"b"}]],"more":1}],"more":1}`,
	} {
		for _, kind := range []string{"application/json", "application/json; charset=utf-8", "text/plain"} {
			if got, want := pushStatus(t, sandbox, kind, body), pushStatus(t, address, kind, body); got != want {
				t.Errorf("%s as %s: %d, want %d", body, kind, got, want)
			}
		}
	}
}

func pushStatus(t *testing.T, address, kind, body string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/loki/api/v1/push", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", kind)
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}
