package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"obs/correlate"
	"obs/correlate/doctor"
	"obs/sources"
)

// DoctorJSON writes the report of an examination as JSON does a case.
func DoctorJSON(w io.Writer, r *doctor.Report) error { return writeJSON(w, r) }

// doctorWidth is narrower than Width: the report is read over a slow line, and pasted into
// chats and commits. Lines of configuration are left as they are.
const doctorWidth = 80

// Columns of the matrix. The cells are as wide as their headings.
const (
	patientWidth = 26
	hopWidth     = 8
)

// hopNames head the columns, in the order of doctor.Hops.All.
var hopNames = []string{"metric", "→trace", "→records", "→back", "names", "errors"}

// hopLegend says what the columns are.
const hopLegend = "metric: its requests are counted and timed. →trace: from there to a trace. →records: from a trace to its records. →back: from a record to its trace. names: the signals agree on them. errors: failures can be told."

const gradeLegend = "● by an ID   ▲ in part, or by service and time   ✖ not at all   ? not known"

// GradeSign is the mark of a grade, which does not depend on colour.
func GradeSign(g doctor.Grade) string {
	switch g {
	case doctor.OK:
		return Sign(correlate.Healthy)
	case doctor.Broken:
		return Sign(correlate.Anomalous)
	case doctor.Weak:
		return Sign(correlate.Inconclusive)
	}
	return "?"
}

// diagnosis is the report in one line.
func diagnosis(r *doctor.Report) string {
	counts := map[doctor.Grade]int{}
	for i := range r.Services {
		counts[r.Services[i].Grade]++
	}
	of := counted(len(r.Services), "service")
	every := "every hop"
	if slices.ContainsFunc(r.Services, func(s doctor.Service) bool {
		return slices.ContainsFunc(s.Hops.All(), func(h *doctor.Hop) bool { return h.Grade == doctor.Unknown })
	}) {
		every = "every known hop"
	}
	sign := GradeSign(r.Grade) + " "
	switch {
	case r.Interrupted:
		return sign + "the examination ended before it was done"
	case len(r.Services) == 0:
		return sign + "no service was found that could be examined"
	case counts[doctor.Broken] > 0:
		return fmt.Sprintf("%sa hop is broken for %d of %s", sign, counts[doctor.Broken], of)
	case r.Grade == doctor.Broken:
		return fmt.Sprintf("%sno hop of %s is broken, but something else is", sign, of)
	case counts[doctor.Weak] > 0:
		return fmt.Sprintf("%s%s can be walked, for %d of %s weakly", sign, every, counts[doctor.Weak], of)
	case r.Grade == doctor.Weak:
		return fmt.Sprintf("%s%s of %s can be walked by an ID; %s beside", sign, every, of, counted(len(r.Findings), "finding"))
	}
	return fmt.Sprintf("%s%s of %s can be walked by an ID", sign, every, of)
}

// DoctorText writes the report for people and for grep.
func DoctorText(w io.Writer, r *doctor.Report) error {
	return doctorText(w, r, func(p *page) {
		header := pad("SERVICES", patientWidth)
		for _, name := range hopNames {
			header += " " + center(name, hopWidth)
		}
		p.line("%s", header)
		for i := range r.Services {
			s := &r.Services[i]
			line := GradeSign(s.Grade) + " " + pad(s.Name, patientWidth-2)
			for _, hop := range s.Hops.All() {
				line += " " + center(GradeSign(hop.Grade), hopWidth)
			}
			p.line("%s", line)
		}
		p.blank()
		p.line("  %s", gradeLegend)
		narrow(p, "  ", hopLegend)
	})
}

// doctorText writes the report around its matrix.
func doctorText(w io.Writer, r *doctor.Report, matrix func(*page)) error {
	p := &page{}
	p.line("%s", diagnosis(r))
	p.line("  looked at %s", r.Window.String())
	p.blank()
	p.line("SERVERS")
	for i := range r.Servers {
		serverLines(p, r, &r.Servers[i])
	}
	p.blank()
	if len(r.Services) > 0 {
		matrix(p)
		p.blank()
	}
	if len(r.Findings) > 0 {
		p.line("FINDINGS, what hinders most first, and what mends them")
		for i := range r.Findings {
			findingLines(p, &r.Findings[i])
		}
		p.blank()
	}
	if len(r.LeftOut) > 0 {
		p.line("LEFT OUT, to keep the number of questions down")
		for _, text := range r.LeftOut {
			narrow(p, "  ", text)
		}
		p.blank()
	}
	doctorTail(p, r)
	return p.writeTo(w)
}

// narrow writes text behind a label, wrapped at doctorWidth.
func narrow(p *page, label, text string) {
	margin := cells(label)
	for i, part := range wrap(sources.Printable(text), doctorWidth-margin) {
		if i > 0 {
			label = strings.Repeat(" ", margin)
		}
		p.line("%s%s", label, part)
	}
}

// center fits text into the middle of a column.
func center(s string, width int) string {
	before := max(0, (width-cells(s))/2)
	return pad(strings.Repeat(" ", before)+s, width)
}

func serverLines(p *page, r *doctor.Report, s *doctor.Server) {
	label := fmt.Sprintf("%s %-10s ", serverSign(s), s.Backend)
	if s.State != doctor.Answers {
		narrow(p, label, strings.ReplaceAll(string(s.State), "_", " ")+": "+s.Error)
		if s.Hint != "" {
			narrow(p, "             → ", s.Hint)
		}
		return
	}
	narrow(p, label, strings.Join(aboutServer(r, s), ", "))
}

// serverSign is the mark of a server. One that was never given an address does not fail.
func serverSign(s *doctor.Server) string {
	switch s.State {
	case doctor.Answers:
		return GradeSign(doctor.OK)
	case doctor.NotConfigured:
		return GradeSign(doctor.Weak)
	}
	return GradeSign(doctor.Broken)
}

// aboutServer is what is known of a server that answers.
func aboutServer(r *doctor.Report, s *doctor.Server) []string {
	who := strings.TrimSpace(s.Product + " " + strings.TrimPrefix(s.Version, "v"))
	if who == "" {
		who = "does not say what it is"
	}
	about := []string{who}
	if s.API != "" {
		about = append(about, "API "+s.API)
	}
	switch {
	case s.Newest.IsZero() && s.ReachSeconds == 0:
		return append(about, "holds nothing that was looked for")
	case s.Newest.IsZero():
		about = append(about, "nothing new")
	case s.Newest.After(r.Time):
		about = append(about, "newest "+doctor.Age(s.Newest.Sub(r.Time))+" ahead")
	default:
		about = append(about, "newest "+doctor.Age(r.Time.Sub(s.Newest))+" ago")
	}
	about = append(about, "reaches back "+doctor.Reach(s))
	if s.SkewSeconds != nil && *s.SkewSeconds != 0 {
		about = append(about, fmt.Sprintf("clock off by %+.1f s", *s.SkewSeconds))
	}
	return about
}

func findingLines(p *page, f *doctor.Finding) {
	narrow(p, fmt.Sprintf("%s %-3s ", GradeSign(f.Grade), f.ID), f.Statement)
	for _, e := range f.Evidence {
		narrow(p, "        ", evidenceText(&e))
	}
	for _, m := range f.Mends {
		narrow(p, "      → ", m.Where+":")
		for line := range strings.Lines(m.Text) {
			line = strings.TrimRight(line, "\n")
			if proseMend(m.Text) {
				narrow(p, "          ", line)
			} else {
				p.line("          %s", line)
			}
		}
	}
}

// proseMend tells a sentence, which may be wrapped, from lines to be copied.
func proseMend(text string) bool {
	return !strings.Contains(text, "\n") && strings.Count(text, " ") > 6
}

// evidenceText is a question with the numbers that were read from its answer.
func evidenceText(e *correlate.Evidence) string {
	text := string(e.Backend) + ": " + e.Query
	for i, v := range e.Values {
		if i == 0 {
			text += " → "
		} else {
			text += ", "
		}
		text += v.Name + " " + evidenceValue(v)
	}
	return text
}

// evidenceValue is a number with its unit; a count is as it was counted.
func evidenceValue(v correlate.Value) string {
	if v.Unit == "" {
		return strconv.FormatFloat(v.Value, 'f', -1, 64)
	}
	return correlate.Quantity(v.Value, v.Unit)
}

// doctorTail says what is missing and what it cost. A backend that does not answer has said
// so above.
func doctorTail(p *page, r *doctor.Report) {
	first := true
	for _, m := range r.Missing {
		if s := r.Server(m.Backend); s != nil && s.State != doctor.Answers {
			continue
		}
		if first {
			p.line("MISSING")
			first = false
		}
		narrow(p, fmt.Sprintf("  %-10s ", missingName(m)), m.Reason)
		if m.Hint != "" {
			narrow(p, "             → ", m.Hint)
		}
	}
	if !first {
		p.blank()
	}
	tail(p, &correlate.Case{Queries: r.Queries})
}

// DoctorMarkdown writes the report for a ticket.
func DoctorMarkdown(w io.Writer, r *doctor.Report) error {
	p := &page{}
	p.line("# %s", escape(diagnosis(r)))
	p.blank()
	p.line("Looked at %s.", r.Window.String())
	p.blank()
	p.line("| | server | |")
	p.line("| --- | --- | --- |")
	for i := range r.Servers {
		s := &r.Servers[i]
		if s.State != doctor.Answers {
			p.line("| %s | %s | %s |", serverSign(s), string(s.Backend), escape(strings.ReplaceAll(string(s.State), "_", " ")+": "+s.Error+" → "+s.Hint))
			continue
		}
		p.line("| %s | %s | %s |", GradeSign(doctor.OK), string(s.Backend), escape(strings.Join(aboutServer(r, s), ", ")))
	}
	p.blank()
	if len(r.Services) > 0 {
		p.line("| | service | %s |", strings.Join(hopNames, " | "))
		p.line("| --- | --- |%s", strings.Repeat(" --- |", len(hopNames)))
		for i := range r.Services {
			s := &r.Services[i]
			line := "| " + GradeSign(s.Grade) + " | " + escape(s.Name) + " |"
			for _, hop := range s.Hops.All() {
				line += " " + GradeSign(hop.Grade) + " " + escape(hop.Text) + " |"
			}
			p.line("%s", line)
		}
		p.blank()
		p.line("%s", gradeLegend)
		p.blank()
	}
	if len(r.Findings) > 0 {
		p.line("## Findings")
		p.blank()
		for i := range r.Findings {
			f := &r.Findings[i]
			p.line("- %s **%s** %s", GradeSign(f.Grade), f.ID, escape(f.Statement))
			for _, e := range f.Evidence {
				p.line("  - %s", code(evidenceText(&e)))
			}
			for _, m := range f.Mends {
				p.line("  - → %s:", escape(m.Where))
				p.blank()
				for line := range strings.Lines(m.Text) {
					p.line("        %s", strings.TrimRight(line, "\n"))
				}
				p.blank()
			}
		}
		p.blank()
	}
	if len(r.LeftOut) > 0 {
		p.line("## Left out")
		p.blank()
		for _, text := range r.LeftOut {
			p.line("- %s", escape(text))
		}
		p.blank()
	}
	markdownTail(p, r.Missing, r.Queries)
	return p.writeTo(w)
}
