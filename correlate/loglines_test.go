package correlate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"obs/correlate/patterns"
	"obs/correlate/spans"
	"obs/sources"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// logging makes n requests to shop, each with the lines, which name it in their metadata.
func logging(side string, n int, lines ...string) (trees []*spans.Tree, answer sources.RecordAnswer) {
	for i := range n {
		id, _ := sources.ParseTraceID(fmt.Sprintf("%x%04x", side, i+1))
		at := noon.Add(time.Duration(i) * time.Second)
		s := sources.Span{TraceID: id, ID: "00000000000000aa", Service: "shop", Operation: "buy", Kind: sources.KindServer, Start: at, Duration: time.Second}
		trees = append(trees, spans.Build(&sources.Trace{ID: id, Spans: []sources.Span{s}}))
		for _, line := range lines {
			answer.Records = append(answer.Records, sources.Record{
				Time: at, Stream: sources.Labels{"service_name": "shop"}, Line: strings.ReplaceAll(line, "N", fmt.Sprint(i)),
				Metadata: sources.Labels{"trace_id": string(id), "span_id": "00000000000000aa"},
			})
		}
	}
	return trees, answer
}

func sideOf(trees []*spans.Tree) *loggedSide {
	return &loggedSide{visits: newLoggedKinds(len(trees)), over: sources.Window{From: noon.Add(-time.Minute), To: noon.Add(time.Hour)}}
}

func lineShifts(before, after []string) []lineShift {
	trees, answer := logging("b", 12, before...)
	was := sideOf(trees)
	places, lines := was.join(trees, answer)
	trees, answer = logging("c", 12, after...)
	now := sideOf(trees)
	morePlaces, moreLines := now.join(trees, answer)
	severity := sortLines(append(lines, moreLines...))
	was.count(places)
	now.count(morePlaces)
	return compareLogged(was, now, severity)
}

func TestLineShifts(t *testing.T) {
	tests := []struct {
		name          string
		before, after []string
		pattern       string // part of it
		from, to      float64
		severity      patterns.Severity
		replaced      bool
	}{
		{"a line vanishes", []string{"order N begun", "order N stored"}, []string{"order N begun"}, "stored", 1, 0, patterns.Unstated, false},
		{"an error appears", []string{"order N begun"}, []string{"order N begun", "ERROR no such contact"}, "no such contact", 0, 1, patterns.Error, false},
		{"a line takes the place of another", []string{"paid by card N"}, []string{"invoice sent to customer N"}, "paid by", 1, 0, patterns.Unstated, true},
		{"an error takes the place of a line", []string{"order N begun", "paid by card N"}, []string{"order N begun", "ERROR card N refused"}, "paid by", 1, 0, patterns.Unstated, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, s := range lineShifts(test.before, test.after) {
				if !strings.Contains(s.pattern, test.pattern) {
					continue
				}
				if s.baseline != test.from || s.window != test.to || s.severity != test.severity || s.replaced != test.replaced || s.p > 0.01 || len(s.traces) != 12 {
					t.Errorf("%+v", s)
				}
				return
			}
			t.Errorf("not found among %+v", lineShifts(test.before, test.after))
		})
	}
}

func TestNoLineShiftsBetweenTheSame(t *testing.T) {
	for _, s := range lineShifts([]string{"order N begun", "ERROR card N refused"}, []string{"order N begun", "ERROR card N refused"}) {
		if s.p < 1 || s.baseline != s.window {
			t.Errorf("%+v", s)
		}
	}
}

// A service whose lines carry no ID has nothing to miss, and neither has a visit before the
// oldest line that was read.
func TestVisitsWithoutLinesThatWereRead(t *testing.T) {
	trees, answer := logging("a", 4, "order N begun")
	for i := range answer.Records {
		answer.Records[i].Metadata = nil
	}
	if places, lines := sideOf(trees).join(trees, answer); len(places)+len(lines) > 0 {
		t.Errorf("%d visits, %d lines", len(places), len(lines))
	}
	trees, answer = logging("a", 4, "order N begun")
	answer.Records, answer.Truncated = answer.Records[2:], true
	if places, lines := sideOf(trees).join(trees, answer); len(places) != 2 || len(lines) != 2 {
		t.Errorf("%d visits, %d lines, want the two that were read", len(places), len(lines))
	}
}
