package correlate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/correlate/ident"
	"obs/sources"
)

// lastHalfHour is the window of a lookup that names none, at the shop's half past twelve.
var lastHalfHour = window

func lookupOf(t *testing.T, text string) correlate.Lookup {
	t.Helper()
	id, err := ident.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	return correlate.Lookup{ID: id, Text: text, Window: lastHalfHour}
}

func (s *shop) find(lookup correlate.Lookup) *correlate.Case {
	s.t.Helper()
	c := correlate.Find(s.t.Context(), s.set(), lookup, nil)
	wellFormed(s.t, c)
	return c
}

// searched are the windows in which Loki was asked for records, each once, in order.
func (s *shop) searched() []sources.Window {
	var windows []sources.Window
	for _, q := range s.ledger.Queries() {
		if q.Backend == sources.Loki && strings.HasPrefix(q.Text, "{") && !slices.Contains(windows, q.Window) {
			windows = append(windows, q.Window)
		}
	}
	return windows
}

func TestFindATraceWithItsRecords(t *testing.T) {
	s := slowBank(t)
	id := traceID(40)
	pasted := strings.ToUpper(string(id))
	c := s.find(lookupOf(t, pasted))
	if c.Trace == nil || c.Trace.ID != id || c.Trace.SpanCount != 4 || c.Verdict != "" {
		t.Fatalf("trace %+v, verdict %s", c.Trace, c.Verdict)
	}
	if c.Asked != pasted || !strings.Contains(c.TakenFor, string(id)) {
		t.Errorf("asked %q, taken for %q", c.Asked, c.TakenFor)
	}
	if len(c.Records) != 2 || c.Records[0].Join != correlate.BySpanID || c.Records[1].Join != correlate.ByTraceID {
		t.Errorf("records %+v", c.Records)
	}
	if h := hop(c, "trace"); h == nil || h.From != "request" || h.Join != correlate.ByTraceID || h.ID != string(id) || h.Note != "4 spans" {
		t.Errorf("the hop to the trace is %+v", h)
	}
	if h := hop(c, "records"); h == nil || h.From != "trace" || h.Join != correlate.ByTraceID || h.ID != string(id) || h.Note != "2 records" {
		t.Errorf("the hop to the records is %+v", h)
	}
	// The trace tells its time: nothing is searched beyond it.
	at := sources.Window{From: minuteOf(40), To: minuteOf(40).Add(2040 * time.Millisecond)}
	if c.Window != at {
		t.Errorf("window %s, want the trace's own %s", c.Window, at)
	}
	if got := s.searched(); !slices.Equal(got, []sources.Window{at.Pad(time.Minute)}) {
		t.Errorf("searched in %v", got)
	}
	if len(c.Missing) > 0 || c.Partial() {
		t.Errorf("missing %+v", c.Missing)
	}
}

func TestFindRecordsOfATraceThatIsNotStored(t *testing.T) {
	for _, test := range []struct {
		name string
		ago  time.Duration // when the request was
		want int           // how many windows it takes
	}{
		{"in the last half hour", 20 * time.Minute, 1},
		{"hours ago", 3 * time.Hour, 2},
		{"half a day ago", 13 * time.Hour, 3},
		{"days ago", 100 * time.Hour, 4},
		{"longer ago than is looked", 200 * time.Hour, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newShop(t, question)
			id := traceID(7)
			s.logs.stored = []sources.Record{
				record("payment", window.To.Add(-test.ago), "authorized", sources.Labels{"traceID": string(id), "spanID": "00f067aa0ba902b7"}),
				record("payment", window.To.Add(-time.Minute), "another", sources.Labels{"traceID": string(traceID(8))}),
			}
			c := s.find(lookupOf(t, string(id)))
			searched := s.searched()
			if test.want == 0 {
				// As an ID may also be a request's, it is searched for twice.
				if len(c.Records) > 0 || len(searched) != 4 || c.Window != searched[3] || c.Window.Duration() != 7*24*time.Hour {
					t.Errorf("%d records, window %s, searched in %v", len(c.Records), c.Window, searched)
				}
				return
			}
			if len(c.Records) != 1 || c.Records[0].TraceID != id || c.Records[0].Join != correlate.ByTraceID || c.Records[0].SpanID != "00f067aa0ba902b7" {
				t.Fatalf("records %+v", c.Records)
			}
			if len(searched) != test.want || c.Window != searched[len(searched)-1] || !c.Window.Contains(c.Records[0].Time) {
				t.Errorf("window %s, searched in %v", c.Window, searched)
			}
			if m := missing(c, sources.Jaeger, correlate.MissingNoData); m == nil || !strings.Contains(m.Reason, string(id)) || m.Hint == "" {
				t.Errorf("it is not said that Jaeger does not have the trace: %+v", c.Missing)
			}
			if c.Trace != nil || c.Partial() {
				t.Errorf("trace %+v, partial %t", c.Trace, c.Partial())
			}

			// A window that was named is not widened.
			s.ledger = &sources.Ledger{Now: s.ledger.Now}
			lookup := lookupOf(t, string(id))
			lookup.Fixed = true
			c = s.find(lookup)
			if got := s.searched(); !slices.Equal(got, []sources.Window{lastHalfHour}) || c.Window != lastHalfHour {
				t.Errorf("window %s, searched in %v", c.Window, got)
			}
			if found := len(c.Records) == 1; found != (test.want == 1) {
				t.Errorf("records %+v", c.Records)
			}
		})
	}
}

// A Jaeger that does not answer has not said that it lacks the trace.
func TestFindRecordsWhileJaegerIsDown(t *testing.T) {
	s := newShop(t, question)
	id := traceID(7)
	s.logs.stored = []sources.Record{record("payment", window.To.Add(-time.Minute), "authorized", sources.Labels{"traceID": string(id)})}
	s.before = func(backend sources.Backend, _ string) error {
		if backend == sources.Jaeger {
			return down(backend)
		}
		return nil
	}
	c := s.find(lookupOf(t, string(id)))
	if len(c.Records) != 1 || !c.Partial() {
		t.Errorf("records %+v, partial %t", c.Records, c.Partial())
	}
	if m := missing(c, sources.Jaeger, correlate.MissingFailed); m == nil || m.Hint == "" {
		t.Errorf("it is not said that Jaeger is down: %+v", c.Missing)
	}
	if m := missing(c, sources.Jaeger, correlate.MissingNoData); m != nil {
		t.Errorf("it is said that Jaeger has no such trace: %+v", *m)
	}
}

// A trace that came in part is told from one that is whole, in the backend's words.
func TestFindAPartOfATrace(t *testing.T) {
	s := slowBank(t)
	id := s.traces.stored[0].ID
	if c := s.find(lookupOf(t, string(id))); missing(c, sources.Jaeger, correlate.MissingTruncated) != nil {
		t.Errorf("a whole trace is called a part: %+v", c.Missing)
	}
	s.traces.stored[0].Partial = "larger than 5 bytes"
	c := s.find(lookupOf(t, string(id)))
	if m := missing(c, sources.Jaeger, correlate.MissingTruncated); m == nil || !strings.Contains(m.Reason, string(id)+": larger than 5 bytes") || m.Hint == "" || !c.Partial() {
		t.Errorf("missing %+v", c.Missing)
	}
}

func TestFindNothing(t *testing.T) {
	s := slowBank(t)
	for _, text := range []string{string(traceID(1000)), "req-1000"} {
		c := s.find(lookupOf(t, text))
		if c.Trace != nil || len(c.Records) > 0 || !c.Answered() || c.Partial() || len(c.Hops) > 0 || len(c.Missing) > 0 {
			t.Errorf("%s: trace %+v, records %+v, missing %+v", text, c.Trace, c.Records, c.Missing)
		}
	}
	// Of other names for nothing there are two: everything is down, or not configured.
	s.before = failing(down, sources.Jaeger, sources.Loki)
	if c := s.find(lookupOf(t, "req-1000")); c.Answered() && !c.Partial() {
		t.Errorf("answered %t, missing %+v", c.Answered(), c.Missing)
	}
	c := correlate.Find(t.Context(), sources.Set{}, lookupOf(t, "req-1000"), nil)
	wellFormed(t, c)
	if c.Answered() || len(c.Missing) != 2 {
		t.Errorf("answered %t, missing %+v", c.Answered(), c.Missing)
	}
}

func TestFindByRequestIDInTheLogs(t *testing.T) {
	s := slowBank(t)
	first, second := traceID(40), traceID(50)
	at := minuteOf(40)
	s.logs.stored = append(s.logs.stored,
		record("gateway", at, "POST /pay", sources.Labels{"request_id": "req-1", "trace_id": string(first)}),
		record("gateway", minuteOf(50), fmt.Sprintf(`{"msg":"again","requestId":"req-1","traceId":%q}`, second), nil),
		record("gateway", at, "see req-12 and xreq-1", nil), // other requests
		record("gateway", at, "req-1: no trace", nil),
	)
	c := s.find(lookupOf(t, "req-1"))
	if c.Trace == nil || c.Trace.ID != first || len(c.OtherTraces) != 1 || c.OtherTraces[0].ID != second {
		t.Fatalf("trace %+v, others %+v", c.Trace, c.OtherTraces)
	}
	var lines []string
	for _, r := range c.Records {
		lines = append(lines, fmt.Sprintf("%s %s %s", r.Service, r.Join, r.Line))
	}
	want := []string{
		"gateway request_id POST /pay",
		"gateway request_id req-1: no trace",
		"payment span_id bank timeout, gave up",
		fmt.Sprintf(`checkout trace_id {"msg":"paid","trace_id":%q}`, first),
		fmt.Sprintf(`gateway request_id {"msg":"again","requestId":"req-1","traceId":%q}`, second),
		"payment span_id bank timeout, gave up",
		fmt.Sprintf(`checkout trace_id {"msg":"paid","trace_id":%q}`, second),
	}
	slices.Sort(want[:2])
	slices.Sort(lines[:2]) // of the same moment
	if !slices.Equal(lines, want) {
		t.Errorf("records\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if h := hop(c, "records"); h == nil || h.From != "request" || h.Join != correlate.ByRequestID || h.ID != "req-1" {
		t.Errorf("the hop to the records is %+v", h)
	}
	if h := hop(c, "trace"); h == nil || h.From != "request" || h.Join != correlate.ByRequestID || h.ID != string(first) {
		t.Errorf("the hop to the trace is %+v", h)
	}
	if len(c.Missing) > 0 {
		t.Errorf("missing %+v", c.Missing)
	}

	// The logs know the trace, and Jaeger does not.
	s.traces.stored = slices.DeleteFunc(s.traces.stored, func(t sources.Trace) bool { return t.ID == second })
	c = s.find(lookupOf(t, "req-1"))
	if m := missing(c, sources.Jaeger, correlate.MissingNoData); m == nil || !strings.Contains(m.Reason, string(second)) {
		t.Errorf("missing %+v", c.Missing)
	}
	if c.Trace == nil || c.Trace.ID != first || len(c.Records) != 7 {
		t.Errorf("trace %+v, %d records", c.Trace, len(c.Records))
	}
}

// A UUID has the digits of a trace ID, and its records lead to the trace all the same.
func TestFindByUUID(t *testing.T) {
	s := slowBank(t)
	const id = "7f3c1d2e-9a44-4f0b-8f57-2f1e0c9b8a76"
	trace := traceID(40)
	s.logs.stored = append(s.logs.stored, record("gateway", minuteOf(40), fmt.Sprintf(`{"requestId":%q,"traceId":%q}`, id, trace), nil))
	c := s.find(lookupOf(t, id))
	if c.Trace == nil || c.Trace.ID != trace || len(c.Records) != 3 {
		t.Fatalf("trace %+v, records %+v", c.Trace, c.Records)
	}
	if h := hop(c, "records"); h == nil || h.Join != correlate.ByRequestID || h.ID != id {
		t.Errorf("the hop to the records is %+v", h)
	}
	// It may be a trace ID that somebody wrote with dashes.
	dashed := string(trace[:8] + "-" + trace[8:12] + "-" + trace[12:16] + "-" + trace[16:20] + "-" + trace[20:])
	s.logs.stored = nil
	if c := s.find(lookupOf(t, dashed)); c.Trace == nil || c.Trace.ID != trace {
		t.Errorf("trace %+v", c.Trace)
	}
}

// Programs write trace IDs in more notations than the one that Jaeger knows.
func TestFindReadsTraceIDsOfRecordsInAnyNotation(t *testing.T) {
	s := slowBank(t)
	trace := traceID(40)
	for _, line := range []string{
		fmt.Sprintf(`{"requestId":"req-1","logging.googleapis.com/trace":"projects/shop/traces/%s"}`, trace),
		fmt.Sprintf(`{"requestId":"req-1","traceparent":"00-%s-00f067aa0ba902b7-01"}`, trace),
		fmt.Sprintf(`request_id=req-1 mdc.traceId=%s`, trace),
	} {
		s.logs.stored = []sources.Record{record("gateway", minuteOf(40), line, nil)}
		if c := s.find(lookupOf(t, "req-1")); c.Trace == nil || c.Trace.ID != trace {
			t.Errorf("%s: trace %+v", line, c.Trace)
		}
	}
}

func TestFindByRequestIDInSpanAttributes(t *testing.T) {
	for _, attribute := range []sources.Attribute{
		{Key: "request.id", Value: "req-1"},
		{Key: "http.request.header.x-request-id", Value: `["req-1"]`},
		{Key: "guid:x-request-id", Value: "req-1"},
	} {
		t.Run(attribute.Key, func(t *testing.T) {
			s := slowBank(t)
			for _, n := range []int{10, 40} { // the first is of an hour ago
				s.traces.stored[n].Spans[0].Attributes = sources.Attributes{attribute}
			}
			s.traces.stored[41].Spans[0].Attributes = sources.Attributes{{Key: attribute.Key, Value: "req-12"}}
			c := s.find(lookupOf(t, "req-1"))
			if c.Trace == nil || len(c.OtherTraces) != 1 {
				t.Fatalf("trace %+v, others %+v, missing %+v", c.Trace, c.OtherTraces, c.Missing)
			}
			got := []sources.TraceID{c.Trace.ID, c.OtherTraces[0].ID}
			slices.Sort(got)
			if !slices.Equal(got, []sources.TraceID{traceID(10), traceID(40)}) {
				t.Errorf("traces %v", got)
			}
			if h := hop(c, "trace"); h == nil || h.Join != correlate.ByRequestID {
				t.Errorf("the hop to the trace is %+v", h)
			}
			if len(c.Records) != 4 {
				t.Errorf("records %+v", c.Records)
			}
			lookup := lookupOf(t, "req-1")
			lookup.Fixed = true
			if c := s.find(lookup); c.Trace == nil || c.Trace.ID != traceID(40) || len(c.OtherTraces) > 0 {
				t.Errorf("in the named window: trace %+v, others %+v", c.Trace, c.OtherTraces)
			}
		})
	}
}

func TestFindInManyServicesAndTraces(t *testing.T) {
	s := newShop(t, question)
	for n := range 50 {
		trace := request(n, minuteOf(n%30+30), time.Millisecond, false)
		trace.Spans[0].Service = fmt.Sprintf("service-%02d", n)
		s.traces.stored = append(s.traces.stored, trace)
		if n < 8 {
			s.logs.stored = append(s.logs.stored, record("gateway", minuteOf(n+30), "passed on",
				sources.Labels{"req_id": "req-1", "trace_id": string(trace.ID)}))
		}
	}
	c := s.find(lookupOf(t, "req-1"))
	if 1+len(c.OtherTraces) != 5 || len(c.Records) != 8 {
		t.Errorf("%d traces, %d records", 1+len(c.OtherTraces), len(c.Records))
	}
	m := missing(c, sources.Jaeger, correlate.MissingTruncated)
	if m == nil || !strings.Contains(m.Reason, "5 of the 8 traces") || !strings.Contains(m.Hint, string(traceID(7))) || !c.Partial() {
		t.Errorf("missing %+v", c.Missing)
	}
	c = s.find(lookupOf(t, "req-2"))
	if m := missing(c, sources.Jaeger, correlate.MissingTruncated); m == nil || !strings.Contains(m.Reason, "40 of 53 services") {
		t.Errorf("missing %+v", c.Missing)
	}
}

func TestFindMoreRecordsThanFit(t *testing.T) {
	s := newShop(t, question)
	id := traceID(1)
	for n := range 50_001 {
		s.logs.stored = append(s.logs.stored, record("payment", noon.Add(time.Duration(n)*time.Millisecond), "step", sources.Labels{"trace_id": string(id)}))
	}
	c := correlate.Find(t.Context(), s.set(), lookupOf(t, string(id)), nil)
	m := missing(c, sources.Loki, correlate.MissingTruncated)
	if m == nil || !strings.Contains(m.Reason, "more than the 50000 records") || len(c.Records) != 50_000 || !c.Partial() {
		t.Errorf("%d records, missing %+v", len(c.Records), c.Missing)
	}
}

func TestFindTellsRecordsApart(t *testing.T) {
	short := sources.TraceID("0000000000000000" + "00f067aa0ba902b7")
	at := minuteOf(40)
	line := func(text string) sources.Record { return record("payment", at, text, nil) }
	for _, test := range []struct {
		name  string
		id    sources.TraceID
		found []sources.Record
		not   []sources.Record
	}{
		{
			"in whatever place", traceID(1),
			[]sources.Record{
				record("payment", at, "metadata", sources.Labels{"trace_id": string(traceID(1))}),
				{Time: at, Stream: sources.Labels{"app": "cart", "otelTraceID": string(traceID(1))}, Line: "a label"},
				line(`{"traceId":"` + string(traceID(1)) + `"}`),
				line("trace=" + strings.ToUpper(string(traceID(1))) + " in capitals"),
				line("a UUID: 4bf92f35-77b3-4da6-a3ce-929d0e000001"),
			},
			[]sources.Record{
				line("longer: " + string(traceID(1)) + "0"),
				line("longer: a" + string(traceID(1))),
				line("another: " + string(traceID(2))),
				record("payment", at, "of another", sources.Labels{"trace_id": string(traceID(2))}),
			},
		},
		{
			"64 bits, with zeros lost or not", short,
			[]sources.Record{
				record("payment", at, "at full width", sources.Labels{"trace_id": string(short)}),
				record("payment", at, "in 16 digits", sources.Labels{"trace_id": "00f067aa0ba902b7"}),
				record("payment", at, "without zeros", sources.Labels{"trace_id": "f067aa0ba902b7"}),
				line("f067aa0ba902b7 in the line"), line("00f067aa0ba902b7 in the line"), line(string(short) + " in the line"),
			},
			[]sources.Record{line("4f067aa0ba902b7 is longer"), line("400f067aa0ba902b7 too"), line("f067aa0ba902b70 too")},
		},
		{
			"128 bits with a zero lost", "0af7651916cd43dd8448eb211c80319c",
			[]sources.Record{
				record("payment", at, "as it is", sources.Labels{"trace_id": "0af7651916cd43dd8448eb211c80319c"}),
				record("payment", at, "without its zero", sources.Labels{"trace_id": "af7651916cd43dd8448eb211c80319c"}),
			},
			nil,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newShop(t, question)
			s.logs.stored = slices.Concat(test.not, test.found)
			c := s.find(lookupOf(t, string(test.id)))
			var got []string
			for _, r := range c.Records {
				got = append(got, r.Line)
				if r.TraceID != test.id {
					t.Errorf("a record of trace %s: %s", r.TraceID, r.Line)
				}
			}
			for _, r := range test.found {
				if !slices.Contains(got, r.Line) {
					t.Errorf("%q is not found", r.Line)
				}
			}
			if len(got) != len(test.found) {
				t.Errorf("records %q", got)
			}
		})
	}
}

// A record that both queries find, by a field and by its line, is there once; two that
// differ in their stream alone are two.
func TestFindLeavesNoDuplicates(t *testing.T) {
	s := slowBank(t)
	id := traceID(40)
	at := minuteOf(40)
	both := fmt.Sprintf(`{"trace_id":%q}`, id)
	s.logs.stored = []sources.Record{
		record("payment", at, both, sources.Labels{"trace_id": string(id)}),
		record("cart", at, both, sources.Labels{"trace_id": string(id)}),
		record("payment", at.Add(1), both, sources.Labels{"trace_id": string(id)}),
		{Time: at, Stream: sources.Labels{"app": "old"}, Line: both},    // other labels than the rest
		{Time: at, Stream: sources.Labels{"filename": "x"}, Line: "no"}, // nothing to do with it
	}
	c := s.find(lookupOf(t, string(id)))
	if len(c.Records) != 4 {
		t.Errorf("records %+v", c.Records)
	}
	selectors := map[string]bool{}
	for _, text := range s.questions(sources.Loki) {
		if streams := selector.FindString(text); streams != "" {
			selectors[streams] = true
		}
	}
	want := []string{`{service_name=~".+"}`, `{app=~".+", service_name=""}`, `{filename=~".+", service_name="", app=""}`}
	for _, w := range want {
		delete(selectors, w)
	}
	if len(selectors) > 0 {
		t.Errorf("streams are asked for by %v, want each once by one of %v", selectors, want)
	}
}

// A record that names another trace as its own is not of the one that it quotes, and leads
// nowhere from it; how many there are is said.
func TestFindLeavesOutRecordsThatQuoteTheID(t *testing.T) {
	s := slowBank(t)
	id, other := traceID(40), traceID(50)
	at := minuteOf(40)
	s.logs.stored = append(s.logs.stored,
		record("cart", at, "instead of "+string(id), sources.Labels{"trace_id": string(other)}),
		record("cart", at, fmt.Sprintf(`{"msg":"not %s","trace":{"id":%q}}`, id, other), nil),
		record("cart", at, "ours: "+string(id), sources.Labels{"trace_id": "-"}),
	)
	c := s.find(lookupOf(t, string(id)))
	if got := tracesOf(c); len(got) != 1 || len(c.Records) != 3 {
		t.Errorf("traces %v, records %+v", got, c.Records)
	}
	m := missing(c, sources.Loki, correlate.MissingNoData)
	if m == nil || !strings.Contains(m.Reason, "2 records of other requests mention") || !strings.Contains(m.Hint, string(other)) || c.Partial() {
		t.Errorf("missing %+v", c.Missing)
	}
}

// A label that only this request's streams have is found under any name and in any notation.
func TestFindByALabelOfAnyName(t *testing.T) {
	s := slowBank(t)
	at := minuteOf(40)
	s.logs.stored = []sources.Record{
		{Time: at, Stream: sources.Labels{"service_name": "cart", "flow": strings.ToUpper(string(traceID(40)))}, Line: "a step"},
		{Time: at, Stream: sources.Labels{"service_name": "cart", "flow": string(traceID(41))}, Line: "another's"},
	}
	c := s.find(lookupOf(t, string(traceID(40))))
	if len(c.Records) != 1 || c.Records[0].Line != "a step" || len(c.Places) == 0 || c.Places[0] != (correlate.Place{Service: "cart", Kind: correlate.InLabel, Field: "flow", Records: 1}) {
		t.Errorf("records %+v, places %+v", c.Records, c.Places)
	}
}

// One machine's clock is off, while those of the others are not.
func TestFindHearsServicesWithAnotherClock(t *testing.T) {
	s := slowBank(t)
	id := traceID(40)
	s.logs.stored = []sources.Record{
		record("checkout", minuteOf(40), "on time", sources.Labels{"trace_id": string(id)}),
		record("payment", minuteOf(40), "noise", nil),
		record("payment", minuteOf(46), "late", sources.Labels{"trace_id": string(id)}),
	}
	c := s.find(lookupOf(t, string(id)))
	if len(c.Records) != 2 || c.Records[1].Line != "late" {
		t.Fatalf("records %+v", c.Records)
	}
	if m := missing(c, sources.Loki, correlate.MissingNoData); m == nil || !strings.HasPrefix(m.Reason, "payment of trace") || !strings.Contains(m.Hint, "clock") {
		t.Errorf("missing %+v", c.Missing)
	}
	if slices.ContainsFunc(c.Places, func(p correlate.Place) bool { return p.Service == "payment" && p.Kind == correlate.Nowhere }) {
		t.Errorf("places %+v", c.Places)
	}
}
