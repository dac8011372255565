package patterns

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"obs/correlate/anomaly"
)

// Line is a log line of a service.
type Line struct {
	Time    time.Time
	Service string
	// Severity is the one that the backend knows, in any notation; where it is empty or
	// unknown, the one that the text states counts.
	Severity string
	Text     string
	// Weight is how many lines it stands for: 1 over the share that was sampled. What
	// is no positive number counts as 1.
	Weight float64
}

// Side is one of the two that are compared: all lines that were read of a stretch of
// time.
type Side struct {
	Lines    []Line
	Duration time.Duration
	// Requests are how many requests each service served; that of no name stands for
	// services that are not named. Where both sides have them for a service, its rates
	// are per request, so that twice the traffic does not make twice the lines a change.
	Requests map[string]float64
}

// Kind is how a pattern changed.
type Kind string

// The kinds of change.
const (
	New      Kind = "new"      // not one line in the baseline
	Grown    Kind = "grown"    // at least Ratio times the rate, and no chance
	Vanished Kind = "vanished" // not one line in the window, and no chance
	Shrunk   Kind = "shrunk"   // at most 1/Ratio of the rate, and no chance
	Same     Kind = "same"     // none of these
)

const (
	// Ratio of the rates from which a pattern has grown or shrunk. A judgement: smaller
	// changes come with traffic and hours.
	Ratio = 2.0
	// MaxP is the largest corrected p value of grown and shrunk. A judgement: a fifth
	// of the usual 0.05, since lines come in bursts, of which a Poisson test is too sure.
	MaxP = 0.01
	// MaxVanishedP is the same for vanished: the baseline's rate must make it as good
	// as impossible that the window has no line. With sides of the same length, and no
	// other pattern, that takes 11 lines in the baseline; with a baseline of many times
	// the window's length it comes to some 8 that the window should have had.
	MaxVanishedP = 0.001
)

// Change is what became of a pattern of a service.
type Change struct {
	Service string
	// Pattern has <*> for what varies.
	Pattern string
	// Severity is the highest among its lines, by OpenTelemetry's short name in lower
	// case; empty where none states one.
	Severity Severity
	Kind     Kind
	// WindowCount and BaselineCount are lines, by weight.
	WindowCount, BaselineCount float64
	// WindowRate and BaselineRate are lines per second, or per request; NaN where the
	// side has neither a length nor requests.
	WindowRate, BaselineRate float64
	PerRequest               bool
	// P is how probable a difference of this size is by chance, corrected for the
	// number of patterns. 1 where nothing can be told.
	P float64
	// FirstSeen is the time of its first line in the window; zero without one.
	FirstSeen time.Time
	// Example is its first line in the window, or else in the baseline, cut at 16 KiB.
	Example string
	// Other tells the lines of all patterns that found no room. It is never other than
	// Same: which lines it has depends on which came first.
	Other bool
}

// Compare finds the patterns of both sides together, and what became of each. The order
// of the lines does not matter. Errors that are new come first, then what else is new,
// grown, vanished, shrunk and the same; among these the most significant.
func Compare(baseline, window Side, options Options) []Change {
	lines := readAll(baseline, window)
	slices.SortFunc(lines, byImportance)
	miners := map[string]*Miner{}
	for i := range lines {
		l := &lines[i]
		m := miners[l.Service]
		if m == nil {
			m = NewMiner(options)
			miners[l.Service] = m
		}
		l.id = m.AddEntry(l.entry)
	}
	rows := gather(lines, miners)
	judge(rows, baseline, window, sampled(lines))
	changes := make([]Change, len(rows))
	for i, r := range rows {
		changes[i] = r.Change
	}
	slices.SortFunc(changes, byRank)
	return changes
}

// readLine is a line with what it says.
type readLine struct {
	*Line
	entry  Entry
	before bool // of the baseline
	id     ID
}

func readAll(baseline, window Side) []readLine {
	lines := make([]readLine, 0, len(baseline.Lines)+len(window.Lines))
	for n, side := range []Side{baseline, window} {
		for i := range side.Lines {
			l := readLine{Line: &side.Lines[i], before: n == 0}
			l.entry = Read(l.Text)
			if s := ParseSeverity(l.Severity); s != Unstated {
				l.entry.Severity = s
			}
			lines = append(lines, l)
		}
	}
	return lines
}

// byImportance puts first what must find room among the patterns: errors, and what is
// in the window. It leaves no two different lines in the order in which they came.
func byImportance(a, b readLine) int {
	if c := cmp.Or(cmp.Compare(b.entry.Severity, a.entry.Severity), compareBool(a.before, b.before), a.Time.Compare(b.Time)); c != 0 {
		return c
	}
	return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Text, b.Text), cmp.Compare(a.weight(), b.weight()))
}

// compareBool puts false first.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func (l *Line) weight() float64 {
	if !(l.Weight > 0) || math.IsInf(l.Weight, 0) {
		return 1
	}
	return l.Weight
}

// row is a Change in the making.
type row struct {
	Change
	before, now tally
}

type rowKey struct {
	service, pattern string
	other            bool
}

// gather adds the lines up by service and pattern. Patterns that read the same are one.
func gather(lines []readLine, miners map[string]*Miner) []*row {
	byID := map[string][]*row{}
	for service, m := range miners {
		byID[service] = make([]*row, len(m.clusters))
	}
	byText := map[rowKey]*row{}
	var rows []*row
	for i := range lines {
		l := &lines[i]
		r := byID[l.Service][l.id]
		if r == nil {
			key := rowKey{service: l.Service, pattern: miners[l.Service].Text(l.id), other: l.id == Other}
			if r = byText[key]; r == nil {
				r = &row{Change: Change{Service: key.service, Pattern: key.pattern, Other: key.other}}
				byText[key] = r
				rows = append(rows, r)
			}
			byID[l.Service][l.id] = r
		}
		r.add(l)
	}
	return rows
}

func (r *row) add(l *readLine) {
	r.Severity = max(r.Severity, l.entry.Severity)
	side := &r.now
	if l.before {
		side = &r.before
	}
	// Lines come by importance, not by time; one of the window is always better than
	// one of the baseline.
	isFirst := !l.before && (r.now.sum == 0 || l.Time.Before(r.FirstSeen))
	if isFirst {
		r.FirstSeen = l.Time
	}
	if isFirst || (l.before && r.now.sum == 0 && r.before.sum == 0) {
		r.Example = strings.ToValidUTF8(cut(l.Text, maxLine), "\ufffd")
	}
	side.add(l.weight())
}

// sampled is what each service has on each side; by it the share of lines is known
// that were seen where a pattern has none.
func sampled(lines []readLine) map[string]*row {
	all := map[string]*row{}
	for i := range lines {
		l := &lines[i]
		r := all[l.Service]
		if r == nil {
			r = &row{}
			all[l.Service] = r
		}
		if l.before {
			r.before.add(l.weight())
		} else {
			r.now.add(l.weight())
		}
	}
	return all
}

// judge fills in rates, probabilities and kinds.
func judge(rows []*row, baseline, window Side, services map[string]*row) {
	p := make([]float64, len(rows))
	for i, r := range rows {
		before, now, perRequest := exposures(r.Service, baseline, window)
		r.PerRequest = perRequest
		r.BaselineCount, r.WindowCount = r.before.sum, r.now.sum
		r.BaselineRate, r.WindowRate = rate(r.before.sum, before), rate(r.now.sum, now)
		whole := services[r.Service]
		beforeShare, nowShare := seen(r.before, whole.before), seen(r.now, whole.now)
		p[i] = anomaly.Counts(r.now.sum*nowShare, now*nowShare, r.before.sum*beforeShare, before*beforeShare)
	}
	for i, corrected := range adjust(p) {
		rows[i].P = corrected
		rows[i].Kind = rows[i].kind()
	}
}

// seen is the share of a pattern's lines that was seen, and of the service's where the
// pattern has none.
func seen(pattern, service tally) float64 {
	if pattern.sum > 0 {
		return pattern.share()
	}
	return service.share()
}

// exposures are what the counts of a service are divided by: requests where both sides
// have them, and else seconds.
func exposures(service string, baseline, window Side) (before, now float64, perRequest bool) {
	before, now = baseline.requests(service), window.requests(service)
	if before > 0 && now > 0 {
		return before, now, true
	}
	return baseline.Duration.Seconds(), window.Duration.Seconds(), false
}

func (s Side) requests(service string) float64 {
	n, ok := s.Requests[service]
	if !ok {
		n = s.Requests[""]
	}
	if math.IsInf(n, 0) {
		return 0
	}
	return n
}

func rate(count, exposure float64) float64 {
	if !(exposure > 0) {
		return math.NaN()
	}
	return count / exposure
}

func (r *row) kind() Kind {
	switch {
	case r.Other:
		return Same
	case r.before.sum == 0:
		return New
	case r.now.sum == 0 && r.P < MaxVanishedP:
		return Vanished
	case r.now.sum == 0 || r.P >= MaxP:
		return Same
	case r.WindowRate >= Ratio*r.BaselineRate:
		return Grown
	case r.WindowRate*Ratio <= r.BaselineRate:
		return Shrunk
	}
	return Same
}

// byRank is the order in which changes are worth reading.
func byRank(a, b Change) int {
	return cmp.Or(
		cmp.Compare(rank(a), rank(b)),
		cmp.Compare(a.P, b.P),
		cmp.Compare(b.WindowCount+b.BaselineCount, a.WindowCount+a.BaselineCount),
		strings.Compare(a.Pattern, b.Pattern),
		strings.Compare(a.Service, b.Service),
		compareBool(a.Other, b.Other),
	)
}

func rank(c Change) int {
	if c.Kind == New && c.Severity >= Error {
		return -1
	}
	return slices.Index([]Kind{New, Grown, Vanished, Shrunk, Same}, c.Kind)
}
