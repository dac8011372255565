package shop

import (
	"context"
	"math/rand/v2"
	"time"

	"obs/sources"
)

// Options say how much of the shop to simulate. The zero value of a field is its default.
type Options struct {
	Seed uint64
	// Now is where the history ends. It must be set: the shop reads no clock.
	Now time.Time
	// History is how much of the past there is at once: a baseline, and a window of the
	// same length after it. An hour when 0. A scenario about weeks brings its own.
	History time.Duration
	// Requests is about how many requests come in during the history; 10,000 when 0.
	Requests int
	// Speed is how much faster than real time Live goes; 1 when 0.
	Speed float64
	// MendAfter is how long after Now the cause of the trouble is put right, as time goes on;
	// never when 0. Where a release is to blame, it is rolled back, one pod after the other.
	MendAfter time.Duration
}

const (
	defaultHistory  = time.Hour
	defaultRequests = 10_000
	namespace       = "shop"
)

// Shop is one run of a scenario. It is not safe for concurrent use.
type Shop struct {
	clock
	options  Options
	scenario Scenario
	epoch    time.Time // where the history starts
	start    moment    // of the window
	mended   moment    // when the trouble is put right; forever if never
	phases   []phase
	sink     Sink
	records  int // log records so far
	line     []byte

	services map[string]*service
	order    []*service // the same, in the order of declaration
	nodes    []*node
	placed   int
	database *pool // what the database runs at the same time
	prices   *cache
	causes   causes
	clients  map[string]*bucket
	noise    float64 // how much more the services chatter than usual; 1 is usual

	arrivals, names, background *rand.Rand
	base                        float64 // requests per second, on average
	requests                    uint64  // so far
	annoyance                   float64 // how much shoppers have had to wait lately, 0 to 1

	targets                   []*target
	collector, kube, cadvisor *target
	calls                     map[callKey]*callMetrics
	statements, commands      float64
	queued                    float64
	orders                    map[*pod]float64
	cluster                   func(time.Time, string, sources.Labels) // the log of the cluster's events
}

// phase is a part of the history that is simulated at one level of detail.
type phase struct {
	until  moment
	scrape time.Duration
	// weight is how many requests each simulated one stands for. Above 1 they leave
	// neither traces nor logs, as those of weeks ago have been deleted.
	weight float64
}

const forever = moment(1) << 61

// New prepares a run. Nothing happens before Past or Live.
func New(sc Scenario, o Options) *Shop {
	if o.History <= 0 {
		o.History = defaultHistory
	}
	if o.Requests <= 0 {
		o.Requests = defaultRequests
	}
	if o.Speed <= 0 {
		o.Speed = 1
	}
	o.Now = o.Now.UTC()
	s := &Shop{
		options: o, scenario: sc, epoch: o.Now.Add(-o.History), services: map[string]*service{},
		prices: newCache(len(tenants) * products), causes: causes{stalled: map[string]float64{}, expired: map[string]bool{}},
		clients: map[string]*bucket{}, calls: map[callKey]*callMetrics{}, orders: map[*pod]float64{}, noise: 1,
		arrivals: newChance(o.Seed, chanceArrivals), names: newChance(o.Seed, chanceNames), background: newChance(o.Seed, chanceBackground),
	}
	s.database = &pool{clock: &s.clock, size: workers}
	s.start = moment(o.History / 2)
	if sc.before > 0 {
		// The history begins with the window of back then, which is the baseline.
		s.epoch = o.Now.Add(-o.History/2 - sc.before)
		s.start = moment(sc.before)
	}
	s.mended = forever
	if o.MendAfter > 0 {
		s.mended = moment(o.Now.Sub(s.epoch) + o.MendAfter)
	}
	s.planPhases()
	s.build()
	return s
}

// planPhases splits a history of weeks into an old window in full detail, the time
// since at low resolution, and the last hour in full detail again.
func (s *Shop) planPhases() {
	requests, history := float64(s.options.Requests), s.options.History.Seconds()
	s.phases = []phase{{until: forever, scrape: scrapeEvery, weight: 1}}
	if s.scenario.before > 0 {
		// A quarter of the requests for the old window, half for the last hour, the
		// rest for all that lies between.
		old := moment(s.options.History / 2)
		s.phases = []phase{
			{until: old, scrape: scrapeEvery, weight: 1},
			{until: moment(s.scenario.before) - old, scrape: time.Hour},
			s.phases[0],
		}
		s.base = requests / 2 / history
		s.phases[1].weight = float64(int(s.base * (s.scenario.before - s.options.History).Seconds() / (requests / 4)))
		return
	}
	s.base = requests / history / (1 + s.scenario.extra)
}

func (s *Shop) phase() *phase {
	for i := range s.phases {
		if s.now.before(s.phases[i].until) {
			return &s.phases[i]
		}
	}
	return &s.phases[len(s.phases)-1]
}

func (s *Shop) at2time(m moment) time.Time { return s.epoch.Add(time.Duration(m)) }

// Scenario is what runs.
func (s *Shop) Scenario() Scenario { return s.scenario }

// Now is how far the simulation has come.
func (s *Shop) Now() time.Time { return s.at2time(s.now) }

// Requests is how many requests have been simulated so far, Records how many log
// records were written.
func (s *Shop) Requests() int { return int(s.requests) }

// Records is how many log records were written so far.
func (s *Shop) Records() int { return s.records }

// Window is the time that a person would ask about: the second half of the history.
func (s *Shop) Window() sources.Window {
	return sources.Window{From: s.at2time(s.start), To: s.options.Now}
}

// Baseline is what a person would compare the window with: the time just before, or
// the same time some weeks earlier where it takes weeks to see a difference.
func (s *Shop) Baseline() sources.Window {
	w := s.Window()
	back := w.Duration()
	if s.scenario.before > 0 {
		back = s.scenario.before
	}
	return sources.Window{From: w.From.Add(-back), To: w.To.Add(-back)}
}

// Truth is the scenario's truth with its times as they are in this run.
func (s *Shop) Truth() Truth {
	t := s.scenario.Truth
	t.Onset, t.Began = time.Duration(float64(t.Onset)*s.scale()), time.Duration(float64(t.Began)*s.scale())
	return t
}

// scale is how much shorter the window is than the half hour that scenarios are
// written for.
func (s *Shop) scale() float64 { return s.options.History.Minutes() / 60 }

// begin starts everything at the beginning of the history, once.
func (s *Shop) begin(sink Sink) {
	if s.sink != nil {
		return
	}
	s.sink = sink
	s.describeMetrics()
	s.cluster = sink.Stream(sources.Labels{"service_name": "cluster-events", "namespace": "kube-system"})
	s.startExporters()
	s.warmUp()
	for _, svc := range s.order {
		for range svc.replicas {
			s.startPod(svc, s.nodes[s.placed%len(s.nodes)], svc.release)
			s.placed++
		}
		s.placed += 1 - svc.replicas // the next service begins one node further
	}
	s.awaitArrival()
	if s.scenario.script != nil {
		s.scenario.script(s, func(m float64) moment { return s.start.plus(time.Duration(float64(minutes(m)) * s.scale())) })
	}
}

// Past simulates the history up to Options.Now, as fast as it can be done.
func (s *Shop) Past(ctx context.Context, sink Sink) error {
	s.begin(sink)
	return s.run(ctx, moment(s.options.Now.Sub(s.epoch)))
}

// GoOn simulates the time from where Past, or GoOn itself, ended up to a later moment, as
// fast as it can be done. The sink must be that of Past.
func (s *Shop) GoOn(ctx context.Context, sink Sink, until time.Time) error {
	s.begin(sink)
	return s.run(ctx, moment(until.Sub(s.epoch)))
}

// mends plans what puts the trouble right, if that is to happen.
func (s *Shop) mends(do func()) {
	if s.mended != forever {
		s.at(s.mended, do)
	}
}

// rollsBack plans that a service is put back to the release that it came from.
func (s *Shop) rollsBack(service, version string) {
	s.mends(func() { s.deploy(s.now, service, release{version: version}, 0) })
}

// Live goes on from where Past ended, as time passes, until ctx ends; that is no error.
// The signals come once a tick. The sink must be that of Past.
func (s *Shop) Live(ctx context.Context, sink Sink, tick time.Duration) error {
	s.begin(sink)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	from := s.now
	var first time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case t := <-ticker.C:
			if first.IsZero() {
				first = t.Add(-tick)
			}
			passed := time.Duration(float64(t.Sub(first)) * s.options.Speed)
			_ = s.run(ctx, from.plus(passed)) // fails only as ctx ends, which is how Live ends
		}
	}
}
