//go:build integration

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
)

// requests are the ways in which the records or the spans of a request carry its ID.
var requests = map[string]struct {
	record     func(request, trace, span string) carried
	attributes func(request string) []map[string]any
}{
	"JSON": {record: func(request, trace, span string) carried {
		return carried{line: fmt.Sprintf(`{"msg":"paid","request_id":%q,"trace_id":%q,"span_id":%q}`, request, trace, span)}
	}},
	"JSON, nested trace": {record: func(request, trace, _ string) carried {
		return carried{line: fmt.Sprintf(`{"msg":"paid","requestId":%q,"trace":{"id":%q}}`, request, trace)}
	}},
	"logfmt": {record: func(request, trace, _ string) carried {
		return carried{line: "level=info msg=paid reqId=" + request + " traceID=" + trace}
	}},
	"text, and the trace in metadata": {record: func(request, trace, span string) carried {
		return carried{line: "paid (" + request + ")", metadata: map[string]string{"trace_id": trace, "span_id": span}}
	}},
	"text, and the trace without a name": {record: func(request, trace, _ string) carried {
		return carried{line: "INFO [" + trace + "] paid, request " + request}
	}},
	"metadata, and the trace in text": {record: func(request, trace, _ string) carried {
		return carried{line: "paid, trace_id=" + strings.ToUpper(trace) + " done", metadata: map[string]string{"x_request_id": request}}
	}},
	"label, and the trace in metadata": {record: func(request, trace, _ string) carried {
		return carried{line: "paid", labels: map[string]string{"request_id": request}, metadata: map[string]string{"traceID": trace}}
	}},
	"an attribute": {attributes: func(request string) []map[string]any {
		return []map[string]any{text("request.id", request)}
	}},
	"a list of header values": {attributes: func(request string) []map[string]any {
		return []map[string]any{list("http.request.header.x-request-id", request)}
	}},
	"Envoy's attribute": {attributes: func(request string) []map[string]any {
		return []map[string]any{text("guid:x-request-id", request)}
	}},
}

// A request ID leads to the same as the trace's, whoever is the only one to know it, and
// whatever other request IDs it is a part of.
func TestRequestIDsLeadToTheSamePicture(t *testing.T) {
	for name, way := range requests {
		t.Run(name, func(t *testing.T) {
			m := newMade(t)
			const tries = 4
			ids := map[*madeTrace]string{}
			var all, stored []*madeTrace
			carry := func(request string) *madeTrace {
				trace := m.trace(m.digits(32))
				m.fill(trace, func(string) shape { return shapes["metadata"] }, "")
				if way.attributes != nil {
					trace.spans[0].attributes = way.attributes(request)
				} else {
					for _, s := range []madeSpan{trace.spans[0], trace.spans[len(trace.spans)-1]} {
						c := way.record(request, trace.id, s.id)
						trace.records = append(trace.records, m.log(s, c.line, c.labels, c.metadata))
					}
				}
				m.keep(trace)
				return trace
			}
			for range tries {
				request := "req-" + m.digits(12)
				trace := carry(request)
				ids[trace] = request
				all = append(all, trace)
				stored = append(stored, trace, carry(request+"1"), carry("x"+request), carry(request[:len(request)-1]))
			}
			m.push(stored...)
			m.each(all, func(_ int, trace *madeTrace) error {
				for _, id := range []string{trace.id, ids[trace]} {
					c, err := m.ask(id)
					if err == nil {
						err = m.differences(c, []*madeTrace{trace})
					}
					if err != nil {
						return fmt.Errorf("asked for %s: %w", id, err)
					}
				}
				return nil
			})
		})
	}
}

// What a request set off besides itself is shown with it: by its request ID, by links, and
// by records whose clock is off.
func TestWhatBelongsToARequest(t *testing.T) {
	asMetadata := func(string) shape { return shapes["metadata"] }
	later := func(trace *madeTrace, by time.Duration) {
		for i := range trace.spans {
			trace.spans[i].start = trace.spans[i].start.Add(by)
		}
	}
	beside := func(m *made, of *madeTrace, by time.Duration) *madeTrace {
		trace := m.trace(m.digits(32))
		later(trace, of.spans[0].start.Sub(trace.spans[0].start)+by)
		return trace
	}
	t.Run("tried again", func(t *testing.T) {
		for _, attributes := range []bool{false, true} {
			m := newMade(t)
			request := "req-" + m.digits(12)
			first := m.trace(m.digits(32))
			second := beside(m, first, 20*time.Second)
			for _, trace := range []*madeTrace{first, second} {
				trace.spans[0].service = madeServices[0] // the same entrance
				m.fill(trace, asMetadata, "")
				if attributes {
					trace.spans[0].attributes = []map[string]any{text("request.id", request)}
				}
				// Without attributes the logs know it; with them the first's do, too.
				if !attributes || trace == first {
					trace.records = append(trace.records, m.log(trace.spans[0], "POST /pay request_id="+request, nil, map[string]string{"trace_id": trace.id}))
				}
				m.keep(trace)
			}
			proxy := m.log(first.spans[0], "upstream answered 502 to "+request, nil, nil)
			quote := m.trace(m.digits(32))
			quote.records = append(quote.records, m.log(quote.spans[0], `{"msg":"not `+request+`","request_id":"req-`+m.digits(12)+`","trace_id":"`+quote.id+`"}`, nil, nil))
			m.keep(quote)
			m.records = append(m.records, proxy)
			m.push(first, second, quote)
			for _, id := range []string{request, first.id, second.id} {
				c, err := m.ask(id)
				if err == nil {
					err = m.differences(c, []*madeTrace{first, second}, proxy)
				}
				if err != nil {
					t.Errorf("asked for %s, attributes %t: %v", id, attributes, err)
				}
			}
		}
	})
	t.Run("linked", func(t *testing.T) {
		m := newMade(t)
		first, second := m.trace(m.digits(32)), m.trace(m.digits(32))
		first.spans[1].links = []madeLink{{second.id, second.spans[0].id}}
		for _, trace := range []*madeTrace{first, second} {
			m.fill(trace, asMetadata, "")
			m.keep(trace)
		}
		m.push(first, second)
		c, err := m.ask(first.id)
		if err == nil {
			err = m.differences(c, []*madeTrace{first, second})
		}
		if err != nil {
			t.Error(err)
		} else if r := c.OtherTraces[0].Related; r == nil || r.Join != correlate.ByLink {
			t.Errorf("related by %+v", r)
		}
	})
	t.Run("a clock that is off", func(t *testing.T) {
		for _, test := range []struct {
			off time.Duration
			all bool // or only that of one service
		}{{-45 * time.Second, true}, {7 * time.Minute, true}, {-6 * time.Minute, false}, {-time.Hour, true}} {
			m := newMade(t)
			trace := m.trace(m.digits(32))
			trace.spans[0].service = madeServices[0]
			for i := range trace.spans[1:] {
				trace.spans[1+i].service = madeServices[1+i%2]
			}
			for _, s := range trace.spans {
				r := m.log(s, "a step", nil, map[string]string{"trace_id": trace.id, "span_id": s.id})
				if test.all || s.service == madeServices[1] {
					r.at = r.at.Add(test.off)
				}
				trace.records = append(trace.records, r)
			}
			m.records = append(m.records, m.log(trace.spans[0], "nothing", nil, nil), m.log(trace.spans[1], "nothing", nil, nil))
			m.keep(trace)
			m.push(trace)
			c, err := m.ask(trace.id)
			if err == nil {
				err = m.differences(c, []*madeTrace{trace})
			}
			if err != nil {
				t.Errorf("off by %s, all %t: %v", test.off, test.all, err)
				continue
			}
			said := slices.ContainsFunc(c.Missing, func(m correlate.Missing) bool { return strings.Contains(m.Hint, "clock") })
			if far := test.off.Abs() > time.Minute; said != far {
				t.Errorf("off by %s: missing %+v", test.off, c.Missing)
			}
		}
	})
	t.Run("not sampled", func(t *testing.T) {
		m := newMade(t)
		trace := m.trace(m.digits(32))
		m.fill(trace, asMetadata, "")
		parent := "00-" + trace.id + "-" + trace.spans[0].id + "-00"
		trace.spans = nil
		// Another's line quotes it: its trace is none of this request.
		stranger := m.trace(m.digits(32))
		stranger.records = []madeRecord{m.log(stranger.spans[0], "replaces "+trace.id, nil, map[string]string{"trace_id": stranger.id})}
		m.keep(trace)
		m.keep(stranger)
		m.push(stranger)
		c, err := m.ask(parent)
		if err == nil {
			err = m.differences(c, []*madeTrace{trace})
		}
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(c.Missing, func(m correlate.Missing) bool { return strings.Contains(m.Reason, "mention") }) {
			t.Errorf("it is not said that others mention it: %+v", c.Missing)
		}
	})
}
