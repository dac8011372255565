package shop

import (
	"time"

	"obs/sources"
)

// Sink takes what the shop gives off. Calls come from one goroutine, in order of time
// for each series and stream. What a method is handed is not written to afterwards,
// and may be shared between calls: a sink keeps it, and does not change it.
type Sink interface {
	// Series returns a handle that appends samples to the series; the labels include
	// __name__. It is called once for each series. The last sample of a series whose
	// target is gone is the NaN that Prometheus marks stale series with.
	Series(l sources.Labels) func(t time.Time, v float64)
	// Exemplar keeps an exemplar of a series that Series was called for.
	Exemplar(series sources.Labels, e sources.Exemplar)
	// Metadata tells what a metric's name means.
	Metadata(name string, m sources.MetricMetadata)
	// Stream returns a handle that appends records; metadata is what a log agent sends
	// beside the line, and nil for most services. It is called once for each stream.
	Stream(l sources.Labels) func(t time.Time, line string, metadata sources.Labels)
	// Spans takes all spans of one trace that was kept.
	Spans(spans ...sources.Span)
}

// Discard is a sink that keeps nothing.
type Discard struct{}

// Series returns a handle that does nothing.
func (Discard) Series(sources.Labels) func(time.Time, float64) { return func(time.Time, float64) {} }

// Exemplar does nothing.
func (Discard) Exemplar(sources.Labels, sources.Exemplar) {}

// Metadata does nothing.
func (Discard) Metadata(string, sources.MetricMetadata) {}

// Stream returns a handle that does nothing.
func (Discard) Stream(sources.Labels) func(time.Time, string, sources.Labels) {
	return func(time.Time, string, sources.Labels) {}
}

// Spans does nothing.
func (Discard) Spans(...sources.Span) {}
