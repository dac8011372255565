// Package rules reads alerting rules: what a rule's expression measures, and what is wrong
// with a set of them.
//
// It is arithmetic over values: it asks no server, and knows no clock. What the past says of a
// rule is handed in.
package rules

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Expression is what a rule's PromQL asks, taken apart.
type Expression struct {
	// Measured is what the expression compares with a limit, as PromQL that has a value
	// whether the limit is crossed or not; the whole where nothing is compared.
	Measured string
	// Limit is the comparison that was taken away, as "> 0.1"; empty where there was none,
	// or where it is with something that is measured too.
	Limit string
	// Metrics are the names of the metrics that it reads, sorted; one that is chosen by a
	// pattern alone is not among them.
	Metrics []string
	// Reach is how far back it looks at most: its ranges, subqueries and offsets.
	Reach time.Duration
	// Quantile tells that it takes a quantile of a histogram, Share that it divides.
	Quantile, Share bool
}

// Read takes an expression apart. The error is that of the parser, for one that is no PromQL.
func Read(query string) (Expression, error) {
	root, err := parser.ParseExpr(query)
	if err != nil {
		return Expression{}, err
	}
	measured, limit := uncompared(root)
	e := Expression{Measured: measured.String(), Limit: limit}
	parser.Inspect(root, func(node parser.Node, path []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			if name := metricOf(n); name != "" && !slices.Contains(e.Metrics, name) {
				e.Metrics = append(e.Metrics, name)
			}
			e.Reach = max(e.Reach, reach(append(slices.Clone(path), node)))
		case *parser.Call:
			if n.Func != nil && strings.HasPrefix(n.Func.Name, "histogram_quantile") {
				e.Quantile = true
			}
		case *parser.BinaryExpr:
			e.Share = e.Share || n.Op == parser.DIV
		}
		return nil
	})
	slices.Sort(e.Metrics)
	return e, nil
}

// Crosses tells whether a value crosses the limit; known is false where there is none that is
// a number.
func (e *Expression) Crosses(value float64) (crosses, known bool) {
	op, text, found := strings.Cut(e.Limit, " ")
	limit, err := strconv.ParseFloat(text, 64)
	if !found || err != nil {
		return false, false
	}
	switch op {
	case ">":
		return value > limit, true
	case ">=":
		return value >= limit, true
	case "<":
		return value < limit, true
	case "<=":
		return value <= limit, true
	case "==":
		return value == limit, true
	case "!=":
		return value != limit, true
	}
	return false, false
}

// Up tells whether the limit may be crossed from below; it may where there is none.
func (e *Expression) Up() bool { return !strings.HasPrefix(e.Limit, "<") }

// Down tells whether it may be crossed from above.
func (e *Expression) Down() bool { return !strings.HasPrefix(e.Limit, ">") }

// uncompared is an expression without the comparison at its top, and that comparison where
// it is with a number. Of two conditions that must hold together the first is what the rule
// is about, as rules are written.
func uncompared(expr parser.Expr) (measured parser.Expr, limit string) {
	switch e := expr.(type) {
	case *parser.ParenExpr:
		return uncompared(e.Expr)
	case *parser.BinaryExpr:
		switch {
		case e.Op == parser.LAND || e.Op == parser.LUNLESS:
			return uncompared(e.LHS)
		case !e.Op.IsComparisonOperator():
		case e.RHS.Type() == parser.ValueTypeScalar:
			return unwrapped(e.LHS), e.Op.String() + " " + e.RHS.String()
		case e.LHS.Type() == parser.ValueTypeScalar:
			return unwrapped(e.RHS), turned(e.Op) + " " + e.LHS.String()
		default:
			return unwrapped(e.LHS), ""
		}
	}
	return expr, ""
}

// unwrapped is an expression without parentheses around all of it.
func unwrapped(expr parser.Expr) parser.Expr {
	for {
		paren, ok := expr.(*parser.ParenExpr)
		if !ok {
			return expr
		}
		expr = paren.Expr
	}
}

// turned is a comparison read from its other side.
func turned(op parser.ItemType) string {
	switch op {
	case parser.GTR:
		return "<"
	case parser.GTE:
		return "<="
	case parser.LSS:
		return ">"
	case parser.LTE:
		return ">="
	}
	return op.String()
}

// metricOf is the name of the metric that a selector names.
func metricOf(s *parser.VectorSelector) string {
	if s.Name != "" {
		return s.Name
	}
	for _, m := range s.LabelMatchers {
		if m.Name == labels.MetricName && m.Type == labels.MatchEqual {
			return m.Value
		}
	}
	return ""
}

// reach is how far back the last node of a path looks: what it and those around it add up to.
func reach(path []parser.Node) time.Duration {
	var back time.Duration
	for _, node := range path {
		switch n := node.(type) {
		case *parser.VectorSelector:
			back += max(n.OriginalOffset, 0)
		case *parser.MatrixSelector:
			back += n.Range
		case *parser.SubqueryExpr:
			back += n.Range + max(n.OriginalOffset, 0)
		}
	}
	return back
}
