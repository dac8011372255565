package correlate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
	"golang.org/x/sync/errgroup"

	"obs/correlate/spans"
	"obs/sources"
)

// tie is by what one came to a trace.
type tie struct {
	from string // of the hop
	join Join
	id   string         // the ID that both carry
	span sources.SpanID // that links to it
}

// fetched is the trace backend's answer to the question for a trace.
type fetched struct {
	trace *Trace
	gone  bool // it does not have it
}

// fetch brings traces, at once.
func (f *finder) fetch(ctx context.Context, ids []sources.TraceID) []fetched {
	answers := make([]fetched, len(ids))
	for _, id := range ids {
		f.asked[id] = true
	}
	if f.set.Traces == nil || len(ids) == 0 || ctx.Err() != nil {
		return answers
	}
	doing := "fetching trace " + string(ids[0])
	if len(ids) > 1 {
		doing = fmt.Sprintf("fetching %d traces", len(ids))
	}
	step := f.begin("trace", doing)
	failures, partial := make([]error, len(ids)), make([]string, len(ids))
	var group errgroup.Group
	for i, id := range ids {
		group.Go(func() error {
			answer, err := f.set.Traces.Trace(ctx, id, sources.Window{})
			switch {
			case errors.Is(err, sources.ErrNotFound):
				answers[i].gone = true
			case err != nil:
				failures[i] = err
			default:
				tree := spans.Build(&answer)
				trace := FromTree(tree)
				if origin := tree.ErrorOrigin(); origin != spans.None && trace.failed() {
					trace.Blamed = tree.Span(origin).ID
				}
				trace.URL = f.set.Traces.Link(id, "")
				answers[i].trace, partial[i] = &trace, answer.Partial
			}
			return nil
		})
	}
	_ = group.Wait() // failures are kept for each
	for i, id := range ids {
		f.gone[id] = answers[i].gone
		if partial[i] != "" {
			f.found.missing(Missing{
				Backend: f.set.TraceBackend(), Kind: MissingTruncated,
				Reason: fmt.Sprintf("it gave a part of trace %s: %s", id, partial[i]),
				Hint:   "what lies beneath a span without children may be missing: raise the server's limit for a trace",
			})
		}
	}
	count, failed := 0, false
	for i, err := range failures {
		if err != nil {
			failed = true
			f.found.missingError(f.set.TraceBackend(), "no spans were looked at", err)
		}
		if t := answers[i].trace; t != nil {
			count += t.SpanCount
		}
	}
	switch {
	case failed:
		step.failed(f.set.TraceBackend().Name() + " gave no answer")
	case count == 0:
		step.ended(f.set.TraceBackend().Name() + " does not have it")
	default:
		step.ended(counted(count, "span"))
	}
	return answers
}

// keepTrace adds a trace to the case, with the hop to it.
func (f *finder) keepTrace(trace *Trace, by tie) {
	if f.found.Trace == nil {
		f.found.Trace = trace
		f.found.Window = trace.Window()
	} else {
		trace.Related = f.relation(trace, by)
		f.found.OtherTraces = append(f.found.OtherTraces, *trace)
	}
	f.found.Hops = append(f.found.Hops, Hop{
		From: by.from, To: "trace", Join: by.join, ID: string(trace.ID), Note: counted(trace.SpanCount, "span"),
		Evidence: &Evidence{Backend: f.set.TraceBackend(), Query: "trace " + string(trace.ID), Window: trace.Window(), URL: trace.URL},
	})
}

// relation says what a further trace has to do with the first.
func (f *finder) relation(trace *Trace, by tie) *Relation {
	first := f.found.Trace
	r := &Relation{Join: by.join, TraceID: first.ID, SpanID: by.span}
	switch by.join {
	case ByLink:
		r.Text = "span " + string(by.span) + " links to it"
		for _, t := range f.found.Traces() {
			if s := t.Span(by.span); s != nil {
				r.TraceID = t.ID
				r.Text = fmt.Sprintf("%s %s of %s links to it", s.Service, s.Operation, t.ID)
			}
		}
	default:
		r.Text = "it carries the same request ID"
		if by.id != "" {
			r.Text = "it carries the same request ID " + by.id
		}
		earlier, later := first, trace
		if later.Start.Before(earlier.Start) {
			earlier, later = later, earlier
		}
		if sameEntrance(earlier, later) && earlier.failed() && !later.Start.Before(earlier.Window().To) {
			r.Text += fmt.Sprintf(": %s was tried again %s after %s had failed", describeRoot(later), Seconds(later.Start.Sub(earlier.Window().To).Seconds()), earlier.ID)
		}
	}
	return r
}

// failed reports whether the request's first span failed.
func (t *Trace) failed() bool {
	return len(t.Spans) > 0 && slices.ContainsFunc(t.Spans, func(s Span) bool { return s.Depth == 0 && s.Error })
}

func sameEntrance(a, b *Trace) bool { return a.Root != nil && b.Root != nil && *a.Root == *b.Root }

func describeRoot(t *Trace) string { return t.Root.Service + " " + t.Root.Operation }

// Traces are all of the case, the one that was asked for first.
func (c *Case) Traces() []*Trace {
	if c.Trace == nil {
		return nil
	}
	all := []*Trace{c.Trace}
	for i := range c.OtherTraces {
		all = append(all, &c.OtherTraces[i])
	}
	return all
}

// byAttribute searches every service's spans for an attribute that holds the request
// ID, one attribute after the other, and stops at the first that finds something.
func (f *finder) byAttribute(ctx context.Context, id string) []sources.TraceID {
	if f.set.Traces == nil || ctx.Err() != nil {
		return nil
	}
	f.searchedSpans[id] = true
	step := f.begin("attributes", "searching the span attributes for it")
	services, err := f.set.Traces.Services(ctx)
	if err != nil {
		f.found.missingError(f.set.TraceBackend(), "span attributes were not searched", err)
		step.failed(f.set.TraceBackend().Name() + " gave no answer")
		return nil
	}
	slices.Sort(services)
	known := len(services)
	services = services[:min(known, maxAsked)]
	for _, attribute := range f.names.attributesOf(id) {
		ids, err := f.searchAttribute(ctx, services, sources.Attributes{attribute}, f.attributeWindow())
		if err != nil {
			f.found.missingError(f.set.TraceBackend(), "span attributes were not searched", err)
			step.failed(f.set.TraceBackend().Name() + " gave no answer")
			return nil
		}
		if len(ids) > 0 {
			step.ended(fmt.Sprintf("%s holds it", attribute.Key))
			return ids
		}
	}
	if len(services) < known {
		f.found.missing(Missing{
			Backend: f.set.TraceBackend(), Kind: MissingTruncated,
			Reason: fmt.Sprintf("the spans of %d of %d services were searched", len(services), known),
			Hint:   "find the request's trace ID in the logs, and ask for that",
		})
	}
	step.ended("no span attribute holds it")
	return nil
}

// searchAttribute searches the spans of services for an attribute. The traces come in the
// order of the services.
func (f *finder) searchAttribute(ctx context.Context, services []string, attribute sources.Attributes, window sources.Window) ([]sources.TraceID, error) {
	results := make([][]sources.Trace, len(services))
	group, ctx := errgroup.WithContext(ctx)
	for i, service := range services {
		group.Go(func() error {
			answer, err := f.set.Traces.Search(ctx, sources.TraceQuery{
				Service: service, Window: window, Attributes: attribute, Limit: maxTraces + 1,
			})
			results[i] = answer.Traces
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var ids []sources.TraceID
	for _, trace := range slices.Concat(results...) {
		ids = append(ids, trace.ID)
	}
	return eachOnce(ids), nil
}

// attributeWindow is the widest that is looked in, as traces are kept for days.
func (f *finder) attributeWindow() sources.Window {
	w := f.lookup.Window
	if widest := widenings[len(widenings)-1]; !f.lookup.Fixed && w.Duration() < widest {
		w.From = w.To.Add(-widest)
	}
	return w
}

// attributesOf are the attributes to search for, each as it may be stored: the
// headers of OpenTelemetry's conventions are lists, which Jaeger keeps as JSON text.
func (n *glossary) attributesOf(id string) sources.Attributes {
	var all sources.Attributes
	for _, name := range n.requestAttributes() {
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

// valuesOf are the IDs that an attribute holds: itself, or the texts of its list.
func valuesOf(value string) []string {
	if !strings.HasPrefix(value, "[") || !gjson.Valid(value) {
		if value == "" {
			return nil
		}
		return []string{value}
	}
	var all []string
	gjson.Parse(value).ForEach(func(_, item gjson.Result) bool {
		if text := item.String(); item.Type == gjson.String && text != "" {
			all = append(all, text)
		}
		return true
	})
	return all
}
