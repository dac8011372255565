package main

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"obs/correlate"
	"obs/correlate/survey"
	"obs/sources"
)

// gate is --check, with the limits of --fail-on in place of the verdict where there are any.
type gate struct {
	check  bool
	failOn []string
	limits []limit
}

// limit is one of --fail-on: a word, or a number of something.
type limit struct {
	text string // as it was given
	word string // anomalous, inconclusive or partial; empty for a number

	of    string // what is measured
	sign  string // >, >=, < or <=
	value float64
	unit  string
}

// What limits can be about. A case holds values of what departs alone, so that those of
// services are judged where all of them are: by obs services.
var (
	limitWords    = []string{"anomalous", "inconclusive", "partial"}
	caseMeasures  = []string{suspectScore}
	tableMeasures = []string{"rate", "errors", "p50", "p95", "p99", "saturation"}
)

const suspectScore = "suspect-score"

const (
	caseLimits  = "anomalous, inconclusive, partial, or suspect-score>=0.5; obs services judges errors>2% and p99>500ms"
	tableLimits = "anomalous, inconclusive, partial, or a limit on rate, errors, p50, p95, p99 or saturation, as errors>2%, p99>500ms or rate<0.5"
)

func (g *gate) flags(cmd *cobra.Command, check, limits string) {
	f := cmd.Flags()
	f.BoolVar(&g.check, "check", false, check)
	f.StringSliceVar(&g.failOn, "fail-on", nil, "--check by this instead of the verdict, with status 20 if any is met; may be repeated: "+limits)
}

// prepare reads the limits, of which these measures can be judged.
func (g *gate) prepare(measures []string) error {
	for _, text := range g.failOn {
		l, err := parseLimit(text)
		if err != nil {
			return usage(fmt.Errorf("--fail-on %s: %w", text, err), "give it as anomalous, errors>2%, p99>500ms, saturation>90%, rate<0.5 or suspect-score>=0.5")
		}
		switch {
		case l.word != "" || slices.Contains(measures, l.of):
		case slices.Contains(tableMeasures, l.of):
			return usage(fmt.Errorf("--fail-on %s: the case of a triage has the values of what departs only", text), "obs services --check judges it, with the values of all services")
		default:
			return usage(fmt.Errorf("--fail-on %s: services have no %s", text, l.of), "obs triage --check judges it")
		}
		g.limits = append(g.limits, l)
	}
	g.check = g.check || len(g.limits) > 0
	return nil
}

var limitForm = regexp.MustCompile(`^([a-z][a-z0-9-]*)\s*(>=|<=|>|<)\s*(\S.*)$`)

// parseLimit reads one limit: a word, or NAME, a sign and a value with its unit.
func parseLimit(text string) (limit, error) {
	text = strings.TrimSpace(text)
	if slices.Contains(limitWords, text) {
		return limit{text: text, word: text}, nil
	}
	parts := limitForm.FindStringSubmatch(text)
	if parts == nil {
		return limit{}, errors.New("this is no limit")
	}
	l := limit{text: text, of: parts[1], sign: parts[2]}
	var err error
	switch l.of {
	case "p50", "p95", "p99":
		l.unit = survey.Seconds
		l.value, err = seconds(parts[3])
	case "errors", "saturation":
		l.unit = survey.Ratio
		l.value, err = share(parts[3])
	case suspectScore:
		l.value, err = share(parts[3])
	case "rate":
		l.unit = "requests/s"
		l.value, err = strconv.ParseFloat(strings.TrimSuffix(parts[3], "/s"), 64)
	case "latency":
		return limit{}, errors.New("latency is p50, p95 or p99")
	default:
		return limit{}, fmt.Errorf("nothing is called %q", l.of)
	}
	if err == nil && (math.IsNaN(l.value) || math.IsInf(l.value, 0) || l.value < 0) {
		err = fmt.Errorf("%s is no value to compare with", parts[3])
	}
	return l, err
}

// seconds reads a duration, which has a unit: 500 may be meant in milliseconds.
func seconds(text string) (float64, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration with a unit, such as 500ms", text)
	}
	return d.Seconds(), nil
}

// share reads 2% or 0.02. A number above 1 was meant as one of the two, and it is not known
// which.
func share(text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	value, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no share, such as 2%% or 0.02", text)
	case percent:
		return value / 100, nil
	case value > 1:
		return 0, fmt.Errorf("%s is more than all: give it as %s%% or below 1", text, text)
	}
	return value, nil
}

// met tells whether a value is what the limit speaks of.
func (l *limit) met(value float64) bool {
	switch l.sign {
	case ">":
		return value > l.value
	case ">=":
		return value >= l.value
	case "<":
		return value < l.value
	}
	return value <= l.value
}

// ruling is what the limits say of one answer.
type ruling struct {
	met      []string // sentences
	unjudged []string // for want of data
	notes    []string // what had no data, where that does not matter
}

// exit says the ruling, and is its status. That a limit is met is known, whatever is
// missing; that none is, only where every one could be judged.
func (r *ruling) exit(w world, partial bool) error {
	out := w.remarks()
	for _, text := range slices.Concat(r.met, r.unjudged, r.notes) {
		_, _ = fmt.Fprintf(out, "obs: --fail-on %s\n", sources.Printable(text))
	}
	switch {
	case len(r.met) > 0:
		return &exitError{code: exitAnomalous}
	case partial:
		return &exitError{code: exitPartial}
	case len(r.unjudged) > 0:
		return &exitError{code: exitInconclusive}
	}
	return nil
}

// words judges the limits that are words, and hands on the others.
func (g *gate) words(r *ruling, verdict correlate.Verdict, partial bool, missing []correlate.Missing, number func(*limit)) {
	for i := range g.limits {
		l := &g.limits[i]
		switch {
		case l.word == "":
			number(l)
		case l.word == "partial" && partial:
			reason := ""
			if at := slices.IndexFunc(missing, func(m correlate.Missing) bool {
				return (&correlate.Case{Missing: []correlate.Missing{m}}).Partial()
			}); at >= 0 {
				reason = ": " + missing[at].Reason
			}
			r.met = append(r.met, l.text+reason)
		case l.word == string(verdict):
			r.met = append(r.met, l.text+": the verdict is "+string(verdict))
		case l.word == "anomalous" && verdict == correlate.Inconclusive:
			r.unjudged = append(r.unjudged, l.text+" cannot be judged: there is too little data to tell")
		}
	}
}

// caseExit is the exit status of a triage.
func (g *gate) caseExit(w world, c *correlate.Case) error {
	if len(g.limits) == 0 {
		return verdictExit(c, g.check)
	}
	if err := brokenExit(c); err != nil {
		return err
	}
	var r ruling
	g.words(&r, c.Verdict, c.Partial(), c.Missing, func(l *limit) {
		at := slices.IndexFunc(c.Suspects, func(s correlate.Suspect) bool { return l.met(s.Score) })
		switch {
		case at >= 0:
			s := &c.Suspects[at]
			r.met = append(r.met, fmt.Sprintf("%s: suspect %s has %s", l.text, s.Service, correlate.Quantity(s.Score, "")))
		case c.Verdict == correlate.Inconclusive:
			r.unjudged = append(r.unjudged, l.text+" cannot be judged: there is too little data to suspect anybody")
		}
	})
	return r.exit(w, c.Partial())
}

// tableExit is the exit status of a table of services with --check; wanted are the services
// that were asked for by name.
func (g *gate) tableExit(w world, t *correlate.ServiceTable, wanted []string, outcome *correlate.Case) error {
	if err := brokenExit(outcome); err != nil {
		return err
	}
	verdict := tableVerdict(t)
	if len(g.limits) == 0 {
		return verdictExit(&correlate.Case{Verdict: verdict, Missing: outcome.Missing, Queries: outcome.Queries}, true)
	}
	var r ruling
	g.words(&r, verdict, outcome.Partial(), outcome.Missing, func(l *limit) { l.judge(&r, t, wanted) })
	return r.exit(w, outcome.Partial())
}

// tableVerdict is that of all rows: one that departs for the worse is enough.
func tableVerdict(t *correlate.ServiceTable) correlate.Verdict {
	verdict := correlate.Inconclusive
	for i := range t.Services {
		switch t.Services[i].Verdict {
		case correlate.Anomalous:
			return correlate.Anomalous
		case correlate.Healthy:
			verdict = correlate.Healthy
		case correlate.Inconclusive:
		}
	}
	return verdict
}

// judge holds the window's values of all rows against a limit. A service that was named must
// have a value. Of others one will do, and those without are said.
func (l *limit) judge(r *ruling, t *correlate.ServiceTable, wanted []string) {
	judged := map[string]bool{}
	var without []string
	for i := range t.Services {
		row := &t.Services[i]
		name := strings.Join(strings.Fields(row.Service+" "+row.Operation+" "+row.Instance), " ")
		reading := l.reading(row)
		if reading == nil || math.IsNaN(reading.Window) {
			without = append(without, name)
			continue
		}
		judged[row.Service] = true
		if l.met(reading.Window) {
			r.met = append(r.met, fmt.Sprintf("%s: %s has %s %s", l.text, name, l.of, correlate.Quantity(reading.Window, l.unit)))
		}
	}
	for _, name := range wanted {
		if !judged[name] {
			r.unjudged = append(r.unjudged, fmt.Sprintf("%s cannot be judged: there is no value of it for %s", l.text, name))
		}
	}
	switch {
	case len(wanted) > 0:
	case len(judged) == 0:
		r.unjudged = append(r.unjudged, l.text+" cannot be judged: no service has a value of it")
	case len(without) > 0:
		r.notes = append(r.notes, fmt.Sprintf("%s was not judged where there is no value of it: %s", l.text, strings.Join(without, ", ")))
	}
}

func (l *limit) reading(row *correlate.ServiceRow) *correlate.Reading {
	return map[string]*correlate.Reading{
		"rate": row.Rate, "errors": row.Errors, "p50": row.P50, "p95": row.P95, "p99": row.P99, "saturation": row.Saturation,
	}[l.of]
}
