//go:build integration

package main

import (
	"maps"
	"slices"
	"testing"
	"time"

	"obs/correlate"
	"obs/correlate/ident"
	"obs/sources"
	"obs/sources/connect"
)

// BenchmarkFirstScreen measures how much longer the first whole picture of a trace takes
// than the answers that it cannot do without, one after the other: the trace, the streams of
// its time, and its records. Medians of all traces, on servers that have some:
//
//	go test -tags integration -run '^$' -bench FirstScreen ./cmd/obs
func BenchmarkFirstScreen(b *testing.B) {
	traces := slices.Sorted(maps.Keys(jaegerTraces(b, 100)))
	if len(traces) == 0 {
		b.Fatal("Jaeger holds no trace of HotROD: run `testdata/backends/backends load`")
	}
	// As in a session that goes on, connections are kept.
	set, err := connect.Open(b.Context(), connect.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer set.Close()
	var ratios, screens, chains []float64
	for i := 0; b.Loop(); i++ {
		id := traces[i%len(traces)]
		read, err := ident.Read(string(id))
		if err != nil {
			b.Fatal(err)
		}
		now := time.Now()
		lookup := correlate.Lookup{ID: read, Text: read.Text, Window: sources.Window{From: now.Add(-30 * time.Minute), To: now}, Now: now}
		earlier := len(set.Ledger.Queries())
		var shown, chain time.Duration
		begin := time.Now()
		correlate.Find(b.Context(), set, lookup, func(s correlate.Step) {
			if s.Name == correlate.StepPreview && shown == 0 {
				shown, chain = time.Since(begin), slowest(set.Ledger.Queries()[earlier:])
			}
		})
		if shown == 0 {
			b.Fatalf("trace %s was not shown", id)
		}
		ratios = append(ratios, float64(shown)/float64(chain))
		screens, chains = append(screens, shown.Seconds()*1000), append(chains, chain.Seconds()*1000)
	}
	b.ReportMetric(median(ratios), "×answers")
	b.ReportMetric(median(screens), "screen-ms")
	b.ReportMetric(median(chains), "answers-ms")
}

// slowest adds up the answers that wait for one another: of those that were asked for at
// once, the last to come. A question begins a new round if all before it were answered.
func slowest(queries []sources.Query) (total time.Duration) {
	slices.SortFunc(queries, func(a, b sources.Query) int { return a.Started.Compare(b.Started) })
	var round, end time.Time
	for _, q := range queries {
		if q.Started.After(end) {
			total += end.Sub(round)
			round = q.Started
		}
		if done := q.Started.Add(q.Duration); done.After(end) {
			end = done
		}
	}
	return total + end.Sub(round)
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
