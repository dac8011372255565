package patterns

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxLine is how many bytes of a line are read: container runtimes split lines at
	// 16 KiB (containerd: max_container_log_line_size), so few are longer.
	maxLine = 16 << 10
	// maxText is how many bytes of a line's text a pattern is made of: what RFC 5424
	// (6.1) asks every receiver of syslog to take.
	maxText = 2 << 10
	// maxFields is how many fields of a structured line are looked at. A judgement:
	// the message and the level stand among the first.
	maxFields = 64
	// maxValue is how long the value of a field may be to be kept as a word of the
	// text. A judgement: longer ones are data, no names of states.
	maxValue = 32
)

// messageFields are where structured lines carry their text, in the order in which
// they are looked for: slog, zap, logrus and pino write msg, logback and ECS message,
// structlog event, OTLP body, and Docker wraps a line as log.
var messageFields = []string{"msg", "message", "event", "body", "log"}

// levelFields are where structured lines carry their severity.
var levelFields = []string{"level", "severity", "severity_text", "lvl", "log.level", "log_level", "levelname", "detected_level"}

// Entry is what a line says: its text on one line, and its severity by itself.
type Entry struct {
	// Text is the message of a structured line, the fields in the order of their names
	// where it has none, or the first line of any other. Valid UTF-8, at most some
	// 2 KiB, words divided by single spaces.
	Text string
	// Severity is the one that the line states; empty where it states none.
	Severity Severity
}

// Read takes a line apart. JSON objects and logfmt are known; all else is text.
func Read(line string) Entry { return read(line, true) }

// read follows a wrapped line once only, since hostile ones may nest at will.
func read(line string, unwrap bool) Entry {
	isCut := len(line) > maxLine
	line = strings.TrimLeft(cut(line, maxLine), "\ufeff \t\r\n")
	first, _, _ := strings.Cut(line, "\n")
	var room [maxFields]field
	fields, ok := room[:0], false
	if strings.HasPrefix(line, "{") {
		fields, ok = jsonFields(fields, line, isCut)
	} else {
		fields, ok = logfmtFields(fields, first, isCut)
	}
	if !ok {
		text := normalize(first)
		return Entry{Text: text, Severity: textSeverity(text)}
	}
	severity := fieldSeverity(fields)
	message, name := message(fields)
	if name == "" {
		return Entry{Text: normalize(join(fields)), Severity: severity}
	}
	if name == "log" && unwrap {
		inner := read(message, false)
		return Entry{Text: inner.Text, Severity: max(inner.Severity, severity)}
	}
	first, _, _ = strings.Cut(strings.TrimLeft(message, " \t\r\n"), "\n")
	return Entry{Text: normalize(first), Severity: severity}
}

// cut leaves at most n bytes, and no half character at the end.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for back := 1; back < utf8.UTFMax; back++ {
		if utf8.RuneStart(s[n]) {
			break
		}
		n--
	}
	return s[:n]
}

// field is one of a structured line. The value of a JSON string or of a quoted value in
// logfmt is without its quotes.
type field struct {
	name, value string
	// isText tells a string or a bare word from a number, a list or an object.
	isText bool
}

func message(fields []field) (text, name string) {
	for _, wanted := range messageFields {
		for _, f := range fields {
			if f.name == wanted && f.isText && f.value != "" {
				return f.value, wanted
			}
		}
	}
	return "", ""
}

func fieldSeverity(fields []field) Severity {
	for _, wanted := range levelFields {
		for _, f := range fields {
			if f.name == wanted {
				return ParseSeverity(f.value)
			}
		}
	}
	return Unstated
}

// join writes name=value in the order of the names, since loggers that write maps
// keep no order. Values of several words are left out: one of them would make the
// lines of one statement differ in length.
func join(fields []field) string {
	slices.SortStableFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	var b strings.Builder
	for _, f := range fields {
		if slices.Contains(levelFields, f.name) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(f.name)
		b.WriteByte('=')
		if f.value == "" || len(f.value) > maxValue || strings.ContainsAny(f.value, " \t\r\n\"'{[") {
			b.WriteString(gap)
		} else {
			b.WriteString(f.value)
		}
	}
	return b.String()
}

// jsonFields reads the fields of an object, not those of objects in it. Where the line
// was cut it gives those before the cut; ok tells that it is an object and has any.
func jsonFields(fields []field, s string, isCut bool) (found []field, ok bool) {
	i := 1
	for len(fields) < maxFields {
		i = skipSpace(s, i)
		if i < len(s) && s[i] == '}' {
			return fields, len(fields) > 0 && skipSpace(s, i+1) == len(s)
		}
		name, next := jsonString(s, i)
		if next < 0 {
			return fields, isCut && len(fields) > 0
		}
		i = skipSpace(s, next)
		if i >= len(s) || s[i] != ':' {
			return fields, isCut && i >= len(s) && len(fields) > 0
		}
		i = skipSpace(s, i+1)
		f := field{name: name}
		if i < len(s) && s[i] == '"' {
			f.value, next = jsonString(s, i)
			f.isText = true
		} else {
			next = jsonValueEnd(s, i)
			if next > i {
				f.value = s[i:next]
			}
		}
		if next <= i {
			return fields, isCut && len(fields) > 0
		}
		fields = append(fields, f)
		i = skipSpace(s, next)
		if i < len(s) && s[i] == ',' {
			i++
		}
	}
	return fields, true
}

func skipSpace(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\r') {
		i++
	}
	return i
}

// jsonString reads the string that begins at i, and tells where it ends; -1 where none
// begins or it does not end.
func jsonString(s string, i int) (text string, end int) {
	if i >= len(s) || s[i] != '"' {
		return "", -1
	}
	end = closing(s, i)
	if end < 0 {
		return "", -1
	}
	raw := s[i+1 : end]
	if strings.IndexByte(raw, '\\') >= 0 {
		var plain string
		if json.Unmarshal([]byte(s[i:end+1]), &plain) == nil {
			raw = plain
		}
	}
	return raw, end + 1
}

// closing is where the quotation that begins at i ends; -1 where it does not.
func closing(s string, i int) int {
	for j := i + 1; j < len(s); j++ {
		switch s[j] {
		case '\\':
			j++
		case s[i]:
			return j
		}
	}
	return -1
}

// jsonValueEnd is where the value that begins at i ends, which is no string; -1 where
// it does not. It counts brackets instead of matching them: a log line is no contract.
func jsonValueEnd(s string, i int) int {
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case '"':
			if i = closing(s, i); i < 0 {
				return -1
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return -1
}

// logfmtFields reads name=value pairs. A line of which any word is no pair is text with
// a pair in it, and so is a single pair.
func logfmtFields(fields []field, s string, isCut bool) (found []field, ok bool) {
	for i := skipSpace(s, 0); i < len(s) && len(fields) < maxFields; i = skipSpace(s, i) {
		start := i
		for i < len(s) && isNameByte(s[i]) {
			i++
		}
		if i == start || i == len(s) || s[i] != '=' || isDigit(s[start]) {
			return fields, false
		}
		f := field{name: s[start:i], isText: true}
		i++
		if i < len(s) && s[i] == '"' {
			end := closing(s, i)
			if end < 0 {
				return fields, isCut && len(fields) > 1
			}
			f.value, i = s[i+1:end], end+1
			if strings.IndexByte(f.value, '\\') >= 0 {
				f.value = unescape.Replace(f.value)
			}
		} else {
			start = i
			for i < len(s) && s[i] > ' ' {
				i++
			}
			f.value = s[start:i]
		}
		if i < len(s) && s[i] > ' ' {
			return fields, false
		}
		fields = append(fields, f)
	}
	return fields, len(fields) > 1
}

// unescape undoes what logfmt writers escape in a quoted value.
var unescape = strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\n`, "\n", `\t`, "\t", `\r`, "\r")

func isNameByte(c byte) bool { return isWord(c) || c == '.' || c == '-' || c == '/' || c == '@' }

// normalize makes a text one of words with single spaces between them, valid UTF-8,
// without control characters and the sequences by which terminals color text, and no
// longer than maxText.
func normalize(s string) string {
	s = cut(s, maxText)
	if isNormal(s) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == 0x1b && i+1 < len(s) && s[i+1] == '[':
			i = sequenceEnd(s, i+2)
		case c > ' ' && c != 0x7f:
			b = append(b, c)
		case len(b) > 0 && b[len(b)-1] != ' ':
			b = append(b, ' ')
		}
	}
	return strings.ToValidUTF8(strings.TrimSuffix(string(b), " "), string(utf8.RuneError))
}

// sequenceEnd is the last byte of a control sequence (ECMA-48, 5.4) of which the
// parameters begin at i.
func sequenceEnd(s string, i int) int {
	for i < len(s) && s[i] >= 0x20 && s[i] < 0x40 {
		i++
	}
	return i
}

func isNormal(s string) bool {
	space := true // none at the beginning
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c == 0x7f || (c == ' ' && space) {
			return false
		}
		space = c == ' '
	}
	return (s == "" || !space) && utf8.ValidString(s)
}
