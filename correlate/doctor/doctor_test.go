package doctor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"go.uber.org/goleak"

	"obs/correlate/doctor"
	"obs/correlate/report"
	"obs/sources"
	"obs/sources/connect"
	"obs/sources/sandbox"
	"obs/sources/sandbox/shop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is when the shop's hour ends.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// addresses are those of the three backends.
type addresses struct{ prometheus, loki, jaeger string }

// stand serves a healthy shop with a fault in it, examined at the given time.
func stand(t *testing.T, plant func(shop.Sink) shop.Sink, now time.Time) addresses {
	t.Helper()
	scenario, err := shop.Find("healthy")
	if err != nil {
		t.Fatal(err)
	}
	stores := sandbox.NewStores()
	sink := stores.Sink()
	if plant != nil {
		sink = plant(sink)
	}
	if err := shop.New(scenario, shop.Options{Seed: 1, Now: noon, History: 20 * time.Minute, Requests: 2000}).Past(t.Context(), sink); err != nil {
		t.Fatal(err)
	}
	return serve(t, stores, now)
}

func serve(t *testing.T, stores sandbox.Stores, now time.Time) addresses {
	t.Helper()
	server, err := sandbox.Serve(t.Context(), stores, sandbox.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return addresses{server.PrometheusURL, server.LokiURL, server.JaegerURL}
}

func examine(t *testing.T, at addresses, now time.Time, services ...string) *doctor.Report {
	t.Helper()
	set, err := connect.Open(t.Context(), connect.Options{
		PrometheusURL: at.prometheus, LokiURL: at.loki, JaegerURL: at.jaeger, Getenv: func(string) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	r := doctor.Examine(t.Context(), set, doctor.Options{
		Now: now, Window: sources.Window{From: now.Add(-30 * time.Minute), To: now}, Services: services,
	})
	wellFormed(t, r)
	return r
}

// wellFormed is what holds of every report.
func wellFormed(t *testing.T, r *doctor.Report) {
	t.Helper()
	if len(r.Queries) > doctor.Most {
		t.Errorf("%d questions were asked, at most %d may be", len(r.Queries), doctor.Most)
	}
	if len(r.Servers) != 3 {
		t.Errorf("%d servers", len(r.Servers))
	}
	for i, f := range r.Findings {
		if f.ID != fmt.Sprintf("f%d", i+1) || f.Statement == "" || f.Kind == "" || (f.Grade != doctor.Weak && f.Grade != doctor.Broken) {
			t.Errorf("finding %+v", f)
		}
		if len(f.Mends) == 0 {
			t.Errorf("nothing mends %s: %s", f.Kind, f.Statement)
		}
		if f.Kind != doctor.KindBackend && len(f.Evidence) == 0 {
			t.Errorf("%s rests on nothing", f.Kind)
		}
	}
	for i := range r.Services {
		for _, hop := range r.Services[i].Hops.All() {
			if hop.Grade == "" || hop.Text == "" {
				t.Errorf("%s: a hop without grade or text: %+v", r.Services[i].Name, hop)
			}
		}
	}
	for line := range strings.Lines(written(t, r)["text"]) {
		line = strings.TrimRight(line, "\n")
		// Lines to be copied and queries stay whole; they are the only ones that far inside.
		if words := strings.TrimSpace(line); ansi.StringWidth(line) > 80 && !strings.HasPrefix(line, strings.Repeat(" ", 8)) && strings.Contains(words, " ") {
			t.Errorf("wider than a screen: %s", line)
		}
	}
	for name, text := range written(t, r) {
		for _, secret := range planted {
			if strings.Contains(text, secret) {
				t.Errorf("the %s holds a secret", name)
			}
		}
	}
}

// written is the report in all its forms.
func written(t *testing.T, r *doctor.Report) map[string]string {
	t.Helper()
	var text, markdown, object bytes.Buffer
	for _, err := range []error{report.DoctorText(&text, r), report.DoctorMarkdown(&markdown, r), report.DoctorJSON(&object, r)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var back doctor.Report
	if err := json.Unmarshal(object.Bytes(), &back); err != nil || back.Schema != doctor.Schema {
		t.Errorf("the JSON does not read back: %v", err)
	}
	return map[string]string{"text": text.String(), "markdown": markdown.String(), "json": object.String()}
}

func finding(r *doctor.Report, kind string, services []string) *doctor.Finding {
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Kind == kind && (services == nil || slices.Equal(f.Services, services)) {
			return f
		}
	}
	return nil
}

func said(r *doctor.Report) string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, fmt.Sprintf("%s %s %v: %s", f.Kind, f.Grade, f.Services, f.Statement))
	}
	return strings.Join(all, "\n")
}

// A shop in which nothing is missing gets full marks, each service and the whole.
func TestHealthy(t *testing.T) {
	r := examine(t, stand(t, nil, noon), noon)
	if r.Grade != doctor.OK || len(r.Findings) > 0 || len(r.Missing) > 0 {
		t.Errorf("%s, missing %v, found\n%s", r.Grade, r.Missing, said(r))
	}
	if len(r.Services) != 10 {
		t.Errorf("%d services", len(r.Services))
	}
	for _, s := range r.Services {
		if s.Grade != doctor.OK {
			t.Errorf("%s is %s: %+v", s.Name, s.Grade, s.Hops)
		}
	}
	for _, s := range r.Servers {
		if s.State != doctor.Answers || s.API == "" || s.Product != string(s.Backend) || noon.Sub(s.Newest) > time.Minute || s.SkewSeconds == nil {
			t.Errorf("server %+v", s)
		}
	}
	if s := r.Server(sources.Jaeger); s.API != "v3" {
		t.Errorf("Jaeger's API is %s", s.API)
	}
	if len(r.LeftOut) != 1 || !strings.Contains(r.LeftOut[0], "cluster-events") {
		t.Errorf("left out: %v", r.LeftOut)
	}
}

// Each fault is found, said where it is, and mended by the line that belongs there; services
// that it is not in keep their marks.
func TestFaults(t *testing.T) {
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			now := noon.Add(fault.later)
			r := examine(t, stand(t, fault.plant, now), now)
			checkFault(t, fault, r)
		})
	}
}

// checkFault wants the report to name the fault and little else.
func checkFault(t *testing.T, fault fault, r *doctor.Report) {
	t.Helper()
	f := finding(r, fault.kind, fault.services)
	if f == nil {
		t.Fatalf("no finding %s about %v; found\n%s", fault.kind, fault.services, said(r))
	}
	if f.Grade != fault.grade {
		t.Errorf("grade %s, want %s", f.Grade, fault.grade)
	}
	text := f.Statement
	for _, m := range f.Mends {
		text += "\n" + m.Text
	}
	for _, want := range fault.says {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if fault.grade == doctor.Broken && !r.Broken() {
		t.Errorf("the whole is %s", r.Grade)
	}
	if fault.hop == nil {
		return
	}
	for i := range r.Services {
		s := &r.Services[i]
		got := fault.hop(&s.Hops).Grade
		if slices.Contains(fault.services, s.Name) {
			if got != fault.hopGrade {
				t.Errorf("the hop of %s is %s, want %s: %s", s.Name, got, fault.hopGrade, fault.hop(&s.Hops).Text)
			}
		} else if s.Grade != doctor.OK {
			t.Errorf("%s suffers too: %+v", s.Name, s.Hops)
		}
	}
}

// Words about secrets, masked ones and numbers that no card has are not called secrets.
func TestNoFalseSecrets(t *testing.T) {
	r := examine(t, stand(t, leak, noon), noon)
	for _, f := range r.Findings {
		if f.Kind == doctor.KindSecrets && !slices.Equal(f.Services, []string{patient}) {
			t.Errorf("%s", f.Statement)
		}
	}
}

// Without one backend the others are examined, and what it alone knows is not known.
func TestAway(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	t.Cleanup(refusing.Close)
	at := stand(t, nil, noon)
	for name, test := range map[string]struct {
		change  func(*addresses)
		backend sources.Backend
		state   doctor.State
		unknown func(*doctor.Hops) doctor.Hop
	}{
		"Jaeger is away":        {func(a *addresses) { a.jaeger = closed.URL }, sources.Jaeger, doctor.Unreachable, metricToTrace},
		"Loki is away":          {func(a *addresses) { a.loki = closed.URL }, sources.Loki, doctor.Unreachable, traceToRecords},
		"Prometheus refuses":    {func(a *addresses) { a.prometheus = refusing.URL }, sources.Prometheus, doctor.Refused, metric},
		"Jaeger's is Loki's":    {func(a *addresses) { a.jaeger = a.loki }, sources.Jaeger, doctor.AnotherAPI, metricToTrace},
		"no address of Loki":    {func(a *addresses) { a.loki = "" }, sources.Loki, doctor.NotConfigured, traceToRecords},
		"Prometheus is Jaeger":  {func(a *addresses) { a.prometheus = a.jaeger }, sources.Prometheus, doctor.AnotherAPI, metric},
		"Loki is at Prometheus": {func(a *addresses) { a.loki = a.prometheus }, sources.Loki, doctor.AnotherAPI, traceToRecords},
	} {
		t.Run(name, func(t *testing.T) {
			changed := at
			test.change(&changed)
			r := examine(t, changed, noon)
			s := r.Server(test.backend)
			if s.State != test.state || s.Error == "" || s.Hint == "" {
				t.Errorf("server %+v", s)
			}
			// That nobody gave an address is no failure.
			grade := doctor.Broken
			if test.state == doctor.NotConfigured {
				grade = doctor.Weak
			}
			if f := finding(r, doctor.KindBackend, nil); f == nil || f.Grade != grade || r.Broken() != (grade == doctor.Broken) {
				t.Errorf("found\n%s", said(r))
			}
			if len(r.Findings) != 1 {
				t.Errorf("what follows from it is found too:\n%s", said(r))
			}
			if len(r.Services) != 10 {
				t.Errorf("%d services", len(r.Services))
			}
			for i := range r.Services {
				if got := test.unknown(&r.Services[i].Hops); got.Grade != doctor.Unknown {
					t.Errorf("%s: %+v", r.Services[i].Name, got)
				}
			}
		})
	}
}

// A server with another clock is told by the date of its answers.
func TestSkew(t *testing.T) {
	at := stand(t, nil, noon)
	target, err := url.Parse(at.loki)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	proxy.Transport = base
	proxy.ModifyResponse = func(r *http.Response) error {
		r.Header.Set("Date", time.Now().Add(-5*time.Minute).UTC().Format(http.TimeFormat))
		return nil
	}
	behind := httptest.NewServer(proxy)
	t.Cleanup(behind.Close)
	at.loki = behind.URL
	r := examine(t, at, noon)
	f := finding(r, doctor.KindSkew, nil)
	if f == nil || len(r.Findings) != 1 || f.Grade != doctor.Weak || !strings.Contains(f.Statement, "clock of Loki") || !strings.Contains(f.Statement, "behind") {
		t.Fatalf("found\n%s", said(r))
	}
	if skew := r.Server(sources.Loki).SkewSeconds; skew == nil || *skew > -290 || *skew < -310 {
		t.Errorf("skew %v", skew)
	}
}

// The number of questions does not grow with the number of services, and what was not looked
// at is said.
func TestMany(t *testing.T) {
	const many = 60
	stores := sandbox.NewStores()
	for i := range many {
		service := fmt.Sprintf("s%02d", i)
		const duration = "http_server_request_duration_seconds"
		count := stores.Metrics.Appender(sources.Labels{"__name__": duration + "_count", "service_name": service, "http_response_status_code": "200"})
		bucket := stores.Metrics.Appender(sources.Labels{"__name__": duration + "_bucket", "service_name": service, "http_response_status_code": "200", "le": "+Inf"})
		add := stores.Logs.Appender(sources.Labels{"service_name": service})
		for n := range 20 {
			at := noon.Add(time.Duration(n-20) * 30 * time.Second)
			id := sources.TraceID(fmt.Sprintf("%030x%02x", i+1, n))
			count(at, float64(n*(i+1)))
			bucket(at, float64(n*(i+1)))
			add(at, fmt.Sprintf(`{"msg":"done","trace_id":%q}`, id), nil)
			stores.Traces.Append(sources.Span{TraceID: id, ID: "1", Service: service, Operation: "GET /", Kind: sources.KindServer, Start: at, Duration: time.Millisecond})
		}
	}
	at := serve(t, stores, noon)
	r := examine(t, at, noon)
	if len(r.Services) != 16 || r.Services[0].Rate == 0 {
		t.Errorf("%d services, the first of them %+v", len(r.Services), r.Services[0])
	}
	if i := slices.IndexFunc(r.Services, func(s doctor.Service) bool { return s.Name == "s59" }); i < 0 {
		t.Error("the busiest service was left out")
	}
	if all := strings.Join(r.LeftOut, "\n"); !strings.Contains(all, "44 of 60 services") || !strings.Contains(all, "the spans of ") {
		t.Errorf("left out: %s", all)
	}
	one := examine(t, at, noon, "s03")
	if len(one.Services) != 1 || one.Services[0].Name != "s03" || len(one.LeftOut) > 0 {
		t.Errorf("%+v, left out %v", one.Services, one.LeftOut)
	}
}

// How far back each backend reaches is probed, and one that forgets what the others keep is
// named with what makes it keep more.
func TestReach(t *testing.T) {
	stores := sandbox.NewStores()
	up := stores.Metrics.Appender(sources.Labels{"__name__": "up", "job": "shop"})
	add := stores.Logs.Appender(sources.Labels{"service_name": "shop"})
	for _, ago := range []time.Duration{30 * 24 * time.Hour, 7 * 24 * time.Hour, 3 * 24 * time.Hour, 24 * time.Hour, 6 * time.Hour, time.Hour, time.Minute} {
		at := noon.Add(-ago)
		if ago <= 7*24*time.Hour {
			up(at, 1)
		}
		if ago <= 6*time.Hour {
			add(at, "done", nil)
		}
		id := sources.TraceID(fmt.Sprintf("%032x", int(ago)))
		stores.Traces.Append(sources.Span{TraceID: id, ID: "1", Service: "shop", Operation: "GET /", Start: at, Duration: time.Millisecond})
	}
	r := examine(t, serve(t, stores, noon), noon)
	for backend, want := range map[sources.Backend]time.Duration{sources.Prometheus: 7 * 24 * time.Hour, sources.Loki: 6 * time.Hour, sources.Jaeger: 30 * 24 * time.Hour} {
		if got := r.Server(backend).ReachSeconds; got != want.Seconds() {
			t.Errorf("%s reaches %v s, want %s", backend, got, want)
		}
	}
	if r.OverlapSeconds != (6 * time.Hour).Seconds() {
		t.Errorf("overlap %v s", r.OverlapSeconds)
	}
	f := finding(r, doctor.KindReach, nil)
	if f == nil || f.Grade != doctor.Weak || !strings.Contains(f.Statement, "for want of Loki") || len(f.Mends) != 1 || !strings.Contains(f.Mends[0].Text, "retention_period") {
		t.Errorf("found\n%s", said(r))
	}
}

// A service that nobody knows is no service, and says nothing of the backends.
func TestNobody(t *testing.T) {
	r := examine(t, stand(t, nil, noon), noon, "nobody")
	if len(r.Services) != 0 || len(r.Findings) != 0 {
		t.Errorf("%d services, found\n%s", len(r.Services), said(r))
	}
}

// The same system gives the same report.
func TestSameAgain(t *testing.T) {
	at := stand(t, leak, noon)
	plain := func() string {
		r := examine(t, at, noon)
		r.Queries = nil
		for i := range r.Servers {
			r.Servers[i].SkewSeconds = nil
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if first, second := plain(), plain(); first != second {
		t.Errorf("first\n%s\nthen\n%s", first, second)
	}
}

// An examination that is cut off says so, and still has a report.
func TestInterrupted(t *testing.T) {
	at := stand(t, nil, noon)
	set, err := connect.Open(t.Context(), connect.Options{PrometheusURL: at.prometheus, LokiURL: at.loki, JaegerURL: at.jaeger, Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := doctor.Examine(ctx, set, doctor.Options{Now: noon, Window: sources.Window{From: noon.Add(-time.Hour), To: noon}})
	if !r.Interrupted || len(r.Services) > 0 {
		t.Errorf("%+v", r)
	}
	wellFormed(t, r)
}
