package correlate_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"obs/correlate"
	"obs/sources"
)

// countedLogs are fakeLogs that count lines as views ask for it, and can be followed.
type countedLogs struct {
	*fakeLogs
	countless error // the answer to every count
	follow    func(ctx context.Context, query string, from time.Time, each func([]sources.Record, int)) error
}

var linesCounted = regexp.MustCompile(`^sum\(count_over_time\((.+)[ \n]\[(\d+)(m?s)\]\)\)$`)

// Instant implements sources.Logs for counts of lines.
func (l *countedLogs) Instant(ctx context.Context, query string, at time.Time) (answer sources.SeriesAnswer, err error) {
	m := linesCounted.FindStringSubmatch(query)
	if m == nil {
		return l.fakeLogs.Instant(ctx, query, at)
	}
	err = l.ask(ctx, sources.Loki, query, sources.Window{From: at, To: at}, func() (int, error) {
		if l.countless != nil {
			return 0, l.countless
		}
		over, err := time.ParseDuration(m[2] + m[3])
		n := len(l.find(m[1], sources.Window{From: at.Add(-over), To: at}))
		if n > 0 {
			answer.Series = []sources.Series{{Samples: []sources.Sample{{Time: at, Value: float64(n)}}}}
		}
		return len(answer.Series), err
	})
	return answer, err
}

// Follow implements sources.Logs.
func (l *countedLogs) Follow(ctx context.Context, query string, from time.Time, each func([]sources.Record, int)) error {
	return l.follow(ctx, query, from, each)
}

// explorer is one of the shop, whose logs it counts.
func (s *shop) explorer() (*correlate.Explorer, *countedLogs) {
	s.t.Helper()
	logs := &countedLogs{fakeLogs: s.logs}
	set := s.set()
	set.Logs = logs
	return correlate.NewExplorer(set, question), logs
}

// view brings a view, and checks what holds of every one.
func view(t *testing.T, x *correlate.Explorer, q correlate.LogQuestion) *correlate.LogView {
	t.Helper()
	v := x.Logs(t.Context(), q)
	checkView(t, v)
	return v
}

func checkView(t *testing.T, v *correlate.LogView) {
	t.Helper()
	if v.Schema != correlate.LogsSchema || v.Records == nil || v.Patterns == nil || v.Missing == nil || v.Queries == nil {
		t.Errorf("no schema, or a list that would marshal as null: %+v", v)
	}
	if !slices.IsSortedFunc(v.Records, func(a, b correlate.Record) int { return a.Time.Compare(b.Time) }) {
		t.Error("the records are not oldest first")
	}
	if (v.Query == "") != (v.URL == "") || (len(v.Records) > 0 && v.Query == "") {
		t.Errorf("query %q, link %q", v.Query, v.URL)
	}
	if v.Truncated != (ofKind(v, correlate.MissingTruncated) != nil) {
		t.Errorf("truncated %t, and missing %+v", v.Truncated, v.Missing)
	}
}

func ofKind(v *correlate.LogView, kind string) *correlate.Missing {
	i := slices.IndexFunc(v.Missing, func(m correlate.Missing) bool { return m.Kind == kind })
	if i < 0 {
		return nil
	}
	return &v.Missing[i]
}

func lines(records []correlate.Record) (all []string) {
	for _, r := range records {
		all = append(all, r.Line)
	}
	return all
}

func TestLogsOfATrace(t *testing.T) {
	id := traceID(40)
	paid := fmt.Sprintf(`{"msg":"paid","trace_id":%q}`, id)
	own := sources.Window{From: minuteOf(40), To: minuteOf(40).Add(2040 * time.Millisecond)}.Pad(time.Minute)
	for _, test := range []struct {
		name     string
		change   func(*shop)
		question correlate.LogQuestion
		want     []string
		window   sources.Window
		kind     string // of what is missing
	}{
		{"in its own time", nil, correlate.LogQuestion{Trace: id}, []string{"bank timeout, gave up", paid}, own, ""},
		{"of a span", nil, correlate.LogQuestion{Trace: id, Span: spanID(16*40 + paymentSpan)}, []string{"bank timeout, gave up"}, own, ""},
		{"of a span that no record names", nil, correlate.LogQuestion{Trace: id, Span: spanID(1)}, nil, own, correlate.MissingNoData},
		{"the first of them", nil, correlate.LogQuestion{Trace: id, Limit: 1}, []string{"bank timeout, gave up"}, own, correlate.MissingTruncated},
		{"none of them", nil, correlate.LogQuestion{Trace: id, Limit: -1}, nil, own, ""},
		{"that Jaeger does not have", func(s *shop) { s.traces.stored = nil }, correlate.LogQuestion{Trace: id}, []string{"bank timeout, gave up", paid}, window, correlate.MissingNoData},
		{
			"that Jaeger does not have, in a window without it",
			func(s *shop) { s.traces.stored = nil },
			correlate.LogQuestion{Trace: id, Window: baseline}, nil, baseline, "",
		},
		{
			"farther back than the window",
			func(s *shop) { s.traces.stored = nil },
			correlate.LogQuestion{Trace: traceID(20)},
			[]string{"authorized", fmt.Sprintf(`{"msg":"paid","trace_id":%q}`, traceID(20))},
			sources.Window{From: window.To.Add(-6 * time.Hour), To: window.To}, correlate.MissingNoData,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := slowBank(t)
			if test.change != nil {
				test.change(s)
			}
			x, _ := s.explorer()
			v := view(t, x, test.question)
			if !slices.Equal(lines(v.Records), test.want) {
				t.Errorf("records %q, want %q", lines(v.Records), test.want)
			}
			if v.Window != test.window {
				t.Errorf("window %s, want %s", v.Window, test.window)
			}
			if test.kind == "" && len(v.Missing) > 0 || test.kind != "" && ofKind(v, test.kind) == nil {
				t.Errorf("missing %+v, want one of kind %q", v.Missing, test.kind)
			}
			for _, r := range v.Records {
				if r.TraceID == "" || r.Join.Weak() || r.Join == "" {
					t.Errorf("a record that is not joined: %+v", r)
				}
			}
		})
	}
}

func TestLogsOfAServiceAndAQuery(t *testing.T) {
	const selector = `{service_name="payment"}`
	for _, test := range []struct {
		name     string
		question correlate.LogQuestion
		query    string
		count    int
		first    string
		kind     string
	}{
		{"all of a service", correlate.LogQuestion{Service: "payment"}, selector, 30, "bank timeout, gave up", ""},
		{"the newest of it", correlate.LogQuestion{Service: "payment", Limit: 3}, selector, 3, "bank timeout, gave up", correlate.MissingTruncated},
		{"as many as there are", correlate.LogQuestion{Service: "payment", Limit: 30}, selector, 30, "bank timeout, gave up", ""},
		{"of another window", correlate.LogQuestion{Service: "payment", Window: baseline}, selector, 30, "authorized", ""},
		{"of a service that nobody is", correlate.LogQuestion{Service: "nobody"}, "", 0, "", correlate.MissingNoData},
		{"of a name that is LogQL", correlate.LogQuestion{Service: `a"} |= "`}, "", 0, "", correlate.MissingNoData},
		{"of a query", correlate.LogQuestion{Query: `{service_name="checkout"} |= "paid"`}, `{service_name="checkout"} |= "paid"`, 30, "", ""},
		{"of a query without records", correlate.LogQuestion{Query: `{service_name="checkout"} |= "no"`}, `{service_name="checkout"} |= "no"`, 0, "", ""},
		{"of nothing", correlate.LogQuestion{}, "", 0, "", correlate.MissingFailed},
	} {
		t.Run(test.name, func(t *testing.T) {
			x, _ := slowBank(t).explorer()
			v := view(t, x, test.question)
			if len(v.Records) != test.count || v.Query != test.query {
				t.Errorf("%d records by %q, want %d by %q", len(v.Records), v.Query, test.count, test.query)
			}
			if test.first != "" && v.Records[0].Line != test.first {
				t.Errorf("the first is %+v", v.Records[0])
			}
			if test.kind == "" && len(v.Missing) > 0 || test.kind != "" && ofKind(v, test.kind) == nil {
				t.Errorf("missing %+v, want one of kind %q", v.Missing, test.kind)
			}
			if test.count == 3 && !v.Records[2].Time.After(minuteOf(59)) {
				t.Errorf("the newest is of %s", v.Records[2].Time)
			}
			for _, r := range v.Records {
				if r.Join != "" || r.Service == "" {
					t.Errorf("a record that nothing joins is %+v", r)
				}
			}
		})
	}
}

func TestLogsNameTheServicesThatThereAre(t *testing.T) {
	x, _ := slowBank(t).explorer()
	v := view(t, x, correlate.LogQuestion{Service: "nobody"})
	if m := ofKind(v, correlate.MissingNoData); m == nil || m.Hint != "those that it holds are of cart, checkout, payment" {
		t.Errorf("missing %+v", v.Missing)
	}
}

// A query that counts is taken by the server, and has no lines; a wrong one is refused in
// the server's own words.
func TestLogsOfAQueryThatIsNone(t *testing.T) {
	for _, test := range []struct {
		failure    sources.Error
		said, hint string
	}{
		{sources.Error{Kind: sources.ErrBadQuery, Detail: "this query counts"}, "this query counts", "selects the lines"},
		{sources.Error{Kind: sources.ErrBadQuery, Status: 400, Detail: "parse error at line 1"}, "parse error at line 1", "begins with labels"},
		{sources.Error{Kind: sources.ErrBadQuery, Status: 400, Detail: "too long", Hint: "ask for less"}, "too long", "ask for less"},
	} {
		s := slowBank(t)
		failure := test.failure
		failure.Backend = sources.Loki
		s.before = func(sources.Backend, string) error { return &failure }
		x, _ := s.explorer()
		v := view(t, x, correlate.LogQuestion{Query: "rate({a=`b`}[1m])", Patterns: true})
		m := ofKind(v, correlate.MissingFailed)
		if m == nil || !strings.Contains(m.Reason, test.said) || !strings.Contains(m.Hint, test.hint) || len(v.Missing) != 1 {
			t.Errorf("missing %+v, want %q and %q", v.Missing, test.said, test.hint)
		}
		if failure.Hint != test.failure.Hint {
			t.Error("the server's error was changed")
		}
	}
}

func TestLogsWithoutBackends(t *testing.T) {
	for name, set := range map[string]func(*shop) sources.Set{
		correlate.MissingNotConfigured: func(s *shop) sources.Set { return sources.Set{Traces: s.traces, Ledger: s.ledger} },
		correlate.MissingFailed: func(s *shop) sources.Set {
			s.before = func(b sources.Backend, _ string) error { return down(b) }
			return s.set()
		},
	} {
		for _, q := range []correlate.LogQuestion{{Trace: traceID(40)}, {Service: "payment"}, {Query: `{a="b"}`}} {
			q.Patterns = true
			v := view(t, correlate.NewExplorer(set(slowBank(t)), question), q)
			if ofKind(v, name) == nil || len(v.Records) > 0 || len(v.Patterns) > 0 {
				t.Errorf("%+v: %d records, missing %+v", q, len(v.Records), v.Missing)
			}
		}
	}
}

func TestLogsCutShort(t *testing.T) {
	s := slowBank(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.before = func(_ sources.Backend, text string) error {
		if strings.HasPrefix(text, "{") {
			cancel()
		}
		return nil
	}
	x, _ := s.explorer()
	v := x.Logs(ctx, correlate.LogQuestion{Service: "payment", Patterns: true})
	checkView(t, v)
	if ofKind(v, correlate.MissingTimeout) == nil || len(v.Queries) != 2 {
		t.Errorf("missing %+v after %d queries", v.Missing, len(v.Queries))
	}
}

// Only the queries of the view itself are its own.
func TestLogsQueriesAreTheirOwn(t *testing.T) {
	x, _ := slowBank(t).explorer()
	first := view(t, x, correlate.LogQuestion{Service: "payment"})
	second := view(t, x, correlate.LogQuestion{Query: `{service_name="cart"}`})
	if len(first.Queries) != 2 || len(second.Queries) != 1 {
		t.Errorf("%d and %d queries", len(first.Queries), len(second.Queries))
	}
}

func TestLogsPatterns(t *testing.T) {
	for _, q := range []correlate.LogQuestion{
		{Service: "payment", Patterns: true},
		{Service: "payment", Patterns: true, Limit: -1},
		{Query: `{service_name="payment"}`, Patterns: true},
		{Trace: traceID(40), Patterns: true},
	} {
		x, _ := slowBank(t).explorer()
		v := view(t, x, q)
		if v.Sampled != 1 || v.Truncated {
			t.Errorf("%+v: sampled %g, missing %+v", q, v.Sampled, v.Missing)
		}
		if len(v.Patterns) == 0 {
			t.Errorf("%+v: no patterns", q)
			continue
		}
		if p := v.Patterns[0]; p.Change != "new" || p.Service != "payment" || p.Severity != "error" || p.WindowCount != 30 || p.BaselineCount != 0 ||
			p.Pattern != "bank timeout, gave up" || p.Example != "bank timeout, gave up" {
			t.Errorf("%+v: the first pattern is %+v", q, p)
		}
		gone := slices.IndexFunc(v.Patterns, func(p correlate.Pattern) bool { return p.Pattern == "authorized" })
		if gone < 0 || v.Patterns[gone].Change != "vanished" || v.Patterns[gone].BaselineCount != 30 {
			t.Errorf("%+v: %+v", q, v.Patterns)
		}
	}
}

// Where there are too many lines, each that was read stands for as many as the server
// counts: a burst weighs what it is, though it is short.
func TestLogsPatternsOfASample(t *testing.T) {
	s := newShop(t, question)
	add := func(from time.Time, count int, every time.Duration, line string) {
		for i := range count {
			s.logs.stored = append(s.logs.stored, record("shop", from.Add(time.Duration(i)*every), line, nil))
		}
	}
	add(window.From, 6000, 300*time.Millisecond, "request completed")
	add(window.From.Add(time.Minute), 6000, 10*time.Millisecond, "out of stock")
	add(baseline.From, 100, time.Second, "request completed")
	x, _ := s.explorer()
	v := view(t, x, correlate.LogQuestion{Service: "shop", Patterns: true, Limit: -1})
	counts := map[string][2]int{}
	for _, p := range v.Patterns {
		counts[p.Pattern] = [2]int{p.WindowCount, p.BaselineCount}
	}
	sum := counts["out of stock"][0] + counts["request completed"][0]
	if math.Abs(float64(sum-12000)) > 2 || counts["request completed"][1] != 100 {
		t.Errorf("counts %v, want 12000 in the window and 100 in the baseline", counts)
	}
	if n := counts["out of stock"][0]; n < 5000 || n > 6600 {
		t.Errorf("the burst counts %d, want some 6000", n)
	}
	if got, want := v.Sampled, 5100.0/12100; math.Abs(got-want) > 0.01 {
		t.Errorf("sampled %g, want %g", got, want)
	}
	m := ofKind(v, correlate.MissingTruncated)
	if m == nil || !strings.Contains(m.Reason, " of some 12100 lines (42.") {
		t.Errorf("missing %+v", v.Missing)
	}
}

// A query whose lines cannot be counted has patterns all the same, and says so where
// there are more lines.
func TestLogsPatternsUncounted(t *testing.T) {
	for count, truncated := range map[int]bool{4000: false, 5001: true} {
		s := newShop(t, question)
		for i := range count {
			s.logs.stored = append(s.logs.stored, record("shop", window.From.Add(time.Duration(i)*time.Millisecond), "request completed", nil))
		}
		x, logs := s.explorer()
		logs.countless = &sources.Error{Backend: sources.Loki, Kind: sources.ErrBadQuery, Status: 400, Detail: "pipeline error"}
		v := view(t, x, correlate.LogQuestion{Query: `{service_name="shop"}`, Patterns: true, Limit: -1})
		if len(v.Patterns) != 1 || v.Patterns[0].WindowCount != min(count, 5000) || v.Truncated != truncated {
			t.Errorf("%d lines: %+v, missing %+v", count, v.Patterns, v.Missing)
		}
		if m := ofKind(v, correlate.MissingTruncated); truncated && !strings.Contains(m.Reason, "could not be counted") {
			t.Errorf("%+v", m)
		}
	}
}

func TestLogsPatternsFail(t *testing.T) {
	s := slowBank(t)
	s.before = func(_ sources.Backend, text string) error {
		if strings.HasPrefix(text, "sum") {
			return down(sources.Loki)
		}
		return nil
	}
	x, _ := s.explorer()
	// The count alone fails, and is not needed.
	if v := view(t, x, correlate.LogQuestion{Service: "payment", Patterns: true}); len(v.Patterns) == 0 || len(v.Missing) > 0 {
		t.Errorf("%d patterns, missing %+v", len(v.Patterns), v.Missing)
	}
}

func TestAround(t *testing.T) {
	labels := sources.Labels{"service_name": "shop", "pod": "1"}
	stored := func(second int, line string, extra ...string) sources.Record {
		stream := sources.Labels{"service_name": "shop", "pod": "1"}
		for i := 0; i < len(extra); i += 2 {
			stream[extra[i]] = extra[i+1]
		}
		return sources.Record{Time: noon.Add(time.Duration(second) * time.Second), Stream: stream, Line: line}
	}
	all := []sources.Record{
		stored(-3*86400, "days before"), stored(-3600, "an hour before"), stored(-2, "before", "level", "error"), stored(-1, "of another pod", "pod", "2"),
		stored(-1, "of another zone", "zone", "x"), stored(0, "same 1"), stored(0, "same 2"), stored(0, "same 3"), stored(1, "after"), stored(7200, "two hours after"),
	}
	for _, test := range []struct {
		name string
		line string
		n    int
		want []string
	}{
		{"one on each side", "same 2", 1, []string{"same 1", "same 2", "same 3"}},
		{"more", "same 2", 3, []string{"an hour before", "before", "same 1", "same 2", "same 3", "after", "two hours after"}},
		{"the first of its time", "same 1", 2, []string{"an hour before", "before", "same 1", "same 2", "same 3"}},
		{"all that there are", "same 3", 0, []string{"days before", "an hour before", "before", "same 1", "same 2", "same 3", "after", "two hours after"}},
		{"that is not there any more", "deleted", 3, []string{"same 1", "same 2", "same 3", "deleted", "after", "two hours after"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newShop(t, question)
			s.logs.stored = all
			x, _ := s.explorer()
			v := x.Around(t.Context(), correlate.Record{Time: noon, Line: test.line, Labels: labels, Join: correlate.BySpanID}, test.n)
			checkView(t, v)
			if !slices.Equal(lines(v.Records), test.want) {
				t.Errorf("records %q, want %q", lines(v.Records), test.want)
			}
			if i := slices.Index(lines(v.Records), test.line); v.Records[i].Join != correlate.BySpanID {
				t.Errorf("the record itself is %+v", v.Records[i])
			}
			if gone := ofKind(v, correlate.MissingNoData) != nil; gone != (test.line == "deleted") {
				t.Errorf("missing %+v", v.Missing)
			}
			if want := `{pod="1", service_name="shop", zone=""}`; v.Query != want {
				t.Errorf("query %s, want %s", v.Query, want)
			}
		})
	}
}

// A server that does not keep metadata apart has it among the labels of the record.
func TestAroundWithMetadataAmongTheLabels(t *testing.T) {
	s := newShop(t, question)
	s.logs.stored = []sources.Record{record("shop", noon, "it", nil), record("shop", noon.Add(time.Second), "next", nil)}
	x, _ := s.explorer()
	v := x.Around(t.Context(), correlate.Record{Time: noon, Line: "it", Labels: sources.Labels{"service_name": "shop", "trace_id": "abc"}}, 5)
	if !slices.Equal(lines(v.Records), []string{"it", "next"}) || len(v.Missing) > 0 {
		t.Errorf("%q, missing %+v", lines(v.Records), v.Missing)
	}
}

func TestAroundFails(t *testing.T) {
	s := slowBank(t)
	x, _ := s.explorer()
	of := correlate.Record{Time: noon, Line: "it"}
	if v := x.Around(t.Context(), of, 5); ofKind(v, correlate.MissingFailed) == nil || len(v.Records) != 1 {
		t.Errorf("of no stream: %+v, missing %+v", v.Records, v.Missing)
	}
	s.before = func(b sources.Backend, _ string) error { return down(b) }
	of.Labels = sources.Labels{"service_name": "cart"}
	if v := x.Around(t.Context(), of, 5); ofKind(v, correlate.MissingFailed) == nil || len(v.Records) != 1 {
		t.Errorf("of a server that is down: %+v, missing %+v", v.Records, v.Missing)
	}
	if v := correlate.NewExplorer(sources.Set{}, question).Around(t.Context(), of, 5); ofKind(v, correlate.MissingNotConfigured) == nil {
		t.Errorf("of no server: missing %+v", v.Missing)
	}
}

// Whatever the times are: the record itself stands in its place, with no more than n on
// each side, and all of them where they are few.
func TestAroundAnyTimes(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := newShop(t, question)
		for i, second := range rapid.SliceOfN(rapid.IntRange(-3, 3), 1, 12).Draw(r, "seconds") {
			s.logs.stored = append(s.logs.stored, record("shop", noon.Add(time.Duration(second)*time.Second), strconv.Itoa(i), nil))
		}
		chosen := rapid.SampledFrom(s.logs.stored).Draw(r, "chosen")
		n := rapid.IntRange(1, 14).Draw(r, "n")
		x, _ := s.explorer()
		v := x.Around(t.Context(), correlate.Record{Time: chosen.Time, Line: chosen.Line, Labels: chosen.Stream}, n)
		ordered := slices.Clone(s.logs.stored)
		slices.SortStableFunc(ordered, func(a, b sources.Record) int { return a.Time.Compare(b.Time) })
		at := slices.IndexFunc(ordered, func(o sources.Record) bool { return o.Line == chosen.Line })
		var want []string
		for _, o := range ordered[max(0, at-n):min(len(ordered), at+n+1)] {
			want = append(want, o.Line)
		}
		if !slices.Equal(lines(v.Records), want) {
			r.Errorf("got %q, want %q", lines(v.Records), want)
		}
	})
}

func TestFollow(t *testing.T) {
	id := traceID(40)
	byField := record("payment", noon, "by its field", sources.Labels{"trace_id": string(id), "span_id": "1"})
	byLine := record("checkout", noon, "by its line: "+string(id), nil)
	other := record("checkout", noon, "of another one: "+string(id)+"0", nil)
	from := noon.Add(-time.Hour)
	for _, test := range []struct {
		name     string
		question correlate.LogQuestion
		queries  int
		want     []string
	}{
		{"a query", correlate.LogQuestion{Query: `{a="b"}`}, 1, []string{byField.Line, byLine.Line, other.Line}},
		{"a service", correlate.LogQuestion{Service: "payment"}, 1, []string{byField.Line, byLine.Line, other.Line}},
		{"a trace", correlate.LogQuestion{Trace: id, Window: sources.Window{From: from}}, 2, []string{byField.Line, byLine.Line}},
		{"a span", correlate.LogQuestion{Trace: id, Span: "0000000000000001"}, 2, []string{byField.Line}},
	} {
		t.Run(test.name, func(t *testing.T) {
			x, logs := slowBank(t).explorer()
			ctx, cancel := context.WithCancel(t.Context())
			asked := make(chan string, 10)
			logs.follow = func(ctx context.Context, query string, since time.Time, each func([]sources.Record, int)) error {
				if !since.Equal(test.question.Window.From) {
					t.Errorf("since %s", since)
				}
				each([]sources.Record{byField, byLine, other}, 0)
				each(nil, 2)
				asked <- query
				if len(asked) == test.queries {
					cancel()
				}
				<-ctx.Done()
				return nil
			}
			var got []string
			dropped := 0
			err := x.Follow(ctx, test.question, func(records []correlate.Record, lost int) {
				if len(records) == 0 && lost == 0 {
					t.Error("called with nothing")
				}
				got = append(got, lines(records)...)
				dropped += lost
			})
			if err != nil || !slices.Equal(got, test.want) || dropped != 2*test.queries {
				t.Errorf("%q, %d dropped, %v; want %q", got, dropped, err, test.want)
			}
		})
	}
}

func TestFollowFails(t *testing.T) {
	nothing := func([]correlate.Record, int) { t.Error("called") }
	s := slowBank(t)
	x, logs := s.explorer()
	logs.follow = func(context.Context, string, time.Time, func([]sources.Record, int)) error {
		return &sources.Error{Backend: sources.Loki, Kind: sources.ErrBadQuery, Status: 400}
	}
	var failure *sources.Error
	if err := x.Follow(t.Context(), correlate.LogQuestion{Query: "{"}, nothing); !errors.As(err, &failure) || failure.Hint == "" {
		t.Errorf("a wrong query: %v", err)
	}
	var unknown *correlate.NoSuchServiceError
	if err := x.Follow(t.Context(), correlate.LogQuestion{Service: "nobody"}, nothing); !errors.As(err, &unknown) || !strings.Contains(unknown.Hint, "payment") {
		t.Errorf("a service that nobody is: %v", err)
	}
	if err := correlate.NewExplorer(sources.Set{}, question).Follow(t.Context(), correlate.LogQuestion{Query: "{"}, nothing); err == nil {
		t.Error("no Loki is no failure")
	}
	s.before = func(b sources.Backend, _ string) error { return down(b) }
	if err := x.Follow(t.Context(), correlate.LogQuestion{Service: "payment"}, nothing); !errors.Is(err, sources.ErrUnreachable) {
		t.Errorf("a server that is down: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := x.Follow(ctx, correlate.LogQuestion{Service: "payment"}, nothing); err != nil {
		t.Errorf("ended before it began: %v", err)
	}
}

func TestLogsNearest(t *testing.T) {
	s := newShop(t, question)
	for _, second := range []int{-3 * 86400, -7200, -2, -1, 0, 1, 2, 7200, 9 * 86400} {
		s.logs.stored = append(s.logs.stored, record("shop", noon.Add(time.Duration(second)*time.Second), strconv.Itoa(second), nil))
	}
	x, _ := s.explorer()
	for _, test := range []struct {
		name     string
		question correlate.LogQuestion
		want     []string
	}{
		{"of a service", correlate.LogQuestion{Service: "shop", Limit: 4}, []string{"-2", "-1", "0", "1"}},
		{"an odd number", correlate.LogQuestion{Query: `{service_name="shop"}`, Limit: 3}, []string{"-1", "0", "1"}},
		{"one", correlate.LogQuestion{Service: "shop", Limit: 1}, []string{"0"}},
		{"as many as there are near", correlate.LogQuestion{Service: "shop"}, []string{"-259200", "-7200", "-2", "-1", "0", "1", "2", "7200"}},
		{"with context", correlate.LogQuestion{Service: "shop", Limit: 1, Before: 1}, []string{"-1", "0"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.question.Around = noon
			v := view(t, x, test.question)
			if !slices.Equal(lines(v.Records), test.want) || len(v.Missing) > 0 {
				t.Errorf("records %q, want %q, missing %+v", lines(v.Records), test.want, v.Missing)
			}
			if r := v.Records; !v.Window.Contains(r[len(r)-1].Time) {
				t.Errorf("window %s does not have its records", v.Window)
			}
		})
	}
}

func TestLogsOfARequest(t *testing.T) {
	s := slowBank(t)
	s.logs.stored = append(s.logs.stored,
		record("shop", minuteOf(40).Add(-time.Second), "accepted req-7f3a", nil),
		record("shop", minuteOf(40), "paid "+string(traceID(40)), sources.Labels{"request_id": "req-7f3a", "trace_id": string(traceID(40))}),
		record("shop", minuteOf(40), "accepted req-7f3ab", nil),
	)
	x, _ := s.explorer()
	v := view(t, x, correlate.LogQuestion{Request: "req-7f3a"})
	joins := map[string]correlate.Join{}
	for _, r := range v.Records {
		joins[r.Line] = r.Join
		if !v.Window.Contains(r.Time) {
			t.Errorf("%s has no record of %s", v.Window, r.Time)
		}
	}
	for line, want := range map[string]correlate.Join{
		"accepted req-7f3a": correlate.ByRequestID, "paid " + string(traceID(40)): correlate.ByRequestID,
		"bank timeout, gave up": correlate.BySpanID, "accepted req-7f3ab": "",
	} {
		if joins[line] != want {
			t.Errorf("%q is joined by %q, want %q", line, joins[line], want)
		}
	}
	v = view(t, x, correlate.LogQuestion{Request: "req-7f3a", Limit: 1})
	if !slices.Equal(lines(v.Records), []string{"accepted req-7f3a"}) || !v.Truncated {
		t.Errorf("records %q, missing %+v", lines(v.Records), v.Missing)
	}
}
