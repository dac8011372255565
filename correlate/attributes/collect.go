package attributes

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"obs/sources"
)

// maxValues is how many values of one key are told apart. A key with more, in the some
// hundred traces of a comparison, is an ID or free text. Such a key is left out as a
// whole, so that it does not matter which values come first.
const maxValues = 1000

// noTrace is the index of no trace.
const noTrace = -1

// value is one value of a column, with the traces that have it in ascending order.
type value struct {
	text      string
	isNumber  bool
	isMoment  bool
	cut       bool
	inTraces  []int32
	last      int32 // of inTraces
	number    float64
	candidate bool
}

// column is one key of one service's spans, or of its resource.
type column struct {
	scope     Scope
	service   *service
	key       string
	technical bool
	crowded   bool
	values    map[string]*value // nil when crowded
	inTraces  []int32
	last      int32 // of inTraces
	// numeric holds as long as every value was a number. largest is then the largest
	// of each trace in inTraces.
	numeric       bool
	largest       []float64
	seen, moments int
}

// service is one service's columns, and how far it is from the root of the traces.
type service struct {
	name           string
	span, resource map[string]*column
	depths, traces int // sum of the least depth of each trace where it is known
}

// distance orders services by how near to the root they are, the unknown last.
func (s *service) distance() float64 {
	if s.traces == 0 {
		return math.Inf(1)
	}
	return float64(s.depths) / float64(s.traces)
}

// collected is what all traces have: the slow ones first, then the normal ones.
type collected struct {
	services map[string]*service
	starts   []time.Time // of each trace
	about    time.Time   // the first of them
}

func collect(slow, normal []*sources.Trace) *collected {
	all := slices.Concat(slow, normal)
	c := &collected{services: map[string]*service{}}
	for _, t := range all {
		c.starts = append(c.starts, startOf(t))
	}
	c.about = slices.MinFunc(c.starts, time.Time.Compare)
	reader := traceReader{collected: c}
	for i, t := range all {
		reader.read(int32(i), t)
	}
	return c
}

func startOf(t *sources.Trace) time.Time {
	first := t.Spans[0].Start
	for i := range t.Spans {
		if t.Spans[i].Start.Before(first) {
			first = t.Spans[i].Start
		}
	}
	return first
}

// resourceOf tells resources apart that were read already: the spans of a process share
// one list.
type resourceOf struct {
	service *service
	first   *sources.Attribute
	length  int
}

type traceReader struct {
	*collected
	resources map[resourceOf]bool
	byID      map[sources.SpanID]int
	depths    []int
}

func (r *traceReader) read(trace int32, t *sources.Trace) {
	r.resources = map[resourceOf]bool{}
	for i := range t.Spans {
		span := &t.Spans[i]
		s := r.serviceOf(span.Service)
		for j := range span.Attributes {
			r.add(s.span, s, InSpan, trace, &span.Attributes[j])
		}
		if len(span.Resource) == 0 {
			continue
		}
		resource := resourceOf{s, &span.Resource[0], len(span.Resource)}
		if r.resources[resource] {
			continue
		}
		r.resources[resource] = true
		for j := range span.Resource {
			r.add(s.resource, s, InResource, trace, &span.Resource[j])
		}
	}
	r.place(t)
}

func (c *collected) serviceOf(name string) *service {
	s := c.services[name]
	if s == nil {
		s = &service{name: name, span: map[string]*column{}, resource: map[string]*column{}}
		c.services[name] = s
	}
	return s
}

func (c *collected) add(columns map[string]*column, s *service, scope Scope, trace int32, a *sources.Attribute) {
	col := columns[a.Key]
	if col == nil {
		col = &column{
			scope: scope, service: s, key: a.Key, technical: technical(a.Key), numeric: !namesThing(a.Key),
			values: map[string]*value{}, last: noTrace,
		}
		columns[a.Key] = col
	}
	if col.technical {
		return
	}
	if col.last != trace {
		col.last = trace
		col.inTraces = append(col.inTraces, trace)
		if col.numeric {
			col.largest = append(col.largest, math.Inf(-1))
		}
	}
	if col.crowded {
		if col.numeric {
			number, ok := parseNumber(a.Value)
			col.addNumber(number, ok, ok && isMoment(number, c.about))
		}
		return
	}
	v := c.intern(col, a.Value)
	if v.last != trace {
		v.last = trace
		v.inTraces = append(v.inTraces, trace)
	}
	if col.numeric {
		col.addNumber(v.number, v.isNumber, v.isMoment)
	}
}

// intern finds a value of the column. Once there are too many, none is kept.
func (c *collected) intern(col *column, text string) *value {
	short, cut := cutValue(text)
	if cut {
		short += "…" // so that it is not taken for a value that ends there
	}
	if v := col.values[short]; v != nil {
		return v
	}
	v := &value{text: short, cut: cut, last: noTrace}
	if col.numeric {
		v.number, v.isNumber = parseNumber(text)
		v.isMoment = v.isNumber && isMoment(v.number, c.about)
	}
	if len(col.values) >= maxValues {
		col.crowded, col.values = true, nil
		return v
	}
	col.values[short] = v
	return v
}

// addNumber notes what a span has under the key: whether it is a number, and a moment.
func (col *column) addNumber(number float64, isNumber, moment bool) {
	if !isNumber {
		col.numeric, col.largest = false, nil
		return
	}
	col.seen++
	if moment {
		col.moments++
	}
	i := len(col.largest) - 1
	col.largest[i] = max(col.largest[i], number)
}

// place notes how deep in the trace each service is entered. Below a span whose parent
// is missing nothing is known.
func (r *traceReader) place(t *sources.Trace) {
	const unknown, open = -1, -2
	if r.byID == nil {
		r.byID = map[sources.SpanID]int{}
	}
	clear(r.byID)
	for i := range t.Spans {
		r.byID[t.Spans[i].ID] = i
	}
	r.depths = slices.Grow(r.depths[:0], len(t.Spans))[:len(t.Spans)]
	const unseen = -3
	for i := range r.depths {
		r.depths[i] = unseen
	}
	var way []int
	for i := range t.Spans {
		way = way[:0]
		depth, at := unknown, i
		for {
			if r.depths[at] != unseen {
				if r.depths[at] >= 0 {
					depth = r.depths[at]
				}
				break // where it is open, it is a loop
			}
			if t.Spans[at].ParentID == "" {
				r.depths[at], depth = 0, 0
				break
			}
			r.depths[at] = open
			way = append(way, at)
			parent, ok := r.byID[t.Spans[at].ParentID]
			if !ok {
				break
			}
			at = parent
		}
		for _, j := range slices.Backward(way) {
			if depth != unknown {
				depth++
			}
			r.depths[j] = depth
		}
	}
	least := map[string]int{}
	for i, depth := range r.depths {
		name := t.Spans[i].Service
		if known, ok := least[name]; depth >= 0 && (!ok || depth < known) {
			least[name] = depth
		}
	}
	for name, depth := range least {
		s := r.services[name]
		s.depths += depth
		s.traces++
	}
}

// columns lists what is to be compared in a fixed order: services nearest to the root
// first, then by name; the keys of the instrumentation are counted and left out.
func (c *collected) columns(left *LeftOut) []*column {
	var kept []*column
	for _, s := range c.services {
		for _, columns := range []map[string]*column{s.span, s.resource} {
			for col := range maps.Values(columns) {
				if col.technical {
					left.TechnicalKeys++
					continue
				}
				kept = append(kept, col)
			}
		}
	}
	slices.SortFunc(kept, func(a, b *column) int {
		return cmp.Or(
			cmp.Compare(a.service.distance(), b.service.distance()),
			strings.Compare(a.service.name, b.service.name),
			strings.Compare(a.key, b.key),
			strings.Compare(string(a.scope), string(b.scope)),
		)
	})
	return kept
}
