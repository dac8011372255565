package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/coder/websocket"

	"obs/sources"
)

// WebSocket opens a web socket at a path below the base: with the same credentials,
// retries and errors as any other request. header may be nil; onPing, which may be nil
// too, is called for each sign of life that the server sends without being asked.
//
// The time of one attempt bounds the opening and nothing after it, and the place among
// the requests under way is free again as soon as the socket is open. One message may
// have as many bytes as one answer; a larger one fails with websocket.ErrMessageTooBig.
// The caller closes the connection.
func (c *Client) WebSocket(ctx context.Context, path string, params url.Values, header http.Header, onPing func()) (*websocket.Conn, error) {
	if c.options.Tape != nil {
		return nil, c.Failure(ctx, sources.ErrBadQuery, errNotTaped)
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, c.ended(ctx)
	}
	options := &websocket.DialOptions{
		HTTPClient: c.http,
		HTTPHeader: header,
		OnPingReceived: func(context.Context, []byte) bool {
			if onPing != nil {
				onPing()
			}
			return true
		},
	}
	for attempt := 0; ; attempt++ {
		sources.CallFrom(ctx).AddAttempt()
		connection, response, body, err := c.handshake(ctx, c.URL(path, params).String(), options) //nolint:bodyclose // Dial has closed it
		if connection != nil {
			connection.SetReadLimit(c.options.MaxBytes)
			return connection, nil
		}
		wait, again := c.worthRetrying(response, body, err, attempt)
		if !again || ctx.Err() != nil {
			if err == nil {
				err = c.notSwitched(ctx, response, body)
			}
			return nil, err
		}
		if err := c.options.Sleep(ctx, wait); err != nil {
			return nil, c.ended(ctx)
		}
	}
}

// handshake is a single attempt. Without a connection there is either an answer that
// refuses, with the first KiB of its body, or an error when no answer came.
func (c *Client) handshake(parent context.Context, address string, options *websocket.DialOptions) (*websocket.Conn, *http.Response, []byte, error) {
	ctx, cancel := context.WithTimeout(parent, c.options.Timeout)
	defer cancel()
	connection, response, err := websocket.Dial(ctx, address, options)
	switch {
	case err == nil:
		return connection, response, nil, nil
	case response == nil:
		return nil, nil, nil, c.networkFailure(parent, err)
	}
	body, _ := io.ReadAll(response.Body) // in memory
	sources.CallFrom(parent).AddBytes(len(body))
	return nil, response, body, nil
}

var errNotSwitched = errors.New("it does not open a web socket there")

// notSwitched is the failure of a server that answered without opening a web socket.
func (c *Client) notSwitched(ctx context.Context, response *http.Response, body []byte) error {
	if response.StatusCode != http.StatusSwitchingProtocols {
		if err := c.judge(ctx, response, body); err != nil {
			return err
		}
	}
	failure := c.Failure(ctx, sources.ErrNotThisAPI, errNotSwitched)
	failure.Status = response.StatusCode
	return failure
}
