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

	"golang.org/x/oauth2"

	"obs/sources"
)

const maxDetail = 300 // bytes of a server's text that a message quotes

// Failure builds an error of the given kind for a request of this client that
// failed after its answer had come, such as a body that does not decode.
func (c *Client) Failure(ctx context.Context, kind error, cause error) *sources.Error {
	e := &sources.Error{
		Backend: c.options.Backend,
		URL:     c.shown,
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
		expired     x509.CertificateInvalidError
		wrongName   x509.HostnameError
		certificate *tls.CertificateVerificationError
		unknown     x509.UnknownAuthorityError
		network     *net.OpError
		name        *net.DNSError
		lacking     *credentialError
		token       *oauth2.RetrieveError
	)
	switch {
	case errors.As(err, &lacking):
		e.Kind, e.Detail = sources.ErrRefused, c.quote(lacking.Error())
		e.Hint = fmt.Sprintf("nothing was sent: check %s", c.credentials())
	case errors.As(err, &token):
		e.Kind, e.Hint = sources.ErrRefused, fmt.Sprintf("the token's endpoint refused: check client_id, client_secret and token_url in %s", c.credentials())
	case errors.As(err, &unknown):
		e.Hint = "this machine does not know who signed the server's certificate: name a file with that authority's own certificate as tls_config.ca_file in the profile, or in SSL_CERT_FILE"
	case errors.As(err, &expired) && expired.Reason == x509.Expired && expired.Cert != nil:
		e.Detail = fmt.Sprintf("its certificate is valid from %s to %s, and it is %s now",
			expired.Cert.NotBefore.UTC().Format(time.DateTime), expired.Cert.NotAfter.UTC().Format(time.DateTime), time.Now().UTC().Format(time.DateTime))
		e.Hint = "the server's certificate has to be renewed, or this machine's clock set"
	case errors.As(err, &wrongName):
		e.Hint = fmt.Sprintf("the certificate was made for another name: check %s, or give that name as tls_config.server_name in the profile", c.origin())
	case errors.As(err, &certificate):
		e.Hint = fmt.Sprintf("the server's certificate does not fit: check that %s has the name that it was made for", c.origin())
	case errors.As(err, &network) && network.Op == "remote error": // an alert of TLS
		e.Kind = sources.ErrRefused
		e.Hint = "the server broke the handshake off, as it does where it wants a client's certificate: check tls_config.cert_file and key_file in the profile"
	case errors.Is(err, http.ErrSchemeMismatch):
		e.Hint = "it speaks plain HTTP there: write http:// in " + c.origin()
	case strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`): // how a TLS alert begins
		e.Hint = c.speaksTLS()
	case errors.As(err, &name):
		e.Hint = "the name does not resolve: check " + c.origin()
	}
	return e
}

// credentials names where the credentials come from.
func (c *Client) credentials() string {
	return cmp.Or(c.options.Credentials, "the credentials for "+string(c.options.Backend))
}

func (c *Client) origin() string { return cmp.Or(c.options.Origin, "the address") }

func (c *Client) speaksTLS() string { return "it speaks HTTPS there: write https:// in " + c.origin() }

func (c *Client) hint(kind error) string {
	name := string(c.options.Backend)
	switch {
	case errors.Is(kind, sources.ErrUnreachable):
		return fmt.Sprintf("check that %s runs and that %s is its address", name, c.origin())
	case errors.Is(kind, sources.ErrRefused):
		return c.refusedHint()
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

// refusedHint tells who was refused. Which of the two ways it was shows in the detail.
func (c *Client) refusedHint() string {
	a, tenant := &c.options.Access, ""
	if a.Tenant != "" {
		tenant = fmt.Sprintf(", and that they may read tenant %q", sources.Printable(a.Tenant))
	}
	what := ""
	switch {
	case a.Token != nil || a.HTTP.Authorization != nil:
		what = "the token was not accepted"
	case a.HTTP.BasicAuth != nil && a.HTTP.BasicAuth.Username != "":
		what = fmt.Sprintf("user %q and the password were not accepted", sources.Printable(a.HTTP.BasicAuth.Username))
	case a.HTTP.BasicAuth != nil:
		what = "user and password were not accepted"
	case a.HTTP.OAuth2 != nil:
		what = "the token that OAuth 2 gave was not accepted"
	case a.SigV4 != nil:
		what = "the signature was not accepted"
	case a.HTTP.HTTPHeaders != nil || a.HTTP.TLSConfig.Cert != "" || a.HTTP.TLSConfig.CertFile != "":
		what = "what was sent was not accepted"
	case a.Tenant != "":
		return fmt.Sprintf("only tenant %q was named and no credentials were sent: give %s.token_file, or username and password_file, with obs config set", sources.Printable(a.Tenant), c.options.Backend)
	default:
		return fmt.Sprintf("no credentials were sent: give %s.token_file, username and password_file, or tenant, with obs config set", c.options.Backend)
	}
	return fmt.Sprintf("%s: check %s%s", what, c.credentials(), tenant)
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
	text = userInfo.ReplaceAllString(c.secrets.hide(strings.TrimSpace(text)), "//…@")
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
