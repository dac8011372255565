package correlate

import (
	"slices"
	"strconv"
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

// partsOf takes the answer apart, and the label that tells the parts off the series.
func partsOf(sides [2][]sources.Series) map[int]*part {
	parts := map[int]*part{}
	for side, series := range sides {
		for _, s := range series {
			i, err := strconv.Atoi(s.Labels[survey.PartLabel])
			if err != nil {
				continue // it answers nothing that was asked
			}
			if parts[i] == nil {
				parts[i] = &part{}
			}
			labels := sources.Labels{}
			for name, value := range s.Labels {
				if name != survey.PartLabel && value != "" {
					labels[name] = value
				}
			}
			parts[i][side] = append(parts[i][side], sources.Series{Labels: labels, Samples: s.Samples})
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
