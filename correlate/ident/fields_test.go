package ident_test

import (
	"testing"

	"obs/correlate/ident"
	"obs/sources"
)

func TestInLine(t *testing.T) {
	tests := []struct{ line, want string }{
		{`{"msg":"x","trace_id":"abc"}`, "abc"},
		{`{"msg":"x","trace.id":"abc"}`, "abc"},
		{`{"msg":"x","trace":{"id":"abc"}}`, "abc"},
		{`{"msg":"x","dd":{"trace_id":12345678901234567890}}`, "12345678901234567890"},
		{`{"msg":"x","trace":{"id":{"of":"abc"}}}`, ""},
		{`{"msg":"x","trace":["id"]}`, ""},
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
