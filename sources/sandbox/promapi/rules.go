package promapi

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"obs/sources"
)

// RuleGroup is a group of alerting rules, as a rule file has it.
type RuleGroup struct {
	Name     string
	File     string
	Interval time.Duration // between evaluations; Options.Evaluation when 0
	Rules    []Rule
}

// Rule is an alerting rule. Its labels and annotations may hold {{ $labels.NAME }} and
// {{ $value }}, piped through humanize, humanize1024, humanizeDuration,
// humanizePercentage or printf "FORMAT"; nothing else of Go's templates.
type Rule struct {
	Alert         string
	Expr          string
	For           time.Duration
	KeepFiringFor time.Duration
	Labels        sources.Labels
	Annotations   sources.Labels
}

// The JSON forms are those of
// https://prometheus.io/docs/prometheus/latest/querying/api/#rules.
type alertJSON struct {
	Labels          sources.Labels `json:"labels"`
	Annotations     sources.Labels `json:"annotations"`
	State           string         `json:"state"`
	ActiveAt        time.Time      `json:"activeAt"`
	KeepFiringSince *time.Time     `json:"keepFiringSince,omitempty"`
	Value           string         `json:"value"`
}

type ruleJSON struct {
	State          string         `json:"state"`
	Name           string         `json:"name"`
	Query          string         `json:"query"`
	Duration       float64        `json:"duration"`
	KeepFiringFor  float64        `json:"keepFiringFor"`
	Labels         sources.Labels `json:"labels"`
	Annotations    sources.Labels `json:"annotations"`
	Alerts         []alertJSON    `json:"alerts"`
	Health         string         `json:"health"`
	LastError      string         `json:"lastError,omitempty"`
	EvaluationTime float64        `json:"evaluationTime"`
	LastEvaluation time.Time      `json:"lastEvaluation"`
	Type           string         `json:"type"`
}

type groupJSON struct {
	Name           string     `json:"name"`
	File           string     `json:"file"`
	Rules          []ruleJSON `json:"rules"`
	Interval       float64    `json:"interval"`
	Limit          int        `json:"limit"`
	EvaluationTime float64    `json:"evaluationTime"`
	LastEvaluation time.Time  `json:"lastEvaluation"`
}

// alerts answers /api/v1/alerts. A rule that cannot be evaluated has none.
func (a *api) alerts(r *http.Request) result {
	found := []alertJSON{}
	for _, g := range a.store.ruleGroups() {
		for _, rule := range g.Rules {
			active, _ := a.evaluate(r.Context(), rule, a.interval(g))
			for _, one := range active {
				found = append(found, one.json())
			}
		}
	}
	if err := r.Context().Err(); err != nil {
		return failing(err)
	}
	return encoded(map[string]any{"alerts": found}, nil)
}

// rules answers /api/v1/rules, with its filters by type, name, group, file and label.
func (a *api) rules(r *http.Request) result {
	if err := r.ParseForm(); err != nil {
		return bad(fmt.Errorf("error parsing form values: %w", err))
	}
	sets, err := selectors(r)
	if err != nil {
		return bad(err)
	}
	kind := strings.ToLower(r.Form.Get("type"))
	if kind != "" && kind != "alert" && kind != "record" {
		return badParam("type", fmt.Errorf("not supported value %q", kind))
	}
	var bare bool
	if text := strings.ToLower(r.Form.Get("exclude_alerts")); text != "" {
		if bare, err = strconv.ParseBool(text); err != nil {
			return badParam("exclude_alerts", fmt.Errorf("error converting exclude_alerts: %w", err))
		}
	}
	wanted := func(name, value string) bool {
		return len(r.Form[name]) == 0 || slices.Contains(r.Form[name], value)
	}
	groups := []groupJSON{}
	for _, g := range a.store.ruleGroups() {
		if kind == "record" || !wanted("rule_group[]", g.Name) || !wanted("file[]", g.File) {
			continue
		}
		group := groupJSON{Name: g.Name, File: g.File, Interval: a.interval(g).Seconds(), LastEvaluation: a.evaluation(a.interval(g))}
		for _, rule := range g.Rules {
			if wanted("rule_name[]", rule.Alert) && (len(sets) == 0 || fitsAny(promLabels(rule.Labels), sets)) {
				group.Rules = append(group.Rules, a.rule(r.Context(), rule, a.interval(g), bare))
			}
		}
		if len(group.Rules) > 0 {
			groups = append(groups, group)
		}
	}
	if err := r.Context().Err(); err != nil {
		return failing(err)
	}
	return encoded(map[string]any{"groups": groups}, nil)
}

// rule evaluates one rule; bare leaves its alerts out.
func (a *api) rule(ctx context.Context, rule Rule, interval time.Duration, bare bool) ruleJSON {
	began := time.Now()
	active, err := a.evaluate(ctx, rule, interval)
	answer := ruleJSON{
		State: stateInactive, Name: rule.Alert, Query: rule.Expr, Health: "ok", Type: "alerting",
		Duration: rule.For.Seconds(), KeepFiringFor: rule.KeepFiringFor.Seconds(),
		Labels: known(rule.Labels), Annotations: known(rule.Annotations),
		EvaluationTime: time.Since(began).Seconds(), LastEvaluation: a.evaluation(interval),
	}
	if expr, err := parser.ParseExpr(rule.Expr); err == nil {
		answer.Query = expr.String()
	}
	if err != nil {
		answer.Health, answer.LastError = "err", err.Error()
	}
	if !bare {
		answer.Alerts = []alertJSON{}
	}
	for _, one := range active {
		if one.state == stateFiring || answer.State == stateInactive {
			answer.State = one.state
		}
		if !bare {
			answer.Alerts = append(answer.Alerts, one.json())
		}
	}
	return answer
}

// interval is the time between evaluations of a group.
func (a *api) interval(g RuleGroup) time.Duration {
	return cmp.Or(max(g.Interval, 0), a.options.Evaluation).Truncate(time.Millisecond)
}

// evaluation is the moment of the newest evaluation: a multiple of the interval. (A
// Prometheus adds an offset to each group, to spread the load.)
func (a *api) evaluation(interval time.Duration) time.Time {
	now := a.options.Now().UnixMilli()
	return time.UnixMilli(now - mod(now, max(interval.Milliseconds(), 1))).UTC()
}

// known is a copy that is never null in JSON.
func known(l sources.Labels) sources.Labels {
	set := sources.Labels{}
	maps.Copy(set, l)
	return set
}

func (a *alert) json() alertJSON {
	answer := alertJSON{
		Labels: sources.Labels(a.labels.Map()), Annotations: sources.Labels(a.annotations.Map()), State: a.state,
		ActiveAt: a.activeAt, Value: strconv.FormatFloat(a.value, 'e', -1, 64),
	}
	if !a.keptSince.IsZero() {
		answer.KeepFiringSince = &a.keptSince
	}
	return answer
}

// sortAlerts puts alerts into the order of their labels.
func sortAlerts(all []*alert) {
	slices.SortFunc(all, func(a, b *alert) int { return labels.Compare(a.labels, b.labels) })
}
