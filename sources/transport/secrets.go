package transport

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/common/config"

	"obs/sources"
)

// secrets are the credentials that were sent or may be, so that they can be taken out of
// texts from outside: servers and proxies quote the request that they refuse.
type secrets struct {
	mu       sync.Mutex
	known    []string
	replacer *strings.Replacer
}

// maxSecrets bounds how many are kept: tokens are renewed some times a day.
const maxSecrets = 256

func (s *secrets) learn(all ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range all {
		if secret == "" || slices.Contains(s.known, secret) {
			continue
		}
		s.known = append(s.known, secret)
		s.replacer = nil
	}
	if len(s.known) > maxSecrets {
		s.known = slices.Delete(s.known, 0, len(s.known)-maxSecrets)
	}
}

// learnAll notes what a configuration holds in its own text.
func (s *secrets) learnAll(c *config.HTTPClientConfig) {
	if c.BasicAuth != nil {
		s.learnBasic(c.BasicAuth.Username, string(c.BasicAuth.Password))
	}
	if c.Authorization != nil {
		s.learn(string(c.Authorization.Credentials))
	}
	if c.OAuth2 != nil {
		s.learn(string(c.OAuth2.ClientCertificateKey))
		s.learnClient(c.OAuth2.ClientID, string(c.OAuth2.ClientSecret))
		s.learnProxy(c.OAuth2.ProxyURL.URL)
	}
	if c.HTTPHeaders != nil {
		for _, header := range c.HTTPHeaders.Headers {
			for _, secret := range header.Secrets {
				s.learn(string(secret))
			}
		}
	}
	for _, values := range c.ProxyConnectHeader {
		for _, value := range values {
			s.learn(string(value))
		}
	}
	s.learnProxy(c.ProxyURL.URL)
}

func (s *secrets) learnProxy(proxy *url.URL) {
	if proxy == nil || proxy.User == nil {
		return
	}
	if password, given := proxy.User.Password(); given {
		s.learnBasic(proxy.User.Username(), password)
	}
}

// learnClient notes a secret of OAuth 2, which goes out as a form's field or as a password,
// and there escaped like a field (RFC 6749, section 2.3.1).
func (s *secrets) learnClient(id, secret string) {
	s.learn(secret)
	s.learnBasic(url.QueryEscape(id), url.QueryEscape(secret))
}

func (s *secrets) learnBasic(username, password string) {
	if password != "" {
		s.learn(password, base64.StdEncoding.EncodeToString([]byte(username+":"+password)))
	}
}

// hide replaces the secrets in a text.
func (s *secrets) hide(text string) string {
	s.mu.Lock()
	if s.replacer == nil {
		// The longer first, in case that one is the beginning of another.
		slices.SortFunc(s.known, func(a, b string) int { return len(b) - len(a) })
		var pairs []string
		for _, secret := range s.known {
			pairs = append(pairs, secret, "…")
			// As part of an address or a form, it is written otherwise.
			if escaped := url.QueryEscape(secret); escaped != secret {
				pairs = append(pairs, escaped, "…")
			}
		}
		s.replacer = strings.NewReplacer(pairs...)
	}
	replacer := s.replacer
	s.mu.Unlock()
	return replacer.Replace(text)
}

// wordLength is up to how many bytes a password may be a word that stands in answers for other
// reasons, where taking it out would make another answer of it.
const wordLength = 12

// hideLong is hide for the answer to a question, and leaves short secrets.
func (s *secrets) hideLong(text string) string {
	s.mu.Lock()
	long := slices.DeleteFunc(slices.Clone(s.known), func(secret string) bool { return len(secret) <= wordLength || !strings.Contains(text, secret) })
	s.mu.Unlock()
	slices.SortFunc(long, func(a, b string) int { return len(b) - len(a) })
	for _, secret := range long {
		text = strings.ReplaceAll(text, secret, "…")
	}
	return text
}

// witness sees requests as they go out, behind everything that adds to them, and notes the
// credentials, wherever they came from.
type witness struct {
	next    http.RoundTripper
	known   *secrets
	headers *config.Headers
	// authorization is the header that credentials go out in, where it is another one.
	authorization string
}

func (w *witness) RoundTrip(request *http.Request) (*http.Response, error) {
	if scheme, sent, found := strings.Cut(request.Header.Get("Authorization"), " "); found {
		if username, password, ok := request.BasicAuth(); ok {
			w.known.learnBasic(username, password)
		} else if !strings.HasPrefix(scheme, "AWS4") { // whose parts are a signature of this very request
			w.known.learn(sent)
		}
	}
	w.known.learn(request.Header.Get("X-Amz-Security-Token"))
	if w.headers != nil {
		for name := range w.headers.Headers {
			if !strings.EqualFold(name, tenantHeader) {
				w.known.learn(request.Header.Values(name)...)
			}
		}
	}
	if sent := request.Header.Get("Authorization"); w.authorization != "" && sent != "" {
		request = request.Clone(request.Context())
		request.Header.Del("Authorization")
		request.Header.Set(w.authorization, sent)
	}
	return w.next.RoundTrip(request)
}

// CloseIdleConnections lets go of connections.
func (w *witness) CloseIdleConnections() { closeIdle(w.next) }

// learning is a secret that is noted as it is fetched.
type learning struct {
	config.SecretReader
	known  *secrets
	client string // whose secret it is, where it is one of OAuth 2
}

func (l *learning) Fetch(ctx context.Context) (string, error) {
	secret, err := l.SecretReader.Fetch(ctx)
	if err != nil {
		return "", &credentialError{err}
	}
	l.known.learn(secret)
	if l.client != "" {
		l.known.learnClient(l.client, secret)
	}
	return secret, nil
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
