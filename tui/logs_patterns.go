package tui

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"

	"obs/correlate"
	"obs/tui/draw"
)

const (
	// patternPanelHeight is from which height of the body on patterns stand above the lines, and
	// patternPanelRows how many: beneath them there are still more lines than on a small screen.
	patternPanelHeight = 30
	patternPanelRows   = 5
	// patternHeight is from which height on the selected pattern stands whole beneath the
	// table, and patternLines how many lines it and its example take each at most.
	patternHeight = 14
	patternLines  = 2
)

// patternTable is the templates of the lines.
type patternTable struct {
	shown bool // in place of the lines
	asked bool
	view  *correlate.LogView // nil until it is answered
	rows  []int              // of its patterns those that the filter lets through
	list  list
}

// sift keeps the patterns that hold a text.
func (t *patternTable) sift(needle string) {
	t.rows = t.rows[:0]
	if t.view == nil {
		return
	}
	match := newLogMatch(needle, nil)
	for i := range t.view.Patterns {
		p := &t.view.Patterns[i]
		if match.all() || match.holds(p.Pattern) || match.holds(p.Service) || match.holds(p.Severity) {
			t.rows = append(t.rows, i)
		}
	}
	t.list.count = len(t.rows)
	t.list.clamp()
}

// selected is the pattern that is selected, or nil.
func (t *patternTable) selected() *correlate.Pattern {
	if t.view == nil || t.list.at >= len(t.rows) {
		return nil
	}
	return &t.view.Patterns[t.rows[t.list.at]]
}

func (t *patternTable) picked() picked {
	if t.view == nil {
		return picked{}
	}
	p := picked{query: t.view.Query, url: t.view.URL}
	if selected := t.selected(); selected != nil {
		p.text, p.what = selected.Pattern, "pattern"
	}
	return p
}

// patternNeedle is the filter of the patterns: that of the lines, unless it is a pattern
// itself, which would leave only that one.
func (l *logsScreen) patternNeedle() string {
	if l.sought != nil {
		return ""
	}
	return l.needle
}

// askPatterns asks for the patterns, once.
func (l *logsScreen) askPatterns() tea.Cmd {
	q := l.question
	named := q.Trace != "" || q.Service != "" || q.Query != ""
	if l.table.asked || l.explorer == nil || !named || l.withoutLoki() || (l.about != nil && !l.table.shown) {
		return nil
	}
	l.table.asked = true
	q.Patterns, q.Limit = true, -1 // patterns alone: the records are there
	explorer := l.explorer
	return l.ask(askedPatterns, func(ctx context.Context) any { return gotPatterns{explorer.Logs(ctx, q)} })
}

func (l *logsScreen) togglePatterns() (tea.Cmd, string) {
	if l.table.shown {
		l.table.shown = false
		return nil, ""
	}
	switch {
	case l.explorer == nil:
		return nil, "nothing is open yet"
	case l.withoutLoki():
		return nil, "Loki is not configured, so there are no lines to make patterns of"
	}
	l.table.shown = true
	return l.askPatterns(), ""
}

// seekPattern shows the records that are like a pattern, or says why there are none.
func (l *logsScreen) seekPattern() string {
	p := l.table.selected()
	switch {
	case p == nil && l.waiting[askedPatterns]:
		return "the patterns are being asked for"
	case p == nil:
		return "there is no pattern"
	case p.WindowCount == 0:
		return fmt.Sprintf("it is gone: no line of the window is like it, %d were before", p.BaselineCount)
	}
	l.table.shown, l.moved, l.follow.stick = false, false, false
	l.sought = p
	l.filter(p.Pattern)
	l.recommend()
	return ""
}

// drawPatterns draws the patterns in place of the lines.
func (l *logsScreen) drawPatterns(width, height int) []string {
	view := l.table.view
	if view == nil {
		return filled([]string{draw.Pad(" "+l.spin()+" comparing the lines of the window with those before", width)}, width, height)
	}
	lines := flow(l.theme, l.patternTitle(), width)
	if len(l.table.rows) == 0 {
		text := "no pattern was found"
		if len(view.Patterns) > 0 {
			text = fmt.Sprintf("no pattern holds %q; esc drops the filter", l.needle)
		}
		lines = append(lines, draw.Pad(" "+text, width))
		for _, m := range view.Missing {
			lines = append(lines, missingLines(l.theme, m, width)...)
		}
		return filled(lines, width, height)
	}
	lines = append(lines, gapLines(l.theme, view.Missing, width)...)
	whole := l.wholePattern(width, height)
	room := max(2, height-len(lines)-len(whole))
	l.table.list.show(len(l.table.rows), room-1)
	first := len(lines) + 1
	lines = append(lines, l.patternLines(l.table.list.top, room-1, l.table.list.at, width)...)
	for len(l.panel) < first {
		l.panel = append(l.panel, -1)
	}
	for i := l.table.list.top; i < min(len(l.table.rows), l.table.list.top+room-1); i++ {
		l.panel = append(l.panel, i)
	}
	lines = filled(lines, width, max(len(lines), height-len(whole)))
	return filled(append(lines, whole...), width, height)
}

// patternTitle says how many patterns there are, of how much of the lines.
func (l *logsScreen) patternTitle() []draw.Part {
	view := l.table.view
	text := fmt.Sprintf("%d patterns of the lines, now and before", len(view.Patterns))
	if len(l.table.rows) < len(view.Patterns) {
		text = fmt.Sprintf("%d of %d patterns with %q", len(l.table.rows), len(view.Patterns), draw.Cut(l.needle, 24))
	}
	parts := []draw.Part{{Text: text, Style: l.theme.Strong}}
	if view.Sampled > 0 && view.Sampled < 1 {
		parts = append(parts, draw.Part{Text: "▲ made of " + correlate.Quantity(view.Sampled, "ratio") + " of them", Style: l.theme.Watch})
	}
	return append(parts, draw.Part{Text: "↵ its records, P the lines", Style: l.theme.Dim})
}

// wholePattern is the selected pattern and its example, as far as a table cuts them.
func (l *logsScreen) wholePattern(width, height int) []string {
	p := l.table.selected()
	if p == nil || height < patternHeight {
		return nil
	}
	lines := []string{rule(l.theme, "selected", width)}
	add := func(style draw.Style, text string) {
		all := wrapLines(head(text, rowBytes), width-2, width-2)
		for i, line := range all[:min(len(all), patternLines)] {
			if i == patternLines-1 && len(all) > patternLines {
				line = draw.Cut(line, width-3) + "…"
			}
			lines = append(lines, style.Render(draw.Pad(" "+line, width)))
		}
	}
	add(l.theme.Plain, p.Pattern)
	if p.Example != "" {
		example := readRow(p.Example)
		add(l.theme.Dim, strings.TrimSpace("such as: "+example.text+"  "+example.rest))
	}
	return lines
}

// patternPanel are the first patterns, above the lines of a screen that has room. above
// is how many lines stand before it.
func (l *logsScreen) patternPanel(width, height, above int) []string {
	if height < patternPanelHeight || l.table.view == nil || len(l.table.view.Patterns) == 0 || len(l.table.rows) == 0 {
		return nil
	}
	n := min(patternPanelRows, len(l.table.rows))
	lines := append([]string{rule(l.theme, fmt.Sprintf("%d of %d patterns, P shows all", n, len(l.table.view.Patterns)), width)},
		l.patternLines(0, n, -1, width)...)
	for range above + 2 {
		l.panel = append(l.panel, -1)
	}
	for i := range n {
		l.panel = append(l.panel, i)
	}
	return append(lines, rule(l.theme, "", width))
}

// patternLines draws n patterns beneath a line of titles.
func (l *logsScreen) patternLines(top, n, selected, width int) []string {
	table := draw.Table{Selected: selected - top, Height: n + 1, Columns: []draw.Column{
		{Title: "CHANGE", Priority: 20, Min: 8},
		{Title: "NOW", Align: draw.Right, Priority: 19, Min: 6},
		{Title: "BEFORE", Align: draw.Right, Priority: 18, Min: 6},
		{Title: "SEVERITY", Priority: 10, Min: 5, Max: 8},
		{Title: "SERVICE", Priority: 12, Min: 6, Max: maxServiceColumn},
		{Title: "PATTERN", Priority: 20, Min: 16, Flex: true},
	}}
	for _, i := range l.table.rows[top:min(len(l.table.rows), top+n)] {
		p := &l.table.view.Patterns[i]
		change, level := patternChange(p.Change)
		severity := recordLevel(p.Severity)
		table.Rows = append(table.Rows, []draw.Cell{
			draw.Text(change, l.theme.Level(level)), draw.Text(fmt.Sprint(p.WindowCount), l.theme.Plain),
			draw.Text(fmt.Sprint(p.BaselineCount), l.theme.Dim), draw.Text(recordSeverity(p.Severity), l.theme.Level(severity)),
			draw.Text(p.Service, l.theme.Plain), draw.Text(head(p.Pattern, rowBytes), l.theme.Plain),
		})
	}
	return table.Lines(l.theme, width)
}

// patternChange is the sign and the word for what became of a pattern.
func patternChange(change string) (text string, level draw.Level) {
	switch change {
	case "new":
		return "✖ new", draw.Bad
	case "grown":
		return "▲ grown", draw.Watch
	case "vanished":
		return "  gone", draw.Watch
	case "shrunk":
		return "· shrunk", draw.Unknown
	}
	return "·", draw.Unknown
}

// patternGap stands for what varies in a pattern.
const patternGap = "<*>"

// logMatch chooses records: those that hold a text in any case, or those that are like
// a pattern.
type logMatch struct {
	text    string   // in lower case
	words   []string // of a pattern, in lower case
	ordered bool     // they stand in this order
	service string   // of a pattern; any where empty
	ascii   bool     // all of text is
	cased   bool     // text has letters that are written large and small
}

// newLogMatch makes a filter of what a person typed, or of a pattern. A text with gaps in
// it is taken for a pattern too.
func newLogMatch(text string, pattern *correlate.Pattern) logMatch {
	m := logMatch{text: strings.ToLower(text)}
	m.ascii, m.cased = isASCII(m.text), strings.ToUpper(m.text) != m.text
	if pattern == nil && !strings.Contains(text, patternGap) {
		return m
	}
	if pattern != nil {
		m.service = pattern.Service
	}
	// A line without a message has its fields in another order than its pattern.
	m.ordered = !strings.Contains(m.text, "=")
	m.words = strings.FieldsFunc(strings.ReplaceAll(m.text, patternGap, " "), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_'
	})
	return m
}

// all tells that nothing is filtered.
func (m *logMatch) all() bool { return m.text == "" }

// narrows reports whether all that this one chooses is among what the other chose.
func (m *logMatch) narrows(wider *logMatch) bool {
	return m.words == nil && wider.words == nil && wider.service == "" && wider.text != "" && strings.Contains(m.text, wider.text) &&
		strings.Count(m.text, "=") == strings.Count(wider.text, "=") // name=value is looked for in labels too
}

func (m *logMatch) matches(r *correlate.Record) bool {
	if m.words != nil {
		return (m.service == "" || m.service == r.Service) && m.isLike(r.Line)
	}
	if m.holds(r.Line) || m.holds(r.Service) || m.holds(r.Severity) {
		return true
	}
	return m.inLabels(r.Labels) || m.inLabels(r.Metadata)
}

// inLabels looks in values, and for name=value in a label.
func (m *logMatch) inLabels(labels map[string]string) bool {
	for name, value := range labels {
		if m.holds(value) {
			return true
		}
		if at := strings.IndexByte(m.text, '='); at >= 0 &&
			strings.HasSuffix(strings.ToLower(name), m.text[:at]) && strings.HasPrefix(strings.ToLower(value), m.text[at+1:]) {
			return true
		}
	}
	return false
}

// holds reports whether a text of a record holds what is looked for.
func (m *logMatch) holds(s string) bool {
	switch {
	case m.ascii:
		return indexCaseless(s, m.text) >= 0
	case isASCII(s):
		return false
	case !m.cased:
		return strings.Contains(s, m.text)
	}
	return strings.Contains(strings.ToLower(s), m.text)
}

// isLike reports whether a line has the words of a pattern.
func (m *logMatch) isLike(line string) bool {
	for _, word := range m.words {
		var at int
		if isASCII(word) {
			at = indexCaseless(line, word)
		} else {
			line = strings.ToLower(line)
			at = strings.Index(line, word)
		}
		if at < 0 {
			return false
		}
		if m.ordered {
			line = line[at+len(word):]
		}
	}
	return true
}

// lowerByte has bytes in lower case.
var lowerByte = func() (table [256]byte) {
	for i := range table {
		table[i] = byte(unicode.ToLower(rune(i)))
		if i >= 0x80 {
			table[i] = byte(i)
		}
	}
	return table
}()

// indexCaseless is where an ASCII text in lower case begins in s, in any case; -1 for nowhere.
func indexCaseless(s, text string) int {
	n := len(text)
	if n == 0 {
		return 0
	}
	first, last := text[0], text[n-1]
	for i := 0; i+n <= len(s); i++ {
		if lowerByte[s[i]] == first && lowerByte[s[i+n-1]] == last && isCaseless(s[i:i+n], text) {
			return i
		}
	}
	return -1
}

func isCaseless(s, text string) bool {
	for i := range len(text) {
		if lowerByte[s[i]] != text[i] {
			return false
		}
	}
	return true
}
