package tui

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"obs/sources"
	"obs/tui/draw"
)

// chrome is how many lines stand above and below the body of a screen: title,
// breadcrumbs and a rule; the query or what was said, and the keys.
const chrome = 5

// View draws the state.
func (a *app) View() (view tea.View) {
	defer a.jobs.guard()
	view = tea.NewView(a.frame())
	view.AltScreen = true
	if a.mouse {
		view.MouseMode = tea.MouseModeCellMotion
	}
	view.WindowTitle = "obs " + a.options.Title
	return view
}

func (a *app) frame() string {
	switch {
	case a.width == 0:
		return "" // the size is not known yet
	case a.width < leastWidth || a.height < leastHeight:
		return fmt.Sprintf("obs needs %dx%d,\nhere are %dx%d.\nq leaves.", leastWidth, leastHeight, a.width, a.height)
	}
	body := a.height - chrome
	lines := make([]string, 0, a.height)
	lines = append(lines, a.title(), a.crumbs(), a.theme.Dim.Render(strings.Repeat("─", a.width)))
	if a.overlay != nil && a.overlay.covers() {
		lines = append(lines, a.overlay.draw(a.width, body)...)
	} else {
		lines = append(lines, a.top().draw(a.width, body)...)
	}
	lines = append(lines, a.line(), a.footer())
	return strings.Join(lines, "\n")
}

// title says what is shown, of what time, and how the backends do.
func (a *app) title() string {
	left := " obs  " + a.options.Title
	if a.explorer != nil && !a.options.Trace { // one request tells its own time
		q := a.explorer.Question()
		left += " · " + clockSpan(q.Window)
		if !q.Baseline.IsZero() {
			left += " vs " + clockSpan(q.Baseline)
		}
	}
	left += a.watching.text()
	right := a.backends + " "
	return a.spread(a.theme.Strong.Render(draw.Cut(left, a.width)), draw.Width(draw.Cut(left, a.width)), right, a.theme.Dim)
}

// spread puts a text at each end of a line; the right one goes where both have no room.
func (a *app) spread(left string, wide int, right string, style draw.Style) string {
	room := a.width - wide - draw.Width(right)
	if room < 1 {
		return left + strings.Repeat(" ", max(0, a.width-wide))
	}
	return left + strings.Repeat(" ", room) + style.Render(right)
}

// look reads from the questions so far how the backends do.
func (a *app) look() {
	if a.explorer == nil {
		return
	}
	queries := a.explorer.Queries()
	last := map[sources.Backend]string{}
	for _, q := range queries {
		if q.Status != sources.QueryRunning {
			last[q.Backend] = q.Status
		}
	}
	failing, known := "", 0
	for _, b := range []sources.Backend{sources.Prometheus, sources.Jaeger, sources.Tempo, sources.Loki} {
		if last[b] != "" {
			known++
		}
		if last[b] == sources.QueryFailed {
			failing += " " + string(b) + " ✖"
		}
	}
	text := "no backend has answered yet"
	switch {
	case failing != "":
		text = strings.TrimSpace(failing)
	case known == 1:
		text = "1 backend ✔"
	case known > 1:
		text = fmt.Sprintf("%d backends ✔", known)
	}
	a.backends = fmt.Sprintf("%s  %d queries", text, len(queries))
}

// crumbs is the way that led here.
func (a *app) crumbs() string {
	names := make([]string, len(a.stack))
	for i, s := range a.stack {
		names[i] = draw.Cut(s.crumb(), 48)
	}
	help := "? help "
	shown := " " + strings.Join(names, " › ")
	// Where it is too long, where one is matters more than where one came from.
	for cut := 1; draw.Width(shown) > a.width-draw.Width(help)-1 && cut < len(names); cut++ {
		shown = " … › " + strings.Join(names[cut:], " › ")
	}
	shown = draw.Cut(shown, a.width-draw.Width(help)-1)
	return a.spread(a.theme.Accent.Render(shown), draw.Width(shown), help, a.theme.Dim)
}

// line is what was said last, a prompt, or the query behind what is selected.
func (a *app) line() string {
	if a.overlay != nil && !a.overlay.covers() {
		return a.overlay.draw(a.width, 1)[0]
	}
	if a.status != "" {
		return a.theme.Accent.Render(draw.Pad(" "+a.status, a.width))
	}
	query := a.top().picked().query
	if query == "" {
		return strings.Repeat(" ", a.width)
	}
	return a.theme.Dim.Render(draw.Pad(" "+query, a.width))
}

// footer is the keys of the screen, as many as have room, help among them.
func (a *app) footer() string {
	all := footKeys(a.top().place())
	shown := make([]bool, len(all))
	used := 0
	choose := func(wanted func(*binding) bool) {
		for i, k := range all {
			wide := 2 + draw.Width(shownKey(k.keys[0])) + 1 + draw.Width(k.name)
			if !shown[i] && wanted(k) && used+wide <= a.width {
				shown[i] = true
				used += wide
			}
		}
	}
	choose(func(k *binding) bool { return k.act == kept })
	choose(func(*binding) bool { return true })
	var b strings.Builder
	for i, k := range all {
		if !shown[i] {
			continue
		}
		b.WriteString("  " + a.theme.Accent.Render(shownKey(k.keys[0])) + " " + a.theme.Dim.Render(k.name))
	}
	b.WriteString(strings.Repeat(" ", a.width-used))
	return b.String()
}

func clockSpan(w sources.Window) string {
	from, to := w.From.UTC(), w.To.UTC()
	clock := "15:04"
	if w.Duration() < 10*time.Minute {
		clock = "15:04:05"
	}
	if from.Format(time.DateOnly) == to.Format(time.DateOnly) {
		return from.Format(clock) + "–" + to.Format(clock)
	}
	return from.Format("01-02 15:04") + "–" + to.Format("01-02 15:04")
}
