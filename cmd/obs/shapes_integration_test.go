//go:build integration

package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources"
)

// carried is one record's line, labels and metadata.
type carried struct {
	line             string
	labels, metadata map[string]string
}

// shape is one way in which services write a trace's ID to their logs.
type shape struct {
	// write puts the ID of a trace, as 32 digits, and of a span beside what is said.
	write func(trace, span, said string) carried
	// kind and field are the place that obs is to name.
	kind, field string
	// narrow tells that traces are of 64 bits.
	narrow bool
	// decimal tells that the lower half alone is written, and plain that the ID has no
	// name that is known: whose line it is cannot be told where two stand in it.
	decimal, plain bool
}

func inLine(format func(trace, span, said string) string, kind, field string) shape {
	return shape{write: func(trace, span, said string) carried { return carried{line: format(trace, span, said)} }, kind: kind, field: field}
}

func inMetadata(name string, spelled func(string) string) shape {
	return shape{write: func(trace, span, said string) carried {
		return carried{line: said, metadata: map[string]string{name: spelled(trace), "span_id": span}}
	}, kind: correlate.InMetadata, field: name}
}

func inLabel(name string, spelled func(string) string) shape {
	return shape{write: func(trace, _, said string) carried {
		return carried{line: said, labels: map[string]string{name: spelled(trace)}}
	}, kind: correlate.InLabel, field: name}
}

func same(id string) string { return id }

func dashed(id string) string {
	return strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:]}, "-")
}

func lowerHalf(id string) string {
	n, err := strconv.ParseUint(id[16:], 16, 64)
	if err != nil {
		panic(err)
	}
	return strconv.FormatUint(n, 10)
}

func withoutZeros(id string) string { return strings.TrimLeft(id, "0") }

func unnamed(s shape) shape { s.plain = true; return s }
func half(s shape) shape    { s.decimal = true; return s }
func narrow(s shape) shape  { s.narrow = true; return s }

var shapes = map[string]shape{
	"text": unnamed(inLine(func(trace, _, said string) string { return "INFO [" + trace + "] " + said }, correlate.InLine, "")),
	"text with a name": inLine(func(trace, span, said string) string {
		return "INFO main " + said + " trace_id=" + trace + " span_id=" + span
	}, correlate.InLine, ""),
	"text in capitals": unnamed(inLine(func(trace, _, said string) string { return "(" + strings.ToUpper(trace) + ") " + said }, correlate.InLine, "")),
	"text as a UUID":   unnamed(inLine(func(trace, _, said string) string { return said + " in " + dashed(trace) }, correlate.InLine, "")),
	"Spring Cloud Sleuth": unnamed(inLine(func(trace, span, said string) string {
		return "INFO [made," + trace + "," + span + "] 1 --- " + said
	}, correlate.InLine, "")),
	"traceparent": inLine(func(trace, span, said string) string {
		return fmt.Sprintf(`{"msg":%q,"traceparent":"00-%s-%s-01"}`, said, trace, span)
	}, correlate.InField, "traceparent"),
	"JSON": inLine(func(trace, span, said string) string {
		return fmt.Sprintf(`{"msg":%q,"trace_id":%q,"span_id":%q}`, said, trace, span)
	}, correlate.InField, "trace_id"),
	"nested JSON": inLine(func(trace, span, said string) string {
		return fmt.Sprintf(`{"message":%q,"trace":{"id":%q},"span":{"id":%q}}`, said, trace, span)
	}, correlate.InField, "trace.id"),
	"Datadog's decimal": half(inLine(func(trace, _, said string) string {
		return fmt.Sprintf(`{"message":%q,"dd.trace_id":%q}`, said, lowerHalf(trace))
	}, correlate.InField, "dd.trace_id")),
	"Datadog's decimal, nested, as a number": half(inLine(func(trace, _, said string) string {
		return fmt.Sprintf(`{"message":%q,"dd":{"trace_id":%s}}`, said, lowerHalf(trace))
	}, correlate.InField, "dd.trace_id")),
	"Datadog's decimal in metadata": half(inMetadata("dd_trace_id", lowerHalf)),
	"logfmt": inLine(func(trace, span, said string) string {
		return fmt.Sprintf(`level=info msg=%q traceID=%s spanID=%s`, said, trace, span)
	}, correlate.InField, "traceID"),
	"JSON in a container's JSON": unnamed(inLine(func(trace, span, said string) string {
		return fmt.Sprintf(`{"log":%q,"stream":"stdout"}`, fmt.Sprintf(`{"msg":%q,"trace_id":%q,"span_id":%q}`, said, trace, span)+"\n")
	}, correlate.InLine, "")),
	"label":                           inLabel("trace_id", same),
	"label of any name and notation":  unnamed(inLabel("request_trace", func(id string) string { return strings.ToUpper(dashed(id)) })),
	"metadata":                        inMetadata("trace_id", same),
	"metadata in capitals":            inMetadata("traceID", strings.ToUpper),
	"metadata as a UUID":              inMetadata("traceId", dashed),
	"64 bits without zeros, text":     narrow(unnamed(inLine(func(trace, _, said string) string { return withoutZeros(trace) + ": " + said }, correlate.InLine, ""))),
	"64 bits without zeros, metadata": narrow(inMetadata("trace_id", withoutZeros)),
	"64 bits in 16 digits, JSON":      narrow(inLine(func(trace, _, said string) string { return fmt.Sprintf(`{"msg":%q,"traceId":%q}`, said, trace[16:]) }, correlate.InField, "traceId")),
	"64 bits in decimal, as a number": narrow(half(inLine(func(trace, _, said string) string {
		return fmt.Sprintf(`{"msg":%q,"dd.trace_id":%s}`, said, lowerHalf(trace))
	}, correlate.InField, "dd.trace_id"))),
}

// mixed is a shape for each of the services.
var mixed = map[string]string{"made-cart": "metadata", "made-ledger": "nested JSON", "made-mail": "text", "made-web": "label"}

const (
	drawnTraces = 25 // of each shape
	unsampled   = 5  // every so many of them are not in Jaeger
)

// id draws one as the shape has them.
func (m *made) id(s shape) string {
	if s.narrow {
		return strings.Repeat("0", 18) + m.digits(14)
	}
	return m.digits(32)
}

// fill writes the records of a trace: up to twelve of its spans, one of which in four says
// what stands before.
func (m *made) fill(t *madeTrace, of func(service string) shape, said string) {
	for range 1 + m.draw.IntN(12) {
		s := t.spans[m.draw.IntN(len(t.spans))]
		c := of(s.service).write(t.id, s.id, said+"step "+strconv.FormatUint(m.draw.Uint64()>>40, 10))
		t.records = append(t.records, m.log(s, c.line, c.labels, c.metadata))
	}
}

// decoys are traces whose IDs are nearly this one, at its time and in its services, and
// lines of other requests that quote it.
func (m *made) decoys(t *madeTrace, s shape, of func(service string) shape) {
	places := []int{31, 20, 1}
	if s.decimal || s.narrow {
		places[2] = 18
	}
	for _, at := range places {
		decoy := *t
		decoy.id, decoy.spans, decoy.records = other(t.id, at), nil, nil
		for _, span := range t.spans {
			span.trace, span.id, span.parent = decoy.id, m.digits(16), ""
			decoy.spans = append(decoy.spans, span)
		}
		said := ""
		if !s.plain {
			said = "after trace " + t.id + ", "
		}
		m.fill(&decoy, of, said)
		m.keep(&decoy)
	}
	for _, line := range []string{
		"digest " + t.id + "ab", "digest ab" + t.id, "number 9" + lowerHalf(t.id), "number " + lowerHalf(t.id) + "0", "file " + t.id[:31], "file " + withoutZeros(t.id)[1:],
	} {
		m.records = append(m.records, m.log(t.spans[0], line, nil, nil))
	}
}

// shaped makes traces with records of a shape, and what is nearly the same.
func (m *made) shaped(s shape, of func(service string) shape) []*madeTrace {
	var all, stored []*madeTrace
	for i := range drawnTraces {
		t := m.trace(m.id(s))
		m.fill(t, of, "")
		m.decoys(t, s, of)
		if all = append(all, t); i%unsampled == 0 {
			t.spans = nil
		} else {
			stored = append(stored, t)
		}
		m.keep(t)
	}
	m.push(stored...)
	return all
}

// same checks what obs finds of each trace, as a person asks and by habit.
func (m *made) same(traces []*madeTrace, of func(service string) shape) {
	m.t.Helper()
	m.each(traces, func(i int, t *madeTrace) error {
		id, _ := sources.ParseTraceID(t.id)
		c, err := m.ask(spell(id, i))
		if err != nil {
			return err
		}
		if err := m.differences(c, []*madeTrace{t}); err != nil {
			return err
		}
		return placed(c, t, of)
	})
	// Habits count where no trace tells the time: they are learnt of some, and tried on those
	// that Jaeger does not have.
	habits := correlate.NewHabits(nil, time.Now())
	byHabit := func(_ int, t *madeTrace) error {
		c, err := m.find(m.t.Context(), t.id, habits)
		if err == nil {
			err = m.differences(c, []*madeTrace{t})
		}
		if err != nil {
			return fmt.Errorf("by habit: %w", err)
		}
		return nil
	}
	m.each(traces[:unsampled], byHabit)
	if known, learnt := habits.Known(); !learnt || len(known) == 0 {
		m.t.Errorf("nothing was learnt of %d traces", unsampled)
	}
	var strangers []*madeTrace
	for i := 0; i < len(traces); i += unsampled {
		strangers = append(strangers, traces[i])
	}
	m.each(strangers, byHabit)
}

// placed checks that the case names the place of every record, and no other.
func placed(c *correlate.Case, t *madeTrace, of func(service string) shape) error {
	want := map[correlate.Place]int{}
	for _, r := range t.records {
		s := of(r.service)
		want[correlate.Place{Service: r.service, Kind: s.kind, Field: s.field}]++
	}
	for _, p := range c.Places {
		if p.Kind == correlate.Nowhere {
			continue
		}
		n := p.Records
		p.Records = 0
		if want[p] != n {
			return fmt.Errorf("%d records are said to carry the ID in %+v, want %d", n, p, want[p])
		}
		delete(want, p)
	}
	if len(want) > 0 {
		return fmt.Errorf("places that are not named: %v, only %+v", want, c.Places)
	}
	return nil
}

// Wherever services write a trace's ID, obs trace shows what was written, and no more.
func TestTraceIDsInEveryPlace(t *testing.T) {
	for name, s := range shapes {
		t.Run(name, func(t *testing.T) {
			m := newMade(t)
			of := func(string) shape { return s }
			m.same(m.shaped(s, of), of)
		})
	}
	t.Run("mixed by service", func(t *testing.T) {
		m := newMade(t)
		of := func(service string) shape { return shapes[mixed[service]] }
		m.same(m.shaped(shape{plain: true}, of), of)
	})
}

// The records of one tenant are never another's, though their traces are the same.
func TestTraceIDsOfATenant(t *testing.T) {
	const first, second = "made-first", "made-second"
	m := newMade(t)
	m.env["LOKI_URL"], m.env["LOKI_ORG_ID"] = address("LOKI_TENANTS_URL"), first
	m.tenant = first
	of := func(service string) shape { return shapes[cmp.Or(mixed[service], "JSON")] }
	traces := m.shaped(shape{plain: true}, of)
	var theirs []*madeTrace
	m.tenant = second
	for _, trace := range traces {
		copied := &madeTrace{id: trace.id, spans: trace.spans}
		for _, r := range trace.records {
			r.line += " of the other tenant"
			copied.records = append(copied.records, r)
		}
		theirs = append(theirs, copied)
		m.records = append(m.records, copied.records...)
	}
	m.push()
	m.same(traces, of)
	m.env["LOKI_ORG_ID"] = second
	m.each(theirs, func(_ int, trace *madeTrace) error {
		c, err := m.ask(trace.id)
		if err != nil {
			return err
		}
		return m.differences(c, []*madeTrace{trace})
	})
}
