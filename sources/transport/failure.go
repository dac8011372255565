package transport

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"obs/sources"
)

const maxDetail = 300 // bytes of a server's text that a message quotes

// Failure builds an error of the given kind for a request of this client that
// failed after its answer had come, such as a body that does not decode.
func (c *Client) Failure(ctx context.Context, kind error, cause error) *sources.Error {
	e := &sources.Error{
		Backend: c.options.Backend,
		URL:     c.base.String(),
		Asked:   sources.Printable(sources.CallFrom(ctx).Asked()),
		Kind:    kind,
		Err:     cause,
		Hint:    c.hint(kind),
	}
	if cause != nil {
		e.Detail = c.quote(cause.Error())
	}
	return e
}

// ended is the failure of a request whose context ended before the answer came.
func (c *Client) ended(ctx context.Context) *sources.Error {
	// The context's error and not its cause, which may be of any kind.
	e := c.Failure(ctx, sources.ErrTimeout, ctx.Err())
	if errors.Is(ctx.Err(), context.Canceled) {
		e.Detail, e.Hint = "cancelled", ""
	} else {
		e.Detail = "the time for the whole run is over"
	}
	return e
}

func (c *Client) networkFailure(ctx context.Context, err error) *sources.Error {
	// A *url.Error repeats the whole address; only its cause is wanted.
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	switch {
	case ctx.Err() != nil:
		return c.ended(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		e := c.Failure(ctx, sources.ErrTimeout, nil)
		e.Detail = fmt.Sprintf("no answer within %s", c.options.Timeout)
		return e
	}
	e := c.Failure(ctx, sources.ErrUnreachable, err)
	var (
		certificate *tls.CertificateVerificationError
		unknown     x509.UnknownAuthorityError
		name        *net.DNSError
	)
	switch {
	case errors.As(err, &unknown):
		e.Hint = "this machine does not know who signed the server's certificate: name a file with that authority's own certificate in SSL_CERT_FILE"
	case errors.As(err, &certificate):
		e.Hint = fmt.Sprintf("the server's certificate does not fit: check that %s has the name that it was made for", c.origin())
	case errors.Is(err, http.ErrSchemeMismatch):
		e.Hint = "it speaks plain HTTP there: write http:// in " + c.origin()
	case strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`): // how a TLS alert begins
		e.Hint = c.speaksTLS()
	case errors.As(err, &name):
		e.Hint = "the name does not resolve: check " + c.origin()
	}
	return e
}

func (c *Client) origin() string { return cmp.Or(c.options.Origin, "the address") }

func (c *Client) speaksTLS() string { return "it speaks HTTPS there: write https:// in " + c.origin() }

func (c *Client) hint(kind error) string {
	name := string(c.options.Backend)
	switch {
	case errors.Is(kind, sources.ErrUnreachable):
		return fmt.Sprintf("check that %s runs and that %s is its address", name, c.origin())
	case errors.Is(kind, sources.ErrRefused):
		return fmt.Sprintf("check the credentials for %s, and the tenant if it has several", name)
	case errors.Is(kind, sources.ErrNotThisAPI):
		return fmt.Sprintf("check that %s is the address of %s's API: a login page, another server or a missing path prefix answers like this", c.origin(), name)
	case errors.Is(kind, sources.ErrTooLarge):
		return "ask for a shorter window or for fewer services"
	case errors.Is(kind, sources.ErrBusy):
		return "try again in a while, or with a shorter window"
	case errors.Is(kind, sources.ErrTimeout):
		return "try a shorter window, or a longer --timeout"
	case errors.Is(kind, sources.ErrServer):
		return fmt.Sprintf("%s failed on its own: its log says why", name)
	}
	return ""
}

// isConnectionReset tells a connection that broke, which another attempt may mend,
// from one that was never made.
func isConnectionReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// plainToTLS is how servers answer an http request on their https port: Go's own,
// nginx, Apache.
var plainToTLS = []string{
	"HTTP request to an HTTPS server",
	"plain HTTP request was sent to HTTPS port",
	"plain HTTP to an SSL-enabled server port",
}

// isPage tells by its beginning that an answer is a page for people.
func isPage(response *http.Response, beginning []byte) bool {
	return strings.Contains(response.Header.Get("Content-Type"), "text/html") ||
		bytes.HasPrefix(bytes.TrimSpace(beginning), []byte("<"))
}

// judge turns an answer that cannot be used into an error.
func (c *Client) judge(ctx context.Context, response *http.Response, body []byte) error {
	status := response.StatusCode
	html := isPage(response, body)
	if status/100 == 2 && !html {
		return nil
	}
	kind := kindOf(status)
	if html && (status/100 == 2 || errors.Is(kind, sources.ErrNotFound) || errors.Is(kind, sources.ErrBadQuery)) {
		kind = sources.ErrNotThisAPI
	}
	failure := c.Failure(ctx, kind, nil)
	failure.Status = status
	location, _ := response.Location()
	switch {
	case status == http.StatusBadRequest && containsAny(string(body), plainToTLS):
		failure.Kind, failure.Hint = sources.ErrNotThisAPI, c.speaksTLS()
		failure.Detail = "it was asked in plain HTTP on a port for HTTPS"
	case status/100 == 3 && location != nil:
		failure.Detail = "it redirects to " + Redact(location.String())
	case html:
		failure.Detail = "it answered with a web page"
	default:
		failure.Detail = c.explain(status, body)
	}
	if last := response.Request; last != nil && last.URL.Host != c.base.Host {
		failure.Detail = fmt.Sprintf("after a redirect to %s: %s", sources.Printable(last.URL.Host), failure.Detail)
	}
	if wait, given := retryAfter(response); given && wait > maxRetryAfter && errors.Is(kind, sources.ErrBusy) {
		failure.Hint = fmt.Sprintf("it asks to be left alone for %s: try again after that", wait.Round(time.Second))
	}
	return failure
}

func containsAny(text string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

func (c *Client) explain(status int, body []byte) string {
	text := ""
	if c.options.Explain != nil {
		text = c.options.Explain(status, body)
	}
	return c.quote(cmp.Or(text, string(body)))
}

// quote makes text from outside fit for a message: without secrets, short and printable.
func (c *Client) quote(text string) string {
	text = userInfo.ReplaceAllString(c.secrets.Replace(strings.TrimSpace(text)), "//…@")
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "") + "…"
	}
	return sources.Printable(text)
}

func kindOf(status int) error {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		return sources.ErrRefused
	case status == http.StatusNotFound:
		return sources.ErrNotFound
	case status == http.StatusMethodNotAllowed:
		return sources.ErrNotThisAPI
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return sources.ErrBusy
	case status == http.StatusRequestTimeout, status == http.StatusGatewayTimeout:
		return sources.ErrTimeout
	case status >= 500:
		return sources.ErrServer
	case status >= 400:
		return sources.ErrBadQuery
	}
	return sources.ErrNotThisAPI
}
