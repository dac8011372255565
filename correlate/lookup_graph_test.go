package correlate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/correlate/ident"
	"obs/sources"
)

const aRequest = "req-5f3a9c21"

// carries puts a request ID on the first span of a stored trace.
func (s *shop) carries(n int, key, value string) {
	s.traces.stored[n].Spans[0].Attributes = sources.Attributes{{Key: key, Value: value}}
}

// tracesOf are the IDs of all traces of a case, the one that was asked for first.
func tracesOf(c *correlate.Case) []sources.TraceID {
	var ids []sources.TraceID
	if c.Trace != nil {
		ids = append(ids, c.Trace.ID)
	}
	for i := range c.OtherTraces {
		ids = append(ids, c.OtherTraces[i].ID)
	}
	return ids
}

func TestFindFollowsTheRequestIDToRetries(t *testing.T) {
	for _, attribute := range []sources.Attribute{
		{Key: "request.id", Value: aRequest},
		{Key: "http.request.header.x-request-id", Value: `["` + aRequest + `"]`},
	} {
		t.Run(attribute.Key, func(t *testing.T) {
			s := newShop(t, question)
			s.happens(40, time.Second, true)
			s.happens(42, time.Second, false)
			s.happens(44, time.Second, false)
			s.carries(0, attribute.Key, attribute.Value)
			s.carries(1, attribute.Key, attribute.Value)
			s.carries(2, attribute.Key, "req-another1")
			// A proxy that knows the request ID alone.
			s.logs.stored = append(s.logs.stored, record("proxy", minuteOf(40), "POST /pay "+aRequest, nil))
			c := s.find(lookupOf(t, string(traceID(40))))
			if got := tracesOf(c); !slices.Equal(got, []sources.TraceID{traceID(40), traceID(42)}) {
				t.Fatalf("traces %v, missing %+v", got, c.Missing)
			}
			r := c.OtherTraces[0].Related
			if r == nil || r.Join != correlate.ByRequestID || r.TraceID != traceID(40) || !strings.Contains(r.Text, aRequest) || !strings.Contains(r.Text, "tried again") {
				t.Errorf("related by %+v", r)
			}
			if c.Trace.Related != nil {
				t.Errorf("the trace that was asked for is related by %+v", c.Trace.Related)
			}
			var proxied []correlate.Record
			for _, r := range c.Records {
				if r.Service == "proxy" {
					proxied = append(proxied, r)
				}
				if r.TraceID == traceID(44) {
					t.Errorf("a record of another request: %+v", r)
				}
			}
			if len(proxied) != 1 || proxied[0].Join != correlate.ByRequestID || proxied[0].TraceID != "" {
				t.Errorf("the proxy's records are %+v", proxied)
			}
		})
	}
}

// An ID that is a mere count is of each process alone.
func TestFindDoesNotFollowShortIDs(t *testing.T) {
	s := newShop(t, question)
	s.happens(40, time.Second, false)
	s.happens(42, time.Second, false)
	s.carries(0, "request.id", "17")
	s.carries(1, "request.id", "17")
	if got := tracesOf(s.find(lookupOf(t, string(traceID(40))))); len(got) != 1 {
		t.Errorf("traces %v", got)
	}
}

func TestFindFollowsLinks(t *testing.T) {
	s := newShop(t, question)
	s.happens(40, time.Second, false)
	s.happens(55, time.Second, false)
	s.traces.stored[0].Spans[2].Links = []sources.Reference{
		{TraceID: traceID(55), SpanID: spanID(1)}, {TraceID: traceID(40), SpanID: spanID(2)}, {TraceID: traceID(77), SpanID: spanID(3)},
	}
	c := s.find(lookupOf(t, string(traceID(40))))
	if got := tracesOf(c); !slices.Equal(got, []sources.TraceID{traceID(40), traceID(55)}) {
		t.Fatalf("traces %v", got)
	}
	r := c.OtherTraces[0].Related
	if r == nil || r.Join != correlate.ByLink || r.SpanID != c.Trace.Spans[2].ID || !strings.Contains(r.Text, "payment /authorize") {
		t.Errorf("related by %+v", r)
	}
	if m := missing(c, sources.Jaeger, correlate.MissingNoData); m == nil || !strings.Contains(m.Reason, string(traceID(77))) || !strings.Contains(m.Reason, "link") {
		t.Errorf("it is not said that a linked trace is not there: %+v", c.Missing)
	}
	if len(c.Records) != 4 {
		t.Errorf("records %+v", c.Records)
	}
}

// Several readings of one text are tried, and what any of them knows is found.
func TestFindBySpanID(t *testing.T) {
	s := slowBank(t)
	span := sources.SpanID("a3ce929d0e0e4736")
	id := traceID(40)
	s.logs.stored = append(s.logs.stored, record("payment", minuteOf(40), "seen", sources.Labels{"trace_id": string(id), "span_id": string(span)}))
	c := s.find(lookupOf(t, string(span)))
	if c.Trace == nil || c.Trace.ID != id {
		t.Fatalf("trace %+v, records %+v", c.Trace, c.Records)
	}
	if h := hop(c, "records"); h == nil || h.From != "span" || h.Join != correlate.BySpanID || h.ID != string(span) {
		t.Errorf("the hop to the records is %+v", h)
	}
}

func TestFindTellsTheFailure(t *testing.T) {
	s := newShop(t, question)
	for minute := range 60 {
		s.happens(minute, time.Second, minute >= 45)
	}
	for i := range s.traces.stored {
		for j := range s.traces.stored[i].Spans {
			span := &s.traces.stored[i].Spans[j]
			span.Resource = sources.Attributes{{Key: "service.version", Value: "1.4.2"}}
			if span.Failed() {
				span.Attributes = sources.Attributes{{Key: "error", Value: "true"}}
			}
		}
	}
	bank := &s.traces.stored[50].Spans[3]
	bank.Events = []sources.Event{
		{Time: bank.Start, Name: "waiting for a connection"},
		{Time: bank.End(), Name: "exception", Attributes: sources.Attributes{
			{Key: "exception.message", Value: "connection reset"}, {Key: "exception.stacktrace", Value: "IOException\n\tat Bank.transfer"}, {Key: "exception.type", Value: "IOException"},
		}},
	}
	c := s.find(lookupOf(t, string(traceID(50))))
	f := c.Failure
	if f == nil || f.Service != "bank" || f.Operation != "transfer" || f.SpanID != bank.ID || f.Message != "failed: bank" {
		t.Fatalf("failure %+v", f)
	}
	if c.Trace.Blamed != bank.ID {
		t.Errorf("blamed %s, want the bank's span", c.Trace.Blamed)
	}
	if want := (correlate.Exception{Type: "IOException", Message: "connection reset", Stack: "IOException\n\tat Bank.transfer"}); f.Exception == nil || *f.Exception != want {
		t.Errorf("exception %+v", f.Exception)
	}
	// 45 to 59 fail; the window is the half hour from 30 on.
	if f.Now == nil || f.Now.Traces != 15 || f.Before.Traces != 0 || f.Now.AtLeast || !f.Now.First.Equal(s.traces.stored[45].Spans[3].Start) {
		t.Errorf("now %+v, before %+v", f.Now, f.Before)
	}
	if want := []correlate.VersionCount{{Version: "1.4.2", Traces: 15}}; f.Now == nil || !slices.Equal(f.Now.Versions, want) {
		t.Errorf("now %+v", f.Now)
	}
	// The bank logs nothing, its caller does.
	if f.LinesNow == nil || f.LinesNow.Records != 15 || f.LinesBefore.Records != 0 || len(f.Findings) != 2 {
		t.Errorf("lines now %+v, before %+v, findings %v", f.LinesNow, f.LinesBefore, f.Findings)
	}
	var told []string
	for _, m := range c.Story {
		told = append(told, m.Kind+" "+m.Service+" "+m.Text)
	}
	want := []string{
		"begins checkout /pay begins",
		"begins payment /authorize begins",
		"begins bank transfer begins",
		"event bank waiting for a connection",
		"record payment ERROR bank timeout, gave up",
		"error bank transfer fails after 1.00 s: failed: bank",
		"fails payment /authorize fails after 1.01 s: failed: payment",
		"fails checkout /pay fails after 1.04 s: failed: checkout",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
	for _, id := range f.Findings {
		if finding := c.Finding(id); finding == nil || len(finding.Evidence) != 2 {
			t.Errorf("finding %s: %+v", id, finding)
		}
	}

	// A request that does not fail has no story.
	if c := s.find(lookupOf(t, string(traceID(10)))); c.Failure != nil || c.Story != nil || c.Trace.Blamed != "" {
		t.Errorf("failure %+v, story %+v", c.Failure, c.Story)
	}
}

// A storage that cannot search for errors finds none, not even the one at hand.
// What a screen shows first tells where the error began, and stays as it is while others
// like it are counted.
func TestFindPreviewsTheFailure(t *testing.T) {
	s := newShop(t, question)
	for minute := range 60 {
		s.happens(minute, time.Second, minute >= 45)
	}
	var early *correlate.Case
	asked := 0
	c := correlate.Find(t.Context(), s.set(), lookupOf(t, string(traceID(50))), func(step correlate.Step) {
		if step.SoFar != nil {
			early, asked = step.SoFar, len(s.ledger.Queries())
		}
	})
	if early == nil || early.Failure == nil || early.Failure.What() != "bank transfer: failed: bank" || len(early.Story) == 0 || len(early.Records) == 0 {
		t.Fatalf("shown first: %+v", early)
	}
	if early.Failure.Now != nil || early.Failure.Often() != "" || asked == len(s.ledger.Queries()) {
		t.Errorf("shown after %d of %d queries, counted as %q", asked, len(s.ledger.Queries()), early.Failure.Often())
	}
	if c.Failure == early.Failure || c.Failure.Often() != "15 of 30 traces like this, 0 before" {
		t.Errorf("counted as %q", c.Failure.Often())
	}
}

func TestFindCountsFailuresWhereErrorsCannotBeSearched(t *testing.T) {
	s := newShop(t, question)
	for minute := range 60 {
		s.happens(minute, time.Second, minute%3 == 0)
	}
	c := s.find(lookupOf(t, string(traceID(33))))
	if f := c.Failure; f == nil || f.Now == nil || f.Now.Traces != 10 || f.Now.Of != 30 || f.Before.Traces != 10 || f.Before.Of != 30 {
		t.Errorf("failure %+v", c.Failure)
	}
}

func TestFindRemarks(t *testing.T) {
	s := newShop(t, question)
	s.happens(40, time.Second, false)
	s.traces.stored[0].Spans[2].Start = s.traces.stored[0].Spans[1].Start.Add(-30 * time.Millisecond)
	s.traces.stored[0].Spans[3].ParentID = "00000000000000ff"
	lookup := lookupOf(t, string(traceID(40)))
	lookup.Now = s.traces.stored[0].Spans[0].End().Add(4 * time.Second)
	c := s.find(lookup)
	for i, want := range []string{"clocks of checkout and payment differ by at least 30.0 ms", "1 span is a child of spans that it does not hold", "ended 4.00 s ago"} {
		if i >= len(c.Trace.Remarks) || !strings.Contains(c.Trace.Remarks[i], want) {
			t.Errorf("remarks %q, want one of %q", c.Trace.Remarks, want)
		}
	}
	lookup.Now = lookup.Now.Add(time.Minute)
	if c := s.find(lookup); len(c.Trace.Remarks) != 2 {
		t.Errorf("a minute later: %q", c.Trace.Remarks)
	}
}

// Records by a clock that is minutes off are found, and it is said.
func TestFindWidensTheTimeOfATrace(t *testing.T) {
	s := newShop(t, question)
	s.happens(40, time.Second, false)
	s.logs.stored = []sources.Record{record("cart", minuteOf(40), "noise", nil), record("payment", minuteOf(46), "late", sources.Labels{"trace_id": string(traceID(40))})}
	c := s.find(lookupOf(t, string(traceID(40))))
	if len(c.Records) != 1 || len(s.searched()) != 2 {
		t.Errorf("records %+v, searched in %v", c.Records, s.searched())
	}
	if m := missing(c, sources.Loki, correlate.MissingNoData); m == nil || !strings.Contains(m.Reason, "10m") || c.Partial() {
		t.Errorf("missing %+v", c.Missing)
	}
}

func TestFindSaysWhyNothingIsThere(t *testing.T) {
	s := slowBank(t)
	unsampled := lookupOf(t, "00-"+string(traceID(2000))+"-00f067aa0ba902b7-00")
	c := s.find(unsampled)
	if m := missing(c, "", correlate.MissingNoData); m == nil || !strings.Contains(m.Reason, "not sampled") || m.Hint == "" {
		t.Errorf("missing %+v", c.Missing)
	}
	old := lookupOf(t, "1-5759e988-bd862e3fe1be46a994272793") // of 9 June 2016
	old.Fixed = true
	c = s.find(old)
	if m := missing(c, "", correlate.MissingNoData); m == nil || !strings.Contains(m.Reason, "2016-06-09") || !strings.Contains(m.Hint, "--from 2016-06-09") {
		t.Errorf("missing %+v", c.Missing)
	}
	if c.Partial() {
		t.Error("that nothing is there is no failure")
	}
	// The time that an ID tells is looked at first where nobody named another.
	old.Fixed = false
	s.ledger = &sources.Ledger{Now: s.ledger.Now}
	s.find(old)
	at := time.Unix(0x5759e988, 0).UTC()
	for _, q := range s.ledger.Queries() {
		if q.Backend == sources.Loki {
			if !q.Window.Contains(at) {
				t.Errorf("asked first about %s, want %s", q.Window, at)
			}
			break
		}
	}
}

// Habits save reading lines, and change nothing of what is found.
func TestFindByHabits(t *testing.T) {
	id := traceID(7)
	stored := []sources.Record{
		record("payment", window.To.Add(-3*time.Hour), "authorized", sources.Labels{"trace_id": string(id)}),
		record("payment", window.To.Add(-3*time.Hour).Add(time.Second), "and a line alone: "+string(id), nil),
		record("checkout", window.To.Add(-3*time.Hour), "level=info msg=paid trace="+string(id), nil),
		record("cart", window.To.Add(-time.Hour), "noise", nil),
	}
	habits := correlate.NewHabits(map[string]correlate.Habit{
		"payment": {Strict: true, Seen: noon.Add(-time.Hour)}, "gone": {Strict: true, Seen: noon.Add(-1000 * time.Hour)},
	}, noon)
	if known, learnt := habits.Known(); len(known) != 1 || learnt {
		t.Errorf("knows %v, learnt %t", known, learnt)
	}
	for _, with := range []*correlate.Habits{nil, habits} {
		s := newShop(t, question)
		s.logs.stored = stored
		lookup := lookupOf(t, string(id))
		lookup.Habits, lookup.Now = with, noon
		c := s.find(lookup)
		if len(c.Records) != 3 {
			t.Fatalf("habits %v: records %+v", with, c.Records)
		}
		wide := 0
		for _, q := range s.ledger.Queries() {
			if q.Window.Duration() >= time.Hour && strings.Contains(q.Text, "|~") && (strings.Contains(q.Text, "payment") || strings.Contains(q.Text, `service_name=~".+"`)) {
				wide++
			}
		}
		// The first half hour holds nothing; the lines of the six hours are read without habits.
		if want := 1; with == nil && wide != want {
			t.Errorf("without habits %d queries read payment's lines, want %d", wide, want)
		}
		if with != nil && wide != 0 {
			t.Errorf("with habits %d queries read payment's lines: %q", wide, s.questions(sources.Loki))
		}
		want := []correlate.Place{
			{Service: "checkout", Kind: correlate.InField, Field: "trace", Records: 1},
			{Service: "payment", Kind: correlate.InLine, Records: 1},
			{Service: "payment", Kind: correlate.InMetadata, Field: "trace_id", Records: 1},
		}
		if !slices.Equal(c.Places, want) {
			t.Errorf("places %+v", c.Places)
		}
	}
	// A service of which one record was found by its line is read by lines from then on.
	known, learnt := habits.Known()
	if !learnt || known["payment"].Strict || known["checkout"].Strict || known["checkout"].Seen.IsZero() {
		t.Errorf("knows %v, learnt %t", known, learnt)
	}
}

func TestReadingsAreTriedTogether(t *testing.T) {
	// A UUID may be a trace ID with dashes, or a request ID.
	const uuid = "7f3c1d2e-9a44-4f0b-8f57-2f1e0c9b8a76"
	id, ok := sources.ParseTraceID(strings.ReplaceAll(uuid, "-", ""))
	if !ok {
		t.Fatal("no trace ID")
	}
	read, err := ident.Read(uuid)
	if err != nil || read.Trace != id || read.Request != uuid {
		t.Fatalf("taken for %+v, %v", read, err)
	}
	for name, line := range map[string]sources.Record{
		"trace":   record("payment", minuteOf(40), "ok", sources.Labels{"trace_id": string(id)}),
		"request": record("payment", minuteOf(40), `{"request_id":"`+uuid+`"}`, nil),
	} {
		s := newShop(t, question)
		s.logs.stored = []sources.Record{line}
		c := s.find(lookupOf(t, uuid))
		if len(c.Records) != 1 || len(s.searched()) != 1 {
			t.Errorf("%s: records %+v, searched in %v", name, c.Records, s.searched())
		}
	}
}

// Without an ID in the logs the lines of the same service, pod and time are shown, as weak.
func TestFindNearbyRecords(t *testing.T) {
	s := newShop(t, question)
	s.happens(40, time.Second, false)
	for i := range s.traces.stored[0].Spans {
		s.traces.stored[0].Spans[i].Resource = sources.Attributes{{Key: "k8s.pod.name", Value: "payment-1"}}
	}
	at := minuteOf(40).Add(100 * time.Millisecond)
	line := func(labels sources.Labels, text string) sources.Record {
		return sources.Record{Time: at, Stream: labels, Line: text}
	}
	s.logs.stored = []sources.Record{
		line(sources.Labels{"service_name": "payment", "pod": "payment-1"}, "of this pod"),
		line(sources.Labels{"service_name": "payment", "pod": "payment-2"}, "of another pod"),
		line(sources.Labels{"container": "checkout"}, "of a guess"),
		line(sources.Labels{"service_name": "cart"}, "of another service"),
		{Time: at.Add(time.Minute), Stream: sources.Labels{"service_name": "payment", "pod": "payment-1"}, Line: "of another time"},
	}
	c := s.find(lookupOf(t, string(traceID(40))))
	var lines []string
	for _, r := range c.Records {
		lines = append(lines, r.Line)
		if r.Join != correlate.ByServiceTime || r.TraceID != "" {
			t.Errorf("%q is joined by %s to trace %q", r.Line, r.Join, r.TraceID)
		}
	}
	slices.Sort(lines) // of one moment
	if want := []string{"of a guess", "of this pod"}; !slices.Equal(lines, want) {
		t.Errorf("lines %q, want %q", lines, want)
	}
	notes := ""
	for _, h := range c.Hops {
		if h.To == "records" {
			notes += h.Note + "\n"
		}
	}
	if !strings.Contains(notes, "checkout is taken for container=checkout, a guess") || strings.Contains(notes, "payment is taken for") {
		t.Errorf("notes %s", notes)
	}
	if m := missing(c, sources.Loki, correlate.MissingNoData); m == nil || !strings.Contains(m.Reason, string(traceID(40))) || c.Partial() {
		t.Errorf("missing %+v", c.Missing)
	}

	// One record that an ID joins is more than all of these.
	s.logs.stored = append(s.logs.stored, record("bank", at, "joined", sources.Labels{"trace_id": string(traceID(40))}))
	if c := s.find(lookupOf(t, string(traceID(40)))); len(c.Records) != 1 || c.Records[0].Join.Weak() {
		t.Errorf("records %+v", c.Records)
	}
}

// Traces come whole: of one that is large no others are fetched to count by.
func TestFindCountsNoLargeTraces(t *testing.T) {
	s := newShop(t, question)
	s.happens(40, time.Second, true)
	trace := &s.traces.stored[0]
	for n := range 5000 {
		span := trace.Spans[3]
		span.ID, span.ParentID, span.Status = spanID(100_000+n), trace.Spans[2].ID, sources.StatusOK
		trace.Spans = append(trace.Spans, span)
	}
	c := s.find(lookupOf(t, string(traceID(40))))
	if c.Failure == nil || c.Failure.Now != nil || c.Failure.LinesNow == nil {
		t.Fatalf("failure %+v", c.Failure)
	}
	for _, q := range s.questions(sources.Jaeger) {
		if strings.Contains(q, "error=") {
			t.Errorf("asked for %s", q)
		}
	}
	if m := missing(c, sources.Jaeger, correlate.MissingNoData); m == nil || !strings.Contains(m.Reason, "5004 spans") || c.Partial() {
		t.Errorf("missing %+v", c.Missing)
	}
}
