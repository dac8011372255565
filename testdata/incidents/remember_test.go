package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The backend is asked once for each question, and again for what went wrong.
func TestMemoryAsksOnce(t *testing.T) {
	var asked []string
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		asked = append(asked, r.Method+" "+r.URL.String()+" "+string(body))
		w.Header().Set("X-Backend", "here")
		if strings.HasPrefix(r.URL.Path, "/broken") {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, asked[len(asked)-1])
	}))
	defer backend.Close()
	for _, signal := range signalNames {
		for _, name := range signals[signal] {
			t.Setenv(name, "")
		}
	}
	t.Setenv("LOKI_URL", backend.URL+"/behind")
	instead, done, err := remembered(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if len(instead) != 1 || !strings.HasPrefix(instead[0], "LOKI_URL=http://127.0.0.1:") {
		t.Fatalf("instead: %q", instead)
	}
	base := strings.TrimPrefix(instead[0], "LOKI_URL=")
	for _, test := range []struct{ path, body, want string }{
		{"/a?q=1", "", "POST /behind/a?q=1 "},
		{"/a?q=1", "", "POST /behind/a?q=1 "},
		{"/a?q=1", "x", "POST /behind/a?q=1 x"},
		{"/a?q=2", "", "POST /behind/a?q=2 "},
		{"/a?q=1", "x", "POST /behind/a?q=1 x"},
	} {
		answer, err := http.Post(base+test.path, "text/plain", strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if string(body) != test.want || answer.StatusCode != http.StatusOK || answer.Header.Get("X-Backend") != "here" {
			t.Errorf("%s %q: %d %q %v", test.path, test.body, answer.StatusCode, body, answer.Header)
		}
	}
	if len(asked) != 3 {
		t.Errorf("the backend was asked %q", asked)
	}
}
