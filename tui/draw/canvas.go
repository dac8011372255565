package draw

import (
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// canvas is a field of cells that pieces are drawn onto, later ones over earlier ones.
type canvas struct {
	width, height int
	cells         []cell
	styles        []Style  // that cells refer to
	clusters      []string // characters of several runes, which cells refer to
}

// cell is what stands in one column of a line. A rune below 0 is a cluster, the
// complement of its index; covered is the second half of a wide character.
type cell struct {
	r     rune
	style uint8
}

const covered rune = 0

func newCanvas(width, height int) *canvas {
	c := &canvas{width: width, height: height, cells: make([]cell, width*height), styles: []Style{{}}}
	for i := range c.cells {
		c.cells[i].r = ' '
	}
	return c
}

// pen makes a style usable in cells. A canvas has few of them.
func (c *canvas) pen(s Style) uint8 {
	for i, known := range c.styles {
		if known == s {
			return uint8(i)
		}
	}
	if len(c.styles) == 256 {
		return 0
	}
	c.styles = append(c.styles, s)
	return uint8(len(c.styles) - 1)
}

// set draws a rune that is one cell wide. Outside of the canvas nothing is drawn.
func (c *canvas) set(x, y int, r rune, pen uint8) {
	if x < 0 || y < 0 || x >= c.width || y >= c.height {
		return
	}
	c.part(x, y)
	c.part(x+1, y)
	c.cells[y*c.width+x] = cell{r, pen}
}

// part blanks the wide character that covers both x and the cell before it, if there
// is one, since half of it is about to go.
func (c *canvas) part(x, y int) {
	if x <= 0 || x >= c.width || c.cells[y*c.width+x].r != covered {
		return
	}
	c.cells[y*c.width+x].r = ' '
	c.cells[y*c.width+x-1].r = ' '
}

// text draws text that is cut to at most width cells.
func (c *canvas) text(x, y int, s string, width int, pen uint8) {
	if x < 0 || y < 0 || y >= c.height {
		return
	}
	s, _ = cut(s, min(width, c.width-x))
	for s != "" {
		cluster, wide := s[:1], 1
		if s[0] >= utf8.RuneSelf || (len(s) > 1 && s[1] >= utf8.RuneSelf) {
			cluster, wide = ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
		}
		s = s[len(cluster):]
		if wide < 1 || x+wide > c.width {
			continue // nothing that is seen
		}
		r, size := utf8.DecodeRuneInString(cluster)
		if size < len(cluster) {
			c.clusters = append(c.clusters, cluster)
			r = -rune(len(c.clusters))
		}
		c.set(x, y, r, pen)
		for i := 1; i < wide; i++ {
			c.set(x+i, y, ' ', pen)
			c.cells[y*c.width+x+i].r = covered
		}
		x += wide
	}
}

// lines are the canvas as text, each line exactly as wide as the canvas.
func (c *canvas) lines() []string {
	lines := make([]string, c.height)
	buffer := make([]byte, 0, 8*c.width) // three bytes for braille and boxes, and styles
	for y := range lines {
		buffer = c.appendLine(buffer[:0], y)
		lines[y] = string(buffer)
	}
	return lines
}

func (c *canvas) appendLine(b []byte, y int) []byte {
	pen := uint8(0) // the plain one
	change := func(next uint8) {
		if c.styles[pen].on != "" {
			b = append(b, styleOff...)
		}
		b = append(b, c.styles[next].on...)
		pen = next
	}
	for _, at := range c.cells[y*c.width : (y+1)*c.width] {
		if at.r == covered {
			continue
		}
		if at.style != pen {
			change(at.style)
		}
		if at.r < 0 {
			b = append(b, c.clusters[-at.r-1]...)
		} else {
			b = utf8.AppendRune(b, at.r)
		}
	}
	change(0)
	return b
}

// remark is a drawing of nothing but a few words in the middle.
func remark(theme Theme, words string, width, height int) []string {
	c := newCanvas(width, height)
	words, wide := cut(words, width)
	c.text((width-wide)/2, (height-1)/2, words, width, c.pen(theme.Dim))
	return c.lines()
}
