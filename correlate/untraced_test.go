package correlate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"obs/correlate/spans"
	"obs/sources"
)

// untracedShifts compares what requests log of which the trace of every n-th was fetched,
// none where n is 0.
func untracedShifts(n int, before, after []string) []lineShift {
	read := func(side string, said []string) (*loggedSide, []*place, []joinedLine) {
		trees, answer := logging(side, 12, said...)
		var fetched []*spans.Tree
		for i := range trees {
			if n > 0 && i%n == 0 {
				fetched = append(fetched, trees[i])
			}
		}
		s := sideOf(fetched)
		places, lines := s.join(fetched, answer)
		return s, places, lines
	}
	was, places, lines := read("b", before)
	now, morePlaces, moreLines := read("c", after)
	severity := sortLines(append(lines, moreLines...))
	was.count(places)
	now.count(morePlaces)
	return compareLogged(was, now, severity)
}

// With no trace, or that of every fourth request, all twelve of a side count.
func TestRequestsAreToldByTheirLines(t *testing.T) {
	tests := []struct {
		name          string
		before, after []string
		pattern, said string // part of them
		from, to      float64
	}{
		{"a line vanishes", []string{"order N begun", "stored N rows"}, []string{"order N begun"}, "stored", `shop that begin with "order <*> begun"`, 1, 0},
		{"an error appears", []string{"order N begun"}, []string{"order N begun", "ERROR no such contact"}, "no such contact", "shop, told by their lines,", 0, 1},
		{"an error is all there is", []string{"order N begun"}, []string{"ERROR no such contact"}, "no such contact", "shop, told by their lines,", 0, 1},
	}
	for _, test := range tests {
		for _, n := range []int{0, 4} {
			t.Run(fmt.Sprint(test.name, ", a trace of every ", n), func(t *testing.T) {
				all := untracedShifts(n, test.before, test.after)
				for i := range all {
					s := &all[i]
					if !s.untraced || !strings.Contains(s.pattern, test.pattern) {
						continue
					}
					if s.baseline != test.from || s.window != test.to || s.baselineVisits != 12 || s.windowVisits != 12 || s.p > 1e-5 ||
						s.requestsSaid() != test.said {
						t.Errorf("%+v, %s", s, s.requestsSaid())
					}
					return
				}
				t.Errorf("not found among %+v", all)
			})
		}
	}
}

// Where all requests have a trace, visits tell more than lines: their kinds are known.
func TestTracedRequestsAreNotToldByTheirLines(t *testing.T) {
	for _, s := range untracedShifts(1, []string{"order N begun", "stored N rows"}, []string{"order N begun"}) {
		if s.untraced {
			t.Errorf("%+v", s)
		}
	}
}

// Twice the orders for the same refunds is another mix of requests and no change of what
// either logs.
func TestAnotherMixOfRequestsIsNoChange(t *testing.T) {
	side := func(name string, orders, refunds int) (*loggedSide, []joinedLine) {
		_, answer := logging(name+"1", orders, "order N begun", "order N stored")
		_, more := logging(name+"2", refunds, "refund N begun", "money sent for N")
		answer.Records = append(answer.Records, more.Records...)
		s := sideOf(nil)
		_, lines := s.join(nil, answer)
		return s, lines
	}
	was, lines := side("b", 20, 20)
	now, moreLines := side("c", 40, 20)
	severity := sortLines(append(lines, moreLines...))
	was.count(nil)
	now.count(nil)
	all := compareLogged(was, now, severity)
	if len(all) != 4 {
		t.Errorf("%d patterns, want those of two kinds: %+v", len(all), all)
	}
	for _, s := range all {
		if s.baseline != 1 || s.window != 1 {
			t.Errorf("%+v", s)
		}
	}
}

// A request that begins at the very end is not done, and lacks lines for it.
func TestRequestsUnderWayDoNotCount(t *testing.T) {
	_, answer := logging("b", 20, "order N begun")
	s := sideOf(nil)
	s.over = sources.Window{From: noon, To: noon.Add(20 * time.Second)}
	s.join(nil, answer)
	if s.total["shop"] != 19 { // of the one at each second, that after 18 s is the last
		t.Errorf("%d requests", s.total["shop"])
	}
}

func TestOnlyServicesThatAreAskedAbout(t *testing.T) {
	_, answer := logging("b", 4, "order N begun")
	s := sideOf(nil)
	s.only = []string{"cart"}
	s.join(nil, answer)
	if len(s.told)+len(s.apart) > 0 {
		t.Errorf("%d requests and %d lines of others", len(s.told), len(s.apart))
	}
}
