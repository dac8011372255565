package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/exp/golden"
	"pgregory.net/rapid"

	"obs/correlate"
	"obs/sources"
)

// sizes are those at which frames are kept: the least that terminals have, what is usual,
// and a large one.
var sizes = [][2]int{{80, 24}, {120, 40}, {200, 60}}

func frames(t *testing.T, o func() Options, keys ...string) {
	t.Helper()
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			d := drive(t, o(), size[0], size[1])
			d.press(keys...)
			golden.RequireEqual(t, d.text()+"\n")
		})
	}
}

func madeIncident() Options { return showing(madePaper(), madeCase()) }

func TestFrames(t *testing.T) {
	for name, keys := range map[string][]string{
		"overview": nil, "alerts": {"a"}, "endpoints": {"E"}, "metric": {"enter"}, "split": {"enter", "s"},
		"traces": {"enter", "enter"}, "case": {"c"}, "help": {"?"}, "query": {"enter", "p"}, "palette": {":"},
	} {
		t.Run(name, func(t *testing.T) { frames(t, madeIncident, keys...) })
	}
}

func TestEveryKeyOfTheMapDoesSomethingOrSaysWhyNot(t *testing.T) {
	ways := map[place][]string{
		onOverview: nil, onMetric: {"enter"}, onTraces: {"enter", "enter"}, onTrace: {"enter", "enter", "enter"},
		onLogs: {"L"}, onCase: {"c"}, onStory: {"s"},
	}
	for _, p := range places {
		for _, b := range bindingsOn(p) {
			for _, key := range b.keys {
				t.Run(string(p)+" "+key, func(t *testing.T) {
					o := madeIncident()
					if p == onStory {
						_, whole := lookedUp()
						o = onTraceOf(whole)
					}
					d := drive(t, o, 120, 40)
					d.press(ways[p]...)
					d.on(p)
					before, opened := d.text(), len(d.stack)
					d.press(key)
					moves := slices.Contains([]action{actUp, actDown, actLeft, actRight, actPageUp, actPageDown, actTop, actBottom}, b.act)
					if d.text() == before && !moves && !d.quit && d.copied == "" && len(d.stack) == opened && d.mouse && b.act != actRefresh {
						t.Errorf("%s (%s) does nothing and does not say why:\n%s", key, b.act, before)
					}
				})
			}
		}
	}
}

func TestKeysThatDoNothingHereSayWhere(t *testing.T) {
	d := drive(t, madeIncident(), 120, 40)
	d.press("P")
	d.shows("P does something on logs, and nothing here; ? lists the keys")
	d.press("$")
	d.shows("$ does nothing here; ? lists the keys")
	d.press("down")
	d.hides("does nothing here")
	d.press("esc")
	d.shows("this is where the walk begins; q leaves obs")
}

func TestTheRecommendedRowIsSelectedUntilThePersonChooses(t *testing.T) {
	c := madeCase()
	c.Anomalies[0].Service = "payment"
	d := drive(t, showing(madePaper(), c), 120, 40)
	d.shows(">✖ payment")
	d.press("up")
	d.shows(">✖ checkout")
	d.take(caseMsg{found: c, round: d.round})
	d.shows(">✖ checkout")
	d.press("up", "up")
	d.shows("> who fails")
	d.press("enter")
	d.shows("no finding is behind it: the data does not say")
	d.press("home", "enter")
	d.on(onCase)
	d.shows("> f1 checkout p95 rose", "the_query_of_f1")
}

func TestCrumbsTellTheWay(t *testing.T) {
	d := drive(t, madeIncident(), 120, 40)
	d.press("enter", "enter")
	d.shows("services › checkout p95 › 20 slow traces")
	d.push(newMetricScreen(d.stageFor(), correlate.Subject{Service: "payment", Operation: "authorize"}))
	d.shows("services › checkout p95 › 20 slow traces › payment authorize p95")
	d.size(60, 20)
	d.shows("… › 20 slow traces › payment authorize p95")
	d.press("esc")
	d.press("esc")
	d.on(onMetric)
	d.press("esc")
	d.on(onOverview)
	d.press("enter", "enter")
	d.take(tea.KeyPressMsg{Code: tea.KeyEscape, Mod: tea.ModAlt}) // two at once
	d.on(onOverview)
}

func TestSelectionOfOtherRows(t *testing.T) {
	d := drive(t, madeIncident(), 120, 40)
	d.press("G", "enter")
	d.shows("services › stock p95")
	d.press("esc", "E", "enter")
	d.shows("endpoints › checkout POST /checkout p95")
	d.press("esc", "i")
	d.shows("checkout-7f9c-1", "7 instances")
	d.press("s", "a")
	d.shows("SlowRequests", "firing", "p95 of checkout is 4 s", "DiskWillFill")
	d.press("down", "enter")
	d.shows("this alert names no service")
	d.press("up", "enter")
	d.shows("services › checkout p95")
}

func TestFilter(t *testing.T) {
	d := drive(t, madeIncident(), 120, 40)
	d.press("/")
	d.write("CA")
	d.shows("filter / CA", "cart", "catalog", `2 services of 7 with "CA"`)
	d.hides("payment  ", "stock")
	d.press("enter", "enter")
	d.shows("services › cart p95")
	d.press("esc")
	d.shows("cart")
	d.hides("stock")
	d.press("esc") // drops the filter, and stays
	d.on(onOverview)
	d.shows("stock")
	d.press("/")
	d.write("zz")
	d.shows(`nothing here holds "zz"; esc drops the filter`)
	d.press("esc") // as it was before
	d.shows("stock")
}

func TestPalette(t *testing.T) {
	for text, want := range map[string]place{
		"case": onCase, "service web": onMetric, "trace abc004": onTrace, "logs": onLogs,
	} {
		d := drive(t, madeIncident(), 120, 40)
		d.press(":")
		d.write(text)
		d.press("enter")
		d.on(want)
	}
	d := drive(t, madeIncident(), 120, 40)
	d.press(":")
	d.write("service pay")
	d.press("tab", "enter")
	d.shows("services › payment p95")
	for text, want := range map[string]string{
		"nonsense\x1b[2J": `there is no command "nonsense`, "trace xyz": "name the trace by its ID, in hexadecimal", "service": "name the service: service NAME",
	} {
		d := drive(t, madeIncident(), 120, 40)
		d.press(":")
		d.write(text)
		d.press("enter")
		d.on(onOverview)
		d.shows(want)
	}
	d = drive(t, madeIncident(), 120, 40)
	d.press(":")
	d.write("quit")
	if d.press("enter"); !d.quit {
		t.Error(":quit stays")
	}
}

func TestCopyAndQuery(t *testing.T) {
	d := drive(t, madeIncident(), 120, 40)
	d.press("y")
	d.shows("copied the service's name")
	if d.copied != "checkout" {
		t.Errorf("copied %q", d.copied)
	}
	d.press("enter", "y")
	if d.copied != string(madeID(4)) {
		t.Errorf("on the metric: copied %q", d.copied)
	}
	d.press("Y")
	if want := madeMetric(correlate.Subject{}).Query; d.copied != want {
		t.Errorf("copied the query %q, want %q", d.copied, want)
	}
	d.copied = ""
	d.press("p")
	d.shows("The query behind it", "http_server_request_duration_seconds_bucket", "http://127.0.0.1:9090/graph?g0.expr=up")
	d.press("y", "esc")
	if d.copied != madeMetric(correlate.Subject{}).Query {
		t.Errorf("the sheet copied %q", d.copied)
	}
	d.hides("The query behind it")
	d.on(onMetric)
}

func TestPageAndExport(t *testing.T) {
	o := madeIncident()
	var browsed string
	o.Browse = func(url string) error { browsed = url; return nil }
	o.Export = func(*correlate.Case) (string, error) { return "obs-case-x.json", nil }
	d := drive(t, o, 120, 40)
	d.press("o")
	d.shows("this has no page of its own")
	d.press("enter", "o")
	d.shows("opened http://127.0.0.1:9090/graph?g0.expr=up")
	if browsed != "http://127.0.0.1:9090/graph?g0.expr=up" {
		t.Errorf("browsed %q", browsed)
	}
	d.press("e")
	d.shows("wrote obs-case-x.json")

	o.Browse = func(string) error { return errors.New("no display") }
	o.Export = func(*correlate.Case) (string, error) { return "", errors.New("read-only file system") }
	d = drive(t, o, 120, 40)
	d.press("enter", "o")
	d.shows("no browser could be started; the page is http://127.0.0.1:9090/graph?g0.expr=up")
	d.press("e")
	d.shows("the case was not written: read-only file system")
}

func TestTime(t *testing.T) {
	d := drive(t, madeIncident(), 120, 40)
	d.press("t")
	d.shows("the time is that of what was asked for, and stays")

	o := madeIncident()
	var asked []string
	o.Renew = func(words string) (Explorer, error) {
		asked = append(asked, words)
		if words == "tomorrow" {
			return nil, errors.New(`"tomorrow" is no time`)
		}
		return madePaper(), nil
	}
	d = drive(t, o, 120, 40)
	d.press("enter", "t")
	d.write("tomorrow")
	d.press("enter")
	d.shows(`"tomorrow" is no time`)
	d.on(onMetric)
	d.press("t")
	d.write("2h")
	d.press("enter")
	d.on(onOverview)
	d.press("r")
	d.press(":")
	d.write("since 5m")
	d.press("enter")
	if want := []string{"tomorrow", "2h", "", "5m"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
}

func TestWatch(t *testing.T) {
	o := madeIncident()
	rounds := 0
	o.Renew = func(string) (Explorer, error) { rounds++; return madePaper(), nil }
	d := drive(t, o, 120, 40)
	ring := func() {
		for _, msg := range d.later {
			if _, ok := msg.(watchMsg); ok {
				d.later = nil
				d.take(msg)
				return
			}
		}
		t.Fatal("nothing waits for the next round")
	}
	d.press("w")
	d.shows("watching: asks again every minute", "· watching")
	ring()
	ring()
	if rounds != 2 {
		t.Errorf("asked %d times, want 2", rounds)
	}
	d.press(":") // while one types nothing moves
	ring()
	if rounds != 2 {
		t.Error("asked while a prompt was open")
	}
	d.press("esc", "w")
	d.shows("no longer watching")
	ring()
	if rounds != 2 {
		t.Error("asked after watching ended")
	}
}

// The title of a watched triage says how the trouble goes, held against the case that there was
// when the watch began.
func TestWatchSaysHowItGoes(t *testing.T) {
	o := madeIncident()
	work := o.Work
	o.Work = func(ctx context.Context, x Explorer, observe correlate.Observer) *correlate.Case {
		found := *work(ctx, x, observe)
		found.Baseline = &sources.Window{}
		return &found
	}
	var first *correlate.Case
	looks := []*correlate.Glance{
		{Case: &correlate.Case{Verdict: correlate.Anomalous}, Brief: true},
		{Case: &correlate.Case{Verdict: correlate.Healthy}, Brief: true},
	}
	start := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	n := 0
	o.Watch = func(_ Explorer, found *correlate.Case) func(context.Context) (*correlate.Glance, time.Time) {
		first = found
		return func(context.Context) (*correlate.Glance, time.Time) {
			n++
			return looks[n-1], start.Add(time.Duration(n) * WatchEvery)
		}
	}
	d := drive(t, o, 160, 40)
	ring := func() {
		later := d.later
		d.later = nil
		for _, msg := range later {
			if _, ok := msg.(watchMsg); ok {
				d.take(msg)
			}
		}
	}
	d.press("w")
	if first == nil || first.Verdict != correlate.Anomalous {
		t.Fatalf("looks are held against %+v", first)
	}
	ring()
	d.shows("· recovering since 14:01:00")
	ring()
	d.shows("· recovered since 14:02:00")
	d.press("w")
	ring()
	if n != 2 {
		t.Errorf("%d looks, the last after watching ended", n)
	}
}

// A reply to a question that is no longer asked is dropped, and what was left is cancelled.
func TestLateReplies(t *testing.T) {
	d := drive(t, madeIncident(), 120, 40)
	m := newMetricScreen(d.stageFor(), correlate.Subject{Service: "late"})
	d.push(m) // whose question is never carried out
	d.shows("asking for the metric")
	if !d.busy() {
		t.Error("nothing turns while a question is under way")
	}
	left := m.ctx
	d.press("esc")
	if left.Err() == nil {
		t.Error("leaving does not end the question")
	}
	before := d.text()
	d.take(answerMsg{screen: m.id, round: m.round, what: askMetric, answer: madeMetric(m.subject)})
	if d.text() != before || m.view != nil {
		t.Error("a late answer was taken")
	}
	d.press("enter")
	shown := d.top().(*metricScreen)
	old := answerMsg{screen: shown.id, round: shown.round, what: askMetric, answer: &correlate.MetricView{Unit: "old"}}
	d.press("r")
	d.take(old)
	if shown.view.Unit == "old" {
		t.Error("an answer to what was asked before the refresh was taken")
	}
}

func TestTheFirstFrameComesBeforeTheFirstAnswer(t *testing.T) {
	o := madeIncident()
	o.Open = func(context.Context, correlate.Observer) Explorer { panic("not yet") }
	d := &driver{t: t, holding: true}
	o.send = func(tea.Msg) {}
	o.observe = func(correlate.Step) {}
	d.app = newApp(t.Context(), o)
	d.size(80, 24)
	d.shows("opening", "what changed")
	for _, key := range []string{"down", "?", "esc", ":", "esc", "r", "c"} {
		d.press(key)
		d.lines()
	}
}

func TestAnswersFillInAsTheTriageGoesOn(t *testing.T) {
	o := madeIncident()
	d := drive(t, o, 120, 40)
	d.found, d.whole = nil, false
	d.take(stepMsg{Name: "survey", Text: "looking at the metrics of every service"})
	d.shows("looking at the metrics of every service")
	d.take(stepMsg{Name: correlate.StepPreview, Done: true, SoFar: madeCase()})
	d.shows("checkout p95 rose from 200 ms", "looking at the metrics")
	d.hides("the data does not say")
	d.take(caseMsg{found: madeCase(), round: d.round - 1})
	if d.whole {
		t.Error("the case of another round was taken")
	}
	d.take(caseMsg{found: madeCase(), round: d.round})
	d.shows("ANOMALOUS since 12:08:00", "the data does not say", "1 missing (c)")
}

func TestTooSmall(t *testing.T) {
	d := drive(t, madeIncident(), 80, 24)
	for _, size := range [][2]int{{50, 10}, {59, 24}, {80, 14}, {1, 1}} {
		d.size(size[0], size[1])
		want := fmt.Sprintf("obs needs 60x15,\nhere are %dx%d.\nq leaves.", size[0], size[1])
		if got := d.frame(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	d.size(60, 15)
	d.shows("ANOMALOUS")
	for _, size := range [][2]int{{0, 0}, {0, 24}, {80, 0}, {-1, -1}} {
		if d.size(size[0], size[1]); d.width != 80 || d.height != 24 {
			t.Errorf("%v is taken for %dx%d", size, d.width, d.height)
		}
		d.lines()
	}
	if d.press("q"); !d.quit {
		t.Error("q stays")
	}
}

func TestMouse(t *testing.T) {
	d := drive(t, madeIncident(), 120, 40)
	row := slices.IndexFunc(d.lines(), func(line string) bool { return strings.Contains(line, " web ") })
	click := func(y int) { d.take(tea.MouseClickMsg{X: 5, Y: y, Button: tea.MouseLeft}) }
	click(row)
	d.shows(">● web")
	click(row)
	d.shows("services › web p95")
	d.press("esc")
	answer := slices.IndexFunc(d.lines(), func(line string) bool { return strings.Contains(line, "how wide") })
	click(answer)
	d.shows("> how wide")
	click(0)
	click(39)
	d.on(onOverview)
	d.take(tea.MouseWheelMsg{Button: tea.MouseWheelDown})
	d.shows(">● web")
	d.press("m")
	d.shows("the mouse is the terminal's")
	if v := d.View(); v.MouseMode != tea.MouseModeNone {
		t.Error("the mouse is still taken")
	}
}

func TestBackgroundsAndColors(t *testing.T) {
	o := madeIncident()
	d := drive(t, o, 120, 40)
	if strings.Contains(strings.ReplaceAll(strings.ReplaceAll(d.frame(), "\x1b[1m", ""), "\x1b[7m", ""), "\x1b[3") {
		t.Errorf("colors although none are wanted: %q", d.frame())
	}
	o.NoColor = false
	d = drive(t, o, 120, 40)
	dark := d.frame()
	d.take(tea.BackgroundColorMsg{})
	if !strings.Contains(dark, "\x1b[") {
		t.Error("no colors")
	}
	d.lines()
}

// Whatever is pressed, whenever, at whatever size: the frame is as large as the terminal.
func TestAnyKeysAtAnySize(t *testing.T) {
	var keys []string
	for _, b := range keyMap {
		for _, key := range b.keys {
			if b.act != actQuit {
				keys = append(keys, key)
			}
		}
	}
	keys = append(keys, "tab", "$")
	rapid.Check(t, func(r *rapid.T) {
		d := drive(t, madeIncident(), 100, 30)
		for range rapid.IntRange(1, 25).Draw(r, "steps") {
			if rapid.IntRange(0, 4).Draw(r, "what") == 0 {
				d.size(rapid.IntRange(60, 220).Draw(r, "width"), rapid.IntRange(15, 70).Draw(r, "height"))
			} else {
				d.press(rapid.SampledFrom(keys).Draw(r, "key"))
			}
			d.lines()
			if t.Failed() {
				r.FailNow()
			}
		}
	})
}

func TestHostileNames(t *testing.T) {
	hostile := "\x1b]0;owned\x07\x1b[2J\r\n\tx\u202e🙂\u200d👩\u200d👧 한글"
	p := madePaper()
	p.services = func(by correlate.Grouping) *correlate.ServiceTable {
		table := madeServices(by)
		table.Services[0].Service, table.Services[0].Operation, table.Alerts[0].Summary = hostile, hostile, hostile
		table.Services[0].Resource = hostile
		return table
	}
	p.metric = func(s correlate.Subject) *correlate.MetricView {
		v := madeMetric(s)
		v.Changes[0].Text, v.SplitBy[0], v.Query = hostile, hostile, hostile
		v.Missing = []correlate.Missing{{Reason: hostile, Hint: hostile}}
		return v
	}
	p.traces = func(s correlate.Subject) *correlate.Cohorts {
		c := madeCohorts(s)
		c.Slow[0].Root.Operation, c.Differences[0].Attributes[0].Value, c.Work[0].Operation = hostile, hostile, hostile
		return c
	}
	c := madeCase()
	c.Answers.WhatChanged.Text, c.Suspects[0].Service, c.Findings[0].Statement = hostile, hostile, hostile
	c.Missing[0].Reason = hostile
	for _, keys := range [][]string{nil, {"a"}, {"enter"}, {"enter", "s"}, {"enter", "enter"}, {"c"}, {"c", "p"}, {"E"}} {
		for _, size := range sizes {
			d := drive(t, showing(p, c), size[0], size[1])
			d.press("home", "down", "down", "down", "down", "down")
			d.press(keys...)
			d.lines()
		}
	}
}

// The alert that a triage started from stands above the answers, with where to read on.
func TestOverviewShowsTheStartingAlert(t *testing.T) {
	c := madeCase()
	c.Alert = &correlate.StartingAlert{
		Name: "Slow\x1b[31m", State: "firing", Service: "checkout", Severity: "page", Started: noon, Held: noon, ForSeconds: 60,
		RunbookURL: "https://runbooks.example/slow",
	}
	d := drive(t, showing(madePaper(), c), 160, 40)
	d.shows("(page), checkout: firing since "+noon.Format("2006-01-02 15:04:05 UTC"), "https://runbooks.example/slow", "what changed")
	d.hides("\x1b[31m")
	drive(t, madeIncident(), 160, 40).hides("alert  ")
}
