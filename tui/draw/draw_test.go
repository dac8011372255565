package draw

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"
	"pgregory.net/rapid"

	"obs/correlate/scale"
	"obs/correlate/survey"
	"obs/sources"
)

var (
	themes = []Theme{NewTheme(true, false), NewTheme(false, false), NewTheme(true, true)}
	plain  = themes[2]
	start  = time.Date(2025, 3, 4, 13, 32, 0, 0, time.UTC)
)

// hostile are pieces of text that break columns, or act on a terminal.
var hostile = []string{
	"checkout", "a", " ", "\x1b[2J", "\x1b]0;owned\x07", "\x1b", "\x9b2J", "\u009b2J", "\t", "\n", "\r\n", "\x00", "\xff",
	"漢字", "支付", "e\u0301", "\u0301", "\u200b", "\ufe0f", "\u20e3", "1\ufe0f\u20e3", "👩\u200d💻", "👩\u200d", "\u200d", "👍🏽", "🏽", "🇩🇪", "🇩", "🇪",
	"\u202e", "ᄀ", "ᅡ", "각", "\u0d4e", "✖", "✖\ufe0f", "❤", "ｱ", "\u3000", "%s", "กำ", "नि", "\u0e33", "…", "│", "\U000e0041",
}

func hostileText() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.Map(rapid.SliceOfN(rapid.SampledFrom(hostile), 0, 8), func(parts []string) string { return strings.Join(parts, "") }),
		rapid.String(),
	)
}

func anyValue() *rapid.Generator[float64] {
	return rapid.OneOf(
		rapid.Float64(), rapid.Float64Range(0, 10),
		rapid.SampledFrom([]float64{0, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, 5e-324, 1e-300, -1}),
	)
}

// exact checks the contract of every piece.
func exact(t interface {
	Helper()
	Errorf(string, ...any)
}, lines []string, width, height int) {
	t.Helper()
	if len(lines) != height {
		t.Errorf("%d lines, want %d", len(lines), height)
	}
	for i, line := range lines {
		// With its styles and without them: a terminal sees neighbors that escape sequences part.
		if got, bare := Width(line), Width(ansi.Strip(line)); got != width || bare != width {
			t.Errorf("line %d is %d cells wide, %d without styles, want %d: %q", i, got, bare, width, line)
		}
		if left := withoutStyles(line); strings.ContainsFunc(left, sources.Acts) {
			t.Errorf("line %d acts on the terminal: %q", i, left)
		}
	}
}

// withoutStyles takes out the sequences that set colors and attributes, and no others.
func withoutStyles(line string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(line, "\x1b[")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		end := strings.IndexFunc(after, func(r rune) bool { return r != ';' && (r < '0' || r > '9') })
		if end < 0 || after[end] != 'm' {
			b.WriteString("\x1b[")
			line = after
			continue
		}
		line = after[end+1:]
	}
}

func anyTime() *rapid.Generator[time.Time] {
	return rapid.OneOf(
		rapid.Map(rapid.Int64Range(-4000, 8000), func(s int64) time.Time { return start.Add(time.Duration(s) * time.Second) }),
		rapid.SampledFrom([]time.Time{{}, start, start.Add(time.Nanosecond), start.AddDate(400, 0, 0), start.AddDate(3, 0, 0), start.Add(50 * time.Hour)}),
	)
}

func TestTextIsAsWideAsAsked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, width := hostileText().Draw(t, "text"), rapid.IntRange(-1, 250).Draw(t, "width")
		exact(t, []string{Pad(s, width), PadLeft(s, width)}, max(width, 0), 2)
		if got := Width(Cut(s, width)); got > max(width, 0) {
			t.Errorf("cut to %d cells, want at most %d", got, width)
		}
		for _, line := range Wrap(s, width) {
			if Width(line) > width {
				t.Errorf("wrapped at %d: %q is %d", width, line, Width(line))
			}
			if strings.ContainsFunc(line, sources.Acts) {
				t.Errorf("acts on a terminal: %q", line)
			}
		}
		values := rapid.SliceOfN(anyValue(), 0, 300).Draw(t, "values")
		split := rapid.IntRange(-1, 301).Draw(t, "split")
		for _, theme := range themes {
			exact(t, []string{Sparkline(values, width), theme.Sparkline(values, split, width, theme.Bad), Bar(anyValue().Draw(t, "share"), width)}, max(width, 0), 3)
		}
	})
}

func TestChartIsAsLargeAsAsked(t *testing.T) {
	kinds := []MarkKind{Onset, Deploy, Restart, Event}
	rapid.Check(t, func(t *rapid.T) {
		samples := rapid.Custom(func(t *rapid.T) sources.Sample {
			return sources.Sample{Time: anyTime().Draw(t, "time"), Value: anyValue().Draw(t, "value")}
		})
		c := Chart{
			From: anyTime().Draw(t, "from"), To: anyTime().Draw(t, "to"),
			Unit:   rapid.SampledFrom([]string{survey.Seconds, survey.Ratio, scale.Bytes, "bytes/s", "requests/s", "", "threads"}).Draw(t, "unit"),
			Series: rapid.SliceOfN(rapid.SliceOfN(samples, 0, 30), 0, 8).Draw(t, "series"),
			Step:   time.Duration(rapid.IntRange(0, 100).Draw(t, "step")) * time.Second,
			Log:    rapid.Bool().Draw(t, "log"),
			Marks: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Mark {
				return Mark{anyTime().Draw(t, "time"), rapid.SampledFrom(kinds).Draw(t, "kind"), hostileText().Draw(t, "label")}
			}), 0, 5).Draw(t, "marks"),
			Points: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Point {
				return Point{anyTime().Draw(t, "time"), anyValue().Draw(t, "value"), rapid.Bool().Draw(t, "chosen")}
			}), 0, 5).Draw(t, "points"),
		}
		if rapid.Bool().Draw(t, "has band") {
			c.Band = &Band{anyTime().Draw(t, "from"), anyTime().Draw(t, "to"), anyValue().Draw(t, "low"), anyValue().Draw(t, "high")}
		}
		width, height := rapid.IntRange(1, 250).Draw(t, "width"), rapid.IntRange(1, 60).Draw(t, "height")
		exact(t, c.Lines(rapid.SampledFrom(themes).Draw(t, "theme"), width, height), width, height)
	})
}

func TestHistogramIsAsLargeAsAsked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		theme := rapid.SampledFrom(themes).Draw(t, "theme")
		h := Histogram{
			Groups: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Group {
				return Group{hostileText().Draw(t, "name"), rapid.SliceOfN(anyValue(), 0, 60).Draw(t, "seconds"), theme.Bad}
			}), 0, 4).Draw(t, "groups"),
			Chosen: anyValue().Draw(t, "chosen"),
		}
		width, height := rapid.IntRange(1, 250).Draw(t, "width"), rapid.IntRange(1, 60).Draw(t, "height")
		exact(t, h.Lines(theme, width, height), width, height)
	})
}

func TestTableIsAsWideAsAsked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		theme := rapid.SampledFrom(themes).Draw(t, "theme")
		cells := rapid.Custom(func(t *rapid.T) Cell {
			var c Cell
			for range rapid.IntRange(0, 3).Draw(t, "parts") {
				c = append(c, Part{hostileText().Draw(t, "text"), rapid.SampledFrom([]Style{theme.Plain, theme.Bad, theme.Dim}).Draw(t, "style")})
			}
			return c
		})
		table := Table{
			Columns: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Column {
				return Column{
					Title: hostileText().Draw(t, "title"), Align: Align(rapid.IntRange(0, 1).Draw(t, "align")), Min: rapid.IntRange(-1, 20).Draw(t, "min"),
					Max: rapid.IntRange(-1, 40).Draw(t, "max"), Priority: rapid.IntRange(0, 3).Draw(t, "priority"), Flex: rapid.Bool().Draw(t, "flex"),
				}
			}), 0, 6).Draw(t, "columns"),
			Rows:     rapid.SliceOfN(rapid.SliceOfN(cells, 0, 7), 0, 6).Draw(t, "rows"),
			Selected: rapid.IntRange(-1, 7).Draw(t, "selected"),
			Top:      rapid.IntRange(-1, 8).Draw(t, "top"), Height: rapid.IntRange(0, 10).Draw(t, "height"),
		}
		width := rapid.IntRange(1, 250).Draw(t, "width")
		height := table.Height
		if height == 0 {
			height = len(table.Rows) + 1
		}
		exact(t, table.Lines(theme, width), width, height)
	})
}

// incident is a baseline of half an hour and a window of half an hour, in which
// durations rise at 14:11:20.
func incident() Chart {
	onset := start.Add(39*time.Minute + 20*time.Second)
	var p95, other []sources.Sample
	for i := range 121 {
		at := start.Add(time.Duration(i) * 30 * time.Second)
		v := 0.2 + 0.03*math.Sin(float64(i)) + 0.02*math.Sin(float64(i*i))
		other = append(other, sources.Sample{Time: at, Value: v + 0.3})
		if at.After(onset) {
			v = 3.8 - 3.6*math.Exp(-at.Sub(onset).Minutes()/2) + 0.2*math.Sin(float64(i))
		}
		if i > 20 && i < 30 {
			v = math.NaN() // the server was away
		}
		p95 = append(p95, sources.Sample{Time: at, Value: v})
	}
	return Chart{
		From: start, To: start.Add(time.Hour), Unit: survey.Seconds, Step: 30 * time.Second,
		Series: [][]sources.Sample{p95, other},
		Band:   &Band{start, start.Add(30 * time.Minute), 0.15, 0.26},
		Marks: []Mark{
			{onset, Onset, "onset 14:11:20"}, {start.Add(38 * time.Minute), Deploy, "payment v1.8.3 (3 of 6 pods)"},
			{start.Add(58 * time.Minute), Restart, "payment-7f9c restarted"},
		},
		Points: []Point{{start.Add(45 * time.Minute), 4.4, false}, {start.Add(49 * time.Minute), 3.9, true}, {start.Add(52 * time.Minute), 31, false}},
	}
}

// requests are slow and normal requests.
func requests() Histogram {
	var slow, normal []float64
	for i := range 60 {
		slow = append(slow, 3.2+1.1*math.Sin(float64(i)))
	}
	for i := range 200 {
		normal = append(normal, 0.15*math.Exp(0.8*math.Sin(float64(i*i))))
	}
	return Histogram{Groups: []Group{{"slow 60", slow, plain.Bad}, {"normal 200", normal, plain.Plain}}, Chosen: 4.11}
}

func services(theme Theme) Table {
	row := func(level Level, name, rate, p95 string, values []float64, suspect string) []Cell {
		return []Cell{
			{{level.Sign(), theme.Level(level)}, {" " + name, theme.Plain}}, Text(rate, theme.Plain), Text(p95, theme.Level(level)),
			Text(Sparkline(values, 15), theme.Plain), Text(suspect, theme.Plain),
		}
	}
	up := []float64{1, 1, 1, 1.2, 1, 1, 1, 1, 1, 1, 1, 6, 8, 8, 8}
	return Table{
		Columns: []Column{
			{Title: "  SERVICE", Min: 10, Priority: 9}, {Title: "RATE/s", Align: Right, Priority: 3}, {Title: "P95", Align: Right, Priority: 8},
			{Title: "LAST HOUR (p95)", Min: 15, Priority: 2}, {Title: "SUSPECT", Min: 12, Priority: 5, Flex: true},
		},
		Rows: [][]Cell{
			row(Bad, "checkout", "38.2", "4.02 s", up, "victim of payment, which takes 88 % of the time of its requests in authorize"),
			row(Bad, "payment", "37.9", "3.80 s", up, "1  0.93"),
			row(Watch, "支付网关", "52.0", "4.1 s", up, "victim of checkout"),
			row(Healthy, "cafe\u0301 👩\u200d💻", "310", "9 ms", []float64{2, 1, 2, 1, 2, 1, 2}, ""),
			row(Unknown, "evil\x1b[2J\n", "", "", nil, "?"),
		},
		Selected: 1,
	}
}

func TestDrawings(t *testing.T) {
	for name, size := range map[string][2]int{"80x20": {80, 20}, "120x30": {120, 30}, "40x8": {40, 8}} {
		width, height := size[0], size[1]
		t.Run(name, func(t *testing.T) {
			check := func(name string, lines []string) {
				t.Run(name, func(t *testing.T) {
					exact(t, lines, width, len(lines))
					golden.RequireEqual(t, strings.Join(lines, "\n")+"\n")
				})
			}
			check("chart", incident().Lines(plain, width, height))
			if height == 8 {
				return // what is small is a matter of the chart
			}
			check("histogram", requests().Lines(plain, width, height))
			check("table", services(plain).Lines(plain, width))
		})
	}
	t.Run("colors", func(t *testing.T) {
		golden.RequireEqual(t, strings.Join(services(themes[0]).Lines(themes[0], 80), "\n")+"\n")
	})
}
