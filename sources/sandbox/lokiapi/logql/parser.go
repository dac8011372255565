package logql

import (
	"strings"
)

const (
	// maxText is how long a query may be, as Loki has it.
	maxText = 131072
	// maxDepth bounds how deep expressions may nest, and how long their chains may be.
	maxDepth = 500
)

// Parse reads a query of any kind. Errors are *Error, in Loki's words where it has the same.
func Parse(text string) (Expr, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	e, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if p.peek().kind != endOfText {
		return nil, p.unexpected()
	}
	if query, ok := e.(*LogQuery); ok {
		return e, checkMatchers(query)
	}
	if !selects(e) {
		return nil, errNoMatcher
	}
	return e, nil
}

// ParseSelector reads matchers alone, also none at all.
func ParseSelector(text string) ([]Matcher, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	e, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if p.peek().kind != endOfText {
		return nil, p.unexpected()
	}
	query, ok := e.(*LogQuery)
	if !ok || len(query.stages) > 0 || query.late != nil {
		return nil, badRequest("only label matchers are supported")
	}
	return query.Matchers, nil
}

var errNoMatcher = parseError(`queries require at least one regexp or equality matcher that does not have an empty-compatible value. ` +
	`For instance, app=~".*" does not meet this requirement, but app=~".+" will`)

// checkMatchers refuses what would select every stream there is.
func checkMatchers(q *LogQuery) error {
	for _, m := range q.Matchers {
		if !m.Matches("") {
			return nil
		}
	}
	return errNoMatcher
}

// selects tells whether an aggregation has anything to aggregate. Loki says of
// sum(1) that it lacks a matcher.
func selects(e Expr) bool {
	a, ok := e.(*aggregateExpr)
	if !ok {
		return true
	}
	if _, ok := a.inner.(*scalarExpr); ok {
		return false
	}
	return selects(a.inner)
}

type parser struct {
	tokens []token
	depth  int
}

func newParser(text string) (*parser, error) {
	if len(text) > maxText {
		return nil, parseError("input size too long (%d > %d)", len(text), maxText)
	}
	p := &parser{tokens: lex(text)}
	if p.peek().kind == endOfText {
		return nil, parseError("syntax error: unexpected $end")
	}
	return p, nil
}

func (p *parser) peek() token { return p.tokens[0] }

func (p *parser) next() token {
	t := p.tokens[0]
	if len(p.tokens) > 1 {
		p.tokens = p.tokens[1:]
	}
	return t
}

// accept moves on if the next token is that one.
func (p *parser) accept(text string) bool {
	if !p.peek().is(text) {
		return false
	}
	p.next()
	return true
}

func (p *parser) expect(text string, also ...string) error {
	if !p.accept(text) {
		return p.unexpected(append(also, text)...)
	}
	return nil
}

func (p *parser) expectKind(k kind, expecting ...string) (token, error) {
	if p.peek().kind != k {
		return token{}, p.unexpected(expecting...)
	}
	return p.next(), nil
}

// unexpected refuses the next token. Loki names what it expects where that is little.
func (p *parser) unexpected(expecting ...string) error {
	t := p.peek()
	if t.kind == invalid {
		return syntaxError(t, "%s", t.value)
	}
	if missing[t.text] && (t.kind == function || t.kind == keyword) {
		return syntaxError(t, "not supported by this server: %s", t.text)
	}
	text := "syntax error: unexpected " + t.name()
	if len(expecting) > 0 {
		text += ", expecting " + strings.Join(expecting, " or ")
	}
	return syntaxError(t, "%s", text)
}

// missing are the words of LogQL that this package knows to be some, and nothing more.
var missing = map[string]bool{"ip": true, "unpack": true, "rate_counter": true, "approx_topk": true, "variants": true}

func (p *parser) deeper() error {
	if p.depth++; p.depth > maxDepth {
		return parseError("the expression nests deeper than %d", maxDepth)
	}
	return nil
}

// expression reads operators that bind closer than least.
func (p *parser) expression(least int) (Expr, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	left, err := p.primary()
	if err != nil {
		return nil, err
	}
	for chain := 0; ; chain++ {
		t := p.peek()
		binds := precedence[t.text]
		if binds <= least || (t.kind != punctuation && t.kind != keyword) {
			return left, nil
		}
		if chain > maxDepth {
			return nil, parseError("the expression has more than %d operators in a row", maxDepth)
		}
		p.next()
		b := &binaryExpr{op: t.text, left: left}
		if err := p.modifiers(b); err != nil {
			return nil, err
		}
		if b.op == "^" {
			binds-- // from right to left
		}
		if b.right, err = p.expression(binds); err != nil {
			return nil, err
		}
		if left, err = checkBinary(b); err != nil {
			return nil, err
		}
	}
}

// modifiers reads bool, on, ignoring, group_left and group_right.
func (p *parser) modifiers(b *binaryExpr) (err error) {
	b.returnBool = p.accept("bool")
	if !p.peek().is("on") && !p.peek().is("ignoring") {
		return nil
	}
	b.matching.on = p.next().is("on")
	if b.matching.names, err = p.names(); err != nil {
		return err
	}
	if p.peek().is("group_left") || p.peek().is("group_right") {
		b.matching.many = p.next().text
		if p.peek().is("(") {
			b.matching.include, err = p.names()
		}
	}
	return err
}

// names reads (a, b).
func (p *parser) names() (names []string, err error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if p.accept(")") {
		return nil, nil
	}
	for {
		expecting := []string{"IDENTIFIER"}
		if len(names) == 0 {
			expecting = append(expecting, ")")
		}
		name, err := p.expectKind(identifier, expecting...)
		if err != nil {
			return nil, err
		}
		names = append(names, name.text)
		if p.accept(")") {
			return names, nil
		}
		if err := p.expect(")", ","); err != nil {
			if !p.accept(",") {
				return nil, err
			}
		}
	}
}

func (p *parser) primary() (Expr, error) {
	switch t := p.peek(); {
	case t.kind == number:
		p.next()
		return &scalarExpr{t.number}, nil
	case t.is("+"), t.is("-"):
		p.next()
		value, err := p.expectKind(number, "NUMBER")
		if t.is("-") {
			value.number = -value.number
		}
		return &scalarExpr{value.number}, err
	case t.is("{"):
		return p.logQuery(nil)
	case t.is("("):
		p.next()
		inner, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		return inner, p.close()
	case t.kind == function:
		return p.call()
	}
	return nil, p.unexpected()
}

// argument reads (series).
func (p *parser) argument() (Expr, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	inner, err := p.series()
	if err != nil {
		return nil, err
	}
	return inner, p.close()
}

// close reads the parenthesis behind an expression, where Loki expects so much else that
// it does not say what.
func (p *parser) close() error {
	if !p.accept(")") {
		return p.unexpected()
	}
	return nil
}

// series reads an expression that lines are not enough for.
func (p *parser) series() (Expr, error) {
	e, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if _, lines := e.(*LogQuery); lines {
		return nil, p.unexpected()
	}
	return e, nil
}
