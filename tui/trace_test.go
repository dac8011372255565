package tui

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"
	"pgregory.net/rapid"

	"obs/correlate"
	"obs/correlate/spans"
	"obs/sources"
	"obs/tui/draw"
)

// madeSpan is a span of a made-up request: its number and its parent's, 0 for none, and
// when it ran, in milliseconds after noon.
type madeSpan struct {
	id, parent         int
	service, operation string
	from, took         int
	with               func(*sources.Span)
}

func madeSpanID(i int) sources.SpanID { return sources.SpanID(fmt.Sprintf("%016x", i)) }

// madeTree makes a trace of spans as a lookup does.
func madeTree(id sources.TraceID, all []madeSpan) *correlate.Trace {
	trace := sources.Trace{ID: id}
	for _, m := range all {
		s := sources.Span{
			TraceID: id, ID: madeSpanID(m.id), Service: m.service, Operation: m.operation, Kind: sources.KindServer,
			Start: noon.Add(time.Duration(m.from) * time.Millisecond), Duration: time.Duration(m.took) * time.Millisecond,
		}
		if m.parent != 0 {
			s.ParentID = madeSpanID(m.parent)
		}
		if m.with != nil {
			m.with(&s)
		}
		trace.Spans = append(trace.Spans, s)
	}
	made := correlate.FromTree(spans.Build(&trace))
	made.URL = "http://127.0.0.1:16686/trace/" + string(id)
	return &made
}

func failed(message string) func(*sources.Span) {
	return func(s *sources.Span) { s.Status, s.StatusMessage = sources.StatusError, message }
}

// madeRequest is a slow checkout: payment waits for its provider, and stock asks its
// database for each article by itself.
func madeRequest() (*correlate.Trace, []correlate.Record) {
	all := []madeSpan{
		{1, 0, "web", "POST /checkout", 0, 4110, nil},
		{2, 1, "checkout", "POST /checkout", 10, 4090, failed("payment failed")},
		{3, 2, "cart", "GET /cart/{id}", 20, 30, nil},
		{4, 2, "payment", "authorize", 300, 3760, func(s *sources.Span) {
			failed("provider timed out")(s)
			s.Events = []sources.Event{
				{Time: s.Start.Add(time.Second), Name: "retry", Attributes: sources.Attributes{{Key: "attempt", Value: "2"}}},
				{Time: s.Start.Add(3 * time.Second), Name: "exception", Attributes: sources.Attributes{
					{Key: "exception.message", Value: "no answer in 3.7 s"}, {Key: "exception.stacktrace", Value: "at pay\nat main"}, {Key: "exception.type", Value: "TimeoutError"},
				}},
			}
			s.Attributes = sources.Attributes{{Key: "otel.scope.name", Value: "pay"}, {Key: "provider.region", Value: "eu-west"}, {Key: "tenant.id", Value: "acme"}}
			s.Resource = sources.Attributes{{Key: "k8s.pod.name", Value: "payment-7f9c"}, {Key: "service.version", Value: "1.8.3"}}
			s.Links = []sources.Reference{{TraceID: madeID(77), SpanID: madeSpanID(9)}}
		}},
		{5, 4, "payment", "HTTP POST provider.eu", 320, 3700, failed("deadline exceeded")},
		{6, 2, "stock", "reserve", 60, 230, nil},
		{700, 2, "mail", "enqueue", 4070, 5, nil},
		{701, 99999, "audit", "write", 100, 20, nil},
		{702, 2, "支付网关", "通知", 4400, 300, nil},
	}
	for i := range 12 {
		m := madeSpan{100 + i, 6, "stock-db", "SELECT articles", 62 + 19*i, 3, nil}
		if i == 7 {
			m.with = failed("deadlock")
		}
		all = append(all, m)
	}
	trace := madeTree(madeID(4), all)
	trace.Blamed = madeSpanID(5)
	record := func(ms int, service, severity string, span int, line string) correlate.Record {
		r := correlate.Record{Time: noon.Add(time.Duration(ms) * time.Millisecond), Service: service, Severity: severity, TraceID: trace.ID, Line: line, Join: correlate.ByTraceID}
		if span > 0 {
			r.SpanID, r.Join = madeSpanID(span), correlate.BySpanID
		}
		return r
	}
	records := []correlate.Record{
		record(11, "checkout", "info", 2, `{"msg":"checkout_started","user_id":"u-19","level":"info"}`),
		record(4020, "payment", "error", 5, "timeout calling provider.eu-west after 3.7s"),
		record(4021, "payment", "warn", 5, "retrying authorize attempt=2"),
		record(4300, "gateway", "info", 0, "request done status=502"),
	}
	for i := range 9 {
		records = append(records, record(60+i, "stock", "info", 6, fmt.Sprintf("article %d reserved", i)))
	}
	records = append(records, record(70, "stock", "error", 6, "article 10 is gone"))
	slices.SortStableFunc(records, func(a, b correlate.Record) int { return a.Time.Compare(b.Time) })
	return trace, records
}

// requestCase is a triage that led to the made-up request.
func requestCase() *correlate.Case {
	c := madeCase()
	c.Missing = nil
	c.Trace, c.Records = madeRequest()
	c.Cohorts = madeCohorts(correlate.Subject{Service: "checkout"})
	c.Hops = []correlate.Hop{
		{From: "anomaly", To: "trace", Join: correlate.ByExemplar, ID: string(c.Trace.ID), Evidence: &correlate.Evidence{Backend: sources.Prometheus, Query: "exemplars"}},
		{From: "trace", To: "records", Join: correlate.ByTraceID, ID: string(c.Trace.ID), Evidence: &correlate.Evidence{Backend: sources.Loki, Query: `{service_name=~".+"}`, URL: "http://127.0.0.1:3100/"}},
	}
	return c
}

func onTraceOf(c *correlate.Case) Options {
	o := showing(madePaper(), c)
	o.Trace = true
	return o
}

// line is the line of the screen with a text.
func (d *driver) line(text string) string {
	d.t.Helper()
	for _, line := range d.lines() {
		if strings.Contains(line, text) {
			return line
		}
	}
	d.t.Fatalf("%q is not on the screen:\n%s", text, d.text())
	return ""
}

// chosen fails the test unless the selected row holds a text.
func (d *driver) chosen(text string) {
	d.t.Helper()
	for _, line := range d.lines()[3:] {
		if strings.HasPrefix(line, ">") {
			if !strings.Contains(line, text) {
				d.t.Errorf("selected is %q, want %q:\n%s", line, text, d.text())
			}
			return
		}
	}
	d.t.Errorf("no row is selected, want %q:\n%s", text, d.text())
}

func TestTraceFrames(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			d := drive(t, onTraceOf(requestCase()), size[0], size[1])
			golden.RequireEqual(t, d.text()+"\n")
		})
	}
}

func TestTraceOfTheCase(t *testing.T) {
	d := drive(t, onTraceOf(requestCase()), 160, 50)
	d.on(onTrace)
	d.shows("web POST /checkout", "4.11 s", "21 spans", "✖ 4 failed", "9 services", "14 records", "joined by exemplar ✔", "1 without their parent ?")
	d.chosen("HTTP POST provider.eu")
	d.shows("timeout calling provider.eu-west", "WARN  retrying authorize", "checkout_started  user_id=u-19", "× 12  SELECT articles")
	if line := d.line("× 12"); !strings.Contains(line, "95 % under 3.00 ms  total 36.0 ms") || !strings.Contains(line, "✖ 1 failed") {
		t.Errorf("the repetition does not say what it comes to: %q", line)
	}
	if line := d.line("POST provider.eu  "); !strings.Contains(line, "►") || !strings.Contains(line, "████") {
		t.Errorf("the span to blame: %q", line)
	}
	if line := d.line("authorize "); !strings.Contains(line, "━━━━") || !strings.Contains(line, "•") {
		t.Errorf("what waits for it: %q", line)
	}
	if line := d.line("GET /cart"); !strings.Contains(line, "─") && !strings.Contains(line, "━") && !strings.Contains(line, "█") {
		t.Errorf("no bar: %q", line)
	}
	if line := d.line("write"); !strings.Contains(line, "?") {
		t.Errorf("the orphan: %q", line)
	}
	if line := d.line("通知"); !strings.Contains(line, "≠") {
		t.Errorf("the skewed clock: %q", line)
	}
	d.shows("+ 8 records", "ERROR article 10 is gone", "no span: 1 record", "request done status=502")
	d.shows("the request waited 3.70 s for the span itself, 90 % of its time", "deadline exceeded", "20 slow vs 20 normal", "provider.region = eu-west")
	// The panel has what there is to know of a span.
	d.press("k")
	d.chosen("authorize")
	d.shows("TimeoutError: no answer in 3.7 s", "provider.region eu-west", "k8s.pod.name payment-7f9c", "retry   attempt 2", "at main", string(madeID(77)))
}

func TestTraceKeys(t *testing.T) {
	d := drive(t, onTraceOf(requestCase()), 120, 50)
	d.chosen("POST provider")
	// The critical path, forth and back.
	d.press("N")
	d.chosen("authorize")
	d.press("N")
	d.chosen("× 12  SELECT articles") // one stop
	d.press("N")
	d.chosen("reserve")
	d.press("n", "n")
	d.chosen("authorize")
	d.press("g", "n")
	d.chosen("checkout       POST")
	d.shows("2 of 19 on the critical path")
	d.press("g", "N")
	d.shows("19 of 19 on the critical path, from the bottom again")
	d.press("n")
	d.shows("1 of 19 on the critical path, from the top again")
	// Errors, with those in a repetition.
	d.press("x")
	d.chosen("checkout       POST")
	d.shows("1 of 4 that failed")
	d.press("x")
	d.chosen("SELECT articles")
	d.shows("× 7", "× 4", "deadlock")
	d.press("x", "x")
	d.chosen("POST provider")
	d.press("x")
	d.shows("1 of 4 that failed, from the top again")
	// The longest time of its own.
	d.press("g", "l")
	d.chosen("POST provider")
	d.shows("1 of 21 by its own time, 3.70 s")
	d.press("l")
	d.shows("2 of 21 by its own time")
	d.press("n", "l")
	d.shows("1 of 21 by its own time")
	// Folding.
	d.press("k")
	d.chosen("authorize")
	d.press("z")
	d.chosen("▸ authorize")
	d.shows("+1 ✖1")
	d.hides("HTTP POST provider.eu  ")
	d.press("space")
	d.shows("HTTP POST provider")
	d.press("j", "z")
	d.shows("nothing is beneath this span")
	// All off the critical path, and all.
	d.press("Z")
	d.shows("folded all that the request did not wait for")
	d.press("Z")
	d.shows("unfolded all", "article 8 reserved")
	d.hides("× ")
	d.press("Z")
	// Records.
	d.press("R")
	d.shows("14 records hidden")
	d.hides("checkout_started")
	d.press("R")
	d.shows("checkout_started")
	d.press("C")
	d.on(onTraces)
	d.press("esc", "L")
	d.on(onLogs)
	d.press("esc")
	d.on(onTrace)
}

func TestTraceUnfoldsWhatIsFolded(t *testing.T) {
	d := drive(t, onTraceOf(requestCase()), 120, 60)
	d.press("N", "N")
	d.chosen("× 12")
	d.shows("36.0 ms in all", "✖ 1 of 12 spans")
	d.press("enter")
	d.on(onTrace)
	d.hides("× 12")
	d.chosen("SELECT articles")
	d.press("z")
	d.chosen("× 12")
	// One of them alone leaves the others together.
	d.press("x")
	d.chosen("SELECT articles")
	d.shows("× 7", "× 4")
	// Records that others stand for.
	for !strings.HasPrefix(d.line("+ 8 records"), ">") {
		d.press("k")
	}
	d.press("enter")
	d.shows("article 8 reserved")
	d.hides("+ 8 records")
}

func TestTraceBlamesARepetition(t *testing.T) {
	found := requestCase()
	found.Trace.Blamed = madeSpanID(103)
	d := drive(t, onTraceOf(found), 120, 50)
	d.chosen("► stock-db           ▸ × 12  SELECT articles")
	d.shows("36.0 ms in all", "z gives each a row of its own; ↵ goes on")
	d.press("enter")
	d.on(onLogs)
	if focus := d.top().(*logsScreen).focus; focus != madeSpanID(103) {
		t.Errorf("focus on %q", focus)
	}
	// An exception among many has a row of its own.
	found.Trace.Blamed = madeSpanID(107)
	d = drive(t, onTraceOf(found), 120, 50)
	d.chosen("✖► stock-db           SELECT articles")
	d.shows("× 7", "× 4")
}

func TestTraceFoldsCallsInTurn(t *testing.T) {
	all := []madeSpan{{1, 0, "a", "all", 0, 1000, nil}}
	for i := range 40 {
		all = append(all, madeSpan{2 + i, 1, "a", []string{"read", "write"}[i%2], i * 20, 10, nil})
	}
	for i := range 4 { // too few
		all = append(all, madeSpan{50 + i, 1, "a", []string{"lock", "unlock"}[i%2], 900 + i*20, 10, nil})
	}
	found := madeCase()
	found.Trace, found.Records = madeTree(madeID(3), all), nil
	d := drive(t, onTraceOf(found), 120, 40)
	d.shows("× 40  read, write", "unlock")
	d.hides("× 4 ")
}

func TestWithoutStamp(t *testing.T) {
	r := &correlate.Record{Severity: "error", TraceID: madeID(7)}
	for line, want := range map[string]string{
		"2026-11-21 11:59:53.511 ERROR [shipping," + string(madeID(7)) + ",1] it failed": "it failed",
		"2026-11-21T11:59:53.511Z error it failed":                                       "it failed",
		"it failed at 11:59:53.511":                                                      "it failed at 11:59:53.511",
		"12 lines":                                                                       "12 lines", "error": "error", "": "", "11:59:53.511": "11:59:53.511",
	} {
		if got := withoutStamp(line, r); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestTraceLeadsToItsRecords(t *testing.T) {
	found := requestCase()
	d := drive(t, onTraceOf(found), 120, 40)
	d.press("enter")
	d.on(onLogs)
	logs := d.top().(*logsScreen)
	if logs.focus != madeSpanID(5) || len(logs.known) != len(found.Records) || logs.question.Trace != found.Trace.ID {
		t.Errorf("focus %q, %d records, trace %q", logs.focus, len(logs.known), logs.question.Trace)
	}
	d.press("esc", "L")
	if q := d.top().(*logsScreen).question; q.Service != "payment" || q.Window.From != noon.Add(-time.Minute) {
		t.Errorf("asked %+v", q)
	}
}

func TestTraceByItsID(t *testing.T) {
	p := madePaper()
	p.request = func(l correlate.Lookup) *correlate.Case {
		c := correlate.NewCase(l.Window)
		c.Trace, c.Records = madeRequest()
		c.Hops = []correlate.Hop{{To: "trace", Join: correlate.ByServiceTime, ID: string(c.Trace.ID)}}
		return c
	}
	d := drive(t, showing(p, madeCase()), 120, 40)
	d.press(":")
	d.write("trace " + string(madeID(4)))
	d.press("enter")
	d.on(onTrace)
	d.chosen("POST provider")
	d.shows("joined by service+time ▲ weak")
	if !slices.Contains(p.asked, "request "+string(madeID(4))) {
		t.Errorf("asked %q", p.asked)
	}
	// What was chosen stays when it is asked again.
	d.press("g", "r")
	d.chosen("POST /checkout")
	d.press("y")
	d.shows("copied the trace ID")
}

func TestTraceOfTheCaseIsNotAskedFor(t *testing.T) {
	p := madePaper()
	found := requestCase()
	other, _ := madeRequest()
	other.ID = madeID(9)
	found.OtherTraces = []correlate.Trace{*other}
	d := drive(t, showing(p, found), 120, 40)
	for _, id := range []sources.TraceID{madeID(4), madeID(9)} {
		d.press(":")
		d.write("trace " + string(id))
		d.press("enter")
		d.on(onTrace)
		d.shows("4.11 s", id.Short())
	}
	for _, asked := range p.asked {
		if strings.HasPrefix(asked, "request") {
			t.Errorf("asked %q", asked)
		}
	}
	d.press("r") // again, in earnest
	if !slices.Contains(p.asked, "request "+string(madeID(9))) {
		t.Errorf("asked %q", p.asked)
	}
}

func TestTraceWhileTheCaseForms(t *testing.T) {
	found := requestCase()
	o := onTraceOf(found)
	d := drive(t, o, 120, 40)
	d.whole, d.found = false, nil
	s := newTraceScreen(d.stageFor(), nil)
	d.carryOut(d.push(s))
	d.shows("looking for the trace")
	d.press("n")
	d.shows("no trace is known yet")
	early := *found
	early.Records = nil
	d.take(stepMsg{Name: correlate.StepPreview, SoFar: &early})
	d.chosen("POST provider")
	d.press("enter")
	d.shows("still being looked for")
	d.press("g")
	d.take(stepMsg{Name: correlate.StepPreview, SoFar: found})
	d.shows("14 records")
	d.chosen("web")
}

func TestTraceWithoutJaeger(t *testing.T) {
	_, records := madeRequest()
	missing := correlate.Missing{Backend: sources.Jaeger, Kind: correlate.MissingFailed, Reason: "no spans were looked at: connection refused", Hint: "start it"}
	p := madePaper()
	answer := correlate.NewCase(madeQuestion().Window)
	answer.Missing = []correlate.Missing{missing}
	p.request = func(correlate.Lookup) *correlate.Case { return answer }
	o := showing(p, madeCase())
	toTrace := func() *driver {
		d := drive(t, o, 100, 30)
		d.press(":")
		d.write("trace " + string(madeID(4)))
		d.press("enter")
		return d
	}
	d := toTrace()
	d.shows("there is no trace "+string(madeID(4)), "connection refused", "→ start it")
	d.press("enter")
	d.on(onTrace)
	d.shows("no log record carries the ID")
	answer.Records = records
	d = toTrace()
	d.shows("there are no spans of this trace", "connection refused", "14 records with the trace's ID", "timeout calling provider")
	for _, key := range []string{"n", "x", "l", "z", "Z", "R", "R", "j", "G", "g", "N"} {
		d.press(key)
		d.lines()
	}
	d.press("j", "enter")
	d.on(onLogs)
	if got := len(d.top().(*logsScreen).known); got != len(records) {
		t.Errorf("%d records handed on", got)
	}
}

func TestTraceWithoutLoki(t *testing.T) {
	found := requestCase()
	found.Records = nil
	found.Missing = []correlate.Missing{{Backend: sources.Loki, Kind: correlate.MissingNotConfigured, Reason: "no address is given for it", Hint: "set LOKI_URL"}}
	d := drive(t, onTraceOf(found), 120, 40)
	d.shows("▲ loki: no address is given for it", "0 records")
	for _, key := range []string{"enter", "R", "L"} {
		d.press(key)
		d.on(onTrace)
		d.shows("there are no log records: no address is given for it")
	}
}

func TestTraceThatIsNowhere(t *testing.T) {
	found := madeCase()
	d := drive(t, onTraceOf(found), 100, 30)
	d.shows("no trace was found", "loki: no log record was looked at")
	d.press("n", "z", "enter", "j", "/")
	d.write("a")
	d.press("enter", "esc", "o", "y", "p")
	d.lines()
}

func TestTraceSearch(t *testing.T) {
	d := drive(t, onTraceOf(requestCase()), 120, 50)
	for _, test := range []struct {
		text, found, chosen string
	}{
		{"provider", "/provider 1 of 3", "authorize"},
		{"EU-WEST", "/EU-WEST 1 of 2", "authorize"},
		{"tenant.id=acme", "1 of 1", "authorize"},
		{"payment-7f9c", "1 of 1", "authorize"},
		{"deadlock", "1 of 1", "SELECT articles"},
		{"article 5 res", "1 of 1", "article 5 reserved"},
		{"502", "1 of 1", "request done"},
		{string(madeSpanID(700)), "1 of 1", "enqueue"},
		{"通知", "1 of 1", "通知"},
		{"nonsense", "is nowhere here", ""},
	} {
		d.press("/")
		d.write(test.text)
		d.shows(test.found)
		if test.chosen != "" {
			d.chosen(test.chosen)
		}
		d.press("enter")
		if test.chosen == "" {
			d.press("n")
			d.shows("is nowhere in this trace")
		}
		d.press("esc")
		d.hides(test.found)
	}
	d.press("/")
	d.write("provider")
	d.press("enter", "n")
	d.chosen("POST provider")
	d.shows("2 of 3")
	d.press("n", "n")
	d.shows("1 of 3", "from the top again")
	d.press("N")
	d.shows("3 of 3", "from the bottom again")
	d.press("esc", "g", "n")
	d.shows("on the critical path") // n is the path's again
}

func TestTraceSearchBeforeItCanBe(t *testing.T) {
	d := drive(t, onTraceOf(requestCase()), 120, 50)
	s := newTraceScreen(d.stageFor(), nil)
	d.holding = true
	d.carryOut(d.push(s))
	d.shows("laying out the spans")
	d.press("/")
	d.write("deadlock")
	d.release()
	d.chosen("SELECT articles")
	d.shows("/deadlock 1 of 1")
}

func TestTraceLateAnswer(t *testing.T) {
	p := madePaper()
	p.request = func(l correlate.Lookup) *correlate.Case {
		c := correlate.NewCase(l.Window)
		c.Trace, c.Records = madeRequest()
		return c
	}
	d := drive(t, showing(p, madeCase()), 120, 40)
	d.holding = true
	d.press(":")
	d.write("trace " + string(madeID(4)))
	d.press("enter")
	d.shows("asking for trace " + string(madeID(4)))
	d.press("enter")
	d.shows("the trace is being asked for")
	d.press("esc")
	d.release()
	d.on(onOverview)
	d.hides("provider.eu")
}

func TestTracePicked(t *testing.T) {
	d := drive(t, onTraceOf(requestCase()), 120, 40)
	d.shows("trace " + string(madeID(4)))
	d.press("j")
	d.chosen("timeout calling")
	d.shows(`{service_name=~".+"}`, "log record")
	d.press("y")
	d.shows("copied the log line")
	if d.copied != "timeout calling provider.eu-west after 3.7s" {
		t.Errorf("copied %q", d.copied)
	}
	d.press("g", "o")
	d.shows("16686/trace/" + string(madeID(4)))
}

func TestTraceClick(t *testing.T) {
	d := drive(t, onTraceOf(requestCase()), 120, 50)
	for i, line := range d.lines() {
		if !strings.Contains(line, "GET /cart") {
			continue
		}
		if d.top().click(i - 3) {
			t.Error("selected at the first click")
		}
		d.chosen("GET /cart")
		if !d.top().click(i - 3) {
			t.Error("not again at the second click")
		}
	}
	for _, line := range []int{0, 1, 44, 100} {
		if d.top().click(line) {
			t.Errorf("line %d can be clicked", line)
		}
	}
	d.chosen("GET /cart")
}

func TestTraceSizes(t *testing.T) {
	d := drive(t, onTraceOf(requestCase()), 120, 50)
	for width := leastWidth; width <= 250; width += 19 {
		for height := leastHeight; height <= 85; height += 7 {
			d.size(width, height)
			d.lines()
			d.chosen("POST")
		}
	}
	d.size(80, 24)
	d.shows("joined by exemplar ✔", "✖ 4 failed", "timeout calling", "deadline exceeded", string(madeID(4)))
}

func TestTraceHostile(t *testing.T) {
	found := requestCase()
	evil := "\x1b[2J\u202eevil\r\n\t漢漢\u0301🇩🇪" + strings.Repeat("x", 3000)
	for i := range found.Trace.Spans {
		s := &found.Trace.Spans[i]
		s.Service, s.Operation, s.StatusMessage = evil, evil, evil
		s.Attributes = sources.Attributes{{Key: evil, Value: evil}}
		s.Resource = s.Attributes
		s.Events = []sources.Event{{Name: evil, Time: s.Start, Attributes: s.Attributes}}
	}
	for i := range found.Records {
		r := &found.Records[i]
		r.Line, r.Service, r.Severity, r.Labels = evil, evil, evil, sources.Labels{evil: evil}
	}
	found.Trace.Root = &correlate.Work{Service: evil, Operation: evil}
	d := drive(t, onTraceOf(found), 80, 24)
	for range 40 {
		d.press("j")
		d.lines()
	}
	d.press("/")
	d.write("漢")
	d.lines()
	d.press("enter", "n", "Z", "Z", "g")
	d.lines()
}

func TestTraceOddTimes(t *testing.T) {
	for name, change := range map[string]func(*correlate.Trace){
		"no time": func(c *correlate.Trace) {
			*c = *madeTree(c.ID, []madeSpan{{1, 0, "a", "b", 0, 0, nil}, {2, 1, "a", "c", 0, 0, nil}})
		},
		"centuries": func(c *correlate.Trace) {
			c.Spans[3].Start = c.Spans[3].Start.AddDate(-900, 0, 0)
			c.Spans[4].DurationSeconds = 1e300
		},
		"before":   func(c *correlate.Trace) { c.Spans[3].Start = c.Spans[3].Start.Add(-time.Hour) },
		"negative": func(c *correlate.Trace) { c.Spans[3].DurationSeconds = -5 },
		"depth":    func(c *correlate.Trace) { c.Spans[3].Depth = 4000; c.Spans[4].Depth = -3 },
		"no root":  func(c *correlate.Trace) { c.Root = nil; c.Blamed = "nowhere" },
		"shared IDs": func(c *correlate.Trace) {
			for i := range c.Spans {
				c.Spans[i].ID = madeSpanID(1)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			found := requestCase()
			change(found.Trace)
			d := drive(t, onTraceOf(found), 90, 30)
			for _, key := range []string{"n", "x", "l", "z", "Z", "Z", "G", "g", "j", "R", "k"} {
				d.press(key)
				d.lines()
			}
		})
	}
}

func TestTraceAxis(t *testing.T) {
	for _, test := range []struct {
		total float64
		cells int
		want  string
	}{
		{4.11, 52, "0           1 s          2 s         3 s"},
		{0.250, 40, "0               100 ms          200 ms"},
		{0.000045, 30, "0            20 µs"},
		{90, 40, "0            30 s         60 s"},
		{7200, 60, "0              30m0s          1h0m0s         1h30m0s"},
		{0, 20, "0"},
	} {
		if got := newAxis(test.total, test.cells).line(draw.Style{}); strings.TrimRight(got, " ") != test.want || draw.Width(got) != test.cells {
			t.Errorf("%g s in %d cells: %q, want %q", test.total, test.cells, got, test.want)
		}
	}
}

// TestTraceAnyKeys: whatever the tree and the keys, the selection is a row in sight, each
// span can be reached, and lines are exact.
func TestTraceAnyKeys(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		trace, records := anyRequest(r)
		found := madeCase()
		found.Trace, found.Records = trace, records
		o := onTraceOf(found)
		d := drive(t, o, rapid.IntRange(leastWidth, 140).Draw(r, "width"), rapid.IntRange(leastHeight, 50).Draw(r, "height"))
		keys := []string{"j", "k", "n", "N", "x", "l", "z", "Z", "R", "g", "G", "pgup", "pgdown", "space"}
		for range rapid.IntRange(1, 25).Draw(r, "keys") {
			d.press(rapid.SampledFrom(keys).Draw(r, "key"))
			checkTrace(r, d)
		}
		s := d.top().(*traceScreen)
		for i := range trace.Spans {
			at := s.view.reveal(i)
			if row := s.view.rows[at]; row.kind != rowSpan || int(row.span) != i {
				r.Fatalf("span %d has no row of its own: %+v", i, row)
			}
		}
		for at, which := range s.view.recordOf {
			owner := len(trace.Spans)
			if i, known := s.view.byID[s.view.records[which].SpanID]; known {
				owner = int(i)
			}
			row := s.view.revealSpot(traceSpot{owner, at})
			if s.view.rows[row].kind != rowRecord || int(s.view.rows[row].n) != at {
				r.Fatalf("record %d has no row: %+v", at, s.view.rows[row])
			}
		}
		d.press("Z")
		if s.view.pathOnly {
			d.press("Z")
		}
		if rows := s.view.rows; len(rows) < len(trace.Spans) {
			r.Fatalf("%d rows of %d spans, all unfolded", len(rows), len(trace.Spans))
		}
	})
}

// checkTrace holds what is always true of the screen.
func checkTrace(r *rapid.T, d *driver) {
	lines := strings.Split(ansi.Strip(d.frame()), "\n")
	marks := 0
	for i, line := range lines {
		if wide := ansi.StringWidth(line); wide != d.width {
			r.Fatalf("line %d is %d wide: %q", i, wide, line)
		}
		if strings.HasPrefix(line, ">") {
			marks++
		}
	}
	if len(lines) != d.height || marks != 1 {
		r.Fatalf("%d lines, %d rows selected:\n%s", len(lines), marks, strings.Join(lines, "\n"))
	}
	v := d.top().(*traceScreen).view
	covered := 0
	for i := 1; i < len(v.rows); i++ {
		if v.rows[i].span < v.rows[i-1].span {
			r.Fatalf("rows out of order: %+v", v.rows)
		}
	}
	for _, row := range v.rows {
		switch row.kind {
		case rowSpan:
			covered++
			if v.folded[row.span] {
				covered += int(v.End[row.span]-row.span) - 1
			}
		case rowRun, rowBeside:
			covered += v.behind(row) - int(row.span)
		}
	}
	if covered != v.size() {
		r.Fatalf("%d of %d spans stand in a row or are folded into one: %+v", covered, v.size(), v.rows)
	}
}

// anyRequest is a trace of any shape, with records.
func anyRequest(r *rapid.T) (*correlate.Trace, []correlate.Record) {
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 1))
	n := rapid.IntRange(1, 60).Draw(r, "spans")
	all := make([]madeSpan, 0, n)
	for i := 1; i <= n; i++ {
		m := madeSpan{id: i, service: fmt.Sprintf("s%d", random.IntN(3)), operation: fmt.Sprintf("op%d", random.IntN(2)), from: random.IntN(50), took: random.IntN(100)}
		switch random.IntN(10) {
		case 0:
			m.parent = 1000 // an orphan
		case 1, 2, 3:
			m.parent = i - 1
		default:
			m.parent = random.IntN(i)
		}
		if random.IntN(6) == 0 {
			m.with = failed("it failed")
		}
		all = append(all, m)
	}
	trace := madeTree(madeID(1), all)
	trace.Blamed = madeSpanID(random.IntN(n + 1))
	var records []correlate.Record
	for i := range rapid.IntRange(0, 40).Draw(r, "records") {
		records = append(records, correlate.Record{
			Time: noon.Add(time.Duration(i) * time.Millisecond), TraceID: trace.ID, Severity: []string{"info", "warn", "error"}[random.IntN(3)],
			Line: fmt.Sprintf("line %d", i), SpanID: madeSpanID(1 + random.IntN(1+min(n, 4))), Join: correlate.BySpanID,
		})
	}
	return trace, records
}

// TestTraceFindsWhatAPlainSearchFinds compares the search with one that looks at each.
func TestTraceFindsWhatAPlainSearchFinds(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		trace, records := anyRequest(r)
		view := newTreeView(layOut(trace, records))
		view.hay = view.haystack()
		needle := ""
		before := traceSearch{}
		for range rapid.IntRange(1, 4).Draw(r, "letters") {
			needle += rapid.SampledFrom([]string{"s", "1", "o", "p", "line", " ", "it", "E"}).Draw(r, "letter")
			before = view.seek(needle, before)
			var want []traceSpot
			for i := range len(trace.Spans) + 1 {
				holds := func(texts ...string) bool {
					return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(needle)) })
				}
				if i < len(trace.Spans) && holds(trace.Spans[i].Service, trace.Spans[i].Operation, trace.Spans[i].StatusMessage) {
					want = append(want, traceSpot{i, -1})
				}
				for at := view.recordAt[i]; at < view.recordAt[i+1]; at++ {
					if rec := &view.records[view.recordOf[at]]; holds(rec.Line, rec.Service, rec.Severity) {
						want = append(want, traceSpot{i, int(at)})
					}
				}
			}
			if !slices.Equal(before.spots, want) {
				r.Fatalf("%q: found %v, want %v", needle, before.spots, want)
			}
		}
	})
}

// TestTraceLargeIsFast bounds the work of a key by what it allocates, which unlike its
// time is the same on every machine.
func TestTraceLargeIsFast(t *testing.T) {
	d := showLarge(t)
	for _, key := range []string{"j", "x", "n", "l", "pgdown"} {
		allocated := testing.AllocsPerRun(5, func() {
			d.press(key)
			_ = d.frame()
		})
		if allocated > 20000 {
			t.Errorf("%s: %.0f allocations for a key and its frame", key, allocated)
		}
	}
}
