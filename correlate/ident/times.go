package ident

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// stamps are the timestamps that say their zone: RFC 3339 and its relatives, and that
// of access logs. One without a zone may be hours off, and is not read.
var stamps = []struct {
	pattern *regexp.Regexp
	layouts []string
}{
	{
		regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})? ?(?:Z|[+-]\d\d:?\d\d)`),
		[]string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700"},
	},
	{regexp.MustCompile(`\b\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}`), []string{"02/Jan/2006:15:04:05 -0700"}},
	{regexp.MustCompile(`\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT`), []string{time.RFC1123}},
}

// readTime is the first time in a text, in UTC; zero where there is none.
func readTime(text string) time.Time {
	for i, stamp := range stamps {
		found := stamp.pattern.FindString(text)
		if found == "" {
			continue
		}
		if i == 0 {
			found = found[:10] + "T" + strings.NewReplacer(" ", "", ",", ".").Replace(found[11:])
		}
		for _, layout := range stamp.layouts {
			if t, err := time.Parse(layout, found); err == nil && plausible(t) {
				return t.UTC()
			}
		}
	}
	return unixTime(text)
}

// unixTime reads seconds, milliseconds, microseconds or nanoseconds since 1970, told
// apart by how many digits the present takes.
func unixTime(text string) time.Time {
	whole, part, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}
	}
	t := time.Time{}
	switch len(whole) {
	case 10:
		nanos, err := strconv.ParseInt((part + "000000000")[:9], 10, 64)
		if err != nil || nanos < 0 {
			nanos = 0
		}
		t = time.Unix(n, nanos)
	case 13:
		t = time.UnixMilli(n)
	case 16:
		t = time.UnixMicro(n)
	case 19:
		t = time.Unix(0, n)
	}
	if !plausible(t) {
		return time.Time{}
	}
	return t.UTC()
}
