// Package connect turns what a person configured, by flags and by environment, into
// opened sources.
//
// It is the one place that knows all backends: a new one is a package beside the others
// and a line here. It sends nothing; whether an address answers shows with the first
// query.
package connect

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"obs/sources"
	"obs/sources/jaeger"
	"obs/sources/loki"
	"obs/sources/prometheus"
	"obs/sources/tempo"
	"obs/sources/transport"
)

// Options are what was configured. A flag wins over the environment.
type Options struct {
	PrometheusURL, LokiURL, JaegerURL, TempoURL string // from the flags; empty when not given
	// Getenv reads the environment; os.Getenv when nil.
	Getenv func(string) string
	// ReadFile reads a file that holds a secret; os.ReadFile when nil.
	ReadFile func(string) ([]byte, error)
	Ledger   *sources.Ledger
	Timeout  time.Duration // of one attempt; transport's default when 0
}

// NotConfiguredError tells that there is no address of any backend.
type NotConfiguredError struct{}

func (NotConfiguredError) Error() string { return "no backend is configured" }

// Hint says what to do about it.
func (NotConfiguredError) Hint() string {
	return "set PROMETHEUS_URL, LOKI_URL (or LOKI_ADDR) and JAEGER_URL (or TEMPO_URL), or give --prometheus-url, --loki-url and --jaeger-url (or --tempo-url); any one of them will do"
}

// ErrEmptyToken tells that a file which is to hold a token holds none. Asking without
// one would look as if the server had refused it.
var ErrEmptyToken = errors.New("the file is empty")

// ErrTwoTraceBackends tells that two flags name where traces are. In the environment both
// may stand, as one machine sets them for several tools: there Jaeger is asked.
var ErrTwoTraceBackends = errors.New("--jaeger-url and --tempo-url both name where traces are: give one of them")

// Open checks the addresses and returns what can be read from. A backend without an
// address is left nil; that all three are is a NotConfiguredError.
func Open(o Options) (sources.Set, error) {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.ReadFile == nil {
		o.ReadFile = os.ReadFile
	}
	if o.Ledger == nil {
		o.Ledger = &sources.Ledger{}
	}
	if o.JaegerURL != "" && o.TempoURL != "" {
		return sources.Set{}, ErrTwoTraceBackends
	}
	set := sources.Set{Ledger: o.Ledger}
	if address, origin := o.address(o.PrometheusURL, "--prometheus-url", "PROMETHEUS_URL"); address != "" {
		client, err := transport.New(transport.Options{
			Backend: sources.Prometheus, URL: address, Origin: origin, Timeout: o.Timeout,
			Explain: prometheus.Explain, Final: prometheus.Final,
		})
		if err != nil {
			return sources.Set{}, err
		}
		set.Metrics, set.OnClose = prometheus.New(client, o.Ledger), append(set.OnClose, client.Close)
	}
	if address, origin := o.address(o.LokiURL, "--loki-url", "LOKI_URL", "LOKI_ADDR"); address != "" {
		credentials, err := o.lokiCredentials()
		if err != nil {
			return sources.Set{}, err
		}
		client, err := transport.New(transport.Options{
			Backend: sources.Loki, URL: address, Origin: origin, Timeout: o.Timeout,
			Explain: loki.Explain, Credentials: credentials,
		})
		if err != nil {
			return sources.Set{}, err
		}
		set.Logs, set.OnClose = loki.New(client, o.Ledger), append(set.OnClose, client.Close)
		set.LogsKey = keyOf(address, credentials.Headers["X-Scope-OrgID"])
	}
	if address, origin := o.address(o.JaegerURL, "--jaeger-url", "JAEGER_URL"); address != "" && o.TempoURL == "" {
		client, err := transport.New(transport.Options{
			Backend: sources.Jaeger, URL: address, Origin: origin, Timeout: o.Timeout, Explain: jaeger.Explain,
		})
		if err != nil {
			return sources.Set{}, err
		}
		set.Traces, set.OnClose = jaeger.New(client, o.Ledger), append(set.OnClose, client.Close)
	}
	if address, origin := o.address(o.TempoURL, "--tempo-url", "TEMPO_URL"); address != "" && set.Traces == nil {
		client, err := transport.New(transport.Options{
			Backend: sources.Tempo, URL: address, Origin: origin, Timeout: o.Timeout, Explain: tempo.Explain,
			Credentials: transport.Credentials{Headers: tenant(o.Getenv("TEMPO_ORG_ID"))},
		})
		if err != nil {
			return sources.Set{}, err
		}
		set.Traces, set.OnClose = tempo.New(client, o.Ledger), append(set.OnClose, client.Close)
	}
	if set.Metrics == nil && set.Logs == nil && set.Traces == nil {
		return sources.Set{}, NotConfiguredError{}
	}
	return set, nil
}

// address is the flag's value, or that of the first variable that is set, with where it
// was found.
func (o *Options) address(given, flag string, variables ...string) (address, origin string) {
	if given != "" {
		return given, flag
	}
	for _, name := range variables {
		if value := o.Getenv(name); value != "" {
			return value, name
		}
	}
	return "", ""
}

// lokiCredentials reads the variables that logcli reads too.
func (o *Options) lokiCredentials() (transport.Credentials, error) {
	c := transport.Credentials{
		Username:    o.Getenv("LOKI_USERNAME"),
		Password:    o.Getenv("LOKI_PASSWORD"),
		BearerToken: o.Getenv("LOKI_BEARER_TOKEN"),
		Headers:     map[string]string{},
	}
	if file := o.Getenv("LOKI_BEARER_TOKEN_FILE"); file != "" && c.BearerToken == "" {
		token, err := o.ReadFile(file)
		if err != nil {
			return c, fmt.Errorf("LOKI_BEARER_TOKEN_FILE: %w", err)
		}
		if c.BearerToken = strings.TrimSpace(string(token)); c.BearerToken == "" {
			return c, fmt.Errorf("LOKI_BEARER_TOKEN_FILE: %s: %w", file, ErrEmptyToken)
		}
	}
	if tenant := o.Getenv("LOKI_ORG_ID"); tenant != "" {
		c.Headers["X-Scope-OrgID"] = tenant
	}
	return c, nil
}

// tenant is the header that names one, if there is one.
func tenant(name string) map[string]string {
	if name == "" {
		return nil
	}
	return map[string]string{"X-Scope-OrgID": name}
}

// keyOf is one for each address and tenant, whatever credentials stand in the address.
func keyOf(address, tenant string) string {
	if u, err := url.Parse(address); err == nil {
		u.User = nil
		address = u.String()
	}
	sum := sha256.Sum256([]byte(address + "\x00" + tenant))
	return hex.EncodeToString(sum[:8])
}
