package draw

import (
	"math"
	"slices"
	"time"

	"obs/correlate/scale"
	"obs/sources"
)

// Chart is values over time as lines, with what happened marked in them.
type Chart struct {
	// From and To are the ends of the axis of times.
	From, To time.Time
	// Unit is survey.Seconds, survey.Ratio, scale.Bytes, a rate such as "requests/s", or empty.
	Unit string
	// Series are the lines, the most important one first, which is drawn over the others.
	// Those after the sixth are left out. Samples are in the order of time; one that is
	// NaN or infinite parts its line.
	Series [][]sources.Sample
	// Step is the distance at which samples were asked for. Where more than 2.5 of it
	// lie between two samples they are not joined; 0 joins all.
	Step   time.Duration
	Band   *Band
	Marks  []Mark
	Points []Point
	// Log asks for a logarithmic scale, for values that differ by more than a hundredfold.
	Log bool
}

// Band is the range in which values lay in the baseline. It is filled from From to To,
// where it was measured, and continued with dots to the end of the chart, where it is
// what was to be expected.
type Band struct {
	From, To  time.Time
	Low, High float64
}

// MarkKind is what happened at a mark.
type MarkKind int

// The kinds of marks, in the order in which they are given room.
const (
	Onset MarkKind = iota
	Deploy
	Restart
	Event
)

// Sign is the mark's sign at the axis and before its label.
func (k MarkKind) Sign() string {
	switch k {
	case Onset:
		return "▼"
	case Deploy:
		return "◈"
	case Restart:
		return "↻"
	}
	return "•"
}

func (k MarkKind) style(theme Theme) Style {
	switch k {
	case Onset:
		return theme.Bad
	case Deploy:
		return theme.Accent
	}
	return theme.Plain
}

// Mark is a moment, drawn as an upright line.
type Mark struct {
	Time  time.Time
	Kind  MarkKind
	Label string
}

// Point is a single observation, such as an exemplar: ◇, and ◆ when it is the chosen
// one. Beyond the top of the chart it is ↑ in the highest line.
type Point struct {
	Time   time.Time
	Value  float64
	Chosen bool
}

// longestGap is how many steps may lie between two samples that are joined: one sample
// may be missing, and its neighbors may be half a step off.
const longestGap = 2.5

// pointRoom is up to how many times the highest value of the lines the scale takes
// points in. Points are single requests, of which some lie above any quantile; with
// twice the height the lines keep half of the chart, and a stray one cannot press them
// to the ground.
const pointRoom = 2

// Below these sizes a chart has no axis.
const (
	leastAxisWidth  = 24
	leastAxisHeight = 4
	leastMarkHeight = 7  // of a chart that has a line of labels for its marks
	twoMarkLines    = 16 // and of one that has two
)

// tickLines is how many lines of a chart there are to a step of its scale.
const tickLines = 3

// plot is a chart while it is drawn.
type plot struct {
	Chart
	theme         Theme
	canvas        *canvas
	scale         scale.Scale
	span          time.Duration // from From to To
	left          int           // the column in which the lines begin
	width, height int           // of the part with the lines
}

// Lines draws the chart: exactly height lines, each exactly width cells wide.
func (c Chart) Lines(theme Theme, width, height int) []string {
	if width < 1 || height < 1 {
		return nil
	}
	c.Series = c.Series[:min(len(c.Series), maxSeries)]
	low, high, least, found := c.extent()
	if !found || !c.To.After(c.From) {
		return remark(theme, "no data", width, height)
	}
	p := &plot{Chart: c, theme: theme, canvas: newCanvas(width, height), span: c.To.Sub(c.From), width: width, height: height}
	markLines := 0
	if height >= leastAxisHeight && width >= leastAxisWidth {
		markLines = p.markLines(height)
		p.height -= 2 + markLines
	}
	if c.Log {
		low = least
	}
	p.scale = scale.New(low, high, c.Unit, max(p.height/tickLines, 2), c.Log)
	if p.height < height {
		p.valueAxis()
		p.timeAxis()
	}
	p.band()
	p.marks(markLines)
	p.lines()
	p.points()
	return p.canvas.lines()
}

// extent is the range of what is to be drawn, and the least value above 0, which is
// where a logarithmic scale begins.
func (c *Chart) extent() (low, high, least float64, found bool) {
	low, high, least = math.Inf(1), math.Inf(-1), math.Inf(1)
	add := func(v float64) {
		low, high = min(low, v), max(high, v)
		if v > 0 {
			least = min(least, v)
		}
	}
	for _, series := range c.Series {
		for i := range series {
			// What lies within the extent already changes nothing, wherever it is in time.
			s := &series[i]
			if known := s.Value >= low && s.Value <= high && s.Value >= least; !known && finite(s.Value) && c.inSight(s.Time) {
				add(s.Value)
			}
		}
	}
	lines := high
	for _, p := range c.Points {
		if finite(p.Value) && c.inSight(p.Time) && (lines <= 0 || p.Value <= pointRoom*lines) {
			add(p.Value)
		}
	}
	found = !math.IsInf(high, -1)
	if b := c.Band; found && b != nil && finite(b.Low) && finite(b.High) {
		add(b.Low)
		add(b.High)
	}
	return low, high, least, found
}

func (c *Chart) inSight(t time.Time) bool { return !t.Before(c.From) && !t.After(c.To) }

// across is where a moment lies in n columns.
func (p *plot) across(t time.Time, n int) int { return p.along(t.Sub(p.From), n) }

// along is where the moment lies that is so long after the beginning.
func (p *plot) along(since time.Duration, n int) int {
	share := float64(since) / float64(p.span)
	return min(max(int(share*float64(n)), 0), n-1)
}

// down is where a value lies in n rows, counted from the top. What lies beyond the
// scale is at its end.
func (p *plot) down(v float64, n int) int {
	share := min(max(p.scale.Share(v), 0), 1)
	return min(int((1-share)*float64(n)), n-1)
}

// valueAxis draws the axis at the left, with its labels, where there is room for it.
func (p *plot) valueAxis() {
	wide := 0
	for _, t := range p.scale.Ticks {
		wide = max(wide, Width(t.Label))
	}
	p.left = wide + 2
	p.width -= p.left
	axis := p.canvas.pen(p.theme.Dim)
	for y := range p.height {
		p.canvas.set(p.left-1, y, '│', axis)
	}
	for i, t := range p.scale.Ticks {
		y, sign := p.down(t.Value, p.height), '┤'
		if i == 0 {
			y, sign = p.height, '└' // the line between the axes, on which the lowest value stands
		}
		p.canvas.text(0, y, PadLeft(t.Label, wide), wide, axis)
		p.canvas.set(p.left-1, y, sign, axis)
	}
}

// timeAxis draws the axis at the bottom, with its labels.
func (p *plot) timeAxis() {
	axis := p.canvas.pen(p.theme.Dim)
	for x := range p.width {
		p.canvas.set(p.left+x, p.height, '─', axis)
	}
	free := 0
	for _, t := range scale.Times(p.From, p.To, p.width) {
		x := p.left + p.across(t.At, p.width)
		p.canvas.set(x, p.height, '┴', axis)
		start := min(x-len(t.Label)/2, p.left+p.width-len(t.Label))
		if start < free {
			continue
		}
		p.canvas.text(start, p.height+1, t.Label, len(t.Label), axis)
		free = start + len(t.Label) + 1
	}
}

// band fills the expected range.
func (p *plot) band() {
	b := p.Band
	if b == nil || !finite(b.Low) || !finite(b.High) || b.High < b.Low {
		return
	}
	pen := p.canvas.pen(p.theme.Band)
	top, bottom := p.down(b.High, p.height), p.down(b.Low, p.height)
	for x := range p.width {
		at := p.From.Add(time.Duration((float64(x) + 0.5) / float64(p.width) * float64(p.span)))
		fill := '·'
		switch {
		case at.Before(b.From):
			continue
		case at.Before(b.To):
			fill = '░'
		}
		for y := top; y <= bottom; y++ {
			p.canvas.set(p.left+x, y, fill, pen)
		}
	}
}

// markLines is how many lines the labels of marks take.
func (p *plot) markLines(height int) int {
	n := 0
	for _, m := range p.Marks {
		if p.inSight(m.Time) {
			n++
		}
	}
	switch {
	case n == 0 || height < leastMarkHeight:
		return 0
	case n == 1 || height < twoMarkLines:
		return 1
	}
	return 2
}

// marks draws the upright lines, and as many labels as have room in the given number of
// lines beneath the axis.
func (p *plot) marks(lines int) {
	marks := slices.DeleteFunc(slices.Clone(p.Marks), func(m Mark) bool { return !p.inSight(m.Time) })
	slices.SortStableFunc(marks, func(a, b Mark) int {
		if a.Kind != b.Kind {
			return int(a.Kind) - int(b.Kind)
		}
		return a.Time.Compare(b.Time)
	})
	// Backwards, so that the sign that matters most is on top.
	for _, m := range slices.Backward(marks) {
		x, pen := p.left+p.across(m.Time, p.width), p.canvas.pen(m.Kind.style(p.theme))
		stroke := '┊'
		if m.Kind == Onset {
			stroke = '│'
		}
		for y := range p.height {
			p.canvas.set(x, y, stroke, pen)
		}
		if p.height < p.canvas.height {
			p.canvas.text(x, p.height, m.Kind.Sign(), 1, pen)
		}
	}
	taken := make([][]bool, lines)
	for i := range taken {
		taken[i] = make([]bool, p.canvas.width)
	}
	for _, m := range marks {
		p.markLabel(m, taken)
	}
}

// leastLabel is how many cells a label is cut to at least: a sign, a space, and enough
// of a word to be recognized.
const leastLabel = 6

// markLabel writes a label where it fits as a whole, or else as much of it as fits.
func (p *plot) markLabel(m Mark, taken [][]bool) {
	text, wide := cut(m.Kind.Sign()+" "+m.Label, p.canvas.width)
	x := p.left + p.across(m.Time, p.width)
	whole := min(x, p.canvas.width-wide) // moved to the left where the chart ends
	best, room, start := -1, 0, x
	for i, line := range taken {
		if free(line, whole, wide) >= wide {
			best, room, start = i, wide, whole
			break
		}
		if n := free(line, x, wide); n > room {
			best, room = i, n
		}
	}
	if room < min(leastLabel, wide) {
		return // its sign at the axis must do
	}
	p.canvas.text(start, p.height+2+best, text, room, p.canvas.pen(m.Kind.style(p.theme)))
	for i := max(start-1, 0); i <= min(start+room, p.canvas.width-1); i++ {
		taken[best][i] = true // with a space at either side
	}
}

// free is how many cells from start on are not taken, up to n.
func free(line []bool, start, n int) int {
	for i := range n {
		if start+i >= len(line) || line[start+i] {
			return i
		}
	}
	return n
}

// lines draws the series.
func (p *plot) lines() {
	d := newDots(p.width, p.height)
	type end struct{ x, y int }
	ends := make([]end, len(p.Series))
	for i, series := range slices.Backward(p.Series) { // the first one on top
		ends[i] = end{-1, -1}
		if x, y, drawn := p.trace(d, series, uint8(i+1)); drawn {
			ends[i] = end{x / 2, y / 4}
		}
	}
	var pens [maxSeries + 1]uint8
	for i := range p.Series {
		pens[i+1] = p.canvas.pen(p.theme.Series[i])
	}
	d.draw(p.canvas, p.left, pens[:])
	if len(p.Series) < 2 {
		return
	}
	taken := map[end]bool{}
	for i, at := range ends {
		for taken[at] && at.x > 0 {
			at.x--
		}
		if at.x >= 0 && !taken[at] {
			p.canvas.text(p.left+at.x, at.y, SeriesSign(i), 1, pens[i+1])
			taken[at] = true
		}
	}
}

// trace draws one line in dots, and returns where it ends.
func (p *plot) trace(d *dots, series []sources.Sample, owner uint8) (x, y int, drawn bool) {
	gap := time.Duration(float64(p.Step) * longestGap)
	joined := false
	var before time.Duration
	for i := range series {
		s := &series[i]
		since := s.Time.Sub(p.From)
		if since < 0 || since > p.span || !finite(s.Value) {
			joined = false
			continue
		}
		nextX, nextY := p.along(since, 2*p.width), p.down(s.Value, 4*p.height)
		if joined && since >= before && (p.Step <= 0 || since-before <= gap) {
			d.join(x, y, nextX, nextY, owner)
		} else {
			d.span(nextX, nextY, nextY, owner)
		}
		x, y, drawn = nextX, nextY, true
		before, joined = since, true
	}
	return x, y, drawn
}

// points draws the observations, the chosen one over the others.
func (p *plot) points() {
	for _, chosen := range [...]bool{false, true} {
		sign, style := '◇', p.theme.Strong
		if chosen {
			sign, style = '◆', p.theme.Accent
		}
		pen := p.canvas.pen(style)
		for _, at := range p.Points {
			if at.Chosen != chosen || !finite(at.Value) || !p.inSight(at.Time) {
				continue
			}
			r := sign
			if p.scale.Share(at.Value) > 1 {
				r = '↑'
			}
			p.canvas.set(p.left+p.across(at.Time, p.width), p.down(at.Value, p.height), r, pen)
		}
	}
}
