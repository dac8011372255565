package tempo

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"obs/sources"
)

// What TraceQL calls what has a name in sources.
const (
	fieldService  = "resource.service.name"
	fieldName     = "name"
	fieldDuration = "duration"
	fieldStatus   = "status"
	fieldKind     = "kind"
)

// Attributes under which people search for what are fields of a span, as Jaeger's clients
// wrote them.
const (
	keyError  = "error"
	keyKind   = "span.kind"
	keyStatus = "otel.status_code"
)

// TraceQL is the query for traces with one span that fits q, but for its window, which is
// no part of the language. It fails for an attribute that TraceQL cannot name.
func TraceQL(q sources.TraceQuery) (string, error) {
	conditions := []string{fieldService + " = " + sources.Quote(q.Service)}
	if q.Operation != "" {
		conditions = append(conditions, fieldName+" = "+sources.Quote(q.Operation))
	}
	if q.MinDuration > 0 {
		conditions = append(conditions, fieldDuration+" >= "+duration(q.MinDuration))
	}
	if q.MaxDuration > 0 {
		conditions = append(conditions, fieldDuration+" <= "+duration(q.MaxDuration))
	}
	for _, a := range q.Attributes {
		condition, err := attribute(a)
		if err != nil {
			return "", err
		}
		conditions = append(conditions, condition)
	}
	return "{ " + strings.Join(conditions, " && ") + " }", nil
}

// attribute is the condition that a span has the attribute. TraceQL compares only values
// of one type, and of an attribute's value nothing is known but its text, so that every
// type is asked for that may have this text: what comes is compared again, see fits.
func attribute(a sources.Attribute) (string, error) {
	switch {
	case a.Key == keyError && a.Value == "true":
		// What receives spans for Tempo makes this status of OpenTracing's attribute.
		return fieldStatus + " = " + string(sources.StatusError), nil
	case a.Key == keyKind:
		switch kind := sources.Kind(a.Value); kind {
		case sources.KindInternal, sources.KindServer, sources.KindClient, sources.KindProducer, sources.KindConsumer:
			return fieldKind + " = " + a.Value, nil
		}
	case a.Key == keyStatus:
		switch code := sources.Code(strings.ToLower(a.Value)); code {
		case sources.StatusUnset, sources.StatusOK, sources.StatusError:
			return fieldStatus + " = " + string(code), nil
		}
	}
	name, err := attributeName(a.Key)
	if err != nil {
		return "", err
	}
	var choices []string
	for _, value := range literals(a.Value) {
		choices = append(choices, "span."+name+" = "+value, "resource."+name+" = "+value)
	}
	return "(" + strings.Join(choices, " || ") + ")", nil
}

// literals are the values of TraceQL whose text is value. That of a list is a list in
// JSON; an equation holds for it if it does for one of the elements.
func literals(value string) []string {
	all := []string{sources.Quote(value)}
	var list []json.RawMessage
	if strings.HasPrefix(value, "[") && json.Unmarshal([]byte(value), &list) == nil && len(list) > 0 {
		first := string(list[0])
		var text string
		if json.Unmarshal(list[0], &text) == nil {
			all = append(all, sources.Quote(text))
		} else if isLiteral(first) {
			all = append(all, first)
		}
	}
	if isLiteral(value) {
		all = append(all, value)
	}
	return all
}

// isLiteral tells a text that TraceQL reads as a truth value or as a number: of these the
// notations that it has, which exponents are not.
func isLiteral(text string) bool {
	if text == "true" || text == "false" {
		return true
	}
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || len(digits) > 24 || digits[0] < '0' || digits[0] > '9' || strings.Trim(digits, "0123456789.") != "" {
		return false
	}
	if _, err := strconv.ParseInt(text, 10, 64); err == nil {
		return true
	}
	_, err := strconv.ParseFloat(text, 64)
	return err == nil && strings.Contains(digits, ".") && !strings.HasSuffix(digits, ".")
}

// attributeName is an attribute's name as it stands behind its scope. Names of anything
// but letters, digits, dots and underscores are quoted, in which TraceQL knows only two
// escapes, and so no name with control characters.
func attributeName(key string) (string, error) {
	plain := key != "" && key[0] != '.' && !strings.HasSuffix(key, ".") && !strings.Contains(key, "..")
	for _, r := range key {
		switch {
		case r < ' ' || r == 0x7f || r == '\uFFFD':
			return "", fmt.Errorf("TraceQL has no way to name the attribute %q", sources.Shorten(key, 40))
		case r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z'):
			plain = false
		}
	}
	if plain {
		return key, nil
	}
	if key == "" {
		return "", fmt.Errorf("an attribute without a name cannot be searched for")
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`, nil
}

// duration renders a duration as a whole number of the largest unit in which it is one.
func duration(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "us"}} {
		if d%unit.size == 0 {
			return strconv.FormatInt(int64(d/unit.size), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(d), 10) + "ns"
}
