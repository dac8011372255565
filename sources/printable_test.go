package sources_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"obs/sources"
)

func TestPrintable(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{"plain é 漢字 😀", "plain é 漢字 😀"},
		{"👩\u200d💻", "👩\u200d💻"}, // a joiner makes one emoji of two
		{"a\nb\rc\td", `a\nb\rc\td`},
		{"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		{"\x1b]52;c;aGk=\x07", `\x1b]52;c;aGk=\x07`},
		{"\x00\x7f", `\x00\x7f`},
		{"\u009b31m", `\u009b31m`}, // the control sequence introducer in one character
		{"a\u202eb\u2066c\u200ed", `a\u202eb\u2066c\u200ed`},
		{"a\u2028b\u2029c", `a\u2028b\u2029c`},
		{"a\u200bb\ufeffc\u00add", `a\u200bb\ufeffc\u00add`},
		{"\U000e0041", `\ue0041`},
		{"a\xff\xc3b", `a\xff\xc3b`},
		{"\ufffd", "\ufffd"}, // what was broken elsewhere is no danger
		{`a\nb`, `a\nb`},
	} {
		if got := sources.Printable(test.text); got != test.want {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	for _, seed := range []string{"", "plain", "\x1b[2J\x07\n", "\u009b\u202e\u2066\u2028\u200b\ufeff", "a\xff\xfe", "é😀\u200d", "\U000e0041"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := sources.Printable(text)
		if !utf8.ValidString(got) {
			t.Errorf("%q: %q is not UTF-8", text, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
				t.Errorf("%q lets %U through", text, r)
			}
		}
		if again := sources.Printable(got); again != got {
			t.Errorf("%q: once %q, twice %q", text, got, again)
		}
	})
}

func TestShorten(t *testing.T) {
	for _, test := range []struct {
		text  string
		width int
		want  string
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"漢字漢字", 3, "漢字…"},
		{"abc", 1, "…"},
		{"abc", 0, "abc"},
		{"", 5, ""},
	} {
		if got := sources.Shorten(test.text, test.width); got != test.want {
			t.Errorf("%q to %d: got %q, want %q", test.text, test.width, got, test.want)
		}
	}
	long := sources.Shorten(strings.Repeat("\xff", 100), 10)
	if utf8.RuneCountInString(long) != 10 || !utf8.ValidString(long) {
		t.Errorf("bytes that are not UTF-8: %q", long)
	}
}
