package loki_test

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"obs/sources"
)

const metric = `sum by (service_name) (count_over_time({recorded="yes"}[1m]))`

func samples(pairs ...float64) (list []sources.Sample) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, sources.Sample{Time: recorded.From.Add(time.Duration(pairs[i] * 1e9)), Value: pairs[i+1]})
	}
	return list
}

func TestInstant(t *testing.T) {
	for _, test := range []struct {
		file, text string
		want       []sources.Series
	}{
		{file: "vector.json", want: []sources.Series{
			{Labels: sources.Labels{"service_name": "cart"}, Samples: samples(60, 2)},
			{Labels: sources.Labels{"service_name": "checkout"}, Samples: samples(60, 6)},
		}},
		// What Loki gives as the time of a scalar is far off.
		{file: "scalar.json", want: []sources.Series{{Samples: samples(60, 2)}}},
		{text: `{"status":"success","data":{"resultType":"vector","result":[]}}`},
		{
			text: `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1767225660.25,"+Inf"]},{"metric":{},"value":[1767225660,"-Inf"]}]}}`,
			want: []sources.Series{
				{Labels: sources.Labels{}, Samples: samples(60.25, math.Inf(1))},
				{Labels: sources.Labels{}, Samples: samples(60, math.Inf(-1))},
			},
		},
	} {
		t.Run(test.file, func(t *testing.T) {
			handler := &canned{t: t, file: test.file, text: test.text}
			client, ledger := open(t, handler)
			answer, err := client.Instant(t.Context(), metric, recorded.To)
			if err != nil || !reflect.DeepEqual(answer.Series, test.want) {
				t.Errorf("got %v, %v\nwant %v", answer.Series, err, test.want)
			}
			handler.mustAsk("/loki/api/v1/query", url.Values{"query": {metric}, "time": {"1767225660000000000"}})
			status := sources.QueryOK
			if len(test.want) == 0 {
				status = sources.QueryEmpty
			}
			mustList(t, ledger, metric, window(recorded.To, 0), status, len(test.want))
		})
	}
	client, _ := open(t, &canned{t: t, file: "vector_nan.json"})
	answer, err := client.Instant(t.Context(), metric, recorded.To)
	if err != nil || len(answer.Series) != 1 || !math.IsNaN(answer.Series[0].Samples[0].Value) {
		t.Errorf("got %v, %v", answer.Series, err)
	}
}

func TestRange(t *testing.T) {
	handler := &canned{t: t, file: "matrix.json"}
	client, ledger := open(t, handler)
	answer, err := client.Range(t.Context(), metric, recorded, 30*time.Second)
	want := []sources.Series{
		{Labels: sources.Labels{"service_name": "cart"}, Samples: samples(0, 1, 30, 2, 60, 1)},
		{Labels: sources.Labels{"service_name": "checkout"}, Samples: samples(0, 1, 30, 6, 60, 5)},
	}
	if err != nil || !reflect.DeepEqual(answer.Series, want) {
		t.Errorf("got %v, %v\nwant %v", answer.Series, err, want)
	}
	handler.mustAsk("/loki/api/v1/query_range", url.Values{
		"query": {metric}, "start": {"1767225600000000000"}, "end": {"1767225660000000000"}, "step": {"30"},
	})
	mustList(t, ledger, metric, recorded, sources.QueryOK, 2)
}

func TestRangeAsksForMultiplesOfTheStep(t *testing.T) {
	const second = time.Second
	for _, test := range []struct {
		from, to, step time.Duration // since the minute began, which is a multiple of all steps here
		first, last    time.Duration
		text           string
	}{
		{0, 60 * second, 20 * second, 0, 60 * second, "20"},
		{1, 60*second - 1, 20 * second, 20 * second, 40 * second, "20"},
		{-1, 60*second + 1, 20 * second, 0, 60 * second, "20"},
		{19 * second, 21 * second, 20 * second, 20 * second, 20 * second, "20"},
		{300 * time.Millisecond, second, 250 * time.Millisecond, 500 * time.Millisecond, second, "0.25"},
		{0, second, 0, 0, second, "0.001"},
		{0, second, 1500 * time.Microsecond, 0, second, "0.001"},
	} {
		handler := &canned{t: t, text: `{"status":"success","data":{"resultType":"matrix","result":[]}}`}
		client, _ := open(t, handler)
		w := sources.Window{From: recorded.From.Add(test.from), To: recorded.From.Add(test.to)}
		if _, err := client.Range(t.Context(), metric, w, test.step); err != nil {
			t.Fatal(err)
		}
		handler.mustAsk("/loki/api/v1/query_range", url.Values{
			"query": {metric}, "step": {test.text},
			"start": {fmt.Sprint(recorded.From.Add(test.first).UnixNano())},
			"end":   {fmt.Sprint(recorded.From.Add(test.last).UnixNano())},
		})
	}

	handler := &canned{t: t, file: "vector.json"}
	client, _ := open(t, handler)
	if _, err := client.Range(t.Context(), metric, window(recorded.From.Add(second), second), 20*second); err != nil {
		t.Fatal(err)
	}
	handler.mustAsk("/loki/api/v1/query", url.Values{"query": {metric}, "time": {"1767225601000000000"}})
}

func TestRangeLeavesOutWhatLiesOutside(t *testing.T) {
	client, _ := open(t, &canned{t: t, file: "matrix.json"})
	answer, err := client.Range(t.Context(), metric, window(recorded.From.Add(20*time.Second), 20*time.Second), 10*time.Second)
	if err != nil || len(answer.Series) != 2 || !reflect.DeepEqual(answer.Series[0].Samples, samples(30, 2)) {
		t.Errorf("got %v, %v", answer.Series, err)
	}
}

func TestMetricAnswersThatAreNone(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		kind error
	}{
		"log lines":      {string(read(t, "records.json")), sources.ErrBadQuery},
		"another type":   {`{"status":"success","data":{"resultType":"table","result":[]}}`, sources.ErrNotThisAPI},
		"another status": {`{"status":"error","data":{}}`, sources.ErrNotThisAPI},
		"another API":    {`{"hello":"world"}`, sources.ErrNotThisAPI},
		"no JSON":        {`success`, sources.ErrNotThisAPI},
		"no number":      {`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"x"]}]}}`, sources.ErrNotThisAPI},
		"no time":        {`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1e300,"1"]}]}}`, sources.ErrNotThisAPI},
		"null sample":    {`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[null]}]}}`, sources.ErrNotThisAPI},
		"bad scalar":     {`{"status":"success","data":{"resultType":"scalar","result":{}}}`, sources.ErrNotThisAPI},
		"nested":         {strings.Repeat("[", 1<<20), sources.ErrNotThisAPI},
	} {
		t.Run(name, func(t *testing.T) {
			client, ledger := open(t, &canned{t: t, text: test.body})
			answer, err := client.Instant(t.Context(), metric, recorded.To)
			if !errors.Is(err, test.kind) || answer.Series != nil {
				t.Errorf("got %v, %v; want %v", answer.Series, err, test.kind)
			}
			mustList(t, ledger, metric, window(recorded.To, 0), sources.QueryFailed, 0)
		})
	}
	client, _ := open(t, &canned{t: t, file: "matrix.json"})
	if _, err := client.Records(t.Context(), metric, recorded, 10, true); !errors.Is(err, sources.ErrBadQuery) {
		t.Errorf("a metric query for records: %v", err)
	}
	client, _ = open(t, &canned{t: t, text: string(read(t, "error_not_metric.txt")), status: http.StatusBadRequest})
	if _, err := client.Instant(t.Context(), lines, recorded.To); !errors.Is(err, sources.ErrBadQuery) {
		t.Errorf("a query for records at one moment: %v", err)
	}
}
