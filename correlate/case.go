// Package correlate walks from a metric that moved to the trace that shows it, to the
// span that spent the time, to the log records of that very request, and keeps what it
// found as a Case.
//
// The walk reads through the interfaces of sources and knows no backend's wire format.
// The arithmetic beneath it is in packages of their own: survey (which metrics), anomaly
// (did a series depart), spans (where the time went), ident (what an ID is). Drawing a
// case is the business of correlate/report and of tui.
package correlate

import (
	"time"

	"obs/sources"
)

// Schema is the version of the case's JSON. Fields are only ever added within it.
const Schema = "obs.case/v1"

// Case is everything that one run found. It is a plain value: read back from JSON it
// says the same. Durations are in seconds, times in UTC, IDs lower-case hexadecimal
// at full width.
type Case struct {
	Schema   string          `json:"schema"`
	Verdict  Verdict         `json:"verdict,omitempty"`
	Asked    string          `json:"asked,omitempty"` // what a trace case was asked for
	TakenFor string          `json:"taken_for,omitempty"`
	Window   sources.Window  `json:"window"`
	Baseline *sources.Window `json:"baseline,omitempty"`
	Answers  *Answers        `json:"answers,omitempty"`
	// Alert is the one that a triage started from.
	Alert *StartingAlert `json:"alert,omitempty"`

	Suspects  []Suspect `json:"suspects"`
	Anomalies []Anomaly `json:"anomalies"`
	// Changes are those from some time before the onset until the window's end, the nearest
	// to the onset first.
	Changes []Change `json:"changes,omitempty"`
	Hops    []Hop    `json:"hops"`
	Trace   *Trace   `json:"trace,omitempty"`
	// Cohorts are the traces that Trace was chosen from and compared with.
	Cohorts *Cohorts `json:"cohorts,omitempty"`
	// Comparison is what Trace does otherwise than normal ones, or than another one.
	Comparison *Comparison `json:"comparison,omitempty"`
	// OtherTraces are further traces of the same request.
	OtherTraces []Trace `json:"other_traces,omitempty"`
	// Failure is where a looked-up request's error began, and Story what it did before.
	Failure *Failure `json:"failure,omitempty"`
	Story   []Moment `json:"story,omitempty"`
	// Places are where the logs of a looked-up request carry its trace ID, by service.
	Places  []Place  `json:"places,omitempty"`
	Records []Record `json:"records"`
	// Notes are what people wrote down of the incident, in order of time.
	Notes    []Note    `json:"notes,omitempty"`
	Findings []Finding `json:"findings"`
	Missing  []Missing `json:"missing"`
	Queries  []Query   `json:"queries"`

	// Services is how many services were looked at.
	Services int `json:"services_seen,omitempty"`
	// Interrupted tells that the run ended before it was done.
	Interrupted bool `json:"interrupted,omitempty"`
}

// Verdict is what a triage says of its window.
type Verdict string

// The verdicts.
const (
	Healthy      Verdict = "healthy"
	Anomalous    Verdict = "anomalous"
	Inconclusive Verdict = "inconclusive"
)

// Answers are those to the five questions of an incident. One without text is not
// answered: the data does not say.
type Answers struct {
	WhatChanged       Answer `json:"what_changed"`
	AffectedFlow      Answer `json:"affected_flow"`
	WhereTimeGoes     Answer `json:"where_time_goes"`
	FailingDependency Answer `json:"failing_dependency"`
	Scope             Answer `json:"scope"`
}

// Answer is one or two sentences and the IDs of the findings that they rest on.
type Answer struct {
	Text     string   `json:"text,omitempty"`
	Findings []string `json:"findings,omitempty"`
}

// Suspect is a service that may be the cause. Equal evidence may share a rank.
type Suspect struct {
	Rank      int      `json:"rank"`
	Service   string   `json:"service"`
	Operation string   `json:"operation,omitempty"`
	Score     float64  `json:"score"` // 0 to 1
	Findings  []string `json:"findings"`
	// Against are the findings that speak against it.
	Against []string `json:"against,omitempty"`
}

// Anomaly is a series whose window departs from its baseline, or that has crept up.
type Anomaly struct {
	Service       string    `json:"service"`
	Operation     string    `json:"operation,omitempty"`
	Metric        string    `json:"metric"`
	Signal        string    `json:"signal"`
	Direction     string    `json:"direction"`
	Score         float64   `json:"score"` // robust standard deviations of the baseline, at most 100
	Onset         time.Time `json:"onset,omitzero"`
	BaselineValue float64   `json:"baseline_value"`
	WindowValue   float64   `json:"window_value"`
	Unit          string    `json:"unit,omitempty"`
	Findings      []string  `json:"findings"`
	// Guessed tells that the series' meaning was guessed from its name.
	Guessed bool `json:"guessed,omitempty"`
	// Creep is set of a series that has grown for a week or more and does not depart from the
	// adjoining baseline: baseline_value is then that of Creep.Days ago.
	Creep *Creep `json:"creep,omitempty"`
	// Series is how it went: over baseline and window in one stretch, or in one for each where
	// they do not adjoin; of a creep over the weeks. The first 24 anomalies have it, unless
	// they were found in sampled traces or in counts of records.
	Series []Stretch `json:"series,omitempty"`
}

// Creep is a slow growth: how a series came to what it is in the window.
type Creep struct {
	// Resource is what is used up, as memory; empty for a metric of requests, or of a gauge
	// without a limit.
	Resource string `json:"resource,omitempty"`
	Days     int    `json:"days"` // for how many it has grown at least, at most 28
	// WeekAgo and DayAgo are the values then, absent where there is none.
	WeekAgo *float64 `json:"week_ago_value,omitempty"`
	DayAgo  *float64 `json:"day_ago_value,omitempty"`
	PerDay  float64  `json:"per_day"` // growth in a day over the last week, in the anomaly's unit
	// DaysLeft is when the resource is used up if it goes on like this.
	DaysLeft *float64 `json:"days_left,omitempty"`
	// Harmful tells that users notice by now, or that the resource is used up within a day:
	// any other creep leaves a window healthy.
	Harmful bool `json:"harmful"`
}

// Join says by what one step was tied to the next.
type Join string

// The joins. ServiceTime is the weak one: nothing but the same service and time.
const (
	ByExemplar    Join = "exemplar"
	ByTraceID     Join = "trace_id"
	BySpanID      Join = "span_id"
	ByRequestID   Join = "request_id"
	ByLink        Join = "link"
	ByServiceTime Join = "service+time"
)

// Weak reports whether a join does not rest on an ID.
func (j Join) Weak() bool { return j == ByServiceTime }

// Hop is one step of the walk.
type Hop struct {
	From     string    `json:"from"` // anomaly, exemplar, trace, span, request
	To       string    `json:"to"`   // trace, span, records
	Join     Join      `json:"join"`
	ID       string    `json:"id,omitempty"` // the ID that was followed to, or its end
	Note     string    `json:"note,omitempty"`
	Evidence *Evidence `json:"evidence,omitempty"`
}

// Trace is one request's spans, in order of start.
type Trace struct {
	ID              sources.TraceID `json:"id"`
	Root            *Work           `json:"root,omitempty"`
	Start           time.Time       `json:"start,omitzero"`
	DurationSeconds float64         `json:"duration_seconds"`
	SpanCount       int             `json:"span_count"`
	ErrorCount      int             `json:"error_count,omitempty"`
	// OrphanCount is how many spans name a parent that the trace does not hold.
	OrphanCount  int      `json:"orphan_count,omitempty"`
	CriticalPath []OnPath `json:"critical_path"`
	Spans        []Span   `json:"spans"`
	URL          string   `json:"url,omitempty"`
	// Blamed is the span where the time, or the error, of the request is.
	Blamed sources.SpanID `json:"blamed_span_id,omitempty"`
	// Remarks say in a sentence each what to keep in mind when reading it: clocks that
	// differ, spans that are missing or may still arrive.
	Remarks []string `json:"remarks,omitempty"`
	// Related tells by what one came to this trace from another; nil for the one asked for.
	Related *Relation `json:"related,omitempty"`
}

// Relation is what a trace has to do with another.
type Relation struct {
	Join    Join            `json:"join"`
	TraceID sources.TraceID `json:"trace_id"`          // the other
	SpanID  sources.SpanID  `json:"span_id,omitempty"` // of the other, that links to this
	Text    string          `json:"text"`
}

// Work is an operation of a service.
type Work struct {
	Service   string `json:"service"`
	Operation string `json:"operation"`
}

// OnPath is a span on the critical path: SelfSeconds is how long the request waited
// for that span itself.
type OnPath struct {
	SpanID      sources.SpanID `json:"span_id"`
	Service     string         `json:"service"`
	Operation   string         `json:"operation"`
	SelfSeconds float64        `json:"self_seconds"`
}

// Span is one span of a Trace, with its place in it.
type Span struct {
	ID              sources.SpanID     `json:"span_id"`
	ParentID        sources.SpanID     `json:"parent_span_id,omitempty"`
	Service         string             `json:"service"`
	Operation       string             `json:"operation"`
	Kind            sources.Kind       `json:"kind,omitempty"`
	Error           bool               `json:"error,omitempty"`
	StatusMessage   string             `json:"status_message,omitempty"`
	Start           time.Time          `json:"start"`
	DurationSeconds float64            `json:"duration_seconds"`
	SelfSeconds     float64            `json:"self_seconds"`         // no child was running
	CriticalSeconds float64            `json:"critical_seconds"`     // the request waited for this span itself
	Depth           int                `json:"depth"`                // 0 for a root
	Orphan          bool               `json:"orphan,omitempty"`     // its parent is not in the trace
	Attributes      sources.Attributes `json:"attributes,omitempty"` // of the span
	Resource        sources.Attributes `json:"resource,omitempty"`   // of its process
	Events          []sources.Event    `json:"events,omitempty"`     // in order of time
	Links           []Link             `json:"links,omitempty"`      // to other traces
	// Attempt and Attempts tell that the caller made the same call so often, one after the
	// other, after the one before had failed.
	Attempt  int `json:"attempt,omitempty"` // from 1
	Attempts int `json:"attempts,omitempty"`
}

// Link names a span of another trace.
type Link struct {
	TraceID sources.TraceID `json:"trace_id"`
	SpanID  sources.SpanID  `json:"span_id"`
}

// Record is one log record with how it was joined to the request.
type Record struct {
	Time     time.Time       `json:"time"`
	Service  string          `json:"service,omitempty"`
	Severity string          `json:"severity,omitempty"`
	TraceID  sources.TraceID `json:"trace_id,omitempty"`
	SpanID   sources.SpanID  `json:"span_id,omitempty"`
	Line     string          `json:"line"`
	Labels   sources.Labels  `json:"labels,omitempty"`
	Metadata sources.Labels  `json:"metadata,omitempty"`
	Join     Join            `json:"join"`
	// Context tells that the record was not asked for, and stands beside one that was.
	// Group is the number, from 1, of the records that stand together; 0 where no context
	// was asked for.
	Context bool `json:"context,omitempty"`
	Group   int  `json:"group,omitempty"`
}

// Note is a line that a person has written into an incident's timeline.
type Note struct {
	Time     time.Time `json:"time"`
	Text     string    `json:"text"`
	Incident string    `json:"incident,omitempty"` // the name by which its notes belong together
	Author   string    `json:"author,omitempty"`
}

// Finding is one statement with what it rests on.
type Finding struct {
	ID        string     `json:"id"`
	Statement string     `json:"statement"`
	Evidence  []Evidence `json:"evidence"`
}

// Evidence is a query that can be asked again, and what was read from its answer.
type Evidence struct {
	Backend     sources.Backend `json:"backend"`
	Query       string          `json:"query"`
	Window      sources.Window  `json:"window,omitzero"`
	StepSeconds float64         `json:"step_seconds,omitempty"`
	Values      []Value         `json:"values,omitempty"`
	URL         string          `json:"url,omitempty"`
}

// Value is a number that a statement quotes.
type Value struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
}

// Reasons for which a part of a case is missing.
const (
	MissingNotConfigured = "not_configured"
	MissingFailed        = "failed"
	MissingRefused       = "refused"
	MissingTimeout       = "timeout"
	MissingTruncated     = "truncated"
	MissingNoData        = "no_data"
)

// Missing is a part of the case that is not there, and what to do about it.
type Missing struct {
	Backend sources.Backend `json:"backend,omitempty"`
	Kind    string          `json:"kind"` // not_configured, failed, refused, timeout, truncated or no_data
	Reason  string          `json:"reason"`
	Hint    string          `json:"hint,omitempty"`
}

// Query is one question that was put to a backend.
type Query struct {
	Backend         sources.Backend `json:"backend"`
	Query           string          `json:"query"`
	Window          *sources.Window `json:"window,omitempty"`
	Status          string          `json:"status"` // ok, empty, failed, cancelled, or running when it was cut off
	Error           string          `json:"error,omitempty"`
	Partial         string          `json:"partial,omitempty"` // what the server says is missing of its answer
	DurationSeconds float64         `json:"duration_seconds"`
	Bytes           int64           `json:"bytes"`
	Records         int             `json:"records"`
	Attempts        int             `json:"attempts,omitempty"`
}

// NewCase is an empty case whose lists marshal as lists.
func NewCase(window sources.Window) *Case {
	return &Case{
		Schema: Schema, Window: window,
		Suspects: []Suspect{}, Anomalies: []Anomaly{}, Hops: []Hop{}, Records: []Record{},
		Findings: []Finding{}, Missing: []Missing{}, Queries: []Query{},
	}
}

// AddFinding appends a finding and returns its ID.
func (c *Case) AddFinding(statement string, evidence ...Evidence) string {
	id := findingID(len(c.Findings) + 1)
	// A list of its own, so that none marshals as a list too.
	c.Findings = append(c.Findings, Finding{ID: id, Statement: statement, Evidence: append([]Evidence{}, evidence...)})
	return id
}

// Finding is the finding with that ID, or nil.
func (c *Case) Finding(id string) *Finding {
	for i := range c.Findings {
		if c.Findings[i].ID == id {
			return &c.Findings[i]
		}
	}
	return nil
}
