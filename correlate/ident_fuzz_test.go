package correlate

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"obs/correlate/ident"
	"obs/sources"
	"obs/sources/sandbox/lokiapi/logql"
)

// literal is a quoted text of LogQL; it ends at the first quote that is not escaped.
var literal = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// However hostile a text is, what is read from it stands in the query as one literal:
// the query without its literals is the one that a harmless ID makes.
func FuzzIDsStayWithinTheirLiterals(f *testing.F) {
	for _, seed := range []string{
		"4bf92f3577b34da6a3ce929d0e0e4736", "req_a1b2c3d4", `a"}|="b`, `a\`, `\"`, "`", `a"}|~"(`, `x-request-id: a"}) or vector(1)#`, "{{.x}}",
		`request_id="a\"}"`, "7f3c1d2e-9a44-4f0b-8f57-2f1e0c9b8a76", "S/kvNXezTaajzpKdDg5HNg==", "a#b", "1", "a//b", "/*", "支付-1", "$1", "(?i)a+",
	} {
		f.Add(seed)
	}
	selector := sources.Selector{sources.NotEmpty("service_name")}
	harmless, _ := sources.ParseTraceID("4bf92f3577b34da6a3ce929d0e0e4736")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ident.Read(text)
		if err != nil {
			return
		}
		for _, c := range id.Candidates {
			switch c.Kind {
			case ident.Trace:
				keepsShape(t, selector, plain.traceSearch(c.Trace), plain.traceSearch(harmless), string(c.Trace))
			case ident.Request:
				keepsShape(t, selector, plain.requestSearch(c.Request), plain.requestSearch("harmless"), c.Request)
			}
		}
	})
}

// keepsShape checks both queries of a search, by field and by line: each has the shape of
// a harmless one, and finds just the record with the ID.
func keepsShape(t *testing.T, selector sources.Selector, s, like search, id string) {
	t.Helper()
	byField := func(s search) string { return sources.LogQuery{Selector: selector, AnyField: s.field}.String() }
	for _, query := range []struct {
		got, like string
		source    oneStream
	}{
		{byField(s), byField(like), oneStream{{}, {name: s.field[0].Name, value: id}}},
		{lineQuery(selector, s), lineQuery(selector, like), oneStream{{}, {line: "got " + id + " in"}}},
	} {
		expr, err := logql.Parse(query.got)
		if err != nil {
			t.Fatalf("%q makes %s: %v", id, query.got, err)
		}
		parsed, ok := expr.(*logql.LogQuery)
		if !ok {
			t.Fatalf("%q makes %s, which is a %T", id, query.got, expr)
		}
		if len(parsed.Matchers) != 1 || parsed.Matchers[0].Name != "service_name" || parsed.Matchers[0].Value != ".+" {
			t.Fatalf("%q makes %s, which selects %v", id, query.got, parsed.Matchers)
		}
		if !slices.Equal(shape(query.got), shape(query.like)) {
			t.Fatalf("%q makes %s, which is not of the shape of %s", id, query.got, query.like)
		}
		lines, err := logql.Lines(t.Context(), query.source, parsed, logql.LineParams{To: 10, Limit: 10, Forward: true})
		if err != nil || len(lines) != 1 || lines[0].Text != query.source[1].line {
			t.Fatalf("%q makes %s, which finds %v of %v: %v", id, query.got, lines, query.source, err)
		}
	}
}

// shape is what stands between a query's literals, each part once and whether it comes
// first or not: how many notations of a trace ID are asked for differs.
func shape(query string) []string {
	parts := literal.Split(query, -1)
	for i, part := range parts {
		parts[i] = strings.TrimPrefix(strings.TrimPrefix(part, "} | "), " or ")
	}
	slices.Sort(parts)
	return slices.Compact(parts)
}

// oneStream is the records of a stream, each with one field of metadata or none.
type oneStream []struct{ line, name, value string }

func (s oneStream) Select([]logql.Matcher, int64, int64) []logql.Stream {
	return []logql.Stream{{Labels: logql.Labels{{Name: "service_name", Value: "pay"}}, Records: s}}
}

func (s oneStream) Len() int          { return len(s) }
func (s oneStream) Time(i int) int64  { return int64(i) }
func (s oneStream) Line(i int) string { return s[i].line }
func (s oneStream) Metadata(i int, into logql.Labels) logql.Labels {
	if s[i].name == "" {
		return into
	}
	return append(into, logql.Label{Name: s[i].name, Value: s[i].value})
}
