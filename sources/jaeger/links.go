package jaeger

import (
	"net/url"
	"strconv"
	"strings"

	"obs/sources"
	"obs/sources/otlp"
)

// Link implements sources.Traces. The page shows the span that it is told to find.
//
// Jaeger writes an ID whose upper half is zero with 16 digits, and its page looks for
// the trace under the ID that the server wrote, so the link has that form.
func (c *Client) Link(id sources.TraceID, span sources.SpanID) string {
	text := string(id)
	if half := len(text) / 2; len(text) == len(otlp.NoTraceID) && strings.Trim(text[:half], "0") == "" {
		text = text[half:]
	}
	params := url.Values{}
	if span != "" {
		params.Set("uiFind", string(span))
	}
	return c.http.URL("/trace/"+url.PathEscape(text), params).String()
}

// SearchLink implements sources.Traces, with the parameters of the page's own form.
func (c *Client) SearchLink(q sources.TraceQuery) string {
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	var p params
	p.add(q.Service, "service")
	p.add(q.Operation, "operation")
	p.add(tagsJSON(q.Attributes), "tags")
	if !q.Window.IsZero() {
		p.add("custom", "lookback")
		p.add(micros(q.Window.From), "start")
		p.add(micros(q.Window.To), "end")
	}
	p.add(seconds(q.MinDuration), "minDuration")
	p.add(seconds(q.MaxDuration), "maxDuration")
	p.add(strconv.Itoa(q.Limit), "limit")
	return c.http.URL("/search", p.values()).String()
}
