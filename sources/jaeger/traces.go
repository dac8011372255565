package jaeger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"obs/sources"
)

// defaultLimit is how many traces a search brings when it does not say.
const defaultLimit = 20

// reach is how far around the given window a trace is looked for: its spans may
// begin before and end after what led to it.
const reach = time.Hour

// notFoundHint is what to do about a trace that the server does not have.
const notFoundHint = "it may not have been sampled, or have been deleted after its retention time, or still be on its way: try again in a few seconds, or search by service and time"

// Services implements sources.Traces. Names come in alphabetical order.
func (c *Client) Services(ctx context.Context) ([]string, error) {
	names, err := pick(&c.api,
		func() ([]string, error) { return c.servicesV3(ctx) },
		func() ([]string, error) { return c.servicesV1(ctx) })
	slices.Sort(names)
	return names, err
}

// Operations implements sources.Traces. They come in order of name and kind.
func (c *Client) Operations(ctx context.Context, service string) ([]sources.Operation, error) {
	if service == "" {
		return nil, c.http.Failure(ctx, sources.ErrBadQuery, errors.New("operations are listed by service, and none was given"))
	}
	operations, err := pick(&c.api,
		func() ([]sources.Operation, error) { return c.operationsV3(ctx, service) },
		func() ([]sources.Operation, error) { return c.operationsV1(ctx, service) })
	slices.SortFunc(operations, func(a, b sources.Operation) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
	})
	return slices.Compact(operations), err
}

// Search implements sources.Traces. Traces come in the order in which the server
// names them, spans by their start.
//
// A search by attribute goes to v1 first, for v3 of servers from before the middle of
// 2026 takes the condition without a word and ignores it. Where v1's search is gone,
// v3 is asked, and its answer checked. Attributes are compared as text, also with
// those of the resource and of events; an array is its JSON text, so that the value x
// in an array is asked for as ["x"].
func (c *Client) Search(ctx context.Context, q sources.TraceQuery) (sources.TraceAnswer, error) {
	if err := c.check(ctx, q.Window); err != nil {
		return sources.TraceAnswer{}, err
	}
	if q.Service == "" {
		// v3 would search all services, v1 would refuse.
		return sources.TraceAnswer{}, c.http.Failure(ctx, sources.ErrBadQuery, errors.New("traces are searched by service, and none was given"))
	}
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	v3 := func() (sources.TraceAnswer, error) { return c.searchV3(ctx, q) }
	v1 := func() (sources.TraceAnswer, error) { return c.searchV1(ctx, q) }
	if len(q.Attributes) > 0 {
		return pick(&c.tagged, v1, v3)
	}
	return pick(&c.api, v3, v1)
}

// limited is an answer of at most limit traces.
func limited(found []sources.Trace, limit int) sources.TraceAnswer {
	return sources.TraceAnswer{Traces: found[:min(len(found), limit)], Limited: len(found) >= limit}
}

// Trace implements sources.Traces. The ID is sent with all its 32 digits, which
// Jaeger reads as a number: it finds IDs that were stored with fewer. Storage that
// is organised by time is pointed to an hour around the window.
func (c *Client) Trace(ctx context.Context, id sources.TraceID, around sources.Window) (sources.Trace, error) {
	padded, ok := sources.ParseTraceID(string(id))
	if !ok {
		return sources.Trace{}, c.http.Failure(ctx, sources.ErrBadQuery, fmt.Errorf("%q is not a trace ID", string(id)))
	}
	if !around.IsZero() {
		around = around.Pad(reach)
	}
	trace, err := pick(&c.api,
		func() (sources.Trace, error) { return c.traceV3(ctx, padded, around) },
		func() (sources.Trace, error) { return c.traceV1(ctx, padded, around) })
	if failure := (*sources.Error)(nil); errors.As(err, &failure) && errors.Is(failure, sources.ErrNotFound) {
		failure.Hint = notFoundHint
	}
	return trace, err
}

// Dependencies implements sources.Traces. Only v1 has them. They come in order of
// parent and child, each pair once.
//
// Servers with lasting storage count dependencies in a separate job, by the day, and
// may have none; the memory store counts those traces that lie wholly in the window.
func (c *Client) Dependencies(ctx context.Context, w sources.Window) ([]sources.Dependency, error) {
	if err := c.check(ctx, w); err != nil {
		return nil, err
	}
	calls, err := c.dependenciesV1(ctx, w)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(calls, func(a, b sources.Dependency) int {
		return cmp.Or(cmp.Compare(a.Parent, b.Parent), cmp.Compare(a.Child, b.Child))
	})
	merged := calls[:0]
	for _, call := range calls {
		if n := len(merged); n > 0 && merged[n-1].Parent == call.Parent && merged[n-1].Child == call.Child {
			merged[n-1].Calls += min(call.Calls, math.MaxInt64-merged[n-1].Calls)
		} else {
			merged = append(merged, call)
		}
	}
	return merged, nil
}

func (c *Client) check(ctx context.Context, w sources.Window) error {
	if !w.To.After(w.From) {
		return c.http.Failure(ctx, sources.ErrBadQuery, errors.New("the window is empty"))
	}
	return nil
}
