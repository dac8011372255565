package spans_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"obs/correlate/spans"
	"obs/sources"
)

// call is a span with those beneath it: "service operation", how long it takes of its own, and
// the calls that it makes one after the other.
type call struct {
	what   string
	own    int // ms
	fails  bool
	beside bool // the caller does not wait for it
	calls  []call
}

// lay makes a trace of calls, each of which begins with its own time.
func lay(top call) *spans.Tree {
	var all []sources.Span
	var put func(c call, parent string, from int) (end int)
	put = func(c call, parent string, from int) int {
		at := len(all)
		id := fmt.Sprint(at + 1)
		all = append(all, span(id, parent, from, from))
		end := from + c.own
		for _, below := range c.calls {
			if to := put(below, id, end); !below.beside {
				end = to
			}
		}
		s := &all[at]
		s.Service, s.Operation, _ = strings.Cut(c.what, " ")
		s.Duration = ms(end - from)
		if c.fails {
			failed(s)
		}
		return end
	}
	put(top, "", 0)
	return build(all...)
}

func times(n int, c call) []call { return slices.Repeat([]call{c}, n) }

// checkout is a request of a frontend to a payment, an inventory and a mail.
func checkout(payment int, selects int, more ...call) *spans.Tree {
	return lay(call{what: "frontend POST /checkout", own: 20, calls: append([]call{
		{what: "payment authorize", own: payment, calls: times(selects, call{what: "payment SELECT", own: 5})},
	}, more...)})
}

var reserve = call{what: "inventory reserve", own: 8, calls: []call{{what: "inventory UPDATE", own: 2}}}

// normal are 20 requests of which the payment takes from 24 to 43 ms.
func normal() []*spans.Tree {
	var all []*spans.Tree
	for i := range 20 {
		all = append(all, checkout(24+i, 1, reserve))
	}
	return all
}

func rowsOf(c spans.Contrast) []string {
	var all []string
	for _, r := range c.Rows {
		last := r.Path[len(r.Path)-1]
		all = append(all, fmt.Sprintf("%s %s %v %v below %d", last.Service, last.Operation, r.Changes, r.Explains, r.Below))
	}
	return all
}

func TestAgainstNormalTraces(t *testing.T) {
	fraud := call{what: "fraud score", own: 4, calls: []call{{what: "model infer", own: 60}}}
	tests := []struct {
		name        string
		one         *spans.Tree
		rows        []string
		alike       int
		unaccounted time.Duration
	}{
		{"as usual", checkout(33, 1, reserve), nil, 5, 0},
		{"slower", checkout(3050, 1, reserve), []string{"payment authorize [slower] 3.0165s below 0"}, 4, 0},
		{"slower by more than a tenth of the whole, and not out of the ordinary", checkout(41, 1, reserve), nil, 5, 0},
		{"slower by what nobody notices", checkout(39, 1, reserve), nil, 5, 0},
		{"faster", checkout(2, 1, reserve), []string{"payment authorize [faster] -31.5ms below 0"}, 4, 0},
		{"repeated", checkout(33, 12, reserve), []string{"payment SELECT [repeated] 55ms below 0"}, 4, 0},
		{"missing with all beneath it", checkout(33, 1), []string{"inventory reserve [missing] -10ms below 1"}, 3, 0},
		{"new with all beneath it", checkout(33, 1, reserve, fraud), []string{"fraud score [new] 64ms below 1"}, 5, 0},
		{
			"several, what explains most first", checkout(3050, 12, fraud),
			[]string{
				"payment authorize [slower] 3.0165s below 0", "fraud score [new] 64ms below 1",
				"payment SELECT [repeated] 55ms below 0", "inventory reserve [missing] -10ms below 1",
			}, 1, 0,
		},
		{
			"a call that is tried again", checkout(33, 1, reserve, reserve, reserve),
			[]string{"inventory reserve [repeated] 20ms below 1"}, 3, 0,
		},
		{
			"repeated and slower each time",
			checkout(33, 1, times(3, call{what: "inventory reserve", own: 100, calls: []call{{what: "inventory UPDATE", own: 2}}})...),
			[]string{"inventory reserve [repeated slower] 296ms below 1"}, 3, 0,
		},
		{
			"failing where it began",
			lay(call{what: "frontend POST /checkout", own: 20, fails: true, calls: []call{
				{what: "payment authorize", own: 33, fails: true, calls: []call{{what: "payment SELECT", own: 5, fails: true}}}, reserve,
			}}),
			[]string{"payment SELECT [failing] 0s below 0"}, 4, 0,
		},
		{
			"the same work from another place is other work",
			checkout(33, 1, call{what: "inventory reserve", own: 8, calls: []call{{what: "inventory UPDATE", own: 2}, {what: "payment SELECT", own: 5}}}),
			[]string{"payment SELECT [new] 5ms below 0"}, 5, 0,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := spans.Against(test.one, normal())
			if !slices.Equal(rowsOf(got), test.rows) {
				t.Errorf("rows\n%s\nwant\n%s", strings.Join(rowsOf(got), "\n"), strings.Join(test.rows, "\n"))
			}
			if got.Alike != test.alike || got.Unaccounted.Abs() != test.unaccounted {
				t.Errorf("%d alike, want %d; %v unaccounted, want %v", got.Alike, test.alike, got.Unaccounted, test.unaccounted)
			}
			// The payment is the only one that varies: its median is that of the whole.
			if want := (spans.Spread[time.Duration]{Median: ms(68) + 500*time.Microsecond, Low: ms(61), High: ms(76)}); got.Usual != want {
				t.Errorf("usual %v, want %v", got.Usual, want)
			}
		})
	}
}

func TestAgainstTellsWhatIsUsual(t *testing.T) {
	c := spans.Against(checkout(3050, 12, reserve), normal())
	slow, repeated := c.Rows[0], c.Rows[1]
	if slow.Here.Critical != ms(3050) || slow.Here.Count != 1 || slow.Usual.Critical.Low != ms(26) || slow.Usual.Critical.High != ms(41) || slow.Usual.Traces != 20 {
		t.Errorf("slower: %+v", slow)
	}
	if slow.Here.Total != ms(3110) || slow.Here.Self != ms(3050) {
		t.Errorf("total %v and self %v, want 3.11 s and 3.05 s", slow.Here.Total, slow.Here.Self)
	}
	if repeated.Here.Count != 12 || repeated.Usual.Count != (spans.Spread[int]{Median: 1, Low: 1, High: 1}) {
		t.Errorf("repeated: %+v", repeated)
	}
	want := []spans.Key{{Service: "frontend", Operation: "POST /checkout"}, {Service: "payment", Operation: "authorize"}, {Service: "payment", Operation: "SELECT"}}
	if !slices.Equal(repeated.Path, want) {
		t.Errorf("path %v, want %v", repeated.Path, want)
	}
}

func TestAgainstOneOther(t *testing.T) {
	c := spans.Against(checkout(80, 2, reserve), []*spans.Tree{checkout(40, 1)})
	want := []string{"payment authorize [slower] 40ms below 0", "inventory reserve [new] 10ms below 1", "payment SELECT [repeated] 5ms below 0"}
	if !slices.Equal(rowsOf(c), want) || c.Alike != 1 || c.Unaccounted != 0 {
		t.Errorf("rows %q, %d alike, %v unaccounted", rowsOf(c), c.Alike, c.Unaccounted)
	}
}

func TestAgainstWhatSomeDo(t *testing.T) {
	cache := call{what: "cache fill", own: 30}
	group := normal()
	for i := range 3 {
		group[i] = checkout(30, 1, reserve, cache)
	}
	if c := spans.Against(checkout(33, 1, reserve), group); len(c.Rows) != 0 {
		t.Errorf("what some do without is missing: %q", rowsOf(c))
	}
	if c := spans.Against(checkout(33, 1, reserve, cache), group); len(c.Rows) != 0 {
		t.Errorf("what three of twenty do differs: %q", rowsOf(c))
	}
	group[0], group[1] = checkout(30, 1, reserve), checkout(30, 1, reserve)
	c := spans.Against(checkout(33, 1, reserve, cache), group)
	if want := []string{"cache fill [rare] 30ms below 0"}; !slices.Equal(rowsOf(c), want) || c.Rows[0].Usual.Traces != 1 {
		t.Errorf("rows %q, want %q", rowsOf(c), want)
	}
}

func TestAgainstFoldsRecursion(t *testing.T) {
	walk := func(depth int) *spans.Tree {
		var down func(n int) call
		down = func(n int) call {
			c := call{what: "tree node", own: 10}
			if n > 1 {
				c.calls = []call{{what: "tree children", own: 1, calls: []call{down(n - 1)}}}
			}
			return c
		}
		return lay(call{what: "web GET", own: 5, calls: []call{down(depth)}})
	}
	c := spans.Against(walk(9), []*spans.Tree{walk(3)})
	want := []string{"tree node [repeated] 66ms below 1"}
	if !slices.Equal(rowsOf(c), want) || c.Rows[0].Here.Count != 9 || c.Rows[0].Here.Total != ms(98) {
		t.Errorf("rows %q, want %q; %+v", rowsOf(c), want, c.Rows[0].Here)
	}
}

func TestAgainstWhatTheRequestWaitsFor(t *testing.T) {
	// The audit takes as long as ever, and the caller has begun to wait for it.
	request := func(beside bool, audit int) *spans.Tree {
		return lay(call{what: "web GET", own: 20, calls: []call{
			{what: "audit write", own: audit, beside: beside}, {what: "db SELECT", own: 100},
		}})
	}
	others := slices.Repeat([]*spans.Tree{request(true, 50)}, 12)
	if c := spans.Against(request(false, 50), others); !slices.Equal(rowsOf(c), []string{"audit write [waited for] 50ms below 0"}) {
		t.Errorf("rows %q", rowsOf(c))
	}
	if c := spans.Against(request(true, 90), others); !slices.Equal(rowsOf(c), []string{"audit write [slower] 0s below 0"}) {
		t.Errorf("rows %q", rowsOf(c))
	}
	others = slices.Repeat([]*spans.Tree{request(false, 50)}, 12)
	if c := spans.Against(request(true, 50), others); !slices.Equal(rowsOf(c), []string{"audit write [not waited for] -50ms below 0"}) {
		t.Errorf("rows %q", rowsOf(c))
	}
}

func TestAgainstLeavesOutWhatHangsNowhere(t *testing.T) {
	one := build(span("a", "", 0, 100), span("b", "gone", 10, 90), span("c", "b", 20, 30))
	c := spans.Against(one, []*spans.Tree{build(span("a", "", 0, 100))})
	if len(c.Rows) != 0 || c.Apart != 2 {
		t.Errorf("rows %q, %d apart", rowsOf(c), c.Apart)
	}
}

func TestAgainstADeepTraceIsFast(t *testing.T) {
	chain := make([]sources.Span, 100_000)
	for i := range chain {
		parent := ""
		if i > 0 {
			parent = fmt.Sprint(i - 1)
		}
		chain[i] = span(fmt.Sprint(i), parent, 0, 1)
	}
	deep := build(chain...)
	if c := spans.Against(deep, []*spans.Tree{deep}); len(c.Rows) != 0 || c.Alike != len(chain) {
		t.Errorf("%d rows, %d alike", len(c.Rows), c.Alike)
	}
}

// drawn is a trace of any shape, of few kinds of spans.
func drawn(t *rapid.T) *spans.Tree {
	all := make([]sources.Span, rapid.IntRange(1, 25).Draw(t, "spans"))
	for i := range all {
		parent := ""
		if i > 0 {
			parent = fmt.Sprint(rapid.IntRange(-1, i-1).Draw(t, "parent")) // -1 is nobody
		}
		from := rapid.IntRange(-20, 120).Draw(t, "from")
		all[i] = span(fmt.Sprint(i), parent, from, from+rapid.IntRange(0, 100).Draw(t, "length"))
		all[i].Service = rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "service")
		if rapid.IntRange(0, 9).Draw(t, "failed") == 0 {
			failed(&all[i])
		}
	}
	return build(all...)
}

func TestAgainstHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one := drawn(t)
		others := rapid.SliceOfN(rapid.Custom(drawn), 1, 15).Draw(t, "others")
		c := spans.Against(one, others)
		sum := c.AlikeExplains + c.Unaccounted
		for _, r := range c.Rows {
			sum += r.Explains
			if len(r.Changes) == 0 || (r.Here.Count == 0) != r.Has(spans.Missing) || (r.Usual.Traces == 0) != r.Has(spans.New) {
				t.Fatalf("a row that contradicts itself: %+v", r)
			}
		}
		if sum != c.Here-c.Usual.Median {
			t.Fatalf("the parts make %v of a difference of %v", sum, c.Here-c.Usual.Median)
		}
		if len(others) == 1 && c.Unaccounted != 0 {
			t.Fatalf("%v unaccounted for between two traces", c.Unaccounted)
		}
		if again := spans.Against(one, rapid.Permutation(others).Draw(t, "order")); !reflect.DeepEqual(c, again) {
			t.Fatalf("another order of the others gives\n%+v\nand not\n%+v", again, c)
		}
		if self := spans.Against(one, slices.Repeat([]*spans.Tree{one}, len(others))); len(self.Rows) != 0 || self.AlikeExplains != 0 || self.Unaccounted != 0 {
			t.Fatalf("a trace differs from itself: %+v", self)
		}
	})
}
