package correlate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate/spans"
	"obs/sources"
)

// visiting is a request to a service on a node that takes so long.
func visiting(n int, service, node string, took time.Duration) *spans.Tree {
	s := sources.Span{ID: "a", Service: service, Operation: "op", Duration: took, Resource: sources.Attributes{{Key: "k8s.node.name", Value: node}}}
	return spans.Build(&sources.Trace{ID: sources.TraceID(fmt.Sprint(service, node, n)), Spans: []sources.Span{s}})
}

func TestCrowded(t *testing.T) {
	const usual, slow = 20 * time.Millisecond, 300 * time.Millisecond
	requests := func(took func(service, node string) time.Duration) (trees []*spans.Tree) {
		for n := range 6 {
			for _, service := range []string{"cart", "payment", "stock"} {
				for _, node := range []string{"one", "two", "three"} {
					trees = append(trees, visiting(n, service, node, took(service, node)))
				}
			}
		}
		return trees
	}
	baseline := requests(func(string, string) time.Duration { return usual })
	tests := []struct {
		name string
		slow func(service, node string) bool
		want []string // the services, none without a crowded machine
	}{
		{"all on one machine", func(_, node string) bool { return node == "two" }, []string{"cart", "payment", "stock"}},
		{"one service on all machines", func(service, _ string) bool { return service == "cart" }, nil},
		{"one service on one machine", func(service, node string) bool { return service == "cart" && node == "two" }, nil},
		{"services that run nowhere else", func(_, node string) bool { return node == "two" }, nil},
		{"all everywhere", func(string, string) bool { return true }, nil},
		{"nothing", func(string, string) bool { return false }, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			compared := baseline
			if strings.Contains(test.name, "nowhere else") {
				compared = slices.DeleteFunc(slices.Clone(baseline), func(t *spans.Tree) bool { return nodeOf(t.Span(0)) != "two" })
			}
			window := requests(func(service, node string) time.Duration {
				if test.slow(service, node) {
					return slow
				}
				return usual
			})
			if len(compared) < len(baseline) {
				window = slices.DeleteFunc(window, func(t *spans.Tree) bool { return nodeOf(t.Span(0)) != "two" })
			}
			c := crowded(window, compared)
			if (c == nil) != (test.want == nil) {
				t.Fatalf("%+v", c)
			}
			if c != nil && (c.node != "two" || !slices.Equal(c.services, test.want)) {
				t.Errorf("%+v", c)
			}
		})
	}
}
