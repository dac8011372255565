package jaegerapi

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"obs/sources"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func ids(all []found) []uint64 {
	var low []uint64
	for _, f := range all {
		low = append(low, f.id.low)
	}
	return low
}

// one is a span of a trace of its own.
func one(n int, service string, start time.Time, lasts time.Duration) sources.Span {
	return sources.Span{TraceID: sources.TraceID(fmt.Sprintf("%x", n)), ID: "a1", Service: service, Operation: "op", Start: start, Duration: lasts}
}

func TestOldestTracesGoFirst(t *testing.T) {
	store := NewStore()
	for n := 1; n <= 4; n++ {
		store.Append(one(n, "a", noon, time.Second), one(n, fmt.Sprintf("only-%d", n), noon, time.Second))
	}
	store.Append(one(1, "late", noon, time.Second)) // which makes trace 1 no younger
	handler := Handler(store, Options{MaxTraces: 3})
	store.Append(one(5, "a", noon, time.Second))
	everything := query{limit: 3}
	if got, err := store.find(everything); err != nil || !slices.Equal(ids(got), []uint64{5, 4, 3}) {
		t.Errorf("kept %v, %v", ids(got), err)
	}
	everything.service = "a"
	if got, err := store.find(everything); err != nil || !slices.Equal(ids(got), []uint64{5, 4, 3}) {
		t.Errorf("of a service %v, %v", ids(got), err)
	}
	for _, service := range []string{"only-1", "only-2", "late"} {
		if got, err := store.find(query{service: service, limit: 1}); err != nil || len(got) > 0 {
			t.Errorf("%s: %v, %v", service, ids(got), err)
		}
		if !slices.Contains(store.services(), service) {
			t.Errorf("%s is no longer known", service)
		}
	}
	if _, ok := store.trace(traceID{low: 2}); ok {
		t.Error("trace 2 is still found by its ID")
	}
	if _, err := store.find(query{limit: 4}); err == nil {
		t.Error("more traces may be asked for than are kept")
	}
	store.Append(one(2, "a", noon, time.Second)) // comes back as a new one
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/api/traces/2", nil))
	if answer.Code != http.StatusOK {
		t.Errorf("trace 2 came again: %d", answer.Code)
	}
}

// A span that arrives late for an old trace must not make the index forget the order.
func TestSpansInAnyOrder(t *testing.T) {
	store := NewStore()
	for _, n := range []int{1, 2, 3, 4} {
		store.Append(one(n, "a", noon.Add(time.Duration(n)*time.Minute), time.Second))
	}
	for _, n := range []int{3, 1, 4, 2, 3} {
		store.Append(one(n, "b", noon.Add(time.Duration(-n)*time.Minute), time.Duration(n)*time.Second))
	}
	for _, test := range []struct {
		q    query
		want []uint64
	}{
		{query{service: "b"}, []uint64{4, 3, 2, 1}},
		{query{service: "a", from: noon.Add(150 * time.Second)}, []uint64{4, 3}},
		{query{service: "b", from: noon.Add(-150 * time.Second)}, []uint64{2, 1}},
		{query{service: "b", to: noon.Add(-2 * time.Minute)}, []uint64{4, 3, 2}},
		{query{service: "b", shortest: 3 * time.Second}, []uint64{4, 3}},
		{query{service: "b", longest: 2 * time.Second}, []uint64{2, 1}},
		{query{from: noon.Add(30 * time.Second), shortest: 2 * time.Second}, nil}, // no one span is both
		{query{service: "c"}, nil},
	} {
		test.q.limit = 10
		if got, err := store.find(test.q); err != nil || !slices.Equal(ids(got), test.want) {
			t.Errorf("%+v: %v, want %v, %v", test.q, ids(got), test.want, err)
		}
	}
}

func TestOddSpans(t *testing.T) {
	store := NewStore()
	resource := sources.Attributes{{Key: "service.name", Value: "by-resource"}}
	store.Append(
		sources.Span{TraceID: "not an ID", ID: "1", Service: "lost"},
		sources.Span{TraceID: "1", ID: "not an ID", ParentID: "zz", Service: "a\xff", Operation: "\xfe", Attributes: sources.Attributes{{Key: "\xff", Value: "[\xff"}}},
		sources.Span{TraceID: "1", ID: "2", Resource: resource, Start: time.Unix(0, math.MaxInt64), Duration: math.MaxInt64},
		sources.Span{TraceID: "1", ID: "3", Start: time.Unix(-1<<40, 0), Duration: -5, Links: []sources.Reference{{TraceID: "x"}}},
		sources.Span{TraceID: "1", ID: "4", Resource: resource, Service: "by-field"},
	)
	resource[0].Value = "changed" // the caller may use its slice again
	store.Append(sources.Span{TraceID: "1", ID: "5", Resource: resource})
	if got, want := store.services(), []string{"a\uFFFD", "by-field", "by-resource", "changed", missingService}; !slices.Equal(got, want) {
		t.Errorf("services %q, want %q", got, want)
	}
	for _, path := range []string{"/api/v3/traces/1", "/api/traces/1"} {
		answer := httptest.NewRecorder()
		Handler(store, Options{}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		if answer.Code != http.StatusOK || !json.Valid(answer.Body.Bytes()) || strings.Contains(answer.Body.String(), "lost") {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
	}
}

func TestTyped(t *testing.T) {
	for _, test := range []struct {
		key, text string
		want      pcommon.ValueType
	}{
		{"k", "", pcommon.ValueTypeStr},
		{"k", "text", pcommon.ValueTypeStr},
		{"k", "true", pcommon.ValueTypeBool},
		{"k", "TRUE", pcommon.ValueTypeStr},
		{"k", "-12", pcommon.ValueTypeInt},
		{"k", "012", pcommon.ValueTypeStr},
		{"k", "-", pcommon.ValueTypeStr},
		{"k", "9223372036854775808", pcommon.ValueTypeStr},
		{"k", "0.5", pcommon.ValueTypeDouble},
		{"k", "0.50", pcommon.ValueTypeStr},
		{"k", "NaN", pcommon.ValueTypeStr},
		{"k", `["a",1,{"b":[null,false]}]`, pcommon.ValueTypeSlice},
		{"k", `["a", 1]`, pcommon.ValueTypeStr},
		{"k", `["a"]]`, pcommon.ValueTypeStr},
		{"k", `["a\u0026b"]`, pcommon.ValueTypeSlice},
		{"k", `["a&b"]`, pcommon.ValueTypeSlice},
		{"k", `{"z":1,"a":2}`, pcommon.ValueTypeStr}, // would be written the other way round
		{"k", `{"a":2,"z":1.5}`, pcommon.ValueTypeMap},
		{"order.id", "12", pcommon.ValueTypeStr},
		{"service.version", "1.5", pcommon.ValueTypeStr},
		{"id", "12", pcommon.ValueTypeStr},
	} {
		value := pcommon.NewValueEmpty()
		typed(value, test.key, test.text)
		if value.Type() != test.want || (value.AsString() != test.text && escaped(value.AsString()) != test.text) {
			t.Errorf("%s=%s is of type %v: %s", test.key, test.text, value.Type(), value.AsString())
		}
	}
}

func TestMetricsAreRefused(t *testing.T) {
	handler := Handler(NewStore(), Options{})
	for path, want := range map[string]int{
		"/api/metrics/minstep":                        http.StatusNotImplemented,
		"/api/metrics/calls?service=a":                http.StatusNotImplemented,
		"/api/metrics/latencies?service=a&quantile=1": http.StatusNotImplemented,
		"/api/metrics/errors":                         http.StatusBadRequest,
	} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		if answer.Code != want || !json.Valid(answer.Body.Bytes()) {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
	}
}

// An empty store answers as an empty server does.
func TestEmptyStore(t *testing.T) {
	handler := Handler(NewStore(), Options{})
	for path, want := range map[string]string{
		"/api/v3/services":        `{}`,
		"/api/services":           `{"data":null,"total":0,"limit":0,"offset":0,"errors":null}`,
		"/api/dependencies":       `{"data":[],"total":0,"limit":0,"offset":0,"errors":null}`,
		"/api/traces?service=any": `{"data":[],"total":0,"limit":0,"offset":0,"errors":null}`,
	} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		if got := strings.TrimSpace(answer.Body.String()); answer.Code != http.StatusOK || got != want {
			t.Errorf("%s: %d %s", path, answer.Code, got)
		}
	}
}

func TestAppendsWhileAsked(t *testing.T) {
	store := NewStore()
	handler := Handler(store, Options{MaxTraces: 50})
	var busy sync.WaitGroup
	for writer := range 2 {
		busy.Go(func() {
			for n := range 300 {
				spans := shopTrace(n%90 + 1)
				store.Append(spans[:1+writer]...)
				store.Append(spans[1+writer:]...)
			}
		})
	}
	for range 2 {
		busy.Go(func() {
			for range 40 {
				for _, path := range []string{
					"/api/v3/traces?query.service_name=svc-1&query.num_traces=20&query.start_time_min=2020-01-01T00:00:00Z&query.start_time_max=2030-01-01T00:00:00Z",
					"/api/traces?service=svc-2&start=0&tags=%7B%22tenant%22:%22t-1%22%7D", "/api/dependencies", "/api/v3/services", "/api/v3/traces/7",
				} {
					handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
				}
			}
		})
	}
	busy.Wait()
	if got, err := store.find(query{limit: 50}); err != nil || len(got) != 50 {
		t.Errorf("%d traces, %v", len(got), err)
	}
}

// shopTrace is ten spans with eight attributes, of which two differ each time.
func shopTrace(n int) []sources.Span {
	spans := make([]sources.Span, 10)
	for i := range spans {
		service := fmt.Sprintf("svc-%d", i%5)
		spans[i] = sources.Span{
			TraceID: sources.TraceID(fmt.Sprintf("%032x", n)), ID: sources.SpanID(fmt.Sprintf("%016x", n*16+i+1)),
			Service: service, Operation: fmt.Sprintf("GET /%d", i), Kind: sources.KindServer, Status: sources.StatusUnset,
			Start: noon.Add(time.Duration(n)*time.Second + time.Duration(i)*time.Millisecond), Duration: time.Duration(100-i) * time.Millisecond,
			Resource: list("service.name", service, "k8s.pod.name", service+"-0", "service.version", "1.2.3", "host.name", "node-1"),
			Attributes: list("http.request.method", "GET", "http.response.status_code", "200", "http.route", "/cart/{id}",
				"http.request.header.x-request-id", fmt.Sprintf(`["req-%d-%d"]`, n, i), "url.path", fmt.Sprintf("/cart/%d", n*16+i),
				"server.address", "cart", "network.protocol.version", "1.1", "tenant", fmt.Sprintf("t-%d", n%3)),
		}
		if i > 0 {
			spans[i].ParentID = spans[i-1].ID
		}
	}
	return spans
}

const benchSpans = 150_000

func full(b *testing.B) *Store {
	store := NewStore()
	for n := range benchSpans / 10 {
		store.Append(shopTrace(n + 1)...)
	}
	return store
}

// BenchmarkMemory says how much a span takes.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		store := full(b)
		runtime.GC()
		runtime.ReadMemStats(&after)
		taken := float64(after.HeapAlloc) - float64(before.HeapAlloc)
		b.ReportMetric(taken/benchSpans, "B/span")
		b.ReportMetric(taken/1e6, "MB")
		runtime.KeepAlive(store)
	}
}

func BenchmarkAppend(b *testing.B) {
	spans := shopTrace(1)
	store := NewStore()
	Handler(store, Options{MaxTraces: 1000})
	n := 1
	b.ReportAllocs()
	for b.Loop() {
		n++
		id := traceID{low: uint64(n)}
		for i := range spans {
			spans[i].TraceID = sources.TraceID(id.String())
		}
		store.Append(spans...)
	}
}

func BenchmarkSearch(b *testing.B) {
	handler := Handler(full(b), Options{})
	window := "&query.start_time_min=" + url.QueryEscape(noon.Add(2*time.Hour).Format(time.RFC3339)) + "&query.start_time_max=" + url.QueryEscape(noon.Add(3*time.Hour).Format(time.RFC3339))
	tagged := "&start=" + fmt.Sprint(noon.UnixMicro()) + "&end=" + fmt.Sprint(noon.Add(10*time.Hour).UnixMicro()) + "&tags=" + url.QueryEscape(`{"url.path":"none"}`)
	for name, path := range map[string]string{
		"20 of a window": "/api/v3/traces?query.service_name=svc-1&query.num_traces=20" + window,
		"slower than":    "/api/v3/traces?query.service_name=svc-1&query.num_traces=20&query.duration_min=5s" + window,
		"by a tag":       "/api/traces?service=svc-1&limit=20" + tagged,
		"dependencies":   "/api/dependencies?lookback=36000000&endTs=" + fmt.Sprint(noon.Add(10*time.Hour).UnixMilli()),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				answer := httptest.NewRecorder()
				handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
				if answer.Code >= 500 {
					b.Fatal(answer.Body)
				}
			}
		})
	}
}

func FuzzHandler(f *testing.F) {
	base := noon
	for _, r := range suite(base, goldenRun) {
		f.Add(r.path, r.params.Encode())
	}
	handler := Handler(filled(base, goldenRun), Options{Now: func() time.Time { return base.Add(time.Hour) }})
	f.Fuzz(func(t *testing.T, path, params string) {
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.URL = &url.URL{Path: path, RawQuery: params}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		body := answer.Body.Bytes()
		switch kind := answer.Header().Get("Content-Type"); {
		case answer.Code == http.StatusMovedPermanently, strings.HasPrefix(kind, "text/html"):
		case !json.Valid(body):
			t.Errorf("%s?%s: %d %s", path, params, answer.Code, body)
		}
	})
}

func FuzzAppend(f *testing.F) {
	f.Add("1", "2", "3", "svc", "op", "key", `["a"]`, int64(1), int64(1))
	f.Add("1", "2", "2", "", "", "host.ip", `[[]]`, int64(-1), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, trace, id, parent, service, name, key, value string, start, lasts int64) {
		store := NewStore()
		s := sources.Span{
			TraceID: sources.TraceID(trace), ID: sources.SpanID(id), ParentID: sources.SpanID(parent), Service: service, Operation: name,
			Start: time.Unix(0, start), Duration: time.Duration(lasts), Attributes: list(key, value), Resource: list(key, value),
			Events: []sources.Event{{Name: name, Attributes: list(key, value)}}, Links: []sources.Reference{{TraceID: "1", SpanID: sources.SpanID(parent)}},
		}
		other := s
		other.ID, other.ParentID = sources.SpanID(parent), sources.SpanID(id)
		store.Append(s, other, s)
		handler := Handler(store, Options{})
		for _, at := range []string{
			"/api/v3/traces?query.num_traces=5&query.start_time_min=0001-01-01T00:00:00Z&query.start_time_max=2300-01-01T00:00:00Z",
			"/api/traces?start=0&service=" + url.QueryEscape(store.firstService()), "/api/dependencies", "/api/v3/services",
		} {
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, at, nil))
			if !json.Valid(answer.Body.Bytes()) || answer.Code >= 500 {
				t.Errorf("%s: %d %q", at, answer.Code, answer.Body)
			}
		}
	})
}

func (s *Store) firstService() string { return append(s.services(), "none")[0] }
