package logql

import (
	"regexp"
	"strconv"
)

func (p *parser) call() (Expr, error) {
	t := p.peek()
	switch {
	case vectorFunctions[t.text]:
		return p.aggregate()
	case t.text == "vector":
		return p.vector()
	case t.text == "label_replace":
		return p.labelReplace()
	case t.text == "sort", t.text == "sort_desc":
		p.next()
		inner, err := p.argument()
		return &sortExpr{inner: inner, descending: t.text == "sort_desc"}, err
	}
	if _, ok := rangeFunctions[t.text]; ok {
		return p.overRange()
	}
	return nil, p.unexpected()
}

func (p *parser) vector() (Expr, error) {
	p.next()
	if err := p.expect("("); err != nil {
		return nil, err
	}
	value, err := p.expectKind(number, "NUMBER")
	if err != nil {
		return nil, err
	}
	return &vectorExpr{value.number}, p.expect(")")
}

func (p *parser) labelReplace() (Expr, error) {
	p.next()
	if err := p.expect("("); err != nil {
		return nil, err
	}
	inner, err := p.series()
	if err != nil {
		return nil, err
	}
	var texts [4]string
	for i := range texts {
		if err := p.expect(","); err != nil {
			return nil, err
		}
		t, err := p.expectKind(literal, "STRING")
		if err != nil {
			return nil, err
		}
		texts[i] = t.value
	}
	r := &labelReplaceExpr{inner: inner, target: texts[0], expand: texts[1], source: texts[2]}
	re, err := regexp.Compile("^(?:" + texts[3] + ")$")
	if err != nil {
		return nil, parseError("invalid regex in label_replace: %v", err)
	}
	r.pattern = Matcher{re: re}
	return r, p.expect(")")
}

// aggregate reads sum by (a) (…), sum(…) by (a) and topk(3, …).
func (p *parser) aggregate() (Expr, error) {
	a := &aggregateExpr{function: p.next().text}
	err := p.grouping(&a.grouping)
	if err != nil {
		return nil, err
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	ranked := a.function == "topk" || a.function == "bottomk"
	var param token
	if t := p.peek(); t.kind == number && len(p.tokens) > 1 && p.tokens[1].is(",") {
		param = p.next()
		p.next()
		if !ranked {
			return nil, parseError("unsupported parameter for operation %s(%s,", a.function, param.text)
		}
		if a.param, err = strconv.Atoi(param.text); err != nil {
			return nil, parseError("invalid parameter %s(%s,", a.function, param.text)
		}
		if a.param <= 0 {
			return nil, parseError("invalid parameter (must be greater than 0) %s(%s", a.function, param.text)
		}
	}
	if a.inner, err = p.series(); err != nil {
		return nil, err
	}
	if err := p.close(); err != nil {
		return nil, err
	}
	if ranked && a.param == 0 {
		return nil, parseError("parameter required for operation %s", a.function)
	}
	if a.grouping == nil {
		err = p.grouping(&a.grouping)
	}
	return a, err
}

func (p *parser) grouping(into **Grouping) (err error) {
	if !p.peek().is("by") && !p.peek().is("without") {
		return nil
	}
	g := &Grouping{without: p.next().is("without")}
	g.names, err = p.names()
	*into = g
	return err
}
