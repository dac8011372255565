package promapi

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"go.uber.org/goleak"

	"obs/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAppend(t *testing.T) {
	s := NewStore()
	set := sources.Labels{"__name__": "up", "job": "a", "empty": ""}
	add := s.Appender(sources.Labels{"job": "a", "__name__": "up"})
	add(recorded, 1)
	s.Append(set, recorded, 1)                           // known
	s.Append(set, recorded, 2)                           // another value at the same time
	s.Append(set, recorded.Add(999*time.Microsecond), 2) // the same millisecond
	s.Append(set, recorded.Add(-time.Second), 2)
	s.Append(set, recorded.Add(time.Second), math.NaN())
	s.Append(set, recorded.Add(time.Second), math.NaN())
	s.Stale(set, recorded.Add(2*time.Second))
	s.Appender(sources.Labels{"__name__": "never"})
	if got, want := s.Counts(), (Counts{Series: 2, Samples: 3, Refused: 3}); got != want {
		t.Errorf("holds %+v, not %+v", got, want)
	}
	if first, ok := s.first(); !ok || !first.Equal(recorded) {
		t.Errorf("begins at %v, %v", first, ok)
	}
	if _, ok := NewStore().first(); ok {
		t.Error("an empty store begins")
	}
}

// The iterator gives what a plain list would, over packed and newest samples, whatever
// the mixture of Next and Seek.
func TestIterator(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 300 {
		var all series
		var times []int64
		now := int64(random.IntN(1000)) - 500
		for range random.IntN(4 * chunkSamples) {
			now += 1 + int64(random.IntN(20))
			if all.append(now, float64(now)/3) != sampleStored {
				t.Fatal("not stored")
			}
			times = append(times, now)
		}
		from := now - int64(random.IntN(5000))
		to := from + int64(random.IntN(4000))
		var within []int64
		for _, at := range times {
			if at >= from && at <= to {
				within = append(within, at)
			}
		}
		if first, last, ok := all.bounds(); ok != (len(times) > 0) || ok && (first != times[0] || last != now) {
			t.Fatalf("bounds %d, %d, %v", first, last, ok)
		}
		if !all.overlaps(from, to) && len(within) > 0 {
			t.Fatal("has samples in a range that it does not overlap")
		}
		it := view{series: &all, from: from, to: to}.Iterator(nil)
		next := 0 // of within
		at := int64(math.MinInt64)
		for step := range 600 {
			var kind chunkenc.ValueType
			if random.IntN(3) > 0 {
				kind = it.Next()
			} else {
				want := max(at, from) + int64(random.IntN(800)) - 20
				kind = it.Seek(want)
				for next < len(within) && within[next] < want {
					next++
				}
				if at >= want && step > 0 && at != math.MinInt64 {
					next = slices.Index(within, at)
				}
			}
			if next >= len(within) {
				if kind != chunkenc.ValNone {
					t.Fatalf("round %d: goes on past the end", round)
				}
				break
			}
			if kind != chunkenc.ValFloat {
				t.Fatalf("round %d: ends before %d", round, within[next])
			}
			var v float64
			if at, v = it.At(); at != within[next] || v != float64(at)/3 || it.AtT() != at {
				t.Fatalf("round %d: at %d with %v, not at %d", round, at, v, within[next])
			}
			next++
		}
		if it.Err() != nil {
			t.Fatal(it.Err())
		}
	}
}

// The index finds what asking every series finds.
func TestIndex(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	s := NewStore()
	for range 200 {
		set := sources.Labels{"__name__": fmt.Sprint("m", random.IntN(3))}
		for _, name := range []string{"a", "b", "c"} {
			if v := random.IntN(5); v > 0 {
				set[name] = fmt.Sprint("v", v)
			}
		}
		s.Append(set, recorded, 1)
	}
	kinds := []labels.MatchType{labels.MatchEqual, labels.MatchNotEqual, labels.MatchRegexp, labels.MatchNotRegexp}
	values := []string{"", "v1", "v2", "v1|v2", "v1|", "v.*", ".*", ".+", "none", "(?i:V1)", "m1", "m[12]"}
	for range 2000 {
		var matchers []*labels.Matcher
		for range random.IntN(4) {
			name := []string{"a", "b", "c", "d", "__name__"}[random.IntN(5)]
			matchers = append(matchers, labels.MustNewMatcher(kinds[random.IntN(4)], name, values[random.IntN(len(values))]))
		}
		var want []*series
		for _, one := range s.index.series {
			if fitsAny(one.labels, [][]*labels.Matcher{matchers}) {
				want = append(want, one)
			}
		}
		if got := s.index.matching(matchers); !slices.Equal(got, want) {
			t.Fatalf("%v: %d series, not %d", matchers, len(got), len(want))
		}
	}
}

func TestSelectIsSorted(t *testing.T) {
	s := NewStore()
	for _, v := range []string{"b", "c", "a"} {
		s.Append(sources.Labels{"__name__": "m", "l": v}, recorded, 1)
	}
	q, err := s.Querier(0, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for set := q.Select(t.Context(), false, nil); set.Next(); {
		order = append(order, set.At().Labels().Get("l"))
	}
	if !slices.Equal(order, []string{"a", "b", "c"}) {
		t.Errorf("the order is %v", order)
	}
	var _ storage.Queryable = s
}

func TestExemplarRing(t *testing.T) {
	x := exemplars{most: 3, series: map[string]*exemplarSeries{}}
	add := func(series string, at int64, v float64, want bool) {
		t.Helper()
		if x.add(labels.FromStrings("s", series), labels.FromStrings("trace_id", fmt.Sprint(at)), at, v) != want {
			t.Errorf("%s at %d: taken is not %v", series, at, want)
		}
	}
	add("a", 1, 1, true)
	add("a", 1, 1, true) // known
	add("a", 1, 0, false)
	add("a", 0, 1, false)
	add("b", 1, 1, true)
	add("b", 2, 1, true)
	if x.add(labels.FromStrings("s", "c"), labels.FromStrings("trace_id", strings.Repeat("ü", 121)), 1, 1) {
		t.Error("129 characters of labels are taken")
	}
	every := [][]*labels.Matcher{{labels.MustNewMatcher(labels.MatchRegexp, "s", ".+")}}
	kept := func() (all string) {
		for _, q := range x.find(0, 100, every) {
			all += q.SeriesLabels.Get("s")
			for _, e := range q.Exemplars {
				all += fmt.Sprint(e.Ts)
			}
		}
		return all
	}
	if got := kept(); got != "a1b12" {
		t.Errorf("kept %s", got)
	}
	for i := range int64(4) { // drives out a's, b's, b's, and its own first
		add("c", 10+i, 1, true)
	}
	if got := kept(); got != "c111213" {
		t.Errorf("kept %s", got)
	}
	if len(x.series) != 1 || len(x.ring) != 3 {
		t.Errorf("%d series and %d places", len(x.series), len(x.ring))
	}
}

// Appends go on while queries run.
func TestConcurrency(t *testing.T) {
	s := NewStore()
	handler := Handler(s, Options{Now: func() time.Time { return recorded.Add(time.Hour) }})
	var group sync.WaitGroup
	for n := range 4 {
		group.Go(func() {
			for i := range 50 {
				add := s.Appender(sources.Labels{"__name__": "m", "n": fmt.Sprint(n), "i": fmt.Sprint(i % 10)})
				for j := range 30 {
					add(recorded.Add(time.Duration(i/10*30+j)*time.Second), float64(j))
				}
				s.Exemplar(sources.Labels{"__name__": "m", "n": fmt.Sprint(n)}, sources.Exemplar{Time: recorded.Add(time.Duration(i) * time.Second)})
				s.Metadata(fmt.Sprint("m", i), sources.MetricMetadata{Type: "gauge"})
				s.Rules(RuleGroup{Name: fmt.Sprint(n, i)})
			}
		})
	}
	from := fmt.Sprint("&start=", recorded.Unix(), "&end=", recorded.Add(3*time.Minute).Unix())
	for _, path := range []string{"query_range?query=sum(rate(m[1m]))&step=10" + from, "series?match[]=m", "labels", "query_exemplars?query=m", "metadata", "rules", "alerts"} {
		group.Go(func() {
			for range 20 {
				if status, body := ask(t, handler, path); status != 200 {
					t.Errorf("%s: %d %s", path, status, body)
				}
			}
		})
	}
	group.Wait()
	if got := s.Counts(); got.Series != 40 || got.Samples != 40*150 {
		t.Errorf("holds %+v", got)
	}
}

// The engine brings the small packages of tsdb along, and nothing that stores, scrapes
// or keeps the linker from dropping what is not used.
func TestWhatIsLinked(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Skip("no go command here: ", err)
	}
	for dep := range strings.Lines(string(out)) {
		switch dep = strings.TrimSpace(dep); {
		case dep == "text/template", dep == "html/template", strings.HasPrefix(dep, "k8s.io/"),
			strings.Contains(dep, "/prometheus/discovery"), strings.Contains(dep, "/prometheus/scrape"),
			strings.Contains(dep, "/prometheus/storage/"), strings.Contains(dep, "/prometheus/rules"),
			strings.HasSuffix(dep, "/prometheus/tsdb"), strings.HasSuffix(dep, "/prometheus/config"):
			t.Errorf("%s is linked", dep)
		}
	}
}

// BenchmarkStore fills 20,000 series with 500 samples each, half of them counters and
// half gauges with many digits, and tells what a sample takes.
func BenchmarkStore(b *testing.B) {
	const series, samples = 20_000, 500
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := NewStore()
		random := rand.New(rand.NewPCG(7, 8))
		adds := make([]func(time.Time, float64), series)
		values := make([]float64, series)
		for i := range adds {
			adds[i] = s.Appender(sources.Labels{
				"__name__": fmt.Sprint("metric_", i%50), "job": "shop", "service_name": fmt.Sprint("service-", i%11),
				"instance": fmt.Sprint("10.0.0.", i%23), "zone": fmt.Sprint(i % 3), "route": fmt.Sprint("/path/", i/50),
			})
		}
		began := time.Now()
		for j := range samples {
			at := recorded.Add(time.Duration(j) * 15 * time.Second)
			for i, add := range adds {
				if i%2 == 0 {
					values[i] += float64(random.IntN(5))
				} else {
					values[i] = random.NormFloat64()
				}
				add(at, values[i])
			}
		}
		took := time.Since(began)
		runtime.GC()
		runtime.ReadMemStats(&after)
		used := float64(after.HeapAlloc - before.HeapAlloc)
		b.ReportMetric(used/(series*samples), "B/sample")
		b.ReportMetric(used/1e6, "MB")
		b.ReportMetric(float64(took.Nanoseconds())/(series*samples), "ns/sample")
		runtime.KeepAlive(s)
	}
}
