//go:build integration

package loki_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"obs/sources"
	"obs/sources/loki"
	"obs/sources/transport"
)

// live is a real Loki with records that nobody else has: every test has a value of
// its own for the label run.
type live struct {
	t      *testing.T
	client *loki.Client
	ledger *sources.Ledger
	base   string
	run    string
	window sources.Window // what is pushed lies in it
}

func connect(t *testing.T) *live {
	t.Helper()
	base := os.Getenv("LOKI_URL")
	if base == "" {
		t.Fatal("LOKI_URL is not set: it names the Loki to test against")
	}
	connections := &http.Transport{}
	t.Cleanup(connections.CloseIdleConnections)
	client, err := transport.New(transport.Options{
		Backend: sources.Loki, URL: base, Origin: "LOKI_URL", Base: connections, Explain: loki.Explain,
	})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	ledger := &sources.Ledger{}
	return &live{
		t: t, client: loki.New(client, ledger), ledger: ledger, base: base,
		run:    fmt.Sprintf("%s-%d", t.Name(), now.UnixNano()),
		window: window(now.Truncate(time.Minute).Add(-10*time.Minute), time.Minute),
	}
}

// matchers selects what this test has pushed.
func (l *live) matchers(more ...sources.Matcher) sources.Selector {
	return append(sources.Selector{{Name: "run", Op: sources.Equal, Value: l.run}}, more...)
}

func (l *live) query() string { return sources.LogQuery{Selector: l.matchers()}.String() }

// push sends records, to whose stream it adds the run.
func (l *live) push(records []sources.Record) {
	l.t.Helper()
	type stream struct {
		Stream sources.Labels `json:"stream"`
		Values [][]any        `json:"values"`
	}
	// The server takes 4 MiB at once.
	for batch := range slices.Chunk(records, 2<<20/(len(records[0].Line)+500)) {
		streams := map[string]*stream{}
		for _, r := range batch {
			key := r.Stream.String()
			if streams[key] == nil {
				labels := maps.Clone(r.Stream)
				labels["run"] = l.run
				streams[key] = &stream{Stream: labels}
			}
			value := []any{strconv.FormatInt(r.Time.UnixNano(), 10), r.Line}
			if len(r.Metadata) > 0 {
				value = append(value, r.Metadata)
			}
			streams[key].Values = append(streams[key].Values, value)
		}
		body, err := json.Marshal(map[string]any{"streams": slices.Collect(maps.Values(streams))})
		if err != nil {
			l.t.Fatal(err)
		}
		request, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, l.base+"/loki/api/v1/push", bytes.NewReader(body))
		if err != nil {
			l.t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Close = true
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			l.t.Fatal(err)
		}
		said, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusNoContent {
			l.t.Fatalf("push: %s: %s", response.Status, said)
		}
	}
}

func (l *live) record(at time.Duration, service, line string, metadata sources.Labels) sources.Record {
	return sources.Record{Time: l.window.From.Add(at), Stream: sources.Labels{"service_name": service}, Metadata: metadata, Line: line}
}

// mustHave fails unless got is what was pushed, in any order among equal times.
func (l *live) mustHave(got, pushed []sources.Record) {
	l.t.Helper()
	text := func(records []sources.Record, asPushed bool) []string {
		all := make([]string, len(records))
		for i, r := range records {
			stream, metadata := maps.Clone(r.Stream), maps.Clone(r.Metadata)
			if asPushed {
				stream["run"] = l.run
			} else if metadata["detected_level"] == "" {
				l.t.Errorf("record %d has no detected_level: %v", i, r)
			}
			delete(metadata, "detected_level")
			all[i] = fmt.Sprintf("%d %v %v %q", r.Time.UnixNano(), stream, metadata, r.Line)
		}
		slices.Sort(all)
		return all
	}
	have, want := text(got, false), text(pushed, true)
	if len(have) != len(want) {
		l.t.Errorf("%d records, want %d", len(have), len(want))
	}
	for i := range min(len(have), len(want)) {
		if have[i] != want[i] {
			l.t.Fatalf("record %d:\n got %s\nwant %s", i, have[i], want[i])
		}
	}
}

func TestLiveRecords(t *testing.T) {
	l := connect(t)
	const count = 12_400
	var pushed []sources.Record
	for i := range count {
		// Seven records to a nanosecond, so that pages end amid some.
		at := time.Duration(i/7) * time.Microsecond
		trace := fmt.Sprintf("%032x", i/5+1)
		line := fmt.Sprintf("request %d took %dms", i, i%90)
		switch i % 3 {
		case 1:
			line = fmt.Sprintf(`{"level":"error","msg":"request %d failed","trace_id":%q}`, i, trace)
		case 2:
			line = fmt.Sprintf(`level=info msg="request %d" note="tab \t, é, 😀"`, i) + "\tend\n"
		}
		metadata := sources.Labels{"trace_id": trace, "pod": fmt.Sprint("pod-", i%4)}
		if i%11 == 0 {
			metadata = nil
		}
		pushed = append(pushed, l.record(at, []string{"cart", "checkout", "driver"}[i%3], line, metadata))
	}
	l.push(pushed)

	for _, forward := range []bool{true, false} {
		answer, err := l.client.Records(t.Context(), l.query(), l.window, 20_000, forward)
		if err != nil || answer.Truncated || answer.Warnings != nil {
			t.Fatalf("forward %t: truncated %t, warnings %q, %v", forward, answer.Truncated, answer.Warnings, err)
		}
		l.mustHave(answer.Records, pushed)
		if !slices.IsSortedFunc(answer.Records, func(a, b sources.Record) int {
			if forward {
				return a.Time.Compare(b.Time)
			}
			return b.Time.Compare(a.Time)
		}) {
			t.Errorf("forward %t: out of order", forward)
		}
		for _, limit := range []int{0, 1, 100, 4999, 5000, 5001, count - 1, count} {
			answer, err := l.client.Records(t.Context(), l.query(), l.window, limit, forward)
			if err != nil || len(answer.Records) != limit || answer.Truncated != (limit < count) {
				t.Errorf("forward %t, limit %d: %d records, truncated %t, %v", forward, limit, len(answer.Records), answer.Truncated, err)
			}
		}
	}
	// Both ends of the window cut between nanoseconds that hold seven records each.
	inner := window(l.window.From.Add(3*time.Microsecond), 800*time.Microsecond)
	answer, err := l.client.Records(t.Context(), l.query(), inner, count, true)
	if err != nil {
		t.Fatal(err)
	}
	l.mustHave(answer.Records, slices.DeleteFunc(slices.Clone(pushed), func(r sources.Record) bool { return !inner.Contains(r.Time) }))
}

func TestLiveWindowEnds(t *testing.T) {
	l := connect(t)
	pushed := []sources.Record{
		l.record(-1, "a", "before", nil),
		l.record(0, "a", "first", nil),
		l.record(time.Minute-1, "a", "last", nil),
		l.record(time.Minute, "a", "after", nil),
	}
	l.push(pushed)
	for _, forward := range []bool{true, false} {
		answer, err := l.client.Records(t.Context(), l.query(), l.window, 10, forward)
		if err != nil {
			t.Fatal(err)
		}
		l.mustHave(answer.Records, pushed[1:3])
	}
	answer, err := l.client.Records(t.Context(), l.query(), window(l.window.From, 1), 10, true)
	if err != nil {
		t.Fatal(err)
	}
	l.mustHave(answer.Records, pushed[1:2])
}

func TestLiveCrowdedNanosecond(t *testing.T) {
	l := connect(t)
	pushed := []sources.Record{l.record(0, "a", "before", nil), l.record(2, "a", "after", nil)}
	for i := range 6000 {
		pushed = append(pushed, l.record(1, "a", fmt.Sprint("line ", i), nil))
	}
	l.push(pushed)
	for _, forward := range []bool{true, false} {
		answer, err := l.client.Records(t.Context(), l.query(), l.window, 10_000, forward)
		if err != nil || !answer.Truncated || len(answer.Warnings) != 1 || len(answer.Records) != 5000+2 {
			t.Errorf("%d records, truncated %t, warnings %q, %v", len(answer.Records), answer.Truncated, answer.Warnings, err)
		}
		t.Log(answer.Warnings)
	}
}

// Of lines this long, a server of default settings loses pages of the size that it allows.
func TestLiveLongLines(t *testing.T) {
	l := connect(t)
	var pushed []sources.Record
	for i := range 2500 {
		pushed = append(pushed, l.record(time.Duration(i), "a", fmt.Sprint("line ", i, strings.Repeat(" and more", 400)), nil))
	}
	l.push(pushed)
	answer, err := l.client.Records(t.Context(), l.query(), l.window, 10_000, false)
	if err != nil || answer.Truncated {
		t.Fatal(answer.Truncated, err)
	}
	l.mustHave(answer.Records, pushed)
	if fields, err := l.client.Fields(t.Context(), l.query(), l.window); err != nil || len(fields) == 0 {
		t.Errorf("fields %v, %v", fields, err)
	}
}

func TestLiveMetrics(t *testing.T) {
	l := connect(t)
	var pushed []sources.Record
	for i := range 60 {
		pushed = append(pushed, l.record(time.Duration(i)*time.Second, []string{"cart", "checkout"}[i%2], fmt.Sprint("line ", i), nil))
	}
	l.push(pushed)
	count := func(span string) string {
		return fmt.Sprintf("sum by (service_name) (count_over_time(%s [%s]))", l.query(), span)
	}
	answer, err := l.client.Instant(t.Context(), count("2m"), l.window.To)
	if err != nil || len(answer.Series) != 2 {
		t.Fatal(answer, err)
	}
	for i, service := range []string{"cart", "checkout"} {
		s := answer.Series[i]
		if s.Labels["service_name"] != service || len(s.Labels) != 1 || len(s.Samples) != 1 || s.Samples[0].Value != 30 || !s.Samples[0].Time.Equal(l.window.To) {
			t.Errorf("series %d: %v", i, s)
		}
	}

	// From a moment that is no multiple of the step, whole windows of ten seconds. Each
	// has the records behind its start, up to and including its end.
	answer, err = l.client.Range(t.Context(), count("10s"), window(l.window.From.Add(3*time.Second), 50*time.Second), 10*time.Second)
	if err != nil || len(answer.Series) != 2 {
		t.Fatal(answer, err)
	}
	for _, s := range answer.Series {
		if len(s.Samples) != 5 {
			t.Fatalf("%d samples of %v: %v", len(s.Samples), s.Labels, s.Samples)
		}
		for i, sample := range s.Samples {
			if want := l.window.From.Add(time.Duration(10*(i+1)) * time.Second); !sample.Time.Equal(want) || sample.Value != 5 {
				t.Errorf("sample %d of %v: %v, want 5 at %v", i, s.Labels, sample, want)
			}
		}
	}
	answer, err = l.client.Range(t.Context(), count("10s"), window(l.window.From.Add(12500*time.Millisecond), 500*time.Millisecond), 250*time.Millisecond)
	if err != nil || len(answer.Series) != 2 || len(answer.Series[0].Samples) != 3 {
		t.Errorf("steps below a second: %v, %v", answer, err)
	}
	answer, err = l.client.Range(t.Context(), count("1m"), window(l.window.From.Add(31*time.Second), time.Second), time.Hour)
	if err != nil || len(answer.Series) != 2 || answer.Series[0].Samples[0].Value != 16 {
		t.Errorf("a step longer than the window: %v, %v", answer, err)
	}

	for query, want := range map[string]float64{
		"1 + 1":     2,
		"vector(3)": 3,
		// Not infinity, as one might think.
		"sum(count_over_time(" + l.query() + "[2m])) / 0": math.NaN(),
	} {
		answer, err := l.client.Instant(t.Context(), query, l.window.To)
		if err != nil || len(answer.Series) != 1 {
			t.Fatal(query, answer, err)
		}
		got := answer.Series[0].Samples[0]
		if !got.Time.Equal(l.window.To) || (got.Value != want && !(math.IsNaN(got.Value) && math.IsNaN(want))) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	answer, err = l.client.Instant(t.Context(), fmt.Sprintf(`count_over_time({run="not %s"}[2m])`, l.run), l.window.To)
	if err != nil || answer.Series != nil {
		t.Errorf("nothing to count: %v, %v", answer, err)
	}
}

func TestLiveListings(t *testing.T) {
	l := connect(t)
	l.push([]sources.Record{
		l.record(0, "cart", `{"msg":"a","took":"5ms","size":12,"trace_id":"0af7651916cd43dd8448eb211c80319c"}`, nil),
		l.record(1, "cart", `{"msg":"b","took":"6ms","size":13}`, sources.Labels{"pod": "p1"}),
		// A stream whose records are all of one moment has no volume while it is in memory.
		l.record(0, "checkout", `level=warn msg="c d" retry=true`, nil),
		l.record(1, "checkout", `ok`, nil),
	})
	ctx := t.Context()

	labels, err := l.client.Labels(ctx, l.window)
	if err != nil || !slices.Contains(labels, "run") || !slices.Contains(labels, "service_name") || slices.Contains(labels, "pod") {
		t.Errorf("labels %q, %v", labels, err)
	}
	values, err := l.client.LabelValues(ctx, "run", l.window)
	if err != nil || !slices.Contains(values, l.run) {
		t.Errorf("values %q, %v", values, err)
	}
	values, err = l.client.LabelValues(ctx, "nobody_has_this", l.window)
	if err != nil || values != nil {
		t.Errorf("values %q, %v", values, err)
	}

	want := []sources.Labels{{"run": l.run, "service_name": "cart"}, {"run": l.run, "service_name": "checkout"}}
	sorted := func(streams []sources.Labels) []sources.Labels {
		slices.SortFunc(streams, func(a, b sources.Labels) int { return strings.Compare(a.String(), b.String()) })
		return streams
	}
	streams, err := l.client.Streams(ctx, l.matchers().String(), l.window)
	if err != nil || !slices.EqualFunc(sorted(streams), want, maps.Equal) {
		t.Errorf("streams %v, %v", streams, err)
	}
	streams, err = l.client.Streams(ctx, "", l.window)
	if err != nil || !slices.ContainsFunc(streams, func(s sources.Labels) bool { return maps.Equal(s, want[0]) }) {
		t.Errorf("all %d streams, %v", len(streams), err)
	}

	fields, err := l.client.Fields(ctx, l.query(), l.window)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, f := range fields {
		found[f.Name] = fmt.Sprintf("%s %d %v", f.Type, f.Cardinality, f.Parsers)
	}
	for name, want := range map[string]string{
		"msg": "string 3 [json logfmt]", "took": "duration 2 [json]", "size": "int 2 [json]",
		"retry": "boolean 1 [logfmt]", "trace_id": "string 1 [json]", "pod": "string 1 []",
	} {
		if found[name] != want {
			t.Errorf("field %s: %q, want %q", name, found[name], want)
		}
	}

	volumes, err := l.client.Volume(ctx, l.matchers().String(), []string{"service_name"}, l.window)
	if err != nil || len(volumes) != 2 || volumes[0].Labels["service_name"] != "cart" || len(volumes[0].Labels) != 1 ||
		volumes[0].Bytes < volumes[1].Bytes || volumes[1].Bytes < 30 {
		t.Errorf("volumes %v, %v", volumes, err)
	}
	volumes, err = l.client.Volume(ctx, l.matchers().String(), nil, l.window)
	if err != nil || len(volumes) != 1 || !maps.Equal(volumes[0].Labels, sources.Labels{"run": l.run}) {
		t.Errorf("volumes by the selector %v, %v", volumes, err)
	}
	for _, q := range l.ledger.Queries() {
		if q.Status == sources.QueryFailed || q.Attempts == 0 || q.Bytes == 0 {
			t.Errorf("ledger: %+v", q)
		}
	}
}

func TestLiveRefusals(t *testing.T) {
	l := connect(t)
	l.push([]sources.Record{l.record(0, "cart", "line", nil)})
	for query, want := range map[string]string{
		`{run="none"} | line_format "{{.x"`: "invalid line template",
		`{run="x"`:                          "parse error",
		`{run=~".*"}`:                       "at least one regexp or equality matcher",
		l.query() + ` |~ "("`:               "missing closing )",
		`count_over_time({a="b"})`:          "parse error",
		`vector(1)`:                         "counts or measures",
		`{"a.b"="x"}`:                       "parse error",
	} {
		_, err := l.client.Records(t.Context(), query, l.window, 10, true)
		failure := (*sources.Error)(nil)
		if !errors.Is(err, sources.ErrBadQuery) || !errors.As(err, &failure) || !strings.Contains(failure.Detail, want) || failure.Asked != query {
			t.Errorf("%s: %v", query, err)
		}
	}
	if _, err := l.client.Instant(t.Context(), l.query(), l.window.To); !errors.Is(err, sources.ErrBadQuery) {
		t.Errorf("log lines as a metric: %v", err)
	}
	if _, err := l.client.Range(t.Context(), l.query(), l.window, time.Second); !errors.Is(err, sources.ErrBadQuery) {
		t.Errorf("log lines as a metric: %v", err)
	}
	if _, err := l.client.Volume(t.Context(), l.query()+` |= "x"`, nil, l.window); !errors.Is(err, sources.ErrBadQuery) {
		t.Errorf("volume of a filter: %v", err)
	}
}

// Whatever bytes a value has, a query that is built from it finds the one record that
// has it, by label, by metadata and by line.
func TestLiveHostileValues(t *testing.T) {
	l := connect(t)
	hostile := []string{
		`"`, `\`, "\n", "\t", "\r", "}", "{", "`", "'", `\"`, `\\`, `\n`, `"} or {run=~".+"}`, `" or trace_id!="`, `| json`, "#", "//", "%25",
		"a\x00b", "\x7f", "\x1b[31m", "\u0085", "\u202e", "\u2028", "\ufeff", "é", "😀", ".*", "(", "[", "a|b", "$", "^", " ", "$1", "{{.}}",
	}
	var pushed []sources.Record
	for i, value := range hostile {
		value = fmt.Sprintf("%d<%s>", i, value)
		r := l.record(time.Duration(i), "hostile", "line with "+value+" in it", sources.Labels{"trace_id": value})
		r.Stream["value"] = value
		pushed = append(pushed, r)
	}
	l.push(pushed)
	for i, r := range pushed {
		value := r.Metadata["trace_id"]
		byLabel := sources.Matcher{Name: "value", Op: sources.Equal, Value: value}
		byMetadata := sources.Matcher{Name: "trace_id", Op: sources.Equal, Value: value}
		for name, q := range map[string]sources.LogQuery{
			"label":           {Selector: l.matchers(byLabel)},
			"label's regexp":  {Selector: l.matchers(sources.AnyOf("value", value, "nothing"))},
			"metadata":        {Selector: l.matchers(), AnyField: []sources.Matcher{{Name: "span_id", Op: sources.Equal, Value: "none"}, byMetadata}},
			"metadata regexp": {Selector: l.matchers(), AnyField: []sources.Matcher{sources.AnyOf("trace_id", value, "nothing")}},
			"line":            {Selector: l.matchers(), Contains: []string{value, "line with"}},
			"line's regexp":   {Selector: l.matchers(), LineRegexp: "with " + sources.QuoteRegexp(value) + " in"},
			"all":             {Selector: l.matchers(byLabel), AnyField: []sources.Matcher{byMetadata}, Contains: []string{value}, LineRegexp: sources.QuoteRegexp(value)},
		} {
			answer, err := l.client.Records(t.Context(), q.String(), l.window, 10, true)
			if err != nil || len(answer.Records) != 1 || answer.Records[0].Line != r.Line || answer.Records[0].Metadata["trace_id"] != value {
				t.Errorf("%d %q by its %s: %d records, %v\nquery %s", i, hostile[i], name, len(answer.Records), err, q)
			}
		}
	}
}

func TestLiveLink(t *testing.T) {
	l := connect(t)
	l.push([]sources.Record{l.record(0, "cart", `a "line" of {this}`, nil)})
	link, err := url.Parse(l.client.Link(sources.LogQuery{Selector: l.matchers(), Contains: []string{`"line" of {`}}.String(), l.window))
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(link.String())
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(`a \"line\" of {this}`)) {
		t.Errorf("%s: %s", response.Status, body)
	}
}

// Records that are pushed while a tail is open come in, as Records has them, and those
// from before too where they are asked for.
func TestLiveFollow(t *testing.T) {
	l := connect(t)
	l.window.From = time.Now().UTC().Add(-time.Minute)
	metadata := sources.Labels{"trace_id": "0af7651916cd43dd8448eb211c80319c"}
	var before, after []sources.Record
	for i := range 2500 {
		before = append(before, l.record(time.Duration(i/3), []string{"cart", "checkout"}[i%2], fmt.Sprint("before ", i), metadata))
	}
	l.push(before)
	for i := range 50 {
		line := fmt.Sprintf(`{"level":"warn","msg":"after %d \u001b"}`, i)
		after = append(after, l.record(time.Minute+time.Duration(i/3), []string{"cart", "checkout"}[i%2], line, metadata))
	}
	for name, test := range map[string]struct {
		from time.Time
		want []sources.Record
	}{
		"since": {l.window.From, slices.Concat(before, after)},
		// What the first tail has seen pushed lies behind the second one's beginning.
		"from the first that was pushed later": {after[0].Time, after},
	} {
		t.Run(name, func(t *testing.T) {
			var got []sources.Record
			pushed := test.want[0].Time.Equal(after[0].Time)
			if pushed {
				l.push(after)
			}
			err := l.followUntil(t, l.query(), test.from, func(some []sources.Record) bool {
				got = append(got, some...)
				if !pushed && len(got) == len(before) {
					pushed = true
					l.push(after)
				}
				return len(got) >= len(test.want)
			})
			if err != nil {
				t.Fatal(err)
			}
			l.mustHave(got, test.want)
		})
	}
}

// followUntil follows until enough says so, or for a minute.
func (l *live) followUntil(t *testing.T, query string, from time.Time, enough func([]sources.Record) bool) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return l.client.Follow(ctx, query, from, func(some []sources.Record, dropped int) {
		if dropped > 0 {
			t.Errorf("%d records dropped", dropped)
		}
		if enough(some) {
			cancel()
		}
	})
}

// A record that comes over the web socket is the same one as in the answer to a query,
// also where a parser has added labels: neither is handed over beside the other.
func TestLiveFollowFromNowOn(t *testing.T) {
	l := connect(t)
	l.push([]sources.Record{l.record(0, "cart", `{"level":"warn","msg":"before"}`, nil)})
	query := l.query() + ` | json | msg=~"tick.*"`
	stop := make(chan struct{})
	var pushing sync.WaitGroup
	pushing.Go(func() {
		// The tail has begun at some time: until it has what it wants, records come.
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
				r := l.record(time.Since(l.window.From), "cart", fmt.Sprintf(`{"level":"warn","msg":"tick %d"}`, i), sources.Labels{"trace_id": strconv.Itoa(i)})
				l.push([]sources.Record{r})
			case <-stop:
				return
			}
		}
	})
	var got []sources.Record
	err := l.followUntil(t, query, time.Time{}, func(some []sources.Record) bool {
		got = append(got, some...)
		return len(got) >= 20
	})
	close(stop)
	pushing.Wait()
	if err != nil || len(got) < 20 {
		t.Fatalf("%d records, %v", len(got), err)
	}
	answer, err := l.client.Records(t.Context(), query, sources.Window{From: got[0].Time, To: got[len(got)-1].Time.Add(1)}, 1000, true)
	if err != nil || len(answer.Records) != len(got) {
		t.Fatalf("%d records by a query, %d by the tail, %v", len(answer.Records), len(got), err)
	}
	for i, r := range answer.Records {
		if !reflect.DeepEqual(got[i], r) {
			t.Errorf("record %d:\nby the tail %+v\nby a query  %+v", i, got[i], r)
		}
	}
}

// breakable is a network whose connections can all be broken at once.
type breakable struct {
	mu   sync.Mutex
	open []net.Conn
}

func (b *breakable) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.open = append(b.open, c)
	}
	return c, err
}

func (b *breakable) breakAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.open {
		_ = c.Close()
	}
	b.open = nil
}

// Of what is pushed while connections break, nothing is lost and nothing comes twice,
// though some comes over the web socket and some in answer to a query.
func TestLiveFollowOverBrokenConnections(t *testing.T) {
	l := connect(t)
	var network breakable
	connections := &http.Transport{DialContext: network.dial}
	t.Cleanup(connections.CloseIdleConnections)
	client, err := transport.New(transport.Options{Backend: sources.Loki, URL: l.base, Base: connections, Explain: loki.Explain})
	if err != nil {
		t.Fatal(err)
	}
	l.client = loki.New(client, l.ledger)
	const most, each = 1500, 50
	round := 0
	var pushed, got []sources.Record
	begin := time.Now().UTC()
	push := func() {
		var some []sources.Record
		for i := range each {
			at := time.Since(l.window.From).Truncate(time.Millisecond) // many to a nanosecond
			some = append(some, l.record(at, []string{"cart", "checkout"}[i%2], fmt.Sprint("line ", i), sources.Labels{"trace_id": fmt.Sprint(len(pushed) + i)}))
		}
		pushed = append(pushed, some...)
		l.push(some)
	}
	push()
	err = l.followUntil(t, l.query(), begin.Add(-time.Second), func(some []sources.Record) bool {
		got = append(got, some...)
		for len(got) == len(pushed) && len(pushed) < most {
			switch round++; round % 3 {
			case 0: // broken before the push
				network.breakAll()
				push()
			case 1: // and amid
				push()
				network.breakAll()
				push()
			default: // and not, so that the web socket too has something to tell
				push()
			}
		}
		return len(got) >= most
	})
	if err != nil {
		t.Fatal(err)
	}
	l.mustHave(got, pushed)
	if n := l.ledger.Queries()[0].Attempts; n < 10 {
		t.Errorf("connected %d times", n)
	}
}

// What Records is refused, a tail is too, and the server's bound on tails is told as such.
func TestLiveFollowRefusals(t *testing.T) {
	l := connect(t)
	for query, want := range map[string]string{
		`{run="x"`:                 "parse error",
		`{run=~".*"}`:              "at least one regexp or equality matcher",
		`count_over_time({a="b"})`: "parse error",
		`rate({a="b"}[1m])`:        "",
	} {
		err := l.followUntil(t, query, time.Time{}, nil)
		failure, ok := errors.AsType[*sources.Error](err)
		if !ok || !errors.Is(err, sources.ErrBadQuery) || !strings.Contains(failure.Detail, want) || failure.Asked != query {
			t.Errorf("%s: %v", query, err)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	refused := make(chan error)
	var following sync.WaitGroup
	for range 30 { // the default of max_concurrent_tail_requests is 10
		following.Go(func() {
			if err := l.client.Follow(ctx, l.query(), time.Time{}, func([]sources.Record, int) {}); err != nil {
				select {
				case refused <- err:
				case <-ctx.Done():
				}
			}
		})
	}
	select {
	case err := <-refused:
		failure, ok := errors.AsType[*sources.Error](err)
		if !ok || !errors.Is(err, sources.ErrBusy) || !strings.Contains(failure.Hint, "max_concurrent_tail_requests") {
			t.Errorf("got %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("30 tails at once, and none refused")
	}
	cancel()
	following.Wait()
}

// More records than the server gives at once come by pages, each once and in order, either
// way, also where a page ends amid many records of one nanosecond.
func TestLivePages(t *testing.T) {
	l := connect(t)
	const count, together = 12000, 700
	pushed := make([]sources.Record, count)
	for i := range pushed {
		at := time.Duration(i/together*together) * time.Millisecond
		pushed[i] = l.record(at, "cart", fmt.Sprintf("line %05d", i), nil)
	}
	l.push(pushed)
	want := map[string]bool{}
	for _, r := range pushed {
		want[r.Line] = true
	}
	for _, forward := range []bool{true, false} {
		for limit, read := range map[int]int{20000: count, 7001: 7001} {
			answer, err := l.client.Records(t.Context(), l.query(), l.window, limit, forward)
			got := map[string]bool{}
			for i, r := range answer.Records {
				got[r.Line] = true
				if i > 0 && !answer.Records[i-1].Time.Equal(r.Time) && answer.Records[i-1].Time.Before(r.Time) != forward {
					t.Fatalf("forward %t: record %d is out of order", forward, i)
				}
			}
			if err != nil || len(answer.Records) != read || len(got) != read || answer.Truncated != (read < count) || len(answer.Warnings) > 0 {
				t.Errorf("forward %t, limit %d: %d records, %d different ones, want %d; truncated %t, %q, %v", forward, limit, len(answer.Records), len(got), read, answer.Truncated, answer.Warnings, err)
			}
			if limit > count && !maps.Equal(got, want) {
				t.Errorf("forward %t: other records than were pushed", forward)
			}
		}
	}
}

// A real Loki takes what Grafana's client writes over the bridge, and gives it back.
func TestPush(t *testing.T) {
	l := connect(t)
	want := sources.Record{
		Time: l.window.From.Add(time.Second), Line: "rolled back payment\nto \"1.4.2\"",
		Stream: sources.Labels{"job": "obs", "kind": "note", "run": l.run}, Metadata: sources.Labels{"author": "ada"},
	}
	for range 2 { // twice is as once
		if err := l.client.Push(t.Context(), want); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := l.client.Records(t.Context(), l.query(), l.window, 10, true)
	if err != nil || len(answer.Records) != 1 {
		t.Fatalf("%+v, %v", answer, err)
	}
	got := answer.Records[0]
	if !got.Time.Equal(want.Time) || got.Line != want.Line || got.Metadata["author"] != "ada" || got.Stream["kind"] != "note" {
		t.Errorf("got %+v, want %+v", got, want)
	}
	old := want
	old.Time = time.Now().Add(-60 * 24 * time.Hour)
	if err := l.client.Push(t.Context(), old); err == nil || !strings.Contains(err.Error(), "entry too far behind") {
		t.Errorf("what is too old: %v", err)
	}
}
