package report_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
)

func TestFit(t *testing.T) {
	for _, test := range []struct {
		text  string
		width int
		want  string
	}{
		{"", 5, ""},
		{"abc", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"漢字", 4, "漢字"},
		{"漢字漢", 5, "漢字…"},
		{"漢字漢", 4, "漢…"}, // a half of a character is no choice
		{"漢", 1, "…"},
		{"👩\u200d💻👩\u200d💻", 3, "👩\u200d💻…"},
		{"e\u0301e\u0301e\u0301", 2, "e\u0301…"},
		{"\x1b[31mred", 5, `\x1b…`},
		{"a\xffb", 6, `a\xffb`},
		{"abc", 1, "…"},
		{"abc", 0, ""},
		{"abc", -1, ""},
	} {
		if got := report.Fit(test.text, test.width); got != test.want {
			t.Errorf("%q in %d cells: got %q, want %q", test.text, test.width, got, test.want)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		text, width := rapid.String().Draw(r, "text"), rapid.IntRange(0, 30).Draw(r, "width")
		if got := report.Fit(text, width); ansi.StringWidth(got) > width {
			r.Errorf("%q takes %d cells", got, ansi.StringWidth(got))
		}
	})
}

func TestMessage(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"", ""},
		{"plain text", "plain text"},
		{"level=info msg=plain", "level=info msg=plain"},
		{`{"msg":"it failed"}`, "it failed"},
		{` {"message":"it failed","code":7,"ok":false,"who":null} `, "it failed  code=7  ok=false  who=null"},
		{`{"msg":"it failed","text":"two words","eq":"a=b","quote":"a\"b","empty":""}`, `it failed  text="two words"  eq="a=b"  quote="a\"b"  empty=`},
		{`{"body":"first","msg":"second"}`, "first  msg=second"},
		{`{"msg":"m","level":"error","trace_id":"a","span_id":"b","ts":1,"service":"s"}`, "m"}, // the row tells these
		{`{"msg":{"nested":"message"},"code":7}`, `{"msg":{"nested":"message"},"code":7}`},
		{`{"code":7}`, `{"code":7}`},
		{`{"msg":""}`, `{"msg":""}`},
		{`{"msg":"cut off`, `{"msg":"cut off`},
		{`["msg"]`, `["msg"]`},
		{`{"msg":"漢字","a.b":"c"}`, "漢字  a.b=c"},
	} {
		if got := report.Message(test.line); got != test.want {
			t.Errorf("%q: got %q, want %q", test.line, got, test.want)
		}
	}
}

// The text of JSON may hold escaped what the line itself does not.
func TestMessageEscapesInJSON(t *testing.T) {
	c := lookup()
	c.Trace = nil
	c.Records = []correlate.Record{{Time: noon, Line: `{"msg":"a\u001b[2Jb\n\u202ec","\u0007key":"\u009b"}`}}
	text := write(t, report.Text, c)
	if !strings.Contains(text, `a\x1b[2Jb\n\u202ec  \x07key=\u009b`) {
		t.Errorf("got %q", text)
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1 << 20: "1.0 MiB", 3 << 30: "3072.0 MiB",
	} {
		if got := report.Bytes(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestHeadlines(t *testing.T) {
	for _, test := range []struct {
		change func(*correlate.Case)
		want   string
	}{
		{func(c *correlate.Case) { c.Verdict, c.Services = correlate.Healthy, 5 }, "● HEALTHY  nothing departs from its baseline in 5 services"},
		{func(c *correlate.Case) {
			c.Verdict, c.Services, c.Anomalies = correlate.Healthy, 1, []correlate.Anomaly{{Signal: "traffic"}}
		}, "● HEALTHY  nothing departs for the worse in 1 service"},
		{func(c *correlate.Case) {
			id := c.AddFinding("cart: memory is 80.0 % of its limit")
			c.Verdict, c.Anomalies = correlate.Healthy, []correlate.Anomaly{
				{Signal: "traffic", Findings: []string{c.AddFinding("more requests")}},
				{Signal: "saturation", Creep: &correlate.Creep{Days: 14}, Findings: []string{id}},
			}
		}, "● HEALTHY  nothing hurts yet. cart: memory is 80.0 % of its limit."},
		{func(c *correlate.Case) { c.Verdict = correlate.Inconclusive }, "▲ INCONCLUSIVE  too little data to tell"},
		{func(c *correlate.Case) { c.Verdict, c.Interrupted = correlate.Inconclusive, true }, "▲ INCONCLUSIVE  the run ended before there was enough to tell"},
		{func(c *correlate.Case) {
			c.Verdict, c.Answers = correlate.Anomalous, &correlate.Answers{WhatChanged: correlate.Answer{Text: "It rose."}}
		}, "✖ ANOMALOUS  It rose."},
	} {
		c := correlate.NewCase(window(0, time.Minute))
		test.change(c)
		if got, _, _ := strings.Cut(write(t, report.Text, c), "\n"); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

// A long list of findings keeps its IDs apart from what they say.
func TestManyFindings(t *testing.T) {
	c := correlate.NewCase(window(0, time.Minute))
	c.Verdict = correlate.Inconclusive
	for range 1000 {
		c.AddFinding("it departs")
	}
	text := write(t, report.Text, c)
	for _, id := range []string{"f1   ", "f99  ", "f100 ", "f999 ", "f1000 "} {
		if !strings.Contains(text, "\n  "+id+"it departs\n") {
			t.Errorf("no line of %s", id)
		}
	}
}

// Sentences are broken at the width; what can be copied, such as a query, is not.
func TestWidth(t *testing.T) {
	c := correlate.NewCase(window(0, time.Minute))
	c.Verdict = correlate.Inconclusive
	query := "sum(" + strings.Repeat("a + ", 100) + "b)"
	c.AddFinding(strings.Repeat("支付 departs; ", 100), correlate.Evidence{Backend: sources.Prometheus, Query: query})
	c.Missing = []correlate.Missing{{Backend: sources.Loki, Kind: correlate.MissingFailed, Reason: strings.Repeat("why ", 100), Hint: strings.Repeat("do ", 100)}}
	whole := false
	for line := range strings.Lines(write(t, report.Text, c)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.Contains(line, query) {
			whole = true
			continue
		}
		if cells := ansi.StringWidth(line); cells > report.Width {
			t.Errorf("%d cells: %q", cells, line)
		}
		if strings.HasSuffix(line, " ") {
			t.Errorf("ends in a space: %q", line)
		}
	}
	if !whole {
		t.Error("the query was broken")
	}
}

// A creep says for how long it has grown, where others say since when they depart.
func TestAnomalyThatCreeps(t *testing.T) {
	c := correlate.NewCase(window(0, time.Minute))
	c.Verdict = correlate.Healthy
	c.Anomalies = []correlate.Anomaly{{
		Service: "cart", Signal: "saturation", Unit: "ratio", BaselineValue: 0.4, WindowValue: 0.8, Score: 20, Creep: &correlate.Creep{Days: 14},
	}}
	if got := write(t, report.Text, c); !strings.Contains(got, "2.0x   20.0  two weeks ago\n") {
		t.Errorf("%s", got)
	}
}

// The columns of the anomalies stand where they are, whatever is in them.
func TestAnomalyColumns(t *testing.T) {
	c := correlate.NewCase(window(0, time.Minute))
	c.Verdict = correlate.Inconclusive
	for i, service := range []string{"plain", strings.Repeat("支付", 30), "🛒", ""} {
		for j, unit := range []string{"seconds", "ratio", "requests/s", "records/s", ""} {
			for k, value := range []float64{0, 0.000123, 0.9996, 99.96, 123456789} {
				c.Anomalies = append(c.Anomalies, correlate.Anomaly{
					Service: service, Signal: "saturation", Guessed: (i+j+k)%2 == 0, Unit: unit, BaselineValue: value, WindowValue: value * 1.5, Score: 100,
					Onset: noon, Findings: []string{fmt.Sprintf("f%d", len(c.Anomalies)+1)},
				})
			}
		}
	}
	const shown, seen = 15, "  100.0  12:00:00"
	checked := 0
	for start := 0; start < len(c.Anomalies); start += shown {
		part := *c
		part.Anomalies = c.Anomalies[start:min(start+shown, len(c.Anomalies))]
		for line := range strings.Lines(write(t, report.Text, &part)) {
			before, _, found := strings.Cut(line, seen)
			if !found {
				continue
			}
			checked++
			if cells := ansi.StringWidth(before); cells != 103 {
				t.Errorf("the score begins in column %d: %q", cells, line)
			}
		}
	}
	if checked != len(c.Anomalies) {
		t.Errorf("%d of %d rows were found", checked, len(c.Anomalies))
	}
}

func TestNothingFound(t *testing.T) {
	c := lookup()
	c.Trace = nil
	for as, form := range map[string]form{"text": report.Text, "markdown": report.Markdown} {
		if text := write(t, form, c); !strings.Contains(text, "\nNothing was searched.\n") {
			t.Errorf("%s: %s", as, text)
		}
	}
	c.Queries = []correlate.Query{{Backend: sources.Loki, Query: `{a="b"}`, Window: &c.Window, Status: sources.QueryEmpty}}
	if text, want := write(t, report.Text, c), "loki       empty    {a=\"b\"}   in "+c.Window.String(); !strings.Contains(text, want) {
		t.Errorf("it is not said what was searched: %s", text)
	}
	if text, want := write(t, report.Markdown, c), "- loki, empty: `{a=\"b\"}` in "+c.Window.String(); !strings.Contains(text, want) {
		t.Errorf("it is not said what was searched: %s", text)
	}
}

func TestChangesAndWhatSpeaksAgainst(t *testing.T) {
	c := correlate.NewCase(window(0, time.Minute))
	c.Verdict, c.Answers = correlate.Anomalous, &correlate.Answers{
		WhatChanged: correlate.Answer{Text: "a p95 rose from 0.2 s to 1.5 s since 12:00:10. a 1.9.0 → 1.9.1 at 12:00:03, as it began."},
	}
	id := c.AddFinding("b waits for a in 3 of 3 slow traces\x1b[2J")
	c.Suspects = []correlate.Suspect{
		{Rank: 1, Service: "a", Score: 0.9, Findings: []string{}},
		{Rank: 2, Service: "b", Score: 0.1, Findings: []string{}, Against: []string{id, "f9"}}, // f9 is none
	}
	for i := range 17 {
		c.Changes = append(c.Changes, correlate.Change{Time: noon.Add(time.Duration(i) * time.Second), Kind: correlate.ChangeVersion, Service: "a", Text: "1.9.0 → 1.9.1\x1b[2J"})
	}
	c.Changes[1].Note = "also changed, and not where the trouble is"
	for form, want := range map[string][]string{
		write(t, report.Text, c): {
			"✖ ANOMALOUS  a p95 rose from 0.2 s to 1.5 s since 12:00:10.\n", "  what changed    a p95 rose from 0.2 s to 1.5 s since 12:00:10. a 1.9.0 → 1.9.1",
			"            - b waits for a in 3 of 3 slow traces", "CHANGED, the nearest to the onset first\n  12:00:00  a 1.9.0 → 1.9.1",
			"(also changed, and not where the trouble is)\n", "  and 12 more: -o json has them\n",
		},
		write(t, report.Markdown, c): {
			"What speaks against them:\n\n- b: b waits for a in 3 of 3 slow traces", "(f1)\n", "\n| 12:00:00 | change | a | 1.9.0 → 1.9.1", "\nAnd 2 more, which -o json has.\n",
		},
	} {
		for _, part := range want {
			if !strings.Contains(form, part) {
				t.Errorf("no %q in\n%s", part, form)
			}
		}
		if strings.Contains(form, "\x1b") || strings.Contains(form, "12:00:15") {
			t.Errorf("an escape, or more changes than are shown:\n%s", form)
		}
	}
}
