package rules

import (
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"

	"obs/sources"
)

// Need is a set of series without which an expression has no result.
type Need struct {
	Metric string
	// Place are the conditions on labels that say whose series those are. What else a selector
	// asks for, such as a status, may rightly never have been counted yet.
	Place sources.Selector
}

// String is the need as a selector.
func (n Need) String() string { return sources.MetricSelector(n.Metric, n.Place) }

// places are labels that say whose a series is.
var places = []string{"job", "service", "service_name", "app", "namespace", "kubernetes_namespace", "cluster", "env", "environment"}

// Needs are the series that must be there for an expression to have a result, in the order in
// which it names them: none of one side of an "or", and none of which it asks that they be away.
func Needs(query string) []Need {
	root, err := parser.ParseExpr(query)
	if err != nil {
		return nil
	}
	var all []Need
	need(root, &all)
	return all
}

func need(expr parser.Node, all *[]Need) {
	switch e := expr.(type) {
	case *parser.VectorSelector:
		if n, ok := needOf(e); ok && !slices.ContainsFunc(*all, func(known Need) bool { return known.String() == n.String() }) {
			*all = append(*all, n)
		}
		return
	case *parser.Call:
		if e.Func != nil && (strings.HasPrefix(e.Func.Name, "absent") || e.Func.Name == "scalar") {
			return
		}
	case *parser.BinaryExpr:
		if e.Op == parser.LOR {
			return
		}
		need(e.LHS, all)
		if e.Op != parser.LUNLESS {
			need(e.RHS, all)
		}
		return
	}
	for _, child := range parser.Children(expr) {
		need(child, all)
	}
}

// needOf is what a selector needs; ok is false for one that does not name its metric.
func needOf(s *parser.VectorSelector) (n Need, ok bool) {
	n.Metric = metricOf(s)
	for _, m := range s.LabelMatchers {
		if slices.Contains(places, m.Name) {
			n.Place = append(n.Place, sources.Matcher{Name: m.Name, Op: sources.MatchOp(m.Type.String()), Value: m.Value})
		}
	}
	return n, n.Metric != ""
}
