package draw

import (
	"image/color"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/sources"
)

func TestCutAndPad(t *testing.T) {
	for _, test := range []struct {
		text      string
		width     int
		pad, left string
	}{
		{"checkout", 10, "checkout  ", "  checkout"},
		{"checkout", 5, "chec…", "chec…"},
		{"支付网关", 5, "支付…", "支付…"},
		{"支付网关", 4, "支… ", " 支…"},
		{"a\x1b[2J", 8, `a\x1b[2J`, `a\x1b[2J`},
		{"\ufe0fa", 3, "a  ", "  a"},
		{"x", 0, "", ""},
	} {
		if got := Pad(test.text, test.width); got != test.pad {
			t.Errorf("%q in %d: %q, want %q", test.text, test.width, got, test.pad)
		}
		if got := PadLeft(test.text, test.width); got != test.left {
			t.Errorf("%q in %d, to the right: %q, want %q", test.text, test.width, got, test.left)
		}
	}
}

// What is taken for simple must be as wide as it is when measured, beside any other text.
func TestSimpleCharacters(t *testing.T) {
	n := 0
	for r := rune(0); r < 0x30000; r++ {
		if !isSimple(r) {
			continue
		}
		n++
		for _, text := range []string{string(r), "漢" + string(r), string(r) + "漢", "a" + string(r) + "a"} {
			if got, want := Width(text), Width(strings.Replace(text, string(r), "x", 1)); got != want {
				t.Errorf("%q is %d cells wide, want %d", text, got, want)
			}
		}
	}
	if n < 95 {
		t.Errorf("only %d characters are simple", n)
	}
}

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		text  string
		width int
		want  []string
	}{
		{"timeout calling provider", 16, []string{"timeout calling", "provider"}},
		{"id 4bf92f3577b34da6 failed", 8, []string{"id", "4bf92f35", "77b34da6", "failed"}},
		{"支付网关", 5, []string{"支付", "网关"}},
		{"", 5, []string{""}},
		{"a", 0, nil},
	} {
		if got := Wrap(test.text, test.width); !slices.Equal(got, test.want) {
			t.Errorf("%q at %d: %q, want %q", test.text, test.width, got, test.want)
		}
	}
}

func TestSparkline(t *testing.T) {
	nan := math.NaN()
	for _, test := range []struct {
		name   string
		values []float64
		width  int
		want   string
	}{
		{"from 0", []float64{0, 1, 2, 3, 4, 5, 6, 7}, 8, "▁▂▃▄▅▆▇█"},
		{"the highest of each part", []float64{0, 8, 0, 0, 0, 4}, 3, "█▁▅"},
		{"fewer values than cells", []float64{0, 8}, 4, "▁▁██"},
		{"all the same", []float64{5, 5, 5}, 3, "▁▁▁"},
		{"hardly varying", []float64{10, 11, 10, 9}, 4, "▃▃▃▃"},
		{"too small to halve", []float64{0, 5e-324}, 2, "▁▁"},
		{"a gap", []float64{1, nan, 8}, 3, "▂ █"},
		{"below 0", []float64{-8, 0, 8}, 3, "▁▅█"},
		{"without end", []float64{1, math.Inf(1), 2}, 3, "▃█▆"},
		{"nothing", nil, 3, "   "},
		{"no room", []float64{1}, 0, ""},
	} {
		if got := Sparkline(test.values, test.width); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	theme := NewTheme(true, false)
	got := theme.Sparkline([]float64{1, 1, 1, 8}, 3, 4, theme.Bad)
	if want := theme.Dim.Render("▂▂▂") + theme.Bad.Render("█"); got != want {
		t.Errorf("baseline and window: %q, want %q", got, want)
	}
	if got := theme.Sparkline([]float64{1, 8}, 1, 1, theme.Bad); Width(got) != 1 {
		t.Errorf("in one cell: %q", got)
	}
}

func TestBar(t *testing.T) {
	for share, want := range map[float64]string{0: "    ", 1: "████", 0.5: "██  ", 0.53125: "██▏ ", 1e-9: "▏   ", 7: "████", -1: "    "} {
		if got := Bar(share, 4); got != want {
			t.Errorf("%v: %q, want %q", share, got, want)
		}
	}
}

// drawnColumns are the columns of a chart without axes in which there are dots.
func drawnColumns(c Chart, width int) string {
	columns := []rune(strings.Repeat(".", width))
	for _, line := range c.Lines(plain, width, 3) {
		for x, r := range []rune(line) {
			if r > brailleBlank && r <= brailleBlank+0xff {
				columns[x] = '#'
			}
		}
	}
	return string(columns)
}

func TestGaps(t *testing.T) {
	at := func(minute, value float64) sources.Sample {
		return sources.Sample{Time: start.Add(time.Duration(minute * float64(time.Minute))), Value: value}
	}
	for _, test := range []struct {
		name    string
		samples []sources.Sample
		step    time.Duration
		want    string
	}{
		{"joined", []sources.Sample{at(0, 1), at(5, 2), at(10, 1)}, 0, "##########"},
		{"two and a half steps", []sources.Sample{at(0, 1), at(5, 2), at(10, 1)}, 2 * time.Minute, "##########"},
		{"more", []sources.Sample{at(0, 1), at(5, 2), at(10, 1)}, 119 * time.Second, "#....#...#"},
		{"NaN", []sources.Sample{at(0, 1), at(2, 2), at(4, math.NaN()), at(7, 1), at(9, 1)}, 0, "###....###"},
		{"beyond the ends", []sources.Sample{at(-5, 1), at(4, 2), at(6, 2), at(15, 1)}, 0, "....###..."},
	} {
		c := Chart{From: start, To: start.Add(10 * time.Minute), Series: [][]sources.Sample{test.samples}, Step: test.step}
		if got := drawnColumns(c, 10); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestEmptyDrawings(t *testing.T) {
	never := Chart{From: start, To: start.Add(time.Hour), Series: [][]sources.Sample{{{Time: start, Value: math.NaN()}}}}
	backwards := incident()
	backwards.To = backwards.From
	for name, lines := range map[string][]string{
		"chart": never.Lines(plain, 20, 5), "backwards": backwards.Lines(plain, 20, 5), "histogram": Histogram{}.Lines(plain, 20, 5),
	} {
		exact(t, lines, 20, 5)
		if got := strings.TrimSpace(lines[2]); got != "no data" {
			t.Errorf("%s: %q in the middle", name, got)
		}
	}
}

func TestPointsBeyondTheTop(t *testing.T) {
	c := incident()
	lines := c.Lines(plain, 80, 20)
	if !strings.Contains(lines[0], "↑") || strings.Contains(lines[0], "◇") {
		t.Errorf("the point at 31 s: %q", lines[0])
	}
	if !strings.HasPrefix(strings.TrimSpace(lines[0]), "5 s") {
		t.Errorf("a point far above the lines moves the scale: %q", lines[0])
	}
	if got := strings.Count(strings.Join(lines, ""), "◆"); got != 1 {
		t.Errorf("%d chosen points", got)
	}
}

func TestColumnsGoByPriority(t *testing.T) {
	table := services(plain)
	for width, want := range map[int]string{
		120: "SERVICE RATE/s P95 LAST HOUR (p95) SUSPECT", 70: "SERVICE RATE/s P95 LAST HOUR (p95) SUSPECT",
		52: "SERVICE RATE/s P95 SUSPECT", 36: "SERVICE P95 SUSPECT", 28: "SERVICE P95", 18: "SERVICE",
	} {
		if got := strings.Join(strings.Fields(table.Lines(plain, width)[0]), " "); got != want {
			t.Errorf("at %d: %q, want %q", width, got, want)
		}
	}
	table.Top, table.Height = 3, 4
	lines := table.Lines(plain, 80)
	exact(t, lines, 80, 4)
	if !strings.Contains(lines[1], "cafe") || strings.TrimSpace(lines[3]) != "" {
		t.Errorf("from the fourth row on: %q", lines)
	}
}

func TestThemes(t *testing.T) {
	bare := NewTheme(true, true)
	for name, s := range map[string]Style{"healthy": bare.Healthy, "watch": bare.Watch, "bad": bare.Bad, "dim": bare.Dim, "band": bare.Band, "first series": bare.Series[0]} {
		if got := s.Render("x"); got != "x" {
			t.Errorf("without colors %s is %q", name, got)
		}
	}
	if got := bare.Selected.Render("x"); got != "\x1b[7mx\x1b[m" {
		t.Errorf("without colors what is selected is %q", got)
	}
	for level, want := range map[Level]string{Healthy: "\x1b[32m●\x1b[m", Watch: "\x1b[33m▲\x1b[m", Bad: "\x1b[31m✖\x1b[m", Unknown: "\x1b[2m?\x1b[m"} {
		if got := NewTheme(true, false).Sign(level); got != want {
			t.Errorf("level %d: %q, want %q", level, got, want)
		}
	}
}

// luminance is the relative luminance of a color by WCAG 2.
func luminance(c color.Color) float64 {
	linear := func(v uint32) float64 {
		s := float64(v) / 0xffff
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	r, g, b, _ := c.RGBA()
	return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
}

func TestSeriesCanBeRead(t *testing.T) {
	for _, dark := range []bool{true, false} {
		background := 1.0 // white
		if dark {
			background = luminance(color.Gray{0x1e})
		}
		for i, c := range seriesColors(dark) {
			own := luminance(c)
			if contrast := (max(own, background) + 0.05) / (min(own, background) + 0.05); contrast < 4.5 {
				t.Errorf("dark %v: series %d has a contrast of %.1f", dark, i, contrast)
			}
		}
	}
}

// busy is a chart as full as it gets.
func busy() Chart {
	c := incident()
	c.Series, c.Step = nil, 3600*time.Millisecond
	for s := range maxSeries {
		var samples []sources.Sample
		for i := range 1000 {
			v := 2 + float64(s) + 2*math.Sin(float64(i*i+s))
			samples = append(samples, sources.Sample{Time: start.Add(time.Duration(i) * c.Step), Value: v})
		}
		c.Series = append(c.Series, samples)
	}
	return c
}

func BenchmarkChart(b *testing.B) {
	c, theme := busy(), NewTheme(true, false)
	b.ReportAllocs()
	for b.Loop() {
		c.Lines(theme, 200, 50)
	}
}

func BenchmarkHistogram(b *testing.B) {
	h, theme := requests(), NewTheme(true, false)
	b.ReportAllocs()
	for b.Loop() {
		h.Lines(theme, 200, 50)
	}
}

func BenchmarkTable(b *testing.B) {
	theme := NewTheme(true, false)
	table := services(theme)
	for len(table.Rows) < 1000 {
		table.Rows = append(table.Rows, table.Rows[:5]...)
	}
	table.Height = 50
	b.ReportAllocs()
	for b.Loop() {
		table.Lines(theme, 200)
	}
}

func BenchmarkSparkline(b *testing.B) {
	theme := NewTheme(true, false)
	var values []float64
	for i := range 240 {
		values = append(values, math.Sin(float64(i))+1)
	}
	b.ReportAllocs()
	for b.Loop() {
		theme.Sparkline(values, 120, 20, theme.Bad)
	}
}
