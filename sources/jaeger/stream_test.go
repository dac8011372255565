package jaeger

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"unsafe"

	"obs/sources"
)

var wholeDecoders = map[string]func([]byte) ([]sources.Trace, error){"v3": wholeDecodeOTLP, "v1": wholeDecodeV1}

// arriving are the ways in which an answer may come.
var arriving = map[string]func(io.Reader) io.Reader{
	"at once":                 func(r io.Reader) io.Reader { return r },
	"byte by byte":            iotest.OneByteReader,
	"by halves":               iotest.HalfReader,
	"end with the last of it": iotest.DataErrReader,
}

var streaming = map[string]func(io.Reader) ([]sources.Trace, error){"v3": decodeOTLP, "v1": decodeV1}

// answers are all recorded answers, and some with what recordings lack.
func answers(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d recorded answers, %v", len(files), err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(file)] = body
	}
	const ids = `"traceId":"0000000000000000000000000000000A","spanId":"000000000000000b"`
	for name, spans := range map[string]string{
		"every value": `{` + ids + `,"attributes":[
			{"key":"none"},{"key":"null","value":null},{"key":"empty","value":{}},{"key":"text","value":{"stringValue":"a\u00e9\n\ud83d\ude00<&>"}},
			{"key":"int","value":{"intValue":"-9223372036854775808"}},{"key":"number","value":{"intValue":42}},{"value":{"boolValue":false},"key":"bool"},
			{"key":"small","value":{"doubleValue":1e-9}},{"key":"large","value":{"doubleValue":1e21}},{"key":"not finite","value":{"doubleValue":"-Infinity"}},
			{"key":"bytes","value":{"bytesValue":"AAH/"}},{"key":"list","value":{"arrayValue":{"values":[{"stringValue":"<b>"},{"intValue":"7"},{},{"arrayValue":{"values":[{"boolValue":true}]}},{"bytesValue":"AAH/"}]}}},
			{"key":"empty list","value":{"arrayValue":{}}},{"key":"map","value":{"kvlistValue":{"values":[{"key":"z","value":{"doubleValue":0.5}},{"key":"a","value":{"kvlistValue":{}}}]}}},
			{"key":"twice","value":{"stringValue":"one"}},{"key":"twice","value":{"stringValue":"two"}}]}`,
		"other spellings": `{"trace_id":"0000000000000000000000000000000a","span_id":"000000000000000b","parent_span_id":"000000000000000c","start_time_unix_nano":5,"end_time_unix_nano":"9",
			"kind":"SPAN_KIND_CONSUMER","status":{"code":"STATUS_CODE_OK"},"trace_state":"a=b","unknown":{"deep":[1,{"x":null}]},
			"links":[{"trace_id":"0000000000000000000000000000000b","span_id":"000000000000000d"},{"traceId":"","spanId":""}],
			"events":[{"time_unix_nano":"7","name":"second"},{"timeUnixNano":6,"name":"first","attributes":[{"key":"b","value":{"intValue":1}},{"key":"a"}]}]}`,
		"unknown kind": `{` + ids + `,"kind":9,"status":{"code":7}}`,
	} {
		all[name] = []byte(`{"result":{"resourceSpans":[{"scopeSpans":[{"spans":[` + spans + `],"scope":{"name":"n","version":"v","attributes":[{"key":"s","value":{"intValue":1}}]}}],"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"late"}},{"key":"a"}]}}]}}`)
	}
	all["two parts"] = bytes.Join([][]byte{all["v3_trace_shop.json"], all["v3_search.json"], all["every value"]}, []byte("\n"))
	all["refusal"] = []byte(`{"error":{"grpcCode":5,"httpCode":500,"message":"No traces found"}}`)
	all["v1 values"] = []byte(`{"data":[{"traceID":"a","processes":{"p1":{"serviceName":"early","tags":[{"key":"b","value":1},{"key":"a","value":[1, {"x": "<y>"}]}]}},"spans":[
		{"spanID":"B","processID":"p1","startTime":"12","duration":3.7,"warnings":["w","v"],"tags":[{"key":"n","type":"float64","value":1.50},{"key":"o","value":{ "k" : [ ] }},{"key":"u","value":"\u00e9\\"}],
		 "logs":[{"fields":[],"timestamp":9},{"timestamp":8,"fields":[{"key":"event","value":"e"},{"key":"z","value":true},{"key":"a","value":null}]}]},
		{"traceID":"000a","spanID":"1","references":[{"refType":"FOLLOWS_FROM","traceID":"a","spanID":"b"},{"refType":"CHILD_OF","traceID":"a","spanID":"2"}]}]}],"errors":null}`)
	return all
}

// Decoded while it arrives, in whatever pieces, an answer says what it says as a whole.
func TestAnswersInPieces(t *testing.T) {
	for name, body := range answers(t) {
		for api, decode := range streaming {
			want, wantErr := wholeDecoders[api](body)
			for how, arrive := range arriving {
				got, err := decode(arrive(bytes.NewReader(body)))
				if (err == nil) != (wantErr == nil) {
					t.Errorf("%s by %s, %s: error %v, want %v", name, api, how, err, wantErr)
				} else if !reflect.DeepEqual(got, want) {
					t.Errorf("%s by %s, %s:\n%+v\nwant\n%+v", name, api, how, got, want)
				}
				refused, wantRefused := (*kindError)(nil), (*kindError)(nil)
				if errors.As(err, &refused) != errors.As(wantErr, &wantRefused) || (refused != nil && !errors.Is(refused.kind, wantRefused.kind)) {
					t.Errorf("%s by %s, %s: refused with %v, want %v", name, api, how, err, wantErr)
				}
			}
		}
	}
}

// An answer that is cut off is an error wherever that is, and no shorter answer.
func TestCutOffAnswers(t *testing.T) {
	for _, test := range []struct{ api, name string }{
		{"v3", "v3_trace_shop.json"}, {"v3", "v3_search.json"}, {"v3", "every value"}, {"v3", "other spellings"},
		{"v1", "v1_trace_shop.json"}, {"v1", "v1_search.json"}, {"v1", "v1 values"},
	} {
		body := bytes.TrimSpace(answers(t)[test.name])
		for n := 1; n < len(body); n++ {
			if traces, err := streaming[test.api](bytes.NewReader(body[:n])); err == nil {
				t.Fatalf("%s: %d of %d bytes are an answer with %d traces", test.name, n, len(body), len(traces))
			}
		}
	}
}

// A reader that fails is what the decoder says, and not that the answer makes no sense.
func TestBrokenReader(t *testing.T) {
	broken := errors.New("the connection broke")
	for api, decode := range streaming {
		body := recorded(t, api+"_trace_shop.json")
		_, err := decode(io.MultiReader(bytes.NewReader(body[:len(body)/2]), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", api, err)
		}
	}
}

// manySpans is an answer with a trace of so many spans that are much alike, as large
// traces are.
func manySpans(api string, n int) []byte {
	var spans []string
	for i := range n {
		if api == "v3" {
			spans = append(spans, fmt.Sprintf(`{"traceId":"%032x","spanId":"%016x","parentSpanId":"%016x","name":"SELECT orders","kind":3,"startTimeUnixNano":"%d","endTimeUnixNano":"%d",
				"attributes":[{"key":"db.system","value":{"stringValue":"postgresql"}},{"key":"order.id","value":{"stringValue":"ord_%08x"}},{"key":"rows","value":{"intValue":"%d"}}],"status":{}}`, 1, i+1, 1, i, i+100, i, i%50))
		} else {
			spans = append(spans, fmt.Sprintf(`{"traceID":"%032x","spanID":"%016x","operationName":"SELECT orders","references":[{"refType":"CHILD_OF","traceID":"%032x","spanID":"%016x"}],"startTime":%d,"duration":100,
				"tags":[{"key":"db.system","type":"string","value":"postgresql"},{"key":"order.id","type":"string","value":"ord_%08x"},{"key":"rows","type":"int64","value":%d}],"logs":[],"processID":"p1","warnings":null}`, 1, i+1, 1, 1, i, i, i%50))
		}
	}
	all := strings.Join(spans, ",")
	if api == "v3" {
		return []byte(`{"result":{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"orders"}}]},"scopeSpans":[{"scope":{"name":"sql"},"spans":[` + all + `]}]}]}}`)
	}
	return []byte(`{"data":[{"traceID":"1","spans":[` + all + `],"processes":{"p1":{"serviceName":"orders","tags":[]}}}]}`)
}

// What many spans have in common is in memory once.
func TestSharedText(t *testing.T) {
	for api, decode := range streaming {
		traces, err := decode(bytes.NewReader(manySpans(api, 1000)))
		if err != nil {
			t.Fatal(err)
		}
		texts := map[*byte]bool{}
		for _, s := range traces[0].Spans {
			for _, text := range []string{string(s.TraceID), string(s.ParentID), s.Operation, s.Service, s.Attributes.Get("db.system"), s.Attributes[0].Key} {
				texts[unsafe.StringData(text)] = true
			}
			if &s.Resource[0] != &traces[0].Spans[0].Resource[0] {
				t.Fatalf("%s: the resource of %s is a copy", api, s.ID)
			}
		}
		// Six, and again some of those that lost their place to an order's ID.
		if len(texts) > 100 {
			t.Errorf("%s: 6 texts of 1000 spans are in memory %d times", api, len(texts))
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, api := range []string{"v3", "v1"} {
		body := manySpans(api, 50_000)
		b.Run(api, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for b.Loop() {
				if _, err := streaming[api](bytes.NewReader(body)); err != nil {
					b.Fatal(err)
				}
			}
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N)/float64(len(body)), "allocated/answer")
		})
	}
}
