package loader_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"obs/sources"
	"obs/sources/sandbox/loader"
)

func TestAddresses(t *testing.T) {
	local := loader.Targets{PrometheusURL: "http://127.0.0.1:9090", LokiURL: "http://localhost:3100", OTLPURL: "http://[::1]:4318", JaegerURL: "https://127.9.9.9/jaeger"}
	if _, err := loader.New(local, loader.Options{}); err != nil {
		t.Error(err)
	}
	_, err := loader.New(loader.Targets{LokiURL: "http://127.0.0.1:3100", JaegerURL: " "}, loader.Options{AllowRemote: true})
	if !errors.Is(err, loader.ErrNoAddress) || !strings.Contains(err.Error(), "--prometheus-url, --otlp-url, --jaeger-url") {
		t.Errorf("missing: %v", err)
	}
	for _, address := range []string{
		"http://prometheus.example.com", "http://10.0.0.1:9090", "http://[2001:db8::1]:9090", "http://0.0.0.0:9090",
		"http://localhost.example.com", "http://127.0.0.1.example.com", "http://127.0.0.1@example.com", "http://user:secret@example.com:9090",
	} {
		for name, change := range map[string]func(*loader.Targets){
			"--prometheus-url": func(t *loader.Targets) { t.PrometheusURL = address },
			"--loki-url":       func(t *loader.Targets) { t.LokiURL = address },
			"--otlp-url":       func(t *loader.Targets) { t.OTLPURL = address },
			"--jaeger-url":     func(t *loader.Targets) { t.JaegerURL = address },
		} {
			targets := local
			change(&targets)
			_, err := loader.New(targets, loader.Options{})
			if !errors.Is(err, loader.ErrNotLoopback) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "--yes") || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s %s: %v", name, address, err)
			}
			if _, err := loader.New(targets, loader.Options{AllowRemote: true}); err != nil {
				t.Errorf("%s %s with leave: %v", name, address, err)
			}
		}
	}
	for _, address := range []string{"127.0.0.1:9090", "file:///etc/passwd", "http://", "ftp://127.0.0.1"} {
		targets := local
		targets.LokiURL = address
		if _, err := loader.New(targets, loader.Options{}); !errors.Is(err, sources.ErrNotThisAPI) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestEverythingArrives(t *testing.T) {
	s := serve(t)
	var told []string
	l := open(t, s.targets, loader.Options{Labels: sources.Labels{"run": "one"}, Progress: func(line string) { told = append(told, line) }})
	o := small()
	load(t, l, "deploy", o)
	report, err := l.Send(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := count(t, "deploy", o)
	got := tally{series: report.Series, samples: report.Samples, streams: want.streams, records: report.Records, traces: report.Traces, spans: report.Spans}
	if got != want {
		t.Errorf("sent %+v of %+v", got, want)
	}
	if n := s.metrics.Counts(); n.Series != want.series || n.Samples != int64(want.samples) || report.Exemplars == 0 {
		t.Errorf("the server has %+v of %+v", n, report)
	}
	if len(s.metadata) == 0 {
		t.Error("no record came with structured metadata")
	}
	if len(told) < 10 || len(told) > 40 {
		t.Errorf("%d lines of progress", len(told))
	}
	missing, err := l.Check(t.Context())
	if err != nil || missing != nil {
		t.Errorf("missing %v: %v", missing, err)
	}
	if _, err := l.Send(t.Context()); err != nil {
		t.Errorf("again by the same loader: %v", err)
	}
}

// A known past, looked at on the other side.
func TestFidelity(t *testing.T) {
	s := serve(t)
	l := open(t, s.targets, loader.Options{Labels: sources.Labels{"run": "one"}})
	at := time.Now().Truncate(time.Second).Add(-time.Minute)
	stale := math.Float64frombits(0x7ff0000000000002)
	series := sources.Labels{"__name__": "x_bucket", "le": "+Inf", "empty": ""}
	write := l.Series(series)
	write(at, math.Inf(1))
	write(at.Add(time.Second), math.NaN())
	write(at.Add(2*time.Second), stale)
	for range 2 {
		l.Exemplar(series, sources.Exemplar{Time: at.Add(time.Second), Value: 2, Labels: sources.Labels{"trace_id": "b"}})
	}
	l.Exemplar(series, sources.Exemplar{Time: at.Add(-time.Second), Value: 1, Labels: sources.Labels{"trace_id": "a"}})
	say := l.Stream(sources.Labels{"service_name": "a\"b\\c\nd"})
	say(at, "one", nil)
	say(at, "two", sources.Labels{"trace_id": "abc", "odd": "é\"\x01"})
	say(at, "one", nil)
	l.Spans(sources.Span{
		TraceID: "000000000000000000000000000000ab", ID: "00000000000000cd", Service: "a", Operation: "op", Kind: sources.KindServer,
		Status: sources.StatusError, StatusMessage: "no", Start: at, Duration: time.Millisecond,
		Attributes: sources.Attributes{
			{Key: "b", Value: "true"}, {Key: "http.request.header.x", Value: `["x","y"]`}, {Key: "n", Value: "-12"}, {Key: "n.id", Value: "12"},
			{Key: "o", Value: "007"}, {Key: "p", Value: `["a<b"]`}, {Key: "q", Value: "[1]"},
		},
		Resource: sources.Attributes{{Key: "service.version", Value: "2"}},
		Events:   []sources.Event{{Time: at.Add(time.Microsecond), Name: "e", Attributes: sources.Attributes{{Key: "k", Value: "v"}}}},
		Links:    []sources.Reference{{TraceID: "000000000000000000000000000000ef", SpanID: "0000000000000012"}},
	})
	report, err := l.Send(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := (loader.Report{Series: 1, Samples: 3, Exemplars: 2, Streams: 1, Records: 3, Repeated: 1, Traces: 1, Spans: 1}); report != want {
		t.Errorf("report %+v", report)
	}
	if missing, err := l.Check(t.Context()); err != nil || missing != nil {
		t.Errorf("missing %v: %v", missing, err)
	}
	if s.metadata["odd"] != "é\"\x01" || s.metadata["trace_id"] != "abc" {
		t.Errorf("metadata %q", s.metadata)
	}
	span := s.spans[0]
	wantTypes := map[string]pcommon.ValueType{
		"b": pcommon.ValueTypeBool, "http.request.header.x": pcommon.ValueTypeSlice, "n": pcommon.ValueTypeInt, "n.id": pcommon.ValueTypeStr,
		"o": pcommon.ValueTypeStr, "p": pcommon.ValueTypeStr, "q": pcommon.ValueTypeStr,
	}
	for key, want := range wantTypes {
		if value, ok := span.Attributes().Get(key); !ok || value.Type() != want {
			t.Errorf("%s is %v", key, value.Type())
		}
	}
	if span.Status().Message() != "no" || span.Events().Len() != 1 || span.Links().Len() != 1 || span.Kind().String() != "Server" {
		t.Errorf("span %v %v %v", span.Status(), span.Events().Len(), span.Links().Len())
	}
	resource := s.resource[0].AsRaw()
	if resource["service.name"] != "a" || resource["service.version"] != "2" || resource["run"] != "one" {
		t.Errorf("resource %v", resource)
	}
}

// Nothing of the past is there: all of it is reported, and where there is a part, the rest.
func TestShortfalls(t *testing.T) {
	s := serve(t)
	l := open(t, s.targets, loader.Options{Patience: -1})
	at := time.Now().Truncate(time.Second).Add(-time.Minute)
	stale := math.Float64frombits(0x7ff0000000000002)
	series := sources.Labels{"__name__": "x"}
	write := l.Series(series)
	write(at, 1)
	write(at.Add(time.Second), 2)
	write(at.Add(2*time.Second), stale)
	l.Exemplar(series, sources.Exemplar{Time: at, Value: 2})
	say := l.Stream(sources.Labels{"service_name": "a"})
	say(at, "one", nil)
	say(at, "two", nil)
	span := sources.Span{TraceID: "000000000000000000000000000000ab", ID: "00000000000000cd", Service: "a", Operation: "op", Start: at}
	child := span
	child.ID, child.ParentID = "00000000000000ce", span.ID
	l.Spans(child, span)

	s.metrics.Append(series, at, 1)
	// Another stream's record is not this one's.
	s.logs.Append(sources.Labels{"service_name": "a"}, sources.Record{Time: at, Line: "one"})
	// The child of another run is not this one's.
	child.Start = at.Add(-time.Hour)
	s.traces.Append(span, child)
	missing, err := l.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range missing {
		got = append(got, m.String())
		if m.Hint == "" {
			t.Errorf("no hint: %s", m)
		}
	}
	for i, want := range []string{
		"prometheus: samples of x: sent 2, found 1; 1 of 1 series are incomplete, such as {} (1 of 2)",
		"prometheus: exemplars of x: sent 1, found 0; 1 of 1 series are incomplete, such as {} (0 of 1)",
		"prometheus: series that ended at ",
		`loki: records of {service_name="a"}: sent 2, found 1`,
		"jaeger: spans of the traces that begin at a from ",
	} {
		if i >= len(got) || !strings.HasPrefix(got[i], want) {
			t.Errorf("%d: want %s, got %q", i, want, got)
		}
	}
	if last := got[len(got)-1]; !strings.HasSuffix(last, "sent 2, found 1; 1 of 1 traces are incomplete, such as 000000000000000000000000000000ab (1 of 2)") {
		t.Error(last)
	}
}

// What comes late is waited for.
func TestCheckWaits(t *testing.T) {
	s := serve(t)
	l := open(t, s.targets, loader.Options{})
	at := time.Now().Truncate(time.Second).Add(-time.Minute)
	l.Stream(sources.Labels{"service_name": "a"})(at, "one", nil)
	timer := time.AfterFunc(300*time.Millisecond, func() {
		s.logs.Append(sources.Labels{"service_name": "a"}, sources.Record{Time: at, Line: "one"})
	})
	defer timer.Stop()
	if missing, err := l.Check(t.Context()); err != nil || missing != nil {
		t.Errorf("missing %v: %v", missing, err)
	}
}

func TestMixedRuns(t *testing.T) {
	s := serve(t)
	o := tiny()
	run := func() error {
		l := open(t, s.targets, loader.Options{})
		load(t, l, "healthy", o)
		_, err := l.Send(t.Context())
		return err
	}
	if err := run(); err != nil {
		t.Fatal(err)
	}
	before := s.took()
	if err := run(); !errors.Is(err, loader.ErrMixed) || !strings.Contains(err.Error(), "Prometheus") {
		t.Errorf("the same time: %v", err)
	}
	o.Now = o.Now.Add(-24 * time.Hour)
	if err := run(); !errors.Is(err, loader.ErrMixed) || !strings.Contains(err.Error(), "--seed") {
		t.Errorf("the same IDs: %v", err)
	}
	if after := s.took(); after[writePath] != before[writePath] || after[pushPath] != before[pushPath] || after[tracesPath] != before[tracesPath] {
		t.Errorf("something was sent: %v, then %v", before, after)
	}
	o.Seed++
	if err := run(); err != nil {
		t.Errorf("another seed at another time: %v", err)
	}
}

func TestRetries(t *testing.T) {
	s := serve(t)
	failures := map[string]int{}
	for path, status := range map[string]int{writePath: 500, pushPath: 429, tracesPath: 503} {
		s.on(path, func(w http.ResponseWriter, _ *http.Request) bool {
			failures[path]++
			if failures[path] > 2 {
				return false
			}
			http.Error(w, "not now", status)
			return true
		})
	}
	l := open(t, s.targets, loader.Options{})
	o := tiny()
	load(t, l, "healthy", o)
	if _, err := l.Send(t.Context()); err != nil {
		t.Fatal(err)
	}
	if missing, err := l.Check(t.Context()); err != nil || missing != nil {
		t.Errorf("missing %v: %v", missing, err)
	}
}

func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		path, answer string
		status       int
		kind         error
		hint         string
	}{
		"no receiver":  {writePath, "remote write receiver needs to be enabled with --web.enable-remote-write-receiver", 404, sources.ErrNotThisAPI, "--web.enable-remote-write-receiver"},
		"too old":      {writePath, "out of bounds", 400, loader.ErrNotTaken, "out_of_order_time_window"},
		"out of order": {writePath, "Out of order sample from remote write", 400, loader.ErrNotTaken, "out_of_order_time_window"},
		"duplicate":    {writePath, "duplicate sample for timestamp", 400, loader.ErrNotTaken, "earlier run"},
		"secret":       {writePath, "who are you", 401, sources.ErrRefused, "credentials"},
		"old records":  {pushPath, "entry for stream has timestamp too old", 400, loader.ErrNotTaken, "reject_old_samples"},
		"metadata":     {pushPath, "stream includes structured metadata, but this feature is disallowed", 400, loader.ErrNotTaken, "allow_structured_metadata"},
		"no push":      {pushPath, "404 page not found", 404, sources.ErrNotThisAPI, "--loki-url"},
		"elsewhere":    {pushPath, "", 307, sources.ErrNotThisAPI, ""},
		"no OTLP":      {tracesPath, "404 page not found", 404, sources.ErrNotThisAPI, "4318"},
		"message":      {tracesPath, `{"code":3,"message":"bad spans"}`, 400, loader.ErrNotTaken, ""},
		"rejected":     {tracesPath, `{"partialSuccess":{"rejectedSpans":"7","errorMessage":"bad spans"}}`, 200, loader.ErrNotTaken, ""},
		"a web page":   {tracesPath, "<html>", 200, sources.ErrNotThisAPI, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.on(test.path, func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Location", "http://elsewhere.example.com/")
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.answer))
				return true
			})
			l := open(t, s.targets, loader.Options{})
			o := tiny()
			load(t, l, "healthy", o)
			report, err := l.Send(t.Context())
			failure, ok := errors.AsType[*sources.Error](err)
			if !ok || !errors.Is(failure, test.kind) || !strings.Contains(failure.Hint, test.hint) {
				t.Fatalf("%v", err)
			}
			if test.status/100 != 2 && failure.Status != test.status {
				t.Errorf("status %d: %v", failure.Status, failure)
			}
			if strings.Contains(test.answer, "bad spans") && !strings.Contains(failure.Detail, "bad spans") {
				t.Errorf("detail %q", failure.Detail)
			}
			// The other two are not kept from taking theirs.
			taken := map[string]int{writePath: report.Samples, pushPath: report.Records, tracesPath: report.Spans}
			for path, n := range taken {
				if (n == 0) != (path == test.path) {
					t.Errorf("%s took %d", path, n)
				}
			}
		})
	}
}

// A batch in the middle is refused: what came before counts, and nothing is lost in silence.
func TestLaterBatchRefused(t *testing.T) {
	s := serve(t)
	pushes := 0
	s.on(pushPath, func(w http.ResponseWriter, _ *http.Request) bool {
		pushes++
		if pushes != 2 {
			return false
		}
		http.Error(w, "no more", http.StatusBadRequest)
		return true
	})
	l := open(t, s.targets, loader.Options{Patience: -1})
	at := time.Now().Truncate(time.Second).Add(-time.Minute)
	say := l.Stream(sources.Labels{"service_name": "a"})
	const records = 3_000
	for i := range records {
		say(at.Add(time.Duration(i)), strings.Repeat("x", 1000), nil)
	}
	report, err := l.Send(t.Context())
	if !errors.Is(err, loader.ErrNotTaken) || report.Records == 0 || report.Records >= records {
		t.Errorf("%d records: %v", report.Records, err)
	}
	missing, err := l.Check(t.Context())
	if err != nil || len(missing) != 1 || missing[0].Found != report.Records {
		t.Errorf("missing %v: %v", missing, err)
	}
}

func TestNoRedirects(t *testing.T) {
	asked := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer elsewhere.Close()
	away := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer away.Close()
	l := open(t, loader.Targets{PrometheusURL: away.URL, LokiURL: away.URL, OTLPURL: away.URL, JaegerURL: away.URL}, loader.Options{Patience: -1})
	o := tiny()
	load(t, l, "healthy", o)
	if report, err := l.Send(t.Context()); err == nil || report.Samples+report.Records+report.Spans != 0 {
		t.Errorf("%v: %v", report, err)
	}
	if _, err := l.Check(t.Context()); err == nil {
		t.Error("nothing could be read, and no error")
	}
	if asked > 0 {
		t.Errorf("%d requests went elsewhere", asked)
	}
}

func TestCancelled(t *testing.T) {
	s := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	s.on(pushPath, func(http.ResponseWriter, *http.Request) bool {
		cancel()
		<-release
		return false
	})
	l := open(t, s.targets, loader.Options{})
	o := tiny()
	load(t, l, "healthy", o)
	report, err := l.Send(ctx)
	close(release)
	if !sources.IsCancelled(err) || report.Samples == 0 || report.Records != 0 || report.Spans != 0 {
		t.Errorf("%+v: %v", report, err)
	}
	if _, err := l.Check(ctx); !sources.IsCancelled(err) {
		t.Errorf("the check: %v", err)
	}
}

func TestReportReads(t *testing.T) {
	r := loader.Report{Samples: 1_234_567, Series: 3_210, Exemplars: 12, Records: 100_000, Streams: 25, Repeated: 3, Spans: 999, Traces: 1_000}
	want := "prometheus: 1,234,567 samples in 3,210 series, 12 exemplars\n" +
		"loki: 100,000 records in 25 streams, of which Loki drops 3 as repeated\n" +
		"jaeger: 999 spans in 1,000 traces"
	if r.String() != want {
		t.Errorf("got\n%s", r)
	}
}
