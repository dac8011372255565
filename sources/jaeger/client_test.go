package jaeger

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"obs/sources"
)

// Every question works on servers that have one API or both, and once it is known
// what is missing, nothing is asked in vain.
func TestEveryGenerationOfServers(t *testing.T) {
	ctx := context.Background()
	questions := []struct {
		name   string
		ask    func(*Client) error
		v3, v1 string // paths; empty where there is none
	}{
		{"services", func(c *Client) error { _, err := c.Services(ctx); return err }, "/api/v3/services", "/api/services"},
		{"operations", func(c *Client) error { _, err := c.Operations(ctx, "frontend"); return err }, "/api/v3/operations", "/api/operations"},
		{"search", func(c *Client) error { _, err := c.Search(ctx, search("frontend", "")); return err }, "/api/v3/traces", "/api/traces"},
		{"trace", func(c *Client) error { _, err := c.Trace(ctx, hotrodID, window); return err }, "/api/v3/traces/" + string(hotrodID), "/api/traces/" + string(hotrodID)},
	}
	for _, q := range questions {
		for _, test := range []struct {
			server *fake
			want   []string // paths of asking three times
		}{
			{newer(), []string{q.v3, q.v3, q.v3}},
			{current(), []string{q.v3, q.v3, q.v3}},
			{older(), []string{q.v3, q.v1, q.v1, q.v1}},
			{&fake{routes: routesV1, otherwise: noRoute}, []string{q.v3, q.v1, q.v1, q.v1}},
		} {
			client, ledger := open(t, test.server)
			for range 3 {
				if err := q.ask(client); err != nil {
					t.Fatalf("%s: %v", q.name, err)
				}
			}
			if got := test.server.paths(); !slices.Equal(got, test.want) {
				t.Errorf("%s: asked %v, want %v", q.name, got, test.want)
			}
			for _, sent := range ledger.Queries() {
				if sent.Status == sources.QueryFailed {
					t.Errorf("%s: to find out what a server has is no failure: %+v", q.name, sent)
				}
			}
		}
	}
}

// What is missing is found out once for all questions, also by many at once.
func TestGenerationIsSharedByQuestionsAtOnce(t *testing.T) {
	server := older()
	client, _ := open(t, server)
	ctx := context.Background()
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			if _, err := client.Services(ctx); err != nil {
				t.Error(err)
			}
			if _, err := client.Trace(ctx, shopID, sources.Window{}); err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
	before := len(server.paths())
	if _, err := client.Search(ctx, search("frontend", "")); err != nil {
		t.Fatal(err)
	}
	if got := server.paths()[before:]; !slices.Equal(got, []string{"/api/traces"}) {
		t.Errorf("asked %v after it was known that v3 is missing", got)
	}
}

// A failure that may pass, or a page in place of both APIs, teaches nothing.
func TestFailuresAreNotRemembered(t *testing.T) {
	ctx := context.Background()
	for _, test := range []struct {
		name   string
		answer answer
		kind   error
		paths  []string
	}{
		{"broken", answer{http.StatusInternalServerError, `{"error":{"httpCode":500,"message":"storage is down"}}`}, sources.ErrServer, []string{"/api/v3/services"}},
		{"refused", answer{http.StatusForbidden, "no"}, sources.ErrRefused, []string{"/api/v3/services"}},
		{"login page", page, sources.ErrNotThisAPI, []string{"/api/v3/services", "/api/services"}},
		{"another API", answer{http.StatusOK, `{"status":"success"}`}, sources.ErrNotThisAPI, []string{"/api/v3/services", "/api/services"}},
		{"another server", noRoute, sources.ErrNotThisAPI, []string{"/api/v3/services", "/api/services"}},
	} {
		server := &fake{otherwise: test.answer}
		client, _ := open(t, server)
		_, err := client.Services(ctx)
		if !errors.Is(err, test.kind) {
			t.Errorf("%s: %v, want %v", test.name, err, test.kind)
		}
		if got := server.paths(); !slices.Equal(got, test.paths) {
			t.Errorf("%s: asked %v, want %v", test.name, got, test.paths)
		}
		server.with(current().routes)
		if _, err := client.Services(ctx); err != nil || server.last().Path != "/api/v3/services" {
			t.Errorf("%s: afterwards it asked %s: %v", test.name, server.last(), err)
		}
	}
}

func TestCancelledQuestion(t *testing.T) {
	server := older()
	client, ledger := open(t, server)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := client.Services(ctx)
	if !errors.Is(err, sources.ErrTimeout) || !sources.IsCancelled(err) || len(server.paths()) > 0 {
		t.Errorf("%v", err)
	}
	if sent := ledger.Queries(); len(sent) != 1 || sent[0].Status != sources.QueryCancelled {
		t.Errorf("%+v", sent)
	}
}

// Servers from before 2024 have a v3 in an early form of OTLP; their v1 is sound.
func TestUnreadableV3FallsBackToV1(t *testing.T) {
	for name, body := range map[string]string{
		"base64":     `{"result":{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"AAAAAAAAAAAAAAAAAAAAAQ==","spanId":"AAAAAAAAAAE="}]}]}]}}`,
		"early OTLP": `{"result":{"resourceSpans":[{"instrumentationLibrarySpans":[{"spans":[{"traceId":"AAAAAAAAAAAAAAAAAAAAAQ==","spanId":"AAAAAAAAAAE="}]}]}]}}`,
	} {
		client, _ := open(t, current().with(map[string]answer{"/api/v3/traces": {http.StatusOK, body}}))
		answer, err := client.Search(context.Background(), search("frontend", "/metrics"))
		if err != nil || len(answer.Traces) != 3 {
			t.Errorf("%s: %d traces, %v", name, len(answer.Traces), err)
		}
	}
}

func TestSearchByAttribute(t *testing.T) {
	ctx := context.Background()
	q := search("shop", "")
	q.Attributes = sources.Attributes{{Key: "http.request.header.x-request-id", Value: `["req-7f3a"]`}}
	found := map[string]answer{"/api/traces": {http.StatusOK, "v1_search_tags.json"}}
	// An answer as if there were no condition, from a server that ignores it.
	ignored := map[string]answer{"/api/v3/traces": {http.StatusOK, string(recorded(t, "v3_trace_shop.json")) + string(recorded(t, "v3_search.json"))}}
	for _, test := range []struct {
		name   string
		server *fake
		want   []string
	}{
		{"v1 searches", current().with(found), []string{"/api/traces", "/api/traces"}},
		{"v1's search is gone", newer().with(ignored), []string{"/api/traces", "/api/v3/traces", "/api/v3/traces"}},
		{"v1 alone", older().with(found), []string{"/api/traces", "/api/traces"}},
	} {
		client, ledger := open(t, test.server)
		for range 2 {
			answer, err := client.Search(ctx, q)
			if err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
			if len(answer.Traces) != 1 || answer.Traces[0].ID != shopID {
				t.Errorf("%s: %d traces", test.name, len(answer.Traces))
			}
		}
		if got := test.server.paths(); !slices.Equal(got, test.want) {
			t.Errorf("%s: asked %v", test.name, got)
		}
		last := test.server.last().Query()
		if tags := last.Get("tags") + last.Get("query.attributes"); tags != `{"http.request.header.x-request-id":"[\"req-7f3a\"]"}` {
			t.Errorf("%s: tags %s", test.name, tags)
		}
		if sent := ledger.Queries()[0]; sent.Status == sources.QueryFailed || !strings.Contains(sent.Text, `tags={"http.request.header.x-request-id":"[%5C"req-7f3a%5C"]"}`) {
			t.Errorf("%s: %+v", test.name, sent)
		}
	}
	// No match by v1 is an empty answer.
	client, _ := open(t, current().with(map[string]answer{"/api/traces": {http.StatusOK, "v1_search_none.json"}}))
	if answer, err := client.Search(ctx, q); err != nil || len(answer.Traces) != 0 || answer.Limited {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestErrorsSayWhatTheServerSaid(t *testing.T) {
	for _, test := range []struct{ name, body, want string }{
		{"v3", "v3_bad.json", "query.start_time_min and query.start_time_max are required"},
		{"v1", "v1_bad.json", "parameter 'service' is required"},
	} {
		client, ledger := open(t, &fake{otherwise: answer{http.StatusBadRequest, test.body}})
		_, err := client.Search(context.Background(), search("frontend", ""))
		failure := (*sources.Error)(nil)
		if !errors.As(err, &failure) || !errors.Is(err, sources.ErrBadQuery) || failure.Detail != test.want || failure.Status != http.StatusBadRequest {
			t.Errorf("%s: %v", test.name, err)
		}
		if sent := ledger.Queries(); len(sent) != 1 || sent[0].Status != sources.QueryFailed || sent[0].Text != failure.Asked {
			t.Errorf("%s: %+v", test.name, sent)
		}
	}
}

func TestExplain(t *testing.T) {
	for _, test := range []struct{ body, want string }{
		{`{"data":null,"errors":[{"code":404,"msg":"trace not found"}]}`, "trace not found"},
		{`{"errors":[{"msg":"one"},{},{"msg":"two"}]}`, "one; two"},
		{`{"error":{"httpCode":400,"message":"malformed parameter"}}`, "malformed parameter"},
		{`{"error":"unauthorized"}`, ""},
		{`{"errors":"no list"}`, ""},
		{"404 page not found\n", ""},
		{"", ""},
		{"[]", ""},
	} {
		if got := Explain(http.StatusNotFound, []byte(test.body)); got != test.want {
			t.Errorf("%s: %q, want %q", test.body, got, test.want)
		}
	}
}

// An error in an answer that began well is the server's failure.
func TestErrorWithStatus200(t *testing.T) {
	for path, body := range map[string]string{
		"/api/v3/traces": `{"result":{"resourceSpans":[]}}{"error":{"message":"storage went away"}}`,
		"/api/traces":    `{"data":[],"errors":[{"code":500,"msg":"storage went away"}]}`,
	} {
		server := older()
		server.with(map[string]answer{path: {http.StatusOK, body}})
		client, _ := open(t, server)
		_, err := client.Search(context.Background(), search("frontend", ""))
		if !errors.Is(err, sources.ErrServer) || !strings.Contains(err.Error(), "storage went away") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
