package correlate

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"obs/sources"
)

// Bounds of taking a line apart. What is beyond them is not lost: the record keeps its line.
const (
	// unfoldedBytes is Loki's max_line_size where nobody has set it.
	unfoldedBytes = 256 << 10
	// unfoldedFields is how many attributes a log record has at most in OpenTelemetry's
	// SDKs where nobody has set OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT.
	unfoldedFields = 128
	// unfoldedDepth is how deep objects nest at most in Elasticsearch where nobody has set
	// index.mapping.depth.limit.
	unfoldedDepth = 20
	// unfoldedKey bounds the bytes of a key in front of which no more names are put, so
	// that a long key with many fields below it is not repeated for each. The longest in
	// use, Kubernetes's labels, have some 300.
	unfoldedKey = 512
)

// MoreFields is the key of the last field of a line that has more than Unfold takes.
const MoreFields = "…"

// MessageFields are the names under which loggers write the message.
var MessageFields = []string{"msg", "message", "body", "log", "text", "event"}

// stackFields are the ends of the names of stack traces, which some loggers write as a
// list of lines.
var stackFields = []string{"stack", "stacktrace", "stack_trace"}

// Unfold takes a line apart. Of a JSON object or of logfmt, message is what it says, empty
// where no field is one, and fields are the others in their order: those of nested
// objects by their names joined with dots, a list as JSON text, a stack trace as text of
// several lines. A name that occurs twice is there twice. Any other line, and one of more
// than 256 KiB, is all message.
func Unfold(line string) (message string, fields []sources.Attribute) {
	if len(line) > unfoldedBytes {
		return line, nil
	}
	trimmed := strings.TrimSpace(line)
	u := &unfolding{}
	switch {
	case strings.HasPrefix(trimmed, "{"):
		// The library's own check nests as deep as the line does, this one does not.
		if !json.Valid([]byte(trimmed)) {
			return line, nil
		}
		u.object("", gjson.Parse(trimmed), 1)
	case !u.logfmt(trimmed):
		return line, nil
	}
	return u.message, u.fields
}

// unfolding is a line that is being taken apart.
type unfolding struct {
	message string
	said    bool // a message was found
	fields  []sources.Attribute
}

// add keeps a field. It reports whether there is room for more.
func (u *unfolding) add(key, value string) bool {
	if len(u.fields) == unfoldedFields {
		u.fields = append(u.fields, sources.Attribute{Key: MoreFields, Value: "the line has more fields"})
		return false
	}
	u.fields = append(u.fields, sources.Attribute{Key: key, Value: value})
	return true
}

// says keeps the value of a field that is the message. An empty one is none.
func (u *unfolding) says(key, value string) bool {
	if u.said || value == "" || !slices.Contains(MessageFields, key) {
		return false
	}
	u.message, u.said = value, true
	return true
}

// object takes the members of an object. It reports whether there is room for more.
func (u *unfolding) object(prefix string, object gjson.Result, depth int) bool {
	room := true
	object.ForEach(func(key, value gjson.Result) bool {
		name := prefix + key.String()
		switch {
		case prefix == "" && value.Type == gjson.String && u.says(name, value.String()):
		case value.IsObject() && depth < unfoldedDepth && len(name) <= unfoldedKey && !isEmpty(value):
			room = u.object(name+".", value, depth+1)
		default:
			room = u.add(name, textOf(name, value))
		}
		return room
	})
	return room
}

// isEmpty reports whether the object has no members.
func isEmpty(object gjson.Result) bool {
	empty := true
	object.ForEach(func(_, _ gjson.Result) bool {
		empty = false
		return false
	})
	return empty
}

// textOf is a value as text: a string as it is, anything else as JSON.
func textOf(name string, value gjson.Result) string {
	if value.Type == gjson.String {
		return value.String()
	}
	if lines, ok := stackLines(name, value); ok {
		return lines
	}
	return value.Raw
}

// stackLines joins a stack trace that is a list of lines.
func stackLines(name string, value gjson.Result) (text string, ok bool) {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if !value.IsArray() || !slices.Contains(stackFields, strings.ToLower(last)) {
		return "", false
	}
	var lines []string
	ok = true
	value.ForEach(func(_, line gjson.Result) bool {
		ok = line.Type == gjson.String
		lines = append(lines, line.String())
		return ok
	})
	return strings.Join(lines, "\n"), ok && len(lines) > 0
}

// logfmt takes a line that is name=value from its beginning to its end. It reports whether
// it is: one pair alone is one of a sentence, unless it is the message.
func (u *unfolding) logfmt(line string) bool {
	pairs, room := 0, true
	for rest := line; rest != ""; rest = strings.TrimLeft(rest, " \t") {
		end := strings.IndexAny(rest, "= \t\"")
		if end < 1 || rest[end] != '=' || !isName(rest[:end]) {
			return false
		}
		name := rest[:end]
		value, after, ok := logfmtValue(rest[end+1:])
		if !ok {
			return false
		}
		rest = after
		pairs++
		if room && !u.says(name, value) {
			room = u.add(name, value)
		}
	}
	return pairs > 1 || u.said
}

// isName reports whether a word can be a field's name, as opposed to a part of an address
// or of code.
func isName(word string) bool {
	return !strings.ContainsFunc(word, func(r rune) bool {
		return r != '_' && r != '-' && r != '.' && r != '@' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// logfmtValue is the value that the text begins with, and what follows it. It is false
// for one that is quoted and does not end, or has no space behind it.
func logfmtValue(text string) (value, rest string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, " \t")
		if end < 0 {
			end = len(text)
		}
		return text[:end], text[end:], !strings.Contains(text[:end], `"`)
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			rest = text[i+1:]
			return unquoted(text[1:i]), rest, rest == "" || rest[0] == ' ' || rest[0] == '\t'
		}
	}
	return "", "", false
}

// unquoted is what stood between quotes, with its escapes undone where they are Go's, of
// which JSON's are some.
func unquoted(inner string) string {
	if !strings.Contains(inner, `\`) {
		return inner
	}
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(inner, "\n", `\n`) + `"`)
	if err != nil {
		return inner
	}
	return text
}
