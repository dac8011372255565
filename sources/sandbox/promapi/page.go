package promapi

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
)

// page stands where Prometheus has its web page, so that a link to a query leads
// somewhere: it says what this is, and links the same questions put to the API.
func page(w http.ResponseWriter, r *http.Request) {
	var b strings.Builder
	b.WriteString("<!DOCTYPE html><title>obs sandbox</title>\n" +
		"<p>This is the Prometheus of obs's sandbox: it has Prometheus's HTTP API and no page of its own.\n")
	params := r.URL.Query()
	for n := 0; params.Has(fmt.Sprintf("g%d.expr", n)) && n < 20; n++ {
		query := params.Get(fmt.Sprintf("g%d.expr", n))
		at := "/api/v1/query?" + url.Values{"query": {query}}.Encode()
		fmt.Fprintf(&b, "<p><a href=\"%s\"><code>%s</code></a>\n", html.EscapeString(at), html.EscapeString(query))
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(b.String()))
}
