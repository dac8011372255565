package tui

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"obs/tui/draw"
)

// fitStyled cuts or fills a line that is already styled to exactly width cells.
func fitStyled(line string, width int) string {
	line = ansi.Truncate(line, width, "")
	return line + strings.Repeat(" ", max(0, width-ansi.StringWidth(line)))
}

// rule is a line across, with a title in it where there is one.
func rule(theme draw.Theme, title string, width int) string {
	if title == "" {
		return theme.Dim.Render(strings.Repeat("─", width))
	}
	title = draw.Cut(" "+title+" ", max(0, width-2))
	return theme.Dim.Render("─" + title + strings.Repeat("─", max(0, width-1-draw.Width(title))))
}
