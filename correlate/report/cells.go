package report

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"obs/sources"
)

// Widths here are in cells, the columns of a terminal: a Chinese character or an emoji
// takes two, a combining accent none.

// Fit makes text printable and cuts it to at most width cells, the last of which is
// then an ellipsis. A width below 1 leaves nothing.
func Fit(s string, width int) string {
	s, _ = fit(s, width)
	return s
}

// fit also tells how many cells what is left takes.
func fit(s string, width int) (cut string, wide int) {
	switch plain := isPlain(s); {
	case plain && len(s) <= width:
		return s, len(s)
	case width < 1:
		return "", 0
	case plain:
		return s[:width-1] + "…", width
	}
	s = sources.Printable(s)
	// Of some marks it cuts behind one cell what takes two, as a digit with a variation selector.
	for less := 0; ; less++ {
		cut = ansi.Truncate(s, width-less, "…")
		if wide = cells(cut); wide <= width || less == width {
			return cut, wide
		}
	}
}

// cells is how wide text is between two spaces, with which a mark at either end of it
// may merge.
func cells(s string) int {
	if isPlain(s) {
		return len(s)
	}
	return ansi.StringWidth(" "+s+" ") - 2
}

// isPlain tells that each byte takes one cell, as in most names: what has to be worked
// out for others takes most of the time that a long trace is drawn in.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// pad fits text into a column whose content starts at its left.
func pad(s string, width int) string {
	s, wide := fit(s, width)
	return s + strings.Repeat(" ", max(0, width-wide))
}

// padLeft fits text into a column whose content ends at its right, as numbers do.
func padLeft(s string, width int) string {
	s, wide := fit(s, width)
	return strings.Repeat(" ", max(0, width-wide)) + s
}

// wrap breaks printable text between words into lines of at most width cells. A longer
// word, such as an ID, stays whole.
func wrap(text string, width int) []string {
	var lines []string
	line, used := "", 0
	for _, word := range strings.Fields(text) {
		wide := cells(word)
		if line != "" && used+1+wide > width {
			lines = append(lines, line)
			line, used = "", 0
		}
		if line != "" {
			line += " "
			used++
		}
		line += word
		used += wide
	}
	return append(lines, line)
}
