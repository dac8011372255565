package shop

import (
	"context"
	"time"
)

// moment is simulated time, in nanoseconds since the start of the history.
type moment int64

func (m moment) plus(d time.Duration) moment     { return m + moment(d) }
func (m moment) since(from moment) time.Duration { return time.Duration(m - from) }
func (m moment) before(o moment) bool            { return m < o }
func minutes(m float64) time.Duration            { return time.Duration(m * float64(time.Minute)) }
func milliseconds(ms float64) time.Duration      { return time.Duration(ms * float64(time.Millisecond)) }
func inMilliseconds(d time.Duration) float64     { return float64(d) / float64(time.Millisecond) }

// clock runs what is due in order of time, and in order of planning at the same time:
// that, and one goroutine, makes a run repeatable.
type clock struct {
	now     moment
	planned uint64
	events  []event // a binary heap, the next one first
}

type event struct {
	at    moment
	order uint64
	do    func()
}

func (e *event) earlier(o *event) bool {
	return e.at < o.at || (e.at == o.at && e.order < o.order)
}

// at plans do; what is planned for the past happens now.
func (c *clock) at(t moment, do func()) {
	c.planned++
	c.events = append(c.events, event{at: max(t, c.now), order: c.planned, do: do})
	for i := len(c.events) - 1; i > 0; {
		parent := (i - 1) / 2
		if !c.events[i].earlier(&c.events[parent]) {
			break
		}
		c.events[i], c.events[parent] = c.events[parent], c.events[i]
		i = parent
	}
}

func (c *clock) after(d time.Duration, do func()) { c.at(c.now.plus(max(0, d)), do) }

// every does something again and again; next tells how long until the next time.
func (c *clock) every(next func() time.Duration, do func()) {
	var again func()
	again = func() {
		do()
		c.after(next(), again)
	}
	c.after(next(), again)
}

func (c *clock) pop() event {
	first := c.events[0]
	last := len(c.events) - 1
	c.events[0] = c.events[last]
	c.events[last] = event{}
	c.events = c.events[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if c.events[child].earlier(&c.events[least]) {
				least = child
			}
		}
		if least == i {
			return first
		}
		c.events[i], c.events[least] = c.events[least], c.events[i]
		i = least
	}
}

// checkEvery is how many events pass between looks at whether to stop.
const checkEvery = 4096

// run does everything that is due before the given moment, and leaves the clock there.
func (c *clock) run(ctx context.Context, until moment) error {
	for n := 1; len(c.events) > 0 && c.events[0].at.before(until); n++ {
		next := c.pop()
		c.now = next.at
		next.do()
		if n%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	c.now = max(c.now, until)
	return ctx.Err()
}
