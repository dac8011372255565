package correlate

import (
	"slices"

	"obs/sources"
)

// A clue is one kind of evidence against one service. What it weighs stands in rank.go.
type clue struct {
	kind      clueKind
	service   string
	operation string
	// strength is how sure and how large the departure is, from 0 to 1.
	strength float64
	finding  string // its ID, empty for what is no statement of its own
	// traces are requests of the window that show it; none where that is not known.
	traces []sources.TraceID
}

// maxOfAKind bounds how many findings of one kind are stated about a service.
const maxOfAKind = 3

// keep notes a clue.
func (w *walk) keep(c clue) {
	if c.strength > 0 && c.service != "" {
		w.clues = append(w.clues, c)
	}
}

// answerFromClues says what no metric of a known convention said: what changed, and where
// the time goes, by the clue that weighs most.
func (w *walk) answerFromClues() {
	if w.found.Verdict != Anomalous {
		return
	}
	answer := func(a *Answer, kinds ...clueKind) {
		var best *clue
		for i := range w.clues {
			c := &w.clues[i]
			of := len(kinds) == 0 || slices.Contains(kinds, c.kind)
			if of && c.finding != "" && (best == nil || weights[c.kind].weight*c.strength > weights[best.kind].weight*best.strength) {
				best = c
			}
		}
		if a.Text == "" && best != nil {
			*a = Answer{Text: sentence(w.found.Finding(best.finding).Statement), Findings: []string{best.finding}}
		}
	}
	answer(&w.found.Answers.WhatChanged)
	answer(&w.found.Answers.WhereTimeGoes, byOwnTime, byGap)
	answer(&w.found.Answers.FailingDependency, byUnanswered, byFailures)
}
