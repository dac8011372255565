// Package anomaly compares a series in its window with the same series in its
// baseline: whether it departs, how far, in which direction, and since when.
//
// It is arithmetic over samples: no clock, no network, no knowledge of what a series
// means. Which series are looked at is decided in correlate/survey.
package anomaly

import (
	"math"
	"slices"
	"time"

	"obs/sources"
)

// Direction is where a series went.
type Direction string

// The directions. A series that did not depart has none.
const (
	Up   Direction = "up"
	Down Direction = "down"
)

// Limits say how far a series must depart to be called anomalous: all of them must be
// passed. They keep differences that are certain but do not matter from counting.
type Limits struct {
	// Ratio between window and baseline, above 1: a fall counts from 1/Ratio.
	Ratio float64
	// Delta is the least absolute difference, in the series' unit.
	Delta float64
	// Score is the least distance in robust standard deviations of the baseline.
	Score float64
	// Up and Down tell which directions count.
	Up, Down bool
}

// Departure is what a comparison found.
type Departure struct {
	// Compared tells that both sides have samples enough to say anything: only then
	// does it mean something that a series is not anomalous.
	Compared  bool
	Anomalous bool
	Direction Direction
	// Score is the distance of Window from Baseline in robust standard deviations of
	// the baseline, at most MaxScore. Never negative.
	Score    float64
	Baseline float64 // median of the baseline's samples
	// Window is the median of the samples since Onset that depart; of the whole
	// window where none does.
	Window float64
	Onset  time.Time // of the first departing sample; zero if none
	// New tells that the series has no samples in the baseline, Gone that it has none
	// in the window. Neither can be compared, and neither is called anomalous here.
	New, Gone bool
}

// MaxScore bounds scores, since a baseline that does not vary would make any
// difference infinitely significant.
const MaxScore = 100

// madToSigma makes the median absolute deviation estimate the standard deviation of a
// normal distribution (1 over the normal quantile at 0.75).
const madToSigma = 1.4826

// minSamples is how many samples both sides must have: below it neither a median nor
// a spread means much.
const minSamples = 3

// leastSpread is the least spread that a baseline is credited with, as a share of its
// median: fewer than some thousand observations never pin a quantile down better.
const leastSpread = 0.05

// departing is the share of the window's samples that must depart before the series is
// called anomalous. A single odd sample is noise, while an incident that began late in
// the window fills little of it.
const departing = 0.1

// Compare judges window against baseline. Samples that are NaN, as a quantile is
// without traffic, are left out.
func Compare(baseline, window []sources.Sample, limits Limits) Departure {
	before, now := finite(baseline), finite(window)
	if len(before) == 0 || len(now) == 0 {
		return Departure{
			New: len(before) == 0 && len(now) > 0, Gone: len(now) == 0 && len(before) > 0,
			Baseline: Median(values(before)), Window: Median(values(now)),
		}
	}
	center, spread := usual(before, limits)
	result := Departure{Baseline: center, Window: Median(values(now))}
	if len(before) < minSamples || len(now) < minSamples {
		return result
	}
	up, down := split(now, center, spread, limits)
	result.Compared = true
	// A window with both, such as a spike and the silence after it, is judged by the
	// side with more samples.
	out, direction := up, Up
	if len(down) > len(up) {
		out, direction = down, Down
	}
	if len(out) < 2 || float64(len(out)) < departing*float64(len(now)) {
		result.Score = score(result.Window, center, spread)
		return result
	}
	result.Anomalous = true
	result.Direction = direction
	result.Window = Median(values(out))
	result.Score = score(result.Window, center, spread)
	result.Onset = out[0].Time
	return result
}

// usual is the middle of the baseline's samples and their spread, one robust standard
// deviation.
func usual(before []sources.Sample, limits Limits) (center, spread float64) {
	center = Median(values(before))
	return center, max(madToSigma*mad(values(before), center), leastSpread*math.Abs(center), limits.Delta/limits.Score)
}

// Usual bounds what the baseline makes usual: a sample beyond low or high departs in the
// eyes of Compare, if its direction counts, and none between them does. Both are NaN
// without samples. Where the baseline has nothing below zero, as a duration has not,
// low is not below zero either.
func Usual(baseline []sources.Sample, limits Limits) (low, high float64) {
	before := finite(baseline)
	if len(before) == 0 {
		return math.NaN(), math.NaN()
	}
	center, spread := usual(before, limits)
	low = min(center-limits.Score*spread, center/limits.Ratio)
	high = max(center+limits.Score*spread, center*limits.Ratio)
	if slices.Min(values(before)) >= 0 {
		low = max(low, 0)
	}
	return low, high
}

// split picks the samples that depart, by direction.
func split(samples []sources.Sample, center, spread float64, limits Limits) (up, down []sources.Sample) {
	for _, s := range samples {
		delta := s.Value - center
		if math.Abs(delta) < limits.Delta || math.Abs(delta)/spread < limits.Score {
			continue
		}
		switch {
		case limits.Up && delta > 0 && s.Value >= center*limits.Ratio:
			up = append(up, s)
		case limits.Down && delta < 0 && s.Value <= center/limits.Ratio:
			down = append(down, s)
		}
	}
	return up, down
}

func score(value, center, spread float64) float64 {
	distance := math.Abs(value - center)
	if distance == 0 {
		return 0 // also where nothing varies at all
	}
	return min(MaxScore, distance/spread)
}

// Median of the values; NaN of none. The slice is left as it is.
func Median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	sorted := slices.Clone(v)
	slices.Sort(sorted)
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// mad is the median absolute deviation from center.
func mad(v []float64, center float64) float64 {
	deviations := make([]float64, len(v))
	for i, x := range v {
		deviations[i] = math.Abs(x - center)
	}
	return Median(deviations)
}

func finite(samples []sources.Sample) []sources.Sample {
	kept := make([]sources.Sample, 0, len(samples))
	for _, s := range samples {
		if !math.IsNaN(s.Value) && !math.IsInf(s.Value, 0) {
			kept = append(kept, s)
		}
	}
	return kept
}

func values(samples []sources.Sample) []float64 {
	v := make([]float64, len(samples))
	for i, s := range samples {
		v[i] = s.Value
	}
	return v
}
