package correlate

import (
	"fmt"
	"slices"
	"time"

	"obs/correlate/ident"
	"obs/sources"
)

// explainAbsence says why a request that nobody knows may be missing, as far as the text
// that was given and the places that were asked tell.
func (f *finder) explainAbsence() {
	for _, c := range f.lookup.ID.Candidates {
		if c.Sampled == ident.NotSampled {
			f.found.missing(Missing{
				Kind:   MissingNoData,
				Reason: fmt.Sprintf("trace %s was not sampled, by what is given: nobody kept its spans", c.Trace),
				Hint:   "its log records may carry the request ID, which obs trace takes as well",
			})
		}
		if !c.When.IsZero() && !f.lookedAt(c.When) {
			f.found.missing(Missing{
				Kind:   MissingNoData,
				Reason: fmt.Sprintf("it is of %s, by what is given, and that time was not looked at", c.When.UTC().Format(time.RFC3339)),
				Hint: fmt.Sprintf("ask with --from %s --to %s", c.When.Add(-aroundID).UTC().Format(time.RFC3339),
					c.When.Add(aroundID).UTC().Format(time.RFC3339)),
			})
		}
	}
	if now, to := f.lookup.Now, f.lookup.Window.To; f.lookup.Fixed && !now.IsZero() && to.After(now.Add(aroundID)) {
		f.found.missing(Missing{
			Kind: MissingNoData, Reason: fmt.Sprintf("the window ends at %s, which is to come", to.UTC().Format(time.RFC3339)),
			Hint: "check the day and the time zone of --from and --to",
		})
	}
	if f.lookup.Fixed && !f.found.unanswered(sources.Loki) {
		f.found.missing(Missing{
			Backend: sources.Loki, Kind: MissingNoData, Reason: "no other time than " + f.lookup.Window.String() + " was looked at",
			Hint: "without --since, --from and --to the last week is",
		})
	}
}

// aroundID is how far from the time that an ID tells its request is looked for. An ID is
// made when its request begins; a log line may have been written by another clock.
const aroundID = 15 * time.Minute

// told are the windows around the times that the readings of the text tell.
func (f *finder) told() []sources.Window {
	var all []sources.Window
	for _, c := range f.lookup.ID.Candidates {
		if c.When.IsZero() {
			continue
		}
		w := sources.Window{From: c.When.UTC(), To: c.When.UTC()}.Pad(aroundID)
		if !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	return all
}

// lookedAt reports whether a backend was asked about this time.
func (f *finder) lookedAt(at time.Time) bool {
	return slices.ContainsFunc(f.set.Ledger.Queries(), func(q sources.Query) bool { return q.Window.Contains(at) })
}
