package tui

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources"
)

// largeTrace is a trace of n spans with a record for every fifth: a deep chain of calls
// at whose end one call is repeated, beneath it a wide fan-out, and a tree of all kinds.
func largeTrace(n int) (*correlate.Trace, []correlate.Record) {
	g := &traceMaker{trace: &correlate.Trace{ID: madeID(1), Start: noon}}
	for i := range 20 {
		g.resources = append(g.resources, sources.Attributes{
			{Key: "host.name", Value: fmt.Sprintf("node-%d.example", i)}, {Key: "k8s.pod.name", Value: fmt.Sprintf("service-%02d-7f9c8d-x%d", i, i)},
			{Key: "service.name", Value: fmt.Sprintf("service-%02d", i)}, {Key: "telemetry.sdk.language", Value: "go"},
		})
	}
	total := 10.0
	at := 0.0
	depth := 0
	for ; depth < 200; depth++ { // the chain
		g.add(depth, depth%20, fmt.Sprintf("call %d", depth%7), at, total-2*at)
		at += 0.001
	}
	each := (total - 4*at) / float64(n)
	for i := 0; i < 2*n/5; i++ { // the repetition
		g.add(depth, 3, "SELECT orders", at+float64(i)*each, each*0.9)
	}
	at += float64(2*n/5) * each
	for i := 0; i < n/5; i++ { // the fan-out
		g.add(depth-100, i%20, fmt.Sprintf("GET /items/{id}/%d", i%11), at+float64(i%50)*each, each*float64(1+i%300))
	}
	at += float64(n/5) * each
	for level := 1; len(g.trace.Spans) < n; level = 1 + (level*7+len(g.trace.Spans))%12 {
		last := g.trace.Spans[len(g.trace.Spans)-1].Depth
		g.add(min(level, last+1), level, fmt.Sprintf("work %d", level%5), at, each*0.8)
		at += each
	}
	g.finish(total)
	return g.trace, g.records
}

type traceMaker struct {
	trace     *correlate.Trace
	records   []correlate.Record
	resources []sources.Attributes
}

func (g *traceMaker) add(depth, service int, operation string, from, took float64) {
	i := len(g.trace.Spans)
	s := correlate.Span{
		ID: sources.SpanID(fmt.Sprintf("%016x", i+1)), Service: fmt.Sprintf("service-%02d", service), Operation: operation, Kind: sources.KindServer,
		Start: noon.Add(time.Duration(from * 1e9)), DurationSeconds: took, SelfSeconds: took, Depth: depth, Error: i%997 == 5,
		Attributes: sources.Attributes{
			{Key: "db.query.text", Value: "SELECT id, state, total FROM orders WHERE customer_id = $1 AND shop = $2 ORDER BY id"},
			{Key: "http.request.method", Value: "GET"}, {Key: "http.response.status_code", Value: "200"}, {Key: "http.route", Value: "/orders/{id}"},
			{Key: "net.peer.name", Value: "orders.internal"}, {Key: "order.id", Value: fmt.Sprintf("ord_%08x", i*2654435761)},
			{Key: "tenant.id", Value: fmt.Sprintf("tenant-%d", i%37)}, {Key: "thread.id", Value: fmt.Sprint(i % 64)},
		},
		Resource: g.resources[service%len(g.resources)],
	}
	if s.Error {
		s.StatusMessage = "timeout after 3 s"
		s.Events = []sources.Event{{Time: s.Start, Name: "exception", Attributes: sources.Attributes{{Key: "exception.type", Value: "Timeout"}}}}
	}
	for j := i - 1; j >= 0; j-- { // its parent is near, or the whole chain is above
		if g.trace.Spans[j].Depth < depth {
			s.ParentID = g.trace.Spans[j].ID
			break
		}
		if g.trace.Spans[j].Depth == depth {
			s.ParentID = g.trace.Spans[j].ParentID
			break
		}
	}
	g.trace.Spans = append(g.trace.Spans, s)
	if i%5 == 0 {
		g.records = append(g.records, correlate.Record{
			Time: s.Start, Service: s.Service, Severity: []string{"info", "warn", "error"}[i%3], TraceID: g.trace.ID, SpanID: s.ID, Join: correlate.BySpanID,
			Line: fmt.Sprintf(`{"msg":"order loaded","order":"ord_%08x","took_ms":%d,"level":"info","span_id":%q}`, i, i%90, s.ID),
		})
	}
}

func (g *traceMaker) finish(total float64) {
	t := g.trace
	t.Root = &correlate.Work{Service: t.Spans[0].Service, Operation: t.Spans[0].Operation}
	t.DurationSeconds, t.SpanCount = total, len(t.Spans)
	t.Blamed = t.Spans[len(t.Spans)/2].ID
	for i := range t.Spans {
		if t.Spans[i].Error {
			t.ErrorCount++
		}
	}
}

// large is how large a trace the screen must carry with ease.
const large = 50000

func showLarge(tb testing.TB) *driver {
	trace, records := largeTrace(large)
	found := madeCase()
	found.Trace, found.Records = trace, records
	o := showing(madePaper(), found)
	o.Trace, o.NoColor = true, false
	return drive(tb, o, 200, 60)
}

func BenchmarkTraceOpen(b *testing.B) {
	trace, records := largeTrace(large)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var view *treeView
	for b.Loop() {
		view = newTreeView(layOut(trace, records))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB-kept")
	runtime.KeepAlive(view)
}

// BenchmarkTraceIndex makes what is searched in, which is done beside the screen.
func BenchmarkTraceIndex(b *testing.B) {
	tree := layOut(largeTrace(large))
	var hay *haystack
	for b.Loop() {
		hay = tree.haystack()
	}
	b.ReportMetric(float64(cap(hay.text))/1e6, "MB-kept")
}

// BenchmarkTraceKey presses a key and draws the frame.
func BenchmarkTraceKey(b *testing.B) {
	for _, keys := range [][]string{{"j"}, {"x"}, {"n"}, {"z"}, {"Z"}, {"l"}, {"R"}, {"pgdown"}, {"G", "g"}} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			d := showLarge(b)
			var took []time.Duration
			for b.Loop() {
				for _, key := range keys {
					began := time.Now()
					d.press(key)
					_ = d.frame()
					took = append(took, time.Since(began))
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(took[len(took)-1].Microseconds()), "max-µs")
		})
	}
}

// BenchmarkTraceSearch types a text letter by letter, and takes it back.
func BenchmarkTraceSearch(b *testing.B) {
	d := showLarge(b)
	d.press("/")
	var took []time.Duration
	for b.Loop() {
		for _, key := range []string{"o", "r", "d", "_", "9", "backspace", "backspace", "backspace", "backspace", "backspace"} {
			began := time.Now()
			d.press(key)
			_ = d.frame()
			took = append(took, time.Since(began))
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(took[len(took)-1].Microseconds()), "max-µs")
}
