package correlate

import (
	"maps"
	"slices"
	"testing"

	"obs/correlate/spans"
	"obs/sources"
)

// ranked are the suspects of clues, best first, where front calls middle and middle calls back.
func ranked(t *testing.T, clues ...clue) []Suspect {
	t.Helper()
	w := newWalk(sources.Set{}, Question{}, nil)
	w.found.Verdict = Anomalous
	w.sampled = &sample{calls: map[spans.Edge]bool{{Caller: "front", Callee: "middle"}: true, {Caller: "middle", Callee: "back"}: true}}
	w.clues = clues
	w.rankSuspects()
	return w.found.Suspects
}

func TestRank(t *testing.T) {
	one, two := []sources.TraceID{"1", "2"}, []sources.TraceID{"3", "4"}
	tests := []struct {
		name  string
		clues []clue
		want  []string
	}{
		{"more of the same evidence", []clue{{kind: byOwnTime, service: "a", strength: 0.2}, {kind: byOwnTime, service: "b", strength: 0.7}}, []string{"b", "a"}},
		{"kinds add up", []clue{
			{kind: byOwnTime, service: "a", strength: 0.5}, {kind: byOwnTime, service: "b", strength: 0.5}, {kind: bySaturation, service: "b", strength: 0.2},
		}, []string{"b", "a"}},
		{"the same kind counts once", []clue{
			{kind: byErrorLines, service: "a", strength: 0.4}, {kind: byErrorLines, service: "a", strength: 0.4}, {kind: byErrorLines, service: "b", strength: 0.5},
		}, []string{"b", "a"}},
		{"downstream first where all else is equal", []clue{{kind: byOwnTime, service: "front", strength: 0.5}, {kind: byOwnTime, service: "back", strength: 0.5}}, []string{"back", "front"}},
		{"a louder caller is a victim", []clue{
			{kind: byErrorLines, service: "front", strength: 1, traces: one}, {kind: byLostLines, service: "back", strength: 0.8, traces: one},
		}, []string{"back", "front"}},
		{"unless it happens to other requests", []clue{
			{kind: byErrorLines, service: "front", strength: 1, traces: one}, {kind: byLostLines, service: "back", strength: 0.8, traces: two},
		}, []string{"front", "back"}},
		{"a caller's own time is no symptom", []clue{
			{kind: byOwnTime, service: "front", strength: 1, traces: one}, {kind: byLostLines, service: "back", strength: 0.8, traces: one},
		}, []string{"front", "back"}},
		{"a change decides between equals", []clue{
			{kind: byOwnTime, service: "a", strength: 0.5}, {kind: byOwnTime, service: "b", strength: 0.5}, {kind: byChange, service: "b", strength: 1},
		}, []string{"b", "a"}},
		{"a change weighs less than what was seen", []clue{{kind: byChange, service: "a", strength: 1}, {kind: byOwnTime, service: "b", strength: 0.5}}, []string{"b", "a"}},
		{"a changed caller is a victim all the same", []clue{
			{kind: byErrorLines, service: "front", strength: 1, traces: one}, {kind: byChange, service: "front", strength: 1}, {kind: byLostLines, service: "back", strength: 0.8, traces: one},
		}, []string{"back", "front"}},
		{"too few samples explain nothing", []clue{
			{kind: byErrorLines, service: "front", strength: 0.3, traces: one}, {kind: bySparse, service: "back", strength: 1},
		}, []string{"front", "back"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var names []string
			for i, s := range ranked(t, test.clues...) {
				names = append(names, s.Service)
				if s.Rank != i+1 || s.Score <= 0 || s.Score > 1 {
					t.Errorf("%+v", s)
				}
			}
			if !slices.Equal(names, test.want) {
				t.Errorf("%v, want %v", names, test.want)
			}
		})
	}
}

func TestEqualEvidenceSharesARank(t *testing.T) {
	s := ranked(t, clue{kind: byOwnTime, service: "a", strength: 0.5}, clue{kind: byOwnTime, service: "b", strength: 0.5})
	if len(s) != 2 || s[0].Rank != 1 || s[1].Rank != 1 {
		t.Errorf("%+v", s)
	}
}

func TestEveryKindHasAWeight(t *testing.T) {
	for kind := byPath; kind <= byOtherLines; kind++ {
		if w := weights[kind].weight; !(w > 0 && w < 1) {
			t.Errorf("kind %d weighs %v", kind, w)
		}
	}
	if len(slices.Collect(maps.Keys(weights))) != int(byOtherLines)+1 {
		t.Errorf("%d weights", len(weights))
	}
}

// A service whose network is slow is at one end of every slow edge.
func TestGapsAreChargedToTheEndWithMoreOfThem(t *testing.T) {
	edge := func(caller, callee string, is float64) spans.Shift {
		return spans.Shift{What: spans.Gap, Key: spans.Key{Service: callee}, Peer: caller, Baseline: 0.003, Window: is, P: 0.0001, Excess: is, WindowVisits: 9, BaselineVisits: 9}
	}
	tests := []struct {
		name   string
		shifts []spans.Shift
		want   string
	}{
		{"one slow edge of a caller with others", []spans.Shift{edge("a", "b", 2), edge("a", "c", 0.003), edge("a", "d", 0.003)}, "b"},
		{"all edges of a caller", []spans.Shift{edge("a", "b", 2), edge("a", "c", 2), edge("a", "d", 2), edge("e", "a", 2), edge("e", "b", 0.003), edge("e", "c", 0.003), edge("e", "d", 0.003)}, "a"},
		{"one edge alone", []spans.Shift{edge("a", "b", 2)}, "b"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWalk(sources.Set{}, Question{}, nil)
			w.sampled = &sample{baseline: []*spans.Tree{spans.Build(&sources.Trace{ID: "1", Spans: []sources.Span{{ID: "a", Duration: seconds(0.2)}}})}}
			w.timeClues(test.shifts)
			best := slices.MaxFunc(w.clues, func(a, b clue) int {
				if a.strength < b.strength {
					return -1
				}
				return 1
			})
			if best.service != test.want {
				t.Errorf("%s is blamed, want %s: %+v", best.service, test.want, w.clues)
			}
		})
	}
}
