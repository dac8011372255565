package shop

import "time"

// pool is a number of connections that work takes and gives back, with a queue of
// those who wait, first come first served. Whoever does not give back makes it leak.
type pool struct {
	clock *clock
	size  int
	used  int
	queue []*waiter
	// waiting is the length of the queue without those who gave up.
	waiting  int
	timeouts float64
	dry      bool // it ran dry at least once
	driedAt  moment
}

type waiter struct {
	since moment
	got   func(waited time.Duration, ok bool)
	over  bool // it got a connection, or gave up
}

// acquire calls got with a connection, at once or later, or without one after limit.
func (p *pool) acquire(limit time.Duration, got func(waited time.Duration, ok bool)) {
	if p.used < p.size {
		p.used++
		got(0, true)
		return
	}
	if !p.dry {
		p.dry, p.driedAt = true, p.clock.now
	}
	w := &waiter{since: p.clock.now, got: got}
	p.queue = append(p.queue, w)
	p.waiting++
	p.clock.after(limit, func() {
		if !w.over {
			w.over = true
			p.waiting--
			p.timeouts++
			w.got(p.clock.now.since(w.since), false)
		}
	})
}

// release gives a connection back, to the first who waits for one.
func (p *pool) release() {
	for len(p.queue) > 0 {
		w := p.queue[0]
		p.queue = p.queue[1:]
		if !w.over {
			w.over = true
			p.waiting--
			w.got(p.clock.now.since(w.since), true)
			return
		}
	}
	p.used--
}
