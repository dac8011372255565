package promapi

import (
	"math/bits"

	"github.com/prometheus/prometheus/model/labels"
)

// index finds series by their labels: for each name and value, the numbers of the
// series that have it. It is not safe for concurrent use; the store locks.
type index struct {
	series []*series // by number
	names  map[string]map[string]*posting
	hashes map[uint64][]*series
}

// posting is one value of a label.
type posting struct {
	name, value string // the one copy of both
	series      []uint32
}

func (x *index) find(set labels.Labels, hash uint64) *series {
	for _, s := range x.hashes[hash] {
		if labels.Equal(s.labels, set) {
			return s
		}
	}
	return nil
}

func (x *index) add(set labels.Labels, hash uint64) *series {
	number := uint32(len(x.series))
	s := &series{}
	pairs := make([]labels.Label, 0, set.Len())
	set.Range(func(l labels.Label) {
		values := x.names[l.Name]
		if values == nil {
			values = map[string]*posting{}
			x.names[l.Name] = values
		}
		p := values[l.Value]
		if p == nil {
			p = &posting{name: l.Name, value: l.Value}
			values[l.Value] = p
		}
		p.series = append(p.series, number)
		pairs = append(pairs, labels.Label{Name: p.name, Value: p.value})
	})
	s.labels = labels.New(pairs...)
	x.series = append(x.series, s)
	x.hashes[hash] = append(x.hashes[hash], s)
	return s
}

// matching lists the series that meet all conditions, in the order in which they came.
func (x *index) matching(matchers []*labels.Matcher) []*series {
	size := (len(x.series) + 63) / 64
	var all []uint64 // a bit for each series; nil while all of them fit
	for _, m := range matchers {
		// A series without the label has the empty value. Where that one fits, the
		// values that do not are taken away; else those that do are kept.
		lacking := m.Matches("")
		some := make([]uint64, size)
		x.visit(m, lacking, func(p *posting) {
			for _, n := range p.series {
				some[n/64] |= 1 << (n % 64)
			}
		})
		for i := range some {
			if lacking {
				some[i] = ^some[i]
			}
			if all != nil {
				some[i] &= all[i]
			}
		}
		all = some
	}
	if all == nil {
		return append([]*series(nil), x.series...)
	}
	var found []*series
	for i, word := range all {
		for ; word != 0; word &= word - 1 {
			if n := i*64 + bits.TrailingZeros64(word); n < len(x.series) {
				found = append(found, x.series[n])
			}
		}
	}
	return found
}

// visit goes through the values of m's label that fit m, or through the others.
func (x *index) visit(m *labels.Matcher, others bool, f func(*posting)) {
	values := x.names[m.Name]
	var exact []string
	switch {
	case m.Type == labels.MatchEqual && !others, m.Type == labels.MatchNotEqual && others:
		exact = []string{m.Value}
	case m.Type == labels.MatchRegexp && !others, m.Type == labels.MatchNotRegexp && others:
		exact = m.SetMatches() // an alternation of plain texts; empty for other expressions
	}
	if len(exact) > 0 {
		for _, v := range exact {
			if p := values[v]; p != nil {
				f(p)
			}
		}
		return
	}
	for v, p := range values {
		if m.Matches(v) != others {
			f(p)
		}
	}
}
