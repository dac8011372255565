package report_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
)

// loop is a request that makes n calls in a row, each with a call beneath it.
func loop(n int) []correlate.Span {
	spans := []correlate.Span{span(1, "shop", 0, float64(n)*0.01)}
	for i := range n {
		call := span(2*i+2, "shop", float64(i)*0.01, 0.002)
		call.Operation, call.Depth, call.ParentID = "load", 1, spans[0].ID
		beneath := span(2*i+3, "orders", float64(i)*0.01, 0.001)
		beneath.Operation, beneath.Depth, beneath.ParentID = "SELECT", 2, call.ID
		spans = append(spans, call, beneath)
	}
	return spans
}

func TestRepeatedCallsShareARow(t *testing.T) {
	spans := loop(812)
	spans[101].DurationSeconds, spans[101].CriticalSeconds = 0.5, 0.5 // the slowest, for which the request waited
	for _, i := range []int{11, 22, 31, 42, 51} {                     // three calls, and two by what is beneath
		spans[i].Error, spans[i].StatusMessage = true, fmt.Sprintf("message %d", i)
	}
	c := lookup(spans...)
	c.Trace.DurationSeconds, c.Trace.Blamed = 8.12, spans[202].ID // beneath a call
	c.Records = []correlate.Record{{Time: noon, Line: "told", TraceID: "a", SpanID: spans[301].ID, Join: correlate.BySpanID}}
	for name, form := range map[string]func() string{
		"text":     func() string { return write(t, report.Text, c) },
		"markdown": func() string { return write(t, report.Markdown, c) },
	} {
		text := form()
		// The root, the shared row, and six calls with what is beneath: slow, three that
		// failed, blamed, and with a record.
		if got := len(rows(text)); got != 2+6*2 {
			t.Errorf("%s: %d rows\n%s", name, got, text)
		}
		for _, want := range []string{
			"shop  × 806  load", "× 806: 95 % under 2.00 ms, slowest 2.00 ms, 1612 spans with those beneath, 2 failed\n",
			"  × repeated calls share a row; -o json has each\n", "► ", "told", "message 11", "message 22", "message 31", "500 ms",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", name, want, text)
			}
		}
		if strings.Contains(text, "message 42") {
			t.Errorf("%s: a fourth failure has a row of its own", name)
		}
	}
	if all := write(t, report.JSON, c); strings.Count(all, `"self_seconds"`) != len(spans) {
		t.Errorf("JSON has not all spans")
	}
}

func TestShortTracesAreShownWhole(t *testing.T) {
	spans := loop(99)
	if text := write(t, report.Text, lookup(spans...)); len(rows(text)) != len(spans) || strings.Contains(text, "×") {
		t.Errorf("%d rows of %d spans", len(rows(text)), len(spans))
	}
}

var (
	sharedRow = regexp.MustCompile(`(?m)^ +× (\d+): 95 %.*`)
	withAll   = regexp.MustCompile(`, (\d+) spans with`)
)

// Whatever is folded, each span has a row or is counted in one, and no failure is lost.
func TestFoldingLosesNoSpan(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		depths := rapid.SliceOfN(rapid.IntRange(0, 4), 200, 600).Draw(r, "depths")
		kinds := rapid.IntRange(1, 3).Draw(r, "kinds")
		spans := []correlate.Span{span(1, "root", 0, 1)}
		failed := 0
		for i, depth := range depths {
			s := span(i+2, fmt.Sprint("s", depth%kinds), float64(i)/1000, 0.001)
			s.Depth = 1 + min(depth, spans[i].Depth)
			s.Error = rapid.IntRange(0, 9).Draw(r, "luck") == 0
			if s.Error {
				failed++
			}
			spans = append(spans, s)
		}
		c := lookup(spans...)
		c.Trace.Blamed = spans[rapid.IntRange(0, len(spans)-1).Draw(r, "blamed")].ID
		var b strings.Builder
		if err := report.Text(&b, c); err != nil {
			r.Fatal(err)
		}
		text := b.String()
		shown, failures := 0, 0
		for _, row := range rows(text) {
			if !strings.Contains(row, " × ") {
				shown++
			}
			if strings.HasPrefix(row, "✖") || (strings.HasPrefix(row, "►") && isFailed(spans, c.Trace.Blamed)) {
				failures++
			}
		}
		for _, shared := range sharedRow.FindAllStringSubmatch(text, -1) {
			count := shared[1]
			if all := withAll.FindStringSubmatch(shared[0]); all != nil {
				count = all[1]
			}
			n, err := strconv.Atoi(count)
			if err != nil {
				r.Fatal(err)
			}
			shown += n
			if _, after, some := strings.Cut(shared[0], " failed"); some && after == "" {
				before := strings.Fields(strings.TrimSuffix(shared[0], " failed"))
				n, err := strconv.Atoi(before[len(before)-1])
				if err != nil {
					r.Fatal(err)
				}
				failures += n
			}
		}
		if shown != len(spans) || failures != failed || !strings.Contains(text, "► ") {
			r.Fatalf("%d of %d spans, %d of %d failures in\n%s", shown, len(spans), failures, failed, text)
		}
	})
}

func isFailed(spans []correlate.Span, id sources.SpanID) bool {
	for _, s := range spans {
		if s.ID == id {
			return s.Error
		}
	}
	return false
}
