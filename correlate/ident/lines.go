package ident

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

var (
	// transcript tells what curl -v or -i prints from log lines.
	transcript = regexp.MustCompile(`(?m)^(?:[<>] )?HTTP/[0-9]|^[<>] [A-Za-z][A-Za-z0-9-]*:`)
	headerLine = regexp.MustCompile(`^(?:[<>] )?([A-Za-z][A-Za-z0-9_-]*): *(.*)$`)
	// sleuth is how Spring Cloud Sleuth begins lines: [service,trace,span,exported].
	sleuth = regexp.MustCompile(`\[[^\[\],]*,([0-9a-f]{32}|[0-9a-f]{16}),([0-9a-f]{16})(?:,(true|false))?\]`)
	// spoken are names that people write in two words: trace id.
	spoken = regexp.MustCompile(`(?i)\b(trace|span|request|correlation) (id)\b`)
)

// maxParses bounds how often the reading of JSON is tried, so that a text of brackets
// is not read anew from each of them.
const maxParses = 64

// lines reads lines of logs, JSON over one or several lines, and transcripts.
func (r *reader) lines(text string) {
	headers := transcript.MatchString(text)
	parses := 0
	r.begin()
	for text != "" {
		line, rest, _ := strings.Cut(text, "\n")
		if at := strings.IndexByte(line, '{'); at >= 0 && parses < maxParses && r.lineRole(line) != secret {
			parses++
			if value, length := firstJSON(text[at:]); length > 0 {
				if !headers {
					r.end()
				}
				r.line(line[:at], headers)
				r.json("", value, 0)
				rest = text[at+length:]
				line = ""
			}
		}
		if kind := r.lineRole(line); !headers && (kind == unnamed || kind == messageName) {
			r.end() // several headers that are known are of one request
		}
		r.line(line, headers)
		text = rest
	}
	r.end()
}

// lineRole is the role of the header that the line is; unnamed where it is none.
func (r *reader) lineRole(line string) role {
	m := headerLine.FindStringSubmatch(strings.TrimSpace(line))
	if m == nil {
		return unnamed
	}
	return r.roleOf(m[1])
}

// firstJSON is the object that the text begins with, and its length in bytes; 0 where
// it begins with none.
func firstJSON(text string) (gjson.Result, int) {
	decoder := json.NewDecoder(strings.NewReader(text))
	var raw json.RawMessage
	if err := decoder.Decode(&raw); err != nil {
		return gjson.Result{}, 0
	}
	return gjson.ParseBytes(raw), int(decoder.InputOffset())
}

// line reads one line. In a transcript only headers and the body's fields can name the
// request; what curl itself says is left out.
func (r *reader) line(line string, headers bool) {
	line = strings.TrimSpace(line)
	if m := headerLine.FindStringSubmatch(line); m != nil {
		switch kind := r.roleOf(m[1]); {
		case kind == secret:
			r.secret()
			return
		case kind == timeName && headers, kind == headerName, kind == stateName:
			r.field(m[1], m[2])
			return
		case headers && kind != unnamed && kind != messageName:
			r.field(m[1], m[2])
			return
		case headers:
			return // an etag looks like an ID
		}
	}
	if headers && strings.HasPrefix(line, "* ") {
		return
	}
	if r.scope.when.IsZero() && !headers {
		r.scope.when = readTime(line)
	}
	r.scan(line)
}

// json reads the fields of a JSON value at a path.
func (r *reader) json(path string, value gjson.Result, depth int) {
	const deepest = 32 // nobody logs deeper, and a hostile text could
	if depth > deepest {
		return
	}
	if value.IsArray() {
		value.ForEach(func(_, item gjson.Result) bool {
			r.json(path, item, depth+1)
			return true
		})
		return
	}
	if !value.IsObject() {
		r.jsonField(path, value)
		return
	}
	// OTLP and Jaeger write attributes as {"key": …, "value": …}.
	if key, v := value.Get("key"), value.Get("value"); key.Type == gjson.String && v.Exists() {
		if v.IsObject() {
			v.ForEach(func(_, inner gjson.Result) bool { v = inner; return false })
		}
		r.json(key.String(), v, depth+1)
		return
	}
	value.ForEach(func(key, inner gjson.Result) bool {
		name := key.String()
		if path != "" {
			name = path + "." + name
		}
		if r.roleOf(name) == secret {
			r.secret()
			return true
		}
		r.json(name, inner, depth+1)
		return true
	})
}

// jsonField reads one field; text in it is read as a line of its own.
func (r *reader) jsonField(name string, value gjson.Result) {
	text := value.Raw // a number keeps all its digits
	if value.Type == gjson.String {
		text = strings.ReplaceAll(clean(value.String()), "\n", " ")
	}
	name = clean(name)
	if r.field(name, text) || value.Type != gjson.String {
		return
	}
	if inner := strings.TrimSpace(text); isJSON(inner) {
		r.json("", gjson.Parse(inner), 1) // a container's log driver wraps the program's line
		return
	}
	if r.roleOf(name) == messageName || strings.ContainsAny(text, " =") {
		r.scan(text)
	} else if isClear(text) {
		r.addRequest(ofOther, requestOf(name, text))
	}
}

const (
	spaces   = " \t"
	closers  = ",;|()[]{}\"'<>`\\"
	trailing = ".:!?=#"
)

// scan reads names with values, links, and what looks like an ID, in a line of text.
func (r *reader) scan(line string) {
	line = spoken.ReplaceAllString(line, "${1}_$2")
	if m := sleuth.FindStringSubmatch(line); m != nil {
		if c, ok := traced(m[1], m[2], sampling(m[3]), "Spring Cloud Sleuth"); ok {
			r.add(ofTraceField, c)
		}
	}
	for at := 0; at < len(line); {
		if strings.IndexByte(spaces+closers, line[at]) >= 0 {
			at++
			continue
		}
		end := at + length(line[at:], spaces+closers)
		word := line[at:end]
		switch {
		case strings.Contains(word, "://"):
			end = at + length(line[at:], spaces+"\"'<>`")
			r.readLink(strings.TrimRight(line[at:end], ".,;:!?)]}"))
			at = end
		case isFlag(word):
			at = skipValue(line, at+length(word, "=")) // curl -u user:password
		default:
			at = r.pair(line, at, end)
		}
	}
}

// length is how far the text goes before one of the characters.
func length(text, stops string) int {
	if i := strings.IndexAny(text, stops); i >= 0 {
		return i
	}
	return len(text)
}

// isFlag reports whether the word is one of curl's flags that are given a credential.
func isFlag(word string) bool {
	word, _, _ = strings.Cut(word, "=")
	return slices.Contains([]string{"-u", "--user", "-b", "--cookie", "--oauth2-bearer", "--proxy-user", "--pass"}, word)
}

// skipValue goes over one word, or what stands in quotes.
func skipValue(line string, at int) int {
	at += len(line[at:]) - len(strings.TrimLeft(line[at:], spaces+"="))
	if at < len(line) && (line[at] == '"' || line[at] == '\'') {
		return at + 1 + length(line[at+1:], line[at:at+1])
	}
	return at + length(line[at:], spaces)
}

// pair reads the word at line[at:end] as a name with its value, or else as one that may
// be an ID. It returns where to read on.
func (r *reader) pair(line string, at, end int) int {
	word := line[at:end]
	if c, ok := propagated(strings.TrimRight(word, trailing)); ok {
		r.add(ofHeader, c)
		return end
	}
	name, from := word, end+len(line[end:])-len(strings.TrimLeft(line[end:], "\\\"' \t"))+1
	if cut := r.separator(word); cut > 0 {
		name, from = word[:cut], at+cut+1
	} else if from > len(line) || (line[from-1] != '=' && line[from-1] != ':') {
		return r.bare(line, at, end)
	}
	kind := r.roleOf(name)
	if kind == secret {
		r.secret()
		return skipSecret(line, at, from)
	}
	value, after := valueAt(line, from, kind)
	if r.field(name, value) {
		return max(after, from)
	}
	if inner := strings.TrimSpace(value); kind == unnamed && !strings.ContainsAny(inner, " =") && !spaced(line, from) && !isPath(inner) {
		if isClear(inner) {
			r.addRequest(ofOther, requestOf(name, inner))
		}
		if !strings.Contains(inner, ":") {
			return max(after, from)
		}
	}
	return from
}

// separator is where in a word its name ends; 0 where it has none. A name may have a
// colon in it (guid:x-request-id=…), and a value a = (traceId:…==).
func (r *reader) separator(word string) int {
	equals, colon := strings.IndexByte(word, '='), strings.IndexByte(word, ':')
	switch {
	case colon <= 0:
		return max(equals, 0)
	case equals < 0:
		return colon
	}
	if kind := r.roleOf(word[:colon]); colon < equals && kind != unnamed && kind != otherName {
		return colon
	}
	return max(equals, 0)
}

// spaced reports whether the value stands apart from its colon, as words after one do.
func spaced(line string, from int) bool {
	return from < len(line) && line[from] == ' ' && from > 0 && line[from-1] == ':'
}

// valueAt is the value that begins at a place in the line, and where it ends: in quotes,
// or up to what ends a word. Some headers have commas, semicolons and equals in them.
func valueAt(line string, from int, kind role) (string, int) {
	from += len(line[from:]) - len(strings.TrimLeft(line[from:], spaces))
	quote := strings.TrimPrefix(line[from:], `\`)
	if quote != "" && (quote[0] == '"' || quote[0] == '\'') {
		from += len(line[from:]) - len(quote) + 1
		end := from + length(line[from:], quote[:1])
		return strings.TrimSuffix(line[from:end], `\`), end
	}
	stops := spaces + closers
	switch kind {
	case headerName:
		stops = " ,|()[]{}\"'<>`"
	case stateName, tagsName:
		stops = " |()[]{}\"'<>`"
	case traceName:
		stops = " ,|()[]{}\"'<>`"
	}
	end := from + length(line[from:], stops)
	return strings.TrimRight(line[from:end], ".!?"), end
}

// skipSecret goes over a credential: to the end of the quotes it stands in, or over its
// words. A scheme is followed by the credential, and a cookie by another.
func skipSecret(line string, name, from int) int {
	if name > 0 && (line[name-1] == '"' || line[name-1] == '\'') {
		if end := strings.IndexByte(line[from:], line[name-1]); end > 0 && strings.Trim(line[from:from+end], spaces) != "" {
			return from + end
		}
	}
	at := from
	for {
		end := skipValue(line, at)
		word := strings.ToLower(strings.Trim(line[at:end], " \t\"'"))
		at = end
		if at >= len(line) || !strings.HasSuffix(word, ";") && !slices.Contains([]string{"bearer", "basic", "digest", "token", "negotiate", "apikey", ":", "="}, word) {
			return at
		}
	}
}

// bare reads a word without a value: one that looks like an ID, a path, or a name that
// is followed by its ID (trace id 4bf9…).
func (r *reader) bare(line string, at, end int) int {
	word := strings.TrimRight(line[at:end], trailing)
	if kind := r.roleOf(word); kind == traceName || kind == spanName || kind == requestName {
		next := end + len(line[end:]) - len(strings.TrimLeft(line[end:], " #"))
		value, after := valueAt(line, next, kind)
		if next > end && strings.ContainsAny(value, "0123456789") && len(value) >= 6 && r.separator(value) == 0 && r.field(word, value) {
			return after
		}
	}
	if isPath(word) {
		r.readPath(word)
		return end
	}
	r.looks(ofShape, strings.TrimLeft(word, "#"))
	return end
}

// looks adds a word if it is plainly an ID.
func (r *reader) looks(rank rank, word string) {
	if !isClear(word) {
		return
	}
	for _, c := range shapes(word) {
		if c.Kind == Request {
			r.addRequest(rank, c)
		} else {
			r.add(rank, c)
		}
	}
}

func isPath(word string) bool { return strings.HasPrefix(word, "/") || strings.Count(word, "/") > 1 }
