package correlate_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"

	"obs/sources"
)

// trial is what the stand-ins of the three backends have in common: each of their
// questions goes into one ledger, and may be made to fail.
type trial struct {
	t      *testing.T
	ledger *sources.Ledger
	// before is called ahead of every answer, with the question as the ledger has it;
	// its error is the answer.
	before func(backend sources.Backend, text string) error
}

// ask notes a question in the ledger and answers it, unless the context has ended or
// the test has it fail.
func (tr *trial) ask(ctx context.Context, backend sources.Backend, text string, w sources.Window, answer func() (int, error)) error {
	_, call := tr.ledger.Start(ctx, backend, text, w)
	var err error
	if tr.before != nil {
		err = tr.before(backend, text)
	}
	if ctx.Err() != nil {
		err = &sources.Error{Backend: backend, URL: "http://" + string(backend), Kind: sources.ErrTimeout, Detail: "cancelled", Err: ctx.Err()}
	}
	n := 0
	if err == nil {
		n, err = answer()
	}
	call.End(n, err)
	return err
}

// down is how a backend that does not run fails.
func down(backend sources.Backend) error {
	return &sources.Error{Backend: backend, URL: "http://" + string(backend), Kind: sources.ErrUnreachable, Hint: "check that it runs"}
}

// fakeMetrics is Prometheus in memory: its own engine over made series.
type fakeMetrics struct {
	*trial
	series    []counter
	gauges    []gauge
	exemplars []sources.Exemplar
}

var _ sources.Metrics = (*fakeMetrics)(nil)

// counter is a series that grows by a number per second until turn, and by another
// after it, and is collected every 15 seconds.
type counter struct {
	labels        labels.Labels
	from, turn    time.Time
	count         int
	before, after float64
}

const collected = 15 * time.Second

// Get makes counter a storage.Samples.
func (c *counter) Get(i int) chunks.Sample {
	at := c.from.Add(time.Duration(i) * collected)
	early := min(at.Sub(c.from), c.turn.Sub(c.from)).Seconds()
	late := max(0, at.Sub(c.turn)).Seconds()
	return point{at.UnixMilli(), c.before*early + c.after*late}
}

// Len makes counter a storage.Samples.
func (c *counter) Len() int { return c.count }

// gauge is a series that has the values that it was given, collected as counters are.
type gauge struct {
	labels  labels.Labels
	samples points
}

// points are a storage.Samples.
type points []point

func (p points) Get(i int) chunks.Sample { return p[i] }
func (p points) Len() int                { return len(p) }

type point struct {
	t int64
	f float64
}

func (p point) T() int64                      { return p.t }
func (p point) F() float64                    { return p.f }
func (p point) H() *histogram.Histogram       { return nil }
func (p point) FH() *histogram.FloatHistogram { return nil }
func (p point) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (p point) Copy() chunks.Sample           { return p }

var engine = promql.NewEngine(promql.EngineOpts{MaxSamples: 100e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute})

// Querier makes fakeMetrics a storage.Queryable.
func (m *fakeMetrics) Querier(_, _ int64) (storage.Querier, error) {
	return &storage.MockQuerier{SelectMockFunction: func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
		set := &seriesSet{at: -1}
		for _, g := range m.gauges {
			if selects(matchers, g.labels.Get) {
				set.all = append(set.all, &storage.SeriesEntry{
					Lset: g.labels, SampleIteratorFn: func(chunkenc.Iterator) chunkenc.Iterator { return storage.NewListSeriesIterator(g.samples) },
				})
			}
		}
		for i := range m.series {
			if c := &m.series[i]; selects(matchers, c.labels.Get) {
				set.all = append(set.all, &storage.SeriesEntry{
					Lset: c.labels, SampleIteratorFn: func(chunkenc.Iterator) chunkenc.Iterator { return storage.NewListSeriesIterator(c) },
				})
			}
		}
		return set
	}}, nil
}

type seriesSet struct {
	all []storage.Series
	at  int
}

func (s *seriesSet) Next() bool                        { s.at++; return s.at < len(s.all) }
func (s *seriesSet) At() storage.Series                { return s.all[s.at] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

func selects(matchers []*labels.Matcher, value func(name string) string) bool {
	return !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(value(m.Name)) })
}

// Instant implements sources.Metrics.
func (m *fakeMetrics) Instant(ctx context.Context, query string, at time.Time) (answer sources.SeriesAnswer, err error) {
	err = m.ask(ctx, sources.Prometheus, query, sources.Window{From: at, To: at}, func() (int, error) {
		q, err := engine.NewInstantQuery(ctx, m, nil, query, at)
		if err != nil {
			m.t.Errorf("%s: %v", query, err)
			return 0, err
		}
		defer q.Close()
		vector, err := q.Exec(ctx).Vector()
		for _, s := range vector {
			answer.Series = append(answer.Series, sources.Series{Labels: s.Metric.Map(), Samples: []sources.Sample{{Time: at, Value: s.F}}})
		}
		return len(answer.Series), err
	})
	return answer, err
}

// Range implements sources.Metrics.
func (m *fakeMetrics) Range(ctx context.Context, query string, w sources.Window, step time.Duration) (answer sources.SeriesAnswer, err error) {
	err = m.ask(ctx, sources.Prometheus, query, w, func() (int, error) {
		q, err := engine.NewRangeQuery(ctx, m, nil, query, w.From, w.To, step)
		if err != nil {
			m.t.Errorf("%s: %v", query, err)
			return 0, err
		}
		defer q.Close()
		matrix, err := q.Exec(ctx).Matrix()
		for _, s := range matrix {
			series := sources.Series{Labels: s.Metric.Map()}
			for _, p := range s.Floats {
				series.Samples = append(series.Samples, sources.Sample{Time: time.UnixMilli(p.T).UTC(), Value: p.F})
			}
			answer.Series = append(answer.Series, series)
		}
		return len(answer.Series), err
	})
	return answer, err
}

// LabelValues implements sources.Metrics.
func (m *fakeMetrics) LabelValues(ctx context.Context, label string, matching []string, w sources.Window) (values []string, err error) {
	err = m.ask(ctx, sources.Prometheus, "GET /api/v1/label/"+label+"/values", w, func() (int, error) {
		found := map[string]bool{}
		for _, set := range m.sets(matching) {
			found[set[label]] = true
		}
		delete(found, "")
		values = slices.Sorted(maps.Keys(found))
		return len(values), nil
	})
	return values, err
}

// Series implements sources.Metrics.
func (m *fakeMetrics) Series(ctx context.Context, matching []string, w sources.Window, limit int) (sets []sources.Labels, err error) {
	err = m.ask(ctx, sources.Prometheus, "GET /api/v1/series?match[]="+strings.Join(matching, "&match[]="), w, func() (int, error) {
		sets = m.sets(matching)
		sets = sets[:min(len(sets), limit)]
		return len(sets), nil
	})
	return sets, err
}

func (m *fakeMetrics) sets(matching []string) []sources.Labels {
	var sets []sources.Labels
	for _, g := range m.gauges {
		if len(matching) == 0 || slices.ContainsFunc(matching, func(s string) bool { return selects(m.matchers(s), g.labels.Get) }) {
			sets = append(sets, g.labels.Map())
		}
	}
	for i := range m.series {
		c := &m.series[i]
		if len(matching) == 0 || slices.ContainsFunc(matching, func(s string) bool { return selects(m.matchers(s), c.labels.Get) }) {
			sets = append(sets, c.labels.Map())
		}
	}
	return sets
}

// matchers reads a selector, of PromQL or LogQL, which do not differ here.
func (tr *trial) matchers(selector string) []*labels.Matcher {
	matchers, err := parser.ParseMetricSelector(selector)
	if err != nil {
		tr.t.Errorf("%s: %v", selector, err)
	}
	return matchers
}

// Metadata implements sources.Metrics.
func (m *fakeMetrics) Metadata(context.Context) (map[string]sources.MetricMetadata, error) {
	return nil, nil
}

// Exemplars implements sources.Metrics.
func (m *fakeMetrics) Exemplars(ctx context.Context, query string, w sources.Window) (found []sources.Exemplar, err error) {
	err = m.ask(ctx, sources.Prometheus, "GET /api/v1/query_exemplars?query="+query, w, func() (int, error) {
		matchers := m.matchers(query)
		for _, e := range m.exemplars {
			if selects(matchers, func(name string) string { return e.Series[name] }) && w.Contains(e.Time) {
				found = append(found, e)
			}
		}
		return len(found), nil
	})
	return found, err
}

// Alerts implements sources.Metrics.
func (m *fakeMetrics) Alerts(context.Context) ([]sources.Alert, error) { return nil, nil }

// Link implements sources.Metrics.
func (m *fakeMetrics) Link(query string, _ sources.Window) string {
	return "http://prometheus/" + query
}

// withLabels adds labels, given as names and values in turn.
func withLabels(set labels.Labels, pairs ...string) labels.Labels {
	b := labels.NewBuilder(set)
	for i := 0; i+1 < len(pairs); i += 2 {
		b.Set(pairs[i], pairs[i+1])
	}
	return b.Labels()
}
