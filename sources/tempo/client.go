// Package tempo reads traces from a Grafana Tempo server, and is the only place that
// knows its wire formats.
//
// It uses the HTTP API that is described at https://grafana.com/docs/tempo/latest/api_docs/
// and TraceQL (https://grafana.com/docs/tempo/latest/traceql/). A search there answers with
// summaries, so that each trace it names is fetched by its ID. Traces come as OTLP in JSON:
// from /api/v2/traces, and on servers that have not got that from /api/traces.
//
// Tempo has no page: links are addresses of the API. It counts no calls between services
// either: its service graph is metrics, which it writes to Prometheus.
package tempo

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"obs/sources"
	"obs/sources/transport"
)

var (
	_ sources.Traces    = (*Client)(nil)
	_ sources.Describer = (*Client)(nil)
)

// Client reads one Tempo server. It is safe for concurrent use.
type Client struct {
	http   *transport.Client
	ledger *sources.Ledger
	now    func() time.Time

	v2 atomic.Int32 // whether it has the second generation of traces by ID: one of the below
	// recalled tells that the second is known to be absent from an earlier run only.
	recalled atomic.Bool
	known    sources.Abilities // nil to remember nothing
}

// What is remembered of a server: under this name that it has only the first generation.
const abilityTraces, onlyV1 = "tempo.traces", "v1"

// What is known of a server's /api/v2/traces. A trace that it does not know and a path
// that it does not know are both not found.
const (
	unknown int32 = iota
	present
	absent
)

// New returns a client that sends its requests through http and notes each question in
// ledger, which may be nil.
func New(http *transport.Client, ledger *sources.Ledger) *Client {
	return &Client{http: http, ledger: ledger, now: ledger.Time}
}

// Remember makes the client go by what is known of the server from an earlier run, and keep
// what it finds out. Nothing is known where it is nil. It comes before the first question.
func (c *Client) Remember(known sources.Abilities) *Client {
	c.known = known
	if known != nil && known.Recall(abilityTraces) == onlyV1 {
		c.v2.Store(absent)
		c.recalled.Store(true)
	}
	return c
}

// Backend implements sources.Traces.
func (c *Client) Backend() sources.Backend { return sources.Tempo }

// Describe implements sources.Describer. Gateways in front of Tempo may hide its build
// information; that it answers as Tempo does is told by its echo.
func (c *Client) Describe(ctx context.Context) (sources.Server, error) {
	server := sources.Server{Product: "tempo", API: "v2"}
	if c.v2.Load() == absent {
		server.API = "v1"
	}
	const buildInfo, echo = "/api/status/buildinfo", "/api/echo"
	err := c.describe(ctx, buildInfo, &server, func(body []byte) error {
		var info struct {
			Version string `json:"version"`
		}
		err := json.Unmarshal(body, &info)
		server.Version = info.Version
		return err
	})
	if !errors.Is(err, sources.ErrNotFound) {
		return server, err
	}
	err = c.describe(ctx, echo, &server, func(body []byte) error {
		if strings.TrimSpace(string(body)) != "echo" {
			return errors.New("it does not answer with echo")
		}
		return nil
	})
	return server, c.missing(ctx, err)
}

// describe asks for what a server tells of itself, and takes the time from the answer.
func (c *Client) describe(ctx context.Context, path string, server *sources.Server, read func([]byte) error) error {
	ctx = transport.Timed(ctx)
	header, err := c.ask(ctx, question{text: "GET " + path, path: path}, whole(func(body []byte) (int, error) { return 1, read(body) }))
	transport.Told(ctx, header, server)
	return err
}

// question is one request.
type question struct {
	text   string // for the ledger
	path   string
	params url.Values
	window sources.Window // zero where the question has none
}

// ask notes the question, sends it, and hands the answer to read, which returns how many
// records it held. It may be called again, with the answer from its beginning.
func (c *Client) ask(ctx context.Context, q question, read func(io.Reader) (int, error)) (http.Header, error) {
	ctx, call := c.ledger.Start(ctx, sources.Tempo, q.text, q.window)
	header, records, err := c.exchange(ctx, q, read)
	call.End(records, err)
	return header, err
}

// exchange sends the question as a part of one that is noted.
func (c *Client) exchange(ctx context.Context, q question, read func(io.Reader) (int, error)) (http.Header, int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.http.URL(q.path, q.params).String(), nil)
	if err != nil {
		return nil, 0, c.http.Failure(ctx, sources.ErrBadQuery, err)
	}
	request.Header.Set("Accept", "application/json") // a trace may come as protocol buffers else
	records := 0
	response, _, err := c.http.Stream(request, func(body io.Reader) (err error) { //nolint:bodyclose // Stream has closed it
		records, err = read(body)
		return err
	})
	var header http.Header
	if response != nil {
		header = response.Header
	}
	if err == nil {
		return header, records, nil
	}
	if known := (*sources.Error)(nil); errors.As(err, &known) {
		return header, 0, advise(known)
	}
	kind := sources.ErrNotThisAPI
	if errors.Is(err, errNoSpans) {
		kind = sources.ErrNotFound
	}
	return header, 0, c.http.Failure(ctx, kind, err)
}

// whole reads an answer that is short.
func whole(read func([]byte) (int, error)) func(io.Reader) (int, error) {
	return func(body io.Reader) (int, error) {
		all, err := io.ReadAll(body)
		if err != nil {
			return 0, err
		}
		return read(all)
	}
}

// missing makes of an endpoint that is not there, and that every Tempo has, an address at
// which something else answers.
func (c *Client) missing(ctx context.Context, err error) error {
	failure, ok := errors.AsType[*sources.Error](err)
	if !ok || !errors.Is(failure, sources.ErrNotFound) {
		return err
	}
	mistaken := c.http.Failure(ctx, sources.ErrNotThisAPI, nil)
	mistaken.Status, mistaken.Asked, mistaken.Detail = failure.Status, failure.Asked, failure.Detail
	return mistaken
}

// Explain takes the message out of a refusal, for transport.Options: Tempo writes plain
// text, the gateways in front of it JSON objects of several kinds. It returns nothing where
// the whole text is the message.
func Explain(status int, body []byte) string { return transport.ExplainText(status, body) }

// advice is what to do about refusals that say these words.
var advice = transport.Advice{
	{"range specified by start and end exceeds", "ask for a shorter window: the server's query_frontend.search.max_duration bounds it"},
	{"exceeds max", "the trace is larger than the server gives: its max_bytes_per_trace and the size of its messages bound it"},
	{"larger than max", "the trace is larger than the server gives: its max_bytes_per_trace and the size of its messages bound it"},
	{"job queue full", "the server has too many searches to do: try again in a while, or with a shorter window"},
}

// stopped is how Tempo says where in a query it stopped.
var stopped = regexp.MustCompile(`parse error at line ([0-9]{1,6}), col ([0-9]{1,6}): `)

// advise makes a refusal tell what to do about it in the case of Tempo.
func advise(failure *sources.Error) error {
	transport.StoppedAt(stopped, failure)
	advice.To(failure)
	return failure
}

// bounds are the parameters of a window. Tempo reads whole seconds, so that the window
// grows to them; but a long one only at its end, for servers refuse to search more than so
// many hours (query_frontend.search.max_duration), which may be just what is asked for.
func bounds(w sources.Window) url.Values {
	params := url.Values{}
	if w.IsZero() {
		return params
	}
	start, end := w.From.Unix(), w.To.Unix()
	if w.To.Nanosecond() > 0 {
		end++
	}
	if w.From.Nanosecond() > 0 && w.Duration() >= time.Hour {
		start++
	}
	params.Set("start", strconv.FormatInt(start, 10))
	params.Set("end", strconv.FormatInt(end, 10))
	return params
}

func (c *Client) check(ctx context.Context, w sources.Window) error {
	if !w.To.After(w.From) {
		return c.http.Failure(ctx, sources.ErrBadQuery, errors.New("the window is empty"))
	}
	return nil
}
