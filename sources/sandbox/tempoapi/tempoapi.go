// Package tempoapi is the sandbox's Grafana Tempo: an in-memory store of spans behind that
// part of Tempo's HTTP API which obs asks.
//
// Unlike the other stand-ins it was written after the documentation
// (https://grafana.com/docs/tempo/latest/api_docs/) and never compared with a real server.
// So it takes nothing on trust: of TraceQL it knows what obs sends and refuses the rest,
// and it compares values by their types, as the documentation says.
//
// It is for tests. It has no tenants, no limits and no blocks: what was appended is found.
package tempoapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"obs/sources"
)

// Store holds spans, grouped into traces. It is safe for concurrent use.
type Store struct {
	mu     sync.RWMutex
	traces map[sources.TraceID][]sources.Span
	order  []sources.TraceID // in which the first span of each came
}

// NewStore returns an empty store.
func NewStore() *Store { return &Store{traces: map[sources.TraceID][]sources.Span{}} }

// Append adds spans. Those of one trace may come in any order and in several calls.
func (s *Store) Append(spans ...sources.Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, span := range spans {
		if _, known := s.traces[span.TraceID]; !known {
			s.order = append(s.order, span.TraceID)
		}
		s.traces[span.TraceID] = append(s.traces[span.TraceID], span)
	}
}

// Options are what a server can be like.
type Options struct {
	// Old servers have no second generation of traces by ID.
	Old bool
}

// Handler answers Tempo's API from s. It is safe for concurrent use, also with appends.
func Handler(s *Store, o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/echo", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("echo")) })
	mux.HandleFunc("GET /api/status/buildinfo", func(w http.ResponseWriter, _ *http.Request) {
		respond(w, map[string]string{"version": "sandbox", "revision": "", "branch": "", "buildDate": "", "buildUser": "", "goVersion": ""})
	})
	mux.HandleFunc("GET /api/v2/search/tag/{tag}/values", s.values)
	mux.HandleFunc("GET /api/search", s.search)
	mux.HandleFunc("GET /api/traces/{id}", func(w http.ResponseWriter, r *http.Request) {
		s.trace(w, r, func(resources []any) any { return map[string]any{"batches": resources} })
	})
	if !o.Old {
		mux.HandleFunc("GET /api/v2/traces/{id}", func(w http.ResponseWriter, r *http.Request) {
			s.trace(w, r, func(resources []any) any {
				return map[string]any{"trace": map[string]any{"resourceSpans": resources}, "metrics": map[string]any{}}
			})
		})
	}
	return mux
}

// values lists the values of a field of the spans that a query selects. The times of the
// request are checked and not used: how much of the past is searched is the server's affair.
func (s *Store) values(w http.ResponseWriter, r *http.Request) {
	tag := r.PathValue("tag")
	q, err := parse(r.URL.Query().Get("q"))
	if err == nil {
		_, _, err = times(r.URL.Query())
	}
	if err != nil {
		refuse(w, err)
		return
	}
	seen := map[string]bool{}
	s.mu.RLock()
	for _, spans := range s.traces {
		for i := range spans {
			if !q(&spans[i]) {
				continue
			}
			switch tag {
			case "resource.service.name":
				seen[spans[i].Service] = true
			case "name":
				seen[spans[i].Operation] = true
			}
		}
	}
	s.mu.RUnlock()
	type named struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	}
	values := []named{}
	for name := range seen {
		values = append(values, named{"string", name})
	}
	slices.SortFunc(values, func(a, b named) int { return strings.Compare(b.Value, a.Value) }) // no order is promised
	respond(w, map[string]any{"tagValues": values, "metrics": map[string]any{}})
}

// search names the traces with a span that fits, those that came last first, which is one
// of the orders that a server may have.
func (s *Store) search(w http.ResponseWriter, r *http.Request) {
	params := r.URL.Query()
	q, err := parse(params.Get("q"))
	from, to, timeErr := times(params)
	limit, limitErr := 20, error(nil)
	if text := params.Get("limit"); text != "" {
		limit, limitErr = strconv.Atoi(text)
	}
	for _, err := range []error{err, timeErr, limitErr} {
		if err != nil {
			refuse(w, err)
			return
		}
	}
	type summary struct {
		ID       string `json:"traceID"`
		Service  string `json:"rootServiceName,omitempty"`
		Name     string `json:"rootTraceName,omitempty"`
		Start    string `json:"startTimeUnixNano"`
		Duration int64  `json:"durationMs,omitempty"`
	}
	found := []summary{}
	s.mu.RLock()
	for i := len(s.order) - 1; i >= 0 && len(found) < limit; i-- {
		id := s.order[i]
		trace := sources.Trace{ID: id, Spans: s.traces[id]}
		window := trace.Window()
		if (!to.IsZero() && (window.From.After(to) || window.To.Before(from))) ||
			!slices.ContainsFunc(trace.Spans, func(span sources.Span) bool { return q(&span) }) {
			continue
		}
		one := summary{ID: id.Short(), Start: strconv.FormatInt(window.From.UnixNano(), 10), Duration: window.Duration().Milliseconds()}
		for _, span := range trace.Spans {
			if span.ParentID == "" {
				one.Service, one.Name = span.Service, span.Operation
			}
		}
		found = append(found, one)
	}
	s.mu.RUnlock()
	respond(w, map[string]any{"traces": found, "metrics": map[string]any{"totalBlocks": 1}})
}

func (s *Store) trace(w http.ResponseWriter, r *http.Request, wrap func([]any) any) {
	id, ok := sources.ParseTraceID(r.PathValue("id"))
	if !ok {
		http.Error(w, "trace IDs can only contain hex characters", http.StatusBadRequest)
		return
	}
	if _, _, err := times(r.URL.Query()); err != nil {
		refuse(w, err)
		return
	}
	s.mu.RLock()
	spans := slices.Clone(s.traces[id])
	s.mu.RUnlock()
	if len(spans) == 0 {
		http.Error(w, "trace not found", http.StatusNotFound)
		return
	}
	respond(w, wrap(resources(spans)))
}

// times reads start and end, in seconds since 1970; both or none are given.
func times(params url.Values) (from, to time.Time, err error) {
	if !params.Has("start") && !params.Has("end") {
		return from, to, nil
	}
	start, err := strconv.ParseInt(params.Get("start"), 10, 64)
	if err != nil {
		return from, to, err
	}
	end, err := strconv.ParseInt(params.Get("end"), 10, 64)
	return time.Unix(start, 0), time.Unix(end, 0), err
}

func respond(w http.ResponseWriter, answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // a client that went away wants no answer
}

func refuse(w http.ResponseWriter, err error) { http.Error(w, err.Error(), http.StatusBadRequest) }
