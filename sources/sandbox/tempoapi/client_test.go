package tempoapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"obs/sources"
	"obs/sources/sandbox/tempoapi"
	"obs/sources/tempo"
	"obs/sources/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func dial(t *testing.T, handler http.Handler) *tempo.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client, err := transport.New(transport.Options{
		Backend: sources.Tempo, URL: server.URL, Origin: "--tempo-url", Explain: tempo.Explain, Base: server.Client().Transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	return tempo.New(client, nil)
}

// orders is a trace as a service would report it, with one of everything that
// sources.Span can hold.
func orders() []sources.Span {
	return []sources.Span{
		{
			TraceID: "00000000000000008448eb211c80319c", ID: "00000000000000a1", Service: "shop", Operation: "POST /orders",
			Kind: sources.KindServer, Status: sources.StatusError, StatusMessage: "refused",
			Start: noon.Add(123 * time.Nanosecond), Duration: time.Second,
			Resource: sources.Attributes{{Key: "k8s.pod.name", Value: "shop-0"}, {Key: "service.name", Value: "shop"}, {Key: "service.version", Value: "1.10"}},
			Attributes: sources.Attributes{
				{Key: "html", Value: `["a&b"]`}, {Key: "http.request.header.x-request-id", Value: `["req-1"]`},
				{Key: "http.response.status_code", Value: "500"}, {Key: "odd", Value: "007"}, {Key: "ratio", Value: "0.25"}, {Key: "sampled", Value: "true"},
			},
			Events: []sources.Event{{Time: noon.Add(time.Millisecond), Name: "apple", Attributes: sources.Attributes{{Key: "n", Value: "1"}}}},
			Links:  []sources.Reference{{TraceID: "00000000000000000000000000000fff", SpanID: "00000000000000ff"}},
		},
		{
			TraceID: "00000000000000008448eb211c80319c", ID: "00000000000000a2", ParentID: "00000000000000a1", Service: "bank",
			Operation: "charge", Kind: sources.KindServer, Status: sources.StatusOK,
			Start: noon.Add(10 * time.Millisecond), Duration: 200 * time.Millisecond,
			Resource: sources.Attributes{{Key: "process.pid", Value: "7"}, {Key: "service.name", Value: "bank"}},
		},
	}
}

// The client of obs reads back what was appended, also from an older server.
func TestClient(t *testing.T) {
	ctx := t.Context()
	store := tempoapi.NewStore()
	all := orders()
	store.Append(all...)
	window := sources.Window{From: noon.Add(-time.Minute), To: noon.Add(time.Minute)}
	for _, o := range []tempoapi.Options{{}, {Old: true}} {
		client := dial(t, tempoapi.Handler(store, o))
		if services, err := client.Services(ctx); err != nil || !slices.Equal(services, []string{"bank", "shop"}) {
			t.Errorf("%+v: services %v, %v", o, services, err)
		}
		if operations, err := client.Operations(ctx, "shop"); err != nil || !slices.Equal(operations, []sources.Operation{{Name: "POST /orders"}}) {
			t.Errorf("%+v: operations %v, %v", o, operations, err)
		}
		trace, err := client.Trace(ctx, all[0].TraceID, window)
		if err != nil || !reflect.DeepEqual(trace.Spans, all) {
			t.Errorf("%+v: trace\n%+v\nwant\n%+v\n%v", o, trace.Spans, all, err)
		}
		if _, err := client.Trace(ctx, "deadbeef", sources.Window{}); !errors.Is(err, sources.ErrNotFound) {
			t.Errorf("%+v: unknown trace: %v", o, err)
		}
		if server, err := client.Describe(ctx); err != nil || server.Version != "sandbox" {
			t.Errorf("%+v: %+v, %v", o, server, err)
		}
		for _, test := range []struct {
			change func(*sources.TraceQuery)
			want   int
		}{
			{func(*sources.TraceQuery) {}, 1},
			{func(q *sources.TraceQuery) { q.Operation = "charge" }, 0},
			{func(q *sources.TraceQuery) { q.MinDuration = time.Second }, 1},
			{func(q *sources.TraceQuery) { q.MinDuration = time.Second + 1 }, 0},
			{func(q *sources.TraceQuery) { q.MaxDuration = time.Second - 1 }, 0},
			{func(q *sources.TraceQuery) { q.Window.To = noon.Add(-time.Second) }, 0},
			{func(q *sources.TraceQuery) { q.Window.To = noon }, 0}, // within the second that the server looks at
			{func(q *sources.TraceQuery) { q.Service = "nobody" }, 0},
			{tagged("http.request.header.x-request-id", `["req-1"]`), 1},
			{tagged("http.request.header.x-request-id", "req-1"), 0},
			{tagged("http.response.status_code", "500"), 1},
			{tagged("http.response.status_code", "50"), 0},
			{tagged("odd", "007"), 1},
			{tagged("odd", "7"), 0},
			{tagged("ratio", "0.25"), 1},
			{tagged("sampled", "true"), 1},
			{tagged("k8s.pod.name", "shop-0"), 1},
			{tagged("error", "true"), 1},
			{tagged("span.kind", "client"), 0},
		} {
			asked := sources.TraceQuery{Service: "shop", Window: window}
			test.change(&asked)
			answer, err := client.Search(ctx, asked)
			if err != nil || len(answer.Traces) != test.want || answer.Limited {
				t.Errorf("%+v: %s: %d traces, want %d, limited %t, %v", o, asked, len(answer.Traces), test.want, answer.Limited, err)
			}
		}
	}
}

func tagged(key, value string) func(*sources.TraceQuery) {
	return func(q *sources.TraceQuery) {
		q.Attributes = append(q.Attributes, sources.Attribute{Key: key, Value: value})
	}
}

// Whatever a span's texts are, a search for them finds the span, and one for other texts
// does not: no text alters the query.
func TestAnyTextIsFound(t *testing.T) {
	store := tempoapi.NewStore()
	client := dial(t, tempoapi.Handler(store, tempoapi.Options{}))
	window := sources.Window{From: noon, To: noon.Add(time.Second)}
	count := 0
	rapid.Check(t, func(t *rapid.T) {
		count++
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a"\\ {}&|=.0-9\-\[\]]*`))
		span := sources.Span{
			TraceID: sources.TraceID(strings.Repeat("0", 24) + fmt.Sprintf("%08x", count)), ID: "00000000000000a1",
			Service: "s" + text.Draw(t, "service"), Operation: text.Draw(t, "operation"), Status: sources.StatusUnset,
			Start: noon, Duration: time.Millisecond,
		}
		key := rapid.OneOf(rapid.StringMatching(`[a-z][a-z.]{0,8}[a-z]`), rapid.StringMatching(`[a"\\ {}&|=.]+`)).Draw(t, "key")
		span.Attributes = sources.Attributes{{Key: key, Value: text.Draw(t, "value")}}
		span.Resource = sources.Attributes{{Key: "service.name", Value: span.Service}}
		store.Append(span)
		q := sources.TraceQuery{Service: span.Service, Operation: span.Operation, Window: window, Attributes: span.Attributes, Limit: 100}
		for _, test := range []struct {
			change func(*sources.TraceQuery)
			want   bool
		}{
			{func(*sources.TraceQuery) {}, true},
			{func(q *sources.TraceQuery) { q.Service += "x" }, false},
			{func(q *sources.TraceQuery) { q.Operation += "x" }, false},
			{func(q *sources.TraceQuery) {
				q.Attributes = sources.Attributes{{Key: key, Value: span.Attributes[0].Value + "x"}}
			}, false},
		} {
			asked := q
			test.change(&asked)
			answer, err := client.Search(context.Background(), asked)
			found := slices.ContainsFunc(answer.Traces, func(got sources.Trace) bool { return got.ID == span.TraceID })
			if err != nil || found != test.want {
				t.Errorf("%s: found %t, want %t, %v", asked, found, test.want, err)
			}
		}
	})
}

// What obs does not send is refused, and where it stopped is told.
func TestOtherQueriesAreRefused(t *testing.T) {
	handler := tempoapi.Handler(tempoapi.NewStore(), tempoapi.Options{})
	for _, query := range []string{
		`{`, `{}`, `{ name = "a" } | count() > 1`, `{ name = "a" || name = "b" }`, `{ name != "a" }`, `{ name =~ "a" }`,
		`{ .name = "a" }`, `{ event.name = "a" }`, `{ name = a }`, `{ duration > 5s }`, `{ duration >= 5 }`, `{ status = "error`, `{ span."a = 1 }`,
		"{ name = \"a\nb\" }", `{ name = "\q" }`,
	} {
		answer := httptest.NewRecorder()
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/search", nil)
		params := request.URL.Query()
		params.Set("q", query)
		request.URL.RawQuery = params.Encode()
		handler.ServeHTTP(answer, request)
		if answer.Code != http.StatusBadRequest || !strings.Contains(answer.Body.String(), "parse error at line 1, col ") {
			t.Errorf("%s: status %d: %s", query, answer.Code, answer.Body.String())
		}
	}
}
