package correlate_test

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"obs/correlate"
	"obs/correlate/spans"
	"obs/sources"
)

// Every finding of a triage of the shop is held against its evidence: each query is sent
// again as the case gives it, each value is worked out anew from the answers, and each
// number in the statement must be one of these.

// tolerated is by how much a value that is worked out anew may differ, as a share of it.
const tolerated = 0.01

func TestEveryFindingIsGrounded(t *testing.T) {
	for _, name := range groundedScenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, q := openShop(t, name)
			g := &grounds{
				set: set, found: correlate.Triage(t.Context(), set, q, nil),
				known: map[string]*answered{},
			}
			for i := range g.found.Findings {
				f := &g.found.Findings[i]
				t.Run(f.ID, func(t *testing.T) { g.check(t, f) })
			}
		})
	}
}

// grounds is a case with the backends that it is about.
type grounds struct {
	set   sources.Set
	found *correlate.Case
	known map[string]*answered // by what was sent
}

// answered is what a backend says to one piece of evidence.
type answered struct {
	evidence correlate.Evidence
	series   []sources.Series
	trees    []*spans.Tree
	records  []sources.Record
}

func (a *answered) empty() bool { return len(a.series)+len(a.trees)+len(a.records) == 0 }

// recomputed is what the answers say of a finding: its values by name, and what else its
// statement says in numbers.
type recomputed struct {
	values map[string]float64
	said   []string
}

// says adds counts to what the statement may say.
func (r *recomputed) says(counts ...int) {
	for _, n := range counts {
		r.said = append(r.said, strconv.Itoa(n))
	}
}

// proof is a finding under check with the answers to its evidence, in the same order.
type proof struct {
	*testing.T
	*grounds
	finding *correlate.Finding
	answers []*answered
}

// kinds are the statements that a triage makes, and how each is worked out from its evidence.
var kinds = []struct {
	statement *regexp.Regexp
	work      func(p *proof, m []string) recomputed
}{
	{regexp.MustCompile(`^(\S+) (.+) takes (.+) of its own for a request, and took .+ \(\d+ requests against \d+\)$`), (*proof).ownTime},
	{regexp.MustCompile(`^calls from (\S+) to (\S+) take .+ longer for the caller than for the callee, and took .+ longer \(`), (*proof).gap},
	{regexp.MustCompile(`^\S+ % of requests to (\S+) (.+) begin to fail there, and \S+ % did \(`), (*proof).failing},
	{regexp.MustCompile(`^\S+ % of requests to (\S+) (.+) come to (.+), and \S+ % did \(`), (*proof).lost},
	{regexp.MustCompile(`^a request to (\S+) (.+) comes to (.+) \S+ times, and did \S+ times \(`), (*proof).more},
	{regexp.MustCompile(`^\S+ % of what (\S+) (.+) did with (\S+) is without a span of \S+, and \S+ % was \(`), (*proof).unanswered},
	{regexp.MustCompile(`^\S+ % of requests to (\S+)(?:, told by their lines,| that begin with (".+")) log (".+"), and \S+ % did \(`), (*proof).untraced},
	{regexp.MustCompile(`^\S+ % of requests to (\S+) (.+) log (".+"|anything at all), and \S+ % did \(`), (*proof).lines},
	{regexp.MustCompile(`^(\S+) logs (".+") \S+ times a minute, and did \S+ times$`), (*proof).linesApart},
	{regexp.MustCompile(`^(.+) run on (\S+) for .+ of their additional time and .+ of their requests, where (\S+) uses \S+ CPUs, and used \S+$`), (*proof).neighbor},
	{regexp.MustCompile(`^(\S+) (.+): .+ of .+ on the critical path of trace [0-9a-f]{32}(; in .+ it takes .+ on average, in .+)?$`), (*proof).criticalPath},
	{regexp.MustCompile(`^Trace [0-9a-f]{32} begins to fail at (\S+) ([^,]+)`), (*proof).failingTrace},
	{regexp.MustCompile(`^\d+ of \d+ failing traces? of (\S+) begin to fail at (\S+) ([^,]+),.* as in trace [0-9a-f]{32}$`), (*proof).failingTraces},
	{regexp.MustCompile(`^(\S+) (.+) fails in \S+ % of slow traces, and in \S+ % of normal ones$`), (*proof).slowFailing},
	{regexp.MustCompile(`^\d+ of \d+ records? of the trace are errors; the first, of (\S+) at (\d\d:\d\d:\d\d): (.*)$`), (*proof).errorRecords},
	{regexp.MustCompile(`^(\S+ .+ at [\d:]{8}), (?:as it began|\d+ (?:s|min|h) before)(?:; \d+ of \d+ traces? in trouble came to (.+))?$`), (*proof).changedBefore},
	{regexp.MustCompile(`^(\S+ .+ at [\d:]{8}), and what tells the trouble apart is in (\S+): (\S+=.+)$`), (*proof).changedElsewhere},
	{regexp.MustCompile(`^nothing was done to the affected services before it; nearest to it are (.+)$`), (*proof).othersChanged},
	{tellsApart, (*proof).toldApart},
	{regexp.MustCompile(`^(?:slow|failing) requests came to (?:all \d+|\d+ of \d+) instances of ([^ ,]+)(, and to (?:all \d+|\d+ of \d+) versions)?$`), (*proof).instancesHit},
	{regexp.MustCompile(`^(\S+) waits for (\S+) in \d+ of \d+ slow traces?; its own time on their critical path is .+, and .+ in normal ones$`), (*proof).waitsFor},
	{regexp.MustCompile(`^\d+ of \d+ sampled requests? that fail in (\S+) begin to fail in (\S+), and \d+ in itself$`), (*proof).failsWith},
	{regexp.MustCompile(`^Client faults of (\S+) rose, .+; they are not counted as its failures`), (*proof).refused},
	{regexp.MustCompile(`^(\S+): .+ is .+; it was .+: it grows by .+ a day`), (*proof).creep},
	{regexp.MustCompile(`^.+ (rose|fell|went) from .+ to [^()]+( \(\S+x\))?( since (\S+))?$`), (*proof).metric},
}

// check holds one finding against its evidence.
func (g *grounds) check(t *testing.T, f *correlate.Finding) {
	p := &proof{T: t, grounds: g, finding: f}
	for _, e := range f.Evidence {
		g.wasAsked(t, e)
		answer := g.send(t, e)
		none := len(e.Values) > 0
		for _, v := range e.Values {
			none = none && v.Value == 0
		}
		if answer.empty() && !none {
			t.Errorf("%s: %s in %s brings nothing", e.Backend, e.Query, e.Window)
		}
		p.answers = append(p.answers, answer)
	}
	for _, kind := range kinds {
		m := kind.statement.FindStringSubmatch(f.Statement)
		if m == nil {
			continue
		}
		got := kind.work(p, m)
		p.compare(&got)
		return
	}
	t.Errorf("nothing is known of how to check %q", f.Statement)
}

// compare holds the values of the evidence, and the numbers of the statement, against what
// was worked out.
func (p *proof) compare(got *recomputed) {
	allowed := map[string]bool{}
	for _, text := range got.said {
		allowed[text] = true
	}
	for _, e := range p.finding.Evidence {
		for _, v := range e.Values {
			worked, ok := got.values[v.Name]
			if !ok || !alike(worked, v.Value) {
				p.Errorf("%s is %g %s, and %g (known: %t) by the answer to %s\nof %s", v.Name, v.Value, v.Unit, worked, ok, e.Query, p.finding.Statement)
			}
			if strings.Contains(v.Name, "baseline") && (e.Window.To.Before(p.found.Baseline.From) || e.Window.From.After(p.found.Baseline.To)) {
				p.Errorf("%s is said to be in %s, of %s", v.Name, e.Window, p.finding.Statement)
			}
			if strings.Contains(v.Name, "window") && e.Window.To.Before(p.found.Window.From) {
				p.Errorf("%s is said to be in %s, of %s", v.Name, e.Window, p.finding.Statement)
			}
			allowed[correlate.Quantity(v.Value, v.Unit)] = true
			allowed[fmt.Sprintf("%.3g", v.Value)] = true
			allowed[strconv.FormatFloat(v.Value, 'f', -1, 64)] = true
		}
	}
	for _, number := range numbersOf(p.finding.Statement) {
		if !allowed[number] {
			p.Errorf("%q is in no evidence of %q, which says %q", number, p.finding.Statement, slices.Sorted(maps.Keys(allowed)))
		}
	}
}

func alike(a, b float64) bool { return math.Abs(a-b) <= tolerated*max(math.Abs(a), math.Abs(b)) }

var (
	quotation = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	traceIDs  = regexp.MustCompile(`[0-9a-f]{32}`)
	quantity  = regexp.MustCompile(`(?:^|[ (])(>?\d[\w.:+-]*)( (?:%|(?:s|ms|µs|requests/s)\b))?`)
)

// numbersOf are the numbers that a statement says in words of its own, with their units. What
// it quotes, and the names of operations, are not its own.
func numbersOf(statement string) []string {
	statement, _, _ = strings.Cut(statement, "; the first, of ")
	statement = traceIDs.ReplaceAllString(quotation.ReplaceAllString(statement, ""), "")
	var numbers []string
	for _, m := range quantity.FindAllStringSubmatch(statement, -1) {
		numbers = append(numbers, m[1]+m[2])
	}
	return numbers
}

func TestNumbersOf(t *testing.T) {
	for _, test := range []struct {
		statement string
		want      []string
	}{
		{"checkout p95 rose from 199 ms to 3.70 s (19x) since 11:40:30", []string{"199 ms", "3.70 s", "19x", "11:40:30"}},
		{"a POST /v1/charges takes 3m20s, and took 445 µs (146 requests against 93)", []string{"3m20s", "445 µs", "146", "93"}},
		{"a request rate fell from 0.57 requests/s to 0 requests/s (>99999x)", []string{"0.57 requests/s", "0 requests/s", ">99999x"}},
		{"50.0 % of requests to a GET /x log \"took 3 s of \\\"4 s\\\"\", and 0 % did", []string{"50.0 %", "0 %"}},
		{"1 of 2 on the critical path of trace 236633e61b59449b5781746969133c77; in 21 slow traces", []string{"1", "2", "21"}},
		{"8 of 14 records of the trace are errors; the first, of a at 11:59:53: 5 of 6", []string{"8", "14"}},
		{"a, b run on node-1a-2 for 98.3 % of their time, where c uses 6.94 CPUs, and used 5.2e-05", []string{"98.3 %", "6.94", "5.2e-05"}},
	} {
		if got := numbersOf(test.statement); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.statement, got, test.want)
		}
	}
}
