package spans_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"obs/correlate/spans"
	"obs/sources"
)

var origin = time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)

// span makes a span from milliseconds since origin.
func span(id, parent string, from, to int, more ...func(*sources.Span)) sources.Span {
	s := sources.Span{
		ID: sources.SpanID(id), ParentID: sources.SpanID(parent), Service: "svc-" + id, Operation: "op",
		Start: origin.Add(ms(from)), Duration: ms(to - from),
	}
	for _, change := range more {
		change(&s)
	}
	return s
}

func failed(s *sources.Span) { s.Status = sources.StatusError }

func kind(k sources.Kind) func(*sources.Span) { return func(s *sources.Span) { s.Kind = k } }

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func build(all ...sources.Span) *spans.Tree {
	return spans.Build(&sources.Trace{ID: "t", Spans: all})
}

func TestSelfAndCriticalTime(t *testing.T) {
	tests := []struct {
		name     string
		spans    []sources.Span
		self     map[string]int // ms by span
		critical map[string]int
	}{
		{
			name:     "a span alone is all its own",
			spans:    []sources.Span{span("a", "", 0, 100)},
			self:     map[string]int{"a": 100},
			critical: map[string]int{"a": 100},
		},
		{
			name:     "children one after the other",
			spans:    []sources.Span{span("a", "", 0, 100), span("b", "a", 10, 40), span("c", "a", 50, 90)},
			self:     map[string]int{"a": 30, "b": 30, "c": 40},
			critical: map[string]int{"a": 30, "b": 30, "c": 40},
		},
		{
			name:     "of children side by side the last to end is waited for",
			spans:    []sources.Span{span("a", "", 0, 100), span("b", "a", 10, 60), span("c", "a", 10, 90)},
			self:     map[string]int{"a": 20, "b": 50, "c": 80},
			critical: map[string]int{"a": 20, "b": 0, "c": 80},
		},
		{
			name: "before the one that is waited for, the one that ended before it began",
			spans: []sources.Span{
				span("a", "", 0, 100), span("b", "a", 5, 30), span("c", "a", 20, 55), span("d", "a", 40, 95),
			},
			// d is waited for, c overlaps its start, so b it is before d.
			self:     map[string]int{"a": 10, "b": 25, "c": 35, "d": 55},
			critical: map[string]int{"a": 20, "b": 25, "c": 0, "d": 55},
		},
		{
			name:     "a child that outlives its parent counts to the parent's end",
			spans:    []sources.Span{span("a", "", 0, 100), span("b", "a", 60, 180)},
			self:     map[string]int{"a": 60, "b": 120},
			critical: map[string]int{"a": 60, "b": 40},
		},
		{
			name:     "work that starts after its parent's end is not waited for",
			spans:    []sources.Span{span("a", "", 0, 100), span("b", "a", 150, 300)},
			self:     map[string]int{"a": 100, "b": 150},
			critical: map[string]int{"a": 100, "b": 0},
		},
		{
			name:     "a child whose clock is behind begins with its parent",
			spans:    []sources.Span{span("a", "", 0, 100), span("b", "a", -30, 70)},
			self:     map[string]int{"a": 30, "b": 100},
			critical: map[string]int{"a": 30, "b": 70},
		},
		{
			name: "below a child the same holds",
			spans: []sources.Span{
				span("a", "", 0, 100), span("b", "a", 10, 90), span("c", "b", 20, 80), span("d", "c", 30, 70),
			},
			self:     map[string]int{"a": 20, "b": 20, "c": 20, "d": 40},
			critical: map[string]int{"a": 20, "b": 20, "c": 20, "d": 40},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tree := build(test.spans...)
			for i := range tree.Nodes {
				id := string(tree.Span(i).ID)
				if got := tree.Nodes[i].Self; got != ms(test.self[id]) {
					t.Errorf("self time of %s is %v, want %d ms", id, got, test.self[id])
				}
				if got := tree.Nodes[i].Critical; got != ms(test.critical[id]) {
					t.Errorf("critical time of %s is %v, want %d ms", id, got, test.critical[id])
				}
			}
		})
	}
}

func TestDamagedTracesStillMakeATree(t *testing.T) {
	t.Run("a missing parent", func(t *testing.T) {
		tree := build(span("a", "", 0, 50), span("c", "gone", 10, 200))
		if got := tree.Nodes[1]; !got.Orphan || got.Parent != spans.None || got.Depth != 0 {
			t.Errorf("the orphan's node is %+v", got)
		}
		if tree.Main != 0 {
			t.Errorf("the entry is span %d; a real root comes before a longer orphan", tree.Main)
		}
	})
	t.Run("a loop", func(t *testing.T) {
		tree := build(span("a", "b", 0, 50), span("b", "a", 0, 50), span("c", "b", 0, 10))
		seen := 0
		tree.Walk(func(int) bool { seen++; return true })
		if seen != 3 {
			t.Errorf("the walk saw %d of 3 spans", seen)
		}
	})
	t.Run("its own parent", func(t *testing.T) {
		tree := build(span("a", "a", 0, 50))
		if len(tree.Roots) != 1 || !tree.Nodes[0].Orphan {
			t.Errorf("roots %v, node %+v", tree.Roots, tree.Nodes[0])
		}
	})
	t.Run("nothing", func(t *testing.T) {
		tree := build()
		if tree.Main != spans.None || len(tree.OnPath()) != 0 || tree.Heaviest() != spans.None {
			t.Errorf("an empty trace has entry %d and path %v", tree.Main, tree.Path)
		}
	})
	t.Run("a chain of 100,000", func(t *testing.T) {
		chain := make([]sources.Span, 100_000)
		for i := range chain {
			parent := ""
			if i > 0 {
				parent = fmt.Sprint(i - 1)
			}
			chain[i] = span(fmt.Sprint(i), parent, 0, 1)
		}
		tree := build(chain...)
		if got := tree.Nodes[len(chain)-1].Depth; got != len(chain)-1 {
			t.Errorf("the last span is at depth %d", got)
		}
	})
}

func TestSharedSpanIDsOfZipkin(t *testing.T) {
	client := span("b", "a", 10, 90, kind(sources.KindClient))
	server := span("b", "a", 20, 80, kind(sources.KindServer))
	server.Service = "callee"
	below := span("c", "b", 30, 70)
	below.Service = "callee"
	tree := build(span("a", "", 0, 100), client, server, below)
	if tree.Nodes[2].Parent != 1 {
		t.Errorf("the server's parent is %d, want the client that shares its ID", tree.Nodes[2].Parent)
	}
	if tree.Nodes[3].Parent != 2 {
		t.Errorf("the call below has parent %d, want the server's span", tree.Nodes[3].Parent)
	}
}

func TestErrorOrigin(t *testing.T) {
	tests := []struct {
		name  string
		spans []sources.Span
		want  int
	}{
		{"nothing failed", []sources.Span{span("a", "", 0, 10)}, spans.None},
		{
			"the deepest of a failing chain",
			[]sources.Span{span("a", "", 0, 90, failed), span("b", "a", 0, 80, failed), span("c", "b", 0, 70, failed), span("d", "c", 0, 60)},
			2,
		},
		{
			"a failure that reached the root before a deeper one that was absorbed",
			[]sources.Span{
				span("a", "", 0, 90, failed), span("b", "a", 0, 80, failed),
				span("c", "a", 0, 30), span("d", "c", 0, 20), span("e", "d", 0, 10, failed),
			},
			1,
		},
		{
			"the error tag of OpenTracing counts",
			[]sources.Span{span("a", "", 0, 90), span("b", "a", 0, 80, func(s *sources.Span) {
				s.Attributes = sources.Attributes{{Key: "error", Value: "true"}}
			})},
			1,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := build(test.spans...).ErrorOrigin(); got != test.want {
				t.Errorf("origin is span %d, want %d", got, test.want)
			}
		})
	}
}

func TestCompareFindsTheExcess(t *testing.T) {
	request := func(db, cache int) *spans.Tree {
		named := func(service string) func(*sources.Span) {
			return func(s *sources.Span) { s.Service = service }
		}
		return build(
			span("a", "", 0, 10+db+cache, named("web")),
			span("b", "a", 5, 5+db, named("db")),
			span("c", "a", 5+db, 5+db+cache, named("cache")),
		)
	}
	// The cache takes the most time on both sides; the database is what got slower.
	shares := spans.Compare(
		[]*spans.Tree{request(300, 400), request(320, 420)},
		[]*spans.Tree{request(20, 400), request(20, 410)},
	)
	if len(shares) != 3 {
		t.Fatalf("%d shares, want one for each kind of work", len(shares))
	}
	first := shares[0]
	if first.Key.Service != "db" || first.Slow != ms(310) || first.Normal != ms(20) || first.Traces != 2 {
		t.Errorf("the first share is %+v, want db's 310 ms against 20 ms in 2 traces", first)
	}
}

func TestWithoutNormalTracesTheTimeItselfCounts(t *testing.T) {
	shares := spans.Compare([]*spans.Tree{build(span("a", "", 0, 100), span("b", "a", 5, 95))}, nil)
	if shares[0].Key.Service != "svc-b" || shares[0].Excess() != ms(90) {
		t.Errorf("the first share is %+v", shares[0])
	}
}

// Whatever the trace, the critical path covers the entry's time exactly once.
func TestCriticalPathCoversTheEntry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "spans")
		all := make([]sources.Span, n)
		for i := range all {
			parent := ""
			if i > 0 {
				parent = fmt.Sprint(rapid.IntRange(0, i-1).Draw(t, "parent"))
			}
			from := rapid.IntRange(-20, 120).Draw(t, "from")
			all[i] = span(fmt.Sprint(i), parent, from, from+rapid.IntRange(0, 100).Draw(t, "length"))
		}
		tree := build(all...)
		entry := tree.Span(tree.Main)
		at := entry.Start.Sub(tree.Base)
		for _, stretch := range tree.Path {
			if stretch.From != at || stretch.To <= stretch.From {
				t.Fatalf("a stretch from %v to %v after %v", stretch.From, stretch.To, at)
			}
			at = stretch.To
		}
		if at != entry.End().Sub(tree.Base) {
			t.Fatalf("the path ends at %v, the entry at %v", at, entry.End())
		}
		for i := range tree.Nodes {
			if s := tree.Nodes[i].Self; s < 0 || s > tree.Span(i).Duration {
				t.Fatalf("self time %v of a span of %v", s, tree.Span(i).Duration)
			}
		}
	})
}

func BenchmarkBuild(b *testing.B) {
	all := make([]sources.Span, 50_000)
	for i := range all {
		parent := ""
		if i > 0 {
			parent = fmt.Sprint((i - 1) / 8)
		}
		all[i] = span(fmt.Sprint(i), parent, i%1000, 1000+i%1000)
	}
	trace := &sources.Trace{ID: "t", Spans: all}
	b.ReportAllocs()
	for b.Loop() {
		spans.Build(trace)
	}
}
