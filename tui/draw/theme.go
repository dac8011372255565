package draw

import (
	"image/color"
	"strings"

	"charm.land/lipgloss/v2"
)

// Style is how a piece of text looks: what to send a terminal before it, and what ends
// it. The zero Style changes nothing. Styles compare with ==, and unlike lipgloss's
// work out their sequences once and not at every use.
type Style struct{ on string }

const styleOff = "\x1b[m"

// NewStyle takes colors and attributes over from a lipgloss style, and nothing else
// of it.
func NewStyle(s lipgloss.Style) Style {
	on, _, styled := strings.Cut(s.Inline(true).Render("x"), "x")
	if !styled {
		return Style{}
	}
	return Style{on: on}
}

// Render styles text, which must be printable and a single line.
func (s Style) Render(text string) string {
	if s.on == "" || text == "" {
		return text
	}
	return s.on + text + styleOff
}

// With is s and, where both say something, o.
func (s Style) With(o Style) Style { return Style{on: s.on + o.on} }

// maxSeries is how many lines a chart draws. More cannot be told apart.
const maxSeries = 6

// Theme holds the styles in use.
type Theme struct {
	Plain   Style
	Dim     Style // what may be overlooked
	Strong  Style
	Healthy Style
	Watch   Style
	Bad     Style
	// Accent is for what is selected within text, Selected for a line that is selected.
	Accent   Style
	Selected Style
	// Band fills the expected range of a chart.
	Band Style
	// Series are the lines of a chart, in their order.
	Series [maxSeries]Style
}

// NewTheme is the theme for a terminal's background. Colors come from the terminal's
// own palette of 16, which its owner made readable on it. Where that has too few, the
// lines of a chart, or none that is faint enough, the band, there are colors per
// background.
//
// Without colors the attributes bold and reverse remain: they are no colors, and
// something must show what is selected.
func NewTheme(dark, noColor bool) Theme {
	if noColor {
		bold := NewStyle(lipgloss.NewStyle().Bold(true))
		return Theme{Strong: bold, Accent: bold, Selected: NewStyle(lipgloss.NewStyle().Reverse(true))}
	}
	plain := lipgloss.NewStyle()
	pick := lipgloss.LightDark(dark)
	theme := Theme{
		Dim:      NewStyle(plain.Faint(true)),
		Strong:   NewStyle(plain.Bold(true)),
		Healthy:  NewStyle(plain.Foreground(lipgloss.Green)),
		Watch:    NewStyle(plain.Foreground(lipgloss.Yellow)),
		Bad:      NewStyle(plain.Foreground(lipgloss.Red)),
		Accent:   NewStyle(plain.Bold(true).Foreground(pick(lipgloss.Blue, lipgloss.Cyan))),
		Selected: NewStyle(plain.Reverse(true)),
		Band:     NewStyle(plain.Foreground(pick(lipgloss.Color("#b8bec5"), lipgloss.Color("#4a515a")))),
	}
	for i, c := range seriesColors(dark) {
		theme.Series[i] = NewStyle(plain.Foreground(c))
	}
	return theme
}

// seriesColors are hues other than green, yellow and red, which have a meaning. Each
// has a contrast of at least 4.5 to 1 against its background, which is what WCAG 2
// asks of text.
func seriesColors(dark bool) [maxSeries]color.Color {
	names := [maxSeries]string{"#0550ae", "#8250df", "#0b6e74", "#a8326f", "#57606a", "#6b4a2b"}
	if dark {
		names = [maxSeries]string{"#79c0ff", "#d2a8ff", "#56d4dd", "#ff9bce", "#b1bac4", "#d9b38c"}
	}
	var colors [maxSeries]color.Color
	for i, name := range names {
		colors[i] = lipgloss.Color(name)
	}
	return colors
}

// SeriesSign is the mark of a chart's i-th line, counted from 0: a digit, which stands
// at the line's end when there are several, and in the caller's legend.
func SeriesSign(i int) string {
	if i < 0 || i >= maxSeries {
		return " "
	}
	return string(rune('1' + i))
}

// Level is what a color says.
type Level int

// The levels, of which the zero value is that nothing is known.
const (
	Unknown Level = iota
	Healthy
	Watch
	Bad
)

// Sign is the level without a color: one stands beside every color.
func (l Level) Sign() string {
	switch l {
	case Healthy:
		return "●"
	case Watch:
		return "▲"
	case Bad:
		return "✖"
	}
	return "?"
}

// Level is the style of a level.
func (t Theme) Level(l Level) Style {
	switch l {
	case Healthy:
		return t.Healthy
	case Watch:
		return t.Watch
	case Bad:
		return t.Bad
	}
	return t.Dim
}

// Sign is the styled sign of a level.
func (t Theme) Sign(l Level) string { return t.Level(l).Render(l.Sign()) }
