package logql

// overRange reads a function of a span of time: f({…} | … [5m] offset 1m) by (a).
func (p *parser) overRange() (Expr, error) {
	r := &rangeExpr{function: p.next().text}
	p.next() // the parenthesis, or by, which the lexer has seen
	hasParam := false
	if t := p.peek(); t.kind == number || t.is("-") {
		p.next()
		r.param, hasParam = t.number, true
		if t.is("-") {
			value, err := p.expectKind(number, "NUMBER")
			if err != nil {
				return nil, err
			}
			r.param = -value.number
		}
		if err := p.expect(","); err != nil {
			return nil, err
		}
	}
	if err := p.rangeBody(r); err != nil {
		return nil, err
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	if err := p.grouping(&r.grouping); err != nil {
		return nil, err
	}
	takes := rangeFunctions[r.function]
	switch {
	case r.function == "quantile_over_time" && !hasParam:
		return nil, parseError("parameter required for operation %s", r.function)
	case r.function != "quantile_over_time" && hasParam:
		return nil, parseError("parameter %v not supported for operation %s", r.param, r.function)
	case r.unwrap != nil && !takes.unwrapped:
		return nil, parseError("invalid aggregation %s with unwrap", r.function)
	case r.unwrap == nil && !takes.lines:
		return nil, parseError("invalid aggregation %s without unwrap", r.function)
	case r.grouping != nil && !takes.grouping:
		return nil, parseError("grouping not allowed for %s aggregation", r.function)
	}
	return r, checkMatchers(r.query)
}

func (p *parser) rangeBody(r *rangeExpr) (err error) {
	open := 0
	for p.peek().is("(") {
		p.next()
		open++
	}
	if !p.peek().is("{") {
		return p.unexpected("NUMBER", "{", "(")
	}
	if r.query, err = p.logQuery(r); err != nil {
		return err
	}
	for ; open > 0; open-- {
		if err := p.expect(")"); err != nil {
			return err
		}
	}
	span := p.peek()
	if span.kind != rangeSpan {
		if r.unwrap != nil && len(r.unwrap.filters) == 0 {
			return p.unexpected("RANGE", "|")
		}
		return p.unexpected()
	}
	p.next()
	r.span = span.span
	if p.accept("offset") {
		past := !p.accept("-")
		offset, err := p.expectKind(duration, "DURATION")
		if err != nil {
			return err
		}
		if r.offset = offset.span; !past {
			r.offset = -r.offset
		}
	}
	// Stages may also stand behind the span.
	return p.pipeline(r.query, r)
}
