package report

import (
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"obs/correlate"
	"obs/correlate/doctor"
	"obs/sources"
)

// Tables as text in a pipe, for cut and awk: columns between tabs below a line with their
// names, values whole and in base units (seconds, ratios, requests per second, RFC 3339), and
// nothing in a column where there is nothing. No width plays a part, and all rows are there.
// Columns keep their names and their order, and new ones come last.

// rows are lines of a table.
type rows struct{ b strings.Builder }

// add writes a row. A tab or a line break within a cell is escaped.
func (r *rows) add(cells ...string) {
	for i, cell := range cells {
		if i > 0 {
			r.b.WriteByte('\t')
		}
		r.b.WriteString(sources.Printable(cell))
	}
	r.b.WriteByte('\n')
}

func (r *rows) writeTo(w io.Writer) error {
	_, err := io.WriteString(w, r.b.String())
	return err
}

// number is a value without exponent, which not every program reads; empty for none.
func number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// moment is a time; empty for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// ServicesPiped writes the table of services for programs.
func ServicesPiped(w io.Writer, t *correlate.ServiceTable) error {
	out := &rows{}
	out.add("service", "operation", "instance", "verdict", "rate", "errors", "p50_seconds", "p95_seconds", "p99_seconds", "saturation", "resource", "departs")
	for i := range t.Services {
		r := &t.Services[i]
		cells := []string{r.Service, r.Operation, r.Instance, string(r.Verdict)}
		var departs []string
		if r.Gone {
			departs = append(departs, "gone")
		}
		for _, column := range []struct {
			name    string
			reading *correlate.Reading
		}{{"rate", r.Rate}, {"errors", r.Errors}, {"p50", r.P50}, {"p95", r.P95}, {"p99", r.P99}, {"saturation", r.Saturation}} {
			if column.reading == nil {
				cells = append(cells, "")
				continue
			}
			cells = append(cells, number(column.reading.Window))
			if column.reading.Direction != "" {
				departs = append(departs, column.name+" "+column.reading.Direction)
			}
		}
		out.add(append(cells, r.Resource, strings.Join(departs, ", "))...)
	}
	return out.writeTo(w)
}

// AlertsPiped writes the list of alerts for programs.
func AlertsPiped(w io.Writer, l *correlate.AlertList) error {
	out := &rows{}
	out.add("state", "severity", "alert", "service", "since", "value", "quiet", "summary", "runbook_url")
	for i := range l.Alerts {
		a := &l.Alerts[i]
		out.add(a.State, a.Severity, a.Name, a.Service, moment(a.Since), number(a.Value), a.Quiet(), a.Summary, a.RunbookURL)
	}
	return out.writeTo(w)
}

// NotesPiped writes the list of notes for programs.
func NotesPiped(w io.Writer, l *correlate.NoteList) error {
	out := &rows{}
	out.add("time", "incident", "author", "note")
	for i := range l.Notes {
		n := &l.Notes[i]
		out.add(moment(n.Time), n.Incident, n.Author, n.Text)
	}
	return out.writeTo(w)
}

// PatternsPiped writes the patterns of a view for programs.
func PatternsPiped(w io.Writer, v *correlate.LogView) error {
	out := &rows{}
	out.add("change", "window_count", "baseline_count", "severity", "service", "pattern")
	for i := range v.Patterns {
		t := &v.Patterns[i]
		out.add(t.Change, strconv.Itoa(t.WindowCount), strconv.Itoa(t.BaselineCount), t.Severity, t.Service, t.Pattern)
	}
	return out.writeTo(w)
}

// DoctorPiped writes the report of an examination as DoctorText does, with its matrix for
// programs.
func DoctorPiped(w io.Writer, r *doctor.Report) error {
	return doctorText(w, r, func(p *page) {
		out := &rows{}
		out.add("service", "grade", "metric", "metric_to_trace", "trace_to_records", "record_to_trace", "names", "errors")
		for i := range r.Services {
			s := &r.Services[i]
			cells := []string{s.Name, string(s.Grade)}
			for _, hop := range s.Hops.All() {
				cells = append(cells, string(hop.Grade))
			}
			out.add(cells...)
		}
		p.b.WriteString(out.b.String())
	})
}
