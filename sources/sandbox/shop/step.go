package shop

import (
	"time"

	"obs/sources"
)

// step is a part of what an operation does. It calls done exactly once, now or later,
// with what went wrong or nil. Operations are put together from steps, as what they do
// is spread over simulated time and a function cannot wait.
type step func(f *frame, done func(*fault))

// frame is where a step runs: a request, in a pod, under a span.
type frame struct {
	request *request
	pod     *pod
	span    *span
	cold    bool // the last lookup was not in the cache
}

// fault is why something did not go well. Below 500 it is the client's.
type fault struct {
	status  int
	kind    string // the exception's type
	message string
	stack   string
	// quiet faults were noted where they came from, and are only passed on.
	quiet bool
}

// nothing is the step that does nothing.
func nothing(_ *frame, done func(*fault)) { done(nil) }

func seq(steps ...step) step {
	return func(f *frame, done func(*fault)) { runFrom(f, steps, done) }
}

func runFrom(f *frame, steps []step, done func(*fault)) {
	if len(steps) == 0 {
		done(nil)
		return
	}
	steps[0](f, func(err *fault) {
		if err != nil {
			done(err)
			return
		}
		runFrom(f, steps[1:], done)
	})
}

// par runs steps side by side, and ends with the last one, in the first fault.
func par(steps ...step) step {
	return func(f *frame, done func(*fault)) {
		left := len(steps)
		var first *fault
		for _, s := range steps {
			s(f, func(err *fault) {
				if first == nil {
					first = err
				}
				if left--; left == 0 {
					done(first)
				}
			})
		}
	}
}

// choose runs the step that the function picks when it is its turn.
func choose(which func(f *frame) step) step {
	return func(f *frame, done func(*fault)) { which(f)(f, done) }
}

// do runs a function that takes no time.
func do(what func(f *frame)) step {
	return func(f *frame, done func(*fault)) {
		what(f)
		done(nil)
	}
}

// fail ends in a fault, if the function returns one.
func fail(what func(f *frame) *fault) step {
	return func(f *frame, done func(*fault)) { done(what(f)) }
}

// orElse runs another step where the first one failed; the function may look at why,
// and return nil to let the fault stand.
func orElse(s step, otherwise func(f *frame, err *fault) step) step {
	return func(f *frame, done func(*fault)) {
		s(f, func(err *fault) {
			if err != nil {
				if next := otherwise(f, err); next != nil {
					next(f, done)
					return
				}
			}
			done(err)
		})
	}
}

// forEachLine runs a step once for each line of the order.
func forEachLine(s step) step {
	return func(f *frame, done func(*fault)) {
		var next func(left int, err *fault)
		next = func(left int, err *fault) {
			if left == 0 || err != nil {
				done(err)
				return
			}
			s(f, func(err *fault) { next(left-1, err) })
		}
		next(f.request.lines, nil)
	}
}

// work computes.
func (s *Shop) work(ms float64) step {
	cpu := usual(ms)
	return func(f *frame, done func(*fault)) {
		s.compute(f.pod, f.request, cpu.draw(f.request.chance), func() { done(nil) })
	}
}

// inside runs a step under an internal span of its own.
func (s *Shop) inside(name string, inner step) step {
	return func(f *frame, done func(*fault)) {
		sub := &frame{request: f.request, pod: f.pod, span: s.open(f.request, f.span, f.pod, sources.KindInternal, name)}
		inner(sub, func(err *fault) {
			f.cold = sub.cold
			if err != nil {
				s.mark(sub.span, err)
			}
			s.end(f.request, sub.span, "")
			done(err)
		})
	}
}

// hop is the time that a message takes between two pods.
func (s *Shop) hop(r *request, from, to *pod) time.Duration {
	d := usual(0.3).draw(r.chance)
	if from.node.zone != to.node.zone {
		d += usual(0.5).draw(r.chance)
	}
	return d
}
