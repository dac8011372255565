package report

import (
	"strings"
	"time"

	"obs/correlate"
	"obs/sources"
)

// historyWidth is how wide each side of an anomaly's sparkline is: a table with one still fits
// a page.
const historyWidth = 18

// history draws an anomaly's series in blocks, the baseline before a bar and the window behind
// it, or the weeks of a creep; empty where the case does not keep it. A gap is a point, since
// Markdown makes one space of several.
func history(c *correlate.Case, a *correlate.Anomaly) string {
	samples := samplesOf(a)
	var text string
	switch {
	case len(samples) == 0:
		return ""
	case a.Creep != nil || c.Baseline == nil:
		values := columns(samples, creepTime(samples), historyWidth)
		text = drawn(values, highestOf(values))
	default:
		text = sparkline(samples, *c.Baseline, c.Window, historyWidth)
	}
	return strings.ReplaceAll(text, " ", "·")
}

// creepTime is the time of samples, the first included.
func creepTime(samples []sources.Sample) sources.Window {
	return sources.Window{From: samples[0].Time.Add(-time.Nanosecond), To: samples[len(samples)-1].Time}
}

// samplesOf are all that a case keeps of an anomaly's series, oldest first.
func samplesOf(a *correlate.Anomaly) []sources.Sample {
	var samples []sources.Sample
	for i := range a.Series {
		samples = append(samples, a.Series[i].Samples()...)
	}
	return samples
}
