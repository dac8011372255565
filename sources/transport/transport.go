// Package transport is how every request of obs reaches a backend: one client that
// adds credentials, bounds time and bytes, retries what is worth retrying, counts
// what was read, and turns each way to fail into a *sources.Error that says what to do.
//
// It knows HTTP and nothing of any backend's API; what an answer means is decided in
// the package of that backend.
package transport

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"obs/sources"
)

// Bounds that hold where Options leave them open.
const (
	DefaultTimeout     = 30 * time.Second // of one attempt
	DefaultMaxBytes    = 128 << 20        // of one answer
	DefaultRetries     = 3                // after the first attempt
	DefaultConcurrency = 6                // requests under way at once
	maxRetryAfter      = 10 * time.Second // a server that wants a longer wait is given up at once
	firstBackoff       = 200 * time.Millisecond
	maxRedirects       = 5
)

// Options say where a backend is and how it is asked.
type Options struct {
	Backend sources.Backend
	// URL is the base address, http or https, with a path prefix if there is one, or
	// unix:///path/of/a/socket. User and password in it are taken out and sent as basic
	// authentication, unless Access has credentials.
	URL string
	// Origin tells where the address comes from, for hints: "--loki-url", "LOKI_URL".
	Origin string
	// Credentials tells where they come from, likewise; empty where there are none.
	Credentials string
	// Give says how what is missing is given, for hints.
	Give     Give
	Access   Access
	Timeout  time.Duration
	MaxBytes int64
	// Retries after the first attempt; negative for none.
	Retries     int
	Concurrency int
	// Tape keeps what is exchanged, or plays it; nil for neither.
	Tape Tape
	// Base sends the requests; a transport of its own when nil.
	Base http.RoundTripper
	// Explain takes the message out of the body of a refusal, in the way of the
	// backend's API; the body's text is used when nil or when it returns nothing.
	Explain func(status int, body []byte) string
	// Final tells a refusal that would come again, whatever its status says: it is
	// not worth another attempt. None is when nil.
	Final func(status int, body []byte) bool
	// Sleep waits between attempts; tests bring their own.
	Sleep func(context.Context, time.Duration) error
}

// Client sends requests to one backend. It is safe for concurrent use.
type Client struct {
	options Options
	base    *url.URL // without credentials
	shown   string   // the same for people
	secrets *secrets
	http    *http.Client
	slots   chan struct{}
}

// New checks the address and returns a client for it. Nothing is sent yet.
func New(o Options) (*Client, error) {
	base, socket, err := parseBase(&o)
	if err != nil {
		return nil, &sources.Error{
			Backend: o.Backend, URL: Redact(o.URL), Kind: sources.ErrNotThisAPI, Detail: err.Error(),
			Hint: fmt.Sprintf("give %s as http://host:port", cmp.Or(o.Origin, "the address")),
		}
	}
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	o.MaxBytes = cmp.Or(o.MaxBytes, int64(DefaultMaxBytes))
	o.Concurrency = cmp.Or(o.Concurrency, DefaultConcurrency)
	o.Retries = cmp.Or(o.Retries, DefaultRetries)
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	shown := base.String()
	if socket != "" {
		shown = "unix://" + socket
	}
	known := &secrets{}
	trusted, bare, err := o.roundTrippers(socket, known)
	if err != nil {
		return nil, &sources.Error{
			Backend: o.Backend, URL: shown, Kind: sources.ErrRefused, Detail: sources.Printable(known.hide(err.Error())), Err: err,
			Hint: "check the certificates and keys of " + cmp.Or(o.Credentials, o.Origin, "its configuration"),
		}
	}
	return &Client{
		options: o,
		base:    base,
		shown:   shown,
		secrets: known,
		slots:   make(chan struct{}, o.Concurrency),
		http: &http.Client{
			Transport:     &authorizer{base: base, trusted: trusted, bare: bare, tenant: o.Access.Tenant},
			CheckRedirect: o.checkRedirect,
		},
	}, nil
}

// checkRedirect follows a few redirects, but none that makes a GET of a POST: the
// parameters would be lost with the body, and the answer be one to another question.
func (o *Options) checkRedirect(request *http.Request, via []*http.Request) error {
	if o.Access.NoRedirects || request.Method != via[0].Method || len(via) > maxRedirects {
		return http.ErrUseLastResponse
	}
	return nil
}

// parseBase reads the address: with a socket's it returns the path of the socket, and an
// address for the sake of HTTP.
func parseBase(o *Options) (base *url.URL, socket string, err error) {
	base, err = url.Parse(strings.TrimSpace(o.URL))
	switch {
	case err != nil:
		return nil, "", errors.New("not an address")
	case base.Scheme == "unix" && base.Host == "" && len(base.Path) > 1:
		return &url.URL{Scheme: "http", Host: "localhost"}, base.Path, nil
	case base.Scheme == "unix":
		return nil, "", errors.New("a socket is given as unix:///path/of/it")
	case base.Scheme != "http" && base.Scheme != "https":
		return nil, "", errors.New("the address must begin with http:// or https://")
	case base.Hostname() == "":
		return nil, "", errors.New("the address names no host")
	}
	if base.User != nil {
		a := &o.Access
		if a.Token == nil && a.HTTP.BasicAuth == nil && a.HTTP.Authorization == nil && a.HTTP.OAuth2 == nil {
			password, _ := base.User.Password()
			a.HTTP.BasicAuth = Basic(base.User.Username(), password).HTTP.BasicAuth
			o.Credentials = cmp.Or(o.Credentials, o.Origin)
		}
		base.User = nil
	}
	base.Path = strings.TrimRight(base.Path, "/")
	base.RawQuery, base.Fragment = "", ""
	return base, "", nil
}

// Close closes the connections that are kept open for further requests.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// URL is the address of a path below the base, with parameters.
func (c *Client) URL(path string, params url.Values) *url.URL {
	u := c.base.JoinPath(path)
	u.RawQuery = params.Encode()
	return u
}

// Base is the backend's address as text, without credentials.
func (c *Client) Base() string { return c.shown }

// Get fetches a path below the base and returns the body of a 2xx answer. Anything
// else is a *sources.Error; header may be nil.
func (c *Client) Get(ctx context.Context, path string, params url.Values, header http.Header) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL(path, params).String(), nil)
	if err != nil {
		return nil, c.Failure(ctx, sources.ErrBadQuery, err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	_, body, err := c.Do(request) //nolint:bodyclose // Do has read and closed it
	return body, err
}

// Do sends a request, which must be safe to repeat, and reads the whole answer. The
// response is returned beside an error too when there was one, its body read.
func (c *Client) Do(request *http.Request) (*http.Response, []byte, error) {
	var whole []byte
	response, refusal, err := c.Stream(request, func(body io.Reader) (err error) {
		whole, err = io.ReadAll(body)
		return err
	})
	if err != nil {
		whole = refusal
	}
	return response, whole, err
}

// Stream sends a request, which must be safe to repeat, and hands the body of its answer
// to read while it arrives. Where the connection breaks on the way, read is called once
// more, with the answer from its beginning: it must forget what it had. What read fails
// on without the connection's doing is returned as it is; anything else that fails is a
// *sources.Error.
//
// A refusal, and a page where an answer belongs, are not handed to read: their body is
// returned. The response is returned beside an error too when there was one, its body
// closed.
func (c *Client) Stream(request *http.Request, read func(body io.Reader) error) (response *http.Response, refusal []byte, err error) {
	ctx := request.Context()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, nil, c.ended(ctx)
	}
	for attempt := 0; ; attempt++ {
		sources.CallFrom(ctx).AddAttempt()
		got, err := c.once(request, attempt, read)
		wait, again := c.worthRetrying(got.response, got.refusal, err, attempt)
		if !again || ctx.Err() != nil {
			switch {
			case err != nil:
			case got.unread != nil:
				err = got.unread
			case got.refused != nil:
				err = got.refused
			default:
				err = c.judge(ctx, got.response, got.refusal)
			}
			return got.response, got.refusal, err
		}
		if err := c.options.Sleep(ctx, wait); err != nil {
			return got.response, got.refusal, c.ended(ctx)
		}
	}
}

// attempted is what came of a single attempt.
type attempted struct {
	response *http.Response
	refusal  []byte         // the body of an answer that is of no use
	unread   error          // what read failed on
	refused  *sources.Error // what a tape made of an answer that is of no use
}

// sniffed is how much of an answer is looked at to tell whether it is a page, which is
// how far browsers look (https://mimesniff.spec.whatwg.org/, "resource header" is longer
// for other types only).
const sniffed = 512

// once is a single attempt. It returns a response of any status, or a *sources.Error
// when there is none or its body did not come whole.
func (c *Client) once(request *http.Request, attempt int, read func(io.Reader) error) (attempted, error) {
	parent := request.Context()
	ctx, cancel := context.WithTimeout(parent, c.options.Timeout)
	defer cancel()
	request = request.Clone(ctx)
	if attempt > 0 && request.GetBody != nil {
		body, err := request.GetBody()
		if err != nil {
			return attempted{}, c.Failure(parent, sources.ErrBadQuery, err)
		}
		request.Body = body
	}
	response, refused, err := c.send(parent, request)
	if err != nil {
		return attempted{}, err
	}
	defer func() { _ = response.Body.Close() }() // all that matters was read, or has failed already
	got := attempted{response: response, refused: refused}
	metered := &meter{body: response.Body, left: c.options.MaxBytes}
	body := bufio.NewReaderSize(metered, bodyBuffer)
	// What is wrong with the beginning comes again when it is read.
	beginning, _ := body.Peek(sniffed)
	if response.StatusCode/100 == 2 && !isPage(response, beginning) {
		got.unread = read(body)
	} else {
		got.refusal, _ = io.ReadAll(body) // it is metered that this failed
	}
	sources.CallFrom(parent).AddBytes(metered.read)
	switch {
	case errors.Is(metered.end, errTooLarge):
		return attempted{response: response}, c.Failure(parent, sources.ErrTooLarge, fmt.Errorf("more than %.3g MiB", float64(c.options.MaxBytes)/(1<<20)))
	case metered.end != nil && !errors.Is(metered.end, io.EOF):
		return attempted{}, c.networkFailure(parent, metered.end)
	}
	return got, nil
}

// send is the sending alone. What fails is a *sources.Error.
// With a tape, what it makes of an answer that is of no use comes beside it.
func (c *Client) send(parent context.Context, request *http.Request) (response *http.Response, refused *sources.Error, err error) {
	if c.options.Tape != nil {
		return c.taped(parent, request)
	}
	asked := time.Now()
	if response, err = c.http.Do(request); err != nil {
		return nil, nil, c.networkFailure(parent, err)
	}
	noteTimes(parent, asked, time.Now())
	return response, nil, nil
}

// bodyBuffer is how much of a body is taken from the connection at once. More does not
// make a 100 MB answer come faster.
const bodyBuffer = 64 << 10

// meter counts what is read of a body, ends it where there is too much, and keeps how it
// ended, so that a broken connection is told from an answer that makes no sense.
type meter struct {
	body io.Reader
	read int
	left int64 // negative when there was more than allowed
	end  error
}

func (m *meter) Read(p []byte) (int, error) {
	if m.end != nil {
		return 0, m.end
	}
	n, err := m.body.Read(p[:min(int64(len(p)), m.left+1)])
	m.read += n
	m.left -= int64(n)
	if m.end = err; m.left < 0 {
		m.end = errTooLarge
	}
	return n, m.end
}

var errTooLarge = errors.New("the answer is larger than allowed")

// worthRetrying tells whether another attempt may do better, and after which wait.
func (c *Client) worthRetrying(response *http.Response, body []byte, err error, attempt int) (time.Duration, bool) {
	if attempt >= c.options.Retries {
		return 0, false
	}
	backoff := firstBackoff << attempt
	// Half of it by chance, so that several clients do not come back at the same moment.
	backoff = backoff/2 + rand.N(backoff/2) //nolint:gosec // spreading load needs no secrecy
	if err != nil {
		return backoff, isConnectionReset(err)
	}
	switch response.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable:
		if c.options.Final != nil && c.options.Final(response.StatusCode, body) {
			return 0, false
		}
		if asked, given := retryAfter(response); given {
			return asked, asked <= maxRetryAfter
		}
		return backoff, true
	}
	return 0, false
}

// retryAfter reads the header in either of its forms (RFC 9110, section 10.2.3).
func retryAfter(response *http.Response) (wait time.Duration, given bool) {
	value := response.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at)), true
	}
	return 0, false
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
