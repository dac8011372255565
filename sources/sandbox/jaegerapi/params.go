package jaegerapi

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"obs/sources"
)

// How parameters are read, and the texts with which wrong ones are refused, are those
// of query_parser.go and http_gateway.go in Jaeger's query service. Errors of Go's own
// parsers are part of the texts.

// Defaults of API v1; v3 has none.
const (
	defaultLimit            = 100
	defaultLookback         = 48 * time.Hour
	defaultDependenciesBack = 24 * time.Hour
)

// searchParamsV3 reads the parameters of v3's search. Unknown ones are ignored, those
// in camelCase and query.attributes of newer servers among them.
func searchParamsV3(p url.Values) (q query, err error) {
	const fromParam, toParam = "query.start_time_min", "query.start_time_max"
	q.service, q.operation = p.Get("query.service_name"), p.Get("query.operation_name")
	if p.Get(fromParam) == "" || p.Get(toParam) == "" {
		return q, fmt.Errorf("%s and %s are required", fromParam, toParam)
	}
	for _, step := range []func() error{
		func() error { return optional(p, fromParam, &q.from, parseTime) },
		func() error { return optional(p, toParam, &q.to, parseTime) },
		func() error { return optional(p, "query.num_traces", &q.limit, strconv.Atoi) },
		func() error { return optional(p, "query.duration_min", &q.shortest, time.ParseDuration) },
		func() error { return optional(p, "query.duration_max", &q.longest, time.ParseDuration) },
		func() error { return optional(p, "query.raw_traces", &q.raw, strconv.ParseBool) },
	} {
		if err := step(); err != nil {
			return q, err
		}
	}
	return q, nil
}

func parseTime(text string) (time.Time, error) { return time.Parse(time.RFC3339Nano, text) }

// optional reads a parameter of v3 into value, and leaves it where there is none.
func optional[T any](p url.Values, name string, value *T, parse func(string) (T, error)) error {
	text := p.Get(name)
	if text == "" {
		return nil
	}
	read, err := parse(text)
	if err != nil {
		return malformed(name, err)
	}
	*value = read
	return nil
}

func malformed(name string, err error) error {
	return fmt.Errorf("malformed parameter %s: %w", name, err)
}

// searchParamsV1 reads the parameters of v1's search, and the IDs of the traces that
// are asked for instead, if any.
func (a *api) searchParamsV1(p url.Values) (q query, ids []traceID, err error) {
	q.service, q.operation = p.Get("service"), p.Get("operation")
	if q.from, err = moment(p, "start", time.Microsecond, a.now().Add(-defaultLookback)); err != nil {
		return q, nil, err
	}
	if q.to, err = moment(p, "end", time.Microsecond, a.now()); err != nil {
		return q, nil, err
	}
	if q.tags, err = tags(p["tag"], p["tags"]); err != nil {
		return q, nil, err
	}
	q.limit = defaultLimit
	if text := p.Get("limit"); text != "" {
		limit, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return q, nil, err
		}
		q.limit = int(limit)
	}
	if q.shortest, err = duration(p, "minDuration", time.ParseDuration, 0); err != nil {
		return q, nil, err
	}
	if q.longest, err = duration(p, "maxDuration", time.ParseDuration, 0); err != nil {
		return q, nil, err
	}
	for _, text := range p["traceID"] {
		id, err := readID(text)
		if err != nil {
			return q, nil, fmt.Errorf("cannot parse traceID param: %w", err)
		}
		ids = append(ids, id)
	}
	if q.raw, err = truth(p, "raw"); err != nil {
		return q, nil, err
	}
	switch {
	case len(ids) == 0 && q.service == "":
		return q, nil, errServiceRequired
	case q.shortest != 0 && q.longest != 0 && q.longest < q.shortest:
		return q, nil, errDurations
	}
	return q, ids, nil
}

// moment reads a count of units since 1970.
func moment(p url.Values, name string, units time.Duration, otherwise time.Time) (time.Time, error) {
	text := p.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, unable(name, err)
	}
	return time.Unix(0, 0).Add(time.Duration(n) * units), nil // may wrap around, as it does there
}

func duration(p url.Values, name string, parse func(string) (time.Duration, error), otherwise time.Duration) (time.Duration, error) {
	text := p.Get(name)
	if text == "" {
		return otherwise, nil
	}
	d, err := parse(text)
	if err != nil {
		return 0, unable(name, err)
	}
	return d, nil
}

// milliseconds parses the durations of dependencies.
func milliseconds(text string) (time.Duration, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	return time.Duration(n) * time.Millisecond, err
}

func truth(p url.Values, name string) (bool, error) {
	text := p.Get(name)
	if text == "" {
		return false, nil
	}
	set, err := strconv.ParseBool(text)
	if err != nil {
		return false, unable(name, err)
	}
	return set, nil
}

func unable(name string, err error) error {
	return fmt.Errorf("unable to parse param '%s': %w", name, err)
}

// tags reads conditions as key:value, and as objects of texts in JSON.
func tags(simple, objects []string) (sources.Attributes, error) {
	all := map[string]string{}
	for _, tag := range simple {
		key, value, ok := strings.Cut(tag, ":")
		if !ok {
			return nil, fmt.Errorf("malformed 'tag' parameter, expecting key:value, received: %s", tag)
		}
		all[key] = value
	}
	for _, object := range objects {
		if err := json.Unmarshal([]byte(object), &all); err != nil {
			return nil, fmt.Errorf("malformed 'tags' parameter, cannot unmarshal JSON: %w", err)
		}
		if all == nil { // what null makes of it
			all = map[string]string{}
		}
	}
	list := make(sources.Attributes, 0, len(all))
	for key, value := range all {
		list = append(list, sources.Attribute{Key: key, Value: value})
	}
	slices.SortFunc(list, func(a, b sources.Attribute) int { return strings.Compare(a.Key, b.Key) })
	return list, nil
}

// readID reads a trace ID of up to 32 digits in the way in which Jaeger does, so that
// it fails with the same words.
func readID(text string) (id traceID, err error) {
	if len(text) > 32 {
		return id, fmt.Errorf("TraceID cannot be longer than 32 hex characters: %s", text)
	}
	low := max(len(text)-16, 0)
	if low > 0 {
		if id.high, err = strconv.ParseUint(text[:low], 16, 64); err != nil {
			return traceID{}, err
		}
	}
	if id.low, err = strconv.ParseUint(text[low:], 16, 64); err != nil {
		return traceID{}, err
	}
	return id, nil
}
