package sources_test

import (
	"testing"

	"obs/sources"
)

func TestLogQuery(t *testing.T) {
	app := sources.Selector{{Name: "app", Op: sources.Equal, Value: "api"}}
	for _, test := range []struct {
		query sources.LogQuery
		want  string
	}{
		{sources.LogQuery{Selector: app}, `{app="api"}`},
		{
			sources.LogQuery{Selector: app, AnyField: []sources.Matcher{{Name: "trace_id", Op: sources.Equal, Value: "a"}}},
			`{app="api"} | trace_id="a"`,
		},
		{
			sources.LogQuery{
				Selector: app,
				AnyField: []sources.Matcher{
					{Name: "trace_id", Op: sources.Equal, Value: "a"},
					{Name: "traceID", Op: sources.MatchRegexp, Value: "a|b"},
				},
				Contains:   []string{"x", "y"},
				LineRegexp: `\d+`,
			},
			`{app="api"} | trace_id="a" or traceID=~"a|b" |= "x" |= "y" |~ "\\d+"`,
		},
		{
			sources.LogQuery{
				Selector:   sources.Selector{{Name: "app", Op: sources.Equal, Value: `"} |= "`}},
				AnyField:   []sources.Matcher{{Name: `a="" or b`, Op: sources.Equal, Value: `" or "`}},
				Contains:   []string{"`\"\n"},
				LineRegexp: `" |= "`,
			},
			"{app=\"\\\"} |= \\\"\"} | \"a=\\\"\\\" or b\"=\"\\\" or \\\"\" |= \"`\\\"\\n\" |~ \"\\\" |= \\\"\"",
		},
	} {
		if got := test.query.String(); got != test.want {
			t.Errorf("\n got %s\nwant %s", got, test.want)
		}
	}
}
