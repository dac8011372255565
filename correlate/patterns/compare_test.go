package patterns

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)

// some are n lines of one statement, a second apart.
func some(n int, service, severity, text string) []Line {
	lines := make([]Line, n)
	for i := range lines {
		lines[i] = Line{Time: start.Add(time.Duration(i) * time.Second), Service: service, Severity: severity, Text: text}
	}
	return lines
}

func weighted(lines []Line, weight float64) []Line {
	for i := range lines {
		lines[i].Weight = weight
	}
	return lines
}

func hour(lines ...[]Line) Side { return Side{Lines: slices.Concat(lines...), Duration: time.Hour} }

func served(requests float64, lines ...[]Line) Side {
	s := hour(lines...)
	s.Requests = map[string]float64{"": requests}
	return s
}

func TestCompareKinds(t *testing.T) {
	text := func(n int) []Line { return some(n, "cart", "info", "cart saved") }
	short := hour(text(10))
	short.Duration = 15 * time.Minute
	long := hour(text(40))
	long.Duration = 12 * time.Hour
	tests := []struct {
		name             string
		baseline, window Side
		kind             Kind
		p                float64 // below this; 0 says 1
	}{
		{"as before", hour(text(100)), hour(text(110)), Same, 0.6},
		{"a single new line", hour(), hour(text(1)), New, 0},
		{"many new lines", hour(), hour(text(30)), New, 1e-8},
		{"three times", hour(text(20)), hour(text(60)), Grown, 1e-4},
		{"certain, but less than twice", hour(text(1000)), hour(text(1500)), Same, 1e-10},
		{"twice, by chance", hour(text(3)), hour(text(7)), Same, 0.5},
		{"a third", hour(text(60)), hour(text(20)), Shrunk, 1e-4},
		{"silence of what was loud", hour(text(11)), hour(), Vanished, 0.001},
		{"silence of what was rare", hour(text(10)), hour(), Same, 0.002},
		{"silence for a short while", long, Side{Duration: time.Hour}, Same, 0.1},
		{"more lines in less time", hour(text(10)), short, Grown, 0.01},
		{"twice the traffic", served(1000, text(50)), served(2500, text(125)), Same, 0},
		{"fewer lines with less traffic are more for each request", served(1000, text(50)), served(100, text(40)), Grown, 1e-8},
		{"requests of one side only", served(1000, text(50)), hour(text(50)), Same, 0},
		{"sampled lines stand for more", hour(text(100)), hour(weighted(text(10), 10)), Same, 0},
		{"sampled lines tell less", hour(weighted(text(2), 10)), hour(weighted(text(6), 10)), Same, 0.5},
		{"sides without a length", Side{Lines: text(100)}, Side{Lines: text(1)}, Same, 0},
		{"a length that is none", Side{Lines: text(100), Duration: -time.Hour}, hour(text(1)), Same, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			all := Compare(test.baseline, test.window, Options{})
			if len(all) != 1 {
				t.Fatalf("%d patterns: %+v", len(all), all)
			}
			got := all[0]
			if got.Kind != test.kind {
				t.Errorf("%s, p %v; want %s", got.Kind, got.P, test.kind)
			}
			if test.p == 0 && got.P < 0.99 || test.p > 0 && got.P >= test.p {
				t.Errorf("p is %v, want below %v", got.P, test.p)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	window := hour(
		some(100, "cart", "info", "cart 17 saved"),
		[]Line{
			{Time: start.Add(9 * time.Second), Service: "cart", Severity: "info", Text: "payment of bob declined"},
			{Time: start.Add(5 * time.Second), Service: "cart", Severity: "info", Text: "payment of eve declined"},
			{Time: start.Add(7 * time.Second), Service: "cart", Text: `{"level":"error","msg":"database is away"}`},
			{Time: start.Add(8 * time.Second), Service: "cart", Severity: "ERROR", Text: "database is away"},
		},
		some(40, "mail", "warn", "queue is long"),
		some(2, "mail", "warn", "cart 17 saved"),
	)
	baseline := hour(
		some(90, "cart", "info", "cart 12 saved"),
		some(10, "mail", "warn", "queue is long"),
		some(50, "mail", "info", "mail sent"),
		some(60, "mail", "info", "heartbeat"), some(20, "mail", "info", "heartbeat"),
		some(2, "mail", "warn", "cart 17 saved"),
	)
	window.Lines = append(window.Lines, some(10, "mail", "info", "heartbeat")...)
	want := []string{
		`cart "database is away" error new 2/0 first 7 {"level":"error","msg":"database is away"}`,
		`cart "payment of <*> declined" info new 2/0 first 5 payment of eve declined`,
		`mail "queue is long" warn grown 40/10 first 0 queue is long`,
		`mail "mail sent" info vanished 0/50 first -1 mail sent`,
		`mail "heartbeat" info shrunk 10/80 first 0 heartbeat`,
		`cart "cart <*> saved" info same 100/90 first 0 cart 17 saved`,
		`mail "cart <*> saved" warn same 2/2 first 0 cart 17 saved`,
	}
	var got []string
	for _, c := range Compare(baseline, window, Options{}) {
		first := -1.0
		if !c.FirstSeen.IsZero() {
			first = c.FirstSeen.Sub(start).Seconds()
		}
		got = append(got, fmt.Sprintf("%s %q %s %s %v/%v first %v %s", c.Service, c.Pattern, c.Severity, c.Kind, c.WindowCount, c.BaselineCount, first, c.Example))
		if c.WindowRate != c.WindowCount/3600 || c.BaselineRate != c.BaselineCount/3600 || c.PerRequest {
			t.Errorf("%q: rates %v and %v", c.Pattern, c.WindowRate, c.BaselineRate)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d patterns:\n%q", len(got), got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%d:\n got %s\nwant %s", i, got[i], want[i])
		}
	}
}

// That none was seen says less where few were looked at.
func TestCompareWithASampledBaseline(t *testing.T) {
	window := hour(some(12, "cart", "", "new here"), some(100, "cart", "", "as ever and always"))
	whole := Compare(hour(some(100, "cart", "", "as ever and always")), window, Options{})[0]
	sampled := Compare(hour(weighted(some(10, "cart", "", "as ever and always"), 10)), window, Options{})[0]
	if whole.P > 0.001 || sampled.P < 0.5 || sampled.Kind != New {
		t.Errorf("p is %v of all lines, and %v of a tenth", whole.P, sampled.P)
	}
}

func TestSignificanceComesBeforeCount(t *testing.T) {
	got := Compare(
		hour(some(100, "a", "", "loud"), some(1, "a", "", "silent for long")),
		hour(some(210, "a", "", "loud"), some(90, "a", "", "silent for long")), Options{},
	)
	if got[0].Kind != Grown || got[1].Kind != Grown || got[0].Pattern != "silent for long" {
		t.Errorf("%+v", got)
	}
}

func TestCompareNothing(t *testing.T) {
	if got := Compare(Side{}, Side{}, Options{}); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestComparePerRequestOfAService(t *testing.T) {
	baseline, window := hour(some(10, "cart", "", "x")), hour(some(20, "cart", "", "x"))
	baseline.Requests = map[string]float64{"cart": 100, "": 1}
	window.Requests = map[string]float64{"cart": 400, "mail": 1}
	got := Compare(baseline, window, Options{})[0]
	if !got.PerRequest || got.BaselineRate != 0.1 || got.WindowRate != 0.05 {
		t.Errorf("%+v", got)
	}
	window.Requests["cart"] = math.Inf(1)
	if got = Compare(baseline, window, Options{})[0]; got.PerRequest {
		t.Errorf("%+v", got)
	}
	delete(window.Requests, "cart")
	if got = Compare(baseline, window, Options{})[0]; got.PerRequest {
		t.Errorf("%+v", got)
	}
}

// What does not fit is counted, and an error of the window finds room before all else.
func TestCompareWithoutRoom(t *testing.T) {
	var noise []Line
	for i := range 300 {
		noise = append(noise, some(1, "cart", "info", letters(i)+" "+letters(i*7))...)
	}
	got := Compare(hour(noise), hour(noise, some(1, "cart", "error", "the disk is full")), Options{MaxPatterns: 20})
	if got[0].Pattern != "the disk is full" || got[0].Kind != New {
		t.Errorf("first is %+v", got[0])
	}
	before, now := 0.0, 0.0
	others := 0
	for _, c := range got {
		before, now = before+c.BaselineCount, now+c.WindowCount
		if c.Other {
			others++
			if c.Kind != Same || c.Pattern != OtherText {
				t.Errorf("%+v", c)
			}
		}
	}
	// What only the baseline has gives way to what the window has.
	if got = Compare(hour(noise), hour(some(1, "cart", "info", "the disk is full")), Options{MaxPatterns: 20}); got[0].Kind != New {
		t.Errorf("first is %+v", got[0])
	}
	if before != 300 || now != 301 || others != 1 {
		t.Errorf("%v and %v lines, %d times others", before, now, others)
	}
}

func TestAdjust(t *testing.T) {
	got := adjust([]float64{0.01, 0.04, 0.03, 0.005, 0.9})
	want := []float64{0.025, 0.05, 0.05, 0.025, 0.9}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-12 {
			t.Errorf("%v, want %v", got, want)
			break
		}
	}
	if len(adjust(nil)) != 0 {
		t.Error("something comes of nothing")
	}
}

func TestCompareProperties(t *testing.T) {
	line := rapid.Custom(func(t *rapid.T) Line {
		return Line{
			Time:     start.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "second")) * time.Second),
			Service:  rapid.SampledFrom([]string{"cart", "mail", ""}).Draw(t, "service"),
			Severity: rapid.SampledFrom([]string{"", "info", "ERROR", "?"}).Draw(t, "severity"),
			Text:     anyLine().Draw(t, "text"),
			Weight:   rapid.SampledFrom([]float64{0, 1, 2, 16, -1}).Draw(t, "weight"),
		}
	})
	lines := rapid.SliceOfN(line, 0, 30)
	rapid.Check(t, func(t *rapid.T) {
		baseline := Side{Lines: lines.Draw(t, "baseline"), Duration: time.Hour}
		window := Side{Lines: lines.Draw(t, "window"), Duration: time.Minute}
		options := Options{MaxPatterns: rapid.IntRange(1, 20).Draw(t, "most")}
		changes := Compare(baseline, window, options)
		before, now := 0.0, 0.0
		for i, c := range changes {
			before, now = before+c.BaselineCount, now+c.WindowCount
			if !Matches(c.Pattern, c.Example) {
				t.Fatalf("%q is no example of %q", c.Example, c.Pattern)
			}
			if !(c.P >= 0 && c.P <= 1) || (c.Kind == New) != (c.BaselineCount == 0 && !c.Other) || c.FirstSeen.IsZero() != (c.WindowCount == 0) {
				t.Fatalf("%+v", c)
			}
			if i > 0 && rank(changes[i-1]) > rank(c) {
				t.Fatalf("%s comes before %s", changes[i-1].Kind, c.Kind)
			}
		}
		if before != weightOf(baseline) || now != weightOf(window) {
			t.Fatalf("counted %v and %v of %v and %v", before, now, weightOf(baseline), weightOf(window))
		}
		shuffled := Side{Lines: rapid.Permutation(window.Lines).Draw(t, "shuffled"), Duration: window.Duration}
		if again := Compare(baseline, shuffled, options); !slices.Equal(again, changes) {
			t.Fatalf("another order gives\n%+v\ninstead of\n%+v", again, changes)
		}
	})
}

func weightOf(s Side) float64 {
	sum := 0.0
	for i := range s.Lines {
		sum += s.Lines[i].weight()
	}
	return sum
}

func BenchmarkCompare(b *testing.B) {
	side := func(at time.Time) Side {
		s := Side{Duration: time.Hour}
		for i, text := range realisticLines(50_000) {
			s.Lines = append(s.Lines, Line{Time: at.Add(time.Duration(i) * time.Millisecond), Service: "s" + letters(i%20), Text: text})
		}
		return s
	}
	baseline, window := side(start), side(start.Add(time.Hour))
	b.ReportAllocs()
	for b.Loop() {
		Compare(baseline, window, Options{})
	}
}
