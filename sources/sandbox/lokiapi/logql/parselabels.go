package logql

import "strings"

func (p *parser) labelFormat(q *LogQuery) (stage, error) {
	p.next()
	s := &labelFormat{}
	var text []string
	var fault error
	for {
		name, err := p.expectKind(identifier, "IDENTIFIER")
		if err != nil {
			return nil, err
		}
		if err := p.expect("="); err != nil {
			return nil, err
		}
		value := p.peek()
		switch value.kind {
		case identifier:
			text = append(text, name.text+"="+value.text)
			err = s.add(name.text, value.text, false)
		case literal:
			text = append(text, name.text+"="+quoted(value.value))
			err = s.add(name.text, value.value, true)
		default:
			return nil, p.unexpected("IDENTIFIER", "STRING")
		}
		if fault == nil {
			fault = err
		}
		p.next()
		if !p.accept(",") {
			q.fault("| label_format "+strings.Join(text, ","), fault)
			return s, nil
		}
	}
}

// dropOrKeep reads drop a, b="c".
func (p *parser) dropOrKeep() (stage, error) {
	s := &selectLabels{keep: p.next().is("keep")}
	for {
		name, err := p.expectKind(identifier, "IDENTIFIER")
		if err != nil {
			return nil, err
		}
		m := Matcher{Name: name.text}
		if op := p.peek(); op.is(equal) || op.is(notEqual) || op.is(matchRegexp) || op.is(notMatch) {
			p.next()
			value, err := p.expectKind(literal, "STRING")
			if err != nil {
				return nil, err
			}
			if m, err = newMatcher(name.text, op.text, value.value); err != nil {
				return nil, err
			}
		}
		s.matchers = append(s.matchers, m)
		if !p.accept(",") {
			return s, nil
		}
	}
}

// labelFilter reads conditions, of which and binds closer than or. A comma is and, and
// so is nothing at all.
func (p *parser) labelFilter() (labelFilter, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	var alternatives anyOf
	for {
		var every allOf
		for {
			f, err := p.condition()
			if err != nil {
				return nil, err
			}
			every = append(every, f)
			if p.accept("and") || p.accept(",") {
				if t := p.peek(); t.kind != identifier && !t.is("(") {
					return nil, p.unexpected("IDENTIFIER", "(")
				}
				continue
			}
			if t := p.peek(); t.kind != identifier && !t.is("(") {
				break
			}
		}
		alternatives = append(alternatives, every)
		if !p.accept("or") {
			return alternatives, nil
		}
		if t := p.peek(); t.kind != identifier && !t.is("(") {
			return nil, p.unexpected("IDENTIFIER", "(")
		}
	}
}

var numericOperators = map[string]bool{"=": true, "==": true, "!=": true, ">": true, ">=": true, "<": true, "<=": true}

func (p *parser) condition() (labelFilter, error) {
	if p.accept("(") {
		f, err := p.labelFilter()
		if err != nil {
			return nil, err
		}
		return f, p.close()
	}
	name, op := p.next(), p.peek()
	if op.is(matchRegexp) || op.is(notMatch) {
		p.next()
		value, err := p.expectKind(literal, "STRING")
		if err != nil {
			return nil, err
		}
		m, err := newMatcher(name.text, op.text, value.value)
		return textFilter{m}, err
	}
	if !numericOperators[op.text] || op.kind != punctuation {
		return nil, p.unexpected()
	}
	p.next()
	sign := 1.0
	if p.peek().is("-") {
		p.next()
		sign = -1
	}
	switch value := p.peek(); {
	case value.kind == literal && sign > 0 && (op.is(equal) || op.is(notEqual)):
		p.next()
		m, err := newMatcher(name.text, op.text, value.value)
		return textFilter{m}, err
	case value.kind == number:
		p.next()
		return numberFilter{name.text, op.text, sign * value.number, labelNumber}, nil
	case value.kind == duration:
		p.next()
		return numberFilter{name.text, op.text, sign * value.span.Seconds(), labelSeconds}, nil
	case value.kind == byteSize:
		p.next()
		return numberFilter{name.text, op.text, sign * value.number, labelBytes}, nil
	}
	return nil, p.unexpected()
}

// unwrap reads unwrap x and unwrap duration(x).
func (p *parser) unwrap() (*unwrap, error) {
	p.next()
	u := &unwrap{convert: labelNumber}
	if t := p.peek(); t.kind == function {
		switch t.text {
		case "duration", "duration_seconds":
			u.convert = labelSeconds
		case "bytes":
			u.convert = labelBytes
		default:
			return nil, p.unexpected()
		}
		p.next()
		p.next() // the parenthesis, which the lexer has seen
		name, err := p.expectKind(identifier, "IDENTIFIER")
		u.name = name.text
		if err == nil {
			err = p.expect(")")
		}
		return u, err
	}
	name, err := p.expectKind(identifier)
	u.name = name.text
	return u, err
}
