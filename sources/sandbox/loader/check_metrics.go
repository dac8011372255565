package loader

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"obs/sources"
)

const metricName = "__name__"

const (
	hintExemplars = "Prometheus keeps exemplars only with --enable-feature=exemplar-storage, and as many as storage.exemplars.max_exemplars says"
	hintSamples   = noWindow + "; samples past the server's retention are gone as well"
	hintStale     = "another run's samples may continue these series"
)

// mostMoments bounds the questions about the ends of series: one is asked for each
// moment at which some ended.
const mostMoments = 64

// byName is the series in groups of one metric's name, in order of it.
func (l *Loader) byName() (names []string, groups map[string][]*series) {
	groups = map[string][]*series{}
	for _, s := range l.series {
		groups[s.labels[metricName]] = append(groups[s.labels[metricName]], s)
	}
	return slices.Sorted(maps.Keys(groups)), groups
}

func sortedNames(labels sources.Labels) []string { return slices.Sorted(maps.Keys(labels)) }

// keyOf identifies a series among those of its name, which functions take away.
func keyOf(labels sources.Labels) string {
	rest := maps.Clone(labels)
	delete(rest, metricName)
	return rest.String()
}

// askSamples asks how many samples each series has. Markers of staleness are not among
// those that a function is given.
func (l *Loader) askSamples() (all []inquiry) {
	names, groups := l.byName()
	for _, name := range names {
		var span milliseconds
		want := map[string]int{}
		for _, s := range groups[name] {
			for _, each := range s.samples {
				span.add(each.at)
			}
			want[keyOf(s.labels)] = len(s.samples) - s.stale
		}
		if span.empty() {
			continue
		}
		// A range leaves out its left end. Where it does not, as before version 3, that
		// millisecond holds nothing of this.
		query := fmt.Sprintf("count_over_time(%s[%dms])", sources.MetricSelector(name, l.own()), span.last-span.first+1)
		all = append(all, func(ctx context.Context) (*Shortfall, error) {
			answer, err := l.metrics.Instant(ctx, query, time.UnixMilli(span.last))
			if err != nil {
				return nil, err
			}
			found := map[string]int{}
			for _, s := range answer.Series {
				if len(s.Samples) > 0 {
					found[keyOf(s.Labels)] = int(s.Samples[0].Value)
				}
			}
			return compare(sources.Prometheus, "samples of "+name, "series", hintSamples, want, found), nil
		})
	}
	return all
}

// askExemplars asks for the exemplars themselves.
func (l *Loader) askExemplars() (all []inquiry) {
	names, groups := l.byName()
	for _, name := range names {
		var span milliseconds
		want := map[string]int{}
		for _, s := range groups[name] {
			for _, each := range s.exemplars {
				span.add(each.at)
			}
			if len(s.exemplars) > 0 {
				want[keyOf(s.labels)] = len(s.exemplars)
			}
		}
		if span.empty() {
			continue
		}
		window := sources.Window{From: time.UnixMilli(span.first), To: time.UnixMilli(span.last + 1)}
		query := sources.MetricSelector(name, l.own())
		all = append(all, func(ctx context.Context) (*Shortfall, error) {
			exemplars, err := l.metrics.Exemplars(ctx, query, window)
			if err != nil {
				return nil, err
			}
			found := map[string]int{}
			for _, e := range exemplars {
				found[keyOf(e.Series)]++
			}
			return compare(sources.Prometheus, "exemplars of "+name, "series", hintExemplars, want, found), nil
		})
	}
	return all
}

// askStale asks, at each moment at which series ended, whether they are gone: without the
// marker they would be there for five minutes more.
func (l *Loader) askStale() (all []inquiry) {
	ended := map[int64][]*series{}
	for _, s := range l.series {
		if n := len(s.samples); s.stale > 0 && isStale(s.samples[n-1].value) {
			ended[s.samples[n-1].at] = append(ended[s.samples[n-1].at], s)
		}
	}
	for i, at := range slices.Sorted(maps.Keys(ended)) {
		if i == mostMoments {
			break
		}
		gone := map[string]bool{}
		names := map[string]bool{}
		for _, s := range ended[at] {
			gone[s.labels.String()] = true
			names[s.labels[metricName]] = true
		}
		query := l.own(sources.AnyOf(metricName, slices.Sorted(maps.Keys(names))...)).String()
		all = append(all, func(ctx context.Context) (*Shortfall, error) {
			answer, err := l.metrics.Instant(ctx, query, time.UnixMilli(at))
			if err != nil {
				return nil, err
			}
			seen := 0
			example := ""
			for _, s := range answer.Series {
				if key := s.Labels.String(); gone[key] {
					seen++
					example = key
				}
			}
			if seen == 0 {
				return nil, nil
			}
			return &Shortfall{
				Backend: sources.Prometheus, What: "series that ended at " + time.UnixMilli(at).UTC().Format(time.RFC3339),
				Sent: len(gone), Found: len(gone) - seen, Detail: "one that goes on: " + example, Hint: hintStale,
			}, nil
		})
	}
	return all
}

// milliseconds is a range of times, both ends in it.
type milliseconds struct {
	first, last int64
	any         bool
}

func (m *milliseconds) add(at int64) {
	if !m.any {
		m.first, m.last, m.any = at, at, true
	}
	m.first, m.last = min(m.first, at), max(m.last, at)
}

func (m *milliseconds) empty() bool { return !m.any }

// compare counts what of want is found; nil when all is. The units are what the keys
// stand for.
func compare(backend sources.Backend, what, units, hint string, want, found map[string]int) *Shortfall {
	short := Shortfall{Backend: backend, What: what, Hint: hint}
	incomplete, example := 0, ""
	for _, key := range slices.Sorted(maps.Keys(want)) {
		n := min(want[key], found[key])
		short.Sent += want[key]
		short.Found += n
		if n < want[key] {
			if incomplete == 0 {
				example = fmt.Sprintf("%s (%d of %d)", key, n, want[key])
			}
			incomplete++
		}
	}
	if incomplete == 0 {
		return nil
	}
	short.Detail = fmt.Sprintf("%d of %d %s are incomplete, such as %s", incomplete, len(want), units, example)
	return &short
}
