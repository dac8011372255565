package correlate

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"obs/sources"
	"obs/sources/sandbox/lokiapi/logql"
)

// plain is the glossary of a team without names of its own.
var plain *glossary

func TestCanonicalNames(t *testing.T) {
	g := newGlossary(Names{Services: map[string][]string{
		"payment": {"payment-svc", "payments/pay"}, "a": {"x/cart"}, "b": {"y/cart"},
	}})
	for name, want := range map[string]string{
		"payment": "payment", "payment-svc": "payment", "Payment-Svc": "payment", "payments/pay": "payment",
		"shop/payment-svc": "payment", "pay": "payment", // as names are guessed, before or behind a namespace
		"x/cart": "a", "y/cart": "b", "cart": "cart", "z/cart": "z/cart", // nobody says whose that is
		"": "", "checkout": "checkout", "payment-svc-2": "payment-svc-2",
	} {
		if got := g.of(name); got != want {
			t.Errorf("%q is taken for %q, want %q", name, got, want)
		}
		if got := plain.of(name); got != name {
			t.Errorf("without names %q is taken for %q", name, got)
		}
	}
	if got, want := g.all([]string{"pay", "checkout"}), []string{"payment", "payment-svc", "payments/pay", "pay", "checkout"}; !slices.Equal(got, want) {
		t.Errorf("asked by %q, want %q", got, want)
	}
	if got, want := g.all([]string{"b"}), []string{"b", "y/cart"}; !slices.Equal(got, want) {
		t.Errorf("asked by %q, want %q", got, want)
	}
	if got := g.question(Question{Services: []string{"payment-svc", "checkout", "payment"}}).Services; !slices.Equal(got, []string{"payment", "checkout"}) {
		t.Errorf("the question is about %q", got)
	}
	if !g.configured("payment", []string{"payment-svc"}) || g.configured("payment", []string{"shop/payment-svc"}) || plain.configured("a", []string{"a"}) {
		t.Error("what is configured and what is guessed is not told apart")
	}
}

// A canonical name stays as it is, so that it may be looked up again.
func TestACanonicalNameIsItsOwn(t *testing.T) {
	name := rapid.StringMatching(`([a-c]/)?[a-c]{1,2}`)
	rapid.Check(t, func(t *rapid.T) {
		names := Names{Services: rapid.MapOfN(name, rapid.SliceOfN(name, 0, 3), 1, 3).Draw(t, "services")}
		g := newGlossary(names)
		one := name.Draw(t, "name")
		if names.Validate() == nil && g.of(g.of(one)) != g.of(one) {
			t.Fatalf("%q is %q, which is %q", one, g.of(one), g.of(g.of(one)))
		}
	})
}

func TestNamesThatCannotBeMeant(t *testing.T) {
	services := func(pairs ...string) Names {
		all := map[string][]string{}
		for i := 0; i+1 < len(pairs); i += 2 {
			all[pairs[i]] = strings.Fields(pairs[i+1])
		}
		return Names{Services: all}
	}
	for _, test := range []struct {
		name  string
		names Names
		want  []string // of the error; none where all is well
	}{
		{"nothing", Names{}, nil},
		{"usual", Names{TraceFields: []string{"tid", "ctx.tid", "trace_id"}, RequestFields: []string{"corr", "guid:x-id"}, Services: services("payment", "payment payments/payment payment-svc", "cart", "").Services}, nil},
		{"an empty field", Names{TraceFields: []string{"tid", " "}}, []string{"trace_id_fields", "empty", "remove"}},
		{"an empty service", services("", "x"), []string{"services", "empty"}},
		{"a field twice", Names{RequestFields: []string{"corr", "corr"}}, []string{"request_id_fields", `"corr"`, "twice"}},
		{"a field of both", Names{TraceFields: []string{"id"}, RequestFields: []string{"id"}}, []string{`"id"`, "trace_id_fields too"}},
		{"a quote", Names{TraceFields: []string{`a"b`}}, []string{`"a\"b"`, "without quotes"}},
		{"a backslash", Names{TraceFields: []string{`a\b`}}, []string{`"a\\b"`, "backslashes"}},
		{"a control character", services("a", "b\x1b[2J"), []string{"services", "cannot be printed"}},
		{"a long one", services("a", strings.Repeat("x", 300)), []string{"200 bytes"}},
		{"one name of two services", services("a", "x", "b", "X"), []string{`"X" is a name of "a" and of "b"`, "leave it to one"}},
		{"another's name", services("a", "b", "b", ""), []string{`"b" is a name of "a" and of "b"`}},
		{"one name twice", services("a", "x x"), []string{`"a" has the name "x" twice`}},
		{"namespaces", services("x/a", "", "y/a", ""), []string{`"x/a" and "y/a"`, "behind"}},
		{"too many fields", Names{TraceFields: slices.Repeat([]string{"x"}, 40)}, []string{"trace_id_fields has 40", "32"}},
	} {
		err := test.names.Validate()
		if (err == nil) != (test.want == nil) {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", test.name, err, want)
			}
		}
		if err != nil && sources.Printable(err.Error()) != err.Error() {
			t.Errorf("%s: %q", test.name, err)
		}
	}
}

// The team's own fields come first, in searches and in what is read from a record; what is
// configured never makes a query anything else.
func TestFieldsOfTheTeam(t *testing.T) {
	g := newGlossary(Names{TraceFields: []string{"ctx.tid", "1st"}, RequestFields: []string{"corr-id"}})
	id := sources.TraceID("4bf92f3577b34da6a3ce929d0e0e4736")
	if got := g.traceSearch(id).field[0]; got != (sources.Matcher{Name: "ctx_tid", Op: sources.Equal, Value: string(id)}) {
		t.Errorf("the first condition is %+v", got)
	}
	if query := fieldQuery(sources.Selector{sources.NotEmpty("app")}, g.requestSearch("r-1")); !strings.HasPrefix(query, `{app=~".+"} | corr_id="r-1" or request_id="r-1"`) {
		t.Errorf("query %s", query)
	}
	if got := g.attributesOf("r-1")[0]; got != (sources.Attribute{Key: "corr-id", Value: "r-1"}) {
		t.Errorf("the first attribute is %+v", got)
	}
	other := strings.Repeat("12", 16)
	for _, r := range []sources.Record{
		{Line: `{"msg":"x","ctx.tid":"` + string(id) + `","trace_id":"` + other + `"}`},
		{Line: `{"msg":"x","ctx":{"tid":"` + string(id) + `"}}`},
		{Line: `msg=x ctx.tid=` + string(id)},
		{Line: `msg=x ctx_tid=` + string(id)},
		{Line: "x", Metadata: sources.Labels{"ctx_tid": string(id)}},
		{Line: "x", Stream: sources.Labels{"_1st": string(id)}},
	} {
		if kept := g.describeRecord(r); kept.TraceID != id {
			t.Errorf("%+v is read as %q", r, kept.TraceID)
		}
		if kept := plain.describeRecord(r); kept.TraceID == id {
			t.Errorf("%+v is read without names too", r)
		}
	}
}

// Whatever is configured, a query selects by the one label, and finds what has the ID in
// the field. Validate refuses most of this; what it is not asked about does no harm.
func FuzzNamesInQueries(f *testing.F) {
	f.Add(`tid" or "a"="a`, `pay|.*"} or {a="`)
	f.Add("ctx.tid", "payments/payment")
	f.Add("`", `\`)
	f.Add("", "")
	f.Add("0", "0/")
	f.Fuzz(func(t *testing.T, field, service string) {
		if strings.TrimSpace(field) == "" {
			field = "tid"
		}
		g := newGlossary(Names{TraceFields: []string{"", field}, RequestFields: []string{field}, Services: map[string][]string{"payment": {service}}})
		id := sources.TraceID(strings.Repeat("ab", 16))
		if read := g.describeRecord(sources.Record{Line: field + "=" + service, Metadata: sources.Labels{labelName(field): string(id)}}); read.TraceID != id {
			t.Fatalf("%q is not read: %+v", field, read)
		}
		selector := sources.Selector{sources.AnyOf("app", g.all([]string{"payment"})...)}
		for _, s := range []search{g.traceSearch(id), g.requestSearch(string(id))} {
			query := fieldQuery(selector, s)
			expr, err := logql.Parse(query)
			if err != nil {
				t.Fatalf("%q and %q make %s: %v", field, service, query, err)
			}
			parsed, ok := expr.(*logql.LogQuery)
			if !ok || len(parsed.Matchers) != 1 || parsed.Matchers[0].Name != "app" {
				t.Fatalf("%q and %q make %s, which selects %+v", field, service, query, expr)
			}
			stream := oneStream{{}, {line: "x", name: labelName(field), value: string(id)}}
			lines, err := logql.Lines(t.Context(), stream, parsed, logql.LineParams{To: 10, Limit: 10, Forward: true})
			if err != nil || len(lines) != 1 {
				t.Fatalf("%q and %q make %s, which finds %v: %v", field, service, query, lines, err)
			}
		}
	})
}
