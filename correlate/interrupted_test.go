package correlate_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"

	"obs/correlate"
	"obs/sources"
)

// upTo counts questions, and acts at one of them.
func upTo(n int, act func(sources.Backend) error) func(sources.Backend, string) error {
	var asked atomic.Int64
	return func(backend sources.Backend, _ string) error {
		if asked.Add(1) == int64(n+1) {
			return act(backend)
		}
		return nil
	}
}

func saysThatTimeEnded(c *correlate.Case) bool {
	return c.Interrupted && slices.ContainsFunc(c.Missing, func(m correlate.Missing) bool { return m.Kind == correlate.MissingTimeout })
}

// Whatever question a triage is interrupted at, or is not answered, it returns what it has.
func TestEveryQuestionOfATriageMayBeTheLast(t *testing.T) {
	for name, made := range map[string]func(*testing.T) *shop{"slow": slowBank, "failing": failingBank} {
		t.Run(name, func(t *testing.T) {
			whole := made(t)
			whole.triage(question)
			for n := range len(whole.ledger.Queries()) {
				s := made(t)
				ctx, cancel := context.WithCancel(t.Context())
				s.before = upTo(n, func(sources.Backend) error { cancel(); return nil })
				c := correlate.Triage(ctx, s.set(), question, nil)
				cancel()
				wellFormed(t, c)
				if !saysThatTimeEnded(c) || c.Verdict == correlate.Healthy {
					t.Errorf("interrupted at question %d: %s, interrupted %t, missing %+v", n, c.Verdict, c.Interrupted, c.Missing)
				}
				s = made(t)
				s.before = upTo(n, down)
				if c := s.triage(question); c.Interrupted || !c.Partial() || c.Verdict == correlate.Healthy {
					t.Errorf("question %d fails: %s, interrupted %t, missing %+v", n, c.Verdict, c.Interrupted, c.Missing)
				}
			}
		})
	}
}

// The same holds of a lookup.
func TestEveryQuestionOfALookupMayBeTheLast(t *testing.T) {
	inLogs := func(t *testing.T) *shop {
		s := slowBank(t)
		s.logs.stored = append(s.logs.stored, record("gateway", minuteOf(40), "POST", sources.Labels{"request_id": "req-1", "trace_id": string(traceID(40))}))
		return s
	}
	inSpans := func(t *testing.T) *shop {
		s := slowBank(t)
		s.traces.stored[40].Spans[0].Attributes = sources.Attributes{{Key: "request_id", Value: "req-1"}}
		return s
	}
	for name, made := range map[string]func(*testing.T) *shop{"in the logs": inLogs, "in a span": inSpans} {
		t.Run(name, func(t *testing.T) {
			whole := made(t)
			if c := whole.find(lookupOf(t, "req-1")); c.Trace == nil {
				t.Fatalf("missing %+v", c.Missing)
			}
			for n := range len(whole.ledger.Queries()) {
				s := made(t)
				ctx, cancel := context.WithCancel(t.Context())
				s.before = upTo(n, func(sources.Backend) error { cancel(); return nil })
				c := correlate.Find(ctx, s.set(), lookupOf(t, "req-1"), nil)
				cancel()
				wellFormed(t, c)
				if !saysThatTimeEnded(c) {
					t.Errorf("interrupted at question %d: interrupted %t, missing %+v", n, c.Interrupted, c.Missing)
				}
				s = made(t)
				s.before = upTo(n, down)
				if c := s.find(lookupOf(t, "req-1")); c.Interrupted || !c.Partial() {
					t.Errorf("question %d fails: interrupted %t, missing %+v", n, c.Interrupted, c.Missing)
				}
			}
		})
	}
}
