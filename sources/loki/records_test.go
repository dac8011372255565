package loki_test

import (
	"net/url"
	"reflect"
	"testing"
	"time"

	"obs/sources"
)

const lines = `{recorded="yes"}`

func TestRecords(t *testing.T) {
	var (
		at       = func(d time.Duration) time.Time { return recorded.From.Add(d) }
		cart     = sources.Labels{"recorded": "yes", "service_name": "cart"}
		checkout = sources.Labels{"recorded": "yes", "service_name": "checkout"}
		unknown  = sources.Labels{"detected_level": "unknown"}
		payment  = sources.Labels{"detected_level": "unknown", "trace_id": "0af7651916cd43dd8448eb211c80319c", "user": "u\"1\n"}
		other    = sources.Labels{"detected_level": "unknown", "trace_id": "b7ad6b7169203331b7ad6b7169203331"}
	)
	handler := &canned{t: t, file: "records.json"}
	client, ledger := open(t, handler)
	answer, err := client.Records(t.Context(), lines, recorded, 100, true)
	if err != nil {
		t.Fatal(err)
	}
	// The server keeps one of two records that are equal in everything.
	want := []sources.Record{
		{Time: at(0), Stream: cart, Metadata: unknown, Line: "cart opened"},
		{Time: at(0), Stream: checkout, Metadata: payment, Line: "payment declined"},
		{Time: at(1), Stream: checkout, Metadata: payment, Line: "retrying"},
		{Time: at(1), Stream: checkout, Metadata: other, Line: "retrying"},
		{Time: at(1), Stream: checkout, Metadata: unknown, Line: "retrying"},
		{Time: at(time.Second), Stream: checkout, Metadata: sources.Labels{"detected_level": "warn"}, Line: `{"level":"warn","msg":"slow","ms":12}`},
		{Time: at(2 * time.Second), Stream: checkout, Metadata: sources.Labels{"detected_level": "error"}, Line: `level=error msg="gave up" took=5ms`},
		{Time: at(3 * time.Second), Stream: cart, Metadata: unknown, Line: "colour \x1b[31mred\x1b[0m, override \u202e, null \x00, é, 😀"},
	}
	mustBe(t, answer.Records, want)
	if answer.Truncated || answer.Warnings != nil {
		t.Errorf("truncated %t, warnings %q", answer.Truncated, answer.Warnings)
	}
	for i, a := range answer.Records {
		for _, b := range answer.Records[:i] {
			if a.Stream["service_name"] == b.Stream["service_name"] && reflect.ValueOf(a.Stream).Pointer() != reflect.ValueOf(b.Stream).Pointer() {
				t.Fatal("records of one stream do not share its labels")
			}
		}
	}
	handler.mustAsk("/loki/api/v1/query_range", url.Values{
		"query": {lines}, "start": {"1767225600000000000"}, "end": {"1767225660000000000"},
		"limit": {"101"}, "direction": {"forward"},
	})
	if got := handler.header.Get("X-Loki-Response-Encoding-Flags"); got != "categorize-labels" {
		t.Errorf("encoding flags %q", got)
	}
	mustList(t, ledger, lines, recorded, sources.QueryOK, len(want))

	answer, err = client.Records(t.Context(), lines, recorded, 3, false)
	if err != nil || !answer.Truncated {
		t.Fatalf("truncated %t, %v", answer.Truncated, err)
	}
	mustBe(t, answer.Records, []sources.Record{want[7], want[6], want[5]})
}

func mustBe(t *testing.T, got, want []sources.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("record %d:\n got %+v\nwant %+v", i, got[i], want[i])
		}
	}
}

func TestRecordsOfOtherForms(t *testing.T) {
	for _, test := range []struct {
		name, file string
		text       string
		records    int
		first      sources.Record
		warnings   []string
	}{
		{
			name: "server that does not set metadata apart", file: "records_flat.json", records: 8,
			first: sources.Record{
				Time:   recorded.From,
				Stream: sources.Labels{"detected_level": "unknown", "recorded": "yes", "service_name": "cart"},
				Line:   "cart opened",
			},
		},
		{
			name: "labels made by a parser", file: "records_parsed.json", records: 1,
			first: sources.Record{
				Time:     recorded.From.Add(time.Second),
				Stream:   sources.Labels{"recorded": "yes", "service_name": "checkout"},
				Metadata: sources.Labels{"detected_level": "warn"},
				Line:     `{"level":"warn","msg":"slow","ms":12}`,
			},
		},
		{
			name:    "stream that Loki has split",
			text:    `{"status":"success","data":{"resultType":"streams","result":[{"stream":{"a":"b","__stream_shard__":"3"},"values":[["1767225600000000005","x"]]}]}}`,
			records: 1,
			first:   sources.Record{Time: recorded.From.Add(5), Stream: sources.Labels{"a": "b"}, Line: "x"},
		},
		{name: "none", file: "records_none.json"},
		{name: "null", text: `{"status":"success","data":{"resultType":"streams","result":null}}`},
		{
			name: "warning", text: `{"status":"success","warnings":["part \u001b is missing"],"data":{"resultType":"streams","result":[]}}`,
			warnings: []string{`part \x1b is missing`},
		},
		{
			name:    "records of other times",
			text:    `{"status":"success","data":{"resultType":"streams","result":[{"stream":{},"values":[["1","early"],["1767225600000000005","in time"],["1767225660000000000","late"]]}]}}`,
			records: 1,
			first:   sources.Record{Time: recorded.From.Add(5), Stream: sources.Labels{}, Line: "in time"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, _ := open(t, &canned{t: t, file: test.file, text: test.text})
			answer, err := client.Records(t.Context(), lines, recorded, 100, true)
			if err != nil || answer.Truncated || len(answer.Records) != test.records || !reflect.DeepEqual(answer.Warnings, test.warnings) {
				t.Fatalf("%d records, truncated %t, warnings %q, %v", len(answer.Records), answer.Truncated, answer.Warnings, err)
			}
			if test.records > 0 {
				mustBe(t, answer.Records[:1], []sources.Record{test.first})
			}
		})
	}
}

func TestRecordsOfAnEmptyWindow(t *testing.T) {
	client, ledger := open(t, &canned{t: t, file: "records.json"})
	for _, w := range []sources.Window{{}, window(recorded.From, 0), window(recorded.From, -1)} {
		answer, err := client.Records(t.Context(), lines, w, 100, true)
		if err != nil || answer.Records != nil || answer.Truncated {
			t.Errorf("%v: %+v, %v", w, answer, err)
		}
	}
	if n := len(ledger.Queries()); n != 0 {
		t.Errorf("asked %d questions of windows without a moment", n)
	}
}
