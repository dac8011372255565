package tui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"
	"pgregory.net/rapid"

	"obs/correlate"
	"obs/sources"
)

// lookedUp is what a lookup finds of the made-up request, as far as it brings it before
// it counts, and whole: it failed, and was tried again.
func lookedUp() (early, whole *correlate.Case) {
	trace, records := madeRequest()
	trace.Spans[spanAt(trace, 5)].Attempt, trace.Spans[spanAt(trace, 5)].Attempts = 2, 3
	span := &trace.Spans[spanAt(trace, 5)]
	span.Events = []sources.Event{{Time: span.Start.Add(time.Second), Name: "exception", Attributes: sources.Attributes{
		{Key: "exception.message", Value: "no answer in 3.7 s"},
		{Key: "exception.stacktrace", Value: "TimeoutError: no answer\n\tat pay(1)\n\tat pay(2)\n\tat pay(3)\n\tat pay(4)\n\tat pay(5)\n\tat main(6)"},
		{Key: "exception.type", Value: "TimeoutError"},
	}}}
	trace.Remarks = []string{"the clocks of web and payment differ by 12.0 ms", "it ended 3.00 s ago: spans and records of it may still be on their way"}
	early = correlate.NewCase(trace.Window())
	early.Asked, early.TakenFor = string(trace.ID), "trace ID "+string(trace.ID)
	early.Trace, early.Records = trace, records
	early.Failure, early.Story = correlate.FailureOf(trace), correlate.Tell(trace, records)
	again := *trace
	again.ID = madeID(9)
	again.Remarks = nil
	again.Related = &correlate.Relation{Join: correlate.ByRequestID, TraceID: trace.ID, Text: "it carries the same request ID req-77: web POST /checkout was tried again 2.00 s after " + string(trace.ID) + " had failed"}
	c := *early
	same := *trace
	c.Trace = &same
	failure := *early.Failure
	failure.Now = &correlate.Occurrences{Window: madeQuestion().Window, Traces: 19, Of: 50}
	failure.Before = &correlate.Occurrences{Window: madeQuestion().Baseline, Of: 50}
	failure.Findings = []string{c.AddFinding("payment HTTP POST provider.eu fails like this in 19 of 50 stored traces, and in 0 of 50 before",
		correlate.Evidence{Backend: sources.Jaeger, Query: `service="payment" error=true`, URL: "http://127.0.0.1:16686/search"})}
	c.Failure = &failure
	c.OtherTraces = []correlate.Trace{again}
	c.Places = []correlate.Place{{Service: "payment", Kind: correlate.InField, Field: "trace_id", Records: 2}, {Service: "stock", Kind: correlate.Nowhere}}
	return early, &c
}

func spanAt(t *correlate.Trace, id int) int {
	for i := range t.Spans {
		if t.Spans[i].ID == madeSpanID(id) {
			return i
		}
	}
	return -1
}

func onLookup(width, height int, t testing.TB) *driver {
	t.Helper()
	_, whole := lookedUp()
	return drive(t, onTraceOf(whole), width, height)
}

func TestStoryFrames(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			d := onLookup(size[0], size[1], t)
			t.Run("trace", func(t *testing.T) { golden.RequireEqual(t, d.text()+"\n") })
			d.press("s")
			t.Run("story", func(t *testing.T) { golden.RequireEqual(t, d.text()+"\n") })
		})
	}
}

// The tree is there before the counts are, and what the person did to it meanwhile stays.
func TestLookupFillsIn(t *testing.T) {
	early, whole := lookedUp()
	d := drive(t, onTraceOf(whole), 120, 40)
	d.whole, d.found = false, nil
	d.pop()
	d.holding = true
	d.carryOut(d.push(newTraceScreen(d.stageFor(), nil)))
	d.take(stepMsg{Name: correlate.StepPreview, Done: true, SoFar: early})
	d.shows("laying out the spans")
	d.release()
	d.chosen("HTTP POST provider.eu")
	d.shows("✖ payment HTTP POST provider.eu: deadline exceeded", "counting how often", "s story", "! the clocks of web and payment differ")
	d.hides("like this", "other trace")
	d.press("T")
	d.shows("still being looked for")
	// A fold, a record that others stood for, and the cursor upon it.
	d.press("k", "z")
	d.shows("▸ authorize")
	for !strings.Contains(d.line("▸ + 8 records"), ">") {
		d.press("k")
	}
	d.press("z")
	for !strings.Contains(d.line("article 8 reserved"), ">") {
		d.press("j")
	}
	at := d.rowOnScreen("article 8 reserved")
	d.holding = true
	d.take(caseMsg{found: whole, round: d.round})
	d.shows("19 of 50 traces like this, 0 before")
	d.chosen("article 8 reserved")
	d.press("j")
	d.press("k")
	d.release()
	d.chosen("article 8 reserved")
	d.shows("19 of 50 traces like this, 0 before · s story", "▸ authorize", "1 other trace of the same request")
	// A line more stands above the rows by now.
	if now := d.rowOnScreen("article 8 reserved"); now-at < 0 || now-at > 1 {
		t.Errorf("the selected row went from line %d to %d", at, now)
	}
}

// pop leaves the screen on top without a question.
func (d *driver) pop() {
	d.top().base().leave()
	d.stack = d.stack[:len(d.stack)-1]
}

// rowOnScreen is the line of the screen with a text.
func (d *driver) rowOnScreen(text string) int {
	d.t.Helper()
	for i, line := range d.lines() {
		if strings.Contains(line, text) {
			return i
		}
	}
	d.t.Fatalf("%q is not on the screen:\n%s", text, d.text())
	return -1
}

func TestStoryWhileCounted(t *testing.T) {
	early, whole := lookedUp()
	d := drive(t, onTraceOf(whole), 120, 50)
	d.whole, d.found = false, early
	d.press("s")
	d.on(onStory)
	d.shows("still being counted", "what happened, since the request began")
	d.press("G")
	d.take(caseMsg{found: whole, round: d.round})
	d.shows("fails like this in 19 of 50 stored traces")
	d.hides("still being counted")
}

func TestStoryLeadsToTheTree(t *testing.T) {
	d := onLookup(120, 50, t)
	d.press("g", "s")
	d.on(onStory)
	d.chosen("payment HTTP POST provider.eu: deadline exceeded")
	d.shows("exception TimeoutError: no answer in 3.7 s", "┆ at pay(4)", "… 2 more lines of the stack; z shows them", "! the clocks of web",
		"►", "+320 ms payment  HTTP POST provider.eu begins (attempt 2 of 3)", "where the logs carry the trace ID", "field trace_id, 2 records", "nowhere")
	d.hides("at main(6)")
	d.press("z")
	d.shows("┆ at main(6)")
	d.press("z")
	d.hides("at main(6)")
	// The headline leads to where the error began.
	d.press("enter")
	d.on(onTrace)
	d.chosen("HTTP POST provider.eu")
	// A moment of the log leads to its record.
	d.press("s", "/")
	d.write("timeout calling")
	d.press("enter")
	d.hides("POST provider.eu begins")
	d.chosen("timeout calling provider.eu-west")
	d.press("enter")
	d.on(onTrace)
	d.chosen("timeout calling provider.eu-west")
	// Failures one after the other, and back to where one was.
	d.press("s", "x", "x")
	d.chosen("✖")
	d.press("y")
	d.shows("copied the moment")
	d.press("esc")
	d.chosen("timeout calling provider.eu-west")
}

func TestStoryOfARequestThatDidNotFail(t *testing.T) {
	all := []madeSpan{{1, 0, "web", "GET /", 0, 40, nil}, {2, 1, "cart", "GET /cart", 10, 20, nil}}
	found := correlate.NewCase(madeQuestion().Window)
	found.Trace = madeTree(madeID(3), all)
	d := drive(t, onTraceOf(found), 100, 30)
	d.hides("s story ·", "✖")
	d.press("s", "x")
	d.shows("the request did not fail", "d on its trace", "nothing failed in this story")
	d.press("z", "enter", "G", "/")
	d.write("nowhere")
	d.press("enter")
	d.shows(`nothing here holds "nowhere"`)
	d.press("esc", "esc")
	d.on(onTrace)
	d.press("T")
	d.shows("no other trace of this request is known")
	d.press("b")
	d.lines()
}

func TestBlamed(t *testing.T) {
	d := onLookup(200, 50, t)
	if line := d.line("HTTP POST provider.eu  "); !strings.Contains(line, "►") || !strings.Contains(line, "attempt 2 of 3") {
		t.Errorf("the span where the error began: %q", line)
	}
	d.shows("► the error began", "again     attempt 2 of 3 of the same call", "  at pay(1)")
	d.press("g", "b")
	d.chosen("HTTP POST provider.eu")
	d.shows("the error began here")
	d.press("g", "x", "x", "x", "x")
	d.chosen("HTTP POST provider.eu")
	d.shows("4 of 4 that failed; the error began here")
	d.size(80, 24)
	d.shows(" 2/3 ", "payment HTTP POST provider.eu: deadline exceeded")
}

func TestOtherTraces(t *testing.T) {
	p := madePaper()
	_, whole := lookedUp()
	o := showing(p, whole)
	o.Trace = true
	d := drive(t, o, 120, 40)
	d.shows("↔ 1 other trace of the same request · T lists")
	d.press("T")
	d.shows("Other traces of the same request", string(madeID(9)), "was tried again 2.00 s after")
	d.press("y")
	d.shows("copied the trace ID")
	d.press("esc", "T", "T")
	d.hides("Other traces of the same request;")
	d.press("T", "enter")
	d.on(onTrace)
	d.shows("abc009", "↔ it carries the same request ID req-77")
	if len(d.stack) != 2 {
		t.Errorf("%d screens", len(d.stack))
	}
	// From there the first one is the other, and is gone back to.
	d.press("T", "enter")
	d.shows("abc004", "19 of 50 traces")
	if len(d.stack) != 1 {
		t.Errorf("%d screens", len(d.stack))
	}
	// The story lists them too.
	d.press("s", "/")
	d.write(string(madeID(9)))
	d.press("enter", "enter")
	d.on(onTrace)
	d.shows("abc009")
	d.press("s")
	d.shows("payment HTTP POST provider.eu: deadline exceeded", "+320 ms")
	d.hides("where the logs carry")
	for _, asked := range p.asked {
		t.Errorf("asked %q, which the case has", asked)
	}
}

// Of the traces of a lookup that a screen asked for, none is asked for again.
func TestOtherTracesOfATraceByItsID(t *testing.T) {
	p := madePaper()
	_, whole := lookedUp()
	p.request = func(correlate.Lookup) *correlate.Case { return whole }
	d := drive(t, showing(p, madeCase()), 120, 40)
	d.press(":")
	d.write("trace " + string(madeID(4)))
	d.press("enter")
	d.shows("19 of 50 traces like this")
	d.press("T", "enter")
	d.shows("abc009")
	asked := 0
	for _, q := range p.asked {
		if strings.HasPrefix(q, "request") {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("asked %q", p.asked)
	}
}

func TestLookupThatFindsNothing(t *testing.T) {
	found := correlate.NewCase(madeQuestion().Window)
	found.Asked, found.TakenFor = "req\x1b[2J-1", "request ID req-1"
	found.Queries = []correlate.Query{{Backend: sources.Loki, Status: "empty", Query: `{a=~".+"} |= "req-1"`, Window: &found.Window}, {Backend: sources.Jaeger, Status: "ok", Query: "GET /api/v3/services"}}
	found.Missing = []correlate.Missing{{Kind: correlate.MissingNoData, Reason: "trace 77 was not sampled", Hint: "ask for the request ID"}}
	for _, size := range sizes {
		d := drive(t, onTraceOf(found), size[0], size[1])
		d.shows("-1: taken for request ID req-1", "It may never have been sampled", "▲ trace 77 was not sampled", "→ ask for the request ID",
			"Nothing was found in what was searched:", `loki       empty    {a=~".+"} |= "req-1"`, "GET /api/v3/services   in all it has", "r asks again")
		d.press("s")
		d.shows("there is no trace to look at")
		d.press("c")
		d.on(onCase)
	}
	found.Queries = []correlate.Query{{Backend: sources.Loki, Status: sources.QueryFailed, Query: "q"}}
	found.Missing = []correlate.Missing{{Backend: sources.Loki, Kind: correlate.MissingFailed, Reason: "no log record was looked at: refused", Hint: "start it"}}
	d := drive(t, onTraceOf(found), 80, 24)
	d.shows("Nothing could be found out: no backend answered.", "loki: no log record was looked at: refused", "→ start it")
	d.hides("It may never have been sampled")
}

// While it is looked for, each step stands with what came of it.
func TestLookupSteps(t *testing.T) {
	d := drive(t, onTraceOf(correlate.NewCase(madeQuestion().Window)), 80, 24)
	d.whole, d.found = false, nil
	d.take(stepMsg{Name: "trace", Text: "fetching trace 77"})
	d.shows("fetching trace 77")
	d.take(stepMsg{Name: "trace", Text: "Jaeger gave no answer", Done: true, Failed: true})
	d.take(stepMsg{Name: "records", Text: "bringing its log records"})
	d.shows("✖ Jaeger gave no answer", "bringing its log records")
}

func TestRecordsWithoutSpans(t *testing.T) {
	_, records := madeRequest()
	found := correlate.NewCase(madeQuestion().Window)
	found.Asked, found.TakenFor, found.Records = "77", "trace ID 77", records
	found.Missing = []correlate.Missing{{Backend: sources.Jaeger, Kind: correlate.MissingFailed, Reason: "no spans were looked at: refused", Hint: "start it"}}
	d := drive(t, onTraceOf(found), 120, 40)
	d.shows("77: taken for trace ID 77", "there are no spans of this trace", "jaeger: no spans were looked at: refused", "checkout ")
	d.chosen("article 10 is gone")
	d.press("x")
	d.chosen("timeout calling")
	d.press("x")
	d.chosen("article 10 is gone")
	d.shows("from the top again")
	d.press("b")
	d.shows("no span of this trace is to blame")
	d.press("s")
	d.shows("there are no spans of it")
}

// Help can be found in every footer, and at the usual width what is selected can be copied.
func TestFootersKeepHelp(t *testing.T) {
	for _, on := range places {
		d := drive(t, madeIncident(), 120, 40)
		var s screen = newStoryScreen(d.stageFor(), newTraceScreen(d.stageFor(), nil))
		switch on {
		case onOverview:
			s = newOverview(d.stageFor())
		case onMetric:
			s = newMetricScreen(d.stageFor(), correlate.Subject{})
		case onTraces:
			s = newTracesScreen(d.stageFor(), correlate.Subject{}, nil)
		case onTrace:
			s = newTraceScreen(d.stageFor(), nil)
		case onLogs:
			s = newLogsScreen(d.stageFor(), correlate.LogQuestion{}, "logs")
		case onCase:
			s = newCaseScreen(d.stageFor())
		}
		d.carryOut(d.push(s))
		d.on(on)
		for width := leastWidth; width <= 220; width++ {
			d.size(width, 40)
			lines := d.lines()
			wanted := []string{"↵ onward", "esc back", "? help"}
			if width >= 120 {
				wanted = append(wanted, "y copy")
			}
			for _, want := range wanted {
				if foot := lines[len(lines)-1]; !strings.Contains(foot, want) {
					t.Fatalf("%s at %d: no %q in %q", on, width, want, foot)
				}
			}
		}
	}
}

func TestStoryHostile(t *testing.T) {
	evil := "\x1b[2J\u202eevil\r\n\t漢漢\u0301🇩🇪" + strings.Repeat("x", 300)
	_, c := lookedUp()
	c.Failure.Service, c.Failure.Operation, c.Failure.Message = evil, evil, evil
	c.Failure.Exception = &correlate.Exception{Type: evil, Message: evil, Stack: strings.Repeat(evil, 40)}
	c.Trace.Remarks = []string{evil, evil}
	c.OtherTraces[0].Related.Text = evil
	c.OtherTraces[0].Root = &correlate.Work{Service: evil, Operation: evil}
	c.Places[0].Service, c.Places[0].Field = evil, evil
	c.Findings[0].Statement = evil
	for i := range c.Story {
		c.Story[i].Service, c.Story[i].Text = evil, evil
	}
	for _, size := range sizes {
		d := drive(t, onTraceOf(c), size[0], size[1])
		d.lines()
		for _, key := range []string{"T", "j", "esc", "s", "z", "j", "j", "j", "G", "g", "x", "p", "esc", "/"} {
			d.press(key)
			d.lines()
		}
		d.write("漢")
		d.lines()
	}
}

// Whatever is pressed on a story of any request, a row is selected or none can be, and
// lines are exact.
func TestStoryAnyKeys(t *testing.T) {
	keys := []string{"s", "s", "esc", "enter", "j", "k", "x", "z", "g", "G", "pgup", "pgdown", "T", "b", "n", "Z", "R", "r", "y", "?", "d"}
	rapid.Check(t, func(r *rapid.T) {
		trace, records := anyRequest(r)
		_, found := lookedUp()
		found.Trace, found.Records, found.Failure = trace, records, correlate.FailureOf(trace)
		found.Story = correlate.Tell(trace, records)
		d := drive(t, onTraceOf(found), rapid.IntRange(leastWidth, 140).Draw(r, "width"), rapid.IntRange(leastHeight, 50).Draw(r, "height"))
		for range rapid.IntRange(1, 25).Draw(r, "keys") {
			d.press(rapid.SampledFrom(keys).Draw(r, "key"))
			d.lines()
			if s, ok := d.top().(*storyScreen); ok && s.selected() == nil {
				r.Fatalf("nothing is selected:\n%s", d.text())
			}
			if t.Failed() {
				r.FailNow()
			}
		}
	})
}
