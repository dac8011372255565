package tui

import (
	"slices"
	"strings"
	"testing"

	"obs/correlate"
	"obs/sources"
)

// madeComparison is what the made-up request does otherwise than 38 normal ones.
func madeComparison() *correlate.Comparison {
	return &correlate.Comparison{
		Root: correlate.Work{Service: "web", Operation: "POST /checkout"}, DurationSeconds: 4.11,
		Usual: correlate.UsualDurations{MedianSeconds: 0.214, LowSeconds: 0.19, HighSeconds: 0.25},
		With:  make([]sources.TraceID, 38), Alike: 23,
		Rows: []correlate.ComparedWork{
			{
				Name: "payment HTTP POST provider.eu", Changes: []string{"slower", "failing"}, ExplainedSeconds: 3.67, Count: 1, Failed: 1,
				CriticalSeconds: 3.7, UsualCritical: correlate.UsualDurations{MedianSeconds: 0.03, LowSeconds: 0.024, HighSeconds: 0.04},
			},
			{
				Name: "stock-db SELECT articles\x1b[2J", Changes: []string{"repeated"}, ExplainedSeconds: 0.033, Count: 12,
				UsualCount: correlate.UsualCounts{Median: 1, Low: 1, High: 1},
			},
			{Name: "支付网关 通知", Changes: []string{"missing"}, UsualCount: correlate.UsualCounts{Median: 1}, UsualTotal: correlate.UsualDurations{MedianSeconds: 0.008}},
		},
		Evidence: []correlate.Evidence{{Backend: sources.Jaeger, Query: `service="web" operation="POST /checkout" limit=60`, Window: madeQuestion().Baseline}},
	}
}

func TestTraceDifferences(t *testing.T) {
	p := madePaper()
	p.compare = func(*correlate.Trace, sources.Window) *correlate.Comparison { return madeComparison() }
	c := requestCase()
	baseline := madeQuestion().Baseline
	c.Baseline = &baseline
	o := showing(p, c)
	o.Trace = true
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}, {60, 15}} {
		p.asked = nil
		d := drive(t, o, size[0], size[1])
		d.press("d")
		if want := "compare " + string(c.Trace.ID) + " " + baseline.String(); !slices.Contains(p.asked, want) {
			t.Fatalf("asked %q, want %q", p.asked, want)
		}
		if size[0] < 80 {
			d.lines() // which checks that they fit
			continue
		}
		d.shows("compared with 38 normal traces of web POST /checkout", "median is 214 ms",
			"+ 3.67 s  payment HTTP POST provider.eu  slower, failing", "3.70 s, usually 30.0 ms (24.0 ms – 40.0 ms); 1 failed, usually 0",
			"+ 33.0 ms  stock-db SELECT articles", "12 times, usually 1", "支付网关 通知  missing", "23 other kinds of spans are as usual", "limit=60")
		if text := d.text(); strings.Index(text, "3.67 s") > strings.Index(text, "33.0 ms") {
			t.Errorf("what explains most is not first:\n%s", text)
		}
		d.press("esc")
		d.hides("23 other kinds")
		d.shows("SELF")
		d.press("d", "d")
		d.hides("23 other kinds")
		if n := len(slices.DeleteFunc(slices.Clone(p.asked), func(q string) bool { return !strings.HasPrefix(q, "compare") })); n != 1 {
			t.Errorf("asked %d times", n)
		}
		d.press("r", "d")
		d.shows("23 other kinds")
	}
}

func TestTraceDifferencesWhileAsked(t *testing.T) {
	p := madePaper()
	p.compare = func(*correlate.Trace, sources.Window) *correlate.Comparison {
		return &correlate.Comparison{Missing: []correlate.Missing{{Backend: sources.Jaeger, Kind: correlate.MissingNoData, Reason: "there is nothing to compare with"}}}
	}
	o := showing(p, requestCase())
	o.Trace = true
	d := drive(t, o, 100, 30)
	screen := d.top().(*traceScreen)
	show, refusal := screen.differences()
	if refusal != "" || !screen.waiting[askCompare] {
		t.Fatalf("refused: %q; waits for %q", refusal, screen.waits())
	}
	d.take(sheetMsg(screen.comparisonLines))
	d.shows("asking for normal traces of the same request")
	d.carryOut(show)
	d.shows("there is nothing to compare with")
	d.press("esc", "c")
	d.on(onCase)
}

func TestTraceDifferencesOfTheCase(t *testing.T) {
	p := madePaper()
	c := requestCase()
	c.Comparison = madeComparison()
	o := showing(p, c)
	o.Trace = true
	d := drive(t, o, 120, 40)
	d.press("d")
	d.shows("compared with 38 normal traces")
	for _, asked := range p.asked {
		if strings.HasPrefix(asked, "compare") {
			t.Errorf("asked %s, which the case has", asked)
		}
	}
}
