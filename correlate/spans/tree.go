// Package spans reads the shape of traces: who called whom, where the time of a
// request went, and where its error began.
//
// It is arithmetic over sources.Trace: no clock, no network. Choosing which trace to
// look at, and saying in words what it shows, is done in correlate.
package spans

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"sync"
	"time"

	"obs/sources"
)

// None is the index of no span.
const None = -1

// Node is one span's place in the tree, at the span's index in Trace.Spans.
type Node struct {
	Parent   int   // None for a root
	Children []int // in order of start
	Depth    int   // 0 for a root
	// Orphan tells that the span names a parent which the trace does not hold.
	Orphan bool
	// Failed is what the span's Failed says, which looks at its attributes: of a large trace
	// these are spread over all of memory.
	Failed bool
	// Self is the span's duration less the time that any of its children covers.
	Self time.Duration
	// Critical is how long the span itself was what its root waited for.
	Critical time.Duration
}

// Tree is a trace with its structure worked out.
type Tree struct {
	Trace *sources.Trace
	Nodes []Node
	Roots []int // in order of start
	// Main is the root that the request entered by, None for a trace without spans.
	Main int
	// Path is the critical path below Main, in order of time: the stretches of
	// time in which each span was what the request waited for.
	Path []Stretch
	// Base is the first span's start, from which stretches are counted.
	Base time.Time

	times []times // of each span

	attempted sync.Once
	attempts  map[int]Attempt // once they were asked for
}

// times are a span's start and end, from Base on: numbers are compared and counted
// in a fraction of the time that moments take.
type times struct{ start, end time.Duration }

// Stretch is a piece of the critical path: this span was being waited for.
type Stretch struct {
	Span     int
	From, To time.Duration // since the tree's Base
}

// Build works out the tree of a trace, self times and critical path. Spans whose
// parent is missing become roots and are marked; a loop of parents is cut. The trace
// must not be changed while the tree is in use.
func Build(trace *sources.Trace) *Tree {
	t := &Tree{Trace: trace, Nodes: make([]Node, len(trace.Spans)), Main: None}
	t.read()
	t.link()
	t.place()
	t.Main = t.entry()
	for i := range t.Nodes {
		t.Nodes[i].Self = t.self(i)
	}
	if t.Main != None {
		t.walkCriticalPath()
	}
	return t
}

// Span is the span at an index.
func (t *Tree) Span(i int) *sources.Span { return &t.Trace.Spans[i] }

// read takes from the spans what is looked at again and again.
func (t *Tree) read() {
	t.times = make([]times, len(t.Nodes))
	for i := range t.Nodes {
		span := t.Span(i)
		if i == 0 {
			t.Base = span.Start
		}
		t.Nodes[i].Failed = span.Failed()
		start := span.Start.Sub(t.Base)
		end := start + span.Duration
		if end < start { // centuries on, which only damaged data has
			end = math.MaxInt64
		}
		t.times[i] = times{start, end}
	}
}

// index finds spans by their ID, which several may share.
type index struct {
	first map[sources.SpanID]int
	next  []int // with the same ID, None behind the last
}

func newIndex(spans []sources.Span) *index {
	x := &index{first: make(map[sources.SpanID]int, len(spans)), next: make([]int, len(spans))}
	for i := len(spans) - 1; i >= 0; i-- {
		x.next[i] = None
		if other, known := x.first[spans[i].ID]; known {
			x.next[i] = other
		}
		x.first[spans[i].ID] = i
	}
	return x
}

// of are the spans with an ID, in the order of the trace.
func (x *index) of(id sources.SpanID) iter.Seq[int] {
	return func(yield func(int) bool) {
		at, known := x.first[id]
		for known && at != None && yield(at) {
			at = x.next[at]
		}
	}
}

func (t *Tree) link() {
	byID := newIndex(t.Trace.Spans)
	for i := range t.Nodes {
		node, span := &t.Nodes[i], t.Span(i)
		node.Parent = None
		if span.ParentID != "" {
			node.Parent = t.parentOf(i, byID)
			node.Orphan = node.Parent == None
		} else if span.Kind == sources.KindServer {
			// Zipkin's clients and servers share one span ID; then the client, which
			// carries the same ID and parent, is the caller.
			node.Parent = t.sharedClient(i, byID)
		}
	}
	t.cutLoops()
	t.nameChildren()
	byStart := func(a, b int) int {
		return cmp.Or(cmp.Compare(t.times[a].start, t.times[b].start), cmp.Compare(a, b))
	}
	for i := range t.Nodes {
		slices.SortFunc(t.Nodes[i].Children, byStart)
		if t.Nodes[i].Parent == None {
			t.Roots = append(t.Roots, i)
		}
	}
	slices.SortFunc(t.Roots, byStart)
}

// nameChildren gives each span its children. All stand in one piece of memory: most have none
// or few.
func (t *Tree) nameChildren() {
	counts := make([]int, len(t.Nodes))
	for i := range t.Nodes {
		if p := t.Nodes[i].Parent; p != None {
			counts[p]++
		}
	}
	room := make([]int, len(t.Nodes))
	for i, n := range counts {
		t.Nodes[i].Children, room = room[:0:n], room[n:]
	}
	for i := range t.Nodes {
		if p := t.Nodes[i].Parent; p != None {
			t.Nodes[p].Children = append(t.Nodes[p].Children, i)
		}
	}
}

func (t *Tree) parentOf(i int, byID *index) int {
	span := t.Span(i)
	if span.Kind == sources.KindServer {
		if client := t.sharedClient(i, byID); client != None {
			return client
		}
	}
	found := None
	for p := range byID.of(span.ParentID) {
		if p == i {
			continue
		}
		// Of two spans that share the parent's ID, the one that received the call made
		// further calls: prefer the server's, and our own service's.
		if found == None || t.Span(p).Service == span.Service || t.Span(p).Kind == sources.KindServer {
			found = p
		}
	}
	return found
}

func (t *Tree) sharedClient(i int, byID *index) int {
	for other := range byID.of(t.Span(i).ID) {
		if other != i && t.Span(other).Kind == sources.KindClient {
			return other
		}
	}
	return None
}

// cutLoops makes a root of one span of every loop of parents, which only damaged data has.
func (t *Tree) cutLoops() {
	const unseen, onWay, done = 0, 1, 2
	state := make([]byte, len(t.Nodes))
	var way []int
	for start := range t.Nodes {
		way = way[:0]
		i := start
		for i != None && state[i] == unseen {
			state[i] = onWay
			way = append(way, i)
			i = t.Nodes[i].Parent
		}
		if i != None && state[i] == onWay {
			t.Nodes[i].Parent = None
			t.Nodes[i].Orphan = true
		}
		for _, j := range way {
			state[j] = done
		}
	}
}

// place sets the depths, without recursion: a trace may be a chain of any length.
func (t *Tree) place() {
	t.Walk(func(i int) bool {
		if p := t.Nodes[i].Parent; p != None {
			t.Nodes[i].Depth = t.Nodes[p].Depth + 1
		}
		return true
	})
}

// Walk visits the spans parents first and siblings in order of start. Below a span
// for which visit returns false nothing is visited.
func (t *Tree) Walk(visit func(i int) bool) {
	stack := [][]int{t.Roots} // at each depth those that are still to be visited
	for len(stack) > 0 {
		last := len(stack) - 1
		if len(stack[last]) == 0 {
			stack = stack[:last]
			continue
		}
		i := stack[last][0]
		stack[last] = stack[last][1:]
		if visit(i) {
			stack = append(stack, t.Nodes[i].Children)
		}
	}
}

// entry picks the root that the request came in by: of the spans that have no parent
// at all the longest; where all roots are orphans, the longest of those.
func (t *Tree) entry() int {
	best := None
	for _, i := range t.Roots {
		if best == None {
			best = i
			continue
		}
		a, b := &t.Nodes[i], &t.Nodes[best]
		if a.Orphan != b.Orphan {
			if !a.Orphan {
				best = i
			}
			continue
		}
		if t.Span(i).Duration > t.Span(best).Duration {
			best = i
		}
	}
	return best
}

// self is the part of the span's time that no child covers.
func (t *Tree) self(i int) time.Duration {
	own, covered := t.times[i], time.Duration(0)
	at := own.start
	for _, child := range t.Nodes[i].Children { // in order of start
		start, stop := max(t.times[child].start, at), min(t.times[child].end, own.end)
		if stop > start {
			covered += stop - start
			at = stop
		}
	}
	return t.Span(i).Duration - covered
}

// ErrorOrigin is the span where the failure began: the deepest failed span without a
// failed child, the earliest to end among several on the deepest failing branch below
// the main root. Of attempts at one call the last counts, after which the caller gave up.
// None when nothing failed.
func (t *Tree) ErrorOrigin() int {
	if origin := t.errorOrigin(t.superseded()); origin != None {
		return origin
	}
	return t.errorOrigin(nil)
}

// superseded are the spans of calls that were tried again; nil when there are none.
func (t *Tree) superseded() []bool {
	attempts := t.Attempts()
	if len(attempts) == 0 {
		return nil
	}
	all := make([]bool, len(t.Nodes))
	t.Walk(func(i int) bool {
		p := t.Nodes[i].Parent
		all[i] = attempts[i].Number < attempts[i].Of || (p != None && all[p])
		return true
	})
	return all
}

func (t *Tree) errorOrigin(without []bool) int {
	best := None
	for i := range t.Nodes {
		if !t.Nodes[i].Failed || t.hasFailedChild(i) || (len(without) > 0 && without[i]) {
			continue
		}
		if best == None || t.originBefore(i, best) {
			best = i
		}
	}
	return best
}

// originBefore prefers a failure that reached its caller: a chain of failed parents up
// to a root tells that it mattered, where one that a caller absorbed did not.
func (t *Tree) originBefore(a, b int) bool {
	reachA, reachB := t.failedToRoot(a), t.failedToRoot(b)
	if reachA != reachB {
		return reachA
	}
	if da, db := t.Nodes[a].Depth, t.Nodes[b].Depth; da != db {
		return da > db
	}
	return t.Span(a).End().Before(t.Span(b).End())
}

func (t *Tree) hasFailedChild(i int) bool {
	return slices.ContainsFunc(t.Nodes[i].Children, func(child int) bool { return t.Nodes[child].Failed })
}

func (t *Tree) failedToRoot(i int) bool {
	for p := t.Nodes[i].Parent; p != None; p = t.Nodes[p].Parent {
		if !t.Nodes[p].Failed {
			return false
		}
	}
	return true
}
