package jaeger

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/sources"
	"obs/sources/otlp"
)

var decoders = map[string]func([]byte) ([]sources.Trace, error){"v3": atOnce(decodeOTLP), "v1": atOnce(decodeV1)}

// atOnce gives a decoder an answer that has come whole.
func atOnce(decode func(io.Reader) ([]sources.Trace, error)) func([]byte) ([]sources.Trace, error) {
	return func(body []byte) ([]sources.Trace, error) { return decode(bytes.NewReader(body)) }
}

func decoded(t *testing.T, api, name string) sources.Trace {
	t.Helper()
	traces, err := decoders[api](recorded(t, api+"_trace_"+name+".json"))
	if err != nil || len(traces) != 1 {
		t.Fatalf("%s: %d traces, %v", api, len(traces), err)
	}
	return traces[0]
}

func TestHotRODTrace(t *testing.T) {
	for api := range decoders {
		trace := decoded(t, api, "hotrod")
		if trace.ID != hotrodID || len(trace.Spans) != 40 {
			t.Fatalf("%s: trace %s with %d spans", api, trace.ID, len(trace.Spans))
		}
		if got := trace.Services(); !slices.Equal(got, []string{"customer", "driver", "frontend", "mysql", "redis-manual", "route"}) {
			t.Errorf("%s: services %v", api, got)
		}
		count := map[string]int{}
		byID := map[sources.SpanID]*sources.Span{}
		for i := range trace.Spans {
			s := &trace.Spans[i]
			byID[s.ID] = s
			count[string(s.Kind)]++
			count["events"] += len(s.Events)
			if s.Failed() {
				count[s.Service+" failed"]++
				if s.Status != sources.StatusError || s.StatusMessage != "An error occurred" || s.Operation != "GetDriver" {
					t.Errorf("%s: %+v", api, s)
				}
			}
			if s.Resource.Get("service.name") != s.Service || s.Resource.Get("telemetry.sdk.language") != "go" {
				t.Errorf("%s: resource %v of %s", api, s.Resource, s.Service)
			}
			if i > 0 && s.Start.Before(trace.Spans[i-1].Start) {
				t.Errorf("%s: span %d starts before the one ahead of it", api, i)
			}
		}
		want := map[string]int{"server": 13, "client": 27, "events": 52, "redis-manual failed": 3}
		if !reflect.DeepEqual(count, want) {
			t.Errorf("%s: %v, want %v", api, count, want)
		}
		root := trace.Spans[0]
		if root.ID != "b018cbdddc089972" || root.ParentID != "" || root.Operation != "/dispatch" || root.Duration.Truncate(time.Microsecond) != 673451*time.Microsecond {
			t.Errorf("%s: root %+v", api, root)
		}
		if want := time.Date(2026, 11, 21, 7, 23, 3, 228000000, time.UTC); !root.Start.Truncate(time.Microsecond).Equal(want) || root.Start.Location() != time.UTC {
			t.Errorf("%s: root starts at %s", api, root.Start)
		}
		sql := byID["02135f2280db90e5"]
		if sql.Service != "mysql" || sql.Operation != "SQL SELECT" || byID[sql.ParentID].Service != "customer" ||
			sql.Events[0].Name != "Acquired lock; 0 transactions waiting behind" || sql.Events[0].Attributes.Get("level") != "info" {
			t.Errorf("%s: %+v", api, sql)
		}
		if got := byID[root.ID].Attributes.Get("http.response.status_code"); got != "200" {
			t.Errorf("%s: status code %q", api, got)
		}
	}
}

func TestShopTrace(t *testing.T) {
	for api := range decoders {
		trace := decoded(t, api, "shop")
		var order []string
		for _, s := range trace.Spans {
			order = append(order, fmt.Sprintf("%s %s %s<-%s %s %s", s.Service, s.Operation, s.ParentID.Short(), s.ID.Short(), s.Kind, s.Status))
		}
		want := []string{
			"shop POST /orders <-a1 server error", // sent twice
			"shop charge a1<-b2 client unset",
			"shop validate a1<-e5 internal unset",
			"missing-service-name legacy a1<-f6  unset",
			"payment charge b2<-1 server unset", // sent with the ID b2 too, and given another by the server
			"shop careless a1<- internal unset", // sent without an ID
			"shop backwards a1<-f7 internal unset",
			"shop orders publish a1<-c3 producer ok",
			"mailer orders process c3<-d4 consumer unset",
		}
		if !slices.Equal(order, want) {
			t.Errorf("%s:\n%s\nwant\n%s", api, strings.Join(order, "\n"), strings.Join(want, "\n"))
		}
		if careless := spanNamed(t, trace, "careless"); careless.ID != otlp.NoSpanID {
			t.Errorf("%s: the ID of a span without one is %q", api, careless.ID)
		}
		root := spanNamed(t, trace, "POST /orders")
		wantAttributes := sources.Attributes{
			{Key: "baggage", Value: `{"n":1,"tenant":"blue"}`},
			{Key: "big", Value: "9007199254740993"},
			{Key: "empty", Value: ""},
			{Key: "http.request.header.x-request-id", Value: `["req-7f3a"]`},
			{Key: "http.request.method", Value: "POST"},
			{Key: "http.response.status_code", Value: "500"},
			{Key: "otel.scope.name", Value: "zoo"},
			{Key: "otel.scope.version", Value: "1.2.3"},
			{Key: "ratio", Value: "0.25"},
			{Key: "raw", Value: "AAH/"},
			{Key: "sampled", Value: "true"},
			{Key: "scope.attr", Value: "yes"}, // v1 has no place for it
			{Key: "tags", Value: `["a","b",3]`},
			{Key: "tiny", Value: "1e-9"},
			{Key: "w3c.tracestate", Value: "vendor=x"},
		}
		if api == "v1" {
			wantAttributes = slices.DeleteFunc(wantAttributes, func(a sources.Attribute) bool { return a.Key == "scope.attr" })
		}
		if !slices.Equal(root.Attributes, wantAttributes) {
			t.Errorf("%s: attributes %v", api, root.Attributes)
		}
		if root.StatusMessage != "payment refused" || root.Duration.Truncate(time.Microsecond) != 120*time.Millisecond || root.TraceID != shopID {
			t.Errorf("%s: root %+v", api, root)
		}
		if e := root.Events; len(e) != 2 || e[0].Name != "exception" || e[0].Attributes.Get("exception.type") != "PaymentError" ||
			e[0].Time.Sub(root.Start) != 5*time.Millisecond || e[1].Name != "" || e[1].Attributes.Get("level") != "info" {
			t.Errorf("%s: events %v", api, e)
		}
		if got := spanNamed(t, trace, "backwards"); got.Duration > time.Microsecond || !strings.HasPrefix(got.Attributes.Get("@jaeger@warnings"), `["Negative duration`) {
			t.Errorf("%s: %+v", api, got)
		}
		consumer := spanNamed(t, trace, "orders process")
		elsewhere := sources.Reference{TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", SpanID: "00f067aa0ba902b7"}
		wantLinks := []sources.Reference{{TraceID: shopID, SpanID: "00000000000000c3"}, elsewhere}
		if api == "v1" {
			wantLinks = wantLinks[1:] // its first reference is the parent as well
		}
		if !slices.Equal(consumer.Links, wantLinks) {
			t.Errorf("%s: links %v", api, consumer.Links)
		}
		charge := spanNamed(t, trace, "charge")
		if &charge.Resource[0] != &root.Resource[0] {
			t.Errorf("%s: two spans of one resource do not share it", api)
		}
	}
}

// A stream of several objects is one answer.
func TestConcatenatedAnswers(t *testing.T) {
	body := slices.Concat(recorded(t, "v3_trace_shop.json"), []byte("\n"), recorded(t, "v3_search.json"), recorded(t, "v3_trace_shop.json"))
	traces, err := decodeOTLP(bytes.NewReader(body))
	if err != nil || len(traces) != 4 || traces[0].ID != shopID || len(traces[0].Spans) != 10 {
		t.Errorf("%d traces, %v", len(traces), err) // 9 spans, of which the one without an ID cannot be told from its repetition
	}
}

func TestRepeatsAndSharedIDs(t *testing.T) {
	span := func(id, name, tags string, duration int) string {
		return fmt.Sprintf(`{"spanID":%q,"operationName":%q,"startTime":1000,"duration":%d,"processID":"p1","tags":[%s]}`, id, name, duration, tags)
	}
	client, server := `{"key":"span.kind","type":"string","value":"client"}`, `{"key":"span.kind","type":"string","value":"server"}`
	body := `{"data":[{"traceID":"1","spans":[` + strings.Join([]string{
		span("a", "incomplete", "", 5), span("a", "complete", "", 7), span("a", "incomplete", "", 5),
		span("b", "call", client, 3), span("b", "call", server, 2),
		span("", "nameless", "", 1), span("0", "nameless", "", 1),
	}, ",") + `],"processes":{"p1":{"serviceName":"one"}}}]}`
	traces, err := decodeV1(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range traces[0].Spans {
		got = append(got, fmt.Sprintf("%s %s %s", s.ID.Short(), s.Operation, s.Kind))
	}
	if want := []string{"a complete ", "b call client", "b call server", " nameless ", " nameless "}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// What OpenTracing clients and old servers send.
func TestOldNotations(t *testing.T) {
	body := `{"data":[{"traceID":"ABC","spans":[
		{"traceID":"abc","spanID":"1","operationName":"root","startTime":5,"duration":9,"processID":"p1",
		 "tags":[{"key":"error","type":"string","value":"true"},{"key":"n","value":1.50},{"key":"null","value":null},{"key":"span.kind","value":"odd"}],
		 "logs":[{"timestamp":"7","fields":[{"key":"event","value":"one"},{"key":"event","value":"two"}]}]},
		{"traceID":"0abc","spanID":"2","parentSpanID":"1","startTime":6},
		{"traceID":"abc","spanID":"3","startTime":7,"processID":"nowhere","references":[
		 {"refType":"FOLLOWS_FROM","traceID":"abc","spanID":"2"},{"refType":"CHILD_OF","traceID":"def","spanID":"9"},
		 {"refType":"CHILD_OF","traceID":"abc","spanID":"1"},{"refType":"CHILD_OF","traceID":"abc","spanID":"2"}]},
		{"traceID":"abc","spanID":"4","startTime":8,"tags":[{"key":"otel.status_code","value":"ERROR"},{"key":"otel.status_description","value":"why"}]},
		{"traceID":"abc","spanID":"5","startTime":9,"tags":[{"key":"error","type":"bool","value":true},{"key":"otel.status_code","value":"OK"}]}
	],"processes":{"p1":{"serviceName":"OTLPResourceNoServiceName"}}}]}`
	traces, err := decodeV1(strings.NewReader(body))
	if err != nil || len(traces) != 1 || len(traces[0].Spans) != 5 {
		t.Fatalf("%v, %v", traces, err)
	}
	s := traces[0].Spans
	if s[0].TraceID != "00000000000000000000000000000abc" || s[0].Service != "" || s[0].Kind != sources.KindUnset || !s[0].Failed() || s[0].Status != sources.StatusUnset {
		t.Errorf("%+v", s[0])
	}
	if want := (sources.Attributes{{Key: "error", Value: "true"}, {Key: "n", Value: "1.50"}, {Key: "null"}}); !slices.Equal(s[0].Attributes, want) {
		t.Errorf("attributes %v", s[0].Attributes)
	}
	if e := s[0].Events[0]; e.Name != "one" || e.Attributes.Get("event") != "two" || e.Time.UnixMicro() != 7 {
		t.Errorf("event %+v", e)
	}
	if s[1].ParentID.Short() != "1" || s[2].ParentID.Short() != "1" || len(s[2].Links) != 3 || s[2].Service != "" {
		t.Errorf("%+v\n%+v", s[1], s[2])
	}
	if s[3].Status != sources.StatusError || s[3].StatusMessage != "why" || s[4].Status != sources.StatusError {
		t.Errorf("%+v\n%+v", s[3], s[4])
	}
}

func TestHostileTimes(t *testing.T) {
	const trace = `"traceID":"1","spanID":"1"`
	otlp := func(start, end string) string {
		return fmt.Sprintf(`{"result":{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"00000000000000000000000000000001","spanId":"0000000000000001","startTimeUnixNano":%s,"endTimeUnixNano":%s}]}]}]}}`, start, end)
	}
	v1 := func(start, duration string) string {
		return fmt.Sprintf(`{"data":[{"spans":[{%s,"startTime":%s,"duration":%s}]}]}`, trace, start, duration)
	}
	for _, test := range []struct {
		name, api, body string
		start           int64 // nanoseconds
		duration        time.Duration
	}{
		{"end before start", "v3", otlp(`"5"`, `"3"`), 5, 0},
		{"no times", "v3", otlp(`"0"`, `0`), 0, 0},
		{"far future", "v3", otlp(`"18446744073709551615"`, `"18446744073709551615"`), 1<<63 - 1, 0},
		{"forever", "v3", otlp(`"1"`, `"18446744073709551615"`), 1, 1<<63 - 2},
		{"negative", "v1", v1("-5", "-7"), 0, 0},
		{"far future", "v1", v1("18446744073709551615", "18446744073709551615"), microsMax * 1000, time.Duration(microsMax) * time.Microsecond},
		{"beyond any integer", "v1", v1("1e300", "-1e300"), microsMax * 1000, 0},
		{"fractions", "v1", v1("5.9", "2.5e3"), 5000, 2500 * time.Microsecond},
		{"quoted", "v1", v1(`"5"`, `"7"`), 5000, 7 * time.Microsecond},
		{"null", "v1", v1("null", "null"), 0, 0},
	} {
		traces, err := decoders[test.api]([]byte(test.body))
		if err != nil {
			t.Errorf("%s of %s: %v", test.name, test.api, err)
			continue
		}
		s := traces[0].Spans[0]
		if s.Start.UnixNano() != test.start || s.Duration != test.duration {
			t.Errorf("%s of %s: %s for %s", test.name, test.api, s.Start, s.Duration)
		}
		if _, err := s.End().MarshalJSON(); err != nil {
			t.Errorf("%s of %s: %v", test.name, test.api, err)
		}
	}
}

func TestAnswersThatAreNotJaegers(t *testing.T) {
	nested := strings.Repeat(`{"arrayValue":{"values":[`, 100_000)
	for _, test := range []struct{ api, body string }{
		{"v3", `{}`}, {"v3", `[]`}, {"v3", `{"result":`}, {"v3", `{"result":[]}`}, {"v3", `{"status":"success"}`},
		{"v3", `{"result":{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}}`},
		{"v3", `{"result":{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":` + nested},
		{"v1", `{}`}, {"v1", `[]`}, {"v1", `{"data":{}}`}, {"v1", `{"data":["frontend"]}`}, {"v1", `{"data":[{"spans":[{"startTime":"noon"}]}]}`},
		{"v1", `{"data":[{"traceID":"xyz","spans":[{}]}]}`},
		{"v1", `{"data":[{"traceID":"1","spans":[{"spanID":"00000000000000001"}]}]}`},
		{"v1", `{"data":[{"traceID":"1","spans":[{"spanID":"1","references":[{"traceID":"1","spanID":"-1"}]}]}]}`},
	} {
		if traces, err := decoders[test.api]([]byte(test.body)); err == nil {
			t.Errorf("%s: %.80s: %v", test.api, test.body, traces)
		}
	}
}

func FuzzDecoders(f *testing.F) {
	for _, name := range []string{"v3_trace_shop.json", "v3_search.json", "v1_trace_shop.json", "v1_search.json", "v3_none.json", "v1_none.json", "page.html"} {
		f.Add(recorded(f, name))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		Explain(404, body)
		for api, decode := range decoders {
			traces, err := decode(body)
			if err != nil {
				continue
			}
			for _, trace := range traces {
				if len(trace.ID) != 32 || len(trace.Spans) == 0 {
					t.Errorf("%s: trace %q with %d spans", api, trace.ID, len(trace.Spans))
				}
				for _, s := range trace.Spans {
					_, err := s.End().MarshalJSON()
					if s.TraceID != trace.ID || len(s.ID) != 16 || s.Duration < 0 || err != nil || (s.ParentID != "" && len(s.ParentID) != 16) {
						t.Errorf("%s: %+v, %v", api, s, err)
					}
				}
			}
		}
	})
}
