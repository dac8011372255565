package promapi

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/promql"
)

// The states of an alert.
const (
	stateInactive = "inactive"
	statePending  = "pending"
	stateFiring   = "firing"
)

// alert is one active alert of a rule.
type alert struct {
	labels      labels.Labels
	annotations labels.Labels
	state       string
	activeAt    time.Time
	keptSince   time.Time // zero unless it fires on after its condition ended
	value       float64
}

// longestAlert bounds how far back the beginning of an alert is looked for, as far as
// there are data; of one that is older, this is the age.
const longestAlert = 6 * time.Hour

// evaluate tells the alerts that a rule has raised by its newest evaluation. A server
// keeps them from one evaluation to the next; here the evaluations of the past are done
// again, as far back as the states depend on them.
func (a *api) evaluate(ctx context.Context, rule Rule, interval time.Duration) ([]*alert, error) {
	if interval <= 0 {
		return nil, errors.New("the interval of the rule's group is too short")
	}
	at := a.evaluation(interval)
	reach := max(rule.For, rule.KeepFiringFor) + 2*interval
	if a.excessive(rule.Expr, longestAlert) {
		return nil, promql.ErrTooManySamples("query execution")
	}
	now, err := a.vector(ctx, rule.Expr, at)
	if err != nil {
		return nil, err
	}
	if len(now) == 0 && rule.KeepFiringFor == 0 {
		return nil, nil
	}
	longest := min(max(longestAlert, 2*reach), time.Duration(a.options.MaxPoints)*interval)
	if first, ok := a.store.first(); ok { // before the data begin there was no server, either
		longest = min(longest, max(at.Sub(first), 0))
	}
	for {
		reach = min(reach, longest)
		from := at.Add(-reach.Truncate(interval))
		active, err := a.replay(ctx, rule, from, at, interval)
		if err != nil {
			return nil, err
		}
		// What was active at the start may have begun before.
		earlier := false
		for _, one := range active {
			earlier = earlier || one.activeAt.Equal(from)
		}
		if !earlier || reach == longest {
			return active, nil
		}
		reach *= 4
	}
}

// vector evaluates an expression at one moment: a scalar is a vector of one.
func (a *api) vector(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	query, err := a.engine.NewInstantQuery(ctx, a.store, nil, expr, at)
	if err != nil {
		return nil, err
	}
	defer query.Close()
	got := query.Exec(ctx)
	if got.Err != nil {
		return nil, got.Err
	}
	switch v := got.Value.(type) {
	case promql.Vector:
		return append(promql.Vector{}, v...), nil
	case promql.Scalar:
		return promql.Vector{{T: v.T, F: v.V}}, nil
	}
	return nil, errors.New("rule result is not a vector or scalar")
}

// replay goes through the evaluations from one moment to another, both included.
func (a *api) replay(ctx context.Context, rule Rule, from, to time.Time, interval time.Duration) ([]*alert, error) {
	query, err := a.engine.NewRangeQuery(ctx, a.store, nil, rule.Expr, from, to, interval)
	if err != nil {
		return nil, err
	}
	defer query.Close()
	got := query.Exec(ctx)
	matrix, err := got.Matrix()
	if err != nil {
		return nil, err
	}
	active := map[string]*alert{}
	next := make([]int, len(matrix))
	for at := from; !at.After(to); at = at.Add(interval) {
		seen := map[string]bool{}
		for i, series := range matrix {
			if next[i] == len(series.Floats) || series.Floats[next[i]].T != timestamp.FromTime(at) {
				continue
			}
			value := series.Floats[next[i]].F
			next[i]++
			raised := raise(rule, series.Metric, value)
			key := string(raised.labels.Bytes(nil))
			if seen[key] {
				return nil, errors.New("vector contains metrics with the same labelset after applying alert labels")
			}
			seen[key] = true
			if before := active[key]; before != nil {
				before.value, before.annotations, before.keptSince = value, raised.annotations, time.Time{}
			} else {
				raised.activeAt = at
				active[key] = raised
			}
		}
		for key, one := range active {
			one.step(rule, at, seen[key])
			if one.state == stateInactive {
				delete(active, key)
			}
		}
	}
	var all []*alert
	for _, one := range active {
		all = append(all, one)
	}
	sortAlerts(all)
	return all, nil
}

// step moves the state on by one evaluation, which saw the condition or not.
func (a *alert) step(rule Rule, at time.Time, seen bool) {
	switch {
	case seen && a.state == statePending && at.Sub(a.activeAt) >= rule.For:
		a.state = stateFiring
	case seen:
	case a.state == stateFiring && rule.KeepFiringFor > 0:
		if a.keptSince.IsZero() {
			a.keptSince = at
		}
		if at.Sub(a.keptSince) >= rule.KeepFiringFor {
			a.state = stateInactive
		}
	default:
		a.state = stateInactive
	}
}

// raise is a new alert of a rule for one element of its result.
func raise(rule Rule, metric labels.Labels, value float64) *alert {
	set := labels.NewBuilder(metric).Del(labels.MetricName)
	for name, text := range rule.Labels {
		set.Set(name, expand(text, metric, value))
	}
	set.Set(labels.AlertName, rule.Alert)
	annotations := labels.NewBuilder(labels.EmptyLabels())
	for name, text := range rule.Annotations {
		annotations.Set(name, expand(text, metric, value))
	}
	return &alert{labels: set.Labels(), annotations: annotations.Labels(), state: statePending, value: value}
}
