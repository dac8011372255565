package correlate

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"obs/correlate/anomaly"
	"obs/correlate/patterns"
	"obs/correlate/survey"
	"obs/sources"
)

// surveyLogs looks for services whose errors grew, where logs are all there is.
func (w *walk) surveyLogs(ctx context.Context) {
	step := w.begin("logs", "comparing the errors of every service in the logs")
	worst, err := w.compareErrors(ctx)
	if err != nil {
		w.failed(sources.Loki, "no log record was looked at", err)
		step.failed("Loki gave no answer")
		return
	}
	if worst == nil {
		step.ended("no service logs more errors than before")
		return
	}
	step.ended(worst.statement)
	answer, err := w.set.Logs.Records(ctx, worst.query, w.question.Window, weakLimit, false)
	if err != nil {
		w.failed(sources.Loki, "no log record was looked at", err)
		return
	}
	slices.Reverse(answer.Records)
	w.keepWeak(answer.Records, worst.query, w.question.Window, "anomaly")
}

// errorRecords is the metric of anomalies that are counted from logs.
const errorRecords = "error records"

type grownErrors struct {
	service, statement string
	query              string // of the records
}

// compareErrors counts error records per second by service on both sides.
func (w *walk) compareErrors(ctx context.Context) (*grownErrors, error) {
	streams, err := w.set.Logs.Streams(ctx, "", w.question.Window.Union(w.question.Baseline))
	if err != nil {
		return nil, err
	}
	if len(streams) == 0 {
		w.found.missing(Missing{
			Backend: sources.Loki, Kind: MissingNoData, Reason: "it holds no records in " + w.question.Window.String(),
			Hint: "check the window, or ask for a longer one with --since",
		})
		return nil, nil
	}
	label := firstOn(streams, logServiceLabels)
	if label == "" {
		return nil, nil
	}
	selector := sources.Selector{sources.NotEmpty(label)}
	wanted := w.names.all(w.question.Services)
	if len(wanted) > 0 {
		selector = sources.Selector{sources.AnyOf(label, wanted...)}
	}
	names := map[string][]string{} // of services, by the canonical one
	for _, l := range streams {
		name := l[label]
		if name != "" && (len(wanted) == 0 || slices.Contains(wanted, name)) {
			names[w.names.of(name)] = append(names[w.names.of(name)], name)
		}
	}
	w.found.Services = len(names)
	level := firstOn(streams, []string{"level", "severity", "detected_level"})
	if level == "" {
		level = "detected_level" // Loki's own, in structured metadata
	}
	// Loki says that it anchors such an expression, and takes f|fatal for a part of "info" all
	// the same (3.7): names with one beginning are searched for anywhere, unless it is written out.
	errors := fmt.Sprintf(" | %s=~%s", level, sources.Quote("(?i)^(?:"+strings.Join(patterns.NamesFrom(patterns.Error), "|")+")$"))
	query := func(window sources.Window) string {
		over := int64(max(1, window.Duration().Seconds()))
		return fmt.Sprintf("sum by (%s) (count_over_time(%s%s[%ds])) / %d", label, selector, errors, over, over)
	}
	now, err := w.set.Logs.Instant(ctx, query(w.question.Window), w.question.Window.To)
	if err != nil {
		return nil, err
	}
	before, err := w.set.Logs.Instant(ctx, query(w.question.Baseline), w.question.Baseline.To)
	if err != nil {
		return nil, err
	}
	is, was := map[string]float64{}, map[string]float64{}
	var logging []string
	for _, s := range now.Series {
		service := w.names.of(s.Labels[label])
		is[service] += last(s)
		logging = append(logging, service)
		names[service] = append(names[service], s.Labels[label])
	}
	for _, s := range before.Series {
		was[w.names.of(s.Labels[label])] += last(s)
	}
	var grown []Anomaly
	for _, service := range eachOnce(logging) {
		a := Anomaly{
			Service: service, Metric: errorRecords, Signal: string(survey.Errors), Direction: string(anomaly.Up),
			BaselineValue: was[service], WindowValue: is[service], Unit: "records/s", Guessed: true,
		}
		// Counts vary by their square root (Poisson); the score is the distance in those.
		seconds := w.question.Window.Duration().Seconds()
		expected := max(1, a.BaselineValue*seconds)
		a.Score = min(anomaly.MaxScore, (a.WindowValue*seconds-a.BaselineValue*seconds)/math.Sqrt(expected))
		if a.Score >= limits[survey.Errors].Score && a.WindowValue >= limits[survey.Errors].Ratio*a.BaselineValue {
			grown = append(grown, a)
		}
	}
	slices.SortStableFunc(grown, func(a, b Anomaly) int { return cmp.Compare(b.Score, a.Score) })
	if len(grown) == 0 {
		return nil, nil
	}
	for i := range grown {
		now := logEvidence(w.set.Logs, query(w.question.Window), w.question.Window)
		now.Values = []Value{{Name: "window", Value: grown[i].WindowValue, Unit: grown[i].Unit}}
		before := logEvidence(w.set.Logs, query(w.question.Baseline), w.question.Baseline)
		before.Values = []Value{{Name: "baseline", Value: grown[i].BaselineValue, Unit: grown[i].Unit}}
		grown[i].Findings = []string{w.found.AddFinding(describe(&grown[i]), now, before)}
	}
	w.found.Anomalies = append(w.found.Anomalies, grown...)
	service := grown[0].Service
	of := slices.Compact(slices.Sorted(slices.Values(names[service])))
	return &grownErrors{
		service: service, statement: describe(&grown[0]),
		query: sources.Selector{sources.AnyOf(label, of...)}.String() + errors,
	}, nil
}

func last(s sources.Series) float64 {
	if len(s.Samples) == 0 {
		return 0
	}
	return s.Samples[len(s.Samples)-1].Value
}

// firstOn is the first of the labels that any stream has.
func firstOn(streams []sources.Labels, names []string) string {
	for _, name := range names {
		if slices.ContainsFunc(streams, func(l sources.Labels) bool { return l[name] != "" }) {
			return name
		}
	}
	return ""
}
