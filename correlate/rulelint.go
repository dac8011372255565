package correlate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"obs/correlate/rules"
	"obs/sources"
)

// RulesSchema is the version of the JSON of RuleReport. Fields are only ever added within it.
const RulesSchema = "obs.lint/v1"

// RuleReport is what is wrong with the alerting rules of a server, what hinders most first.
type RuleReport struct {
	Schema string         `json:"schema"`
	Window sources.Window `json:"window"` // that was looked back
	// HeldSeconds is for how much of it the server has data; absent where it does not tell
	// what became of its alerts.
	HeldSeconds float64         `json:"held_seconds,omitempty"`
	Rules       int             `json:"rules"` // that were looked at
	Problems    []rules.Problem `json:"problems"`
	Missing     []Missing       `json:"missing"`
	Queries     []Query         `json:"queries"`
}

// Unanswered reports whether there were no rules to look at.
func (r *RuleReport) Unanswered() bool { return r.Rules == 0 }

// Bounds of what a look at the rules costs, however many there are.
const (
	needsPerQuery  = 40 // a query of so many selectors is a few kB, which any server takes
	maxNeedQueries = 5
	// heldSteps is how many moments of the past are looked at for data: one an hour in a week.
	heldSteps = 168
	// needsWithin is how long ago a series may have been there that a rule needs: longer than
	// any deploy takes.
	needsWithin = time.Hour
)

// Rules looks at the alerting rules as they are written, and at what became of them in the
// explorer's window. It asks 5 to 9 queries.
func (x *Explorer) Rules(ctx context.Context) *RuleReport {
	report := &RuleReport{Schema: RulesSchema, Window: x.question.Window, Problems: []rules.Problem{}, Queries: []Query{}}
	note := &gaps{}
	asked := len(x.set.Ledger.Queries())
	reader, ok := x.set.Metrics.(sources.RuleReader)
	if !ok {
		note.notConfigured(sources.Prometheus, "no rule was looked at")
		report.Missing = note.all()
		return report
	}
	all, err := reader.AlertRules(ctx)
	switch failure := (*sources.Error)(nil); {
	case errors.Is(err, sources.ErrNotFound) && errors.As(err, &failure):
		note.take([]Missing{{Backend: sources.Prometheus, Kind: MissingNoData, Reason: "no rule was looked at: " + err.Error(), Hint: failure.Hint}})
	case err != nil:
		note.failed(sources.Prometheus, "no rule was looked at", err)
	case len(all) == 0:
		note.take([]Missing{{
			Backend: sources.Prometheus, Kind: MissingNoData, Reason: "it has no alerting rule",
			Hint: "ask the server that evaluates the rules, with --prometheus-url",
		}})
	default:
		report.Rules = len(all)
		past := x.pastOf(ctx, all, note)
		report.HeldSeconds = past.Held.Seconds()
		report.Problems = append(report.Problems, rules.Lint(all, past, x.away(ctx, all, note))...)
	}
	note.ended(ctx)
	report.Queries = x.queriesSince(asked)
	note.take(partialAnswers(report.Queries))
	report.Missing = note.all()
	return report
}

// pastOf asks what became of the rules' alerts in the window, by the series that Prometheus
// keeps of them.
func (x *Explorer) pastOf(ctx context.Context, all []sources.AlertRule, note *gaps) rules.Past {
	window := x.question.Window
	const lost = "whether the rules have fired was not looked at"
	back := fmt.Sprintf("%ds", int(window.Duration().Seconds()))
	counts, err := x.byAlert(ctx, `max by (alertname) (count_over_time(ALERTS{alertstate="firing"}[`+back+`]))`)
	if err != nil {
		note.failed(sources.Prometheus, lost, err)
		return rules.Past{}
	}
	if len(counts) == 0 && slices.ContainsFunc(all, func(r sources.AlertRule) bool { return r.State == sources.AlertFiring }) {
		note.take([]Missing{{
			Backend: sources.Prometheus, Kind: MissingNoData, Reason: lost + ": it keeps no series ALERTS, though a rule fires",
			Hint: "ask a server that keeps them: Prometheus itself, or what its rules are written to",
		}})
		return rules.Past{}
	}
	turns, err := x.byAlert(ctx, `max by (alertname) (changes(ALERTS_FOR_STATE[`+back+`]))`)
	if err != nil {
		note.failed(sources.Prometheus, "how often alerts came and went was not looked at", err)
	}
	step := max(window.Duration()/heldSteps, time.Second)
	answer, err := x.set.Metrics.Range(ctx, `count({__name__=~"up|target_info|process_start_time_seconds"})`, window, step)
	if err != nil {
		note.failed(sources.Prometheus, lost, err)
		return rules.Past{}
	}
	past := rules.Past{Fired: map[string]rules.Firing{}}
	for _, s := range answer.Series {
		if len(s.Samples) > 0 {
			past.Held = min(window.Duration(), window.To.Sub(s.Samples[0].Time)+step)
		}
	}
	for _, r := range all {
		if n, fired := counts[r.Name]; fired {
			past.Fired[r.Name] = rules.Firing{For: min(time.Duration(n)*r.Interval, past.Held), Times: 1 + int(turns[r.Name])}
		}
	}
	return past
}

// byAlert is the value of a query by the name of the alert, at the window's end.
func (x *Explorer) byAlert(ctx context.Context, query string) (map[string]float64, error) {
	answer, err := x.set.Metrics.Instant(ctx, query, x.question.Window.To)
	if err != nil {
		return nil, err
	}
	values := make(map[string]float64, len(answer.Series))
	for _, s := range answer.Series {
		if len(s.Samples) > 0 {
			values[s.Labels["alertname"]] = s.Samples[0].Value
		}
	}
	return values, nil
}

// away asks which series the rules need, and tells which of them are not there: a metric that
// had none in the window, or nothing of a place for an hour. What could not be asked is there.
func (x *Explorer) away(ctx context.Context, all []sources.AlertRule, note *gaps) func(rules.Need) bool {
	there := func(rules.Need) bool { return false }
	names, err := x.set.Metrics.LabelValues(ctx, "__name__", nil, x.question.Window)
	if err != nil {
		note.failed(sources.Prometheus, "whether the rules read what is there was not looked at", err)
		return there
	}
	if len(names) == 0 {
		return there // as of samples that came out of order: see questions
	}
	known := make(map[string]bool, len(names))
	for _, name := range names {
		known[name] = true
	}
	var placed []string // the needs of a place whose metric there is
	seen := map[string]bool{}
	for i := range all {
		for _, n := range rules.Needs(all[i].Query) {
			if text := n.String(); len(n.Place) > 0 && known[n.Metric] && !seen[text] {
				seen[text] = true
				placed = append(placed, text)
			}
		}
	}
	if most := needsPerQuery * maxNeedQueries; len(placed) > most {
		note.take([]Missing{{
			Backend: sources.Prometheus, Kind: MissingTruncated,
			Reason: fmt.Sprintf("%d of %d selectors of rules were not looked for, to keep the number of queries down", len(placed)-most, len(placed)),
		}})
		placed = placed[:most]
	}
	gone := map[string]bool{}
	for part := range slices.Chunk(placed, needsPerQuery) {
		found, err := x.present(ctx, part)
		if err != nil {
			note.failed(sources.Prometheus, "whether the rules read what is there was not looked at", err)
			continue
		}
		for i, selector := range part {
			gone[selector] = !found[i]
		}
	}
	return func(n rules.Need) bool { return !known[n.Metric] || gone[n.String()] }
}

// present tells which of some selectors, by their index, have had series of late.
func (x *Explorer) present(ctx context.Context, selectors []string) (map[int]bool, error) {
	parts := make([]string, len(selectors))
	for i, selector := range selectors {
		parts[i] = fmt.Sprintf(`label_replace(count(present_over_time(%s[%ds])), "need", "%d", "", "")`, selector, int(needsWithin.Seconds()), i)
	}
	answer, err := x.set.Metrics.Instant(ctx, strings.Join(parts, " or "), x.question.Window.To)
	if err != nil {
		return nil, err
	}
	found := map[int]bool{}
	for _, s := range answer.Series {
		if i, err := strconv.Atoi(s.Labels["need"]); err == nil {
			found[i] = true
		}
	}
	return found, nil
}
