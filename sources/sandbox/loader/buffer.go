package loader

import (
	"maps"
	"math"
	"time"

	"obs/sources"
)

// buffer is a past in memory, in the forms in which it is sent.
type buffer struct {
	labels    sources.Labels // added to everything
	series    []*series
	byKey     map[string]*series
	metadata  map[string]sources.MetricMetadata
	streams   []*stream
	spans     []trace
	exemplars int
}

// series is one series with what it holds, oldest first.
type series struct {
	labels    sources.Labels
	samples   []sample
	exemplars []exemplar
	stale     int // how many of the samples are markers
}

// sample is at a time in milliseconds since the epoch, which is all that Prometheus keeps.
type sample struct {
	at    int64
	value float64
}

type exemplar struct {
	sample
	labels sources.Labels
}

type stream struct {
	labels  sources.Labels
	records []record
	// distinct is how many of the records no other has the time and line of: Loki keeps
	// one of those that are alike, whatever their structured metadata.
	distinct int
}

type record struct {
	at       time.Time
	line     string
	metadata sources.Labels
}

type trace []sources.Span

func newBuffer(labels sources.Labels) buffer {
	return buffer{labels: labels, byKey: map[string]*series{}, metadata: map[string]sources.MetricMetadata{}}
}

// label adds the run's labels, and leaves out what is empty: to the servers a label
// without a value is one that is not there.
func (b *buffer) label(l sources.Labels) sources.Labels {
	all := make(sources.Labels, len(l)+len(b.labels))
	maps.Copy(all, l)
	maps.Copy(all, b.labels)
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	return all
}

func (b *buffer) seriesOf(l sources.Labels) *series {
	labels := b.label(l)
	key := labels.String()
	s := b.byKey[key]
	if s == nil {
		s = &series{labels: labels}
		b.byKey[key] = s
		b.series = append(b.series, s)
	}
	return s
}

// staleBits are the NaN by which Prometheus notes that a series has ended.
const staleBits = 0x7ff0000000000002

func isStale(v float64) bool { return math.Float64bits(v) == staleBits }

// Series implements shop.Sink.
func (b *buffer) Series(l sources.Labels) func(t time.Time, v float64) {
	s := b.seriesOf(l)
	return func(t time.Time, v float64) {
		s.samples = append(s.samples, sample{t.UnixMilli(), v})
		if isStale(v) {
			s.stale++
		}
	}
}

// Exemplar implements shop.Sink. One that only its labels tell from the last is left
// out: Prometheus orders such by a hash of theirs, and may refuse the second.
func (b *buffer) Exemplar(labels sources.Labels, e sources.Exemplar) {
	s := b.seriesOf(labels)
	at := sample{e.Time.UnixMilli(), e.Value}
	if n := len(s.exemplars); n > 0 && s.exemplars[n-1].sample == at {
		return
	}
	s.exemplars = append(s.exemplars, exemplar{at, e.Labels})
	b.exemplars++
}

// Metadata implements shop.Sink.
func (b *buffer) Metadata(name string, m sources.MetricMetadata) { b.metadata[name] = m }

// Stream implements shop.Sink.
func (b *buffer) Stream(l sources.Labels) func(t time.Time, line string, metadata sources.Labels) {
	s := &stream{labels: b.label(l)}
	b.streams = append(b.streams, s)
	return func(t time.Time, line string, metadata sources.Labels) {
		if !s.has(t, line) {
			s.distinct++
		}
		s.records = append(s.records, record{t, line, metadata})
	}
}

// has looks for a record among the last ones: they come in order of time.
func (s *stream) has(t time.Time, line string) bool {
	for i := len(s.records) - 1; i >= 0 && s.records[i].at.Equal(t); i-- {
		if s.records[i].line == line {
			return true
		}
	}
	return false
}

// Spans implements shop.Sink.
func (b *buffer) Spans(spans ...sources.Span) {
	if len(spans) > 0 {
		b.spans = append(b.spans, trace(spans))
	}
}
