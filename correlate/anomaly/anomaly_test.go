package anomaly_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"obs/correlate/anomaly"
	"obs/sources"
)

var start = time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)

func series(values ...float64) []sources.Sample {
	all := make([]sources.Sample, len(values))
	for i, v := range values {
		all[i] = sources.Sample{Time: start.Add(time.Duration(i) * time.Minute), Value: v}
	}
	return all
}

func TestCompare(t *testing.T) {
	nan := math.NaN()
	latency := anomaly.Limits{Ratio: 1.5, Delta: 0.005, Score: 4, Up: true}
	both := anomaly.Limits{Ratio: 2, Delta: 0.1, Score: 4, Up: true, Down: true}
	tests := []struct {
		name             string
		baseline, window []sources.Sample
		limits           anomaly.Limits
		anomalous        bool
		direction        anomaly.Direction
		value            float64
		onset            int // minutes, where anomalous
	}{
		{
			name: "a step up", limits: latency, baseline: series(0.20, 0.21, 0.19, 0.2), window: series(0.2, 0.2, 4, 4.2, 4.1),
			anomalous: true, direction: anomaly.Up, value: 4.1, onset: 2,
		},
		{name: "no change", limits: latency, baseline: series(0.20, 0.21, 0.19, 0.2), window: series(0.2, 0.21, 0.19, 0.2)},
		{name: "one odd sample is noise", limits: latency, baseline: series(0.2, 0.21, 0.19, 0.2), window: series(0.2, 4, 0.2, 0.2, 0.2)},
		{name: "noise that the baseline has too", limits: latency, baseline: series(0.1, 0.9, 0.2, 0.8, 0.3), window: series(0.9, 0.8, 0.9, 0.7)},
		{name: "certain, but too small to matter", limits: latency, baseline: series(0.001, 0.001, 0.001), window: series(0.003, 0.003, 0.003)},
		{name: "a fall does not count where only a rise does", limits: latency, baseline: series(4, 4.1, 4), window: series(0.1, 0.1, 0.1)},
		{
			name: "a fall to nothing", limits: both, baseline: series(10, 10.2, 9.9, 10), window: series(10, 0, 0, 0),
			anomalous: true, direction: anomaly.Down, value: 0, onset: 1,
		},
		{
			name: "from nothing at all", limits: anomaly.Limits{Ratio: 1.5, Delta: 0.01, Score: 4, Up: true},
			baseline: series(0, 0, 0, 0), window: series(0, 0.3, 0.2, 0.25), anomalous: true, direction: anomaly.Up, value: 0.25, onset: 1,
		},
		{
			name: "a burst in a quiet window, where most samples are no number", limits: latency,
			baseline: series(0.7, 0.71, 0.7, 0.72), window: series(nan, nan, 3.5, 3.6, 3.4, nan, nan),
			anomalous: true, direction: anomaly.Up, value: 3.5, onset: 2,
		},
		{name: "too few samples to tell", limits: latency, baseline: series(0.2, 0.2), window: series(4, 4, 4)},
		{name: "nothing varies and no limit is given", limits: anomaly.Limits{Ratio: 2, Score: 4, Up: true}, baseline: series(0, 0, 0), window: series(0, 0, 0)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := anomaly.Compare(test.baseline, test.window, test.limits)
			if math.IsNaN(got.Score) || got.Score < 0 || got.Score > anomaly.MaxScore {
				t.Errorf("score %v", got.Score)
			}
			if want := len(test.baseline) > 2 && len(test.window) > 2; got.Compared != want {
				t.Errorf("compared is %v, want %v", got.Compared, want)
			}
			if got.Anomalous != test.anomalous {
				t.Fatalf("anomalous is %v: %+v", got.Anomalous, got)
			}
			if !test.anomalous {
				return
			}
			if got.Direction != test.direction || math.Abs(got.Window-test.value) > 1e-9 {
				t.Errorf("went %s to %v, want %s to %v", got.Direction, got.Window, test.direction, test.value)
			}
			if want := start.Add(time.Duration(test.onset) * time.Minute); !got.Onset.Equal(want) {
				t.Errorf("onset %v, want %v", got.Onset, want)
			}
		})
	}
}

func TestNewAndGoneSeriesAreKnownForWhatTheyAre(t *testing.T) {
	limits := anomaly.Limits{Ratio: 2, Score: 4, Up: true, Down: true}
	if got := anomaly.Compare(nil, series(1, 2, 3), limits); !got.New || got.Gone || got.Anomalous {
		t.Errorf("a new series: %+v", got)
	}
	if got := anomaly.Compare(series(1, 2, 3), series(math.NaN()), limits); got.New || !got.Gone || got.Anomalous {
		t.Errorf("a gone series: %+v", got)
	}
	if got := anomaly.Compare(nil, nil, limits); got.New || got.Gone || got.Anomalous || got.Compared {
		t.Errorf("no series: %+v", got)
	}
}

func TestMedianLeavesItsInputAlone(t *testing.T) {
	v := []float64{3, 1, 2}
	if got := anomaly.Median(v); got != 2 || v[0] != 3 {
		t.Errorf("median %v, and the slice is %v", got, v)
	}
	if got := anomaly.Median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median of four is %v", got)
	}
	if !math.IsNaN(anomaly.Median(nil)) {
		t.Error("the median of nothing is a number")
	}
}

// What Usual calls unusual departs in the eyes of Compare, and nothing else does.
func TestUsualAgreesWithCompare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := anomaly.Limits{
			Ratio: rapid.SampledFrom([]float64{1.5, 2}).Draw(t, "ratio"), Delta: rapid.SampledFrom([]float64{0, 0.005, 1}).Draw(t, "delta"),
			Score: 4, Up: true, Down: true,
		}
		before := series(rapid.SliceOfN(rapid.Float64Range(0, 100), 3, 20).Draw(t, "baseline")...)
		low, high := anomaly.Usual(before, limits)
		if !(0 <= low && low <= high) {
			t.Fatalf("usual is %g to %g", low, high)
		}
		v := rapid.Float64Range(0, 1000).Draw(t, "value")
		// At a bound itself rounding decides.
		if math.Abs(v-low) < 1e-9 || math.Abs(v-high) < 1e-9*max(1, high) {
			return
		}
		got := anomaly.Compare(before, series(v, v, v), limits)
		if want := v < low || v > high; got.Anomalous != want {
			t.Fatalf("%g is anomalous: %t, and usual is %g to %g: %+v", v, got.Anomalous, low, high, got)
		}
	})
	if low, high := anomaly.Usual(series(math.NaN()), anomaly.Limits{Ratio: 2, Score: 4}); !math.IsNaN(low) || !math.IsNaN(high) {
		t.Errorf("of nothing %g to %g is usual", low, high)
	}
}
