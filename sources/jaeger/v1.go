package jaeger

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strconv"

	"obs/sources"
)

// API v1, which Jaeger calls internal. Its parameters are described at the parsers
// in query_parser.go of Jaeger's query service: times in microseconds since 1970,
// those of dependencies in milliseconds, durations as Go writes them.

func (c *Client) servicesV1(ctx context.Context) ([]string, error) {
	return askV1[string](ctx, c, question{path: "/api/services"})
}

func (c *Client) operationsV1(ctx context.Context, service string) ([]sources.Operation, error) {
	q := question{path: "/api/operations"}
	q.params.add(service, "service")
	listed, err := askV1[operation](ctx, c, q)
	return operations(listed), err
}

func (c *Client) searchV1(ctx context.Context, s sources.TraceQuery) (sources.TraceAnswer, error) {
	q := question{path: "/api/traces", window: s.Window, spare: len(s.Attributes) > 0}
	q.params.add(s.Service, "service")
	q.params.add(s.Operation, "operation")
	q.params.add(micros(s.Window.From), "start")
	q.params.add(micros(s.Window.To), "end")
	q.params.add(seconds(s.MinDuration), "minDuration")
	q.params.add(seconds(s.MaxDuration), "maxDuration")
	q.params.add(tagsJSON(s.Attributes), "tags")
	q.params.add(strconv.Itoa(s.Limit), "limit")
	found, err := c.askTraces(ctx, q, decodeV1)
	return limited(found, s.Limit), err
}

func (c *Client) traceV1(ctx context.Context, id sources.TraceID, around sources.Window) (sources.Trace, error) {
	q := question{path: "/api/traces/" + string(id), window: around}
	if !around.IsZero() {
		q.params.add(micros(around.From), "start")
		q.params.add(micros(around.To), "end")
	}
	return c.askTrace(ctx, q, id, decodeV1)
}

func (c *Client) dependenciesV1(ctx context.Context, w sources.Window) ([]sources.Dependency, error) {
	q := question{path: "/api/dependencies", window: w}
	end := w.To.UnixMilli()
	q.params.add(strconv.FormatInt(end, 10), "endTs")
	q.params.add(strconv.FormatInt(end-w.From.UnixMilli(), 10), "lookback")
	type link struct {
		Parent string `json:"parent"`
		Child  string `json:"child"`
		Calls  number `json:"callCount"`
	}
	links, err := askV1[link](ctx, c, q)
	var all []sources.Dependency
	for _, l := range links {
		all = append(all, sources.Dependency{Parent: l.Parent, Child: l.Child, Calls: l.Calls.within(math.MaxInt64)})
	}
	return all, err
}

// askV1 asks a question whose answer is a list.
func askV1[T any](ctx context.Context, c *Client, q question) ([]T, error) {
	var list []T
	err := c.askWhole(ctx, q, func(body []byte) (n int, err error) {
		list, err = v1List[T](body)
		return len(list), err
	})
	return list, err
}

// v1List takes the list out of the envelope that all answers of v1 come in.
func v1List[T any](body []byte) ([]T, error) {
	var envelope struct {
		Data json.RawMessage `json:"data"`
		refusal
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return nil, err
	}
	if envelope.Data == nil {
		return nil, errors.New("the answer holds no data")
	}
	var list []T
	if err := json.Unmarshal(envelope.Data, &list); err != nil {
		return nil, err
	}
	if message := envelope.String(); message != "" && len(list) == 0 {
		return nil, &kindError{sources.ErrServer, message}
	}
	return list, nil
}
