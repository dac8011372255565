// Package logql parses and evaluates LogQL, the query language of Loki, over streams that
// somebody else holds (https://grafana.com/docs/loki/latest/query/). It is written from
// that documentation and from what a real Loki 3.7.8 answers, down to the words of its
// refusals.
//
// It is not a language of its own: what of LogQL it does not know it refuses, and so it
// does with what Loki would refuse. It knows nothing of HTTP or of how records are kept.
package logql

import "time"

// Expr is a query: a *LogQuery selects lines, all else is numbers.
type Expr interface{ expr() }

// LogQuery selects streams and sends their lines through stages.
type LogQuery struct {
	Matchers []Matcher
	stages   []stage
	// late is what is wrong with a stage. Loki finds it out when it begins to read, and
	// then does not say so to those who ask for categorized labels.
	late *Error
}

// Scalar is a number.
type scalarExpr struct{ value float64 }

// vectorExpr is a number as a series without labels.
type vectorExpr struct{ value float64 }

// rangeExpr makes a number of the lines of a span of time, for each series.
type rangeExpr struct {
	function string
	param    float64 // of quantile_over_time
	query    *LogQuery
	unwrap   *unwrap
	span     time.Duration
	offset   time.Duration
	grouping *Grouping
}

// Grouping is by (…) or without (…).
type Grouping struct {
	without bool
	names   []string
}

// aggregateExpr makes one series of several.
type aggregateExpr struct {
	function string
	param    int // of topk and bottomk
	grouping *Grouping
	inner    Expr
}

type binaryExpr struct {
	op          string
	left, right Expr
	returnBool  bool
	matching    matching
}

// matching tells which series of two vectors belong together.
type matching struct {
	on      bool // else ignoring
	names   []string
	many    string   // group_left or group_right
	include []string // labels to take from the side that has one
}

type labelReplaceExpr struct {
	inner                  Expr
	target, source, expand string
	pattern                Matcher
}

type sortExpr struct {
	inner      Expr
	descending bool
}

func (*LogQuery) expr()         {}
func (*scalarExpr) expr()       {}
func (*vectorExpr) expr()       {}
func (*rangeExpr) expr()        {}
func (*aggregateExpr) expr()    {}
func (*binaryExpr) expr()       {}
func (*labelReplaceExpr) expr() {}
func (*sortExpr) expr()         {}

// rangeFunction is what a function over a span of time takes.
type rangeFunction struct {
	lines, unwrapped bool // what it can be made of
	grouping         bool // whether by and without may follow
	additive         bool // the sum of it over series is that of their lines together
}

var rangeFunctions = map[string]rangeFunction{
	"count_over_time":    {lines: true, additive: true},
	"rate":               {lines: true, unwrapped: true, additive: true},
	"bytes_over_time":    {lines: true, additive: true},
	"bytes_rate":         {lines: true, additive: true},
	"absent_over_time":   {lines: true, unwrapped: true},
	"sum_over_time":      {unwrapped: true, additive: true},
	"avg_over_time":      {unwrapped: true, grouping: true},
	"min_over_time":      {unwrapped: true, grouping: true},
	"max_over_time":      {unwrapped: true, grouping: true},
	"stddev_over_time":   {unwrapped: true, grouping: true},
	"stdvar_over_time":   {unwrapped: true, grouping: true},
	"quantile_over_time": {unwrapped: true, grouping: true},
	"first_over_time":    {unwrapped: true, grouping: true},
	"last_over_time":     {unwrapped: true, grouping: true},
}

var vectorFunctions = map[string]bool{
	"sum": true, "avg": true, "min": true, "max": true, "count": true, "stddev": true, "stdvar": true,
	"topk": true, "bottomk": true,
}
