package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"obs/correlate"
	"obs/sources"
)

// LookJSON writes a look as one line of JSON.
func LookJSON(w io.Writer, l *correlate.Look) error { return lineJSON(w, l) }

// LookTabs writes a look as one line of time, trend and text, for a program.
func LookTabs(w io.Writer, l *correlate.Look) error {
	_, err := fmt.Fprintf(w, "%s\t%s\t%s\n", l.Time.UTC().Format(time.RFC3339), l.Trend, lookText(l))
	return err
}

// LookText writes a look as one line for a person; colour marks its trend by escape sequences.
func LookText(w io.Writer, l *correlate.Look, colour bool) error {
	state := fmt.Sprintf("%s %-10s", trendSign(l.Trend), l.Trend)
	if colour {
		state = "\x1b[" + trendColour(l.Trend) + "m" + state + "\x1b[0m"
	}
	since := ""
	if l.Since.Before(l.Time) {
		since = "since " + correlate.Clock(l.Since) + "  "
	}
	_, err := fmt.Fprintf(w, "%s  %s  %s%s\n", correlate.Clock(l.Time), state, since, lookText(l))
	return err
}

// trendColour is the terminal's own green, red or yellow.
func trendColour(t correlate.Trend) string {
	switch t {
	case correlate.Recovered, correlate.AllHealthy:
		return "32"
	case correlate.Worse, correlate.Same:
		return "31"
	}
	return "33"
}

func lookText(l *correlate.Look) string {
	text := l.Reason
	if len(l.Also) > 0 {
		text += "; also " + strings.Join(l.Also, "; ")
	}
	return sources.Printable(text)
}
