package loader

import (
	"context"
	"errors"
	"fmt"
	"time"

	"obs/sources"
)

// ErrMixed tells that the servers hold an earlier run that this one cannot be told from.
// The message says what to do.
var ErrMixed = errors.New("an earlier run is in the way")

// mixes looks at one series and one trace: where their like is there already, two runs
// would become one that makes no sense. A server that does not answer is for Send to
// complain of.
func (l *Loader) mixes(ctx context.Context) error {
	if l.seriesThere(ctx) {
		return fmt.Errorf("%w: Prometheus has samples of this shop from the time that this run's history covers; wait until they are older than that, or empty the servers", ErrMixed)
	}
	if l.traceThere(ctx) {
		return fmt.Errorf("%w: Jaeger has traces with the IDs that this run gives out; give another --seed, or empty the servers", ErrMixed)
	}
	return nil
}

// seriesThere reports whether the history's time holds samples of the first series.
func (l *Loader) seriesThere(ctx context.Context) bool {
	if len(l.series) == 0 || len(l.series[0].samples) == 0 {
		return false
	}
	first := l.series[0]
	var selector sources.Selector
	for _, name := range sortedNames(first.labels) {
		selector = append(selector, sources.Matcher{Name: name, Op: sources.Equal, Value: first.labels[name]})
	}
	var all milliseconds
	for _, s := range l.series {
		for _, each := range s.samples {
			all.add(each.at)
		}
	}
	query := fmt.Sprintf("count_over_time(%s[%dms])", selector, all.last-all.first+1)
	answer, err := l.metrics.Instant(ctx, query, time.UnixMilli(all.last))
	return err == nil && len(answer.Series) > 0
}

// traceThere reports whether there is a trace with the first one's ID.
func (l *Loader) traceThere(ctx context.Context) bool {
	if len(l.spans) == 0 {
		return false
	}
	known, err := l.traces.Trace(ctx, l.spans[0].root().TraceID, sources.Window{})
	return err == nil && len(known.Spans) > 0
}
