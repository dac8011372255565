package correlate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"obs/correlate"
	"obs/sources"
)

// What stands beside the records is what grep shows of each stream, whatever their times.
func TestContextIsAsGrepHasIt(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newShop(t, question)
		streams := rapid.IntRange(1, 3).Draw(rt, "streams")
		at := window.From
		perStream := make([][]sources.Record, streams)
		for i := range rapid.IntRange(1, 60).Draw(rt, "records") {
			at = at.Add(time.Duration(rapid.IntRange(0, 2).Draw(rt, "pause")) * time.Second)
			n := rapid.IntRange(0, streams-1).Draw(rt, "stream")
			line := fmt.Sprintf("line %d", i)
			if rapid.IntRange(0, 9).Draw(rt, "asked") == 0 {
				line += " asked"
			}
			r := sources.Record{Time: at, Stream: sources.Labels{"service_name": "shop", "pod": fmt.Sprint(n)}, Line: line}
			perStream[n] = append(perStream[n], r)
			s.logs.stored = append(s.logs.stored, r)
		}
		before, after := rapid.IntRange(0, 4).Draw(rt, "before"), rapid.IntRange(0, 4).Draw(rt, "after")
		want := map[string]bool{} // by line: it is context
		for _, records := range perStream {
			for i, r := range records {
				if !strings.HasSuffix(r.Line, "asked") {
					continue
				}
				for j := max(0, i-before); j <= min(i+after, len(records)-1); j++ {
					want[records[j].Line] = !strings.HasSuffix(records[j].Line, "asked")
				}
			}
		}
		x, _ := s.explorer()
		v := view(t, x, correlate.LogQuestion{Query: `{service_name="shop"} |= "asked"`, Before: before, After: after})
		got := map[string]bool{}
		for i, r := range v.Records {
			if _, twice := got[r.Line]; twice {
				rt.Fatalf("%q is there twice", r.Line)
			}
			got[r.Line] = r.Context
			if i > 0 && (r.Group < v.Records[i-1].Group || r.Group > v.Records[i-1].Group+1) || before+after > 0 && i == 0 && r.Group != 1 {
				rt.Fatalf("groups are not numbered one after the other: %+v", v.Records)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			rt.Fatalf("-B %d -A %d: got %v, want %v, missing %+v", before, after, got, want, v.Missing)
		}
		if len(v.Missing) > 0 {
			rt.Fatalf("missing %+v", v.Missing)
		}
	})
}

func TestContextOfManyPlaces(t *testing.T) {
	s := newShop(t, question)
	for i := range 3000 {
		line := "request completed"
		if i%100 == 50 {
			line = "charge failed"
		}
		s.logs.stored = append(s.logs.stored, record("shop", window.From.Add(time.Duration(i)*100*time.Millisecond), fmt.Sprintf("%s %d", line, i), nil))
	}
	x, _ := s.explorer()
	v := view(t, x, correlate.LogQuestion{Query: `{service_name="shop"} |= "charge failed"`, Before: 1, After: 1})
	m := ofKind(v, correlate.MissingTruncated)
	if m == nil || m.Reason != "10 records of 30 are shown without those around them, which were looked for in 20 places only" {
		t.Errorf("missing %+v", v.Missing)
	}
	if len(v.Records) != 30+40 || v.Asked() != 30 {
		t.Errorf("%d records, %d of them asked for", len(v.Records), v.Asked())
	}
	if want := []string{"request completed 2949", "charge failed 2950", "request completed 2951"}; !slices.Equal(lines(v.Records[67:]), want) {
		t.Errorf("the newest are %q, want %q", lines(v.Records[67:]), want)
	}
	// The query, the streams, and a pair for each place; none of them is followed by pages.
	if len(v.Queries) != 2+2*20 {
		t.Errorf("%d queries", len(v.Queries))
	}
	// Near ones are one place.
	v = view(t, x, correlate.LogQuestion{Query: `{service_name="shop"} |= "completed 1"`, Limit: 500, Before: 2, After: 2})
	if len(v.Queries) > 8 || ofKind(v, correlate.MissingFailed) != nil {
		t.Errorf("%d queries, missing %+v", len(v.Queries), v.Missing)
	}
}

// Without an answer about what is around them, the records are shown by themselves.
func TestContextFails(t *testing.T) {
	s := slowBank(t)
	s.before = func(_ sources.Backend, text string) error {
		if strings.HasPrefix(text, "{") && strings.HasSuffix(text, "}") {
			return down(sources.Loki)
		}
		return nil
	}
	x, _ := s.explorer()
	v := view(t, x, correlate.LogQuestion{Trace: traceID(40), Before: 1})
	if len(v.Records) != 2 || v.Asked() != 2 || ofKind(v, correlate.MissingFailed) == nil {
		t.Errorf("%d records, missing %+v", len(v.Records), v.Missing)
	}
}
