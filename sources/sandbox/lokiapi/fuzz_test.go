package lokiapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"obs/sources/sandbox/lokiapi"
)

// FuzzHandler sends anything at all to every endpoint: what comes back is an answer or a
// refusal, and in time.
func FuzzHandler(f *testing.F) {
	for _, part := range suite() {
		for i, a := range part {
			if i%7 == 0 {
				f.Add(a.path, strings.ReplaceAll(a.params.Encode(), "%24RUN", "fuzz"))
			}
		}
	}
	store := lokiapi.NewStore()
	fill(store, "fuzz")
	h := lokiapi.Handler(store, lokiapi.Options{Now: func() time.Time { return base.Add(time.Minute) }, Timeout: 5 * time.Second})
	f.Fuzz(func(t *testing.T, path, params string) {
		if path == "push" || path == "tail" || len(params) > 4096 {
			t.Skip()
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://sandbox/loki/api/v1/"+path, nil)
		if err != nil {
			t.Skip()
		}
		r.URL.RawQuery = params
		began := time.Now()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("took %v", took)
		}
		switch {
		case w.Code == http.StatusInternalServerError && !strings.Contains(w.Body.String(), "match"):
			t.Errorf("%d %s", w.Code, w.Body)
		case !utf8.Valid(w.Body.Bytes()) && w.Code == http.StatusOK:
			t.Errorf("not UTF-8: %q", w.Body)
		}
	})
}
