package draw

import (
	"math"

	"obs/correlate/scale"
	"obs/correlate/survey"
)

// Histogram is how long requests took, in groups that are compared, such as slow and
// normal ones: a block of bars for each group over one axis. The axis is logarithmic,
// as durations spread over orders of magnitude.
type Histogram struct {
	Groups []Group
	// Chosen is the duration in seconds whose bucket is marked with ▼; 0 is none.
	Chosen float64
}

// Group is a set of durations, in seconds.
type Group struct {
	Name    string
	Seconds []float64
	Style   Style
}

// leastDuration stands for durations of 0 and less, which a logarithmic axis has no
// place for: clocks that measure requests tell no less than a microsecond.
const leastDuration = 1e-6

// leastBuckets keeps the shape of a few traces in sight.
const leastBuckets = 8

// Lines draws the histogram: exactly height lines, each exactly width cells wide. Bars
// are shares of their own group, on one scale, since groups differ in size.
func (h Histogram) Lines(theme Theme, width, height int) []string {
	if width < 1 || height < 1 {
		return nil
	}
	low, high, most := h.extent()
	if most == 0 {
		return remark(theme, "no data", width, height)
	}
	c := newCanvas(width, height)
	left := 0
	if width >= leastAxisWidth {
		left = h.margin(width)
	}
	rows := height
	axis, mark := height >= leastAxisHeight, height > leastAxisHeight && h.Chosen > 0 && finite(h.Chosen)
	if axis {
		rows -= 2
	}
	top := 0
	if mark {
		rows--
		top = 1
	}
	groups := h.Groups[:min(len(h.Groups), rows)] // a line for each at least
	b := newBuckets(low, high, most, width-left)
	counted, highest := b.shares(groups)
	for i, g := range groups {
		// Lines that are left over go to the first groups.
		tall := (rows - i + len(groups) - 1) / len(groups)
		h.block(c, theme, g, counted[i], highest, b, left, top, tall)
		top += tall
	}
	if axis {
		b.axis(c, left, top, c.pen(theme.Dim))
	}
	if mark {
		c.set(left+b.column(h.Chosen)+b.wide/2, 0, '▼', c.pen(theme.Accent))
	}
	return c.lines()
}

// extent is the range of the durations, with the chosen one, and how many there are in
// the largest group.
func (h Histogram) extent() (low, high float64, most int) {
	low, high = math.Inf(1), math.Inf(-1)
	add := func(v float64) { low, high = min(low, v), max(high, v) }
	for _, g := range h.Groups {
		n := 0
		for _, v := range g.Seconds {
			if finite(v) {
				add(bounded(v))
				n++
			}
		}
		most = max(most, n)
	}
	if most > 0 && h.Chosen > 0 && finite(h.Chosen) {
		add(bounded(h.Chosen))
	}
	return low, high, most
}

func bounded(v float64) float64 { return min(max(v, leastDuration), scale.Farthest) }

// margin is how wide the names of groups are, with a space.
func (h Histogram) margin(width int) int {
	wide := len("100 %")
	for _, g := range h.Groups {
		wide = max(wide, textWidth(g.Name, width/4))
	}
	return wide + 1
}

// buckets divide a range of durations into equal parts of its logarithm.
type buckets struct {
	low, high float64 // logarithms, to base 10
	n         int
	wide      int // cells of each
}

// newBuckets takes the square root of the number of durations for the number of
// buckets, the usual rule when nothing is known of their distribution.
func newBuckets(low, high float64, most, width int) buckets {
	b := buckets{low: math.Log10(low), high: math.Log10(high)}
	if b.high-b.low < math.Log10(2) { // else a single duration would span the whole axis
		middle := (b.low + b.high) / 2
		b.low, b.high = middle-math.Log10(2)/2, middle+math.Log10(2)/2
	}
	b.n = min(max(int(math.Ceil(math.Sqrt(float64(most)))), leastBuckets), width)
	b.wide = width / b.n
	b.n = width / b.wide // no room is left over
	return b
}

// index is the bucket of a duration.
func (b buckets) index(seconds float64) int {
	share := (math.Log10(bounded(seconds)) - b.low) / (b.high - b.low)
	return min(max(int(share*float64(b.n)), 0), b.n-1)
}

// column is the first cell of a duration's bucket.
func (b buckets) column(seconds float64) int { return b.index(seconds) * b.wide }

// shares are what part of each group is in each bucket, and the largest of them all.
func (b buckets) shares(groups []Group) (all [][]float64, highest float64) {
	for _, g := range groups {
		shares, n := make([]float64, b.n), 0.0
		for _, v := range g.Seconds {
			if finite(v) {
				shares[b.index(v)]++
				n++
			}
		}
		for i := range shares {
			shares[i] /= max(n, 1)
			highest = max(highest, shares[i])
		}
		all = append(all, shares)
	}
	return all, highest
}

// block draws the bars of a group into some lines, with its name at the left, and what
// its highest line stands for beneath that.
func (h Histogram) block(c *canvas, theme Theme, g Group, shares []float64, highest float64, b buckets, left, top, tall int) {
	dim, pen := c.pen(theme.Dim), c.pen(g.Style)
	c.text(0, top, PadLeft(g.Name, left-1), left-1, pen)
	if tall > 1 {
		c.text(0, top+1, PadLeft(scale.Label(highest, 0.01, highest, survey.Ratio), left-1), left-1, dim)
	}
	bar := max(b.wide-1, 1) // a cell between bars, where there is one
	for i, share := range shares {
		eighths := int(math.Round(share / highest * float64(8*tall)))
		if share > 0 {
			eighths = max(eighths, 1)
		}
		for y := top + tall - 1; y >= top && eighths > 0; y-- {
			r := scale.Levels[min(eighths, 8)-1]
			for x := range bar {
				c.set(left+i*b.wide+x, y, r, pen)
			}
			eighths -= 8
		}
	}
}

// axis draws the durations beneath the bars: 1, 2 and 5 times each power of ten, as far
// as there is room for their labels.
func (b buckets) axis(c *canvas, left, y int, pen uint8) {
	width := b.n * b.wide
	for x := range c.width - left {
		c.set(left+x, y, '─', pen)
	}
	place := func(times float64, taken []bool) {
		for power := int(math.Floor(b.low)); power <= int(math.Ceil(b.high)); power++ {
			v := times * math.Pow10(power)
			share := (math.Log10(v) - b.low) / (b.high - b.low)
			if share < 0 || share >= 1 {
				continue
			}
			x := left + int(share*float64(width))
			text := scale.Label(v, v, v, survey.Seconds)
			wide := Width(text)
			start := min(max(x-wide/2, 0), c.width-wide)
			if start < 0 || free(taken, max(start-1, 0), wide+1) < wide+1 {
				continue
			}
			c.set(x, y, '┴', pen)
			c.text(start, y+1, text, wide, pen)
			for i := start; i <= min(start+wide, c.width-1); i++ {
				taken[i] = true
			}
		}
	}
	taken := make([]bool, c.width+1)
	for _, times := range [...]float64{1, 5, 2} {
		place(times, taken)
	}
}
