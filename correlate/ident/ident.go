// Package ident finds and normalises the IDs by which requests are followed: in what a
// person pastes, and in what a log record says about itself.
//
// It is text in, IDs out; where an ID is looked up is decided in correlate.
package ident

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"obs/sources"
)

const (
	// MaxText bounds the text that is read, in bytes: Loki's default limit on one line.
	MaxText = 256 << 10
	// maxLength bounds what is taken for one ID. The longest in use, an AWS extended
	// request ID, has 76 characters.
	maxLength = 256
	// maxCandidates bounds what one text is taken for: each may cost a search.
	maxCandidates = 8
)

// Accepted says what Read takes, for the hint beside its errors.
const Accepted = "give a trace ID (up to 32 hexadecimal digits), a request ID, a tracing header such as traceparent, " +
	"b3 or uber-trace-id, a link to a trace in Jaeger or Grafana, or a log line or curl output that holds one of them"

// Errors of Read. Their texts never repeat what was given, which may hold credentials.
var (
	ErrEmpty = errors.New("no ID was given")
	ErrNotID = errors.New("not an ID")
)

// Kind is what an ID names.
type Kind string

// The kinds of IDs.
const (
	Trace   Kind = "trace"
	Request Kind = "request"
	Span    Kind = "span"
)

// Sampling is what an ID's surroundings say of its trace: one that was not sampled is
// stored nowhere.
type Sampling string

// What is known of the sampling; Unsaid where nothing tells it.
const (
	Unsaid     Sampling = ""
	Sampled    Sampling = "sampled"
	NotSampled Sampling = "not sampled"
)

// Candidate is one ID that a text may mean.
type Candidate struct {
	Kind Kind
	// Trace is set where Kind is Trace.
	Trace sources.TraceID
	// Span is the ID itself where Kind is Span; of a trace, the span that the text names.
	Span sources.SpanID
	// Request is set where Kind is Request. It stands in the text just so.
	Request string
	// Sampled is what the text says of the trace.
	Sampled Sampling
	// When is the time that the ID carries in itself, or else its log line's; zero when
	// neither tells it.
	When time.Time
	// Field is the name that the ID stood under; empty for one that stood alone.
	Field string
	// Reading says all this in words. It is printable.
	Reading string

	form string // the notation, in words
	made bool   // When is the ID's own
}

// ID is what a text was taken for.
type ID struct {
	// Trace is the likeliest trace ID; empty where the text has none.
	Trace sources.TraceID
	// Request is the likeliest request ID; empty where the text has none.
	Request string
	// Reading says in words what the text was taken for.
	Reading string
	// Text is the text where it is a single word, and else the ID that was found in it:
	// a transcript or a link may hold credentials, and is not to be shown again.
	Text string
	// Candidates are all IDs that the text may mean, likeliest first; at least one.
	Candidates []Candidate
}

// Read finds the IDs in whatever a person pasted: an ID in any notation, a tracing
// header, a link, log lines, or the output of curl. Where a text has several, a field
// that names a trace ID wins, then a propagation header, then a field that names a
// request ID, then what only looks like an ID; IDs of something else (a parent, a
// session, an order) count where there is nothing better.
func Read(text string) (ID, error) { return ReadNamed(text, nil, nil) }

// ReadNamed is Read for a team whose records carry trace and request IDs under names of its
// own too. Each of those wins over what else the whole name would say, except a credential.
func ReadNamed(text string, traceFields, requestFields []string) (ID, error) {
	if len(text) > MaxText {
		return ID{}, fmt.Errorf("%w: the text has more than %d KB", ErrNotID, MaxText>>10)
	}
	text = strip(clean(text))
	if text == "" {
		return ID{}, ErrEmpty
	}
	r := &reader{text: text, own: ownRoles(traceFields, requestFields)}
	if !strings.ContainsAny(text, " \n") {
		r.word(text)
	} else {
		r.lines(text)
	}
	candidates := r.candidates()
	if len(candidates) == 0 {
		return ID{}, fmt.Errorf("%w: %s", ErrNotID, r.why())
	}
	id := ID{Candidates: candidates, Reading: reading(candidates), Text: candidates[0].id()}
	if r.plain {
		id.Text = text
	}
	for _, c := range slices.Backward(candidates) {
		switch c.Kind {
		case Trace:
			id.Trace = c.Trace
		case Request:
			id.Request = c.Request
		}
	}
	return id, nil
}

// TraceIn is the trace that a log line names as its own: under a name that says so, in a
// propagation header, or in a notation of its own, such as Spring Cloud Sleuth's. What only
// looks like an ID is none.
func TraceIn(line string) (id sources.TraceID, ok bool) {
	if len(line) > MaxText {
		return "", false
	}
	r := &reader{text: strip(clean(line))}
	r.lines(r.text)
	slices.SortStableFunc(r.found, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	for _, found := range r.found {
		if found.Kind == Trace && found.rank <= ofHeader {
			return found.Trace, true
		}
	}
	return "", false
}

// word reads a text of one word: what has a notation of its own first, since almost
// any word may be a request ID.
func (r *reader) word(text string) {
	c, isHeader := propagated(text)
	switch {
	case isHeader:
		r.plain = true
		r.add(ofHeader, c)
		return
	case broken(text) != "":
		r.note(broken(text))
		return
	case isCredential(text):
		r.note("it looks like a credential, and those are not looked up")
		return
	case isLink(text):
		r.readLink(text)
		r.end()
		return
	}
	r.lines(text)
	if best := r.best(); best <= ofRequestField || best == ofSpanField || r.noted() || isJSON(text) {
		return
	}
	r.found = nil
	switch {
	case len(text) > maxLength:
		r.note(fmt.Sprintf("it is longer than any ID (%d characters)", maxLength))
	case strings.Trim(text, "0-") == "":
		r.note("an ID of zeros names nothing")
	default:
		r.plain = true
		for _, c := range shapes(text) {
			r.add(ofShape, c)
		}
	}
}

// id is the ID as text.
func (c *Candidate) id() string {
	switch c.Kind {
	case Trace:
		return string(c.Trace)
	case Span:
		return string(c.Span)
	}
	return c.Request
}

// words are the candidate in words: its ID, and in parentheses where that comes from.
func (c *Candidate) words() string {
	var about []string
	for _, part := range []string{c.form, spanWords(c), string(c.Sampled), madeWords(c)} {
		if part != "" {
			about = append(about, part)
		}
	}
	if c.Field != "" {
		about = append(about, "field "+sources.Shorten(sources.Printable(c.Field), 40))
	}
	text := string(c.Kind) + " ID " + sources.Printable(c.id())
	if len(about) > 0 {
		text += " (" + strings.Join(about, ", ") + ")"
	}
	return text
}

func spanWords(c *Candidate) string {
	if c.Kind != Trace || c.Span == "" {
		return ""
	}
	return "span " + string(c.Span)
}

func madeWords(c *Candidate) string {
	if !c.made {
		return ""
	}
	return "made " + c.When.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

// reading is the first candidate in words, and in short what else the text may be.
func reading(candidates []Candidate) string {
	const others = 3 // more would bury the first
	text := candidates[0].Reading
	for i, c := range candidates[1:] {
		if i == others {
			text += ", or something else"
			break
		}
		if sameDigits(&c, &candidates[0]) {
			text += ", or a " + string(c.Kind) + " ID"
		} else {
			text += ", or " + string(c.Kind) + " ID " + sources.Shorten(sources.Printable(c.id()), 64)
		}
	}
	return text
}

// sameDigits reports whether two candidates are the same text, read in two ways.
func sameDigits(a, b *Candidate) bool {
	plain := func(c *Candidate) string {
		return strings.TrimLeft(strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(c.id(), "0x"), "-", "")), "0")
	}
	return a.Kind != b.Kind && plain(a) == plain(b)
}

// OfTrace is the ID of a trace that is known to be one.
func OfTrace(id sources.TraceID) ID {
	return ID{Trace: id, Reading: "trace ID " + string(id), Text: string(id), Candidates: []Candidate{{Kind: Trace, Trace: id}}}
}

// OfRequest is a request ID that is known to be one.
func OfRequest(id string) ID {
	return ID{Request: id, Reading: "request ID " + sources.Printable(id), Text: id, Candidates: []Candidate{{Kind: Request, Request: id}}}
}
