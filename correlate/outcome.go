package correlate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"obs/sources"
)

func findingID(n int) string { return "f" + strconv.Itoa(n) }

// missing notes that a part of the case is not there. The same backend failing in the
// same way is noted once.
func (c *Case) missing(m Missing) {
	for _, known := range c.Missing {
		if known.Backend == m.Backend && known.Kind == m.Kind && (known.Reason == m.Reason || m.Kind == MissingFailed) {
			return
		}
	}
	c.Missing = append(c.Missing, m)
}

// missingError notes a failure; reason says which part is lost.
func (c *Case) missingError(backend sources.Backend, part string, err error) {
	if err == nil {
		return
	}
	m := Missing{Backend: backend, Kind: MissingFailed, Reason: part + ": " + err.Error()}
	if failure := (*sources.Error)(nil); errors.As(err, &failure) {
		m.Hint = failure.Hint
	}
	switch {
	case errors.Is(err, sources.ErrRefused):
		m.Kind = MissingRefused
	case errors.Is(err, context.Canceled):
		m.Kind, m.Reason, m.Hint = MissingTimeout, part+": interrupted before it was done", ""
	case errors.Is(err, sources.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		m.Kind = MissingTimeout
	}
	c.missing(m)
}

// notConfigured notes a backend without an address.
func (c *Case) notConfigured(backend sources.Backend, lost string) {
	c.missing(Missing{
		Backend: backend, Kind: MissingNotConfigured,
		Reason: "no address is given for it: " + lost,
		Hint:   fmt.Sprintf("set %s_URL, or give --%s-url", strings.ToUpper(string(backend)), backend),
	})
}

// Partial reports whether a backend failed or a limit cut the case short.
func (c *Case) Partial() bool {
	for _, m := range c.Missing {
		switch m.Kind {
		case MissingFailed, MissingRefused, MissingTimeout, MissingTruncated:
			return true
		}
	}
	return false
}

// unanswered reports whether the backend left a question without an answer.
func (c *Case) unanswered(backend sources.Backend) bool {
	return slices.ContainsFunc(c.Missing, func(m Missing) bool {
		return m.Backend == backend && (m.Kind == MissingFailed || m.Kind == MissingRefused || m.Kind == MissingTimeout)
	})
}

// Failed reports whether a backend failed, as opposed to a limit that cut the case.
func (c *Case) Failed() bool {
	return slices.ContainsFunc(c.Missing, func(m Missing) bool {
		return m.Kind == MissingFailed || m.Kind == MissingRefused || m.Kind == MissingTimeout
	})
}

// Answered reports whether any backend answered, were it by "nothing there". Of a backend
// that failed only what it gave counts: that it lacks one of two APIs is no answer when
// the other failed too.
func (c *Case) Answered() bool {
	failed := map[sources.Backend]bool{}
	for _, q := range c.Queries {
		if q.Status == sources.QueryFailed {
			failed[q.Backend] = true
		}
	}
	for _, q := range c.Queries {
		if q.Status == sources.QueryOK || (q.Status == sources.QueryEmpty && !failed[q.Backend]) {
			return true
		}
	}
	return false
}

// keepQueries copies the ledger into the case.
func (c *Case) keepQueries(ledger *sources.Ledger) {
	for _, q := range ledger.Queries() {
		kept := Query{
			Backend: q.Backend, Query: q.Text, Status: q.Status, Error: q.Error, Partial: q.Partial,
			DurationSeconds: q.Duration.Seconds(), Bytes: q.Bytes, Records: q.Records, Attempts: q.Attempts,
		}
		if !q.Window.IsZero() {
			w := q.Window
			kept.Window = &w
		}
		c.Queries = append(c.Queries, kept)
	}
	for _, m := range partialAnswers(c.Queries) {
		c.missing(m)
	}
}

// partialAnswers are the gaps of answers that are not whole, by the servers' own account: one
// for each backend, with one of the reasons.
func partialAnswers(queries []Query) []Missing {
	count, reason := map[sources.Backend]int{}, map[sources.Backend]string{}
	for _, q := range queries {
		if q.Partial == "" {
			continue
		}
		if count[q.Backend]++; count[q.Backend] == 1 || q.Partial < reason[q.Backend] {
			reason[q.Backend] = q.Partial
		}
	}
	var all []Missing
	for _, backend := range slices.Sorted(maps.Keys(count)) {
		all = append(all, Missing{
			Backend: backend, Kind: MissingTruncated,
			Reason: fmt.Sprintf("answers that are not whole, as the server says: %d, such as: %s", count[backend], reason[backend]),
			Hint:   "what it could not reach may hold what matters here: see whether its stores run",
		})
	}
	return all
}

// interrupted notes that the run was ended before it was done.
func (c *Case) interrupted(err error) {
	c.Interrupted = true
	for _, m := range c.Missing {
		if m.Kind == MissingTimeout {
			return
		}
	}
	reason := "the run was interrupted: what follows after this point was not asked"
	hint := ""
	if errors.Is(err, context.DeadlineExceeded) {
		reason = "the run's time was up: what follows after this point was not asked"
		hint = "give it longer with --timeout, or ask for a shorter window"
	}
	c.missing(Missing{Kind: MissingTimeout, Reason: reason, Hint: hint})
}
