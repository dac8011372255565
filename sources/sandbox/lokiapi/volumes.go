package lokiapi

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"obs/sources/sandbox/lokiapi/logql"
)

// weight is what Loki takes the records of one stream to be worth in bytes: their lines,
// each name and value of metadata once, and eight bytes for each use of a pair.
type weight struct {
	bytes uint64
	known map[string]bool
}

func (w *weight) add(line string, stream, metadata logql.Labels) {
	w.bytes += uint64(len(line))
	for _, l := range metadata {
		w.bytes += 8
		name := l.Name
		if pushed := strings.TrimSuffix(name, "_extracted"); stream.Get(pushed) != "" {
			name = pushed // it is told apart from the stream's only when it is read
		}
		for _, text := range []string{name, l.Value} {
			if !w.known[text] {
				if w.known == nil {
					w.known = map[string]bool{}
				}
				w.known[text] = true
				w.bytes += uint64(len(text))
			}
		}
	}
}

func weigh(stream logql.Labels, records logql.Records, from, to int) uint64 {
	var w weight
	var metadata logql.Labels
	for i := from; i < to; i++ {
		metadata = records.Metadata(i, metadata[:0])
		w.add(records.Line(i), stream, metadata)
	}
	return w.bytes
}

func (s *server) stats(r *request) (any, error) {
	matchers, err := r.selector()
	if err != nil {
		return nil, err
	}
	from, to, err := r.window(listingSpan)
	if err != nil {
		return nil, err
	}
	var total struct {
		Streams uint64 `json:"streams"`
		Chunks  uint64 `json:"chunks"`
		Bytes   uint64 `json:"bytes"`
		Entries uint64 `json:"entries"`
	}
	for _, stream := range s.store.Select(matchers, from.UnixNano(), to.UnixNano()) {
		n := stream.Records.Len()
		total.Streams++
		total.Chunks++
		total.Entries += uint64(n)
		total.Bytes += weigh(stream.Labels, stream.Records, 0, n)
	}
	return total, nil
}

const defaultVolumes = 100

// volumeQuery is how volumes are asked for.
type volumeQuery struct {
	matchers []logql.Matcher
	from, to time.Time
	limit    int
	targets  []string // nothing: all labels
	byName   bool     // one volume for each label's name, instead of each set of values
}

func (r *request) volumeQuery() (q volumeQuery, err error) {
	if q.matchers, err = r.selector(); err != nil {
		return q, err
	}
	if q.from, q.to, err = r.window(listingSpan); err != nil {
		return q, err
	}
	if q.limit, err = r.number("limit", defaultVolumes); err != nil {
		return q, err
	}
	switch r.params.Get("aggregateBy") {
	case "", "series":
	case "labels":
		q.byName = true
	default:
		return q, badRequest("invalid aggregation option")
	}
	for _, text := range r.params["targetLabels"] {
		for name := range strings.SplitSeq(text, ",") {
			if name != "" {
				q.targets = append(q.targets, name)
			}
		}
	}
	if q.targets == nil && !q.byName {
		for _, m := range q.matchers {
			q.targets = append(q.targets, m.Name)
		}
	}
	return q, nil
}

// parts are what a stream's volume counts for.
func (q *volumeQuery) parts(labels logql.Labels) (parts []logql.Labels) {
	var wanted logql.Labels
	for _, l := range labels {
		if q.targets == nil || slices.Contains(q.targets, l.Name) {
			wanted = append(wanted, l)
		}
	}
	if !q.byName {
		for _, name := range q.targets {
			if wanted.Get(name) == "" {
				return nil
			}
		}
		if len(wanted) == 0 {
			return nil
		}
		return []logql.Labels{wanted}
	}
	for _, l := range wanted {
		parts = append(parts, logql.Labels{{Name: l.Name}})
	}
	return parts
}

type volume struct {
	labels logql.Labels
	points []logql.Point
	total  float64
}

// volumes adds up bytes by labels, in buckets of that width, each dated at its end.
func (s *server) volumes(q volumeQuery, width, dated int64) []*volume {
	byKey := map[string]*volume{}
	for _, stream := range s.store.Select(q.matchers, q.from.UnixNano(), q.to.UnixNano()) {
		records := stream.Records
		for next := 0; next < records.Len(); {
			first := next
			end := align(records.Time(first), width) + width
			for next < records.Len() && records.Time(next) < end {
				next++
			}
			bytes := float64(weigh(stream.Labels, records, first, next))
			for _, labels := range q.parts(stream.Labels) {
				key := labels.Key()
				v := byKey[key]
				if v == nil {
					v = &volume{labels: labels}
					byKey[key] = v
				}
				v.add(end+dated, bytes)
			}
		}
	}
	found := slices.Collect(maps.Values(byKey))
	slices.SortFunc(found, func(a, b *volume) int {
		return cmp.Or(cmp.Compare(b.total, a.total), strings.Compare(a.labels.Key(), b.labels.Key()))
	})
	return found[:max(0, min(q.limit, len(found)))]
}

func (v *volume) add(time int64, bytes float64) {
	v.total += bytes
	place, known := slices.BinarySearchFunc(v.points, time, func(p logql.Point, t int64) int { return cmp.Compare(p.Time, t) })
	if !known {
		v.points = slices.Insert(v.points, place, logql.Point{Time: time})
	}
	v.points[place].Value += bytes
}

func (s *server) volume(r *request) (any, error) {
	q, err := r.volumeQuery()
	if err != nil {
		return nil, err
	}
	result := []vectorSample{}
	for _, v := range s.volumes(q, 1<<62, 0) {
		result = append(result, vectorSample{Metric: labelSet(v.labels), Value: point{q.to.UnixNano(), v.total}})
	}
	return success(resultData{ResultType: "vector", Result: result}), nil
}

func (s *server) volumeRange(r *request) (any, error) {
	q, err := r.volumeQuery()
	if err != nil {
		return nil, err
	}
	step, err := r.step(q.from, q.to)
	if err != nil {
		return nil, err
	}
	result := []matrixSeries{}
	for _, v := range s.volumes(q, int64(step), -int64(time.Millisecond)) {
		result = append(result, matrixSeries{Metric: labelSet(v.labels), Values: points(v.points)})
	}
	return success(resultData{ResultType: "matrix", Result: result}), nil
}
