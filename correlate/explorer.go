package correlate

import (
	"context"
	"slices"
	"sync"
	"time"

	"obs/sources"
)

// Explorer walks on from where a triage ends, or begins elsewhere: it answers what a
// screen or a command asks about one service, metric, cohort of traces or log. Each
// answer is a plain value with what is missing of it; none is an error. It keeps what the
// first answer taught, such as which metrics there are, so that the next costs little.
// It is safe for concurrent use.
type Explorer struct {
	set      sources.Set
	question Question
	names    *glossary
	saved    *Case // what is shown without backends; nil where there are some

	mu     sync.Mutex
	survey *surveyed // nil until a triage or a first question has surveyed the metrics
	done   []Change  // nil until Changes has asked
}

// surveyed is what a survey of the metrics taught.
type surveyed struct {
	measured []measured
	over     time.Duration // the window of rates
}

// NewExplorer explores the question's window and baseline in the set.
func NewExplorer(set sources.Set, question Question) *Explorer {
	names := newGlossary(question.Names)
	return &Explorer{set: names.set(set), question: names.question(question), names: names}
}

// NewSaved explores a case that was saved, for which no backend can be asked: it holds what
// the case holds.
func NewSaved(c *Case) *Explorer {
	x := &Explorer{set: sources.Set{Ledger: &sources.Ledger{}}, question: Question{Window: c.Window}, names: newGlossary(Names{}), saved: c}
	if c.Baseline != nil {
		x.question.Baseline = *c.Baseline
	}
	return x
}

// Question is what the explorer explores.
func (x *Explorer) Question() Question { return x.question }

// Looker looks again at what the explorer explores, against the baseline of a case.
func (x *Explorer) Looker(first *Case) *Looker {
	question := x.question
	if first.Baseline != nil {
		question.Baseline = *first.Baseline
	}
	return NewLooker(x.set, question)
}

// Known are the services that the metrics know, sorted, as far as a triage or a question has
// surveyed them. It asks nothing.
func (x *Explorer) Known() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.survey == nil {
		return nil
	}
	names := make([]string, 0, len(x.survey.measured))
	for i := range x.survey.measured {
		if name := x.survey.measured[i].service; name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Queries are those that have been put to the backends so far, in the order of sending.
func (x *Explorer) Queries() []Query {
	if x.saved != nil {
		return x.saved.Queries
	}
	var c Case
	c.keepQueries(x.set.Ledger)
	return c.Queries
}

// Triage is the walk of the package's own Triage, whose survey the explorer keeps, and what
// it learnt of changes: neither asks for those again that the other has.
func (x *Explorer) Triage(ctx context.Context, observe Observer) *Case {
	w := newWalk(x.set, x.question, observe)
	// Where baseline and window do not adjoin, the walk looks further back than a chart shows.
	shared := w.adjoining()
	x.mu.Lock()
	if shared && x.done != nil {
		w.changes.known(x.done)
	}
	x.mu.Unlock()
	found := w.triage(ctx)
	if ctx.Err() == nil && len(w.measured) > 0 {
		x.keep(&surveyed{measured: w.measured, over: w.over})
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if shared && w.changes.asked && len(w.changes.all) <= maxChanges {
		x.done = w.changes.all
	}
	return found
}

// Request brings one request, as Find does, by the names of the explorer's question.
func (x *Explorer) Request(ctx context.Context, lookup Lookup, observe Observer) *Case {
	lookup.Names = x.question.Names
	return Find(ctx, x.set, lookup, observe)
}

func (x *Explorer) keep(s *surveyed) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.survey = s
}

// surveyedMetrics is the survey that a triage has left, or one of its own.
func (x *Explorer) surveyedMetrics(ctx context.Context, note *gaps) *surveyed {
	x.mu.Lock()
	known := x.survey
	x.mu.Unlock()
	if known != nil {
		return known
	}
	w := newWalk(x.set, x.question, nil)
	w.survey(ctx)
	note.take(w.found.Missing)
	s := &surveyed{measured: w.measured, over: w.over}
	if ctx.Err() == nil && len(w.measured) > 0 {
		x.keep(s)
	}
	return s
}

// gaps collects what is missing of an answer, from any goroutine.
type gaps struct {
	mu sync.Mutex
	c  Case
}

func (g *gaps) take(all []Missing) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range all {
		g.c.missing(m)
	}
}

func (g *gaps) failed(backend sources.Backend, part string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.c.missingError(backend, part, err)
}

func (g *gaps) notConfigured(backend sources.Backend, lost string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.c.notConfigured(backend, lost)
}

func (g *gaps) all() []Missing {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]Missing{}, g.c.Missing...)
}
