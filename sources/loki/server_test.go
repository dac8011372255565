package loki_test

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"obs/sources"
)

func TestDescribe(t *testing.T) {
	client, ledger := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/loki/api/v1/status/buildinfo" {
			t.Errorf("asked %s", r.URL.Path)
		}
		_, _ = io.WriteString(w, `{"version":"3.7.8","revision":"abc","branch":"HEAD","buildUser":"","buildDate":"","goVersion":"go1.26"}`)
	}))
	got, err := client.Describe(t.Context())
	if err != nil || got.Product != "loki" || got.Version != "3.7.8" || got.API != "v1" || got.Clock.IsZero() || got.Answered.Before(got.Asked) {
		t.Errorf("%+v, %v", got, err)
	}
	if queries := ledger.Queries(); len(queries) != 1 || queries[0].Status != sources.QueryOK {
		t.Errorf("listed: %+v", queries)
	}
}

// A server without buildinfo is asked for its labels, and tells no version.
func TestDescribeWithoutVersion(t *testing.T) {
	client, _ := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/loki/api/v1/labels" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, `{"status":"success","data":["app"]}`)
	}))
	if got, err := client.Describe(t.Context()); err != nil || got.Product != "loki" || got.Version != "" || got.Clock.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"nothing":    {http.NotFound, sources.ErrNotThisAPI},
		"a refusal":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, sources.ErrRefused},
		"other JSON": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `[1]`) }, sources.ErrNotThisAPI},
	} {
		client, _ := open(t, test.answer)
		if got, err := client.Describe(t.Context()); !errors.Is(err, test.want) || got != (sources.Server{}) {
			t.Errorf("%s: %+v, %v, want %v", name, got, err, test.want)
		}
	}
}
