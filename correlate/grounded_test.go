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
	"time"

	"pgregory.net/rapid"

	"obs/correlate"
	"obs/correlate/anomaly"
	"obs/correlate/ident"
	"obs/correlate/patterns"
	"obs/correlate/spans"
	"obs/sources"
)

// Every finding of a triage of the shop is held against its evidence: each query is sent
// again as the case gives it, each value is worked out anew from the answers, and each
// number in the statement must be one of these.

// tolerated is by how much a value that is worked out anew may differ, as a share of it.
const tolerated = 0.01

// Exceptions are values that cannot be had from the evidence alone. What they are checked by
// instead stands with each.
const (
	// The evidence of a metric names the window alone where the baseline lies elsewhere: the
	// query is sent again over case.baseline.
	baselineApart = "the baseline's own query is no evidence"
	// The search for normal traces is not named: it is worked out from the one for slow ones.
	normalSearch = "the search for normal traces is no evidence"
	// The share of slow traces names one trace: the search is that of case.cohorts.
	slowSearch = "the search for slow traces is no evidence"
)

// exceptions counts the findings that need one, by scenario. A finding that is mended is
// taken off, and none is put on.
var exceptions = map[string]map[string]int{
	"latency":         {normalSearch: 2, slowSearch: 1},
	"segment":         {normalSearch: 1},
	"n-plus-one":      {normalSearch: 1},
	"noisy-neighbour": {normalSearch: 1},
	"creep":           {normalSearch: 1, baselineApart: 13},
}

func TestEveryFindingIsGrounded(t *testing.T) {
	for _, name := range groundedScenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, q := openShop(t, name)
			g := &grounds{
				set: set, found: correlate.Triage(t.Context(), set, q, nil),
				known: map[string]*answered{}, excused: map[string]int{},
			}
			for i := range g.found.Findings {
				f := &g.found.Findings[i]
				t.Run(f.ID, func(t *testing.T) { g.check(t, f) })
			}
			if !maps.Equal(g.excused, exceptions[name]) && !t.Failed() {
				t.Errorf("findings with an exception are %v, listed are %v", g.excused, exceptions[name])
			}
		})
	}
}

// grounds is a case with the backends that it is about.
type grounds struct {
	set     sources.Set
	found   *correlate.Case
	known   map[string]*answered // by what was sent
	excused map[string]int
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
	excuses []string
}

// excuse counts the finding under an exception.
func (p *proof) excuse(exception string) {
	p.excused[exception]++
	p.excuses = append(p.excuses, exception)
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
	{regexp.MustCompile(`^\S+ % of requests to (\S+) (.+) log (".+"|anything at all), and \S+ % did \(`), (*proof).lines},
	{regexp.MustCompile(`^(\S+) logs (".+") \S+ times a minute, and did \S+ times$`), (*proof).linesApart},
	{regexp.MustCompile(`^(.+) run on (\S+) for .+ of their additional time and .+ of their requests, where (\S+) uses \S+ CPUs, and used \S+$`), (*proof).neighbor},
	{regexp.MustCompile(`^(\S+) (.+): .+ of .+ on the critical path of trace [0-9a-f]{32}(; in .+ it takes .+ on average, in .+)?$`), (*proof).criticalPath},
	{regexp.MustCompile(`^Trace [0-9a-f]{32} begins to fail at (\S+) ([^,]+)`), (*proof).failingTrace},
	{regexp.MustCompile(`^\d+ of \d+ failing traces? of (\S+) begin to fail at (\S+) ([^,]+),.* as in trace [0-9a-f]{32}$`), (*proof).failingTraces},
	{regexp.MustCompile(`^(\S+) (.+) fails in \S+ % of slow traces, and in \S+ % of normal ones$`), (*proof).slowFailing},
	{regexp.MustCompile(`^\d+ of \d+ records? of the trace are errors; the first, of (\S+) at (\d\d:\d\d:\d\d): (.*)$`), (*proof).errorRecords},
	{regexp.MustCompile(`^(\S+ .+ at [\d:]{8}), (?:as it began|\d+ (?:s|min|h) before)(?:; \d+ of \d+ traces? in trouble came to (.+))?$`), (*proof).changedBefore},
	{regexp.MustCompile(`^nothing was done to the affected services before it; nearest to it are (.+)$`), (*proof).othersChanged},
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
			if strings.Contains(v.Name, "baseline") && !p.found.Baseline.Contains(e.Window.From) && !slices.Contains(p.excuses, baselineApart) {
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

// limitsOf say from where on a series departs, by signal. They are part of what the medians
// since an onset mean, and stand here as whoever repeats a query has to know them.
var limitsOf = map[string]anomaly.Limits{
	"latency":    {Ratio: 1.5, Delta: 0.005, Score: 4, Up: true},
	"errors":     {Ratio: 1.5, Delta: 0.01, Score: 4, Up: true},
	"traffic":    {Ratio: 2, Delta: 0.1, Score: 4, Up: true, Down: true},
	"saturation": {Ratio: 1.5, Score: 4, Up: true},
	"other":      {Ratio: 2, Score: 4, Up: true, Down: true},
}

// metric works out an anomaly: the medians of both sides, and since when.
func (p *proof) metric([]string) recomputed {
	i := slices.IndexFunc(p.found.Anomalies, func(a correlate.Anomaly) bool { return slices.Contains(a.Findings, p.finding.ID) })
	if i < 0 {
		p.Fatalf("no anomaly rests on %q", p.finding.Statement)
	}
	a := p.found.Anomalies[i]
	limits, ok := limitsOf[a.Signal]
	if !ok || len(p.answers) != 1 || len(p.answers[0].series) != 1 {
		p.Fatalf("%q: limits %+v, answers %+v", p.finding.Statement, limits, p.answers)
	}
	before, now := p.answers[0].series, p.answers[0].series
	if e := p.answers[0].evidence; e.Window.From.After(p.found.Baseline.From) {
		p.excuse(baselineApart)
		e.Window = *p.found.Baseline
		before = p.send(p.T, e).series
	}
	d := anomaly.Compare(samplesIn(before, *p.found.Baseline), samplesIn(now, p.found.Window), limits)
	return recomputed{
		values: map[string]float64{"median of the baseline": d.Baseline, "median since the onset": d.Window},
		said:   []string{correlate.Factor(d.Baseline, d.Window), correlate.Clock(d.Onset)},
	}
}

// refused works out how much more often requests fail by their clients' faults: a status that
// nobody is answered has no series, and counts as none.
func (p *proof) refused([]string) recomputed {
	r := recomputed{values: map[string]float64{}}
	for _, a := range p.answers {
		if len(a.series) != 1 || len(a.evidence.Values) == 0 {
			p.Fatalf("%q: %+v", p.finding.Statement, a)
		}
		status, _, _ := strings.Cut(a.evidence.Values[0].Name, ",")
		side := func(w sources.Window) (samples []sources.Sample) {
			at := map[time.Time]float64{}
			for _, s := range samplesIn(a.series, w) {
				at[s.Time] = s.Value
			}
			step := time.Duration(a.evidence.StepSeconds * float64(time.Second))
			for t := a.evidence.Window.From; !t.After(w.To); t = t.Add(step) {
				if t := t.Truncate(step); t.After(w.From) {
					samples = append(samples, sources.Sample{Time: t, Value: at[t]})
				}
			}
			return samples
		}
		d := anomaly.Compare(side(*p.found.Baseline), side(p.found.Window), limitsOf["errors"])
		r.values[status+", median of the baseline"], r.values[status+", median since the onset"] = d.Baseline, d.Window
		r.said = append(r.said, status, correlate.Clock(d.Onset))
	}
	return r
}

// creep works out a slow growth from its samples, one a day: what they were, by how much the
// last week is above the one before, and when the limit is reached.
func (p *proof) creep([]string) recomputed {
	i := slices.IndexFunc(p.found.Anomalies, func(a correlate.Anomaly) bool { return slices.Contains(a.Findings, p.finding.ID) })
	if i < 0 || p.found.Anomalies[i].Creep == nil || len(p.answers) != 1 || len(p.answers[0].series) != 1 {
		p.Fatalf("no creep rests on %q, or on more than a series: %+v", p.finding.Statement, p.answers)
	}
	a := p.found.Anomalies[i]
	at := map[int]float64{}
	samples := p.answers[0].series[0].Samples
	for _, s := range samples {
		at[int(math.Round(p.found.Window.To.Sub(s.Time).Hours()/24))] = s.Value
	}
	var slopes []float64
	for ago := range 7 {
		now, before := at[ago], at[ago+7]
		if ago+7 <= a.Creep.Days && now > 0 && before > 0 {
			slopes = append(slopes, (now-before)/7)
		}
	}
	perDay := anomaly.Median(slopes)
	r := recomputed{values: map[string]float64{
		"at last": at[0], "at first": at[a.Creep.Days], "a week before the last": at[7], "a day before the last": at[1], "growth in a day over the last week": perDay,
	}}
	r.says(a.Creep.Days, int(math.Round((1-at[0])/perDay)))
	if a.Unit == "ratio" {
		r.said = append(r.said, strings.TrimSuffix(correlate.Quantity(perDay, a.Unit), " %"))
	}
	return r
}

// samplesIn are the samples of the one series in (w.From, w.To]: each speaks of the time before it.
func samplesIn(series []sources.Series, w sources.Window) []sources.Sample {
	var kept []sources.Sample
	for _, s := range series {
		for _, sample := range s.Samples {
			if sample.Time.After(w.From) && !sample.Time.After(w.To) {
				kept = append(kept, sample)
			}
		}
	}
	return kept
}

// sides are the requests of window and baseline that the searches brought, each once.
func (p *proof) sides() (window, baseline []*spans.Tree) {
	seen := map[sources.TraceID]bool{}
	for _, a := range p.answers {
		if a.evidence.Backend != sources.Jaeger {
			continue
		}
		side := &window
		switch a.evidence.Window {
		case p.found.Window:
		case *p.found.Baseline:
			side = &baseline
		default:
			p.Fatalf("a search of neither side: %+v", a.evidence)
		}
		for _, t := range a.trees {
			if !seen[t.Trace.ID] {
				seen[t.Trace.ID] = true
				*side = append(*side, t)
			}
		}
	}
	return window, baseline
}

// visit is the stay of a request in a service, with the others of the trace.
type visit struct {
	*spans.Visit
	tree *spans.Tree
	all  []spans.Visit
}

// does counts how often the visit does a piece of work, its own or a call.
func (v *visit) does(name string) int {
	n := v.Inside[name]
	for _, call := range v.Calls {
		if key := v.all[call].Key; key.Service+" "+key.Operation == name {
			n++
		}
	}
	return n
}

// means is the mean over the visits of each side that count, and how many those are.
func (p *proof) means(value func(v *visit) (x float64, counts bool)) recomputed {
	mean := func(trees []*spans.Tree) (float64, float64) {
		sum, n := 0.0, 0.0
		for _, t := range trees {
			all, _ := t.Visits()
			for i := range all {
				if x, counts := value(&visit{Visit: &all[i], tree: t, all: all}); counts {
					sum, n = sum+x, n+1
				}
			}
		}
		return sum / n, n
	}
	window, baseline := p.sides()
	r := recomputed{values: map[string]float64{}}
	r.values["window"], r.values["requests in the window"] = mean(window)
	r.values["baseline"], r.values["requests in the baseline"] = mean(baseline)
	return r
}

func share(holds bool) float64 {
	if holds {
		return 1
	}
	return 0
}

func (p *proof) ownTime(m []string) recomputed {
	return p.means(func(v *visit) (float64, bool) {
		return v.Own.Seconds(), v.Key == spans.Key{Service: m[1], Operation: m[2]}
	})
}

func (p *proof) gap(m []string) recomputed {
	return p.means(func(v *visit) (float64, bool) {
		return v.Gap.Seconds(), v.GapKnown && v.Key.Service == m[2] && v.all[v.Parent].Key.Service == m[1]
	})
}

func (p *proof) failing(m []string) recomputed {
	return p.means(func(v *visit) (float64, bool) {
		return share(v.Fails), v.Key == spans.Key{Service: m[1], Operation: m[2]}
	})
}

// lost and the next ones are of visits that do not fail, as those that do do less.
func (p *proof) lost(m []string) recomputed {
	return p.means(func(v *visit) (float64, bool) {
		return share(v.does(m[3]) > 0), v.Key == spans.Key{Service: m[1], Operation: m[2]} && !v.Failed
	})
}

func (p *proof) more(m []string) recomputed {
	return p.means(func(v *visit) (float64, bool) {
		n := v.does(m[3])
		return float64(n), n > 0 && v.Key == spans.Key{Service: m[1], Operation: m[2]} && !v.Failed
	})
}

func (p *proof) unanswered(m []string) recomputed {
	return p.means(func(v *visit) (float64, bool) {
		reached := slices.ContainsFunc(v.Calls, func(call int) bool { return v.all[call].Key.Service == m[3] })
		return share(!reached), v.Key == spans.Key{Service: m[1], Operation: m[2]} && !v.Failed
	})
}

// logServices are the labels that name a line's service.
var logServices = []string{"service_name", "service", "app", "container", "job"}

// fieldOf is what a record says under one of the names.
func fieldOf(r *sources.Record, names []string) string {
	if v, _ := r.Metadata.First(names...); v != "" {
		return v
	}
	if v, _ := r.Stream.First(names...); v != "" {
		return v
	}
	return ident.InLine(r.Line, names)
}

// severityOf is what the record's fields say, or else its line.
func severityOf(r *sources.Record) patterns.Severity {
	if known := patterns.ParseSeverity(fieldOf(r, ident.SeverityFields)); known != patterns.Unstated {
		return known
	}
	return patterns.Read(r.Line).Severity
}

// matcher tells lines of a pattern that a statement quotes: all that it may be the beginning
// of, where it was cut.
func (p *proof) matcher(text string) func(line string) bool {
	if text == "anything at all" {
		return func(string) bool { return true }
	}
	pattern, err := strconv.Unquote(text)
	if err != nil {
		p.Fatal(err)
	}
	if cut, ok := strings.CutSuffix(pattern, "…"); ok {
		pattern = strings.TrimRight(cut, "<*") + "<*>"
	}
	return func(line string) bool { return patterns.Matches(pattern, line) }
}

// logging is a visit with whether it logged what is asked about.
type logging struct {
	*visit
	logs bool
}

// lines works out of which share of requests there is a line: of those that do not fail, or
// of all where it is an error.
func (p *proof) lines(m []string) recomputed {
	matches := p.matcher(m[3])
	window, baseline := p.sides()
	severity := patterns.Unstated
	read := func(name string, trees []*spans.Tree) []*logging {
		i := slices.IndexFunc(p.answers, func(a *answered) bool {
			return a.evidence.Backend == sources.Loki && slices.ContainsFunc(a.evidence.Values, func(v correlate.Value) bool { return v.Name == name })
		})
		if i < 0 {
			p.Fatalf("no lines of the %s", name)
		}
		all := joined(trees, p.answers[i], matches, &severity)
		return slices.DeleteFunc(all, func(v *logging) bool { return v.Key != spans.Key{Service: m[1], Operation: m[2]} })
	}
	sides := map[string][]*logging{"window": read("window", window), "baseline": read("baseline", baseline)}
	r := recomputed{values: map[string]float64{}}
	for name, all := range sides {
		sum, n := 0.0, 0.0
		for _, v := range all {
			if severity >= patterns.Error || !v.Failed {
				sum, n = sum+share(v.logs), n+1
			}
		}
		r.values[name], r.values["requests in the "+name] = sum/n, n
	}
	return r
}

// joined are the visits that lie within the time of the lines, and which of them have one that
// matches: by the span's ID, or else by the trace's and the service.
func joined(trees []*spans.Tree, lines *answered, matches func(string) bool, severity *patterns.Severity) []*logging {
	type place struct {
		trace sources.TraceID
		at    string // a span's ID or a service
	}
	var all []*logging
	places := map[place]*logging{}
	for _, t := range trees {
		visits, of := t.Visits()
		mine := make([]*logging, len(visits))
		for i := range visits {
			entry := t.Span(visits[i].Entry)
			if !lines.evidence.Window.Contains(entry.Start) || !lines.evidence.Window.Contains(entry.End()) {
				continue
			}
			mine[i] = &logging{visit: &visit{Visit: &visits[i], tree: t, all: visits}}
			all = append(all, mine[i])
			if at := (place{t.Trace.ID, entry.Service}); places[at] == nil {
				places[at] = mine[i]
			}
		}
		for i, v := range of {
			if mine[v] != nil {
				places[place{t.Trace.ID, string(t.Span(i).ID)}] = mine[v]
			}
		}
	}
	for i := range lines.records {
		r := &lines.records[i]
		trace, _ := sources.ParseTraceID(fieldOf(r, ident.TraceFields))
		span, _ := sources.ParseSpanID(fieldOf(r, ident.SpanFields))
		v := places[place{trace, string(span)}]
		if v == nil {
			service, _ := r.Stream.First(logServices...)
			v = places[place{trace, service}]
		}
		if v != nil && matches(r.Line) {
			v.logs = true
			*severity = max(*severity, severityOf(r))
		}
	}
	return all
}

// linesApart counts a service's lines by time.
func (p *proof) linesApart(m []string) recomputed {
	matches := p.matcher(m[2])
	r := recomputed{values: map[string]float64{}}
	for _, a := range p.answers {
		n := 0
		for i := range a.records {
			if service, _ := a.records[i].Stream.First(logServices...); service == m[1] && matches(a.records[i].Line) {
				n++
			}
		}
		if len(a.evidence.Values) != 1 {
			p.Fatalf("lines without their number: %+v", a.evidence)
		}
		r.values[a.evidence.Values[0].Name] = float64(n)
		r.said = append(r.said, fmt.Sprintf("%.3g", float64(n)/a.evidence.Window.Duration().Minutes()))
	}
	return r
}

// nodeOf is the machine that a span's process runs on.
func nodeOf(s *sources.Span) string {
	for _, name := range []string{"k8s.node.name", "host.name", "host.id"} {
		if node := s.Resource.Get(name); node != "" {
			return node
		}
	}
	return ""
}

// noticed is the least additional time of a visit that counts: that of a latency.
const noticed = 0.005

// neighbor works out how much of several services' additional time is on one machine, and what
// the container to blame computes there.
func (p *proof) neighbor(m []string) recomputed {
	window, baseline := p.sides()
	usual := map[spans.Key][]float64{}
	for _, t := range baseline {
		visits, _ := t.Visits()
		for _, v := range visits {
			usual[v.Key] = append(usual[v.Key], v.Own.Seconds())
		}
	}
	services := strings.Split(m[1], ", ")
	type sums struct{ here, all float64 }
	extra, visited := map[string]*sums{}, map[string]*sums{}
	for _, service := range services {
		extra[service], visited[service] = &sums{}, &sums{}
	}
	for _, t := range window {
		visits, _ := t.Visits()
		for _, v := range visits {
			node := nodeOf(t.Span(v.Entry))
			of := visited[v.Key.Service]
			if of == nil || node == "" || len(usual[v.Key]) == 0 {
				continue
			}
			here := share(node == m[2])
			of.all, of.here = of.all+1, of.here+here
			if more := v.Own.Seconds() - anomaly.Median(usual[v.Key]); more >= noticed {
				time := extra[v.Key.Service]
				time.all, time.here = time.all+more, time.here+more*here
			}
		}
	}
	r := recomputed{values: map[string]float64{}}
	for _, service := range services {
		r.values["share of the additional time"] += extra[service].here / extra[service].all / float64(len(services))
		r.values["share of the requests"] += visited[service].here / visited[service].all / float64(len(services))
	}
	for _, a := range p.answers {
		for _, s := range a.series {
			if name, _ := s.Labels.First("container", "pod"); name == m[3] {
				one := []sources.Series{s}
				r.values["CPUs in the window"] = quantileOf(samplesIn(one, p.found.Window), 0.8)
				r.values["CPUs in the baseline"] = quantileOf(samplesIn(one, *p.found.Baseline), 0.5)
			}
		}
	}
	return r
}

// quantileOf is the sample below which a share of them lies; 0 of none.
func quantileOf(samples []sources.Sample, q float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = s.Value
	}
	slices.Sort(values)
	return values[int(q*float64(len(values)-1))]
}

// criticalPath works out the time of the span to blame in its trace, and on average in slow
// and in normal traces.
func (p *proof) criticalPath(m []string) recomputed {
	key := spans.Key{Service: m[1], Operation: m[2]}
	tree := p.answers[0].trees[0]
	span := slices.IndexFunc(tree.Trace.Spans, func(s sources.Span) bool { return s.ID == p.found.Trace.Blamed })
	if span < 0 || spans.KeyOf(tree.Span(span)) != key {
		p.Fatalf("no span of %v is to blame in %s", key, tree.Trace.ID)
	}
	p.quotes(tree.Span(span))
	r := recomputed{
		values: map[string]float64{"time on the critical path": tree.Nodes[span].Critical.Seconds()},
		said:   []string{correlate.Seconds(tree.Span(tree.Main).Duration.Seconds())},
	}
	if m[3] == "" {
		return r
	}
	slow := p.answers[1].trees
	normal := p.normal(p.answers[1])
	if !slices.ContainsFunc(slow, func(t *spans.Tree) bool { return t.Trace.ID == tree.Trace.ID }) {
		slow = append(slices.Clone(slow), tree)
	}
	r.says(len(slow), len(normal))
	ofKind := func(s *sources.Span) bool { return spans.KeyOf(s) == key }
	r.values["mean on the critical path, slow"] = meanOnPath(slow, ofKind)
	r.values["mean on the critical path, normal"] = meanOnPath(normal, ofKind)
	return r
}

// normal are the traces that slow ones were compared with: quicker ones of the baseline that
// come in by the same operation as most of the slow ones.
func (p *proof) normal(slow *answered) []*spans.Tree {
	p.excuse(normalSearch)
	query, err := parseTraceQuery(slow.evidence.Query)
	if err != nil {
		p.Fatal(err)
	}
	query.Window, query.MinDuration, query.MaxDuration = *p.found.Baseline, 0, query.MinDuration
	trees, err := p.search(p.T, query)
	if err != nil {
		p.Fatal(err)
	}
	return sameEntry(trees, slow.trees)
}

// sameEntry are the traces that come in by the same operation as most of the others.
func sameEntry(trees, others []*spans.Tree) []*spans.Tree {
	counts := map[spans.Key]int{}
	for _, t := range others {
		counts[spans.KeyOf(t.Span(t.Main))]++
	}
	return slices.DeleteFunc(slices.Clone(trees), func(t *spans.Tree) bool {
		mine := counts[spans.KeyOf(t.Span(t.Main))]
		return mine == 0 || mine < slices.Max(slices.Collect(maps.Values(counts)))
	})
}

// meanOnPath is how long requests wait for some spans, in seconds.
func meanOnPath(trees []*spans.Tree, of func(*sources.Span) bool) float64 {
	sum := 0.0
	for _, t := range trees {
		for i := range t.Nodes {
			if of(t.Span(i)) {
				sum += t.Nodes[i].Critical.Seconds()
			}
		}
	}
	return sum / float64(len(trees))
}

// quotes checks that the span says what the statement quotes of it.
func (p *proof) quotes(span *sources.Span) {
	text := quotation.FindString(p.finding.Statement)
	if text == "" {
		return
	}
	said := []string{span.StatusMessage}
	for _, event := range span.Events {
		said = append(said, event.Name, event.Attributes.Get("exception.message"))
	}
	if !slices.ContainsFunc(said, func(s string) bool { return fmt.Sprintf("%q", correlate.Shorten(s)) == text }) {
		p.Errorf("%s is quoted, and the span says %q", text, said)
	}
}

// origin is the span where a trace begins to fail, if it is of that kind.
func origin(t *spans.Tree, service, operation string) *sources.Span {
	i := t.ErrorOrigin()
	if i == spans.None || spans.KeyOf(t.Span(i)) != (spans.Key{Service: service, Operation: operation}) {
		return nil
	}
	return t.Span(i)
}

func (p *proof) failingTrace(m []string) recomputed {
	span := origin(p.answers[0].trees[0], m[1], m[2])
	if span == nil {
		p.Fatalf("it does not: %q", p.finding.Statement)
	}
	p.quotes(span)
	return recomputed{}
}

// failsIn reports whether a request that the service received failed.
func failsIn(t *spans.Tree, service string) bool {
	return slices.ContainsFunc(t.Trace.Spans, func(s sources.Span) bool {
		return s.Service == service && s.Failed() && s.Kind != sources.KindClient
	})
}

func (p *proof) failingTraces(m []string) recomputed {
	there, of := 0, 0
	for _, t := range p.answers[0].trees {
		if failsIn(t, m[1]) {
			of++
			there += int(share(origin(t, m[2], m[3]) != nil))
		}
	}
	example := origin(p.answers[1].trees[0], m[2], m[3])
	if example == nil {
		p.Fatalf("the example does not: %q", p.finding.Statement)
	}
	p.quotes(example)
	return recomputed{values: map[string]float64{"failing traces that begin there": float64(there), "failing traces looked at": float64(of)}}
}

func (p *proof) slowFailing(m []string) recomputed {
	p.excuse(slowSearch)
	slow := p.send(p.T, correlate.Evidence{Backend: sources.Jaeger, Query: p.found.Cohorts.Query, Window: p.found.Window})
	normal := p.normal(slow)
	in := func(trees []*spans.Tree) float64 {
		n := 0.0
		for _, t := range trees {
			n += share(slices.ContainsFunc(t.Trace.Spans, func(s sources.Span) bool {
				return s.Failed() && spans.KeyOf(&s) == spans.Key{Service: m[1], Operation: m[2]}
			}))
		}
		return n / float64(len(trees))
	}
	return recomputed{values: map[string]float64{
		"share of slow traces":   in(append(slices.Clone(slow.trees), p.answers[0].trees[0])),
		"share of normal traces": in(normal),
	}}
}

// errorRecords counts the errors among the records that the searches for the trace brought.
func (p *proof) errorRecords(m []string) recomputed {
	all := map[string]*sources.Record{}
	for _, a := range p.answers {
		for i := range a.records {
			r := &a.records[i]
			all[fmt.Sprint(r.Time.UnixNano(), r.Stream, r.Line)] = r
		}
	}
	var errors []*sources.Record
	for _, r := range all {
		if severityOf(r) >= patterns.Error {
			errors = append(errors, r)
		}
	}
	if !slices.ContainsFunc(errors, func(r *sources.Record) bool {
		service, _ := r.Stream.First(logServices...)
		earliest := !slices.ContainsFunc(errors, func(other *sources.Record) bool { return other.Time.Before(r.Time) })
		return earliest && service == m[1] && correlate.Clock(r.Time) == m[2] && correlate.Shorten(r.Line) == m[3]
	}) {
		p.Errorf("none of %d errors is the first, which says %q", len(errors), m[3])
	}
	var r recomputed
	r.says(len(errors), len(all))
	return r
}

// versionChange is a change of version as statements say it.
var versionChange = regexp.MustCompile(`^(\S+) (\S+) → (\S+) on (?:all (\d+)|(\d+) of (\d+)) instances? at ([\d:]{8})$`)

// change checks a change of version against the counts of instances by version: the second
// begins when the statement says, on as many instances, beside or after the first. It adds
// what the statement says in numbers, and tells when it was.
func (p *proof) change(text string, answer *answered, r *recomputed) (at time.Time) {
	m := versionChange.FindStringSubmatch(text)
	if m == nil {
		p.Fatalf("nothing is known of how to check the change %q", text)
	}
	from, to := p.samplesOf(answer, m[2]), p.samplesOf(answer, m[3])
	if len(from) == 0 || len(to) == 0 || !from[0].Time.Before(to[0].Time) {
		p.Fatalf("no change of version in %+v: %q", answer.series, text)
	}
	instances, of := 0.0, 0.0
	for _, s := range to {
		instances = max(instances, s.Value)
	}
	for _, s := range slices.Concat(from, to) {
		of = max(of, s.Value)
	}
	if last := from[len(from)-1]; m[4] != "" && !last.Time.Before(to[len(to)-1].Time) {
		p.Errorf("%s was there until %s: %q", m[2], last.Time, text)
	}
	r.said = append(r.said, m[2], m[3], correlate.Clock(to[0].Time))
	r.says(int(instances), int(of))
	return to[0].Time
}

// samplesOf are the samples of a version.
func (p *proof) samplesOf(answer *answered, version string) []sources.Sample {
	i := slices.IndexFunc(answer.series, func(s sources.Series) bool {
		return slices.Contains(slices.Collect(maps.Values(s.Labels)), version)
	})
	if i < 0 {
		return nil
	}
	return answer.series[i].Samples
}

// changedBefore works out a change before the trouble, how long before the onset it was, and
// how many of the traces in trouble came to its version.
func (p *proof) changedBefore(m []string) recomputed {
	var r recomputed
	at := p.change(m[1], p.answers[0], &r)
	service, _, _ := strings.Cut(m[1], " ")
	onset := p.found.Anomalies[0].Onset
	first := true
	for _, a := range p.found.Anomalies {
		if a.Service == service && !a.Onset.IsZero() && (first || a.Onset.Before(onset)) {
			onset, first = a.Onset, false
		}
	}
	gap := onset.Sub(at)
	r.said = append(r.said, fmt.Sprintf("%.0f s", gap.Seconds()))
	if gap >= time.Minute {
		r.said = append(r.said, fmt.Sprintf("%.0f", gap.Minutes()), fmt.Sprintf("%.0f", gap.Hours()))
	}
	if m[2] == "" {
		return r
	}
	came, of := 0.0, 0.0
	for _, t := range p.troubled(p.answers[1]) {
		versions := map[string]bool{}
		for i := range t.Trace.Spans {
			if s := &t.Trace.Spans[i]; s.Service == service {
				versions[s.Resource.Get("service.version")] = true
			}
		}
		of += share(len(versions) > 0)
		came += share(versions[m[2]])
	}
	r.values = map[string]float64{"traces in trouble that came to it": came, "traces in trouble that came to the service": of}
	return r
}

// troubled are the traces that a search for slow or failing ones brought, with the chosen one.
func (p *proof) troubled(search *answered) []*spans.Tree {
	query, err := parseTraceQuery(search.evidence.Query)
	if err != nil {
		p.Fatal(err)
	}
	if query.MinDuration == 0 {
		return slices.DeleteFunc(slices.Clone(search.trees), func(t *spans.Tree) bool { return !failsIn(t, query.Service) })
	}
	chosen := p.found.Trace
	if slices.ContainsFunc(search.trees, func(t *spans.Tree) bool { return t.Trace.ID == chosen.ID }) {
		return search.trees
	}
	e := correlate.Evidence{Backend: sources.Jaeger, Query: "trace " + string(chosen.ID), Window: chosen.Window()}
	if !slices.ContainsFunc(p.finding.Evidence, func(known correlate.Evidence) bool { return known.Query == e.Query }) {
		p.Errorf("one more trace is counted than the search brings, and %s is no evidence", e.Query)
	}
	return append(slices.Clone(search.trees), p.send(p.T, e).trees...)
}

func (p *proof) othersChanged(m []string) recomputed {
	var r recomputed
	texts := strings.Split(m[1], "; ")
	if len(texts) != len(p.answers) {
		p.Fatalf("%d changes and %d answers: %q", len(texts), len(p.answers), p.finding.Statement)
	}
	for i, text := range texts {
		p.change(text, p.answers[i], &r)
	}
	return r
}

// waitsFor works out in how many slow traces the critical path is more in one service than in
// another above it, and the time of that other.
func (p *proof) waitsFor(m []string) recomputed {
	slow := p.troubled(p.answers[0])
	normal := sameEntry(p.answers[1].trees, p.answers[0].trees)
	waits, of := 0.0, 0.0
	for _, t := range slow {
		own, below, came := time.Duration(0), time.Duration(0), false
		for i := range t.Nodes {
			switch t.Span(i).Service {
			case m[1]:
				came, own = true, own+t.Nodes[i].Critical
			case m[2]:
				for at := t.Nodes[i].Parent; at != spans.None; at = t.Nodes[at].Parent {
					if t.Span(at).Service == m[1] {
						below += t.Nodes[i].Critical
						break
					}
				}
			}
		}
		of, waits = of+share(came), waits+share(below > own)
	}
	own := func(s *sources.Span) bool { return s.Service == m[1] }
	return recomputed{values: map[string]float64{
		"slow traces in which it waits": waits, "slow traces that come to it": of,
		"its mean on the critical path, slow": meanOnPath(slow, own), "its mean on the critical path, normal": meanOnPath(normal, own),
	}}
}

// failsWith works out of the requests that fail in a service how many begin to fail in
// another, and how many in itself.
func (p *proof) failsWith(m []string) recomputed {
	window, _ := p.sides()
	fail, other, itself := 0.0, 0.0, 0.0
	for _, t := range window {
		visits, _ := t.Visits()
		failed, begins := false, false
		for _, v := range visits {
			if v.Key.Service == m[1] {
				failed, begins = failed || v.Failed, begins || v.Fails
			}
		}
		origin := t.ErrorOrigin()
		fail, itself = fail+share(failed), itself+share(begins)
		other += share(failed && !begins && origin != spans.None && t.Span(origin).Service == m[2])
	}
	return recomputed{values: map[string]float64{
		"requests that fail in it": fail, "of these, begin to fail in the other": other, "of these, begin to fail in itself": itself,
	}}
}
