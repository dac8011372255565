package shop

import (
	"math"
	"time"
)

// gap is the time until the next shopper does something.
func (s *Shop) gap() time.Duration {
	rate := s.base * s.busyness(s.at2time(s.now)) / s.phase().weight
	return exponential(s.arrivals, time.Duration(float64(time.Second)/rate))
}

// busyness is how much is going on at a time of day, around 1: more in the evening,
// and a little more or less from one quarter of an hour to the next.
func (s *Shop) busyness(t time.Time) float64 {
	at := float64(t.UnixNano()) / float64(time.Minute)
	wobble := 1 + 0.03*math.Sin(2*math.Pi*at/17) + 0.02*math.Sin(2*math.Pi*at/7)
	// Around 1 in the last hour whatever the time of day, so that the number of
	// requests is about what was asked for.
	return byDay(t) * s.averageBusyness() * wobble
}

// byDay is how much is going on at a time of day, 1 on the average of a day.
func byDay(t time.Time) float64 {
	const day = 24 * time.Hour
	hour := 2 * math.Pi * float64(t.Sub(t.Truncate(day))) / float64(day)
	return 1 + 0.25*math.Sin(hour-2*math.Pi*13/24)
}

// averageBusyness is that of whole days, where the last hour counts as 1.
func (s *Shop) averageBusyness() float64 { return 1 / byDay(s.options.Now.Add(-s.options.History/2)) }

// entries are what shoppers do, and how often.
var entries = []share[struct{ service, operation string }]{
	{13, struct{ service, operation string }{"gateway", "GET /home"}},
	{24, struct{ service, operation string }{"gateway", "GET /products/{id}"}},
	{12, struct{ service, operation string }{"gateway", checkoutWeb}},
	{8, struct{ service, operation string }{"gateway", "GET /cart"}},
	{9, struct{ service, operation string }{"gateway", "POST /cart/items"}},
	{4, struct{ service, operation string }{"gateway", "GET /orders/{id}"}},
	{2, struct{ service, operation string }{"gateway", "POST /login"}},
	{7, struct{ service, operation string }{"mobile-api", "GET /v1/home"}},
	{10, struct{ service, operation string }{"mobile-api", "GET /v1/products/{id}"}},
	{10, struct{ service, operation string }{"mobile-api", checkoutMobile}},
}

const (
	checkoutWeb    = "POST /checkout"
	checkoutMobile = "POST /v1/checkout"
)

// arrive lets one shopper do something, and plans the next.
func (s *Shop) arrive() {
	entry := pick(s.arrivals, entries)
	stays := s.arrivals.Float64()
	if (entry.operation != checkoutWeb && entry.operation != checkoutMobile) || stays >= s.leaves() {
		s.enter(entry.service, entry.operation, s.newRequest())
	}
	s.awaitArrival()
}

// awaitArrival plans the next arrival. One that would come after the phase is drawn
// anew at the phase's end: exponential gaps have no memory.
func (s *Shop) awaitArrival() {
	next, end := s.now.plus(s.gap()), s.phase().until
	if next.before(end) {
		s.at(next, s.arrive)
		return
	}
	s.at(end, s.awaitArrival)
}

func (s *Shop) enter(service, operation string, r *request) {
	svc := s.services[service]
	s.serve(svc.operation[operation], svc.choose(r), r, nil, func(int, *fault) {})
}

// Shoppers who wait longer than patience for a page begin to mind, and after patience
// and temper nobody stays. An order takes some pages.
const (
	patience       = 0.2 // seconds
	temper         = 1.0
	pagesToOrder   = 6
	remembersPages = 150 // over how many pages the shop's reputation is averaged
)

// feel notes how long a page took.
func (s *Shop) feel(o *operation, r *request, seconds float64) {
	if r.bot || o.name == checkoutWeb || o.name == checkoutMobile {
		return
	}
	annoyed := min(1, max(0, (seconds-patience)/temper))
	s.annoyance += (annoyed - s.annoyance) / remembersPages
}

// leaves is the share of shoppers who go away before they order.
func (s *Shop) leaves() float64 { return 1 - math.Pow(1-s.annoyance, pagesToOrder) }

// warmUp fills the cache as an ordinary day would have.
func (s *Shop) warmUp() {
	for product := products - 1; product >= 0; product-- {
		for _, t := range tenants {
			r := request{tenants: t.value, product: product}
			s.prices.put(r.priceKey())
		}
	}
}

// bots lets a few clients ask much too often for what is not there, from one moment to
// another, with so many requests per second in all.
func (s *Shop) bots(from, until moment, rate float64) {
	draw := newChance(s.options.Seed, chanceBots)
	asks := []share[string]{{45, "GET /products/{id}"}, {35, "POST /cart/items"}, {20, "GET /home"}}
	gap := func() time.Duration { return exponential(draw, time.Duration(float64(time.Second)/rate)) }
	var ask func()
	ask = func() {
		if !s.now.before(until) {
			return
		}
		r := s.newRequest()
		r.bot, r.agent, r.tenants, r.tenant = true, "price-watch/0.3", 0, tenantName(0)
		r.address = "203.0.113." + string(rune('1'+draw.IntN(3)))
		s.enter("gateway", pick(draw, asks), r)
		s.after(gap(), ask)
	}
	s.at(from, ask)
}
