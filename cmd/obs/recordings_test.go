package main

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"testing"
	"time"

	"obs/correlate"
)

// What real servers answered once leads to the same place again: a real lock in HotROD's
// database, from the metric to the request to its records.
func TestRecordings(t *testing.T) {
	replay := func(command, name string) *correlate.Case {
		t.Helper()
		var out, said bytes.Buffer
		w := world{out: &out, err: &said, now: time.Now, getenv: func(string) string { return "" }}
		args := []string{command, "--replay", filepath.Join("testdata", "recordings", name), "-o", "json"}
		if e := endedAs(&out, &said, runContext(t.Context(), args, w)); e.status != exitOK {
			t.Fatalf("%q: status %d: %s", args, e.status, e.stderr)
		}
		if bytes.Contains(said.Bytes(), []byte("does not hold")) {
			t.Errorf("obs asks otherwise than when it was recorded, see testdata/recordings: %s", said.String())
		}
		var found correlate.Case
		if err := json.NewDecoder(&out).Decode(&found); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		return &found
	}
	found := replay("triage", "hotrod.jsonl.gz")
	switch {
	case found.Verdict != correlate.Anomalous || len(found.Suspects) == 0 || found.Suspects[0].Service != "mysql":
		t.Errorf("%s, suspects %+v", found.Verdict, found.Suspects)
	case found.Trace == nil || found.Trace.Root.Operation != "/dispatch" || len(found.Records) == 0 || found.Records[0].TraceID != found.Trace.ID:
		t.Errorf("trace %+v, %d records", found.Trace, len(found.Records))
	}
	request := replay("trace", "request.jsonl.gz")
	if request.Trace == nil || request.Trace.SpanCount != 39 || len(request.Records) != 48 {
		t.Errorf("trace %+v, %d records", request.Trace, len(request.Records))
	}
	for _, r := range request.Records {
		if r.TraceID != request.Trace.ID {
			t.Errorf("a record of %s", r.TraceID)
		}
	}
}
