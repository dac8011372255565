package correlate

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"obs/correlate/ident"
	"obs/sources"
)

// search is how the records of one request are asked for.
type search struct {
	names   *glossary
	trace   sources.TraceID   // this one's
	request string            // or the one with this request ID
	span    sources.SpanID    // or the one of this span
	field   []sources.Matcher // one of these fields says so
	pattern string            // or the line matches
	text    string            // or the line contains
	// holds checks a record that was found by its line.
	holds func(sources.Record) bool
}

func (n *glossary) traceSearch(id sources.TraceID) search {
	s := search{
		names:   n,
		trace:   id,
		pattern: ident.TracePattern(id),
		holds:   func(r sources.Record) bool { return ident.Mentions(r.Line, id) },
	}
	// Equality, and not a pattern, is what Loki can look up without reading every record.
	notations := []string{string(id)}
	short := id.Short()
	if padded, ok := sources.ParseSpanID(short); ok {
		notations = append(notations, string(padded)) // a 64-bit ID is logged with 16 digits
	}
	if !slices.Contains(notations, short) {
		notations = append(notations, short) // and any by some tools without its leading zeros
	}
	if upper := strings.ToUpper(string(id)); upper != string(id) {
		notations = append(notations, upper)
	}
	notations = append(notations, ident.Dashed(id))
	for _, name := range n.searchedTrace() {
		for _, notation := range notations {
			s.field = append(s.field, sources.Matcher{Name: name, Op: sources.Equal, Value: notation})
		}
	}
	if decimal := ident.Decimal(id); decimal != "" {
		for _, name := range n.searchedDecimal() {
			s.field = append(s.field, sources.Matcher{Name: name, Op: sources.Equal, Value: decimal})
		}
	}
	return s
}

func (n *glossary) requestSearch(id string) search {
	s := search{
		names:   n,
		request: id,
		text:    id,
		holds:   func(r sources.Record) bool { return containsWord(r.Line, id) },
	}
	for _, name := range n.searchedRequest() {
		s.field = append(s.field, sources.Matcher{Name: name, Op: sources.Equal, Value: id})
	}
	return s
}

// spanSearch asks for the records of a span whose trace is not known.
func (n *glossary) spanSearch(id sources.SpanID) search {
	s := search{
		names: n,
		span:  id,
		text:  string(id),
		holds: func(r sources.Record) bool { return containsWord(r.Line, string(id)) },
	}
	for _, name := range ident.SpanLabels {
		s.field = append(s.field, sources.Matcher{Name: name, Op: sources.Equal, Value: string(id)})
	}
	return s
}

// foreign reports whether a record that was found is of another request, which the record
// names as its own, and only quotes the ID.
func (s search) foreign(r sources.Record) bool {
	names := s.names.traceFields()
	if s.request != "" {
		names = ident.OwnRequestFields
	}
	own := recordField(r, names)
	switch {
	case own == "" || s.span != "" || s.is(own):
		return false
	case s.request != "":
		// Proxies and clients have IDs of their own for it, under any name.
		kind, _ := carriedIn(r, s)
		return kind == InLine
	}
	if _, ok := ident.ParseTrace(own); !ok {
		return false
	}
	// Two tracers at once name it twice, each in its own notation.
	for _, name := range names {
		only := []string{name}
		for _, value := range []string{r.Metadata[name], r.Stream[name], ident.InLine(r.Line, only)} {
			if s.is(value) {
				return false
			}
		}
	}
	return true
}

// is reports whether a field's value is the ID.
func (s search) is(value string) bool {
	switch {
	case s.request != "":
		return value == s.request
	case s.span != "":
		id, ok := sources.ParseSpanID(value)
		return ok && id == s.span
	}
	id, ok := ident.ParseTrace(value)
	return (ok && id == s.trace) || (value != "" && value == ident.Decimal(s.trace))
}

// containsWord reports whether id stands in the line and is not part of a longer word.
func containsWord(line, id string) bool {
	for at := 0; ; {
		i := strings.Index(line[at:], id)
		if i < 0 {
			return false
		}
		start, end := at+i, at+i+len(id)
		at = start + 1
		if (start == 0 || !isWord(line[start-1])) && (end == len(line) || !isWord(line[end])) {
			return true
		}
	}
}

func isWord(b byte) bool {
	return b == '_' || b == '-' || (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z')
}

// foundRecords is what a search for records brought.
type foundRecords struct {
	records   []sources.Record
	evidence  []Evidence // the queries that brought records; all of them when none did
	truncated bool
	streams   []sources.Labels // those with records in the window
	quotes    []sources.Record // that mention the ID and are of other requests
}

// way is one question for records: by their fields, or by their lines.
type way struct {
	query  string
	byLine bool
}

// everyWay asks for all records of a search, wherever one may carry the ID: in structured
// metadata or a label, or anywhere in its line, as a parsed field or not. It asks all
// streams, since a request leaves lines where nobody expects them.
func everyWay(streams []sources.Labels, s search) []way {
	return waysBy(covering(streams), streams, s)
}

// waysBy is everyWay by these selectors of the streams.
func waysBy(selectors []sources.Selector, streams []sources.Labels, s search) []way {
	var ways []way
	for _, selector := range selectors {
		ways = append(ways, way{query: fieldQuery(selector, s)}, way{query: lineQuery(selector, s), byLine: true})
	}
	return append(ways, labelWays(streams, s)...)
}

// labelWays asks for streams that are of the request as a whole, by a label that no field
// of the search names.
func labelWays(streams []sources.Labels, s search) []way {
	var queries []string
	for _, stream := range streams {
		for name, value := range stream {
			equal := sources.Matcher{Name: name, Op: sources.Equal, Value: value}
			if s.is(value) && !slices.Contains(s.field, equal) {
				queries = append(queries, sources.LogQuery{Selector: sources.Selector{equal}}.String())
			}
		}
	}
	slices.Sort(queries)
	var ways []way
	for _, query := range slices.Compact(queries) {
		ways = append(ways, way{query: query})
	}
	return ways
}

// findRecords asks for all records of one request in a window.
func findRecords(ctx context.Context, logs sources.Logs, s search, window sources.Window, limit int) (foundRecords, error) {
	streams, err := logs.Streams(ctx, "", window)
	if err != nil {
		return foundRecords{}, err
	}
	return askRecords(ctx, logs, s, everyWay(streams, s), window, limit, streams)
}

// askRecords asks in all these ways at once, and keeps each record that is found once.
func askRecords(ctx context.Context, logs sources.Logs, s search, ways []way, window sources.Window, limit int, streams []sources.Labels) (foundRecords, error) {
	answers := make([]sources.RecordAnswer, len(ways))
	group, ctx := errgroup.WithContext(ctx)
	for i := range ways {
		group.Go(func() (err error) {
			answers[i], err = logs.Records(ctx, ways[i].query, window, limit, true)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return foundRecords{}, err
	}
	found := foundRecords{streams: streams}
	seen := map[string]bool{}
	for i, way := range ways {
		fresh := 0
		for _, r := range answers[i].Records {
			key := recordKey(r)
			if seen[key] || (way.byLine && !s.holds(r)) {
				continue
			}
			seen[key] = true
			if s.foreign(r) {
				found.quotes = append(found.quotes, r)
				continue
			}
			fresh++
			found.records = append(found.records, r)
		}
		found.truncated = found.truncated || answers[i].Truncated
		if fresh > 0 {
			found.evidence = append(found.evidence, logEvidence(logs, way.query, window))
		}
	}
	if len(found.evidence) == 0 {
		for _, way := range ways {
			found.evidence = append(found.evidence, logEvidence(logs, way.query, window))
		}
	}
	slices.SortStableFunc(found.records, func(a, b sources.Record) int { return a.Time.Compare(b.Time) })
	if len(found.records) > limit {
		found.records, found.truncated = found.records[:limit], true
	}
	return found, nil
}

func logEvidence(logs sources.Logs, query string, window sources.Window) Evidence {
	return Evidence{Backend: sources.Loki, Query: query, Window: window, URL: logs.Link(query, window)}
}

func fieldQuery(selector sources.Selector, s search) string {
	return sources.LogQuery{Selector: selector, AnyField: s.field}.String()
}

func lineQuery(selector sources.Selector, s search) string {
	q := sources.LogQuery{Selector: selector, LineRegexp: s.pattern}
	if s.text != "" {
		q.Contains = []string{s.text}
	}
	return q.String()
}

// recordKey tells records apart as Loki does: by stream, time and line.
func recordKey(r sources.Record) string {
	return r.Time.Format("20060102150405.000000000") + r.Stream.String() + r.Line
}

// covering returns selectors that together select every stream, and none twice: LogQL
// wants a label that is not empty, and no single label need be on all streams.
func covering(streams []sources.Labels) []sources.Selector {
	var selectors []sources.Selector
	var used []string
	left := streams
	for len(left) > 0 {
		counts := map[string]int{}
		for _, labels := range left {
			for name, value := range labels {
				if value != "" {
					counts[name]++
				}
			}
		}
		best := ""
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			if best == "" || cmp.Or(cmp.Compare(counts[name], counts[best]), cmp.Compare(labelRank(best), labelRank(name))) > 0 {
				best = name
			}
		}
		if best == "" {
			break // streams without any label cannot be selected, and Loki has none
		}
		selector := sources.Selector{sources.NotEmpty(best)}
		for _, name := range used {
			selector = append(selector, sources.Matcher{Name: name, Op: sources.Equal, Value: ""})
		}
		selectors = append(selectors, selector)
		used = append(used, best)
		left = slices.DeleteFunc(slices.Clone(left), func(l sources.Labels) bool { return l[best] != "" })
	}
	return selectors
}

func labelRank(name string) int {
	if i := slices.Index(logServiceLabels, name); i >= 0 {
		return i
	}
	return len(logServiceLabels)
}
