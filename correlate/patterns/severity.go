package patterns

import (
	"slices"
	"strings"
)

// Severity is how bad a record is, in the ranges of OpenTelemetry's log data model
// (SeverityNumber). A larger one is worse.
type Severity int

// The severities.
const (
	Unstated Severity = iota
	Trace
	Debug
	Info
	Warn
	Error
	Fatal
)

var severityNames = [...]string{"", "trace", "debug", "info", "warn", "error", "fatal"}

// String is the short name of OpenTelemetry in lower case; empty for Unstated.
func (s Severity) String() string {
	if s < 0 || int(s) >= len(severityNames) {
		return ""
	}
	return severityNames[s]
}

// severities are the names in use: those of OpenTelemetry, syslog (RFC 5424),
// java.util.logging, Python and klog, and the numbers of pino and bunyan.
var severities = map[string]Severity{
	"trace": Trace, "finest": Trace, "finer": Trace, "10": Trace,
	"debug": Debug, "dbg": Debug, "fine": Debug, "config": Debug, "verbose": Debug, "d": Debug, "20": Debug,
	"info": Info, "inf": Info, "information": Info, "informational": Info, "notice": Info, "i": Info, "30": Info,
	"warn": Warn, "warning": Warn, "wrn": Warn, "w": Warn, "40": Warn,
	"error": Error, "err": Error, "severe": Error, "e": Error, "50": Error,
	"fatal": Fatal, "critical": Fatal, "crit": Fatal, "alert": Fatal, "emerg": Fatal, "emergency": Fatal,
	"panic": Fatal, "dpanic": Fatal, "f": Fatal, "60": Fatal,
}

// NamesFrom are the names of a severity and of worse ones, in alphabetical order and lower case.
func NamesFrom(least Severity) []string {
	var names []string
	for name, s := range severities {
		if s >= least {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// ParseSeverity knows the names of the common loggers in any case; Unstated is what it
// does not know.
func ParseSeverity(name string) Severity {
	if len(name) > len("informational")+2 {
		return Unstated
	}
	if s, ok := severities[name]; ok {
		return s
	}
	return severities[strings.ToLower(strings.TrimSpace(name))]
}

// severityWords is how many words of a text may come before its severity: a date, a
// time, a host, a process and a thread do. A judgement.
const severityWords = 8

// textSeverity finds the severity that stands in the beginning of a text: in capitals,
// in brackets, before a colon, or as klog writes it.
func textSeverity(text string) Severity {
	if len(text) > 5 && strings.IndexByte("IWEF", text[0]) >= 0 && isDigits(text[1:5]) && text[5] == ' ' {
		return ParseSeverity(text[:1])
	}
	for range severityWords {
		word, rest, more := strings.Cut(text, " ")
		if s := wordSeverity(word); s != Unstated {
			return s
		}
		if !more {
			break
		}
		text = rest
	}
	return Unstated
}

// wordSeverity is the severity that a word of a text states. A plain word in small
// letters states none: "no error was found" is no error.
func wordSeverity(word string) Severity {
	bare := strings.TrimLeft(word, "[(<|")
	if end := strings.IndexAny(bare, "])>|:,"); end >= 0 {
		bare = bare[:end]
	}
	for _, field := range levelFields[:2] {
		if value, ok := strings.CutPrefix(bare, field+"="); ok {
			return ParseSeverity(strings.Trim(value, `"`))
		}
	}
	if len(bare) < len("err") || isDigit(bare[0]) || (len(bare) == len(word) && !isUpper(bare)) {
		return Unstated
	}
	return ParseSeverity(bare)
}

func isUpper(s string) bool {
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return true
}
