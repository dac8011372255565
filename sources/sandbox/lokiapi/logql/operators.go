package logql

import "math"

var precedence = map[string]int{
	"or": 1, "and": 2, "unless": 2,
	"==": 3, "!=": 3, ">": 3, ">=": 3, "<": 3, "<=": 3,
	"+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "^": 6,
}

func isSetOperator(op string) bool { return op == "or" || op == "and" || op == "unless" }
func isComparison(op string) bool  { return precedence[op] == 3 }

// checkBinary refuses what has no meaning, and works out what is of numbers alone.
func checkBinary(b *binaryExpr) (Expr, error) {
	for i, leg := range []Expr{b.left, b.right} {
		side := []string{"left", "right"}[i]
		if query, ok := leg.(*LogQuery); ok {
			name := "*syntax.MatchersExpr"
			if len(query.stages) > 0 {
				name = "*syntax.PipelineExpr"
			}
			return nil, parseError("unexpected type for %s leg of binary operation (%s): %s", side, b.op, name)
		}
		if value, ok := leg.(*scalarExpr); ok && isSetOperator(b.op) {
			return nil, parseError("unexpected literal for %s leg of logical/set binary operation (%s): %f", side, b.op, value.value)
		}
	}
	left, leftIs := b.left.(*scalarExpr)
	right, rightIs := b.right.(*scalarExpr)
	if leftIs && rightIs {
		value, holds := operate(b.op, left.value, right.value)
		if isComparison(b.op) {
			value = truth(holds)
		}
		return &scalarExpr{value}, nil
	}
	return b, nil
}

func truth(holds bool) float64 {
	if holds {
		return 1
	}
	return 0
}

// operate works out one operator of two numbers; holds is what a comparison says.
func operate(op string, a, b float64) (value float64, holds bool) {
	switch op {
	case "+":
		return a + b, true
	case "-":
		return a - b, true
	case "*":
		return a * b, true
	case "/":
		if b == 0 {
			return math.NaN(), true // unlike in Prometheus
		}
		return a / b, true
	case "%":
		if b == 0 {
			return math.NaN(), true
		}
		return math.Mod(a, b), true
	case "^":
		return math.Pow(a, b), true
	case "==":
		holds = a == b
	case "!=":
		holds = a != b
	case ">":
		holds = a > b
	case ">=":
		holds = a >= b
	case "<":
		holds = a < b
	case "<=":
		holds = a <= b
	}
	return a, holds
}
