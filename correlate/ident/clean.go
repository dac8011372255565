package ident

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// escapes are the terminal's escape sequences (ECMA-48), as bytes and as loggers and
// editors write them out.
var escapes = regexp.MustCompile(`\x1b\[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)|\x1b[\x40-\x5a\x5c-\x5f]` +
	`|(?:\\u001[bB]|\\x1[bB]|\\033|\\e|\^\[)\[[0-9;]*m`)

// clean takes out of a text what is no text: colours, invisible marks that come along
// when one copies, and other control characters. Lines end in \n, and words stand apart
// by single-byte spaces.
func clean(text string) string {
	text = escapes.ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r':
			return '\n'
		case unicode.Is(unicode.Cf, r):
			return -1 // a byte order mark, a zero-width space
		case r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsPrint(r):
			return ' '
		}
		return r
	}, text)
}

// wrappings are what IDs are put in: quotes, code marks, brackets.
var wrappings = [][2]string{
	{`"`, `"`}, {"'", "'"}, {"`", "`"}, {"“", "”"}, {"‘", "’"}, {"«", "»"}, {"<", ">"}, {"[", "]"}, {"(", ")"}, {"{", "}"},
}

// strip takes off what a text is wrapped in, and punctuation after it.
func strip(text string) string {
	for {
		before := text
		text = strings.TrimSpace(strings.TrimRight(strings.TrimSpace(text), ",;"))
		text = strings.TrimSpace(strings.Trim(text, "`\""))
		for _, w := range wrappings {
			inner, ok := strings.CutPrefix(text, w[0])
			if !ok || isJSON(text) {
				continue
			}
			inner, ok = strings.CutSuffix(inner, w[1])
			if ok && !strings.ContainsAny(inner, w[0]+w[1]+"\n") {
				text = inner
			}
		}
		if text == before {
			return text
		}
	}
}

// isJSON reports whether the text is a JSON object or array.
func isJSON(text string) bool {
	return text != "" && (text[0] == '{' || text[0] == '[') && gjson.Valid(text)
}

// credentials are the forms that well-known issuers give their tokens: JSON Web Tokens
// (RFC 7519) and the prefixes of GitHub, GitLab, Slack, Stripe, AWS, Google and Grafana.
var credentials = regexp.MustCompile(`^eyJ[\w-]+\.[\w-]+\.[\w-]*$|^(?:gh[opsur]_|github_pat_|glpat-|xox[abeoprs]-|[sr]k_(?:live|test)_|whsec_|AKIA|ASIA|AIza|gl(?:sa|c)_)`)

func isCredential(text string) bool { return credentials.MatchString(text) }
