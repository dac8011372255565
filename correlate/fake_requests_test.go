package correlate_test

import (
	"cmp"
	"context"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"obs/sources"
)

// fakeTraces is Jaeger in memory.
type fakeTraces struct {
	*trial
	stored []sources.Trace
}

var _ sources.Traces = (*fakeTraces)(nil)

// Backend implements sources.Traces.
func (f *fakeTraces) Backend() sources.Backend { return sources.Jaeger }

// Services implements sources.Traces.
func (f *fakeTraces) Services(ctx context.Context) (names []string, err error) {
	err = f.ask(ctx, sources.Jaeger, "services", sources.Window{}, func() (int, error) {
		found := map[string]bool{}
		for i := range f.stored {
			for _, name := range f.stored[i].Services() {
				found[name] = true
			}
		}
		names = slices.Sorted(maps.Keys(found))
		return len(names), nil
	})
	return names, err
}

// Operations implements sources.Traces.
func (f *fakeTraces) Operations(context.Context, string) ([]sources.Operation, error) {
	return nil, nil
}

// Search implements sources.Traces: the most recent first, as Jaeger's memory has them.
func (f *fakeTraces) Search(ctx context.Context, q sources.TraceQuery) (answer sources.TraceAnswer, err error) {
	err = f.ask(ctx, sources.Jaeger, q.String(), q.Window, func() (int, error) {
		if q.Service == "" || q.Window.IsZero() {
			f.t.Errorf("a search without service or window: %+v", q)
		}
		for _, trace := range f.stored {
			if slices.ContainsFunc(trace.Spans, func(s sources.Span) bool { return matchesSpan(&s, q) }) {
				answer.Traces = append(answer.Traces, trace)
			}
		}
		slices.SortStableFunc(answer.Traces, func(a, b sources.Trace) int { return b.Window().From.Compare(a.Window().From) })
		if len(answer.Traces) > q.Limit {
			answer.Traces, answer.Limited = answer.Traces[:q.Limit], true
		}
		return len(answer.Traces), nil
	})
	return answer, err
}

func matchesSpan(s *sources.Span, q sources.TraceQuery) bool {
	return s.Service == q.Service && (q.Operation == "" || s.Operation == q.Operation) && q.Window.Contains(s.Start) &&
		s.Duration >= q.MinDuration && (q.MaxDuration == 0 || s.Duration <= q.MaxDuration) &&
		!slices.ContainsFunc(q.Attributes, func(a sources.Attribute) bool { return s.Attributes.Get(a.Key) != a.Value })
}

// Trace implements sources.Traces.
func (f *fakeTraces) Trace(ctx context.Context, id sources.TraceID, around sources.Window) (trace sources.Trace, err error) {
	err = f.ask(ctx, sources.Jaeger, "trace "+string(id), around, func() (int, error) {
		i := slices.IndexFunc(f.stored, func(t sources.Trace) bool { return t.ID == id })
		if i < 0 {
			return 0, &sources.Error{Backend: sources.Jaeger, URL: "http://jaeger", Kind: sources.ErrNotFound}
		}
		trace = f.stored[i]
		return 1, nil
	})
	return trace, err
}

// Dependencies implements sources.Traces.
func (f *fakeTraces) Dependencies(context.Context, sources.Window) ([]sources.Dependency, error) {
	return nil, nil
}

// Link implements sources.Traces.
func (f *fakeTraces) Link(id sources.TraceID, span sources.SpanID) string {
	return "http://jaeger/trace/" + string(id) + "/" + string(span)
}

// SearchLink implements sources.Traces.
func (f *fakeTraces) SearchLink(q sources.TraceQuery) string {
	return "http://jaeger/search/" + q.String()
}

// fakeLogs is Loki in memory, for as much of LogQL as the walk speaks.
type fakeLogs struct {
	*trial
	stored []sources.Record
}

var _ sources.Logs = (*fakeLogs)(nil)

// Records implements sources.Logs.
func (f *fakeLogs) Records(ctx context.Context, query string, w sources.Window, limit int, forward bool) (answer sources.RecordAnswer, err error) {
	err = f.ask(ctx, sources.Loki, query, w, func() (int, error) {
		answer.Records = f.find(query, w)
		slices.SortStableFunc(answer.Records, func(a, b sources.Record) int { return a.Time.Compare(b.Time) })
		if !forward {
			slices.Reverse(answer.Records)
		}
		if len(answer.Records) > limit {
			answer.Records, answer.Truncated = answer.Records[:limit], true
		}
		return len(answer.Records), nil
	})
	return answer, err
}

func (f *fakeLogs) find(query string, w sources.Window) []sources.Record {
	keep := f.filter(query)
	var found []sources.Record
	for _, r := range f.stored {
		if w.Contains(r.Time) && keep(r) {
			found = append(found, r)
		}
	}
	return found
}

var (
	selector  = regexp.MustCompile(`^\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\}`)
	stage     = regexp.MustCompile(`^ (\|=|\|~|\|) `)
	condition = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)(=~|=)`)
)

// filter reads a query of the forms that sources.LogQuery renders.
func (f *fakeLogs) filter(query string) func(sources.Record) bool {
	streams := selector.FindString(query)
	matchers, rest := f.matchers(streams), query[len(streams):]
	tests := []func(sources.Record) bool{func(r sources.Record) bool {
		return selects(matchers, func(name string) string { return r.Stream[name] })
	}}
	for rest != "" {
		m := stage.FindStringSubmatch(rest)
		if m == nil {
			f.t.Errorf("%s: cannot read %q", query, rest)
			break
		}
		rest = rest[len(m[0]):]
		if m[1] == "|" {
			var either []func(sources.Record) bool
			for {
				c := condition.FindStringSubmatch(rest)
				if c == nil {
					f.t.Errorf("%s: no condition: %q", query, rest)
					break
				}
				value := f.unquote(rest[len(c[0]):], &rest)
				either = append(either, fieldTest(c[1], c[2], value))
				next, more := strings.CutPrefix(rest, " or ")
				if rest = next; !more {
					break
				}
			}
			tests = append(tests, func(r sources.Record) bool {
				return slices.ContainsFunc(either, func(test func(sources.Record) bool) bool { return test(r) })
			})
			continue
		}
		text := f.unquote(rest, &rest)
		if m[1] == "|=" {
			tests = append(tests, func(r sources.Record) bool { return strings.Contains(r.Line, text) })
		} else {
			pattern := regexp.MustCompile(text)
			tests = append(tests, func(r sources.Record) bool { return pattern.MatchString(r.Line) })
		}
	}
	return func(r sources.Record) bool {
		return !slices.ContainsFunc(tests, func(test func(sources.Record) bool) bool { return !test(r) })
	}
}

// fieldTest does not anchor an expression, as Loki does not always.
func fieldTest(name, op, value string) func(sources.Record) bool {
	fits := func(field string) bool { return field == value }
	if op == "=~" {
		fits = regexp.MustCompile(value).MatchString
	}
	return func(r sources.Record) bool {
		field := r.Metadata[name]
		if field == "" {
			field = r.Stream[name]
		}
		return fits(field)
	}
}

func (f *fakeLogs) unquote(from string, rest *string) string {
	quoted, err := strconv.QuotedPrefix(from)
	if err != nil {
		f.t.Errorf("no quoted text: %q", from)
	}
	*rest = from[len(quoted):]
	text, err := strconv.Unquote(quoted)
	if err != nil {
		*rest = ""
	}
	return text
}

var countQuery = regexp.MustCompile(`^sum(?: by \((\w+)\) )?\(?count_over_time\((.+)\[(\d+m?s)\]\)\)(?: / (\d+))?$`)

// Instant implements sources.Logs for counts of records by a label.
func (f *fakeLogs) Instant(ctx context.Context, query string, at time.Time) (answer sources.SeriesAnswer, err error) {
	err = f.ask(ctx, sources.Loki, query, sources.Window{From: at, To: at}, func() (int, error) {
		m := countQuery.FindStringSubmatch(query)
		if m == nil {
			f.t.Errorf("cannot read %s", query)
			return 0, nil
		}
		over, err := time.ParseDuration(m[3])
		if err != nil {
			return 0, err
		}
		per, err := strconv.Atoi(cmp.Or(m[4], "1"))
		if err != nil {
			return 0, err
		}
		counts := map[string]float64{}
		for _, r := range f.find(m[2], sources.Window{From: at.Add(-over), To: at}) {
			counts[r.Stream[m[1]]]++
		}
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			answer.Series = append(answer.Series, sources.Series{
				Labels: sources.Labels{m[1]: name}, Samples: []sources.Sample{{Time: at, Value: counts[name] / float64(per)}},
			})
		}
		return len(answer.Series), nil
	})
	return answer, err
}

// Range implements sources.Logs.
func (f *fakeLogs) Range(context.Context, string, sources.Window, time.Duration) (sources.SeriesAnswer, error) {
	return sources.SeriesAnswer{}, nil
}

// Labels implements sources.Logs.
func (f *fakeLogs) Labels(context.Context, sources.Window) ([]string, error) { return nil, nil }

// LabelValues implements sources.Logs.
func (f *fakeLogs) LabelValues(context.Context, string, sources.Window) ([]string, error) {
	return nil, nil
}

// Streams implements sources.Logs.
func (f *fakeLogs) Streams(ctx context.Context, selector string, w sources.Window) (streams []sources.Labels, err error) {
	err = f.ask(ctx, sources.Loki, "streams "+selector, w, func() (int, error) {
		seen := map[string]bool{}
		for _, r := range f.stored {
			if key := r.Stream.String(); w.Contains(r.Time) && !seen[key] {
				seen[key] = true
				streams = append(streams, r.Stream)
			}
		}
		return len(streams), nil
	})
	return streams, err
}

// Fields implements sources.Logs.
func (f *fakeLogs) Fields(context.Context, string, sources.Window) ([]sources.Field, error) {
	return nil, nil
}

// Volume implements sources.Logs.
func (f *fakeLogs) Volume(context.Context, string, []string, sources.Window) ([]sources.Volume, error) {
	return nil, nil
}

// Follow implements sources.Logs.
func (f *fakeLogs) Follow(context.Context, string, time.Time, func([]sources.Record, int)) error {
	return nil
}

// Link implements sources.Logs.
func (f *fakeLogs) Link(query string, _ sources.Window) string { return "http://loki/" + query }
