//go:build integration

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"obs/correlate"
	"obs/correlate/ident"
	"obs/sources"
	"obs/sources/connect"
)

// made is what a test has put into the real backends, by chance and so that nobody else's
// can be taken for it. OBS_SEED repeats what a run has drawn, on servers that are empty.
type made struct {
	t     *testing.T
	draw  *rand.Rand
	run   string // a label of all its streams
	begin time.Time
	// env is what obs and the pushes see in place of the environment.
	env    map[string]string
	tenant string

	spans   []madeSpan
	records []madeRecord
}

type madeTrace struct {
	id      string // 32 digits
	spans   []madeSpan
	records []madeRecord // of its request
}

type madeSpan struct {
	trace, id, parent, service string
	start                      time.Time
	took                       time.Duration
	attributes                 []map[string]any
	links                      []madeLink
}

type madeLink struct {
	Trace string `json:"traceId"`
	Span  string `json:"spanId"`
}

type madeRecord struct {
	at               time.Time
	service          string
	labels, metadata map[string]string
	line             string
}

// madeServices are few and fixed: each is one more that Jaeger is searched for.
var madeServices = []string{"made-cart", "made-ledger", "made-mail", "made-web"}

func newMade(t *testing.T) *made {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("OBS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("OBS_SEED: %v", err)
		}
	}
	t.Logf("OBS_SEED=%d", seed)
	name := rand.NewPCG(seed, 0)
	for _, b := range []byte(t.Name()) {
		name = rand.NewPCG(name.Uint64()^uint64(b), name.Uint64())
	}
	m := &made{t: t, draw: rand.New(name), env: map[string]string{}, begin: time.Now().UTC().Add(-9 * time.Minute)}
	m.run = "run-" + m.digits(12)
	return m
}

func (m *made) getenv(name string) string {
	if value, ok := m.env[name]; ok {
		return value
	}
	return os.Getenv(name)
}

// digits are hexadecimal, and neither the first nor the last is a zero.
func (m *made) digits(n int) string {
	text := fmt.Sprintf("%016x%016x", m.draw.Uint64(), m.draw.Uint64())
	return fmt.Sprintf("%x", 1+m.draw.IntN(15)) + text[:n-2] + fmt.Sprintf("%x", 1+m.draw.IntN(15))
}

// trace makes a trace of 2 to 8 spans in up to four services, at some time in five minutes.
func (m *made) trace(id string) *madeTrace {
	at := m.begin.Add(time.Duration(m.draw.Int64N(int64(5 * time.Minute))))
	t := &madeTrace{id: id}
	count := 2 + m.draw.IntN(7)
	for i := range count {
		s := madeSpan{
			trace: id, id: m.digits(16), service: madeServices[m.draw.IntN(len(madeServices))],
			start: at.Add(time.Duration(i) * time.Millisecond), took: time.Duration(count-i)*2*time.Millisecond + time.Duration(m.draw.Int64N(int64(time.Millisecond))),
		}
		if i > 0 {
			s.parent = t.spans[m.draw.IntN(i)].id
		}
		t.spans = append(t.spans, s)
	}
	return t
}

// other is the ID with one digit changed.
func other(id string, at int) string {
	changed := []byte(id)
	const digits = "0123456789abcdef"
	changed[at] = digits[(strings.IndexByte(digits, id[at])+1)%16]
	return string(changed)
}

// log makes a record of a span, at a time in it.
func (m *made) log(s madeSpan, line string, labels, metadata map[string]string) madeRecord {
	return madeRecord{
		at: s.start.Add(time.Duration(m.draw.Int64N(int64(s.took) + 1))), service: s.service,
		labels: labels, metadata: metadata, line: line,
	}
}

func (m *made) keep(t *madeTrace) {
	m.spans = append(m.spans, t.spans...)
	m.records = append(m.records, t.records...)
}

// push sends everything that was kept, and waits until Jaeger has these traces whole.
func (m *made) push(awaited ...*madeTrace) {
	m.t.Helper()
	for batch := range slices.Chunk(m.spans, 2000) {
		m.export(batch)
	}
	for batch := range slices.Chunk(m.records, 5000) {
		m.pushRecords(batch)
	}
	m.spans, m.records = nil, nil
	for _, t := range awaited {
		err := eventually(func() (bool, error) {
			held, err := jaegerSpans(t.id)
			return len(held) == len(t.spans), err
		})
		if err != nil {
			m.t.Fatalf("trace %s does not arrive: %v", t.id, err)
		}
	}
}

func (m *made) export(spans []madeSpan) {
	m.t.Helper()
	byService := map[string][]any{}
	for _, s := range spans {
		one := map[string]any{
			"traceId": s.trace, "spanId": s.id, "name": "work", "kind": 2, "attributes": s.attributes, "links": s.links,
			"startTimeUnixNano": strconv.FormatInt(s.start.UnixNano(), 10),
			"endTimeUnixNano":   strconv.FormatInt(s.start.Add(s.took).UnixNano(), 10),
		}
		if s.parent != "" {
			one["parentSpanId"] = s.parent
		}
		byService[s.service] = append(byService[s.service], one)
	}
	var resources []any
	for _, service := range slices.Sorted(maps.Keys(byService)) {
		resources = append(resources, map[string]any{
			"resource":   map[string]any{"attributes": []any{text("service.name", service)}},
			"scopeSpans": []any{map[string]any{"spans": byService[service]}},
		})
	}
	post(m.t, address("OTLP_URL")+"/v1/traces", map[string]any{"resourceSpans": resources})
}

func (m *made) pushRecords(records []madeRecord) {
	m.t.Helper()
	type stream struct {
		Stream map[string]string `json:"stream"`
		Values [][]any           `json:"values"`
	}
	var streams []*stream
	known := map[string]*stream{}
	for _, r := range records {
		labels := m.labels(r)
		key := fmt.Sprint(labels) // maps are printed in order
		s := known[key]
		if s == nil {
			s = &stream{Stream: labels}
			known[key] = s
			streams = append(streams, s)
		}
		value := []any{strconv.FormatInt(r.at.UnixNano(), 10), r.line}
		if len(r.metadata) > 0 {
			value = append(value, r.metadata)
		}
		s.Values = append(s.Values, value)
	}
	body, err := json.Marshal(map[string]any{"streams": streams})
	if err != nil {
		m.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(m.t.Context(), http.MethodPost, m.getenv("LOKI_URL")+"/loki/api/v1/push", bytes.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if m.tenant != "" {
		request.Header.Set("X-Scope-OrgID", m.tenant)
	}
	resp, err := plain.Do(request)
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode/100 != 2 {
		m.t.Fatalf("push: %s: %s", resp.Status, answer)
	}
}

func (m *made) labels(r madeRecord) map[string]string {
	labels := map[string]string{"service_name": r.service, "run": m.run}
	maps.Copy(labels, r.labels)
	return labels
}

// jaegerSpans are the IDs of the spans that Jaeger holds of a trace, in order.
func jaegerSpans(id string) ([]string, error) {
	resp, err := plain.Get(address("JAEGER_URL") + "/api/traces/" + id)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return nil, errors.New("Jaeger does not have it")
	}
	var answer struct {
		Data []struct{ Spans []struct{ SpanID string } }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	var ids []string
	for _, trace := range answer.Data {
		for _, s := range trace.Spans {
			ids = append(ids, s.SpanID)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// ask runs obs trace as a person does.
func (m *made) ask(text string) (*correlate.Case, error) {
	var out, log bytes.Buffer
	status := run([]string{"trace", text, "-o", "json"}, world{out: &out, err: &log, getenv: m.getenv, now: time.Now})
	var c correlate.Case
	if err := errors.Join(json.Unmarshal(out.Bytes(), &c), published(out.Bytes())); err != nil {
		return nil, fmt.Errorf("status %d: %w\n%s", status, err, log.Bytes())
	}
	if status != exitOK {
		return &c, fmt.Errorf("status %d, missing %+v", status, c.Missing)
	}
	return &c, nil
}

// find asks with what is known of the services' habits.
func (m *made) find(ctx context.Context, given string, habits *correlate.Habits) (*correlate.Case, error) {
	set, err := connect.Open(ctx, connect.Options{Getenv: m.getenv})
	if err != nil {
		return nil, err
	}
	defer set.Close()
	id, err := ident.Read(given)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return correlate.Find(ctx, set, correlate.Lookup{
		ID: id, Text: id.Text, Window: sources.Window{From: now.Add(-30 * time.Minute), To: now}, Now: now, Habits: habits,
	}, nil), nil
}

// differences compares a case with the traces of one request, the first of which was
// asked for: every span and every record of them, and nothing else.
func (m *made) differences(c *correlate.Case, traces []*madeTrace, more ...madeRecord) error {
	var wantSpans, wantRecords, gotSpans, gotRecords []string
	for _, t := range traces {
		for _, s := range t.spans {
			wantSpans = append(wantSpans, t.id+" "+s.id+" "+s.parent+" "+s.service)
		}
		for _, r := range t.records {
			wantRecords = append(wantRecords, recordText(r.at, m.labels(r), r.metadata, r.line))
		}
	}
	for _, r := range more {
		wantRecords = append(wantRecords, recordText(r.at, m.labels(r), r.metadata, r.line))
	}
	shown := c.OtherTraces
	if c.Trace != nil {
		shown = append([]correlate.Trace{*c.Trace}, shown...)
	}
	for _, t := range shown {
		for _, s := range t.Spans {
			gotSpans = append(gotSpans, fmt.Sprintf("%s %s %s %s", t.ID, s.ID, s.ParentID, s.Service))
		}
	}
	for _, r := range c.Records {
		gotRecords = append(gotRecords, recordText(r.Time, r.Labels, r.Metadata, r.Line))
	}
	return errors.Join(setDifference("spans", wantSpans, gotSpans), setDifference("records", wantRecords, gotRecords))
}

func recordText(at time.Time, labels, metadata map[string]string, line string) string {
	known := maps.Clone(labels)
	for _, name := range []string{"detected_level", "level"} {
		delete(known, name)
	}
	extra := maps.Clone(metadata)
	delete(extra, "detected_level") // which Loki adds
	if len(extra) == 0 {
		extra = nil
	}
	return fmt.Sprintf("%d %v %v %s", at.UnixNano(), known, extra, line)
}

// setDifference says what is missing, what is too much and what is there twice.
func setDifference(what string, want, got []string) error {
	counts := map[string]int{}
	for _, w := range want {
		counts[w]++
	}
	for _, g := range got {
		counts[g]--
	}
	var all []error
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		switch n := counts[key]; {
		case n > 0:
			all = append(all, fmt.Errorf("%s: missing %s", what, key))
		case n < 0:
			all = append(all, fmt.Errorf("%s: too much %s", what, key))
		}
	}
	return errors.Join(all...)
}

// each runs a check for every one of the traces, a few at once, and reports what differs.
func (m *made) each(traces []*madeTrace, check func(i int, t *madeTrace) error) {
	m.t.Helper()
	failures := make([]error, len(traces))
	var group errgroup.Group
	group.SetLimit(4)
	for i, t := range traces {
		group.Go(func() error {
			failures[i] = check(i, t)
			return nil
		})
	}
	_ = group.Wait() // failures are kept for each
	wrong := 0
	for i, err := range failures {
		if err == nil {
			continue
		}
		if wrong++; wrong <= 3 {
			m.t.Errorf("trace %s: %v", traces[i].id, err)
		}
	}
	if wrong > 0 {
		m.t.Errorf("%d of %d traces differ", wrong, len(traces))
	}
}
