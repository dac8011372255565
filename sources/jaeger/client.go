// Package jaeger reads traces from a Jaeger server, and is the only place that
// knows its wire formats.
//
// Jaeger has two HTTP APIs, described at https://www.jaegertracing.io/docs/latest/apis/.
// API v3 (/api/v3/*) answers with OTLP in JSON and is the one that stays. The older
// one, called v1 here, was made for Jaeger's own page: it is all that servers from
// before 1.25 have, the only one with dependencies, and the only one whose search
// filters by attribute on servers from before the middle of 2026; after release 2.20
// its lists and its search go away. So v3 is asked first and v1 where v3 is missing,
// in the opposite order where v1 may be the only one that can, and what a server
// turned out not to have is remembered.
//
// The package is not for judging traces: it neither ranks nor completes them. What
// Jaeger's own page would show is what it returns, with clocks and shared span IDs
// adjusted by the server.
package jaeger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"obs/sources"
	"obs/sources/otlp"
	"obs/sources/transport"
)

var _ sources.Traces = (*Client)(nil)

// Client reads one Jaeger server. It is safe for concurrent use.
type Client struct {
	http   *transport.Client
	ledger *sources.Ledger

	api    choice // between v3 and v1
	tagged choice // between the searches by attribute of v1 and of v3
}

// New returns a client that sends its requests through http and notes each of them
// in ledger, which may be nil.
func New(http *transport.Client, ledger *sources.Ledger) *Client {
	return &Client{http: http, ledger: ledger}
}

// Remember makes the client go by what is known of the server from an earlier run, and keep
// what it finds out. Nothing is known where it is nil. It comes before the first question.
func (c *Client) Remember(known sources.Abilities) *Client {
	c.api.remember(known, "jaeger.api")
	c.tagged.remember(known, "jaeger.search-by-attribute")
	return c
}

// Backend implements sources.Traces.
func (c *Client) Backend() sources.Backend { return sources.Jaeger }

// choice is two ways to ask for the same thing, of which a server may know only the
// second. Once that has shown it goes straight to the second.
type choice struct {
	second atomic.Bool
	// recalled tells that the second is known from an earlier run only.
	recalled atomic.Bool

	known sources.Abilities // nil to remember nothing
	name  string            // of the choice there
}

// onlySecond is what is remembered of a server that knows only the second way.
const onlySecond = "second"

func (c *choice) remember(known sources.Abilities, name string) {
	c.known, c.name = known, name
	if known != nil && known.Recall(name) == onlySecond {
		c.second.Store(true)
		c.recalled.Store(true)
	}
}

// learn notes whether the server knows only the second way.
func (c *choice) learn(second bool) {
	c.recalled.Store(false)
	if c.second.Swap(second) == second || c.known == nil {
		return
	}
	value := ""
	if second {
		value = onlySecond
	}
	c.known.Learn(c.name, value)
}

// pick asks in the first way, and in the second if the server does not know the
// first. The second is remembered only when it was answered: a proxy's error page
// in place of both says nothing about the server. Questions that start before the
// first answer may each find out for themselves; to make them wait for one another
// would cost every other server time. Where only an earlier run says that the server
// does not know the first, and it does not know the second, it is another server now.
func pick[T any](c *choice, first, second func() (T, error)) (T, error) {
	if c.second.Load() {
		answer, err := second()
		if !errors.Is(err, sources.ErrNotThisAPI) || !c.recalled.Load() {
			return answer, err
		}
		c.learn(false)
	}
	answer, err := first()
	if !errors.Is(err, sources.ErrNotThisAPI) {
		return answer, err
	}
	other, otherErr := second()
	switch {
	case otherErr == nil, errors.Is(otherErr, sources.ErrNotFound):
		c.learn(true)
	case errors.Is(otherErr, sources.ErrNotThisAPI):
		return answer, err
	}
	return other, otherErr
}

// question is one request.
type question struct {
	path   string
	params params
	window sources.Window // zero where the question has none
	// spare tells that another question follows if the server does not know this
	// one, so that not knowing it is an answer and no failure.
	spare bool
}

// String is the question as a person can repeat it, below the server's address.
func (q question) String() string {
	if len(q.params) == 0 {
		return "GET " + q.path
	}
	return "GET " + q.path + "?" + q.params.String()
}

// ask sends the question and hands the answer to read, which returns how many records
// it held. It may be called again, with the answer from its beginning. What it fails on is
// no answer of Jaeger's, unless it returns a *kindError.
func (c *Client) ask(ctx context.Context, q question, read func(body io.Reader) (int, error)) error {
	ctx, call := c.ledger.Start(ctx, sources.Jaeger, q.String(), q.window)
	records, err := c.exchange(ctx, q, read)
	if q.spare && errors.Is(err, sources.ErrNotThisAPI) {
		call.End(0, nil)
	} else {
		call.End(records, err)
	}
	return err
}

func (c *Client) exchange(ctx context.Context, q question, read func(io.Reader) (int, error)) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.http.URL(q.path, q.params.values()).String(), nil)
	if err != nil {
		return 0, c.http.Failure(ctx, sources.ErrBadQuery, err)
	}
	records := 0
	_, refusal, err := c.http.Stream(request, func(body io.Reader) (err error) { //nolint:bodyclose // Stream has closed it
		records, err = read(body)
		return err
	})
	if errors.Is(err, sources.ErrNotFound) && Explain(http.StatusNotFound, refusal) == "" {
		// A server that has this path says in Jaeger's own form what it did not find.
		failure := c.http.Failure(ctx, sources.ErrNotThisAPI, fmt.Errorf("it has no %s", q.path))
		failure.Status = http.StatusNotFound
		return 0, failure
	}
	if err == nil {
		return records, nil
	}
	if known := (*sources.Error)(nil); errors.As(err, &known) {
		return 0, err
	}
	kind := sources.ErrNotThisAPI
	if known := (*kindError)(nil); errors.As(err, &known) {
		kind = known.kind
	}
	return 0, c.http.Failure(ctx, kind, err)
}

// askWhole asks a question whose answer is short, and read as a whole.
func (c *Client) askWhole(ctx context.Context, q question, read func(body []byte) (int, error)) error {
	return c.ask(ctx, q, func(body io.Reader) (int, error) {
		whole, err := io.ReadAll(body)
		if err != nil {
			return 0, err
		}
		return read(whole)
	})
}

// askTraces asks a question whose answer is traces.
func (c *Client) askTraces(ctx context.Context, q question, decode func(io.Reader) ([]sources.Trace, error)) ([]sources.Trace, error) {
	var found []sources.Trace
	err := c.ask(ctx, q, func(body io.Reader) (n int, err error) {
		found, err = decode(body)
		return len(found), err
	})
	return found, err
}

// askTrace asks a question whose answer is the trace with the ID and nothing else.
func (c *Client) askTrace(ctx context.Context, q question, id sources.TraceID, decode func(io.Reader) ([]sources.Trace, error)) (sources.Trace, error) {
	var trace sources.Trace
	err := c.ask(ctx, q, func(body io.Reader) (int, error) {
		found, err := decode(body)
		if err != nil {
			return 0, err
		}
		if len(found) == 0 {
			return 0, &kindError{sources.ErrNotFound, "the answer holds no span"}
		}
		i := slices.IndexFunc(found, func(t sources.Trace) bool { return t.ID == id })
		if i < 0 {
			return 0, fmt.Errorf("the answer holds trace %s instead", found[0].ID)
		}
		trace = found[i]
		return 1, nil
	})
	return trace, err
}

// kindError is what is wrong with an answer that was read well.
type kindError struct {
	kind    error // one of the kinds in sources
	message string
}

func (e *kindError) Error() string { return e.message }

// refusal is the forms in which Jaeger says what is wrong: v1's list and v3's object.
type refusal struct {
	Errors []struct {
		Message string `json:"msg"`
	} `json:"errors"`
	Error struct {
		Message string `json:"message"`
	} `json:"error"`
}

func (r refusal) String() string {
	var messages []string
	for _, e := range r.Errors {
		if e.Message != "" {
			messages = append(messages, e.Message)
		}
	}
	if r.Error.Message != "" {
		messages = append(messages, r.Error.Message)
	}
	return strings.Join(messages, "; ")
}

// read reads what the answer holds under one of the names errors and error.
func (r *refusal) read(s *otlp.Scanner, name string) error {
	value, err := s.Value()
	if err != nil {
		return err
	}
	if name == "errors" {
		return json.Unmarshal(value, &r.Errors)
	}
	return json.Unmarshal(value, &r.Error)
}

// Explain takes the message out of the body of a refusal, for transport.Options. It
// returns nothing for a body that is not one of Jaeger's.
func Explain(_ int, body []byte) string {
	var r refusal
	if json.Unmarshal(body, &r) != nil {
		return ""
	}
	return r.String()
}
