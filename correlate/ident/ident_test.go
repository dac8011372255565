package ident_test

import (
	"errors"
	"strings"
	"testing"

	"obs/correlate/ident"
	"obs/sources"
)

func TestParse(t *testing.T) {
	const full = "4bf92f3577b34da6a3ce929d0e0e4736"
	tests := []struct {
		text    string
		trace   sources.TraceID
		request string
	}{
		{full, full, full},
		{strings.ToUpper(full), full, strings.ToUpper(full)},
		{"  " + full + "\n", full, full},
		{`"` + full + `"`, full, full},
		{"77b34da6a3ce929d", "000000000000000077b34da6a3ce929d", "77b34da6a3ce929d"},
		{"af7651916cd43dd8448eb211c80319c", "0af7651916cd43dd8448eb211c80319c", "af7651916cd43dd8448eb211c80319c"},
		{"00-" + full + "-00f067aa0ba902b7-01", full, ""},
		{"req_a1b2c3d4", "", "req_a1b2c3d4"},
		{"7f3c1d2e-9a44-4f0b-8f57-2f1e0c9b8a76", "", "7f3c1d2e-9a44-4f0b-8f57-2f1e0c9b8a76"},
		{"01ARZ3NDEKTSV4RRFFQ69G5FAV", "", "01ARZ3NDEKTSV4RRFFQ69G5FAV"},
		{full + "00", "", full + "00"}, // too long for a trace ID
		{"Bearer-like/ID+with=signs", "", "Bearer-like/ID+with=signs"},
		{`a"} |= "x`, "", ""}, // has a space, so it is no ID
	}
	for _, test := range tests {
		id, err := ident.Parse(test.text)
		if test.trace == "" && test.request == "" {
			if !errors.Is(err, ident.ErrNotID) {
				t.Errorf("%q: error %v, want ErrNotID", test.text, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		if id.Trace != test.trace || id.Request != test.request {
			t.Errorf("%q: trace %q, request %q; want %q and %q", test.text, id.Trace, id.Request, test.trace, test.request)
		}
		if id.Reading == "" {
			t.Errorf("%q: it does not say what it was taken for", test.text)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	tests := map[string]error{
		"":                                 ident.ErrEmpty,
		"  \n":                             ident.ErrEmpty,
		"0000":                             ident.ErrNotID,
		"00000000000000000000000000000000": ident.ErrNotID,
		"two words":                        ident.ErrNotID,
		"esc\x1b[31m":                      ident.ErrNotID,
		strings.Repeat("x", 300):           ident.ErrNotID,
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01": ident.ErrNotID,
	}
	for text, want := range tests {
		if _, err := ident.Parse(text); !errors.Is(err, want) {
			t.Errorf("%q: error %v, want %v", text, err, want)
		}
	}
}

func TestInLine(t *testing.T) {
	tests := []struct{ line, want string }{
		{`{"msg":"x","trace_id":"abc"}`, "abc"},
		{`{"msg":"x","trace.id":"abc"}`, "abc"},
		{`{"msg":"x","trace":{"id":"abc"}}`, ""},
		{`{"msg":"x","trace_id":null}`, ""},
		{`{"msg":"no json" trace_id=abc`, "abc"},
		{`level=info trace_id=abc msg="x"`, "abc"},
		{`level=info trace_id="abc" msg="x"`, "abc"},
		{`INFO TraceID: abc SpanID: def`, "abc"},
		{`INFO [traceId=abc,spanId=def]`, "abc"},
		{`parent_trace_id=zzz trace_id=abc`, "abc"},
		{`parent_trace_id=zzz`, ""},
		{`the trace_id is missing`, ""},
		{`trace_id=`, ""},
		{``, ""},
	}
	for _, test := range tests {
		if got := ident.InLine(test.line, ident.TraceFields); got != test.want {
			t.Errorf("%s: %q, want %q", test.line, got, test.want)
		}
	}
}

func TestMentionsTellsAnIDFromAPartOfAnother(t *testing.T) {
	id, _ := sources.ParseTraceID("0af7651916cd43dd8448eb211c80319c")
	tests := map[string]bool{
		"trace 0af7651916cd43dd8448eb211c80319c done":                                   true,
		"trace af7651916cd43dd8448eb211c80319c done":                                    true,
		"trace 0AF7651916CD43DD8448EB211C80319C done":                                   true,
		"trace 000af7651916cd43dd8448eb211c80319c":                                      true,
		"0af76519-16cd-43dd-8448-eb211c80319c":                                          true,
		"trace 1af7651916cd43dd8448eb211c80319c done":                                   false,
		"trace 10af7651916cd43dd8448eb211c80319c done":                                  false,
		"trace 0af7651916cd43dd8448eb211c80319c0 done":                                  false,
		"first xaf7651916cd43dd8448eb211c80319cf, then af7651916cd43dd8448eb211c80319c": true,
		"": false,
	}
	for line, want := range tests {
		if got := ident.Mentions(line, id); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "abc", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", `"`, "\x1b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ident.Parse(text)
		if err != nil {
			return
		}
		if id.Trace == "" && id.Request == "" {
			t.Fatalf("%q was taken for nothing", text)
		}
		if id.Trace != "" && len(id.Trace) != 32 {
			t.Fatalf("%q gave trace ID %q", text, id.Trace)
		}
		ident.InLine(text, ident.TraceFields)
	})
}
