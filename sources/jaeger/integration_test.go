//go:build integration

package jaeger

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"obs/sources"
)

// patience bounds the wait for spans that are on their way.
const patience = 30 * time.Second

// address is where a server runs, by the environment that testdata/backends/backends
// prints. A test that cannot run must not look like one that passed.
func address(t *testing.T, name string) string {
	t.Helper()
	at := os.Getenv(name)
	if at == "" {
		t.Fatalf(`%s is not set: run testdata/backends/backends up, then eval "$(testdata/backends/backends env)"`, name)
	}
	return at
}

// dial returns clients that ask the real server: one as it is meant, one that holds
// v3 for missing.
func dial(t *testing.T) (c, v1 *Client) {
	t.Helper()
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	http := connect(t, address(t, "JAEGER_URL"), base)
	c, v1 = New(http, nil), New(http, nil)
	v1.api.second.Store(true)
	return c, v1
}

// eventually repeats a check until it passes.
func eventually(t *testing.T, check func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("after %s: %v", patience, err)
		}
	}
}

func exchangeHTTP(t *testing.T, request *http.Request) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport, Timeout: patience}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %s, %v", request.URL, response.Status, body, err)
	}
}

// ride asks HotROD for a ride, and returns the window in which its spans begin.
func ride(t *testing.T) sources.Window {
	t.Helper()
	w := sources.Window{From: time.Now().Add(-time.Second)}
	for _, customer := range []string{"123", "392", "567"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address(t, "HOTROD_URL")+"/dispatch?customer="+customer, nil)
		if err != nil {
			t.Fatal(err)
		}
		exchangeHTTP(t, request)
	}
	w.To = time.Now().Add(time.Second)
	return w
}

// whole is the first of the rides that has arrived with all its services and parents.
func whole(traces []sources.Trace) (sources.Trace, bool) {
	for _, trace := range traces {
		ids := map[sources.SpanID]bool{"": true}
		for _, s := range trace.Spans {
			ids[s.ID] = true
		}
		orphan := slices.ContainsFunc(trace.Spans, func(s sources.Span) bool { return !ids[s.ParentID] })
		if !orphan && len(trace.Services()) == 6 {
			return trace, true
		}
	}
	return sources.Trace{}, false
}

func TestIntegrationRide(t *testing.T) {
	w := ride(t)
	c, v1 := dial(t)
	q := sources.TraceQuery{Service: "frontend", Operation: "/dispatch", Window: w, MinDuration: 100 * time.Millisecond, Limit: 50}
	var trace sources.Trace
	eventually(t, func(ctx context.Context) error {
		answer, err := c.Search(ctx, q)
		if err != nil {
			return err
		}
		var ok bool
		if trace, ok = whole(answer.Traces); !ok || len(answer.Traces) < 3 {
			return fmt.Errorf("%d traces, none whole", len(answer.Traces))
		}
		return nil
	})
	if c.api.second.Load() {
		t.Error("v3 was held for missing")
	}
	root := trace.Spans[0]
	if root.Operation != "/dispatch" || root.ParentID != "" || root.Kind != sources.KindServer || root.Duration < q.MinDuration || !w.Contains(root.Start) {
		t.Errorf("root %+v", root)
	}
	ctx := t.Context()

	services, err := c.Services(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range trace.Services() {
		if !slices.Contains(services, want) {
			t.Errorf("%s is missing in %v", want, services)
		}
	}
	oldServices, err := v1.Services(ctx)
	if err != nil || !slices.Equal(services, oldServices) {
		t.Errorf("v1 lists %v, %v", oldServices, err)
	}

	for _, each := range []*Client{c, v1} {
		operations, err := each.Operations(ctx, "frontend")
		for _, want := range []sources.Operation{{Name: "/dispatch", Kind: sources.KindServer}, {Name: "HTTP GET", Kind: sources.KindClient}} {
			if !slices.Contains(operations, want) {
				t.Errorf("%v is missing in %v, %v", want, operations, err)
			}
		}
		if none, err := each.Operations(ctx, "no such service"); err != nil || len(none) > 0 {
			t.Errorf("operations of no service: %v, %v", none, err)
		}

		slow := q
		slow.MinDuration = time.Hour
		if answer, err := each.Search(ctx, slow); err != nil || len(answer.Traces) > 0 {
			t.Errorf("rides of an hour: %d, %v", len(answer.Traces), err)
		}
		quick := sources.TraceQuery{Service: "redis-manual", Window: w, MinDuration: time.Millisecond, MaxDuration: 20 * time.Millisecond, Limit: 2}
		answer, err := each.Search(ctx, quick)
		if err != nil || len(answer.Traces) != 2 || !answer.Limited {
			t.Errorf("limited to 2: %d traces, limited: %v, %v", len(answer.Traces), answer.Limited, err)
		}
		for _, found := range answer.Traces {
			if !slices.ContainsFunc(found.Spans, func(s sources.Span) bool {
				return s.Service == quick.Service && s.Duration >= quick.MinDuration && s.Duration <= quick.MaxDuration
			}) {
				t.Errorf("trace %s has no span between the bounds", found.ID)
			}
		}
		if _, err := each.Trace(ctx, sources.TraceID(fresh(t, 16)), w); !errors.Is(err, sources.ErrNotFound) {
			t.Errorf("an ID that nobody used: %v", err)
		}
	}

	// Both APIs tell the same about a trace, but for what lies below a microsecond.
	eventually(t, func(ctx context.Context) error {
		byV3, err := c.Trace(ctx, trace.ID, w)
		if err != nil {
			return err
		}
		byV1, err := v1.Trace(ctx, trace.ID, w)
		if err != nil {
			return err
		}
		return different(byV3, byV1)
	})
}

// different says where two traces differ, down to a microsecond.
func different(a, b sources.Trace) error {
	if a.ID != b.ID || len(a.Spans) != len(b.Spans) {
		return fmt.Errorf("trace %s has %d spans, %s %d", a.ID, len(a.Spans), b.ID, len(b.Spans))
	}
	coarse := func(spans []sources.Span) map[sources.SpanID]sources.Span {
		byID := map[sources.SpanID]sources.Span{}
		for _, s := range spans {
			s.Start, s.Duration = s.Start.Truncate(time.Microsecond), s.Duration.Truncate(time.Microsecond)
			s.Events = slices.Clone(s.Events)
			for i := range s.Events {
				s.Events[i].Time = s.Events[i].Time.Truncate(time.Microsecond)
			}
			byID[s.ID] = s
		}
		return byID
	}
	other := coarse(b.Spans)
	for id, s := range coarse(a.Spans) {
		if !reflect.DeepEqual(s, other[id]) {
			return fmt.Errorf("span %s differs:\n%+v\n%+v", id, s, other[id])
		}
	}
	return nil
}

// fresh is an ID of so many bytes that was never used before.
func fresh(t *testing.T, size int) string {
	t.Helper()
	id := make([]byte, size)
	if _, err := rand.Read(id); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(id)
}

const pushedService = "obs-test-orders"

// push sends one span as OTLP in JSON.
func push(t *testing.T, trace, span, requestID string) sources.Window {
	t.Helper()
	now := time.Now()
	body := fmt.Sprintf(`{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":%q}}]},
		"scopeSpans":[{"spans":[{"traceId":%q,"spanId":%q,"name":"POST /orders","kind":2,
		"startTimeUnixNano":"%d","endTimeUnixNano":"%d","status":{"code":2},
		"attributes":[{"key":"http.request.header.x-request-id","value":{"arrayValue":{"values":[{"stringValue":%q}]}}},
			{"key":"plain","value":{"stringValue":%q}}]}]}]}]}`,
		pushedService, trace, span, now.UnixNano(), now.Add(5*time.Millisecond).UnixNano(), requestID, requestID)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address(t, "OTLP_URL")+"/v1/traces", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	exchangeHTTP(t, request)
	return sources.Window{From: now.Add(-time.Minute), To: now.Add(time.Minute)}
}

func TestIntegrationSearchByAttribute(t *testing.T) {
	c, v1 := dial(t)
	id, requestID := sources.TraceID(fresh(t, 16)), "req-"+fresh(t, 6)
	push(t, fresh(t, 16), fresh(t, 8), "another")
	w := push(t, string(id), fresh(t, 8), requestID)
	q := sources.TraceQuery{Service: pushedService, Window: w, Limit: 50}
	by := func(key, value string) sources.TraceQuery {
		tagged := q
		tagged.Attributes = sources.Attributes{{Key: key, Value: value}}
		return tagged
	}
	eventually(t, func(ctx context.Context) error { _, err := c.Trace(ctx, id, w); return err })
	// searchV3 alone: this server ignores the condition, so it shows that the answer is checked.
	for name, ask := range map[string]func(context.Context, sources.TraceQuery) (sources.TraceAnswer, error){
		"v3 server": c.Search, "v1 server": v1.Search, "v3's search": c.searchV3,
	} {
		for _, test := range []struct {
			q    sources.TraceQuery
			want []sources.TraceID
		}{
			{by("http.request.header.x-request-id", `["`+requestID+`"]`), []sources.TraceID{id}},
			{by("http.request.header.x-request-id", requestID), nil}, // the array is compared as its text
			{by("plain", requestID), []sources.TraceID{id}},
			{by("plain", "nobody's"), nil},
		} {
			answer, err := ask(t.Context(), test.q)
			var got []sources.TraceID
			for _, found := range answer.Traces {
				got = append(got, found.ID)
			}
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("%s by %v: %v, want %v, %v", name, test.q.Attributes, got, test.want, err)
			}
		}
	}
	found, err := c.Search(t.Context(), by("plain", requestID))
	if err != nil || len(found.Traces) != 1 {
		t.Fatalf("%d traces, %v", len(found.Traces), err)
	}
	if got := found.Traces[0].Spans[0].Attributes.Get("http.request.header.x-request-id"); got != `["`+requestID+`"]` {
		t.Errorf("the array is kept as %s", got)
	}
}

// An ID of 64 bits, with zeros of its own in front, is found in each notation.
func TestIntegrationShortID(t *testing.T) {
	c, v1 := dial(t)
	short := "00" + fresh(t, 7)
	id, span := sources.TraceID("0000000000000000"+short), sources.SpanID(fresh(t, 8))
	w := push(t, string(id), string(span), "short")
	for _, each := range []*Client{c, v1} {
		for _, notation := range []sources.TraceID{id, sources.TraceID(short), sources.TraceID(id.Short())} {
			eventually(t, func(ctx context.Context) error {
				trace, err := each.Trace(ctx, notation, w)
				if err != nil {
					return err
				}
				if trace.ID != id || len(trace.Spans) != 1 || trace.Spans[0].TraceID != id || trace.Spans[0].ID != span || !trace.Spans[0].Failed() {
					t.Fatalf("%s: %+v", notation, trace)
				}
				return nil
			})
		}
		answer, err := each.Search(t.Context(), sources.TraceQuery{Service: pushedService, Window: w, Limit: 50})
		if err != nil || !slices.ContainsFunc(answer.Traces, func(t sources.Trace) bool { return t.ID == id }) {
			t.Errorf("a search does not find %s: %v", id, err)
		}
	}
}

func TestIntegrationDependencies(t *testing.T) {
	w := ride(t).Pad(time.Minute)
	c, _ := dial(t)
	eventually(t, func(ctx context.Context) error {
		calls, err := c.Dependencies(ctx, w)
		if err != nil {
			return err
		}
		for _, want := range []string{"customer", "driver", "route"} {
			if !slices.ContainsFunc(calls, func(d sources.Dependency) bool { return d.Parent == "frontend" && d.Child == want && d.Calls > 0 }) {
				return fmt.Errorf("no call from frontend to %s in %v", want, calls)
			}
		}
		return nil
	})
}

// What the package relies on the server for, beyond what it documents.
func TestIntegrationRefusals(t *testing.T) {
	c, v1 := dial(t)
	now := time.Now()
	q := sources.TraceQuery{Service: "frontend", Window: sources.Window{From: now.Add(-time.Hour), To: now}, MinDuration: 2 * time.Second, MaxDuration: time.Second}
	if _, err := v1.Search(t.Context(), q); !errors.Is(err, sources.ErrBadQuery) {
		t.Errorf("bounds that exclude each other: %v", err)
	}
	q.Limit = 1 << 30
	if _, err := c.Search(t.Context(), q); !errors.Is(err, sources.ErrServer) {
		t.Errorf("more traces than the server keeps: %v", err)
	}
	unknown := question{path: "/api/v3/no-such-path"}
	if err := c.askWhole(t.Context(), unknown, func([]byte) (int, error) { return 0, nil }); !errors.Is(err, sources.ErrNotThisAPI) {
		t.Errorf("a path that the server does not have: %v", err)
	}
}
