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
	if played := (*sources.Error)(nil); errors.As(err, &played) {
		return played // by a tape, which has put it into words
	}
	// A *url.Error repeats the whole address; only its cause is wanted.
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	// What was waited for tells more than that the time is over.
	if lacking := (*credentialError)(nil); errors.As(err, &lacking) && !errors.Is(ctx.Err(), context.Canceled) {
		e := c.Failure(ctx, sources.ErrRefused, err)
		e.Detail, e.Hint = c.quote(lacking.Error()), "nothing was sent: check "+c.credentials()
		return e
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
	if c.tokenFailure(e, err) || c.proxyFailure(e, err) || c.handshakeFailure(e, err) {
		return e
	}
	name := (*net.DNSError)(nil)
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		e.Hint = "it speaks plain HTTP there: write http:// in " + c.origin()
	case strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`): // how a TLS alert begins
		e.Hint = c.speaksTLS()
	case errors.As(err, &name) && name.IsNotFound:
		e.Hint = fmt.Sprintf("the name does not resolve: check %s, and that this machine is in the network or VPN that knows it", c.origin())
	case errors.As(err, &name):
		e.Hint = "the name server did not answer: check this machine's network, or give an IP address in " + c.origin()
	}
	return e
}

// tokenFailure tells of the endpoint that OAuth 2 has its tokens from.
func (c *Client) tokenFailure(e *sources.Error, err error) bool {
	if c.options.Access.HTTP.OAuth2 == nil {
		return false
	}
	endpoint := Redact(c.options.Access.HTTP.OAuth2.TokenURL)
	var (
		refused *oauth2.RetrieveError
		away    *url.Error
	)
	switch {
	case errors.As(err, &refused):
		said := strings.TrimPrefix(refused.ErrorCode+": "+refused.ErrorDescription, ": ")
		if refused.ErrorCode == "" && refused.Response != nil && !isPage(refused.Response, refused.Body) {
			said = string(refused.Body)
		}
		status := ""
		if refused.Response != nil {
			status = refused.Response.Status
		}
		e.Kind = sources.ErrRefused
		e.Detail = c.quote(strings.TrimRight(fmt.Sprintf("the token's endpoint %s answered %s: %s", endpoint, status, strings.TrimSpace(said)), ": "))
		e.Hint = fmt.Sprintf("the token's endpoint refused: check client_id, client_secret and token_url in %s", c.credentials())
	case errors.As(err, &away):
		e.Detail = c.quote(fmt.Sprintf("the token's endpoint %s: %v", endpoint, away.Err))
		e.Hint = fmt.Sprintf("there is no token without that endpoint: check token_url, and its tls_config, in %s", c.credentials())
	case strings.HasPrefix(err.Error(), "oauth2: "): // an answer, but no token
		e.Kind = sources.ErrRefused
		e.Detail = c.quote(fmt.Sprintf("the token's endpoint %s gave no token: %s", endpoint, strings.TrimPrefix(err.Error(), "oauth2: ")))
		e.Hint = "check that token_url is the address of the endpoint, and no page to log in, in " + c.credentials()
	default:
		return false
	}
	return true
}

// proxyFailure tells of a proxy on the way.
func (c *Client) proxyFailure(e *sources.Error, err error) bool {
	network := (*net.OpError)(nil)
	switch {
	case err.Error() == http.StatusText(http.StatusProxyAuthRequired): // the answer to CONNECT
		e.Kind, e.Detail, e.Hint = sources.ErrRefused, "the proxy on the way wants to know who asks", proxyLogin
	case errors.As(err, &network) && (network.Op == "proxyconnect" || network.Op == "socks connect"):
		e.Hint = "that is the proxy on the way: check http_config.proxy_url in the profile, or HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
	default:
		return false
	}
	return true
}

const proxyLogin = "write user and password into the proxy's address: http_config.proxy_url in the profile, or HTTP_PROXY and HTTPS_PROXY"

// handshakeFailure tells why there is no encrypted connection.
func (c *Client) handshakeFailure(e *sources.Error, err error) bool {
	var (
		expired     x509.CertificateInvalidError
		wrongName   x509.HostnameError
		certificate *tls.CertificateVerificationError
		unknown     x509.UnknownAuthorityError
		network     *net.OpError
	)
	switch {
	case errors.As(err, &unknown):
		e.Hint = "this machine does not know who signed the server's certificate: name a file with that authority's own certificate: " + c.give().Authority
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
		e.Hint = "the server broke the handshake off, as it does where it wants a client's certificate: " + c.give().Certificate
	default:
		return false
	}
	return true
}

// credentials names where the credentials come from.
func (c *Client) credentials() string {
	return cmp.Or(c.options.Credentials, "the credentials for "+string(c.options.Backend))
}

// Give says how a person gives what a server may want to see, each as an instruction such as
// "set LOKI_ORG_ID". What is empty is said in general words.
type Give struct{ Credentials, Tenant, Authority, Certificate string }

func (c *Client) give() Give {
	g := c.options.Give
	return Give{
		Credentials: cmp.Or(g.Credentials, "give token_file, or username and password_file, in the profile"),
		Tenant:      cmp.Or(g.Tenant, "give tenant in the profile"),
		Authority:   cmp.Or(g.Authority, "give http_config.tls_config.ca_file in the profile, or SSL_CERT_FILE"),
		Certificate: cmp.Or(g.Certificate, "give http_config.tls_config.cert_file and key_file in the profile"),
	}
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
	var what string
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
		what = "the headers of http_headers, or the client's certificate, were not accepted"
	case a.Tenant != "":
		return fmt.Sprintf("only tenant %q was named and no credentials were sent: %s", sources.Printable(a.Tenant), c.give().Credentials)
	default:
		return "no credentials were sent: " + c.give().Credentials
	}
	return fmt.Sprintf("%s: check %s%s", what, c.credentials(), tenant)
}

// isConnectionReset tells a connection that broke, which another attempt may mend,
// from one that was never made.
func isConnectionReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// noCertificate is how nginx says that a client showed no certificate, and badCertificate
// that it showed one that does not do. Both come with status 400.
const (
	noCertificate  = "No required SSL certificate was sent"
	badCertificate = "The SSL certificate error"
)

// noTenant is how Loki, Tempo, Mimir and Cortex say that no tenant was named.
const noTenant = "no org id"

// severalTenants is how they say that one is all that they read at once, with status 500.
const severalTenants = "multiple org IDs present"

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
	case status == http.StatusBadRequest && strings.Contains(string(body), noCertificate):
		failure.Kind, failure.Detail = sources.ErrRefused, "it wants a certificate of the client, and none was sent"
		failure.Hint = "show it one: " + c.give().Certificate
	case status == http.StatusBadRequest && strings.Contains(string(body), badCertificate):
		failure.Kind, failure.Detail = sources.ErrRefused, "it does not accept the client's certificate"
		failure.Hint = "it may have expired, or be signed by another authority: " + c.give().Certificate
	case status/100 == 3 && location != nil:
		failure.Detail = "it redirects to " + Redact(location.String())
	case html:
		failure.Detail = "it answered with a web page"
	default:
		failure.Detail = c.explain(status, body)
	}
	switch {
	case status == http.StatusProxyAuthRequired:
		failure.Hint = proxyLogin
	case errors.Is(failure.Kind, sources.ErrRefused) && c.options.Access.Tenant == "" && strings.Contains(string(body), noTenant):
		failure.Hint = "it keeps tenants apart, and none was named: " + c.give().Tenant
	case strings.Contains(string(body), severalTenants):
		failure.Hint = fmt.Sprintf("it reads one tenant at a time: name one (%s), or let it read several: multi_tenant_queries_enabled of Loki, tenant_federation of Mimir and Cortex", c.give().Tenant)
	case html && status/100 == 2:
		failure.Hint = fmt.Sprintf("check that %s is the address of %s's API, with its path prefix; where a login stands before it, %s",
			c.origin(), c.options.Backend, c.give().Credentials)
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
