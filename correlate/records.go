package correlate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"obs/correlate/ident"
	"obs/sources"
)

// logServiceLabels are the stream labels that may name a service, the surest first.
var logServiceLabels = []string{"service_name", "service", "app", "container", "job"}

// severities are the words for an error in use, in lower case.
var severities = []string{"error", "err", "fatal", "critical", "crit", "panic", "emerg", "alert"}

// search is how records of one request are asked for.
type search struct {
	field   []sources.Matcher // one of these fields says so
	pattern string            // or the line matches
	text    string            // or the line contains
	// holds checks a record that was found by its line.
	holds func(sources.Record) bool
}

func traceSearch(id sources.TraceID) search {
	s := search{
		pattern: ident.TracePattern(id),
		holds:   func(r sources.Record) bool { return ident.Mentions(r.Line, id) },
	}
	// Equality, and not a pattern, is what Loki can look up without reading every record.
	notations := []string{string(id)}
	short := id.Short()
	if padded, ok := sources.ParseSpanID(short); ok {
		notations = append(notations, string(padded)) // a 64-bit ID is logged with 16 digits
	}
	if !slices.Contains(notations, short) {
		notations = append(notations, short) // and any by some tools without its leading zeros
	}
	for _, name := range ident.TraceLabels {
		for _, notation := range notations {
			s.field = append(s.field, sources.Matcher{Name: name, Op: sources.Equal, Value: notation})
		}
	}
	return s
}

func requestSearch(id string) search {
	s := search{
		text:  id,
		holds: func(r sources.Record) bool { return containsWord(r.Line, id) },
	}
	for _, name := range ident.RequestFields {
		s.field = append(s.field, sources.Matcher{Name: name, Op: sources.Equal, Value: id})
	}
	return s
}

// containsWord reports whether id stands in the line and is not part of a longer word.
func containsWord(line, id string) bool {
	for at := 0; ; {
		i := strings.Index(line[at:], id)
		if i < 0 {
			return false
		}
		start, end := at+i, at+i+len(id)
		at = start + 1
		if (start == 0 || !isWord(line[start-1])) && (end == len(line) || !isWord(line[end])) {
			return true
		}
	}
}

func isWord(b byte) bool {
	return b == '_' || b == '-' || (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z')
}

// foundRecords is what a search for records brought.
type foundRecords struct {
	records   []sources.Record
	evidence  []Evidence // the queries that brought records; all of them when none did
	truncated bool
}

// findRecords asks for all records of one request in a window, wherever a record may
// carry the ID: in structured metadata or a label, or anywhere in its line. It asks
// all streams, since a request leaves lines where nobody expects them.
func findRecords(ctx context.Context, logs sources.Logs, s search, window sources.Window, limit int) (foundRecords, error) {
	streams, err := logs.Streams(ctx, "", window)
	if err != nil {
		return foundRecords{}, err
	}
	type part struct {
		query  string
		answer sources.RecordAnswer
	}
	var parts []*part
	for _, selector := range covering(streams) {
		parts = append(parts,
			&part{query: sources.LogQuery{Selector: selector, AnyField: s.field}.String()},
			&part{query: lineQuery(selector, s)},
		)
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range parts {
		group.Go(func() (err error) {
			p.answer, err = logs.Records(ctx, p.query, window, limit, true)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return foundRecords{}, err
	}
	var found foundRecords
	seen := map[string]bool{}
	for i, p := range parts {
		byLine := i%2 == 1
		fresh := 0
		for _, r := range p.answer.Records {
			key := recordKey(r)
			if seen[key] || (byLine && !s.holds(r)) {
				continue
			}
			seen[key] = true
			fresh++
			found.records = append(found.records, r)
		}
		found.truncated = found.truncated || p.answer.Truncated
		if fresh > 0 {
			found.evidence = append(found.evidence, logEvidence(logs, p.query, window))
		}
	}
	if len(found.evidence) == 0 {
		for _, p := range parts {
			found.evidence = append(found.evidence, logEvidence(logs, p.query, window))
		}
	}
	slices.SortStableFunc(found.records, func(a, b sources.Record) int { return a.Time.Compare(b.Time) })
	if len(found.records) > limit {
		found.records, found.truncated = found.records[:limit], true
	}
	return found, nil
}

func logEvidence(logs sources.Logs, query string, window sources.Window) Evidence {
	return Evidence{Backend: sources.Loki, Query: query, Window: window, URL: logs.Link(query, window)}
}

func lineQuery(selector sources.Selector, s search) string {
	q := sources.LogQuery{Selector: selector, LineRegexp: s.pattern}
	if s.text != "" {
		q.Contains = []string{s.text}
	}
	return q.String()
}

// recordKey tells records apart as Loki does: by stream, time and line.
func recordKey(r sources.Record) string {
	return r.Time.Format("20060102150405.000000000") + r.Stream.String() + r.Line
}

// covering returns selectors that together select every stream, and none twice: LogQL
// wants a label that is not empty, and no single label need be on all streams.
func covering(streams []sources.Labels) []sources.Selector {
	var selectors []sources.Selector
	var used []string
	left := streams
	for len(left) > 0 {
		counts := map[string]int{}
		for _, labels := range left {
			for name, value := range labels {
				if value != "" {
					counts[name]++
				}
			}
		}
		best := ""
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			if best == "" || cmp.Or(cmp.Compare(counts[name], counts[best]), cmp.Compare(labelRank(best), labelRank(name))) > 0 {
				best = name
			}
		}
		if best == "" {
			break // streams without any label cannot be selected, and Loki has none
		}
		selector := sources.Selector{sources.NotEmpty(best)}
		for _, name := range used {
			selector = append(selector, sources.Matcher{Name: name, Op: sources.Equal, Value: ""})
		}
		selectors = append(selectors, selector)
		used = append(used, best)
		left = slices.DeleteFunc(slices.Clone(left), func(l sources.Labels) bool { return l[best] != "" })
	}
	return selectors
}

func labelRank(name string) int {
	if i := slices.Index(logServiceLabels, name); i >= 0 {
		return i
	}
	return len(logServiceLabels)
}

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
	found, err := findRecords(ctx, w.set.Logs, traceSearch(trace.ID), window, recordLimit)
	if err != nil {
		w.failed(sources.Loki, "no log record was looked at", err)
		step.failed("Loki gave no answer")
		return
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
	w.found.Records = append(w.found.Records, fromRecords(found.records, trace)...)
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

// fromRecords keeps records with what they say about themselves, and how each is joined
// to the trace: by the ID of a span of it, or else by the trace's. The trace may be nil.
func fromRecords(records []sources.Record, trace *Trace) []Record {
	spans := map[sources.SpanID]bool{}
	if trace != nil {
		for i := range trace.Spans {
			spans[trace.Spans[i].ID] = true
		}
	}
	all := make([]Record, len(records))
	for i, r := range records {
		all[i] = describeRecord(r)
		all[i].Join = ByTraceID
		if trace != nil && all[i].TraceID == "" {
			all[i].TraceID = trace.ID // a record that only mentions the trace keeps its own
		}
		if spans[all[i].SpanID] {
			all[i].Join = BySpanID
		}
	}
	return all
}

func describeRecord(r sources.Record) Record {
	kept := Record{
		Time: r.Time.UTC(), Line: r.Line, Labels: r.Stream, Metadata: r.Metadata,
		Severity: strings.ToLower(recordField(r, ident.SeverityFields)),
	}
	kept.Service, _ = r.Stream.First(logServiceLabels...)
	if id, ok := ident.ParseTrace(recordField(r, ident.TraceFields)); ok {
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
		if label, names = namesOf(service, streams); label != "" {
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
func namesOf(service string, streams []sources.Labels) (label string, names []string) {
	for _, label := range logServiceLabels {
		for _, l := range streams {
			if name := l[label]; name != "" && sameService(name, service) && !slices.Contains(names, name) {
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
		kept := describeRecord(r)
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
