package jaegerapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// leftOut is what the suite does not compare, beside what the package comment lists.
var leftOut = []string{
	"the order in which a server lists services, operations, dependencies and, in a trace of v1, spans: it has none",
	"in v3, how spans are spread over entries of the same resource, and repeated warnings: a server adds one at each look",
	"in v1, after v3 has shown a trace: a server then has v3's warnings and IDs there too",
	"services and dependencies of others, which a server may hold as well",
	"headers other than Content-Type, X-Content-Type-Options and Location; the text of the page",
	"metrics: the server of the tests has storage for them, the sandbox refuses them with 501",
	"more traces than a server keeps: only that the first go first",
}

// goldenRun stands for the run in the recorded answers.
const goldenRun = "c0ffee15feed"

const goldenFile = "testdata/conformance/answers.json"

// golden is the answers of a Jaeger v1.76.0 (v2) with memory storage.
type golden struct {
	Base    time.Time         `json:"base"`
	Answers map[string]answer `json:"answers"`
}

// answer is what a server answered, in a form in which two can be compared.
type answer struct {
	Status   int    `json:"status"`
	Type     string `json:"type,omitempty"`
	NoSniff  string `json:"nosniff,omitempty"`
	Location string `json:"location,omitempty"`
	Body     any    `json:"body,omitempty"`
}

// TestConformance compares with answers that were recorded.
func TestConformance(t *testing.T) {
	file, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var want golden
	decoder := json.NewDecoder(bytes.NewReader(file))
	decoder.UseNumber()
	if err := decoder.Decode(&want); err != nil {
		t.Fatal(err)
	}
	now := want.Base.Add(2 * time.Hour)
	server := httptest.NewServer(Handler(filled(want.Base, goldenRun), Options{Now: func() time.Time { return now }}))
	defer server.Close()
	requests := suite(want.Base, goldenRun)
	for _, r := range requests {
		t.Run(r.name, func(t *testing.T) {
			recorded, ok := want.Answers[r.name]
			if !ok {
				t.Fatal("no answer was recorded")
			}
			compare(t, r, server.URL, goldenRun, recorded)
		})
	}
	if len(requests) != len(want.Answers) {
		t.Errorf("%d requests, %d recorded answers: names repeat, or answers are left over", len(requests), len(want.Answers))
	}
	for _, what := range leftOut {
		t.Log("left out: " + what)
	}
}

// compare asks the sandbox at the address.
func compare(t *testing.T, r request, address, run string, want answer) {
	t.Helper()
	got, err := r.ask(t.Context(), address, run)
	if err != nil {
		t.Fatal(err)
	}
	if g, w := pretty(t, got), pretty(t, want); g != w {
		t.Errorf("%s %s\n%s", r.method, r.target(), firstDifference(g, w))
	}
}

func pretty(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	i := 0
	for i < len(g) && i < len(w) && g[i] == w[i] {
		i++
	}
	from := max(i-12, 0)
	cut := func(lines []string) string { return strings.Join(lines[from:min(i+6, len(lines))], "\n") }
	return fmt.Sprintf("line %d of %d and %d\n--- got\n%s\n--- want\n%s", i+1, len(g), len(w), cut(g), cut(w))
}

func (r request) ask(ctx context.Context, address, run string) (answer, error) {
	client := &http.Client{
		Timeout:       30 * time.Second,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	asked, err := http.NewRequestWithContext(ctx, cmp.Or(r.method, http.MethodGet), address+r.target(), nil)
	if err != nil {
		return answer{}, err
	}
	response, err := client.Do(asked)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	got := answer{
		Status:   response.StatusCode,
		Type:     response.Header.Get("Content-Type"),
		NoSniff:  response.Header.Get("X-Content-Type-Options"),
		Location: response.Header.Get("Location"),
	}
	switch {
	case strings.HasPrefix(got.Type, "text/html"):
		got.Body = "a page"
	case len(body) > 0:
		decoder := json.NewDecoder(strings.NewReader(strings.ReplaceAll(string(body), run, goldenRun)))
		decoder.UseNumber()
		var parsed any
		if err := decoder.Decode(&parsed); err != nil {
			return got, fmt.Errorf("%s: %w: %s", r.target(), err, body)
		}
		got.Body = normal(r, parsed)
		if r.brief() {
			got.Body = shortened(got.Body)
		}
	}
	return got, nil
}

// brief reports whether the answer holds traces that other requests ask for one by one:
// then it is enough to see that they are the same.
func (r request) brief() bool {
	return strings.HasSuffix(r.path, "/traces") || strings.Contains(r.name, "raw") || strings.Contains(r.name, "window")
}

// shortened leaves of each trace its ID and a sum over its content.
func shortened(body any) any {
	short := func(list []any, id string) {
		for i := range list {
			if trace, ok := list[i].(object); ok {
				list[i] = fmt.Sprintf("%v %.6x", trace[id], sha256.Sum256([]byte(text(trace))))
			}
		}
	}
	of, _ := body.(object)
	if list, ok := of["data"].([]any); ok {
		short(list, "traceID")
	}
	if result, ok := of["result"].(object); ok {
		short(result["traces"].([]any), "trace")
	}
	return body
}

type object = map[string]any

// normal brings what has no order of its own into one.
func normal(r request, parsed any) any {
	body, ok := parsed.(object)
	if !ok {
		return parsed
	}
	if names, ok := body["services"].([]any); ok {
		body["services"] = ours(names)
	}
	if list, ok := body["operations"].([]any); ok {
		body["operations"] = sorted(list)
	}
	if result, ok := body["result"].(object); ok {
		body["result"] = normalOTLP(result)
	}
	list, ok := body["data"].([]any)
	if !ok {
		return body
	}
	switch {
	case r.path == "/api/services":
		body["data"] = ours(list)
		delete(body, "total") // counts everyone's
	case r.path == "/api/dependencies":
		body["data"] = ours(list)
	case strings.HasPrefix(r.path, "/api/traces"):
		for i := range list {
			list[i] = normalV1(list[i].(object))
		}
	default:
		body["data"] = sorted(list)
	}
	return body
}

func sorted(list []any) []any {
	slices.SortStableFunc(list, func(a, b any) int { return strings.Compare(text(a), text(b)) })
	return list
}

// ours are the entries that name this run.
func ours(list []any) []any {
	return sorted(slices.DeleteFunc(list, func(v any) bool { return !strings.Contains(text(v), goldenRun) }))
}

func text(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// normalOTLP hangs resource and scope on each span, and spans on their traces, which
// stay in their order.
func normalOTLP(result object) any {
	var order []string
	traces := map[string][]any{}
	for _, rs := range listOf(result, "resourceSpans") {
		resource := without(rs, "scopeSpans")
		for _, ss := range listOf(rs, "scopeSpans") {
			scope := without(ss, "spans")
			for _, span := range listOf(ss, "spans") {
				id := fmt.Sprint(span["traceId"])
				if !slices.Contains(order, id) {
					order = append(order, id)
				}
				span["@resource"], span["@scope"] = resource, scope
				normalAttributes(span)
				traces[id] = append(traces[id], span)
			}
		}
	}
	var all []any
	for _, id := range order {
		all = append(all, object{"trace": id, "spans": sorted(traces[id])})
	}
	return object{"traces": all, "other": without(result, "resourceSpans")}
}

func listOf(o object, key string) []object {
	list, _ := o[key].([]any)
	var all []object
	for _, each := range list {
		all = append(all, each.(object))
	}
	return all
}

func without(o object, key string) object {
	rest := maps.Clone(o)
	delete(rest, key)
	return rest
}

// normalAttributes orders attributes by key, and keeps each warning once.
func normalAttributes(v any) {
	switch v := v.(type) {
	case []any:
		for _, each := range v {
			normalAttributes(each)
		}
	case object:
		if list, ok := v["attributes"].([]any); ok {
			v["attributes"] = sorted(list)
		}
		if v["key"] == keyWarnings {
			array := v["value"].(object)["arrayValue"].(object)
			list := sorted(array["values"].([]any))
			array["values"] = slices.CompactFunc(list, func(a, b any) bool { return text(a) == text(b) })
		}
		for _, each := range v {
			normalAttributes(each)
		}
	}
}

// normalV1 puts each span's process in the place of its number.
func normalV1(trace object) any {
	processes, _ := trace["processes"].(object)
	spans, _ := trace["spans"].([]any)
	for _, each := range spans {
		span := each.(object)
		span["processID"] = processes[fmt.Sprint(span["processID"])]
		if logs, ok := span["logs"].([]any); ok {
			span["logs"] = sorted(logs)
		}
		if warnings, ok := span["warnings"].([]any); ok {
			span["warnings"] = sorted(warnings)
		}
	}
	trace["spans"] = sorted(spans)
	trace["processes"] = len(processes)
	return trace
}

// ordered by name, with those that ask for raw traces first.
func ordered(all []request) []request {
	slices.SortFunc(all, func(a, b request) int {
		raw := func(r request) int {
			if strings.Contains(r.name, "raw") {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(raw(a), raw(b)), strings.Compare(a.name, b.name))
	})
	return all
}
