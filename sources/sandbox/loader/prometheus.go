package loader

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"obs/sources"
)

const (
	writePath    = "/api/v1/write"
	batchSamples = 20_000 // some 1.5 MB, of the 32 MiB that Prometheus takes at once
)

const noReceiver = "Prometheus takes samples only when started with --web.enable-remote-write-receiver; else check that " + flagPrometheus + " is its address"

const noWindow = "this Prometheus takes no samples older than those that it has: set storage.tsdb.out_of_order_time_window in its configuration to more than the history's length"

// writeAdvice is for the words in which Prometheus refuses samples.
var writeAdvice = []advice{
	{"remote write receiver", noReceiver},
	{"out of bounds", noWindow},
	{"too old", noWindow},
	{"out of order", noWindow},
	{"duplicate sample", "it has other samples of these series for this time, of an earlier run: wait until the history no longer overlaps with that, or empty the server"},
}

var writeHeader = http.Header{
	"Content-Type":                      {"application/x-protobuf"},
	"Content-Encoding":                  {"snappy"},
	"X-Prometheus-Remote-Write-Version": {"0.1.0"},
}

// sendMetrics writes all series by Prometheus's remote write 1.0
// (https://prometheus.io/docs/specs/prw/remote_write_spec/), which takes names, values and
// markers of staleness as they are, where OTLP's would be translated.
//
// The batches go through time for all series at once, as a server that scrapes would have
// had them: it refuses what is much older than the newest that it has.
func (l *Loader) sendMetrics(ctx context.Context, r *Report) error {
	total := 0
	for _, s := range l.series {
		total += len(s.samples)
	}
	if total == 0 {
		return nil
	}
	m := meter{loader: l, what: "prometheus: %s of %s samples", total: total}
	cursors := make([]cursor, len(l.series))
	for i, s := range l.series {
		cursors[i] = newCursor(s)
	}
	batch := prompb.WriteRequest{Metadata: l.describe()}
	size := 0
	flush := func() error {
		taken := counts(&batch)
		if err := l.write(ctx, &batch); err != nil {
			return err
		}
		r.Samples += taken.samples
		r.Exemplars += taken.exemplars
		r.Series = 0
		for i := range cursors {
			if cursors[i].sample > 0 {
				r.Series++
			}
		}
		m.at(r.Samples)
		batch, size = prompb.WriteRequest{}, 0
		return nil
	}
	for _, until := range slices.Concat(l.cuts(), []int64{forever}) {
		for i := range cursors {
			part, ok := cursors[i].take(until)
			if !ok {
				continue
			}
			batch.Timeseries = append(batch.Timeseries, part)
			size += len(part.Samples) + len(part.Exemplars)
		}
		if size >= batchSamples || until == forever {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

const forever = int64(1) << 62

// cuts are the times, in order, between which there are about batchSamples samples.
func (l *Loader) cuts() []int64 {
	var times []int64
	for _, s := range l.series {
		for _, each := range s.samples {
			times = append(times, each.at)
		}
	}
	slices.Sort(times)
	var cuts []int64
	for i := batchSamples; i < len(times); i += batchSamples {
		cuts = append(cuts, times[i])
	}
	return slices.Compact(cuts)
}

// cursor is how far a series has been sent.
type cursor struct {
	*series
	labels           []prompb.Label
	sample, exemplar int
}

// newCursor puts the labels and exemplars into the order that the server insists on.
func newCursor(s *series) cursor {
	c := cursor{series: s, labels: pairs(s.labels)}
	slices.SortStableFunc(s.exemplars, func(a, b exemplar) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.value, b.value))
	})
	return c
}

// take is what is left of the series from before a time. Exemplars wait for the first
// sample, since a server keeps none for a series that it does not know.
func (c *cursor) take(until int64) (prompb.TimeSeries, bool) {
	part := prompb.TimeSeries{Labels: c.labels}
	for ; c.sample < len(c.samples) && c.samples[c.sample].at < until; c.sample++ {
		s := c.samples[c.sample]
		part.Samples = append(part.Samples, prompb.Sample{Timestamp: s.at, Value: s.value})
	}
	for ; c.sample > 0 && c.exemplar < len(c.exemplars) && c.exemplars[c.exemplar].at < until; c.exemplar++ {
		e := c.exemplars[c.exemplar]
		part.Exemplars = append(part.Exemplars, prompb.Exemplar{Labels: pairs(e.labels), Timestamp: e.at, Value: e.value})
	}
	return part, len(part.Samples)+len(part.Exemplars) > 0
}

func pairs(labels sources.Labels) []prompb.Label {
	sorted := make([]prompb.Label, 0, len(labels))
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		sorted = append(sorted, prompb.Label{Name: name, Value: labels[name]})
	}
	return sorted
}

// describe is the metadata, which goes along once. Prometheus itself shows only that of
// targets it scrapes; servers of the same protocol may keep this.
func (l *Loader) describe() []prompb.MetricMetadata {
	var all []prompb.MetricMetadata
	for _, name := range slices.Sorted(maps.Keys(l.metadata)) {
		m := l.metadata[name]
		all = append(all, prompb.MetricMetadata{
			MetricFamilyName: name, Help: m.Help, Unit: m.Unit,
			Type: prompb.MetricMetadata_MetricType(prompb.MetricMetadata_MetricType_value[strings.ToUpper(m.Type)]),
		})
	}
	return all
}

type written struct{ samples, exemplars int }

func counts(batch *prompb.WriteRequest) (n written) {
	for i := range batch.Timeseries {
		n.samples += len(batch.Timeseries[i].Samples)
		n.exemplars += len(batch.Timeseries[i].Exemplars)
	}
	return n
}

func (l *Loader) write(ctx context.Context, batch *prompb.WriteRequest) error {
	plain, err := batch.Marshal()
	if err != nil {
		return l.prometheus.Failure(ctx, ErrNotTaken, err)
	}
	_, err = post(ctx, l.prometheus, writePath, snappy.Encode(nil, plain), writeHeader)
	return refused(err, noReceiver, writeAdvice)
}
