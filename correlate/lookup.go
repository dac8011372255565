package correlate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"obs/correlate/ident"
	"obs/sources"
)

// Bounds of a lookup.
const (
	lookupRecords = 50000 // log records of one request
	maxTraces     = 5     // traces of one request that are fetched
	maxAsked      = 40    // services that are searched for a request ID in span attributes
)

// Lookup is what `obs trace` is asked.
type Lookup struct {
	ID ident.ID
	// Text is what the person gave.
	Text string
	// Window is where to look for what has no time of its own.
	Window sources.Window
	// Fixed keeps the window from being widened when nothing is found.
	Fixed bool
	// Now is the time, by which is told what may still arrive; not told where zero.
	Now time.Time
	// Habits are where services carry trace IDs, and learn it; nil where nobody remembers.
	Habits *Habits
	// Names are the team's own.
	Names Names
	// RecordsOnly leaves away what is about the request and not its records: further traces,
	// its failure and its story.
	RecordsOnly bool
	// Compare compares the trace with normal ones of the same root, With with one other.
	Compare bool
	With    sources.TraceID
}

// finder is one lookup under way. Its parts: lookup.go (which IDs lead to which others),
// lookup_traces.go and lookup_records.go (how they are asked for), notfound.go.
type finder struct {
	set     sources.Set
	lookup  Lookup
	names   *glossary
	observe Observer
	found   *Case

	asked         map[sources.TraceID]bool // of the trace backend
	gone          map[sources.TraceID]bool // the trace backend answered that it does not have it
	searched      map[string]bool          // request IDs that were looked for in records
	searchedSpans map[string]bool          // and in the attributes of all services
	guessed       []sources.TraceID        // that records of the request seem to name
	guesses       int                      // records that were read for them
	silent        []silence
	remarked      map[sources.TraceID]bool // what is to be kept in mind of them was said
}

// Find brings one request: its traces with all their spans, and every log record that
// carries its IDs. It always returns a case; a case without trace and records means
// that everything which answered knows nothing of the ID.
//
// The IDs make a graph, which it walks from what it was given: a request ID leads to the
// traces of the records and spans that carry it, a trace to its records, to the request ID
// that they carry, and by that and by span links to further traces.
func Find(ctx context.Context, set sources.Set, lookup Lookup, observe Observer) *Case {
	if observe == nil {
		observe = func(Step) {}
	}
	names := newGlossary(lookup.Names)
	set = names.set(set)
	f := &finder{
		set: set, lookup: lookup, names: names, observe: observe, found: NewCase(lookup.Window),
		asked: map[sources.TraceID]bool{}, gone: map[sources.TraceID]bool{}, searched: map[string]bool{}, searchedSpans: map[string]bool{},
		remarked: map[sources.TraceID]bool{},
	}
	f.found.Asked, f.found.TakenFor = lookup.Text, lookup.ID.Reading
	if set.Traces == nil {
		f.found.notConfigured(f.set.TraceBackend(), "no spans were looked at")
	}
	if set.Logs == nil {
		f.found.notConfigured(sources.Loki, "no log record was looked at")
	}
	f.find(ctx)
	f.compare(ctx)
	if err := ctx.Err(); err != nil {
		f.found.interrupted(err)
	}
	f.found.keepQueries(set.Ledger)
	f.found.redact()
	return f.found
}

func (f *finder) begin(name, doing string) stepUnderWay { return begin(f.observe, name, doing) }

func (f *finder) find(ctx context.Context) {
	traces, requests := f.readings()
	f.byTraceIDs(ctx, traces, tie{from: "request", join: ByTraceID})
	if f.found.Trace == nil {
		f.byRecords(ctx, traces, requests)
	}
	known := slices.ContainsFunc(f.found.Records, func(r Record) bool { return slices.Contains(traces, r.TraceID) })
	if f.found.Trace == nil && len(f.tracesOfRecords()) == 0 && !known {
		for _, id := range requests {
			f.byTraceIDs(ctx, f.byAttribute(ctx, id), tie{from: "request", join: ByRequestID, id: id})
		}
	}
	if f.lookup.RecordsOnly {
		f.hear(ctx)
		return
	}
	f.explore(ctx)
	if f.found.Trace == nil && len(f.found.Records) == 0 && ctx.Err() == nil {
		f.explainAbsence()
	}
}

// explore goes on from the trace that was found.
func (f *finder) explore(ctx context.Context) {
	if f.found.Trace == nil {
		return
	}
	f.remark()
	f.found.Failure = FailureOf(f.found.Trace)
	f.found.Story = Tell(f.found.Trace, f.found.Records)
	f.preview()
	f.follow(ctx)
	f.hear(ctx)
	f.near(ctx)
	f.remark()
	f.count(ctx)
	f.found.Story = Tell(f.found.Trace, f.found.Records)
}

// preview shows what is known of the request by now: its trace and its records. What is
// still to come takes further questions.
func (f *finder) preview() {
	so := *f.found
	so.Hops, so.Missing, so.Records = slices.Clone(so.Hops), slices.Clone(so.Missing), slices.Clone(so.Records)
	so.Places, so.Story = slices.Clone(so.Places), slices.Clone(so.Story)
	trace := *so.Trace
	so.Trace = &trace
	so.OtherTraces = slices.Clone(so.OtherTraces)
	if so.Failure != nil {
		failure := *so.Failure // which is counted yet
		so.Failure = &failure
	}
	f.observe(Step{Name: StepPreview, Done: true, SoFar: &so})
}

// readings are the trace and request IDs that the text was taken for, likeliest first.
func (f *finder) readings() (traces []sources.TraceID, requests []string) {
	for _, c := range f.lookup.ID.Candidates {
		switch c.Kind {
		case ident.Trace:
			traces = append(traces, c.Trace)
		case ident.Request:
			requests = append(requests, c.Request)
		}
	}
	return traces, requests
}

// searches are how records of each reading are asked for, likeliest first.
func (f *finder) searches() []search {
	var all []search
	for _, c := range f.lookup.ID.Candidates {
		switch c.Kind {
		case ident.Trace:
			all = append(all, f.names.traceSearch(c.Trace))
		case ident.Request:
			all = append(all, f.names.requestSearch(c.Request))
			f.searched[c.Request] = true
		case ident.Span:
			all = append(all, f.names.spanSearch(c.Span))
		}
	}
	return all
}

// byRecords looks for what no trace tells the time of: records that carry any of the IDs,
// and then the traces that these name.
func (f *finder) byRecords(ctx context.Context, traces []sources.TraceID, requests []string) {
	if f.set.Logs == nil || ctx.Err() != nil {
		return
	}
	searches := f.searches()
	answers := f.lookBack(ctx, searches)
	for i, found := range answers {
		// What its own records call a trace ID is no request ID in lines that quote it.
		for j, s := range searches[:i] {
			if id, ok := ident.ParseTrace(searches[i].request); ok && s.trace == id && len(answers[j].records) > 0 {
				found.records = slices.DeleteFunc(slices.Clone(found.records), s.foreign)
			}
		}
		f.keepRecords(found, nil, searches[i])
	}
	for _, id := range traces {
		if f.gone[id] && slices.ContainsFunc(f.found.Records, func(r Record) bool { return r.TraceID == id }) {
			f.notStored(id, "the records name")
		}
	}
	by := tie{from: "request", join: ByRequestID}
	if len(requests) > 0 {
		by.id = requests[0]
	}
	f.byTraceIDs(ctx, f.tracesOfRecords(), by)
	f.byGuess(ctx, by)
}

// byGuess brings traces that records of the request seem to name, as far as they are stored.
func (f *finder) byGuess(ctx context.Context, by tie) {
	ids := slices.DeleteFunc(slices.Clone(f.guessed), func(id sources.TraceID) bool { return f.asked[id] })
	ids = ids[:min(len(ids), max(0, maxTraces-f.kept()))]
	for i, answer := range f.fetch(ctx, ids) {
		if answer.trace != nil {
			f.keepTrace(answer.trace, by)
			f.recordsOf(ctx, ids[i], answer.trace)
		}
	}
}

// maxGuesses bounds how many records are read for a trace ID that has no name.
const maxGuesses = 100

// guess notes a trace ID that a record of a request has without a name, as [4bf9…].
func (f *finder) guess(line, request string) {
	if f.guesses == maxGuesses || len(f.guessed) == maxTraces {
		return
	}
	f.guesses++
	found, err := f.lookup.Names.Read(line)
	if err != nil || found.Trace == "" || slices.Contains(f.guessed, found.Trace) {
		return
	}
	if itself, ok := ident.ParseTrace(request); !ok || itself != found.Trace {
		f.guessed = append(f.guessed, found.Trace)
	}
}

// tracesOfRecords are the traces that records name, in the order of time, without those
// that the trace backend was asked for.
func (f *finder) tracesOfRecords() []sources.TraceID {
	var ids []sources.TraceID
	for _, r := range f.found.Records {
		if r.TraceID != "" && !f.asked[r.TraceID] && !slices.Contains(ids, r.TraceID) {
			ids = append(ids, r.TraceID)
		}
	}
	return ids
}

// byTraceIDs brings traces, and the records of each.
func (f *finder) byTraceIDs(ctx context.Context, ids []sources.TraceID, by tie) {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id sources.TraceID) bool { return f.asked[id] })
	if room := max(0, maxTraces-f.kept()); len(ids) > room {
		f.found.missing(Missing{
			Backend: f.set.TraceBackend(), Kind: MissingTruncated,
			Reason: fmt.Sprintf("%d of the %d traces of the request are shown", maxTraces, f.kept()+len(ids)),
			Hint:   "look at the others by their own IDs: " + joinIDs(ids[room:]),
		})
		ids = ids[:room]
	}
	for i, answer := range f.fetch(ctx, ids) {
		switch {
		case answer.trace != nil:
			f.keepTrace(answer.trace, by)
		case answer.gone && by.join == ByLink:
			f.notStored(ids[i], "a span links to")
		case answer.gone && by.join != ByTraceID:
			f.notStored(ids[i], "the records name")
		}
		if answer.trace != nil || by.join == ByRequestID {
			f.recordsOf(ctx, ids[i], answer.trace)
		}
	}
}

// kept is how many traces the case has.
func (f *finder) kept() int {
	if f.found.Trace == nil {
		return 0
	}
	return 1 + len(f.found.OtherTraces)
}

func joinIDs(ids []sources.TraceID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	return strings.Join(texts, ", ")
}

func (f *finder) notStored(id sources.TraceID, known string) {
	if f.set.Traces == nil {
		return
	}
	f.found.missing(Missing{
		Backend: f.set.TraceBackend(), Kind: MissingNoData,
		Reason: fmt.Sprintf("%s trace %s, which %s does not have", known, id, f.set.TraceBackend().Name()),
		Hint:   "it was not sampled, has expired, or is still arriving",
	})
}

const (
	// leastID is how long a request ID must be to be followed from one trace to others: an
	// ID of fewer than eight characters is a count, and each process has its own.
	leastID = 8
	// maxFollowed bounds the request IDs that are followed from a trace. One request has one,
	// or two where a proxy adds its own.
	maxFollowed = 2
	// retriedWithin is how far from a trace others of the same request ID are looked for in
	// span attributes. A client that gets no answer gives up within minutes; work that is put
	// off for longer is tied by links.
	retriedWithin = 15 * time.Minute
)

// follow goes on from the traces that were found: to those that their spans link to, and to
// what carries the same request ID.
func (f *finder) follow(ctx context.Context) {
	if f.found.Trace == nil {
		return
	}
	for _, link := range f.links() {
		f.byTraceIDs(ctx, []sources.TraceID{link.to.TraceID}, tie{from: "span", join: ByLink, id: string(link.to.TraceID), span: link.from})
	}
	for _, carried := range f.carried() {
		if ctx.Err() != nil {
			return
		}
		if f.set.Logs != nil && !f.searched[carried.id] {
			f.searched[carried.id] = true
			// Its records stand near those of the trace; what was tried again or put off is
			// found by the spans that carry it.
			s := f.names.requestSearch(carried.id)
			found, ok := f.search(ctx, s, f.found.Window.Pad(recordSlack))
			if ok {
				f.keepRecords(found, nil, s)
			}
		}
		by := tie{from: "request", join: ByRequestID, id: carried.id}
		ids := f.tracesOfRecords()
		if len(carried.services) > 0 && f.set.Traces != nil && !f.searchedSpans[carried.id] {
			attribute := sources.Attributes{{Key: carried.key, Value: carried.value}}
			window := f.found.Window.Pad(retriedWithin)
			if more, err := f.searchAttribute(ctx, carried.services, attribute, window); err == nil {
				ids = append(ids, more...)
			} else {
				f.found.missingError(f.set.TraceBackend(), "other traces of the same request ID were not looked for", err)
			}
		}
		f.byTraceIDs(ctx, eachOnce(ids), by)
	}
}

// eachOnce are the items in their order, without repetitions.
func eachOnce[T comparable](items []T) []T {
	var all []T
	for _, item := range items {
		if !slices.Contains(all, item) {
			all = append(all, item)
		}
	}
	return all
}

// linked is a span of a trace that was found, and what it links to.
type linked struct {
	from sources.SpanID
	to   Link
}

// links are those to other traces that were not asked for, each trace once.
func (f *finder) links() []linked {
	var all []linked
	seen := map[sources.TraceID]bool{}
	for _, t := range f.found.Traces() {
		for i := range t.Spans {
			for _, link := range t.Spans[i].Links {
				if link.TraceID != t.ID && !f.asked[link.TraceID] && !seen[link.TraceID] {
					seen[link.TraceID] = true
					all = append(all, linked{from: t.Spans[i].ID, to: link})
				}
			}
		}
	}
	return all
}

// carriedID is a request ID that a trace or its records carry.
type carriedID struct {
	id         string
	key, value string   // the attribute that holds it, as it is stored
	services   []string // whose spans carry it so, in order of name; none where records alone do
}

// carried are the request IDs of the first trace, which were not looked for so: those of most
// spans first, then those of its records alone.
func (f *finder) carried() []carriedID {
	type place struct{ id, key, value string }
	counts := map[place]int{}
	services := map[place][]string{}
	var order []place
	for i := range f.found.Trace.Spans {
		s := &f.found.Trace.Spans[i]
		for _, key := range f.names.requestAttributes() {
			value := s.Attributes.Get(key)
			for _, id := range valuesOf(value) {
				p := place{id, key, value}
				if counts[p]++; counts[p] == 1 {
					order = append(order, p)
				}
				if !slices.Contains(services[p], s.Service) {
					services[p] = append(services[p], s.Service)
				}
			}
		}
	}
	for _, r := range f.found.Records {
		if id := recordField(sources.Record{Stream: r.Labels, Metadata: r.Metadata, Line: r.Line}, f.names.requestFields()); id != "" && r.TraceID == f.found.Trace.ID {
			p := place{id: id}
			if counts[p]++; counts[p] == 1 {
				order = append(order, p)
			}
		}
	}
	// The ones in attributes came first; within each, those that are carried most.
	slices.SortStableFunc(order, func(a, b place) int {
		if (a.key == "") != (b.key == "") {
			return len(b.key) - len(a.key)
		}
		return counts[b] - counts[a]
	})
	var all []carriedID
	known := map[string]bool{}
	for _, p := range order {
		searched := f.searched[p.id] && (p.key == "" || f.searchedSpans[p.id])
		if known[p.id] || searched || len(p.id) < leastID || len(all) == maxFollowed {
			continue
		}
		known[p.id] = true
		slices.Sort(services[p])
		all = append(all, carriedID{id: p.id, key: p.key, value: p.value, services: services[p]})
	}
	return all
}
