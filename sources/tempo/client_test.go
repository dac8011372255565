package tempo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/sources"
)

func routes() map[string]answer {
	return map[string]answer{
		"/api/search":                                     {http.StatusOK, "search.json"},
		"/api/v2/traces/" + string(billingID):             {http.StatusOK, "trace_v2.json"},
		"/api/v2/search/tag/resource.service.name/values": {http.StatusOK, "services.json"},
		"/api/v2/search/tag/name/values":                  {http.StatusOK, `{"tagValues":[{"type":"string","value":"b"},{"type":"string","value":"a"}]}`},
		"/api/status/buildinfo":                           {http.StatusOK, "buildinfo.json"},
	}
}

func TestLists(t *testing.T) {
	ctx := context.Background()
	client, server, ledger := open(t, routes())
	client.now = func() time.Time { return window.To }
	services, err := client.Services(ctx)
	if want := []string{"article-service", "auth-service", "billing-service", "cart-service", "postgres", "shop-backend"}; err != nil || !slices.Equal(services, want) {
		t.Errorf("%q, %v", services, err)
	}
	if q := server.last(); q.Get("start") != "1684692001" || q.Get("end") != "1684778401" || q.Has("q") {
		t.Errorf("services: asked %v", q)
	}
	operations, err := client.Operations(ctx, `a"b`)
	if err != nil || !slices.Equal(operations, []sources.Operation{{Name: "a"}, {Name: "b"}}) {
		t.Errorf("%v, %v", operations, err)
	}
	if q := server.last(); q.Get("q") != `{ resource.service.name = "a\"b" }` {
		t.Errorf("operations: asked %v", q)
	}
	if _, err := client.Operations(ctx, ""); !errors.Is(err, sources.ErrBadQuery) {
		t.Errorf("operations of nobody: %v", err)
	}
	if calls, err := client.Dependencies(ctx, window); err != nil || calls != nil {
		t.Errorf("dependencies %v, %v", calls, err)
	}
	queries := ledger.Queries()
	if len(queries) != 2 || queries[0].Backend != sources.Tempo || queries[0].Text != "GET /api/v2/search/tag/resource.service.name/values" ||
		queries[0].Records != 6 || queries[1].Records != 2 || queries[1].Text != `GET /api/v2/search/tag/name/values?q={ resource.service.name = "a\"b" }` {
		t.Errorf("%+v", queries)
	}
}

// A search brings whole traces, and is one question. What is gone when it is fetched is
// told by Limited, and what does not fit is left out.
func TestSearch(t *testing.T) {
	ctx := context.Background()
	client, server, ledger := open(t, routes())
	q := sources.TraceQuery{Service: "shop-backend", Window: window, Attributes: sources.Attributes{{Key: "http.status_code", Value: "500"}}, Limit: 5}
	got, err := client.Search(ctx, q)
	if err != nil || len(got.Traces) != 1 || got.Traces[0].ID != billingID || len(got.Traces[0].Spans) != 2 || !got.Limited {
		t.Fatalf("%+v, %v", got, err) // search.json names a second trace, which is gone
	}
	asked := server.asked[0].Query()
	if asked.Get("start") != "1684778280" || asked.Get("end") != "1684778401" || asked.Get("limit") != "5" || asked.Get("spss") != "1" {
		t.Errorf("asked %v", asked)
	}
	if queries := ledger.Queries(); len(queries) != 1 || queries[0].Text != asked.Get("q") || queries[0].Attempts != 1 || queries[0].Records != 1 ||
		queries[0].Bytes < int64(len(recorded(t, "search.json"))+len(recorded(t, "trace_v2.json"))) {
		t.Errorf("%+v", queries)
	}
	for name, change := range map[string]func(*sources.TraceQuery){
		"starts before the window": func(q *sources.TraceQuery) {
			q.Window.From = time.Unix(1684778327, 999e6)
		},
		"of another value": func(q *sources.TraceQuery) { q.Attributes = sources.Attributes{{Key: "http.status_code", Value: "5"}} },
		"of another span":  func(q *sources.TraceQuery) { q.Operation = "charge" },
		"too short":        func(q *sources.TraceQuery) { q.MinDuration = time.Second },
		"too long":         func(q *sources.TraceQuery) { q.MaxDuration = time.Millisecond },
		"an element of many": func(q *sources.TraceQuery) {
			q.Attributes[0] = sources.Attribute{Key: "http.request.header.x-request-id", Value: "req-7f3a"}
		},
	} {
		other := q
		other.Attributes = slices.Clone(q.Attributes)
		change(&other)
		if got, err := client.Search(ctx, other); err != nil || len(got.Traces) != 0 {
			t.Errorf("%s: %+v, %v", name, got.Traces, err)
		}
	}
	for _, a := range []sources.Attribute{
		{Key: "error", Value: "true"}, {Key: "span.kind", Value: "server"}, {Key: "otel.status_code", Value: "ERROR"},
		{Key: "service.version", Value: "1.4.2"}, {Key: "http.request.header.x-request-id", Value: `["req-7f3a"]`},
	} {
		other := q
		other.Attributes = sources.Attributes{a}
		if got, err := client.Search(ctx, other); err != nil || len(got.Traces) != 1 {
			t.Errorf("%v: %+v, %v", a, got.Traces, err)
		}
	}
}

// However many traces are wanted, a bounded number is fetched, and the answer says so.
func TestSearchIsBounded(t *testing.T) {
	summaries := make([]string, 0, 3*mostFetched)
	all := routes()
	for i := range mostFetched {
		id := fmt.Sprintf("%032x", i+1)
		summaries = append(summaries, fmt.Sprintf(`{"traceID":"%x"}`, i+1))
		all["/api/v2/traces/"+id] = answer{http.StatusOK, strings.ReplaceAll(string(recorded(t, "trace_hex.json")), string(billingID), id)}
	}
	all["/api/search"] = answer{http.StatusOK, `{"traces":[` + strings.Join(summaries, ",") + `]}`}
	client, server, _ := open(t, all)
	got, err := client.Search(context.Background(), sources.TraceQuery{Service: "shop-backend", Window: window, Limit: 3 * mostFetched})
	if err != nil || len(got.Traces) != mostFetched || !got.Limited || server.asked[0].Query().Get("limit") != "100" {
		t.Errorf("%d traces, limited %t, asked %s, %v", len(got.Traces), got.Limited, server.asked[0], err)
	}
	for i, trace := range got.Traces {
		if want := sources.TraceID(fmt.Sprintf("%032x", i+1)); trace.ID != want {
			t.Fatalf("trace %d is %s: they are not in the order in which they were named", i, trace.ID)
		}
	}
}

// A window of as many hours as the server searches at most stays one, wherever in a second
// it begins; a shorter one is asked for whole.
func TestBounds(t *testing.T) {
	for _, test := range []struct {
		length time.Duration
		want   string
	}{
		{time.Minute, "end=1684778461&start=1684778400"},
		{time.Minute + 500*time.Millisecond, "end=1684778461&start=1684778400"},
		{168 * time.Hour, "end=1685383201&start=1684778401"},
	} {
		from := time.Unix(1684778400, 5e8)
		if got := bounds(sources.Window{From: from, To: from.Add(test.length)}).Encode(); got != test.want {
			t.Errorf("%s: %s, want %s", test.length, got, test.want)
		}
	}
	if got := bounds(sources.Window{}); len(got) != 0 {
		t.Errorf("no window: %v", got)
	}
}

func TestSearchRefusesWhatCannotBeAsked(t *testing.T) {
	client, server, _ := open(t, routes())
	for _, q := range []sources.TraceQuery{
		{Window: window}, {Service: "a"}, {Service: "a", Window: window, Attributes: sources.Attributes{{Key: "a\nb", Value: "c"}}},
	} {
		if _, err := client.Search(context.Background(), q); !errors.Is(err, sources.ErrBadQuery) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if len(server.paths()) != 0 {
		t.Errorf("asked %v", server.paths())
	}
}

// A trace that is not found may be in a server that has only the older path: that is asked
// until it is known which there are.
func TestTraceOfEitherGeneration(t *testing.T) {
	ctx := context.Background()
	v2, v1 := "/api/v2/traces/", "/api/traces/"
	older := map[string]answer{v1 + string(billingID): {http.StatusOK, "trace_v1.json"}}
	for _, test := range []struct {
		name   string
		routes map[string]answer
		want   []string // paths of asking for a trace that is absent, and twice for one that is there
	}{
		{"newer", routes(), []string{v2, v1, v2, v2}},
		{"older", older, []string{v2, v1, v2, v1, v1}},
	} {
		client, server, ledger := open(t, test.routes)
		if _, err := client.Trace(ctx, absentID, sources.Window{}); !errors.Is(err, sources.ErrNotFound) {
			t.Errorf("%s: %v", test.name, err)
		} else if failure := (*sources.Error)(nil); !errors.As(err, &failure) || failure.Hint != notFoundHint {
			t.Errorf("%s: hint of %+v", test.name, err)
		}
		for range 2 {
			trace, err := client.Trace(ctx, billingID, window)
			if err != nil || len(trace.Spans) != 2 {
				t.Fatalf("%s: %+v, %v", test.name, trace, err)
			}
		}
		if q := server.last(); q.Get("start") != "1684774681" || q.Get("end") != "1684782001" {
			t.Errorf("%s: asked around %v", test.name, q)
		}
		var got []string
		for _, path := range server.paths() {
			got = append(got, path[:len(path)-len(absentID)])
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: asked %v, want %v", test.name, got, test.want)
		}
		if queries := ledger.Queries(); len(queries) != 3 || queries[0].Status != sources.QueryEmpty || queries[1].Status != sources.QueryOK || queries[1].Records != 1 {
			t.Errorf("%s: %+v", test.name, queries)
		}
		if link := client.Link(billingID, ""); !strings.HasSuffix(link, test.want[len(test.want)-1]+string(billingID)) {
			t.Errorf("%s: link %s", test.name, link)
		}
	}
	// A server that has the trace's path and an empty trace does not have the trace.
	client, _, _ := open(t, map[string]answer{v2 + string(absentID): {http.StatusOK, `{"trace":{},"metrics":{}}`}})
	if _, err := client.Trace(ctx, absentID, sources.Window{}); !errors.Is(err, sources.ErrNotFound) {
		t.Errorf("an empty trace: %v", err)
	}
	client, _, _ = open(t, map[string]answer{v2 + string(absentID): {http.StatusOK, "trace_v2.json"}})
	if _, err := client.Trace(ctx, absentID, sources.Window{}); !errors.Is(err, sources.ErrNotThisAPI) {
		t.Errorf("another trace: %v", err)
	}
	if _, err := client.Trace(ctx, "xyz", sources.Window{}); !errors.Is(err, sources.ErrBadQuery) {
		t.Errorf("no ID: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	ctx := context.Background()
	q := sources.TraceQuery{Service: "a", Window: window}
	for _, test := range []struct {
		name   string
		answer answer
		kind   error
		detail string
		hint   string // a part of it
	}{
		{
			"bad query", answer{http.StatusBadRequest, "invalid TraceQL query: parse error at line 1, col 24: syntax error: unexpected IDENTIFIER"},
			sources.ErrBadQuery, "invalid TraceQL query: parse error at line 1, col 24: syntax error: unexpected IDENTIFIER", "",
		},
		{"no tenant", answer{http.StatusUnauthorized, "no org id\n"}, sources.ErrRefused, "no org id", "it keeps tenants apart, and none was named"},
		{
			"window", answer{http.StatusBadRequest, "range specified by start and end exceeds 168h0m0s. received start=1 end=2"},
			sources.ErrBadQuery, "range specified by start and end exceeds 168h0m0s. received start=1 end=2", "shorter window",
		},
		{"gateway", answer{http.StatusForbidden, `{"message":"token expired"}`}, sources.ErrRefused, "token expired", "credentials"},
		{"another server", answer{http.StatusOK, `{"status":"success","data":[]}`}, sources.ErrNotThisAPI, "the answer holds no traces", "--tempo-url"},
		{"no such path", answer{http.StatusNotFound, "404 page not found\n"}, sources.ErrNotThisAPI, "404 page not found", "--tempo-url"},
		{"not an ID", answer{http.StatusOK, `{"traces":[{"traceID":"x"}]}`}, sources.ErrNotThisAPI, `"x" is not a trace ID`, "--tempo-url"},
		{"failed", answer{http.StatusInternalServerError, "boom"}, sources.ErrServer, "boom", "log"},
	} {
		client, _, ledger := open(t, map[string]answer{"/api/search": test.answer})
		_, err := client.Search(ctx, q)
		failure := (*sources.Error)(nil)
		if !errors.As(err, &failure) || !errors.Is(err, test.kind) || failure.Detail != test.detail || !strings.Contains(failure.Hint, test.hint) {
			t.Errorf("%s: %+v", test.name, err)
			continue
		}
		if failure.Backend != sources.Tempo || failure.Asked != `{ resource.service.name = "a" }` {
			t.Errorf("%s: %+v", test.name, failure)
		}
		if test.name == "bad query" && (failure.Line != 1 || failure.Column != 24) {
			t.Errorf("it stopped at %d:%d", failure.Line, failure.Column)
		}
		if queries := ledger.Queries(); len(queries) != 1 || queries[0].Status != sources.QueryFailed {
			t.Errorf("%s: %+v", test.name, queries)
		}
	}
	// A trace that cannot be fetched for another reason than that it is gone fails the search.
	broken := routes()
	broken["/api/v2/traces/"+string(cartID)] = answer{http.StatusInternalServerError, "boom"}
	client, _, ledger := open(t, broken)
	if _, err := client.Search(ctx, q); !errors.Is(err, sources.ErrServer) || ledger.Queries()[0].Status != sources.QueryFailed {
		t.Errorf("%v, %+v", err, ledger.Queries())
	}
}

func TestDescribe(t *testing.T) {
	ctx := context.Background()
	client, _, _ := open(t, routes())
	got, err := client.Describe(ctx)
	if err != nil || got.Product != "tempo" || got.Version != "2.8.1" || got.API != "v2" || got.Asked.IsZero() || got.Answered.Before(got.Asked) ||
		!got.Clock.Equal(time.Date(2023, 5, 22, 18, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v, %v", got, err)
	}
	client, _, _ = open(t, map[string]answer{"/api/echo": {http.StatusOK, "echo\n"}})
	if got, err = client.Describe(ctx); err != nil || got.Product != "tempo" || got.Version != "" {
		t.Errorf("without build information: %+v, %v", got, err)
	}
	for name, routes := range map[string]map[string]answer{
		"nothing": {}, "another": {"/api/echo": {http.StatusOK, "hello"}}, "another's build": {"/api/status/buildinfo": {http.StatusOK, "hello"}},
	} {
		client, _, _ = open(t, routes)
		if _, err = client.Describe(ctx); !errors.Is(err, sources.ErrNotThisAPI) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLinks(t *testing.T) {
	client, _, _ := open(t, nil)
	link := client.SearchLink(sources.TraceQuery{Service: "a&b", Window: window})
	if !strings.Contains(link, "/api/search?end=1684778401&limit=20&q=%7B+resource.service.name+%3D+%22a%26b%22+%7D&spss=1&start=1684778280") {
		t.Error(link)
	}
	if link := client.SearchLink(sources.TraceQuery{Service: "a", Window: window, Attributes: sources.Attributes{{Key: "a\nb"}}}); link != "" {
		t.Errorf("a link to what cannot be asked: %s", link)
	}
}
