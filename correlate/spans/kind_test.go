package spans

import (
	"maps"
	"slices"
	"testing"
	"time"

	"obs/sources"
)

func TestKindsOfWork(t *testing.T) {
	for _, test := range []struct{ operation, want string }{
		{"GET /orders/{id}", "GET /orders/{id}"},
		{"GET /orders/81", "GET /orders/{}"},
		{"/api/v1/orders/04027d90-a300-4e50-b380-200e58bce4ff/items/7", "/api/v1/orders/{}/items/{}"},
		{"GET /trains/G1234?day=2023-01-29", "GET /trains/{}"},
		{"/search?q=shoes", "/search"},
		{"/oauth2/v2/token", "/oauth2/v2/token"},
		{"/files/5fb9c/base64", "/files/5fb9c/base64"}, // a short ID looks like a name
		{"hipstershop.CurrencyService/Convert", "hipstershop.CurrencyService/Convert"},
		{"SELECT orders_2024", "SELECT orders_2024"},
		{"/", "/"},
		{"", ""},
	} {
		if got := KeyOf(&sources.Span{Service: "web", Operation: test.operation}); got != (Key{"web", test.want}) {
			t.Errorf("%q: %q, want %q", test.operation, got.Operation, test.want)
		}
	}
}

// Two requests that differ in the values in their paths do the same.
func TestVisitsAreOfKinds(t *testing.T) {
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	visit := func(order string) Visit {
		tree := Build(&sources.Trace{ID: "a", Spans: []sources.Span{
			{TraceID: "a", ID: "1", Service: "web", Operation: "GET /orders/" + order, Start: at, Duration: time.Second},
			{TraceID: "a", ID: "2", ParentID: "1", Service: "web", Operation: "GET /stock/" + order, Kind: sources.KindClient, Start: at, Duration: time.Second},
		}})
		visits, _ := tree.Visits()
		if len(visits) != 1 {
			t.Fatalf("%d visits", len(visits))
		}
		return visits[0]
	}
	one, other := visit("1001"), visit("2002")
	if one.Key != other.Key || !maps.Equal(one.Inside, other.Inside) || !slices.Equal(one.Unanswered, other.Unanswered) {
		t.Errorf("%+v and %+v are taken for different work", one, other)
	}
	if one.Inside["GET /stock/{}"] != 1 || len(one.Unanswered) != 1 {
		t.Errorf("inside %v, unanswered %v", one.Inside, one.Unanswered)
	}
}
