package shop

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"obs/sources"
)

// digest hashes everything in the order in which it comes.
type digest struct {
	w     io.Writer
	calls int
}

func (d *digest) note(kind string, what ...any) {
	d.calls++
	_, _ = fmt.Fprintln(d.w, append([]any{kind}, what...)...)
}

func (d *digest) Series(l sources.Labels) func(time.Time, float64) {
	d.note("series", l.String())
	number := uint64(d.calls)
	// Most calls by far are samples: they are hashed as they are.
	return func(t time.Time, v float64) {
		d.calls++
		var b [24]byte
		binary.LittleEndian.PutUint64(b[:], number)
		binary.LittleEndian.PutUint64(b[8:], uint64(t.UnixNano()))
		binary.LittleEndian.PutUint64(b[16:], math.Float64bits(v))
		_, _ = d.w.Write(b[:])
	}
}

func (d *digest) Exemplar(series sources.Labels, e sources.Exemplar) {
	d.note("exemplar", series.String(), e.Labels.String(), e.Value, e.Time.UnixNano())
}

func (d *digest) Metadata(name string, m sources.MetricMetadata) { d.note("metadata", name, m) }

func (d *digest) Stream(l sources.Labels) func(time.Time, string, sources.Labels) {
	name := l.String()
	d.note("stream", name)
	return func(t time.Time, line string, metadata sources.Labels) {
		d.note("record", name, t.UnixNano(), line, metadata.String())
	}
}

func (d *digest) Spans(spans ...sources.Span) { d.note("spans", spans) }

// sum is the hash of a run, and of a minute of going on after it if more is set.
func sum(t *testing.T, name string, seed uint64, more func(s *Shop, sink Sink)) uint64 {
	t.Helper()
	sc, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	h := fnv.New64a()
	d := &digest{w: h}
	s := New(sc, Options{Seed: seed, Now: noon, Requests: 300, History: 10 * time.Minute})
	if err := s.Past(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	if more != nil {
		more(s, d)
	}
	if d.calls < 1000 {
		t.Errorf("only %d calls", d.calls)
	}
	return h.Sum64()
}

func TestSameSeedSameBytes(t *testing.T) {
	for _, sc := range Scenarios() {
		first := sum(t, sc.Name, 3, nil)
		before := runtime.GOMAXPROCS(1)
		second := sum(t, sc.Name, 3, nil)
		runtime.GOMAXPROCS(before)
		if first != second {
			t.Errorf("%s differs from one run to the next", sc.Name)
		}
		if first == sum(t, sc.Name, 4, nil) {
			t.Errorf("%s is the same with another seed", sc.Name)
		}
	}
}

// Going on live gives what a longer past would have given.
func TestLiveGoesOn(t *testing.T) {
	at := sum(t, "latency", 3, func(s *Shop, _ Sink) {
		if err := s.run(context.Background(), s.now.plus(time.Minute)); err != nil {
			t.Fatal(err)
		}
	})
	for _, speed := range []float64{1, 20} {
		live := sum(t, "latency", 3, func(s *Shop, sink Sink) {
			s.options.Speed = speed
			from := s.now
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(float64(time.Minute)/speed)+time.Millisecond)
				defer cancel()
				if err := s.Live(ctx, sink, 500*time.Millisecond); err != nil {
					t.Error(err)
				}
			})
			if went := s.now.since(from); went != time.Minute {
				t.Errorf("went on for %v at speed %v", went, speed)
			}
		})
		if live != at {
			t.Errorf("live at speed %v differs from the past", speed)
		}
	}
}

func TestPastCanBeCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := New(healthy(), Options{Now: noon})
	if err := s.Past(ctx, Discard{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestScenariosAreListed(t *testing.T) {
	want := "latency errors deploy segment saturation n-plus-one noisy-neighbour creep bot silent healthy"
	var names []string
	for _, sc := range Scenarios() {
		names = append(names, sc.Name)
		text, err := json.Marshal(sc.Truth)
		var back Truth
		if err != nil || json.Unmarshal(text, &back) != nil || back.Explanation != sc.Truth.Explanation {
			t.Errorf("%s: the truth does not survive JSON: %s", sc.Name, text)
		}
		tr := sc.Truth
		if sc.Title == "" || tr.Kind == "" || tr.Explanation == "" || len(tr.Decoys) == 0 || (tr.Verdict == Anomalous) != (tr.Culprit != "") {
			t.Errorf("%s: the truth is incomplete", sc.Name)
		}
	}
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got %s", got)
	}
	if _, err := Find("nonsense"); err == nil || !strings.Contains(err.Error(), "noisy-neighbour") {
		t.Errorf("got %v", err)
	}
}

func TestWindows(t *testing.T) {
	for _, sc := range Scenarios() {
		s := New(sc, Options{Now: noon})
		w, b := s.Window(), s.Baseline()
		if w.To != noon || w.Duration() != 30*time.Minute || b.Duration() != w.Duration() || b.To.After(w.From) || b.From.Before(s.epoch) {
			t.Errorf("%s: window %v, baseline %v", sc.Name, w, b)
		}
	}
	s := New(latency(), Options{Now: noon, History: 20 * time.Minute})
	if got := s.Truth().Onset; got != 200*time.Second {
		t.Errorf("onset in a window of ten minutes: %v", got)
	}
}

func BenchmarkPast(b *testing.B) {
	for _, name := range []string{"latency", "creep"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			sc, _ := Find(name)
			requests := 0
			for b.Loop() {
				s := New(sc, Options{Seed: 1, Now: noon})
				if err := s.Past(b.Context(), Discard{}); err != nil {
					b.Fatal(err)
				}
				requests = s.Requests()
			}
			b.ReportMetric(float64(requests), "requests")
		})
	}
}
