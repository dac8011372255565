package loki

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"obs/sources"
)

func TestDecodeRecordsRefuses(t *testing.T) {
	result := func(values string) string {
		return `{"status":"success","data":{"resultType":"streams","result":[{"stream":{"a":"b"},"values":` + values + `}]}}`
	}
	for name, body := range map[string]string{
		"nothing":              ``,
		"a page":               `<html>`,
		"cut off":              result(`[["1","x"`)[:90],
		"no object":            `"success"`,
		"empty object":         `{}`,
		"another status":       `{"status":"error","data":{"resultType":"streams","result":[]}}`,
		"no type":              `{"status":"success","data":{"result":[]}}`,
		"counts":               `{"status":"success","data":{"resultType":"matrix","result":[]}}`,
		"no result":            `{"status":"success","data":{"resultType":"streams"}}`,
		"result of text":       `{"status":"success","data":{"resultType":"streams","result":"null"}}`,
		"stream without label": `{"status":"success","data":{"resultType":"streams","result":[{"values":[]}]}}`,
		"no values":            `{"status":"success","data":{"resultType":"streams","result":[{"stream":{}}]}}`,
		"record of text":       result(`["1"]`),
		"record without line":  result(`[["1"]]`),
		"empty record":         result(`[[]]`),
		"time of another kind": result(`[[1,"x"]]`),
		"time too far":         result(`[["9223372036854775808","x"]]`),
		"line of another kind": result(`[["1",2]]`),
		"metadata of text":     result(`[["1","x",{"structuredMetadata":"y"}]]`),
		"nested without end":   result(strings.Repeat("[", 1<<20) + strings.Repeat("]", 1<<20)),
	} {
		t.Run(name, func(t *testing.T) {
			if records, _, err := decodeRecords([]byte(body), labelSets{}); err == nil || records != nil {
				t.Errorf("got %d records, %v", len(records), err)
			} else if len(err.Error()) > 200 {
				t.Errorf("the error quotes %d bytes", len(err.Error()))
			}
		})
	}
}

// The fast way of decoding and the plain one agree on what a real server sends.
func TestDecodeRecordsAsEncodingJSON(t *testing.T) {
	files, err := filepath.Glob("testdata/records*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := decodeRecords(body, labelSets{})
		if err != nil {
			t.Fatal(err)
		}
		if want := decodePlainly(t, body); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", file, got, want)
		}
	}
}

func decodePlainly(t testing.TB, body []byte) (records []sources.Record) {
	t.Helper()
	var answer struct {
		Data struct {
			Result []struct {
				Stream sources.Labels      `json:"stream"`
				Values [][]json.RawMessage `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	for _, stream := range answer.Data.Result {
		for _, value := range stream.Values {
			var at string
			var extra struct {
				StructuredMetadata sources.Labels `json:"structuredMetadata"`
			}
			record := sources.Record{Stream: stream.Stream}
			for i, target := range []any{&at, &record.Line, &extra}[:len(value)] {
				if err := json.Unmarshal(value[i], target); err != nil {
					t.Fatal(err)
				}
			}
			nanoseconds, err := strconv.ParseInt(at, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			record.Time, record.Metadata = time.Unix(0, nanoseconds).UTC(), extra.StructuredMetadata
			records = append(records, record)
		}
	}
	return records
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte(`{"status":"success","data":{"resultType":"streams","result":[{"stream":{"a":1,"a":null},"values":[["-1","\ud800",{"structuredMetadata":{}}]]}]}}`))
	f.Add([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":null,"value":[1e300,"0x1p-2"]}]}}`))
	f.Add([]byte(`{"streams":[{"stream":{"a":"b"},"values":[["1","x",{"structuredMetadata":{"c":"d"}}]]}],"dropped_entries":[{"timestamp":"2026-01-01T00:00:00Z","labels":"{}"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		records, _, err := decodeRecords(body, labelSets{})
		if err != nil && records != nil {
			t.Error("records beside an error")
		}
		for _, record := range records {
			if record.Time.Location() != time.UTC || record.Stream == nil {
				t.Errorf("half a record: %+v", record)
			}
		}
		answer, err := decodeSeries(body, time.Time{})
		if err != nil && answer.Series != nil {
			t.Error("series beside an error")
		}
		volumes, _ := decodeVolumes(body)
		for _, v := range volumes {
			if v.Bytes < 0 {
				t.Errorf("a volume of %d bytes", v.Bytes)
			}
		}
		records, dropped, err := decodeFrame(body)
		if err != nil && (records != nil || dropped != 0) {
			t.Error("records of a frame beside an error")
		}
		_, _ = decodeFields(body)
		_, _ = decodeStreams(body)
		_ = Explain(400, body)
	})
}

// page is an answer of 5,000 records in ten streams, four records to a trace.
func page() []byte {
	var b strings.Builder
	b.WriteString(`{"status":"success","data":{"resultType":"streams","encodingFlags":["categorize-labels"],"result":[`)
	for stream := range 10 {
		fmt.Fprintf(&b, `{"stream":{"job":"shop","level":"info","service_name":"service%d"},"values":[`, stream)
		for i := range 500 {
			line := fmt.Sprintf(`{"caller":"frontend/best_eta.go:103","driver":"T704794C","eta":"2m0s","level":"info","msg":"Dispatch successful","ts":"2026-11-21T02:26:58.%03dZ"}`, i)
			fmt.Fprintf(&b, `["%d",%q,{"structuredMetadata":{"detected_level":"info","span_id":"%016x","trace_id":"%032x"}}],`,
				1767225600000000000+i*1000+stream, line, i/4+1, i/4+1)
		}
		b.WriteString(`["1767225600000000000","last"]]},`)
	}
	return []byte(strings.TrimSuffix(b.String(), ",") + `]}}`)
}

func BenchmarkDecodeRecords(b *testing.B) {
	body := page()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := decodeRecords(body, labelSets{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeRecordsPlainly(b *testing.B) {
	body := page()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		decodePlainly(b, body)
	}
}
