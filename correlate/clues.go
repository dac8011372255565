package correlate

import "obs/sources"

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
// the time goes, by the clue that weighs most against the first suspect, or against any.
func (w *walk) answerFromClues() {
	if w.found.Verdict != Anomalous || len(w.found.Suspects) == 0 {
		return
	}
	if len(w.found.Anomalies) > 0 && w.found.Anomalies[0].Metric == errorRecords && w.lineSides[0] != nil {
		w.found.Answers.WhatChanged = Answer{} // more errors in all say less than which
	}
	first := w.found.Suspects[0].Service
	w.answerBy(&w.found.Answers.WhatChanged, func(c *clue) bool { return c.service == first })
	w.answerBy(&w.found.Answers.WhatChanged, func(*clue) bool { return true })
	w.answerBy(&w.found.Answers.WhereTimeGoes, func(c *clue) bool { return c.kind == byOwnTime || c.kind == byGap })
	w.answerBy(&w.found.Answers.FailingDependency, func(c *clue) bool { return c.kind == byUnanswered || c.kind == byFailures })
}

// answerBy fills in an answer that has no text with the finding of the heaviest clue that fits.
func (w *walk) answerBy(a *Answer, fits func(*clue) bool) {
	var best *clue
	heaviest := 0.0
	for i := range w.clues {
		c := &w.clues[i]
		if weight := weights[c.kind].weight * c.strength; c.finding != "" && weight > heaviest && fits(c) {
			best, heaviest = c, weight
		}
	}
	if a.Text == "" && best != nil {
		*a = Answer{Text: sentence(w.found.Finding(best.finding).Statement), Findings: []string{best.finding}}
	}
}
