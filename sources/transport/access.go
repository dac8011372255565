package transport

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"

	"github.com/prometheus/common/config"
	"github.com/prometheus/sigv4"
)

// tenantHeader names the tenant to servers that have several. Unlike other headers
// its value is a name and no secret.
const tenantHeader = "X-Scope-OrgID"

// Access is how a server is reached and what it wants to see. None of its secrets is ever
// printed. The zero Access is none: no credentials, the system's authorities, and the
// environment's proxy.
type Access struct {
	// HTTP has credentials, TLS, proxy and headers as the configuration of Prometheus's tools
	// does. Files that it names are read again when they change.
	HTTP config.HTTPClientConfig
	// Password and Token take the place of those in HTTP where they are not nil. They are
	// fetched with the first request and not before.
	Password, Token config.SecretReader
	// Tenant goes out as X-Scope-OrgID; several stand as a|b.
	Tenant string
	// SigV4 signs each request for Amazon's services. Nil for none.
	SigV4 *sigv4.SigV4Config
	// Header is where user and password, or the token, go in place of Authorization; empty for
	// that one.
	Header string
	// NoRedirects leaves redirects alone; HTTP's own setting of that kind counts for nothing,
	// since its zero value means both.
	NoRedirects bool
}

// Basic is an Access with a user and a password.
func Basic(username, password string) Access {
	return Access{HTTP: config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: username, Password: config.Secret(password)}}}
}

// Bearer is an Access with a token.
func Bearer(token string) Access { return Access{Token: config.NewInlineSecret(token)} }

// WithHeader adds a header, whose value counts as a secret.
func (a Access) WithHeader(name, value string) Access {
	headers := map[string]config.Header{name: {Secrets: []config.Secret{config.Secret(value)}}}
	if a.HTTP.HTTPHeaders != nil {
		for name, header := range a.HTTP.HTTPHeaders.Headers {
			headers[name] = header
		}
	}
	a.HTTP.HTTPHeaders = &config.Headers{Headers: headers}
	return a
}

// WithTenant names the tenant.
func (a Access) WithTenant(tenant string) Access {
	a.Tenant = tenant
	return a
}

// Authenticates tells that something is sent that says who asks, or that a client's
// certificate is shown.
func (a *Access) Authenticates() bool {
	c := &a.HTTP
	return a.Token != nil || a.Password != nil || a.SigV4 != nil || c.BasicAuth != nil || c.Authorization != nil || c.OAuth2 != nil ||
		c.HTTPHeaders != nil || c.TLSConfig.CertFile != "" || c.TLSConfig.Cert != ""
}

// authorizer adds credentials to requests for the backend's own host, and to no
// other: a redirect must not carry them away, nor out of an encrypted connection.
type authorizer struct {
	base    *url.URL
	trusted http.RoundTripper // with credentials
	bare    http.RoundTripper // without
	tenant  string
}

func (a *authorizer) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("User-Agent", "obs")
	if !a.trusts(request.URL) {
		return a.bare.RoundTrip(request)
	}
	if a.tenant != "" {
		request.Header.Set(tenantHeader, a.tenant)
	}
	return a.trusted.RoundTrip(request)
}

func (a *authorizer) trusts(u *url.URL) bool {
	return u.Host == a.base.Host && (u.Scheme == "https" || u.Scheme == a.base.Scheme)
}

// CloseIdleConnections lets the client that this is the transport of let go of them.
func (a *authorizer) CloseIdleConnections() {
	closeIdle(a.trusted)
	closeIdle(a.bare)
}

func closeIdle(r http.RoundTripper) {
	if closer, ok := r.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// roundTrippers builds the way to the server with its credentials, and a way without any
// for where it redirects to. What is sent as a credential is noted in known.
func (o *Options) roundTrippers(socket string, known *secrets) (trusted, bare http.RoundTripper, err error) {
	a := &o.Access
	known.learnAll(&a.HTTP)
	chain := func(next http.RoundTripper) http.RoundTripper { return a.chain(next, known) }
	if o.Base != nil {
		return chain(o.Base), o.Base, nil
	}
	authorities := a.HTTP.TLSConfig
	authorities.Cert, authorities.CertFile, authorities.Key, authorities.KeyFile = "", "", "", ""
	bareTLS, err := config.NewTLSConfig(&authorities)
	if err != nil {
		return nil, nil, err
	}
	// A name is checked that the configuration gives to its own server only.
	bareTLS.ServerName = ""
	bare = o.network(bareTLS, "")
	files := a.HTTP.TLSConfig
	settings := config.TLSRoundTripperSettings{CA: fileOf(files.CAFile), Cert: fileOf(files.CertFile), Key: fileOf(files.KeyFile)}
	own, err := config.NewTLSConfig(&files)
	if err != nil {
		return nil, nil, err
	}
	build := func(c *tls.Config) (http.RoundTripper, error) { return chain(o.network(c, socket)), nil }
	if settings.CA == nil && settings.Cert == nil && settings.Key == nil {
		trusted, err = build(own)
		return trusted, bare, err
	}
	trusted, err = config.NewTLSRoundTripper(own, settings, build)
	return trusted, bare, err
}

func fileOf(name string) config.SecretReader {
	if name == "" {
		return nil
	}
	return config.NewFileSecret(name)
}

// network is the way to a server, over a Unix socket where one is named.
func (o *Options) network(secure *tls.Config, socket string) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = o.Concurrency
	t.TLSClientConfig = secure
	proxy := o.Access.HTTP.ProxyConfig
	if proxy.ProxyURL.URL == nil {
		proxy.ProxyFromEnvironment = true
	}
	t.Proxy, t.ProxyConnectHeader = proxy.Proxy(), proxy.GetProxyConnectHeader()
	if socket != "" {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	}
	return t
}

// chain puts what adds credentials before the network.
func (a *Access) chain(next http.RoundTripper, known *secrets) http.RoundTripper {
	c := &a.HTTP
	var rt http.RoundTripper = &witness{next: next, known: known, headers: c.HTTPHeaders, authorization: a.Header}
	reader := func(own config.SecretReader, text config.Secret, file string) *learning {
		switch {
		case own != nil:
		case file != "":
			own = config.NewFileSecret(file)
		default:
			own = config.NewInlineSecret(string(text))
		}
		return &learning{SecretReader: own, known: known}
	}
	if a.SigV4 != nil {
		rt = &signer{config: a.SigV4, next: rt}
	}
	switch {
	case a.Token != nil:
		rt = config.NewAuthorizationCredentialsRoundTripper("Bearer", reader(a.Token, "", ""), rt)
	case c.Authorization != nil:
		rt = config.NewAuthorizationCredentialsRoundTripper(c.Authorization.Type, reader(nil, c.Authorization.Credentials, c.Authorization.CredentialsFile), rt)
	case c.BasicAuth != nil:
		user := config.SecretReader(config.NewInlineSecret(c.BasicAuth.Username))
		if c.BasicAuth.UsernameFile != "" {
			user = config.NewFileSecret(c.BasicAuth.UsernameFile)
		}
		rt = config.NewBasicAuthRoundTripper(user, reader(a.Password, c.BasicAuth.Password, c.BasicAuth.PasswordFile), rt)
	case c.OAuth2 != nil:
		secret := reader(nil, c.OAuth2.ClientSecret, c.OAuth2.ClientSecretFile)
		if c.OAuth2.ClientCertificateKey != "" || c.OAuth2.ClientCertificateKeyFile != "" {
			secret = reader(nil, c.OAuth2.ClientCertificateKey, c.OAuth2.ClientCertificateKeyFile)
		}
		secret.client = c.OAuth2.ClientID
		rt = config.NewOAuth2RoundTripper(secret, c.OAuth2, rt)
	}
	if c.HTTPHeaders != nil {
		rt = config.NewHeadersRoundTripper(c.HTTPHeaders, rt)
	}
	return rt
}

// signer signs for Amazon's services. Who signs is asked for with the first request, since
// that may take a request of its own.
type signer struct {
	config *sigv4.SigV4Config
	next   http.RoundTripper

	once   sync.Once
	signed http.RoundTripper
	err    error
}

func (s *signer) RoundTrip(request *http.Request) (*http.Response, error) {
	s.once.Do(func() { s.signed, s.err = sigv4.NewSigV4RoundTripper(s.config, s.next) })
	if s.err != nil {
		return nil, &credentialError{s.err}
	}
	return s.signed.RoundTrip(request)
}

// CloseIdleConnections lets go of connections.
func (s *signer) CloseIdleConnections() { closeIdle(s.next) }

// credentialError tells that a request was not sent, for want of a credential.
type credentialError struct{ err error }

func (e *credentialError) Error() string {
	return fmt.Sprintf("its credentials cannot be had: %v", e.err)
}
func (e *credentialError) Unwrap() error { return e.err }
