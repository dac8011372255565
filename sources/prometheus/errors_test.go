package prometheus_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"obs/sources"
	"obs/sources/prometheus"
	"obs/sources/transport"
)

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		file   string
		status int
		kind   error
		detail string
		hint   string
	}{
		{"error_bad_data.json", 400, sources.ErrBadQuery, `bad_data: invalid parameter "query": 1:7: parse error: unclosed left parenthesis`, ""},
		{"error_points.json", 400, sources.ErrBadQuery, "exceeded maximum resolution of 11,000 points", ""},
		{"error_no_matcher.json", 400, sources.ErrBadQuery, "bad_data: no match[] parameter provided", ""},
		{"error_execution.json", 422, sources.ErrBadQuery, "execution: found duplicate series for the match group", ""},
		{"error_samples.json", 422, sources.ErrBadQuery, "load too many samples into memory", "shorter window"},
		{"error_timeout.json", 503, sources.ErrTimeout, "timeout: query timed out in expression evaluation", "shorter window"},
		{"error_no_such_path.txt", 404, sources.ErrNotThisAPI, "404 page not found", "PROMETHEUS_URL"},
		{"error_method.txt", 405, sources.ErrNotThisAPI, "Method Not Allowed", "PROMETHEUS_URL"},
	} {
		t.Run(test.file, func(t *testing.T) {
			b := newBench(t, recorded(t, test.status, test.file))
			_, err := b.Instant(t.Context(), "a query", noon)
			failure := check(t, err, test.kind, test.detail)
			if failure.Status != test.status || !strings.Contains(failure.Hint, test.hint) {
				t.Errorf("status %d, hint %q", failure.Status, failure.Hint)
			}
			if q := b.query(t); q.Status != sources.QueryFailed || q.Error != err.Error() || q.Records != 0 {
				t.Errorf("the ledger says %+v", q)
			}
		})
	}
}

// check wants a *sources.Error of that kind, which says all that a person must know.
func check(t *testing.T, err, kind error, detail string) *sources.Error {
	t.Helper()
	failure := (*sources.Error)(nil)
	if !errors.As(err, &failure) {
		t.Fatalf("got %T %v", err, err)
	}
	if !errors.Is(err, kind) || !strings.Contains(failure.Detail, detail) {
		t.Errorf("got %v, want %v: %s", err, kind, detail)
	}
	if failure.Backend != sources.Prometheus || !strings.HasPrefix(failure.URL, "http://127.0.0.1:") || failure.Asked == "" {
		t.Errorf("incomplete: %+v", failure)
	}
	return failure
}

func TestErrorsInOtherForms(t *testing.T) {
	const streams = `{"status":"success","data":{"resultType":"streams","result":[]}}`
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		kind    error
		detail  string
	}{
		"internal":              {said(500, "application/json", `{"status":"error","errorType":"internal","error":"expanding series"}`), sources.ErrServer, "internal: expanding series"},
		"canceled":              {said(499, "application/json", `{"status":"error","errorType":"canceled","error":"query was canceled"}`), sources.ErrTimeout, "query was canceled"},
		"refused with 200":      {said(200, "application/json", `{"status":"error","errorType":"bad_data","error":"no such query"}`), sources.ErrBadQuery, "bad_data: no such query"},
		"unknown with 200":      {said(200, "application/json", `{"status":"error","errorType":"new","error":"what"}`), sources.ErrServer, "new: what"},
		"unknown with 422":      {said(422, "application/json", `{"status":"error","errorType":"new","error":"what"}`), sources.ErrBadQuery, "new: what"},
		"starting":              {said(503, "text/plain", "Service Unavailable"), sources.ErrBusy, "Service Unavailable"},
		"limited":               {said(429, "application/json", `{"status":"error","errorType":"too_many_requests","error":"slow down"}`), sources.ErrBusy, "slow down"},
		"refused":               {said(401, "text/plain", "Unauthorized"), sources.ErrRefused, "Unauthorized"},
		"page":                  {said(200, "text/html", "<html>Grafana</html>"), sources.ErrNotThisAPI, "a web page"},
		"other JSON":            {said(200, "application/json", `{"data":[]}`), sources.ErrNotThisAPI, "no status of success or error"},
		"no JSON":               {said(200, "text/plain", "OK"), sources.ErrNotThisAPI, "no status of success or error"},
		"nothing":               {said(200, "application/json", ""), sources.ErrNotThisAPI, "no status of success or error"},
		"cut short":             {said(200, "application/json", `{"status":"success","data":{"resultType":"vec`), sources.ErrNotThisAPI, "unexpected end of JSON"},
		"logs":                  {said(200, "application/json", streams), sources.ErrNotThisAPI, "streams"},
		"no result":             {said(200, "application/json", `{"status":"success"}`), sources.ErrNotThisAPI, "no result"},
		"null for a sample":     {said(200, "application/json", `{"status":"success","data":{"resultType":"vector","result":[null]}}`), sources.ErrNotThisAPI, "no result"},
		"null for a series":     {said(200, "application/json", `{"status":"success","data":{"resultType":"matrix","result":[null]}}`), sources.ErrNotThisAPI, "no result"},
		"string":                {recorded(t, 200, "query_string.json"), sources.ErrBadQuery, "a string"},
		"redirect without end":  {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.String(), http.StatusFound) }, sources.ErrNotThisAPI, "it redirects to http://127.0.0.1:"},
		"moved to another page": {func(w http.ResponseWriter, r *http.Request) { login(w, r) }, sources.ErrNotThisAPI, "a web page"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, test.handler)
			_, err := b.Instant(t.Context(), "a query", noon)
			_ = check(t, err, test.kind, test.detail)
			if q := b.query(t); q.Status != sources.QueryFailed {
				t.Errorf("the ledger says %+v", q)
			}
		})
	}
}

func login(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/login" {
		http.Redirect(w, r, "/login?back="+r.URL.Path, http.StatusFound)
		return
	}
	said(http.StatusOK, "text/html", "<form>")(w, r)
}

func TestEveryCallFailsAsSourcesError(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"refusal":   recorded(t, 400, "error_bad_data.json"),
		"no answer": said(200, "application/json", `{"status":"success","data":17}`),
		"page":      said(200, "text/html", "<html>"),
	} {
		b := newBench(t, handler)
		for call, ask := range calls(b) {
			err := ask(t.Context())
			if failure := (*sources.Error)(nil); !errors.As(err, &failure) {
				t.Errorf("%s of %s: got %T %v", name, call, err, err)
			}
			if leaked := (*v1.Error)(nil); name == "refusal" && errors.As(err, &leaked) {
				t.Errorf("%s of %s: %v is of client_golang", name, call, err)
			}
		}
		for _, q := range b.ledger.Queries() {
			if q.Status != sources.QueryFailed {
				t.Errorf("%s: the ledger says %+v", name, q)
			}
		}
		if got := len(b.ledger.Queries()); got != 7 {
			t.Errorf("%s: %d questions in the ledger", name, got)
		}
	}
}

func TestEveryCallEndsWithItsContext(t *testing.T) {
	b := newBench(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for call, ask := range calls(b) {
		ctx, cancel := context.WithCancel(t.Context())
		b.ledger.Observe = func(q sources.Query) {
			if q.Status == sources.QueryRunning {
				cancel()
			}
		}
		if err := ask(ctx); !errors.Is(err, sources.ErrTimeout) || !sources.IsCancelled(err) {
			t.Errorf("%s: got %v", call, err)
		}
		cancel()
	}
}

// What only some servers have may be missing, which is no sign of a wrong address.
func TestMissingEndpoint(t *testing.T) {
	optional := map[string]bool{"Metadata": true, "Exemplars": true, "Alerts": true}
	b := newBench(t, recorded(t, 404, "error_no_such_path.txt"))
	for call, ask := range calls(b) {
		want, status := sources.ErrNotThisAPI, sources.QueryFailed
		if optional[call] {
			want, status = sources.ErrNotFound, sources.QueryEmpty
		}
		err := ask(t.Context())
		if failure := check(t, err, want, "404 page not found"); optional[call] != strings.HasPrefix(failure.Hint, "this server ") {
			t.Errorf("%s: hint %q", call, failure.Hint)
		}
		if q := b.query(t); q.Status != status {
			t.Errorf("%s: the ledger says %+v", call, q)
		}
	}
}

// A query that the server gave up is not asked again: it would only cost as much again.
func TestGivenUpQueryIsAskedOnce(t *testing.T) {
	for file, attempts := range map[string]int{"error_timeout.json": 1, "error_no_such_path.txt": 4} {
		b := newBench(t, recorded(t, http.StatusServiceUnavailable, file))
		if _, err := b.Instant(t.Context(), "up", noon); err == nil {
			t.Error("no error")
		}
		if q := b.query(t); q.Attempts != attempts {
			t.Errorf("%s: %d attempts, want %d", file, q.Attempts, attempts)
		}
	}
}

func TestExplain(t *testing.T) {
	for body, want := range map[string]string{
		`{"status":"error","errorType":"bad_data","error":"wrong"}`: "bad_data: wrong",
		`{"error":"wrong"}`:      "wrong",
		`{"errorType":"x"}`:      "x",
		`{"error":{"code":1}}`:   "",
		`{"message":"no route"}`: "",
		`null`:                   "",
		`[]`:                     "",
		`no healthy upstream`:    "",
		``:                       "",
	} {
		if got := prometheus.Explain(400, []byte(body)); got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}

func TestErrorReadsWell(t *testing.T) {
	b := newBench(t, recorded(t, 400, "error_bad_data.json"))
	_, err := b.Instant(t.Context(), "rate((", noon)
	want := `prometheus at ` + b.url + ` did not accept the query (HTTP 400): bad_data: invalid parameter "query": 1:7: parse error: unclosed left parenthesis; asked: rate((`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// Whatever a server says, each call either returns or fails as a *sources.Error.
func FuzzAnswers(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(http.StatusOK, body)
		f.Add(http.StatusBadRequest, body)
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		client, err := transport.New(transport.Options{
			Backend: sources.Prometheus, URL: "http://host", Retries: -1, Explain: prometheus.Explain,
			Base: roundTripper(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}, nil
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		c := prometheus.New(client, nil)
		for name, ask := range calls(c) {
			failure := (*sources.Error)(nil)
			if err := ask(t.Context()); err != nil && !errors.As(err, &failure) {
				t.Errorf("%s: got %T %v", name, err, err)
			}
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
