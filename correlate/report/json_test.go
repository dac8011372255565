package report_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode"

	"obs/correlate"
	"obs/correlate/report"
	"obs/sources"
)

// promised are the names that runbooks read from a triage's JSON, as paths in which []
// stands for each element of a list. They go only with a new version of the schema.
var promised = []string{
	"schema", "verdict", "window.from", "window.to", "baseline.from", "baseline.to",
	"answers.what_changed.text", "answers.what_changed.findings", "answers.affected_flow", "answers.where_time_goes",
	"answers.failing_dependency", "answers.scope",
	"suspects[].rank", "suspects[].service", "suspects[].operation", "suspects[].score", "suspects[].findings",
	"anomalies[].service", "anomalies[].metric", "anomalies[].signal", "anomalies[].direction", "anomalies[].score",
	"anomalies[].onset", "anomalies[].baseline_value", "anomalies[].window_value", "anomalies[].unit", "anomalies[].findings",
	"hops[].from", "hops[].to", "hops[].join", "hops[].id",
	"trace.id", "trace.root.service", "trace.root.operation", "trace.duration_seconds", "trace.span_count",
	"trace.critical_path[].span_id", "trace.critical_path[].service", "trace.critical_path[].operation", "trace.critical_path[].self_seconds",
	"records[].time", "records[].service", "records[].severity", "records[].trace_id", "records[].span_id", "records[].line", "records[].join",
	"findings[].id", "findings[].statement", "findings[].evidence[].backend", "findings[].evidence[].query",
	"findings[].evidence[].window.from", "findings[].evidence[].window.to", "findings[].evidence[].url",
	"queries[].backend", "queries[].query", "queries[].status", "queries[].duration_seconds", "queries[].bytes", "queries[].records",
}

// promisedMissing are those of what is missing, which a good triage does not have.
var promisedMissing = []string{"missing[].backend", "missing[].reason", "missing[].hint"}

func TestPromisedNames(t *testing.T) {
	for _, test := range []struct {
		recording string
		names     []string
	}{{"triage", promised}, {"down", promisedMissing}} {
		var whole any
		text := write(t, report.JSON, readCase(t, recording(t, test.recording)))
		if err := json.Unmarshal([]byte(text), &whole); err != nil {
			t.Fatal(err)
		}
		for _, name := range test.names {
			if !has(whole, strings.Split(name, ".")) {
				t.Errorf("%s: no %s", test.recording, name)
			}
		}
	}
}

// has reports whether a path leads somewhere; through a list, whether it does so in any
// of its elements, as a name may be absent where there is nothing to say.
func has(value any, path []string) bool {
	if len(path) == 0 {
		return value != nil
	}
	name, list := strings.CutSuffix(path[0], "[]")
	object, _ := value.(map[string]any)
	if !list {
		return has(object[name], path[1:])
	}
	elements, _ := object[name].([]any)
	for _, element := range elements {
		if has(element, path[1:]) {
			return true
		}
	}
	return false
}

func TestNothingIsNull(t *testing.T) {
	cases := map[string]*correlate.Case{"new": correlate.NewCase(sources.Window{})}
	for name, build := range made {
		cases["made "+name] = build()
	}
	for _, name := range recorded {
		cases[name] = readCase(t, recording(t, name))
	}
	for name, c := range cases {
		var whole map[string]any
		if err := json.Unmarshal([]byte(write(t, report.JSON, c)), &whole); err != nil {
			t.Fatal(err)
		}
		if path := null(whole); path != "" {
			t.Errorf("%s: %s is null", name, path)
		}
		for _, list := range []string{"suspects", "anomalies", "hops", "records", "findings", "missing", "queries"} {
			if _, is := whole[list].([]any); !is {
				t.Errorf("%s: %s is %v, and no list", name, list, whole[list])
			}
		}
	}
}

// null is the path to a null, or nothing.
func null(value any) string {
	switch value := value.(type) {
	case nil:
		return "."
	case map[string]any:
		for name, element := range value {
			if path := null(element); path != "" {
				return "." + name + path
			}
		}
	case []any:
		for i, element := range value {
			if path := null(element); path != "" {
				return fmt.Sprintf("[%d]%s", i, path)
			}
		}
	}
	return ""
}

func TestNumbersThatAreNotFinite(t *testing.T) {
	c, finite := notFinite(), madeTriage()
	finite.Records[0].Line = c.Records[0].Line
	text := write(t, report.JSON, c)
	if !json.Valid([]byte(text)) {
		t.Fatalf("this is no JSON:\n%s", text)
	}
	var different []string
	got, want := strings.Split(text, "\n"), strings.Split(write(t, report.JSON, finite), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d lines instead of %d:\n%s", len(got), len(want), text)
	}
	for i := range got {
		if got[i] != want[i] {
			different = append(different, strings.TrimSpace(got[i]))
		}
	}
	if want := []string{`"window_value": null,`, `"duration_seconds": null,`, `"duration_seconds": null,`, `"value": null,`}; !slices.Equal(different, want) {
		t.Errorf("what differs is %q, want %q", different, want)
	}
	if !math.IsInf(c.Anomalies[0].WindowValue, 1) || !math.IsNaN(c.Findings[0].Evidence[0].Values[0].Value) {
		t.Error("the case itself was changed")
	}
	for as, form := range forms {
		if text := write(t, form, c); text == "" {
			t.Errorf("%s is empty", as)
		}
	}
}

// JSON on a terminal must not act on it, and must still read back as what it was.
func TestJSONIsSafeOnATerminal(t *testing.T) {
	c := madeLookup()
	line := "\x1b[2J \x1b]52;c;aGk=\x07 \u009b31m \x7f \u202e \u200b \u2028 \U000e0041 漢字 👩\u200d💻 <b>&amp;"
	c.Records[0].Line = line
	text := write(t, report.JSON, c)
	for _, r := range text {
		if r != '\n' && r != '\u200d' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) {
			t.Errorf("%U is raw", r)
		}
	}
	if got := readCase(t, text).Records[0].Line; got != line {
		t.Errorf("got %q, want %q", got, line)
	}
	if !strings.Contains(text, "漢字 👩\u200d💻 <b>&amp;") {
		t.Errorf("harmless text was escaped: %s", text)
	}
}

// A case that is written part by part reads as one that the library writes at once.
func TestJSONInParts(t *testing.T) {
	cases := map[string]*correlate.Case{
		"empty": correlate.NewCase(window(0, 1)), "nil lists": {}, "loop": lookup(loop(30)...),
		"triage": readCase(t, recording(t, "triage")), "down": readCase(t, recording(t, "down")),
	}
	cases["loop"].OtherTraces = []correlate.Trace{*cases["loop"].Trace, {}}
	cases["loop"].Trace.Spans[3].Attributes = sources.Attributes{{Key: "a<b", Value: "&"}}
	for name, c := range cases {
		var want strings.Builder
		encoder := json.NewEncoder(&want)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(c); err != nil {
			t.Fatal(err)
		}
		if got := write(t, report.JSON, c); got != want.String() {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want.String())
		}
	}
}
