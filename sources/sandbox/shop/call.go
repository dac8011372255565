package shop

import (
	"strconv"
	"strings"
	"time"

	"obs/sources"
)

// policy is how a client calls: how long it waits, and how often it tries again after
// a timeout or a server's error.
type policy struct {
	timeout time.Duration
	retries int
	backoff time.Duration
	breaker *breaker
}

// breaker stops calls to a service that does not answer, and lets one through now and
// then to see whether it does again.
type breaker struct {
	failures int
	opened   bool
	probeAt  moment
	opens    float64
}

// A breaker opens after so many failures in a row, and probes so often.
const (
	breakerFailures = 5
	breakerPause    = 6 * time.Minute
)

func (b *breaker) allows(now moment) bool {
	if b == nil || !b.opened {
		return true
	}
	if now.before(b.probeAt) {
		return false
	}
	b.probeAt = now.plus(breakerPause)
	return true
}

// note counts an answer; it reports whether the breaker opened just now.
func (b *breaker) note(now moment, answered bool) bool {
	if b == nil {
		return false
	}
	if answered {
		b.failures, b.opened = 0, false
		return false
	}
	b.failures++
	if b.opened || b.failures < breakerFailures {
		return false
	}
	b.opened, b.probeAt = true, now.plus(breakerPause)
	b.opens++
	return true
}

// call asks another service.
func (s *Shop) call(service, name string, p policy) step {
	var o *operation
	return func(f *frame, done func(*fault)) {
		if o == nil {
			o = s.services[service].operation[name]
		}
		if !p.breaker.allows(s.now) {
			done(&fault{status: 503, kind: "CircuitOpen", message: "circuit breaker for " + service + " is open", quiet: true})
			return
		}
		s.attempt(f, o, p, 0, done)
	}
}

func (s *Shop) attempt(f *frame, o *operation, p policy, n int, done func(*fault)) {
	r := f.request
	sp := s.open(r, f.span, f.pod, sources.KindClient, o.name)
	sp.fixed, sp.peer = o.calling, o.service.name
	if n > 0 {
		sp.set("http.request.resend_count", strconv.Itoa(n))
	}
	settled := false
	settle := func(err *fault) {
		settled = true
		s.end(r, sp, "")
		answered := err == nil || err.status < 500
		if p.breaker.note(s.now, answered) {
			s.log(f.pod, levelWarn, "circuit breaker opened", r, f.span, text("upstream", o.service.name), number("failures", breakerFailures))
		}
		if !answered && n < p.retries {
			s.log(f.pod, levelWarn, "retrying call", r, f.span, text("upstream", o.service.name), text("operation", o.name),
				number("attempt", float64(n+2)), text("reason", err.message))
			s.after(p.backoff<<n, func() { s.attempt(f, o, p, n+1, done) })
			return
		}
		done(err)
	}
	callee := o.service.choose(r)
	s.after(s.hop(r, f.pod, callee), func() {
		if callee.hung {
			return // and is never heard of again
		}
		s.serve(o, callee, r, sp, func(status int, err *fault) {
			s.after(s.hop(r, callee, f.pod), func() {
				if settled {
					return
				}
				sp.set("http.response.status_code", strconv.Itoa(status))
				if status >= 400 {
					sp.failed = true
					sp.set("error.type", strconv.Itoa(status))
				}
				settle(passOn(o, status, err))
			})
		})
	})
	s.after(p.timeout, func() {
		if settled {
			return
		}
		sp.cutOff = true
		err := timeoutFault(f.pod, o.service.name, o.name, p.timeout)
		s.mark(sp, err)
		sp.set("error.type", "timeout")
		settle(err)
	})
}

// passOn is what a callee's fault means to its caller: the client's own faults go
// through, the callee's become a bad gateway.
func passOn(o *operation, status int, err *fault) *fault {
	switch {
	case err == nil:
		return nil
	case status < 500:
		return &fault{status: status, kind: err.kind, message: err.message, quiet: true}
	}
	return &fault{
		status: 502, kind: "UpstreamError", quiet: true,
		message: o.service.name + " " + o.name + " answered " + strconv.Itoa(status) + ": " + err.message,
	}
}

func timeoutFault(p *pod, host, name string, limit time.Duration) *fault {
	message := "no answer from " + host + " to " + name + " within " + limit.String()
	return &fault{status: 504, kind: exceptionNames[p.service.language].timeout, message: message, stack: stackOf(p, "Client.send", message)}
}

// endpoint is an API outside the shop, seen only by the spans of those who call it.
type endpoint struct {
	host, method, route string
	takes               spread
	timeout             time.Duration
}

// external calls an API outside the shop. The function says how this call goes: how
// long it takes in addition, and what is wrong with it.
func (s *Shop) external(e endpoint, goes func(f *frame) (slower time.Duration, err *fault)) step {
	fixed := sorted("http.request.method", e.method, "url.template", e.route, "server.address", e.host, "server.port", "443",
		"url.full", "https://"+e.host+e.route)
	name := e.method + " " + e.route
	return func(f *frame, done func(*fault)) {
		r := f.request
		sp := s.open(r, f.span, f.pod, sources.KindClient, name)
		sp.fixed, sp.peer = fixed, e.host
		slower, err := goes(f)
		takes := e.takes.draw(r.chance) + slower
		if takes >= e.timeout {
			takes, err = e.timeout, timeoutFault(f.pod, e.host, name, e.timeout)
		}
		s.after(takes, func() {
			switch {
			case err == nil:
				sp.set("http.response.status_code", "200")
			case err.status == 504:
				s.mark(sp, err)
				sp.set("error.type", "timeout")
			default:
				s.mark(sp, err)
				sp.set("error.type", err.kind)
			}
			s.end(r, sp, "")
			done(err)
		})
	}
}

// serve handles a request in a pod, and replies with its status.
func (s *Shop) serve(o *operation, p *pod, r *request, parent *span, reply func(status int, err *fault)) {
	sp := s.open(r, parent, p, sources.KindServer, o.name)
	sp.fixed = o.fixed
	path := o.path(r)
	sp.set("url.path", path)
	if o.entry {
		sp.set("tenant.id", r.tenant)
		sp.set("request.id", r.id)
		sp.set("client.address", r.address)
		sp.set("user_agent.original", r.agent)
	}
	f := &frame{request: r, pod: p, span: sp}
	o.run(f, func(err *fault) {
		status := o.success()
		if err != nil {
			status = err.status
		}
		sp.set("http.response.status_code", strconv.Itoa(status))
		if status >= 500 {
			sp.failed = true
			sp.set("error.type", strconv.Itoa(status))
			if !err.quiet {
				s.mark(sp, err)
			} else if sp.message == "" {
				sp.message = err.message
			}
		}
		s.observe(o, p, r, sp, status)
		s.end(r, sp, "")
		s.logAnswer(o, p, r, sp, path, status, err)
		reply(status, err)
	})
}

// publish hands a message to a queue, whence the consumer takes it when it comes to it.
func (s *Shop) publish(queue, consumer string, run step) step {
	producing := sorted("messaging.system", "rabbitmq", "messaging.destination.name", queue, "messaging.operation.type", "send",
		"messaging.operation.name", "publish", "server.address", "rabbitmq")
	consuming := sorted("messaging.system", "rabbitmq", "messaging.destination.name", queue, "messaging.operation.type", "process",
		"messaging.operation.name", "process", "server.address", "rabbitmq")
	verb := func(what string) string { return strings.Join([]string{what, queue}, " ") }
	return func(f *frame, done func(*fault)) {
		r := f.request
		sp := s.open(r, f.span, f.pod, sources.KindProducer, verb("publish"))
		sp.fixed, sp.peer = producing, "rabbitmq"
		r.unfinished++ // the trace is not over before the message has been processed
		s.after(usual(1.2).draw(r.chance), func() {
			s.end(r, sp, "")
			s.queued += r.weight
			s.after(usual(60).draw(r.chance), func() {
				s.queued -= r.weight
				p := s.services[consumer].choose(r)
				work := s.open(r, sp, p, sources.KindConsumer, verb("process"))
				work.fixed = consuming
				r.unfinished--
				run(&frame{request: r, pod: p, span: work}, func(err *fault) {
					if err != nil {
						s.mark(work, err)
					}
					s.end(r, work, "")
				})
			})
			done(nil)
		})
	}
}
