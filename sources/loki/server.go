package loki

import (
	"context"
	"errors"
	"net/http"

	"github.com/tidwall/gjson"

	"obs/sources"
	"obs/sources/transport"
)

var _ sources.Describer = (*Client)(nil)

// Describe implements sources.Describer with status/buildinfo. Where that is missing, or kept
// from whoever asks for records, the labels are asked for. That buildinfo answers says nothing
// of credentials: Loki gives it to everybody, whatever tenant it wants for records.
func (c *Client) Describe(ctx context.Context) (sources.Server, error) {
	described, err := c.describe(ctx, buildInfo)
	if sources.Untold(err) {
		return c.describe(ctx, "labels")
	}
	return described, err
}

const buildInfo = "status/buildinfo"

func (c *Client) describe(ctx context.Context, endpoint string) (described sources.Server, err error) {
	ctx, call := c.ledger.Start(transport.Timed(ctx), sources.Loki, api+endpoint, sources.Window{})
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
	described.Product, described.API = "loki", "v1"
	response, body, err := c.client.Do(request) //nolint:bodyclose // Do has read and closed it
	if err != nil {
		if endpoint == buildInfo {
			return described, err // what to do about it is of no interest, as labels follow
		}
		return described, c.advise(ctx, question{}, err)
	}
	transport.Told(ctx, response.Header, &described)
	if !gjson.ValidBytes(body) || !gjson.ParseBytes(body).IsObject() {
		return described, c.client.Failure(ctx, sources.ErrNotThisAPI, errors.New("the answer is no JSON object"))
	}
	described.Version = sources.Printable(gjson.GetBytes(body, "version").Str)
	return described, nil
}
