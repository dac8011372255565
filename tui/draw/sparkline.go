package draw

import (
	"math"
	"strings"

	"obs/correlate/scale"
)

// Sparkline draws values, oldest first, as bars in exactly width cells. A cell shows
// the highest of the values that fall to it, and with fewer values than cells each
// takes several. NaN is a space. The scale begins at 0, or at the lowest value where
// that is negative, and goes up to three times the middle value at least; values that are
// all the same are low bars.
func Sparkline(values []float64, width int) string {
	if width < 1 {
		return ""
	}
	return string(scale.Bars(scale.Resampled(values, width)))
}

// Sparkline draws values of which the first split belong to the baseline, which is
// dim, and the others to the window, in the style given. Both have one scale.
func (t Theme) Sparkline(values []float64, split, width int, window Style) string {
	if width < 1 {
		return ""
	}
	split = min(max(split, 0), len(values))
	head := 0 // cells of the baseline
	if len(values) > 0 {
		head = int(math.Round(float64(split) / float64(len(values)) * float64(width)))
	}
	if width > 1 && split > 0 && split < len(values) {
		head = min(max(head, 1), width-1) // both are there to be seen
	}
	drawn := scale.Bars(append(scale.Resampled(values[:split], head), scale.Resampled(values[split:], width-head)...))
	return t.Dim.Render(string(drawn[:head])) + window.Render(string(drawn[head:]))
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// eighths are the left parts of a cell, from none to seven eighths.
var eighths = [...]string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}

// Bar draws a share, 0 to 1, as a horizontal bar in exactly width cells, to an eighth of
// a cell. A share above 0 is at least an eighth; NaN is blank.
func Bar(share float64, width int) string {
	if width < 1 {
		return ""
	}
	if math.IsNaN(share) {
		return blank(width)
	}
	share = min(max(share, 0), 1)
	parts := int(math.Round(share * float64(width) * 8))
	if share > 0 {
		parts = max(parts, 1)
	}
	whole, rest := parts/8, eighths[parts%8]
	used := whole
	if rest != "" {
		used++
	}
	return strings.Repeat("█", whole) + rest + blank(width-used)
}
