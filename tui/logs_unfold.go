package tui

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"obs/correlate"
	"obs/sources"
	"obs/tui/draw"
)

// unfolded is what stands beneath a record's row, laid out for a width.
type unfolded struct {
	width int
	lines []detail
}

// detail is one of its lines: a name, where it begins one, and a part of its value.
type detail struct {
	indent     int
	name, text string
	dim        bool
}

func (d detail) line(theme draw.Theme, width int) string {
	lead := strings.Repeat(" ", min(width, d.indent))
	name := draw.Cut(d.name, max(0, width-len(lead)))
	style := theme.Plain
	if d.dim {
		style = theme.Dim
	}
	return lead + theme.Accent.Render(name) + style.Render(draw.Pad(d.text, max(0, width-len(lead)-draw.Width(name))))
}

// details are the lines beneath a record's row.
func (l *logsScreen) details(n, width int) []detail {
	u := l.open[n]
	if u.width != width {
		u.width, u.lines = width, l.unfold(n, width)
	}
	return u.lines
}

func (l *logsScreen) unfold(n, width int) []detail {
	r := l.record(n)
	o := &laying{width: width, room: unfoldedText}
	message, fields := correlate.Unfold(r.Line)
	row := l.row(n)
	inSight := l.offset == 0 && len(r.Line) <= rowBytes && !strings.Contains(message, "\n") && row.textWide <= l.rowLayout(width).message
	if message != "" && !inSight {
		o.add("", message, false)
	}
	for _, told := range []bool{false, true} { // what the row tells comes last
		for _, f := range fields {
			if toldElsewhere[f.Key] == told {
				o.add(f.Key+": ", f.Value, told)
			}
		}
	}
	o.labels("labels ", r.Labels)
	o.labels("metadata ", r.Metadata)
	var told []string
	switch {
	case r.Join.Weak():
		told = append(told, "▲ joined by the same service and time (weak)")
	case r.Join != "":
		told = append(told, "joined by "+string(r.Join))
	}
	if r.SpanID != "" {
		told = append(told, "span_id "+string(r.SpanID))
	}
	if r.TraceID != "" {
		told = append(told, "trace_id "+string(r.TraceID))
	}
	told = append(told, r.Time.UTC().Format(time.RFC3339Nano))
	o.room = max(o.room, unfoldedText/64) // by what it was joined is always there
	o.add("record ", strings.Join(told, "  "), true)
	if o.left > 0 {
		o.lines = append(o.lines, detail{indent: recordIndent, text: fmt.Sprintf("… %d more bytes; y copies the whole line", o.left), dim: true})
	}
	return o.lines
}

// laying lays out what stands beneath a row.
type laying struct {
	width, room int // room is the bytes that may still be laid out
	left        int // bytes that were not
	lines       []detail
}

func (o *laying) add(name, text string, dim bool) {
	text = withoutColors(text)
	if kept := head(text, o.room); len(kept) < len(text) {
		o.left += len(text) - len(kept)
		text = kept
	}
	o.room -= len(text)
	name = draw.Cut(name, max(1, o.width/2))
	first := o.width - recordIndent - draw.Width(name) - 1
	inner := recordIndent
	if name != "" {
		inner += 2
	}
	for i, line := range wrapLines(text, max(1, first), max(1, o.width-inner-1)) {
		if i == 0 {
			o.lines = append(o.lines, detail{indent: recordIndent, name: name, text: line, dim: dim})
		} else {
			o.lines = append(o.lines, detail{indent: inner, text: line, dim: dim})
		}
	}
}

func (o *laying) labels(title string, labels sources.Labels) {
	if len(labels) == 0 {
		return
	}
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(labels)) {
		if i > 0 {
			b.WriteString("  ")
		}
		b.WriteString(name + "=" + labels[name])
	}
	o.add(title, b.String(), true)
}

// wrapLines breaks a text into lines of at most width cells, the first of at most first
// cells. It keeps the lines that the text has, and how far they stand in.
func wrapLines(text string, first, width int) []string {
	var lines []string
	for i, line := range strings.Split(strings.TrimRight(text, "\r\n"), "\n") {
		room := width
		if i == 0 {
			room = first
		}
		line = strings.ReplaceAll(strings.TrimRight(line, "\r \t"), "\t", "    ")
		body := strings.TrimLeft(line, " ")
		lead := max(0, min(len(line)-len(body), room/2, room-2)) // two cells hold any character
		for body = sources.Printable(body); ; room = width {
			piece, rest := breakAt(body, max(1, room-lead))
			lines = append(lines, strings.Repeat(" ", lead)+piece)
			if body = rest; body == "" {
				break
			}
		}
	}
	return lines
}

// breakAt parts printable text where a line of width cells ends: between words where
// there are any, the second half of the line.
func breakAt(s string, width int) (line, rest string) {
	part := head(s, bytesOf(width))
	var end int
	switch {
	case isASCII(part) && len(part) <= width:
		return part, s[len(part):]
	case isASCII(part):
		end = width
	default:
		// Mostly a quarter of it is enough, and measuring is slow.
		if end = len(ansi.Truncate(head(part, bytesOf(width/4)), width, "")); end == len(head(part, bytesOf(width/4))) {
			end = len(ansi.Truncate(part, width, ""))
		}
		if end == 0 {
			_, end = utf8.DecodeRuneInString(part) // a character that is wider than the line
		}
	}
	if end >= len(s) {
		return s, ""
	}
	if s[end] == ' ' {
		return s[:end], strings.TrimLeft(s[end:], " ")
	}
	if space := strings.LastIndexByte(s[:end], ' '); space > end/2 {
		return s[:space], strings.TrimLeft(s[space:], " ")
	}
	return s[:end], s[end:]
}

// oneLine is the first line of a text that says something, printable, and how many
// further ones there are.
func oneLine(text string) (line string, more int) {
	text = strings.TrimSpace(withoutColors(text))
	line, rest, cut := strings.Cut(text, "\n")
	if cut {
		more = 1 + strings.Count(rest, "\n")
	}
	return sources.Printable(strings.ReplaceAll(strings.TrimRight(line, "\r"), "\t", " ")), more
}

// withoutColors takes out the sequences by which many loggers color their lines, and no
// others: those are shown.
func withoutColors(text string) string {
	if !strings.Contains(text, "\x1b[") {
		return text
	}
	var b strings.Builder
	for {
		i := strings.Index(text, "\x1b[")
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		end := i + 2
		for end < len(text) && (text[end] >= '0' && text[end] <= '9' || text[end] == ';' || text[end] == ':') {
			end++
		}
		if end < len(text) && text[end] == 'm' {
			b.WriteString(text[:i])
			text = text[end+1:]
			continue
		}
		b.WriteString(text[:end])
		text = text[end:]
	}
}

// head is the beginning of a text, of at most n bytes.
func head(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// dropCells is a printable text without its first n cells.
func dropCells(s string, n int) string {
	if n <= 0 {
		return s
	}
	if isASCII(s) {
		return s[min(n, len(s)):]
	}
	return ansi.TruncateLeft(s, n, "")
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
