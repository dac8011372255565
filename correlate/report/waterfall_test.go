package report_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/rivo/uniseg"
	"pgregory.net/rapid"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
)

// lookup is a case with one trace of these spans.
func lookup(spans ...correlate.Span) *correlate.Case {
	c := correlate.NewCase(window(0, time.Minute))
	c.Asked, c.TakenFor = "a", "trace ID a"
	c.Trace = &correlate.Trace{ID: "a", Start: noon, DurationSeconds: 1, SpanCount: len(spans), Spans: spans}
	return c
}

func span(id int, service string, from, duration float64) correlate.Span {
	return correlate.Span{
		ID: sources.SpanID(fmt.Sprintf("%016x", id)), Service: service, Operation: "op",
		Start: noon.Add(time.Duration(from * float64(time.Second))), DurationSeconds: duration,
	}
}

// rows are the lines of a text that have a bar.
func rows(text string) []string {
	var rows []string
	for line := range strings.Lines(text) {
		if strings.HasSuffix(line, "│\n") {
			rows = append(rows, strings.TrimSuffix(line, "\n"))
		}
	}
	return rows
}

// bars are what stands between the bars' ends in each row.
func bars(t *testing.T, c *correlate.Case) []string {
	t.Helper()
	var bars []string
	for _, row := range rows(write(t, report.Text, c)) {
		_, bar, _ := strings.Cut(strings.TrimSuffix(row, "│"), "│")
		bars = append(bars, bar)
	}
	return bars
}

const barCells = 38

func TestColumnsStayStraight(t *testing.T) {
	var spans []correlate.Span
	names := []string{
		"plain", "支付", "支付服务网关处理中心负责结算与对账以及所有其他没有人记得的事情", "결제-서비스", "🛒🛒🛒", "👩\u200d💻 shop", "🇩🇪 eu", "ｆｕｌｌ", "cafe\u0301", "ไทย",
		strings.Repeat("漢", 60), strings.Repeat("a", 55) + "漢", "\x1b[31m", "a\tb\nc", "",
	}
	for i, name := range names {
		s := span(i, name, 0, 1)
		s.Error = i%2 == 0
		spans = append(spans, s)
	}
	all := rows(write(t, report.Text, lookup(spans...)))
	if len(all) != len(names) {
		t.Fatalf("%d rows of %d spans", len(all), len(names))
	}
	for i, row := range all {
		before, _, _ := strings.Cut(row, "│")
		// Two libraries that count on their own, so that one's mistake is seen.
		if got, other, want := ansi.StringWidth(before), uniseg.StringWidth(before), 2+56+1+9+1+9+1; got != want || other != want {
			t.Errorf("%q: the bar begins in column %d or %d, want %d: %q", names[i], got, other, want, row)
		}
	}
}

func TestRecordsStayStraight(t *testing.T) {
	c := lookup()
	c.Trace = nil
	for _, name := range []string{"plain", "支付", "支付服务网关处理中心", "🛒", ""} {
		c.Records = append(c.Records, correlate.Record{Time: noon, Service: name, Severity: "警告警告", Line: "HERE"})
	}
	for line := range strings.Lines(write(t, report.Text, c)) {
		if before, _, found := strings.Cut(line, "HERE"); found && ansi.StringWidth(before) != 2+12+1+5+1+12+1 {
			t.Errorf("the message begins in column %d: %q", ansi.StringWidth(before), line)
		}
	}
}

func TestBars(t *testing.T) {
	full, none := strings.Repeat("─", barCells), strings.Repeat(" ", barCells)
	half := strings.Repeat("─", barCells/2)
	tests := []struct {
		name  string
		spans []correlate.Span
		want  []string
	}{
		{"halves", []correlate.Span{span(1, "a", 0, 1), span(2, "b", 0, 0.5), span(3, "c", 0.5, 0.5)},
			[]string{full, half + none[:barCells/2], none[:barCells/2] + half}},
		{"too short to be seen is seen", []correlate.Span{span(1, "a", 0, 1), span(2, "b", 0.5, 0), span(3, "c", 1, 0)},
			[]string{full, none[:19] + "─" + none[:18], none[:37] + "─"}},
		{"before and after the root: the bars cover all of it", []correlate.Span{span(1, "a", 0, 1), span(2, "b", -1, 1), span(3, "c", 1, 1)},
			[]string{none[:12] + strings.Repeat("─", 13) + none[:13], strings.Repeat("─", 12) + none[:26], none[:25] + strings.Repeat("─", 13)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := bars(t, lookup(test.spans...)); strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestTraceWithoutDuration(t *testing.T) {
	c := lookup(span(1, "a", 0, 0), span(2, "b", 0, 0))
	c.Trace.DurationSeconds = 0
	for _, bar := range bars(t, c) {
		if bar != strings.Repeat(" ", barCells) {
			t.Errorf("a bar in no time: %q", bar)
		}
	}
}

func TestDeepSpans(t *testing.T) {
	var spans []correlate.Span
	for depth := range 60 {
		s := span(depth, fmt.Sprintf("level%d", depth), 0, 1)
		s.Depth = depth
		spans = append(spans, s)
	}
	c := lookup(spans...)
	c.Records = []correlate.Record{{Time: noon, SpanID: spans[59].ID, Line: "deep down", Join: correlate.BySpanID}}
	text := write(t, report.Text, c)
	for depth, row := range rows(text) {
		if !strings.HasPrefix(row, "  "+strings.Repeat(" ", 2*min(depth, 20))+fmt.Sprintf("level%d ", depth)) {
			t.Errorf("level %d has lost its name or its place: %q", depth, row)
		}
	}
	if !strings.Contains(text, "\n"+strings.Repeat(" ", 44)+"12:00:00.000") {
		t.Errorf("the record does not stand beneath its span:\n%s", text)
	}
}

func TestManySpans(t *testing.T) {
	const many = 10000
	spans := make([]correlate.Span, many)
	for i := range spans {
		spans[i] = span(i, "svc", float64(i)/many, 1.0/many)
		spans[i].Depth = i % 30
	}
	c := lookup(spans...)
	for i := range many {
		c.Records = append(c.Records, correlate.Record{Time: noon, SpanID: spans[i].ID, Line: "line", Join: correlate.BySpanID})
	}
	text := write(t, report.Text, c)
	if got := len(rows(text)); got != many {
		t.Errorf("%d rows of %d spans", got, many)
	}
	if got := strings.Count(text, "line  ← span_id"); got != many {
		t.Errorf("%d of %d records", got, many)
	}
	// A triage folds those that the request did not wait for.
	c.Verdict = correlate.Anomalous
	c.Trace.Spans[many-1].Error = true
	c.Trace.Spans[many-1].ParentID = c.Trace.Spans[0].ID
	text = write(t, report.Text, c)
	if got := len(rows(text)); got != 2 || !strings.Contains(text, "… 9998 more spans") {
		t.Errorf("%d rows, want the failed span and its parent", got)
	}
}

// Spans that share an ID, as of a client and its server in old tracers, show their
// records once.
func TestSharedSpanID(t *testing.T) {
	c := lookup(span(1, "client", 0, 1), span(1, "server", 0.2, 0.5))
	c.Records = []correlate.Record{{Time: noon, SpanID: c.Trace.Spans[0].ID, Line: "said once", Join: correlate.BySpanID}}
	if got := strings.Count(write(t, report.Text, c), "said once"); got != 1 {
		t.Errorf("the record is shown %d times", got)
	}
}

// Parents that are each other's, as no tracer should send, are drawn all the same.
func TestParentsInACircle(t *testing.T) {
	a, b := span(1, "a", 0, 1), span(2, "b", 0, 1)
	a.ParentID, b.ParentID, a.Error = b.ID, a.ID, true
	c := lookup(a, b)
	c.Verdict = correlate.Anomalous
	if got := len(rows(write(t, report.Text, c))); got != 2 {
		t.Errorf("%d rows, want 2", got)
	}
}

// Whatever numbers a saved case has, its rows are drawn, and of the same width.
func TestAnySpan(t *testing.T) {
	numbers := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, -1, math.NaN(), math.Inf(1), math.Inf(-1), 1e300, 1e-300, 1e10}))
	rapid.Check(t, func(r *rapid.T) {
		c := lookup()
		c.Trace.Start = time.Unix(0, rapid.Int64().Draw(r, "start")).UTC()
		c.Trace.DurationSeconds = numbers.Draw(r, "whole")
		for i := range rapid.IntRange(1, 5).Draw(r, "spans") {
			s := span(i, rapid.String().Draw(r, "service"), 0, 0)
			s.Operation = rapid.String().Draw(r, "operation")
			s.Depth = rapid.Int().Draw(r, "depth")
			s.Start = time.Unix(0, rapid.Int64().Draw(r, "from")).UTC()
			s.DurationSeconds, s.SelfSeconds, s.CriticalSeconds = numbers.Draw(r, "duration"), numbers.Draw(r, "self"), numbers.Draw(r, "critical")
			c.Trace.Spans = append(c.Trace.Spans, s)
		}
		all := rows(write(t, report.Text, c))
		if len(all) != len(c.Trace.Spans) {
			r.Fatalf("%d rows of %d spans", len(all), len(c.Trace.Spans))
		}
		for _, row := range all {
			if got, want := ansi.StringWidth(row), 79+1+barCells+1; got != want {
				r.Fatalf("a row of %d cells, want %d: %q", got, want, row)
			}
		}
	})
}

func BenchmarkText(b *testing.B) {
	spans := make([]correlate.Span, 10000)
	for i := range spans {
		spans[i] = span(i, "支付 svc", float64(i)/10000, 0.0001)
	}
	c := lookup(spans...)
	for b.Loop() {
		write(b, report.Text, c)
	}
}
