package spans

import (
	"cmp"
	"slices"
	"time"
)

// Skew is a difference of two services' clocks.
type Skew struct {
	Caller, Callee string
	// AtLeast is how far the clocks are apart, the callee's behind.
	AtLeast time.Duration
}

// leastSkew is from when on a difference is told: clocks that NTP keeps agree within
// milliseconds, and a smaller one changes no conclusion about a request.
const leastSkew = 5 * time.Millisecond

// Skews finds services whose spans begin before the calls to them do, which no request does:
// their clocks differ. A callee whose clock is ahead, or that ends after its caller, may as
// well have been slow, and is no evidence. In order of caller and callee.
func (t *Tree) Skews() []Skew {
	worst := map[Edge]time.Duration{}
	for i := range t.Nodes {
		p := t.Nodes[i].Parent
		if p == None {
			continue
		}
		caller, callee := t.Span(p), t.Span(i)
		if ahead := caller.Start.Sub(callee.Start); ahead >= leastSkew && caller.Service != callee.Service {
			edge := Edge{Caller: caller.Service, Callee: callee.Service}
			worst[edge] = max(worst[edge], ahead)
		}
	}
	all := make([]Skew, 0, len(worst))
	for edge, ahead := range worst {
		all = append(all, Skew{Caller: edge.Caller, Callee: edge.Callee, AtLeast: ahead})
	}
	slices.SortFunc(all, func(a, b Skew) int {
		return cmp.Or(cmp.Compare(a.Caller, b.Caller), cmp.Compare(a.Callee, b.Callee))
	})
	return all
}
