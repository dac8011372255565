package prometheus_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"obs/sources"
	"obs/sources/prometheus"
	"obs/sources/transport"
)

// The answers in this file were written after the documentation and the sources of the servers
// named, and not recorded. Cortex is among those that the integration tests ask.

// What bounds a query is said by each server in its own words.
func TestLimitsOfOtherServers(t *testing.T) {
	execution := func(message string) string {
		return `{"status":"error","errorType":"execution","error":"` + message + `"}`
	}
	for name, test := range map[string]struct {
		status int
		body   string
		kind   error
		hint   string
	}{
		"Mimir, series":       {422, execution("the query exceeded the maximum number of series (limit: 100000 series) (err-mimir-max-series-per-query). Consider reducing the time range and/or number of series selected by the query."), sources.ErrBadQuery, "fewer services"},
		"Mimir, chunks":       {422, execution("the query exceeded the maximum number of chunks (limit: 2000000 chunks) (err-mimir-max-chunks-per-query)."), sources.ErrBadQuery, "fewer services"},
		"Mimir, length":       {422, execution("expanding series: the query time range exceeds the limit (query length: 744h6m0s, limit: 720h0m0s) (err-mimir-max-query-length)"), sources.ErrBadQuery, "shorter window"},
		"Mimir, total length": {422, `{"status":"error","errorType":"bad_data","error":"the total query time range exceeds the limit (query length: 744h6m0s, limit: 720h0m0s) (err-mimir-max-total-query-length)"}`, sources.ErrBadQuery, "shorter window"},
		"Mimir, blocked":      {422, `{"status":"error","errorType":"bad_data","error":"the request has been blocked by the cluster administrator (err-mimir-query-blocked)"}`, sources.ErrBadQuery, "operators block"},
		"Mimir, too many":     {429, `{"status":"error","errorType":"too_many_requests","error":"the request has been rejected because the tenant exceeded the request rate limit"}`, sources.ErrBusy, ""},
		"Cortex, series":      {422, execution("expanding series: the query hit the max number of series limit (limit: 100000 series)"), sources.ErrBadQuery, "fewer services"},
		"Cortex, response":    {422, execution("the query response size exceeds limit (limit: 1000 bytes)"), sources.ErrBadQuery, "fewer services"},
		"VictoriaMetrics":     {422, `{"status":"error","errorType":"422","error":"the number of matching timeseries exceeds 300000; either narrow down the search or increase -search.max* command-line flag values"}`, sources.ErrBadQuery, "VictoriaMetrics's"},
		"Thanos, all stores":  {422, execution("expanding series: proxy Series(): rpc error: code = Aborted desc = No StoreAPIs matched for this query"), sources.ErrBadQuery, ""},
		"no tenant":           {401, "no org id", sources.ErrRefused, "keeps tenants apart"},
		"one tenant":          {400, "tenant ID 'a|b' contains unsupported character '|'", sources.ErrBadQuery, "one tenant at a time"},
	} {
		t.Run(name, func(t *testing.T) {
			kind := "application/json"
			if !strings.HasPrefix(test.body, "{") {
				kind = "text/plain"
			}
			b := newBench(t, said(test.status, kind, test.body))
			_, err := b.Range(t.Context(), "up", window, time.Minute)
			if failure := check(t, err, test.kind, ""); !strings.Contains(failure.Hint, test.hint) {
				t.Errorf("hint %q, want %q", failure.Hint, test.hint)
			}
		})
	}
}

// A Thanos of which a store does not answer gives what the others have, and says so.
func TestPartialAnswers(t *testing.T) {
	const store = `receive series from Addr: 10.0.0.7:10901 LabelSets: {cluster=\"eu\"}: rpc error: code = Unavailable`
	const list, none = `{"status":"success","data":["a"],"warnings":["` + store + `"]}`, `{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["` + store + `"],"infos":["PromQL info: x"]}`
	const remarks = `{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["PromQL warning: x"],"infos":["PromQL info: y"]}`
	const cut = `{"status":"success","data":[{"a":"b"},{"a":"c"}],"warnings":["results truncated due to limit"]}`
	values := func(b *bench) error { _, err := b.LabelValues(t.Context(), "a", nil, window); return err }
	instant := func(b *bench) error { _, err := b.Instant(t.Context(), "up", noon); return err }
	series := func(limit int) func(b *bench) error {
		return func(b *bench) error { _, err := b.Series(t.Context(), []string{"up"}, window, limit); return err }
	}
	for name, test := range map[string]struct {
		body string
		ask  func(*bench) error
		want string
	}{
		"query":           {none, instant, "receive series from"},
		"values":          {list, values, "receive series from"},
		"series":          {strings.Replace(list, `"a"`, `{"a":"b"}`, 1), series(0), "receive series from"},
		"VictoriaMetrics": {`{"status":"success","isPartial":true,"data":{"resultType":"vector","result":[]}}`, instant, "isPartial"},
		"remarks":         {remarks, instant, ""},
		"cut as asked":    {cut, series(2), ""},
		"escape sequence": {strings.Replace(none, "receive", `\u001b[31mreceive`, 1), instant, `\x1b[31mreceive`},
	} {
		answer := said(http.StatusOK, "application/json", test.body)
		b := newBench(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(test.want, "isPartial") {
				w.Header().Set("X-Server-Hostname", "vmselect-0")
			}
			answer(w, r)
		})
		if err := test.ask(b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := b.query(t).Partial; !strings.HasPrefix(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%s: the ledger says %q, want %q", name, got, test.want)
		}
	}
}

// VictoriaMetrics has no alerts of its own, and says of those of vmalert that there are none,
// unless it is told where that is.
func TestAlertsOfVictoriaMetrics(t *testing.T) {
	for groups, want := range map[string]error{
		"": sources.ErrNotFound,
		`{"name":"a","file":"f","interval":30,"evaluationTime":0.1,"lastEvaluation":"2026-11-21T12:00:00Z","rules":[]}`: nil,
	} {
		b := newBench(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Server-Hostname", "vm-0")
			switch r.URL.Path {
			case "/api/v1/alerts":
				said(http.StatusOK, "application/json", `{"status":"success","data":{"alerts":[]}}`)(w, r)
			case "/api/v1/rules":
				said(http.StatusOK, "application/json", `{"status":"success","data":{"groups":[`+groups+`]}}`)(w, r)
			default:
				http.NotFound(w, r)
			}
		})
		found, err := b.Alerts(t.Context())
		if !errors.Is(err, want) || len(found) != 0 {
			t.Errorf("%q: %v, %v, want %v", groups, found, err, want)
		}
		if failure := (*sources.Error)(nil); want != nil && (!errors.As(err, &failure) || !strings.Contains(failure.Hint, "vmalert.proxyURL")) {
			t.Errorf("%v", err)
		}
		if len(b.ledger.Queries()) != 1 || b.last(t).path != "/api/v1/rules" {
			t.Errorf("asked %+v", b.ledger.Queries())
		}
	}
	plain := newBench(t, said(http.StatusOK, "application/json", `{"status":"success","data":{"alerts":[]}}`))
	if _, err := plain.Alerts(t.Context()); err != nil || plain.last(t).path != "/api/v1/alerts" {
		t.Errorf("of another server: %v", err)
	}
}

// VictoriaMetrics has no exemplars, and says so with an empty list; it sends no infos.
func TestNothingOfVictoriaMetrics(t *testing.T) {
	b := newBench(t, said(http.StatusOK, "application/json", `{"status":"success","data":[]}`))
	if found, err := b.Exemplars(t.Context(), "up", window); err != nil || found != nil || b.query(t).Status != sources.QueryEmpty {
		t.Errorf("%v, %v", found, err)
	}
	b = newBench(t, said(http.StatusOK, "application/json", `{"status":"success","isPartial":false,"data":{"resultType":"vector","result":[{"metric":{"__name__":"up"},"value":[1646136000,"1"]}]},"stats":{"seriesFetched":"1","executionTimeMsec":2}}`))
	if answer, err := b.Instant(t.Context(), "up", noon); err != nil || len(answer.Series) != 1 || answer.Warnings != nil {
		t.Errorf("%+v, %v", answer, err)
	}
}

// Several tenants are named at once, for a server with tenant federation.
func TestSeveralTenants(t *testing.T) {
	var sent []string
	b := newBench(t, func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, r.Header.Get("X-Scope-OrgID"))
		recorded(t, http.StatusOK, "query_vector.json")(w, r)
	})
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	client, err := transport.New(transport.Options{
		Backend: sources.Prometheus, URL: b.url, Base: base, Explain: prometheus.Explain, Access: transport.Access{Tenant: "team-a|team-b"},
		Sleep: func(context.Context, time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := prometheus.New(client, nil).Instant(t.Context(), "up", noon); err != nil || len(sent) != 1 || sent[0] != "team-a|team-b" {
		t.Errorf("sent %q, %v", sent, err)
	}
}
