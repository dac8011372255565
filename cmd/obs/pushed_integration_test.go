//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"obs/correlate"
)

// post sends JSON and wants a 2xx answer.
func post(t *testing.T, address string, body any) {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := plain.Post(address, "application/json", bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode/100 != 2 {
		t.Fatalf("%s: %s: %s", address, resp.Status, answer)
	}
}

func pushSpan(t *testing.T, trace, span string, attributes ...map[string]any) {
	t.Helper()
	start := time.Now().Add(-2 * time.Second)
	post(t, address("OTLP_URL")+"/v1/traces", map[string]any{"resourceSpans": []any{map[string]any{
		"resource": map[string]any{"attributes": []any{text("service.name", "pushed")}},
		"scopeSpans": []any{map[string]any{"spans": []any{map[string]any{
			"traceId": trace, "spanId": span, "name": "GET /pushed", "kind": 2,
			"startTimeUnixNano": strconv.FormatInt(start.UnixNano(), 10),
			"endTimeUnixNano":   strconv.FormatInt(start.Add(time.Second).UnixNano(), 10),
			"attributes":        attributes,
		}}}},
	}}})
}

func text(key, value string) map[string]any {
	return map[string]any{"key": key, "value": map[string]any{"stringValue": value}}
}

func list(key string, values ...string) map[string]any {
	var all []any
	for _, v := range values {
		all = append(all, map[string]any{"stringValue": v})
	}
	return map[string]any{"key": key, "value": map[string]any{"arrayValue": map[string]any{"values": all}}}
}

func pushLine(t *testing.T, line string, metadata map[string]string) {
	t.Helper()
	if metadata == nil {
		metadata = map[string]string{} // Loki refuses null
	}
	post(t, address("LOKI_URL")+"/loki/api/v1/push", map[string]any{"streams": []any{map[string]any{
		"stream": map[string]string{"service_name": "pushed", "run": fmt.Sprint(rand.Uint64())},
		"values": []any{[]any{strconv.FormatInt(time.Now().Add(-time.Second).UnixNano(), 10), line, metadata}},
	}}})
}

func hex(digits int) string {
	return fmt.Sprintf("%016x%016x", rand.Uint64()|1<<63, rand.Uint64()|1)[32-digits:]
}

// A request ID leads to the whole picture, whoever is the only one to know it.
func TestRequestIDs(t *testing.T) {
	tests := map[string]struct {
		attributes func(request string) []map[string]any
		line       func(request, trace, span string) string
		metadata   func(trace, span string) map[string]string
		records    int
	}{
		"only a log line knows it": {
			line: func(request, trace, span string) string {
				return fmt.Sprintf(`{"msg":"paid","request_id":%q,"trace_id":%q,"span_id":%q}`, request, trace, span)
			},
			records: 1,
		},
		"a line of text knows it, and metadata the trace": {
			line: func(request, _, _ string) string { return "paid, request " + request },
			metadata: func(trace, span string) map[string]string {
				return map[string]string{"trace_id": trace, "span_id": span}
			},
			records: 1,
		},
		"only a span attribute knows it": {
			attributes: func(request string) []map[string]any { return []map[string]any{text("request.id", request)} },
			line:       func(_, trace, _ string) string { return "level=info traceID=" + strings.ToUpper(trace) },
			records:    1,
		},
		"only a list of header values knows it": {
			attributes: func(request string) []map[string]any {
				return []map[string]any{list("http.request.header.x-request-id", request)}
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			request, trace, span := "req-"+hex(12), hex(32), hex(16)
			var attributes []map[string]any
			if test.attributes != nil {
				attributes = test.attributes(request)
			}
			pushSpan(t, trace, span, attributes...)
			if test.line != nil {
				var metadata map[string]string
				if test.metadata != nil {
					metadata = test.metadata(trace, span)
				}
				pushLine(t, test.line(request, trace, span), metadata)
			}
			// Both halves must have arrived, each in its own time.
			err := eventually(func() (bool, error) {
				c, status := obsCase(t, "trace", trace)
				return c.Trace != nil && len(byAnID(c.Records)) == test.records, fmt.Errorf("status %d, %d records", status, len(byAnID(c.Records)))
			})
			if err != nil {
				t.Fatal(err)
			}
			c, status := obsCase(t, "trace", request)
			if status != exitOK {
				t.Errorf("status %d, missing %+v", status, c.Missing)
			}
			if c.Trace == nil || string(c.Trace.ID) != trace || c.Trace.SpanCount != 1 {
				t.Errorf("trace %+v, want %s", c.Trace, trace)
			}
			if got := byAnID(c.Records); len(got) != test.records {
				t.Errorf("%d records, want %d: %+v", len(got), test.records, got)
			}
		})
	}
}

// byAnID are the records that an ID joins. Where there are none, what the service logged
// meanwhile is shown, and that may be another test's line.
func byAnID(records []correlate.Record) []correlate.Record {
	return slices.DeleteFunc(slices.Clone(records), func(r correlate.Record) bool { return r.Join == correlate.ByServiceTime })
}

func TestATraceIDThatOnlyTheLogsKnow(t *testing.T) {
	trace := hex(32)
	pushLine(t, "no span was sampled", map[string]string{"trace_id": trace})
	pushLine(t, "another request, of "+trace+"ff", nil)
	err := eventually(func() (bool, error) {
		_, stderr, status := obs("trace", trace, "-o", "json")
		return status == exitOK, fmt.Errorf("status %d: %s", status, stderr)
	})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := obsCase(t, "trace", trace)
	if c.Trace != nil || len(c.Records) != 1 || c.Records[0].Line != "no span was sampled" {
		t.Errorf("trace %v, records %+v", c.Trace, c.Records)
	}
}

func TestNothingThere(t *testing.T) {
	tests := map[string][]string{
		"a window without data": {"triage", "--from", "2020-01-01T00:00:00Z", "--to", "2020-01-01T00:30:00Z"},
		"an unknown trace ID":   {"trace", hex(32)},
		"an unknown request ID": {"trace", "req-" + hex(12), "--since", "10m"},
		"a service that is not": {"triage", "--since", "5m", "--service", "no-such-service"},
	}
	for name, args := range tests {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, status := obs(append(args, "-o", "text")...)
			if status != exitNotFound {
				t.Errorf("status %d, want %d\n%s\n%s", status, exitNotFound, stdout, stderr)
			}
			if !strings.Contains(stdout, "--since") {
				t.Errorf("it does not say what to try next:\n%s", stdout)
			}
		})
	}
}
