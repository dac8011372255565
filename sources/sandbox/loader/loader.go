// Package loader puts a simulated shop's past into real backends: metrics into
// Prometheus by remote write, logs into Loki by its push API, traces into Jaeger by OTLP.
// Then it asks all of it back, for what a server took is not yet what it shows.
//
// A Loader is a shop.Sink that keeps everything in memory until Send. It writes to the
// addresses that it is given and to no others, and to other machines only where that
// was allowed in so many words. It does not clean up: the servers delete by age, and
// Options.Labels tell one run's signals from those of another.
package loader

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"obs/sources"
	"obs/sources/jaeger"
	"obs/sources/loki"
	"obs/sources/prometheus"
	"obs/sources/sandbox/shop"
	"obs/sources/transport"
)

// The flags that give the addresses, as messages name them.
const (
	flagPrometheus = "--prometheus-url"
	flagLoki       = "--loki-url"
	flagOTLP       = "--otlp-url"
	flagJaeger     = "--jaeger-url"
	flagRemote     = "--yes"
)

// ErrNoAddress tells that a backend was not named, ErrNotLoopback that one is, or may
// be, on another machine. The messages say what to do.
var (
	ErrNoAddress   = errors.New("an address is missing")
	ErrNotLoopback = errors.New("this address is not on this machine")
)

// Targets are the base addresses of the backends, all required. They are meant to come
// from flags: that a profile or the environment names a backend to read from is no leave
// to write to it.
type Targets struct {
	PrometheusURL string // takes /api/v1/write, and is read from
	LokiURL       string // takes /loki/api/v1/push, and is read from
	OTLPURL       string // takes /v1/traces, for Jaeger
	JaegerURL     string // Jaeger's query address, which is only read from
}

// Options say how to load. The zero value will do.
type Options struct {
	// AllowRemote permits addresses that are not loopback.
	AllowRemote bool
	// Progress is told how far Send and Check have come, a short line at a time and a few
	// dozen in all; nobody is when nil. It is called by one goroutine at a time.
	Progress func(string)
	// Labels are added to every series and stream, and to the resource of every span.
	Labels sources.Labels
	// Patience is how long Check waits for servers to show what they took; 30 seconds
	// when 0, and not at all when negative.
	Patience time.Duration
}

const defaultPatience = 30 * time.Second

// Loader buffers a past, sends it and checks it. It is not safe for concurrent use.
type Loader struct {
	targets Targets
	options Options
	buffer
	begun bool // to send

	prometheus, loki, otlp, jaeger *transport.Client
	metrics                        *prometheus.Client
	logs                           *loki.Client
	traces                         *jaeger.Client
}

var _ shop.Sink = (*Loader)(nil)

// New checks the addresses: ErrNoAddress, ErrNotLoopback, or a *sources.Error for what
// is no address. Nothing is sent yet.
func New(t Targets, o Options) (*Loader, error) {
	l := &Loader{targets: t, options: o}
	l.buffer = newBuffer(o.Labels)
	named := []*struct {
		address, flag string
		backend       sources.Backend
		explain       func(int, []byte) string
		client        **transport.Client
	}{
		{t.PrometheusURL, flagPrometheus, sources.Prometheus, prometheus.Explain, &l.prometheus},
		{t.LokiURL, flagLoki, sources.Loki, loki.Explain, &l.loki},
		{t.OTLPURL, flagOTLP, sources.Jaeger, explainOTLP, &l.otlp},
		{t.JaegerURL, flagJaeger, sources.Jaeger, jaeger.Explain, &l.jaeger},
	}
	var missing []string
	for _, n := range named {
		if strings.TrimSpace(n.address) == "" {
			missing = append(missing, n.flag)
		}
	}
	if missing != nil {
		return nil, fmt.Errorf("%w: give %s; to write to a server, obs wants it named on the command line", ErrNoAddress, strings.Join(missing, ", "))
	}
	for _, n := range named {
		bound := newBoundTransport(n.address)
		client, err := transport.New(transport.Options{
			Backend: n.backend, URL: n.address, Origin: n.flag, Explain: n.explain, Base: bound,
		})
		if err != nil {
			return nil, err
		}
		if !o.AllowRemote && !isLoopback(bound.host) {
			return nil, fmt.Errorf("%w: %s %s; a made-up incident would be written there: give an address of 127.0.0.1 or localhost, or %s if that is meant",
				ErrNotLoopback, n.flag, transport.Redact(n.address), flagRemote)
		}
		*n.client = client
	}
	l.metrics = prometheus.New(l.prometheus, nil)
	l.logs = loki.New(l.loki, nil)
	l.traces = jaeger.New(l.jaeger, nil)
	return l, nil
}

// Close lets go of the connections that are kept open, but for those of the client that
// pushes to Loki, which end by themselves some minutes later.
func (l *Loader) Close() {
	for _, client := range []*transport.Client{l.prometheus, l.loki, l.otlp, l.jaeger} {
		client.Close()
	}
}

func (l *Loader) progress(format string, args ...any) {
	if l.options.Progress != nil {
		l.options.Progress(fmt.Sprintf(format, args...))
	}
}

// isLoopback reports whether a host with a port or without is this machine: a loopback
// address, or the name that stands for one by RFC 6761, section 6.3. Other names are not
// looked up, since what they stand for may change.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || (ip != nil && ip.IsLoopback())
}

// boundTransport sends to one host alone, whatever a redirect or a proxy of the
// environment would have.
type boundTransport struct {
	host string
	*http.Transport
}

func newBoundTransport(address string) *boundTransport {
	b := &boundTransport{Transport: &http.Transport{}}
	if u, err := url.Parse(strings.TrimSpace(address)); err == nil {
		b.host = u.Host
	}
	return b
}

// RoundTrip implements http.RoundTripper.
func (b *boundTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Host != b.host {
		return nil, fmt.Errorf("it redirects to %s, and nothing is sent there", sources.Printable(request.URL.Host))
	}
	return b.Transport.RoundTrip(request)
}

// sleep waits, unless ctx ends before.
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
