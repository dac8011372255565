// Package redact takes out of texts what looks like a secret: passwords, tokens and keys that
// programs log by mistake. What obs keeps of a backend's answers is passed on to other people,
// in tickets and reports of mistakes, and must not pass those on.
//
// It judges by form and name alone, so it finds what is written as usual and nothing else.
// Numbers of payment cards are left alone: one in ten numbers of that length looks like one.
package redact

import (
	"regexp"
	"slices"
	"strings"
)

// Mark stands where a secret was.
const Mark = "[redacted]"

// Shape is a form by which a secret tells itself, as its issuer documents it. Where Pattern has
// a group, that is the secret, and all of it otherwise.
type Shape struct {
	Kind    string
	Pattern *regexp.Regexp

	// hints are texts of which one stands in whatever has the form, as does also. Looking for
	// them is much cheaper than looking for the form, which never has a quote in it.
	hints []string
	also  string
}

// Shapes are the forms that are known.
var Shapes = []Shape{
	// Its lines may be those of a text, or stand in JSON, but do not reach beyond its string.
	{"private key", regexp.MustCompile(`-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----((?:[^"\\-]|\\[nr])*)`), []string{"PRIVATE KEY-----"}, ""},
	{"AWS access key", regexp.MustCompile(`\b(?:AKIA|ASIA)[A-Z2-7]{16}\b`), []string{"AKIA", "ASIA"}, ""},
	{"JSON web token", regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}`), []string{"eyJ"}, "."},
	{"GitHub token", regexp.MustCompile(`\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{30,})`), []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"}, ""},
	{"Slack token", regexp.MustCompile(`\bxox[abprs]-[A-Za-z0-9-]{10,}`), []string{"xox"}, "-"},
	{"password in an address", regexp.MustCompile(`\b[a-z][a-z0-9+.-]*://[^\s/:@"'\\]+:([^\s/:@"'*\\]{3,})@[A-Za-z0-9\[]`), []string{"://"}, "@"},
	{"bearer token", regexp.MustCompile(`(?i)\bbearer\s+([A-Za-z0-9._~+/-]{16,}=*)`), []string{"earer", "EARER"}, ""},
}

// Names are what names of secrets contain, as a regular expression for names in lower case and
// without marks between their words.
const Names = `authorization|cookie|passw|passphrase|secret|apikey|token|credential|signature|jwt|csrf|xsrf`

// words are what such names contain as text has them, but for api_key, whose words may stand apart.
var words = []string{"authorization", "cookie", "passw", "passphrase", "pwd", "secret", "token", "credential", "signature", "jwt", "csrf", "xsrf"}

// nameHints are beginnings of all of them.
var nameHints = append(slices.Clone(words), "api")

// name ends a name that a secret goes by. Whatever stands before is of no interest.
var name = `((?:` + strings.Join(words, "|") + `|api[_.-]?key)[a-z0-9_.-]*)`

const (
	// between is what stands between a name and its value: name=value, name: value, and both in
	// quotes as JSON has them, or JSON within JSON.
	between = `(?:\\*["'])?\s*[=:]\s*(?:\\*["'])?(?:(?:basic|bearer|digest|token)\s+)?`
	// value ends where a string of JSON, a field of logfmt or a parameter of an address may, and
	// before whatever is escaped in JSON, so that text is redacted alike in and out of it.
	value = `([^\s"'\\,;&<>]+)`
)

var (
	// pair is such a name, and the value that it has.
	pair = regexp.MustCompile(`(?i)^` + name + between + value)
	// attribute is a span's attribute in the JSON of OTLP or Jaeger, from within its name on.
	attribute = regexp.MustCompile(`(?i)^` + name + `",\s*(?:"type":\s*"string",\s*)?"value":\s*(?:\{\s*"stringValue":\s*)?"([^"\\]+)`)
	// marked is what stands where a secret was taken out already, or what is said about one.
	marked = regexp.MustCompile(`(?i)^(?:[*x.•#_-]+|\W*(?:redacted|masked|hidden|filtered|removed|secret|none|null|nil|true|false|empty|missing|invalid|wrong|expired|changed|reset|required|incorrect|yes|no|ok)\W*)$`)
	digit  = regexp.MustCompile(`[0-9]`)
)

// Marked reports whether a value that has the name of a secret is only a word about one, or
// stands where one was.
func Marked(value string) bool {
	return strings.HasPrefix(value, Mark) || marked.MatchString(value) || strings.Contains(value, "***")
}

// LooksLikePassword and LooksLikeToken judge a value that goes by such a name. A token is long
// enough for 64 random bits in base 16, and no password has a space or begins like a path, which
// PWD does.
func LooksLikePassword(value string) bool {
	return len(value) >= 4 && value[0] != '/' && !strings.Contains(value, " ") && !Marked(value)
}

// LooksLikeToken is LooksLikePassword for anything else that has the name of a secret.
func LooksLikeToken(value string) bool {
	return len(value) >= shortestToken && digit.MatchString(value) && !Marked(value)
}

const shortestToken = 16

// Text is a text without what looks like a secret. It may be JSON, which stays JSON, and what
// was redacted stays as it is when redacted again.
func Text(text string) string {
	if !suspect(text) {
		return text
	}
	for i := range Shapes {
		text = Shapes[i].mask(text)
	}
	return maskNamed(text)
}

// Field is the value of a field of that name without what looks like a secret.
func Field(name, value string) string {
	for at := 0; ; at++ {
		next := nextName(name[at:])
		if next < 0 {
			return Text(value)
		}
		if at += next; named.MatchString(name[at:]) && looks(name[at:], value) {
			return Mark
		}
	}
}

// named is a field's name from the name of a secret on.
var named = regexp.MustCompile(`(?i)^` + name + `$`)

// aboutOne are ends of names of what belongs to a secret and is none.
var aboutOne = regexp.MustCompile(`(?i)[_.-](?:command|file|path|env|keyring|id|url|uri|endpoint|name|type|count|length|size|policy|ttl|age|expiry|expires|expires_at|expires_in)$`)

// looks judges a value by its name, from the part on that is a secret's.
func looks(name, value string) bool {
	if aboutOne.MatchString(name) {
		return false
	}
	if name[0] == 'p' || name[0] == 'P' { // password, passphrase, pwd
		return LooksLikePassword(value)
	}
	return LooksLikeToken(value)
}

// mask puts Mark in place of what has the form. It looks between quotes, since an answer of many
// megabytes has a hint here and there.
func (s *Shape) mask(text string) string {
	var b strings.Builder
	done := 0
	for at := 0; ; {
		hint := s.next(text[at:])
		if hint < 0 {
			break
		}
		from, to := at+strings.LastIndexByte(text[at:at+hint], '"')+1, len(text)
		if quote := strings.IndexByte(text[at+hint:], '"'); quote >= 0 {
			to = at + hint + quote
		}
		at = to
		if !strings.Contains(text[from:to], s.also) {
			continue
		}
		for _, m := range s.Pattern.FindAllStringSubmatchIndex(text[from:to], -1) {
			begin, end := from+m[len(m)-2], from+m[len(m)-1]
			if begin == end || strings.HasPrefix(text[begin:], Mark) {
				continue
			}
			b.WriteString(text[done:begin])
			b.WriteString(Mark)
			done = end
		}
	}
	return b.String() + text[done:]
}

// next is where the first of the hints stands; negative where none does.
func (s *Shape) next(text string) int {
	first := -1
	for _, hint := range s.hints {
		if at := strings.Index(text, hint); at >= 0 {
			first, text = at, text[:at]
		}
	}
	return first
}

// maskNamed puts Mark in place of values that have the name of a secret.
func maskNamed(text string) string {
	var b strings.Builder
	done := 0
	for at := 0; ; at++ {
		next := nextName(text[at:])
		if next < 0 {
			break
		}
		at += next
		m := pair.FindStringSubmatchIndex(text[at:])
		if m == nil {
			m = attribute.FindStringSubmatchIndex(text[at:])
		}
		if len(m) == 0 || !looks(text[at+m[2]:at+m[3]], text[at+m[4]:at+m[5]]) {
			continue
		}
		b.WriteString(text[done : at+m[4]])
		b.WriteString(Mark)
		done = at + m[5]
		at = done - 1
	}
	return b.String() + text[done:]
}

// nextName is where the next name of a secret may begin; negative where none does.
func nextName(text string) int {
	for i := 2; i < len(text); i++ {
		if !beginnings[three(text[i-2], text[i-1], text[i])] {
			continue
		}
		for _, hint := range nameHints {
			if rest := text[i-2:]; len(rest) >= len(hint) && strings.EqualFold(rest[:len(hint)], hint) {
				return i - 2
			}
		}
	}
	return -1
}

// beginnings are the first three letters of all hints, in a table by their lowest five bits, in
// which letters of both cases are the same. Nearly all texts of a trace with tens of thousands
// of spans hold none, and are looked at once.
var beginnings = func() (table [1 << 15]bool) {
	add := func(hint string) { table[three(hint[0], hint[1], hint[2])] = true }
	for i := range Shapes {
		for _, hint := range Shapes[i].hints {
			add(hint)
		}
	}
	for _, hint := range nameHints {
		add(hint)
	}
	return table
}()

func three(a, b, c byte) int { return int(a&31)<<10 | int(b&31)<<5 | int(c&31) }

// suspect reports whether a text may hold anything that is looked for.
func suspect(text string) bool {
	for i := 2; i < len(text); i++ {
		if beginnings[three(text[i-2], text[i-1], text[i])] {
			return true
		}
	}
	return false
}
