package correlate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"obs/correlate/ident"
	"obs/correlate/spans"
	"obs/sources"
)

// Bounds of a lookup.
const (
	lookupRecords = 50000 // log records of one request
	maxTraces     = 5     // traces of one request that are fetched
	maxAsked      = 40    // services that are searched for a request ID in span attributes
)

// widenings are how far back records are looked for when the window at hand has none.
var widenings = []time.Duration{6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}

// Lookup is what `obs trace` is asked.
type Lookup struct {
	ID ident.ID
	// Text is what the person gave.
	Text string
	// Window is where to look for what has no time of its own.
	Window sources.Window
	// Fixed keeps the window from being widened when nothing is found.
	Fixed bool
	// Compare compares the trace with normal ones of the same root, With with one other.
	Compare bool
	With    sources.TraceID
}

// finder is one lookup under way.
type finder struct {
	set     sources.Set
	lookup  Lookup
	observe Observer
	found   *Case
}

// Find brings one request: its traces with all their spans, and every log record that
// carries its IDs. It always returns a case; a case without trace and records means
// that everything which answered knows nothing of the ID.
func Find(ctx context.Context, set sources.Set, lookup Lookup, observe Observer) *Case {
	if observe == nil {
		observe = func(Step) {}
	}
	f := &finder{set: set, lookup: lookup, observe: observe, found: NewCase(lookup.Window)}
	f.found.Asked, f.found.TakenFor = lookup.Text, lookup.ID.Reading
	if set.Traces == nil {
		f.found.notConfigured(sources.Jaeger, "no spans were looked at")
	}
	if set.Logs == nil {
		f.found.notConfigured(sources.Loki, "no log record was looked at")
	}
	if lookup.ID.Trace != "" {
		f.byTraceID(ctx, lookup.ID.Trace, "request", ByTraceID)
	}
	if lookup.ID.Request != "" && f.found.Trace == nil && len(f.found.Records) == 0 {
		f.byRequestID(ctx, lookup.ID.Request)
	}
	f.compare(ctx)
	if err := ctx.Err(); err != nil {
		f.found.interrupted(err)
	}
	f.found.keepQueries(set.Ledger)
	return f.found
}

func (f *finder) begin(name, doing string) stepUnderWay { return begin(f.observe, name, doing) }

// byTraceID brings the spans and records of a trace and adds them to the case.
func (f *finder) byTraceID(ctx context.Context, id sources.TraceID, from string, join Join) {
	trace, gone := f.fetch(ctx, id)
	if trace != nil {
		f.keepTrace(trace)
		f.found.Hops = append(f.found.Hops, Hop{
			From: from, To: "trace", Join: join, ID: string(id), Note: counted(trace.SpanCount, "span"),
			Evidence: &Evidence{Backend: sources.Jaeger, Query: "trace " + string(id), Window: trace.Window(), URL: trace.URL},
		})
	}
	if f.set.Logs == nil || ctx.Err() != nil {
		return
	}
	window := f.lookup.Window
	if trace != nil {
		window = trace.Window().Pad(recordSlack)
	}
	records := f.records(ctx, traceSearch(id), window, trace != nil)
	f.keepRecords(records, trace, id, ByTraceID)
	if gone && len(f.found.Records) > 0 {
		f.found.missing(Missing{
			Backend: sources.Jaeger, Kind: MissingNoData,
			Reason: fmt.Sprintf("the records name trace %s, which Jaeger does not have", id),
			Hint:   "it was not sampled, has expired, or is still arriving",
		})
	}
}

// fetch brings one trace; nil when there is none, which gone tells, or when Jaeger did
// not answer.
func (f *finder) fetch(ctx context.Context, id sources.TraceID) (trace *Trace, gone bool) {
	if f.set.Traces == nil {
		return nil, false
	}
	step := f.begin("trace", "fetching trace "+string(id))
	answer, err := f.set.Traces.Trace(ctx, id, sources.Window{})
	switch {
	case errors.Is(err, sources.ErrNotFound):
		step.ended("Jaeger does not have it")
		return nil, true
	case err != nil:
		f.found.missingError(sources.Jaeger, "no spans were looked at", err)
		step.failed("Jaeger gave no answer")
		return nil, false
	}
	fetched := FromTree(spans.Build(&answer))
	fetched.URL = f.set.Traces.Link(id, "")
	step.ended(counted(fetched.SpanCount, "span"))
	return &fetched, false
}

func (f *finder) keepTrace(trace *Trace) {
	if f.found.Trace == nil {
		f.found.Trace = trace
		f.found.Window = trace.Window()
	} else {
		f.found.OtherTraces = append(f.found.OtherTraces, *trace)
	}
}

// records looks in the window, and farther back where nothing is there and the window
// was a guess.
func (f *finder) records(ctx context.Context, s search, window sources.Window, known bool) foundRecords {
	step := f.begin("records", "bringing its log records")
	windows := []sources.Window{window}
	if !known && !f.lookup.Fixed {
		for _, back := range widenings {
			if back > window.Duration() {
				windows = append(windows, sources.Window{From: window.To.Add(-back), To: window.To})
			}
		}
	}
	var found foundRecords
	for _, w := range windows {
		if !known && f.found.Trace == nil {
			f.found.Window = w
		}
		var err error
		found, err = findRecords(ctx, f.set.Logs, s, w, lookupRecords)
		if err != nil {
			f.found.missingError(sources.Loki, "not all log records were looked at", err)
			step.failed("Loki gave no answer")
			return foundRecords{}
		}
		if len(found.records) > 0 {
			break
		}
	}
	if found.truncated {
		f.found.missing(truncatedRecords(len(found.records)))
	}
	step.ended(counted(len(found.records), "record"))
	return found
}

func (f *finder) keepRecords(found foundRecords, trace *Trace, id sources.TraceID, join Join) {
	known := map[string]bool{}
	for _, r := range f.found.Records {
		known[caseRecordKey(&r)] = true
	}
	fresh := 0
	for _, kept := range fromRecords(found.records, trace) {
		switch {
		case join == ByRequestID:
			kept.Join = ByRequestID
		case kept.TraceID == "":
			kept.TraceID = id
		}
		if !known[caseRecordKey(&kept)] {
			f.found.Records = append(f.found.Records, kept)
			fresh++
		}
	}
	slices.SortStableFunc(f.found.Records, func(a, b Record) int { return a.Time.Compare(b.Time) })
	if len(found.records) == 0 {
		return
	}
	from, hopID := "trace", string(id)
	if join == ByRequestID {
		from, hopID = "request", f.lookup.ID.Request
	}
	for i, evidence := range found.evidence {
		hop := Hop{From: from, To: "records", Join: join, ID: hopID, Evidence: &evidence}
		if i == 0 {
			hop.Note = counted(fresh, "record")
		}
		f.found.Hops = append(f.found.Hops, hop)
	}
}

func caseRecordKey(r *Record) string { return r.Time.String() + r.Labels.String() + r.Line }

// byRequestID follows a request ID to its traces: by the log records that carry both,
// and by the span attributes that hold it.
func (f *finder) byRequestID(ctx context.Context, id string) {
	var traces []sources.TraceID
	add := func(t sources.TraceID) {
		if t != "" && !slices.Contains(traces, t) {
			traces = append(traces, t)
		}
	}
	if f.set.Logs != nil {
		records := f.records(ctx, requestSearch(id), f.lookup.Window, false)
		f.keepRecords(records, nil, "", ByRequestID)
		for _, r := range f.found.Records {
			add(r.TraceID)
		}
	}
	if len(traces) == 0 && f.set.Traces != nil && ctx.Err() == nil {
		for _, t := range f.byAttribute(ctx, id) {
			add(t)
		}
	}
	if len(traces) > maxTraces {
		f.found.missing(Missing{
			Backend: sources.Jaeger, Kind: MissingTruncated,
			Reason: fmt.Sprintf("%d of the %d traces of the request are shown", maxTraces, len(traces)),
			Hint:   "look at the others by their own IDs: " + joinIDs(traces[maxTraces:]),
		})
		traces = traces[:maxTraces]
	}
	for _, t := range traces {
		f.byTraceID(ctx, t, "request", ByRequestID)
	}
}

func joinIDs(ids []sources.TraceID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	return strings.Join(texts, ", ")
}

// byAttribute searches every service's spans for an attribute that holds the request
// ID, one attribute after the other, and stops at the first that finds something.
func (f *finder) byAttribute(ctx context.Context, id string) []sources.TraceID {
	step := f.begin("attributes", "searching the span attributes for it")
	services, err := f.set.Traces.Services(ctx)
	if err != nil {
		f.found.missingError(sources.Jaeger, "span attributes were not searched", err)
		step.failed("Jaeger gave no answer")
		return nil
	}
	slices.Sort(services)
	known := len(services)
	services = services[:min(known, maxAsked)]
	for _, attribute := range requestAttributes(id) {
		var results = make([][]sources.Trace, len(services))
		group, groupCtx := errgroup.WithContext(ctx)
		for i, service := range services {
			group.Go(func() error {
				answer, err := f.set.Traces.Search(groupCtx, sources.TraceQuery{
					Service: service, Window: f.attributeWindow(), Attributes: sources.Attributes{attribute}, Limit: maxTraces,
				})
				results[i] = answer.Traces
				return err
			})
		}
		if err := group.Wait(); err != nil {
			f.found.missingError(sources.Jaeger, "span attributes were not searched", err)
			step.failed("Jaeger gave no answer")
			return nil
		}
		var ids []sources.TraceID
		for _, trace := range slices.Concat(results...) {
			if !slices.Contains(ids, trace.ID) {
				ids = append(ids, trace.ID)
			}
		}
		if len(ids) > 0 {
			step.ended(fmt.Sprintf("%s holds it", attribute.Key))
			return ids
		}
	}
	if len(services) < known {
		f.found.missing(Missing{
			Backend: sources.Jaeger, Kind: MissingTruncated,
			Reason: fmt.Sprintf("the spans of %d of %d services were searched", len(services), known),
			Hint:   "find the request's trace ID in the logs, and ask for that",
		})
	}
	step.ended("no span attribute holds it")
	return nil
}

// attributeWindow is the widest that is looked in, as traces are kept for days.
func (f *finder) attributeWindow() sources.Window {
	w := f.lookup.Window
	if widest := widenings[len(widenings)-1]; !f.lookup.Fixed && w.Duration() < widest {
		w.From = w.To.Add(-widest)
	}
	return w
}

// requestAttributes are the attributes to search for, each as it may be stored: the
// headers of OpenTelemetry's conventions are lists, which Jaeger keeps as JSON text.
func requestAttributes(id string) sources.Attributes {
	var all sources.Attributes
	for _, name := range ident.RequestAttributes {
		all = append(all, sources.Attribute{Key: name, Value: id})
		if strings.HasPrefix(name, "http.request.header.") {
			list, err := json.Marshal([]string{id})
			if err == nil {
				all = append(all, sources.Attribute{Key: name, Value: string(list)})
			}
		}
	}
	return all
}
