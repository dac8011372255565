package correlate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"obs/sources"
)

// LookSchema is the version of a Look's JSON.
const LookSchema = "obs.look/v1"

// Look is one of several looks at a system, and how it compares with the first that found it
// in trouble. It is a plain value.
type Look struct {
	Schema  string         `json:"schema"`
	Time    time.Time      `json:"time"`
	Verdict Verdict        `json:"verdict"`
	Trend   Trend          `json:"trend"`
	Since   time.Time      `json:"since"` // the first of the looks in a row that found this
	Window  sources.Window `json:"window"`
	// Reason is the measure that matters most, or why there is none.
	Reason string `json:"reason"`
	// Also are further measures, those that got worse first; at most alsoMoved.
	Also    []string `json:"also,omitempty"`
	Suspect string   `json:"suspect,omitempty"` // of the first look in trouble
	// Changed tells that the look before found something else. The first has changed nothing.
	Changed bool `json:"changed"`
}

// Well reports whether the look found nothing wrong, in data enough to say so.
func (l *Look) Well() bool { return l.Trend == Recovered || l.Trend == AllHealthy }

// alsoMoved is how many measures a look names beside the first: a line on a terminal has room
// for so many.
const alsoMoved = 2

// Watch holds several looks at a system against one another. The zero value is ready.
type Watch struct {
	trouble  *Case // the first that was anomalous, or the first at all before there is one
	last     *Look
	departed map[string]time.Time // services, since the first of the looks in a row up to the last
}

// First is the case that looks are held against; nil before the first look.
func (w *Watch) First() *Case { return w.trouble }

// See takes the next look.
func (w *Watch) See(g *Glance, at time.Time) *Look {
	c := w.settled(g)
	look := &Look{Schema: LookSchema, Time: at.UTC(), Since: at.UTC(), Verdict: c.Verdict, Window: c.Window}
	failed := ""
	if w.trouble != nil || !told(c.Verdict) {
		failed = failures(c)
	}
	switch {
	case failed != "":
		look.Trend, look.Reason = Unknown, failed
	case w.trouble == nil:
		look.Trend, look.Reason = begins(c)
	default:
		d := DiffCases(w.trouble, c)
		look.Trend, look.Reason = d.Trend, d.Reason
		better := d.Trend == Recovered || d.Trend == Recovering || d.Trend == AllHealthy
		if better && len(g.Unseen) > 0 {
			look.Trend = Unknown
			look.Reason = fmt.Sprintf("too few samples in %s to say how %s does", c.Window, strings.Join(g.Unseen, ", "))
		} else {
			look.add(d)
		}
	}
	if failed == "" && told(c.Verdict) && (w.trouble == nil || w.trouble.Verdict != Anomalous) {
		w.trouble = c
	}
	if w.trouble != nil && len(w.trouble.Suspects) > 0 {
		look.Suspect = w.trouble.Suspects[0].Service
	}
	if w.last != nil && w.last.Trend == look.Trend {
		look.Since = w.last.Since
	} else {
		look.Changed = w.last != nil
	}
	w.last = look
	return look
}

func told(v Verdict) bool { return v == Healthy || v == Anomalous }

// add names what else moved.
func (l *Look) add(d *Diff) {
	texts := make([]string, 0, len(d.Departures))
	for i := range d.Departures {
		if text := d.Departures[i].Text; !strings.Contains(l.Reason, text) {
			texts = append(texts, text)
		}
	}
	if d.Trend == Recovered && len(texts) > 0 {
		l.Reason, texts = l.Reason+"; "+texts[0], texts[1:]
	}
	l.Also = texts[:min(len(texts), alsoMoved)]
}

// settled is the look's case without what departs of a service that is not in trouble and has
// not departed for as long as a look looks back, its rates included: so two looks agree that
// have no sample in common. Of a hundred series one is always odd for a minute, and what is
// trouble stays.
func (w *Watch) settled(g *Glance) *Case {
	before, now := w.departed, g.Case.Window.To
	w.departed = map[string]time.Time{}
	for i := range g.Case.Anomalies {
		service := g.Case.Anomalies[i].Service
		if since, known := before[service]; known {
			w.departed[service] = since
		} else {
			w.departed[service] = now
		}
	}
	// A quarter less, since looks do not begin to the second.
	judged := g.Case.Window.Duration()
	reach := 2*judged - judged/4
	if !g.Brief || w.trouble == nil || g.Case.Verdict != Anomalous {
		return g.Case
	}
	c := *g.Case
	harmful := func(a Anomaly) bool { return !a.Harmless() }
	departed := slices.ContainsFunc(c.Anomalies, harmful)
	c.Anomalies = slices.DeleteFunc(slices.Clone(c.Anomalies), func(a Anomaly) bool {
		inTrouble := !w.last.Well() && slices.ContainsFunc(w.trouble.Anomalies, func(was Anomaly) bool { return was.Service == a.Service })
		return !inTrouble && now.Sub(w.departed[a.Service]) < reach
	})
	if departed && !slices.ContainsFunc(c.Anomalies, harmful) {
		c.Verdict = Healthy
		if slices.ContainsFunc(c.Missing, func(m Missing) bool { return m.Kind == MissingTruncated }) {
			c.Verdict = Inconclusive // what was left out may be what is wrong
		}
	}
	return &c
}

// failures says what could not be asked: what was not looked at may be what is wrong. Data that
// a system does not have are none.
func failures(c *Case) string {
	for i := range c.Missing {
		switch m := &c.Missing[i]; m.Kind {
		case MissingFailed, MissingRefused, MissingTimeout:
			return m.Reason
		}
	}
	if c.Interrupted {
		return "the look ended before there was enough to tell"
	}
	return ""
}

// begins is what a first look says.
func begins(c *Case) (Trend, string) {
	switch c.Verdict {
	case Healthy:
		return AllHealthy, "nothing departs"
	case Anomalous:
		if len(c.Anomalies) > 0 {
			return Same, describe(&c.Anomalies[0])
		}
		return Same, "it is in trouble"
	}
	return Unknown, "there is too little data to tell"
}
