package correlate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"obs/sources"
)

// widenings are how far back records are looked for when the window at hand has none.
var widenings = []time.Duration{6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}

// slackenings are how far from a trace's own time its records are looked for, one after the
// other until some are found: clocks differ by seconds where they are kept, and by minutes or
// by a wrong daylight saving time where they are not.
var slackenings = []time.Duration{recordSlack, 10 * time.Minute, 70 * time.Minute}

// recordsOf brings the records of a trace; trace is nil where it is not stored.
func (f *finder) recordsOf(ctx context.Context, id sources.TraceID, trace *Trace) {
	if f.set.Logs == nil || ctx.Err() != nil {
		return
	}
	s := f.names.traceSearch(id)
	if trace == nil {
		// The records that led to it tell its time.
		var w sources.Window
		for _, r := range f.found.Records {
			if r.TraceID == id {
				w = w.Union(sources.Window{From: r.Time, To: r.Time.Add(1)})
			}
		}
		if found, ok := f.search(ctx, s, w.Pad(recordSlack)); ok {
			f.keepRecords(found, nil, s)
		}
		return
	}
	for i, slack := range slackenings {
		found, ok := f.search(ctx, s, trace.Window().Pad(slack))
		if !ok {
			return
		}
		if len(found.records) > 0 || i == len(slackenings)-1 {
			if i > 0 && len(found.records) > 0 {
				f.found.missing(Missing{
					Backend: sources.Loki, Kind: MissingNoData,
					Reason: fmt.Sprintf("no record within %s of trace %s carries its ID; those shown stand up to %s away", Seconds(recordSlack.Seconds()), id, Seconds(slack.Seconds())),
					Hint:   "the clocks of what writes logs and what makes spans may differ",
				})
			}
			f.keepRecords(found, trace, s)
			if i == 0 {
				f.listen(found, trace)
			}
			return
		}
	}
}

// silence is the services of a trace of which no record at its time carries its ID.
type silence struct {
	trace    *Trace
	services []string
}

// listen notes which services of a trace are silent, where others of it are not.
func (f *finder) listen(found foundRecords, trace *Trace) {
	services := slices.DeleteFunc(trace.services(), func(service string) bool {
		return slices.ContainsFunc(found.records, func(r sources.Record) bool {
			name, _ := f.names.service(r.Stream)
			return sameService(name, service)
		})
	})
	if len(services) > 0 {
		f.silent = append(f.silent, silence{trace, services})
	}
}

// hear looks for records of silent services farther from their trace's time: one machine's
// clock may be off by minutes while those of the others are not. It reads the streams of
// these services alone.
func (f *finder) hear(ctx context.Context) {
	const far = 10 * time.Minute
	for _, silent := range f.silent {
		if ctx.Err() != nil {
			return
		}
		window := silent.trace.Window().Pad(far)
		step := f.begin("records", "looking for records by another clock")
		streams, err := f.set.Logs.Streams(ctx, "", window)
		streams = slices.DeleteFunc(slices.Clone(streams), func(stream sources.Labels) bool {
			name, _ := f.names.service(stream)
			return !slices.ContainsFunc(silent.services, func(service string) bool { return sameService(name, service) })
		})
		s := f.names.traceSearch(silent.trace.ID)
		var found foundRecords
		if err == nil && len(streams) > 0 {
			found, err = askRecords(ctx, f.set.Logs, s, waysIn(streams, s), window, lookupRecords, streams)
		}
		if err != nil {
			f.logsFailed(step, err)
			return
		}
		step.ended(counted(len(found.records), "record"))
		if len(found.records) > 0 {
			f.keepRecords(found, silent.trace, s)
			f.found.missing(Missing{
				Backend: sources.Loki, Kind: MissingNoData,
				Reason: fmt.Sprintf("%s of trace %s: only records that stand up to %s away carry its ID", strings.Join(f.names.servicesOf(found.records), ", "), silent.trace.ID, Seconds(far.Seconds())),
				Hint:   "its clock may differ from that of what makes spans",
			})
		}
	}
	f.silent = nil
}

// servicesOf are the services of records, in order of name.
func (n *glossary) servicesOf(records []sources.Record) []string {
	all := map[string]bool{}
	for _, r := range records {
		name, _ := n.service(r.Stream)
		all[name] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// search asks for all records of a search in a window. It reports whether Loki answered.
func (f *finder) search(ctx context.Context, s search, window sources.Window) (foundRecords, bool) {
	doing := "bringing its log records"
	if s.request != "" {
		doing = "looking for what else carries request ID " + sources.Printable(s.request)
	}
	step := f.begin("records", doing)
	found, err := findRecords(ctx, f.set.Logs, s, window, lookupRecords)
	if err != nil {
		f.logsFailed(step, err)
		return foundRecords{}, false
	}
	step.ended(counted(len(found.records), "record"))
	return found, true
}

func (f *finder) logsFailed(step stepUnderWay, err error) {
	f.found.missingError(sources.Loki, "not all log records were looked at", err)
	step.failed("Loki gave no answer")
}

// lookBack looks for records whose time is not known: in the window, and farther back where
// nothing is there and the window was not named. All searches are made at once, and end
// with the first window in which any of them finds something.
func (f *finder) lookBack(ctx context.Context, searches []search) []foundRecords {
	step := f.begin("records", "bringing its log records")
	window := f.lookup.Window
	windows := []sources.Window{window}
	if !f.lookup.Fixed {
		windows = append(f.told(), window)
		for _, back := range widenings {
			if back > window.Duration() {
				windows = append(windows, sources.Window{From: window.To.Add(-back), To: window.To})
			}
		}
	}
	found := make([]foundRecords, len(searches))
	for _, w := range windows {
		f.found.Window = w
		streams, err := f.set.Logs.Streams(ctx, "", w)
		if err == nil {
			group, groupCtx := errgroup.WithContext(ctx)
			for i := range searches {
				group.Go(func() (err error) {
					found[i], err = lookIn(groupCtx, f.set.Logs, searches[i], w, streams, f.lookup.Habits)
					return err
				})
			}
			err = group.Wait()
		}
		if err != nil {
			f.logsFailed(step, err)
			return make([]foundRecords, len(searches))
		}
		if slices.ContainsFunc(found, func(r foundRecords) bool { return len(r.records) > 0 }) {
			break
		}
	}
	count := 0
	for i := range found {
		count += len(found[i].records)
	}
	step.ended(counted(count, "record"))
	return found
}

// lookIn looks for records in a window that may be wide. The lines of services that carry
// trace IDs elsewhere are not read, until others tell when the request was.
func lookIn(ctx context.Context, logs sources.Logs, s search, window sources.Window, streams []sources.Labels, habits *Habits) (foundRecords, error) {
	first, rest := inTurn(streams, s, habits)
	found, err := askRecords(ctx, logs, s, first, window, lookupRecords, streams)
	if err != nil || len(rest) == 0 {
		return found, err
	}
	if len(found.records) == 0 {
		more, err := askRecords(ctx, logs, s, rest, window, lookupRecords, streams)
		if len(more.records) == 0 {
			more.evidence = append(found.evidence, more.evidence...) // all that was asked in vain
		}
		return more, err
	}
	around := sources.Window{From: found.records[0].Time, To: found.records[len(found.records)-1].Time}.Pad(recordSlack)
	all, err := findRecords(ctx, logs, s, around, lookupRecords)
	if err != nil {
		return found, err
	}
	return merged(found, all), nil
}

// merged is what two searches for the same found.
func merged(a, b foundRecords) foundRecords {
	seen := map[string]bool{}
	for _, r := range a.records {
		seen[recordKey(r)] = true
	}
	fresh := 0
	for _, r := range b.records {
		if !seen[recordKey(r)] {
			a.records = append(a.records, r)
			fresh++
		}
	}
	if fresh > 0 {
		a.evidence = append(a.evidence, b.evidence...)
	}
	a.truncated = a.truncated || b.truncated
	slices.SortStableFunc(a.records, func(a, b sources.Record) int { return a.Time.Compare(b.Time) })
	return a
}

// keepRecords adds what a search found to the case. The trace may be nil.
func (f *finder) keepRecords(found foundRecords, trace *Trace, s search) {
	if found.truncated {
		f.found.missing(truncatedRecords(len(found.records)))
	}
	known := map[string]bool{}
	for _, r := range f.found.Records {
		known[caseRecordKey(&r)] = true
	}
	var fresh []sources.Record
	if len(found.quotes) > 0 {
		f.found.missing(left(found.quotes, s))
	}
	for i, kept := range f.names.fromRecords(found.records, trace, s.trace) {
		switch {
		case s.request != "":
			kept.Join = ByRequestID
			if kept.TraceID == "" {
				f.guess(kept.Line, s.request)
			}
		case s.span != "":
			kept.Join, kept.SpanID = BySpanID, s.span
		}
		if !known[caseRecordKey(&kept)] {
			f.found.Records = append(f.found.Records, kept)
			fresh = append(fresh, found.records[i])
		}
	}
	slices.SortStableFunc(f.found.Records, func(a, b Record) int { return a.Time.Compare(b.Time) })
	f.keepPlaces(found, trace, s)
	if len(found.records) == 0 || (s.trace == "" && len(fresh) == 0) {
		return
	}
	hop := Hop{From: "trace", To: "records", Join: ByTraceID, ID: string(s.trace)}
	if s.request != "" {
		hop = Hop{From: "request", To: "records", Join: ByRequestID, ID: s.request}
	}
	if s.span != "" {
		hop = Hop{From: "span", To: "records", Join: BySpanID, ID: string(s.span)}
	}
	for i, evidence := range found.evidence {
		hop := hop
		hop.Evidence = &evidence
		if i == 0 {
			hop.Note = counted(len(fresh), "record")
		}
		f.found.Hops = append(f.found.Hops, hop)
	}
}

func caseRecordKey(r *Record) string { return r.Time.String() + r.Labels.String() + r.Line }

// keepPlaces notes where the logs carry a trace's ID, and which services of the trace have
// records of that time that carry none.
func (f *finder) keepPlaces(found foundRecords, trace *Trace, s search) {
	if s.trace == "" {
		return
	}
	places := placesOf(found.records, s)
	f.lookup.Habits.learn(places, f.lookup.Now)
	if trace == nil {
		f.addPlaces(places)
		return
	}
	for _, service := range trace.services() {
		carried := slices.ContainsFunc(places, func(p Place) bool { return sameService(p.Service, service) })
		if label, _ := f.names.namesOf(service, found.streams); !carried && label != "" {
			places = append(places, Place{Service: service, Kind: Nowhere})
		}
	}
	f.addPlaces(places)
}

// addPlaces adds to the places, of which those are gone where records were found later.
func (f *finder) addPlaces(places []Place) {
	all := mergePlaces(f.found.Places, places)
	f.found.Places = slices.DeleteFunc(all, func(p Place) bool {
		return p.Kind == Nowhere && slices.ContainsFunc(all, func(q Place) bool { return q.Kind != Nowhere && sameService(q.Service, p.Service) })
	})
}

// services are those of the trace's spans, in order of name.
func (t *Trace) services() []string {
	all := map[string]bool{}
	for i := range t.Spans {
		all[t.Spans[i].Service] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// mergePlaces adds up the places of several traces.
func mergePlaces(a, b []Place) []Place {
	for _, p := range b {
		i := slices.IndexFunc(a, func(known Place) bool {
			return known.Service == p.Service && known.Kind == p.Kind && known.Field == p.Field
		})
		if i < 0 {
			a = append(a, p)
		} else {
			a[i].Records += p.Records
		}
	}
	return a
}
