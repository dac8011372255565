package report

import (
	"fmt"
	"strings"

	"obs/correlate"
	"obs/sources"
)

func lookupText(p *page, c *correlate.Case) {
	p.line("%s", TakenFor(c))
	p.line("  window    %s", c.Window.String())
	p.blank()
	if nothingFound(c) {
		title, asked, advice := Nothing(c)
		p.line("%s", title)
		for _, line := range asked {
			p.line("  %s", line)
		}
		if advice != "" {
			p.line("%s", advice)
		}
		p.blank()
		tail(p, c)
		return
	}
	failed(p, c)
	story(p, c)
	left := c.Records
	for _, t := range c.Traces() {
		var beneath map[sources.SpanID][]correlate.Record
		beneath, left = bySpan(t, left)
		traceHeader(p, t)
		waterfall(p, t, beneath, nil)
		p.blank()
	}
	comparison(p, c.Comparison)
	if len(left) > 0 {
		p.line("RECORDS%s", restTitle(c, left))
		for i := range left {
			p.line("  %s", recordLine(&left[i]))
		}
		p.blank()
	}
	places(p, c)
	hops(p, c)
	findings(p, c)
	tail(p, c)
}

// restTitle says what the records beside the spans are.
func restTitle(c *correlate.Case, left []correlate.Record) string {
	switch {
	case left[0].Join.Weak():
		return " of the same services and time; no ID joins them"
	case c.Trace != nil:
		return " that name no span of these"
	}
	return ""
}

// bySpan parts the records into those beneath a span of the trace and the others.
func bySpan(t *correlate.Trace, all []correlate.Record) (beneath map[sources.SpanID][]correlate.Record, left []correlate.Record) {
	if len(all) == 0 {
		return nil, nil
	}
	beneath = map[sources.SpanID][]correlate.Record{}
	ids := map[sources.SpanID]bool{}
	for i := range t.Spans {
		ids[t.Spans[i].ID] = true
	}
	for _, r := range all {
		if r.SpanID != "" && ids[r.SpanID] && (r.TraceID == "" || r.TraceID == t.ID) {
			beneath[r.SpanID] = append(beneath[r.SpanID], r)
		} else {
			left = append(left, r)
		}
	}
	return beneath, left
}

// failed says where the request's error began, and how often others fail like that.
func failed(p *page, c *correlate.Case) {
	f := c.Failure
	if f == nil {
		return
	}
	indented(p, "✖ FAILED  ", sources.Shorten(f.What(), 4*Width))
	for i, id := range f.Findings {
		if finding := c.Finding(id); finding != nil {
			label := ""
			if i == 0 {
				label = "how often"
			}
			indented(p, fmt.Sprintf("  %-11s ", label), finding.Statement+refs([]string{id}))
		}
	}
	if e := f.Exception; e != nil {
		exception(p, e)
	}
	p.blank()
}

// shownFrames is how many lines of a stack trace text shows: the first say where it was
// thrown, and JSON has all.
const shownFrames = 5

func exception(p *page, e *correlate.Exception) {
	text := e.Message
	if e.Type != "" {
		text = strings.TrimSuffix(e.Type+": "+e.Message, ": ")
	}
	indented(p, fmt.Sprintf("  %-11s ", "exception"), sources.Shorten(text, 3*Width))
	frames := strings.Split(strings.TrimSpace(e.Stack), "\n")
	if e.Stack == "" {
		return
	}
	for i, frame := range frames {
		if i == shownFrames && len(frames) > shownFrames+1 {
			p.line("                … %d more lines of the stack, which -o json has", len(frames)-i)
			break
		}
		p.line("              ┆ %s", Fit(strings.TrimSpace(sources.Printable(strings.ReplaceAll(frame, "\t", " "))), Width-16))
	}
}

// shownMoments is how many of a story text shows, the last: what came right before the
// error tells most.
const shownMoments = 40

// storyService is how wide the services of a story are.
const storyService = 20

// story tells what a failed request did before its error.
func story(p *page, c *correlate.Case) {
	if len(c.Story) == 0 {
		return
	}
	p.line("WHAT HAPPENED, since the request began")
	skipped := max(0, len(c.Story)-shownMoments)
	for i := range c.Story {
		if i > 0 && i <= skipped { // the first says what was asked
			if i == skipped {
				p.line("  … %d more, which -o json has", skipped)
			}
			continue
		}
		m := &c.Story[i]
		mark := " "
		switch {
		case m.Kind == correlate.MomentError:
			mark = "►"
		case m.Failed:
			mark = "✖"
		}
		hanging(p, fmt.Sprintf("%s %s  %s ", mark, padLeft("+"+correlate.Seconds(max(0, m.OffsetSeconds)), 9), pad(m.Service, storyService)), m.Text)
	}
	p.blank()
}

// PlaceName says where the records of a place carry the ID.
func PlaceName(p correlate.Place) string {
	return strings.TrimSpace(placeNames[p.Kind] + " " + p.Field)
}

// placeNames say the kinds of places.
var placeNames = map[string]string{
	correlate.InMetadata: "structured metadata", correlate.InLabel: "label", correlate.InField: "field",
	correlate.InLine: "the line", correlate.Nowhere: "nowhere: its records of that time do not carry it",
}

// places say where the logs carry the trace's ID.
func places(p *page, c *correlate.Case) {
	if len(c.Places) == 0 {
		return
	}
	p.line("WHERE THE LOGS CARRY THE TRACE ID")
	for _, place := range c.Places {
		count := ""
		if place.Records > 0 {
			count = counted(place.Records, "record")
		}
		p.line("  %s %s %s", pad(place.Service, 24), pad(PlaceName(place), 52), count)
	}
	p.blank()
}
