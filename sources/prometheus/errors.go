package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"obs/sources"
	"obs/sources/transport"
)

// refusal is the form of an answer that is an error
// (https://prometheus.io/docs/prometheus/latest/querying/api/#format-overview).
type refusal struct {
	Type    string `json:"errorType"`
	Message string `json:"error"`
}

func parseRefusal(body []byte) refusal {
	var r refusal
	if json.Unmarshal(body, &r) != nil {
		return refusal{}
	}
	return r
}

// Explain takes the message out of the body of a refusal, for transport.Options. It
// returns nothing for a body that is not in Prometheus's form.
func Explain(_ int, body []byte) string {
	r := parseRefusal(body)
	if r.Type == "" || r.Message == "" {
		return r.Type + r.Message
	}
	return r.Type + ": " + r.Message
}

// Final tells a query that the server gave up, for transport.Options. Its status is that
// of a server which is too busy, but each further attempt would cost as much and end
// the same.
func Final(_ int, body []byte) bool {
	return errors.Is(kinds[parseRefusal(body).Type], sources.ErrTimeout)
}

// kinds tells what the types of errors mean. A type says more than the HTTP status: 503
// comes for a query that took too long and for a server that is starting.
var kinds = map[string]error{
	"bad_data":       sources.ErrBadQuery,
	"execution":      sources.ErrBadQuery,
	"not_acceptable": sources.ErrBadQuery,
	"timeout":        sources.ErrTimeout,
	"canceled":       sources.ErrTimeout,
	"unavailable":    sources.ErrBusy,
	"not_found":      sources.ErrNotFound,
	"internal":       sources.ErrServer,
}

const limitedTenant = "ask for a shorter window or for fewer services with --service: the tenant's limits bound what a query reads (max_fetched_series_per_query and its like)"

// advice is what to do about refusals that say these words.
var advice = transport.Advice{
	{"too many samples into memory", "ask for a shorter window or for fewer services: the server's --query.max-samples bounds a query"},
	{"time range exceeds the limit", "ask for a shorter window: the server bounds that of a query"},
	// Mimir's, by their IDs (https://grafana.com/docs/mimir/latest/manage/mimir-runbooks/#errors-catalog).
	{"err-mimir-max-query-length", "ask for a shorter window: the tenant's limits bound that of a query"},
	{"err-mimir-max-total-query-length", "ask for a shorter window: the tenant's limits bound that of a query"},
	{"err-mimir-max-query-expression-size-bytes", "ask for fewer services with --service: the tenant's limits bound a query's text"},
	{"err-mimir-max-", limitedTenant},
	{"err-mimir-query-blocked", "the server's operators block this query for the tenant"},
	// Cortex's, and Mimir's of before 2.2.
	{"the query hit the ", limitedTenant},
	{"the query response size exceeds limit", limitedTenant},
	// VictoriaMetrics's.
	{"-search.max", "ask for a shorter window or for fewer services with --service: VictoriaMetrics's -search.max* flags bound a query"},
	// Those of all that have tenants.
	{"contains unsupported character '|'", "this server reads one tenant at a time, as its tenant federation is off: name one of them"},
}

// refine makes an error of the transport say what the body of the refusal tells.
func (w wire) refine(ctx context.Context, err error, body []byte) error {
	failure := (*sources.Error)(nil)
	if !errors.As(err, &failure) {
		return err
	}
	if kind := kinds[parseRefusal(body).Type]; kind != nil && !errors.Is(kind, failure.Kind) {
		failure.Kind, failure.Hint = kind, w.http.Failure(ctx, kind, nil).Hint
	}
	advice.To(failure)
	return failure
}

// failure makes a *sources.Error of whatever kept a question from being answered.
func (c *Client) failure(ctx context.Context, q question, err error) error {
	failure := (*sources.Error)(nil)
	undecoded := (*v1.Error)(nil)
	switch {
	// A page that was not found is none of this API's answers, and says nothing of the server.
	case errors.As(err, &failure) && failure.Status == http.StatusNotFound && !errors.Is(failure.Kind, sources.ErrNotThisAPI):
		if q.missing == "" {
			// Every server of this API has the endpoint, so this is none, or it lives
			// below another path.
			failure.Kind = sources.ErrNotThisAPI
			failure.Hint = c.http.Failure(ctx, failure.Kind, nil).Hint
		} else {
			failure.Hint = q.missing
		}
		return failure
	case failure != nil:
		return failure
	case errors.As(err, &undecoded):
		return c.http.Failure(ctx, sources.ErrNotThisAPI, undecoded)
	}
	return c.http.Failure(ctx, sources.ErrBadQuery, err)
}
