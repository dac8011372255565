package connect

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/prometheus/common/config"

	"obs/sources"
	"obs/sources/connect/profile"
	"obs/sources/transport"
)

// access is how the profile says that a backend is reached.
func (s *Settings) access(c *profile.Connection, b sources.Backend) (transport.Access, error) {
	a, err := accessOf(c, s.options.Getenv)
	if err != nil {
		return transport.Access{}, fmt.Errorf("%s: %w", s.key(b), err)
	}
	return a, nil
}

func accessOf(c *profile.Connection, getenv func(string) string) (transport.Access, error) {
	a := transport.Access{Tenant: c.Tenant, SigV4: c.SigV4}
	if err := c.Check(); err != nil {
		return a, err
	}
	own := c.HTTPConfig
	if c.HTTPConfigFile != "" {
		if own != nil {
			return a, errors.New("give http_config or http_config_file and not both")
		}
		var err error
		if own, err = readHTTPConfig(c.HTTPConfigFile); err != nil {
			return a, err
		}
	}
	if own != nil {
		if err := own.Validate(); err != nil {
			return a, fmt.Errorf("http_config: %w", err)
		}
		a.HTTP, a.NoRedirects = *own, !own.FollowRedirects
	}
	ways := 0
	for _, given := range []bool{a.HTTP.BasicAuth != nil, a.HTTP.Authorization != nil, a.HTTP.OAuth2 != nil} {
		if given {
			ways++
		}
	}
	password := c.PasswordReader(getenv)
	if c.Username != "" || password != nil {
		a.HTTP.BasicAuth, a.Password = &config.BasicAuth{Username: c.Username}, password
		ways++
	}
	if a.Token = c.TokenReader(getenv); a.Token != nil {
		ways++
	}
	if ways > 1 || (ways > 0 && a.SigV4 != nil) {
		return a, ErrTwoWays
	}
	return a, nil
}

func readHTTPConfig(path string) (*config.HTTPClientConfig, error) {
	c, _, err := config.LoadHTTPConfigFile(path)
	if err != nil {
		// The library quotes the value that it does not understand, which may be a secret.
		return nil, fmt.Errorf("%s cannot be read as Prometheus's http_config: %s", sources.Printable(path), firstLine(err))
	}
	return c, nil
}

// firstLine is an error without the parts that quote what was read.
func firstLine(err error) string {
	text, _, _ := strings.Cut(err.Error(), "`")
	text, _, _ = strings.Cut(strings.TrimPrefix(text, "yaml: unmarshal errors:\n"), "\n")
	return sources.Printable(strings.TrimSpace(text))
}

// address is the flag's value, or that of the first variable that is set, with where it
// was found.
func (o *Options) address(k kind) (address, origin string) {
	if address := k.given(o); address != "" {
		return address, k.flag
	}
	return o.variable(k)
}

// variable is the address in the environment, with the name of its variable.
func (o *Options) variable(k kind) (address, name string) {
	for _, name := range k.address {
		if value := o.Getenv(name); value != "" {
			return value, name
		}
	}
	return "", ""
}

// environment is how the environment says that a backend is reached, in the variables of
// logcli (https://grafana.com/docs/loki/latest/query/logcli/), for each backend with its own
// name in front. Where they come from is empty where there are none.
func (o *Options) environment(k kind) (a transport.Access, origin string, err error) {
	get := func(name string) string {
		value := o.Getenv(k.prefix + "_" + name)
		if value != "" {
			origin = cmp.Or(origin, k.prefix+"_"+name)
		}
		return value
	}
	c := profile.Connection{
		Username: get("USERNAME"), Password: config.Secret(get("PASSWORD")), PasswordFile: get("PASSWORD_FILE"),
		Token: config.Secret(get("BEARER_TOKEN")), TokenFile: get("BEARER_TOKEN_FILE"),
		Tenant: get("ORG_ID"), HTTPConfigFile: get("HTTP_CONFIG_FILE"),
	}
	if c.Token != "" { // as in logcli
		c.TokenFile = ""
	}
	if c.Password != "" {
		c.PasswordFile = ""
	}
	if c.Token != "" || c.TokenFile != "" { // the token says more than a user does
		c.Username, c.Password, c.PasswordFile = "", "", ""
	}
	if a, err = accessOf(&c, o.Getenv); err != nil {
		return a, origin, fmt.Errorf("%s and its like: %w", origin, err)
	}
	tls := &a.HTTP.TLSConfig
	tls.CAFile, tls.CertFile, tls.KeyFile = cmp.Or(get("CA_CERT_PATH"), tls.CAFile), cmp.Or(get("CLIENT_CERT_PATH"), tls.CertFile), cmp.Or(get("CLIENT_KEY_PATH"), tls.KeyFile)
	if skip := get("TLS_SKIP_VERIFY"); skip != "" {
		if tls.InsecureSkipVerify, err = strconv.ParseBool(skip); err != nil {
			return a, origin, fmt.Errorf("%s_TLS_SKIP_VERIFY is neither true nor false", k.prefix)
		}
	}
	if proxy := get("HTTP_PROXY_URL"); proxy != "" {
		u, err := url.Parse(proxy)
		if err != nil {
			return a, origin, fmt.Errorf("%s_HTTP_PROXY_URL is not an address", k.prefix)
		}
		a.HTTP.ProxyURL = config.URL{URL: u}
	}
	a.Header = get("AUTH_HEADER")
	if tags := get("QUERY_TAGS"); tags != "" {
		a = a.WithHeader("X-Query-Tags", tags)
	}
	return a, origin, nil
}

// byVariables says how the environment gives what a backend wants to see.
func byVariables(prefix string) transport.Give {
	return transport.Give{
		Credentials: fmt.Sprintf("set %s_BEARER_TOKEN_FILE, or %s_USERNAME and %s_PASSWORD_FILE", prefix, prefix, prefix),
		Tenant:      fmt.Sprintf("set %s_ORG_ID", prefix),
		Authority:   fmt.Sprintf("set %s_CA_CERT_PATH", prefix),
		Certificate: fmt.Sprintf("set %s_CLIENT_CERT_PATH and %s_CLIENT_KEY_PATH", prefix, prefix),
	}
}

// byKeys says how a profile does.
func byKeys(b sources.Backend, name string) transport.Give {
	set := fmt.Sprintf("obs config set --profile %s %s.", quoted(name), b)
	return transport.Give{
		Credentials: fmt.Sprintf("%stoken_file FILE, or username NAME and password_file FILE", set),
		Tenant:      set + "tenant NAME",
		Authority:   set + "http_config.tls_config.ca_file FILE",
		Certificate: set + "http_config.tls_config.cert_file FILE, and key_file",
	}
}

// besides says where that stands for an address of a working directory's file, which gets
// nobody's credentials.
func besides(b sources.Backend) transport.Give {
	const into = "write the address into a profile, and beside it "
	set := fmt.Sprintf("(obs config set %s.url ADDRESS)", b)
	return transport.Give{
		Credentials: into + "token_file, or username and password_file " + set,
		Tenant:      into + "tenant " + set,
		Authority:   into + "http_config.tls_config.ca_file " + set,
		Certificate: into + "http_config.tls_config.cert_file and key_file " + set,
	}
}

// quoted is a word as a shell reads it.
func quoted(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool { return !strings.ContainsRune(plainInShell, r) }) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

const plainInShell = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/"
