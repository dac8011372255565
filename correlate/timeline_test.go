package correlate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"obs/sources"
)

var eight = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

func TestTimeline(t *testing.T) {
	c := NewCase(sources.Window{From: eight, To: eight.Add(time.Hour)})
	c.Verdict = Anomalous
	anomaly := func(after time.Duration, service, finding string, up float64) {
		c.Anomalies = append(c.Anomalies, Anomaly{
			Service: service, Signal: "errors", Direction: "up", Unit: "ratio", BaselineValue: 0.01, WindowValue: up,
			Onset: eight.Add(after), Findings: []string{finding},
		})
	}
	anomaly(20*time.Minute, "checkout", "f1", 0.4)
	anomaly(10*time.Minute, "payment", "f2", 0.5)
	anomaly(20*time.Minute, "checkout", "f3", 0.4)
	c.Anomalies = append(c.Anomalies, Anomaly{Service: "cart", Creep: &Creep{Days: 9}}) // which began at no moment
	c.Changes = []Change{
		{Time: eight.Add(10 * time.Minute), Kind: ChangeVersion, Service: "payment", Text: "1.2 -> 1.3", Note: "first"},
		{Time: eight.Add(10 * time.Minute), Kind: ChangeVersion, Service: "payment", Text: "1.2 -> 1.3", Note: "first"},
	}
	c.Notes = []Note{{Time: eight.Add(70 * time.Minute), Text: "rolled back", Author: "kim"}}
	c.Alert = &StartingAlert{Name: "SlowCheckout", Service: "checkout", Held: eight.Add(21 * time.Minute), Started: eight.Add(26 * time.Minute)}
	c.Trace = &Trace{ID: "a1", Start: eight.Add(30 * time.Minute), DurationSeconds: 2, Root: &Work{Service: "gateway", Operation: "POST /orders"}}
	var got []string
	for _, m := range c.Timeline() {
		got = append(got, fmt.Sprintf("%s %s %s: %s %v", m.Time.Format("15:04"), m.Kind, m.Service, m.Text, m.Findings))
	}
	want := []string{
		"08:00 window : the window begins []",
		"08:10 change payment: 1.2 -> 1.3 (first) []",
		"08:10 onset payment: error ratio rose from 1.00 % to 50.0 % (50x) [f2]",
		"08:20 onset checkout: error ratio rose from 1.00 % to 40.0 % (40x) [f1 f3]",
		"08:21 alert checkout: SlowCheckout begins to hold []",
		"08:26 alert checkout: SlowCheckout fires []",
		"08:30 request gateway: POST /orders: trace a1 begins, and takes 2.00 s []",
		"09:00 window : the window ends []",
		"09:10 note : kim: rolled back []",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(NewCase(c.Window).Timeline()) != 0 {
		t.Error("a case in which nothing happened has a timeline")
	}
}

// A timeline is in order and bounded, says how much it leaves out, and keeps every note.
func TestTimelineIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := NewCase(sources.Window{From: eight, To: eight.Add(time.Hour)})
		second := rapid.IntRange(0, 3600)
		services := rapid.SampledFrom([]string{"a", "b", "c"})
		for range rapid.IntRange(0, 60).Draw(t, "anomalies") {
			c.Anomalies = append(c.Anomalies, Anomaly{Service: services.Draw(t, "service"), Onset: eight.Add(time.Duration(second.Draw(t, "onset")) * time.Second)})
		}
		for i := range rapid.IntRange(0, 60).Draw(t, "changes") {
			c.Changes = append(c.Changes, Change{Service: services.Draw(t, "changed"), Text: fmt.Sprint(i), Time: eight.Add(time.Duration(second.Draw(t, "at")) * time.Second)})
		}
		notes := rapid.IntRange(0, 40).Draw(t, "notes")
		for range notes {
			c.Notes = append(c.Notes, Note{Time: eight.Add(time.Duration(second.Draw(t, "noted")) * time.Second), Text: "seen"})
		}
		all := c.Timeline()
		if !slices.IsSortedFunc(all, func(a, b Milestone) int { return a.Time.Compare(b.Time) }) {
			t.Fatalf("not in order: %v", all)
		}
		count := map[string]int{}
		for _, m := range all {
			count[m.Kind]++
		}
		if count[MilestoneOnset] > maxOnsets || count[MilestoneChange] > maxHistory || count[MilestoneNote] != notes {
			t.Fatalf("%v of %d notes", count, notes)
		}
		moments := map[string]bool{}
		for _, a := range c.Anomalies {
			moments[a.Service+a.Onset.String()] = true
		}
		if told := count[MilestoneOnset] + count[MilestoneChange] + c.BeyondTimeline(); told != len(moments)+len(c.Changes) {
			t.Fatalf("%d told and left out, of %d onsets and %d changes", told, len(moments), len(c.Changes))
		}
	})
}
