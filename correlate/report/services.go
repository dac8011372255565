package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"obs/correlate"
	"obs/correlate/anomaly"
	"obs/correlate/scale"
	"obs/sources"
)

// ServicesJSON writes the table as JSON does a case.
func ServicesJSON(w io.Writer, t *correlate.ServiceTable) error { return writeJSON(w, t) }

// shownRows is how many rows text and Markdown list; JSON has them all.
const shownRows = 50

// Columns of the table of services. A duration is as wide as "12.5 ms", and has an arrow
// behind it where it departs; what is saturated is named: "100 % connection pool".
const (
	rowNameWidth       = 26
	rowRateWidth       = 7
	rowShareWidth      = 7
	rowDurationWidth   = 9
	rowSaturationWidth = 22
	sparkWidth         = 10 // of the baseline, and of the window
)

// ServicesText writes the table for people and for grep, as Text does a case.
func ServicesText(w io.Writer, t *correlate.ServiceTable) error {
	p := &page{}
	p.line("%s", servicesHeadline(t))
	p.line("  window    %s", t.Window.String())
	p.line("  baseline  %s", t.Baseline.String())
	p.blank()
	if len(t.Services) > 0 {
		p.line("  %s %s %s %s %s %s  %s %s", pad(rowKind(t.Grouping), rowNameWidth), padLeft("req/s", rowRateWidth), padLeft("errors", rowShareWidth),
			padLeft("p50", rowDurationWidth), padLeft("p95", rowDurationWidth), padLeft("p99", rowDurationWidth), pad("saturation", rowSaturationWidth), "p95 before│now")
		for i := range t.Services {
			if i == shownRows {
				p.line("  and %d more: -o json has them", len(t.Services)-i)
				break
			}
			serviceLine(p, t, &t.Services[i])
		}
		p.blank()
	}
	departing(p, t)
	if len(t.Alerts) > 0 {
		p.line("ALERTS that fire now")
		for i := range t.Alerts {
			alertLines(p, &t.Alerts[i], time.Time{})
		}
		p.blank()
	}
	tail(p, &correlate.Case{Missing: t.Missing, Queries: t.Queries})
	return p.writeTo(w)
}

// servicesHeadline is the table in one line.
func servicesHeadline(t *correlate.ServiceTable) string {
	bad, compared := 0, 0
	for i := range t.Services {
		switch t.Services[i].Verdict {
		case correlate.Anomalous:
			bad++
			compared++
		case correlate.Healthy:
			compared++
		case correlate.Inconclusive:
		}
	}
	of := counted(len(t.Services), strings.TrimSuffix(string(t.Grouping), "s"))
	switch {
	case len(t.Services) == 0:
		return Sign(correlate.Inconclusive) + " no " + strings.TrimSuffix(string(t.Grouping), "s") + " was found"
	case bad > 0:
		return fmt.Sprintf("%s %d of %s for the worse", Sign(correlate.Anomalous), bad, depart(of, len(t.Services)))
	case compared == 0:
		return fmt.Sprintf("%s too little data to compare %s", Sign(correlate.Inconclusive), of)
	}
	return fmt.Sprintf("%s none of %s for the worse", Sign(correlate.Healthy), depart(of, len(t.Services)))
}

func depart(of string, n int) string {
	if n == 1 {
		return of + " departs"
	}
	return of + " depart"
}

// rowKind heads the column of names.
func rowKind(by correlate.Grouping) string { return strings.TrimSuffix(string(by), "s") }

// rowName is what a row is about.
func rowName(r *correlate.ServiceRow) string {
	name := strings.Join(strings.Fields(r.Service+" "+r.Operation+" "+r.Instance), " ")
	if strings.HasPrefix(r.Instance, r.Service) {
		name = r.Instance // a pod's name, which begins with its service's
	}
	if r.Gone {
		name += " (gone)"
	}
	return name
}

func serviceLine(p *page, t *correlate.ServiceTable, r *correlate.ServiceRow) {
	p.line("%s %s %s %s %s %s %s  %s %s", Sign(r.Verdict), pad(rowName(r), rowNameWidth),
		padLeft(cell(r.Rate, ""), rowRateWidth), padLeft(cell(r.Errors, ""), rowShareWidth),
		padLeft(cell(r.P50, ""), rowDurationWidth), padLeft(cell(r.P95, ""), rowDurationWidth), padLeft(cell(r.P99, ""), rowDurationWidth),
		pad(strings.TrimSpace(cell(r.Saturation, r.Resource)), rowSaturationWidth), trend(t, r.P95))
}

// cell is a reading's value in the window, with an arrow where it departs. A rate is
// without its unit, which heads the column.
func cell(r *correlate.Reading, of string) string {
	if r == nil {
		return "- "
	}
	unit := r.Unit
	if unit == "requests/s" {
		unit = ""
	}
	if math.IsNaN(r.Window) {
		return "- "
	}
	return strings.TrimSuffix(correlate.Quantity(r.Window, unit)+arrow(r)+" "+of, " ")
}

func arrow(r *correlate.Reading) string {
	switch anomaly.Direction(r.Direction) {
	case anomaly.Up:
		return "↑"
	case anomaly.Down:
		return "↓"
	}
	return " "
}

func trend(t *correlate.ServiceTable, r *correlate.Reading) string {
	if r == nil {
		return ""
	}
	return sparkline(r.Samples, t.Baseline, t.Window, sparkWidth)
}

// sparkline draws samples over baseline and window, each in so many cells, from nothing to the
// largest value.
func sparkline(samples []sources.Sample, baseline, window sources.Window, wide int) string {
	before, now := columns(samples, baseline, wide), columns(samples, window, wide)
	highest := highestOf(append(before, now...))
	return drawn(before, highest) + "│" + drawn(now, highest)
}

func highestOf(values []float64) float64 {
	highest := 0.0
	for _, v := range values {
		highest = max(highest, orZero(v))
	}
	return highest
}

func drawn(values []float64, highest float64) string {
	var b strings.Builder
	for _, v := range values {
		switch {
		case math.IsNaN(v):
			b.WriteRune(' ')
		case highest <= 0:
			b.WriteRune(scale.Levels[0])
		default:
			// A negative value is as low as it gets, and a rounding error is no step down.
			share := max(0, v/highest) + 1e-9
			b.WriteRune(scale.Levels[min(len(scale.Levels)-1, int(share*float64(len(scale.Levels))))])
		}
	}
	return b.String()
}

// columns are the means of the samples in each of n parts of a window; NaN without any.
func columns(samples []sources.Sample, w sources.Window, n int) []float64 {
	means, counts := make([]float64, n), make([]float64, n)
	for _, s := range samples {
		if !s.Time.After(w.From) || s.Time.After(w.To) || math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
			continue
		}
		// A sample speaks of the time before it.
		at := int(float64(s.Time.Sub(w.From)-1) / float64(w.Duration()) * float64(n))
		at = min(max(at, 0), n-1)
		means[at] += s.Value
		counts[at]++
	}
	for i := range means {
		means[i] /= counts[i]
	}
	return means
}

func orZero(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

// departures are the readings of a row that depart for the worse, in words.
type departure struct {
	what string
	*correlate.Reading
}

func departures(r *correlate.ServiceRow) []departure {
	var all []departure
	for _, one := range []departure{
		{"p95", r.P95}, {"p99", r.P99}, {"p50", r.P50}, {"error ratio", r.Errors}, {"request rate", r.Rate}, {r.Resource, r.Saturation},
	} {
		if one.Reading != nil && one.Verdict == correlate.Anomalous {
			all = append(all, one)
		}
	}
	return all
}

// sentence says a departure: p95 rose from 210 ms to 4.02 s (19x).
func (d departure) sentence() string {
	verb := "went from"
	switch anomaly.Direction(d.Direction) {
	case anomaly.Up:
		verb = "rose from"
	case anomaly.Down:
		verb = "fell from"
	}
	text := fmt.Sprintf("%s %s %s to %s", d.what, verb, correlate.Quantity(d.Baseline, d.Unit), correlate.Quantity(d.Window, d.Unit))
	if factor := correlate.Factor(d.Baseline, d.Window); factor != "" {
		text += " (" + factor + ")"
	}
	return text
}

// departing lists what departs with the query that shows it.
func departing(p *page, t *correlate.ServiceTable) {
	first := true
	for i := range t.Services {
		if i == shownRows {
			break
		}
		for _, d := range departures(&t.Services[i]) {
			if first {
				p.line("DEPARTURES and the queries that show them")
				first = false
			}
			p.line("  %s %s", rowName(&t.Services[i]), d.sentence())
			p.line("      prometheus: %s", d.Query)
		}
	}
	if !first {
		p.blank()
	}
}

// ServicesMarkdown writes the table for a ticket.
func ServicesMarkdown(w io.Writer, t *correlate.ServiceTable) error {
	p := &page{}
	p.line("# %s", escape(servicesHeadline(t)))
	p.blank()
	p.line("- window: %s", t.Window.String())
	p.line("- baseline: %s", t.Baseline.String())
	p.blank()
	if len(t.Services) > 0 {
		p.line("| | %s | req/s | errors | p50 | p95 | p99 | saturation |", escape(rowKind(t.Grouping)))
		p.line("| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |")
		for i := range t.Services {
			r := &t.Services[i]
			if i == shownRows {
				break
			}
			p.line("| %s | %s | %s | %s | %s | %s | %s | %s |", Sign(r.Verdict), escape(rowName(r)), escape(trimmed(r.Rate, "")), escape(trimmed(r.Errors, "")),
				escape(trimmed(r.P50, "")), escape(trimmed(r.P95, "")), escape(trimmed(r.P99, "")), escape(trimmed(r.Saturation, r.Resource)))
		}
		p.blank()
		if more := len(t.Services) - shownRows; more > 0 {
			p.line("And %d more, which -o json lists.", more)
			p.blank()
		}
	}
	markdownDepartures(p, t)
	if len(t.Alerts) > 0 {
		p.line("## Alerts that fire now")
		p.blank()
		markdownAlerts(p, t.Alerts)
	}
	markdownTail(p, t.Missing, t.Queries)
	return p.writeTo(w)
}

// trimmed is a cell where columns need not be aligned.
func trimmed(r *correlate.Reading, of string) string {
	if r == nil {
		return "-"
	}
	return strings.Join(strings.Fields(cell(r, of)), " ")
}

func markdownDepartures(p *page, t *correlate.ServiceTable) {
	drawn := &page{}
	for i := range t.Services[:min(len(t.Services), shownRows)] {
		for _, d := range departures(&t.Services[i]) {
			drawn.line("- %s %s", opening(rowName(&t.Services[i])), escape(d.sentence()))
			drawn.line("  - prometheus: %s", code(d.Query))
		}
	}
	if drawn.b.Len() == 0 {
		return
	}
	p.line("## Departures")
	p.blank()
	p.b.WriteString(drawn.b.String())
	p.blank()
}

// markdownTail says what is missing and what it cost.
func markdownTail(p *page, missing []correlate.Missing, queries []correlate.Query) {
	if len(missing) > 0 {
		p.line("## Missing")
		p.blank()
		for _, m := range missing {
			hint := ""
			if m.Hint != "" {
				hint = " → " + m.Hint
			}
			p.line("- %s: %s%s", opening(missingName(m)), escape(m.Reason), escape(hint))
		}
		p.blank()
	}
	n, failed, bytes := totals(&correlate.Case{Queries: queries})
	p.line("%s, %s read, %d failed.", counted(n, "query"), Bytes(bytes), failed)
}
