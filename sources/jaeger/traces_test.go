package jaeger

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/sources"
)

func search(service, operation string) sources.TraceQuery {
	return sources.TraceQuery{Service: service, Operation: operation, Window: window}
}

func TestServicesAndOperations(t *testing.T) {
	ctx := context.Background()
	for name, server := range map[string]*fake{"v3": current(), "v1": older()} {
		client, ledger := open(t, server)
		services, err := client.Services(ctx)
		want := []string{"customer", "driver", "frontend", "mailer", "missing-service-name", "mysql", "payment", "redis-manual", "route", "shop", "zeros"}
		if err != nil || !slices.Equal(services, want) {
			t.Errorf("%s: services %v, %v", name, services, err)
		}
		operations, err := client.Operations(ctx, "frontend")
		if err != nil || !slices.Equal(operations, []sources.Operation{
			{Name: "/dispatch", Kind: sources.KindServer},
			{Name: "/metrics", Kind: sources.KindServer},
			{Name: "HTTP GET", Kind: sources.KindClient},
			{Name: "driver.DriverService/FindNearest", Kind: sources.KindClient},
		}) {
			t.Errorf("%s: operations %v, %v", name, operations, err)
		}
		if got := server.last().Query().Get("service"); got != "frontend" {
			t.Errorf("%s: asked for the operations of %q", name, got)
		}
		sent := ledger.Queries()
		if last := sent[len(sent)-1]; last.Records != 4 || last.Status != sources.QueryOK || last.Bytes == 0 {
			t.Errorf("%s: %+v", name, last)
		}
		if _, err := client.Operations(ctx, ""); !errors.Is(err, sources.ErrBadQuery) {
			t.Errorf("%s: operations of no service: %v", name, err)
		}
	}
	// An empty server, in the words of each API.
	for path, body := range map[string]string{
		"/api/v3/services": "{}", "/api/services": `{"data":null,"total":0,"limit":0,"offset":0,"errors":null}`,
	} {
		client, _ := open(t, &fake{routes: map[string]answer{path: {http.StatusOK, body}}, otherwise: page})
		if services, err := client.Services(ctx); err != nil || services != nil {
			t.Errorf("%s: %v, %v", path, services, err)
		}
	}
}

func TestSearch(t *testing.T) {
	ctx := context.Background()
	for name, server := range map[string]*fake{"v3": current(), "v1": older()} {
		client, ledger := open(t, server)
		q := search("frontend", "/metrics")
		q.Limit = 3
		answer, err := client.Search(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		if len(answer.Traces) != 3 || !answer.Limited {
			t.Errorf("%s: %d traces, limited: %v", name, len(answer.Traces), answer.Limited)
		}
		for _, trace := range answer.Traces {
			if len(trace.Spans) != 1 || trace.Spans[0].TraceID != trace.ID || trace.Spans[0].Operation != "/metrics" || trace.Spans[0].Service != "frontend" {
				t.Errorf("%s: %+v", name, trace)
			}
		}
		sent := ledger.Queries()
		if last := sent[len(sent)-1]; last.Records != 3 || last.Window != q.Window {
			t.Errorf("%s: %+v", name, last)
		}
		// The recorded answers hold three traces, whatever the limit.
		for limit, want := range map[int]sources.TraceAnswer{
			0: {Traces: answer.Traces}, 2: {Traces: answer.Traces[:2], Limited: true}, 4: {Traces: answer.Traces},
		} {
			q.Limit = limit
			got, err := client.Search(ctx, q)
			if err != nil || len(got.Traces) != len(want.Traces) || got.Limited != want.Limited {
				t.Errorf("%s: limited to %d: %d traces, limited: %v, %v", name, limit, len(got.Traces), got.Limited, err)
			}
		}
	}
}

func TestSearchParameters(t *testing.T) {
	q := sources.TraceQuery{
		Service: "a&b c", Operation: "GET /x?y=1", Limit: 7,
		Window:      sources.Window{From: window.From.Add(123456789), To: window.To},
		MinDuration: 1500 * time.Millisecond, MaxDuration: time.Minute + time.Nanosecond,
	}
	for _, test := range []struct {
		server *fake
		want   map[string]string
		text   string
	}{
		{current(), map[string]string{
			"query.service_name": "a&b c", "query.serviceName": "a&b c",
			"query.operation_name": "GET /x?y=1", "query.operationName": "GET /x?y=1",
			"query.start_time_min": "2026-11-21T07:00:00.123456789Z", "query.startTimeMin": "2026-11-21T07:00:00.123456789Z",
			"query.start_time_max": "2026-11-21T07:30:00Z", "query.startTimeMax": "2026-11-21T07:30:00Z",
			"query.duration_min": "1.5s", "query.durationMin": "1.5s",
			"query.duration_max": "60.000000001s", "query.durationMax": "60.000000001s",
			"query.num_traces": "7", "query.searchDepth": "7",
		}, "GET /api/v3/traces?query.service_name=a%26b%20c&query.operation_name=GET%20/x?y=1&query.start_time_min=2026-11-21T07:00:00.123456789Z&"},
		{older(), map[string]string{
			"service": "a&b c", "operation": "GET /x?y=1", "start": "1795244400123456", "end": "1795246200000000",
			"minDuration": "1.5s", "maxDuration": "60.000000001s", "limit": "7",
		}, "GET /api/traces?service=a%26b%20c&operation=GET%20/x?y=1&start=1795244400123456&end=1795246200000000&minDuration=1.5s&maxDuration=60.000000001s&limit=7"},
	} {
		client, ledger := open(t, test.server)
		if _, err := client.Search(context.Background(), q); err != nil {
			t.Fatal(err)
		}
		got := test.server.last().Query()
		if len(got) != len(test.want) {
			t.Errorf("%d parameters, want %d: %v", len(got), len(test.want), got)
		}
		for name, want := range test.want {
			if got.Get(name) != want {
				t.Errorf("%s is %q, want %q", name, got.Get(name), want)
			}
		}
		sent := ledger.Queries()
		if text := sent[len(sent)-1].Text; !strings.HasPrefix(text, test.text) {
			t.Errorf("text %s", text)
		}
	}
}

func TestSearchThatCannotBeAsked(t *testing.T) {
	server := current()
	client, _ := open(t, server)
	for name, q := range map[string]sources.TraceQuery{
		"no service":      {Window: window},
		"no window":       {Service: "frontend"},
		"backward window": {Service: "frontend", Window: sources.Window{From: window.To, To: window.From}},
	} {
		if _, err := client.Search(context.Background(), q); !errors.Is(err, sources.ErrBadQuery) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if asked := server.paths(); len(asked) > 0 {
		t.Errorf("asked %v", asked)
	}
}

// v3 says 404 when nothing matched. For a search that is an empty answer.
func TestNothingFound(t *testing.T) {
	client, ledger := open(t, current().with(map[string]answer{"/api/v3/traces": {http.StatusNotFound, "v3_none.json"}}))
	answer, err := client.Search(context.Background(), search("frontend", ""))
	if err != nil || answer.Traces != nil || answer.Limited {
		t.Errorf("%+v, %v", answer, err)
	}
	if sent := ledger.Queries(); len(sent) != 1 || sent[0].Status != sources.QueryEmpty || sent[0].Error != "" {
		t.Errorf("%+v", sent)
	}
}

func TestTraceNotFound(t *testing.T) {
	for name, server := range map[string]*fake{
		"v3": current(), "v1": older(),
		"no spans": current().with(map[string]answer{"/api/v3/traces/" + string(absentID): {http.StatusOK, `{"result":{}}`}}),
	} {
		client, ledger := open(t, server)
		_, err := client.Trace(context.Background(), absentID, sources.Window{})
		failure := (*sources.Error)(nil)
		if !errors.Is(err, sources.ErrNotFound) || !errors.As(err, &failure) || failure.Hint != notFoundHint {
			t.Errorf("%s: %v", name, err)
		}
		for _, sent := range ledger.Queries() {
			if sent.Status != sources.QueryEmpty {
				t.Errorf("%s: %+v", name, sent)
			}
		}
	}
}

func TestTraceIsAskedForByItsWholeID(t *testing.T) {
	ctx := context.Background()
	server := current()
	client, _ := open(t, server)
	for _, id := range []sources.TraceID{shopID, sources.TraceID(shopID.Short()), "00C0FFEE12345679"} {
		trace, err := client.Trace(ctx, id, window)
		if err != nil || trace.ID != shopID {
			t.Errorf("%s: %s, %v", id, trace.ID, err)
		}
		asked := server.last()
		if asked.Path != "/api/v3/traces/"+string(shopID) {
			t.Errorf("%s: asked %s", id, asked)
		}
		if got := asked.Query(); got.Get("start_time") != "2026-11-21T06:00:00Z" || got.Get("endTime") != "2026-11-21T08:30:00Z" || len(got) != 4 {
			t.Errorf("%s: asked %s", id, asked)
		}
	}
	if _, err := client.Trace(ctx, shopID, sources.Window{}); err != nil || server.last().RawQuery != "" {
		t.Errorf("without a window: %s, %v", server.last(), err)
	}
	before := len(server.paths())
	for _, id := range []sources.TraceID{"", "0", "xyz", "../services", sources.TraceID(strings.Repeat("a", 33))} {
		if _, err := client.Trace(ctx, id, sources.Window{}); !errors.Is(err, sources.ErrBadQuery) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if asked := server.paths()[before:]; len(asked) > 0 {
		t.Errorf("asked %v", asked)
	}
	// An answer about another trace is not taken for this one.
	server.with(map[string]answer{
		"/api/v3/traces/" + string(absentID): {http.StatusOK, "v3_trace_shop.json"},
		"/api/traces/" + string(absentID):    {http.StatusOK, "v1_trace_shop.json"},
	})
	if _, err := client.Trace(ctx, absentID, sources.Window{}); !errors.Is(err, sources.ErrNotThisAPI) {
		t.Errorf("another trace: %v", err)
	}
}

func TestDependencies(t *testing.T) {
	ctx := context.Background()
	server := current()
	client, ledger := open(t, server)
	calls, err := client.Dependencies(ctx, window)
	if err != nil || len(calls) != 10 {
		t.Fatalf("%v, %v", calls, err)
	}
	if first := calls[0]; first != (sources.Dependency{Parent: "customer", Child: "mysql", Calls: 108}) {
		t.Errorf("first %+v", first)
	}
	if got := server.last(); got.Path != "/api/dependencies" || got.RawQuery != "endTs=1795246200000&lookback=1800000" {
		t.Errorf("asked %s", got)
	}
	if sent := ledger.Queries()[0]; sent.Text != "GET /api/dependencies?endTs=1795246200000&lookback=1800000" || sent.Records != 10 {
		t.Errorf("%+v", sent)
	}
	server.with(map[string]answer{"/api/dependencies": {http.StatusOK,
		`{"data":[{"parent":"b","child":"c","callCount":1},{"parent":"a","child":"b","callCount":2},{"parent":"b","child":"c","callCount":18446744073709551615},{"parent":"a","child":"b","callCount":-7}]}`}})
	calls, err = client.Dependencies(ctx, window)
	if err != nil || !slices.Equal(calls, []sources.Dependency{{Parent: "a", Child: "b", Calls: 2}, {Parent: "b", Child: "c", Calls: math.MaxInt64}}) {
		t.Errorf("%v, %v", calls, err)
	}
	if _, err := client.Dependencies(ctx, sources.Window{}); !errors.Is(err, sources.ErrBadQuery) {
		t.Errorf("no window: %v", err)
	}
}

func TestFits(t *testing.T) {
	trace := sources.Trace{Spans: []sources.Span{
		{Service: "shop", Operation: "pay", Kind: sources.KindClient, Status: sources.StatusError,
			Attributes: sources.Attributes{{Key: "a", Value: "1"}}, Resource: sources.Attributes{{Key: "pod", Value: "p"}},
			Events: []sources.Event{{Attributes: sources.Attributes{{Key: "e", Value: "2"}}}}},
		{Service: "bank", Attributes: sources.Attributes{{Key: "b", Value: "3"}}},
	}}
	for _, test := range []struct {
		service, operation string
		attributes         sources.Attributes
		want               bool
	}{
		{"shop", "", sources.Attributes{{Key: "a", Value: "1"}}, true},
		{"shop", "pay", sources.Attributes{{Key: "a", Value: "1"}, {Key: "pod", Value: "p"}, {Key: "e", Value: "2"}}, true},
		{"shop", "refund", sources.Attributes{{Key: "a", Value: "1"}}, false},
		{"shop", "", sources.Attributes{{Key: "a", Value: "2"}}, false},
		{"shop", "", sources.Attributes{{Key: "b", Value: "3"}}, false}, // of another service's span
		{"bank", "", sources.Attributes{{Key: "b", Value: "3"}}, true},
		{"shop", "", sources.Attributes{{Key: "error", Value: "true"}, {Key: "span.kind", Value: "client"}, {Key: "otel.status_code", Value: "ERROR"}}, true},
		{"shop", "", sources.Attributes{{Key: "error", Value: "false"}}, false},
		{"bank", "", sources.Attributes{{Key: "error", Value: "true"}}, false},
		{"bank", "", sources.Attributes{{Key: "absent", Value: ""}}, false},
	} {
		q := sources.TraceQuery{Service: test.service, Operation: test.operation, Attributes: test.attributes}
		if got := fits(trace, q); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}

func TestLinks(t *testing.T) {
	client := New(connect(t, "http://user:secret@traces.example:16686/jaeger/", nil), nil)
	q := search("shop", "POST /orders")
	q.MinDuration, q.Attributes = 250*time.Millisecond, sources.Attributes{{Key: "k", Value: "<v>"}}
	for _, test := range []struct{ got, want string }{
		{client.Link(hotrodID, ""), "http://traces.example:16686/jaeger/trace/6bff0f10a123cf0c668a2ba302b239e6"},
		{client.Link(hotrodID, "02135f2280db90e5"), "http://traces.example:16686/jaeger/trace/6bff0f10a123cf0c668a2ba302b239e6?uiFind=02135f2280db90e5"},
		{client.Link(shopID, ""), "http://traces.example:16686/jaeger/trace/00c0ffee12345679"},
		{client.Link("a/../b?c", ""), "http://traces.example:16686/jaeger/trace/a%2F..%2Fb%3Fc"},
		{client.SearchLink(q), "http://traces.example:16686/jaeger/search?end=1795246200000000&limit=20&lookback=custom&minDuration=0.25s&operation=POST+%2Forders&service=shop&start=1795244400000000&tags=%7B%22k%22%3A%22%3Cv%3E%22%7D"},
		{client.SearchLink(sources.TraceQuery{Service: "shop", Limit: 5}), "http://traces.example:16686/jaeger/search?limit=5&service=shop"},
	} {
		if test.got != test.want {
			t.Errorf("%s, want %s", test.got, test.want)
		}
	}
}
