// Package draw draws pieces of a terminal screen: charts, histograms, tables, bars.
//
// Values go in and lines of text come out; there is no state and no clock. Every piece
// is given a size in cells, the columns of a terminal, and its lines measure exactly
// that. Text may come from a backend: it is made printable here, so that the only
// escape sequences in a line are those of the styles.
package draw

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"obs/correlate/report"
	"obs/sources"
)

// Width is how many cells a line takes. Escape sequences of styles take none.
func Width(s string) int { return ansi.StringWidth(s) }

// Cut makes text printable and cuts it to at most width cells, the last of which is
// then an ellipsis. What would merge with a neighbor, such as an accent without its
// letter, is dropped at either end, so that the text is as wide anywhere in a line.
func Cut(s string, width int) string {
	s, _ = cut(s, width)
	return s
}

// Pad is Cut, with spaces behind it up to exactly width cells.
func Pad(s string, width int) string {
	s, wide := cut(s, width)
	return s + blank(width-wide)
}

// PadLeft is Cut, with spaces before it up to exactly width cells, as numbers stand.
func PadLeft(s string, width int) string {
	s, wide := cut(s, width)
	return blank(width-wide) + s
}

// Wrap makes text printable and breaks it between words into lines of at most width
// cells. A word that is wider, such as an ID, is broken where the line ends. Text
// without words is one empty line; a width below 1 leaves no lines.
func Wrap(s string, width int) []string {
	if width < 1 {
		return nil
	}
	var lines []string
	line, used := "", 0
	for _, word := range strings.Fields(sources.Printable(s)) {
		word = trimEdges(word)
		wide := Width(word)
		if line != "" && used+1+wide > width {
			lines = append(lines, line)
			line, used = "", 0
		}
		for wide > width {
			head, rest := splitAt(word, width)
			if head == "" {
				break // a single character that is wider than the line
			}
			lines = append(lines, head)
			word = trimEdges(rest)
			wide = Width(word)
		}
		if wide > width {
			word, wide = cut(word, width)
		}
		if line != "" && word != "" {
			line += " "
			used++
		}
		line += word
		used += wide
	}
	return append(lines, line)
}

// splitAt parts text after at most width cells.
func splitAt(s string, width int) (head, rest string) {
	at, used := 0, 0
	for at < len(s) {
		cluster, wide := ansi.FirstGraphemeCluster(s[at:], ansi.GraphemeWidth)
		if used+wide > width {
			break
		}
		at += len(cluster)
		used += wide
	}
	return trimEdges(s[:at]), s[at:]
}

// cut is Cut, with how wide the text came out.
func cut(s string, width int) (text string, wide int) {
	if width < 1 {
		return "", 0
	}
	if wide, simple := simpleWidth(s); simple && wide <= width {
		return s, wide
	}
	// A keycap emoji comes out of Fit a cell wider than it went in: then there is one less.
	for room := width; room > 0; room-- {
		text = trimEdges(report.Fit(s, room))
		if wide = Width(text); wide <= width {
			return text, wide
		}
	}
	return "", 0
}

// simpleWidth is how wide text is that consists of characters that are one cell wide
// each and merge with none: most of what a screen shows. Other text must be parted into
// what is seen as a character, which is what drawing would else spend its time on.
func simpleWidth(s string) (wide int, simple bool) {
	for _, r := range s {
		if !isSimple(r) {
			return 0, false
		}
		wide++
	}
	return wide, true
}

// isSimple reports whether r is visible ASCII, part of a box, bar or braille pattern,
// or one of the signs of obs.
func isSimple(r rune) bool {
	switch {
	case r >= 0x20 && r <= 0x7e, r >= 0x2500 && r <= 0x259f, r >= 0x2800 && r <= 0x28ff:
		return true
	}
	switch r {
	case '●', '▲', '✖', '…', '↑', '↓', '→', '←', '·', 'µ':
		return true
	}
	return false
}

// trimEdges drops characters at the ends of printable text as long as they change how
// wide its neighbors are: an accent or a variation selector in front, a character
// behind that takes the next one in.
func trimEdges(s string) string {
	for s != "" && Width(" "+s) != 1+Width(s) {
		cluster, _ := ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
		s = s[len(cluster):]
	}
	for s != "" && Width(s+" ") != Width(s)+1 {
		runes := []rune(s)
		s = string(runes[:len(runes)-1])
	}
	return s
}

const spaces = "                                                                                "

func blank(n int) string {
	switch {
	case n <= 0:
		return ""
	case n <= len(spaces):
		return spaces[:n]
	}
	return strings.Repeat(" ", n)
}
