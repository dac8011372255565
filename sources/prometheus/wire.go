package prometheus

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/api"
	"github.com/tidwall/gjson"

	"obs/sources"
	"obs/sources/transport"
)

// wire lets client_golang's API send through the transport of obs.
type wire struct {
	http     *transport.Client
	victoria *atomic.Bool
}

var _ api.Client = wire{}

// URL is the address of an endpoint whose path may hold arguments, as :name.
func (w wire) URL(endpoint string, args map[string]string) *url.URL {
	for name, value := range args {
		endpoint = strings.Replace(endpoint, ":"+name, url.PathEscape(value), 1)
	}
	return w.http.URL(endpoint, nil)
}

var (
	errNoEnvelope = errors.New("the answer has no status of success or error")
	errString     = errors.New("the query's result is a string, where numbers are wanted")
)

// Do sends a request. Its errors are *sources.Error, and the response stands beside
// them, since the API goes over from POST to GET where a server wants that.
func (w wire) Do(ctx context.Context, request *http.Request) (*http.Response, []byte, error) {
	response, body, err := w.http.Do(request.WithContext(ctx))
	if response == nil {
		return nil, nil, err
	}
	if response.Header.Get(victoriaHost) != "" {
		w.victoria.Store(true)
	}
	if response.StatusCode/100 == 3 {
		// A redirect that was not followed, as the parameters would have been lost with
		// the body. A GET takes them along, and with this status the API sends one.
		response.StatusCode = http.StatusMethodNotAllowed
	}
	if err != nil {
		return response, body, w.refine(ctx, err, body)
	}
	switch gjson.GetBytes(body, "status").Str {
	case "success":
		// https://docs.victoriametrics.com/victoriametrics/cluster-victoriametrics/#cluster-availability
		if w.victoria.Load() && gjson.GetBytes(body, "isPartial").Bool() {
			sources.CallFrom(ctx).Partial("isPartial: some of its storage nodes did not answer")
		}
		if gjson.GetBytes(body, "data.resultType").Str == "string" { // which the API cannot decode
			return response, body, w.http.Failure(ctx, sources.ErrBadQuery, errString)
		}
		return response, body, nil
	case "error":
		failure := w.http.Failure(ctx, sources.ErrServer, errors.New(Explain(response.StatusCode, body)))
		return response, body, w.refine(ctx, failure, body)
	}
	return response, body, w.http.Failure(ctx, sources.ErrNotThisAPI, errNoEnvelope)
}
