package prometheus_test

import (
	"math"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"obs/sources"
)

func TestLabelValues(t *testing.T) {
	b := newBench(t, recorded(t, http.StatusOK, "label_values.json"))
	got, err := b.LabelValues(t.Context(), "__name__", nil, window)
	want := []string{"pay_classic_duration_seconds_bucket", "pay_classic_duration_seconds_count", "pay_classic_duration_seconds_sum", "pay_duration_seconds"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	sent := asked{http.MethodGet, "/api/v1/label/__name__/values", map[string][]string{"start": {"1646136000"}, "end": {"1646136180"}}}
	if got := b.last(t); !reflect.DeepEqual(got, sent) {
		t.Errorf("asked %+v, want %+v", got, sent)
	}
	if q := b.query(t); q.Text != "GET /api/v1/label/__name__/values" || q.Window != window || q.Records != 4 {
		t.Errorf("the ledger says %+v", q)
	}
}

func TestLabelValuesOfOddNames(t *testing.T) {
	for name, path := range map[string]string{
		"job":          "/api/v1/label/job/values",
		"service.name": "/api/v1/label/U__service_2e_name/values",
		"a/../b":       "/api/v1/label/U__a_2f__2e__2e__2f_b/values",
		"größe":        "/api/v1/label/U__gr_f6__df_e/values",
	} {
		b := newBench(t, recorded(t, http.StatusOK, "label_values.json"))
		if _, err := b.LabelValues(t.Context(), name, []string{`{a="b c"}`, "up"}, sources.Window{}); err != nil {
			t.Fatal(err)
		}
		sent := asked{http.MethodGet, path, map[string][]string{"match[]": {`{a="b c"}`, "up"}}}
		if got := b.last(t); !reflect.DeepEqual(got, sent) {
			t.Errorf("asked %+v, want %+v", got, sent)
		}
		if q := b.query(t); q.Text != "GET /api/v1/label/"+name+`/values?match[]={a="b c"}&match[]=up` {
			t.Errorf("the ledger says %s", q.Text)
		}
	}
}

func TestSeries(t *testing.T) {
	for _, test := range []struct {
		file        string
		limit, want int
	}{
		{"series.json", 0, 7},
		{"series.json", 7, 7},
		{"series.json", 3, 3}, // of a server that ignores the limit
		{"series_limited.json", 2, 2},
		{"empty_list.json", 2, 0},
	} {
		b := newBench(t, recorded(t, http.StatusOK, test.file))
		got, err := b.Series(t.Context(), []string{`{job="checkout"}`}, window, test.limit)
		if err != nil || len(got) != test.want {
			t.Errorf("%s limited to %d: got %d, %v", test.file, test.limit, len(got), err)
			continue
		}
		if test.want == 0 {
			if got != nil {
				t.Errorf("%s: got %v, want nil", test.file, got)
			}
			continue
		}
		first := sources.Labels{"__name__": "pay_classic_duration_seconds_bucket", "http_route": "/pay", "job": "checkout", "le": "+Inf"}
		if !reflect.DeepEqual(got[0], first) {
			t.Errorf("%s: the first is %v", test.file, got[0])
		}
		if limit := b.last(t).form.Get("limit"); (limit != "") != (test.limit > 0) {
			t.Errorf("limited to %d: asked with %q", test.limit, limit)
		}
	}
}

func TestSeriesInTheLedger(t *testing.T) {
	b := newBench(t, recorded(t, http.StatusOK, "series_limited.json"))
	if _, err := b.Series(t.Context(), []string{`{job="checkout"}`}, window, 2); err != nil {
		t.Fatal(err)
	}
	if q := b.query(t); q.Text != `GET /api/v1/series?match[]={job="checkout"}&limit=2` || q.Window != window || q.Records != 2 {
		t.Errorf("the ledger says %+v", q)
	}
}

func TestMetadata(t *testing.T) {
	b := newBench(t, recorded(t, http.StatusOK, "metadata.json"))
	got, err := b.Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := sources.MetricMetadata{Type: "gauge", Help: "Total number of exemplars the exemplar storage can store, resizeable."}
	if len(got) != 3 || got["prometheus_tsdb_exemplar_max_exemplars"] != want {
		t.Errorf("got %+v", got)
	}
	if q := b.query(t); q.Text != "GET /api/v1/metadata" || q.Records != 3 {
		t.Errorf("the ledger says %+v", q)
	}
}

func TestMetadataOnWhichTargetsDisagree(t *testing.T) {
	b := newBench(t, said(http.StatusOK, "application/json", `{"status":"success","data":{"a":[
		{"type":"unknown","unit":"","help":"z"},{"type":"counter","unit":"s","help":"y"},{"type":"counter","unit":"s","help":"x"}],"b":[]}}`))
	got, err := b.Metadata(t.Context())
	want := map[string]sources.MetricMetadata{"a": {Type: "counter", Unit: "s", Help: "x"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestExemplars(t *testing.T) {
	b := newBench(t, recorded(t, http.StatusOK, "query_exemplars.json"))
	got, err := b.Exemplars(t.Context(), "pay_classic_duration_seconds_bucket", window)
	if err != nil {
		t.Fatal(err)
	}
	// Two buckets with two exemplars each, in the order of time and not of buckets.
	var order []string
	for _, e := range got {
		order = append(order, e.Time.Format("04:05 ")+e.Series["le"])
	}
	if want := []string{"00:55 0.5", "00:56 1", "01:55 0.5", "01:56 1"}; !slices.Equal(order, want) {
		t.Errorf("got %q, want %q", order, want)
	}
	first := got[0]
	id, ok := first.TraceID()
	if !ok || id != "4bf92f3577b34da6a3ce929d0e0e4731" || first.SpanID() != "00f067aa0ba902b1" || first.Value != 0.3 || first.Series["job"] != "checkout" {
		t.Errorf("the first is %+v", first)
	}
	if q := b.query(t); q.Text != "GET /api/v1/query_exemplars?query=pay_classic_duration_seconds_bucket" || q.Window != window || q.Records != 4 {
		t.Errorf("the ledger says %+v", q)
	}
}

// The server counts the end of a window in, which obs does not.
func TestExemplarsLieInTheWindow(t *testing.T) {
	b := newBench(t, recorded(t, http.StatusOK, "query_exemplars_native.json"))
	half := sources.Window{From: noon.Add(55 * time.Second), To: noon.Add(115 * time.Second)}
	got, err := b.Exemplars(t.Context(), "pay_duration_seconds", half)
	if err != nil || len(got) != 1 || !got[0].Time.Equal(half.From) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := b.Exemplars(t.Context(), "pay_duration_seconds", sources.Window{}); err != nil || len(got) != 2 {
		t.Errorf("without a window: got %+v, %v", got, err)
	}
}

func TestAlerts(t *testing.T) {
	b := newBench(t, recorded(t, http.StatusOK, "alerts.json"))
	got, err := b.Alerts(t.Context())
	if err != nil || len(got) != 2 {
		t.Fatalf("got %+v, %v", got, err)
	}
	want := sources.Alert{
		Name: "CheckoutSlow", State: "firing", Value: 1.5, ActiveAt: got[0].ActiveAt,
		Labels:      sources.Labels{"alertname": "CheckoutSlow", "service": "checkout", "severity": "page"},
		Annotations: sources.Labels{"summary": "p95 is 1.5 s"},
	}
	if !reflect.DeepEqual(got[0], want) || got[0].ActiveAt.Location() != time.UTC || got[0].ActiveAt.IsZero() {
		t.Errorf("got %+v, want %+v", got[0], want)
	}
	if got[1].State != "pending" || got[1].Value != 0.02 {
		t.Errorf("got %+v", got[1])
	}
	if q := b.query(t); q.Text != "GET /api/v1/alerts" || q.Records != 2 {
		t.Errorf("the ledger says %+v", q)
	}
}

func TestAlertsOfOtherStates(t *testing.T) {
	b := newBench(t, said(http.StatusOK, "application/json", `{"status":"success","data":{"alerts":[
		{"labels":{"alertname":"A"},"state":"inactive","value":"1"},{"labels":{"alertname":"B"},"state":"firing","value":""}]}}`))
	got, err := b.Alerts(t.Context())
	if err != nil || len(got) != 1 || got[0].Name != "B" || !math.IsNaN(got[0].Value) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestEmptyListings(t *testing.T) {
	b := newBench(t, recorded(t, http.StatusOK, "empty_list.json"))
	values, err := b.LabelValues(t.Context(), "job", nil, window)
	if values != nil || err != nil {
		t.Errorf("values: %v, %v", values, err)
	}
	exemplars, err := b.Exemplars(t.Context(), "up", window)
	if exemplars != nil || err != nil {
		t.Errorf("exemplars: %v, %v", exemplars, err)
	}
	for _, q := range b.ledger.Queries() {
		if q.Status != sources.QueryEmpty {
			t.Errorf("the ledger says %+v", q)
		}
	}
	b = newBench(t, said(http.StatusOK, "application/json", `{"status":"success","data":{"alerts":[]}}`))
	alerts, err := b.Alerts(t.Context())
	if alerts != nil || err != nil {
		t.Errorf("alerts: %v, %v", alerts, err)
	}
}

func TestLink(t *testing.T) {
	b := newBench(t, recorded(t, http.StatusOK, "empty_list.json"))
	for _, test := range []struct {
		query  string
		window sources.Window
		want   string
	}{
		{"up", sources.Window{}, "/graph?g0.expr=up&g0.tab=0"},
		{"up", window, "/graph?g0.end_input=2022-03-01+12%3A03%3A00&g0.expr=up&g0.range_input=3m&g0.tab=0"},
		{
			`rate(a{b="c+d"}[5m])`, sources.Window{From: noon.Add(-90 * time.Minute).Local(), To: noon.Local()},
			"/graph?g0.end_input=2022-03-01+12%3A00%3A00&g0.expr=rate%28a%7Bb%3D%22c%2Bd%22%7D%5B5m%5D%29&g0.range_input=1h30m&g0.tab=0",
		},
		{ // to whole seconds, outwards
			"up", sources.Window{From: noon.Add(500 * time.Millisecond), To: noon.Add(1500 * time.Millisecond)},
			"/graph?g0.end_input=2022-03-01+12%3A00%3A02&g0.expr=up&g0.range_input=2s&g0.tab=0",
		},
		{"up", sources.Window{From: noon, To: noon}, "/graph?g0.end_input=2022-03-01+12%3A00%3A00&g0.expr=up&g0.range_input=1s&g0.tab=0"},
	} {
		if got := b.Link(test.query, test.window); got != b.url+test.want {
			t.Errorf("%s in %s:\ngot  %s\nwant %s", test.query, test.window, got, b.url+test.want)
		}
	}
}
