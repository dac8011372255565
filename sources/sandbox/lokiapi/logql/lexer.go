package logql

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/common/model"
)

type kind int

const (
	endOfText kind = iota
	identifier
	literal // a string
	number
	duration
	byteSize
	rangeSpan // [5m]
	function  // sum, rate, …: only in front of what can follow a function
	keyword
	punctuation
	flag // --strict
	invalid
)

// token is one word of a query. Columns count characters from 1.
type token struct {
	kind      kind
	text      string // as written; lower case for keywords and functions
	value     string // of a literal, unquoted; the message of an invalid token
	number    float64
	span      time.Duration
	line, col int
}

// name is how Loki's errors call the token.
func (t token) name() string {
	switch t.kind {
	case endOfText:
		return "$end"
	case identifier:
		return "IDENTIFIER"
	case literal:
		return "STRING"
	case number:
		return "NUMBER"
	case duration:
		return "DURATION"
	case byteSize:
		return "BYTES"
	case rangeSpan:
		return "RANGE"
	case function:
		return strings.ToUpper(t.text)
	}
	return t.text
}

func (t token) is(text string) bool {
	return (t.kind == keyword || t.kind == punctuation || t.kind == flag || t.kind == function) && t.text == text
}

var keywords = map[string]bool{
	"by": true, "without": true, "and": true, "or": true, "unless": true, "on": true, "ignoring": true,
	"group_left": true, "group_right": true, "bool": true, "offset": true, "unwrap": true, "json": true,
	"logfmt": true, "regexp": true, "pattern": true, "unpack": true, "line_format": true, "label_format": true,
	"drop": true, "keep": true, "decolorize": true,
}

// callable tells whether a word can be a function's name.
func callable(word string) bool {
	switch word {
	case "rate_counter", "approx_topk", "variants", "vector", "label_replace", "sort", "sort_desc", "ip", "duration", "duration_seconds", "bytes":
		return true
	}
	_, overRange := rangeFunctions[word]
	return overRange || vectorFunctions[word]
}

var (
	callFollows = regexp.MustCompile(`^\s*(?:\(|(?i:by|without)\s*\()`)
	flagWord    = regexp.MustCompile(`^--(?:strict|keep-empty)\b`)
	numberWord  = regexp.MustCompile(`^(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?`)
	valueWord   = regexp.MustCompile(`^[0-9.]+[0-9a-zA-Zµ.]*`)
)

var twoCharacters = []string{"!=", "=~", "!~", "==", ">=", "<=", "|=", "|~", "|>", "!>"}

type lexer struct {
	rest      string
	line, col int
	tokens    []token
}

// lex cuts a query into tokens, of which the last is the end or the place where it
// cannot go on.
func lex(text string) []token {
	l := &lexer{rest: text, line: 1, col: 1}
	for {
		l.skip()
		t := l.next()
		l.tokens = append(l.tokens, t)
		if t.kind == endOfText || t.kind == invalid {
			return l.tokens
		}
	}
}

// take moves on by the first n bytes.
func (l *lexer) take(n int) string {
	taken := l.rest[:n]
	l.rest = l.rest[n:]
	if i := strings.LastIndexByte(taken, '\n'); i >= 0 {
		l.line += strings.Count(taken, "\n")
		l.col = 1
		l.col += utf8.RuneCountInString(taken[i+1:])
	} else {
		l.col += utf8.RuneCountInString(taken)
	}
	return taken
}

// skip leaves out blanks and comments.
func (l *lexer) skip() {
	for l.rest != "" {
		blank := len(l.rest) - len(strings.TrimLeft(l.rest, " \t\r\n"))
		if l.rest[0] == '#' {
			blank = strings.IndexByte(l.rest, '\n')
			if blank < 0 {
				blank = len(l.rest)
			}
		}
		if blank == 0 {
			return
		}
		l.take(blank)
	}
}

func (l *lexer) next() token {
	t := token{line: l.line, col: l.col}
	if l.rest == "" {
		return t
	}
	switch c := l.rest[0]; {
	case c == '"' || c == '`':
		return l.literal(t)
	case c == '[':
		return l.rangeSpan(t)
	case c >= '0' && c <= '9', c == '.' && numberWord.MatchString(l.rest):
		return l.number(t)
	}
	if word := flagWord.FindString(l.rest); word != "" {
		t.kind, t.text = flag, l.take(len(word))
		return t
	}
	for _, sign := range twoCharacters {
		if strings.HasPrefix(l.rest, sign) {
			// Loki's own lexer has lost the line by the time it knows these.
			t.kind, t.text, t.line = punctuation, l.take(2), 0
			return t
		}
	}
	if strings.IndexByte("{}(),=<>|+-*/%^.", l.rest[0]) >= 0 {
		t.kind, t.text = punctuation, l.take(1)
		return t
	}
	return l.word(t)
}

func (l *lexer) word(t token) token {
	n := strings.IndexFunc(l.rest, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	switch {
	case n < 0:
		n = len(l.rest)
	case n == 0:
		// Whatever else it is, it cannot stand anywhere.
		_, n = utf8.DecodeRuneInString(l.rest)
	}
	t.kind, t.text = identifier, l.take(n)
	lower := strings.ToLower(t.text)
	switch {
	case keywords[lower]:
		t.kind, t.text = keyword, lower
	case callable(lower) && callFollows.MatchString(l.rest):
		t.kind, t.text = function, lower
	}
	return t
}

func (l *lexer) literal(t token) token {
	quote := l.rest[0]
	for i := 1; i < len(l.rest); i++ {
		switch c := l.rest[i]; {
		case c == quote:
			t.text = l.take(i + 1)
			value, err := strconv.Unquote(t.text)
			if quote == '`' {
				// Unlike Go's, a raw literal keeps its carriage returns.
				value, err = t.text[1:len(t.text)-1], nil
			}
			if err != nil {
				return t.broken("invalid char escape")
			}
			t.kind, t.value = literal, value
			return t
		case c == '\\' && quote == '"':
			i++
		case c == '\n' && quote == '"':
			return t.broken("literal not terminated")
		}
	}
	return t.broken("literal not terminated")
}

func (t token) broken(message string) token {
	t.kind, t.value = invalid, message
	return t
}

func (l *lexer) rangeSpan(t token) token {
	t.line = 0
	end := strings.IndexByte(l.rest, ']')
	if end < 0 {
		return t.broken("missing closing ']' in duration")
	}
	text := l.take(end + 1)
	span, err := model.ParseDuration(text[1:end])
	if err != nil {
		return t.broken(err.Error())
	}
	t.kind, t.text, t.span = rangeSpan, text, time.Duration(span)
	return t
}

// number reads a number, a duration or an amount of bytes. Where letters behind a
// number are no unit, they are a word of their own.
func (l *lexer) number(t token) token {
	plain := numberWord.FindString(l.rest)
	if word := valueWord.FindString(l.rest); len(word) > len(plain) {
		if span, ok := parseSpan(word); ok {
			t.kind, t.text, t.span, t.line = duration, l.take(len(word)), span, 0
			return t
		}
		if amount, ok := byteLiteral(word); ok {
			t.kind, t.text, t.number, t.line = byteSize, l.take(len(word)), amount, 0
			return t
		}
	}
	t.kind, t.text = number, l.take(len(plain))
	t.number, _ = strconv.ParseFloat(t.text, 64)
	return t
}

// parseSpan reads 1h30m as Go does, and 1d, 1w and 1y as Prometheus does.
func parseSpan(text string) (time.Duration, bool) {
	if d, err := time.ParseDuration(text); err == nil {
		return d, true
	}
	d, err := model.ParseDuration(text)
	return time.Duration(d), err == nil
}

var byteUnits = map[string]float64{
	"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15, "EB": 1e18,
	"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40, "PIB": 1 << 50, "EIB": 1 << 60,
	"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
	"KI": 1 << 10, "MI": 1 << 20, "GI": 1 << 30, "TI": 1 << 40, "PI": 1 << 50, "EI": 1 << 60,
}

var literalUnit = regexp.MustCompile(`^(?:B|kB|[KMGTPE]i?B?)$`)

func byteLiteral(text string) (float64, bool) {
	plain := numberWord.FindString(text)
	n, err := strconv.ParseFloat(plain, 64)
	unit := text[len(plain):]
	return n * byteUnits[strings.ToUpper(unit)], err == nil && literalUnit.MatchString(unit)
}
