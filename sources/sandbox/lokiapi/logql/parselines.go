package logql

// logQuery reads a selector and its stages. Those of a metric query, which has a
// rangeExpr, may go on with unwrap.
func (p *parser) logQuery(metric *rangeExpr) (*LogQuery, error) {
	matchers, err := p.selector()
	if err != nil {
		return nil, err
	}
	q := &LogQuery{Matchers: matchers}
	return q, p.pipeline(q, metric)
}

func (p *parser) selector() (matchers []Matcher, err error) {
	p.next()
	if p.accept("}") {
		return nil, nil
	}
	for {
		expecting := []string{"IDENTIFIER"}
		if matchers == nil {
			expecting = append(expecting, "}")
		}
		name, err := p.expectKind(identifier, expecting...)
		if err != nil {
			return nil, err
		}
		op := p.peek()
		if !op.is(equal) && !op.is(notEqual) && !op.is(matchRegexp) && !op.is(notMatch) {
			return nil, p.unexpected("=", "=~", "!~", "!=")
		}
		p.next()
		value, err := p.expectKind(literal, "STRING")
		if err != nil {
			return nil, err
		}
		m, err := newSelector(name.text, op.text, value.value)
		if err != nil {
			return nil, err
		}
		matchers = append(matchers, m)
		if p.accept("}") {
			return matchers, nil
		}
		if !p.accept(",") {
			return nil, p.unexpected("}", ",")
		}
	}
}

// pipeline reads stages for as long as there are any.
func (p *parser) pipeline(q *LogQuery, metric *rangeExpr) error {
	for {
		t := p.peek()
		var s stage
		var err error
		switch {
		case metric != nil && metric.unwrap != nil:
			if !p.accept("|") {
				return nil
			}
			if t := p.peek(); t.kind != identifier && !t.is("(") {
				return p.unexpected("IDENTIFIER", "(")
			}
			s, err = p.labelFilter()
			metric.unwrap.filters = append(metric.unwrap.filters, s)
			s = nil
		case t.kind == punctuation && lineOperators[t.text]:
			s, err = p.lineFilter(q)
		case t.is("|"):
			p.next()
			if metric != nil && p.peek().is("unwrap") {
				metric.unwrap, err = p.unwrap()
			} else {
				s, err = p.stage(q)
			}
		default:
			return nil
		}
		if err != nil {
			return err
		}
		if s != nil {
			q.stages = append(q.stages, s)
		}
	}
}

// fault notes what is wrong with a stage, for when the query is run.
func (q *LogQuery) fault(text string, err error) {
	if q.late == nil && err != nil {
		q.late = parseError("stage '%s' : %v", text, err)
	}
}

var lineOperators = map[string]bool{"|=": true, "!=": true, "|~": true, "!~": true, "|>": true, "!>": true}

// lineFilter reads |= "a" or "b".
func (p *parser) lineFilter(q *LogQuery) (stage, error) {
	f := &lineFilter{op: p.next().text}
	for {
		t, err := p.expectKind(literal, "STRING", "ip")
		if err != nil {
			return nil, err
		}
		if err := f.add(t.value); err != nil {
			q.fault(f.op+" "+quoted(t.value), err)
		}
		if !p.accept("or") {
			return f, nil
		}
	}
}

func (p *parser) stage(q *LogQuery) (stage, error) {
	t := p.peek()
	switch {
	case t.kind == identifier, t.is("("):
		return p.labelFilter()
	case t.kind == function:
		return nil, p.unexpected()
	case t.is("json"):
		return p.jsonStage(q)
	case t.is("logfmt"):
		return p.logfmtStage()
	case t.is("decolorize"):
		p.next()
		return decolorize{}, nil
	case t.is("pattern"), t.is("regexp"), t.is("line_format"):
		p.next()
		text, err := p.expectKind(literal, "STRING")
		if err != nil {
			return nil, err
		}
		switch t.text {
		case "pattern":
			return newPatternParser(text.value)
		case "regexp":
			return newRegexpParser(text.value)
		}
		s, err := newLineFormat(text.value)
		if err != nil {
			q.fault("| line_format "+quoted(text.value), err)
		}
		return s, nil
	case t.is("label_format"):
		return p.labelFormat(q)
	case t.is("drop"), t.is("keep"):
		return p.dropOrKeep()
	}
	return nil, p.unexpected()
}

// extraction is name or name="expression" behind a parser.
type extraction struct{ name, expression string }

func (p *parser) extractions() (list []extraction, err error) {
	if p.peek().kind != identifier {
		return nil, nil
	}
	for {
		name, err := p.expectKind(identifier, "IDENTIFIER")
		if err != nil {
			return nil, err
		}
		x := extraction{name.text, name.text}
		if p.accept("=") {
			text, err := p.expectKind(literal, "STRING")
			if err != nil {
				return nil, err
			}
			x.expression = text.value
		}
		list = append(list, x)
		if !p.accept(",") {
			return list, nil
		}
	}
}

func (p *parser) jsonStage(q *LogQuery) (stage, error) {
	p.next()
	list, err := p.extractions()
	if err != nil || list == nil {
		return &jsonParser{}, err
	}
	s := &jsonExtractor{}
	for _, x := range list {
		path, err := parsePath(x.expression)
		if err != nil {
			q.fault("| json "+x.name+"="+quoted(x.expression), err)
		}
		s.names, s.paths = append(s.names, x.name), append(s.paths, path)
	}
	return s, nil
}

func (p *parser) logfmtStage() (stage, error) {
	p.next()
	var strict, keepEmpty bool
	for p.peek().kind == flag {
		switch p.next().text {
		case "--strict":
			strict = true
		default:
			keepEmpty = true
		}
	}
	list, err := p.extractions()
	return &logfmtParser{strict: strict, keepEmpty: keepEmpty, only: list}, err
}
