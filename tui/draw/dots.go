package draw

// dots is a field of braille: two columns and four rows of dots to a cell. A cell has
// one owner, the last one that drew into it, whose style all its dots have.
type dots struct {
	width, height int // in cells
	bits          []uint8
	owners        []uint8 // 0 is none
}

func newDots(width, height int) *dots {
	n := width * height
	both := make([]uint8, 2*n)
	return &dots{width: width, height: height, bits: both[:n], owners: both[n:]}
}

// brailleBits are the bits of Unicode's braille patterns, by column and row.
var brailleBits = [2][4]uint8{{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}

const brailleBlank = 0x2800

// span sets the dots of column x between two rows, with both of them.
func (d *dots) span(x, y0, y1 int, owner uint8) {
	if y0 > y1 {
		y0, y1 = y1, y0
	}
	if x < 0 || x >= 2*d.width {
		return
	}
	y0, y1 = max(y0, 0), min(y1, 4*d.height-1)
	column := &brailleBits[x%2]
	first, last := y0/4, y1/4
	for cell := first; cell <= last; cell++ {
		bits := column[0] | column[1] | column[2] | column[3]
		if cell == first || cell == last {
			bits = 0
			for y := max(y0, 4*cell); y <= min(y1, 4*cell+3); y++ {
				bits |= column[y%4]
			}
		}
		at := cell*d.width + x/2
		d.bits[at] |= bits
		d.owners[at] = owner
	}
}

// join draws a line from a dot to one that is not to the left of it. Each column takes
// the rows that the line crosses in it, half of a step to either side of its middle.
func (d *dots) join(x0, y0, x1, y1 int, owner uint8) {
	if x0 >= x1 {
		d.span(x1, y0, y1, owner)
		return
	}
	wide, rise := x1-x0, y1-y0
	from := y0
	for i := range wide {
		to := y0 + (2*i+1)*rise/(2*wide)
		d.span(x0+i, from, to, owner)
		from = to
	}
	d.span(x1, from, y1, owner)
}

// draw puts the dots onto a canvas, from column left on. Cells without dots stay as
// they are.
func (d *dots) draw(c *canvas, left int, pens []uint8) {
	for i, bits := range d.bits {
		if bits != 0 {
			c.set(left+i%d.width, i/d.width, brailleBlank+rune(bits), pens[d.owners[i]])
		}
	}
}
