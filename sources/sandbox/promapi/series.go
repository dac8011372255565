package promapi

import (
	"math"
	"sort"
	"sync"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

var staleMarker = math.Float64frombits(value.StaleNaN)

// chunkSamples is how many samples are packed together: Prometheus's own number. Packed
// (with its XOR encoding, that of Gorilla, VLDB 2015), a sample takes one to eight bytes.
const chunkSamples = 120

// millis is a time as the engine has it: milliseconds since 1970.
type millis = int64

// chunk is a run of samples that changes no more.
type chunk struct {
	min, max millis
	packed   *chunkenc.XORChunk
}

// series is one time series: packed chunks, and the newest samples as they came.
type series struct {
	labels labels.Labels

	mu     sync.Mutex
	chunks []chunk
	// What is written to these is never written again, so that a reader who has seen
	// their lengths under mu needs no copy.
	times  []int64
	values []float64
	lastT  int64
	lastV  float64
}

type appended int

const (
	sampleStored  appended = iota
	sampleKnown            // the last one again
	sampleRefused          // not newer than the last one
)

func (s *series) append(t int64, v float64) appended {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.times)+len(s.chunks) > 0 && t <= s.lastT {
		if t == s.lastT && math.Float64bits(v) == math.Float64bits(s.lastV) {
			return sampleKnown
		}
		return sampleRefused
	}
	s.times, s.values = append(s.times, t), append(s.values, v)
	s.lastT, s.lastV = t, v
	if len(s.times) == chunkSamples {
		s.pack()
	}
	return sampleStored
}

func (s *series) pack() {
	packed := chunkenc.NewXORChunk()
	appender, err := packed.Appender()
	if err != nil { // of a chunk that came from elsewhere; this one is empty
		return
	}
	for i, t := range s.times {
		appender.Append(t, s.values[i])
	}
	packed.Compact()
	s.chunks = append(s.chunks, chunk{min: s.times[0], max: s.lastT, packed: packed})
	s.times, s.values = nil, nil
}

// overlaps reports whether a chunk of the series, the newest samples being one, reaches
// into [from, to].
func (s *series) overlaps(from, to int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.times); n > 0 && s.times[0] <= to && s.times[n-1] >= from {
		return true
	}
	i := sort.Search(len(s.chunks), func(i int) bool { return s.chunks[i].max >= from })
	return i < len(s.chunks) && s.chunks[i].min <= to
}

// bounds are the times of the first and of the last sample; ok is false without any.
func (s *series) bounds() (first, last int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.chunks) > 0:
		first = s.chunks[0].min
	case len(s.times) > 0:
		first = s.times[0]
	default:
		return 0, 0, false
	}
	return first, s.lastT, true
}

// view is a series between two times, for the engine.
type view struct {
	*series
	from, to int64 // both included
}

// Labels implements storage.Series.
func (v view) Labels() labels.Labels { return v.labels }

// Iterator implements storage.Series. It iterates over what the series holds now.
func (v view) Iterator(used chunkenc.Iterator) chunkenc.Iterator {
	it, ok := used.(*iterator)
	if !ok {
		it = &iterator{}
	}
	v.mu.Lock()
	*it = iterator{chunks: v.chunks, times: v.times, values: v.values, from: v.from, to: v.to, spare: it.spare, at: -1}
	v.mu.Unlock()
	return it
}

// iterator implements chunkenc.Iterator over samples that are numbers.
type iterator struct {
	chunks   []chunk // that are still to come, after the current one
	current  chunkenc.Iterator
	until    int64 // of the current chunk
	times    []int64
	values   []float64
	at       int // in times and values; -1 while in the chunks
	from, to int64
	spare    chunkenc.Iterator // to be used again

	t     int64
	v     float64
	begun bool
	ended bool
	err   error
}

func (it *iterator) Next() chunkenc.ValueType {
	if !it.begun {
		return it.Seek(it.from)
	}
	return it.next()
}

func (it *iterator) next() chunkenc.ValueType {
	for !it.ended {
		switch {
		case it.current != nil:
			if it.current.Next() == chunkenc.ValFloat {
				it.t, it.v = it.current.At()
				return it.check()
			}
			it.err, it.current = it.current.Err(), nil
			it.ended = it.err != nil
		case len(it.chunks) > 0:
			it.spare = it.chunks[0].packed.Iterator(it.spare)
			it.current, it.until, it.chunks = it.spare, it.chunks[0].max, it.chunks[1:]
		case it.at+1 < len(it.times):
			it.at++
			it.t, it.v = it.times[it.at], it.values[it.at]
			return it.check()
		default:
			it.ended = true
		}
	}
	return chunkenc.ValNone
}

func (it *iterator) check() chunkenc.ValueType {
	it.begun = true
	if it.t > it.to {
		it.ended = true
		return chunkenc.ValNone
	}
	return chunkenc.ValFloat
}

// Seek goes on to the first sample at t or after, and stays where it is when it is there.
func (it *iterator) Seek(t millis) chunkenc.ValueType {
	t = max(t, it.from)
	if it.ended {
		return chunkenc.ValNone
	}
	if it.begun && it.t >= t {
		return chunkenc.ValFloat
	}
	if it.current != nil && it.until < t {
		it.current = nil
	}
	if it.current == nil {
		it.chunks = it.chunks[sort.Search(len(it.chunks), func(i int) bool { return it.chunks[i].max >= t }):]
		if len(it.chunks) == 0 {
			it.at = max(it.at, sort.Search(len(it.times), func(i int) bool { return it.times[i] >= t })-1)
		}
	}
	for it.next() == chunkenc.ValFloat {
		if it.t >= t {
			return chunkenc.ValFloat
		}
	}
	return chunkenc.ValNone
}

func (it *iterator) At() (int64, float64) { return it.t, it.v }
func (it *iterator) AtT() int64           { return it.t }
func (it *iterator) Err() error           { return it.err }

// AtHistogram is never called: no value is a native histogram.
func (it *iterator) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) {
	return it.t, nil
}

// AtFloatHistogram is never called, either.
func (it *iterator) AtFloatHistogram(*histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	return it.t, nil
}
