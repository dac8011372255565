package correlate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"obs/correlate/spans"
	"obs/correlate/survey"
	"obs/sources"
)

// What was done to services before the trouble began is not yet why it began: something
// is always being deployed. A change is named as an answer only where it is of a service that
// other evidence points at, came before, and is on the instances that are in trouble.

const (
	// changeQueries is how many questions must be left to ask for changes.
	changeQueries = 1
	// nearFirst is from which share of the first suspect's score on a service is suspected as
	// much as to be blamed for a change: below half of it, the evidence is elsewhere.
	nearFirst = 0.5
	// lately is how long before the onset a change is half as telling as one at the onset.
	// Replacing a dozen instances takes about as long, one after the other.
	lately = 10 * time.Minute
	// namedChanges bounds how many changes a sentence names.
	namedChanges = 2
)

// changesSeen is what was done to services, as far as it was asked.
type changesSeen struct {
	asked  bool
	all    []Change
	blamed []blamedChange // the worst suspect's first
}

// blamedChange is a change that may be why, with its finding.
type blamedChange struct {
	service, text, finding string
}

// known takes over what somebody has asked.
func (s *changesSeen) known(all []Change) { s.asked, s.all = true, all }

// noteChanges looks for what was done to services where something is wrong. It asks once
// for all kinds, as it comes last and few questions may be left; where none is, it keeps
// silent.
func (w *walk) noteChanges(ctx context.Context) {
	if w.set.Metrics == nil || ctx.Err() != nil || w.verdict() != Anomalous || w.found.unanswered(sources.Prometheus) {
		return
	}
	if !w.changes.asked {
		if w.spare() < changeQueries {
			return
		}
		step := w.begin("changes", "looking for what was changed")
		h := w.names.historyOf(w.changeSpan(), w.question, w.measured)
		if err := h.askAtOnce(ctx, w.set.Metrics); err != nil {
			w.failed(sources.Prometheus, "what was done to services was not looked at", err)
			step.failed("Prometheus gave no answer")
			return
		}
		w.changes.known(append([]Change{}, h.changes()...))
		step.ended(counted(len(w.changes.all), "change"))
	}
	w.keepChanges()
}

// causesBefore is how long before the onset a change may have been at least. Most hurt at
// once; connections and memory that a release does not give back run out within the hour, and
// what takes longer is seldom told from the releases between.
const causesBefore = time.Hour

// lookback is how long before the onset changes are looked at: longer in a longer window.
func (w *walk) lookback() time.Duration { return max(causesBefore, w.question.Window.Duration()) }

// changeSpan is the time that is asked about: baseline and window where they adjoin, else
// the window and what came before it.
func (w *walk) changeSpan() sources.Window {
	if w.adjoining() {
		return w.question.Window.Union(w.question.Baseline)
	}
	return sources.Window{From: w.question.Window.From.Add(-w.lookback()), To: w.question.Window.To}
}

// onset is when the trouble began, zero where nothing tells.
func (w *walk) onset() time.Time {
	for i := range w.found.Anomalies {
		if onset := w.found.Anomalies[i].Onset; !onset.IsZero() {
			return onset
		}
	}
	return time.Time{}
}

// onsetOf is when the trouble of a service began, and that of the others where its own
// metrics do not tell.
func (w *walk) onsetOf(service string) time.Time {
	var first time.Time
	for i := range w.found.Anomalies {
		a := &w.found.Anomalies[i]
		if sameService(a.Service, service) && !a.Onset.IsZero() && (first.IsZero() || a.Onset.Before(first)) {
			first = a.Onset
		}
	}
	if first.IsZero() {
		return w.onset()
	}
	return first
}

// keepChanges puts the changes near the onset into the case.
func (w *walk) keepChanges() {
	at := w.onset()
	if at.IsZero() {
		at = w.question.Window.From
	}
	var kept []Change
	for _, c := range w.changes.all {
		asked := len(w.question.Services) == 0 || slices.ContainsFunc(w.question.Services, func(s string) bool { return sameService(s, c.Service) })
		if !asked || c.Time.Before(at.Add(-w.lookback())) || c.Time.After(w.question.Window.To) {
			continue
		}
		known, there := w.cameTo(&c).there(&c)
		if !known {
			known, there = w.apart.touches(&c)
		}
		if known && !there {
			c.Note = "also changed, and not where the trouble is"
		}
		kept = append(kept, c)
	}
	slices.SortStableFunc(kept, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Time.Sub(at).Abs(), b.Time.Sub(at).Abs()), a.Time.Compare(b.Time))
	})
	w.found.Changes = kept[:min(len(kept), maxChanges)]
}

// before reports whether a change came before an onset. It is seen at the first moment
// asked for after it was made, and may have been made at any time since the one before.
func (w *walk) before(c *Change, onset time.Time) bool {
	return !onset.IsZero() && !c.Time.Add(-historyStep(w.question)).After(onset)
}

// visitsOfVersion is how many of the traces in trouble came to instances of a version, of
// those that came to the service.
type visitsOfVersion struct{ traces, of int }

// cameTo counts the slow or failing traces by the version that a change brought.
func (w *walk) cameTo(c *Change) visitsOfVersion {
	var n visitsOfVersion
	if c.Version == "" {
		return n
	}
	for _, t := range w.trees.slow {
		known, came := false, false
		for i := range t.Trace.Spans {
			s := &t.Trace.Spans[i]
			if version := s.Resource.Get("service.version"); version != "" && sameService(s.Service, c.Service) {
				known, came = true, came || version == c.Version
			}
		}
		if known {
			n.of++
		}
		if came {
			n.traces++
		}
	}
	return n
}

// there reports whether the trouble is on the instances that a change reached, where it
// reached some and not all, and traces tell. Trouble that has nothing to do with it is on as
// large a share of the traces as of the instances, and one that it makes on all: the middle
// divides them.
func (n visitsOfVersion) there(c *Change) (known, there bool) {
	if c.Of == 0 || c.Instances >= c.Of || n.of < leastSlow {
		return false, false
	}
	by := float64(c.Instances) / float64(c.Of)
	return true, float64(n.traces)/float64(n.of) >= (1+by)/2
}

// String says a change in a sentence without its end.
func (c *Change) String() string {
	sep := " "
	if c.Kind == ChangeRestart || c.Kind == ChangeConfig {
		sep = ": "
	}
	return c.Service + sep + c.Text + " at " + Clock(c.Time)
}

// before says how long before an onset a moment was.
func before(at, onset time.Time) string {
	switch gap := onset.Sub(at); {
	case gap <= 0:
		return "as it began"
	case gap < time.Minute:
		return fmt.Sprintf("%.0f s before", gap.Seconds())
	case gap < 2*time.Hour:
		return fmt.Sprintf("%.0f min before", gap.Minutes())
	default:
		return fmt.Sprintf("%.0f h before", gap.Hours())
	}
}

// changeEvidence is the query that shows a change.
func (w *walk) changeEvidence(c *Change) Evidence {
	step := historyStep(w.question)
	span := aligned(w.changeSpan(), step)
	return Evidence{
		Backend: sources.Prometheus, Query: c.Query, Window: span, StepSeconds: step.Seconds(), URL: w.set.Metrics.Link(c.Query, span),
	}
}

// troubleEvidence is the search that brought the traces in trouble, with how many of them
// came to the instances of a change.
func (w *walk) troubleEvidence(n visitsOfVersion) []Evidence {
	return w.cohortEvidence([]Value{
		{Name: "traces in trouble that came to it", Value: float64(n.traces)},
		{Name: "traces in trouble that came to the service", Value: float64(n.of)},
	}, nil)
}

// changeClues are the changes that may be why, of those suspects that other evidence points
// at: for each the one nearest to its onset.
func (w *walk) changeClues(ranked []Suspect) []clue {
	var clues []clue
	w.changes.blamed = nil
	for i := range ranked {
		s := &ranked[i]
		if s.Score < nearFirst*ranked[0].Score && !w.isBlamed(s.Service) {
			continue
		}
		onset := w.onsetOf(s.Service)
		c := w.changeBefore(s.Service, onset)
		if c == nil {
			continue
		}
		text := c.String() + ", " + before(c.Time, onset)
		evidence := []Evidence{w.changeEvidence(c)}
		statement := text
		if n := w.cameTo(c); n.traces > 0 {
			statement += fmt.Sprintf("; %d of %s in trouble came to %s", n.traces, counted(n.of, "trace"), Shorten(c.Version))
			evidence = append(evidence, w.troubleEvidence(n)...)
		}
		id := w.found.AddFinding(statement, evidence...)
		w.changes.blamed = append(w.changes.blamed, blamedChange{service: s.Service, text: text, finding: id})
		gap := max(0, onset.Sub(c.Time))
		clues = append(clues, clue{
			kind: byChange, service: s.Service, finding: id, strength: lately.Seconds() / (lately + gap).Seconds(),
		})
		if known, there := w.apart.touches(c); known && there && w.apart.finding != "" {
			// However long before it came, its version is what tells the trouble apart.
			clues = append(clues, clue{kind: byChange, service: s.Service, finding: w.apart.finding, strength: 1})
		}
	}
	return clues
}

// isBlamed reports whether the span to blame in the walk's trace is the service's.
func (w *walk) isBlamed(service string) bool {
	return w.tree != nil && w.blamed != spans.None && sameService(w.tree.Span(w.blamed).Service, service)
}

// changeBefore is the last change of a service before an onset that is where the trouble
// is, as far as that can be told; nil without one.
func (w *walk) changeBefore(service string, onset time.Time) *Change {
	var last *Change
	for i := range w.found.Changes {
		c := &w.found.Changes[i]
		if c.Note == "" && sameService(c.Service, service) && w.before(c, onset) && (last == nil || c.Time.After(last.Time)) {
			last = c
		}
	}
	return last
}

// answerChanges says what was done before the trouble, or that nothing was done to those
// in trouble while others were changed.
func (w *walk) answerChanges() {
	a := &w.found.Answers.WhatChanged
	onset := w.onset()
	if !w.changes.asked || a.Text == "" || len(w.found.Changes) == 0 || onset.IsZero() {
		return
	}
	var texts, findings []string
	for _, b := range w.changes.blamed[:min(len(w.changes.blamed), namedChanges)] {
		texts, findings = append(texts, b.text), append(findings, b.finding)
	}
	if len(texts) == 0 {
		for i := range w.found.Changes {
			if c := &w.found.Changes[i]; w.before(c, onset) && w.isAffected(c.Service) {
				return // it can neither be blamed nor passed over
			}
		}
		texts = []string{"No change of the affected services shows before it"}
		findings = []string{w.othersChanged()}
	}
	a.Text += " " + sentence(strings.Join(texts, "; "))
	a.Findings = slices.Concat(a.Findings, findings)
}

// isAffected reports whether a service is in trouble: suspected, departing, or waiting for
// the span to blame.
func (w *walk) isAffected(service string) bool {
	if slices.ContainsFunc(w.found.Suspects, func(s Suspect) bool { return sameService(s.Service, service) }) ||
		slices.ContainsFunc(w.found.Anomalies, func(a Anomaly) bool { return a.Creep == nil && sameService(a.Service, service) }) {
		return true
	}
	if w.tree == nil {
		return false
	}
	for i := w.blamed; i != spans.None; i = w.tree.Nodes[i].Parent {
		if sameService(w.tree.Span(i).Service, service) {
			return true
		}
	}
	return false
}

// othersChanged is the finding that what was changed near the onset is of other services.
func (w *walk) othersChanged() string {
	var texts []string
	var evidence []Evidence
	for i := range w.found.Changes[:min(len(w.found.Changes), namedChanges)] {
		c := &w.found.Changes[i]
		texts, evidence = append(texts, c.String()), append(evidence, w.changeEvidence(c))
	}
	return w.found.AddFinding("nothing was done to the affected services before it; nearest to it are "+strings.Join(texts, "; "), evidence...)
}

// speakAgainst notes what speaks against suspects: that they wait for another, fail
// because of another, or were changed and are no worse for it.
func (w *walk) speakAgainst() {
	for i := range w.found.Suspects {
		s, ahead := &w.found.Suspects[i], w.found.Suspects[:i]
		for _, id := range []string{w.waitsFor(s.Service, ahead), w.failsWith(s.Service, ahead), w.changedForNothing(s.Service)} {
			if id != "" && !slices.Contains(s.Findings, id) {
				s.Against = append(s.Against, id)
			}
		}
	}
}

// waitsFor is the finding that slow requests wait in a service for a likelier suspect that it
// calls, while its own time is as before; empty where they do not.
func (w *walk) waitsFor(service string, ahead []Suspect) string {
	if len(w.shares) == 0 || len(w.trees.slow) == 0 || len(w.trees.normal) == 0 || w.lastSearch.MinDuration == 0 || w.tree == nil || w.found.Trace == nil {
		return ""
	}
	slow, normal := meanOwn(w.trees.slow, service), meanOwn(w.trees.normal, service)
	if l := limits[survey.Latency]; slow.Seconds() >= l.Ratio*normal.Seconds() && (slow-normal).Seconds() >= l.Delta {
		return ""
	}
	callee, most, of := "", 0, 0
	for i := range ahead {
		if n, came := w.waiting(service, ahead[i].Service); n > most {
			callee, most, of = ahead[i].Service, n, came
		}
	}
	if of < leastSlow || 2*most <= of {
		return ""
	}
	text := fmt.Sprintf("%s waits for %s in %d of %s; its own time on their critical path is %s, and %s in normal ones",
		service, callee, most, counted(of, "slow trace"), Seconds(slow.Seconds()), Seconds(normal.Seconds()))
	return w.found.AddFinding(text, w.cohortEvidence(
		[]Value{
			{Name: "slow traces in which it waits", Value: float64(most)}, {Name: "slow traces that come to it", Value: float64(of)},
			{Name: "its mean on the critical path, slow", Value: slow.Seconds(), Unit: survey.Seconds},
		},
		[]Value{{Name: "its mean on the critical path, normal", Value: normal.Seconds(), Unit: survey.Seconds}},
	)...)
}

// meanOwn is how long requests wait for a service itself, on average.
func meanOwn(trees []*spans.Tree, service string) time.Duration {
	var sum time.Duration
	for _, t := range trees {
		for i := range t.Nodes {
			if t.Span(i).Service == service {
				sum += t.Nodes[i].Critical
			}
		}
	}
	return sum / time.Duration(len(trees))
}

// waiting counts the slow traces in which more time of the critical path is in a callee
// below the service than in the service itself, of those that come to the service.
func (w *walk) waiting(service, callee string) (waiting, of int) {
	for _, t := range w.trees.slow {
		var own, below time.Duration
		came := false
		within := make([]bool, len(t.Nodes)) // the service is the span's own or above it
		t.Walk(func(i int) bool {
			span, node := t.Span(i), &t.Nodes[i]
			mine := span.Service == service
			within[i] = mine || (node.Parent != spans.None && within[node.Parent])
			switch {
			case mine:
				came = true
				own += node.Critical
			case within[i] && span.Service == callee:
				below += node.Critical
			}
			return true
		})
		if came {
			of++
		}
		if below > own {
			waiting++
		}
	}
	return waiting, of
}

// rarely is in which share of the requests that fail in a service it may itself begin to
// fail: services do so now and then, for reasons of their own.
const rarely = 0.1

// failsWith is the finding that most of what fails in a service begins to fail in a
// likelier suspect, and next to nothing in itself; empty where it does not.
func (w *walk) failsWith(service string, ahead []Suspect) string {
	fails := func(a Anomaly) bool { return sameService(a.Service, service) && a.Signal == string(survey.Errors) }
	if w.sampled == nil || len(ahead) == 0 || !slices.ContainsFunc(w.found.Anomalies, fails) {
		return ""
	}
	failed, own := 0, 0
	origins := map[string]int{}
	for _, t := range w.sampled.window {
		origin := t.ErrorOrigin()
		if origin == spans.None {
			continue
		}
		visits, _ := t.Visits()
		fail, begin := false, false
		for i := range visits {
			if visits[i].Key.Service == service {
				fail, begin = fail || visits[i].Failed, begin || visits[i].Fails
			}
		}
		if !fail {
			continue
		}
		failed++
		if begin {
			own++
		} else {
			origins[t.Span(origin).Service]++
		}
	}
	for i := range ahead {
		n := origins[ahead[i].Service]
		if failed < leastSlow || 2*n <= failed || float64(own) > rarely*float64(failed) {
			continue
		}
		return w.found.AddFinding(fmt.Sprintf("%d of %s that fail in %s begin to fail in %s, and %d in itself",
			n, counted(failed, "sampled request"), service, ahead[i].Service, own),
			w.sampleEvidence(0,
				Value{Name: "requests that fail in it", Value: float64(failed)}, Value{Name: "of these, begin to fail in the other", Value: float64(n)},
				Value{Name: "of these, begin to fail in itself", Value: float64(own)})...)
	}
	return ""
}

// changedForNothing is the finding that a service was changed before the trouble and is no
// worse for it; empty where that is not known.
func (w *walk) changedForNothing(service string) string {
	if slices.ContainsFunc(w.changes.blamed, func(b blamedChange) bool { return b.service == service }) {
		return ""
	}
	onset := w.onsetOf(service)
	for i := range w.found.Changes {
		c := &w.found.Changes[i]
		if !sameService(c.Service, service) || !w.before(c, onset) {
			continue
		}
		n := w.cameTo(c)
		if known, there := n.there(c); known && !there {
			return w.found.AddFinding(fmt.Sprintf("%s, and %d of %s in trouble came to it", c, n.traces, counted(n.of, "trace")),
				append([]Evidence{w.changeEvidence(c)}, w.troubleEvidence(n)...)...)
		}
		if c.Note != "" && w.apart.finding != "" {
			return w.found.AddFinding(fmt.Sprintf("%s, and what tells the trouble apart is in %s: %s=%s", c, w.apart.service,
				w.apart.places[0].Key, Shorten(w.apart.places[0].Value)),
				append([]Evidence{w.changeEvidence(c)}, w.found.Finding(w.apart.finding).Evidence...)...)
		}
		if m := w.failsAsBefore(service); m != nil {
			return w.found.AddFinding(fmt.Sprintf("%s, but it fails no more than before: %s against %s", c,
				Quantity(m.departure.Window, m.question.Unit), Quantity(m.departure.Baseline, m.question.Unit)),
				append(w.evidenceOf(m, ofWindow), w.changeEvidence(c))...)
		}
	}
	return ""
}

// failsAsBefore is the measured share of failing requests of a service that neither fails
// more nor is slower; nil of one that does, or of which it is not known.
func (w *walk) failsAsBefore(service string) *measured {
	var errors *measured
	for i := range w.measured {
		m := &w.measured[i]
		signal := m.question.Signal
		if !sameService(m.service, service) || (signal != survey.Errors && signal != survey.Latency) {
			continue
		}
		if m.departure.Anomalous {
			return nil
		}
		if signal == survey.Errors && m.question.Exact && m.departure.Compared {
			errors = m
		}
	}
	return errors
}
