//go:build integration

package doctor_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/correlate/doctor"
	"obs/sources"
	"obs/sources/connect"
	"obs/sources/sandbox/loader"
	"obs/sources/sandbox/shop"
	"obs/testdata/backends"
)

// These tests plant faults of the plumbing in real Prometheus, Loki and Jaeger, and want each
// to be found. The servers are a set of the tests' own, since Jaeger counts the spans that it
// is sent as if they were of now, which would look like traffic to other tests. In it each fault
// has a time and names of services of its own, so that none disturbs another.

func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set", name)
	}
	return value
}

// between is the time from one fault to the next, so that windows do not touch.
const between = 8 * time.Hour

// place is where one fault is planted.
type place struct {
	now    time.Time // when the shop's past ends
	suffix string    // of all services' names
	salt   string    // of the trace IDs, of which Jaeger keeps one whatever its time
}

func placeOf(i int) place {
	suffix := fmt.Sprintf("-x%02d", i)
	return place{now: noon.AddDate(-2, 0, 0).Add(time.Duration(i) * between), suffix: suffix, salt: suffix}
}

// theirs are the shop's services and those that faults make of them.
var theirs = []string{
	"cart", "catalog", "checkout", "gateway", "inventory", "mobile-api", patient, "recommendation", "session", "shipping",
	"payment-svc", "prod-payment", "unknown_service:java",
}

func (p place) services() []string {
	var all []string
	for _, name := range theirs {
		all = append(all, name+p.suffix)
	}
	return all
}

// own gives the services of all signals the place's suffix, and their traces IDs of its own.
type own struct {
	shop.Sink
	place
}

// id is the place's own in place of a trace ID.
func (p place) id(shops string) string {
	sum := sha256.Sum256([]byte(p.salt + shops))
	return hex.EncodeToString(sum[:16])
}

// ids replaces the trace IDs in a text.
func (p place) ids(text string) string { return anyID.ReplaceAllStringFunc(text, p.id) }

func (p place) idsOf(l sources.Labels) sources.Labels {
	if l["trace_id"] != "" {
		l = rename(l, "trace_id", l["trace_id"], p.ids(l["trace_id"]))
	}
	return l
}

func (o own) labels(l sources.Labels) sources.Labels {
	for _, name := range []string{"service_name", "job", "container"} {
		if l[name] != "" {
			l = rename(l, name, l[name], l[name]+o.suffix)
		}
	}
	return l
}

func (o own) Series(l sources.Labels) func(time.Time, float64) { return o.Sink.Series(o.labels(l)) }

func (o own) Exemplar(series sources.Labels, e sources.Exemplar) {
	e.Labels = o.idsOf(e.Labels)
	o.Sink.Exemplar(o.labels(series), e)
}

func (o own) Stream(l sources.Labels) func(time.Time, string, sources.Labels) {
	add := o.Sink.Stream(o.idsOf(o.labels(l)))
	return func(at time.Time, line string, metadata sources.Labels) { add(at, o.ids(line), o.idsOf(metadata)) }
}

func (o own) Spans(all ...sources.Span) {
	all = slices.Clone(all)
	for i := range all {
		all[i].Service += o.suffix
		all[i].TraceID = sources.TraceID(o.id(string(all[i].TraceID)))
		all[i].Links = nil // to traces under their former IDs
	}
	o.Sink.Spans(all...)
}

// standReal writes a healthy shop with a fault in it into the servers, and waits until they
// show it.
func (p place) standReal(t *testing.T, at addresses, plant func(shop.Sink) shop.Sink) {
	t.Helper()
	l, err := loader.New(loader.Targets{PrometheusURL: at.prometheus, LokiURL: at.loki, JaegerURL: at.jaeger, OTLPURL: setting(t, "OTLP_URL")}, loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	scenario, err := shop.Find("healthy")
	if err != nil {
		t.Fatal(err)
	}
	var sink shop.Sink = own{l, p}
	if plant != nil {
		sink = plant(sink)
	}
	simulated := shop.New(scenario, shop.Options{Seed: 1, Now: p.now, History: 20 * time.Minute, Requests: 1000})
	if err := simulated.Past(t.Context(), sink); err != nil {
		t.Fatal(err)
	}
	sent, err := l.Send(t.Context())
	if err != nil {
		t.Fatalf("%v\n%v", err, sent)
	}
	missing, err := l.Check(t.Context())
	if err != nil || len(missing) > 0 {
		t.Fatalf("reading back: %v, %v", err, missing)
	}
}

func realAddresses(t *testing.T) addresses {
	t.Helper()
	return addresses{setting(t, "PROMETHEUS_URL"), setting(t, "LOKI_URL"), setting(t, "JAEGER_URL")}
}

// examineReal is the report about the place's services, as if they bore no suffix.
func (p place) examineReal(t *testing.T, at addresses, o doctor.Options, more map[string]string) *doctor.Report {
	t.Helper()
	getenv := func(name string) string {
		if value, given := more[name]; given {
			return value
		}
		return map[string]string{"PROMETHEUS_URL": at.prometheus, "LOKI_URL": at.loki, "JAEGER_URL": at.jaeger}[name]
	}
	set, err := connect.Open(t.Context(), connect.Options{Getenv: getenv})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if o.Now.IsZero() {
		o.Now = p.now
	}
	o.Window = sources.Window{From: o.Now.Add(-30 * time.Minute), To: o.Now}
	r := doctor.Examine(t.Context(), set, o)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	plain := &doctor.Report{}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), p.suffix, "")), plain); err != nil {
		t.Fatal(err)
	}
	wellFormed(t, plain)
	return plain
}

// healthy wants full marks.
func healthy(t *testing.T, r *doctor.Report) {
	t.Helper()
	if r.Grade != doctor.OK || len(r.Findings) > 0 || len(r.Missing) > 0 || len(r.Services) != 10 {
		t.Errorf("%s, %d services, missing %v, found\n%s", r.Grade, len(r.Services), r.Missing, said(r))
	}
	for _, s := range r.Services {
		if s.Grade != doctor.OK {
			t.Errorf("%s is %s: %+v", s.Name, s.Grade, s.Hops)
		}
	}
}

func TestReal(t *testing.T) {
	servers := backends.Start(t, 1600)
	for name, value := range servers.Settings {
		t.Setenv(name, value)
	}
	t.Run("faults", realFaults)
	t.Run("reach", realReach)
	t.Run("ways", func(t *testing.T) { realWays(t, servers) })
}

// A shop in which nothing is missing gets full marks from real servers, and what is wrong with
// the way to one of them is found and named, with the rest still examined.
func realWays(t *testing.T, servers *backends.Servers) {
	p := placeOf(0)
	at := realAddresses(t)
	p.standReal(t, at, nil)
	r := p.examineReal(t, at, doctor.Options{Services: p.services()}, nil)
	healthy(t, r)
	for _, s := range r.Servers {
		if s.State != doctor.Answers || s.Version == "" || s.SkewSeconds == nil || s.Newest.After(p.now) || p.now.Sub(s.Newest) > 20*time.Minute {
			t.Errorf("server %+v", s)
		}
	}
	secret := func(name string) string {
		value, err := os.ReadFile(filepath.Join(setting(t, "GUARD_DIR"), name))
		if err != nil {
			t.Fatal(err)
		}
		return string(value)
	}
	for _, fault := range []struct {
		name    string
		change  func(t *testing.T, a *addresses)
		env     map[string]string
		backend sources.Backend
		state   doctor.State
		kind    string
		grade   doctor.Grade
		says    string // in the statement or what mends it
	}{
		{
			name: "Loki is stopped", change: func(t *testing.T, _ *addresses) { stopped(t, servers, "loki") },
			backend: sources.Loki, state: doctor.Unreachable, kind: doctor.KindBackend, grade: doctor.Broken, says: "Loki cannot be reached",
		},
		{
			name: "a wrong password", change: func(t *testing.T, a *addresses) { a.loki = setting(t, "GUARD_BASIC_URL") + "/logs" },
			env:     map[string]string{"LOKI_USERNAME": secret("user"), "LOKI_PASSWORD": "not-" + secret("password")},
			backend: sources.Loki, state: doctor.Refused, kind: doctor.KindBackend, grade: doctor.Broken, says: "Loki refuses access",
		},
		{
			name: "a token that is missing", change: func(t *testing.T, a *addresses) { a.jaeger = setting(t, "GUARD_BEARER_URL") + "/jaeger" },
			backend: sources.Jaeger, state: doctor.Refused, kind: doctor.KindBackend, grade: doctor.Broken, says: "JAEGER_BEARER_TOKEN_FILE",
		},
		{
			name: "no tenant", change: func(t *testing.T, a *addresses) { a.loki = setting(t, "LOKI_TENANTS_URL") },
			backend: sources.Loki, state: doctor.Refused, kind: doctor.KindBackend, grade: doctor.Broken, says: "tenant",
		},
		{
			name: "another tenant", change: func(t *testing.T, a *addresses) { a.loki = setting(t, "LOKI_TENANTS_URL") },
			env:     map[string]string{"LOKI_ORG_ID": "nobody" + p.suffix},
			backend: sources.Loki, state: doctor.Answers, kind: doctor.KindStale, grade: doctor.Broken, says: "tenants see only their own (X-Scope-OrgID)",
		},
		{
			name: "no tenant of Cortex", change: func(t *testing.T, a *addresses) { a.prometheus = setting(t, "CORTEX_URL") + "/prometheus" },
			backend: sources.Prometheus, state: doctor.Refused, kind: doctor.KindBackend, grade: doctor.Broken, says: "PROMETHEUS_ORG_ID",
		},
		{
			name: "a page to log in", change: func(t *testing.T, a *addresses) { a.jaeger = setting(t, "GUARD_LOGIN_URL") + "/jaeger" },
			backend: sources.Jaeger, state: doctor.AnotherAPI, kind: doctor.KindBackend, grade: doctor.Broken, says: "Jaeger is not what answers",
		},
		{
			name: "a certificate that has ended", change: func(t *testing.T, a *addresses) { a.prometheus = setting(t, "GUARD_EXPIRED_URL") + "/prometheus" },
			backend: sources.Prometheus, state: doctor.Unreachable, kind: doctor.KindBackend, grade: doctor.Broken, says: "Prometheus cannot be reached",
		},
		{
			name: "no Loki", change: func(_ *testing.T, a *addresses) { a.loki = "" },
			backend: sources.Loki, state: doctor.NotConfigured, kind: doctor.KindBackend, grade: doctor.Weak, says: "Loki is not configured",
		},
		{
			// No server here has another clock than this machine: a proxy shifts the Date of its answers.
			name: "a clock that is behind", change: func(t *testing.T, a *addresses) { a.jaeger = shifted(t, a.jaeger, -5*time.Minute) },
			backend: sources.Jaeger, state: doctor.Answers, kind: doctor.KindSkew, grade: doctor.Weak, says: "clock of Jaeger",
		},
		{
			// The last, as Prometheus may forget exemplars.
			name: "Prometheus is stopped", change: func(t *testing.T, _ *addresses) { stopped(t, servers, "prometheus") },
			backend: sources.Prometheus, state: doctor.Unreachable, kind: doctor.KindBackend, grade: doctor.Broken, says: "Prometheus cannot be reached",
		},
	} {
		t.Run(fault.name, func(t *testing.T) {
			changed := at
			fault.change(t, &changed)
			r := p.examineReal(t, changed, doctor.Options{Services: p.services()}, fault.env)
			f := finding(r, fault.kind, nil)
			if f == nil || f.Grade != fault.grade || r.Grade != fault.grade || len(r.Findings) != 1 {
				t.Fatalf("%s, found\n%s", r.Grade, said(r))
			}
			text := f.Statement
			for _, m := range f.Mends {
				text += "\n" + m.Text
			}
			if !strings.Contains(text, fault.says) {
				t.Errorf("%q is not in\n%s", fault.says, text)
			}
			if s := r.Server(fault.backend); s.State != fault.state || (s.State != doctor.Answers && s.Hint == "") {
				t.Errorf("server %+v", s)
			}
			if len(r.Services) != 10 {
				t.Errorf("%d services", len(r.Services))
			}
			for i := range r.Services {
				// A tenant without records is as good as no record at all.
				if s := &r.Services[i]; s.Grade != doctor.OK && fault.kind != doctor.KindStale {
					t.Errorf("%s suffers: %+v", s.Name, s.Hops)
				}
			}
		})
	}
}

// stopped stops a server until the test is over.
func stopped(t *testing.T, servers *backends.Servers, name string) {
	t.Helper()
	servers.Stop(t, name)
	t.Cleanup(func() { servers.Resume(t, name) })
}

// shifted is a server whose answers bear another date.
func shifted(t *testing.T, address string, by time.Duration) string {
	t.Helper()
	return proxied(t, address, func(*http.Request) {}, func(r *http.Response) {
		r.Header.Set("Date", time.Now().Add(by).UTC().Format(http.TimeFormat))
	})
}

// tenanted is the Loki of a tenant, for who names none.
func tenanted(t *testing.T, tenant string) string {
	t.Helper()
	return proxied(t, setting(t, "LOKI_TENANTS_URL"), func(r *http.Request) { r.Header.Set("X-Scope-OrgID", tenant) }, func(*http.Response) {})
}

// proxied is a proxy that changes what is asked and answered.
func proxied(t *testing.T, address string, ask func(*http.Request), answer func(*http.Response)) string {
	t.Helper()
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		ask(r.Out)
	}}
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	proxy.Transport = base
	proxy.ModifyResponse = func(r *http.Response) error {
		answer(r)
		return nil
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

// Each fault in what a system gives off is found by its kind, with its service, in real
// servers as in the sandbox.
func realFaults(t *testing.T) {
	for i, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			p := placeOf(i + 1)
			at := realAddresses(t)
			p.standReal(t, at, fault.plant)
			r := p.examineReal(t, at, doctor.Options{Now: p.now.Add(fault.later), Services: p.services()}, nil)
			checkFault(t, fault, r)
			// What the doctor says to write into the profile mends it.
			switch fault.kind {
			case doctor.KindOtherField:
				healthy(t, p.examineReal(t, at, doctor.Options{Services: p.services(), Names: correlate.Names{TraceFields: []string{"tid"}}}, nil))
			case doctor.KindNamesDiffer:
				others := []string{"payment-svc" + p.suffix, "prod-payment" + p.suffix}
				healthy(t, p.examineReal(t, at, doctor.Options{Services: p.services(), Names: correlate.Names{Services: map[string][]string{patient + p.suffix: others}}}, nil))
			}
		})
	}
}

// Metrics and traces of yesterday without records: what happened then cannot be walked.
func realReach(t *testing.T) {
	p := placeOf(len(faults) + 1)
	at := realAddresses(t)
	at.loki = tenanted(t, "reach"+p.suffix) // where nothing else is
	before := p
	before.now, before.salt = p.now.Add(-24*time.Hour), p.salt+"before"
	before.standReal(t, at, func(s shop.Sink) shop.Sink {
		return changed{Sink: s, stream: func(l sources.Labels) (sources.Labels, bool) { return l, false }}
	})
	p.standReal(t, at, nil)
	r := p.examineReal(t, at, doctor.Options{}, nil)
	f := finding(r, doctor.KindReach, nil)
	if f == nil || f.Grade != doctor.Weak || !strings.Contains(f.Statement, "for want of Loki") || len(f.Mends) != 1 || !strings.Contains(f.Mends[0].Text, "retention_period") {
		t.Errorf("found\n%s", said(r))
	}
	for backend, reaches := range map[sources.Backend]bool{sources.Prometheus: true, sources.Jaeger: true, sources.Loki: false} {
		if got := r.Server(backend).ReachSeconds; (got >= (24 * time.Hour).Seconds()) != reaches {
			t.Errorf("%s reaches %v s", backend, got)
		}
	}
}
