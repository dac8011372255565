package logql

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// memory is a source of lines that are a second apart.
type memory struct {
	labels Labels
	lines  []string
	from   int64
}

func (m memory) Select(_ []Matcher, from, to int64) []Stream {
	first := max(0, min(len(m.lines), int((from+int64(time.Second)-1)/int64(time.Second))))
	last := max(first, min(len(m.lines), int((to+int64(time.Second)-1)/int64(time.Second))))
	if first == last {
		return nil
	}
	return []Stream{{Labels: m.labels, Records: memory{m.labels, m.lines[first:last], int64(first)}}}
}

func (m memory) Len() int                      { return len(m.lines) }
func (m memory) Time(i int) int64              { return (m.from + int64(i)) * int64(time.Second) }
func (m memory) Line(i int) string             { return m.lines[i] }
func (memory) Metadata(_ int, l Labels) Labels { return l }

func valueOf(t *testing.T, source Source, query string, at int64) float64 {
	t.Helper()
	e, err := Parse(query)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Evaluate(t.Context(), source, e, MetricParams{From: at, To: at, MaxSeries: 10})
	if err != nil || len(m.Series) != 1 {
		t.Fatalf("%s: %d series, %v", query, len(m.Series), err)
	}
	return m.Series[0].Points[0].Value
}

func TestOverTime(t *testing.T) {
	source := memory{labels: Labels{{"a", "b"}}, lines: []string{"v=1", "v=9", "v=4", "v=2", "none", "v=-3"}}
	end := 10 * int64(time.Second)
	for query, want := range map[string]float64{
		`count_over_time({a="b"}[1m])`: 6, `rate({a="b"}[6s] offset 5s)`: 1, `bytes_over_time({a="b"}|="v"[1m])`: 16, `count_over_time({a="b"}[2s] offset 8s)`: 2,
		`sum_over_time({a="b"}|logfmt|unwrap v[1m])`: 13, `avg_over_time({a="b"}|logfmt|unwrap v[1m])`: 2.6, `min_over_time({a="b"}|logfmt|unwrap v[1m])`: -3,
		`max_over_time({a="b"}|logfmt|unwrap v[1m])`: 9, `first_over_time({a="b"}|logfmt|unwrap v[1m])`: 1, `last_over_time({a="b"}|logfmt|unwrap v[1m])`: -3,
		`quantile_over_time(0.5, {a="b"}|logfmt|unwrap v[1m])`: 2, `quantile_over_time(0.25, {a="b"}|logfmt|unwrap v[1m])`: 1, `quantile_over_time(2, {a="b"}|logfmt|unwrap v[1m])`: math.Inf(1),
		`quantile_over_time(-1, {a="b"}|logfmt|unwrap v[1m])`: math.Inf(-1), `stdvar_over_time({a="b"}|logfmt|unwrap v[1m])`: 15.44,
		`absent_over_time({a="b"}[1s])`: 1, `sum(count_over_time({a="b"}|logfmt|v>3[1m]))`: 2, `count_over_time({a="b"} | v != "" or a = "b" [1m])`: 6,
	} {
		if got := valueOf(t, source, query, end); got != want && math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
}

// At every step a span has what is behind its start, up to and including its end,
// however far apart the steps are.
func TestSpansMoveOn(t *testing.T) {
	var lines []string
	for range 50 {
		lines = append(lines, "x")
	}
	source := memory{labels: Labels{{"a", "b"}}, lines: lines}
	e, err := Parse(`count_over_time({a="b"}[7s])`)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []int64{1, 3, 7, 20} {
		m, err := Evaluate(t.Context(), source, e, MetricParams{From: -10e9, To: 70e9, Step: step * 1e9, MaxSeries: 10})
		if err != nil || len(m.Series) != 1 {
			t.Fatal(err, len(m.Series))
		}
		points := map[int64]float64{}
		for _, p := range m.Series[0].Points {
			points[p.Time/1e9] = p.Value
		}
		for at := int64(-10); at <= 70; at += step {
			want := 0.0
			for i := range int64(50) {
				if i > at-7 && i <= at {
					want++
				}
			}
			if points[at] != want {
				t.Errorf("step %d, at %d: %v, want %v", step, at, points[at], want)
			}
		}
	}
}

func TestOfManySeries(t *testing.T) {
	var lines []string
	for i := range 30 {
		lines = append(lines, "n="+strings.Repeat("x", i))
	}
	source := memory{labels: Labels{{"a", "b"}}, lines: lines}
	for _, query := range []string{`count_over_time({a="b"}|logfmt[1m])`, `topk(3, count_over_time({a="b"}|logfmt[1m]))`} {
		e, err := Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Evaluate(t.Context(), source, e, MetricParams{From: 50e9, To: 50e9, MaxSeries: 20})
		if refusal := (*Error)(nil); !errors.As(err, &refusal) || !strings.HasPrefix(refusal.Text, "maximum number of series (20) reached") {
			t.Errorf("%s: %v", query, err)
		}
	}
	if got := valueOf(t, source, `count(count_over_time({a="b"}|logfmt[1m]))`, 50e9); got != 30 {
		t.Error(got)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	source := memory{labels: Labels{{"a", "b"}}, lines: []string{"x"}}
	for _, query := range []string{`{a="b"}`, `count_over_time({a="b"}[1m])`} {
		e, err := Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		if q, ok := e.(*LogQuery); ok {
			_, err = Lines(ctx, source, q, LineParams{To: 10e9, Limit: 10})
		} else {
			_, err = Evaluate(ctx, source, e, MetricParams{From: 0, To: 10e9, Step: 1e9, MaxSeries: 10})
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// What could go on for ever, or take all memory, is refused or cut off.
func TestBounds(t *testing.T) {
	for _, query := range []string{
		strings.Repeat("(", 2000) + "vector(1)" + strings.Repeat(")", 2000),
		"vector(1)" + strings.Repeat("+vector(1)", 5000),
		`{a="b"} | ` + strings.Repeat("(", 2000) + `x="y"` + strings.Repeat(")", 2000),
		`{a="` + strings.Repeat("x", maxText) + `"}`,
	} {
		if _, err := Parse(query); err == nil {
			t.Errorf("%.40s… is taken", query)
		}
	}
	source := memory{labels: Labels{{"a", "b"}}, lines: []string{"x", strings.Repeat(`{"a":`, 100000)}}
	for _, stage := range []string{
		"| line_format `{{range 1000000000000}}x{{end}}`", "| line_format `{{define \"x\"}}{{template \"x\"}}{{end}}{{template \"x\"}}`",
		"| line_format `{{repeat 1000000000 \"abc\"}}`", "| line_format `{{repeat 9223372036854775807 \"abc\"}}`", "| line_format `{{printf \"%999999d\" 1}}`", "| json", "| json x=\"a.a.a\"", "| logfmt",
	} {
		e, err := Parse(`{a="b"}` + stage)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := Lines(t.Context(), source, e.(*LogQuery), LineParams{To: 10e9, Limit: 10})
		for _, l := range lines {
			if len(l.Text) > 600_000 {
				t.Errorf("%s: a line of %d bytes", stage, len(l.Text))
			}
		}
		if err != nil && !strings.Contains(err.Error(), "not supported") {
			t.Errorf("%s: %v", stage, err)
		}
	}
}

func TestLinePattern(t *testing.T) {
	for _, test := range []struct {
		pattern, line string
		want          bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"a<_>", "ab", true}, {"a<_>", "a", true}, {"<_>a", "aXa", true}, {"<_>a<_>", "bab", true}, {"<_>a<_>b", "xaab", true},
		{"<_>a<_>b", "xbxa", false}, {"<_>", "", true}, {"", "", false}, {"a<_>c", "abc", true}, {"a<_>c", "abcd", false},
	} {
		p, err := linePattern(test.pattern)
		if err != nil || p.matches(test.line) != test.want {
			t.Errorf("%q on %q: %t, %v", test.pattern, test.line, !test.want, err)
		}
	}
}

func TestIdentifier(t *testing.T) {
	for text, want := range map[string]string{"a": "a", "a.b": "a_b", "1a": "_1a", "é": "_", " x ": "x", "": "", "a-b c": "a_b_c", "_": "_"} {
		if got := Identifier(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// FuzzQuery parses and runs anything at all.
func FuzzQuery(f *testing.F) {
	for _, query := range []string{
		`{a="b"} |= "x" or "y" | json b="c.d[0][\"e\"]", f | logfmt --strict x | pattern "<_> <b> c" | regexp "(?P<n>.)" | b=1 or (c>2KB and d<1h) e="f" | drop a, b=~"c" | keep d | decolorize`,
		"{a=`b`, c!~\"d\"} |> \"<_>x\" | line_format `{{.a | trunc 3}} {{if .b}}x{{end}}` | label_format x=y, z=\"{{.a}}\"",
		`sum by (a) (rate({a="b"} | logfmt | unwrap duration(x) | __error__="" [5m] offset 1h)) / on(a) group_left(b) topk(3, count_over_time({a="b"}[1m])) > bool 2 or vector(1)`,
		`label_replace(quantile_over_time(0.9, {a="b"} | unwrap x [1m]) without (c), "d", "$1", "e", "(.*)")`, `sort_desc(2 ^ -1 % 3 - count_over_time(({a="b"}) [1m]))`, `absent_over_time({a="b"}[1s])`, "{", "[5m", `"\q`, "#", "-",
	} {
		f.Add(query)
	}
	source := memory{labels: Labels{{"a", "b"}}, lines: []string{
		`{"c":{"d":[{"e":1}]},"b":"x","f":"2KB","x":"5s"}`, `x=1 y="z" d=5m`, "x y c", "\x1b[31mred", "", `{"a":`, `{"a":{"b":`, "a==b \"", "\xff\xfe",
	}}
	f.Fuzz(func(t *testing.T, query string) {
		e, err := Parse(query)
		if err != nil {
			if refusal := (*Error)(nil); !errors.As(err, &refusal) || refusal.Status != 400 {
				t.Errorf("%q: %v", query, err)
			}
			return
		}
		began := time.Now()
		if q, ok := e.(*LogQuery); ok {
			lines, err := Lines(t.Context(), source, q, LineParams{From: 0, To: 20e9, Limit: 5, Forward: true})
			if err == nil && !slices.IsSortedFunc(lines, func(a, b Line) int { return int(a.Time - b.Time) }) {
				t.Errorf("%q: out of order", query)
			}
		} else {
			_, _ = Evaluate(t.Context(), source, e, MetricParams{From: 0, To: 20e9, Step: 5e9, MaxSeries: 50})
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%q took %v", query, took)
		}
	})
}
