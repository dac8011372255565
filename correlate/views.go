package correlate

import (
	"strings"
	"time"

	"obs/sources"
)

// Subject is what a metric, a cohort of traces or a log is about.
type Subject struct {
	Service   string `json:"service"`
	Operation string `json:"operation,omitempty"` // all of the service's when empty
	Signal    string `json:"signal,omitempty"`    // latency when empty; as in Anomaly
}

// Reading is one number of a service over baseline and window, with the samples that it
// was read from and the query that gives them.
type Reading struct {
	Baseline float64 `json:"baseline_value"` // NaN, which is null in JSON, without samples
	Window   float64 `json:"window_value"`
	Unit     string  `json:"unit,omitempty"` // seconds, ratio, requests/s
	// Verdict is that of anomaly.Compare on the samples.
	Verdict   Verdict          `json:"verdict"`
	Direction string           `json:"direction,omitempty"` // up or down, of one that departs
	Query     string           `json:"query"`
	Samples   []sources.Sample `json:"samples,omitempty"` // baseline and window, oldest first
}

// Grouping is what a table of services has a row for.
type Grouping string

// The groupings.
const (
	PerService  Grouping = "services"
	PerEndpoint Grouping = "endpoints" // service and operation
	PerInstance Grouping = "instances" // the pods and processes, by what they use
)

// ServicesSchema is the version of the JSON of ServiceTable.
const ServicesSchema = "obs.services/v1"

// ServiceTable is one row for each service, endpoint or instance, worst first.
type ServiceTable struct {
	Schema   string         `json:"schema"`
	Grouping Grouping       `json:"grouping"`
	Window   sources.Window `json:"window"`
	Baseline sources.Window `json:"baseline"`
	Services []ServiceRow   `json:"services"`
	Alerts   []Alert        `json:"alerts"` // those that fire now
	Missing  []Missing      `json:"missing"`
	Queries  []Query        `json:"queries"`
}

// ServiceRow is what is known of one service. A reading that is nil is not known.
type ServiceRow struct {
	Service   string  `json:"service"`
	Operation string  `json:"operation,omitempty"`
	Instance  string  `json:"instance,omitempty"`
	Verdict   Verdict `json:"verdict"` // the worst of its readings'
	// Gone tells that the service was there in the baseline and is not in the window.
	Gone       bool     `json:"gone,omitempty"`
	Rate       *Reading `json:"rate,omitempty"`
	Errors     *Reading `json:"errors,omitempty"`
	P50        *Reading `json:"p50,omitempty"`
	P95        *Reading `json:"p95,omitempty"`
	P99        *Reading `json:"p99,omitempty"`
	Saturation *Reading `json:"saturation,omitempty"`
	// Resource is what is saturated most: cpu, memory, a pool.
	Resource string `json:"resource,omitempty"`
}

// AlertsSchema is the version of the JSON of AlertList.
const AlertsSchema = "obs.alerts/v1"

// AlertList is the alerts that are pending or firing now, firing ones first, then the
// longest first.
type AlertList struct {
	Schema  string    `json:"schema"`
	Time    time.Time `json:"time"`
	Alerts  []Alert   `json:"alerts"`
	Missing []Missing `json:"missing"`
	Queries []Query   `json:"queries"`
}

// Alert is one alert that a rule has raised.
type Alert struct {
	Name        string         `json:"name"`
	State       string         `json:"state"` // pending or firing
	Service     string         `json:"service,omitempty"`
	Severity    string         `json:"severity,omitempty"`
	Since       time.Time      `json:"since,omitzero"`
	Summary     string         `json:"summary,omitempty"`
	RunbookURL  string         `json:"runbook_url,omitempty"`
	Labels      sources.Labels `json:"labels,omitempty"`
	Annotations sources.Labels `json:"annotations,omitempty"`
	Value       float64        `json:"value"`
	// Query shows it, as Prometheus keeps it; of one that only Alertmanager has it is the
	// rule's, and empty where that is not known.
	Query string `json:"query"`
	// What Alertmanager says: who keeps it from people, and whose turn it is; empty where it
	// was not asked, or does not have the alert.
	Silences    []Silence `json:"silences,omitempty"`
	InhibitedBy []string  `json:"inhibited_by,omitempty"` // names of alerts that say more
	MutedBy     []string  `json:"muted_by,omitempty"`     // names of times at which nobody is told
	Receivers   []string  `json:"receivers,omitempty"`
	// RuleURL is the rule's query where it was evaluated, as Alertmanager was told.
	RuleURL string `json:"rule_url,omitempty"`
	// Evidence has an entry for each backend that has the alert.
	Evidence []Evidence `json:"evidence,omitempty"`
}

// Silence is somebody's decision not to be told of an alert.
type Silence struct {
	ID      string    `json:"id"`
	By      string    `json:"by,omitempty"`
	Comment string    `json:"comment,omitempty"`
	Until   time.Time `json:"until,omitzero"`
}

// Quiet says in a few words what keeps the alert from people; it is empty where nothing is
// known to.
func (a *Alert) Quiet() string {
	var why []string
	if len(a.Silences) > 0 {
		why = append(why, "silenced")
	}
	if len(a.InhibitedBy) > 0 {
		why = append(why, "inhibited")
	}
	if len(a.MutedBy) > 0 {
		why = append(why, "muted")
	}
	return strings.Join(why, ", ")
}

// MetricView is one metric of a subject over baseline and window.
type MetricView struct {
	Subject     Subject          `json:"subject"`
	Metric      string           `json:"metric"`
	Unit        string           `json:"unit,omitempty"`
	Query       string           `json:"query"`
	URL         string           `json:"url,omitempty"`
	StepSeconds float64          `json:"step_seconds"`
	Samples     []sources.Sample `json:"samples"` // baseline and window, oldest first
	// Low and High bound what the baseline makes usual: its median, less and plus as many
	// robust standard deviations as an anomaly has at least.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// Anomaly is how the window departs; nil where it does not.
	Anomaly   *Anomaly        `json:"anomaly,omitempty"`
	Exemplars []ExemplarPoint `json:"exemplars"` // of the window, oldest first
	Changes   []Change        `json:"changes"`   // in baseline and window, oldest first
	// SplitBy are the labels by which the metric may be split, those that people ask for
	// first.
	SplitBy []string  `json:"split_by"`
	Missing []Missing `json:"missing"`
}

// ExemplarPoint is an exemplar of a metric that names a trace.
type ExemplarPoint struct {
	Time      time.Time       `json:"time"`
	Value     float64         `json:"value"` // in the unit of the metric's view
	TraceID   sources.TraceID `json:"trace_id"`
	Operation string          `json:"operation,omitempty"`
}

// Change is something that was done to a service, or that happened to it, and may be why
// it behaves otherwise since.
type Change struct {
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"` // version, restart, replicas, config, traffic
	Service string    `json:"service"`
	Text    string    `json:"text"`  // 1.8.2 -> 1.8.3 on 3 of 6 instances
	Query   string    `json:"query"` // that shows it
	// Version is the one that came. Instances of all instances have the change at most; both
	// are 0 where that is not known.
	Version   string `json:"version,omitempty"`
	Instances int    `json:"instances,omitempty"`
	Of        int    `json:"of_instances,omitempty"`
	// Note is what the change has to do with the trouble, where that is known.
	Note string `json:"note,omitempty"`
}

// The kinds of change.
const (
	ChangeVersion  = "version"
	ChangeRestart  = "restart"
	ChangeReplicas = "replicas"
	ChangeConfig   = "config"
)

// SplitView is one metric split by a label.
type SplitView struct {
	Subject Subject     `json:"subject"`
	Label   string      `json:"label"`
	Query   string      `json:"query"`
	Parts   []SplitPart `json:"parts"` // the one that departs most first
	Missing []Missing   `json:"missing"`
}

// SplitPart is the part of a metric that has one value of the label.
type SplitPart struct {
	Value   string  `json:"value"`
	Reading Reading `json:"reading"`
}

// Cohorts are the traces that a triage compared.
type Cohorts struct {
	Subject Subject `json:"subject"`
	// ThresholdSeconds tells slow from normal; 0 where failing ones are compared.
	ThresholdSeconds float64         `json:"threshold_seconds,omitempty"`
	Slow             []TraceSummary  `json:"slow"` // or failing
	Normal           []TraceSummary  `json:"normal"`
	Chosen           sources.TraceID `json:"chosen,omitempty"` // the one to look at
	// Differences are the attributes that tell slow from normal, the surest first.
	Differences []Difference `json:"differences"`
	Work        []WorkShare  `json:"work"` // where the time goes, largest excess first
	Query       string       `json:"query,omitempty"`
	URL         string       `json:"url,omitempty"`
	Missing     []Missing    `json:"missing,omitempty"`
}

// TraceSummary is a trace in a list.
type TraceSummary struct {
	ID              sources.TraceID `json:"id"`
	Root            Work            `json:"root"`
	Start           time.Time       `json:"start"`
	DurationSeconds float64         `json:"duration_seconds"`
	SpanCount       int             `json:"span_count"`
	ErrorCount      int             `json:"error_count,omitempty"`
	Services        int             `json:"service_count"`
}

// Difference is an attribute, or a pair of them, that slow traces have more often or more
// rarely than normal ones.
type Difference struct {
	Attributes  []sources.Attribute `json:"attributes"`
	Service     string              `json:"service,omitempty"` // whose spans have it, where it is one's
	Also        []Condition         `json:"also,omitempty"`    // that hold in the same traces
	Slow        int                 `json:"slow_count"`
	SlowShare   float64             `json:"slow_share"`
	Normal      int                 `json:"normal_count"`
	NormalShare float64             `json:"normal_share"`
	PValue      float64             `json:"p_value"`           // corrected for the number of comparisons
	Symptom     bool                `json:"symptom,omitempty"` // it describes the trouble itself
	// SlowMedian and NormalMedian stand for the values of a number.
	SlowMedian   *float64 `json:"slow_median,omitempty"`
	NormalMedian *float64 `json:"normal_median,omitempty"`
}

// Condition is an attribute of the spans of one service, or of any where none is named.
type Condition struct {
	Key     string `json:"key"`
	Value   string `json:"value,omitempty"` // any when empty
	Service string `json:"service,omitempty"`
}

// WorkShare is how much one kind of work holds requests up.
type WorkShare struct {
	Service       string  `json:"service"`
	Operation     string  `json:"operation"`
	SlowSeconds   float64 `json:"slow_seconds"` // mean on the critical path
	NormalSeconds float64 `json:"normal_seconds"`
}

// LogsSchema is the version of the JSON of LogView.
const LogsSchema = "obs.logs/v1"

// LogQuestion asks for log records: of a trace, a request, a service, or a LogQL query.
type LogQuestion struct {
	Trace   sources.TraceID
	Span    sources.SpanID // only its own, of a trace's
	Request string         // a request ID
	Service string
	Query   string // LogQL
	Window  sources.Window
	Limit   int // of records; a default where 0, none at all where negative
	// Before and After are how many records of its stream, at most 1,000, are wanted before
	// and after each record. They do not count towards the limit.
	Before, After int
	// Around asks for the records nearest to a moment, of a service or a query: half of
	// them from before it. The window does not count then.
	Around time.Time
	// Patterns asks for the templates of the lines too, against the baseline.
	Patterns bool
}

// LogView is what a log question brought.
type LogView struct {
	Schema    string         `json:"schema"`
	Window    sources.Window `json:"window"`
	Query     string         `json:"query"` // the first, where several were asked
	URL       string         `json:"url,omitempty"`
	Records   []Record       `json:"records"` // oldest first
	Patterns  []Pattern      `json:"patterns"`
	Truncated bool           `json:"truncated,omitempty"`
	// Sampled is the share of the lines from which the patterns were made, 1 for all.
	Sampled  float64   `json:"sampled_share,omitempty"`
	Missing  []Missing `json:"missing"`
	Queries  []Query   `json:"queries"`
	rejected *sources.Error
}

// Rejected is why the server did not accept the question's own query, with what to do
// about it; nil where it did. It is no part of the view's JSON.
func (v *LogView) Rejected() *sources.Error { return v.rejected }

// Asked is how many of the records are no context.
func (v *LogView) Asked() int {
	n := 0
	for i := range v.Records {
		if !v.Records[i].Context {
			n++
		}
	}
	return n
}

// Pattern is a template of log lines and how often it occurs.
type Pattern struct {
	Pattern       string `json:"pattern"` // with <*> for what varies
	Service       string `json:"service"`
	Severity      string `json:"severity,omitempty"`
	WindowCount   int    `json:"window_count"`
	BaselineCount int    `json:"baseline_count"`
	Change        string `json:"change"` // new, grown, shrunk, vanished, same
	Example       string `json:"example,omitempty"`
}
