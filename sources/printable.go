package sources

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable makes text from a backend safe for a terminal: control characters, escape
// sequences, bytes that are not UTF-8 and the invisible characters that reorder text
// come out as visible escapes. Tabs and line breaks are escaped too, so that the
// result is always one line. Text that is safe already is returned as it is.
func Printable(s string) string {
	if isPrintable(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case Acts(r) && r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case Acts(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

func isPrintable(s string) bool {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if Acts(r) || (r == utf8.RuneError && size == 1) {
			return false
		}
		i += size
	}
	return true
}

// Acts tells what a terminal acts on instead of showing it: C0 and C1 controls, line
// and paragraph separators, and format characters (bidirectional overrides, zero-width
// marks). Zero-width joiners stay: emoji are made with them.
func Acts(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0:
		return true
	case r < 0xad: // the first of the others, the soft hyphen
		return false
	}
	return r != '\u200d' && unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// Shorten cuts s to at most width runes, the last of which is then an ellipsis.
func Shorten(s string, width int) string {
	if utf8.RuneCountInString(s) <= width || width < 1 {
		return s
	}
	runes := []rune(s)
	return string(runes[:width-1]) + "…"
}
