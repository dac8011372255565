package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"obs/sources"
)

// Tape stands between a client and the network. It keeps the exchanges of a run, or answers
// with those of an earlier one. It must be safe for concurrent use.
type Tape interface {
	// Exchange is one attempt. send puts it to the server, which a tape that is played never
	// does. What it returns is what the client goes on with.
	Exchange(ctx context.Context, backend sources.Backend, asked Asked, send func() Exchange) Exchange
}

// Asked is a request as far as its answer depends on it. Credentials are no part of it.
type Asked struct {
	Method string
	Path   string     // below the backend's base address
	Params url.Values // those of the address and those of a form
}

// Exchange is what came of an attempt.
type Exchange struct {
	Status int // 0 where no answer came
	Header http.Header
	Host   string // of the server that answered, where redirects led to another; else empty
	Body   []byte
	// Asked and Answered are this machine's times around the answer's beginning.
	Asked, Answered time.Time
	// Broken tells how the connection failed: before an answer where Status is 0, and after
	// Body otherwise. Nil where it did not.
	Broken *Failed
	// Refused tells what the client makes of an answer that is of no use; nil of one that is.
	// Its hint depends on how the client is configured.
	Refused *Failed
}

// Failed is why an attempt was in vain. Its texts hold no secret.
type Failed struct {
	Kind         error // one of the kinds of sources
	Detail, Hint string
	Again        bool // another attempt may do better
	Ended        bool // whoever asked did not want the answer any more, or had no time left
}

// keptHeaders are those of an answer that obs reads.
var keptHeaders = []string{"Content-Type", "Date", "Location", "Retry-After", "X-Server-Hostname"}

// taped is an attempt by way of the tape. Its answer's body has come whole, or is broken.
func (c *Client) taped(ctx context.Context, request *http.Request) (response *http.Response, refused *sources.Error, err error) {
	asked, err := c.asked(request)
	if err != nil {
		return nil, nil, c.Failure(ctx, sources.ErrBadQuery, err)
	}
	e := c.options.Tape.Exchange(ctx, c.options.Backend, asked, func() Exchange { return c.exchange(ctx, request) })
	noteTimes(ctx, e.Asked, e.Answered)
	ended := io.EOF
	if e.Broken != nil {
		broken := c.failed(ctx, e.Broken)
		if e.Status == 0 {
			return nil, nil, broken
		}
		ended = broken
	}
	if e.Refused != nil {
		refused = c.failed(ctx, e.Refused)
		refused.Status = e.Status
	}
	answered := request.Clone(ctx)
	if e.Host != "" {
		answered.URL.Host = e.Host
	}
	return &http.Response{
		StatusCode: e.Status, Status: fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status)), Header: e.Header, Request: answered,
		Body: io.NopCloser(io.MultiReader(bytes.NewReader(e.Body), failing{ended})),
	}, refused, nil
}

// failing is the end of a body.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// asked reads a request.
func (c *Client) asked(request *http.Request) (Asked, error) {
	a := Asked{Method: request.Method, Path: strings.TrimPrefix(request.URL.Path, c.base.Path), Params: request.URL.Query()}
	if request.GetBody == nil {
		return a, nil
	}
	body, err := request.GetBody()
	if err != nil {
		return a, err
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return a, err
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return a, err
	}
	for name, values := range form {
		a.Params[name] = append(a.Params[name], values...)
	}
	return a, nil
}

// exchange puts a request to the server and reads the whole answer.
func (c *Client) exchange(parent context.Context, request *http.Request) Exchange {
	e := Exchange{Asked: time.Now()}
	response, err := c.http.Do(request)
	e.Answered = time.Now()
	if err != nil {
		e.Broken = failedBy(parent, c.networkFailure(parent, err))
		return e
	}
	defer func() { _ = response.Body.Close() }()
	e.Status, e.Header = response.StatusCode, http.Header{}
	for _, name := range keptHeaders {
		if values := response.Header.Values(name); len(values) > 0 {
			e.Header[name] = values
		}
	}
	if last := response.Request; last != nil && last.URL.Host != request.URL.Host {
		e.Host = last.URL.Host
	}
	// One byte more than is allowed tells that there is more.
	if e.Body, err = io.ReadAll(io.LimitReader(response.Body, c.options.MaxBytes+1)); err != nil {
		e.Broken = failedBy(parent, c.networkFailure(parent, err))
	}
	// Servers and proxies quote what they refuse.
	hide := c.secrets.hide
	if e.Status/100 == 2 {
		hide = c.secrets.hideLong
	}
	if clean := hide(string(e.Body)); clean != string(e.Body) {
		e.Body = []byte(clean)
	}
	refused := (*sources.Error)(nil)
	if errors.As(c.judge(parent, response, e.Body), &refused) {
		e.Refused = failedBy(parent, refused)
	}
	return e
}

func failedBy(ctx context.Context, e *sources.Error) *Failed {
	return &Failed{Kind: e.Kind, Detail: e.Detail, Hint: e.Hint, Again: isConnectionReset(e), Ended: ctx.Err() != nil}
}

// failed is the failure that a Failed tells of.
func (c *Client) failed(ctx context.Context, f *Failed) *sources.Error {
	if f.Ended && ctx.Err() != nil {
		return c.ended(ctx)
	}
	failure := c.Failure(ctx, f.Kind, nil)
	failure.Detail, failure.Hint = f.Detail, f.Hint
	if f.Again {
		failure.Err = syscall.ECONNRESET
	}
	return failure
}

var errNotTaped = errors.New("what a server sends as it comes is neither recorded nor replayed")
