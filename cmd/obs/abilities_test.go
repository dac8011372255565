package main

import (
	"bytes"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// A run goes by what an earlier one found out of the server, and asks less for it.
func TestSecondRunAsksLess(t *testing.T) {
	var asked atomic.Int32
	address := answering(t, func(r *http.Request) answer {
		asked.Add(1)
		if strings.HasPrefix(r.URL.Path, "/api/v3/") {
			return answer{status: http.StatusNotFound, body: "404 page not found\n"} // as a Jaeger of before 1.25
		}
		if r.URL.Path == "/api/services" {
			return answer{status: http.StatusOK, body: `{"data":[],"total":0,"errors":null}`}
		}
		return answer{status: http.StatusNotFound, body: `{"data":null,"total":0,"limit":0,"offset":0,"errors":[{"code":404,"msg":"trace not found"}]}`}
	})
	cache := t.TempDir()
	run := func(remember func() (string, error)) int32 {
		t.Helper()
		asked.Store(0)
		var out, said bytes.Buffer
		w := world{out: &out, err: &said, getenv: func(string) string { return "" }, now: theNoon.Local, cache: remember}
		if status := run([]string{"trace", "4bf92f3577b34da6a3ce929d0e0e4736", "--jaeger-url", address}, w); status != exitNotFound {
			t.Fatalf("status %d\n%s\n%s", status, out.String(), said.String())
		}
		return asked.Load()
	}
	here := func() (string, error) { return cache, nil }
	first, second, forgetful := run(here), run(here), run(nil)
	if second >= first || forgetful != first {
		t.Errorf("%d questions at first, then %d, and %d where nothing is kept", first, second, forgetful)
	}
}
