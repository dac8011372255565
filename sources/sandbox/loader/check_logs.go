package loader

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"obs/sources"
)

const hintRecords = "Loki shows old records at once only when querier.query_ingesters_within and ingester.query_store_max_look_back_period let it look for them where they arrive; else after the next flush"

// askRecords asks how many records each stream has.
func (l *Loader) askRecords() (all []inquiry) {
	names := map[string]bool{}
	for _, s := range l.streams {
		for name := range s.labels {
			names[name] = true
		}
	}
	for _, s := range l.streams {
		if len(s.records) == 0 {
			continue
		}
		selector := make(sources.Selector, 0, len(names))
		for _, name := range slices.Sorted(maps.Keys(names)) {
			// A label that this one lacks must not be there: without that, the selector
			// would match streams with more labels as well.
			selector = append(selector, sources.Matcher{Name: name, Op: sources.Equal, Value: s.labels[name]})
		}
		var span milliseconds
		for _, r := range s.records {
			span.add(r.at.UnixMilli())
		}
		// A range leaves out its left end, and takes in its right one; the last record
		// may be later in its millisecond.
		query := fmt.Sprintf("sum(count_over_time(%s [%dms]))", selector, span.last-span.first+2)
		want := map[string]int{s.labels.String(): s.distinct}
		all = append(all, func(ctx context.Context) (*Shortfall, error) {
			answer, err := l.logs.Instant(ctx, query, time.UnixMilli(span.last+1))
			if err != nil {
				return nil, err
			}
			found := map[string]int{}
			if len(answer.Series) > 0 && len(answer.Series[0].Samples) > 0 {
				found[s.labels.String()] = int(answer.Series[0].Samples[0].Value)
			}
			short := compare(sources.Loki, "records of "+s.labels.String(), "streams", hintRecords, want, found)
			if short != nil {
				short.Detail = "" // it would name the one stream again
			}
			return short, nil
		})
	}
	return all
}
