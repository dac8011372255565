package anomaly

import (
	"math"
	"slices"
	"time"

	"obs/sources"
)

const (
	day = 24 * time.Hour
	// Weeks is how many weeks of the past a creep is looked for in. Four hold each day of the
	// week four times, and are less than servers commonly keep.
	Weeks = 4
	// leastDays is how many samples a trend must rest on: with fewer than a week's the days of
	// the week decide, and not even eight that all rise have a chance above chanceOfRise.
	leastDays = 8
	// chanceOfRise is the largest p value of a trend that counts. Thousands of series are
	// looked at, of which it lets some pass: what else is asked of a creep is not chance's.
	chanceOfRise = 0.001
	// lasting is the share of the days that must be above the same day a week before. A step
	// lifts the seven days behind it; of the others chance lifts half.
	lasting = 0.8
	// beyond is how many robust standard deviations noise takes a sample away from where it
	// belongs, at 95 %.
	beyond = 2
)

// Growth is how a series has grown.
type Growth struct {
	From       time.Time // of the sample it is counted from, a week before the last one at least
	Start, Now float64   // the samples then and at last
	// PerDay is its present pace: a seventh of the median by which the last seven days are above
	// the same days a week before.
	PerDay float64
	// Score is the distance of Now from Start in robust standard deviations around the trend,
	// at most MaxScore.
	Score float64
}

// Creep reports whether a series has grown for a week or more, slowly and until its last
// sample, by as much as limits ask between its first and its last. It wants one sample a day,
// in order of time and each at the same time of day, so that the pattern of a day is not in
// them. A creep is not:
//
//   - the pattern of a week: nearly each day is above the same day a week before;
//   - a step, or a single bad day: a line fits better than two levels with a jump between;
//   - a saw, as a leak makes whose process is restarted: the last sample is above all that was
//     a week ago and before, but for one bad day;
//   - noise: the trend is not chance, and the growth stands out from what is around it;
//   - more of the same: load, a sample a day of the work that comes in, has not grown by the
//     same factor. Nil where that is not known, or where the series does not follow load.
//
// Of several spans that end with the last sample the longest that fits is told.
func Creep(daily, load []sources.Sample, limits Limits) (Growth, bool) {
	all := finite(daily)
	if len(all) < leastDays {
		return Growth{}, false
	}
	for weeks := Weeks; weeks > 0; weeks-- {
		from := all[len(all)-1].Time.Add(-time.Duration(weeks) * 7 * day)
		if g, ok := creepSince(all, load, from, limits); ok {
			return g, true
		}
	}
	return Growth{}, false
}

// creepSince judges the samples from a moment on.
func creepSince(all, load []sources.Sample, from time.Time, limits Limits) (Growth, bool) {
	first := slices.IndexFunc(all, func(s sources.Sample) bool { return !s.Time.Before(from) })
	samples := all[first:]
	start, now := samples[0], samples[len(samples)-1]
	if len(samples) < leastDays || now.Time.Sub(start.Time) < 7*day || !limits.risen(start.Value, now.Value) {
		return Growth{}, false
	}
	trend, more := lineThrough(samples), grown(load, start.Time)
	if !limits.risen(trend.at(start.Time)*more, trend.at(now.Time)) || !limits.risen(start.Value*more, now.Value) {
		return Growth{}, false
	}
	if Rising(values(samples)) > chanceOfRise || !risesByWeek(samples) || stepped(samples, trend) {
		return Growth{}, false
	}
	noise := madToSigma * mad(trend.off(samples), 0)
	if now.Value <= usedToBe(all, now.Time)+beyond*noise || now.Value < samples[len(samples)-2].Value-beyond*noise {
		return Growth{}, false
	}
	g := Growth{From: start.Time, Start: start.Value, Now: now.Value, PerDay: pace(samples)}
	g.Score = score(now.Value, start.Value, max(noise, leastSpread*math.Abs(Median(values(samples))), limits.Delta/limits.Score))
	return g, g.Score >= limits.Score && g.PerDay > 0
}

// risen reports whether a rise from one value to another is as large as the limits ask.
func (l Limits) risen(from, to float64) bool {
	return to > from && to-from >= l.Delta && to >= from*l.Ratio
}

// line is a trend: a value at a moment, and how much more there is a day later.
type line struct {
	origin time.Time
	value  float64
	perDay float64
}

func days(d time.Duration) float64 { return d.Hours() / 24 }

func (l line) at(t time.Time) float64 { return l.value + l.perDay*days(t.Sub(l.origin)) }

// off is how far each sample is from the line.
func (l line) off(samples []sources.Sample) []float64 {
	far := make([]float64, len(samples))
	for i, s := range samples {
		far[i] = s.Value - l.at(s.Time)
	}
	return far
}

// lineThrough is the line with the median of the slopes between all pairs of samples (Sen,
// "Estimates of the Regression Coefficient Based on Kendall's Tau", 1968): up to 29 % of them
// may be anywhere. Flat through fewer than two samples.
func lineThrough(samples []sources.Sample) line {
	l := line{origin: samples[0].Time}
	var slopes []float64
	for i, a := range samples {
		for _, b := range samples[i+1:] {
			if apart := b.Time.Sub(a.Time); apart > 0 {
				slopes = append(slopes, (b.Value-a.Value)/days(apart))
			}
		}
	}
	if len(slopes) > 0 {
		l.perDay = Median(slopes)
	}
	l.value = Median(l.off(samples))
	return l
}

// byWeek is how far the samples from a moment on are above those of a week before, where
// there are such.
func byWeek(samples []sources.Sample, from time.Time) []float64 {
	known := make(map[int64]float64, len(samples))
	dayOf := func(t time.Time) int64 { return int64(math.Round(days(t.Sub(samples[0].Time)))) }
	for _, s := range samples {
		known[dayOf(s.Time)] = s.Value
	}
	var above []float64
	for _, s := range samples {
		if before, ok := known[dayOf(s.Time)-7]; ok && !s.Time.Before(from) {
			above = append(above, s.Value-before)
		}
	}
	return above
}

// risesByWeek reports whether nearly all samples are above those of a week before.
func risesByWeek(samples []sources.Sample) bool {
	all := byWeek(samples, samples[0].Time)
	above := len(all)
	for _, d := range all {
		if d <= 0 {
			above--
		}
	}
	return above > 0 && float64(above) >= lasting*float64(len(all))
}

// pace is how much a series grows in a day by now; NaN where no day of the last week can be
// compared.
func pace(samples []sources.Sample) float64 {
	lastWeek := samples[len(samples)-1].Time.Add(-7*day + day/2)
	return Median(byWeek(samples, lastWeek)) / 7
}

// stepped reports whether two levels with a jump between them fit at least as well as the line.
func stepped(samples []sources.Sample, trend line) bool {
	v := values(samples)
	byLine := distance(trend.off(samples), 0)
	for i := 1; i < len(v); i++ {
		if distance(v[:i], Median(v[:i]))+distance(v[i:], Median(v[i:])) <= byLine {
			return true
		}
	}
	return false
}

// distance is how far values are from a center altogether.
func distance(v []float64, center float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += math.Abs(x - center)
	}
	return sum
}

// usedToBe is the most that a series was a week before a moment or earlier, but for one day.
func usedToBe(all []sources.Sample, now time.Time) float64 {
	most, second := math.Inf(-1), math.Inf(-1)
	for _, s := range all {
		switch {
		case now.Sub(s.Time) < 7*day:
		case s.Value > most:
			most, second = s.Value, most
		default:
			second = max(second, s.Value)
		}
	}
	if math.IsInf(second, -1) {
		return most
	}
	return second
}

// grown is by what factor load has grown since a moment; 1 where it has not, or where too
// little is known of it.
func grown(load []sources.Sample, since time.Time) float64 {
	kept := slices.DeleteFunc(finite(load), func(s sources.Sample) bool { return s.Time.Before(since) })
	if len(kept) < leastDays {
		return 1
	}
	trend := lineThrough(kept)
	// A line may begin below what there ever was.
	start := max(trend.at(kept[0].Time), slices.Min(values(kept)))
	end := trend.at(kept[len(kept)-1].Time)
	if start <= 0 || end <= start {
		return 1
	}
	return end / start
}
