package tempo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"obs/sources"
	"obs/sources/transport"
)

const (
	// defaultLimit is how many traces a search brings when it does not say.
	defaultLimit = 20
	// mostFetched is how many traces a search fetches at most, each with a request of its
	// own: with as many at once as transport lets be under way, and 0.1 s for each, that
	// is less than the two seconds that a person waits without wondering.
	mostFetched = 100
	// reach is how far around the given window a trace is looked for: its spans may
	// begin before and end after what led to it.
	reach = time.Hour
	// lately is how far back services and operations are listed. Without a time Tempo
	// looks only at what its blocks do not hold yet, where a service that fell silent with
	// the incident soon is missing.
	lately = 24 * time.Hour
)

// notFoundHint is what to do about a trace that the server does not have.
const notFoundHint = "it may not have been sampled, or have been deleted after its retention time, or still be on its way: try again in a few seconds, or search by service and time"

// Services implements sources.Traces: those of the last 24 hours, in alphabetical order.
func (c *Client) Services(ctx context.Context) ([]string, error) {
	return c.values(ctx, fieldService, "")
}

// Operations implements sources.Traces: those of the last 24 hours, in order of name.
// Tempo does not tell their kinds.
func (c *Client) Operations(ctx context.Context, service string) ([]sources.Operation, error) {
	if service == "" {
		return nil, c.http.Failure(ctx, sources.ErrBadQuery, errors.New("operations are listed by service, and none was given"))
	}
	names, err := c.values(ctx, fieldName, "{ "+fieldService+" = "+sources.Quote(service)+" }")
	var all []sources.Operation
	for _, name := range names {
		all = append(all, sources.Operation{Name: name})
	}
	return all, err
}

// values lists the values of a field, on the spans that the query selects.
func (c *Client) values(ctx context.Context, field, query string) ([]string, error) {
	now := c.now()
	window := sources.Window{From: now.Add(-lately), To: now}
	q := question{path: "/api/v2/search/tag/" + field + "/values", params: bounds(window), window: window}
	q.text = "GET " + q.path
	if query != "" {
		q.params.Set("q", query)
		q.text += "?q=" + query
	}
	var names []string
	_, err := c.ask(ctx, q, whole(func(body []byte) (int, error) {
		var answer struct {
			Values *[]struct {
				Value string `json:"value"`
			} `json:"tagValues"`
			Metrics json.RawMessage `json:"metrics"`
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return 0, err
		}
		if answer.Values == nil && answer.Metrics == nil {
			return 0, errors.New("the answer holds no tagValues")
		}
		names = nil
		if answer.Values != nil {
			for _, v := range *answer.Values {
				names = append(names, v.Value)
			}
		}
		slices.Sort(names)
		names = slices.Compact(names)
		return len(names), nil
	}))
	return names, c.missing(ctx, err)
}

// Search implements sources.Traces. Traces come in the order in which the server names
// them: those that it came upon first. Attributes are compared as text, also with those of
// the resource; an array is its JSON text.
//
// The server names traces, and each is then fetched, at most 100 of them; the ledger has it
// all as one question. The answer is
// Limited where it named as many as were asked for, and where it named some that could not
// be fetched: that are gone by then, or larger than an answer may be.
func (c *Client) Search(ctx context.Context, q sources.TraceQuery) (sources.TraceAnswer, error) {
	if err := c.check(ctx, q.Window); err != nil {
		return sources.TraceAnswer{}, err
	}
	if q.Service == "" {
		return sources.TraceAnswer{}, c.http.Failure(ctx, sources.ErrBadQuery, errors.New("traces are searched by service, and none was given"))
	}
	asked, err := searchQuestion(q)
	if err != nil {
		return sources.TraceAnswer{}, c.http.Failure(ctx, sources.ErrBadQuery, err)
	}
	ctx, call := c.ledger.Start(ctx, sources.Tempo, asked.text, q.Window)
	var found []sources.TraceID
	_, _, err = c.exchange(ctx, asked, whole(func(body []byte) (n int, err error) {
		found, err = summaries(body)
		return len(found), err
	}))
	err = c.missing(ctx, err)
	var traces []sources.Trace
	if err == nil {
		traces, err = c.fetch(call.Part(ctx), found, q.Window)
	}
	call.End(len(traces), err)
	if err != nil {
		return sources.TraceAnswer{}, err
	}
	lacking := len(traces) < len(found)
	traces = slices.DeleteFunc(traces, func(t sources.Trace) bool { return !fits(&t, q) })
	return sources.TraceAnswer{Traces: traces, Limited: lacking || len(found) >= limitOf(q)}, nil
}

// limitOf is how many traces a search asks for.
func limitOf(q sources.TraceQuery) int {
	if q.Limit <= 0 {
		return defaultLimit
	}
	return min(q.Limit, mostFetched)
}

func searchQuestion(q sources.TraceQuery) (question, error) {
	query, err := TraceQL(q)
	if err != nil {
		return question{}, err
	}
	asked := question{text: query, path: "/api/search", params: bounds(q.Window), window: q.Window}
	asked.params.Set("q", query)
	asked.params.Set("limit", strconv.Itoa(limitOf(q)))
	asked.params.Set("spss", "1") // of the spans that fit one is enough: the trace is fetched
	return asked, nil
}

// summaries reads the IDs of the traces that a search found. Tempo leaves away leading
// zeros.
func summaries(body []byte) ([]sources.TraceID, error) {
	var answer struct {
		Traces []struct {
			ID string `json:"traceID"`
		} `json:"traces"`
		Metrics json.RawMessage `json:"metrics"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	if answer.Traces == nil && answer.Metrics == nil {
		return nil, errors.New("the answer holds no traces")
	}
	var ids []sources.TraceID
	for _, t := range answer.Traces {
		id, ok := sources.ParseTraceID(t.ID)
		if !ok {
			return nil, fmt.Errorf("%q is not a trace ID", sources.Shorten(t.ID, 40))
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// fetch brings the traces that a search in the window found, in their order, but for those
// that are gone by then or too large.
func (c *Client) fetch(ctx context.Context, ids []sources.TraceID, window sources.Window) ([]sources.Trace, error) {
	found := make([]sources.Trace, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(transport.DefaultConcurrency)
	for i, id := range ids {
		group.Go(func() error {
			trace, err := c.traceParts(ctx, id, window.Pad(reach))
			if errors.Is(err, sources.ErrNotFound) || errors.Is(err, sources.ErrTooLarge) {
				return nil
			}
			found[i] = trace
			return err
		})
	}
	err := group.Wait()
	return slices.DeleteFunc(found, func(t sources.Trace) bool { return len(t.Spans) == 0 }), err
}

// Trace implements sources.Traces. A trace is looked for in the hour around the window.
func (c *Client) Trace(ctx context.Context, id sources.TraceID, around sources.Window) (sources.Trace, error) {
	padded, ok := sources.ParseTraceID(string(id))
	if !ok {
		return sources.Trace{}, c.http.Failure(ctx, sources.ErrBadQuery, fmt.Errorf("%q is not a trace ID", string(id)))
	}
	if !around.IsZero() {
		around = around.Pad(reach)
	}
	ctx, call := c.ledger.Start(ctx, sources.Tempo, "GET "+c.tracePath()+string(padded), around)
	trace, err := c.traceParts(ctx, padded, around)
	records := 1
	if err != nil {
		records = 0
	}
	call.End(records, err)
	if failure := (*sources.Error)(nil); errors.As(err, &failure) && errors.Is(failure, sources.ErrNotFound) {
		failure.Hint = notFoundHint
	}
	return trace, err
}

const pathV2, pathV1 = "/api/v2/traces/", "/api/traces/"

func (c *Client) tracePath() string {
	if c.v2.Load() == absent {
		return pathV1
	}
	return pathV2
}

// traceParts fetches a trace, as a part of a question that is noted. As long as the second
// generation of the API has brought none, what it does not find is asked of the first: the
// server may be older. Where only an earlier run says that it is, and the first finds
// nothing, it may have become younger.
func (c *Client) traceParts(ctx context.Context, id sources.TraceID, around sources.Window) (sources.Trace, error) {
	if c.v2.Load() == absent {
		trace, err := c.traceOf(ctx, pathV1, id, around)
		if !errors.Is(err, sources.ErrNotFound) || !c.recalled.CompareAndSwap(true, false) {
			return trace, err
		}
		c.v2.Store(unknown)
	}
	trace, err := c.traceOf(ctx, pathV2, id, around)
	if err == nil && c.v2.Swap(present) != present && c.known != nil {
		c.known.Learn(abilityTraces, "")
	}
	if !errors.Is(err, sources.ErrNotFound) || c.v2.Load() == present {
		return trace, err
	}
	older, olderErr := c.traceOf(ctx, pathV1, id, around)
	switch {
	case olderErr == nil:
		if c.v2.CompareAndSwap(unknown, absent) && c.known != nil {
			c.known.Learn(abilityTraces, onlyV1)
		}
		return older, nil
	case errors.Is(olderErr, sources.ErrNotFound):
		return trace, err
	}
	return older, olderErr
}

func (c *Client) traceOf(ctx context.Context, path string, id sources.TraceID, around sources.Window) (sources.Trace, error) {
	var trace sources.Trace
	q := question{path: path + string(id), params: bounds(around)}
	_, _, err := c.exchange(ctx, q, func(body io.Reader) (int, error) {
		found, err := decode(body)
		if err != nil {
			return 0, err
		}
		i := slices.IndexFunc(found, func(t sources.Trace) bool { return t.ID == id })
		switch {
		case len(found) == 0:
			return 0, errNoSpans
		case i < 0:
			return 0, fmt.Errorf("the answer holds trace %s instead", found[0].ID)
		}
		trace = found[i]
		return 1, nil
	})
	return trace, err
}

// Dependencies implements sources.Traces. Tempo's API counts no calls, so that there are
// none: who calls whom is read from traces.
func (c *Client) Dependencies(ctx context.Context, w sources.Window) ([]sources.Dependency, error) {
	return nil, c.check(ctx, w)
}

// Link implements sources.Traces: the API's own address, as the backend has no page.
func (c *Client) Link(id sources.TraceID, _ sources.SpanID) string {
	return c.http.URL(c.tracePath()+url.PathEscape(string(id)), nil).String()
}

// SearchLink implements sources.Traces: the API's own address. It is empty for a query
// that TraceQL has no words for.
func (c *Client) SearchLink(q sources.TraceQuery) string {
	asked, err := searchQuestion(q)
	if err != nil {
		return ""
	}
	return c.http.URL(asked.path, asked.params).String()
}
