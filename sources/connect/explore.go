package connect

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"obs/sources"
	"obs/sources/jaeger"
	"obs/sources/loki"
	"obs/sources/prometheus"
	"obs/sources/tempo"
)

// What is asked through a Grafana has no page of its own that a person could open: links go
// to Grafana's Explore. Its addresses are described at
// https://grafana.com/docs/grafana/latest/explore/#share-explore-urls.

// explore makes links to queries of one data source.
type explore struct {
	grafana string // its address, without credentials
	uid     string
	kind    string // the data source's type
}

func (e explore) link(query map[string]any, w sources.Window) string {
	query["refId"] = "A"
	query["datasource"] = map[string]string{"type": e.kind, "uid": e.uid}
	between := map[string]string{"from": "now-1h", "to": "now"}
	if !w.IsZero() {
		between = map[string]string{"from": strconv.FormatInt(w.From.UnixMilli(), 10), "to": strconv.FormatInt(w.To.UnixMilli(), 10)}
	}
	panes, err := json.Marshal(map[string]any{"obs": map[string]any{"datasource": e.uid, "queries": []any{query}, "range": between}})
	if err != nil {
		return "" // of texts alone nothing can fail
	}
	return strings.TrimRight(e.grafana, "/") + "/explore?" + url.Values{"schemaVersion": {"1"}, "panes": {string(panes)}}.Encode()
}

// wrap gives a set's links to the data source.
func (e explore) wrap(set *sources.Set, b sources.Backend) {
	switch b {
	case sources.Prometheus:
		set.Metrics = exploredMetrics{set.Metrics.(*prometheus.Client), e}
	case sources.Loki:
		set.Logs = exploredLogs{set.Logs.(*loki.Client), e}
	case sources.Jaeger:
		set.Traces = exploredJaeger{set.Traces.(*jaeger.Client), e}
	case sources.Tempo:
		set.Traces = exploredTempo{set.Traces.(*tempo.Client), e}
	}
}

type exploredMetrics struct {
	*prometheus.Client
	explore
}

// Link implements sources.Metrics.
func (m exploredMetrics) Link(query string, w sources.Window) string {
	return m.link(map[string]any{"expr": query}, w)
}

type exploredLogs struct {
	*loki.Client
	explore
}

// Link implements sources.Logs.
func (l exploredLogs) Link(query string, w sources.Window) string {
	return l.link(map[string]any{"expr": query}, w)
}

type exploredJaeger struct {
	*jaeger.Client
	explore
}

// Link implements sources.Traces. Explore has no way to name a span.
func (j exploredJaeger) Link(id sources.TraceID, _ sources.SpanID) string {
	return j.link(map[string]any{"query": id.Short()}, sources.Window{})
}

// SearchLink implements sources.Traces.
func (j exploredJaeger) SearchLink(q sources.TraceQuery) string {
	query := map[string]any{"queryType": "search", "service": q.Service}
	if q.Operation != "" {
		query["operation"] = q.Operation
	}
	if q.MinDuration > 0 {
		query["minDuration"] = q.MinDuration.String()
	}
	if q.MaxDuration > 0 {
		query["maxDuration"] = q.MaxDuration.String()
	}
	var tags []string
	for _, a := range q.Attributes {
		tags = append(tags, a.Key+"="+sources.Quote(a.Value)) // logfmt
	}
	if len(tags) > 0 {
		query["tags"] = strings.Join(tags, " ")
	}
	if q.Limit > 0 {
		query["limit"] = q.Limit
	}
	return j.link(query, q.Window)
}

type exploredTempo struct {
	*tempo.Client
	explore
}

// Link implements sources.Traces.
func (t exploredTempo) Link(id sources.TraceID, _ sources.SpanID) string {
	return t.link(map[string]any{"queryType": "traceql", "query": string(id)}, sources.Window{})
}

// SearchLink implements sources.Traces.
func (t exploredTempo) SearchLink(q sources.TraceQuery) string {
	query, err := tempo.TraceQL(q)
	if err != nil {
		return "" // what cannot be asked has no address
	}
	return t.link(map[string]any{"queryType": "traceql", "query": query}, q.Window)
}
