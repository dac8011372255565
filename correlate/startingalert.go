package correlate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"obs/correlate/rules"
	"obs/sources"
)

// StartingAlert is the alert that a triage starts from.
type StartingAlert struct {
	Name        string         `json:"name"`
	State       string         `json:"state"` // pending, firing or resolved
	Service     string         `json:"service,omitempty"`
	Severity    string         `json:"severity,omitempty"`
	Summary     string         `json:"summary,omitempty"`
	Description string         `json:"description,omitempty"`
	RunbookURL  string         `json:"runbook_url,omitempty"` // begins with http:// or https://
	Labels      sources.Labels `json:"labels,omitempty"`
	Annotations sources.Labels `json:"annotations,omitempty"`
	// Expression is the rule's, and ForSeconds for how long it must hold until the alert
	// fires; empty and 0 where the rule is not known.
	Expression string  `json:"expression,omitempty"`
	ForSeconds float64 `json:"for_seconds,omitempty"`
	// Held is since when the expression held, Started since when the alert fired, and Ended
	// when it was over. Each is absent where it is not known or has not happened.
	Held    time.Time `json:"held_since,omitzero"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	// Others are those of the same name or of the same message that were not started from,
	// in the order in which they would have been.
	Others []OtherAlert `json:"others,omitempty"`
	// Remarks say in a sentence each what to keep in mind: what was cut, or is not known.
	Remarks []string `json:"remarks,omitempty"`
	// Findings are about the expression's own series.
	Findings []string `json:"findings,omitempty"`

	missing []Missing // of what was asked about it
	// earliest is since when the first of those holds that are of the same name, or of the
	// same message, whatever services were asked for.
	earliest time.Time
}

// OtherAlert is an alert beside the one that a triage starts from.
type OtherAlert struct {
	Name    string    `json:"name"`
	State   string    `json:"state"`
	Service string    `json:"service,omitempty"`
	Started time.Time `json:"started,omitzero"`
}

// Missing is what could not be found out about the alert.
func (a *StartingAlert) Missing() []Missing { return a.missing }

// NoAlertError tells that no alert of a name fires or pends.
type NoAlertError struct {
	Name     string
	Services []string // about which it was asked for
	// Rule tells that there is a rule of the name, which does not fire.
	Rule bool
	// Known are the names of all rules and of all alerts that are there now, sorted.
	Known []string
}

func (e *NoAlertError) Error() string {
	switch {
	case e.Rule && len(e.Services) > 0:
		return fmt.Sprintf("alert %s is not firing for %s", e.Name, strings.Join(e.Services, ", "))
	case e.Rule:
		return fmt.Sprintf("alert %s is not firing", e.Name)
	}
	return "there is no alert " + e.Name
}

// UnreadAlertsError tells that the alerts could not be read, so that nothing is known of one.
type UnreadAlertsError struct{ Missing []Missing }

func (e *UnreadAlertsError) Error() string { return e.Missing[0].Reason }

// candidate is an alert that a triage may start from, and its rule's query as whoever sent
// the alert says it.
type candidate struct {
	Alert
	ended time.Time
	// fires tells that since is when it began to fire, and not when its expression began
	// to hold.
	fires bool
	query string
}

// NamedAlert is the alert of a name to start from, of those that fire or pend now: a firing
// one before a pending one, and the one that began first. Of several the question's services
// choose. The error is a *NoAlertError or an *UnreadAlertsError.
func (x *Explorer) NamedAlert(ctx context.Context, name string) (*StartingAlert, error) {
	note := &gaps{}
	var all []candidate
	known := map[string]bool{}
	exists := false
	for _, a := range x.alerts(ctx, note) {
		known[a.Name] = true
		if a.Name != name {
			continue
		}
		exists = true
		// What Prometheus says of it comes first, and is since when it holds.
		c := candidate{Alert: a, fires: len(a.Evidence) > 0 && a.Evidence[0].Backend == sources.Alertmanager}
		if c.fires {
			c.query = a.Query
		}
		all = append(all, c)
	}
	if about := x.aboutServices(all); len(about) > 0 {
		return x.startFrom(about, all, x.alertRules(ctx, note), note), nil
	}
	for _, m := range note.all() {
		if m.Kind != MissingNoData && len(known) == 0 {
			return nil, &UnreadAlertsError{Missing: note.all()}
		}
	}
	for _, r := range x.alertRules(ctx, note) {
		known[r.Name] = true
		exists = exists || r.Name == name
	}
	return nil, &NoAlertError{Name: name, Services: x.question.Services, Rule: exists, Known: slices.Sorted(maps.Keys(known))}
}

// SentAlert is the alert to start from of those in a message: a firing one before one that is
// over, and the one that began first. There were leftOut more, which the message does not hold.
// The error is a *NoAlertError where none is about the question's services.
func (x *Explorer) SentAlert(ctx context.Context, sent []sources.Notification, leftOut int) (*StartingAlert, error) {
	note := &gaps{}
	var all []candidate
	for i := range sent {
		all = append(all, candidate{Alert: x.alertOf(sent[i].Alert), ended: sent[i].Ended, fires: true, query: sent[i].Rule})
	}
	about := x.aboutServices(all)
	if len(about) == 0 {
		return nil, &NoAlertError{Name: all[0].Name, Services: x.question.Services, Rule: true}
	}
	alert := x.startFrom(about, all, x.alertRules(ctx, note), note)
	if leftOut > 0 {
		alert.Remarks = append(alert.Remarks, fmt.Sprintf("the message leaves out %d more of the group", leftOut))
	}
	return alert, nil
}

// aboutServices keeps the alerts about the question's services, all where it names none.
func (x *Explorer) aboutServices(all []candidate) []candidate {
	if len(x.question.Services) == 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(c candidate) bool {
		return !slices.ContainsFunc(x.question.Services, func(s string) bool { return sameService(s, c.Service) })
	})
}

// alertRules asks for the rules. That there are none is no failure: those of others may have
// raised the alert.
func (x *Explorer) alertRules(ctx context.Context, note *gaps) []sources.AlertRule {
	reader, ok := x.set.Metrics.(sources.RuleReader)
	if !ok {
		return nil
	}
	all, err := reader.AlertRules(ctx)
	if err != nil && !errors.Is(err, sources.ErrNotFound) {
		note.failed(sources.Prometheus, "the alert's rule was not looked at", err)
	}
	return all
}

// startFrom chooses the alert among all that may be, and joins its rule to it; beside are those
// that came with them.
func (x *Explorer) startFrom(all, beside []candidate, known []sources.AlertRule, note *gaps) *StartingAlert {
	order := map[string]int{sources.AlertFiring: 0, sources.AlertPending: 1, sources.AlertResolved: 2}
	slices.SortStableFunc(all, func(a, b candidate) int {
		return cmp.Or(
			cmp.Compare(order[a.State], order[b.State]),
			cmp.Compare(oneIf(a.Since.IsZero()), oneIf(b.Since.IsZero())),
			a.Since.Compare(b.Since), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Labels.String(), b.Labels.String()),
		)
	})
	c := all[0]
	a := &StartingAlert{
		Name: c.Name, State: c.State, Service: c.Service, Severity: c.Severity, RunbookURL: sources.WebAddress(c.RunbookURL),
		Labels: c.Labels, Annotations: c.Annotations, Expression: c.query, Ended: c.ended,
	}
	a.Summary, _ = c.Annotations.First("summary", "message", "title")
	a.Description, _ = c.Annotations.First("description")
	if rule := ruleOf(known, c.Labels, c.query); rule != nil {
		a.Expression, a.ForSeconds = rule.Query, rule.For.Seconds()
	}
	waits := seconds(a.ForSeconds)
	switch {
	case c.Since.IsZero():
		a.Remarks = append(a.Remarks, "since when it fires is not known")
	case c.fires:
		a.Started, a.Held = c.Since, c.Since.Add(-waits)
	default:
		a.Held = c.Since
		if c.State == sources.AlertFiring {
			a.Started = c.Since.Add(waits)
		}
	}
	for _, other := range all[1:] {
		a.Others = append(a.Others, OtherAlert{Name: other.Name, State: other.State, Service: other.Service, Started: other.Since})
	}
	for _, other := range beside {
		held := other.Since
		if rule := ruleOf(known, other.Labels, other.query); rule != nil && other.fires && !held.IsZero() {
			held = held.Add(-rule.For)
		}
		if !held.IsZero() && other.State != sources.AlertResolved && (a.earliest.IsZero() || held.Before(a.earliest)) {
			a.earliest = held
		}
	}
	if a.Expression == "" {
		a.Remarks = append(a.Remarks, "its rule is not known, so that its own series were not looked at")
	}
	a.missing = note.all()
	return a
}

// ruleOf is the rule that raised an alert, nil where none did or it cannot be told: of those
// with its name the one with its query, or else the one with the most labels of which the
// alert has all; templates in labels fit any text.
func ruleOf(all []sources.AlertRule, labels sources.Labels, query string) *sources.AlertRule {
	var best []*sources.AlertRule
	most := -1
	for i := range all {
		r := &all[i]
		if r.Name != labels["alertname"] {
			continue
		}
		score, fits := 0, true
		for name, value := range r.Labels {
			fits = fits && (labels[name] == value || strings.Contains(value, "{{"))
			score += oneIf(labels[name] == value)
		}
		if query != "" && r.Query == query {
			score += len(labels) + 1
		}
		switch {
		case !fits || score < most:
		case score > most:
			best, most = []*sources.AlertRule{r}, score
		default:
			best = append(best, r)
		}
	}
	if len(best) == 1 || len(best) > 1 && !slices.ContainsFunc(best, func(r *sources.AlertRule) bool { return r.Query != best[0].Query || r.For != best[0].For }) {
		return best[0]
	}
	return nil
}

// The window that an alert sets.
const (
	// alertLead is the time before an expression began to hold at which what it reports may
	// have begun: rules are usually written over rates of five minutes, which cross a limit
	// up to five minutes after what they average has.
	alertLead = 5 * time.Minute
	// leastAlertWindow holds ten samples of a service that is collected every minute, and
	// mostAlertWindow is as long as a sixtieth of it, its step, tells an onset to the minute.
	leastAlertWindow = 10 * time.Minute
	mostAlertWindow  = time.Hour
	// LeastAlertBaseline is as long as a triage looks without an alert: an alert that is young
	// sets a short window, and what is usual shows in no such time.
	LeastAlertBaseline = 30 * time.Minute
)

// Window is the time that the alert makes worth looking at, and whether it is cut: from shortly
// before its expression began to hold, or that of an alert beside it, until now, or until it was
// over. Of an alert that has been there for longer than an hour it is the beginning, where the
// change is; the alert then remarks that. ok is false where it is not known since when the alert
// is there.
func (a *StartingAlert) Window(now time.Time) (w sources.Window, cut, ok bool) {
	if a.Held.IsZero() || a.Held.After(now) {
		return w, false, false
	}
	lead := alertLead
	if e, err := rules.Read(a.Expression); err == nil && a.Expression != "" {
		lead = max(lead, min(e.Reach, mostAlertWindow/2))
	}
	began := a.Held
	if !a.earliest.IsZero() && a.earliest.Before(began) && began.Sub(a.earliest) <= mostAlertWindow/2 {
		began = a.earliest // most likely of the same trouble, which must not count as usual
	}
	w = sources.Window{From: began.Add(-lead).UTC(), To: now.UTC()}
	if !a.Ended.IsZero() && a.Ended.Before(now) {
		w.To = a.Ended.UTC()
		cut = true
	}
	if w.Duration() > mostAlertWindow {
		a.Remarks = append(a.Remarks, fmt.Sprintf("it was there for %s: its first hour is looked at, where it began; --since looks at the time up to now",
			w.To.Sub(began).Round(time.Minute)))
		w.To, cut = w.From.Add(mostAlertWindow), true
	}
	if w.Duration() < leastAlertWindow {
		w.From = w.To.Add(-leastAlertWindow)
	}
	return w, cut, true
}
