// Package loki reads log records, and counts made from them, over Loki's HTTP API
// (https://grafana.com/docs/loki/latest/reference/loki-http-api/). It is the one place
// that knows Loki's wire format and its habits: pages, limits, error texts.
//
// It does not build LogQL (sources.LogQuery does), look for IDs in lines or judge what
// it reads, and it never writes. What Loki sends is returned as it came, control
// characters and all, except in errors and warnings.
package loki

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"obs/sources"
	"obs/sources/transport"
)

const api = "/loki/api/v1/"

// Client reads from one Loki. It is safe for concurrent use.
type Client struct {
	client *transport.Client
	ledger *sources.Ledger
	// lines is how many the server gives at once, as far as is known.
	lines atomic.Int64
	known sources.Abilities // nil to remember nothing
}

// abilityLines is under which name is remembered how many lines the server gives at once.
const abilityLines = "loki.lines"

var _ sources.Logs = (*Client)(nil)

// New returns a client that sends through client and lists each question in ledger,
// which may be nil. Have the transport explain refusals with Explain.
func New(client *transport.Client, ledger *sources.Ledger) *Client {
	c := &Client{client: client, ledger: ledger}
	c.lines.Store(defaultLines)
	return c
}

// Remember makes the client go by what is known of the server from an earlier run, and keep
// what it finds out. Nothing is known where it is nil. It comes before the first question.
func (c *Client) Remember(known sources.Abilities) *Client {
	c.known = known
	if known != nil {
		// Fewer than a server gives cost another page, more a refusal, which tells how many.
		if lines, err := strconv.Atoi(known.Recall(abilityLines)); err == nil && lines > 0 && lines < defaultLines {
			c.lines.Store(int64(lines))
		}
	}
	return c
}

// Link is the address at which the API answers query with the newest records of w.
func (c *Client) Link(query string, w sources.Window) string {
	params := windowParams(w)
	params.Set("query", query)
	params.Set("limit", "100")
	params.Set("direction", "backward")
	return c.client.URL(api+"query_range", params).String()
}

// question is one request and what to say of it.
type question struct {
	text     string         // as the ledger lists it
	window   sources.Window // as the ledger lists it
	endpoint string         // below api, escaped
	params   url.Values
	header   http.Header
	// missing is what to do where the server has no such endpoint; empty for the
	// endpoints that every Loki has.
	missing string
}

// ask puts one question. decode reads the body of the answer and tells how many things
// are in it.
func (c *Client) ask(ctx context.Context, q question, decode func(body []byte) (int, error)) error {
	ctx, call := c.ledger.Start(ctx, sources.Loki, q.text, q.window)
	n, err := c.answer(ctx, q, decode)
	call.End(n, err)
	return err
}

func (c *Client) answer(ctx context.Context, q question, decode func(body []byte) (int, error)) (int, error) {
	body, err := c.client.Get(ctx, api+q.endpoint, q.params, q.header)
	if err != nil {
		return 0, c.advise(ctx, q, err)
	}
	n, err := decode(body)
	switch {
	case errors.Is(err, errNotMetric), errors.Is(err, errNotLines):
		return 0, c.client.Failure(ctx, sources.ErrBadQuery, err)
	case err != nil:
		return 0, c.client.Failure(ctx, sources.ErrNotThisAPI, err)
	}
	return n, nil
}

// windowParams are the ends of w in nanoseconds. Loki takes the first as inclusive and
// the second as exclusive, as a Window has them. For the zero window there are none,
// and the server takes the last hours.
func windowParams(w sources.Window) url.Values {
	params := url.Values{}
	if !w.IsZero() {
		params.Set("start", nanoseconds(w.From))
		params.Set("end", nanoseconds(w.To))
	}
	return params
}

func nanoseconds(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }
