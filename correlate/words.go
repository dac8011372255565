package correlate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"obs/correlate/anomaly"
	"obs/correlate/survey"
)

// measure is what an anomaly's series measures, in words.
func measure(a *Anomaly) string {
	what := a.Metric
	switch survey.Signal(a.Signal) {
	case survey.Latency:
		what = fmt.Sprintf("p%.0f", survey.Quantile*100)
		if a.Guessed {
			what = "latency (" + a.Metric + ")"
		}
	case survey.Errors:
		what = "error ratio"
		if a.Guessed {
			what = a.Metric
		}
	case survey.Traffic:
		what = "request rate"
		if a.Guessed {
			what = a.Metric
		}
	}
	return what
}

// describe says an anomaly in one sentence.
func describe(a *Anomaly) string {
	if a.Creep != nil {
		return describeCreep(a)
	}
	subject := a.Service
	if a.Operation != "" {
		subject += " " + a.Operation
	}
	verb := "went from"
	switch anomaly.Direction(a.Direction) {
	case anomaly.Up:
		verb = "rose from"
	case anomaly.Down:
		verb = "fell from"
	}
	text := fmt.Sprintf("%s %s %s %s to %s", subject, measure(a), verb, Quantity(a.BaselineValue, a.Unit), Quantity(a.WindowValue, a.Unit))
	if factor := Factor(a.BaselineValue, a.WindowValue); factor != "" {
		text += " (" + factor + ")"
	}
	if !a.Onset.IsZero() {
		text += " since " + Clock(a.Onset)
	}
	return text
}

// describeCreep says a creep in one sentence.
func describeCreep(a *Anomaly) string {
	c := a.Creep
	what := measure(a)
	is := "is " + Quantity(a.WindowValue, a.Unit)
	if c.Resource != "" {
		what, is = c.Resource, is+" of its limit"
	}
	past := []string{Quantity(a.BaselineValue, a.Unit) + " " + Ago(c.Days)}
	if c.WeekAgo != nil && c.Days > 7 {
		past = append(past, Quantity(*c.WeekAgo, a.Unit)+" "+Ago(7))
	}
	if c.DayAgo != nil {
		past = append(past, Quantity(*c.DayAgo, a.Unit)+" "+Ago(1))
	}
	perDay := Quantity(c.PerDay, a.Unit)
	if a.Unit == survey.Ratio {
		perDay = significant(c.PerDay*100) + " percentage points"
	}
	text := fmt.Sprintf("%s: %s %s; it was %s: it grows by %s a day", a.Service, what, is, strings.Join(past, ", "), perDay)
	if c.DaysLeft == nil {
		return text
	}
	switch left := *c.DaysLeft; {
	case a.WindowValue >= 1:
		text += ", and nothing is left"
	case left < 1:
		text += ", and reaches the limit within a day"
	case left <= creepSpan.Hours()/24: // what is farther than was looked back is no forecast
		text += ", and reaches the limit in about " + counted(int(math.Round(left)), "day")
	}
	return text
}

// Ago says a number of days: "a week ago", "12 days ago".
func Ago(days int) string {
	switch days {
	case 1:
		return "a day ago"
	case 7:
		return "a week ago"
	case 14:
		return "two weeks ago"
	case 21:
		return "three weeks ago"
	case 28:
		return "four weeks ago"
	}
	return strconv.Itoa(days) + " days ago"
}

// Factor says how many times larger or smaller a value became: "5.2x", or nothing
// where the ratio says little.
func Factor(from, to float64) string {
	if from <= 0 || to <= 0 {
		return ""
	}
	ratio := to / from
	switch {
	case ratio >= 1e5:
		return ">99999x" // from next to nothing
	case ratio >= 10:
		return fmt.Sprintf("%.0fx", ratio)
	case ratio >= 1.1:
		return fmt.Sprintf("%.1fx", ratio)
	case ratio <= 0.9:
		return fmt.Sprintf("%.2gx", ratio)
	}
	return ""
}

// Quantity renders a value in its unit as a person would write it: three significant
// digits, seconds as 4.02 s, 12.5 ms or 3m20s, ratios as percent.
func Quantity(value float64, unit string) string {
	if math.IsNaN(value) {
		return "nothing"
	}
	switch unit {
	case survey.Seconds:
		return Seconds(value)
	case survey.Ratio:
		return significant(value*100) + " %"
	case "":
		return significant(value)
	}
	return significant(value) + " " + unit
}

// Seconds renders a duration in seconds.
func Seconds(s float64) string {
	size := math.Abs(rounded(s))
	switch {
	case math.IsNaN(s):
		return "nothing"
	case size == 0:
		return "0 s"
	case size < 1e-3:
		return significant(s*1e6) + " µs"
	case size < 1:
		return significant(s*1e3) + " ms"
	case size < 100:
		return significant(s) + " s"
	case size < math.MaxInt64/float64(time.Second):
		return time.Duration(s * float64(time.Second)).Round(time.Second).String()
	}
	return strconv.FormatFloat(s, 'g', 3, 64) + " s" // centuries: some clock is wrong
}

// Clock renders a moment of the day, in UTC.
func Clock(t time.Time) string { return t.UTC().Format("15:04:05") }

// rounded keeps three significant digits.
func rounded(v float64) float64 {
	kept, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', 2, 64), 64)
	if err != nil {
		return v // rounding went beyond what a number can hold
	}
	return kept
}

func significant(v float64) string {
	switch size := math.Abs(rounded(v)); {
	case size == 0:
		return "0"
	case size >= 1e15:
		return strconv.FormatFloat(v, 'g', 3, 64)
	case size >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case size >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case size >= 0.01:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

// counted renders a number with its noun: "1 trace", "4 traces", "2 anomalies", "3 days".
func counted(n int, noun string) string {
	if n != 1 && noun != "series" {
		if stem, ok := strings.CutSuffix(noun, "y"); ok && !strings.HasSuffix(stem, "a") {
			noun = stem + "ies"
		} else {
			noun += "s"
		}
	}
	return strconv.Itoa(n) + " " + noun
}
