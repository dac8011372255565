// Package recording keeps what one run of obs exchanged with its backends, in one file that
// can be passed on, and plays it back to another run, without a network: a report of a mistake,
// a fire drill, a test.
//
// It knows HTTP's exchanges and nothing of any backend's API. What looks like a secret is
// taken out before anything is kept, by package redact, and credentials are never seen.
package recording

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"obs/sources"
	"obs/sources/connect"
)

// schema is the version of the file's form. Fields are only ever added within it.
const schema = "obs.recording/v1"

// Recording is one run: what was asked of obs, what obs asked of its backends, and what they
// answered. It is a file of lines of JSON, compressed or not: the head, then the exchanges in
// the order in which they ended, then the queries in the order in which they were sent.
type Recording struct {
	Head
	Exchanges []Exchange
	Queries   []Query
}

// Head is a recording's first line.
type Head struct {
	Schema  string    `json:"schema"`
	Obs     string    `json:"obs"` // which build
	Command string    `json:"command"`
	Args    []string  `json:"args,omitempty"`
	Flags   []Flag    `json:"flags,omitempty"` // those that say what is asked, by name
	Input   string    `json:"input,omitempty"` // what was read from standard input
	Now     time.Time `json:"now"`             // the clock of the run, which stood still
	// Connections are the backends that were asked.
	Connections connect.Recorded `json:"connections"`
}

// Flag is a flag with its values.
type Flag struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// Exchange is one attempt at one request.
type Exchange struct {
	Backend  sources.Backend `json:"backend"`
	Method   string          `json:"method"`
	Path     string          `json:"path"` // below the backend's address
	Params   url.Values      `json:"params,omitempty"`
	Status   int             `json:"status,omitempty"` // absent where no answer came
	Header   http.Header     `json:"header,omitempty"`
	Host     string          `json:"host,omitempty"` // of another server, where a redirect led there
	Body     string          `json:"body,omitempty"`
	Bytes    []byte          `json:"bytes,omitempty"` // the body, where it is no UTF-8
	Asked    time.Time       `json:"asked"`
	Answered time.Time       `json:"answered,omitzero"`
	Broken   *Failed         `json:"broken,omitempty"`  // how the connection failed
	Refused  *Failed         `json:"refused,omitempty"` // what obs made of an answer that was of no use
}

// Failed is why an attempt was in vain.
type Failed struct {
	Kind   string `json:"kind"` // see kinds
	Detail string `json:"detail,omitempty"`
	Hint   string `json:"hint,omitempty"`
	Again  bool   `json:"again,omitempty"` // another attempt might have done better
	Ended  bool   `json:"ended,omitempty"` // the run did not wait for the answer
}

// Query is a query as sources.Query tells of it.
type Query struct {
	Backend         sources.Backend `json:"backend"`
	Text            string          `json:"query"`
	Window          sources.Window  `json:"window,omitzero"`
	Status          string          `json:"status"`
	Error           string          `json:"error,omitempty"`
	Partial         string          `json:"partial,omitempty"`
	DurationSeconds float64         `json:"duration_seconds"`
	ReadBytes       int64           `json:"bytes"`
	Records         int             `json:"records"`
	Attempts        int             `json:"attempts"`
}

// kinds are the names of the kinds of failure.
var kinds = map[string]error{
	"unreachable": sources.ErrUnreachable, "refused": sources.ErrRefused, "bad_query": sources.ErrBadQuery, "not_found": sources.ErrNotFound,
	"not_this_api": sources.ErrNotThisAPI, "too_large": sources.ErrTooLarge, "busy": sources.ErrBusy, "server": sources.ErrServer, "timeout": sources.ErrTimeout,
}

func kindName(kind error) string {
	for name, known := range kinds {
		if errors.Is(kind, known) {
			return name
		}
	}
	return ""
}

// line is any line behind the first.
type line struct {
	Exchange *Exchange `json:"exchange,omitempty"`
	Query    *Query    `json:"query,omitempty"`
}

// Write writes the recording.
func (r *Recording) Write(w io.Writer, compressed bool) error {
	if compressed {
		packed := gzip.NewWriter(w)
		return errors.Join(r.write(packed), packed.Close())
	}
	return r.write(w)
}

func (r *Recording) write(w io.Writer) error {
	buffered := bufio.NewWriter(w)
	lines := json.NewEncoder(buffered)
	lines.SetEscapeHTML(false) // for whoever reads it, and searches it
	if err := lines.Encode(r.Head); err != nil {
		return err
	}
	for i := range r.Exchanges {
		if err := lines.Encode(line{Exchange: &r.Exchanges[i]}); err != nil {
			return err
		}
	}
	for i := range r.Queries {
		if err := lines.Encode(line{Query: &r.Queries[i]}); err != nil {
			return err
		}
	}
	return buffered.Flush()
}

// maxSize bounds what is read of a file, in bytes after it was unpacked: a run of one minute
// reads no more from backends that answer quickly.
const maxSize = 1 << 30

// Errors of Read.
var (
	ErrNoRecording = errors.New("it is no recording")
	ErrTooLarge    = errors.New("it is larger than a recording can be")
)

// Read reads a recording, compressed or not. One that was cut off, or is of a form that this
// obs does not know, is an error that is ErrNoRecording.
func Read(from io.Reader) (*Recording, error) {
	in := bufio.NewReader(from)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) { // RFC 1952, section 2.3.1
		packed, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoRecording, err)
		}
		in = bufio.NewReader(packed)
	}
	limited := &io.LimitedReader{R: in, N: maxSize}
	lines := json.NewDecoder(limited)
	r := &Recording{}
	if err := lines.Decode(&r.Head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoRecording, err)
	}
	if r.Schema != schema {
		return nil, fmt.Errorf("%w that this obs knows: its schema is %q, and not %q", ErrNoRecording, sources.Printable(sources.Shorten(r.Schema, 40)), schema)
	}
	for {
		var l line
		switch err := lines.Decode(&l); {
		case limited.N == 0:
			return nil, ErrTooLarge
		case errors.Is(err, io.EOF):
			return r, nil
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrNoRecording, err)
		}
		switch {
		case l.Exchange != nil:
			r.Exchanges = append(r.Exchanges, *l.Exchange)
		case l.Query != nil:
			r.Queries = append(r.Queries, *l.Query)
		}
	}
}

func (e *Exchange) setBody(body []byte) {
	if utf8.Valid(body) {
		e.Body = string(body)
		return
	}
	e.Bytes = body
}

func (e *Exchange) body() []byte {
	if e.Bytes != nil {
		return e.Bytes
	}
	return []byte(e.Body)
}
