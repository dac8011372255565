package tui

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"obs/correlate"
)

// manyLogs is a screen of 100,000 records, with how many megabytes of the heap the
// records take, and the screen for them.
func manyLogs(b *testing.B) (d *driver, ofRecords, ofScreen float64) {
	b.Helper()
	d = onLogsOf(b, logging(nil), 200, 60+chrome, func(l *logsScreen) { l.known = []correlate.Record{} })
	before := heap()
	records := manyRecords(100_000)
	between := heap()
	d.logs().set(records)
	d.frame()
	return d, between - before, heap() - between
}

// heap is how many megabytes are in use.
func heap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// tail is the duration that 99 of 100 stay below, in milliseconds.
func tail(took []time.Duration) float64 {
	slices.Sort(took)
	return float64(took[len(took)*99/100]) / float64(time.Millisecond)
}

// BenchmarkLogsKey is the time from a key to its frame among 100,000 records, beside the
// memory that they take and that the screen takes for them.
func BenchmarkLogsKey(b *testing.B) {
	d, ofRecords, ofScreen := manyLogs(b)
	keys := []string{"down", "pgdown", "enter", "down", "right", "end", "up", "enter", "pgup", "enter", "left", "home", "P", "down", "P"}
	var took []time.Duration
	i := 0
	for b.Loop() {
		at := time.Now()
		d.press(keys[i%len(keys)])
		d.frame()
		took = append(took, time.Since(at))
		i++
	}
	b.ReportMetric(tail(took), "p99-ms")
	b.ReportMetric(ofRecords, "records-MB")
	b.ReportMetric(ofScreen, "screen-MB")
}

// BenchmarkLogsFilter is the same for a key of a filter, of which the search goes on beside
// the screen: how long it takes is the time until found. The first letter searches all
// lines, the others what is left.
func BenchmarkLogsFilter(b *testing.B) {
	for _, test := range []struct{ name, needle string }{{"text", "req_0"}, {"nothing", "zzzz"}, {"gap", "took <*> usual"}} {
		b.Run(test.name, func(b *testing.B) {
			d, _, _ := manyLogs(b)
			var took, found []time.Duration
			i := 0
			for b.Loop() {
				i = i%len(test.needle) + 1
				at := time.Now()
				search := d.logs().filter(test.needle[:i])
				d.frame()
				took = append(took, time.Since(at))
				d.carryOut(search)
				d.frame()
				found = append(found, time.Since(at))
			}
			b.ReportMetric(tail(took), "p99-ms")
			b.ReportMetric(tail(found), "found-p99-ms")
		})
	}
}

// BenchmarkLogsTake is how long it takes to take 100,000 records in.
func BenchmarkLogsTake(b *testing.B) {
	d, _, _ := manyLogs(b)
	view := &correlate.LogView{Records: manyRecords(100_000)}
	l := d.logs()
	l.table.asked = true
	for b.Loop() {
		l.take(gotRecords{view})
		d.frame()
	}
}
