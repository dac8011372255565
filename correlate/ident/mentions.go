package ident

import (
	"strings"

	"obs/sources"
)

// TracePattern is a regular expression (RE2) that finds the trace ID in a line in any
// of its notations: any case, leading zeros lost or not, dashed like a UUID.
func TracePattern(id sources.TraceID) string {
	full := string(id)
	dashed := strings.Join([]string{full[:8], full[8:12], full[12:16], full[16:20], full[20:]}, "-")
	return "(?i)(" + id.Short() + "|" + dashed + ")"
}

// Mentions reports whether the line carries exactly this trace ID, and not a longer one
// of which it is a part.
func Mentions(line string, id sources.TraceID) bool {
	lower := strings.ToLower(line)
	full := string(id)
	if strings.Contains(lower, strings.Join([]string{full[:8], full[8:12], full[12:16], full[16:20], full[20:]}, "-")) {
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

func isHex(b byte) bool { return (b >= '0' && b <= '9') || (b >= 'a' && b <= 'f') }
