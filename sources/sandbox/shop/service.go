package shop

import (
	"strings"
	"time"

	"obs/sources"
)

// service is one of the shop's own programs.
type service struct {
	name      string
	language  string // java collects garbage, the others do not to speak of
	format    logFormat
	replicas  int
	poolSize  int // connections of each pod to the database; none when 0
	heap      float64
	limit     float64 // of memory, bytes
	release   release // what new pods run
	pods      []*pod  // that take requests
	leaving   []*pod  // that are shut down, and finish what they have
	operation map[string]*operation
	routes    []*operation // the same, in the order of declaration
}

// release is a version of a service, with the bugs that came with it.
type release struct {
	version string
	// forgetsConnections: the early return for an invalid coupon does not give its
	// connection back.
	forgetsConnections bool
	// lineByLine: stock is read and reserved for each line of an order, not for all.
	lineByLine bool
	// hoards is how many bytes each price lookup leaves in a map that nobody trims.
	hoards float64
	// rejectsRotated: tokens that were signed with the rotated key cannot be read once
	// the key set that the release started with has been refreshed, after this time.
	rejectsRotated time.Duration
}

// operation is something that a service does on request.
type operation struct {
	service *service
	method  string
	route   string
	name    string // of its spans
	created bool   // it answers 201
	entry   bool   // it is called from outside
	path    func(r *request) string
	run     step
	fixed   sources.Attributes // of its server spans
	calling sources.Attributes // of the spans of those who call it
}

func (o *operation) success() int {
	if o.created {
		return 201
	}
	return 200
}

// node is a machine that pods run on.
type node struct {
	name, zone string
	cores      float64
	running    float64 // threads of the shop's pods that compute
	foreign    float64 // threads of other tenants of the node that compute
	busy       float64 // CPU seconds spent
	stalled    float64 // seconds that threads waited for a CPU
}

// timeSlice is how long the scheduler lets a thread run while others wait.
const timeSlice = 4 * time.Millisecond

// load is the number of threads that want a CPU for each that there is.
func (n *node) load() float64 { return (n.running + n.foreign) / n.cores }

// pod is one replica of a service.
type pod struct {
	service *service
	release release
	name    string
	ip      string
	node    *node
	started moment
	gone    bool
	hung    bool // its threads wait for each other: it takes requests, and answers none
	pool    *pool
	cpu     float64 // seconds
	hoarded float64 // bytes of live heap beyond what the service needs
	gcCount float64
	gcTime  float64 // seconds
	gcPhase time.Duration
	scraped moment

	resource sources.Attributes
	labels   sources.Labels // of its metrics
	requests map[requestKey]*histogram
	target   *target
	log      func(t time.Time, line string, metadata sources.Labels)
}

// The garbage collector of the Java services stops the world for a time that grows with
// the live heap, whenever what is left of the heap has been filled.
const (
	gcPerByte  = 0.28 / 1e9 // seconds of pause
	allocation = 8e7        // bytes per second
)

func (p *pod) live() float64 { return p.service.heap + p.hoarded }

// gc is how long each collection takes, and how long it is from one to the next.
func (p *pod) gc() (pause, period time.Duration) {
	live := min(p.live(), 0.97*p.service.limit)
	pause = time.Duration(live * gcPerByte * float64(time.Second))
	period = time.Duration((p.service.limit - live) / allocation * float64(time.Second))
	return pause, period + pause
}

// gcWait is what is left of the collection that is going on, if one is.
func (p *pod) gcWait(now moment) time.Duration {
	if p.service.language != "java" {
		return 0
	}
	pause, period := p.gc()
	return max(0, pause-(time.Duration(now)+p.gcPhase)%period)
}

// compute runs for some time of a CPU and calls done when that is over: later on a node
// with more threads than CPUs, and after a garbage collection that is going on.
func (s *Shop) compute(p *pod, r *request, cpu time.Duration, done func()) {
	elapsed := cpu + p.gcWait(s.now)
	p.node.running++
	if load := p.node.load(); load > 1 {
		queued := exponential(r.chance, time.Duration(float64(timeSlice)*(load-1)))
		stretched := time.Duration(float64(cpu) * (load - 1))
		elapsed += queued + stretched
		p.node.stalled += (queued + stretched).Seconds() * r.weight
	}
	p.cpu += cpu.Seconds() * r.weight
	p.node.busy += cpu.Seconds() * r.weight
	s.after(elapsed, func() {
		p.node.running--
		done()
	})
}

// choose picks one of the pods that take requests.
func (s *service) choose(r *request) *pod { return s.pods[r.chance.IntN(len(s.pods))] }

// sorted builds attributes from keys and values in turn.
func sorted(keysAndValues ...string) sources.Attributes {
	a := make(sources.Attributes, 0, len(keysAndValues)/2)
	for i := 0; i+1 < len(keysAndValues); i += 2 {
		a = append(a, sources.Attribute{Key: keysAndValues[i], Value: keysAndValues[i+1]})
	}
	a.Sort()
	return a
}

// handles declares an operation.
func (s *service) handles(method, route string, run step) *operation {
	o := &operation{
		service: s, method: method, route: route, name: method + " " + route, run: run,
		path: func(*request) string { return route },
		fixed: sorted("http.request.method", method, "http.route", route, "url.scheme", "http",
			"network.protocol.version", "1.1", "server.address", s.name, "server.port", "8080"),
		calling: sorted("http.request.method", method, "url.template", route, "server.address", s.name, "server.port", "8080"),
	}
	if strings.Contains(route, "{id}") {
		o.path = func(r *request) string { return strings.Replace(route, "{id}", r.subject(route), 1) }
	}
	s.operation[o.name] = o
	s.routes = append(s.routes, o)
	return o
}
