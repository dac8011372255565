package correlate_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"obs/correlate"
	"obs/correlate/ident"
	"obs/correlate/patterns"
	"obs/correlate/spans"
	"obs/sources"
)

// logServices are the labels that name a line's service.
var logServices = []string{"service_name", "service", "app", "container", "job"}

// fieldOf is what a record says under one of the names.
func fieldOf(r *sources.Record, names []string) string {
	if v, _ := r.Metadata.First(names...); v != "" {
		return v
	}
	if v, _ := r.Stream.First(names...); v != "" {
		return v
	}
	return ident.InLine(r.Line, names)
}

// severityOf is what the record's fields say, or else its line.
func severityOf(r *sources.Record) patterns.Severity {
	if known := patterns.ParseSeverity(fieldOf(r, ident.SeverityFields)); known != patterns.Unstated {
		return known
	}
	return patterns.Read(r.Line).Severity
}

// matcher tells lines of a pattern that a statement quotes: all that it may be the beginning
// of, where it was cut.
func (p *proof) matcher(text string) func(line string) bool {
	if text == "anything at all" {
		return func(string) bool { return true }
	}
	pattern, err := strconv.Unquote(text)
	if err != nil {
		p.Fatal(err)
	}
	if cut, ok := strings.CutSuffix(pattern, "…"); ok {
		pattern = strings.TrimRight(cut, "<*") + "<*>"
	}
	return func(line string) bool { return patterns.Matches(pattern, line) }
}

// logging is a visit with whether it logged what is asked about.
type logging struct {
	*visit
	logs bool
}

// lines works out of which share of requests there is a line: of those that do not fail, or
// of all where it is an error.
func (p *proof) lines(m []string) recomputed {
	matches := p.matcher(m[3])
	window, baseline := p.sides()
	severity := patterns.Unstated
	read := func(name string, trees []*spans.Tree) []*logging {
		i := slices.IndexFunc(p.answers, func(a *answered) bool {
			return a.evidence.Backend == sources.Loki && slices.ContainsFunc(a.evidence.Values, func(v correlate.Value) bool { return v.Name == name })
		})
		if i < 0 {
			p.Fatalf("no lines of the %s", name)
		}
		all := joined(trees, p.answers[i], matches, &severity)
		return slices.DeleteFunc(all, func(v *logging) bool { return v.Key != spans.Key{Service: m[1], Operation: m[2]} })
	}
	sides := map[string][]*logging{"window": read("window", window), "baseline": read("baseline", baseline)}
	r := recomputed{values: map[string]float64{}}
	for name, all := range sides {
		sum, n := 0.0, 0.0
		for _, v := range all {
			if severity >= patterns.Error || !v.Failed {
				sum, n = sum+share(v.logs), n+1
			}
		}
		r.values[name], r.values["requests in the "+name] = sum/n, n
	}
	return r
}

// joined are the visits that lie within the time of the lines, and which of them have one that
// matches: by the span's ID, or else by the trace's and the service.
func joined(trees []*spans.Tree, lines *answered, matches func(string) bool, severity *patterns.Severity) []*logging {
	type place struct {
		trace sources.TraceID
		at    string // a span's ID or a service
	}
	var all []*logging
	places := map[place]*logging{}
	for _, t := range trees {
		visits, of := t.Visits()
		mine := make([]*logging, len(visits))
		for i := range visits {
			entry := t.Span(visits[i].Entry)
			if !lines.evidence.Window.Contains(entry.Start) || !lines.evidence.Window.Contains(entry.End()) {
				continue
			}
			mine[i] = &logging{visit: &visit{Visit: &visits[i], tree: t, all: visits}}
			all = append(all, mine[i])
			if at := (place{t.Trace.ID, entry.Service}); places[at] == nil {
				places[at] = mine[i]
			}
		}
		for i, v := range of {
			if mine[v] != nil {
				places[place{t.Trace.ID, string(t.Span(i).ID)}] = mine[v]
			}
		}
	}
	for i := range lines.records {
		r := &lines.records[i]
		trace, _ := sources.ParseTraceID(fieldOf(r, ident.TraceFields))
		span, _ := sources.ParseSpanID(fieldOf(r, ident.SpanFields))
		v := places[place{trace, string(span)}]
		if v == nil {
			service, _ := r.Stream.First(logServices...)
			v = places[place{trace, service}]
		}
		if v != nil && matches(r.Line) {
			v.logs = true
			*severity = max(*severity, severityOf(r))
		}
	}
	return all
}

// untraced works out the same of requests that are told by the trace IDs of a service's
// lines: those that begin with a pattern and log no error, or all where an error is asked about.
func (p *proof) untraced(m []string) recomputed {
	type request struct {
		first       *sources.Record
		fails, logs bool
	}
	begins := func(string) bool { return true }
	if m[2] != "" {
		begins = p.matcher(m[2])
	}
	matches := p.matcher(m[3])
	r := recomputed{values: map[string]float64{}}
	for _, a := range p.answers {
		side := strings.TrimPrefix(a.evidence.Values[1].Name, "requests in the ")
		last := a.evidence.Window.From.Add(a.evidence.Window.Duration() * 9 / 10)
		late := map[string]bool{}
		began := map[string]time.Time{}
		for i := range a.records {
			trace := fieldOf(&a.records[i], ident.TraceFields)
			if at, known := began[trace]; !known || a.records[i].Time.Before(at) {
				began[trace], late[trace] = a.records[i].Time, a.records[i].Time.After(last)
			}
		}
		requests := map[string]*request{}
		for i := range a.records {
			record := &a.records[i]
			trace := fieldOf(record, ident.TraceFields)
			if service, _ := record.Stream.First(logServices...); service != m[1] || trace == "" || late[trace] {
				continue
			}
			one := requests[trace]
			if one == nil {
				one = &request{first: record}
				requests[trace] = one
			}
			if record.Time.Before(one.first.Time) {
				one.first = record
			}
			one.fails = one.fails || severityOf(record) >= patterns.Error
			one.logs = one.logs || matches(record.Line)
		}
		sum, n := 0.0, 0.0
		for _, one := range requests {
			if begins(one.first.Line) && (m[2] == "" || !one.fails) {
				sum, n = sum+share(one.logs), n+1
			}
		}
		r.values[side], r.values["requests in the "+side] = sum/n, n
	}
	return r
}

// linesApart counts a service's lines by time.
func (p *proof) linesApart(m []string) recomputed {
	matches := p.matcher(m[2])
	r := recomputed{values: map[string]float64{}}
	for _, a := range p.answers {
		n := 0
		for i := range a.records {
			if service, _ := a.records[i].Stream.First(logServices...); service == m[1] && matches(a.records[i].Line) {
				n++
			}
		}
		if len(a.evidence.Values) != 1 {
			p.Fatalf("lines without their number: %+v", a.evidence)
		}
		r.values[a.evidence.Values[0].Name] = float64(n)
		r.said = append(r.said, fmt.Sprintf("%.3g", float64(n)/a.evidence.Window.Duration().Minutes()))
	}
	return r
}

// errorRecords counts the errors among the records that the searches for the trace brought.
func (p *proof) errorRecords(m []string) recomputed {
	all := map[string]*sources.Record{}
	for _, a := range p.answers {
		for i := range a.records {
			r := &a.records[i]
			all[fmt.Sprint(r.Time.UnixNano(), r.Stream, r.Line)] = r
		}
	}
	var errors []*sources.Record
	for _, r := range all {
		if severityOf(r) >= patterns.Error {
			errors = append(errors, r)
		}
	}
	if !slices.ContainsFunc(errors, func(r *sources.Record) bool {
		service, _ := r.Stream.First(logServices...)
		earliest := !slices.ContainsFunc(errors, func(other *sources.Record) bool { return other.Time.Before(r.Time) })
		return earliest && service == m[1] && correlate.Clock(r.Time) == m[2] && correlate.Shorten(r.Line) == m[3]
	}) {
		p.Errorf("none of %d errors is the first, which says %q", len(errors), m[3])
	}
	var r recomputed
	r.says(len(errors), len(all))
	return r
}
