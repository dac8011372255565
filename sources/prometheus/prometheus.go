// Package prometheus reads time series over Prometheus's HTTP API
// (https://prometheus.io/docs/prometheus/latest/querying/api/), which Thanos, Mimir, Cortex
// and VictoriaMetrics speak too. It is the one place that knows that API's wire format, its
// limits and its error texts; the decoding itself is client_golang's.
//
// It does not build PromQL, judge what it reads or choose among exemplars, and it never
// writes. Names, values and help texts are returned as the server sent them, control
// characters and all, except in errors and warnings.
package prometheus

import (
	"context"
	"net/url"
	"sync/atomic"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"obs/sources"
	"obs/sources/transport"
)

// Client reads from one Prometheus. It is safe for concurrent use.
type Client struct {
	http   *transport.Client
	api    v1.API
	ledger *sources.Ledger
	// victoria is set once an answer was VictoriaMetrics's.
	victoria *atomic.Bool
}

var _ sources.Metrics = (*Client)(nil)

// New returns a client that sends through http and lists each question in ledger, which
// may be nil. Give the transport Explain and Final of this package. Nothing is sent: an
// address is checked by the transport, and a server by the first question.
func New(http *transport.Client, ledger *sources.Ledger) *Client {
	victoria := &atomic.Bool{}
	return &Client{http: http, api: v1.NewAPI(wire{http, victoria}), ledger: ledger, victoria: victoria}
}

// question is what the ledger says of a request.
type question struct {
	text   string
	window sources.Window
	// missing is what to do where the server has no such endpoint; empty for the
	// endpoints that every server of this API has.
	missing string
}

// ask puts one question; send tells how many things the answer holds.
func (c *Client) ask(ctx context.Context, q question, send func(context.Context) (int, error)) error {
	ctx, call := c.ledger.Start(ctx, sources.Prometheus, q.text, q.window)
	n, err := send(ctx)
	if err != nil {
		n, err = 0, c.failure(ctx, q, err)
	}
	call.End(n, err)
	return err
}

// Link is the address of query's graph over w in Prometheus's own page. The page has
// been at /query since version 3 and was at /graph before; a server of version 3 sends
// whoever asks for /graph on to /query, with all parameters, and reads the old page's
// number of a tab. Thanos and VictoriaMetrics have such a page too, Cortex has none. A zero window leaves the time to the page: the last hour.
func (c *Client) Link(query string, w sources.Window) string {
	params := url.Values{"g0.expr": {query}, "g0.tab": {"0"}}
	if !w.IsZero() {
		// The page takes whole seconds, in UTC.
		from, to := w.From.Truncate(time.Second), w.To.Add(time.Second-1).Truncate(time.Second)
		params.Set("g0.end_input", to.UTC().Format(time.DateTime))
		params.Set("g0.range_input", model.Duration(max(to.Sub(from), time.Second)).String())
	}
	return c.http.URL("/graph", params).String()
}
