//go:build integration

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"obs/correlate"
	"obs/sources"
)

// These tests ask real Prometheus, Loki and Jaeger, with HotROD as the system that has
// an incident: `make integration` starts them. They fail where the servers are missing.

// drive is the load that HotROD was put under: once for all tests.
type drive struct {
	gentle, hard sources.Window
}

const (
	gentleRequests = 200
	hardRequests   = 60
	hardAtOnce     = 12
	patience       = time.Minute
)

// plain asks the servers past obs, and keeps no connection open behind the tests.
var plain = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

var driven = sync.OnceValues(func() (drive, error) {
	var d drive
	before, err := dispatches()
	if err != nil {
		return d, err
	}
	d.gentle.From = time.Now().UTC()
	if err := load(gentleRequests, 1); err != nil {
		return d, err
	}
	d.gentle.To = time.Now().UTC()
	d.hard.From = d.gentle.To
	if err := load(hardRequests, hardAtOnce); err != nil {
		return d, err
	}
	// What was done is visible once it has been scraped.
	err = eventually(func() (bool, error) {
		now, err := dispatches()
		return now >= before+gentleRequests+hardRequests, err
	})
	d.hard.To = time.Now().UTC()
	return d, err
})

func mustDrive(t *testing.T) drive {
	t.Helper()
	d, err := driven()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func address(name string) string {
	value := os.Getenv(name)
	if value == "" {
		panic(name + " is not set: run `make integration`, or `eval \"$(testdata/backends/backends env)\"`")
	}
	return value
}

// load sends requests to HotROD. Some fail under load, which is part of the incident.
func load(requests, atOnce int) error {
	var group errgroup.Group
	group.SetLimit(atOnce)
	customers := []string{"123", "392", "731", "567"}
	for i := range requests {
		group.Go(func() error {
			resp, err := plain.Get(address("HOTROD_URL") + "/dispatch?customer=" + customers[i%len(customers)] + "&nonse=" + strconv.Itoa(i))
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, err = io.Copy(io.Discard, resp.Body)
			return err
		})
	}
	return group.Wait()
}

// dispatches is how many /dispatch requests Prometheus has seen.
func dispatches() (float64, error) {
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	query := url.Values{"query": {`sum(traces_span_metrics_calls_total{service_name="frontend", span_name="/dispatch"})`}}
	if err := get(address("PROMETHEUS_URL")+"/api/v1/query?"+query.Encode(), &answer); err != nil {
		return 0, err
	}
	if len(answer.Data.Result) == 0 {
		return 0, nil
	}
	return strconv.ParseFloat(answer.Data.Result[0].Value[1].(string), 64)
}

func get(address string, into any) error {
	resp, err := plain.Get(address)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return fmt.Errorf("%s: %s: %s", address, resp.Status, body)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// eventually polls until the condition holds.
func eventually(condition func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := condition()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it did not come true within %s (last seen: %w)", patience, err)
		case <-tick.C:
		}
	}
}

// obs runs the program as a runbook does: no terminal, the environment as it is.
func obs(args ...string) (stdout, stderr string, status int) {
	var out, err bytes.Buffer
	e := endedAs(&out, &err, run(args, world{out: &out, err: &err, getenv: os.Getenv, now: time.Now}))
	return e.stdout, e.stderr, e.status
}

// obsCase runs a command with -o json and reads the case.
func obsCase(t *testing.T, args ...string) (*correlate.Case, int) {
	t.Helper()
	stdout, stderr, status := obs(append(args, "-o", "json")...)
	var c correlate.Case
	if err := json.Unmarshal([]byte(stdout), &c); err != nil {
		t.Fatalf("obs %s: %v\nstatus %d\n%s\n%s", strings.Join(args, " "), err, status, stdout, stderr)
	}
	if c.Schema != "obs.case/v1" {
		t.Errorf("schema %q", c.Schema)
	}
	return &c, status
}

func interval(w sources.Window) string {
	return w.From.Format(time.RFC3339Nano) + "/" + w.To.Format(time.RFC3339Nano)
}

// pinned asks for the drive's window whenever it is asked.
func (d drive) pinned() []string {
	return []string{"triage", "--from", d.hard.From.Format(time.RFC3339Nano), "--to", d.hard.To.Format(time.RFC3339Nano), "--baseline", interval(d.gentle)}
}

func TestTriageWalksFromTheMetricToTheLog(t *testing.T) {
	d := mustDrive(t)
	// As a person would: the last two minutes, compared with the gentle ones, right after.
	c, status := obsCase(t, "triage", "--since", "2m", "--baseline", interval(d.gentle))
	if status != exitOK {
		t.Errorf("status %d, missing %+v", status, c.Missing)
	}
	if c.Verdict != correlate.Anomalous {
		t.Fatalf("verdict %s", c.Verdict)
	}
	if a := c.Anomalies[0]; a.Service != "frontend" || a.Signal != "latency" || a.Direction != "up" || a.Operation != "/dispatch" || a.WindowValue < 1.5*a.BaselineValue {
		t.Errorf("the first anomaly is %+v; want frontend's /dispatch, slower", a)
	}
	if c.Trace == nil {
		t.Fatalf("no trace: %+v", c.Missing)
	}
	if r := c.Trace.Root; r == nil || r.Service != "frontend" || r.Operation != "/dispatch" {
		t.Errorf("the trace's root is %+v", r)
	}
	blamed := c.Trace.Span(c.Trace.Blamed)
	if blamed == nil || blamed.Service != "mysql" || blamed.Operation != "SQL SELECT" {
		t.Errorf("blamed is %+v, want mysql's SQL SELECT", blamed)
	}
	if text := c.Answers.WhereTimeGoes.Text; !strings.Contains(text, "mysql SQL SELECT") || !strings.Contains(text, "lock") {
		t.Errorf("where the time goes: %q; want mysql's SQL SELECT and the lock that it waits for", text)
	}
	if len(c.Suspects) == 0 || c.Suspects[0].Service != "mysql" || c.Suspects[0].Rank != 1 {
		t.Errorf("suspects %+v, want mysql first", c.Suspects)
	}
	for _, finding := range c.Findings {
		if len(finding.Evidence) == 0 {
			t.Errorf("finding %s rests on nothing: %s", finding.ID, finding.Statement)
		}
	}
	if want := lokiRecords(t, c.Trace.ID); len(c.Records) != want || want == 0 {
		t.Errorf("%d records of trace %s, and Loki holds %d", len(c.Records), c.Trace.ID, want)
	}
	for _, r := range c.Records {
		if r.Join.Weak() || r.TraceID != c.Trace.ID {
			t.Errorf("a record joined by %s with trace ID %q: %s", r.Join, r.TraceID, r.Line)
		}
	}
	if n := len(c.Queries); n > 40 {
		t.Errorf("%d queries, at most 40 are allowed", n)
	}
	joins := map[string]bool{}
	for _, h := range c.Hops {
		joins[h.From+">"+h.To] = true
		if h.Evidence == nil || h.Evidence.Query == "" || h.Join == "" {
			t.Errorf("a hop that does not say how it was made: %+v", h)
		}
	}
	for _, hop := range []string{"anomaly>trace", "trace>span", "trace>records"} {
		if !joins[hop] {
			t.Errorf("no hop %s in %+v", hop, c.Hops)
		}
	}
}

func TestTriageTextSaysWhatTheJSONSays(t *testing.T) {
	d := mustDrive(t)
	c, _ := obsCase(t, d.pinned()...)
	text, progress, status := obs(append(d.pinned(), "-o", "text")...)
	if status != exitOK {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{"ANOMALOUS", "frontend /dispatch", "mysql SQL SELECT", string(c.Trace.ID), "joined by", "histogram_quantile"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text has no %q", want)
		}
	}
	if got := strings.Count(text, "  ← "); got != len(c.Records) {
		t.Errorf("the text has %d records, the JSON %d", got, len(c.Records))
	}
	if !strings.Contains(progress, "survey") || !strings.Contains(progress, "records") {
		t.Errorf("the progress on standard error: %q", progress)
	}
	if strings.ContainsAny(text, "\x1b\r") {
		t.Error("the text has control characters")
	}
}

// lokiRecords is how many different records Loki itself finds for a trace ID, in the
// line or in structured metadata, asked without any code of obs.
func lokiRecords(t *testing.T, id sources.TraceID) int {
	t.Helper()
	seen := map[string]bool{}
	for _, query := range []string{
		fmt.Sprintf(`{job="hotrod"} |= %q`, string(id)),
		fmt.Sprintf(`{job="hotrod"} | trace_id=%q`, string(id)),
	} {
		var answer struct {
			Data struct {
				Result []struct {
					Stream map[string]string
					Values [][2]string
				}
			}
		}
		params := url.Values{
			"query": {query}, "limit": {"5000"},
			"start": {strconv.FormatInt(time.Now().Add(-time.Hour).UnixNano(), 10)},
			"end":   {strconv.FormatInt(time.Now().Add(time.Minute).UnixNano(), 10)},
		}
		if err := get(address("LOKI_URL")+"/loki/api/v1/query_range?"+params.Encode(), &answer); err != nil {
			t.Fatal(err)
		}
		for _, stream := range answer.Data.Result {
			for _, v := range stream.Values {
				seen[stream.Stream["service_name"]+stream.Stream["level"]+v[0]+v[1]] = true
			}
		}
	}
	return len(seen)
}

// jaegerTraces is the span IDs by trace, as Jaeger's first API prints them.
func jaegerTraces(t testing.TB, limit int) map[sources.TraceID][]string {
	t.Helper()
	var answer struct {
		Data []struct {
			TraceID string
			Spans   []struct{ SpanID string }
		}
	}
	params := url.Values{"service": {"frontend"}, "operation": {"/dispatch"}, "limit": {strconv.Itoa(limit)}, "lookback": {"1h"}}
	if err := get(address("JAEGER_URL")+"/api/traces?"+params.Encode(), &answer); err != nil {
		t.Fatal(err)
	}
	traces := map[sources.TraceID][]string{}
	for _, trace := range answer.Data {
		id, ok := sources.ParseTraceID(trace.TraceID)
		if !ok {
			t.Fatalf("trace ID %q", trace.TraceID)
		}
		for _, s := range trace.Spans {
			traces[id] = append(traces[id], s.SpanID)
		}
		slices.Sort(traces[id])
	}
	return traces
}

// hotrodRecords are the different records of every trace, from reading all that HotROD has
// logged in the window and comparing here.
func hotrodRecords(t *testing.T, w sources.Window) map[sources.TraceID]int {
	t.Helper()
	const page = 5000 // as many as Loki gives at once
	type key struct{ labels, at, line string }
	seen := map[key]bool{}
	held := map[sources.TraceID]int{}
	for from := w.From.UnixNano(); ; {
		var answer struct {
			Data struct {
				Result []struct {
					Stream map[string]string
					Values [][2]string
				}
			}
		}
		params := url.Values{
			"query": {`{job="hotrod"}`}, "limit": {strconv.Itoa(page)}, "direction": {"forward"},
			"start": {strconv.FormatInt(from, 10)}, "end": {strconv.FormatInt(w.To.UnixNano(), 10)},
		}
		if err := get(address("LOKI_URL")+"/loki/api/v1/query_range?"+params.Encode(), &answer); err != nil {
			t.Fatal(err)
		}
		count, last := 0, from
		for _, stream := range answer.Data.Result {
			for _, v := range stream.Values {
				at, err := strconv.ParseInt(v[0], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				count, last = count+1, max(last, at)
				k := key{stream.Stream["service_name"] + " " + stream.Stream["level"], v[0], v[1]}
				id, ok := sources.ParseTraceID(stream.Stream["trace_id"])
				if ok && !seen[k] {
					seen[k] = true
					held[id]++
				}
			}
		}
		if count < page {
			return held
		}
		if last == from {
			t.Fatalf("more than %d records of one moment", page)
		}
		from = last
	}
}

func TestTraceShowsEverythingThatTheBackendsHold(t *testing.T) {
	const drawn, seed = 200, 1
	d := mustDrive(t)
	traces := jaegerTraces(t, 1000)
	if len(traces) < drawn {
		t.Fatalf("Jaeger gave %d traces, and %d are wanted", len(traces), drawn)
	}
	ids := slices.Sorted(maps.Keys(traces))
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	// Traces of the last hour, by the clock of one machine.
	all := hotrodRecords(t, sources.Window{From: d.gentle.From.Add(-time.Hour), To: d.hard.To.Add(time.Minute)})
	spans, records := 0, 0
	for i, id := range ids[:drawn] {
		want := traces[id]
		c, status := obsCase(t, "trace", spell(id, i))
		if status != exitOK || c.Trace == nil {
			t.Errorf("obs trace %s: status %d, missing %+v", id, status, c.Missing)
			continue
		}
		var got []string
		for _, s := range c.Trace.Spans {
			got = append(got, string(s.ID))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) || c.Trace.SpanCount != len(want) {
			t.Errorf("trace %s: %d spans, and Jaeger holds %d", id, len(got), len(want))
		}
		held := all[id]
		if len(c.Records) != held {
			t.Errorf("trace %s: %d records, and Loki holds %d", id, len(c.Records), held)
		}
		for _, r := range c.Records {
			if r.TraceID != id || r.Metadata["trace_id"] != string(id) {
				t.Errorf("trace %s: a record of another: %+v", id, r)
			}
		}
		spans += len(want)
		records += held
		if i%5 != 0 {
			continue // what is drawn as text is looked at in some
		}
		text, _, _ := obs("trace", string(id), "-o", "text")
		if got := strings.Count(text, "│\n"); got != len(want) {
			t.Errorf("trace %s: the text draws %d spans of %d", id, got, len(want))
		}
		if got := strings.Count(text, "  ← "); got != held {
			t.Errorf("trace %s: the text has %d records of %d", id, got, held)
		}
	}
	if records == 0 {
		t.Error("Loki holds no record of any of these traces: nothing was compared")
	}
	t.Logf("%d traces, %d spans, %d records", drawn, spans, records)
}

// spell writes the ID as tools do: as it is, in capitals, or without leading zeros.
func spell(id sources.TraceID, i int) string {
	switch i % 3 {
	case 1:
		return strings.ToUpper(string(id))
	case 2:
		return id.Short()
	}
	return string(id)
}
