package draw

import (
	"strings"
	"unicode/utf8"
)

// Align is at which side of a column its content stands.
type Align int

// The sides: text begins at the left, numbers end at the right.
const (
	Left Align = iota
	Right
)

// Column is one column of a table.
type Column struct {
	Title string
	Align Align
	// Min is how wide the column is at least, in cells; Max, unless 0, at most.
	Min, Max int
	// Priority says which columns go first where the width does not suffice: those of
	// the lowest, and of equal ones the one farthest to the right.
	Priority int
	// Flex is set for the one column that shrinks, down to Min, before another is
	// dropped. Of several the first is taken.
	Flex bool
}

// Part is a piece of text in one style.
type Part struct {
	Text  string
	Style Style
}

// Cell is the content of a column in one row.
type Cell []Part

// Text is a cell in one style.
func Text(text string, style Style) Cell { return Cell{{text, style}} }

// Table is a list of rows beneath a line of titles. Columns are as wide as the content
// of all rows asks for, so that they stand still while rows scroll.
type Table struct {
	Columns []Column
	// Rows hold a cell for each column; missing ones are empty.
	Rows [][]Cell
	// Selected is the row that is selected; -1 is none.
	Selected int
	// Top is the first row in sight, and Height how many lines there are, with the line
	// of titles; 0 is as many as there are rows.
	Top, Height int
}

const (
	columnGap = 1
	// gutter is the margin at the left, in which the mark of the selected row stands.
	gutter = 1
)

// Lines draws the table, each line exactly width cells wide. With a Height there are
// exactly so many.
func (t Table) Lines(theme Theme, width int) []string {
	if width < 1 || t.Height < 0 {
		return nil
	}
	shown := t.layout(width - gutter)
	height := t.Height
	if height == 0 {
		height = 1 + len(t.Rows)
	}
	lines := make([]string, 0, height)
	titles := make([]Cell, len(t.Columns))
	for i, column := range t.Columns {
		titles[i] = Text(column.Title, theme.Dim)
	}
	lines = append(lines, t.line(" ", titles, shown, width, Style{}))
	for i := max(t.Top, 0); len(lines) < height; i++ {
		switch {
		case i >= len(t.Rows):
			lines = append(lines, blank(width))
		case i == t.Selected:
			lines = append(lines, t.line(">", t.Rows[i], shown, width, theme.Selected))
		default:
			lines = append(lines, t.line(" ", t.Rows[i], shown, width, Style{}))
		}
	}
	return lines
}

// place is a column that is shown, with its width.
type place struct{ column, width int }

// layout picks the columns that fit into width cells.
func (t Table) layout(width int) []place {
	shown := make([]place, 0, len(t.Columns))
	for i := range t.Columns {
		shown = append(shown, place{i, t.natural(i)})
	}
	for {
		over := -width
		for i, p := range shown {
			over += p.width
			if i > 0 {
				over += columnGap
			}
		}
		if over <= 0 {
			return shown
		}
		if flex := t.flex(shown); flex >= 0 && shown[flex].width-over >= t.least(shown[flex].column) {
			shown[flex].width -= over
			return shown
		}
		if len(shown) == 1 {
			shown[0].width = max(width, 0)
			return shown
		}
		shown = t.drop(shown)
	}
}

// flex is which of the places shrinks; -1 is none.
func (t Table) flex(shown []place) int {
	for i, p := range shown {
		if t.Columns[p.column].Flex {
			return i
		}
	}
	return -1
}

// least is how narrow a column may become. A cell is needed to show that text was cut.
func (t Table) least(column int) int { return max(t.Columns[column].Min, 1) }

// drop takes out the column that matters least.
func (t Table) drop(shown []place) []place {
	least := 0
	for i, p := range shown {
		if t.Columns[p.column].Priority <= t.Columns[shown[least].column].Priority {
			least = i
		}
	}
	return append(shown[:least], shown[least+1:]...)
}

// natural is how wide a column's content is, within its bounds.
func (t Table) natural(i int) int {
	column := t.Columns[i]
	limit := column.Max
	if limit <= 0 {
		limit = maxColumn
	}
	wide := textWidth(column.Title, limit)
	for _, row := range t.Rows {
		if wide >= limit {
			break
		}
		if i >= len(row) {
			continue
		}
		sum := 0
		for _, part := range row[i] {
			sum += textWidth(part.Text, limit)
		}
		wide = max(wide, sum)
	}
	return max(min(wide, limit), column.Min)
}

// maxColumn bounds columns that name no bound: wider than any terminal, and little
// enough to be measured for every row of a hostile answer.
const maxColumn = 500

func textWidth(s string, limit int) int {
	_, wide := cut(s, limit)
	return wide
}

func (t Table) line(mark string, row []Cell, shown []place, width int, under Style) string {
	var b strings.Builder
	b.Grow(2*width + 16*len(shown))
	b.WriteString(under.Render(mark))
	used := gutter
	for i, p := range shown {
		if i > 0 {
			b.WriteString(under.Render(blank(columnGap)))
			used += columnGap
		}
		var content Cell
		if p.column < len(row) {
			content = row[p.column]
		}
		writeCell(&b, content, p.width, t.Columns[p.column].Align, under)
		used += p.width
	}
	b.WriteString(under.Render(blank(width - used)))
	return b.String()
}

// writeCell writes a cell in exactly width cells, each part over the style of its line.
func writeCell(b *strings.Builder, content Cell, width int, align Align, under Style) {
	parts := make(Cell, 0, 4)
	left := width
	for _, part := range content {
		text, wide := cut(part.Text, left)
		if n := len(parts); n > 0 && text != "" && text[0] >= utf8.RuneSelf && Width(parts[n-1].Text+text) != Width(parts[n-1].Text)+wide {
			text = blank(wide) // it would merge with the part before it, as two halves of a flag do
		}
		parts = append(parts, Part{text, part.Style})
		left -= wide
	}
	if align == Right {
		b.WriteString(under.Render(blank(left)))
	}
	for _, part := range parts {
		b.WriteString(under.With(part.Style).Render(part.Text))
	}
	if align == Left {
		b.WriteString(under.Render(blank(left)))
	}
}
