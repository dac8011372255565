package loki

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"obs/sources"
)

var _ sources.Describer = (*Client)(nil)

// Describe implements sources.Describer with status/buildinfo. A server without it is asked
// for its labels. That buildinfo answers says nothing of credentials: Loki gives it to
// everybody, whatever tenant it wants for records.
func (c *Client) Describe(ctx context.Context) (sources.Server, error) {
	described, err := c.describe(ctx, "status/buildinfo")
	if errors.Is(err, sources.ErrNotFound) {
		return c.describe(ctx, "labels")
	}
	return described, err
}

func (c *Client) describe(ctx context.Context, endpoint string) (described sources.Server, err error) {
	ctx, call := c.ledger.Start(ctx, sources.Loki, api+endpoint, sources.Window{})
	defer func() {
		if err != nil {
			described = sources.Server{}
			call.End(0, err)
			return
		}
		call.End(1, nil)
	}()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.client.URL(api+endpoint, nil).String(), nil)
	if err != nil {
		return described, c.client.Failure(ctx, sources.ErrBadQuery, err)
	}
	described.Product, described.API, described.Asked = "loki", "v1", time.Now()
	response, body, err := c.client.Do(request) //nolint:bodyclose // Do has read and closed it
	described.Answered = time.Now()
	if err != nil {
		if endpoint != "status/buildinfo" { // which servers before 2.5 do not have
			err = c.advise(ctx, question{}, err)
		}
		return described, err
	}
	described.Clock, _ = http.ParseTime(response.Header.Get("Date"))
	var answer struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return described, c.client.Failure(ctx, sources.ErrNotThisAPI, err)
	}
	described.Version = sources.Printable(answer.Version)
	return described, nil
}
