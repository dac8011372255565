package loader

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"obs/sources"
)

// Shortfall is something that was sent and cannot be read back.
type Shortfall struct {
	Backend sources.Backend
	What    string // such as "samples of shop_orders_total"
	// Sent and Found count what What names. A server may hold more than was sent: the
	// part of it that is missing is what counts, and Found is never above Sent.
	Sent, Found int
	Detail      string // which, for instance; may be empty
	Hint        string // what may be the cause; may be empty
}

// String is one line without the hint.
func (s Shortfall) String() string {
	text := fmt.Sprintf("%s: %s: sent %s, found %s", s.Backend, s.What, thousands(s.Sent), thousands(s.Found))
	if s.Detail != "" {
		text += "; " + s.Detail
	}
	return text
}

// inquiry is one question of the check; of nothing missing it returns nil.
type inquiry func(context.Context) (*Shortfall, error)

// Check asks back everything that the loader holds: the samples and exemplars of every
// series, with a query for each metric's name; the records of every stream, with a query
// for each; the spans of every trace, a hundred traces at a time. What is missing is asked
// for again, for servers need a while, until Options.Patience is over. The shortfalls are
// those of the last time. What Send failed to send is among them. A backend that does not answer is an error, and the others are
// checked all the same.
//
// It compares counts and not contents, each series, stream and trace by itself. Where an
// earlier run with the same labels overlaps in time, it may count the one's for the
// other's; Options.Labels keep runs apart.
func (l *Loader) Check(ctx context.Context) ([]Shortfall, error) {
	patience := l.options.Patience
	if patience == 0 {
		patience = defaultPatience
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var missing []Shortfall
	var failures []error
	begin := time.Now()
	for _, backend := range []struct {
		name      sources.Backend
		inquiries []inquiry
	}{
		{sources.Prometheus, slices.Concat(l.askSamples(), l.askExemplars(), l.askStale())},
		{sources.Loki, l.askRecords()},
		{sources.Jaeger, l.askTraces()},
	} {
		l.progress("%s: reading back with %d questions", backend.name, len(backend.inquiries))
		short, err := insist(ctx, backend.inquiries, patience-time.Since(begin))
		missing = append(missing, short...)
		if err != nil {
			failures = append(failures, err)
		}
	}
	return missing, errors.Join(failures...)
}

// insist asks until nothing is missing or the time is over; once at least. An error ends
// it, with what was found missing before.
func insist(ctx context.Context, inquiries []inquiry, patience time.Duration) ([]Shortfall, error) {
	deadline := time.Now().Add(patience)
	for wait := time.Second / 4; ; wait = min(2*wait, 5*time.Second) {
		var missing []Shortfall
		var again []inquiry
		for _, ask := range inquiries {
			short, err := ask(ctx)
			if err != nil {
				return missing, err
			}
			if short != nil {
				missing, again = append(missing, *short), append(again, ask)
			}
		}
		if len(again) == 0 || time.Now().Add(wait).After(deadline) {
			return missing, nil
		}
		if err := sleep(ctx, wait); err != nil {
			return missing, fmt.Errorf("reading back: %w", err)
		}
		inquiries = again
	}
}

// own selects what bears the run's labels.
func (l *Loader) own(more ...sources.Matcher) sources.Selector {
	for _, name := range sortedNames(l.options.Labels) {
		more = append(more, sources.Matcher{Name: name, Op: sources.Equal, Value: l.options.Labels[name]})
	}
	return more
}
