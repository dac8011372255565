package loki_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"obs/sources"
	"obs/sources/loki"
)

func TestListings(t *testing.T) {
	const start, end = "1767225600000000000", "1767225660000000000"
	for _, test := range []struct {
		name, file string
		call       func(context.Context, *loki.Client) (any, error)
		want       any
		count      int
		path, text string
		params     url.Values
	}{
		{
			name: "labels", file: "labels.json",
			call: func(ctx context.Context, c *loki.Client) (any, error) { return c.Labels(ctx, recorded) },
			want: []string{"recorded", "service_name"}, count: 2,
			path: "/loki/api/v1/labels", text: "/loki/api/v1/labels",
		},
		{
			name: "values", file: "label_values.json",
			call: func(ctx context.Context, c *loki.Client) (any, error) {
				return c.LabelValues(ctx, "service_name", recorded)
			},
			want: []string{"cart", "checkout"}, count: 2,
			path: "/loki/api/v1/label/service_name/values", text: "/loki/api/v1/label/service_name/values",
		},
		{
			name: "no values", file: "label_values_none.json",
			call: func(ctx context.Context, c *loki.Client) (any, error) { return c.LabelValues(ctx, "_1", recorded) },
			want: []string(nil),
			path: "/loki/api/v1/label/_1/values", text: "/loki/api/v1/label/_1/values",
		},
		{
			name: "streams", file: "series.json",
			call: func(ctx context.Context, c *loki.Client) (any, error) { return c.Streams(ctx, lines, recorded) },
			want: []sources.Labels{
				{"recorded": "yes", "service_name": "cart"},
				{"recorded": "yes", "service_name": "checkout"},
			},
			count: 2,
			path:  "/loki/api/v1/series", text: `/loki/api/v1/series?match[]={recorded="yes"}`,
			params: url.Values{"match[]": {lines}},
		},
		{
			name: "all streams", file: "series.json",
			call: func(ctx context.Context, c *loki.Client) (any, error) {
				streams, err := c.Streams(ctx, "", recorded)
				return len(streams), err
			},
			want: 2, count: 2,
			path: "/loki/api/v1/series", text: `/loki/api/v1/series?match[]={}`,
			params: url.Values{"match[]": {"{}"}},
		},
		{
			name: "fields", file: "fields.json",
			call: func(ctx context.Context, c *loki.Client) (any, error) { return c.Fields(ctx, lines, recorded) },
			want: []sources.Field{
				{Name: "detected_level", Type: "string", Cardinality: 3},
				{Name: "level", Type: "string", Cardinality: 2, Parsers: []string{"json", "logfmt"}},
				{Name: "ms", Type: "int", Cardinality: 1, Parsers: []string{"json"}},
				{Name: "msg", Type: "string", Cardinality: 2, Parsers: []string{"json", "logfmt"}},
				{Name: "took", Type: "duration", Cardinality: 1, Parsers: []string{"logfmt"}},
				{Name: "trace_id", Type: "string", Cardinality: 2},
				{Name: "user", Type: "string", Cardinality: 1},
			},
			count: 7,
			path:  "/loki/api/v1/detected_fields", text: `/loki/api/v1/detected_fields?query={recorded="yes"}&line_limit=200`,
			params: url.Values{"query": {lines}, "line_limit": {"200"}},
		},
		{
			name: "no fields", file: "fields_none.json",
			call: func(ctx context.Context, c *loki.Client) (any, error) { return c.Fields(ctx, lines, recorded) },
			want: []sources.Field{},
			path: "/loki/api/v1/detected_fields", text: `/loki/api/v1/detected_fields?query={recorded="yes"}&line_limit=200`,
			params: url.Values{"query": {lines}, "line_limit": {"200"}},
		},
		{
			name: "volume", file: "volume.json",
			call: func(ctx context.Context, c *loki.Client) (any, error) {
				return c.Volume(ctx, lines, []string{"service_name", "recorded"}, recorded)
			},
			want: []sources.Volume{
				{Labels: sources.Labels{"recorded": "yes", "service_name": "checkout"}, Bytes: 309},
				{Labels: sources.Labels{"recorded": "yes", "service_name": "cart"}, Bytes: 99},
			},
			count: 2,
			path:  "/loki/api/v1/index/volume", text: `/loki/api/v1/index/volume?query={recorded="yes"}&limit=1000&targetLabels=service_name,recorded`,
			params: url.Values{"query": {lines}, "limit": {"1000"}, "targetLabels": {"service_name,recorded"}},
		},
		{
			name: "volume of all", file: "volume.json",
			call: func(ctx context.Context, c *loki.Client) (any, error) {
				volumes, err := c.Volume(ctx, "", nil, recorded)
				return len(volumes), err
			},
			want: 2, count: 2,
			path: "/loki/api/v1/index/volume", text: `/loki/api/v1/index/volume?query={}&limit=1000`,
			params: url.Values{"query": {"{}"}, "limit": {"1000"}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			handler := &canned{t: t, file: test.file}
			client, ledger := open(t, handler)
			got, err := test.call(t.Context(), client)
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %#v, %v\nwant %#v", got, err, test.want)
			}
			params := url.Values{"start": {start}, "end": {end}}
			for name, values := range test.params {
				params[name] = values
			}
			handler.mustAsk(test.path, params)
			status := sources.QueryOK
			if test.count == 0 {
				status = sources.QueryEmpty
			}
			mustList(t, ledger, test.text, recorded, status, test.count)
		})
	}
}

func TestStreamsThatLokiHasSplit(t *testing.T) {
	client, _ := open(t, &canned{t: t, text: `{"status":"success","data":[
		{"app":"b"},{"app":"a","__stream_shard__":"1"},{"app":"a"},{"app":"a","__stream_shard__":"0"}]}`})
	streams, err := client.Streams(t.Context(), lines, recorded)
	if want := []sources.Labels{{"app": "a"}, {"app": "b"}}; err != nil || !reflect.DeepEqual(streams, want) {
		t.Errorf("got %v, %v; want %v", streams, err, want)
	}
}

func TestListingsWithoutWindow(t *testing.T) {
	handler := &canned{t: t, file: "labels.json"}
	client, _ := open(t, handler)
	if _, err := client.Labels(t.Context(), sources.Window{}); err != nil {
		t.Fatal(err)
	}
	handler.mustAsk("/loki/api/v1/labels", url.Values{})
}

func TestLabelNamesThatCannotBe(t *testing.T) {
	client, ledger := open(t, http.NotFoundHandler())
	for _, name := range []string{"", "a.b", "a/b", "..", "../labels", "1a", "é", "a\n", "a?b=c", "a%2fb"} {
		if values, err := client.LabelValues(t.Context(), name, recorded); !errors.Is(err, sources.ErrBadQuery) || values != nil {
			t.Errorf("%q: %v, %v", name, values, err)
		}
	}
	if n := len(ledger.Queries()); n != 0 {
		t.Errorf("asked %d questions", n)
	}
}

// A server that gives fewer lines at once than Fields looks at says so, and is asked anew.
func TestFieldsOfAServerWithALowerLimit(t *testing.T) {
	var asked []string
	client, _ := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.FormValue("line_limit"))
		if len(asked) == 1 {
			http.Error(w, "max entries limit per query exceeded, limit > max_entries_limit_per_query (200 > 7)", http.StatusBadRequest)
			return
		}
		_, _ = w.Write(read(t, "fields.json"))
	}))
	for range 2 {
		if fields, err := client.Fields(t.Context(), lines, recorded); err != nil || len(fields) != 7 {
			t.Fatal(fields, err)
		}
	}
	if want := []string{"200", "7", "7"}; !reflect.DeepEqual(asked, want) {
		t.Errorf("asked for %v lines, want %v", asked, want)
	}
}

// remembered is what earlier runs found out.
type remembered map[string]string

func (r remembered) Recall(name string) string { return r[name] }

func (r remembered) Learn(name, value string) { r[name] = value }

// How many lines a server gives at once is known to the next run, and learnt anew where it
// gives fewer than that.
func TestLinesOfAnEarlierRun(t *testing.T) {
	var asked []string
	most := 50
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.FormValue("line_limit"))
		if limit, err := strconv.Atoi(r.FormValue("line_limit")); err != nil || limit > most {
			http.Error(w, fmt.Sprintf("max entries limit per query exceeded, limit > max_entries_limit_per_query (%d > %d)", limit, most), http.StatusBadRequest)
			return
		}
		_, _ = w.Write(read(t, "fields.json"))
	})
	known := remembered{}
	run := func() {
		t.Helper()
		client, _ := open(t, server)
		if fields, err := client.Remember(known).Fields(t.Context(), lines, recorded); err != nil || len(fields) != 7 {
			t.Fatal(fields, err)
		}
	}
	run()
	run()
	most = 7
	run()
	run()
	if want := []string{"200", "50", "50", "50", "7", "7"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %v lines, want %v", asked, want)
	}
	asked = nil
	for _, known["loki.lines"] = range []string{"-1", "0", "x", "99999999"} {
		most = 200
		run()
	}
	if want := []string{"200", "200", "200", "200"}; !slices.Equal(asked, want) {
		t.Errorf("with nonsense kept: asked for %v lines, want %v", asked, want)
	}
}

func TestVolumesThatCannotBe(t *testing.T) {
	for _, value := range []string{"-1", "NaN", "+Inf", "9223372036854775808", "x"} {
		client, _ := open(t, &canned{t: t, text: `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"` + value + `"]}]}}`})
		if volumes, err := client.Volume(t.Context(), lines, nil, window(recorded.From, time.Hour)); !errors.Is(err, sources.ErrNotThisAPI) || volumes != nil {
			t.Errorf("%s: %v, %v", value, volumes, err)
		}
	}
}
