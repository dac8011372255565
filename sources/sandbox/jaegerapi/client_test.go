package jaegerapi_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"testing"
	"time"

	"obs/sources"
	"obs/sources/jaeger"
	"obs/sources/sandbox/jaegerapi"
	"obs/sources/transport"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// orders is a trace as a service would report it, with one of everything that
// sources.Span can hold.
func orders() []sources.Span {
	shop := sources.Attributes{{Key: "k8s.pod.name", Value: "shop-0"}, {Key: "service.name", Value: "shop"}, {Key: "service.version", Value: "1.10"}}
	bank := sources.Attributes{{Key: "process.pid", Value: "7"}, {Key: "service.name", Value: "bank"}}
	return []sources.Span{
		{
			TraceID: "0af7651916cd43dd8448eb211c80319c", ID: "00000000000000a1", Service: "shop", Operation: "POST /orders",
			Kind: sources.KindServer, Status: sources.StatusError, StatusMessage: "refused",
			Start: noon.Add(123 * time.Nanosecond), Duration: time.Second, Resource: shop,
			Attributes: sources.Attributes{
				{Key: "html", Value: `["a&b"]`}, {Key: "http.request.header.x-request-id", Value: `["req-1"]`},
				{Key: "http.response.status_code", Value: "500"}, {Key: "otel.scope.name", Value: "shop/http"}, {Key: "sampled", Value: "true"},
			},
			Events: []sources.Event{
				{Time: noon.Add(time.Millisecond), Name: "zebra", Attributes: sources.Attributes{{Key: "n", Value: "1"}}},
				{Time: noon.Add(2 * time.Millisecond), Name: "apple"},
			},
			Links: []sources.Reference{{TraceID: "00000000000000000000000000000fff", SpanID: "00000000000000ff"}},
		},
		{
			TraceID: "0af7651916cd43dd8448eb211c80319c", ID: "00000000000000a2", ParentID: "00000000000000a1", Service: "bank",
			Operation: "charge", Kind: sources.KindServer, Status: sources.StatusOK,
			Start: noon.Add(10 * time.Millisecond), Duration: 200 * time.Millisecond, Resource: bank,
		},
	}
}

// oldServer answers v1 alone, as servers of before 2021 do.
func oldServer(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if between := "/api/v3/"; len(r.URL.Path) > len(between) && r.URL.Path[:len(between)] == between {
			r.URL.Path = "/page"
		}
		handler.ServeHTTP(w, r)
	})
}

func dial(t *testing.T, handler http.Handler) *jaeger.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client, err := transport.New(transport.Options{
		Backend: sources.Jaeger, URL: server.URL, Origin: "--jaeger-url", Explain: jaeger.Explain, Base: server.Client().Transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	return jaeger.New(client, nil)
}

// The client of obs reads back what was appended, by both APIs.
func TestClient(t *testing.T) {
	ctx := t.Context()
	store := jaegerapi.NewStore()
	all := orders()
	store.Append(all...)
	handler := jaegerapi.Handler(store, jaegerapi.Options{Now: func() time.Time { return noon.Add(time.Hour) }})
	window := sources.Window{From: noon.Add(-time.Minute), To: noon.Add(time.Minute)}
	q := sources.TraceQuery{Service: "shop", Window: window}

	for name, client := range map[string]*jaeger.Client{"v3": dial(t, handler), "v1": dial(t, oldServer(handler))} {
		services, err := client.Services(ctx)
		if err != nil || !slices.Equal(services, []string{"bank", "shop"}) {
			t.Errorf("%s: services %v, %v", name, services, err)
		}
		operations, err := client.Operations(ctx, "shop")
		if err != nil || !slices.Equal(operations, []sources.Operation{{Name: "POST /orders", Kind: sources.KindServer}}) {
			t.Errorf("%s: operations %v, %v", name, operations, err)
		}

		want := slices.Clone(all)
		if name == "v1" {
			want[0].Start = want[0].Start.Truncate(time.Microsecond)
			want[0].Attributes = slices.Clone(want[0].Attributes)
			want[0].Attributes[0].Value = `["a\u0026b"]` // v1 escapes the text of a list
		}
		trace, err := client.Trace(ctx, all[0].TraceID, window)
		if err != nil || !reflect.DeepEqual(trace.Spans, want) {
			t.Errorf("%s: trace\n%+v\nwant\n%+v\n%v", name, trace.Spans, want, err)
		}
		if _, err := client.Trace(ctx, "deadbeef", sources.Window{}); !errors.Is(err, sources.ErrNotFound) {
			t.Errorf("%s: unknown trace: %v", name, err)
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
			{func(q *sources.TraceQuery) { q.Service = "nobody" }, 0},
			{func(q *sources.TraceQuery) {
				q.Attributes = sources.Attributes{{Key: "http.request.header.x-request-id", Value: `["req-1"]`}}
			}, 1},
			{func(q *sources.TraceQuery) {
				q.Attributes = sources.Attributes{{Key: "http.request.header.x-request-id", Value: "req-1"}}
			}, 0},
			{func(q *sources.TraceQuery) {
				q.Attributes = sources.Attributes{{Key: "http.response.status_code", Value: "500"}, {Key: "k8s.pod.name", Value: "shop-0"}, {Key: "n", Value: "1"}}
			}, 1},
			{func(q *sources.TraceQuery) { q.Attributes = sources.Attributes{{Key: "error", Value: "true"}} }, 0},
		} {
			asked := q
			test.change(&asked)
			answer, err := client.Search(ctx, asked)
			if err != nil || len(answer.Traces) != test.want {
				t.Errorf("%s: %s: %d traces, want %d, %v", name, asked, len(answer.Traces), test.want, err)
			}
		}

		calls, err := client.Dependencies(ctx, window)
		if err != nil || !slices.Equal(calls, []sources.Dependency{{Parent: "shop", Child: "bank", Calls: 1}}) {
			t.Errorf("%s: dependencies %v, %v", name, calls, err)
		}
	}
}
