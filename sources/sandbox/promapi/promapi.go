// Package promapi is the sandbox's Prometheus: an in-memory store of series behind
// Prometheus's HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/),
// evaluated by Prometheus's own PromQL engine. What it answers is meant to be what a
// server of version 3 with the same data answers, refusals and their texts included; a
// suite of requests that runs against both says so.
//
// It does not make up data (that is the shop's part), does not scrape, does not write to
// disk and forgets nothing but old exemplars. It is for the demo and for tests: it has
// no credentials, no TLS, and no bound on how many queries run at once.
//
// Left out of the API: native histograms, recording rules and the ALERTS series, targets
// and everything else that is about scraping, remote read and write, OTLP, federation,
// format_query, parse_query, the status pages other than buildinfo, the administrator's
// calls, compression, CORS and the web page. The engine is that of Prometheus 3.4, so
// what PromQL has learnt since is a parse error here.
package promapi

import (
	"cmp"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/prometheus/promql"
)

// Options are Prometheus's flags. Zero values stand for its defaults.
type Options struct {
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// MaxPoints is how many steps a range may have: 11,000.
	MaxPoints int
	// MaxSamples is how many samples a query may hold in memory: 50,000,000.
	MaxSamples int
	// Timeout ends a query: 2 minutes.
	Timeout time.Duration
	// Lookback is how long a sample counts as the series' present value: 5 minutes.
	Lookback time.Duration
	// Evaluation is the interval of rule groups that set none, and the step of
	// subqueries that name none: 1 minute.
	Evaluation time.Duration
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.MaxPoints = cmp.Or(o.MaxPoints, 11_000)
	o.MaxSamples = cmp.Or(o.MaxSamples, 50_000_000)
	o.Timeout = cmp.Or(o.Timeout, 2*time.Minute)
	o.Lookback = cmp.Or(o.Lookback, 5*time.Minute)
	o.Evaluation = cmp.Or(o.Evaluation, time.Minute)
	return o
}

// api answers requests from a store.
type api struct {
	store   *Store
	options Options
	engine  *promql.Engine
}

// Handler serves s over Prometheus's HTTP API. It starts no goroutine that outlives a
// request.
func Handler(s *Store, o Options) http.Handler {
	o = o.withDefaults()
	a := &api{store: s, options: o, engine: newEngine(o)}
	mux := http.NewServeMux()
	for path, answer := range map[string]func(*http.Request) result{
		"query":           a.query,
		"query_range":     a.queryRange,
		"query_exemplars": a.queryExemplars,
		"labels":          a.labelNames,
		"series":          a.series,
	} {
		mux.Handle("GET /api/v1/"+path, answering(answer))
		mux.Handle("POST /api/v1/"+path, answering(answer))
	}
	for path, answer := range map[string]func(*http.Request) result{
		"label/{name}/values": a.labelValues,
		"metadata":            a.metricMetadata,
		"alerts":              a.alerts,
		"rules":               a.rules,
		"status/buildinfo":    a.buildInfo,
	} {
		mux.Handle("GET /api/v1/"+path, answering(answer))
	}
	mux.HandleFunc("GET /-/healthy", text("Prometheus Server is Healthy.\n"))
	mux.HandleFunc("GET /-/ready", text("Prometheus Server is Ready.\n"))
	for _, path := range []string{"HEAD /-/healthy", "HEAD /-/ready"} {
		mux.HandleFunc(path, func(http.ResponseWriter, *http.Request) {})
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/query", http.StatusFound) })
	mux.HandleFunc("GET /graph", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, (&url.URL{Path: "/query", RawQuery: r.URL.RawQuery}).String(), http.StatusFound)
	})
	mux.HandleFunc("GET /query", page)
	return mux
}

func newEngine(o Options) *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		MaxSamples:               o.MaxSamples,
		Timeout:                  o.Timeout,
		LookbackDelta:            o.Lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return o.Evaluation.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
	})
}

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(body))
	}
}
