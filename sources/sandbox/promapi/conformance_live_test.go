//go:build integration

package promapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"obs/sources"
)

var record = flag.Bool("record", false, "write the real server's answers to testdata/conformance")

// TestLiveConformance loads the same data into the server at PROMETHEUS_URL and into a
// store, and asks both the same. With -record it keeps what the server answers, about
// data of the recorded time.
func TestLiveConformance(t *testing.T) {
	address := os.Getenv("PROMETHEUS_URL")
	if address == "" {
		t.Fatal("PROMETHEUS_URL is not set: `make integration` starts the server and sets it")
	}
	run := fmt.Sprintf("run%016x", rand.Uint64())
	base := time.Now().Add(-90 * time.Minute).Truncate(time.Minute).UTC()
	if *record {
		base = recorded
	}
	data := dataset(base, run)
	load(t, address, data)
	server := httptest.NewServer(Handler(holding(data), Options{}))
	defer server.Close()
	for _, name := range slices.Sorted(maps.Keys(suite)) {
		t.Run(name, func(t *testing.T) {
			var file bytes.Buffer
			for i, r := range suite[name] {
				want := r.withoutRules(t, r.ask(t, address, run, base))
				if *record {
					write(t, &file, i, r, want, run)
				}
				r.compare(t, r.ask(t, server.URL, run, base), want)
			}
			if *record {
				file.WriteString("\n}\n")
				if err := os.WriteFile(golden(name), file.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	list(t)
}

// write adds one answer to a file of one line for each.
func write(t *testing.T, file *bytes.Buffer, i int, r request, a answer, run string) {
	t.Helper()
	file.WriteString(map[bool]string{true: "{\n", false: ",\n"}[i == 0])
	var key, value bytes.Buffer
	for buffer, v := range map[*bytes.Buffer]any{&key: r.String(), &value: a} {
		encoder := json.NewEncoder(buffer)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	line := strings.TrimSpace(key.String()) + ": " + strings.TrimSpace(value.String())
	file.WriteString(strings.ReplaceAll(line, run, "golden"))
}

// withoutRules is the answer of a server without rules. The real one has some, for other
// tests, which no store is told of.
func (r request) withoutRules(t *testing.T, a answer) answer {
	t.Helper()
	list := map[string]string{"/api/v1/rules": "groups", "/api/v1/alerts": "alerts"}[r.path]
	if list == "" || a.Status != http.StatusOK {
		return a
	}
	var body map[string]any
	if err := json.Unmarshal(a.Body, &body); err != nil {
		t.Fatal(err)
	}
	data, _ := body["data"].(map[string]any)
	if _, ok := data[list].([]any); !ok {
		t.Fatalf("%s\nhas no list of %s: %s", r, list, brief(a))
	}
	data[list] = []any{}
	var err error
	if a.Body, err = json.Marshal(body); err != nil {
		t.Fatal(err)
	}
	return a
}

// load sends data by remote write (https://prometheus.io/docs/specs/prw/remote_write_spec/),
// whose answer comes when they can be read.
func load(t *testing.T, address string, data []one) {
	t.Helper()
	message := &prompb.WriteRequest{}
	for _, s := range data {
		series := prompb.TimeSeries{Labels: pairs(s.labels)}
		for _, sample := range s.samples {
			series.Samples = append(series.Samples, prompb.Sample{Timestamp: sample.Time.UnixMilli(), Value: sample.Value})
		}
		for _, e := range s.exemplars {
			series.Exemplars = append(series.Exemplars, prompb.Exemplar{Labels: pairs(e.Labels), Timestamp: e.Time.UnixMilli(), Value: e.Value})
		}
		message.Timeseries = append(message.Timeseries, series)
	}
	raw, err := message.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	sent, err := http.NewRequest(http.MethodPost, address+"/api/v1/write", bytes.NewReader(snappy.Encode(nil, raw)))
	if err != nil {
		t.Fatal(err)
	}
	sent.Header.Set("Content-Encoding", "snappy")
	sent.Header.Set("Content-Type", "application/x-protobuf")
	sent.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	defer http.DefaultClient.CloseIdleConnections()
	response, err := http.DefaultClient.Do(sent)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if said, _ := io.ReadAll(response.Body); response.StatusCode/100 != 2 {
		t.Fatalf("the remote write receiver answered HTTP %d: %s", response.StatusCode, said)
	}
}

// pairs are labels in order, as remote write wants them.
func pairs(l sources.Labels) []prompb.Label {
	var all []prompb.Label
	for _, name := range slices.Sorted(maps.Keys(l)) {
		all = append(all, prompb.Label{Name: name, Value: l[name]})
	}
	return all
}
