package main

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"obs/sources"
)

// The files of a recording, each of which may be missing or be compressed.
const (
	metricsFile = "metrics.om"
	logsFile    = "logs.jsonl"
	tracesFile  = "traces.jsonl"
	compressed  = ".gz"
)

// recording is one folder's signals, without what the files hold twice.
type recording struct {
	name    string
	series  map[string]*series // by the labels' text
	streams map[string]*stream // the same
	traces  map[sources.TraceID][]sources.Span

	spans map[spanKey]bool // those in traces
	first time.Time        // of all that is in it
}

type series struct {
	labels  sources.Labels
	samples map[int64]float64 // by milliseconds since the epoch, which is what Prometheus keeps
}

type stream struct {
	labels  sources.Labels
	records []record
	known   map[recordKey]bool
}

type record struct {
	recordKey
	metadata sources.Labels
}

// recordKey is what Loki tells the records of a stream by; the time is in nanoseconds
// since the epoch.
type recordKey struct {
	at   int64
	line string
}

type spanKey struct {
	trace sources.TraceID
	span  sources.SpanID
}

func newRecording(name string) *recording {
	return &recording{
		name:   name,
		series: map[string]*series{}, streams: map[string]*stream{},
		traces: map[sources.TraceID][]sources.Span{}, spans: map[spanKey]bool{},
	}
}

// readRecordings reads every folder at or below the given one that holds a recording,
// the earliest first.
func readRecordings(root string) ([]*recording, error) {
	folders := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && isRecorded(entry.Name()) {
			folders[filepath.Dir(path)] = true
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(folders) == 0 {
		return nil, fmt.Errorf("%s holds no recording: no folder in it has a %s, %s or %s, or one of them with %s", root, metricsFile, logsFile, tracesFile, compressed)
	}
	var all []*recording
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		r, err := readRecording(folder)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	// Loki takes only what is not much older than a stream's newest record.
	slices.SortStableFunc(all, func(a, b *recording) int { return a.first.Compare(b.first) })
	return all, nil
}

func isRecorded(name string) bool {
	switch name {
	case metricsFile, logsFile, tracesFile, metricsFile + compressed, logsFile + compressed, tracesFile + compressed:
		return true
	}
	return false
}

func readRecording(folder string) (*recording, error) {
	r := newRecording(filepath.Base(folder))
	for _, file := range []struct {
		name string
		read func(io.Reader) error
	}{{metricsFile, r.readMetrics}, {logsFile, r.readLogs}, {tracesFile, r.readTraces}} {
		path := filepath.Join(folder, file.name)
		if err := readFile(path, file.read); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return r, nil
}

// readFile reads a file, or else its compressed form; where neither is there, nothing.
func readFile(path string, read func(io.Reader) error) error {
	file, err := os.Open(path)
	if err == nil {
		defer file.Close()
		return read(bufio.NewReader(file))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err = os.Open(path + compressed)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	plain, err := gzip.NewReader(bufio.NewReader(file))
	if err != nil {
		return err
	}
	return read(plain)
}

func (r *recording) notice(at time.Time) {
	if r.first.IsZero() || at.Before(r.first) {
		r.first = at
	}
}

// readMetrics reads OpenMetrics' text
// (https://prometheus.io/docs/specs/om/open_metrics_spec/), in which every sample has its time.
func (r *recording) readMetrics(in io.Reader) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	for parser := textparse.NewOpenMetricsParser(text, labels.NewSymbolTable()); ; {
		entry, err := parser.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case entry != textparse.EntrySeries:
			continue
		}
		written, at, value := parser.Series()
		if at == nil {
			return fmt.Errorf("%s has no time", written)
		}
		var of labels.Labels
		parser.Labels(&of)
		r.addSample(of.Map(), *at, value)
	}
}

// addSample keeps the first of the samples that a series has at one time, as Prometheus does.
func (r *recording) addSample(of sources.Labels, at int64, value float64) {
	key := of.String()
	s := r.series[key]
	if s == nil {
		s = &series{labels: of, samples: map[int64]float64{}}
		r.series[key] = s
	}
	if _, known := s.samples[at]; !known {
		s.samples[at] = value
		r.notice(time.UnixMilli(at))
	}
}

// readLogs reads bodies of Loki's push API
// (https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs), one after
// the other.
func (r *recording) readLogs(in io.Reader) error {
	for bodies, n := json.NewDecoder(in), 1; ; n++ {
		var body struct {
			Streams []struct {
				Stream sources.Labels `json:"stream"`
				Values []entry        `json:"values"`
			} `json:"streams"`
		}
		if err := bodies.Decode(&body); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("push %d: %w", n, err)
		}
		for _, s := range body.Streams {
			for _, e := range s.Values {
				r.addRecord(s.Stream, record(e))
			}
		}
	}
}

// entry is a record as the push API writes it: a list of the time in nanoseconds as a
// text, the line, and structured metadata, if there is any.
type entry record

// UnmarshalJSON implements json.Unmarshaler.
func (e *entry) UnmarshalJSON(body []byte) error {
	var at string
	parts := []any{&at, &e.line, &e.metadata}
	var given []json.RawMessage
	if err := json.Unmarshal(body, &given); err != nil {
		return err
	}
	if len(given) < 2 || len(given) > len(parts) {
		return fmt.Errorf("a record is a time, a line and structured metadata, and not %d values", len(given))
	}
	for i, part := range given {
		if err := json.Unmarshal(part, parts[i]); err != nil {
			return err
		}
	}
	ns, err := strconv.ParseInt(at, 10, 64)
	e.at = ns
	return err
}

func (r *recording) addRecord(of sources.Labels, one record) {
	key := of.String()
	s := r.streams[key]
	if s == nil {
		s = &stream{labels: of, known: map[recordKey]bool{}}
		r.streams[key] = s
	}
	if !s.known[one.recordKey] {
		s.known[one.recordKey] = true
		s.records = append(s.records, one)
		r.notice(time.Unix(0, one.at))
	}
}

// readTraces reads exports of OTLP in JSON
// (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding), one in each line.
func (r *recording) readTraces(in io.Reader) error {
	lines := bufio.NewReader(in)
	for n, last := 1, false; !last; n++ {
		line, err := lines.ReadBytes('\n')
		last = errors.Is(err, io.EOF)
		if err != nil && !last {
			return err
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if err := r.addExport(line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return nil
}

const serviceName = "service.name"

func (r *recording) addExport(body []byte) error {
	export, err := new(ptrace.JSONUnmarshaler).UnmarshalTraces(body)
	if err != nil {
		return err
	}
	for _, process := range export.ResourceSpans().All() {
		resource := attributesOf(process.Resource().Attributes())
		service := resource.Get(serviceName)
		if service == "" {
			return errors.New("a resource has no " + serviceName)
		}
		for _, scope := range process.ScopeSpans().All() {
			for _, each := range scope.Spans().All() {
				span := spanOf(each)
				span.Service, span.Resource = service, resource
				if err := r.addSpan(span); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (r *recording) addSpan(span sources.Span) error {
	if span.TraceID == "" || span.ID == "" {
		return fmt.Errorf("the span %q has no trace ID or no span ID", span.Operation)
	}
	key := spanKey{span.TraceID, span.ID}
	if !r.spans[key] {
		r.spans[key] = true
		r.traces[span.TraceID] = append(r.traces[span.TraceID], span)
		r.notice(span.Start)
	}
	return nil
}

var kinds = map[ptrace.SpanKind]sources.Kind{
	ptrace.SpanKindInternal: sources.KindInternal,
	ptrace.SpanKindServer:   sources.KindServer,
	ptrace.SpanKindClient:   sources.KindClient,
	ptrace.SpanKindProducer: sources.KindProducer,
	ptrace.SpanKindConsumer: sources.KindConsumer,
}

var codes = map[ptrace.StatusCode]sources.Code{
	ptrace.StatusCodeUnset: sources.StatusUnset,
	ptrace.StatusCodeOk:    sources.StatusOK,
	ptrace.StatusCodeError: sources.StatusError,
}

func spanOf(s ptrace.Span) sources.Span {
	span := sources.Span{
		TraceID:       sources.TraceID(s.TraceID().String()),
		ID:            sources.SpanID(s.SpanID().String()),
		ParentID:      sources.SpanID(s.ParentSpanID().String()), // empty for zeros
		Operation:     s.Name(),
		Kind:          kinds[s.Kind()],
		Status:        codes[s.Status().Code()],
		StatusMessage: s.Status().Message(),
		Start:         s.StartTimestamp().AsTime(),
		Duration:      max(0, s.EndTimestamp().AsTime().Sub(s.StartTimestamp().AsTime())),
		Attributes:    attributesOf(s.Attributes()),
	}
	for _, e := range s.Events().All() {
		span.Events = append(span.Events, sources.Event{Time: e.Timestamp().AsTime(), Name: e.Name(), Attributes: attributesOf(e.Attributes())})
	}
	for _, l := range s.Links().All() {
		span.Links = append(span.Links, sources.Reference{TraceID: sources.TraceID(l.TraceID().String()), SpanID: sources.SpanID(l.SpanID().String())})
	}
	return span
}

func attributesOf(m pcommon.Map) sources.Attributes {
	var all sources.Attributes
	for key, value := range m.All() {
		all = append(all, sources.Attribute{Key: key, Value: value.AsString()})
	}
	all.Sort()
	return all
}

// size is how much of each signal a recording holds.
type size struct{ series, samples, streams, records, traces, spans int }

func (r *recording) size() size {
	s := size{series: len(r.series), streams: len(r.streams), traces: len(r.traces), spans: len(r.spans)}
	for _, each := range r.series {
		s.samples += len(each.samples)
	}
	for _, each := range r.streams {
		s.records += len(each.records)
	}
	return s
}

func (s size) String() string {
	return fmt.Sprintf("%d samples of %d series, %d records of %d streams, %d spans of %d traces",
		s.samples, s.series, s.records, s.streams, s.spans, s.traces)
}

// ordered are a map's values in order of its keys, so that every run sends alike.
func ordered[K cmp.Ordered, V any](m map[K]V) []V {
	values := make([]V, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		values = append(values, m[key])
	}
	return values
}
