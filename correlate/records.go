package correlate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"obs/correlate/ident"
	"obs/sources"
)

// logServiceLabels are the stream labels that may name a service, the surest first.
var logServiceLabels = []string{"service_name", "service", "app", "container", "job"}

// toRecords brings the log records of the trace; where logs carry no ID, or no trace
// was found, the errors of the same service and time, as a weak join.
func (w *walk) toRecords(ctx context.Context, primary *measured) {
	if ctx.Err() != nil {
		return
	}
	if w.set.Logs == nil {
		w.found.notConfigured(sources.Loki, "no log record was looked at")
		return
	}
	if w.found.Trace == nil {
		if primary == nil && w.compared() == 0 && len(w.found.Anomalies) == 0 {
			w.surveyLogs(ctx)
		} else if primary != nil {
			w.weakRecords(ctx, []string{primary.service}, w.question.Window, "anomaly")
		}
		return
	}
	step := w.begin("records", "bringing the log records of the trace")
	trace := w.found.Trace
	window := trace.Window().Pad(recordSlack)
	found, err := findRecords(ctx, w.set.Logs, w.names.traceSearch(trace.ID), window, recordLimit)
	if err != nil {
		w.failed(sources.Loki, "no log record was looked at", err)
		step.failed("Loki gave no answer")
		return
	}
	if len(found.quotes) > 0 {
		w.found.missing(left(found.quotes, w.names.traceSearch(trace.ID)))
	}
	if len(found.records) == 0 {
		w.found.missing(Missing{
			Backend: sources.Loki, Kind: MissingNoData,
			Reason: fmt.Sprintf("no record in %s carries trace ID %s", window, trace.ID),
			Hint:   "its services may not log their trace IDs, or their logs may not be in this Loki",
		})
		step.ended("none carries the trace ID")
		var services []string
		if blamed := trace.Span(trace.Blamed); blamed != nil {
			services = append(services, blamed.Service)
		}
		if primary != nil {
			services = append(services, primary.service) // a database has no logs of its own
		}
		w.weakRecords(ctx, services, trace.Window(), "trace")
		return
	}
	w.found.Records = append(w.found.Records, w.names.fromRecords(found.records, trace, trace.ID)...)
	if found.truncated {
		w.found.missing(truncatedRecords(len(found.records)))
	}
	for i, evidence := range found.evidence {
		hop := Hop{From: "trace", To: "records", Join: ByTraceID, ID: string(trace.ID), Evidence: &evidence}
		if i == 0 {
			hop.Note = counted(len(found.records), "record")
		}
		w.found.Hops = append(w.found.Hops, hop)
	}
	step.ended(counted(len(found.records), "record"))
}

func truncatedRecords(shown int) Missing {
	return Missing{
		Backend: sources.Loki, Kind: MissingTruncated,
		Reason: fmt.Sprintf("there are more than the %s that are shown", counted(shown, "record")),
		Hint:   "ask Loki for the rest with the query of the hop",
	}
}

// left says that records which mention an ID were left away.
func left(quotes []sources.Record, s search) Missing {
	id := string(s.trace)
	m := Missing{Backend: sources.Loki, Kind: MissingNoData}
	if other := s.names.describeRecord(quotes[0]).TraceID; other != "" {
		m.Hint = "look at the other by its own ID: " + string(other)
	}
	if s.request != "" {
		id = s.request
	}
	m.Reason = fmt.Sprintf("%s of other requests mention %s, and are not shown", counted(len(quotes), "record"), id)
	return m
}

// fromRecords keeps records with what they say about themselves, and how each is joined
// to the trace: by the ID of a span of it, or else by the trace's. The trace may be nil. The
// ID is that by which they were found, in whatever notation; empty where it was no trace's.
func (n *glossary) fromRecords(records []sources.Record, trace *Trace, id sources.TraceID) []Record {
	spans := map[sources.SpanID]bool{}
	if trace != nil {
		for i := range trace.Spans {
			spans[trace.Spans[i].ID] = true
		}
	}
	all := make([]Record, len(records))
	for i, r := range records {
		all[i] = n.describeRecord(r)
		all[i].Join = ByTraceID
		if id != "" {
			all[i].TraceID = id
		}
		if all[i].SpanID == "" && trace != nil {
			all[i].SpanID = mentioned(r.Line, spans)
		}
		if spans[all[i].SpanID] {
			all[i].Join = BySpanID
		}
	}
	return all
}

// mentioned is the first of the spans whose ID stands in the line at full width, as some
// loggers write it without a name.
func mentioned(line string, spans map[sources.SpanID]bool) sources.SpanID {
	if len(spans) == 0 {
		return ""
	}
	for word := range strings.FieldsFuncSeq(line, func(r rune) bool { return r >= utf8.RuneSelf || !isHexDigit(byte(r)) }) {
		if len(word) == spanDigits {
			if id := sources.SpanID(strings.ToLower(word)); spans[id] {
				return id
			}
		}
	}
	return ""
}

// spanDigits is how long a span ID is.
const spanDigits = 16

func isHexDigit(b byte) bool {
	return (b >= '0' && b <= '9') || (b >= 'a' && b <= 'f') || (b >= 'A' && b <= 'F')
}

func (n *glossary) describeRecord(r sources.Record) Record {
	kept := Record{
		Time: r.Time.UTC(), Line: r.Line, Labels: r.Stream, Metadata: r.Metadata,
		Severity: strings.ToLower(recordField(r, ident.SeverityFields)),
	}
	kept.Service, _ = n.service(r.Stream)
	if id, ok := ident.ParseTrace(recordField(r, n.traceFields())); ok {
		kept.TraceID = id
	}
	if id, ok := sources.ParseSpanID(recordField(r, ident.SpanFields)); ok {
		kept.SpanID = id
	}
	return kept
}

// recordField is what the record says under one of the names: in its metadata, its
// labels, or its line.
func recordField(r sources.Record, names []string) string {
	if v, _ := r.Metadata.First(names...); v != "" {
		return v
	}
	if v, _ := r.Stream.First(names...); v != "" {
		return v
	}
	return ident.InLine(r.Line, names)
}

// weakLimit is how many records of the same service and time are shown where no ID
// joins them: enough to see what is going on, too few to be taken for all.
const weakLimit = 20

// weakRecords brings records at that time of the first of the services that has any,
// errors first.
func (w *walk) weakRecords(ctx context.Context, services []string, window sources.Window, from string) {
	if len(services) == 0 || ctx.Err() != nil {
		return
	}
	streams, err := w.set.Logs.Streams(ctx, "", window)
	if err != nil {
		w.failed(sources.Loki, "no log record was looked at", err)
		return
	}
	label, names := "", []string(nil)
	for _, service := range services {
		if label, names = w.names.namesOf(service, streams); label != "" {
			break
		}
	}
	if label == "" {
		w.found.missing(Missing{
			Backend: sources.Loki, Kind: MissingNoData,
			Reason: fmt.Sprintf("it holds no records of %s in %s", strings.Join(slices.Compact(services), " or of "), window),
			Hint:   "its logs may stand under another name",
		})
		return
	}
	selector := sources.Selector{sources.AnyOf(label, names...)}
	query := sources.LogQuery{Selector: selector, LineRegexp: "(?i)error|fail|fatal|panic|exception|timeout|timed out"}.String()
	answer, err := w.set.Logs.Records(ctx, query, window, weakLimit, true)
	if err == nil && len(answer.Records) == 0 {
		query = selector.String()
		answer, err = w.set.Logs.Records(ctx, query, window, weakLimit, true)
	}
	if err != nil {
		w.failed(sources.Loki, "no log record was looked at", err)
		return
	}
	w.keepWeak(answer.Records, query, window, from)
}

// namesOf is the label that names the service on these streams, and the service's names
// there; none where no stream is its own.
func (n *glossary) namesOf(service string, streams []sources.Labels) (label string, names []string) {
	service = n.of(service)
	for _, label := range logServiceLabels {
		for _, l := range streams {
			if name := l[label]; name != "" && sameService(n.of(name), service) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			return label, names
		}
	}
	return "", nil
}

func (w *walk) keepWeak(records []sources.Record, query string, window sources.Window, from string) {
	for _, r := range records {
		kept := w.names.describeRecord(r)
		kept.Join = ByServiceTime
		w.found.Records = append(w.found.Records, kept)
	}
	if len(records) > 0 {
		evidence := logEvidence(w.set.Logs, query, window)
		w.found.Hops = append(w.found.Hops, Hop{
			From: from, To: "records", Join: ByServiceTime, Evidence: &evidence,
			Note: "no ID joins them: the same service and time",
		})
	}
}
