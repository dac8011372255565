package ident_test

import (
	"testing"

	"obs/correlate/ident"
	"obs/sources"
)

func TestTraceIn(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for line, want := range map[string]sources.TraceID{
		"2026-11-21 18:34:49 INFO [shop," + id + ",63b8e3bc4aefa82d] done":          id,
		"INFO [shop,,] health check passed":                                         "",
		"mdc.traceId=" + id + " done":                                               id,
		"traceparent: 00-" + id + "-00f067aa0ba902b7-01":                            id,
		"tid=" + id + " done":                                                       "",
		"etag " + id:                                                                "",
		`{"msg":"calling","parent_trace_id":"` + id + `"}`:                          "",
		`{"msg":"done","ctx":{"x-b3-traceid":"` + id + `"},"request_id":"r-12345"}`: id,
	} {
		if got, ok := ident.TraceIn(line); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %t", line, got, ok)
		}
	}
}

func TestNamesSecret(t *testing.T) {
	for name, want := range map[string]bool{"password": true, "http.request.header.authorization": true, "api_key": true, "path": false, "trace_id": false} {
		if ident.NamesSecret(name) != want {
			t.Errorf("%s", name)
		}
	}
}
