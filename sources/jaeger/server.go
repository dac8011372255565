package jaeger

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"

	"obs/sources"
	"obs/sources/transport"
)

var _ sources.Describer = (*Client)(nil)

// ownVersion is how the server tells its own page which release it is of.
var ownVersion = regexp.MustCompile(`JAEGER_VERSION\s*=\s*(\{[^{}]*\})`)

// Describe implements sources.Describer. The list of services tells which generation of the
// API there is, and whether one may ask; the version stands nowhere but in the server's own
// page, which may be missing or another's.
func (c *Client) Describe(ctx context.Context) (sources.Server, error) {
	if _, err := c.Services(ctx); err != nil {
		return sources.Server{}, err
	}
	described := sources.Server{Product: "jaeger", API: "v3"}
	if c.api.second.Load() {
		described.API = "v1"
	}
	ctx, call := c.ledger.Start(transport.Timed(ctx), sources.Jaeger, "GET /", sources.Window{})
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.http.URL("/", nil).String(), nil)
	if err != nil {
		err = c.http.Failure(ctx, sources.ErrBadQuery, err)
		call.End(0, err)
		return described, err
	}
	response, page, _ := c.http.Do(request) //nolint:bodyclose // Do has read and closed it; a page is an error to it
	if response == nil {
		call.End(0, nil)
		return described, nil
	}
	call.End(1, nil)
	transport.Told(ctx, response.Header, &described)
	if m := ownVersion.FindSubmatch(page); m != nil {
		var version struct {
			GitVersion string `json:"gitVersion"`
		}
		if json.Unmarshal(m[1], &version) == nil {
			described.Version = sources.Printable(version.GitVersion)
		}
	}
	return described, nil
}
