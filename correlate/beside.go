package correlate

import (
	"slices"
	"strings"

	"obs/correlate/survey"
	"obs/sources"
)

// What is asked beside the signals of requests is asked in one query, so that a triage costs
// one more and no matter how much of it there is.

// The parts of the query, in their order. Those from besideRefused on are about clients'
// faults, one for each convention.
const (
	besideTargets = iota
	besideReached
	besideRefused
)

func (w *walk) besideQuery(questions []survey.Question) string {
	all, reached := survey.Targets(dottedLabels(questions))
	parts := []string{all, reached}
	refused, _ := refusedQuestions(questions)
	for i := range refused {
		parts = append(parts, refused[i].Query(w.over))
	}
	return survey.Together(parts)
}

// dottedLabels reports whether the server knows labels with dots.
func dottedLabels(questions []survey.Question) bool {
	for i := range questions {
		if strings.Contains(questions[i].ServiceLabel, ".") || strings.Contains(questions[i].Metric, ".") {
			return true
		}
	}
	return false
}

// part is the answer to one part of a query over both sides.
type part [2][]sources.Series // baseline, window

// partsOf sorts the answer to n questions that were asked together; a part without series has
// no entry.
func partsOf(sides [2][]sources.Series, n int) map[int]*part {
	parts := map[int]*part{}
	for side, answer := range sides {
		for i, series := range survey.Apart(answer, n) {
			if len(series) == 0 {
				continue
			}
			if parts[i] == nil {
				parts[i] = &part{}
			}
			parts[i][side] = series
		}
	}
	return parts
}

// answerAside says what changed beside what is anybody's failure, where nothing fails.
func (w *walk) answerAside() {
	a := &w.found.Answers.WhatChanged
	if len(w.aside) == 0 || (w.found.Verdict == Anomalous && a.Text != "") {
		return
	}
	var texts []string
	if a.Text != "" {
		texts = append(texts, a.Text)
	}
	said := w.aside[:min(len(w.aside), maxOfAKind)]
	for _, id := range said {
		texts = append(texts, sentence(w.found.Finding(id).Statement))
	}
	*a = Answer{Text: strings.Join(texts, " "), Findings: slices.Concat(a.Findings, said)}
}
