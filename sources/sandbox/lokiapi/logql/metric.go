package logql

import (
	"context"
	"slices"
	"strings"
)

// Point is a value at a moment, in nanoseconds.
type Point struct {
	Time  int64
	Value float64
}

// Series is a label set with its values, oldest first.
type Series struct {
	Labels Labels
	Points []Point
}

// MetricParams say when to evaluate a query.
type MetricParams struct {
	From, To, Step int64 // in nanoseconds, both ends inclusive
	MaxSeries      int
}

// Metric is what a query of numbers found. IsScalar tells that it is one number, which
// then is in Scalar.
type Metric struct {
	IsScalar bool
	Scalar   float64
	Series   []Series // in order of the labels' Key, unless the query sorts them itself
}

// Evaluate runs a query of numbers.
func Evaluate(ctx context.Context, source Source, e Expr, p MetricParams) (Metric, error) {
	ev := &evaluation{ctx: ctx, source: source, params: p}
	root, err := ev.node(e, nil)
	if err != nil {
		return Metric{}, err
	}
	if constant, ok := e.(*scalarExpr); ok && p.Step == 0 {
		return Metric{IsScalar: true, Scalar: constant.value}, nil
	}
	var m Metric
	place := map[string]int{}
	for at := p.From; at <= p.To; at += max(p.Step, 1) {
		if err := ctx.Err(); err != nil {
			return Metric{}, err
		}
		v, err := root.at(at)
		if err != nil {
			return Metric{}, err
		}
		for _, s := range v {
			i, known := place[s.key]
			if !known {
				if i = len(m.Series); i >= p.MaxSeries {
					return Metric{}, tooManySeries(p.MaxSeries)
				}
				place[s.key] = i
				m.Series = append(m.Series, Series{Labels: s.labels})
			}
			m.Series[i].Points = append(m.Series[i].Points, Point{at, s.value})
		}
		if p.Step == 0 {
			break
		}
	}
	if _, sorted := e.(*sortExpr); !sorted || p.Step != 0 {
		slices.SortFunc(m.Series, func(a, b Series) int { return strings.Compare(a.Labels.Key(), b.Labels.Key()) })
	}
	return m, nil
}

// sample is the value of a series at the moment of an evaluation.
type sample struct {
	labels Labels
	key    string // of the labels
	value  float64
}

// node evaluates a part of a query at one moment after the other.
type node interface {
	at(time int64) ([]sample, error)
}

type evaluation struct {
	ctx    context.Context
	source Source
	params MetricParams
}

// node makes ready what evaluates e. Where hint is given, the series of e are about to be
// added up by it, and may come added up already.
func (ev *evaluation) node(e Expr, hint *Grouping) (node, error) {
	switch e := e.(type) {
	case *scalarExpr:
		return &scalarNode{e.value}, nil
	case *vectorExpr:
		return &scalarNode{e.value}, nil
	case *rangeExpr:
		return ev.rangeNode(e, hint)
	case *aggregateExpr:
		var added *Grouping
		if e.function == "sum" {
			if added = e.grouping; added == nil {
				added = &Grouping{}
			}
		}
		inner, err := ev.node(e.inner, added)
		return &aggregateNode{expr: e, inner: inner, maxSeries: ev.params.MaxSeries}, err
	case *labelReplaceExpr:
		inner, err := ev.node(e.inner, nil)
		return &labelReplaceNode{e, inner}, err
	case *sortExpr:
		inner, err := ev.node(e.inner, nil)
		return &sortNode{e.descending, inner}, err
	case *binaryExpr:
		left, err := ev.node(e.left, nil)
		if err != nil {
			return nil, err
		}
		right, err := ev.node(e.right, nil)
		b := &binaryNode{expr: e, left: left, right: right}
		if scalar, ok := e.left.(*scalarExpr); ok {
			b.leftScalar = scalar
		}
		if scalar, ok := e.right.(*scalarExpr); ok {
			b.rightScalar = scalar
		}
		return b, err
	}
	return nil, badRequest("log queries are not supported as an instant query type, please change your query to a range query type")
}

// scalarNode is a number, as a series without labels.
type scalarNode struct{ value float64 }

func (n *scalarNode) at(int64) ([]sample, error) { return []sample{{value: n.value}}, nil }

// goesBy tells whether the grouping goes by that label.
func (g *Grouping) goesBy(name string) bool {
	return g != nil && !g.without && slices.Contains(g.names, name)
}

// of are the labels that the grouping leaves of a series.
func (g *Grouping) of(labels Labels) Labels {
	if g == nil {
		return nil
	}
	var left Labels
	for _, l := range labels {
		if slices.Contains(g.names, l.Name) != g.without && (l.Value != "" || !g.without) {
			left = append(left, l)
		}
	}
	return left
}
