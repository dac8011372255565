package main

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// ink is how a piece of a screen looks.
type ink struct {
	fore              string // "" is the usual
	bold, dim, invert bool
}

const (
	paper   = "#16181d"
	writing = "#d6dae0"
)

// palette is the 16 colors of a terminal, as most of the dark ones have them.
var palette = [16]string{
	"#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4",
	"#6e7681", "#ffa198", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#ffffff",
}

// apply takes the parameters of one SGR sequence in.
func (i ink) apply(parameters string) ink {
	codes := strings.FieldsFunc(parameters, func(r rune) bool { return r == ';' || r == ':' })
	if len(codes) == 0 {
		return ink{}
	}
	for at := 0; at < len(codes); at++ {
		n, err := strconv.Atoi(codes[at])
		if err != nil {
			continue
		}
		switch {
		case n == 0:
			i = ink{}
		case n == 1:
			i.bold = true
		case n == 2:
			i.dim = true
		case n == 7:
			i.invert = true
		case n == 22:
			i.bold, i.dim = false, false
		case n == 27:
			i.invert = false
		case n >= 30 && n <= 37:
			i.fore = palette[n-30]
		case n >= 90 && n <= 97:
			i.fore = palette[n-90+8]
		case n == 39:
			i.fore = ""
		case n == 38 && at+2 < len(codes) && codes[at+1] == "5":
			i.fore = indexed(codes[at+2])
			at += 2
		case n == 38 && at+4 < len(codes) && codes[at+1] == "2":
			i.fore = "rgb(" + strings.Join(codes[at+2:at+5], ",") + ")"
			at += 4
		}
	}
	return i
}

// indexed is a color of the 256 by its number: the palette, a cube of 6, or a gray.
func indexed(number string) string {
	n, err := strconv.Atoi(number)
	switch {
	case err != nil || n < 0 || n > 255:
		return ""
	case n < 16:
		return palette[n]
	case n >= 232:
		gray := 8 + 10*(n-232)
		return fmt.Sprintf("rgb(%d,%d,%d)", gray, gray, gray)
	}
	step := func(v int) int {
		if v == 0 {
			return 0
		}
		return 55 + 40*v
	}
	n -= 16
	return fmt.Sprintf("rgb(%d,%d,%d)", step(n/36), step(n/6%6), step(n%6))
}

// run is a piece of a line in one ink.
type run struct {
	column, cells int
	text          string
	ink           ink
}

// runs takes a line with its sequences apart.
func runs(line string) []run {
	var all []run
	var present ink
	column := 0
	for line != "" {
		if rest, found := strings.CutPrefix(line, "\x1b["); found {
			end := strings.IndexFunc(rest, func(r rune) bool { return r >= '@' && r <= '~' })
			if end < 0 {
				return all
			}
			if rest[end] == 'm' {
				present = present.apply(rest[:end])
			}
			line = rest[end+1:]
			continue
		}
		text, _, _ := strings.Cut(line, "\x1b")
		if text == "" {
			line = line[1:] // of a sequence that is none of ours
			continue
		}
		line = line[len(text):]
		cells := ansi.StringWidth(text)
		all = append(all, run{column, cells, text, present})
		column += cells
	}
	return all
}

// drawScreen writes the lines of a screen as SVG, the first one at top.
func drawScreen(b *strings.Builder, lines []string, top int) error {
	for i, line := range lines {
		y := top + i*cellHeight
		for _, r := range runs(line) {
			if r.text == strings.Repeat(" ", len(r.text)) && !r.ink.invert {
				continue
			}
			x := margin + float64(r.column)*cellWidth
			fore, back := r.ink.fore, ""
			if fore == "" {
				fore = writing
			}
			if r.ink.invert {
				fore, back = paper, fore
			}
			if back != "" {
				fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`, x, y, float64(r.cells)*cellWidth, cellHeight, back)
			}
			fmt.Fprintf(b, `<text x="%.1f" y="%d" fill="%s" textLength="%.1f" lengthAdjust="spacingAndGlyphs" xml:space="preserve"`, x, y+cellHeight-4, fore, float64(r.cells)*cellWidth)
			if r.ink.bold {
				b.WriteString(` font-weight="bold"`)
			}
			if r.ink.dim {
				b.WriteString(` opacity="0.6"`)
			}
			b.WriteString(">")
			if err := xml.EscapeText(b, []byte(r.text)); err != nil {
				return err
			}
			b.WriteString("</text>\n")
		}
	}
	return nil
}
