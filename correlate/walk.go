package correlate

import (
	"context"
	"slices"
	"sync"
	"time"

	"obs/correlate/anomaly"
	"obs/correlate/spans"
	"obs/correlate/survey"
	"obs/sources"
)

// Step is a part of the work as it starts and as it ends.
type Step struct {
	Name   string // survey, traces, trace, failures, records, logs, attributes, changes, creep
	Done   bool
	Failed bool   // it ended without an answer
	Text   string // what is being done, or what came of it
	// SoFar is what is known by then, in a step of the name StepPreview: a case of its own
	// that nobody changes any more.
	SoFar *Case
}

// StepPreview is the name of the step that shows an unfinished case, and does nothing.
const StepPreview = "preview"

// stepUnderWay is a step that has begun and wants one ending.
type stepUnderWay struct {
	name    string
	observe Observer
}

func begin(observe Observer, name, doing string) stepUnderWay {
	observe(Step{Name: name, Text: doing})
	return stepUnderWay{name: name, observe: observe}
}

func (s stepUnderWay) ended(result string) { s.observe(Step{Name: s.name, Done: true, Text: result}) }

func (s stepUnderWay) failed(result string) {
	s.observe(Step{Name: s.name, Done: true, Failed: true, Text: result})
}

// Observer is told of each step. It may be called from several goroutines, and must
// not block. A nil Observer is told nothing.
type Observer func(Step)

// Question is what a triage is asked.
type Question struct {
	Window   sources.Window
	Baseline sources.Window
	Services []string // look only at these; at all when empty
	// Names are the team's own, for everything that is asked with the question.
	Names Names
	// Alert is where a triage starts; nil for one that was asked for without one.
	Alert *StartingAlert
}

// Bounds of the walk. Each keeps an answer small enough to be read, and the number of
// queries of a triage from growing with what it looks at.
const (
	cohortSize      = 20   // traces fetched for each side of a comparison
	exemplarChecks  = 4    // exemplars whose trace is asked for before searching instead
	recordLimit     = 1000 // log records of one trace in a triage
	failingSearches = 100  // recent traces among which failing ones are looked for
	// recordSlack is how far from its trace's own time a record may stand: clocks differ,
	// and work is logged after its span has ended.
	recordSlack = time.Minute
)

// walk is one triage under way.
type walk struct {
	set      sources.Set
	question Question
	names    *glossary
	observe  Observer
	found    *Case

	measured []measured
	alerted  *alertedSeries    // of the alert that is started from, nil without one or where it could not be asked
	targets  []measured        // groups of targets that are down, all of them anomalies
	reached  map[string]bool   // the services of which a target is up at the window's end
	aside    []string          // findings of what changed and is nobody's failure
	over     time.Duration     // the window of rates
	brief    bool              // the survey is all that is asked
	beside   bothSides         // how it was asked for beside the survey's questions
	interval time.Duration     // at which guessed series are collected, 0 where not known
	traced   []string          // the services that have traces, once asked
	rejected []sources.TraceID // of exemplars that led to no trace of the service
	gone     int               // exemplars that led to no stored trace
	fetched  map[sources.TraceID]*spans.Tree
	trees    cohorts
	tree     *spans.Tree // of the chosen trace
	blamed   int         // its span to blame, spans.None without one
	shares   []spans.Share
	held     *held    // what the slow or failing requests were held against, nil without others of the same time
	apart    *apart   // what tells the two apart, nil where nothing does
	failure  *failure // nil unless failing requests were looked at and found
	sampled  *sample  // requests of both sides, nil until asked for
	clues    []clue   // what speaks against services beside anomalies and the walk's trace
	crowd    *crowd   // the machine on which services are slow, nil without a neighbor to blame
	// changes is what was done to services, once that was asked.
	changes changesSeen
	// lineSides is what requests logged in window and baseline.
	lineSides [2]*loggedSide
	// gapParts is how much of the time between two services is the callee's, where more is
	// lost there than was.
	gapParts map[spans.Edge]float64
	// lastSearch is the search that brought the cohort.
	lastSearch sources.TraceQuery

	mu sync.Mutex
}

// measured is one series of one service, judged.
type measured struct {
	service   string
	operation string
	question  *survey.Question
	labels    sources.Labels // of the series, to narrow the question by
	departure anomaly.Departure
	// peers is how far its change stands out from that of the other services, in robust
	// standard deviations, where there are too few samples to judge it by itself.
	peers float64
	query string // narrowed to this series
	asked bothSides
	// series is set of what departs, and of what may turn out to have gone.
	series []Stretch
	last   time.Time  // of its last sample; zero of none
	means  [2]float64 // of the samples of baseline and window
	// stands is the series that stands for it in the case, where both tell of the same requests.
	stands *measured
	// said and evidence are what an anomaly states, where the two medians do not say it.
	said     string
	evidence []Evidence
	// spent is how much more time its requests take in all than in the baseline, in
	// seconds per second, where that was asked for.
	spent      float64
	spentKnown bool
}

// cohorts are slow, or failing, traces and normal ones, with the searches that brought them.
// The chosen trace is among the slow ones, whether a search brought it or not.
type cohorts struct {
	slow, normal           []*spans.Tree
	slowAsked, normalAsked []sources.TraceQuery
}

// Triage walks from what moved in the window to the records that explain it. It always
// returns a case: what a backend did not give stands in Missing, and a context that
// ends leaves what was found until then.
func Triage(ctx context.Context, set sources.Set, question Question, observe Observer) *Case {
	return newWalk(set, question, observe).triage(ctx)
}

func newWalk(set sources.Set, question Question, observe Observer) *walk {
	if observe == nil {
		observe = func(Step) {}
	}
	names := newGlossary(question.Names)
	question = names.question(question)
	w := &walk{set: names.set(set), question: question, names: names, observe: observe, found: NewCase(question.Window), blamed: spans.None, fetched: map[sources.TraceID]*spans.Tree{}, gapParts: map[spans.Edge]float64{}}
	baseline := question.Baseline
	w.found.Baseline = &baseline
	w.found.Answers = &Answers{}
	if question.Alert != nil {
		alert := *question.Alert
		w.found.Alert = &alert
		for _, m := range alert.missing {
			w.found.missing(m)
		}
	}
	return w
}

func (w *walk) triage(ctx context.Context) *Case {
	primary := w.survey(ctx)
	w.preview(primary)
	primary = w.toTrace(ctx, primary)
	w.preview(primary)
	w.lookForFailure(ctx, primary)
	w.preview(primary)
	w.compareRequests(ctx)
	w.findNeighbor(ctx)
	w.compareLines(ctx)
	w.preview(primary)
	w.toRecords(ctx, primary)
	w.compareAlike(ctx, primary)
	w.noteChanges(ctx)
	w.lookForCreep(ctx)
	w.readNotes(ctx)
	w.conclude(primary)
	w.found.boundSeries()

	if err := ctx.Err(); err != nil {
		w.found.interrupted(err)
	}
	w.found.keepQueries(w.set.Ledger)
	w.found.redact()
	return w.found
}

// preview shows the observer what can be concluded so far. It works on a copy: the walk
// itself concludes once, at its end.
func (w *walk) preview(primary *measured) {
	so := *w.found
	so.Answers = &Answers{}
	so.Findings = slices.Clone(so.Findings)
	so.Anomalies = slices.Clone(so.Anomalies)
	so.Hops, so.Missing = slices.Clone(so.Hops), slices.Clone(so.Missing)
	ahead := &walk{
		set: w.set, question: w.question, names: w.names, observe: w.observe, found: &so, measured: w.measured, targets: w.targets, aside: w.aside, over: w.over,
		trees: w.trees, tree: w.tree, blamed: w.blamed, shares: w.shares, failure: w.failure, lastSearch: w.lastSearch,
		sampled: w.sampled, clues: w.clues, gapParts: w.gapParts, crowd: w.crowd, lineSides: w.lineSides, traced: w.traced,
	}
	ahead.conclude(primary)
	w.observe(Step{Name: StepPreview, Done: true, SoFar: &so})
}

// begin tells the observer that a step starts.
func (w *walk) begin(name, doing string) stepUnderWay { return begin(w.observe, name, doing) }

// failed notes a failure from any goroutine.
func (w *walk) failed(backend sources.Backend, part string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.found.missingError(backend, part, err)
}
