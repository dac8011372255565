package spans

import (
	"time"

	"obs/sources"
)

// Visit is the stay of a request in a service: a span that came from elsewhere and all
// below it that is of the same service. It is what is counted when two groups of requests
// are compared, since it is there however finely a service is traced.
type Visit struct {
	Entry  int // the span that it begins with
	Key    Key // of Entry
	Parent int // the visit that called, None for the first
	// Own is the time that the service itself took, with calls to what sends no spans.
	Own time.Duration
	// Gap is how much longer the caller's client span took than Entry: the way there and
	// back, and the time before the callee began. Known where there is a client span.
	Gap      time.Duration
	GapKnown bool
	// Fails tells that a failure began here: a span failed of which no child did.
	Fails bool
	// Failed tells that a span of the visit failed, wherever the failure began.
	Failed bool
	// Calls are the visits below, by index.
	Calls []int
	// Inside counts the kinds of operations of the spans below Entry, its client spans included.
	Inside map[string]int
	// Unanswered are the kinds of operations of client spans without a visit below.
	Unanswered []string
}

// Visits divides the trace into visits, parents first. of tells each span's visit.
func (t *Tree) Visits() (visits []Visit, of []int) {
	of = make([]int, len(t.Nodes))
	t.Walk(func(i int) bool {
		parent := t.Nodes[i].Parent
		span := t.Span(i)
		if parent == None || t.Span(parent).Service != span.Service {
			of[i] = len(visits)
			v := Visit{Entry: i, Key: KeyOf(span), Parent: None, Inside: map[string]int{}}
			if parent != None {
				v.Parent = of[parent]
				visits[v.Parent].Calls = append(visits[v.Parent].Calls, of[i])
				if caller := t.Span(parent); caller.Kind == sources.KindClient && span.Kind != sources.KindConsumer {
					v.Gap, v.GapKnown = max(0, caller.Duration-span.Duration), true
				}
			}
			visits = append(visits, v)
		} else {
			of[i] = of[parent]
			visits[of[i]].Inside[kindOf(span.Operation)]++
		}
		v := &visits[of[i]]
		if span.Failed() {
			v.Failed = true
			v.Fails = v.Fails || !t.hasFailedChild(i)
		}
		remote := t.callsElsewhere(i)
		if span.Kind == sources.KindClient && !remote {
			v.Unanswered = append(v.Unanswered, kindOf(span.Operation))
		}
		// What a client span does not share with its callee is the gap, and the callee's.
		if span.Kind != sources.KindClient || !remote {
			v.Own += t.Nodes[i].Self
		}
		return true
	})
	return visits, of
}

func (t *Tree) callsElsewhere(i int) bool {
	for _, child := range t.Nodes[i].Children {
		if t.Span(child).Service != t.Span(i).Service {
			return true
		}
	}
	return false
}
