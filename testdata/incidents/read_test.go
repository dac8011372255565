package main

import (
	"compress/gzip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"obs/sources"
)

const (
	someMetrics = `# TYPE queue_depth gauge
queue_depth{service="checkout",note="a \"b\""} 3 1700000060.500
queue_depth{service="checkout",note="a \"b\""} 2 1700000000.500
queue_depth{service="checkout",note="a \"b\""} 9 1700000000.500
queue_depth{service="payment"} 1 1700000000.500
# EOF
`
	someLogs = `{"streams":[{"stream":{"service_name":"checkout"},"values":[["1700000002000000001","late",{"trace_id":"0af7651916cd43dd8448eb211c80319c"}],["1700000001000000000","early"]]}]}
{"streams":[{"stream":{"service_name":"checkout"},"values":[["1700000001000000000","early"]]},{"stream":{"service_name":"payment"},"values":[["1699999990000000000","paid"]]}]}
`
	// One trace in two exports, the second of which repeats a span.
	someTraces = `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"checkout"}},{"key":"host","value":{"stringValue":"h1"}}]},"scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"00f067aa0ba902b7","name":"POST /pay","kind":2,"startTimeUnixNano":"1700000001000000000","endTimeUnixNano":"1700000001250000000","status":{"code":2,"message":"refused"},"attributes":[{"key":"retries","value":{"intValue":"2"}}]}]}]}]}

{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"payment"}}]},"scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"00f067aa0ba902b7","name":"again","kind":1,"startTimeUnixNano":"1","endTimeUnixNano":"2"},{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"00f067aa0ba902b8","parentSpanId":"00f067aa0ba902b7","name":"charge","kind":3,"startTimeUnixNano":"1700000001100000000","endTimeUnixNano":"1700000001000000000"}]}]}]}`
)

// write makes a folder with files, by their names, and compresses those named so.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		file, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, compressed) {
			packed := gzip.NewWriter(file)
			if _, err := packed.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			if err := packed.Close(); err != nil {
				t.Fatal(err)
			}
		} else if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestReadRecording(t *testing.T) {
	root := write(t, map[string]string{"night/metrics.om": someMetrics, "night/logs.jsonl.gz": someLogs, "night/traces.jsonl": someTraces})
	all, err := readRecordings(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].name != "night" {
		t.Fatalf("recordings: %v", all)
	}
	r := all[0]
	if got, want := r.size(), (size{series: 2, samples: 3, streams: 2, records: 3, traces: 1, spans: 2}); got != want {
		t.Errorf("size %+v, want %+v", got, want)
	}
	if want := time.Unix(1699999990, 0); !r.first.Equal(want) {
		t.Errorf("first %v, want %v", r.first, want)
	}
	queue := r.series[sources.Labels{"__name__": "queue_depth", "service": "checkout", "note": `a "b"`}.String()]
	if queue == nil || !reflect.DeepEqual(queue.samples, map[int64]float64{1700000060500: 3, 1700000000500: 2}) {
		t.Errorf("samples of checkout: %+v", queue)
	}
	spans := r.traces["0af7651916cd43dd8448eb211c80319c"]
	want := []sources.Span{
		{
			TraceID: "0af7651916cd43dd8448eb211c80319c", ID: "00f067aa0ba902b7", Service: "checkout", Operation: "POST /pay",
			Kind: sources.KindServer, Status: sources.StatusError, StatusMessage: "refused",
			Start: time.Unix(1700000001, 0).UTC(), Duration: 250 * time.Millisecond,
			Attributes: sources.Attributes{{Key: "retries", Value: "2"}},
			Resource:   sources.Attributes{{Key: "host", Value: "h1"}, {Key: "service.name", Value: "checkout"}},
		},
		{ // its end before its start, as of clocks that disagree
			TraceID: "0af7651916cd43dd8448eb211c80319c", ID: "00f067aa0ba902b8", ParentID: "00f067aa0ba902b7", Service: "payment", Operation: "charge",
			Kind: sources.KindClient, Status: sources.StatusUnset, Start: time.Unix(1700000001, 1e8).UTC(),
			Resource: sources.Attributes{{Key: "service.name", Value: "payment"}},
		},
	}
	if !reflect.DeepEqual(spans, want) {
		t.Errorf("spans\n%+v, want\n%+v", spans, want)
	}
}

// A folder counts wherever it is, and the earliest comes first whatever its name.
func TestReadRecordingsInOrderOfTime(t *testing.T) {
	line := func(at string) string {
		return `{"streams":[{"stream":{"a":"b"},"values":[["` + at + `","x"]]}]}`
	}
	root := write(t, map[string]string{
		"a/logs.jsonl": line("1700000300000000000"), "deep/er/b/logs.jsonl.gz": line("1700000100000000000"),
		"c/logs.jsonl": line("1700000200000000000"), "d/notes.txt": "no recording",
	})
	all, err := readRecordings(root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range all {
		names = append(names, r.name)
	}
	if got := strings.Join(names, " "); got != "b c a" {
		t.Errorf("order %s, want b c a", got)
	}
}

func TestReadRecordingRefuses(t *testing.T) {
	for _, test := range []struct{ name, file, text, want string }{
		{"a sample without a time", metricsFile, "queue_depth 3\n# EOF\n", "has no time"},
		{"no OpenMetrics", metricsFile, "queue depth 3 1\n", metricsFile},
		{"a push that is cut", logsFile, someLogs[:100], "push 1"},
		{"a record without a line", logsFile, `{"streams":[{"stream":{},"values":[["1"]]}]}`, "and not 1 values"},
		{"a time that is none", logsFile, `{"streams":[{"stream":{},"values":[["soon","x"]]}]}`, `"soon"`},
		{"an export that is cut", tracesFile, someTraces[:90], "line 1"},
		{"a process without a name", tracesFile, `{"resourceSpans":[{"scopeSpans":[]}]}`, serviceName},
		{"a span without an ID", tracesFile, strings.Replace(someTraces, `"00f067aa0ba902b7"`, `""`, 1), "no span ID"},
		{"what is not compressed", tracesFile + compressed, "", tracesFile},
		{"nothing", "notes.txt", "", "no recording"},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := write(t, map[string]string{"r/" + test.file: test.text})
			if test.name == "what is not compressed" {
				if err := os.WriteFile(filepath.Join(root, "r", test.file), []byte("plain"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := readRecordings(root); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}
