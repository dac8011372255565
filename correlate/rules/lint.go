package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"obs/sources"
)

// Kind is what is wrong with a rule.
type Kind string

// The kinds, those first by which an alert is missed or ignored.
const (
	Failing    Kind = "evaluation_error" // it is not evaluated
	NoSeries   Kind = "no_series"        // it reads what is not there, and can never fire
	Always     Kind = "always_firing"
	Flapping   Kind = "flapping"
	Never      Kind = "never_fired"
	Cause      Kind = "cause" // it pages for a cause and not for what users notice
	NoFor      Kind = "no_for"
	NoSeverity Kind = "no_severity"
	NoOwner    Kind = "no_owner"
	NoRunbook  Kind = "no_runbook"
)

// Kinds are all of them, in their order.
func Kinds() []Kind {
	return []Kind{Failing, NoSeries, Always, Flapping, Never, Cause, NoFor, NoSeverity, NoOwner, NoRunbook}
}

// Problem is one thing that is wrong with one rule.
type Problem struct {
	Kind      Kind   `json:"kind"`
	Rule      string `json:"rule"`
	Group     string `json:"group,omitempty"`
	File      string `json:"file,omitempty"`
	Statement string `json:"statement"`
	Mend      string `json:"mend"`
}

// Past is what became of rules over some time.
type Past struct {
	// Held is for how long there are data, at most the time that was looked back; 0 where
	// that is not known, and then nothing is said of the past.
	Held time.Duration
	// Fired are the alerts that fired in it, by name.
	Fired map[string]Firing
}

// Firing is how the alert of a name fired that did so for longest.
type Firing struct {
	For   time.Duration // in all
	Times int           // how often it became active, at least 1
}

// What makes the past of a rule a problem.
const (
	// leastPast is how long a server must hold data before it means anything that a rule has
	// not fired: a day has its peak and its nightly jobs.
	leastPast = 24 * time.Hour
	// alwaysShare leaves room for restarts and deploys in which nothing is evaluated.
	alwaysShare = 0.95
	// alwaysLeast is how many evaluations of a rule are more than a beginning.
	alwaysLeast = 10
	// flapTimes and flapLength: one incident may come and go some times, while an alert that is
	// over within a quarter of an hour is over before somebody who was called at night has
	// looked at it.
	flapTimes  = 5
	flapLength = 15 * time.Minute
)

// Labels and annotations that rules are expected to have, as rule files name them.
var (
	severities = []string{"severity", "level", "priority"}
	owners     = []string{"team", "owner", "squad", "owned_by", "responsible"}
	runbooks   = []string{"runbook_url", "runbook"}
	// paging are severities that wake somebody.
	paging = []string{"page", "critical", "pager", "p1", "sev1", "emergency"}
	// resources are parts of names of metrics that tell of what is used, and felt those of what
	// users notice: a rule on any of the latter is about a symptom.
	resources = []string{"cpu", "memory", "mem_", "_mem", "heap", "disk", "filesystem", "_load", "thread", "goroutine", "gc_", "_fds", "file_desc", "swap", "restarts", "throttl", "inode"}
	felt      = []string{"request", "duration", "latency", "error", "fail", "http_", "grpc", "rpc", "probe", "response", "availab"}
	// watchdogs are names of rules that are meant to fire always, so that their silence tells.
	watchdogs = []string{"watchdog", "deadman", "dead_man", "alwaysfiring", "heartbeat"}
)

// Lint tells what is wrong with rules. away tells which needs of theirs have no series. The
// problems are in the order of their kinds, and then of the rules.
func Lint(all []sources.AlertRule, past Past, away func(Need) bool) []Problem {
	var found []Problem
	for i := range all {
		r := &all[i]
		say := func(kind Kind, statement, mend string) {
			found = append(found, Problem{kind, r.Name, r.Group, r.File, statement, mend})
		}
		if lintWorks(r, away, say) {
			lintPast(r, past, say)
		}
		lintWritten(r, say)
	}
	order := Kinds()
	slices.SortStableFunc(found, func(a, b Problem) int {
		return cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind))
	})
	return found
}

type sayer func(kind Kind, statement, mend string)

// lintWorks tells whether a rule can fire at all.
func lintWorks(r *sources.AlertRule, away func(Need) bool, say sayer) bool {
	if r.Health == "err" {
		say(Failing, "its evaluation fails: "+cmp.Or(r.LastError, "the server does not say why"), "mend the expression: until then it cannot fire")
		return false
	}
	for _, n := range Needs(r.Query) {
		if away(n) {
			say(NoSeries, "nothing matches "+n.String()+", so that it can never fire",
				"name the metric and the labels as they are now, remove the rule, or watch for the absence with absent()")
			return false
		}
	}
	return true
}

// lintPast tells what the past says of a rule.
func lintPast(r *sources.AlertRule, past Past, say sayer) {
	if past.Held <= 0 {
		return
	}
	firing, fired := past.Fired[r.Name]
	meant := slices.ContainsFunc(watchdogs, func(part string) bool { return strings.Contains(strings.ToLower(r.Name), part) })
	switch {
	case !fired && past.Held >= leastPast && r.State != sources.AlertFiring:
		say(Never, "it has not fired in "+span(past.Held), "test it with promtool test rules, and remove it if what it watches for cannot happen any more")
	case !fired || meant:
	case firing.For >= time.Duration(alwaysShare*float64(past.Held)) && firing.For >= alwaysLeast*r.Interval:
		say(Always, "it has fired for all of the last "+span(past.Held), "mend what it reports, or raise its limit: an alert that always fires tells nobody anything")
	case firing.Times >= flapTimes && firing.For/time.Duration(firing.Times) < flapLength:
		say(Flapping, fmt.Sprintf("it became active %d times in %s, and fired for %s each on average", firing.Times, span(past.Held), span(firing.For/time.Duration(firing.Times))),
			"give it a longer for, a keep_firing_for, or an average over more time")
	}
}

// lintWritten tells what a rule lacks as it is written.
func lintWritten(r *sources.AlertRule, say sayer) {
	severity, _ := r.Labels.First(severities...)
	e, err := Read(r.Query)
	if err == nil && slices.Contains(paging, strings.ToLower(severity)) && ofResources(e.Metrics) {
		say(Cause, fmt.Sprintf("it pages (%s) for a resource, %s, which users may not notice", severity, strings.Join(e.Metrics, ", ")),
			"page for slow or failing requests, and make a ticket of this, or a dashboard")
	}
	if err == nil && r.For == 0 && len(e.Metrics) > 0 {
		say(NoFor, "it has no for: one sample beyond the limit calls somebody", "add a for of some evaluations, such as 5m")
	}
	if severity == "" {
		say(NoSeverity, "it has no label that says how urgent it is", "add the label severity, such as page or ticket")
	}
	if owner, _ := r.Labels.First(owners...); owner == "" {
		say(NoOwner, "it has no label that says whose it is", "add the label team, by which Alertmanager can route it")
	}
	if runbook, _ := r.Annotations.First(runbooks...); runbook == "" {
		say(NoRunbook, "it has no runbook", "add the annotation runbook_url, with what to look at and what to do")
	}
}

// ofResources reports whether metrics tell of resources, and none of what users notice.
func ofResources(metrics []string) bool {
	has := func(name string, parts []string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(strings.ToLower(name), part) })
	}
	return slices.ContainsFunc(metrics, func(name string) bool { return has(name, resources) }) &&
		!slices.ContainsFunc(metrics, func(name string) bool { return has(name, felt) })
}

// span is a length of time as people say it.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Round(24*time.Hour)/(24*time.Hour)))
	case d >= time.Hour:
		return strings.Replace(strings.TrimSuffix(d.Round(time.Minute).String(), "0s"), "h0m", "h", 1)
	case d >= time.Minute:
		return strings.Replace(d.Round(time.Second).String(), "m0s", "m", 1)
	}
	return d.Round(time.Second).String()
}
