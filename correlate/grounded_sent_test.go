package correlate_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"obs/correlate"
	"obs/correlate/spans"
	"obs/sources"
)

// send asks the backend for a piece of evidence exactly as the case gives it.
func (g *grounds) send(t *testing.T, e correlate.Evidence) *answered {
	t.Helper()
	key := fmt.Sprint(e.Backend, e.Query, e.Window, e.StepSeconds)
	if known := g.known[key]; known != nil {
		return &answered{evidence: e, series: known.series, trees: known.trees, records: known.records}
	}
	a := &answered{evidence: e}
	var err error
	switch e.Backend {
	case sources.Prometheus:
		a.series, err = g.series(t, e)
	case sources.Loki:
		var answer sources.RecordAnswer
		answer, err = g.set.Logs.Records(t.Context(), e.Query, e.Window, 20_000, false)
		if a.records = answer.Records; answer.Truncated {
			t.Errorf("%s in %s brings more than can be read", e.Query, e.Window)
		}
	case sources.Jaeger:
		a.trees, err = g.traces(t, e)
	default:
		t.Fatalf("evidence of no backend: %+v", e)
	}
	if err != nil {
		t.Fatalf("%s: %s in %s: %v", e.Backend, e.Query, e.Window, err)
	}
	g.known[key] = a
	return a
}

// wasAsked checks that what is cited was asked over just that time: a range of Prometheus, of
// all services or of one, or a search for traces. A trace is asked for with some slack, and
// lines page by page.
func (g *grounds) wasAsked(t *testing.T, e correlate.Evidence) {
	t.Helper()
	if e.Backend == sources.Loki || strings.HasPrefix(e.Query, "trace ") {
		return
	}
	if !slices.ContainsFunc(g.found.Queries, func(q correlate.Query) bool {
		return q.Backend == e.Backend && q.Window != nil && *q.Window == e.Window
	}) {
		t.Errorf("%s: %s was not asked over %s", e.Backend, e.Query, e.Window)
	}
}

func (g *grounds) series(t *testing.T, e correlate.Evidence) ([]sources.Series, error) {
	if e.StepSeconds == 0 {
		answer, err := g.set.Metrics.Instant(t.Context(), e.Query, e.Window.To)
		return answer.Series, err
	}
	answer, err := g.set.Metrics.Range(t.Context(), e.Query, e.Window, time.Duration(e.StepSeconds*float64(time.Second)))
	return answer.Series, err
}

func (g *grounds) traces(t *testing.T, e correlate.Evidence) ([]*spans.Tree, error) {
	if id, ok := strings.CutPrefix(e.Query, "trace "); ok {
		trace, err := g.set.Traces.Trace(t.Context(), sources.TraceID(id), e.Window)
		return []*spans.Tree{spans.Build(&trace)}, err
	}
	query, err := parseTraceQuery(e.Query)
	if err != nil {
		return nil, err
	}
	query.Window = e.Window
	if query.String() != e.Query {
		t.Errorf("%s is read as %s", e.Query, query)
	}
	return g.search(t, query)
}

func (g *grounds) search(t *testing.T, query sources.TraceQuery) ([]*spans.Tree, error) {
	answer, err := g.set.Traces.Search(t.Context(), query)
	var trees []*spans.Tree
	for i := range answer.Traces {
		if tree := spans.Build(&answer.Traces[i]); tree.Main != spans.None {
			trees = append(trees, tree)
		}
	}
	return trees, err
}

// queryPart is one condition of a search for traces: a name, and a value that is quoted or not.
var queryPart = regexp.MustCompile(`^ ?([\w.]+)=("(?:[^"\\]|\\.)*"|\S+)`)

// parseTraceQuery reads what TraceQuery.String wrote, without the window.
func parseTraceQuery(text string) (sources.TraceQuery, error) {
	var q sources.TraceQuery
	for rest := text; rest != ""; {
		m := queryPart.FindStringSubmatch(rest)
		if m == nil {
			return q, fmt.Errorf("%q is no search from %q on", text, rest)
		}
		rest = rest[len(m[0]):]
		name, value := m[1], m[2]
		var err error
		switch isText := strings.HasPrefix(value, `"`); {
		case isText:
			if value, err = strconv.Unquote(value); err != nil {
				return q, fmt.Errorf("%q: %w", text, err)
			}
			switch name {
			case "service":
				q.Service = value
			case "operation":
				q.Operation = value
			default:
				q.Attributes = append(q.Attributes, sources.Attribute{Key: name, Value: value})
			}
		case name == "minDuration":
			q.MinDuration, err = time.ParseDuration(value)
		case name == "maxDuration":
			q.MaxDuration, err = time.ParseDuration(value)
		case name == "limit":
			q.Limit, err = strconv.Atoi(value)
		default:
			err = fmt.Errorf("%q is no condition", name)
		}
		if err != nil {
			return q, fmt.Errorf("%q: %w", text, err)
		}
	}
	return q, nil
}

func TestTraceQueriesAreReadAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(1, 20, -1)
		duration := rapid.Map(rapid.Int64Range(0, 1e9), func(n int64) time.Duration { return time.Duration(n) * time.Microsecond })
		q := sources.TraceQuery{
			Service: text.Draw(t, "service"), Operation: rapid.String().Draw(t, "operation"),
			MinDuration: duration.Draw(t, "least"), MaxDuration: duration.Draw(t, "most"), Limit: rapid.IntRange(0, 1000).Draw(t, "limit"),
		}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"error", "http.route"}), 0, 2, rapid.ID).Draw(t, "attributes") {
			q.Attributes = append(q.Attributes, sources.Attribute{Key: name, Value: rapid.String().Draw(t, "value")})
		}
		got, err := parseTraceQuery(q.String())
		if err != nil || got.String() != q.String() {
			t.Fatalf("%s is read as %s: %v", q, got, err)
		}
	})
	for _, text := range []string{"limit=x", "service", `service="a`, `service="a" around=3`, `service="a"; limit=3`} {
		if q, err := parseTraceQuery(text); err == nil {
			t.Errorf("%s is read as %s", text, q)
		}
	}
}
