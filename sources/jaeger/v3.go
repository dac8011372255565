package jaeger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"obs/sources"
)

// API v3, as of query_service.proto in jaeger-idl. Each parameter that consists of
// several words goes out in both of its spellings: servers from before the middle of
// 2026 know snake_case alone, newer ones prefer camelCase and drop the other with
// release 2.20, and all of them ignore what they do not know. See
// docs/apis/api_v3_http.md in Jaeger's repository.

func (c *Client) servicesV3(ctx context.Context) ([]string, error) {
	var names []string
	q := question{path: "/api/v3/services", spare: true}
	err := c.askWhole(ctx, q, func(body []byte) (int, error) {
		err := v3List(body, "services", &names)
		return len(names), err
	})
	return names, err
}

func (c *Client) operationsV3(ctx context.Context, service string) ([]sources.Operation, error) {
	q := question{path: "/api/v3/operations", spare: true}
	q.params.add(service, "service")
	var listed []operation
	err := c.askWhole(ctx, q, func(body []byte) (int, error) {
		err := v3List(body, "operations", &listed)
		return len(listed), err
	})
	return operations(listed), err
}

func (c *Client) searchV3(ctx context.Context, s sources.TraceQuery) (sources.TraceAnswer, error) {
	q := question{path: "/api/v3/traces", window: s.Window, spare: len(s.Attributes) == 0}
	q.params.add(s.Service, "query.service_name", "query.serviceName")
	q.params.add(s.Operation, "query.operation_name", "query.operationName")
	q.params.add(instant(s.Window.From), "query.start_time_min", "query.startTimeMin")
	q.params.add(instant(s.Window.To), "query.start_time_max", "query.startTimeMax")
	q.params.add(seconds(s.MinDuration), "query.duration_min", "query.durationMin")
	q.params.add(seconds(s.MaxDuration), "query.duration_max", "query.durationMax")
	q.params.add(tagsJSON(s.Attributes), "query.attributes")
	// Not a matter of spelling: this one was renamed. It is not optional, either:
	// without it some servers search for no traces at all and call that an error.
	q.params.add(strconv.Itoa(s.Limit), "query.num_traces", "query.searchDepth")

	found, err := c.askTraces(ctx, q, decodeOTLP)
	if errors.Is(err, sources.ErrNotFound) {
		return sources.TraceAnswer{}, nil // this is how v3 says that nothing matched
	}
	answer := limited(found, s.Limit)
	if len(s.Attributes) > 0 {
		// A server that does not know this condition answers as if it were not there.
		answer.Traces = slices.DeleteFunc(answer.Traces, func(t sources.Trace) bool { return !fits(t, s) })
	}
	return answer, err
}

func (c *Client) traceV3(ctx context.Context, id sources.TraceID, around sources.Window) (sources.Trace, error) {
	q := question{path: "/api/v3/traces/" + string(id), window: around, spare: true}
	if !around.IsZero() {
		q.params.add(instant(around.From), "start_time", "startTime")
		q.params.add(instant(around.To), "end_time", "endTime")
	}
	return c.askTrace(ctx, q, id, decodeOTLP)
}

// v3List takes the list that an answer holds under key. Protocol buffers leave an
// empty list out, so that an answer of {} is one too.
func v3List(body []byte, key string, list any) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return err
	}
	raw, ok := fields[key]
	if !ok && len(fields) > 0 {
		return fmt.Errorf("the answer holds no %s", key)
	}
	if !ok {
		return nil
	}
	return json.Unmarshal(raw, list)
}

// operation is how both APIs write an operation.
type operation struct {
	Name string `json:"name"`
	Kind string `json:"spanKind"`
}

func operations(listed []operation) []sources.Operation {
	var all []sources.Operation
	for _, o := range listed {
		all = append(all, sources.Operation{Name: o.Name, Kind: kindOf(o.Kind)})
	}
	return all
}

// kindOf reads a kind as Jaeger writes it in text; all others are unset.
func kindOf(text string) sources.Kind {
	switch kind := sources.Kind(text); kind {
	case sources.KindInternal, sources.KindServer, sources.KindClient, sources.KindProducer, sources.KindConsumer:
		return kind
	}
	return sources.KindUnset
}
