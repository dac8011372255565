package logql

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// logfmtParser makes labels of name=value pairs. Where the line is not of that form, it
// goes on behind the next blank, or gives up where it is strict.
type logfmtParser struct {
	strict, keepEmpty bool
	only              []extraction // all pairs when there are none
}

func (p *logfmtParser) apply(e *entry) bool {
	found := make([]bool, len(p.only))
	for _, x := range p.only {
		if !e.isBase(x.name) {
			e.extract(x.name, "")
		}
	}
	err := eachPair(e.line, p.strict, func(key, value string) {
		if p.only == nil {
			p.pair(e, Identifier(key), value)
			return
		}
		for i, x := range p.only {
			if x.expression == key && !found[i] {
				found[i] = true
				e.extract(x.name, value)
				return
			}
		}
	})
	if err != nil {
		e.fail("LogfmtParserErr", err.Error())
	}
	return true
}

// pair adds a label. Unlike with other parsers, an earlier one without a value gives way.
func (p *logfmtParser) pair(e *entry, name, value string) {
	if name == "" || (value == "" && !p.keepEmpty) {
		return
	}
	if old := e.parsed(e.parsedName(name)); old != nil && old.Value == "" {
		old.Value = value
	} else {
		e.found(name, value)
	}
}

// eachPair calls pair for name=value, name="value" and name alone.
func eachPair(line string, strict bool, pair func(key, value string)) error {
	for i := 0; i < len(line); {
		if line[i] <= ' ' {
			i++
			continue
		}
		start := i
		for i < len(line) && line[i] > ' ' && line[i] != '=' && line[i] != '"' {
			i++
		}
		key, value, problem := line[start:i], "", ""
		switch {
		case i == len(line) || line[i] <= ' ':
		case line[i] == '"' || start == i:
			problem = fmt.Sprintf("unexpected %q", rune(line[i]))
		default:
			i++
			value, i, problem = pairValue(line, i)
		}
		switch {
		case problem == "":
			pair(key, value)
		case strict:
			return fmt.Errorf("logfmt syntax error at pos %d : %s", i+1, problem)
		default:
			for i < len(line) && line[i] > ' ' {
				i++
			}
		}
	}
	return nil
}

// pairValue reads what stands behind the equals sign, from i on.
func pairValue(line string, i int) (value string, next int, problem string) {
	start := i
	if i < len(line) && line[i] == '"' {
		escaped := false
		for i++; i < len(line); i++ {
			switch line[i] {
			case '\\':
				escaped = true
				i++
			case '"':
				value = line[start+1 : i]
				if escaped {
					var plain string
					if json.Unmarshal([]byte(line[start:i+1]), &plain) == nil {
						value = plain
					}
				}
				return value, i + 1, ""
			}
		}
		return "", len(line), "unterminated quoted value"
	}
	for ; i < len(line) && line[i] > ' '; i++ {
		if line[i] == '=' || line[i] == '"' {
			return "", i, fmt.Sprintf("unexpected %q", rune(line[i]))
		}
	}
	return line[start:i], i, ""
}

// regexpParser makes labels of the named groups of a regular expression.
type regexpParser struct{ re *regexp.Regexp }

func newRegexpParser(text string) (stage, error) {
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, parseError("invalid regexp parser: %v", err)
	}
	var names []string
	for _, name := range re.SubexpNames() {
		switch {
		case name == "":
		case slices.Contains(names, name):
			return nil, parseError("invalid regexp parser: duplicate extracted label name '%s'", name)
		default:
			names = append(names, name)
		}
	}
	if names == nil {
		return nil, parseError("invalid regexp parser: at least one named capture must be supplied")
	}
	return &regexpParser{re}, nil
}

func (p *regexpParser) apply(e *entry) bool {
	groups := p.re.FindStringSubmatch(e.line)
	for i, name := range p.re.SubexpNames() {
		if groups != nil && name != "" {
			e.found(name, groups[i])
		}
	}
	return true
}

// pattern is texts with gaps between them, of which some have names.
type pattern struct {
	parts []patternPart
}

type patternPart struct {
	text string // or the name of a gap
	gap  bool
}

var gapWord = regexp.MustCompile(`<([a-zA-Z_][a-zA-Z0-9_]*)>`)

func readPattern(text string) (p pattern, err error) {
	rest := text
	for rest != "" {
		place := gapWord.FindStringSubmatchIndex(rest)
		if place == nil {
			p.parts = append(p.parts, patternPart{text: rest})
			break
		}
		if place[0] > 0 {
			p.parts = append(p.parts, patternPart{text: rest[:place[0]]})
		}
		p.parts = append(p.parts, patternPart{text: rest[place[2]:place[3]], gap: true})
		rest = rest[place[1]:]
	}
	for i, part := range p.parts {
		if i > 0 && part.gap && p.parts[i-1].gap {
			return p, fmt.Errorf("found consecutive capture '<%s><%s>': invalid expression", p.parts[i-1].text, part.text)
		}
	}
	return p, nil
}

// patternParser makes labels of a pattern's named gaps. A gap ends where the text behind
// it begins, or takes all the rest.
type patternParser struct{ pattern pattern }

func newPatternParser(text string) (stage, error) {
	fail := func(err error) (stage, error) { return nil, parseError("invalid pattern parser: %v", err) }
	if text == "" {
		return fail(errors.New("parse error at line 1, col 1: syntax error: unexpected $end, expecting IDENTIFIER or LITERAL"))
	}
	p, err := readPattern(text)
	if err != nil {
		return fail(err)
	}
	var names []string
	for _, part := range p.parts {
		if !part.gap || part.text == "_" {
			continue
		}
		if slices.Contains(names, part.text) {
			return fail(fmt.Errorf("duplicate capture name (%s): invalid expression", part.text))
		}
		names = append(names, part.text)
	}
	if names == nil {
		return fail(errors.New("at least one capture is required"))
	}
	return &patternParser{p}, nil
}

func (p *patternParser) apply(e *entry) bool {
	rest := e.line
	parts := p.pattern.parts
	if !parts[0].gap {
		var begins bool
		if rest, begins = strings.CutPrefix(rest, parts[0].text); !begins {
			return true
		}
		parts = parts[1:]
	}
	for len(parts) > 0 && rest != "" {
		// A gap and, unless it is the last, the text behind it.
		name, value, more := parts[0].text, rest, false
		if len(parts) > 1 {
			var after string
			if value, after, more = strings.Cut(rest, parts[1].text); more {
				rest = after
			} else {
				value = rest
			}
		}
		if name != "_" {
			e.found(name, value)
		}
		if !more {
			break
		}
		parts = parts[2:]
	}
	return true
}

// linePattern is a pattern that has to match all of a line; its gaps have no names.
func linePattern(text string) (p pattern, err error) {
	if p, err = readPattern(text); err != nil {
		return p, err
	}
	for _, part := range p.parts {
		if part.gap && part.text != "_" {
			return p, fmt.Errorf("named captures are not allowed: found '<%s>'", part.text)
		}
	}
	return p, nil
}

func (p pattern) matches(line string) bool {
	if len(p.parts) == 0 {
		return false
	}
	open := false // whether a gap stands before what comes next
	for i, part := range p.parts {
		switch {
		case part.gap:
			open = true
			continue
		case i == len(p.parts)-1 && open:
			return strings.HasSuffix(line, part.text)
		case open:
			_, after, found := strings.Cut(line, part.text)
			if !found {
				return false
			}
			line = after
		default:
			after, found := strings.CutPrefix(line, part.text)
			if !found {
				return false
			}
			line = after
		}
		open = false
	}
	return open || line == ""
}
