package sandbox

import (
	"time"

	"obs/sources"
	"obs/sources/sandbox/promapi"
)

// ShopRules are alerting rules as somebody who runs the shop would write them: about what
// users feel, and about pools before they run dry. Each looks back five minutes, since
// with some requests a second a shorter time holds too few of them for a ratio or for a
// quantile.
func ShopRules() promapi.RuleGroup {
	const (
		requests = "http_server_request_duration_seconds"
		served   = "sum by (service_name) (rate(" + requests + "_count[5m]))"
		failed   = `sum by (service_name) (rate(` + requests + `_count{http_response_status_code=~"5.."}[5m]))`
		p95      = "histogram_quantile(0.95, sum by (service_name, le) (rate(" + requests + "_bucket[5m])))"
		pool     = `sum by (service_name, pod) (db_client_connection_count{db_client_connection_state="used"}) / sum by (service_name, pod) (db_client_connection_max)`
	)
	return promapi.RuleGroup{
		Name: "shop", File: "shop.yml", Interval: scrapeInterval,
		Rules: []promapi.Rule{
			{
				Alert: "HighErrorRatio", Expr: failed + " / " + served + " > 0.1", For: 2 * time.Minute,
				Labels: sources.Labels{"severity": "page"},
				Annotations: sources.Labels{
					"summary":     "{{ $labels.service_name }} fails {{ $value | humanizePercentage }} of its requests",
					"description": "More than a tenth of the requests of the last five minutes were answered with a 5xx status.",
					"runbook_url": "https://example.com/runbooks/errors",
				},
			},
			{
				Alert: "SlowRequests", Expr: p95 + " > 1", For: time.Minute,
				Labels: sources.Labels{"severity": "page"},
				Annotations: sources.Labels{
					"summary":     "{{ $labels.service_name }} takes {{ $value | humanizeDuration }} for one request in twenty",
					"description": "The 95th percentile of the request durations of the last five minutes is above 1 s.",
					"runbook_url": "https://example.com/runbooks/slow",
				},
			},
			{
				Alert: "ConnectionPoolSaturated", Expr: pool + " > 0.9", For: 2 * time.Minute,
				Labels: sources.Labels{"severity": "ticket"},
				Annotations: sources.Labels{
					"summary":     "{{ $labels.pod }} of {{ $labels.service_name }} uses {{ $value | humanizePercentage }} of its connections",
					"description": "Requests will wait for a connection when there is none left.",
				},
			},
		},
	}
}

// scrapeInterval is how often the shop is scraped, and so how often a rule can come to
// another result.
const scrapeInterval = 15 * time.Second
