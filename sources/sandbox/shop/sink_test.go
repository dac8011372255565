package shop

import (
	"math"
	"sort"
	"time"

	"obs/sources"
)

// memory is a sink that keeps everything, for looking at.
type memory struct {
	series    []*keptSeries
	exemplars []sources.Exemplar
	metadata  map[string]sources.MetricMetadata
	streams   []*keptStream
	traces    [][]sources.Span
}

type keptSeries struct {
	labels  sources.Labels
	samples []sources.Sample
}

type keptStream struct {
	labels  sources.Labels
	records []sources.Record
}

func newMemory() *memory { return &memory{metadata: map[string]sources.MetricMetadata{}} }

func (m *memory) Series(l sources.Labels) func(time.Time, float64) {
	kept := &keptSeries{labels: l}
	m.series = append(m.series, kept)
	return func(t time.Time, v float64) { kept.samples = append(kept.samples, sources.Sample{Time: t, Value: v}) }
}

func (m *memory) Exemplar(_ sources.Labels, e sources.Exemplar) { m.exemplars = append(m.exemplars, e) }

func (m *memory) Metadata(name string, d sources.MetricMetadata) { m.metadata[name] = d }

func (m *memory) Stream(l sources.Labels) func(time.Time, string, sources.Labels) {
	kept := &keptStream{labels: l}
	m.streams = append(m.streams, kept)
	return func(t time.Time, line string, metadata sources.Labels) {
		kept.records = append(kept.records, sources.Record{Time: t, Stream: l, Metadata: metadata, Line: line})
	}
}

func (m *memory) Spans(spans ...sources.Span) { m.traces = append(m.traces, spans) }

func isStale(v float64) bool { return math.Float64bits(v) == math.Float64bits(staleMarker) }

// before is the last value of a series up to a moment; ok is false where there is none.
func (k *keptSeries) before(t time.Time) float64 {
	i := sort.Search(len(k.samples), func(i int) bool { return k.samples[i].Time.After(t) })
	for i--; i >= 0; i-- {
		if !isStale(k.samples[i].Value) {
			return k.samples[i].Value
		}
	}
	return 0
}

// increase is by how much the counters with these labels grew in a window, in all.
func (m *memory) increase(w sources.Window, name string, with sources.Labels) float64 {
	total := 0.0
	for _, k := range m.matching(name, with) {
		total += k.before(w.To) - k.before(w.From)
	}
	return total
}

func (m *memory) matching(name string, with sources.Labels) []*keptSeries {
	var found []*keptSeries
next:
	for _, k := range m.series {
		if k.labels["__name__"] != name {
			continue
		}
		for n, v := range with {
			if k.labels[n] != v {
				continue next
			}
		}
		found = append(found, k)
	}
	return found
}
