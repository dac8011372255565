package spans

import (
	"testing"

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
