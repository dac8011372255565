package lokiapi

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"obs/sources/sandbox/lokiapi/logql"
)

// detectedLevel is the metadata in which Loki notes how bad a record is.
const detectedLevel = "detected_level"

// levelFields are the names that may tell a level, the first the surest: Loki's
// log_level_fields where nobody has set it.
var levelFields = []string{
	"level", "LEVEL", "Level", "log.level", "severity", "SEVERITY", "Severity", "SeverityText",
	"lvl", "LVL", "Lvl", "severity_text", "Severity_Text", "SEVERITY_TEXT",
}

var levelNames = map[string]string{
	"trace": "trace", "trc": "trace", "debug": "debug", "dbg": "debug", "info": "info", "inf": "info", "information": "info",
	"warn": "warn", "wrn": "warn", "warning": "warn", "error": "error", "err": "error", "critical": "critical", "fatal": "fatal",
}

const unknownLevel = "unknown"

// levelOf is how bad a record is by what it says: in a label or metadata of such a name,
// in a field of its JSON or logfmt, or in the first word of its text that is a level.
// A label counts whatever it says, a field only if it says something known.
func levelOf(stream, metadata logql.Labels, line string) string {
	for _, labels := range []logql.Labels{metadata, stream} {
		for _, name := range levelFields {
			if value := labels.Get(name); value != "" {
				if known, ok := levelNames[strings.ToLower(value)]; ok {
					return known
				}
				return value
			}
		}
	}
	if level := numbered(metadata.Get("severity_number")); level != "" {
		return level
	}
	text := strings.TrimSpace(line)
	if strings.HasPrefix(text, "{") {
		if level := jsonLevel(gjson.Parse(text), 2); level != "" {
			return level
		}
	} else if strings.Contains(text, "=") {
		if level := pairLevel(text); level != "" {
			return level
		}
	}
	if word := levelWord.FindStringSubmatch(line); word != nil {
		return levelNames[strings.ToLower(word[1])]
	}
	return unknownLevel
}

// numbered is the level of an OpenTelemetry severity number
// (https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber).
func numbered(text string) string {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 24 {
		return ""
	}
	return []string{"trace", "debug", "info", "warn", "error", "fatal"}[(n-1)/4]
}

// jsonLevel is that of the first field with such a name, in an object or one within it.
func jsonLevel(object gjson.Result, depth int) (level string) {
	object.ForEach(func(name, value gjson.Result) bool {
		switch {
		case value.Type == gjson.String && slices.Contains(levelFields, name.Str):
			level = levelNames[strings.ToLower(value.Str)]
			return level == ""
		case value.IsObject() && depth > 1:
			level = jsonLevel(value, depth-1)
		}
		return level == ""
	})
	return level
}

var pair = regexp.MustCompile(`(?:^|\s)([A-Za-z_.]+)=(?:"([^"\\]*)"|([^\s"=]*))`)

func pairLevel(line string) string {
	found, rank := "", len(levelFields)
	for _, m := range pair.FindAllStringSubmatch(line, -1) {
		if i := slices.Index(levelFields, m[1]); i >= 0 && i < rank {
			if level := levelNames[strings.ToLower(m[2]+m[3])]; level != "" {
				found, rank = level, i
			}
		}
	}
	return found
}

// levelWord is a level that stands alone. Not every sign may stand beside it.
var levelWord = regexp.MustCompile("(?i)(?:^|[\"(=\\[{\\s])(trace|debug|info|warn|warning|error|err|critical|fatal)(?:$|[!\"(),:=\\[\\]{}\\s])")
