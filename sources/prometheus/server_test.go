package prometheus_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"obs/sources"
)

func TestDescribe(t *testing.T) {
	const date = "Sat, 21 Nov 2026 12:00:00 GMT"
	for name, test := range map[string]struct {
		body, host       string
		product, version string
	}{
		"Prometheus":      {`{"status":"success","data":{"version":"3.15.0","revision":"a","branch":"HEAD","buildUser":"","buildDate":"","goVersion":"go1.26"}}`, "", "prometheus", "3.15.0"},
		"Mimir":           {`{"status":"success","data":{"application":"Grafana Mimir","version":"3.1.0","goVersion":"go1.26","features":{}}}`, "", "mimir", "3.1.0"},
		"Cortex":          {`{"status":"success","data":{"application":"Cortex","version":"1.19.0","goVersion":"go1.24"}}`, "", "cortex", "1.19.0"},
		"Cortex 1.21":     {`{"status":"success","data":{"version":"1.21.1","revision":"","branch":"","buildUser":"","buildDate":"","goVersion":"go1.26.8"}}`, "", "cortex", "1.21.1"},
		"Thanos":          {`{"status":"success","data":{"version":"0.39.2","goVersion":"go1.24"}}`, "", "thanos", "0.39.2"},
		"VictoriaMetrics": {`{"status":"success","data":{"version":"2.24.0"}}`, "vm-0", "victoriametrics", "2.24.0"},
		"another one":     {`{"status":"success","data":{"application":"Some Store","version":"7"}}`, "", "some store", "7"},
		"hostile":         {"{\"status\":\"success\",\"data\":{\"version\":\"\\u001b[31m3\",\"goVersion\":\"x\"}}", "", "prometheus", `\x1b[31m3`},
		"no version":      {`{"status":"success","data":[]}`, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", date)
				if test.host != "" {
					w.Header().Set("X-Server-Hostname", test.host)
				}
				_, _ = io.WriteString(w, test.body)
			})
			got, err := b.Describe(t.Context())
			if err != nil || got.Product != test.product || got.Version != test.version || got.API != "v1" {
				t.Errorf("%+v, %v", got, err)
			}
			if !got.Clock.Equal(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)) || got.Asked.IsZero() || got.Answered.Before(got.Asked) {
				t.Errorf("times %+v", got)
			}
			if _, known := got.Skew(); !known {
				t.Error("its skew is not known")
			}
		})
	}
}

// A server that keeps its version to itself is asked the smallest query, and one that is none
// of this API is told from it.
func TestDescribeWithoutVersion(t *testing.T) {
	b := newBench(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/query" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`)
	})
	got, err := b.Describe(t.Context())
	if err != nil || got.Product != "" || got.Version != "" || got.Clock.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	if queries := b.ledger.Queries(); len(queries) != 2 || queries[0].Status != sources.QueryEmpty || queries[1].Status != sources.QueryOK {
		t.Errorf("listed: %+v", queries)
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"a page":      {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<!DOCTYPE html><html></html>") }, sources.ErrNotThisAPI},
		"nothing":     {http.NotFound, sources.ErrNotThisAPI},
		"a refusal":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, sources.ErrRefused},
		"other JSON":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"data":{}}`) }, sources.ErrNotThisAPI},
		"its failure": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, sources.ErrServer},
	} {
		if _, err := newBench(t, test.answer).Describe(t.Context()); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

func TestCountLabels(t *testing.T) {
	b := newBench(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/status/tsdb" {
			t.Errorf("asked %s", r.URL.Path)
		}
		_, _ = io.WriteString(w, `{"status":"success","data":{"headStats":{"numSeries":508,"chunkCount":937,"minTime":1591516800000,"maxTime":1598896800143},
			"seriesCountByMetricName":[],"labelValueCountByLabelName":[{"name":"user_id","value":12000},{"name":"__name__","value":211}],
			"memoryInBytesByLabelName":[],"seriesCountByLabelValuePair":[]}}`)
	})
	got, err := b.CountLabels(t.Context())
	if err != nil || len(got) != 2 || got[0] != (sources.LabelCount{Label: "user_id", Values: 12000}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := newBench(t, http.NotFound).CountLabels(t.Context()); !errors.Is(err, sources.ErrNotFound) {
		t.Errorf("a server that cannot tell: %v", err)
	}
}
