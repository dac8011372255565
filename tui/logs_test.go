package tui

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"
	"pgregory.net/rapid"

	"obs/correlate"
	"obs/sources"
	"obs/tui/draw"
)

// loggedTrace is the trace that the records of these tests are of, loggedSpan the span in
// it that failed.
const (
	loggedTrace = sources.TraceID("4bf92f3577b34da6a3ce929d0e0e4736")
	loggedSpan  = sources.SpanID("00f067aa0ba902b7")
)

// logged are records of a request: one a second, in which the payment fails.
func logged() []correlate.Record {
	lines := []struct{ service, severity, line string }{
		{"web", "info", `{"level":"info","msg":"request received","method":"POST","url":"/checkout?tenant=acme"}`},
		{"checkout", "info", `level=info msg="checkout started" user_id=u-19 request_id=req_a1b2c3`},
		{"checkout", "error", `cart is empty, retrying`},
		{"payment", "info", `{"msg":"authorizing","attempt":1}`},
		{"payment", "error", `{"msg":"timeout calling provider","provider":"eu-west","waited":"3.7s","stack":["Authorize (provider.go:41)","Pay (payment.go:7)"]}`},
		{"payment", "warn", `level=warn msg="retrying authorize" attempt=2`},
		{"支付网关", "info", `已批准 👩‍👩‍👧 done`},
	}
	var all []correlate.Record
	for i, l := range lines {
		r := correlate.Record{
			Time: noon.Add(time.Duration(i)*time.Second + 512*time.Millisecond), Service: l.service, Severity: l.severity, Line: l.line,
			TraceID: loggedTrace, Join: correlate.ByTraceID,
			Labels: sources.Labels{"service_name": l.service, "pod": l.service + "-7f9"}, Metadata: sources.Labels{"detected_level": l.severity},
		}
		if l.service == "payment" {
			r.SpanID, r.Join = loggedSpan, correlate.BySpanID
		}
		all = append(all, r)
	}
	return all
}

func loggedPatterns() []correlate.Pattern {
	return []correlate.Pattern{
		{Pattern: "timeout calling provider after <*>", Service: "web", Severity: "error", WindowCount: 9, Change: "new"},
		{Pattern: "timeout calling <*>", Service: "payment", Severity: "error", WindowCount: 412, Change: "new", Example: `{"msg":"timeout calling provider","waited":"3.7s"}`},
		{Pattern: "retrying <*>", Service: "payment", Severity: "warn", WindowCount: 388, BaselineCount: 62, Change: "grown"},
		{Pattern: "authorized <*> in <*>", Service: "payment", Severity: "info", BaselineCount: 391, Change: "vanished"},
		{Pattern: "authorizing", Service: "payment", Severity: "info", WindowCount: 400, BaselineCount: 390, Change: "same"},
		{Pattern: "request received", Service: "web", Severity: "info", WindowCount: 20, BaselineCount: 120, Change: "shrunk"},
	}
}

const loggedQuery = `{service_name=~"payment|checkout|web"} | trace_id="4bf92f3577b34da6a3ce929d0e0e4736"`

// logging answers with these records to all questions.
func logging(records []correlate.Record) *paper {
	return &paper{question: madeQuestion(), logs: func(q correlate.LogQuestion) *correlate.LogView {
		view := &correlate.LogView{Window: madeQuestion().Window, Query: loggedQuery, URL: "http://loki/explore"}
		if q.Patterns {
			view.Patterns = loggedPatterns()
		}
		if q.Limit >= 0 {
			view.Records = slices.Clone(records)
		}
		return view
	}}
}

// onLogsOf drives a program to a screen of records.
func onLogsOf(t testing.TB, p *paper, width, height int, set func(*logsScreen)) *driver {
	t.Helper()
	d := drive(t, showing(p, correlate.NewCase(madeQuestion().Window)), width, height)
	l := newLogsScreen(d.stageFor(), correlate.LogQuestion{Trace: loggedTrace}, "logs")
	if set != nil {
		set(l)
	}
	d.take(openMsg{l})
	d.on(onLogs)
	return d
}

func (d *driver) logs() *logsScreen { return d.top().(*logsScreen) }

// selectedLine is the line of the screen that is marked.
func (d *driver) selectedLine() string {
	d.t.Helper()
	for _, line := range d.lines()[3:] {
		if strings.HasPrefix(line, ">") {
			return strings.TrimSpace(line)
		}
	}
	d.t.Errorf("nothing is selected:\n%s", d.text())
	return ""
}

func (d *driver) selects(text string) {
	d.t.Helper()
	if line := d.selectedLine(); !strings.Contains(line, text) {
		d.t.Errorf("selected is %q, want %q:\n%s", line, text, d.text())
	}
}

func TestLogsBeginAtTheGuiltyRecord(t *testing.T) {
	without := func(drop ...int) []correlate.Record {
		var kept []correlate.Record
		for i, r := range logged() {
			if !slices.Contains(drop, i) {
				kept = append(kept, r)
			}
		}
		return kept
	}
	for _, test := range []struct {
		name    string
		records []correlate.Record
		focus   sources.SpanID
		want    string
	}{
		{"an error of the span", logged(), loggedSpan, "timeout calling provider"},
		{"a warning of the span before an error of another", without(4), loggedSpan, "retrying authorize"},
		{"what the span says before an error of another", without(4, 5), loggedSpan, "authorizing"},
		{"any error without a span", logged(), "", "cart is empty"},
		{"a warning", without(2, 4), "", "retrying authorize"},
		{"the first one", without(2, 4, 5), "", "request received"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := onLogsOf(t, logging(test.records), 120, 34, func(l *logsScreen) { l.focus = test.focus })
			d.selects(test.want)
		})
	}
}

func TestLogsWhereFrom(t *testing.T) {
	found := correlate.NewCase(madeQuestion().Window)
	found.Trace = &correlate.Trace{ID: loggedTrace}
	found.Records = logged()
	found.Hops = []correlate.Hop{{To: "records", Join: correlate.ByTraceID, Evidence: &correlate.Evidence{Query: "{of=\"the case\"}", URL: "http://loki/case", Window: madeQuestion().Window}}}
	asked := func(p *paper) int { return strings.Count(strings.Join(p.asked, "\n"), "logs ") }

	t.Run("case", func(t *testing.T) {
		p := logging(nil)
		d := drive(t, showing(p, found), 120, 34)
		d.take(openMsg{newLogsScreen(d.stageFor(), correlate.LogQuestion{Trace: loggedTrace}, "logs")})
		d.shows("7 records", "3 by span_id", "4 by trace_id", `{of="the case"}`, "cart is empty")
		if asked(p) != 1 { // the patterns
			t.Errorf("asked %q", p.asked)
		}
		if got := d.logs().picked(); got.url != "http://loki/case" || got.text != "cart is empty, retrying" {
			t.Errorf("picked %+v", got)
		}
		d.press("r")
		d.shows("no log record of trace " + string(loggedTrace))
	})
	t.Run("a span of the case", func(t *testing.T) {
		d := drive(t, showing(logging(nil), found), 120, 34)
		d.take(openMsg{newLogsScreen(d.stageFor(), correlate.LogQuestion{Trace: loggedTrace, Span: loggedSpan}, "logs")})
		d.shows("3 records", "timeout calling")
		d.hides("cart is empty")
	})
	t.Run("a case that grows", func(t *testing.T) {
		p := logging(nil)
		d := drive(t, showing(p, nil), 120, 34)
		l := newLogsScreen(d.stageFor(), correlate.LogQuestion{Trace: loggedTrace}, "logs")
		d.holding = true
		d.take(openMsg{l})
		d.found, d.whole = nil, false
		d.changed()
		d.shows("asking for the records")
		d.take(stepMsg{SoFar: found})
		d.shows("7 records", "cart is empty")
	})
	t.Run("known", func(t *testing.T) {
		p := logging(nil)
		d := onLogsOf(t, p, 120, 34, func(l *logsScreen) { l.known = logged()[:2] })
		d.shows("2 records", "checkout started")
		d.press("r")
		d.shows("2 records")
		if asked(p) != 2 { // the patterns, twice
			t.Errorf("asked %q", p.asked)
		}
		if got := d.logs().picked().query; got != loggedQuery {
			t.Errorf("the query is %q, want that of the patterns", got)
		}
	})
	t.Run("asked", func(t *testing.T) {
		d := onLogsOf(t, logging(logged()), 120, 34, nil)
		d.shows("7 records", clockSpan(madeQuestion().Window), "trace_id=")
	})
}

func TestLogsUnfold(t *testing.T) {
	d := onLogsOf(t, logging(logged()), 120, 34, func(l *logsScreen) { l.focus = loggedSpan })
	d.shows("┃ 3 of the span", "✖ 12:00:04.512 ERROR payment", "▲ 12:00:05.512 WARN ", "provider=eu-west waited=3.7s")
	d.hides("provider: eu-west")
	d.press("enter")
	d.shows("provider: eu-west", "waited: 3.7s", "stack: Authorize (provider.go:41)", "       Pay (payment.go:7)",
		"labels pod=payment-7f9  service_name=payment", "metadata detected_level=error", "span_id "+string(loggedSpan), "joined by span_id")
	d.press("left")
	d.shows("all of it is there")
	d.press("down")
	d.selects("retrying authorize")
	d.shows("provider: eu-west") // until it is folded
	d.press("up", "enter")
	d.hides("provider: eu-west")
	d.press("home", "enter")
	d.shows("method: POST", "url: /checkout?tenant=acme", "level: info")
	if text := d.text(); strings.Index(text, "level: info") < strings.Index(text, "url: /checkout") {
		t.Errorf("what the row tells does not come last:\n%s", text)
	}
	d.press("y")
	if !strings.Contains(d.copied, `"msg":"request received"`) {
		t.Errorf("copied %q", d.copied)
	}
	d.shows("copied the line")
	d.press("Y")
	if d.copied != loggedQuery {
		t.Errorf("copied %q", d.copied)
	}
	d.press("o")
	d.shows("http://loki/explore")
}

// A record that is taller than the screen is scrolled through.
func TestLogsTallRecord(t *testing.T) {
	records := logged()[:3]
	var stack strings.Builder
	for i := range 60 {
		fmt.Fprintf(&stack, "\n\tat frame%02d", i)
	}
	records[1].Line = "panic: it broke" + stack.String()
	records[1].Severity = "fatal"
	d := onLogsOf(t, logging(records), 80, 24, nil)
	d.selects("panic: it broke  (60 more lines)")
	d.press("enter")
	d.shows("    at frame00")
	d.hides("frame59", "cart is empty")
	for range 80 {
		if strings.Contains(d.text(), ":01.512Z") {
			break
		}
		d.press("down")
	}
	d.shows("frame59")
	d.hides("frame00")
	d.press("down")
	d.selects("cart is empty")
	d.press("up")
	d.shows("frame00")
	d.press("pgdown", "pgdown")
	d.hides("frame00")
	d.press("pgup")
	d.press("enter")
	d.hides("frame01")
	d.shows("request received", "cart is empty")
}

func TestLogsFilter(t *testing.T) {
	d := onLogsOf(t, logging(logged()), 120, 34, func(l *logsScreen) { l.focus = loggedSpan })
	filter := func(text string) {
		t.Helper()
		d.press("/")
		for range 40 {
			d.press("backspace")
		}
		d.write(text)
		d.press("enter")
	}
	for _, test := range []struct {
		text string
		want string
	}{
		{"RETRY", "2 of 7 records"},
		{"warn", "1 of 7 records"},             // a severity
		{"支付", "1 of 7 records"},               // a service
		{"checkout-7F9", "2 of 7 records"},     // a label
		{"pod=payment", "3 of 7 records"},      // with its name
		{"timeout <*> prov", "1 of 7 records"}, // with a gap
		{"req_a1b2c3", "1 of 7 records"},
	} {
		filter(test.text)
		d.shows(test.want)
	}
	filter("retry")
	d.selects("retrying authorize") // of the span
	d.press("esc")
	d.shows("7 records")
	d.selects("timeout calling")
	filter("retry")
	d.press("down", "esc")
	d.selects("retrying authorize") // what a person has chosen stays
	filter("nowhere")
	d.shows("0 of 7 records", `none of the records holds "nowhere"; esc drops the filter`)
	d.press("enter")
	d.shows("the filter lets no record through")
	d.press("esc")
	d.shows("7 records")
	d.on(onLogs)
	d.press("esc")
	d.on(onOverview)
}

// While a filter grows, only what is left is searched, and it comes to the same.
func TestLogsFilterNarrows(t *testing.T) {
	letters := []rune("abAB=<*> é支x\"")
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom(letters), 0, 6, -1)
		var records []correlate.Record
		for range rapid.IntRange(0, 8).Draw(r, "n") {
			records = append(records, correlate.Record{
				Line: text.Draw(r, "line"), Service: text.Draw(r, "service"), Severity: text.Draw(r, "severity"),
				Labels: sources.Labels{text.Draw(r, "name"): text.Draw(r, "value")},
			})
		}
		l := newLogsScreen(&stage{session: &session{}}, correlate.LogQuestion{}, "")
		l.set(records)
		needle := ""
		for _, step := range rapid.SliceOfN(rapid.SampledFrom(letters), 1, 5).Draw(r, "typed") {
			needle += string(step)
			l.filter(needle)
			whole := newLogMatch(needle, nil)
			for i := range records {
				if got := slices.Contains(l.shown, i); got != whole.matches(&records[i]) {
					t.Fatalf("%q: %+v is shown: %v", needle, records[i], got)
				}
			}
		}
		l.filter("")
		if len(l.shown) != len(records) {
			t.Fatalf("%d of %d without a filter", len(l.shown), len(records))
		}
	})
}

func TestLogsPatterns(t *testing.T) {
	p := logging(logged())
	d := onLogsOf(t, p, 120, 24, func(l *logsScreen) { l.focus = loggedSpan })
	d.hides("PATTERN")
	d.press("P")
	d.shows("CHANGE", "BEFORE", "PATTERN", "✖ new", "412", "▲ grown", "gone", "391", "· shrunk", "─ selected ─")
	d.selects("timeout calling provider after <*>")
	d.press("enter") // of web, which has no such record
	d.shows("0 of 7 records like the pattern", "none of the records here is like the pattern")
	d.press("P", "down")
	d.shows("such as: timeout calling provider  waited=3.7s")
	d.press("enter")
	d.shows("1 of 7 records like the pattern")
	d.selects("timeout calling provider")
	d.press("P")
	d.shows("✖ new", "retrying <*>") // a pattern that is sought hides no other
	d.press("end", "up", "up", "enter")
	d.shows("it is gone", "391 were before")
	d.press("x")
	d.shows("these are patterns; P goes back to the lines")
	d.press("y")
	if d.copied != "authorized <*> in <*>" {
		t.Errorf("copied %q", d.copied)
	}
	d.press("P", "esc")
	d.shows("7 records", "cart is empty")
	d.press("/")
	d.write("retry")
	d.press("enter", "P")
	d.shows("1 of 6 patterns", "retrying <*>")
	d.hides("timeout calling")
	if n := strings.Count(strings.Join(p.asked, "\n"), "logs "); n != 2 {
		t.Errorf("patterns are asked for once: %q", p.asked)
	}

	d = onLogsOf(t, logging(logged()), 120, 40, nil)
	d.shows("5 of 6 patterns, P shows all", "✖ new", "cart is empty", "gone")
	d.hides("shrunk")
	line := slices.IndexFunc(d.lines(), func(s string) bool { return strings.Contains(s, "retrying <*>") })
	click := tea.MouseClickMsg{X: 20, Y: line, Button: tea.MouseLeft}
	d.take(click)
	d.selects("retrying <*>")
	d.press("enter")
	d.shows("1 of 7 records like the pattern")
}

func TestLogsPatternWords(t *testing.T) {
	for _, test := range []struct {
		pattern, line string
		want          bool
	}{
		{"timeout calling <*> after <*>", "Timeout  calling eu-west after 3s", true},
		{"timeout calling <*> after <*>", "after a timeout calling eu-west", false},
		{"attempt=<*> state=failed", `{"state":"failed","attempt":3}`, true},
		{"attempt=<*> state=failed", `{"state":"done","attempt":3}`, false},
		{"<*>", "anything", true},
		{"支付 <*>", "支付 3", true},
		{"支付 <*>", "付款 3", false},
	} {
		m := newLogMatch(test.pattern, &correlate.Pattern{Pattern: test.pattern})
		if got := m.matches(&correlate.Record{Line: test.line}); got != test.want {
			t.Errorf("%q in %q: %v", test.pattern, test.line, got)
		}
	}
}

func TestLogsAround(t *testing.T) {
	p := logging(logged())
	p.around = func(r correlate.Record, n int) *correlate.LogView {
		before, after := r, r
		before.Time, before.Line, before.Severity = r.Time.Add(-time.Millisecond), "what came before", "fatal"
		after.Time, after.Line = r.Time.Add(time.Millisecond), "what came after"
		return &correlate.LogView{Records: []correlate.Record{before, r, after}, Query: `{pod="payment-7f9"}`}
	}
	d := onLogsOf(t, p, 120, 24, func(l *logsScreen) { l.focus = loggedSpan })
	d.press("x")
	d.on(onLogs)
	d.hides("by span_id")
	d.shows("around 12:00:04.512", "3 records around", "in its own stream", "what came before", "what came after", `{pod="payment-7f9"}`)
	d.selects("timeout calling provider")
	if last := p.asked[len(p.asked)-1]; !strings.HasPrefix(last, "around") || !strings.HasSuffix(last, " 20") {
		t.Errorf("asked %q", last)
	}
	d.press("esc")
	d.shows("7 records")
	d.selects("timeout calling provider")

	d.holding = true
	d.press("x")
	d.shows("the lines around it")
	d.press("esc")
	d.on(onOverview)
	d.release()
	d.on(onOverview) // nobody waits for them any more
}

func TestLogsFollow(t *testing.T) {
	fresh := func(i int) correlate.Record {
		return correlate.Record{Time: noon.Add(time.Minute + time.Duration(i)*time.Second), Service: "payment", Line: fmt.Sprintf("fresh %03d", i)}
	}
	var d *driver
	var during func()
	p := logging(logged())
	p.follow = func(ctx context.Context, q correlate.LogQuestion, each func([]correlate.Record, int)) error {
		if !q.Window.IsZero() {
			t.Errorf("followed from %v on, which is there already", q.Window)
		}
		each([]correlate.Record{fresh(1), fresh(2)}, 0)
		during()
		return ctx.Err()
	}
	open := func(t *testing.T, height int) {
		d = onLogsOf(t, p, 120, height, func(l *logsScreen) { l.question.Window = madeQuestion().Window })
	}

	t.Run("sticks to the end", func(t *testing.T) {
		during = func() {}
		open(t, 24)
		d.press("f")
		d.selects("fresh 002")
		d.shows("9 records", "the log that was followed ended")
	})
	t.Run("unless one moves", func(t *testing.T) {
		open(t, 24)
		during = func() {
			d.queue = append(d.queue, tea.KeyPressMsg{Code: tea.KeyUp})
			turn := d.logs().follow.turn
			l := d.logs()
			d.queue = append(d.queue, answerMsg{screen: l.id, round: l.round, what: askedFollow, more: true,
				answer: followed{turn: turn, records: []correlate.Record{fresh(3)}, dropped: 5}})
		}
		d.press("f")
		d.selects("fresh 001")
		d.shows("fresh 003", "▲ 5 dropped by the server")
	})
	t.Run("stops", func(t *testing.T) {
		during = func() {}
		open(t, 24)
		d.holding = true
		d.press("f")
		d.shows("following, 0 came; f stops")
		d.press("f")
		d.shows("no longer following")
		d.release()
		d.hides("fresh", "✖ following ended")
	})
	t.Run("begins again while the first ends", func(t *testing.T) {
		during = func() {}
		open(t, 24)
		d.holding = true
		d.press("f", "f", "f")
		d.shows("following, 0 came")
		d.holding = false
		first := d.held[0]
		d.held = d.held[1:]
		d.carryOut(first)
		if l := d.logs(); !l.follow.on || !l.waiting[askedFollow] {
			t.Error("the end of the first ended the second")
		}
		d.release()
		d.selects("fresh 002")
	})
	t.Run("ends with an error", func(t *testing.T) {
		open(t, 24)
		p := logging(logged())
		p.follow = func(context.Context, correlate.LogQuestion, func([]correlate.Record, int)) error {
			return errors.New("the server \x1b[2J closed")
		}
		d = onLogsOf(t, p, 120, 24, nil)
		d.press("f")
		d.shows(`✖ following ended: the server \x1b[2J closed`)
	})
	t.Run("leaving stops it", func(t *testing.T) {
		open(t, 24)
		var ctx context.Context
		p.follow = func(following context.Context, _ correlate.LogQuestion, _ func([]correlate.Record, int)) error {
			ctx = following
			d.queue = append(d.queue, tea.KeyPressMsg{Code: tea.KeyEscape})
			return nil
		}
		d.press("f")
		d.on(onOverview)
		if ctx.Err() == nil {
			t.Error("the follow goes on")
		}
	})
}

// The oldest records are let go, and the view stands still meanwhile.
func TestLogsFollowIsBounded(t *testing.T) {
	d := onLogsOf(t, logging(logged()), 120, 24, nil)
	l := d.logs()
	d.press("f") // it ends at once
	l.follow.on, l.follow.turn = true, l.follow.turn+1
	batch := func(from, n int) {
		var all []correlate.Record
		for i := range n {
			all = append(all, correlate.Record{Time: noon.Add(time.Hour + time.Duration(from+i)*time.Millisecond), Service: "payment", Line: fmt.Sprintf("n%06d", from+i)})
		}
		l.take(followed{turn: l.follow.turn, records: all})
	}
	batch(0, 60_000)
	d.carryOut(l.filter("n059"))
	d.press("home", "down", "down")
	d.selects("n059002")
	batch(60_000, 60_000)
	if len(l.records) != followedRecords || l.gone != 20_007 {
		t.Errorf("%d records, %d let go", len(l.records), l.gone)
	}
	d.selects("n059002")
	d.shows("1000 of 100000 records", "▲ 20007 older let go")
	d.carryOut(l.filter(""))
	d.selects("n059002")
	batch(120_000, 60_000)
	d.shows("▲ 80007 older let go")
	d.selects("n080000") // the oldest, since what was selected is gone
	for i, n := range l.shown {
		if want := fmt.Sprintf("n%06d", 80_000+i); l.record(n).Line != want {
			t.Fatalf("record %d is %s, want %s", n, l.record(n).Line, want)
		}
	}
}

func TestLogsSideways(t *testing.T) {
	records := logged()
	records[2].Line = "begin " + strings.Repeat("0123456789", 20) + " 支付网关 end"
	d := onLogsOf(t, logging(records), 80, 24, nil)
	d.press("left")
	d.shows("this is where the lines begin")
	d.hides("网关 end")
	for range 14 {
		d.press("right")
	}
	d.shows("网关 end")
	d.press("right", "right")
	d.shows("the lines in sight are not longer")
	for range 14 {
		d.press("left")
	}
	d.shows("begin 0123")
}

func TestLogsClicks(t *testing.T) {
	d := onLogsOf(t, logging(logged()), 120, 24, nil)
	at := func(text string) tea.MouseClickMsg {
		t.Helper()
		line := slices.IndexFunc(d.lines(), func(s string) bool { return strings.Contains(s, text) })
		if line < 0 {
			t.Fatalf("no %q:\n%s", text, d.text())
		}
		return tea.MouseClickMsg{X: 40, Y: line, Button: tea.MouseLeft}
	}
	d.take(at("authorizing"))
	d.selects("authorizing")
	d.hides("attempt: 1")
	d.take(at("authorizing"))
	d.shows("attempt: 1")
	d.take(at("attempt: 1")) // a detail folds nothing
	d.shows("attempt: 1")
	d.selects("authorizing")
	d.take(tea.MouseClickMsg{X: 1, Y: 3, Button: tea.MouseLeft})
	d.selects("authorizing")
	d.take(tea.MouseWheelMsg{Button: tea.MouseWheelUp})
	d.selects("request received")
}

func TestLogsWithoutAny(t *testing.T) {
	missing := func(kind, reason string) *paper {
		return &paper{question: madeQuestion(), logs: func(q correlate.LogQuestion) *correlate.LogView {
			return &correlate.LogView{Window: q.Window, Missing: []correlate.Missing{{Backend: sources.Loki, Kind: kind, Reason: reason, Hint: "give --loki"}}}
		}}
	}
	p := missing(correlate.MissingNotConfigured, "no log record was looked at")
	d := onLogsOf(t, p, 80, 24, nil)
	d.shows("0 records", "no log record of trace", "▲ loki: no log record was looked at", "→ give --loki")
	for key, want := range map[string]string{
		"enter": "there is no record", "x": "there is no record", "left": "there is no record", "right": "there is no record",
		"f": "Loki is not configured, so there is no log to follow", "P": "Loki is not configured, so there are no lines",
		"y": "there is nothing to copy", "p": "no query is behind this", "o": "no page",
	} {
		d.press(key)
		d.shows(want)
	}
	if len(p.asked) != 2 { // services, and the records
		t.Errorf("asked %q", p.asked)
	}

	d = onLogsOf(t, missing(correlate.MissingFailed, "it \x1b]0;x\x07 does not answer"), 80, 24, nil)
	d.shows(`it \x1b]0;x\x07 does not answer`)
	d.press("P")
	d.shows("0 patterns", "no pattern was found", "does not answer")

	d = drive(t, showing(logging(logged()), nil), 80, 24)
	d.holding = true
	d.take(openMsg{newLogsScreen(d.stageFor(), correlate.LogQuestion{Service: "payment"}, "logs")})
	d.shows("asking for the records of payment")
	d.press("enter")
	d.shows("the records are being asked for")
	d.press("f")
	d.shows("the records so far are being asked for")
	d.press("esc")
	d.release()
	d.on(onOverview)
}

func TestLogsAskedAgain(t *testing.T) {
	d := onLogsOf(t, logging(logged()), 120, 24, nil)
	d.press("home", "down")
	d.selects("checkout started")
	d.press("r")
	d.selects("checkout started")
	d.shows("7 records")

	// What is missing beside records, and that there are more, is said.
	p := logging(logged())
	answer := p.logs
	p.logs = func(q correlate.LogQuestion) *correlate.LogView {
		view := answer(q)
		if len(view.Records) > 0 {
			view.Truncated = true
			view.Missing = []correlate.Missing{{Backend: sources.Loki, Kind: correlate.MissingTruncated, Reason: "the first 7 are shown"}}
			view.Records[0].Join, view.Records[6].Time = correlate.ByServiceTime, noon.Add(30*time.Hour)
		}
		return view
	}
	d = onLogsOf(t, p, 120, 24, nil)
	d.shows("▲ truncated", "▲ loki: the first 7 are shown", "▲ 1 by the same service and time (weak)", "11-22 18:00:00.000")
}

func TestLogsOfAService(t *testing.T) {
	records := logged()[3:6]
	for i := range records {
		records[i].Join, records[i].TraceID, records[i].SpanID = "", "", ""
	}
	records[0].Join = correlate.ByServiceTime
	d := drive(t, showing(logging(records), nil), 80, 24)
	d.take(openMsg{newLogsScreen(d.stageFor(), correlate.LogQuestion{Service: "payment"}, "payment logs")})
	d.selects("12:00:04.512 ERROR timeout calling") // whose name it need not say
	d.press("home", "enter")
	d.shows("▲ joined by the same service and time (weak)", "3 records · ▲ 1 by the same service and time (weak)")
}

// A span that logs nothing itself, as that of a call to a database: its caller does.
func TestLogsOfASpanWithoutAny(t *testing.T) {
	found := correlate.NewCase(madeQuestion().Window)
	found.Trace = &correlate.Trace{ID: loggedTrace, Spans: []correlate.Span{
		{ID: "00000000000000a1", ParentID: "00000000000000a2"}, {ID: "00000000000000a2", ParentID: loggedSpan},
		{ID: loggedSpan}, {ID: "00000000000000a3", ParentID: "00000000000000a4"}, {ID: "00000000000000a4", ParentID: "00000000000000a3"},
	}}
	found.Records = slices.Delete(logged(), 4, 5)
	found.Records = slices.Delete(found.Records, 2, 3)
	found.Records[0].Severity = "warn"
	for focus, want := range map[sources.SpanID]string{"00000000000000a1": "retrying authorize", "00000000000000a3": "request received"} {
		d := drive(t, showing(logging(nil), found), 80, 24)
		l := newLogsScreen(d.stageFor(), correlate.LogQuestion{Trace: loggedTrace}, "logs")
		l.focus = focus
		d.take(openMsg{l})
		d.selects(want)
		d.shows("none of the span itself")
	}
}

// A case whose Loki did not answer tells why there are no more records.
func TestLogsOfACaseWithGaps(t *testing.T) {
	found := correlate.NewCase(madeQuestion().Window)
	found.Trace = &correlate.Trace{ID: loggedTrace}
	found.Records = logged()
	for i := range 3 {
		found.Missing = append(found.Missing, correlate.Missing{Backend: sources.Loki, Kind: correlate.MissingTimeout, Reason: fmt.Sprintf("gap %d", i), Hint: "wait"},
			correlate.Missing{Backend: sources.Jaeger, Kind: correlate.MissingTimeout, Reason: "of traces"})
	}
	d := drive(t, showing(logging(nil), found), 80, 24)
	d.take(openMsg{newLogsScreen(d.stageFor(), correlate.LogQuestion{Trace: loggedTrace}, "logs")})
	d.shows("▲ loki: gap 0 → wait", "▲ 1 more, and loki: gap 1")
	d.hides("of traces")
}

// hostileLines are lines as nobody should write them.
func hostileLines() []string {
	return []string{
		"\x1b[31mred\x1b[0m \x1b[2J\x1b]0;title\x07 end", strings.Repeat("x", 1<<20), strings.Repeat("支付", 300_000), "a\x00b\tc\r\nd\n\n\te",
		strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000), "\u202eright to left\u202c שלום مرحبا", "e\u0301" + strings.Repeat("\u0301", 5000),
		"👩‍👩‍👧‍👦" + strings.Repeat("👩‍👩‍👧", 50), "\xff\xfe broken", "", strings.Repeat("\n", 100_000), `{"msg":"` + strings.Repeat(`\u001b[2J`, 100) + `","\u001b[31mkey":"v"}`,
		`{"` + strings.Repeat("k", 3000) + `":"long key"}`, strings.Repeat("a=b ", 5000), "\U0001F1E9", "\U0001F1EA tail", strings.Repeat("👨‍", 40_000),
	}
}

func TestLogsOfHostileLines(t *testing.T) {
	var records []correlate.Record
	for i, line := range hostileLines() {
		records = append(records, correlate.Record{
			Time: noon.Add(time.Duration(i) * time.Second), Line: line, Service: head(line, 60), Severity: head(line, 9), Join: correlate.Join(head(line, 5)),
			Labels: sources.Labels{head(line, 40): head(line, 200)}, Metadata: sources.Labels{"m": head(line, 90)},
		})
	}
	p := logging(records)
	answer := p.logs
	p.logs = func(q correlate.LogQuestion) *correlate.LogView {
		view := answer(q)
		for i, line := range hostileLines() {
			view.Patterns = append(view.Patterns, correlate.Pattern{Pattern: line, Service: head(line, 60), Severity: head(line, 30), Example: line, WindowCount: i, Change: line})
		}
		return view
	}
	d := onLogsOf(t, p, 80, 24, nil)
	for _, size := range [][2]int{{60, 15}, {80, 24}, {120, 40}, {200, 60}, {250, 85}} {
		d.size(size[0], size[1])
		d.press("home")
		for i := range records {
			at := time.Now()
			d.press("enter")
			d.frame()
			// Some thousand times what it takes: a busy machine must not fail it, and
			// work that grows with the square of the line must.
			if took := time.Since(at); took > 20*time.Second {
				t.Errorf("line %d unfolds in %s", i, took)
			}
			d.lines()
			d.press("pgdown")
			d.lines()
			d.press("pgup", "enter", "right")
			d.lines()
			d.press("left", "down")
		}
		d.press("P")
		for range records {
			d.lines()
			d.press("down")
		}
		d.press("P")
	}
}

func TestLogsFitAnySize(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		d := onLogsOf(t, logging(logged()), 80, 24, func(l *logsScreen) { l.focus = loggedSpan })
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			if rapid.IntRange(0, 3).Draw(r, "what") == 0 {
				d.size(rapid.IntRange(leastWidth, 250).Draw(r, "width"), rapid.IntRange(leastHeight, 85).Draw(r, "height"))
			} else {
				d.press(rapid.SampledFrom([]string{"up", "down", "pgup", "pgdown", "home", "end", "enter", "left", "right", "P", "f"}).Draw(r, "key"))
			}
			d.lines()
			if len(d.stack) == 2 && !d.logs().table.shown && len(d.logs().shown) > 0 {
				d.selectedLine()
			}
		}
	})
}

func TestWrapLines(t *testing.T) {
	for _, test := range []struct {
		text         string
		first, width int
		want         []string
	}{
		{"one two three", 7, 7, []string{"one two", "three"}},
		{"one  two", 20, 20, []string{"one  two"}},
		{"abcdefgh", 3, 5, []string{"abc", "defgh"}},
		{"panic\n\n\tat a", 20, 20, []string{"panic", "", "    at a"}},
		{"支付网关 x", 5, 5, []string{"支付", "网关", "x"}},
		{"支", 1, 1, []string{"支"}},
		{"a\x1b[2Jb", 20, 20, []string{`a\x1b[2Jb`}},
		{"", 5, 5, []string{""}},
	} {
		if got := wrapLines(test.text, test.first, test.width); !slices.Equal(got, test.want) {
			t.Errorf("%q in %d: %q, want %q", test.text, test.width, got, test.want)
		}
	}
	// Nothing is lost, and nothing is too wide.
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("ab 支é=x")), 0, 80, -1).Draw(r, "text")
		width := rapid.IntRange(2, 20).Draw(r, "width")
		lines := wrapLines(text, width, width)
		for _, line := range lines {
			if draw.Width(line) > width {
				t.Fatalf("%q is wider than %d", line, width)
			}
		}
		bare := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		if got := bare(strings.Join(lines, "")); got != bare(text) {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

func TestWithoutColors(t *testing.T) {
	for text, want := range map[string]string{
		"\x1b[1;31mred\x1b[0m": "red", "\x1b[m": "", "\x1b[2Jx": "\x1b[2Jx", "\x1b[31": "\x1b[31", "plain": "plain", "\x1b[\x1b[3mx": "\x1b[x",
	} {
		if got := withoutColors(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestRecordLevel(t *testing.T) {
	for severity, want := range map[string]string{"warning": "WARN", "Critical": "CRIT", "emergency": "EMERG", "information": "INFO", "debug": "DEBUG", "": ""} {
		if got := recordSeverity(severity); got != want {
			t.Errorf("%q is shown as %q, want %q", severity, got, want)
		}
	}
	for severity, want := range map[string]draw.Level{
		"ERROR": draw.Bad, "fatal": draw.Bad, "Critical": draw.Bad, "warn": draw.Watch, "WARNING": draw.Watch, "info": draw.Unknown, "": draw.Unknown, "50": draw.Bad,
	} {
		if got := recordLevel(severity); got != want {
			t.Errorf("%q: %v, want %v", severity, got, want)
		}
	}
}

// logsBody is what the screen itself draws, with the line that says the query.
func (d *driver) logsBody() string {
	lines := strings.Split(d.text(), "\n")
	return strings.Join(lines[3:len(lines)-1], "\n") + "\n"
}

func TestLogsFrames(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			d := onLogsOf(t, logging(logged()), size[0], size[1], func(l *logsScreen) { l.focus = loggedSpan })
			d.press("enter")
			golden.RequireEqual(t, d.logsBody())
		})
	}
	t.Run("patterns", func(t *testing.T) {
		d := onLogsOf(t, logging(logged()), 80, 24, nil)
		d.press("P", "down")
		golden.RequireEqual(t, d.logsBody())
	})
}

// Colors change no column.
func TestLogsInColor(t *testing.T) {
	p := logging(logged())
	o := showing(p, correlate.NewCase(madeQuestion().Window))
	o.NoColor = false
	d := drive(t, o, 120, 40)
	l := newLogsScreen(d.stageFor(), correlate.LogQuestion{Trace: loggedTrace}, "logs")
	l.focus = loggedSpan
	d.take(openMsg{l})
	d.press("enter")
	colored := ansi.Strip(d.frame())
	plain := onLogsOf(t, p, 120, 40, func(l *logsScreen) { l.focus = loggedSpan })
	plain.press("enter")
	if want := ansi.Strip(plain.frame()); colored != want {
		t.Errorf("%s\nwant\n%s", colored, want)
	}
}

// manyRecords are n records as services write them, one in a hundred an error.
func manyRecords(n int) []correlate.Record {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]correlate.Record, n)
	for i := range all {
		service := []string{"web", "checkout", "payment", "cart", "catalog"}[random.IntN(5)]
		severity := "info"
		if random.IntN(100) == 0 {
			severity = "error"
		}
		line := fmt.Sprintf(`{"ts":"2026-11-21T12:00:00.%09dZ","level":%q,"msg":"request %d took longer than usual","request_id":"req_%08x","path":"/cart/%d","status":%d,"user_agent":"Mozilla/5.0"}`,
			i, severity, i, random.Uint32(), random.IntN(1000), 200+random.IntN(4)*100)
		all[i] = correlate.Record{
			Time: noon.Add(time.Duration(i) * time.Millisecond), Service: service, Severity: severity, Line: line, TraceID: loggedTrace, Join: correlate.ByTraceID,
			Labels:   sources.Labels{"service_name": service, "pod": fmt.Sprintf("%s-%d", service, random.IntN(9)), "namespace": "shop"},
			Metadata: sources.Labels{"detected_level": severity, "trace_id": string(loggedTrace)},
		}
	}
	return all
}

// Among many records a filter searches beside the screen: the keys go on, the answer to an
// older text is dropped, and what comes meanwhile is not lost.
func TestLogsFilterBesideTheScreen(t *testing.T) {
	d := onLogsOf(t, logging(logged()), 120, 24, nil)
	l := d.logs()
	l.set(manyRecords(2 * siftedAtOnce))
	all := len(l.shown)
	d.holding = true
	d.press("/")
	d.write("cart")
	first := d.held
	d.held = nil
	d.write("/12")
	if len(l.shown) != all || !l.waiting[askedFilter] {
		t.Fatalf("%d of %d shown before the search has ended", len(l.shown), all)
	}
	d.press("enter", "down")
	l.records = append(l.records, correlate.Record{Time: noon, Line: "late at /cart/12"}, correlate.Record{Time: noon, Line: "late and other"})
	second := d.held
	d.holding, d.held = false, nil
	for _, cmd := range second {
		d.carryOut(cmd)
	}
	want := 0
	for i := range l.records {
		if strings.Contains(strings.ToLower(l.records[i].Line), "cart/12") {
			want++
		}
	}
	check := func() {
		t.Helper()
		if len(l.shown) != want || want < 2 {
			t.Errorf("%d shown, want %d", len(l.shown), want)
		}
		if last := l.record(l.shown[len(l.shown)-1]); last.Line != "late at /cart/12" {
			t.Errorf("the last is %q", last.Line)
		}
	}
	check()
	for _, cmd := range first {
		d.carryOut(cmd)
	}
	check()
}

func TestLogsNextError(t *testing.T) {
	record := func(severity, line string) correlate.Record {
		return correlate.Record{Time: noon, Service: "web", Severity: severity, Line: line}
	}
	d := onLogsOf(t, logging(nil), 120, 24, func(l *logsScreen) {
		l.known = []correlate.Record{record("info", "one"), record("error", "two"), record("", "three"), record("warning", "four"), record("debug", "five")}
	})
	d.selects("two")
	d.press("n")
	d.selects("four")
	d.press("n")
	d.selects("two")
	d.shows("from the top again")
	d.press("/")
	d.write("two")
	d.press("enter", "n")
	d.shows("this is the only one")
	d.press("esc", "/")
	d.write("five")
	d.press("enter", "n")
	d.shows("no record here is an error or a warning")
	d.selects("five")
}

// What the guilty span says comes before an error that another one logs in every request.
func TestLogsOfTheSpanComeFirst(t *testing.T) {
	record := func(span sources.SpanID, severity, line string) correlate.Record {
		return correlate.Record{Time: noon, Service: "web", Severity: severity, Line: line, SpanID: span, Join: correlate.BySpanID}
	}
	const mine, other = sources.SpanID("00000000000000a1"), sources.SpanID("00000000000000b2")
	known := []correlate.Record{record(other, "info", "one"), record(other, "error", "two"), record(mine, "info", "waiting for a lock")}
	d := onLogsOf(t, logging(nil), 120, 24, func(l *logsScreen) { l.focus, l.known = mine, known })
	d.selects("waiting for a lock")
	d = onLogsOf(t, logging(nil), 120, 24, func(l *logsScreen) { l.focus, l.known = "00000000000000c3", known })
	d.selects("two")
}
