package correlate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"obs/correlate/patterns"
	"obs/correlate/spans"
	"obs/correlate/survey"
	"obs/sources"
)

// conclude draws the verdict, the suspects and the five answers from what was found.
func (w *walk) conclude(primary *measured) {
	c := w.found
	c.Verdict = w.verdict()
	if len(c.Anomalies) > 0 {
		a := &c.Anomalies[0]
		text := describe(a)
		if s := survey.Signal(a.Signal); s == survey.Availability || s == survey.Traffic || s == survey.Alert {
			text = c.Finding(a.Findings[0]).Statement // it may say more than from where to where it went
		}
		c.Answers.WhatChanged = Answer{Text: sentence(text), Findings: a.Findings}
	}
	if primary != nil {
		w.answerFlow(primary)
		w.answerScope()
		w.sayApart()
	}
	w.answerCreep()
	w.answerTime()
	w.answerDependency(primary)
	w.noteErrors()
	w.rankSuspects()
	w.sayInstances()
	w.answerFromClues()
	w.answerAside()
	w.answerChanges()
	w.speakAgainst()
}

func (w *walk) verdict() Verdict {
	if slices.ContainsFunc(w.found.Anomalies, func(a Anomaly) bool { return !a.Harmless() }) {
		return Anomalous
	}
	for _, c := range w.clues {
		if weights[c.kind].weight*c.strength >= telling {
			return Anomalous
		}
	}
	for _, m := range w.found.Missing {
		// What was not looked at may be what is wrong.
		if m.Kind != MissingNotConfigured && m.Kind != MissingNoData && (m.Backend == sources.Prometheus || m.Backend == "") {
			return Inconclusive
		}
	}
	if w.compared() > 0 {
		return Healthy
	}
	return Inconclusive
}

func sentence(s string) string { return s + "." }

func (w *walk) answerFlow(primary *measured) {
	if primary.question.Signal == survey.Availability && !slices.Contains(w.services(), primary.service) {
		return // a group of targets of which nobody knows any request
	}
	flow := primary.service
	if primary.operation != "" {
		flow += " " + primary.operation
	}
	text := "Requests of " + flow
	if t := w.found.Trace; t != nil && t.Root != nil && (t.Root.Service != primary.service || t.Root.Operation != primary.operation) {
		text += fmt.Sprintf(", which come in by %s %s", t.Root.Service, t.Root.Operation)
	}
	w.found.Answers.AffectedFlow = Answer{Text: sentence(text), Findings: w.found.Anomalies[0].Findings}
}

func (w *walk) answerScope() {
	departed := map[string]bool{}
	for _, m := range w.measured {
		if m.departure.Anomalous && harmful(&m) {
			departed[m.service] = true
		}
	}
	all := w.services()
	if len(all) == 0 {
		return
	}
	for _, m := range w.targets {
		departed[m.service] = true
		if !slices.Contains(all, m.service) {
			all = append(all, m.service)
		}
	}
	slices.Sort(all)
	var names, findings []string
	for _, name := range all {
		if departed[name] {
			names = append(names, name)
		}
	}
	for _, a := range w.found.Anomalies {
		if departed[a.Service] {
			findings = append(findings, a.Findings...)
		}
	}
	text := fmt.Sprintf("%d of %s depart: %s; the others do not", len(names), counted(len(all), "service"), strings.Join(names, ", "))
	if len(names) == len(all) {
		text = fmt.Sprintf("All %s depart: %s", counted(len(all), "service"), strings.Join(names, ", "))
	}
	w.found.Answers.Scope = Answer{Text: sentence(text), Findings: findings}
}

// answerTime says where the request spends its time.
func (w *walk) answerTime() {
	if w.tree == nil || w.blamed == spans.None || w.found.Trace == nil {
		return
	}
	span, node := w.tree.Span(w.blamed), &w.tree.Nodes[w.blamed]
	trace := w.found.Trace
	if len(w.shares) == 0 {
		w.answerError(span)
		return
	}
	text := fmt.Sprintf("%s %s: %s of %s on the critical path of trace %s", span.Service, span.Operation,
		Seconds(node.Critical.Seconds()), Seconds(trace.DurationSeconds), trace.ID)
	evidence := []Evidence{w.traceEvidence(Value{Name: "time on the critical path", Value: node.Critical.Seconds(), Unit: survey.Seconds})}
	if share, ok := w.shareOf(spans.KeyOf(span)); ok && len(w.trees.normal) > 0 {
		text += fmt.Sprintf("; in %s it takes %s on average, in %s %s",
			counted(len(w.trees.slow), "slow trace"), Seconds(share.Slow.Seconds()),
			counted(len(w.trees.normal), "normal one"), Seconds(share.Normal.Seconds()))
		evidence = append(evidence, w.searchEvidence(w.trees.slowAsked,
			Value{Name: "mean on the critical path, slow", Value: share.Slow.Seconds(), Unit: survey.Seconds})...)
		evidence = append(evidence, w.searchEvidence(w.trees.normalAsked,
			Value{Name: "mean on the critical path, normal", Value: share.Normal.Seconds(), Unit: survey.Seconds})...)
	}
	if said := eventText(span); said != "" {
		text += fmt.Sprintf("; the span says %q", said)
	}
	id := w.found.AddFinding(text, evidence...)
	w.found.Answers.WhereTimeGoes = Answer{Text: sentence(text), Findings: []string{id}}
}

// answerError says where the request fails, where it is not its time that is the trouble.
func (w *walk) answerError(span *sources.Span) {
	text := fmt.Sprintf("Trace %s begins to fail at %s %s", w.found.Trace.ID, span.Service, span.Operation)
	if said := eventText(span); said != "" {
		text += fmt.Sprintf(", which says %q", said)
	}
	id := w.found.AddFinding(text, w.traceEvidence())
	w.found.Answers.WhereTimeGoes = Answer{Text: sentence(text), Findings: []string{id}}
}

// cohortEvidence is the searches that brought the slow and the normal traces, with what was
// read from each, and the chosen trace, which may be in none of them. Where nothing was read
// from the normal ones, they are left out.
func (w *walk) cohortEvidence(slow, normal []Value) []Evidence {
	all := w.searchEvidence(w.trees.slowAsked, slow...)
	if len(normal) > 0 {
		all = append(all, w.searchEvidence(w.trees.normalAsked, normal...)...)
	}
	if w.tree != nil && w.found.Trace != nil {
		all = append(all, w.traceEvidence())
	}
	return all
}

func (w *walk) traceEvidence(values ...Value) Evidence {
	trace := w.tree.Trace
	return Evidence{
		Backend: w.set.TraceBackend(), Query: "trace " + string(trace.ID), Window: trace.Window(), Values: values,
		URL: w.set.Traces.Link(trace.ID, w.found.Trace.Blamed),
	}
}

func (w *walk) shareOf(key spans.Key) (spans.Share, bool) {
	for _, share := range w.shares {
		if share.Key == key {
			return share, true
		}
	}
	return spans.Share{}, false
}

// eventText is what the span noted first: an exception's message where there is one,
// else the first event, which tells what it was waiting for or doing.
func eventText(span *sources.Span) string {
	for _, event := range span.Events {
		if message := event.Attributes.Get("exception.message"); message != "" {
			return Shorten(message)
		}
	}
	if len(span.Events) > 0 {
		return Shorten(span.Events[0].Name)
	}
	return ""
}

// Shorten cuts a text from a backend to what a sentence can quote.
func Shorten(s string) string { return sources.Shorten(sources.Printable(s), 160) }

// moreOften is how much larger the share of slow traces with a failing kind of span
// must be than that of normal ones to be called new: below it, 20 traces on each side
// do not tell it from chance (a difference of 0.3 is 2 standard errors at worst).
const moreOften = 0.3

// answerDependency says which dependency fails, as opposed to being slow.
func (w *walk) answerDependency(primary *measured) {
	if w.failure != nil {
		id := w.found.AddFinding(w.failure.String(), w.evidenceOfFailure()...)
		w.found.Answers.FailingDependency = Answer{Text: sentence(w.failure.String()), Findings: []string{id}}
		return
	}
	if w.tree == nil || w.found.Trace == nil {
		return
	}
	failing, share, normal := w.newFailure()
	if failing != (spans.Key{}) {
		text := fmt.Sprintf("%s %s fails in %s of slow traces, and in %s of normal ones", failing.Service, failing.Operation,
			Quantity(share, survey.Ratio), Quantity(normal, survey.Ratio))
		id := w.found.AddFinding(text, w.cohortEvidence(
			[]Value{{Name: "share of slow traces", Value: share, Unit: survey.Ratio}},
			[]Value{{Name: "share of normal traces", Value: normal, Unit: survey.Ratio}})...)
		w.found.Answers.FailingDependency = Answer{Text: sentence(text), Findings: []string{id}}
		return
	}
	if w.blamed == spans.None || primary == nil || w.worstErrors() != nil {
		return
	}
	if span := w.tree.Span(w.blamed); span.Service != primary.service {
		text := fmt.Sprintf("None fails more than usual; %s waits for %s, which is slow", primary.service, span.Service)
		w.found.Answers.FailingDependency = Answer{Text: sentence(text), Findings: w.found.Answers.WhereTimeGoes.Findings}
	}
}

// newFailure is the kind of span that fails in slow traces and not in normal ones.
func (w *walk) newFailure() (key spans.Key, slow, normal float64) {
	if len(w.trees.normal) == 0 {
		return spans.Key{}, 0, 0
	}
	in := func(trees []*spans.Tree) map[spans.Key]float64 {
		shares := map[spans.Key]float64{}
		for _, t := range trees {
			seen := map[spans.Key]bool{}
			for i := range t.Trace.Spans {
				if s := &t.Trace.Spans[i]; s.Failed() && !seen[spans.KeyOf(s)] {
					seen[spans.KeyOf(s)] = true
					shares[spans.KeyOf(s)] += 1 / float64(len(trees))
				}
			}
		}
		return shares
	}
	inNormal := in(w.trees.normal)
	best := 0.0
	for k, share := range in(w.trees.slow) {
		if gain := share - inNormal[k]; gain >= moreOften && (gain > best || (gain == best && less(k, key))) {
			best, key, slow, normal = gain, k, share, inNormal[k]
		}
	}
	return key, slow, normal
}

func less(a, b spans.Key) bool {
	return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation)) < 0
}

// noteErrors makes a finding of the errors among the trace's records.
func (w *walk) noteErrors() {
	var first *Record
	count, strong := 0, 0
	for i := range w.found.Records {
		r := &w.found.Records[i]
		if r.Join.Weak() {
			continue
		}
		strong++
		if patterns.ParseSeverity(r.Severity) >= patterns.Error {
			count++
			if first == nil {
				first = r
			}
		}
	}
	if first == nil {
		return
	}
	text := fmt.Sprintf("%d of %s of the trace are errors; the first, of %s at %s: %s",
		count, counted(strong, "record"), first.Service, Clock(first.Time), Shorten(first.Line))
	var evidence []Evidence
	for _, hop := range w.found.Hops {
		if hop.To == "records" && hop.Evidence != nil {
			evidence = append(evidence, *hop.Evidence)
		}
	}
	w.found.AddFinding(text, evidence...)
}
