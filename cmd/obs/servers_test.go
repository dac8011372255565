package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// answer is what a server of the tests says: a status, and a body that was recorded from
// a real backend or is given as it is.
type answer struct {
	status int
	file   string
	body   string
	after  string // the header Retry-After
}

// answering starts a server that answers each request as pick says, and returns its
// address. The one server can stand for all three backends, as their paths differ.
func answering(t *testing.T, pick func(*http.Request) answer) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Read to its end, a form that was posted is where a query is, and the server
		// notices when the client hangs up.
		if err := r.ParseForm(); err != nil {
			t.Errorf("%s: %v", r.URL, err)
		}
		given := pick(r)
		body := []byte(given.body)
		if given.file != "" {
			var err error
			if body, err = os.ReadFile(filepath.FromSlash(given.file)); err != nil {
				t.Error(err)
			}
		}
		if strings.HasPrefix(string(body), "<") {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
		}
		if given.after != "" {
			w.Header().Set("Retry-After", given.after)
		}
		w.WriteHeader(given.status)
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func recordedAnswer(status int, file string) answer { return answer{status: status, file: file} }

// always answers every request alike.
func always(given answer) func(*http.Request) answer {
	return func(*http.Request) answer { return given }
}

// Answers of real backends that have nothing of what is asked for.
const (
	prometheusAnswers = "../../sources/prometheus/testdata/"
	lokiAnswers       = "../../sources/loki/testdata/"
	jaegerAnswers     = "../../sources/jaeger/testdata/"
)

// nothing answers as backends do that run well and know nothing of what is asked for.
func nothing(r *http.Request) answer {
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/api/v1/query"):
		return recordedAnswer(http.StatusOK, prometheusAnswers+"query_empty.json")
	case path == "/api/v1/alerts":
		return answer{status: http.StatusOK, body: `{"status":"success","data":{"alerts":[]}}`}
	case path == "/api/v1/rules":
		return answer{status: http.StatusOK, body: `{"status":"success","data":{"groups":[]}}`}
	case strings.HasPrefix(path, "/api/v1/"):
		return recordedAnswer(http.StatusOK, prometheusAnswers+"empty_list.json")
	case path == "/loki/api/v1/series":
		return recordedAnswer(http.StatusOK, lokiAnswers+"series.json")
	case path == "/loki/api/v1/query":
		return recordedAnswer(http.StatusOK, "testdata/loki_vector_none.json")
	case path == "/loki/api/v1/query_range":
		return recordedAnswer(http.StatusOK, lokiAnswers+"records_none.json")
	case path == "/api/v3/services":
		return recordedAnswer(http.StatusOK, jaegerAnswers+"v3_services.json")
	case strings.HasPrefix(path, "/api/v3/traces"):
		return recordedAnswer(http.StatusNotFound, jaegerAnswers+"v3_none.json")
	case path == "/api/traces":
		return recordedAnswer(http.StatusOK, jaegerAnswers+"v1_search_none.json")
	}
	return answer{status: http.StatusNotImplemented, body: "the test has no answer to " + r.URL.Path}
}

// silent is the address of a server that takes requests and answers none. Each request
// is told on the channel as it comes.
func silent(t *testing.T) (address string, asked <-chan string) {
	t.Helper()
	requests := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not notice that the client has left
		requests <- r.URL.Path
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}
