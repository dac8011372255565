package promapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// leftOut is what the sandbox does not answer, or answers otherwise, beyond the
// requests of the suite that say why they differ.
var leftOut = []string{
	"native histograms: no series has any, and functions on them find none",
	"recording rules, and the series ALERTS and ALERTS_FOR_STATE of alerting rules",
	"alerts are evaluated at multiples of the group's interval, without a group's own offset, and at most 6 hours back",
	"templates of alerts: labels and the value, four ways to write numbers, printf; no queries, conditions or loops",
	"metadata are the store's own, not those of scraped targets; a limit leaves the first by name",
	"names and values of labels are listed by blocks of two hours with samples; a server's newest block is longer, and does not tell the times of what was written late",
	"targets, scrape_pools, alertmanagers, federate, read, write, otlp, admin, format_query, parse_query, search, features, notifications",
	"status other than buildinfo; buildinfo tells the engine's version, 3.4.2, and the revision obs-sandbox",
	"compression, CORS, OPTIONS, and the web page",
}

// answer is what a server answered.
type answer struct {
	Status int             `json:"status"`
	Type   string          `json:"type"`
	Body   json.RawMessage `json:"body"` // a JSON string where the server sent text
}

func (r request) ask(t *testing.T, address, run string, base time.Time) answer {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	response, err := r.send(client, address, run, base)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := answer{Status: response.StatusCode, Body: body}
	got.Type, _, _ = mime.ParseMediaType(response.Header.Get("Content-Type"))
	if !json.Valid(body) || len(body) == 0 {
		if got.Body, err = json.Marshal(string(body)); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

// TestConformance compares with the answers of a Prometheus 3.15.
func TestConformance(t *testing.T) {
	server := httptest.NewServer(Handler(holding(dataset(recorded, "golden")), Options{Now: func() time.Time { return recorded.Add(time.Hour) }}))
	defer server.Close()
	for _, name := range slices.Sorted(maps.Keys(suite)) {
		t.Run(name, func(t *testing.T) {
			want := map[string]answer{}
			file, err := os.ReadFile(golden(name))
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(file, &want); err != nil {
				t.Fatal(err)
			}
			for _, r := range suite[name] {
				expected, ok := want[r.String()]
				if !ok {
					t.Errorf("%s\nhas no recorded answer", r)
					continue
				}
				r.compare(t, r.ask(t, server.URL, "golden", recorded), expected)
			}
			if len(want) != len(suite[name]) {
				t.Errorf("%d requests, and %d recorded answers", len(suite[name]), len(want))
			}
		})
	}
	list(t)
}

// list says what the suite does not hold the sandbox to.
func list(t *testing.T) {
	for _, what := range leftOut {
		t.Log("left out: " + what)
	}
	for _, name := range slices.Sorted(maps.Keys(suite)) {
		for _, r := range suite[name] {
			if r.differs != "" {
				t.Logf("differs: %s (%s)", r, r.differs)
			}
		}
	}
}

func golden(name string) string { return filepath.Join("testdata", "conformance", name+".json") }

// compare tells whether the sandbox answered like the server.
func (r request) compare(t *testing.T, got, want answer) {
	t.Helper()
	why := r.difference(got, want)
	switch {
	case r.differs == "" && why != "":
		t.Errorf("%s\n%s\n got %s\nwant %s", r, why, brief(got), brief(want))
	case r.differs != "" && why == "":
		t.Errorf("%s\ndiffers no more, but the suite says so: %s", r, r.differs)
	}
}

func brief(a answer) string {
	text := fmt.Sprintf("%d %s %s", a.Status, a.Type, a.Body)
	return text[:min(len(text), 1500)]
}

func (r request) difference(got, want answer) string {
	if got.Status != want.Status || got.Type != want.Type {
		return "the status or the type differs"
	}
	g, err := r.content(got.Body)
	if err != nil {
		return err.Error()
	}
	w, err := r.content(want.Body)
	if err != nil {
		return err.Error()
	}
	return unlike("body", g, w, r.shape)
}

// duplicates are the two series that a refusal names, of perhaps more: a server names
// others every time.
var duplicates = regexp.MustCompile(`\[\{__name__=.*\}\]`)

// content decodes a body and puts in order what a server has in none.
func (r request) content(body []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	top, _ := v.(map[string]any)
	if said, ok := top["error"].(string); ok {
		top["error"] = duplicates.ReplaceAllString(said, "[two series]")
	}
	for _, remarks := range []string{"warnings", "infos"} {
		said, _ := top[remarks].([]any)
		slices.SortFunc(said, func(a, b any) int { return strings.Compare(identity(a), identity(b)) })
	}
	list, _ := top["data"].([]any)
	if data, ok := top["data"].(map[string]any); ok && data["resultType"] == "vector" {
		list, _ = data["result"].([]any)
	}
	if !r.ordered {
		slices.SortStableFunc(list, func(a, b any) int { return strings.Compare(identity(a), identity(b)) })
	}
	return v, nil
}

// identity is an element's labels, or all of it where it has none.
func identity(v any) string {
	if of, ok := v.(map[string]any); ok && of["metric"] != nil {
		v = of["metric"]
	}
	text, _ := json.Marshal(v) // of decoded JSON
	return string(text)
}

// unlike says where two bodies differ; empty when they do not. Of the shape, only keys
// and kinds count, and of a list only the first element.
func unlike(at string, got, want any, shape bool) string {
	differ := fmt.Sprintf("%s: %v, not %v", at, got, want)
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || !slices.Equal(slices.Sorted(maps.Keys(g)), slices.Sorted(maps.Keys(w))) {
			return differ
		}
		for key := range w {
			if why := unlike(at+"."+key, g[key], w[key], shape); why != "" {
				return why
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return differ
		}
		for i := range w {
			if why := unlike(fmt.Sprintf("%s[%d]", at, i), g[i], w[i], shape); why != "" {
				return why
			}
		}
		return ""
	}
	if shape && fmt.Sprintf("%T", got) == fmt.Sprintf("%T", want) || got == want || sameNumber(got, want) {
		return ""
	}
	return differ
}

// sameNumber compares values, which come as texts, and times to 1e-9 of their size.
func sameNumber(got, want any) bool {
	a, errA := strconv.ParseFloat(fmt.Sprint(got), 64)
	b, errB := strconv.ParseFloat(fmt.Sprint(want), 64)
	if errA != nil || errB != nil || fmt.Sprintf("%T", got) != fmt.Sprintf("%T", want) {
		return false
	}
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-9*math.Max(math.Abs(a), math.Abs(b))
}
