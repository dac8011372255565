package prometheus_test

import (
	"math"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"obs/sources"
)

func samples(first time.Time, step time.Duration, values ...float64) []sources.Sample {
	all := make([]sources.Sample, len(values))
	for i, v := range values {
		all[i] = sources.Sample{Time: first.Add(time.Duration(i) * step), Value: v}
	}
	return all
}

func TestInstant(t *testing.T) {
	at := noon.Add(2 * time.Minute)
	count := sources.Labels{"__name__": "pay_classic_duration_seconds_count", "http_route": "/pay", "job": "checkout"}
	for _, test := range []struct {
		file string
		want []sources.Series
	}{
		{"query_vector.json", []sources.Series{{Labels: sources.Labels{"http_route": "/pay"}, Samples: samples(at, 0, 0.95)}}},
		{"query_native.json", []sources.Series{{Labels: sources.Labels{"http_route": "/pay"}, Samples: samples(at, 0, 0.9330329915368073)}}},
		{"query_scalar.json", []sources.Series{{Labels: sources.Labels{}, Samples: samples(at, 0, math.Inf(1))}}},
		{"query_samples.json", []sources.Series{{Labels: count, Samples: samples(at.Add(-time.Minute), time.Minute, 40, 60)}}},
		{"query_empty.json", nil},
	} {
		t.Run(test.file, func(t *testing.T) {
			b := newBench(t, recorded(t, http.StatusOK, test.file))
			got, err := b.Instant(t.Context(), "a query", at)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, sources.SeriesAnswer{Series: test.want}) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			want := asked{http.MethodPost, "/api/v1/query", map[string][]string{"query": {"a query"}, "time": {"1646136120"}}}
			if got := b.last(t); !reflect.DeepEqual(got, want) {
				t.Errorf("asked %+v, want %+v", got, want)
			}
			status := sources.QueryOK
			if test.want == nil {
				status = sources.QueryEmpty
			}
			q := b.query(t)
			if q.Text != "a query" || q.Status != status || q.Records != len(test.want) || q.Attempts != 1 || q.Bytes == 0 || !q.Window.From.Equal(at) {
				t.Errorf("the ledger says %+v", q)
			}
		})
	}
}

func TestInstantOfNotNumbers(t *testing.T) {
	b := newBench(t, recorded(t, http.StatusOK, "query_not_numbers.json"))
	answer, err := b.Instant(t.Context(), "vector(NaN)", noon)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, s := range answer.Series {
		got[s.Labels["is"]] = s.Samples[0].Value
	}
	if len(got) != 3 || !math.IsNaN(got["NaN"]) || !math.IsInf(got["+Inf"], 1) || !math.IsInf(got["-Inf"], -1) {
		t.Errorf("got %v", got)
	}
}

func TestNowIsLeftToTheServer(t *testing.T) {
	b := newBench(t, recorded(t, http.StatusOK, "query_vector.json"))
	if _, err := b.Instant(t.Context(), "up", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if form := b.last(t).form; form.Has("time") {
		t.Errorf("asked with %v", form)
	}
	if q := b.query(t); !q.Window.IsZero() {
		t.Errorf("the ledger gives the window %s", q.Window)
	}
}

func TestRange(t *testing.T) {
	b := newBench(t, recorded(t, http.StatusOK, "query_range.json"))
	got, err := b.Range(t.Context(), "rate(x[2m])", window, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	want := sources.SeriesAnswer{Series: []sources.Series{{
		Labels:  sources.Labels{"http_route": "/pay", "job": "checkout"},
		Samples: samples(noon.Add(time.Minute), time.Minute, 1./3, 1./3),
	}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	sent := asked{http.MethodPost, "/api/v1/query_range", map[string][]string{
		"query": {"rate(x[2m])"}, "start": {"1646136000"}, "end": {"1646136180"}, "step": {"60"},
	}}
	if got := b.last(t); !reflect.DeepEqual(got, sent) {
		t.Errorf("asked %+v, want %+v", got, sent)
	}
	if q := b.query(t); q.Text != "rate(x[2m])" || q.Window != window || q.Records != 1 {
		t.Errorf("the ledger says %+v", q)
	}
}

// A histogram is no number. What is left out is told, and the rest is kept.
func TestHistogramsAreLeftOut(t *testing.T) {
	const metric = "pay_classic_duration_seconds_count"
	t.Run("instant", func(t *testing.T) {
		b := newBench(t, recorded(t, http.StatusOK, "query_histograms.json"))
		answer, err := b.Instant(t.Context(), "x", noon)
		if err != nil {
			t.Fatal(err)
		}
		if len(answer.Series) != 1 || answer.Series[0].Labels["__name__"] != metric {
			t.Errorf("got %+v", answer.Series)
		}
		if len(answer.Warnings) != 1 || !strings.Contains(answer.Warnings[0], ": 1 samples") {
			t.Errorf("warned of %q", answer.Warnings)
		}
	})
	t.Run("range", func(t *testing.T) {
		b := newBench(t, recorded(t, http.StatusOK, "query_range_histograms.json"))
		answer, err := b.Range(t.Context(), "x", window, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if len(answer.Series) != 1 || answer.Series[0].Labels["__name__"] != metric ||
			!reflect.DeepEqual(answer.Series[0].Samples, samples(noon, time.Minute, 20, 40, 60, 60)) {
			t.Errorf("got %+v", answer.Series)
		}
		if len(answer.Warnings) != 1 || !strings.Contains(answer.Warnings[0], "histogram_quantile") {
			t.Errorf("warned of %q", answer.Warnings)
		}
	})
}

func TestWarningsAndInfos(t *testing.T) {
	b := newBench(t, recorded(t, http.StatusOK, "query_remarks.json"))
	answer, err := b.Instant(t.Context(), "x", noon)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`PromQL warning: bucket label "le" is missing or has a malformed value of "" (1:25)`,
		`PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "up" (1:34)`,
	}
	if answer.Series != nil || !reflect.DeepEqual(answer.Warnings, want) {
		t.Errorf("got %+v", answer)
	}
}

func TestWarningsArePrintable(t *testing.T) {
	b := newBench(t, said(http.StatusOK, "application/json",
		`{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["\u001b]0;title\u0007"]}`))
	answer, err := b.Instant(t.Context(), "x", noon)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{`\x1b]0;title\x07`}; !reflect.DeepEqual(answer.Warnings, want) {
		t.Errorf("got %q, want %q", answer.Warnings, want)
	}
}

// A server gives 11,000 steps and refuses one more.
func TestRangeOfTooManyPoints(t *testing.T) {
	for _, test := range []struct {
		length, step time.Duration
		sent         string
		warning      string
	}{
		{time.Hour, time.Second, "1", ""},
		{11_000 * time.Second, time.Second, "1", ""},
		{11_001 * time.Second, time.Second, "2", "a step of 1s over 3h3m21s makes more points than a server gives: the samples are 2s apart instead"},
		{22_000 * time.Second, time.Second, "2", "a step of 1s over 6h6m40s makes more points than a server gives: the samples are 2s apart instead"},
		{30 * 24 * time.Hour, 15 * time.Second, "240", "a step of 15s over 720h0m0s makes more points than a server gives: the samples are 4m0s apart instead"},
		{time.Minute, time.Millisecond, "0.006", "a step of 1ms over 1m0s makes more points than a server gives: the samples are 6ms apart instead"},
		{time.Minute, 0, "0", ""}, // for the server to refuse
	} {
		b := newBench(t, recorded(t, http.StatusOK, "query_range.json"))
		answer, err := b.Range(t.Context(), "x", sources.Window{From: noon, To: noon.Add(test.length)}, test.step)
		if err != nil {
			t.Fatal(err)
		}
		if sent := b.last(t).form.Get("step"); sent != test.sent {
			t.Errorf("%s in steps of %s: asked for steps of %s, want %s", test.length, test.step, sent, test.sent)
		}
		if got := strings.Join(answer.Warnings, "\n"); got != test.warning {
			t.Errorf("%s in steps of %s: warned %q, want %q", test.length, test.step, got, test.warning)
		}
	}
}

// Some servers take queries only with GET, and a redirect to https makes a GET of a
// POST and drops its parameters.
func TestGetWherePostDoesNotDo(t *testing.T) {
	answer := recorded(t, http.StatusOK, "query_vector.json")
	for _, status := range []int{http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusFound, http.StatusMovedPermanently} {
		b := newBench(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPost && status/100 == 3:
				http.Redirect(w, r, "/elsewhere"+r.URL.Path, status)
			case r.Method == http.MethodPost:
				w.WriteHeader(status)
			case status/100 == 3 && r.URL.Path == "/api/v1/query":
				http.Redirect(w, r, "/elsewhere"+r.URL.Path+"?"+r.URL.RawQuery, status)
			default:
				answer(w, r)
			}
		})
		got, err := b.Instant(t.Context(), "up", noon)
		if err != nil || len(got.Series) != 1 {
			t.Errorf("after %d: %+v, %v", status, got, err)
			continue
		}
		if last := b.last(t); last.method != http.MethodGet || last.form.Get("query") != "up" || last.form.Get("time") != "1646136000" {
			t.Errorf("after %d asked %+v", status, last)
		}
		if all := b.ledger.Queries(); len(all) != 1 || all[0].Attempts != 2 || all[0].Status != sources.QueryOK {
			t.Errorf("after %d the ledger says %+v", status, all)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	b := newBench(t, recorded(t, http.StatusOK, "query_vector.json"))
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			if answer, err := b.Instant(t.Context(), "up", noon); err != nil || len(answer.Series) != 1 {
				t.Errorf("got %+v, %v", answer, err)
			}
		})
	}
	group.Wait()
	if all := b.ledger.Queries(); len(all) != 16 {
		t.Errorf("the ledger lists %d queries", len(all))
	}
}
