package draw

import (
	"math"
	"slices"
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
	return string(bars(resampled(values, width)))
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
	drawn := bars(append(resampled(values[:split], head), resampled(values[split:], width-head)...))
	return t.Dim.Render(string(drawn[:head])) + window.Render(string(drawn[head:]))
}

// resampled is the highest value of each of n parts; NaN where there is none.
func resampled(values []float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
		from := i * len(values) / n
		to := max((i+1)*len(values)/n, from+1)
		for _, v := range values[from:min(to, len(values))] {
			if math.IsNaN(out[i]) || v > out[i] {
				out[i] = v
			}
		}
	}
	return out
}

// headroom is how many times the middle value the scale goes up to at least, so that what
// hardly varies is a low line, and what triples stands out.
const headroom = 3

// middle is the median of the finite values, of an even number the lower one.
func middle(values []float64) float64 {
	sorted := slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return !finite(v) })
	if len(sorted) == 0 {
		return 0
	}
	slices.Sort(sorted)
	return sorted[(len(sorted)-1)/2]
}

// bars are the levels of values on one scale.
func bars(values []float64) []rune {
	low, high := extent(values)
	flat := low == high
	if low > 0 {
		high = max(high, headroom*middle(values))
	}
	low = min(low, 0)
	out := make([]rune, len(values))
	for i, v := range values {
		switch {
		case math.IsNaN(v):
			out[i] = ' '
		case math.IsInf(v, 1):
			out[i] = scale.Levels[len(scale.Levels)-1]
		case flat || math.IsInf(v, -1):
			out[i] = scale.Levels[0]
		default:
			// Halves, since the whole range may be more than a number can hold.
			share := (v/2 - low/2) / (high/2 - low/2)
			if math.IsNaN(share) {
				share = 0 // of a range too small to be halved
			}
			out[i] = scale.Levels[min(int(share*float64(len(scale.Levels))), len(scale.Levels)-1)]
		}
	}
	return out
}

// extent is the lowest and the highest of the finite values, 0 and 0 without any.
func extent(values []float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if finite(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	if low > high {
		return 0, 0
	}
	return low, high
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
