package otlp

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// scanner reads JSON as it arrives, so that of a large answer only what is made of it
// stands in memory. A null counts as its value left out. What is clear although it is
// wrong, such as a name that is given twice, is let pass.
//
// The decoder beneath bounds how deep values may be nested.
type scanner struct {
	decoder  *jsontext.Decoder // nil where what is read has been checked already
	checked  checked
	texts    interned
	ids      interned
	unquoted []byte
}

func newScanner(body io.Reader) *scanner {
	return &scanner{decoder: jsontext.NewDecoder(body, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
}

// object calls member with the name of each member. It must read the value, and cannot
// use the name any more once it has.
func (s *scanner) object(member func(name []byte) error) error {
	if null, err := s.enter('{'); null || err != nil {
		return err
	}
	if s.decoder == nil {
		for !s.checked.closes() {
			if err := member(s.plain(s.checked.value())); err != nil {
				return err
			}
		}
		return nil
	}
	for s.decoder.PeekKind() != '}' {
		name, err := s.decoder.ReadValue()
		if err != nil {
			return err
		}
		if err := member(s.plain(name)); err != nil {
			return err
		}
	}
	_, err := s.decoder.ReadToken()
	return err
}

// array calls element for each element, which it must read.
func (s *scanner) array(element func() error) error {
	if null, err := s.enter('['); null || err != nil {
		return err
	}
	if s.decoder == nil {
		for !s.checked.closes() {
			if err := element(); err != nil {
				return err
			}
		}
		return nil
	}
	for s.decoder.PeekKind() != ']' {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := s.decoder.ReadToken()
	return err
}

// enter reads what begins an object or an array, or a null in its place.
func (s *scanner) enter(kind jsontext.Kind) (null bool, err error) {
	if s.decoder == nil {
		switch got := s.checked.kind(); got {
		case kind:
			s.checked.at++
			return false, nil
		case 'n':
			s.checked.value()
			return true, nil
		default:
			return false, s.misplaced(got)
		}
	}
	token, err := s.decoder.ReadToken()
	if err != nil {
		return false, err
	}
	if got := token.Kind(); got != kind && got != 'n' {
		return false, s.misplaced(got)
	}
	return token.Kind() == 'n', nil
}

// scalar reads a value that is of one of the kinds; it is nil for a null. It can be
// used until the next is read.
func (s *scanner) scalar(kinds string) (jsontext.Value, error) {
	next := s.checked.kind
	if s.decoder != nil {
		next = s.decoder.PeekKind
	}
	switch kind := next(); kind {
	case '{', '[': // which may be large
		return nil, s.misplaced(kind)
	}
	value, err := s.value()
	switch {
	case err != nil:
		return nil, err
	case value.Kind() == 'n':
		return nil, nil
	case strings.IndexByte(kinds, byte(value.Kind())) < 0:
		return nil, s.misplaced(value.Kind())
	}
	return value, nil
}

// value reads any value, as it stands.
func (s *scanner) value() (jsontext.Value, error) {
	if s.decoder == nil {
		return s.checked.value(), nil
	}
	return s.decoder.ReadValue()
}

// where names the place in the answer that was read last.
func (s *scanner) where() string {
	if s.decoder == nil {
		return "a span"
	}
	return string(s.decoder.StackPointer())
}

func (s *scanner) misplaced(kind jsontext.Kind) error {
	return fmt.Errorf("%s of the answer is of another kind than expected: %s", s.where(), kind)
}

func (s *scanner) skip() error {
	if s.decoder == nil {
		s.checked.value()
		return nil
	}
	return s.decoder.SkipValue()
}

// text reads a string.
func (s *scanner) text() (string, error) {
	value, err := s.scalar(`"`)
	if value == nil {
		return "", err
	}
	return s.texts.of(s.plain(value)), nil
}

// id reads a string that is an ID.
func (s *scanner) id() (string, error) {
	value, err := s.scalar(`"`)
	if value == nil {
		return "", err
	}
	return s.ids.of(s.plain(value)), nil
}

// digits reads a number with or without quotes around it, and is nil for a null. It can
// be used until the next value is read.
func (s *scanner) digits() ([]byte, error) {
	value, err := s.scalar(`0"`)
	if value.Kind() != '"' {
		return value, err
	}
	number := jsontext.Value(s.plain(value))
	if !isDecimal(number) && (number.Kind() != '0' || !number.IsValid()) {
		return nil, fmt.Errorf("%s of the answer is no number", s.where())
	}
	return number, nil
}

// isDecimal tells a number of nothing but digits, as nearly all in quotes are.
func isDecimal(text []byte) bool {
	if len(text) == 0 || (text[0] == '0' && len(text) > 1) {
		return false
	}
	for _, d := range text {
		if d < '0' || d > '9' {
			return false
		}
	}
	return true
}

// whole reads a number without sign and fraction, 0 for a null.
func (s *scanner) whole() (uint64, error) {
	digits, err := s.digits()
	if digits == nil {
		return 0, err
	}
	return strconv.ParseUint(string(digits), 10, 64)
}

// end tells what is wrong with an answer that goes on behind its end.
func (s *scanner) end() error {
	switch _, err := s.decoder.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return errors.New("the answer goes on behind its end")
}

// plain is the text of a string in JSON. It can be used until the next is read.
func (s *scanner) plain(quoted jsontext.Value) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 && utf8.Valid(quoted) {
		return quoted[1 : len(quoted)-1]
	}
	// An error only tells that characters were replaced, for the decoder has read it.
	s.unquoted, _ = jsontext.AppendUnquote(s.unquoted[:0], quoted)
	return s.unquoted
}

// interned gives texts that occur again the same memory. A text has two places, found by its
// hash, of which a newcomer takes the one that was used longer ago: most texts of an answer are
// few names and values, and those that are not must not pile up here. With one place, two names
// of every span that share it would drive each other out thousands of times.
type interned struct {
	seed  maphash.Seed
	known [][2]string // the one used last first
}

// internedTexts is some times as many as even a large system's traces have names of
// operations and keys; its places take 64 KiB.
const internedTexts = 4096

func (i *interned) of(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	if i.known == nil {
		i.seed, i.known = maphash.MakeSeed(), make([][2]string, internedTexts/2)
	}
	places := &i.known[maphash.Bytes(i.seed, text)%(internedTexts/2)]
	if places[0] == string(text) {
		return places[0]
	}
	if places[1] != string(text) {
		places[1] = string(text)
	}
	places[0], places[1] = places[1], places[0]
	return places[0]
}
