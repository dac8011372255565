package lokiapi_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"obs/sources"
	"obs/sources/sandbox/lokiapi"
)

// get asks the handler without a network.
func get(h http.Handler, path string, params ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/loki/api/v1/"+path+"?"+pairs(params).Encode(), nil))
	return w
}

// Records that come in any order, some of them twice, are the same in the end.
func TestStoreAnyOrder(t *testing.T) {
	type record struct {
		at       time.Duration
		line     string
		metadata sources.Labels
	}
	var records []record
	for i := range 2000 {
		records = append(records, record{time.Duration(i/3) * time.Millisecond, fmt.Sprint("line ", i), sources.Labels{"n": fmt.Sprint(i % 5)}})
	}
	answer := func(shuffled []record, ask bool) string {
		store := lokiapi.NewStore()
		h := lokiapi.Handler(store, lokiapi.Options{})
		add := store.Appender(sources.Labels{"a": "b"})
		for i, r := range shuffled {
			add(base.Add(r.at), r.line, r.metadata)
			if ask && i%500 == 0 {
				get(h, "query_range", "query", `{a="b"}`, "start", at(0), "end", at(time.Minute))
			}
		}
		w := get(h, "query", "query", `sum by (n) (count_over_time({a="b"}[1m]))`, "time", at(time.Minute))
		body, _, _ := strings.Cut(w.Body.String(), `"stats"`)
		return body
	}
	want := answer(records, false)
	twice := slices.Concat(records, records[:700])
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 1))
		random.Shuffle(len(twice), func(i, j int) { twice[i], twice[j] = twice[j], twice[i] })
		for _, ask := range []bool{true, false} {
			if got := answer(twice, ask); got != want {
				t.Errorf("seed %d: %s, want %s", seed, got, want)
			}
		}
	}
	if !strings.Contains(want, `"400"`) {
		t.Error(want)
	}
}

func TestStoreWhileAsked(t *testing.T) {
	store := lokiapi.NewStore()
	h := lokiapi.Handler(store, lokiapi.Options{})
	var writers, readers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range 1500 {
				store.Append(sources.Labels{"service_name": fmt.Sprint("s", (w+i)%7)}, sources.Record{
					Time: base.Add(time.Duration(i*7919%1500) * time.Millisecond), Line: fmt.Sprintf(`{"n":%d,"w":%d}`, i, w), Metadata: sources.Labels{"w": fmt.Sprint(w)},
				})
			}
		})
	}
	stop := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, w := range []*httptest.ResponseRecorder{
					get(h, "query_range", "query", `{service_name=~".+"} | json | n > 10`, "start", at(0), "end", at(time.Minute), "limit", "500"),
					get(h, "query", "query", `sum by (w) (count_over_time({service_name=~".+"}[1m]))`, "time", at(time.Minute)),
					get(h, "index/volume", "query", `{service_name=~".+"}`, "start", at(0), "end", at(time.Minute)),
				} {
					if w.Code != http.StatusOK {
						t.Errorf("%d %s", w.Code, w.Body)
					}
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	w := get(h, "query", "query", `sum(count_over_time({service_name=~".+"}[2m]))`, "time", at(time.Minute))
	if !strings.Contains(w.Body.String(), `"6000"`) {
		t.Error(w.Body)
	}
}

// logRecords are like those of a service: JSON with an ID, and metadata.
func logRecords(n int, each func(i int, at time.Time, line string, metadata sources.Labels)) (bytes int) {
	for i := range n {
		line := fmt.Sprintf(`{"level":"info","msg":"request done","method":"GET","path":"/cart/%d","status":200,"took_ms":%d,"tenant":"t%d"}`, i%1000, i%300, i%12)
		metadata := sources.Labels{"trace_id": fmt.Sprintf("%032x", i*7919), "span_id": fmt.Sprintf("%016x", i*104729), "level": "info"}
		each(i, base.Add(time.Duration(i)*12*time.Millisecond), line, metadata)
		bytes += len(line)
		for name, value := range metadata {
			bytes += len(name) + len(value)
		}
	}
	return bytes
}

func bigStore(n int) (store *lokiapi.Store, bytes int) {
	store = lokiapi.NewStore()
	var adders []func(time.Time, string, sources.Labels)
	for i := range 20 {
		adders = append(adders, store.Appender(sources.Labels{"service_name": fmt.Sprint("service-", i/2), "pod": fmt.Sprint("pod-", i), "zone": fmt.Sprint("zone-", i%3)}))
	}
	bytes = logRecords(n, func(i int, at time.Time, line string, metadata sources.Labels) { adders[i%20](at, line, metadata) })
	return store, bytes
}

// BenchmarkStore tells what 300,000 records cost in memory, beside their own text.
func BenchmarkStore(b *testing.B) {
	const n = 300_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		store, bytes := bigStore(n)
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(store)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/record")
		b.ReportMetric(float64(bytes)/n, "text-B/record")
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
}

func BenchmarkQuery(b *testing.B) {
	const n = 300_000
	store, _ := bigStore(n)
	h := lokiapi.Handler(store, lokiapi.Options{})
	end := at(n * 12 * time.Millisecond)
	for name, query := range map[string]string{
		"lines":    `{service_name=~".+"} | trace_id="000000000000000000000000075bcd15"`,
		"contains": `{service_name="service-3"} |= "/cart/77"`,
		"json":     `{service_name="service-3"} | json | took_ms > 298`,
		"sum":      `sum by (service_name) (count_over_time({service_name=~".+"} | level=~"(?i)error|info" [1m]))`,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if w := get(h, "query_range", "query", query, "start", at(0), "end", end, "step", "60", "limit", "1000"); w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
	}
}
