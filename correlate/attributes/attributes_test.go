package attributes

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"obs/sources"
)

var origin = time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)

// with makes attributes from key, value, key, value.
func with(pairs ...string) sources.Attributes {
	var all sources.Attributes
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, sources.Attribute{Key: pairs[i], Value: pairs[i+1]})
	}
	all.Sort()
	return all
}

// request is a trace of web, which calls cart, with the attributes of their spans.
func request(web, cart sources.Attributes) *sources.Trace {
	return &sources.Trace{Spans: []sources.Span{
		{ID: "a", Service: "web", Start: origin, Attributes: web},
		{ID: "b", ParentID: "a", Service: "cart", Start: origin, Attributes: cart},
	}}
}

// traces makes n requests, of which build says what web and cart carry in number i.
func traces(n int, build func(i int) (web, cart sources.Attributes)) []*sources.Trace {
	all := []*sources.Trace{}
	for i := range n {
		all = append(all, request(build(i)))
	}
	return all
}

// ofWeb makes n requests of which only web carries attributes.
func ofWeb(n int, build func(i int) sources.Attributes) []*sources.Trace {
	return traces(n, func(i int) (web, cart sources.Attributes) { return build(i), nil })
}

// pick is yes for the first n, and no for the others.
func pick(i, n int, yes, no string) string {
	if i < n {
		return yes
	}
	return no
}

// text says a difference in one line.
func text(d Difference) string {
	name := func(c Condition) string {
		value := "=" + c.Value
		if c.AnyValue {
			value = ""
		}
		return c.Service + ":" + c.Key + value
	}
	names := func(all []Condition) string {
		var parts []string
		for _, c := range all {
			parts = append(parts, name(c))
		}
		return strings.Join(parts, " ")
	}
	line := fmt.Sprintf("%s %d/%d", names(d.Conditions), d.Slow.Traces, d.Normal.Traces)
	if d.Numeric {
		line += fmt.Sprintf(" median %g/%g", d.Slow.Median, d.Normal.Median)
	}
	if len(d.Also) > 0 {
		line += " also " + names(d.Also)
	}
	if len(d.Instead) > 0 {
		line += " instead " + names(d.Instead)
	}
	if d.Symptom {
		line += " symptom"
	}
	return line
}

func texts(r Result) []string {
	lines := []string{}
	for _, d := range r.Differences {
		lines = append(lines, text(d))
	}
	return lines
}

func TestCompare(t *testing.T) {
	const n = 20
	everyTenant := func(i int) string { return "t" + strconv.Itoa(i%5) }
	tests := []struct {
		name         string
		slow, normal []*sources.Trace
		want         []string
	}{
		{
			name: "a tenant is 70 % of the slow and 10 % of the normal traces",
			slow: ofWeb(n, func(i int) sources.Attributes {
				return with("tenant", pick(i, 14, "big", everyTenant(i)), "http.request.method", "POST")
			}),
			normal: ofWeb(n, func(i int) sources.Attributes {
				return with("tenant", pick(i, 2, "big", everyTenant(i)), "http.request.method", "POST")
			}),
			want: []string{"web:tenant=big 14/2"},
		},
		{
			name: "a tenant that every service carries is one difference, of the service nearest to the root",
			slow: traces(n, func(i int) (web, cart sources.Attributes) {
				a := with("tenant", pick(i, 14, "big", everyTenant(i)))
				return a, a
			}),
			normal: traces(n, func(i int) (web, cart sources.Attributes) {
				a := with("tenant", pick(i, 2, "big", everyTenant(i)))
				return a, a
			}),
			want: []string{"web:tenant=big 14/2"},
		},
		{
			name:   "one version in all slow traces, and what the others have instead",
			slow:   ofWeb(n, func(int) sources.Attributes { return with("service.version", "2.1") }),
			normal: ofWeb(n, func(i int) sources.Attributes { return with("service.version", pick(i, 3, "2.1", "2.0")) }),
			want:   []string{"web:service.version=2.1 20/3 instead web:service.version=2.0"},
		},
		{
			name: "names that hold in the same traces are one difference",
			slow: ofWeb(n, func(i int) sources.Attributes {
				return with("k8s.pod.name", pick(i, 15, "web-1", everyTenant(i)), "host.name", pick(i, 15, "node-7", everyTenant(i)))
			}),
			normal: ofWeb(n, func(i int) sources.Attributes {
				return with("k8s.pod.name", pick(i, 2, "web-1", everyTenant(i)), "host.name", pick(i, 2, "node-7", everyTenant(i)))
			}),
			want: []string{"web:host.name=node-7 15/2 also web:k8s.pod.name=web-1"},
		},
		{
			name: "IDs, moments and what is technical tell nothing, nor does what all have",
			slow: ofWeb(n, func(i int) sources.Attributes {
				return with("request.id", "r"+strconv.Itoa(i), "span.kind", "server", "otel.scope.name", "slow", "thread.id", "7",
					"session", fmt.Sprintf("%032x", 0xabcdef+i/10), "day", "2026-11-21", "at", strconv.FormatInt(origin.UnixMilli(), 10), "region", "eu")
			}),
			normal: ofWeb(n, func(i int) sources.Attributes {
				return with("request.id", "s"+strconv.Itoa(i), "span.kind", "client", "otel.scope.name", "normal", "thread.id", "8",
					"session", fmt.Sprintf("%032x", 0xfedcba+i/10), "day", "2026-11-20", "at", strconv.FormatInt(origin.UnixMilli()-1000, 10), "region", "eu")
			}),
			want: []string{},
		},
		{
			name:   "what slow traces lack",
			slow:   traces(n, func(i int) (web, cart sources.Attributes) { return nil, nil }),
			normal: traces(n, func(i int) (web, cart sources.Attributes) { return nil, with("cache.hit", "true") }),
			want:   []string{"cart:cache.hit=true 0/20"},
		},
		{
			name: "numbers are compared by rank",
			slow: traces(n, func(i int) (web, cart sources.Attributes) {
				return nil, with("db.rows", strconv.Itoa(5000+100*((i*7)%n)))
			}),
			normal: traces(n, func(i int) (web, cart sources.Attributes) {
				return nil, with("db.rows", strconv.Itoa(10+(i*7)%n))
			}),
			want: []string{"cart:db.rows 20/20 median 5950/19.5"},
		},
		{
			name: "few numbers are levels",
			slow: ofWeb(n, func(i int) sources.Attributes { return with("retry_no", strconv.Itoa(2+i%2)) }),
			normal: ofWeb(n, func(i int) sources.Attributes {
				return with("retry_no", strconv.Itoa(i%2))
			}),
			want: []string{"web:retry_no=0 0/10", "web:retry_no=1 0/10", "web:retry_no=2 10/0", "web:retry_no=3 10/0"},
		},
		{
			name: "symptoms come last",
			slow: ofWeb(n, func(i int) sources.Attributes {
				return with("http.response.status_code", "500", "exception.type", "Timeout", "zone", pick(i, 14, "a", everyTenant(i)))
			}),
			normal: ofWeb(n, func(i int) sources.Attributes {
				return with("http.response.status_code", "200", "zone", pick(i, 2, "a", everyTenant(i)))
			}),
			want: []string{
				"web:zone=a 14/2",
				"web:exception.type=Timeout 20/0 also web:http.response.status_code=500 instead web:http.response.status_code=200 symptom",
			},
		},
		{
			name:   "what holds in the same traces as a symptom is its better name",
			slow:   ofWeb(n, func(i int) sources.Attributes { return with("error", "true", "zone", "a") }),
			normal: ofWeb(n, func(i int) sources.Attributes { return with("error", "false", "zone", everyTenant(i)) }),
			want:   []string{"web:zone=a 20/0 also web:error=true instead web:error=false"},
		},
		{
			name:   "an instance without a name is known by its ID",
			slow:   ofWeb(n, func(i int) sources.Attributes { return with("service.instance.id", instance(pick(i, 18, "1", "2"))) }),
			normal: ofWeb(n, func(i int) sources.Attributes { return with("service.instance.id", instance(pick(i, 10, "2", "3"))) }),
			want: []string{
				"web:service.instance.id=" + instance("1") + " 18/0",
				"web:service.instance.id=" + instance("3") + " 0/10",
				"web:service.instance.id=" + instance("2") + " 2/10",
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			result := Compare(test.slow, test.normal)
			if got := texts(result); !slices.Equal(got, test.want) {
				t.Errorf("differences:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func instance(digit string) string { return "c9bf9e57-1685-4c89-bafb-ff5af830be8" + digit }

func TestWhatADifferenceSays(t *testing.T) {
	build := func(n int) []*sources.Trace {
		return traces(20, func(i int) (web, cart sources.Attributes) {
			a := with("tenant", pick(i, n, "big", "t"+strconv.Itoa(i%5)))
			return a, a
		})
	}
	d := Compare(build(14), build(2)).Differences[0]
	if c := d.Conditions[0]; c.Services != 2 || c.AnyService || c.AnyValue || c.Scope != InSpan {
		t.Errorf("condition %+v", c)
	}
	if !near(d.Slow.Share, 0.7) || !near(d.Normal.Share, 0.1) || !near(d.Effect, 0.6) || !near(d.Lift, 14.5/2.5) {
		t.Errorf("shares %g and %g, effect %g, lift %g", d.Slow.Share, d.Normal.Share, d.Effect, d.Lift)
	}
	if want := fisherOf(14, 20, 2, 20); !near(d.PValue, want) || d.Adjusted < d.PValue || d.Adjusted > rate {
		t.Errorf("p %g, want %g; adjusted %g", d.PValue, want, d.Adjusted)
	}
}

// Neither the region nor the version is slow: only both together are.
func TestAPairThatBeatsItsParts(t *testing.T) {
	build := func(slow bool) []*sources.Trace {
		return ofWeb(60, func(i int) sources.Attributes {
			region, version := "eu", "2"
			if !slow {
				// Of the normal traces a third each has one of them, and the rest neither.
				region, version = pick(i, 20, "eu", "us"), pick((i+40)%60, 20, "2", "1")
			} else if i >= 50 {
				region, version = "us", "1"
			}
			return with("region", region, "version", version)
		})
	}
	result := Compare(build(true), build(false))
	if len(result.Differences) == 0 || len(result.Differences[0].Conditions) != 2 {
		t.Fatalf("differences %v, want the pair first", texts(result))
	}
	if got, want := text(result.Differences[0]), "web:region=eu web:version=2 50/0"; got != want {
		t.Errorf("the first is %s, want %s", got, want)
	}
	if result.Pairs != 1 {
		t.Errorf("%d pairs were tried, want 1", result.Pairs)
	}
}

func TestAPairThatAddsNothingIsNotReported(t *testing.T) {
	build := func(tenants int) []*sources.Trace {
		return ofWeb(40, func(i int) sources.Attributes {
			// The zone is a little more frequent in slow, but not among the tenant's.
			return with("tenant", pick(i, tenants, "big", "t"+strconv.Itoa(i%5)), "zone", pick((i*7)%40, 18+tenants/5, "a", "b"))
		})
	}
	for _, d := range Compare(build(32), build(3)).Differences {
		if len(d.Conditions) > 1 {
			t.Errorf("reported %s", text(d))
		}
	}
}

// Each service alone touches the node rarely; a request that does touch it is slow.
func TestANodeOfSeveralServices(t *testing.T) {
	build := func(bad int) []*sources.Trace {
		return traces(20, func(i int) (web, cart sources.Attributes) {
			node := with("k8s.node.name", pick(i, bad, "bad", "good"+strconv.Itoa(i%4)))
			if i%2 == 0 {
				return node, with("k8s.node.name", "good9")
			}
			return with("k8s.node.name", "good9"), node
		})
	}
	result := Compare(build(14), build(1))
	if len(result.Differences) == 0 {
		t.Fatal("no difference")
	}
	d := result.Differences[0]
	if c := d.Conditions[0]; !c.AnyService || c.Services != 2 || c.Service != "web" || c.Value != "bad" || d.Slow.Traces != 14 {
		t.Errorf("the first is %+v", d)
	}
}

func TestDistanceFromTheRoot(t *testing.T) {
	trace := &sources.Trace{Spans: []sources.Span{
		{ID: "d", ParentID: "c", Service: "deep"},
		{ID: "c", ParentID: "a", Service: "middle"},
		{ID: "a", Service: "root"},
		{ID: "e", ParentID: "gone", Service: "orphan"},
		{ID: "f", ParentID: "e", Service: "orphan's child"},
		{ID: "g", ParentID: "h", Service: "loop"},
		{ID: "h", ParentID: "g", Service: "loop"},
		{ID: "i", ParentID: "i", Service: "itself"},
	}}
	all := collect([]*sources.Trace{trace}, nil)
	for name, want := range map[string]float64{
		"root": 0, "middle": 1, "deep": 2,
		"orphan": math.Inf(1), "orphan's child": math.Inf(1), "loop": math.Inf(1), "itself": math.Inf(1),
	} {
		if got := all.services[name].distance(); got != want {
			t.Errorf("%s is %g from the root, want %g", name, got, want)
		}
	}
}

func TestTooFewTraces(t *testing.T) {
	build := func(n int) []*sources.Trace {
		return ofWeb(n, func(int) sources.Attributes { return with("zone", strconv.Itoa(n)) })
	}
	for _, sides := range [][2]int{{0, 0}, {2, 20}, {20, 2}} {
		result := Compare(build(sides[0]), append(build(sides[1]), nil, &sources.Trace{}))
		if !result.TooFew || len(result.Differences) > 0 || result.SlowTraces != sides[0] || result.NormalTraces != sides[1] {
			t.Errorf("of %v the result is %+v", sides, result)
		}
	}
	if result := Compare(build(3), build(4)); result.TooFew {
		t.Error("three traces on a side are enough to compare")
	}
}

func TestNothingIsLeftOutInSilence(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	build := func(side string) []*sources.Trace {
		return ofWeb(20, func(i int) sources.Attributes {
			return with("thread.id", "1", "request", side+strconv.Itoa(i), "region", "eu",
				"statement", long+pick(i, 10, "a", "b"), "session", fmt.Sprintf("%016x", 0x1bcdef0123456789+i/10),
				"day", pick(i, 10, "2026-11-21", "2026-11-20"), "rare", pick(i, 1, side, "z"))
		})
	}
	left := Compare(build("s"), build("n")).LeftOut
	want := LeftOut{TechnicalKeys: 1, UniqueKeys: 1, IDValues: 2, TimeValues: 2, CutValues: 1}
	// All have the region, the cut statement, and each of four keys at all; two values
	// of rare are in one trace each.
	want.CommonValues, want.RareValues = 6, 3
	if left != want {
		t.Errorf("left out %+v, want %+v", left, want)
	}
}

func TestASequenceGrowsWithTime(t *testing.T) {
	build := func(from int) []*sources.Trace {
		all := ofWeb(20, func(i int) sources.Attributes { return with("offset", strconv.Itoa(from+i)) })
		for i, trace := range all {
			for j := range trace.Spans {
				trace.Spans[j].Start = origin.Add(time.Duration(from+i) * time.Second)
			}
		}
		return all
	}
	result := Compare(build(1000), build(0))
	if len(result.Differences) > 0 || result.LeftOut.Sequences != 1 {
		t.Errorf("%v, left out %+v", texts(result), result.LeftOut)
	}
}

func TestHostileTracesAreBounded(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	build := func(side string) []*sources.Trace {
		return ofWeb(20, func(i int) sources.Attributes {
			var all sources.Attributes
			for k := range 10_000 {
				all = append(all, sources.Attribute{Key: fmt.Sprintf("key%05d", k), Value: strconv.Itoa(random.IntN(3))})
			}
			for v := range 400 {
				all = append(all, sources.Attribute{Key: "many", Value: side + fmt.Sprint(i, " ", v)})
			}
			all.Sort()
			return all
		})
	}
	result := Compare(build("s"), build("n"))
	if result.Compared != maxCompared || result.LeftOut.Beyond == 0 {
		t.Errorf("%d compared, %d left out", result.Compared, result.LeftOut.Beyond)
	}
	if result.LeftOut.CrowdedKeys != 1 {
		t.Errorf("left out %+v, want the key of 16,000 values counted", result.LeftOut)
	}
}

// drawn is a number of traces of a few services with a few attributes each.
func drawn(t *rapid.T, label string) []*sources.Trace {
	n := rapid.IntRange(3, 25).Draw(t, label)
	all := []*sources.Trace{}
	for range n {
		trace := &sources.Trace{}
		for s := range rapid.IntRange(1, 3).Draw(t, "spans") {
			value := func(key string, of int) string {
				return strconv.Itoa(rapid.IntRange(0, of).Draw(t, key))
			}
			span := sources.Span{
				ID: sources.SpanID(strconv.Itoa(s)), Service: "svc" + strconv.Itoa(s), Start: origin,
				Attributes: with("a", value("a", 1), "b", "v"+value("b", 3), "rows", value("rows", 1000), "error", value("error", 1)),
				Resource:   with("pod", value("pod", 2)),
			}
			if s > 0 {
				span.ParentID = "0"
			}
			trace.Spans = append(trace.Spans, span)
		}
		if label == "slow" && rapid.Bool().Draw(t, "hit") {
			trace.Spans[0].Attributes = append(with("a", "1", "b", "v1"), sources.Attribute{Key: "c", Value: "on"})
		}
		all = append(all, trace)
	}
	return all
}

func TestSwappedSidesMirror(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slow, normal := drawn(t, "slow"), drawn(t, "normal")
		ahead, back := alone(slow, normal), alone(normal, slow)
		if len(ahead) != len(back) {
			t.Fatalf("%d differences ahead and %d back", len(ahead), len(back))
		}
		for i, a := range ahead {
			// What the other traces have instead changes places with what is named.
			at := slices.IndexFunc(back, func(b Difference) bool { return mirrors(a, b) })
			if at < 0 {
				t.Fatalf("nothing mirrors %s", text(a))
			}
			b := back[at]
			if !near(a.PValue, b.PValue) || !near(a.Adjusted, b.Adjusted) || !near(math.Abs(a.Effect), math.Abs(b.Effect)) {
				t.Fatalf("number %d: %+v and %+v", i, a, b)
			}
			if len(a.Instead) == 0 && (!near(a.Effect, -b.Effect) || (!a.Numeric && !near(a.Lift*b.Lift, 1))) {
				t.Fatalf("number %d: %+v and %+v", i, a, b)
			}
		}
	})
}

// alone are the differences that are no pairs: pairs are made of what slow traces have
// more often. Repeats are there too: which of two that are equally certain is one depends
// on their names.
func alone(slow, normal []*sources.Trace) []Difference {
	c := comparison{slow: len(slow), normal: len(normal), left: &LeftOut{}, fisher: newFisher(len(slow), len(normal))}
	all := collect(slow, normal)
	return c.significant(c.groups(all), c.numbers(all))
}

func mirrors(a, b Difference) bool {
	all := func(d Difference) []Condition {
		names := slices.Concat(d.Conditions, d.Also, d.Instead)
		slices.SortFunc(names, byName)
		return names
	}
	return a.Numeric == b.Numeric && slices.Equal(all(a), all(b))
}

func TestOrderOfTracesAndSpansChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slow, normal := drawn(t, "slow"), drawn(t, "normal")
		before := Compare(slow, normal)
		after := Compare(rapid.Permutation(slow).Draw(t, "slow order"), rapid.Permutation(normal).Draw(t, "normal order"))
		if got, want := fmt.Sprintf("%+v", after), fmt.Sprintf("%+v", before); got != want {
			t.Fatalf("in another order\n%s\nnot\n%s", got, want)
		}
	})
}

// Where sides are drawn by lot, anything found is false: it must be no more often found
// than the rate says. Tenants, versions and pods hang together, as they do in real traces.
func TestFalseDiscoveriesByChance(t *testing.T) {
	for _, n := range []int{20, 60} {
		random := rand.New(rand.NewPCG(1, uint64(n)))
		const runs = 300
		withFalse, withPair := 0, 0
		for range runs {
			all := population(random, 2*n)
			random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			differences := Compare(all[:n], all[n:]).Differences
			if len(differences) > 0 {
				withFalse++
			}
			if slices.ContainsFunc(differences, func(d Difference) bool { return len(d.Conditions) > 1 }) {
				withPair++
			}
		}
		t.Logf("%d traces a side: of %d runs %d with a false difference, %d with a false pair", n, runs, withFalse, withPair)
		// The rate gives 15 of 300, with a standard deviation of 3.8: three of them above.
		if withFalse > 26 {
			t.Errorf("%d traces a side: %d of %d runs found something", n, withFalse, runs)
		}
	}
}

// Beside a true difference that four services carry, a false one is no more often found,
// and no pair is made of the true one with one that means nothing.
func TestFalseDiscoveriesBesideATrueOne(t *testing.T) {
	const runs, n = 200, 40
	random := rand.New(rand.NewPCG(7, 7))
	found, withFalse, pairs := 0, 0, 0
	for range runs {
		all := population(random, 2*n)
		for i, trace := range all {
			for s := range trace.Spans {
				trace.Spans[s].Attributes = append(trace.Spans[s].Attributes, sources.Attribute{Key: "zz", Value: hit(random, i < n)})
			}
		}
		wrong, hits := 0, 0
		for _, d := range Compare(all[:n], all[n:]).Differences {
			switch {
			case len(d.Conditions) > 1:
				pairs++
				wrong++
			case d.Conditions[0].Key == "zz":
				hits++
			default:
				wrong++
			}
		}
		if hits > 0 {
			found++
		}
		if wrong > 0 {
			withFalse++
		}
	}
	t.Logf("of %d runs %d found the true one, %d a false one, %d pairs", runs, found, withFalse, pairs)
	if found < runs*9/10 {
		t.Errorf("found the true one in %d of %d runs", found, runs)
	}
	// The rate gives 10 of 200, with a standard deviation of 3.1: three of them above.
	if withFalse > 19 {
		t.Errorf("%d of %d runs found a false one", withFalse, runs)
	}
	if pairs > runs/20 {
		t.Errorf("%d pairs of the true one with another", pairs)
	}
}

func hit(random *rand.Rand, slow bool) string {
	if slow == (random.Float64() < 0.8) {
		return "on"
	}
	return "off"
}

// population is traces of four services with some 150 attributes that mean nothing.
func population(random *rand.Rand, n int) []*sources.Trace {
	all := make([]*sources.Trace, n)
	for i := range all {
		tenant := random.IntN(8)
		trace := &sources.Trace{}
		for s := range 4 {
			pod := random.IntN(4)
			span := sources.Span{
				ID: sources.SpanID(strconv.Itoa(s)), Service: "svc" + strconv.Itoa(s), Start: origin.Add(time.Duration(random.IntN(1000)) * time.Second),
				Resource: with("pod", "p"+strconv.Itoa(pod), "version", "v"+strconv.Itoa(pod%2)),
				Attributes: with(
					"tenant", "t"+strconv.Itoa(tenant), "plan", "p"+strconv.Itoa(tenant%3),
					"rows", strconv.Itoa(random.IntN(1000)), "size", strconv.FormatFloat(random.ExpFloat64(), 'f', 6, 64),
					"route", "/"+strconv.Itoa(random.IntN(6)), "flag", strconv.FormatBool(random.IntN(2) == 0),
					"retry", strconv.Itoa(random.IntN(3)), "request", "r"+strconv.FormatInt(random.Int64(), 36),
				),
			}
			if s > 0 {
				span.ParentID = "0"
			}
			trace.Spans = append(trace.Spans, span)
		}
		all[i] = trace
	}
	return all
}

func BenchmarkCompare(b *testing.B) {
	for _, perSide := range []int{20, 200} {
		b.Run(fmt.Sprintf("%d traces a side, 50,000 spans", perSide), func(b *testing.B) {
			random := rand.New(rand.NewPCG(3, 3))
			all := large(random, 2*perSide, 50_000)
			b.ReportAllocs()
			for b.Loop() {
				Compare(all[:perSide], all[perSide:])
			}
		})
	}
}

// large is so many traces with so many spans in all, of 15 attributes each and 10 of the
// resource.
func large(random *rand.Rand, n, spans int) []*sources.Trace {
	all := make([]*sources.Trace, n)
	for i := range all {
		trace := &sources.Trace{}
		resources := map[int]sources.Attributes{}
		for s := range spans / n {
			service := random.IntN(20)
			if resources[service] == nil {
				for k := range 10 {
					resources[service] = append(resources[service], sources.Attribute{Key: "resource.key" + strconv.Itoa(k), Value: "v" + strconv.Itoa(random.IntN(5))})
				}
			}
			span := sources.Span{
				ID: sources.SpanID(fmt.Sprintf("%016x", s)), Service: "service-" + strconv.Itoa(service), Start: origin,
				Resource: resources[service],
			}
			if s > 0 {
				span.ParentID = sources.SpanID(fmt.Sprintf("%016x", random.IntN(s)))
			}
			for k := range 15 {
				value := "value-" + strconv.Itoa(random.IntN(20))
				switch k {
				case 0:
					value = strconv.FormatUint(random.Uint64(), 16)
				case 1, 2:
					value = strconv.Itoa(random.IntN(100_000))
				}
				span.Attributes = append(span.Attributes, sources.Attribute{Key: "span.attribute" + strconv.Itoa(10+k), Value: value})
			}
			trace.Spans = append(trace.Spans, span)
		}
		all[i] = trace
	}
	return all
}
