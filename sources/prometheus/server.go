package prometheus

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/tidwall/gjson"

	"obs/sources"
	"obs/sources/transport"
)

var (
	_ sources.Describer     = (*Client)(nil)
	_ sources.LabelsCounter = (*Client)(nil)
)

// Describe implements sources.Describer with /api/v1/status/buildinfo. Where that is missing,
// or kept from whoever asks for metrics, the smallest query is asked, which every server of
// this API answers.
func (c *Client) Describe(ctx context.Context) (sources.Server, error) {
	described, err := c.describe(ctx, "/api/v1/status/buildinfo", nil)
	if sources.Untold(err) {
		return c.describe(ctx, "/api/v1/query", url.Values{"query": {"1"}})
	}
	return described, err
}

func (c *Client) describe(ctx context.Context, path string, params url.Values) (described sources.Server, err error) {
	q := question{text: listing(path), missing: "this server does not tell its version"}
	if params != nil {
		q = question{text: listing(path, "query="+params.Get("query"))}
	}
	err = c.ask(transport.Timed(ctx), q, func(ctx context.Context) (int, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.http.URL(path, params).String(), nil)
		if err != nil {
			return 0, err
		}
		described.API = "v1"
		response, body, err := c.http.Do(request) //nolint:bodyclose // Do has read and closed it
		if err != nil {
			return 0, err
		}
		transport.Told(ctx, response.Header, &described)
		if gjson.GetBytes(body, "status").Str != "success" {
			return 0, c.http.Failure(ctx, sources.ErrNotThisAPI, errNoEnvelope)
		}
		if params == nil {
			data := gjson.GetBytes(body, "data")
			described.Product, described.Version = product(data, response.Header), sources.Printable(data.Get("version").Str)
		}
		return 1, nil
	})
	return described, err
}

// victoriaHost is the header of an answer in which VictoriaMetrics and its like name their host.
const victoriaHost = "X-Server-Hostname"

// product tells who answers. Mimir and Cortex name themselves. VictoriaMetrics sends a version of Prometheus's for the sake of
// dashboards, and no more; each of its answers names the host that gave it. The versions of
// Thanos are all below 1, those of Cortex, which no longer names itself, all 1, and those of
// Prometheus with this endpoint from 2.14 on.
func product(data gjson.Result, header http.Header) string {
	name, version, built := strings.ToLower(data.Get("application").Str), data.Get("version").Str, data.Get("goVersion").Str != ""
	for _, known := range []string{"mimir", "cortex", "thanos", "victoriametrics"} {
		if strings.Contains(name, known) {
			return known
		}
	}
	switch {
	case name != "":
		return sources.Printable(name)
	case header.Get(victoriaHost) != "" && !built:
		return "victoriametrics"
	case strings.HasPrefix(version, "0."):
		return "thanos"
	case strings.HasPrefix(version, "1.") && built:
		return "cortex"
	case version != "" && built:
		return "prometheus"
	}
	return ""
}

// CountLabels implements sources.LabelsCounter with /api/v1/status/tsdb, which counts what is
// in the server's memory: the last hours. A server without it is an error that is ErrNotFound.
func (c *Client) CountLabels(ctx context.Context) (counts []sources.LabelCount, err error) {
	q := question{text: listing("/api/v1/status/tsdb"), missing: "this server does not tell how many values labels have: count them with count(count by (LABEL) (METRIC))"}
	err = c.ask(ctx, q, func(ctx context.Context) (int, error) {
		found, err := c.api.TSDB(ctx)
		if err != nil {
			return 0, err
		}
		counts = labelCounts(found.LabelValueCountByLabelName)
		return len(counts), nil
	})
	return counts, err
}

func labelCounts(stats []v1.Stat) []sources.LabelCount {
	counts := make([]sources.LabelCount, len(stats))
	for i, s := range stats {
		counts[i] = sources.LabelCount{Label: s.Name, Values: int(min(s.Value, 1<<31-1))}
	}
	return counts
}
