package spans_test

import (
	"fmt"
	"testing"

	"obs/correlate/spans"
	"obs/sources"
)

func of(service, operation string) func(*sources.Span) {
	return func(s *sources.Span) { s.Service, s.Operation = service, operation }
}

// visitTo is a request to web, which calls shop: wire is what the call takes beyond shop's
// own time, in milliseconds.
func visitTo(n, own, wire int, more ...sources.Span) *spans.Tree {
	all := []sources.Span{
		span("a", "", 0, 20+own+wire, of("web", "GET /"), kind(sources.KindServer)),
		span("b", "a", 10, 10+own+wire, of("web", "call"), kind(sources.KindClient)),
		span("c", "b", 10+wire/2, 10+wire/2+own, of("shop", "buy"), kind(sources.KindServer)),
	}
	return spans.Build(&sources.Trace{ID: sources.TraceID(fmt.Sprint("t", n)), Spans: append(all, more...)})
}

func many(n int, made func(i int) *spans.Tree) []*spans.Tree {
	var all []*spans.Tree
	for i := range n {
		all = append(all, made(i))
	}
	return all
}

func TestVisits(t *testing.T) {
	visits, where := visitTo(1, 30, 10, span("d", "c", 16, 20, of("shop", "query"), kind(sources.KindClient))).Visits()
	if len(visits) != 2 || visits[0].Key.Service != "web" || visits[1].Key.Service != "shop" {
		t.Fatalf("visits %+v", visits)
	}
	web, shop := visits[0], visits[1]
	if web.Own != ms(20) || shop.Own != ms(30) {
		t.Errorf("own times %v and %v, want 20 ms and 30 ms: a client span's rest is no work", web.Own, shop.Own)
	}
	if !shop.GapKnown || shop.Gap != ms(10) || web.GapKnown {
		t.Errorf("gaps %v and %v", web, shop)
	}
	if shop.Parent != 0 || len(web.Calls) != 1 || shop.Inside["query"] != 1 {
		t.Errorf("the tree of visits: %+v", visits)
	}
	if len(shop.Unanswered) != 1 || len(web.Unanswered) != 0 {
		t.Errorf("calls without a callee: %v and %v", web.Unanswered, shop.Unanswered)
	}
	if where[1] != 0 || where[3] != 1 {
		t.Errorf("spans are in visits %v", where)
	}
}

func TestShifts(t *testing.T) {
	normal := func(i int) *spans.Tree {
		return visitTo(i, 30+i%3, 4+i%2, span("d", "c", 15, 20, of("shop", "query")))
	}
	tests := []struct {
		name   string
		window func(i int) *spans.Tree
		what   spans.What
		key    string // the service
		peer   string
	}{
		{"slow work", func(i int) *spans.Tree {
			return visitTo(i, 300+i%3, 4, span("d", "c", 15, 20, of("shop", "query")))
		}, spans.OwnTime, "shop", ""},
		{"a slow wire is between the two", func(i int) *spans.Tree {
			return visitTo(i, 30, 900+i%3, span("d", "c", 465, 470, of("shop", "query")))
		}, spans.Gap, "shop", "web"},
		{"failures", func(i int) *spans.Tree {
			return visitTo(i, 30, 4, span("d", "c", 15, 20, of("shop", "query"), failed))
		}, spans.Failures, "shop", ""},
		{"work that is not done", func(i int) *spans.Tree { return visitTo(i, 30, 4) }, spans.Lost, "shop", "query"},
		{"work that is done again and again", func(i int) *spans.Tree {
			return visitTo(i, 30, 4, span("d", "c", 15, 16, of("shop", "query")), span("e", "c", 16, 17, of("shop", "query")), span("f", "c", 17, 18, of("shop", "query")))
		}, spans.More, "shop", "query"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, s := range spans.Shifts(many(12, test.window), many(12, normal)) {
				if s.What == test.what && s.Key.Service == test.key && s.Peer == test.peer {
					if s.P > 0.01 || len(s.Traces) != 12 {
						t.Errorf("%+v", s)
					}
					return
				}
			}
			t.Error("not found")
		})
	}
}

func TestNoShiftsBetweenTheSame(t *testing.T) {
	normal := many(12, func(i int) *spans.Tree { return visitTo(i, 30+i%3, 4+i%2) })
	for _, s := range spans.Shifts(normal, normal) {
		if s.P < 0.3 {
			t.Errorf("%+v", s)
		}
	}
}

// Requests that take another branch lose the work of the first, and it is said.
func TestReplacedWork(t *testing.T) {
	branch := func(name string) func(i int) *spans.Tree {
		return func(i int) *spans.Tree { return visitTo(i, 30, 4, span("d", "c", 15, 20, of("shop", name))) }
	}
	for _, s := range spans.Shifts(many(12, branch("other query")), many(12, branch("query"))) {
		if s.What == spans.Lost && s.Peer == "query" && !s.Replaced {
			t.Errorf("%+v", s)
		}
	}
}
