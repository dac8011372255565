package connect

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"obs/sources"
)

func TestExploreLinks(t *testing.T) {
	w := sources.Window{From: time.UnixMilli(1795262400000), To: time.UnixMilli(1795264200000)}
	search := sources.TraceQuery{
		Service: `pay"ment`, Operation: "authorize", Window: w, MinDuration: time.Second,
		Attributes: sources.Attributes{{Key: "tenant", Value: `a" b`}}, Limit: 20,
	}
	const id = sources.TraceID("00000000000000000aaf7651916cd43d")
	tests := map[string]struct {
		link  string
		query map[string]any
		from  string
	}{
		"metrics":       {exploredMetrics{nil, explore{"https://grafana/g/", "p1", "prometheus"}}.Link(`up{job="a b"}`, w), map[string]any{"expr": `up{job="a b"}`}, "1795262400000"},
		"logs":          {exploredLogs{nil, explore{"https://grafana/g", "p1", "loki"}}.Link(`{a="b"} |= "&"`, w), map[string]any{"expr": `{a="b"} |= "&"`}, "1795262400000"},
		"a Jaeger one":  {exploredJaeger{nil, explore{"https://grafana/g", "p1", "jaeger"}}.Link(id, "x"), map[string]any{"query": "aaf7651916cd43d"}, "now-1h"},
		"Jaeger search": {exploredJaeger{nil, explore{"https://grafana/g", "p1", "jaeger"}}.SearchLink(search), map[string]any{"queryType": "search", "service": `pay"ment`, "operation": "authorize", "minDuration": "1s", "tags": `tenant="a\" b"`, "limit": 20.0}, "1795262400000"},
		"a Tempo one":   {exploredTempo{nil, explore{"https://grafana/g", "p1", "tempo"}}.Link(id, ""), map[string]any{"queryType": "traceql", "query": string(id)}, "now-1h"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(test.link)
			if err != nil || !strings.HasPrefix(test.link, "https://grafana/g/explore?") {
				t.Fatalf("%s: %v", test.link, err)
			}
			var panes map[string]struct {
				Datasource string
				Queries    []map[string]any
				Range      map[string]string
			}
			if err := json.Unmarshal([]byte(u.Query().Get("panes")), &panes); err != nil {
				t.Fatal(err)
			}
			pane := panes["obs"]
			if pane.Datasource != "p1" || len(pane.Queries) != 1 || pane.Range["from"] != test.from {
				t.Fatalf("%+v", pane)
			}
			for key, want := range test.query {
				if got := pane.Queries[0][key]; got != want {
					t.Errorf("%s is %v, want %v", key, got, want)
				}
			}
		})
	}
}
