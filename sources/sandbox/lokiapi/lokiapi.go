// Package lokiapi is a stand-in of Loki for the demo and for tests: an in-memory store of
// log records and an http.Handler that answers as Loki's HTTP API does
// (https://grafana.com/docs/loki/latest/reference/loki-http-api/), with LogQL evaluated
// by the package logql below it. It is written from the public documentation and from
// answers of a real Loki 3.7.8, which are kept in testdata/conformance.
//
// It knows the endpoints query, query_range, labels, label/{name}/values, series,
// detected_fields, detected_field/{name}/values, index/stats, index/volume,
// index/volume_range, patterns, tail, push (JSON, and snappy over protocol buffers) and status/buildinfo, all below
// /loki/api/v1, and /ready. Whatever it does not know it refuses as Loki refuses what
// Loki does not know: 404, or 400 with a parse error in plain text. It never ignores a
// part of a query.
//
// Left out, and refused:
//   - in LogQL: ip(…), unpack, rate_counter, approx_topk, variants, and the template
//     functions for dates, JSON and layout; templates with range or define
//   - push in any other form, and OTLP; rules, deletion, shards, format_query,
//     detected_labels and the pages of the server itself
//   - tenants: X-Scope-OrgID is accepted and changes nothing
//
// Different from the real server, where that one is approximate or has a reason that an
// in-memory store has not:
//   - index/volume and index/stats count exactly what lies in the window; Loki guesses
//     from chunks, and its stats leave out what is not yet written to disk
//   - avg_over_time with by or without counts the lines that have a value; Loki, where it
//     splits the query, counts those without one too, unless a filter leaves them out
//   - of a name that several parsers of one query find, the first counts, or the one
//     that was asked for by name; Loki has more rules, which differ by parser
//   - a label without a value, as a parser makes it of a name that the line lacks, stays one
//     in metric queries; in Loki it comes and goes with other stages
//   - amounts of bytes in a filter count as written; Loki rounds them to two digits
//   - among equals, topk and lines of one time are in the order of their labels
//   - labels and label values are those of streams with records in the window; Loki's
//     index is coarser by hours
//   - patterns are made of all records whenever they are asked for, by a simpler rule
//   - records are never refused for their age, and never removed
//   - the statistics of an answer are a few figures of its summary
//
// It is not for production, nor a place for what the records say: the shop writes those.
package lokiapi

import (
	"net/http"
	"time"
)

// Options are what a Handler can be told. The zero value stands for Loki's defaults.
type Options struct {
	// Now is the server's clock; time.Now when nil.
	Now func() time.Time
	// MaxEntries is how many lines an answer may have (max_entries_limit_per_query); 5,000 when 0.
	MaxEntries int
	// MaxSeries is how many series an answer may have (max_query_series); 500 when 0.
	MaxSeries int
	// Timeout bounds a query (query_timeout); a minute when 0.
	Timeout time.Duration
}

const (
	defaultEntries = 5000
	defaultSeries  = 500
	defaultTimeout = time.Minute
)

type server struct {
	store *Store
	Options
}

// Handler answers for s.
func Handler(s *Store, o Options) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxEntries <= 0 {
		o.MaxEntries = defaultEntries
	}
	if o.MaxSeries <= 0 {
		o.MaxSeries = defaultSeries
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	h := &server{store: s, Options: o}
	mux := http.NewServeMux()
	for path, answer := range map[string]endpoint{
		"query":                        h.query,
		"query_range":                  h.queryRange,
		"labels":                       h.labels,
		"label":                        h.labels,
		"label/{name}/values":          h.labelValues,
		"series":                       h.series,
		"detected_fields":              h.detectedFields,
		"detected_field/{name}/values": h.detectedFieldValues,
		"index/stats":                  h.stats,
		"index/volume":                 h.volume,
		"index/volume_range":           h.volumeRange,
		"patterns":                     h.patterns,
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			mux.Handle(method+" "+api+path, h.handle(answer))
		}
	}
	mux.HandleFunc("GET "+api+"tail", h.tail)
	mux.HandleFunc("POST "+api+"push", h.push)
	mux.HandleFunc("GET "+api+"status/buildinfo", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]string{"version": version, "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": ""})
	})
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ready\n"))
	})
	return mux
}

const (
	api = "/loki/api/v1/"
	// version is the Loki whose answers these are like.
	version = "3.7.8"
)
