package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/exp/golden"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
)

type logForm func(io.Writer, *correlate.LogView) error

var logForms = map[string]logForm{
	"text": report.LogsText, "patterns": report.PatternsText, "notes": report.LogsNotes, "markdown": report.LogsMarkdown, "json": report.LogsJSON,
	"patterns-jsonl": report.PatternsJSONL,
}

func writeLogs(t testing.TB, as logForm, v *correlate.LogView) string {
	t.Helper()
	var b bytes.Buffer
	if err := as(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// madeLogs is a view with records and patterns of all kinds.
func madeLogs() *correlate.LogView {
	asked := window(-time.Hour, 0)
	return &correlate.LogView{
		Schema: correlate.LogsSchema, Window: asked, Query: `{app=~"支付|checkout"} |= "a ` + "`" + `word"`, URL: "http://127.0.0.1:3100/loki/api/v1/query_range?query=(a)",
		Records: []correlate.Record{
			{Time: noon.Add(-time.Minute), Service: "支付", Severity: "error", Line: `{"level":"error","msg":"超时 after 3 s","order":42,"text":"two words"}`, TraceID: "000000000000000000000000000000a1", Join: correlate.ByTraceID},
			{Time: noon.Add(-1500 * time.Microsecond), Service: "checkout-with-a-long-name", Severity: "informational", Line: "plain text"},
			{Time: noon, Line: "at a\n\tat b"},
			{Time: noon.Add(time.Nanosecond), Service: "quiet", Line: ""},
		},
		Patterns: []correlate.Pattern{
			{Pattern: "超时 after <*> s", Service: "支付", Severity: "error", WindowCount: 120, Change: "new", Example: "超时 after 3 s"},
			{Pattern: "order <*> | placed", Service: "checkout-with-a-long-name", Severity: "info", WindowCount: 12345678, BaselineCount: 3, Change: "grown"},
			{Pattern: "cache hit", BaselineCount: 40, Change: "vanished"},
		},
		Truncated: true, Sampled: 0.25,
		Missing: []correlate.Missing{{Backend: sources.Loki, Kind: correlate.MissingTruncated, Reason: "there are more than the 4 records that are shown, the newest", Hint: "ask for more with --limit"}},
		Queries: []correlate.Query{{Backend: sources.Loki, Query: `{app="支付"}`, Window: &asked, Status: sources.QueryOK, DurationSeconds: 0.004, Bytes: 3 << 20, Records: 4, Attempts: 1}},
	}
}

// noLogs is a view of a search that found nothing.
func noLogs() *correlate.LogView {
	asked := window(-time.Hour, 0)
	return &correlate.LogView{
		Schema: correlate.LogsSchema, Window: asked, Query: `{app="a"}`, Records: []correlate.Record{}, Patterns: []correlate.Pattern{},
		Missing: []correlate.Missing{{Backend: sources.Loki, Kind: correlate.MissingNoData, Reason: "it holds no records of a"}},
		Queries: []correlate.Query{
			{Backend: sources.Loki, Query: "GET /series", Status: sources.QueryOK, Records: 1},
			{Backend: sources.Loki, Query: `{app="a"}`, Window: &asked, Status: sources.QueryEmpty},
		},
	}
}

// lostLogs is a view of a backend that does not answer.
func lostLogs() *correlate.LogView {
	v := noLogs()
	v.Missing = []correlate.Missing{{Backend: sources.Loki, Kind: correlate.MissingFailed, Reason: "loki cannot be reached", Hint: "check that it runs"}}
	v.Queries = []correlate.Query{{Backend: sources.Loki, Query: "GET /series", Status: sources.QueryFailed, Error: "connection refused"}}
	return v
}

func TestLogs(t *testing.T) {
	for name, made := range map[string]func() *correlate.LogView{"made": madeLogs, "none": noLogs, "lost": lostLogs} {
		for as, form := range logForms {
			t.Run(name+"/"+as, func(t *testing.T) { golden.RequireEqual(t, writeLogs(t, form, made())) })
		}
	}
}

// One record is one line, whatever it says, and can be read back from its JSON.
func TestRecordsAreLines(t *testing.T) {
	for name, payload := range hostile {
		var r correlate.Record
		fill(reflect.ValueOf(&r).Elem(), "", payload)
		for _, line := range []string{payload, `{"msg":"a\u001b[2J\nb","k\n":"` + "\u202e" + `"}`} {
			r.Line = line
			text := report.RecordLine(&r)
			inert(t, name, text)
			if strings.Contains(text, "\n") || !strings.HasPrefix(text, "2026-11-21T12:00:00.000Z-") { // it is context
				t.Errorf("%s: %q", name, text)
			}
			var b bytes.Buffer
			if err := report.RecordJSON(&b, &r); err != nil {
				t.Fatal(err)
			}
			inert(t, name, b.String())
			if strings.Count(b.String(), "\n") != 1 || !strings.HasSuffix(b.String(), "\n") {
				t.Errorf("%s: %q is not one line", name, b.String())
			}
			var again correlate.Record
			if err := json.Unmarshal(b.Bytes(), &again); err != nil || again.Line != strings.ToValidUTF8(line, "\ufffd") && utf8.ValidString(line) {
				t.Errorf("%s: %q reads back as %q, %v", name, line, again.Line, err)
			}
		}
	}
}

// inert checks that a terminal has nothing to act on.
func inert(t *testing.T, name, text string) {
	t.Helper()
	for i, r := range text {
		if r != '\n' && r != '\u200d' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) || r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd") {
			t.Errorf("%s: %U at %d of %q", name, r, i, text)
			return
		}
	}
}

func TestHostileLogs(t *testing.T) {
	full := func(payload string, found bool) *correlate.LogView {
		v := &correlate.LogView{}
		fill(reflect.ValueOf(v).Elem(), "", payload)
		v.Queries[0].Status = sources.QueryOK
		if !found {
			v.Records, v.Patterns = nil, nil
		}
		return v
	}
	for _, found := range []bool{true, false} {
		structure := skeleton(writeLogs(t, report.LogsMarkdown, full("harmless", found)))
		for name, payload := range hostile {
			v := full(payload, found)
			for as, form := range logForms {
				text := writeLogs(t, form, v)
				inert(t, name+" as "+as, text)
				for line := range strings.Lines(text) {
					if as != "markdown" && strings.HasPrefix(strings.TrimSpace(line), "forged") && !strings.HasPrefix(strings.TrimSpace(payload), "forged") {
						t.Errorf("%s as %s: a line was forged: %q", name, as, line)
					}
				}
			}
			markdown := writeLogs(t, report.LogsMarkdown, v)
			if got := skeleton(markdown); got != structure {
				t.Errorf("%s: the Markdown has the structure\n%s\nwant\n%s\nof\n%s", name, got, structure, markdown)
			}
			if said, want := words(plain(t, markdown)), words(sources.Printable(payload)); !strings.Contains(said, want) {
				t.Errorf("%q does not stand for itself in\n%s", want, said)
			}
		}
	}
}

// Context is marked as grep marks it, and what stands apart is kept apart.
func TestLogsWithContext(t *testing.T) {
	v := madeLogs()
	v.Records[0].Group, v.Records[1].Group, v.Records[2].Group, v.Records[3].Group = 1, 2, 2, 2
	v.Records[1].Context, v.Records[3].Context = true, true
	marks := ""
	for line := range strings.Lines(writeLogs(t, report.LogsText, v)) {
		if line == "--\n" {
			marks += "|"
		} else {
			marks += line[len("2026-11-21T12:00:00.000Z"):][:1]
		}
	}
	if marks != " |- -" {
		t.Errorf("marks %q", marks)
	}
	if markdown := writeLogs(t, report.LogsMarkdown, v); !strings.HasPrefix(markdown, "# Logs: 2 records, and 2 around them\n") {
		t.Error(markdown)
	}
}

// The mark stands below the character that the server names, however wide those before it.
func TestRejectedPointsToThePlace(t *testing.T) {
	for _, test := range []struct {
		asked        string
		line, column int
		want         string
	}{
		{`{a="b`, 1, 4, "  {a=\"b\n     ^\n"},
		{`{a="支付"} |`, 1, 9, "  {a=\"支付\"} |\n            ^\n"},
		{`{a="b"}`, 1, 8, "  {a=\"b\"}\n         ^\n"},
		{"{a=\"\x1b\"} |", 1, 7, "  {a=\"\\x1b\"} |\n           ^\n"},
		{"{a=\"b\"} # c\n| x y", 2, 5, "  | x y\n      ^\n"},
		{`{a="b"}`, 1, 400, "  {a=\"b\"}\n         ^\n"},
		{`{a="b"}`, 7, 1, ""},
		{`{a="b"}`, 0, 0, ""},
	} {
		var b bytes.Buffer
		failure := &sources.Error{Backend: sources.Loki, Kind: sources.ErrBadQuery, Detail: "no", Hint: "try", Line: test.line, Column: test.column}
		if err := report.Rejected(&b, test.asked, failure); err != nil || b.String() != "obs: loki did not accept the query: no\n"+test.want+"  → try\n" {
			t.Errorf("%q at %d:%d:\n%s%v", test.asked, test.line, test.column, b.String(), err)
		}
	}
}

func TestWritingLogsFails(t *testing.T) {
	reader, writer := io.Pipe()
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	for as, form := range logForms {
		if err := form(writer, madeLogs()); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: got %v, want %v", as, err, io.ErrClosedPipe)
		}
	}
	for as, form := range recordForms {
		if err := form(writer, &madeLogs().Records[0]); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("a record as %s: got %v", as, err)
		}
	}
}
