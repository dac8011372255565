package ident

import (
	"strconv"
	"strings"

	"obs/sources"
)

// TracePattern is a regular expression (RE2) that finds the trace ID in a line in any
// of its notations: any case, leading zeros lost or not, dashed like a UUID, or the lower
// half in decimal as Datadog's libraries write it.
func TracePattern(id sources.TraceID) string {
	pattern := "(?i)(" + id.Short() + "|" + Dashed(id)
	if decimal := Decimal(id); decimal != "" {
		pattern += "|" + decimal
	}
	return pattern + ")"
}

// Dashed is the ID as UUIDs are written.
func Dashed(id sources.TraceID) string {
	full := string(id)
	return strings.Join([]string{full[:8], full[8:12], full[12:16], full[16:20], full[20:]}, "-")
}

// leastDecimal is how many digits a decimal ID has at least to be looked for in lines: of
// random ones 1 in 10,000 has fewer, and a shorter number may be anything.
const leastDecimal = 16

// Decimal is the lower half of the ID in decimal, as Datadog's libraries write it to logs;
// empty where that is too short to tell an ID from any number.
func Decimal(id sources.TraceID) string {
	lower, err := strconv.ParseUint(string(id[len(id)-16:]), 16, 64)
	if err != nil {
		return ""
	}
	if decimal := strconv.FormatUint(lower, 10); len(decimal) >= leastDecimal {
		return decimal
	}
	return ""
}

// Mentions reports whether the line carries exactly this trace ID, and not a longer one
// of which it is a part.
func Mentions(line string, id sources.TraceID) bool {
	lower := strings.ToLower(line)
	if strings.Contains(lower, Dashed(id)) || hasNumber(lower, Decimal(id)) {
		return true
	}
	short := id.Short()
	for at := 0; ; {
		i := strings.Index(lower[at:], short)
		if i < 0 {
			return false
		}
		start, end := at+i, at+i+len(short)
		at = start + 1
		zeros := strings.TrimRight(lower[:start], "0")
		if (end < len(lower) && isHex(lower[end])) || (zeros != "" && isHex(zeros[len(zeros)-1])) {
			continue
		}
		return true
	}
}

// hasNumber reports whether the line holds the number by itself. The line is in lower case.
func hasNumber(line, number string) bool {
	if number == "" {
		return false
	}
	for at := 0; ; {
		i := strings.Index(line[at:], number)
		if i < 0 {
			return false
		}
		start, end := at+i, at+i+len(number)
		at = start + 1
		if (start == 0 || !isWordByte(line[start-1])) && (end == len(line) || !isWordByte(line[end])) {
			return true
		}
	}
}

func isHex(b byte) bool { return (b >= '0' && b <= '9') || (b >= 'a' && b <= 'f') }
