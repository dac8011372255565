package sources_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"obs/sources"
)

func TestSelector(t *testing.T) {
	for _, test := range []struct {
		selector sources.Selector
		want     string
	}{
		{nil, `{}`},
		{sources.Selector{{Name: "job", Op: sources.Equal, Value: "api"}}, `{job="api"}`},
		{
			sources.Selector{
				{Name: "a", Op: sources.NotEqual, Value: ""},
				{Name: "b_1", Op: sources.MatchRegexp, Value: "x|y"},
				{Name: "C", Op: sources.NotMatch, Value: ".+"},
			},
			`{a!="", b_1=~"x|y", C!~".+"}`,
		},
		{sources.Selector{{Name: "http.route", Op: sources.Equal, Value: "/"}}, `{"http.route"="/"}`},
		{sources.Selector{{Name: "1st", Op: sources.Equal, Value: "x"}}, `{"1st"="x"}`},
		{sources.Selector{{Name: "a:b", Op: sources.Equal, Value: "x"}}, `{"a:b"="x"}`},
		{sources.Selector{{Name: "", Op: sources.Equal, Value: "x"}}, `{""="x"}`},
		{sources.Selector{{Name: `x="",y`, Op: sources.Equal, Value: `"} or {`}}, `{"x=\"\",y"="\"} or {"}`},
		{sources.Selector{sources.NotEmpty("a")}, `{a=~".+"}`},
	} {
		if got := test.selector.String(); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

func TestMetricSelector(t *testing.T) {
	get := sources.Selector{{Name: "method", Op: sources.Equal, Value: "GET"}}
	for _, test := range []struct {
		name     string
		selector sources.Selector
		want     string
	}{
		{"up", nil, `up`},
		{"job:requests:rate5m", get, `job:requests:rate5m{method="GET"}`},
		{"http.server.duration", nil, `{__name__="http.server.duration"}`},
		{"http.server.duration", get, `{__name__="http.server.duration", method="GET"}`},
		{"up or vector(1)", get, `{__name__="up or vector(1)", method="GET"}`},
		{"", nil, `{__name__=""}`},
	} {
		if got := sources.MetricSelector(test.name, test.selector); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
	if len(get) != 1 || get[0].Name != "method" {
		t.Errorf("the selector was changed: %v", get)
	}
}

func TestGroupLabels(t *testing.T) {
	if got := sources.GroupLabels("service_name", "http.route", `a) + (b`); got != `service_name, "http.route", "a) + (b"` {
		t.Errorf("got %s", got)
	}
	if got := sources.GroupLabels(); got != "" {
		t.Errorf("no labels: %s", got)
	}
}

func TestLabels(t *testing.T) {
	labels := sources.Labels{"b": "2", "a": "1", "c.d": "\n", "empty": ""}
	if got, want := labels.String(), `{a="1", b="2", "c.d"="\n", empty=""}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := sources.Labels(nil).String(); got != "{}" {
		t.Errorf("no labels: %s", got)
	}
	if value, name := labels.First("empty", "none", "b", "a"); value != "2" || name != "b" {
		t.Errorf("first: %s of %s", value, name)
	}
	if value, name := labels.First("empty", "none"); value != "" || name != "" {
		t.Errorf("first of none: %q of %q", value, name)
	}
}

func TestQuote(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{``, `""`},
		{`plain`, `"plain"`},
		{`a"b\c`, `"a\"b\\c"`},
		{"a\nb\rc\td", `"a\nb\rc\td"`},
		{"\x00\x1b[0m\x7f", `"\x00\x1b[0m\x7f"`},
		{"é 😀", `"é 😀"`},
		{"a\xffb", `"a` + "\ufffd" + `b"`},
		{"{}`'", "\"{}`'\""},
	} {
		if got := sources.Quote(test.text); got != test.want {
			t.Errorf("%q: got %s, want %s", test.text, got, test.want)
		}
	}
}

// Both query languages read literals as Go does.
func FuzzQuote(f *testing.F) {
	for _, seed := range []string{"", `"`, `\`, "\n\r\t\x00\x7f", "}", "`", "é😀\u202e\u2028\ufeff", "a\xff\xfeb", `\"} or {`, `\x41`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted := sources.Quote(text)
		if strings.ContainsAny(quoted, "\n\r\t\x00") || !utf8.ValidString(quoted) {
			t.Errorf("%q is quoted as %q", text, quoted)
		}
		got, err := strconv.Unquote(quoted)
		if want := string([]rune(text)); err != nil || got != want {
			t.Errorf("%q comes back as %q, %v", want, got, err)
		}
	})
}

func FuzzQuoteRegexp(f *testing.F) {
	for _, seed := range []string{"", `\.+*?()|[]{}^$`, "a.b", `\Q`, "(?i)x", "\n", "é😀", "a\xffb", "-&~#"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = string([]rune(text))
		pattern, err := regexp.Compile(`^(?s:` + sources.QuoteRegexp(text) + `)$`)
		if err != nil || !pattern.MatchString(text) {
			t.Fatalf("%q does not match itself: %v, %v", text, pattern, err)
		}
		if other := text + "x"; pattern.MatchString(other) {
			t.Errorf("%q matches %q", text, other)
		}
		if got := sources.QuoteRegexp(text); got != regexp.QuoteMeta(text) {
			t.Errorf("%q: got %q, want %q", text, got, regexp.QuoteMeta(text))
		}
	})
}

func TestAnyOf(t *testing.T) {
	for _, test := range []struct {
		values []string
		want   sources.Matcher
	}{
		{[]string{"a.b"}, sources.Matcher{Name: "n", Op: sources.Equal, Value: "a.b"}},
		{[]string{"a.b", "c|d"}, sources.Matcher{Name: "n", Op: sources.MatchRegexp, Value: `a\.b|c\|d`}},
	} {
		if got := sources.AnyOf("n", test.values...); got != test.want {
			t.Errorf("got %v, want %v", got, test.want)
		}
	}
}

func TestExemplarIDs(t *testing.T) {
	for _, test := range []struct {
		labels sources.Labels
		trace  sources.TraceID
		span   sources.SpanID
	}{
		{sources.Labels{"trace_id": "0AF7651916CD43DD8448EB211C80319C", "span_id": "b7ad6b7169203331"}, "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"},
		{sources.Labels{"traceID": "1", "spanID": "2"}, "00000000000000000000000000000001", "0000000000000002"},
		{sources.Labels{"trace_id": "", "traceId": "1"}, "00000000000000000000000000000001", ""},
		{sources.Labels{"trace_id": "no such thing"}, "", ""},
		{sources.Labels{"user": "1"}, "", ""},
		{nil, "", ""},
	} {
		e := sources.Exemplar{Labels: test.labels}
		if id, ok := e.TraceID(); id != test.trace || ok != (test.trace != "") {
			t.Errorf("%v: trace %q, %t", test.labels, id, ok)
		}
		if id := e.SpanID(); id != test.span {
			t.Errorf("%v: span %q", test.labels, id)
		}
	}
}
