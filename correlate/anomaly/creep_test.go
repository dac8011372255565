package anomaly_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"obs/correlate/anomaly"
	"obs/sources"
)

const days = 29 // of four weeks, both ends counted

// daily is a sample a day, from so many days ago on until today.
func daily(n int, value func(day int) float64) []sources.Sample {
	all := make([]sources.Sample, n)
	for i := range all {
		all[i] = sources.Sample{Time: start.AddDate(0, 0, i-n+1), Value: value(i)}
	}
	return all
}

var (
	ofLimit = anomaly.Limits{Ratio: 1.5, Delta: 0.1, Score: 4, Up: true}
	slower  = anomaly.Limits{Ratio: 1.5, Delta: 0.005, Score: 4, Up: true}
)

// noise is up to so much around 1, the same for the same day.
func noise(by float64) func(day int) float64 {
	r := rand.New(rand.NewPCG(1, 2))
	known := map[int]float64{}
	return func(day int) float64 {
		if _, ok := known[day]; !ok {
			known[day] = 1 + by*(2*r.Float64()-1)
		}
		return known[day]
	}
}

func TestCreep(t *testing.T) {
	nan := math.NaN()
	little := noise(0.05)
	leak := func(day int) float64 { return 0.31 + 0.02*float64(day) }
	weekend := func(day int) bool { return day%7 >= 5 }
	tests := []struct {
		name     string
		samples  []sources.Sample
		load     []sources.Sample
		limits   anomaly.Limits
		creeps   bool
		from     int     // days ago, where it creeps
		perDay   float64 // the same
		tolerate float64 // of perDay
	}{
		{name: "a leak", limits: ofLimit, samples: daily(days, leak), creeps: true, from: 28, perDay: 0.02, tolerate: 1e-9},
		{
			name: "a leak with noise", limits: ofLimit, creeps: true, from: 28, perDay: 0.02, tolerate: 0.003,
			samples: daily(days, func(d int) float64 { return leak(d) * little(d) }),
		},
		{name: "a leak of eight days on a young server", limits: ofLimit, samples: daily(8, func(d int) float64 { return 0.3 + 0.05*float64(d) }), creeps: true, from: 7, perDay: 0.05, tolerate: 1e-9},
		{name: "a week is not long enough", limits: ofLimit, samples: daily(7, func(d int) float64 { return 0.3 + 0.05*float64(d) })},
		{
			name: "3 % a day", limits: slower, creeps: true, from: 28, perDay: 0.011, tolerate: 0.002,
			samples: daily(days, func(d int) float64 { return 0.2 * math.Pow(1.03, float64(d)) * little(d) }),
		},
		{
			name: "10 % a day, most of it in the last days", limits: slower, creeps: true, from: 28, perDay: 0.045, tolerate: 0.01,
			samples: daily(days, func(d int) float64 { return 0.05 * math.Pow(1.1, float64(d)) * little(d) }),
		},
		{
			name: "it began two weeks ago", limits: ofLimit, creeps: true, from: 21, perDay: 0.03, tolerate: 0.005,
			samples: daily(days, func(d int) float64 { return (0.3 + 0.03*max(0, float64(d-14))) * (1 + (little(d)-1)/5) }),
		},
		{
			name: "days without data", limits: ofLimit, creeps: true, from: 28, perDay: 0.02, tolerate: 1e-9,
			samples: daily(days, func(d int) float64 {
				if d%3 == 2 {
					return nan
				}
				return leak(d)
			}),
		},
		{
			name: "a leak beneath the pattern of the week", limits: ofLimit, creeps: true, from: 28, perDay: 0.02, tolerate: 0.004,
			samples: daily(days, func(d int) float64 {
				if weekend(d + 6) { // today is none
					return leak(d) * 0.9
				}
				return leak(d)
			}),
		},
		{name: "the same every day", limits: ofLimit, samples: daily(days, func(int) float64 { return 0.5 })},
		{name: "too little to matter", limits: ofLimit, samples: daily(days, func(d int) float64 { return 0.5 + 0.003*float64(d) })},
		{name: "noise", limits: slower, samples: daily(days, noise(0.9))},
		{name: "a step today", limits: ofLimit, samples: daily(days, func(d int) float64 { return 0.3*little(d) + 0.5*float64(d/28) })},
		{name: "a step yesterday", limits: ofLimit, samples: daily(days, func(d int) float64 { return 0.3*little(d) + 0.5*float64(d/27) })},
		{name: "a step two weeks ago", limits: ofLimit, samples: daily(days, func(d int) float64 { return 0.3*little(d) + 0.5*float64(d/14%2+d/28) })},
		{name: "a single bad day", limits: ofLimit, samples: daily(days, func(d int) float64 { return 0.3*little(d) + 0.6*float64(d/20%2-d/21%2) })},
		{
			name: "weekdays after a weekend", limits: slower,
			samples: daily(12, func(d int) float64 {
				if d < 2 || d == 7 || d == 8 {
					return 0.1
				}
				return 0.3
			}),
		},
		{name: "a saw of a week", limits: ofLimit, samples: daily(days, func(d int) float64 { return 0.3 + 0.08*float64(d%7) })},
		{name: "a saw of ten days, at its top", limits: ofLimit, samples: daily(days, func(d int) float64 { return 0.3 + 0.06*float64((d+1)%10) })},
		{name: "a leak that was stopped this morning", limits: ofLimit, samples: daily(days, func(d int) float64 { return leak(d) - 0.5*float64(d/28) })},
		{name: "it falls", limits: ofLimit, samples: daily(days, func(d int) float64 { return leak(28 - d) })},
		{
			name: "it follows the load", limits: ofLimit,
			samples: daily(days, leak), load: daily(days, func(d int) float64 { return 1000 * leak(d) * little(d) }),
		},
		{
			name: "it grows faster than the load", limits: ofLimit, creeps: true, from: 28, perDay: 0.02, tolerate: 1e-9,
			samples: daily(days, leak), load: daily(days, func(d int) float64 { return 1000 + 10*float64(d) }),
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, ok := anomaly.Creep(test.samples, test.load, test.limits)
			if ok != test.creeps {
				t.Fatalf("creeps: %t: %+v", ok, got)
			}
			if !ok {
				return
			}
			if ago := start.Sub(got.From); ago != time.Duration(test.from)*24*time.Hour {
				t.Errorf("since %s, want %d days", ago, test.from)
			}
			if math.Abs(got.PerDay-test.perDay) > test.tolerate {
				t.Errorf("%g a day, want %g", got.PerDay, test.perDay)
			}
			if got.Now != test.samples[len(test.samples)-1].Value || got.Start >= got.Now || got.Score < test.limits.Score || got.Score > anomaly.MaxScore {
				t.Errorf("%+v", got)
			}
		})
	}
	if _, ok := anomaly.Creep(nil, nil, ofLimit); ok {
		t.Error("nothing creeps")
	}
}

// What has a shape of its own is no creep, whatever its size and however noisy.
func TestWhatIsNoCreep(t *testing.T) {
	shapes := map[string]func(t *rapid.T) func(day int) float64{
		"a step": func(t *rapid.T) func(int) float64 {
			at, by := rapid.IntRange(1, days-1).Draw(t, "at"), rapid.Float64Range(0, 5).Draw(t, "by")
			return func(d int) float64 {
				if d >= at {
					return 1 + by
				}
				return 1
			}
		},
		"a week": func(t *rapid.T) func(int) float64 {
			pattern := rapid.SliceOfN(rapid.Float64Range(1, 10), 7, 7).Draw(t, "week")
			return func(d int) float64 { return pattern[d%7] }
		},
		"a saw": func(t *rapid.T) func(int) float64 {
			// At least two teeth are in the data, with their tops.
			period, phase := rapid.IntRange(2, 13).Draw(t, "period"), rapid.IntRange(0, 13).Draw(t, "phase")
			return func(d int) float64 { return 1 + float64((d+phase)%period) }
		},
		"a fall": func(t *rapid.T) func(int) float64 {
			by := rapid.Float64Range(0, 0.03).Draw(t, "by")
			return func(d int) float64 { return 1 - by*float64(d) }
		},
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				value := shape(t)
				around := rapid.SliceOfN(rapid.Float64Range(-0.02, 0.02), days, days).Draw(t, "noise")
				times := rapid.Float64Range(1e-3, 1e6).Draw(t, "times")
				n := rapid.IntRange(1, days).Draw(t, "days")
				samples := daily(days, func(d int) float64 { return times * value(d) * (1 + around[d]) })[days-n:]
				if name == "a saw" {
					samples = daily(days, func(d int) float64 { return times * value(d) })
				}
				if g, ok := anomaly.Creep(samples, nil, anomaly.Limits{Ratio: 1.5, Score: 4, Up: true}); ok {
					t.Fatalf("%+v", g)
				}
			})
		})
	}
}

// A line that grows enough creeps, in any unit, and whatever a few days hold.
func TestWhatCreeps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.Float64Range(0.1, 10).Draw(t, "from")
		perDay := from * rapid.Float64Range(0.04, 0.2).Draw(t, "share a day")
		times := rapid.Float64Range(1e-3, 1e6).Draw(t, "times")
		n := rapid.IntRange(20, days).Draw(t, "days")
		odd := rapid.IntRange(2, n-10).Draw(t, "odd day")
		line := func(d int) float64 { return times * (from + perDay*float64(d)) }
		limits := anomaly.Limits{Ratio: 1.5, Score: 4, Up: true}
		g, ok := anomaly.Creep(daily(n, line), nil, limits)
		if !ok || math.Abs(g.PerDay-times*perDay) > 1e-6*times*perDay || g.Start != line(0) || g.Now != line(n-1) {
			t.Fatalf("creeps: %t: %+v", ok, g)
		}
		if g, ok := anomaly.Creep(daily(n, func(d int) float64 {
			if d == odd {
				return 3 * line(d)
			}
			return line(d)
		}), nil, limits); !ok || math.Abs(g.PerDay-times*perDay) > 0.1*times*perDay {
			t.Fatalf("with an odd day it creeps: %t: %+v", ok, g)
		}
		if _, ok := anomaly.Creep(daily(n, line), daily(n, line), limits); ok {
			t.Fatal("it creeps although it follows the load")
		}
	})
}

func TestRising(t *testing.T) {
	tests := []struct {
		name     string
		values   []float64
		from, to float64
	}{
		{"eight that rise", []float64{1, 2, 3, 4, 5, 6, 7, 8}, 1e-4, 1e-3},
		{"eight that fall", []float64{8, 7, 6, 5, 4, 3, 2, 1}, 0.999, 1},
		{"there and back", []float64{1, 2, 3, 4, 4, 3, 2, 1}, 0.4, 0.6},
		{"all alike", []float64{3, 3, 3, 3, 3}, 1, 1},
		{"one", []float64{3}, 1, 1},
		{"none", nil, 1, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if p := anomaly.Rising(test.values); p < test.from || p > test.to {
				t.Errorf("%v, want %v to %v", p, test.from, test.to)
			}
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SliceOf(rapid.Float64Range(-10, 10)).Draw(t, "values")
		p := anomaly.Rising(v)
		if !(p >= 0 && p <= 1) {
			t.Fatalf("%v is no probability", p)
		}
		turned := make([]float64, len(v))
		for i := range v {
			turned[i] = -v[i]
		}
		if len(v) > 1 && anomaly.Rising(turned) < 0.5 && p < 0.5 {
			t.Fatalf("%v rises and falls", v)
		}
	})
}
