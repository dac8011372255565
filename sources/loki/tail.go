package loki

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/tidwall/gjson"

	"obs/sources"
)

const (
	// firstPause and maxPause bound the wait before a connection is opened again. Loki
	// tells its clients of a restart by breaking all their connections at once.
	firstPause = 250 * time.Millisecond
	maxPause   = 10 * time.Second
	// maxFailures in a row take some 35 s by their waits alone: Loki calls itself ready
	// 15 s after its parts are (min_ready_duration), for which it needs about 10 s.
	maxFailures = 10
	// catchUpRecords is how many records are read at once of those that came before the
	// connection was open: 256 MiB of lines as long as max_line_size lets them be.
	catchUpRecords = 1000
	// tailBacklog is how many of the newest records the server sends first. They fill
	// what may lie between the end of catching up and the beginning of the tail.
	tailBacklog = 1000
	// ahead is how much the server's clock may be ahead of this one.
	ahead = time.Hour
)

// tail is a Follow under way.
type tail struct {
	client *Client
	query  string
	each   func([]sources.Record, int)
	recent *recent
	handed int // records handed over

	behind bool // there may be records that came before the connection
	opened bool // a connection has been opened
	worked bool // the server has sent something
	alive  bool // it has over this connection
}

// Follow implements sources.Logs. Records that came together are in the order of their
// time. As with Records, labels made by a parser are left out, and label sets are
// shared and not to be changed.
//
// Records from before the connection was open are read by pages, as Records does, each
// with a question of its own in the ledger.
func (c *Client) Follow(ctx context.Context, query string, from time.Time, each func(records []sources.Record, dropped int)) error {
	ctx, call := c.ledger.Start(ctx, sources.Loki, query, sources.Window{})
	t := &tail{client: c, query: query, each: each, behind: !from.IsZero()}
	if from.IsZero() {
		from = time.Now()
	}
	t.recent = newRecent(from)
	err := t.run(ctx)
	call.End(t.handed, err)
	return err
}

// run connects again and again until ctx ends or there is no more hope.
func (t *tail) run(ctx context.Context) error {
	for failures := 1; ; failures++ {
		err := t.connection(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // a tail that is ended has not failed
		}
		if t.alive {
			failures = 1
		}
		if t.final(err) || failures >= maxFailures {
			return err
		}
		select {
		case <-time.After(pause(failures)):
		case <-ctx.Done():
			return nil
		}
	}
}

// pause is the wait after so many failures in a row. Half of it is chance, so that not
// all clients come back to a server at the same moment.
func pause(failures int) time.Duration {
	d := min(firstPause<<(failures-1), maxPause)
	return d/2 + rand.N(d/2) //nolint:gosec // spreading load needs no secrecy
}

// final tells a failure after which another connection would fare no better. What has
// never worked is not tried for long: somebody waits to see whether it does.
func (t *tail) final(err error) bool {
	for _, kind := range []error{sources.ErrBadQuery, sources.ErrRefused, sources.ErrNotFound, sources.ErrNotThisAPI, sources.ErrTooLarge} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return !t.opened || !t.worked && !errors.Is(err, sources.ErrUnreachable)
}

// connection follows over one connection until it fails or ctx ends.
func (t *tail) connection(ctx context.Context) error {
	t.alive = false
	// What is caught up with comes again over the connection, its newest records at once.
	t.recent.hold(t.recent.resume(), time.Now().Add(overlap))
	socket, err := t.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = socket.CloseNow() }()
	t.opened = true
	begun := time.Now()
	// The server sends from now on, so that nothing can come in between.
	if t.behind {
		if err := t.catchUp(ctx); err != nil {
			return err
		}
	}
	t.behind = true
	for {
		_, text, err := socket.Read(ctx)
		if err != nil {
			// Proxies close what has been quiet for a while, which is no failure.
			t.alive = t.alive || time.Since(begun) > maxPause
			return t.broken(ctx, err)
		}
		sources.CallFrom(ctx).AddBytes(len(text))
		records, dropped, err := decodeFrame(text)
		if err != nil {
			return t.client.client.Failure(ctx, sources.ErrNotThisAPI, err)
		}
		t.seen()
		t.hand(records, dropped)
	}
}

func (t *tail) seen() { t.alive, t.worked = true, true }

func (t *tail) open(ctx context.Context) (socket *websocket.Conn, err error) {
	err = t.client.withLines(tailBacklog, func(lines int) error {
		params := url.Values{
			"query": {t.query}, "start": {nanoseconds(t.recent.resume())},
			"limit": {strconv.Itoa(lines)}, "delay_for": {"0"},
		}
		// The pings are read, and so seen, by the goroutine that reads the frames.
		socket, err = t.client.client.WebSocket(ctx, api+"tail", params, categorized, t.seen)
		if err != nil {
			err = t.client.advise(ctx, question{}, err)
		}
		return err
	})
	return socket, err
}

// catchUp hands over what the server has already, page by page. Where more records share
// one nanosecond than can be had at once, it goes on behind them, as Records does.
func (t *tail) catchUp(ctx context.Context) error {
	at, size := t.recent.resume(), catchUpRecords
	for {
		w := sources.Window{From: at, To: time.Now().Add(ahead)}
		answer, err := t.client.Records(ctx, t.query, w, size, true)
		more := err == nil && answer.Truncated && len(answer.Records) > 0
		if more {
			switch last := answer.Records[len(answer.Records)-1].Time; {
			case last.After(at):
				at = last
			case size < int(t.client.lines.Load()):
				size = int(t.client.lines.Load()) // may reach beyond this nanosecond
			default:
				at = at.Add(1)
			}
		}
		t.hand(answer.Records, 0)
		if !more {
			return err
		}
	}
}

// hand gives those of the records away that are not known yet.
func (t *tail) hand(records []sources.Record, dropped int) {
	now := time.Now()
	records = slices.DeleteFunc(records, func(r sources.Record) bool { return !t.recent.add(r, now) })
	if len(records) > 0 || dropped > 0 {
		t.handed += len(records)
		t.each(records, dropped)
	}
}

// What Loki says as it closes: when max_concurrent_tail_requests is reached, and to a
// query that counts or measures.
const (
	tooManyTails = "max concurrent tail requests limit exceeded"
	onlyLines    = "only log selector is supported"
)

// broken makes an error of the end of a connection. Loki opens the web socket before it
// looks whether it can serve the tail, and tells that it cannot as it closes.
func (t *tail) broken(ctx context.Context, err error) error {
	client := t.client.client
	if errors.Is(err, websocket.ErrMessageTooBig) {
		failure := client.Failure(ctx, sources.ErrTooLarge, err)
		failure.Hint = "follow fewer streams, or filter the lines"
		return failure
	}
	closed, ok := errors.AsType[websocket.CloseError](err)
	if !ok || closed.Code != websocket.StatusInternalError || closed.Reason == "" {
		return client.Failure(ctx, sources.ErrUnreachable, err)
	}
	kind := sources.ErrServer
	switch {
	case strings.Contains(closed.Reason, tooManyTails):
		kind = sources.ErrBusy
	case strings.Contains(closed.Reason, onlyLines):
		kind = sources.ErrBadQuery
	}
	return t.client.advise(ctx, question{}, client.Failure(ctx, kind, errors.New(closed.Reason)))
}

var errNotFrame = errors.New("neither records nor a number of dropped ones")

// decodeFrame reads a frame of a tail, the records by their time:
//
//	{"streams":[{"stream":{"name":"value"},"values":[…]}],
//	 "dropped_entries":[{"timestamp":"2026-01-01T00:00:00Z","labels":"{name=\"value\"}"}]}
//
// The values are as in the answer to a query. One of the two may be missing or null.
func decodeFrame(text []byte) (records []sources.Record, dropped int, err error) {
	if !json.Valid(text) {
		return nil, 0, errNotJSON
	}
	frame := gjson.ParseBytes(text)
	streams, lost := frame.Get("streams"), frame.Get("dropped_entries")
	if !streams.Exists() && !lost.Exists() {
		return nil, 0, errNotFrame
	}
	if streams.Exists() {
		// A set for each frame: over days, the labels of all records would fill the memory.
		if records, err = decodeStreamed(streams, labelSets{}); err != nil {
			return nil, 0, err
		}
	}
	if lost.Exists() {
		err = each(lost, func(gjson.Result) error {
			dropped++
			return nil
		})
	}
	if err != nil {
		return nil, 0, err
	}
	slices.SortStableFunc(records, func(a, b sources.Record) int { return a.Time.Compare(b.Time) })
	return records, dropped, nil
}
