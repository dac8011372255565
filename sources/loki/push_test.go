package loki_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"obs/sources"
	"obs/sources/loki"
	"obs/sources/transport"
)

// What became of a push is what the server said of it, and nothing is tried again that it refused.
func TestPushTellsWhatBecameOfIt(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		kind   error
		text   string
	}{
		"taken":    {http.StatusNoContent, "", nil, ""},
		"refused":  {http.StatusForbidden, "not yours", sources.ErrRefused, "not yours"},
		"too old":  {http.StatusBadRequest, "timestamp too old", nil, "timestamp too old"},
		"not here": {http.StatusNotFound, "404 page not found", nil, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				if user, password, _ := r.BasicAuth(); r.URL.Path != "/loki/api/v1/push" || user != "ada" || password != "pw" {
					t.Errorf("asked %s as %s", r.URL, user)
				}
				http.Error(w, test.body, test.status)
			}))
			t.Cleanup(server.Close)
			transported, err := transport.New(transport.Options{Backend: sources.Loki, URL: server.URL, Access: transport.Basic("ada", "pw"), Explain: loki.Explain})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(transported.Close)
			ledger := &sources.Ledger{}
			err = loki.New(transported, ledger).Push(t.Context(), sources.Record{Time: time.Unix(1, 0), Line: "x", Stream: sources.Labels{"job": "obs"}})
			taken := test.text == ""
			switch {
			case taken != (err == nil), test.kind != nil && !errors.Is(err, test.kind), err != nil && !strings.Contains(err.Error(), test.text), asked != 1:
				t.Errorf("%v after %d requests", err, asked)
			}
			if q := ledger.Queries(); len(q) != 1 || (q[0].Status == sources.QueryOK) != taken || q[0].Text != `push {job="obs"}` {
				t.Errorf("the ledger has %+v", q)
			}
		})
	}
}

// A push that nobody waits for any more ends.
func TestPushEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // from here on the server sees that the connection ends
		cancel()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	transported, err := transport.New(transport.Options{Backend: sources.Loki, URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transported.Close)
	if err := loki.New(transported, nil).Push(ctx, sources.Record{Time: time.Unix(1, 0), Line: "x", Stream: sources.Labels{"job": "obs"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
