package spans_test

import (
	"maps"
	"testing"
	"time"

	"obs/correlate/spans"
	"obs/sources"
)

// again is a child of "a" that does the same as the others.
func again(id string, from, to int, more ...func(*sources.Span)) sources.Span {
	s := span(id, "a", from, to, more...)
	s.Service = "caller"
	return s
}

func resent(s *sources.Span) {
	s.Attributes = sources.Attributes{{Key: "http.request.resend_count", Value: "1"}}
}

func TestAttempts(t *testing.T) {
	tests := []struct {
		name  string
		spans []sources.Span
		want  map[string]spans.Attempt
	}{
		{"a call that is made once", []sources.Span{again("b", 0, 10, failed)}, nil},
		{"two that succeed are two calls", []sources.Span{again("b", 0, 10), again("c", 20, 30)}, nil},
		{
			"tried again until it succeeds",
			[]sources.Span{again("b", 0, 10, failed), again("c", 20, 30, failed), again("d", 40, 50)},
			map[string]spans.Attempt{"b": {Number: 1, Of: 3}, "c": {Number: 2, Of: 3}, "d": {Number: 3, Of: 3}},
		},
		{
			"a success ends a run",
			[]sources.Span{again("b", 0, 10, failed), again("c", 20, 30), again("d", 40, 50, failed), again("e", 60, 70, failed)},
			map[string]spans.Attempt{"b": {Number: 1, Of: 2}, "c": {Number: 2, Of: 2}, "d": {Number: 1, Of: 2}, "e": {Number: 2, Of: 2}},
		},
		{"side by side is no second attempt", []sources.Span{again("b", 0, 30, failed), again("c", 10, 40, failed)}, nil},
		{
			"a client may say so itself",
			[]sources.Span{again("b", 0, 10), again("c", 20, 30, resent)},
			map[string]spans.Attempt{"b": {Number: 1, Of: 2}, "c": {Number: 2, Of: 2}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tree := build(append([]sources.Span{span("a", "", 0, 100)}, test.spans...)...)
			got := map[string]spans.Attempt{}
			for i, attempt := range tree.Attempts() {
				got[string(tree.Span(i).ID)] = attempt
			}
			if !maps.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// Of attempts that all fail the last is where the request's error began; of those that
// were mended by another, none is unless nothing else failed.
func TestErrorOriginOfAttempts(t *testing.T) {
	tree := build(span("a", "", 0, 100, failed), again("b", 0, 10, failed), again("c", 20, 30, failed))
	if got := tree.Span(tree.ErrorOrigin()).ID; got != "c" {
		t.Errorf("began at %s, want the last attempt", got)
	}
	tree = build(span("a", "", 0, 100, failed), again("b", 0, 10, failed), again("c", 20, 30), span("d", "a", 40, 50, failed))
	if got := tree.Span(tree.ErrorOrigin()).ID; got != "d" {
		t.Errorf("began at %s, want the call that was not mended", got)
	}
	tree = build(span("a", "", 0, 100), again("b", 0, 10, failed), again("c", 20, 30))
	if got := tree.Span(tree.ErrorOrigin()).ID; got != "b" {
		t.Errorf("began at %s, want the only failure", got)
	}
}

func TestSkews(t *testing.T) {
	tests := []struct {
		name  string
		spans []sources.Span
		want  []spans.Skew
	}{
		{"a callee within its caller", []sources.Span{span("a", "", 0, 100), span("b", "a", 10, 90)}, nil},
		{"one that ends later may be slow", []sources.Span{span("a", "", 0, 100), span("b", "a", 10, 190)}, nil},
		{"less than clocks agree", []sources.Span{span("a", "", 0, 100), span("b", "a", -4, 90)}, nil},
		{
			"one that begins before its call",
			[]sources.Span{span("a", "", 0, 100), span("b", "a", -20, 60), span("c", "a", 10, 60)},
			[]spans.Skew{{Caller: "svc-a", Callee: "svc-b", AtLeast: 20 * time.Millisecond}},
		},
		{"of one process there is one clock", []sources.Span{again("a", 0, 100), again("b", -20, 60)}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := build(test.spans...).Skews()
			if len(got) != len(test.want) || (len(got) > 0 && got[0] != test.want[0]) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
