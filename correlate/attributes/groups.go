package attributes

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"
)

// set is a set of traces, one bit each: the slow ones first, then the normal ones.
type set []uint64

func (s set) add(trace int32) { s[trace/64] |= 1 << (trace % 64) }

func (s set) count() int {
	n := 0
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

// and is how many traces are in both.
func (s set) and(other set) int {
	n := 0
	for i, word := range s {
		n += bits.OnesCount64(word & other[i])
	}
	return n
}

func (s set) both(other set) set {
	both := make(set, len(s))
	for i, word := range s {
		both[i] = word & other[i]
	}
	return both
}

// name is the set as a key of a map.
func (s set) name() string {
	b := make([]byte, 0, len(s)*8)
	for _, word := range s {
		for shift := 0; shift < 64; shift += 8 {
			b = append(b, byte(word>>shift))
		}
	}
	return string(b)
}

func (c *comparison) newSet() set { return make(set, (c.slow+c.normal+63)/64) }

func (c *comparison) setOf(traces []int32) set {
	s := c.newSet()
	for _, trace := range traces {
		s.add(trace)
	}
	return s
}

func (c *comparison) slowSet() set {
	if c.slowTraces == nil {
		c.slowTraces = c.newSet()
		for i := range c.slow {
			c.slowTraces.add(int32(i))
		}
	}
	return c.slowTraces
}

func (c *comparison) complement(s set) set {
	rest := c.newSet()
	for i := range int32(c.slow + c.normal) {
		if s[i/64]&(1<<(i%64)) == 0 {
			rest.add(i)
		}
	}
	return rest
}

// group is a set of traces with the conditions that exactly these fulfil, and those that
// exactly the others do. It is one comparison, however many names it has.
type group struct {
	traces          set
	members, others []Condition
}

// groups gathers the conditions by the set of traces that fulfil them.
func (c *comparison) groups(all *collected) []*group {
	bySet := map[string]*group{}
	add := func(condition Condition, traces []int32) {
		if !c.canDiffer(len(traces)) {
			return
		}
		s := c.setOf(traces)
		name := s.name()
		if g := bySet[name]; g != nil {
			g.members = append(g.members, condition)
			return
		}
		if g := bySet[c.complement(s).name()]; g != nil {
			g.others = append(g.others, condition)
			return
		}
		bySet[name] = &group{traces: s, members: []Condition{condition}}
	}
	columns := all.columns(c.left)
	carriers := c.carriers(columns)
	for _, col := range columns {
		c.addColumn(col, carriers, add)
	}
	c.addUnions(carriers, add)
	groups := slices.Collect(maps.Values(bySet))
	for _, g := range groups {
		g.members, g.others = all.inOrder(g.members), all.inOrder(g.others)
	}
	return c.bounded(groups)
}

// canDiffer reports whether so many traces can be split over the sides in a way that
// chance does not explain. A comparison that cannot come out is not made: it would only
// make the correction of the others dearer (Tarone 1990).
func (c *comparison) canDiffer(traces int) bool {
	if traces == c.slow+c.normal {
		c.left.CommonValues++
		return false
	}
	if c.fisher.least(traces) > rate {
		c.left.RareValues++
		return false
	}
	return true
}

// attribute is a key and value wherever it is carried.
type attribute struct {
	scope      Scope
	key, value string
	any        bool
}

// carrier is a service that carries an attribute, and in which traces.
type carrier struct {
	service  *service
	inTraces []int32
	cut      bool
}

// carriers finds who carries each attribute that is to be compared.
func (c *comparison) carriers(columns []*column) map[attribute][]carrier {
	found := map[attribute][]carrier{}
	for _, col := range columns {
		c.chooseValues(col)
		for _, v := range col.values {
			if v.candidate {
				id := attribute{col.scope, col.key, v.text, false}
				found[id] = append(found[id], carrier{col.service, v.inTraces, v.cut})
			}
		}
		if len(col.values) != 1 {
			id := attribute{col.scope, col.key, "", true}
			found[id] = append(found[id], carrier{col.service, col.inTraces, false})
		}
	}
	return found
}

// leastUnique is the share of different values among all from which a key counts as an
// ID, and leastUniqueValues how many there must be to tell.
const (
	leastUnique       = 0.9
	leastUniqueValues = 3
)

// chooseValues marks the values that are compared, and counts the others.
func (c *comparison) chooseValues(col *column) {
	if col.crowded {
		if !col.measures() {
			c.left.CrowdedKeys++
		}
		return
	}
	if col.unique() {
		if !col.measures() {
			c.left.UniqueKeys++
		}
		return
	}
	for _, v := range col.values {
		if v.cut {
			c.left.CutValues++
		}
		switch {
		case looksLikeID(v.text) && !instanceKeys[col.key]:
			c.left.IDValues++
		case v.isMoment || looksLikeTime(v.text):
			c.left.TimeValues++
		default:
			v.candidate = true
		}
	}
}

// unique reports whether nearly every trace has values of its own.
func (col *column) unique() bool {
	all := 0
	for _, v := range col.values {
		all += len(v.inTraces)
	}
	return len(col.values) >= leastUniqueValues && float64(len(col.values)) >= leastUnique*float64(all)
}

// addColumn adds the conditions of one column: each value, and where there are several
// that the key is there at all.
func (c *comparison) addColumn(col *column, carriers map[attribute][]carrier, add func(Condition, []int32)) {
	condition := Condition{Scope: col.scope, Service: col.service.name, Key: col.key}
	for _, v := range col.values {
		if !v.candidate {
			continue
		}
		condition.Value, condition.Cut = v.text, v.cut
		condition.Services = len(carriers[attribute{col.scope, col.key, v.text, false}])
		add(condition, v.inTraces)
	}
	if len(col.values) != 1 {
		condition.Value, condition.Cut, condition.AnyValue = "", false, true
		condition.Services = len(carriers[attribute{col.scope, col.key, "", true}])
		add(condition, col.inTraces)
	}
}

// addUnions adds the attributes that several services carry as carried by any of them:
// a bad node shows wherever a request touches it.
func (c *comparison) addUnions(carriers map[attribute][]carrier, add func(Condition, []int32)) {
	for id, by := range carriers {
		if len(by) < 2 {
			continue
		}
		union := c.newSet()
		for _, one := range by {
			for _, trace := range one.inTraces {
				union.add(trace)
			}
		}
		traces := union.list()
		if slices.ContainsFunc(by, func(one carrier) bool { return len(one.inTraces) == len(traces) }) {
			continue // it is that service's
		}
		add(Condition{
			Scope: id.scope, Service: by[0].service.name, Services: len(by), AnyService: true,
			Key: id.key, Value: id.value, AnyValue: id.any, Cut: by[0].cut,
		}, traces)
	}
}

func (s set) list() []int32 {
	traces := make([]int32, 0, s.count())
	for i, word := range s {
		for ; word != 0; word &= word - 1 {
			traces = append(traces, int32(i*64+bits.TrailingZeros64(word)))
		}
	}
	return traces
}

// inOrder puts first by what a group is best named: what says more than a symptom, a
// value rather than a key's presence, a name rather than an ID, and the service nearest
// to the root. Of one attribute that several services carry only the first is kept.
func (c *collected) inOrder(conditions []Condition) []Condition {
	rank := func(c Condition) int {
		switch {
		case symptom(c.Key):
			return 3
		case c.AnyValue:
			return 2
		case instanceKeys[c.Key] && looksLikeID(c.Value):
			return 1
		}
		return 0
	}
	slices.SortFunc(conditions, func(a, b Condition) int {
		return cmp.Or(
			cmp.Compare(rank(a), rank(b)),
			cmp.Compare(c.services[a.Service].distance(), c.services[b.Service].distance()),
			byName(a, b),
		)
	})
	type attributeOf struct {
		key, value string
		any        bool
	}
	seen := map[attributeOf]bool{}
	return slices.DeleteFunc(conditions, func(c Condition) bool {
		id := attributeOf{c.Key, c.Value, c.AnyValue}
		repeated := seen[id]
		seen[id] = true
		return repeated
	})
}

// bounded keeps at most maxCompared groups: those that split the traces most evenly,
// since they can tell most. The side that a trace is on plays no part in it.
func (c *comparison) bounded(groups []*group) []*group {
	if len(groups) <= maxCompared {
		return groups
	}
	all := c.slow + c.normal
	slices.SortFunc(groups, func(a, b *group) int {
		evenA, evenB := a.traces.count(), b.traces.count()
		evenA, evenB = min(evenA, all-evenA), min(evenB, all-evenB)
		return cmp.Or(cmp.Compare(evenB, evenA), byName(a.firstName(), b.firstName()))
	})
	c.left.Beyond += len(groups) - maxCompared
	return groups[:maxCompared]
}

// firstName is the same whichever half of the group was met first.
func (g *group) firstName() Condition {
	return slices.MinFunc(slices.Concat(g.members, g.others), byName)
}
