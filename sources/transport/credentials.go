package transport

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"obs/sources"
)

// tenantHeader names the tenant to servers that have several. Unlike other headers
// its value is a name and no secret.
const tenantHeader = "X-Scope-OrgID"

// Credentials are what a server wants to see. None of it is ever printed.
type Credentials struct {
	Username, Password string
	BearerToken        string
	Headers            map[string]string // such as X-Scope-OrgID
}

// authorizer adds credentials to requests for the backend's own host, and to no
// other: a redirect must not carry them away, nor out of an encrypted connection.
type authorizer struct {
	next        http.RoundTripper
	base        *url.URL
	credentials Credentials
}

func (a *authorizer) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("User-Agent", "obs")
	if a.trusts(request.URL) {
		for name, value := range a.credentials.Headers {
			request.Header.Set(name, value)
		}
		switch {
		case a.credentials.BearerToken != "":
			request.Header.Set("Authorization", "Bearer "+a.credentials.BearerToken)
		case a.credentials.Username != "" || a.credentials.Password != "":
			request.SetBasicAuth(a.credentials.Username, a.credentials.Password)
		}
	}
	return a.next.RoundTrip(request)
}

func (a *authorizer) trusts(u *url.URL) bool {
	return u.Host == a.base.Host && (u.Scheme == "https" || u.Scheme == a.base.Scheme)
}

// secrets replaces the credentials in texts from outside: servers and proxies quote
// the request that they refuse.
func (c *Credentials) secrets() *strings.Replacer {
	all := []string{c.Password, c.BearerToken}
	if c.Password != "" {
		all = append(all, base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password)))
	}
	for name, value := range c.Headers {
		if !strings.EqualFold(name, tenantHeader) {
			all = append(all, value)
		}
	}
	// The longer first, in case that one is the beginning of another.
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, secret := range all {
		if secret != "" {
			pairs = append(pairs, secret, "…")
		}
	}
	return strings.NewReplacer(pairs...)
}

// userInfo is user and password inside an address, as errors about proxies quote it.
var userInfo = regexp.MustCompile(`//[^\s"/]+@`)

// Redact takes user, password and parameters out of an address that is to be printed.
// Of what is not an http address it leaves little, since a password may stand anywhere.
func Redact(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" && !strings.Contains(u.Path, "@") {
		u.User, u.RawQuery, u.Fragment = nil, "", ""
		return sources.Printable(u.String())
	}
	if at := strings.LastIndexByte(address, '@'); at >= 0 {
		address = "…" + address[at:]
	}
	if i := strings.IndexAny(address, "?#"); i >= 0 {
		address = address[:i]
	}
	return sources.Printable(address)
}

// CloseIdleConnections lets the client that this is the transport of let go of them.
func (a *authorizer) CloseIdleConnections() {
	if closer, ok := a.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}
