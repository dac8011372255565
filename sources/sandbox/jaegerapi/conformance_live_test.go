//go:build integration

package jaegerapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"obs/sources"
)

var record = flag.Bool("record", false, "write the real server's answers to "+goldenFile)

// apart is longer than the server gathers spans before it stores them: traces that it
// stores together get a place at random among the most recent.
const apart = 350 * time.Millisecond

// attempts is how often the suite begins anew: other tests may restart the server, and
// then it has lost what was sent to it.
const attempts = 3

// TestConformanceLive asks a real server and the sandbox the same, over the same data.
func TestConformanceLive(t *testing.T) {
	jaeger, otlp := address(t, "JAEGER_URL"), address(t, "OTLP_URL")
	base := time.Now().UTC().Truncate(time.Second).Add(-time.Hour)
	recorded := golden{Base: base}
	var run string
	for attempt := 1; recorded.Answers == nil; attempt++ {
		run = fresh(t)
		var err error
		if recorded.Answers, err = answers(t.Context(), jaeger, otlp, base, run); err == nil {
			break
		}
		if attempt == attempts {
			t.Fatal(err)
		}
		t.Logf("once more: %v", err)
		recorded.Answers = nil
		time.Sleep(time.Second)
	}
	server := httptest.NewServer(Handler(filled(base, run), Options{}))
	defer server.Close()
	for _, r := range suite(base, run) {
		t.Run(r.name, func(t *testing.T) { compare(t, r, server.URL, run, recorded.Answers[r.name]) })
	}
	for _, what := range leftOut {
		t.Log("left out: " + what)
	}
	if *record {
		if err := os.MkdirAll(filepath.Dir(goldenFile), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(goldenFile, recorded.lines(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// fresh is a run that no other test has used.
func fresh(t *testing.T) string {
	t.Helper()
	random := make([]byte, 6)
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	random[0] |= 0x80 // or leading zeros would be lost in places
	return hex.EncodeToString(random)
}

// answers sends the data set to a real server and asks it the whole suite.
func answers(ctx context.Context, jaeger, otlp string, base time.Time, run string) (map[string]answer, error) {
	batches := dataset(base, run)
	for _, batch := range batches {
		if err := push(ctx, otlp, batch); err != nil {
			return nil, err
		}
		time.Sleep(apart)
	}
	// The first and the last trace are asked for by v1, which leaves them as they are.
	held := func() error {
		for _, batch := range [][]sources.Span{batches[0], batches[len(batches)-1]} {
			id := string(batch[0].TraceID)
			if got, err := (request{path: "/api/traces/" + id}).ask(ctx, jaeger, run); err != nil || got.Status != http.StatusOK {
				return fmt.Errorf("the server does not hold trace %s: %d, %w", id, got.Status, err)
			}
		}
		return nil
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(apart) {
		err := held()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			return nil, err
		}
	}
	all := map[string]answer{}
	for _, r := range suite(base, run) {
		got, err := r.ask(ctx, jaeger, run)
		if err != nil {
			return nil, err
		}
		all[r.name] = got
	}
	return all, held()
}

// lines has each answer on a line of its own.
func (g golden) lines() []byte {
	var b strings.Builder
	b.WriteString(`{"base":` + text(g.Base) + `,"answers":{`)
	for i, name := range slices.Sorted(maps.Keys(g.Answers)) {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n" + text(name) + ": " + text(g.Answers[name]))
	}
	b.WriteString("\n}}\n")
	return []byte(b.String())
}

func address(t *testing.T, name string) string {
	t.Helper()
	at := os.Getenv(name)
	if at == "" {
		t.Fatalf(`%s is not set: run testdata/backends/backends up, then eval "$(testdata/backends/backends env)"`, name)
	}
	return at
}

// push sends spans as OTLP in JSON, written here by hand so that it shares no mistake
// with what is tested.
func push(ctx context.Context, otlp string, spans []sources.Span) error {
	var resources []any
	for _, s := range spans {
		scope := object{}
		var own sources.Attributes
		span := object{
			"traceId": s.TraceID, "spanId": s.ID, "parentSpanId": s.ParentID, "name": s.Operation,
			"kind":              map[sources.Kind]int{internal: 1, server: 2, client: 3, producer: 4, consumer: 5}[s.Kind],
			"startTimeUnixNano": stamp(s.Start), "endTimeUnixNano": stamp(s.End()),
			"status": object{"code": map[sources.Code]int{sources.StatusOK: 1, sources.StatusError: 2}[s.Status], "message": s.StatusMessage},
		}
		for _, a := range s.Attributes {
			switch a.Key {
			case "otel.scope.name":
				scope["name"] = a.Value
			case "otel.scope.version":
				scope["version"] = a.Value
			case "w3c.tracestate":
				span["traceState"] = a.Value
			default:
				own = append(own, a)
			}
		}
		span["attributes"] = otlpAttributes(own)
		var events, links []any
		for _, e := range s.Events {
			events = append(events, object{"name": e.Name, "timeUnixNano": stamp(e.Time), "attributes": otlpAttributes(e.Attributes)})
		}
		for _, l := range s.Links {
			links = append(links, object{"traceId": l.TraceID, "spanId": l.SpanID})
		}
		span["events"], span["links"] = events, links
		resources = append(resources, object{
			"resource":   object{"attributes": otlpAttributes(s.Resource)},
			"scopeSpans": []any{object{"scope": scope, "spans": []any{span}}},
		})
	}
	body, err := json.Marshal(object{"resourceSpans": resources})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, otlp+"/v1/traces", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	said, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, said)
	}
	return err
}

func stamp(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

func strValue(s string) object { return object{"stringValue": s} }

// otlpAttributes gives the keys of the data set the types that they are meant to have.
func otlpAttributes(all sources.Attributes) []any {
	array := func(values ...any) object { return object{"arrayValue": object{"values": values}} }
	special := map[string]object{
		"array":         array(strValue("ID"), strValue("b")),
		"array.escaped": array(strValue("a&b")),
		"array.mixed":   array(strValue("a"), object{"intValue": "3"}, object{"boolValue": true}, object{"doubleValue": 0.5}),
		"host.ip":       array(strValue("10.0.0.9"), strValue("fe80::1")),
		"map": {"kvlistValue": object{"values": []any{
			object{"key": "n", "value": object{"intValue": "1"}}, object{"key": "tenant", "value": strValue("blue")},
		}}},
		"ratio": {"doubleValue": 0.25},
		"tiny":  {"doubleValue": 1e-9},
		"flag":  {"boolValue": true},
		"ok":    {"boolValue": false},
	}
	integers := " http.response.status_code big negative retries process.pid "
	var list []any
	for _, a := range all {
		value, ok := special[a.Key]
		switch {
		case ok:
		case strings.Contains(integers, " "+a.Key+" "):
			value = object{"intValue": a.Value}
		default:
			value = strValue(a.Value)
		}
		list = append(list, object{"key": a.Key, "value": value})
	}
	return list
}
