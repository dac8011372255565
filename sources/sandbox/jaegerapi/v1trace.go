package jaegerapi

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"obs/sources"
)

// The trace of v1, as of model.go in Jaeger's internal/uimodel.
type (
	traceDoc struct {
		TraceID   string                `json:"traceID"`
		Spans     []spanDoc             `json:"spans"`
		Processes map[string]processDoc `json:"processes"`
		Warnings  []string              `json:"warnings"`
	}
	spanDoc struct {
		TraceID   string         `json:"traceID"`
		SpanID    string         `json:"spanID"`
		Operation string         `json:"operationName"`
		Refs      []referenceDoc `json:"references"`
		Start     uint64         `json:"startTime"`
		Duration  uint64         `json:"duration"`
		Tags      []tagDoc       `json:"tags"`
		Logs      []logDoc       `json:"logs"`
		Process   string         `json:"processID"`
		Warnings  []string       `json:"warnings"`
	}
	referenceDoc struct {
		Type    string `json:"refType"`
		TraceID string `json:"traceID"`
		SpanID  string `json:"spanID"`
	}
	processDoc struct {
		Service string   `json:"serviceName"`
		Tags    []tagDoc `json:"tags"`
	}
	logDoc struct {
		Time   uint64   `json:"timestamp"`
		Fields []tagDoc `json:"fields"`
	}
	tagDoc struct {
		Key   string `json:"key"`
		Type  string `json:"type"`
		Value any    `json:"value"`
	}
)

func tracesV1(traces []found, raw bool) []traceDoc {
	docs := make([]traceDoc, 0, len(traces))
	for _, t := range traces {
		all := asStored(t)
		if !raw {
			separate(all)
			all = withoutRepeats(all)
			skew{
				parent:  func(s *shown) uint64 { return parentV1(t.id, s) },
				host:    hostV1,
				missing: "invalid parent span IDs=%s; skipping clock skew adjustment",
			}.check(all)
		}
		docs = append(docs, documentV1(t.id, all, raw))
	}
	return docs
}

func documentV1(id traceID, all []*shown, raw bool) traceDoc {
	doc := traceDoc{TraceID: id.String(), Spans: make([]spanDoc, 0, len(all)), Processes: map[string]processDoc{}}
	names := map[*process]string{}
	for _, s := range all {
		name := names[s.process]
		if name == "" {
			name = fmt.Sprintf("p%d", len(names)+1)
			names[s.process] = name
			doc.Processes[name] = s.process.document()
		}
		span := spanDoc{
			TraceID:   doc.TraceID,
			SpanID:    digits(s.id),
			Operation: s.operation,
			Refs:      references(id, s, raw),
			Start:     micros(s.start),
			Duration:  micros(s.end - s.start),
			Tags:      s.tags(raw),
			Logs:      []logDoc{},
			Process:   name,
			Warnings:  s.warnings,
		}
		if s.more != nil {
			for _, e := range s.more.events {
				span.Logs = append(span.Logs, e.document())
			}
		}
		doc.Spans = append(doc.Spans, span)
	}
	return doc
}

func (p *process) document() processDoc {
	doc := processDoc{Service: p.service, Tags: []tagDoc{}}
	for _, a := range p.resource {
		if a.Key != keyService {
			doc.Tags = append(doc.Tags, tagOf(a))
		}
	}
	return doc
}

// tags are the attributes, and what are fields of a span in OpenTelemetry.
func (s *shown) tags(raw bool) []tagDoc {
	list := make([]tagDoc, 0, len(s.attributes)+4)
	add := func(key, text string) {
		if text != "" {
			list = append(list, tagDoc{key, "string", text})
		}
	}
	field := func(key string) { text, _ := s.attributes.get(key); add(key, text) }
	field(keyScope)
	field(keyScopeVersion)
	for _, a := range s.attributes {
		if !isField(a.Key) {
			list = append(list, tagOf(a))
		}
	}
	add("span.kind", string(s.kind))
	if s.status == sources.StatusOK || s.status == sources.StatusError {
		add("otel.status_code", strings.ToUpper(string(s.status)))
	}
	if s.status == sources.StatusError {
		list = append(list, tagDoc{"error", "bool", true})
	}
	if s.more != nil {
		add("otel.status_description", s.more.message)
	}
	field(keyTraceState)
	if !raw {
		slices.SortStableFunc(list, func(a, b tagDoc) int { return cmp.Compare(a.Key, b.Key) })
	}
	return list
}

// document is the event with its name as the first of its fields, unless an attribute
// has taken that place.
func (e *event) document() logDoc {
	doc := logDoc{Time: micros(e.at), Fields: []tagDoc{}}
	if _, taken := e.attributes.get("event"); e.name != "" && !taken {
		doc.Fields = append(doc.Fields, tagDoc{"event", "string", e.name})
	}
	for _, a := range e.attributes {
		doc.Fields = append(doc.Fields, tagOf(a))
	}
	return doc
}

// maxSafe is the largest integer that a browser reads without loss.
const maxSafe = 1<<53 - 1

func tagOf(a *sources.Attribute) tagDoc {
	value := pcommon.NewValueEmpty()
	typed(value, a.Key, a.Value)
	switch value.Type() {
	case pcommon.ValueTypeBool:
		return tagDoc{a.Key, "bool", value.Bool()}
	case pcommon.ValueTypeDouble:
		return tagDoc{a.Key, "float64", value.Double()}
	case pcommon.ValueTypeInt:
		if n := value.Int(); n > maxSafe || n < -maxSafe {
			return tagDoc{a.Key, "int64", strconv.FormatInt(n, 10)}
		}
		return tagDoc{a.Key, "int64", value.Int()}
	}
	return tagDoc{a.Key, "string", a.Value}
}

// micros is a time or duration in microseconds, as v1 writes it.
func micros(nanos int64) uint64 { return uint64(nanos / int64(time.Microsecond)) }

const childOf, followsFrom = "CHILD_OF", "FOLLOWS_FROM"

// references are the parent and the links. A link to the parent takes its place.
func references(id traceID, s *shown, raw bool) []referenceDoc {
	refs := []referenceDoc{}
	if s.parent != 0 {
		refs = append(refs, referenceDoc{childOf, id.String(), digits(s.parent)})
	}
	if s.more == nil {
		return refs
	}
	for _, l := range s.more.links {
		ref := referenceDoc{followsFrom, l.trace.String(), digits(l.span)}
		if s.parent != 0 && l.trace == id && l.span == s.parent {
			refs[0] = ref
		} else {
			refs = append(refs, ref)
		}
	}
	if first := foremost(id.String(), refs); first > 0 && !raw {
		refs[0], refs[first] = refs[first], refs[0] // the page takes the first for the parent
	}
	return refs
}

// foremost is the reference that v1 takes for the parent: the first within the trace
// that says so, else the first within the trace; -1 if there is none.
func foremost(id string, refs []referenceDoc) int {
	within := func(r referenceDoc) bool { return r.TraceID == id }
	if i := slices.IndexFunc(refs, func(r referenceDoc) bool { return within(r) && r.Type == childOf }); i >= 0 {
		return i
	}
	return slices.IndexFunc(refs, within)
}

func parentV1(id traceID, s *shown) uint64 {
	refs := references(id, s, true)
	i := foremost(id.String(), refs)
	if i < 0 {
		return 0
	}
	return number(refs[i].SpanID)
}
