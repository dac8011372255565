package tempoapi

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"obs/sources"
)

// condition tells whether a span fits.
type condition func(*sources.Span) bool

// parse reads the part of TraceQL that obs sends: one set of spans, whose conditions hold
// all, each an equation or a choice of equations in parentheses; durations are also compared
// by <= and >=. No query at all selects every span.
func parse(text string) (condition, error) {
	if text == "" {
		return func(*sources.Span) bool { return true }, nil
	}
	p := &parser{text: text}
	p.want("{")
	fits := p.all()
	p.want("}")
	if p.space(); p.err == nil && p.at < len(p.text) {
		p.unexpected()
	}
	return fits, p.err
}

type parser struct {
	text string
	at   int
	err  error
}

func (p *parser) unexpected() {
	if p.err == nil {
		what := "$end"
		if p.at < len(p.text) {
			what = strconv.Quote(p.text[p.at : p.at+1])
		}
		p.err = fmt.Errorf("invalid TraceQL query: parse error at line 1, col %d: syntax error: unexpected %s", p.at+1, what)
	}
}

func (p *parser) space() {
	for p.at < len(p.text) && p.text[p.at] == ' ' {
		p.at++
	}
}

func (p *parser) accept(token string) bool {
	p.space()
	if p.err != nil || !strings.HasPrefix(p.text[p.at:], token) {
		return false
	}
	p.at += len(token)
	return true
}

func (p *parser) want(token string) {
	if !p.accept(token) {
		p.unexpected()
	}
}

func (p *parser) all() condition {
	fits := p.term()
	for p.accept("&&") {
		first, next := fits, p.term()
		fits = func(s *sources.Span) bool { return first(s) && next(s) }
	}
	return fits
}

func (p *parser) term() condition {
	if !p.accept("(") {
		return p.comparison()
	}
	fits := p.comparison()
	for p.accept("||") {
		first, next := fits, p.comparison()
		fits = func(s *sources.Span) bool { return first(s) || next(s) }
	}
	p.want(")")
	return fits
}

func (p *parser) comparison() condition {
	never := func(*sources.Span) bool { return false }
	field := p.field()
	if p.err != nil {
		return never
	}
	if field == "duration" {
		longer := p.accept(">=")
		if !longer {
			p.want("<=")
		}
		p.space()
		word := p.word("0123456789hmnsu")
		bound, err := time.ParseDuration(word)
		if err != nil {
			p.unexpected()
		}
		return func(s *sources.Span) bool {
			return (longer && s.Duration >= bound) || (!longer && s.Duration <= bound)
		}
	}
	p.want("=")
	p.space()
	if field == "status" || field == "kind" {
		word := p.word("abcdefghijklmnopqrstuvwxyz")
		if word == "" {
			p.unexpected()
		}
		return func(s *sources.Span) bool {
			return (field == "status" && word == string(s.Status)) || (field == "kind" && word == string(s.Kind))
		}
	}
	literal := p.literal()
	if key, ok := strings.CutPrefix(field, "span."); ok {
		return func(s *sources.Span) bool { return holds(s.Attributes, key, literal) }
	}
	if field == "resource.service.name" {
		return func(s *sources.Span) bool { return any(s.Service) == literal }
	}
	if key, ok := strings.CutPrefix(field, "resource."); ok {
		return func(s *sources.Span) bool { return holds(s.Resource, key, literal) }
	}
	if field != "name" {
		p.unexpected()
		return never
	}
	return func(s *sources.Span) bool { return any(s.Operation) == literal }
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."

func (p *parser) word(of string) string {
	start := p.at
	for p.at < len(p.text) && strings.IndexByte(of, p.text[p.at]) >= 0 {
		p.at++
	}
	return p.text[start:p.at]
}

// field reads a name, whose last part may stand in quotes.
func (p *parser) field() string {
	p.space()
	name := p.word(letters)
	if name == "" {
		p.unexpected()
		return ""
	}
	if strings.HasSuffix(name, ".") {
		// Of escapes only two are known there.
		quoted := p.quoted()
		name += strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted)
	}
	return name
}

// quoted reads what stands between quotes, escapes and all.
func (p *parser) quoted() string {
	if p.at >= len(p.text) || p.text[p.at] != '"' {
		p.unexpected()
		return ""
	}
	start := p.at + 1
	for p.at++; p.at < len(p.text) && p.text[p.at] != '"'; p.at++ {
		switch p.text[p.at] {
		case '\\':
			p.at++
		case '\n':
			p.unexpected()
			return ""
		}
	}
	if p.at >= len(p.text) {
		p.unexpected()
		return ""
	}
	p.at++
	return p.text[start : p.at-1]
}

// literal reads a string, bool, int64 or float64.
func (p *parser) literal() any {
	if p.err != nil {
		return nil
	}
	start := p.at
	if start < len(p.text) && p.text[start] == '"' {
		p.quoted()
		text, err := strconv.Unquote(p.text[start:p.at])
		if err != nil {
			p.unexpected()
		}
		return text
	}
	word := p.word("-.0123456789truefalse")
	if n, err := strconv.ParseInt(word, 10, 64); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(word, 64); err == nil {
		return f
	}
	if word != "true" && word != "false" {
		p.unexpected()
	}
	return word == "true"
}

// holds reports whether an attribute equals the literal in type and value. A list does
// where one of its elements does.
func holds(attributes sources.Attributes, key string, literal any) bool {
	for _, a := range attributes {
		if a.Key != key {
			continue
		}
		for _, v := range elements(typed(a)) {
			if v == literal {
				return true
			}
		}
	}
	return false
}
