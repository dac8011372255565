package correlate

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"obs/sources"
)

func TestContainsWord(t *testing.T) {
	for _, test := range []struct {
		line, id string
		want     bool
	}{
		{"", "req_1", false},
		{"req_1", "req_1", true},
		{"id=req_1 done", "req_1", true},
		{`{"id":"req_1"}`, "req_1", true},
		{"[req_1]", "req_1", true},
		{"/req_1/", "req_1", true},
		{"req_12", "req_1", false},
		{"areq_1", "req_1", false},
		{"x-req_1", "req_1", false},
		{"req_1_2", "req_1", false},
		{"req_12 req_1", "req_1", true}, // the second one is it
		{"aaaa", "aa", false},
		{"aaa aa", "aa", true},
		{"REQ_1", "req_1", false},
		{"支req_1付", "req_1", true},
		{"a.b", "a.b", true},
		{"a.b.c", "a.b", true},
	} {
		if got := containsWord(test.line, test.id); got != test.want {
			t.Errorf("%q in %q: got %t", test.id, test.line, got)
		}
	}
}

// A word is found wherever it stands among others.
func TestContainsWordAmongOthers(t *testing.T) {
	word := rapid.StringMatching(`[a-z0-9_-]{1,4}`)
	rapid.Check(t, func(r *rapid.T) {
		words := rapid.SliceOfN(word, 0, 6).Draw(r, "words")
		id := word.Draw(r, "id")
		line := strings.Join(words, rapid.SampledFrom([]string{" ", "=", `"`, "/", "支", "."}).Draw(r, "between"))
		if got, want := containsWord(line, id), slices.Contains(words, id); got != want {
			r.Errorf("%q in %q: got %t", id, line, got)
		}
	})
}

func TestCovering(t *testing.T) {
	for _, test := range []struct {
		name    string
		streams []sources.Labels
		want    []string
	}{
		{"no stream", nil, nil},
		{"one", []sources.Labels{{"app": "a"}}, []string{`{app=~".+"}`}},
		{
			"a label that all have",
			[]sources.Labels{{"app": "a", "pod": "1"}, {"app": "b"}, {"app": "c", "pod": "2"}},
			[]string{`{app=~".+"}`},
		},
		{
			"of those that all have, the one that names a service",
			[]sources.Labels{{"aaa": "1", "service_name": "a", "zone": "x"}, {"aaa": "2", "service_name": "b", "zone": "x"}},
			[]string{`{service_name=~".+"}`},
		},
		{
			"no label that all have",
			[]sources.Labels{{"app": "a"}, {"app": "b"}, {"job": "c"}, {"unit": "d"}},
			[]string{`{app=~".+"}`, `{job=~".+", app=""}`, `{unit=~".+", app="", job=""}`},
		},
		{
			"an empty value is no label",
			[]sources.Labels{{"app": "", "job": "a"}, {"app": "", "job": "b"}, {"app": "c"}},
			[]string{`{job=~".+"}`, `{app=~".+", job=""}`},
		},
		{"a stream without labels cannot be selected", []sources.Labels{{}, {"app": "a"}, {"app": ""}}, []string{`{app=~".+"}`}},
		{"only such", []sources.Labels{{}}, nil},
	} {
		var got []string
		for _, selector := range covering(test.streams) {
			got = append(got, selector.String())
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// Every stream with a label is selected, and by one selector alone.
func TestCoveringSelectsEachStreamOnce(t *testing.T) {
	names := rapid.SampledFrom([]string{"app", "job", "pod", "service_name", "a b"})
	rapid.Check(t, func(r *rapid.T) {
		values := rapid.SampledFrom([]string{"", "x", "y", `"`})
		streams := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) sources.Labels { return rapid.MapOfN(names, values, 0, 4).Draw(r, "labels") }), 0, 8).Draw(r, "streams")
		selectors := covering(streams)
		for _, stream := range streams {
			selected, labelled := 0, false
			for _, value := range stream {
				labelled = labelled || value != ""
			}
			for _, selector := range selectors {
				if selects(selector, stream) {
					selected++
				}
			}
			if labelled && selected != 1 || !labelled && selected != 0 {
				r.Errorf("%v is selected %d times by %v", stream, selected, selectors)
			}
		}
		for _, selector := range selectors {
			if selector[0] != sources.NotEmpty(selector[0].Name) { // LogQL wants one that is not empty
				r.Errorf("%v is no selector", selector)
			}
		}
	})
}

// selects evaluates the two kinds of matchers that covering makes.
func selects(selector sources.Selector, stream sources.Labels) bool {
	for _, m := range selector {
		if empty := stream[m.Name] == ""; empty != (m.Op == sources.Equal) {
			return false
		}
	}
	return true
}

func TestFromRecord(t *testing.T) {
	const (
		traceID = "0000000000000000000000000000abcd"
		spanID  = "00000000000000b1"
		strange = "00000000000000ff"
	)
	trace := &Trace{ID: traceID, Spans: []Span{{ID: spanID}}}
	at := time.Date(2026, 11, 21, 14, 0, 0, 1, time.FixedZone("CET", 3600))
	tests := []struct {
		name   string
		record sources.Record
		trace  *Trace
		want   Record
	}{
		{
			"metadata says all",
			sources.Record{
				Stream: sources.Labels{"service_name": "shop", "level": "info"}, Line: "it failed level=debug",
				Metadata: sources.Labels{"trace_id": "ABCD", "span_id": "B1", "severity": "ERROR"},
			},
			trace, Record{Service: "shop", Severity: "error", TraceID: traceID, SpanID: spanID, Join: BySpanID},
		},
		{
			"labels say it",
			sources.Record{Stream: sources.Labels{"app": "shop", "level": "Warn", "traceID": "abcd"}, Line: "level=debug"},
			trace, Record{Service: "shop", Severity: "warn", TraceID: traceID, Join: ByTraceID},
		},
		{
			"the line says it, as JSON",
			sources.Record{Stream: sources.Labels{"job": "shop"}, Line: `{"level":"Fatal","trace_id":"abcd","span_id":"b1"}`},
			trace, Record{Service: "shop", Severity: "fatal", TraceID: traceID, SpanID: spanID, Join: BySpanID},
		},
		{
			"the line says it, as text",
			sources.Record{Stream: sources.Labels{"container": "shop"}, Line: `lvl=error trace_id=abcd span_id="b1" it failed`},
			trace, Record{Service: "shop", Severity: "error", TraceID: traceID, SpanID: spanID, Join: BySpanID},
		},
		{
			"a span that the trace does not have",
			sources.Record{Line: "span_id=ff"},
			trace, Record{TraceID: traceID, SpanID: strange, Join: ByTraceID},
		},
		{
			"it says nothing of itself",
			sources.Record{Line: "for trace abcd"},
			trace, Record{TraceID: traceID, Join: ByTraceID},
		},
		{
			"no trace is known",
			sources.Record{Line: "trace_id=abcd span_id=b1"},
			nil, Record{TraceID: traceID, SpanID: spanID, Join: ByTraceID},
		},
		{
			"what is no ID is left out",
			sources.Record{Line: "trace_id=- span_id=0000000000000000"},
			nil, Record{Join: ByTraceID},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.record.Time = at
			var id sources.TraceID
			if test.trace != nil {
				id = test.trace.ID
			}
			got := plain.fromRecords([]sources.Record{test.record}, test.trace, id)[0]
			if got.Service != test.want.Service || got.Severity != test.want.Severity || got.TraceID != test.want.TraceID ||
				got.SpanID != test.want.SpanID || got.Join != test.want.Join {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if got.Line != test.record.Line || got.Labels.String() != test.record.Stream.String() || got.Metadata.String() != test.record.Metadata.String() {
				t.Errorf("it was changed: %+v", got)
			}
			if !got.Time.Equal(at) || got.Time.Location() != time.UTC {
				t.Errorf("its time is %v", got.Time)
			}
		})
	}
}

func TestRecordKey(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 0, 0, 1, time.UTC)
	record := sources.Record{Time: at, Stream: sources.Labels{"a": "1", "b": "2"}, Line: "x"}
	same := record
	same.Metadata = sources.Labels{"detected_level": "info"}
	if recordKey(record) != recordKey(same) {
		t.Error("metadata tells two records apart, which Loki adds to only some answers")
	}
	for name, change := range map[string]func(*sources.Record){
		"time":   func(r *sources.Record) { r.Time = at.Add(1) },
		"stream": func(r *sources.Record) { r.Stream = sources.Labels{"a": "1"} },
		"line":   func(r *sources.Record) { r.Line = "y" },
	} {
		other := record
		if change(&other); recordKey(other) == recordKey(record) {
			t.Errorf("another %s makes no difference", name)
		}
	}
}

func TestRequestSearch(t *testing.T) {
	s := plain.requestSearch(`req"1`)
	if !s.holds(sources.Record{Line: `id=req"1`}) || s.holds(sources.Record{Line: `id=req"12`}) {
		t.Error("it does not tell the ID from a longer one")
	}
	if got, want := lineQuery(sources.Selector{sources.NotEmpty("app")}, s), `{app=~".+"} |= "req\"1"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, m := range s.field {
		if m.Value != `req"1` || m.Op != sources.Equal {
			t.Errorf("asks for %v", m)
		}
	}
}

func TestTraceSearch(t *testing.T) {
	for id, want := range map[sources.TraceID][]string{
		"4bf92f3577b34da6a3ce929d0e0e4736": {"4bf92f3577b34da6a3ce929d0e0e4736", "4BF92F3577B34DA6A3CE929D0E0E4736", "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"},
		"0bf92f3577b34da6a3ce929d0e0e4736": {"0bf92f3577b34da6a3ce929d0e0e4736", "bf92f3577b34da6a3ce929d0e0e4736", "0BF92F3577B34DA6A3CE929D0E0E4736", "0bf92f35-77b3-4da6-a3ce-929d0e0e4736"},
		"0000000000000000a3ce929d0e0e4736": {"0000000000000000a3ce929d0e0e4736", "a3ce929d0e0e4736", "0000000000000000A3CE929D0E0E4736", "00000000-0000-0000-a3ce-929d0e0e4736"},
		"00000000000000000000000000abc123": {"00000000000000000000000000abc123", "0000000000abc123", "abc123", "00000000000000000000000000ABC123", "00000000-0000-0000-0000-000000abc123"},
	} {
		s := plain.traceSearch(id)
		var got []string
		for _, m := range s.field {
			if m.Name == "trace_id" {
				got = append(got, m.Value)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: asks for %q, want %q", id, got, want)
		}
		for _, notation := range want {
			if !s.holds(sources.Record{Line: "trace " + notation + "."}) {
				t.Errorf("%s: does not hold where the line says %s", id, notation)
			}
		}
		if s.holds(sources.Record{Line: "trace 1" + string(id)}) {
			t.Errorf("%s: holds where it is part of a longer one", id)
		}
	}
}

func TestNamesOf(t *testing.T) {
	streams := []sources.Labels{
		{"app": "shop", "service_name": "Prod/Shop"}, {"service_name": "shop"}, {"service_name": "shop"}, {"service_name": "bank"}, {"job": "prod/depot"},
	}
	for _, test := range []struct {
		service, label string
		names          []string
	}{
		{"shop", "service_name", []string{"Prod/Shop", "shop"}},
		{"depot", "job", []string{"prod/depot"}},
		{"nobody", "", nil},
	} {
		if label, names := plain.namesOf(test.service, streams); label != test.label || !slices.Equal(names, test.names) {
			t.Errorf("%s: got %s %q", test.service, label, names)
		}
	}
}

// A finding without evidence still has a list of it.
func TestAddFinding(t *testing.T) {
	c := NewCase(sources.Window{})
	shared := []Evidence{{Query: "a"}, {Query: "b"}}
	if id := c.AddFinding("none"); id != "f1" || c.Finding(id).Evidence == nil {
		t.Errorf("%s: %+v", id, c.Finding(id))
	}
	if id := c.AddFinding("two", shared...); id != "f2" || len(c.Finding(id).Evidence) != 2 {
		t.Errorf("%s: %+v", id, c.Finding(id))
	}
	shared[0].Query = "changed"
	if got := c.Finding("f2").Evidence[0].Query; got != "a" {
		t.Errorf("it is shared with who gave it: %s", got)
	}
	if c.Finding("f3") != nil {
		t.Error("there is a third one")
	}
}
