package sandbox

import (
	"time"

	"obs/sources"
	"obs/sources/sandbox/jaegerapi"
	"obs/sources/sandbox/lokiapi"
	"obs/sources/sandbox/promapi"
	"obs/sources/sandbox/shop"
)

// NewStores returns three empty stores.
func NewStores() Stores {
	return Stores{Metrics: promapi.NewStore(), Logs: lokiapi.NewStore(), Traces: jaegerapi.NewStore()}
}

// Sink is where a simulation puts its signals so that they can be asked for.
func (s Stores) Sink() shop.Sink { return sink{s} }

type sink struct{ Stores }

func (s sink) Series(l sources.Labels) func(time.Time, float64) { return s.Metrics.Appender(l) }

func (s sink) Exemplar(series sources.Labels, e sources.Exemplar) { s.Metrics.Exemplar(series, e) }

func (s sink) Metadata(name string, m sources.MetricMetadata) { s.Metrics.Metadata(name, m) }

func (s sink) Stream(l sources.Labels) func(time.Time, string, sources.Labels) {
	return s.Logs.Appender(l)
}

func (s sink) Spans(spans ...sources.Span) { s.Traces.Append(spans...) }
