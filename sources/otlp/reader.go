// Package otlp decodes traces in OTLP's JSON as an answer arrives, for every backend that
// answers with it, and has what else decoders of traces share: the reading of JSON in a
// stream, and the assembly of spans to traces.
//
// It knows no backend: what stands around the traces, and what a server says in their
// place, is for the backend's own package to read. See
// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.
package otlp

import (
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"obs/sources"
)

// Scanner reads JSON as it arrives. A null counts as its value left out.
type Scanner struct{ in *scanner }

// NewScanner returns a scanner at the beginning of body.
func NewScanner(body io.Reader) *Scanner { return &Scanner{newScanner(body)} }

// Next returns nil where another value stands, and io.EOF where there is none.
func (s *Scanner) Next() error {
	if s.in.decoder.PeekKind() != 0 {
		return nil
	}
	_, err := s.in.decoder.ReadToken() // the end, or no JSON
	return err
}

// Object calls member with the name of each member. It must read the value, and cannot
// use the name any more once it has.
func (s *Scanner) Object(member func(name []byte) error) error { return s.in.object(member) }

// Array calls element for each element, which it must read.
func (s *Scanner) Array(element func() error) error { return s.in.array(element) }

// Text reads a string.
func (s *Scanner) Text() (string, error) { return s.in.text() }

// ID reads a string that is an ID, and does not displace other texts that occur again.
func (s *Scanner) ID() (string, error) { return s.in.id() }

// Digits reads a number with or without quotes around it, and is nil for a null. It can
// be used until the next value is read.
func (s *Scanner) Digits() ([]byte, error) { return s.in.digits() }

// Value reads any value, as it stands. It can be used until the next is read.
func (s *Scanner) Value() (jsontext.Value, error) { return s.in.decoder.ReadValue() }

// Plain is the text of a string in JSON. It can be used until the next is read.
func (s *Scanner) Plain(quoted jsontext.Value) []byte { return s.in.plain(quoted) }

// Shared is the text, in the memory of one that came before where it is the same.
func (s *Scanner) Shared(text []byte) string { return s.in.texts.of(text) }

// Skip reads over a value.
func (s *Scanner) Skip() error { return s.in.skip() }

// End tells what is wrong with an answer that goes on behind its end.
func (s *Scanner) End() error { return s.in.end() }

// IDs is how an answer writes the IDs of traces and spans.
type IDs int

// OTLP wants hexadecimal digits. Protocol buffers write bytes in base64 by themselves, and
// so do servers that leave it to them; an ID's length tells which it is.
const (
	Hex IDs = iota
	HexOrBase64
)

// Reader reads an answer that holds OTLP, and gathers its spans.
type Reader struct {
	*Scanner
	in *otlpReader
}

// NewReader returns a reader at the beginning of body.
func NewReader(body io.Reader, ids IDs) *Reader {
	s := newScanner(body)
	return &Reader{&Scanner{s}, &otlpReader{scanner: s, alone: aloneSpans, base64: ids == HexOrBase64}}
}

// ResourceSpans reads a list of resources with their spans, which in OTLP stands under
// resourceSpans. It can be called for several.
func (r *Reader) ResourceSpans() error { return r.in.array(r.in.resourceSpans) }

// Traces are the spans that were read, by trace, in the order in which traces first
// occur. Resources without any spans are an error: what they hold was not understood.
func (r *Reader) Traces() ([]sources.Trace, error) {
	if r.in.resources > 0 && len(r.in.all.Spans) == 0 {
		return nil, errors.New("the answer holds resources without spans")
	}
	return r.in.all.Traces(), nil
}
