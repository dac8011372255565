package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"obs/sources"
	"obs/sources/sandbox/loader"
	"obs/sources/sandbox/shop"
)

// notes is a sink that writes down what it is handed.
type notes struct {
	shop.Discard
	lines []string
}

func (n *notes) Series(l sources.Labels) func(time.Time, float64) {
	return func(at time.Time, v float64) {
		n.lines = append(n.lines, fmt.Sprintf("%s %d %g", l["service"], at.UnixMilli(), v))
	}
}

func (n *notes) Stream(l sources.Labels) func(time.Time, string, sources.Labels) {
	return func(at time.Time, line string, metadata sources.Labels) {
		n.lines = append(n.lines, fmt.Sprintf("%s %d %s %d", l["service_name"], at.UnixNano(), line, len(metadata)))
	}
}

func (n *notes) Spans(spans ...sources.Span) {
	for i := range spans {
		n.lines = append(n.lines, spans[i].Service+" "+spans[i].Operation)
	}
}

func TestFillIsInOrderOfTime(t *testing.T) {
	all, err := readRecordings(write(t, map[string]string{"r/metrics.om": someMetrics, "r/logs.jsonl": someLogs, "r/traces.jsonl": someTraces}))
	if err != nil {
		t.Fatal(err)
	}
	var got notes
	all[0].fill(&got)
	want := []string{
		"checkout 1700000000500 2", "checkout 1700000060500 3", "payment 1700000000500 1",
		"checkout 1700000001000000000 early 0", "checkout 1700000002000000001 late 1", "payment 1699999990000000000 paid 0",
		"checkout POST /pay", "payment charge",
	}
	if !reflect.DeepEqual(got.lines, want) {
		t.Errorf("filled\n%s\nwant\n%s", strings.Join(got.lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestKeepTraces(t *testing.T) {
	with := func(share float64) *recording {
		r := newRecording("r")
		for i := range 1000 {
			if err := r.addSpan(sources.Span{TraceID: sources.TraceID(fmt.Sprintf("%032x", i+1)), ID: "1"}); err != nil {
				t.Fatal(err)
			}
		}
		r.keepTraces(share)
		return r
	}
	all, half, tenth, none := with(1), with(0.5), with(0.1), with(0)
	if len(all.traces) != 1000 || len(none.traces) != 0 {
		t.Errorf("%d of all and %d of none", len(all.traces), len(none.traces))
	}
	// Five standard deviations of a binomial count.
	if n := len(half.traces); n < 420 || n > 580 {
		t.Errorf("%d of 1000 are no half", n)
	}
	if n := len(tenth.traces); n < 52 || n > 148 || tenth.size().spans != n {
		t.Errorf("%d of 1000 are no tenth, with %d spans", n, tenth.size().spans)
	}
	for id := range tenth.traces {
		if half.traces[id] == nil {
			t.Errorf("%s is of the tenth and not of the half", id)
		}
	}
}

func TestWithoutHeld(t *testing.T) {
	traces := map[sources.TraceID][]sources.Span{
		"whole": {{ID: "1"}, {ID: "2"}}, "part": {{ID: "3"}, {ID: "4"}}, "gone": {{ID: "5"}},
	}
	held := map[sources.TraceID][]sources.Span{"whole": {{ID: "2"}, {ID: "1"}}, "part": {{ID: "4"}, {ID: "9"}}}
	ask := func(_ context.Context, id sources.TraceID, _ sources.Window) (sources.Trace, error) {
		if spans := held[id]; spans != nil {
			return sources.Trace{ID: id, Spans: spans}, nil
		}
		return sources.Trace{}, fmt.Errorf("trace %s: %w", id, sources.ErrNotFound)
	}
	left, err := withoutHeld(context.Background(), traces, ask)
	if err != nil {
		t.Fatal(err)
	}
	if want := (map[sources.TraceID][]sources.Span{"part": {{ID: "3"}}, "gone": {{ID: "5"}}}); !reflect.DeepEqual(left, want) {
		t.Errorf("left %v, want %v", left, want)
	}
	broken := errors.New("no route")
	if _, err := withoutHeld(context.Background(), traces, func(context.Context, sources.TraceID, sources.Window) (sources.Trace, error) {
		return sources.Trace{}, broken
	}); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

// Other machines are refused before anything is read, and so are addresses that were not
// given, whatever the environment says.
func TestLoadStaysHere(t *testing.T) {
	t.Setenv("PROMETHEUS_URL", "http://127.0.0.1:1")
	here := "http://127.0.0.1:1"
	for _, test := range []struct {
		name    string
		targets loader.Targets
		want    error
	}{
		{"another machine", loader.Targets{PrometheusURL: here, LokiURL: "http://192.0.2.1:3100", JaegerURL: here, OTLPURL: here}, loader.ErrNotLoopback},
		{"no address", loader.Targets{LokiURL: here, JaegerURL: here, OTLPURL: here}, loader.ErrNoAddress},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := load(context.Background(), t.TempDir(), test.targets, false, 1, &out); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}
