package correlate

import (
	"fmt"

	"obs/correlate/spans"
	"obs/sources"
)

// FromTree turns a trace whose structure is worked out into the case's form: the spans
// parents first, siblings in order of start.
func FromTree(tree *spans.Tree) Trace {
	window, path := tree.Trace.Window(), tree.OnPath()
	trace := Trace{
		ID: tree.Trace.ID, SpanCount: len(tree.Nodes), Start: window.From.UTC(),
		DurationSeconds: window.Duration().Seconds(),
		CriticalPath:    make([]OnPath, 0, len(path)),
	}
	if tree.Main != spans.None {
		root := tree.Span(tree.Main)
		trace.Root = &Work{Service: root.Service, Operation: root.Operation}
		trace.Start, trace.DurationSeconds = root.Start.UTC(), root.Duration.Seconds()
	}
	for _, i := range path {
		span := tree.Span(i)
		trace.CriticalPath = append(trace.CriticalPath, OnPath{
			SpanID: span.ID, Service: span.Service, Operation: span.Operation,
			SelfSeconds: tree.Nodes[i].Critical.Seconds(),
		})
	}
	attempts := tree.Attempts()
	order := make([]int, 0, len(tree.Nodes))
	tree.Walk(func(i int) bool {
		order = append(order, i)
		return true
	})
	trace.Spans = make([]Span, len(order))
	sources.OnAllProcessors(len(order), func(from, to int) {
		for at := from; at < to; at++ {
			trace.Spans[at] = fromNode(tree, order[at], attempts)
		}
	})
	for i := range trace.Spans {
		trace.ErrorCount += oneIf(trace.Spans[i].Error)
		trace.OrphanCount += oneIf(trace.Spans[i].Orphan)
	}
	for _, skew := range tree.Skews() {
		trace.Remarks = append(trace.Remarks, fmt.Sprintf(
			"the clocks of %s and %s differ by at least %s: spans of %s begin before the calls to them do",
			skew.Caller, skew.Callee, Seconds(skew.AtLeast.Seconds()), skew.Callee))
	}
	return trace
}

// fromNode turns one span of a tree into the case's form.
func fromNode(tree *spans.Tree, i int, attempts map[int]spans.Attempt) Span {
	span, node := tree.Span(i), &tree.Nodes[i]
	kept := Span{
		ID: span.ID, ParentID: span.ParentID, Service: span.Service, Operation: span.Operation,
		Kind: span.Kind, Error: node.Failed, StatusMessage: span.StatusMessage, Start: span.Start.UTC(),
		DurationSeconds: span.Duration.Seconds(), SelfSeconds: node.Self.Seconds(),
		CriticalSeconds: node.Critical.Seconds(), Depth: node.Depth, Orphan: node.Orphan,
		Attributes: span.Attributes, Resource: span.Resource, Events: span.Events,
	}
	for _, link := range span.Links {
		kept.Links = append(kept.Links, Link(link))
	}
	if a, ok := attempts[i]; ok {
		kept.Attempt, kept.Attempts = a.Number, a.Of
	}
	return kept
}

// Window is the trace's own time: from its first span's start to its last one's end.
func (t *Trace) Window() sources.Window {
	w := sources.Window{From: t.Start, To: t.Start.Add(seconds(t.DurationSeconds))}
	for i := range t.Spans {
		start := t.Spans[i].Start
		w = w.Union(sources.Window{From: start, To: start.Add(seconds(t.Spans[i].DurationSeconds))})
	}
	return w
}

// Span is the span with that ID, or nil.
func (t *Trace) Span(id sources.SpanID) *Span {
	for i := range t.Spans {
		if t.Spans[i].ID == id {
			return &t.Spans[i]
		}
	}
	return nil
}
