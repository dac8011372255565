package correlate

import (
	"slices"
	"strings"
	"time"
)

// Milestone is a moment of an incident that its history should have.
type Milestone struct {
	Time     time.Time
	Kind     string // one of the constants below
	Service  string // whom it is about, where it is about one
	Text     string
	Findings []string // that say so
}

// The kinds of milestone.
const (
	MilestoneWindow  = "window"  // the window begins or ends
	MilestoneOnset   = "onset"   // a series begins to depart
	MilestoneChange  = "change"  // something was done to a service
	MilestoneRequest = "request" // the request begins that the case follows
	MilestoneNote    = "note"    // somebody wrote it down
	MilestoneAlert   = "alert"   // the alert that the triage began with begins to hold, fires, or is over
)

const (
	// maxOnsets and maxHistory bound the onsets and the changes of a timeline: as many as
	// text lists of anomalies, and what fits on a screen beside them. Notes are all told.
	maxOnsets  = 15
	maxHistory = 15
)

// Timeline is what happened, in order of time. It is bounded: of onsets the worst are told,
// of changes those nearest to the onset, and BeyondTimeline says how many are left out.
func (c *Case) Timeline() []Milestone {
	all, _ := c.timeline()
	return all
}

// BeyondTimeline is how many onsets and changes the timeline has no room for.
func (c *Case) BeyondTimeline() int {
	_, left := c.timeline()
	return left
}

func (c *Case) timeline() (all []Milestone, left int) {
	onsets := c.onsets()
	changes := c.changed()
	left = max(0, len(onsets)-maxOnsets) + max(0, len(changes)-maxHistory)
	// At one moment a cause stands before what it may have caused.
	all = slices.Concat(changes[:min(len(changes), maxHistory)], onsets[:min(len(onsets), maxOnsets)])
	if t := c.Trace; t != nil && !t.Start.IsZero() {
		request := Milestone{Time: t.Start, Kind: MilestoneRequest, Text: "trace " + string(t.ID) + " begins, and takes " + Seconds(t.DurationSeconds)}
		if t.Root != nil {
			request.Service, request.Text = t.Root.Service, t.Root.Operation+": "+request.Text
		}
		all = append(all, request)
	}
	for _, n := range c.Notes {
		text := n.Text
		if n.Author != "" {
			text = n.Author + ": " + text
		}
		all = append(all, Milestone{Time: n.Time, Kind: MilestoneNote, Text: text})
	}
	all = append(all, c.Alert.milestones()...)
	if c.Verdict != "" && len(all) > 0 {
		begins := Milestone{Time: c.Window.From, Kind: MilestoneWindow, Text: "the window begins"}
		ends := Milestone{Time: c.Window.To, Kind: MilestoneWindow, Text: "the window ends"}
		all = append(slices.Insert(all, 0, begins), ends)
	}
	slices.SortStableFunc(all, func(a, b Milestone) int { return a.Time.Compare(b.Time) })
	return all, left
}

// milestones are those of the alert, which may be nil.
func (a *StartingAlert) milestones() []Milestone {
	if a == nil {
		return nil
	}
	var all []Milestone
	for _, m := range []struct {
		at   time.Time
		text string
	}{{a.Held, "begins to hold"}, {a.Started, "fires"}, {a.Ended, "is over"}} {
		if !m.at.IsZero() {
			all = append(all, Milestone{Time: m.at, Kind: MilestoneAlert, Service: a.Service, Text: a.Name + " " + m.text})
		}
	}
	return all
}

// onsets are those of the anomalies, the worst first. What begins with one service in one
// second is one moment.
func (c *Case) onsets() []Milestone {
	var all []Milestone
	for i := range c.Anomalies {
		a := &c.Anomalies[i]
		if a.Onset.IsZero() {
			continue
		}
		said := *a
		said.Onset = time.Time{} // the row has the time
		text := strings.TrimSpace(strings.TrimPrefix(describe(&said), a.Service))
		at := slices.IndexFunc(all, func(m Milestone) bool {
			return m.Service == a.Service && m.Time.Truncate(time.Second).Equal(a.Onset.Truncate(time.Second))
		})
		if at < 0 {
			all = append(all, Milestone{Time: a.Onset, Kind: MilestoneOnset, Service: a.Service, Text: text, Findings: slices.Clone(a.Findings)})
			continue
		}
		m := &all[at]
		if !slices.Contains(strings.Split(m.Text, "; "), text) {
			m.Text += "; " + text
		}
		m.Findings = append(m.Findings, a.Findings...)
	}
	return all
}

// changed are the changes, the nearest to the onset first, each once.
func (c *Case) changed() []Milestone {
	var all []Milestone
	for i := range c.Changes {
		ch := &c.Changes[i]
		text := ch.Text
		if ch.Note != "" {
			text += " (" + ch.Note + ")"
		}
		m := Milestone{Time: ch.Time, Kind: MilestoneChange, Service: ch.Service, Text: text}
		if !slices.ContainsFunc(all, func(known Milestone) bool {
			return known.Time.Equal(m.Time) && known.Service == m.Service && known.Text == m.Text
		}) {
			all = append(all, m)
		}
	}
	return all
}
