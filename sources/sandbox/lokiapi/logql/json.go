package logql

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	jsonError  = "JSONParserErr"
	notObject  = "Value looks like object, but can't find closing '}' symbol"
	brokenJSON = "Malformed JSON error"
	// maxNesting bounds how deep objects in lines are read.
	maxNesting = 64
)

// jsonParser makes a label of each value in the line's object, however deep: a_b for
// {"a":{"b":1}}. Lists and nulls are left out. It reads as far as the object is sound,
// and does not mind what follows it.
type jsonParser struct{}

func (*jsonParser) apply(e *entry) bool {
	s := scanner{text: e.line}
	s.blank()
	if !s.at('{') {
		e.fail(jsonError, notObject)
		return true
	}
	if !s.members("", 0, nil, func(name, value string, _ []string) {
		if name != "" {
			e.found(name, value)
		}
	}) {
		e.fail(jsonError, brokenJSON)
	}
	return true
}

// scanner walks through JSON without building anything of it.
type scanner struct {
	text  string
	pos   int
	paths bool // whether members tells them
}

func (s *scanner) blank() {
	for s.pos < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.pos]) >= 0 {
		s.pos++
	}
}

func (s *scanner) at(c byte) bool { return s.pos < len(s.text) && s.text[s.pos] == c }

// object calls member at the value of each member of the object that begins here, which
// has to move on behind it. It tells whether the object is sound.
func (s *scanner) object(member func(key string) bool) bool {
	for s.pos++; ; {
		s.blank()
		switch {
		case s.at('}'):
			s.pos++
			return true
		case !s.at('"'):
			return false
		}
		key, ok := s.str()
		if s.blank(); !ok || !s.at(':') {
			return false
		}
		s.pos++
		if s.blank(); !member(key) {
			return false
		}
		if s.blank(); s.at(',') {
			s.pos++
		} else if !s.at('}') {
			return false
		}
	}
}

// members calls found for each value of the object that begins here, and of those within
// it, with a name made of all the names that lead to it, and these as they are.
func (s *scanner) members(prefix string, depth int, path []string, found func(name, value string, path []string)) bool {
	return s.object(func(key string) bool {
		path := path
		if s.paths {
			path = append(path[:len(path):len(path)], key)
		}
		name := Identifier(key)
		if prefix != "" {
			name = prefix + "_" + underscored(key)
		}
		switch {
		case s.at('{') && depth < maxNesting:
			return s.members(name, depth+1, path, found)
		case s.at('"'):
			value, ok := s.str()
			if ok {
				found(name, value, path)
			}
			return ok
		}
		raw, ok := s.value()
		if ok && raw != "null" && raw[0] != '[' && raw[0] != '{' {
			found(name, raw, path)
		}
		return ok
	})
}

// str reads the string that begins here.
func (s *scanner) str() (text string, ok bool) {
	start, escaped := s.pos, false
	for s.pos++; s.pos < len(s.text); s.pos++ {
		switch s.text[s.pos] {
		case '\\':
			escaped = true
			s.pos++
		case '"':
			s.pos++
			text = s.text[start+1 : s.pos-1]
			if escaped {
				var plain string
				if json.Unmarshal([]byte(s.text[start:s.pos]), &plain) == nil {
					text = plain
				}
			}
			return text, true
		}
	}
	return "", false
}

// value reads over whatever begins here and returns it as written.
func (s *scanner) value() (raw string, ok bool) {
	start, depth := s.pos, 0
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; c {
		case '"':
			if _, ok := s.str(); !ok {
				return "", false
			}
		case '{', '[':
			depth++
			s.pos++
		case '}', ']':
			if depth == 0 {
				return s.text[start:s.pos], s.pos > start
			}
			depth--
			s.pos++
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return s.text[start:s.pos], s.pos > start
			}
			s.pos++
		default:
			s.pos++
			continue
		}
		if depth == 0 {
			return s.text[start:s.pos], true
		}
	}
	return s.text[start:], depth == 0 && s.pos > start
}

// step of a path: a member's name or, where isIndex, a place in a list.
type step struct {
	name    string
	index   int
	isIndex bool
}

// parsePath reads a.b[0]["c d"].
func parsePath(text string) (path []step, err error) {
	fail := func(problem string) ([]step, error) {
		return nil, fmt.Errorf("cannot parse expression [%s]: %s", text, problem)
	}
	rest := text
	for rest != "" {
		if rest[0] != '[' {
			n := 0
			for n < len(rest) && isNameByte(rest[n], n == 0) {
				n++
			}
			if n == 0 {
				return fail(fmt.Sprintf("syntax error: unexpected %q", rest[0]))
			}
			path = append(path, step{name: rest[:n]})
			rest = rest[n:]
		} else {
			inside, after, closed := strings.Cut(rest[1:], "]")
			if strings.HasPrefix(inside, `"`) {
				// The name may have a bracket of its own.
				quotedName, err := strconv.QuotedPrefix(rest[1:])
				if err != nil {
					return fail("syntax error: unexpected $end, expecting STRING or INDEX")
				}
				inside = quotedName
				after, closed = strings.CutPrefix(rest[1+len(quotedName):], "]")
			}
			if inside == "" && !closed {
				return fail("syntax error: unexpected $end, expecting STRING or INDEX")
			}
			if !closed {
				return fail("syntax error: unexpected $end, expecting ]")
			}
			if name, err := strconv.Unquote(inside); err == nil {
				path = append(path, step{name: name})
			} else if index, err := strconv.Atoi(inside); err == nil && index >= 0 {
				path = append(path, step{index: index, isIndex: true})
			} else {
				return fail("syntax error: unexpected FIELD, expecting STRING or INDEX")
			}
			rest = after
		}
		if strings.HasPrefix(rest, ".") {
			if rest = rest[1:]; rest == "" {
				return fail("syntax error: unexpected $end, expecting FIELD")
			}
		} else if rest != "" && rest[0] != '[' {
			return fail(fmt.Sprintf("syntax error: unexpected %q", rest[0]))
		}
	}
	if path == nil {
		return fail("syntax error: unexpected $end, expecting FIELD or [")
	}
	return path, nil
}

// jsonExtractor makes labels of some values of the line's JSON, as text or as JSON.
type jsonExtractor struct {
	names []string
	paths [][]step
}

func (x *jsonExtractor) apply(e *entry) bool {
	if e.line == "" {
		return true
	}
	if strings.IndexByte(`{["`, e.line[0]) < 0 {
		e.fail(jsonError, "")
		return true
	}
	if s := (scanner{text: e.line}); s.at('"') {
		_, _ = s.str()
		if s.blank(); s.at(':') {
			e.fail(jsonError, brokenJSON)
		}
	}
	for i, name := range x.names {
		s := scanner{text: e.line}
		if value, err := s.follow(x.paths[i]); err == nil {
			e.extract(name, value)
		} else if !e.isBase(name) {
			e.found(name, "")
		}
	}
	return true
}

var errNotThere = errors.New("not there")

// follow reads what stands at the path from here on.
func (s *scanner) follow(path []step) (string, error) {
	s.blank()
	if len(path) == 0 {
		if s.at('"') {
			if value, ok := s.str(); ok {
				return value, nil
			}
			return "", errNotThere
		}
		if raw, ok := s.value(); ok && raw != "null" {
			return raw, nil
		}
		return "", errNotThere
	}
	value, err := "", errNotThere
	switch here := path[0]; {
	case !here.isIndex && s.at('{'):
		s.object(func(key string) bool {
			if key == here.name {
				value, err = s.follow(path[1:])
				return false
			}
			_, ok := s.value()
			return ok
		})
	case here.isIndex && s.at('['):
		s.pos++
		for i := 0; ; i++ {
			if s.blank(); i == here.index {
				return s.follow(path[1:])
			}
			if _, ok := s.value(); !ok {
				return "", errNotThere
			}
			if s.blank(); !s.at(',') {
				return "", errNotThere
			}
			s.pos++
		}
	}
	return value, err
}
