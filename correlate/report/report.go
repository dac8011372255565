// Package report writes a case as text, as Markdown, as JSON and as one HTML page.
//
// It draws what a case holds and finds out nothing by itself. What came from a backend
// goes through sources.Printable before it is written, so that nothing in it can act on
// a terminal.
package report

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"obs/correlate"
	"obs/sources"
)

// Width is how wide text is laid out. It does not follow the terminal, so that the same
// case reads the same wherever it is written.
const Width = 120

// page collects lines. Every text argument is made printable on its way in, so that no
// caller can forget to.
type page struct{ b bytes.Buffer }

// line writes one line. The format is obs's own; arguments may come from anywhere.
func (p *page) line(format string, args ...any) {
	for i, arg := range args {
		if v := reflect.ValueOf(arg); v.IsValid() && v.Kind() == reflect.String {
			args[i] = sources.Printable(v.String())
		}
	}
	p.b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " "))
	p.b.WriteByte('\n')
}

// printable writes a line of parts that are printable already, as cells are: of a long trace's
// rows, half the time went into formats.
func (p *page) printable(parts ...string) {
	for _, part := range parts {
		p.b.WriteString(part)
	}
	p.b.WriteByte('\n')
}

// blank ends a block.
func (p *page) blank() { p.b.WriteByte('\n') }

func (p *page) writeTo(w io.Writer) error {
	_, err := p.b.WriteTo(w)
	return err
}

// Sign is the mark of a verdict, which does not depend on colour.
func Sign(v correlate.Verdict) string {
	switch v {
	case correlate.Healthy:
		return "●"
	case correlate.Anomalous:
		return "✖"
	}
	return "▲"
}

// headline is the case in one line.
func headline(c *correlate.Case) string {
	verdict := Sign(c.Verdict) + " " + strings.ToUpper(string(c.Verdict))
	switch {
	case c.Verdict == correlate.Anomalous && c.Answers != nil:
		return verdict + "  " + firstSentence(c.Answers.WhatChanged.Text)
	case c.Verdict == correlate.Healthy && creeping(c) != "":
		return verdict + "  nothing hurts yet. " + creeping(c) + "."
	case c.Verdict == correlate.Healthy && len(c.Anomalies) > 0:
		return fmt.Sprintf("%s  nothing departs for the worse in %s", verdict, counted(c.Services, "service"))
	case c.Verdict == correlate.Healthy:
		return fmt.Sprintf("%s  nothing departs from its baseline in %s", verdict, counted(c.Services, "service"))
	case c.Interrupted:
		return verdict + "  the run ended before there was enough to tell"
	}
	return verdict + "  too little data to tell"
}

// creeping is the first statement about a slow growth; empty without one.
func creeping(c *correlate.Case) string {
	for i := range c.Anomalies {
		if a := &c.Anomalies[i]; a.Creep != nil && len(a.Findings) > 0 {
			if f := c.Finding(a.Findings[0]); f != nil {
				return f.Statement
			}
		}
	}
	return ""
}

// firstSentence is the text up to the end of its first sentence.
func firstSentence(s string) string {
	if first, _, more := strings.Cut(s, ". "); more {
		return first + "."
	}
	return s
}

// question is one of the five, with its answer in a case and what would be needed to
// answer it.
type question struct {
	asked  string
	answer func(*correlate.Answers) correlate.Answer
	needed string
}

var questions = []question{
	{"what changed", func(a *correlate.Answers) correlate.Answer { return a.WhatChanged },
		"metrics of the services in window and baseline would tell"},
	{"which flow", func(a *correlate.Answers) correlate.Answer { return a.AffectedFlow },
		"an anomaly with a service and an operation would tell"},
	{"where the time", func(a *correlate.Answers) correlate.Answer { return a.WhereTimeGoes },
		"a trace of an affected request would tell"},
	{"what fails", func(a *correlate.Answers) correlate.Answer { return a.FailingDependency },
		"failing spans in affected requests would tell"},
	{"how wide", func(a *correlate.Answers) correlate.Answer { return a.Scope },
		"metrics of all services would tell"},
}

func answerText(q question, c *correlate.Case) (text string, findings []string) {
	answer := q.answer(c.Answers)
	if answer.Text == "" {
		return "the data does not say; " + q.needed, nil
	}
	return answer.Text, answer.Findings
}

// What a lookup without trace and records says: that nothing was found is an answer.
const (
	nothingTitle  = "Nothing was found in what was searched:"
	nothingWorked = "Nothing could be found out: no backend answered."
	nothingAsked  = "Nothing was searched."
	nothingAdvice = "It may never have been sampled, may have expired, or may belong to another tenant; a longer window (--since) may have it."
)

func nothingFound(c *correlate.Case) bool {
	return c.Verdict == "" && c.Trace == nil && len(c.Records) == 0
}

// TakenFor says what a lookup was asked, and what that was taken for.
func TakenFor(c *correlate.Case) string { return c.Asked + ": taken for " + c.TakenFor }

// Nothing says that a lookup without trace and records found nothing: what that means, what
// was asked, a line for each question, and what to think of. The text is not printable yet.
func Nothing(c *correlate.Case) (title string, asked []string, advice string) {
	switch {
	case len(c.Queries) == 0:
		return nothingAsked, nil, ""
	case !c.Answered():
		return nothingWorked, nil, ""
	}
	shown, more := fruitless(c)
	for _, q := range shown {
		asked = append(asked, fmt.Sprintf("%-10s %-8s %s   in %s", q.Backend, q.Status, q.Query, searched(&q)))
	}
	if more > 0 {
		asked = append(asked, fmt.Sprintf("… and %d more questions, which -o json lists", more))
	}
	return nothingTitle, asked, nothingAdvice
}

// shownQueries is how many questions to each backend a fruitless lookup lists.
const shownQueries = 8

// fruitless lists the first questions to each backend, and counts the others. A question that
// was asked again of a time that reaches into the first's is one, of both.
func fruitless(c *correlate.Case) (shown []correlate.Query, more int) {
	var distinct []correlate.Query
	for _, q := range c.Queries {
		at := slices.IndexFunc(distinct, func(known correlate.Query) bool {
			return known.Backend == q.Backend && known.Query == q.Query && known.Status == q.Status && meet(known.Window, q.Window)
		})
		switch {
		case at < 0:
			distinct = append(distinct, q)
		case q.Window != nil:
			both := distinct[at].Window.Union(*q.Window)
			distinct[at].Window = &both
		}
	}
	asked := map[sources.Backend]int{}
	for _, q := range distinct {
		if asked[q.Backend]++; asked[q.Backend] <= shownQueries {
			shown = append(shown, q)
		} else {
			more++
		}
	}
	return shown, more
}

// meet reports whether two windows overlap or adjoin, or are both none.
func meet(a, b *sources.Window) bool {
	if a == nil || b == nil {
		return a == b
	}
	return !a.From.After(b.To) && !b.From.After(a.To)
}

// searched is the window that a query asked.
func searched(q *correlate.Query) string {
	if q.Window == nil {
		return "all it has"
	}
	return q.Window.String()
}

func missingName(m correlate.Missing) string {
	if m.Backend == "" {
		return "obs"
	}
	return string(m.Backend)
}

// totals sums up the queries.
func totals(c *correlate.Case) (queries, failed int, bytes int64) {
	for _, q := range c.Queries {
		bytes += q.Bytes
		if q.Status == sources.QueryFailed {
			failed++
		}
	}
	return len(c.Queries), failed, bytes
}

// counted renders a number with its noun.
func counted(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "y"):
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(noun, "y"))
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Bytes renders a size for people.
func Bytes(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
