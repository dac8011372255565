package shop

import (
	"strconv"
	"strings"
	"time"

	"obs/sources"
)

// statement is one SQL statement that a service sends to the database.
type statement struct {
	verb, table, text string
	takes             spread
}

const (
	// acquireLimit is how long work waits for a connection before it gives up.
	acquireLimit = 3 * time.Second
	// slowAcquire is from where on waiting for a connection gets a span of its own.
	slowAcquire = time.Millisecond
	// workers is how many statements the database runs at the same time.
	workers = 12
)

func (q statement) name() string { return q.verb + " " + q.table }

func (q statement) attributes() sources.Attributes {
	return sorted("db.system.name", "postgresql", "db.namespace", "shop", "db.collection.name", q.table,
		"db.operation.name", q.verb, "db.query.text", q.text, "server.address", postgres, "server.port", "5432")
}

// query runs a statement on a connection of the pod's pool.
func (s *Shop) query(q statement) step {
	run := s.onConnection(q)
	return func(f *frame, done func(*fault)) {
		s.connected(f, func(err *fault) {
			if err != nil {
				done(err)
				return
			}
			run(f, func(err *fault) {
				f.pod.pool.release()
				done(err)
			})
		})
	}
}

// connected takes a connection from the pod's pool, or ends in a fault without one.
func (s *Shop) connected(f *frame, done func(*fault)) {
	p := f.pod.pool
	asked := s.now
	p.acquire(acquireLimit, func(waited time.Duration, ok bool) {
		if ok && waited < slowAcquire {
			done(nil)
			return
		}
		sp := s.open(f.request, f.span, f.pod, sources.KindInternal, "acquire connection")
		sp.start = asked
		sp.extra = sorted("db.client.connection.pool.name", f.pod.service.name, "db.client.connection.max", strconv.Itoa(p.size))
		var err *fault
		if !ok {
			message := "timed out after " + acquireLimit.String() + " waiting for a connection: " +
				strconv.Itoa(p.used) + " of " + strconv.Itoa(p.size) + " in use, " + strconv.Itoa(p.waiting) + " waiting"
			err = &fault{status: 503, kind: exceptionNames[f.pod.service.language].pool, message: message,
				stack: stackOf(f.pod, "ConnectionPool.acquire", message)}
			s.mark(sp, err)
			s.log(f.pod, levelError, "could not get a database connection", f.request, f.span, text("error", message))
			err = &fault{status: err.status, kind: err.kind, message: err.message, quiet: true}
		}
		s.end(f.request, sp, "")
		done(err)
	})
}

// onConnection runs a statement on a connection that is already held.
func (s *Shop) onConnection(q statement) step {
	fixed, name := q.attributes(), q.name()
	return func(f *frame, done func(*fault)) {
		r := f.request
		sp := s.open(r, f.span, f.pod, sources.KindClient, name)
		sp.fixed, sp.peer = fixed, postgres
		s.database.acquire(time.Minute, func(time.Duration, bool) {
			s.after(usual(0.4).draw(r.chance)+q.takes.draw(r.chance), func() {
				s.database.release()
				s.statements += r.weight
				s.end(r, sp, "postgresql")
				done(nil)
			})
		})
	}
}

// command sends a command to the cache server.
func (s *Shop) command(verb, key string, ms float64) step {
	fixed := sorted("db.system.name", "redis", "db.namespace", "0", "db.operation.name", verb, "db.query.text", verb+" "+key,
		"server.address", redis, "server.port", "6379")
	takes := usual(ms)
	return func(f *frame, done func(*fault)) {
		r := f.request
		sp := s.open(r, f.span, f.pod, sources.KindClient, verb)
		sp.fixed, sp.peer = fixed, redis
		s.commands += r.weight
		s.after(takes.draw(r.chance), func() {
			s.end(r, sp, "redis")
			done(nil)
		})
	}
}

// lookup asks the cache for a key. Where it is not held, the frame is cold.
func (s *Shop) lookup(verb, key string, ms float64, of func(r *request) uint32) step {
	ask := s.command(verb, key, ms)
	return func(f *frame, done func(*fault)) {
		f.cold = !s.prices.get(of(f.request), f.request.weight)
		if f.cold {
			f.span.set("shop.cache.hit", "false")
		} else {
			f.span.set("shop.cache.hit", "true")
		}
		ask(f, done)
	}
}

const (
	postgres = "postgres"
	redis    = "redis"
)

// exceptionNames are what the languages call the same troubles.
var exceptionNames = map[string]struct{ timeout, pool, tls, illegal string }{
	"java": {"java.net.http.HttpTimeoutException", "java.sql.SQLTransientConnectionException",
		"javax.net.ssl.SSLHandshakeException", "java.lang.IllegalStateException"},
	"go":     {"context.deadlineExceededError", "*pool.TimeoutError", "*tls.CertificateVerificationError", "*errors.errorString"},
	"python": {"httpx.ReadTimeout", "psycopg_pool.PoolTimeout", "ssl.SSLCertVerificationError", "ValueError"},
}

// stackOf is a stack trace as the service's language prints it.
func stackOf(p *pod, at, message string) string {
	svc := p.service
	unit, function, _ := strings.Cut(at, ".")
	names := exceptionNames[svc.language]
	switch svc.language {
	case "java":
		return names.illegal + ": " + message + "\n\tat shop." + svc.name + "." + at + "(" + unit + ".java:118)" +
			"\n\tat shop." + svc.name + ".web.Handler.handle(Handler.java:74)" +
			"\n\tat java.base/java.lang.Thread.run(Thread.java:1583)"
	case "python":
		return "Traceback (most recent call last):\n  File \"/app/" + svc.name + "/handlers.py\", line 57, in handle\n    return await " +
			strings.ToLower(unit) + "." + function + "(request)\n  File \"/app/" + svc.name + "/" + strings.ToLower(unit) + ".py\", line 143, in " +
			function + "\n" + names.illegal + ": " + message
	}
	return message + "\n\ngoroutine 4711 [running]:\nshop/" + svc.name + "." + function + "(...)\n\t/src/" + svc.name + "/" +
		strings.ToLower(unit) + ".go:143\nshop/" + svc.name + ".(*Server).ServeHTTP(0xc0000b2000)\n\t/src/" + svc.name + "/server.go:61"
}
