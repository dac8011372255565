package lokiapi_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/sources"
	"obs/sources/loki"
	"obs/sources/sandbox/lokiapi"
	"obs/sources/transport"
)

// client is obs's own client, connected to a handler of the store.
func client(t *testing.T, store *lokiapi.Store) *loki.Client {
	t.Helper()
	server := httptest.NewServer(lokiapi.Handler(store, lokiapi.Options{Now: func() time.Time { return base.Add(time.Hour) }}))
	connections := &http.Transport{}
	t.Cleanup(func() {
		connections.CloseIdleConnections()
		server.Close()
	})
	c, err := transport.New(transport.Options{
		Backend: sources.Loki, URL: server.URL, Origin: "the test", Base: connections, Explain: loki.Explain,
	})
	if err != nil {
		t.Fatal(err)
	}
	return loki.New(c, &sources.Ledger{})
}

func window(from, length time.Duration) sources.Window {
	return sources.Window{From: base.Add(from), To: base.Add(from + length)}
}

// withoutLevel are the records as they were appended.
func withoutLevel(t *testing.T, records []sources.Record) (texts []string) {
	t.Helper()
	for _, r := range records {
		metadata := maps.Clone(r.Metadata)
		delete(metadata, "detected_level")
		texts = append(texts, fmt.Sprintf("%d %v %v %q", r.Time.UnixNano(), r.Stream, metadata, r.Line))
	}
	slices.Sort(texts)
	return texts
}

func TestClientPages(t *testing.T) {
	store := lokiapi.NewStore()
	const count = 12_400
	var appended []sources.Record
	for i := range count {
		// Seven records to a nanosecond, so that pages end amid some.
		r := sources.Record{
			Time: base.Add(time.Duration(i/7) * time.Microsecond), Stream: sources.Labels{"service_name": []string{"cart", "checkout", "driver"}[i%3]},
			Line: fmt.Sprintf("request %d took %dms", i, i%90), Metadata: sources.Labels{"trace_id": fmt.Sprintf("%032x", i/5+1)},
		}
		store.Append(r.Stream, r)
		appended = append(appended, r)
	}
	c := client(t, store)
	const query = `{service_name=~".+"}`
	want := withoutLevel(t, appended)
	for _, forward := range []bool{true, false} {
		answer, err := c.Records(t.Context(), query, window(0, time.Minute), 20_000, forward)
		if err != nil || answer.Truncated || answer.Warnings != nil {
			t.Fatalf("forward %t: truncated %t, warnings %q, %v", forward, answer.Truncated, answer.Warnings, err)
		}
		if got := withoutLevel(t, answer.Records); !slices.Equal(got, want) {
			t.Errorf("forward %t: %d records, not the same as the %d that were appended", forward, len(got), len(want))
		}
		if !slices.IsSortedFunc(answer.Records, func(a, b sources.Record) int {
			if forward {
				return a.Time.Compare(b.Time)
			}
			return b.Time.Compare(a.Time)
		}) {
			t.Errorf("forward %t: out of order", forward)
		}
		for _, limit := range []int{1, 100, 4999, 5000, 5001, count - 1, count} {
			answer, err := c.Records(t.Context(), query, window(0, time.Minute), limit, forward)
			if err != nil || len(answer.Records) != limit || answer.Truncated != (limit < count) {
				t.Errorf("forward %t, limit %d: %d records, truncated %t, %v", forward, limit, len(answer.Records), answer.Truncated, err)
			}
		}
	}
}

func TestClientCrowdedNanosecond(t *testing.T) {
	store := lokiapi.NewStore()
	add := store.Appender(sources.Labels{"service_name": "a"})
	add(base, "before", nil)
	for i := range 6000 {
		add(base.Add(1), fmt.Sprint("line ", i), nil)
	}
	add(base.Add(2), "after", nil)
	answer, err := client(t, store).Records(t.Context(), `{service_name="a"}`, window(0, time.Minute), 10_000, true)
	if err != nil || !answer.Truncated || len(answer.Warnings) != 1 || len(answer.Records) != 5002 {
		t.Errorf("%d records, truncated %t, warnings %q, %v", len(answer.Records), answer.Truncated, answer.Warnings, err)
	}
}

func TestClientListings(t *testing.T) {
	store := lokiapi.NewStore()
	fill(store, "x")
	c := client(t, store)
	ctx, w := t.Context(), window(0, time.Minute)

	labels, err := c.Labels(ctx, w)
	if err != nil || !slices.Contains(labels, "service_name") || slices.Contains(labels, "pod") {
		t.Errorf("labels %q, %v", labels, err)
	}
	values, err := c.LabelValues(ctx, "service_name", w)
	if err != nil || !slices.Equal(values, []string{"checkout", "nginx", "payment"}) {
		t.Errorf("values %q, %v", values, err)
	}
	if values, err := c.LabelValues(ctx, "nobody_has_this", w); err != nil || values != nil {
		t.Errorf("values %q, %v", values, err)
	}
	streams, err := c.Streams(ctx, `{zone="eu-2"}`, w)
	if err != nil || len(streams) != 1 || !maps.Equal(streams[0], sources.Labels{"run": "x", "service_name": "nginx", "zone": "eu-2"}) {
		t.Errorf("streams %v, %v", streams, err)
	}
	if streams, err = c.Streams(ctx, "", window(0, 10*time.Second)); err != nil || len(streams) != 3 {
		t.Errorf("streams %v, %v", streams, err)
	}
	fields, err := c.Fields(ctx, `{service_name=~".+"}`, w)
	found := map[string]string{}
	for _, f := range fields {
		found[f.Name] = fmt.Sprintf("%s %d %v", f.Type, f.Cardinality, f.Parsers)
	}
	for name, want := range map[string]string{
		"msg": "string 5 [json logfmt]", "duration": "duration 5 [json logfmt]", "status": "int 4 [json logfmt]", "ok": "boolean 1 [json]", "pod": "string 3 []",
	} {
		if found[name] != want || err != nil {
			t.Errorf("field %s: %q, want %q, %v", name, found[name], want, err)
		}
	}
	volumes, err := c.Volume(ctx, `{service_name=~".+"}`, []string{"service_name"}, w)
	if err != nil || len(volumes) != 3 || volumes[0].Labels["service_name"] != "checkout" || len(volumes[0].Labels) != 1 || volumes[2].Bytes < 100 {
		t.Errorf("volumes %v, %v", volumes, err)
	}
}

func TestClientMetrics(t *testing.T) {
	store := lokiapi.NewStore()
	for i := range 60 {
		store.Append(sources.Labels{"service_name": []string{"cart", "checkout"}[i%2]}, sources.Record{Time: base.Add(time.Duration(i) * time.Second), Line: fmt.Sprint("line ", i)})
	}
	c := client(t, store)
	count := func(span string) string {
		return fmt.Sprintf(`sum by (service_name) (count_over_time({service_name=~".+"} [%s]))`, span)
	}
	answer, err := c.Instant(t.Context(), count("2m"), base.Add(time.Minute))
	if err != nil || len(answer.Series) != 2 {
		t.Fatal(answer, err)
	}
	for i, service := range []string{"cart", "checkout"} {
		if s := answer.Series[i]; s.Labels["service_name"] != service || s.Samples[0].Value != 30 || !s.Samples[0].Time.Equal(base.Add(time.Minute)) {
			t.Errorf("series %d: %v", i, s)
		}
	}
	answer, err = c.Range(t.Context(), count("10s"), window(3*time.Second, 50*time.Second), 10*time.Second)
	if err != nil || len(answer.Series) != 2 {
		t.Fatal(answer, err)
	}
	for _, s := range answer.Series {
		if len(s.Samples) != 5 {
			t.Fatalf("%d samples of %v: %v", len(s.Samples), s.Labels, s.Samples)
		}
		for i, sample := range s.Samples {
			if want := base.Add(time.Duration(10*(i+1)) * time.Second); !sample.Time.Equal(want) || sample.Value != 5 {
				t.Errorf("sample %d of %v: %v, want 5 at %v", i, s.Labels, sample, want)
			}
		}
	}
	for query, want := range map[string]float64{"1 + 1": 2, "vector(3)": 3, "sum(" + count("2m") + ") / 0": math.NaN()} {
		answer, err := c.Instant(t.Context(), query, base.Add(time.Minute))
		if err != nil || len(answer.Series) != 1 {
			t.Fatal(query, answer, err)
		}
		if got := answer.Series[0].Samples[0].Value; got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
}

func TestClientRefusals(t *testing.T) {
	store := lokiapi.NewStore()
	fill(store, "x")
	c := client(t, store)
	for query, want := range map[string]string{
		`{run="none"} | line_format "{{.x"`: "invalid line template",
		`{run="x"`:                          "parse error",
		`{run=~".*"}`:                       "at least one regexp or equality matcher",
		`{run="x"} |~ "("`:                  "missing closing )",
		`count_over_time({a="b"})`:          "parse error",
		`vector(1)`:                         "counts or measures",
		`{"a.b"="x"}`:                       "parse error",
		`{run="x"} |= ip("10.0.0.0/8")`:     "not supported by this server: ip",
		`sum(rate_counter({run="x"} | unwrap y [1m]))`: "not supported by this server: rate_counter",
		`{run="x"} | unpack`:                           "not supported by this server: unpack",
	} {
		_, err := c.Records(t.Context(), query, window(0, time.Minute), 10, true)
		failure := (*sources.Error)(nil)
		if !errors.Is(err, sources.ErrBadQuery) || !errors.As(err, &failure) || !strings.Contains(failure.Detail, want) {
			t.Errorf("%s: %v", query, err)
		}
	}
	if _, err := c.Instant(t.Context(), `{run="x"}`, base); !errors.Is(err, sources.ErrBadQuery) {
		t.Errorf("log lines as a metric: %v", err)
	}
	if _, err := c.Volume(t.Context(), `{run="x"} |= "x"`, nil, window(0, time.Minute)); !errors.Is(err, sources.ErrBadQuery) {
		t.Errorf("volume of a filter: %v", err)
	}
}

// Whatever a value is made of, a query that is built from it finds the one record that
// has it, by label, by metadata and by line.
func TestClientHostileValues(t *testing.T) {
	store := lokiapi.NewStore()
	hostile := []string{
		`"`, `\`, "\n", "\t", "\r", "}", "{", "`", "'", `\"`, `\\`, `\n`, `"} or {run=~".+"}`, `" or trace_id!="`, `| json`, "#", "//", "%25",
		"a\x00b", "\x7f", "\x1b[31m", "\u0085", "\u202e", "\u2028", "\ufeff", "é", "😀", ".*", "(", "[", "a|b", "$", "^", " ", "$1", "{{.}}",
	}
	var appended []sources.Record
	for i, value := range hostile {
		value = fmt.Sprintf("%d<%s>", i, value)
		r := sources.Record{
			Time: base.Add(time.Duration(i)), Stream: sources.Labels{"kind": "hostile", "value": value},
			Line: "line with " + value + " in it", Metadata: sources.Labels{"trace_id": value},
		}
		store.Append(r.Stream, r)
		appended = append(appended, r)
	}
	c := client(t, store)
	everything := sources.Selector{{Name: "kind", Op: sources.Equal, Value: "hostile"}}
	for i, r := range appended {
		value := r.Metadata["trace_id"]
		byLabel := sources.Matcher{Name: "value", Op: sources.Equal, Value: value}
		byMetadata := sources.Matcher{Name: "trace_id", Op: sources.Equal, Value: value}
		for name, q := range map[string]sources.LogQuery{
			"label":           {Selector: append(everything, byLabel)},
			"label's regexp":  {Selector: append(everything, sources.AnyOf("value", value, "nothing"))},
			"metadata":        {Selector: everything, AnyField: []sources.Matcher{{Name: "span_id", Op: sources.Equal, Value: "none"}, byMetadata}},
			"metadata regexp": {Selector: everything, AnyField: []sources.Matcher{sources.AnyOf("trace_id", value, "nothing")}},
			"line":            {Selector: everything, Contains: []string{value, "line with"}},
			"line's regexp":   {Selector: everything, LineRegexp: "with " + sources.QuoteRegexp(value) + " in"},
		} {
			answer, err := c.Records(t.Context(), q.String(), window(0, time.Minute), 10, true)
			if err != nil || len(answer.Records) != 1 || answer.Records[0].Line != r.Line || answer.Records[0].Metadata["trace_id"] != value {
				t.Errorf("%d %q by its %s: %d records, %v\nquery %s", i, hostile[i], name, len(answer.Records), err, q)
			}
		}
	}
}
