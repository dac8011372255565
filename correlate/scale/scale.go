// Package scale places values and moments on the axes of a chart, whatever it is drawn with:
// where a scale begins and ends, and what is written at it.
package scale

import (
	"math"
	"strconv"
	"strings"
	"time"

	"obs/correlate/survey"
)

// Bytes is the unit of sizes. The other units are survey's; one that ends in "/s" is a
// rate, and of any other only the number is shown.
const Bytes = "bytes"

// Levels are bars of text: an eighth of a cell, two eighths and so on, to the whole of it.
var Levels = [...]rune{'▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'}

// Scale maps values to the height of a chart.
type Scale struct {
	Low, High float64
	Ticks     []Tick
	log       bool
}

// Tick is a value that is written at an axis.
type Tick struct {
	Value float64
	Label string
}

// Farthest bounds what is drawn to scale, so that no sum of bounds overflows. No
// measured quantity comes near it.
const Farthest = 1e300

// leastRange is what a scale spans at least; below it numbers lose their precision.
const leastRange = 1e-290

// New spans low to high, with about so many steps. A linear scale takes 0 in; a
// logarithmic one whole powers of ten, and both must be above 0.
func New(low, high float64, unit string, steps int, log bool) Scale {
	low, high = max(low, -Farthest), min(high, Farthest)
	steps = max(steps, 1)
	if log && low > leastRange && high >= low {
		return logScale(low, high, unit, steps)
	}
	low, high = min(low, 0), max(high, 0)
	if high-low < leastRange {
		high = low + 1
	}
	step := niceStep((high-low)/float64(steps), unit)
	// A rounding error is no reason for one more step.
	from, to := math.Floor(low/step+1e-9), math.Ceil(high/step-1e-9)
	s := Scale{Low: min(from*step, low), High: max(to*step, high)}
	top := max(math.Abs(s.Low), math.Abs(s.High))
	for i := from; i <= to; i++ {
		s.Ticks = append(s.Ticks, Tick{i * step, Label(i*step, step, top, unit)})
	}
	return s
}

func logScale(low, high float64, unit string, steps int) Scale {
	from, to := int(math.Floor(math.Log10(low))), int(math.Ceil(math.Log10(high)))
	to = max(to, from+1)
	s := Scale{Low: math.Pow10(from), High: math.Pow10(to), log: true}
	every := max((to-from+steps-1)/steps, 1)
	for i := from; i <= to; i += every {
		v := math.Pow10(i)
		s.Ticks = append(s.Ticks, Tick{v, Label(v, v, v, unit)})
	}
	return s
}

// Share is how high a value stands, 0 at the bottom and 1 at the top. It may lie beyond
// either.
func (s Scale) Share(v float64) float64 {
	if !s.log {
		return (v - s.Low) / (s.High - s.Low)
	}
	if v <= 0 {
		return 0
	}
	low := math.Log10(s.Low)
	return (math.Log10(v) - low) / (math.Log10(s.High) - low)
}

// clockSteps are the steps, in seconds, in which people divide minutes, hours and days.
var clockSteps = [...]float64{30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400}

// niceStep is the next step up that people count in: 1, 2 or 5 times a power of ten,
// parts of minutes and hours for long durations, powers of two for sizes.
func niceStep(raw float64, unit string) float64 {
	switch base, _ := strings.CutSuffix(unit, "/s"); {
	case unit == survey.Seconds && raw > 20 && raw <= clockSteps[len(clockSteps)-1]:
		for _, step := range clockSteps {
			if raw <= step {
				return step
			}
		}
	case base == Bytes && raw >= 1:
		return math.Exp2(math.Ceil(math.Log2(raw)))
	}
	power := math.Pow10(int(math.Floor(math.Log10(raw))))
	for _, times := range [...]float64{1, 2, 5} {
		if raw <= times*power*(1+1e-9) {
			return times * power
		}
	}
	return 10 * power
}

// prefix is a part of a unit, or a multiple of it.
type prefix struct {
	size float64
	name string
}

var (
	durations = []prefix{{1, " s"}, {1e-3, " ms"}, {1e-6, " µs"}, {1e-9, " ns"}}
	sizes     = []prefix{{1 << 50, " PiB"}, {1 << 40, " TiB"}, {1 << 30, " GiB"}, {1 << 20, " MiB"}, {1 << 10, " KiB"}, {1, " B"}}
	counts    = []prefix{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {1, ""}}
)

// Label writes the value of a tick: with the digits that tell steps apart, and in the
// prefix that suits the top of the scale, so that all labels of an axis have the same.
func Label(v, step, top float64, unit string) string {
	base, rate := strings.CutSuffix(unit, "/s")
	switch {
	case unit == survey.Seconds && step >= 30 && math.Mod(step, 30) == 0 && math.Abs(v) < 1e9:
		return clockLabel(v)
	case unit == survey.Seconds:
		return prefixed(v, step, top, durations)
	case unit == survey.Ratio:
		return prefixed(v*100, step*100, top*100, nil) + " %"
	case base == Bytes && rate:
		return prefixed(v, step, top, sizes) + "/s"
	case base == Bytes:
		return prefixed(v, step, top, sizes)
	case rate:
		return prefixed(v, step, top, counts) + " /s"
	}
	return prefixed(v, step, top, counts)
}

// prefixed writes v in the largest prefix that top reaches.
func prefixed(v, step, top float64, known []prefix) string {
	chosen := prefix{1, ""}
	for _, p := range known {
		chosen = p
		if top >= p.size*(1-1e-9) {
			break
		}
	}
	v, step, top = v/chosen.size, step/chosen.size, top/chosen.size
	if top >= 1e6 || top < 1e-4 {
		return strconv.FormatFloat(v, 'g', 3, 64) + chosen.name
	}
	digits := 0
	for s := step; digits < 8 && math.Abs(s-math.Round(s)) > 1e-6*s; s *= 10 {
		digits++
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + chosen.name
}

// clockLabel writes a long duration: 90 s as 1m30s, a day and a half as 36h.
func clockLabel(seconds float64) string {
	if seconds == 0 {
		return "0 s"
	}
	text := (time.Duration(seconds) * time.Second).String()
	text = strings.TrimSuffix(text, "m0s") // 5m0s and 1h0m0s
	switch {
	case strings.HasSuffix(text, "s"):
		return text
	case strings.HasSuffix(text, "h0"):
		return strings.TrimSuffix(text, "0")
	}
	return text + "m"
}

// timeSteps are the steps of an axis of times, as clocks divide them.
var timeSteps = [...]time.Duration{
	time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	day, 2 * day, 7 * day, 28 * day, 91 * day, 364 * day,
}

const day = 24 * time.Hour

// Moment is a moment that is written at an axis.
type Moment struct {
	At    time.Time
	Label string
}

// Times are moments between from and to, in UTC, whose labels have room when the
// whole is as wide as so many letters.
func Times(from, to time.Time, width int) []Moment {
	span := to.Sub(from)
	const between = 3 // letters from the end of one label to the next
	for _, step := range timeSteps {
		form := timeForm(step, span)
		apart := float64(step) / float64(span) * float64(width)
		if apart < float64(len(form)+between) {
			continue
		}
		var ticks []Moment
		for at := from.UTC().Truncate(step); !at.After(to); at = at.Add(step) {
			if at.Before(from) {
				continue
			}
			text := at.Format(form)
			if step < day && span > day && at.Equal(at.Truncate(day)) {
				text = at.Format(dateForm)
			}
			ticks = append(ticks, Moment{at, text})
		}
		return ticks
	}
	return nil
}

const dateForm = "01-02"

// timeForm is how moments are written that are a step apart.
func timeForm(step, span time.Duration) string {
	switch {
	case step >= day && span > 364*day:
		return "2006-01-02"
	case step >= day:
		return dateForm
	case step >= time.Minute:
		return "15:04"
	case step >= time.Second:
		return "15:04:05"
	}
	return "15:04:05.000"
}
