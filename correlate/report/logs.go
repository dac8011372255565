package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"obs/correlate"
	"obs/sources"
)

// recordTime is a moment as a line of log records begins with it. The same width
// everywhere, so that lines sort by it.
const recordTime = "2006-01-02T15:04:05.000Z"

// Columns of log records. A severity that is longer, and a service, are written out: a
// line is for programs too.
const (
	severityWidth = 5
	serviceWidth  = 12
)

// RecordLine is a record in one line, without the end of it: time, severity and service,
// a dash where it has none, and what it says. A dash stands behind the time of one that is
// context, as grep has it.
func RecordLine(r *correlate.Record) string {
	severity, service := orDash(strings.ToUpper(r.Severity)), orDash(r.Service)
	mark := " "
	if r.Context {
		mark = "-"
	}
	line := fmt.Sprintf("%s%s%s %s %s", r.Time.UTC().Format(recordTime), mark, widen(severity, severityWidth), widen(service, serviceWidth),
		sources.Printable(Message(r.Line)))
	return strings.TrimRight(line, " ")
}

func orDash(s string) string {
	if strings.TrimSpace(s) == "" {
		return "-"
	}
	return sources.Printable(s)
}

// widen fills text up to a width, and leaves longer text whole.
func widen(s string, width int) string { return s + strings.Repeat(" ", max(0, width-cells(s))) }

// groupsBorder is what stands between records that do not stand together, as in grep.
const groupsBorder = "--"

// recordLines are the records of a view as lines. Only with context there are groups.
func recordLines(v *correlate.LogView) (lines []string) {
	for i := range v.Records {
		if i > 0 && v.Records[i].Group != v.Records[i-1].Group {
			lines = append(lines, groupsBorder)
		}
		lines = append(lines, RecordLine(&v.Records[i]))
	}
	return lines
}

// LogsText writes the records of a view, one a line, and nothing else, but for what
// borders groups.
func LogsText(w io.Writer, v *correlate.LogView) error {
	var b strings.Builder
	for _, line := range recordLines(v) {
		b.WriteString(line + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// RecordText writes a record as RecordLine has it, and the end of the line.
func RecordText(w io.Writer, r *correlate.Record) error {
	_, err := io.WriteString(w, RecordLine(r)+"\n")
	return err
}

// Columns of the patterns. A change is as wide as "vanished", a count as 9999999.
const (
	changeWidth     = 8
	countWidth      = 7
	patternSeverity = 8
	patternService  = 20
)

// PatternsText writes the patterns of a view as a table, one a line below a title.
func PatternsText(w io.Writer, v *correlate.LogView) error {
	p := &page{}
	row := func(change, now, before, severity, service, pattern string) {
		p.line("%s %s %s %s %s %s", widen(orDash(change), changeWidth), fmt.Sprintf("%*s", countWidth, now), fmt.Sprintf("%*s", countWidth, before),
			widen(orDash(severity), patternSeverity), widen(orDash(service), patternService), pattern)
	}
	if len(v.Patterns) > 0 {
		row("change", "now", "before", "severity", "service", "pattern")
	}
	for _, t := range v.Patterns {
		row(t.Change, strconv.Itoa(t.WindowCount), strconv.Itoa(t.BaselineCount), t.Severity, t.Service, t.Pattern)
	}
	return p.writeTo(w)
}

// LogsNotes writes what a person should know beside the records: where nothing was found,
// what was searched, and what to try next; and what is missing.
func LogsNotes(w io.Writer, v *correlate.LogView) error {
	p := &page{}
	c := caseOf(v)
	if c.Answered() && len(v.Records) == 0 && len(v.Patterns) == 0 {
		p.line("%s", nothingTitle)
		shown, more := fruitless(c)
		for _, q := range shown {
			p.line("  %-10s %-8s %s   in %s", string(q.Backend), q.Status, q.Query, searched(&q))
		}
		if more > 0 {
			p.line("  … and %d more questions, which -o json lists", more)
		}
		p.line("%s", noLogsAdvice)
	}
	for _, m := range v.Missing {
		p.line("obs: %s: %s", missingName(m), m.Reason)
		if m.Hint != "" {
			p.line("  → %s", m.Hint)
		}
	}
	return p.writeTo(w)
}

const noLogsAdvice = "A longer window (--since) may have it, or another name; its logs may not be in this Loki, or belong to another tenant."

// Rejected writes why a query was not accepted, and points to where the server stopped:
//
//	obs: loki did not accept the query: parse error at line 1, col 5: syntax error
//	  {a="b
//	      ^
//	  → a LogQL query begins with labels in braces
func Rejected(w io.Writer, query string, failure *sources.Error) error {
	p := &page{}
	p.line("obs: %s %v: %s", string(failure.Backend), failure.Kind, failure.Detail)
	lines := strings.Split(query, "\n")
	if n := failure.Line - 1; n >= 0 && n < len(lines) && failure.Column > 0 {
		text := []rune(lines[n])
		before := sources.Printable(string(text[:min(failure.Column-1, len(text))]))
		p.line("  %s%s", before, string(text[min(failure.Column-1, len(text)):]))
		p.line("  %s^", strings.Repeat(" ", cells(before)))
	}
	if failure.Hint != "" {
		p.line("  → %s", failure.Hint)
	}
	return p.writeTo(w)
}

// caseOf is a case with what a view has in common with one.
func caseOf(v *correlate.LogView) *correlate.Case {
	return &correlate.Case{Window: v.Window, Records: v.Records, Missing: v.Missing, Queries: v.Queries}
}

// LogsJSON writes a view as one indented JSON object, safe on a terminal as JSON is.
func LogsJSON(w io.Writer, v *correlate.LogView) error { return writeJSON(w, v) }

// RecordJSON writes a record as one line of JSON, its time first, safe on a terminal as
// JSON is.
func RecordJSON(w io.Writer, r *correlate.Record) error { return lineJSON(w, r) }

// PatternsJSONL writes the patterns of a view, one a line of JSON.
func PatternsJSONL(w io.Writer, v *correlate.LogView) error {
	var b bytes.Buffer
	for i := range v.Patterns {
		if err := lineJSON(&b, &v.Patterns[i]); err != nil {
			return err
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// lineJSON writes a value without floating-point numbers as one line of JSON.
func lineJSON(w io.Writer, value any) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	_, err := w.Write(inert(b.Bytes()))
	return err
}

// LogsMarkdown writes a view for a ticket.
func LogsMarkdown(w io.Writer, v *correlate.LogView) error {
	p := &page{}
	c := caseOf(v)
	title := counted(v.Asked(), "record")
	if context := len(v.Records) - v.Asked(); context > 0 {
		title += fmt.Sprintf(", and %d around them", context)
	}
	p.line("# Logs: %s", title)
	p.blank()
	p.line("- window: %s", v.Window.String())
	if v.Query != "" {
		p.line("- %s", source(&correlate.Evidence{Backend: sources.Loki, Query: v.Query, URL: v.URL}))
	}
	p.blank()
	if len(v.Patterns) > 0 {
		p.line("## Patterns")
		p.blank()
		p.line("| change | now | before | severity | service | pattern |")
		p.line("| --- | ---: | ---: | --- | --- | --- |")
		for _, t := range v.Patterns {
			p.line("| %s | %d | %d | %s | %s | %s |", escape(t.Change), t.WindowCount, t.BaselineCount, escape(t.Severity), escape(t.Service), escape(t.Pattern))
		}
		p.blank()
	}
	if len(v.Records) > 0 {
		p.line("## Records")
		p.blank()
		drawn := &page{}
		for _, line := range recordLines(v) {
			drawn.line("%s", line)
		}
		fenced(p, drawn)
	}
	if c.Answered() && len(v.Records) == 0 && len(v.Patterns) == 0 {
		markdownFruitless(p, c, noLogsAdvice)
	}
	markdownTail(p, v.Missing, v.Queries)
	return p.writeTo(w)
}
