package tui

import (
	"obs/correlate/report"
	"obs/sources"
	"obs/tui/draw"
)

// What the trace's screen says while there is nothing to see yet, where something is
// missing, and where nothing was found.

// drawMissing says what is missing of the request itself.
func (t *traceScreen) drawMissing(width, height int) []string {
	if t.shown == nil {
		return nil
	}
	var lines []string
	for _, m := range t.shown.Missing {
		switch m.Backend {
		case sources.Jaeger, sources.Tempo, sources.Loki:
			lines = append(lines, missingLines(t.theme, m, width)...)
		}
	}
	if t.view != nil && t.view.size() > 0 {
		return lines[:min(len(lines), max(1, height/12))] // the spans matter more
	}
	head := []string{t.theme.Strong.Render(draw.Pad(" "+report.TakenFor(t.shown), width))}
	if t.shown.TakenFor == "" {
		head = nil
	}
	head = append(head, draw.Pad(" ▲ there are no spans of this trace; these log records carry its ID", width))
	return append(head, lines[:min(len(lines), height/3)]...)
}

// drawNothing says what is under way, or why there is no trace.
func (t *traceScreen) drawNothing(width, height int) []string {
	switch {
	case t.waiting[askTrace]:
		return []string{draw.Pad(" "+t.spin()+" asking for trace "+string(t.of.id), width)}
	case t.waiting[askLayOut]:
		return []string{draw.Pad(" "+t.spin()+" laying out the spans", width)}
	case !t.whole && (t.shown == nil || t.of == nil):
		return t.drawSteps(width, height)
	}
	found := t.shown
	if found == nil {
		found = t.found
	}
	foot := " esc goes back; c shows all that was found"
	if t.of == nil && t.options.Trace {
		foot = " r asks again; : trace ID looks up another; c shows all that was asked; q leaves"
	}
	lines := []string{}
	add := func(style draw.Style, text string) {
		for _, line := range draw.Wrap(text, max(1, width-2)) {
			lines = append(lines, style.Render(draw.Pad(" "+line, width)))
		}
	}
	if found != nil && found.TakenFor != "" && t.of == nil { // all that was asked is about it
		title, asked, advice := report.Nothing(found)
		add(t.theme.Strong, report.TakenFor(found))
		add(t.theme.Dim, "window "+found.Window.String())
		if advice != "" {
			add(t.theme.Plain, advice)
		}
		for _, m := range found.Missing {
			lines = append(lines, missingLines(t.theme, m, width)...)
		}
		add(t.theme.Strong, title)
		for _, line := range asked {
			lines = append(lines, t.theme.Dim.Render(draw.Pad("   "+line, width)))
		}
	} else {
		text := "no trace was found"
		if id := t.id(); id != "" {
			text = "there is no trace " + string(id)
		}
		add(t.theme.Strong, text)
		if found != nil && found.TakenFor != "" {
			if _, _, advice := report.Nothing(found); advice != "" {
				add(t.theme.Plain, advice)
			}
		}
		if found != nil {
			for _, m := range found.Missing {
				lines = append(lines, missingLines(t.theme, m, width)...)
			}
		}
	}
	lines = lines[:min(len(lines), max(0, height-1))] // what to do next stays in sight
	return append(lines, t.theme.Accent.Render(draw.Pad(foot, width)))
}

// drawSteps says what is being done, and what came of what was done before.
func (t *traceScreen) drawSteps(width, height int) []string {
	if len(t.steps) == 0 {
		doing := "looking for the trace"
		if t.explorer == nil {
			doing = "opening"
		}
		return []string{draw.Pad(" "+t.spin()+" "+doing, width)}
	}
	var lines []string
	for _, s := range t.steps[max(0, len(t.steps)-height):] {
		switch {
		case s.Failed:
			lines = append(lines, t.theme.Bad.Render(draw.Pad(" "+draw.Bad.Sign()+" "+s.Text, width)))
		case s.Done:
			lines = append(lines, t.theme.Dim.Render(draw.Pad(" "+draw.Healthy.Sign()+" "+s.Name+": "+s.Text, width)))
		default:
			lines = append(lines, draw.Pad(" "+t.spin()+" "+s.Text, width))
		}
	}
	return lines
}
