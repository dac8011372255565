package sources_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"obs/sources"
)

func TestParseTraceID(t *testing.T) {
	const full = "0af7651916cd43dd8448eb211c80319c"
	for _, test := range []struct {
		text string
		want sources.TraceID // empty for what is none
	}{
		{full, full},
		{strings.ToUpper(full), full},
		{strings.TrimLeft(full, "0"), full},
		{"8448eb211c80319c", "00000000000000008448eb211c80319c"},
		{"1", "00000000000000000000000000000001"},
		{"", ""},
		{strings.Repeat("0", 32), ""},
		{"0", ""},
		{full + "0", ""},
		{"0" + full, ""},
		{"0x" + full[2:], ""},
		{full[:31] + "g", ""},
		{" " + full[1:], ""},
		{"0af76519-16cd-43dd-8448-eb211c80319c", ""},
		{"ａ", ""}, // a full-width letter
		{"-1", ""},
	} {
		got, ok := sources.ParseTraceID(test.text)
		if got != test.want || ok != (test.want != "") {
			t.Errorf("%q: %q, %t", test.text, got, ok)
		}
	}
}

func TestParseSpanID(t *testing.T) {
	for _, test := range []struct {
		text string
		want sources.SpanID
	}{
		{"B7AD6B7169203331", "b7ad6b7169203331"},
		{"a4", "00000000000000a4"},
		{"0000000000000000", ""},
		{"0b7ad6b7169203331", ""},
		{"", ""},
		{"xyz", ""},
	} {
		got, ok := sources.ParseSpanID(test.text)
		if got != test.want || ok != (test.want != "") {
			t.Errorf("%q: %q, %t", test.text, got, ok)
		}
	}
}

func FuzzParseTraceID(f *testing.F) {
	f.Add("0af7651916cd43dd8448eb211c80319c")
	f.Add("1")
	f.Add("\u212a") // becomes an ASCII letter in lower case
	f.Fuzz(func(t *testing.T, text string) {
		id, ok := sources.ParseTraceID(text)
		if !ok {
			return
		}
		if len(id) != 32 || strings.Trim(string(id), "0123456789abcdef") != "" {
			t.Errorf("%q: %q", text, id)
		}
		for _, notation := range []string{string(id), id.Short(), strings.ToUpper(id.Short())} {
			if again, ok := sources.ParseTraceID(notation); again != id || !ok {
				t.Errorf("%q: %q, but %q from %q", text, id, again, notation)
			}
		}
	})
}

func TestAttributes(t *testing.T) {
	attributes := sources.Attributes{{Key: "c", Value: "3"}, {Key: "a", Value: "1"}, {Key: "b", Value: "2"}, {Key: "a", Value: "again"}}
	attributes.Sort()
	for key, want := range map[string]string{"a": "1", "b": "2", "c": "3", "d": "", "": ""} {
		if got := attributes.Get(key); got != want {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
	}
	if got := sources.Attributes(nil).Get("a"); got != "" {
		t.Errorf("of none: %q", got)
	}
}

func TestSpanFailed(t *testing.T) {
	flagged := sources.Attributes{{Key: "error", Value: "true"}}
	for _, test := range []struct {
		span sources.Span
		want bool
	}{
		{sources.Span{Status: sources.StatusError}, true},
		{sources.Span{Status: sources.StatusUnset, Attributes: flagged}, true},
		{sources.Span{Status: sources.StatusOK, Attributes: flagged}, false},
		{sources.Span{Status: sources.StatusUnset}, false},
		{sources.Span{Attributes: sources.Attributes{{Key: "error", Value: "false"}}}, false},
	} {
		if got := test.span.Failed(); got != test.want {
			t.Errorf("%+v: %t", test.span, got)
		}
	}
}

func TestTrace(t *testing.T) {
	trace := sources.Trace{Spans: []sources.Span{
		{Service: "b", Start: noon, Duration: time.Minute},
		{Service: "a", Start: noon.Add(30 * time.Second), Duration: 90 * time.Second},
		{Service: "b", Start: noon.Add(time.Second), Duration: time.Second},
	}}
	if got := trace.Window(); got != span(0, 2) {
		t.Errorf("window %v", got)
	}
	if got := trace.Services(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("services %q", got)
	}
	if empty := (&sources.Trace{}); !empty.Window().IsZero() || empty.Services() != nil {
		t.Error("a trace without spans has a window or services")
	}
}
