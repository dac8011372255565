package correlate

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"obs/sources"
)

// What is laid onto steps has every number at its own moment, gaps where there was none, and
// no more than the bound.
func TestStretches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step := rapid.SampledFrom([]time.Duration{time.Second, 30 * time.Second, 24 * time.Hour}).Draw(t, "step")
		var samples []sources.Sample
		for i := range rapid.IntRange(0, 2*maxPoints).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "kind") {
			case 0: // a gap
			case 1:
				samples = append(samples, sources.Sample{Time: eight.Add(time.Duration(i) * step), Value: math.NaN()})
			default:
				samples = append(samples, sources.Sample{Time: eight.Add(time.Duration(i) * step), Value: rapid.Float64Range(-1e300, 1e300).Draw(t, "value")})
			}
		}
		all := stretches(samples, step)
		known := numbers(samples)
		if len(known) == 0 {
			if all != nil {
				t.Fatalf("%v of nothing", all)
			}
			return
		}
		s := &all[0]
		if len(all) != 1 || len(s.Values) > maxPoints || s.Values[0] == nil || s.Values[len(s.Values)-1] == nil {
			t.Fatalf("%d stretches, %d values", len(all), len(s.Values))
		}
		kept := s.Samples()
		for i, sample := range known[len(known)-len(kept):] {
			if !kept[i].Time.Equal(sample.Time) || math.Abs(kept[i].Value-sample.Value) > 1e-5*math.Abs(sample.Value) {
				t.Fatalf("%v, want %v", kept[i], sample)
			}
		}
		if len(kept) < len(known) && known[len(known)-1].Time.Sub(known[0].Time) < maxPoints*step {
			t.Fatal("samples are lost that had room")
		}
	})
}

func TestSeriesOfBothSides(t *testing.T) {
	at := func(minute, value float64) sources.Sample {
		return sources.Sample{Time: eight.Add(time.Duration(minute * float64(time.Minute))), Value: value}
	}
	baseline, window := []sources.Sample{at(0, 1), at(1, 2)}, []sources.Sample{at(3, math.Inf(1)), at(4, 1234567.8)}
	one := ranged{step: time.Minute}
	adjoining := (&bothSides{baseline: one, window: one}).stretches(baseline, window)
	if len(adjoining) != 1 || len(adjoining[0].Values) != 5 || adjoining[0].Values[3] != nil || *adjoining[0].Values[4] != 1234570 {
		t.Errorf("adjoining: %+v", adjoining)
	}
	apart := (&bothSides{baseline: one, window: ranged{step: time.Second}}).stretches(baseline, window)
	steps := []float64{apart[0].StepSeconds, apart[1].StepSeconds}
	if len(apart) != 2 || !slices.Equal(steps, []float64{60, 1}) {
		t.Errorf("apart: %+v", apart)
	}
}
