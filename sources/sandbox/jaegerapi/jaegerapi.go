// Package jaegerapi is the sandbox's Jaeger: an in-memory store of spans behind
// Jaeger's two HTTP APIs (https://www.jaegertracing.io/docs/latest/apis/). What it
// answers is meant to be what a server of version 2 (module v1.76) with memory storage
// answers on the same spans, limits, refusals and their texts included; a suite of
// requests that runs against both says so.
//
// It does not make up spans (that is the shop's part), does not receive them over a
// network, and judges nothing. It is for the demo and for tests: it has no credentials,
// no TLS, and no bound on how many requests run at once.
//
// What a real server has and this one leaves out: gRPC, archiving, /api/transform,
// /api/deep-dependencies and /api/quality-metrics (which answer made-up data), static
// files, tenants, and metrics: a server without metrics storage refuses them too. Links
// have no attributes, and neither have scopes. The telemetry.sdk attributes of a span
// are not moved to its resource, and numbers called ip are not written as addresses. A
// real server adds its warnings to a stored span each time API v3 shows it; here a span
// has each warning once.
//
// sources.Span holds values as text, so that their types are told from the text: see
// typed.
package jaegerapi

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// defaultMaxTraces is Jaeger's own default for its memory storage.
const defaultMaxTraces = 100_000

// Options are a server's settings. Zero values stand for their defaults.
type Options struct {
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// MaxTraces is how many traces the store keeps before it drops those that came
	// first: 100,000. A search for more than so many is refused.
	MaxTraces int
}

// api answers requests from a store.
type api struct {
	store *Store
	now   func() time.Time
}

// Handler answers Jaeger's HTTP APIs from s, and sets how many traces s keeps. It is
// safe for concurrent use, also with appends to s.
func Handler(s *Store, o Options) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxTraces <= 0 {
		o.MaxTraces = defaultMaxTraces
	}
	s.keep(o.MaxTraces)
	return &api{store: s, now: o.Now}
}

// ServeHTTP implements http.Handler. What is not a path of the APIs, or not a GET, is
// answered with the page: that is how a server's own page finds its routes.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := r.URL.EscapedPath()
	if clean := cleaned(at); clean != at {
		u := *r.URL
		u.Path, u.RawPath = clean, ""
		w.Header().Set("Location", u.String())
		w.WriteHeader(http.StatusMovedPermanently)
		return
	}
	answer, argument := a.route(at)
	if answer == nil || r.Method != http.MethodGet {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(page)) // a client that went away wants no answer
		return
	}
	answer(w, r.URL.Query(), argument)
}

// answerer answers a request; argument is what stands in its path in place of a name.
type answerer func(w http.ResponseWriter, params url.Values, argument string)

func (a *api) route(at string) (answerer, string) {
	switch at {
	case "/api/v3/services":
		return a.servicesV3, ""
	case "/api/v3/operations":
		return a.operationsV3, ""
	case "/api/v3/traces":
		return a.searchV3, ""
	case "/api/services":
		return a.servicesV1, ""
	case "/api/operations":
		return a.operationsV1, ""
	case "/api/traces":
		return a.searchV1, ""
	case "/api/dependencies":
		return a.dependencies, ""
	case "/api/metrics/latencies", "/api/metrics/calls", "/api/metrics/errors", "/api/metrics/minstep":
		return a.metrics, path.Base(at)
	}
	if id, ok := between(at, "/api/v3/traces/", ""); ok {
		return a.traceV3, id
	}
	if id, ok := between(at, "/api/traces/", ""); ok {
		return a.traceV1, id
	}
	if service, ok := between(at, "/api/services/", "/operations"); ok {
		return a.operationNames, service
	}
	return nil, ""
}

// between is the one segment of a path that stands between prefix and suffix.
func between(at, prefix, suffix string) (string, bool) {
	rest, ok := strings.CutPrefix(at, prefix)
	if !ok {
		return "", false
	}
	segment, ok := strings.CutSuffix(rest, suffix)
	return segment, ok && segment != "" && !strings.Contains(segment, "/")
}

// cleaned is the path to which a request with doubled slashes or dots is redirected.
func cleaned(at string) string {
	clean := path.Clean("/" + at)
	if strings.HasSuffix(at, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

const page = `<!DOCTYPE html>
<html lang="en">
  <meta charset="UTF-8">
  <title>obs sandbox</title>
  <body>
    <p>This is the Jaeger of the obs sandbox: its APIs are complete, the page is missing.</p>
  </body>
</html>
`
