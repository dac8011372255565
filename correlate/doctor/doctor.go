// Package doctor finds out whether each hop of the walk can be walked with the backends at
// hand: from a metric to a trace, from a trace to its records, and back, service by service.
// For what is missing it has the line of configuration that mends it.
//
// It looks at a sample and asks a bounded number of questions, however many services there
// are: see Most. It reads only, through the interfaces of sources, and looks where the walk
// itself would look. What stands in a log line is counted by kind and never kept.
//
// Grades are of three, with a fourth for what could not be looked at. A hop is OK where an ID
// leads over it, Weak where it rests on service and time or succeeds for a part only, and
// Broken where nothing leads over it. A service is as good as its worst hop, and the whole as
// its worst service or finding.
package doctor

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"obs/correlate"
	"obs/correlate/survey"
	"obs/sources"
)

// Schema is the version of the report's JSON. Fields are only ever added within it.
const Schema = "obs.doctor/v1"

// Grade says how well a hop can be walked.
type Grade string

// The grades, the best first.
const (
	OK      Grade = "ok"
	Weak    Grade = "weak"
	Broken  Grade = "broken"
	Unknown Grade = "unknown" // the backend that knows did not answer
)

// worse is the worse of two grades; what is not known makes nothing worse.
func worse(a, b Grade) Grade {
	rank := map[Grade]int{Unknown: 0, OK: 1, Weak: 2, Broken: 3}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// Bounds of an examination.
const (
	// mostServices is how many services are looked at one by one: about as many rows as fit
	// on a screen with what is said of them.
	mostServices = 16
	// mostSearches is how many searches look for traces of services: those of a system's
	// entrances bring most others along.
	mostSearches = 8
	// sampledTraces is how many traces one search brings.
	sampledTraces = 10
	// sampledRecords is how many of a service's newest records are looked at. A share is then
	// known to some 7 percent points (twice the standard error of a half), which is enough to
	// tell all from half from none.
	sampledRecords = 200
	// exemplarChecks is how many exemplars of a service are looked up until one is stored: as
	// many as the walk tries before it searches instead.
	exemplarChecks = 4
	// idChecks is how many IDs of a service's records are looked up until one is stored: none of
	// four is more than chance has it in a system of ten services that stores nearly all.
	idChecks = 4
	// Most is how many questions an examination asks at most, where no exemplar leads to a
	// trace and no service has a trace in common with another: Prometheus 16, Loki 25 and
	// the traces' backend 147. It is half of that, and less, where the walk can be walked.
	Most = 188
)

// Options say what to examine.
type Options struct {
	Now    time.Time
	Window sources.Window // in which samples, records and traces are looked at; it ends at Now
	// Services are those to look at; those with the most requests when empty.
	Services []string
	Names    correlate.Names // the team's own
}

// Report is what an examination found. It is a plain value. Times are in UTC.
type Report struct {
	Schema  string         `json:"schema"`
	Grade   Grade          `json:"grade"`
	Time    time.Time      `json:"time"`
	Window  sources.Window `json:"window"`
	Servers []Server       `json:"servers"`
	// OverlapSeconds is how far back all backends that answered reach; absent where one has
	// nothing that is older than the shortest probe.
	OverlapSeconds float64   `json:"overlap_seconds,omitempty"`
	Services       []Service `json:"services"` // the worst first
	// LeftOut says what was not looked at, to keep the number of questions down.
	LeftOut  []string            `json:"left_out,omitempty"`
	Findings []Finding           `json:"findings"` // the worst first
	Missing  []correlate.Missing `json:"missing"`
	Queries  []correlate.Query   `json:"queries"`
	// Interrupted tells that the examination ended before it was done.
	Interrupted bool `json:"interrupted,omitempty"`
}

// Service is one row of the matrix: a service that has metrics or traces, and how well each
// hop can be walked for it.
type Service struct {
	Name  string  `json:"name"`
	Grade Grade   `json:"grade"`
	Rate  float64 `json:"rate,omitempty"` // requests per second
	Names Names   `json:"names"`
	Hops  Hops    `json:"hops"`
	// Places are where its records carry trace IDs, of the sampled ones.
	Places  []correlate.Place `json:"places,omitempty"`
	Sampled int               `json:"records_sampled"`
}

// Names are those of one service in the three signals.
type Names struct {
	Metrics []string `json:"metrics,omitempty"`
	Traces  []string `json:"traces,omitempty"`
	Logs    []string `json:"logs,omitempty"`
}

// Hops are the cells of a row.
type Hops struct {
	Metric         Hop `json:"metric"`           // its requests are counted and timed
	MetricToTrace  Hop `json:"metric_to_trace"`  // by an exemplar
	TraceToRecords Hop `json:"trace_to_records"` // by a trace ID in the records
	RecordToTrace  Hop `json:"record_to_trace"`  // by a trace ID that obs knows how to read
	Names          Hop `json:"names"`            // the three signals call it the same
	Errors         Hop `json:"errors"`           // its failures can be told
}

// All are the hops in the order of the walk.
func (h *Hops) All() []*Hop {
	return []*Hop{&h.Metric, &h.MetricToTrace, &h.TraceToRecords, &h.RecordToTrace, &h.Names, &h.Errors}
}

// Hop is how well one hop can be walked, and why.
type Hop struct {
	Grade Grade  `json:"grade"`
	Text  string `json:"text"`
}

// Finding is one gap: what is missing, what that rests on, and what mends it.
type Finding struct {
	ID        string               `json:"id"`
	Kind      string               `json:"kind"` // stable, as exemplars.none; see the constants
	Grade     Grade                `json:"grade"`
	Services  []string             `json:"services,omitempty"`
	Statement string               `json:"statement"`
	Evidence  []correlate.Evidence `json:"evidence"`
	Mends     []Mend               `json:"mends,omitempty"` // any one of them will do, unless they say otherwise
}

// Mend is what to write where.
type Mend struct {
	Where string `json:"where"` // a file, a program or a team's code
	Text  string `json:"text"`  // lines of configuration, or a sentence
}

// exam is an examination under way.
type exam struct {
	set     sources.Set
	options Options
	signals correlate.Signals
	tracer  sources.Backend // whose traces they are
	report  *Report

	mu      sync.Mutex // guards the report's Missing and servers while questions are under way
	servers map[sources.Backend]*Server

	questions []survey.Question
	over      time.Duration
	metric    map[string]*signals // by the metrics' name of the service
	exemplars []found             // newest last
	asked     string              // the query of the exemplars
	metered   []string            // the metrics that were asked for them
	streams   []sources.Labels
	traced    []string

	rows     []*row
	sampled  map[sources.TraceID]*sources.Trace
	labels   labelsSeen
	onlyLogs []string
}

// row is a service under examination.
type row struct {
	Service
	names      Names
	alike      bool // names of different signals only look alike
	signals    signals
	exemplars  []found
	checked    checks                   // of its exemplars
	stored     map[sources.TraceID]bool // of its traces, those that were looked up
	records    sampledLog
	recordIDs  checks
	traces     int
	spans      int
	searchedBy string // the search that brought its spans
}

// checks are IDs that were looked up.
type checks struct {
	asked, stored int
	services      int // over how many services, where it is a sum
}

// Examine finds out what is missing. It always returns a report: what a backend did not give
// stands in Missing, and a context that ends leaves what was found until then.
func Examine(ctx context.Context, set sources.Set, o Options) *Report {
	e := &exam{
		set: set, options: o, signals: correlate.NewSignals(o.Names), tracer: set.TraceBackend(), servers: map[sources.Backend]*Server{},
		metric: map[string]*signals{}, sampled: map[sources.TraceID]*sources.Trace{},
		report: &Report{
			Schema: Schema, Time: o.Now.UTC(), Window: o.Window,
			Servers: []Server{}, Services: []Service{}, Findings: []Finding{}, Missing: []correlate.Missing{}, Queries: []correlate.Query{},
		},
	}
	e.describe(ctx)
	together(
		func() { e.readMetrics(ctx) },
		func() { e.readStreams(ctx) },
		func() { e.listTraced(ctx) },
	)
	e.pickRows()
	together(
		func() { e.sampleRecords(ctx) },
		func() { e.sampleTraces(ctx) },
		func() { e.countLabels(ctx) },
	)
	together(
		func() { e.checkIDs(ctx) },
		func() { e.reachBack(ctx) },
	)
	e.report.Interrupted = ctx.Err() != nil
	e.judge()
	e.report.Queries = correlate.NewExplorer(set, correlate.Question{}).Queries()
	return e.report
}

// together runs parts at once, whose failures are noted where they occur.
func together(parts ...func()) {
	var group errgroup.Group
	for _, part := range parts {
		group.Go(func() error {
			part()
			return nil
		})
	}
	_ = group.Wait()
}

// failed notes that a question was not answered, which costs a part of the report.
func (e *exam) failed(backend sources.Backend, part string, err error) {
	if err == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.miss(correlate.MissingPart(backend, part, err))
	if s := e.servers[backend]; s != nil && s.State == Answers {
		if state := stateOf(err); state != Answers {
			s.State, s.Error, s.Hint = state, err.Error(), hintOf(err)
		}
	}
}

// miss notes a missing part; a backend's failures of one kind are noted once.
func (e *exam) miss(m correlate.Missing) {
	for _, known := range e.report.Missing {
		if known.Backend == m.Backend && known.Kind == m.Kind {
			return
		}
	}
	e.report.Missing = append(e.report.Missing, m)
}

// answers reports whether a backend can be asked.
func (e *exam) answers(backend sources.Backend) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.servers[backend]
	return s != nil && s.State == Answers
}
