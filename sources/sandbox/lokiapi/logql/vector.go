package logql

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strings"
)

// aggregateNode makes one series of each group.
type aggregateNode struct {
	expr      *aggregateExpr
	inner     node
	maxSeries int
}

type group struct {
	labels Labels
	key    string
	values []float64
	of     []sample // for rankings
}

func (n *aggregateNode) at(time int64) ([]sample, error) {
	in, err := n.inner.at(time)
	if err != nil {
		return nil, err
	}
	ranked := n.expr.function == "topk" || n.expr.function == "bottomk"
	if ranked && len(in) > n.maxSeries {
		return nil, tooManySeries(n.maxSeries)
	}
	groups := map[string]*group{}
	var order []*group
	for _, s := range in {
		labels := n.expr.grouping.of(s.labels)
		key := labels.Key()
		g := groups[key]
		if g == nil {
			g = &group{labels: labels, key: key}
			groups[key] = g
			order = append(order, g)
		}
		g.values = append(g.values, s.value)
		if ranked {
			g.of = append(g.of, s)
		}
	}
	var out []sample
	for _, g := range order {
		if ranked {
			out = append(out, g.ranking(n.expr)...)
		} else {
			out = append(out, sample{g.labels, g.key, combine(n.expr.function, g.values)})
		}
	}
	return out, nil
}

// ranking are the first of the group's samples, by value and then by labels.
func (g *group) ranking(e *aggregateExpr) []sample {
	sortSamples(g.of, e.function == "topk")
	return g.of[:min(e.param, len(g.of))]
}

func sortSamples(samples []sample, descending bool) {
	slices.SortFunc(samples, func(a, b sample) int {
		byKey := strings.Compare(a.key, b.key)
		if math.IsNaN(a.value) || math.IsNaN(b.value) {
			return cmp.Or(cmp.Compare(truth(math.IsNaN(a.value)), truth(math.IsNaN(b.value))), byKey)
		}
		if descending {
			return cmp.Or(cmp.Compare(b.value, a.value), byKey)
		}
		return cmp.Or(cmp.Compare(a.value, b.value), byKey)
	})
}

func combine(function string, values []float64) float64 {
	switch function {
	case "count":
		return float64(len(values))
	case "min":
		return slices.Min(values)
	case "max":
		return slices.Max(values)
	case "stddev":
		return deviation(values)
	case "stdvar":
		return variance(values)
	case "avg":
		return sum(values) / float64(len(values))
	}
	return sum(values)
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

// variance is that of a whole population, after Welford (Technometrics 4, 1962).
func variance(values []float64) float64 {
	var mean, squares float64
	for i, v := range values {
		delta := v - mean
		mean += delta / float64(i+1)
		squares += delta * (v - mean)
	}
	return squares / float64(len(values))
}

func deviation(values []float64) float64 { return math.Sqrt(variance(values)) }

// quantile interpolates between the two nearest values, as Prometheus does.
func quantile(q float64, values []float64) float64 {
	switch {
	case math.IsNaN(q):
		return math.NaN()
	case q < 0:
		return math.Inf(-1)
	case q > 1:
		return math.Inf(1)
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := q * float64(len(sorted)-1)
	below := int(rank)
	above := min(below+1, len(sorted)-1)
	weight := rank - math.Floor(rank)
	return sorted[below]*(1-weight) + sorted[above]*weight
}

// binaryNode joins two sides by an operator.
type binaryNode struct {
	expr                    *binaryExpr
	left, right             node
	leftScalar, rightScalar *scalarExpr
}

func (n *binaryNode) at(time int64) ([]sample, error) {
	left, err := n.left.at(time)
	if err != nil {
		return nil, err
	}
	right, err := n.right.at(time)
	if err != nil {
		return nil, err
	}
	switch {
	case n.leftScalar != nil:
		return n.scalar(right, n.leftScalar.value, true), nil
	case n.rightScalar != nil:
		return n.scalar(left, n.rightScalar.value, false), nil
	case isSetOperator(n.expr.op):
		return n.sets(left, right), nil
	}
	return n.vectors(left, right)
}

// apply works out one pair; keep tells whether there is a result at all.
func (n *binaryNode) apply(a, b float64) (value float64, keep bool) {
	value, holds := operate(n.expr.op, a, b)
	if isComparison(n.expr.op) && n.expr.returnBool {
		return truth(holds), true
	}
	return value, holds
}

func (n *binaryNode) scalar(in []sample, number float64, first bool) (out []sample) {
	for _, s := range in {
		a, b := s.value, number
		if first {
			a, b = b, a
		}
		value, keep := n.apply(a, b)
		if !keep {
			continue
		}
		if first && isComparison(n.expr.op) && !n.expr.returnBool {
			value = s.value // of the series, on whichever side it is
		}
		out = append(out, sample{s.labels, s.key, value})
	}
	return out
}

// matched are the labels by which a series finds its counterpart.
func (m matching) matched(labels Labels) Labels {
	g := Grouping{without: !m.on, names: m.names}
	return g.of(labels)
}

func (n *binaryNode) sets(left, right []sample) (out []sample) {
	m := n.expr.matching
	in := map[string]bool{}
	base, other := left, right
	if n.expr.op == "or" {
		base, other = right, left
		out = slices.Clone(left)
	}
	for _, s := range other {
		in[m.matched(s.labels).Key()] = true
	}
	for _, s := range base {
		if in[m.matched(s.labels).Key()] == (n.expr.op == "and") {
			out = append(out, s)
		}
	}
	return out
}

var (
	errManyToOne = &Error{http.StatusInternalServerError,
		"multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"}
	errManyToMany = &Error{http.StatusInternalServerError,
		"found duplicate series on the one side of the operation: many-to-many matching not allowed: matching labels must be unique on one side"}
	errGrouped = &Error{http.StatusInternalServerError,
		"multiple matches for labels: grouping labels must ensure unique matches"}
)

func (n *binaryNode) vectors(left, right []sample) (out []sample, err error) {
	m := n.expr.matching
	many, one := left, right
	if m.many == "group_right" {
		many, one = right, left
	}
	counterpart := map[string]sample{}
	for _, s := range one {
		key := m.matched(s.labels).Key()
		if _, twice := counterpart[key]; twice {
			return nil, errManyToMany
		}
		counterpart[key] = s
	}
	seen := map[string]bool{}
	for _, s := range many {
		matched := m.matched(s.labels)
		key := matched.Key()
		o, ok := counterpart[key]
		if !ok {
			continue
		}
		a, b := s.value, o.value
		if m.many == "group_right" {
			a, b = b, a
		}
		value, keep := n.apply(a, b)
		if !keep {
			continue
		}
		labels := matched
		if m.many != "" {
			labels = slices.DeleteFunc(slices.Clone(s.labels), func(l Label) bool { return slices.Contains(m.include, l.Name) })
			for _, name := range m.include {
				if v := o.labels.Get(name); v != "" {
					labels = append(labels, Label{name, v})
				}
			}
			key = labels.sort().Key()
		}
		if seen[key] {
			if m.many == "" {
				return nil, errManyToOne
			}
			return nil, errGrouped
		}
		seen[key] = true
		out = append(out, sample{labels, key, value})
	}
	return out, nil
}

type labelReplaceNode struct {
	expr  *labelReplaceExpr
	inner node
}

func (n *labelReplaceNode) at(time int64) ([]sample, error) {
	in, err := n.inner.at(time)
	out := make([]sample, 0, len(in))
	for _, s := range in {
		source := s.labels.Get(n.expr.source)
		if place := n.expr.pattern.re.FindStringSubmatchIndex(source); place != nil {
			value := string(n.expr.pattern.re.ExpandString(nil, n.expr.expand, source, place))
			s.labels = slices.DeleteFunc(slices.Clone(s.labels), func(l Label) bool { return l.Name == n.expr.target })
			if value != "" {
				s.labels = append(s.labels, Label{n.expr.target, value}).sort()
			}
			s.key = s.labels.Key()
		}
		out = append(out, s)
	}
	return out, err
}

type sortNode struct {
	descending bool
	inner      node
}

func (n *sortNode) at(time int64) ([]sample, error) {
	out, err := n.inner.at(time)
	sortSamples(out, n.descending)
	return out, err
}
