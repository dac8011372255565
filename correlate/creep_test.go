package correlate_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"obs/correlate"
	"obs/sources"
	"obs/sources/connect"
	"obs/sources/sandbox"
)

// kept is how often a server of these tests has a sample of what is weeks old, as one that
// thins out its past does; the last hours have more.
const (
	kept   = 5 * time.Minute
	recent = 3 * time.Hour
	oneDay = 24 * time.Hour
)

// past is a Prometheus with weeks of data about services that all get the same requests, but
// for what a test adds.
type past struct {
	from time.Time
	// rate is how many requests a second each service gets, as a share of ten; seconds is how
	// long nearly all take, and memory how much of its limit each service uses, by days since
	// the end, which are below zero.
	rate            func(day float64) float64
	seconds, memory map[string]func(day float64) float64
}

func steadily(v float64) func(float64) float64 { return func(float64) float64 { return v } }

func newPast(days int) *past {
	p := &past{
		from: window.To.Add(-time.Duration(days)*oneDay - 2*time.Hour), rate: steadily(1),
		seconds: map[string]func(float64) float64{}, memory: map[string]func(float64) float64{},
	}
	for _, name := range []string{"cart", "catalog", "inventory"} {
		p.seconds[name], p.memory[name] = steadily(0.2), steadily(0.4)
	}
	return p
}

// times are those at which samples are taken.
func (p *past) times() []time.Time {
	var all []time.Time
	for at := p.from; at.Before(window.To.Add(-recent)); at = at.Add(kept) {
		all = append(all, at)
	}
	for at := window.To.Add(-recent); !at.After(window.To); at = at.Add(time.Minute) {
		all = append(all, at)
	}
	return all
}

// bounds are those of durations: fine enough for a quantile to follow what it measures.
func bounds() []float64 {
	var all []float64
	for le := 0.01; le < 10; le *= 1.2 {
		all = append(all, le)
	}
	return all
}

// open serves the past.
func (p *past) open(t *testing.T) sources.Set {
	t.Helper()
	stores := sandbox.NewStores()
	times := p.times()
	for name, seconds := range p.seconds {
		identity := sources.Labels{"service_name": name, "http_route": "/", "http_response_status_code": "200"}
		with := func(metric string, more ...string) sources.Labels {
			set := sources.Labels{"__name__": metric}
			for k, v := range identity {
				set[k] = v
			}
			for i := 0; i+1 < len(more); i += 2 {
				set[more[i]] = more[i+1]
			}
			return set
		}
		les := bounds()
		counts := make([]float64, len(les)+1)
		appends := make([]func(time.Time, float64), len(counts))
		for i := range counts {
			le := "+Inf"
			if i < len(les) {
				le = strconv.FormatFloat(les[i], 'g', 4, 64)
			}
			appends[i] = stores.Metrics.Appender(with(duration+"_bucket", "le", le))
		}
		count := stores.Metrics.Appender(with(duration + "_count"))
		used := stores.Metrics.Appender(sources.Labels{"__name__": "container_memory_working_set_bytes", "container": name, "pod": name + "-0", "namespace": "shop"})
		limit := stores.Metrics.Appender(sources.Labels{"__name__": "kube_pod_container_resource_limits", "container": name, "pod": name + "-0", "namespace": "shop", "resource": "memory"})
		requests, last := 0.0, times[0]
		for _, at := range times {
			day := at.Sub(window.To).Hours() / 24
			more := 10 * p.rate(day) * at.Sub(last).Seconds()
			last = at
			requests += more
			// Durations are spread evenly up to a little more than the one whose share is 95 %.
			longest := seconds(day) / 0.95
			for i := range counts {
				share := 1.0
				if i < len(les) {
					share = min(1, les[i]/longest)
				}
				counts[i] += share * more
				appends[i](at, counts[i])
			}
			count(at, requests)
			const gigabyte = 1 << 30
			limit(at, gigabyte)
			used(at, p.memory[name](day)*gigabyte)
		}
	}
	server, err := sandbox.Serve(t.Context(), stores, sandbox.Options{Now: func() time.Time { return window.To }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	set, err := connect.Open(t.Context(), connect.Options{PrometheusURL: server.PrometheusURL, Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(set.Close)
	return set
}

// creepsOf are the case's creeps, by service and signal.
func creepsOf(c *correlate.Case) []string {
	var all []string
	for _, a := range c.Anomalies {
		if a.Creep != nil {
			all = append(all, a.Service+" "+a.Signal)
		}
	}
	slices.Sort(all)
	return all
}

// wavering is by up to a share more or less, anew in each five minutes.
func wavering(by float64, around func(float64) float64) func(float64) float64 {
	return func(day float64) float64 {
		at := uint64(math.Round(-day * oneDay.Minutes() / kept.Minutes()))
		return around(day) * (1 + by*(2*rand.New(rand.NewPCG(at, 7)).Float64()-1))
	}
}

func TestCreep(t *testing.T) {
	leak := func(day float64) float64 { return 0.87 + 0.02*day }
	tests := []struct {
		name    string
		days    int
		change  func(p *past)
		verdict correlate.Verdict
		creeps  []string
		says    []string // of the first creep
		suspect string
		queries int // most of what looking for it may cost
	}{
		{name: "a server of a day", days: 1, change: func(p *past) { p.memory["inventory"] = leak }, verdict: correlate.Healthy, queries: 1},
		{name: "all is as ever", days: 28, change: func(*past) {}, verdict: correlate.Healthy, queries: 4},
		{
			name: "a leak that is not full for days", days: 28, verdict: correlate.Healthy, queries: 4,
			change: func(p *past) { p.memory["inventory"] = wavering(0.01, leak) }, creeps: []string{"inventory saturation"},
			says: []string{"inventory: memory is 8", "% of its limit; it was 3", " four weeks ago, 7", " a week ago, 8", " a day ago: it grows by ", " percentage points a day, and reaches the limit in about "},
		},
		{
			name: "a leak that is full tomorrow", days: 28, verdict: correlate.Anomalous, queries: 4,
			change:  func(p *past) { p.memory["inventory"] = func(day float64) float64 { return 0.985 + 0.02*day } },
			creeps:  []string{"inventory saturation"},
			says:    []string{"inventory: memory is 98.5 % of its limit; it was 42.5 % four weeks ago", "2.00 percentage points a day, and reaches the limit within a day"},
			suspect: "inventory",
		},
		{
			name: "two weeks of data", days: 14, verdict: correlate.Healthy, queries: 4,
			change: func(p *past) { p.memory["inventory"] = func(day float64) float64 { return 0.87 + 0.03*day } },
			creeps: []string{"inventory saturation"},
			says:   []string{"45.0 % two weeks ago, 66.0 % a week ago, 84.0 % a day ago", "in about 4 days"},
		},
		{
			name: "a leak with a restart each week", days: 28, verdict: correlate.Healthy, queries: 4,
			change: func(p *past) {
				p.memory["inventory"] = wavering(0.01, func(day float64) float64 { return 0.3 + 0.07*math.Mod(day+35.5, 7) })
			},
		},
		{
			name: "3 % a day slower", days: 28, verdict: correlate.Anomalous, queries: 4, suspect: "catalog",
			change: func(p *past) {
				p.seconds["catalog"] = wavering(0.02, func(day float64) float64 { return 0.46 * math.Pow(1.03, day) })
			},
			creeps: []string{"catalog latency"}, says: []string{"catalog: p95 is 4", " four weeks ago, ", " ms a day"},
		},
		{
			name: "the pattern of a week", days: 28, verdict: correlate.Healthy, queries: 4,
			change: func(p *past) {
				week := func(day float64) float64 { return 1 + 0.8*math.Sin(2*math.Pi*(day+1)/7) }
				p.rate = week
				p.seconds["catalog"] = wavering(0.02, func(day float64) float64 { return 0.2 * week(day) })
				p.memory["inventory"] = wavering(0.02, func(day float64) float64 { return 0.45 * week(day) })
			},
		},
		{
			name: "a step since today", days: 28, verdict: correlate.Healthy, queries: 4,
			change: func(p *past) {
				p.memory["inventory"] = wavering(0.02, func(day float64) float64 {
					if day > -0.25 {
						return 0.9
					}
					return 0.3
				})
			},
		},
		{
			name: "noise", days: 28, verdict: correlate.Healthy, queries: 4,
			change: func(p *past) { p.memory["inventory"] = wavering(0.6, steadily(0.5)) },
		},
		{
			name: "more requests, and what they take", days: 28, verdict: correlate.Healthy, queries: 4,
			change: func(p *past) {
				p.rate = func(day float64) float64 { return (0.87 + 0.02*day) / 0.3 }
				for name := range p.memory {
					p.memory[name] = wavering(0.01, leak)
				}
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPast(test.days)
			test.change(p)
			set := p.open(t)
			g := &grounds{set: set, found: correlate.Triage(t.Context(), set, question, nil), known: map[string]*answered{}}
			c := g.found
			wellFormed(t, c)
			if c.Verdict != test.verdict || c.Partial() {
				t.Errorf("%s, anomalies %+v, missing %+v", c.Verdict, c.Anomalies, c.Missing)
			}
			if got := creepsOf(c); !slices.Equal(got, test.creeps) || len(c.Anomalies) != len(test.creeps) {
				t.Fatalf("creeping are %q, want %q: %+v", got, test.creeps, c.Findings)
			}
			for i := range c.Findings {
				t.Run(c.Findings[i].ID, func(t *testing.T) { g.check(t, &c.Findings[i]) })
			}
			for _, says := range test.says {
				if !strings.Contains(c.Findings[0].Statement, says) {
					t.Errorf("it says %q, and not %q", c.Findings[0].Statement, says)
				}
			}
			if test.verdict == correlate.Anomalous && !strings.Contains(c.Answers.WhatChanged.Text, c.Findings[0].Statement) {
				t.Errorf("what changed: %q", c.Answers.WhatChanged.Text)
			}
			if test.suspect == "" && len(c.Suspects) > 0 || test.suspect != "" && (len(c.Suspects) != 1 || c.Suspects[0].Service != test.suspect) {
				t.Errorf("suspects %+v", c.Suspects)
			}
			if asked := creepQuestions(c); asked > test.queries || asked == 0 {
				t.Errorf("%d questions about weeks: %+v", asked, c.Queries)
			}
		})
	}
}

// creepQuestions counts the questions about what is a week old.
func creepQuestions(c *correlate.Case) int {
	n := 0
	for _, q := range c.Queries {
		if q.Window != nil && q.Window.From.Before(window.To.Add(-6*oneDay)) {
			n++
		}
	}
	return n
}

// What departs in the window is why somebody asks: a creep comes after it, and is evidence
// only as far as it may be the cause.
func TestACreepComesAfterWhatDeparts(t *testing.T) {
	slow := func(day float64) float64 {
		if day > -window.Duration().Hours()/24 {
			return 2
		}
		return 0.2
	}
	for _, test := range []struct {
		name   string
		memory float64 // of inventory, at last
		next   bool    // whether it is a suspect
	}{{"far from its limit", 0.66, false}, {"near its limit", 0.95, true}} {
		t.Run(test.name, func(t *testing.T) {
			p := newPast(28)
			p.seconds["cart"] = slow
			p.seconds["catalog"] = func(day float64) float64 { return 0.46 * math.Pow(1.03, day) }
			p.memory["inventory"] = func(day float64) float64 { return test.memory + 0.02*day }
			c := correlate.Triage(t.Context(), p.open(t), question, nil)
			wellFormed(t, c)
			if c.Verdict != correlate.Anomalous || len(c.Anomalies) < 3 || c.Anomalies[0].Service != "cart" || c.Anomalies[0].Creep != nil {
				t.Fatalf("%s, anomalies %+v", c.Verdict, c.Anomalies)
			}
			if !strings.HasPrefix(c.Answers.WhatChanged.Text, "cart ") || !strings.Contains(c.Answers.Scope.Text, "1 of 3 services depart: cart") {
				t.Errorf("what changed: %q; scope: %q", c.Answers.WhatChanged.Text, c.Answers.Scope.Text)
			}
			suspected := func(service string) bool {
				return slices.ContainsFunc(c.Suspects, func(s correlate.Suspect) bool { return s.Service == service })
			}
			if !suspected("cart") || suspected("catalog") || suspected("inventory") != test.next {
				t.Errorf("suspects %+v", c.Suspects)
			}
		})
	}
}

// forgetful is a Prometheus that does not answer about weeks.
type forgetful struct {
	sources.Metrics
	err error
}

// Range implements sources.Metrics.
func (f *forgetful) Range(ctx context.Context, query string, w sources.Window, step time.Duration) (sources.SeriesAnswer, error) {
	if w.Duration() > 7*oneDay {
		return sources.SeriesAnswer{}, f.err
	}
	return f.Metrics.Range(ctx, query, w, step)
}

// A server that does not answer for weeks costs that, and not the triage.
func TestCreepThatCannotBeAsked(t *testing.T) {
	p := newPast(14)
	set := p.open(t)
	refusing := func(err error) sources.Set {
		s := set
		s.Metrics = &forgetful{Metrics: set.Metrics, err: err}
		return s
	}
	refused := &sources.Error{Backend: sources.Prometheus, URL: "http://prometheus", Kind: sources.ErrBadQuery, Detail: "the query time range exceeds the limit"}
	c := correlate.Triage(t.Context(), refusing(refused), question, nil)
	if m := missing(c, sources.Prometheus, correlate.MissingNoData); c.Verdict != correlate.Healthy || c.Partial() || m == nil || !strings.Contains(m.Reason, "what has grown for weeks was not looked at") {
		t.Errorf("%s, missing %+v", c.Verdict, c.Missing)
	}
	c = correlate.Triage(t.Context(), refusing(down(sources.Prometheus)), question, nil)
	if m := missing(c, sources.Prometheus, correlate.MissingFailed); c.Verdict != correlate.Inconclusive || !c.Partial() || m == nil {
		t.Errorf("%s, missing %+v", c.Verdict, c.Missing)
	}
}

// In the shop whose catalog leaks for three weeks the hour before tells of no leak.
func TestTheLeakOfTheShopBesideItsLastHour(t *testing.T) {
	set, q := openShop(t, "creep")
	q.Baseline = sources.Window{From: q.Window.From.Add(-q.Window.Duration()), To: q.Window.From}
	g := &grounds{set: set, found: correlate.Triage(t.Context(), set, q, nil), known: map[string]*answered{}}
	if got := creepsOf(g.found); !slices.Equal(got, []string{"catalog saturation"}) {
		t.Fatalf("creeping are %q: %+v", got, g.found.Findings)
	}
	if n := len(g.found.Queries); n > 40 {
		t.Errorf("%d queries", n)
	}
	for _, a := range g.found.Anomalies {
		if a.Creep != nil {
			f := g.found.Finding(a.Findings[0])
			g.check(t, f)
			if !strings.Contains(f.Statement, "catalog: heap is ") || !strings.Contains(f.Statement, " three weeks ago") {
				t.Errorf("it says %q", f.Statement)
			}
		}
	}
}

func TestAgo(t *testing.T) {
	for days, want := range map[int]string{1: "a day ago", 7: "a week ago", 9: "9 days ago", 14: "two weeks ago", 21: "three weeks ago", 28: "four weeks ago"} {
		if got := correlate.Ago(days); got != want {
			t.Errorf("%d days: %q, want %q", days, got, want)
		}
	}
}
