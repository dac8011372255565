package report_test

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
)

var recordForms = map[string]func(io.Writer, *correlate.Record) error{
	"text": report.RecordText, "raw": report.RecordRaw, "printable": report.RecordPrintable,
	"logfmt": report.RecordLogfmt, "json": report.RecordJSON,
}

func writeRecord(t interface{ Fatal(...any) }, as string, r *correlate.Record) string {
	var b bytes.Buffer
	if err := recordForms[as](&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRecordForms(t *testing.T) {
	r := &correlate.Record{
		Time: noon.Add(1), Service: "checkout", Severity: "error",
		TraceID: "000000000000000000000000000000a1", SpanID: "00000000000000b1",
		Line:     "no \"answer\" after\x1b[2J\t3 s",
		Labels:   sources.Labels{"pod": "a-1", "service": "checkout", "level": "warn"},
		Metadata: sources.Labels{"a b=\n": "", "level": "null", "pod": "a-2", "trace_id": "a1"},
		Join:     correlate.ByTraceID,
	}
	for as, want := range map[string]string{
		"raw":       "no \"answer\" after\x1b[2J\t3 s\n",
		"printable": `no "answer" after\x1b[2J\t3 s` + "\n",
		"logfmt": `time=2026-11-21T12:00:00.000000001Z service=checkout level=error trace_id=000000000000000000000000000000a1 span_id=00000000000000b1 ` +
			`level_label=warn pod=a-1 a_b__="" level_metadata="null" pod_metadata=a-2 trace_id_metadata=a1 ` +
			`msg="no \"answer\" after\u001b[2J\t3 s"` + "\n",
		"text": `2026-11-21T12:00:00.000Z ERROR checkout     no "answer" after\x1b[2J\t3 s` + "\n",
	} {
		if got := writeRecord(t, as, r); got != want {
			t.Errorf("as %s:\n%s\nwant\n%s", as, got, want)
		}
	}
	if got := writeRecord(t, "json", r); !strings.HasPrefix(got, `{"time":"2026-11-21T12:00:00.000000001Z",`) {
		t.Errorf("the time is not first: %s", got)
	}
	bare := &correlate.Record{Time: noon, Context: true}
	if got := writeRecord(t, "logfmt", bare); got != "time=2026-11-21T12:00:00Z context=true msg=\"\"\n" {
		t.Errorf("a record of nothing is %q", got)
	}
}

// pair is a name and what it says.
type pair struct{ name, value string }

// readLogfmt reads a line by the rules of logfmt: pairs between single spaces, each a name
// and a value that is one word or a JSON string.
func readLogfmt(t interface{ Fatalf(string, ...any) }, line string) (all []pair) {
	rest, ended := strings.CutSuffix(line, "\n")
	if !ended || strings.Contains(rest, "\n") {
		t.Fatalf("not one line: %q", line)
	}
	for rest != "" {
		name, after, found := strings.Cut(rest, "=")
		if !found || name == "" || strings.ContainsAny(name, " \"") {
			t.Fatalf("no name at %q of %q", rest, line)
		}
		value := ""
		if strings.HasPrefix(after, `"`) {
			decoder := json.NewDecoder(strings.NewReader(after))
			if err := decoder.Decode(&value); err != nil {
				t.Fatalf("%v at %q of %q", err, after, line)
			}
			after = after[decoder.InputOffset():]
		} else {
			end := strings.IndexByte(after+" ", ' ')
			value, after = after[:end], after[end:]
			if value == "" || strings.ContainsAny(value, `"=`) {
				t.Fatalf("value %q in %q", value, line)
			}
		}
		all = append(all, pair{name, value})
		if after != "" && (after[0] != ' ' || len(after) == 1) {
			t.Fatalf("%q follows a value in %q", after, line)
		}
		rest = strings.TrimPrefix(after, " ")
	}
	return all
}

// Whatever a record says, its logfmt reads back: no name twice, and no text lost.
func TestLogfmtReadsBack(t *testing.T) {
	texts := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "null", "a=b", `a"b`, `\`, "a b", "\u202e", "\x9b", "level", "level_label", "msg", "time"}))
	labels := rapid.MapOfN(texts, texts, 0, 5)
	rapid.Check(t, func(t *rapid.T) {
		r := &correlate.Record{
			Time: time.Unix(0, rapid.Int64().Draw(t, "time")), Service: texts.Draw(t, "service"), Severity: texts.Draw(t, "severity"),
			Line: texts.Draw(t, "line"), Labels: labels.Draw(t, "labels"), Metadata: labels.Draw(t, "metadata"),
			Context: rapid.Bool().Draw(t, "context"),
		}
		line := writeRecord(t, "logfmt", r)
		all := readLogfmt(t, line)
		known, values := map[string]string{}, map[string]bool{}
		for _, p := range all {
			if _, twice := known[p.name]; twice {
				t.Fatalf("%s stands twice in %q", p.name, line)
			}
			known[p.name], values[p.value] = p.value, true
		}
		if at, err := time.Parse(time.RFC3339Nano, all[0].value); all[0].name != "time" || err != nil || !at.Equal(r.Time) {
			t.Fatalf("%q does not begin with the time %s", line, r.Time)
		}
		if last := all[len(all)-1]; last != (pair{"msg", valid(r.Line)}) {
			t.Fatalf("%q does not end with the line %q", line, r.Line)
		}
		if known["service"] != valid(r.Service) && r.Service != "" || known["level"] != valid(r.Severity) && r.Severity != "" || r.Context && known["context"] != "true" {
			t.Fatalf("%q is not of %+v", line, r)
		}
		for _, set := range []sources.Labels{r.Labels, r.Metadata} {
			for name, value := range set {
				if !values[valid(value)] {
					t.Fatalf("%s=%q is lost in %q", name, value, line)
				}
			}
		}
	})
}

// valid is text as JSON keeps it.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		b.WriteRune(r)
	}
	return b.String()
}

// Nothing that a record says acts on a terminal, or forges a line, but in raw form.
func TestRecordFormsAreInert(t *testing.T) {
	for name, payload := range hostile {
		r := &correlate.Record{Time: noon, Service: payload, Severity: payload, Line: payload, Labels: sources.Labels{payload: payload}, Metadata: sources.Labels{"a": payload}}
		for as := range recordForms {
			text := writeRecord(t, as, r)
			if as == "raw" {
				if text != payload+"\n" {
					t.Errorf("%s: raw is %q", name, text)
				}
				continue
			}
			inert(t, name+" as "+as, text)
			if strings.Count(text, "\n") != 1 {
				t.Errorf("%s as %s is not one line: %q", name, as, text)
			}
		}
	}
}
